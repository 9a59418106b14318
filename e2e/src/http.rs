//! As much of HTTP/1.1 as reading a health or metrics page on loopback takes.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use anyhow::{Context as _, Result};

/// A status code and a body.
#[derive(Clone, Debug)]
pub struct Answer {
    /// For example 200.
    pub status: u16,
    /// The body, as it came.
    pub body: String,
}

/// GETs `path` from `address` (`127.0.0.1:8080`).
pub fn get(address: &str, path: &str) -> Result<Answer> {
    let mut stream = TcpStream::connect(address).with_context(|| format!("cannot connect to {address}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    // HTTP/1.0, so that the answer comes neither chunked nor kept alive.
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).with_context(|| format!("no answer from {address}{path}"))?;
    let text = String::from_utf8_lossy(&answer);
    let (head, body) = text.split_once("\r\n\r\n").context("an answer without an end of its headers")?;
    let status =
        head.split_whitespace().nth(1).and_then(|code| code.parse().ok()).context("an answer without a status")?;
    Ok(Answer { status, body: body.to_owned() })
}
