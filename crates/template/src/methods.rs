//! The methods of `time.Time` and `time.Duration` that templates can call. Those that need the zone database (`Local`,
//! `In`) or give several values (`Date`, `Clock`) are not among them; in Go these fail too, or depend on the machine.

use pintle_golib::time::{Duration, Time, Utc};
use pintle_value::{CallError, Method, Object, Value};
use std::{any::Any, rc::Rc};

type Answer = Result<Value, CallError>;

fn on_time(receiver: &Value, get: impl FnOnce(&Time) -> Value) -> Answer {
    match receiver {
        Value::Time(time) => Ok(get(time)),
        _ => Err(CallError("not a time".into())),
    }
}

fn on_times(receiver: &Value, args: &[Value], get: impl FnOnce(&Time, &Time) -> Value) -> Answer {
    match (receiver, args) {
        (Value::Time(a), [Value::Time(b)]) => Ok(get(a, b)),
        _ => Err(CallError("not a time".into())),
    }
}

fn on_time_and_duration(receiver: &Value, args: &[Value], get: fn(&Time, Duration) -> Time) -> Answer {
    match (receiver, args) {
        (Value::Time(time), [Value::Duration(d)]) => Ok(Value::Time(Rc::new(get(time, *d)))),
        _ => Err(CallError("not a time".into())),
    }
}

fn on_duration(receiver: &Value, get: impl FnOnce(Duration) -> Value) -> Answer {
    match receiver {
        Value::Duration(d) => Ok(get(*d)),
        _ => Err(CallError("not a duration".into())),
    }
}

fn on_durations(receiver: &Value, args: &[Value], get: fn(Duration, Duration) -> Duration) -> Answer {
    match (receiver, args) {
        (Value::Duration(a), [Value::Duration(b)]) => Ok(Value::Duration(get(*a, *b))),
        _ => Err(CallError("not a duration".into())),
    }
}

const NONE: &[&str] = &[];
const TIME: &[&str] = &["time.Time"];
const DURATION: &[&str] = &["time.Duration"];

