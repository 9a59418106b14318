//! A hundred releases at rest cost nothing: no request but the watches that are open anyway, and little memory.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::time::Duration;

use pintle_e2e::{DEADLINE, HELMRELEASE, Scene, is_ready, release_spec};
use serde_json::json;

const RELEASES: usize = 100;
/// An optimised build was seen at 30 MiB.
const MEMORY: u64 = 40 << 20;

#[test]
fn a_hundred_releases_at_rest() {
    let scene = Scene::set("idle", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let releases: Vec<_> = (0..RELEASES)
        .map(|number| {
            let spec = release_spec("hello", "1.0.0", &json!({"values": {"replicas": 0, "hooks": {"enabled": false}}}));
            json!({"apiVersion": "pintle.dev/v1", "kind": "HelmRelease", "metadata": {"name": format!("idle-{number}")}, "spec": spec})
        })
        .collect();
    let list = json!({"apiVersion": "v1", "kind": "List", "items": releases});
    let mut watch = at.kubectl().watch(&[HELMRELEASE, "-n", at.name()]).unwrap();
    at.kubectl().run_with(&["create", "-n", at.name(), "-f", "-"], &list.to_string()).unwrap();
    let mut ready = std::collections::BTreeSet::new();
    watch
        .until(DEADLINE * 2, |event| {
            if is_ready(&event.object) {
                ready.insert(event.object["metadata"]["name"].to_string());
            }
            (ready.len() == RELEASES).then_some(())
        })
        .unwrap();
    let requests = scene.control_plane.operator_requests().unwrap();
    eprintln!("{} requests made {RELEASES} releases ready", requests.len());

    // Once nothing is written for a while, nothing more is asked either.
    while watch.next(Duration::from_secs(5)).unwrap().is_some() {}
    let before = scene.control_plane.operator_requests().unwrap().len();
    let cpu = scene.operator.process().cpu().unwrap();
    assert!(watch.next(Duration::from_secs(30)).unwrap().is_none(), "a release at rest was written to");
    let requests = scene.control_plane.operator_requests().unwrap();
    let mut asked: BTreeMap<&str, usize> = BTreeMap::new();
    for request in &requests[before..] {
        // A watch that the server ends is opened again; a lease is renewed.
        if !request.starts_with("watch ") && !request.contains("/leases/") {
            *asked.entry(request).or_default() += 1;
        }
    }
    let (memory, peak) = scene.operator.process().memory().unwrap();
    let cpu = scene.operator.process().cpu().unwrap().saturating_sub(cpu);
    eprintln!(
        "at rest for 30 s: {} KiB resident ({} KiB at most before), {cpu:?} of CPU, requests: {asked:?}",
        memory >> 10,
        peak >> 10
    );
    assert!(asked.is_empty(), "asked while idle: {asked:?}");
    assert!(memory < MEMORY, "{} KiB resident", memory >> 10);
}
