//! The API server as a release sees it: apply, ownership, readiness, discovery, identity, watches.
