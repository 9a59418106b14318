//! From a HelmRepository and the Secrets that it refers to, to a repository that can be asked.

use k8s_openapi::api::core::v1::Secret;

use super::error::Error;
use super::oci::DockerConfig;
use super::repository::{Credentials, DEFAULT_TIMEOUT, Repository, Tls};
use crate::crd::{Duration, HelmRepositorySpec, Provider};

impl Repository {
    /// The repository that a spec describes. `secret` is what `secretRef` refers to, `certificates` what `certSecretRef` does.
    pub fn from_spec(
        spec: &HelmRepositorySpec,
        secret: Option<&Secret>,
        certificates: Option<&Secret>,
    ) -> Result<Repository, Error> {
        let mut repository = if spec.is_oci() { registry(spec)? } else { Repository::new(&spec.url)? };
        // What a registry gets is for that registry alone.
        repository.pass_credentials = spec.pass_credentials && !repository.is_registry();
        repository.timeout = spec.timeout.as_ref().and_then(Duration::get).unwrap_or(DEFAULT_TIMEOUT);
        if let Some(secret) = secret {
            let credentials = match value(secret, ".dockerconfigjson").filter(|_| repository.is_registry()) {
                Some(config) => Some(docker_credentials(secret, &config, &repository)?),
                None => credentials(secret)?,
            };
            repository.tls = tls(secret, ["caFile", "certFile", "keyFile"])?.unwrap_or_default();
            if credentials.is_none() && repository.tls == Tls::default() {
                return Err(lacking(secret, "it has neither username and password nor certificates"));
            }
            repository.credentials = credentials.or(repository.credentials);
        }
        if let Some(secret) = certificates {
            if let Some(kind) = secret.type_.as_deref().filter(|kind| !matches!(*kind, "Opaque" | "kubernetes.io/tls"))
            {
                return Err(lacking(secret, &format!("its type is {kind:?}, not Opaque or kubernetes.io/tls")));
            }
            repository.tls = tls(secret, ["ca.crt", "tls.crt", "tls.key"])?
                .ok_or_else(|| lacking(secret, "it has neither tls.crt and tls.key nor ca.crt"))?;
        }
        Ok(repository)
    }
}

fn registry(spec: &HelmRepositorySpec) -> Result<Repository, Error> {
    if spec.provider.is_some_and(|provider| provider != Provider::Generic) {
        let why = "only generic is served: put the registry's username and password into a Secret for spec.secretRef";
        return Err(Error::Unsupported { field: "spec.provider", why: why.to_owned() });
    }
    Repository::registry(&spec.url, spec.insecure)
}

fn docker_credentials(secret: &Secret, config: &[u8], registry: &Repository) -> Result<Credentials, Error> {
    let found = DockerConfig::parse(config).and_then(|config| config.credentials(registry));
    match found.map_err(|why| lacking(secret, &format!(".dockerconfigjson: {why}")))? {
        Some(credentials) => Ok(credentials),
        None => {
            let host = registry.url().authority();
            Err(lacking(secret, &format!("its .dockerconfigjson has no credentials for {host}")))
        }
    }
}

fn credentials(secret: &Secret) -> Result<Option<Credentials>, Error> {
    let text = |key: &str| match value(secret, key) {
        None => Ok(None),
        Some(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(lacking(secret, &format!("its {key} is no text"))),
        },
    };
    match (text("username")?, text("password")?) {
        (None, None) => Ok(None),
        (Some(username), Some(password)) => Ok(Some(Credentials { username, password })),
        (None, Some(_)) => Err(lacking(secret, "it has a password but no username")),
        (Some(_), None) => Err(lacking(secret, "it has a username but no password")),
    }
}

fn tls(secret: &Secret, [ca, certificate, key]: [&str; 3]) -> Result<Option<Tls>, Error> {
    let identity = match (value(secret, certificate), value(secret, key)) {
        (None, None) => None,
        (Some(certificate), Some(key)) => Some((certificate, key)),
        (None, Some(_)) => return Err(lacking(secret, &format!("it has {key} but no {certificate}"))),
        (Some(_), None) => return Err(lacking(secret, &format!("it has {certificate} but no {key}"))),
    };
    let ca = value(secret, ca);
    let some = ca.is_some() || identity.is_some();
    Ok(some.then_some(Tls { ca, identity, insecure_skip_verify: false }))
}

/// The bytes under a key; an empty value counts as none.
fn value(secret: &Secret, key: &str) -> Option<Vec<u8>> {
    let bytes = &secret.data.as_ref()?.get(key)?.0;
    (!bytes.is_empty()).then(|| bytes.clone())
}

