//! Go's `regexp`: RE2's syntax, read by a parser of our own and run by regex-automata.
//!
//! A text that is not UTF-8 is searched as Go does it, each invalid byte being one U+FFFD.

mod cache;
mod class;
mod error;
mod expand;
mod parse;

pub use cache::Cache;
pub use error::{Error, ErrorKind};
pub use expand::quote_meta;

use crate::unicode::{self, push_rune};
use regex_automata::meta;
use regex_automata::util::captures::Captures;
use regex_automata::{Anchored, Input};

/// Most bytes of a compiled program; a pattern that needs more does not compile.
const MAX_PROGRAM: usize = 16 << 20;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 64 << 10;

/// A span of bytes, from and up to.
pub type Span = (usize, usize);

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Regex {
    program: meta::Regex,
    /// Names of the groups from the first on; empty if a group has none.
    names: Vec<String>,
    pattern: String,
}

impl Regex {
    /// `regexp.Compile`.
    pub fn compile(pattern: &[u8]) -> Result<Self, Error> {
        if pattern.len() > MAX_PATTERN {
            return Err(Error::new(ErrorKind::Large, b""));
        }
        let text = parse::utf8(pattern)?;
        let parsed = parse::parse(text)?;
        let config = meta::Config::new().nfa_size_limit(Some(MAX_PROGRAM)).onepass_size_limit(Some(1 << 20));
        let program = meta::Builder::new()
            .configure(config)
            .build_from_hir(&parsed.hir)
            .map_err(|_| Error::new(ErrorKind::Large, pattern))?;
        Ok(Self { program, names: parsed.names, pattern: text.to_owned() })
    }

    /// The pattern.
    pub fn pattern(&self) -> &str {
        &self.pattern
    }

    /// Bytes of memory that the compiled program takes.
    pub fn memory(&self) -> usize {
        self.program.memory_usage()
    }

    /// Number of groups.
    pub fn group_count(&self) -> usize {
        self.names.len()
    }

    /// `re.Match`.
    pub fn is_match(&self, text: &[u8]) -> bool {
        let haystack = Haystack::of(text);
        self.program.is_match(Input::new(haystack.bytes()))
    }

    /// `re.FindIndex`: the leftmost match.
    pub fn find(&self, text: &[u8]) -> Option<Span> {
        self.find_all(text, 1).pop()
    }

    /// `re.FindAllIndex`: up to `n` matches that do not overlap; all of them if `n` is negative.
    pub fn find_all(&self, text: &[u8], n: i64) -> Vec<Span> {
        let mut found = Vec::new();
        self.each_match(text, |groups| {
            if usize::try_from(n).is_ok_and(|n| found.len() >= n) {
                return false;
            }
            found.extend(groups.first().copied().flatten());
            true
        });
        found
    }

    /// `re.FindAllSubmatchIndex`: of each match the whole and the groups.
    pub fn find_all_groups(&self, text: &[u8], n: i64) -> Vec<Vec<Option<Span>>> {
        let mut found = Vec::new();
        self.each_match(text, |groups| {
            let wanted = usize::try_from(n).is_ok_and(|n| found.len() >= n);
            if !wanted {
                found.push(groups.to_vec());
            }
            !wanted
        });
        found
    }

    /// Calls with the whole match and its groups, from left to right, until it answers false. An empty match right after
    /// another match does not count.
    fn each_match(&self, text: &[u8], mut take: impl FnMut(&[Option<Span>]) -> bool) {
        let haystack = Haystack::of(text);
        let bytes = haystack.bytes();
        let mut captures = self.program.create_captures();
        let mut groups = vec![None; 1 + self.names.len()];
        let mut previous_end = None;
        let mut at = 0;
        while at <= bytes.len() {
            search(&self.program, bytes, at, &mut captures);
            let Some(found) = captures.get_match() else { break };
            let empty = found.is_empty();
            if !(empty && previous_end == Some(found.start())) {
                for (index, group) in groups.iter_mut().enumerate() {
                    *group = captures.get_group(index).map(|s| (haystack.source(s.start), haystack.source(s.end)));
                }
                if !take(&groups) {
                    break;
                }
            }
            previous_end = Some(found.end());
            at = found.end();
            if empty {
                at += unicode::decode(&bytes[at..]).1.max(1);
            }
        }
    }

