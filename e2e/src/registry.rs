//! A registry over HTTP on loopback: the CNCF's own, with one user, filled by helm as people fill theirs.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::archive::Packaged;
use crate::controlplane::{ControlPlane, free_ports};
use crate::http::get;
use crate::process::{Process, spawn};
use crate::tools::build_registry;
use crate::wait::wait_until;

/// The user's password as bcrypt has it, at the lowest cost: it is checked with each request.
const HASH: &str = "$2a$04$nJXd0Ak0.bXzz9admZ1Fr.JGUauPPffnkPZaH/7FdF2QgVyFRwtJi";

/// A running registry. Ends when dropped.
pub struct Registry {
    address: String,
    folder: PathBuf,
    helm: PathBuf,
    process: Process,
}

impl Registry {
    /// Who may read and write.
    pub const USER: &'static str = "reader";
    /// The password for that.
    pub const PASSWORD: &'static str = "secret";

    /// Starts an empty registry; `name` names its folder and its log beside those of the control plane.
    pub fn start(control_plane: &ControlPlane, name: &str, helm: PathBuf) -> Result<Self> {
        let program = build_registry(&mut |line: &str| eprintln!("{line}"))?;
        let folder = control_plane.folder().join(format!("registry-{name}"));
        fs::create_dir_all(&folder)?;
        let [port] = free_ports()?;
        let address = format!("127.0.0.1:{port}");
        let users = folder.join("users");
        fs::write(&users, format!("{}:{HASH}\n", Self::USER))?;
        let config = folder.join("config.yaml");
        let text = format!(
            "version: 0.1\nstorage: {{inmemory: {{}}}}\nhttp: {{addr: \"{address}\"}}\nauth: {{htpasswd: {{realm: charts, path: {}}}}}\n",
            users.display()
        );
        fs::write(&config, text)?;
        let mut command = Command::new(program);
        command.arg("serve").arg(&config).env("OTEL_TRACES_EXPORTER", "none");
        let log = control_plane.folder().join("logs").join(format!("registry-{name}.log"));
        let mut process = spawn("registry", &mut command, &log)?;
        wait_until("the registry answers", Duration::from_secs(30), || {
            process.check()?;
            Ok(match get(&address, "/v2/") {
                Ok(answer) if answer.status == 401 => Ok(()),
                Ok(answer) => Err(format!("status {}", answer.status)),
                Err(error) => Err(format!("{error:#}")),
            })
        })?;
        Ok(Self { address, folder, helm, process })
    }

    /// Ends it at once, with all that it has.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Host and port.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where charts are pushed to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("oci://{}/charts", self.address)
    }

    /// Pushes a chart with helm; answers the digest of its manifest.
    pub fn push(&self, chart: &Packaged) -> Result<String> {
        let file = self.folder.join(format!("{}-{}.tgz", chart.name, chart.version));
        fs::write(&file, &chart.bytes)?;
        let file = file.display().to_string();
        let who = ["--username", Self::USER, "--password", Self::PASSWORD, "--plain-http"];
        let done = self.helm(&[&["push", &file, &self.url()], &who[..]].concat())?;
        let text = [done.stdout, done.stderr].concat();
        let text = String::from_utf8_lossy(&text);
        ensure!(done.status.success(), "helm push: {text}");
        let digest = text.lines().find_map(|line| line.strip_prefix("Digest: "));
        Ok(digest.with_context(|| format!("helm push told no digest: {text}"))?.to_owned())
    }

    /// Runs helm in a home of the registry's own.
    pub fn helm(&self, args: &[&str]) -> Result<Output> {
        Command::new(&self.helm).args(args).env("HOME", self.home()).output().context("cannot run helm")
    }

    /// The home in which helm keeps what it knows of this registry.
    #[must_use]
    pub fn home(&self) -> PathBuf {
        self.folder.join("home")
    }
}
