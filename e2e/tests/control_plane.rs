//! The stage before the play: the control plane comes up, runs pods and Jobs as the simulation says, and goes down
//! without leaving a process behind.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::Duration;

use pintle_e2e::{ControlPlane, build_controlplane, condition, root};

const DEADLINE: Duration = Duration::from_secs(60);

fn workload(name: &str, kind: &str, sim: &str) -> String {
    let annotations = if sim.is_empty() { String::from("{}") } else { format!("{{pintle.dev/sim: {sim}}}") };
    let (api, selector, restart) = match kind {
        "Job" => ("batch/v1", "backoffLimit: 0", "Never"),
        _ => ("apps/v1", &*format!("selector: {{matchLabels: {{app: {name}}}}}"), "Always"),
    };
    format!(
        "apiVersion: {api}\nkind: {kind}\nmetadata: {{name: {name}, namespace: default}}\nspec:\n  {selector}\n  template:\n    \
         metadata: {{labels: {{app: {name}}}, annotations: {annotations}}}\n    \
         spec: {{restartPolicy: {restart}, containers: [{{name: main, image: nowhere/main:1}}]}}\n---\n"
    )
}

#[test]
fn runs_workloads_as_simulated_and_leaves_nothing_behind() {
    let tools = build_controlplane(&mut |line| eprintln!("{line}")).unwrap();
    let control_plane = ControlPlane::start(&tools, &root().join("target/e2e/control_plane")).unwrap();
    let kubectl = control_plane.admin();
    let workloads = [
        ("web", "Deployment", ""),
        ("stuck", "Deployment", "never-ready"),
        ("broken", "Deployment", "crash"),
        ("imageless", "Deployment", "bad-image"),
        ("migrate", "Job", ""),
        ("faulty", "Job", "fail"),
        ("endless", "Job", "hang"),
    ];
    kubectl.apply(&workloads.map(|(name, kind, sim)| workload(name, kind, sim)).concat()).unwrap();

    kubectl
        .until("default", "deployment", "web", DEADLINE, |event| {
            (condition(&event.object, "Available")?["status"] == "True").then_some(())
        })
        .unwrap();
    for (job, outcome) in [("migrate", "Complete"), ("faulty", "Failed")] {
        kubectl
            .until("default", "job", job, DEADLINE, |event| {
                (condition(&event.object, outcome)?["status"] == "True").then_some(())
            })
            .unwrap();
    }
    // The pods that are not well say why.
    for reason in ["CrashLoopBackOff", "ImagePullBackOff"] {
        let mut watch = kubectl.watch(&["pods", "-n", "default"]).unwrap();
        watch
            .until(DEADLINE, |event| {
                (event.object["status"]["containerStatuses"][0]["state"]["waiting"]["reason"] == reason).then_some(())
            })
            .unwrap();
    }
    let endless = kubectl.get(&["job", "endless", "-n", "default"]).unwrap();
    assert!(endless["status"]["succeeded"].is_null(), "a hanging Job ended: {endless}");
    let log = kubectl.run(&["logs", "deployment/web", "-n", "default", "--tail", "1"]).unwrap();
    assert_eq!(log.trim(), "cannot connect to database: connection refused");

    control_plane.check().unwrap();
    let folder = control_plane.folder().to_owned();
    control_plane.stop();
    let left: Vec<String> = std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .map(|line| String::from_utf8_lossy(&line).replace('\0', " "))
        .filter(|line| line.contains(folder.to_str().unwrap()))
        .collect();
    assert!(left.is_empty(), "still running: {left:?}");
}
