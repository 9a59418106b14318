//! The life of one release, as the demo tells it; and releases that depend on others and on values from elsewhere.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{Fault, Scene, condition, is_ready, story};
use serde_json::json;

#[test]
fn the_story_of_the_demo() {
    let scene = Scene::set("story", &["hello-1.0.0", "hello-1.1.0", "hello-2.0.0"]).unwrap();
    for (title, step) in story::STEPS {
        step(&scene.namespace).unwrap_or_else(|error| panic!("{title}: {error:#}"));
    }
}

/// The same with records in ConfigMaps, which helm reads with `HELM_DRIVER=configmap`.
#[test]
fn the_story_with_records_in_configmaps() {
    let mut scene = Scene::set("story-configmaps", &["hello-1.0.0", "hello-1.1.0", "hello-2.0.0"]).unwrap();
    scene.restart_operator_with(&["--storage-driver", "configmap"]).unwrap();
    let at = scene.namespace.with_driver("configmap");
    for (title, step) in story::STEPS {
        step(&at).unwrap_or_else(|error| panic!("{title}: {error:#}"));
        let secrets = at.list("secrets").unwrap();
        assert!(secrets.iter().all(|secret| secret["type"] != "helm.sh/release.v1"), "{title}: {secrets:?}");
    }
}

#[test]
fn a_dependency_is_awaited_and_no_longer() {
    let scene = Scene::set("dependencies", &["hello-1.0.0", "legacy"]).unwrap();
    let at = &scene.namespace;
    at.put_release(
        "web",
        "hello",
        "1.x",
        &json!({"dependsOn": [{"name": "cache"}], "values": {"hooks": {"enabled": false}}}),
    )
    .unwrap();
    let message = at.until_not_ready("web", &["DependencyNotReady"]).unwrap();
    assert!(message.contains("dependencies/cache"), "{message}");
    assert!(at.find("deployment", "web-hello").unwrap().is_none(), "installed before its dependency");
    at.put_release("cache", "legacy", "0.3.x", &json!({})).unwrap();
    at.until_ready("web").unwrap();
    assert!(is_ready(&at.object(pintle_e2e::HELMRELEASE, "cache").unwrap()));
}

#[test]
fn a_repository_that_is_being_read_is_no_failure() {
    let scene = Scene::set("being-read", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    scene.repository.fault("/mirror/index.yaml", Fault::Silence);
    at.put_repository("slow", &json!({"url": scene.repository.mirror(), "interval": "5s", "timeout": "5s"})).unwrap();
    let chart = json!({"chart": "hello", "version": "1.0.0", "sourceRef": {"kind": "HelmRepository", "name": "slow"}});
    let values = json!({"replicas": 0, "hooks": {"enabled": false}});
    at.put_release("web", "hello", "1.0.0", &json!({"chart": {"spec": chart}, "values": values})).unwrap();
    at.until("web", |release| {
        let ready = condition(release, "Ready")?;
        let says = ready["message"] == "chart hello: HelmRepository being-read/slow is being read";
        (ready["status"] == "Unknown" && says).then_some(())
    })
    .unwrap();
    at.until_told("web", &["SourceNotReady"], &["mirror/index.yaml", "not finished after 5s"]).unwrap();
    scene.repository.heal();
    at.until_ready("web").unwrap();
}

#[test]
fn a_changed_values_source_is_an_upgrade() {
    let scene = Scene::set("values", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let config = |greeting: &str| {
        let values = format!("greeting: {greeting}\nreplicas: 0\n");
        at.kubectl()
            .apply(
                &json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "given", "namespace": at.name()},
                "data": {"values.yaml": values}})
                .to_string(),
            )
            .unwrap();
    };
    config("Salut");
    at.put_release("hello", "hello", "1.x", &json!({"valuesFrom": [{"kind": "ConfigMap", "name": "given"}]})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    config("Servus");
    at.until_runs("hello", "hello@1.0.0", 2).unwrap();
    assert_eq!(at.object("configmap", "hello-hello").unwrap()["data"]["greeting"], "Servus");
    assert_eq!(at.helm_json(&["get", "values", "hello"]).unwrap(), json!({"greeting": "Servus", "replicas": 0}));
}

#[test]
fn tests_run_after_the_install_and_count() {
    let scene = Scene::set("tested", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    at.put_release("hello", "hello", "1.x", &json!({"test": {"enable": true}})).unwrap();
    let release = at.until_ready("hello").unwrap();
    assert_eq!(condition(&release, "TestSuccess").unwrap()["status"], "True", "{release}");
    at.job_ran("hello-hello-answers").unwrap();
}
