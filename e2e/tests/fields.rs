//! Fields of a HelmRelease that no other test is about: each does what its documentation says, seen from outside.
//! docs/fields.md names the test of every field.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{DEADLINE, HELMRELEASE, Namespace, Scene, condition, wait_until};
use serde_json::{Value, json};

/// A release of hello without pods.
fn put(at: &Namespace, name: &str, version: &str, more: Value) {
    let mut spec = json!({"interval": "1h", "values": {"replicas": 0}});
    let (Value::Object(spec_fields), Value::Object(more)) = (&mut spec, more) else { unreachable!("both are maps") };
    spec_fields.extend(more);
    at.put_release(name, "hello", version, &spec).unwrap();
}

fn until_gone(at: &Namespace, name: &str) {
    wait_until(&format!("{name} is gone"), DEADLINE, || {
        let found = at.find(HELMRELEASE, name)?;
        Ok(found.map_or(Ok(()), |found| Err(found["status"].to_string())))
    })
    .unwrap();
}

fn delete(at: &Namespace, name: &str) {
    at.kubectl().run(&["-n", at.name(), "delete", HELMRELEASE, name, "--wait=false"]).unwrap();
    until_gone(at, name);
}

fn is_there(at: &Namespace, kind: &str, name: &str) -> bool {
    at.find(kind, name).unwrap().is_some()
}

