//! Integers and booleans.

use super::{NumError, NumErrorKind, underscores_separate};

fn digits(text: &[u8], base: u32, bits: u32) -> Result<u64, (NumErrorKind, u64)> {
    const SYNTAX: (NumErrorKind, u64) = (NumErrorKind::Syntax, 0);
    if text.is_empty() {
        return Err(SYNTAX);
    }
    let (base, number, from_prefix) = match (base, text) {
        (0, [b'0', b'x' | b'X', rest @ ..]) => (16, rest, true),
        (0, [b'0', b'b' | b'B', rest @ ..]) => (2, rest, true),
        (0, [b'0', b'o' | b'O', rest @ ..]) => (8, rest, true),
        (0, [b'0', rest @ ..]) if !rest.is_empty() => (8, rest, true),
        (0, _) => (10, text, true),
        (2..=36, _) => (base, text, false),
        _ => return Err((NumErrorKind::Base(base), 0)),
    };
    if bits > 64 {
        return Err((NumErrorKind::BitSize(bits), 0));
    }
    if number.is_empty() {
        return Err(SYNTAX);
    }
    let max = if bits == 0 || bits == 64 { u64::MAX } else { (1 << bits) - 1 };
    let mut underscore = false;
    let mut value: u64 = 0;
    for &b in number {
        if b == b'_' && from_prefix {
            underscore = true;
            continue;
        }
        let digit = char::from(b).to_digit(base).ok_or(SYNTAX)?;
        value = value
            .checked_mul(u64::from(base))
            .and_then(|v| v.checked_add(u64::from(digit)))
            .filter(|&v| v <= max)
            .ok_or((NumErrorKind::Range, max))?;
    }
    if underscore && !underscores_separate(text) {
        return Err(SYNTAX);
    }
    Ok(value)
}

fn signed(function: &'static str, text: &[u8], base: u32, bits: u32) -> Result<i64, NumError<i64>> {
    let fail = |kind, value| NumError { function, text: text.to_vec(), kind, value };
    let (negative, number) = match text {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        _ => (false, text),
    };
    let size = if bits == 0 { 64 } else { bits };
    let limit = 1_u64 << (size.min(64) - 1);
    let clamp = if negative { limit.wrapping_neg().cast_signed() } else { (limit - 1).cast_signed() };
    match digits(number, base, bits) {
        Ok(v) if negative && v <= limit => Ok(v.wrapping_neg().cast_signed()),
        Ok(v) if !negative && v < limit => Ok(v.cast_signed()),
        Ok(_) | Err((NumErrorKind::Range, _)) => Err(fail(NumErrorKind::Range, clamp)),
        Err((kind, _)) => Err(fail(kind, 0)),
    }
}

/// `strconv.ParseInt`. Base 0 reads the prefixes `0x`, `0o`, `0b`, `0` and underscores; bits 0 means 64.
pub fn parse_int(text: &[u8], base: u32, bits: u32) -> Result<i64, NumError<i64>> {
    signed("ParseInt", text, base, bits)
}

/// `strconv.ParseUint`: no sign.
pub fn parse_uint(text: &[u8], base: u32, bits: u32) -> Result<u64, NumError<u64>> {
    digits(text, base, bits).map_err(|(kind, value)| NumError {
        function: "ParseUint",
        text: text.to_vec(),
        kind,
        value,
    })
}

/// `strconv.Atoi`: decimal.
pub fn atoi(text: &[u8]) -> Result<i64, NumError<i64>> {
    signed("Atoi", text, 10, 0)
}

/// `strconv.ParseBool`.
pub fn parse_bool(text: &[u8]) -> Result<bool, NumError<bool>> {
    match text {
        b"1" | b"t" | b"T" | b"true" | b"TRUE" | b"True" => Ok(true),
        b"0" | b"f" | b"F" | b"false" | b"FALSE" | b"False" => Ok(false),
        _ => Err(NumError { function: "ParseBool", text: text.to_vec(), kind: NumErrorKind::Syntax, value: false }),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(text: &str, base: u32, want: Result<i64, &str>) {
        let got = parse_int(text.as_bytes(), base, 64).map_err(|e| e.to_string());
        let want = want.map_err(|m| format!("strconv.ParseInt: parsing {text:?}: {m}"));
        assert_eq!(got, want, "{text:?} base {base}");
    }

    #[test]
    fn parses_as_go() {
        const SYNTAX: Result<i64, &str> = Err("invalid syntax");
        const RANGE: Result<i64, &str> = Err("value out of range");
        for (text, base, want) in [
            ("", 10, SYNTAX),
            ("-", 0, SYNTAX),
            ("0", 0, Ok(0)),
            ("0x10", 0, Ok(16)),
            ("0x10", 10, SYNTAX),
            ("0x", 0, SYNTAX),
            ("010", 0, Ok(8)),
            ("010", 10, Ok(10)),
            ("08", 0, SYNTAX),
            ("0o17", 0, Ok(15)),
            ("0b101", 0, Ok(5)),
            ("0b101", 16, Ok(45313)),
            ("1_000", 0, Ok(1000)),
            ("1_000", 10, SYNTAX),
            ("0_7", 0, Ok(7)),
            ("_1", 0, SYNTAX),
            ("1_", 0, SYNTAX),
            ("0_", 0, SYNTAX),
            ("0x_1", 0, Ok(1)),
            ("0x1__0", 0, SYNTAX),
            ("0_b1", 0, SYNTAX),
            ("+5", 0, Ok(5)),
            ("++5", 10, SYNTAX),
            ("9223372036854775807", 10, Ok(i64::MAX)),
            ("9223372036854775808", 10, RANGE),
            ("-9223372036854775808", 10, Ok(i64::MIN)),
            ("-9223372036854775809", 10, RANGE),
            ("99999999999999999999x", 10, RANGE),
            ("1", 1, Err("invalid base 1")),
            ("1", 37, Err("invalid base 37")),
            ("zZ", 36, Ok(1295)),
        ] {
            check(text, base, want);
        }
        assert_eq!(parse_int(b"-300", 10, 8).unwrap_err().value, -128);
        assert_eq!(parse_int(b"300", 10, 8).unwrap_err().value, 127);
        assert_eq!(atoi(b"99999999999999999999").unwrap_err().value, i64::MAX);
        assert_eq!(parse_uint(b"300", 10, 8).unwrap_err().value, 255);
        assert_eq!(parse_uint(b"18446744073709551615", 10, 64), Ok(u64::MAX));
        assert_eq!(
            parse_uint(b"-1\xff", 10, 64).unwrap_err().to_string(),
            r#"strconv.ParseUint: parsing "-1\xff": invalid syntax"#
        );
    }
}
