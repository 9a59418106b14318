//! `cargo xtask demo --once`: the life of one release as a script that checks itself.

use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use pintle_e2e::{Kubectl, condition};
use serde_json::Value;

use crate::demo::Stage;

const DEADLINE: Duration = Duration::from_secs(120);
const NAMESPACE: &str = "demo";
const HELMRELEASE: &str = "helmreleases.pintle.dev";

type Step = (&'static str, fn(&Story<'_>) -> Result<()>);

const STEPS: [Step; 6] = [
    ("install hello 1.0.0", install),
    ("change a value", change_a_value),
    ("upgrade to hello 1.1.0", upgrade),
    ("upgrade to hello 2.0.0, which crashes: rolled back", failing_upgrade),
    ("back to 1.1.0: ready again", recover),
    ("uninstall", uninstall),
];

struct Story<'a> {
    stage: &'a Stage,
    kubectl: Kubectl,
}

/// Runs the story; fails with the first step that did not end as it says.
pub(crate) fn run() -> Result<()> {
    let mut stage = Stage::start()?;
    stage.publish("hello-2.0.0")?;
    let story = Story { kubectl: stage.control_plane.admin(), stage: &stage };
    story.kubectl.apply(&format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {NAMESPACE}}}}}"))?;
    for (number, (title, step)) in STEPS.iter().enumerate() {
        stage.clock.say(&format!("step {}: {title}", number + 1));
        step(&story).with_context(|| format!("step {}: {title}", number + 1))?;
        stage.clock.say(&format!("step {}: ended as it should", number + 1));
    }
    let clock = stage.clock;
    stage.operator.stop()?;
    clock.say("the operator stopped when asked to; all steps ended as they should");
    Ok(())
}

