//! The value itself.

use crate::{List, ListKind, Map, MapKind, Object, Str};
use pintle_golib::time::{Duration, Time};
use std::{
    fmt,
    rc::Rc,
    sync::{Arc, LazyLock},
};

/// The nil `[]uint8`: one allocation that no other bytes share.
static NIL_BYTES: LazyLock<Arc<[u8]>> = LazyLock::new(|| Arc::from(Vec::new()));

/// Go's `reflect.Kind`, as `kindOf` names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Kind {
    Invalid,
    Bool,
    Int,
    Int64,
    Uint8,
    Uint64,
    Float64,
    Complex128,
    String,
    Slice,
    Map,
    Struct,
    Ptr,
}

/// A Go value behind an `interface{}`.
#[derive(Clone, Default)]
pub enum Value {
    /// The nil interface.
    #[default]
    Nil,
    /// `bool`
    Bool(bool),
    /// `int`: literals, `len`, `until`, `int`
    Int(i64),
    /// `int64`: `--set`, arithmetic
    Int64(i64),
    /// `uint8`: an indexed string or `[]byte`
    Uint8(u8),
    /// `uint64`: fields of semver versions
    Uint64(u64),
    /// `float64`: every number from YAML or JSON
    Float64(f64),
    /// `complex128`: imaginary literals
    Complex128(Rc<(f64, f64)>),
    /// `string`
    String(Str),
    /// `[]uint8`. Threads may share them: a chart's files are not copied for each render.
    Bytes(Arc<[u8]>),
    /// a slice
    List(List),
    /// a map with string keys
    Map(Map),
    /// `time.Time`
    Time(Rc<Time>),
    /// `time.Duration`
    Duration(Duration),
    /// a struct or a pointer to one
    Object(Rc<dyn Object>),
}

impl Value {
    /// A string value.
    pub fn str(text: impl Into<Str>) -> Self {
        Self::String(text.into())
    }

    /// A nil `[]uint8`: empty, prints `[]`, is `null` in JSON.
    pub fn nil_bytes() -> Self {
        Self::Bytes(Arc::clone(&NIL_BYTES))
    }

    /// Whether this is the nil interface, or a nil map or slice.
    pub fn is_nil(&self) -> bool {
        match self {
            Self::Nil => true,
            Self::List(list) => list.is_nil(),
            Self::Map(map) => map.is_nil(),
            Self::Bytes(bytes) => Arc::ptr_eq(bytes, &NIL_BYTES),
            _ => false,
        }
    }

