//! `.Capabilities`: what the cluster is and can do.

use pintle_value::{CallError, List, ListKind, Map, MapKind, Method, Named, Object, Value};
use std::{any::Any, rc::Rc};

/// The version of Helm whose behaviour this is, as charts see it.
const HELM_VERSION: &str = "v4.3";
/// The Kubernetes client that this version of Helm is built with.
const CLIENT_VERSION: &str = "v1.37";

/// What a render is told about the cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Capabilities {
    /// The cluster's version.
    pub kube_version: KubeVersion,
    /// `group/version` and, from a live cluster, `group/version/Kind`.
    pub api_versions: Vec<String>,
    /// What `.Capabilities.HelmVersion` says.
    pub helm_version: HelmVersion,
}

/// A version of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KubeVersion {
    /// In full: `v1.33.4-gke.1`.
    pub version: String,
    /// Without what follows the numbers; empty when told by a live cluster.
    pub normalized: String,
    /// `1`
    pub major: String,
    /// `33`
    pub minor: String,
}

/// Helm's version as charts see it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct HelmVersion {
    pub version: String,
    pub git_commit: String,
    pub git_tree_state: String,
    pub go_version: String,
    pub kube_client_version: String,
}

impl Default for HelmVersion {
    fn default() -> Self {
        Self {
            version: HELM_VERSION.into(),
            git_commit: String::new(),
            git_tree_state: String::new(),
            go_version: "go1.26.8".into(),
            kube_client_version: CLIENT_VERSION.into(),
        }
    }
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            kube_version: KubeVersion {
                version: "v1.37.0".into(),
                normalized: "v1.37.0".into(),
                major: "1".into(),
                minor: "37".into(),
            },
            api_versions: DEFAULT_API_VERSIONS.iter().map(|v| (*v).to_owned()).collect(),
            helm_version: HelmVersion::default(),
        }
    }
}

impl KubeVersion {
    /// Reads what `--kube-version` gives.
    ///
    /// # Errors
    /// When it is no version.
    pub fn parse(text: &str) -> Result<Self, String> {
        let unreadable = || format!("could not parse {text:?} as version");
        let bare = text.strip_prefix('v').unwrap_or(text);
        let end = bare.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(bare.len());
        let numbers = bare[..end].trim_end_matches('.');
        let parts: Vec<&str> = numbers.split('.').collect();
        if numbers.is_empty() || parts.iter().any(|p| p.is_empty() || p.parse::<u64>().is_err()) {
            return Err(unreadable());
        }
        let [major, minor, ..] = parts[..] else {
            return Err(format!("illegal version string {text:?}"));
        };
        if let Some(part) = parts.iter().find(|p| p.len() > 1 && p.starts_with('0')) {
            return Err(format!("illegal zero-prefixed version component {part:?} in {text:?}"));
        }
        Ok(Self {
            version: format!("v{bare}"),
            normalized: format!("v{numbers}"),
            major: major.to_string(),
            minor: minor.to_string(),
        })
    }

    /// What `String()` says: the bare numbers where they are known.
    pub fn text(&self) -> &str {
        if self.normalized.is_empty() { &self.version } else { &self.normalized }
    }
}

impl Capabilities {
    /// The object that templates see.
    pub(super) fn value(&self) -> Value {
        let versions = self.api_versions.iter().map(|v| Value::str(v.as_str())).collect();
        Value::Object(Rc::new(Scope {
            kube_version: Value::Object(Rc::new(self.kube_version.clone())),
            api_versions: Value::List(List::of(ListKind::Named(&VERSION_SET), versions)),
            helm_version: Value::Object(Rc::new(self.helm_version.clone())),
        }))
    }
}

struct Scope {
    kube_version: Value,
    api_versions: Value,
    helm_version: Value,
}

static VERSION_SET: Named = Named {
    go_name: "common.VersionSet",
    element: "string",
    methods: &[Method {
        name: "Has",
        params: &["string"],
        call: |receiver, args| Ok(Value::Bool(has(receiver, args))),
    }],
};