const fn method(name: &'static str, params: &'static [&'static str], call: fn(&Value, &[Value]) -> Answer) -> Method {
    Method { name, params, call }
}

pub(crate) static TIME_METHODS: &[Method] = &[
    method("Year", NONE, |t, _| on_time(t, |t| Value::Int(t.year()))),
    method("Month", NONE, |t, _| {
        on_time(t, |t| Calendar { type_name: "time.Month", number: t.month() as i64, name: t.month().name() }.into())
    }),
    method("Weekday", NONE, |t, _| {
        on_time(t, |t| {
            Calendar { type_name: "time.Weekday", number: t.weekday() as i64, name: t.weekday().name() }.into()
        })
    }),
    method("Day", NONE, |t, _| on_time(t, |t| Value::Int(t.day()))),
    method("YearDay", NONE, |t, _| on_time(t, |t| Value::Int(t.year_day()))),
    method("Hour", NONE, |t, _| on_time(t, |t| Value::Int(t.clock().0))),
    method("Minute", NONE, |t, _| on_time(t, |t| Value::Int(t.clock().1))),
    method("Second", NONE, |t, _| on_time(t, |t| Value::Int(t.clock().2))),
    method("Nanosecond", NONE, |t, _| on_time(t, |t| Value::Int(i64::from(t.nanos)))),
    method("Unix", NONE, |t, _| on_time(t, |t| Value::Int64(t.unix))),
    method("UnixMilli", NONE, |t, _| on_time(t, |t| Value::Int64(t.unix_milli()))),
    method("UnixMicro", NONE, |t, _| on_time(t, |t| Value::Int64(t.unix_micro()))),
    method("UnixNano", NONE, |t, _| on_time(t, |t| Value::Int64(t.unix_nano()))),
    method("UTC", NONE, |t, _| on_time(t, |t| Value::Time(Rc::new(t.in_zone(&Utc))))),
    method("Location", NONE, |t, _| on_time(t, |t| Value::Object(Rc::new(Location { name: t.zone.clone() })))),
    method("IsZero", NONE, |t, _| on_time(t, |t| t.is_zero().into())),
    method("String", NONE, |t, _| on_time(t, |t| t.to_string().into())),
    method("Format", &["string"], |t, args| {
        on_time(t, |t| {
            let mut out = Vec::new();
            t.append_format(&mut out, args.first().and_then(Value::as_bytes).unwrap_or_default());
            Value::str(out)
        })
    }),
    method("Add", DURATION, |t, args| on_time_and_duration(t, args, Time::plus)),
    method("Truncate", DURATION, |t, args| on_time_and_duration(t, args, Time::truncate)),
    method("Round", DURATION, |t, args| on_time_and_duration(t, args, Time::round)),
    method("AddDate", &["int", "int", "int"], |t, args| match (t, args) {
        (Value::Time(t), [Value::Int(years), Value::Int(months), Value::Int(days)]) => {
            Ok(Value::Time(Rc::new(t.plus_date(*years, *months, *days))))
        }
        _ => Err(CallError("not a time".into())),
    }),
    method("Sub", TIME, |t, args| on_times(t, args, |a, b| Value::Duration(a.since(b)))),
    method("Before", TIME, |t, args| on_times(t, args, |a, b| (a.instant() < b.instant()).into())),
    method("After", TIME, |t, args| on_times(t, args, |a, b| (a.instant() > b.instant()).into())),
    method("Equal", TIME, |t, args| on_times(t, args, |a, b| (a.instant() == b.instant()).into())),
    method("Compare", TIME, |t, args| on_times(t, args, |a, b| Value::Int(a.instant().cmp(&b.instant()) as i64))),
];

pub(crate) static DURATION_METHODS: &[Method] = &[
    method("Hours", NONE, |d, _| on_duration(d, |d| d.hours().into())),
    method("Minutes", NONE, |d, _| on_duration(d, |d| d.minutes().into())),
    method("Seconds", NONE, |d, _| on_duration(d, |d| d.seconds().into())),
    method("Milliseconds", NONE, |d, _| on_duration(d, |d| Value::Int64(d.nanos() / 1_000_000))),
    method("Microseconds", NONE, |d, _| on_duration(d, |d| Value::Int64(d.nanos() / 1000))),
    method("Nanoseconds", NONE, |d, _| on_duration(d, |d| Value::Int64(d.nanos()))),
    method("String", NONE, |d, _| on_duration(d, |d| d.to_string().into())),
    method("Abs", NONE, |d, _| on_duration(d, |d| Value::Duration(d.abs()))),
    method("Round", DURATION, |d, args| on_durations(d, args, Duration::round)),
    method("Truncate", DURATION, |d, args| on_durations(d, args, Duration::truncate)),
];

/// A month or a day of the week: an int in Go that prints as its name.
struct Calendar {
    type_name: &'static str,
    number: i64,
    name: &'static str,
}

/// A `*time.Location`, of which templates see the name.
struct Location {
    name: String,
}

impl Object for Location {
    fn type_name(&self) -> &'static str {
        "*time.Location"
    }

    fn is_pointer(&self) -> bool {
        true
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("name", self.name.as_str().into())]
    }

    fn method(&self, name: &str) -> Option<&'static [&'static str]> {
        (name == "String").then_some(NONE)
    }

    fn call(&self, _: &str, _: &[Value]) -> Answer {
        Ok(self.name.as_str().into())
    }

    fn text(&self) -> Option<String> {
        Some(self.name.clone())
    }

    // Its fields are all hidden.
    fn json(&self) -> Value {
        Value::Map(pintle_value::Map::new())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

impl From<Calendar> for Value {
    fn from(calendar: Calendar) -> Self {
        Self::Object(Rc::new(calendar))
    }
}

impl Object for Calendar {
    fn type_name(&self) -> &'static str {
        self.type_name
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        vec![("", Value::Int(self.number))]
    }

    fn method(&self, name: &str) -> Option<&'static [&'static str]> {
        (name == "String").then_some(NONE)
    }

    fn call(&self, _: &str, _: &[Value]) -> Answer {
        Ok(self.name.into())
    }

    fn text(&self) -> Option<String> {
        Some(self.name.to_owned())
    }

    fn json(&self) -> Value {
        Value::Int(self.number)
    }

    fn int(&self) -> Option<i64> {
        Some(self.number)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
