//! The cluster as releases see it: objects that are applied, owned, watched and found ready.
//!
//! Knows Kubernetes and Helm's conventions on objects; knows nothing about charts, revisions or reconciling.

mod apply;
mod client;
mod discovery;
mod error;
mod gate;
mod object;

pub use apply::{Applied, Apply, Outcome};
pub use client::{Cluster, Deleted, Options, Propagation};
pub(crate) use client::{METADATA, escape, parse};
pub use discovery::{Capabilities, Resource};
pub use error::{Action, Class, Error, Failure, FieldConflict, Result};
pub use gate::Sample;
pub use object::{ObjectId, Target};
