//! `cargo xtask bench`: Pintle's renders and Helm's own on the same charts in one run, and what one is to the other.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use pintle_e2e::root;
use serde_json::Value as Json;

use crate::test::{cargo_command, shared, target};

const PARTS: [&str; 6] = ["render", "cold", "memory", "allocations", "command", "releases"];

/// Charts that people run, measured whatever they weigh.
const NAMED: [&str; 3] = [
    "prometheus-community_helm-charts__charts__kube-prometheus-stack",
    "helm_charts__stable__postgresql",
    "bitnami_charts__bitnami__argo-cd",
];

/// How many of the other charts, those that take Helm longest and come out the same each time: what the heaviest of all
/// do is make keys, for seconds.
const HEAVIEST: usize = 20;

/// How often each side is asked, in turn; the best answer counts.
const ROUNDS: usize = 3;
/// How long a side renders one chart when asked, in seconds.
const SECONDS: &str = "0.5";
/// How many releases of one chart are rendered to see what a second core brings.
const RELEASES: &str = "200";

/// A chart with the values of its first case.
struct Case {
    name: String,
    chart: PathBuf,
    values: Option<PathBuf>,
    /// Its output is not the same each time: passwords or keys are made, which cost what cryptography costs.
    random: bool,
}

impl Case {
    fn arguments(&self) -> impl Iterator<Item = &Path> {
        std::iter::once(self.chart.as_path()).chain(self.values.as_deref())
    }
}

/// The programs of both sides.
struct Sides {
    helm: PathBuf,
    pintle: PathBuf,
}

/// What both sides took, in the unit of its column.
#[derive(Clone, Copy)]
struct Pair {
    helm: f64,
    pintle: f64,
}

impl Pair {
    fn ratio(self) -> f64 {
        self.helm / self.pintle
    }
}

/// A column of the table: one thing that is measured for each chart.
struct Column {
    part: &'static str,
    title: &'static str,
    unit: &'static str,
    /// The ratios that are wanted, on average and at worst.
    goal: (f64, f64),
    measure: fn(&mut Task<'_>) -> Result<Pair>,
}

const COLUMNS: [Column; 7] = [
    Column {
        part: "render",
        title: "render",
        unit: "ms",
        goal: (10.0, 5.0),
        measure: |t| t.time("render", |a| a.wall),
    },
    Column {
        part: "render",
        title: "render, CPU",
        unit: "ms",
        goal: (10.0, 5.0),
        measure: |t| t.time("render", |a| a.cpu),
    },
    Column {
        part: "render",
        title: "manifest",
        unit: "ms",
        goal: (10.0, 5.0),
        measure: |t| t.time("manifest", |a| a.wall),
    },
    Column { part: "cold", title: "cold", unit: "ms", goal: (4.0, 1.0), measure: |t| t.time("cold", |a| a.wall) },
    Column { part: "cold", title: "cold, CPU", unit: "ms", goal: (4.0, 1.0), measure: |t| t.time("cold", |a| a.cpu) },
    Column { part: "memory", title: "memory", unit: "MiB", goal: (3.0, 1.0), measure: |t| memory(t.sides, t.case) },
    Column {
        part: "allocations",
        title: "allocations",
        unit: "1000",
        goal: (1.0, 1.0),
        measure: |t| allocations(t.sides, t.case),
    },
];

/// Measures the parts named, or all.
pub(crate) fn run(parts: &[&str]) -> Result<()> {
    if let Some(unknown) = parts.iter().find(|part| !PARTS.contains(part)) {
        bail!("there is no part {unknown}; there are: {}", PARTS.join(", "));
    }
    let Some(corpus) = shared("corpus/cases.jsonl") else {
        println!("skipped: ../shared/corpus, which holds the charts, is not here");
        return Ok(());
    };
    let corpus = corpus.parent().context("the corpus has no folder")?.to_owned();
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    let sides = build()?;
    println!("{}", machine());
    let cases = cases(&corpus)?;
    let columns: Vec<&Column> = COLUMNS.iter().filter(|column| wanted(column.part)).collect();
    if !columns.is_empty() {
        table(&sides, &columns, &chosen(&sides, &cases)?)?;
    }
    if wanted("releases") {
        releases(&sides, &cases)?;
    }
    if wanted("command") {
        command(&corpus)?;
    }
    Ok(())
}

fn build() -> Result<Sides> {
    let mut report = |line: &str| println!("{line}");
    let helm = pintle_e2e::build_helm_engine(&mut report)?;
    cargo_build(&["--package", "pintle-benches", "--bins"])?;
    Ok(Sides { helm, pintle: target().join("release/measure") })
}

fn cargo_build(what: &[&str]) -> Result<()> {
    let status = cargo_command().args(["build", "--release"]).args(what).current_dir(root()).status()?;
    ensure!(status.success(), "cargo build {} failed", what.join(" "));
    Ok(())
}

/// What this is measured on.
fn machine() -> String {
    let first = |program: &str, argument: &str| {
        let told = Command::new(program).arg(argument).output().map(|done| done.stdout).unwrap_or_default();
        String::from_utf8_lossy(&told).trim().to_owned()
    };
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{cores} cores,{}; load {}; {}; {}",
        model.trim_start_matches(['\t', ':']),
        load.split(' ').next().unwrap_or_default(),
        first("rustc", "--version"),
        first("go", "version"),
    )
}

