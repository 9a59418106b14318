//! One hook at a time: cleared, created, awaited, cleaned up. Each stage is written down before it begins, and the hook
//! object carries the run it belongs to, so that after a crash it is known whether it was created.

use super::{Changes, Error, Workplace, cursor::HookEvent, objects};
use crate::{
    cluster::{
        self, Apply, ObjectId, Target,
        readiness::{HookOutcome, hook_outcome},
    },
    release::{HookPhase, HookRecord, Record},
};
use kube::core::DynamicObject;
use serde_json::json;

/// The annotation on a live hook object that names the run which created it.
pub(crate) const RUN: &str = "pintle.dev/run";

/// The indices of this event's hooks in the record, in the order in which they run.
pub(crate) fn of_event(record: &Record, event: HookEvent, tests: &(Vec<String>, Vec<String>)) -> Vec<usize> {
    let mut indices: Vec<usize> = record
        .hooks
        .iter()
        .enumerate()
        .filter(|(_, hook)| {
            hook.events.iter().any(|e| e == event.word() || (event == HookEvent::Test && e == "test-success"))
        })
        .filter(|(_, hook)| {
            event != HookEvent::Test
                || ((tests.0.is_empty() || tests.0.contains(&hook.name)) && !tests.1.contains(&hook.name))
        })
        .map(|(at, _)| at)
        .collect();
    // Stable: hooks of one weight and name stay in the order of their kinds, as the record has them.
    indices.sort_by(|a, b| {
        let (a, b) = (&record.hooks[*a], &record.hooks[*b]);
        a.weight.cmp(&b.weight).then_with(|| a.name.cmp(&b.name))
    });
    indices
}

/// Whether the hook has this delete policy; without any, Helm deletes an earlier one before creation.
pub(crate) fn deletes(hook: &HookRecord, policy: &str) -> bool {
    if hook.delete_policies.is_empty() {
        return policy == "before-hook-creation";
    }
    hook.delete_policies.iter().any(|p| p == policy)
}

/// The mark of a run: one for each revision and event.
pub(crate) fn run_mark(record: &Record, event: HookEvent) -> String {
    format!("{}.v{}.{event}", record.name, record.version)
}

/// The hook's objects (nearly always one), marked with their run.
///
/// # Errors
/// If the stored text cannot be read or a kind is unknown.
pub(crate) async fn targets(
    hook: &HookRecord,
    record: &Record,
    event: HookEvent,
    at: &Workplace,
) -> Result<Vec<Target>, Error> {
    let found = at.cluster.targets(&hook.manifest, &record.namespace).await;
    let mut targets = found.map_err(|error| objects::manifest(record.version, error))?;
    for target in &mut targets {
        objects::origin(target, at);
        target.body["metadata"]["annotations"][RUN] = json!(run_mark(record, event));
    }
    Ok(targets)
}

/// What stands in a hook's place before it is created.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Nothing.
    Free,
    /// This run's own object: it was created before a crash.
    Ours,
    /// An earlier run's, whose deletion was asked for; it is not gone yet.
    Clearing(String),
    /// An earlier run's, which its policy leaves there.
    Occupied,
}

/// Looks at what stands in the hook's place, and has it deleted if the hook's policy says so. What this run left when it failed
/// is no better than an earlier run's.
///
/// # Errors
/// If it cannot be read or deleted.
pub(crate) async fn clear(hook: &HookRecord, targets: &[Target], mark: &str, at: &Workplace) -> Result<Place, Error> {
    let failed = hook.last_run.phase == HookPhase::Failed;
    let mut place = Place::Free;
    for target in targets {
        let Some(live) = at.cluster.get_metadata(&target.id).await? else { continue };
        let run = live.metadata.annotations.as_ref().and_then(|a| a.get(RUN));
        if !failed && run.is_some_and(|run| run == mark) && live.metadata.deletion_timestamp.is_none() {
            place = Place::Ours;
        } else if live.metadata.deletion_timestamp.is_some() {
            return Ok(Place::Clearing(format!("{} of an earlier run is being deleted", target.id)));
        } else if deletes(hook, "before-hook-creation") && target.id.kind != "CustomResourceDefinition" {
            at.cluster.delete(&target.id, cluster::Propagation::Background, live.metadata.uid.as_deref()).await?;
            return Ok(Place::Clearing(format!("{} of an earlier run is being deleted", target.id)));
        } else {
            place = Place::Occupied;
        }
    }
    Ok(place)
}

