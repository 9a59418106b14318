//! The operator dies at every write that it makes: each time the write has taken effect and the operator does not hear of it.
//! The next operator finishes the work, and what comes of it is what comes of an undisturbed run; no hook runs twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use anyhow::Context as _;
use pintle_e2e::{
    DEADLINE, HELMRELEASE, HookRuns, Namespace, Releases, Scene, Verdict, condition, is_tested, outcome, settled,
    wait_until,
};
use serde_json::{Value, json};
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

/// A release of parts; an upgrade of it fails at its last hook, and what it made goes.
fn put_parts(at: &Namespace, release: &str, fails: bool) {
    let config = |name: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": format!("{release}-{name}")}});
    let hook = |mut object: Value, event: &str, policy: &str| {
        object["metadata"]["annotations"] = json!({"helm.sh/hook": event, "helm.sh/hook-delete-policy": policy});
        object
    };
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": format!("{release}-job")},
        "spec": {"backoffLimit": 0, "template": {"metadata": {"annotations": {"pintle.dev/sim": "fail"}},
            "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "example.org/app:1"}]}}}});
    let mut objects = vec![config("old")];
    if fails {
        objects.extend([
            config("new"),
            hook(config("done"), "post-upgrade", "hook-succeeded"),
            hook(job, "post-upgrade", "hook-failed"),
        ]);
    }
    let more = json!({"interval": "1h", "upgrade": {"cleanupOnFail": true}, "values": {"objects": objects}});
    at.put_release(release, "any", "1.0.0", &more).unwrap();
}

#[test]
fn install_and_test() {
    try_all(&Trial {
        name: "install",
        before: |_, _| {},
        begin: |at, release| put(at, release, "1.0.0"),
        over: |release| release.is_some_and(|r| is_tested(r, "hello@1.0.0")),
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
        over: |release| release.is_some_and(|r| is_tested(r, "hello@1.1.0")),
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
fn failing_upgrade_that_cleans_up() {
    try_all(&Trial {
        name: "cleanup",
        before: |at, release| {
            put_parts(at, release, false);
            at.until_ready(release).unwrap();
        },
        begin: |at, release| put_parts(at, release, true),
        over: |release| {
            release.is_some_and(|r| {
                r["status"]["observedGeneration"] == r["metadata"]["generation"] && condition(r, "Stalled").is_some()
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
    scene.publish_any().unwrap();
    let proxy = scene.put_proxy_between().unwrap();
    let at = scene.namespace.clone();
    let mut hooks = HookRuns::watch(&at).unwrap();
    let mut releases = Releases::watch(&at).unwrap();

    let mut undisturbed = None;
    let mut points = 0;
    for number in 0..MOST {
        // The first run is the undisturbed one.
        let release = format!("r{number:02}");
        (trial.before)(&at, &release);
        let writes = Arc::new(AtomicUsize::new(0));
        proxy.doom(scene.operator.process().id());
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
        let mut revive = || {
            if scene.operator.check().is_err() {
                died = true;
                scene.restart_operator()?;
            }
            Ok(())
        };
        releases
            .until(&release, DEADLINE, trial.over, &mut revive)
            .with_context(|| format!("{} with a death at write {number} is over", trial.name))
            .unwrap();
        let expected = undisturbed.get_or_insert_with(|| settled(&at, &release).unwrap());
        wait_until(&format!("{} with a death at write {number} ends as without", trial.name), DEADLINE, || {
            let found = outcome(&at, &release)?;
            Ok(if found == *expected { Ok(()) } else { Err(format!("{found:#}\ninstead of\n{expected:#}")) })
        })
        .unwrap();
        proxy.judge(|_| Verdict::Pass);
        at.kubectl()
            .run(&["-n", at.name(), "delete", HELMRELEASE, &release, "--ignore-not-found", "--wait=false"])
            .unwrap();
        // Its last writes come after all is as it should be.
        releases.until(&release, DEADLINE, |found| found.is_none(), &mut revive).unwrap();
        if number > 0 && !died {
            break;
        }
        points = number;
    }
    assert!((1..MOST - 1).contains(&points), "{points} points");

    let ran = hooks.each_once(&at).unwrap();
    eprintln!("{}: died at each of {points} writes; {ran} hooks ran, each once", trial.name);
}
