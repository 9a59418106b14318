//! How a hook went: Jobs and Pods run to their end, everything else is done when it exists.

use serde_json::Value;

use super::fields::{condition, container_troubles, count, group_kind, holds, text};

/// Where a hook stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HookOutcome {
    /// It is under way; what is known of it.
    Running(String),
    /// It is over, well.
    Succeeded,
    /// It is over, not well; why.
    Failed(String),
}

/// Where a hook stands, from its live object.
#[must_use]
pub fn hook_outcome(object: &Value) -> HookOutcome {
    match group_kind(object) {
        ("batch", "Job") => job(object),
        ("", "Pod") => pod(object),
        _ => HookOutcome::Succeeded,
    }
}

fn job(object: &Value) -> HookOutcome {
    if holds(object, "Complete") {
        return HookOutcome::Succeeded;
    }
    if let Some(failed) = condition(object, "Failed").filter(|condition| condition.status == "True") {
        return HookOutcome::Failed(failed.says());
    }
    let [active, failed] = ["active", "failed"].map(|field| count(object, &format!("/status/{field}")));
    HookOutcome::Running(match (text(object, "/status/startTime"), failed) {
        ("", _) => "the Job has not started".to_owned(),
        (_, 0) => format!("{active} Pods running"),
        (_, failed) => format!("{active} Pods running, {failed} failed so far"),
    })
}

fn pod(object: &Value) -> HookOutcome {
    let troubles = || {
        let mut said = vec![text(object, "/status/reason").to_owned(), text(object, "/status/message").to_owned()];
        said.extend(container_troubles(object));
        said.retain(|said| !said.is_empty());
        said.join("; ")
    };
    match text(object, "/status/phase") {
        "Succeeded" => HookOutcome::Succeeded,
        "Failed" => HookOutcome::Failed(match troubles() {
            said if said.is_empty() => "the Pod failed".to_owned(),
            said => said,
        }),
        phase => {
            let mut said = troubles();
            if said.is_empty()
                && let Some(scheduled) =
                    condition(object, "PodScheduled").filter(|condition| condition.status == "False")
            {
                said = scheduled.says();
            }
            let phase = if phase.is_empty() { "Pending" } else { phase };
            HookOutcome::Running(if said.is_empty() { format!("the Pod is {phase}") } else { said })
        }
    }
}
