//! Values to TOML text.

use super::TomlError;
use crate::{
    Map, Str, Value,
    fmt::{MAX_DEPTH, MAX_TEXT, append_int},
};
use pintle_golib::strconv;

/// Writes a value as a TOML document; a value that is no table is written by itself.
///
/// # Errors
/// Nils in lists, complex numbers, lists of tables at the top, what nests too deep or gets too long.
pub fn encode(value: &Value, out: &mut Vec<u8>) -> Result<(), TomlError> {
    let end = out.len().saturating_add(MAX_TEXT);
    let mut encoder = Encoder { out, begun: false, end, looks: MAX_LOOKS };
    match encoder.shape(value, 0)? {
        Shape::Table => encoder.table(&mut Vec::new(), value),
        Shape::Tables => Err(TomlError("toml: top-level values must be Go maps or structs".to_owned())),
        Shape::Inline => {
            if let Value::Complex128(_) = value {
                return Err(TomlError("unsupported type for key '': complex128".to_owned()));
            }
            encoder.inline(value, 0)
        }
    }
}

const MAX_LOOKS: usize = 20_000_000;

/// How a value is written under its key.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// After the equals sign.
    Inline,
    /// Under a header.
    Table,
    /// Each item under a header of its own.
    Tables,
}

fn too_deep() -> TomlError {
    TomlError(format!("toml: the value nests deeper than {MAX_DEPTH}"))
}

/// The entries of a table: a map's by key, a struct's exported fields as declared.
fn entries(value: &Value) -> Vec<(Str, Value)> {
    match value {
        Value::Map(map) => map.snapshot(),
        Value::Object(object) => {
            let fields = object.fields().into_iter();
            let exported = fields.filter(|(name, _)| name.starts_with(|c: char| c.is_ascii_uppercase()));
            exported.map(|(name, field)| (Str::from(name), field)).collect()
        }
        _ => Map::new().snapshot(),
    }
}

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    begun: bool,
    end: usize,
    /// How many values may still be looked at: those that share parts are looked at again and again.
    looks: usize,
}