/// A case of each chart that renders: that of the chart's own values, if there is one.
fn cases(corpus: &Path) -> Result<Vec<Case>> {
    let mut cases: Vec<Case> = Vec::new();
    for line in std::fs::read_to_string(corpus.join("cases.jsonl"))?.lines() {
        let case: Json = serde_json::from_str(line).context("cases.jsonl")?;
        let text = |key: &str| case[key].as_str();
        let (Some(id), Some(chart)) = (text("id"), text("chart")) else { bail!("a case without id or chart: {line}") };
        let (name, values) = id.split_once('@').unwrap_or((id, "default"));
        if text("error").is_some() {
            continue;
        }
        let known = cases.iter().position(|known| known.name == name);
        let found = Case {
            name: name.to_owned(),
            chart: corpus.join(chart),
            values: text("values").map(|values| corpus.join(values)),
            random: case["random_lines"].as_u64().unwrap_or_default() > 0,
        };
        match known {
            None => cases.push(found),
            Some(at) if values == "default" => cases[at] = found,
            Some(_) => {}
        }
    }
    Ok(cases)
}

/// The named charts, then those that take Helm longest.
fn chosen<'a>(sides: &Sides, cases: &'a [Case]) -> Result<Vec<&'a Case>> {
    println!("asking Helm which of {} charts take longest", cases.len());
    let mut child = Command::new(&sides.helm).arg("rank").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut question = String::new();
    for case in cases {
        let values = case.values.as_deref().unwrap_or(Path::new(""));
        writeln!(question, "{}\t{}", case.chart.display(), values.display())?;
    }
    let mut stdin = child.stdin.take().context("no way to ask Helm's engine")?;
    let asking = std::thread::spawn(move || stdin.write_all(question.as_bytes()));
    let done = child.wait_with_output()?;
    ensure!(done.status.success() && matches!(asking.join(), Ok(Ok(()))), "Helm's engine cannot rank the charts");
    let answers = String::from_utf8(done.stdout)?;
    let mut ranked: Vec<(u64, &Case)> = Vec::new();
    for (line, case) in answers.lines().zip(cases) {
        let answer: Json = serde_json::from_str(line)?;
        if answer["failed"] == false {
            ranked.push((answer["took_ns"].as_u64().unwrap_or_default(), case));
        }
    }
    ranked.sort_by_key(|(took, _)| std::cmp::Reverse(*took));
    let named: Vec<&Case> = NAMED.iter().filter_map(|name| cases.iter().find(|case| case.name == *name)).collect();
    let others = ranked.into_iter().map(|(_, case)| case).filter(|case| !NAMED.contains(&case.name.as_str()));
    Ok(named.into_iter().chain(others.filter(|case| !case.random).take(HEAVIEST)).collect())
}

/// Runs a program of one of the sides and reads its answer.
fn ask(program: &Path, verb: &[&str], case: &Case) -> Result<Json> {
    let done = Command::new(program).args(verb).args(case.arguments()).output()?;
    let error = String::from_utf8_lossy(&done.stderr);
    ensure!(done.status.success(), "{} {}: {error}", program.display(), case.chart.display());
    serde_json::from_slice(&done.stdout).with_context(|| format!("{} gave no JSON", program.display()))
}

