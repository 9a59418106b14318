//! Tells what happens to releases while it happens: one line whenever a release's Ready condition says something new.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::Result;
use pintle_e2e::{Kubectl, condition};
use serde_json::Value;

/// Seconds since the start, before each line.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at zero.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    /// Prints a line with the time.
    pub(crate) fn say(self, line: &str) {
        println!("{:7.1} s  {line}", self.0.elapsed().as_secs_f32());
    }
}

/// Follows all releases of the cluster in the background, for as long as there is an API server.
pub(crate) fn follow(kubectl: &Kubectl, clock: Clock) -> Result<()> {
    let mut watch = kubectl.watch(&["helmreleases.pintle.dev", "-A"])?;
    std::thread::spawn(move || {
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        // Ends with an error when the API server goes away, which is the end of the story too.
        while let Ok(event) = watch.next(Duration::from_secs(3600)) {
            let Some(event) = event else { continue };
            let release = &event.object;
            let name = format!("{}/{}", text(&release["metadata"]["namespace"]), text(&release["metadata"]["name"]));
            let line = if event.deleted { "deleted".to_owned() } else { describe(release) };
            if told.get(&name) != Some(&line) {
                clock.say(&format!("    {name}: {line}"));
                told.insert(name, line);
            }
        }
    });
    Ok(())
}

/// A release's state in one line.
pub(crate) fn describe(release: &Value) -> String {
    let Some(ready) = condition(release, "Ready") else { return "seen for the first time".to_owned() };
    let state = match ready["status"].as_str() {
        Some("True") => "ready",
        Some("False") => "not ready",
        _ => "in progress",
    };
    let chart = release["status"]["chart"].as_str().map(|chart| format!("{chart}, ")).unwrap_or_default();
    let revision =
        release["status"]["revision"].as_i64().map(|number| format!("revision {number}, ")).unwrap_or_default();
    format!("{chart}{revision}{state}: {} ({})", text(&ready["message"]), text(&ready["reason"]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
