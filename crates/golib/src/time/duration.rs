//! Spans of time.

use std::fmt;

/// A span of nanoseconds, as `time.Duration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(i64);

const MINUTE: i64 = 60_000_000_000;
const HOUR: i64 = 60 * MINUTE;

impl Duration {
    /// A duration of this many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Its nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }

    #[allow(clippy::cast_precision_loss)]
    fn whole_and_rest(self, unit: i64) -> f64 {
        (self.0 / unit) as f64 + (self.0 % unit) as f64 / unit as f64
    }

    /// `d.Hours()`.
    pub fn hours(self) -> f64 {
        self.whole_and_rest(HOUR)
    }

    /// `d.Minutes()`.
    pub fn minutes(self) -> f64 {
        self.whole_and_rest(MINUTE)
    }

    /// `d.Seconds()`.
    pub fn seconds(self) -> f64 {
        self.whole_and_rest(1_000_000_000)
    }

    /// `d.Abs()`.
    #[must_use]
    pub const fn abs(self) -> Self {
        Self(self.0.saturating_abs())
    }

    /// `d.Truncate(unit)`: toward zero to a multiple.
    #[must_use]
    pub const fn truncate(self, unit: Self) -> Self {
        if unit.0 <= 0 { self } else { Self(self.0 - self.0 % unit.0) }
    }

    /// `d.Round(unit)`: to the nearest multiple, halves away from zero, held at the longest duration.
    #[must_use]
    pub const fn round(self, unit: Self) -> Self {
        if unit.0 <= 0 {
            return self;
        }
        let rest = (self.0 % unit.0).unsigned_abs();
        let down = self.0 - self.0 % unit.0;
        if rest < unit.0.unsigned_abs() - rest {
            Self(down)
        } else if self.0 < 0 {
            Self(down.saturating_sub(unit.0))
        } else {
            Self(down.saturating_add(unit.0))
        }
    }

    /// `time.ParseDuration`: `1h30m`, `-1.5s`, `0`.
    pub fn parse(text: &[u8]) -> Result<Self, ParseDurationError> {
        let invalid = || ParseDurationError { kind: Kind::Invalid, text: text.to_vec() };
        let (negative, mut rest) = match text {
            [b'-', rest @ ..] => (true, rest),
            [b'+', rest @ ..] => (false, rest),
            _ => (false, text),
        };
        if rest == b"0" {
            return Ok(Self(0));
        }
        if rest.is_empty() {
            return Err(invalid());
        }
        const LIMIT: u64 = 1 << 63;
        let mut total = 0_u64;
        while !rest.is_empty() {
            let whole_digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let (whole, tail) = rest.split_at(whole_digits);
            let value = whole
                .iter()
                .try_fold(0_u64, |n, b| n.checked_mul(10)?.checked_add(u64::from(b - b'0')).filter(|&n| n <= LIMIT))
                .ok_or_else(invalid)?;
            let (fraction, tail) = match tail {
                [b'.', tail @ ..] => tail.split_at(tail.iter().take_while(|b| b.is_ascii_digit()).count()),
                _ => (&[][..], tail),
            };
            if whole.is_empty() && fraction.is_empty() {
                return Err(invalid());
            }
            let unit_len = tail.iter().take_while(|&&b| b != b'.' && !b.is_ascii_digit()).count();
            let (unit, tail) = tail.split_at(unit_len);
            if unit.is_empty() {
                return Err(ParseDurationError { kind: Kind::MissingUnit, text: text.to_vec() });
            }
            let scale = unit_nanos(unit)
                .ok_or_else(|| ParseDurationError { kind: Kind::UnknownUnit(unit.to_vec()), text: text.to_vec() })?;
            let part = value.checked_mul(scale).filter(|&v| v <= LIMIT).ok_or_else(invalid)?;
            let part = part.checked_add(part_of(fraction, scale)).filter(|&v| v <= LIMIT).ok_or_else(invalid)?;
            total = total.checked_add(part).filter(|&v| v <= LIMIT).ok_or_else(invalid)?;
            rest = tail;
        }
        match i64::try_from(total) {
            Ok(nanos) => Ok(Self(if negative { -nanos } else { nanos })),
            Err(_) if negative => Ok(Self(i64::MIN)),
            Err(_) => Err(invalid()),
        }
    }
}

/// A decimal fraction of a unit, in floating point because Go's result shows its rounding.
#[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn part_of(fraction: &[u8], unit: u64) -> u64 {
    let (mut digits, mut scale) = (0_u64, 1_f64);
    for b in fraction {
        let Some(next) = digits.checked_mul(10).and_then(|n| n.checked_add(u64::from(b - b'0'))) else { break };
        if digits > i64::MAX.unsigned_abs() / 10 || next > 1 << 63 {
            break;
        }
        digits = next;
        scale *= 10.0;
    }
    if digits == 0 { 0 } else { (digits as f64 * (unit as f64 / scale)) as u64 }
}

fn unit_nanos(unit: &[u8]) -> Option<u64> {
    Some(match unit {
        b"ns" => 1,
        b"us" | b"\xc2\xb5s" | b"\xce\xbcs" => 1000,
        b"ms" => 1_000_000,
        b"s" => 1_000_000_000,
        b"m" => 60_000_000_000,
        b"h" => 3_600_000_000_000,
        _ => return None,
    })
}

