//! Durations: sprig's `duration` and `durationRound`, and Helm's helpers, to which a bare number means seconds.

use super::{
    Answer,
    argument::{any, now, string_answer},
    fixed,
};
use pintle_golib::{strconv, time::Duration, unicode};
use pintle_template::{Call, Func, FuncError, Type::Any};
use pintle_value::Value;

const SECOND: i64 = 1_000_000_000;
const HOUR: u64 = 3600;

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("duration", &[Any], duration),
    fixed("durationRound", &[Any], duration_round),
    fixed("mustToDuration", &[Any], |_, args| parse(any(args, 0)).map(Value::Duration).map_err(FuncError::from)),
    fixed("durationSeconds", &[Any], |_, args| Ok(Value::Float64(lenient(args, 0).seconds()))),
    fixed("durationMilliseconds", &[Any], |_, args| Ok(Value::Int64(lenient(args, 0).nanos() / 1_000_000))),
    fixed("durationMicroseconds", &[Any], |_, args| Ok(Value::Int64(lenient(args, 0).nanos() / 1000))),
    fixed("durationNanoseconds", &[Any], |_, args| Ok(Value::Int64(lenient(args, 0).nanos()))),
    fixed("durationMinutes", &[Any], |_, args| Ok(Value::Float64(lenient(args, 0).minutes()))),
    fixed("durationHours", &[Any], |_, args| Ok(Value::Float64(lenient(args, 0).hours()))),
    fixed("durationDays", &[Any], |_, args| Ok(Value::Float64(lenient(args, 0).hours() / 24.0))),
    fixed("durationWeeks", &[Any], |_, args| Ok(Value::Float64(lenient(args, 0).hours() / 24.0 / 7.0))),
    fixed("durationRoundTo", &[Any, Any], |_, args| Ok(Value::Duration(lenient(args, 0).round(lenient(args, 1))))),
    fixed("durationTruncateTo", &[Any, Any], |_, args| {
        Ok(Value::Duration(lenient(args, 0).truncate(lenient(args, 1))))
    }),
];

/// Seconds as text or int64; anything else is none at all.
fn duration(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let seconds = match any(args, 0) {
        Value::String(s) => strconv::parse_int(s, 10, 64).unwrap_or_else(|e| e.value),
        Value::Int64(n) => *n,
        _ => 0,
    };
    string_answer(Duration::from_nanos(seconds.wrapping_mul(SECOND)).to_string())
}

/// The largest unit that fits more than once, and how often.
fn duration_round(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let duration = match any(args, 0) {
        Value::String(s) => Duration::parse(s).unwrap_or_default(),
        Value::Int64(n) => Duration::from_nanos(*n),
        Value::Time(time) => now(call)?.since(time),
        _ => Duration::default(),
    };
    let units = [("y", 365 * 24 * HOUR), ("mo", 30 * 24 * HOUR), ("d", 24 * HOUR), ("h", HOUR), ("m", 60), ("s", 1)];
    let nanos = duration.nanos().unsigned_abs();
    for (name, seconds) in units {
        let unit = seconds * SECOND.unsigned_abs();
        if nanos > unit {
            return string_answer(format!("{}{name}", nanos / unit));
        }
    }
    string_answer("0s")
}

fn lenient(args: &[Value], at: usize) -> Duration {
    parse(any(args, at)).unwrap_or_default()
}

/// A duration, a number of seconds, or a text of either.
fn parse(value: &Value) -> Result<Duration, String> {
    match value {
        Value::Nil => Err("invalid duration".to_owned()),
        Value::Duration(duration) => Ok(*duration),
        Value::Int(n) | Value::Int64(n) => {
            let nanos = n.checked_mul(SECOND).ok_or_else(|| format!("duration seconds overflow: {n}"))?;
            Ok(Duration::from_nanos(nanos))
        }
        Value::Uint8(n) => Ok(Duration::from_nanos(i64::from(*n) * SECOND)),
        Value::Uint64(n) => i64::try_from(*n)
            .ok()
            .and_then(|n| n.checked_mul(SECOND))
            .map(Duration::from_nanos)
            .ok_or_else(|| format!("duration seconds overflow: {n}")),
        Value::Float64(seconds) => of_seconds(*seconds),
        Value::String(given) => {
            let text = trim_space(given);
            if text.is_empty() {
                return Err("empty duration".to_owned());
            }
            if let Ok(seconds) = strconv::parse_float(text) {
                return of_seconds(seconds);
            }
            Duration::parse(text).map_err(|_| format!("could not parse duration {}", strconv::quote(given)))
        }
        other => Err(format!("unsupported duration type {}", other.type_name())),
    }
}

fn of_seconds(seconds: f64) -> Result<Duration, String> {
    let shown = || strconv::format_float(seconds, b'g', None);
    if !seconds.is_finite() {
        return Err(format!("invalid duration seconds: {}", shown()));
    }
    let nanos = seconds * SECOND as f64;
    if !(-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&nanos) {
        return Err(format!("duration seconds overflow: {}", shown()));
    }
    Ok(Duration::from_nanos(nanos as i64))
}

/// `strings.TrimSpace`.
pub(super) fn trim_space(mut text: &[u8]) -> &[u8] {
    while !text.is_empty() {
        let (rune, width) = unicode::decode(text);
        if !unicode::is_space(rune) {
            break;
        }
        text = &text[width..];
    }
    while !text.is_empty() {
        let (rune, width) = unicode::decode_last(text);
        if !unicode::is_space(rune) {
            break;
        }
        text = &text[..text.len() - width];
    }
    text
}
