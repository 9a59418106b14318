//! The reconcile loop of a HelmRelease: observe, plan, take steps until one would have to wait, say how it stands.
//!
//! The order of what happens is here; what happens next is decided by [`plan`]; how a step is done is in
//! [`crate::action`].

mod adoption;
mod drift;
mod glimpse;
mod memory;
mod moving;
mod operations;
mod proposal;
mod telling;

use super::{
    SPANS,
    context::Context,
    live::{Cell, Key, Live},
    plan::{self, Next, Situation},
    policy::{self, Place},
    remote,
    report::Report,
    resolve::{self, Blocked, Help},
    signatures, values,
};
use crate::{
    action::{self, Action, Cursor, Holder},
    cluster::{Cluster, ObjectId, Watches},
    crd::{ChartNameChangeStrategy, DeletionPolicy, HelmRelease, conditions},
    release::{Status, Storage},
};
use jiff::{SignedDuration, Timestamp};
use kube::{
    Api, ResourceExt,
    api::{Patch, PatchParams},
    runtime::{controller::Action as Then, reflector::ObjectRef},
};
use std::{
    collections::BTreeSet,
    sync::Arc,
    time::{Duration, Instant},
};
use tracing::{Instrument, trace_span};

/// The mark that keeps a HelmRelease until its release is gone.
pub const FINALIZER: &str = "pintle.dev/release";
/// Turns of the loop in one reconcile; a release with a thousand hooks goes on in the next.
const TURNS: usize = 256;
/// First and longest pause after an error; it is never longer than the interval.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(750), Duration::from_secs(15 * 60));
/// Longest pause where waiting costs something: an operation is under way, whose time runs, or nobody was told how things
/// stand. An API server that was away for a minute is met again soon after it is back.
const SOON: Duration = Duration::from_secs(10);

/// How long to leave a watch that lags behind.
const LAGGING: Duration = Duration::from_millis(200);

/// How often the status tells of an operation that waits. Most are over before it is told for the first time.
const TELLING: Duration = Duration::from_secs(1);

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
    /// Another generation has come: it is reconciled at once, and nothing is said of this one.
    Outdated,
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
    let key = Key::of(&*release);
    // Somebody else's; this replica is told when that changes.
    let Some(_working) = ctx.territory.enter(&key) else {
        ctx.turns.withdraw(&key);
        return Ok(Then::await_change());
    };
    let turn = ctx.turns.ask(&key);
    ctx.metrics.releases_queued.set(i64::try_from(ctx.turns.waiting()).unwrap_or(i64::MAX));
    // It is woken when its turn has come.
    let Some(_turn) = turn else { return Ok(Then::await_change()) };
    let cell = ctx.live.cell(&key);
    ctx.live.recorded.settled().await;
    let mut live = cell.live.lock().await;
    if ctx.territory.is_shared() && !live.is_current {
        match is_current(&release, &ctx).await {
            // The watch of records may lag behind too: they are read.
            true => (live.is_current, live.unsure) = (true, true),
            false => return Ok(Then::requeue(LAGGING)),
        }
    }
    let generation = release.metadata.generation.unwrap_or_default();
    let span = trace_span!(target: SPANS, "reconcile", namespace = %key.namespace, name = %key.name, generation);
    let then = Run::new(&release, &ctx, &key, &cell, &mut live).reconcile().instrument(span).await;
    let labels = super::metrics::KindLabels { kind: "HelmRelease" };
    ctx.metrics.reconcile_seconds.get_or_create(&labels).observe(began.elapsed());
    Ok(then)
}

/// Whether the HelmRelease is known as it is: the replica that worked on it before may have written it, or acted on a change of
/// it, that our watch has not told of yet. To go by an older one would be to undo what is newer.
async fn is_current(release: &HelmRelease, ctx: &Context) -> bool {
    let api: Api<HelmRelease> =
        Api::namespaced(ctx.cluster.client.clone(), release.metadata.namespace.as_deref().unwrap_or_default());
    match api.get_metadata_opt(&release.name_any()).await {
        Ok(Some(there)) => there.metadata.resource_version == release.metadata.resource_version,
        // The watch will tell.
        Ok(None) => false,
        Err(error) => {
            tracing::warn!(name = %release.name_any(), %error, "a HelmRelease that was taken over cannot be read, tried again");
            false
        }
    }
}

