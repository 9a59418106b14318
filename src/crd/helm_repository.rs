//! `HelmRepository`: where charts come from.

#![allow(unreachable_pub, reason = "KubeSchema repeats the struct inside a function")]
#![allow(clippy::duplicated_attributes, reason = "each printer column has a type")]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Duration;
use super::helm_release::LocalRef;

/// Where a repository is and how it is reached.
#[derive(CustomResource, KubeSchema, Clone, Debug, PartialEq, Deserialize, Serialize)]
#[kube(
    group = "pintle.dev",
    version = "v1",
    kind = "HelmRepository",
    plural = "helmrepositories",
    namespaced,
    status = "HelmRepositoryStatus",
    derive = "PartialEq",
    shortname = "helmrepo",
    category = "all",
    category = "pintle",
    doc = "HelmRepository is a repository of charts that HelmReleases refer to.",
    annotation("kustomize.toolkit.fluxcd.io/substitute", "disabled"),
    printcolumn(name = "URL", type_ = "string", json_path = ".spec.url"),
    printcolumn(
        name = "Ready",
        type_ = "string",
        description = "Whether charts can be asked for: the index could be read, or the spec of a registry is right",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Charts",
        type_ = "integer",
        description = "How many charts the repository has",
        json_path = ".status.charts"
    ),
    printcolumn(
        name = "Status",
        type_ = "string",
        description = "What happened last",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#
    ),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp")
)]
#[serde(rename_all = "camelCase")]
pub struct HelmRepositorySpec {
    /// The address of the repository: the one that `index.yaml` is under, or `oci://` and a registry's path.
    #[schemars(regex(pattern = r"^(http|https|oci)://.*$"))]
    pub url: String,
    /// `default` is a repository with an index, served over HTTP(S); `oci` a registry. Default: default.
    #[serde(rename = "type")]
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<RepositoryKind>,
    /// Who issues credentials for a registry. Only `generic` is served. Default: generic.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<Provider>,
    /// A Secret with `username` and `password`, or, for `oci`, with a `.dockerconfigjson`. (`certFile`, `keyFile` and `caFile` in it
    /// are deprecated: use `certSecretRef`.)
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<LocalRef>,
    /// A Secret, of type Opaque or kubernetes.io/tls, with `tls.crt` and `tls.key` (a client certificate) or `ca.crt` (who the server's
    /// certificate must come from) or both.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_secret_ref: Option<LocalRef>,
    /// Whether the credentials are sent to other hosts too, when the index says that a chart is there. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub pass_credentials: bool,
    /// How often the repository is asked for new charts. Default: 1m. Without effect for a registry, which is asked per its releases'
    /// intervals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Duration>,
    /// Whether a registry is spoken to without TLS. Default: false.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub insecure: bool,
    /// How long one download may take. Default: 60s.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "without_hours")]
    pub timeout: Option<Duration>,
    /// Stops asking the repository until it is false again. Releases go on with what is known of it; a registry is asked once for a
    /// chart of which nothing is known.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(extend("default" = null))]
    pub suspend: bool,
    /// Who may use the repository from other namespaces. Reserved, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_from: Option<AccessFrom>,
}

impl HelmRepositorySpec {
    /// Whether the repository is a registry: said by its type or by its address.
    pub fn is_oci(&self) -> bool {
        self.kind == Some(RepositoryKind::Oci) || self.url.starts_with("oci://")
    }
}

/// Kinds of repositories.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum RepositoryKind {
    /// One with an index, served over HTTP(S).
    #[default]
    Default,
    /// An OCI registry.
    Oci,
}

/// Who issues credentials for a registry.
#[derive(JsonSchema, Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[schemars(description = "")]
pub enum Provider {
    /// The Secret has them.
    #[default]
    Generic,
    /// Amazon.
    Aws,
    /// Microsoft.
    Azure,
    /// Google.
    Gcp,
}

/// Who may use a repository from other namespaces.
#[derive(JsonSchema, Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessFrom {
    /// Namespaces, by their labels.
    pub namespace_selectors: Vec<NamespaceSelector>,
}

/// Namespaces, by their labels.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NamespaceSelector {
    /// The labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub match_labels: Option<std::collections::BTreeMap<String, String>>,
}

/// What is known of a repository. Empty fields are written as `null`, so that a merge patch of the whole status clears them.
#[derive(JsonSchema, Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", default)]
pub struct HelmRepositoryStatus {
    /// The generation of the spec that this status speaks of.
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled.
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
    /// The address of the index, or of the registry.
    pub url: Option<String>,
    /// How many charts the repository has. Absent for a registry, as all that follows but the last.
    pub charts: Option<i64>,
    /// How many versions of charts the repository has.
    pub versions: Option<i64>,
    /// The digest of the index: `sha256:` and hexadecimal digits.
    pub revision: Option<String>,
    /// When the index last changed, as seen from here.
    pub last_changed: Option<Time>,
    /// The last value of the annotation `reconcile.fluxcd.io/requestedAt` that was acted upon.
    pub last_handled_reconcile_at: Option<String>,
}

fn without_hours(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
    schemars::json_schema!({ "type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m))+$" })
}
