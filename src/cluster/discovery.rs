//! Which kinds an API server knows: one snapshot per server, shared by all identities.
//!
//! A snapshot costs two requests (aggregated discovery). It is read anew when it is old, when somebody says that it is wrong
//! (a CRD was applied), and once when a kind is not found; however many ask at the same time, one fetches.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use kube::core::ApiResource;
use kube::core::discovery::v2::{APIGroupDiscovery, APIGroupDiscoveryList, GroupVersionKind};
use serde::Deserialize;

use super::client::Caller;
use super::error::{Action, Error, Result};

/// How long a snapshot is believed.
const TTL: Duration = Duration::from_secs(600);

/// Snapshots are not fetched more often than this for kinds that nobody knows.
const FRESH: Duration = Duration::from_secs(2);

const ACCEPT: &str = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,\
                      application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json";

/// A kind that the server knows.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Resource {
    /// Group, version, kind and the plural used in paths.
    pub api: ApiResource,
    /// Whether objects of the kind live in namespaces.
    pub namespaced: bool,
}

/// What the server says about itself: `.Capabilities` in templates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Capabilities {
    /// `v1.36.3`, as the server says it.
    pub kube_version: String,
    /// `1`
    pub major: String,
    /// `36`
    pub minor: String,
    /// Every `group/version` and `group/version/Kind`, sorted.
    pub api_versions: Vec<String>,
}

#[derive(Debug)]
struct Snapshot {
    taken: Instant,
    kinds: HashMap<String, HashMap<String, Resource>>,
    capabilities: Capabilities,
}

/// The cache.
#[derive(Debug, Default)]
pub(crate) struct Discovery {
    snapshot: Mutex<Option<Arc<Snapshot>>>,
    fetching: tokio::sync::Mutex<()>,
}

#[derive(Deserialize)]
struct VersionInfo {
    #[serde(rename = "gitVersion", default)]
    git_version: String,
    #[serde(default)]
    major: String,
    #[serde(default)]
    minor: String,
}

impl Discovery {
    /// Drops the snapshot: the next question fetches a new one.
    pub(crate) fn forget(&self) {
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// What is known now, without asking the server.
    pub(crate) fn known(&self, api_version: &str, kind: &str) -> Option<Resource> {
        self.current()?.kinds.get(api_version)?.get(kind).cloned()
    }

    pub(crate) async fn resolve(&self, caller: &Caller, api_version: &str, kind: &str) -> Result<Resource> {
        let asked = Instant::now();
        let snapshot = self.get(caller, None).await?;
        if let Some(resource) = snapshot.kinds.get(api_version).and_then(|kinds| kinds.get(kind)) {
            return Ok(resource.clone());
        }
        if snapshot.taken < asked && snapshot.taken.elapsed() > FRESH {
            let newer = self.get(caller, Some(snapshot.taken)).await?;
            if let Some(resource) = newer.kinds.get(api_version).and_then(|kinds| kinds.get(kind)) {
                return Ok(resource.clone());
            }
        }
        Err(Error::UnknownKind { api_version: api_version.to_owned(), kind: kind.to_owned() })
    }

    pub(crate) async fn capabilities(&self, caller: &Caller) -> Result<Capabilities> {
        Ok(self.get(caller, None).await?.capabilities.clone())
    }

    fn current(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The snapshot; a new one if it is older than the TTL or as old as `not` (the one that disappointed the caller).
    async fn get(&self, caller: &Caller, not: Option<Instant>) -> Result<Arc<Snapshot>> {
        let good =
            |snapshot: &Arc<Snapshot>| snapshot.taken.elapsed() < TTL && not.is_none_or(|not| snapshot.taken > not);
        if let Some(snapshot) = self.current().filter(good) {
            return Ok(snapshot);
        }
        let _flight = self.fetching.lock().await;
        if let Some(snapshot) = self.current().filter(good) {
            return Ok(snapshot);
        }
        let snapshot = Arc::new(fetch(caller).await?);
        *self.snapshot.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&snapshot));
        Ok(snapshot)
    }
}

async fn fetch(caller: &Caller) -> Result<Snapshot> {
    let taken = Instant::now();
    let core = caller.read::<APIGroupDiscoveryList>(Action::Discover, "core kinds", "/api", Some(ACCEPT));
    let groups = caller.read::<APIGroupDiscoveryList>(Action::Discover, "kinds", "/apis", Some(ACCEPT));
    let version = caller.read::<VersionInfo>(Action::Discover, "version", "/version", None);
    let (core, groups, version) = tokio::try_join!(core, groups, version)?;
    let (kinds, api_versions) = index(core.items.iter().chain(&groups.items));
    Ok(Snapshot {
        taken,
        kinds,
        capabilities: Capabilities {
            kube_version: version.git_version,
            major: version.major,
            minor: version.minor,
            api_versions,
        },
    })
}

type Kinds = HashMap<String, HashMap<String, Resource>>;

fn index<'a>(groups: impl Iterator<Item = &'a APIGroupDiscovery>) -> (Kinds, Vec<String>) {
    let mut kinds = Kinds::new();
    let mut names = BTreeSet::new();
    for group in groups {
        let group_name = group.metadata.as_ref().and_then(|meta| meta.name.clone()).unwrap_or_default();
        for served in &group.versions {
            let version = served.version.clone().unwrap_or_default();
            let api_version = if group_name.is_empty() { version.clone() } else { format!("{group_name}/{version}") };
            names.insert(api_version.clone());
            let of_version = kinds.entry(api_version.clone()).or_default();
            for resource in &served.resources {
                let kind = kind_of(resource.response_kind.as_ref());
                if kind.is_empty() {
                    continue;
                }
                names.insert(format!("{api_version}/{kind}"));
                // Helm's list names the kinds of subresources (Scale, Eviction) under the version that serves them.
                for sub in &resource.subresources {
                    let kind = kind_of(sub.response_kind.as_ref());
                    if !kind.is_empty() {
                        names.insert(format!("{api_version}/{kind}"));
                    }
                }
                // The first resource of a kind is the kind's own; others only answer with it.
                of_version.entry(kind.clone()).or_insert_with(|| Resource {
                    api: ApiResource {
                        group: group_name.clone(),
                        version: version.clone(),
                        api_version: api_version.clone(),
                        kind,
                        plural: resource.resource.clone().unwrap_or_default(),
                    },
                    namespaced: resource.scope.as_deref() == Some("Namespaced"),
                });
            }
        }
    }
    (kinds, names.into_iter().collect())
}

fn kind_of(kind: Option<&GroupVersionKind>) -> String {
    kind.and_then(|kind| kind.kind.clone()).unwrap_or_default()
}
