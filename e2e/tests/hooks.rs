//! Hooks: what Helm makes of them, Pintle makes of them. The same objects are released by both, and the records and what is
//! left in the cluster are compared; what an operator does better than a command line has tests of its own.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle::release::{Limits, Record, decode};
use pintle_e2e::{DEADLINE, HELMRELEASE, Namespace, Scene, condition, wait_until};
use serde_json::{Value, json};

fn config(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}})
}

fn service(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}})
}

/// A Job whose Pod does what `sim` says; it succeeds without.
fn job(name: &str, sim: Option<&str>) -> Value {
    let annotations = sim.map_or(json!({}), |sim| json!({"pintle.dev/sim": sim}));
    json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"backoffLimit": 0, "template": {
        "metadata": {"annotations": annotations},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "app", "image": "example.org/app:1"}]}}}})
}

/// The object as a hook; further annotations as `key=value`, without `helm.sh/hook-` before them.
fn hook(mut object: Value, event: &str, more: &[(&str, &str)]) -> Value {
    let mut annotations = json!({"helm.sh/hook": event});
    for (key, value) in more {
        annotations[format!("helm.sh/hook-{key}")] = json!(value);
    }
    object["metadata"]["annotations"] = annotations;
    object
}

/// The objects with the release's name before their own.
fn named(release: &str, objects: &[Value]) -> Vec<Value> {
    let mut objects = objects.to_vec();
    for object in &mut objects {
        object["metadata"]["name"] = json!(format!("{release}-{}", object["metadata"]["name"].as_str().unwrap()));
    }
    objects
}

fn record(at: &Namespace, release: &str, revision: u32) -> Option<Record> {
    let secret = at.find("secret", &format!("sh.helm.release.v1.{release}.v{revision}")).unwrap()?;
    let bytes = STANDARD.decode(secret["data"]["release"].as_str().unwrap()).unwrap();
    Some(decode(&bytes, &Limits::default()).unwrap())
}

/// What has come of a release: how it ended, its hooks in the order in which they ran, and what there is.
fn outcome(at: &Namespace, release: &str, revision: u32) -> Value {
    let prefix = format!("{release}-");
    let record = record(at, release, revision);
    let mut ran: Vec<_> = record.iter().flat_map(|r| &r.hooks).filter(|h| h.last_run.started_at.is_some()).collect();
    ran.sort_by_key(|hook| hook.last_run.started_at);
    let ran: Vec<Value> =
        ran.iter().map(|hook| json!([hook.name.replacen(&prefix, "", 1), hook.last_run.phase.as_str()])).collect();
    let mut there = BTreeSet::new();
    for kind in ["configmaps", "services", "jobs", "tools.hooks.example.org"] {
        // A kind that no chart has defined yet.
        for object in at.list(kind).unwrap_or_default() {
            let name = object["metadata"]["name"].as_str().unwrap();
            if let Some(name) = name.strip_prefix(&prefix)
                && object["metadata"]["deletionTimestamp"].is_null()
            {
                there.insert(format!("{kind}/{name}"));
            }
        }
    }
    json!({"status": record.map(|r| r.info.status.to_string()), "ran": ran, "there": there})
}

/// Releases the objects of each step in turn, by Helm and by Pintle; compares what comes of it, and gives it.
fn both(scene: &Scene, name: &str, chart: &str, steps: &[Vec<Value>], ends: bool) -> Vec<Value> {
    let at = &scene.namespace;
    let (ours, theirs) = (format!("p-{name}"), format!("h-{name}"));
    let values = |release: &str, step: &[Value]| json!({"objects": named(release, step)});
    let mut outcomes = Vec::new();
    for (number, step) in (1..).zip(steps) {
        let file = scene.control_plane.folder().join(format!("values-{theirs}.json"));
        std::fs::write(&file, values(&theirs, step).to_string()).unwrap();
        let (file, url) = (file.display().to_string(), scene.repository.url());
        // It fails where a hook does.
        let done = at.helm(&["upgrade", "--install", &theirs, chart, "--repo", &url, "-f", &file, "--timeout", "4s"]);
        let spec = json!({"interval": "1h", "timeout": "4s", "values": values(&ours, step),
            "install": {"disableWait": true}, "upgrade": {"disableWait": true}});
        at.put_release(&ours, chart, "1.0.0", &spec).unwrap();
        let released = at
            .until(&ours, |found| {
                let released = condition(found, "Released")?;
                let current = released["observedGeneration"] == found["metadata"]["generation"];
                (current && found["status"]["step"].is_null()).then(|| released.clone())
            })
            .unwrap();
        assert_eq!(done.is_ok(), released["status"] == "True", "{name}: Helm: {done:?}, Pintle: {released}");
        outcomes.push((outcome(at, &ours, number), outcome(at, &theirs, number)));
    }
    if ends {
        at.helm(&["uninstall", &theirs, "--timeout", "4s"]).unwrap();
        at.delete_release(&ours).unwrap();
        outcomes.push((outcome(at, &ours, 99), outcome(at, &theirs, 99)));
    }
    outcomes
        .into_iter()
        .map(|(ours, theirs)| {
            assert_eq!(ours, theirs, "{name}: Pintle's is not Helm's");
            ours
        })
        .collect()
}

