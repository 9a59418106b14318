//! What wakes a release besides its own object: its objects, its records, the sources of its values, its repository, its
//! dependencies. Each is a watch; nothing is polled.

use super::{
    artifact,
    context::Context,
    dependencies,
    live::Key,
    recorded::{Elsewhere, Trace},
};
use crate::{
    action::cursor::ANNOTATION,
    cluster::{Changed, ObjectId},
    crd::{HelmRelease, HelmRepository, conditions},
    release::{Driver, Status},
};
use futures::{
    TryStreamExt,
    channel::mpsc::{UnboundedReceiver, UnboundedSender, unbounded},
};
use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::{
    Api, Client, Resource, ResourceExt,
    core::PartialObjectMeta,
    runtime::{
        WatchStreamExt,
        reflector::ObjectRef,
        watcher::{self, watcher},
    },
};
use std::sync::Arc;
use tokio::sync::mpsc;

/// The label by which Helm finds its records.
const RECORD_OWNER: (&str, &str) = ("owner", "helm");

/// The label by which Tiller finds its own.
const TILLERS: (&str, &str) = ("OWNER", "TILLER");

/// Wakes objects of a kind. The controller takes each once, however often it was woken.
pub struct Alarm<K: Resource<DynamicType = ()>> {
    queue: UnboundedSender<ObjectRef<K>>,
}

/// Clones share the queue.
impl<K: Resource<DynamicType = ()>> Clone for Alarm<K> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone() }
    }
}

impl<K: Resource<DynamicType = ()>> Alarm<K> {
    /// An alarm and the stream that the controller listens to.
    pub fn new() -> (Self, UnboundedReceiver<ObjectRef<K>>) {
        let (queue, woken) = unbounded();
        (Self { queue }, woken)
    }

    /// Wakes an object.
    pub fn wake(&self, key: &Key) {
        // The receiver is gone only when the process ends.
        let _ = self.queue.unbounded_send(ObjectRef::new(&key.name).within(&key.namespace));
    }
}

/// A repository has a new index: its releases look at it.
pub fn repository_listed(ctx: &Context, repository: &Key) {
    for release in ctx.releases.state() {
        let Some(chart) = &release.spec.chart else { continue };
        let source = &chart.spec.source_ref;
        let own = release.namespace().unwrap_or_default();
        if source.name == repository.name && source.namespace.as_deref().unwrap_or(&own) == repository.namespace {
            ctx.alarm.wake(&Key { namespace: own, name: release.name_any() });
        }
    }
}

/// A repository's own status changed: releases that wait for it say why.
pub fn repository_changed(ctx: &Context, repository: &HelmRepository) {
    let key = Key::of(repository);
    repository_listed(ctx, &key);
}

/// A release became ready, or changed in a way that may matter to a condition: those that depend on it and are not ready go
/// on. A render of its own for a generation that is past, which would hold its reconcile for as long as it takes, ends.
pub fn release_changed(ctx: &Context, changed: &HelmRelease) {
    let ready = changed.status.as_ref().is_some_and(|s| {
        s.observed_generation == changed.metadata.generation && conditions::is_true(&s.conditions, conditions::READY)
    });
    let about = Key::of(changed);
    if let Some(cell) = ctx.live.existing(&about) {
        let deleted = changed.metadata.deletion_timestamp.is_some();
        cell.supersede(changed.metadata.generation.unwrap_or_default(), deleted);
        // A reconcile that is under way looks by itself.
        if let Ok(mut live) = cell.live.try_lock() {
            live.status.take_if(|written| written.is_in(changed));
        }
    }
    let exists = ctx.releases.get(&ObjectRef::from_obj(changed)).is_some();
    let awaits = changed.spec.depends_on.iter().filter(|_| exists);
    let awaits = awaits.filter_map(|d| dependencies::helm_release(d, &about.namespace)).collect();
    for key in ctx.live.stands(&about, awaits, exists && dependencies::is_in_cycle(changed)) {
        let Some(release) = ctx.releases.get(&ObjectRef::new(&key.name).within(&key.namespace)) else { continue };
        let own = key.namespace.clone();
        let depends = release.spec.depends_on.iter().any(|d| {
            let meant = dependencies::helm_release(d, &own).as_ref() == Some(&about);
            meant && (ready || d.ready_expr.is_some())
        });
        // Whoever waits for itself by way of this one looks whether that is still so.
        if (depends && waits(&release)) || dependencies::is_in_cycle_with(&release, &about) {
            ctx.alarm.wake(&key);
        }
    }
    // A cycle is told of in all its members, those that are ready included.
    for member in dependencies::cycle_of(ctx, &about).unwrap_or_default() {
        if member != about {
            ctx.alarm.wake(&member);
        }
    }
}

