//! Floating point numbers.

use super::{NumError, NumErrorKind, underscores_separate};

/// More digits than this no finite float64 has; beyond come zeros.
const MAX_DIGITS: usize = 1100;

/// Decimal digits d₁d₂… and the exponent so that the number is 0.d₁d₂… × 10^point; no digits for zero.
struct Decimal {
    digits: Vec<u8>,
    point: i32,
}

impl Decimal {
    /// From the form `1.2345e6`, of a number that is not negative.
    fn parse(text: &str) -> Self {
        let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
        let digits: Vec<u8> = mantissa.bytes().filter(|&b| b != b'.').collect();
        if digits.iter().all(|&b| b == b'0') {
            return Self { digits: Vec::new(), point: 0 };
        }
        let exponent: i32 = exponent.parse().unwrap_or(0);
        Self { digits, point: exponent + 1 }
    }

    #[allow(clippy::cast_possible_truncation)]
    fn shortest(value: f64, single: bool) -> Self {
        let text = if single { format!("{:e}", value as f32) } else { format!("{value:e}") };
        let shortest = Self::parse(&text);
        // Where two shortest texts are equally near, Rust takes the upper one, Go the even one.
        // For a float64 to lie between two such texts, they must have 16 digits at least: fewer are further apart than floats.
        if single || shortest.digits.len() >= 16 {
            let even = format!("{value:.*e}", shortest.digits.len().saturating_sub(1));
            let same = if single { even.parse() == Ok(value as f32) } else { even.parse() == Ok(value) };
            if same {
                return Self::parse(&even);
            }
        }
        shortest
    }

    /// Rounded to this many significant digits, at least one.
    fn significant(value: f64, count: usize) -> Self {
        Self::parse(&format!("{value:.*e}", count.clamp(1, MAX_DIGITS) - 1))
    }

    fn digit(&self, index: i32) -> u8 {
        usize::try_from(index).ok().and_then(|i| self.digits.get(i)).copied().unwrap_or(b'0')
    }
}

/// Formats with `strconv.AppendFloat`: verb `e E f F g G b x X`, precision or none for the shortest text that reads back.
///
/// Another verb gives `%` and the verb, as in Go. The precision is not limited here: the caller must.
pub fn append_float(out: &mut Vec<u8>, value: f64, verb: u8, precision: Option<usize>) {
    append(out, value, verb, precision, false);
}

/// [`append_float`] of a float32.
pub fn append_float32(out: &mut Vec<u8>, value: f32, verb: u8, precision: Option<usize>) {
    append(out, f64::from(value), verb, precision, true);
}

/// [`append_float`] into a new text.
pub fn format_float(value: f64, verb: u8, precision: Option<usize>) -> String {
    let mut out = Vec::new();
    append_float(&mut out, value, verb, precision);
    out.into_iter().map(char::from).collect()
}

fn append(out: &mut Vec<u8>, value: f64, verb: u8, precision: Option<usize>, single: bool) {
    if value.is_nan() {
        out.extend_from_slice(b"NaN");
        return;
    }
    if value.is_infinite() {
        out.extend_from_slice(if value > 0.0 { b"+Inf" } else { b"-Inf" });
        return;
    }
    let start = out.len();
    if value.is_sign_negative() {
        out.push(b'-');
    }
    let magnitude = value.abs();
    match verb {
        b'e' | b'E' => {
            let decimal = match precision {
                None => Decimal::shortest(magnitude, single),
                Some(p) => Decimal::significant(magnitude, p.saturating_add(1)),
            };
            let places = precision.unwrap_or_else(|| decimal.digits.len().saturating_sub(1));
            exponential(out, &decimal, places, verb);
        }
        b'f' | b'F' => match precision {
            None => {
                let decimal = Decimal::shortest(magnitude, single);
                let places = usize::try_from(decimal.digits.len() as i64 - i64::from(decimal.point)).unwrap_or(0);
                fixed(out, &decimal, places);
            }
            Some(p) => {
                let places = p.min(MAX_DIGITS);
                out.extend_from_slice(format!("{magnitude:.places$}").as_bytes());
                out.resize(out.len() + (p - places), b'0');
            }
        },
        // Most numbers of a chart are small integers, which need no digits found for them.
        b'g' if precision.is_none() && magnitude < 1e6 && magnitude.fract() == 0.0 => {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
            let whole = magnitude as u32;
            out.extend_from_slice(whole.to_string().as_bytes());
        }
        b'g' | b'G' => {
            let decimal = match precision {
                None => Decimal::shortest(magnitude, single),
                Some(p) => Decimal::significant(magnitude, p.max(1)),
            };
            general(out, decimal, precision, verb);
        }
        b'b' => binary(out, magnitude, single),
        b'x' | b'X' => hexadecimal(out, magnitude, verb, precision),
        _ => {
            out.truncate(start);
            out.extend_from_slice(&[b'%', verb]);
        }
    }
}

