//! The planner: given what is wanted and what is recorded, what is the next step? A pure function.
//!
//! It follows Flux's helm-controller in what it counts and when it gives up, and differs where that one gets stuck: an
//! unfinished operation is resumed, a changed input always starts afresh.

use crate::{
    action::cursor::{Action, Cursor, Holder},
    release::Status,
};
use jiff::{SignedDuration, Timestamp};

/// A revision of the release, newest first in [`Situation::revisions`], as far as decisions need it.
#[derive(Debug, Clone)]
pub struct Revision {
    /// Its number.
    pub version: u32,
    /// Its status in the record.
    pub status: Status,
    /// The operator's note on it, if it made this revision.
    pub cursor: Option<Cursor>,
    /// When the record was last written.
    pub modified: Timestamp,
    /// Whether the record's manifest is still the one that was noted.
    pub intact: bool,
}

/// What to do about failures of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// Undo, then try again while retries are left.
    Remediate {
        /// Retries after the first attempt; `None` is without end.
        retries: Option<u32>,
        /// Undo the last failure too.
        last: bool,
        /// How a failed upgrade is undone (a failed install is always uninstalled).
        undo: Undo,
    },
    /// Leave as it is and upgrade again after a while.
    Retry {
        /// The while.
        after: SignedDuration,
    },
}

/// How a failed upgrade is undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undo {
    /// By going back to the last good revision.
    Rollback,
    /// By removing the release.
    Uninstall,
}

/// What the spec says about going on and giving up.
#[derive(Debug, Clone)]
pub struct Policy {
    /// For a release that has never been deployed.
    pub install: Strategy,
    /// For later.
    pub upgrade: Strategy,
    /// `install.replace`: whether the name of an uninstalled release may be used again.
    pub replace: bool,
    /// Whether tests are to be run.
    pub test: bool,
    /// Whether a failed test counts as a failure of its action: (of an install, of an upgrade).
    pub tests_matter: (bool, bool),
    /// How long somebody else's unfinished operation is waited out.
    pub foreign_grace: SignedDuration,
}

/// Failed attempts since an input changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Failures {
    /// Of installs.
    pub install: u32,
    /// Of upgrades.
    pub upgrade: u32,
}

/// All that a decision depends on.
#[derive(Debug)]
pub struct Situation<'a> {
    /// The HelmRelease.
    pub holder: &'a Holder,
    /// Its generation.
    pub generation: i64,
    /// Digest of what it wants (chart, values, …).
    pub fingerprint: &'a str,
    /// What is recorded, newest first.
    pub revisions: &'a [Revision],
    /// What the spec says about failures.
    pub policy: &'a Policy,
    /// What has failed so far.
    pub failures: Failures,
    /// Whether somebody seems to have changed objects of the deployed revision, and that matters.
    pub drifted: bool,
    /// The revision that the spec asks for, whatever its chart and values say.
    pub rollback_to: Option<u32>,
    /// Whether the objects of the newest revision, which failed since they were not ready in time, are ready by now.
    pub recovered: bool,
    /// Whether the chart has another name than that of the newest revision, and the spec has the release made anew then.
    pub renamed: bool,
    /// Asked for by annotation: act although nothing changed or retries are exhausted.
    pub forced: bool,
    /// The time.
    pub now: Timestamp,
}

/// What to do next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// All is as wanted.
    Keep,
    /// Begin a first revision.
    Install,
    /// Begin a revision on top of `base`.
    Upgrade {
        /// The revision whose objects it replaces.
        base: u32,
        /// Why, for the event.
        why: Why,
    },
    /// Take the next step of the operation that the newest revision's cursor describes.
    Resume,
    /// End the newest revision's operation as failed; it is no longer wanted or nobody works on it.
    Abandon {
        /// Said in the record's description.
        why: String,
    },
    /// Somebody else works on the release: look again then.
    AwaitForeign {
        /// When the grace ends.
        until: Timestamp,
    },
    /// Go back to this revision.
    Rollback {
        /// The revision to repeat.
        target: u32,
    },
    /// Remove the release, since its chart is another one by now, and install it anew.
    Reinstall,
    /// Remove the failed release before the next attempt.
    UninstallRemediation,
    /// Go on with the newest revision, which failed since its objects were not ready in time.
    Recover,
    /// Run the test hooks of the newest revision.
    Test,
    /// Look at objects that somebody seems to have changed.
    Inspect,
    /// Try again at this time.
    RetryAt(Timestamp),
    /// Nothing more can be done until an input changes.
    Stalled {
        /// The condition's reason.
        reason: &'static str,
        /// The condition's message.
        message: String,
    },
}

/// Why an upgrade begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// Chart, values or options are not those of the deployed revision.
    OutOfSync,
    /// The newest revision was not made by this HelmRelease.
    Unmanaged,
    /// The newest revision's record was altered.
    Altered,
    /// The last attempt failed.
    Failed,
    /// Asked for by annotation.
    Forced,
}

