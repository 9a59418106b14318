//! `cargo xtask scale`: what many small releases (ConfigMap, Service, Deployment) cost at a time: time, CPU, memory and
//! requests, for an install, at rest, for a change in all, after a restart and after somebody's change. The floor, a plain
//! client that does no more than it has to, is measured in the same run.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use pintle_e2e::{
    ChartRepository, ControlPlane, HELMRELEASE, Namespace, Operator, OperatorOptions, Packaged, Watch,
    build_controlplane, build_helm, is_ready, release_spec, root, wait_until,
};
use serde_json::{Value, json};

/// How long a phase may take.
const PATIENCE: Duration = Duration::from_secs(1200);
/// How long rest is measured.
const REST: Duration = Duration::from_secs(30);
/// Changes by somebody whose correction is timed.
const DRIFTS: usize = 20;

/// `cargo xtask scale [--n N] [--pods | --chart ARCHIVE [--values JSON]]`
pub(crate) fn run(args: &[&str]) -> Result<()> {
    let (mut count, mut replicas, mut chart, mut values) = (100_usize, 0, None, json!({}));
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "--n" => count = args.next().context("--n takes a number")?.parse()?,
            "--pods" => replicas = 1,
            "--chart" => chart = Some(args.next().context("--chart takes a packaged chart")?),
            "--values" => values = serde_json::from_str(args.next().context("--values takes JSON")?)?,
            other => anyhow::bail!(
                "unknown argument {other}: cargo xtask scale [--n N] [--pods | --chart ARCHIVE [--values JSON]]"
            ),
        }
    }
    if let Some(chart) = chart {
        return of_chart(Path::new(chart), values, count);
    }
    let mut report = |line: &str| println!("{line}");
    let tools = build_controlplane(&mut report)?;
    let helm = build_helm(&mut report)?;
    println!("building pintle and the floor");
    pintle_e2e::pintle()?;
    let floor = build_floor()?;

    let control_plane = ControlPlane::start(&tools, &root().join("target/scale"))?;
    let repository = ChartRepository::start()?;
    repository.add_folder(&root().join("e2e/charts/hello-1.0.0"))?;
    control_plane.prepare_for_operator()?;
    let at = Namespace::create("scale", control_plane.admin(), &helm)?;

    let lowest = Namespace::create("floor", control_plane.admin(), &helm)?;
    let output = Command::new(floor)
        .arg(control_plane.admin().kubeconfig())
        .args([lowest.name(), &count.to_string()])
        .output()
        .context("cannot run the floor")?;
    ensure!(output.status.success(), "the floor failed: {}", String::from_utf8_lossy(&output.stderr));
    let floor: f64 = String::from_utf8_lossy(&output.stdout).trim().parse()?;

    at.put_repository("charts", &json!({"url": repository.url(), "interval": "10m"}))?;
    let options = OperatorOptions { namespace: Some("scale".into()), ..OperatorOptions::default() };
    let mut operator = Operator::start(&control_plane, "scale", options)?;
    let mut table = vec![format!("floor: {count} releases in {floor:.1} s, 5 requests each")];

    let list = |greeting: &str| {
        let values = json!({"replicas": replicas, "greeting": greeting, "hooks": {"enabled": false}});
        let more = json!({"interval": "1h", "driftDetection": {"mode": "enabled"}, "values": values});
        let spec = release_spec("hello", "1.0.0", &more);
        let items: Vec<Value> = (0..count)
            .map(|number| {
                json!({"apiVersion": "pintle.dev/v1", "kind": "HelmRelease", "spec": spec,
                    "metadata": {"name": format!("r{number}"), "namespace": at.name()}})
            })
            .collect();
        json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    };
    let mut watch = at.kubectl().watch(&[HELMRELEASE, "-n", at.name()])?;

    let phase = Phase::begin(&operator, &control_plane)?;
    at.kubectl().run_with(&["create", "-f", "-"], &list("Hello"))?;
    until_all(&mut watch, count, 1)?;
    let told = phase.end("install", count, &operator, &control_plane)?;
    let install = told.took.as_secs_f64();
    table.push(format!("{told}, {:.2} x floor", install / floor));
    table.push(told.requests());

    // What comes in after the last release was ready belongs to the install, not to the rest.
    while watch.next(Duration::from_secs(5))?.is_some() {}
    let phase = Phase::begin(&operator, &control_plane)?;
    while watch.next(REST)?.is_some() {}
    let told = phase.end("rest", count, &operator, &control_plane)?;
    table.push(format!("{told}"));
    table.push(told.requests());

    let phase = Phase::begin(&operator, &control_plane)?;
    at.kubectl().run_with(&["replace", "-f", "-"], &list("Salut"))?;
    until_all(&mut watch, count, 2)?;
    let told = phase.end("a value changed in all", count, &operator, &control_plane)?;
    table.push(format!("{told}"));
    table.push(told.requests());

    while watch.next(Duration::from_secs(5))?.is_some() {}
    let requests = control_plane.operator_requests()?.len();
    let began = Instant::now();
    operator.restart(&control_plane)?;
    at.patch_release("r0", &json!({"spec": {"values": {"greeting": "Moin"}}}))?;
    at.until_runs("r0", "hello@1.0.0", 3)?;
    let acted = began.elapsed();
    // Everything that a restart sets off is over when nothing has been asked for a while.
    let mut asked = control_plane.operator_requests()?.len();
    wait_until("the restart is over", PATIENCE, || {
        std::thread::sleep(Duration::from_secs(5));
        let now = control_plane.operator_requests()?.len();
        let still = std::mem::replace(&mut asked, now) == now;
        Ok(if still { Ok(()) } else { Err(format!("{now} requests")) })
    })?;
    let (memory, peak) = operator.process().memory()?;
    table.push(format!(
        "restart: {:.2} s of CPU, {} requests, a change acted on after {:.1} s; {} MiB resident, {} MiB at most",
        operator.process().cpu()?.as_secs_f64(),
        asked - requests,
        acted.as_secs_f64(),
        memory >> 20,
        peak >> 20
    ));
    table.push(kinds(&control_plane.operator_requests()?[requests..]));

    let mut corrected = Vec::new();
    for number in 1..=DRIFTS.min(count.saturating_sub(1)) {
        let name = format!("r{number}-hello");
        let patch = json!({"data": {"greeting": "?"}});
        let mut seen = at.kubectl().watch(&[
            "configmaps",
            "-n",
            at.name(),
            "--field-selector",
            &format!("metadata.name={name}"),
        ])?;
        seen.until(PATIENCE, |event| (event.object["data"]["greeting"] == "Salut").then_some(()))?;
        at.kubectl().run(&["-n", at.name(), "patch", "configmap", &name, "-p", &patch.to_string()])?;
        seen.until(PATIENCE, |event| (event.object["data"]["greeting"] == "?").then_some(()))?;
        let began = Instant::now();
        seen.until(PATIENCE, |event| (event.object["data"]["greeting"] == "Salut").then_some(()))?;
        corrected.push(began.elapsed());
    }
    corrected.sort_unstable();
    if let Some(median) = corrected.get(corrected.len() / 2) {
        table.push(format!("drift: corrected after {} ms (median of {})", median.as_millis(), corrected.len()));
    }
    println!("\n{count} releases, {replicas} pods each\n{}", table.join("\n"));
    Ok(())
}

