//! Quoted texts: `%q` and its way back.

use crate::unicode::{self, RUNE_ERROR, decode, is_print, push_rune};
use std::borrow::Cow;

fn append_hex(out: &mut Vec<u8>, prefix: &str, code: u32, width: usize) {
    out.extend_from_slice(prefix.as_bytes());
    out.extend_from_slice(format!("{code:0width$x}").as_bytes());
}

fn append_escaped(out: &mut Vec<u8>, rune: char, quote: u8, ascii: bool) {
    if rune == char::from(quote) || rune == '\\' {
        out.push(b'\\');
        push_rune(out, rune);
        return;
    }
    if (rune.is_ascii() || !ascii) && is_print(rune) {
        push_rune(out, rune);
        return;
    }
    let short = match rune {
        '\x07' => b'a',
        '\x08' => b'b',
        '\x0c' => b'f',
        '\n' => b'n',
        '\r' => b'r',
        '\t' => b't',
        '\x0b' => b'v',
        _ => {
            let code = u32::from(rune);
            match code {
                0..0x20 | 0x7f => append_hex(out, "\\x", code, 2),
                0..0x1_0000 => append_hex(out, "\\u", code, 4),
                _ => append_hex(out, "\\U", code, 8),
            }
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

fn append(out: &mut Vec<u8>, text: &[u8], ascii: bool) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    for (at, rune, width) in unicode::runes(text) {
        if rune == RUNE_ERROR && width == 1 {
            append_hex(out, "\\x", u32::from(text[at]), 2);
        } else {
            append_escaped(out, rune, b'"', ascii);
        }
    }
    out.push(b'"');
}

/// `strconv.AppendQuote`.
pub fn append_quote(out: &mut Vec<u8>, text: &[u8]) {
    append(out, text, false);
}

/// `strconv.AppendQuoteToASCII`.
pub fn append_quote_to_ascii(out: &mut Vec<u8>, text: &[u8]) {
    append(out, text, true);
}

/// `strconv.AppendQuoteRune`: `'☺'`.
pub fn append_quote_rune(out: &mut Vec<u8>, rune: char) {
    out.push(b'\'');
    append_escaped(out, rune, b'\'', false);
    out.push(b'\'');
}

/// `strconv.AppendQuoteRuneToASCII`.
pub fn append_quote_rune_to_ascii(out: &mut Vec<u8>, rune: char) {
    out.push(b'\'');
    append_escaped(out, rune, b'\'', true);
    out.push(b'\'');
}

fn text(out: Vec<u8>) -> String {
    // The quoted form is UTF-8: whatever is not comes out as an escape.
    String::from_utf8(out).unwrap_or_default()
}

/// `strconv.Quote`.
pub fn quote(s: &[u8]) -> String {
    let mut out = Vec::new();
    append_quote(&mut out, s);
    text(out)
}

/// `strconv.QuoteToASCII`.
pub fn quote_to_ascii(s: &[u8]) -> String {
    let mut out = Vec::new();
    append_quote_to_ascii(&mut out, s);
    text(out)
}

/// `strconv.CanBackquote`: whether the text can stand between backquotes on one line.
pub fn can_backquote(text: &[u8]) -> bool {
    unicode::runes(text).all(|(_, rune, width)| match rune {
        '\u{feff}' => false,
        RUNE_ERROR => width > 1,
        '\t' => true,
        '`' | '\x7f' => false,
        _ => rune >= ' ',
    })
}

/// One character of a quoted text, as `strconv.UnquoteChar`: its code, whether it is to be written as UTF-8
/// (else it is one byte), and its length in the source. `quote` is the quote that must be escaped, or 0.
pub fn unquote_char(text: &[u8], quote: u8) -> Option<(u32, bool, usize)> {
    let &first = text.first()?;
    if first == quote && matches!(quote, b'\'' | b'"') {
        return None;
    }
    if first >= 0x80 {
        let (rune, width) = decode(text);
        return Some((u32::from(rune), true, width));
    }
    if first != b'\\' {
        return Some((u32::from(first), false, 1));
    }
    let &letter = text.get(1)?;
    let simple = |code: u8| Some((u32::from(code), false, 2));
    let number = |from: usize, digits: usize, base: u32| {
        text.get(from..from + digits)?
            .iter()
            .try_fold(0_u32, |n, &b| Some((n << base.ilog2()) | char::from(b).to_digit(base)?))
    };
    match letter {
        b'a' => simple(7),
        b'b' => simple(8),
        b'f' => simple(12),
        b'n' => simple(b'\n'),
        b'r' => simple(b'\r'),
        b't' => simple(b'\t'),
        b'v' => simple(11),
        b'\\' => simple(b'\\'),
        b'\'' | b'"' if letter == quote => simple(letter),
        b'x' => Some((number(2, 2, 16)?, false, 4)),
        b'u' => char::from_u32(number(2, 4, 16)?).map(|c| (u32::from(c), true, 6)),
        b'U' => char::from_u32(number(2, 8, 16)?).map(|c| (u32::from(c), true, 10)),
        b'0'..=b'7' => number(1, 3, 8).filter(|&n| n <= 255).map(|n| (n, false, 4)),
        _ => None,
    }
}

/// `strconv.Unquote`: a Go literal in single, double or back quotes; nothing if it is none.
pub fn unquote(literal: &[u8]) -> Option<Cow<'_, [u8]>> {
    let (&quote, rest) = literal.split_first()?;
    let (&last, body) = rest.split_last()?;
    if quote != last {
        return None;
    }
    match quote {
        b'`' if body.contains(&b'`') => None,
        b'`' if body.contains(&b'\r') => Some(body.iter().copied().filter(|&b| b != b'\r').collect()),
        b'`' => Some(Cow::Borrowed(body)),
        b'"' | b'\'' => {
            if body.contains(&b'\n') {
                return None;
            }
            let mut out = Vec::with_capacity(body.len());
            let (mut at, mut count) = (0, 0);
            while at < body.len() {
                let (code, multibyte, width) = unquote_char(&body[at..], quote)?;
                match u8::try_from(code) {
                    // A byte escape writes the byte, a \u escape the rune.
                    Ok(byte) if !multibyte => out.push(byte),
                    _ => push_rune(&mut out, char::from_u32(code)?),
                }
                at += width;
                count += 1;
            }
            (quote == b'"' || count == 1).then_some(Cow::Owned(out))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn quotes_as_go() {
        for (text, plain, ascii) in [
            (&b""[..], r#""""#, r#""""#),
            (b"a\"b\\'", r#""a\"b\\'""#, r#""a\"b\\'""#),
            (b"\x07\x08\x0c\n\r\t\x0b\x01\x7f", r#""\a\b\f\n\r\t\v\x01\x7f""#, r#""\a\b\f\n\r\t\v\x01\x7f""#),
            ("é\u{a0}😀".as_bytes(), r#""é\u00a0😀""#, r#""\u00e9\u00a0\U0001f600""#),
            (b"\xff\xe2\x82", r#""\xff\xe2\x82""#, r#""\xff\xe2\x82""#),
            (
                "\u{200b}\u{2028}\u{fffd}\u{e0001}".as_bytes(),
                "\"\\u200b\\u2028\u{fffd}\\U000e0001\"",
                r#""\u200b\u2028\ufffd\U000e0001""#,
            ),
        ] {
            assert_eq!(quote(text), plain);
            assert_eq!(quote_to_ascii(text), ascii);
        }
        let rune = |c| {
            let mut out = Vec::new();
            append_quote_rune(&mut out, c);
            String::from_utf8(out).unwrap()
        };
        assert_eq!((rune('\''), rune('"'), rune('\u{0}')), (r"'\''".into(), r#"'"'"#.into(), r"'\x00'".into()));
    }

    #[test]
    fn unquotes_as_go() {
        for (literal, want) in [
            (&br#""a\tb""#[..], Some(&b"a\tb"[..])),
            (br#""\x41\101\u00e9\xff""#, Some(b"AA\xc3\xa9\xff")),
            (br#""\U0001F600""#, Some("😀".as_bytes())),
            (br#""\ud800""#, None),
            (br#""\'""#, None),
            (br#""'""#, Some(b"'")),
            (br#""a"b""#, None),
            (br#""\400""#, None),
            (br#""\q""#, None),
            (b"\"a\nb\"", None),
            (b"`a\\n\r\n`", Some(b"a\\n\n")),
            (b"`a`b`", None),
            (b"'a'", Some(b"a")),
            (br"'\''", Some(b"'")),
            (b"'ab'", None),
            (b"''", None),
            (b"\"", None),
            (b"", None),
            (b"\"\xff\"", Some("\u{fffd}".as_bytes())),
        ] {
            assert_eq!(unquote(literal).as_deref(), want, "{:?}", String::from_utf8_lossy(literal));
        }
    }

    #[test]
    fn backquotes() {
        for (text, want) in [("a\tb", true), ("a`", false), ("a\n", false), ("é\u{7f}", false), ("\u{feff}", false)] {
            assert_eq!(can_backquote(text.as_bytes()), want, "{text:?}");
        }
    }
}
