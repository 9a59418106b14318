//! The reconcile loop of a HelmRelease: observe, plan, take steps until one would have to wait, say how it stands.
//!
//! The order of what happens is here; what happens next is decided by [`plan`]; how a step is done is in
//! [`crate::action`].

use super::{
    context::Context,
    live::{Cell, Key, Live, Summary},
    metrics::{ActionLabels, OutcomeLabel, ReleaseLabels},
    plan::{self, Next, Revision, Situation, Why},
    policy::{self, Place},
    render_release::{self, Rendered},
    report::{Report, tell},
    resolve::{self, Blocked, Wanted},
    values,
};
use crate::{
    action::{
        self, Action, Cursor, Holder, Operation, Outcome, Progress, Workplace,
        advance::{self},
        begin::{self, Errand},
        cursor::ANNOTATION,
        records,
    },
    cluster::Cluster,
    crd::{DeletionPolicy, HelmRelease, conditions},
    release::{Status, Storage, Stored},
};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{controller::Action as Then, reflector::ObjectRef},
};
use std::{sync::Arc, time::Duration};

/// The mark that keeps a HelmRelease until its release is gone.
pub const FINALIZER: &str = "pintle.dev/release";
/// Turns of the loop in one reconcile; a release with a thousand hooks goes on in the next.
const TURNS: usize = 256;
/// First and longest pause after an error; it is never longer than the interval.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(750), Duration::from_secs(15 * 60));

/// Annotations that ask for something, ours and Flux's.
const REQUESTED_AT: [&str; 2] = ["pintle.dev/requestedAt", "reconcile.fluxcd.io/requestedAt"];
const FORCE_AT: [&str; 2] = ["pintle.dev/forceAt", "reconcile.fluxcd.io/forceAt"];
const RESET_AT: [&str; 2] = ["pintle.dev/resetAt", "reconcile.fluxcd.io/resetAt"];

/// How a reconcile ends.
enum Turn {
    /// Look again then.
    After(Duration),
    /// Only a change can make a difference.
    AwaitChange,
}

/// Why it could not end as it should.
enum Trouble {
    /// Try again, with growing pauses.
    Retry { reason: &'static str, message: String },
    /// Not before something changes; the sources of change are watched.
    Blocked(Blocked),
    /// Somebody else wrote at the same time: look again at once.
    Raced,
}

impl From<action::Error> for Trouble {
    fn from(error: action::Error) -> Self {
        if error.is_lost_race() {
            return Self::Raced;
        }
        let reason = match &error {
            action::Error::Foreign(_) => "ObjectInUse",
            action::Error::Objects(errors) if errors.iter().any(|e| e.class() == crate::cluster::Class::Forbidden) => {
                "AccessDenied"
            }
            action::Error::Objects(_) => "InvalidObject",
            action::Error::Cluster(crate::cluster::Error::UnknownKind { .. }) => "InvalidObject",
            action::Error::Cluster(e) if e.class() == crate::cluster::Class::Forbidden => "AccessDenied",
            action::Error::Storage(crate::release::Error::Cluster(e))
                if e.class() == crate::cluster::Class::Forbidden =>
            {
                "AccessDenied"
            }
            _ => "ReconcileError",
        };
        Self::Retry { reason, message: error.to_string() }
    }
}

impl From<crate::release::Error> for Trouble {
    fn from(error: crate::release::Error) -> Self {
        action::Error::from(error).into()
    }
}

impl From<kube::Error> for Trouble {
    fn from(error: kube::Error) -> Self {
        Self::Retry { reason: "ReconcileError", message: format!("the HelmRelease cannot be written: {error}") }
    }
}

impl From<crate::cluster::Error> for Trouble {
    fn from(error: crate::cluster::Error) -> Self {
        action::Error::from(error).into()
    }
}

/// Reconciles one HelmRelease. Errors are said in its status and tried again with growing pauses.
///
/// # Errors
/// Never; the type is what the runtime asks for.
pub async fn reconcile(release: Arc<HelmRelease>, ctx: Arc<Context>) -> Result<Then, std::convert::Infallible> {
    let began = std::time::Instant::now();
    let key = Key { namespace: release.namespace().unwrap_or_default(), name: release.name_any() };
    let cell = ctx.live.cell(&key);
    let mut live = cell.live.lock().await;
    let then = Run::new(&release, &ctx, &key, &cell, &mut live).reconcile().await;
    let labels = super::metrics::KindLabels { kind: "HelmRelease" };
    ctx.metrics.reconcile_seconds.get_or_create(&labels).observe(began.elapsed());
    Ok(then)
}

/// One reconcile.
struct Run<'a> {
    release: &'a HelmRelease,
    ctx: &'a Arc<Context>,
    key: &'a Key,
    cell: &'a Cell,
    live: &'a mut Live,
    report: Report,
    holder: Holder,
    place: Place,
}

