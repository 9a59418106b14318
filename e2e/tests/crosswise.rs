//! Helm 3, Helm 4 and Pintle work on one release in turn: each reads what the others wrote and goes on from there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle::release::{Limits, decode, encode};
use pintle_e2e::{DEADLINE, Namespace, Scene, build_helm3, condition, root, wait_until};
use serde_json::{Value, json};

const CHARTS: [&str; 2] = ["hello-1.0.0", "hello-1.1.0"];
const VALUES: &str = "replicas=1,hooks.enabled=false";

fn values() -> Value {
    json!({"replicas": 1, "hooks": {"enabled": false}})
}

fn helm3() -> PathBuf {
    build_helm3(&mut |line| eprintln!("{line}")).unwrap()
}

fn helm4() -> PathBuf {
    Scene::helm_program().unwrap()
}

fn chart(version: &str) -> String {
    root().join(format!("e2e/charts/hello-{version}")).display().to_string()
}

/// What must not change when a release changes hands: the Deployment's generation, its ReplicaSets, its Pods.
fn running(at: &Namespace) -> (Value, BTreeSet<String>, BTreeSet<String>) {
    let of = |kind: &str| -> BTreeSet<String> {
        let alive = |object: &&Value| object["metadata"]["deletionTimestamp"].is_null();
        let uid = |object: &Value| object["metadata"]["uid"].to_string();
        at.list(kind).unwrap().iter().filter(alive).map(uid).collect()
    };
    let deployment = at.object("deployment", "hello-hello").unwrap();
    (deployment["metadata"]["generation"].clone(), of("replicasets"), of("pods"))
}

