//! Charts from a registry, filled by helm: installed, upgraded when a tag is pushed, refused with a reason that helps, and
//! rendered as helm renders them.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::prelude::{BASE64_STANDARD, Engine as _};
use pintle_e2e::{
    ChartRepository, DEADLINE, Fault, HELMRELEASE, HELMREPOSITORY, Namespace, Packaged, Registry, Scene, condition,
    package, pintle, root, wait_until,
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::{
    path::Path,
    process::{Command, Output},
};

fn hello(version: &str) -> Packaged {
    package(&root().join(format!("e2e/charts/hello-{version}"))).unwrap()
}

/// A Secret as `kubectl create secret docker-registry` makes it.
fn put_secret(at: &Namespace, registry: &Registry, password: &str) {
    let auth = BASE64_STANDARD.encode(format!("{}:{password}", Registry::USER));
    let config = json!({"auths": {registry.address(): {"auth": auth}}}).to_string();
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "registry", "namespace": at.name()},
        "type": "kubernetes.io/dockerconfigjson", "stringData": {".dockerconfigjson": config},
    });
    at.kubectl().apply(&secret.to_string()).unwrap();
}

fn until_repository(at: &Namespace, status: &str) -> Value {
    wait_until("the HelmRepository is looked at", DEADLINE, || {
        let found = at.object(HELMREPOSITORY, "charts")?;
        let ready = condition(&found, "Ready").cloned().unwrap_or(Value::Null);
        let current = found["status"]["observedGeneration"] == found["metadata"]["generation"];
        Ok(if current && ready["status"] == status { Ok(found) } else { Err(ready.to_string()) })
    })
    .unwrap()
}

