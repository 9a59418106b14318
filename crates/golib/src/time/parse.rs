//! Text to times.

use super::calendar::{Month, Weekday, days_in, is_leap};
use super::duration::quote;
use super::layout::{Chunk, Offset, next_chunk};
use super::{Fixed, Time, Utc, Zone};
use std::fmt;

/// A text does not fit its layout; prints Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    layout: Vec<u8>,
    value: Vec<u8>,
    reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Reason {
    /// This rest of the text is not what this piece of the layout asks for.
    Mismatch {
        layout: Vec<u8>,
        value: Vec<u8>,
    },
    /// A field is out of its range, or another sentence.
    Message(&'static str),
    Extra(Vec<u8>),
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parsing time {}", quote(&self.value))?;
        match &self.reason {
            Reason::Mismatch { layout, value } => {
                write!(f, " as {}: cannot parse {} as {}", quote(&self.layout), quote(value), quote(layout))
            }
            Reason::Message(message) => write!(f, ": {message}"),
            Reason::Extra(rest) => write!(f, ": extra text: {}", quote(rest)),
        }
    }
}

impl std::error::Error for ParseError {}

/// Why a piece could not be read.
enum Bad {
    Mismatch,
    Range(&'static str),
}

type Read<T> = Result<T, Bad>;

/// The rest of the text.
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn digit(&self, at: usize) -> Option<i64> {
        self.0.get(at).filter(|b| b.is_ascii_digit()).map(|b| i64::from(b - b'0'))
    }

