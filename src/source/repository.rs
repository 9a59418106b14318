//! A repository as it is asked: where it is, who asks, whom to trust. Knows addresses and scopes, not the network.

use std::fmt;
use std::time::Duration;

use base64::{Engine, prelude::BASE64_STANDARD};
use reqwest::Url;
use reqwest::header::HeaderValue;

use super::digest::Sha256;
use super::error::Error;
use super::oci::Reference;

/// How long one download may take when nothing else is said.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// A Helm repository: an `index.yaml` under an HTTP(S) address, or a registry.
#[derive(Clone, PartialEq, Eq)]
pub struct Repository {
    url: Url,
    sort: Sort,
    /// Sent to the repository's own host, and to no other unless `pass_credentials`.
    pub credentials: Option<Credentials>,
    /// Whom to trust and who we are.
    pub tls: Tls,
    /// Whether other hosts get the credentials too.
    pub pass_credentials: bool,
    /// How long one download may take in all.
    pub timeout: Duration,
}

/// What it is that is asked.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    /// A server with an index.
    Index,
    /// A registry: the address is the one that its API is asked at, with the path that all names begin with.
    Registry,
    /// A single file, which somebody else has put there.
    Artifact,
}

/// A name and a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The name.
    pub username: String,
    /// The password.
    pub password: String,
}

/// What TLS needs beside the system's certificates.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// Certificates (PEM) to trust beside those of the system.
    pub ca: Option<Vec<u8>>,
    /// The client's certificate and key (PEM).
    pub identity: Option<(Vec<u8>, Vec<u8>)>,
    /// Whether the server's certificate is not checked. Only the command line offers this.
    pub insecure_skip_verify: bool,
}

impl Repository {
    /// A repository at `url`. A user and password in the address become its credentials.
    pub fn new(url: &str) -> Result<Repository, Error> {
        let mut url = parse(url)?;
        let credentials = take_credentials(&mut url);
        url.set_fragment(None);
        Ok(Repository { credentials, ..Repository::at(url) })
    }

    /// A packaged chart that somebody else has put at `url`.
    pub fn artifact(url: &str) -> Result<Repository, Error> {
        Ok(Repository { sort: Sort::Artifact, ..Repository::new(url)? })
    }

    /// A repository with an index, without anything else.
    fn at(url: Url) -> Repository {
        let (timeout, sort) = (DEFAULT_TIMEOUT, Sort::Index);
        Repository { url, sort, credentials: None, tls: Tls::default(), pass_credentials: false, timeout }
    }

    /// A registry at `url` (`oci://host/path`), spoken to without TLS if `plain`. A user and password in the address become its
    /// credentials.
    pub fn registry(url: &str, plain: bool) -> Result<Repository, Error> {
        let invalid = |why: &str| Error::Address { url: redact_text(url), why: why.to_owned() };
        let Some(rest) = url.trim().strip_prefix("oci://") else {
            return Err(invalid("the address of a registry begins with oci://"));
        };
        let scheme = if plain { "http" } else { "https" };
        let mut at = Url::parse(&format!("{scheme}://{rest}")).map_err(|e| invalid(&e.to_string()))?;
        if !at.has_host() || at.query().is_some() || at.fragment().is_some() {
            return Err(invalid("the address of a registry is oci://, a host, and a path"));
        }
        let credentials = take_credentials(&mut at);
        if at.host_str() == Some("docker.io") {
            // Where Docker's registry really is. A name takes the place of a name.
            let _ = at.set_host(Some("registry-1.docker.io"));
        }
        let path = at.path().trim_matches('/').to_owned();
        at.set_path(&path);
        Ok(Repository { sort: Sort::Registry, credentials, ..Repository::at(at) })
    }

    /// The registry of a chart: this one, or the one that this index names, which gets no more of us than any other host does.
    pub(super) fn registry_of(&self, reference: &Reference) -> Result<Repository, Error> {
        if self.is_registry() {
            return Ok(self.clone());
        }
        let other = Repository::registry(reference.split().0, false)?;
        let credentials = self.credentials.clone().filter(|_| self.pass_credentials);
        let identity = self.tls.identity.clone().filter(|_| self.pass_credentials);
        let tls = Tls { identity, ..self.tls.clone() };
        Ok(Repository { credentials, tls, timeout: self.timeout, ..other })
    }

    /// Whether it is a registry, which has no index.
    pub fn is_registry(&self) -> bool {
        self.sort == Sort::Registry
    }

    /// Whether it is a single file, which somebody else has put there.
    pub fn is_artifact(&self) -> bool {
        self.sort == Sort::Artifact
    }

    /// The address for people: as it is given in a spec, without credentials.
    pub fn address(&self) -> String {
        let shown = redact(&self.url);
        match shown.split_once("://").filter(|_| self.is_registry()) {
            Some((_, rest)) => format!("oci://{}", rest.trim_end_matches('/')),
            None => shown,
        }
    }

