//! Whose an object is: Helm's marks, which every Helm client honours, and our own labels that lead from an object to its release.
//!
//! Marks and labels are put on objects as they are applied. The manifest in the release record stays without them, as Helm's does.

use kube::core::ObjectMeta;
use pintle_golib::hex;
use serde_json::{Map, Value};

use super::error::{Error, Result};
use super::object::ObjectId;

/// Label that says that Helm manages the object.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Annotation with the release's name.
pub const RELEASE_NAME: &str = "meta.helm.sh/release-name";
/// Annotation with the release's namespace.
pub const RELEASE_NAMESPACE: &str = "meta.helm.sh/release-namespace";
/// Label with the name of the `HelmRelease`.
pub const ORIGIN_NAME: &str = "pintle.dev/name";
/// Label with the namespace of the `HelmRelease`.
pub const ORIGIN_NAMESPACE: &str = "pintle.dev/namespace";
/// Annotation by which an object outlives its release.
pub const RESOURCE_POLICY: &str = "helm.sh/resource-policy";

/// A release as the owner of objects.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Owner {
    /// Name of the release.
    pub release: String,
    /// Namespace of the release.
    pub namespace: String,
}

impl Owner {
    fn marks(&self) -> [(&'static str, &'static str, &'static str, &str); 3] {
        [
            ("labels", "label", MANAGED_BY, "Helm"),
            ("annotations", "annotation", RELEASE_NAME, &self.release),
            ("annotations", "annotation", RELEASE_NAMESPACE, &self.namespace),
        ]
    }

    /// Puts Helm's marks on an object that is about to be applied.
    pub fn mark(&self, body: &mut Value) {
        for (place, _, key, value) in self.marks() {
            set(body, place, key, value);
        }
    }

    /// Whether a live object carries this release's marks. The error is Helm's, word by word.
    ///
    /// # Errors
    /// [`Error::Ownership`] with all marks that are missing or different.
    pub fn check(&self, id: &ObjectId, live: &ObjectMeta) -> Result<()> {
        let mut reasons = Vec::new();
        for (place, word, key, value) in self.marks() {
            let map = if place == "labels" { &live.labels } else { &live.annotations };
            match map.as_ref().and_then(|map| map.get(key)) {
                Some(found) if found == value => {}
                Some(found) => reasons.push(format!(
                    "{word} validation error: key {key:?} must equal {value:?}: current value is {found:?}"
                )),
                None => reasons.push(format!("{word} validation error: missing key {key:?}: must be set to {value:?}")),
            }
        }
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Error::Ownership {
            kind: id.kind.clone(),
            name: id.name.clone(),
            namespace: live.namespace.clone().unwrap_or_default(),
            reasons: reasons.join("; "),
        })
    }
}

/// The `HelmRelease` that an object comes from.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Origin {
    /// Namespace of the `HelmRelease`.
    pub namespace: String,
    /// Name of the `HelmRelease`, as [`label_value`] writes it.
    pub name: String,
}

impl Origin {
    /// The origin for a `HelmRelease`.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self { namespace: namespace.to_owned(), name: label_value(name) }
    }

    /// Reads the labels of a live object.
    #[must_use]
    pub fn of(meta: &ObjectMeta) -> Option<Self> {
        let labels = meta.labels.as_ref()?;
        Some(Self { namespace: labels.get(ORIGIN_NAMESPACE)?.clone(), name: labels.get(ORIGIN_NAME)?.clone() })
    }

    /// Puts the labels on an object that is about to be applied.
    pub fn mark(&self, body: &mut Value) {
        set(body, "labels", ORIGIN_NAME, &self.name);
        set(body, "labels", ORIGIN_NAMESPACE, &self.namespace);
    }
}

/// A name as a label value: names may be longer (253) than label values (63), so that long ones end in a hash.
#[must_use]
pub fn label_value(name: &str) -> String {
    if name.len() <= 63 {
        return name.to_owned();
    }
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, name.as_bytes());
    let mut value: String = name.chars().take_while(char::is_ascii).take(52).collect();
    value.push('-');
    value.push_str(&hex::encode(&digest.as_ref()[..5]));
    value
}