    fn take(&mut self, count: usize) -> Read<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(Bad::Mismatch)?;
        self.0 = rest;
        Ok(taken)
    }

    fn eat(&mut self, byte: u8) -> bool {
        match self.0 {
            [first, rest @ ..] if *first == byte => {
                self.0 = rest;
                true
            }
            _ => false,
        }
    }

    fn skip_spaces(&mut self) {
        while self.eat(b' ') {}
    }

    /// The plain text between two fields; a run of spaces stands for any run of spaces, or none at the end.
    fn skip(&mut self, mut prefix: &[u8]) -> Result<(), ()> {
        while let Some((&wanted, rest)) = prefix.split_first() {
            if wanted == b' ' {
                if self.0.first().is_some_and(|&b| b != b' ') {
                    return Err(());
                }
                while let [b' ', rest @ ..] = prefix {
                    prefix = rest;
                }
                self.skip_spaces();
            } else if self.eat(wanted) {
                prefix = rest;
            } else {
                return Err(());
            }
        }
        Ok(())
    }

    /// One or two digits, or exactly two.
    fn number(&mut self, fixed: bool) -> Read<i64> {
        let first = self.digit(0).ok_or(Bad::Mismatch)?;
        let (value, width) = match self.digit(1) {
            Some(second) => (first * 10 + second, 2),
            None if fixed => return Err(Bad::Mismatch),
            None => (first, 1),
        };
        self.0 = &self.0[width..];
        Ok(value)
    }

    /// Up to three digits, or exactly three.
    fn number3(&mut self, fixed: bool) -> Read<i64> {
        let (mut value, mut width) = (0, 0);
        while let Some(digit) = self.digit(width).filter(|_| width < 3) {
            value = value * 10 + digit;
            width += 1;
        }
        if width == 0 || fixed && width != 3 {
            return Err(Bad::Mismatch);
        }
        self.0 = &self.0[width..];
        Ok(value)
    }

    fn ranged(&mut self, fixed: bool, range: std::ops::Range<i64>, name: &'static str) -> Read<i64> {
        let value = self.number(fixed)?;
        if range.contains(&value) { Ok(value) } else { Err(Bad::Range(name)) }
    }

    /// The index of the name that the text begins with, in any case.
    fn name<'n>(&mut self, names: impl Iterator<Item = &'n str>) -> Read<i64> {
        for (index, name) in (0..).zip(names) {
            if self.0.len() >= name.len() && self.0[..name.len()].eq_ignore_ascii_case(name.as_bytes()) {
                self.0 = &self.0[name.len()..];
                return Ok(index);
            }
        }
        Err(Bad::Mismatch)
    }

    /// A fraction of a second of this width, separator included.
    fn fraction(&mut self, width: usize) -> Read<i64> {
        let text = self.take(width)?;
        let [b'.' | b',', digits @ ..] = text else { return Err(Bad::Mismatch) };
        let mut nanos = 0;
        for at in 0..9 {
            let digit = match digits.get(at) {
                Some(b) if b.is_ascii_digit() => i64::from(b - b'0'),
                Some(_) => return Err(Bad::Mismatch),
                None => 0,
            };
            nanos = nanos * 10 + digit;
        }
        Ok(nanos)
    }

    fn digits_after_separator(&self) -> usize {
        match self.0 {
            [b'.' | b',', rest @ ..] => rest.iter().take_while(|b| b.is_ascii_digit()).count(),
            _ => 0,
        }
    }

    fn offset(&mut self, form: Offset) -> Read<i32> {
        let group = if form.colon { 3 } else { 2 };
        let groups = usize::from(form.minutes) + usize::from(form.seconds);
        let text = self.take(3 + groups * group)?;
        let colons = if form.colon { &text[3..] } else { &[][..] };
        if colons.iter().step_by(group).any(|b| *b != b':') {
            return Err(Bad::Mismatch);
        }
        let mut rest = Input(&text[1..]);
        let mut seconds = 0;
        let mut digits = Ok(());
        let mut range = Ok(());
        let parts = [
            (true, 24, "time zone offset hour out of range"),
            (form.minutes, 60, "time zone offset minute out of range"),
            (form.seconds, 60, "time zone offset second out of range"),
        ];
        for (index, (wanted, max, message)) in parts.into_iter().enumerate() {
            let mut value = 0;
            if wanted && digits.is_ok() {
                if index > 0 && form.colon {
                    rest.eat(b':');
                }
                match rest.number(true) {
                    Ok(number) => value = number,
                    Err(bad) => digits = Err(bad),
                }
            }
            // People do write 24 hours and 60 minutes; Go lets them.
            if value > max {
                range = Err(Bad::Range(message));
            }
            seconds = seconds * 60 + value;
        }
        // Go looks at the sign last, and tells of the last part that is too large before anything else.
        range.and(digits)?;
        let sign = match text[0] {
            b'+' => 1,
            b'-' => -1,
            _ => return Err(Bad::Mismatch),
        };
        Ok(sign * i32::try_from(seconds).unwrap_or(0))
    }

    /// An abbreviation of a zone.
    fn zone_name(&mut self) -> Read<&'a [u8]> {
        let text = self.0;
        let upper = text.iter().take(6).take_while(|b| b.is_ascii_uppercase()).count();
        let width = match text {
            [b'C', b'h', b'S', b'T', ..] | [b'M', b'e', b'S', b'T', ..] => 4,
            [b'G', b'M', b'T', rest @ ..] => 3 + signed_hours(rest),
            [b'+' | b'-', _, _, ..] => signed_hours(text),
            [_, _, _, _, b'T', ..] if upper == 5 => 5,
            [_, _, _, b'T', ..] | [b'W', b'I', b'T', b'A', ..] if upper == 4 => 4,
            _ if upper == 3 => 3,
            _ => 0,
        };
        if width == 0 { Err(Bad::Mismatch) } else { self.take(width) }
    }
}

/// Width of `+3`, `-12`: a sign and at most 23 hours; 0 if there is none.
fn signed_hours(text: &[u8]) -> usize {
    let [b'+' | b'-', digits @ ..] = text else { return 0 };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    match small_number(&digits[..count]) {
        Some(0..=23) => 1 + count,
        _ => 0,
    }
}

fn small_number(digits: &[u8]) -> Option<i64> {
    std::str::from_utf8(digits).ok()?.parse().ok()
}