fn exponential(out: &mut Vec<u8>, decimal: &Decimal, places: usize, letter: u8) {
    out.push(decimal.digit(0));
    if places > 0 {
        out.push(b'.');
        let end = decimal.digits.len().min(places + 1);
        let have = decimal.digits.get(1..end).unwrap_or_default();
        out.extend_from_slice(have);
        out.resize(out.len() + (places - have.len()), b'0');
    }
    let exponent = if decimal.digits.is_empty() { 0 } else { decimal.point - 1 };
    out.push(letter);
    push_exponent(out, exponent);
}

fn push_exponent(out: &mut Vec<u8>, exponent: i32) {
    let sign = if exponent < 0 { '-' } else { '+' };
    out.extend_from_slice(format!("{sign}{:02}", exponent.unsigned_abs()).as_bytes());
}

fn fixed(out: &mut Vec<u8>, decimal: &Decimal, places: usize) {
    if decimal.point > 0 {
        out.extend((0..decimal.point).map(|i| decimal.digit(i)));
    } else {
        out.push(b'0');
    }
    if places > 0 {
        out.push(b'.');
        let places = i32::try_from(places).unwrap_or(i32::MAX);
        out.extend((0..places).map(|i| decimal.digit(decimal.point.saturating_add(i))));
    }
}

fn general(out: &mut Vec<u8>, mut decimal: Decimal, precision: Option<usize>, verb: u8) {
    while decimal.digits.last() == Some(&b'0') {
        decimal.digits.pop();
    }
    let count = decimal.digits.len();
    let point = i64::from(decimal.point);
    // From this exponent on the exponential form: the precision, but no more than the digits there are
    // if all digits before the point are among them. Without a precision Go takes 6, whatever the digits.
    let limit = match precision {
        None => 6,
        Some(p) if p.max(1) > count && count as i64 >= point => count as i64,
        Some(p) => i64::try_from(p.max(1)).unwrap_or(i64::MAX),
    };
    let exponent = point - 1;
    if exponent < -4 || exponent >= limit {
        exponential(out, &decimal, count.saturating_sub(1), if verb == b'G' { b'E' } else { b'e' });
    } else {
        fixed(out, &decimal, usize::try_from(count as i64 - point).unwrap_or(0));
    }
}

/// Mantissa and exponent of two, so that the number is mantissa × 2^exponent.
fn split(value: f64) -> (u64, i32) {
    let bits = value.to_bits();
    let fraction = bits & ((1 << 52) - 1);
    let exponent = i32::try_from(bits >> 52 & 0x7ff).unwrap_or(0);
    if exponent == 0 { (fraction, -1074) } else { (fraction | 1 << 52, exponent - 1075) }
}

fn binary(out: &mut Vec<u8>, value: f64, single: bool) {
    let (mut mantissa, mut exponent) = split(value);
    if single {
        // A float32 has 24 bits; its denormals, normal as float64, keep the exponent of the smallest one.
        let shift = if value == 0.0 { 0 } else { 29.max(-149 - exponent) };
        mantissa >>= shift;
        exponent = if value == 0.0 { -149 } else { exponent + shift };
    }
    out.extend_from_slice(format!("{mantissa}p{exponent:+}").as_bytes());
}

