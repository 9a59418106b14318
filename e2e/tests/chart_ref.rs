//! Charts that sources of Flux provide (`spec.chartRef`): whose controllers are played by the tests, so that what a source
//! says, and when, is theirs to choose.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{
    ChartRepository, HELMRELEASE, Kubectl, Namespace, Operator, OperatorOptions, Packaged, Scene, package, root,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const GROUP: &str = "source.toolkit.fluxcd.io";

/// The definition of a kind of source, as small as can be.
fn define(kubectl: &Kubectl, kind: &str) {
    let plural = kind.strip_suffix('y').map_or_else(|| format!("{kind}s"), |stem| format!("{stem}ies")).to_lowercase();
    let any = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let schema = json!({"type": "object", "properties": {"spec": any, "status": any}});
    let definition = json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": format!("{plural}.{GROUP}")},
        "spec": {
            "group": GROUP, "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.to_lowercase()},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": schema}}],
        },
    });
    kubectl.apply(&definition.to_string()).unwrap();
    let name = format!("crd/{plural}.{GROUP}");
    kubectl.run(&["wait", "--for=condition=Established", &name, "--timeout=60s"]).unwrap();
}

fn resource(kind: &str) -> String {
    format!("{}.{GROUP}", kind.to_lowercase())
}

fn put_source(at: &Namespace, kind: &str, name: &str) {
    let object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind,
        "metadata": {"name": name, "namespace": at.name()}, "spec": {"interval": "1h"}});
    at.kubectl().apply(&object.to_string()).unwrap();
}

/// What the source's controller would say.
fn say(at: &Namespace, kind: &str, name: &str, status: &Value) {
    let patch = json!({"status": status}).to_string();
    let resource = resource(kind);
    at.kubectl()
        .run(&["patch", &resource, name, "-n", at.name(), "--subresource=status", "--type=merge", "-p", &patch])
        .unwrap();
}

