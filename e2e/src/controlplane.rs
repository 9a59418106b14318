//! etcd, kube-apiserver, kube-controller-manager, kube-scheduler and kwok on loopback, on free ports, with all their
//! state in one folder.

use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::binary::root;
use crate::kubectl::Kubectl;
use crate::process::{Process, spawn};
use crate::tools::ControlPlaneTools;
use crate::wait::wait_until;

/// The user that the operator is: the service account of config/, so that exactly its rights apply.
pub const OPERATOR_USER: &str = "system:serviceaccount:pintle-system:pintle";

const STARTUP: Duration = Duration::from_secs(90);

/// A running control plane with one simulated node. Everything ends when it is dropped.
pub struct ControlPlane {
    folder: PathBuf,
    tools: ControlPlaneTools,
    processes: Mutex<Vec<Process>>,
    server: String,
    users: Users,
}

/// One kubeconfig a user.
#[derive(Clone, Debug)]
pub struct Users {
    /// May do everything (group `system:masters`).
    pub admin: PathBuf,
    /// [`OPERATOR_USER`]; has the rights that RBAC objects give it, none by default.
    pub operator: PathBuf,
}

impl ControlPlane {
    /// Starts everything with its state in `folder`, which is emptied first; answers when the node is ready.
    pub fn start(tools: &ControlPlaneTools, folder: &Path) -> Result<Self> {
        // Ports are found by asking for free ones and then given to programs that bind them a moment later: somebody
        // else may be faster.
        let mut attempt = 1;
        loop {
            match Self::try_start(tools, folder) {
                Err(error) if attempt < 3 && format!("{error:#}").contains("address already in use") => attempt += 1,
                done => return done,
            }
        }
    }

