//! `HelmRelease`: one Helm release as wanted, in the words that Flux uses for it.

#![allow(unreachable_pub, reason = "KubeSchema repeats the struct inside a function")]
#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::release_actions::{Install, Rollback, Test, Uninstall, Upgrade};
use super::release_rendering::{
    CommonMetadata, DriftDetection, HealthCheckExpr, PostRenderStrategy, PostRenderer, WaitStrategy,
};
use super::release_status::HelmReleaseStatus;

/// What a release should be: which chart, with which values, installed where and how.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "pintle.dev",
    version = "v1",
    kind = "HelmRelease",
    namespaced,
    status = "HelmReleaseStatus",
    derive = "PartialEq",
    shortname = "hr",
    category = "all",
    category = "pintle",
    doc = "HelmRelease is a Helm release that is kept as its spec says: installed, upgraded, tested, rolled back and uninstalled.",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether the release runs as its spec says",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Revision",
        type_ = "integer",
        description = "The release revision that runs",
        json_path = ".status.revision"
    ),
    printcolumn(
        name = "Chart",
        type_ = "string",
        description = "The chart and version that runs",
        json_path = ".status.chart"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        description = "What happened last, or what is being waited for",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    ),
    printcolumn(
        name = "Since",
        type_ = "date",
        description = "Since when the release is ready, or not",
        json_path = r#".status.conditions[?(@.type=="Ready")].lastTransitionTime"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[x_kube(validation = kube::core::Rule::new("has(self.chart) != has(self.chartRef)")
    .message("exactly one of chart and chartRef must be set"))]
#[serde(rename_all = "camelCase")]
pub struct HelmReleaseSpec {
    /// The chart to install: its name, a version range and the repository it comes from. Exactly one of `chart` and `chartRef` must be set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<ChartTemplate>,
    /// A chart that another object provides: one of Flux's sources, with an artifact in its status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart_ref: Option<ChartRef>,
    /// How often the release is looked at even though nothing has changed. Changes are seen by watches, so this is a safety net.
    pub interval: Duration,
    /// Whether a change is made at once (`Apply`), or first written down and made only when the annotation `pintle.dev/approve` has
    /// the digest of that plan (`Plan`). Default: Apply.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// The cluster to install into; the release's records are kept there too. Default: the cluster that this object lives in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_config: Option<KubeConfig>,
    /// Stops everything for this release until it is false again; deleting a suspended HelmRelease leaves the release installed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub suspend: bool,
    /// The name of the release. Default: `<targetNamespace>-<name>`, or `<name>` when no targetNamespace is set.
    /// Names longer than 53 characters are shortened with a hash at the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 53))]
    pub release_name: Option<String>,
    /// The namespace of the release's objects. Default: the namespace of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub target_namespace: Option<String>,
    /// The namespace of the release's records (its Secrets). Default: the namespace of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub storage_namespace: Option<String>,
    /// HelmReleases, and objects of any other kind, that must be ready before this one is installed or upgraded.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub depends_on: Vec<Dependency>,
    /// How long a single hook or a wait for the objects may take. Default: 5m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// How many revisions of the release are kept. Default: 5; 0 keeps all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_history: Option<i64>,
    /// The ServiceAccount, in the namespace of this object, that every request of the release is made as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_account_name: Option<String>,
    /// Whether one client is kept for all actions of the release. Accepted for compatibility, without effect: the API's kinds are
    /// looked up again whenever one is unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_client: Option<bool>,
    /// Whether changes that others make to the release's objects are reported or undone. Default: neither.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift_detection: Option<DriftDetection>,
    /// How the release is installed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
    /// How the release is upgraded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upgrade: Option<Upgrade>,
    /// Whether and how the chart's tests are run after an install or upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<Test>,
    /// How the release is rolled back after a failed upgrade.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollback: Option<Rollback>,
    /// The revision to go back to, whatever chart and values say; also one of a release that was uninstalled and whose history
    /// was kept. As long as it is set the release stays there. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub rollback_to: Option<i32>,
    /// How the release is uninstalled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uninstall: Option<Uninstall>,
    /// What becomes of the release when this object is deleted. Default: uninstall.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Values from ConfigMaps and Secrets, merged in this order, under `values`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub values_from: Vec<ValuesReference>,
    /// Values for the chart. They win over those of `valuesFrom` that have no targetPath.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub values: Option<serde_json::Value>,
    /// Labels and annotations for every object of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub common_metadata: Option<CommonMetadata>,
    /// Changes to the rendered objects before they are applied, in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub post_renderers: Vec<PostRenderer>,
    /// Whether hooks are post-rendered too: `nohooks` leaves them out, `combined` renders them with the rest, `separate` on their own.
    /// Default: combined.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub post_render_strategy: Option<PostRenderStrategy>,
    /// How the readiness of objects is judged. Default: poller.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_strategy: Option<WaitStrategy>,
    /// How the readiness of custom objects is judged, as CEL expressions. Not served yet.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub health_check_exprs: Vec<HealthCheckExpr>,
}

