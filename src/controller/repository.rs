//! The reconcile of a HelmRepository: ask for its index when that is due, list it for the releases, say how it went.
//!
//! What is due is decided by a pure function over what is remembered ([`Memory`]), so the events that our own status writes cause
//! cost nothing.

use super::{
    catalog::{Listed, Stock},
    context::Context,
    live::Key,
    metrics::KindLabels,
};
use crate::{
    crd::{
        HelmRepository, HelmRepositoryStatus,
        conditions::{self, Conditions},
    },
    source::{self, Index, Repository, Sha256},
};
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::{api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::Time};
use kube::{
    Api, Resource, ResourceExt,
    api::{Patch, PatchParams},
    core::PartialObjectMeta,
    runtime::{
        Controller,
        controller::{Action, Config},
        reflector::{ObjectRef, Store},
        watcher,
    },
};
use std::{
    collections::{BTreeMap, HashMap},
    convert::Infallible,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// The operator's own field manager.
const MANAGER: &str = "pintle";
/// What reconciles are counted under.
const KIND: KindLabels = KindLabels { kind: "HelmRepository" };
/// Annotations whose new value asks for a fetch at once.
const REQUESTED_AT: [&str; 2] = ["pintle.dev/requestedAt", "reconcile.fluxcd.io/requestedAt"];
/// How often a repository is asked when its spec does not say.
const INTERVAL: Duration = Duration::from_secs(60);
/// The shortest interval: what is less would only be load.
const SHORTEST: Duration = Duration::from_secs(1);
/// The first and the longest pause after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));
/// The pause after a status could not be written.
const REWRITE: Duration = Duration::from_secs(5);
/// Repositories that are fetched at once.
const CONCURRENCY: u16 = 16;

/// Why a repository could not be listed.
#[derive(Debug, thiserror::Error)]
enum Error {
    /// Its spec, its Secrets, or what its server sent.
    #[error(transparent)]
    Source(#[from] source::Error),
    /// A Secret that it refers to is not there.
    #[error("{field}: Secret {name:?} does not exist in namespace {namespace:?}: create it, or correct the reference")]
    NoSecret { field: &'static str, namespace: String, name: String },
    /// A Secret that it refers to cannot be read.
    #[error("{field}: Secret {name:?} cannot be read: {error}")]
    Secret { field: &'static str, name: String, error: kube::Error },
}

impl Error {
    fn reason(&self) -> &'static str {
        match self {
            Error::Source(error) => error.index_reason(),
            Error::NoSecret { .. } | Error::Secret { .. } => "AuthenticationFailed",
        }
    }

    /// Whether only a changed spec or Secret helps.
    fn is_terminal(&self) -> bool {
        match self {
            Error::Source(error) => error.is_terminal(),
            Error::NoSecret { .. } => true,
            Error::Secret { .. } => false,
        }
    }
}

/// How a fetch ended.
type Outcome = Result<(Arc<Repository>, Stock), Error>;

/// What is remembered of a repository between two reconciles.
#[derive(Clone, Default)]
struct Memory {
    uid: String,
    generation: Option<i64>,
    token: Option<String>,
    failures: u32,
    /// When the server is asked next; never if only a change helps.
    next: Option<Instant>,
    /// What the last event was about.
    told: Told,
    /// Its status was ours to write.
    owned: bool,
}

/// What events tell of: the status and reason of Ready, and the revision.
type Told = (Option<(String, String)>, Option<String>);

/// What a reconcile is to do.
#[derive(Debug, PartialEq, Eq)]
enum Due {
    /// Ask the server.
    Now,
    /// Nothing before that.
    At(Instant),
    /// Nothing before a change.
    Never,
}

fn due(memory: Option<&Memory>, repository: &HelmRepository, owned: bool, stale: bool, now: Instant) -> Due {
    let Some(memory) = memory else { return Due::Now };
    // Whose status becomes ours to write is looked at, for it may say what is no longer so.
    let changed = stale
        || (owned && !memory.owned)
        || memory.generation != repository.metadata.generation
        || Some(memory.uid.as_str()) != repository.metadata.uid.as_deref()
        || memory.token.as_deref() != token(repository);
    match memory.next {
        _ if changed => Due::Now,
        Some(next) if next <= now => Due::Now,
        Some(next) => Due::At(next),
        None => Due::Never,
    }
}

/// The request for a fetch at once, if there is one.
fn token(repository: &HelmRepository) -> Option<&str> {
    REQUESTED_AT.iter().find_map(|key| repository.annotations().get(*key)).map(String::as_str)
}

/// The time between two fetches: the spec's interval, some percent more or less for each, so that they do not all come at once.
fn interval(repository: &HelmRepository) -> Duration {
    let interval = repository.spec.interval.as_ref().and_then(crate::crd::Duration::get).unwrap_or(INTERVAL);
    let spread = Sha256::of(repository.metadata.uid.as_deref().unwrap_or_default().as_bytes());
    let share = f64::from(spread.as_bytes().first().copied().unwrap_or_default()) / 255.0;
    interval.max(SHORTEST).mul_f64(0.95 + share / 10.0)
}

fn pause(failures: u32, interval: Duration) -> Duration {
    let doubled = RETRY.0.saturating_mul(1 << failures.saturating_sub(1).min(16));
    doubled.min(RETRY.1).min(interval)
}

/// The Secrets that a repository depends on. Written before they are read, so that no change goes unseen in between.
#[derive(Default)]
struct Uses {
    /// By name, the resource version that was read; empty for a Secret that was not there.
    secrets: BTreeMap<String, String>,
    /// One of them has another version since.
    stale: bool,
}

/// What all reconciles of repositories share.
struct Desk {
    ctx: Arc<Context>,
    store: Store<HelmRepository>,
    memories: Mutex<HashMap<Key, Memory>>,
    uses: Mutex<HashMap<Key, Uses>>,
    on_listed: Box<dyn Fn(&Key) + Send + Sync>,
}

impl Desk {
    /// Lets go of a repository that is no more.
    fn seen(&self, repository: &HelmRepository) {
        if self.store.get(&ObjectRef::from(repository)).is_none() {
            let key = key_of(repository);
            lock(&self.memories).remove(&key);
            lock(&self.uses).remove(&key);
            self.ctx.catalog.forget(&key);
        }
    }

    fn uses(&self, key: &Key, secret: &str, version: String) {
        lock(&self.uses).entry(key.clone()).or_default().secrets.insert(secret.to_owned(), version);
    }

    /// The repositories that have to be looked at because a Secret has changed.
    fn secret_changed(&self, secret: &PartialObjectMeta<Secret>) -> Vec<ObjectRef<HelmRepository>> {
        let (namespace, name) = (secret.namespace().unwrap_or_default(), secret.name_any());
        let version = secret.resource_version().unwrap_or_default();
        let mut concerned = Vec::new();
        // The order of the answer does not matter: it is a queue without one.
        #[allow(clippy::iter_over_hash_type)]
        for (key, uses) in lock(&self.uses).iter_mut().filter(|(key, _)| key.namespace == namespace) {
            if uses.secrets.get(&name).is_some_and(|known| *known != version) {
                uses.stale = true;
                concerned.push(ObjectRef::new(&key.name).within(&key.namespace));
            }
        }
        concerned
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held leaves a map that is still a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reconciles HelmRepositories until told to stop. `on_listed` is called whenever releases may find something else than before.
pub async fn run(
    ctx: Arc<Context>,
    events: impl Stream<Item = Result<HelmRepository, watcher::Error>> + Send + 'static,
    woken: impl Stream<Item = ObjectRef<HelmRepository>> + Send + 'static,
    store: Store<HelmRepository>,
    on_listed: impl Fn(&Key) + Send + Sync + 'static,
    stop: impl Future<Output = ()> + Send + Sync + 'static,
) {
    let secrets = Api::<PartialObjectMeta<Secret>>::all(ctx.cluster.client.clone());
    let desk = Arc::new(Desk {
        ctx,
        store: store.clone(),
        memories: Mutex::default(),
        uses: Mutex::default(),
        on_listed: Box::new(on_listed),
    });
    let events = {
        let desk = Arc::clone(&desk);
        events.inspect_ok(move |repository| desk.seen(repository))
    };
    let changed = {
        let desk = Arc::clone(&desk);
        move |secret: PartialObjectMeta<Secret>| desk.secret_changed(&secret)
    };
    Controller::for_stream(events, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .watches(secrets, watcher::Config::default().any_semantic(), changed)
        .reconcile_on(woken)
        .graceful_shutdown_on(stop)
        .run(reconcile, |_, error, _| match *error {}, desk)
        .for_each(|_| std::future::ready(()))
        .await;
}

async fn reconcile(repository: Arc<HelmRepository>, desk: Arc<Desk>) -> Result<Action, Infallible> {
    let key = key_of(&repository);
    if repository.metadata.deletion_timestamp.is_some() {
        return Ok(Action::await_change());
    }
    // Whoever has releases of it fetches its index; one replica says how it stands.
    let working = desk.ctx.territory.enter(&key);
    let owned = working.is_some();
    if !owned && !desk.ctx.catalog.is_wanted(&key) {
        return Ok(Action::await_change());
    }
    let known = lock(&desk.memories).get(&key).cloned();
    let stale = lock(&desk.uses).get(&key).is_some_and(|uses| uses.stale);
    match due(known.as_ref(), &repository, owned, stale, Instant::now()) {
        Due::Now => {}
        Due::At(next) => return Ok(Action::requeue(next.saturating_duration_since(Instant::now()))),
        Due::Never => return Ok(Action::await_change()),
    }
    let old = repository.status.clone().unwrap_or_default();
    let known = known.unwrap_or_else(|| Memory { told: told(&old), ..Memory::default() });
    let mut memory = Memory {
        uid: repository.uid().unwrap_or_default(),
        generation: repository.metadata.generation,
        token: token(&repository).map(ToOwned::to_owned),
        owned,
        ..Memory::default()
    };

    let began = Instant::now();
    lock(&desk.uses).remove(&key);
    let outcome = list(&repository, &key, &desk).await;
    desk.ctx.metrics.reconcile_seconds.get_or_create(&KIND).observe(began.elapsed());
    if outcome.is_err() {
        desk.ctx.metrics.reconcile_errors.get_or_create(&KIND).inc();
        memory.failures = known.failures.saturating_add(1);
    }
    let wait = match &outcome {
        Ok((_, Stock::Registry { .. })) => None,
        Ok(_) if repository.spec.suspend => None,
        Ok(_) => Some(interval(&repository)),
        Err(error) if error.is_terminal() => None,
        Err(_) => Some(pause(memory.failures, interval(&repository))),
    };

    let status = status_of(old.clone(), &repository, &outcome, &Time(jiff::Timestamp::now()));
    memory.told = told(&status);
    if owned && memory.told != known.told {
        tell(&desk.ctx, &repository, &status).await;
    }
    let written = !owned || old == status || write(&desk.ctx, &repository, &status).await;
    let wait = if written { wait } else { Some(REWRITE) };
    memory.next = wait.map(|wait| Instant::now() + wait);
    lock(&desk.memories).insert(key, memory);
    Ok(wait.map_or_else(Action::await_change, Action::requeue))
}

/// Fetches the index and lists it; takes the repository off the list when it has become another one that cannot be had.
async fn list(repository: &HelmRepository, key: &Key, desk: &Desk) -> Outcome {
    let asked = match asked(repository, key, desk).await {
        Ok(asked) => Arc::new(asked),
        Err(error) => {
            desk.ctx.catalog.forget(key);
            return Err(error);
        }
    };
    if asked.is_registry() {
        if let Err(error) = desk.ctx.sources.admits(&asked) {
            desk.ctx.catalog.forget(key);
            return Err(error.into());
        }
        // There is nothing to fetch: who wants a chart asks for it. What was said before is asked for again.
        let stock = Stock::Registry { since: std::time::Instant::now(), suspended: repository.spec.suspend };
        relist(repository, key, desk, &asked, &stock);
        return Ok((asked, stock));
    }
    // Suspended: what is known serves on, and only a process that knows nothing asks once.
    let answer = match repository.spec.suspend {
        true => desk.ctx.sources.index(&asked).await,
        false => desk.ctx.sources.refresh(&asked).await,
    };
    match answer {
        Ok(index) => {
            let stock = Stock::Index(index);
            relist(repository, key, desk, &asked, &stock);
            Ok((asked, stock))
        }
        Err(error) => {
            match desk.ctx.catalog.get(key).filter(|listed| listed.repository == asked) {
                // The same repository as before: releases go on with what is known of it.
                Some(listed) => relist(repository, key, desk, &asked, &listed.stock),
                None => desk.ctx.catalog.forget(key),
            }
            Err(error.into())
        }
    }
}

fn relist(repository: &HelmRepository, key: &Key, desk: &Desk, asked: &Arc<Repository>, stock: &Stock) {
    let generation = repository.metadata.generation.unwrap_or_default();
    let news = desk.ctx.catalog.get(key).is_none_or(|listed| {
        listed.generation != generation || listed.repository != *asked || !listed.stock.is_same(stock)
    });
    if news {
        let listed = Listed { generation, repository: Arc::clone(asked), stock: stock.clone() };
        desk.ctx.catalog.list(key.clone(), listed);
        (desk.on_listed)(key);
    }
}

/// The repository with its credentials.
async fn asked(repository: &HelmRepository, key: &Key, desk: &Desk) -> Result<Repository, Error> {
    let spec = &repository.spec;
    let (mut secret, mut certificates) = (None, None);
    for (field, reference, found) in [
        ("spec.secretRef", &spec.secret_ref, &mut secret),
        ("spec.certSecretRef", &spec.cert_secret_ref, &mut certificates),
    ] {
        let Some(reference) = reference.as_ref() else { continue };
        let (namespace, name) = (key.namespace.clone(), reference.name.clone());
        desk.uses(key, &name, String::new());
        let api = Api::<Secret>::namespaced(desk.ctx.cluster.client.clone(), &namespace);
        match api.get_opt(&name).await {
            Ok(Some(read)) => {
                desk.uses(key, &name, read.resource_version().unwrap_or_default());
                *found = Some(read);
            }
            Ok(None) => return Err(Error::NoSecret { field, namespace, name }),
            Err(error) => return Err(Error::Secret { field, name, error }),
        }
    }
    Ok(Repository::from_spec(spec, secret.as_ref(), certificates.as_ref())?)
}

/// The status after a fetch.
fn status_of(
    mut status: HelmRepositoryStatus,
    repository: &HelmRepository,
    outcome: &Outcome,
    now: &Time,
) -> HelmRepositoryStatus {
    let generation = repository.metadata.generation;
    status.observed_generation = generation;
    if let Some(token) = token(repository) {
        status.last_handled_reconcile_at = Some(token.to_owned());
    }
    let mut conditions = Conditions { list: &mut status.conditions, generation, now };
    match outcome {
        Ok((asked, Stock::Registry { .. })) => {
            let message = format!("registry {}: asked for charts whenever releases want them", asked.address());
            conditions.ready("Succeeded", &message);
            status.url = Some(asked.address());
            (status.charts, status.versions, status.revision, status.last_changed) = (None, None, None, None);
        }
        Ok((asked, Stock::Index(index))) => {
            conditions.ready("Succeeded", &summary(index));
            let revision = format!("sha256:{}", index.revision());
            if status.revision.as_deref() != Some(&revision) {
                status.last_changed = Some(now.clone());
            }
            status.url = Some(source::redact(&asked.index_url()));
            status.charts = i64::try_from(index.charts()).ok();
            status.versions = i64::try_from(index.versions()).ok();
            status.revision = Some(revision);
        }
        Err(error) if error.is_terminal() => conditions.stalled(error.reason(), &error.to_string()),
        Err(error) => conditions.retrying(error.reason(), &error.to_string()),
    }
    status
}

fn summary(index: &Index) -> String {
    let digest = index.revision().to_string();
    let short = digest.get(..12).unwrap_or(&digest);
    let count = |number: usize, noun: &str| format!("{number} {noun}{}", if number == 1 { "" } else { "s" });
    let (charts, versions) = (count(index.charts(), "chart"), count(index.versions(), "version"));
    let mut text = format!("index sha256:{short}: {charts}, {versions}");
    if let Some(first) = index.warnings().first() {
        text.push_str(&format!("; {} not usable: {first}", index.dropped()));
    }
    text
}

fn told(status: &HelmRepositoryStatus) -> Told {
    let ready = conditions::find(&status.conditions, conditions::READY);
    (ready.map(|c| (c.status.clone(), c.reason.clone())), status.revision.clone())
}

async fn tell(ctx: &Context, repository: &HelmRepository, status: &HelmRepositoryStatus) {
    let Some(ready) = conditions::find(&status.conditions, conditions::READY) else { return };
    ctx.events.tell(repository.object_ref(&()), ready.status != "True", &ready.reason, &ready.message).await;
}

/// Writes the status; whether that worked, or is no longer called for.
async fn write(ctx: &Context, repository: &HelmRepository, status: &HelmRepositoryStatus) -> bool {
    let (namespace, name) = (repository.namespace().unwrap_or_default(), repository.name_any());
    let api = Api::<HelmRepository>::namespaced(ctx.cluster.client.clone(), &namespace);
    let patch = Patch::Merge(serde_json::json!({ "status": status }));
    let params = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(&name, &params, &patch).await {
        Ok(_) => true,
        Err(kube::Error::Api(answer)) if answer.code == 404 => true,
        Err(error) => {
            tracing::warn!(namespace, name, %error, "the status of a HelmRepository could not be written, tried again");
            false
        }
    }
}

fn key_of(repository: &HelmRepository) -> Key {
    Key::of(repository)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn repository(generation: i64, annotations: &[(&str, &str)]) -> HelmRepository {
        let annotations: BTreeMap<_, _> = annotations.iter().copied().collect();
        serde_json::from_value(serde_json::json!({
            "apiVersion": "pintle.dev/v1",
            "kind": "HelmRepository",
            "metadata": {
                "name": "r", "namespace": "n", "uid": "u", "generation": generation, "annotations": annotations,
            },
            "spec": { "url": "https://h/charts", "interval": "10m" },
        }))
        .unwrap()
    }

    fn at(second: i64) -> Time {
        Time(jiff::Timestamp::from_second(second).unwrap())
    }

    #[test]
    fn a_fetch_is_due_when_time_or_something_says_so() {
        let now = Instant::now();
        let later = now + Duration::from_secs(60);
        let memory = || Memory { uid: "u".to_owned(), generation: Some(1), next: Some(later), ..Memory::default() };
        let check = |memory: Option<&Memory>, repository: &HelmRepository, expected: Due| {
            assert_eq!(due(memory, repository, false, false, now), expected);
        };
        let same = repository(1, &[]);
        let requested = repository(1, &[("reconcile.fluxcd.io/requestedAt", "x")]);
        check(None, &same, Due::Now);
        check(Some(&memory()), &same, Due::At(later));
        check(Some(&memory()), &repository(2, &[]), Due::Now);
        check(Some(&memory()), &requested, Due::Now);
        check(Some(&memory()), &repository(1, &[("pintle.dev/requestedAt", "x")]), Due::Now);
        check(Some(&Memory { token: Some("x".to_owned()), ..memory() }), &requested, Due::At(later));
        assert_eq!(due(Some(&memory()), &same, false, true, now), Due::Now);
        check(Some(&Memory { uid: "v".to_owned(), ..memory() }), &same, Due::Now);
        check(Some(&Memory { next: Some(now), ..memory() }), &same, Due::Now);
        check(Some(&Memory { next: None, ..memory() }), &same, Due::Never);
        assert_eq!(due(Some(&Memory { next: None, ..memory() }), &same, false, true, now), Due::Now);
        // The status has become ours to write.
        assert_eq!(due(Some(&memory()), &same, true, false, now), Due::Now);
        let owned = Memory { owned: true, ..memory() };
        assert_eq!(due(Some(&owned), &same, true, false, now), Due::At(later));
        assert_eq!(due(Some(&owned), &same, false, false, now), Due::At(later));
    }

    #[test]
    fn intervals_and_pauses() {
        let interval = interval(&repository(1, &[]));
        assert!((570..=630).contains(&interval.as_secs()), "{interval:?}");
        let seconds = |failures| pause(failures, interval).as_secs();
        assert_eq!([1, 2, 3, 9, 10, u32::MAX].map(seconds), [1, 2, 4, 256, 300, 300]);
        assert_eq!(pause(9, Duration::from_secs(30)).as_secs(), 30);
    }

    #[test]
    fn statuses() {
        let index = |text: &str| Arc::new(Index::read(text.as_bytes(), "u").unwrap());
        let one = index("apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0}, {name: a}]}");
        let other = index("apiVersion: v1\nentries: {}");
        let asked = Arc::new(Repository::new("https://u:p@h/charts").unwrap());
        let registry = Arc::new(Repository::registry("oci://u:p@h/charts", false).unwrap());
        let shown = |status: &HelmRepositoryStatus| {
            let conditions = status.conditions.iter().map(|c| format!("{}={}/{}", c.type_, c.status, c.reason));
            let changed = status.last_changed.as_ref().map_or(-1, |time| time.0.as_second());
            let (charts, generation) = (status.charts.unwrap_or(-1), status.observed_generation.unwrap_or(-1));
            let conditions = conditions.collect::<Vec<_>>().join(" ");
            format!("{conditions} charts={charts} changed={changed} generation={generation}")
        };
        let transient = source::Error::Status { url: "u".to_owned(), status: 503, authenticated: false };
        let terminal = Error::NoSecret { field: "spec.secretRef", namespace: "n".to_owned(), name: "s".to_owned() };
        let mut status = HelmRepositoryStatus { observed_generation: Some(-1), ..HelmRepositoryStatus::default() };
        for (second, generation, outcome, expected) in [
            (
                1,
                1,
                Ok((asked.clone(), Stock::Index(one.clone()))),
                "Ready=True/Succeeded charts=1 changed=1 generation=1",
            ),
            (2, 1, Ok((asked.clone(), Stock::Index(one))), "Ready=True/Succeeded charts=1 changed=1 generation=1"),
            (
                3,
                1,
                Err(Error::Source(transient)),
                "Ready=False/FetchFailed Reconciling=True/ProgressingWithRetry charts=1 changed=1 generation=1",
            ),
            (
                4,
                2,
                Err(terminal),
                "Ready=False/AuthenticationFailed Stalled=True/AuthenticationFailed charts=1 changed=1 generation=2",
            ),
            (5, 3, Ok((asked, Stock::Index(other))), "Ready=True/Succeeded charts=0 changed=5 generation=3"),
            (
                6,
                4,
                Ok((registry, Stock::Registry { since: std::time::Instant::now(), suspended: false })),
                "Ready=True/Succeeded charts=-1 changed=-1 generation=4",
            ),
        ] {
            let repository = repository(generation, &[("pintle.dev/requestedAt", "t")]);
            status = status_of(status, &repository, &outcome, &at(second));
            assert_eq!(shown(&status), expected);
            assert_eq!(status.last_handled_reconcile_at.as_deref(), Some("t"));
        }
        assert_eq!(status.url.as_deref(), Some("oci://h/charts"));
    }

    #[test]
    fn a_summary_names_what_is_missing() {
        let text = "apiVersion: v1\nentries: {a: [{name: a, version: 1.0.0}, {name: a}]}";
        let text = summary(&Index::read(text.as_bytes(), "u").unwrap());
        let expected = "1 chart, 1 version; 1 not usable: entry 1 of chart \"a\" is left out: it has no version";
        assert!(text.ends_with(expected), "{text}");
    }
}
