//! What an untagged plain scalar means: YAML 1.1 as go-yaml reads it.

use std::borrow::Cow;

/// What a scalar stands for.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Scalar {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Float(f64),
    Timestamp,
    Str,
}

impl Scalar {
    /// The short name of its tag.
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::Null => "!!null",
            Self::Bool(_) => "!!bool",
            Self::Int(_) | Self::Uint(_) => "!!int",
            Self::Float(_) => "!!float",
            Self::Timestamp => "!!timestamp",
            Self::Str => "!!str",
        }
    }
}

/// How go-yaml v2 reads a plain scalar. Texts that are timestamps only count as such if `timestamps`.
pub(crate) fn v2(text: &[u8], timestamps: bool) -> Scalar {
    match text {
        b"y" | b"Y" | b"yes" | b"Yes" | b"YES" | b"on" | b"On" | b"ON" => Scalar::Bool(true),
        b"n" | b"N" | b"no" | b"No" | b"NO" | b"off" | b"Off" | b"OFF" => Scalar::Bool(false),
        _ => common(text, timestamps),
    }
}

/// Whether a plain scalar stands for its own text, as far as JSON goes: timestamps do too.
pub fn reads_as_text(text: &[u8]) -> bool {
    matches!(v2(text, true), Scalar::Str | Scalar::Timestamp)
}

/// How go-yaml v3 reads a plain scalar into an interface.
pub(crate) fn v3(text: &[u8]) -> Scalar {
    common(text, true)
}

fn common(text: &[u8], timestamps: bool) -> Scalar {
    let Some(&first) = text.first() else { return Scalar::Null };
    match first {
        b't' | b'T' if matches!(text, b"true" | b"True" | b"TRUE") => Scalar::Bool(true),
        b'f' | b'F' if matches!(text, b"false" | b"False" | b"FALSE") => Scalar::Bool(false),
        b'~' if text.len() == 1 => Scalar::Null,
        b'n' | b'N' if matches!(text, b"null" | b"Null" | b"NULL") => Scalar::Null,
        b'.' => point(text),
        b'+' | b'-' | b'0'..=b'9' => number(text, timestamps),
        _ => Scalar::Str,
    }
}

/// What begins with a point.
fn point(text: &[u8]) -> Scalar {
    match text {
        b".nan" | b".NaN" | b".NAN" => Scalar::Float(f64::NAN),
        b".inf" | b".Inf" | b".INF" => Scalar::Float(f64::INFINITY),
        // strconv.ParseFloat lets underscores stand between digits.
        _ if underscores_between_digits(text) => float(&without_underscores(text)).unwrap_or(Scalar::Str),
        _ => Scalar::Str,
    }
}

fn underscores_between_digits(text: &[u8]) -> bool {
    text.iter().enumerate().all(|(i, byte)| {
        let digit = |at: Option<usize>| at.and_then(|at| text.get(at)).is_some_and(u8::is_ascii_digit);
        *byte != b'_' || (digit(i.checked_sub(1)) && digit(Some(i + 1)))
    })
}

/// What begins with a digit or a sign.
fn number(text: &[u8], timestamps: bool) -> Scalar {
    match text {
        b"+.inf" | b"+.Inf" | b"+.INF" => return Scalar::Float(f64::INFINITY),
        b"-.inf" | b"-.Inf" | b"-.INF" => return Scalar::Float(f64::NEG_INFINITY),
        _ if timestamps && is_timestamp(text) => return Scalar::Timestamp,
        _ => {}
    }
    let plain = without_underscores(text);
    integer(&plain).or_else(|| float(&plain)).unwrap_or(Scalar::Str)
}

fn without_underscores(text: &[u8]) -> Cow<'_, [u8]> {
    if text.contains(&b'_') {
        Cow::Owned(text.iter().copied().filter(|b| *b != b'_').collect())
    } else {
        Cow::Borrowed(text)
    }
}

/// An integer with Go's prefixes: `0x`, `0b`, `0o` and a plain `0` for octal.
fn integer(text: &[u8]) -> Option<Scalar> {
    let (sign, digits) = match text {
        [sign @ (b'+' | b'-'), digits @ ..] => (Some(*sign), digits),
        _ => (None, text),
    };
    let (base, digits) = match digits {
        [b'0', b'x' | b'X', digits @ ..] => (16, digits),
        [b'0', b'b' | b'B', digits @ ..] => (2, digits),
        [b'0', b'o' | b'O', digits @ ..] => (8, digits),
        [b'0', digits @ ..] if !digits.is_empty() => (8, digits),
        _ => (10, digits),
    };
    if digits.first().is_none_or(|b| !b.is_ascii_alphanumeric()) {
        return None;
    }
    match sign {
        Some(sign) => radix(&[&[sign], digits].concat(), base),
        None => radix(digits, base),
    }
}

fn radix(text: &[u8], base: u32) -> Option<Scalar> {
    let text = std::str::from_utf8(text).ok()?;
    // Go's ParseUint takes no sign.
    let unsigned = || u64::from_str_radix(text, base).ok().filter(|_| !text.starts_with('+'));
    i64::from_str_radix(text, base).ok().map(Scalar::Int).or_else(|| unsigned().map(Scalar::Uint))
}

/// `[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?` within the range of a float.
fn float(text: &[u8]) -> Option<Scalar> {
    let digits = |text: &[u8]| text.iter().take_while(|b| b.is_ascii_digit()).count();
    let unsigned = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    let whole = digits(unsigned);
    let mut rest = &unsigned[whole..];
    if let [b'.', fraction @ ..] = rest {
        let length = digits(fraction);
        if whole == 0 && length == 0 {
            return None;
        }
        rest = &fraction[length..];
    } else if whole == 0 {
        return None;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let exponent = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let length = digits(exponent);
        if length == 0 {
            return None;
        }
        rest = &exponent[length..];
    }
    let number: f64 = if rest.is_empty() { std::str::from_utf8(text).ok()?.parse().ok()? } else { return None };
    number.is_finite().then_some(Scalar::Float(number))
}

