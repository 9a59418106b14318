//! Charts that are too large for one record: what helm can do with such a release, and what becomes of the parts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use pintle_e2e::{DEADLINE, HELMREPOSITORY, Namespace, Scene, build_helm3, package_with, root, wait_until};
use serde_json::{Value, json};

/// Text that does not pack.
fn noise(length: usize, mut state: u64) -> Vec<u8> {
    let letter = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 20) as usize % 64]
    };
    std::iter::repeat_with(letter).take(length).collect()
}

fn folder(version: &str) -> std::path::PathBuf {
    root().join(format!("e2e/charts/hello-{version}"))
}

fn quiet() -> Value {
    json!({"replicas": 0, "hooks": {"enabled": false}})
}

/// The parts in a namespace: revision by label → (names, uids of their owners).
fn parts(at: &Namespace) -> BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> {
    let mut all: BTreeMap<String, (BTreeSet<String>, BTreeSet<String>)> = BTreeMap::new();
    for secret in at.list("secrets").unwrap() {
        let metadata = &secret["metadata"];
        let Some(revision) = metadata["labels"]["pintle.dev/record-part-revision"].as_str() else { continue };
        assert_eq!(secret["type"], "pintle.dev/release-part.v1");
        assert!(metadata["labels"]["owner"].is_null(), "helm would take it for a record: {metadata}");
        let of = all.entry(revision.to_owned()).or_default();
        of.0.insert(metadata["name"].as_str().unwrap().to_owned());
        of.1.extend(metadata["ownerReferences"].as_array().into_iter().flatten().map(|o| o["uid"].to_string()));
    }
    all
}

/// The revisions that have parts, once they are these.
fn until_parts_of(at: &Namespace, revisions: &[&str]) {
    wait_until("the parts are those of the revisions that are kept", DEADLINE, || {
        let found = parts(at);
        let same = found.keys().map(String::as_str).eq(revisions.iter().copied());
        Ok(if same { Ok(()) } else { Err(format!("{:?}", found.keys())) })
    })
    .unwrap();
}

fn reads(at: &Namespace, helm: &Path) {
    let at = at.with_helm(helm);
    let list = at.helm_json(&["list"]).unwrap();
    assert_eq!((&list[0]["status"], &list[0]["chart"]), (&json!("deployed"), &json!("hello-1.0.0")), "{list}");
    at.helm_says("hello", 1, "deployed", "hello-1.0.0").unwrap();
    let status = at.helm_json(&["status", "hello"]).unwrap();
    assert_eq!(status["info"]["status"], "deployed", "{status}");
    assert!(at.helm(&["get", "manifest", "hello"]).unwrap().contains("kind: Deployment"));
    assert!(at.helm(&["get", "hooks", "hello"]).unwrap().contains("hello-hello-answers"));
    assert!(at.helm(&["get", "all", "hello"]).unwrap().contains("Hello from hello, revision 1."));
    assert_eq!(at.helm_json(&["get", "metadata", "hello"]).unwrap()["chart"], "hello");
    assert!(at.helm(&["get", "notes", "hello"]).unwrap().contains("Hello from hello, revision 1."));
    assert_eq!(at.helm_json(&["get", "values", "hello"]).unwrap(), quiet());
    assert_eq!(at.helm_json(&["get", "values", "hello", "--all"]).unwrap()["greeting"], "Hello");
}

