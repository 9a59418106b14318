//! Durations as people write them in a spec: `10m`, `1h30m`, `500ms`.
//!
//! The text is kept as it was written; the API server has checked the pattern before we see it.

use std::time::Duration as Std;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Longest duration that is honoured (ten years); longer ones count as this long, so that adding it to a clock is safe.
const LONGEST: Std = Std::from_secs(10 * 365 * 24 * 3600);

/// A duration in Go's notation, units `ms`, `s`, `m`, `h`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Duration(String);

impl Duration {
    /// The duration, or `None` when the text is none (which the CRD's pattern prevents).
    pub fn get(&self) -> Option<Std> {
        parse(&self.0)
    }

    /// The text as written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<Std> for Duration {
    fn from(duration: Std) -> Self {
        let milliseconds = duration.as_millis();
        if !milliseconds.is_multiple_of(1000) {
            return Duration(format!("{milliseconds}ms"));
        }
        let seconds = duration.as_secs();
        let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
        Duration(match (hours, minutes, seconds) {
            (0, 0, s) => format!("{s}s"),
            (0, m, s) => format!("{m}m{s}s"),
            (h, m, s) => format!("{h}h{m}m{s}s"),
        })
    }
}

impl JsonSchema for Duration {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Duration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "pattern": r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$" })
    }
}

fn parse(text: &str) -> Option<Std> {
    if text == "0" {
        return Some(Std::ZERO);
    }
    let mut seconds = 0f64;
    let mut rest = text;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').filter(|&n| n > 0)?;
        let (number, after) = rest.split_at(digits);
        let number: f64 = number.parse().ok()?;
        let (unit, after) = match after.strip_prefix("ms") {
            Some(after) => (0.001, after),
            None => match after.split_at_checked(1)? {
                ("s", after) => (1.0, after),
                ("m", after) => (60.0, after),
                ("h", after) => (3600.0, after),
                _ => return None,
            },
        };
        seconds += number * unit;
        rest = after;
    }
    Std::try_from_secs_f64(seconds).ok().or(Some(LONGEST)).map(|d| d.min(LONGEST))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_the_pattern_admits() {
        for (text, milliseconds) in [
            ("10m", Some(600_000)),
            ("1h30m", Some(5_400_000)),
            ("500ms", Some(500)),
            ("1.5s", Some(1500)),
            ("5m0s", Some(300_000)),
            ("1m500ms", Some(60_500)),
            ("0", Some(0)),
            ("", None),
            ("10", None),
            ("m", None),
            ("1d", None),
            ("-1s", None),
            ("1.2.3s", None),
            ("1ü", None),
            ("99999999999999999999999h", Some(LONGEST.as_millis())),
        ] {
            assert_eq!(Duration(text.into()).get().map(|d| d.as_millis()), milliseconds, "{text}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for (milliseconds, text) in [(0, "0s"), (90_000, "1m30s"), (3_600_000, "1h0m0s"), (1500, "1500ms")] {
            let duration = Duration::from(Std::from_millis(milliseconds));
            assert_eq!(duration.as_str(), text);
            assert_eq!(duration.get().unwrap().as_millis(), u128::from(milliseconds));
        }
    }
}
