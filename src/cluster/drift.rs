//! Telling that somebody changed what a release applied, without asking: the API server itself keeps account of who owns
//! which field. A change by anybody else takes fields away from our entry in `managedFields`, which comes with every watch
//! event; a status that changes does not.

use super::object::ObjectId;
use aws_lc_rs::digest::{SHA256, digest};
use kube::core::ObjectMeta;
use pintle_golib::hex;
use serde_json::Value;
use std::fmt::Write as _;

/// Depth to which objects are compared; the API server takes none that is nearly as deep.
const DEPTH: usize = 256;

/// The set of fields that `manager` owns, as a short digest.
#[must_use]
pub fn shape(live: &ObjectMeta, manager: &str) -> Option<String> {
    let own = |operation| {
        live.managed_fields.iter().flatten().find(move |entry| {
            entry.manager.as_deref() == Some(manager)
                && entry.operation.as_deref() == Some(operation)
                && entry.subresource.as_deref().unwrap_or_default().is_empty()
        })
    };
    // What was written client-side is owned by updating.
    let own = own("Apply").or_else(|| own("Update"))?;
    let fields = serde_json::to_vec(&own.fields_v1.as_ref()?.0).ok()?;
    // Six bytes: an accident costs no more than a change that goes unseen until the next one.
    Some(hex::encode(&digest(&SHA256, &fields).as_ref()[..6]))
}

/// Who wrote the object last, other than `manager` and other than its status: the one to ask about a change.
#[must_use]
pub fn last_writer(live: &ObjectMeta, manager: &str) -> Option<String> {
    let others =
        live.managed_fields.iter().flatten().filter(|entry| {
            entry.manager.as_deref() != Some(manager) && entry.subresource.as_deref() != Some("status")
        });
    others.max_by_key(|entry| entry.time.as_ref().map(|time| time.0))?.manager.clone()
}

/// A field that is not as it was applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Its JSON pointer.
    pub pointer: String,
    /// What it is, and what it should be; nothing if it is absent.
    pub values: (Option<Value>, Option<Value>),
}

/// Where a live object is not what an apply would make of it, at most `limit` places. What the API server itself keeps
/// (status, versions, field owners) does not count.
#[must_use]
pub fn differences(live: &Value, wanted: &Value, limit: usize) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(Some(live), Some(wanted), &mut String::new(), &mut found, limit, DEPTH);
    found
}

/// What the API server writes by itself.
fn is_servers_own(pointer: &str) -> bool {
    matches!(
        pointer,
        "/status"
            | "/metadata/managedFields"
            | "/metadata/resourceVersion"
            | "/metadata/generation"
            | "/metadata/uid"
            | "/metadata/creationTimestamp"
    )
}

fn compare(
    live: Option<&Value>,
    wanted: Option<&Value>,
    pointer: &mut String,
    found: &mut Vec<Difference>,
    limit: usize,
    depth: usize,
) {
    if live == wanted || found.len() >= limit || is_servers_own(pointer) {
        return;
    }
    let length = pointer.len();
    match (live, wanted) {
        (Some(Value::Object(live)), Some(Value::Object(wanted))) if depth > 0 => {
            let fresh = wanted.keys().filter(|key| !live.contains_key(*key));
            for key in live.keys().chain(fresh) {
                let _ = write!(pointer, "/{}", key.replace('~', "~0").replace('/', "~1"));
                compare(live.get(key), wanted.get(key), pointer, found, limit, depth - 1);
                pointer.truncate(length);
            }
        }
        (Some(Value::Array(live)), Some(Value::Array(wanted))) if depth > 0 && live.len() == wanted.len() => {
            for (at, (live, wanted)) in live.iter().zip(wanted).enumerate() {
                let _ = write!(pointer, "/{at}");
                compare(Some(live), Some(wanted), pointer, found, limit, depth - 1);
                pointer.truncate(length);
            }
        }
        _ => found.push(Difference { pointer: pointer.clone(), values: (live.cloned(), wanted.cloned()) }),
    }
}

/// Lets a field be as it is: `body` gets what `live` has at `pointer`, so that applying it changes nothing there. Leaving the
/// field out instead would take it away where nobody else owns it.
pub fn let_be(body: &mut Value, live: &Value, pointer: &str) {
    match live.pointer(pointer) {
        Some(value) => set(body, pointer, value.clone()),
        None => remove(body, pointer),
    }
}

fn set(body: &mut Value, pointer: &str, value: Value) {
    if pointer.is_empty() {
        *body = value;
        return;
    }
    let mut place = body;
    for key in pointer.split('/').skip(1).map(unescape) {
        place = match place {
            Value::Object(map) => map.entry(key).or_insert_with(|| Value::Object(serde_json::Map::new())),
            Value::Array(list) => match key.parse::<usize>().ok().and_then(|at| list.get_mut(at)) {
                Some(item) => item,
                None => return,
            },
            _ => return,
        };
    }
    *place = value;
}

fn remove(body: &mut Value, pointer: &str) {
    let Some((parent, key)) = pointer.rsplit_once('/') else { return };
    let key = unescape(key);
    match body.pointer_mut(parent) {
        Some(Value::Object(map)) => {
            map.remove(&key);
        }
        Some(Value::Array(list)) => {
            if let Some(at) = key.parse::<usize>().ok().filter(|at| *at < list.len()) {
                list.remove(at);
            }
        }
        _ => {}
    }
}

fn unescape(key: &str) -> String {
    key.replace("~1", "/").replace("~0", "~")
}

