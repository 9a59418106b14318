//! Field managers: moving fields that earlier managers of the same release hold to the manager that applies now.
//!
//! Without it a release that was installed client-side (or by Flux) keeps its old manager as a co-owner: what a later chart
//! leaves out would stay on the object for ever.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
use kube::core::ObjectMeta;
use serde_json::{Map, Value, json};

use super::apply::Apply;
use super::client::Cluster;
use super::error::Result;
use super::object::ObjectId;

/// Managers under which the same release may have been written before: Helm itself, Flux, and Helm 2's server.
pub const EARLIER: [&str; 3] = ["helm", "helm-controller", "tiller"];

/// Depth of a field set that is believed; the API server's own objects are far from it.
const DEPTH: usize = 128;

impl Cluster {
    /// Moves what `earlier` managers hold of a live object to `manager`, if they hold anything. One request, or none.
    ///
    /// # Errors
    /// Failures of the API server; class `Stale` when the object changed since `live` was read.
    pub async fn take_over_fields(
        &self,
        id: &ObjectId,
        live: &ObjectMeta,
        manager: &str,
        earlier: &[&str],
    ) -> Result<bool> {
        let entries = live.managed_fields.as_deref().unwrap_or_default();
        let Some(moved) = move_fields(entries, manager, earlier) else { return Ok(false) };
        // The version makes the server refuse when somebody wrote in between.
        let patch = json!([
            {"op": "replace", "path": "/metadata/managedFields", "value": moved},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": live.resource_version},
        ]);
        let how = Apply { manager, force: false, dry_run: false, strict: false };
        self.patch(id, "application/json-patch+json", &patch, &how).await?;
        Ok(true)
    }
}

/// The entries after the move, or `None` if there is nothing to move.
///
/// Taken are `Update` entries of any of `earlier` and of `manager` itself, and `Apply` entries of `earlier`; never those of
/// subresources (a controller's `status` is not the chart's).
#[must_use]
pub fn move_fields(entries: &[ManagedFieldsEntry], manager: &str, earlier: &[&str]) -> Option<Vec<ManagedFieldsEntry>> {
    let own = |entry: &ManagedFieldsEntry| {
        entry.manager.as_deref() == Some(manager) && entry.operation.as_deref() == Some("Apply")
    };
    let taken = |entry: &&ManagedFieldsEntry| {
        let name = entry.manager.as_deref().unwrap_or_default();
        (name == manager || earlier.contains(&name))
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
            && matches!(entry.operation.as_deref(), Some("Apply" | "Update"))
    };
    let (mine, others): (Vec<_>, Vec<_>) = entries.iter().partition(|entry| taken(entry));
    if mine.iter().all(|entry| own(entry)) {
        return None;
    }
    // An entry's fields are paths in its API version: the union is written in that of our own entry, else the newest.
    let base = mine
        .iter()
        .find(|entry| own(entry))
        .or_else(|| mine.iter().max_by_key(|entry| entry.time.as_ref().map(|time| time.0)))?;
    let mut fields = Value::Object(Map::new());
    for entry in &mine {
        if let Some(FieldsV1(more)) = &entry.fields_v1 {
            unite(&mut fields, more, DEPTH);
        }
    }
    let mut result: Vec<_> = others.into_iter().cloned().collect();
    result.push(ManagedFieldsEntry {
        manager: Some(manager.to_owned()),
        operation: Some("Apply".to_owned()),
        subresource: None,
        fields_v1: Some(FieldsV1(fields)),
        ..(*base).clone()
    });
    Some(result)
}

/// Who holds which of an object's fields: manager → paths, for messages about drift. At most `limit` paths each.
#[must_use]
pub fn holders(entries: &[ManagedFieldsEntry], limit: usize) -> BTreeMap<String, Vec<String>> {
    let mut holders = BTreeMap::<String, Vec<String>>::new();
    for entry in entries {
        let Some(FieldsV1(fields)) = &entry.fields_v1 else { continue };
        let paths = holders.entry(entry.manager.clone().unwrap_or_default()).or_default();
        leaves(fields, &mut String::new(), paths, limit, DEPTH);
    }
    holders
}