#[test]
fn a_release_of_a_large_chart_is_one_that_helm_reads() {
    let scene = Scene::set("large", &[]).unwrap();
    let at = &scene.namespace;
    for version in ["1.0.0", "1.1.0"] {
        let more =
            vec![("files/a.bin".to_owned(), noise(1_500_000, 7)), ("files/b.bin".to_owned(), noise(1_500_000, 9))];
        scene.repository.add(package_with(&folder(version), more).unwrap());
    }
    at.request(HELMREPOSITORY, "charts").unwrap();
    at.put_release("hello", "hello", "1.0.0", &json!({"values": quiet(), "maxHistory": 3})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    reads(at, &Scene::helm_program().unwrap());
    reads(at, &build_helm3(&mut |line| eprintln!("{line}")).unwrap());

    // The record and its parts belong together.
    let record = at.object("secret", "sh.helm.release.v1.hello.v1").unwrap();
    let found = parts(at);
    let (names, owners) = &found["1"];
    assert!(names.len() > 1 && names.iter().all(|name| name.starts_with("sh.helm.release.v1.hello.v1.")), "{names:?}");
    assert_eq!(owners.iter().cloned().collect::<Vec<_>>(), [record["metadata"]["uid"].to_string()]);
    let index: Value =
        serde_json::from_str(record["metadata"]["annotations"]["pintle.dev/record-parts"].as_str().unwrap()).unwrap();
    assert_eq!((&index["count"], &index["holds"]), (&json!(names.len()), &json!(["files", "templates"])));

    // helm goes on from it and back to it; the spec wins.
    at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}})).unwrap();
    at.until_runs("hello", "hello@1.1.0", 2).unwrap();
    at.helm(&["rollback", "hello", "1"]).unwrap();
    at.until_runs("hello", "hello@1.1.0", 4).unwrap();
    at.helm_says("hello", 3, "superseded", "hello-1.0.0").unwrap();
    // Only three revisions are kept, and the first one's parts went with it.
    until_parts_of(at, &["2", "4"]);

    // A revision that is restored is whole.
    at.patch_release("hello", &json!({"spec": {"rollbackTo": 2}})).unwrap();
    at.until_ready("hello").unwrap();
    at.until_runs("hello", "hello@1.1.0", 5).unwrap();
    until_parts_of(at, &["4", "5"]);

    // Somebody else goes on from a large revision with its values, and runs its tests.
    at.patch_release("hello", &json!({"spec": {"suspend": true}})).unwrap();
    at.helm(&["upgrade", "hello", &folder("1.0.0").display().to_string(), "--reuse-values"]).unwrap();
    assert_eq!(at.helm_json(&["get", "values", "hello"]).unwrap(), quiet());
    at.helm(&["rollback", "hello", "5"]).unwrap();
    at.helm(&["test", "hello", "--timeout", "2m"]).unwrap();
    at.patch_release("hello", &json!({"spec": {"suspend": false, "rollbackTo": null}})).unwrap();
    at.until_runs("hello", "hello@1.1.0", 8).unwrap();

    at.delete_release("hello").unwrap();
    until_parts_of(at, &[]);
}

#[test]
fn what_no_record_can_hold_is_refused_before_anything_changes() {
    let scene = Scene::set("too-large", &[]).unwrap();
    let at = &scene.namespace;
    let text = String::from_utf8(noise(900_000, 3)).unwrap();
    let object = |name: &str| {
        let text = format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata: {{a: \"{text}\"}}\n");
        (format!("templates/{name}.yaml"), text.into_bytes())
    };
    let more = vec![object("one"), object("two"), object("three")];
    scene.repository.add(package_with(&folder("1.0.0"), more).unwrap());
    at.request(HELMREPOSITORY, "charts").unwrap();
    at.put_release("hello", "hello", "1.0.0", &json!({"values": quiet()})).unwrap();
    let message = at
        .until("hello", |release| {
            let ready = pintle_e2e::condition(release, "Ready")?;
            let message = ready["message"].as_str().unwrap_or_default();
            (ready["status"] == "False" && message.contains("cannot be stored")).then(|| message.to_owned())
        })
        .unwrap();
    assert!(message.contains("the record without the chart's templates and files is"), "{message}");
    for kind in ["configmap/one", "service/hello-hello"] {
        let (kind, name) = kind.split_once('/').unwrap();
        assert!(at.find(kind, name).unwrap().is_none(), "{kind} {name} was created");
    }
    assert!(parts(at).is_empty());
}
