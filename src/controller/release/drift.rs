//! Changes by others to the objects of a deployed revision: noticed by the watches, said, and undone if the spec asks for it.

use super::{Identity, Run, Trouble};
use crate::{
    action::{Action, drift, records},
    cluster::ObjectId,
    controller::policy,
    crd::DriftMode,
};
use jiff::Timestamp;
use std::{collections::BTreeSet, sync::Arc};

impl Run<'_> {
    /// Where changes are to be approved first, those of others are told of and never undone.
    pub(super) fn drift_mode(&self) -> DriftMode {
        let asked = self.release.spec.drift_detection.as_ref().and_then(|d| d.mode);
        match asked {
            None | Some(DriftMode::Enabled) if self.plans() => DriftMode::Warn,
            asked => asked.unwrap_or_default(),
        }
    }

    /// The objects of the deployed revision that somebody may have changed. Costs no request.
    pub(super) fn suspects(&mut self) -> BTreeSet<ObjectId> {
        if self.drift_mode() == DriftMode::Disabled {
            return BTreeSet::new();
        }
        let Some(newest) = self.live.history.as_ref().and_then(|h| h.first()) else { return BTreeSet::new() };
        let Some((version, objects)) = &self.live.inventory else { return BTreeSet::new() };
        if *version != newest.revision.version {
            return BTreeSet::new();
        }
        let shapes = newest.revision.cursor.as_ref().map(|c| c.shapes.as_slice()).unwrap_or_default();
        let watches = Arc::clone(self.watches());
        self.live.drift.suspects(*version, objects, shapes, |id| watches.sight(id), Timestamp::now())
    }

    /// Looks at what the planner was told that somebody may have changed, says what is wrong, and puts it back if the spec asks for that.
    pub(super) async fn inspect(&mut self, who: &Identity) -> Result<(), Trouble> {
        let suspects = std::mem::take(&mut self.suspects);
        let Some(version) = self.newest_version() else { return Ok(()) };
        let Some(stored) = records::revision(&who.storage, &self.place.name, version).await? else {
            return Err(Trouble::Raced);
        };
        let at = self.workplace(Action::Upgrade, who);
        let ignore = policy::ignored(&self.release.spec).map_err(Trouble::Blocked)?;
        let findings = drift::inspect(&stored.record, &suspects, &ignore, &at).await?;
        let correct = self.drift_mode() == DriftMode::Enabled;
        let (mut said, mut fights) = (Vec::new(), Vec::new());
        for finding in &findings {
            let Some(found) = &finding.drift else {
                self.live.drift.accept(finding.object(), finding.shape.clone());
                continue;
            };
            said.push(found.to_string());
            if !correct {
                self.live.drift.accept(finding.object(), finding.shape.clone());
                continue;
            }
            let restored = drift::restore(finding, &stored.record, &at).await?;
            self.ctx.metrics.drift_corrected.inc();
            let (shape, resource_version) = (restored.shape, restored.resource_version);
            if let Some(until) = self.live.drift.corrected(finding.object(), shape, resource_version, Timestamp::now())
            {
                let writer = found.writer.as_deref().unwrap_or("somebody");
                fights.push(format!(
                    "{}: {writer} changes it again and again; it is left alone until {until:.0}: let one of the two manage it, or ignore the fields in spec.driftDetection.ignore",
                    finding.object()
                ));
            }
        }
        // What the manifest does not have cannot have been changed.
        for object in suspects.iter().filter(|id| findings.iter().all(|f| f.object() != *id)) {
            self.live.drift.accept(object, None);
        }
        if !said.is_empty() {
            self.ctx.metrics.drift_detected.inc_by(said.len() as u64);
            let reason = if correct { "DriftCorrected" } else { "DriftDetected" };
            self.live.said = None;
            self.announce(!correct, reason, &said.join("; ")).await;
        }
        for fight in fights {
            self.announce(true, "DriftFight", &fight).await;
        }
        Ok(())
    }
}
