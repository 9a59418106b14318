//! The proleptic Gregorian calendar.

macro_rules! named {
    ($(#[$doc:meta])* $name:ident: $($variant:ident = $number:literal),*) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[allow(missing_docs)]
        pub enum $name { $($variant = $number),* }

        impl $name {
            /// All of them in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The English name.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($variant)),* }
            }

            /// Its first three letters.
            pub fn short(self) -> &'static str {
                &self.name()[..3]
            }
        }
    };
}

named! {
    /// `time.Month`.
    Month: January = 1, February = 2, March = 3, April = 4, May = 5, June = 6,
    July = 7, August = 8, September = 9, October = 10, November = 11, December = 12
}

named! {
    /// `time.Weekday`.
    Weekday: Sunday = 0, Monday = 1, Tuesday = 2, Wednesday = 3, Thursday = 4, Friday = 5, Saturday = 6
}

/// A date and a time of day.
#[derive(Debug, Clone, Copy)]
pub(super) struct Civil {
    pub(super) year: i64,
    pub(super) month: Month,
    pub(super) day: i64,
    pub(super) year_day: i64,
    pub(super) weekday: Weekday,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
}

/// Days before each month of a year that is not a leap year.
const BEFORE: [i64; 13] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365];

pub(super) fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

/// Days of a month, 1 to 12.
pub(super) fn days_in(month: i64, year: i64) -> i64 {
    match usize::try_from(month) {
        Ok(2) if is_leap(year) => 29,
        Ok(m @ 1..=12) => BEFORE[m] - BEFORE[m - 1],
        _ => 0,
    }
}

/// Days from 1970-01-01 to the first of the month, 0 to 11, of a year.
pub(super) fn days_before(year: i128, month: i128) -> i128 {
    let past = year - 1;
    let leap_days = past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
    let leap = year.rem_euclid(4) == 0 && (year.rem_euclid(100) != 0 || year.rem_euclid(400) == 0);
    let before = usize::try_from(month).ok().and_then(|m| BEFORE.get(m)).copied().unwrap_or(0);
    past * 365 + leap_days + i128::from(before) + i128::from(leap && month > 1) - 719_162
}

/// The low 64 bits, which is what Go's arithmetic keeps.
#[allow(clippy::cast_possible_truncation)]
pub(super) const fn wrap(number: i128) -> i64 {
    number as i64
}

impl Civil {
    /// Of seconds since 1970 on the local clock.
    pub(super) fn of(seconds: i128) -> Self {
        let days = seconds.div_euclid(86_400);
        let second = wrap(seconds.rem_euclid(86_400));
        // 400 years have 146,097 days; the guess is the year or the one after it.
        let mut year = (days + 719_162) * 400 / 146_097 + 1;
        while days_before(year, 0) > days {
            year -= 1;
        }
        while days_before(year + 1, 0) <= days {
            year += 1;
        }
        let year_day = wrap(days - days_before(year, 0));
        let year = wrap(year);
        let mut number = 1;
        let mut day = year_day;
        while number < 12 && day >= days_in(number, year) {
            day -= days_in(number, year);
            number += 1;
        }
        let month = usize::try_from(number - 1).ok().and_then(|m| Month::ALL.get(m)).copied();
        let weekday = usize::try_from((days + 4).rem_euclid(7)).ok().and_then(|d| Weekday::ALL.get(d)).copied();
        Self {
            year,
            month: month.unwrap_or(Month::December),
            day: day + 1,
            year_day: year_day + 1,
            weekday: weekday.unwrap_or(Weekday::Sunday),
            hour: second / 3600,
            minute: second / 60 % 60,
            second: second % 60,
        }
    }
}
