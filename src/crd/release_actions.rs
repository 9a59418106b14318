//! The blocks of a HelmRelease that say how each action is done: install, upgrade, test, rollback, uninstall.

#![allow(unreachable_pub, reason = "KubeSchema repeats the struct inside a function")]

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;

/// How a release is installed.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Install {
    /// How long a single hook or a wait for the objects may take. Default: the release's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What a failed install leads to. Default: RemediateOnFailure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<InstallStrategy>,
    /// How often a failed install is tried again, and what is done in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<InstallRemediation>,
    /// Whether objects that exist already and belong to no release make the install fail. Default: false, they are taken over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_take_ownership: bool,
    /// Whether the release counts as deployed without waiting for its objects. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_wait: bool,
    /// Whether Jobs are left out of the wait. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_wait_for_jobs: bool,
    /// Whether hooks are not run. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_hooks: bool,
    /// Whether the API server does not validate fields strictly. Default: false.
    #[serde(rename = "disableOpenAPIValidation")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_open_api_validation: bool,
    /// Whether the values are not validated against the chart's `values.schema.json`. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_schema_validation: bool,
    /// Whether a name may be used again that an uninstalled release with kept history still holds. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub replace: bool,
    /// Deprecated, without effect: use `crds`.
    #[serde(rename = "skipCRDs")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub skip_crds: bool,
    /// What is done with the chart's CRDs. Default: Create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crds: Option<CrdsPolicy>,
    /// Whether the target namespace is created when it does not exist. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub create_namespace: bool,
    /// Whether objects are applied by the API server (server-side apply). Default: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<bool>,
}

/// What is done with the CRDs in a chart's `crds/`.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[schemars(description = "")]
pub enum CrdsPolicy {
    /// Nothing.
    Skip,
    /// Those that do not exist are created.
    #[default]
    Create,
    /// Those that do not exist are created, those that do are updated.
    CreateReplace,
}

/// What a failed action leads to.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[schemars(description = "")]
pub enum StrategyName {
    /// It is undone, then tried again as often as `remediation` says.
    #[default]
    RemediateOnFailure,
    /// It is tried again after an interval, without being undone.
    RetryOnFailure,
}

/// What a failed install leads to.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[x_kube(validation = kube::core::Rule::new("!has(self.retryInterval) || self.name != 'RemediateOnFailure'")
    .message("retryInterval cannot be set when name is RemediateOnFailure"))]
#[serde(rename_all = "camelCase")]
pub struct InstallStrategy {
    /// What is done.
    pub name: StrategyName,
    /// The time between tries of RetryOnFailure. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
}

/// How often a failed install is tried again.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct InstallRemediation {
    /// How often an install is tried again, uninstalled in between. Default: 0; negative numbers mean without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// Whether failed tests do not count as a failed install. Default: the value of `test.ignoreFailures`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Whether the last failed try is uninstalled too. Default: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
}

/// How a release is upgraded.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Upgrade {
    /// How long a single hook or a wait for the objects may take. Default: the release's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// What a failed upgrade leads to. Default: RemediateOnFailure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<UpgradeStrategy>,
    /// How often a failed upgrade is tried again, and what is done in between.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediation: Option<UpgradeRemediation>,
    /// Whether objects that exist already and belong to no release make the upgrade fail. Default: false, they are taken over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_take_ownership: bool,
    /// Whether the release counts as deployed without waiting for its objects. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_wait: bool,
    /// Whether Jobs are left out of the wait. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_wait_for_jobs: bool,
    /// Whether hooks are not run. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_hooks: bool,
    /// Whether the API server does not validate fields strictly. Default: false.
    #[serde(rename = "disableOpenAPIValidation")]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_open_api_validation: bool,
    /// Whether the values are not validated against the chart's `values.schema.json`. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_schema_validation: bool,
    /// Whether objects are replaced instead of patched; without effect under server-side apply. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub force: bool,
    /// Whether the values of the last revision are kept under the new ones, like `helm upgrade --reuse-values`. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub preserve_values: bool,
    /// Whether objects that a failed upgrade has created are deleted. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub cleanup_on_fail: bool,
    /// What is done with the chart's CRDs. Default: Create.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crds: Option<CrdsPolicy>,
    /// Whether objects are applied by the API server (server-side apply). Default: auto, as the revision before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<ServerSideApply>,
    /// What a chart with another name leads to. Default: InPlaceUpdate, the release is upgraded and keeps its data. (Flux's
    /// default is Reinstall.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_name_change_strategy: Option<ChartNameChangeStrategy>,
}

