//! The machine: takes the next step of an operation and returns. Where each step leads is in [`after`], one table.

use super::{
    Error, Workplace,
    cursor::{ANNOTATION, Action, Cursor, HookEvent, HookStage, Step},
    hooks::{self, Place},
    objects::{self, Removed},
    records,
    wait::{Changes, Standing, Waiting},
};
use crate::{
    cluster::{
        self, ObjectId, Target,
        drift::shape,
        readiness::{HookOutcome, Rules},
    },
    release::{ApplyMethod, HookPhase, Record, Status, Stored},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// An operation that is under way, with what is in memory of it. All but `stored` can be made anew from the record.
pub struct Operation {
    /// The record that it works on.
    pub stored: Stored,
    /// Where it stands; equal to the record's annotation.
    pub cursor: Cursor,
    /// Revisions that are marked as deployed, by which this one is preceded.
    pub deployed: Vec<u32>,
    /// What is waited for.
    pub waiting: Option<Waiting>,
    /// Objects of the release that changed since the last step.
    pub changed: Changes,
    /// The versions of the objects as they were applied.
    pub applied: BTreeMap<ObjectId, String>,
    /// Earlier revisions that were read when the operation began. Let go of when it has to wait: they may be large.
    pub at_hand: Vec<Stored>,
    /// Earlier revisions as this operation wrote them.
    pub written: Vec<Stored>,
    /// What hooks wrote whose policy has it told.
    pub output: Vec<String>,
}

/// What a step led to.
#[derive(Debug, PartialEq, Eq)]
pub enum Progress {
    /// The next step can be taken at once.
    Moved,
    /// Nothing can be done until the cluster has done something, or until then.
    Waits {
        /// For what.
        message: String,
        /// When to look again even if no watch tells.
        again: SignedDuration,
    },
    /// The operation has ended.
    Ended(Outcome),
}

/// How an operation ended.
#[derive(Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As wanted.
    Succeeded,
    /// Not; the record says so too.
    Failed(String),
}

impl Operation {
    /// Takes up an operation from its record.
    pub fn resume(stored: Stored, cursor: Cursor) -> Self {
        Self {
            stored,
            cursor,
            deployed: Vec::new(),
            waiting: None,
            changed: Changes::new(),
            applied: BTreeMap::new(),
            at_hand: Vec::new(),
            written: Vec::new(),
            output: Vec::new(),
        }
    }

    /// The same with revisions that need not be read again.
    #[must_use]
    pub fn with(mut self, at_hand: Vec<Stored>) -> Self {
        self.at_hand = at_hand;
        self
    }

    fn record(&self) -> &Record {
        &self.stored.record
    }
}

/// What comes first, and what comes after a step: the whole course of every action.
fn course(action: Action) -> &'static [Stretch] {
    use HookEvent::{
        PostDelete, PostInstall, PostRollback, PostUpgrade, PreDelete, PreInstall, PreRollback, PreUpgrade,
    };
    use Stretch::{Apply, Delete, Hooks, Wait};
    match action {
        Action::Install => &[Hooks(PreInstall), Apply, Wait, Hooks(PostInstall)],
        Action::Upgrade => &[Hooks(PreUpgrade), Apply, Wait, Hooks(PostUpgrade)],
        Action::Rollback => &[Hooks(PreRollback), Apply, Wait, Hooks(PostRollback)],
        Action::Uninstall | Action::UninstallRemediation => &[Hooks(PreDelete), Delete, Hooks(PostDelete)],
        Action::Test => &[Hooks(HookEvent::Test)],
    }
}

/// A stretch of an operation's course.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stretch {
    Hooks(HookEvent),
    Apply,
    Wait,
    Delete,
}

impl Stretch {
    fn of(step: &Step) -> Self {
        match step {
            Step::Hook { event, .. } => Self::Hooks(*event),
            Step::Apply => Self::Apply,
            Step::Wait => Self::Wait,
            Step::Delete => Self::Delete,
        }
    }

