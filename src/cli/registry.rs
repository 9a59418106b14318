//! Charts in registries, in helm's words, with the credentials that helm and docker keep on this machine.

use super::{
    chart::{Fetch, fetch},
    failure::Failure,
    values::go_words,
};
use crate::{
    chart::Chart,
    source::{self, Credentials, DockerConfig, Reference, Repository, Tagged},
};
use pintle_golib::semver::Version;
use pintle_template::{Diagnosis, Hint};
use std::{
    env, fs,
    io::{Read as _, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Bytes of a file of credentials, and of the answer of a program that knows some.
const MAX_CONFIG: u64 = 4 << 20;

/// What helm says of an underscore where a version may have a plus.
const UNDERSCORE: &str = "OCI artifact references (e.g. tags) do not support the plus sign (+). To support
storing semantic versions, Helm adopts the convention of changing plus (+) to
an underscore (_) in chart version tags when pushing to a registry and back to
a plus (+) when pulling from a registry.";

/// Loads the chart that a reference means.
///
/// # Errors
/// Helm's text where helm has one.
pub(super) fn load(registry: &Repository, text: &str, range: &str) -> Result<Chart, Failure> {
    let reference = Reference::parse(text).map_err(|e| e.to_string())?;
    if let Some(tag) = reference.tag.as_deref().filter(|tag| !range.is_empty() && *tag != range) {
        return Err(format!("chart reference and version mismatch: {range} is not {tag}").into());
    }
    let mut pulled = None;
    let chart = fetch(async |sources| {
        let tagged = sources.referred(registry, &reference, range).await?;
        let archive = match reference.digest {
            // Another one is not worth the download.
            Some(digest) if digest != tagged.manifest => None,
            _ => Some(sources.chart(registry, &tagged.entry).await?),
        };
        pulled = Some(tagged);
        archive.ok_or(source::Error::Abandoned { url: registry.address() })
    });
    let range = reference.tag.as_deref().unwrap_or(range);
    match (chart, pulled, reference.digest) {
        (_, Some(tagged), Some(digest)) if tagged.manifest != digest => {
            Err(format!("chart reference digest mismatch: sha256:{} is not sha256:{digest}", tagged.manifest).into())
        }
        (Ok(chart), Some(tagged), _) => {
            tell(&reference, &tagged);
            Ok(chart)
        }
        (Ok(chart), None, _) => Ok(chart),
        (Err(Fetch::Source(error)), ..) => Err(in_words(&error, &reference, range)),
        (Err(Fetch::Other(text)), ..) => Err(text.into()),
    }
}

/// Loads the newest version of a chart in a range.
///
/// # Errors
/// Why there is none.
pub(super) fn load_range(registry: &Repository, name: &str, range: &str) -> Result<Chart, Failure> {
    let fetched = fetch(async |sources| {
        let now = source::Age { most: std::time::Duration::ZERO, since: None };
        let tagged = sources.tagged(registry, name, range, now).await.chart?;
        sources.chart(registry, &tagged.entry).await
    });
    fetched.map_err(|failed| match failed {
        Fetch::Source(error) => error.to_string().into(),
        Fetch::Other(text) => text.into(),
    })
}

fn tell(reference: &Reference, tagged: &Tagged) {
    let name = reference.address.trim_start_matches("oci://");
    let tag = tagged.entry.version.replace('+', "_");
    let at = if tag.is_empty() { format!("@sha256:{}", tagged.manifest) } else { format!(":{tag}") };
    let pulled = format!("{name}{at}");
    eprintln!("Pulled: {pulled}\nDigest: sha256:{}", tagged.manifest);
    if pulled.contains('_') {
        eprintln!("{pulled} contains an underscore.\n\n{UNDERSCORE}");
    }
}

/// Helm's text where helm has one, with more below it.
fn in_words(error: &source::Error, reference: &Reference, range: &str) -> Failure {
    let name = reference.address.trim_start_matches("oci://");
    let exact = Version::parse(range).is_ok();
    let text = match error {
        source::Error::NoChart { .. } | source::Error::NoVersion { .. } if exact || reference.digest.is_some() => {
            let at = match reference.digest {
                Some(digest) if range.is_empty() => format!("@sha256:{digest}"),
                _ => format!(":{}", range.replace('+', "_")),
            };
            format!("failed to perform \"FetchReference\" on source: {name}{at}: not found")
        }
        source::Error::NoVersion { .. } => {
            format!("could not locate a version matching provided version string {range}")
        }
        source::Error::Range { why, .. } => why.clone(),
        source::Error::Denied { url, status, authenticated } => {
            let why = if *authenticated {
                "it does not accept the username and password, or they give no access to this chart"
            } else {
                "it wants to know who asks: log in with 'helm registry login', or give --username and --password"
            };
            format!("GET {url}: response status code {status}: {why}")
        }
        other => return other.to_string().into(),
    };
    Failure {
        diagnosis: Some(Box::new(Diagnosis::default().with(Hint::Text(error.to_string())))),
        ..Failure::from(text)
    }
}

/// The credentials for a registry in the files that helm and docker keep, helm's first.
///
/// # Errors
/// If a file was named that cannot be read, or holds what cannot be used.
pub(super) fn credentials(registry: &Repository, named: Option<&Path>) -> Result<Option<Credentials>, String> {
    let home = |variable: &str, rest: &str| env::var_os(variable).map(|home| Path::new(&home).join(rest));
    let helm = named
        .map(Path::to_owned)
        .or_else(|| home("HELM_CONFIG_HOME", "registry/config.json"))
        .or_else(|| home("XDG_CONFIG_HOME", "helm/registry/config.json"))
        .or_else(|| home("HOME", ".config/helm/registry/config.json"));
    let docker = home("DOCKER_CONFIG", "config.json").or_else(|| home("HOME", ".docker/config.json"));
    first_of([helm, docker].into_iter().flatten(), registry)
}

fn first_of(files: impl Iterator<Item = PathBuf>, registry: &Repository) -> Result<Option<Credentials>, String> {
    for path in files {
        let failed = |why: String| format!("{}: {why}", path.display());
        let Some(config) = read(&path).map_err(failed)? else { continue };
        let config = DockerConfig::parse(&config).map_err(failed)?;
        if let Some(found) = config.credentials(registry).map_err(failed)? {
            return Ok(Some(found));
        }
        if let Some(helper) = config.helper(registry)
            && let Some(found) = ask(helper, registry).map_err(failed)?
        {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// The file's bytes; none if there is no such file.
fn read(path: &PathBuf) -> Result<Option<Vec<u8>>, String> {
    let file = match fs::File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(go_words(&error)),
    };
    let mut bytes = Vec::new();
    file.take(MAX_CONFIG).read_to_end(&mut bytes).map_err(|error| go_words(&error))?;
    Ok(Some(bytes))
}

/// What the program `docker-credential-NAME` knows; none if it knows nothing.
fn ask(name: &str, registry: &Repository) -> Result<Option<Credentials>, String> {
    let program = format!("docker-credential-{name}");
    if name.contains(['/', '\\']) {
        return Err(format!("{program}: the name of a program is meant, not a path"));
    }
    let failed = |error: std::io::Error| format!("{program}: {}", go_words(&error));
    let mut child = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(failed)?;
    // Docker's own registry is known by the address that it had first.
    let host = match registry.url().host_str() {
        Some("registry-1.docker.io") => "https://index.docker.io/v1/",
        _ => registry.url().authority(),
    };
    if let Some(mut input) = child.stdin.take() {
        // A program that does not listen says so by its exit.
        let _ = input.write_all(host.as_bytes());
    }
    let mut answer = Vec::new();
    if let Some(output) = child.stdout.take() {
        output.take(MAX_CONFIG).read_to_end(&mut answer).map_err(failed)?;
    }
    if !child.wait().map_err(failed)?.success() {
        return Ok(None);
    }
    let answer: serde_json::Value = serde_json::from_slice(&answer).map_err(|_| format!("{program}: no JSON came"))?;
    let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
    let (username, password) = (text("Username"), text("Secret"));
    if username == "<token>" {
        return Err(format!("{program}: an identity token cannot be used: a username and a password can"));
    }
    Ok((!username.is_empty()).then_some(Credentials { username, password }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn files_of_credentials() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        let registry = Repository::registry("oci://h:5000/x", true).unwrap();
        for (content, expected) in [
            (r#"{"auths":{"h:5000":{"auth":"dTpw"}}}"#, Ok(true)),
            (r#"{"auths":{"other":{"auth":"dTpw"}}}"#, Ok(false)),
            ("", Err("it is no docker config: line 1, column 0")),
            (
                r#"{"credHelpers":{"h:5000":"../evil"}}"#,
                Err("docker-credential-../evil: the name of a program is meant, not a path"),
            ),
        ] {
            fs::write(&path, content).unwrap();
            let files = [folder.path().join("none.json"), path.clone()];
            let got = first_of(files.into_iter(), &registry).map(|found| found.is_some());
            assert_eq!(got, expected.map_err(|why| format!("{}: {why}", path.display())), "{content}");
        }
    }

    #[test]
    fn helms_words() {
        let reference = Reference::parse("oci://h/x/web").unwrap();
        let none = source::Error::NoChart { chart: "web".into(), url: "oci://h/x".into() };
        let version = |range: &str| source::Error::NoVersion {
            chart: "web".into(),
            range: range.into(),
            url: "u".into(),
            has: "1".into(),
        };
        for (error, range, expected) in [
            (&version("7.0.0"), "7.0.0", "failed to perform \"FetchReference\" on source: h/x/web:7.0.0: not found"),
            (
                &version("7.0.0+a"),
                "7.0.0+a",
                "failed to perform \"FetchReference\" on source: h/x/web:7.0.0_a: not found",
            ),
            (&version(">7"), ">7", "could not locate a version matching provided version string >7"),
            (&none, "", "chart \"web\" is not in the registry at oci://h/x"),
            (
                &source::Error::Denied { url: "u".into(), status: 401, authenticated: false },
                "",
                "GET u: response status code 401: it wants to know who asks: log in with 'helm registry login', or give \
                 --username and --password",
            ),
        ] {
            assert_eq!(in_words(error, &reference, range).text, expected);
        }
    }
}