/// Whether an object asks to outlive its release. Helm compares strictly on upgrade and leniently on uninstall; being lenient
/// always keeps more.
#[must_use]
pub fn is_kept(meta: &ObjectMeta) -> bool {
    let policy = meta.annotations.as_ref().and_then(|annotations| annotations.get(RESOURCE_POLICY));
    policy.is_some_and(|policy| policy.trim().eq_ignore_ascii_case("keep"))
}

/// Sets one label or annotation, whatever the chart left in that place.
fn set(body: &mut Value, place: &str, key: &str, value: &str) {
    let Some(body) = body.as_object_mut() else { return };
    map_in(map_in(body, "metadata"), place).insert(key.to_owned(), Value::String(value.to_owned()));
}

/// The map under a key; made if there is none, put in the place of what is not a map.
fn map_in<'a>(parent: &'a mut Map<String, Value>, key: &str) -> &'a mut Map<String, Value> {
    let slot = parent.entry(key).or_insert_with(|| Value::Object(Map::new()));
    if !slot.is_object() {
        *slot = Value::Object(Map::new());
    }
    match slot {
        Value::Object(map) => map,
        _ => unreachable!("an object was just put there"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn owner() -> Owner {
        Owner { release: "web".into(), namespace: "shop".into() }
    }

    #[test]
    fn marks_go_where_they_belong() {
        let marked = json!({"metadata": {"name": "x",
            "labels": {"a": "b", "app.kubernetes.io/managed-by": "Helm", "pintle.dev/name": "web", "pintle.dev/namespace": "apps"},
            "annotations": {"meta.helm.sh/release-name": "web", "meta.helm.sh/release-namespace": "shop"}}});
        for labels in [json!({"a": "b"}), json!({"a": "b", "app.kubernetes.io/managed-by": "me"})] {
            let mut body = json!({"metadata": {"name": "x", "labels": labels, "annotations": null}});
            owner().mark(&mut body);
            Origin::new("apps", "web").mark(&mut body);
            assert_eq!(body, marked);
        }
        for mut odd in [json!([]), json!(null), json!("x")] {
            let before = odd.clone();
            owner().mark(&mut odd);
            assert_eq!(odd, before);
        }
    }

    #[test]
    fn foreign_objects_are_refused_in_helms_words() {
        let id = ObjectId {
            api_version: "v1".into(),
            kind: "ConfigMap".into(),
            namespace: Some("shop".into()),
            name: "x".into(),
        };
        let check = |meta: Value| {
            let meta: ObjectMeta = serde_json::from_value(meta).unwrap();
            owner().check(&id, &meta).map_err(|error| error.to_string())
        };
        assert_eq!(
            check(json!({"namespace": "shop"})).unwrap_err(),
            "ConfigMap \"x\" in namespace \"shop\" exists and cannot be imported into the current release: invalid ownership metadata; \
             label validation error: missing key \"app.kubernetes.io/managed-by\": must be set to \"Helm\"; \
             annotation validation error: missing key \"meta.helm.sh/release-name\": must be set to \"web\"; \
             annotation validation error: missing key \"meta.helm.sh/release-namespace\": must be set to \"shop\""
        );
        let marks = |name: &str| {
            json!({"namespace": "shop", "labels": {"app.kubernetes.io/managed-by": "Helm"},
                "annotations": {"meta.helm.sh/release-name": name, "meta.helm.sh/release-namespace": "shop"}})
        };
        assert!(check(marks("other")).unwrap_err().ends_with(
            "invalid ownership metadata; annotation validation error: key \"meta.helm.sh/release-name\" must equal \"web\": current value is \"other\""
        ));
        assert_eq!(check(marks("web")), Ok(()));
    }

    #[test]
    fn long_names_stay_label_values() {
        assert_eq!(label_value("web"), "web");
        let (a, b) = (label_value(&"a".repeat(100)), label_value(&"a".repeat(101)));
        assert_ne!(a, b);
        for value in [a, b, label_value(&"é".repeat(60))] {
            assert!(value.len() <= 63 && value.is_ascii(), "{value}");
        }
    }
}
