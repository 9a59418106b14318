//! What wakes a release besides its own object: its objects, its records, the sources of its values, its repository, its
//! dependencies. Each is a watch; nothing is polled.

use super::{
    artifact,
    context::Context,
    dependencies,
    live::{Elsewhere, Key},
};
use crate::{
    cluster::{Changed, ObjectId},
    crd::{HelmRelease, HelmRepository, conditions},
    release::Driver,
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
/// on.
pub fn release_changed(ctx: &Context, changed: &HelmRelease) {
    let ready = changed.status.as_ref().is_some_and(|s| {
        s.observed_generation == changed.metadata.generation && conditions::is_true(&s.conditions, conditions::READY)
    });
    let about = Key::of(changed);
    for release in ctx.releases.state() {
        let own = release.namespace().unwrap_or_default();
        let depends = release.spec.depends_on.iter().any(|d| {
            let meant = dependencies::helm_release(d, &own).as_ref() == Some(&about);
            meant && (ready || d.ready_expr.is_some())
        });
        let key = Key { namespace: own, name: release.name_any() };
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
                signals.changed.insert(change.object);
            });
            ctx.alarm.wake(&key);
        }
    }
}

/// Secrets: records of releases, and sources of values.
pub async fn secrets(ctx: Arc<Context>, client: Client) {
    let api = Api::<PartialObjectMeta<Secret>>::all(client);
    let tell = |secret: &PartialObjectMeta<Secret>, gone| changed(secret, "Secret", gone, &ctx);
    follow(api, "Secret", watcher::Config::default(), tell, || listed("Secret", &ctx)).await;
}

/// ConfigMaps: sources of values, and records of releases if they are kept there.
pub async fn config_maps(ctx: Arc<Context>, client: Client) {
    let api = Api::<PartialObjectMeta<ConfigMap>>::all(client);
    let tell = |map: &PartialObjectMeta<ConfigMap>, gone| changed(map, "ConfigMap", gone, &ctx);
    follow(api, "ConfigMap", watcher::Config::default(), tell, || listed("ConfigMap", &ctx)).await;
}

/// Records in another cluster.
pub async fn remote_records(ctx: Arc<Context>, client: Client, home: String) {
    let config = watcher::Config::default().labels(&format!("{}={}", RECORD_OWNER.0, RECORD_OWNER.1));
    match ctx.settings.driver {
        Driver::Secret => {
            let api = Api::<PartialObjectMeta<Secret>>::all(client);
            follow(api, "Secret", config, |record, gone| record_changed(record, gone, &home, &ctx), || {}).await;
        }
        Driver::ConfigMap => {
            let api = Api::<PartialObjectMeta<ConfigMap>>::all(client);
            follow(api, "ConfigMap", config, |record, gone| record_changed(record, gone, &home, &ctx), || {}).await;
        }
    }
}

async fn follow<K>(
    api: Api<PartialObjectMeta<K>>,
    kind: &'static str,
    config: watcher::Config,
    changed: impl Fn(&PartialObjectMeta<K>, bool),
    listed: impl Fn(),
) where
    K: Clone + std::fmt::Debug + Send + 'static,
    PartialObjectMeta<K>: Resource<DynamicType = ()> + serde::de::DeserializeOwned,
{
    let mut events = std::pin::pin!(watcher(api, config.any_semantic()).default_backoff());
    loop {
        let (object, gone) = match events.try_next().await {
            Ok(Some(watcher::Event::Apply(object) | watcher::Event::InitApply(object))) => (object, false),
            Ok(Some(watcher::Event::Delete(object))) => (object, true),
            Ok(Some(watcher::Event::Init)) => continue,
            Ok(Some(watcher::Event::InitDone)) => {
                listed();
                continue;
            }
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(kind, %error, "watch failed, tried again");
                continue;
            }
        };
        changed(&object, gone);
    }
}

/// A record, or what looks like one, of the cluster that is called `home`.
fn record_changed(object: &impl ResourceExt, gone: bool, home: &str, ctx: &Context) {
    let labels = object.labels();
    if labels.get(RECORD_OWNER.0).is_some_and(|owner| owner == RECORD_OWNER.1)
        && let Some(release) = labels.get("name")
        && let Some(key) = ctx.live.by_record(home, &object.namespace().unwrap_or_default(), release)
        && let Some(cell) = ctx.live.existing(&key)
    {
        cell.signal(|signals| {
            signals.records.insert(object.name_any(), (object.resource_version().unwrap_or_default(), gone));
        });
        ctx.alarm.wake(&key);
    }
}

/// Everything of a kind was told of.
fn listed(kind: &'static str, ctx: &Context) {
    ctx.live.listed_elsewhere(kind);
}

fn changed(object: &impl ResourceExt, kind: &'static str, gone: bool, ctx: &Context) {
    let own = kind == ctx.settings.driver.kind();
    if own {
        record_changed(object, gone, "", ctx);
    }
    let of = |(key, owner): (&str, &str), name: &str| {
        object.labels().get(key).filter(|is| *is == owner).and_then(|_| object.labels().get(name))
    };
    if let Some(release) = of(RECORD_OWNER, "name").filter(|_| !own).or_else(|| of(TILLERS, "NAME")) {
        let namespace = object.namespace().unwrap_or_default();
        let record = Elsewhere { namespace, release: release.clone(), object: object.name_any() };
        ctx.live.note_elsewhere(record, gone);
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