/// Decides.
pub fn plan(at: &Situation<'_>) -> Next {
    let Some(newest) = at.revisions.first() else {
        return at.rollback_to.map_or_else(|| install(at), |target| no_such_revision(at, target));
    };
    let ours = newest.cursor.as_ref().filter(|cursor| cursor.holder == *at.holder);
    if let Some(cursor) = newest.cursor.as_ref().filter(|c| c.holder != *at.holder && c.holder.uid != at.holder.uid)
        && same_release_other_object(cursor, at.holder)
    {
        return Next::Stalled {
            reason: "ReleaseHeld",
            message: format!(
                "release is held by HelmRelease {}: choose another spec.releaseName or targetNamespace, or delete that object",
                cursor.holder
            ),
        };
    }
    if let Some(cursor) = ours.filter(|cursor| cursor.step.is_some()) {
        return unfinished(at, cursor);
    }
    if let Some(target) = at.rollback_to
        && !newest.status.is_pending()
        && newest.status != Status::Uninstalling
    {
        return restore(at, newest, ours, target);
    }
    match newest.status {
        Status::PendingInstall | Status::PendingUpgrade | Status::PendingRollback | Status::Uninstalling => {
            let until = newest.modified + at.policy.foreign_grace;
            if at.now < until {
                Next::AwaitForeign { until }
            } else {
                Next::Abandon { why: format!("left {} by somebody who is gone; taken over", newest.status) }
            }
        }
        Status::Uninstalled => match ours {
            Some(cursor) if cursor.action == Action::UninstallRemediation => install(at),
            _ if at.policy.replace => install(at),
            _ => Next::Stalled {
                reason: "NameInUse",
                message: "the name is in use by an uninstalled release whose history was kept: set spec.install.replace to use it again, or delete its records".into(),
            },
        },
        Status::Failed => failed(at, newest, ours),
        Status::Deployed => deployed(at, newest, ours),
        Status::Superseded | Status::Unknown => Next::Upgrade { base: base_of(at), why: Why::Unmanaged },
    }
}

/// Two objects may not share a release; one that was deleted and made again under the same name may go on.
fn same_release_other_object(cursor: &Cursor, holder: &Holder) -> bool {
    (cursor.holder.namespace.as_str(), cursor.holder.name.as_str()) != (holder.namespace.as_str(), holder.name.as_str())
}

fn install(at: &Situation<'_>) -> Next {
    if !at.forced && exhausted(at.policy.install, at.failures.install) {
        return retries_exceeded("install", at.failures.install);
    }
    Next::Install
}

/// The spec names a revision: it is repeated, unless it is what runs.
fn restore(at: &Situation<'_>, newest: &Revision, ours: Option<&Cursor>, target: u32) -> Next {
    let repeats = ours.is_some_and(|cursor| cursor.action == Action::Rollback && cursor.target == Some(target));
    if newest.status == Status::Deployed && (repeats || newest.version == target) && !at.forced {
        return rest(at);
    }
    if newest.status == Status::Failed
        && repeats
        && ours.is_some_and(|cursor| cursor.generation == at.generation)
        && !at.forced
    {
        return Next::Stalled {
            reason: "RollbackFailed",
            message: format!("rollback to revision {target} failed: change the release to try again"),
        };
    }
    if at.revisions.iter().any(|r| r.version == target && is_whole(r)) {
        return Next::Rollback { target };
    }
    no_such_revision(at, target)
}

/// Whether a revision was complete once, so that it can be repeated.
fn is_whole(revision: &Revision) -> bool {
    matches!(revision.status, Status::Deployed | Status::Superseded | Status::Uninstalled)
}

fn no_such_revision(at: &Situation<'_>, target: u32) -> Next {
    let good: Vec<String> = at.revisions.iter().filter(|r| is_whole(r)).map(|r| r.version.to_string()).collect();
    let there = if good.is_empty() { "there is none".to_owned() } else { format!("there are {}", good.join(", ")) };
    Next::Stalled {
        reason: "MissingRollbackTarget",
        message: format!(
            "spec.rollbackTo: revision {target} cannot be restored, since it was never good or is not kept: {there}"
        ),
    }
}

fn unfinished(at: &Situation<'_>, cursor: &Cursor) -> Next {
    let unwanted = match at.rollback_to {
        Some(target) => cursor.target != Some(target),
        None => cursor.fingerprint != at.fingerprint,
    };
    match cursor.doing() {
        // Once begun, a removal is finished: half a release helps nobody.
        Action::Uninstall | Action::UninstallRemediation => Next::Resume,
        Action::Rollback if cursor.generation != at.generation => {
            Next::Abandon { why: format!("interrupted by generation {}", at.generation) }
        }
        Action::Rollback => Next::Resume,
        Action::Install | Action::Upgrade | Action::Test if unwanted => {
            let why = if cursor.generation == at.generation {
                "interrupted by a new chart or new values".into()
            } else {
                format!("interrupted by generation {}", at.generation)
            };
            Next::Abandon { why }
        }
        Action::Install | Action::Upgrade | Action::Test => Next::Resume,
    }
}

