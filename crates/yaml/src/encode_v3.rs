//! Values to go-yaml v3's text: Helm's `toYamlPretty`. No JSON on the way.

use crate::{
    EncodeError,
    emit::{Dialect, Emitter, Form, Rest, write},
    encode::trimmed,
};
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_golib::strconv::format_float;
use pintle_value::{List, Map, Str, Value};

/// Where go-yaml breaks the lines of base64.
const BASE64_LINE: usize = 70;

/// A value's text in block style with sequences indented, with a line break at its end.
///
/// # Errors
/// Where go-yaml v3 fails, or would not come to an end.
pub fn encode_v3(value: &Value) -> Result<Vec<u8>, EncodeError> {
    write::<Go>(value)
}

/// The same without the last line break: Helm's `toYamlPretty`.
///
/// # Errors
/// As [`encode_v3`].
pub fn encode_v3_trimmed(value: &Value) -> Result<Vec<u8>, EncodeError> {
    encode_v3(value).map(trimmed)
}

/// Values as Go's reflection sees them.
struct Go;

impl Form for Go {
    const DIALECT: Dialect = Dialect::V3;

    fn key(emitter: &mut Emitter, key: &[u8]) -> Result<(), EncodeError> {
        match std::str::from_utf8(key) {
            Ok(_) => emitter.key(key),
            Err(_) => emitter.tagged_key(b"!!binary", &base64_lines(key)),
        }
        Ok(())
    }

    fn node(emitter: &mut Emitter, value: Value) -> Result<Rest, EncodeError> {
        match value {
            Value::Nil => emitter.bare(b"null"),
            Value::Bool(b) => emitter.bare(if b { b"true" } else { b"false" }),
            Value::Int(n) | Value::Int64(n) => emitter.bare(n.to_string().as_bytes()),
            Value::Duration(d) => emitter.string(d.to_string().as_bytes()),
            Value::Uint8(n) => emitter.bare(n.to_string().as_bytes()),
            Value::Uint64(n) => emitter.bare(n.to_string().as_bytes()),
            Value::Float64(n) => emitter.bare(float_text(n).as_bytes()),
            Value::Complex128(_) => return Err(EncodeError::Unsupported("complex128")),
            Value::String(text) => string(emitter, &text),
            Value::Bytes(bytes) => return Ok(list(emitter, bytes.iter().map(|b| Value::Uint8(*b)).collect())),
            Value::Time(time) => {
                emitter.bare(time.to_rfc3339().ok_or(EncodeError::Unsupported("time.Time"))?.as_bytes());
            }
            Value::List(items) => return Ok(list(emitter, items)),
            Value::Map(map) => return Ok(mapping(emitter, map.snapshot(), Some(map))),
            Value::Object(object) if let Some(number) = object.int() => emitter.bare(number.to_string().as_bytes()),
            Value::Object(object) => match object.json() {
                // Types that turn themselves into text do so here, too.
                Value::String(text) => string(emitter, &text),
                _ => {
                    let fields = object.fields();
                    let entries = fields.into_iter().map(|(name, value)| (name.to_lowercase().into(), value)).collect();
                    return Ok(mapping(emitter, entries, None));
                }
            },
        }
        Ok(Rest::Nothing)
    }
}

fn list(emitter: &mut Emitter, items: List) -> Rest {
    if items.is_empty() {
        emitter.empty_collection(b"[]");
        return Rest::Nothing;
    }
    Rest::List(items)
}

fn mapping(emitter: &mut Emitter, entries: Vec<(Str, Value)>, map: Option<Map>) -> Rest {
    if entries.is_empty() {
        emitter.empty_collection(b"{}");
        return Rest::Nothing;
    }
    Rest::Entries(entries, map)
}

fn string(emitter: &mut Emitter, text: &[u8]) {
    match std::str::from_utf8(text) {
        Ok(_) => emitter.string(text),
        Err(_) => emitter.tagged_string(b"!!binary", &base64_lines(text)),
    }
}

/// Base64 in lines, if it does not fit one.
fn base64_lines(bytes: &[u8]) -> Vec<u8> {
    let text = STANDARD.encode(bytes).into_bytes();
    if text.len() <= BASE64_LINE {
        return text;
    }
    text.chunks(BASE64_LINE).flat_map(|line| line.iter().chain(b"\n")).copied().collect()
}

fn float_text(float: f64) -> String {
    match float {
        f if f.is_nan() => ".nan".to_owned(),
        f64::INFINITY => ".inf".to_owned(),
        f64::NEG_INFINITY => "-.inf".to_owned(),
        f => format_float(f, b'g', None),
    }
}
