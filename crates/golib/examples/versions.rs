//! Prints those of some versions that fit a constraint, the highest first: `versions '>=1.2 <2' 1.0 1.5 1.10 2.1`.
#![allow(clippy::print_stdout)]

use pintle_golib::semver::{Constraint, Version};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let constraint = Constraint::parse(&arguments.next().unwrap_or_else(|| "*".into()))?;
    let mut versions = arguments.map(|text| Version::parse(&text)).collect::<Result<Vec<_>, _>>()?;
    versions.retain(|version| constraint.check(version));
    versions.sort_by(|a, b| b.compare(a));
    for version in versions {
        println!("{}", version.original());
    }
    Ok(())
}
