//! Percent-encoding, which differs by the part of a URL.

use super::parse::Reason;

/// The part of a URL that is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    Path,
    PathSegment,
    Host,
    /// The zone of an IPv6 address.
    Zone,
    User,
    Query,
    Fragment,
}

fn must_escape(b: u8, mode: Mode) -> bool {
    if b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'~') {
        return false;
    }
    match mode {
        Mode::Host | Mode::Zone => !b"!$&'()*+,;=:[]<>\"".contains(&b),
        Mode::Query => true,
        Mode::Path => !b"$&+,/:;=@".contains(&b),
        Mode::PathSegment => !b"$&+:=@".contains(&b),
        Mode::User => !b"$&+,;=".contains(&b),
        Mode::Fragment => !b"$&+,/:;=?@!()*".contains(&b),
    }
}

/// Whether a written path or fragment is one that is properly encoded.
pub(super) fn is_valid_encoding(written: &[u8], mode: Mode) -> bool {
    written.iter().all(|&b| b"!$&'()*+,;=:@[]%".contains(&b) || !must_escape(b, mode))
}

pub(super) fn escape(plain: &[u8], mode: Mode) -> Vec<u8> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut out = Vec::with_capacity(plain.len());
    for &b in plain {
        if b == b' ' && mode == Mode::Query {
            out.push(b'+');
        } else if must_escape(b, mode) {
            out.extend([b'%', HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
        } else {
            out.push(b);
        }
    }
    out
}

pub(super) fn unescape(written: &[u8], mode: Mode) -> Result<Vec<u8>, Reason> {
    let in_host = matches!(mode, Mode::Host | Mode::Zone);
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(written.len());
    let mut rest = written;
    while let Some((&first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let text = [b"%", &tail[..tail.len().min(2)]].concat();
                let decoded = match tail {
                    [high, low, ..] => digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low),
                    _ => None,
                };
                let Some(b) = decoded else { return Err(Reason::Escape(text)) };
                // In a host only bytes beyond ASCII are written so, and in a zone what could not stand there.
                let allowed = text == b"%25"
                    || match mode {
                        Mode::Host => b >= 0x80,
                        Mode::Zone => b == b' ' || !must_escape(b, Mode::Host),
                        _ => true,
                    };
                if !allowed {
                    return Err(Reason::Escape(text));
                }
                out.push(b);
                rest = &tail[2..];
            }
            b'+' if mode == Mode::Query => out.push(b' '),
            _ if in_host && first < 0x80 && must_escape(first, mode) => return Err(Reason::HostByte(first)),
            _ => out.push(first),
        }
    }
    Ok(out)
}

/// `url.QueryEscape`, which is `urlquery`.
pub fn query_escape(plain: &[u8]) -> Vec<u8> {
    escape(plain, Mode::Query)
}

/// `url.QueryUnescape`.
pub fn query_unescape(written: &[u8]) -> Result<Vec<u8>, Reason> {
    unescape(written, Mode::Query)
}

/// `url.PathEscape`: for one segment of a path.
pub fn path_escape(plain: &[u8]) -> Vec<u8> {
    escape(plain, Mode::PathSegment)
}

/// `url.PathUnescape`.
pub fn path_unescape(written: &[u8]) -> Result<Vec<u8>, Reason> {
    unescape(written, Mode::PathSegment)
}
