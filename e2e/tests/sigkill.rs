//! The operator dies at ten points of an install and an upgrade with hooks. Each time the next one finishes the work: no
//! further revision, and no hook runs twice.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;

use pintle_e2e::{DEADLINE, Namespace, Scene, Watch};
use serde_json::{Value, json};

/// What has just happened in the cluster when the operator dies. `{}` in a name is the release's.
struct Point {
    title: &'static str,
    kind: &'static str,
    name: &'static str,
    seen: fn(&Value) -> bool,
}

const fn appears(title: &'static str, kind: &'static str, name: &'static str) -> Point {
    Point { title, kind, name, seen: |_| true }
}

const fn succeeds(title: &'static str, name: &'static str) -> Point {
    Point { title, kind: "jobs", name, seen: |job| job["status"]["succeeded"] == 1 }
}

const INSTALL: [Point; 6] = [
    appears("the first record is written", "secrets", "sh.helm.release.v1.{}.v1"),
    appears("the pre-install hook is created", "jobs", "{}-hello-prepare"),
    succeeds("the pre-install hook is done", "{}-hello-prepare"),
    appears("the first object is applied", "configmaps", "{}-hello"),
    appears("the last object is applied", "deployments", "{}-hello"),
    Point {
        title: "the pods are ready",
        kind: "deployments",
        name: "{}-hello",
        seen: |deployment| deployment["status"]["availableReplicas"] == 1,
    },
];

const UPGRADE: [Point; 4] = [
    appears("the second record is written", "secrets", "sh.helm.release.v1.{}.v2"),
    appears("a new object is applied", "poddisruptionbudgets", "{}-hello"),
    appears("the post-upgrade hook is created", "jobs", "{}-hello-migrate"),
    succeeds("the post-upgrade hook is done", "{}-hello-migrate"),
];

#[test]
fn ten_deaths() {
    let mut scene = Scene::set("deaths", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = scene.namespace.clone();
    for (number, point) in INSTALL.iter().enumerate() {
        let release = format!("install-{number}");
        let hooks = Hooks::watch(&at, &format!("{release}-hello-prepare"));
        die_at(&mut scene, point, &release, || at.put_release(&release, "hello", "1.0.0", &json!({})).unwrap());
        at.until_runs(&release, "hello@1.0.0", 1).unwrap_or_else(|error| panic!("{}: {error:#}", point.title));
        hooks.ran_once(&at, point.title);
        revisions(&at, &release, 1, point.title);
    }
    for (number, point) in UPGRADE.iter().enumerate() {
        let release = format!("upgrade-{number}");
        at.put_release(&release, "hello", "1.0.0", &json!({})).unwrap();
        at.until_runs(&release, "hello@1.0.0", 1).unwrap();
        let hooks = Hooks::watch(&at, &format!("{release}-hello-migrate"));
        let upgrade = json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}});
        die_at(&mut scene, point, &release, || at.patch_release(&release, &upgrade).unwrap());
        at.until_runs(&release, "hello@1.1.0", 2).unwrap_or_else(|error| panic!("{}: {error:#}", point.title));
        hooks.ran_once(&at, point.title);
        revisions(&at, &release, 2, point.title);
    }
}

fn die_at(scene: &mut Scene, point: &Point, release: &str, begin: impl FnOnce()) {
    let name = point.name.replace("{}", release);
    let selector = format!("metadata.name={name}");
    let mut watch = scene
        .namespace
        .kubectl()
        .watch(&[point.kind, "-n", scene.namespace.name(), "--field-selector", &selector])
        .unwrap();
    begin();
    watch
        .until(DEADLINE, |event| (point.seen)(&event.object).then_some(()))
        .unwrap_or_else(|error| panic!("{}: never seen: {error:#}", point.title));
    scene.operator.kill();
    scene.restart_operator().unwrap();
}

fn revisions(at: &Namespace, release: &str, expected: usize, title: &str) {
    let history = at.helm_json(&["history", release]).unwrap();
    assert_eq!(history.as_array().unwrap().len(), expected, "{title}: {history}");
}

/// All Jobs of one name that there ever are, by their uid.
struct Hooks {
    watch: Watch,
    name: String,
}

impl Hooks {
    fn watch(at: &Namespace, name: &str) -> Self {
        let selector = format!("metadata.name={name}");
        let watch = at.kubectl().watch(&["jobs", "-n", at.name(), "--field-selector", &selector]).unwrap();
        Self { watch, name: name.to_owned() }
    }

    fn ran_once(mut self, at: &Namespace, title: &str) {
        // What was seen before this mark is all that there was.
        at.kubectl().run(&["annotate", "job", &self.name, "-n", at.name(), "counted=yes"]).unwrap();
        let mut seen = BTreeSet::new();
        self.watch
            .until(DEADLINE, |event| {
                seen.insert(event.object["metadata"]["uid"].to_string());
                (event.object["metadata"]["annotations"]["counted"] == "yes").then_some(())
            })
            .unwrap();
        assert_eq!(seen.len(), 1, "{title}: the hook {} ran {} times", self.name, seen.len());
        at.job_ran(&self.name).unwrap();
    }
}
