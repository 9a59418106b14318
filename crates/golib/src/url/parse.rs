//! Text to a URL.

use super::escape::{Mode, unescape};
use super::{Url, UserInfo};
use crate::strconv::quote;
use std::fmt;
use std::net::Ipv6Addr;

/// What is wrong with a URL, or with one escaped part; prints Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reason {
    /// `%` without two digits, or where no escape may stand.
    Escape(Vec<u8>),
    /// A byte that a host cannot have.
    HostByte(u8),
    /// The other complaints, in full.
    Other(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Escape(text) => write!(f, "invalid URL escape {}", quote(text)),
            Self::HostByte(b) => write!(f, "invalid character {} in host name", quote(&[*b])),
            Self::Other(text) => f.write_str(text),
        }
    }
}

impl std::error::Error for Reason {}

/// A text is no URL.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    text: Vec<u8>,
    reason: Reason,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "parse {}: {}", quote(&self.text), self.reason)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.reason)
    }
}

fn other<T>(text: &str) -> Result<T, Reason> {
    Err(Reason::Other(text.to_owned()))
}

/// Before and after the first such byte.
fn cut(text: &[u8], at: u8) -> (&[u8], Option<&[u8]>) {
    match text.iter().position(|&b| b == at) {
        Some(index) => (&text[..index], Some(&text[index + 1..])),
        None => (text, None),
    }
}

pub(super) fn parse(text: &[u8]) -> Result<Url, Error> {
    let fail = |text: &[u8]| {
        let text = text.to_vec();
        move |reason| Error { text, reason }
    };
    let (main, fragment) = cut(text, b'#');
    let mut url = parse_main(main).map_err(fail(main))?;
    if let Some(fragment) = fragment {
        url.set_fragment(fragment).map_err(fail(text))?;
    }
    Ok(url)
}

fn parse_main(text: &[u8]) -> Result<Url, Reason> {
    let mut url = Url::default();
    if text.iter().any(|&b| b < b' ' || b == 0x7f) {
        return other("net/url: invalid control character in URL");
    }
    if text == b"*" {
        url.path = text.to_vec();
        return Ok(url);
    }
    let (scheme, rest) = split_scheme(text)?;
    url.scheme = scheme.iter().map(|b| char::from(b.to_ascii_lowercase())).collect();
    let (mut rest, query) = cut(rest, b'?');
    url.force_query = query == Some(b"");
    url.raw_query = query.unwrap_or_default().to_vec();
    if !rest.starts_with(b"/") {
        if !scheme.is_empty() {
            url.opaque = rest.to_vec();
            return Ok(url);
        }
        if cut(rest, b'/').0.contains(&b':') {
            return other("first path segment in URL cannot contain colon");
        }
    }
    if (!scheme.is_empty() || !rest.starts_with(b"///")) && rest.starts_with(b"//") {
        let authority = cut(&rest[2..], b'/').0;
        rest = &rest[2 + authority.len()..];
        let at = authority.iter().rposition(|&b| b == b'@');
        url.host = parse_host(at.map_or(authority, |at| &authority[at + 1..]))?;
        url.user = at.map(|at| parse_user(&authority[..at])).transpose()?;
    } else if !scheme.is_empty() && rest.starts_with(b"/") {
        url.omit_host = true;
    }
    url.set_path(rest)?;
    Ok(url)
}

fn split_scheme(text: &[u8]) -> Result<(&[u8], &[u8]), Reason> {
    for (index, &b) in text.iter().enumerate() {
        match b {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return other("missing protocol scheme"),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok((b"", text))
}

fn parse_user(text: &[u8]) -> Result<UserInfo, Reason> {
    if !text.iter().all(|b| b.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(b)) {
        return other("net/url: invalid userinfo");
    }
    let (name, password) = cut(text, b':');
    let name = unescape(name, Mode::User)?;
    let password = password.map(|p| unescape(p, Mode::User)).transpose()?;
    Ok(UserInfo { name, password })
}

/// Nothing, or a colon and digits, if any.
pub(super) fn is_optional_port(text: &[u8]) -> bool {
    match text {
        [] => true,
        [b':', digits @ ..] => digits.iter().all(u8::is_ascii_digit),
        _ => false,
    }
}

fn check_port(port: &[u8]) -> Result<(), Reason> {
    if is_optional_port(port) {
        return Ok(());
    }
    Err(Reason::Other(format!("invalid port {} after host", quote(port))))
}

fn parse_host(host: &[u8]) -> Result<Vec<u8>, Reason> {
    let Some(open) = host.iter().rposition(|&b| b == b'[') else {
        if let Some(colon) = host.iter().rposition(|&b| b == b':') {
            check_port(&host[colon..])?;
        }
        return unescape(host, Mode::Host);
    };
    let Some(close) = host.iter().rposition(|&b| b == b']').filter(|&close| close > open) else {
        return other("missing ']' in host");
    };
    check_port(&host[close + 1..])?;
    let address = &host[open + 1..close];
    let zone = address.windows(3).position(|w| w == b"%25").unwrap_or(address.len());
    let plain = unescape(&address[..zone], Mode::Host)?;
    let zone = unescape(&address[zone..], Mode::Zone)?;
    let is_address = std::str::from_utf8(&plain).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    if !is_address {
        let complaint = if plain.is_empty() { "unable to parse IP" } else { "unexpected character" };
        let shown = quote(&plain);
        let at = if plain.is_empty() { String::new() } else { format!(" (at {shown})") };
        return Err(Reason::Other(format!("invalid host: ParseAddr({shown}): {complaint}{at}")));
    }
    Ok([&host[..open], b"[", &plain, &zone, b"]", &host[close + 1..]].concat())
}