    fn first_step(self) -> Step {
        match self {
            Self::Hooks(event) => Step::Hook { event, index: 0, stage: HookStage::Clear },
            Self::Apply => Step::Apply,
            Self::Wait => Step::Wait,
            Self::Delete => Step::Delete,
        }
    }
}

/// The first step of an action on this record.
pub fn first(action: Action, record: &Record, at: &Workplace) -> Option<Step> {
    passable(course(action).iter(), record, at)
}

/// The step after the last one of a phase.
fn after(action: Action, step: &Step, record: &Record, at: &Workplace) -> Option<Step> {
    let here = Stretch::of(step);
    passable(course(action).iter().skip_while(|phase| **phase != here).skip(1), record, at)
}

/// Passes over phases in which nothing is to be done.
fn passable<'a>(phases: impl Iterator<Item = &'a Stretch>, record: &Record, at: &Workplace) -> Option<Step> {
    phases
        .copied()
        .find(|phase| match phase {
            Stretch::Hooks(event) => {
                runs_hooks(*event, at) && !hooks::of_event(record, *event, &at.options.tests).is_empty()
            }
            Stretch::Wait => at.options.wait,
            Stretch::Apply | Stretch::Delete => true,
        })
        .map(Stretch::first_step)
}

/// The events whose hooks an action runs, in their order.
pub(super) fn hook_events(action: Action, at: &Workplace) -> Vec<HookEvent> {
    let events = course(action).iter().filter_map(|stretch| match stretch {
        Stretch::Hooks(event) => Some(*event),
        _ => None,
    });
    events.filter(|event| runs_hooks(*event, at)).collect()
}

/// Whether hooks of this event run at all. Tests are there to be run.
fn runs_hooks(event: HookEvent, at: &Workplace) -> bool {
    at.options.hooks || event == HookEvent::Test
}

/// Takes one step.
///
/// # Errors
/// If the step could not be taken and may be tried again ([`Error::is_transient`]); an error that ends the operation is
/// recorded and comes back as [`Outcome::Failed`].
pub async fn advance(op: &mut Operation, at: &Workplace) -> Result<Progress, Error> {
    let Some(step) = op.cursor.step.clone() else {
        return Ok(Progress::Ended(Outcome::Succeeded));
    };
    if let Some(why) = op.cursor.failure.clone() {
        return end(op, why, at).await;
    }
    let result = match step {
        Step::Hook { event, index, stage } => hook(op, event, index, stage, at).await,
        Step::Apply => apply(op, at).await,
        Step::Wait => wait(op, at).await,
        Step::Delete => delete(op, at).await,
    };
    match result {
        Ok(progress) => Ok(progress),
        Err(error) if overdue(op, at) || !error.is_transient() => {
            if error.is_lost_race() {
                // Somebody else wrote the record: whoever reconciles next sees what they did.
                return Err(error);
            }
            fail(op, error.to_string(), at).await
        }
        Err(error) => Err(error),
    }
}

fn overdue(op: &Operation, at: &Workplace) -> bool {
    overdue_since(op.cursor.since, at)
}

fn overdue_since(since: Timestamp, at: &Workplace) -> bool {
    at.now.duration_since(since) > at.options.timeout
}

/// Until when the present step may last.
fn remaining(op: &Operation, at: &Workplace) -> SignedDuration {
    let left = at.options.timeout - at.now.duration_since(op.cursor.since);
    left.max(SignedDuration::from_millis(100))
}

