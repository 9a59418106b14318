//! Go's `net/url`: parsing, printing, escaping, references. Parts are bytes, since an escape may stand for any byte.

mod escape;
mod parse;
mod resolve;

pub use escape::{path_escape, path_unescape, query_escape, query_unescape};
pub use parse::{Error, Reason};
pub use resolve::join_path;

use escape::{Mode, escape, is_valid_encoding, unescape};
use std::fmt;

/// A URL in parts, as `url.URL`. Path, fragment and user are unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Url {
    /// In small letters.
    pub scheme: String,
    /// What follows the scheme of a URL like `mailto:a@b`.
    pub opaque: Vec<u8>,
    /// Name and password.
    pub user: Option<UserInfo>,
    /// Host, with its port.
    pub host: Vec<u8>,
    /// Path.
    pub path: Vec<u8>,
    /// The path as it was written, if that is not how it would be escaped.
    pub raw_path: Vec<u8>,
    /// Query, without `?`, as it was written.
    pub raw_query: Vec<u8>,
    /// Whether there is a `?` with nothing after it.
    pub force_query: bool,
    /// Fragment, without `#`.
    pub fragment: Vec<u8>,
    /// The fragment as it was written, if that is not how it would be escaped.
    pub raw_fragment: Vec<u8>,
    /// Whether a scheme is followed by a path at once: `file:/p`.
    pub omit_host: bool,
}

/// Name and password of a URL, unescaped.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct UserInfo {
    /// Name.
    pub name: Vec<u8>,
    /// Password; an empty one is not the same as none.
    pub password: Option<Vec<u8>>,
}

/// Escaped, with a colon between name and password.
impl fmt::Display for UserInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&escape(&self.name, Mode::User)))?;
        match &self.password {
            Some(password) => write!(f, ":{}", String::from_utf8_lossy(&escape(password, Mode::User))),
            None => Ok(()),
        }
    }
}

impl Url {
    /// `url.Parse`.
    pub fn parse(text: &[u8]) -> Result<Self, Error> {
        parse::parse(text)
    }

    /// `u.Hostname()`: the host without port and brackets.
    pub fn hostname(&self) -> &[u8] {
        let (host, _) = self.host_and_port();
        host.strip_prefix(b"[").and_then(|h| h.strip_suffix(b"]")).unwrap_or(host)
    }

    /// `u.Port()`; empty if there is none.
    pub fn port(&self) -> &[u8] {
        self.host_and_port().1
    }

    fn host_and_port(&self) -> (&[u8], &[u8]) {
        match self.host.iter().rposition(|&b| b == b':') {
            Some(colon) if parse::is_optional_port(&self.host[colon..]) => {
                (&self.host[..colon], &self.host[colon + 1..])
            }
            _ => (&self.host, b""),
        }
    }

    /// `u.IsAbs()`: whether it has a scheme.
    pub fn is_abs(&self) -> bool {
        !self.scheme.is_empty()
    }

    /// `u.EscapedPath()`: as it was written if that still means the same.
    pub fn escaped_path(&self) -> Vec<u8> {
        if self.path == b"*" && self.raw_path.is_empty() {
            return self.path.clone();
        }
        as_written(&self.path, &self.raw_path, Mode::Path)
    }

    /// `u.EscapedFragment()`.
    pub fn escaped_fragment(&self) -> Vec<u8> {
        as_written(&self.fragment, &self.raw_fragment, Mode::Fragment)
    }

    fn set_path(&mut self, written: &[u8]) -> Result<(), Reason> {
        (self.path, self.raw_path) = read_written(written, Mode::Path)?;
        Ok(())
    }

    fn set_fragment(&mut self, written: &[u8]) -> Result<(), Reason> {
        (self.fragment, self.raw_fragment) = read_written(written, Mode::Fragment)?;
        Ok(())
    }

    /// `u.String()`.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if !self.scheme.is_empty() {
            out.extend_from_slice(self.scheme.as_bytes());
            out.push(b':');
        }
        if self.opaque.is_empty() {
            self.write_hierarchy(&mut out);
        } else {
            out.extend_from_slice(&self.opaque);
        }
        if self.force_query || !self.raw_query.is_empty() {
            out.push(b'?');
            out.extend_from_slice(&self.raw_query);
        }
        if !self.fragment.is_empty() {
            out.push(b'#');
            out.extend(self.escaped_fragment());
        }
        out
    }

    fn write_hierarchy(&self, out: &mut Vec<u8>) {
        let authority = !self.host.is_empty() || self.user.is_some();
        if authority || !self.scheme.is_empty() && !self.omit_host {
            if authority || !self.path.is_empty() {
                out.extend_from_slice(b"//");
            }
            if let Some(user) = &self.user {
                out.extend_from_slice(user.to_string().as_bytes());
                out.push(b'@');
            }
            out.extend(escape(&self.host, Mode::Host));
        }
        let path = self.escaped_path();
        if path.first().is_some_and(|&b| b != b'/') && !self.host.is_empty() {
            out.push(b'/');
        }
        // A colon in the first segment would make it a scheme.
        let first_segment = path.split(|&b| b == b'/').next().unwrap_or_default();
        if out.is_empty() && first_segment.contains(&b':') {
            out.extend_from_slice(b"./");
        }
        out.extend(path);
    }
}

impl fmt::Display for Url {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.to_bytes()))
    }
}

fn as_written(plain: &[u8], written: &[u8], mode: Mode) -> Vec<u8> {
    let still_true = !written.is_empty()
        && is_valid_encoding(written, mode)
        && unescape(written, mode).is_ok_and(|unescaped| unescaped == plain);
    if still_true { written.to_vec() } else { escape(plain, mode) }
}

/// The plain part, and what was written if escaping would not give it back.
fn read_written(written: &[u8], mode: Mode) -> Result<(Vec<u8>, Vec<u8>), Reason> {
    let plain = unescape(written, mode)?;
    let raw = if escape(&plain, mode) == written { Vec::new() } else { written.to_vec() };
    Ok((plain, raw))
}
