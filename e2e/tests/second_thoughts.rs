//! What happens after an end: objects that become ready after their release was given up, and a release whose place changes.
//! And what is no longer wanted before it has begun.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{
    DEADLINE, HELMRELEASE, HELMREPOSITORY, Namespace, Packaged, Scene, archive, condition, is_ready, wait_until,
};
use serde_json::json;

fn annotate(at: &Namespace, kind: &str, name: &str, annotation: &str) {
    at.kubectl().run(&["-n", at.name(), "annotate", kind, name, annotation]).unwrap();
}

/// A release whose ConfigMap is ready once it is annotated.
fn put_slow(at: &Namespace) {
    let spec = json!({"interval": "1h", "timeout": "10s", "values": {"replicas": 0},
        "healthCheckExprs": [{"apiVersion": "v1", "kind": "ConfigMap",
            "current": "has(metadata.annotations) && 'ready' in metadata.annotations"}]});
    at.put_release("slow", "hello", "1.0.0", &spec).unwrap();
}

fn until_stalled(at: &Namespace, reason: &str) -> String {
    wait_until(&format!("Stalled with {reason}"), DEADLINE, || {
        let found = at.object(HELMRELEASE, "slow")?;
        let stalled = condition(&found, "Stalled").cloned().unwrap_or_default();
        Ok(if stalled["reason"] == reason {
            Ok(stalled["message"].to_string())
        } else {
            Err(found["status"].to_string())
        })
    })
    .unwrap()
}

#[test]
fn what_becomes_ready_too_late_is_deployed_all_the_same() {
    let mut scene = Scene::set("late", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = scene.namespace.clone();
    put_slow(&at);
    let message = until_stalled(&at, "RetriesExceeded");
    assert!(message.contains("timed out") && message.contains("ConfigMap late/slow-hello"), "{message}");
    at.helm_says("slow", 1, "failed", "hello-1.0.0").unwrap();
    annotate(&at, "configmap", "slow-hello", "ready=yes");
    at.until_ready("slow").unwrap();
    at.helm_says("slow", 1, "deployed", "hello-1.0.0").unwrap();
    let found = at.object(HELMRELEASE, "slow").unwrap();
    assert!(condition(&found, "Stalled").is_none(), "{}", found["status"]);

    // An upgrade, and the operator is another one when its objects are ready; the hook that comes after them runs then.
    annotate(&at, "configmap", "slow-hello", "ready-");
    at.patch_release(
        "slow",
        &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}},
        "upgrade": {"remediation": {"retries": 0}}}}),
    )
    .unwrap();
    until_stalled(&at, "RetriesExceeded");
    at.helm_says("slow", 2, "failed", "hello-1.1.0").unwrap();
    assert!(at.find("job", "slow-hello-migrate").unwrap().is_none(), "a hook ran before its time");
    scene.operator.kill();
    annotate(&at, "configmap", "slow-hello", "ready=yes");
    scene.restart_operator().unwrap();
    at.until_runs("slow", "hello@1.1.0", 2).unwrap();
    at.job_ran("slow-hello-migrate").unwrap();
    at.helm_says("slow", 2, "deployed", "hello-1.1.0").unwrap();
}

