//! How an install, an upgrade, a rollback and an uninstall are carried out: the fields of a HelmRelease that say so, seen from
//! outside. The chart renders whatever objects its values list.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{DEADLINE, HELMRELEASE, Namespace, Scene, condition, is_ready, wait_until};
use serde_json::{Value, json};

/// Nothing of this kind is ever ready.
fn never() -> Value {
    json!([{"apiVersion": "v1", "kind": "ConfigMap", "current": "false"}])
}

fn scene(name: &str) -> Scene {
    let scene = Scene::set(name, &[]).unwrap();
    scene.publish_any().unwrap();
    scene
}

/// A release of these objects; `more` is laid over its spec.
fn put(at: &Namespace, name: &str, objects: &[Value], more: Value) {
    let mut spec = json!({"interval": "1h", "values": {"objects": objects}});
    let (Value::Object(fields), Value::Object(more)) = (&mut spec, more) else { unreachable!("both are maps") };
    fields.extend(more);
    at.put_release(name, "any", "1.0.0", &spec).unwrap();
}

fn config(name: &str, text: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"text": text}})
}

/// A ConfigMap that is there once the hooks of an event have run.
fn hook(name: &str, event: &str) -> Value {
    let mut hook = config(name, event);
    hook["metadata"]["annotations"] = json!({"helm.sh/hook": event});
    hook
}

/// A Job that runs for ever.
fn endless(name: &str) -> Value {
    let container = json!({"name": "app", "image": "example.org/app:1"});
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {
        "metadata": {"annotations": {"pintle.dev/sim": "hang"}},
        "spec": {"restartPolicy": "Never", "containers": [container]}}}})
}

fn is_there(at: &Namespace, kind: &str, name: &str) -> bool {
    at.find(kind, name).unwrap().is_some()
}

fn text(at: &Namespace, name: &str) -> String {
    at.object("configmap", name).unwrap()["data"]["text"].as_str().unwrap().to_owned()
}

/// Waits until the release is ready in this revision.
fn until_revision(at: &Namespace, name: &str, revision: i64) {
    at.until(name, |found| (is_ready(found) && found["status"]["revision"] == revision).then_some(())).unwrap();
}

/// Waits until the condition Released is False for this reason, in this generation; gives its message.
fn until_failed(at: &Namespace, name: &str, reason: &str) -> String {
    at.until(name, |found| {
        let released = condition(found, "Released")?;
        let current = released["observedGeneration"] == found["metadata"]["generation"];
        let fits = released["status"] == "False" && released["reason"] == reason;
        (current && fits).then(|| released["message"].as_str().unwrap_or_default().to_owned())
    })
    .unwrap()
}

fn begin_delete(at: &Namespace, name: &str) {
    at.kubectl().run(&["-n", at.name(), "delete", HELMRELEASE, name, "--wait=false"]).unwrap();
}

fn until_gone(at: &Namespace, kind: &str, name: &str) {
    wait_until(&format!("{kind} {name} is gone"), DEADLINE, || {
        Ok(at.find(kind, name)?.map_or(Ok(()), |found| Err(found.to_string())))
    })
    .unwrap();
}

#[test]
fn hooks_of_rollbacks_and_uninstalls_are_skipped_where_the_spec_says_so() {
    let scene = scene("no-hooks");
    let at = &scene.namespace;
    let quiet = json!({"rollback": {"disableHooks": true}, "uninstall": {"disableHooks": true}});
    for (name, skips) in [("runs", false), ("skips", true)] {
        let own = |part: &str| format!("{name}-{part}");
        let objects = |text: &str| {
            vec![
                config(&own("plain"), text),
                hook(&own("rollback"), "post-rollback"),
                hook(&own("delete"), "post-delete"),
            ]
        };
        let with = |more: Value| {
            let mut all = if skips { quiet.clone() } else { json!({}) };
            all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            all
        };
        put(at, name, &objects("one"), with(json!({})));
        until_revision(at, name, 1);
        put(at, name, &objects("two"), with(json!({})));
        until_revision(at, name, 2);
        assert!(!is_there(at, "configmap", &own("rollback")));
        put(at, name, &objects("two"), with(json!({"rollbackTo": 1})));
        until_revision(at, name, 3);
        assert_eq!(text(at, &own("plain")), "one");
        assert_eq!(is_there(at, "configmap", &own("rollback")), !skips, "{name}");
        at.delete_release(name).unwrap();
        assert!(!is_there(at, "configmap", &own("plain")));
        assert_eq!(is_there(at, "configmap", &own("delete")), !skips, "{name}");
    }
}

