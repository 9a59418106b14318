//! Values to go-yaml v2's text, the way of `sigs.k8s.io/yaml.Marshal`: Go to JSON to YAML 1.1 to YAML.
//!
//! No JSON is written: what that way does to values is done to them one by one.

use crate::{
    Limits,
    decode::go_utf8,
    emit::{BYTES, DEPTH, Dialect, Emitter, Form, Rest, write},
    parser::{EventKind, Events},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_golib::strconv::format_float;
use pintle_value::{Value, json};
use std::{borrow::Cow, fmt};

/// Below this, a float without a fraction is the integer of the same digits.
const EXACT_INTEGERS: f64 = 9_007_199_254_740_992.0;
/// A key in JSON must end this many characters after its start, or YAML does not see it as one.
const KEY_REACH: usize = 1024;

/// A value that YAML cannot hold (Helm's `toYaml` gives an empty text then).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodeError {
    /// An infinity or not a number.
    NotFinite,
    /// Deeper than Go allows, or a cycle.
    TooDeep,
    /// More text than anybody can want.
    TooLong,
    /// A character that go-yaml does not read back.
    ControlCharacter,
    /// A key that go-yaml does not recognise as one.
    LongKey,
    /// A value of a type that has no text, or a time that has none.
    Unsupported(&'static str),
}

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFinite => f.write_str("json: unsupported value: a float that is not finite"),
            Self::TooDeep => write!(f, "exceeded max depth of {DEPTH}"),
            Self::TooLong => write!(f, "the text has more than {BYTES} bytes"),
            Self::ControlCharacter => f.write_str("yaml: control characters are not allowed"),
            Self::LongKey => f.write_str("yaml: did not find expected ',' or '}'"),
            Self::Unsupported(kind) => write!(f, "json: unsupported type: {kind}"),
        }
    }
}

impl std::error::Error for EncodeError {}

/// A value's text in block style, with a line break at its end.
///
/// # Errors
/// Where `sigs.k8s.io/yaml.Marshal` fails.
pub fn encode(value: &Value) -> Result<Vec<u8>, EncodeError> {
    write::<Json>(value)
}

/// The same without the last line break: Helm's `toYaml`.
///
/// # Errors
/// As [`encode`].
pub fn encode_trimmed(value: &Value) -> Result<Vec<u8>, EncodeError> {
    encode(value).map(trimmed)
}

pub(crate) fn trimmed(mut text: Vec<u8>) -> Vec<u8> {
    if text.last() == Some(&b'\n') {
        text.pop();
    }
    text
}

/// Values as JSON sees them.
struct Json;

impl Form for Json {
    const DIALECT: Dialect = Dialect::V2;

    fn key(emitter: &mut Emitter, key: &[u8]) -> Result<(), EncodeError> {
        emitter.key(&key_text(key)?);
        Ok(())
    }

    fn node(emitter: &mut Emitter, value: Value) -> Result<Rest, EncodeError> {
        match value {
            Value::Nil => emitter.bare(b"null"),
            Value::List(_) | Value::Map(_) | Value::Bytes(_) if value.is_nil() => emitter.bare(b"null"),
            Value::Bool(b) => emitter.bare(if b { b"true" } else { b"false" }),
            Value::Int(n) | Value::Int64(n) => emitter.bare(n.to_string().as_bytes()),
            Value::Duration(d) => emitter.bare(d.nanos().to_string().as_bytes()),
            Value::Uint8(n) => emitter.bare(n.to_string().as_bytes()),
            Value::Uint64(n) => emitter.bare(n.to_string().as_bytes()),
            Value::Float64(n) => emitter.bare(float_text(n)?.as_bytes()),
            Value::Complex128(_) => return Err(EncodeError::Unsupported("complex128")),
            Value::String(text) => emitter.string(&read_back(&text)?),
            Value::Bytes(bytes) => emitter.string(STANDARD.encode(&bytes).as_bytes()),
            Value::Time(time) => {
                emitter.string(time.to_rfc3339().ok_or(EncodeError::Unsupported("time.Time"))?.as_bytes());
            }
            Value::List(list) if list.is_empty() => emitter.empty_collection(b"[]"),
            Value::List(list) => return Ok(Rest::List(list)),
            Value::Map(map) if map.is_empty() => emitter.empty_collection(b"{}"),
            Value::Map(map) => return Ok(Rest::Entries(map.snapshot(), Some(map))),
            Value::Object(object) => {
                let json = object.json();
                if matches!(json, Value::Object(_)) {
                    return Err(EncodeError::Unsupported(object.type_name()));
                }
                return Self::node(emitter, json);
            }
        }
        Ok(Rest::Nothing)
    }
}

