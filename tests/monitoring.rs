//! What the chart's dashboard and alerts ask for, and what docs/monitoring.md lists, is what the operator tells.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle::{
    chart::{Frozen, load, values},
    controller::metrics::{ActionLabels, KindLabels, Metrics, OutcomeLabel, ReleaseLabels, Standing, text},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderRequest, render},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A metric's type and labels, by its name.
type Told = BTreeMap<String, (String, BTreeSet<String>)>;

/// Everything that the operator can tell.
fn told() -> Told {
    let metrics = Metrics::default();
    let kind = KindLabels { kind: "HelmRelease" };
    metrics.reconcile_seconds.get_or_create(&kind).observe(Duration::from_secs(1));
    metrics.reconcile_errors.get_or_create(&kind).inc();
    metrics.actions.get_or_create(&ActionLabels { action: "install", outcome: OutcomeLabel::Failed }).inc();
    let release = ReleaseLabels { namespace: "default".into(), name: "hello".into() };
    metrics.standings.set(&release, Standing { not_ready_since: Some(1), ..Standing::default() });
    let text = text(&metrics.registry());

    let mut told = Told::new();
    for line in text.lines() {
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            // Of a counter nothing but its total is told.
            let suffix = if kind == "counter" { "_total" } else { "" };
            told.insert(format!("{name}{suffix}"), (kind.to_owned(), BTreeSet::new()));
        } else if !line.starts_with('#') {
            let (series, labels) = line.split_once('{').unwrap_or((line.split(' ').next().unwrap(), ""));
            let labels = labels.split_once('}').map_or("", |(labels, _)| labels).split(',').filter(|l| !l.is_empty());
            let labels = labels.map(|label| label.split('=').next().unwrap().to_owned()).filter(|label| label != "le");
            let name = ["_bucket", "_sum", "_count"].iter().find_map(|s| series.strip_suffix(s)).unwrap_or(series);
            told.get_mut(name).unwrap_or_else(|| panic!("{series} has no type\n{text}")).1.extend(labels);
        }
    }
    told
}

/// The names of series in a text.
fn named(text: &str) -> BTreeSet<String> {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.split(|c| !word(c)).filter(|name| name.starts_with("pintle_")).map(str::to_owned).collect()
}

fn rendered(given: &str) -> String {
    let chart = load::directory(&root().join("charts/pintle"), &load::Limits::default()).unwrap();
    let request = RenderRequest {
        chart: Arc::new(CompiledChart::new(Arc::new(chart))),
        values: Frozen::of(&values::from_yaml(given.as_bytes()).unwrap().into()).unwrap(),
        release: Release { name: "pintle".into(), namespace: "pintle".into(), revision: 1, is_upgrade: false },
        capabilities: Arc::new(Capabilities::default()),
        options: Options::default(),
        host: Arc::new(Machine),
    };
    render(&request).unwrap().manifest
}

#[test]
fn dashboard_and_alerts_ask_for_what_is_told() {
    let mut series = BTreeSet::new();
    for (name, (kind, _)) in told() {
        match kind.as_str() {
            "histogram" => series.extend(["_bucket", "_sum", "_count"].map(|suffix| format!("{name}{suffix}"))),
            _ => {
                series.insert(name);
            }
        }
    }
    let without = rendered("{}");
    assert_eq!(named(&without), BTreeSet::new());
    for (values, kind) in [
        ("dashboard: {enabled: true}", "ConfigMap"),
        ("prometheusRule: {enabled: true}", "PrometheusRule"),
        ("metrics: {serviceMonitor: true}", "ServiceMonitor"),
        ("metrics: {podMonitor: true, service: false}", "PodMonitor"),
    ] {
        let manifest = rendered(values);
        let line = format!("\nkind: {kind}\n");
        assert!(manifest.contains(&line) && !without.contains(&line), "{values}: {kind}");
        let asked = named(&manifest);
        let unknown: Vec<_> = asked.difference(&series).collect();
        assert!(unknown.is_empty(), "{kind} asks for {unknown:?}, which nobody tells");
        assert_eq!(asked.is_empty(), kind.ends_with("Monitor"), "{kind}");
    }
    // Each alert says what happened and what to do.
    let rules = rendered("prometheusRule: {enabled: true}");
    let count = |part: &str| rules.matches(part).count();
    let alerts = count("- alert: Pintle");
    assert_eq!(
        (alerts, alerts, alerts),
        (8, count("\n            summary: "), count("\n            description: |\n"))
    );
    // Where memory has no limit, there is nothing to compare with.
    assert!(!rendered("prometheusRule: {enabled: true}\nresources: null").contains("resident_memory"));
}

#[test]
fn the_dashboard_is_a_dashboard() {
    let path: PathBuf = root().join("charts/pintle/dashboards/pintle.json");
    let dashboard: serde_json::Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
    let mut ids = BTreeSet::new();
    for panel in dashboard["panels"].as_array().unwrap() {
        assert!(ids.insert(panel["id"].as_i64().unwrap()), "{panel}");
        let grid = |part: &str| panel["gridPos"][part].as_i64().unwrap();
        assert!(grid("x") + grid("w") <= 24, "{panel}");
        if panel["type"] != "row" {
            let targets = panel["targets"].as_array().unwrap();
            assert!(
                !targets.is_empty() && targets.iter().all(|t| !named(t["expr"].as_str().unwrap()).is_empty()),
                "{panel}"
            );
        }
    }
}

#[test]
fn what_is_told_is_documented() {
    let text = fs::read_to_string(root().join("docs/monitoring.md")).unwrap();
    let mut documented = Told::new();
    for line in text.lines().filter(|line| line.starts_with("| `pintle_")) {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let labels =
            cells[2].split(", ").filter(|label| !label.is_empty()).map(|label| label.trim_matches('`').to_owned());
        let name = cells[0].trim_matches('`').to_owned();
        assert!(documented.insert(name, (cells[1].to_owned(), labels.collect())).is_none(), "{line} comes twice");
    }
    assert_eq!(documented, told());
}