    /// `re.ReplaceAll`: `$1`, `${name}` in the template stand for groups.
    pub fn replace_all(&self, text: &[u8], template: &[u8]) -> Vec<u8> {
        self.replace(text, |out, groups| expand::expand(out, template, text, groups, &self.names))
    }

    /// `re.ReplaceAllLiteral`.
    pub fn replace_all_literal(&self, text: &[u8], replacement: &[u8]) -> Vec<u8> {
        self.replace(text, |out, _| out.extend_from_slice(replacement))
    }

    fn replace(&self, text: &[u8], mut write: impl FnMut(&mut Vec<u8>, &[Option<Span>])) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len());
        let mut done = 0;
        self.each_match(text, |groups| {
            if let Some(&Some((start, end))) = groups.first() {
                out.extend_from_slice(&text[done..start]);
                write(&mut out, groups);
                done = end;
            }
            true
        });
        out.extend_from_slice(&text[done..]);
        out
    }

    /// `re.Split`: the pieces between matches, at most `n` of them unless `n` is negative; none if it is 0.
    pub fn split<'t>(&self, text: &'t [u8], n: i64) -> Vec<&'t [u8]> {
        if n == 0 {
            return Vec::new();
        }
        if !self.pattern.is_empty() && text.is_empty() {
            return vec![text];
        }
        let mut pieces = Vec::new();
        let (mut begin, mut end) = (0, 0);
        for (start, stop) in self.find_all(text, n) {
            if n > 0 && pieces.len() as u64 == n.unsigned_abs() - 1 {
                break;
            }
            end = start;
            if stop != 0 {
                pieces.push(&text[begin..start]);
            }
            begin = stop;
        }
        if end != text.len() {
            pieces.push(&text[begin..]);
        }
        pieces
    }
}

fn search(program: &meta::Regex, bytes: &[u8], at: usize, captures: &mut Captures) {
    let input = Input::new(bytes).span(at..bytes.len()).anchored(Anchored::No);
    program.search_captures(&input, captures);
}

/// What is searched: the text, or if that is not UTF-8 its copy with U+FFFD in place of each invalid byte.
enum Haystack<'t> {
    Text(&'t [u8]),
    Copy {
        bytes: Vec<u8>,
        /// Places in the copy right after a replacement, each of which made the copy two bytes longer.
        longer_from: Vec<usize>,
    },
}

impl<'t> Haystack<'t> {
    fn of(text: &'t [u8]) -> Self {
        if std::str::from_utf8(text).is_ok() {
            return Self::Text(text);
        }
        let mut bytes = Vec::with_capacity(text.len() * 2);
        let mut longer_from = Vec::new();
        for (at, rune, width) in unicode::runes(text) {
            if rune == unicode::RUNE_ERROR && width == 1 {
                push_rune(&mut bytes, rune);
                longer_from.push(bytes.len());
            } else {
                bytes.extend_from_slice(&text[at..at + width]);
            }
        }
        Self::Copy { bytes, longer_from }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Self::Text(text) => text,
            Self::Copy { bytes, .. } => bytes,
        }
    }

    /// The place in the text of a place in what is searched.
    fn source(&self, at: usize) -> usize {
        match self {
            Self::Text(_) => at,
            Self::Copy { longer_from, .. } => at - 2 * longer_from.partition_point(|&from| from <= at),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn refuses_what_is_too_big() {
        for pattern in ["(".repeat(251) + &")".repeat(251), "\\pL".repeat(2000), "a".repeat(MAX_PATTERN + 1)] {
            let kind = Regex::compile(pattern.as_bytes()).unwrap_err().kind();
            assert!(matches!(kind, ErrorKind::Large | ErrorKind::NestingDepth), "{kind:?}");
        }
        assert!(Regex::compile(("(".repeat(249) + &")".repeat(249)).as_bytes()).is_ok());
        assert!(Regex::compile(b"(?i)[^a-z]{1000}").is_ok());
    }

    #[test]
    fn quotes() {
        let plain = "a.+*?()|[]{}^$\\-é_ \n/#&~".as_bytes();
        let quoted = "a\\.\\+\\*\\?\\(\\)\\|\\[\\]\\{\\}\\^\\$\\\\-é_ \n/#&~".as_bytes();
        assert_eq!(quote_meta(plain), quoted);
        assert!(Regex::compile(&quote_meta(plain)).unwrap().is_match(plain));
    }
}
