//! What the operator remembers of a release between two reconciles. All of it can be read anew from the API server; it is
//! here so that an unchanged release costs no request, and a waiting one only those that its objects' changes call for.

use super::{
    artifact::Provider, dependencies::Dependencies, drift::Watchfulness, plan::Revision, policy::Place, remote::Remote,
};
use crate::{
    action::{Operation, Waiting},
    cluster::{
        ObjectId,
        ownership::{Origin, label_value},
    },
};
use jiff::Timestamp;
use kube::ResourceExt;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, Mutex, PoisonError},
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

/// A record where the operator keeps none: in the other kind of object, or Tiller's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Elsewhere {
    /// Its namespace.
    pub namespace: String,
    /// Name of the release.
    pub release: String,
    /// Name of the object.
    pub object: String,
}

/// What watches have told since the last reconcile.
#[derive(Debug, Default)]
pub struct Signals {
    /// Objects of the release that changed.
    pub changed: BTreeSet<ObjectId>,
    /// Those of them that are gone.
    pub gone: BTreeSet<ObjectId>,
    /// Records of the release that were written, not necessarily by us: by name the resourceVersion, and whether it is gone.
    pub records: HashMap<String, (String, bool)>,
    /// A ConfigMap or Secret that it takes values from changed.
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
    pub changed: BTreeSet<ObjectId>,
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
    /// How often a release without records was put off because nobody knows yet whether there are some elsewhere.
    pub looks: u32,
    /// The highest revision whose record could not be read when they were; 0 if all could.
    pub taken: u32,
    /// The values.
    pub composed: Option<Composed>,
    /// Consecutive errors, for the backoff.
    pub errors: u32,
    /// The last Event, so that it is not said twice.
    pub said: Option<(String, String)>,
    /// Asked for by annotation and not done yet.
    pub forced: bool,
    /// Failures were forgotten on request in this reconcile.
    pub reset: bool,
    /// The status as it was last written, so that it is written only if it changes.
    pub status: Option<serde_json::Value>,
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
}

/// All releases' places, and who is found by what.
#[derive(Default)]
pub struct Releases {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    cells: HashMap<Key, Arc<Cell>>,
    /// Cluster (the own one has an empty name), storage namespace and release name → HelmRelease.
    records: HashMap<(String, String, String), Key>,
    /// (kind, namespace, name) of a ConfigMap or Secret → HelmReleases that take values from it.
    values: HashMap<(&'static str, String, String), ValuesSource>,
    /// Object → HelmReleases that depend on it.
    dependencies: HashMap<ObjectId, BTreeSet<Key>>,
    others: Others,
}

/// Records that are kept elsewhere, as far as a watch has told.
#[derive(Default)]
struct Others {
    records: BTreeSet<Elsewhere>,
    /// The kinds of which a watch has told all that there are.
    listed: BTreeSet<&'static str>,
}

#[derive(Default)]
struct ValuesSource {
    holders: BTreeSet<Key>,
    /// The version that was last heard of: a watch that begins anew tells everything again.
    version: String,
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
        let mut inner = self.inner();
        inner.records.retain(|_, holder| holder != key);
        inner.records.insert((home.to_owned(), storage_namespace.to_owned(), release.to_owned()), key.clone());
        inner.values.retain(|(kind, namespace, name), source| {
            if *namespace != key.namespace || !values.iter().any(|(k, n)| k == kind && n == name) {
                source.holders.remove(key);
            }
            !source.holders.is_empty()
        });
        for (kind, name) in values {
            let source = inner.values.entry((kind, key.namespace.clone(), name.clone())).or_default();
            source.holders.insert(key.clone());
        }
    }

    /// Says on which objects a release depends; gives those on which none does any more.
    pub fn depends(&self, key: &Key, objects: &[ObjectId]) -> Vec<ObjectId> {
        let mut inner = self.inner();
        for object in objects {
            inner.dependencies.entry(object.clone()).or_default().insert(key.clone());
        }
        let mut lost = Vec::new();
        inner.dependencies.retain(|object, holders| {
            if !objects.contains(object) {
                holders.remove(key);
            }
            if holders.is_empty() {
                lost.push(object.clone());
            }
            !holders.is_empty()
        });
        lost
    }

    /// Who depends on this object.
    pub fn by_dependency(&self, object: &ObjectId) -> Vec<Key> {
        self.inner().dependencies.get(object).into_iter().flatten().cloned().collect()
    }

    /// A record was seen elsewhere, or is gone from there.
    pub fn note_elsewhere(&self, record: Elsewhere, gone: bool) {
        let others = &mut self.inner().others.records;
        if gone {
            others.remove(&record);
        } else {
            others.insert(record);
        }
    }

    /// All records of a kind that are elsewhere have been told of.
    pub fn listed_elsewhere(&self, kind: &'static str) {
        self.inner().others.listed.insert(kind);
    }

    /// Whether there are records of a release elsewhere in its namespace; nothing before that is known.
    pub fn is_elsewhere(&self, namespace: &str, release: &str) -> Option<bool> {
        let inner = self.inner();
        let found = inner.others.records.iter().any(|r| r.namespace == namespace && r.release == release);
        // Secrets and ConfigMaps.
        (found || inner.others.listed.len() == 2).then_some(found)
    }

    /// Forgets a release.
    pub fn forget(&self, key: &Key) {
        let mut inner = self.inner();
        inner.cells.remove(key);
        inner.records.retain(|_, holder| holder != key);
        inner.values.retain(|_, source| {
            source.holders.remove(key);
            !source.holders.is_empty()
        });
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
