//! Values to JSON text.

use super::append_float;
use crate::{
    Map, Object, Str, Value,
    fmt::{MAX_DEPTH, MAX_TEXT},
};
use pintle_golib::unicode;
use std::fmt;

/// How the text is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Each element on its own line, indented by two spaces a level.
    pub pretty: bool,
    /// `<`, `>` and `&` as `\u003c`, `\u003e`, `\u0026`: Go's default.
    pub escape_html: bool,
}

/// Why a value has no JSON text; prints Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodeError(String);

impl fmt::Display for EncodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for EncodeError {}

/// Writes a value as JSON.
///
/// # Errors
/// Infinities, NaN, complex numbers, what contains itself, and what would be longer than [`MAX_TEXT`].
pub fn encode(value: &Value, style: Style, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let end = out.len().saturating_add(MAX_TEXT);
    Encoder { out, style, end, open: Vec::new() }.value(value, 0)
}

/// Writes a string with its quotes and escapes.
pub fn append_string(out: &mut Vec<u8>, text: &[u8], escape_html: bool) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'"');
    let mut start = 0;
    let mut at = 0;
    while at < text.len() {
        let byte = text[at];
        let plain = match byte {
            b'"' | b'\\' | 0..=0x1f => false,
            b'<' | b'>' | b'&' => !escape_html,
            0x80.. => false,
            _ => true,
        };
        if plain {
            at += 1;
            continue;
        }
        if byte >= 0x80 {
            let (rune, width) = unicode::decode(&text[at..]);
            let escape: &[u8] = match rune {
                '\u{fffd}' if width == 1 => b"\\ufffd",
                '\u{2028}' => b"\\u2028",
                '\u{2029}' => b"\\u2029",
                _ => {
                    at += width;
                    continue;
                }
            };
            out.extend_from_slice(&text[start..at]);
            out.extend_from_slice(escape);
            at += width;
            start = at;
            continue;
        }
        out.extend_from_slice(&text[start..at]);
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            _ => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
        }
        at += 1;
        start = at;
    }
    out.extend_from_slice(&text[start..]);
    out.push(b'"');
}

/// How deep encoding/json goes before it looks out for what contains itself.
const TRUSTED: usize = MAX_DEPTH;

/// How many values deep a circle is searched for.
const MAX_CIRCLE: usize = 64;

struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    style: Style,
    end: usize,
    /// The maps and lists around the value, from the depth on where one might come again.
    open: Vec<Value>,
}

