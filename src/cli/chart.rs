//! The chart that a reference on the command line means: a path, an address, a chart in a registry, a name in `--repo`, or
//! `repo/name` of the repositories that helm knows on this machine.

use super::{
    failure::Failure,
    registry,
    values::{self, go_words},
};
use crate::{
    chart::{Chart, load},
    source::{self, Credentials, Entry, Reference, Repository, Settings, Sources},
};
use clap::Args;
use pintle_template::{Diagnosis, Hint};
use std::path::{Path, PathBuf};

/// Where charts come from.
#[derive(Debug, Args)]
pub(super) struct ChartFlags {
    /// Chart repository url where to locate the requested chart
    #[arg(long)]
    repo: Option<String>,
    /// Version constraint for the chart; the latest if this is not specified
    #[arg(long)]
    version: Option<String>,
    /// Use development versions, too. Equivalent to version '>0.0.0-0'. If --version is set, this is ignored
    #[arg(long)]
    devel: bool,
    /// Chart repository username
    #[arg(long)]
    username: Option<String>,
    /// Chart repository password
    #[arg(long)]
    password: Option<String>,
    /// Verify certificates of HTTPS-enabled servers using this CA bundle
    #[arg(long)]
    ca_file: Option<PathBuf>,
    /// Identify HTTPS client using this SSL certificate file
    #[arg(long, requires = "key_file")]
    cert_file: Option<PathBuf>,
    /// Identify HTTPS client using this SSL key file
    #[arg(long, requires = "cert_file")]
    key_file: Option<PathBuf>,
    /// Skip tls certificate checks for the chart download
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Pass credentials to all domains
    #[arg(long)]
    pass_credentials: bool,
    /// Use insecure HTTP connections for the chart download
    #[arg(long)]
    plain_http: bool,
    /// Path to the registry config file
    #[arg(long, env = "HELM_REGISTRY_CONFIG")]
    registry_config: Option<PathBuf>,
    /// Path to the file containing repository names and URLs
    #[arg(long, env = "HELM_REPOSITORY_CONFIG")]
    repository_config: Option<PathBuf>,
}

impl ChartFlags {
    /// Loads the chart.
    ///
    /// # Errors
    /// Helm's text where helm has one.
    pub(super) fn load(&self, reference: &str) -> Result<Chart, Failure> {
        if let Some(repo) = &self.repo {
            if let Err(error @ source::Error::NoIndex { .. }) = Repository::new(repo) {
                let why = "failed to perform \"FetchReference\" on source: invalid reference";
                let text = format!("looks like {repo:?} is not a valid chart repository or cannot be reached: {why}");
                let diagnosis = Diagnosis::default().with(Hint::Text(error.to_string()));
                return Err(Failure { diagnosis: Some(Box::new(diagnosis)), ..Failure::from(text) });
            }
            let repository = self.repository(repo)?;
            return self.of_index(&repository, reference);
        }
        if Path::new(reference).exists() {
            return Ok(from_path(reference)?);
        }
        if reference.starts_with('/') || reference.starts_with('.') {
            return Err(format!("path {reference:?} not found").into());
        }
        if reference.starts_with("oci://") {
            let repository = self.registry(reference)?;
            return registry::load(&repository, reference, self.range());
        }
        if reference.contains("://") {
            return self.at_address(reference);
        }
        let Some((repo, name)) = reference.split_once('/') else {
            return Err(
                format!("non-absolute URLs should be in form of repo_name/path_to_chart, got: {reference}").into()
            );
        };
        let known = self.known(repo)?.ok_or_else(|| format!("repo {repo} not found"))?;
        self.of_index(&known, name)
    }

