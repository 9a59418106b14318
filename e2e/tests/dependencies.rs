//! What a release waits for: objects of any kind, by its own rights, and other releases, unless these wait for it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{HELMRELEASE, Namespace, Scene, condition, is_ready};
use serde_json::{Value, json};

/// Far longer than what is measured takes: nothing here is found by polling.
const INTERVAL: &str = "1h";

fn put(at: &Namespace, name: &str, more: &Value) {
    let mut spec = json!({"interval": INTERVAL, "values": {"hooks": {"enabled": false}, "replicas": 0}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    at.put_release(name, "hello", "1.x", &spec).unwrap();
}

/// Waits until Ready is False for this reason, with a message that has `part`.
fn until_says(at: &Namespace, name: &str, reason: &str, part: &str) {
    at.until(name, |release| {
        let ready = condition(release, "Ready")?;
        let says = ready["message"].as_str().is_some_and(|message| message.contains(part));
        (ready["status"] == "False" && ready["reason"] == reason && says).then_some(())
    })
    .unwrap();
}

fn gate(at: &Namespace, state: &str) {
    let gate = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "gate", "namespace": at.name()},
        "data": {"state": state}});
    at.kubectl().apply(&gate.to_string()).unwrap();
}

fn deployment(at: &Namespace, sim: &str) {
    let labels = json!({"app": "database"});
    let annotations = if sim.is_empty() { json!({}) } else { json!({"pintle.dev/sim": sim}) };
    let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": "database", "namespace": at.name()},
        "spec": {"strategy": {"type": "Recreate"}, "selector": {"matchLabels": labels}, "template": {
            "metadata": {"labels": labels, "annotations": annotations},
            "spec": {"containers": [{"name": "a", "image": "b"}]}}}});
    at.kubectl().apply(&deployment.to_string()).unwrap();
}

#[test]
fn a_release_waits_for_objects_of_any_kind() {
    let mut scene = Scene::set("depends", &["hello-1.0.0"]).unwrap();
    let at = scene.namespace.clone();
    let expression = "dep.data.?state.orValue('') == self.metadata.name";
    let database = json!({"apiVersion": "apps/v1", "kind": "Deployment", "name": "database"});
    let both = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gate", "readyExpr": expression}, database]);
    put(&at, "web", &json!({"dependsOn": both}));
    until_says(&at, "web", "DependencyNotReady", "ConfigMap depends/gate is not ready: it does not exist");
    gate(&at, "shut");
    until_says(&at, "web", "DependencyNotReady", "ConfigMap depends/gate is not ready: readyExpr is not true");
    gate(&at, "web");
    until_says(&at, "web", "DependencyNotReady", "Deployment depends/database is not ready: it does not exist");
    // A new operator waits for the same.
    scene.restart_operator().unwrap();
    deployment(&at, "never-ready");
    until_says(&at, "web", "DependencyNotReady", "of 1 replicas");
    assert!(at.find("deployment", "web-hello").unwrap().is_none());
    deployment(&at, "");
    at.until_runs("web", "hello@1.0.0", 1).unwrap();

    // A kind and its version belong together.
    let half = json!({"dependsOn": [{"kind": "ConfigMap", "name": "gate"}]});
    let refused = at.patch_release("web", &json!({"spec": half})).unwrap_err();
    assert!(refused.to_string().contains("apiVersion and kind must be set together"), "{refused}");
}

#[test]
fn what_the_account_may_not_see_it_cannot_wait_for() {
    let scene = Scene::set("depends-rights", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let other = scene.elsewhere("depends-rights-other").unwrap();
    gate(&other, "open");
    at.kubectl().run(&["create", "serviceaccount", "tenant", "-n", at.name()]).unwrap();
    let account = format!("--serviceaccount={}:tenant", at.name());
    at.kubectl().run(&["create", "rolebinding", "edit", "-n", at.name(), "--clusterrole=edit", &account]).unwrap();
    let depends = json!([{"apiVersion": "v1", "kind": "ConfigMap", "name": "gate", "namespace": other.name()}]);
    put(at, "web", &json!({"serviceAccountName": "tenant", "dependsOn": depends}));
    let message = at.until_not_ready("web", &["AccessDenied"]).unwrap();
    assert!(
        message.contains("forbidden") && message.contains("system:serviceaccount:depends-rights:tenant"),
        "{message}"
    );
    // The operator itself may.
    put(at, "web", &json!({"dependsOn": depends}));
    at.until_runs("web", "hello@1.0.0", 1).unwrap();
}

#[test]
fn a_cycle_is_named_in_all_its_members_until_it_is_broken() {
    let scene = Scene::set("cycle", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let on = |name: &str| json!({"dependsOn": [{"name": name}]});
    put(at, "a", &json!({}));
    at.until_ready("a").unwrap();
    put(at, "b", &on("a"));
    put(at, "c", &on("b"));
    at.until_ready("c").unwrap();
    // With this all of them wait for each other, those that run included.
    put(at, "a", &on("c"));
    for (name, cycle) in [
        ("a", "cycle/a → cycle/c → cycle/b → cycle/a"),
        ("b", "cycle/b → cycle/a → cycle/c → cycle/b"),
        ("c", "cycle/c → cycle/b → cycle/a → cycle/c"),
    ] {
        until_says(at, name, "DependencyCycle", cycle);
    }
    // One that depends on a member is none.
    put(at, "d", &on("a"));
    until_says(at, "d", "DependencyNotReady", "HelmReleases wait for each other");
    put(at, "b", &json!({}));
    for name in ["a", "b", "c", "d"] {
        at.until_ready(name).unwrap();
    }
    assert!(is_ready(&at.object(HELMRELEASE, "a").unwrap()));
}
