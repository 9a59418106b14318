//! What others make of the objects: Argo CD with its own Lua interpreter and config/argocd, kubectl wait, Prometheus.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{HELMREPOSITORY, Namespace, Scene, build_lua, condition, root};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// The scripts, as they are in Argo CD's ConfigMap after the patch that the README names.
fn scripts(at: &Namespace) -> (String, String) {
    let file = root().join("config/argocd/argocd-cm.yaml");
    let kubectl = at.kubectl();
    kubectl.run(&["create", "configmap", "argocd-cm", "-n", at.name(), "--from-literal=url=https://cd"]).unwrap();
    kubectl.run(&["patch", "configmap", "argocd-cm", "-n", at.name(), "--patch-file", file.to_str().unwrap()]).unwrap();
    let map = at.object("configmap", "argocd-cm").unwrap();
    assert_eq!(map["data"]["url"], "https://cd");
    let script = |kind: &str| {
        let key = format!("resource.customizations.health.pintle.dev_{kind}");
        map["data"][key].as_str().unwrap().to_owned()
    };
    (script("HelmRelease"), script("HelmRepository"))
}

/// What Argo CD says of each object.
fn health(asked: &[(&str, &Value)]) -> Vec<Value> {
    let program = build_lua(&mut |line| eprintln!("{line}")).unwrap();
    let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let lines: String =
        asked.iter().map(|(script, object)| format!("{}\n", json!({"script": script, "object": object}))).collect();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(done.status.success(), "{}", done.status);
    let answers: Vec<Value> =
        String::from_utf8(done.stdout).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), asked.len());
    answers
}

fn with(object: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut object = object.clone();
    change(&mut object);
    object
}

#[test]
fn argo_cd_kubectl_and_prometheus_see_how_it_is() {
    let scene = Scene::set("seen", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let (release_script, repository_script) = scripts(at);

    let source = json!({"kind": "HelmRepository", "name": "charts"});
    let verified = json!({"spec": {"chart": "hello", "sourceRef": source, "verify": {"provider": "cosign"}}});
    let calm = json!({"replicas": 0});
    for (name, chart, more) in [
        ("ready", "hello", json!({"values": calm})),
        ("dependent", "hello", json!({"values": calm, "dependsOn": [{"name": "nobody"}]})),
        ("chartless", "nothing", json!({"values": calm})),
        ("stalled", "hello", json!({"chart": verified})),
        ("planned", "hello", json!({"values": calm, "mode": "Plan"})),
        ("suspended", "hello", json!({"values": calm, "suspend": true})),
    ] {
        at.put_release(name, chart, "1.0.0", &more).unwrap();
    }
    // kubectl waits by itself.
    at.kubectl()
        .run(&["wait", "helmrelease/ready", "-n", at.name(), "--for=condition=Ready", "--timeout=90s"])
        .unwrap();
    let ready = at.until_ready("ready").unwrap();
    let until = |name: &str, kind: &str, reason: &str| {
        at.until(name, |release| (condition(release, kind)?["reason"] == reason).then(|| release.clone())).unwrap()
    };
    let dependent = until("dependent", "Ready", "DependencyNotReady");
    let chartless = until("chartless", "Ready", "ArtifactFailed");
    let stalled = until("stalled", "Stalled", "UnsupportedField");
    let planned = until("planned", "Planned", "AwaitingApproval");
    let suspended = at.object("helmrelease", "suspended").unwrap();
    let repository = at.object(HELMREPOSITORY, "charts").unwrap();

    let unseen = with(&ready, |object| object["status"] = Value::Null);
    let changed = with(&stalled, |object| object["metadata"]["generation"] = json!(7));
    let leaving = with(&ready, |object| object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z"));
    let working = with(&ready, |object| {
        object["status"]["conditions"] =
            json!([{"type": "Ready", "status": "Unknown", "reason": "Progressing", "message": "m"}]);
    });
    let silent = with(&ready, |object| object["status"]["conditions"] = json!([]));

    let message = |object: &Value, kind: &str| condition(object, kind).unwrap()["message"].clone();
    let cases = [
        (&ready, "Healthy", message(&ready, "Ready")),
        (&dependent, "Progressing", message(&dependent, "Ready")),
        (&chartless, "Degraded", message(&chartless, "Ready")),
        (&stalled, "Degraded", message(&stalled, "Stalled")),
        (&planned, "Suspended", message(&planned, "Planned")),
        (&suspended, "Suspended", json!("spec.suspend is set")),
        (&unseen, "Progressing", json!("not looked at yet")),
        (&silent, "Progressing", json!("not looked at yet")),
        (&changed, "Progressing", json!("not looked at since its spec changed")),
        (&leaving, "Progressing", json!("being deleted")),
        (&working, "Progressing", json!("m")),
    ];
    let mut asked: Vec<(&str, &Value)> = cases.iter().map(|(object, ..)| (release_script.as_str(), *object)).collect();
    asked.push((&repository_script, &repository));
    let answers = health(&asked);
    for ((object, status, message), answer) in cases.iter().zip(&answers) {
        assert_eq!(*answer, json!({"status": status, "message": message}), "{object}");
    }
    assert_eq!(answers.last().unwrap()["status"], "Healthy", "{repository}");

    let metrics = scene.operator.metrics().unwrap();
    for (metric, name, value) in [
        ("ready", "ready", 1),
        ("ready", "chartless", 0),
        ("stalled", "stalled", 1),
        ("stalled", "chartless", 0),
        ("suspended", "suspended", 1),
        ("suspended", "ready", 0),
    ] {
        let line = format!("pintle_release_{metric}{{namespace=\"seen\",name=\"{name}\"}} {value}\n");
        assert!(metrics.contains(&line), "{line} is not in\n{metrics}");
    }
    let since = |name: &str| {
        let series = format!("pintle_release_not_ready_since_timestamp_seconds{{namespace=\"seen\",name=\"{name}\"}} ");
        metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok())
    };
    assert_eq!(since("ready"), None);
    assert!(since("stalled").is_some_and(|seconds| seconds > 1_700_000_000), "{metrics}");
    assert!(metrics.contains("\npintle_resident_memory_bytes "), "{metrics}");
}