/// Objects that releases depend on changed: those that wait go on, and those whose chart comes from there; the others look at
/// it when they are next reconciled.
pub async fn dependencies(ctx: Arc<Context>, mut changes: mpsc::Receiver<ObjectId>) {
    while let Some(object) = changes.recv().await {
        for key in ctx.live.by_dependency(&object) {
            if let Some(cell) = ctx.live.existing(&key) {
                cell.signal(|signals| {
                    signals.dependencies.insert(object.clone());
                });
            }
            let release = ctx.releases.get(&ObjectRef::new(&key.name).within(&key.namespace));
            if release.is_some_and(|release| waits(&release) || artifact::is_of(&release, &object)) {
                ctx.alarm.wake(&key);
            }
        }
    }
}

/// Whether a release is not ready, for whatever reason.
fn waits(release: &HelmRelease) -> bool {
    release.status.as_ref().is_none_or(|s| !conditions::is_true(&s.conditions, conditions::READY))
}

/// Objects of releases changed.
pub async fn objects(ctx: Arc<Context>, mut changes: mpsc::Receiver<Changed>) {
    while let Some(change) = changes.recv().await {
        let Some(key) = change.release.and_then(|origin| ctx.live.by_origin(&origin)) else { continue };
        if let Some(cell) = ctx.live.existing(&key) {
            cell.signal(|signals| {
                if change.deleted {
                    signals.gone.insert(change.object.clone());
                }
                signals.changed.insert(change.object, change.whole);
            });
            ctx.alarm.wake(&key);
        }
    }
}

/// Secrets: records of releases, and sources of values.
pub async fn secrets(ctx: Arc<Context>, client: Client) {
    let api = Api::<PartialObjectMeta<Secret>>::all(client);
    let tell = |secret: &PartialObjectMeta<Secret>, told| changed(secret, "Secret", told, &ctx);
    follow(api, "Secret", watcher::Config::default(), tell, |done| listing("Secret", done, &ctx)).await;
}

/// ConfigMaps: sources of values, and records of releases if they are kept there.
pub async fn config_maps(ctx: Arc<Context>, client: Client) {
    let api = Api::<PartialObjectMeta<ConfigMap>>::all(client);
    let tell = |map: &PartialObjectMeta<ConfigMap>, told| changed(map, "ConfigMap", told, &ctx);
    follow(api, "ConfigMap", watcher::Config::default(), tell, |done| listing("ConfigMap", done, &ctx)).await;
}

/// Records in another cluster.
pub async fn remote_records(ctx: Arc<Context>, client: Client, home: String) {
    let config = watcher::Config::default().labels(&format!("{}={}", RECORD_OWNER.0, RECORD_OWNER.1));
    match ctx.settings.driver {
        Driver::Secret => {
            let api = Api::<PartialObjectMeta<Secret>>::all(client);
            follow(api, "Secret", config, |record, told| record_changed(record, told, &home, &ctx), |_| {}).await;
        }
        Driver::ConfigMap => {
            let api = Api::<PartialObjectMeta<ConfigMap>>::all(client);
            follow(api, "ConfigMap", config, |record, told| record_changed(record, told, &home, &ctx), |_| {}).await;
        }
    }
}

