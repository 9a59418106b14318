//! What a user does with the releases of one namespace, by kubectl and by helm.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::kubectl::Kubectl;
use crate::wait::condition;

/// The kind, in full: another operator's HelmReleases may be in the same cluster.
pub const HELMRELEASE: &str = "helmreleases.pintle.dev";
/// The kind, in full.
pub const HELMREPOSITORY: &str = "helmrepositories.pintle.dev";
/// How long a test waits for what takes seconds: generous, since two cores run everything.
pub const DEADLINE: Duration = Duration::from_secs(240);

/// A namespace, and kubectl and helm to work in it.
#[derive(Clone, Debug)]
pub struct Namespace {
    name: String,
    kubectl: Kubectl,
    helm: PathBuf,
    /// helm's `HELM_DRIVER`.
    driver: &'static str,
}

impl Namespace {
    /// Creates it, if need be.
    pub fn create(name: &str, kubectl: Kubectl, helm: &Path) -> Result<Self> {
        kubectl.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}).to_string())?;
        Ok(Self { name: name.to_owned(), kubectl, helm: helm.to_owned(), driver: "secret" })
    }

    /// The same namespace for whoever uses another helm.
    #[must_use]
    pub fn with_helm(&self, helm: &Path) -> Self {
        Self { helm: helm.to_owned(), ..self.clone() }
    }

    /// The same namespace for whoever keeps records otherwise: helm's `HELM_DRIVER`.
    #[must_use]
    pub fn with_driver(&self, driver: &'static str) -> Self {
        Self { driver, ..self.clone() }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// kubectl, without a namespace chosen.
    #[must_use]
    pub fn kubectl(&self) -> &Kubectl {
        &self.kubectl
    }

    /// Creates or replaces the HelmRepository.
    pub fn put_repository(&self, name: &str, spec: &Value) -> Result<()> {
        self.put(HELMREPOSITORY, "HelmRepository", name, spec)
    }

    /// Creates or replaces a HelmRelease of a chart in the HelmRepository `charts`. `more` is laid over its spec.
    pub fn put_release(&self, name: &str, chart: &str, version: &str, more: &Value) -> Result<()> {
        self.put(HELMRELEASE, "HelmRelease", name, &release_spec(chart, version, more))
    }

    fn put(&self, resource: &str, kind: &str, name: &str, spec: &Value) -> Result<()> {
        let object = json!({
            "apiVersion": "pintle.dev/v1", "kind": kind, "metadata": {"name": name, "namespace": self.name}, "spec": spec,
        });
        if self.find(resource, name)?.is_none() {
            return self.kubectl.run_with(&["create", "-f", "-"], &object.to_string()).map(drop);
        }
        // A replacement, so that what the spec no longer says is gone; of the spec alone, since one of the object is in
        // conflict with whatever the operator writes into its status meanwhile.
        let patch = json!([{"op": "replace", "path": "/spec", "value": spec}]).to_string();
        self.kubectl.run(&["patch", resource, name, "-n", &self.name, "--type=json", "-p", &patch]).map(drop)
    }

    /// Merges `patch` into the HelmRelease.
    pub fn patch_release(&self, name: &str, patch: &Value) -> Result<()> {
        self.kubectl
            .run(&["patch", HELMRELEASE, name, "-n", &self.name, "--type=merge", "-p", &patch.to_string()])
            .map(drop)
    }

    /// Asks for a reconciliation now.
    pub fn request(&self, resource: &str, name: &str) -> Result<()> {
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_nanos();
        let annotation = format!("reconcile.fluxcd.io/requestedAt={now}");
        self.kubectl.run(&["annotate", resource, name, "-n", &self.name, "--overwrite", &annotation]).map(drop)
    }

    /// Deletes the HelmRelease and waits until it is gone.
    pub fn delete_release(&self, name: &str) -> Result<()> {
        self.kubectl.run(&["delete", HELMRELEASE, name, "-n", &self.name, "--timeout=90s"]).map(drop)
    }

    /// The object, or `None`.
    pub fn find(&self, kind: &str, name: &str) -> Result<Option<Value>> {
        self.kubectl.find(&self.name, kind, name)
    }

    /// The object; an error if there is none.
    pub fn object(&self, kind: &str, name: &str) -> Result<Value> {
        self.find(kind, name)?.with_context(|| format!("there is no {kind} {name} in {}", self.name))
    }

    /// All objects of a kind.
    pub fn list(&self, kind: &str) -> Result<Vec<Value>> {
        let list = self.kubectl.get(&[kind, "-n", &self.name])?;
        Ok(list["items"].as_array().cloned().unwrap_or_default())
    }

    /// Waits until the HelmRelease is as `probe` wants it.
    pub fn until<T>(&self, name: &str, mut probe: impl FnMut(&Value) -> Option<T>) -> Result<T> {
        self.kubectl.until(&self.name, HELMRELEASE, name, DEADLINE, |event| {
            if event.deleted { None } else { probe(&event.object) }
        })
    }

    /// Waits until the HelmRelease is ready as its spec says now, and answers it.
    pub fn until_ready(&self, name: &str) -> Result<Value> {
        self.until(name, |release| is_ready(release).then(|| release.clone()))
    }

    /// Waits until the HelmRelease is ready with this chart (`name@version`) in this revision.
    pub fn until_runs(&self, name: &str, chart: &str, revision: i64) -> Result<()> {
        self.until(name, |release| {
            let status = &release["status"];
            (is_ready(release) && status["chart"] == chart && status["revision"] == revision).then_some(())
        })
    }

    /// Waits until Ready is False for the spec as it is now, with one of these reasons; answers the message.
    pub fn until_not_ready(&self, name: &str, reasons: &[&str]) -> Result<String> {
        self.until_told(name, reasons, &[])
    }

    /// [`Namespace::until_not_ready`] with a message that names all of these: for a reason that is told of more than one
    /// thing in turn, such as a repository that is still being read before it turns out to be broken.
    pub fn until_told(&self, name: &str, reasons: &[&str], parts: &[&str]) -> Result<String> {
        self.until(name, |release| {
            let ready = condition(release, "Ready")?;
            let fits = ready["status"] == "False" && reasons.iter().any(|reason| ready["reason"] == *reason);
            let current = ready["observedGeneration"] == release["metadata"]["generation"];
            let message = ready["message"].as_str().unwrap_or_default();
            (fits && current && parts.iter().all(|part| message.contains(part))).then(|| message.to_owned())
        })
        .with_context(|| format!("until it is not ready by {reasons:?} and names {parts:?}"))
    }

    /// Fails unless the Job has succeeded.
    pub fn job_ran(&self, name: &str) -> Result<()> {
        let job = self.object("job", name)?;
        ensure!(job["status"]["succeeded"] == 1, "the Job {name} has not succeeded: {}", job["status"]);
        Ok(())
    }

    /// Runs helm in this namespace; answers its standard output.
    pub fn helm(&self, args: &[&str]) -> Result<String> {
        let home = self.kubectl.kubeconfig().parent().unwrap_or(Path::new("/"));
        let done = Command::new(&self.helm)
            .args(args)
            .args(["--namespace", &self.name])
            .env("KUBECONFIG", self.kubectl.kubeconfig())
            .env("HOME", home)
            .env("HELM_DRIVER", self.driver)
            .output()
            .context("cannot run helm")?;
        ensure!(done.status.success(), "helm {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr));
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// Runs helm with `--output json`.
    pub fn helm_json(&self, args: &[&str]) -> Result<Value> {
        let mut all = args.to_vec();
        all.extend(["--output", "json"]);
        let text = self.helm(&all)?;
        serde_json::from_str(&text).with_context(|| format!("helm {} printed {text}", args.join(" ")))
    }

    /// Fails unless helm's history has this revision with this status and chart (`name-version`).
    pub fn helm_says(&self, release: &str, revision: i64, status: &str, chart: &str) -> Result<()> {
        let history = self.helm_json(&["history", release])?;
        let rows = history.as_array().cloned().unwrap_or_default();
        let row = rows.iter().find(|row| row["revision"] == revision);
        let row = row.with_context(|| format!("helm knows no revision {revision}: {history}"))?;
        ensure!(row["status"] == status && row["chart"] == chart, "helm says of revision {revision}: {row}");
        Ok(())
    }
}

/// The spec of a HelmRelease of a chart in the HelmRepository `charts`, with `more` laid over it.
#[must_use]
pub fn release_spec(chart: &str, version: &str, more: &Value) -> Value {
    let mut spec = json!({
        "interval": "10m",
        "timeout": "1m",
        "chart": {"spec": {"chart": chart, "version": version, "sourceRef": {"kind": "HelmRepository", "name": "charts"}}},
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    spec
}

/// Whether a HelmRelease is ready with this chart (`name@version`), and its tests passed.
#[must_use]
pub fn is_tested(release: &Value, chart: &str) -> bool {
    is_ready(release)
        && release["status"]["chart"] == chart
        && condition(release, "TestSuccess").is_some_and(|tested| tested["status"] == "True")
}

/// Whether the release is ready, as its spec says now.
#[must_use]
pub fn is_ready(release: &Value) -> bool {
    let observed = release["status"]["observedGeneration"] == release["metadata"]["generation"];
    observed && condition(release, "Ready").is_some_and(|ready| ready["status"] == "True")
}
