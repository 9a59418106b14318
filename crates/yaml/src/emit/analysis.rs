//! Which ways of writing a text would read back as that text.

use super::Dialect;
use crate::resolve::{self, Scalar};

/// What a text allows.
pub(super) struct Analysis {
    /// It has a line break of any kind.
    pub(super) multiline: bool,
    /// It has a line feed.
    pub(super) has_newline: bool,
    pub(super) leading_break: bool,
    pub(super) plain_allowed: bool,
    pub(super) single_allowed: bool,
    pub(super) block_allowed: bool,
}

/// The length of the line break at the start of a text, 0 if there is none.
pub(super) fn line_break(text: &[u8]) -> usize {
    match *text {
        [b'\r', b'\n', ..] => 2,
        [b'\r' | b'\n', ..] => 1,
        [0xC2, 0x85, ..] => 2,
        [0xE2, 0x80, 0xA8 | 0xA9, ..] => 3,
        _ => 0,
    }
}

/// Whether go-yaml writes a character as it is. (It knows nothing beyond the basic plane.)
pub(super) fn is_printable(character: char) -> bool {
    matches!(character, '\n' | ' '..='~' | '\u{A0}'..='\u{D7FF}' | '\u{E000}'..='\u{FFFD}') && character != '\u{FEFF}'
}

/// How a text ends.
pub(super) enum Trailing {
    None,
    One,
    More,
}

fn ends_in_break(text: &[u8]) -> Option<&[u8]> {
    match text {
        [rest @ .., b'\n' | b'\r'] | [rest @ .., 0xC2, 0x85] | [rest @ .., 0xE2, 0x80, 0xA8 | 0xA9] => Some(rest),
        _ => None,
    }
}

pub(super) fn trailing_breaks(text: &[u8]) -> Trailing {
    match ends_in_break(text) {
        None => Trailing::None,
        Some(rest) if rest.is_empty() || ends_in_break(rest).is_some() => Trailing::More,
        Some(_) => Trailing::One,
    }
}

/// Whether a plain scalar of this text is read as text, by the readers that matter to the writer.
pub(super) fn reads_as_text(text: &[u8], dialect: Dialect) -> bool {
    match dialect {
        Dialect::V2 => resolve::v2(text, true) == Scalar::Str && !resolve::is_base_60(text),
        Dialect::V3 => resolve::v3(text) == Scalar::Str && !resolve::is_base_60(text) && !resolve::is_old_bool(text),
    }
}

/// Characters that mean nothing wherever they stand after the first.
const HARMLESS: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0_u8;
    while byte < 128 {
        table[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/' | b'=' | b'+');
        byte += 1;
    }
    table
};

/// A character that is the first of a text.
fn is_indicator_first(first: u8, blank_follows: bool) -> bool {
    match first {
        b'#' | b',' | b'[' | b']' | b'{' | b'}' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"' | b'%' | b'@'
        | b'`' => true,
        b'?' | b':' | b'-' => blank_follows,
        _ => false,
    }
}

impl Analysis {
    pub(super) fn of(text: &[u8], dialect: Dialect) -> Self {
        let mut facts = Facts::default();
        // Words and paths need no closer look.
        if text.first().is_some_and(u8::is_ascii_alphanumeric) && text.iter().all(|b| HARMLESS[usize::from(*b)]) {
            return facts.conclude(dialect);
        }
        let mut at = 0;
        // libyaml takes the start of a text for a blank.
        let mut after_blank = true;
        let mut previous = Previous::Other;
        while let Some(&byte) = text.get(at) {
            let rest = &text[at..];
            let width = width(byte).min(rest.len());
            let followed = || rest.get(width).is_none_or(|_| is_blank(&rest[width..]));
            facts.indicators |= match byte {
                _ if at == 0 => is_indicator_first(byte, followed()),
                b':' => followed(),
                b'#' => after_blank,
                _ => false,
            };
            let breaks = line_break(rest) > 0;
            if byte == b'\t' {
                facts.tab = true;
            } else if !byte.is_ascii_graphic() && byte != b' ' && byte != b'\n' {
                facts.special |= !printable_bytes(&rest[..width]);
            }
            let last = at + width == text.len();
            if byte == b' ' {
                facts.leading_space |= at == 0;
                facts.trailing_space |= last;
                facts.break_space |= previous == Previous::Break;
                previous = Previous::Space;
            } else if breaks {
                facts.newline |= byte == b'\n';
                facts.line_breaks = true;
                facts.leading_break |= at == 0;
                facts.trailing_break |= last;
                facts.space_break |= previous == Previous::Space;
                previous = Previous::Break;
            } else {
                previous = Previous::Other;
            }
            after_blank = byte == b'\t' || byte == b' ' || byte == 0 || breaks;
            at += width;
        }
        facts.indicators |= text.starts_with(b"---") || text.starts_with(b"...");
        facts.conclude(dialect)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Previous {
    Space,
    Break,
    Other,
}

#[derive(Default)]
#[allow(clippy::struct_excessive_bools)] // independent facts, each found by itself
struct Facts {
    indicators: bool,
    line_breaks: bool,
    newline: bool,
    special: bool,
    tab: bool,
    leading_space: bool,
    leading_break: bool,
    trailing_space: bool,
    trailing_break: bool,
    break_space: bool,
    space_break: bool,
}

impl Facts {
    fn conclude(&self, dialect: Dialect) -> Analysis {
        let special = self.special || (self.tab && dialect == Dialect::V2);
        let edges = self.leading_space || self.leading_break || self.trailing_space || self.trailing_break;
        let untouchable = self.space_break || special;
        let quotable = !untouchable && !self.tab && !self.break_space;
        Analysis {
            multiline: self.line_breaks,
            has_newline: self.newline,
            leading_break: self.leading_break,
            plain_allowed: quotable && !edges && !self.line_breaks && !self.indicators,
            single_allowed: quotable,
            block_allowed: !untouchable && !self.trailing_space,
        }
    }
}

fn width(first: u8) -> usize {
    match first {
        ..0xC0 => 1,
        0xC0..0xE0 => 2,
        0xE0..0xF0 => 3,
        0xF0.. => 4,
    }
}

fn is_blank(text: &[u8]) -> bool {
    matches!(text.first(), None | Some(b' ' | b'\t' | 0)) || line_break(text) > 0
}

fn printable_bytes(character: &[u8]) -> bool {
    std::str::from_utf8(character).ok().and_then(|c| c.chars().next()).is_some_and(is_printable)
}