    /// The reflect kind.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Nil => Kind::Invalid,
            Self::Bool(_) => Kind::Bool,
            Self::Int(_) => Kind::Int,
            Self::Int64(_) | Self::Duration(_) => Kind::Int64,
            Self::Uint8(_) => Kind::Uint8,
            Self::Uint64(_) => Kind::Uint64,
            Self::Float64(_) => Kind::Float64,
            Self::Complex128(_) => Kind::Complex128,
            Self::String(_) => Kind::String,
            Self::Bytes(_) | Self::List(_) => Kind::Slice,
            Self::Map(_) => Kind::Map,
            Self::Time(_) => Kind::Struct,
            Self::Object(o) => {
                if o.is_pointer() {
                    Kind::Ptr
                } else {
                    Kind::Struct
                }
            }
        }
    }

    /// What `%T` prints; `<nil>` for nil.
    pub fn type_name(&self) -> &'static str {
        match self {
            Self::Nil => "<nil>",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Int64(_) => "int64",
            Self::Uint8(_) => "uint8",
            Self::Uint64(_) => "uint64",
            Self::Float64(_) => "float64",
            Self::Complex128(_) => "complex128",
            Self::String(_) => "string",
            Self::Bytes(_) => "[]uint8",
            Self::List(l) => match l.kind() {
                ListKind::Any => "[]interface {}",
                ListKind::String => "[]string",
                ListKind::Int => "[]int",
                ListKind::Lists => "[][]interface {}",
                ListKind::Maps => "[]map[string]interface {}",
                ListKind::Named(n) => n.go_name,
            },
            Self::Map(m) => match m.kind() {
                MapKind::Any => "map[string]interface {}",
                MapKind::String => "map[string]string",
                MapKind::Named(n) => n.go_name,
            },
            Self::Time(_) => "time.Time",
            Self::Duration(_) => "time.Duration",
            Self::Object(o) => o.type_name(),
        }
    }

    /// The string's bytes, if it is one.
    pub fn as_bytes(&self) -> Option<&[u8]> {
        match self {
            Self::String(s) => Some(s),
            _ => None,
        }
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        match self {
            Self::Map(m) => Some(m),
            _ => None,
        }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&List> {
        match self {
            Self::List(l) => Some(l),
            _ => None,
        }
    }

    /// Text/template's truth: false, zero, nil and what is empty are false, structs are true.
    pub fn truth(&self) -> bool {
        match self {
            Self::Nil => false,
            Self::Bool(b) => *b,
            Self::Int(n) | Self::Int64(n) => *n != 0,
            Self::Duration(d) => d.nanos() != 0,
            Self::Uint8(n) => *n != 0,
            Self::Uint64(n) => *n != 0,
            Self::Float64(f) => *f != 0.0,
            Self::Complex128(c) => **c != (0.0, 0.0),
            Self::String(s) => !s.is_empty(),
            Self::Bytes(b) => !b.is_empty(),
            Self::List(l) => !l.is_empty(),
            Self::Map(m) => !m.is_empty(),
            Self::Time(_) | Self::Object(_) => true,
        }
    }

    /// `reflect.DeepEqual`: types count, order of lists counts, a nil map is not an empty map. What nests deeper than
    /// [`fmt::MAX_DEPTH`](crate::fmt::MAX_DEPTH) is equal only if it is the same.
    pub fn deep_equal(&self, other: &Value) -> bool {
        self.equal_within(other, crate::fmt::MAX_DEPTH)
    }

    fn equal_within(&self, other: &Value, depth: usize) -> bool {
        let Some(inner) = depth.checked_sub(1) else { return false };
        match (self, other) {
            (Self::Nil, Self::Nil) => true,
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Int(a), Self::Int(b)) | (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Uint8(a), Self::Uint8(b)) => a == b,
            (Self::Uint64(a), Self::Uint64(b)) => a == b,
            (Self::Float64(a), Self::Float64(b)) => a == b,
            (Self::Complex128(a), Self::Complex128(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b && self.is_nil() == other.is_nil(),
            (Self::Duration(a), Self::Duration(b)) => a.nanos() == b.nanos(),
            (Self::Time(a), Self::Time(b)) => a == b,
            (Self::List(a), Self::List(b)) => {
                self.type_name() == other.type_name()
                    && a.is_nil() == b.is_nil()
                    && (a.same(b)
                        || (a.len() == b.len()
                            && a.items().iter().zip(b.items().iter()).all(|(x, y)| x.equal_within(y, inner))))
            }
            (Self::Map(a), Self::Map(b)) => {
                self.type_name() == other.type_name()
                    && a.is_nil() == b.is_nil()
                    && (a.same(b)
                        || (a.len() == b.len()
                            && a.entries()
                                .iter()
                                .zip(b.entries().iter())
                                .all(|((k, x), (l, y))| k == l && x.equal_within(y, inner))))
            }
            (Self::Object(a), Self::Object(b)) => {
                Rc::ptr_eq(a, b)
                    || (a.type_name() == b.type_name()
                        && a.fields().iter().zip(b.fields().iter()).all(|((_, x), (_, y))| x.equal_within(y, inner)))
            }
            _ => false,
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nil => f.write_str("nil"),
            Self::String(s) => fmt::Debug::fmt(s, f),
            Self::List(l) => f.debug_list().entries(l.items().iter()).finish(),
            Self::Map(m) => f.debug_map().entries(m.entries().iter().map(|(k, v)| (k, v))).finish(),
            Self::Bool(b) => write!(f, "{b}"),
            Self::Float64(n) => write!(f, "{n:?}"),
            Self::Int(n) => write!(f, "int({n})"),
            Self::Int64(n) => write!(f, "int64({n})"),
            other => f.write_str(other.type_name()),
        }
    }
}

impl From<bool> for Value {
    fn from(b: bool) -> Self {
        Self::Bool(b)
    }
}

impl From<f64> for Value {
    fn from(n: f64) -> Self {
        Self::Float64(n)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::str(text)
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::str(text)
    }
}

impl From<Map> for Value {
    fn from(map: Map) -> Self {
        Self::Map(map)
    }
}

impl From<List> for Value {
    fn from(list: List) -> Self {
        Self::List(list)
    }
}
