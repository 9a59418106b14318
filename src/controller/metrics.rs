//! What the operator counts, in Prometheus' text format. docs/monitoring.md lists it.

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use std::time::Duration;

/// Labels of what is counted for each kind of object.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct KindLabels {
    /// `HelmRelease`, `HelmRepository`
    pub kind: &'static str,
}

/// Labels of actions that ended.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ActionLabels {
    /// `install`, `upgrade`, …
    pub action: &'static str,
    /// How it ended.
    pub outcome: OutcomeLabel,
}

/// How an action ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, EncodeLabelValue)]
#[allow(missing_docs)]
pub enum OutcomeLabel {
    Succeeded,
    Failed,
    Interrupted,
}

/// Labels of a release's state.
#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct ReleaseLabels {
    /// Of the HelmRelease.
    pub namespace: String,
    /// Of the HelmRelease.
    pub name: String,
}

/// How a release stands, as its status says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Since when it is not ready, in seconds since 1970; nothing if it is.
    pub not_ready_since: Option<i64>,
    /// Nothing will be tried until somebody acts.
    pub stalled: bool,
    /// `spec.suspend`
    pub suspended: bool,
    /// An operation is under way and waits for the cluster.
    pub waiting: bool,
}

/// How releases stand. The numbers of a release come and go together.
#[derive(Debug, Clone, Default)]
pub struct Standings {
    ready: Family<ReleaseLabels, Gauge>,
    not_ready_since: Family<ReleaseLabels, Gauge>,
    stalled: Family<ReleaseLabels, Gauge>,
    suspended: Family<ReleaseLabels, Gauge>,
    waiting: Family<ReleaseLabels, Gauge>,
}

impl Standings {
    /// Notes how a release stands.
    pub fn set(&self, release: &ReleaseLabels, standing: Standing) {
        let Standing { not_ready_since, stalled, suspended, waiting } = standing;
        for (family, holds) in [
            (&self.ready, not_ready_since.is_none()),
            (&self.stalled, stalled),
            (&self.suspended, suspended),
            (&self.waiting, waiting),
        ] {
            family.get_or_create(release).set(i64::from(holds));
        }
        match not_ready_since {
            None => {
                self.not_ready_since.remove(release);
            }
            Some(since) => {
                let gauge = self.not_ready_since.get_or_create(release);
                // Ready goes from Unknown to False and back with each attempt: the first of these times is the one.
                if gauge.get() == 0 {
                    gauge.set(since);
                }
            }
        }
    }

    /// Forgets a release that is gone.
    pub fn forget(&self, release: &ReleaseLabels) {
        for family in [&self.ready, &self.not_ready_since, &self.stalled, &self.suspended, &self.waiting] {
            family.remove(release);
        }
    }
}

/// All metrics; clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// How long reconciles took, in seconds.
    pub reconcile_seconds: Family<KindLabels, Seconds>,
    /// Reconciles that ended in an error.
    pub reconcile_errors: Family<KindLabels, Counter>,
    /// Actions that ended.
    pub actions: Family<ActionLabels, Counter>,
    /// How releases stand.
    pub standings: Standings,
    /// Releases that wait for others to be worked on first.
    pub releases_queued: Gauge,
    /// Shards that this replica works on.
    pub shards: Gauge,
    /// Requests to the API server.
    pub api_requests: Counter,
    /// How long renders took, in seconds.
    pub render_seconds: Seconds,
    /// Objects that were found changed by others.
    pub drift_detected: Counter,
    /// Those that were put back.
    pub drift_corrected: Counter,
}

/// A histogram of seconds from a millisecond to half an hour.
#[derive(Debug, Clone)]
pub struct Seconds(Histogram);

impl Default for Seconds {
    fn default() -> Self {
        Self(Histogram::new(exponential_buckets(0.001, 4.0, 11)))
    }
}

impl Seconds {
    /// Counts one.
    pub fn observe(&self, took: Duration) {
        self.0.observe(took.as_secs_f64());
    }
}

impl prometheus_client::metrics::TypedMetric for Seconds {
    const TYPE: prometheus_client::metrics::MetricType = prometheus_client::metrics::MetricType::Histogram;
}

impl prometheus_client::encoding::EncodeMetric for Seconds {
    fn encode(&self, encoder: prometheus_client::encoding::MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        self.0.encode(encoder)
    }

    fn metric_type(&self) -> prometheus_client::metrics::MetricType {
        prometheus_client::metrics::MetricType::Histogram
    }
}

