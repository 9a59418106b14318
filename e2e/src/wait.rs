//! Waiting for a condition with a deadline. Tests wait for what must become true, never for time to pass.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::Value;

/// How long to leave between two looks at something that cannot be watched.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `probe` until it answers with something, and fails with its last reason after `deadline`.
///
/// `probe` answers `Ok(Ok(x))` when the condition holds, `Ok(Err(why not yet))` when it does not yet, and `Err` when
/// waiting on makes no sense.
pub fn wait_until<T>(
    what: &str,
    deadline: Duration,
    mut probe: impl FnMut() -> Result<Result<T, String>>,
) -> Result<T> {
    let end = Instant::now() + deadline;
    loop {
        let why = match probe()? {
            Ok(found) => return Ok(found),
            Err(why) => why,
        };
        if Instant::now() >= end {
            bail!("{what}: not within {deadline:?}; last seen: {why}");
        }
        std::thread::sleep(PAUSE);
    }
}

/// The condition of this type in an object's status.
#[must_use]
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object["status"]["conditions"].as_array()?.iter().find(|c| c["type"] == kind)
}
