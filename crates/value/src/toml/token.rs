//! The words of TOML: keys, headers, values, and what stands between them.

use super::TomlError;
use crate::{Str, Value};
use pintle_golib::{
    strconv,
    time::{self, Utc},
    unicode,
};
use std::rc::Rc;

/// What is wrong with the text, and on which line.
pub(super) struct LexError {
    pub(super) line: usize,
    pub(super) message: String,
}

type Lex<T> = Result<T, LexError>;

/// The beginning of a value.
pub(super) enum Token {
    Scalar(Value),
    /// After `[`.
    Array,
    /// After `{`.
    Table,
}

pub(super) struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    line: usize,
}

/// A character as Go's `%q` shows it.
fn shown(rune: Option<char>) -> String {
    let mut out = Vec::new();
    match rune {
        Some(rune) => strconv::append_quote_rune(&mut out, rune),
        None => out.extend_from_slice(b"'\\x00'"),
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn is_bare(rune: char) -> bool {
    rune.is_ascii_alphanumeric() || matches!(rune, '_' | '-')
}

impl<'a> Reader<'a> {
    pub(super) fn new(text: &'a [u8]) -> Result<Self, TomlError> {
        if text.iter().take(6).any(|b| *b == 0) {
            return Err(TomlError(
                "toml: line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8"
                    .to_owned(),
            ));
        }
        let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
        Ok(Self { text, at: 0, line: 1 })
    }

    pub(super) fn line(&self) -> usize {
        self.line
    }

    fn error<T>(&self, message: impl Into<String>) -> Lex<T> {
        // What is missing at the end is missed in the line that ends there.
        let ended = self.at >= self.text.len() && self.text.ends_with(b"\n");
        Err(LexError { line: self.line.saturating_sub(usize::from(ended)), message: message.into() })
    }

    /// The line end has two characters: the library goes back one line too many.
    fn newline_in_string<T>(&self, end: char) -> Lex<T> {
        let line = self.line.saturating_sub(usize::from(end == '\r'));
        Err(LexError { line, message: "strings cannot contain newlines".to_owned() })
    }

    /// The character here; control characters and broken UTF-8 are errors wherever they are.
    fn peek(&self) -> Lex<Option<char>> {
        let Some(&byte) = self.text.get(self.at) else { return Ok(None) };
        match byte {
            b'\t' | b'\n' | b' '..=b'~' => Ok(Some(char::from(byte))),
            b'\r' if self.text.get(self.at + 1) == Some(&b'\n') => Ok(Some('\r')),
            0..=0x1f | 0x7f => self.error(format!("TOML files cannot contain control characters: '0x{byte:02x}'")),
            _ => match unicode::decode(&self.text[self.at..]) {
                (_, 1) => self.error(format!("invalid UTF-8 byte: 0x{byte:02x}")),
                (rune, _) => Ok(Some(rune)),
            },
        }
    }

    fn next(&mut self) -> Lex<Option<char>> {
        let rune = self.peek()?;
        if let Some(rune) = rune {
            self.at += rune.len_utf8();
            self.line += usize::from(rune == '\n');
        }
        Ok(rune)
    }

    fn take(&mut self, wanted: char) -> Lex<bool> {
        let found = self.peek()? == Some(wanted);
        if found {
            self.next()?;
        }
        Ok(found)
    }

    fn take_while(&mut self, belongs: impl Fn(char) -> bool) -> Lex<&'a [u8]> {
        let start = self.at;
        while self.peek()?.is_some_and(&belongs) {
            self.next()?;
        }
        Ok(&self.text[start..self.at])
    }

    fn blanks(&mut self) -> Lex<()> {
        self.take_while(|r| matches!(r, ' ' | '\t')).map(|_| ())
    }

    fn comment(&mut self) -> Lex<()> {
        self.take_while(|r| r != '\n' && r != '\r').map(|_| ())
    }

    /// Skips blanks, line ends and comments.
    fn space(&mut self) -> Lex<Option<char>> {
        loop {
            match self.peek()? {
                Some(' ' | '\t' | '\r' | '\n') => {
                    self.next()?;
                }
                Some('#') => self.comment()?,
                other => return Ok(other),
            }
        }
    }

    /// The first byte of the next pair or header; none at the end.
    pub(super) fn top_level(&mut self) -> Lex<Option<u8>> {
        self.space()?;
        Ok(self.text.get(self.at).copied())
    }

    pub(super) fn end_of_line(&mut self) -> Lex<()> {
        self.blanks()?;
        if self.peek()? == Some('#') {
            self.comment()?;
        }
        match self.peek()? {
            None => Ok(()),
            Some('\n' | '\r') => {
                self.take('\r')?;
                self.take('\n').map(|_| ())
            }
            other => self.error(format!(
                "expected a top-level item to end with a newline, comment, or EOF, but got {} instead",
                shown(other)
            )),
        }
    }

    fn key_part(&mut self) -> Lex<Str> {
        match self.peek()? {
            Some('"') => {
                self.next()?;
                self.basic(false)
            }
            Some('\'') => {
                self.next()?;
                self.literal(false)
            }
            _ => self.take_while(is_bare).map(Str::from),
        }
    }

    /// Reads a key and the equals sign after it.
    pub(super) fn key(&mut self) -> Lex<Vec<Str>> {
        self.blanks()?;
        match self.peek()? {
            None | Some('=') => return self.error("unexpected '=': key name appears blank"),
            Some('.') => return self.error("unexpected '.': keys cannot start with a '.'"),
            _ => {}
        }
        let mut path = Vec::new();
        loop {
            self.blanks()?;
            match self.peek()? {
                Some('.') => return self.error("unexpected '.'"),
                Some('=') | None => return self.error("unexpected '='"),
                _ => {}
            }
            path.push(self.key_part()?);
            self.blanks()?;
            match self.peek()? {
                Some('.') => {
                    self.next()?;
                }
                Some('=') => {
                    self.next()?;
                    return Ok(path);
                }
                None => return self.error("unexpected EOF; expected key separator '='"),
                other => return self.error(format!("expected '.' or '=', but got {} instead", shown(other))),
            }
        }
    }

    /// Reads a header; whether it is one of a list of tables.
    pub(super) fn header(&mut self) -> Lex<(Vec<Str>, bool)> {
        self.take('[')?;
        let array = self.take('[')?;
        let mut path = Vec::new();
        loop {
            self.blanks()?;
            match self.peek()? {
                None | Some(']') => return self.error("unexpected end of table name (table names cannot be empty)"),
                Some('.') => return self.error("unexpected table separator (table names cannot be empty)"),
                _ => {}
            }
            path.push(self.key_part()?);
            self.blanks()?;
            match self.next()? {
                Some('.') => {}
                Some(']') => break,
                other => {
                    return self
                        .error(format!("expected '.' or ']' to end table name, but got {} instead", shown(other)));
                }
            }
        }
        if array {
            match self.next()? {
                Some(']') => {}
                other => {
                    return self.error(format!(
                        "expected end of table array name delimiter ']', but got {} instead",
                        shown(other)
                    ));
                }
            }
        }
        Ok((path, array))
    }

    /// Whether another item follows in an array.
    pub(super) fn array_item(&mut self, first: bool) -> Lex<bool> {
        let mut next = self.space()?;
        if !first {
            match next {
                Some(',') => {
                    self.next()?;
                    next = self.space()?;
                }
                Some(']') => {}
                None => return self.error("expected a comma (',') or array terminator (']'), but got end of file"),
                other => {
                    let other = shown(other);
                    return self.error(format!("expected a comma (',') or array terminator (']'), but got {other}"));
                }
            }
        }
        self.more(next, ']')
    }

    /// Whether another pair follows in an inline table.
    pub(super) fn table_item(&mut self, first: bool) -> Lex<bool> {
        let mut next = self.space()?;
        if !first {
            let expected = "expected a comma or an inline table terminator '}', but got";
            match next {
                Some(',') => {
                    self.next()?;
                    next = self.space()?;
                }
                Some('}') => {}
                None => return self.error(format!("{expected} end of file instead")),
                other => return self.error(format!("{expected} {} instead", shown(other))),
            }
        }
        self.more(next, '}')
    }

    fn more(&mut self, next: Option<char>, end: char) -> Lex<bool> {
        if next == Some(',') {
            return self.error("unexpected comma");
        }
        if next == Some(end) {
            self.next()?;
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn value(&mut self) -> Lex<Token> {
        self.blanks()?;
        let start = self.at;
        let value = match self.peek()? {
            None => return self.error("unexpected EOF; expected value"),
            Some('[') => {
                self.next()?;
                return Ok(Token::Array);
            }
            Some('{') => {
                self.next()?;
                return Ok(Token::Table);
            }
            Some('"') => {
                self.next()?;
                let long = self.text[self.at..].starts_with(b"\"\"");
                self.at += if long { 2 } else { 0 };
                Value::String(self.basic(long)?)
            }
            Some('\'') => {
                self.next()?;
                let long = self.text[self.at..].starts_with(b"''");
                self.at += if long { 2 } else { 0 };
                Value::String(self.literal(long)?)
            }
            Some('.') => return self.error("floats must start with a digit, not '.'"),
            Some('+' | '-' | '0'..='9') => self.number()?,
            Some('i') if self.text[start..].starts_with(b"inf") => self.special(3, f64::INFINITY),
            Some('n') if self.text[start..].starts_with(b"nan") => self.special(3, f64::NAN),
            Some(rune) if rune.is_alphabetic() => {
                // What was taken for the beginning of `inf` or `nan` is not shown again.
                let rest = &self.text[start..];
                self.at += usize::from(rest.starts_with(b"in") || rest.starts_with(b"na"));
                match self.take_while(char::is_alphabetic)? {
                    b"true" => Value::Bool(true),
                    b"false" => Value::Bool(false),
                    word => {
                        let word = strconv::quote(word);
                        return self.error(format!("expected value but found {word} instead"));
                    }
                }
            }
            other => return self.error(format!("expected value but found {} instead", shown(other))),
        };
        Ok(Token::Scalar(value))
    }

    fn special(&mut self, length: usize, number: f64) -> Value {
        self.at += length;
        Value::Float64(number)
    }

    fn number(&mut self) -> Lex<Value> {
        let start = self.at;
        let sign = self.peek()?.filter(|r| matches!(r, '+' | '-'));
        if sign.is_some() {
            self.next()?;
            let signed = |n: f64| if sign == Some('-') { -n } else { n };
            match self.peek()? {
                Some('0'..='9') => {}
                Some(letter @ ('i' | 'n')) => {
                    let (word, number) = if letter == 'i' { ("inf", f64::INFINITY) } else { ("nan", f64::NAN) };
                    if self.text[self.at..].starts_with(word.as_bytes()) {
                        return Ok(self.special(3, signed(number)));
                    }
                    let taken = String::from_utf8_lossy(&self.text[start..=self.at]);
                    return self.error(format!("invalid float: '{taken}'"));
                }
                other => return self.error(format!("expected a digit but got {}", shown(other))),
            }
        }
        if let [b'0', prefix @ (b'b' | b'o' | b'x'), ..] = &self.text[self.at..] {
            return self.based(start, *prefix, sign.is_some());
        }
        self.take_while(|r| r.is_ascii_digit())?;
        match self.peek()? {
            Some('-' | ':') if sign.is_none() => return self.date(start),
            _ => {}
        }
        self.take_while(|r| r.is_ascii_digit() || r == '_')?;
        if matches!(self.peek()?, Some('.' | 'e' | 'E')) {
            self.take_while(|r| r.is_ascii_digit() || matches!(r, '_' | '.' | '-' | '+' | 'e' | 'E'))?;
            return self.float(start);
        }
        self.integer(start)
    }

    /// A number after `0b`, `0o` or `0x`.
    fn based(&mut self, start: usize, prefix: u8, signed: bool) -> Lex<Value> {
        self.at += 2;
        if signed {
            let taken = String::from_utf8_lossy(&self.text[start..self.at]);
            return self.error(format!("cannot use sign with non-decimal numbers: '{taken}'"));
        }
        let (base, name) = match prefix {
            b'b' => (2, "a binary"),
            b'o' => (8, "an octal"),
            _ => (16, "a hexadecimal"),
        };
        match self.peek()? {
            Some(digit) if digit.is_digit(base) => {}
            other => {
                let taken = String::from_utf8_lossy(&self.text[start..self.at]);
                return self.error(format!("not {name} number: '{taken}{}'", other.unwrap_or('\0')));
            }
        }
        self.take_while(|r| r.is_digit(base) || r == '_')?;
        self.integer(start)
    }

    fn integer(&mut self, start: usize) -> Lex<Value> {
        let text = &self.text[start..self.at];
        let quoted = strconv::quote(text);
        if !underscores_between_digits(text) {
            return self.error(format!("Invalid integer {quoted}: underscores must be surrounded by digits"));
        }
        if leading_zeros(text) {
            return self.error(format!("Invalid integer {quoted}: cannot have leading zeroes"));
        }
        let digits: Vec<u8> = text.iter().copied().filter(|b| *b != b'_').collect();
        match strconv::parse_int(&digits, 0, 64) {
            Ok(number) => Ok(Value::Int64(number)),
            Err(_) => self.error(format!("{} is out of range for int64", String::from_utf8_lossy(text))),
        }
    }

    fn float(&mut self, start: usize) -> Lex<Value> {
        let text = &self.text[start..self.at];
        let quoted = strconv::quote(text);
        let parts = text.split(|b| matches!(b, b'.' | b'e' | b'E'));
        // A sign without a digit after it is told of in the same words.
        if parts.clone().any(|part| !underscores_between_digits(part) || matches!(part.last(), Some(b'+' | b'-'))) {
            return self.error(format!("Invalid float {quoted}: underscores must be surrounded by digits"));
        }
        let whole = parts.clone().next().unwrap_or_default();
        if leading_zeros(whole) {
            return self.error(format!("Invalid float {quoted}: cannot have leading zeroes"));
        }
        let points = text.iter().enumerate().filter(|(_, b)| **b == b'.');
        if points.clone().any(|(at, _)| !text.get(at + 1).is_some_and(u8::is_ascii_digit)) {
            return self.error(format!("Invalid float {quoted}: '.' must be followed by one or more digits"));
        }
        let digits: Vec<u8> = text.iter().copied().filter(|b| *b != b'_').collect();
        match strconv::parse_float(&digits) {
            Ok(number) => Ok(Value::Float64(number)),
            Err(error) if error.kind == strconv::NumErrorKind::Range => {
                self.error(format!("{} is out of range for float64", String::from_utf8_lossy(text)))
            }
            Err(_) => self.error(format!("Invalid float value: {quoted}")),
        }
    }

    fn date(&mut self, start: usize) -> Lex<Value> {
        self.take_while(|r| r.is_ascii_digit() || matches!(r, '-' | ':' | 'T' | 't' | ' ' | '.' | 'Z' | 'z' | '+'))?;
        let text = self.text[start..self.at].trim_ascii_end();
        let mut plain = text.to_ascii_uppercase();
        plain.iter_mut().filter(|b| **b == b' ').for_each(|b| *b = b'T');
        const LAYOUTS: [(&str, Option<&str>); 7] = [
            ("2006-01-02T15:04:05Z07:00", None),
            ("2006-01-02T15:04Z07:00", None),
            ("2006-01-02T15:04:05", Some("datetime-local")),
            ("2006-01-02T15:04", Some("datetime-local")),
            ("2006-01-02", Some("date-local")),
            ("15:04:05", Some("time-local")),
            ("15:04", Some("time-local")),
        ];
        for (layout, zone) in LAYOUTS {
            if let Ok(mut time) = time::parse(layout.as_bytes(), &plain, &Utc) {
                if let Some(zone) = zone {
                    zone.clone_into(&mut time.zone);
                }
                return Ok(Value::Time(Rc::new(time)));
            }
        }
        self.error(format!("invalid datetime: {}", strconv::quote(&plain)))
    }

    /// A string in single quotes, after the first.
    fn literal(&mut self, long: bool) -> Lex<Str> {
        if long {
            self.first_line_end()?;
        }
        let start = self.at;
        loop {
            match self.peek()? {
                None if long => return self.error("unexpected EOF; expected \"'''\""),
                None => return self.error("unexpected EOF; expected \"'\""),
                Some(end @ ('\n' | '\r')) if !long => return self.newline_in_string(end),
                Some('\'') => {
                    if let Some(inside) = self.quotes(b'\'', long)? {
                        return Ok(Str::from(&self.text[start..self.at - inside]));
                    }
                }
                Some(_) => {
                    self.next()?;
                }
            }
        }
    }

    /// Reads quotes; if they end the string, how many bytes at the end are no longer part of it.
    fn quotes(&mut self, quote: u8, long: bool) -> Lex<Option<usize>> {
        if !long {
            self.at += 1;
            return Ok(Some(1));
        }
        let count = self.text[self.at..].iter().take_while(|b| **b == quote).count();
        // Two quotes may stand right before the end.
        if count > 5 {
            let six = char::from(quote).to_string().repeat(6);
            return self.error(format!("unexpected '{six}'"));
        }
        self.at += count;
        Ok((count >= 3).then_some(3))
    }

    fn first_line_end(&mut self) -> Lex<()> {
        self.take('\r')?;
        self.take('\n').map(|_| ())
    }

    /// A string in double quotes, after the first.
    fn basic(&mut self, long: bool) -> Lex<Str> {
        if long {
            self.first_line_end()?;
        }
        let start = self.at;
        let mut out = Vec::new();
        loop {
            match self.peek()? {
                None if long => return self.error("unexpected EOF; expected '\"\"\"'"),
                None => return self.error("unexpected EOF; expected '\"'"),
                Some(end @ ('\n' | '\r')) if !long => return self.newline_in_string(end),
                Some('"') => {
                    let before = self.at;
                    if let Some(inside) = self.quotes(b'"', long)? {
                        out.extend_from_slice(&self.text[before..self.at - inside]);
                        return Ok(Str::from(out));
                    }
                    out.extend_from_slice(&self.text[before..self.at]);
                }
                Some('\\') => self.escape(&mut out, start, long)?,
                Some(rune) => {
                    unicode::push_rune(&mut out, rune);
                    self.next()?;
                }
            }
        }
    }

    fn escape(&mut self, out: &mut Vec<u8>, start: usize, long: bool) -> Lex<()> {
        self.next()?;
        let rune = self.next()?;
        let (digits, count) = match rune {
            Some('b') => return push(out, 8),
            Some('t') => return push(out, b'\t'),
            Some('n') => return push(out, b'\n'),
            Some('f') => return push(out, 12),
            Some('r') => return push(out, b'\r'),
            Some('e') => return push(out, 27),
            Some('"') => return push(out, b'"'),
            Some('\\') => return push(out, b'\\'),
            Some('x') => (2, "two"),
            Some('u') => (4, "four"),
            Some('U') => (8, "eight"),
            Some(' ' | '\t' | '\r' | '\n') if long => {
                // A backslash at the end of a line takes all white space after it away.
                let mut ended = rune == Some('\n');
                while let Some(next @ (' ' | '\t' | '\r' | '\n')) = self.peek()? {
                    ended |= next == '\n';
                    self.next()?;
                }
                return if ended { Ok(()) } else { self.error("invalid escape in string '\\ '") };
            }
            other => {
                let other = other.map_or_else(|| "\\x00".to_owned(), |rune| rune.to_string());
                return self.error(format!("invalid escape in string '\\{other}'"));
            }
        };
        let letter = rune.unwrap_or('u');
        let hex_start = self.at;
        let mut code = 0_u32;
        for _ in 0..digits {
            let next = self.next()?;
            let Some(digit) = next.and_then(|rune| rune.to_digit(16)) else {
                let taken = strconv::quote(&self.text[start..self.at]);
                return self
                    .error(format!("expected {count} hexadecimal digits after '\\{letter}', but got {taken} instead"));
            };
            code = code.wrapping_mul(16).wrapping_add(digit);
        }
        match char::from_u32(code) {
            Some(rune) => {
                unicode::push_rune(out, rune);
                Ok(())
            }
            None => {
                let hex = String::from_utf8_lossy(&self.text[hex_start..self.at]).to_lowercase();
                self.error(format!("Escaped character '\\u{hex}' is not valid UTF-8."))
            }
        }
    }
}

fn push(out: &mut Vec<u8>, byte: u8) -> Lex<()> {
    out.push(byte);
    Ok(())
}

/// Whether each underscore stands between digits.
fn underscores_between_digits(text: &[u8]) -> bool {
    let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_hexdigit);
    text.iter().enumerate().all(|(at, b)| *b != b'_' || digit(at.checked_sub(1)) && digit(Some(at + 1)))
}

/// Whether a decimal number begins with a zero that it does not need.
fn leading_zeros(text: &[u8]) -> bool {
    let digits = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    matches!(digits, [b'0', b'0'..=b'9' | b'_', ..])
}
