#![doc = include_str!("../README.md")]

pub mod cases;
pub mod filepath;
pub mod glob;
pub mod hex;
pub mod regexp;
pub mod semver;
pub mod strconv;
pub mod time;
pub mod unicode;
pub mod url;
