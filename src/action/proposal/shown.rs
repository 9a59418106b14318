//! An object as people are shown it: without what the API server keeps for itself, and without secrets.

use serde_json::Value;

/// What stands in the place of a Secret's value, and of one that would change.
const HIDDEN: &str = "***";
const HIDDEN_BEFORE: &str = "*** (before)";
const HIDDEN_AFTER: &str = "*** (after)";

/// Fields of the metadata that the API server writes.
const SERVERS_OWN: [&str; 6] =
    ["managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "selfLink"];

/// Where kubectl keeps a whole object, secrets included.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// An object before and after, as YAML; what is not there is empty.
pub(super) fn shown(mut before: Option<Value>, mut after: Option<Value>) -> (String, String) {
    for object in [&mut before, &mut after].into_iter().flatten() {
        strip(object);
    }
    let is_secret = |object: &Option<Value>| {
        object.as_ref().is_some_and(|object| object["kind"] == "Secret" && object["apiVersion"] == "v1")
    };
    if is_secret(&before) || is_secret(&after) {
        for field in ["data", "stringData"] {
            hide(
                before.as_mut().and_then(|object| object.get_mut(field)),
                after.as_mut().and_then(|object| object.get_mut(field)),
            );
        }
    }
    let text = |object: Option<Value>| object.map(|object| yaml(&object)).unwrap_or_default();
    (text(before), text(after))
}

fn strip(object: &mut Value) {
    let Some(fields) = object.as_object_mut() else { return };
    fields.remove("status");
    let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for field in SERVERS_OWN {
        metadata.remove(field);
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.remove(LAST_APPLIED);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
    }
}

/// Takes the values of a field away, but not whether one changes.
fn hide(before: Option<&mut Value>, after: Option<&mut Value>) {
    let word = |value: &Value, other: Option<&Value>, changed: &'static str| match other {
        Some(other) if other != value => changed,
        _ => HIDDEN,
    };
    let hidden = |value: &Value, other: Option<&Value>, changed| match value.as_object() {
        Some(fields) => {
            let field = |(key, value): (&String, &Value)| {
                (key.clone(), word(value, other.and_then(|other| other.get(key)), changed).into())
            };
            Value::Object(fields.iter().map(field).collect())
        }
        // What is no map of values is no Secret that the API server took; nothing of it is shown.
        None => word(value, other, changed).into(),
    };
    let (old, new) = (before.as_deref().cloned(), after.as_deref().cloned());
    if let (Some(before), Some(old)) = (before, &old) {
        *before = hidden(old, new.as_ref(), HIDDEN_BEFORE);
    }
    if let (Some(after), Some(new)) = (after, &new) {
        *after = hidden(new, old.as_ref(), HIDDEN_AFTER);
    }
}

/// YAML with sorted keys; JSON, which is YAML too, for what the writer does not take.
fn yaml(object: &Value) -> String {
    let json = serde_json::to_vec(object).unwrap_or_default();
    let text = pintle_yaml::decode(&json, &pintle_yaml::Limits::default())
        .ok()
        .and_then(|value| pintle_yaml::encode(&value).ok())
        .and_then(|text| String::from_utf8(text).ok());
    text.unwrap_or_else(|| serde_json::to_string_pretty(object).unwrap_or_default() + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn check(before: Value, after: Value, expect: (&str, &str)) {
        let given = |value: Value| (!value.is_null()).then_some(value);
        let (before, after) = shown(given(before), given(after));
        assert_eq!((before.as_str(), after.as_str()), expect);
    }

    #[test]
    fn what_the_server_writes_is_left_out() {
        let live = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"b": "2", "a": "1"}, "status": {"x": 1},
            "metadata": {"name": "c", "uid": "u", "resourceVersion": "7", "managedFields": [{}], "generation": 2,
                "creationTimestamp": "2026-01-01T00:00:00Z", "annotations": {LAST_APPLIED: "{}"}}});
        let text = "apiVersion: v1\ndata:\n  a: \"1\"\n  b: \"2\"\nkind: ConfigMap\nmetadata:\n  name: c\n";
        check(live.clone(), Value::Null, (text, ""));
        check(Value::Null, live, ("", text));
    }

    #[test]
    fn large_numbers_stay_as_they_are() {
        let object = json!({"kind": "A", "n": 1_234_567_890_123_i64, "x": 0.5});
        check(Value::Null, object, ("", "kind: A\n\"n\": 1234567890123\nx: 0.5\n"));
    }

    #[test]
    fn a_secrets_values_are_hidden_and_their_changes_are_not() {
        let secret = |data: Value| json!({"apiVersion": "v1", "kind": "Secret", "data": data});
        let text = |data: &str| format!("apiVersion: v1\ndata:\n{data}kind: Secret\n");
        check(
            secret(json!({"gone": "eA==", "same": "eQ==", "other": "eg=="})),
            secret(json!({"new": "eA==", "same": "eQ==", "other": "MQ=="})),
            (
                &text("  gone: '***'\n  other: '*** (before)'\n  same: '***'\n"),
                &text("  new: '***'\n  other: '*** (after)'\n  same: '***'\n"),
            ),
        );
        check(secret(json!({"a": "eA=="})), Value::Null, (&text("  a: '***'\n"), ""));
        check(Value::Null, secret(json!("password")), ("", "apiVersion: v1\ndata: '***'\nkind: Secret\n"));
        // Whoever names a value like a mark hides nothing by it.
        check(
            secret(json!({"a": "***"})),
            secret(json!({"a": "cGFzcw=="})),
            (&text("  a: '*** (before)'\n"), &text("  a: '*** (after)'\n")),
        );
    }
}
