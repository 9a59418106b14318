//! What Go's standard library and the libraries that Helm links mean, written anew for Rust.
//!
//! Every module here answers exactly as its Go counterpart does, bugs included, because charts show the difference.

pub mod cases;
pub mod filepath;
pub mod glob;
pub mod regexp;
pub mod semver;
pub mod strconv;
pub mod time;
pub mod unicode;
pub mod url;