#[test]
fn upgrades_and_rollbacks_need_not_wait() {
    let scene = scene("no-wait");
    let at = &scene.namespace;
    let hasty = json!({"healthCheckExprs": never(), "timeout": "3s", "install": {"disableWait": true},
        "upgrade": {"disableWait": true}, "rollback": {"disableWait": true}});
    let with = |key: &str, value: Value| {
        let mut spec = hasty.clone();
        spec[key] = value;
        spec
    };
    put(at, "hasty", &[config("hasty", "one")], hasty.clone());
    until_revision(at, "hasty", 1);
    put(at, "hasty", &[config("hasty", "two")], hasty.clone());
    until_revision(at, "hasty", 2);
    put(at, "hasty", &[config("hasty", "two")], with("rollbackTo", json!(1)));
    until_revision(at, "hasty", 3);
    assert_eq!(text(at, "hasty"), "one");
    // The same with a wait, which is in vain.
    let mut patient = with("rollbackTo", json!(2));
    patient["rollback"] = json!({});
    put(at, "hasty", &[config("hasty", "two")], patient);
    assert!(at.until_not_ready("hasty", &["RollbackFailed"]).unwrap().contains("ConfigMap no-wait/hasty"));
    put(at, "hasty", &[config("hasty", "three")], with("upgrade", json!({})));
    assert!(until_failed(at, "hasty", "UpgradeFailed").contains("timed out"));
}

#[test]
fn jobs_need_not_be_waited_for() {
    let scene = scene("no-jobs");
    let at = &scene.namespace;
    let hasty = json!({"install": {"disableWaitForJobs": true}, "upgrade": {"disableWaitForJobs": true},
        "rollback": {"disableWaitForJobs": true}});
    let objects = |text: &str| [config("a", text), endless("a")];
    put(at, "hasty", &objects("one"), hasty.clone());
    until_revision(at, "hasty", 1);
    put(at, "hasty", &objects("two"), hasty.clone());
    until_revision(at, "hasty", 2);
    let mut back = hasty;
    back["rollbackTo"] = json!(1);
    put(at, "hasty", &objects("two"), back);
    until_revision(at, "hasty", 3);

    for (action, field) in [("rollback", json!({"rollbackTo": 2})), ("upgrade", json!({}))] {
        let mut spec = json!({"timeout": "3s"});
        spec.as_object_mut().unwrap().extend(field.as_object().unwrap().clone());
        put(at, "hasty", &objects(action), spec);
        let reason = if action == "rollback" { "RollbackFailed" } else { "UpgradeFailed" };
        let message = until_failed(at, "hasty", reason);
        assert!(message.contains("Job no-jobs/a"), "{action}: {message}");
    }
    put(at, "patient", &[endless("b")], json!({"timeout": "3s"}));
    assert!(until_failed(at, "patient", "InstallFailed").contains("Job no-jobs/b"));
}

#[test]
fn an_uninstall_waits_until_all_is_gone_unless_told_otherwise() {
    let scene = scene("no-wait-end");
    let at = &scene.namespace;
    let sticky = |name: &str| {
        let mut object = config(name, "stays");
        object["metadata"]["finalizers"] = json!(["example.org/stay"]);
        object
    };
    let release = |name: &str| {
        let patch = json!({"metadata": {"finalizers": null}}).to_string();
        at.kubectl().run(&["-n", at.name(), "patch", "configmap", name, "--type=merge", "-p", &patch]).unwrap();
    };
    put(at, "hasty", &[sticky("hasty")], json!({"uninstall": {"disableWait": true}}));
    until_revision(at, "hasty", 1);
    at.delete_release("hasty").unwrap();
    assert!(at.object("configmap", "hasty").unwrap()["metadata"]["deletionTimestamp"].is_string());
    release("hasty");

    put(at, "patient", &[sticky("patient")], json!({"uninstall": {"timeout": "2s"}}));
    until_revision(at, "patient", 1);
    begin_delete(at, "patient");
    let message = at.until_not_ready("patient", &["UninstallFailed"]).unwrap();
    assert!(message.contains("timed out") && message.contains("ConfigMap no-wait-end/patient"), "{message}");
    release("patient");
    until_gone(at, HELMRELEASE, "patient");
    assert!(!is_there(at, "configmap", "patient"));
}