async fn hook(
    op: &mut Operation,
    event: HookEvent,
    index: usize,
    stage: HookStage,
    at: &Workplace,
) -> Result<Progress, Error> {
    // Whoever is stuck at a hook may have it left out.
    let order = if runs_hooks(event, at) { hooks::of_event(op.record(), event, &at.options.tests) } else { Vec::new() };
    let Some(&which) = order.get(index) else {
        return hooks_done(op, event, &order, at).await;
    };
    let hook = op.record().hooks[which].clone();
    let targets = hooks::targets(&hook, op.record(), event, at).await?;
    for target in &targets {
        at.watches.ensure(&at.cluster.resolve(&target.id.api_version, &target.id.kind).await?);
    }
    let mark = hooks::run_mark(op.record(), event);
    match stage {
        HookStage::Clear => match hooks::clear(&hook, &targets, &mark, at).await? {
            Place::Clearing(message) if overdue(op, at) => {
                fail(op, format!("{event} hooks failed: {message}: timed out"), at).await
            }
            Place::Clearing(message) => Ok(Progress::Waits { message, again: SignedDuration::from_secs(2) }),
            Place::Free | Place::Ours | Place::Occupied => {
                let now = at.now;
                write(op, at, Step::Hook { event, index, stage: HookStage::Create }, |record| {
                    let run = &mut record.hooks[which].last_run;
                    run.started_at = Some(now);
                    run.completed_at = None;
                    run.phase = HookPhase::Running;
                })
                .await?;
                Ok(Progress::Moved)
            }
        },
        HookStage::Create => {
            let there = hooks::is_there(&targets, &mark, at).await?;
            if !there && let Err(error) = hooks::create(&targets, at).await {
                if error.is_transient() && !overdue(op, at) {
                    return Err(error);
                }
                return hook_failed(op, event, which, &[], error.to_string(), at).await;
            }
            note(op, at, Step::Hook { event, index, stage: HookStage::Await }).await?;
            Ok(Progress::Moved)
        }
        HookStage::Await => match hooks::outcome(&targets, &std::mem::take(&mut op.changed), &mark, at).await? {
            HookOutcome::Succeeded => {
                op.output.extend(hooks::output(&hook, &targets, "hook-succeeded", at).await);
                let now = at.now;
                let next = Step::Hook { event, index: index + 1, stage: HookStage::Clear };
                write(op, at, next, |record| {
                    let run = &mut record.hooks[which].last_run;
                    run.completed_at = Some(now);
                    run.phase = HookPhase::Succeeded;
                })
                .await?;
                Ok(Progress::Moved)
            }
            HookOutcome::Running(message) if overdue(op, at) => {
                let message = format!("{message}: timed out after {:#}", at.options.timeout);
                let message = hooks::with_cause(message, &targets, at).await;
                hook_failed(op, event, which, &targets, message, at).await
            }
            HookOutcome::Running(message) => Ok(Progress::Waits { message, again: remaining(op, at) }),
            HookOutcome::Failed(message) => {
                let message = hooks::with_cause(message, &targets, at).await;
                hook_failed(op, event, which, &targets, message, at).await
            }
        },
    }
}

/// All hooks of an event have succeeded: those that are to be deleted then are, last first.
async fn hooks_done(op: &mut Operation, event: HookEvent, order: &[usize], at: &Workplace) -> Result<Progress, Error> {
    for which in order.iter().rev() {
        let hook = op.record().hooks[*which].clone();
        hooks::clean_up(&hook, op.record(), event, "hook-succeeded", at).await?;
    }
    let step = Step::Hook { event, index: order.len(), stage: HookStage::Clear };
    proceed(op, &step, at).await
}

async fn hook_failed(
    op: &mut Operation,
    event: HookEvent,
    which: usize,
    targets: &[Target],
    message: String,
    at: &Workplace,
) -> Result<Progress, Error> {
    op.output.extend(hooks::output(&op.record().hooks[which], targets, "hook-failed", at).await);
    let now = at.now;
    edit(op, |record| {
        let run = &mut record.hooks[which].last_run;
        run.completed_at = Some(now);
        run.phase = HookPhase::Failed;
    });
    fail(op, format!("{event} hooks failed: {message}"), at).await
}

