//! Chart repositories: index, download, cache, authentication.
