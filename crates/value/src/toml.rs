//! BurntSushi's TOML over [`Value`](crate::Value)s, both ways.

mod decode;
mod encode;
mod token;

pub use decode::decode;
pub use encode::encode;

use std::fmt;

/// Why a text is not TOML, or a value has no TOML text; prints BurntSushi's words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TomlError(String);

impl fmt::Display for TomlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for TomlError {}

#[cfg(test)]
mod tests;
