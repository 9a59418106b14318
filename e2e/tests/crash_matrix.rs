//! The operator dies at every write that it makes: each time the write has taken effect and the operator does not hear of it.
//! The next operator finishes the work, and what comes of it is what comes of an undisturbed run; no hook runs twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{
    DEADLINE, FaultProxy, HELMRELEASE, Namespace, Operator, OperatorOptions, Scene, Verdict, condition, is_ready,
    wait_until,
};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// More writes than any of these operations takes.
const MOST: usize = 80;

/// An operation on a release that is tried again and again.
struct Trial {
    name: &'static str,
    /// Brings the release to where the operation begins.
    before: fn(&Namespace, &str),
    /// Begins it.
    begin: fn(&Namespace, &str),
    /// Whether it is over.
    over: fn(Option<&Value>) -> bool,
}

fn put(at: &Namespace, release: &str, version: &str) {
    let more = json!({"interval": "1h", "test": {"enable": true}, "values": {"replicas": 0},
        "upgrade": {"timeout": "15s", "remediation": {"retries": 0, "remediateLastFailure": true}}});
    at.put_release(release, "hello", version, &more).unwrap();
}

fn runs(release: Option<&Value>, chart: &str) -> bool {
    release.is_some_and(|r| {
        is_ready(r)
            && r["status"]["chart"] == chart
            && condition(r, "TestSuccess").is_some_and(|tested| tested["status"] == "True")
    })
}

#[test]
fn install_and_test() {
    try_all(&Trial {
        name: "install",
        before: |_, _| {},
        begin: |at, release| put(at, release, "1.0.0"),
        over: |release| runs(release, "hello@1.0.0"),
    });
}

#[test]
fn upgrade_and_test() {
    try_all(&Trial {
        name: "upgrade",
        before: |at, release| {
            put(at, release, "1.0.0");
            at.until_ready(release).unwrap();
        },
        begin: |at, release| put(at, release, "1.1.0"),
        over: |release| runs(release, "hello@1.1.0"),
    });
}

#[test]
fn failing_upgrade_and_rollback() {
    try_all(&Trial {
        name: "rollback",
        before: |at, release| {
            put(at, release, "1.0.0");
            at.until_ready(release).unwrap();
        },
        // Its hook fails.
        begin: |at, release| {
            let values = json!({"replicas": 0, "hookSim": "fail"});
            at.patch_release(release, &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}, "values": values}}))
                .unwrap();
        },
        over: |release| {
            release.is_some_and(|r| {
                r["status"]["revision"] == 3
                    && r["status"]["observedGeneration"] == r["metadata"]["generation"]
                    && condition(r, "Stalled").is_some()
            })
        },
    });
}

#[test]
fn uninstall() {
    try_all(&Trial {
        name: "uninstall",
        before: |at, release| {
            put(at, release, "1.0.0");
            at.until_ready(release).unwrap();
        },
        begin: |at, release| {
            at.kubectl().run(&["-n", at.name(), "delete", HELMRELEASE, release, "--wait=false"]).unwrap();
        },
        over: |release| release.is_none(),
    });
}