/// A definition, with a word by which its edition is known.
fn definition(plural: &str, edition: &str) -> String {
    let kind = plural.trim_end_matches('s');
    format!(
        "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {{name: {plural}.actions.example.org}}\n\
         spec:\n  group: actions.example.org\n  scope: Namespaced\n  names: {{plural: {plural}, kind: {kind}}}\n  versions:\n  \
         - name: v1\n    served: true\n    storage: true\n    schema: {{openAPIV3Schema: {{type: object, description: {edition}}}}}\n"
    )
}

#[test]
fn definitions_are_created_replaced_or_left_alone_and_stay() {
    let scene = Scene::set("definitions", &[]).unwrap();
    let at = &scene.namespace;
    let named = |plural: &str| format!("{plural}.actions.example.org");
    let edition = |plural: &str| {
        let found = at.find("crd", &named(plural)).unwrap()?;
        Some(found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["description"].as_str().unwrap().to_owned())
    };
    // As Helm 3 leaves one behind: created by a client, with what a later edition has no more.
    let mut there: Value = serde_json::from_str(
        &at.kubectl()
            .run_with(&["create", "--dry-run=client", "-o", "json", "-f", "-"], &definition("olds", "theirs"))
            .unwrap(),
    )
    .unwrap();
    there["spec"]["names"]["shortNames"] = json!(["ol"]);
    at.kubectl().run_with(&["create", "--field-manager=helm", "-f", "-"], &there.to_string()).unwrap();

    let chart = |version: &str, plurals: &[&str]| {
        let files: Vec<(String, String)> =
            plurals.iter().map(|plural| (format!("crds/{plural}.yaml"), definition(plural, version))).collect();
        let mut files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
        let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n";
        files.push(("templates/a.yaml", template));
        scene.publish("defines", version, &files).unwrap();
    };
    chart("1.0.0", &["olds", "news"]);
    chart("2.0.0", &["olds", "news", "mores"]);
    let run = |name: &str, version: &str, revision: i64, more: Value| {
        at.put_release(name, "defines", version, &more).unwrap();
        at.until_runs(name, &format!("defines@{version}"), revision).unwrap();
    };

    run("skips", "1.0.0", 1, json!({"install": {"crds": "Skip"}}));
    assert_eq!((edition("olds").as_deref(), edition("news")), (Some("theirs"), None));
    // By default what is absent is created, whatever the field of old says, and what is there is not touched.
    run("creates", "1.0.0", 1, json!({"install": {"skipCRDs": true}}));
    assert_eq!((edition("olds").as_deref(), edition("news").as_deref()), (Some("theirs"), Some("1.0.0")));
    run("creates", "2.0.0", 2, json!({"upgrade": {"crds": "Skip"}}));
    assert_eq!((edition("news").as_deref(), edition("mores")), (Some("1.0.0"), None));
    run("skips", "2.0.0", 2, json!({"install": {"crds": "Skip"}, "upgrade": {"crds": "Create"}}));
    assert_eq!((edition("news").as_deref(), edition("mores").as_deref()), (Some("1.0.0"), Some("2.0.0")));
    run("replaces", "1.0.0", 1, json!({"install": {"crds": "CreateReplace"}}));
    assert_eq!((edition("olds").as_deref(), edition("mores").as_deref()), (Some("1.0.0"), Some("2.0.0")));
    let short = at.find("crd", &named("olds")).unwrap().unwrap()["spec"]["names"]["shortNames"].clone();
    assert_eq!(short, Value::Null, "what only the earlier edition had is still there");
    run("replaces", "2.0.0", 2, json!({"upgrade": {"crds": "CreateReplace"}}));
    assert_eq!((edition("olds").as_deref(), edition("news").as_deref()), (Some("2.0.0"), Some("2.0.0")));

    for name in ["skips", "creates", "replaces"] {
        at.delete_release(name).unwrap();
    }
    for plural in ["olds", "news", "mores"] {
        assert_eq!(edition(plural).as_deref(), Some("2.0.0"), "{plural}");
    }
}

