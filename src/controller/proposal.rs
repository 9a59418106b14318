//! Plans that await approval (`spec.mode: Plan`): what a plan stands for, and what is to be done about it. Pure.

use crate::{
    action::{begin::text_digest, proposal::Comparison},
    crd::{HelmRelease, Mode, Plan},
    release::{HookRecord, Record},
};
use serde_json::json;

/// The annotation that approves a plan: its value is the plan's digest.
pub const APPROVE: &str = "pintle.dev/approve";
/// The label of the objects that hold a plan, with the HelmRelease's name as [`crate::cluster::ownership::label_value`] writes it.
pub const LABEL: &str = "pintle.dev/plan";
/// The key of the ConfigMap under which the differences are.
pub const KEY: &str = "plan.diff";
/// Longest name of an object, and what is added to the HelmRelease's name.
const LONGEST_NAME: usize = 253;
const SUFFIX: &str = "-plan";

/// Whether changes of this release are planned first.
pub fn is_planned(release: &HelmRelease) -> bool {
    release.spec.mode == Some(Mode::Plan)
}

/// The name of the objects that hold a release's plan: of a ConfigMap with the differences, and of a Secret with what would
/// be applied.
pub fn object_name(release: &str) -> String {
    if release.len() + SUFFIX.len() <= LONGEST_NAME {
        return format!("{release}{SUFFIX}");
    }
    let digest = text_digest(release);
    let hash = digest.trim_start_matches("sha256:").get(..12).unwrap_or_default();
    let kept = LONGEST_NAME - SUFFIX.len() - hash.len() - 1;
    format!("{}-{hash}{SUFFIX}", &release[..release.floor_char_boundary(kept)])
}

/// All that a plan is made from.
#[derive(Debug, Clone)]
pub struct Inputs<'a> {
    /// The UID of the HelmRelease: one that was deleted and made again has approved nothing.
    pub holder: &'a str,
    /// What would be done.
    pub action: &'a str,
    /// The revision that it would make.
    pub revision: u32,
    /// Digest of chart, values, post-renderers and place.
    pub fingerprint: &'a str,
    /// What decides how it is done: hooks, definitions, account.
    pub how: &'a serde_json::Value,
    /// The revisions that it builds on, as they are recorded: number, status, digest of the manifest.
    pub live: &'a [(u32, &'a str, &'a str)],
}

impl Inputs<'_> {
    /// Their digest.
    pub fn digest(&self) -> String {
        let all = json!([self.holder, self.action, self.revision, self.fingerprint, self.how, self.live]);
        text_digest(&all.to_string())
    }
}

/// The digest of a plan: of its inputs and of all that it would write down and apply.
pub fn digest(inputs: &str, record: &Record, definitions: &[(String, String)]) -> String {
    let hook = |hook: &HookRecord| {
        json!([hook.name, hook.kind, hook.path, hook.manifest, hook.events, hook.weight, hook.delete_policies])
    };
    let all = json!([
        inputs,
        record.name,
        record.namespace,
        record.version,
        record.manifest,
        record.hooks.iter().map(hook).collect::<Vec<_>>(),
        record.info.notes,
        record.config,
        text_digest(record.chart.json()),
        definitions,
    ]);
    text_digest(&all.to_string())
}

/// What is to be done about a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// There is none, or not for what is wanted now: one is to be made.
    Make,
    /// It waits for its approval.
    Await,
    /// It is approved.
    Approved,
}

/// Decides. `plan` is the one that was made last, `inputs` the digest of what is wanted now, `approval` the annotation.
pub fn decide(plan: Option<&Plan>, inputs: &str, approval: Option<&str>) -> Decision {
    match plan {
        Some(plan) if plan.inputs_digest != inputs => Decision::Make,
        Some(plan) if approval == Some(plan.digest.as_str()) => Decision::Approved,
        Some(_) => Decision::Await,
        None => Decision::Make,
    }
}

/// Whether an approval is of a plan that does not hold any more. That of the plan that was carried out last is not: it did
/// what it was for.
pub fn is_stale(plan: &Plan, approval: Option<&str>, handled: Option<&str>) -> bool {
    approval.is_some_and(|approval| approval != plan.digest) && approval != handled
}

