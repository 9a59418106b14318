//! Go's `time`: instants with a zone, durations, layouts. It reads no clock and no zone database: both are passed in.

mod calendar;
mod duration;
mod format;
mod layout;
mod parse;
mod zone;

pub use calendar::{Month, Weekday};
pub use duration::{Duration, ParseDurationError};
pub use parse::{ParseError, parse};
pub use zone::{Fixed, Utc, Zone};

use calendar::Civil;

/// `time.RFC3339`.
pub const RFC3339: &str = "2006-01-02T15:04:05Z07:00";
/// `time.RFC3339Nano`.
pub const RFC3339_NANO: &str = "2006-01-02T15:04:05.999999999Z07:00";

/// An instant with a zone, as `time.Time`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Time {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub unix: i64,
    /// Nanoseconds within the second, 0 to 999,999,999.
    pub nanos: u32,
    /// Offset of local time from UTC, in seconds.
    pub offset: i32,
    /// Name of the zone: `UTC`, `CET`.
    pub zone: String,
}

/// Seconds from 0001-01-01T00:00:00Z, Go's zero time, to 1970.
const ZERO_TO_UNIX: i64 = 62_135_596_800;

impl Default for Time {
    /// Go's zero time, 0001-01-01 00:00:00 UTC.
    fn default() -> Self {
        Self::from_unix(-ZERO_TO_UNIX, 0)
    }
}

impl Time {
    /// `time.Unix(unix, nanos).UTC()`; nanoseconds may be any number.
    pub fn from_unix(unix: i64, nanos: i64) -> Self {
        Self::in_utc(unix, nanos)
    }

    fn in_utc(unix: i64, nanos: i64) -> Self {
        Self {
            unix: unix.wrapping_add(nanos.div_euclid(1_000_000_000)),
            nanos: u32::try_from(nanos.rem_euclid(1_000_000_000)).unwrap_or(0),
            offset: 0,
            zone: "UTC".to_owned(),
        }
    }

    /// `time.Date`: each field may be outside of its usual range and is carried over.
    pub fn from_date(date: (i64, i64, i64), clock: (i64, i64, i64), nanos: i64, zone: &dyn Zone) -> Self {
        let (year, month, day) = date;
        let months = i128::from(year) * 12 + i128::from(month) - 1;
        let days = calendar::days_before(months.div_euclid(12), months.rem_euclid(12)) + i128::from(day) - 1;
        let (hour, minute, second) = clock;
        let seconds = days * 86_400 + i128::from(hour) * 3600 + i128::from(minute) * 60 + i128::from(second);
        let mut time = Self::in_utc(calendar::wrap(seconds), nanos);
        // The offset in force at that time of the clock, or right after it if the clock was just changed.
        let first = zone.at(time.unix).0;
        let offset = zone.at(time.unix.wrapping_sub(i64::from(first))).0;
        time.unix = time.unix.wrapping_sub(i64::from(offset));
        time.in_zone(zone)
    }

    /// `t.In(zone)`: the same instant on another clock.
    #[must_use]
    pub fn in_zone(&self, zone: &dyn Zone) -> Self {
        let (offset, name) = zone.at(self.unix);
        Self { unix: self.unix, nanos: self.nanos, offset, zone: name }
    }

    fn civil(&self) -> Civil {
        // Go counts the seconds since March of the year -292277022400 in 64 bits without a sign: what is before that
        // comes after all else.
        const START: i64 = 9_223_372_028_741_760_000;
        let since = self.unix.wrapping_add(i64::from(self.offset)).wrapping_add(START).cast_unsigned();
        Civil::of(i128::from(since) - i128::from(START))
    }

    fn own_zone(&self) -> Fixed {
        Fixed { offset: self.offset, name: self.zone.clone() }
    }

    /// Year; 0 is the year before 1.
    pub fn year(&self) -> i64 {
        self.civil().year
    }

    /// Month.
    pub fn month(&self) -> Month {
        self.civil().month
    }

    /// Day of the month, from 1.
    pub fn day(&self) -> i64 {
        self.civil().day
    }

    /// Day of the year, from 1.
    pub fn year_day(&self) -> i64 {
        self.civil().year_day
    }

    /// Day of the week.
    pub fn weekday(&self) -> Weekday {
        self.civil().weekday
    }

    /// ISO 8601 year and number of the week.
    pub fn iso_week(&self) -> (i64, i64) {
        // The week belongs to the year of its Thursday.
        let to_thursday = 3 - (self.weekday() as i64 + 6) % 7;
        let thursday = Civil::of(i128::from(self.unix) + i128::from(self.offset) + i128::from(to_thursday) * 86_400);
        (thursday.year, (thursday.year_day - 1) / 7 + 1)
    }

    /// Hour, minute, second.
    pub fn clock(&self) -> (i64, i64, i64) {
        let civil = self.civil();
        (civil.hour, civil.minute, civil.second)
    }

    /// `t.UnixNano()`, which wraps around outside of 1678 to 2262.
    pub fn unix_nano(&self) -> i64 {
        self.unix.wrapping_mul(1_000_000_000).wrapping_add(i64::from(self.nanos))
    }

    /// `t.UnixMicro()`.
    pub fn unix_micro(&self) -> i64 {
        self.unix.wrapping_mul(1_000_000).wrapping_add(i64::from(self.nanos / 1000))
    }

