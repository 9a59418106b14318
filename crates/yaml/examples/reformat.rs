//! Writes the documents of standard input as Helm's `toYaml` writes them.

use pintle_yaml::{Limits, decode_all, encode};
use std::io::{Read, Write};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut text = Vec::new();
    std::io::stdin().read_to_end(&mut text)?;
    let mut out = std::io::stdout().lock();
    for (at, document) in decode_all(&text, &Limits::default())?.iter().enumerate() {
        if at > 0 {
            out.write_all(b"---\n")?;
        }
        out.write_all(&encode(document)?)?;
    }
    Ok(())
}
