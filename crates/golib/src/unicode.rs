//! Runes as Go sees them: decoding of bytes that need not be UTF-8, classes, simple case mapping.

mod tables;

use tables::{DIGIT, LETTER, PRINT};

/// What stands for a byte that is not UTF-8 (`utf8.RuneError`).
pub const RUNE_ERROR: char = char::REPLACEMENT_CHARACTER;

/// The first rune and its width; an invalid byte is [`RUNE_ERROR`] of width 1, nothing is width 0.
pub fn decode(bytes: &[u8]) -> (char, usize) {
    let Some(&first) = bytes.first() else {
        return (RUNE_ERROR, 0);
    };
    if first < 0x80 {
        return (char::from(first), 1);
    }
    let width = match first {
        0xC2..=0xDF => 2,
        0xE0..=0xEF => 3,
        0xF0..=0xF4 => 4,
        _ => return (RUNE_ERROR, 1),
    };
    let rune = bytes.get(..width).and_then(|b| std::str::from_utf8(b).ok()).and_then(|s| s.chars().next());
    match rune {
        Some(rune) => (rune, width),
        None => (RUNE_ERROR, 1),
    }
}

/// The last rune and its width, by the rules of [`decode`].
pub fn decode_last(bytes: &[u8]) -> (char, usize) {
    for width in (2..=4).rev() {
        if let Some(start) = bytes.len().checked_sub(width) {
            let (rune, got) = decode(&bytes[start..]);
            if got == width {
                return (rune, width);
            }
        }
    }
    match bytes.last() {
        Some(&b) if b < 0x80 => (char::from(b), 1),
        Some(_) => (RUNE_ERROR, 1),
        None => (RUNE_ERROR, 0),
    }
}

/// Each rune with the offset and the width of its bytes, as `range` over a string gives them.
pub fn runes(bytes: &[u8]) -> impl Iterator<Item = (usize, char, usize)> + '_ {
    let mut at = 0;
    std::iter::from_fn(move || {
        let (rune, width) = decode(bytes.get(at..)?);
        let start = at;
        at += width;
        (width > 0).then_some((start, rune, width))
    })
}

/// Number of runes, an invalid byte counting as one.
pub fn rune_count(bytes: &[u8]) -> usize {
    runes(bytes).count()
}

/// The byte sequence of a rune.
pub fn push_rune(out: &mut Vec<u8>, rune: char) {
    let mut buffer = [0; 4];
    out.extend_from_slice(rune.encode_utf8(&mut buffer).as_bytes());
}

/// The rune of a Go integer: what is none becomes [`RUNE_ERROR`], as `string(rune)` has it.
pub fn rune_of(code: i64) -> char {
    u32::try_from(code).ok().and_then(char::from_u32).unwrap_or(RUNE_ERROR)
}

fn within(table: &[u32], rune: char) -> bool {
    // An odd number of bounds at or below the rune means it lies in a run, or on the end of one.
    let code = u32::from(rune);
    let below = table.partition_point(|&bound| bound < code);
    below % 2 == 1 || table.get(below) == Some(&code)
}

/// `unicode.IsPrint`, which is `strconv.IsPrint`.
pub fn is_print(rune: char) -> bool {
    match rune {
        ' '..='~' => true,
        '\0'..='\u{a0}' => false,
        _ => within(PRINT, rune),
    }
}

