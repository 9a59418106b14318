//! One hub of watches: one watch a kind, of the objects that carry an origin label.
//!
//! All releases share them, so that what waits for an object costs nothing while it waits. Kept in memory is what it takes
//! to notice that an object went away while nobody looked: its name, its version and whose it is. Watches are of metadata
//! only, but for the kinds that are waited for most: what changed of these comes along, so that nobody has to ask.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, TryStreamExt};
use kube::Api;
use kube::core::{DynamicObject, ObjectMeta, PartialObjectMeta};
use kube::runtime::watcher;
use tokio::sync::mpsc;

use super::client::{Cluster, jitter};
use super::discovery::Resource;
use super::drift::shape;
use super::object::ObjectId;
use super::ownership::{ORIGIN_NAME, Origin};

/// Changes that may wait for the receiver; when it is full, the watches wait too and nothing is lost.
const QUEUE: usize = 1024;

/// How long a kind is watched on although no object of it is there and nobody asked for it.
const IDLE: Duration = Duration::from_secs(600);

/// How often that is looked at.
const IDLE_CHECK: Duration = Duration::from_secs(60);

/// Longest pause after failures; a missing right is looked for less often than a lost connection.
const LONGEST: Duration = Duration::from_secs(30);
const LONGEST_DENIED: Duration = Duration::from_secs(60);

/// Kinds whose status tells how far they are, and which change often while they get there.
const TOLD_WHOLE: [(&str, &str); 4] =
    [("apps/v1", "Deployment"), ("apps/v1", "StatefulSet"), ("apps/v1", "DaemonSet"), ("batch/v1", "Job")];

/// Objects of these kinds that are listed at a time: they are large.
const WHOLE_PAGE: u32 = 100;

/// An object of a release changed or went away.
#[derive(Clone, Debug)]
pub struct Changed {
    /// The `HelmRelease` that the object comes from; `None` when the watches are not of labelled objects.
    pub release: Option<Origin>,
    /// The object.
    pub object: ObjectId,
    /// Its version now.
    pub resource_version: String,
    /// It is gone (or no longer labelled).
    pub deleted: bool,
    /// It was there when the watch began, which is no change. Also after a watch had to begin anew.
    pub initial: bool,
    /// Its metadata: `generation` and `managedFields` tell who changed what.
    pub meta: Arc<ObjectMeta>,
    /// All of it but `managedFields`, if the watch brought it.
    pub whole: Option<Arc<DynamicObject>>,
}

/// An object as a watch brings it.
struct Sighting {
    meta: ObjectMeta,
    /// The rest of it.
    whole: Option<DynamicObject>,
}

impl From<PartialObjectMeta<DynamicObject>> for Sighting {
    fn from(object: PartialObjectMeta<DynamicObject>) -> Self {
        Self { meta: object.metadata, whole: None }
    }
}

impl From<DynamicObject> for Sighting {
    fn from(mut object: DynamicObject) -> Self {
        let meta = object.metadata.clone();
        object.metadata.managed_fields = None;
        Self { meta, whole: Some(object) }
    }
}

/// The events of a watch, whatever it is of.
type Events = futures::stream::BoxStream<'static, watcher::Result<watcher::Event<Sighting>>>;

fn events<K>(watch: impl Stream<Item = watcher::Result<watcher::Event<K>>> + Send + 'static) -> Events
where
    K: Into<Sighting> + 'static,
{
    let sighted = |event: watcher::Event<K>| match event {
        watcher::Event::Apply(object) => watcher::Event::Apply(object.into()),
        watcher::Event::Delete(object) => watcher::Event::Delete(object.into()),
        watcher::Event::Init => watcher::Event::Init,
        watcher::Event::InitApply(object) => watcher::Event::InitApply(object.into()),
        watcher::Event::InitDone => watcher::Event::InitDone,
    };
    watch.map_ok(sighted).boxed()
}

/// Which objects to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Only in one namespace.
    pub namespace: Option<String>,
    /// Label selector.
    pub labels: String,
}

impl Default for Selection {
    /// Everything that carries an origin label, in all namespaces.
    fn default() -> Self {
        Self { namespace: None, labels: ORIGIN_NAME.to_owned() }
    }
}

/// How a watch is doing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WatchState {
    /// The first list is under way.
    Starting,
    /// Changes arrive.
    Live,
    /// The identity may not list or watch the kind: whoever waits for such objects has to ask.
    Denied(String),
    /// The server cannot be reached or refuses; it is tried again.
    Failing(String),
}

/// What the watches know of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// Its kind is not watched, or not listed yet.
    Unknown,
    /// It is not there, or not labelled.
    Absent,
    /// It is there.
    There {
        /// Its version.
        resource_version: String,
        /// Which of its fields are ours ([`shape`]).
        shape: Option<String>,
    },
}