#[test]
fn a_release_follows_the_tags() {
    let scene = Scene::set("oci", &[]).unwrap();
    let at = &scene.namespace;
    let mut registry = Registry::start(scene.control_plane, "oci", Scene::helm_program().unwrap()).unwrap();
    let first = registry.push(&hello("1.0.0")).unwrap();
    put_secret(at, &registry, Registry::PASSWORD);
    let spec = json!({"type": "oci", "url": registry.url(), "insecure": true, "secretRef": {"name": "registry"}});
    at.put_repository("charts", &spec).unwrap();
    let repository = until_repository(at, "True");
    assert_eq!(repository["status"]["url"], registry.url());
    assert!(repository["status"]["charts"].is_null(), "{repository}");

    at.put_release("hello", "hello", "1.x", &json!({})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    let status = at.object(HELMRELEASE, "hello").unwrap()["status"].clone();
    assert_eq!(status["lastAttemptedRevisionDigest"], first.as_str());
    assert_eq!(status["history"][0]["ociDigest"], first.as_str());

    // One that looks for itself, again and again.
    let chart = json!({"chart": "hello", "version": "1.x", "interval": "2s", "sourceRef": {"kind": "HelmRepository", "name": "charts"}});
    at.put_release("watchful", "hello", "1.x", &json!({"chart": {"spec": chart}})).unwrap();
    at.until_runs("watchful", "hello@1.0.0", 1).unwrap();

    let second = registry.push(&hello("1.1.0")).unwrap();
    at.until_runs("watchful", "hello@1.1.0", 2).unwrap();
    assert_eq!(at.object(HELMRELEASE, "hello").unwrap()["status"]["chart"], "hello@1.0.0");
    at.request(HELMRELEASE, "hello").unwrap();
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();
    let status = at.object(HELMRELEASE, "hello").unwrap()["status"].clone();
    assert_eq!(
        (&status["history"][0]["ociDigest"], &status["history"][1]["ociDigest"]),
        (&json!(second), &json!(first))
    );
    at.helm_says("hello", 2, "deployed", "hello-1.1.0").unwrap();

    // What is wrong is told, and what runs goes on running.
    let want = |version: &str| {
        at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": version}}}})).unwrap();
    };
    want("9.9.9");
    let message = at.until_not_ready("hello", &["InvalidChartReference"]).unwrap();
    assert!(message.contains("9.9.9") && message.contains("it has 1.1.0, 1.0.0"), "{message}");
    want("1.x");
    at.until_ready("hello").unwrap();

    put_secret(at, &registry, "wrong");
    let message = at.until_not_ready("hello", &["AuthenticationFailed"]).unwrap();
    assert!(message.contains("it does not accept the credentials of the repository's secretRef"), "{message}");
    at.helm_says("hello", 2, "deployed", "hello-1.1.0").unwrap();
    put_secret(at, &registry, Registry::PASSWORD);
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();

    registry.kill();
    at.request(HELMRELEASE, "hello").unwrap();
    wait_until("the outage is told", DEADLINE, || {
        let events = at.list("events")?;
        let notes: Vec<&str> = events.iter().filter_map(|event| event["message"].as_str()).collect();
        let told = notes.iter().any(|note| note.contains("what it said before holds on") && note.contains("refused"));
        Ok(if told { Ok(()) } else { Err(notes.join("\n")) })
    })
    .unwrap();
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();

    at.kubectl().run(&["delete", "secret", "registry", "-n", at.name()]).unwrap();
    let repository = until_repository(at, "False");
    assert_eq!(condition(&repository, "Ready").unwrap()["reason"], "AuthenticationFailed");
    at.helm_says("hello", 2, "deployed", "hello-1.1.0").unwrap();
}

/// Serves a chart as a registry would, with these bytes in place of the packaged chart.
fn serve(server: &ChartRepository, chart: &Packaged, bytes: &[u8]) {
    let digest = format!("sha256:{:x}", Sha256::digest(&chart.bytes));
    let layer = json!({
        "mediaType": "application/vnd.cncf.helm.chart.content.v1.tar+gzip",
        "digest": digest, "size": chart.bytes.len(),
    });
    let config = json!({"mediaType": "application/vnd.cncf.helm.config.v1+json"});
    let manifest = json!({"schemaVersion": 2, "config": config, "layers": [layer]}).to_string();
    let path = format!("/v2/charts/{}", chart.name);
    server.fault(&format!("{path}/manifests/{}", chart.version), Fault::Body(manifest.into_bytes()));
    server.fault(&format!("{path}/blobs/{digest}"), Fault::Body(bytes.to_vec()));
}

#[test]
fn bytes_that_are_not_what_the_manifest_says_are_refused() {
    let scene = Scene::set("oci-tampered", &[]).unwrap();
    let at = &scene.namespace;
    let url = format!("{}/charts", scene.repository.url().replace("http://", "oci://"));
    at.put_repository("charts", &json!({"type": "oci", "url": url, "insecure": true})).unwrap();
    let (one, two) = (hello("1.0.0"), hello("1.1.0"));
    serve(&scene.repository, &one, &one.bytes);
    at.put_release("hello", "hello", "1.0.0", &json!({})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();

    let mut tampered = two.bytes.clone();
    let last = tampered.len() - 1;
    tampered[last] ^= 1;
    serve(&scene.repository, &two, &tampered);
    at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}})).unwrap();
    let message = at.until_not_ready("hello", &["DigestMismatch"]).unwrap();
    assert!(message.contains("but the registry says sha256:"), "{message}");
    at.helm_says("hello", 1, "deployed", "hello-1.0.0").unwrap();

    serve(&scene.repository, &two, &two.bytes);
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();
}

fn template(program: &Path, registry: &Registry, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(["template", "r"]).args(args).env("HOME", registry.home()).env("PINTLE_ERRORS", "helm");
    command.env_remove("KUBECONFIG").output().unwrap()
}

