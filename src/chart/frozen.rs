//! Values at rest: what YAML and JSON can say, in a form that threads share and that a chart keeps for years.
//! A render thaws them into [`pintle_value::Value`]s, which live on one thread.

use pintle_value::{List, Map, Str, Value};

/// How deeply values may be nested. Go allows 10 000; every reader here is recursive and must stay within its stack.
pub const MAX_DEPTH: usize = 500;

/// Values are nested more deeply than [`MAX_DEPTH`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("values are nested more than {MAX_DEPTH} levels deep")]
pub struct TooDeep;

/// A value that does not change.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Frozen {
    /// `null`
    #[default]
    Null,
    /// `true`, `false`
    Bool(bool),
    /// A number from YAML or JSON.
    Float(f64),
    /// An integer from `--set`, whose Go type templates can tell from a float.
    Int(i64),
    /// Text; bytes, as Go's strings are.
    Text(Box<[u8]>),
    /// A list.
    List(Box<[Frozen]>),
    /// A table, sorted by key.
    Table(Box<[(Box<[u8]>, Frozen)]>),
}

impl Frozen {
    /// An empty table.
    pub fn table() -> Self {
        Self::Table(Box::default())
    }

    /// Freezes a value. What neither YAML nor JSON nor `--set` can make (times, objects) becomes null.
    ///
    /// # Errors
    /// [`TooDeep`], which a cycle is too.
    pub fn of(value: &Value) -> Result<Self, TooDeep> {
        Self::freeze(value, 0)
    }

    fn freeze(value: &Value, depth: usize) -> Result<Self, TooDeep> {
        if depth > MAX_DEPTH {
            return Err(TooDeep);
        }
        Ok(match value {
            Value::Bool(b) => Self::Bool(*b),
            Value::Float64(n) => Self::Float(*n),
            Value::Int(n) | Value::Int64(n) => Self::Int(*n),
            Value::Uint8(n) => Self::Int(i64::from(*n)),
            Value::Uint64(n) => Self::Float(*n as f64),
            Value::String(s) => Self::Text(s.as_bytes().into()),
            Value::Bytes(b) => Self::Text(b.as_ref().into()),
            Value::List(l) => {
                Self::List(l.items().iter().map(|v| Self::freeze(v, depth + 1)).collect::<Result<_, _>>()?)
            }
            Value::Map(m) => Self::Table(
                m.entries()
                    .iter()
                    .map(|(k, v)| Ok((k.as_bytes().into(), Self::freeze(v, depth + 1)?)))
                    .collect::<Result<_, TooDeep>>()?,
            ),
            _ => Self::Null,
        })
    }

    /// A fresh value of the same content.
    pub fn thaw(&self) -> Value {
        match self {
            Self::Null => Value::Nil,
            Self::Bool(b) => Value::Bool(*b),
            Self::Float(n) => Value::Float64(*n),
            Self::Int(n) => Value::Int64(*n),
            Self::Text(t) => Value::str(&**t),
            Self::List(items) => Value::List(items.iter().map(Self::thaw).collect::<List>()),
            Self::Table(_) => Value::Map(self.thaw_table()),
        }
    }

    /// A fresh map of a table's content; empty for what is no table.
    pub fn thaw_table(&self) -> Map {
        match self {
            Self::Table(entries) => entries.iter().map(|(k, v)| (Str::from(&**k), v.thaw())).collect(),
            _ => Map::new(),
        }
    }

    /// The value of a key, if this is a table that has it.
    pub fn get(&self, key: &str) -> Option<&Frozen> {
        match self {
            Self::Table(entries) => {
                entries.binary_search_by(|(k, _)| (**k).cmp(key.as_bytes())).ok().map(|at| &entries[at].1)
            }
            _ => None,
        }
    }

    /// The text, if this is one and UTF-8.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(t) => std::str::from_utf8(t).ok(),
            _ => None,
        }
    }

    /// Whether this is a table or list without entries, or null.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Null => true,
            Self::List(items) => items.is_empty(),
            Self::Table(entries) => entries.is_empty(),
            _ => false,
        }
    }
}

/// JSON from Kubernetes objects: every number is a float, as it is after Helm's own way through JSON.
impl TryFrom<&serde_json::Value> for Frozen {
    type Error = TooDeep;

    fn try_from(json: &serde_json::Value) -> Result<Self, TooDeep> {
        from_json(json, 0)
    }
}

fn from_json(json: &serde_json::Value, depth: usize) -> Result<Frozen, TooDeep> {
    if depth > MAX_DEPTH {
        return Err(TooDeep);
    }
    Ok(match json {
        serde_json::Value::Null => Frozen::Null,
        serde_json::Value::Bool(b) => Frozen::Bool(*b),
        serde_json::Value::Number(n) => Frozen::Float(n.as_f64().unwrap_or_default()),
        serde_json::Value::String(s) => Frozen::Text(s.as_bytes().into()),
        serde_json::Value::Array(items) => {
            Frozen::List(items.iter().map(|v| from_json(v, depth + 1)).collect::<Result<_, _>>()?)
        }
        serde_json::Value::Object(entries) => {
            let mut table = entries
                .iter()
                .map(|(k, v)| Ok((k.as_bytes().into(), from_json(v, depth + 1)?)))
                .collect::<Result<Vec<(Box<[u8]>, Frozen)>, TooDeep>>()?;
            table.sort_by(|(a, _), (b, _)| a.cmp(b));
            Frozen::Table(table.into())
        }
    })
}

impl From<&Frozen> for serde_json::Value {
    fn from(frozen: &Frozen) -> Self {
        match frozen {
            Frozen::Null => Self::Null,
            Frozen::Bool(b) => Self::Bool(*b),
            // Whole numbers are written without a fraction, as Go does.
            Frozen::Float(n) if n.fract() == 0.0 && n.abs() < 9e15 => Self::from(*n as i64),
            Frozen::Float(n) => Self::from(*n),
            Frozen::Int(n) => Self::from(*n),
            Frozen::Text(t) => Self::from(String::from_utf8_lossy(t)),
            Frozen::List(items) => Self::Array(items.iter().map(Self::from).collect()),
            Frozen::Table(entries) => Self::Object(
                entries.iter().map(|(k, v)| (String::from_utf8_lossy(k).into_owned(), Self::from(v))).collect(),
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn survives_the_way_there_and_back() {
        let json = serde_json::json!({"b": [1, 2.5, null, "x"], "a": {"t": true}, "": {}});
        let frozen = Frozen::try_from(&json).unwrap();
        assert_eq!(Frozen::of(&frozen.thaw()).unwrap(), frozen);
        assert_eq!(serde_json::Value::from(&frozen), json);
        assert_eq!(frozen.get("a").unwrap().get("t"), Some(&Frozen::Bool(true)));
    }

    #[test]
    fn a_cycle_is_too_deep() {
        let map = Map::new();
        map.insert("self", Value::Map(map.clone()));
        assert_eq!(Frozen::of(&Value::Map(map)), Err(TooDeep));
    }
}
