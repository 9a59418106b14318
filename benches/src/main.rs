//! Measures Pintle's render for `cargo xtask bench`: the same verbs and the same answers as Helm's side
//! (`helm/main.go`). Each verb answers with one JSON object on a line.
//!
//! ```text
//! measure time MODE SECONDS CHART [VALUES]     MODE: render, manifest or cold
//! measure memory CHART [VALUES]
//! measure releases COUNT THREADS CHART [VALUES]
//! ```
#![allow(clippy::print_stdout, reason = "a command line")]

use anyhow::{Context as _, Result, bail};
use pintle::{
    chart::Frozen,
    render::{render, render_files},
};
use pintle_benches::{Mode, Source, request};
use pintle_value::Value;
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::{Duration, Instant},
};

/// What a thread that renders should have.
const STACK: usize = 64 << 20;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let work = move || {
        let parts: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match parts.as_slice() {
            ["time", mode, seconds, ..] => {
                time(Mode::of(mode)?, Duration::from_secs_f64(seconds.parse()?), &Source::of(&arguments[3..])?)
            }
            ["memory", ..] => memory(&Source::of(&arguments[1..])?),
            ["releases", count, threads, ..] => {
                releases(count.parse()?, threads.parse()?, &Source::of(&arguments[3..])?)
            }
            _ => bail!("usage: see the head of benches/src/main.rs"),
        }
    };
    let thread = std::thread::Builder::new().stack_size(STACK).spawn(work)?;
    thread.join().unwrap_or_else(|_| bail!("the render panicked"))
}

fn time(mode: Mode, limit: Duration, source: &Source) -> Result<()> {
    let (compiled, user) = (source.compiled()?, source.user()?);
    let (files, _) = render_files(&request(&compiled, &user, "rel"))?;
    let bytes: usize = files.iter().map(|(_, text)| text.len()).sum();
    let mut runs = Vec::new();
    let (start, before) = (Instant::now(), processor()?);
    while start.elapsed() < limit || runs.len() < 3 {
        let run = Instant::now();
        mode.run(source, &compiled, &user)?;
        runs.push(run.elapsed());
    }
    let cpu = (processor()? - before) / u64::try_from(runs.len())?;
    runs.sort();
    let (median, best) = (runs[runs.len() / 2].as_nanos(), runs[0].as_nanos());
    println!(r#"{{"cpu_ns":{cpu},"runs":{},"median_ns":{median},"best_ns":{best},"bytes":{bytes}}}"#, runs.len());
    Ok(())
}

/// The time that this thread had a processor, in ns: it is the only one that renders.
fn processor() -> Result<u64> {
    let told = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    Ok(told.split(' ').next().context("no processor time")?.parse()?)
}

/// The most memory that the process had at once, in KiB.
fn peak() -> Result<usize> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM in the process status")?;
    Ok(line.trim().trim_end_matches("kB").trim().parse()?)
}

fn memory(source: &Source) -> Result<()> {
    let before = peak()?;
    let (compiled, user) = (source.compiled()?, source.user()?);
    render(&request(&compiled, &user, "rel"))?;
    println!(r#"{{"before_kib":{before},"peak_kib":{}}}"#, peak()?);
    Ok(())
}

/// Renders so many releases of one compiled chart, each under a name and with a value of its own.
fn releases(count: usize, threads: usize, source: &Source) -> Result<()> {
    let (compiled, user) = (source.compiled()?, source.user()?);
    render(&request(&compiled, &user, "rel"))?;
    let next = AtomicUsize::new(1);
    let start = Instant::now();
    std::thread::scope(|scope| {
        let worker = || -> Result<()> {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number > count {
                    return Ok(());
                }
                let own = user.thaw_table();
                own.insert("release", Value::Int64(i64::try_from(number)?));
                render(&request(&compiled, &Frozen::of(&own.into())?, &format!("rel-{number}")))?;
            }
        };
        let workers: Vec<_> = (0..threads)
            .map(|_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, worker))
            .collect::<std::io::Result<_>>()?;
        workers.into_iter().try_for_each(|worker| worker.join().unwrap_or_else(|_| bail!("a render panicked")))
    })?;
    println!(r#"{{"elapsed_ns":{}}}"#, start.elapsed().as_nanos());
    Ok(())
}
