//! How the planner's decisions are begun, carried on and given up: each in the hands of [`crate::action`].

use super::{
    Identity, Run, Trouble, Turn,
    memory::summarise,
    proposal::{Intent, Subject, Verdict},
};
use crate::{
    action::{
        self, Action, Changes, Cursor, Operation, Outcome, Progress, Workplace, advance,
        begin::{self, Errand},
        records,
    },
    cluster::Cluster,
    controller::{
        SPANS,
        charts::Loaded,
        live::Late,
        metrics::{ActionLabels, OutcomeLabel},
        plan::Why,
        policy,
        render_release::{self, Rendered},
        resolve::{self, Wanted},
    },
    release::{Status, Storage, Stored},
};
use jiff::Timestamp;
use std::{
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{Instrument, trace_span};

impl Run<'_> {
    /// Where an action is carried out: as whom, under which options, at which time.
    pub(super) fn workplace(&self, action: Action, who: &Identity) -> Workplace {
        Workplace {
            cluster: who.cluster.clone(),
            storage: who.storage.clone(),
            watches: self.watches().clone(),
            holder: self.holder.clone(),
            manager: self.ctx.settings.manager.clone(),
            options: policy::options(&self.release.spec, action),
            taken: self.live.taken,
            now: Timestamp::now(),
        }
    }

    fn errand(&self, wanted: &Wanted) -> Errand {
        Errand {
            generation: self.generation(),
            fingerprint: wanted.fingerprint.clone(),
            oci_digest: wanted.oci_digest.clone(),
        }
    }

    /// Renders, unless that has been done, and sees to it that definitions are in force; or the turn to take while they are not.
    pub(super) async fn rendered(
        &mut self,
        wanted: &Wanted,
        (action, revision): (Action, u32),
        planned: Option<Box<Rendered>>,
        at: &Workplace,
    ) -> Result<Result<Rendered, Turn>, Trouble> {
        let span = trace_span!(target: SPANS, "load", chart = %wanted.chart, version = %wanted.version);
        let chart = resolve::chart(wanted, self.ctx).instrument(span).await.map_err(Trouble::Blocked)?;
        let definitions = render_release::crds(&chart.chart, &wanted.values).map_err(Trouble::Blocked)?;
        let policy = policy::crds(&self.release.spec, action);
        if let Some(turn) = self.establish(&definitions, policy, at).await? {
            return Ok(Err(turn));
        }
        let rendered = match planned {
            Some(planned) => *planned,
            None => {
                let span = trace_span!(target: SPANS, "render", chart = %wanted.chart, version = %wanted.version);
                self.render(&chart, wanted, (action, revision), &at.cluster).instrument(span).await?
            }
        };
        // Helm 2's way to bring definitions along: never changed once they are there.
        match self.establish(&rendered.definitions, action::CrdPolicy::Create, at).await? {
            Some(turn) => Ok(Err(turn)),
            None => Ok(Ok(rendered)),
        }
    }

    /// Renders, unless another generation comes meanwhile.
    pub(super) async fn render(
        &self,
        chart: &Arc<Loaded>,
        wanted: &Wanted,
        (action, revision): (Action, u32),
        cluster: &Arc<Cluster>,
    ) -> Result<Rendered, Trouble> {
        let render = self.cell.begin_render(self.generation());
        if self.is_outdated() {
            return Err(Trouble::Outdated);
        }
        let (release, place, cancel) = (self.release, &self.place, render.flag());
        let rendered =
            render_release::render(release, self.ctx, cluster, chart, wanted, place, action, revision, cancel).await;
        rendered.map_err(|blocked| if render.is_cancelled() { Trouble::Outdated } else { Trouble::Blocked(blocked) })
    }

    /// Puts definitions in force; a turn if they are not yet.
    async fn establish(
        &mut self,
        definitions: &[(String, String)],
        policy: action::CrdPolicy,
        at: &Workplace,
    ) -> Result<Option<Turn>, Trouble> {
        match action::install_crds(definitions, policy, at).await? {
            action::Established::All => Ok(None),
            action::Established::Waits(why) => {
                self.report.conditions().reconciling("Progressing", &format!("waits for {why}"));
                Ok(Some(Turn::After(Duration::from_millis(250))))
            }
        }
    }

    pub(super) async fn install(&mut self, wanted: &Wanted, who: &Identity) -> Result<Option<Turn>, Trouble> {
        let newest = self.newest_version();
        let at = self.workplace(Action::Install, who);
        let revision = at.next_revision(newest);
        let mut planned = None;
        if self.plans() {
            let intent = Intent { action: Action::Install, revision, base: None };
            match self.propose(intent, &Subject::Chart(wanted), who).await? {
                Verdict::Approved(rendered) => planned = Some(rendered),
                Verdict::Awaits(turn) => return Ok(Some(turn)),
            }
        }
        self.progress(&format!("installs revision {revision} of chart {}@{}", wanted.chart, wanted.version));
        if self.release.spec.install.as_ref().is_some_and(|i| i.create_namespace) {
            action::objects::ensure_namespace(&self.place.namespace, &at).await?;
        }
        let rendered = match self.rendered(wanted, (Action::Install, revision), planned, &at).await? {
            Ok(rendered) => rendered,
            Err(turn) => return Ok(Some(turn)),
        };
        let before = match newest {
            Some(version) => records::revision(&who.storage, &self.place.name, version).await?,
            None => None,
        };
        self.report.attempt_action(Action::Install);
        let operation = begin::install(rendered.draft, &self.errand(wanted), before.as_ref(), &at).await?;
        self.began(operation).await;
        if self.plans() {
            self.carries_out().await;
        }
        Ok(None)
    }

    pub(super) async fn upgrade(
        &mut self,
        wanted: &Wanted,
        base: u32,
        why: Why,
        who: &Identity,
    ) -> Result<Option<Turn>, Trouble> {
        let newest_version = self.newest_version().unwrap_or(0);
        let at = self.workplace(Action::Upgrade, who);
        let revision = at.next_revision(Some(newest_version));
        let preserved;
        let wanted = if self.release.spec.upgrade.as_ref().is_some_and(|upgrade| upgrade.preserve_values) {
            let base = self.stored(&who.storage, base).await?;
            preserved = wanted.preserving(&base.record).map_err(Trouble::Blocked)?;
            &preserved
        } else {
            wanted
        };
        let mut planned = None;
        if self.plans() {
            let intent = Intent { action: Action::Upgrade, revision, base: Some(base) };
            match self.propose(intent, &Subject::Chart(wanted), who).await? {
                Verdict::Approved(rendered) => planned = Some(rendered),
                Verdict::Awaits(turn) => return Ok(Some(turn)),
            }
        }
        match why {
            Why::Unmanaged => {
                let note = format!(
                    "revision {newest_version} was not made by this HelmRelease: upgrading to what the spec says"
                );
                self.announce(true, "ReleaseChangedOutside", &note).await;
            }
            Why::Altered => {
                let note =
                    format!("the record of revision {newest_version} was altered: upgrading to what the spec says");
                self.announce(true, "RecordAltered", &note).await;
            }
            Why::OutOfSync | Why::Failed | Why::Forced => {}
        }
        // With a plan, it is done with when that is carried out.
        self.live.forced &= self.plans();
        self.progress(&format!("upgrades to revision {revision} with chart {}@{}", wanted.chart, wanted.version));
        let rendered = match self.rendered(wanted, (Action::Upgrade, revision), planned, &at).await? {
            Ok(rendered) => rendered,
            Err(turn) => return Ok(Some(turn)),
        };
        let newest = self.stored(&who.storage, newest_version).await?;
        let base = if base == newest_version { newest.clone() } else { self.stored(&who.storage, base).await? };
        self.report.attempt_action(Action::Upgrade);
        let operation = begin::upgrade(rendered.draft, &self.errand(wanted), (newest, base), self.kept(), &at).await?;
        self.began(operation).await;
        if self.plans() {
            self.carries_out().await;
        }
        Ok(None)
    }

    /// A recorded revision, whole.
    pub(super) async fn stored(&mut self, storage: &Storage, version: u32) -> Result<Stored, Trouble> {
        match records::revision(storage, &self.place.name, version).await? {
            Some(stored) => Ok(stored),
            // Deleted since it was read: what is there now decides.
            None => Err(Trouble::Raced),
        }
    }

    pub(super) async fn rollback(&mut self, target: u32, who: &Identity) -> Result<Option<Turn>, Trouble> {
        let newest_version = self.newest_version().unwrap_or(0);
        let at = self.workplace(Action::Rollback, who);
        // One that the spec asks for is a change like any other; a remediation belongs to what was approved.
        let planned = self.plans() && self.rollback_to().is_some();
        if planned {
            let intent = Intent {
                action: Action::Rollback,
                revision: at.next_revision(Some(newest_version)),
                base: Some(newest_version),
            };
            if let Verdict::Awaits(turn) = self.propose(intent, &Subject::Revision(target), who).await? {
                return Ok(Some(turn));
            }
        }
        let newest = self.stored(&who.storage, newest_version).await?;
        let target = self.stored(&who.storage, target).await?;
        let errand = Errand { generation: self.generation(), fingerprint: String::new(), oci_digest: None };
        let operation = begin::rollback(&errand, &newest, &target, self.kept(), &at).await?;
        self.began(operation).await;
        if planned {
            self.carries_out().await;
        }
        Ok(None)
    }

    pub(super) async fn uninstall(&mut self, action: Action, who: &Identity) -> Result<(), Trouble> {
        let newest_version = self.newest_version().unwrap_or(0);
        let deployed = self
            .live
            .history
            .as_deref()
            .unwrap_or_default()
            .iter()
            .find(|s| s.revision.status == Status::Deployed)
            .map(|s| s.revision.version);
        let at = self.workplace(action, who);
        let newest = self.stored(&who.storage, newest_version).await?;
        let errand = Errand { generation: self.generation(), fingerprint: String::new(), oci_digest: None };
        let operation = begin::uninstall(action, &errand, newest, deployed, &at).await?;
        self.began(operation).await;
        Ok(())
    }

    pub(super) async fn test(&mut self, who: &Identity) -> Result<(), Trouble> {
        let newest_version = self.newest_version().unwrap_or(0);
        let at = self.workplace(Action::Test, who);
        let newest = self.stored(&who.storage, newest_version).await?;
        let Some(cursor) = Cursor::of(&newest) else { return Err(Trouble::Raced) };
        let operation = begin::test(newest, cursor, &at).await?;
        self.began(operation).await;
        Ok(())
    }

    /// Looks whether a revision that failed since its objects were not ready in time has come round.
    pub(super) async fn look_at_the_late(&mut self, who: &Identity) -> Result<(), Trouble> {
        self.recovered = false;
        let version = self
            .newest()
            .filter(|newest| newest.revision.status == Status::Failed)
            .filter(|newest| newest.revision.cursor.as_ref().is_some_and(|c| c.late && c.holder == self.holder))
            .map(|newest| newest.revision.version);
        let Some(version) = version else {
            self.live.late = None;
            return Ok(());
        };
        let action = self.newest().and_then(|n| n.revision.cursor.as_ref()).map_or(Action::Upgrade, |c| c.action);
        let at = self.workplace(action, who);
        // Put back only once it was looked at: after an error all is looked at again, so that no change is lost.
        let known = self.live.late.take().filter(|late| late.version == version);
        let begins = known.is_none();
        let mut late = match known {
            Some(late) => late,
            None => {
                let stored = self.stored(&who.storage, version).await?;
                Late { version, waiting: advance::awaited(&stored.record, &at).await?, changed: Changes::new() }
            }
        };
        if begins || !late.changed.is_empty() {
            let changed = std::mem::take(&mut late.changed);
            self.recovered = advance::is_ready(&mut late.waiting, &changed, &at).await?;
        }
        self.live.late = Some(late);
        Ok(())
    }

    pub(super) async fn recover(&mut self, who: &Identity) -> Result<(), Trouble> {
        let newest_version = self.newest_version().unwrap_or(0);
        let newest = self.stored(&who.storage, newest_version).await?;
        let Some(cursor) = Cursor::of(&newest) else { return Err(Trouble::Raced) };
        let at = self.workplace(cursor.action, who);
        self.announce(false, "Recovered", &format!("the objects of revision {newest_version} are ready after all"))
            .await;
        let operation = begin::recover(newest, cursor, &at).await?;
        self.began(operation).await;
        Ok(())
    }

    pub(super) async fn abandon(&mut self, why: &str, who: &Identity) -> Result<(), Trouble> {
        let newest_version = self.newest_version().unwrap_or(0);
        let at = self.workplace(Action::Upgrade, who);
        let newest = self.stored(&who.storage, newest_version).await?;
        let action = Cursor::of(&newest).map_or("unknown", |c| c.doing().word());
        let stored = begin::abandon(newest, why, &at).await?;
        self.put(summarise(&stored));
        self.live.operation = None;
        let labels = ActionLabels { action, outcome: OutcomeLabel::Interrupted };
        self.ctx.metrics.actions.get_or_create(&labels).inc();
        self.announce(false, "OperationEnded", &format!("{action} of revision {newest_version}: {why}")).await;
        Ok(())
    }

    /// Remembers an operation that has just begun.
    pub(super) async fn began(&mut self, operation: Operation) {
        self.put(summarise(&operation.stored));
        self.report.status.storage_namespace = Some(self.place.storage_namespace.clone());
        self.live.operation = Some(operation);
        self.live.told = Some(Instant::now());
        self.tell_deployed();
    }

    /// Takes the next step of the operation under way; a turn if it has to wait.
    pub(super) async fn step(&mut self, who: &Identity) -> Result<Option<Turn>, Trouble> {
        let Some(mut operation) = self.live.operation.take() else {
            // The plan saw an unfinished operation in what is remembered: read it.
            self.live.history = None;
            self.remember(&who.storage).await?;
            return Ok(None);
        };
        let action = operation.cursor.doing();
        let at = self.workplace(action, who);
        let version = operation.stored.record.version;
        let step = |operation: &Operation| operation.cursor.step.as_ref().map(action::Step::describe);
        let span = trace_span!(target: SPANS, "step", step = step(&operation), %action, revision = version);
        let result = advance::advance(&mut operation, &at).instrument(span).await;
        if !operation.applied.is_empty() {
            self.live.drift.applied(version, std::mem::take(&mut operation.applied));
        }
        for output in std::mem::take(&mut operation.output) {
            let note = format!("{} of revision {version}: {output}", action.title());
            self.announce(false, "HookOutput", &note).await;
        }
        for stored in std::mem::take(&mut operation.written) {
            self.put(summarise(&stored));
        }
        if result.is_ok() {
            self.put(summarise(&operation.stored));
            self.note_cursor(&operation);
        }
        match result {
            Ok(Progress::Moved) => {
                self.live.operation = Some(operation);
                Ok(None)
            }
            Ok(Progress::Waits { message, again }) => {
                self.report.observed();
                self.report.progressing(&operation.cursor, version, Some(&message));
                operation.at_hand = Vec::new();
                self.live.operation = Some(operation);
                Ok(Some(Turn::After(Duration::try_from(again).unwrap_or_default())))
            }
            Ok(Progress::Ended(outcome)) => {
                let failed = matches!(outcome, Outcome::Failed(_));
                let message = self.ended(action, &operation, outcome).await;
                if failed && matches!(action, Action::Uninstall | Action::UninstallRemediation) {
                    // Tried again from where it stands, but not without a pause.
                    self.live.history = None;
                    return Err(Trouble::Retry { reason: "UninstallFailed", message });
                }
                Ok(None)
            }
            Err(error) => {
                // A write that failed leaves open which of the two, memory or record, is ahead: the record is read again.
                self.live.history = None;
                self.live.unsure = true;
                self.soon = true;
                Err(error.into())
            }
        }
    }
}
