//! A HelmRelease's spec as the planner and the actions need it: names, defaults applied, one place for every default.

use super::{
    health,
    plan::{Policy, Strategy, Undo},
    resolve::Blocked,
};
use crate::{
    action::{Action, CrdPolicy, Options, drift::Ignore},
    cluster::{Propagation, readiness},
    crd::{
        self, CrdsPolicy, DeletionPropagation, Duration, HelmRelease, HelmReleaseSpec, Install, InstallRemediation,
        RemediationStrategy, ServerSideApply, StrategyName, Upgrade, UpgradeRemediation, WaitStrategyName,
    },
    release::ApplyMethod,
    render::post::selector::{Selector, Target},
};
use aws_lc_rs::digest::{SHA256, digest};
use jiff::SignedDuration;
use pintle_golib::hex;

/// Helm's own default for each operation.
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);
/// Flux's default between attempts under RetryOnFailure.
const RETRY_INTERVAL: SignedDuration = SignedDuration::from_mins(5);
/// Longest release name that Helm takes.
const LONGEST_NAME: usize = 53;
/// Revisions that stay, unless the spec says otherwise.
const MAX_HISTORY: u32 = 5;

/// Where a release goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The release's name.
    pub name: String,
    /// Where its objects go.
    pub namespace: String,
    /// Where its records go.
    pub storage_namespace: String,
}

/// Where the spec wants the release.
pub fn place(release: &HelmRelease) -> Place {
    let own = release.metadata.namespace.clone().unwrap_or_default();
    let name = release.metadata.name.clone().unwrap_or_default();
    let spec = &release.spec;
    let full = spec.release_name.clone().unwrap_or_else(|| match &spec.target_namespace {
        Some(target) => format!("{target}-{name}"),
        None => name,
    });
    Place {
        name: shorten(full),
        namespace: spec.target_namespace.clone().unwrap_or_else(|| own.clone()),
        storage_namespace: spec.storage_namespace.clone().unwrap_or(own),
    }
}

/// Names that are too long keep 40 characters and get 12 of their digest, as in Flux.
fn shorten(name: String) -> String {
    if name.len() <= LONGEST_NAME {
        return name;
    }
    let mut short = name[..name.floor_char_boundary(40)].to_owned();
    short.push('-');
    short.push_str(&hex::encode(&digest(&SHA256, name.as_bytes()).as_ref()[..6]));
    short
}

/// A duration of the spec.
pub fn duration(given: Option<&Duration>) -> Option<SignedDuration> {
    given.and_then(Duration::get).and_then(|d| SignedDuration::try_from(d).ok())
}

/// What the spec says about going on and giving up.
pub fn policy(spec: &HelmReleaseSpec, foreign_grace: SignedDuration) -> Policy {
    let none = Install::default();
    let install = spec.install.as_ref().unwrap_or(&none);
    let none = Upgrade::default();
    let upgrade = spec.upgrade.as_ref().unwrap_or(&none);
    let test = spec.test.clone().unwrap_or_default();
    let on_install = install.remediation.clone().unwrap_or_default();
    let on_upgrade = upgrade.remediation.clone().unwrap_or_default();
    Policy {
        install: match &install.strategy {
            Some(s) if s.name == StrategyName::RetryOnFailure => retry(s.retry_interval.as_ref()),
            _ => remediate_install(&on_install),
        },
        upgrade: match &upgrade.strategy {
            Some(s) if s.name == StrategyName::RetryOnFailure => retry(s.retry_interval.as_ref()),
            _ => remediate_upgrade(&on_upgrade),
        },
        replace: install.replace,
        test: test.enable,
        tests_matter: (
            !on_install.ignore_test_failures.unwrap_or(test.ignore_failures),
            !on_upgrade.ignore_test_failures.unwrap_or(test.ignore_failures),
        ),
        foreign_grace,
    }
}

fn retry(interval: Option<&Duration>) -> Strategy {
    Strategy::Retry { after: duration(interval).unwrap_or(RETRY_INTERVAL) }
}

/// Negative is without end.
fn retries(given: Option<i64>) -> Option<u32> {
    u32::try_from(given.unwrap_or(0)).ok()
}

fn remediate_install(given: &InstallRemediation) -> Strategy {
    Strategy::Remediate {
        retries: retries(given.retries),
        last: given.remediate_last_failure.unwrap_or(false),
        undo: Undo::Uninstall,
    }
}

fn remediate_upgrade(given: &UpgradeRemediation) -> Strategy {
    let retries = retries(given.retries);
    Strategy::Remediate {
        retries,
        last: given.remediate_last_failure.unwrap_or(retries != Some(0)),
        undo: match given.strategy.unwrap_or_default() {
            RemediationStrategy::Rollback => Undo::Rollback,
            RemediationStrategy::Uninstall => Undo::Uninstall,
        },
    }
}

