//! The door for bytes: encodings, and which characters YAML lets in.

use crate::{Error, Limits};
use std::borrow::Cow;

/// How many raw bytes go-yaml takes in at a time. It shows: a bad character is only seen when its portion is read.
const PORTION: usize = 512;

const INCOMPLETE: &str = "incomplete UTF-8 octet sequence";

/// The text as UTF-8 without byte order mark: go-yaml takes UTF-16 too, if a mark says so.
///
/// # Errors
/// A text that is too long, or UTF-16 that is broken.
pub fn utf8<'a>(text: &'a [u8], limits: &Limits) -> Result<Cow<'a, [u8]>, Error> {
    if text.len() > limits.bytes {
        return Err(Error::yaml(
            format!("yaml: the text has {} bytes, more than the {} allowed", text.len(), limits.bytes),
            0,
            0,
        ));
    }
    let unit = match text {
        [0xEF, 0xBB, 0xBF, rest @ ..] => return Ok(Cow::Borrowed(rest)),
        [0xFF, 0xFE, ..] => u16::from_le_bytes,
        [0xFE, 0xFF, ..] => u16::from_be_bytes,
        _ => return Ok(Cow::Borrowed(text)),
    };
    let mut pairs = text[2..].chunks_exact(2);
    let units: Vec<u16> = pairs.by_ref().map(|pair| unit([pair[0], pair[1]])).collect();
    if !pairs.remainder().is_empty() {
        return Err(Error::yaml("yaml: incomplete UTF-16 character", 0, 0));
    }
    match String::from_utf16(&units) {
        Ok(text) => Ok(Cow::Owned(text.into_bytes())),
        Err(_) => Err(Error::yaml("yaml: unexpected low surrogate area", 0, 0)),
    }
}

/// The first character that YAML does not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaw {
    /// Where the portion begins that has it: up to here the text can be read.
    pub(crate) portion: usize,
    pub(crate) problem: &'static str,
}

/// Looks for a character that YAML does not let in.
pub(crate) fn flaw(text: &[u8]) -> Option<Flaw> {
    let mut at = 0;
    while at < text.len() {
        // Printable ASCII is nearly everything, and chunks of it are looked through at once.
        while text[at..].first_chunk::<32>().is_some_and(is_plain) {
            at += 32;
        }
        at += text[at..].iter().take_while(|b| (0x20..0x7F).contains(*b) || **b == b'\n').count();
        let Some(&first) = text.get(at) else { break };
        match character(&text[at..], first) {
            Ok(width) => at += width,
            // Whether more of a character is to come is only asked when all before it is used up.
            Err(problem @ INCOMPLETE) => return Some(Flaw { portion: at, problem }),
            Err(problem) => return Some(Flaw { portion: at - at % PORTION, problem }),
        }
    }
    None
}

fn is_plain(chunk: &[u8; 32]) -> bool {
    chunk.iter().fold(true, |plain, byte| plain & ((0x20..0x7F).contains(byte) | (*byte == b'\n')))
}

fn character(text: &[u8], first: u8) -> Result<usize, &'static str> {
    let (width, bits) = match first {
        0x09 | 0x0A | 0x0D | 0x20..0x7F => return Ok(1),
        0x00..0x80 => return Err("control characters are not allowed"),
        0xC0..0xE0 => (2, first & 0x1F),
        0xE0..0xF0 => (3, first & 0x0F),
        0xF0..0xF8 => (4, first & 0x07),
        _ => return Err("invalid leading UTF-8 octet"),
    };
    if text.len() < width {
        return Err(INCOMPLETE);
    }
    let mut code = u32::from(bits);
    for &byte in &text[1..width] {
        if byte & 0xC0 != 0x80 {
            return Err("invalid trailing UTF-8 octet");
        }
        code = code << 6 | u32::from(byte & 0x3F);
    }
    if matches!((width, code), (2, ..0x80) | (3, ..0x800) | (4, ..0x1_0000)) {
        return Err("invalid length of a UTF-8 sequence");
    }
    if (0xD800..0xE000).contains(&code) || code > 0x10_FFFF {
        return Err("invalid Unicode character");
    }
    if matches!(code, 0x85 | 0xA0..0xFFFE | 0x1_0000..) { Ok(width) } else { Err("control characters are not allowed") }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn encodings() {
        let check = |text: &[u8], expect: &[u8]| assert_eq!(&*utf8(text, &Limits::default()).unwrap(), expect);
        check(b"a", b"a");
        check(b"\xEF\xBB\xBFa", b"a");
        check(b"\xFF\xFEa\0\xE9\0", "aé".as_bytes());
        check(b"\xFE\xFF\0a\0\xE9", "aé".as_bytes());
        assert!(utf8(b"\xFE\xFF\0", &Limits::default()).is_err());
        assert!(utf8(b"abc", &Limits { bytes: 2, ..Limits::default() }).is_err());
    }

    #[test]
    fn flaws() {
        let check = |text: &[u8], expect: Option<&str>| assert_eq!(flaw(text).map(|f| f.problem), expect, "{text:?}");
        check("a\tb\r\né\u{85}\u{FEFF}😀".as_bytes(), None);
        check(b"\x7F", Some("control characters are not allowed"));
        check(b"\0", Some("control characters are not allowed"));
        check("\u{80}".as_bytes(), Some("control characters are not allowed"));
        check("\u{FFFE}".as_bytes(), Some("control characters are not allowed"));
        check(b"\xFF", Some("invalid leading UTF-8 octet"));
        check(b"\xC3", Some("incomplete UTF-8 octet sequence"));
        check(b"\xC3(", Some("invalid trailing UTF-8 octet"));
        check(b"\xC0\x80", Some("invalid length of a UTF-8 sequence"));
        check(b"\xED\xA0\x80", Some("invalid Unicode character"));
    }
}
