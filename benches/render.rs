//! How long a render takes, in process: `cargo bench --bench render -- CHART [VALUES]` renders a chart for three seconds
//! with its templates compiled once (as the operator does), then for three seconds from the archive on.

#![allow(clippy::print_stdout)]

use pintle::{
    chart::{Frozen, load, values},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderRequest, render},
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1).filter(|a| !a.starts_with("--"));
    let Some(chart) = arguments.next() else {
        println!("usage: cargo bench --bench render -- CHART [VALUES]");
        return Ok(());
    };
    let user = match arguments.next() {
        Some(path) => Frozen::of(&values::from_yaml(&std::fs::read(path)?)?.into())?,
        None => Frozen::table(),
    };
    let load = || load::path(Path::new(&chart), &load::Limits::default());
    let compiled = Arc::new(CompiledChart::new(Arc::new(load()?)));
    let request = |chart: &Arc<CompiledChart>| RenderRequest {
        chart: Arc::clone(chart),
        values: user.clone(),
        release: Release { name: "rel".into(), namespace: "ns".into(), revision: 1, is_upgrade: false },
        capabilities: Arc::new(Capabilities::default()),
        options: Options::default(),
        host: Arc::new(Machine),
    };
    let size = render(&request(&compiled))?.manifest.len();
    println!("{chart}: {size} bytes of manifest");
    measure("compiled", || Ok(render(&request(&compiled)).map(drop)?))?;
    measure("cold", || Ok(render(&request(&Arc::new(CompiledChart::new(Arc::new(load()?))))).map(drop)?))
}

fn measure(what: &str, work: impl Fn() -> Result<(), Failure>) -> Result<(), Failure> {
    let (start, mut runs, mut best) = (Instant::now(), 0, Duration::MAX);
    while start.elapsed() < Duration::from_secs(3) {
        let run = Instant::now();
        work()?;
        best = best.min(run.elapsed());
        runs += 1;
    }
    println!("{what:>10}: {runs} runs, mean {:.2?}, best {best:.2?}", start.elapsed() / runs);
    Ok(())
}