fn install(story: &Story<'_>) -> Result<()> {
    story.kubectl.apply(&format!(
        "
apiVersion: pintle.dev/v1
kind: HelmRepository
metadata: {{name: charts, namespace: {NAMESPACE}}}
spec: {{url: \"{}\", interval: 10m}}
---
apiVersion: pintle.dev/v1
kind: HelmRelease
metadata: {{name: hello, namespace: {NAMESPACE}}}
spec:
  interval: 10m
  timeout: 1m
  chart: {{spec: {{chart: hello, version: 1.0.0, sourceRef: {{kind: HelmRepository, name: charts}}}}}}
  upgrade: {{remediation: {{remediateLastFailure: true}}}}
",
        story.stage.repository.url()
    ))?;
    story.ready("hello@1.0.0", 1)?;
    story.job_ran("hello-hello-prepare")?;
    let deployment = story.object("deployment", "hello-hello")?;
    ensure!(deployment["status"]["readyReplicas"] == 1, "no pod is ready: {}", deployment["status"]);
    story.helm_says(1, "deployed", "hello-1.0.0")
}

fn change_a_value(story: &Story<'_>) -> Result<()> {
    story.patch(r#"{"spec":{"values":{"greeting":"Good evening"}}}"#)?;
    story.ready("hello@1.0.0", 2)?;
    let config = story.object("configmap", "hello-hello")?;
    ensure!(config["data"]["greeting"] == "Good evening", "the ConfigMap says {}", config["data"]);
    story.job_ran("hello-hello-migrate")?;
    story.helm_says(2, "deployed", "hello-1.0.0")
}

fn upgrade(story: &Story<'_>) -> Result<()> {
    story.patch(r#"{"spec":{"chart":{"spec":{"version":"1.1.0"}}}}"#)?;
    story.ready("hello@1.1.0", 3)?;
    story.object("poddisruptionbudget", "hello-hello")?;
    story.helm_says(3, "deployed", "hello-1.1.0")
}

fn failing_upgrade(story: &Story<'_>) -> Result<()> {
    story.patch(r#"{"spec":{"timeout":"10s","chart":{"spec":{"version":"2.0.0"}}}}"#)?;
    let message = story.kubectl.until(NAMESPACE, HELMRELEASE, "hello", DEADLINE, |event| {
        let release = &event.object;
        let remediated = condition(release, "Remediated")?["status"] == "True";
        let ready = condition(release, "Ready")?;
        (remediated && observed(release) && ready["status"] == "False").then(|| ready["message"].to_string())
    })?;
    ensure!(message.contains("hello-hello"), "the message does not name what failed: {message}");
    let deployment = story.object("deployment", "hello-hello")?;
    let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
    ensure!(image == "ghcr.io/pintle-dev/hello:1.1", "the Deployment was not rolled back: {image}");
    story.helm_says(5, "deployed", "hello-1.1.0")?;
    story.helm_says(4, "failed", "hello-2.0.0")
}

fn recover(story: &Story<'_>) -> Result<()> {
    story.patch(r#"{"spec":{"timeout":"1m","chart":{"spec":{"version":"1.1.0"}}}}"#)?;
    story.kubectl.until(NAMESPACE, HELMRELEASE, "hello", DEADLINE, |event| {
        (observed(&event.object) && condition(&event.object, "Ready")?["status"] == "True").then_some(())
    })
}

fn uninstall(story: &Story<'_>) -> Result<()> {
    story.kubectl.run(&["delete", HELMRELEASE, "hello", "-n", NAMESPACE, "--timeout=60s"])?;
    for (kind, name) in [("deployment", "hello-hello"), ("service", "hello-hello"), ("configmap", "hello-hello")] {
        if let Some(object) = story.kubectl.find(NAMESPACE, kind, name)? {
            ensure!(!object["metadata"]["deletionTimestamp"].is_null(), "{kind} {name} is still there");
        }
    }
    let list = story.helm(&["list", "-a"])?;
    ensure!(list == "[]", "helm still lists: {list}");
    Ok(())
}

/// The status speaks of the spec as it is now.
fn observed(release: &Value) -> bool {
    release["status"]["observedGeneration"] == release["metadata"]["generation"]
}

impl Story<'_> {
    fn patch(&self, patch: &str) -> Result<()> {
        self.kubectl.run(&["patch", HELMRELEASE, "hello", "-n", NAMESPACE, "--type=merge", "-p", patch]).map(drop)
    }

    fn ready(&self, chart: &str, revision: i64) -> Result<()> {
        self.kubectl.until(NAMESPACE, HELMRELEASE, "hello", DEADLINE, |event| {
            let release = &event.object;
            let ready = observed(release) && condition(release, "Ready")?["status"] == "True";
            (ready && release["status"]["chart"] == chart && release["status"]["revision"] == revision).then_some(())
        })
    }

    fn object(&self, kind: &str, name: &str) -> Result<Value> {
        self.kubectl.find(NAMESPACE, kind, name)?.with_context(|| format!("there is no {kind} {name}"))
    }

    fn job_ran(&self, name: &str) -> Result<()> {
        let job = self.object("job", name)?;
        ensure!(job["status"]["succeeded"] == 1, "the hook {name} has not succeeded: {}", job["status"]);
        Ok(())
    }

    /// Helm reads the same release: this revision has this status and chart.
    fn helm_says(&self, revision: i64, status: &str, chart: &str) -> Result<()> {
        let text = self.helm(&["history", "hello"])?;
        let history: Vec<Value> =
            serde_json::from_str(&text).with_context(|| format!("helm history printed {text}"))?;
        let Some(row) = history.iter().find(|row| row["revision"] == revision) else {
            bail!("helm knows no revision {revision}: {text}");
        };
        ensure!(row["status"] == status && row["chart"] == chart, "helm says of revision {revision}: {row}");
        Ok(())
    }

    fn helm(&self, args: &[&str]) -> Result<String> {
        let done = Command::new(&self.stage.helm)
            .args(args)
            .args(["--namespace", NAMESPACE, "--output", "json"])
            .env("KUBECONFIG", self.kubectl.kubeconfig())
            .output()
            .context("cannot run helm")?;
        ensure!(done.status.success(), "helm {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
    }
}
