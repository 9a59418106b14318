//! The fuzzer's command line; `cargo xtask fuzz` builds what it needs and calls it.
#![allow(clippy::print_stdout, reason = "a command line")]

use anyhow::{Context as _, Result, bail};
use pintle_fuzz::{
    case::{Answer, Case, with_stack},
    differ::{self, Known, Settings},
    generate,
    oracle::Oracle,
    panics,
};
use serde::Deserialize;
use std::{
    io::{BufRead as _, BufReader, Read as _},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

const USAGE: &str = "\
pintle-fuzz helm ORACLE --minutes N [--seed S] [--from I] [--found FILE] [--seeds FILE]…   compare with Helm
pintle-fuzz show --seed S --from I [--seeds FILE]…                                        print a case
pintle-fuzz again ORACLE FILE                                                             ask the cases of a file again; print those that differ
pintle-fuzz panics --minutes N [--seed S] [--only TARGET] [--seeds FILE]…                 throw bytes at readers";

fn main() -> ExitCode {
    // Caught panics are answers; the messages would only hide them.
    std::panic::set_hook(Box::new(|_| {}));
    match with_stack(run) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("Error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

struct Arguments {
    minutes: f64,
    seed: u64,
    from: u64,
    found: PathBuf,
    only: Option<String>,
    seeds: Vec<Case>,
    words: Vec<String>,
}

fn arguments() -> Result<Arguments> {
    let mut given = std::env::args().skip(1);
    let mut parsed = Arguments {
        minutes: 1.0,
        seed: 1,
        from: 0,
        found: "fuzz-found.jsonl".into(),
        only: None,
        seeds: Vec::new(),
        words: Vec::new(),
    };
    while let Some(word) = given.next() {
        let mut value = || given.next().with_context(|| format!("{word} has no value"));
        match word.as_str() {
            "--minutes" => parsed.minutes = value()?.parse()?,
            "--seed" => parsed.seed = value()?.parse()?,
            "--from" => parsed.from = value()?.parse()?,
            "--found" => parsed.found = value()?.into(),
            "--only" => parsed.only = Some(value()?),
            "--seeds" => parsed.seeds.extend(seeds(Path::new(&value()?))?),
            _ => parsed.words.push(word),
        }
    }
    Ok(parsed)
}

fn run() -> Result<ExitCode> {
    let given = arguments()?;
    let time = Duration::from_secs_f64(given.minutes.max(0.0) * 60.0);
    let words: Vec<&str> = given.words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["helm", oracle] => {
            let settings = Settings {
                oracle: oracle.into(),
                seed: given.seed,
                from: given.from,
                time,
                found: given.found,
                seeds: given.seeds,
            };
            let summary = differ::run(&settings, &mut |line| println!("{line}"))?;
            Ok(if summary.kinds == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
        }
        ["show"] => {
            println!("{}", serde_json::to_string_pretty(&generate::case(given.seed, given.from, &given.seeds))?);
            Ok(ExitCode::SUCCESS)
        }
        ["again", oracle, file] => again(Path::new(oracle), Path::new(file)),
        ["panics"] => {
            panics::run(given.seed, time, given.only.as_deref(), &given.seeds, &mut |line| println!("{line}"))
        }
        _ => bail!("usage:\n{USAGE}"),
    }
}

/// Asks both engines about the cases of a file, and prints what still differs.
fn again(oracle: &Path, file: &Path) -> Result<ExitCode> {
    let mut oracle = Oracle::new(oracle);
    let mut differ = 0;
    for Known { case, .. } in differ::read(file)? {
        let Some(helm) = oracle.always(&case, 6)? else { continue };
        let ours = case.answer();
        if helm != ours && !matches!(ours, Answer::Limit(_)) {
            differ += 1;
            println!("{}\n    helm {helm:?}\n    ours {ours:?}", serde_json::to_string(&case)?);
        }
    }
    println!("{differ} differ");
    Ok(if differ == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Templates of other collections of cases: JSON objects, one a line, perhaps gzipped, with `template` and `values`.
fn seeds(path: &Path) -> Result<Vec<Case>> {
    #[derive(Deserialize)]
    struct Seed {
        template: String,
        #[serde(default)]
        values: Option<serde_json::Map<String, serde_json::Value>>,
    }
    let file = std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let reader: Box<dyn std::io::Read> = if path.extension().is_some_and(|e| e == "gz") {
        Box::new(flate2::read::MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    };
    let mut cases = Vec::new();
    for line in BufReader::new(reader.take(1 << 30)).lines() {
        let seed: Seed = serde_json::from_str(&line?)?;
        cases.push(Case { template: seed.template, values: seed.values.unwrap_or_default(), ..Case::default() });
    }
    Ok(cases)
}