    /// The repository's address; it holds no credentials.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// The address of the index: the repository's path with `index.yaml` at its end, its query kept.
    pub fn index_url(&self) -> Url {
        let mut url = self.directory();
        let path = format!("{}index.yaml", url.path());
        url.set_path(&path);
        url
    }

    /// The address of a chart from the index: relative ones are under the repository's path and get its query.
    pub fn chart_url(&self, reference: &str) -> Result<Url, Error> {
        let invalid = |why: String| Error::Address { url: redact_text(reference), why };
        let url = match Url::parse(reference) {
            Ok(url) => url,
            Err(_) => {
                let base = self.directory();
                let mut url = base.join(reference).map_err(|e| invalid(e.to_string()))?;
                if url.origin() == base.origin() && base.query().is_some() {
                    url.set_query(base.query());
                }
                url
            }
        };
        match url.scheme() {
            "http" | "https" if url.has_host() => Ok(url),
            scheme => Err(invalid(format!("the scheme is {scheme:?}, not http or https"))),
        }
    }

    /// Whether `url` is on the repository's own scheme, host and port.
    pub fn is_own(&self, url: &Url) -> bool {
        self.url.origin() == url.origin()
    }

    /// A key that is equal only for repositories that see the same: same address, credentials and TLS.
    pub(super) fn identity(&self) -> Sha256 {
        let credentials = self.credentials.as_ref();
        let tls = &self.tls;
        Sha256::of_parts(&[
            self.url.as_str().as_bytes(),
            credentials.map_or(b"-", |c| c.username.as_bytes()),
            credentials.map_or(b"-", |c| c.password.as_bytes()),
            &[u8::from(credentials.is_some()), u8::from(self.pass_credentials), self.sort as u8],
            tls.identity().as_bytes(),
        ])
    }

    fn directory(&self) -> Url {
        let mut url = self.url.clone();
        if !url.path().ends_with('/') {
            let path = format!("{}/", url.path());
            url.set_path(&path);
        }
        url
    }
}

impl Credentials {
    /// The header that tells them; none if they cannot be told.
    pub(super) fn header(&self) -> Option<HeaderValue> {
        let text = BASE64_STANDARD.encode(format!("{}:{}", self.username, self.password));
        let mut header = HeaderValue::from_str(&format!("Basic {text}")).ok()?;
        header.set_sensitive(true);
        Some(header)
    }
}

