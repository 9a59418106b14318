//! The life of one release as steps that check themselves: what `cargo xtask demo --once` plays and a test plays too.

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::controlplane::ControlPlane;
use crate::namespace::Namespace;
use crate::repository::ChartRepository;
use crate::wait::condition;
use crate::{HELMRELEASE, root};

/// The charts that the story needs in its repository.
const CHARTS: [&str; 3] = ["hello-1.0.0", "hello-1.1.0", "hello-2.0.0"];

/// One step: what happens, and the function that does it and looks whether it did.
pub type Step = (&'static str, fn(&Namespace) -> Result<()>);

/// All steps, in order.
pub const STEPS: [Step; 6] = [
    ("install hello 1.0.0: its pre-install hook runs, its pod is ready", install),
    ("change a value: revision 2, the post-upgrade hook runs", change_a_value),
    ("upgrade to hello 1.1.0: revision 3", upgrade),
    ("upgrade to hello 2.0.0, which crashes: rolled back to what ran", failing_upgrade),
    ("go back to 1.1.0: ready again", recover),
    ("uninstall: nothing is left", uninstall),
];

/// Serves the story's charts and makes them known in the story's namespace.
pub fn prepare(
    control_plane: &ControlPlane,
    helm: &std::path::Path,
    name: &str,
    repository: &ChartRepository,
) -> Result<Namespace> {
    for chart in CHARTS {
        repository.add_folder(&root().join("e2e/charts").join(chart))?;
    }
    let namespace = Namespace::create(name, control_plane.admin(), helm)?;
    namespace.put_repository("charts", &json!({"url": repository.url(), "interval": "10m"}))?;
    Ok(namespace)
}

fn install(at: &Namespace) -> Result<()> {
    at.put_release("hello", "hello", "1.0.0", &json!({"upgrade": {"remediation": {"remediateLastFailure": true}}}))?;
    at.until_runs("hello", "hello@1.0.0", 1)?;
    at.job_ran("hello-hello-prepare")?;
    let deployment = at.object("deployment", "hello-hello")?;
    ensure!(deployment["status"]["readyReplicas"] == 1, "no pod is ready: {}", deployment["status"]);
    at.helm_says("hello", 1, "deployed", "hello-1.0.0")
}

fn change_a_value(at: &Namespace) -> Result<()> {
    at.patch_release("hello", &json!({"spec": {"values": {"greeting": "Good evening"}}}))?;
    at.until_runs("hello", "hello@1.0.0", 2)?;
    let config = at.object("configmap", "hello-hello")?;
    ensure!(config["data"]["greeting"] == "Good evening", "the ConfigMap says {}", config["data"]);
    at.job_ran("hello-hello-migrate")?;
    at.helm_says("hello", 2, "deployed", "hello-1.0.0")
}

fn upgrade(at: &Namespace) -> Result<()> {
    at.patch_release("hello", &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}}))?;
    at.until_runs("hello", "hello@1.1.0", 3)?;
    at.object("poddisruptionbudget", "hello-hello")?;
    at.helm_says("hello", 3, "deployed", "hello-1.1.0")
}

fn failing_upgrade(at: &Namespace) -> Result<()> {
    at.patch_release("hello", &json!({"spec": {"timeout": "8s", "chart": {"spec": {"version": "2.0.0"}}}}))?;
    let message = at.until("hello", |release| {
        let remediated = condition(release, "Remediated")?;
        let ready = condition(release, "Ready")?;
        let current = remediated["observedGeneration"] == release["metadata"]["generation"];
        let ended = remediated["status"] == "True" && ready["status"] == "False" && release["status"]["step"].is_null();
        (current && ended).then(|| ready["message"].to_string())
    })?;
    ensure!(message.contains("hello-hello"), "the message does not name what failed: {message}");
    let deployment = at.object("deployment", "hello-hello")?;
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure!(image == "ghcr.io/pintle-dev/hello:1.1", "the Deployment was not rolled back: {image}");
    at.helm_says("hello", 4, "failed", "hello-2.0.0")?;
    at.helm_says("hello", 5, "deployed", "hello-1.1.0")
}

fn recover(at: &Namespace) -> Result<()> {
    at.patch_release("hello", &json!({"spec": {"timeout": "1m", "chart": {"spec": {"version": "1.1.0"}}}}))?;
    at.until_ready("hello").map(drop)
}

fn uninstall(at: &Namespace) -> Result<()> {
    at.delete_release("hello")?;
    ensure!(at.find(HELMRELEASE, "hello")?.is_none(), "the HelmRelease is still there");
    for (kind, name) in [("deployment", "hello-hello"), ("service", "hello-hello"), ("configmap", "hello-hello")] {
        if let Some(object) = at.find(kind, name)? {
            let going = object["metadata"]["deletionTimestamp"].as_str();
            going.with_context(|| format!("{kind} {name} is still there"))?;
        }
    }
    let list = at.helm_json(&["list"])?;
    ensure!(list == json!([]), "helm still lists: {list}");
    Ok(())
}
