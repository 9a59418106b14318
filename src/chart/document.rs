//! YAML as charts hold it: one table per document, several documents merged.

use super::{MAX_DEPTH, values::merge_tables};
use pintle_template::{Diagnosis, Hint};
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

/// Why a file of YAML documents cannot be read. Prints Helm's text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct YamlError {
    /// Helm's text. The line in it, if there is one, counts from the document's start, or names the line before.
    pub message: String,
    /// The line in the file and the column, from 1, the column in characters; none if it is about a document as a whole.
    pub place: Option<(u32, u32)>,
}

impl YamlError {
    /// The lines around the mistake. `text` is what was read from the file.
    pub fn diagnosis(&self, file: &str, text: &[u8]) -> Diagnosis {
        let (line, column) = self.place.unwrap_or((1, 1));
        let diagnosis = Diagnosis::of_text(file, text, line, column);
        let row = text.split(|b| *b == b'\n').nth(line as usize - 1).unwrap_or_default();
        let tab = row.iter().take(column as usize).any(|b| *b == b'\t');
        match self.place {
            None => diagnosis.with(Hint::Text("each document must be a map: `key: value`".into())),
            Some(_) if tab => diagnosis.with(Hint::Text("YAML takes no tabs for indentation".into())),
            Some(_) => diagnosis,
        }
    }

    /// The place in brackets, for a text of one line; empty if there is none.
    pub fn suffix(&self) -> String {
        self.place.map(|(line, column)| format!(" (line {line}, column {column})")).unwrap_or_default()
    }
}

/// Reads a values file: each document is a table, later ones win.
///
/// # Errors
/// Helm's text, and the place.
pub(super) fn decode_tables(text: &[u8]) -> Result<Map, YamlError> {
    let merged = Map::new();
    let mut lines = 0_u32;
    for document in pintle_yaml::documents::split(text) {
        let document = document.map_err(|e| YamlError {
            place: Some((e.line, e.column)),
            message: format!("error reading yaml document: {}", e.message),
        })?;
        let table = pintle_yaml::decode_map(&document, &limits()).map_err(|e| YamlError {
            message: format!("cannot unmarshal yaml document: {e}"),
            place: e.place().map(|(line, column)| (line.saturating_add(lines), column)),
        })?;
        merge_tables(&merged, &table);
        // Each document but one that begins with its separator is followed by a line that belongs to none.
        let own = document.iter().filter(|b| **b == b'\n').count();
        lines = lines.saturating_add(u32::try_from(own).unwrap_or(u32::MAX)).saturating_add(1);
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
        assert!(decode_tables(b"- a").err().unwrap().message.contains("cannot unmarshal array"));
    }

    #[test]
    fn errors_have_places_in_the_file() {
        let check = |text: &str, message: &str, place: Option<(u32, u32)>| {
            let error = decode_tables(text.as_bytes()).err().unwrap();
            assert_eq!(error.place, place, "{text:?}: {error}");
            assert!(error.message.ends_with(message), "{text:?}: {error}");
        };
        check("a: 1\n b: 2\n", "line 2: mapping values are not allowed in this context", Some((2, 3)));
        check("a: 1\n---\nb: 2\n c: 3\n", "line 2: mapping values are not allowed in this context", Some((4, 3)));
        check("---\na: 1\n---\nb: 2\n c: 3\n", "line 2: mapping values are not allowed in this context", Some((5, 3)));
        check("a: {x: 1\nb: 2\n", "line 1: did not find expected ',' or '}'", Some((2, 2)));
        check("a: 1\n---x\n", "invalid Yaml document separator: x", Some((2, 1)));
        check("a: 1\n---\n- 2\n", "map[string]interface {}", None);
    }

    #[test]
    fn the_lines_around_a_mistake() {
        let text = b"image:\n  name: x\n\ttag: y\nport: 1\nhost: a\nend: true\n";
        let error = decode_tables(text).err().unwrap();
        let expect = " --> v.yaml:3:1
  |
1 | image:
2 |   name: x
3 |  tag: y
  | ^
4 | port: 1
5 | host: a
  = YAML takes no tabs for indentation";
        assert_eq!(error.diagnosis("v.yaml", text).to_string(), expect);
    }
}
