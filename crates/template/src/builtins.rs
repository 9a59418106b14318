//! Go's own functions, by its rules for which types go together.

use crate::func::Builtin;
use pintle_golib::unicode;
use pintle_value::{Kind, List, Value, fmt};
use std::{cmp::Ordering, rc::Rc};

type Answer = Result<Value, String>;

/// Calls a builtin; `and` and `or` are compiled, `call` finds nothing to call ([`not_callable`]). `interface`: the last
/// argument is a nil interface rather than an invalid value, if it is nil.
pub(crate) fn call(which: Builtin, arguments: &[Value], interface: bool) -> Answer {
    match (which, arguments) {
        (Builtin::Not, [value]) => Ok(Value::Bool(!value.truth())),
        (Builtin::Len, [value]) => len(value, interface),
        (Builtin::Index, [item, indexes @ ..]) => index(item, indexes),
        (Builtin::Slice, [item, indexes @ ..]) => slice(item, indexes),
        (Builtin::Eq, [first, rest @ ..]) => equal(first, rest).map(Value::Bool),
        (Builtin::Ne, [a, b]) => equal(a, std::slice::from_ref(b)).map(|equal| Value::Bool(!equal)),
        (Builtin::Lt, [a, b]) => less(a, b).map(Value::Bool),
        (Builtin::Le, [a, b]) => less_or_equal(a, b).map(Value::Bool),
        (Builtin::Gt, [a, b]) => less_or_equal(a, b).map(|le| Value::Bool(!le)),
        (Builtin::Ge, [a, b]) => less(a, b).map(|lt| Value::Bool(!lt)),
        (Builtin::Print, _) => text(|out| fmt::sprint(arguments, out)),
        (Builtin::Println, _) => text(|out| fmt::sprintln(arguments, out)),
        (Builtin::Printf, [Value::String(format), rest @ ..]) => text(|out| fmt::sprintf(format, rest, out)),
        (Builtin::Html, _) => escape(arguments, html),
        (Builtin::Js, _) => escape(arguments, js),
        (Builtin::UrlQuery, _) => escape(arguments, url_query),
        _ => Err(format!("bad arguments for {}", which.name())),
    }
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> Result<(), fmt::Endless>) -> Answer {
    let mut out = Vec::new();
    write(&mut out).map_err(|e| e.to_string())?;
    Ok(Value::str(out))
}

/// `%s` or `%v` in an error.
fn shown(format: &[u8], value: &Value) -> String {
    let mut out = Vec::new();
    // A text that was cut short will do in an error.
    let _ = fmt::sprintf(format, std::slice::from_ref(value), &mut out);
    out.truncate(1 << 20);
    String::from_utf8_lossy(&out).into_owned()
}

/// The error of `call`, since there are no functions among values.
pub(crate) fn not_callable(callee: &str, arguments: &[Value]) -> String {
    match arguments.first() {
        None | Some(Value::Nil) => "call of nil".to_owned(),
        Some(value) => {
            let name = match value {
                Value::String(text) if callee.is_empty() => text.to_str_lossy().into_owned(),
                _ if callee.is_empty() => format!("<{} Value>", value.type_name()),
                _ => callee.to_owned(),
            };
            format!("non-function {name} of type {}", value.type_name())
        }
    }
}

fn int(n: usize) -> Value {
    Value::Int(i64::try_from(n).unwrap_or(i64::MAX))
}

/// The type's name behind a pointer.
fn pointed(value: &Value) -> &'static str {
    let name = value.type_name();
    name.strip_prefix('*').unwrap_or(name)
}

fn len(value: &Value, interface: bool) -> Answer {
    match value {
        Value::Nil if interface => Err("len of nil pointer".into()),
        Value::Nil => Err("reflect: call of reflect.Value.Type on zero Value".into()),
        Value::String(s) => Ok(int(s.len())),
        Value::Bytes(b) => Ok(int(b.len())),
        Value::List(l) => Ok(int(l.len())),
        Value::Map(m) => Ok(int(m.len())),
        other => Err(format!("len of type {}", pointed(other))),
    }
}

/// An index that is not beyond the length; Go's slip lets the length itself pass here.
fn place(index: &Value, length: usize) -> Result<usize, String> {
    let out_of_range = |n: &dyn std::fmt::Display| Err(format!("index out of range: {n}"));
    let at = match index {
        Value::Int(n) | Value::Int64(n) => *n,
        Value::Duration(d) => d.nanos(),
        Value::Uint8(n) => i64::from(*n),
        Value::Uint64(n) => match i64::try_from(*n) {
            Ok(n) => n,
            #[allow(clippy::cast_possible_wrap)] // as Go converts it
            Err(_) => *n as i64,
        },
        Value::Nil => return Err("cannot index slice/array with nil".into()),
        other => return Err(format!("cannot index slice/array with type {}", other.type_name())),
    };
    match usize::try_from(at) {
        Ok(place) if place <= length => Ok(place),
        _ => out_of_range(&at),
    }
}