fn try_all(trial: &Trial) {
    let mut scene = Scene::set(&format!("crash-{}", trial.name), &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    scene.operator.kill();
    let at = scene.namespace.clone();
    let proxy = FaultProxy::start(scene.control_plane, at.name()).unwrap();
    let options = OperatorOptions {
        namespace: Some(at.name().to_owned()),
        kubeconfig: Some(proxy.kubeconfig().to_owned()),
        ..OperatorOptions::default()
    };
    let mut operator = Operator::start(scene.control_plane, at.name(), options).unwrap();
    let mut jobs = at.kubectl().watch(&["jobs", "-n", at.name()]).unwrap();

    let mut undisturbed = None;
    let mut points = 0;
    for number in 0..MOST {
        // The first run is the undisturbed one.
        let release = format!("r{number:02}");
        (trial.before)(&at, &release);
        let writes = Arc::new(AtomicUsize::new(0));
        proxy.doom(operator.process().id());
        proxy.judge({
            let writes = Arc::clone(&writes);
            move |call| {
                let counts = call.is_write() && !call.target.contains("/leases/");
                if counts && writes.fetch_add(1, Ordering::SeqCst) + 1 == number {
                    return Verdict::DieAfter;
                }
                Verdict::Pass
            }
        });
        (trial.begin)(&at, &release);
        let mut died = false;
        wait_until(&format!("{} with a death at write {number} is over", trial.name), DEADLINE, || {
            if !died && operator.check().is_err() {
                died = true;
                operator.restart(scene.control_plane)?;
            }
            let found = at.find(HELMRELEASE, &release)?;
            Ok(if (trial.over)(found.as_ref()) { Ok(()) } else { Err(found.unwrap_or_default()["status"].to_string()) })
        })
        .unwrap();
        let expected = undisturbed.get_or_insert_with(|| outcome(&at, &release));
        wait_until(&format!("{} with a death at write {number} ends as without", trial.name), DEADLINE, || {
            let found = outcome(&at, &release);
            Ok(if found == *expected { Ok(()) } else { Err(format!("{found:#}\ninstead of\n{expected:#}")) })
        })
        .unwrap();
        proxy.judge(|_| Verdict::Pass);
        at.kubectl()
            .run(&["-n", at.name(), "delete", HELMRELEASE, &release, "--ignore-not-found", "--wait=false"])
            .unwrap();
        wait_until(&format!("{release} is gone"), DEADLINE, || {
            // Its last writes come after all is as it should be.
            if operator.check().is_err() {
                died = true;
                operator.restart(scene.control_plane)?;
            }
            let found = at.find(HELMRELEASE, &release)?;
            Ok(found.map_or(Ok(()), |found| Err(found["status"].to_string())))
        })
        .unwrap();
        if number > 0 && !died {
            break;
        }
        points = number;
    }
    assert!((1..MOST - 1).contains(&points), "{points} points");

    // The mark is the last thing that the watch sees.
    at.kubectl()
        .apply(&json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "mark", "namespace": at.name()},
            "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "b"}]}}}}).to_string())
        .unwrap();
    let mut ran: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    jobs.until(DEADLINE, |event| {
        let metadata = &event.object["metadata"];
        let hook = metadata["annotations"]["pintle.dev/run"].as_str().unwrap_or_default();
        let uid = metadata["uid"].to_string();
        ran.entry(format!("{} for {hook}", metadata["name"])).or_default().insert(uid);
        (metadata["name"] == "mark").then_some(())
    })
    .unwrap();
    let twice: Vec<_> = ran.iter().filter(|(_, runs)| runs.len() > 1).collect();
    assert!(twice.is_empty(), "hooks that ran twice: {twice:?}");
    eprintln!("{}: died at each of {points} writes; {} hooks ran, each once", trial.name, ran.len() - 1);
}

/// What is left of an operation, without names and times.
fn outcome(at: &Namespace, release: &str) -> Value {
    let found = at.find(HELMRELEASE, release).unwrap().unwrap_or_default();
    let status = &found["status"];
    let conditions: Vec<Value> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| json!([c["type"], c["status"], c["reason"], c["message"]]))
        .collect();
    let history: Vec<Value> = status["history"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| {
            let tests: Vec<_> =
                s["testHooks"].as_object().into_iter().flatten().map(|(_, t)| t["phase"].clone()).collect();
            json!([s["version"], s["status"], s["action"], s["chartVersion"], tests])
        })
        .collect();
    let failures = json!([status["failures"], status["installFailures"], status["upgradeFailures"]]);
    let helm = at.helm_json(&["history", release]).unwrap_or_default();
    let helm: Vec<Value> = helm
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| json!([row["revision"], row["status"], row["chart"], row["description"]]))
        .collect();
    let mut objects = Vec::new();
    for kind in ["configmaps", "services", "deployments.apps", "poddisruptionbudgets.policy", "secrets"] {
        for object in at.list(kind).unwrap() {
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            if name.contains(&format!("{release}-")) || name.contains(&format!("{release}.")) {
                objects.push(json!([kind, name, object["data"]["greeting"], object["spec"]["template"]]));
            }
        }
    }
    let inventory = status["inventory"]["entries"].as_array().map(Vec::len);
    let all = json!({"conditions": conditions, "history": history, "failures": failures, "helm": helm, "objects": objects,
        "inventory": inventory, "step": status["step"], "kept": found["metadata"]["finalizers"]});
    let mut text = all.to_string().replace(release, "RELEASE");
    // The names of Pods are drawn by lot.
    for pod in at.list("pods").unwrap() {
        let name = pod["metadata"]["name"].as_str().unwrap_or_default().replace(release, "RELEASE");
        text = text.replace(&name, "POD");
    }
    // Descriptions in records are of one line.
    serde_json::from_str(&text.replace("\\n", " / ")).unwrap()
}
