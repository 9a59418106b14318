//! Text out: go-yaml's block style, written straight into one buffer.
//!
//! The rules about blanks and line breaks live in two flags, as libyaml has them: whether a blank was just written, and
//! whether nothing but indentation and indicators stands on the line so far.

mod analysis;
mod order;
mod walk;

use analysis::Analysis;
use order::sort_keys;
pub(crate) use walk::{BYTES, DEPTH, Form, Rest, write};

/// Whose habits to follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// Folds at 80 columns, does not indent sequences within mappings, knows the booleans of YAML 1.1.
    V2,
    /// Does not fold, indents sequences.
    V3,
}

/// Columns per level.
const INDENT: usize = 2;
/// From which column on go-yaml v2 looks for a place to fold.
const WIDTH: usize = 80;
/// The longest key that is written without `?`, in bytes.
const LONGEST_SIMPLE_KEY: usize = 128;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quoting {
    Plain,
    Single,
    Double,
    Literal,
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Root,
    /// An entry of a sequence.
    Entry,
    /// A value of a mapping, or a key after `?`.
    Value,
}

pub(crate) struct Emitter {
    out: Vec<u8>,
    dialect: Dialect,
    /// Characters on the line so far.
    column: usize,
    /// Of the innermost block collection; none outside of all.
    indent: Option<usize>,
    /// Whether what was written last separates words.
    whitespace: bool,
    /// Whether the line has only indentation and indicators.
    indention: bool,
}

