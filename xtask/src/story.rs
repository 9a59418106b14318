//! `cargo xtask demo --once`: the story of one release, told while it is played.

use anyhow::{Context as _, Result};
use pintle_e2e::story;

use crate::demo::Stage;

/// Plays the story; fails with the first step that did not end as it says.
pub(crate) fn run() -> Result<()> {
    let mut stage = Stage::start()?;
    let namespace = story::prepare(&stage.control_plane, &stage.helm, "demo", &stage.repository)?;
    let clock = stage.clock;
    for (number, (title, step)) in (1..).zip(story::STEPS) {
        clock.say(&format!("step {number}: {title}"));
        step(&namespace).with_context(|| format!("step {number}, {title}"))?;
        clock.say(&format!("step {number}: ended as it should"));
    }
    stage.operator.stop()?;
    clock.say("the operator stopped when asked to; every step ended as it says");
    Ok(())
}
