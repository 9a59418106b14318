//! Writes the CustomResourceDefinitions where people and charts take them from.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// `cargo xtask crds`
pub(crate) fn run() -> Result<()> {
    let root = pintle_e2e::root();
    let output = Command::new(pintle_e2e::pintle()?).arg("crds").output().context("cannot run pintle crds")?;
    ensure!(output.status.success(), "pintle crds: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).context("pintle crds printed no text")?;
    let folders = [root.join("config/crd"), root.join("charts/pintle/crds")];
    let mut written = 0;
    for document in text.split("---\n").filter(|document| !document.trim().is_empty()) {
        let name =
            document.lines().find_map(|line| line.strip_prefix("  name: ")).context("a definition without a name")?;
        // `helmreleases.pintle.dev` stands in `pintle.dev_helmreleases.yaml`.
        let (plural, group) = name.trim().split_once('.').with_context(|| format!("unexpected name {name}"))?;
        for folder in &folders {
            fs::create_dir_all(folder)?;
            let file = folder.join(format!("{group}_{plural}.yaml"));
            fs::write(&file, document).with_context(|| format!("cannot write {}", file.display()))?;
        }
        written += 1;
    }
    ensure!(written > 0, "pintle crds printed no definition");
    println!("{written} definitions written to config/crd and charts/pintle/crds");
    Ok(())
}