impl Metrics {
    /// A registry of these metrics.
    pub fn registry(&self) -> Registry {
        let mut registry = Registry::with_prefix("pintle");
        registry.register_with_unit(
            "reconcile_duration",
            "How long reconciles took",
            Unit::Seconds,
            self.reconcile_seconds.clone(),
        );
        registry.register("reconcile_errors", "Reconciles that ended in an error", self.reconcile_errors.clone());
        registry.register("actions", "Actions on releases that ended", self.actions.clone());
        for (name, help, family) in [
            ("release_ready", "1 if the release is ready, else 0", &self.standings.ready),
            ("release_stalled", "1 if nothing will be tried until somebody acts, else 0", &self.standings.stalled),
            ("release_suspended", "1 if spec.suspend is set, else 0", &self.standings.suspended),
            (
                "release_waiting",
                "1 while an operation is under way that waits for the cluster, else 0",
                &self.standings.waiting,
            ),
            (
                "release_not_ready_since_timestamp_seconds",
                "Since when the release is not ready; absent while it is",
                &self.standings.not_ready_since,
            ),
        ] {
            registry.register(name, help, family.clone());
        }
        registry.register(
            "releases_queued",
            "Releases that wait until others have been worked on (--concurrency)",
            self.releases_queued.clone(),
        );
        registry.register("shards", "Shards that this replica works on; 0 without leases", self.shards.clone());
        registry.register("api_requests", "Requests to the API server", self.api_requests.clone());
        registry.register_with_unit(
            "render_duration",
            "How long renders took",
            Unit::Seconds,
            self.render_seconds.clone(),
        );
        registry.register("drift_detected", "Objects found changed by others", self.drift_detected.clone());
        registry.register("drift_corrected", "Objects put back as they were applied", self.drift_corrected.clone());
        registry.register_collector(Box::new(Memory));
        registry
    }
}

/// The process's memory, looked up when it is asked for.
#[derive(Debug)]
struct Memory;

impl Collector for Memory {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        // Where there is no /proc, there is no such metric.
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let Some(bytes) = resident(&status) else { return Ok(()) };
        let gauge = ConstGauge::new(bytes);
        let help = "Memory of the operator's process that is in use";
        gauge.encode(encoder.encode_descriptor("resident_memory", help, Some(&Unit::Bytes), gauge.metric_type())?)
    }
}

/// What `/proc/PID/status` says of resident memory, in bytes.
fn resident(status: &str) -> Option<i64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<i64>().ok()?.checked_mul(1024)
}

/// The text that `/metrics` answers.
pub fn text(registry: &Registry) -> String {
    let mut out = String::new();
    // Writing to a string does not fail.
    let _ = encode(&mut out, registry);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::default();
        let registry = metrics.registry();
        metrics.actions.get_or_create(&ActionLabels { action: "install", outcome: OutcomeLabel::Succeeded }).inc();
        metrics.reconcile_seconds.get_or_create(&KindLabels { kind: "HelmRelease" }).observe(Duration::from_millis(3));
        let hello = ReleaseLabels { namespace: "default".into(), name: "hello".into() };
        let gone = ReleaseLabels { namespace: "default".into(), name: "gone".into() };
        let standing = |since| Standing { not_ready_since: since, suspended: true, ..Standing::default() };
        metrics.standings.set(&hello, standing(Some(7)));
        metrics.standings.set(&hello, standing(Some(9)));
        metrics.standings.set(&gone, standing(Some(7)));
        let text = text(&registry);
        for line in [
            r#"pintle_release_ready{namespace="default",name="hello"} 0"#,
            r#"pintle_release_suspended{namespace="default",name="hello"} 1"#,
            r#"pintle_release_waiting{namespace="default",name="hello"} 0"#,
            r#"pintle_release_not_ready_since_timestamp_seconds{namespace="default",name="hello"} 7"#,
            r#"pintle_actions_total{action="install",outcome="Succeeded"} 1"#,
            r#"pintle_reconcile_duration_seconds_bucket{le="0.004",kind="HelmRelease"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }

        metrics.standings.forget(&gone);
        metrics.standings.set(&hello, standing(None));
        let text = super::text(&registry);
        assert!(text.contains(r#"pintle_release_ready{namespace="default",name="hello"} 1"#), "{text}");
        for absent in ["gone", "pintle_release_not_ready_since_timestamp_seconds{"] {
            assert!(!text.contains(absent), "{absent} is in\n{text}");
        }
    }

    #[test]
    fn memory_is_read_from_proc() {
        assert_eq!(resident("Name:\tx\nVmRSS:\t   12 kB\nThreads:\t1\n"), Some(12 * 1024));
        for bad in ["", "VmRSS:", "VmRSS:\t12 MB", "VmRSS:\tx kB", "VmRSS:\t9223372036854775807 kB"] {
            assert_eq!(resident(bad), None, "{bad}");
        }
    }
}