#[test]
fn what_is_there_already_is_adopted_or_refused() {
    let scene = scene("adopts");
    let at = &scene.namespace;
    for name in ["first", "second"] {
        at.kubectl().run(&["-n", at.name(), "create", "configmap", name, "--from-literal=text=theirs"]).unwrap();
    }
    let objects = [config("first", "ours")];
    put(at, "web", &objects, json!({"install": {"disableTakeOwnership": true}}));
    let message = at.until_not_ready("web", &["ObjectInUse"]).unwrap();
    assert!(message.contains("exists and cannot be imported into the current release"), "{message}");
    assert_eq!(text(at, "first"), "theirs");
    put(at, "web", &objects, json!({}));
    until_revision(at, "web", 1);
    assert_eq!(text(at, "first"), "ours");

    let objects = [config("first", "ours"), config("second", "ours")];
    put(at, "web", &objects, json!({"upgrade": {"disableTakeOwnership": true}}));
    let message = at.until_not_ready("web", &["ObjectInUse"]).unwrap();
    assert!(message.contains("ConfigMap \"second\"") && message.contains("missing key"), "{message}");
    assert_eq!(
        (text(at, "second").as_str(), at.helm_json(&["history", "web"]).unwrap().as_array().unwrap().len()),
        ("theirs", 1)
    );
    put(at, "web", &objects, json!({}));
    until_revision(at, "web", 2);
    assert_eq!(text(at, "second"), "ours");

    // What another release owns is its own, whatever the spec says.
    for (name, method) in [("thief", json!(true)), ("client", json!(false))] {
        put(at, name, &[config("first", "stolen")], json!({"install": {"serverSideApply": method}}));
        let message = at.until_not_ready(name, &["ObjectInUse"]).unwrap();
        assert!(message.contains("must equal \"thief\"") || message.contains("must equal \"client\""), "{message}");
        assert!(message.contains("current value is \"web\""), "{message}");
        put(at, name, &[config(name, "own")], json!({}));
        until_revision(at, name, 1);
        put(at, name, &[config(name, "own"), config("first", "stolen")], json!({}));
        at.until_not_ready(name, &["ObjectInUse"]).unwrap();
    }
    assert_eq!(text(at, "first"), "ours");
}