impl Encoder<'_> {
    fn shape(&mut self, value: &Value, depth: usize) -> Result<Shape, TomlError> {
        self.looks = self.looks.checked_sub(1).ok_or_else(too_deep)?;
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        Ok(match value {
            Value::Map(_) => Shape::Table,
            Value::Object(object) if matches!(object.json(), Value::Map(_)) => Shape::Table,
            Value::List(list) => {
                let mut tables = !list.is_empty();
                for item in &list.to_vec() {
                    if item.is_nil() {
                        return Err(TomlError("toml: cannot encode array with nil element".to_owned()));
                    }
                    tables &= self.shape(item, depth + 1)? == Shape::Table;
                }
                if tables { Shape::Tables } else { Shape::Inline }
            }
            _ => Shape::Inline,
        })
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), TomlError> {
        if self.out.len() + bytes.len() > self.end {
            return Err(TomlError(format!("toml: the text is longer than {} MiB", MAX_TEXT >> 20)));
        }
        self.out.extend_from_slice(bytes);
        self.begun = true;
        Ok(())
    }

    fn indent(&mut self, levels: usize) -> Result<(), TomlError> {
        for _ in 0..levels {
            self.write(b"  ")?;
        }
        Ok(())
    }

    /// A blank line, but not at the very beginning.
    fn blank(&mut self) -> Result<(), TomlError> {
        if self.begun { self.write(b"\n") } else { Ok(()) }
    }

    fn header(&mut self, path: &[Str], open: &[u8], close: &[u8]) -> Result<(), TomlError> {
        self.indent(path.len() - 1)?;
        self.write(open)?;
        for (at, key) in path.iter().enumerate() {
            if at > 0 {
                self.write(b".")?;
            }
            self.key(key)?;
        }
        self.write(close)?;
        self.write(b"\n")
    }

    fn table(&mut self, path: &mut Vec<Str>, table: &Value) -> Result<(), TomlError> {
        if path.len() > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut below = Vec::new();
        for (key, value) in entries(table) {
            if value.is_nil() {
                continue;
            }
            match self.shape(&value, path.len())? {
                Shape::Inline => {
                    self.indent(path.len())?;
                    self.key(&key)?;
                    self.write(b" = ")?;
                    self.inline(&value, path.len())?;
                    self.write(b"\n")?;
                }
                shape => below.push((key, value, shape)),
            }
        }
        for (key, value, shape) in below {
            path.push(key);
            match (&value, shape) {
                (Value::List(list), Shape::Tables) => {
                    let items = list.to_vec();
                    for item in &items {
                        self.blank()?;
                        self.header(path, b"[[", b"]]")?;
                        self.table(path, item)?;
                    }
                }
                _ => {
                    if path.len() == 1 {
                        self.blank()?;
                    }
                    self.header(path, b"[", b"]")?;
                    self.table(path, &value)?;
                }
            }
            path.pop();
        }
        Ok(())
    }

    fn key(&mut self, key: &[u8]) -> Result<(), TomlError> {
        let bare = !key.is_empty() && key.iter().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-'));
        if bare { self.write(key) } else { self.string(key) }
    }

    fn string(&mut self, text: &[u8]) -> Result<(), TomlError> {
        let mut quoted = Vec::with_capacity(text.len() + 2);
        quoted.push(b'"');
        for byte in text {
            match byte {
                b'"' | b'\\' => quoted.extend_from_slice(&[b'\\', *byte]),
                0x08 => quoted.extend_from_slice(b"\\b"),
                b'\t' => quoted.extend_from_slice(b"\\t"),
                b'\n' => quoted.extend_from_slice(b"\\n"),
                0x0c => quoted.extend_from_slice(b"\\f"),
                b'\r' => quoted.extend_from_slice(b"\\r"),
                0..=0x1f | 0x7f => quoted.extend_from_slice(format!("\\u{byte:04x}").as_bytes()),
                _ => quoted.push(*byte),
            }
        }
        quoted.push(b'"');
        self.write(&quoted)
    }

    fn inline(&mut self, value: &Value, depth: usize) -> Result<(), TomlError> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut text = Vec::new();
        match value {
            Value::Nil => {}
            Value::Bool(b) => text.extend_from_slice(if *b { b"true" } else { b"false" }),
            Value::Int(n) | Value::Int64(n) => append_int(*n, &mut text),
            Value::Uint8(n) => append_int(i64::from(*n), &mut text),
            Value::Uint64(n) => text.extend_from_slice(n.to_string().as_bytes()),
            Value::Float64(n) => append_float(&mut text, *n),
            Value::Complex128(_) => return Err(TomlError("unsupported type: complex128".to_owned())),
            Value::String(s) => return self.string(s),
            Value::Duration(d) => return self.string(d.to_string().as_bytes()),
            Value::Time(time) => {
                let layout = match time.zone.as_str() {
                    "datetime-local" => "2006-01-02T15:04:05.999999999",
                    "date-local" => "2006-01-02",
                    "time-local" => "15:04:05.999999999",
                    _ => "2006-01-02T15:04:05.999999999Z07:00",
                };
                time.append_format(&mut text, layout.as_bytes());
            }
            Value::Bytes(bytes) => {
                text.push(b'[');
                for (at, byte) in bytes.iter().enumerate() {
                    if at > 0 {
                        text.extend_from_slice(b", ");
                    }
                    append_int(i64::from(*byte), &mut text);
                }
                text.push(b']');
            }
            Value::List(list) => {
                self.write(b"[")?;
                let items = list.to_vec();
                for (at, item) in items.iter().enumerate() {
                    if at > 0 {
                        self.write(b", ")?;
                    }
                    self.inline(item, depth + 1)?;
                }
                self.write(b"]")?;
            }
            Value::Map(_) => return self.inline_table(value, depth),
            Value::Object(object) => {
                return match object.json() {
                    Value::Map(_) => self.inline_table(value, depth),
                    json => self.inline(&json, depth + 1),
                };
            }
        }
        self.write(&text)
    }

    fn inline_table(&mut self, table: &Value, depth: usize) -> Result<(), TomlError> {
        let mut direct = Vec::new();
        let mut below = Vec::new();
        for entry in entries(table) {
            let shape = if entry.1.is_nil() { Shape::Inline } else { self.shape(&entry.1, depth)? };
            if shape == Shape::Inline { direct.push(entry) } else { below.push(entry) }
        }
        let last = direct.len() + below.len();
        self.write(b"{")?;
        for (at, (key, value)) in direct.iter().chain(&below).enumerate() {
            // Nothing is written for a nil, nor a comma after it.
            if value.is_nil() {
                continue;
            }
            self.key(key)?;
            self.write(b" = ")?;
            self.inline(value, depth + 1)?;
            if at + 1 < last {
                self.write(b", ")?;
            }
        }
        self.write(b"}")
    }
}

fn append_float(out: &mut Vec<u8>, number: f64) {
    if number.is_nan() || number.is_infinite() {
        out.extend_from_slice(if number.is_sign_negative() { b"-" } else { b"" });
        out.extend_from_slice(if number.is_nan() { b"nan" } else { b"inf" });
        return;
    }
    let start = out.len();
    strconv::append_float(out, number, b'g', None);
    if !out[start..].iter().any(|b| matches!(b, b'.' | b'e')) {
        out.extend_from_slice(b".0");
    }
}
