//! What the planner decides, as a table.

use super::*;
use crate::action::cursor::{HookEvent, HookStage, Step};

fn holder() -> Holder {
    Holder { namespace: "shop".into(), name: "web".into(), uid: "u1".into() }
}

fn now() -> Timestamp {
    "2026-01-01T01:00:00Z".parse().unwrap()
}

fn minutes_ago(minutes: i64) -> Timestamp {
    now() - SignedDuration::from_mins(minutes)
}

/// A revision that this HelmRelease made, as wanted by `fingerprint`, and which ended.
fn ours(version: u32, status: Status, action: Action, fingerprint: &str) -> Revision {
    let cursor = Cursor {
        action,
        holder: holder(),
        generation: 1,
        fingerprint: fingerprint.into(),
        base: None,
        target: None,
        step: None,
        since: minutes_ago(10),
        adopted: Vec::new(),
        manifest: String::new(),
        tested: None,
        shapes: Vec::new(),
        late: false,
        oci_digest: None,
        created: vec![],
        failure: None,
    };
    Revision { version, status, cursor: Some(cursor), modified: minutes_ago(10), intact: true }
}

fn foreign(version: u32, status: Status, minutes: i64) -> Revision {
    Revision { version, status, cursor: None, modified: minutes_ago(minutes), intact: true }
}

fn at_step(mut revision: Revision, step: Step) -> Revision {
    revision.cursor.as_mut().unwrap().step = Some(step);
    revision
}

fn rolled_back(version: u32, target: u32, status: Status, generation: i64) -> Revision {
    let mut revision = ours(version, status, Action::Rollback, "old");
    if let Some(cursor) = &mut revision.cursor {
        (cursor.target, cursor.generation) = (Some(target), generation);
    }
    revision
}

fn tested(mut revision: Revision, how: bool) -> Revision {
    revision.cursor.as_mut().unwrap().tested = Some(how);
    revision
}

fn remediate(retries: u32, last: bool, undo: Undo) -> Strategy {
    Strategy::Remediate { retries: Some(retries), last, undo }
}

fn policy() -> Policy {
    Policy {
        install: remediate(0, false, Undo::Uninstall),
        upgrade: remediate(0, false, Undo::Rollback),
        replace: false,
        test: false,
        tests_matter: (true, true),
        foreign_grace: SignedDuration::from_mins(5),
    }
}

struct Case {
    name: &'static str,
    revisions: Vec<Revision>,
    policy: Policy,
    failures: Failures,
    drifted: bool,
    recovered: bool,
    rollback_to: Option<u32>,
    renamed: bool,
    forced: bool,
    generation: i64,
    expect: Next,
}

impl Case {
    fn new(name: &'static str, revisions: Vec<Revision>, expect: Next) -> Self {
        Self {
            name,
            revisions,
            policy: policy(),
            failures: Failures::default(),
            drifted: false,
            recovered: false,
            rollback_to: None,
            renamed: false,
            forced: false,
            generation: 1,
            expect,
        }
    }

    fn failures(mut self, install: u32, upgrade: u32) -> Self {
        self.failures = Failures { install, upgrade };
        self
    }

    fn policy(mut self, change: impl FnOnce(&mut Policy)) -> Self {
        change(&mut self.policy);
        self
    }

    fn forced(mut self) -> Self {
        self.forced = true;
        self
    }

    fn recovered(mut self) -> Self {
        self.recovered = true;
        self
    }

    fn renamed(mut self) -> Self {
        self.renamed = true;
        self
    }

    fn drifted(mut self) -> Self {
        self.drifted = true;
        self
    }

    fn rollback_to(mut self, revision: u32) -> Self {
        self.rollback_to = Some(revision);
        self
    }

    fn generation(mut self, generation: i64) -> Self {
        self.generation = generation;
        self
    }
}

fn stalled(reason: &'static str) -> Next {
    Next::Stalled { reason, message: String::new() }
}

fn check(case: &Case) {
    let holder = holder();
    let mut next = plan(&Situation {
        holder: &holder,
        generation: case.generation,
        fingerprint: "want",
        revisions: &case.revisions,
        policy: &case.policy,
        failures: case.failures,
        drifted: case.drifted,
        recovered: case.recovered,
        rollback_to: case.rollback_to,
        renamed: case.renamed,
        forced: case.forced,
        now: now(),
    });
    if let Next::Stalled { message, .. } = &mut next {
        assert!(!message.is_empty(), "{}: a stall says why", case.name);
        message.clear();
    }
    if let Next::Abandon { why } = &mut next {
        assert!(!why.is_empty(), "{}: it is said why", case.name);
        why.clear();
    }
    assert_eq!(next, case.expect, "{}", case.name);
}

