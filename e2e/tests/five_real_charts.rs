//! Real charts from the recorded corpus: installed, ready, and stored as helm itself stores them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use pintle_e2e::{Namespace, Packaged, Scene, root};
use serde_json::json;

/// (archive, chart, why this one)
const CHARTS: [(&str, &str, &str); 5] = [
    (
        "prometheus-community_helm-charts__charts__kube-prometheus-stack",
        "kube-prometheus-stack",
        "large: subcharts, CRDs, hooks",
    ),
    ("helm_charts__stable__phpmyadmin", "phpmyadmin", "apiVersion v1 with requirements.yaml"),
    ("bitnami_charts__bitnami__cert-manager", "cert-manager", "a library chart, several Deployments"),
    ("grafana_helm-charts__charts__promtail", "promtail", "a DaemonSet, a Secret with a rendered file"),
    ("bitnami_charts__bitnami__external-dns", "external-dns", "RBAC across the cluster"),
];

#[test]
fn installed_and_stored_as_helm_does() {
    let charts = root().join("../shared/corpus/charts");
    if !charts.is_dir() {
        eprintln!("skipped: {} is not here", charts.display());
        return;
    }
    let scene = Scene::set("real", &[]).unwrap();
    let at = &scene.namespace;
    for (file, chart, _) in CHARTS {
        let archive = charts.join(format!("{file}.tgz"));
        let version = version(at, archive.to_str().unwrap());
        let bytes = fs::read(&archive).unwrap();
        scene.repository.add(Packaged { name: chart.to_owned(), version, app_version: String::new(), bytes });
    }
    // Known before the releases ask for them: an index that was fetched earlier is good for its interval.
    at.put_repository("charts", &json!({"url": scene.repository.url(), "interval": "5s"})).unwrap();
    for (file, chart, why) in CHARTS {
        eprintln!("{chart} ({why})");
        at.put_release(chart, chart, "*", &json!({"timeout": "3m"})).unwrap();
        at.until_ready(chart).unwrap_or_else(|error| panic!("{chart}: {error:#}"));
        let ours = at.helm(&["get", "manifest", chart]).unwrap();
        at.delete_release(chart).unwrap();
        let archive = charts.join(format!("{file}.tgz"));
        // A chart may make up passwords, so helm is asked twice: where it differs from itself, anything is right. It is asked
        // when the release is gone, since charts look for the passwords that they made up before.
        let render = || {
            at.helm_json(&["install", chart, archive.to_str().unwrap(), "--dry-run=server", "--take-ownership"])
                .unwrap()
        };
        let (first, second) = (render(), render());
        same(chart, &ours, first["manifest"].as_str().unwrap(), second["manifest"].as_str().unwrap());
    }
}

fn version(at: &Namespace, archive: &str) -> String {
    let metadata = at.helm(&["show", "chart", archive]).unwrap();
    let line = metadata.lines().find_map(|line| line.strip_prefix("version: ")).unwrap();
    line.trim_matches(['"', '\'']).to_owned()
}

fn same(chart: &str, ours: &str, first: &str, second: &str) {
    let (ours, first, second): (Vec<_>, Vec<_>, Vec<_>) =
        (ours.trim().lines().collect(), first.trim().lines().collect(), second.trim().lines().collect());
    assert_eq!(first.len(), second.len(), "{chart}: helm differs from itself in more than lines");
    for (number, ((ours, first), second)) in ours.iter().zip(&first).zip(&second).enumerate() {
        assert!(ours == first || first != second, "{chart}, line {}:\n  helm: {first}\n  ours: {ours}", number + 1);
    }
    assert_eq!(ours.len(), first.len(), "{chart}: number of lines");
}