fn has(receiver: &Value, args: &[Value]) -> bool {
    let (Some(list), Some(wanted)) = (receiver.as_list(), args.first().and_then(Value::as_bytes)) else {
        return false;
    };
    list.items().iter().any(|v| v.as_bytes() == Some(wanted))
}

fn fields_to_json(object: &dyn Object) -> Value {
    Value::Map(object.fields().into_iter().collect())
}

impl Object for Scope {
    fn type_name(&self) -> &'static str {
        "*common.Capabilities"
    }

    fn is_pointer(&self) -> bool {
        true
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "KubeVersion" => Some(self.kube_version.clone()),
            "APIVersions" => Some(self.api_versions.clone()),
            "HelmVersion" => Some(self.helm_version.clone()),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("KubeVersion", self.kube_version.clone()),
            ("APIVersions", self.api_versions.clone()),
            ("HelmVersion", self.helm_version.clone()),
        ]
    }

    fn method(&self, name: &str) -> Option<&'static [&'static str]> {
        (name == "Copy").then_some(&[])
    }

    fn call(&self, _name: &str, _args: &[Value]) -> Result<Value, CallError> {
        Ok(Value::Object(Rc::new(Scope {
            kube_version: self.kube_version.clone(),
            api_versions: self.api_versions.clone(),
            helm_version: self.helm_version.clone(),
        })))
    }

    fn json(&self) -> Value {
        fields_to_json(self)
    }

    fn deep_copy(&self) -> Option<Value> {
        let inner = |value: &Value| match value {
            Value::Object(object) => object.deep_copy().unwrap_or_else(|| value.clone()),
            other => other.clone(),
        };
        Some(Value::Object(Rc::new(Scope {
            kube_version: inner(&self.kube_version),
            api_versions: self.api_versions.clone(),
            helm_version: self.helm_version.clone(),
        })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for KubeVersion {
    fn type_name(&self) -> &'static str {
        "common.KubeVersion"
    }

    fn field(&self, name: &str) -> Option<Value> {
        match name {
            "Version" => Some(Value::str(self.version.as_str())),
            "Major" => Some(Value::str(self.major.as_str())),
            "Minor" => Some(Value::str(self.minor.as_str())),
            _ => None,
        }
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::str(self.version.as_str())),
            ("Major", Value::str(self.major.as_str())),
            ("Minor", Value::str(self.minor.as_str())),
        ]
    }

    fn method(&self, name: &str) -> Option<&'static [&'static str]> {
        matches!(name, "String" | "GitVersion").then_some(&[])
    }

    fn call(&self, name: &str, _args: &[Value]) -> Result<Value, CallError> {
        match name {
            "String" => Ok(Value::str(self.text())),
            _ => Ok(Value::str(self.version.as_str())),
        }
    }

    // Go prints the struct with its hidden field: its String method needs a pointer, which only `{{ }}` itself can take.
    fn printed(&self) -> Vec<(&'static str, Value)> {
        let mut fields = self.fields();
        fields.insert(1, ("normalizedVersion", Value::str(self.normalized.as_str())));
        fields
    }

    fn direct_text(&self) -> Option<String> {
        Some(KubeVersion::text(self).to_owned())
    }

    fn hides(&self, name: &str) -> bool {
        name == "normalizedVersion"
    }

    fn json(&self) -> Value {
        fields_to_json(self)
    }

    fn deep_copy(&self) -> Option<Value> {
        Some(Value::Object(Rc::new(Self { normalized: String::new(), ..self.clone() })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl Object for HelmVersion {
    fn type_name(&self) -> &'static str {
        "version.BuildInfo"
    }

    fn field(&self, name: &str) -> Option<Value> {
        self.fields().into_iter().find(|(field, _)| *field == name).map(|(_, value)| value)
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![
            ("Version", Value::str(self.version.as_str())),
            ("GitCommit", Value::str(self.git_commit.as_str())),
            ("GitTreeState", Value::str(self.git_tree_state.as_str())),
            ("GoVersion", Value::str(self.go_version.as_str())),
            ("KubeClientVersion", Value::str(self.kube_client_version.as_str())),
        ]
    }

    fn json(&self) -> Value {
        let names = ["version", "git_commit", "git_tree_state", "go_version", "kube_client_version"];
        Value::Map(
            names
                .into_iter()
                .zip(self.fields())
                .map(|(name, (_, value))| (name, value))
                .filter(|(_, value)| value.truth())
                .collect(),
        )
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// The `map[string]string` type for `.Chart.Annotations`.
pub(super) fn text_map<'a>(entries: impl Iterator<Item = (&'a String, &'a String)>) -> Map {
    Map::of(MapKind::String, entries.map(|(k, v)| (k.as_str().into(), Value::str(v.as_str()))).collect())
}

/// What a render without a cluster assumes: the group versions of the Kubernetes client that Helm v4.3.1 is built
/// with, v0.37.1.
pub const DEFAULT_API_VERSIONS: &[&str] = &[
    "v1",
    "admissionregistration.k8s.io/v1",
    "admissionregistration.k8s.io/v1alpha1",
    "admissionregistration.k8s.io/v1beta1",
    "internal.apiserver.k8s.io/v1alpha1",
    "apps/v1",
    "apps/v1beta1",
    "apps/v1beta2",
    "authentication.k8s.io/v1",
    "authentication.k8s.io/v1alpha1",
    "authentication.k8s.io/v1beta1",
    "authorization.k8s.io/v1",
    "authorization.k8s.io/v1beta1",
    "autoscaling/v1",
    "autoscaling/v2",
    "batch/v1",
    "batch/v1beta1",
    "certificates.k8s.io/v1",
    "certificates.k8s.io/v1beta1",
    "certificates.k8s.io/v1alpha1",
    "coordination.k8s.io/v1alpha2",
    "coordination.k8s.io/v1beta1",
    "coordination.k8s.io/v1",
    "discovery.k8s.io/v1",
    "discovery.k8s.io/v1beta1",
    "events.k8s.io/v1",
    "events.k8s.io/v1beta1",
    "extensions/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1",
    "flowcontrol.apiserver.k8s.io/v1beta1",
    "flowcontrol.apiserver.k8s.io/v1beta2",
    "flowcontrol.apiserver.k8s.io/v1beta3",
    "lifecycle.k8s.io/v1alpha1",
    "networking.k8s.io/v1",
    "networking.k8s.io/v1beta1",
    "node.k8s.io/v1",
    "node.k8s.io/v1alpha1",
    "node.k8s.io/v1beta1",
    "policy/v1",
    "policy/v1beta1",
    "rbac.authorization.k8s.io/v1",
    "rbac.authorization.k8s.io/v1beta1",
    "rbac.authorization.k8s.io/v1alpha1",
    "resource.k8s.io/v1",
    "resource.k8s.io/v1beta2",
    "resource.k8s.io/v1beta1",
    "resource.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1alpha3",
    "scheduling.k8s.io/v1beta1",
    "scheduling.k8s.io/v1",
    "storage.k8s.io/v1beta1",
    "storage.k8s.io/v1",
    "storage.k8s.io/v1alpha1",
    "storagemigration.k8s.io/v1",
    "storagemigration.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1beta1",
    "apiextensions.k8s.io/v1",
];

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn versions() {
        for (text, want) in [
            ("1.36.3", Some("v1.36.3 v1.36.3 1 36")),
            ("v1.27.16-eks-a18cd3a", Some("v1.27.16-eks-a18cd3a v1.27.16 1 27")),
            ("v1.20", Some("v1.20 v1.20 1 20")),
            ("1", None),
            ("x", None),
        ] {
            let got = KubeVersion::parse(text).ok().map(|v| v.text_of_fields());
            assert_eq!(got.as_deref(), want, "{text}");
        }
    }

    impl KubeVersion {
        fn text_of_fields(&self) -> String {
            let fields = self.printed().into_iter().map(|(_, value)| value);
            fields
                .map(|value| String::from_utf8_lossy(value.as_bytes().unwrap()).into_owned())
                .collect::<Vec<_>>()
                .join(" ")
        }
    }
}
