//! TOML text to values: integers are int64, dates are times with a zone that tells what was written.

use super::{
    TomlError,
    token::{Reader, Token},
};
use crate::{List, ListKind, Map, Str, Value, fmt::MAX_DEPTH};
use std::collections::HashSet;

/// Reads a TOML document.
///
/// # Errors
/// What is wrong, and where, in BurntSushi's words; nesting is limited to [`MAX_DEPTH`].
pub fn decode(text: &[u8]) -> Result<Map, TomlError> {
    let mut parser = Parser {
        reader: Reader::new(text)?,
        root: Map::new(),
        implicit: HashSet::new(),
        context: Vec::new(),
        key: None,
        blocked: None,
    };
    parser.document()?;
    Ok(parser.root)
}

type Path = Vec<Str>;

struct Parser<'a> {
    reader: Reader<'a>,
    root: Map,
    /// Tables that no header has named yet: one header may.
    implicit: HashSet<Path>,
    /// The table that is being filled.
    context: Path,
    /// The key whose value is being read.
    key: Option<Str>,
    /// The way to a value that is no table and that the inline table being read would have to be in.
    blocked: Option<Path>,
}

/// Where a value goes that is being read.
struct Place<'a> {
    table: &'a Map,
    key: &'a Str,
    /// The way to a value that is no table but stands where one would have to be. It is told when the value has been read.
    blocked: Option<&'a Path>,
}

/// A path as messages show it: parts that are not bare in quotes.
fn shown(path: &[Str]) -> String {
    let parts: Vec<String> = path
        .iter()
        .map(|part| {
            let bare = !part.is_empty() && part.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
            if bare { part.to_string() } else { pintle_golib::strconv::quote(part) }
        })
        .collect();
    parts.join(".")
}