impl Encoder<'_> {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), EncodeError> {
        if self.out.len() > self.end {
            return Err(EncodeError(format!("json: the text is longer than {} MiB", MAX_TEXT >> 20)));
        }
        match value {
            Value::Nil => self.out.extend_from_slice(b"null"),
            Value::List(_) | Value::Map(_) | Value::Bytes(_) if value.is_nil() => self.out.extend_from_slice(b"null"),
            Value::Bool(b) => self.out.extend_from_slice(if *b { b"true" } else { b"false" }),
            Value::Int(n) | Value::Int64(n) => self.integer(*n),
            Value::Duration(d) => self.integer(d.nanos()),
            Value::Uint8(n) => self.integer(i64::from(*n)),
            Value::Uint64(n) => self.out.extend_from_slice(n.to_string().as_bytes()),
            Value::Float64(n) if n.is_finite() => append_float(self.out, *n),
            Value::Float64(n) => {
                let mut text = Vec::new();
                pintle_golib::strconv::append_float(&mut text, *n, b'g', None);
                return Err(EncodeError(format!("json: unsupported value: {}", String::from_utf8_lossy(&text))));
            }
            Value::Complex128(_) => return Err(EncodeError("json: unsupported type: complex128".to_owned())),
            Value::String(s) => append_string(self.out, s, self.style.escape_html),
            Value::Bytes(bytes) => {
                self.out.push(b'"');
                append_base64(self.out, bytes);
                self.out.push(b'"');
            }
            Value::List(list) => {
                self.enter(value, depth)?;
                self.out.push(b'[');
                let items = list.items();
                for (at, item) in items.iter().enumerate() {
                    self.separate(at, depth + 1);
                    self.value(item, depth + 1)?;
                }
                self.close(items.is_empty(), depth, b']');
                self.leave(depth);
            }
            Value::Map(map) => {
                self.enter(value, depth)?;
                self.entries(&map.entries(), depth)?;
                self.leave(depth);
            }
            Value::Time(time) => {
                let Some(text) = time.to_rfc3339() else {
                    return Err(EncodeError(
                        "json: error calling MarshalJSON for type time.Time: Time.MarshalJSON: year outside of range [0,9999]"
                            .to_owned(),
                    ));
                };
                append_string(self.out, text.as_bytes(), false);
            }
            Value::Object(object) => match object.json() {
                Value::Map(map) => self.entries(&in_order_of_declaration(&**object, &map), depth)?,
                other => self.value(&other, depth + 1)?,
            },
        }
        Ok(())
    }

    /// The depth from which on containers are looked out for. An encoder, which alone can leave HTML as it is, is handed a
    /// pointer to the value: a level more.
    fn trusted(&self) -> usize {
        if self.style.escape_html { TRUSTED } else { TRUSTED - 1 }
    }

    /// Begins a map or a list, which must not be one of those around it.
    fn enter(&mut self, value: &Value, depth: usize) -> Result<(), EncodeError> {
        if depth < self.trusted() {
            return Ok(());
        }
        let again = self.open.iter().any(|open| match (open, value) {
            (Value::List(a), Value::List(b)) => a.same(b),
            (Value::Map(a), Value::Map(b)) => a.same(b),
            _ => false,
        });
        // A longer circle is taken for what merely nests too deep.
        if again || self.open.len() > MAX_CIRCLE {
            let name = value.type_name();
            return Err(EncodeError(format!("json: unsupported value: encountered a cycle via {name}")));
        }
        self.open.push(value.clone());
        Ok(())
    }

    fn leave(&mut self, depth: usize) {
        if depth >= self.trusted() {
            self.open.pop();
        }
    }

    fn entries(&mut self, entries: &[(Str, Value)], depth: usize) -> Result<(), EncodeError> {
        self.out.push(b'{');
        for (at, (key, item)) in entries.iter().enumerate() {
            self.separate(at, depth + 1);
            append_string(self.out, key, self.style.escape_html);
            self.out.push(b':');
            if self.style.pretty {
                self.out.push(b' ');
            }
            self.value(item, depth + 1)?;
        }
        self.close(entries.is_empty(), depth, b'}');
        Ok(())
    }

    fn separate(&mut self, at: usize, depth: usize) {
        if at > 0 {
            self.out.push(b',');
        }
        self.line(depth);
    }

    fn close(&mut self, empty: bool, depth: usize, bracket: u8) {
        if !empty {
            self.line(depth);
        }
        self.out.push(bracket);
    }

    fn line(&mut self, depth: usize) {
        if self.style.pretty {
            self.out.push(b'\n');
            self.out.resize(self.out.len() + 2 * depth, b' ');
        }
    }

    fn integer(&mut self, n: i64) {
        crate::fmt::append_int(n, self.out);
    }
}

/// A struct's fields come as they are declared, a map's keys sorted. A field's tag may differ from its name in case and
/// underscores.
fn in_order_of_declaration(object: &dyn Object, map: &Map) -> Vec<(Str, Value)> {
    let fields = object.fields();
    let mut entries = map.snapshot();
    let same = |key: &[u8], name: &str| {
        let letters = key.iter().filter(|b| **b != b'_').map(u8::to_ascii_lowercase);
        letters.eq(name.bytes().map(|b| b.to_ascii_lowercase()))
    };
    entries.sort_by_key(|(key, _)| fields.iter().position(|(name, _)| same(key, name)).unwrap_or(usize::MAX));
    entries
}

/// Writes the bytes in base64, with padding.
fn append_base64(out: &mut Vec<u8>, bytes: &[u8]) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let word = [chunk[0], chunk.get(1).copied().unwrap_or(0), chunk.get(2).copied().unwrap_or(0)];
        let bits = u32::from(word[0]) << 16 | u32::from(word[1]) << 8 | u32::from(word[2]);
        for place in 0..4 {
            out.push(if place <= chunk.len() { ALPHABET[(bits >> (18 - 6 * place) & 63) as usize] } else { b'=' });
        }
    }
}
