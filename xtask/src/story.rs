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
        let before = stage.control_plane.operator_requests()?.len();
        step(&namespace).with_context(|| format!("step {number}, {title}"))?;
        let requests = stage.control_plane.operator_requests()?.len() - before;
        clock.say(&format!("step {number}: ended as it should; the operator made {requests} requests"));
    }
    let (memory, _) = stage.operator.process().memory()?;
    let cpu = stage.operator.process().cpu()?;
    clock.say(&format!("the operator holds {} MiB and has used {:.1} s of CPU", memory >> 20, cpu.as_secs_f32()));
    stage.operator.stop()?;
    clock.say("the operator stopped when asked to; every step ended as it says");
    Ok(())
}
