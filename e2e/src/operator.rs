//! The operator as a process: started, killed in the middle of things, started again.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::binary::pintle;
use crate::controlplane::{ControlPlane, free_ports};
use crate::http::{Answer, get};
use crate::process::{Process, spawn};
use crate::wait::wait_until;

/// How glibc keeps memory: one arena, given back early. The Dockerfile and charts/pintle start the operator in the same way:
/// it is at rest nearly always, and its renders ask for memory in large pieces.
const LEAN: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "1"), ("MALLOC_TRIM_THRESHOLD_", "65536"), ("MALLOC_MMAP_THRESHOLD_", "65536")];

/// How to start it.
#[derive(Clone, Debug, Default)]
pub struct OperatorOptions {
    /// Only this namespace; all by default.
    pub namespace: Option<String>,
    /// The kubeconfig in place of the operator's own: a way through a proxy.
    pub kubeconfig: Option<PathBuf>,
    /// Further arguments.
    pub args: Vec<String>,
    /// Further environment.
    pub env: Vec<(String, String)>,
}

/// A running `pintle operator`. Killed when dropped.
pub struct Operator {
    process: Process,
    name: String,
    options: OperatorOptions,
    metrics: String,
    health: String,
}

impl Operator {
    /// Starts it as the user whose rights config/ gives, and waits until it says that it is ready. `name` names its log
    /// and its cache, which a later operator of that name finds again.
    pub fn start(control_plane: &ControlPlane, name: &str, options: OperatorOptions) -> Result<Self> {
        let mut operator = Self::spawn(control_plane, name, options)?;
        operator.wait_ready()?;
        Ok(operator)
    }

    fn spawn(control_plane: &ControlPlane, name: &str, options: OperatorOptions) -> Result<Self> {
        let [metrics, health] = free_ports()?.map(|port| format!("127.0.0.1:{port}"));
        let folder = control_plane.folder();
        let mut command = Command::new(pintle()?);
        command
            .arg("operator")
            .args(["--metrics-addr", &metrics, "--health-addr", &health])
            .arg("--cache-dir")
            .arg(folder.join(format!("cache-{name}")))
            .envs(LEAN)
            .env("KUBECONFIG", options.kubeconfig.as_ref().unwrap_or(&control_plane.users().operator))
            .envs(options.env.iter().cloned());
        if let Some(namespace) = &options.namespace {
            command.args(["--namespace", namespace]);
        }
        command.args(&options.args);
        let log: PathBuf = folder.join("logs").join(format!("{name}.log"));
        let process = spawn(name, &mut command, &log)?;
        Ok(Self { process, name: name.to_owned(), options, metrics, health })
    }

    fn wait_ready(&mut self) -> Result<()> {
        let (process, health) = (&mut self.process, &self.health);
        wait_until("the operator is ready", Duration::from_secs(60), || {
            process.check()?;
            Ok(match get(health, "/readyz") {
                Ok(Answer { status: 200, .. }) => Ok(()),
                Ok(Answer { status, body }) => Err(format!("{status} {body}")),
                Err(error) => Err(format!("{error:#}")),
            })
        })
    }

    /// SIGKILL: no farewell, as when a node dies.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM; fails if it does not end by itself with success.
    pub fn stop(&mut self) -> Result<()> {
        match self.process.terminate(Duration::from_secs(30))? {
            Some(status) if status.success() => Ok(()),
            Some(status) => bail!("the operator ended with {status} when asked to stop"),
            None => bail!("the operator did not end within 30 s when asked to stop"),
        }
    }

    /// Kills it if it still runs, and starts it again as it was.
    pub fn restart(&mut self, control_plane: &ControlPlane) -> Result<()> {
        self.kill();
        let (name, options) = (self.name.clone(), self.options.clone());
        *self = Self::start(control_plane, &name, options)?;
        Ok(())
    }

    /// Its metrics page.
    pub fn metrics(&self) -> Result<String> {
        Ok(get(&self.metrics, "/metrics")?.body)
    }

    /// Fails, with the end of its log, if it is no longer running.
    pub fn check(&mut self) -> Result<()> {
        self.process.check()
    }

    /// The process: memory, CPU time, log.
    #[must_use]
    pub fn process(&self) -> &Process {
        &self.process
    }
}