#[test]
fn template_does_with_registries_what_helm_does() {
    let scene = Scene::set("oci-template", &[]).unwrap();
    let (helm, pintle) = (Scene::helm_program().unwrap(), pintle().unwrap());
    let registry = Registry::start(scene.control_plane, "template", helm.clone()).unwrap();
    let digest = registry.push(&hello("1.0.0")).unwrap();
    registry.push(&hello("1.1.0")).unwrap();

    // A chart that needs another one from the registry.
    let folder = scene.control_plane.folder().join("parent");
    std::fs::create_dir_all(&folder).unwrap();
    let dependency = format!("dependencies: [{{name: hello, version: 1.0.x, repository: \"{}\"}}]", registry.url());
    let metadata = format!("apiVersion: v2\nname: parent\nversion: 1.0.0\n{dependency}\n");
    std::fs::write(folder.join("Chart.yaml"), metadata).unwrap();
    let parent = folder.display().to_string();

    // One whose version is no tag as it is.
    let built = scene.control_plane.folder().join("built");
    std::fs::create_dir_all(built.join("templates")).unwrap();
    std::fs::write(built.join("Chart.yaml"), "apiVersion: v2\nname: built\nversion: 0.1.0+build.7\n").unwrap();
    std::fs::write(built.join("templates/a.yaml"), "a: {{ .Chart.Version }}\n").unwrap();
    registry.push(&package(&built).unwrap()).unwrap();
    let built = format!("{}/built", registry.url());

    let chart = format!("{}/hello", registry.url());
    let (tagged, pinned) = (format!("{chart}:1.0.0"), format!("{chart}@{digest}"));
    let both = format!("{chart}:1.1.0@{digest}");
    let who = ["--username", Registry::USER, "--password", Registry::PASSWORD];
    let login = ["registry", "login", registry.address(), "--plain-http", who[0], who[1], who[2], who[3]];
    for logged_in in [false, true] {
        for args in [
            &[chart.as_str()] as &[&str],
            &[&chart, "--devel"],
            &[&chart, "--version", "1.0.0"],
            &[&chart, "--version", "~1.0.0", "--set", "replicas=3"],
            &[&chart, "--version", "1.0"],
            &[&chart, "--version", ">7"],
            &[&chart, "--version", "7.0.0"],
            &[&chart, "--version", "abc"],
            &[&tagged],
            &[&tagged, "--version", "1.1.0"],
            &[&pinned],
            &[&both],
            &[&format!("{chart}-none"), "--version", "1.0.0"],
            &[&built],
            &[&built, "--version", "0.1.0+build.7"],
            &[&built, "--version", "0.1.0+build.8"],
            &[&format!("{built}:0.1.0_build.7")],
            &["hello", "--repo", &registry.url()],
        ] {
            let args = [args, &["--plain-http"], if logged_in { &[] } else { &who[..] }].concat();
            let (theirs, ours) = (template(&helm, &registry, &args), template(&pintle, &registry, &args));
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{args:?}: {}", text(&ours.stderr));
            assert_eq!(text(&ours.stderr), text(&theirs.stderr), "{args:?}");
            assert_eq!(ours.status.code(), theirs.status.code(), "{args:?}");
        }
        if !logged_in {
            let ours = template(&pintle, &registry, &[&chart, "--plain-http"]);
            let text = String::from_utf8_lossy(&ours.stderr).into_owned();
            assert!(text.contains("401") && text.contains("helm registry login"), "{text}");
            let done = registry.helm(&login).unwrap();
            assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        }
    }
    // Ours first: helm writes into the folder what it fetches.
    let args = [parent.as_str(), "--dependency-update", "--plain-http"];
    let (ours, theirs) = (template(&pintle, &registry, &args), template(&helm, &registry, &args));
    // Helm prints what it does before what it rendered.
    let rendered = |bytes: &[u8]| {
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split_once("---\n").map(|(_, rendered)| rendered.to_owned()).unwrap_or(text)
    };
    let told = String::from_utf8_lossy(&theirs.stderr);
    assert_eq!(rendered(&ours.stdout), rendered(&theirs.stdout), "{} {told}", String::from_utf8_lossy(&ours.stderr));
    assert!(ours.status.success());
}
