//! Time zones, as far as this crate needs to know them.

/// A clock: what a `*time.Location` is asked. Whoever has a zone database implements it.
pub trait Zone {
    /// Offset from UTC in seconds and abbreviation in force at an instant.
    fn at(&self, unix: i64) -> (i32, String);

    /// Offset that goes by this abbreviation here, if any: near the instant, or at another time.
    fn offset_of(&self, abbreviation: &str, unix: i64) -> Option<i32> {
        let (offset, name) = self.at(unix);
        (name == abbreviation).then_some(offset)
    }
}

/// UTC.
#[derive(Debug, Clone, Copy)]
pub struct Utc;

impl Zone for Utc {
    fn at(&self, _: i64) -> (i32, String) {
        (0, "UTC".to_owned())
    }
}

/// A zone with one offset, as `time.FixedZone`.
#[derive(Debug, Clone)]
pub struct Fixed {
    /// Seconds east of UTC.
    pub offset: i32,
    /// Abbreviation; may be empty.
    pub name: String,
}

impl Zone for Fixed {
    fn at(&self, _: i64) -> (i32, String) {
        (self.offset, self.name.clone())
    }
}
