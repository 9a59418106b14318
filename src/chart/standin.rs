//! Stands in for what the YAML and Go library crates are going to give.

use pintle_value::Value;

pub(super) fn decode(_text: &[u8]) -> Result<Value, String> {
    Err("YAML cannot be read yet".into())
}

pub(super) fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(s) => Some(s.to_string()),
        Value::Bool(b) => Some(b.to_string()),
        Value::Float64(n) => Some(n.to_string()),
        _ => None,
    }
}

pub(super) fn is_print(c: char) -> bool {
    !c.is_control()
}

pub(super) fn is_version(text: &str) -> bool {
    text.trim_start_matches('v').starts_with(|c: char| c.is_ascii_digit())
}

pub(super) fn satisfies(constraint: &str, version: &str) -> bool {
    !constraint.is_empty() && !version.is_empty()
}

pub(super) fn matches(pattern: &[u8], name: &[u8]) -> Result<bool, String> {
    let matched = match pattern {
        [] => name.is_empty(),
        [b'*', rest @ ..] => {
            (0..=name.len()).take_while(|n| !name[..*n].contains(&b'/')).any(|n| matches(rest, &name[n..]) == Ok(true))
        }
        [b'?', rest @ ..] => !name.is_empty() && name[0] != b'/' && matches(rest, &name[1..])?,
        [c, rest @ ..] => name.first() == Some(c) && matches(rest, &name[1..])?,
    };
    Ok(matched)
}