async fn apply(op: &mut Operation, at: &Workplace) -> Result<Progress, Error> {
    let record = op.stored.record.clone();
    let mut new = objects::targets(&record, &at.cluster).await?;
    for target in &mut new {
        objects::mark(target, &record, at);
    }
    watch(&new, at).await?;
    let old = base_targets(op, at).await?;
    // Fields that a client wrote are its own until the API server applies.
    let earlier = if record.apply_method == Some(ApplyMethod::ClientSide) { &[][..] } else { &old.others };
    for id in earlier {
        objects::take_over(id, at).await?;
    }
    if at.options.cleanup_on_fail && op.cursor.action != Action::Install && op.cursor.created.is_empty() {
        let new = new.iter().filter(|n| !old.base.iter().any(|base| base.same_object(&n.id)));
        let missing = objects::missing(new.map(|target| target.id.clone()), at).await?;
        if !missing.is_empty() {
            op.cursor.created = missing.iter().map(ToString::to_string).collect();
            note(op, at, Step::Apply).await?;
        }
    }
    let applied = objects::apply(&new, &old.targets, &record, at).await?;
    op.cursor.shapes = applied.iter().map(|(_, live)| shape(&live.metadata, &at.manager).unwrap_or_default()).collect();
    op.applied = applied
        .iter()
        .map(|(id, live)| (id.clone(), live.metadata.resource_version.clone().unwrap_or_default()))
        .collect();
    objects::prune(&old.targets, &new, &record, at).await?;
    let mut waiting = Waiting::for_objects(applied.iter().map(|(id, _)| id.clone()));
    let rules = rules(at);
    for (id, live) in &applied {
        let live = serde_json::to_value(live).unwrap_or_default();
        waiting.saw(id, Some(&live), &rules);
    }
    waiting.begin(at.now);
    op.waiting = Some(waiting);
    // Applying again does no harm, so the step to the wait need not be written down.
    match after(op.cursor.doing(), &Step::Apply, &record, at) {
        Some(Step::Wait) => {
            op.cursor.step = Some(Step::Wait);
            Ok(Progress::Moved)
        }
        _ => proceed(op, &Step::Apply, at).await,
    }
}

fn rules(at: &Workplace) -> Rules {
    Rules { wait_for_jobs: at.options.wait_for_jobs, strategy: at.options.strategy, checks: at.options.checks.clone() }
}

