//! The programs of others that tests need, built from Go modules in this folder and kept per user, so that a fresh
//! clone does not build them again: etcd, the Kubernetes control plane, kubectl, kwok; helm; a registry.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sha2::{Digest as _, Sha256};

use crate::binary::root;

const KUBERNETES: &str = "v1.36.3";
const HELM: &str = "v4.3.1";
const HELM3: &str = "v3.22.0";

/// A Go module of this project, and what is built from it.
struct Module {
    name: &'static str,
    /// Where it is, from the root of the project.
    folder: &'static str,
    /// The files that say what is built.
    sources: &'static [&'static str],
    packages: &'static [&'static str],
    /// What it is, for whoever has no Go.
    what: &'static str,
}

const CONTROLPLANE: Module = Module {
    name: "controlplane",
    folder: "e2e/controlplane",
    sources: &["go.mod", "go.sum", "signing-key/main.go"],
    packages: &["tool", "./signing-key"],
    what: "The control plane (etcd, Kubernetes, kwok)",
};

const HELM_ITSELF: Module = Module {
    name: "helm",
    folder: "e2e/helm",
    sources: &["go.mod", "go.sum", "signing-key/main.go"],
    packages: &["tool"],
    what: "Helm, which results are compared with,",
};

const HELM_3: Module = Module {
    name: "helm3",
    folder: "e2e/helm3",
    sources: &["go.mod", "go.sum"],
    packages: &["tool"],
    what: "Helm 3, whose releases are taken over,",
};

const HELM_ENGINE: Module = Module {
    name: "helm-engine",
    folder: "benches/helm",
    sources: &["go.mod", "go.sum", "main.go"],
    packages: &["."],
    what: "Helm's engine, which speed is compared with,",
};

const ORACLE: Module = Module {
    name: "oracle",
    folder: "e2e/oracle",
    sources: &["go.mod", "go.sum", "main.go"],
    packages: &["."],
    what: "Helm's engine, which answers are compared with,",
};

const REGISTRY: Module = Module {
    name: "registry",
    folder: "e2e/registry",
    sources: &["go.mod", "go.sum", "main.go"],
    packages: &["."],
    what: "The registry that charts are pushed to",
};

const LUA: Module = Module {
    name: "lua-health",
    folder: "e2e/lua",
    sources: &["go.mod", "go.sum", "main.go"],
    packages: &["."],
    what: "Argo CD's Lua, which its health script is tried with,",
};

/// Where the programs of the control plane are.
#[derive(Clone, Debug)]
pub struct ControlPlaneTools {
    folder: PathBuf,
}

impl ControlPlaneTools {
    /// The folder, for `PATH`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub(crate) fn program(&self, name: &str) -> Command {
        Command::new(self.folder.join(name))
    }
}

/// etcd (named `server`), kube-apiserver, kube-controller-manager, kube-scheduler, kubectl, kwok: built if need be.
/// `report` gets a line now and then while that lasts (minutes, the first time).
pub fn build_controlplane(report: &mut dyn FnMut(&str)) -> Result<ControlPlaneTools> {
    let number = KUBERNETES.trim_start_matches('v');
    let mut parts = number.split('.');
    let (major, minor) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    let version = "k8s.io/component-base/version";
    // Without a version the server calls itself v0.0.0-master+$Format:%H$, which kubectl and helm refuse to parse.
    let flags = format!(
        "-s -w -X {version}.gitVersion={KUBERNETES} -X {version}.gitMajor={major} -X {version}.gitMinor={minor} -X {version}.gitTreeState=clean"
    );
    let folder = build(&CONTROLPLANE, &flags, report)?;
    Ok(ControlPlaneTools { folder })
}

/// Helm itself: what records and manifests are compared with. Answers the program's path.
pub fn build_helm(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let flags = format!("-s -w -X helm.sh/helm/v4/internal/version.version={HELM}");
    Ok(build(&HELM_ITSELF, &flags, report)?.join("helm"))
}

/// Helm 3, which many releases were made with. Answers the program's path.
pub fn build_helm3(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let flags = format!("-s -w -X helm.sh/helm/v3/internal/version.version={HELM3}");
    Ok(build(&HELM_3, &flags, report)?.join("helm"))
}

