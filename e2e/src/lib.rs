//! What the end-to-end tests and the demo stand on: a real control plane on loopback, a chart repository over HTTP
//! whose faults can be switched, and the operator as a process that can be killed.
//!
//! Nothing here knows the operator's code: it is driven from outside, as a user drives it. Blocking and std only, so
//! that `cargo xtask` builds in seconds.

mod archive;
mod binary;
mod controlplane;
mod http;
mod kubectl;
mod namespace;
mod operator;
mod outcome;
mod process;
mod proxy;
mod registry;
mod releases;
mod repository;
mod scene;
pub mod story;
mod tools;
mod wait;

pub use archive::{Packaged, archive, package, package_with};
pub use binary::{pintle, root};
pub use controlplane::{ControlPlane, OPERATOR_USER, Users};
pub use http::{Answer, get};
pub use kubectl::{Event, Kubectl, Watch};
pub use namespace::{DEADLINE, HELMRELEASE, HELMREPOSITORY, Namespace, is_ready, is_tested, release_spec};
pub use operator::{Operator, OperatorOptions};
pub use outcome::{HookRuns, outcome, settled};
pub use process::{Process, end_all};
pub use proxy::{Call, FaultProxy, Verdict};
pub use registry::Registry;
pub use releases::Releases;
pub use repository::{ChartRepository, Fault, Request};
pub use scene::Scene;
pub use tools::{
    ControlPlaneTools, build_controlplane, build_helm, build_helm_engine, build_helm3, build_lua, build_oracle,
    build_registry,
};
pub use wait::{condition, wait_until};