/// `d.String()`: `1h0m0s`, `1.5ms`, `0s`.
impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        if self.0 < 0 {
            f.write_str("-")?;
        }
        // Whole units, and the rest as a fraction of so many digits without trailing zeros.
        let with_fraction = |f: &mut fmt::Formatter<'_>, value: u64, digits: usize| {
            let unit = 10_u64.pow(u32::try_from(digits).unwrap_or(0));
            write!(f, "{}", value / unit)?;
            let rest = format!("{:0digits$}", value % unit);
            let rest = rest.trim_end_matches('0');
            if rest.is_empty() { Ok(()) } else { write!(f, ".{rest}") }
        };
        match nanos {
            0 => f.write_str("0s"),
            1..1000 => write!(f, "{nanos}ns"),
            1000..1_000_000 => with_fraction(f, nanos, 3).and_then(|()| f.write_str("µs")),
            1_000_000..1_000_000_000 => with_fraction(f, nanos, 6).and_then(|()| f.write_str("ms")),
            _ => {
                let (hours, minutes) = (nanos / HOUR.unsigned_abs(), nanos / MINUTE.unsigned_abs() % 60);
                if hours > 0 {
                    write!(f, "{hours}h")?;
                }
                if hours > 0 || minutes > 0 {
                    write!(f, "{minutes}m")?;
                }
                with_fraction(f, nanos % MINUTE.unsigned_abs(), 9)?;
                f.write_str("s")
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Kind {
    Invalid,
    MissingUnit,
    UnknownUnit(Vec<u8>),
}

/// A text is no duration; prints Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseDurationError {
    kind: Kind,
    text: Vec<u8>,
}

impl fmt::Display for ParseDurationError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = quote(&self.text);
        match &self.kind {
            Kind::Invalid => write!(f, "time: invalid duration {text}"),
            Kind::MissingUnit => write!(f, "time: missing unit in duration {text}"),
            Kind::UnknownUnit(unit) => write!(f, "time: unknown unit {} in duration {text}", quote(unit)),
        }
    }
}

impl std::error::Error for ParseDurationError {}

/// The quoting of package time: everything but printable ASCII is shown byte by byte.
pub(super) fn quote(text: &[u8]) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for &b in text {
        match b {
            b'"' | b'\\' => {
                out.push('\\');
                out.push(char::from(b));
            }
            b' '..=0x7f => out.push(char::from(b)),
            _ => out.push_str(&format!("\\x{b:02x}")),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::strconv;

    #[test]
    fn prints_as_go() {
        for (nanos, want) in [
            (0, "0s"),
            (1, "1ns"),
            (1100, "1.1µs"),
            (1_500_000, "1.5ms"),
            (90_000_000_000, "1m30s"),
            (3_600_000_000_000, "1h0m0s"),
            (3_661_000_000_005, "1h1m1.000000005s"),
            (-90_000_000_000, "-1m30s"),
            (i64::MAX, "2562047h47m16.854775807s"),
            (i64::MIN, "-2562047h47m16.854775808s"),
        ] {
            assert_eq!(Duration(nanos).to_string(), want);
        }
        assert_eq!(strconv::format_float(Duration(1_500_000).hours(), b'g', None), "4.1666666666666667e-07");
    }

    #[test]
    fn parses_as_go() {
        for (text, want) in [
            (&b"0"[..], Ok(0)),
            (b"-0", Ok(0)),
            (b"1.5h", Ok(5_400_000_000_000)),
            (b"-1h30m", Ok(-5_400_000_000_000)),
            (b".5s", Ok(500_000_000)),
            (b"5.s", Ok(5_000_000_000)),
            ("1µs".as_bytes(), Ok(1000)),
            ("1μs".as_bytes(), Ok(1000)),
            (b"1.5ns", Ok(1)),
            (b"1m1h", Ok(3_660_000_000_000)),
            (b"0.9999999999999999999s", Ok(1_000_000_000)),
            (b"1.0000000000000000000000001s", Ok(1_000_000_000)),
            (b"-9223372036854775808ns", Ok(i64::MIN)),
            (b"2562047h47m16.854775807s", Ok(i64::MAX)),
            (b"", Err(r#"time: invalid duration """#)),
            (b"1", Err(r#"time: missing unit in duration "1""#)),
            (b"1d", Err(r#"time: unknown unit "d" in duration "1d""#)),
            (b"1h-3m", Err(r#"time: unknown unit "h-" in duration "1h-3m""#)),
            (b".s", Err(r#"time: invalid duration ".s""#)),
            (b"3000000h", Err(r#"time: invalid duration "3000000h""#)),
            (b"9223372036854775808ns", Err(r#"time: invalid duration "9223372036854775808ns""#)),
            (b"99999999999999999999h", Err(r#"time: invalid duration "99999999999999999999h""#)),
            ("1é".as_bytes(), Err(r#"time: unknown unit "\xc3\xa9" in duration "1\xc3\xa9""#)),
        ] {
            let got = Duration::parse(text).map(Duration::nanos).map_err(|e| e.to_string());
            assert_eq!(got, want.map_err(str::to_owned), "{:?}", String::from_utf8_lossy(text));
        }
    }

    #[test]
    fn rounds_as_go() {
        for (nanos, unit, rounded, truncated) in [
            (999, 7, 1001, 994),
            (1100, 7, 1099, 1099),
            (-1, 7, 0, 0),
            (-90_000_000_000, 60_000_000_000, -120_000_000_000, -60_000_000_000),
            (i64::MAX, 1_000_000_000, i64::MAX, 9_223_372_036_000_000_000),
            (i64::MIN, 1_000_000_000, i64::MIN, -9_223_372_036_000_000_000),
            (5, 0, 5, 5),
        ] {
            let (d, u) = (Duration(nanos), Duration(unit));
            assert_eq!((d.round(u).0, d.truncate(u).0), (rounded, truncated), "{nanos} {unit}");
        }
    }
}
