//! Pintle's releases are helm's, and helm's are Pintle's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{Scene, root};
use serde_json::json;

/// No hooks and no pods: these tests are about records.
fn quiet() -> serde_json::Value {
    json!({"replicas": 0, "hooks": {"enabled": false}})
}

#[test]
fn helm_reads_what_pintle_wrote() {
    let scene = Scene::set("read-by-helm", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    at.put_release("hello", "hello", "1.0.0", &json!({"values": quiet()})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}})).unwrap();
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();

    at.helm_says("hello", 1, "superseded", "hello-1.0.0").unwrap();
    at.helm_says("hello", 2, "deployed", "hello-1.1.0").unwrap();
    assert_eq!(at.helm_json(&["get", "values", "hello"]).unwrap(), quiet());
    let status = at.helm_json(&["status", "hello"]).unwrap();
    assert_eq!(status["info"]["status"], "deployed");
    assert!(status["info"]["notes"].as_str().unwrap().starts_with("Hello from hello, revision 2."), "{status}");

    // What helm itself would have written, in a namespace in which it did.
    let helm = scene.elsewhere("by-helm").unwrap();
    let chart = |version: &str| root().join(format!("e2e/charts/hello-{version}")).display().to_string();
    let values = ["--set", "replicas=0,hooks.enabled=false"];
    helm.helm(&[&["install", "hello", &chart("1.0.0")], &values[..]].concat()).unwrap();
    helm.helm(&[&["upgrade", "hello", &chart("1.1.0")], &values[..]].concat()).unwrap();
    for what in ["manifest", "hooks"] {
        let (ours, theirs) = (at.helm(&["get", what, "hello"]).unwrap(), helm.helm(&["get", what, "hello"]).unwrap());
        assert_eq!(ours, theirs, "helm get {what}");
    }
    let (ours, theirs) = (at.helm(&["get", "notes", "hello"]).unwrap(), helm.helm(&["get", "notes", "hello"]).unwrap());
    assert_eq!(ours.replace(at.name(), "by-helm"), theirs, "helm get notes");
}

#[test]
fn a_rollback_by_hand_works_and_is_seen() {
    let scene = Scene::set("rolled-back-by-hand", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    at.put_release("hello", "hello", "1.0.0", &json!({"values": quiet()})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}})).unwrap();
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();
    // No flags, no conflict: both apply under one name.
    at.helm(&["rollback", "hello", "1"]).unwrap();
    // The spec still says 1.1.0, so that is what runs in the end.
    at.until_runs("hello", "hello@1.1.0", 4).unwrap();
    at.helm_says("hello", 3, "superseded", "hello-1.0.0").unwrap();
    at.helm_says("hello", 4, "deployed", "hello-1.1.0").unwrap();
}

#[test]
fn a_release_of_helm_is_taken_over() {
    let scene = Scene::set("taken-over", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    let chart = root().join("e2e/charts/hello-1.0.0").display().to_string();
    at.helm(&["install", "hello", &chart, "--set", "replicas=0,hooks.enabled=false"]).unwrap();
    let before = at.object("service", "hello-hello").unwrap();
    at.put_release("hello", "hello", "1.1.0", &json!({"values": quiet()})).unwrap();
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();
    at.helm_says("hello", 1, "superseded", "hello-1.0.0").unwrap();
    let after = at.object("service", "hello-hello").unwrap();
    assert_eq!(before["metadata"]["uid"], after["metadata"]["uid"], "the Service was made anew");
    // And back: helm goes on where Pintle left.
    at.patch_release("hello", &json!({"spec": {"suspend": true}})).unwrap();
    let next = root().join("e2e/charts/hello-1.1.0").display().to_string();
    at.helm(&["upgrade", "hello", &next, "--set", "replicas=0,hooks.enabled=false,greeting=Moin"]).unwrap();
    at.helm_says("hello", 3, "deployed", "hello-1.1.0").unwrap();
}
