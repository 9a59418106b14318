//! What the operator counts, in Prometheus' text format.

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
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

/// All metrics; clones share the numbers.
#[derive(Debug, Clone, Default)]
pub struct Metrics {
    /// How long reconciles took, in seconds.
    pub reconcile_seconds: Family<KindLabels, Seconds>,
    /// Reconciles that ended in an error.
    pub reconcile_errors: Family<KindLabels, Counter>,
    /// Actions that ended.
    pub actions: Family<ActionLabels, Counter>,
    /// 1 if the release is ready, else 0.
    pub release_ready: Family<ReleaseLabels, Gauge>,
    /// Requests to the API server.
    pub api_requests: Counter,
    /// Operations that wait for the cluster.
    pub waiting: Gauge,
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
        registry.register("release_ready", "1 if the release is ready, else 0", self.release_ready.clone());
        registry.register("api_requests", "Requests to the API server", self.api_requests.clone());
        registry.register("operations_waiting", "Operations that wait for the cluster", self.waiting.clone());
        registry.register_with_unit(
            "render_duration",
            "How long renders took",
            Unit::Seconds,
            self.render_seconds.clone(),
        );
        registry.register("drift_detected", "Objects found changed by others", self.drift_detected.clone());
        registry.register("drift_corrected", "Objects put back as they were applied", self.drift_corrected.clone());
        registry
    }
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
        let text = text(&registry);
        for line in [
            r#"pintle_actions_total{action="install",outcome="Succeeded"} 1"#,
            r#"pintle_reconcile_duration_seconds_bucket{le="0.004",kind="HelmRelease"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }
}