fn index(item: &Value, indexes: &[Value]) -> Answer {
    if let Value::Nil = item {
        return Err("index of untyped nil".into());
    }
    let mut item = item.clone();
    for index in indexes {
        item = match &item {
            Value::Nil => return Err("index of nil pointer".into()),
            Value::List(list) => list.get(place(index, list.len())?).ok_or("reflect: slice index out of range")?,
            Value::Bytes(bytes) => {
                let at = place(index, bytes.len())?;
                Value::Uint8(*bytes.get(at).ok_or("reflect: slice index out of range")?)
            }
            Value::String(text) => {
                let at = place(index, text.len())?;
                Value::Uint8(*text.get(at).ok_or("reflect: string index out of range")?)
            }
            Value::Map(map) => match index {
                Value::String(key) => map.get(key).unwrap_or_else(|| crate::field::zero_element(map.kind()).value),
                Value::Nil => return Err("value is nil; should be of type string".into()),
                other => return Err(format!("value has type {}; should be string", other.type_name())),
            },
            other => return Err(format!("can't index item of type {}", pointed(other))),
        };
    }
    Ok(item)
}

fn slice(item: &Value, indexes: &[Value]) -> Answer {
    let length = match item {
        Value::Nil => return Err("slice of untyped nil".into()),
        _ if indexes.len() > 3 => return Err(format!("too many slice indexes: {}", indexes.len())),
        Value::String(_) if indexes.len() == 3 => return Err("cannot 3-index slice a string".into()),
        Value::String(text) => text.len(),
        Value::List(list) => list.len(),
        Value::Bytes(bytes) => bytes.len(),
        other => return Err(format!("can't slice item of type {}", other.type_name())),
    };
    let mut bounds = [0, length, length];
    for (bound, index) in bounds.iter_mut().zip(indexes) {
        *bound = place(index, length)?;
    }
    let [start, end, capacity] = bounds;
    if start > end {
        return Err(format!("invalid slice index: {start} > {end}"));
    }
    if end > capacity {
        return Err(format!("invalid slice index: {end} > {capacity}"));
    }
    Ok(match item {
        Value::String(text) => Value::str(&text[start..end]),
        Value::Bytes(bytes) if !item.is_nil() => Value::Bytes(bytes[start..end].into()),
        Value::List(list) => Value::List(List::of(list.kind(), list.items()[start..end].to_vec())),
        other => other.clone(),
    })
}

/// The kinds that can be compared.
enum Basic<'v> {
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Complex((f64, f64)),
    Text(&'v [u8]),
}

fn basic(value: &Value) -> Option<Basic<'_>> {
    Some(match value {
        Value::Bool(b) => Basic::Bool(*b),
        Value::Int(n) | Value::Int64(n) => Basic::Int(*n),
        Value::Duration(d) => Basic::Int(d.nanos()),
        Value::Uint8(n) => Basic::Uint(u64::from(*n)),
        Value::Uint64(n) => Basic::Uint(*n),
        Value::Float64(f) => Basic::Float(*f),
        Value::Complex128(c) => Basic::Complex(**c),
        Value::String(s) => Basic::Text(s),
        Value::Object(o) => Basic::Int(o.int()?),
        _ => return None,
    })
}

fn incompatible(a: &Value, b: &Value) -> String {
    format!("incompatible types for comparison: {} and {}", a.type_name(), b.type_name())
}

/// An int against a uint, by value.
fn mixed(int: i64, uint: u64) -> Ordering {
    u64::try_from(int).map_or(Ordering::Less, |int| int.cmp(&uint))
}

