//! What is known of a release: its conditions, the revision that runs, the step it is at, its history.
//!
//! Empty fields are written as `null`, so that a merge patch of the whole status clears them.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is known of a release.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmReleaseStatus {
    /// The generation of the spec that this status speaks of.
    pub observed_generation: Option<i64>,
    /// The generation of the spec that was last acted upon.
    pub last_attempted_generation: Option<i64>,
    /// Ready, Reconciling, Stalled, Planned, Released, TestSuccess, Remediated.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The release revision that runs.
    pub revision: Option<i64>,
    /// The chart that runs, as `name@version`.
    pub chart: Option<String>,
    /// What is being done just now. Absent when nothing is.
    pub step: Option<Step>,
    /// The namespace of the records in use. Absent when nothing was ever released.
    #[schemars(length(min = 1, max = 63))]
    pub storage_namespace: Option<String>,
    /// The release's revisions, newest first.
    pub history: Vec<Snapshot>,
    /// The resourceVersion of the newest revision's record that the history tells of.
    pub record_version: Option<String>,
    /// The objects of the release as last applied.
    pub inventory: Option<Inventory>,
    /// What would be done, if `spec.mode` is Plan and something is to be done.
    pub plan: Option<Plan>,
    /// The approved plan that was last carried out.
    pub last_handled_approval: Option<String>,
    /// Digest of the post-renderers at the last success.
    pub observed_post_renderers_digest: Option<String>,
    /// Digest of the common metadata at the last success.
    pub observed_common_metadata_digest: Option<String>,
    /// The chart object in use. Never set: there is no such object here.
    pub helm_chart: Option<String>,
    /// The last action that was begun.
    pub last_attempted_release_action: Option<ReleaseAction>,
    /// How long it took.
    pub last_attempted_release_action_duration: Option<String>,
    /// Failures of any kind since the last success.
    pub failures: i64,
    /// Failed installs of this spec, chart and values.
    pub install_failures: i64,
    /// Failed upgrades to this spec, chart and values.
    pub upgrade_failures: i64,
    /// The chart version that was last tried.
    pub last_attempted_revision: Option<String>,
    /// The digest of the chart that was last tried: that of its manifest in its registry. Absent for charts of other repositories.
    pub last_attempted_revision_digest: Option<String>,
    /// The digest of the values that were last tried.
    pub last_attempted_config_digest: Option<String>,
    /// The last value of the annotation `reconcile.fluxcd.io/requestedAt` that was acted upon.
    pub last_handled_reconcile_at: Option<String>,
    /// The last value of the annotation `reconcile.fluxcd.io/forceAt` that was acted upon.
    pub last_handled_force_at: Option<String>,
    /// The last value of the annotation `reconcile.fluxcd.io/resetAt` that was acted upon.
    pub last_handled_reset_at: Option<String>,
}

/// What would be done. Approved by the annotation `pintle.dev/approve` with its digest.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Plan {
    /// The digest of chart, values, rendered objects and hooks, and of the revision that runs: what is approved.
    pub digest: String,
    /// The digest of what the plan was made from. As long as it is the same, no other plan is made.
    pub inputs_digest: String,
    /// The action: install, upgrade, rollback.
    pub action: String,
    /// The revision that it would make.
    pub revision: i64,
    /// The revision that it would replace. Absent when nothing runs.
    pub base: Option<i64>,
    /// The chart, as `name@version`.
    pub chart: String,
    /// Objects that would be created.
    pub create: i64,
    /// Objects that would be changed.
    pub change: i64,
    /// Objects that would be deleted.
    pub delete: i64,
    /// Hooks that would run.
    pub hooks: i64,
    /// All of that in a line.
    pub summary: String,
    /// The ConfigMap with the differences, in the namespace of this object, under the key `plan.diff`.
    pub config_map: String,
    /// Whether the differences are longer than what is shown of them.
    pub truncated: bool,
    /// When the differences were looked for.
    pub compared_at: Time,
}

/// What is being done just now.
#[derive(JsonSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The action: install, upgrade, test, rollback, uninstall.
    pub action: String,
    /// How far it is.
    pub phase: String,
    /// The hook that runs.
    pub hook: Option<String>,
    /// Since when.
    pub since: Time,
    /// What is being waited for: the object, its reason, its last event.
    pub waiting_for: Option<String>,
}

/// The actions that make a revision.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum ReleaseAction {
    /// An install.
    Install,
    /// An upgrade.
    Upgrade,
}

/// One revision of a release.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Snapshot {
    /// The version of the snapshot's form: `v2`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The digest of the release's record.
    pub digest: String,
    /// The name of the release.
    pub name: String,
    /// The namespace of the release.
    pub namespace: String,
    /// The revision.
    pub version: i64,
    /// The state: deployed, superseded, failed, uninstalled, pending-install and so on.
    pub status: String,
    /// What made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<SnapshotAction>,
    /// The chart's name.
    pub chart_name: String,
    /// The chart's version.
    pub chart_version: String,
    /// The version of the application in the chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_version: Option<String>,
    /// The digest of the values.
    pub config_digest: String,
    /// When the release was first deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_deployed: Option<Time>,
    /// When this revision was deployed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_deployed: Option<Time>,
    /// When it was deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<Time>,
    /// The chart's tests and how they went.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_hooks: Option<BTreeMap<String, TestHook>>,
    /// The digest of the chart's OCI artifact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci_digest: Option<String>,
}

/// What made a revision.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[schemars(description = "")]
pub enum SnapshotAction {
    /// An install.
    Install,
    /// An upgrade.
    Upgrade,
    /// A rollback.
    Rollback,
    /// An uninstall.
    Uninstall,
    /// An uninstall that undid a failed install or upgrade.
    UninstallRemediation,
}

/// How a test went.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TestHook {
    /// When it began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_started: Option<Time>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_completed: Option<Time>,
    /// Its outcome: Succeeded, Failed, Running, Unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,
}

/// The objects of a release.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Inventory {
    /// One entry an object.
    pub entries: Vec<InventoryEntry>,
}

/// An object of a release.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct InventoryEntry {
    /// `<namespace>_<name>_<group>_<kind>`.
    pub id: String,
    /// The API version, without the group.
    pub v: String,
}
