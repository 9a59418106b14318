//! The steps of install, upgrade, rollback, uninstall and test: one side effect each, written down before it is taken.
//!
//! An operation is a record in the storage with a [`cursor::Cursor`] beside it. [`advance::advance`] takes one step and
//! returns; nothing here waits for a cluster to do something. Whether and which operation begins is the planner's
//! decision, not this module's.

pub mod advance;
pub mod begin;
mod crds;
pub mod cursor;
pub mod drift;
mod hooks;
pub mod objects;
pub mod proposal;
pub mod records;
mod wait;

pub use advance::{Operation, Outcome, Progress};
pub use crds::{CrdPolicy, Established, install_crds};
pub use cursor::{Action, Cursor, Holder, HookEvent, HookStage, Step};
pub use wait::{Changes, Waiting};

use crate::{cluster, release};
use jiff::{SignedDuration, Timestamp};
use std::sync::Arc;

/// How an action is to be carried out: the fields of the spec's install, upgrade, rollback, uninstall and test blocks.
#[derive(Debug, Clone)]
pub struct Options {
    /// For each hook, and for the objects to become ready.
    pub timeout: SignedDuration,
    /// Whether objects are waited for.
    pub wait: bool,
    /// Whether Jobs among the objects must complete.
    pub wait_for_jobs: bool,
    /// Whether hooks run.
    pub hooks: bool,
    /// Whether objects that nobody's release owns may be taken over.
    pub take_ownership: bool,
    /// Whether objects that a failed upgrade or rollback created are deleted.
    pub cleanup_on_fail: bool,
    /// How objects are written; nothing for as the revision before.
    pub method: Option<release::ApplyMethod>,
    /// Whether objects are replaced as a whole where they are written by the client.
    pub replace: bool,
    /// By whose rules objects are found ready.
    pub strategy: cluster::readiness::Strategy,
    /// Whether the API server refuses unknown fields.
    pub strict: bool,
    /// How objects of a release that ends are deleted.
    pub propagation: cluster::Propagation,
    /// Whether the records of a release that ends stay.
    pub keep_history: bool,
    /// How many revisions stay; 0 is all.
    pub max_history: u32,
    /// How objects of some kinds are found ready.
    pub checks: Arc<[cluster::readiness::HealthCheck]>,
    /// Which tests run: all whose name is in the first list (if it is not empty) and not in the second.
    pub tests: (Vec<String>, Vec<String>),
}

/// Whom an operation works for, and as whom.
pub struct Workplace {
    /// The API server, as the release's identity.
    pub cluster: Arc<cluster::Cluster>,
    /// The release's records.
    pub storage: release::Storage,
    /// Watches of what is applied.
    pub watches: Arc<cluster::Watches>,
    /// The HelmRelease.
    pub holder: Holder,
    /// The field manager of applied objects: `helm`, unless a flag says otherwise.
    pub manager: String,
    /// How.
    pub options: Options,
    /// The highest revision whose record is there and cannot be read: its number is taken.
    pub taken: u32,
    /// The time.
    pub now: Timestamp,
}

impl Workplace {
    /// The number of the next revision.
    #[must_use]
    pub fn next_revision(&self, newest: Option<u32>) -> u32 {
        newest.unwrap_or(0).max(self.taken).saturating_add(1)
    }
}

/// Why a step could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused or could not be reached.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The record could not be read or written.
    #[error(transparent)]
    Storage(#[from] release::Error),
    /// Some objects could not be applied; each is named.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join(" && "))]
    Objects(Vec<cluster::Error>),
    /// An object belongs to somebody else.
    #[error("{0}")]
    Foreign(String),
    /// The stored manifest cannot be read.
    #[error("revision {revision}: {message}")]
    Manifest {
        /// Of which revision.
        revision: u32,
        /// What is wrong with it.
        message: String,
    },
    /// A file of the chart's `crds/` cannot be read.
    #[error("{path}: {message}")]
    Definition {
        /// Which file.
        path: String,
        /// What is wrong with it.
        message: String,
    },
}

impl Error {
    /// Whether somebody else wrote the record in between.
    pub fn is_lost_race(&self) -> bool {
        matches!(
            self,
            Self::Storage(
                release::Error::Conflict { .. }
                    | release::Error::AlreadyExists { .. }
                    | release::Error::NotFound { .. }
            )
        )
    }

    /// Whether the same step may succeed later without anybody changing anything.
    pub fn is_transient(&self) -> bool {
        match self {
            // An object that somebody else wrote to meanwhile is looked at anew.
            Self::Cluster(error) => error.is_transient() || error.class() == cluster::Class::Stale,
            Self::Storage(error) => error.is_transient(),
            Self::Objects(errors) => errors.iter().all(cluster::Error::is_transient),
            Self::Foreign(_) | Self::Manifest { .. } | Self::Definition { .. } => false,
        }
    }
}