fn lacking(secret: &Secret, why: &str) -> Error {
    let name = secret.metadata.name.as_deref().unwrap_or_default();
    Error::Credentials { what: format!("Secret {name:?}"), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn secret(data: &[(&str, &str)]) -> Secret {
        let json = serde_json::json!({ "metadata": { "name": "s" }, "type": "Opaque" });
        let mut secret: Secret = serde_json::from_value(json).unwrap();
        let bytes = |text: &&str| k8s_openapi::ByteString(text.as_bytes().to_vec());
        secret.data = Some(data.iter().map(|(key, text)| ((*key).to_owned(), bytes(text))).collect());
        secret
    }

    fn spec(url: &str) -> HelmRepositorySpec {
        serde_json::from_value(serde_json::json!({ "url": url, "timeout": "90s", "passCredentials": true })).unwrap()
    }

    fn shown(answer: Result<Repository, Error>) -> String {
        answer.map_or_else(
            |error| error.to_string(),
            |r| {
                let user = r.credentials.map_or("-".to_owned(), |c| format!("{}/{}", c.username, c.password));
                let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
                let ca = r.tls.ca.map_or("-".to_owned(), text);
                let identity = r.tls.identity.map_or("-".to_owned(), |(c, k)| format!("{}/{}", text(c), text(k)));
                format!("{user} {ca} {identity}")
            },
        )
    }

    #[test]
    fn secrets() {
        let user = [("username", "u"), ("password", "p")];
        let check = |secret_data: Option<&[(&str, &str)]>, certificates: Option<&[(&str, &str)]>, expected: &str| {
            let (one, other) = (secret_data.map(secret), certificates.map(secret));
            let answer = Repository::from_spec(&spec("https://a:b@h"), one.as_ref(), other.as_ref());
            assert_eq!(shown(answer), expected, "{secret_data:?} {certificates:?}");
        };
        check(None, None, "a/b - -");
        check(Some(&user), None, "u/p - -");
        check(Some(&user), Some(&[("ca.crt", "C")]), "u/p C -");
        check(None, Some(&[("tls.crt", "T"), ("tls.key", "K")]), "a/b - T/K");
        check(Some(&[("caFile", "C"), ("certFile", "T"), ("keyFile", "K")]), None, "a/b C T/K");
        check(Some(&[("caFile", "C")]), Some(&[("ca.crt", "D")]), "a/b D -");
        check(Some(&[]), None, "Secret \"s\": it has neither username and password nor certificates");
        check(Some(&[("username", "u")]), None, "Secret \"s\": it has a username but no password");
        check(Some(&[("password", "p"), ("username", "")]), None, "Secret \"s\": it has a password but no username");
        check(None, Some(&[("tls.crt", "T")]), "Secret \"s\": it has tls.crt but no tls.key");
        check(None, Some(&[("caFile", "C")]), "Secret \"s\": it has neither tls.crt and tls.key nor ca.crt");
        let mut other = secret(&[("ca.crt", "C")]);
        other.type_ = Some("kubernetes.io/basic-auth".to_owned());
        let answer = Repository::from_spec(&spec("https://h"), None, Some(&other));
        assert_eq!(
            shown(answer),
            "Secret \"s\": its type is \"kubernetes.io/basic-auth\", not Opaque or kubernetes.io/tls"
        );
    }

    #[test]
    fn the_rest_of_the_spec() {
        let repository = Repository::from_spec(&spec("https://h"), None, None).unwrap();
        assert!(repository.pass_credentials);
        assert_eq!(repository.timeout.as_secs(), 90);
    }

    #[test]
    fn registries() {
        let spec = |url: &str, more: serde_json::Value| {
            let mut spec = serde_json::json!({ "url": url, "type": "oci", "passCredentials": true });
            spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            serde_json::from_value::<HelmRepositorySpec>(spec).unwrap()
        };
        let none = || serde_json::json!({});
        let answer = Repository::from_spec(&spec("oci://h:5000/x", serde_json::json!({"insecure": true})), None, None);
        let repository = answer.unwrap();
        assert_eq!(repository.url().as_str(), "http://h:5000/x");
        assert!(repository.is_registry() && !repository.pass_credentials);

        let config = |text: &str| secret(&[(".dockerconfigjson", text)]);
        for (secret, expected) in [
            (secret(&[("username", "u"), ("password", "p")]), "u/p - -"),
            (config(r#"{"auths":{"h":{"auth":"dTpw"}}}"#), "u/p - -"),
            (
                config(r#"{"auths":{"g":{"auth":"dTpw"}}}"#),
                "Secret \"s\": its .dockerconfigjson has no credentials for h",
            ),
            (config("{"), "Secret \"s\": .dockerconfigjson: it is no docker config: line 1, column 1"),
        ] {
            assert_eq!(shown(Repository::from_spec(&spec("oci://h", none()), Some(&secret), None)), expected);
        }
        for (url, more, expected) in [
            ("https://h", none(), "https://h/: not a usable address: the address of a registry begins with oci://"),
            ("oci://u:secret@", none(), "oci://: not a usable address: empty host"),
            (
                "oci://h",
                serde_json::json!({"provider": "aws"}),
                "spec.provider: only generic is served: put the registry's username and password into a Secret for \
                 spec.secretRef",
            ),
        ] {
            let error = Repository::from_spec(&spec(url, more), None, None).unwrap_err();
            assert!(error.is_terminal());
            assert_eq!(error.to_string(), expected);
        }
    }
}