/// How an action is to be carried out.
pub fn options(spec: &HelmReleaseSpec, action: Action) -> Options {
    let install = spec.install.clone().unwrap_or_default();
    let upgrade = spec.upgrade.clone().unwrap_or_default();
    let rollback = spec.rollback.clone().unwrap_or_default();
    let uninstall = spec.uninstall.clone().unwrap_or_default();
    let test = spec.test.clone().unwrap_or_default();
    let general = duration(spec.timeout.as_ref()).unwrap_or(TIMEOUT);
    // (own timeout, waits, for Jobs too, hooks)
    let (timeout, wait, jobs, hooks) = match action {
        Action::Install => {
            (&install.timeout, !install.disable_wait, !install.disable_wait_for_jobs, !install.disable_hooks)
        }
        Action::Upgrade => {
            (&upgrade.timeout, !upgrade.disable_wait, !upgrade.disable_wait_for_jobs, !upgrade.disable_hooks)
        }
        Action::Rollback => {
            (&rollback.timeout, !rollback.disable_wait, !rollback.disable_wait_for_jobs, !rollback.disable_hooks)
        }
        Action::Uninstall | Action::UninstallRemediation => {
            (&uninstall.timeout, !uninstall.disable_wait, false, !uninstall.disable_hooks)
        }
        Action::Test => (&test.timeout, true, true, true),
    };
    let (excluded, included): (Vec<_>, Vec<_>) = test.filters.iter().partition(|filter| filter.exclude);
    let names = |filters: Vec<&crate::crd::TestFilter>| filters.into_iter().map(|f| f.name.clone()).collect();
    Options {
        timeout: duration(timeout.as_ref()).unwrap_or(general),
        // What comes after a remediation needs the names that it frees.
        wait: wait || action == Action::UninstallRemediation,
        wait_for_jobs: jobs,
        hooks,
        take_ownership: match action {
            Action::Install => !install.disable_take_ownership,
            _ => !upgrade.disable_take_ownership,
        },
        cleanup_on_fail: match action {
            Action::Rollback => rollback.cleanup_on_fail,
            _ => upgrade.cleanup_on_fail,
        },
        method: match action {
            Action::Install => Some(method(install.server_side_apply.unwrap_or(true))),
            Action::Rollback => followed(rollback.server_side_apply),
            _ => followed(upgrade.server_side_apply),
        },
        replace: match action {
            Action::Rollback => rollback.force,
            _ => upgrade.force,
        },
        strategy: match spec.wait_strategy.as_ref().map(|strategy| strategy.name).unwrap_or_default() {
            WaitStrategyName::Poller => readiness::Strategy::Watcher,
            WaitStrategyName::Legacy => readiness::Strategy::Legacy,
        },
        strict: match action {
            Action::Install => !install.disable_open_api_validation,
            Action::Upgrade => !upgrade.disable_open_api_validation,
            _ => false,
        },
        propagation: match (action, uninstall.deletion_propagation.unwrap_or_default()) {
            (Action::Uninstall | Action::UninstallRemediation, DeletionPropagation::Foreground) => {
                Propagation::Foreground
            }
            (Action::Uninstall | Action::UninstallRemediation, DeletionPropagation::Orphan) => Propagation::Orphan,
            // What an upgrade no longer has goes with all that belongs to it.
            _ => Propagation::Background,
        },
        keep_history: uninstall.keep_history,
        // A wrong check has been told of; what is under way goes on without it.
        checks: health::checks(spec).unwrap_or_default(),
        max_history: spec.max_history.map_or(MAX_HISTORY, |n| u32::try_from(n).unwrap_or(0)),
        tests: (names(included), names(excluded)),
    }
}

fn method(server_side: bool) -> ApplyMethod {
    if server_side { ApplyMethod::ServerSide } else { ApplyMethod::ClientSide }
}

fn followed(asked: Option<ServerSideApply>) -> Option<ApplyMethod> {
    match asked.unwrap_or_default() {
        ServerSideApply::Enabled => Some(ApplyMethod::ServerSide),
        ServerSideApply::Disabled => Some(ApplyMethod::ClientSide),
        ServerSideApply::Auto => None,
    }
}

/// A selector of the spec, for rendering and for drift.
pub fn selector(given: &crd::Selector) -> Target {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    Target {
        group: text(&given.group),
        version: text(&given.version),
        kind: text(&given.kind),
        namespace: text(&given.namespace),
        name: text(&given.name),
        label_selector: text(&given.label_selector),
        annotation_selector: text(&given.annotation_selector),
    }
}

