//! The operator's own chart: installed by helm, taken over and upgraded by Pintle itself, and in step with config/.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use pintle_e2e::{HELMREPOSITORY, Scene, package, root};
use serde_json::{Value, json};

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
