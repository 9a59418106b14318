//! Whether a value may be an argument: Go's assignability, and the texts where it is not.

use crate::compile::can_be_nil;
use crate::func::Type;
use pintle_value::{List, ListKind, Map, MapKind, Value};

/// Checks a value against a parameter's type; an invalid value becomes the type's nil, if there is one.
pub(crate) fn check(value: &mut Value, interface: bool, wanted: Type) -> Result<(), String> {
    if let Value::Nil = value {
        if matches!(wanted, Type::Any | Type::Reflect) {
            return Ok(());
        }
        if interface {
            return Err(wrong_type(wanted, "interface {}"));
        }
        if !can_be_nil(wanted) {
            return Err(format!("invalid value; expected {}", wanted.name()));
        }
        *value = match wanted {
            Type::List => Value::List(List::nil(ListKind::Any)),
            Type::Strings => Value::List(List::nil(ListKind::String)),
            Type::Map => Value::Map(Map::nil(MapKind::Any)),
            Type::Named("map[string]string") => Value::Map(Map::nil(MapKind::String)),
            Type::Named("[]uint8") => Value::nil_bytes(),
            _ => Value::Nil,
        };
        return Ok(());
    }
    if is_assignable(value, wanted) { Ok(()) } else { Err(wrong_type(wanted, value.type_name())) }
}

fn wrong_type(wanted: Type, got: &str) -> String {
    format!("wrong type for value; expected {}; got {got}", wanted.name())
}

fn is_assignable(value: &Value, wanted: Type) -> bool {
    match (wanted, value) {
        (Type::Any | Type::Reflect, _)
        | (Type::Bool, Value::Bool(_))
        | (Type::Int, Value::Int(_))
        | (Type::Int64, Value::Int64(_))
        | (Type::Float64, Value::Float64(_))
        | (Type::String, Value::String(_))
        | (Type::Time, Value::Time(_)) => true,
        (Type::List, Value::List(list)) => match list.kind() {
            ListKind::Any => true,
            ListKind::Named(named) => named.element == "interface {}",
            _ => false,
        },
        (Type::Strings, Value::List(list)) => match list.kind() {
            ListKind::String => true,
            ListKind::Named(named) => named.element == "string",
            _ => false,
        },
        (Type::Map, Value::Map(map)) => match map.kind() {
            MapKind::Any => true,
            MapKind::Named(named) => named.element == "interface {}",
            MapKind::String => false,
        },
        (Type::Named(name), value) => {
            let got = value.type_name();
            got == name || got.strip_prefix('*') == Some(name)
        }
        _ => false,
    }
}