fn hexadecimal(out: &mut Vec<u8>, value: f64, verb: u8, precision: Option<usize>) {
    let (mut mantissa, mut exponent) = split(value);
    if mantissa == 0 {
        exponent = 0;
    } else {
        // The leading one at bit 60, so that fifteen digits of four bits follow it.
        let shift = mantissa.leading_zeros() - 3;
        mantissa <<= shift;
        exponent += 60 - i32::try_from(shift).unwrap_or(0);
        if let Some(places) = precision
            && places < 15
        {
            let cut = u32::try_from(60 - places * 4).unwrap_or(60);
            let rest = mantissa & ((1 << cut) - 1);
            mantissa >>= cut;
            let half = 1 << (cut - 1);
            if rest > half || rest == half && mantissa & 1 == 1 {
                mantissa += 1;
            }
            mantissa <<= cut;
            if mantissa >> 61 != 0 {
                mantissa >>= 1;
                exponent += 1;
            }
        }
    }
    let upper = verb == b'X';
    out.extend_from_slice(if upper { b"0X" } else { b"0x" });
    out.push(if mantissa >> 60 & 1 == 1 { b'1' } else { b'0' });
    let rest = format!("{:015x}", mantissa & ((1 << 60) - 1));
    let digits = match precision {
        None => rest.trim_end_matches('0').to_owned(),
        Some(p) if p <= 15 => rest[..p].to_owned(),
        Some(p) => rest + &"0".repeat(p - 15),
    };
    if !digits.is_empty() {
        out.push(b'.');
        out.extend(digits.bytes().map(|b| if upper { b.to_ascii_uppercase() } else { b }));
    }
    out.push(if upper { b'P' } else { b'p' });
    push_exponent(out, exponent);
}

/// `strconv.ParseFloat(text, 64)`: decimal, hexadecimal with a `p` exponent, `inf`, `infinity`, `nan`, underscores between digits.
pub fn parse_float(text: &[u8]) -> Result<f64, NumError<f64>> {
    let fail = |kind, value| NumError { function: "ParseFloat", text: text.to_vec(), kind, value };
    match read(text) {
        None => Err(fail(NumErrorKind::Syntax, 0.0)),
        Some(Number::Special(value)) => Ok(value),
        Some(Number::Decimal(digits)) => match digits.parse::<f64>() {
            Ok(v) if v.is_infinite() => Err(fail(NumErrorKind::Range, v)),
            Ok(v) => Ok(v),
            Err(_) => Err(fail(NumErrorKind::Syntax, 0.0)),
        },
        Some(Number::Hex { negative, mantissa, exponent }) => {
            let value = scale(mantissa, exponent, 53, -1074);
            let value = if negative { -value } else { value };
            if value.is_infinite() { Err(fail(NumErrorKind::Range, value)) } else { Ok(value) }
        }
    }
}

/// `strconv.ParseFloat(text, 32)`.
pub fn parse_float32(text: &[u8]) -> Result<f32, NumError<f32>> {
    let fail = |kind, value| NumError { function: "ParseFloat", text: text.to_vec(), kind, value };
    let value = match read(text) {
        None => return Err(fail(NumErrorKind::Syntax, 0.0)),
        #[allow(clippy::cast_possible_truncation)]
        Some(Number::Special(value)) => return Ok(value as f32),
        Some(Number::Decimal(digits)) => digits.parse::<f32>().map_err(|_| fail(NumErrorKind::Syntax, 0.0))?,
        Some(Number::Hex { negative, mantissa, exponent }) => {
            // Already rounded to 24 bits, so the conversion is exact or overflows.
            #[allow(clippy::cast_possible_truncation)]
            let value = scale(mantissa, exponent, 24, -149) as f32;
            if negative { -value } else { value }
        }
    };
    if value.is_infinite() { Err(fail(NumErrorKind::Range, value)) } else { Ok(value) }
}

