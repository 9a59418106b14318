//! JSON text to values: every number a float64, as Go decodes into an `interface {}`.

use crate::{List, Map, Str, Value, fmt::MAX_DEPTH};
use pintle_golib::{strconv, unicode};
use std::fmt;

/// Why a text is not JSON, or not quite; prints Go's words.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct DecodeError {
    message: String,
    /// What Go has decoded nevertheless, where only a number was out of range.
    pub partial: Option<Value>,
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for DecodeError {}

/// Reads one JSON value, with nothing but space around it.
///
/// # Errors
/// Go's own; nesting is limited to [`MAX_DEPTH`].
pub fn decode(text: &[u8]) -> Result<Value, DecodeError> {
    let mut reader = Reader { text, at: 0, out_of_range: None };
    let value = reader.value().and_then(|value| match reader.after_space() {
        Err(_) => Ok(value),
        Ok(_) => Err(reader.unexpected("after top-level value")),
    });
    let value = value.map_err(|message| DecodeError { message, partial: None })?;
    match reader.out_of_range {
        None => Ok(value),
        Some(message) => Err(DecodeError { message, partial: Some(value) }),
    }
}

/// Reads the JSON value that the text begins with, and says where it ends, as Go's `Decoder` does.
///
/// # Errors
/// As [`decode`]; where the text ends too early, `unexpected EOF`.
pub fn decode_prefix(text: &[u8]) -> Result<(Value, usize), DecodeError> {
    let mut reader = Reader { text, at: 0, out_of_range: None };
    let value = reader.value().map_err(|message| {
        let message = if reader.at >= text.len() { "unexpected EOF".to_owned() } else { message };
        DecodeError { message, partial: None }
    })?;
    match reader.out_of_range {
        None => Ok((value, reader.at)),
        Some(message) => Err(DecodeError { message, partial: Some(value) }),
    }
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    /// The first number that no float64 can hold: Go goes on, and reports it at the end.
    out_of_range: Option<String>,
}

enum Open {
    List(Vec<Value>),
    Map(Vec<(Str, Value)>, Str),
}

type Step<T> = Result<T, String>;