/// Whether this run has created the hook's objects already.
///
/// # Errors
/// If one cannot be read.
pub(crate) async fn is_there(targets: &[Target], mark: &str, at: &Workplace) -> Result<bool, Error> {
    for target in targets {
        let live = at.cluster.get_metadata(&target.id).await?;
        if live.is_none_or(|live| {
            live.metadata.annotations.as_ref().and_then(|a| a.get(RUN)).is_none_or(|run| run != mark)
        }) {
            return Ok(false);
        }
    }
    Ok(!targets.is_empty())
}

/// Creates the hook's objects.
///
/// # Errors
/// If the API server refuses.
pub(crate) async fn create(targets: &[Target], at: &Workplace) -> Result<(), Error> {
    let how = Apply { manager: &at.manager, force: true, dry_run: false, strict: at.options.strict };
    for target in targets {
        at.cluster.apply(target, &how).await?;
    }
    Ok(())
}

/// How the hook's objects stand. One that is gone has done its work: a TTL took it away.
///
/// # Errors
/// If an object cannot be read.
pub(crate) async fn outcome(
    targets: &[Target],
    changed: &Changes,
    mark: &str,
    at: &Workplace,
) -> Result<HookOutcome, Error> {
    for target in targets {
        // What a watch told of this run's own object. It may be old, but then it says that the hook runs, and more will come.
        let told = changed.get(&target.id).and_then(Option::as_ref);
        let run_of = |live: &DynamicObject| live.metadata.annotations.as_ref().and_then(|all| all.get(RUN).cloned());
        let live = match told.filter(|live| run_of(live).as_deref() == Some(mark)) {
            Some(live) => serde_json::to_value(&**live),
            None => match at.cluster.get(&target.id).await? {
                Some(live) => serde_json::to_value(live),
                None => continue,
            },
        };
        let outcome = hook_outcome(&live.unwrap_or_default());
        match outcome {
            HookOutcome::Succeeded => {}
            HookOutcome::Running(why) => return Ok(HookOutcome::Running(format!("{}: {why}", target.id))),
            HookOutcome::Failed(why) => return Ok(HookOutcome::Failed(format!("{}: {why}", target.id))),
        }
    }
    Ok(HookOutcome::Succeeded)
}

/// The message of a hook that failed, with what is behind it: the Pod, its last event, the end of its log. Asked before the
/// hook's policy takes its objects away.
pub(crate) async fn with_cause(message: String, targets: &[Target], at: &Workplace) -> String {
    for target in targets {
        if let Some(cause) = at.cluster.cause(&target.id).await {
            return format!("{message} ({cause})");
        }
    }
    message
}

/// What the containers of a hook's objects wrote, if its policy asks for it after this outcome.
pub(crate) async fn output(hook: &HookRecord, targets: &[Target], policy: &str, at: &Workplace) -> Vec<String> {
    let mut said = Vec::new();
    if hook.output_log_policies.iter().any(|p| p == policy) {
        for target in targets {
            said.extend(at.cluster.output(&target.id).await.map(|log| format!("{}: {log}", target.id)));
        }
    }
    said
}

/// Deletes a hook's objects if its policy says so for this outcome. Definitions of kinds are never deleted.
///
/// # Errors
/// If an object cannot be deleted.
pub(crate) async fn clean_up(
    hook: &HookRecord,
    record: &Record,
    event: HookEvent,
    policy: &str,
    at: &Workplace,
) -> Result<Vec<ObjectId>, Error> {
    if !deletes(hook, policy) {
        return Ok(Vec::new());
    }
    let mark = run_mark(record, event);
    let mut gone = Vec::new();
    for target in targets(hook, record, event, at).await? {
        if target.id.kind == "CustomResourceDefinition" {
            continue;
        }
        // Only this run's: a later one may have taken the name already.
        if let Some(live) = at.cluster.get_metadata(&target.id).await?
            && live.metadata.annotations.as_ref().and_then(|a| a.get(RUN)) == Some(&mark)
        {
            at.cluster.delete(&target.id, cluster::Propagation::Background, live.metadata.uid.as_deref()).await?;
            gone.push(target.id);
        }
    }
    Ok(gone)
}
