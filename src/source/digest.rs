//! SHA-256: names of charts and of what is known of repositories.

use std::fmt;

use aws_lc_rs::digest::{Context, SHA256, digest};

/// A SHA-256 digest. Shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sha256([u8; 32]);

impl Sha256 {
    /// The digest of some bytes.
    pub fn of(bytes: &[u8]) -> Sha256 {
        Sha256::from_slice(digest(&SHA256, bytes).as_ref())
    }

    /// The digest of several texts; different lists have different digests, however they are cut.
    pub(super) fn of_parts(parts: &[&[u8]]) -> Sha256 {
        let mut context = Context::new(&SHA256);
        for part in parts {
            context.update(&(part.len() as u64).to_le_bytes());
            context.update(part);
        }
        Sha256::from_slice(context.finish().as_ref())
    }

    /// Reads 64 hexadecimal digits, also after `sha256:`.
    pub fn parse(text: &str) -> Option<Sha256> {
        let hex = text.trim();
        let hex = hex.strip_prefix("sha256:").unwrap_or(hex).as_bytes();
        if hex.len() != 64 {
            return None;
        }
        let mut bytes = [0; 32];
        for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
            let (high, low) = (char::from(pair[0]).to_digit(16)?, char::from(pair[1]).to_digit(16)?);
            *byte = u8::try_from(high * 16 + low).ok()?;
        }
        Some(Sha256(bytes))
    }

    /// The digest's bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_slice(slice: &[u8]) -> Sha256 {
        let mut bytes = [0; 32];
        for (to, from) in bytes.iter_mut().zip(slice) {
            *to = *from;
        }
        Sha256(bytes)
    }
}

impl fmt::Display for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Sha256 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_what_it_writes() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_string(), empty);
        for text in [empty.to_owned(), format!("sha256:{empty}"), empty.to_uppercase(), format!(" {empty}\n")] {
            assert_eq!(Sha256::parse(&text).unwrap(), Sha256::of(b""), "{text}");
        }
        for text in [
            "",
            "sha256:",
            "e3b0",
            &format!("sha512:{empty}"),
            &format!("g{}", &empty[1..]),
            &format!("+{}", &empty[1..]),
        ] {
            assert_eq!(Sha256::parse(text), None, "{text}");
        }
    }
}
