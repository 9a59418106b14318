//! `printf` with Go's verbs; arguments are JSON: `printf '%05.1f %q %v\n' 3.14 '"a"' '{"b":[1]}'`.

use pintle_value::{fmt, json};
use std::io::Write;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let format = arguments.next().unwrap_or_default().replace("\\n", "\n");
    let values = arguments.map(|text| json::decode(text.as_bytes())).collect::<Result<Vec<_>, _>>()?;
    let mut out = Vec::new();
    fmt::sprintf(format.as_bytes(), &values, &mut out)?;
    std::io::stdout().write_all(&out)?;
    Ok(())
}
