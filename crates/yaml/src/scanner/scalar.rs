//! Scalars: plain, quoted, and blocks.

use super::{Kind, Scanner};
use crate::{Error, parser::Style};
use std::borrow::Cow;

/// A scalar's text while it is read: a slice of the source as long as it stands there as it is.
struct Text<'a> {
    source: &'a [u8],
    owned: Option<Vec<u8>>,
}

impl<'a> Text<'a> {
    fn new() -> Self {
        Self { source: &[], owned: None }
    }

    fn own(&mut self) -> &mut Vec<u8> {
        self.owned.get_or_insert_with(|| self.source.to_vec())
    }

    fn finish(self) -> Cow<'a, [u8]> {
        self.owned.map_or(Cow::Borrowed(self.source), Cow::Owned)
    }
}

/// Line breaks and blanks between two words of a scalar.
#[derive(Default)]
struct Gap {
    /// Bounds of the blanks, if there was no line break.
    blanks: (usize, usize),
    folded: bool,
    /// The first line break; none if it was escaped.
    first: &'static [u8],
    more: Vec<u8>,
}

impl Gap {
    /// The text that the gap leaves in a folded scalar.
    fn fold(&self, into: &mut Vec<u8>) {
        if self.first == b"\n" && self.more.is_empty() {
            into.push(b' ');
            return;
        }
        if self.first != b"\n" {
            into.extend_from_slice(self.first);
        }
        into.extend_from_slice(&self.more);
    }
}

/// Bytes that can end a run of a plain scalar.
const PLAIN_STOP: [bool; 256] = stops(b" \t\r\n:,?[]{}\xC2\xE2");
/// Bytes that can end a run of a quoted scalar.
const QUOTED_STOP: [bool; 256] = stops(b" \t\r\n'\"\\\xC2\xE2");

const fn stops(bytes: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut i = 0;
    while i < bytes.len() {
        table[bytes[i] as usize] = true;
        i += 1;
    }
    table
}

impl<'a> Scanner<'a> {
    /// Adds the source from `start` to here to a text, after the gap before it.
    fn join(&self, text: &mut Text<'a>, gap: &mut Gap, start: usize, word: usize) {
        let end = self.at.pos();
        if gap.folded {
            gap.fold(text.own());
        } else if let Some(owned) = &mut text.owned {
            owned.extend_from_slice(self.at.slice(gap.blanks.0, gap.blanks.1));
        }
        match &mut text.owned {
            Some(owned) => owned.extend_from_slice(self.at.slice(word, end)),
            None => text.source = self.at.slice(start, end),
        }
        gap.folded = false;
        gap.blanks = (end, end);
    }

    /// Passes blanks and line breaks. After a break, a tab before `tab_column` is an error.
    fn gap(&mut self, gap: &mut Gap, tab_column: i32) -> Result<(), Error> {
        gap.blanks.0 = self.at.pos();
        gap.blanks.1 = gap.blanks.0;
        loop {
            if self.at.is_blank() {
                if gap.folded && self.at.peek(0) == b'\t' && self.column() < tab_column {
                    return self.fail("found a tab character that violates indentation");
                }
                self.at.advance(1);
                if !gap.folded {
                    gap.blanks.1 = self.at.pos();
                }
            } else if let Some(meaning) = self.at.take_break() {
                if gap.folded {
                    gap.more.extend_from_slice(meaning);
                } else {
                    gap.folded = true;
                    gap.first = meaning;
                    gap.more.clear();
                }
            } else {
                return Ok(());
            }
        }
    }

    fn column(&self) -> i32 {
        i32::try_from(self.at.mark().column).unwrap_or(i32::MAX)
    }

    pub(super) fn plain(&mut self) -> Result<(), Error> {
        let start = self.at.mark();
        let indent = self.indent + 1;
        let mut end = start;
        let mut text = Text::new();
        let mut gap = Gap { blanks: (start.offset, start.offset), ..Gap::default() };
        while !self.at.document_indicator() && self.at.peek(0) != b'#' {
            let word = self.at.pos();
            let rest = self.at.rest();
            let length = self.plain_run(rest);
            if length > 0 {
                self.at.advance_text(length);
                self.join(&mut text, &mut gap, start.offset, word);
                end = self.at.mark();
            }
            if !self.at.is_blank() && !self.at.is_break() {
                break;
            }
            self.gap(&mut gap, indent)?;
            if self.in_block() && self.column() < indent {
                break;
            }
        }
        if gap.folded {
            self.key_allowed = true;
        }
        self.push_to(Kind::Scalar { text: text.finish(), style: Style::Plain }, start, end);
        Ok(())
    }