/// What a failed upgrade leads to.
#[derive(KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[x_kube(validation = kube::core::Rule::new("!has(self.retryInterval) || self.name == 'RetryOnFailure'")
    .message("retryInterval can only be set when name is RetryOnFailure"))]
#[serde(rename_all = "camelCase")]
pub struct UpgradeStrategy {
    /// What is done.
    pub name: StrategyName,
    /// The time between tries of RetryOnFailure. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_interval: Option<Duration>,
}

/// How often a failed upgrade is tried again.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeRemediation {
    /// How often an upgrade is tried again, undone in between. Default: 0; negative numbers mean without end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<i64>,
    /// Whether failed tests do not count as a failed upgrade. Default: the value of `test.ignoreFailures`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignore_test_failures: Option<bool>,
    /// Whether the last failed try is undone too. Default: true when `retries` is more than 0, else false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub remediate_last_failure: Option<bool>,
    /// How a failed upgrade is undone. Default: rollback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strategy: Option<RemediationStrategy>,
}

/// How a failed upgrade is undone.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum RemediationStrategy {
    /// By a rollback to the last revision that was good.
    #[default]
    Rollback,
    /// By an uninstall.
    Uninstall,
}

/// Whether objects are applied by the API server.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum ServerSideApply {
    /// Yes.
    Enabled,
    /// No: by a three-way merge.
    Disabled,
    /// As the revision before was.
    #[default]
    Auto,
}

/// What a chart with another name leads to.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[schemars(description = "")]
pub enum ChartNameChangeStrategy {
    /// An upgrade.
    #[default]
    InPlaceUpdate,
    /// An uninstall, then an install.
    Reinstall,
}

/// How the chart's tests are run.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Test {
    /// Whether tests are run after each install and upgrade. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub enable: bool,
    /// How long a single test may take. Default: the release's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether a failed test does not make the release fail. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub ignore_failures: bool,
    /// Which tests are run. Default: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub filters: Vec<TestFilter>,
}

/// A test to run, or to leave out.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct TestFilter {
    /// The name of the test.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Whether it is left out. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub exclude: bool,
}

/// How a release is rolled back.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rollback {
    /// How long a single hook or a wait for the objects may take. Default: the release's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether the rollback counts as done without waiting for its objects. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_wait: bool,
    /// Whether Jobs are left out of the wait. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_wait_for_jobs: bool,
    /// Whether hooks are not run. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_hooks: bool,
    /// Deprecated, without effect.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub recreate: bool,
    /// Whether objects are replaced instead of patched; without effect under server-side apply. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub force: bool,
    /// Whether objects that a failed rollback has created are deleted. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub cleanup_on_fail: bool,
    /// Whether objects are applied by the API server (server-side apply). Default: auto, as the revision that is rolled back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_side_apply: Option<ServerSideApply>,
}

/// How a release is uninstalled.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Uninstall {
    /// How long a single hook or the wait for the deletion may take. Default: the release's timeout.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Whether hooks are not run. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_hooks: bool,
    /// Whether the release's records are kept. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub keep_history: bool,
    /// Whether the uninstall counts as done without waiting until the objects are gone. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub disable_wait: bool,
    /// What becomes of the objects' dependents. Default: background.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_propagation: Option<DeletionPropagation>,
}

/// What becomes of a deleted object's dependents.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum DeletionPropagation {
    /// They are deleted after it.
    #[default]
    Background,
    /// They are deleted before it.
    Foreground,
    /// They stay.
    Orphan,
}