/// A change that somebody made to an object of a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drift {
    /// The object.
    pub object: ObjectId,
    /// It is not there.
    pub missing: bool,
    /// Where it is not as applied.
    pub fields: Vec<Difference>,
    /// Who wrote it last, as far as that can be told.
    pub writer: Option<String>,
}

impl std::fmt::Display for Drift {
    /// `Deployment shop/web: /spec/replicas is 5, not 2 (changed by kubectl-scale)`. Values of Secrets stay out of it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.object)?;
        if self.missing {
            return f.write_str(" was deleted");
        }
        let secret = self.object.kind == "Secret";
        let text = |value: &Option<Value>| match value {
            None => "absent".to_owned(),
            Some(_) if secret => "***".to_owned(),
            Some(value) => {
                let text = value.to_string();
                if text.len() > 60 { format!("{}…", &text[..text.floor_char_boundary(60)]) } else { text }
            }
        };
        for (at, field) in self.fields.iter().enumerate() {
            let (is, wanted) = &field.values;
            write!(f, "{} {} is {}, not {}", if at == 0 { ":" } else { "," }, field.pointer, text(is), text(wanted))?;
        }
        match &self.writer {
            Some(writer) => write!(f, " (changed by {writer})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn meta(entries: &Value) -> ObjectMeta {
        serde_json::from_value(json!({ "managedFields": entries })).unwrap()
    }

    fn entry(manager: &str, operation: &str, subresource: &str, time: &str, fields: &Value) -> Value {
        json!({"manager": manager, "operation": operation, "subresource": subresource, "time": time, "fieldsV1": fields})
    }

    #[test]
    fn a_shape_is_of_our_own_fields_only() {
        let ours = entry("helm", "Apply", "", "2026-01-01T00:00:00Z", &json!({"f:spec": {"f:a": {}}}));
        let later = entry("helm", "Apply", "", "2026-01-02T00:00:00Z", &json!({"f:spec": {"f:a": {}}}));
        let fewer = entry("helm", "Apply", "", "2026-01-01T00:00:00Z", &json!({"f:spec": {}}));
        let other = entry("kubectl", "Update", "", "2026-01-03T00:00:00Z", &json!({"f:spec": {"f:a": {}}}));
        let status = entry("kube", "Update", "status", "2026-01-04T00:00:00Z", &json!({"f:status": {}}));
        let of = |entries: Value| shape(&meta(&entries), "helm");
        let plain = of(json!([ours]));
        assert!(plain.is_some());
        assert_eq!(of(json!([status, later, other])), plain);
        assert_ne!(of(json!([fewer])), plain);
        assert_eq!(of(json!([other])), None);
        assert_eq!(last_writer(&meta(&json!([ours, other, status])), "helm").as_deref(), Some("kubectl"));
        assert_eq!(last_writer(&meta(&json!([ours, status])), "helm"), None);
    }

    #[test]
    fn differences_are_named_by_pointer() {
        let live = json!({"metadata": {"resourceVersion": "9", "labels": {"a/b": "1"}}, "spec": {"n": 1, "l": [1, 2], "m": [1]},
            "status": {"x": 1}});
        let wanted = json!({"metadata": {"resourceVersion": "7", "labels": {"a/b": "2"}}, "spec": {"l": [1, 3], "m": [1, 2], "o": 4}});
        let found: Vec<_> = differences(&live, &wanted, 10).into_iter().map(|d| d.pointer).collect();
        assert_eq!(found, ["/metadata/labels/a~1b", "/spec/l/1", "/spec/m", "/spec/n", "/spec/o"]);
        assert_eq!(differences(&live, &wanted, 2).len(), 2);
        assert_eq!(differences(&live, &live, 2), []);
    }

    #[test]
    fn a_field_is_let_be() {
        for (body, live, pointer, expect) in [
            (
                json!({"spec": {"replicas": 2, "x": 1}}),
                json!({"spec": {"replicas": 5}}),
                "/spec/replicas",
                json!({"spec": {"replicas": 5, "x": 1}}),
            ),
            (json!({"spec": {"replicas": 2}}), json!({"spec": {}}), "/spec/replicas", json!({"spec": {}})),
            (json!({}), json!({"a": {"b/c": 1}}), "/a/b~1c", json!({"a": {"b/c": 1}})),
            (json!({"l": [1, 2]}), json!({"l": [1, 3]}), "/l/1", json!({"l": [1, 3]})),
            (json!({"l": [1, 2]}), json!({"l": [1]}), "/l/1", json!({"l": [1]})),
            (json!({"l": 1}), json!({"l": {"a": 1}}), "/l/a", json!({"l": 1})),
        ] {
            let mut changed = body.clone();
            let_be(&mut changed, &live, pointer);
            assert_eq!(changed, expect, "{pointer} of {body}");
        }
    }

    #[test]
    fn drift_is_told_in_a_line_and_secrets_stay_secret() {
        let fields = || vec![Difference { pointer: "/spec/replicas".into(), values: (Some(json!(5)), Some(json!(2))) }];
        let id = |kind: &str| ObjectId {
            api_version: "v1".into(),
            kind: kind.into(),
            namespace: Some("shop".into()),
            name: "web".into(),
        };
        let drift = |kind: &str, missing, writer: Option<&str>| {
            Drift { object: id(kind), missing, fields: fields(), writer: writer.map(str::to_owned) }.to_string()
        };
        assert_eq!(
            drift("Deployment", false, Some("kubectl-scale")),
            "Deployment shop/web: /spec/replicas is 5, not 2 (changed by kubectl-scale)"
        );
        assert_eq!(drift("Deployment", true, None), "Deployment shop/web was deleted");
        assert_eq!(drift("Secret", false, None), "Secret shop/web: /spec/replicas is ***, not ***");
    }
}
