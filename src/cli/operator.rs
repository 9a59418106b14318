//! `pintle operator`: runs the operator until SIGTERM or SIGINT.

use super::{limits::LimitFlags, traces::Traces};
use crate::{
    cluster::kubeconfig::Trust,
    controller::{self, Flags, context::Settings, leases::Election},
    release::Driver,
    source,
};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use jiff::SignedDuration;
use std::{net::SocketAddr, path::PathBuf};
use tokio::sync::watch;
use tracing_subscriber::{EnvFilter, Layer, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt};

/// How logs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For people.
    Text,
}

/// Where release records are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum StorageDriver {
    /// In Secrets.
    Secret,
    /// In ConfigMaps.
    Configmap,
}

/// The operator's flags. Each can be given in the environment instead.
#[derive(Debug, Args)]
pub(super) struct Operator {
    /// Kubeconfig file; without it KUBECONFIG, ~/.kube/config or the pod's service account
    #[arg(long, env = "PINTLE_KUBECONFIG")]
    kubeconfig: Option<PathBuf>,
    /// Context of the kubeconfig
    #[arg(long, env = "PINTLE_KUBE_CONTEXT")]
    kube_context: Option<String>,
    /// Watch HelmReleases and HelmRepositories of this namespace only
    #[arg(long, env = "PINTLE_NAMESPACE")]
    namespace: Option<String>,
    /// Serve /metrics here; "off" for not at all
    #[arg(long, env = "PINTLE_METRICS_ADDR", default_value = "0.0.0.0:8080")]
    metrics_addr: String,
    /// Serve /healthz and /readyz here; "off" for not at all
    #[arg(long, env = "PINTLE_HEALTH_ADDR", default_value = "0.0.0.0:9440")]
    health_addr: String,
    /// Work only while holding a lease, so that several replicas may run
    #[arg(long, env = "PINTLE_LEADER_ELECT")]
    leader_elect: bool,
    /// Namespace of the lease
    #[arg(long, env = "PINTLE_LEASE_NAMESPACE", default_value = "pintle-system")]
    lease_namespace: String,
    /// Name of the lease
    #[arg(long, env = "PINTLE_LEASE_NAME", default_value = "pintle-operator")]
    lease_name: String,
    /// This process's name in the lease; by default the host's name
    #[arg(long, env = "PINTLE_IDENTITY")]
    identity: Option<String>,
    /// Divide the work into so many shards, each with a lease of its own, which the replicas share; the same for all of them
    #[arg(long, env = "PINTLE_SHARDS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    shards: u16,
    /// How long a lease lasts that is not renewed, in seconds: so long nobody works for a replica that died
    #[arg(long, env = "PINTLE_LEASE_DURATION", default_value_t = 35, value_parser = clap::value_parser!(u16).range(4..=3600))]
    lease_duration: u16,
    /// Releases worked on at once; those that wait for the cluster do not count
    #[arg(long, env = "PINTLE_CONCURRENCY", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1024))]
    concurrency: u16,
    /// Memory that loading charts, rendering and unpacking records may take up at once, in MiB, by an estimate of what each needs;
    /// what needs more runs alone
    #[arg(long, env = "PINTLE_RENDER_MEMORY", default_value_t = 128, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    render_memory: u64,
    /// Keep downloaded charts in this directory; without it only a few are kept, in memory
    #[arg(long, env = "PINTLE_CACHE_DIR")]
    cache_dir: Option<PathBuf>,
    /// Size of the directory of downloaded charts, in MiB
    #[arg(long, env = "PINTLE_CACHE_SIZE", default_value_t = 1024)]
    cache_size: u64,
    /// Longest index of a repository, in MiB after decompression
    #[arg(long, env = "PINTLE_INDEX_LIMIT", default_value_t = 100)]
    index_limit: u64,
    /// Largest packaged chart, in MiB
    #[arg(long, env = "PINTLE_CHART_LIMIT", default_value_t = 20)]
    chart_limit: u64,
    /// Field manager of applied objects; the helm command's own name lets both work on a release
    #[arg(long, env = "PINTLE_FIELD_MANAGER", default_value = "helm")]
    field_manager: String,
    /// Keep release records in Secrets or ConfigMaps
    #[arg(long, env = "PINTLE_STORAGE_DRIVER", value_enum, default_value = "secret")]
    storage_driver: StorageDriver,
    /// How long an unfinished operation of somebody else (helm killed in mid-air) is waited out before it is taken over
    #[arg(long, env = "PINTLE_FOREIGN_GRACE", default_value = "5m", value_parser = duration)]
    foreign_grace: SignedDuration,
    /// Forbid charts from HelmRepositories in other namespaces
    #[arg(long, env = "PINTLE_NO_CROSS_NAMESPACE_REFS")]
    no_cross_namespace_refs: bool,
    /// Forbid repositories on the operator's own host; link-local and metadata addresses are never asked anyway
    #[arg(long, env = "PINTLE_NO_LOOPBACK_SOURCES")]
    no_loopback_sources: bool,
    /// Run the programs that kubeconfigs of other clusters name for credentials (exec, auth-provider)
    #[arg(long, env = "PINTLE_INSECURE_KUBECONFIG_EXEC")]
    insecure_kubeconfig_exec: bool,
    /// Let kubeconfigs of other clusters forgo TLS, or the check of the server's certificate
    #[arg(long, env = "PINTLE_INSECURE_KUBECONFIG_TLS")]
    insecure_kubeconfig_tls: bool,
    /// Service account for releases that name none
    #[arg(long, env = "PINTLE_DEFAULT_SERVICE_ACCOUNT")]
    default_service_account: Option<String>,
    /// Let templates ask the DNS (getHostByName)
    #[arg(long, env = "PINTLE_ENABLE_DNS")]
    enable_dns: bool,
    #[command(flatten)]
    limits: LimitFlags,
    /// Send what is done as spans to this collector (OTLP over HTTP), for example http://collector:4318
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    traces: Option<String>,
    /// How logs are written
    #[arg(long, env = "PINTLE_LOG_FORMAT", value_enum, default_value = "json")]
    log_format: LogFormat,
    /// What is logged: error, warn, info, debug, trace, or filters such as pintle=debug,kube=warn
    #[arg(long, env = "PINTLE_LOG_LEVEL", default_value = "info")]
    log_level: String,
}

