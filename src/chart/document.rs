//! YAML as charts hold it: one table per document, several documents merged.

use super::{MAX_DEPTH, values::merge_tables};
use pintle_value::{Map, Value};
use pintle_yaml::Limits;

/// What YAML in a chart may cost.
pub(super) fn limits() -> Limits {
    Limits { depth: MAX_DEPTH, ..Limits::default() }
}

/// Reads one YAML document whose fields have types of their own: integers stay integers.
///
/// # Errors
/// Helm's text.
pub(super) fn decode(text: &[u8]) -> Result<Value, String> {
    pintle_yaml::decode_exact(text, &limits()).map_err(|e| e.to_string())
}

/// Reads a values file: each document is a table, later ones win.
///
/// # Errors
/// Helm's text.
pub(super) fn decode_tables(text: &[u8]) -> Result<Map, String> {
    let merged = Map::new();
    for document in pintle_yaml::documents::split(text) {
        let document = document.map_err(|e| e.message)?;
        let table = pintle_yaml::decode_map(&document, &limits()).map_err(|e| e.to_string())?;
        merge_tables(&merged, &table);
    }
    Ok(merged)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::Frozen;
    use super::*;

    #[test]
    fn documents_merge() {
        let table = decode_tables(b"a: {x: 1, z: 2}\n---\na: {z: null}\nb: [1]\n").unwrap();
        let json = serde_json::Value::from(&Frozen::of(&Value::Map(table)).unwrap());
        assert_eq!(json, serde_json::json!({"a": {"x": 1, "z": null}, "b": [1]}));
        assert!(decode_tables(b"- a").err().unwrap().contains("cannot unmarshal array"));
    }
}
