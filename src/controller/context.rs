//! What every reconcile shares.

use super::{
    catalog::Catalog,
    charts::Charts,
    events::Events,
    live::{Key, Releases},
    metrics::Metrics,
    remote::Remotes,
    territory::Territory,
    triggers::Alarm,
    turns::Turns,
};
use crate::{
    cluster::{self, Cluster, Fence, Lookouts, ObjectId, Watches, kubeconfig},
    crd::{HelmRelease, HelmRepository},
    release::{Budget, Driver},
    source::Sources,
};
use jiff::SignedDuration;
use kube::runtime::reflector::Store;
use std::sync::Arc;

/// What flags decide.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Field manager of applied objects.
    pub manager: String,
    /// Where records are kept.
    pub driver: Driver,
    /// How long somebody else's unfinished operation is waited out.
    pub foreign_grace: SignedDuration,
    /// Whether charts may come from repositories in other namespaces.
    pub cross_namespace: bool,
    /// The account for releases that name none; empty for the operator's own.
    pub default_service_account: Option<String>,
    /// What kubeconfigs of other clusters may ask for.
    pub kubeconfig: kubeconfig::Trust,
    /// Whether other clusters and repositories may be on the operator's own host.
    pub loopback: bool,
    /// Whether templates may ask the DNS.
    pub dns: bool,
    /// What the templates of a render may use up.
    pub render_limits: pintle_template::Limits,
}

/// What every reconcile shares.
pub struct Context {
    /// Wakes releases.
    pub alarm: Alarm<HelmRelease>,
    /// Wakes repositories.
    pub repository_alarm: Alarm<HelmRepository>,
    /// Which releases are worked on now.
    pub turns: Arc<Turns>,
    /// Memory for loading charts, rendering and unpacking records.
    pub budget: Arc<Budget>,
    /// What is this replica's to work on.
    pub territory: Arc<Territory>,
    /// Until when it may write.
    pub fence: Arc<Fence>,
    /// The API server, as the operator.
    pub cluster: Arc<Cluster>,
    /// Repositories: indices and archives.
    pub sources: Arc<Sources>,
    /// Repositories that can be asked right now.
    pub catalog: Arc<Catalog>,
    /// Charts, loaded and compiled.
    pub charts: Charts,
    /// All HelmReleases, as last seen.
    pub releases: Store<HelmRelease>,
    /// All HelmRepositories, as last seen.
    pub repositories: Store<HelmRepository>,
    /// Watches of deployed objects.
    pub watches: Arc<Watches>,
    /// Watches of objects that releases depend on.
    pub lookouts: Lookouts,
    /// Other clusters that releases go to.
    pub remotes: Remotes,
    /// What is remembered of each release.
    pub live: Releases,
    /// Events.
    pub events: Events,
    /// Numbers.
    pub metrics: Metrics,
    /// Flags.
    pub settings: Settings,
}

impl Context {
    /// Notes which objects a release depends on, besides other releases. What nobody depends on any more is no longer watched.
    pub fn depends(&self, key: &Key, objects: &[ObjectId]) {
        for object in self.live.depends(key, objects) {
            self.lookouts.end(&object);
        }
    }

    /// Forgets a release.
    pub fn forget(&self, key: &Key) {
        self.depends(key, &[]);
        self.live.forget(key);
    }

    /// The API server as the identity of a release.
    ///
    /// # Errors
    /// If no client can be built for it.
    pub fn identity(&self, release: &HelmRelease) -> Result<Arc<Cluster>, cluster::Error> {
        let account = release.spec.service_account_name.as_ref().or(self.settings.default_service_account.as_ref());
        match account {
            Some(account) => {
                self.cluster.as_service_account(release.metadata.namespace.as_deref().unwrap_or_default(), account)
            }
            None => Ok(self.cluster.clone()),
        }
    }
}
