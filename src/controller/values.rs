//! The values of a release: composed from ConfigMaps, Secrets and the spec by one rule.
//!
//! Documents of `valuesFrom` in order, then inline `values`, then `targetPath` entries in order; maps are merged, all else
//! is replaced, and an explicit null stays, so that it can delete a chart's default.

use crate::{
    action::begin::text_digest,
    chart::strvals,
    crd::{HelmReleaseSpec, ValuesKind, ValuesReference},
    render::convert,
};
use serde_json::{Map, Value};

/// What a referenced object holds: its entries, or nothing if it is not there.
pub type Content = Option<std::collections::BTreeMap<String, Vec<u8>>>;

/// Why values cannot be composed; names the reference.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Error {
    /// The object is not there.
    #[error("spec.valuesFrom[{index}]: {kind} {name:?} does not exist: create it, or mark the reference optional")]
    Missing {
        /// Which reference.
        index: usize,
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// Its name.
        name: String,
    },
    /// The object has no such key.
    #[error("spec.valuesFrom[{index}]: {kind} {name:?} has no key {key:?} (it has {has})")]
    NoKey {
        /// Which reference.
        index: usize,
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
        /// The keys that it has.
        has: String,
    },
    /// What is there cannot be read as values.
    #[error("spec.valuesFrom[{index}]: {kind} {name:?}, key {key:?}: {message}")]
    Unreadable {
        /// Which reference.
        index: usize,
        /// `ConfigMap` or `Secret`.
        kind: &'static str,
        /// Its name.
        name: String,
        /// The key.
        key: String,
        /// What is wrong.
        message: String,
    },
    /// `spec.values` is something else.
    #[error("spec.values must be a map")]
    NotAMap,
}

/// `ConfigMap` or `Secret`.
pub fn kind(reference: &ValuesReference) -> &'static str {
    match reference.kind {
        ValuesKind::ConfigMap => "ConfigMap",
        ValuesKind::Secret => "Secret",
    }
}

/// Composes the values; `contents` are the referenced objects in the order of `spec.valuesFrom`.
///
/// # Errors
/// If a reference that is not optional has nothing, or something cannot be read.
pub fn compose(spec: &HelmReleaseSpec, contents: &[Content]) -> Result<Value, Error> {
    let mut values = Value::Object(Map::new());
    let mut paths = Vec::new();
    for (index, (reference, content)) in spec.values_from.iter().zip(contents).enumerate() {
        let Some(text) = text(index, reference, content)? else { continue };
        match &reference.target_path {
            Some(path) => paths.push((index, reference, path, text)),
            None => {
                let document = convert::yaml_to_json(text).map_err(|message| unreadable(index, reference, message))?;
                match document {
                    Value::Null => {}
                    Value::Object(_) => merge(&mut values, document),
                    _ => return Err(unreadable(index, reference, "values must be a map".into())),
                }
            }
        }
    }
    match spec.values.clone() {
        None | Some(Value::Null) => {}
        Some(inline @ Value::Object(_)) => merge(&mut values, inline),
        Some(_) => return Err(Error::NotAMap),
    }
    for (index, reference, path, text) in paths {
        set(&mut values, reference, path, text).map_err(|message| unreadable(index, reference, message))?;
    }
    Ok(values)
}

fn text<'a>(index: usize, reference: &ValuesReference, content: &'a Content) -> Result<Option<&'a [u8]>, Error> {
    let Some(content) = content else {
        if reference.optional {
            return Ok(None);
        }
        return Err(Error::Missing { index, kind: kind(reference), name: reference.name.clone() });
    };
    let key = key(reference);
    match content.get(key) {
        Some(text) => Ok(Some(text)),
        None if reference.optional => Ok(None),
        None => Err(Error::NoKey {
            index,
            kind: kind(reference),
            name: reference.name.clone(),
            key: key.to_owned(),
            has: if content.is_empty() {
                "none".into()
            } else {
                content.keys().cloned().collect::<Vec<_>>().join(", ")
            },
        }),
    }
}

fn key(reference: &ValuesReference) -> &str {
    reference.values_key.as_deref().unwrap_or("values.yaml")
}

fn unreadable(index: usize, reference: &ValuesReference, message: String) -> Error {
    Error::Unreadable {
        index,
        kind: kind(reference),
        name: reference.name.clone(),
        key: key(reference).to_owned(),
        message,
    }
}

/// Lays one tree over another: maps are merged, all else is replaced.
pub fn merge(under: &mut Value, over: Value) {
    match (under, over) {
        (Value::Object(under), Value::Object(over)) => {
            for (key, value) in over {
                match under.get_mut(&key) {
                    Some(there) => merge(there, value),
                    None => {
                        under.insert(key, value);
                    }
                }
            }
        }
        (under, over) => *under = over,
    }
}

