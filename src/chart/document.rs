//! YAML as charts hold it: one table per document, several documents merged.

use super::values::merge_tables;
use pintle_value::{Map, Value};

/// Reads one YAML document.
///
/// # Errors
/// Helm's text.
pub(super) fn decode(text: &[u8]) -> Result<Value, String> {
    super::standin::decode(text)
}

/// Reads a values file: each document is a table, later ones win.
///
/// # Errors
/// Helm's text.
pub(super) fn decode_tables(text: &[u8]) -> Result<Map, String> {
    let merged = Map::new();
    for document in documents(text) {
        match decode(document)? {
            Value::Nil => {}
            Value::Map(table) => merge_tables(&merged, &table),
            other => {
                let what = match other {
                    Value::List(_) => "array",
                    Value::String(_) => "string",
                    Value::Bool(_) => "bool",
                    _ => "number",
                };
                return Err(format!(
                    "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {what} into Go value of type map[string]interface {{}}"
                ));
            }
        }
    }
    Ok(merged)
}

/// The documents between lines that hold nothing but `---`.
fn documents(text: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let (mut start, mut at) = (0, 0);
    for line in text.split_inclusive(|b| *b == b'\n') {
        if line.strip_prefix(b"---").is_some_and(|rest| rest.trim_ascii().is_empty()) {
            if at > start {
                found.push(&text[start..at]);
            }
            start = at + line.len();
        }
        at += line.len();
    }
    if at > start {
        found.push(&text[start..at]);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_end_at_bare_separators() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("a: 1\n", &["a: 1\n"]),
            ("---\na: 1\n---  \nb: 2", &["a: 1\n", "b: 2"]),
            ("a: |\n  ---\n--- # no\nb: 1\n", &["a: |\n  ---\n--- # no\nb: 1\n"]),
        ];
        for (text, want) in cases {
            let got: Vec<_> = documents(text.as_bytes()).into_iter().map(|d| String::from_utf8_lossy(d)).collect();
            assert_eq!(got, *want, "{text:?}");
        }
    }
}
