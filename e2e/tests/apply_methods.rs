//! How objects are written: by the API server, by a three-way merge here, or replaced as a whole.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{DEADLINE, Namespace, Scene, wait_until};
use serde_json::{Value, json};

/// How the field manager `helm` has written the ConfigMap.
fn written(at: &Namespace) -> Vec<String> {
    let args = ["-n", at.name(), "get", "configmap", "web-hello", "-o", "json", "--show-managed-fields"];
    let found: Value = serde_json::from_str(&at.kubectl().run(&args).unwrap()).unwrap();
    let entries = found["metadata"]["managedFields"].as_array().unwrap();
    let own = entries.iter().filter(|entry| entry["manager"] == "helm");
    own.map(|entry| entry["operation"].as_str().unwrap().to_owned()).collect()
}

fn patch(at: &Namespace, patch: &Value) {
    at.kubectl().run(&["-n", at.name(), "patch", "configmap", "web-hello", "-p", &patch.to_string()]).unwrap();
}

fn upgrade(at: &Namespace, greeting: &str, revision: i64, how: &Value) {
    let spec = json!({"spec": {"values": {"replicas": 0, "greeting": greeting}, "upgrade": how}});
    at.patch_release("web", &spec).unwrap();
    at.until_runs("web", "hello@1.0.0", revision).unwrap();
    let found = at.object("configmap", "web-hello").unwrap();
    assert_eq!(found["data"]["greeting"], greeting);
}

#[test]
fn client_side_and_back() {
    let scene = Scene::set("methods", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let more = json!({"interval": "1h", "values": {"replicas": 0}, "install": {"serverSideApply": false},
        "driftDetection": {"mode": "enabled"}});
    at.put_release("web", "hello", "1.0.0", &more).unwrap();
    at.until_ready("web").unwrap();
    assert_eq!(written(at), ["Update"]);
    let metadata = at.helm_json(&["get", "metadata", "web"]).unwrap();
    assert_eq!(metadata["applyMethod"], "csa", "{metadata}");

    // Somebody's own field stays; what the chart says comes back.
    patch(at, &json!({"metadata": {"labels": {"team": "blue"}}, "data": {"greeting": "Moin"}}));
    wait_until("drift is corrected", DEADLINE, || {
        let found = at.object("configmap", "web-hello")?;
        Ok(if found["data"]["greeting"] == "Hello" { Ok(()) } else { Err(found["data"].to_string()) })
    })
    .unwrap();
    let team = || at.object("configmap", "web-hello").unwrap()["metadata"]["labels"]["team"].clone();
    assert_eq!(team(), "blue");

    // As the revision before, unless something else is asked for.
    upgrade(at, "Servus", 2, &json!({}));
    assert_eq!((written(at), team()), (vec!["Update".to_owned()], json!("blue")));

    // Replaced as a whole: what is not the chart's goes.
    upgrade(at, "Tach", 3, &json!({"force": true}));
    assert_eq!(team(), Value::Null);
    at.patch_release("web", &json!({"spec": {"upgrade": {"force": null}}})).unwrap();

    // Taken over by the API server: nothing is left to a manager that only updates.
    upgrade(at, "Hallo", 4, &json!({"serverSideApply": "enabled"}));
    assert_eq!(written(at), ["Apply"]);
    assert_eq!(at.helm_json(&["get", "metadata", "web"]).unwrap()["applyMethod"], "ssa");
}