/// Whether changes are made at once.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[schemars(description = "")]
pub enum Mode {
    /// They are.
    #[default]
    Apply,
    /// They are planned, and made once the plan is approved.
    Plan,
}

/// The chart of a release and where it comes from.
#[derive(JsonSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartTemplate {
    /// Labels and annotations for the chart object. Accepted for compatibility, without effect: there is no such object here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<ChartTemplateMetadata>,
    /// Which chart.
    pub spec: ChartTemplateSpec,
}

/// Labels and annotations, accepted for compatibility.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
pub struct ChartTemplateMetadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Which chart, in which version, from which repository.
#[derive(JsonSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ChartTemplateSpec {
    /// The name of the chart in its repository.
    #[schemars(length(min = 1, max = 2048))]
    pub chart: String,
    /// The version, or a range of versions of which the newest is taken: `1.2.3`, `1.x`, `>=1.2 <2`. Default: `*`, the newest
    /// that is no pre-release. In a registry an exact version is a tag; a range is found among all tags.
    #[serde(default = "any_version")]
    pub version: String,
    /// The repository.
    pub source_ref: SourceRef,
    /// How often a registry is asked for new versions. Default: the interval of the release. Repositories with an index are asked per
    /// their own interval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// When there is a new chart: `ChartVersion` when its version changes, `Revision` when its source does. Repositories of
    /// charts know only the former.
    #[serde(default)]
    pub reconcile_strategy: ReconcileStrategy,
    /// Values files of the chart that are used instead of its `values.yaml`, merged in this order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub values_files: Vec<String>,
    /// Whether a file of `valuesFiles` that the chart does not have is passed over. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub ignore_missing_values_files: bool,
    /// By whom the chart must be signed; of charts in registries. Default: nobody.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
}

fn any_version() -> String {
    "*".to_owned()
}

/// When a chart counts as new.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[schemars(description = "")]
pub enum ReconcileStrategy {
    /// When its version changes.
    #[default]
    ChartVersion,
    /// When its source changes.
    Revision,
}

/// The repository that a chart comes from.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceRef {
    /// The API version of the repository. Without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The kind of the repository. Only HelmRepository is served; a release with another kind says so in its Ready condition.
    pub kind: SourceKind,
    /// The name of the repository.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of the repository. Default: the namespace of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Kinds of sources.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[schemars(description = "")]
pub enum SourceKind {
    /// A Helm repository.
    HelmRepository,
    /// A Git repository (Flux).
    GitRepository,
    /// An S3 bucket (Flux).
    Bucket,
}

/// A chart that another object provides.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[x_kube(validation = kube::core::Rule::new("!has(self.apiVersion) || self.apiVersion.startsWith('source.toolkit.fluxcd.io/')")
    .message("apiVersion must be one of source.toolkit.fluxcd.io"))]
