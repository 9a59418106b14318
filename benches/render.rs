//! `cargo bench -p pintle-benches`: how long renders take, with what changed since the last run.
//!
//! Charts: those that `PINTLE_BENCH_CHARTS` names (archives or folders, by `:`), or the operator's own.
#![allow(missing_docs, reason = "criterion's macros")]

use criterion::{Criterion, criterion_group, criterion_main};
use pintle_benches::{Mode, Source};
use std::path::PathBuf;

fn renders(criterion: &mut Criterion) {
    let given = std::env::var("PINTLE_BENCH_CHARTS").unwrap_or_default();
    let mut charts: Vec<PathBuf> = given.split(':').filter(|path| !path.is_empty()).map(PathBuf::from).collect();
    if charts.is_empty() {
        charts.push(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/pintle")));
    }
    for chart in charts {
        let name = chart.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let source = Source { chart, values: None };
        let (Ok(compiled), Ok(user)) = (source.compiled(), source.user()) else {
            eprintln!("{name}: cannot be loaded, skipped");
            continue;
        };
        let mut group = criterion.benchmark_group(name);
        for (label, mode) in [("render", Mode::Render), ("manifest", Mode::Manifest), ("cold", Mode::Cold)] {
            group.bench_function(label, |bencher| bencher.iter(|| mode.run(&source, &compiled, &user)));
        }
        group.finish();
    }
}

criterion_group! {
    name = benches;
    config = Criterion::default().sample_size(20);
    targets = renders
}
criterion_main!(benches);
