//! Why a pattern does not compile.

use std::fmt;

/// What is wrong with a pattern; the names follow Go's `syntax.ErrorCode`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
#[non_exhaustive]
pub enum ErrorKind {
    CharClass,
    CharRange,
    Escape,
    NamedCapture,
    PerlOp,
    RepeatOp,
    RepeatSize,
    Utf8,
    MissingBracket,
    MissingParen,
    MissingRepeatArgument,
    TrailingBackslash,
    UnexpectedParen,
    NestingDepth,
    Large,
}

/// A pattern does not compile; prints Go's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    kind: ErrorKind,
    expression: Vec<u8>,
}

impl Error {
    pub(super) fn new(kind: ErrorKind, expression: &[u8]) -> Self {
        Self { kind, expression: expression.to_vec() }
    }

    /// What is wrong.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The message with the bytes of the pattern as they are.
    pub fn message(&self) -> Vec<u8> {
        let mut out = format!("error parsing regexp: {}: `", self.words()).into_bytes();
        out.extend_from_slice(&self.expression);
        out.push(b'`');
        out
    }

    fn words(&self) -> &'static str {
        match self.kind {
            ErrorKind::CharClass => "invalid character class",
            ErrorKind::CharRange => "invalid character class range",
            ErrorKind::Escape => "invalid escape sequence",
            ErrorKind::NamedCapture => "invalid named capture",
            ErrorKind::PerlOp => "invalid or unsupported Perl syntax",
            ErrorKind::RepeatOp => "invalid nested repetition operator",
            ErrorKind::RepeatSize => "invalid repeat count",
            ErrorKind::Utf8 => "invalid UTF-8",
            ErrorKind::MissingBracket => "missing closing ]",
            ErrorKind::MissingParen => "missing closing )",
            ErrorKind::MissingRepeatArgument => "missing argument to repetition operator",
            ErrorKind::TrailingBackslash => "trailing backslash at end of expression",
            ErrorKind::UnexpectedParen => "unexpected )",
            ErrorKind::NestingDepth => "expression nests too deeply",
            ErrorKind::Large => "expression too large",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.message()))
    }
}

impl std::error::Error for Error {}