#[derive(Default)]
struct Fields {
    year: i64,
    month: Option<i64>,
    day: Option<i64>,
    year_day: Option<i64>,
    hour: i64,
    minute: i64,
    second: i64,
    nanos: i64,
    afternoon: Option<bool>,
    utc: bool,
    offset: Option<i32>,
    zone: Vec<u8>,
}

impl Fields {
    /// Reads one field. `rest` is what follows in the layout.
    fn read(&mut self, input: &mut Input<'_>, chunk: Chunk, rest: &[u8]) -> Read<()> {
        match chunk {
            Chunk::Year => {
                let year = small_number(input.take(2)?).ok_or(Bad::Mismatch)?;
                self.year = if year >= 69 { year + 1900 } else { year + 2000 };
            }
            Chunk::LongYear => {
                if input.digit(0).is_none() {
                    return Err(Bad::Mismatch);
                }
                self.year = small_number(input.take(4)?).ok_or(Bad::Mismatch)?;
            }
            Chunk::Month => self.month = Some(1 + input.name(Month::ALL.iter().map(|m| m.short()))?),
            Chunk::LongMonth => self.month = Some(1 + input.name(Month::ALL.iter().map(|m| m.name()))?),
            Chunk::NumMonth | Chunk::ZeroMonth => {
                self.month = Some(input.ranged(chunk == Chunk::ZeroMonth, 1..13, "month out of range")?);
            }
            Chunk::Weekday => {
                input.name(Weekday::ALL.iter().map(|d| d.short()))?;
            }
            Chunk::LongWeekday => {
                input.name(Weekday::ALL.iter().map(|d| d.name()))?;
            }
            Chunk::Day | Chunk::UnderDay | Chunk::ZeroDay => {
                if chunk == Chunk::UnderDay {
                    input.eat(b' ');
                }
                self.day = Some(input.number(chunk == Chunk::ZeroDay)?);
            }
            Chunk::UnderYearDay | Chunk::ZeroYearDay => {
                if chunk == Chunk::UnderYearDay && input.eat(b' ') {
                    input.eat(b' ');
                }
                self.year_day = Some(input.number3(chunk == Chunk::ZeroYearDay)?);
            }
            Chunk::Hour => self.hour = input.ranged(false, 0..24, "hour out of range")?,
            Chunk::Hour12 | Chunk::ZeroHour12 => {
                self.hour = input.ranged(chunk == Chunk::ZeroHour12, 0..13, "hour out of range")?;
            }
            Chunk::Minute | Chunk::ZeroMinute => {
                self.minute = input.ranged(chunk == Chunk::ZeroMinute, 0..60, "minute out of range")?;
            }
            Chunk::Second | Chunk::ZeroSecond => {
                self.second = input.ranged(chunk == Chunk::ZeroSecond, 0..60, "second out of range")?;
                let digits = input.digits_after_separator();
                let follows = next_chunk(rest).map(|(_, _, chunk)| chunk);
                let asked = matches!(follows, Some(Chunk::Fraction { .. } | Chunk::TrimmedFraction { .. }));
                // A fraction is taken even if the layout has none.
                if digits > 0 && !asked {
                    self.nanos = input.fraction(1 + digits)?;
                }
            }
            Chunk::UpperPm | Chunk::LowerPm => {
                let upper = chunk == Chunk::UpperPm;
                self.afternoon = Some(match input.take(2)? {
                    b"PM" if upper => true,
                    b"AM" if upper => false,
                    b"pm" if !upper => true,
                    b"am" if !upper => false,
                    _ => return Err(Bad::Mismatch),
                });
            }
            Chunk::Offset(form) if form.z && input.eat(b'Z') => self.utc = true,
            Chunk::Offset(form) => self.offset = Some(input.offset(form)?),
            Chunk::ZoneName => match input.0 {
                [b'U', b'T', b'C', rest @ ..] => {
                    input.0 = rest;
                    self.utc = true;
                }
                _ => self.zone = input.zone_name()?.to_vec(),
            },
            Chunk::Fraction { digits, .. } => self.nanos = input.fraction(1 + digits)?,
            Chunk::TrimmedFraction { .. } => {
                let digits = input.digits_after_separator();
                if digits > 0 {
                    self.nanos = input.fraction(1 + digits)?;
                }
            }
        }
        Ok(())
    }