async fn watch(targets: &[Target], at: &Workplace) -> Result<(), Error> {
    let kinds: BTreeSet<(&str, &str)> =
        targets.iter().map(|t| (t.id.api_version.as_str(), t.id.kind.as_str())).collect();
    for (api_version, kind) in kinds {
        match at.cluster.resolve(api_version, kind).await {
            Ok(resource) => at.watches.ensure(&resource),
            // It may be defined by the release itself, or be gone with its objects.
            Err(cluster::Error::UnknownKind { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// The objects of the revisions that this one replaces: of its base, and of whatever failed after that.
async fn base_targets(op: &Operation, at: &Workplace) -> Result<Replaced, Error> {
    replaced(op.cursor.base, op.record(), &op.at_hand, at).await
}

/// The objects of all revisions from `base` on up to the one before `record`'s. Those at hand need not be read.
pub(super) async fn replaced(
    base: Option<u32>,
    record: &Record,
    at_hand: &[Stored],
    at: &Workplace,
) -> Result<Replaced, Error> {
    let mut replaced = Replaced::default();
    let Some(base) = base else { return Ok(replaced) };
    for version in base..record.version {
        // Whoever deleted a record took on what becomes of its objects.
        let known = at_hand.iter().find(|stored| stored.record.version == version).cloned();
        let stored = match known {
            Some(stored) => stored,
            None => match records::revision(&at.storage, &record.name, version).await? {
                Some(stored) => stored,
                None => continue,
            },
        };
        let ours = Cursor::of(&stored).is_some();
        for target in objects::targets(&stored.record, &at.cluster).await? {
            if version == base {
                replaced.base.push(target.id.clone());
            }
            if replaced.targets.iter().any(|known| known.id.same_object(&target.id)) {
                continue;
            }
            // Flux, too, has the API server apply, and under its own name.
            if !ours || stored.record.apply_method != Some(ApplyMethod::ServerSide) {
                replaced.others.push(target.id.clone());
            }
            replaced.targets.push(target);
        }
    }
    Ok(replaced)
}

/// What a revision replaces.
#[derive(Default)]
pub(super) struct Replaced {
    pub(super) targets: Vec<Target>,
    /// Those of the base itself.
    base: Vec<ObjectId>,
    /// Those whose fields may belong to an earlier manager: a client applied them, or somebody else's operator.
    others: Vec<ObjectId>,
}

async fn wait(op: &mut Operation, at: &Workplace) -> Result<Progress, Error> {
    let changed = std::mem::take(&mut op.changed);
    if op.waiting.is_none() {
        op.waiting = Some(awaited(op.record(), at).await?);
    }
    let rules = rules(at);
    let standing = match &mut op.waiting {
        Some(waiting) => waiting.look(&changed, &rules, at).await?,
        None => Standing::Ready,
    };
    match standing {
        Standing::Ready => {
            op.waiting = None;
            proceed(op, &Step::Wait, at).await
        }
        Standing::Unready(message) if !overdue(op, at) => {
            let pause = op.waiting.as_ref().map_or(SignedDuration::ZERO, |waiting| waiting.pause(at.now));
            Ok(Progress::Waits { message, again: remaining(op, at).min(pause) })
        }
        // Given up: whoever reads of it wants to know what is behind it.
        Standing::Unready(_) | Standing::Failed(_) => {
            let timed_out = matches!(standing, Standing::Unready(_));
            let standing = match &mut op.waiting {
                Some(waiting) => {
                    waiting.investigate(at).await;
                    waiting.standing()
                }
                None => standing,
            };
            let (Standing::Unready(message) | Standing::Failed(message)) = standing else {
                return proceed(op, &Step::Wait, at).await;
            };
            let timed_out =
                if timed_out { format!("timed out after {:#}: ", at.options.timeout) } else { String::new() };
            op.cursor.late = true;
            fail(op, format!("{timed_out}{message}"), at).await
        }
    }
}

/// A wait for the objects of a revision, which are watched from now on.
///
/// # Errors
/// If the manifest cannot be read, or the API server cannot be asked about kinds.
pub async fn awaited(record: &Record, at: &Workplace) -> Result<Waiting, Error> {
    let targets = objects::targets(record, &at.cluster).await?;
    watch(&targets, at).await?;
    Ok(Waiting::for_objects(targets.into_iter().map(|t| t.id)))
}

/// Whether the objects of a revision that was not ready in time are so by now. Only what changed is asked for.
///
/// # Errors
/// If an object cannot be read.
pub async fn is_ready(waiting: &mut Waiting, changed: &Changes, at: &Workplace) -> Result<bool, Error> {
    Ok(waiting.look(changed, &rules(at), at).await? == Standing::Ready)
}

async fn delete(op: &mut Operation, at: &Workplace) -> Result<Progress, Error> {
    let record = op.stored.record.clone();
    let mut known = objects::targets(&record, &at.cluster).await?;
    for target in base_targets(op, at).await?.targets {
        if !known.iter().any(|k| k.id.same_object(&target.id)) {
            known.push(target);
        }
    }
    let remediation = op.cursor.action == Action::UninstallRemediation;
    let mut going = Vec::new();
    for id in objects::uninstall_order(&known) {
        if remediation && op.cursor.adopted.contains(&id.to_string()) {
            continue;
        }
        if objects::remove(&id, &record, at).await? == Removed::Asked {
            going.push(id);
        }
    }
    if going.is_empty() || !at.options.wait {
        return proceed(op, &Step::Delete, at).await;
    }
    let message = format!(
        "waits for {} to be gone{}",
        going[0],
        if going.len() > 1 { format!(" and {} more", going.len() - 1) } else { String::new() }
    );
    if overdue(op, at) {
        return fail(op, format!("timed out after {:#}: {message}", at.options.timeout), at).await;
    }
    watch(&known, at).await?;
    Ok(Progress::Waits { message, again: remaining(op, at).min(SignedDuration::from_secs(5)) })
}

/// Goes to the step after this one, or ends the operation.
async fn proceed(op: &mut Operation, step: &Step, at: &Workplace) -> Result<Progress, Error> {
    match after(op.cursor.doing(), step, op.record(), at) {
        Some(next) => {
            note(op, at, next).await?;
            Ok(Progress::Moved)
        }
        None => succeed(op, at).await,
    }
}

async fn succeed(op: &mut Operation, at: &Workplace) -> Result<Progress, Error> {
    let name = op.record().name.clone();
    let version = op.record().version;
    match op.cursor.doing() {
        Action::Install | Action::Upgrade | Action::Rollback => {
            let written = records::supersede(&at.storage, &name, &op.deployed, version, &op.at_hand).await?;
            op.written.extend(written);
            let text = match op.cursor.action {
                Action::Install => "Install complete".to_owned(),
                Action::Upgrade => "Upgrade complete".to_owned(),
                // Helm leaves "Rollback to N" as the description of a rollback that went well.
                _ => op.record().info.description.clone(),
            };
            finish(op, Status::Deployed, text, at).await?;
        }
        Action::Test => {
            op.cursor.tested = Some(true);
            let (status, text) = (op.record().info.status, op.record().info.description.clone());
            finish(op, status, text, at).await?;
        }
        Action::Uninstall | Action::UninstallRemediation if at.options.keep_history => {
            let written = records::supersede(&at.storage, &name, &op.deployed, version, &op.at_hand).await?;
            op.written.extend(written);
            finish(op, Status::Uninstalled, "Uninstallation complete".into(), at).await?;
        }
        Action::Uninstall | Action::UninstallRemediation => {
            // The newest goes last: as long as it is there, an interrupted removal is taken up again.
            records::purge(&at.storage, &name).await?;
            op.cursor.step = None;
        }
    }
    Ok(Progress::Ended(Outcome::Succeeded))
}

/// Ends the operation as failed. If there is something to be deleted for it, the failure is written down before: what is gone
/// must not look like success to whoever goes on after a crash.
async fn fail(op: &mut Operation, why: String, at: &Workplace) -> Result<Progress, Error> {
    if leaves_something(op, at) {
        op.cursor.failure = Some(why.clone());
        op.cursor.since = at.now;
        store(op, at).await?;
    }
    end(op, why, at).await
}

/// Whether a failure at this step has something deleted.
fn leaves_something(op: &Operation, at: &Workplace) -> bool {
    !created(op, at).is_empty() || !leftovers(op, at).is_empty()
}

/// Hooks that are deleted since the operation failed at one of them, each with the policy that says so.
fn leftovers(op: &Operation, at: &Workplace) -> Vec<(usize, HookEvent, &'static str)> {
    let Some(Step::Hook { event, index, .. }) = op.cursor.step else { return Vec::new() };
    let order = hooks::of_event(op.record(), event, &at.options.tests);
    let policy = |place: usize, which: usize| match op.record().hooks[which].last_run.phase {
        HookPhase::Failed if place == index => "hook-failed",
        _ => "hook-succeeded",
    };
    let ran =
        order.iter().enumerate().take(index + 1).rev().map(|(place, which)| (*which, event, policy(place, *which)));
    let is_over =
        |which: usize| matches!(op.record().hooks[which].last_run.phase, HookPhase::Failed | HookPhase::Succeeded);
    ran.filter(|(which, _, policy)| is_over(*which) && hooks::deletes(&op.record().hooks[*which], policy)).collect()
}

/// Objects that the operation has created, if they are to go when it fails.
fn created<'a>(op: &'a Operation, at: &Workplace) -> &'a [String] {
    let applied = match op.cursor.step {
        Some(Step::Apply | Step::Wait) => true,
        Some(Step::Hook { event, .. }) => matches!(event, HookEvent::PostUpgrade | HookEvent::PostRollback),
        _ => false,
    };
    if applied && at.options.cleanup_on_fail { &op.cursor.created } else { &[] }
}

/// Deletes what a failed operation leaves behind; says what could not be deleted.
async fn tidy(op: &mut Operation, at: &Workplace) -> Result<Vec<String>, Error> {
    let mut problems = Vec::new();
    let record = op.stored.record.clone();
    let mut settle = |what: String, error: Error| {
        if error.is_transient() && !overdue_since(op.cursor.since, at) {
            return Err(error);
        }
        problems.push(format!("{what} could not be deleted: {error}"));
        Ok(())
    };
    for (which, event, policy) in leftovers(op, at) {
        let hook = &record.hooks[which];
        if let Err(error) = hooks::clean_up(hook, &record, event, policy, at).await {
            settle(format!("hook {}", hook.name), error)?;
        }
    }
    let created = created(op, at);
    if !created.is_empty() {
        for target in objects::targets(&record, &at.cluster).await?.iter().rev() {
            if created.contains(&target.id.to_string())
                && let Err(error) = objects::remove(&target.id, &record, at).await
            {
                settle(target.id.to_string(), error)?;
            }
        }
        // What is gone does not get ready later.
        op.cursor.late = false;
    }
    Ok(problems)
}

/// Deletes what is to be deleted after a failure, and writes the end down.
async fn end(op: &mut Operation, mut why: String, at: &Workplace) -> Result<Progress, Error> {
    for problem in tidy(op, at).await? {
        why.push_str("; ");
        why.push_str(&problem);
    }
    op.cursor.failure = None;
    let name = op.record().name.clone();
    match op.cursor.doing() {
        Action::Test => {
            op.cursor.tested = Some(false);
            let (status, text) = (op.record().info.status, op.record().info.description.clone());
            finish(op, status, text, at).await?;
        }
        Action::Uninstall | Action::UninstallRemediation => {
            // Stays `uninstalling` with its step, so that the next attempt goes on from here: with a hook that failed anew.
            op.cursor.since = at.now;
            if let Some(Step::Hook { stage, .. }) = &mut op.cursor.step {
                *stage = HookStage::Clear;
            }
            store(op, at).await?;
        }
        action => {
            // Helm lists descriptions one a line.
            let why = why.lines().collect::<Vec<_>>().join(" / ");
            let text = format!(
                "{} \"{name}\" failed: {why}",
                if action == Action::Install { "Release" } else { action.title() }
            );
            finish(op, Status::Failed, text, at).await?;
        }
    }
    op.waiting = None;
    Ok(Progress::Ended(Outcome::Failed(why)))
}

/// Writes the record's end: status, description, no next step.
async fn finish(op: &mut Operation, status: Status, description: String, at: &Workplace) -> Result<(), Error> {
    let deleted = (status == Status::Uninstalled).then_some(at.now);
    edit(op, |record| {
        record.info.status = status;
        record.info.description = description;
        if deleted.is_some() {
            record.info.deleted = deleted;
        }
    });
    op.cursor.step = None;
    op.cursor.created.clear();
    op.cursor.since = at.now;
    store(op, at).await
}

/// Changes the record in memory.
fn edit(op: &mut Operation, change: impl FnOnce(&mut Record)) {
    change(std::sync::Arc::make_mut(&mut op.stored.record));
}

/// Writes record and cursor together.
async fn write(op: &mut Operation, at: &Workplace, next: Step, change: impl FnOnce(&mut Record)) -> Result<(), Error> {
    edit(op, change);
    op.cursor.step = Some(next);
    op.cursor.since = at.now;
    store(op, at).await
}

async fn store(op: &mut Operation, at: &Workplace) -> Result<(), Error> {
    let annotations = [(ANNOTATION.to_owned(), op.cursor.to_annotation())].into();
    let record = op.stored.record.clone();
    op.stored = at.storage.update(&op.stored, &record, &annotations).await?;
    Ok(())
}

/// Writes only the cursor.
async fn note(op: &mut Operation, at: &Workplace, next: Step) -> Result<(), Error> {
    op.cursor.step = Some(next);
    op.cursor.since = at.now;
    let annotations = [(ANNOTATION.to_owned(), op.cursor.to_annotation())].into();
    op.stored = at.storage.annotate(&op.stored, &annotations).await?;
    Ok(())
}