    /// `t.UnixMilli()`.
    pub fn unix_milli(&self) -> i64 {
        self.unix.wrapping_mul(1000).wrapping_add(i64::from(self.nanos / 1_000_000))
    }

    /// Whether this is Go's zero time.
    pub fn is_zero(&self) -> bool {
        self.unix == -ZERO_TO_UNIX && self.nanos == 0
    }

    /// The instant without its zone, to compare by.
    pub fn instant(&self) -> (i64, u32) {
        (self.unix, self.nanos)
    }

    /// `t.Add(d)`.
    #[must_use]
    pub fn plus(&self, d: Duration) -> Self {
        let nanos = i64::from(self.nanos) + d.nanos() % 1_000_000_000;
        let moved = Self::in_utc(self.unix.wrapping_add(d.nanos() / 1_000_000_000), nanos);
        Self { offset: self.offset, zone: self.zone.clone(), ..moved }
    }

    /// `t.Sub(u)`, held at the longest duration.
    pub fn since(&self, earlier: &Self) -> Duration {
        let seconds = i128::from(self.unix) - i128::from(earlier.unix);
        let nanos = seconds * 1_000_000_000 + i128::from(self.nanos) - i128::from(earlier.nanos);
        let held = nanos.clamp(i128::from(i64::MIN), i128::from(i64::MAX));
        Duration::from_nanos(i64::try_from(held).unwrap_or(i64::MAX))
    }

    /// `t.AddDate(years, months, days)`, the offset of the zone staying what it is.
    #[must_use]
    pub fn plus_date(&self, years: i64, months: i64, days: i64) -> Self {
        let c = self.civil();
        let date = (c.year.wrapping_add(years), (c.month as i64).wrapping_add(months), c.day.wrapping_add(days));
        Self::from_date(date, (c.hour, c.minute, c.second), i64::from(self.nanos), &self.own_zone())
    }

    /// Nanoseconds past the last multiple of `d` since the zero time.
    fn past_multiple(&self, d: Duration) -> i64 {
        let since_zero = (i128::from(self.unix) + i128::from(ZERO_TO_UNIX)) * 1_000_000_000 + i128::from(self.nanos);
        i64::try_from(since_zero.rem_euclid(i128::from(d.nanos()))).unwrap_or(0)
    }

    /// `t.Truncate(d)`: down to a multiple of `d` since the zero time.
    #[must_use]
    pub fn truncate(&self, d: Duration) -> Self {
        if d.nanos() <= 0 {
            return self.clone();
        }
        self.plus(Duration::from_nanos(-self.past_multiple(d)))
    }

    /// `t.Round(d)`: to the nearest multiple of `d` since the zero time, halves up.
    #[must_use]
    pub fn round(&self, d: Duration) -> Self {
        if d.nanos() <= 0 {
            return self.clone();
        }
        let past = self.past_multiple(d);
        let up = d.nanos() - past;
        self.plus(Duration::from_nanos(if past < up { -past } else { up }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cet(unix: i64) -> Time {
        Time::from_unix(unix, 500).in_zone(&Fixed { offset: 3600, name: "CET".to_owned() })
    }

    #[test]
    fn reads_the_calendar() {
        for (unix, year, yday, weekday, week) in [
            (0, 1970, 1, "Thursday", (1970, 1)),
            (1_514_764_799, 2017, 365, "Sunday", (2017, 52)),
            (1_709_210_096, 2024, 60, "Thursday", (2024, 9)),
            (-62_135_596_800, 1, 1, "Monday", (1, 1)),
            (253_402_300_800, 10000, 1, "Saturday", (9999, 52)),
            (-99_999_999_999, -1199, 46, "Thursday", (-1199, 7)),
            (-62_167_219_201, -1, 365, "Friday", (-1, 52)),
            (1_000_000_000_000, 33658, 270, "Friday", (33658, 39)),
        ] {
            let t = Time::from_unix(unix, 0);
            let got = (t.year(), t.year_day(), t.weekday().name(), t.iso_week());
            assert_eq!(got, (year, yday, weekday, week), "{unix}");
        }
    }

    #[test]
    fn moves_as_go() {
        let t = cet(1_709_210_096);
        let shown = |t: &Time| t.format(RFC3339);
        assert_eq!(shown(&t.plus_date(0, 1, 1)), "2024-03-30T13:34:56+01:00");
        assert_eq!(shown(&t.plus_date(1, -14, -40)), "2023-11-19T13:34:56+01:00");
        assert_eq!(t.truncate(Duration::from_nanos(3_600_000_000_000)).unix, 1_709_208_000);
        assert_eq!(t.round(Duration::from_nanos(86_400_000_000_000)).unix, 1_709_251_200);
        assert_eq!(t.plus(Duration::from_nanos(-501)).instant(), (1_709_210_095, 999_999_999));
        assert_eq!(Time::default().since(&t).nanos(), i64::MIN);
        assert_eq!(Time::default().unix_nano(), -6_795_364_578_871_345_152);
        assert!(Time::default().is_zero());
    }

    #[test]
    fn no_instant_overflows() {
        for unix in [i64::MIN, i64::MAX] {
            let t = Time { unix, nanos: 999_999_999, offset: i32::MAX, zone: String::new() };
            let t = t.plus_date(i64::MAX, i64::MAX, i64::MAX).plus(Duration::from_nanos(i64::MAX));
            let _ = (t.format(RFC3339_NANO), t.iso_week(), t.round(Duration::from_nanos(i64::MAX)), t.unix_milli());
        }
    }
}