/// What releases of any chart cost: installed, and upgraded with another value of `commonLabels`, which many charts put on all
/// their objects.
fn of_chart(archive: &Path, mut values: Value, count: usize) -> Result<()> {
    let mut report = |line: &str| println!("{line}");
    let tools = build_controlplane(&mut report)?;
    let helm = build_helm(&mut report)?;
    pintle_e2e::pintle()?;
    let control_plane = ControlPlane::start(&tools, &root().join("target/scale"))?;
    let repository = ChartRepository::start()?;
    control_plane.prepare_for_operator()?;
    let at = Namespace::create("scale", control_plane.admin(), &helm)?;
    let told = at.helm(&["show", "chart", archive.to_str().context("the path is not UTF-8")?])?;
    let field = |key: &str| {
        let line = told.lines().find_map(|line| line.strip_prefix(key)).with_context(|| format!("no {key}"))?;
        Ok::<_, anyhow::Error>(line.trim().trim_matches(['"', '\'']).to_owned())
    };
    let (name, version) = (field("name:")?, field("version:")?);
    let bytes = fs::read(archive)?;
    repository.add(Packaged { name: name.clone(), version: version.clone(), app_version: String::new(), bytes });
    at.put_repository("charts", &json!({"url": repository.url(), "interval": "10m"}))?;
    let options = OperatorOptions { namespace: Some("scale".into()), ..OperatorOptions::default() };
    let operator = Operator::start(&control_plane, "scale", options)?;
    let mut watch = at.kubectl().watch(&[HELMRELEASE, "-n", at.name()])?;
    let mut table = Vec::new();
    for (round, verb) in [(1, "create"), (2, "apply")] {
        values["commonLabels"] = json!({"round": round.to_string()});
        let more = json!({"interval": "1h", "timeout": "10m", "driftDetection": {"mode": "enabled"}, "values": values});
        let spec = release_spec(&name, &version, &more);
        let items: Vec<Value> = (0..count)
            .map(|number| {
                json!({"apiVersion": "pintle.dev/v1", "kind": "HelmRelease", "spec": spec,
                    "metadata": {"name": format!("r{number}"), "namespace": at.name()}})
            })
            .collect();
        let list = json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string();
        while watch.next(Duration::from_secs(5))?.is_some() {}
        let phase = Phase::begin(&operator, &control_plane)?;
        at.kubectl().run_with(&[verb, "-f", "-"], &list)?;
        until_all(&mut watch, count, round)?;
        let told =
            phase.end(if round == 1 { "install" } else { "a value changed" }, count, &operator, &control_plane)?;
        table.push(format!("{told}"));
        table.push(told.requests());
    }
    println!("\n{count} releases of {name} {version}\n{}", table.join("\n"));
    Ok(())
}

