//! A kubeconfig that somebody else wrote: read without ever doing what it may ask for, which is to run programs, to read files
//! of the process that reads it, and to trust whoever answers.

use kube::config::{KubeConfigOptions, Kubeconfig};

use super::client::Cluster;
use super::error::Error;
use super::token::Token;
use std::sync::Arc;

/// Longest kubeconfig.
const SIZE: usize = 1 << 20;

/// What a kubeconfig of somebody else may ask for beyond credentials that are written in it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trust {
    /// Programs that give credentials are run, in the operator's own place.
    pub programs: bool,
    /// A server's certificate need not be checked.
    pub insecure_tls: bool,
}

/// A kubeconfig's current context, found harmless.
#[derive(Debug)]
pub struct Checked {
    /// The server's address.
    pub server: http::Uri,
    config: kube::Config,
}

/// Reads a kubeconfig and refuses what is not allowed.
///
/// # Errors
/// What is wrong with it, for whoever wrote it; never with a credential in it.
pub async fn check(text: &[u8], trust: Trust) -> Result<Checked, String> {
    if text.len() > SIZE {
        return Err(format!("it has {} bytes, more than {SIZE}", text.len()));
    }
    let text = std::str::from_utf8(text).map_err(|_| "it is no text")?;
    // The reader's own words may quote what it read.
    let file = Kubeconfig::from_yaml(text).map_err(|_| "it is no kubeconfig in YAML")?;
    let name = file.current_context.clone().filter(|name| !name.is_empty()).ok_or("it has no current-context")?;
    let context = file.contexts.iter().find(|c| c.name == name).and_then(|c| c.context.as_ref());
    let context = context.ok_or_else(|| format!("it has no context {name}, which is its current-context"))?;
    let cluster = file.clusters.iter().find(|c| c.name == context.cluster).and_then(|c| c.cluster.as_ref());
    let cluster = cluster.ok_or_else(|| format!("it has no cluster {}", context.cluster))?;
    if cluster.insecure_skip_tls_verify == Some(true) && !trust.insecure_tls {
        return Err("insecure-skip-tls-verify is set: give the server's certificate authority instead, \
                    or allow it for all releases with --insecure-kubeconfig-tls"
            .into());
    }
    if cluster.proxy_url.is_some() {
        return Err("proxy-url is set, which is not supported".into());
    }
    let user = context.user.as_ref().and_then(|user| file.auth_infos.iter().find(|a| a.name == *user));
    let user = user.and_then(|user| user.auth_info.as_ref());
    if user.is_some_and(|user| user.exec.is_some() || user.auth_provider.is_some()) && !trust.programs {
        return Err("its user has exec or auth-provider, which run programs: give a token or a client certificate \
                    instead, or allow them for all releases with --insecure-kubeconfig-exec"
            .into());
    }
    let files = [
        ("certificate-authority", cluster.certificate_authority.is_some()),
        ("client-certificate", user.is_some_and(|user| user.client_certificate.is_some())),
        ("client-key", user.is_some_and(|user| user.client_key.is_some())),
        ("tokenFile", user.is_some_and(|user| user.token_file.is_some())),
    ];
    if let Some((field, _)) = files.iter().find(|(_, set)| *set) {
        let instead = if *field == "tokenFile" { "token".to_owned() } else { format!("{field}-data") };
        return Err(format!("{field} names a file of the operator's own: give {instead} instead"));
    }
    // Other contexts have not been looked at.
    let options = KubeConfigOptions { context: Some(name), ..KubeConfigOptions::default() };
    let mut config = kube::Config::from_custom_kubeconfig(file, &options)
        .await
        .map_err(|_| "its server, certificates or credentials cannot be read")?;
    // What the operator's own environment says about proxies is for its own API server.
    config.proxy_url = None;
    if config.cluster_url.scheme_str() != Some("https") && !trust.insecure_tls {
        return Err("its server is not https".into());
    }
    Ok(Checked { server: config.cluster_url.clone(), config })
}

impl Checked {
    /// A client. Nothing is sent yet.
    ///
    /// # Errors
    /// When certificates or credentials are of no use.
    pub async fn connect(self) -> Result<Arc<Cluster>, Error> {
        Cluster::new(self.config).await
    }

    /// A client for whoever has a token. Nothing is sent yet.
    ///
    /// # Errors
    /// When certificates are of no use.
    pub fn connect_with(self, token: Token) -> Result<Arc<Cluster>, Error> {
        Cluster::with_token(self.config, token)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::{Value, json};

    fn text(cluster: &Value, user: &Value) -> String {
        json!({"apiVersion": "v1", "kind": "Config", "current-context": "there",
            "contexts": [{"name": "there", "context": {"cluster": "there", "user": "me"}}],
            "clusters": [{"name": "there", "cluster": cluster}], "users": [{"name": "me", "user": user}]})
        .to_string()
    }

    #[tokio::test]
    async fn what_is_refused() {
        let server = "https://api.example.org:6443";
        let plain = json!({"server": server});
        let token = json!({"token": "t0p-secret"});
        let with = |field: &str, value: Value| {
            let mut cluster = plain.clone();
            cluster[field] = value;
            cluster
        };
        let nothing = Trust::default();
        let all = Trust { programs: true, insecure_tls: true };
        let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "true"}});
        for (text, trust, refusal) in [
            (text(&plain, &token), nothing, None),
            (text(&plain, &exec), nothing, Some("exec")),
            (text(&plain, &json!({"auth-provider": {"name": "gcp", "config": {}}})), nothing, Some("auth-provider")),
            (text(&plain, &json!({"tokenFile": "/etc/passwd"})), all, Some("give token instead")),
            (text(&plain, &json!({"client-key": "/k"})), all, Some("give client-key-data instead")),
            (text(&plain, &json!({"client-certificate": "/c"})), all, Some("client-certificate-data")),
            (text(&with("certificate-authority", json!("/ca")), &token), all, Some("certificate-authority-data")),
            (text(&with("insecure-skip-tls-verify", json!(true)), &token), nothing, Some("--insecure-kubeconfig-tls")),
            (text(&with("insecure-skip-tls-verify", json!(true)), &token), all, None),
            (text(&with("proxy-url", json!("http://p")), &token), all, Some("proxy-url")),
            (text(&with("server", json!("http://api.example.org")), &token), nothing, Some("not https")),
            (text(&json!({"server": "://"}), &token), nothing, Some("cannot be read")),
            ("current-context: x".into(), nothing, Some("no context x")),
            ("{}".into(), nothing, Some("no current-context")),
            ("t0p-secret: [".into(), nothing, Some("no kubeconfig")),
            ("#".repeat(SIZE + 1), nothing, Some("bytes")),
        ] {
            match (check(text.as_bytes(), trust).await, refusal) {
                (Ok(checked), None) => assert_eq!(checked.server.host(), Some("api.example.org"), "{text}"),
                (Err(error), Some(refusal)) => {
                    assert!(error.contains(refusal) && !error.contains("t0p-secret"), "{text}: {error}");
                }
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
    }
}