impl<'a> Run<'a> {
    fn new(release: &'a HelmRelease, ctx: &'a Arc<Context>, key: &'a Key, cell: &'a Cell, live: &'a mut Live) -> Self {
        let report = Report::new(release, live, Timestamp::now());
        let holder =
            Holder { namespace: key.namespace.clone(), name: key.name.clone(), uid: release.uid().unwrap_or_default() };
        Self { release, ctx, key, cell, live, report, holder, place: policy::place(release) }
    }

    async fn reconcile(mut self) -> Then {
        let result = self.outer().await;
        let then = match result {
            Ok(turn) => {
                self.live.errors = 0;
                match turn {
                    Turn::After(pause) => Then::requeue(pause),
                    Turn::AwaitChange => Then::await_change(),
                }
            }
            Err(Trouble::Raced) => {
                self.live.history = None;
                self.live.operation = None;
                Then::requeue(Duration::from_millis(50))
            }
            Err(Trouble::Blocked(blocked)) => {
                self.report.observed();
                if blocked.terminal {
                    self.report.conditions().stalled(blocked.reason, &blocked.message);
                } else {
                    self.report.conditions().retrying(blocked.reason, &blocked.message);
                }
                self.announce(true, blocked.reason, &blocked.message).await;
                match blocked.again {
                    Some(_) => Then::requeue(self.pause()),
                    None => Then::await_change(),
                }
            }
            Err(Trouble::Retry { reason, message }) => {
                self.report.observed();
                self.report.conditions().retrying(reason, &message);
                self.announce(true, reason, &message).await;
                let labels = super::metrics::KindLabels { kind: "HelmRelease" };
                self.ctx.metrics.reconcile_errors.get_or_create(&labels).inc();
                Then::requeue(self.pause())
            }
        };
        if self.release.metadata.deletion_timestamp.is_some() && self.ctx.live.existing(self.key).is_none() {
            return then;
        }
        if let Err(error) = self.report.write(self.release, self.live, self.ctx).await {
            tracing::warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "status could not be written");
            return Then::requeue(self.pause());
        }
        let ready = conditions::is_true(&self.report.status.conditions, conditions::READY);
        let labels = ReleaseLabels { namespace: self.key.namespace.clone(), name: self.key.name.clone() };
        self.ctx.metrics.release_ready.get_or_create(&labels).set(i64::from(ready));
        then
    }

    /// The pause after an error: doubled with each in a row.
    fn pause(&mut self) -> Duration {
        self.live.errors += 1;
        let factor = 1_u32 << (self.live.errors - 1).min(16);
        let interval = policy::duration(Some(&self.release.spec.interval)).and_then(|i| Duration::try_from(i).ok());
        let longest = interval.unwrap_or(BACKOFF.1).clamp(BACKOFF.0, BACKOFF.1);
        (BACKOFF.0 * factor).min(longest)
    }

    /// An Event and a log line, but not again for what was said before.
    async fn announce(&mut self, warning: bool, reason: &str, note: &str) {
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
        tell(self.ctx, self.release, warning, reason, note).await;
    }

    async fn outer(&mut self) -> Result<Turn, Trouble> {
        if self.release.metadata.deletion_timestamp.is_some() {
            return self.end().await;
        }
        if !self.release.finalizers().iter().any(|f| f == FINALIZER) {
            self.finalizer(true).await?;
        }
        if self.release.spec.suspend {
            return Ok(Turn::AwaitChange);
        }
        let references: Vec<(&'static str, String)> =
            self.release.spec.values_from.iter().map(|r| (values::kind(r), r.name.clone())).collect();
        self.ctx.live.index(self.key, &self.place.storage_namespace, &self.place.name, &references);
        let cluster = self.ctx.identity(self.release)?;
        let storage = self.storage(&cluster);
        self.requests();
        for _ in 0..TURNS {
            self.absorb();
            if self.is_outdated() {
                return Ok(Turn::After(Duration::ZERO));
            }
            self.remember(&storage).await?;
            let wanted = resolve::resolve(self.release, self.ctx, self.live, &cluster).await;
            let next = match &wanted {
                Ok(wanted) => {
                    self.report.attempt(&wanted.version, &wanted.config_digest);
                    self.recover_count(wanted);
                    self.next(&wanted.fingerprint, self.generation())
                }
                // What is under way is finished even if the next goal is out of reach.
                Err(blocked) => match self.unfinished() {
                    Some(cursor) => self.next(&cursor.fingerprint, cursor.generation),
                    None => return Err(Trouble::Blocked(blocked.clone())),
                },
            };
            tracing::debug!(namespace = %self.key.namespace, name = %self.key.name, ?next, "planned");
            match (next, wanted) {
                (Next::Keep, _) => return self.keep(&storage).await,
                (Next::Resume, _) => {
                    if let Some(turn) = self.step(&cluster, &storage).await? {
                        return Ok(turn);
                    }
                }
                (Next::Install, Ok(wanted)) => {
                    if let Some(turn) = self.install(&wanted, &cluster, &storage).await? {
                        return Ok(turn);
                    }
                }
                (Next::Upgrade { base, why }, Ok(wanted)) => {
                    if let Some(turn) = self.upgrade(&wanted, base, why, &cluster, &storage).await? {
                        return Ok(turn);
                    }
                }
                (Next::Abandon { why }, _) => self.abandon(&why, &cluster, &storage).await?,
                (Next::Rollback { target }, _) => self.rollback(target, &cluster, &storage).await?,
                (Next::UninstallRemediation, _) => {
                    self.uninstall(Action::UninstallRemediation, &cluster, &storage).await?;
                }
                (Next::Test, _) => self.test(&cluster, &storage).await?,
                (Next::AwaitForeign { until }, _) => {
                    let message = format!(
                        "another operation on release {}/{} is in progress: it is taken over if it has not ended by {until:.0}",
                        self.place.storage_namespace, self.place.name
                    );
                    self.report.observed();
                    self.report.conditions().retrying("PendingRelease", &message);
                    self.announce(true, "PendingRelease", &message).await;
                    return Ok(Turn::After(until_then(until)));
                }
                (Next::RetryAt(at), _) => {
                    let last =
                        self.report.message(conditions::RELEASED).unwrap_or("the last attempt failed").to_owned();
                    self.report.observed();
                    self.report.conditions().retrying("UpgradeFailed", &format!("{last}; next attempt at {at:.0}"));
                    return Ok(Turn::After(until_then(at)));
                }
                (Next::Stalled { reason, message }, _) => {
                    let message = match self.report.message(conditions::RELEASED) {
                        Some(last) if !matches!(reason, "ReleaseHeld" | "NameInUse") => format!("{message}: {last}"),
                        _ => message,
                    };
                    self.report.observed();
                    self.report.at_rest();
                    self.mirror();
                    self.report.conditions().stalled(reason, &message);
                    self.announce(true, reason, &message).await;
                    return Ok(Turn::AwaitChange);
                }
                (Next::Install | Next::Upgrade { .. }, Err(blocked)) => return Err(Trouble::Blocked(blocked)),
            }
        }
        Ok(Turn::After(Duration::ZERO))
    }

    fn generation(&self) -> i64 {
        self.release.metadata.generation.unwrap_or_default()
    }

    fn storage(&self, cluster: &Arc<Cluster>) -> Storage {
        Storage::new(cluster.clone(), &self.place.storage_namespace, self.ctx.settings.driver)
    }

    /// Takes in what watches have told.
    fn absorb(&mut self) {
        let signals = self.cell.take();
        if signals.values {
            self.live.composed = None;
        }
        if let Some(operation) = &mut self.live.operation {
            operation.changed.extend(signals.changed);
        }
        if signals.records.is_empty() {
            return;
        }
        let known = self.live.history.as_deref().unwrap_or_default();
        let news = signals.records.iter().any(|(name, (seen, gone))| {
            let ours = known.iter().find(|s| self.record_name(s.revision.version) == *name);
            match ours {
                // Versions of one object are ordered; what is older was seen already.
                Some(ours) => newer(seen, &ours.resource_version),
                None => !gone,
            }
        });
        if news {
            self.live.history = None;
            self.live.operation = None;
        }
    }

    fn record_name(&self, version: u32) -> String {
        format!("sh.helm.release.v1.{}.v{version}", self.place.name)
    }

    /// Whether the spec has changed since this reconcile began.
    fn is_outdated(&self) -> bool {
        let reference = ObjectRef::<HelmRelease>::new(&self.key.name).within(&self.key.namespace);
        self.ctx.releases.get(&reference).is_some_and(|latest| {
            latest.metadata.generation > self.release.metadata.generation
                || latest.metadata.deletion_timestamp.is_some()
        })
    }

    /// Reads the records, unless they are remembered.
    async fn remember(&mut self, storage: &Storage) -> Result<(), Trouble> {
        if self.live.history.is_some() {
            return Ok(());
        }
        let history = storage.history(&self.place.name).await?;
        for unreadable in &history.unreadable {
            let note = format!("record {} cannot be read and is passed over: {}", unreadable.object, unreadable.reason);
            self.announce(true, "UnreadableRecord", &note).await;
        }
        let summaries = history.stored.iter().map(summarise).collect();
        self.live.operation = history
            .stored
            .into_iter()
            .next()
            .and_then(|stored| cursor_of(&stored).map(|cursor| (stored, cursor)))
            .filter(|(_, cursor)| cursor.step.is_some() && cursor.holder == self.holder)
            .map(|(stored, cursor)| Operation::resume(stored, cursor));
        self.live.history = Some(summaries);
        self.tell_deployed();
        Ok(())
    }

    /// Tells the operation under way which revisions it will supersede.
    fn tell_deployed(&mut self) {
        let deployed = self
            .live
            .history
            .as_deref()
            .unwrap_or_default()
            .iter()
            .filter(|s| s.revision.status == Status::Deployed)
            .map(|s| s.revision.version)
            .collect();
        if let Some(operation) = &mut self.live.operation {
            operation.deployed = deployed;
        }
    }

    fn revisions(&self) -> Vec<Revision> {
        self.live.history.as_deref().unwrap_or_default().iter().map(|s| s.revision.clone()).collect()
    }

    fn unfinished(&self) -> Option<&Cursor> {
        self.live.operation.as_ref().map(|op| &op.cursor).filter(|cursor| cursor.step.is_some())
    }

    fn next(&self, fingerprint: &str, generation: i64) -> Next {
        plan::plan(&Situation {
            holder: &self.holder,
            generation,
            fingerprint,
            revisions: &self.revisions(),
            policy: &policy::policy(&self.release.spec, self.ctx.settings.foreign_grace),
            failures: self.report.failures(),
            forced: self.live.forced,
            now: Timestamp::now(),
        })
    }

    /// A crash between the record of a failure and the status loses the count; the record tells that there was one.
    fn recover_count(&mut self, wanted: &Wanted) {
        let Some(newest) = self.live.history.as_ref().and_then(|h| h.first()) else { return };
        let Some(cursor) = &newest.revision.cursor else { return };
        let failures = self.report.failures();
        if newest.revision.status == Status::Failed
            && cursor.fingerprint == wanted.fingerprint
            && cursor.generation == self.generation()
            && matches!(cursor.action, Action::Install | Action::Upgrade)
            && failures == plan::Failures::default()
            && !self.live.reset
            && !newest.description.contains("interrupted")
        {
            let first = !plan::ever_deployed(&self.revisions());
            self.report.count_failure(first);
        }
    }

    /// Requests by annotation.
    fn requests(&mut self) {
        let annotations = self.release.annotations();
        let value = |names: [&str; 2]| names.iter().find_map(|name| annotations.get(*name)).cloned();
        let requested = value(REQUESTED_AT);
        let status = &mut self.report.status;
        // As in Flux, a force or reset counts only together with a request of the same text.
        let asks = |at: &Option<String>, handled: &Option<String>| at.is_some() && *at == requested && at != handled;
        let (force, reset) = (value(FORCE_AT), value(RESET_AT));
        self.live.forced = asks(&force, &status.last_handled_force_at);
        self.live.reset = asks(&reset, &status.last_handled_reset_at);
        if self.live.forced {
            status.last_handled_force_at = force;
        }
        if self.live.reset {
            status.last_handled_reset_at = reset;
            status.failures = 0;
            status.install_failures = 0;
            status.upgrade_failures = 0;
        }
        status.last_handled_reconcile_at = requested;
    }

    fn errand(&self, wanted: &Wanted) -> Errand {
        Errand { generation: self.generation(), fingerprint: wanted.fingerprint.clone() }
    }

    /// All is as wanted: says so, and looks again after the interval.
    async fn keep(&mut self, storage: &Storage) -> Result<Turn, Trouble> {
        self.live.operation = None;
        self.report.observed();
        self.report.at_rest();
        self.report.reset_failures();
        self.live.forced = false;
        self.mirror();
        let newest = self.live.history.as_ref().and_then(|h| h.first()).cloned();
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
        Ok(Turn::After(jittered(policy::duration(Some(&self.release.spec.interval)))))
    }

    /// The objects of a revision, for the inventory; a kind that is unknown by now is left out.
    async fn objects(&self, stored: &Stored) -> Vec<crate::cluster::ObjectId> {
        // The record was applied before, so that it can be read; at worst the inventory stays empty.
        let targets = action::objects::targets(&stored.record, &self.ctx.cluster).await.unwrap_or_default();
        targets.into_iter().map(|target| target.id).collect()
    }

    fn title(&self, s: &Summary) -> String {
        format!(
            "{}/{}.v{} with chart {}@{}",
            self.place.namespace, self.place.name, s.revision.version, s.chart_name, s.chart_version
        )
    }

    fn success(&self, newest: &Summary) -> (&'static str, String) {
        let (reason, verb) = match newest.revision.cursor.as_ref().map(|c| c.action) {
            Some(Action::Install) => ("InstallSucceeded", "install"),
            Some(Action::Rollback) => ("RollbackSucceeded", "rollback"),
            _ => ("UpgradeSucceeded", "upgrade"),
        };
        (reason, format!("Helm {verb} succeeded for release {}", self.title(newest)))
    }

    fn mirror(&mut self) {
        let history = self.live.history.clone().unwrap_or_default();
        self.report.history(&self.place.name, &self.place.namespace, &history);
    }

    /// Says that something is under way before it begins.
    async fn say_progress(&mut self, what: &str) -> Result<(), Trouble> {
        self.report.observed();
        self.report.conditions().reconciling("Progressing", what);
        self.report.write(self.release, self.live, self.ctx).await?;
        Ok(())
    }

    /// What a render needs, or the turn to take while definitions are not in force yet.
    async fn rendered(
        &mut self,
        wanted: &Wanted,
        action: Action,
        revision: u32,
        cluster: &Arc<Cluster>,
        at: &Workplace<'_>,
    ) -> Result<Result<Rendered, Turn>, Trouble> {
        let chart = resolve::chart(wanted, self.ctx).await.map_err(Trouble::Blocked)?;
        let definitions = render_release::crds(&chart.chart, &wanted.values).map_err(Trouble::Blocked)?;
        let established = action::install_crds(&definitions, policy::crds(&self.release.spec, action), at).await?;
        if let action::Established::Waits(why) = established {
            self.report.conditions().reconciling("Progressing", &format!("waits for {why}"));
            return Ok(Err(Turn::After(Duration::from_millis(250))));
        }
        let rendered =
            render_release::render(self.release, self.ctx, cluster, &chart, wanted, &self.place, action, revision)
                .await
                .map_err(Trouble::Blocked)?;
        // Helm 2's way to bring definitions along: never changed once they are there.
        match action::install_crds(&rendered.definitions, action::CrdPolicy::Create, at).await? {
            action::Established::All => Ok(Ok(rendered)),
            action::Established::Waits(why) => {
                self.report.conditions().reconciling("Progressing", &format!("waits for {why}"));
                Ok(Err(Turn::After(Duration::from_millis(250))))
            }
        }
    }

    async fn install(
        &mut self,
        wanted: &Wanted,
        cluster: &Arc<Cluster>,
        storage: &Storage,
    ) -> Result<Option<Turn>, Trouble> {
        let newest = self.live.history.as_ref().and_then(|h| h.first()).map(|s| s.revision.version);
        let revision = newest.unwrap_or(0) + 1;
        self.say_progress(&format!("installs revision {revision} of chart {}@{}", wanted.chart, wanted.version))
            .await?;
        let options = policy::options(&self.release.spec, Action::Install);
        let ctx = self.ctx.clone();
        let holder = self.holder.clone();
        let at = Workplace::new(cluster, storage, &ctx.watches, &holder, &ctx.settings.manager, &options);
        if self.release.spec.install.as_ref().is_some_and(|i| i.create_namespace) {
            action::objects::ensure_namespace(&self.place.namespace, &at).await?;
        }
        let rendered = match self.rendered(wanted, Action::Install, revision, cluster, &at).await? {
            Ok(rendered) => rendered,
            Err(turn) => return Ok(Some(turn)),
        };
        let before = match newest {
            Some(version) => records::revision(storage, &self.place.name, version).await?,
            None => None,
        };
        self.report.attempt_action(Action::Install);
        let operation = begin::install(rendered.draft, &self.errand(wanted), before.as_ref(), &at).await?;
        self.began(operation).await;
        Ok(None)
    }

    async fn upgrade(
        &mut self,
        wanted: &Wanted,
        base: u32,
        why: Why,
        cluster: &Arc<Cluster>,
        storage: &Storage,
    ) -> Result<Option<Turn>, Trouble> {
        let newest_version = self.live.history.as_ref().and_then(|h| h.first()).map_or(0, |s| s.revision.version);
        let revision = newest_version + 1;
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
        self.live.forced = false;
        self.say_progress(&format!("upgrades to revision {revision} with chart {}@{}", wanted.chart, wanted.version))
            .await?;
        let options = policy::options(&self.release.spec, Action::Upgrade);
        let ctx = self.ctx.clone();
        let holder = self.holder.clone();
        let at = Workplace::new(cluster, storage, &ctx.watches, &holder, &ctx.settings.manager, &options);
        let rendered = match self.rendered(wanted, Action::Upgrade, revision, cluster, &at).await? {
            Ok(rendered) => rendered,
            Err(turn) => return Ok(Some(turn)),
        };
        let newest = self.stored(storage, newest_version).await?;
        let base = if base == newest_version { newest.clone() } else { self.stored(storage, base).await? };
        self.report.attempt_action(Action::Upgrade);
        let operation = begin::upgrade(rendered.draft, &self.errand(wanted), &newest, &base, &at).await?;
        self.began(operation).await;
        Ok(None)
    }

    /// A recorded revision, whole.
    async fn stored(&mut self, storage: &Storage, version: u32) -> Result<Stored, Trouble> {
        match records::revision(storage, &self.place.name, version).await? {
            Some(stored) => Ok(stored),
            // Deleted since it was read: what is there now decides.
            None => Err(Trouble::Raced),
        }
    }

    async fn rollback(&mut self, target: u32, cluster: &Arc<Cluster>, storage: &Storage) -> Result<(), Trouble> {
        let newest_version = self.live.history.as_ref().and_then(|h| h.first()).map_or(0, |s| s.revision.version);
        let options = policy::options(&self.release.spec, Action::Rollback);
        let ctx = self.ctx.clone();
        let holder = self.holder.clone();
        let at = Workplace::new(cluster, storage, &ctx.watches, &holder, &ctx.settings.manager, &options);
        let newest = self.stored(storage, newest_version).await?;
        let target = self.stored(storage, target).await?;
        let errand = Errand { generation: self.generation(), fingerprint: String::new() };
        let operation = begin::rollback(&errand, &newest, &target, &at).await?;
        self.began(operation).await;
        Ok(())
    }

    async fn uninstall(&mut self, action: Action, cluster: &Arc<Cluster>, storage: &Storage) -> Result<(), Trouble> {
        let newest_version = self.live.history.as_ref().and_then(|h| h.first()).map_or(0, |s| s.revision.version);
        let deployed = self
            .live
            .history
            .as_deref()
            .unwrap_or_default()
            .iter()
            .find(|s| s.revision.status == Status::Deployed)
            .map(|s| s.revision.version);
        let options = policy::options(&self.release.spec, action);
        let ctx = self.ctx.clone();
        let holder = self.holder.clone();
        let at = Workplace::new(cluster, storage, &ctx.watches, &holder, &ctx.settings.manager, &options);
        let newest = self.stored(storage, newest_version).await?;
        let errand = Errand { generation: self.generation(), fingerprint: String::new() };
        let operation = begin::uninstall(action, &errand, newest, deployed, &at).await?;
        self.began(operation).await;
        Ok(())
    }

    async fn test(&mut self, cluster: &Arc<Cluster>, storage: &Storage) -> Result<(), Trouble> {
        let newest_version = self.live.history.as_ref().and_then(|h| h.first()).map_or(0, |s| s.revision.version);
        let options = policy::options(&self.release.spec, Action::Test);
        let ctx = self.ctx.clone();
        let holder = self.holder.clone();
        let at = Workplace::new(cluster, storage, &ctx.watches, &holder, &ctx.settings.manager, &options);
        let newest = self.stored(storage, newest_version).await?;
        let Some(cursor) = cursor_of(&newest) else { return Err(Trouble::Raced) };
        let operation = begin::test(newest, cursor, &at).await?;
        self.began(operation).await;
        Ok(())
    }

    async fn abandon(&mut self, why: &str, cluster: &Arc<Cluster>, storage: &Storage) -> Result<(), Trouble> {
        let newest_version = self.live.history.as_ref().and_then(|h| h.first()).map_or(0, |s| s.revision.version);
        let options = policy::options(&self.release.spec, Action::Upgrade);
        let ctx = self.ctx.clone();
        let holder = self.holder.clone();
        let at = Workplace::new(cluster, storage, &ctx.watches, &holder, &ctx.settings.manager, &options);
        let newest = self.stored(storage, newest_version).await?;
        let action = cursor_of(&newest).map_or("unknown", |c| c.doing().word());
        let stored = begin::abandon(newest, why, &at).await?;
        self.put(summarise(&stored));
        self.live.operation = None;
        let labels = ActionLabels { action, outcome: OutcomeLabel::Interrupted };
        self.ctx.metrics.actions.get_or_create(&labels).inc();
        self.announce(false, "OperationEnded", &format!("{action} of revision {newest_version}: {why}")).await;
        Ok(())
    }

    /// Remembers an operation that has just begun.
    async fn began(&mut self, operation: Operation) {
        self.put(summarise(&operation.stored));
        self.report.status.storage_namespace = Some(self.place.storage_namespace.clone());
        self.live.operation = Some(operation);
        self.tell_deployed();
    }

    /// Puts a revision into its place in memory.
    fn put(&mut self, summary: Summary) {
        let history = self.live.history.get_or_insert_default();
        match history.iter_mut().find(|s| s.revision.version == summary.revision.version) {
            Some(place) => *place = summary,
            None => history.insert(0, summary),
        }
    }

    /// Takes the next step of the operation under way; a turn if it has to wait.
    async fn step(&mut self, cluster: &Arc<Cluster>, storage: &Storage) -> Result<Option<Turn>, Trouble> {
        let Some(mut operation) = self.live.operation.take() else {
            // The plan saw an unfinished operation in what is remembered: read it.
            self.live.history = None;
            self.remember(storage).await?;
            return Ok(None);
        };
        let action = operation.cursor.doing();
        let mut options = policy::options(&self.release.spec, action);
        if action == Action::UninstallRemediation {
            options.wait = true;
        }
        let ctx = self.ctx.clone();
        let holder = self.holder.clone();
        let at = Workplace::new(cluster, storage, &ctx.watches, &holder, &ctx.settings.manager, &options);
        let result = advance::advance(&mut operation, &at).await;
        let version = operation.stored.record.version;
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
                self.live.operation = Some(operation);
                Ok(Some(Turn::After(Duration::try_from(again).unwrap_or_default())))
            }
            Ok(Progress::Ended(outcome)) => {
                self.ended(action, &operation, outcome).await;
                Ok(None)
            }
            Err(error) => {
                self.live.operation = Some(operation);
                Err(error.into())
            }
        }
    }

    /// The cursor in memory may be ahead of the one that is written; the planner needs the written one's step only.
    fn note_cursor(&mut self, operation: &Operation) {
        let version = operation.stored.record.version;
        if let Some(summary) =
            self.live.history.as_mut().and_then(|h| h.iter_mut().find(|s| s.revision.version == version))
        {
            summary.revision.cursor = Some(operation.cursor.clone());
        }
    }

    /// Says how an operation ended, and remembers what it did to the other revisions.
    async fn ended(&mut self, action: Action, operation: &Operation, outcome: Outcome) {
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
            Action::Rollback | Action::UninstallRemediation => conditions::REMEDIATED,
            Action::Install | Action::Upgrade | Action::Uninstall => conditions::RELEASED,
        };
        // A release that was uninstalled as wanted is not released any more.
        let status = conditions::Status::from(!failed && action != Action::Uninstall);
        let what = match action {
            Action::Rollback if !failed => {
                format!("rollback to revision {}", operation.cursor.target.unwrap_or(0))
            }
            Action::UninstallRemediation => "uninstall remediation".to_owned(),
            other => other.word().to_owned(),
        };
        let (reason, message) = match &outcome {
            Outcome::Succeeded => {
                (format!("{}Succeeded", action.title()), format!("Helm {what} succeeded for release {title}"))
            }
            Outcome::Failed(why) => {
                (format!("{}Failed", action.title()), format!("Helm {what} failed for release {title}: {why}"))
            }
        };
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
        if let Err(error) = self.report.write(self.release, self.live, self.ctx).await {
            tracing::warn!(%error, "status could not be written");
        }
    }

    /// The HelmRelease is being deleted: ends the release, then lets go of the object.
    async fn end(&mut self) -> Result<Turn, Trouble> {
        if !self.release.finalizers().iter().any(|f| f == FINALIZER) {
            self.ctx.live.forget(self.key);
            return Ok(Turn::AwaitChange);
        }
        let spec = &self.release.spec;
        if spec.suspend || spec.deletion_policy == Some(DeletionPolicy::Orphan) {
            return self.let_go().await;
        }
        let cluster = self.ctx.identity(self.release)?;
        let storage = self.storage(&cluster);
        for _ in 0..TURNS {
            self.absorb();
            self.remember(&storage).await?;
            let Some(newest) = self.live.history.as_ref().and_then(|h| h.first()).cloned() else {
                return self.let_go().await;
            };
            let cursor = newest.revision.cursor.as_ref();
            let ours = cursor
                .is_some_and(|c| c.holder.namespace == self.holder.namespace && c.holder.name == self.holder.name);
            // Nothing of ours: records of another holder, or of somebody who never handed over.
            if !ours && (cursor.is_some() || self.report.status.storage_namespace.is_none()) {
                return self.let_go().await;
            }
            if newest.revision.status == Status::Uninstalled {
                return self.let_go().await;
            }
            let under_way = cursor.filter(|c| c.step.is_some() && c.holder == self.holder).map(|c| c.doing());
            match under_way {
                Some(Action::Uninstall | Action::UninstallRemediation) => match self.step(&cluster, &storage).await? {
                    Some(turn) => return Ok(turn),
                    None if conditions::find(&self.report.status.conditions, conditions::RELEASED)
                        .is_some_and(|c| c.reason == "UninstallFailed")
                        && self.live.operation.is_none()
                        && self.live.history.is_some() =>
                    {
                        let message = self.report.message(conditions::RELEASED).unwrap_or_default().to_owned();
                        self.live.history = None;
                        return Err(Trouble::Retry { reason: "UninstallFailed", message });
                    }
                    None => {}
                },
                // Whatever else is under way is overtaken.
                _ => {
                    self.report.conditions().reconciling("Progressing", "uninstalls the release");
                    self.uninstall(Action::Uninstall, &cluster, &storage).await?;
                }
            }
        }
        Ok(Turn::After(Duration::ZERO))
    }

    async fn let_go(&mut self) -> Result<Turn, Trouble> {
        self.ctx.live.forget(self.key);
        let labels = ReleaseLabels { namespace: self.key.namespace.clone(), name: self.key.name.clone() };
        self.ctx.metrics.release_ready.remove(&labels);
        self.finalizer(false).await?;
        Ok(Turn::AwaitChange)
    }

    async fn finalizer(&self, wanted: bool) -> Result<(), Trouble> {
        let mut finalizers: Vec<String> =
            self.release.finalizers().iter().filter(|f| *f != FINALIZER).cloned().collect();
        if wanted {
            finalizers.push(FINALIZER.to_owned());
        }
        let api: Api<HelmRelease> = Api::namespaced(self.ctx.cluster.client.clone(), &self.key.namespace);
        let patch = serde_json::json!({"metadata": {"finalizers": finalizers, "resourceVersion": self.release.metadata.resource_version}});
        match api.patch_metadata(&self.key.name, &PatchParams::apply("pintle"), &Patch::Merge(&patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(error)) if error.code == 404 => Ok(()),
            Err(kube::Error::Api(error)) if error.code == 409 => Err(Trouble::Raced),
            Err(error) => Err(error.into()),
        }
    }
}

