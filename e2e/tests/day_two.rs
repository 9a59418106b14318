//! What happens to releases that run already: people change and delete objects, controllers fight over fields, pods crash,
//! somebody wants an earlier revision back.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{DEADLINE, Namespace, Scene, condition, wait_until};
use serde_json::{Value, json};

/// Far longer than what is measured takes, far shorter than the interval: nothing here is found by polling.
const INTERVAL: &str = "1h";

fn put(at: &Namespace, release: &str, more: &Value) {
    let mut spec = json!({"interval": INTERVAL, "values": {"hooks": {"enabled": false}, "replicas": 0}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    at.put_release(release, "hello", "1.0.0", &spec).unwrap();
}

/// Waits until an object is as `probe` wants it.
fn until(at: &Namespace, kind: &str, name: &str, what: &str, mut probe: impl FnMut(Option<&Value>) -> bool) {
    wait_until(what, DEADLINE, || {
        let found = at.find(kind, name)?;
        Ok(if probe(found.as_ref()) { Ok(()) } else { Err(format!("{found:?}")) })
    })
    .unwrap();
}

fn events(at: &Namespace, release: &str, reason: &str) -> Vec<String> {
    let events = at.list("events").unwrap();
    let of = |event: &&Value| {
        let about = if event["regarding"].is_object() { &event["regarding"] } else { &event["involvedObject"] };
        about["name"] == release && event["reason"] == reason
    };
    let note = |event: &Value| event["note"].as_str().or(event["message"].as_str()).unwrap_or_default().to_owned();
    events.iter().filter(of).map(note).collect()
}

fn until_event(at: &Namespace, release: &str, reason: &str, part: &str) {
    wait_until(&format!("an event {reason} with {part:?}"), DEADLINE, || {
        let notes = events(at, release, reason);
        Ok(if notes.iter().any(|note| note.contains(part)) { Ok(()) } else { Err(format!("{notes:?}")) })
    })
    .unwrap();
}

fn scale(at: &Namespace, name: &str, replicas: i64) {
    let patch = json!({"spec": {"replicas": replicas}}).to_string();
    let args = ["-n", at.name(), "patch", "deployment", name, "--field-manager", "somebody", "-p", &patch];
    at.kubectl().run(&args).unwrap();
}

#[test]
fn changed_and_deleted_objects_are_put_back() {
    let mut scene = Scene::set("drift", &["hello-1.0.0"]).unwrap();
    let at = scene.namespace.clone();
    put(&at, "web", &json!({"driftDetection": {"mode": "enabled"}}));
    at.until_runs("web", "hello@1.0.0", 1).unwrap();

    scale(&at, "web-hello", 3);
    until(&at, "deployment", "web-hello", "the replicas are as applied", |d| {
        d.is_some_and(|d| d["spec"]["replicas"] == 0)
    });
    until_event(&at, "web", "DriftCorrected", "/spec/replicas is 3, not 0 (changed by somebody)");

    at.kubectl().run(&["-n", at.name(), "delete", "configmap", "web-hello"]).unwrap();
    until(&at, "configmap", "web-hello", "the ConfigMap is there again", |c| c.is_some());
    until_event(&at, "web", "DriftCorrected", "ConfigMap drift/web-hello was deleted");

    // No revision is made of it, and what nobody applied is nobody's business.
    let args = ["-n", at.name(), "annotate", "deployment", "web-hello", "example.org/note=mine"];
    at.kubectl().run(&args).unwrap();
    assert_eq!(at.helm_json(&["history", "web"]).unwrap().as_array().unwrap().len(), 1);

    // While no operator runs, too.
    scene.operator.kill();
    scale(&at, "web-hello", 2);
    at.kubectl().run(&["-n", at.name(), "delete", "service", "web-hello"]).unwrap();
    scene.restart_operator().unwrap();
    until(&at, "deployment", "web-hello", "the replicas are as applied", |d| {
        d.is_some_and(|d| d["spec"]["replicas"] == 0)
    });
    until(&at, "service", "web-hello", "the Service is there again", |s| s.is_some());
    let deployment = at.object("deployment", "web-hello").unwrap();
    assert_eq!(deployment["metadata"]["annotations"]["example.org/note"], "mine", "{deployment}");
}

#[test]
fn drift_is_only_told_or_let_be_where_the_spec_says_so() {
    let scene = Scene::set("drift-rules", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    put(at, "told", &json!({"driftDetection": {"mode": "warn"}}));
    let ignore = json!([{"paths": ["/spec/replicas"], "target": {"kind": "Deployment"}}]);
    put(at, "ignored", &json!({"driftDetection": {"mode": "enabled", "ignore": ignore}}));
    at.until_runs("told", "hello@1.0.0", 1).unwrap();
    at.until_runs("ignored", "hello@1.0.0", 1).unwrap();

    scale(at, "told-hello", 3);
    until_event(at, "told", "DriftDetected", "/spec/replicas is 3, not 0");
    scale(at, "ignored-hello", 4);
    // What comes after it is corrected, so that it was looked at.
    let patch = json!({"data": {"greeting": "Moin"}}).to_string();
    at.kubectl().run(&["-n", at.name(), "patch", "configmap", "ignored-hello", "-p", &patch]).unwrap();
    until_event(at, "ignored", "DriftCorrected", "/data/greeting is \"Moin\", not \"Hello\"");
    assert_eq!(at.object("deployment", "ignored-hello").unwrap()["spec"]["replicas"], 4);
    assert_eq!(at.object("deployment", "told-hello").unwrap()["spec"]["replicas"], 3);
    assert!(!events(at, "ignored", "DriftCorrected").iter().any(|note| note.contains("replicas")));
}

#[test]
fn a_fight_with_another_controller_is_noticed() {
    let scene = Scene::set("fight", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    put(at, "web", &json!({"driftDetection": {"mode": "enabled"}}));
    at.until_runs("web", "hello@1.0.0", 1).unwrap();
    wait_until("the fight is noticed", DEADLINE, || {
        if at.object("deployment", "web-hello")?["spec"]["replicas"] == 0 {
            scale(at, "web-hello", 7);
        }
        Ok(if events(at, "web", "DriftFight").is_empty() { Err("peace".to_owned()) } else { Ok(()) })
    })
    .unwrap();
    let note = events(at, "web", "DriftFight").remove(0);
    assert!(note.contains("somebody changes it again and again") && note.contains("driftDetection.ignore"), "{note}");
}

#[test]
fn a_declared_revision_is_restored() {
    let scene = Scene::set("rollback-to", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    let spec = |more: &Value| {
        let mut spec = json!({"interval": INTERVAL, "values": {"hooks": {"enabled": false}, "replicas": 0},
            "uninstall": {"keepHistory": true}});
        for (key, value) in more.as_object().unwrap() {
            spec[key] = value.clone();
        }
        spec
    };
    at.put_release("web", "hello", "1.0.0", &spec(&json!({}))).unwrap();
    at.until_runs("web", "hello@1.0.0", 1).unwrap();
    at.put_release("web", "hello", "1.1.0", &spec(&json!({}))).unwrap();
    at.until_runs("web", "hello@1.1.0", 2).unwrap();

    at.put_release("web", "hello", "1.1.0", &spec(&json!({"rollbackTo": 1}))).unwrap();
    at.until_runs("web", "hello@1.0.0", 3).unwrap();
    at.helm_says("web", 3, "deployed", "hello-1.0.0").unwrap();
    // It stays there, also when chart and values change.
    at.put_release("web", "hello", "1.1.0", &spec(&json!({"rollbackTo": 1, "values": {"greeting": "Salut"}}))).unwrap();
    at.until_ready("web").unwrap();
    at.until_runs("web", "hello@1.0.0", 3).unwrap();

    at.put_release("web", "hello", "1.1.0", &spec(&json!({"rollbackTo": 17}))).unwrap();
    let message = at.until_not_ready("web", &["MissingRollbackTarget"]).unwrap();
    assert!(message.contains("revision 17") && message.contains("1"), "{message}");

    // Without it, what the spec says is wanted again.
    at.put_release("web", "hello", "1.1.0", &spec(&json!({}))).unwrap();
    at.until_runs("web", "hello@1.1.0", 4).unwrap();

    // A release whose history was kept comes back.
    at.delete_release("web").unwrap();
    at.helm_says("web", 4, "uninstalled", "hello-1.1.0").unwrap();
    assert!(at.find("deployment", "web-hello").unwrap().is_none());
    at.put_release("web", "hello", "1.1.0", &spec(&json!({"rollbackTo": 1}))).unwrap();
    at.until_runs("web", "hello@1.0.0", 5).unwrap();
    assert!(at.find("deployment", "web-hello").unwrap().is_some());
}

#[test]
fn the_culprit_is_named() {
    let scene = Scene::set("culprit", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    for (release, sim, parts) in [
        (
            "crash",
            json!({"sim": "crash", "hooks": {"enabled": false}}),
            &["CrashLoopBackOff", "Deployment culprit/crash-hello"][..],
        ),
        (
            "image",
            json!({"sim": "bad-image", "hooks": {"enabled": false}}),
            &["ImagePullBackOff", "Deployment culprit/image-hello"],
        ),
        ("hook", json!({"hookSim": "fail", "replicas": 0}), &["Job culprit/hook-hello-prepare"]),
    ] {
        at.put_release(release, "hello", "1.0.0", &json!({"timeout": "12s", "values": sim})).unwrap();
        let message = at.until_not_ready(release, &["InstallFailed", "RetriesExceeded"]).unwrap();
        for part in parts {
            assert!(message.contains(part), "{release}: {part} is not in {message}");
        }
    }
}

#[test]
fn a_slow_wait_says_why() {
    let scene = Scene::set("slow", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let values = json!({"sim": "bad-image", "hooks": {"enabled": false}});
    at.put_release("web", "hello", "1.0.0", &json!({"timeout": "10m", "values": values})).unwrap();
    let message = at
        .until("web", |release| {
            let ready = condition(release, "Ready")?["message"].as_str()?.to_owned();
            ready.contains("ImagePullBackOff").then_some(ready)
        })
        .unwrap();
    assert!(message.contains("waits for Deployment slow/web-hello"), "{message}");
    // Interrupted at once, however long the wait may last.
    put(at, "web", &json!({}));
    at.until_ready("web").unwrap();
}

#[test]
fn values_of_the_running_revision_are_preserved_if_asked_for() {
    let scene = Scene::set("preserve", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    put(at, "web", &json!({"values": {"hooks": {"enabled": false}, "replicas": 0, "greeting": "Moin"}}));
    at.until_runs("web", "hello@1.0.0", 1).unwrap();
    let spec = json!({"interval": INTERVAL, "upgrade": {"preserveValues": true}, "values": {"service": {"port": 81}}});
    at.put_release("web", "hello", "1.1.0", &spec).unwrap();
    at.until_runs("web", "hello@1.1.0", 2).unwrap();
    // As `helm upgrade --reuse-values --set service.port=81` would have recorded it.
    let values = at.helm_json(&["get", "values", "web"]).unwrap();
    let expect = json!({"hooks": {"enabled": false}, "replicas": 0, "greeting": "Moin", "service": {"port": 81}});
    assert_eq!(values, expect);
    assert_eq!(at.object("configmap", "web-hello").unwrap()["data"]["greeting"], "Moin");
    assert_eq!(at.object("service", "web-hello").unwrap()["spec"]["ports"][0]["port"], 81);
    // It stays at rest: what is preserved is no new wish.
    at.request(pintle_e2e::HELMRELEASE, "web").unwrap();
    at.until("web", |release| {
        let handled = &release["status"]["lastHandledReconcileAt"];
        (*handled == release["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]).then_some(())
    })
    .unwrap();
    assert_eq!(at.helm_json(&["history", "web"]).unwrap().as_array().unwrap().len(), 2);
}

#[test]
fn another_chart_is_installed_anew_if_asked_for() {
    let scene = Scene::set("renamed", &["hello-1.0.0", "greeting"]).unwrap();
    let at = &scene.namespace;
    let spec = json!({"interval": INTERVAL, "values": {"hooks": {"enabled": false}, "replicas": 0}});
    at.put_release("web", "hello", "1.0.0", &spec).unwrap();
    at.until_runs("web", "hello@1.0.0", 1).unwrap();
    let before = at.object("configmap", "web-hello").unwrap();
    let spec = json!({"interval": INTERVAL, "upgrade": {"chartNameChangeStrategy": "Reinstall"}});
    at.put_release("web", "greeting", "*", &spec).unwrap();
    until_event(at, "web", "ChartRenamed", "uninstalled and installed anew");
    at.until("web", |release| {
        let chart = release["status"]["chart"].as_str().unwrap_or_default();
        (pintle_e2e::is_ready(release) && chart.starts_with("greeting@")).then_some(())
    })
    .unwrap();
    // The history begins anew.
    let history = at.helm_json(&["history", "web"]).unwrap();
    assert_eq!((history.as_array().unwrap().len(), &history[0]["revision"]), (1, &json!(1)), "{history}");
    let after = at.find("configmap", "web-hello").unwrap();
    assert!(after.is_none_or(|after| after["metadata"]["uid"] != before["metadata"]["uid"]));
}
