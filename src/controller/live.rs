//! What the operator remembers of a release between two reconciles. All of it can be read anew from the API server; it is
//! here so that an unchanged release costs no request, and a waiting one only those that its objects' changes call for.

use super::{
    artifact::Provider,
    dependencies::{Dependencies, Dependents},
    drift::Watchfulness,
    plan::Revision,
    policy::Place,
    recorded::Recorded,
    remote::Remote,
};
use crate::crd::{HelmRelease, HelmReleaseStatus};
use crate::{
    action::{Changes, Operation, Waiting},
    cluster::{
        ObjectId, compare_versions,
        ownership::{Origin, label_value},
    },
    source::Keys,
};
use jiff::Timestamp;
use kube::ResourceExt;
use std::{
    cmp::Ordering,
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{self, AtomicBool},
    },
    time::Instant,
};

/// A HelmRelease's namespace and name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Key {
    /// An object's.
    pub fn of(object: &impl ResourceExt) -> Self {
        Self { namespace: object.namespace().unwrap_or_default(), name: object.name_any() }
    }
}

/// What watches have told since the last reconcile.
#[derive(Debug, Default)]
pub struct Signals {
    /// Objects of the release that changed.
    pub changed: Changes,
    /// Those of them that are gone.
    pub gone: BTreeSet<ObjectId>,
    /// Records of the release that were written, not necessarily by us: by name the resourceVersion, and whether it is gone.
    pub records: HashMap<String, (String, bool)>,
    /// A ConfigMap or Secret that it takes values, keys or credentials from changed.
    pub values: bool,
    /// Objects that it depends on, or has its chart from, and that changed.
    pub dependencies: BTreeSet<ObjectId>,
}

/// A revision, as far as status and planner need it.
#[derive(Debug, Clone)]
pub struct Summary {
    /// For the planner.
    pub revision: Revision,
    /// For the status.
    pub chart_name: String,
    /// For the status.
    pub chart_version: String,
    /// For the status.
    pub app_version: String,
    /// When the release was first deployed.
    pub first_deployed: Option<Timestamp>,
    /// When this revision was deployed.
    pub last_deployed: Option<Timestamp>,
    /// When it was uninstalled.
    pub deleted: Option<Timestamp>,
    /// The record's description.
    pub description: String,
    /// Digest of chart, values and manifest.
    pub digest: String,
    /// Digest of the values.
    pub config_digest: String,
    /// Its test hooks: name, started, completed, phase.
    pub tests: Vec<(String, Option<Timestamp>, Option<Timestamp>, String)>,
    /// resourceVersion of the record that was read or written.
    pub resource_version: String,
}

impl Summary {
    /// Whether the operation that made it was given up for another goal, which counts as no failure.
    pub fn was_interrupted(&self) -> bool {
        self.description.contains("interrupted")
    }
}

/// The values of a generation, and what they were made of.
#[derive(Debug, Clone)]
pub struct Composed {
    /// The generation.
    pub generation: i64,
    /// Their digest.
    pub digest: String,
    /// The values.
    pub values: Arc<serde_json::Value>,
}

/// A failed revision whose objects may become ready by themselves.
pub struct Late {
    /// The revision.
    pub version: u32,
    /// What is not ready.
    pub waiting: Waiting,
    /// What changed since the last look.
    pub changed: Changes,
}

/// A status that was written.
pub struct Written {
    /// What it says.
    pub status: serde_json::Value,
    /// The version of the HelmRelease that has it.
    pub resource_version: Option<String>,
}

impl Written {
    /// Whether a HelmRelease of this version has it.
    pub fn is_in(&self, release: &HelmRelease) -> bool {
        let versions = self.resource_version.as_deref().zip(release.metadata.resource_version.as_deref());
        versions.and_then(|(written, seen)| compare_versions(seen, written)).is_some_and(Ordering::is_ge)
    }
}