/// Sets one value by its path, with the typing of `--set`; quoted, it is a string; literal, it is taken as it is.
fn set(values: &mut Value, reference: &ValuesReference, path: &str, text: &[u8]) -> Result<(), String> {
    let text = std::str::from_utf8(text).map_err(|_| "not UTF-8".to_owned())?;
    let root = convert::json_to_value(values).map_err(|e| e.to_string())?;
    let root = root.as_map().ok_or("values are not a map")?;
    if reference.literal {
        strvals::set_literal(&format!("{path}={text}"), root)?;
    } else {
        let quoted = [('\'', '\''), ('"', '"')]
            .iter()
            .find_map(|(open, close)| text.strip_prefix(*open).and_then(|rest| rest.strip_suffix(*close)));
        match quoted {
            Some(text) => strvals::set_string(&format!("{path}={text}"), root),
            None => strvals::set(&format!("{path}={text}"), root),
        }?;
    }
    *values = convert::value_to_json(&pintle_value::Value::Map(root.clone())).map_err(|e| e.to_string())?;
    Ok(())
}

/// Digest of values; none are as good as an empty map.
pub fn config_digest(values: &Value) -> String {
    let empty = values.as_object().is_none_or(Map::is_empty);
    // serde_json keeps maps sorted, so equal values have equal texts.
    let text = if empty { String::new() } else { values.to_string() };
    text_digest(&text)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
mod tests {
    use super::*;
    use serde_json::json;

    fn spec(values_from: Value, values: Value) -> HelmReleaseSpec {
        serde_json::from_value(json!({
            "interval": "1m",
            "chart": {"spec": {"chart": "c", "sourceRef": {"kind": "HelmRepository", "name": "r"}}},
            "valuesFrom": values_from,
            "values": values,
        }))
        .unwrap()
    }

    fn content(text: &str) -> Content {
        Some([("values.yaml".to_owned(), text.as_bytes().to_vec())].into())
    }

    #[test]
    fn one_rule() {
        let doc = json!({"kind": "ConfigMap", "name": "d"});
        let at = |path: &str| json!({"kind": "ConfigMap", "name": "t", "targetPath": path});
        for (name, from, inline, contents, expect) in [
            ("nothing", json!([]), json!(null), vec![], json!({})),
            (
                "later documents win, maps merge",
                json!([doc, doc]),
                json!(null),
                vec![content("a: {x: 1, z: 1}"), content("a: {z: 2}\nb: [1]")],
                json!({"a": {"x": 1.0, "z": 2.0}, "b": [1.0]}),
            ),
            (
                "inline over documents",
                json!([doc]),
                json!({"a": 2}),
                vec![content("a: 1\nb: 1")],
                json!({"a": 2, "b": 1.0}),
            ),
            ("targetPath over inline", json!([at("a")]), json!({"a": 2}), vec![content("3")], json!({"a": 3.0})),
            (
                "targetPaths in order",
                json!([at("x.a"), at("x.b")]),
                json!({"x": {"a": 0, "b": 0}}),
                vec![content("1"), content("2")],
                json!({"x": {"a": 1.0, "b": 2.0}}),
            ),
            ("quoted is a string", json!([at("a")]), json!(null), vec![content("'3'")], json!({"a": "3"})),
            ("list items", json!([at("a[1]")]), json!(null), vec![content("x")], json!({"a": [null, "x"]})),
            ("null stays", json!([doc]), json!({"a": null}), vec![content("a: 1")], json!({"a": null})),
        ] {
            let composed = compose(&spec(from, inline), &contents).unwrap();
            assert_eq!(normal(&composed), normal(&expect), "{name}");
        }
    }

    /// Numbers as one kind.
    fn normal(value: &Value) -> Value {
        match value {
            Value::Number(n) => json!(n.as_f64()),
            Value::Array(items) => items.iter().map(normal).collect(),
            Value::Object(map) => map.iter().map(|(k, v)| (k.clone(), normal(v))).collect(),
            other => other.clone(),
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let required = json!([{"kind": "Secret", "name": "s", "valuesKey": "k"}]);
        let error = compose(&spec(required.clone(), json!(null)), &[None]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "spec.valuesFrom[0]: Secret \"s\" does not exist: create it, or mark the reference optional"
        );
        let error = compose(&spec(required, json!(null)), &[content("a: 1")]).unwrap_err();
        assert_eq!(error.to_string(), "spec.valuesFrom[0]: Secret \"s\" has no key \"k\" (it has values.yaml)");
        let broken =
            compose(&spec(json!([{"kind": "Secret", "name": "s"}]), json!(null)), &[content("a: 1\n---\nb: [1\nc: 2")]);
        assert_eq!(
            broken.unwrap_err().to_string(),
            "spec.valuesFrom[0]: Secret \"s\", key \"values.yaml\": cannot unmarshal yaml document: error \
             converting YAML to JSON: yaml: line 1: did not find \
             expected ',' or ']' (line 4, column 2)"
        );
        let optional = json!([{"kind": "Secret", "name": "s", "optional": true}]);
        assert_eq!(compose(&spec(optional, json!({"a": 1})), &[None]).unwrap(), json!({"a": 1}));
    }
}