    /// Fetches the dependencies that Chart.yaml names and `charts/` lacks, into memory: the chart's folder stays as it is.
    ///
    /// # Errors
    /// Which dependency could not be had.
    pub(super) fn complete(&self, chart: &mut Chart, reference: &str) -> Result<(), String> {
        for wanted in chart.metadata.dependencies.clone() {
            if chart.dependencies.iter().any(|child| child.name() == wanted.name) {
                continue;
            }
            let failed = |why: String| format!("dependency {} of {}: {why}", wanted.name, wanted.repository);
            let found = if let Some(path) = wanted.repository.strip_prefix("file://") {
                let path = Path::new(reference).join(path);
                load::path(&path, &load::Limits::default()).map_err(|e| failed(e.to_string()))?
            } else if let Some(name) = wanted.repository.strip_prefix('@').or(wanted.repository.strip_prefix("alias:"))
            {
                let known = self.known(name)?.ok_or_else(|| failed(format!("repo {name} not found")))?;
                self.of_range(&known, &wanted.name, &wanted.version).map_err(|failure| failed(failure.text))?
            } else if wanted.repository.starts_with("oci://") {
                let address = format!("{}/{}", wanted.repository.trim_end_matches('/'), wanted.name);
                let repository = self.registry(&address).map_err(failed)?;
                registry::load_range(&repository, &wanted.name, &wanted.version)
                    .map_err(|failure| failed(failure.text))?
            } else if wanted.repository.contains("://") {
                // The flags' credentials are for the chart's own repository.
                let repository = Repository::new(&wanted.repository).map_err(|e| failed(e.to_string()))?;
                self.of_range(&repository, &wanted.name, &wanted.version).map_err(|failure| failed(failure.text))?
            } else {
                continue;
            };
            eprintln!("Downloading {} from repo {}", wanted.name, wanted.repository);
            chart.dependencies.push(found.into());
        }
        chart.dependencies.sort_by(|a, b| a.name().cmp(b.name()));
        Ok(())
    }

    fn repository(&self, url: &str) -> Result<Repository, String> {
        let mut repository = Repository::new(url).map_err(|e| e.to_string())?;
        self.identify(&mut repository)?;
        repository.pass_credentials = self.pass_credentials;
        Ok(repository)
    }

    /// What the flags say about who asks, and whom to trust.
    fn identify(&self, repository: &mut Repository) -> Result<(), String> {
        if let (Some(username), Some(password)) = (&self.username, &self.password) {
            repository.credentials = Some(Credentials { username: username.clone(), password: password.clone() });
        }
        let read =
            |path: &PathBuf| std::fs::read(path).map_err(|e| format!("open {}: {}", path.display(), go_words(&e)));
        repository.tls.ca = self.ca_file.as_ref().map(read).transpose()?;
        if let (Some(certificate), Some(key)) = (&self.cert_file, &self.key_file) {
            repository.tls.identity = Some((read(certificate)?, read(key)?));
        }
        repository.tls.insecure_skip_verify = self.insecure_skip_tls_verify;
        Ok(())
    }

    /// The registry that a chart is in. Who asks is said by the flags, else by the files of helm and docker.
    fn registry(&self, reference: &str) -> Result<Repository, String> {
        let reference = Reference::parse(reference).map_err(|e| e.to_string())?;
        let mut repository = Repository::registry(reference.split().0, self.plain_http).map_err(|e| e.to_string())?;
        self.identify(&mut repository)?;
        if repository.credentials.is_none() {
            repository.credentials = registry::credentials(&repository, self.registry_config.as_deref())?;
        }
        Ok(repository)
    }

    fn range(&self) -> &str {
        match &self.version {
            Some(range) => range.as_str(),
            None if self.devel => ">0.0.0-0",
            None => "",
        }
    }

    fn of_index(&self, repository: &Repository, name: &str) -> Result<Chart, Failure> {
        self.of_range(repository, name, self.range())
    }

    fn of_range(&self, repository: &Repository, name: &str, range: &str) -> Result<Chart, Failure> {
        fetch(async |sources| {
            let index = sources.index(repository).await?;
            let entry = index.resolve(name, range)?;
            sources.chart(repository, entry).await
        })
        .map_err(|failed| match failed {
            Fetch::Source(error) => in_words(&error, repository),
            Fetch::Other(text) => text.into(),
        })
    }