/// What one reconcile leaves for the next.
#[derive(Default)]
pub struct Live {
    /// Nobody else has worked on the release since this was known.
    pub is_current: bool,
    /// The operation under way.
    pub operation: Option<Operation>,
    /// Where the release is that all of this is about.
    pub place: Option<Place>,
    /// The recorded revisions, newest first; nothing if they have to be read.
    pub history: Option<Vec<Summary>>,
    /// The history is what watches and the status of the HelmRelease tell. It is enough to see that nothing is to be done.
    pub glimpsed: bool,
    /// A write came too late: what watches tell may be old.
    pub unsure: bool,
    /// The highest revision whose record could not be read when they were; 0 if all could.
    pub taken: u32,
    /// The values.
    pub composed: Option<Composed>,
    /// The keys by which the chart must be signed, and the generation that names them.
    pub keys: Option<(i64, Keys)>,
    /// Consecutive errors, for the backoff.
    pub errors: u32,
    /// The last Event, so that it is not said twice.
    pub said: Option<(String, String)>,
    /// Asked for by annotation and not done yet.
    pub forced: bool,
    /// Failures were forgotten on request in this reconcile.
    pub reset: bool,
    /// The status as it was last written, so that it is written only if it changes; nothing once the watch has brought it back.
    pub status: Option<Written>,
    /// What is to be written next, if that was put off or failed.
    pub unwritten: Option<HelmReleaseStatus>,
    /// When an operation began or its status was written: while it waits, it is not told of again at once.
    pub told: Option<Instant>,
    /// What a revision that failed for its objects' sake still lacks, and which of these changed since the last look.
    pub late: Option<Late>,
    /// Objects of the deployed revision, for the inventory.
    pub inventory: Option<(u32, Vec<ObjectId>)>,
    /// Changes by others to those objects.
    pub drift: Watchfulness,
    /// What it depends on, besides other releases, as it was last seen.
    pub dependencies: Dependencies,
    /// The object that its chart comes from, as it was last seen.
    pub provider: Provider,
    /// When somebody last asked for a look by annotation.
    pub requested: Option<Instant>,
    /// When the registry that the chart comes from is to be asked again: no watch tells.
    pub registry: Option<Instant>,
    /// Why that registry could not be asked, to be told; what it said before holds on.
    pub outage: Option<(&'static str, String)>,
    /// The cluster that the release goes to if it is another than the operator's, and the generation that names it.
    pub remote: Option<(i64, Arc<Remote>)>,
}

impl Live {
    /// Forgets what is known of the release, but not of the HelmRelease.
    pub fn forget_release(&mut self) {
        self.history = None;
        self.operation = None;
        self.late = None;
        self.inventory = None;
        self.drift = Watchfulness::default();
    }
}

/// One release's place.
#[derive(Default)]
pub struct Cell {
    signals: Mutex<Signals>,
    /// The render under way: the generation it is for, and what cancels it.
    render: Mutex<Option<(i64, Arc<AtomicBool>)>>,
    /// Held by the release's reconcile.
    pub live: tokio::sync::Mutex<Live>,
}

impl Cell {
    /// Leaves a signal for the next reconcile.
    pub fn signal(&self, leave: impl FnOnce(&mut Signals)) {
        // A panic elsewhere does not spoil what is only a set of marks.
        leave(&mut self.signals.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Takes all signals.
    pub fn take(&self) -> Signals {
        std::mem::take(&mut self.signals.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn render(&self) -> std::sync::MutexGuard<'_, Option<(i64, Arc<AtomicBool>)>> {
        self.render.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins a render for a generation. A change that came before this was in the store by then: look there.
    pub fn begin_render(&self, generation: i64) -> Render<'_> {
        let cancel = Arc::new(AtomicBool::new(false));
        *self.render() = Some((generation, cancel.clone()));
        Render { cell: self, cancel }
    }

    /// The HelmRelease has this generation, or is to be deleted: a render for an earlier one is cancelled.
    pub fn supersede(&self, generation: i64, deleted: bool) {
        if let Some((of, cancel)) = &*self.render()
            && (deleted || generation > *of)
        {
            cancel.store(true, atomic::Ordering::Relaxed);
        }
    }
}

/// A render under way. Nobody waits for one that is dropped, so that it ends too.
pub struct Render<'a> {
    cell: &'a Cell,
    cancel: Arc<AtomicBool>,
}

impl Render<'_> {
    /// What the engine looks at.
    pub fn flag(&self) -> Arc<AtomicBool> {
        self.cancel.clone()
    }

    /// Whether what it makes is wanted no more.
    pub fn is_cancelled(&self) -> bool {
        self.cancel.load(atomic::Ordering::Relaxed)
    }
}

impl Drop for Render<'_> {
    fn drop(&mut self) {
        self.cancel.store(true, atomic::Ordering::Relaxed);
        *self.cell.render() = None;
    }
}

/// All releases' places, and who is found by what.
#[derive(Default)]
pub struct Releases {
    inner: Mutex<Inner>,
    /// Which records there are.
    pub recorded: Recorded,
}

#[derive(Default)]
struct Inner {
    cells: HashMap<Key, Arc<Cell>>,
    /// By what each release is found.
    tracks: HashMap<Key, Tracks>,
    /// Cluster (the own one has an empty name), storage namespace and release name → HelmRelease.
    records: HashMap<Home, Key>,
    /// (kind, namespace, name) of a ConfigMap or Secret → HelmReleases that take values from it.
    values: HashMap<(&'static str, String, String), ValuesSource>,
    /// Object → HelmReleases that depend on it.
    dependencies: HashMap<ObjectId, BTreeSet<Key>>,
    dependents: Dependents,
}

/// Cluster, storage namespace and name of a release.
type Home = (String, String, String);

/// By what a release is found.
#[derive(Default)]
struct Tracks {
    home: Option<Home>,
    /// Kind and name of what it takes values from.
    values: Vec<(&'static str, String)>,
    dependencies: Vec<ObjectId>,
}

#[derive(Default)]
struct ValuesSource {
    holders: BTreeSet<Key>,
    /// The version that was last heard of: a watch that begins anew tells everything again.
    version: String,
}

impl Inner {
    /// A release takes no values from these any more.
    fn leave<'a>(&mut self, key: &Key, sources: impl Iterator<Item = &'a (&'static str, String)>) {
        for (kind, name) in sources {
            let place = (*kind, key.namespace.clone(), name.clone());
            if let Some(source) = self.values.get_mut(&place) {
                source.holders.remove(key);
                if source.holders.is_empty() {
                    self.values.remove(&place);
                }
            }
        }
    }
}

impl Releases {
    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The place of a release.
    pub fn cell(&self, key: &Key) -> Arc<Cell> {
        self.inner().cells.entry(key.clone()).or_default().clone()
    }

