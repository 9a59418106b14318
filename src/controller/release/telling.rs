//! What people are told: conditions, events, the log, metrics.

use super::{Run, Trouble, Turn, until_then};
use crate::{
    action::{self, Action, Operation, Outcome, records},
    controller::{
        live::Summary,
        metrics::{ActionLabels, OutcomeLabel, ReleaseLabels, Standing},
        plan, policy,
    },
    crd::conditions,
    release::{Status, Storage, Stored},
};
use jiff::{SignedDuration, Timestamp};
use kube::Resource;
use std::time::Duration;

impl Run<'_> {
    /// An Event and a log line, but not again for what was said before.
    pub(super) async fn announce(&mut self, warning: bool, reason: &str, note: &str) {
        let said = self.live.said.as_ref().is_some_and(|(r, n)| r == reason && n == note);
        if said {
            return;
        }
        self.live.said = Some((reason.to_owned(), note.to_owned()));
        let (namespace, name) = (&self.key.namespace, &self.key.name);
        if warning {
            tracing::warn!(%namespace, %name, reason, "{note}");
        } else {
            tracing::info!(%namespace, %name, reason, "{note}");
        }
        self.ctx.events.tell(self.release.object_ref(&()), warning, reason, note).await;
    }

    /// All is as wanted: says so, and looks again after the interval.
    pub(super) async fn keep(&mut self, storage: &Storage) -> Result<Turn, Trouble> {
        self.live.operation = None;
        self.report.observed();
        self.report.rendering(&self.release.spec);
        self.report.at_rest();
        self.report.reset_failures();
        self.live.forced = false;
        // What was glimpsed is what the status says.
        if !self.live.glimpsed {
            self.mirror();
        }
        let newest = self.newest().cloned();
        if let Some(newest) = newest {
            if self.live.inventory.as_ref().is_none_or(|(version, _)| *version != newest.revision.version)
                && let Some(stored) = records::revision(storage, &self.place.name, newest.revision.version).await?
            {
                let objects = self.objects(&stored).await;
                self.live.inventory = Some((newest.revision.version, objects));
            }
            if let Some((_, objects)) = &self.live.inventory {
                self.report.inventory(objects);
            }
            self.report.status.storage_namespace = Some(self.place.storage_namespace.clone());
            let (reason, message) = self.success(&newest);
            self.report.conditions().remove(conditions::REMEDIATED);
            self.report.conditions().set(conditions::RELEASED, conditions::Status::True, reason, &message);
            let tested = newest.revision.cursor.as_ref().and_then(|c| c.tested);
            let ready = match tested {
                Some(true) if self.release.spec.test.as_ref().is_some_and(|t| t.enable) => {
                    let message = format!("Helm test succeeded for release {}", self.title(&newest));
                    self.report.conditions().set(
                        conditions::TEST_SUCCESS,
                        conditions::Status::True,
                        "TestSucceeded",
                        &message,
                    );
                    ("TestSucceeded", message)
                }
                _ => (reason, message),
            };
            self.report.conditions().ready(ready.0, &ready.1);
        }
        let pause = jittered(policy::duration(Some(&self.release.spec.interval)));
        Ok(Turn::After(self.live.drift.again().map_or(pause, |again| until_then(again).min(pause))))
    }

    /// The objects of a revision, for the inventory; a kind that is unknown by now is left out.
    pub(super) async fn objects(&self, stored: &Stored) -> Vec<crate::cluster::ObjectId> {
        // The record was applied before, so that it can be read; at worst the inventory stays empty.
        let targets = action::objects::targets(&stored.record, self.target()).await.unwrap_or_default();
        targets.into_iter().map(|target| target.id).collect()
    }

    pub(super) fn title(&self, s: &Summary) -> String {
        format!(
            "{}/{}.v{} with chart {}@{}",
            self.place.namespace, self.place.name, s.revision.version, s.chart_name, s.chart_version
        )
    }

    pub(super) fn success(&self, newest: &Summary) -> (&'static str, String) {
        let (reason, verb) = match newest.revision.cursor.as_ref().map(|c| c.action) {
            Some(Action::Install) => ("InstallSucceeded", "install"),
            Some(Action::Rollback) => ("RollbackSucceeded", "rollback"),
            _ => ("UpgradeSucceeded", "upgrade"),
        };
        (reason, format!("Helm {verb} succeeded for release {}", self.title(newest)))
    }

    /// Whom the numbers are of.
    pub(super) fn labels(&self) -> ReleaseLabels {
        ReleaseLabels { namespace: self.key.namespace.clone(), name: self.key.name.clone() }
    }

    /// How the release stands, in numbers.
    pub(super) fn standing(&self) -> Standing {
        let conditions = &self.report.status.conditions;
        let ready = conditions::find(conditions, conditions::READY);
        let now = || Timestamp::now().as_second();
        Standing {
            not_ready_since: ready
                .is_none_or(|c| c.status != conditions::Status::True.as_str())
                .then(|| ready.map_or_else(now, |c| c.last_transition_time.0.as_second())),
            stalled: conditions::is_true(conditions, conditions::STALLED),
            suspended: self.release.spec.suspend,
            waiting: self.report.status.step.is_some(),
        }
    }

    pub(super) fn mirror(&mut self) {
        let history = self.live.history.clone().unwrap_or_default();
        self.report.history(&self.place.name, &self.place.namespace, &history);
    }

    /// Says what the records tell and the status does not: an operation's end is recorded before it is said, and the operator
    /// may have died in between.
    pub(super) fn retell(&mut self) {
        let Some(newest) = self.newest().cloned() else { return };
        let Some(cursor) = newest.revision.cursor.as_ref().filter(|c| c.holder == self.holder && c.step.is_none())
        else {
            return;
        };
        let why = |summary: &Summary| {
            let text = &summary.description;
            text.split_once("failed: ").map_or_else(|| text.clone(), |(_, why)| why.to_owned())
        };
        match (cursor.action, newest.revision.status) {
            (Action::Rollback, status @ (Status::Deployed | Status::Failed)) if self.rollback_to().is_none() => {
                let earlier = self.live.history.as_ref().and_then(|h| h.get(1)).cloned();
                if let Some(failed) = earlier.filter(|s| s.revision.status == Status::Failed) {
                    let (reason, message) = wording(Action::Upgrade, None, &self.title(&failed), Some(&why(&failed)));
                    self.restate(conditions::RELEASED, false, &reason, &message);
                }
                let failure = (status == Status::Failed).then(|| why(&newest));
                let title = self.title(&newest);
                let (reason, message) = wording(Action::Rollback, cursor.target, &title, failure.as_deref());
                self.restate(conditions::REMEDIATED, failure.is_none(), &reason, &message);
            }
            (action @ (Action::Install | Action::Upgrade), Status::Failed) if !newest.was_interrupted() => {
                let (reason, message) = wording(action, None, &self.title(&newest), Some(&why(&newest)));
                if self.restate(conditions::RELEASED, false, &reason, &message) {
                    self.report.conditions().remove(conditions::REMEDIATED);
                    self.report.conditions().remove(conditions::TEST_SUCCESS);
                }
            }
            _ => {}
        }
    }

    /// Sets a condition unless it says so already, in whatever words. Whether it did not.
    fn restate(&mut self, kind: &str, holds: bool, reason: &str, message: &str) -> bool {
        let status = conditions::Status::from(holds);
        let said = conditions::find(&self.report.status.conditions, kind)
            .is_some_and(|c| c.status == status.as_str() && c.reason == reason);
        if !said {
            self.report.conditions().set(kind, status, reason, message);
        }
        !said
    }

    /// Says that something is under way. It is written when it has to wait, or how it ended is: what takes a moment is not
    /// worth a request.
    pub(super) fn progress(&mut self, what: &str) {
        self.report.observed();
        self.report.conditions().reconciling("Progressing", what);
    }

    /// Says how an operation ended, and remembers what it did to the other revisions. Gives what it said.
    pub(super) async fn ended(&mut self, action: Action, operation: &Operation, outcome: Outcome) -> String {
        let record = &operation.stored.record;
        let version = record.version;
        let labels = ActionLabels {
            action: action.word(),
            outcome: if outcome == Outcome::Succeeded { OutcomeLabel::Succeeded } else { OutcomeLabel::Failed },
        };
        self.ctx.metrics.actions.get_or_create(&labels).inc();
        let title = self
            .live
            .history
            .as_deref()
            .unwrap_or_default()
            .iter()
            .find(|s| s.revision.version == version)
            .map_or_else(|| format!("{}/{}.v{version}", self.place.namespace, self.place.name), |s| self.title(s));
        self.report.at_rest();
        match (&outcome, action) {
            (Outcome::Succeeded, Action::Install | Action::Upgrade | Action::Rollback) => {
                for summary in self.live.history.as_deref_mut().unwrap_or_default() {
                    if summary.revision.version != version && summary.revision.status == Status::Deployed {
                        summary.revision.status = Status::Superseded;
                    }
                }
                self.live.inventory = Some((version, self.objects(&operation.stored).await));
            }
            (Outcome::Succeeded, Action::Uninstall | Action::UninstallRemediation) => {
                // What is left, if anything, is read again.
                self.live.history = None;
                self.live.inventory = None;
            }
            _ => {}
        }
        let failed = matches!(outcome, Outcome::Failed(_));
        let kind = match action {
            Action::Test => conditions::TEST_SUCCESS,
            // What the spec asks for is no remediation.
            Action::Rollback if self.rollback_to().is_some() => conditions::RELEASED,
            Action::Rollback | Action::UninstallRemediation => conditions::REMEDIATED,
            Action::Install | Action::Upgrade | Action::Uninstall => conditions::RELEASED,
        };
        // A release that was uninstalled as wanted is not released any more.
        let status = conditions::Status::from(!failed && action != Action::Uninstall);
        let failure = match &outcome {
            Outcome::Succeeded => None,
            Outcome::Failed(why) => Some(why.as_str()),
        };
        let (reason, message) = wording(action, operation.cursor.target, &title, failure);
        if matches!(action, Action::Install | Action::Upgrade) {
            self.report.conditions().remove(conditions::REMEDIATED);
            self.report.conditions().remove(conditions::TEST_SUCCESS);
        }
        self.report.conditions().set(kind, status, &reason, &message);
        if failed && matches!(action, Action::Install | Action::Upgrade | Action::Test) {
            let first = match action {
                Action::Test => operation.cursor.action == Action::Install,
                _ => !plan::ever_deployed(&self.revisions()),
            };
            self.report.count_failure(first);
        }
        if failed {
            self.report.conditions().retrying(&reason, &message);
        }
        self.mirror();
        self.announce(failed, &reason, &message).await;
        // The count must not be lost before the next step; what fails here is written by the next status.
        if failed && let Err(error) = self.report.write(self.release, self.live, self.ctx).await {
            tracing::warn!(%error, "status could not be written");
        }
        message
    }
}

/// Reason and message of an operation's end, in Flux's words.
fn wording(action: Action, target: Option<u32>, title: &str, failure: Option<&str>) -> (String, String) {
    let what = match action {
        Action::Rollback if failure.is_none() => format!("rollback to revision {}", target.unwrap_or(0)),
        Action::UninstallRemediation => "uninstall remediation".to_owned(),
        other => other.word().to_owned(),
    };
    match failure {
        None => (format!("{}Succeeded", action.title()), format!("Helm {what} succeeded for release {title}")),
        Some(why) => (format!("{}Failed", action.title()), format!("Helm {what} failed for release {title}: {why}")),
    }
}

/// The interval, give or take a twentieth, so that releases of one age do not stay in step.
pub(super) fn jittered(interval: Option<SignedDuration>) -> Duration {
    let interval = interval
        .and_then(|i| Duration::try_from(i).ok())
        .unwrap_or(Duration::from_secs(60))
        .max(Duration::from_secs(1));
    let mut byte = [0_u8; 1];
    // Without randomness there is no jitter; nothing else is lost.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    interval.mul_f64(0.95 + f64::from(byte[0]) / 2550.0)
}