/// Base-60 numbers of YAML 1.1, which go-yaml reads as text but quotes when it writes them.
pub(crate) fn is_base_60(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"+").or_else(|| text.strip_prefix(b"-")).unwrap_or(text);
    if !text.first().is_some_and(u8::is_ascii_digit) {
        return false;
    }
    let (whole, fraction) = match text.iter().position(|b| *b == b'.') {
        Some(at) => (&text[..at], &text[at + 1..]),
        None => (text, &b""[..]),
    };
    let mut parts = whole.split(|b| *b == b':');
    let head = parts.next().unwrap_or_default();
    let mut groups = 0;
    let sixties = parts.all(|part| {
        groups += 1;
        matches!(part, [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    let digits = |text: &[u8]| text.iter().all(|b| b.is_ascii_digit() || *b == b'_');
    sixties && groups > 0 && digits(head) && digits(fraction)
}

/// The booleans of YAML 1.1 that go-yaml v3 quotes though it reads them as text.
pub(crate) fn is_old_bool(text: &[u8]) -> bool {
    matches!(
        text,
        b"y" | b"Y"
            | b"yes"
            | b"Yes"
            | b"YES"
            | b"on"
            | b"On"
            | b"ON"
            | b"n"
            | b"N"
            | b"no"
            | b"No"
            | b"NO"
            | b"off"
            | b"Off"
            | b"OFF"
    )
}

/// The forms of a timestamp that go-yaml knows: a date; a date, `T` or `t`, a time and a zone; a date, a blank and a
/// time. Month, day, hour, minute and second may have one digit, but they must exist in the calendar.
pub(crate) fn is_timestamp(text: &[u8]) -> bool {
    let Some((year, rest)) = take_number(text, 4..=4) else { return false };
    let Some((month, rest)) = take_after(rest, b'-', 1..=2) else { return false };
    let Some((day, rest)) = take_after(rest, b'-', 1..=2) else { return false };
    if !(1..=12).contains(&month) || day < 1 || day > month_length(year, month) {
        return false;
    }
    match rest {
        [] => true,
        [b'T' | b't', rest @ ..] => time(rest).is_some_and(is_zone),
        [b' ', rest @ ..] => time(rest).is_some_and(<[u8]>::is_empty),
        _ => false,
    }
}

fn take_number(text: &[u8], digits: std::ops::RangeInclusive<usize>) -> Option<(u32, &[u8])> {
    let length = text.iter().take(*digits.end()).take_while(|b| b.is_ascii_digit()).count();
    let number = text[..length].iter().fold(0, |n, b| n * 10 + u32::from(b - b'0'));
    digits.contains(&length).then(|| (number, &text[length..]))
}

fn take_after(text: &[u8], separator: u8, digits: std::ops::RangeInclusive<usize>) -> Option<(u32, &[u8])> {
    take_number(text.strip_prefix(&[separator])?, digits)
}

/// Passes `15:04:05.999`.
fn time(text: &[u8]) -> Option<&[u8]> {
    let (hour, rest) = take_number(text, 1..=2)?;
    let (minute, rest) = take_after(rest, b':', 1..=2)?;
    let (second, rest) = take_after(rest, b':', 1..=2)?;
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    if let [b'.' | b',', fraction @ ..] = rest {
        let length = fraction.iter().take_while(|b| b.is_ascii_digit()).count();
        if length > 0 {
            return Some(&fraction[length..]);
        }
    }
    Some(rest)
}

/// `Z` or `+02:00`.
fn is_zone(text: &[u8]) -> bool {
    match text {
        b"Z" => true,
        [b'+' | b'-', h1, h2, b':', m1, m2] => {
            let two = |a: &u8, b: &u8| a.is_ascii_digit() && b.is_ascii_digit();
            two(h1, h2) && two(m1, m2) && [*h1, *h2] <= *b"24" && [*m1, *m2] <= *b"60"
        }
        _ => false,
    }
}

fn month_length(year: u32, month: u32) -> u32 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timestamps() {
        let check = |text: &str, expect: bool| assert_eq!(is_timestamp(text.as_bytes()), expect, "{text}");
        for text in [
            "2020-01-01",
            "2020-1-1",
            "2001-12-14t21:59:43.10-05:00",
            "2001-12-14T1:2:3Z",
            "2001-12-14 21:59:43",
            "2020-02-29",
            "2020-01-01T00:00:00+24:60",
        ] {
            check(text, true);
        }
        for text in [
            "2020-13-01",
            "2020-02-30",
            "2021-02-29",
            "2020-01-01T00:00:00",
            "2020-01-01 00:00:00Z",
            "2020-01-01 24:00:00",
            "20-01-01",
            "2020-01-001",
            "2020-01-01T00:00:00+25:00",
            "2020-01-01  1:1:1",
        ] {
            check(text, false);
        }
    }

    #[test]
    fn base_60() {
        let check = |text: &str, expect: bool| assert_eq!(is_base_60(text.as_bytes()), expect, "{text}");
        for text in ["10:30", "1:30:45.5", "-190:20:30.15", "1_0:59", "0:0", "1:30."] {
            check(text, true);
        }
        for text in ["1:60", "1", ":30", "_1:30", "1:30:", "1:300", "a:30", "1.5:30", ""] {
            check(text, false);
        }
    }
}
