//! Times to text.

use super::layout::{Chunk, Offset, next_chunk};
use super::{RFC3339_NANO, Time};
use std::fmt;
use std::io::Write as _;

impl Time {
    /// `t.Format(layout)`, appended.
    pub fn append_format(&self, out: &mut Vec<u8>, layout: &[u8]) {
        let mut rest = layout;
        while let Some((start, end, chunk)) = next_chunk(rest) {
            out.extend_from_slice(&rest[..start]);
            self.append_chunk(out, chunk);
            rest = &rest[end..];
        }
        out.extend_from_slice(rest);
    }

    /// `t.Format(layout)`.
    pub fn format(&self, layout: &str) -> String {
        let mut out = Vec::with_capacity(layout.len() + 10);
        self.append_format(&mut out, layout.as_bytes());
        // Layouts are cut at ASCII only and a zone's name is text.
        String::from_utf8(out).unwrap_or_default()
    }

    /// The text that encoding/json writes, without quotes; none if the year has not four digits or the offset is a day or more.
    pub fn to_rfc3339(&self) -> Option<String> {
        let ok = (0..=9999).contains(&self.year()) && self.offset.abs() < 86_400;
        ok.then(|| self.format(RFC3339_NANO))
    }

    fn append_chunk(&self, out: &mut Vec<u8>, chunk: Chunk) {
        let c = self.civil();
        let hour12 = if c.hour % 12 == 0 { 12 } else { c.hour % 12 };
        // Writing to a Vec does not fail.
        let _ = match chunk {
            Chunk::LongMonth => write!(out, "{}", c.month.name()),
            Chunk::Month => write!(out, "{}", c.month.short()),
            Chunk::NumMonth => write!(out, "{}", c.month as i64),
            Chunk::ZeroMonth => write!(out, "{:02}", c.month as i64),
            Chunk::LongWeekday => write!(out, "{}", c.weekday.name()),
            Chunk::Weekday => write!(out, "{}", c.weekday.short()),
            Chunk::Day => write!(out, "{}", c.day),
            Chunk::UnderDay => write!(out, "{:2}", c.day),
            Chunk::ZeroDay => write!(out, "{:02}", c.day),
            Chunk::UnderYearDay => write!(out, "{:3}", c.year_day),
            Chunk::ZeroYearDay => write!(out, "{:03}", c.year_day),
            Chunk::Hour => write!(out, "{:02}", c.hour),
            Chunk::Hour12 => write!(out, "{hour12}"),
            Chunk::ZeroHour12 => write!(out, "{hour12:02}"),
            Chunk::Minute => write!(out, "{}", c.minute),
            Chunk::ZeroMinute => write!(out, "{:02}", c.minute),
            Chunk::Second => write!(out, "{}", c.second),
            Chunk::ZeroSecond => write!(out, "{:02}", c.second),
            Chunk::LongYear => {
                let sign = if c.year < 0 { "-" } else { "" };
                write!(out, "{sign}{:04}", c.year.unsigned_abs())
            }
            Chunk::Year => write!(out, "{:02}", c.year.unsigned_abs() % 100),
            Chunk::UpperPm => write!(out, "{}", if c.hour >= 12 { "PM" } else { "AM" }),
            Chunk::LowerPm => write!(out, "{}", if c.hour >= 12 { "pm" } else { "am" }),
            Chunk::ZoneName if self.zone.is_empty() => {
                self.append_offset(out, Offset { z: false, colon: false, minutes: true, seconds: false })
            }
            Chunk::ZoneName => write!(out, "{}", self.zone),
            Chunk::Offset(offset) => self.append_offset(out, offset),
            Chunk::Fraction { separator, digits } => {
                let text = format!("{:09}", self.nanos);
                write!(out, "{}{}", char::from(separator), &text[..digits.min(9)])
            }
            Chunk::TrimmedFraction { separator, digits } => {
                let text = format!("{:09}", self.nanos);
                let text = text[..digits.min(9)].trim_end_matches('0');
                if text.is_empty() { Ok(()) } else { write!(out, "{}{text}", char::from(separator)) }
            }
        };
    }

    fn append_offset(&self, out: &mut Vec<u8>, offset: Offset) -> std::io::Result<()> {
        if offset.z && self.offset == 0 {
            return write!(out, "Z");
        }
        // Whole minutes decide the sign, as in Go.
        let sign = if self.offset / 60 < 0 { '-' } else { '+' };
        let seconds = self.offset.unsigned_abs();
        let colon = if offset.colon { ":" } else { "" };
        write!(out, "{sign}{:02}", seconds / 3600)?;
        if offset.minutes {
            write!(out, "{colon}{:02}", seconds / 60 % 60)?;
        }
        if offset.seconds {
            write!(out, "{colon}{:02}", seconds % 60)?;
        }
        Ok(())
    }
}

/// `t.String()`, without the monotonic clock that Go appends to the result of `time.Now`.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.format("2006-01-02 15:04:05.999999999 -0700 MST"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Fixed;
    use super::*;

    #[test]
    fn formats_as_go() {
        let zone = Fixed { offset: -(5 * 3600 + 30 * 60 + 15), name: String::new() };
        let t = Time::from_unix(1_709_210_096, 120_000_500).in_zone(&zone);
        for (layout, want) in [
            ("Mon Jan _2 15:04:05 2006", "Thu Feb 29 07:04:41 2024"),
            ("Monday, 02-Jan-06 15:04:05 MST", "Thursday, 29-Feb-24 07:04:41 -0530"),
            ("2006-01-02T15:04:05.999999999Z07:00", "2024-02-29T07:04:41.1200005-05:30"),
            ("3:04PM 03pm", "7:04AM 07am"),
            ("002 __2 _2006 _20060", "060  60 _2024 _20240"),
            ("-070000 -07:00:00 Z070000 Z07 -7 -07:0", "-053015 -05:30:15 -053015 -05 -7 -05:0"),
            (".000 .999 ,000 ,99 .0a .0000000000", ".120 .12 ,120 ,12 .1a .120000500"),
            (".005 1.0", ".041 2.1"),
            ("Janx janu Januaryx Mondays Monx", "Janx janu Februaryx Thursdays Monx"),
            ("12 17 30 35 49 006", "229 27 70 741 49 024"),
            ("20060102150405", "20240229070441"),
            ("Z x Ja MS PMS é", "Z x Ja MS AMS é"),
            ("", ""),
        ] {
            assert_eq!(t.format(layout), want, "{layout}");
        }
    }

    #[test]
    fn prints_as_go() {
        for (time, want) in [
            (Time::from_unix(1_514_764_799, 123_456_000), "2017-12-31 23:59:59.123456 +0000 UTC"),
            (Time::default(), "0001-01-01 00:00:00 +0000 UTC"),
            (Time::from_unix(-99_999_999_999, 5), "-1199-02-15 14:13:21.000000005 +0000 UTC"),
            (Time::from_unix(253_402_300_800, 0), "10000-01-01 00:00:00 +0000 UTC"),
        ] {
            assert_eq!(time.to_string(), want);
        }
        assert_eq!(Time::from_unix(253_402_300_800, 0).to_rfc3339(), None);
        assert_eq!(Time::from_unix(-62_135_596_800, 0).format("06 2006"), "01 0001");
    }
}