fn scene(name: &str) -> Scene {
    let scene = Scene::set(name, &[]).unwrap();
    scene.publish_any().unwrap();
    scene
}

#[test]
fn kinds_and_order() {
    let scene = scene("hook-order");
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: tools.hooks.example.org}\n\
                      spec:\n  group: hooks.example.org\n  scope: Namespaced\n  names: {plural: tools, kind: Tool}\n  versions:\n  - name: \
                      v1\n    served: true\n    storage: true\n    schema: {openAPIV3Schema: {type: object}}\n";
    let template = "{{ range .Values.objects }}\n---\n{{ toYaml . }}\n{{ end }}";
    let files = [("crds/tools.yaml", definition), ("templates/objects.yaml", template)];
    scene.publish("tools", "1.0.0", &files).unwrap();
    let tool = json!({"apiVersion": "hooks.example.org/v1", "kind": "Tool", "metadata": {"name": "c"}});
    let objects = vec![
        hook(service("b"), "pre-install", &[("weight", "2")]),
        hook(config("a"), "pre-install,post-install,pre-upgrade", &[("weight", "2")]),
        hook(tool, "pre-install", &[("weight", "2")]),
        hook(job("z", None), "pre-install", &[("weight", "-5")]),
        hook(config("nought"), "PRE-INSTALL", &[("weight", "much")]),
        hook(config("late"), "post-upgrade", &[]),
        hook(config("last"), "post-delete", &[]),
        // What Helm 2 knew and Helm 4 does not: the document is dropped.
        hook(config("old"), "test-failure", &[]),
        hook(config("older"), "pre-install,no-such-event", &[]),
        config("plain"),
    ];
    // The same again would be no upgrade.
    let mut changed = objects.clone();
    changed[9]["data"] = json!({"changed": "yes"});
    let outcomes = both(&scene, "order", "tools", &[objects, changed], true);
    let ran = |at: usize| {
        let ran = outcomes[at]["ran"].as_array().unwrap().iter();
        ran.map(|run| run[0].as_str().unwrap().to_owned()).collect::<Vec<_>>().join(" ")
    };
    // By weight, then by name. What runs at two events has the time of the last.
    assert_eq!((ran(0).as_str(), ran(1).as_str()), ("z nought b c a", "a late"), "{outcomes:#?}");
    assert_eq!(outcomes[2]["there"].to_string().matches("plain").count(), 0);
    assert!(outcomes[2]["there"].to_string().contains("configmaps/last"), "{}", outcomes[2]);
}

#[test]
fn delete_policies() {
    let scene = scene("hook-policies");
    let all = |step: &str| {
        let event = "pre-install,pre-upgrade";
        let mut objects: Vec<Value> = [
            ("default", None),
            ("before", Some("before-hook-creation")),
            ("succeeded", Some("hook-succeeded")),
            ("failed", Some("hook-failed")),
            ("either", Some("hook-failed, Hook-Succeeded")),
            ("odd", Some("never-mind")),
        ]
        .into_iter()
        .map(|(name, policy)| match policy {
            Some(policy) => hook(config(name), event, &[("delete-policy", policy)]),
            None => hook(config(name), event, &[]),
        })
        .collect();
        for object in &mut objects {
            object["data"] = json!({"step": step});
        }
        objects
    };
    let outcomes = both(&scene, "policies", "any", &[all("one"), all("two")], true);
    let there = r#"["configmaps/before","configmaps/default","configmaps/failed","configmaps/odd"]"#;
    for outcome in &outcomes {
        assert_eq!(outcome["there"].to_string(), there, "hooks are not deleted with the release: {outcomes:#?}");
    }
    // What an earlier run left is patched where its policy does not have it deleted.
    for name in ["p-policies-failed", "h-policies-failed", "p-policies-before"] {
        assert_eq!(scene.namespace.object("configmap", name).unwrap()["data"]["step"], "two", "{name}");
    }
}

