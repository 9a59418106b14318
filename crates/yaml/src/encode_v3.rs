//! Values to go-yaml v3's text: Helm's `toYamlPretty`. No JSON on the way.

use crate::{
    EncodeError,
    emit::{Dialect, Emitter, Place, sort_keys},
    encode::{BYTES, check_depth, trimmed},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use pintle_golib::strconv::format_float;
use pintle_value::{List, Str, Value};

/// Where go-yaml breaks the lines of base64.
const BASE64_LINE: usize = 70;

/// A value's text in block style with sequences indented, with a line break at its end.
///
/// # Errors
/// Where go-yaml v3 fails, or would not come to an end.
pub fn encode_v3(value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut emitter = Emitter::new(Dialect::V3);
    let mut stack: Vec<Open> = Vec::new();
    node(&mut emitter, &mut stack, value.clone(), Place::Root)?;
    while let Some(open) = stack.last_mut() {
        if emitter.len() > BYTES {
            return Err(EncodeError::TooLong);
        }
        match &mut open.items {
            Items::List(list, next) => {
                let item = list.get(*next);
                *next += 1;
                if let Some(item) = item {
                    emitter.entry();
                    node(&mut emitter, &mut stack, item, Place::Entry)?;
                    continue;
                }
            }
            Items::Map(entries) => {
                if let Some((key, item)) = entries.next() {
                    match std::str::from_utf8(&key) {
                        Ok(_) => emitter.key(&key),
                        Err(_) => emitter.tagged_key(b"!!binary", &base64_lines(&key)),
                    }
                    node(&mut emitter, &mut stack, item, Place::Value)?;
                    continue;
                }
            }
        }
        emitter.leave(open.indent);
        stack.pop();
    }
    Ok(emitter.finish())
}

/// The same without the last line break: Helm's `toYamlPretty`.
///
/// # Errors
/// As [`encode_v3`].
pub fn encode_v3_trimmed(value: &Value) -> Result<Vec<u8>, EncodeError> {
    encode_v3(value).map(trimmed)
}

struct Open {
    items: Items,
    indent: Option<usize>,
}

enum Items {
    List(List, usize),
    Map(std::vec::IntoIter<(Str, Value)>),
}

fn node(emitter: &mut Emitter, stack: &mut Vec<Open>, value: Value, place: Place) -> Result<(), EncodeError> {
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
        Value::Bytes(bytes) => {
            let items = bytes.iter().map(|b| Value::Uint8(*b)).collect();
            return node(emitter, stack, Value::List(items), place);
        }
        Value::Time(time) => {
            emitter.bare(time.to_rfc3339().ok_or(EncodeError::Unsupported("time.Time"))?.as_bytes());
        }
        Value::List(list) if list.is_empty() => emitter.empty_collection(b"[]"),
        Value::List(list) => {
            check_depth(stack.len())?;
            let indent = emitter.enter_sequence(place);
            stack.push(Open { items: Items::List(list, 0), indent });
        }
        Value::Map(map) => {
            let mut entries = map.snapshot();
            sort_keys(&mut entries, Dialect::V3);
            mapping(emitter, stack, entries)?;
        }
        Value::Object(object) => match object.json() {
            // Types that turn themselves into text do so here, too.
            Value::String(text) => string(emitter, &text),
            _ => {
                let fields = object.fields();
                let entries = fields.into_iter().map(|(name, value)| (name.to_lowercase().into(), value)).collect();
                mapping(emitter, stack, entries)?;
            }
        },
    }
    Ok(())
}

fn mapping(emitter: &mut Emitter, stack: &mut Vec<Open>, entries: Vec<(Str, Value)>) -> Result<(), EncodeError> {
    if entries.is_empty() {
        emitter.empty_collection(b"{}");
        return Ok(());
    }
    check_depth(stack.len())?;
    let indent = emitter.enter_mapping();
    stack.push(Open { items: Items::Map(entries.into_iter()), indent });
    Ok(())
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