/// Which changes by others are nobody's business.
///
/// # Errors
/// If a rule's target cannot be understood.
pub fn ignored(spec: &HelmReleaseSpec) -> Result<Vec<Ignore>, Blocked> {
    let rules = spec.drift_detection.iter().flat_map(|drift| &drift.ignore).enumerate();
    rules
        .map(|(at, rule)| {
            let target = rule.target.as_ref().map(|target| Selector::compile(&selector(target))).transpose();
            let target = target.map_err(|error| {
                Blocked::for_good("InvalidSpec", format!("spec.driftDetection.ignore[{at}].target: {error}"))
            })?;
            Ok(Ignore { paths: rule.paths.clone(), managers: rule.managers.clone(), target })
        })
        .collect()
}

/// What to do with the definitions that a chart brings along. By default those that are absent are created and none is
/// changed, at install and (as Flux's code does) at upgrade.
pub fn crds(spec: &HelmReleaseSpec, action: Action) -> CrdPolicy {
    let given = match action {
        Action::Install => spec.install.as_ref().and_then(|i| i.crds),
        _ => spec.upgrade.as_ref().and_then(|u| u.crds),
    };
    match given.unwrap_or_default() {
        CrdsPolicy::Skip => CrdPolicy::Skip,
        CrdsPolicy::Create => CrdPolicy::Create,
        CrdsPolicy::CreateReplace => CrdPolicy::CreateReplace,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::needless_pass_by_value)]
mod tests {
    use super::*;
    use serde_json::json;

    fn release(spec: serde_json::Value) -> HelmRelease {
        let mut all = json!({"interval": "1m", "chart": {"spec": {"chart": "c", "sourceRef": {"kind": "HelmRepository", "name": "r"}}}});
        for (key, value) in spec.as_object().unwrap() {
            all[key] = value.clone();
        }
        let mut release = HelmRelease::new("web", serde_json::from_value(all).unwrap());
        release.metadata.namespace = Some("shop".into());
        release
    }

    #[test]
    fn names_and_namespaces() {
        let long = "a".repeat(60);
        for (spec, name, namespace, storage) in [
            (json!({}), "web".to_owned(), "shop", "shop"),
            (json!({"targetNamespace": "prod"}), "prod-web".to_owned(), "prod", "shop"),
            (json!({"targetNamespace": "prod", "releaseName": "w"}), "w".to_owned(), "prod", "shop"),
            (json!({"storageNamespace": "s"}), "web".to_owned(), "shop", "s"),
            // sha256 of sixty times "a" begins with 11ee391211c6.
            (json!({"releaseName": long}), format!("{}-11ee391211c6", "a".repeat(40)), "shop", "shop"),
        ] {
            let place = place(&release(spec.clone()));
            assert_eq!(
                (place.name, place.namespace.as_str(), place.storage_namespace.as_str()),
                (name, namespace, storage),
                "{spec}"
            );
        }
    }

    #[test]
    fn counts_and_strategies() {
        let grace = SignedDuration::from_mins(1);
        for (spec, install, upgrade) in [
            (
                json!({}),
                Strategy::Remediate { retries: Some(0), last: false, undo: Undo::Uninstall },
                Strategy::Remediate { retries: Some(0), last: false, undo: Undo::Rollback },
            ),
            (
                json!({"install": {"remediation": {"retries": -1}}, "upgrade": {"remediation": {"retries": 2, "strategy": "uninstall"}}}),
                Strategy::Remediate { retries: None, last: false, undo: Undo::Uninstall },
                Strategy::Remediate { retries: Some(2), last: true, undo: Undo::Uninstall },
            ),
            (
                json!({"install": {"strategy": {"name": "RetryOnFailure"}}, "upgrade": {"strategy": {"name": "RetryOnFailure", "retryInterval": "30s"}}}),
                Strategy::Retry { after: SignedDuration::from_mins(5) },
                Strategy::Retry { after: SignedDuration::from_secs(30) },
            ),
        ] {
            let policy = policy(&release(spec.clone()).spec, grace);
            assert_eq!((policy.install, policy.upgrade), (install, upgrade), "{spec}");
        }
    }

    #[test]
    fn an_actions_own_timeout_wins() {
        let spec = release(json!({"timeout": "2m", "upgrade": {"timeout": "30s"}, "test": {"filters": [{"name": "a"}, {"name": "b", "exclude": true}]}})).spec;
        assert_eq!(options(&spec, Action::Install).timeout, SignedDuration::from_mins(2));
        assert_eq!(options(&spec, Action::Upgrade).timeout, SignedDuration::from_secs(30));
        assert_eq!(options(&spec, Action::Test).tests, (vec!["a".to_owned()], vec!["b".to_owned()]));
    }
}
