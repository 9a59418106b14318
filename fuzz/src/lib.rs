//! Random templates, values and documents: a generator that knows their grammar, the answer of our own engine, the
//! answer of Helm's (a Go program, `e2e/oracle`), and a shrinker for what differs. `cargo xtask fuzz` runs it.

pub mod case;
pub mod differ;
pub mod generate;
pub mod oracle;
pub mod panics;
pub mod rng;
pub mod shrink;
