//! Releases that go to another cluster: the client that a Secret's kubeconfig describes, shared by all releases that name it,
//! with watches of its own. It is made anew when the Secret changes, and let go with the last release that uses it.

use super::{
    context::Context,
    live::Key,
    resolve::{Blocked, content},
    triggers,
};
use crate::{
    action::begin::text_digest,
    cluster::{self, Cluster, Selection, Watches, kubeconfig},
    crd::HelmRelease,
    source::Reach,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, Weak},
};

/// Keys of the Secret that are tried if none is named, as with Flux.
const KEYS: [&str; 2] = ["value", "value.yaml"];
/// What Flux calls it in the condition.
const REASON: &str = "RESTClientError";

/// A cluster that is not the operator's own.
pub struct Remote {
    /// As the kubeconfig's user.
    pub cluster: Arc<Cluster>,
    /// Watches of deployed objects there.
    pub watches: Arc<Watches>,
    /// What tells its records from those of other clusters.
    pub home: String,
    background: Vec<tokio::task::AbortHandle>,
}

impl Drop for Remote {
    fn drop(&mut self) {
        for task in &self.background {
            task.abort();
        }
    }
}

/// A Secret, and the key in it.
type Place = (Key, String);

/// All of them that are in use, each with the digest of its kubeconfig.
#[derive(Default)]
pub struct Remotes {
    known: Mutex<HashMap<Place, (String, Weak<Remote>)>>,
}

/// The cluster that a release goes to, if it is not the operator's own. Costs no request while the Secret stays as it is.
///
/// # Errors
/// What is wrong with the Secret, the kubeconfig or the server's address.
pub async fn reach(release: &HelmRelease, ctx: &Arc<Context>, own: &Cluster) -> Result<Option<Arc<Remote>>, Blocked> {
    let Some(asked) = &release.spec.kube_config else { return Ok(None) };
    let Some(reference) = &asked.secret_ref else {
        let message =
            "spec.kubeConfig.configMapRef is not supported: put a kubeconfig into a Secret and name it in secretRef";
        return Err(Blocked::for_good("UnsupportedField", message));
    };
    let namespace = release.metadata.namespace.clone().unwrap_or_default();
    let title = format!("spec.kubeConfig: Secret {namespace}/{}", reference.name);
    let (key, text) = read(own, &namespace, &reference.name, reference.key.as_deref(), &title).await?;
    let digest = text_digest(&String::from_utf8_lossy(&text));
    let place = (Key { namespace, name: reference.name.clone() }, key);
    if let Some(remote) = ctx.remotes.find(&place, &digest) {
        return Ok(Some(remote));
    }
    let checked = kubeconfig::check(&text, ctx.settings.kubeconfig)
        .await
        .map_err(|why| Blocked::until_change(REASON, format!("{title}, key {}: {why}", place.1)))?;
    let host = checked.server.host().unwrap_or_default().to_owned();
    let reach = Reach { loopback: ctx.settings.loopback };
    if let Some(why) = reach.refusal_of_host(&host).await {
        return Err(Blocked::for_now(REASON, format!("{title}: its server {host} is not asked: {why}")));
    }
    let cluster =
        checked.connect().await.map_err(|error| Blocked::until_change(REASON, format!("{title}: {error}")))?;
    Ok(Some(ctx.remotes.begin(place, digest, cluster, ctx)))
}

/// The kubeconfig and the key that it was found at.
async fn read(
    own: &Cluster,
    namespace: &str,
    name: &str,
    key: Option<&str>,
    title: &str,
) -> Result<(String, Vec<u8>), Blocked> {
    let found = content("Secret", namespace, name, own).await.map_err(|error| {
        let denied = error.class() == cluster::Class::Forbidden;
        Blocked::for_now(if denied { "AccessDenied" } else { REASON }, format!("{title}: {error}"))
    })?;
    let Some(mut entries) = found else {
        return Err(Blocked::until_change(REASON, format!("{title} does not exist")));
    };
    let keys: Vec<&str> = key.map_or_else(|| KEYS.to_vec(), |key| vec![key]);
    for key in &keys {
        if let Some(text) = entries.remove(*key) {
            return Ok(((*key).to_owned(), text));
        }
    }
    Err(Blocked::until_change(REASON, format!("{title} has no key {}", keys.join(" or "))))
}

impl Remotes {
    fn find(&self, place: &Place, digest: &str) -> Option<Arc<Remote>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(place).filter(|(known, _)| known == digest).and_then(|(_, remote)| remote.upgrade())
    }

    fn begin(&self, place: Place, digest: String, cluster: Arc<Cluster>, ctx: &Arc<Context>) -> Arc<Remote> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, (_, remote)| remote.strong_count() > 0);
        // Another release may have been faster.
        if let Some(remote) =
            known.get(&place).filter(|(known, _)| *known == digest).and_then(|(_, remote)| remote.upgrade())
        {
            return remote;
        }
        cluster.guard(ctx.fence.clone());
        let requests = ctx.metrics.api_requests.clone();
        cluster.observe(Arc::new(move |_| {
            requests.inc();
        }));
        let (watches, changes) = Watches::new(cluster.clone(), Selection::default(), &ctx.settings.manager);
        let home = format!("{}/{}/{}", place.0.namespace, place.0.name, place.1);
        let background = vec![
            tokio::spawn(triggers::objects(ctx.clone(), changes)).abort_handle(),
            tokio::spawn(triggers::remote_records(ctx.clone(), cluster.client.clone(), home.clone())).abort_handle(),
        ];
        let remote = Arc::new(Remote { cluster, watches: Arc::new(watches), home, background });
        known.insert(place, (digest, Arc::downgrade(&remote)));
        remote
    }
}