    fn try_start(tools: &ControlPlaneTools, folder: &Path) -> Result<Self> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot empty {}", folder.display()))?;
        }
        fs::create_dir_all(folder.join("logs")).with_context(|| format!("cannot create {}", folder.display()))?;
        let folder = folder.canonicalize()?;
        let [etcd, peers, api, kubelet] = free_ports()?;
        let server = format!("https://127.0.0.1:{api}");
        let users = Users { admin: folder.join("admin.kubeconfig"), operator: folder.join("operator.kubeconfig") };
        let this = Self { folder, tools: tools.clone(), processes: Mutex::default(), server, users };
        this.secrets()?;
        this.etcd(etcd, peers)?;
        this.api_server(etcd, api)?;
        this.controllers(kubelet)?;
        Ok(this)
    }

    /// The signing key, the tokens and the kubeconfigs.
    fn secrets(&self) -> Result<()> {
        let key = self.tools.program("signing-key").output().context("cannot make a signing key")?;
        ensure!(key.status.success(), "signing-key ended with {}", key.status);
        fs::write(self.folder.join("signing.key"), key.stdout)?;
        let (admin, operator) = (token()?, token()?);
        fs::write(
            self.folder.join("tokens.csv"),
            format!(
                "{admin},admin,admin,system:masters\n\
                 {operator},{OPERATOR_USER},operator,\"system:serviceaccounts,system:serviceaccounts:pintle-system\"\n"
            ),
        )?;
        // The API server writes its own certificate, and the authority that signed it into the same file.
        let authority = self.folder.join("certificates/apiserver.crt");
        for (file, user, token) in [(&self.users.admin, "admin", &admin), (&self.users.operator, "operator", &operator)]
        {
            let text = format!(
                "apiVersion: v1\nkind: Config\ncurrent-context: pintle\n\
                 clusters:\n- name: pintle\n  cluster: {{server: \"{}\", certificate-authority: \"{}\"}}\n\
                 users:\n- name: {user}\n  user: {{token: \"{token}\"}}\n\
                 contexts:\n- name: pintle\n  context: {{cluster: pintle, user: {user}, namespace: default}}\n",
                self.server,
                authority.display()
            );
            fs::write(file, text)?;
        }
        // Every request of the operator is written down, so that tests can say what it costs; nobody else's is.
        let policy = format!(
            "apiVersion: audit.k8s.io/v1\nkind: Policy\nomitStages: [RequestReceived, ResponseStarted]\nrules:\n\
             - {{level: Metadata, users: [\"{OPERATOR_USER}\"]}}\n- {{level: None}}\n"
        );
        fs::write(self.folder.join("audit-policy.yaml"), policy)?;
        Ok(())
    }

    fn spawn(&self, name: &str, command: &mut Command) -> Result<()> {
        let log = self.folder.join("logs").join(format!("{name}.log"));
        let process = spawn(name, command, &log)?;
        self.processes().push(process);
        Ok(())
    }

    fn etcd(&self, clients: u16, peers: u16) -> Result<()> {
        let (clients, peers) = (format!("http://127.0.0.1:{clients}"), format!("http://127.0.0.1:{peers}"));
        let mut command = self.tools.program("server");
        command
            .arg("--data-dir")
            .arg(self.folder.join("etcd"))
            .args(["--listen-client-urls", &clients, "--advertise-client-urls", &clients])
            .args(["--listen-peer-urls", &peers, "--initial-advertise-peer-urls", &peers])
            .args(["--initial-cluster", &format!("default={peers}"), "--unsafe-no-fsync", "--log-level", "warn"]);
        self.spawn("etcd", &mut command)
    }

    fn api_server(&self, etcd: u16, port: u16) -> Result<()> {
        let file = |name: &str| self.folder.join(name).display().to_string();
        let mut command = self.tools.program("kube-apiserver");
        command.args([
            format!("--etcd-servers=http://127.0.0.1:{etcd}"),
            format!("--secure-port={port}"),
            "--bind-address=127.0.0.1".into(),
            "--advertise-address=127.0.0.1".into(),
            format!("--cert-dir={}", file("certificates")),
            format!("--service-account-key-file={}", file("signing.key")),
            format!("--service-account-signing-key-file={}", file("signing.key")),
            "--service-account-issuer=https://kubernetes.default.svc".into(),
            format!("--token-auth-file={}", file("tokens.csv")),
            format!("--audit-policy-file={}", file("audit-policy.yaml")),
            format!("--audit-log-path={}", file("audit.log")),
            "--authorization-mode=RBAC".into(),
            "--service-cluster-ip-range=10.96.0.0/16".into(),
            "--endpoint-reconciler-type=none".into(),
            "--kubelet-preferred-address-types=InternalIP".into(),
            "--allow-privileged=true".into(),
        ]);
        self.spawn("kube-apiserver", &mut command)?;
        let kubectl = self.admin();
        wait_until("the API server answers", STARTUP, || {
            self.check()?;
            Ok(kubectl.run(&["get", "--raw", "/readyz"]).map_err(|error| format!("{error:#}")))
        })?;
        Ok(())
    }

    fn controllers(&self, kubelet: u16) -> Result<()> {
        let kubeconfig = format!("--kubeconfig={}", self.users.admin.display());
        let mut manager = self.tools.program("kube-controller-manager");
        manager.args([
            kubeconfig.clone(),
            format!("--service-account-private-key-file={}", self.folder.join("signing.key").display()),
            "--use-service-account-credentials=true".into(),
            "--leader-elect=false".into(),
            "--secure-port=0".into(),
            // With its own limits it takes minutes over the objects of five hundred releases, and it is not what is tried.
            "--kube-api-qps=1000".into(),
            "--kube-api-burst=2000".into(),
            "--concurrent-deployment-syncs=20".into(),
        ]);
        self.spawn("kube-controller-manager", &mut manager)?;
        let mut scheduler = self.tools.program("kube-scheduler");
        scheduler.args([
            &kubeconfig,
            "--leader-elect=false",
            "--secure-port=0",
            "--kube-api-qps=1000",
            "--kube-api-burst=2000",
        ]);
        self.spawn("kube-scheduler", &mut scheduler)?;

        let stages =
            fs::read_to_string(root().join("e2e/controlplane/kwok.yaml")).context("cannot read the simulation")?;
        let output = self.folder.join("container-output.log");
        fs::write(&output, LOG)?;
        let config = self.folder.join("kwok.yaml");
        fs::write(&config, stages.replace("LOGS_FILE", &output.display().to_string()))?;
        let certificates = self.folder.join("certificates");
        let mut kwok = self.tools.program("kwok");
        kwok.args([
            kubeconfig,
            format!("--config={}", config.display()),
            "--manage-all-nodes=true".into(),
            "--node-lease-duration-seconds=40".into(),
            "--node-ip=127.0.0.1".into(),
            format!("--node-port={kubelet}"),
            format!("--server-address=127.0.0.1:{kubelet}"),
            format!("--tls-cert-file={}", certificates.join("apiserver.crt").display()),
            format!("--tls-private-key-file={}", certificates.join("apiserver.key").display()),
        ]);
        self.spawn("kwok", &mut kwok)?;

        let kubectl = self.admin();
        kubectl.apply(NODE)?;
        kubectl.apply(&(0..VOLUMES).map(volume).collect::<String>())?;
        wait_until("the node is ready and namespaces have service accounts", STARTUP, || {
            self.check()?;
            let ready = kubectl.run(&[
                "get",
                "node",
                "node-0",
                "-o",
                "jsonpath={.status.conditions[?(@.type=='Ready')].status}",
            ])?;
            let account = kubectl.find("default", "serviceaccount", "default")?;
            Ok(if ready == "True" && account.is_some() { Ok(()) } else { Err(format!("node ready: {ready}")) })
        })
    }

    /// kubectl as the user who may do everything.
    #[must_use]
    pub fn admin(&self) -> Kubectl {
        Kubectl::new(self.tools.folder().join("kubectl"), self.users.admin.clone())
    }

    /// kubectl as the operator.
    #[must_use]
    pub fn as_operator(&self) -> Kubectl {
        Kubectl::new(self.tools.folder().join("kubectl"), self.users.operator.clone())
    }

    /// The kubeconfigs.
    #[must_use]
    pub fn users(&self) -> &Users {
        &self.users
    }

    /// Where the API server listens.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The folder with the state, and the log files under `logs/`.
    #[must_use]
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The programs it was built from.
    #[must_use]
    pub fn tools(&self) -> &ControlPlaneTools {
        &self.tools
    }

    /// Fails, with the end of its log, if a part of it is no longer running.
    pub fn check(&self) -> Result<()> {
        self.processes().iter_mut().try_for_each(Process::check)
    }

    fn processes(&self) -> MutexGuard<'_, Vec<Process>> {
        self.processes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Installs the definitions of HelmRelease and HelmRepository and the operator's rights, as `config/` has them.
    pub fn prepare_for_operator(&self) -> Result<()> {
        let kubectl = self.admin();
        let config = |part: &str| root().join("config").join(part).display().to_string();
        kubectl.run(&["apply", "--server-side", "-k", &config("crd")])?;
        kubectl.run(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"])?;
        kubectl.run(&["apply", "--server-side", "-f", &config("operator/namespace.yaml")])?;
        kubectl.run(&["apply", "--server-side", "-k", &config("rbac")])?;
        Ok(())
    }

    /// The operator's requests so far: one `VERB path` each, as the API server wrote them down on completion.
    pub fn operator_requests(&self) -> Result<Vec<String>> {
        let text = fs::read_to_string(self.folder.join("audit.log")).unwrap_or_default();
        let mut requests = Vec::new();
        for line in text.lines() {
            let event: serde_json::Value = serde_json::from_str(line).context("a line of the audit log is not JSON")?;
            let (verb, path) =
                (event["verb"].as_str().unwrap_or_default(), event["requestURI"].as_str().unwrap_or_default());
            requests.push(format!("{verb} {path}"));
        }
        Ok(requests)
    }

    /// Stops everything at once: the state is not needed again. The same as dropping it.
    pub fn stop(self) {
        drop(self);
    }
}

