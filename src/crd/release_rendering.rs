//! The blocks of a HelmRelease that change rendered objects and say how live ones are judged.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Labels and annotations for every object of a release.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct CommonMetadata {
    /// Labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub labels: Option<BTreeMap<String, String>>,
    /// Annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
}

/// Whether changes that others make are reported or undone.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct DriftDetection {
    /// `enabled` reports and undoes changes, `warn` only reports them, `disabled` does neither. Default: disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<DriftMode>,
    /// Changes that are nobody's business.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub ignore: Vec<DriftIgnore>,
}

/// What is done about changes that others make.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum DriftMode {
    /// They are reported and undone.
    Enabled,
    /// They are reported.
    Warn,
    /// They are not looked for.
    #[default]
    Disabled,
}

/// Fields that others may change.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct DriftIgnore {
    /// JSON pointers (RFC 6901) to the fields; the empty pointer is the whole object.
    pub paths: Vec<String>,
    /// Only if one of these field managers wrote the object last. Default: whoever it was.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub managers: Vec<String>,
    /// Which objects. Default: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
}

/// Selects objects. What is not set matches everything.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Selector {
    /// The API group, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The API version, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// The kind, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// The namespace, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// The name, as an anchored regular expression.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A label selector that is applied to annotations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotation_selector: Option<String>,
    /// A label selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_selector: Option<String>,
}

/// A change to the rendered objects.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct PostRenderer {
    /// Changes in the notation of Kustomize.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<Kustomize>,
}

/// Changes in the notation of Kustomize.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Kustomize {
    /// Strategic merge and JSON patches.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub patches: Vec<KustomizePatch>,
    /// New names, tags and digests for images.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("default" = null))]
    pub images: Vec<KustomizeImage>,
}

/// A strategic merge patch or a JSON patch.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct KustomizePatch {
    /// The patch, as YAML: an object for a strategic merge patch, a list of operations for a JSON patch.
    pub patch: String,
    /// Which objects are patched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<Selector>,
}

/// A new name, tag or digest for an image.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct KustomizeImage {
    /// The image's name as rendered, without tag.
    pub name: String,
    /// The new name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_name: Option<String>,
    /// The new tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub new_tag: Option<String>,
    /// The new digest; it wins over the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<String>,
}

/// Whether hooks are post-rendered.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum PostRenderStrategy {
    /// They are not.
    NoHooks,
    /// They are, together with the rest.
    #[default]
    Combined,
    /// They are, on their own.
    Separate,
}

/// How the readiness of objects is judged.
#[derive(JsonSchema, Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub struct WaitStrategy {
    /// `poller` judges as kstatus does, custom resources included; `legacy` as Helm 3 did.
    pub name: WaitStrategyName,
}

/// The rules by which readiness is judged.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum WaitStrategyName {
    /// As kstatus does.
    #[default]
    Poller,
    /// As Helm 3 did.
    Legacy,
}

/// How the readiness of one kind of objects is judged.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckExpr {
    /// The API version of the objects; only its group counts.
    pub api_version: String,
    /// Their kind.
    pub kind: String,
    /// A CEL expression that is true when the object is ready.
    pub current: String,
    /// A CEL expression that is true while the object is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub in_progress: Option<String>,
    /// A CEL expression that is true when the object has failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}
