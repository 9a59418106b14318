//! Dates, by Go's layouts.

use super::{
    Answer,
    argument::{any, now, string_answer, text, zone},
    fixed,
};
use pintle_golib::time::{self, Duration, Time};
use pintle_template::{Call, Func, FuncError, Type};
use pintle_value::Value;
use std::rc::Rc;

const ANY: Type = Type::Any;
const TEXT: Type = Type::String;
const TIME: Type = Type::Time;

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("now", &[], |call, _| Ok(Value::Time(Rc::new(now(call)?)))),
    fixed("date", &[TEXT, ANY], |call, args| format_in(call, text(args, 0), any(args, 1), b"Local")),
    fixed("dateInZone", &[TEXT, ANY, TEXT], date_in_zone),
    fixed("date_in_zone", &[TEXT, ANY, TEXT], date_in_zone),
    fixed("htmlDate", &[ANY], |call, args| format_in(call, b"2006-01-02", any(args, 0), b"Local")),
    fixed("htmlDateInZone", &[ANY, TEXT], |call, args| format_in(call, b"2006-01-02", any(args, 0), text(args, 1))),
    fixed("toDate", &[TEXT, TEXT], |call, args| Ok(Value::Time(Rc::new(parse(call, args)?.unwrap_or_default())))),
    fixed("mustToDate", &[TEXT, TEXT], |call, args| match parse(call, args)? {
        Ok(time) => Ok(Value::Time(Rc::new(time))),
        Err(error) => Err(error.to_string().into()),
    }),
    fixed("dateModify", &[TEXT, TIME], |_, args| Ok(modify(args).unwrap_or_else(|_| any(args, 1).clone()))),
    fixed("date_modify", &[TEXT, TIME], |_, args| Ok(modify(args).unwrap_or_else(|_| any(args, 1).clone()))),
    fixed("mustDateModify", &[TEXT, TIME], |_, args| modify(args)),
    fixed("must_date_modify", &[TEXT, TIME], |_, args| modify(args)),
    fixed("ago", &[ANY], ago),
    fixed("unixEpoch", &[TIME], |_, args| match any(args, 0) {
        Value::Time(time) => string_answer(time.unix.to_string()),
        _ => string_answer("0"),
    }),
];

/// The instant that a date argument means; what is no date means now.
fn instant(call: &Call<'_>, date: &Value) -> Result<Time, FuncError> {
    match date {
        Value::Time(time) => Ok((**time).clone()),
        Value::Int(seconds) | Value::Int64(seconds) => Ok(Time::from_unix(*seconds, 0)),
        _ => now(call),
    }
}

fn format_in(call: &mut Call<'_>, layout: &[u8], date: &Value, zone_name: &[u8]) -> Answer {
    let time = instant(call, date)?.in_zone(&*zone(call, zone_name)?);
    let mut out = Vec::with_capacity(layout.len() + 10);
    time.append_format(&mut out, layout);
    string_answer(out)
}

fn date_in_zone(call: &mut Call<'_>, args: &[Value]) -> Answer {
    format_in(call, text(args, 0), any(args, 1), text(args, 2))
}

fn parse(call: &Call<'_>, args: &[Value]) -> Result<Result<Time, time::ParseError>, FuncError> {
    let local = zone(call, b"Local")?;
    Ok(time::parse(text(args, 0), text(args, 1), &*local))
}

fn modify(args: &[Value]) -> Answer {
    let duration = Duration::parse(text(args, 0)).map_err(|e| FuncError::from(e.to_string()))?;
    match any(args, 1) {
        Value::Time(time) => Ok(Value::Time(Rc::new(time.plus(duration)))),
        other => Ok(other.clone()),
    }
}

fn ago(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let then = instant(call, any(args, 0))?;
    let since = now(call)?.since(&then);
    string_answer(since.round(Duration::from_nanos(1_000_000_000)).to_string())
}