/// `unicode.IsGraphic`: printable, or a space separator.
pub fn is_graphic(rune: char) -> bool {
    is_print(rune)
        || matches!(rune, '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

/// `unicode.IsLetter`.
pub fn is_letter(rune: char) -> bool {
    if rune.is_ascii() { rune.is_ascii_alphabetic() } else { within(LETTER, rune) }
}

/// `unicode.IsDigit`: a decimal digit of any script.
pub fn is_digit(rune: char) -> bool {
    if rune.is_ascii() { rune.is_ascii_digit() } else { within(DIGIT, rune) }
}

/// `unicode.IsNumber`.
pub fn is_number(rune: char) -> bool {
    rune.is_numeric() && is_print(rune)
}

/// `unicode.IsUpper`.
pub fn is_upper(rune: char) -> bool {
    rune.is_uppercase() && is_letter(rune)
}

/// `unicode.IsSpace`.
pub fn is_space(rune: char) -> bool {
    matches!(
        rune,
        '\t'..='\r' | ' ' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
            | '\u{202f}' | '\u{205f}' | '\u{3000}'
    )
}

fn only(mut mapped: impl Iterator<Item = char>) -> Option<char> {
    match (mapped.next(), mapped.next()) {
        (Some(rune), None) => Some(rune),
        _ => None,
    }
}

/// `unicode.ToUpper`: one rune for one rune.
pub fn to_upper(rune: char) -> char {
    if rune.is_ascii() {
        return rune.to_ascii_uppercase();
    }
    let plus = |n: u32| char::from_u32(u32::from(rune) + n).unwrap_or(rune);
    match rune {
        '\u{1f80}'..='\u{1f87}' | '\u{1f90}'..='\u{1f97}' | '\u{1fa0}'..='\u{1fa7}' => plus(8),
        '\u{1fb3}' | '\u{1fc3}' | '\u{1ff3}' => plus(9),
        // Pairs that are younger than Go's Unicode 15.
        '\u{19b}' | '\u{264}' => rune,
        _ if !is_print(rune) => rune,
        _ => only(rune.to_uppercase()).filter(|&upper| is_print(upper)).unwrap_or(rune),
    }
}

/// `unicode.ToLower`: one rune for one rune.
pub fn to_lower(rune: char) -> char {
    match rune {
        _ if rune.is_ascii() => rune.to_ascii_lowercase(),
        '\u{130}' => 'i',
        _ if !is_print(rune) => rune,
        _ => only(rune.to_lowercase()).unwrap_or(rune),
    }
}

/// `unicode.ToTitle`: as upper case but for digraphs and Georgian.
pub fn to_title(rune: char) -> char {
    match rune {
        '\u{1c4}'..='\u{1c6}' => '\u{1c5}',
        '\u{1c7}'..='\u{1c9}' => '\u{1c8}',
        '\u{1ca}'..='\u{1cc}' => '\u{1cb}',
        '\u{1f1}'..='\u{1f3}' => '\u{1f2}',
        '\u{10d0}'..='\u{10fa}' | '\u{10fd}'..='\u{10ff}' => rune,
        _ => to_upper(rune),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn decodes_as_go() {
        for (bytes, want) in [
            (&b""[..], vec![]),
            (b"a\xc3\xa9", vec![(0, 'a', 1), (1, 'é', 2)]),
            (b"\xff\xe2\x82", vec![(0, RUNE_ERROR, 1), (1, RUNE_ERROR, 1), (2, RUNE_ERROR, 1)]),
            (b"\xed\xa0\x80", vec![(0, RUNE_ERROR, 1), (1, RUNE_ERROR, 1), (2, RUNE_ERROR, 1)]),
            (b"\xc0\x80!", vec![(0, RUNE_ERROR, 1), (1, RUNE_ERROR, 1), (2, '!', 1)]),
            (b"\xef\xbf\xbd", vec![(0, RUNE_ERROR, 3)]),
            ("😀".as_bytes(), vec![(0, '😀', 4)]),
        ] {
            assert_eq!(runes(bytes).collect::<Vec<_>>(), want, "{bytes:?}");
        }
        assert_eq!(decode_last("aé".as_bytes()), ('é', 2));
        assert_eq!(decode_last(b"a\x80"), (RUNE_ERROR, 1));
    }

    #[test]
    fn maps_case_rune_by_rune() {
        let map = |f: fn(char) -> char, s: &str| s.chars().map(f).collect::<String>();
        assert_eq!(map(to_upper, "ßéŉᾳᾀǆſµÿ"), "ßÉŉᾼᾈǄSΜŸ");
        assert_eq!(map(to_lower, "İΣÉẞK"), "iσéßk");
        assert_eq!(map(to_title, "ǆaა"), "ǅAა");
    }

    #[test]
    fn classes() {
        for (rune, print, letter, digit) in [
            ('a', true, true, false),
            ('\u{a0}', false, false, false),
            ('\u{ad}', false, false, false),
            ('é', true, true, false),
            ('\u{200b}', false, false, false),
            ('😀', true, false, false),
            ('٣', true, false, true),
            ('\u{fffd}', true, false, false),
            ('\u{e000}', false, false, false),
            ('\u{10ffff}', false, false, false),
        ] {
            assert_eq!((is_print(rune), is_letter(rune), is_digit(rune)), (print, letter, digit), "{rune:?}");
        }
    }
}
