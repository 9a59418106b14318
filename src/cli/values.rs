//! The flags that set values, in helm's order of precedence.

use super::failure::Failure;
use crate::chart::{Frozen, strvals, values};
use crate::source::{self, Repository, Settings, Sources};
use clap::Args;
use pintle_value::{Map, Value};
use std::io::Read;

/// Largest values file, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// Values given on the command line.
#[derive(Debug, Args)]
pub(super) struct ValueFlags {
    /// Specify values in a YAML file (can specify multiple)
    #[arg(short = 'f', long = "values", value_delimiter = ',')]
    values: Vec<String>,
    /// Set values (key1=val1,key2=val2)
    #[arg(long = "set")]
    set: Vec<String>,
    /// Set STRING values
    #[arg(long)]
    set_string: Vec<String>,
    /// Set values from files (key1=path1,key2=path2)
    #[arg(long)]
    set_file: Vec<String>,
    /// Set JSON values (key1=jsonval1 or one object)
    #[arg(long)]
    set_json: Vec<String>,
    /// Set a literal STRING value
    #[arg(long)]
    set_literal: Vec<String>,
}

impl ValueFlags {
    /// All values together: files, then `--set-json`, `--set`, `--set-string`, `--set-file`, `--set-literal`.
    ///
    /// # Errors
    /// Helm's text, and for a file the lines around the mistake.
    pub(super) fn merge(&self) -> Result<Frozen, Failure> {
        let base = Map::new();
        for path in &self.values {
            let text = read(path)?;
            let table = values::from_yaml(&text).map_err(|why| Failure {
                diagnosis: Some(Box::new(why.diagnosis(if path == "-" { "standard input" } else { path }, &text))),
                ..Failure::from(format!("failed to parse {path}: {why}"))
            })?;
            values::merge_tables(&base, &table);
        }
        for text in &self.set_json {
            let kind = if text.trim_start().starts_with('{') { "JSON: " } else { "" };
            strvals::set_json(text, &base).map_err(|_| format!("failed parsing --set-json data {kind}{text}"))?;
        }
        for text in &self.set {
            strvals::set(text, &base).map_err(|why| format!("failed parsing --set data: {why}"))?;
        }
        for text in &self.set_string {
            strvals::set_string(text, &base).map_err(|why| format!("failed parsing --set-string data: {why}"))?;
        }
        for text in &self.set_file {
            strvals::set_file(text, &base, &mut read)
                .map_err(|why| format!("failed parsing --set-file data: {why}"))?;
        }
        for text in &self.set_literal {
            strvals::set_literal(text, &base).map_err(|why| format!("failed parsing --set-literal data: {why}"))?;
        }
        Ok(Frozen::of(&Value::Map(base)).map_err(|e| e.to_string())?)
    }
}

/// The content of a file, of an HTTP address, or of standard input for `-`.
fn read(path: &str) -> Result<Vec<u8>, String> {
    if path.starts_with("http://") || path.starts_with("https://") {
        return download(path, status_text);
    }
    let mut text = Vec::new();
    let result = if path.trim() == "-" {
        std::io::stdin().take(MAX_FILE + 1).read_to_end(&mut text)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut text))
    };
    match result {
        Err(error) => Err(format!("open {path}: {}", go_words(&error))),
        Ok(_) if text.len() as u64 > MAX_FILE => Err(format!("{path} is larger than {MAX_FILE} bytes")),
        Ok(_) => Ok(text),
    }
}

/// The file at an address, with no other credentials than those in the address, as with helm. `status` words an answer that is none.
fn download(address: &str, status: fn(&str, u16) -> String) -> Result<Vec<u8>, String> {
    let repository = Repository::new(address).map_err(|e| e.to_string())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(Sources::new(Settings::default()).file(&repository, MAX_FILE)).map_err(|error| match error {
        source::Error::Status { url, status: code, .. } => status(&url, code),
        other => other.to_string(),
    })
}

/// The JSON schema at an address that a chart's schema refers to.
pub(super) fn schema_at(address: &str) -> Result<Vec<u8>, String> {
    download(address, |url, status| format!("HTTP request to {url} returned status {status} ({})", reason(status)))
}

/// Helm's text for an answer that is no file.
pub(super) fn status_text(url: &str, status: u16) -> String {
    format!("failed to fetch {url} : {status} {}", reason(status))
}

fn reason(status: u16) -> &'static str {
    http::StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason()).unwrap_or_default()
}

/// Go's text for an error of the operating system.
pub(super) fn go_words(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "no such file or directory".into(),
        std::io::ErrorKind::PermissionDenied => "permission denied".into(),
        _ => error.to_string(),
    }
}