fn duration(text: &str) -> Result<SignedDuration, String> {
    text.parse::<SignedDuration>().map_err(|error| error.to_string())
}

fn address(text: &str, flag: &str) -> anyhow::Result<Option<SocketAddr>> {
    if text == "off" {
        return Ok(None);
    }
    text.parse().map(Some).with_context(|| format!("{flag} {text:?} is not an address such as 0.0.0.0:8080"))
}

impl Operator {
    /// Runs until told to stop.
    ///
    /// # Errors
    /// If the flags make no sense or the operator cannot run.
    pub(super) fn run(self) -> anyhow::Result<()> {
        // Charts may be nested deeply; renders recurse on the threads for blocking work.
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .thread_name("pintle")
            .thread_stack_size(16 << 20)
            .max_blocking_threads(blocking_threads())
            .thread_keep_alive(std::time::Duration::from_secs(10))
            .build()
            .context("cannot start threads")?;
        let collector = self.traces.as_deref().filter(|url| !url.is_empty());
        let traces = collector.map(|url| Traces::begin(url, &self.identity(), runtime.handle())).transpose()?;
        log(self.log_format, &self.log_level, traces.as_ref())?;
        let served = runtime.block_on(self.serve());
        // The last spans are sent while there still is a runtime.
        drop(traces);
        served
    }