impl Tls {
    /// A key that is equal only for equal settings.
    pub(super) fn identity(&self) -> Sha256 {
        let (certificate, key) = self.identity.as_ref().map_or((&[][..], &[][..]), |(c, k)| (c, k));
        Sha256::of_parts(&[
            self.ca.as_deref().unwrap_or_default(),
            certificate,
            key,
            &[u8::from(self.insecure_skip_verify)],
        ])
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Repository")
            .field("url", &redact(&self.url))
            .field("credentials", &self.credentials.is_some())
            .field("client_certificate", &self.tls.identity.is_some())
            .field("pass_credentials", &self.pass_credentials)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn parse(text: &str) -> Result<Url, Error> {
    let invalid = |why: String| Error::Address { url: redact_text(text), why };
    let url = Url::parse(text.trim()).map_err(|e| invalid(e.to_string()))?;
    match url.scheme() {
        "http" | "https" if url.has_host() => Ok(url),
        "oci" => Err(Error::NoIndex { url: redact(&url) }),
        scheme => Err(invalid(format!("the scheme is {scheme:?}, not http or https"))),
    }
}

/// Takes the user and password out of an address.
pub(super) fn take_credentials(url: &mut Url) -> Option<Credentials> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let credentials = Credentials {
        username: percent_decode(url.username()),
        password: percent_decode(url.password().unwrap_or_default()),
    };
    // Both fail only for addresses without a host, which `parse` refuses.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    Some(credentials)
}

fn percent_decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|h| std::str::from_utf8(h).ok()).and_then(|h| u8::from_str_radix(h, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// The address for people: no credentials, and no query, since signed addresses carry their secret there.
pub fn redact(url: &Url) -> String {
    let mut url = url.clone();
    let _ = url.set_username("");
    let _ = url.set_password(None);
    if url.query().is_some() {
        url.set_query(Some("…"));
        return url.as_str().replace("%E2%80%A6", "…");
    }
    url.into()
}

/// The same for a text that may be no address at all.
pub(super) fn redact_text(text: &str) -> String {
    match Url::parse(text) {
        Ok(url) => redact(&url),
        Err(_) => {
            let text = text.split_once('?').map_or(text, |(before, _)| before);
            let shown = match (text.find("://"), text.rfind('@')) {
                (Some(scheme), Some(at)) if scheme < at => format!("{}://{}", &text[..scheme], &text[at + 1..]),
                _ => text.to_owned(),
            };
            shown.chars().take(200).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn addresses() {
        for (repository, reference, index, chart) in [
            ("https://h/charts", "a-1.tgz", "https://h/charts/index.yaml", "https://h/charts/a-1.tgz"),
            ("https://h/charts/", "a-1.tgz", "https://h/charts/index.yaml", "https://h/charts/a-1.tgz"),
            ("https://h", "charts/a.tgz", "https://h/index.yaml", "https://h/charts/a.tgz"),
            ("https://h/x?k=1", "a.tgz", "https://h/x/index.yaml?k=1", "https://h/x/a.tgz?k=1"),
            ("https://h/x", "a.tgz?s=2", "https://h/x/index.yaml", "https://h/x/a.tgz?s=2"),
            ("https://h/x", "/a.tgz", "https://h/x/index.yaml", "https://h/a.tgz"),
            ("https://h/x?k=1", "//g/a.tgz", "https://h/x/index.yaml?k=1", "https://g/a.tgz"),
            ("https://h/x?k=1", "http://g/a.tgz", "https://h/x/index.yaml?k=1", "http://g/a.tgz"),
            ("https://u:p%40@h/x#f", "a.tgz", "https://h/x/index.yaml", "https://h/x/a.tgz"),
        ] {
            let repository = Repository::new(repository).unwrap();
            assert_eq!(repository.index_url().as_str(), index);
            assert_eq!(repository.chart_url(reference).unwrap().as_str(), chart);
        }
        let credentials = Repository::new("https://u:p%40%zz@h/x").unwrap().credentials.unwrap();
        assert_eq!((credentials.username.as_str(), credentials.password.as_str()), ("u", "p@%zz"));
    }

    #[test]
    fn other_schemes_are_refused() {
        for (url, expected) in [
            ("oci://h/x", "oci://h/x: a registry has no index: name the chart in it (oci://host/path/chart)"),
            ("file:///etc", "file:///etc: not a usable address: the scheme is \"file\", not http or https"),
            ("https://u:secret@", "https://: not a usable address: empty host"),
            ("charts", "charts: not a usable address: relative URL without a base"),
        ] {
            assert_eq!(Repository::new(url).unwrap_err().to_string(), expected);
        }
        let repository = Repository::new("https://h").unwrap();
        assert!(matches!(repository.chart_url("file:///etc/passwd"), Err(Error::Address { .. })));
    }

    #[test]
    fn registries() {
        for (url, plain, asked, shown) in [
            ("oci://h/x", false, "https://h/x", "oci://h/x"),
            ("oci://h:5000/x/y/", true, "http://h:5000/x/y", "oci://h:5000/x/y"),
            ("oci://u:secret@H", false, "https://h/", "oci://h"),
            ("oci://docker.io/x", false, "https://registry-1.docker.io/x", "oci://registry-1.docker.io/x"),
        ] {
            let repository = Repository::registry(url, plain).unwrap();
            assert_eq!((repository.url().as_str(), repository.address().as_str()), (asked, shown));
            assert_eq!(repository.credentials.is_some(), url.contains("secret"));
        }
        for (url, expected) in [
            ("https://h/x", "https://h/x: not a usable address: the address of a registry begins with oci://"),
            (
                "oci://h/x?secret",
                "oci://h/x?…: not a usable address: the address of a registry is oci://, a host, and a path",
            ),
            ("oci://", "oci://: not a usable address: empty host"),
        ] {
            assert_eq!(Repository::registry(url, false).unwrap_err().to_string(), expected);
        }
    }

    #[test]
    fn scope_is_scheme_host_and_port() {
        let repository = Repository::new("https://h/x").unwrap();
        for (url, own) in [
            ("https://h:443/y", true),
            ("https://h:444/y", false),
            ("http://h/y", false),
            ("https://sub.h/y", false),
            ("https://h@evil/y", false),
        ] {
            assert_eq!(repository.is_own(&Url::parse(url).unwrap()), own, "{url}");
        }
    }

    #[test]
    fn secrets_are_not_shown() {
        let repository = Repository::new("https://user:secret@h/x?token=secret").unwrap();
        assert!(!format!("{repository:?}").contains("secret"));
        assert_eq!(redact(&Url::parse("https://user:secret@h/x?token=secret").unwrap()), "https://h/x?…");
        assert!(!redact_text("http://user:secret@ h/?x=secret").contains("secret"));
    }

    #[test]
    fn identities_differ_by_all_that_is_seen() {
        let base = Repository::new("https://h/x").unwrap();
        let with = |change: fn(&mut Repository)| {
            let mut repository = base.clone();
            change(&mut repository);
            repository.identity()
        };
        let credentials = |username: &str, password: &str| {
            Some(Credentials { username: username.to_owned(), password: password.to_owned() })
        };
        let mut repository = base.clone();
        repository.credentials = credentials("ab", "c");
        let mut other = base.clone();
        other.credentials = credentials("a", "bc");
        let all = [
            base.identity(),
            repository.identity(),
            other.identity(),
            with(|r| r.tls.ca = Some(b"x".to_vec())),
            with(|r| r.tls.identity = Some((b"x".to_vec(), Vec::new()))),
            with(|r| r.tls.insecure_skip_verify = true),
            with(|r| r.pass_credentials = true),
        ];
        let distinct: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
        assert_eq!(distinct.len(), all.len());
    }
}
