//! kubectl, the way a user has it: one kubeconfig, its own cache, JSON out.

use std::io::{BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::process::join;

/// Runs kubectl as one user.
#[derive(Clone, Debug)]
pub struct Kubectl {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Kubectl {
    pub(crate) fn new(program: PathBuf, kubeconfig: PathBuf) -> Self {
        Self { program, kubeconfig }
    }

    /// The kubeconfig that it uses.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// A command without arguments yet.
    #[must_use]
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        let home = self.kubeconfig.parent().unwrap_or(Path::new("/"));
        command.env("KUBECONFIG", &self.kubeconfig).env("HOME", home).env("KUBECACHEDIR", home.join("kubectl-cache"));
        command
    }

    /// Runs it and answers its standard output; fails with its standard error.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        self.run_with(args, "")
    }

    /// The same with standard input.
    pub fn run_with(&self, args: &[&str], input: &str) -> Result<String> {
        let mut child = self
            .command()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .context("cannot run kubectl")?;
        let mut stdin = child.stdin.take().context("kubectl has no standard input")?;
        let input = input.to_owned();
        // A thread, since kubectl may print more than a pipe holds before it has read everything. It may also end early.
        let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
        let done = child.wait_with_output()?;
        let _ = writer.join();
        if !done.status.success() {
            bail!("kubectl {}: {}", args.join(" "), String::from_utf8_lossy(&done.stderr).trim());
        }
        Ok(String::from_utf8_lossy(&done.stdout).into_owned())
    }

    /// `kubectl apply` of this YAML or JSON, server side, so that large objects (CRDs) work too.
    pub fn apply(&self, manifest: &str) -> Result<()> {
        self.run_with(&["apply", "--server-side", "--force-conflicts", "-f", "-"], manifest).map(drop)
    }

    /// `kubectl apply` of a file or of all files of a folder.
    pub fn apply_path(&self, path: &Path) -> Result<()> {
        let path = path.to_str().context("a path that is not UTF-8")?;
        self.run(&["apply", "--server-side", "--force-conflicts", "-f", path]).map(drop)
    }

    /// `kubectl get … -o json`; the arguments as on the command line.
    pub fn get(&self, args: &[&str]) -> Result<Value> {
        let mut all = vec!["get"];
        all.extend(args);
        all.extend(["-o", "json"]);
        Ok(serde_json::from_str(&self.run(&all)?)?)
    }

    /// The object, or `None` where it does not exist.
    pub fn find(&self, namespace: &str, kind: &str, name: &str) -> Result<Option<Value>> {
        let text = self.run(&["get", kind, name, "-n", namespace, "-o", "json", "--ignore-not-found"])?;
        if text.trim().is_empty() { Ok(None) } else { Ok(Some(serde_json::from_str(&text)?)) }
    }

    /// Watches objects of a kind; the arguments as for `kubectl get` (`-n`, `-A`, selectors).
    pub fn watch(&self, args: &[&str]) -> Result<Watch> {
        let mut command = self.command();
        command.arg("get").args(args).args(["-o", "json", "--watch", "--output-watch-events"]);
        let mut child = join(&mut command)?
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .context("cannot run kubectl")?;
        let stdout = child.stdout.take().context("kubectl has no standard output")?;
        let (send, events) = mpsc::channel();
        std::thread::spawn(move || {
            let stream = serde_json::Deserializer::from_reader(BufReader::new(stdout)).into_iter::<Value>();
            for mut event in stream.map_while(Result::ok) {
                let event = Event { deleted: event["type"] == "DELETED", object: event["object"].take() };
                if send.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Watch { child, events })
    }

    /// Watches one object until `probe` finds what it looks for.
    pub fn until<T>(
        &self,
        namespace: &str,
        kind: &str,
        name: &str,
        deadline: Duration,
        probe: impl FnMut(&Event) -> Option<T>,
    ) -> Result<T> {
        let selector = format!("metadata.name={name}");
        let mut watch = self.watch(&[kind, "-n", namespace, "--field-selector", &selector])?;
        watch.until(deadline, probe).with_context(|| format!("waiting for {kind} {namespace}/{name}"))
    }
}

/// One change of a watched object.
#[derive(Clone, Debug)]
pub struct Event {
    /// The object is gone; `object` is its last state.
    pub deleted: bool,
    /// The object as it is now.
    pub object: Value,
}

/// A running watch; ends when dropped.
pub struct Watch {
    child: Child,
    events: mpsc::Receiver<Event>,
}

impl Watch {
    /// The next change, or `None` after `timeout`.
    pub fn next(&mut self, timeout: Duration) -> Result<Option<Event>> {
        match self.events.recv_timeout(timeout) {
            Ok(event) => Ok(Some(event)),
            Err(mpsc::RecvTimeoutError::Timeout) => Ok(None),
            Err(mpsc::RecvTimeoutError::Disconnected) => bail!("kubectl ended the watch"),
        }
    }

    /// Reads changes until `probe` finds what it looks for; the error shows the last state that was seen.
    pub fn until<T>(&mut self, deadline: Duration, mut probe: impl FnMut(&Event) -> Option<T>) -> Result<T> {
        let end = Instant::now() + deadline;
        let mut last = None;
        while let Some(event) = self.next(end.saturating_duration_since(Instant::now()))? {
            if let Some(found) = probe(&event) {
                return Ok(found);
            }
            last = Some(event);
        }
        match last {
            None => bail!("nothing seen within {deadline:?}"),
            Some(Event { deleted, object }) => {
                let state = if object["status"].is_null() { &object } else { &object["status"] };
                bail!("not within {deadline:?}; last seen{}: {state:#}", if deleted { " (deleted)" } else { "" })
            }
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