    /// The length of the plain text up to a blank, a line break or an indicator that ends it.
    fn plain_run(&self, rest: &[u8]) -> usize {
        let mut length = 0;
        loop {
            length += rest[length..].iter().take_while(|b| !PLAIN_STOP[usize::from(**b)]).count();
            match rest.get(length) {
                None | Some(b' ' | b'\t' | b'\r' | b'\n') => return length,
                Some(b':') if self.at.is_blank_or_end(length + 1) => return length,
                Some(b',' | b'?' | b'[' | b']' | b'{' | b'}') if !self.in_block() => return length,
                Some(0xC2 | 0xE2) if self.at.is_blank_or_end(length) => return length,
                Some(_) => length += 1,
            }
        }
    }

    pub(super) fn quoted(&mut self, style: Style) -> Result<(), Error> {
        self.save_key()?;
        self.key_allowed = false;
        let start = self.at.mark();
        let quote = self.at.peek(0);
        self.at.advance(1);
        let first = self.at.pos();
        let mut text = Text::new();
        let mut gap = Gap { blanks: (first, first), ..Gap::default() };
        loop {
            if self.at.document_indicator() {
                return self.fail("found unexpected document indicator");
            }
            if self.at.is_end() {
                return self.fail("found unexpected end of stream");
            }
            let word = self.at.pos();
            let escaped_break = self.quoted_run(quote, &mut text, &mut gap, first, word)?;
            if !escaped_break && self.at.peek(0) == quote {
                // Blanks before the closing quote count, and a break there folds.
                let word = self.at.pos();
                self.join(&mut text, &mut gap, first, word);
                break;
            }
            if escaped_break {
                self.join_gap_only(&mut text, &mut gap, first);
                self.at.advance(1);
                self.at.take_break();
                gap = Gap { folded: true, ..Gap::default() };
                // An escaped break leaves nothing, the breaks after it stand for themselves.
                self.gap(&mut gap, i32::MIN)?;
            } else {
                self.gap(&mut gap, i32::MIN)?;
            }
        }
        self.at.advance(1);
        self.push(Kind::Scalar { text: text.finish(), style }, start);
        Ok(())
    }

    /// Adds only the gap to a text: blanks before an escaped line break count.
    fn join_gap_only(&self, text: &mut Text<'a>, gap: &mut Gap, start: usize) {
        let here = self.at.pos();
        self.join(text, gap, start, here);
        text.own();
    }

    /// Reads a word of a quoted scalar, escapes included; whether an escaped line break ends it.
    fn quoted_run(
        &mut self,
        quote: u8,
        text: &mut Text<'a>,
        gap: &mut Gap,
        first: usize,
        mut word: usize,
    ) -> Result<bool, Error> {
        loop {
            let rest = self.at.rest();
            let length = rest.iter().take_while(|b| !QUOTED_STOP[usize::from(**b)]).count();
            self.at.advance_text(length);
            match self.at.peek(0) {
                b'\'' if quote == b'\'' && self.at.peek(1) == b'\'' => {
                    self.join(text, gap, first, word);
                    text.own().push(b'\'');
                    self.at.advance(2);
                    word = self.at.pos();
                    gap.blanks = (word, word);
                }
                b'\\' if quote == b'"' => {
                    if self.at.pos() > word {
                        self.join(text, gap, first, word);
                    }
                    if self.escapes_break() {
                        return Ok(true);
                    }
                    let here = self.at.pos();
                    self.join(text, gap, first, here);
                    self.escape(text.own())?;
                    word = self.at.pos();
                    gap.blanks = (word, word);
                }
                byte if byte == quote || self.at.is_blank_or_end(0) => {
                    if self.at.pos() > word {
                        self.join(text, gap, first, word);
                    }
                    return Ok(false);
                }
                0 => return Ok(false),
                _ => self.at.advance_text(1),
            }
        }
    }

    fn escapes_break(&self) -> bool {
        self.at.is_blank_or_end(1) && !matches!(self.at.peek(1), b' ' | b'\t' | 0)
    }