impl Parser<'_> {
    /// An error at the reader's line, with the key that is being read.
    fn error(&self, line: usize, message: &str) -> TomlError {
        // The way to a key is quoted where it has to be, the key itself is not.
        let mut path = shown(&self.context).into_bytes();
        if let Some(key) = self.key.as_ref().filter(|key| !key.is_empty()) {
            if !path.is_empty() {
                path.push(b'.');
            }
            path.extend_from_slice(key);
        }
        if path.is_empty() {
            TomlError(format!("toml: line {line}: {message}"))
        } else {
            TomlError(format!("toml: line {line} (last key {}): {message}", pintle_golib::strconv::quote(&path)))
        }
    }

    fn here(&self, message: &str) -> TomlError {
        self.error(self.reader.line(), message)
    }

    fn document(&mut self) -> Result<(), TomlError> {
        loop {
            let item = self.reader.top_level().map_err(|e| self.error(e.line, &e.message))?;
            let Some(first) = item else { return Ok(()) };
            if first == b'[' {
                let (path, array) = self.reader.header().map_err(|e| self.error(e.line, &e.message))?;
                self.open(path, array)?;
            } else {
                self.pair(None)?;
            }
            // Whatever is wrong after a value is not told with its key.
            self.reader.end_of_line().map_err(|e| self.error(e.line, &e.message))?;
        }
    }

    /// Goes to the table of a header, and makes it if need be.
    fn open(&mut self, path: Path, array: bool) -> Result<(), TomlError> {
        self.context.clear();
        if path.len() > MAX_DEPTH {
            return Err(self.here("the tables nest too deep"));
        }
        let (last, parents) = path.split_last().ok_or_else(|| self.here("a header has no name"))?;
        let mut table = self.root.clone();
        let mut so_far: Path = Vec::new();
        for part in parents {
            so_far.push(part.clone());
            table = match table.get(part) {
                None => {
                    let inner = Map::new();
                    table.insert(part.clone(), Value::Map(inner.clone()));
                    self.implicit.insert(so_far.clone());
                    inner
                }
                Some(value) => inner_table(&value).ok_or_else(|| {
                    let message = format!("Key '{}' was already created as a hash.", shown(&so_far));
                    self.here(&message)
                })?,
            };
        }
        self.context = parents.to_vec();
        if array {
            let list = match table.get(last) {
                None => Vec::new(),
                Some(Value::List(list)) if matches!(list.kind(), ListKind::Maps) => list.to_vec(),
                Some(_) => {
                    let message = format!("Key '{}' was already created and cannot be used as an array.", shown(&path));
                    return Err(self.here(&message));
                }
            };
            let mut list = list;
            list.push(Value::Map(Map::new()));
            // The tables inside of the item before were made by headers that may come again.
            self.implicit.retain(|known| !(known.len() > path.len() && known.starts_with(&path)));
            table.insert(last.clone(), Value::List(List::of(ListKind::Maps, list)));
        } else {
            self.put(&table, &path, Value::Map(Map::new()))?;
        }
        self.context = path;
        Ok(())
    }

    /// Puts a value under the last part of a path. What is there already must be a table that no header has named; it
    /// stays then.
    fn put(&mut self, table: &Map, path: &[Str], value: Value) -> Result<(), TomlError> {
        let Some(last) = path.last() else { return Ok(()) };
        if table.contains(last) {
            if self.implicit.remove(path) {
                return Ok(());
            }
            let message = format!("Key '{}' has already been defined.", shown(path));
            return Err(self.here(&message));
        }
        table.insert(last.clone(), value);
        Ok(())
    }

    /// Reads `key = value` into the table of the context, or into the inline table given.
    fn pair(&mut self, inline: Option<&Map>) -> Result<(), TomlError> {
        let mut path = self.reader.key().map_err(|e| self.error(e.line, &e.message))?;
        if self.context.len() + path.len() > MAX_DEPTH {
            return Err(self.here("the keys nest too deep"));
        }
        let last = path.pop().unwrap_or_default();
        let outer = self.context.clone();
        let mut table = match inline {
            Some(table) => table.clone(),
            None => self.current(),
        };
        self.key = Some(last.clone());
        let mut blocked = self.blocked.clone();
        for part in path {
            self.context.push(part.clone());
            table = match table.get(&part) {
                // What comes into this one is not kept.
                _ if blocked.is_some() => Map::new(),
                None => {
                    let inner = Map::new();
                    table.insert(part, Value::Map(inner.clone()));
                    self.implicit.insert(self.context.clone());
                    inner
                }
                Some(value) => inner_table(&value).unwrap_or_else(|| {
                    blocked = Some(self.context.clone());
                    Map::new()
                }),
            };
        }
        let value = self.value(&Place { table: &table, key: &last, blocked: blocked.as_ref() }, 0)?;
        if let Some(blocked) = &blocked {
            return Err(self.here(&format!("Key '{}' has already been defined.", shown(blocked))));
        }
        let mut full = self.context.clone();
        full.push(last);
        self.put(&table, &full, value)?;
        self.context = outer;
        // Within an inline table the last key goes on to be named until the next is read.
        if inline.is_none() {
            self.key = None;
        }
        Ok(())
    }

    /// Begins an inline table, which shows what is in its way before it is read. What is in the way of its own keys.
    fn enter(&mut self, place: &Place<'_>, in_list: bool) -> Result<Option<Path>, TomlError> {
        if let Some(blocked) = place.blocked {
            return Err(self.here(&format!("Key '{}' was already created as a hash.", shown(blocked))));
        }
        let Some(there) = place.table.get(place.key) else { return Ok(None) };
        let mut path = self.context.clone();
        path.push(place.key.clone());
        let is_list = matches!(&there, Value::List(list) if matches!(list.kind(), ListKind::Maps));
        if in_list && !is_list {
            self.key = None;
            let message = format!("Key '{}' was already created and cannot be used as an array.", shown(&path));
            return Err(self.here(&message));
        }
        Ok(inner_table(&there).is_none().then_some(path))
    }

    fn current(&self) -> Map {
        let mut table = self.root.clone();
        for part in &self.context {
            match table.get(part).as_ref().and_then(inner_table) {
                Some(inner) => table = inner,
                None => break,
            }
        }
        table
    }

    /// Reads a value. `depth`: in how many lists within each other it is.
    fn value(&mut self, place: &Place<'_>, depth: usize) -> Result<Value, TomlError> {
        if depth > MAX_DEPTH {
            return Err(self.here("the values nest too deep"));
        }
        match self.reader.value().map_err(|e| self.error(e.line, &e.message))? {
            Token::Scalar(value) => Ok(value),
            Token::Array => {
                let mut items = Vec::new();
                while self.reader.array_item(items.is_empty()).map_err(|e| self.error(e.line, &e.message))? {
                    items.push(self.value(place, depth + 1)?);
                }
                Ok(Value::List(List::new(items)))
            }
            Token::Table => {
                let within = self.enter(place, depth > 0)?;
                let before = std::mem::replace(&mut self.blocked, within);
                let table = Map::new();
                let outer = (self.context.clone(), self.key.take());
                self.context.extend(outer.1.clone());
                let mut first = true;
                while self.reader.table_item(first).map_err(|e| self.error(e.line, &e.message))? {
                    first = false;
                    self.pair(Some(&table))?;
                }
                (self.context, self.key) = outer;
                self.blocked = before;
                Ok(Value::Map(table))
            }
        }
    }
}

/// The table that a value is, or the last of the tables of a list.
fn inner_table(value: &Value) -> Option<Map> {
    match value {
        Value::Map(map) => Some(map.clone()),
        Value::List(list) if matches!(list.kind(), ListKind::Maps) => {
            list.items().last().and_then(|item| item.as_map().cloned())
        }
        _ => None,
    }
}
