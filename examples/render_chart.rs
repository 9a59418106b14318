//! Renders a chart from a folder or an archive with values files: `render_chart CHART [VALUES…]`. Needs no feature.

use pintle::{
    chart::{Frozen, load, values},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderRequest, render},
};
use pintle_value::Map;
use std::{io::Write, path::Path, process::ExitCode, sync::Arc};

/// Charts may nest deeply; the main thread's stack would not do for those that include themselves.
const STACK: usize = 16 << 20;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let chart = load::path(Path::new(&arguments.next().ok_or("which chart?")?), &load::Limits::default())?;
    let user = Map::new();
    for file in arguments {
        let text = std::fs::read(&file)?;
        match values::from_yaml(&text) {
            Ok(table) => values::merge_tables(&user, &table),
            Err(error) => {
                eprintln!("{error}\n\n{}", error.diagnosis(&file, &text));
                return Ok(ExitCode::FAILURE);
            }
        }
    }
    let request = RenderRequest {
        chart: Arc::new(CompiledChart::new(Arc::new(chart))),
        values: Frozen::of(&user.into())?,
        release: Release { name: "example".into(), namespace: "default".into(), revision: 1, is_upgrade: false },
        capabilities: Arc::new(Capabilities::default()),
        options: Options::default(),
        host: Arc::new(Machine),
    };
    let rendering = std::thread::Builder::new().stack_size(STACK).spawn(move || render(&request))?;
    match rendering.join().map_err(|_| "the render broke down")? {
        Ok(rendered) => {
            std::io::stdout().write_all(rendered.manifest.as_bytes())?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            eprintln!("{error}");
            if let Some(diagnosis) = error.diagnosis() {
                eprintln!("\n{diagnosis}");
            }
            Ok(ExitCode::FAILURE)
        }
    }
}