fn number(answer: &Json, field: &str) -> Result<f64> {
    answer[field].as_f64().with_context(|| format!("no {field} in {answer}"))
}

/// A chart that is being measured, and the times that are known of it.
struct Task<'a> {
    sides: &'a Sides,
    case: &'a Case,
    asked: Vec<(&'static str, Times)>,
}

/// In milliseconds: what the clock said, and how long a processor was busy, Go's collection of garbage on another core
/// included.
#[derive(Clone, Copy)]
struct Times {
    wall: Pair,
    cpu: Pair,
}

impl Task<'_> {
    fn time(&mut self, mode: &'static str, of: fn(&Times) -> Pair) -> Result<Pair> {
        if let Some((_, times)) = self.asked.iter().find(|(known, _)| *known == mode) {
            return Ok(of(times));
        }
        let times = times(self.sides, self.case, mode)?;
        self.asked.push((mode, times));
        Ok(of(&times))
    }
}

/// The best of several answers, since others may use the machine.
fn times(sides: &Sides, case: &Case, mode: &str) -> Result<Times> {
    let none = Pair { helm: f64::MAX, pintle: f64::MAX };
    let mut best = Times { wall: none, cpu: none };
    for _ in 0..ROUNDS {
        let helm = ask(&sides.helm, &["time", mode, SECONDS], case)?;
        let pintle = ask(&sides.pintle, &["time", mode, SECONDS], case)?;
        let (theirs, ours) = (number(&helm, "bytes")?, number(&pintle, "bytes")?);
        if !case.random && theirs != ours {
            eprintln!("{}: not the same text, Helm makes {theirs} bytes and Pintle {ours}", case.name);
        }
        for (pair, field) in [(&mut best.wall, "median_ns"), (&mut best.cpu, "cpu_ns")] {
            pair.helm = pair.helm.min(number(&helm, field)? / 1e6);
            pair.pintle = pair.pintle.min(number(&pintle, field)? / 1e6);
        }
    }
    Ok(best)
}

/// The most that a process has at once that loads and renders the chart once, in MiB.
fn memory(sides: &Sides, case: &Case) -> Result<Pair> {
    let of = |program: &Path| -> Result<f64> { Ok(number(&ask(program, &["memory"], case)?, "peak_kib")? / 1024.0) };
    Ok(Pair { helm: of(&sides.helm)?, pintle: of(&sides.pintle)? })
}

/// What a render allocates, in thousands.
fn allocations(sides: &Sides, case: &Case) -> Result<Pair> {
    let ours = sides.pintle.with_file_name("allocations");
    let helm = number(&ask(&sides.helm, &["allocations"], case)?, "allocations")? / 1e3;
    Ok(Pair { helm, pintle: number(&ask(&ours, &[], case)?, "allocations")? / 1e3 })
}

fn table(sides: &Sides, columns: &[&Column], cases: &[&Case]) -> Result<()> {
    const NAME: usize = 44;
    let mut head = format!("{:NAME$}", "Helm, Pintle, how many times Helm's");
    for column in columns {
        write!(head, " | {:>23}", format!("{} ({})", column.title, column.unit))?;
    }
    println!("{head}");
    let mut ratios: Vec<Vec<f64>> = vec![Vec::new(); columns.len()];
    let mut calm: Vec<Vec<f64>> = vec![Vec::new(); columns.len()];
    for case in cases {
        let name = case.name.replace("__charts__", "/").replace("__", "/");
        let shown: String = name.chars().skip(name.chars().count().saturating_sub(NAME - 2)).collect();
        print!("{:NAME$}", if case.random { format!("{shown} *") } else { shown });
        let mut task = Task { sides, case, asked: Vec::new() };
        for (at, column) in columns.iter().enumerate() {
            let pair = (column.measure)(&mut task)?;
            print!(" | {:>8.2} {:>7.2} {:>6.1}", pair.helm, pair.pintle, pair.ratio());
            std::io::stdout().flush()?;
            ratios[at].push(pair.ratio());
            if !case.random {
                calm[at].push(pair.ratio());
            }
        }
        println!();
    }
    let line = |title: &str, of: &dyn Fn(usize) -> f64| {
        let mut text = format!("{title:NAME$}");
        for at in 0..columns.len() {
            // Writing to a String does not fail.
            let _ = write!(text, " | {:>23.1}", of(at));
        }
        println!("{text}");
    };
    line("geometric mean", &|at| geometric_mean(&ratios[at]));
    line("geometric mean without *", &|at| geometric_mean(&calm[at]));
    line("goal", &|at| columns[at].goal.0);
    line("worst", &|at| worst(&ratios[at]));
    line("worst without *", &|at| worst(&calm[at]));
    line("goal", &|at| columns[at].goal.1);
    println!("* makes passwords or keys, so that it is not the same each time; RSA keys take what they take\n");
    Ok(())
}

