//! What is done with this project by hand and in CI: the demo, the tests, generated files.
#![allow(clippy::print_stdout, reason = "a command line")]

mod bench;
mod crds;
mod demo;
mod fuzz;
mod narrator;
mod scale;
mod story;
mod test;

use std::process::ExitCode;

use anyhow::{Context as _, Result};

const USAGE: &str = "\
cargo xtask demo           a control plane, a chart repository, the operator and the samples, until Ctrl-C
cargo xtask demo --once    the same as a script: install, change, upgrade, failing upgrade, uninstall; exits 0 if each step ended as it says
cargo xtask cluster        a control plane alone, until Ctrl-C, to try things on or to test against
cargo xtask test [STAGE…]  what CI runs; all stages, or those named: format, lint, unit, cases, charts, e2e
cargo xtask bench [PART…]  renders beside Helm's engine, in one table; all parts, or those named: render, cold, memory, allocations, command, releases
cargo xtask fuzz --against-helm --minutes N [--seed S]   random cases, answered by Helm's engine and by ours; what differs goes to target/fuzz
cargo xtask fuzz --panics --minutes N [--seed S]         random bytes for all readers: none may panic or hang
cargo xtask scale [--n N]  what N small releases cost: time, CPU, memory, requests; beside the floor of a plain client
cargo xtask scale --chart ARCHIVE [--values JSON] [--n N]   the same for N releases of another chart, without the floor
cargo xtask crds           writes config/crd and charts/pintle/crds from the types";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = end_children_on_signals().and_then(|()| match args.as_slice() {
        ["demo"] => demo::run(),
        ["demo", "--once"] => story::run(),
        ["cluster"] => demo::cluster(),
        ["test", stages @ ..] => test::run(stages),
        ["bench", parts @ ..] => bench::run(parts),
        ["fuzz", how, options @ ..] => fuzz::run(how, options),
        ["crds"] => crds::run(),
        ["scale", args @ ..] => scale::run(args),
        ["help" | "--help" | "-h"] => {
            println!("{USAGE}");
            Ok(())
        }
        _ => Err(anyhow::anyhow!("usage:\n{USAGE}")),
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nError: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// On Ctrl-C and its like, all children end before we do. (Were we killed, they would end too: see `pintle_e2e`.)
fn end_children_on_signals() -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch Ctrl-C")?;
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            eprintln!("\nstopping");
            pintle_e2e::end_all();
            std::process::exit(128 + signal);
        }
    });
    Ok(())
}
