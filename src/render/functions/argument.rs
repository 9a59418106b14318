//! Reading arguments. The types were checked before the body is called, so a wrong one here means a wrong table entry;
//! it is answered with the type's zero value rather than with a panic.

use super::Answer;
use crate::render::host::Environment;
use pintle_golib::{
    strconv,
    time::{Time, Zone},
};
use pintle_template::{Call, FuncError};
use pintle_value::{List, Map, MapKind, Str, Value, fmt};

pub(super) const NIL_POINTER: &str = "runtime error: invalid memory address or nil pointer dereference";

pub(super) fn text(args: &[Value], at: usize) -> &[u8] {
    args.get(at).and_then(Value::as_bytes).unwrap_or_default()
}

pub(super) fn int(args: &[Value], at: usize) -> i64 {
    match args.get(at) {
        Some(Value::Int(n) | Value::Int64(n)) => *n,
        Some(Value::Uint64(n)) => n.cast_signed(),
        _ => 0,
    }
}

/// A map parameter; a nil becomes a nil map. It has the plain type, whatever the argument's is; the entries are shared.
pub(super) fn map(args: &[Value], at: usize) -> Map {
    match args.get(at).and_then(Value::as_map) {
        None => Map::nil(MapKind::Any),
        Some(map) if matches!(map.kind(), MapKind::Any) => map.clone(),
        Some(map) => map.view(MapKind::Any),
    }
}

pub(super) fn any(args: &[Value], at: usize) -> &Value {
    args.get(at).unwrap_or(&Value::Nil)
}

/// The items of a slice of any type; none if the value is no slice.
pub(super) fn items(value: &Value) -> Option<Vec<Value>> {
    match value {
        Value::List(list) => Some(list.to_vec()),
        Value::Bytes(bytes) => Some(bytes.iter().map(|b| Value::Uint8(*b)).collect()),
        _ => None,
    }
}

/// The kind of a value as Go's messages name it.
pub(super) fn kind_name(value: &Value) -> &'static str {
    use pintle_value::Kind;
    if matches!(value, Value::Object(object) if object.int().is_some()) {
        return "int";
    }
    match value.kind() {
        Kind::Invalid => "invalid",
        Kind::Bool => "bool",
        Kind::Int => "int",
        Kind::Int64 => "int64",
        Kind::Uint8 => "uint8",
        Kind::Uint64 => "uint64",
        Kind::Float64 => "float64",
        Kind::Complex128 => "complex128",
        Kind::String => "string",
        Kind::Slice => "slice",
        Kind::Map => "map",
        Kind::Struct => "struct",
        Kind::Ptr => "ptr",
    }
}

/// Sprig's `strval`: the text of a value.
pub(super) fn text_of(value: &Value) -> Result<Str, FuncError> {
    match value {
        Value::String(s) => Ok(s.clone()),
        Value::Bytes(bytes) => Ok(Str::from(&**bytes)),
        _ => {
            let mut out = Vec::new();
            fmt::print_value(value, &mut out).map_err(|e| FuncError::from(e.to_string()))?;
            Ok(Str::from(out))
        }
    }
}

/// Sprig's `strslice`: the texts of a list's items that are not nil; of anything else its own text.
pub(super) fn texts_of(value: &Value) -> Result<Vec<Str>, FuncError> {
    match (value, items(value)) {
        (Value::Nil, _) => Ok(Vec::new()),
        (_, Some(items)) => items.iter().filter(|item| !matches!(item, Value::Nil)).map(text_of).collect(),
        (_, None) => Ok(vec![text_of(value)?]),
    }
}

/// A float as Go converts it to an int64 on amd64: what does not fit is the smallest one.
pub(super) fn truncate(number: f64) -> i64 {
    // 2^63 itself does not fit.
    if (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&number) { number as i64 } else { i64::MIN }
}

/// Spf13's `cast.ToInt64`, errors ignored.
pub(super) fn to_int64(value: &Value) -> i64 {
    match value {
        Value::Bool(b) => i64::from(*b),
        Value::Int(n) | Value::Int64(n) => *n,
        Value::Uint8(n) => i64::from(*n),
        Value::Uint64(n) => n.cast_signed(),
        Value::Float64(n) => truncate(*n),
        Value::String(s) => strconv::cast_int64(s),
        Value::Object(object) => object.int().unwrap_or(0),
        _ => 0,
    }
}

/// Spf13's `cast.ToFloat64`, errors ignored.
pub(super) fn to_float64(value: &Value) -> f64 {
    match value {
        Value::Bool(b) => f64::from(u8::from(*b)),
        Value::Int(n) | Value::Int64(n) => *n as f64,
        Value::Uint8(n) => f64::from(*n),
        Value::Uint64(n) => *n as f64,
        Value::Float64(n) => *n,
        Value::String(s) => strconv::cast_float64(s),
        Value::Object(object) => object.int().unwrap_or(0) as f64,
        _ => 0.0,
    }
}

/// Whether sprig counts the value as empty. A struct never is.
pub(super) fn is_empty(value: &Value) -> bool {
    !value.truth()
}

pub(super) fn string_answer(text: impl Into<Str>) -> Answer {
    Ok(Value::String(text.into()))
}

pub(super) fn list_answer(items: Vec<Value>) -> Answer {
    Ok(Value::List(List::new(items)))
}

/// A `[]string`.
pub(super) fn strings_answer(texts: impl IntoIterator<Item = Str>) -> Answer {
    Ok(Value::List(List::of(pintle_value::ListKind::String, texts.into_iter().map(Value::String).collect())))
}

/// The environment of the run. A run without one has no world outside.
pub(super) fn environment<'c>(call: &'c Call<'_>) -> Result<&'c Environment, FuncError> {
    call.host()
        .downcast_ref::<Environment>()
        .ok_or_else(|| "this render was given no clock, no random numbers and no cluster".into())
}

pub(super) fn now(call: &Call<'_>) -> Result<Time, FuncError> {
    let environment = environment(call)?;
    Ok(environment.host.now().in_zone(&*environment.host.local_zone()))
}

pub(super) fn zone(call: &Call<'_>, name: &[u8]) -> Result<Box<dyn Zone>, FuncError> {
    let host = &environment(call)?.host;
    Ok(match name {
        b"Local" => host.local_zone(),
        b"" | b"UTC" => Box::new(pintle_golib::time::Utc),
        name => std::str::from_utf8(name)
            .ok()
            .and_then(|name| host.zone(name))
            .unwrap_or_else(|| Box::new(pintle_golib::time::Utc)),
    })
}

pub(super) fn random(call: &Call<'_>, bytes: &mut [u8]) -> Result<(), FuncError> {
    environment(call)?.host.random(bytes);
    Ok(())
}
