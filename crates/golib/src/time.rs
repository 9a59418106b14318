//! Go's `time`: instants with a zone, durations, layouts.

/// A span of nanoseconds, as `time.Duration`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Duration(i64);

impl Duration {
    /// A duration of this many nanoseconds.
    pub const fn from_nanos(nanos: i64) -> Self {
        Self(nanos)
    }

    /// Its nanoseconds.
    pub const fn nanos(self) -> i64 {
        self.0
    }
}

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
