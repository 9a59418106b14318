//! The release record and its Helm-compatible storage.