fn geometric_mean(ratios: &[f64]) -> f64 {
    #[allow(clippy::cast_precision_loss)] // a few dozen
    let count = ratios.len() as f64;
    (ratios.iter().map(|ratio| ratio.ln()).sum::<f64>() / count).exp()
}

fn worst(ratios: &[f64]) -> f64 {
    ratios.iter().copied().fold(f64::INFINITY, f64::min)
}

/// Many releases of one chart, on one core and on two.
fn releases(sides: &Sides, cases: &[Case]) -> Result<()> {
    println!("{RELEASES} releases of one chart, each with a name and a value of its own, in ms each:");
    for name in NAMED {
        let Some(case) = cases.iter().find(|case| case.name == name) else { continue };
        let each = |program: &Path, threads: &str| -> Result<f64> {
            let count: f64 = RELEASES.parse()?;
            Ok(number(&ask(program, &["releases", RELEASES, threads], case)?, "elapsed_ns")? / 1e6 / count)
        };
        let (helm, pintle) = (&sides.helm, &sides.pintle);
        let (helm_one, pintle_one) = (each(helm, "1")?, each(pintle, "1")?);
        let (helm_two, pintle_two) = (each(helm, "2")?, each(pintle, "2")?);
        let short = name.rsplit("__").next().unwrap_or(name);
        println!(
            "{short:24} one core: Helm {helm_one:.2}, Pintle {pintle_one:.2} ({:.1}); two: Helm {helm_two:.2}, \
             Pintle {pintle_two:.2} ({:.1}); a second core brings Helm {:.2}, Pintle {:.2}",
            helm_one / pintle_one,
            helm_two / pintle_two,
            helm_one / helm_two,
            pintle_one / pintle_two,
        );
    }
    println!();
    Ok(())
}

/// `pintle template` and `helm template` on all cases, as processes, in turn.
fn command(corpus: &Path) -> Result<()> {
    let mut report = |line: &str| println!("{line}");
    let helm = pintle_e2e::build_helm(&mut report)?;
    cargo_build(&["--bin", "pintle"])?;
    let pintle = target().join("release/pintle");
    let run = |program: &Path, chart: &Path, values: Option<&Path>| -> Result<Duration> {
        let mut command = Command::new(program);
        command.args(["template", "rel"]).arg(chart);
        command.args(["--namespace", "ns", "--include-crds", "--kube-version", "1.36.3"]);
        if let Some(values) = values {
            command.arg("--values").arg(values);
        }
        let start = Instant::now();
        // Some cases are there for their errors.
        command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
        Ok(start.elapsed())
    };
    let (mut theirs, mut ours, mut count) = (Duration::ZERO, Duration::ZERO, 0);
    for line in std::fs::read_to_string(corpus.join("cases.jsonl"))?.lines() {
        let case: Json = serde_json::from_str(line)?;
        let chart = corpus.join(case["chart"].as_str().context("a case without a chart")?);
        let values = case["values"].as_str().map(|values| corpus.join(values));
        theirs += run(&helm, &chart, values.as_deref())?;
        ours += run(&pintle, &chart, values.as_deref())?;
        count += 1;
    }
    println!(
        "`template` as a command, {count} cases one at a time: Helm {:.1} s, Pintle {:.1} s: {:.1} times (goal 8)",
        theirs.as_secs_f64(),
        ours.as_secs_f64(),
        theirs.as_secs_f64() / ours.as_secs_f64(),
    );
    Ok(())
}