    /// All releases that have a place.
    pub fn keys(&self) -> Vec<Key> {
        let mut keys: Vec<Key> = self.inner().cells.keys().cloned().collect();
        keys.sort_unstable();
        keys
    }

    /// The place of a release, if it has one.
    pub fn existing(&self, key: &Key) -> Option<Arc<Cell>> {
        self.inner().cells.get(key).cloned()
    }

    /// Says where a release's records are and what its values are made of.
    pub fn index(
        &self,
        key: &Key,
        (home, storage_namespace, release): (&str, &str, &str),
        values: &[(&'static str, String)],
    ) {
        let home = (home.to_owned(), storage_namespace.to_owned(), release.to_owned());
        let mut inner = self.inner();
        let inner = &mut *inner;
        let tracks = inner.tracks.entry(key.clone()).or_default();
        if tracks.home.as_ref() != Some(&home) {
            let former = tracks.home.replace(home.clone());
            if let Some(former) = former.filter(|former| inner.records.get(former) == Some(key)) {
                inner.records.remove(&former);
            }
        }
        // Another release may have claimed the name in between.
        inner.records.insert(home, key.clone());
        if tracks.values != values {
            let former = std::mem::replace(&mut tracks.values, values.to_vec());
            inner.leave(key, former.iter().filter(|source| !values.contains(source)));
            for (kind, name) in values {
                let source = inner.values.entry((kind, key.namespace.clone(), name.clone())).or_default();
                source.holders.insert(key.clone());
            }
        }
    }

    /// Says on which objects a release depends; gives those on which none does any more.
    pub fn depends(&self, key: &Key, objects: &[ObjectId]) -> Vec<ObjectId> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let tracks = inner.tracks.entry(key.clone()).or_default();
        if tracks.dependencies == objects {
            return Vec::new();
        }
        let former = std::mem::replace(&mut tracks.dependencies, objects.to_vec());
        for object in objects {
            inner.dependencies.entry(object.clone()).or_default().insert(key.clone());
        }
        let mut lost = Vec::new();
        for object in former.into_iter().filter(|object| !objects.contains(object)) {
            if let Some(holders) = inner.dependencies.get_mut(&object) {
                holders.remove(key);
                if holders.is_empty() {
                    inner.dependencies.remove(&object);
                    lost.push(object);
                }
            }
        }
        lost
    }

    /// A HelmRelease is as it says: it depends on `awaits`, and waits for itself or not. Gives those to whom that may matter: who
    /// depends on it, and whoever waits for itself.
    pub fn stands(&self, key: &Key, awaits: Vec<Key>, in_cycle: bool) -> Vec<Key> {
        self.inner().dependents.stands(key, awaits, in_cycle)
    }

    /// Who depends on this object.
    pub fn by_dependency(&self, object: &ObjectId) -> Vec<Key> {
        self.inner().dependencies.get(object).into_iter().flatten().cloned().collect()
    }

    /// Forgets a release.
    pub fn forget(&self, key: &Key) {
        let mut inner = self.inner();
        inner.cells.remove(key);
        let Some(tracks) = inner.tracks.remove(key) else { return };
        if let Some(home) = tracks.home
            && inner.records.get(&home) == Some(key)
        {
            inner.records.remove(&home);
        }
        inner.leave(key, tracks.values.iter());
    }

    /// The release that an object's labels lead to. Long names are shortened in labels.
    pub fn by_origin(&self, origin: &Origin) -> Option<Key> {
        let key = Key { namespace: origin.namespace.clone(), name: origin.name.clone() };
        let inner = self.inner();
        if inner.cells.contains_key(&key) {
            return Some(key);
        }
        inner.cells.keys().find(|k| k.namespace == origin.namespace && label_value(&k.name) == origin.name).cloned()
    }

    /// Whose records these are.
    pub fn by_record(&self, home: &str, storage_namespace: &str, release: &str) -> Option<Key> {
        self.inner().records.get(&(home.to_owned(), storage_namespace.to_owned(), release.to_owned())).cloned()
    }

    /// Who takes values from this object, if this version of it is news. An object that is gone has no version.
    pub fn by_values(&self, kind: &'static str, namespace: &str, name: &str, version: &str) -> Vec<Key> {
        let mut inner = self.inner();
        let Some(source) = inner.values.get_mut(&(kind, namespace.to_owned(), name.to_owned())) else {
            return Vec::new();
        };
        if !version.is_empty() && source.version == version {
            return Vec::new();
        }
        source.version = version.to_owned();
        source.holders.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_render_ends_when_another_generation_comes() {
        for (generation, deleted, cancelled) in
            [(4, false, false), (5, false, false), (6, false, true), (5, true, true), (0, false, false)]
        {
            let cell = Cell::default();
            let render = cell.begin_render(5);
            cell.supersede(generation, deleted);
            assert_eq!(render.is_cancelled(), cancelled, "{generation} {deleted}");
        }
    }

    #[test]
    fn what_came_before_a_render_is_not_about_it_and_what_is_dropped_ends() {
        let cell = Cell::default();
        cell.supersede(9, true);
        let render = cell.begin_render(5);
        assert!(!render.is_cancelled());
        let flag = render.flag();
        drop(render);
        assert!(flag.load(atomic::Ordering::Relaxed));
        // Nothing is left of it that the next one could be mistaken for.
        cell.supersede(9, true);
        assert!(!cell.begin_render(6).is_cancelled());
    }
}
