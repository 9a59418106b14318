//! Names in registries: `oci://host/path/chart:tag@digest`, and how a version is written as a tag. Knows texts, not the network.

use super::super::digest::Sha256;
use super::super::error::Error;
use super::super::repository::Repository;

/// How long a name may be, as the distribution specification says.
const NAME: usize = 255;
/// How long a tag may be.
const TAG: usize = 128;

/// A chart in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The address up to the chart's name, without tag and digest.
    pub address: String,
    /// The tag, if there is one.
    pub tag: Option<String>,
    /// The manifest's digest, if there is one.
    pub digest: Option<Sha256>,
}

impl Reference {
    /// Reads `oci://host/path/chart`, with `:tag`, `@sha256:…` or both behind it.
    pub fn parse(text: &str) -> Result<Reference, Error> {
        let invalid =
            |why: &str| Error::Address { url: super::super::repository::redact_text(text), why: why.to_owned() };
        let Some(rest) = text.trim().strip_prefix("oci://") else {
            return Err(invalid("the address of a chart in a registry begins with oci://"));
        };
        let Some((host, path)) = rest.split_once('/') else {
            return Err(invalid("there is no chart behind the host"));
        };
        let (path, digest) = match path.split_once('@') {
            None => (path, None),
            Some((path, digest)) => match Sha256::parse(digest).filter(|_| digest.starts_with("sha256:")) {
                Some(digest) => (path, Some(digest)),
                None => return Err(invalid("the digest is no SHA-256")),
            },
        };
        let (name, tag) = match path.rsplit_once(':') {
            None => (path, None),
            Some((_, tag)) if !is_tag(tag) => return Err(invalid("the tag is none")),
            Some((name, tag)) => (name, Some(tag.to_owned())),
        };
        if !is_name(name.trim_end_matches('/')) {
            return Err(invalid("the name is none that a registry can have"));
        }
        Ok(Reference { address: format!("oci://{host}/{}", name.trim_end_matches('/')), tag, digest })
    }

    /// The whole name under which the registry has it.
    pub(super) fn name(&self) -> &str {
        self.address.strip_prefix("oci://").and_then(|rest| rest.split_once('/')).map_or("", |(_, name)| name)
    }

    /// The registry's address and the chart's name in it.
    pub fn split(&self) -> (&str, &str) {
        self.address.rsplit_once('/').unwrap_or((&self.address, ""))
    }
}

/// The name under which a registry has a chart: its own path, then the chart's.
pub(super) fn name_of(repository: &Repository, chart: &str) -> Result<String, Error> {
    let base = repository.url().path().trim_matches('/');
    let name = if base.is_empty() { chart.to_owned() } else { format!("{base}/{chart}") };
    if is_name(&name) {
        return Ok(name);
    }
    let shown: String = chart.chars().take(NAME).collect();
    let why = "the name is none that a registry can have: small letters, digits, and . _ - / between them".to_owned();
    Err(Error::Address { url: format!("{}/{shown}", repository.address()), why })
}

/// Whether a registry can have something of this name: parts of small letters and digits, joined by `.`, `_`, `__` or any
/// number of `-`, with slashes between them.
fn is_name(text: &str) -> bool {
    let part = |part: &str| {
        let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
        part.starts_with(word)
            && part.ends_with(word)
            && part
                .split(word)
                .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|byte| byte == b'-'))
    };
    text.len() <= NAME && text.split('/').all(part)
}

/// Whether a manifest can be found under this text.
pub(super) fn is_tag(text: &str) -> bool {
    let first = text.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
    first && text.len() <= TAG && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'-'))
}

/// The tag of a version: registries have no `+`, so Helm writes `_` in its place.
pub(super) fn tag_of(version: &str) -> String {
    version.replace('+', "_")
}

/// The version of a tag, if it is one.
pub(super) fn version_of(tag: &str) -> String {
    tag.replace('_', "+")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn references() {
        let digest = Sha256::of(b"");
        for (text, expected) in [
            ("oci://h/a", Some(("oci://h/a", None, false))),
            ("oci://h:5000/x/a/", Some(("oci://h:5000/x/a", None, false))),
            ("oci://h:5000/x/a:1.0.0_1", Some(("oci://h:5000/x/a", Some("1.0.0_1"), false))),
            (&format!("oci://h/a@sha256:{digest}"), Some(("oci://h/a", None, true))),
            (&format!("oci://h/a:1@sha256:{digest}"), Some(("oci://h/a", Some("1"), true))),
            ("oci://h", None),
            ("oci://h/", None),
            ("oci://h/A", None),
            ("oci://h/../a", None),
            ("oci://h/a?b", None),
            ("oci://h/a:", None),
            ("oci://h/a:x+y", None),
            ("oci://h/a@sha256:1234", None),
            ("https://h/a", None),
        ] {
            let got = Reference::parse(text).ok();
            let got = got.as_ref().map(|r| (r.address.as_str(), r.tag.as_deref(), r.digest.is_some()));
            assert_eq!(got, expected, "{text}");
        }
        assert_eq!(Reference::parse("oci://h/x/a:1").unwrap().split(), ("oci://h/x", "a"));
    }

    #[test]
    fn names() {
        for (name, good) in [
            ("a", true),
            ("a/b-c/d_e__f.g---h", true),
            ("0", true),
            ("", false),
            ("a//b", false),
            ("/a", false),
            ("-a", false),
            ("a.", false),
            ("a..b", false),
            ("a___b", false),
            ("..", false),
            ("a%2fb", false),
            (&"a".repeat(256), false),
        ] {
            assert_eq!(is_name(name), good, "{name}");
        }
    }

    #[test]
    fn tags_are_versions_without_a_plus() {
        for version in ["1.2.3", "1.2.3-rc.1+build.5"] {
            assert_eq!(version_of(&tag_of(version)), version);
            assert!(is_tag(&tag_of(version)));
        }
    }
}