    /// Settles month and day by the day of the year, and checks the day.
    fn settle_date(&mut self) -> Result<(i64, i64), &'static str> {
        if let Some(year_day) = self.year_day {
            let length = if is_leap(self.year) { 366 } else { 365 };
            if !(1..=length).contains(&year_day) {
                return Err("day-of-year out of range");
            }
            let (mut month, mut day) = (1, year_day);
            while day > days_in(month, self.year) {
                day -= days_in(month, self.year);
                month += 1;
            }
            if self.month.is_some_and(|m| m != month) {
                return Err("day-of-year does not match month");
            }
            if self.day.is_some_and(|d| d != day) {
                return Err("day-of-year does not match day");
            }
            (self.month, self.day) = (Some(month), Some(day));
        }
        let (month, day) = (self.month.unwrap_or(1), self.day.unwrap_or(1));
        if (1..=days_in(month, self.year)).contains(&day) { Ok((month, day)) } else { Err("day out of range") }
    }

    fn time(&self, month: i64, day: i64, local: &dyn Zone) -> Time {
        let hour = match self.afternoon {
            Some(true) if self.hour < 12 => self.hour + 12,
            Some(false) if self.hour == 12 => 0,
            _ => self.hour,
        };
        let at = |zone: &dyn Zone| {
            Time::from_date((self.year, month, day), (hour, self.minute, self.second), self.nanos, zone)
        };
        let name = || self.zone.iter().copied().map(char::from).collect::<String>();
        if self.utc {
            return at(&Utc);
        }
        if let Some(offset) = self.offset {
            let fixed = at(&Fixed { offset, name: name() });
            // Where the local clock has this offset (and name) the time is local.
            let here = fixed.in_zone(local);
            return if here.offset == offset && (self.zone.is_empty() || here.zone == fixed.zone) {
                here
            } else {
                fixed
            };
        }
        if !self.zone.is_empty() {
            let name = name();
            if let Some(offset) = local.offset_of(&name, at(&Utc).unix) {
                return at(&Fixed { offset, name }).in_zone(local);
            }
            let hours = name.strip_prefix("GMT").and_then(|hours| hours.parse::<i32>().ok()).unwrap_or(0);
            // Go takes the clock for UTC here, and only shows the offset.
            return at(&Utc).in_zone(&Fixed { offset: hours.clamp(-24, 24) * 3600, name });
        }
        at(local)
    }
}

/// `time.ParseInLocation`: a time without a zone is one of `local`. `time.Parse` is the same with [`Utc`].
pub fn parse(layout: &[u8], value: &[u8], local: &dyn Zone) -> Result<Time, ParseError> {
    let fail = |reason| ParseError { layout: layout.to_vec(), value: value.to_vec(), reason };
    let mut input = Input(value);
    let mut pattern = layout;
    let mut fields = Fields::default();
    while let Some((start, end, chunk)) = next_chunk(pattern) {
        let mismatch =
            |part: &[u8], rest: &[u8]| fail(Reason::Mismatch { layout: part.to_vec(), value: rest.to_vec() });
        input.skip(&pattern[..start]).map_err(|()| mismatch(&pattern[..start], input.0))?;
        let before = input.0;
        fields.read(&mut input, chunk, &pattern[end..]).map_err(|bad| match bad {
            Bad::Mismatch => mismatch(&pattern[start..end], before),
            Bad::Range(message) => fail(Reason::Message(message)),
        })?;
        pattern = &pattern[end..];
    }
    if input.skip(pattern).is_err() {
        return Err(fail(Reason::Mismatch { layout: pattern.to_vec(), value: input.0.to_vec() }));
    }
    if !input.0.is_empty() {
        return Err(fail(Reason::Extra(input.0.to_vec())));
    }
    let (month, day) = fields.settle_date().map_err(|message| fail(Reason::Message(message)))?;
    Ok(fields.time(month, day, local))
}