const NODE: &str = "
apiVersion: v1
kind: Node
metadata:
  name: node-0
  annotations: {kwok.x-k8s.io/node: fake}
  labels: {kubernetes.io/hostname: node-0, kubernetes.io/os: linux, kubernetes.io/arch: amd64, type: kwok}
";

/// Claims without a storage class are bound to these; there is no provisioner.
const VOLUMES: usize = 8;

fn volume(number: usize) -> String {
    format!(
        "apiVersion: v1\nkind: PersistentVolume\nmetadata: {{name: volume-{number}}}\n\
         spec: {{capacity: {{storage: 100Gi}}, accessModes: [ReadWriteOnce], hostPath: {{path: /nowhere}}}}\n---\n"
    )
}

/// What every simulated container says, in the format of the container runtime interface.
const LOG: &str = "\
2026-01-01T00:00:00.000000000Z stdout F starting
2026-01-01T00:00:01.000000000Z stdout F listening on :8080
2026-01-01T00:00:02.000000000Z stderr F cannot connect to database: connection refused
";

pub(crate) fn free_ports<const N: usize>() -> Result<[u16; N]> {
    // All are held at once, so that no port is found twice.
    let mut listeners = Vec::with_capacity(N);
    let mut ports = [0; N];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port on loopback")?;
        *port = listener.local_addr()?.port();
        listeners.push(listener);
    }
    Ok(ports)
}

fn token() -> Result<String> {
    let mut bytes = [0u8; 16];
    fs::File::open("/dev/urandom").and_then(|mut file| file.read_exact(&mut bytes)).context("no randomness")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