#[test]
fn what_a_failed_action_created_goes_if_asked_for() {
    let scene = scene("cleanup");
    let at = &scene.namespace;
    for (name, cleans) in [("keeps", false), ("cleans", true)] {
        let own = |part: &str| format!("{name}-{part}");
        let more = |more: Value| {
            let mut spec = json!({"timeout": "3s", "upgrade": {"cleanupOnFail": cleans},
                "rollback": {"cleanupOnFail": cleans, "recreate": true}});
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            spec
        };
        let [old, both, new] = ["old", "both", "new"].map(|part| config(&own(part), "x"));
        put(at, name, &[old.clone(), both.clone()], more(json!({})));
        until_revision(at, name, 1);
        // Its wait ends in vain: what it created goes, what was there before stays, and so does what it adopted.
        at.kubectl().run(&["-n", at.name(), "create", "configmap", &own("found")]).unwrap();
        let failing = [old, both.clone(), new.clone(), config(&own("found"), "x"), endless(&own("job"))];
        put(at, name, &failing, more(json!({})));
        assert!(until_failed(at, name, "UpgradeFailed").contains(&own("job")));
        assert_eq!(is_there(at, "configmap", &own("new")), !cleans, "{name}");
        assert_eq!(is_there(at, "job", &own("job")), !cleans, "{name}");
        for part in ["old", "both", "found"] {
            assert!(is_there(at, "configmap", &own(part)), "{name}: {part}");
        }
        // Its post-upgrade hook fails.
        let mut hook = endless(&own("hook"));
        hook["metadata"]["annotations"] = json!({"helm.sh/hook": "post-upgrade"});
        put(at, name, &[both.clone(), config(&own("late"), "x"), hook], more(json!({})));
        assert!(until_failed(at, name, "UpgradeFailed").contains("post-upgrade hooks failed"));
        assert_eq!(is_there(at, "configmap", &own("late")), !cleans, "{name}");
        assert!(!is_there(at, "configmap", &own("old")), "{name}: it is no longer in the chart");
        put(at, name, std::slice::from_ref(&both), more(json!({})));
        at.until_ready(name).unwrap();
        assert!(!is_there(at, "configmap", &own("late")) && !is_there(at, "configmap", &own("new")), "{name}");
        // A rollback that fails takes what it brought back away again.
        put(at, name, &[both], more(json!({"rollbackTo": 1, "healthCheckExprs": never()})));
        at.until_not_ready(name, &["RollbackFailed"]).unwrap();
        assert_eq!(is_there(at, "configmap", &own("old")), !cleans, "{name}");
        assert!(is_there(at, "configmap", &own("both")), "{name}");
    }
}

fn deployment(name: &str) -> Value {
    let container = json!({"name": "app", "image": "example.org/app:1"});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 1,
        "selector": {"matchLabels": {"app": name}},
        "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}}}})
}

/// The ReplicaSets of a Deployment of that name that are there to stay.
fn replica_sets(at: &Namespace, name: &str) -> usize {
    let sets = at.list("replicasets").unwrap();
    let of = |set: &&Value| set["metadata"]["labels"]["app"] == name && set["metadata"]["deletionTimestamp"].is_null();
    sets.iter().filter(of).count()
}

#[test]
fn what_belongs_to_the_objects_goes_as_the_spec_says() {
    let scene = scene("propagation");
    let at = &scene.namespace;
    for (name, stays) in [("background", 0), ("foreground", 0), ("orphan", 1)] {
        let more = json!({"uninstall": {"deletionPropagation": name}});
        let other = format!("{name}-other");
        put(at, name, &[deployment(name), deployment(&other)], more.clone());
        until_revision(at, name, 1);
        assert_eq!((replica_sets(at, name), replica_sets(at, &other)), (1, 1), "{name}");
        // What a chart no longer has goes with all that belongs to it.
        put(at, name, &[deployment(name)], more);
        until_revision(at, name, 2);
        wait_until("the ReplicaSet goes with its Deployment", DEADLINE, || {
            Ok(if replica_sets(at, &other) == 0 { Ok(()) } else { Err(name.to_owned()) })
        })
        .unwrap();

        let selector = format!("metadata.name={name}");
        let args = ["deployments.apps", "-n", at.name(), "--field-selector", &selector];
        let mut watch = at.kubectl().watch(&args).unwrap();
        // Once it shows what is there: what goes before that is never told of.
        watch.until(DEADLINE, |_| Some(())).unwrap();
        begin_delete(at, name);
        let mut finalizers = String::new();
        watch
            .until(DEADLINE, |event| {
                finalizers.push_str(&event.object["metadata"]["finalizers"].to_string());
                event.deleted.then_some(())
            })
            .unwrap();
        assert_eq!(finalizers.contains("foregroundDeletion"), name == "foreground", "{finalizers}");
        until_gone(at, HELMRELEASE, name);
        wait_until(&format!("{stays} ReplicaSets are left"), DEADLINE, || {
            let left = replica_sets(at, name);
            Ok(if left == stays { Ok(()) } else { Err(format!("{left}")) })
        })
        .unwrap();
    }
    let orphan = at.list("replicasets").unwrap();
    let orphan = orphan.iter().find(|set| set["metadata"]["labels"]["app"] == "orphan").unwrap();
    assert_eq!(orphan["metadata"]["ownerReferences"], Value::Null, "{orphan}");
}