#[test]
fn a_release_moves_and_data_goes_only_by_consent() {
    let scene = Scene::set("moving", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let other = scene.elsewhere("moved").unwrap();
    let more = json!({"interval": "1h", "values": {"replicas": 0}});
    at.put_release("plain", "hello", "1.0.0", &more).unwrap();
    at.until_ready("plain").unwrap();

    // Nothing of it holds data: it goes and is installed where it is wanted.
    at.patch_release("plain", &json!({"spec": {"targetNamespace": "moved", "releaseName": "plain"}})).unwrap();
    wait_until("the release has moved", DEADLINE, || {
        let found = at.object(HELMRELEASE, "plain")?;
        let there = other.find("configmap", "plain-hello")?.is_some();
        let here = at.find("configmap", "plain-hello")?.is_some();
        Ok(if is_ready(&found) && there && !here { Ok(()) } else { Err(format!("{here} {there} {}", found["status"])) })
    })
    .unwrap();

    // A claim holds data.
    let chart = b"apiVersion: v2\nname: store\nversion: 1.0.0\n".to_vec();
    let claim =
        b"apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: '{{ .Release.Name }}'}\nspec:\n  accessModes: \
        [ReadWriteOnce]\n  resources: {requests: {storage: 1Gi}}\n";
    let bytes =
        archive(vec![("store/Chart.yaml".into(), chart), ("store/templates/a.yaml".into(), claim.to_vec())]).unwrap();
    scene.repository.add(Packaged { name: "store".into(), version: "1.0.0".into(), app_version: "1".into(), bytes });
    at.request(HELMREPOSITORY, "charts").unwrap();
    at.put_release("store", "store", "1.0.0", &json!({"interval": "1h", "install": {"disableWait": true}})).unwrap();
    at.until_ready("store").unwrap();
    at.patch_release("store", &json!({"spec": {"releaseName": "vault"}})).unwrap();
    let message = at.until_not_ready("store", &["ConsentRequired"]).unwrap();
    assert!(message.contains("PersistentVolumeClaim moving/store"), "{message}");
    assert!(at.find("pvc", "store").unwrap().unwrap()["metadata"]["deletionTimestamp"].is_null());
    assert!(at.find("pvc", "vault").unwrap().is_none());
    // The names set back: as if nothing had been.
    at.patch_release("store", &json!({"spec": {"releaseName": null}})).unwrap();
    at.until_ready("store").unwrap();
    // Consent is for what it names only.
    at.patch_release("store", &json!({"spec": {"releaseName": "vault"}})).unwrap();
    annotate(at, HELMRELEASE, "store", "pintle.dev/consent-to-uninstall=moving/other");
    at.until_not_ready("store", &["ConsentRequired"]).unwrap();
    at.kubectl()
        .run(&[
            "-n",
            "moving",
            "annotate",
            "--overwrite",
            HELMRELEASE,
            "store",
            "pintle.dev/consent-to-uninstall=moving/store",
        ])
        .unwrap();
    wait_until("the claim is under its new name", DEADLINE, || {
        let found = at.object(HELMRELEASE, "store")?;
        let moved = at.find("pvc", "vault")?.is_some();
        Ok(if is_ready(&found) && moved { Ok(()) } else { Err(found["status"].to_string()) })
    })
    .unwrap();
    at.helm_says("vault", 1, "deployed", "store-1.0.0").unwrap();
    assert!(at.helm_json(&["history", "store"]).is_err(), "records of the former release are left");
}

#[test]
fn a_render_that_is_no_longer_wanted_ends() {
    let scene = Scene::set("renders", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    // Within the limit of steps, but each takes a while: hours in all.
    let chart = b"apiVersion: v2\nname: long\nversion: 1.0.0\n".to_vec();
    let template =
        b"{{ $long := repeat 1000000 \"a\" }}{{ range int64 .Values.rounds }}{{ if contains \"b\" $long }}x{{ end }}\
        {{ end }}\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: '{{ .Release.Name }}'}\n";
    let files = vec![("long/Chart.yaml".into(), chart), ("long/templates/a.yaml".into(), template.to_vec())];
    let bytes = archive(files).unwrap();
    scene.repository.add(Packaged { name: "long".into(), version: "1.0.0".into(), app_version: "1".into(), bytes });
    at.request(HELMREPOSITORY, "charts").unwrap();
    let rounds = |rounds: u32| json!({"interval": "1h", "values": {"rounds": rounds}});
    at.put_release("long", "long", "1.0.0", &rounds(100_000_000)).unwrap();
    wait_until("the chart is there to be rendered", DEADLINE, || {
        let fetched = scene.repository.requests().iter().any(|request| request.path.contains("long-1.0.0"));
        Ok(if fetched { Ok(()) } else { Err("not fetched".to_owned()) })
    })
    .unwrap();
    at.patch_release("long", &json!({"spec": {"values": {"rounds": 1}}})).unwrap();
    at.until_ready("long").unwrap();
    at.helm_says("long", 1, "deployed", "long-1.0.0").unwrap();

    // The same for a release that is to go.
    at.patch_release("long", &json!({"spec": {"values": {"rounds": 100_000_000}}})).unwrap();
    at.kubectl().run(&["-n", at.name(), "delete", "--wait=false", HELMRELEASE, "long"]).unwrap();
    wait_until("the release is gone", DEADLINE, || {
        let found = at.find(HELMRELEASE, "long")?;
        Ok(if found.is_none() { Ok(()) } else { Err("still there".to_owned()) })
    })
    .unwrap();
    assert!(at.find("configmap", "long").unwrap().is_none());
}
