//! Counts what one render of a compiled chart allocates, for `cargo xtask bench`: `allocations CHART [VALUES]`.
//! A program of its own, since counting takes time.
#![allow(clippy::print_stdout, reason = "a command line")]

use anyhow::{Result, bail};
use pintle_benches::{Mode, Source};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let thread = std::thread::Builder::new().stack_size(64 << 20).spawn(move || count(&Source::of(&arguments)?))?;
    thread.join().unwrap_or_else(|_| bail!("the render panicked"))
}

fn count(source: &Source) -> Result<()> {
    let (compiled, user) = (source.compiled()?, source.user()?);
    // What is compiled and kept is not counted.
    Mode::Render.run(source, &compiled, &user)?;
    let region = Region::new(ALLOCATOR);
    Mode::Render.run(source, &compiled, &user)?;
    let change = region.change();
    let count = change.allocations + change.reallocations;
    println!(r#"{{"allocations":{count},"bytes":{}}}"#, change.bytes_allocated);
    Ok(())
}
