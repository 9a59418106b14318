//! The file in which docker, helm and others keep who is who at which registry, also as a Secret's `.dockerconfigjson`.

use std::collections::BTreeMap;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Url;
use serde::Deserialize;

use super::super::repository::{Credentials, Repository};

/// Names of one registry.
const DOCKER: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// Who is who at which registry.
#[derive(Clone, Default, Deserialize)]
pub struct DockerConfig {
    #[serde(default)]
    auths: Option<BTreeMap<String, Entry>>,
    /// Programs that know the credentials of one registry, by its host.
    #[serde(default, rename = "credHelpers")]
    helpers: Option<BTreeMap<String, String>>,
    /// A program that knows the credentials of all.
    #[serde(default, rename = "credsStore")]
    store: Option<String>,
}

#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Entry {
    username: Option<String>,
    password: Option<String>,
    auth: Option<String>,
    identitytoken: Option<String>,
}

impl DockerConfig {
    /// Reads the file.
    ///
    /// # Errors
    /// What is wrong with it. Nothing of what it says, since it holds secrets.
    pub fn parse(bytes: &[u8]) -> Result<DockerConfig, String> {
        serde_json::from_slice(bytes)
            .map_err(|error| format!("it is no docker config: line {}, column {}", error.line(), error.column()))
    }

    /// The credentials for a registry, if the file has some itself.
    ///
    /// # Errors
    /// Why those that it has cannot be used.
    pub fn credentials(&self, registry: &Repository) -> Result<Option<Credentials>, String> {
        let auths = self.auths.iter().flatten();
        // A host may be there several times: as it is, and as an address.
        for (host, entry) in auths.filter(|(host, _)| is_of(host, registry)) {
            if let Some(credentials) = entry.credentials().map_err(|why| format!("{host}: {why}"))? {
                return Ok(Some(credentials));
            }
        }
        Ok(None)
    }

    /// The program that knows the credentials for a registry, if one does: the end of its name, which begins with
    /// `docker-credential-`.
    pub fn helper(&self, registry: &Repository) -> Option<&str> {
        let own = self.helpers.iter().flatten().find(|(host, _)| is_of(host, registry)).map(|(_, name)| name);
        own.or(self.store.as_ref()).map(String::as_str).filter(|name| !name.is_empty())
    }
}

impl Entry {
    fn credentials(&self) -> Result<Option<Credentials>, &'static str> {
        let given = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        if given(&self.identitytoken).is_some() {
            return Err("an identity token cannot be used: a username and a password can");
        }
        if let Some(auth) = given(&self.auth) {
            let text = BASE64_STANDARD.decode(auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            let text = text.ok_or("auth is no base64 of a text")?;
            let (username, password) = text.split_once(':').ok_or("auth has no password")?;
            let (username, password) = (username.to_owned(), password.trim_end_matches('\0').to_owned());
            return Ok(Some(Credentials { username, password }));
        }
        let credentials = given(&self.username).zip(given(&self.password));
        Ok(credentials.map(|(username, password)| Credentials { username, password }))
    }
}

/// Whether a key of the file, a host or an address, means this registry.
fn is_of(key: &str, registry: &Repository) -> bool {
    let host = key.split_once("://").map_or(key, |(_, rest)| rest);
    let host = host.split('/').next().unwrap_or_default();
    let docker = registry.url().host_str().is_some_and(|host| DOCKER.contains(&host));
    if docker && DOCKER.contains(&host) {
        return true;
    }
    Url::parse(&format!("{}://{host}", registry.url().scheme())).is_ok_and(|url| registry.is_own(&url))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check(config: &str, registry: &str, expected: &str) {
        let registry = Repository::registry(registry, false).unwrap();
        let got = DockerConfig::parse(config.as_bytes()).and_then(|config| config.credentials(&registry));
        let got = match got {
            Ok(None) => "none".to_owned(),
            Ok(Some(Credentials { username, password })) => format!("{username}/{password}"),
            Err(why) => why,
        };
        assert_eq!(got, expected, "{config}");
    }

    #[test]
    fn credentials_of_a_host() {
        let auth = |host: &str| format!(r#"{{"auths":{{"{host}":{{"auth":"dTpw"}}}}}}"#); // u:p
        check(&auth("h"), "oci://h/x", "u/p");
        check(&auth("https://h/v1/"), "oci://h/x", "u/p");
        check(&auth("h:443"), "oci://h/x", "u/p");
        check(&auth("h:5000"), "oci://h/x", "none");
        check(&auth("h.evil"), "oci://h/x", "none");
        check(&auth("https://index.docker.io/v1/"), "oci://docker.io/x", "u/p");
        check(&auth("evil@h"), "oci://evil/x", "none");
        check(r#"{"auths":{"h":{"username":"a","password":"b"}}}"#, "oci://h", "a/b");
        check(r#"{"auths":{"h":{},"https://h":{"auth":"dTpw"}}}"#, "oci://h", "u/p");
        check(r#"{"auths":{"h":{"auth":"?"}}}"#, "oci://h", "h: auth is no base64 of a text");
        check(r#"{"auths":{"h":{"auth":"dQ=="}}}"#, "oci://h", "h: auth has no password");
        check(
            r#"{"auths":{"h":{"identitytoken":"t"}}}"#,
            "oci://h",
            "h: an identity token cannot be used: a username and a password can",
        );
        check("{}", "oci://h", "none");
        check(r#"{"auths":"secret"}"#, "oci://h", "it is no docker config: line 1, column 17");
    }

    #[test]
    fn helpers() {
        let config = r#"{"credHelpers":{"h":"one"},"credsStore":"all"}"#;
        let config = DockerConfig::parse(config.as_bytes()).unwrap();
        let of = |url: &str| config.helper(&Repository::registry(url, false).unwrap()).unwrap().to_owned();
        assert_eq!((of("oci://h/x").as_str(), of("oci://g/x").as_str()), ("one", "all"));
    }
}
