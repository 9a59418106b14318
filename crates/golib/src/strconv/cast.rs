//! How spf13/cast reads numbers out of text: what `int`, `int64` and `float64` of a chart do.

use super::{parse_float, parse_int};

/// `cast.ToInt64` of a text: base prefixes count, `1.00` is 1, anything else that is no integer is 0.
pub fn cast_int64(text: &[u8]) -> i64 {
    let zeros = text.iter().rev().take_while(|&&b| b == b'0').count();
    let number = match text[..text.len() - zeros].strip_suffix(b".") {
        Some(number) if zeros > 0 => number,
        _ => text,
    };
    parse_int(number, 0, 0).unwrap_or(0)
}

/// `cast.ToFloat64` of a text; what is no number, or none in range, is 0.
pub fn cast_float64(text: &[u8]) -> f64 {
    parse_float(text).unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn casts() {
        for (text, int, float) in [
            ("08", 0, 8.0),
            ("010", 8, 10.0),
            ("0x10", 16, 0.0),
            ("1.0", 1, 1.0),
            ("1.5", 0, 1.5),
            ("1.", 0, 1.0),
            ("1.00", 1, 1.0),
            (".0", 0, 0.0),
            ("-1.0", -1, -1.0),
            ("1_000", 1000, 1000.0),
            ("1e3", 0, 1000.0),
            ("0b1.0", 1, 0.0),
            ("100", 100, 100.0),
            ("", 0, 0.0),
            ("99999999999999999999", 0, 1e20),
            ("1.0.0", 0, 0.0),
        ] {
            assert_eq!(cast_int64(text.as_bytes()), int, "{text:?}");
            assert!((cast_float64(text.as_bytes()) - float).abs() < f64::EPSILON, "{text:?}");
        }
    }
}
