//! The operator: watches, the reconcile loop, the planner, status, metrics, health.
//!
//! [`run`] wires it up. The way of a release: [`resolve`] (what is wanted) → [`plan`] (what is next) → [`crate::action`]
//! (one step) → [`report`] (what is said). [`triggers`] says who is woken by what.

pub mod artifact;
pub mod catalog;
pub mod charts;
pub mod context;
pub mod dependencies;
pub mod drift;
pub mod events;
pub(crate) mod eyes;
pub mod health;
pub mod leader;
pub mod live;
pub mod metrics;
pub mod plan;
pub mod policy;
pub mod post_render;
pub mod proposal;
pub mod release;
pub mod remote;
pub mod render_release;
pub mod report;
pub mod repository;
pub mod resolve;
pub mod server;
pub mod triggers;
pub mod values;

use crate::{
    cluster::{self, Cluster, Lookouts, Selection, Watches},
    crd::{HelmRelease, HelmRepository},
    source::{self, Sources},
};
use context::{Context, Settings};
use futures::{FutureExt, StreamExt, TryStreamExt};
use kube::{
    Api, Client,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::Config,
        predicates, reflector,
        watcher::{self, watcher},
    },
};
use metrics::Metrics;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::sync::watch;
use triggers::Alarm;

/// Everything that flags decide about the process.
#[derive(Debug, Clone)]
pub struct Flags {
    /// Where `/metrics` is served.
    pub metrics: Option<SocketAddr>,
    /// Where `/healthz` and `/readyz` are served.
    pub health: Option<SocketAddr>,
    /// The namespace that is watched; none is all.
    pub namespace: Option<String>,
    /// Lease namespace and name, and this process's identity in it.
    pub leader: Option<(String, String, String)>,
    /// Releases that are worked on at once; waiting ones do not count.
    pub concurrency: u16,
    /// For releases.
    pub settings: Settings,
    /// For downloads.
    pub sources: source::Settings,
}

