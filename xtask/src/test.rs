//! `cargo xtask test`: everything that must hold, one line a stage at the end.

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use pintle_e2e::root;
use serde_json::Value;

enum Outcome {
    Passed,
    Failed(String),
    Skipped(String),
}

type Stage = (&'static str, fn() -> Result<Outcome>);

const STAGES: [Stage; 6] =
    [("format", format), ("lint", lint), ("unit", unit), ("cases", cases), ("charts", charts), ("e2e", e2e)];

/// Runs the stages named, or all.
pub(crate) fn run(names: &[&str]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| STAGES.iter().all(|(stage, _)| stage != *name)) {
        bail!("there is no stage {unknown}; there are: {}", STAGES.map(|(stage, _)| stage).join(", "));
    }
    let mut results = Vec::new();
    for (name, stage) in STAGES {
        if !names.is_empty() && !names.contains(&name) {
            continue;
        }
        println!("== {name}");
        let start = Instant::now();
        let outcome = stage().unwrap_or_else(|error| Outcome::Failed(format!("{error:#}")));
        results.push((name, outcome, start.elapsed()));
    }
    println!();
    let failed = results.iter().filter(|(_, outcome, _)| matches!(outcome, Outcome::Failed(_))).count();
    for (name, outcome, took) in &results {
        println!("{}", line(name, outcome, *took));
    }
    ensure!(failed == 0, "{failed} of {} stages failed", results.len());
    Ok(())
}

fn line(name: &str, outcome: &Outcome, took: Duration) -> String {
    let (word, why) = match outcome {
        Outcome::Passed => ("passed", ""),
        Outcome::Failed(why) => ("FAILED", why.as_str()),
        Outcome::Skipped(why) => ("skipped", why.as_str()),
    };
    format!("{name:<7} {word:<7} {:6.1} s  {why}", took.as_secs_f32())
}

/// The cargo that runs us.
pub(crate) fn cargo_command() -> Command {
    Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}

fn cargo(args: &[&str]) -> Result<Outcome> {
    let mut command = cargo_command();
    command.args(args);
    if std::env::var_os("RUST_BACKTRACE").is_none() {
        command.env("RUST_BACKTRACE", "0");
    }
    status(&mut command)
}

fn status(command: &mut Command) -> Result<Outcome> {
    let program = command.get_program().display().to_string();
    let status = command.current_dir(root()).status().with_context(|| format!("cannot run {program}"))?;
    if status.success() {
        return Ok(Outcome::Passed);
    }
    let args: Vec<String> = command.get_args().map(|arg| arg.display().to_string()).collect();
    Ok(Outcome::Failed(format!("`{program} {}` ended with {status}", args.join(" "))))
}

fn format() -> Result<Outcome> {
    cargo(&["fmt", "--all", "--check"])
}

fn lint() -> Result<Outcome> {
    let clippy = cargo(&["clippy", "--workspace", "--all-targets", "--quiet", "--", "-D", "warnings"])?;
    if !matches!(clippy, Outcome::Passed) {
        return Ok(clippy);
    }
    // The pages of the library: every crate alone and without the operator, as its users see it.
    let mut args = vec!["doc", "--no-deps", "--quiet", "--lib", "--no-default-features"];
    for package in LIBRARIES {
        args.extend(["--package", package]);
    }
    let mut command = cargo_command();
    status(command.args(args).env("RUSTDOCFLAGS", "-D warnings"))
}

/// What others may build on.
const LIBRARIES: [&str; 5] = ["pintle", "pintle-golib", "pintle-value", "pintle-yaml", "pintle-template"];

fn unit() -> Result<Outcome> {
    cargo(&["test", "--workspace", "--exclude", "pintle-e2e"])
}

/// One-template cases with Helm's own answers.
fn cases() -> Result<Outcome> {
    let Some(script) = shared("conformance/run.py") else { return absent("conformance") };
    // Unoptimized code is slow enough here to be worth a second build.
    let built = cargo(&["build", "--release", "--example", "render_cases"])?;
    if !matches!(built, Outcome::Passed) {
        return Ok(built);
    }
    let program = target().join("release/examples/render_cases");
    let mut command = Command::new("python3");
    command.arg(script).args(["--show", "100", "--"]).arg(program).current_dir(root());
    let done = command.output().context("cannot run python3")?;
    let told = String::from_utf8_lossy(&done.stdout);
    println!("{told}");
    let failed: Vec<&str> = told.lines().filter_map(|line| line.strip_prefix("--- ")).collect();
    let unknown: Vec<&str> = failed.iter().filter(|id| !KNOWN.contains(id)).copied().collect();
    // A run that told nothing, or a case that is answered by now and still listed as known, is not what this stands for.
    let summed = told.lines().last().is_some_and(|line| line.ends_with(&format!(" passed, {} failed", failed.len())));
    let answered: Vec<&str> = KNOWN.iter().filter(|id| !failed.contains(id)).copied().collect();
    Ok(match (summed, unknown.is_empty(), answered.is_empty()) {
        (true, true, true) => Outcome::Passed,
        (true, true, false) => Outcome::Failed(format!("answered by now, take off the list: {}", answered.join(", "))),
        _ => Outcome::Failed(format!("cases that are not known to differ: {}", unknown.join(", "))),
    })
}

/// Cases that are answered otherwise than by Helm; docs/COMPATIBILITY.md would say why.
const KNOWN: [&str; 0] = [];

