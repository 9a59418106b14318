//! The definitions in a chart's `crds/` folder: applied before anything is rendered, never deleted.

use super::{Error, Workplace, objects};
use crate::cluster::{
    self, Apply, Target,
    readiness::{Readiness, Rules, readiness},
};

/// What to do with definitions that a chart brings along (`spec.install.crds`, `spec.upgrade.crds`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrdPolicy {
    /// Leave them alone.
    Skip,
    /// Create those that are absent; never change one that is there.
    Create,
    /// Create and update.
    CreateReplace,
}

/// Whether the definitions are in force.
#[derive(Debug, PartialEq, Eq)]
pub enum Established {
    /// All are.
    All,
    /// One is not yet.
    Waits(String),
}

/// The definitions in a file.
///
/// # Errors
/// If it cannot be read as objects.
pub(super) fn definitions((path, text): &(String, String)) -> Result<Vec<Target>, Error> {
    let mut targets = cluster::targets(text, "", |_, _| Some(false))
        .map_err(|error| Error::Definition { path: path.clone(), message: error.to_string() })?;
    // Flux, too, applies nothing else from this folder.
    targets.retain(|target| target.id.kind == "CustomResourceDefinition");
    Ok(targets)
}

/// Applies the definitions as the policy says and tells whether they are in force. May be repeated at will.
///
/// # Errors
/// If a file cannot be read as objects or the API server refuses one.
pub async fn install_crds(files: &[(String, String)], policy: CrdPolicy, at: &Workplace) -> Result<Established, Error> {
    if policy == CrdPolicy::Skip {
        return Ok(Established::All);
    }
    let mut changed = false;
    let mut waits = None;
    for file in files {
        for target in definitions(file)? {
            let live = at.cluster.get(&target.id).await?;
            let live = match live {
                Some(live) if policy == CrdPolicy::Create => live,
                live => {
                    changed = true;
                    if live.is_some() {
                        // Who created it, Helm as a client or Flux, would go on holding what the chart leaves out by now.
                        objects::take_over(&target.id, at).await?;
                    }
                    let how = Apply { manager: &at.manager, force: true, dry_run: false, strict: false };
                    at.cluster.apply(&target, &how).await?.object
                }
            };
            let live = serde_json::to_value(live).unwrap_or_default();
            if let Readiness::InProgress(why) | Readiness::Failed(why) = readiness(&live, &Rules::default()) {
                waits.get_or_insert(format!("{}: {why}", target.id));
            }
        }
    }
    if changed {
        at.cluster.forget_discovery();
    }
    Ok(waits.map_or(Established::All, Established::Waits))
}
