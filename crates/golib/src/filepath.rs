//! Go's `path` and `path/filepath` as they are on Unix. Paths are bytes.

use crate::unicode::{RUNE_ERROR, decode};
use std::fmt;

/// `filepath.ErrBadPattern`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadPattern;

impl fmt::Display for BadPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("syntax error in pattern")
    }
}

impl std::error::Error for BadPattern {}

/// `path.Clean`: the shortest path that means the same.
pub fn clean(path: &[u8]) -> Vec<u8> {
    let rooted = path.first() == Some(&b'/');
    let mut kept: Vec<&[u8]> = Vec::new();
    for part in path.split(|&b| b == b'/') {
        match part {
            b"" | b"." => {}
            b".." => match kept.last() {
                Some(&last) if last != b".." => {
                    kept.pop();
                }
                _ if rooted => {}
                _ => kept.push(part),
            },
            _ => kept.push(part),
        }
    }
    let mut out = if rooted { vec![b'/'] } else { Vec::new() };
    out.extend(kept.join(&b'/'));
    if out.is_empty() { b".".to_vec() } else { out }
}

/// `path.Base`: the last name.
pub fn base(path: &[u8]) -> &[u8] {
    if path.is_empty() {
        return b".";
    }
    let end = path.iter().rposition(|&b| b != b'/').map_or(0, |at| at + 1);
    let name = path[..end].rsplit(|&b| b == b'/').next().unwrap_or_default();
    if name.is_empty() { b"/" } else { name }
}

/// `path.Dir`: all but the last name, cleaned.
pub fn dir(path: &[u8]) -> Vec<u8> {
    let end = path.iter().rposition(|&b| b == b'/').map_or(0, |at| at + 1);
    clean(&path[..end])
}

/// `path.Ext`: from the last dot of the last name on.
pub fn ext(path: &[u8]) -> &[u8] {
    let name = path.rsplit(|&b| b == b'/').next().unwrap_or_default();
    name.iter().rposition(|&b| b == b'.').map_or(b"", |at| &name[at..])
}

/// `path.IsAbs`.
pub fn is_abs(path: &[u8]) -> bool {
    path.first() == Some(&b'/')
}

/// `path.Join`: the parts that are not empty, joined and cleaned; nothing if there is none.
pub fn join(parts: &[&[u8]]) -> Vec<u8> {
    let parts: Vec<&[u8]> = parts.iter().copied().filter(|p| !p.is_empty()).collect();
    if parts.is_empty() { Vec::new() } else { clean(&parts.join(&b'/')) }
}

enum Token {
    /// A piece between stars that is malformed; it fails when it is reached, not before.
    Bad,
    Byte(u8),
    /// `?`
    Any,
    /// `*`
    Run,
    Set {
        negated: bool,
        ranges: Vec<(char, char)>,
    },
}

fn tokens(mut pattern: &[u8]) -> Vec<Token> {
    let mut tokens = Vec::new();
    while !pattern.is_empty() {
        match next_token(pattern) {
            Ok((Token::Run, rest)) if matches!(tokens.last(), Some(Token::Run)) => pattern = rest,
            Ok((token, rest)) => {
                tokens.push(token);
                pattern = rest;
            }
            Err(BadPattern) => {
                let piece = tokens.iter().rposition(|t| matches!(t, Token::Run)).map_or(0, |at| at + 1);
                tokens.truncate(piece);
                tokens.push(Token::Bad);
                break;
            }
        }
    }
    tokens
}

fn next_token(pattern: &[u8]) -> Result<(Token, &[u8]), BadPattern> {
    match pattern {
        [] => Err(BadPattern),
        [b'*', rest @ ..] => Ok((Token::Run, rest)),
        [b'?', rest @ ..] => Ok((Token::Any, rest)),
        [b'[', rest @ ..] => set(rest),
        [b'\\', rest @ ..] => rest.split_first().map(|(&b, rest)| (Token::Byte(b), rest)).ok_or(BadPattern),
        [b, rest @ ..] => Ok((Token::Byte(*b), rest)),
    }
}

fn set(mut pattern: &[u8]) -> Result<(Token, &[u8]), BadPattern> {
    fn member(pattern: &[u8]) -> Result<(char, &[u8]), BadPattern> {
        let pattern = match pattern {
            [] | [b'-' | b']', ..] => return Err(BadPattern),
            [b'\\', rest @ ..] => rest,
            _ => pattern,
        };
        let (rune, width) = decode(pattern);
        // A set must go on after each member, at least with its end.
        if rune == RUNE_ERROR && width <= 1 || pattern.len() == width {
            return Err(BadPattern);
        }
        Ok((rune, &pattern[width..]))
    }
    let negated = pattern.first() == Some(&b'^');
    pattern = &pattern[usize::from(negated)..];
    let mut ranges = Vec::new();
    loop {
        if let [b']', rest @ ..] = pattern
            && !ranges.is_empty()
        {
            return Ok((Token::Set { negated, ranges }, rest));
        }
        let (low, rest) = member(pattern)?;
        let (high, rest) = match rest {
            [b'-', rest @ ..] => member(rest)?,
            _ => (low, rest),
        };
        ranges.push((low, high));
        pattern = rest;
    }
}

impl Token {
    /// How many bytes of the name it takes, if it matches at all.
    fn width(&self, name: &[u8]) -> Option<usize> {
        let (rune, width) = decode(name);
        let fits = width > 0
            && match self {
                Self::Byte(wanted) => return (name[0] == *wanted).then_some(1),
                Self::Any => rune != '/',
                Self::Set { negated, ranges } => {
                    ranges.iter().any(|&(low, high)| low <= rune && rune <= high) != *negated
                }
                Self::Run | Self::Bad => false,
            };
        fits.then_some(width)
    }
}

/// `filepath.Match`: `*` and `?` do not match `/`; the whole name must match.
pub fn matches(pattern: &[u8], name: &[u8]) -> Result<bool, BadPattern> {
    let tokens = tokens(pattern);
    let (mut token, mut at) = (0, 0);
    // Where to go on when the last star takes one byte more.
    let mut retry: Option<(usize, usize)> = None;
    loop {
        match tokens.get(token) {
            Some(Token::Run) => {
                token += 1;
                retry = Some((token, at));
                continue;
            }
            Some(Token::Bad) => return Err(BadPattern),
            Some(single) => {
                if let Some(width) = single.width(&name[at..]) {
                    token += 1;
                    at += width;
                    continue;
                }
            }
            None if at == name.len() => return Ok(true),
            None => {}
        }
        match retry {
            Some((after, from)) if name.get(from).is_some_and(|&b| b != b'/') => {
                retry = Some((after, from + 1));
                (token, at) = (after, from + 1);
            }
            _ => return Ok(false),
        }
    }
}