fn hello(version: &str) -> Packaged {
    package(&root().join("e2e/charts").join(format!("hello-{version}"))).unwrap()
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

/// The artifact of a chart, and the digest that its manifest would have in a registry.
fn artifact(server: &ChartRepository, chart: &Packaged) -> (Value, String) {
    let manifest = sha256(format!("manifest of {}", chart.version).as_bytes());
    let artifact = json!({
        "url": format!("{}/{}-{}.tgz", server.url(), chart.name, chart.version),
        "digest": sha256(&chart.bytes), "revision": format!("{}@{manifest}", chart.version),
        "path": "x", "lastUpdateTime": "2026-01-01T00:00:00Z", "size": chart.bytes.len(),
    });
    (artifact, manifest)
}

fn put(at: &Namespace, name: &str, reference: &Value, more: &Value) {
    let mut spec = json!({"chart": null, "chartRef": reference, "interval": "1h",
        "values": {"hooks": {"enabled": false}, "replicas": 0}});
    for (key, value) in more.as_object().unwrap() {
        spec[key] = value.clone();
    }
    at.put_release(name, "", "", &spec).unwrap();
}

/// The version that a release shows for a build of a chart.
fn build(version: &str, manifest: &str) -> String {
    format!("{version}+{}", &manifest["sha256:".len()..][..12])
}

#[test]
fn a_chart_from_an_oci_repository() {
    const KIND: &str = "OCIRepository";
    let mut scene = Scene::set("chart-ref", &[]).unwrap();
    let at = scene.namespace.clone();
    define(at.kubectl(), KIND);
    let (one, two) = (hello("1.0.0"), hello("1.1.0"));
    scene.repository.add(one.clone());
    scene.repository.add(two.clone());
    let (first, first_manifest) = artifact(&scene.repository, &one);
    let (second, second_manifest) = artifact(&scene.repository, &two);

    put(&at, "web", &json!({"kind": KIND, "name": "hello"}), &json!({}));
    let message = at.until_not_ready("web", &["SourceNotReady"]).unwrap();
    assert!(message.contains("OCIRepository chart-ref/hello is not ready: it does not exist"), "{message}");
    put_source(&at, KIND, "hello");
    let until = |reason: &str, part: &str| {
        at.until("web", |release| {
            let ready = pintle_e2e::condition(release, "Ready")?;
            let says = ready["message"].as_str().is_some_and(|message| message.contains(part));
            (ready["status"] == "False" && ready["reason"] == reason && says).then_some(())
        })
        .unwrap();
    };
    until("SourceNotReady", "has not looked at it as it is now");
    let trouble = json!([{"type": "Ready", "status": "False", "reason": "x", "message": "no such tag"}]);
    say(&at, KIND, "hello", &json!({"observedGeneration": 1, "conditions": trouble}));
    until("SourceNotReady", "it has no artifact: no such tag");
    say(&at, KIND, "hello", &json!({"observedGeneration": 1, "artifact": first}));
    let version = build("1.0.0", &first_manifest);
    at.until_runs("web", &format!("hello@{version}"), 1).unwrap();
    let status = at.object(HELMRELEASE, "web").unwrap()["status"].clone();
    assert_eq!(status["lastAttemptedRevision"], version.as_str());
    assert_eq!(status["lastAttemptedRevisionDigest"], first_manifest.as_str());
    assert_eq!(status["history"][0]["ociDigest"], first_manifest.as_str());
    at.helm_says("web", 1, "deployed", &format!("hello-{version}")).unwrap();

    // A new artifact is noticed, although the interval is an hour.
    say(&at, KIND, "hello", &json!({"artifact": second}));
    let running = format!("hello@{}", build("1.1.0", &second_manifest));
    at.until_runs("web", &running, 2).unwrap();

    // What is wrong is told, and what runs goes on running.
    let with = |artifact: &Value, field: &str, value: &str| {
        let mut artifact = artifact.clone();
        artifact[field] = value.into();
        say(&at, KIND, "hello", &json!({"artifact": artifact}));
    };
    with(&first, "digest", &sha256(b"another"));
    until("ArtifactFailed", "but its source says sha256:");
    with(&first, "digest", "sha512:00");
    until("ArtifactFailed", "no SHA-256");
    with(&first, "revision", &format!("2.0.0@{first_manifest}"));
    until("ChartMutateError", "its tag \"2.0.0\" is not the version of the chart in it, 1.0.0");
    with(&first, "url", "http://169.254.169.254/chart.tgz");
    // The bytes are known by their digest: nobody has to be asked for them.
    let version = build("1.0.0", &first_manifest);
    at.until_runs("web", &format!("hello@{version}"), 3).unwrap();
    let mut elsewhere = first;
    elsewhere["digest"] = sha256(b"unknown").into();
    with(&elsewhere, "url", "http://169.254.169.254/chart.tgz");
    until("ArtifactFailed", "link-local");
    with(&elsewhere, "url", &format!("{}/nothing.tgz", scene.repository.url()));
    until("SourceNotReady", "its artifact is not at");
    let stalled = json!([{"type": "Stalled", "status": "True", "reason": "x", "message": "wrong reference"}]);
    say(&at, KIND, "hello", &json!({"artifact": second, "conditions": stalled}));
    until("SourceNotReady", "it is stalled: wrong reference");
    say(&at, KIND, "hello", &json!({"artifact": second, "conditions": []}));
    at.until_runs("web", &running, 4).unwrap();

    // A new operator finds everything as it was.
    scene.restart_operator().unwrap();
    at.request(HELMRELEASE, "web").unwrap();
    at.until("web", |release| release["status"]["lastHandledReconcileAt"].is_string().then_some(())).unwrap();
    at.until_runs("web", &running, 4).unwrap();
}

#[test]
fn charts_from_the_other_kinds() {
    let scene = Scene::set("chart-ref-kinds", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let (mut given, manifest) = artifact(&scene.repository, &hello("1.0.0"));

    // A kind that comes later, from whoever writes such objects: there is no controller that would observe a generation.
    put(
        at,
        "third",
        &json!({"kind": "ExternalArtifact", "name": "hello", "apiVersion": format!("{GROUP}/v1")}),
        &json!({}),
    );
    let message = at.until_not_ready("third", &["SourceNotReady"]).unwrap();
    assert!(message.contains("ExternalArtifact"), "{message}");
    define(at.kubectl(), "ExternalArtifact");
    put_source(at, "ExternalArtifact", "hello");
    given["revision"] = format!("latest@{manifest}").into();
    say(at, "ExternalArtifact", "hello", &json!({"artifact": given}));
    at.until_runs("third", &format!("hello@{}", build("1.0.0", &manifest)), 1).unwrap();

    define(at.kubectl(), "HelmChart");
    put_source(at, "HelmChart", "hello");
    given["revision"] = "1.0.0".into();
    say(at, "HelmChart", "hello", &json!({"observedGeneration": 1, "artifact": given}));
    put(at, "chart", &json!({"kind": "HelmChart", "name": "hello"}), &json!({}));
    at.until_runs("chart", "hello@1.0.0", 1).unwrap();
    assert!(at.object(HELMRELEASE, "chart").unwrap()["status"]["lastAttemptedRevisionDigest"].is_null());

    // One or the other, and of this group.
    let both = json!({"chartRef": {"kind": "HelmChart", "name": "hello"}});
    let refused = at.put_release("both", "hello", "1.x", &both).unwrap_err().to_string();
    assert!(refused.contains("exactly one of chart and chartRef must be set"), "{refused}");
    let foreign =
        json!({"chart": null, "chartRef": {"kind": "HelmChart", "name": "hello", "apiVersion": "example.org/v1"}});
    let refused = at.put_release("foreign", "", "", &foreign).unwrap_err().to_string();
    assert!(refused.contains("apiVersion must be one of source.toolkit.fluxcd.io"), "{refused}");
}

#[test]
fn sources_that_a_tenant_may_not_use() {
    const KIND: &str = "OCIRepository";
    let mut scene = Scene::set("chart-ref-tenant", &["hello-1.0.0"]).unwrap();
    let at = scene.namespace.clone();
    define(at.kubectl(), KIND);
    let other = scene.elsewhere("chart-ref-other").unwrap();
    put_source(&other, KIND, "hello");
    let (given, manifest) = artifact(&scene.repository, &hello("1.0.0"));
    say(&other, KIND, "hello", &json!({"observedGeneration": 1, "artifact": given}));
    let theirs = json!({"kind": KIND, "name": "hello", "namespace": other.name()});

    at.kubectl().run(&["create", "serviceaccount", "tenant", "-n", at.name()]).unwrap();
    let account = format!("--serviceaccount={}:tenant", at.name());
    at.kubectl().run(&["create", "rolebinding", "edit", "-n", at.name(), "--clusterrole=edit", &account]).unwrap();
    put(&at, "web", &theirs, &json!({"serviceAccountName": "tenant"}));
    let message = at.until_not_ready("web", &["AccessDenied"]).unwrap();
    assert!(
        message.contains("forbidden") && message.contains("system:serviceaccount:chart-ref-tenant:tenant"),
        "{message}"
    );
    // The operator itself may.
    put(&at, "web", &theirs, &json!({}));
    at.until_runs("web", &format!("hello@{}", build("1.0.0", &manifest)), 1).unwrap();

    scene.operator.kill();
    let options = OperatorOptions {
        namespace: Some(at.name().to_owned()),
        args: vec!["--no-cross-namespace-refs".into()],
        ..OperatorOptions::default()
    };
    let _bound = Operator::start(scene.control_plane, at.name(), options).unwrap();
    put(&at, "late", &theirs, &json!({}));
    let message = at.until_not_ready("late", &["AccessDenied"]).unwrap();
    assert!(message.contains("references across namespaces are forbidden"), "{message}");
}
