//! The status of a HelmRelease: what is said, and when it is written.

use super::{
    context::Context,
    live::{Live, Summary, Written},
    plan::Failures,
    post_render,
};
use crate::{
    action::{Action, Cursor, Step},
    cluster::ObjectId,
    crd::{
        self, HelmRelease, HelmReleaseSpec, HelmReleaseStatus, Inventory, InventoryEntry, ReleaseAction, Snapshot,
        SnapshotAction,
        conditions::{self, Conditions},
    },
    release::Status,
};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{
    Api,
    api::{Patch, PatchParams},
};
use std::{collections::BTreeMap, time::Instant};

/// Snapshots that the status holds at most.
const SNAPSHOTS: usize = 10;

/// The status on its way to the API server.
pub struct Report {
    /// As it will be written.
    pub status: HelmReleaseStatus,
    generation: i64,
    now: Time,
}

impl Report {
    /// Begins with the status as it was last written, or was to be.
    pub fn new(release: &HelmRelease, live: &mut Live, now: Timestamp) -> Self {
        // What we wrote last may be newer than what the watch has brought.
        live.status.take_if(|written| written.is_in(release));
        let written = live.status.as_ref().and_then(|written| serde_json::from_value(written.status.clone()).ok());
        let status = live.unwritten.take().or(written).or_else(|| release.status.clone()).unwrap_or_default();
        Self { status, generation: release.metadata.generation.unwrap_or_default(), now: Time(now) }
    }

    /// The conditions.
    pub fn conditions(&mut self) -> Conditions<'_> {
        Conditions { list: &mut self.status.conditions, generation: Some(self.generation), now: &self.now }
    }

    /// The message of a condition.
    pub fn message(&self, kind: &str) -> Option<&str> {
        conditions::find(&self.status.conditions, kind).map(|c| c.message.as_str())
    }

    /// Failed attempts so far.
    pub fn failures(&self) -> Failures {
        let count = |n: i64| u32::try_from(n).unwrap_or(0);
        Failures { install: count(self.status.install_failures), upgrade: count(self.status.upgrade_failures) }
    }

    /// Counts a failed attempt.
    pub fn count_failure(&mut self, first: bool) {
        self.status.failures += 1;
        if first {
            self.status.install_failures += 1;
        } else {
            self.status.upgrade_failures += 1;
        }
    }

    /// Forgets failed attempts.
    pub fn reset_failures(&mut self) {
        self.status.failures = 0;
        self.status.install_failures = 0;
        self.status.upgrade_failures = 0;
    }

    /// Notes what is attempted now. Failures of another attempt do not count any more.
    pub fn attempt(&mut self, chart_version: &str, oci_digest: Option<&str>, config_digest: &str) {
        let status = &mut self.status;
        let same = status.last_attempted_generation == Some(self.generation)
            && status.last_attempted_revision.as_deref() == Some(chart_version)
            && status.last_attempted_revision_digest.as_deref() == oci_digest
            && status.last_attempted_config_digest.as_deref() == Some(config_digest);
        status.last_attempted_generation = Some(self.generation);
        status.last_attempted_revision = Some(chart_version.to_owned());
        status.last_attempted_revision_digest = oci_digest.map(str::to_owned);
        status.last_attempted_config_digest = Some(config_digest.to_owned());
        if !same {
            self.reset_failures();
        }
    }

    /// Notes which action is attempted.
    pub fn attempt_action(&mut self, action: Action) {
        self.status.last_attempted_release_action = match action {
            Action::Install => Some(ReleaseAction::Install),
            Action::Upgrade => Some(ReleaseAction::Upgrade),
            _ => return,
        };
    }

    /// An operation is under way.
    pub fn progressing(&mut self, cursor: &Cursor, version: u32, waits: Option<&str>) {
        let Some(step) = &cursor.step else { return };
        let action = cursor.doing();
        let what = match waits {
            Some(waits) => format!("{action} of revision {version}: {waits}"),
            None => format!("{action} of revision {version}: {}", step.describe()),
        };
        self.conditions().reconciling("Progressing", &what);
        self.status.step = Some(crd::Step {
            action: action.word().to_owned(),
            phase: match step {
                Step::Hook { event, .. } => event.word().to_owned(),
                other => other.describe(),
            },
            hook: match step {
                Step::Hook { index, .. } => Some((index + 1).to_string()),
                _ => None,
            },
            since: Time(cursor.since),
            waiting_for: waits.map(str::to_owned),
        });
    }

    /// No operation is under way.
    pub fn at_rest(&mut self) {
        self.status.step = None;
    }

    /// The spec has been acted on.
    pub fn observed(&mut self) {
        self.status.observed_generation = Some(self.generation);
    }

    /// What was done to the rendered objects of the release as it is, as digests.
    pub fn rendering(&mut self, spec: &HelmReleaseSpec) {
        let given = !spec.post_renderers.is_empty();
        self.status.observed_post_renderers_digest = given.then(|| post_render::digest_of(&spec.post_renderers));
        self.status.observed_common_metadata_digest = spec.common_metadata.as_ref().map(post_render::digest_of);
    }

    /// Mirrors the recorded revisions.
    pub fn history(&mut self, release: &str, namespace: &str, revisions: &[Summary]) {
        let good = revisions.iter().find(|s| s.revision.status == Status::Deployed);
        self.status.revision = good.map(|s| i64::from(s.revision.version));
        self.status.chart = good.map(|s| format!("{}@{}", s.chart_name, s.chart_version));
        self.status.history = revisions.iter().take(SNAPSHOTS).map(|s| snapshot(release, namespace, s)).collect();
        self.status.record_version = revisions.first().map(|s| s.resource_version.clone());
    }

    /// The objects of the deployed revision, in the order in which they are applied.
    pub fn inventory(&mut self, objects: &[ObjectId]) {
        let entries: Vec<InventoryEntry> = objects
            .iter()
            .map(|id| InventoryEntry {
                id: format!("{}_{}_{}_{}", id.namespace.as_deref().unwrap_or_default(), id.name, id.group(), id.kind),
                v: id.api_version.rsplit('/').next().unwrap_or_default().to_owned(),
            })
            .collect();
        self.status.inventory = (!entries.is_empty()).then_some(Inventory { entries });
    }

    /// Writes the status if it says something new.
    ///
    /// # Errors
    /// If the API server refuses.
    pub async fn write(&self, release: &HelmRelease, live: &mut Live, ctx: &Context) -> Result<(), kube::Error> {
        let status = serde_json::to_value(&self.status).unwrap_or_default();
        let same = match &live.status {
            Some(written) => written.status == status,
            None => release.status.as_ref().and_then(|s| serde_json::to_value(s).ok()).as_ref() == Some(&status),
        };
        if same {
            return Ok(());
        }
        live.unwritten = Some(self.status.clone());
        let (namespace, name) = (
            release.metadata.namespace.as_deref().unwrap_or_default(),
            release.metadata.name.as_deref().unwrap_or_default(),
        );
        let api: Api<HelmRelease> = Api::namespaced(ctx.cluster.client.clone(), namespace);
        let patch = serde_json::json!({ "status": status });
        let resource_version = match api.patch_status(name, &PatchParams::apply("pintle"), &Patch::Merge(&patch)).await
        {
            Ok(written) => written.metadata.resource_version,
            // Deleted in between: nobody is left to be told.
            Err(kube::Error::Api(error)) if error.code == 404 => None,
            Err(error) => return Err(error),
        };
        live.unwritten = None;
        live.told = Some(Instant::now());
        live.status = Some(Written { status, resource_version });
        Ok(())
    }
}

