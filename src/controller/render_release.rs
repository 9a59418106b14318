//! Rendering a release: on a thread for blocking work, with the release's own eyes on the cluster.

use super::{charts::Loaded, context::Context, policy::Place, resolve::{Blocked, Wanted}};
use crate::{action::{Action, begin::Draft}, chart::Chart, cluster::Cluster, crd::HelmRelease};
use std::sync::Arc;

/// What a render made.
pub struct Rendered { pub draft: Draft }

/// CRD files of a chart.
pub fn crds(chart: &Chart) -> Vec<(String, String)> { let _ = chart; vec![] }

/// Renders.
#[allow(clippy::too_many_arguments)]
pub async fn render(_: &HelmRelease, _: &Arc<Context>, _: &Arc<Cluster>, _: &Arc<Loaded>, _: &Wanted, _: &Place, _: Action, _: u32) -> Result<Rendered, Blocked> {
    Err(Blocked::for_good("x", "x"))
}