    async fn serve(self) -> anyhow::Result<()> {
        let config = self.config().await?;
        if self.shards > 1 && !self.leader_elect {
            anyhow::bail!("--shards {} needs --leader-elect: a lease says whose each shard is", self.shards);
        }
        let identity = self.identity();
        let flags = Flags {
            metrics: address(&self.metrics_addr, "--metrics-addr")?,
            health: address(&self.health_addr, "--health-addr")?,
            namespace: self.namespace,
            election: self.leader_elect.then(|| Election {
                namespace: self.lease_namespace,
                name: self.lease_name,
                identity,
                shards: self.shards,
                duration: std::time::Duration::from_secs(u64::from(self.lease_duration)),
            }),
            concurrency: self.concurrency,
            render_memory: self.render_memory << 20,
            settings: Settings {
                manager: self.field_manager,
                driver: match self.storage_driver {
                    StorageDriver::Secret => Driver::Secret,
                    StorageDriver::Configmap => Driver::ConfigMap,
                },
                foreign_grace: self.foreign_grace,
                cross_namespace: !self.no_cross_namespace_refs,
                default_service_account: self.default_service_account,
                kubeconfig: Trust {
                    programs: self.insecure_kubeconfig_exec,
                    insecure_tls: self.insecure_kubeconfig_tls,
                },
                loopback: !self.no_loopback_sources,
                dns: self.enable_dns,
                render_limits: self.limits.limits(),
            },
            sources: source::Settings {
                directory: self.cache_dir,
                index_limit: self.index_limit << 20,
                chart_limit: self.chart_limit << 20,
                disk_limit: self.cache_size << 20,
                loopback: !self.no_loopback_sources,
                ..source::Settings::default()
            },
        };
        tracing::info!(version = env!("CARGO_PKG_VERSION"), server = %config.cluster_url, "starting");
        let (tell, stop) = watch::channel(false);
        tokio::spawn(async move {
            interrupted().await;
            tracing::info!("stopping: steps that are being taken are finished");
            // Nobody listens any more if the operator has ended by itself.
            let _ = tell.send(true);
            interrupted().await;
            tracing::warn!("stopping at once");
            std::process::exit(1);
        });
        controller::run(config, flags, stop).await?;
        tracing::info!("stopped");
        Ok(())
    }

    fn identity(&self) -> String {
        self.identity.clone().unwrap_or_else(host_name)
    }

    async fn config(&self) -> anyhow::Result<kube::Config> {
        let options = kube::config::KubeConfigOptions {
            context: self.kube_context.clone(),
            ..kube::config::KubeConfigOptions::default()
        };
        match &self.kubeconfig {
            Some(path) => {
                let file = kube::config::Kubeconfig::read_from(path)
                    .with_context(|| format!("kubeconfig {} cannot be read", path.display()))?;
                Ok(kube::Config::from_custom_kubeconfig(file, &options).await?)
            }
            None if self.kube_context.is_some() => Ok(kube::Config::from_kubeconfig(&options).await?),
            None => kube::Config::infer().await.context("no kubeconfig, and not in a pod"),
        }
    }
}

/// Renders are bounded by the processors; a few more threads are for reading files and asking names.
fn blocking_threads() -> usize {
    std::thread::available_parallelism().map_or(4, |n| n.get() * 2 + 2)
}

fn host_name() -> String {
    std::env::var("POD_NAME")
        .or_else(|_| std::env::var("HOSTNAME"))
        .unwrap_or_else(|_| format!("pintle-{}", std::process::id()))
}

async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    // Without handlers the default applies: the process ends, which is what was asked for.
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        return std::future::pending().await;
    };
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}

fn log(format: LogFormat, level: &str, traces: Option<&Traces>) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(level).with_context(|| format!("--log-level {level:?}"))?;
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    let lines = match format {
        LogFormat::Json => lines.json().flatten_event(true).with_filter(filter).boxed(),
        LogFormat::Text => lines.with_filter(filter).boxed(),
    };
    let spans = traces.map(|traces| {
        let layer = tracing_opentelemetry::layer().with_tracer(traces.tracer());
        let layer = layer.with_location(false).with_threads(false).with_target(false);
        layer.with_filter(filter_fn(|about| about.is_span() && about.target() == controller::SPANS))
    });
    tracing_subscriber::registry().with(lines).with(spans).init();
    Ok(())
}