/// Real charts with what Helm printed for them.
fn charts() -> Result<Outcome> {
    let Some(script) = shared("corpus/check.py") else { return absent("corpus") };
    let built = cargo(&["build", "--release", "--bin", "pintle"])?;
    if !matches!(built, Outcome::Passed) {
        return Ok(built);
    }
    // Helm's words alone are compared.
    let mut command = Command::new("python3");
    command.arg(script).arg("--").arg(target().join("release/pintle"));
    status(&mut command)
}

fn e2e() -> Result<Outcome> {
    let mut report = |line: &str| println!("{line}");
    pintle_e2e::build_controlplane(&mut report)?;
    pintle_e2e::build_helm(&mut report)?;
    pintle_e2e::build_registry(&mut report)?;
    // What only one test needs is built before all of them too: they are not to compete with a compiler.
    pintle_e2e::build_helm3(&mut report)?;
    pintle_e2e::build_lua(&mut report)?;
    // What people run: its memory is measured too. Where the charts were checked it is built already.
    let built = cargo(&["build", "--release", "--bin", "pintle"])?;
    if !matches!(built, Outcome::Passed) {
        return Ok(built);
    }
    let pintle = target().join("release/pintle");
    let programs = e2e_programs()?;
    let (alone, beside): (Vec<_>, Vec<_>) = programs.iter().partition(|program| ALONE.contains(&program.name.as_str()));
    let mut failed = run_in_lanes(&beside, LANES, &pintle);
    failed.extend(run_in_lanes(&alone, 1, &pintle));
    Ok(if failed.is_empty() { Outcome::Passed } else { Outcome::Failed(failed.join(", ")) })
}

/// How many of the programs run at a time: most of a test is waiting. Each has a control plane of its own.
const LANES: usize = 2;
/// How many tests of a program run at a time.
const THREADS: &str = "4";
/// Programs that measure the operator, and have the machine to themselves.
const ALONE: [&str; 2] = ["idle_is_idle", "waiting_holds_nothing"];

/// A program of tests.
struct Program {
    name: String,
    path: String,
}

/// Builds the programs of tests; in the order of their names.
fn e2e_programs() -> Result<Vec<Program>> {
    let mut command = cargo_command();
    command.args(["test", "--package", "pintle-e2e", "--no-run", "--message-format", "json-render-diagnostics"]);
    let done = command.current_dir(root()).stderr(Stdio::inherit()).output().context("cannot run cargo")?;
    ensure!(done.status.success(), "cargo built no tests: {}", done.status);
    let text = String::from_utf8_lossy(&done.stdout);
    let built = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let mut programs: Vec<Program> = built
        .filter(|message| message["profile"]["test"] == true)
        .filter_map(|message| {
            let (name, path) = (message["target"]["name"].as_str()?, message["executable"].as_str()?);
            Some(Program { name: name.to_owned(), path: path.to_owned() })
        })
        .collect();
    programs.sort_by(|a, b| a.name.cmp(&b.name));
    for alone in ALONE {
        ensure!(programs.iter().any(|program| program.name == alone), "there is no program of tests {alone}");
    }
    Ok(programs)
}

/// Runs the programs, so many at a time; prints what each says when it has ended. Answers those that failed.
fn run_in_lanes(programs: &[&Program], lanes: usize, pintle: &Path) -> Vec<String> {
    let next = AtomicUsize::new(0);
    let lane = || {
        let mut failed = Vec::new();
        while let Some(program) = programs.get(next.fetch_add(1, Ordering::Relaxed)) {
            let start = Instant::now();
            let (passed, told) = match run_program(program, pintle) {
                Ok(done) => {
                    let told = [done.stdout, done.stderr].concat();
                    (done.status.success(), String::from_utf8_lossy(&told).into_owned())
                }
                Err(error) => (false, format!("{error:#}")),
            };
            let word = if passed { "passed" } else { "FAILED" };
            println!("-- {} {word} in {:.0} s\n{}", program.name, start.elapsed().as_secs_f32(), told.trim());
            if !passed {
                failed.push(program.name.clone());
            }
        }
        failed
    };
    std::thread::scope(|threads| {
        let lanes: Vec<_> = (0..lanes).map(|_| threads.spawn(lane)).collect();
        // A lane that panicked has lost its list, and counts as a failure of its own.
        lanes.into_iter().flat_map(|lane| lane.join().unwrap_or_else(|_| vec!["a lane panicked".into()])).collect()
    })
}

fn run_program(program: &Program, pintle: &Path) -> Result<Output> {
    let here = root().join("e2e");
    Command::new(&program.path)
        .current_dir(&here)
        .env("CARGO_MANIFEST_DIR", &here)
        .env("PINTLE_BIN", pintle)
        .env("RUST_TEST_THREADS", THREADS)
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run {}", program.path))
}

/// What lies beside the project where it is developed, and is not part of it.
pub(crate) fn shared(file: &str) -> Option<std::path::PathBuf> {
    let path = root().join("../shared").join(file);
    path.exists().then_some(path)
}

fn absent(what: &str) -> Result<Outcome> {
    Ok(Outcome::Skipped(format!("../shared/{what} is not here")))
}

/// Cargo's folder of built things.
pub(crate) fn target() -> std::path::PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| Path::new(&folder).to_owned())
}