/// A float as JSON writes it and YAML reads it: an integer if it looks like one that fits 64 bits.
fn float_text(float: f64) -> Result<String, EncodeError> {
    if !float.is_finite() {
        return Err(EncodeError::NotFinite);
    }
    #[allow(clippy::cast_possible_truncation)] // the range is checked
    if float.fract() == 0.0 && float.abs() < EXACT_INTEGERS {
        return Ok((float as i64).to_string());
    }
    let mut text = Vec::with_capacity(24);
    json::append_float(&mut text, float);
    let text = String::from_utf8(text).unwrap_or_default();
    let is_integer = text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    Ok(if is_integer { text } else { format_float(float, b'g', None) })
}

/// A text after JSON and back. Nearly always itself; what YAML does not read fails the whole.
fn read_back(text: &[u8]) -> Result<Cow<'_, [u8]>, EncodeError> {
    if text.iter().all(|b| *b < 0x7F) {
        return Ok(Cow::Borrowed(text));
    }
    let text = go_utf8(text);
    let mut next_line = false;
    for window in text.windows(2) {
        match *window {
            [0xC2, 0x85] => next_line = true,
            [0xC2, 0x80..0xA0] => return Err(EncodeError::ControlCharacter),
            _ => {}
        }
    }
    if text.contains(&0x7F) || text.windows(3).any(|w| matches!(w, [0xEF, 0xBF, 0xBE | 0xBF])) {
        return Err(EncodeError::ControlCharacter);
    }
    if next_line { folded(&text).map(Cow::Owned) } else { Ok(text) }
}

/// JSON leaves U+0085 as it is, and YAML reads it as a line break within quotes.
fn folded(text: &[u8]) -> Result<Vec<u8>, EncodeError> {
    let mut quoted = vec![b'"'];
    for &byte in text {
        match byte {
            b'"' | b'\\' => quoted.extend([b'\\', byte]),
            ..0x20 => quoted.extend(format!("\\x{byte:02x}").bytes()),
            _ => quoted.push(byte),
        }
    }
    let quoted = String::from_utf8_lossy(&quoted).replace('\u{2028}', "\\L").replace('\u{2029}', "\\P") + "\"";
    let mut events = Events::new(quoted.as_bytes(), &Limits::default());
    while let Some(event) = events.next_event().map_err(|_| EncodeError::ControlCharacter)? {
        if let EventKind::Scalar { text, .. } = event.kind {
            return Ok(text.into_owned());
        }
    }
    Err(EncodeError::ControlCharacter)
}

fn key_text(key: &[u8]) -> Result<Cow<'_, [u8]>, EncodeError> {
    let text = read_back(key)?;
    // Short enough, however much of it JSON escapes, is short enough.
    if key.len() * 6 + 2 > KEY_REACH && json_length(&text) > KEY_REACH {
        return Err(EncodeError::LongKey);
    }
    // A key of two lines is none.
    if key.windows(2).any(|w| w == [0xC2, 0x85]) {
        return Err(EncodeError::LongKey);
    }
    Ok(text)
}

/// How many characters a text has in JSON, quotes included.
fn json_length(text: &[u8]) -> usize {
    let characters = String::from_utf8_lossy(text);
    let escaped = characters.chars().map(|c| match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\x08' | '\x0C' => 2,
        '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => 6,
        _ => 1,
    });
    escaped.sum::<usize>() + 2
}

#[cfg(test)]
mod tests;
