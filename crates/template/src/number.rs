//! Constants of templates: numbers that fit as many Go types as their text allows.

use pintle_golib::strconv;

/// A number, character or imaginary constant, by the types it can become.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Number {
    pub(crate) int: Option<i64>,
    uint: Option<u64>,
    pub(crate) float: Option<f64>,
    complex: Option<(f64, f64)>,
    /// Written as a float, so that it is one where the type is open.
    written_as_float: bool,
}

/// What a constant is where any type would do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Ideal {
    Int(i64),
    Float(f64),
    Complex(f64, f64),
    /// Too large for an `int`.
    Overflow,
}

impl Number {
    /// A character constant with its quotes.
    pub(crate) fn character(text: &[u8]) -> Result<Self, String> {
        let invalid = || "invalid syntax".to_owned();
        let (code, _, length) = text.get(1..).and_then(|t| strconv::unquote_char(t, b'\'')).ok_or_else(invalid)?;
        if text.get(1 + length..) != Some(b"'") {
            return Err(format!("malformed character constant: {}", String::from_utf8_lossy(text)));
        }
        Ok(Self {
            int: Some(i64::from(code)),
            uint: Some(u64::from(code)),
            float: Some(f64::from(code)),
            ..Self::default()
        })
    }

    /// A constant of the form `1+2i`.
    pub(crate) fn complex(text: &[u8]) -> Result<Self, String> {
        let illegal = || format!("illegal number syntax: {}", strconv::quote(text));
        let body = text.strip_suffix(b"i").ok_or_else(illegal)?;
        // The sign between the parts is the last one that does not follow an exponent's letter.
        let hexadecimal = body.windows(2).any(|w| matches!(w, b"0x" | b"0X"));
        let split = (1..body.len())
            .rev()
            .find(|&at| {
                matches!(body[at], b'+' | b'-')
                    && !matches!(body[at - 1], b'p' | b'P')
                    && (hexadecimal || !matches!(body[at - 1], b'e' | b'E'))
            })
            .ok_or_else(illegal)?;
        let part = |text: &[u8]| strconv::parse_float(text).map_err(|_| illegal());
        Ok(Self::of_complex(part(&body[..split])?, part(&body[split..])?))
    }

    fn of_complex(real: f64, imaginary: f64) -> Self {
        let mut number = Self { complex: Some((real, imaginary)), ..Self::default() };
        if imaginary == 0.0 {
            number.float = Some(real);
            number.int = exact_int(real);
            number.uint = exact_uint(real);
        }
        number
    }

    /// A number: an integer of any base, a float, or an imaginary constant.
    pub(crate) fn parse(text: &[u8]) -> Result<Self, String> {
        if let Some(body) = text.strip_suffix(b"i")
            && let Ok(imaginary) = strconv::parse_float(body)
        {
            return Ok(Self::of_complex(0.0, imaginary));
        }
        let int = strconv::parse_int(text, 0, 64).ok();
        let uint = strconv::parse_uint(text, 0, 64).ok().or(if int == Some(0) { Some(0) } else { None });
        let has_float_letter = text.iter().any(|b| b".eEpP".contains(b));
        let is_hexadecimal = matches!(text, [b'0', b'x' | b'X', _, ..]) && !text.iter().any(|b| b"pP".contains(b));
        let mut number = Self { int, uint, written_as_float: has_float_letter && !is_hexadecimal, ..Self::default() };
        #[allow(clippy::cast_precision_loss)] // the nearest float, as Go has it
        if let Some(n) = int {
            number.float = Some(n as f64);
        } else if let Some(n) = uint {
            number.float = Some(n as f64);
        } else if let Ok(f) = strconv::parse_float(text) {
            if !has_float_letter {
                return Err(format!("integer overflow: {}", strconv::quote(text)));
            }
            number.float = Some(f);
            number.int = exact_int(f);
            number.uint = exact_uint(f);
        } else {
            return Err(format!("illegal number syntax: {}", strconv::quote(text)));
        }
        Ok(number)
    }

    /// The constant where any type would do.
    pub(crate) fn ideal(&self) -> Ideal {
        match *self {
            Self { complex: Some((real, imaginary)), .. } => Ideal::Complex(real, imaginary),
            Self { float: Some(f), written_as_float: true, .. } => Ideal::Float(f),
            Self { int: Some(n), .. } => Ideal::Int(n),
            _ => Ideal::Overflow,
        }
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::float_cmp)]
fn exact_int(f: f64) -> Option<i64> {
    // 2^63 as an i64 saturates and would compare equal again.
    (f < 9_223_372_036_854_775_808.0 && (f as i64) as f64 == f).then_some(f as i64)
}

#[allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, clippy::cast_sign_loss, clippy::float_cmp)]
fn exact_uint(f: f64) -> Option<u64> {
    (f < 18_446_744_073_709_551_616.0 && (f as u64) as f64 == f).then_some(f as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn ideal_types() {
        for (text, ideal) in [
            ("1", Ideal::Int(1)),
            ("-0xE", Ideal::Float(-14.0)),
            ("0xE", Ideal::Int(14)),
            ("017", Ideal::Int(15)),
            ("0b11", Ideal::Int(3)),
            ("1e3", Ideal::Float(1000.0)),
            ("0x1p4", Ideal::Float(16.0)),
            ("2i", Ideal::Complex(0.0, 2.0)),
            ("9223372036854775808", Ideal::Overflow),
        ] {
            assert_eq!(Number::parse(text.as_bytes()).unwrap().ideal(), ideal, "{text}");
        }
        assert_eq!(Number::complex(b"1.5e2-2i").unwrap().ideal(), Ideal::Complex(150.0, -2.0));
        assert_eq!(Number::character(b"'\\x41'").unwrap().ideal(), Ideal::Int(65));
        assert_eq!(Number::parse(b"3.0").unwrap().int, Some(3));
        assert_eq!(Number::parse(b"3.5").unwrap().int, None);
    }

    #[test]
    fn refused() {
        for (text, message) in [
            ("0x", "illegal number syntax: \"0x\""),
            ("18446744073709551616", "integer overflow: \"18446744073709551616\""),
            ("-", "illegal number syntax: \"-\""),
            ("1e400", "illegal number syntax: \"1e400\""),
        ] {
            assert_eq!(Number::parse(text.as_bytes()).unwrap_err(), message);
        }
    }
}
