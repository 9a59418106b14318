//! `cargo xtask fuzz`: builds the fuzzer and, where it is asked for, Helm's engine, and lets them run.

use std::fs;
use std::process::Command;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail, ensure};
use pintle_e2e::root;

use crate::test::{cargo_command, target};

/// Runs one of the two kinds; the options are the fuzzer's own.
pub(crate) fn run(how: &str, options: &[&str]) -> Result<()> {
    let mut build = cargo_command();
    build.args(["build", "--quiet", "--release", "--package", "pintle-fuzz"]);
    if how == "--panics" {
        build.args(["--features", "index"]);
    }
    ensure!(build.current_dir(root()).status().context("cannot run cargo")?.success(), "the fuzzer does not build");

    let mut fuzzer = Command::new(target().join("release/pintle-fuzz"));
    match how {
        "--against-helm" => {
            let oracle = pintle_e2e::build_oracle(&mut |line| println!("{line}"))?;
            let folder = target().join("fuzz");
            fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
            fuzzer.arg("helm").arg(oracle).arg("--found").arg(folder.join("found.jsonl"));
        }
        "--panics" => {
            fuzzer.arg("panics");
        }
        _ => bail!("either --against-helm or --panics"),
    }
    // Another one each time, unless told otherwise; the fuzzer prints it.
    let seed = SystemTime::now().duration_since(UNIX_EPOCH).map_or(1, |since| since.as_secs());
    fuzzer.args(["--seed", &seed.to_string()]);
    for file in ["../shared/conformance/eval.jsonl.gz", "../shared/conformance/lexer_parser.jsonl.gz"] {
        let path = root().join(file);
        if path.exists() {
            fuzzer.arg("--seeds").arg(path);
        }
    }
    let status = fuzzer.args(options).current_dir(root()).status().context("cannot run the fuzzer")?;
    ensure!(status.success(), "the fuzzer ended with {status}: see above");
    Ok(())
}