#[test]
fn the_table() {
    use Action::{Install, Rollback, Uninstall, UninstallRemediation, Upgrade};
    use Status::{Deployed, Failed, PendingInstall, PendingUpgrade, Superseded, Uninstalled, Uninstalling};
    let wait = Step::Wait;
    let hook = Step::Hook { event: HookEvent::PreUpgrade, index: 0, stage: HookStage::Create };
    let test = Step::Hook { event: HookEvent::Test, index: 0, stage: HookStage::Await };
    let abandon = || Next::Abandon { why: String::new() };
    for case in [
        Case::new("nothing there: install", vec![], Next::Install),
        Case::new("install attempts used up", vec![], stalled("RetriesExceeded")).failures(1, 0),
        Case::new("used up, but forced", vec![], Next::Install).failures(1, 0).forced(),
        Case::new("a retry left", vec![], Next::Install)
            .failures(1, 0)
            .policy(|p| p.install = remediate(1, false, Undo::Uninstall)),
        Case::new("in sync", vec![ours(1, Deployed, Install, "want")], Next::Keep),
        Case::new("in sync, but changed", vec![ours(1, Deployed, Install, "want")], Next::Inspect).drifted(),
        Case::new(
            "changed, but to be replaced anyway",
            vec![ours(1, Deployed, Install, "old")],
            Next::Upgrade { base: 1, why: Why::OutOfSync },
        )
        .drifted(),
        Case::new(
            "in sync, but forced",
            vec![ours(1, Deployed, Install, "want")],
            Next::Upgrade { base: 1, why: Why::Forced },
        )
        .forced(),
        Case::new(
            "something else wanted",
            vec![ours(1, Deployed, Install, "old")],
            Next::Upgrade { base: 1, why: Why::OutOfSync },
        ),
        Case::new("another chart", vec![ours(1, Deployed, Install, "old")], Next::Reinstall).renamed(),
        Case::new("another chart after a failure", vec![ours(1, Failed, Install, "old")], Next::Reinstall).renamed(),
        Case::new(
            "another chart, removed with its history kept",
            vec![ours(1, Uninstalled, UninstallRemediation, "")],
            Next::Install,
        )
        .renamed(),
        Case::new("another chart, but given up", vec![ours(1, Deployed, Rollback, "old")], stalled("RetriesExceeded"))
            .renamed()
            .failures(0, 1),
        Case::new(
            "upgrade attempts used up after a rollback",
            vec![ours(3, Deployed, Rollback, "old"), ours(2, Superseded, Upgrade, "want")],
            stalled("RetriesExceeded"),
        )
        .failures(0, 1),
        Case::new(
            "a revision is asked for",
            vec![ours(3, Deployed, Upgrade, "want"), ours(2, Superseded, Upgrade, "old")],
            Next::Rollback { target: 2 },
        )
        .rollback_to(2),
        Case::new("a revision is asked for that runs", vec![ours(3, Deployed, Upgrade, "other")], Next::Keep)
            .rollback_to(3),
        Case::new(
            "a revision is asked for that was restored",
            vec![rolled_back(4, 2, Deployed, 1), ours(2, Superseded, Upgrade, "old")],
            Next::Keep,
        )
        .rollback_to(2),
        Case::new(
            "a revision of an uninstalled release",
            vec![ours(3, Uninstalled, Uninstall, "want"), ours(2, Superseded, Upgrade, "old")],
            Next::Rollback { target: 2 },
        )
        .rollback_to(2),
        Case::new(
            "a revision that failed",
            vec![ours(3, Deployed, Upgrade, "want"), ours(2, Failed, Upgrade, "old")],
            stalled("MissingRollbackTarget"),
        )
        .rollback_to(2),
        Case::new("a revision of nothing", vec![], stalled("MissingRollbackTarget")).rollback_to(2),
        Case::new(
            "the revision asked for could not be restored",
            vec![rolled_back(4, 2, Failed, 1), ours(2, Superseded, Upgrade, "old")],
            stalled("RollbackFailed"),
        )
        .rollback_to(2),
        Case::new(
            "it could not be restored, but the spec has changed",
            vec![rolled_back(4, 2, Failed, 1), ours(2, Superseded, Upgrade, "old")],
            Next::Rollback { target: 2 },
        )
        .rollback_to(2)
        .generation(2),
        Case::new(
            "a revision is asked for during an upgrade",
            vec![at_step(ours(3, PendingUpgrade, Upgrade, "want"), wait.clone()), ours(2, Superseded, Upgrade, "old")],
            abandon(),
        )
        .rollback_to(2)
        .generation(2),
        Case::new("rolled back to what is wanted again", vec![ours(3, Deployed, Rollback, "want")], Next::Keep),
        Case::new(
            "made by somebody else",
            vec![foreign(4, Deployed, 1)],
            Next::Upgrade { base: 4, why: Why::Unmanaged },
        ),
        Case::new(
            "record altered",
            vec![Revision { intact: false, ..ours(1, Deployed, Install, "want") }],
            Next::Upgrade { base: 1, why: Why::Altered },
        ),
        Case::new(
            "own install unfinished",
            vec![at_step(ours(1, PendingInstall, Install, "want"), wait.clone())],
            Next::Resume,
        ),
        Case::new(
            "own upgrade unfinished at a hook",
            vec![at_step(ours(2, PendingUpgrade, Upgrade, "want"), hook)],
            Next::Resume,
        ),
        Case::new(
            "own install no longer wanted",
            vec![at_step(ours(1, PendingInstall, Install, "old"), wait.clone())],
            abandon(),
        )
        .generation(2),
        Case::new(
            "own install, other generation but same outcome",
            vec![at_step(ours(1, PendingInstall, Install, "want"), wait.clone())],
            Next::Resume,
        )
        .generation(2),
        Case::new(
            "own rollback goes on though another chart came",
            vec![at_step(ours(3, Status::PendingRollback, Rollback, "old"), wait.clone())],
            Next::Resume,
        ),
        Case::new(
            "own rollback, new generation",
            vec![at_step(ours(3, Status::PendingRollback, Rollback, "old"), wait)],
            abandon(),
        )
        .generation(2),
        Case::new(
            "own removal goes on whatever is wanted",
            vec![at_step(ours(1, Uninstalling, UninstallRemediation, "old"), Step::Delete)],
            Next::Resume,
        )
        .generation(2),
        Case::new("tests under way", vec![at_step(ours(1, Deployed, Install, "want"), test.clone())], Next::Resume),
        Case::new(
            "tests of what is no longer wanted",
            vec![at_step(ours(1, Deployed, Install, "old"), test)],
            abandon(),
        ),
        Case::new(
            "somebody else at work",
            vec![foreign(2, PendingUpgrade, 1)],
            Next::AwaitForeign { until: now() + SignedDuration::from_mins(4) },
        ),
        Case::new("somebody else died at work", vec![foreign(2, PendingUpgrade, 6)], abandon()),
        Case::new(
            "foreign failure",
            vec![foreign(2, Failed, 6), foreign(1, Deployed, 9)],
            Next::Upgrade { base: 1, why: Why::Unmanaged },
        ),
        Case::new("ready after all", vec![ours(1, Failed, Install, "want")], Next::Recover).recovered().failures(1, 0),
        Case::new(
            "ready after all, but something else is wanted",
            vec![ours(1, Failed, Install, "old")],
            Next::Upgrade { base: 1, why: Why::OutOfSync },
        )
        .recovered(),
        Case::new("a rollback, ready after all", vec![rolled_back(3, 1, Failed, 1)], Next::Recover)
            .recovered()
            .failures(0, 1),
        Case::new("install failed, no retries", vec![ours(1, Failed, Install, "want")], stalled("RetriesExceeded"))
            .failures(1, 0),
        Case::new(
            "install failed, retries left: undo",
            vec![ours(1, Failed, Install, "want")],
            Next::UninstallRemediation,
        )
        .failures(1, 0)
        .policy(|p| p.install = remediate(1, false, Undo::Uninstall)),
        Case::new(
            "install failed, the last is undone too",
            vec![ours(1, Failed, Install, "want")],
            Next::UninstallRemediation,
        )
        .failures(2, 0)
        .policy(|p| p.install = remediate(1, true, Undo::Uninstall)),
        Case::new(
            "install failed, inputs changed since",
            vec![ours(1, Failed, Install, "old")],
            Next::Upgrade { base: 1, why: Why::OutOfSync },
        ),
        Case::new(
            "install failed, counters reset",
            vec![ours(1, Failed, Install, "want")],
            Next::Upgrade { base: 1, why: Why::Failed },
        ),
        Case::new(
            "upgrade failed, no retries",
            vec![ours(2, Failed, Upgrade, "want"), ours(1, Deployed, Install, "old")],
            stalled("RetriesExceeded"),
        )
        .failures(0, 1),
        Case::new(
            "upgrade failed: roll back",
            vec![ours(2, Failed, Upgrade, "want"), ours(1, Deployed, Install, "old")],
            Next::Rollback { target: 1 },
        )
        .failures(0, 1)
        .policy(|p| p.upgrade = remediate(1, true, Undo::Rollback)),
        Case::new(
            "upgrade failed: uninstall",
            vec![ours(2, Failed, Upgrade, "want"), ours(1, Deployed, Install, "old")],
            Next::UninstallRemediation,
        )
        .failures(0, 1)
        .policy(|p| p.upgrade = remediate(0, true, Undo::Uninstall)),
        Case::new(
            "rollback passes over what failed its tests",
            vec![
                ours(3, Failed, Upgrade, "want"),
                tested(ours(2, Superseded, Upgrade, "x"), false),
                ours(1, Superseded, Install, "old"),
            ],
            Next::Rollback { target: 1 },
        )
        .failures(0, 1)
        .policy(|p| p.upgrade = remediate(1, true, Undo::Rollback)),
        Case::new(
            "nowhere to roll back to",
            vec![
                ours(2, Failed, Upgrade, "want"),
                ours(1, Uninstalled, Install, "old"),
                ours(1, Deployed, Install, "old"),
            ]
            .into_iter()
            .take(1)
            .chain([tested(ours(1, Superseded, Install, "old"), false)])
            .collect(),
            stalled("MissingRollbackTarget"),
        )
        .failures(0, 1)
        .policy(|p| p.upgrade = remediate(1, true, Undo::Rollback)),
        Case::new(
            "retry on failure, not yet",
            vec![ours(2, Failed, Upgrade, "want"), ours(1, Deployed, Install, "old")],
            Next::RetryAt(minutes_ago(10) + SignedDuration::from_mins(15)),
        )
        .failures(0, 1)
        .policy(|p| p.upgrade = Strategy::Retry { after: SignedDuration::from_mins(15) }),
        Case::new(
            "retry on failure, due",
            vec![ours(2, Failed, Upgrade, "want"), ours(1, Deployed, Install, "old")],
            Next::Upgrade { base: 1, why: Why::Failed },
        )
        .failures(0, 9)
        .policy(|p| p.upgrade = Strategy::Retry { after: SignedDuration::from_mins(5) }),
        Case::new(
            "the rollback failed too",
            vec![ours(3, Failed, Rollback, "old"), ours(2, Failed, Upgrade, "want")],
            stalled("RollbackFailed"),
        )
        .failures(0, 1),
        Case::new(
            "uninstalled with history kept",
            vec![ours(1, Uninstalled, Action::Uninstall, "want")],
            stalled("NameInUse"),
        ),
        Case::new("uninstalled with history kept, replace", vec![foreign(1, Uninstalled, 9)], Next::Install)
            .policy(|p| p.replace = true),
        Case::new(
            "our remediation kept its history",
            vec![ours(1, Uninstalled, UninstallRemediation, "want")],
            Next::Install,
        )
        .failures(1, 0)
        .policy(|p| p.install = remediate(1, false, Undo::Uninstall)),
        Case::new("not yet tested", vec![ours(1, Deployed, Install, "want")], Next::Test).policy(|p| p.test = true),
        Case::new("tested", vec![tested(ours(1, Deployed, Install, "want"), true)], Next::Keep)
            .policy(|p| p.test = true),
        Case::new("test failed, ignored", vec![tested(ours(1, Deployed, Install, "want"), false)], Next::Keep).policy(
            |p| {
                p.test = true;
                p.tests_matter = (false, true);
            },
        ),
        Case::new(
            "test of an upgrade failed: roll back",
            vec![tested(ours(2, Deployed, Upgrade, "want"), false), ours(1, Superseded, Install, "old")],
            Next::Rollback { target: 1 },
        )
        .failures(0, 1)
        .policy(|p| {
            p.test = true;
            p.upgrade = remediate(1, true, Undo::Rollback);
        }),
    ] {
        check(&case);
    }
}

#[test]
fn two_objects_do_not_share_a_release() {
    let mut other = ours(1, Status::Deployed, Action::Install, "want");
    other.cursor.as_mut().unwrap().holder = Holder { namespace: "shop".into(), name: "other".into(), uid: "u2".into() };
    check(&Case::new("held by another", vec![other.clone()], stalled("ReleaseHeld")));
    // Deleted and made again under its name: goes on where the old one was.
    other.cursor.as_mut().unwrap().holder = Holder { uid: "u0".into(), ..holder() };
    check(&Case::new("made again", vec![other], Next::Upgrade { base: 1, why: Why::Unmanaged }));
}