#[test]
fn hooks_that_fail_or_hang() {
    let scene = scene("hook-failures");
    for (name, sim) in [("fail", "fail"), ("hang", "hang")] {
        let objects = vec![
            hook(config("first"), "pre-install", &[("weight", "1"), ("delete-policy", "hook-succeeded")]),
            hook(config("second"), "pre-install", &[("weight", "2"), ("delete-policy", "hook-failed")]),
            hook(job("third", Some(sim)), "pre-install", &[("weight", "3"), ("delete-policy", "hook-failed")]),
            hook(config("fourth"), "pre-install", &[("weight", "4")]),
            config("plain"),
        ];
        let outcomes = both(&scene, name, "any", &[objects], false);
        let expect = json!({"status": "failed", "there": ["configmaps/second"],
            "ran": [["first", "Succeeded"], ["second", "Succeeded"], ["third", "Failed"]]});
        assert_eq!(outcomes[0], expect);
        // One that stays for whoever wants to look at it, after a first revision that went well.
        let well = vec![config("plain")];
        let stays = vec![hook(job("stays", Some(sim)), "post-upgrade", &[]), config("plain"), config("more")];
        let outcomes = both(&scene, &format!("{name}-later"), "any", &[well, stays], false);
        assert_eq!(outcomes[1]["there"], json!(["configmaps/more", "configmaps/plain", "jobs/stays"]));
    }
}

#[test]
fn hooks_of_subcharts() {
    let scene = Scene::set("hook-subcharts", &[]).unwrap();
    let template = |weight: &str| {
        format!(
            "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{{{ .Release.Name }}}}-{{{{ .Chart.Name }}}}\n  annotations:\n    \
             helm.sh/hook: pre-install\n    helm.sh/hook-weight: \"{weight}\"\n"
        )
    };
    let (parent, part) = (template("5"), template("-1"));
    let files = [
        ("templates/hook.yaml", parent.as_str()),
        ("charts/part/Chart.yaml", "apiVersion: v2\nname: part\nversion: 1.0.0\n"),
        ("charts/part/templates/hook.yaml", part.as_str()),
    ];
    scene.publish("whole", "1.0.0", &files).unwrap();
    let outcomes = both(&scene, "sub", "whole", &[vec![]], false);
    assert_eq!(outcomes[0]["ran"], json!([["part", "Succeeded"], ["whole", "Succeeded"]]));
}

#[test]
fn what_is_to_be_kept_stays() {
    let scene = scene("hook-keep");
    let kept = |name: &str, policy: &str| {
        let mut object = config(name);
        object["metadata"]["annotations"] = json!({"helm.sh/resource-policy": policy});
        object
    };
    let [a, b, c] = [("a", "keep"), ("b", "keep"), ("c", "Keep ")].map(|(name, policy)| kept(name, policy));
    let outcomes =
        both(&scene, "keep", "any", &[vec![a, b.clone(), config("plain")], vec![b, c, config("plain")]], true);
    assert_eq!(outcomes[1]["there"], json!(["configmaps/a", "configmaps/b", "configmaps/c", "configmaps/plain"]));
    assert_eq!(outcomes[2]["there"], json!(["configmaps/a", "configmaps/b", "configmaps/c"]));
    // What was kept is the release's own when it comes back.
    let spec = json!({"values": {"objects": named("p-keep", &[kept("a", "keep")])}, "install": {"disableTakeOwnership": true}});
    scene.namespace.put_release("p-keep", "any", "1.0.0", &spec).unwrap();
    scene.namespace.until_ready("p-keep").unwrap();
}

/// Notes of the release's events for a reason.
fn notes(at: &Namespace, release: &str, reason: &str) -> Vec<String> {
    let about = |event: &&Value| {
        let object = if event["regarding"].is_object() { &event["regarding"] } else { &event["involvedObject"] };
        object["name"] == release && event["reason"] == reason
    };
    let note = |event: &Value| event["note"].as_str().or(event["message"].as_str()).unwrap_or_default().to_owned();
    at.list("events").unwrap().iter().filter(about).map(note).collect()
}

