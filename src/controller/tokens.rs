//! Clusters that are reached without a stored secret (`spec.kubeConfig.configMapRef`): a ConfigMap says where the server is, and
//! a token of a service account shows who asks. The token is made anew before it ends.

use super::resolve::Blocked;
use crate::cluster::{Class, Cluster, Error, Token};
use base64::{Engine, prelude::BASE64_STANDARD};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// How long a token is asked for.
const LIFE: Duration = Duration::from_secs(3600);
/// The shortest time between two tokens, and the pause after a failure.
const SHORTEST: Duration = Duration::from_secs(30);
/// Audiences that a token may be for.
const AUDIENCES: usize = 16;

/// What a ConfigMap says of a cluster.
#[derive(Debug, PartialEq, Eq)]
pub struct Described {
    /// A kubeconfig with the server and its certificate authority, and without a user.
    pub kubeconfig: String,
    /// Whom tokens are for.
    pub audiences: Vec<String>,
    /// The account whose tokens they are, if it is named.
    pub account: Option<String>,
}

/// Reads a ConfigMap.
///
/// # Errors
/// What is wrong with it.
pub fn describe(entries: &BTreeMap<String, Vec<u8>>) -> Result<Described, Blocked> {
    let text = |key: &str| {
        let text = entries.get(key).and_then(|bytes| std::str::from_utf8(bytes).ok()).map(str::trim);
        text.filter(|text| !text.is_empty())
    };
    let unusable = |why: String| Blocked::until_change("RESTClientError", why);
    match text("provider") {
        Some("generic") => {}
        Some(other) => {
            return Err(Blocked::for_good(
                "UnsupportedField",
                format!("provider {other:?} is not supported: only generic is, or a kubeconfig in a Secret"),
            ));
        }
        None => return Err(unusable("it has no key provider".to_owned())),
    }
    let address = text("address").ok_or_else(|| unusable("it has no key address".to_owned()))?;
    let account = text("serviceAccountName").map(str::to_owned);
    let named = text("audiences").into_iter().flat_map(str::lines).map(str::trim).filter(|line| !line.is_empty());
    let mut audiences: Vec<String> = named.map(str::to_owned).collect();
    if audiences.len() > AUDIENCES {
        return Err(unusable(format!("it has {} audiences: at most {AUDIENCES} are taken", audiences.len())));
    }
    if audiences.is_empty() {
        audiences.push(address.to_owned());
    }
    let mut server = serde_json::json!({ "server": address });
    if let Some(ca) = entries.get("ca.crt") {
        server["certificate-authority-data"] = BASE64_STANDARD.encode(ca).into();
    }
    let kubeconfig = serde_json::json!({
        "apiVersion": "v1", "kind": "Config", "current-context": "there",
        "contexts": [{"name": "there", "context": {"cluster": "there", "user": "nobody"}}],
        "clusters": [{"name": "there", "cluster": server}], "users": [{"name": "nobody", "user": {}}],
    });
    Ok(Described { kubeconfig: kubeconfig.to_string(), audiences, account })
}

/// How tokens are come by.
pub struct Mint {
    /// Who asks for them, in the operator's own cluster.
    pub asker: Arc<Cluster>,
    /// Namespace of the account.
    pub namespace: String,
    /// Name of the account.
    pub account: String,
    /// Whom they are for.
    pub audiences: Vec<String>,
}

impl Mint {
    /// A token, and how long it may be used.
    ///
    /// # Errors
    /// If the API server gives none.
    pub async fn token(&self) -> Result<(String, Duration), Error> {
        self.asker.token(&self.namespace, &self.account, &self.audiences, LIFE).await
    }

    /// Replaces the token whenever half of its time is over; ends never.
    pub async fn keep(self, token: Token, mut life: Duration) {
        loop {
            tokio::time::sleep((life / 2).max(SHORTEST)).await;
            match self.token().await {
                Ok((text, next)) if token.replace(&text) => life = next,
                Ok(_) => life = SHORTEST,
                Err(error) => {
                    tracing::warn!(namespace = %self.namespace, account = %self.account, %error, "no new token, tried again");
                    life = SHORTEST;
                }
            }
        }
    }
}

/// Why there is no token.
pub fn refused(title: &str, error: &Error) -> Blocked {
    let reason = if error.class() == Class::Forbidden { "AccessDenied" } else { "RESTClientError" };
    Blocked::for_now(reason, format!("{title}: {error}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn entries(texts: &[(&str, &str)]) -> BTreeMap<String, Vec<u8>> {
        texts.iter().map(|(key, text)| ((*key).to_owned(), text.as_bytes().to_vec())).collect()
    }

    #[test]
    fn what_a_config_map_says() {
        let server = ("address", "https://api.example.org:6443");
        let generic = ("provider", "generic");
        let many = "a\n".repeat(17);
        for (texts, expected) in [
            (vec![generic, server], Ok((vec![server.1], None))),
            (
                vec![
                    generic,
                    server,
                    ("audiences", "one\n\n two \n"),
                    ("serviceAccountName", "deployer\n"),
                    ("ca.crt", "PEM"),
                ],
                Ok((vec!["one", "two"], Some("deployer"))),
            ),
            (vec![server], Err("no key provider")),
            (vec![generic], Err("no key address")),
            (vec![("provider", "aws"), ("cluster", "arn:…")], Err("provider \"aws\" is not supported")),
            (vec![("provider", "gcp"), server], Err("provider \"gcp\"")),
            (vec![generic, server, ("audiences", &many)], Err("17 audiences")),
        ] {
            match (describe(&entries(&texts)), expected) {
                (Ok(found), Ok((audiences, account))) => {
                    assert_eq!(
                        (&found.audiences[..], found.account.as_deref()),
                        (&audiences.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()[..], account)
                    );
                    assert_eq!(found.kubeconfig.contains("UEVN"), texts.len() > 2, "{}", found.kubeconfig);
                }
                (Err(found), Err(why)) => assert!(found.message.contains(why), "{texts:?}: {}", found.message),
                (found, _) => panic!("{texts:?}: {found:?}"),
            }
        }
    }
}