/// What a plan would do, in a line.
pub fn summary(comparison: &Comparison) -> String {
    let Comparison { create, change, delete, hooks, .. } = comparison;
    let hooks = match hooks {
        0 => "no hook".to_owned(),
        1 => "1 hook".to_owned(),
        many => format!("{many} hooks"),
    };
    format!("{create} to create, {change} to change, {delete} to delete, {hooks} to run")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

    fn plan(inputs: &str, digest: &str) -> Plan {
        Plan {
            digest: digest.into(),
            inputs_digest: inputs.into(),
            action: "upgrade".into(),
            revision: 2,
            base: Some(1),
            chart: "hello@1.0.0".into(),
            create: 0,
            change: 1,
            delete: 0,
            hooks: 0,
            summary: String::new(),
            config_map: "web-plan".into(),
            truncated: false,
            compared_at: Time("2026-01-01T00:00:00Z".parse().unwrap()),
        }
    }

    #[test]
    fn only_the_plan_that_holds_is_approved() {
        let known = plan("in", "sha256:a");
        for (plan, inputs, approval, expect) in [
            (None, "in", None, Decision::Make),
            (None, "in", Some("sha256:a"), Decision::Make),
            (Some(&known), "in", None, Decision::Await),
            (Some(&known), "in", Some(""), Decision::Await),
            (Some(&known), "in", Some("sha256:b"), Decision::Await),
            (Some(&known), "in", Some("sha256:a"), Decision::Approved),
            // Approved, but an input or the release has changed since.
            (Some(&known), "other", Some("sha256:a"), Decision::Make),
        ] {
            assert_eq!(decide(plan, inputs, approval), expect, "{inputs} {approval:?}");
        }
    }

    #[test]
    fn an_approval_is_stale_unless_it_did_what_it_was_for() {
        let plan = plan("in", "sha256:b");
        for (approval, handled, stale) in [
            (None, None, false),
            (Some("sha256:b"), None, false),
            (Some("sha256:a"), None, true),
            (Some("sha256:a"), Some("sha256:a"), false),
            (Some("sha256:a"), Some("sha256:0"), true),
        ] {
            assert_eq!(is_stale(&plan, approval, handled), stale, "{approval:?} {handled:?}");
        }
    }

    #[test]
    fn whatever_matters_changes_the_digest() {
        let how = json!({"hooks": true});
        let live = [(1, "deployed", "sha256:m")];
        let first =
            Inputs { holder: "u", action: "upgrade", revision: 2, fingerprint: "sha256:f", how: &how, live: &live };
        let (no_hooks, altered) = (json!({"hooks": false}), [(1, "deployed", "sha256:n")]);
        for other in [
            Inputs { holder: "v", ..first.clone() },
            Inputs { action: "install", ..first.clone() },
            Inputs { revision: 3, ..first.clone() },
            Inputs { fingerprint: "sha256:g", ..first.clone() },
            Inputs { how: &no_hooks, ..first.clone() },
            Inputs { live: &altered, ..first.clone() },
            Inputs { live: &[], ..first.clone() },
        ] {
            assert_ne!(other.digest(), first.digest(), "{other:?}");
        }
        assert_eq!(first.clone().digest(), first.digest());

        let record = Record { name: "web".into(), manifest: "a: 1".into(), ..Record::default() };
        let with = |change: fn(&mut Record)| {
            let mut other = record.clone();
            change(&mut other);
            digest("in", &other, &[])
        };
        let whole = digest("in", &record, &[]);
        assert_eq!(with(|_| {}), whole);
        for other in [
            digest("other", &record, &[]),
            digest("in", &record, &[("crds/a.yaml".into(), "x".into())]),
            with(|r| r.manifest.push('\n')),
            with(|r| r.hooks.push(HookRecord::default())),
            with(|r| r.info.notes.push('x')),
            with(|r| drop(r.config.insert("a".into(), json!(1)))),
            with(|r| r.version = 7),
        ] {
            assert_ne!(other, whole);
        }
    }

    #[test]
    fn names_stay_within_their_bounds() {
        assert_eq!(object_name("web"), "web-plan");
        let (a, b) = (object_name(&"a".repeat(253)), object_name(&format!("{}b", "a".repeat(252))));
        assert_eq!((a.len(), b.len()), (253, 253));
        assert_ne!(a, b);
    }

    #[test]
    fn a_summary_counts() {
        let comparison = Comparison { create: 1, change: 2, hooks: 1, ..Comparison::default() };
        assert_eq!(summary(&comparison), "1 to create, 2 to change, 0 to delete, 1 hook to run");
    }
}
