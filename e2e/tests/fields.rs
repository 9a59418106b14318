//! Fields of a HelmRelease that no other test is about: each does what its documentation says, seen from outside.
//! docs/fields.md names the test of every field.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{DEADLINE, HELMRELEASE, HELMREPOSITORY, Namespace, Packaged, Scene, archive, condition, wait_until};
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

/// A chart with values files of its own, the last of which says `mark`.
fn publish_files(scene: &Scene, mark: &str) {
    let file = |name: &str, text: &str| (format!("files/{name}"), text.as_bytes().to_vec());
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: files}\ndata: {{ .Values | toJson }}\n";
    let bytes = archive(vec![
        file("Chart.yaml", "apiVersion: v2\nname: files\nversion: 1.0.0\n"),
        file("values.yaml", "a: plain\nb: plain\nc: plain\n"),
        file("prod.yaml", "a: prod\nb: prod\n"),
        file("more/last.yaml", &format!("b: {mark}\n")),
        file("templates/a.yaml", template),
    ]);
    let bytes = bytes.unwrap();
    scene.repository.add(Packaged { name: "files".into(), version: "1.0.0".into(), app_version: "1".into(), bytes });
    scene.namespace.request(HELMREPOSITORY, "charts").unwrap();
}

#[test]
fn the_charts_own_values_files() {
    let scene = Scene::set("values-files", &[]).unwrap();
    let at = &scene.namespace;
    publish_files(&scene, "last");
    let put = |more: Value, values: Value| {
        let mut spec =
            json!({"chart": "files", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "charts"}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let metadata = json!({"labels": {"team": "web"}, "annotations": {"note": "none"}});
        let chart = json!({"metadata": metadata, "spec": spec});
        at.put_release("files", "", "", &json!({"chart": chart, "values": values, "persistentClient": false})).unwrap();
    };
    let data = || at.find("configmap", "files").unwrap().map(|found| found["data"].clone());

    // Later files win, the spec's own values win over all of them.
    put(json!({"valuesFiles": ["values.yaml", "prod.yaml", "./more/last.yaml"]}), json!({"c": "own"}));
    at.until_runs("files", "files@1.0.0", 1).unwrap();
    assert_eq!(data().unwrap(), json!({"a": "prod", "b": "last", "c": "own"}));

    // Without values.yaml among them it plays no part.
    put(json!({"valuesFiles": ["prod.yaml", "none.yaml"]}), json!({}));
    let message = at.until_not_ready("files", &["ChartLoadFailed"]).unwrap();
    assert!(message.contains("valuesFiles: the chart has no file none.yaml"), "{message}");
    put(json!({"valuesFiles": ["prod.yaml", "none.yaml"], "ignoreMissingValuesFiles": true}), json!({}));
    at.until_runs("files", "files@1.0.0", 2).unwrap();
    assert_eq!(data().unwrap(), json!({"a": "prod", "b": "prod"}));

    // A version that is published anew is another chart, whatever the strategy.
    for (revision, strategy, mark) in [(3, "ChartVersion", "anew"), (5, "Revision", "again")] {
        put(json!({"valuesFiles": ["more/last.yaml"], "reconcileStrategy": strategy}), json!({"mark": mark}));
        at.until_runs("files", "files@1.0.0", revision).unwrap();
        publish_files(&scene, mark);
        at.until_runs("files", "files@1.0.0", revision + 1).unwrap();
        assert_eq!(data().unwrap(), json!({"b": mark, "mark": mark}));
    }

    // What has no meaning changes nothing.
    let more = json!({"persistentClient": true, "chart": {"metadata": {"labels": {"team": "other"}}}});
    at.patch_release("files", &json!({"spec": more})).unwrap();
    at.until_runs("files", "files@1.0.0", 6).unwrap();
}

#[test]
fn an_unknown_field_is_refused_at_once() {
    let scene = Scene::set("unknown-field", &["hello-1.0.0"]).unwrap();
    let refused = scene.namespace.put_release("hello", "hello", "1.0.0", &json!({"valeus": {"greeting": "Hi"}}));
    let message = format!("{:#}", refused.unwrap_err());
    assert!(message.contains("spec.valeus"), "{message}");
}