async fn follow<K>(
    api: Api<PartialObjectMeta<K>>,
    kind: &'static str,
    config: watcher::Config,
    changed: impl Fn(&PartialObjectMeta<K>, Told),
    listing: impl Fn(bool),
) where
    K: Clone + std::fmt::Debug + Send + 'static,
    PartialObjectMeta<K>: Resource<DynamicType = ()> + serde::de::DeserializeOwned,
{
    let mut events = std::pin::pin!(watcher(api, config.any_semantic()).default_backoff());
    loop {
        let (object, told) = match events.try_next().await {
            Ok(Some(watcher::Event::Apply(object))) => (object, Told::Changed),
            Ok(Some(watcher::Event::InitApply(object))) => (object, Told::Listed),
            Ok(Some(watcher::Event::Delete(object))) => (object, Told::Gone),
            Ok(Some(watcher::Event::Init)) => {
                listing(false);
                continue;
            }
            Ok(Some(watcher::Event::InitDone)) => {
                listing(true);
                continue;
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(kind, %error, "watch failed, tried again");
                continue;
            }
        };
        changed(&object, told);
    }
}

/// What a watch says of an object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    /// It is there, as all that are listed when a watch begins.
    Listed,
    Changed,
    Gone,
}

/// A record, or what looks like one, of the cluster that is called `home`.
fn record_changed(object: &impl ResourceExt, told: Told, home: &str, ctx: &Context) {
    let labels = object.labels();
    let is_record = labels.get(RECORD_OWNER.0).is_some_and(|owner| owner == RECORD_OWNER.1);
    let Some(release) = labels.get("name").filter(|_| is_record) else { return };
    let namespace = object.namespace().unwrap_or_default();
    let resource_version = object.resource_version().unwrap_or_default();
    if home.is_empty()
        && let Some(revision) = labels.get("version").and_then(|version| version.parse().ok())
    {
        let recorded = &ctx.live.recorded;
        if told == Told::Gone {
            recorded.is_gone(&namespace, release, revision);
        } else {
            let cursor = object.annotations().get(ANNOTATION).filter(|_| told == Told::Listed);
            let trace = Trace {
                revision,
                status: Status::from_word(labels.get("status").map_or("", String::as_str)),
                resource_version: resource_version.clone(),
                cursor: cursor.map(|text| text.as_str().into()),
            };
            recorded.is_there(&namespace, release, trace);
        }
    }
    if let Some(key) = ctx.live.by_record(home, &namespace, release)
        && let Some(cell) = ctx.live.existing(&key)
    {
        cell.signal(|signals| {
            signals.records.insert(object.name_any(), (resource_version, told == Told::Gone));
        });
        ctx.alarm.wake(&key);
    }
}

/// Everything of a kind is being told of, or was.
fn listing(kind: &'static str, done: bool, ctx: &Context) {
    if done {
        ctx.live.recorded.listed(kind);
    } else {
        ctx.live.recorded.begins(kind, kind == ctx.settings.driver.kind());
    }
}

fn changed(object: &impl ResourceExt, kind: &'static str, told: Told, ctx: &Context) {
    let gone = told == Told::Gone;
    let own = kind == ctx.settings.driver.kind();
    if own {
        record_changed(object, told, "", ctx);
    }
    let of = |(key, owner): (&str, &str), name: &str| {
        object.labels().get(key).filter(|is| *is == owner).and_then(|_| object.labels().get(name))
    };
    if let Some(release) = of(RECORD_OWNER, "name").filter(|_| !own).or_else(|| of(TILLERS, "NAME")) {
        let namespace = object.namespace().unwrap_or_default();
        let record = Elsewhere { namespace, release: release.clone(), object: object.name_any() };
        ctx.live.recorded.note_elsewhere(record, gone);
    }
    let namespace = object.namespace().unwrap_or_default();
    let name = object.name_any();
    let version = object.resource_version().unwrap_or_default();
    for key in ctx.live.by_values(kind, &namespace, &name, if gone { "" } else { &version }) {
        if let Some(cell) = ctx.live.existing(&key) {
            cell.signal(|signals| signals.values = true);
            ctx.alarm.wake(&key);
        }
    }
}