#[test]
fn what_hooks_and_tests_write_is_told() {
    let scene = scene("hook-output");
    let at = &scene.namespace;
    let told = |policy: &str| {
        [("output-log-policy", policy.to_owned()), ("delete-policy", "hook-failed,hook-succeeded".to_owned())]
    };
    let with = |object: Value, event: &str, policy: &str| {
        let told = told(policy);
        let more: Vec<(&str, &str)> = told.iter().map(|(key, value)| (*key, value.as_str())).collect();
        hook(object, event, &more)
    };
    let objects = [
        with(job("aloud", None), "pre-install", "hook-succeeded,hook-failed"),
        with(job("quiet", None), "pre-install", "hook-failed"),
        with(job("broken", Some("fail")), "test", "hook-failed"),
    ];
    let spec = json!({"interval": "1h", "test": {"enable": true}, "values": {"objects": named("web", &objects)}});
    at.put_release("web", "any", "1.0.0", &spec).unwrap();
    let found = at
        .until("web", |found| {
            let tested = condition(found, "TestSuccess")?;
            (tested["status"] == "False").then(|| found.clone())
        })
        .unwrap();
    let said = notes(at, "web", "HookOutput");
    let of = |name: &str| said.iter().filter(|note| note.contains(name)).count();
    assert_eq!((of("web-aloud"), of("web-quiet"), of("web-broken")), (1, 0, 1), "{said:#?}");
    assert!(
        said.iter().all(|note| note.contains("container app:") && note.contains("connection refused")),
        "{said:#?}"
    );
    // The end of a failed test's log is in the condition, how each went in the status.
    let message = condition(&found, "TestSuccess").unwrap()["message"].as_str().unwrap();
    assert!(message.contains("Job hook-output/web-broken") && message.contains("connection refused"), "{message}");
    let tests = &found["status"]["history"][0]["testHooks"];
    assert_eq!(tests["web-broken"]["phase"], "Failed", "{tests}");
}

#[test]
fn definitions_of_helm_2_are_brought_along() {
    let scene = Scene::set("hook-helm2", &[]).unwrap();
    let at = &scene.namespace;
    let definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  name: {{ .Values.plural \
                      }}.helm2.example.org\n  annotations: {helm.sh/hook: crd-install}\nspec:\n  group: helm2.example.org\n  scope: \
                      Namespaced\n  names: {plural: {{ .Values.plural }}, kind: Relic}\n  versions:\n  - name: v1\n    served: true\n    \
                      storage: true\n    schema: {openAPIV3Schema: {type: object}}\n";
    let relic = "apiVersion: helm2.example.org/v1\nkind: Relic\nmetadata: {name: relic}\n";
    scene.publish("relics", "1.0.0", &[("templates/a.yaml", definition), ("templates/b.yaml", relic)]).unwrap();
    at.put_release("web", "relics", "1.0.0", &json!({"values": {"plural": "relics"}})).unwrap();
    at.until_runs("web", "relics@1.0.0", 1).unwrap();
    assert!(at.find("relics.helm2.example.org", "relic").unwrap().is_some());
    assert!(!at.helm(&["get", "all", "web"]).unwrap().contains("CustomResourceDefinition"));
    at.delete_release("web").unwrap();
    assert!(at.find("crd", "relics.helm2.example.org").unwrap().is_some());
}

#[test]
fn an_uninstall_whose_hook_fails_is_tried_again() {
    let scene = scene("hook-uninstall");
    let at = &scene.namespace;
    let objects = [
        hook(job("first", None), "pre-delete", &[("weight", "-1")]),
        hook(job("asks", Some("fail")), "pre-delete", &[("delete-policy", "before-hook-creation,hook-failed")]),
        config("plain"),
    ];
    let spec = json!({"interval": "1h", "values": {"objects": named("web", &objects)}});
    at.put_release("web", "any", "1.0.0", &spec).unwrap();
    at.until_ready("web").unwrap();
    let mut jobs = at.kubectl().watch(&["jobs", "-n", at.name()]).unwrap();
    at.kubectl().run(&["-n", at.name(), "delete", HELMRELEASE, "web", "--wait=false"]).unwrap();
    // Its Job is made anew for each attempt; those before it ran once.
    let (mut first, mut asks) = (BTreeSet::new(), BTreeSet::new());
    jobs.until(DEADLINE, |event| {
        let uid = event.object["metadata"]["uid"].to_string();
        if event.object["metadata"]["name"] == "web-first" {
            first.insert(uid)
        } else {
            asks.insert(uid)
        };
        (asks.len() == 3).then_some(())
    })
    .unwrap();
    assert_eq!(first.len(), 1);
    let message = at.until_not_ready("web", &["UninstallFailed"]).unwrap();
    assert!(message.contains("pre-delete hooks failed") && message.contains("web-asks"), "{message}");
    assert!(at.find("configmap", "web-plain").unwrap().is_some());
    // Whoever is stuck at a hook may leave it out.
    at.patch_release("web", &json!({"spec": {"uninstall": {"disableHooks": true}}})).unwrap();
    wait_until("the HelmRelease is gone", DEADLINE, || {
        Ok(at.find(HELMRELEASE, "web")?.map_or(Ok(()), |found| Err(found["status"].to_string())))
    })
    .unwrap();
    assert!(at.find("configmap", "web-plain").unwrap().is_none());
}