/// What a manifest says but for the number of the revision. Helm 3 and 4 put another number of blank lines between documents.
fn manifest(at: &Namespace, revision: &str) -> String {
    let text = at.helm(&["get", "manifest", "hello", "--revision", revision]).unwrap();
    let text = text.replace(&format!("revision: \"{revision}\""), "revision: N");
    text.lines().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// Pintle installs; helm reads, upgrades, rolls back, uninstalls.
fn helm_works_on_pintles(scene: &Scene, helm: &Path) {
    let at = scene.namespace.with_helm(helm);
    at.put_release("hello", "hello", "1.0.0", &json!({"values": values()})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();

    let list = at.helm_json(&["list"]).unwrap();
    assert_eq!((&list[0]["name"], &list[0]["revision"]), (&json!("hello"), &json!("1")), "{list}");
    assert_eq!((&list[0]["status"], &list[0]["chart"]), (&json!("deployed"), &json!("hello-1.0.0")), "{list}");
    assert_eq!(list[0]["app_version"], "1.0", "{list}");
    at.helm_says("hello", 1, "deployed", "hello-1.0.0").unwrap();
    assert_eq!(at.helm_json(&["status", "hello"]).unwrap()["info"]["status"], "deployed");
    assert_eq!(at.helm_json(&["get", "values", "hello"]).unwrap(), values());
    let all = at.helm(&["get", "all", "hello"]).unwrap();
    for part in ["kind: Deployment", "replicas: 1", "Hello from hello, revision 1.", "hello-hello-answers"] {
        assert!(all.contains(part), "{part} is not in {all}");
    }

    // The spec still says what it said, so that is what runs in the end.
    at.helm(&["upgrade", "hello", &chart("1.1.0"), "--set", VALUES, "--set", "greeting=Moin"]).unwrap();
    at.until_runs("hello", "hello@1.0.0", 3).unwrap();
    at.helm_says("hello", 1, "superseded", "hello-1.0.0").unwrap();
    at.helm_says("hello", 2, "superseded", "hello-1.1.0").unwrap();
    at.helm_says("hello", 3, "deployed", "hello-1.0.0").unwrap();
    assert_eq!(at.object("configmap", "hello-hello").unwrap()["data"]["greeting"], "Hello");
    // What only 1.1.0 had is gone with it.
    assert!(at.find("poddisruptionbudget", "hello-hello").unwrap().is_none());
    at.helm(&["rollback", "hello", "2"]).unwrap();
    at.until_runs("hello", "hello@1.0.0", 5).unwrap();
    at.helm_says("hello", 4, "superseded", "hello-1.1.0").unwrap();
    assert!(at.find("poddisruptionbudget", "hello-hello").unwrap().is_none());

    // What helm removes is installed anew, as a release that nobody knows; unless Pintle is told to look away.
    at.helm(&["uninstall", "hello"]).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    at.patch_release("hello", &json!({"spec": {"suspend": true}})).unwrap();
    at.helm(&["uninstall", "hello", "--wait"]).unwrap();
    assert!(at.list("secrets").unwrap().iter().all(|secret| secret["type"] != "helm.sh/release.v1"));
    assert!(at.find("deployment", "hello-hello").unwrap().is_none());
}

/// helm installs; Pintle takes the release over without touching what runs, and gives it back.
fn pintle_takes_over_and_gives_back(scene: &Scene, helm: &Path, next: &Path) {
    let at = scene.namespace.with_helm(helm);
    at.helm(&["install", "hello", &chart("1.0.0"), "--set", VALUES, "--wait"]).unwrap();
    let before = running(&at);
    assert_eq!((before.1.len(), before.2.len()), (1, 1), "{before:?}");
    at.put_release("hello", "hello", "1.0.0", &json!({"values": values()})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 2).unwrap();
    assert_eq!(running(&at), before, "something was restarted");
    assert_eq!(manifest(&at, "1"), manifest(&at, "2"));
    at.helm_says("hello", 1, "superseded", "hello-1.0.0").unwrap();
    at.helm_says("hello", 2, "deployed", "hello-1.0.0").unwrap();

    at.patch_release("hello", &json!({"spec": {"deletionPolicy": "orphan"}})).unwrap();
    at.until_ready("hello").unwrap();
    at.delete_release("hello").unwrap();
    assert_eq!(running(&at), before, "something was restarted");
    // Whoever goes on needs no --force-conflicts.
    let at = at.with_helm(next);
    at.helm_says("hello", 2, "deployed", "hello-1.0.0").unwrap();
    at.helm(&["upgrade", "hello", &chart("1.0.0"), "--set", VALUES, "--set", "greeting=Moin"]).unwrap();
    at.helm_says("hello", 3, "deployed", "hello-1.0.0").unwrap();
    assert_eq!(running(&at), before, "something was restarted");
    assert_eq!(at.object("configmap", "hello-hello").unwrap()["data"]["greeting"], "Moin");
    at.helm(&["upgrade", "hello", &chart("1.1.0"), "--set", VALUES]).unwrap();
    at.object("poddisruptionbudget", "hello-hello").unwrap();
    at.helm(&["rollback", "hello", "2"]).unwrap();
    // What the upgrade had added is gone, what Pintle had applied is back.
    assert!(at.find("poddisruptionbudget", "hello-hello").unwrap().is_none());
    assert_eq!(at.object("configmap", "hello-hello").unwrap()["data"]["greeting"], "Hello");
    at.helm(&["uninstall", "hello", "--wait"]).unwrap();
    assert!(at.find("deployment", "hello-hello").unwrap().is_none());
}

#[test]
fn helm_3_works_on_pintles_releases() {
    helm_works_on_pintles(&Scene::set("helm3-reads", &CHARTS).unwrap(), &helm3());
}

#[test]
fn helm_4_works_on_pintles_releases() {
    helm_works_on_pintles(&Scene::set("helm4-reads", &CHARTS).unwrap(), &helm4());
}

#[test]
fn releases_of_helm_3_are_taken_over_and_given_back() {
    pintle_takes_over_and_gives_back(&Scene::set("from-helm3", &CHARTS).unwrap(), &helm3(), &helm3());
}

#[test]
fn releases_of_helm_4_are_taken_over_and_given_back() {
    pintle_takes_over_and_gives_back(&Scene::set("from-helm4", &CHARTS).unwrap(), &helm4(), &helm4());
}

/// By way of Pintle from Helm 3 to Helm 4.
#[test]
fn a_release_of_helm_3_goes_on_with_helm_4() {
    pintle_takes_over_and_gives_back(&Scene::set("from3-to4", &CHARTS).unwrap(), &helm3(), &helm4());
}

/// What helm kept in ConfigMaps goes on in Secrets, where Pintle keeps its records: history, base, revision number.
#[test]
fn releases_that_are_kept_in_configmaps_are_taken_over() {
    let scene = Scene::set("configmaps", &CHARTS).unwrap();
    let at = &scene.namespace;
    let maps = at.with_driver("configmap");
    maps.helm(&["install", "hello", &chart("1.0.0"), "--set", VALUES]).unwrap();
    maps.helm(&["upgrade", "hello", &chart("1.1.0"), "--set", VALUES, "--wait"]).unwrap();
    let before = running(at);
    at.put_release("hello", "hello", "1.1.0", &json!({"values": values()})).unwrap();
    at.until_runs("hello", "hello@1.1.0", 3).unwrap();
    assert_eq!(running(at), before, "something was restarted");
    at.helm_says("hello", 1, "superseded", "hello-1.0.0").unwrap();
    at.helm_says("hello", 2, "superseded", "hello-1.1.0").unwrap();
    at.helm_says("hello", 3, "deployed", "hello-1.1.0").unwrap();
    // The base is known: what the chart no longer has goes.
    at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": "1.0.0"}}}})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 4).unwrap();
    assert!(at.find("poddisruptionbudget", "hello-hello").unwrap().is_none());

    // What lies there still is not taken for the release's state a second time.
    maps.helm_says("hello", 2, "deployed", "hello-1.1.0").unwrap();
    at.delete_release("hello").unwrap();
    at.put_release("hello", "hello", "1.0.0", &json!({"values": values()})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
}

/// A release that Flux's controller made: objects under its field manager and with its labels, a record like Helm's.
#[test]
fn releases_of_flux_are_taken_over() {
    let scene = Scene::set("from-flux", &CHARTS).unwrap();
    let at = &scene.namespace;
    at.helm(&["install", "hello", &chart("1.0.0"), "--set", VALUES]).unwrap();
    let kinds = ["deployment", "service", "configmap"];
    for kind in kinds {
        at.kubectl().run(&["-n", at.name(), "delete", kind, "hello-hello", "--cascade=foreground"]).unwrap();
    }
    let marks = |verb: &str, manifest: &str, marks: &[&str]| {
        let args = [&[verb, "--local", "-f", "-", "-o", "json", "--overwrite"], marks].concat();
        // One object after another, which a list makes one again.
        let text = at.kubectl().run_with(&args, manifest).unwrap();
        let objects = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        json!({"apiVersion": "v1", "kind": "List", "items": objects.map(Result::unwrap).collect::<Vec<_>>()})
            .to_string()
    };
    let origin = ["helm.toolkit.fluxcd.io/name=hello", "helm.toolkit.fluxcd.io/namespace=from-flux"];
    let labels = [&origin[..], &["app.kubernetes.io/managed-by=Helm"]].concat();
    let owner = ["meta.helm.sh/release-name=hello", "meta.helm.sh/release-namespace=from-flux"];
    let objects = marks("label", &at.helm(&["get", "manifest", "hello"]).unwrap(), &labels);
    let objects = marks("annotate", &objects, &owner);
    let apply = ["-n", at.name(), "apply", "--server-side", "--field-manager=helm-controller", "-f", "-"];
    at.kubectl().run_with(&apply, &objects).unwrap();
    let wait = ["-n", at.name(), "wait", "--for=condition=Available", "deployment/hello-hello", "--timeout=120s"];
    at.kubectl().run(&wait).unwrap();
    let before = running(at);
    assert_eq!((before.1.len(), before.2.len()), (1, 1), "{before:?}");

    at.put_release("hello", "hello", "1.0.0", &json!({"values": values()})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 2).unwrap();
    assert_eq!(running(at), before, "something was restarted");
    assert_eq!(manifest(at, "1"), manifest(at, "2"));
    for kind in kinds {
        let args = ["-n", at.name(), "get", kind, "hello-hello", "-o", "json", "--show-managed-fields"];
        let object: Value = serde_json::from_str(&at.kubectl().run(&args).unwrap()).unwrap();
        let managers = object["metadata"]["managedFields"].as_array().unwrap();
        let of = |name: &str| managers.iter().filter(|entry| entry["manager"] == name).count();
        assert_eq!((of("helm-controller"), of("helm")), (0, 1), "{kind}: {managers:?}");
        let labels = &object["metadata"]["labels"];
        assert_eq!(
            (&labels["helm.toolkit.fluxcd.io/name"], &labels["pintle.dev/name"]),
            (&Value::Null, &json!("hello"))
        );
    }
    // What a later revision leaves out is gone, though Flux had put it there.
    let ports = |at: &Namespace| at.object("service", "hello-hello").unwrap()["spec"]["ports"].clone();
    let mut other = values();
    other["service"] = json!({"port": 81});
    at.patch_release("hello", &json!({"spec": {"values": other}})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 3).unwrap();
    assert_eq!((ports(at).as_array().unwrap().len(), &ports(at)[0]["port"]), (1, &json!(81)), "{}", ports(at));
    at.delete_release("hello").unwrap();
    assert!(at.find("deployment", "hello-hello").unwrap().is_none());
}

/// A field of Protocol Buffers that holds bytes.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length > 127 {
        bytes.push(u8::try_from(length % 128).unwrap() | 128);
        length /= 128;
    }
    bytes.push(u8::try_from(length).unwrap());
    [bytes.as_slice(), content].concat()
}

/// A release that Tiller installed, years ago: its objects are not marked, its record is Tiller's.
#[test]
fn releases_of_helm_2_are_taken_over() {
    let scene = Scene::set("from-helm2", &CHARTS).unwrap();
    let at = &scene.namespace;
    let rendered = at.helm(&["template", "hello", &chart("1.1.0"), "--set", VALUES, "--skip-tests"]).unwrap();
    let extra = "---\n# Source: hello/templates/old.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: old\n";
    let manifest = format!("{rendered}{extra}");
    at.kubectl().run_with(&["-n", at.name(), "create", "--field-manager", "tiller", "-f", "-"], &manifest).unwrap();
    at.kubectl()
        .run(&["-n", at.name(), "wait", "--for=condition=Available", "deployment/hello-hello", "--timeout=120s"])
        .unwrap();
    let before = running(at);
    let metadata = [field(1, b"hello"), field(4, b"1.1.0"), field(10, b"v1")].concat();
    let message = [
        field(1, b"hello"),
        field(2, &field(1, &[8, 1])),
        field(3, &field(1, &metadata)),
        field(4, &field(1, b"replicas: 1\nhooks: {enabled: false}\n")),
        field(5, manifest.as_bytes()),
        vec![7 << 3, 3],
        field(8, at.name().as_bytes()),
    ]
    .concat();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut gzip, &message).unwrap();
    let record = json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": {"name": "hello.v3", "namespace": "kube-system", "labels": {
            "NAME": "hello", "OWNER": "TILLER", "STATUS": "DEPLOYED", "VERSION": "3"}},
        "data": {"release": STANDARD.encode(gzip.finish().unwrap())},
    });
    at.kubectl().run_with(&["create", "-f", "-"], &record.to_string()).unwrap();

    at.put_release("hello", "hello", "1.1.0", &json!({"values": values()})).unwrap();
    at.until_runs("hello", "hello@1.1.0", 4).unwrap();
    // The marks alone, annotations, make another generation of a Deployment.
    let after = running(at);
    assert_eq!((after.1, after.2), (before.1, before.2), "something was restarted");
    at.helm_says("hello", 3, "superseded", "hello-1.1.0").unwrap();
    at.helm_says("hello", 4, "deployed", "hello-1.1.0").unwrap();
    assert_eq!(at.helm_json(&["get", "values", "hello", "--revision", "3"]).unwrap(), values());
    assert!(at.find("configmap", "old").unwrap().is_none(), "what the chart no longer has is still there");
    // Tiller's fields are the release's now: what a later chart leaves out is gone.
    let service =
        at.kubectl().run(&["-n", at.name(), "get", "service", "hello-hello", "-o", "json", "--show-managed-fields"]);
    let service: Value = serde_json::from_str(&service.unwrap()).unwrap();
    let managers = service["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().all(|entry| entry["manager"] != "tiller"), "{managers:?}");
    assert_eq!(service["metadata"]["annotations"]["meta.helm.sh/release-name"], "hello");

    // Once it is uninstalled, Tiller's record is no release any more.
    at.delete_release("hello").unwrap();
    assert!(at.find("deployment", "hello-hello").unwrap().is_none());
    at.put_release("hello", "hello", "1.0.0", &json!({"values": values()})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
}

/// Records that somebody writes to, or takes away, behind the operator's back: noticed at once, not at the next interval.
#[test]
fn records_changed_by_others_are_put_right() {
    let scene = Scene::set("tampered", &CHARTS).unwrap();
    let at = &scene.namespace;
    let spec = json!({"interval": "1h", "values": {"replicas": 0, "hooks": {"enabled": false}}});
    at.put_release("hello", "hello", "1.0.0", &spec).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    let before = at.object("service", "hello-hello").unwrap()["metadata"]["uid"].clone();
    let secret = |revision: u32| format!("sh.helm.release.v1.hello.v{revision}");
    let delete = |name: &str| at.kubectl().run(&["-n", at.name(), "delete", "secret", name]).unwrap();

    at.patch_release("hello", &json!({"spec": {"values": {"greeting": "Moin"}}})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 2).unwrap();
    let write = |revision: u32, release: &Value| {
        let patch = json!({"data": {"release": release}}).to_string();
        at.kubectl().run(&["-n", at.name(), "patch", "secret", &secret(revision), "-p", &patch]).unwrap();
    };
    let greets = || at.object("configmap", "hello-hello").unwrap()["data"]["greeting"].clone();

    // Another revision's content under this one's name: it is passed over, and its number is not used again.
    write(2, &at.object("secret", &secret(1)).unwrap()["data"]["release"]);
    at.until_runs("hello", "hello@1.0.0", 3).unwrap();
    assert_eq!(greets(), "Moin");

    // The manifest is no longer what was applied.
    let stored = at.object("secret", &secret(3)).unwrap()["data"]["release"].clone();
    let mut record = decode(&STANDARD.decode(stored.as_str().unwrap()).unwrap(), &Limits::default()).unwrap();
    record.manifest = record.manifest.replace("Moin", "Boo");
    write(3, &STANDARD.encode(encode(&record).unwrap()).into());
    at.until_runs("hello", "hello@1.0.0", 4).unwrap();
    assert_eq!(greets(), "Moin");

    // The deployed revision's record is gone: what runs is recorded anew, and stays what it is.
    delete(&secret(4));
    wait_until("the record is there again", DEADLINE, || {
        Ok(if at.find("secret", &secret(4))?.is_some() { Ok(()) } else { Err("it is gone".to_owned()) })
    })
    .unwrap();
    at.until_ready("hello").unwrap();
    at.helm_says("hello", 4, "deployed", "hello-1.0.0").unwrap();

    // All of them are gone: nothing says any more that there was a release, but its objects are its own.
    for object in at.list("secrets").unwrap() {
        if object["type"] == "helm.sh/release.v1" {
            delete(object["metadata"]["name"].as_str().unwrap());
        }
    }
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    at.helm_says("hello", 1, "deployed", "hello-1.0.0").unwrap();

    // Bytes that are no record: passed over, said, and written over by the next revision.
    let noise = json!({"data": {"release": "bm8gcmVjb3Jk"}}).to_string();
    at.kubectl().run(&["-n", at.name(), "patch", "secret", &secret(1), "-p", &noise]).unwrap();
    wait_until("helm reads a deployed record again", DEADLINE, || {
        let rows = at.helm_json(&["history", "hello"]).map_err(|error| error.to_string());
        let good = |rows: &Value| rows.as_array().is_some_and(|rows| rows.iter().any(|r| r["status"] == "deployed"));
        Ok(match rows {
            Ok(rows) if good(&rows) => Ok(()),
            other => {
                Err(format!("{other:?}: {:?}", condition(&at.object("helmreleases.pintle.dev", "hello")?, "Ready")))
            }
        })
    })
    .unwrap();
    let after = at.object("service", "hello-hello").unwrap();
    assert_eq!(after["metadata"]["uid"], before, "the Service was made anew");
}
