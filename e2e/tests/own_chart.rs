//! The operator's own chart: installed by helm, taken over and upgraded by Pintle itself, and in step with config/.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{HELMREPOSITORY, Scene, build_helm, package, pintle, root};
use serde_json::{Value, json};
use std::{fs, path::Path, process::Command};

#[test]
fn helm_installs_it_and_pintle_upgrades_it() {
    let scene = Scene::set("own", &[]).unwrap();
    let at = &scene.namespace;
    let chart = root().join("charts/pintle");
    // The definitions and cluster roles of this control plane are config/'s; the chart's own go under another name.
    at.helm(&["install", "own", chart.to_str().unwrap(), "--skip-crds", "--wait", "--timeout", "60s"]).unwrap();
    scene.repository.add(package(&chart).unwrap());
    at.request(HELMREPOSITORY, "charts").unwrap();
    at.put_release(
        "own",
        "pintle",
        "*",
        &json!({"values": {"replicas": 2}, "install": {"crds": "Skip"}, "upgrade": {"crds": "Skip"}}),
    )
    .unwrap();
    at.until_ready("own").unwrap();
    let deployment = at.object("deployment", "own-pintle").unwrap();
    assert_eq!(deployment["status"]["readyReplicas"], 2);
    // The chart's objects are as helm renders them.
    let (ours, theirs) = (
        at.helm(&["get", "manifest", "own"]).unwrap(),
        at.helm(&["template", "own", chart.to_str().unwrap(), "--set", "replicas=2", "--is-upgrade"]).unwrap(),
    );
    assert_eq!(ours.trim(), theirs.trim());
}

#[test]
fn helm_and_pintle_render_it_alike() {
    let chart = root().join("charts/pintle");
    let (helm, pintle) = (build_helm(&mut |line| eprintln!("{line}")).unwrap(), pintle().unwrap());
    for (set, part) in [
        ("replicas=1", "kind: Deployment"),
        ("dashboard.enabled=true,dashboard.namespace=grafana", "pintle.json: |"),
        ("prometheusRule.enabled=true,resources.limits.memory=2Gi", "> 0.9 * 2 * 1024 * 1024 * 1024"),
        ("prometheusRule.enabled=true,prometheusRule.labels.release=prometheus", "release: prometheus"),
        ("metrics.serviceMonitor=true,metrics.monitorLabels.release=prometheus", "kind: ServiceMonitor"),
        ("metrics.podMonitor=true,metrics.service=false", "kind: PodMonitor"),
        ("metrics.serviceMonitor=true,metrics.service=false", "metrics.serviceMonitor needs metrics.service"),
        ("metrics.serviceMonitor=true,metrics.podMonitor=true", "two ways to the same numbers"),
        ("prometheusRule.notReadyMinutes=0", "minimum"),
    ] {
        let render = |program: &Path| {
            let mut command = Command::new(program);
            command.args(["template", "own"]).arg(&chart).args(["--set", set]).env("PINTLE_ERRORS", "helm");
            let done = command.output().unwrap();
            format!("{}{}", String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr))
        };
        let (ours, theirs) = (render(&pintle), render(&helm));
        assert_eq!(ours, theirs, "--set {set}");
        assert!(ours.contains(part), "{set}: {part} is not in\n{ours}");
    }
}

#[test]
fn its_rules_and_definitions_are_those_of_config() {
    let scene = Scene::set("rules", &[]).unwrap();
    let at = &scene.namespace;
    let chart = root().join("charts/pintle");
    at.helm(&["install", "rules", chart.to_str().unwrap(), "--skip-crds"]).unwrap();
    for suffix in ["", "-view", "-edit"] {
        let rules = |name: String| -> Value { at.object("clusterrole", &name).unwrap()["rules"].clone() };
        assert_eq!(
            rules(format!("rules-pintle{suffix}")),
            rules(format!("pintle{suffix}")),
            "ClusterRole pintle{suffix}"
        );
    }
    for file in ["pintle.dev_helmreleases.yaml", "pintle.dev_helmrepositories.yaml"] {
        let read = |folder: &str| fs::read_to_string(root().join(folder).join(file)).unwrap();
        assert!(read("config/crd") == read("charts/pintle/crds"), "{file} differs: run cargo xtask crds");
    }
}
