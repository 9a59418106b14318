//! Go's shortest decimal texts of floats: `strconv.FormatFloat` with `-1` digits.

use std::fmt::Write;

/// The shortest digits that read back as this float, and the power of ten of the first.
fn shortest(scientific: &str) -> (bool, Vec<u8>, i32) {
    let (negative, rest) = match scientific.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, scientific),
    };
    let (mantissa, exponent) = rest.split_once('e').unwrap_or((rest, "0"));
    (negative, mantissa.bytes().filter(u8::is_ascii_digit).collect(), exponent.parse().unwrap_or(0))
}

fn special(float: f64) -> Option<&'static str> {
    match float {
        f if f.is_nan() => Some("NaN"),
        f64::INFINITY => Some("+Inf"),
        f64::NEG_INFINITY => Some("-Inf"),
        _ => None,
    }
}

/// Format `g`: an exponent below 1e-4 and from 1e6 up. Go's yaml packages use it for every float.
pub(crate) fn general(float: f64) -> String {
    special(float).map_or_else(|| general_text(&format!("{float:e}")), str::to_owned)
}

/// Format `g` of the nearest 32-bit float.
#[allow(clippy::cast_possible_truncation)]
pub(crate) fn general_32(float: f64) -> String {
    let float = float as f32;
    special(f64::from(float)).map_or_else(|| general_text(&format!("{float:e}")), str::to_owned)
}

fn general_text(scientific: &str) -> String {
    let (negative, digits, exponent) = shortest(scientific);
    text(negative, &digits, exponent, !(-4..6).contains(&exponent), 2)
}

/// encoding/json's text of a finite float: an exponent below 1e-6 and from 1e21 up.
pub(crate) fn json(float: f64) -> String {
    let (negative, digits, exponent) = shortest(&format!("{float:e}"));
    text(negative, &digits, exponent, float != 0.0 && !(-6..21).contains(&exponent), 1)
}

fn text(negative: bool, digits: &[u8], exponent: i32, exponential: bool, exponent_digits: usize) -> String {
    let mut out = String::with_capacity(24);
    if negative {
        out.push('-');
    }
    let mut push = |digits: &mut dyn Iterator<Item = u8>| out.extend(digits.map(char::from));
    let digits = || digits.iter().copied();
    if exponential {
        push(&mut digits().take(1));
        if digits().len() > 1 {
            push(&mut std::iter::once(b'.').chain(digits().skip(1)));
        }
        let sign = if exponent < 0 { '-' } else { '+' };
        let _ = write!(out, "e{sign}{:0exponent_digits$}", exponent.unsigned_abs());
        return out;
    }
    let zeros = |count: i32| std::iter::repeat_n(b'0', usize::try_from(count).unwrap_or(0));
    if exponent < 0 {
        push(&mut b"0.".iter().copied().chain(zeros(-exponent - 1)).chain(digits()));
        return out;
    }
    let whole = usize::try_from(exponent).unwrap_or(0) + 1;
    push(&mut digits().take(whole));
    if digits().len() > whole {
        push(&mut std::iter::once(b'.').chain(digits().skip(whole)));
    } else {
        push(&mut zeros(exponent + 1 - i32::try_from(digits().len()).unwrap_or(0)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn floats() {
        let check = |float: f64, g: &str, j: &str| assert_eq!((&*general(float), &*json(float)), (g, j));
        check(0.0, "0", "0");
        check(-0.0, "-0", "-0");
        check(100_000.0, "100000", "100000");
        check(1e6, "1e+06", "1000000");
        check(1_234_567.5, "1.2345675e+06", "1234567.5");
        check(0.0001, "0.0001", "0.0001");
        check(0.00001, "1e-05", "0.00001");
        check(1e-7, "1e-07", "1e-7");
        check(1e20, "1e+20", "100000000000000000000");
        check(1e21, "1e+21", "1e+21");
        check(-1.5e300, "-1.5e+300", "-1.5e+300");
        check(123.456, "123.456", "123.456");
        assert_eq!(general(f64::NAN), "NaN");
        assert_eq!(general_32(20_240_102.1), "2.0240102e+07");
        assert_eq!(general_32(1e300), "+Inf");
        assert_eq!(general_32(1.1), "1.1");
    }
}