/// The hub. Dropping it ends its watches.
pub struct Watches {
    hub: Arc<Hub>,
}

struct Hub {
    cluster: Arc<Cluster>,
    selection: Selection,
    /// The field manager whose fields are ours.
    manager: String,
    kinds: Mutex<BTreeMap<Kind, Watch>>,
    queue: mpsc::Sender<Changed>,
}

/// `apiVersion` and kind.
type Kind = (String, String);

struct Watch {
    resource: Resource,
    state: WatchState,
    asked: Instant,
    task: tokio::task::AbortHandle,
    known: Known,
}

/// What is remembered of an object.
struct Seen {
    resource_version: String,
    release: Option<Origin>,
    shape: Option<String>,
}

/// The objects of one kind: written by its watch, read by whoever asks.
type Known = Arc<Mutex<HashMap<Key, Seen>>>;

/// Namespace and name.
type Key = (Option<String>, String);

impl Watches {
    /// A hub without watches and the receiver of what it will see.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, selection: Selection, manager: &str) -> (Self, mpsc::Receiver<Changed>) {
        let (queue, changes) = mpsc::channel(QUEUE);
        let hub = Hub { cluster, selection, manager: manager.to_owned(), kinds: Mutex::default(), queue };
        (Self { hub: Arc::new(hub) }, changes)
    }

    /// Has a kind watched from now on, until no object of it is left. Objects that are there are reported as `initial`, so that
    /// nothing is missed between applying and watching. Call it again whenever a release uses the kind; it costs nothing.
    pub fn ensure(&self, resource: &Resource) {
        let kind = (resource.api.api_version.clone(), resource.api.kind.clone());
        let mut kinds = self.hub.lock();
        if let Some(watch) = kinds.get_mut(&kind)
            && !watch.task.is_finished()
        {
            watch.asked = Instant::now();
            return;
        }
        let known = Known::default();
        let task = tokio::spawn(follow(Arc::clone(&self.hub), resource.clone(), Arc::clone(&known))).abort_handle();
        let (resource, state, asked) = (resource.clone(), WatchState::Starting, Instant::now());
        kinds.insert(kind, Watch { resource, state, asked, task, known });
    }

    /// What is known of an object, without a request.
    #[must_use]
    pub fn sight(&self, object: &ObjectId) -> Sight {
        let kind = (object.api_version.clone(), object.kind.clone());
        let known = match self.hub.lock().get(&kind) {
            Some(watch) if watch.state == WatchState::Live => Arc::clone(&watch.known),
            _ => return Sight::Unknown,
        };
        let known = known.lock().unwrap_or_else(PoisonError::into_inner);
        match known.get(&(object.namespace.clone(), object.name.clone())) {
            Some(seen) => Sight::There { resource_version: seen.resource_version.clone(), shape: seen.shape.clone() },
            None => Sight::Absent,
        }
    }

    /// How the watch of a kind is doing; `None` if there is none.
    #[must_use]
    pub fn state(&self, api_version: &str, kind: &str) -> Option<WatchState> {
        self.hub.lock().get(&(api_version.to_owned(), kind.to_owned())).map(|watch| watch.state.clone())
    }

    /// All watched kinds and how their watches are doing.
    #[must_use]
    pub fn kinds(&self) -> Vec<(Resource, WatchState)> {
        self.hub.lock().values().map(|watch| (watch.resource.clone(), watch.state.clone())).collect()
    }
}

impl Drop for Watches {
    fn drop(&mut self) {
        for watch in self.hub.lock().values() {
            watch.task.abort();
        }
    }
}

impl Hub {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<Kind, Watch>> {
        self.kinds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn api<K>(&self, resource: &Resource) -> Api<K>
    where
        K: kube::Resource<DynamicType = kube::api::ApiResource, Scope = kube::core::DynamicResourceScope>,
    {
        let client = self.cluster.client.clone();
        match &self.selection.namespace {
            Some(namespace) if resource.namespaced => Api::namespaced_with(client, namespace, &resource.api),
            _ => Api::all_with(client, &resource.api),
        }
    }

