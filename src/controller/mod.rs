//! The operator: watches, the reconcile loop, the planner, status, metrics, health.
//!
//! [`run`] wires it up. The way of a release: [`resolve`] (what is wanted) → [`plan`] (what is next) → [`crate::action`]
//! (one step) → [`report`] (what is said). [`triggers`] says who is woken by what.

pub mod artifact;
pub mod board;
pub mod catalog;
pub mod charts;
pub mod context;
pub mod dependencies;
pub mod drift;
pub mod events;
pub(crate) mod eyes;
pub mod health;
pub mod leases;
pub mod live;
pub mod metrics;
pub mod plan;
pub mod policy;
pub mod post_render;
pub mod proposal;
pub mod recorded;
pub mod release;
pub mod remote;
pub mod render_release;
pub mod report;
pub mod repository;
pub mod resolve;
pub mod server;
pub mod signatures;
pub mod territory;
pub mod tokens;
pub mod triggers;
pub mod turns;
pub mod values;

use crate::{
    cluster::{self, Cluster, Fence, Lookouts, Selection, Watches},
    crd::{HelmRelease, HelmRepository},
    release::Budget,
    source::{self, Sources},
};
use context::{Context, Settings};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use kube::{
    Api, Client,
    runtime::{
        Controller, Predicate, WatchStreamExt,
        controller::{self, Config},
        predicates, reflector,
        watcher::{self, watcher},
    },
};
use live::Key;
use metrics::Metrics;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};
use territory::{Change, Territory};
use tokio::sync::watch;
use triggers::Alarm;
use turns::Turns;

/// The target of spans that are only for collectors of traces. They are of the level that is never asked for otherwise, so that
/// they cost nothing and are in no log where nobody collects them.
pub const SPANS: &str = "pintle::spans";

