//! The objects that people write: `HelmRelease` and `HelmRepository`, group `pintle.dev/v1`, with Flux's field names and meanings.
//!
//! Pure types: nothing here talks to a cluster. `config/crd` is generated from them.

pub mod conditions;
mod duration;
mod helm_release;
mod helm_repository;
mod manifests;
mod release_actions;
mod release_rendering;
mod release_status;

pub use duration::Duration;
pub use helm_release::*;
pub use helm_repository::*;
pub use manifests::{definitions, manifests};
pub use release_actions::*;
pub use release_rendering::*;
pub use release_status::*;
