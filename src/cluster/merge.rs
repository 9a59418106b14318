//! Writing an object the client-side way (`--server-side=false`, releases of Helm 3): what the old manifest had and the new
//! one has not goes, what the new one has is set, what others added stays.
//!
//! Kubernetes' own kinds are merged three ways with lists joined by their keys, as strategic merge patches do it; custom
//! resources get the difference of the manifests whatever the live object says. Both as Helm does it. What is sent is a JSON
//! merge patch of what differs, bound to the version that was read.

use serde_json::{Map, Value, json};

use super::apply::{Applied, Apply, Outcome};
use super::client::Cluster;
use super::error::{Class, Result};
use super::object::Target;
use crate::kinds;

/// How often an object may change under our hands before that is an error.
const TRIES: usize = 4;

/// Longest list that is joined by keys: each item is looked for among all others.
const ITEMS: usize = 1000;

impl Cluster {
    /// Writes an object client-side: creates it, or merges the new manifest into it. `original` is the object in the old
    /// manifest, if it was there.
    ///
    /// # Errors
    /// See [`Class`]. `force` is of no meaning here.
    pub async fn merge(&self, target: &Target, original: Option<&Value>, how: &Apply<'_>) -> Result<Applied> {
        let mut tries = 0;
        loop {
            tries += 1;
            let result = match self.get(&target.id).await? {
                None => self.create(target, how).await.map(|object| Applied { outcome: Outcome::Created, object }),
                Some(live) => {
                    let value = serde_json::to_value(&live).unwrap_or_default();
                    match difference(&target.id.kind, target.id.group(), original, &target.body, &value) {
                        None => return Ok(Applied { outcome: Outcome::Unchanged, object: live }),
                        Some(mut patch) => {
                            patch["metadata"]["resourceVersion"] = json!(live.metadata.resource_version);
                            let patched = self.patch(&target.id, "application/merge-patch+json", &patch, how).await;
                            patched.map(|object| Applied { outcome: Outcome::Configured, object })
                        }
                    }
                }
            };
            match result {
                Err(error)
                    if tries < TRIES
                        && matches!(error.class(), Class::Stale | Class::AlreadyExists | Class::NotFound)
                        && !target.id.name.is_empty() => {}
                result => return result,
            }
        }
    }
}