    fn escape(&mut self, text: &mut Vec<u8>) -> Result<(), Error> {
        let plain: &[u8] = match self.at.peek(1) {
            b'0' => b"\0",
            b'a' => b"\x07",
            b'b' => b"\x08",
            b't' | b'\t' => b"\t",
            b'n' => b"\n",
            b'v' => b"\x0B",
            b'f' => b"\x0C",
            b'r' => b"\r",
            b'e' => b"\x1B",
            b' ' => b" ",
            b'"' => b"\"",
            b'\'' => b"'",
            b'\\' => b"\\",
            b'N' => b"\xC2\x85",
            b'_' => b"\xC2\xA0",
            b'L' => b"\xE2\x80\xA8",
            b'P' => b"\xE2\x80\xA9",
            b'x' => return self.code(text, 2),
            b'u' => return self.code(text, 4),
            b'U' => return self.code(text, 8),
            _ => return self.fail("found unknown escape character"),
        };
        text.extend_from_slice(plain);
        self.at.advance(2);
        Ok(())
    }

    fn code(&mut self, text: &mut Vec<u8>, digits: usize) -> Result<(), Error> {
        self.at.advance(2);
        let mut code = 0_u32;
        for ahead in 0..digits {
            let Some(digit) = char::from(self.at.peek(ahead)).to_digit(16) else {
                return self.fail("did not find expected hexdecimal number");
            };
            code = code << 4 | digit;
        }
        let Some(character) = char::from_u32(code) else {
            return self.fail("found invalid Unicode character escape code");
        };
        text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at.advance(digits);
        Ok(())
    }

    pub(super) fn block_scalar(&mut self, style: Style) -> Result<(), Error> {
        self.drop_key()?;
        self.key_allowed = true;
        let start = self.at.mark();
        self.at.advance(1);
        let (chomp, increment) = self.block_header()?;
        self.end_of_line()?;
        let mut indent = increment.map(|by| self.indent.max(0) + by);
        let mut end = self.at.mark();
        let mut text = Vec::new();
        let mut breaks = Vec::new();
        let mut last_break: &[u8] = b"";
        self.block_breaks(&mut indent, &mut breaks, &mut end)?;
        // Lines that begin with a blank are not folded into their neighbours.
        let mut was_blank = false;
        while Some(self.column()) == indent && !self.at.is_end() {
            let is_blank = self.at.is_blank();
            if style == Style::Folded && !was_blank && !is_blank && last_break == b"\n" {
                if breaks.is_empty() {
                    text.push(b' ');
                }
            } else {
                text.extend_from_slice(last_break);
            }
            text.append(&mut breaks);
            was_blank = is_blank;
            text.extend_from_slice(self.at.skip_line());
            last_break = self.at.take_break().unwrap_or_default();
            self.block_breaks(&mut indent, &mut breaks, &mut end)?;
        }
        if chomp != Chomp::Strip {
            text.extend_from_slice(last_break);
        }
        if chomp == Chomp::Keep {
            text.append(&mut breaks);
        }
        self.push_to(Kind::Scalar { text: Cow::Owned(text), style }, start, end);
        Ok(())
    }

    /// `|`, `>` and what may follow: how to treat the last breaks, and by how much the text is indented.
    fn block_header(&mut self) -> Result<(Chomp, Option<i32>), Error> {
        let mut chomp = None;
        let mut increment = None;
        for _ in 0..2 {
            match self.at.peek(0) {
                b'+' if chomp.is_none() => chomp = Some(Chomp::Keep),
                b'-' if chomp.is_none() => chomp = Some(Chomp::Strip),
                b'0' if increment.is_none() => return self.fail("found an indentation indicator equal to 0"),
                digit @ b'1'..=b'9' if increment.is_none() => increment = Some(i32::from(digit - b'0')),
                _ => break,
            }
            self.at.advance(1);
        }
        Ok((chomp.unwrap_or(Chomp::Clip), increment))
    }

    /// Passes indentation and empty lines before a line of text, and finds out the indentation if need be.
    fn block_breaks(
        &mut self,
        indent: &mut Option<i32>,
        breaks: &mut Vec<u8>,
        end: &mut super::Mark,
    ) -> Result<(), Error> {
        *end = self.at.mark();
        let mut deepest = 0;
        loop {
            while indent.is_none_or(|indent| self.column() < indent) && self.at.peek(0) == b' ' {
                self.at.advance(1);
            }
            deepest = deepest.max(self.column());
            if self.at.peek(0) == b'\t' && indent.is_none_or(|indent| self.column() < indent) {
                return self.fail("found a tab character where an indentation space is expected");
            }
            let Some(meaning) = self.at.take_break() else { break };
            breaks.extend_from_slice(meaning);
            *end = self.at.mark();
        }
        if indent.is_none() {
            *indent = Some(deepest.max(self.indent + 1).max(1));
        }
        Ok(())
    }
}

/// What happens to the line breaks at the end of a block scalar.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Chomp {
    Strip,
    Clip,
    Keep,
}