/// Builds the floor, optimised, and gives its path.
fn build_floor() -> Result<std::path::PathBuf> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let args = ["build", "--locked", "--release", "--package", "pintle-e2e", "--example", "floor"];
    let status = Command::new(cargo).args(args).current_dir(root()).status()?;
    ensure!(status.success(), "the floor does not build");
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), Into::into);
    Ok(target.join("release/examples/floor"))
}

fn until_all(watch: &mut Watch, count: usize, revision: i64) -> Result<()> {
    let mut ready = BTreeSet::new();
    watch.until(PATIENCE, |event| {
        if is_ready(&event.object) && event.object["status"]["revision"] == revision {
            ready.insert(event.object["metadata"]["name"].to_string());
        }
        (ready.len() == count).then_some(())
    })
}

/// A measurement that has begun.
struct Phase {
    began: Instant,
    cpu: Duration,
    requests: usize,
}

/// A measurement.
struct Told {
    name: &'static str,
    took: Duration,
    cpu: Duration,
    requests: Vec<String>,
    count: usize,
    memory: (u64, u64),
}

impl Phase {
    fn begin(operator: &Operator, control_plane: &ControlPlane) -> Result<Self> {
        let requests = control_plane.operator_requests()?.len();
        Ok(Self { began: Instant::now(), cpu: operator.process().cpu()?, requests })
    }

    fn end(self, name: &'static str, count: usize, operator: &Operator, control_plane: &ControlPlane) -> Result<Told> {
        let took = self.began.elapsed();
        let mut requests = control_plane.operator_requests()?;
        requests.drain(..self.requests);
        requests.retain(|request| !request.contains("/leases/"));
        let cpu = operator.process().cpu()?.saturating_sub(self.cpu);
        Ok(Told { name, took, cpu, requests, count, memory: operator.process().memory()? })
    }
}

impl std::fmt::Display for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let each = |all: f64| all / self.count as f64;
        write!(
            f,
            "{}: {:.1} s; a release {:.1} ms of CPU, {:.1} requests; {} MiB resident, {} MiB at most",
            self.name,
            self.took.as_secs_f64(),
            each(self.cpu.as_secs_f64() * 1000.0),
            each(self.requests.len() as f64),
            self.memory.0 >> 20,
            self.memory.1 >> 20
        )
    }
}

impl Told {
    fn requests(&self) -> String {
        kinds(&self.requests)
    }
}

/// Requests by verb and kind of object.
fn kinds(requests: &[String]) -> String {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for request in requests {
        let (verb, path) = request.split_once(' ').unwrap_or((request, ""));
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        let words: Vec<&str> = path.split('/').collect();
        let at = words.iter().position(|word| *word == "namespaces").map_or(3, |at| at + 2);
        let status = if words.last() == Some(&"status") { "/status" } else { "" };
        let dry = if query.contains("dryRun") { " (dry run)" } else { "" };
        let kind = words.get(at).copied().unwrap_or(path);
        *counts.entry(format!("{verb} {kind}{status}{dry}")).or_default() += 1;
    }
    let mut text = String::from("   ");
    for (what, count) in counts {
        let _ = write!(text, " {count} {what},");
    }
    text.trim_end_matches(',').to_owned()
}
