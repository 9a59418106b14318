//! The flags that say which cluster is meant, and the way to it.

use super::values::schema_at;
use crate::{
    cluster::Cluster,
    controller::eyes::{self, Eyes},
    render::Capabilities,
};
use clap::Args;
use kube::config::{KubeConfigOptions, Kubeconfig};
use std::path::PathBuf;

/// Which cluster, as whom.
#[derive(Debug, Args)]
#[command(next_help_heading = "Cluster (its namespace; with --dry-run=server all of it)")]
pub(super) struct KubeFlags {
    /// Path to the kubeconfig file
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// Name of the kubeconfig context to use
    #[arg(long, env = "HELM_KUBECONTEXT")]
    kube_context: Option<String>,
    /// The address and the port for the Kubernetes API server
    #[arg(long, env = "HELM_KUBEAPISERVER")]
    kube_apiserver: Option<String>,
    /// Username to impersonate
    #[arg(long, env = "HELM_KUBEASUSER")]
    kube_as_user: Option<String>,
    /// Group to impersonate (can specify multiple)
    #[arg(long, env = "HELM_KUBEASGROUPS", value_delimiter = ',')]
    kube_as_group: Vec<String>,
    /// The certificate authority file for the Kubernetes API server connection
    #[arg(long, env = "HELM_KUBECAFILE")]
    kube_ca_file: Option<PathBuf>,
    /// The Kubernetes API server's certificate will not be checked for validity
    #[arg(long)]
    kube_insecure_skip_tls_verify: bool,
    /// Server name to use for Kubernetes API server certificate validation
    #[arg(long, env = "HELM_KUBETLS_SERVER_NAME")]
    kube_tls_server_name: Option<String>,
    /// Bearer token used for authentication
    #[arg(long, env = "HELM_KUBETOKEN", hide_env_values = true)]
    kube_token: Option<String>,
}

impl KubeFlags {
    /// The namespace of the context, if it names one.
    pub(super) fn namespace(&self) -> Option<String> {
        let config = self.kubeconfig().ok()?;
        let wanted = self.kube_context.clone().or(config.current_context)?;
        let context = config.contexts.into_iter().find(|c| c.name == wanted)?.context?;
        context.namespace.filter(|namespace| !namespace.is_empty())
    }

    fn kubeconfig(&self) -> Result<Kubeconfig, kube::config::KubeconfigError> {
        match &self.kubeconfig {
            Some(path) => Kubeconfig::read_from(path),
            None => Kubeconfig::read(),
        }
    }

    /// What asks the cluster while templates wait.
    ///
    /// # Errors
    /// If the system has no threads left.
    pub(super) fn runtime() -> Result<tokio::runtime::Runtime, String> {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(1).enable_all().build().map_err(|e| e.to_string())
    }

    /// The cluster's capabilities, and what templates see of it.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub(super) fn connect(&self, runtime: &tokio::runtime::Runtime, dns: bool) -> Result<(Capabilities, Eyes), String> {
        let unreachable = |why: &dyn std::fmt::Display| {
            format!("cluster reachability check failed: kubernetes cluster unreachable: {why}")
        };
        runtime.block_on(async {
            let config = self.config().await.map_err(|why| unreachable(&why))?;
            let cluster = Cluster::new(config).await.map_err(|why| unreachable(&why))?;
            let found = cluster.capabilities().await.map_err(|why| unreachable(&why))?;
            let eyes = Eyes { cluster, runtime: runtime.handle().clone(), dns, schema_at: Some(schema_at) };
            Ok((eyes::capabilities(found), eyes))
        })
    }

    async fn config(&self) -> Result<kube::Config, String> {
        let options = KubeConfigOptions { context: self.kube_context.clone(), ..KubeConfigOptions::default() };
        let found = match self.kubeconfig() {
            Ok(file) => kube::Config::from_custom_kubeconfig(file, &options).await,
            Err(error) => Err(error),
        };
        let mut config = match (found, &self.kube_apiserver) {
            (Ok(config), _) => config,
            // An address will do where there is no file.
            (Err(_), Some(server)) => kube::Config::new(server.parse().map_err(|e| format!("{server}: {e}"))?),
            (Err(error), None) => return Err(error.to_string()),
        };
        if let Some(server) = &self.kube_apiserver {
            config.cluster_url = server.parse().map_err(|e| format!("{server}: {e}"))?;
        }
        if let Some(token) = &self.kube_token {
            config.auth_info.token = Some(token.clone().into());
        }
        if let Some(user) = &self.kube_as_user {
            config.auth_info.impersonate = Some(user.clone());
        }
        if !self.kube_as_group.is_empty() {
            config.auth_info.impersonate_groups = Some(self.kube_as_group.clone());
        }
        if let Some(path) = &self.kube_ca_file {
            let text = std::fs::read(path).map_err(|e| format!("{}: {e}", path.display()))?;
            config.root_cert = Some(certificates(&text).ok_or_else(|| format!("{}: no certificates", path.display()))?);
        }
        config.accept_invalid_certs |= self.kube_insecure_skip_tls_verify;
        if let Some(name) = &self.kube_tls_server_name {
            config.tls_server_name = Some(name.clone());
        }
        Ok(config)
    }
}

/// The certificates of a PEM file, as they are within.
fn certificates(text: &[u8]) -> Option<Vec<Vec<u8>>> {
    use rustls::pki_types::{CertificateDer, pem::PemObject as _};
    let found: Vec<Vec<u8>> =
        CertificateDer::pem_slice_iter(text).map(|one| one.map(|der| der.to_vec())).collect::<Result<_, _>>().ok()?;
    (!found.is_empty()).then_some(found)
}
