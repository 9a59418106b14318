//! `spec.mode: Plan`: nothing changes before somebody approves of exactly that change; what they approve of is what they saw.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::prelude::{BASE64_STANDARD, Engine as _};
use pintle_e2e::{DEADLINE, HELMRELEASE, HELMREPOSITORY, Namespace, Packaged, Scene, archive, condition, wait_until};
use serde_json::{Value, json};

const INTERVAL: &str = "1h";

fn put(at: &Namespace, version: &str, more: &Value) {
    let mut spec = json!({"interval": INTERVAL, "mode": "Plan", "values": {"replicas": 0}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    at.put_release("web", "hello", version, &spec).unwrap();
}

fn approve(at: &Namespace, digest: &str) {
    let annotation = format!("pintle.dev/approve={digest}");
    at.kubectl().run(&["annotate", HELMRELEASE, "web", "-n", at.name(), "--overwrite", &annotation]).unwrap();
}

/// Waits for a plan of the spec as it is now, other than `not`.
fn until_planned(at: &Namespace, not: &str) -> Value {
    at.until("web", |release| {
        let planned = condition(release, "Planned")?;
        let plan = &release["status"]["plan"];
        let current = planned["observedGeneration"] == release["metadata"]["generation"];
        (current && planned["reason"] == "AwaitingApproval" && plan["digest"] != not).then(|| plan.clone())
    })
    .unwrap()
}

/// Waits until a revision runs and nothing is planned any more.
fn until_done(at: &Namespace, chart: &str, revision: i64) {
    at.until_runs("web", chart, revision).unwrap();
    at.until("web", |release| {
        (release["status"]["plan"].is_null() && condition(release, "Planned").is_none()).then_some(())
    })
    .unwrap();
    for kind in ["configmap", "secret"] {
        wait_until("the plan's objects are gone", DEADLINE, || {
            Ok(at.find(kind, "web-plan")?.map_or(Ok(()), |_| Err(kind.to_owned())))
        })
        .unwrap();
    }
}

fn diff(at: &Namespace) -> String {
    at.object("configmap", "web-plan").unwrap()["data"]["plan.diff"].as_str().unwrap().to_owned()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn until_event(at: &Namespace, reason: &str, part: &str) {
    wait_until(&format!("an event {reason} with {part:?}"), DEADLINE, || {
        let events = at.list("events")?;
        let notes: Vec<&Value> = events.iter().filter(|e| e["reason"] == reason).collect();
        let note = |e: &Value| e["note"].as_str().or(e["message"].as_str()).unwrap_or_default().to_owned();
        let notes: Vec<String> = notes.into_iter().map(note).collect();
        let found = notes.iter().any(|note| note.contains(part));
        Ok(if found { Ok(()) } else { Err(format!("{notes:?}")) })
    })
    .unwrap();
}

#[test]
fn a_release_changes_only_by_approved_plans() {
    let mut scene = Scene::set("plans", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = scene.namespace.clone();

    // Nothing is there, and nothing is created.
    put(&at, "1.0.0", &json!({}));
    let plan = until_planned(&at, "");
    assert_eq!(
        (&plan["action"], &plan["revision"], &plan["chart"], &plan["summary"]),
        (
            &json!("install"),
            &json!(1),
            &json!("hello@1.0.0"),
            &json!("3 to create, 0 to change, 0 to delete, 1 hook to run")
        )
    );
    let first = diff(&at);
    assert!(first.contains("# create v1 ConfigMap plans/web-hello\n--- /dev/null\n"), "{first}");
    assert!(
        first.contains("+  greeting: Hello\n") && first.contains("# run pre-install hook Job web-hello-prepare"),
        "{first}"
    );
    let release = at.object(HELMRELEASE, "web").unwrap();
    let ready = condition(&release, "Ready").unwrap();
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("AwaitingApproval")));
    assert!(at.find("deployment", "web-hello").unwrap().is_none());
    assert!(at.helm(&["list", "--short"]).unwrap().is_empty());

    // Another input makes another plan, and the approval of the first one is worth nothing.
    put(&at, "1.0.0", &json!({"values": {"replicas": 0, "greeting": "Moin"}}));
    let second = until_planned(&at, text(&plan["digest"]));
    approve(&at, text(&plan["digest"]));
    until_event(&at, "PlanStale", text(&second["digest"]));
    assert!(at.find("deployment", "web-hello").unwrap().is_none());

    approve(&at, text(&second["digest"]));
    until_done(&at, "hello@1.0.0", 1);
    assert_eq!(at.object("configmap", "web-hello").unwrap()["data"]["greeting"], "Moin");
    at.job_ran("web-hello-prepare").unwrap();

    // An upgrade; what runs stays Ready.
    put(&at, "1.1.0", &json!({}));
    let upgrade = until_planned(&at, text(&second["digest"]));
    assert_eq!((&upgrade["action"], &upgrade["base"], &upgrade["create"]), (&json!("upgrade"), &json!(1), &json!(1)));
    let changes = diff(&at);
    assert!(
        changes.contains("-  greeting: Moin\n-  revision: \"1\"\n+  greeting: Hello\n+  revision: \"2\"\n"),
        "{changes}"
    );
    assert!(changes.contains("# create policy/v1 PodDisruptionBudget plans/web-hello\n"), "{changes}");
    assert!(!changes.contains("managedFields") && !changes.contains("status:"), "{changes}");
    let release = at.until_ready("web").unwrap();
    assert_eq!(release["status"]["revision"], 1);

    // Nothing unchanged is written again, and a new operator has nothing to do: the plan is still the same.
    let version = |kind: &str, name: &str| at.object(kind, name).unwrap()["metadata"]["resourceVersion"].clone();
    let before = (version("configmap", "web-plan"), version("secret", "web-plan"));
    scene.restart_operator().unwrap();
    at.request(HELMRELEASE, "web").unwrap();
    at.until("web", |release| {
        let handled = &release["status"]["lastHandledReconcileAt"];
        (*handled == release["metadata"]["annotations"]["reconcile.fluxcd.io/requestedAt"]).then_some(())
    })
    .unwrap();
    assert_eq!(before, (version("configmap", "web-plan"), version("secret", "web-plan")));
    assert_eq!(at.object(HELMRELEASE, "web").unwrap()["status"]["plan"], upgrade);

    // What others change is told of, shows in the plan, and is let be.
    let patch = json!({"data": {"greeting": "Ahoi"}}).to_string();
    let args = ["-n", at.name(), "patch", "configmap", "web-hello", "--field-manager", "somebody", "-p", &patch];
    at.kubectl().run(&args).unwrap();
    until_event(&at, "DriftDetected", "/data/greeting is \"Ahoi\", not \"Moin\" (changed by somebody)");
    wait_until("the plan shows it", DEADLINE, || {
        let changes = diff(&at);
        Ok(if changes.contains("-  greeting: Ahoi\n") && changes.contains("+  greeting: Hello\n") {
            Ok(())
        } else {
            Err(changes)
        })
    })
    .unwrap();
    assert_eq!(until_planned(&at, "")["digest"], upgrade["digest"]);
    assert_eq!(at.object("configmap", "web-hello").unwrap()["data"]["greeting"], "Ahoi");

    approve(&at, text(&upgrade["digest"]));
    until_done(&at, "hello@1.1.0", 2);
    at.helm_says("web", 2, "deployed", "hello-1.1.0").unwrap();
    until_event(&at, "PlanApproved", text(&upgrade["digest"]));

    // A revision that is asked for is planned too.
    put(&at, "1.1.0", &json!({"rollbackTo": 1}));
    let rollback = until_planned(&at, "");
    assert_eq!((&rollback["action"], &rollback["delete"]), (&json!("rollback"), &json!(1)));
    assert!(diff(&at).contains("# delete policy/v1 PodDisruptionBudget plans/web-hello\n"), "{}", diff(&at));
    approve(&at, text(&rollback["digest"]));
    until_done(&at, "hello@1.0.0", 3);

    // The end of a release is nobody's plan.
    at.delete_release("web").unwrap();
    assert!(at.find("deployment", "web-hello").unwrap().is_none());
}

#[test]
fn a_plan_is_stale_when_somebody_else_changes_the_release() {
    let scene = Scene::set("plans-raced", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    let plain = json!({"mode": "Apply", "values": {"replicas": 0, "hooks": {"enabled": false}}});
    put(at, "1.0.0", &plain);
    at.until_runs("web", "hello@1.0.0", 1).unwrap();
    put(at, "1.1.0", &json!({"values": {"replicas": 0, "hooks": {"enabled": false}}}));
    let plan = until_planned(at, "");
    at.helm(&["rollback", "web", "1"]).unwrap();
    let other = until_planned(at, text(&plan["digest"]));
    assert_eq!((&other["revision"], &other["base"]), (&json!(3), &json!(2)));
    approve(at, text(&plan["digest"]));
    until_event(at, "PlanStale", text(&other["digest"]));
    at.helm_says("web", 2, "deployed", "hello-1.0.0").unwrap();
    // Nobody has to approve of anything any more.
    put(at, "1.1.0", &plain);
    until_done(at, "hello@1.1.0", 3);
}

#[test]
fn a_failed_upgrade_is_undone_and_secrets_stay_secret() {
    let scene = Scene::set("plans-random", &[]).unwrap();
    let at = &scene.namespace;
    let publish = |version: &str, job: &str| {
        let chart = format!("apiVersion: v2\nname: random\nversion: {version}\n");
        let template = format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: password}}\nstringData:\n  word: {{{{ randAlphaNum 24 }}}}\n  \
             same: hushhush\n{job}"
        );
        let bytes = archive(vec![
            ("random/Chart.yaml".to_owned(), chart.into_bytes()),
            ("random/templates/a.yaml".to_owned(), template.into_bytes()),
        ])
        .unwrap();
        scene.repository.add(Packaged {
            name: "random".into(),
            version: version.into(),
            app_version: "1".into(),
            bytes,
        });
        at.request(HELMREPOSITORY, "charts").unwrap();
    };
    let spec = json!({"interval": INTERVAL, "mode": "Plan", "timeout": "5s",
        "upgrade": {"remediation": {"remediateLastFailure": true}}});
    publish("1.0.0", "");
    at.put_release("web", "random", "1.x", &spec).unwrap();
    let plan = until_planned(at, "");
    // What is approved is what is applied, although a template says something else each time.
    let kept = at.object("secret", "web-plan").unwrap()["data"]["release"].clone();
    approve(at, text(&plan["digest"]));
    until_done(at, "random@1.0.0", 1);
    let packed = BASE64_STANDARD.decode(BASE64_STANDARD.decode(text(&kept)).unwrap()).unwrap();
    let record: Value = serde_json::from_reader(flate2::read::GzDecoder::new(packed.as_slice())).unwrap();
    assert_eq!(at.helm(&["get", "manifest", "web"]).unwrap().trim(), text(&record["manifest"]).trim());

    publish(
        "1.1.0",
        "---\napiVersion: batch/v1\nkind: Job\nmetadata: {name: bad}\nspec: {backoffLimit: 0, template: {metadata: {annotations: {pintle.dev/sim: fail}}, spec: {restartPolicy: Never, containers: [{name: a, image: b}]}}}\n",
    );
    let plan = until_planned(at, text(&plan["digest"]));
    let changes = diff(at);
    assert!(changes.contains("-  word: '*** (before)'\n+  word: '*** (after)'\n"), "{changes}");
    assert!(!changes.contains("aHVzaGh1c2g=") && !changes.contains("hushhush"), "{changes}");
    approve(at, text(&plan["digest"]));
    at.until("web", |release| {
        let remediated = condition(release, "Remediated")?;
        (remediated["status"] == "True").then_some(())
    })
    .unwrap();
    at.helm_says("web", 3, "deployed", "random-1.0.0").unwrap();
    assert!(at.find("job", "bad").unwrap().is_none());
}