enum Number {
    Special(f64),
    /// Without underscores, in the grammar that Rust reads.
    Decimal(String),
    /// mantissa × 2^exponent; the lowest bit of the mantissa is set if more followed.
    Hex {
        negative: bool,
        mantissa: u64,
        exponent: i64,
    },
}

fn read(text: &[u8]) -> Option<Number> {
    let (sign, number) = match text {
        [b'-', rest @ ..] => (Some(true), rest),
        [b'+', rest @ ..] => (Some(false), rest),
        _ => (None, text),
    };
    let negative = sign == Some(true);
    if number.eq_ignore_ascii_case(b"inf") || number.eq_ignore_ascii_case(b"infinity") {
        return Some(Number::Special(if negative { f64::NEG_INFINITY } else { f64::INFINITY }));
    }
    if sign.is_none() && number.eq_ignore_ascii_case(b"nan") {
        return Some(Number::Special(f64::NAN));
    }
    if number.contains(&b'_') && !underscores_separate(text) {
        return None;
    }
    if let [b'0', b'x' | b'X', digits @ ..] = number {
        return read_hex(negative, digits);
    }
    let mut plain = String::with_capacity(text.len());
    for &b in text {
        match b {
            b'0'..=b'9' | b'+' | b'-' | b'.' | b'e' | b'E' => plain.push(char::from(b)),
            b'_' => {}
            _ => return None,
        }
    }
    Some(Number::Decimal(plain))
}

fn read_hex(negative: bool, digits: &[u8]) -> Option<Number> {
    let p = digits.iter().position(|b| matches!(b, b'p' | b'P'))?;
    let (mut mantissa, mut exponent) = (0_u64, 0_i64);
    let (mut any, mut after_point) = (false, false);
    for &b in &digits[..p] {
        match b {
            b'_' => continue,
            b'.' if !after_point => {
                after_point = true;
                continue;
            }
            _ => {}
        }
        let digit = u64::from(char::from(b).to_digit(16)?);
        any = true;
        if mantissa >> 59 == 0 {
            mantissa = mantissa << 4 | digit;
            exponent -= if after_point { 4 } else { 0 };
        } else {
            mantissa |= u64::from(digit != 0);
            exponent += if after_point { 0 } else { 4 };
        }
    }
    let (minus, power) = match &digits[p + 1..] {
        [b'-', rest @ ..] => (true, rest),
        [b'+', rest @ ..] => (false, rest),
        rest => (false, rest),
    };
    if !any || power.is_empty() {
        return None;
    }
    let mut shift = 0_i64;
    for &b in power.iter().filter(|&&b| b != b'_') {
        let digit = char::from(b).to_digit(10)?;
        shift = (shift * 10 + i64::from(digit)).min(1_000_000_000_000);
    }
    exponent += if minus { -shift } else { shift };
    Some(Number::Hex { negative, mantissa, exponent })
}

