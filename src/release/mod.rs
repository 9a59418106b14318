//! The release record: what Helm writes down about a release, where it is kept, and its history.
//!
//! Everything here must be readable by the `helm` command line and read what it wrote. It knows nothing about charts' insides
//! or about how objects reach the cluster.

pub mod budget;
pub mod codec;
mod error;
pub mod parts;
pub mod record;
pub mod storage;
pub mod tiller;

pub use budget::Budget;
pub use codec::{Limits, decode, encode};
pub use error::{Error, Result};
pub use record::{ApplyMethod, ChartMetadata, HookPhase, HookRecord, Info, LastRun, RawChart, Record, Status};
pub use storage::{Annotations, Driver, Entry, History, Storage, Stored, Unreadable, object_name};
