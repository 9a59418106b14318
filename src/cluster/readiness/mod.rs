//! Whether an object is what its spec asks for, decided from the object alone.
//!
//! Two rule books, as in Helm: `Watcher` (kstatus' rules, Helm 4's `--wait`) and `Legacy` (Helm 3's), and a third for hooks;
//! expressions of the release's owner come before them.
//! Messages say what is missing and the reason that the cluster gives, because people read them when a wait runs out.

mod custom;
mod fields;
mod hook;
mod legacy;
mod watcher;

use std::{fmt, sync::Arc};

use jiff::Timestamp;
use serde_json::Value;

pub use custom::HealthCheck;
pub(super) use fields::{container_troubles, failing_container};
pub use hook::{HookOutcome, hook_outcome};

/// Whose rules decide.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Strategy {
    /// kstatus: Helm 4's `--wait`, and Flux.
    #[default]
    Watcher,
    /// Helm 3's `--wait`, Helm 4's `--wait=legacy`.
    Legacy,
}

/// How to decide.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// A Job is ready when it is complete, not when it has begun.
    pub wait_for_jobs: bool,
    /// Whose rules decide.
    pub strategy: Strategy,
    /// Checks for some kinds, which come before the rules.
    pub checks: Arc<[HealthCheck]>,
}

/// Where an object stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readiness {
    /// It is what its spec asks for.
    Ready,
    /// Not yet; what is missing.
    InProgress(String),
    /// It will not get ready by itself; why. (It may recover: a crashing container may come up.)
    Failed(String),
    /// It is being deleted.
    Terminating,
    /// It is not there.
    Missing,
}

impl Readiness {
    /// Whether nothing is left to wait for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self == Self::Ready
    }
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready"),
            Self::InProgress(message) | Self::Failed(message) => f.write_str(message),
            Self::Terminating => f.write_str("it is being deleted"),
            Self::Missing => f.write_str("it does not exist"),
        }
    }
}

/// Where an object stands now.
#[must_use]
pub fn readiness(object: &Value, rules: &Rules) -> Readiness {
    readiness_at(object, rules, Timestamp::now())
}

/// Where an object stands at a given time: a Pod that nobody can schedule is given some seconds.
#[must_use]
pub fn readiness_at(object: &Value, rules: &Rules, now: Timestamp) -> Readiness {
    if object.is_null() {
        return Readiness::Missing;
    }
    if let Some(found) = custom::readiness(object, &rules.checks) {
        return found;
    }
    match rules.strategy {
        Strategy::Watcher => watcher::readiness(object, rules.wait_for_jobs, now),
        Strategy::Legacy => legacy::readiness(object, rules.wait_for_jobs),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn word(readiness: &Readiness) -> &'static str {
        match readiness {
            Readiness::Ready => "Current",
            Readiness::InProgress(_) => "InProgress",
            Readiness::Failed(_) => "Failed",
            Readiness::Terminating => "Terminating",
            Readiness::Missing => "Missing",
        }
    }

    /// One object a line with what each rule book says of it at 10:00. The `watcher` column is kstatus' own answer (cli-utils
    /// 1.2.2), where it has one; it fails on three objects for which we prefer an answer.
    #[test]
    fn objects_are_judged_as_kstatus_and_helm_3_do() {
        let now: Timestamp = "2026-11-21T10:00:00Z".parse().unwrap();
        let mut wrong = Vec::new();
        for line in include_str!("cases.jsonl").lines() {
            let case: Value = serde_json::from_str(line).unwrap();
            let judge = |strategy, wait_for_jobs| {
                let rules = Rules { wait_for_jobs, strategy, ..Rules::default() };
                word(&readiness_at(&case["object"], &rules, now))
            };
            let hook = match hook_outcome(&case["object"]) {
                HookOutcome::Running(_) => "Running",
                HookOutcome::Succeeded => "Succeeded",
                HookOutcome::Failed(_) => "Failed",
            };
            let judged = [
                ("watcher", judge(Strategy::Watcher, false)),
                ("watcher_jobs", judge(Strategy::Watcher, true)),
                ("legacy", judge(Strategy::Legacy, true)),
                ("hook", hook),
            ];
            for (column, answer) in judged {
                // Jobs apart, the rules do not look at the flag; absent columns follow the first.
                let expect = match column {
                    "watcher_jobs" => case.get(column).unwrap_or(&case["watcher"]),
                    _ => &case[column],
                };
                if expect.as_str() != Some(answer) {
                    wrong.push(format!("{}: {column} is {answer}, not {expect}", case["name"]));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn messages_name_reasons() {
        let find = |name: &str| {
            let cases = include_str!("cases.jsonl").lines();
            let mut cases = cases.map(|line| serde_json::from_str::<Value>(line).unwrap());
            cases.find(|case| case["name"] == name).unwrap()["object"].clone()
        };
        let rules = Rules { wait_for_jobs: true, ..Rules::default() };
        for (name, message) in [
            ("deployment half updated", "1 of 3 replicas are of the newest revision"),
            ("deployment out of time", "ProgressDeadlineExceeded: ReplicaSet web-1 has timed out progressing."),
            ("pod pulling badly", "container app: ImagePullBackOff: Back-off pulling image \"nope\""),
            (
                "pod crash looping",
                "container app: CrashLoopBackOff: back-off 10s restarting failed container; it last ended with exit code 1 (Error)",
            ),
            ("job started", "0 of 2 Pods completed, 1 running, 0 failed"),
            ("custom resource not ready", "Broken: disk is full"),
            ("claim pending", "it is Pending, not Bound"),
        ] {
            assert_eq!(readiness(&find(name), &rules).to_string(), message, "{name}");
        }
        let failed = hook_outcome(&find("pod failed"));
        assert_eq!(failed, HookOutcome::Failed("container app: exit code 3 (Error)".to_owned()));
    }
}
