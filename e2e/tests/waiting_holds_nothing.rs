//! Releases that wait hold nothing: with five hundred of them waiting for pods that never turn ready, another one installs
//! at once, and any of the waiting ones takes up a new spec at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use pintle_e2e::{DEADLINE, HELMRELEASE, Scene, is_ready, release_spec};
use serde_json::json;

const WAITING: usize = 500;

#[test]
fn five_hundred_wait_and_one_goes_ahead() {
    let scene = Scene::set("waiting", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let values = |sim: &str| json!({"sim": sim, "hooks": {"enabled": false}});
    let releases: Vec<_> = (0..WAITING)
        .map(|number| {
            // Far longer than this test is patient: whoever is held by one of these is held until it fails.
            let spec = release_spec("hello", "1.0.0", &json!({"timeout": "30m", "values": values("never-ready")}));
            json!({"apiVersion": "pintle.dev/v1", "kind": "HelmRelease", "metadata": {"name": format!("waiting-{number}")}, "spec": spec})
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": releases});
    let mut watch = at.kubectl().watch(&[HELMRELEASE, "-n", at.name()]).unwrap();
    at.kubectl().run_with(&["create", "-n", at.name(), "-f", "-"], &list.to_string()).unwrap();

    let mut waiting = BTreeSet::new();
    watch
        .until(DEADLINE * 5, |event| {
            if event.object["status"]["step"]["waitingFor"].is_string() {
                waiting.insert(event.object["metadata"]["name"].to_string());
            }
            (waiting.len() == WAITING).then_some(())
        })
        .unwrap_or_else(|error| panic!("only {} of {WAITING} wait: {error:#}", waiting.len()));

    let before = std::time::Instant::now();
    at.put_release("ahead", "hello", "1.0.0", &json!({"values": values("")})).unwrap();
    at.until_ready("ahead").unwrap();
    eprintln!("one more release was ready after {:.1} s with {WAITING} waiting", before.elapsed().as_secs_f32());

    at.patch_release("waiting-7", &json!({"spec": {"values": values("")}})).unwrap();
    at.until_ready("waiting-7").unwrap();
    let ready = at.list(HELMRELEASE).unwrap().iter().filter(|release| is_ready(release)).count();
    assert_eq!(ready, 2, "the others still wait");
}
