//! What every scenario begins with: the binary's one control plane, and a namespace of its own with a chart repository and
//! an operator that looks at nothing else.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU8, Ordering};

use anyhow::{Result, anyhow, ensure};
use serde_json::json;

use crate::archive::{Packaged, archive};
use crate::controlplane::ControlPlane;
use crate::namespace::{HELMREPOSITORY, Namespace};
use crate::operator::{Operator, OperatorOptions};
use crate::proxy::FaultProxy;
use crate::repository::ChartRepository;
use crate::tools::{build_controlplane, build_helm};
use crate::{pintle, root};

/// Which scenes this program has set.
static SCENES: AtomicU8 = AtomicU8::new(0);
/// One whose operator looks at its own namespace.
const ONE: u8 = 1;
/// One whose operator looks at all namespaces.
const ALL: u8 = 2;

struct Shared {
    control_plane: ControlPlane,
    helm: PathBuf,
}

/// A namespace, its repository, its operator.
pub struct Scene {
    /// The operator; it sees this namespace only.
    pub operator: Operator,
    /// The repository; known in the namespace as `charts`.
    pub repository: ChartRepository,
    /// The namespace.
    pub namespace: Namespace,
    /// What all of it runs on; shared with the binary's other tests.
    pub control_plane: &'static ControlPlane,
}

impl Scene {
    /// Sets the scene, in a namespace of this name, with these charts of e2e/charts in the repository.
    pub fn set(name: &str, charts: &[&str]) -> Result<Self> {
        Self::with(name, charts, Some(name.to_owned()))
    }

    /// The same with an operator that looks at all namespaces. It would meddle with other scenes, so a program that sets
    /// one such scene sets no other.
    pub fn everywhere(name: &str) -> Result<Self> {
        Self::with(name, &[], None)
    }

    fn with(name: &str, charts: &[&str], operated: Option<String>) -> Result<Self> {
        let shared = shared()?;
        let before = SCENES.fetch_or(if operated.is_some() { ONE } else { ALL }, Ordering::Relaxed);
        ensure!(
            before & ALL == 0 && (before == 0 || operated.is_some()),
            "an operator of this program's other tests looks at all namespaces"
        );
        let repository = ChartRepository::start()?;
        for chart in charts {
            repository.add_folder(&root().join("e2e/charts").join(chart))?;
        }
        let namespace = Namespace::create(name, shared.control_plane.admin(), &shared.helm)?;
        namespace.put_repository("charts", &json!({"url": repository.url(), "interval": "10m"}))?;
        let options = OperatorOptions { namespace: operated, ..OperatorOptions::default() };
        let operator = Operator::start(&shared.control_plane, name, options)?;
        Ok(Self { operator, repository, namespace, control_plane: &shared.control_plane })
    }

    /// Lets the operator go through a proxy of faults from now on.
    pub fn put_proxy_between(&mut self) -> Result<FaultProxy> {
        self.operator.kill();
        let name = self.namespace.name();
        let proxy = FaultProxy::start(self.control_plane, name)?;
        let options = OperatorOptions {
            namespace: Some(name.to_owned()),
            kubeconfig: Some(proxy.kubeconfig().to_owned()),
            ..OperatorOptions::default()
        };
        self.operator = Operator::start(self.control_plane, name, options)?;
        Ok(proxy)
    }

    /// Puts a chart into the repository, from its files (`templates/a.yaml`, …), and has the operator look for it.
    pub fn publish(&self, name: &str, version: &str, files: &[(&str, &str)]) -> Result<()> {
        let chart = format!("apiVersion: v2\nname: {name}\nversion: {version}\n");
        let mut entries = vec![(format!("{name}/Chart.yaml"), chart.into_bytes())];
        entries.extend(files.iter().map(|(path, text)| (format!("{name}/{path}"), text.as_bytes().to_vec())));
        let bytes = archive(entries)?;
        self.repository.add(Packaged { name: name.into(), version: version.into(), app_version: "1".into(), bytes });
        self.namespace.request(HELMREPOSITORY, "charts")
    }

    /// Puts a chart named `any` into the repository that renders whatever objects its values list (`objects`).
    pub fn publish_any(&self) -> Result<()> {
        let template = "{{ range .Values.objects }}\n---\n{{ toYaml . }}\n{{ end }}";
        self.publish("any", "1.0.0", &[("templates/objects.yaml", template)])
    }

    /// Another namespace beside the scene's own, which the operator does not look at.
    pub fn elsewhere(&self, name: &str) -> Result<Namespace> {
        Namespace::create(name, self.control_plane.admin(), &shared()?.helm)
    }

    /// Kills the operator and starts it again with these arguments.
    pub fn restart_operator_with(&mut self, args: &[&str]) -> Result<()> {
        self.operator.kill();
        let name = self.namespace.name();
        let args = args.iter().map(|arg| (*arg).to_owned()).collect();
        let options = OperatorOptions { namespace: Some(name.to_owned()), args, ..OperatorOptions::default() };
        self.operator = Operator::start(self.control_plane, name, options)?;
        Ok(())
    }

    /// Kills the operator and starts it again.
    pub fn restart_operator(&mut self) -> Result<()> {
        self.operator.restart(self.control_plane)
    }

    /// Helm's program.
    pub fn helm_program() -> Result<PathBuf> {
        Ok(shared()?.helm.clone())
    }
}

fn shared() -> Result<&'static Shared> {
    static SHARED: OnceLock<Result<Shared, String>> = OnceLock::new();
    let start = || -> Result<Shared> {
        // The first thing that can go wrong should: no control plane is needed to see that the program does not build.
        pintle()?;
        let mut report = |line: &str| eprintln!("{line}");
        let tools = build_controlplane(&mut report)?;
        let helm = build_helm(&mut report)?;
        let binary = std::env::current_exe()?;
        let name = binary.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        // Cargo's suffix would leave one folder a build.
        let name = name.rsplit_once('-').map_or(name.as_str(), |(name, _)| name);
        let control_plane = ControlPlane::start(&tools, &state(name)?)?;
        control_plane.prepare_for_operator()?;
        Ok(Shared { control_plane, helm })
    };
    SHARED.get_or_init(|| start().map_err(|error| format!("{error:#}"))).as_ref().map_err(|error| anyhow!("{error}"))
}

/// A folder of this process's own, so that the same tests may run twice at a time. What ended processes left is removed.
fn state(name: &str) -> Result<PathBuf> {
    let all = root().join("target/e2e");
    std::fs::create_dir_all(&all)?;
    for entry in std::fs::read_dir(&all)?.flatten() {
        let file = entry.file_name().to_string_lossy().into_owned();
        let owner = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        if owner.is_some_and(|id| !std::path::Path::new("/proc").join(id).exists()) {
            // Somebody else may be doing the same.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(all.join(format!("{name}-{}", std::process::id())))
}