/// The JSON merge patch that brings a live object to what the new manifest wants; `None` if nothing differs.
#[must_use]
pub(crate) fn difference(
    kind: &str,
    group: &str,
    original: Option<&Value>,
    modified: &Value,
    live: &Value,
) -> Option<Value> {
    let patch = if kinds::has_list_keys(group, kind) {
        let merged = merged("", "", kind, original, modified, live);
        patch(live, &merged)
    } else {
        match original {
            Some(original) => patch(original, modified),
            None => patch(live, &added(live, modified)),
        }
    };
    // Where an object is, and what the server keeps, is not changed.
    let Value::Object(mut patch) = patch? else { return None };
    for key in ["apiVersion", "kind", "status"] {
        patch.remove(key);
    }
    if let Some(Value::Object(metadata)) = patch.get_mut("metadata") {
        for key in [
            "name",
            "namespace",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "managedFields",
            "selfLink",
        ] {
            metadata.remove(key);
        }
        if metadata.is_empty() {
            patch.remove("metadata");
        }
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

/// Three-way merge. `field` is the name of the field that holds the value, `parent` that of the one that holds `field`.
fn merged(parent: &str, field: &str, kind: &str, original: Option<&Value>, modified: &Value, live: &Value) -> Value {
    match (modified, live) {
        (Value::Object(modified), Value::Object(live)) => {
            let original = original.and_then(Value::as_object);
            // Kubernetes' `retainKeys`: the kinds of a volume, of a strategy, exclude each other.
            let exclusive = (parent, field) == ("volumes", "volumes") || (field == "strategy" && kind == "Deployment");
            let mut out = Map::new();
            for (key, value) in live {
                let dropped = match modified.get(key) {
                    Some(wanted) => wanted.is_null(),
                    None => exclusive || original.is_some_and(|original| original.contains_key(key)),
                };
                if !dropped {
                    out.insert(key.clone(), value.clone());
                }
            }
            for (key, wanted) in modified.iter().filter(|(_, wanted)| !wanted.is_null()) {
                let old = original.and_then(|original| original.get(key));
                let value = match live.get(key) {
                    Some(value) => merged(field, key, kind, old, wanted, value),
                    None => wanted.clone(),
                };
                out.insert(key.clone(), value);
            }
            Value::Object(out)
        }
        (Value::Array(modified), Value::Array(live)) => {
            let original = original.and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
            if kinds::is_set(field) {
                return Value::Array(merged_set(original, modified, live));
            }
            let key = kinds::list_keys(parent, field).and_then(|keys| keys.first());
            let merged = key.and_then(|key| merged_list(key, field, kind, original, modified, live));
            Value::Array(merged.unwrap_or_else(|| modified.clone()))
        }
        _ => modified.clone(),
    }
}

/// Joins lists by the key of their items; `None` if an item has none or two have the same, which no key can tell apart, or
/// if there are more of them than anybody lists by hand.
fn merged_list(
    key: &str,
    field: &str,
    kind: &str,
    original: &[Value],
    modified: &[Value],
    live: &[Value],
) -> Option<Vec<Value>> {
    let [original, modified, live] = [original, modified, live].map(|list| by_key(list, key));
    let (original, modified, live) = (original?, modified?, live?);
    let find = |list: &[(&Value, &Value)], key: &Value| list.iter().position(|(k, _)| *k == key);
    // Ours come in the manifest's order; what others put in keeps its place before those of ours that it stood before.
    let mut others = live
        .iter()
        .enumerate()
        .filter(|(_, (key, _))| find(&modified, key).is_none() && find(&original, key).is_none())
        .map(|(at, (_, item))| (at, (*item).clone()))
        .peekable();
    let mut out = Vec::with_capacity(modified.len());
    for (key, wanted) in &modified {
        let at = find(&live, key);
        while let Some((_, other)) = others.next_if(|(other, _)| at.is_some_and(|at| *other < at)) {
            out.push(other);
        }
        out.push(match at {
            // An item goes by the name of its list.
            Some(at) => {
                let old = find(&original, key).map(|old| original[old].1);
                merged(field, field, kind, old, wanted, live[at].1)
            }
            None => (*wanted).clone(),
        });
    }
    out.extend(others.map(|(_, other)| other));
    Some(out)
}

fn by_key<'a>(list: &'a [Value], key: &str) -> Option<Vec<(&'a Value, &'a Value)>> {
    if list.len() > ITEMS {
        return None;
    }
    let mut found: Vec<(&Value, &Value)> = Vec::with_capacity(list.len());
    for item in list {
        let value = item.as_object()?.get(key)?;
        if found.iter().any(|(known, _)| *known == value) {
            return None;
        }
        found.push((value, item));
    }
    Some(found)
}

fn merged_set(original: &[Value], modified: &[Value], live: &[Value]) -> Vec<Value> {
    let kept = live.iter().filter(|item| modified.contains(item) || !original.contains(item));
    let mut out: Vec<Value> = kept.cloned().collect();
    out.extend(modified.iter().filter(|item| !live.contains(item)).cloned());
    out
}

/// The live object with what the manifest says on top, nothing taken away.
fn added(live: &Value, modified: &Value) -> Value {
    match (live, modified) {
        (Value::Object(live), Value::Object(modified)) => {
            let mut out = live.clone();
            for (key, wanted) in modified {
                let value = live.get(key).map_or_else(|| wanted.clone(), |value| added(value, wanted));
                out.insert(key.clone(), value);
            }
            Value::Object(out)
        }
        _ => modified.clone(),
    }
}

/// The JSON merge patch (RFC 7386) from one value to another; `None` if they are equal.
fn patch(from: &Value, to: &Value) -> Option<Value> {
    if from == to {
        return None;
    }
    let (Some(from), Some(to)) = (from.as_object(), to.as_object()) else { return Some(to.clone()) };
    let mut out = Map::new();
    for key in from.keys().filter(|key| !to.contains_key(*key)) {
        out.insert(key.clone(), Value::Null);
    }
    for (key, value) in to {
        match from.get(key) {
            Some(before) => {
                if let Some(patch) = patch(before, value) {
                    out.insert(key.clone(), patch);
                }
            }
            // A null in a merge patch takes away what is not there anyway.
            None if value.is_null() => {}
            None => {
                out.insert(key.clone(), value.clone());
            }
        }
    }
    (!out.is_empty()).then_some(Value::Object(out))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::needless_pass_by_value)]
    use super::*;

    fn check(group: &str, original: Value, modified: Value, live: Value, expect: Value) {
        let found = difference("Deployment", group, Some(&original), &modified, &live);
        assert_eq!(found.unwrap_or_default(), expect);
    }

    #[test]
    fn others_additions_stay_and_our_removals_go() {
        check(
            "apps",
            json!({"metadata": {"labels": {"a": "1", "b": "2"}}, "spec": {"replicas": 1, "paused": true}}),
            json!({"metadata": {"labels": {"a": "3"}}, "spec": {"replicas": 2}}),
            json!({"metadata": {"labels": {"a": "1", "b": "2", "theirs": "x"}, "uid": "u"}, "spec": {"replicas": 5, "paused": true, "minReadySeconds": 0}, "status": {}}),
            json!({"metadata": {"labels": {"a": "3", "b": null}}, "spec": {"replicas": 2, "paused": null}}),
        );
        // What is as wanted is not sent, whatever the old manifest said.
        check(
            "apps",
            json!({"spec": {"replicas": 1}}),
            json!({"spec": {"replicas": 2}}),
            json!({"spec": {"replicas": 2}}),
            Value::Null,
        );
        check(
            "apps",
            json!({}),
            json!({"spec": {"replicas": null}}),
            json!({"spec": {"replicas": 2}}),
            json!({"spec": {"replicas": null}}),
        );
    }

    #[test]
    fn lists_are_joined_by_their_keys() {
        let spec = |containers: Value| json!({"spec": {"template": {"spec": {"containers": containers}}}});
        check(
            "apps",
            spec(
                json!([{"name": "old"}, {"name": "app", "image": "a:1", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]}]),
            ),
            spec(json!([{"name": "app", "image": "a:2", "env": [{"name": "A", "value": "3"}]}, {"name": "new"}])),
            spec(
                json!([{"name": "old"}, {"name": "app", "image": "a:1", "pull": "Always", "env": [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}, {"name": "T", "value": "x"}]}, {"name": "injected"}]),
            ),
            spec(
                json!([{"name": "app", "image": "a:2", "pull": "Always", "env": [{"name": "A", "value": "3"}, {"name": "T", "value": "x"}]}, {"name": "new"}, {"name": "injected"}]),
            ),
        );
        let named = |names: &[&str]| spec(names.iter().map(|name| json!({"name": name})).collect());
        check("apps", named(&["b"]), named(&["b", "c"]), named(&["x", "b", "y"]), named(&["x", "b", "c", "y"]));
        // Without a key, or with one twice, the new list is the list.
        let args = |args: Value| spec(json!([{"name": "app", "args": args}]));
        check("apps", args(json!(["a"])), args(json!(["b"])), args(json!(["a", "c"])), args(json!(["b"])));
        let twice = json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
        let env = |env: &Value| spec(json!([{"name": "app", "env": env}]));
        check("apps", env(&json!([])), env(&twice), env(&json!([{"name": "T"}])), env(&twice));
        check(
            "",
            json!({"spec": {"ports": [{"port": 80}]}}),
            json!({"spec": {"ports": [{"port": 80, "name": "web"}]}}),
            json!({"spec": {"ports": [{"port": 80, "nodePort": 30000}]}}),
            json!({"spec": {"ports": [{"port": 80, "name": "web", "nodePort": 30000}]}}),
        );
        let ports = |port: Value| spec(json!([{"name": "app", "ports": [port]}]));
        check(
            "apps",
            ports(json!({"containerPort": 80})),
            ports(json!({"containerPort": 80, "name": "web"})),
            ports(json!({"containerPort": 80, "hostPort": 81})),
            ports(json!({"containerPort": 80, "name": "web", "hostPort": 81})),
        );
        check(
            "",
            json!({"metadata": {"finalizers": ["a", "b"]}}),
            json!({"metadata": {"finalizers": ["a", "c"]}}),
            json!({"metadata": {"finalizers": ["b", "x", "a"]}}),
            json!({"metadata": {"finalizers": ["x", "a", "c"]}}),
        );
    }

    #[test]
    fn what_excludes_the_other_replaces_it() {
        check(
            "apps",
            json!({}),
            json!({"spec": {"strategy": {"type": "Recreate"}}}),
            json!({"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}),
            json!({"spec": {"strategy": {"type": "Recreate", "rollingUpdate": null}}}),
        );
        let volumes = |volume: Value| json!({"spec": {"template": {"spec": {"volumes": [volume]}}}});
        check(
            "apps",
            volumes(json!({"name": "v", "emptyDir": {}})),
            volumes(json!({"name": "v", "secret": {"secretName": "s"}})),
            volumes(json!({"name": "v", "hostPath": {"path": "/"}})),
            volumes(json!({"name": "v", "secret": {"secretName": "s"}})),
        );
    }

    #[test]
    fn custom_resources_get_the_difference_of_manifests() {
        check(
            "example.org",
            json!({"spec": {"a": 1, "b": 2}}),
            json!({"spec": {"a": 3}}),
            json!({"spec": {"a": 9, "b": 2, "c": 4}}),
            json!({"spec": {"a": 3, "b": null}}),
        );
        check(
            "example.org",
            json!({"spec": {"a": 1}}),
            json!({"spec": {"a": 1}}),
            json!({"spec": {"a": 9}}),
            Value::Null,
        );
        let adopted =
            difference("Thing", "example.org", None, &json!({"spec": {"a": 1}}), &json!({"spec": {"a": 9, "c": 4}}));
        assert_eq!(adopted, Some(json!({"spec": {"a": 1}})));
    }
}