/// As whom a release is worked on, and where its records are.
struct Identity {
    /// The operator's own cluster: where values and dependencies are.
    own: Arc<Cluster>,
    /// Where the release goes.
    cluster: Arc<Cluster>,
    storage: Storage,
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
    /// Objects that somebody may have changed, as of the last plan.
    suspects: BTreeSet<ObjectId>,
    /// The pause after this reconcile's error, which counts once.
    paused: Option<Duration>,
    /// An operation is under way, whose time runs.
    soon: bool,
    /// The objects of the newest revision, which were not ready in time, are so by now.
    recovered: bool,
}

impl<'a> Run<'a> {
    fn new(release: &'a HelmRelease, ctx: &'a Arc<Context>, key: &'a Key, cell: &'a Cell, live: &'a mut Live) -> Self {
        let report = Report::new(release, live, Timestamp::now());
        let holder =
            Holder { namespace: key.namespace.clone(), name: key.name.clone(), uid: release.uid().unwrap_or_default() };
        let (place, suspects) = (policy::place(release), BTreeSet::new());
        Self {
            release,
            ctx,
            key,
            cell,
            live,
            report,
            holder,
            place,
            suspects,
            paused: None,
            soon: false,
            recovered: false,
        }
    }

    async fn reconcile(mut self) -> Then {
        let result = self.outer().await;
        let waits = matches!(result, Ok(Turn::After(_))) && self.live.operation.is_some();
        let pause = match result {
            Ok(turn) => {
                // A removal that fails goes on from where it stands: each attempt that is only begun is no success.
                let removes =
                    |cursor: &Cursor| matches!(cursor.doing(), Action::Uninstall | Action::UninstallRemediation);
                if !self.unfinished().is_some_and(removes) {
                    self.live.errors = 0;
                }
                match turn {
                    Turn::After(pause) => Some(pause),
                    Turn::AwaitChange => None,
                }
            }
            Err(Trouble::Outdated) => Some(Duration::ZERO),
            Err(Trouble::Raced) => {
                self.live.history = None;
                self.live.unsure = true;
                self.live.operation = None;
                Some(Duration::from_millis(50))
            }
            Err(Trouble::Blocked(blocked)) => {
                self.report.observed();
                let mut conditions = self.report.conditions();
                match blocked.help {
                    Help::Underway => conditions.reconciling(blocked.reason, &blocked.message),
                    Help::Change | Help::Time => conditions.retrying(blocked.reason, &blocked.message),
                    Help::Owner => conditions.stalled(blocked.reason, &blocked.message),
                }
                if blocked.help != Help::Underway {
                    self.announce(true, blocked.reason, &blocked.message).await;
                }
                (blocked.help == Help::Time).then(|| self.pause())
            }
            Err(Trouble::Retry { reason, message }) => {
                self.report.observed();
                self.report.conditions().retrying(reason, &message);
                self.announce(true, reason, &message).await;
                let labels = super::metrics::KindLabels { kind: "HelmRelease" };
                self.ctx.metrics.reconcile_errors.get_or_create(&labels).inc();
                Some(self.pause())
            }
        };
        let registry = self.live.registry.map(|due| due.saturating_duration_since(Instant::now()));
        // A moment later, when its answer surely is too old.
        let registry = registry.map(|left| left + Duration::from_millis(10));
        let then = pause.into_iter().chain(registry).min().map_or_else(Then::await_change, Then::requeue);
        if self.release.metadata.deletion_timestamp.is_some() && self.ctx.live.existing(self.key).is_none() {
            return then;
        }
        if let Some(left) = self.live.told.filter(|_| waits).and_then(|told| TELLING.checked_sub(told.elapsed())) {
            self.live.unwritten = Some(self.report.status);
            return Then::requeue(pause.unwrap_or(left).min(left));
        }
        if let Err(error) = self.report.write(self.release, self.live, self.ctx).await {
            tracing::warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "status could not be written");
            return Then::requeue(self.pause().min(SOON));
        }
        self.ctx.metrics.standings.set(&self.labels(), self.standing());
        then
    }

    /// The pause after an error: doubled with each in a row.
    fn pause(&mut self) -> Duration {
        if let Some(paused) = self.paused {
            return paused;
        }
        self.live.errors += 1;
        let factor = 1_u32 << (self.live.errors - 1).min(16);
        let interval = policy::duration(Some(&self.release.spec.interval)).and_then(|i| Duration::try_from(i).ok());
        let longest = if self.soon { SOON } else { interval.unwrap_or(BACKOFF.1) };
        let paused = (BACKOFF.0 * factor).min(longest.clamp(BACKOFF.0, BACKOFF.1));
        self.paused = Some(paused);
        paused
    }

    async fn outer(&mut self) -> Result<Turn, Trouble> {
        self.live.registry = None;
        if self.release.metadata.deletion_timestamp.is_some() {
            return self.end().await;
        }
        if !self.release.finalizers().iter().any(|f| f == FINALIZER) {
            self.finalizer(true).await?;
        }
        if self.release.spec.suspend {
            return Ok(Turn::AwaitChange);
        }
        self.absorb();
        let who = self.identity().await?;
        if let Some(turn) = self.leave_former_place(&who).await? {
            return Ok(turn);
        }
        self.requests();
        for _ in 0..TURNS {
            self.absorb();
            if self.is_outdated() {
                return Ok(Turn::After(Duration::ZERO));
            }
            // Another replica is to go on: between two steps is the time.
            if !self.ctx.territory.owns(self.key) {
                return Ok(Turn::AwaitChange);
            }
            if !self.glimpse().await {
                self.remember(&who.storage).await?;
            }
            self.look_at_the_late(&who).await?;
            let wanted = match self.rollback_to() {
                // A revision is asked for: chart and values play no part.
                Some(revision) => {
                    Err(Blocked::until_change("RollbackPending", format!("revision {revision} is asked for")))
                }
                None => {
                    let span = trace_span!(target: SPANS, "resolve");
                    resolve::resolve(self.release, self.ctx, self.live, &who.own).instrument(span).await
                }
            };
            if let Some((reason, text)) = self.live.outage.take() {
                self.announce(true, reason, &text).await;
            }
            let next = match &wanted {
                Err(_) if self.rollback_to().is_some() => self.next("", None, self.generation()),
                Ok(wanted) => {
                    self.report.attempt(&wanted.version, wanted.oci_digest.as_deref(), &wanted.config_digest);
                    self.recover_count(wanted);
                    self.next(&wanted.fingerprint, Some(&wanted.chart), self.generation())
                }
                // What is under way is finished even if the next goal is out of reach.
                Err(blocked) => match self.unfinished() {
                    Some(cursor) => {
                        let (fingerprint, generation) = (cursor.fingerprint.clone(), cursor.generation);
                        self.next(&fingerprint, None, generation)
                    }
                    None => return Err(Trouble::Blocked(blocked.clone())),
                },
            };
            tracing::debug!(namespace = %self.key.namespace, name = %self.key.name, ?next, "planned");
            if self.live.glimpsed && next != Next::Keep {
                // What there is to do is decided by the records themselves.
                self.remember(&who.storage).await?;
                continue;
            }
            match (next, wanted) {
                (Next::Keep, _) => {
                    self.forget_plan(&who).await;
                    return self.keep(&who.storage).await;
                }
                (Next::Resume, _) => {
                    if let Some(turn) = self.step(&who).await? {
                        return Ok(turn);
                    }
                }
                (Next::Install, Ok(wanted)) => {
                    let span = trace_span!(target: SPANS, "begin", action = "install", chart = %wanted.chart, version = %wanted.version);
                    if let Some(turn) = self.install(&wanted, &who).instrument(span).await? {
                        return Ok(turn);
                    }
                }
                (Next::Upgrade { base, why }, Ok(wanted)) => {
                    let span = trace_span!(target: SPANS, "begin", action = "upgrade", chart = %wanted.chart, version = %wanted.version);
                    if let Some(turn) = self.upgrade(&wanted, base, why, &who).instrument(span).await? {
                        return Ok(turn);
                    }
                }
                (Next::Abandon { why }, _) => self.abandon(&why, &who).await?,
                (Next::Rollback { target }, _) => {
                    if let Some(turn) = self.rollback(target, &who).await? {
                        return Ok(turn);
                    }
                }
                (Next::Reinstall, _) => {
                    let newest = self.newest().map(|newest| self.title(newest)).unwrap_or_default();
                    let note =
                        format!("the chart has another name: release {newest} is uninstalled and installed anew");
                    self.announce(false, "ChartRenamed", &note).await;
                    self.uninstall(Action::UninstallRemediation, &who).await?;
                }
                (Next::UninstallRemediation, _) => {
                    self.uninstall(Action::UninstallRemediation, &who).await?;
                }
                (Next::Recover, _) => self.recover(&who).await?,
                (Next::Test, _) => self.test(&who).await?,
                (Next::Inspect, _) => self.inspect(&who).await?,
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

    /// The revision that the spec asks for.
    fn rollback_to(&self) -> Option<u32> {
        self.release.spec.rollback_to.and_then(|revision| u32::try_from(revision).ok())
    }

    fn generation(&self) -> i64 {
        self.release.metadata.generation.unwrap_or_default()
    }

    /// As whom and where. What is watched for the release is said before anything is asked.
    async fn identity(&mut self) -> Result<Identity, Trouble> {
        let spec = &self.release.spec;
        let values = spec.values_from.iter().map(|r| (values::kind(r), r.name.clone()));
        let kubeconfig = spec.kube_config.iter().filter_map(remote::source);
        let keys = signatures::secret(self.release).map(|name| ("Secret", name.to_owned()));
        let sources: Vec<(&'static str, String)> = values.chain(kubeconfig).chain(keys).collect();
        let place = &self.place;
        let index = |home: &str| {
            self.ctx.live.index(self.key, (home, &place.storage_namespace, &place.name), &sources);
        };
        let own = self.ctx.identity(self.release)?;
        if spec.kube_config.is_none() {
            index("");
        }
        let generation = self.generation();
        if self.live.remote.as_ref().is_none_or(|(named, _)| *named != generation) {
            if spec.kube_config.is_some() {
                index("?");
            }
            let remote = remote::reach(self.release, self.ctx, &own).await.map_err(Trouble::Blocked)?;
            let before = self.live.remote.take();
            let same = match (&before, &remote) {
                (Some((_, before)), Some(remote)) => Arc::ptr_eq(before, remote),
                (None, None) => true,
                _ => false,
            };
            // What is remembered is of another cluster, or of another watch of it.
            if !same {
                self.live.forget_release();
            }
            self.live.remote = remote.map(|remote| (generation, remote));
        }
        let cluster = match &self.live.remote {
            None => own.clone(),
            Some((_, remote)) => {
                index(&remote.home);
                match &spec.service_account_name {
                    Some(account) => remote.cluster.as_service_account(&self.key.namespace, account)?,
                    None => remote.cluster.clone(),
                }
            }
        };
        Ok(Identity { storage: self.storage(&cluster), own, cluster })
    }

    fn storage(&self, cluster: &Arc<Cluster>) -> Storage {
        Storage::new(cluster.clone(), &self.place.storage_namespace, self.ctx.settings.driver)
            .with_budget(self.ctx.budget.clone())
    }

    /// The same identity with the records of the release's present place.
    fn at_place(&self, who: Identity) -> Identity {
        Identity { storage: self.storage(&who.cluster), ..who }
    }

    /// The watches of the cluster that the release goes to.
    fn watches(&self) -> &Arc<Watches> {
        self.live.remote.as_ref().map_or(&self.ctx.watches, |(_, remote)| &remote.watches)
    }

    /// That cluster under the operator's own name there.
    fn target(&self) -> &Arc<Cluster> {
        self.live.remote.as_ref().map_or(&self.ctx.cluster, |(_, remote)| &remote.cluster)
    }

    /// Whether the spec has changed since this reconcile began.
    fn is_outdated(&self) -> bool {
        let reference = ObjectRef::<HelmRelease>::new(&self.key.name).within(&self.key.namespace);
        self.ctx.releases.get(&reference).is_some_and(|latest| {
            latest.metadata.generation > self.release.metadata.generation
                || latest.metadata.deletion_timestamp.is_some()
        })
    }

    fn next(&mut self, fingerprint: &str, chart: Option<&str>, generation: i64) -> Next {
        self.suspects = self.suspects();
        plan::plan(&Situation {
            holder: &self.holder,
            generation,
            fingerprint,
            revisions: &self.revisions(),
            policy: &policy::policy(&self.release.spec, self.ctx.settings.foreign_grace),
            failures: self.report.failures(),
            drifted: !self.suspects.is_empty(),
            recovered: self.recovered,
            rollback_to: self.rollback_to(),
            renamed: self.is_renamed(chart),
            forced: self.live.forced,
            now: Timestamp::now(),
        })
    }

    /// Whether this chart takes the place of another one in the way that the spec asks for.
    fn is_renamed(&self, chart: Option<&str>) -> bool {
        let strategy = self.release.spec.upgrade.as_ref().and_then(|upgrade| upgrade.chart_name_change_strategy);
        // What is removed is nothing that a plan would have shown.
        strategy == Some(ChartNameChangeStrategy::Reinstall)
            && !self.plans()
            && self.newest().zip(chart).is_some_and(|(newest, chart)| newest.chart_name != chart)
    }

    /// Requests by annotation.
    fn requests(&mut self) {
        let value = |names| requested(self.release, names);
        let requested = value(REQUESTED_AT);
        let status = &mut self.report.status;
        // As in Flux, a force or reset counts only together with a request of the same text.
        let asks = |at: &Option<String>, handled: &Option<String>| at.is_some() && *at == requested && at != handled;
        let (force, reset) = (value(FORCE_AT), value(RESET_AT));
        self.live.forced = asks(&force, &status.last_handled_force_at);
        self.live.reset = asks(&reset, &status.last_handled_reset_at);
        // With a plan to be approved first, it is handled when that is carried out.
        if self.live.forced && !super::proposal::is_planned(self.release) {
            status.last_handled_force_at = force;
        }
        if self.live.reset {
            status.last_handled_reset_at = reset;
            status.failures = 0;
            status.install_failures = 0;
            status.upgrade_failures = 0;
        }
        if requested.is_some() && requested != status.last_handled_reconcile_at {
            self.live.requested = Some(Instant::now());
        }
        status.last_handled_reconcile_at = requested;
    }

    /// The HelmRelease is being deleted: ends the release, then lets go of the object.
    async fn end(&mut self) -> Result<Turn, Trouble> {
        if !self.release.finalizers().iter().any(|f| f == FINALIZER) {
            self.ctx.forget(self.key);
            return Ok(Turn::AwaitChange);
        }
        let spec = &self.release.spec;
        if spec.suspend || spec.deletion_policy == Some(DeletionPolicy::Orphan) {
            return self.let_go().await;
        }
        let who = self.identity().await?;
        // It may have been about to move.
        if let Some(former) = self.former_place() {
            self.place = former;
        }
        let who = self.at_place(who);
        match self.remove(&who).await? {
            Some(turn) => Ok(turn),
            None => self.let_go().await,
        }
    }

    /// Uninstalls what is at the release's place, as far as it is this HelmRelease's; a turn if that has to wait.
    async fn remove(&mut self, who: &Identity) -> Result<Option<Turn>, Trouble> {
        for _ in 0..TURNS {
            self.absorb();
            self.remember(&who.storage).await?;
            let Some(newest) = self.newest().cloned() else { return Ok(None) };
            let cursor = newest.revision.cursor.as_ref();
            let ours = cursor
                .is_some_and(|c| c.holder.namespace == self.holder.namespace && c.holder.name == self.holder.name);
            // Nothing of ours: records of another holder, or of somebody who never handed over.
            if !ours && (cursor.is_some() || self.report.status.storage_namespace.is_none()) {
                return Ok(None);
            }
            if newest.revision.status == Status::Uninstalled {
                return Ok(None);
            }
            let under_way = cursor.filter(|c| c.step.is_some() && c.holder == self.holder).map(|c| c.doing());
            match under_way {
                Some(Action::Uninstall | Action::UninstallRemediation) => {
                    if let Some(turn) = self.step(who).await? {
                        return Ok(Some(turn));
                    }
                }
                // Whatever else is under way is overtaken.
                _ => {
                    self.report.conditions().reconciling("Progressing", "uninstalls the release");
                    self.uninstall(Action::Uninstall, who).await?;
                }
            }
        }
        Ok(Some(Turn::After(Duration::ZERO)))
    }

    async fn let_go(&mut self) -> Result<Turn, Trouble> {
        self.ctx.forget(self.key);
        self.ctx.metrics.standings.forget(&self.labels());
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

/// The text of a request, by our own annotation or by Flux's.
fn requested(release: &HelmRelease, names: [&str; 2]) -> Option<String> {
    names.iter().find_map(|name| release.annotations().get(*name)).cloned()
}

fn until_then(then: Timestamp) -> Duration {
    let left: SignedDuration = then.duration_since(Timestamp::now());
    Duration::try_from(left).unwrap_or_default() + Duration::from_millis(10)
}