impl Emitter {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self { out: Vec::with_capacity(256), dialect, column: 0, indent: None, whitespace: true, indention: true }
    }

    /// How much is written.
    pub(crate) fn len(&self) -> usize {
        self.out.len()
    }

    /// The text, with a line break at its end.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.indent = None;
        self.start_line();
        self.out
    }

    fn byte(&mut self, byte: u8) {
        self.out.push(byte);
        self.column += usize::from(byte & 0xC0 != 0x80);
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.out.extend_from_slice(bytes);
        self.column += bytes.iter().filter(|b| **b & 0xC0 != 0x80).count();
    }

    fn line_break(&mut self) {
        self.out.push(b'\n');
        self.column = 0;
    }

    /// Goes to the indentation of the innermost collection, on a new line unless it can still be had on this one.
    fn start_line(&mut self) {
        self.start_line_at(self.indent.unwrap_or(0));
    }

    fn start_line_at(&mut self, indent: usize) {
        if !self.indention || self.column > indent || (self.column == indent && !self.whitespace) {
            self.line_break();
        }
        if let Some(missing) = indent.checked_sub(self.column) {
            self.out.resize(self.out.len() + missing, b' ');
            self.column = indent;
        }
        self.whitespace = true;
        self.indention = true;
    }

    /// An indicator after which the line counts as text.
    fn indicator(&mut self, text: &[u8]) {
        self.separate();
        self.bytes(text);
        self.whitespace = false;
        self.indention = false;
    }

    /// `-`, `?` and `:` that may be followed by a collection on the same line.
    fn block_indicator(&mut self, indicator: u8) {
        self.separate();
        self.byte(indicator);
        self.whitespace = false;
    }

    fn separate(&mut self) {
        if !self.whitespace {
            self.byte(b' ');
        }
    }

    /// Enters a block sequence; gives the indentation to go back to.
    pub(crate) fn enter_sequence(&mut self, place: Place) -> Option<usize> {
        let flush = self.dialect == Dialect::V2 && place == Place::Value && !self.indention;
        self.enter(flush)
    }

    /// Enters a block mapping; gives the indentation to go back to.
    pub(crate) fn enter_mapping(&mut self) -> Option<usize> {
        self.enter(false)
    }

    fn enter(&mut self, flush: bool) -> Option<usize> {
        let before = self.indent;
        self.indent = Some(match before {
            None => 0,
            Some(indent) if flush => indent,
            Some(indent) => indent + INDENT,
        });
        before
    }

    pub(crate) fn leave(&mut self, indent: Option<usize>) {
        self.indent = indent;
    }

    /// Begins an entry of the sequence.
    pub(crate) fn entry(&mut self) {
        self.start_line();
        self.block_indicator(b'-');
    }

    /// Writes a key and its `:`.
    pub(crate) fn key(&mut self, key: &[u8]) {
        self.tagged_key(&[], key);
    }

    /// Writes a key with a tag.
    pub(crate) fn tagged_key(&mut self, tag: &[u8], key: &[u8]) {
        self.start_line();
        let analysis = Analysis::of(key, self.dialect);
        if tag.len() + key.len() <= LONGEST_SIMPLE_KEY && !analysis.multiline {
            self.tag(tag);
            let quoting = self.quoting(key, &analysis, !tag.is_empty(), true);
            self.write(key, quoting, &analysis, false);
            self.byte(b':');
            self.whitespace = false;
            self.indention = false;
            return;
        }
        self.block_indicator(b'?');
        self.tag(tag);
        let quoting = self.quoting(key, &analysis, !tag.is_empty(), false);
        self.write(key, quoting, &analysis, true);
        self.start_line();
        self.block_indicator(b':');
    }

    fn tag(&mut self, tag: &[u8]) {
        if !tag.is_empty() {
            self.separate();
            self.bytes(tag);
            self.whitespace = false;
        }
    }

    /// Writes what is never quoted: numbers, booleans, null, times.
    pub(crate) fn bare(&mut self, text: &[u8]) {
        self.indicator(text);
    }

    /// `[]` or `{}`.
    pub(crate) fn empty_collection(&mut self, brackets: &[u8]) {
        self.indicator(brackets);
    }

    /// Writes a string.
    pub(crate) fn string(&mut self, text: &[u8]) {
        self.tagged_string(&[], text);
    }

    /// Writes a string with a tag.
    pub(crate) fn tagged_string(&mut self, tag: &[u8], text: &[u8]) {
        self.tag(tag);
        let analysis = Analysis::of(text, self.dialect);
        let quoting = self.quoting(text, &analysis, !tag.is_empty(), false);
        self.write(text, quoting, &analysis, true);
    }

    fn quoting(&self, text: &[u8], analysis: &Analysis, tagged: bool, simple_key: bool) -> Quoting {
        let wanted = if analysis.has_newline {
            Quoting::Literal
        } else if tagged || analysis::reads_as_text(text, self.dialect) {
            Quoting::Plain
        } else {
            Quoting::Double
        };
        match wanted {
            Quoting::Literal if !analysis.block_allowed || simple_key => Quoting::Double,
            Quoting::Plain if analysis.plain_allowed => Quoting::Plain,
            Quoting::Plain if analysis.single_allowed => Quoting::Single,
            Quoting::Plain => Quoting::Double,
            other => other,
        }
    }

    fn write(&mut self, text: &[u8], quoting: Quoting, analysis: &Analysis, foldable: bool) {
        let foldable = foldable && self.dialect == Dialect::V2;
        let indent = self.indent.map_or(INDENT, |indent| indent + INDENT);
        match quoting {
            Quoting::Plain => self.plain(text, indent, foldable),
            Quoting::Single => self.single_quoted(text, indent, foldable),
            Quoting::Double => self.double_quoted(text, indent, foldable),
            Quoting::Literal => self.literal(text, indent, analysis),
        }
        if quoting != Quoting::Literal {
            self.whitespace = false;
            self.indention = false;
        }
    }

    /// Whether the blank at `at` is a place to fold.
    fn folds(&self, text: &[u8], at: usize, was_blank: bool) -> bool {
        !was_blank && self.column > WIDTH && text.get(at + 1) != Some(&b' ')
    }

    fn plain(&mut self, text: &[u8], indent: usize, foldable: bool) {
        if self.dialect == Dialect::V2 || !text.is_empty() {
            self.separate();
        }
        if !foldable {
            self.bytes(text);
            return;
        }
        let mut was_blank = false;
        for (at, &byte) in text.iter().enumerate() {
            let is_blank = byte == b' ';
            if is_blank && self.folds(text, at, was_blank) {
                self.start_line_at(indent);
            } else {
                self.byte(byte);
                self.indention &= is_blank;
            }
            was_blank = is_blank;
        }
    }

    fn single_quoted(&mut self, text: &[u8], indent: usize, foldable: bool) {
        self.indicator(b"'");
        let mut was_blank = false;
        let mut was_break = false;
        let mut at = 0;
        while let Some(&byte) = text.get(at) {
            let break_length = analysis::line_break(&text[at..]);
            if byte == b' ' {
                if foldable && at > 0 && at + 1 < text.len() && self.folds(text, at, was_blank) {
                    self.start_line_at(indent);
                } else {
                    self.byte(byte);
                }
                was_blank = true;
            } else if break_length > 0 {
                if !was_break && byte == b'\n' {
                    self.line_break();
                }
                self.copy_break(&text[at..at + break_length]);
                was_break = true;
            } else {
                if was_break {
                    self.start_line_at(indent);
                }
                if byte == b'\'' {
                    self.byte(byte);
                }
                self.byte(byte);
                self.indention = false;
                was_blank = false;
                was_break = false;
            }
            at += break_length.max(1);
        }
        self.byte(b'\'');
    }

    /// Writes a line break as it is.
    fn copy_break(&mut self, text: &[u8]) {
        if text == b"\n" {
            self.line_break();
        } else {
            self.out.extend_from_slice(text);
            self.column = 0;
        }
        self.indention = true;
    }

    fn double_quoted(&mut self, text: &[u8], indent: usize, foldable: bool) {
        self.indicator(b"\"");
        // go-yaml looks for a byte order mark at the start of the text whichever character it is at.
        let escape_all = text.starts_with("\u{FEFF}".as_bytes());
        let mut was_blank = false;
        let shown = String::from_utf8_lossy(text);
        for (at, character) in shown.char_indices() {
            if escape_all
                || matches!(character, '"' | '\\')
                || !analysis::is_printable(character)
                || matches!(character, '\n' | '\u{2028}' | '\u{2029}')
            {
                self.escape(character);
                was_blank = false;
            } else if character == ' ' {
                if foldable && at > 0 && at + 1 < text.len() && !was_blank && self.column > WIDTH {
                    self.start_line_at(indent);
                    if text.get(at + 1) == Some(&b' ') {
                        self.byte(b'\\');
                    }
                } else {
                    self.byte(b' ');
                }
                was_blank = true;
            } else {
                self.bytes(character.encode_utf8(&mut [0; 4]).as_bytes());
                was_blank = false;
            }
        }
        self.byte(b'"');
    }

    fn escape(&mut self, character: char) {
        let short = match character {
            '\0' => "\\0",
            '\x07' => "\\a",
            '\x08' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\x0B' => "\\v",
            '\x0C' => "\\f",
            '\r' => "\\r",
            '\x1B' => "\\e",
            '"' => "\\\"",
            '\\' => "\\\\",
            '\u{85}' => "\\N",
            '\u{A0}' => "\\_",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => {
                let code = u32::from(character);
                let text = match code {
                    ..0x100 => format!("\\x{code:02X}"),
                    0x100..0x1_0000 => format!("\\u{code:04X}"),
                    _ => format!("\\U{code:08X}"),
                };
                self.bytes(text.as_bytes());
                return;
            }
        };
        self.bytes(short.as_bytes());
    }

    fn literal(&mut self, text: &[u8], indent: usize, analysis: &Analysis) {
        self.indicator(b"|");
        if matches!(text.first(), Some(b' ' | b'\n')) || analysis.leading_break {
            self.byte(b'2');
        }
        match analysis::trailing_breaks(text) {
            analysis::Trailing::None => self.byte(b'-'),
            analysis::Trailing::One => {}
            analysis::Trailing::More => self.byte(b'+'),
        }
        self.line_break();
        self.indention = true;
        self.whitespace = true;
        let mut was_break = true;
        let mut at = 0;
        while at < text.len() {
            let break_length = analysis::line_break(&text[at..]);
            if break_length > 0 {
                self.copy_break(&text[at..at + break_length]);
                was_break = true;
                at += break_length;
                continue;
            }
            if was_break {
                self.start_line_at(indent);
            }
            let length = 1 + text[at + 1..].iter().take_while(|b| !matches!(b, b'\n' | b'\r' | 0xC2 | 0xE2)).count();
            self.bytes(&text[at..at + length]);
            self.indention = false;
            was_break = false;
            at += length;
        }
    }
}
