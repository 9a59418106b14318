//! The cluster as releases see it: objects that are applied, owned, watched and found ready.
//!
//! Knows Kubernetes and Helm's conventions on objects; knows nothing about charts, revisions or reconciling.

mod apply;
mod client;
mod diagnosis;
mod discovery;
pub mod drift;
mod error;
pub mod expression;
mod gate;
pub mod kubeconfig;
mod lookout;
pub mod managers;
mod manifest;
mod merge;
mod object;
pub mod ownership;
pub mod readiness;
mod token;
pub mod watch;

pub use apply::{Applied, Apply, Outcome};
pub use client::{Cluster, Deleted, Options, Propagation};
pub(crate) use client::{METADATA, escape, parse};
pub use diagnosis::Diagnosis;
pub use discovery::{Capabilities, Resource};
pub use error::{Action, Class, Error, Failure, FieldConflict, Result};
pub use gate::{Fence, Sample};
pub use lookout::Lookouts;
pub use manifest::targets;
pub use object::{ObjectId, Target, compare_versions};
pub use ownership::{Origin, Owner};
pub use readiness::{HookOutcome, Readiness, Rules, Strategy, hook_outcome, readiness};
pub use token::Token;
pub use watch::{Changed, Selection, Sight, WatchState, Watches};