#[test]
fn names_and_places() {
    let scene = Scene::set("places", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let records = scene.elsewhere("places-records").unwrap();
    let more = json!({"releaseName": "other", "targetNamespace": "places-made", "storageNamespace": "places-records",
        "install": {"createNamespace": true}});
    put(at, "one", "1.0.0", more);
    at.until_ready("one").unwrap();
    assert!(at.kubectl().find("places-made", "configmap", "other-hello").unwrap().is_some());
    assert!(is_there(&records, "secret", "sh.helm.release.v1.other.v1"));
    // Without a name of its own it has both, shortened as Flux does.
    let long = "a-name-that-is-rather-long-for-a-release-of-helm";
    // Its hooks' names would be too long for labels.
    put(at, long, "1.0.0", json!({"targetNamespace": "places-made", "install": {"disableHooks": true}}));
    let found = at.until_ready(long).unwrap();
    let name = found["status"]["history"][0]["name"].as_str().unwrap();
    assert!(name.starts_with("places-made-a-name") && name.len() == 53, "{name}");
    delete(at, "one");
    assert!(at.kubectl().find("places-made", "configmap", "other-hello").unwrap().is_none());
}

#[test]
fn stopping_and_letting_go() {
    let scene = Scene::set("stopping", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    put(at, "paused", "1.0.0", json!({}));
    at.until_ready("paused").unwrap();
    at.patch_release("paused", &json!({"spec": {"suspend": true, "chart": {"spec": {"version": "1.1.0"}}}})).unwrap();
    // Another one is worked on after that, so that the first has had its turn.
    put(at, "orphaned", "1.0.0", json!({"deletionPolicy": "orphan"}));
    at.until_ready("orphaned").unwrap();
    at.helm_says("paused", 1, "deployed", "hello-1.0.0").unwrap();
    delete(at, "paused");
    at.helm_says("paused", 1, "deployed", "hello-1.0.0").unwrap();
    delete(at, "orphaned");
    at.helm_says("orphaned", 1, "deployed", "hello-1.0.0").unwrap();
    assert!(is_there(at, "configmap", "orphaned-hello"));
}

#[test]
fn hooks_tests_and_history() {
    let scene = Scene::set("ends", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    let more = json!({"install": {"disableHooks": true}, "uninstall": {"keepHistory": true},
        "maxHistory": 2, "test": {"enable": true, "filters": [{"name": "quiet-hello-answers", "exclude": true}]}});
    put(at, "quiet", "1.1.0", more);
    let found = at.until_ready("quiet").unwrap();
    assert!(!is_there(at, "job", "quiet-hello-prepare"), "a hook ran");
    assert!(!is_there(at, "job", "quiet-hello-answers"), "a test ran that is excluded");
    assert_eq!(condition(&found, "TestSuccess").unwrap()["status"], "True");
    for (revision, greeting) in [(2, "Moin"), (3, "Servus")] {
        let upgrade = json!({"disableHooks": true});
        at.patch_release("quiet", &json!({"spec": {"upgrade": upgrade, "values": {"greeting": greeting}}})).unwrap();
        at.until_runs("quiet", "hello@1.1.0", revision).unwrap();
    }
    assert!(!is_there(at, "job", "quiet-hello-migrate"), "a hook ran");
    let kept: Vec<i64> = at
        .helm_json(&["history", "quiet"])
        .unwrap()
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|r| r["revision"].as_i64())
        .collect();
    assert_eq!(kept, [2, 3]);
    delete(at, "quiet");
    at.helm_says("quiet", 3, "uninstalled", "hello-1.1.0").unwrap();
    assert!(!is_there(at, "configmap", "quiet-hello"));
    // The name is in use by what was kept, unless it may be replaced.
    put(at, "quiet", "1.1.0", json!({}));
    let message = at.until_not_ready("quiet", &["NameInUse"]).unwrap();
    assert!(message.contains("spec.install.replace"), "{message}");
    at.patch_release("quiet", &json!({"spec": {"install": {"replace": true}}})).unwrap();
    at.until_ready("quiet").unwrap();
}

#[test]
fn waits_and_strategies() {
    let scene = Scene::set("strategies", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let never = json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": "false"}]);
    // Not waited for.
    let more = json!({"healthCheckExprs": never, "install": {"disableWait": true}});
    put(at, "hasty", "1.0.0", more);
    at.until_ready("hasty").unwrap();
    // Waited for in vain: uninstalled, and tried as often as it says.
    let more = json!({"healthCheckExprs": never, "timeout": "5m", "install": {"timeout": "3s", "disableHooks": true,
        "remediation": {"retries": 1, "remediateLastFailure": true}}});
    put(at, "vain", "1.0.0", more);
    let message = at.until_not_ready("vain", &["RetriesExceeded"]).unwrap();
    assert!(message.contains("2 attempts"), "{message}");
    assert!(!is_there(at, "configmap", "vain-hello"), "the last failure was not remediated");
    // Kept and upgraded again after a while.
    let more = json!({"healthCheckExprs": never, "install": {"timeout": "3s", "disableHooks": true,
        "strategy": {"name": "RetryOnFailure", "retryInterval": "1s"}},
        "upgrade": {"timeout": "3s", "disableHooks": true, "strategy": {"name": "RetryOnFailure", "retryInterval": "1s"}}});
    put(at, "stubborn", "1.0.0", more);
    wait_until("a third attempt", DEADLINE, || {
        let found = at.object(HELMRELEASE, "stubborn")?;
        let version = found["status"]["history"][0]["version"].as_i64().unwrap_or_default();
        Ok(if version >= 3 { Ok(()) } else { Err(found["status"].to_string()) })
    })
    .unwrap();
    assert!(is_there(at, "configmap", "stubborn-hello"));
}

#[test]
fn schemas() {
    let scene = Scene::set("schemas", &["hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    put(at, "wrong", "1.1.0", json!({"values": {"replicas": 0, "greeting": ""}}));
    wait_until("the schema's refusal", DEADLINE, || {
        let found = at.object(HELMRELEASE, "wrong")?;
        let said = found["status"]["conditions"].to_string();
        Ok(if said.contains("greeting") && said.contains("schema") { Ok(()) } else { Err(said) })
    })
    .unwrap();
    let unchecked = json!({"values": {"replicas": 0, "greeting": ""}, "install": {"disableSchemaValidation": true}});
    put(at, "unchecked", "1.1.0", unchecked);
    at.until_ready("unchecked").unwrap();
}