    fn set_state(&self, kind: &Kind, state: WatchState) {
        if let Some(watch) = self.lock().get_mut(kind)
            && watch.state != state
        {
            if let WatchState::Denied(message) | WatchState::Failing(message) = &state {
                tracing::warn!(kind = %kind.1, api_version = %kind.0, %message, "objects of this kind cannot be watched");
            }
            watch.state = state;
        }
    }
}

/// Watches one kind until it is idle, the kind is gone or nobody listens.
async fn follow(hub: Arc<Hub>, resource: Resource, known: Known) {
    let kind = (resource.api.api_version.clone(), resource.api.kind.clone());
    let config = watcher::Config::default().labels(&hub.selection.labels).any_semantic();
    let whole = TOLD_WHOLE.contains(&(kind.0.as_str(), kind.1.as_str()));
    let mut events = if whole {
        events(watcher(hub.api::<DynamicObject>(&resource), config.page_size(WHOLE_PAGE)))
    } else {
        events(watcher(hub.api::<PartialObjectMeta<DynamicObject>>(&resource), config))
    };
    let mut index = Index { kind: kind.clone(), manager: hub.manager.clone(), known, listed: None };
    let mut idle = tokio::time::interval(IDLE_CHECK);
    let mut failures = 0_u32;
    loop {
        let event = tokio::select! {
            event = events.next() => event,
            _ = idle.tick() => {
                let mut kinds = hub.lock();
                if index.known().is_empty() && kinds.get(&kind).is_none_or(|watch| watch.asked.elapsed() > IDLE) {
                    kinds.remove(&kind);
                    return;
                }
                continue;
            }
        };
        let changes = match event {
            Some(Ok(event)) => {
                failures = 0;
                if matches!(event, watcher::Event::InitDone | watcher::Event::Apply(_) | watcher::Event::Delete(_)) {
                    hub.set_state(&kind, WatchState::Live);
                }
                index.take(event)
            }
            Some(Err(error)) => match trouble(&error) {
                Trouble::Gone => {
                    // The kind is no longer served: neither are its objects.
                    for change in index.end() {
                        if hub.queue.send(change).await.is_err() {
                            break;
                        }
                    }
                    hub.lock().remove(&kind);
                    return;
                }
                // Ordinary: the version that the watch stood at is too old, it lists anew.
                Trouble::Expired => Vec::new(),
                trouble => {
                    failures = failures.saturating_add(1);
                    let pause = Duration::from_millis(800).saturating_mul(1 << failures.min(7));
                    let (state, longest) = match trouble {
                        Trouble::Denied => (WatchState::Denied(error.to_string()), LONGEST_DENIED),
                        _ => (WatchState::Failing(error.to_string()), LONGEST),
                    };
                    // A watch that breaks once is resumed in silence.
                    if failures > 1 || matches!(state, WatchState::Denied(_)) {
                        hub.set_state(&kind, state);
                    }
                    tokio::time::sleep(jitter(pause.min(longest))).await;
                    Vec::new()
                }
            },
            None => return,
        };
        for change in changes {
            if hub.queue.send(change).await.is_err() {
                return;
            }
        }
    }
}

pub(super) enum Trouble {
    Gone,
    Expired,
    Denied,
    Passing,
}

pub(super) fn trouble(error: &watcher::Error) -> Trouble {
    let code = match error {
        watcher::Error::InitialListFailed(kube::Error::Api(status))
        | watcher::Error::WatchStartFailed(kube::Error::Api(status))
        | watcher::Error::WatchFailed(kube::Error::Api(status))
        | watcher::Error::WatchError(status) => status.code,
        _ => return Trouble::Passing,
    };
    match code {
        // 405: the kind cannot be listed or watched at all.
        404 | 405 => Trouble::Gone,
        410 => Trouble::Expired,
        401 | 403 => Trouble::Denied,
        _ => Trouble::Passing,
    }
}

/// What is known of the objects of one kind; turns a watch's events into changes.
struct Index {
    kind: Kind,
    manager: String,
    known: Known,
    /// While a list is under way: what it has named so far.
    listed: Option<HashSet<Key>>,
}

impl Index {
    fn known(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Seen>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&mut self, event: watcher::Event<Sighting>) -> Vec<Changed> {
        match event {
            watcher::Event::Init => {
                self.listed = Some(HashSet::new());
                Vec::new()
            }
            watcher::Event::InitApply(object) => {
                if let Some(listed) = &mut self.listed {
                    listed.insert(key(&object.meta));
                }
                // What is listed is much at a time, and nobody may be waiting for it.
                self.seen(object.meta, None, true)
            }
            watcher::Event::InitDone => {
                // What was known and is not listed went away while nobody looked.
                let Some(listed) = self.listed.take() else { return Vec::new() };
                let mut lost: Vec<_> = self.known().keys().filter(|key| !listed.contains(*key)).cloned().collect();
                lost.sort_unstable();
                lost.into_iter().filter_map(|key| self.lost(key)).collect()
            }
            watcher::Event::Apply(object) => self.seen(object.meta, object.whole, false),
            watcher::Event::Delete(object) => {
                let known = self.known().remove(&key(&object.meta));
                let release = known.and_then(|known| known.release).or_else(|| Origin::of(&object.meta));
                vec![self.changed(object.meta, release, true, false)]
            }
        }
    }

