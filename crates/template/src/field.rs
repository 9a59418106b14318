//! What stands behind a dot: methods first, then fields and keys. The only place that knows.

use crate::methods::{DURATION_METHODS, TIME_METHODS};
use crate::run::MissingKey;
use pintle_value::{CallError, List, ListKind, Map, MapKind, Method, Object, Value};
use std::{cell::Cell, rc::Rc};

/// A value, and whether Go would know it as an `interface {}` here: then a nil is a nil interface and no invalid value.
#[derive(Clone, Default)]
pub(crate) struct Slot {
    pub(crate) value: Value,
    pub(crate) interface: bool,
}

impl Slot {
    pub(crate) fn plain(value: Value) -> Self {
        Self { value, interface: false }
    }
}

/// A method of a value.
#[derive(Clone, Copy)]
pub(crate) enum MethodRef {
    Named(&'static Method),
    Object(&'static [&'static str]),
}

impl MethodRef {
    pub(crate) fn of(receiver: &Value, name: &str) -> Option<Self> {
        match receiver {
            Value::Map(map) => match map.kind() {
                MapKind::Named(named) => named.method(name).map(Self::Named),
                MapKind::Any | MapKind::String => None,
            },
            Value::List(list) => match list.kind() {
                ListKind::Named(named) => named.method(name).map(Self::Named),
                _ => None,
            },
            Value::Object(object) => object.method(name).map(Self::Object),
            Value::Time(_) => TIME_METHODS.iter().find(|m| m.name == name).map(Self::Named),
            Value::Duration(_) => DURATION_METHODS.iter().find(|m| m.name == name).map(Self::Named),
            _ => None,
        }
    }

    pub(crate) fn params(&self) -> &'static [&'static str] {
        match self {
            Self::Named(method) => method.params,
            Self::Object(params) => params,
        }
    }

    pub(crate) fn call(&self, receiver: &Value, name: &str, arguments: &[Value]) -> Result<Value, CallError> {
        match (self, receiver) {
            (Self::Named(method), _) => (method.call)(receiver, arguments),
            (Self::Object(_), Value::Object(object)) => object.call(name, arguments),
            (Self::Object(_), _) => Err(CallError(format!("no method {name}"))),
        }
    }
}

/// Why a step along a path failed.
pub(crate) enum FieldError {
    /// Go's message, for the place that the machine is at.
    Message(String),
    /// A method's error, with the method's name.
    Call(String, CallError),
}

/// The field, key or method without arguments of this name. The hint is where in a map it was last.
pub(crate) fn field(receiver: &Slot, name: &str, missing: MissingKey, hint: &Cell<u32>) -> Result<Slot, FieldError> {
    let message = |text: String| Err(FieldError::Message(text));
    match &receiver.value {
        // The common case first: values are plain maps.
        Value::Map(map) if matches!(map.kind(), MapKind::Any) => key(map, name, missing, hint),
        Value::Nil if receiver.interface => message(format!("nil pointer evaluating interface {{}}.{name}")),
        Value::Nil => match missing {
            MissingKey::Zero => Ok(Slot::default()),
            MissingKey::Error => {
                message(format!("nil data; no entry for key {}", pintle_golib::strconv::quote(name.as_bytes())))
            }
        },
        value => {
            if let Some(method) = MethodRef::of(value, name) {
                let wanted = method.params().len();
                if wanted != 0 {
                    return message(format!("wrong number of args for {name}: want {wanted} got 0"));
                }
                return match method.call(value, name, &[]) {
                    Ok(value) => Ok(Slot::plain(value)),
                    Err(error) => Err(FieldError::Call(name.to_owned(), error)),
                };
            }
            match value {
                Value::Map(map) => key(map, name, missing, hint),
                Value::Object(object) => match object.field(name) {
                    Some(value) => Ok(Slot::plain(value)),
                    None => message(no_field(object, receiver, name)),
                },
                _ => message(cannot_evaluate(receiver, name)),
            }
        }
    }
}

fn key(map: &Map, name: &str, missing: MissingKey, hint: &Cell<u32>) -> Result<Slot, FieldError> {
    let kind = map.kind();
    if let Some(value) = map.get_near(name.as_bytes(), hint) {
        return Ok(Slot { value, interface: holds_interfaces(kind) });
    }
    match missing {
        MissingKey::Zero => Ok(zero_element(kind)),
        MissingKey::Error => Err(FieldError::Message(format!(
            "map has no entry for key {}",
            pintle_golib::strconv::quote(name.as_bytes())
        ))),
    }
}

fn holds_interfaces(kind: MapKind) -> bool {
    match kind {
        MapKind::Any => true,
        MapKind::String => false,
        MapKind::Named(named) => named.element == "interface {}",
    }
}

/// What a map of this kind gives for a key that it has not.
pub(crate) fn zero_element(kind: MapKind) -> Slot {
    let element = match kind {
        MapKind::Any => "interface {}",
        MapKind::String => "string",
        MapKind::Named(named) => named.element,
    };
    match element {
        "interface {}" => Slot { value: Value::Nil, interface: true },
        "string" => Slot::plain(Value::str("")),
        "[]uint8" => Slot::plain(Value::nil_bytes()),
        "[]interface {}" => Slot::plain(Value::List(List::nil(ListKind::Any))),
        "map[string]interface {}" => Slot::plain(Value::Map(Map::nil(MapKind::Any))),
        _ => Slot::default(),
    }
}

/// The name of the type that an error about a field shows: the static one, as Go knows it at that place.
fn type_shown(receiver: &Slot) -> &'static str {
    if receiver.interface { "interface {}" } else { receiver.value.type_name() }
}

fn cannot_evaluate(receiver: &Slot, name: &str) -> String {
    format!("can't evaluate field {name} in type {}", type_shown(receiver))
}

fn no_field(object: &Rc<dyn Object>, receiver: &Slot, name: &str) -> String {
    if object.hides(name) {
        return format!("{name} is an unexported field of struct type {}", type_shown(receiver));
    }
    cannot_evaluate(receiver, name)
}

/// What a name gives that is followed by arguments: a method, nothing at all (the receiver is invalid), or an error.
pub(crate) fn method(receiver: &Slot, name: &str, missing: MissingKey) -> Result<Option<MethodRef>, String> {
    match &receiver.value {
        Value::Nil if receiver.interface => Err(format!("nil pointer evaluating interface {{}}.{name}")),
        Value::Nil => match missing {
            MissingKey::Zero => Ok(None),
            MissingKey::Error => {
                Err(format!("nil data; no entry for key {}", pintle_golib::strconv::quote(name.as_bytes())))
            }
        },
        value => match (MethodRef::of(value, name), value) {
            (Some(method), _) => Ok(Some(method)),
            (None, Value::Map(_)) => Err(format!("{name} is not a method but has arguments")),
            (None, Value::Object(object)) if object.field(name).is_some() => {
                Err(format!("{name} has arguments but cannot be invoked as function"))
            }
            (None, Value::Object(object)) => Err(no_field(object, receiver, name)),
            (None, _) => Err(cannot_evaluate(receiver, name)),
        },
    }
}
