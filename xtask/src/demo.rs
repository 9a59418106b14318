//! `cargo xtask demo`: Pintle on a control plane of its own, with the samples applied, for people to try things on.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};
use pintle_e2e::{ChartRepository, ControlPlane, Operator, OperatorOptions, build_controlplane, build_helm, root};

use crate::narrator::{Clock, follow};

/// The samples that the demo applies, in the order in which they are told about.
const SAMPLES: [&str; 8] = [
    "helmrelease.yaml",
    "values-from.yaml",
    "depends-on.yaml",
    "hooks-and-tests.yaml",
    "remediation.yaml",
    "service-account.yaml",
    "drift.yaml",
    "tera.yaml",
];

/// Everything that runs in a demo. Dropping it ends all of it, the operator first.
pub(crate) struct Stage {
    /// The operator.
    pub(crate) operator: Operator,
    /// The chart repository.
    pub(crate) repository: ChartRepository,
    /// The control plane.
    pub(crate) control_plane: ControlPlane,
    /// Helm, to look at releases with.
    pub(crate) helm: PathBuf,
    /// When it began.
    pub(crate) clock: Clock,
}

impl Stage {
    /// Builds what is missing and starts everything.
    pub(crate) fn start() -> Result<Self> {
        let mut report = |line: &str| println!("{line}");
        let tools = build_controlplane(&mut report)?;
        let helm = build_helm(&mut report)?;
        println!("building pintle");
        pintle_e2e::pintle()?;

        let clock = Clock::start();
        clock.say("starting etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok");
        let control_plane = ControlPlane::start(&tools, &root().join("target/demo"))?;
        clock.say(&format!("the API server listens on {}", control_plane.server()));
        let repository = ChartRepository::start()?;
        for chart in ["hello-1.0.0", "hello-1.1.0", "legacy", "greeting"] {
            repository.add_folder(&root().join("e2e/charts").join(chart))?;
        }
        clock.say(&format!("charts are served at {}/index.yaml", repository.url()));
        let kubectl = control_plane.admin();
        control_plane.prepare_for_operator()?;
        let operator = Operator::start(&control_plane, "operator", OperatorOptions::default())?;
        clock.say(&format!(
            "the operator runs as process {}; its log is {}",
            operator.process().id(),
            operator.process().log().display()
        ));
        follow(&kubectl, clock)?;
        Ok(Self { operator, repository, control_plane, helm, clock })
    }
}

/// `cargo xtask demo`
pub(crate) fn run() -> Result<()> {
    let mut stage = Stage::start()?;
    let kubectl = stage.control_plane.admin();
    let samples = root().join("config/samples");
    let repository = fs::read_to_string(samples.join("helmrepository.yaml"))?;
    kubectl.apply(&repository.replace("https://charts.example.com", &stage.repository.url()))?;
    for sample in SAMPLES {
        stage.clock.say(&format!("kubectl apply -f config/samples/{sample}"));
        kubectl.apply_path(&samples.join(sample))?;
    }
    let ready = kubectl.run(&["wait", "--for=condition=Ready", "helmreleases.pintle.dev", "--all", "--timeout=120s"]);
    stage.clock.say(if ready.is_ok() {
        "all releases are ready"
    } else {
        "not all releases are ready; what they say:"
    });
    println!("\n{}", kubectl.run(&["get", "helmrepositories.pintle.dev,helmreleases.pintle.dev", "-A"])?);
    print_lines_to_try(&stage)?;
    loop {
        // Until Ctrl-C, which ends the process; a part that ends by itself is told.
        std::thread::park_timeout(Duration::from_secs(2));
        stage.control_plane.check()?;
        stage.operator.check()?;
    }
}

/// `cargo xtask cluster`
pub(crate) fn cluster() -> Result<()> {
    let tools = build_controlplane(&mut |line| println!("{line}"))?;
    let folder = root().join(format!("target/cluster-{}", std::process::id()));
    let control_plane = ControlPlane::start(&tools, &folder)?;
    println!("export KUBECONFIG={}", control_plane.users().admin.display());
    println!("export PATH={}:$PATH", tools.folder().display());
    loop {
        std::thread::park_timeout(Duration::from_secs(2));
        control_plane.check()?;
    }
}

fn print_lines_to_try(stage: &Stage) -> Result<()> {
    let tools = stage.control_plane.tools().folder();
    let helm = stage.helm.parent().context("helm in no folder")?;
    println!("In another terminal:\n");
    println!("  export KUBECONFIG={}", stage.control_plane.users().admin.display());
    println!("  export PATH={}:{}:$PATH\n", tools.display(), helm.display());
    for line in [
        "kubectl get helmreleases                       # what runs, in which revision, and is it well",
        "kubectl describe helmrelease hello             # conditions, history, events",
        "helm list                                      # the same releases, as helm sees them",
        "helm history hello; helm get manifest hello",
        "kubectl patch helmrelease hello --type=merge -p '{\"spec\":{\"values\":{\"greeting\":\"Good night\"}}}'",
        "kubectl patch helmrelease hello --type=merge -p '{\"spec\":{\"timeout\":\"20s\",\"values\":{\"sim\":\"crash\"}}}'   # an upgrade that fails",
        "helm rollback hello 1                          # at three in the morning",
        "kubectl delete helmrelease hello",
    ] {
        println!("  {line}");
    }
    println!("\nCtrl-C ends everything.");
    Ok(())
}