fn snapshot(release: &str, namespace: &str, s: &Summary) -> Snapshot {
    let text = |t: &str| (!t.is_empty()).then(|| t.to_owned());
    let mut tests = BTreeMap::new();
    for (name, started, completed, phase) in &s.tests {
        tests.insert(
            name.clone(),
            crd::TestHook { last_started: started.map(Time), last_completed: completed.map(Time), phase: text(phase) },
        );
    }
    Snapshot {
        api_version: Some("v2".into()),
        digest: s.digest.clone(),
        name: release.to_owned(),
        namespace: namespace.to_owned(),
        version: i64::from(s.revision.version),
        status: s.revision.status.to_string(),
        action: s.revision.cursor.as_ref().and_then(|c| match c.action {
            Action::Install => Some(SnapshotAction::Install),
            Action::Upgrade => Some(SnapshotAction::Upgrade),
            Action::Rollback => Some(SnapshotAction::Rollback),
            Action::Uninstall => Some(SnapshotAction::Uninstall),
            Action::UninstallRemediation => Some(SnapshotAction::UninstallRemediation),
            Action::Test => None,
        }),
        chart_name: s.chart_name.clone(),
        chart_version: s.chart_version.clone(),
        app_version: text(&s.app_version),
        config_digest: s.config_digest.clone(),
        first_deployed: s.first_deployed.map(Time),
        last_deployed: s.last_deployed.map(Time),
        deleted: s.deleted.map(Time),
        test_hooks: (!tests.is_empty()).then_some(tests),
        oci_digest: s.revision.cursor.as_ref().and_then(|c| c.oci_digest.clone()),
    }
}