fn unite(into: &mut Value, more: &Value, depth: usize) {
    let (Some(into), Some(more)) = (into.as_object_mut(), more.as_object()) else { return };
    for (key, value) in more {
        match into.get_mut(key) {
            Some(present) if depth > 0 => unite(present, value, depth - 1),
            Some(_) => {}
            None => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

fn leaves(fields: &Value, path: &mut String, out: &mut Vec<String>, limit: usize, depth: usize) {
    let Some(map) = fields.as_object() else { return };
    for (key, value) in map {
        if out.len() >= limit || depth == 0 {
            return;
        }
        let length = path.len();
        match key.split_once(':') {
            Some(("f", name)) => {
                path.push('.');
                path.push_str(name);
            }
            Some(("k", keys)) => path.push_str(&format!("[{}]", keys.trim_matches(['{', '}']).replace('"', ""))),
            Some(("v", value)) => path.push_str(&format!("[={value}]")),
            // `.` stands for the map itself.
            _ => continue,
        }
        if value.as_object().is_none_or(|map| map.keys().all(|key| key == ".")) {
            out.push(path.clone());
        } else {
            leaves(value, path, out, limit, depth - 1);
        }
        path.truncate(length);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entry(manager: &str, operation: &str, subresource: &str, time: &str, fields: &Value) -> ManagedFieldsEntry {
        serde_json::from_value(
            json!({"manager": manager, "operation": operation, "apiVersion": "apps/v1", "time": time,
            "fieldsType": "FieldsV1", "fieldsV1": fields, "subresource": subresource}),
        )
        .unwrap()
    }

    #[test]
    fn fields_of_earlier_managers_are_moved() {
        let entries = [
            entry(
                "helm",
                "Update",
                "",
                "2026-01-01T00:00:00Z",
                &json!({"f:spec": {"f:a": {}, "f:c": {".": {}, "f:d": {}}}}),
            ),
            entry("kubectl", "Update", "", "2026-01-02T00:00:00Z", &json!({"f:spec": {"f:z": {}}})),
            entry(
                "helm-controller",
                "Apply",
                "",
                "2026-01-03T00:00:00Z",
                &json!({"f:spec": {"f:b": {}, "f:c": {"f:e": {}}}}),
            ),
            entry("helm", "Update", "status", "2026-01-04T00:00:00Z", &json!({"f:status": {}})),
        ];
        let moved = move_fields(&entries, "helm", &EARLIER).unwrap();
        let brief: Vec<_> = moved
            .iter()
            .map(|entry| {
                let text = |text: &Option<String>| text.clone().unwrap_or_default();
                (text(&entry.manager), text(&entry.operation), text(&entry.subresource))
            })
            .collect();
        let expect = [("kubectl", "Update", ""), ("helm", "Update", "status"), ("helm", "Apply", "")];
        assert_eq!(brief, expect.map(|(a, b, c)| (a.to_owned(), b.to_owned(), c.to_owned())));
        assert_eq!(
            moved[2].fields_v1.as_ref().unwrap().0,
            json!({"f:spec": {"f:a": {}, "f:b": {}, "f:c": {".": {}, "f:d": {}, "f:e": {}}}})
        );
    }

    #[test]
    fn nothing_to_move_is_no_request() {
        let own = entry("helm", "Apply", "", "2026-01-01T00:00:00Z", &json!({"f:spec": {}}));
        let other = entry("kubectl", "Update", "", "2026-01-01T00:00:00Z", &json!({}));
        assert_eq!(move_fields(&[own, other], "helm", &EARLIER), None);
        assert_eq!(move_fields(&[], "helm", &EARLIER), None);
    }

    #[test]
    fn holders_are_named_with_paths() {
        let fields = json!({"f:spec": {"f:replicas": {}, "f:containers": {"k:{\"name\":\"app\"}": {".": {}, "f:image": {}}}},
            "f:metadata": {"f:finalizers": {"v:\"x\"": {}}}});
        let holders = holders(&[entry("kubectl", "Update", "", "2026-01-01T00:00:00Z", &fields)], 10);
        assert_eq!(
            holders["kubectl"],
            [".metadata.finalizers[=\"x\"]", ".spec.containers[name:app].image", ".spec.replicas"]
        );
    }
}