fn deployed(at: &Situation<'_>, newest: &Revision, ours: Option<&Cursor>) -> Next {
    let Some(cursor) = ours else {
        return Next::Upgrade { base: newest.version, why: Why::Unmanaged };
    };
    if at.forced {
        return Next::Upgrade { base: newest.version, why: Why::Forced };
    }
    if cursor.fingerprint != at.fingerprint {
        let strategy = at.policy.upgrade;
        if let Strategy::Retry { after } = strategy
            && at.failures.upgrade > 0
            && at.now < newest.modified + after
        {
            return Next::RetryAt(newest.modified + after);
        }
        if exhausted(strategy, at.failures.upgrade) {
            return retries_exceeded("upgrade", at.failures.upgrade);
        }
        if at.renamed {
            return Next::Reinstall;
        }
        return Next::Upgrade { base: newest.version, why: Why::OutOfSync };
    }
    if !newest.intact {
        return Next::Upgrade { base: newest.version, why: Why::Altered };
    }
    match cursor.tested {
        None if at.policy.test => Next::Test,
        Some(false) if at.policy.test => {
            let first = cursor.action == Action::Install;
            let matters = if first { at.policy.tests_matter.0 } else { at.policy.tests_matter.1 };
            if matters { undo(at, newest, first) } else { rest(at) }
        }
        _ => rest(at),
    }
}

/// The deployed revision is the wanted one.
fn rest(at: &Situation<'_>) -> Next {
    if at.drifted { Next::Inspect } else { Next::Keep }
}

fn failed(at: &Situation<'_>, newest: &Revision, ours: Option<&Cursor>) -> Next {
    let base = base_of(at);
    let Some(cursor) = ours else {
        return Next::Upgrade { base, why: Why::Unmanaged };
    };
    if at.forced {
        return Next::Upgrade { base, why: Why::Forced };
    }
    if at.recovered && (cursor.fingerprint == at.fingerprint || cursor.action == Action::Rollback) {
        return Next::Recover;
    }
    if cursor.action == Action::Rollback {
        // The way back failed too. The release stays as it is until an input changes.
        if cursor.generation == at.generation && at.failures.upgrade > 0 {
            return Next::Stalled {
                reason: "RollbackFailed",
                message: format!(
                    "rollback to revision {} failed: change the release to try again",
                    cursor.target.unwrap_or(0)
                ),
            };
        }
        return Next::Upgrade { base, why: Why::Failed };
    }
    if cursor.fingerprint != at.fingerprint {
        return if at.renamed { Next::Reinstall } else { Next::Upgrade { base, why: Why::OutOfSync } };
    }
    undo(at, newest, !ever_deployed(at.revisions))
}

/// After a failure that counts: undo, retry, or give up.
fn undo(at: &Situation<'_>, newest: &Revision, first: bool) -> Next {
    let (strategy, count, what) = if first {
        (at.policy.install, at.failures.install, "install")
    } else {
        (at.policy.upgrade, at.failures.upgrade, "upgrade")
    };
    let base = base_of(at);
    if count == 0 {
        // The conditions under which it failed have changed.
        return Next::Upgrade { base, why: Why::Failed };
    }
    match strategy {
        Strategy::Retry { after } => {
            let due = newest.modified + after;
            if at.now < due { Next::RetryAt(due) } else { Next::Upgrade { base, why: Why::Failed } }
        }
        Strategy::Remediate { last, undo, .. } => {
            if exhausted(strategy, count) && !last {
                return retries_exceeded(what, count);
            }
            if first || undo == Undo::Uninstall {
                return Next::UninstallRemediation;
            }
            match rollback_target(at.revisions) {
                Some(target) => Next::Rollback { target },
                None => Next::Stalled {
                    reason: "MissingRollbackTarget",
                    message: format!(
                        "revision {} failed and there is no earlier good revision to roll back to: change the release to try again",
                        newest.version
                    ),
                },
            }
        }
    }
}

fn exhausted(strategy: Strategy, failures: u32) -> bool {
    matches!(strategy, Strategy::Remediate { retries: Some(retries), .. } if failures > retries)
}

fn retries_exceeded(what: &str, failures: u32) -> Next {
    let times = if failures == 1 { "attempt".to_owned() } else { format!("{failures} attempts") };
    Next::Stalled { reason: "RetriesExceeded", message: format!("gave up after {times} to {what}") }
}

/// Helm's rule: the newest deployed revision is what is on the cluster; without one, the newest of all.
fn base_of(at: &Situation<'_>) -> u32 {
    let newest = &at.revisions[0];
    at.revisions.iter().find(|r| r.status == Status::Deployed).unwrap_or(newest).version
}

/// Whether any revision was ever good.
pub fn ever_deployed(revisions: &[Revision]) -> bool {
    revisions.iter().any(|r| matches!(r.status, Status::Deployed | Status::Superseded))
}

/// The newest earlier revision that was good (its tests too).
fn rollback_target(revisions: &[Revision]) -> Option<u32> {
    revisions
        .iter()
        .skip(1)
        .find(|r| {
            matches!(r.status, Status::Deployed | Status::Superseded)
                && r.cursor.as_ref().is_none_or(|c| c.tested != Some(false))
        })
        .map(|r| r.version)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