/// Everything that flags decide about the process.
#[derive(Debug, Clone)]
pub struct Flags {
    /// Where `/metrics` is served.
    pub metrics: Option<SocketAddr>,
    /// Where `/healthz` and `/readyz` are served.
    pub health: Option<SocketAddr>,
    /// The namespace that is watched; none is all.
    pub namespace: Option<String>,
    /// How the work is shared with other replicas; none does all of it, and no other may run.
    pub election: Option<leases::Election>,
    /// Releases that are worked on at once; waiting ones do not count.
    pub concurrency: u16,
    /// Bytes that loading charts, rendering and unpacking records may take up at once.
    pub render_memory: u64,
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
    /// A lease was lost: another may be at work already.
    #[error(transparent)]
    Lease(#[from] leases::Error),
    /// A port cannot be had.
    #[error("cannot listen on {address}: {error}")]
    Port {
        /// The address.
        address: SocketAddr,
        /// Why not.
        error: std::io::Error,
    },
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
    let cluster = Cluster::new(config.clone()).await?;
    let requests = metrics.api_requests.clone();
    cluster.observe(Arc::new(move |_| {
        requests.inc();
    }));
    let client = cluster.client.clone();
    let Some(election) = flags.election.clone() else {
        work_on(cluster, client, flags, metrics, ready, Territory::whole(), Arc::default(), stop).await;
        return Ok(());
    };
    // Who waits for a lease is as it should be.
    ready.ready();
    let fence = Arc::new(Fence::default());
    cluster.guard(fence.clone());
    let territory = Territory::shared(election.shards);
    // Requests for leases do not wait for those of releases.
    let leases = Cluster::new(config).await?;
    let kept = leases::keep(leases.client.clone(), &election, &territory, &fence, stop.clone()).map_err(Error::from);
    let worked = async {
        // The process that holds nothing watches nothing.
        match futures::future::select(std::pin::pin!(territory.begun()), std::pin::pin!(stopped(stop.clone()))).await {
            futures::future::Either::Left(_) => {
                work_on(cluster, client, flags, metrics, ready, territory.clone(), fence.clone(), stop).await;
            }
            futures::future::Either::Right(_) => {}
        }
        Ok(())
    };
    // A lost lease ends the work at once; at the end leases are given away as soon as nobody works under them.
    futures::try_join!(kept, worked).map(|((), ())| ())
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // An error means that nobody can stop us any more.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// The work of a process that holds what it needs to.
#[allow(clippy::too_many_arguments)]
async fn work_on(
    cluster: Arc<Cluster>,
    client: Client,
    flags: Flags,
    metrics: Metrics,
    ready: server::Readiness,
    territory: Arc<Territory>,
    fence: Arc<Fence>,
    stop: watch::Receiver<bool>,
) {
    let (releases, releases_writer) = reflector::store::<HelmRelease>();
    let (repositories, repositories_writer) = reflector::store::<HelmRepository>();
    let (watches, changes) = Watches::new(cluster.clone(), Selection::default(), &flags.settings.manager);
    let (lookouts, looked_out) = Lookouts::new(cluster.clone());
    let (alarm, woken) = Alarm::new();
    let (repository_alarm, repositories_woken) = Alarm::new();
    let ctx = Arc::new(Context {
        turns: {
            let alarm = alarm.clone();
            Turns::new(flags.concurrency, move |key| alarm.wake(key))
        },
        budget: Budget::new(flags.render_memory),
        alarm,
        repository_alarm,
        territory,
        fence,
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
    {
        let weak = Arc::downgrade(&ctx);
        ctx.territory.attend(move |change| {
            if let Some(ctx) = weak.upgrade() {
                moved(&ctx, change);
            }
        });
    }
    // The first shard was gained before anybody was told.
    ctx.metrics.shards.set(i64::try_from(ctx.territory.kept().len()).unwrap_or(i64::MAX));
    let watched = watcher::Config::default().any_semantic();
    // Ready once releases and repositories are listed: until then nothing can be reconciled, and a controller that is stopped
    // before waits for its list for ever. Not by the store's own `wait_until_ready`, which wakes only the last of those who
    // wait, and the controller waits too.
    let lists = Arc::new(AtomicU8::new(0));
    let listed = |which: u8| {
        let (ready, lists) = (ready.clone(), lists.clone());
        move |is_done: bool| {
            if is_done && lists.fetch_or(1 << which, Ordering::Relaxed) | 1 << which == 0b11 {
                ready.ready();
                tracing::info!("ready");
            }
        }
    };

    let release_events = {
        let ctx = ctx.clone();
        watcher(scoped::<HelmRelease>(&client, flags.namespace.as_deref()), watched.clone())
            .default_backoff()
            .modify(|release| release.metadata.managed_fields = None)
            .reflect(releases_writer)
            .inspect_ok({
                let listed = listed(0);
                move |event| listed(matches!(event, watcher::Event::InitDone))
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
            .inspect_ok({
                let listed = listed(1);
                move |event| listed(matches!(event, watcher::Event::InitDone))
            })
            .touched_objects()
            .inspect_ok(move |repository| triggers::repository_changed(&ctx, repository))
            .inspect_err(|error| tracing::warn!(%error, "watch of HelmRepositories failed, tried again"))
    };

    let release_controller = Controller::for_stream(release_events, releases.clone())
        // How many work at once is for `Turns` to say, which is fair; the controller takes whichever it likes.
        .with_config(Config::default().concurrency(0))
        .reconcile_on(woken)
        .graceful_shutdown_on(stopped(stop.clone()))
        .run(release::reconcile, |_, error, _| match *error {}, ctx.clone())
        .for_each(|result| {
            // Deleted while it waited.
            if let Err(controller::Error::ObjectNotFound(gone)) = result {
                let namespace = gone.namespace.clone().unwrap_or_default();
                ctx.turns.withdraw(&Key { namespace, name: gone.name.clone() });
            }
            std::future::ready(())
        });

    let on_listed = {
        let ctx = ctx.clone();
        move |key: &Key| triggers::repository_listed(&ctx, key)
    };
    let repository_controller = repository::run(
        ctx.clone(),
        repository_events,
        repositories_woken,
        repositories,
        on_listed,
        stopped(stop.clone()),
    );

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

/// A shard was gained, or has been left.
fn moved(ctx: &Context, change: Change) {
    ctx.metrics.shards.set(i64::try_from(ctx.territory.kept().len()).unwrap_or(i64::MAX));
    match change {
        Change::Gained(shard) => {
            for release in ctx.releases.state() {
                let key = Key::of(&*release);
                if ctx.territory.is_in(&key, shard) {
                    ctx.alarm.wake(&key);
                }
            }
            for repository in ctx.repositories.state() {
                let key = Key::of(&*repository);
                if ctx.territory.is_in(&key, shard) {
                    ctx.repository_alarm.wake(&key);
                }
            }
        }
        // What is remembered of its releases is no longer true when they come back.
        Change::Left(shard) => {
            for key in ctx.live.keys().into_iter().filter(|key| ctx.territory.is_in(key, shard)) {
                ctx.forget(&key);
                ctx.metrics.standings.forget(&metrics::ReleaseLabels { namespace: key.namespace, name: key.name });
            }
        }
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