/// mantissa × 2^exponent, rounded half to even to so many bits of precision, with this lowest exponent.
fn scale(mantissa: u64, exponent: i64, precision: i64, lowest: i64) -> f64 {
    if mantissa == 0 {
        return 0.0;
    }
    let bits = i64::from(64 - mantissa.leading_zeros());
    let drop = (bits - precision).max(lowest - exponent).max(0);
    let (kept, rest, half) = match u32::try_from(drop) {
        Ok(0) => (mantissa, 0, 1),
        Ok(n @ 1..=63) => (mantissa >> n, mantissa & ((1 << n) - 1), 1_u64 << (n - 1)),
        Ok(64) => (0, mantissa, 1 << 63),
        _ => return 0.0,
    };
    let kept = kept + u64::from(rest > half || rest == half && kept & 1 == 1);
    let mut power = exponent + drop;
    if power > 1100 {
        return f64::INFINITY;
    }
    // At most 53 bits are left and the lowest one is representable: each of these steps is exact.
    #[allow(clippy::cast_precision_loss)]
    let mut value = kept as f64;
    while power > 0 {
        let step = power.min(1000);
        value *= 2_f64.powi(i32::try_from(step).unwrap_or(0));
        power -= step;
    }
    while power < 0 {
        let step = (-power).min(1000);
        value /= 2_f64.powi(i32::try_from(step).unwrap_or(0));
        power += step;
    }
    value
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn formats_as_go() {
        for (value, verb, precision, want) in [
            (1.0, b'g', None, "1"),
            (-0.0, b'g', None, "-0"),
            (100_000.0, b'g', None, "100000"),
            (1_000_000.0, b'g', None, "1e+06"),
            (1_234_567.5, b'g', None, "1.2345675e+06"),
            (0.0001, b'g', None, "0.0001"),
            (0.00001, b'g', None, "1e-05"),
            (1e21, b'g', None, "1e+21"),
            (5e-324, b'g', None, "5e-324"),
            (1e100, b'G', None, "1E+100"),
            (f64::INFINITY, b'g', None, "+Inf"),
            (f64::NAN, b'e', Some(3), "NaN"),
            (2.5, b'f', Some(0), "2"),
            (0.125, b'f', Some(2), "0.12"),
            (1e21, b'f', None, "1000000000000000000000"),
            (1e-7, b'f', None, "0.0000001"),
            (123_456.789, b'g', Some(3), "1.23e+05"),
            (100.0, b'g', Some(20), "100"),
            (999_999.5, b'g', Some(6), "1e+06"),
            (0.0, b'g', Some(0), "0"),
            (1.5, b'e', Some(3), "1.500e+00"),
            (1.0, b'b', None, "4503599627370496p-52"),
            (1.0, b'x', None, "0x1p+00"),
            (0.1, b'X', Some(3), "0X1.99AP-04"),
            (1.0, b'q', None, "%q"),
        ] {
            assert_eq!(format_float(value, verb, precision), want, "{value} {} {precision:?}", char::from(verb));
        }
        let long = format_float(0.5, b'f', Some(70_000));
        assert_eq!((long.len(), &long[..4], &long[69_999..]), (70_002, "0.50", "000"));
    }

    #[test]
    fn parses_as_go() {
        for (text, want) in [
            ("1_000", Ok(1000.0)),
            ("0x1p-2", Ok(0.25)),
            ("0x_1p-2", Ok(0.25)),
            ("0x1", Err("invalid syntax")),
            ("0x.8p1", Ok(1.0)),
            ("0xp1", Err("invalid syntax")),
            ("1_", Err("invalid syntax")),
            ("1._5", Err("invalid syntax")),
            ("1e1_0", Ok(1e10)),
            ("Infinity", Ok(f64::INFINITY)),
            ("-inf", Ok(f64::NEG_INFINITY)),
            ("infin", Err("invalid syntax")),
            ("+nan", Err("invalid syntax")),
            ("1e400", Err("value out of range")),
            ("1e-400", Ok(0.0)),
            (".", Err("invalid syntax")),
            ("5.", Ok(5.0)),
            ("", Err("invalid syntax")),
            (" 1", Err("invalid syntax")),
            ("1e", Err("invalid syntax")),
            ("0x1p1024", Err("value out of range")),
            ("0x1.fffffffffffff8p1023", Err("value out of range")),
            ("0x1.fffffffffffff7p1023", Ok(f64::MAX)),
            ("0x1.00000000000008p0", Ok(1.0)),
            ("0x1.000000000000080000000000000000000000001p0", Ok(1.0 + f64::EPSILON)),
            ("0x1p-1075", Ok(0.0)),
            ("0x1.1p-1075", Ok(5e-324)),
            ("0x0p99999999999999999999", Ok(0.0)),
            ("0b1", Err("invalid syntax")),
        ] {
            let got = parse_float(text.as_bytes()).map_err(|e| e.to_string());
            let want = want.map_err(|m| format!("strconv.ParseFloat: parsing {text:?}: {m}"));
            assert_eq!(got, want, "{text:?}");
        }
        assert!(parse_float(b"nan").unwrap().is_nan());
        assert_eq!(parse_float32(b"16777217"), Ok(16_777_216.0));
        assert!(parse_float32(b"1e39").is_err());
    }
}