impl Reader<'_> {
    fn value(&mut self) -> Step<Value> {
        // An explicit stack: texts nest as deep as they like.
        let mut open: Vec<Open> = Vec::new();
        loop {
            if open.len() > MAX_DEPTH {
                return Err("exceeded max depth".to_owned());
            }
            let mut value = match self.after_space()? {
                b'{' => {
                    self.at += 1;
                    if self.after_space()? == b'}' {
                        self.at += 1;
                        Value::Map(Map::new())
                    } else {
                        let key = self.key()?;
                        open.push(Open::Map(Vec::new(), key));
                        continue;
                    }
                }
                b'[' => {
                    self.at += 1;
                    if self.after_space()? == b']' {
                        self.at += 1;
                        Value::List(List::new(Vec::new()))
                    } else {
                        open.push(Open::List(Vec::new()));
                        continue;
                    }
                }
                b'"' => Value::String(self.string()?),
                b'-' | b'0'..=b'9' => self.number()?,
                b't' => self.literal("true", Value::Bool(true))?,
                b'f' => self.literal("false", Value::Bool(false))?,
                b'n' => self.literal("null", Value::Nil)?,
                _ => return Err(self.unexpected("looking for beginning of value")),
            };
            // Put the value where it belongs, and close what closes.
            loop {
                match open.last_mut() {
                    None => return Ok(value),
                    Some(Open::List(items)) => {
                        items.push(std::mem::take(&mut value));
                        match self.after_space()? {
                            b',' => {
                                self.at += 1;
                                break;
                            }
                            b']' => self.at += 1,
                            _ => return Err(self.unexpected("after array element")),
                        }
                    }
                    Some(Open::Map(entries, key)) => {
                        entries.push((std::mem::take(key), std::mem::take(&mut value)));
                        match self.after_space()? {
                            b',' => {
                                self.at += 1;
                                let next = self.key()?;
                                if let Some(Open::Map(_, key)) = open.last_mut() {
                                    *key = next;
                                }
                                break;
                            }
                            b'}' => self.at += 1,
                            _ => return Err(self.unexpected("after object key:value pair")),
                        }
                    }
                }
                value = match open.pop() {
                    Some(Open::List(items)) => Value::List(List::new(items)),
                    Some(Open::Map(entries, _)) => Value::Map(entries.into_iter().collect()),
                    None => value,
                };
            }
        }
    }

    /// Skips space; the byte that follows.
    fn after_space(&mut self) -> Step<u8> {
        while let Some(byte) = self.text.get(self.at) {
            if !matches!(byte, b' ' | b'\t' | b'\r' | b'\n') {
                return Ok(*byte);
            }
            self.at += 1;
        }
        Err("unexpected end of JSON input".to_owned())
    }

    fn key(&mut self) -> Step<Str> {
        if self.after_space()? != b'"' {
            return Err(self.unexpected("looking for beginning of object key string"));
        }
        let key = self.string()?;
        if self.after_space()? != b':' {
            return Err(self.unexpected("after object key"));
        }
        self.at += 1;
        Ok(key)
    }

    /// The byte here; where the text ends Go's reader sees a space.
    fn byte(&self) -> u8 {
        self.text.get(self.at).copied().unwrap_or(b' ')
    }

    fn unexpected(&self, context: &str) -> String {
        let spelled = match self.byte() {
            b'\'' => r"'\''".to_owned(),
            b'"' => "'\"'".to_owned(),
            byte => {
                let mut rune = [0; 4];
                let quoted = strconv::quote(char::from(byte).encode_utf8(&mut rune).as_bytes());
                format!("'{}'", &quoted[1..quoted.len() - 1])
            }
        };
        format!("invalid character {spelled} {context}")
    }

    fn literal(&mut self, word: &str, value: Value) -> Step<Value> {
        for expected in word.bytes() {
            if self.byte() != expected {
                return Err(self.unexpected(&format!("in literal {word} (expecting '{}')", char::from(expected))));
            }
            self.at += 1;
        }
        Ok(value)
    }

    fn digits(&mut self, context: &str) -> Step<()> {
        if !self.byte().is_ascii_digit() {
            return Err(self.unexpected(context));
        }
        while self.byte().is_ascii_digit() {
            self.at += 1;
        }
        Ok(())
    }

    fn number(&mut self) -> Step<Value> {
        let start = self.at;
        if self.byte() == b'-' {
            self.at += 1;
        }
        if self.byte() == b'0' {
            self.at += 1;
        } else {
            self.digits("in numeric literal")?;
        }
        if self.byte() == b'.' {
            self.at += 1;
            self.digits("after decimal point in numeric literal")?;
        }
        if matches!(self.byte(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.byte(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits("in exponent of numeric literal")?;
        }
        // Only ASCII was taken.
        let text = String::from_utf8_lossy(&self.text[start..self.at]);
        match text.parse::<f64>() {
            Ok(number) if number.is_finite() => Ok(Value::Float64(number)),
            _ => {
                self.out_of_range.get_or_insert_with(|| {
                    format!("json: cannot unmarshal number {text} into Go value of type float64")
                });
                Ok(Value::Nil)
            }
        }
    }

    /// Reads a string; the reader stands on its opening quote.
    fn string(&mut self) -> Step<Str> {
        self.at += 1;
        let start = self.at;
        let plain = self.text[start..].iter().position(|b| matches!(b, b'"' | b'\\' | 0..=0x1f | 0x80..));
        if let Some(length) = plain
            && self.text[start + length] == b'"'
        {
            self.at = start + length + 1;
            return Ok(Str::from(&self.text[start..start + length]));
        }
        let mut out = Vec::new();
        loop {
            let Some(&byte) = self.text.get(self.at) else {
                return Err("unexpected end of JSON input".to_owned());
            };
            match byte {
                b'"' => {
                    self.at += 1;
                    return Ok(Str::from(out));
                }
                b'\\' => self.escape(&mut out)?,
                0..=0x1f => return Err(self.unexpected("in string literal")),
                0x20..=0x7f => {
                    out.push(byte);
                    self.at += 1;
                }
                _ => {
                    // Invalid bytes become U+FFFD.
                    let (rune, width) = unicode::decode(&self.text[self.at..]);
                    unicode::push_rune(&mut out, rune);
                    self.at += width;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>) -> Step<()> {
        self.at += 1;
        let byte = match self.byte() {
            byte @ (b'"' | b'\\' | b'/') => byte,
            b'b' => 8,
            b'f' => 12,
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'u' => {
                let high = self.four_hex_digits()?;
                let mut rune = char::from_u32(high);
                if (0xd800..0xdc00).contains(&high) && self.text[self.at..].starts_with(b"\\u") {
                    let before = self.at;
                    self.at += 1;
                    let low = self.four_hex_digits()?;
                    if (0xdc00..0xe000).contains(&low) {
                        rune = char::from_u32(0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
                    } else {
                        // The second escape stands for itself.
                        self.at = before;
                    }
                }
                unicode::push_rune(out, rune.unwrap_or(char::REPLACEMENT_CHARACTER));
                return Ok(());
            }
            _ => return Err(self.unexpected("in string escape code")),
        };
        out.push(byte);
        self.at += 1;
        Ok(())
    }

    /// Reads the digits after the `u` that the reader stands on.
    fn four_hex_digits(&mut self) -> Step<u32> {
        let mut code = 0;
        for _ in 0..4 {
            self.at += 1;
            let Some(digit) = char::from(self.byte()).to_digit(16) else {
                return Err(self.unexpected("in \\u hexadecimal character escape"));
            };
            code = code << 4 | digit;
        }
        self.at += 1;
        Ok(code)
    }
}
