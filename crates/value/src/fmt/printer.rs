//! Printing one argument under one directive, as Go's `pp` and `fmt` types do between them.

use super::{Endless, MAX_DEPTH, MAX_TEXT, number::Integer};
use crate::{List, Map, Object, Value};
use pintle_golib::{strconv, time::Time, unicode};

/// The flags of a directive: what stood between `%` and the verb.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Flags {
    pub(super) width: Option<usize>,
    pub(super) precision: Option<usize>,
    pub(super) minus: bool,
    pub(super) plus: bool,
    pub(super) sharp: bool,
    pub(super) space: bool,
    pub(super) zero: bool,
    /// `%+v`: field names.
    pub(super) plus_v: bool,
    /// `%#v`: Go syntax.
    pub(super) sharp_v: bool,
}

pub(super) struct Printer<'a> {
    out: &'a mut Vec<u8>,
    pub(super) flags: Flags,
    /// The length of `out` that must not be passed.
    end: usize,
    /// Inside `%!verb(…)` methods are not called.
    complaining: bool,
    endless: bool,
}

// A real address differs from run to run; nobody can depend on it.
const ADDRESS: u64 = 0xc0_0000_0000;

impl<'a> Printer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        let end = out.len().saturating_add(MAX_TEXT);
        Self { out, flags: Flags::default(), end, complaining: false, endless: false }
    }

    pub(super) fn finish(self) -> Result<(), Endless> {
        if self.endless { Err(Endless) } else { Ok(()) }
    }

    pub(super) fn is_full(&self) -> bool {
        self.endless
    }

    pub(super) fn write(&mut self, bytes: &[u8]) {
        if self.out.len() + bytes.len() > self.end {
            self.endless = true;
        } else {
            self.out.extend_from_slice(bytes);
        }
    }

    fn fill(&mut self, byte: u8, count: usize) {
        if count > self.end.saturating_sub(self.out.len()) {
            self.endless = true;
        } else {
            self.out.resize(self.out.len() + count, byte);
        }
    }

    /// Writes `%!VERB` and a remark.
    pub(super) fn complain(&mut self, verb: &[u8], remark: &[u8]) {
        self.write(b"%!");
        self.write(verb);
        self.write(remark);
    }

    /// Writes the text with the padding that the width asks for, counted in runes.
    pub(super) fn pad(&mut self, text: &[u8]) {
        let missing = self.flags.width.map_or(0, |width| width.saturating_sub(unicode::rune_count(text)));
        if missing == 0 {
            self.write(text);
        } else if self.flags.minus {
            self.write(text);
            self.fill(b' ', missing);
        } else {
            self.fill(if self.flags.zero { b'0' } else { b' ' }, missing);
            self.write(text);
        }
    }

    fn pad_without_zeros(&mut self, text: &[u8]) {
        let zero = std::mem::take(&mut self.flags.zero);
        self.pad(text);
        self.flags.zero = zero;
    }

    /// Prints an argument as it was given to `Printf`.
    pub(super) fn argument(&mut self, value: &Value, verb: char) {
        match (value, verb) {
            (Value::Nil, 'T' | 'v') => self.pad(b"<nil>"),
            (Value::Nil, _) => self.wrong_verb(value, verb),
            (_, 'T') => self.string(value.type_name().as_bytes(), 's', value),
            (Value::List(_) | Value::Map(_) | Value::Bytes(_), 'p') => self.address(verb, value),
            (Value::Object(o), 'p') if o.is_pointer() => self.address(verb, value),
            (_, 'p') => self.wrong_verb(value, verb),
            (Value::Bytes(bytes), _) => self.bytes(bytes, verb, "[]byte", value),
            _ => {
                if !self.method(value, verb) {
                    self.value(value, verb, 0);
                }
            }
        }
    }

    /// Prints a value inside a composite.
    fn element(&mut self, value: &Value, verb: char, depth: usize) {
        if self.endless {
            return;
        }
        if depth > MAX_DEPTH {
            self.endless = true;
            return;
        }
        match value {
            Value::Nil => self.write(if self.flags.sharp_v { b"interface {}(nil)" } else { b"<nil>" }),
            Value::Bytes(bytes) if matches!(verb, 's' | 'q' | 'x' | 'X') => self.bytes(bytes, verb, "[]uint8", value),
            _ => {
                if !self.method(value, verb) {
                    self.value(value, verb, depth);
                }
            }
        }
    }

    /// Prints by the `String` method, if the type has one and the verb asks for it.
    fn method(&mut self, value: &Value, verb: char) -> bool {
        if self.complaining {
            return false;
        }
        if verb == 'w' {
            self.wrong_verb(value, verb);
            return true;
        }
        if self.flags.sharp_v {
            if let Value::Time(time) = value {
                let text = go_syntax(time);
                self.truncated(text.as_bytes());
                return true;
            }
            return false;
        }
        if !matches!(verb, 'v' | 's' | 'x' | 'X' | 'q') {
            return false;
        }
        let text = match value {
            Value::Time(time) => time.to_string(),
            Value::Duration(duration) => duration.to_string(),
            Value::Object(object) => match object.text() {
                Some(text) => text,
                None => return false,
            },
            _ => return false,
        };
        self.string(text.as_bytes(), verb, value);
        true
    }

    /// Prints by the value's kind.
    fn value(&mut self, value: &Value, verb: char, depth: usize) {
        match value {
            Value::Nil => self.write(b"<nil>"),
            Value::Bool(b) => {
                if matches!(verb, 't' | 'v') {
                    self.pad(if *b { b"true" } else { b"false" });
                } else {
                    self.wrong_verb(value, verb);
                }
            }
            Value::Int(n) | Value::Int64(n) => self.integer(Integer::signed(*n), verb, value),
            Value::Duration(d) => self.integer(Integer::signed(d.nanos()), verb, value),
            Value::Uint8(n) => self.integer(Integer::unsigned(u64::from(*n)), verb, value),
            Value::Uint64(n) => self.integer(Integer::unsigned(*n), verb, value),
            Value::Float64(n) => self.float(*n, verb, value),
            Value::Complex128(c) => self.complex(**c, verb, value),
            Value::String(s) => self.string(s, verb, value),
            Value::Bytes(bytes) => self.byte_list(bytes, verb, "[]uint8", value),
            Value::List(list) => self.list(list, verb, depth),
            Value::Map(map) => self.map(map, verb, depth),
            Value::Time(time) => self.time(time, verb, depth),
            Value::Object(object) => match object.int() {
                Some(number) => self.integer(Integer::signed(number), verb, value),
                None => self.object(&**object, verb, depth, value),
            },
        }
    }

    fn list(&mut self, list: &List, verb: char, depth: usize) {
        let go = self.flags.sharp_v;
        if go {
            self.write(Value::List(list.clone()).type_name().as_bytes());
            if list.is_nil() {
                self.write(b"(nil)");
                return;
            }
        }
        self.write(if go { b"{" } else { b"[" });
        for (at, item) in list.items().iter().enumerate() {
            if at > 0 {
                self.write(if go { b", " } else { b" " });
            }
            self.element(item, verb, depth + 1);
            if self.endless {
                return;
            }
        }
        self.write(if go { b"}" } else { b"]" });
    }

    fn map(&mut self, map: &Map, verb: char, depth: usize) {
        let go = self.flags.sharp_v;
        if go {
            self.write(Value::Map(map.clone()).type_name().as_bytes());
            if map.is_nil() {
                self.write(b"(nil)");
                return;
            }
        }
        self.write(if go { b"{" } else { b"map[" });
        for (at, (key, item)) in map.entries().iter().enumerate() {
            if at > 0 {
                self.write(if go { b", " } else { b" " });
            }
            self.string(key, verb, &Value::String(key.clone()));
            self.write(b":");
            self.element(item, verb, depth + 1);
            if self.endless {
                return;
            }
        }
        self.write(if go { b"}" } else { b"]" });
    }

    fn object(&mut self, object: &dyn Object, verb: char, depth: usize, whole: &Value) {
        if object.is_pointer() {
            if depth > 0 {
                self.address(verb, whole);
                return;
            }
            self.write(b"&");
        }
        self.fields(object.type_name().trim_start_matches('*'), &object.printed(), verb, depth);
    }

    fn fields(&mut self, type_name: &str, fields: &[(&'static str, Value)], verb: char, depth: usize) {
        let go = self.flags.sharp_v;
        if go {
            self.write(type_name.as_bytes());
        }
        self.write(b"{");
        for (at, (name, field)) in fields.iter().enumerate() {
            if at > 0 {
                self.write(if go { b", " } else { b" " });
            }
            if go || self.flags.plus_v {
                self.write(name.as_bytes());
                self.write(b":");
            }
            self.element(field, verb, depth + 1);
        }
        self.write(b"}");
    }

    /// A time under a verb that is none for texts: its hidden fields show.
    fn time(&mut self, time: &Time, verb: char, depth: usize) {
        // Go counts the seconds from the year 1.
        let seconds = time.unix.wrapping_add(62_135_596_800);
        self.fields(
            "time.Time",
            &[("wall", Value::Uint64(u64::from(time.nanos))), ("ext", Value::Int64(seconds))],
            verb,
            depth,
        );
        // The zone is a pointer, nil for UTC: it takes the place of the closing brace just written.
        if !self.endless {
            self.out.pop();
            self.write(if self.flags.plus_v { b" loc:" } else { b" " });
            self.pointer(if time.zone == "UTC" { 0 } else { ADDRESS }, verb, "*time.Location");
            self.write(b"}");
        }
    }

    fn address(&mut self, verb: char, value: &Value) {
        let known = matches!(verb, 'v' | 'p' | 'b' | 'o' | 'd' | 'x' | 'X');
        if !known && let Value::Object(_) = value {
            // The complaint shows what it points to.
            self.wrong_verb(value, verb);
            return;
        }
        self.pointer(ADDRESS, verb, value.type_name());
    }

    fn pointer(&mut self, address: u64, verb: char, type_name: &str) {
        let number = Integer::unsigned(address);
        match verb {
            'v' if self.flags.sharp_v => {
                self.write(b"(");
                self.write(type_name.as_bytes());
                self.write(b")(");
                if address == 0 {
                    self.write(b"nil");
                } else {
                    self.prefixed_hex(number);
                }
                self.write(b")");
            }
            'v' if address == 0 => self.pad(b"<nil>"),
            'v' => self.prefixed_hex(number),
            'p' => {
                let sharp = self.flags.sharp;
                self.flags.sharp = !sharp;
                self.digits(number, 16, 'v', b"0123456789abcdef");
                self.flags.sharp = sharp;
            }
            'b' | 'o' | 'd' | 'x' | 'X' => self.integer(number, verb, &Value::Uint64(address)),
            _ => {
                let mut spelled = [0; 4];
                self.complain(verb.encode_utf8(&mut spelled).as_bytes(), b"(");
                self.write(type_name.as_bytes());
                self.write(b"=");
                self.pointer(address, 'v', type_name);
                self.write(b")");
            }
        }
    }

    pub(super) fn prefixed_hex(&mut self, number: Integer) {
        let sharp = std::mem::replace(&mut self.flags.sharp, true);
        self.digits(number, 16, 'v', b"0123456789abcdef");
        self.flags.sharp = sharp;
    }

    /// Writes `%!verb(type=value)`.
    pub(super) fn wrong_verb(&mut self, value: &Value, verb: char) {
        let mut spelled = [0; 4];
        self.complain(verb.encode_utf8(&mut spelled).as_bytes(), b"(");
        if matches!(value, Value::Nil) {
            self.write(b"<nil>");
        } else {
            let before = std::mem::replace(&mut self.complaining, true);
            self.write(value.type_name().as_bytes());
            self.write(b"=");
            self.argument(value, 'v');
            self.complaining = before;
        }
        self.write(b")");
    }

    /// Writes a string, cut at the precision and padded to the width.
    pub(super) fn truncated(&mut self, text: &[u8]) {
        self.pad(self.cut(text));
    }

    /// The first runes of the text, as many as the precision allows.
    fn cut<'t>(&self, text: &'t [u8]) -> &'t [u8] {
        let Some(precision) = self.flags.precision else { return text };
        if text.len() <= precision {
            return text;
        }
        let mut end = 0;
        for _ in 0..precision {
            if end == text.len() {
                break;
            }
            end += unicode::decode(&text[end..]).1;
        }
        &text[..end]
    }

    fn string(&mut self, text: &[u8], verb: char, whole: &Value) {
        match verb {
            'v' if self.flags.sharp_v => self.quoted(text),
            'v' | 's' => self.truncated(text),
            'x' => self.hex(text, b"0123456789abcdef", b"0x"),
            'X' => self.hex(text, b"0123456789ABCDEF", b"0X"),
            'q' => self.quoted(text),
            _ => self.wrong_verb(whole, verb),
        }
    }

    fn quoted(&mut self, text: &[u8]) {
        let text = self.cut(text);
        let mut quoted = Vec::with_capacity(text.len() + 2);
        if self.flags.sharp && strconv::can_backquote(text) {
            quoted.push(b'`');
            quoted.extend_from_slice(text);
            quoted.push(b'`');
        } else if self.flags.plus {
            strconv::append_quote_to_ascii(&mut quoted, text);
        } else {
            strconv::append_quote(&mut quoted, text);
        }
        self.pad(&quoted);
    }

    /// Writes the bytes in hexadecimal.
    fn hex(&mut self, text: &[u8], digits: &[u8; 16], prefix: &[u8]) {
        let text = self.flags.precision.map_or(text, |precision| &text[..text.len().min(precision)]);
        let mut hex = Vec::with_capacity(text.len() * if self.flags.space { 5 } else { 2 } + 2);
        for (at, byte) in text.iter().enumerate() {
            if self.flags.space && at > 0 {
                hex.push(b' ');
            }
            if self.flags.sharp && (self.flags.space || at == 0) {
                hex.extend_from_slice(prefix);
            }
            hex.push(digits[usize::from(byte >> 4)]);
            hex.push(digits[usize::from(byte & 15)]);
        }
        self.pad(&hex);
    }

    fn bytes(&mut self, bytes: &[u8], verb: char, type_name: &str, whole: &Value) {
        match verb {
            'v' | 'd' => self.byte_list(bytes, verb, type_name, whole),
            's' | 'x' | 'X' | 'q' => self.string(bytes, verb, whole),
            _ => self.byte_list(bytes, verb, "[]uint8", whole),
        }
    }

    fn byte_list(&mut self, bytes: &[u8], verb: char, type_name: &str, whole: &Value) {
        let go = self.flags.sharp_v;
        if go {
            self.write(type_name.as_bytes());
            if whole.is_nil() {
                self.write(b"(nil)");
                return;
            }
        }
        self.write(if go { b"{" } else { b"[" });
        for (at, byte) in bytes.iter().enumerate() {
            if at > 0 {
                self.write(if go { b", " } else { b" " });
            }
            self.integer(Integer::unsigned(u64::from(*byte)), verb, &Value::Uint8(*byte));
            if self.endless {
                return;
            }
        }
        self.write(if go { b"}" } else { b"]" });
    }

    /// Pads a number's text whose zeros, if any, are in already.
    pub(super) fn pad_number(&mut self, text: &[u8]) {
        self.pad_without_zeros(text);
    }

    /// Writes a text with a sign before the zeros of its padding.
    pub(super) fn pad_after_sign(&mut self, sign: u8, digits: &[u8], width: usize) {
        self.write(&[sign]);
        self.fill(b'0', width.saturating_sub(digits.len() + 1));
        self.write(digits);
    }
}

/// What `%#v` prints for a time.
fn go_syntax(time: &Time) -> String {
    let (hour, minute, second) = time.clock();
    let zone = match time.zone.as_str() {
        "UTC" | "" => "time.UTC".to_owned(),
        "Local" => "time.Local".to_owned(),
        name => {
            let mut quoted = Vec::new();
            strconv::append_quote(&mut quoted, name.as_bytes());
            format!("time.Location({})", String::from_utf8_lossy(&quoted))
        }
    };
    format!(
        "time.Date({}, time.{}, {}, {hour}, {minute}, {second}, {}, {zone})",
        time.year(),
        time.month().name(),
        time.day(),
        time.nanos
    )
}