    fn at_address(&self, address: &str) -> Result<Chart, Failure> {
        let repository = self.repository(address)?;
        let file = repository.url().path().rsplit('/').next().unwrap_or_default();
        let entry = Entry {
            name: file.into(),
            version: "".into(),
            app_version: None,
            url: Some(repository.url().as_str().into()),
            digest: None,
            size: None,
            created: None,
            deprecated: false,
        };
        fetch(async |sources| sources.chart(&repository, &entry).await).map_err(|failed| match failed {
            Fetch::Source(error) => in_words(&error, &repository),
            Fetch::Other(text) => text.into(),
        })
    }

    /// A repository that `helm repo add` knows.
    fn known(&self, name: &str) -> Result<Option<Repository>, String> {
        let home = |variable: &str, rest: &str| std::env::var_os(variable).map(|home| Path::new(&home).join(rest));
        let path = self
            .repository_config
            .clone()
            .or_else(|| home("HELM_CONFIG_HOME", "repositories.yaml"))
            .or_else(|| home("XDG_CONFIG_HOME", "helm/repositories.yaml"))
            .or_else(|| home("HOME", ".config/helm/repositories.yaml"));
        let Some(text) = path.and_then(|path| std::fs::read(path).ok()) else {
            return Ok(None);
        };
        let config = crate::render::convert::yaml_to_json(&text)?;
        let found = config["repositories"].as_array().into_iter().flatten().find(|r| r["name"] == name);
        let Some(found) = found else { return Ok(None) };
        let text = |key: &str| found[key].as_str().unwrap_or_default().to_owned();
        let mut repository = self.repository(&text("url"))?;
        if repository.credentials.is_none() && !text("username").is_empty() {
            repository.credentials = Some(Credentials { username: text("username"), password: text("password") });
        }
        repository.tls.insecure_skip_verify |= found["insecure_skip_tls_verify"] == true;
        repository.pass_credentials |= found["pass_credentials_all"] == true;
        let read = |key: &str| std::fs::read(text(key)).ok();
        repository.tls.ca = repository.tls.ca.or_else(|| read("caFile"));
        repository.tls.identity = repository.tls.identity.or_else(|| read("certFile").zip(read("keyFile")));
        Ok(Some(repository))
    }
}

/// Why nothing was fetched.
pub(super) enum Fetch {
    Source(source::Error),
    Other(String),
}

/// Fetches and loads a chart.
pub(super) fn fetch(work: impl AsyncFnOnce(Sources) -> Result<source::Archive, source::Error>) -> Result<Chart, Fetch> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|e| Fetch::Other(e.to_string()))?;
    let archive = runtime.block_on(work(Sources::new(Settings::default()))).map_err(Fetch::Source)?;
    load::archive(&archive.bytes, &load::Limits::default()).map_err(|e| Fetch::Other(e.to_string()))
}

/// Helm's text where helm has one, with more below it.
fn in_words(error: &source::Error, repository: &Repository) -> Failure {
    let url = source::redact(repository.url());
    let url = url.trim_end_matches('/');
    let text = match error {
        source::Error::NoChart { chart, .. } => format!("chart {chart:?} not found in {url} repository"),
        source::Error::NoVersion { chart, range, .. } if range.is_empty() => {
            format!("chart {chart:?} not found in {url} repository")
        }
        source::Error::NoVersion { chart, range, .. } => {
            format!("chart {chart:?} version {range:?} not found in {url} repository")
        }
        source::Error::Status { url, status, .. } => values::status_text(url, *status),
        other => return other.to_string().into(),
    };
    Failure {
        diagnosis: Some(Box::new(Diagnosis::default().with(Hint::Text(error.to_string())))),
        ..Failure::from(text)
    }
}

fn from_path(reference: &str) -> Result<Chart, String> {
    let path = Path::new(reference);
    if path.is_dir() && !path.join("Chart.yaml").exists() {
        let full = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let file = full.join("Chart.yaml");
        return Err(format!(
            "unable to detect chart at {}: open {}: no such file or directory",
            file.display(),
            file.display()
        ));
    }
    load::path(path, &load::Limits::default()).map_err(|error| match error {
        load::Error::NotGzip(kind) => {
            format!("file '{reference}' does not appear to be a gzipped archive; got '{kind}'")
        }
        other => other.to_string(),
    })
}