#[serde(rename_all = "camelCase")]
pub struct ChartRef {
    /// The API version of the object, of the group source.toolkit.fluxcd.io. Default: source.toolkit.fluxcd.io/v1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// The kind of the object.
    pub kind: ChartRefKind,
    /// The name of the object.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The namespace of the object. Default: the namespace of the release.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// Kinds of objects that provide a chart.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[allow(clippy::upper_case_acronyms)]
#[schemars(description = "")]
pub enum ChartRefKind {
    /// An OCI repository (Flux).
    OCIRepository,
    /// A chart (Flux).
    HelmChart,
    /// An artifact of a third party (Flux).
    ExternalArtifact,
}

/// By whom a chart must be signed.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verify {
    /// The tool that made the signature. Only cosign is served.
    #[serde(default)]
    pub provider: VerifyProvider,
    /// A Secret in the namespace of this object: public keys in PEM, under names that end in `.pub`, of which one must have signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
}

/// Tools that sign charts.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum VerifyProvider {
    /// Sigstore's cosign.
    #[default]
    Cosign,
    /// The Notary project's notation.
    Notation,
}

/// An object in the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct LocalRef {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// The cluster that a release is installed into.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[x_kube(validation = kube::core::Rule::new("has(self.secretRef) != has(self.configMapRef)")
    .message("exactly one of secretRef and configMapRef must be set"))]
#[serde(rename_all = "camelCase")]
pub struct KubeConfig {
    /// A Secret that has a kubeconfig.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretKeyRef>,
    /// A ConfigMap that says how to reach the cluster without a stored secret: `provider` (only `generic` is served), `address`,
    /// `ca.crt`, `audiences` (one a line; the address without it) and `serviceAccountName`, an account of this namespace whose
    /// tokens the cluster takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_ref: Option<LocalRef>,
}

/// A key of a Secret in the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key. Default: `value`, or else `value.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
}

/// An object that must be ready first: a HelmRelease, unless `apiVersion` and `kind` say otherwise.
#[derive(KubeSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[x_kube(validation = kube::core::Rule::new("has(self.apiVersion) == has(self.kind)")
    .message("apiVersion and kind must be set together"))]
#[serde(rename_all = "camelCase")]
pub struct Dependency {
    /// The API version of an object that is no HelmRelease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub api_version: Option<String>,
    /// Its kind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub kind: Option<String>,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace. Default: the namespace of this object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
    /// A CEL expression over `dep`, that object, and `self`, this one, that says when it is ready. Default: a HelmRelease is
    /// ready when its Ready condition is true, another object when it is what its spec asks for, by kstatus' rules.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ready_expr: Option<String>,
}

/// Values from a ConfigMap or Secret in the same namespace.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ValuesReference {
    /// ConfigMap or Secret.
    pub kind: ValuesKind,
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key whose value is used. Default: `values.yaml`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^[\-._a-zA-Z0-9]+$"))]
    pub values_key: Option<String>,
    /// Where the value goes, in the notation of `helm --set`. Default: it is YAML and is merged at the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 250), regex(pattern = r"^([a-zA-Z0-9_\-.\\\/]|\[[0-9]{1,5}\])+$"))]
    pub target_path: Option<String>,
    /// Whether the object, or its key, may be absent. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub optional: bool,
    /// Whether the value is put at targetPath as it is, like `helm --set-literal`. Default: false, like `helm --set`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub literal: bool,
}

/// Kinds of objects that hold values.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[schemars(description = "")]
pub enum ValuesKind {
    /// A ConfigMap.
    ConfigMap,
    /// A Secret.
    Secret,
}

/// What becomes of a release whose HelmRelease is deleted.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum DeletionPolicy {
    /// It is uninstalled.
    #[default]
    Uninstall,
    /// It stays as it is, records included.
    Orphan,
}

fn any_object(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true })
}
