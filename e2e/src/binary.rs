//! Where the project is, and its program under test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

/// The project's root folder.
#[must_use]
pub fn root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    ROOT.get_or_init(|| {
        // Where cargo runs us, so that a program from a target folder that several checkouts share knows its own; the
        // place where it was compiled otherwise. Both are one level below the root.
        let here = std::env::var_os("CARGO_MANIFEST_DIR")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
        here.parent().map_or_else(|| here.clone(), Path::to_owned)
    })
}

/// The `pintle` program: what `PINTLE_BIN` names, or else the one cargo builds now (its progress goes to standard error).
pub fn pintle() -> Result<PathBuf> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    if let Some(given) = std::env::var_os("PINTLE_BIN") {
        return Ok(PathBuf::from(given));
    }
    BUILT.get_or_init(|| build().map_err(|error| format!("{error:#}"))).clone().map_err(anyhow::Error::msg)
}

fn build() -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let done = Command::new(cargo)
        .args(["build", "--package", "pintle", "--bin", "pintle", "--message-format", "json-render-diagnostics"])
        .current_dir(root())
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .context("cannot run cargo build")?;
    if !done.status.success() {
        bail!("cargo build of pintle ended with {}", done.status);
    }
    let messages = String::from_utf8_lossy(&done.stdout);
    let mut artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let program = artifacts.find_map(|message| {
        let ours = message["target"]["name"] == "pintle" && message["executable"].is_string();
        ours.then(|| message["executable"].as_str().map(PathBuf::from)).flatten()
    });
    program.context("cargo built pintle and named no executable")
}