/// Helm's loader and engine alone, as a program that measures itself. Answers its path.
pub fn build_helm_engine(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    Ok(build(&HELM_ENGINE, "-s -w", report)?.join("helm-engine"))
}

/// Helm's engine as a program that answers fuzz cases. Answers the program's path.
pub fn build_oracle(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    Ok(build(&ORACLE, "-s -w", report)?.join("oracle"))
}

/// A registry for charts, the CNCF's own. Answers the program's path.
pub fn build_registry(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    Ok(build(&REGISTRY, "-s -w", report)?.join("registry"))
}

/// Argo CD's Lua interpreter as a program that answers health questions. Answers the program's path.
pub fn build_lua(report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    Ok(build(&LUA, "-s -w", report)?.join("lua"))
}

/// Builds one module into the user's cache, under a name that changes with everything that goes into it.
fn build(module: &Module, ldflags: &str, report: &mut dyn FnMut(&str)) -> Result<PathBuf> {
    let source = root().join(module.folder);
    let go = Command::new("go").arg("version").output();
    let Ok(go) = go else {
        bail!(
            "Go is not on the PATH. {} is built from source (Go 1.26 or later, https://go.dev/dl/): \
             install it, or put it on the PATH, and try again.",
            module.what
        );
    };
    let mut digest = Sha256::new();
    for file in module.sources {
        digest.update(fs::read(source.join(file)).unwrap_or_default());
        digest.update([0]);
    }
    digest.update(ldflags);
    digest.update(&go.stdout);
    let key: String = digest.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let folder = cache()?.join(format!("{}-{key}", module.name));
    if folder.is_dir() {
        return Ok(folder);
    }

    // Built beside it and renamed when complete: an interrupted build leaves nothing that looks finished.
    let unfinished = folder.with_extension(format!("{}.unfinished", std::process::id()));
    fs::create_dir_all(&unfinished).with_context(|| format!("cannot create {}", unfinished.display()))?;
    let built = compile(module, &source, &unfinished, ldflags, report);
    if built.is_ok() && fs::rename(&unfinished, &folder).is_err() && !folder.is_dir() {
        bail!("cannot move {} to {}", unfinished.display(), folder.display());
    }
    let _ = fs::remove_dir_all(&unfinished);
    built.map(|()| folder)
}

fn compile(module: &Module, source: &Path, into: &Path, ldflags: &str, report: &mut dyn FnMut(&str)) -> Result<()> {
    let (start, name) = (Instant::now(), module.name);
    report(&format!("building {name} from source, once (minutes the first time, seconds with a warm Go cache)"));
    let mut child = Command::new("go")
        .args(["install", "-v", "-ldflags", ldflags])
        .args(module.packages)
        .current_dir(source)
        .env("GOBIN", into)
        .env("GOFLAGS", "-mod=readonly")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot run go install")?;
    // go -v names each package as it is compiled, each module as it is fetched.
    let stderr = child.stderr.take().context("no output from go install")?;
    let (send, lines) = mpsc::channel();
    std::thread::spawn(move || {
        BufReader::new(stderr).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
    });
    let (mut seen, mut last, mut reported) = (0usize, Vec::new(), Instant::now());
    loop {
        match lines.recv_timeout(Duration::from_secs(5)) {
            Ok(line) => {
                seen += 1;
                last.push(line);
                if last.len() > 20 {
                    last.remove(0);
                }
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
        }
        if reported.elapsed() >= Duration::from_secs(5) {
            reported = Instant::now();
            let at = last.last().map_or("", String::as_str);
            report(&format!("building {name}: {} s, {seen} packages, now {at}", start.elapsed().as_secs()));
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("go install in {} ended with {status}:\n{}", source.display(), last.join("\n"));
    }
    report(&format!("built {name} in {} s", start.elapsed().as_secs()));
    Ok(())
}

fn cache() -> Result<PathBuf> {
    let base = std::env::var_os("XDG_CACHE_HOME").filter(|path| !path.is_empty()).map(PathBuf::from);
    let base = base.or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    let folder =
        base.context("neither XDG_CACHE_HOME nor HOME is set: nowhere to keep the built control plane")?.join("pintle");
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    Ok(folder)
}