    fn seen(&mut self, meta: ObjectMeta, whole: Option<DynamicObject>, initial: bool) -> Vec<Changed> {
        let release = Origin::of(&meta);
        let resource_version = meta.resource_version.clone().unwrap_or_default();
        let shape = shape(&meta, &self.manager);
        let seen = Seen { resource_version: resource_version.clone(), release: release.clone(), shape };
        let before = self.known().insert(key(&meta), seen);
        match before {
            // Listed anew and as it was.
            Some(before) if before.resource_version == resource_version => Vec::new(),
            before => {
                // Known and different: it changed while the watch was broken.
                let mut change = self.changed(meta, release, false, initial && before.is_none());
                change.whole = whole.map(Arc::new);
                vec![change]
            }
        }
    }

    fn lost(&mut self, key: Key) -> Option<Changed> {
        let seen = self.known().remove(&key)?;
        let (namespace, name) = key;
        let meta = ObjectMeta {
            namespace,
            name: Some(name),
            resource_version: Some(seen.resource_version),
            ..ObjectMeta::default()
        };
        Some(self.changed(meta, seen.release, true, false))
    }

    fn end(&mut self) -> Vec<Changed> {
        let mut keys: Vec<_> = self.known().keys().cloned().collect();
        keys.sort_unstable();
        keys.into_iter().filter_map(|key| self.lost(key)).collect()
    }

    fn changed(&self, meta: ObjectMeta, release: Option<Origin>, deleted: bool, initial: bool) -> Changed {
        let (api_version, kind) = self.kind.clone();
        let (namespace, name) = key(&meta);
        Changed {
            release,
            object: ObjectId { api_version, kind, namespace, name },
            resource_version: meta.resource_version.clone().unwrap_or_default(),
            deleted,
            initial,
            meta: Arc::new(meta),
            whole: None,
        }
    }
}

fn key(meta: &ObjectMeta) -> Key {
    (meta.namespace.clone(), meta.name.clone().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;
    use watcher::Event;

    fn object(name: &str, version: &str) -> Sighting {
        let object: PartialObjectMeta<DynamicObject> =
            serde_json::from_value(json!({"metadata": {"name": name, "namespace": "shop", "resourceVersion": version,
            "labels": {"pintle.dev/name": "web", "pintle.dev/namespace": "apps"}}}))
            .unwrap();
        object.into()
    }

    fn check(events: Vec<Event<Sighting>>, expect: &[&str]) {
        let mut index = Index {
            kind: ("v1".into(), "Secret".into()),
            manager: "helm".into(),
            known: Known::default(),
            listed: None,
        };
        let changes: Vec<_> = events.into_iter().flat_map(|event| index.take(event)).collect();
        for change in &changes {
            assert_eq!(change.release, Some(Origin::new("apps", "web")));
        }
        let said: Vec<_> = changes
            .iter()
            .map(|change| {
                let mark = if change.deleted {
                    "-"
                } else if change.initial {
                    "?"
                } else {
                    "+"
                };
                format!("{mark}{}@{}", change.object, change.resource_version)
            })
            .collect();
        assert_eq!(said, expect);
    }

    #[test]
    fn lists_and_changes_become_changes() {
        let first = || {
            vec![Event::Init, Event::InitApply(object("a", "1")), Event::InitApply(object("b", "2")), Event::InitDone]
        };
        let with = |more: Vec<Event<_>>| first().into_iter().chain(more).collect::<Vec<_>>();
        let start = ["?Secret shop/a@1", "?Secret shop/b@2"];
        check(first(), &start);
        check(with(vec![Event::Apply(object("a", "3"))]), &[start[0], start[1], "+Secret shop/a@3"]);
        check(with(vec![Event::Delete(object("a", "4"))]), &[start[0], start[1], "-Secret shop/a@4"]);
        // Listed anew: the same is no change, a different version is one, what is missing is gone, what is new is initial.
        check(with(first()), &start);
        let anew =
            vec![Event::Init, Event::InitApply(object("b", "5")), Event::InitApply(object("c", "6")), Event::InitDone];
        check(with(anew), &[start[0], start[1], "+Secret shop/b@5", "?Secret shop/c@6", "-Secret shop/a@1"]);
    }

    #[test]
    fn a_list_that_breaks_off_loses_nothing() {
        let events = vec![
            Event::Init,
            Event::InitApply(object("a", "1")),
            Event::InitDone,
            Event::Init,
            Event::Init,
            Event::InitApply(object("a", "1")),
            Event::InitDone,
        ];
        check(events, &["?Secret shop/a@1"]);
    }
}
