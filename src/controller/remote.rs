//! Releases that go to another cluster: the client that a Secret's kubeconfig or a ConfigMap describes, shared by all releases
//! that name it, with watches of its own. It is made anew when the Secret or ConfigMap changes, and let go with the last
//! release that uses it.

use super::{
    context::Context,
    live::Key,
    resolve::{Blocked, content},
    tokens::{self, Mint},
    triggers,
};
use crate::{
    action::begin::text_digest,
    cluster::{
        self, Cluster, Selection, Token, Watches,
        kubeconfig::{self, Checked},
    },
    crd::{HelmRelease, KubeConfig, SecretKeyRef},
    source::Reach,
};
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

/// Keys of the Secret that are tried if none is named, as with Flux.
const KEYS: [&str; 2] = ["value", "value.yaml"];
/// What Flux calls it in the condition.
const REASON: &str = "RESTClientError";

/// A cluster that is not the operator's own.
pub struct Remote {
    /// As the kubeconfig's user, or as whom the token names.
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

/// A Secret and the key in it, or a ConfigMap and the account whose tokens are used.
type Place = (Key, String);

/// All of them that are in use, each with the digest of what describes it.
#[derive(Default)]
pub struct Remotes {
    known: Mutex<HashMap<Place, (String, Weak<Remote>)>>,
}

/// What a release's way to another cluster is read from: kind and name of an object in its namespace.
pub fn source(asked: &KubeConfig) -> Option<(&'static str, String)> {
    let secret = asked.secret_ref.as_ref().map(|secret| ("Secret", secret.name.clone()));
    secret.or_else(|| asked.config_map_ref.as_ref().map(|map| ("ConfigMap", map.name.clone())))
}

/// The cluster that a release goes to, if it is not the operator's own. Costs no request but for the Secret or ConfigMap while
/// that stays as it is.
///
/// # Errors
/// What is wrong with the Secret or ConfigMap, the kubeconfig or the server's address.
pub async fn reach(
    release: &HelmRelease,
    ctx: &Arc<Context>,
    own: &Arc<Cluster>,
) -> Result<Option<Arc<Remote>>, Blocked> {
    let Some(asked) = &release.spec.kube_config else { return Ok(None) };
    let namespace = release.metadata.namespace.clone().unwrap_or_default();
    match (&asked.secret_ref, &asked.config_map_ref) {
        (Some(reference), _) => by_secret(namespace, reference, ctx, own).await.map(Some),
        (None, Some(reference)) => by_config_map(release, namespace, &reference.name, ctx, own).await.map(Some),
        (None, None) => Err(Blocked::for_good("InvalidSpec", "spec.kubeConfig has neither secretRef nor configMapRef")),
    }
}

async fn by_secret(
    namespace: String,
    reference: &SecretKeyRef,
    ctx: &Arc<Context>,
    own: &Cluster,
) -> Result<Arc<Remote>, Blocked> {
    let title = format!("spec.kubeConfig: Secret {namespace}/{}", reference.name);
    let (key, text) = read(own, &namespace, &reference.name, reference.key.as_deref(), &title).await?;
    let digest = text_digest(&String::from_utf8_lossy(&text));
    let place = (Key { namespace, name: reference.name.clone() }, key);
    if let Some(remote) = ctx.remotes.find(&place, &digest) {
        return Ok(remote);
    }
    let checked = admitted(&text, ctx, &title, &format!("{title}, key {}", place.1)).await?;
    let cluster =
        checked.connect().await.map_err(|error| Blocked::until_change(REASON, format!("{title}: {error}")))?;
    Ok(ctx.remotes.begin(place, digest, cluster, None, ctx))
}

async fn by_config_map(
    release: &HelmRelease,
    namespace: String,
    name: &str,
    ctx: &Arc<Context>,
    own: &Arc<Cluster>,
) -> Result<Arc<Remote>, Blocked> {
    let title = format!("spec.kubeConfig: ConfigMap {namespace}/{name}");
    let found = entries("ConfigMap", &namespace, name, &title, own).await?;
    let described = tokens::describe(&found)
        .map_err(|blocked| Blocked { message: format!("{title}: {}", blocked.message), ..blocked })?;
    let itself = release.spec.service_account_name.as_ref().or(ctx.settings.default_service_account.as_ref());
    let Some(account) = described.account.as_ref().or(itself) else {
        let why = "it has no key serviceAccountName, and the release names no account either";
        return Err(Blocked::until_change(REASON, format!("{title}: {why}")));
    };
    // A release is its own account: the operator gives it what it has anyway. For another one's token it needs the right.
    let asker = if itself == Some(account) { &ctx.cluster } else { own };
    let parts = serde_json::json!([described.kubeconfig, described.audiences, account, asker.identity()]);
    let digest = text_digest(&parts.to_string());
    let place = (Key { namespace: namespace.clone(), name: name.to_owned() }, format!("as {account}"));
    if let Some(remote) = ctx.remotes.find(&place, &digest) {
        return Ok(remote);
    }
    let checked = admitted(described.kubeconfig.as_bytes(), ctx, &title, &title).await?;
    let (asker, account) = (asker.clone(), account.clone());
    let mint = Mint { asker, namespace, account, audiences: described.audiences };
    let (text, life) = mint.token().await.map_err(|error| tokens::refused(&title, &error))?;
    let unusable = || Blocked::for_now(REASON, format!("{title}: the token cannot be sent"));
    let token = Token::new(&text).ok_or_else(unusable)?;
    let cluster = checked.connect_with(token.clone());
    let cluster = cluster.map_err(|error| Blocked::until_change(REASON, format!("{title}: {error}")))?;
    Ok(ctx.remotes.begin(place, digest, cluster, Some((mint, token, life)), ctx))
}

/// A kubeconfig that asks for nothing that is not allowed, whose server may be asked.
async fn admitted(text: &[u8], ctx: &Context, title: &str, place: &str) -> Result<Checked, Blocked> {
    let checked = kubeconfig::check(text, ctx.settings.kubeconfig)
        .await
        .map_err(|why| Blocked::until_change(REASON, format!("{place}: {why}")))?;
    let host = checked.server.host().unwrap_or_default().to_owned();
    let reach = Reach { loopback: ctx.settings.loopback };
    match reach.refusal_of_host(&host).await {
        Some(why) => Err(Blocked::for_now(REASON, format!("{title}: its server {host} is not asked: {why}"))),
        None => Ok(checked),
    }
}

/// What a Secret or ConfigMap holds.
async fn entries(
    kind: &str,
    namespace: &str,
    name: &str,
    title: &str,
    own: &Cluster,
) -> Result<BTreeMap<String, Vec<u8>>, Blocked> {
    let found = content(kind, namespace, name, own).await.map_err(|error| {
        let denied = error.class() == cluster::Class::Forbidden;
        Blocked::for_now(if denied { "AccessDenied" } else { REASON }, format!("{title}: {error}"))
    })?;
    found.ok_or_else(|| Blocked::until_change(REASON, format!("{title} does not exist")))
}

/// The kubeconfig and the key that it was found at.
async fn read(
    own: &Cluster,
    namespace: &str,
    name: &str,
    key: Option<&str>,
    title: &str,
) -> Result<(String, Vec<u8>), Blocked> {
    let mut entries = entries("Secret", namespace, name, title, own).await?;
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

    /// The cluster, watched from now on. A token that is made for it is kept fresh.
    fn begin(
        &self,
        place: Place,
        digest: String,
        cluster: Arc<Cluster>,
        minted: Option<(Mint, Token, Duration)>,
        ctx: &Arc<Context>,
    ) -> Arc<Remote> {
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
        let mut background = vec![
            tokio::spawn(triggers::objects(ctx.clone(), changes)).abort_handle(),
            tokio::spawn(triggers::remote_records(ctx.clone(), cluster.client.clone(), home.clone())).abort_handle(),
        ];
        background.extend(minted.map(|(mint, token, life)| tokio::spawn(mint.keep(token, life)).abort_handle()));
        let remote = Arc::new(Remote { cluster, watches: Arc::new(watches), home, background });
        known.insert(place, (digest, Arc::downgrade(&remote)));
        remote
    }
}
