//! What an object is called, and a rendered object that is ready to be applied.

use std::cmp::Ordering;
use std::fmt;

use kube::core::DynamicObject;
use serde_json::Value;

/// The full name of an object. `Display` gives `Deployment shop/web` or `ClusterRole web`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectId {
    /// `v1`, `apps/v1`.
    pub api_version: String,
    /// `Deployment`.
    pub kind: String,
    /// Absent for objects of the cluster.
    pub namespace: Option<String>,
    /// Name within kind and namespace.
    pub name: String,
}

impl ObjectId {
    /// The API group; empty for the core group.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// The version within the group.
    #[must_use]
    pub fn version(&self) -> &str {
        self.api_version.split_once('/').map_or(self.api_version.as_str(), |(_, version)| version)
    }

    /// The id of a live object.
    #[must_use]
    pub fn of(object: &DynamicObject) -> Self {
        let (api_version, kind) = object
            .types
            .as_ref()
            .map_or_else(Default::default, |types| (types.api_version.clone(), types.kind.clone()));
        Self {
            api_version,
            kind,
            namespace: object.metadata.namespace.clone(),
            name: object.metadata.name.clone().unwrap_or_default(),
        }
    }

    /// Whether both name the same object, whatever the version of the API (Helm's rule for "is it still in the manifest").
    #[must_use]
    pub fn same_object(&self, other: &Self) -> bool {
        self.kind == other.kind
            && self.group() == other.group()
            && self.namespace == other.namespace
            && self.name == other.name
    }
}

/// How two versions of an object stand to each other, if they can be compared: one server's are decimal numbers that grow.
#[must_use]
pub fn compare_versions(a: &str, b: &str) -> Option<Ordering> {
    Some(a.parse::<u128>().ok()?.cmp(&b.parse::<u128>().ok()?))
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// One rendered object, ready to be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What it is called.
    pub id: ObjectId,
    /// The object itself.
    pub body: Value,
}
