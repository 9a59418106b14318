//! Watches of single objects, by name: of what releases wait for and did not put there themselves.
//!
//! Metadata only, as the operator; whoever waits reads the object by its own rights. All who wait for an object share its
//! watch, and it ends with the last of them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, pin_mut};
use kube::Api;
use kube::core::{DynamicObject, PartialObjectMeta};
use kube::runtime::watcher;
use tokio::sync::mpsc;

use super::client::{Cluster, jitter};
use super::discovery::Resource;
use super::object::ObjectId;
use super::watch::{Trouble, trouble};

/// Changes that may wait for the receiver; when it is full, the watches wait too and nothing is lost.
const QUEUE: usize = 256;
/// Objects that are watched at most: each is a connection.
const MOST: usize = 512;
/// Longest pause after failures.
const LONGEST: Duration = Duration::from_secs(60);

/// The watches. Dropping this ends them.
pub struct Lookouts {
    inner: Arc<Inner>,
}

struct Inner {
    cluster: Arc<Cluster>,
    watched: Mutex<BTreeMap<ObjectId, Lookout>>,
    queue: mpsc::Sender<ObjectId>,
}

struct Lookout {
    /// Whether changes arrive, as far as is known.
    works: bool,
    task: tokio::task::AbortHandle,
}

impl Lookouts {
    /// No watches yet, and the receiver of the names of objects that changed.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>) -> (Self, mpsc::Receiver<ObjectId>) {
        let (queue, changes) = mpsc::channel(QUEUE);
        (Self { inner: Arc::new(Inner { cluster, watched: Mutex::default(), queue }) }, changes)
    }

    /// Has an object watched from now on; whether that works, so that nobody has to ask again before it changes. Call it before
    /// reading the object, so that nothing is missed in between. It may be absent.
    #[must_use]
    pub fn watch(&self, resource: &Resource, object: &ObjectId) -> bool {
        let mut watched = self.inner.lock();
        if let Some(lookout) = watched.get(object).filter(|lookout| !lookout.task.is_finished()) {
            return lookout.works;
        }
        // In a selector these would say something else.
        if watched.len() >= MOST || object.name.contains([',', '=', '!', '\\']) {
            return false;
        }
        let task = tokio::spawn(follow(Arc::clone(&self.inner), resource.clone(), object.clone())).abort_handle();
        watched.insert(object.clone(), Lookout { works: true, task });
        true
    }

    /// Ends the watch of an object that nobody waits for any more.
    pub fn end(&self, object: &ObjectId) {
        if let Some(lookout) = self.inner.lock().remove(object) {
            lookout.task.abort();
        }
    }
}

impl Drop for Lookouts {
    fn drop(&mut self) {
        for lookout in self.inner.lock().values() {
            lookout.task.abort();
        }
    }
}

impl Inner {
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<ObjectId, Lookout>> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_works(&self, object: &ObjectId, works: bool) {
        if let Some(lookout) = self.lock().get_mut(object) {
            lookout.works = works;
        }
    }
}

/// Watches one object until its kind is gone or nobody listens.
async fn follow(inner: Arc<Inner>, resource: Resource, object: ObjectId) {
    let client = inner.cluster.client.clone();
    let api: Api<PartialObjectMeta<DynamicObject>> = match &object.namespace {
        Some(namespace) if resource.namespaced => Api::namespaced_with(client, namespace, &resource.api),
        _ => Api::all_with(client, &resource.api),
    };
    let config = watcher::Config::default().fields(&format!("metadata.name={}", object.name)).any_semantic();
    let events = watcher(api, config);
    pin_mut!(events);
    let mut failures = 0_u32;
    while let Some(event) = events.next().await {
        let changed = match event {
            Ok(event) => {
                failures = 0;
                inner.set_works(&object, true);
                // A list that was begun anew tells of a deletion by saying nothing.
                !matches!(event, watcher::Event::Init)
            }
            Err(error) => match trouble(&error) {
                Trouble::Expired => false,
                Trouble::Gone => {
                    inner.set_works(&object, false);
                    // Whoever waits finds out that the kind is gone, and has it watched again when it is back.
                    let _ = inner.queue.send(object).await;
                    return;
                }
                Trouble::Denied | Trouble::Passing => {
                    failures = failures.saturating_add(1);
                    // A watch that breaks once is resumed in silence.
                    if failures > 1 {
                        inner.set_works(&object, false);
                    }
                    let pause = Duration::from_millis(800).saturating_mul(1 << failures.min(7));
                    tokio::time::sleep(jitter(pause.min(LONGEST))).await;
                    false
                }
            },
        };
        if changed && inner.queue.send(object.clone()).await.is_err() {
            return;
        }
    }
}
