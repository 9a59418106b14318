//! Masterminds' semver 3.5: versions that may be short, and constraints such as `>=1.2 <2 || ^3`.

mod constraint;
mod version;

pub use constraint::{Constraint, ConstraintError};
pub use version::{IncrementError, Version, VersionError};

/// Longest text of a version, in bytes.
const MAX_VERSION: usize = 256;
/// Longest text of a constraint, in bytes.
const MAX_CONSTRAINT: usize = 512;
/// Most alternatives (`||`) of a constraint.
const MAX_GROUPS: usize = 32;

/// Whether this is a series of dot-separated identifiers, as prereleases and build metadata are.
fn is_identifiers(text: &[u8]) -> bool {
    text.split(|&b| b == b'.').all(|id| !id.is_empty() && id.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Length of the longest series of identifiers at the beginning.
fn identifiers_len(text: &[u8]) -> usize {
    let mut end = 0;
    let mut at = 0;
    loop {
        let len = text[at..].iter().take_while(|&&b| b.is_ascii_alphanumeric() || b == b'-').count();
        if len == 0 {
            return end;
        }
        end = at + len;
        if text.get(end) != Some(&b'.') {
            return end;
        }
        at = end + 1;
    }
}

/// Prerelease (with its `-`) and metadata (with its `+`) at the beginning, and what follows them.
fn split_suffixes(text: &str) -> (&str, &str, &str) {
    let part = |text: &str, mark: u8| match text.as_bytes() {
        [first, rest @ ..] if *first == mark && identifiers_len(rest) > 0 => 1 + identifiers_len(rest),
        _ => 0,
    };
    let (prerelease, rest) = text.split_at(part(text, b'-'));
    let (metadata, rest) = rest.split_at(part(rest, b'+'));
    (prerelease, metadata, rest)
}
