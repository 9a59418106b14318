//! What can go wrong with a release record and its storage.

use crate::cluster;

/// Result of the release module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure to encode, decode, store or fetch a release record.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The revision was stored already: somebody else is working on the release.
    #[error("release {release}: revision {revision} already exists; another operation on this release was faster")]
    AlreadyExists {
        /// Name of the release.
        release: String,
        /// The revision that was to be created.
        revision: u32,
    },
    /// The record was changed (or deleted) since it was read.
    #[error("release {release}: revision {revision} was changed by someone else; read it again before writing")]
    Conflict {
        /// Name of the release.
        release: String,
        /// The revision that was to be written.
        revision: u32,
    },
    /// There is no such revision.
    #[error("release {release} has no revision {revision}")]
    NotFound {
        /// Name of the release.
        release: String,
        /// The revision that was asked for.
        revision: u32,
    },
    /// The stored bytes are not a release.
    #[error("the stored release cannot be read: {0}")]
    Decode(String),
    /// The record is larger than the limit allows once unpacked.
    #[error("the stored release is larger than {limit} bytes when unpacked")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The record does not fit into what the API server takes.
    #[error(
        "release {release}: revision {revision} cannot be stored: {what} is {size} bytes packed, and at most {limit} can be: \
         render less, leave files out with .helmignore, or make several releases of it"
    )]
    Oversized {
        /// Name of the release.
        release: String,
        /// The revision that was to be written.
        revision: u32,
        /// What of it is too large.
        what: &'static str,
        /// Its size in bytes, as stored.
        size: usize,
        /// The most that is stored.
        limit: usize,
    },
    /// Writing the record as JSON failed.
    #[error("the release cannot be written as JSON: {0}")]
    Encode(String),
    /// The API server refused or could not be reached.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
}

impl Error {
    /// Whether trying the same again later may help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Cluster(error) => error.is_transient(),
            Self::AlreadyExists { .. } | Self::Conflict { .. } => true,
            _ => false,
        }
    }
}