#[allow(clippy::float_cmp)] // as Go compares
fn equal(first: &Value, rest: &[Value]) -> Result<bool, String> {
    if rest.is_empty() {
        return Err("missing argument for comparison".into());
    }
    for other in rest {
        let equal = match (basic(first), basic(other)) {
            (Some(Basic::Bool(a)), Some(Basic::Bool(b))) => a == b,
            (Some(Basic::Int(a)), Some(Basic::Int(b))) => a == b,
            (Some(Basic::Uint(a)), Some(Basic::Uint(b))) => a == b,
            (Some(Basic::Float(a)), Some(Basic::Float(b))) => a == b,
            (Some(Basic::Complex(a)), Some(Basic::Complex(b))) => a == b,
            (Some(Basic::Text(a)), Some(Basic::Text(b))) => a == b,
            (Some(Basic::Int(a)), Some(Basic::Uint(b))) | (Some(Basic::Uint(b)), Some(Basic::Int(a))) => {
                mixed(a, b).is_eq()
            }
            (None, None) => equal_others(first, other)?,
            _ if matches!(first, Value::Nil) || matches!(other, Value::Nil) => false,
            _ => return Err(incompatible(first, other)),
        };
        if equal {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Equality of values that have no order: nil, structs, pointers; slices and maps only with nil.
fn equal_others(a: &Value, b: &Value) -> Result<bool, String> {
    let types = || {
        Err(format!(
            "non-comparable types {}: {}, {}: {}",
            shown(b"%s", a),
            a.type_name(),
            b.type_name(),
            shown(b"%v", b)
        ))
    };
    let (kind, other_kind) = (a.kind(), b.kind());
    if kind != other_kind && kind != Kind::Invalid && other_kind != Kind::Invalid {
        return types();
    }
    if a.is_nil() || b.is_nil() {
        return Ok(a.is_nil() == b.is_nil());
    }
    match (a, b) {
        (_, Value::List(_) | Value::Map(_) | Value::Bytes(_)) => {
            Err(format!("non-comparable type {}: {}", shown(b"%s", b), b.type_name()))
        }
        (Value::Object(x), Value::Object(y)) => {
            if x.is_pointer() {
                return Ok(Rc::ptr_eq(x, y));
            }
            Ok(a.deep_equal(b))
        }
        _ => Ok(a.deep_equal(b)),
    }
}

fn less(a: &Value, b: &Value) -> Result<bool, String> {
    let invalid = || "invalid type for comparison".to_owned();
    let (x, y) = (basic(a).ok_or_else(invalid)?, basic(b).ok_or_else(invalid)?);
    match (x, y) {
        (Basic::Int(x), Basic::Int(y)) => Ok(x < y),
        (Basic::Uint(x), Basic::Uint(y)) => Ok(x < y),
        (Basic::Float(x), Basic::Float(y)) => Ok(x < y),
        (Basic::Text(x), Basic::Text(y)) => Ok(x < y),
        (Basic::Int(x), Basic::Uint(y)) => Ok(mixed(x, y).is_lt()),
        (Basic::Uint(x), Basic::Int(y)) => Ok(mixed(y, x).is_gt()),
        (Basic::Bool(_), Basic::Bool(_)) | (Basic::Complex(_), Basic::Complex(_)) => Err(invalid()),
        _ => Err(incompatible(a, b)),
    }
}

fn less_or_equal(a: &Value, b: &Value) -> Result<bool, String> {
    Ok(less(a, b)? || equal(a, std::slice::from_ref(b))?)
}

/// The text of the arguments, escaped.
fn escape(arguments: &[Value], escape: fn(&[u8], &mut Vec<u8>)) -> Answer {
    let mut out = Vec::new();
    if let [Value::String(text)] = arguments {
        escape(text, &mut out);
    } else {
        let printable: Vec<Value> = arguments
            .iter()
            .map(|value| if let Value::Nil = value { Value::str("<no value>") } else { value.clone() })
            .collect();
        let mut text = Vec::new();
        fmt::sprint(&printable, &mut text).map_err(|e| e.to_string())?;
        escape(&text, &mut out);
    }
    Ok(Value::str(out))
}

fn html(text: &[u8], out: &mut Vec<u8>) {
    for &b in text {
        match b {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            b'"' => out.extend_from_slice(b"&#34;"),
            0 => out.extend_from_slice("\u{fffd}".as_bytes()),
            _ => out.push(b),
        }
    }
}

fn js(text: &[u8], out: &mut Vec<u8>) {
    for (at, rune, width) in unicode::runes(text) {
        match rune {
            '\\' => out.extend_from_slice(b"\\\\"),
            '\'' => out.extend_from_slice(b"\\'"),
            '"' => out.extend_from_slice(b"\\\""),
            '<' | '>' | '&' | '=' | '\0'..' ' => {
                out.extend_from_slice(format!("\\u{:04X}", u32::from(rune)).as_bytes());
            }
            _ if rune.is_ascii() || unicode::is_print(rune) => out.extend_from_slice(&text[at..at + width]),
            _ => out.extend_from_slice(format!("\\u{:04X}", u32::from(rune)).as_bytes()),
        }
    }
}

fn url_query(text: &[u8], out: &mut Vec<u8>) {
    for &b in text {
        match b {
            b' ' => out.push(b'+'),
            b'-' | b'_' | b'.' | b'~' => out.push(b),
            _ if b.is_ascii_alphanumeric() => out.push(b),
            _ => out.extend_from_slice(format!("%{b:02X}").as_bytes()),
        }
    }
}
