//! Executes a template file with JSON from standard input as its data: `echo '{"a": 1}' | render file.tpl`. What fails is told in
//! Go's words, and below that with the line.

use pintle_template::{FunctionTable, Options, Run, Set, Template};
use std::{
    io::{Read, Write},
    process::ExitCode,
    sync::Arc,
};

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("which file?")?;
    let mut data = Vec::new();
    std::io::stdin().read_to_end(&mut data)?;
    let data = pintle_value::json::decode(&data)?;

    // Go's own functions are always there; a table holds what comes on top.
    let functions = FunctionTable::default();
    let template = match Template::parse(&name, std::fs::read(&name)?, &functions) {
        Ok(template) => template,
        Err(error) => {
            eprintln!("{error}\n\n{}", error.diagnosis());
            return Ok(ExitCode::FAILURE);
        }
    };
    let mut set = Set::new("files");
    set.add(Arc::new(template));
    let mut out = Vec::new();
    if let Err(error) = Run::new(&set, &functions, &(), &Options::default()).execute(&name, data, &mut out) {
        eprintln!("{error}\n\n{}", error.diagnosis());
        return Ok(ExitCode::FAILURE);
    }
    std::io::stdout().write_all(&out)?;
    Ok(ExitCode::SUCCESS)
}