/// The operator's note on a record.
fn cursor_of(stored: &Stored) -> Option<Cursor> {
    stored.annotations.get(ANNOTATION).and_then(|text| Cursor::from_annotation(text))
}

fn summarise(stored: &Stored) -> Summary {
    let record = &stored.record;
    let metadata = record.chart.metadata().unwrap_or_default();
    let cursor = cursor_of(stored);
    let manifest = begin::manifest_digest(&record.manifest);
    let config_digest = values::config_digest(&serde_json::Value::Object(record.config.clone()));
    Summary {
        revision: Revision {
            version: record.version,
            status: record.info.status,
            intact: cursor.as_ref().is_none_or(|c| c.manifest.is_empty() || c.manifest == manifest),
            modified: cursor.as_ref().map(|c| c.since).or(record.info.last_deployed).unwrap_or(Timestamp::UNIX_EPOCH),
            cursor,
        },
        chart_name: metadata.name,
        chart_version: metadata.version,
        app_version: metadata.app_version,
        first_deployed: record.info.first_deployed,
        last_deployed: record.info.last_deployed,
        deleted: record.info.deleted,
        description: record.info.description.clone(),
        digest: manifest,
        config_digest,
        tests: record
            .hooks
            .iter()
            .filter(|h| h.events.iter().any(|e| e == "test" || e == "test-success") && h.last_run.started_at.is_some())
            .map(|h| {
                (h.name.clone(), h.last_run.started_at, h.last_run.completed_at, h.last_run.phase.as_str().to_owned())
            })
            .collect(),
        resource_version: stored.resource_version.clone(),
    }
}

/// Whether a resourceVersion comes after another. They are decimal numbers that grow.
fn newer(seen: &str, known: &str) -> bool {
    match (seen.parse::<u128>(), known.parse::<u128>()) {
        (Ok(seen), Ok(known)) => seen > known,
        _ => seen != known,
    }
}

fn until_then(then: Timestamp) -> Duration {
    let left: SignedDuration = then.duration_since(Timestamp::now());
    Duration::try_from(left).unwrap_or_default() + Duration::from_millis(10)
}

/// The interval, give or take a twentieth, so that releases of one age do not stay in step.
fn jittered(interval: Option<SignedDuration>) -> Duration {
    let interval = interval
        .and_then(|i| Duration::try_from(i).ok())
        .unwrap_or(Duration::from_secs(60))
        .max(Duration::from_secs(1));
    let mut byte = [0_u8; 1];
    // Without randomness there is no jitter; nothing else is lost.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    interval.mul_f64(0.95 + f64::from(byte[0]) / 2550.0)
}