/// Why the operator ended other than it was told to.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server cannot be used.
    #[error(transparent)]
    Cluster(#[from] cluster::Error),
    /// The lease cannot be used.
    #[error(transparent)]
    Leader(#[from] leader::Error),
    /// A port cannot be had.
    #[error("cannot listen on {address}: {error}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
    /// The lease was lost: another may be at work already.
    #[error("lost the lease; another operator may be at work: ending at once")]
    LeaseLost,
}

/// Runs the operator until `stop` turns true. Ends by finishing the steps that are being taken; what waits is taken up by the
/// next process.
///
/// # Errors
/// If it cannot begin, or loses its lease.
pub async fn run(config: kube::Config, flags: Flags, stop: watch::Receiver<bool>) -> Result<(), Error> {
    let metrics = Metrics::default();
    let ready = server::Readiness::default();
    let mut ports = Vec::new();
    if let Some(address) = flags.health {
        ports.push(port(address, server::health(address, ready.clone(), stop.clone()).boxed()));
    }
    if let Some(address) = flags.metrics {
        let registry = Arc::new(metrics.registry());
        ports.push(port(address, server::metrics(address, registry, stop.clone()).boxed()));
    }
    let ports = futures::future::try_join_all(ports);
    let work = work(config, flags, metrics, ready, stop);
    let ports = std::pin::pin!(ports);
    let work = std::pin::pin!(work);
    match futures::future::select(work, ports).await {
        futures::future::Either::Left((worked, _)) => worked,
        futures::future::Either::Right((Err(error), _)) => Err(error),
        futures::future::Either::Right((Ok(_), work)) => work.await,
    }
}

async fn port(address: SocketAddr, served: impl Future<Output = std::io::Result<()>>) -> Result<(), Error> {
    served.await.map_err(|error| Error::Port { address, error })
}

async fn work(
    config: kube::Config,
    flags: Flags,
    metrics: Metrics,
    ready: server::Readiness,
    stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let cluster = Cluster::new(config).await?;
    let requests = metrics.api_requests.clone();
    cluster.observe(Arc::new(move |_| {
        requests.inc();
    }));
    let client = cluster.client.clone();
    let mut lease = match &flags.leader {
        Some((namespace, name, identity)) => {
            ready.ready();
            let lead = leader::lead(client.clone(), namespace, name, identity);
            match futures::future::select(std::pin::pin!(lead), std::pin::pin!(stopped(stop.clone()))).await {
                futures::future::Either::Left((lease, _)) => Some(lease?),
                futures::future::Either::Right(_) => return Ok(()),
            }
        }
        None => None,
    };
    let work = lead(cluster, client, flags, metrics, ready, stop);
    let lost = async {
        match &mut lease {
            Some(lease) => {
                // The sender is gone only with the process.
                let _ = lease.wait_for(|leads| !*leads).await;
            }
            None => std::future::pending().await,
        }
    };
    match futures::future::select(std::pin::pin!(work), std::pin::pin!(lost)).await {
        futures::future::Either::Left(((), _)) => Ok(()),
        futures::future::Either::Right(_) => Err(Error::LeaseLost),
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody can stop us any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The work of the process that leads.
async fn lead(
    cluster: Arc<Cluster>,
    client: Client,
    flags: Flags,
    metrics: Metrics,
    ready: server::Readiness,
    stop: watch::Receiver<bool>,
) {
    let (releases, releases_writer) = reflector::store::<HelmRelease>();
    let (repositories, repositories_writer) = reflector::store::<HelmRepository>();
    let (watches, changes) = Watches::new(cluster.clone(), Selection::default(), &flags.settings.manager);
    let (lookouts, looked_out) = Lookouts::new(cluster.clone());
    let (alarm, woken) = Alarm::new();
    let ctx = Arc::new(Context {
        alarm,
        cluster,
        sources: Arc::new(Sources::new(flags.sources)),
        catalog: Arc::default(),
        charts: charts::Charts::default(),
        releases: releases.clone(),
        repositories: repositories.clone(),
        watches: Arc::new(watches),
        lookouts,
        live: live::Releases::default(),
        remotes: remote::Remotes::default(),
        events: events::Events::new(client.clone()),
        metrics,
        settings: flags.settings,
    });
    let watched = watcher::Config::default().any_semantic();

    let release_events = {
        let ctx = ctx.clone();
        watcher(scoped::<HelmRelease>(&client, flags.namespace.as_deref()), watched.clone())
            .default_backoff()
            .modify(|release| release.metadata.managed_fields = None)
            .reflect(releases_writer)
            // Ready once the releases are listed: until then nothing can be reconciled. Not by the store's own
            // `wait_until_ready`, which wakes only the last of those who wait, and the controller waits too.
            .inspect_ok(move |event| {
                if matches!(event, watcher::Event::InitDone) {
                    ready.ready();
                    tracing::info!("ready");
                }
            })
            .touched_objects()
            .inspect_ok(move |release| triggers::release_changed(&ctx, release))
            .inspect_err(|error| tracing::warn!(%error, "watch of HelmReleases failed, tried again"))
            // Its own status does not wake a release.
            .predicate_filter(
                predicates::generation.combine(predicates::annotations).combine(predicates::finalizers),
                Default::default(),
            )
    };
    let repository_events = {
        let ctx = ctx.clone();
        watcher(scoped::<HelmRepository>(&client, flags.namespace.as_deref()), watched)
            .default_backoff()
            .modify(|repository| repository.metadata.managed_fields = None)
            .reflect(repositories_writer)
            .touched_objects()
            .inspect_ok(move |repository| triggers::repository_changed(&ctx, repository))
            .inspect_err(|error| tracing::warn!(%error, "watch of HelmRepositories failed, tried again"))
    };

    let release_controller = Controller::for_stream(release_events, releases.clone())
        .with_config(Config::default().concurrency(flags.concurrency))
        .reconcile_on(woken)
        .graceful_shutdown_on(stopped(stop.clone()))
        .run(release::reconcile, |_, error, _| match *error {}, ctx.clone())
        .for_each(|_| std::future::ready(()));

    let on_listed = {
        let ctx = ctx.clone();
        move |key: &live::Key| triggers::repository_listed(&ctx, key)
    };
    let repository_controller =
        repository::run(ctx.clone(), repository_events, repositories, on_listed, stopped(stop.clone()));

    let background = [
        tokio::spawn(triggers::objects(ctx.clone(), changes)),
        tokio::spawn(triggers::dependencies(ctx.clone(), looked_out)),
        tokio::spawn(triggers::secrets(ctx.clone(), client.clone())),
        tokio::spawn(triggers::config_maps(ctx.clone(), client.clone())),
        tokio::spawn(sweep(ctx.clone())),
    ];
    futures::join!(release_controller, repository_controller);
    for task in background {
        task.abort();
    }
}

fn scoped<K>(client: &Client, namespace: Option<&str>) -> Api<K>
where
    K: kube::Resource<Scope = kube::core::NamespaceResourceScope, DynamicType = ()>,
{
    match namespace {
        Some(namespace) => Api::namespaced(client.clone(), namespace),
        None => Api::all(client.clone()),
    }
}

/// Lets go of charts that are not used.
async fn sweep(ctx: Arc<Context>) {
    let mut tick = tokio::time::interval(Duration::from_secs(30));
    loop {
        tick.tick().await;
        ctx.charts.sweep();
    }
}
