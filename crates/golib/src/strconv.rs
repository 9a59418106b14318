//! Go's `strconv`: numbers to text and back, quoting. Texts are bytes, because a Go string may hold any.

mod cast;
mod float;
mod integer;
mod quote;

pub use cast::{cast_float64, cast_int64};
pub use float::{append_float, append_float32, format_float, parse_float, parse_float32};
pub use integer::{atoi, parse_bool, parse_int, parse_uint};
pub use quote::{
    append_quote, append_quote_rune, append_quote_rune_to_ascii, append_quote_to_ascii, can_backquote, quote,
    quote_to_ascii, unquote, unquote_char,
};

use std::fmt;

/// Why a text is no number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum NumErrorKind {
    /// The text is none.
    Syntax,
    /// The number does not fit the type.
    Range,
    /// The base is not 0 or 2 to 36.
    Base(u32),
    /// The size is over 64 bits.
    BitSize(u32),
}

/// `strconv.NumError`: prints Go's text. `T` is what Go returns along with the error.
#[derive(Debug, Clone, PartialEq)]
pub struct NumError<T> {
    /// The Go function that failed.
    pub function: &'static str,
    /// The text that was to be a number.
    pub text: Vec<u8>,
    /// Why.
    pub kind: NumErrorKind,
    /// The value that Go returns nevertheless: the nearest limit for a range error, else zero.
    pub value: T,
}

impl<T> fmt::Display for NumError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = quote(&self.text);
        write!(f, "strconv.{}: parsing {text}: ", self.function)?;
        match self.kind {
            NumErrorKind::Syntax => f.write_str("invalid syntax"),
            NumErrorKind::Range => f.write_str("value out of range"),
            NumErrorKind::Base(base) => write!(f, "invalid base {base}"),
            NumErrorKind::BitSize(bits) => write!(f, "invalid bit size {bits}"),
        }
    }
}

impl<T: fmt::Debug> std::error::Error for NumError<T> {}

/// Whether each underscore stands between digits, or between a base prefix and a digit.
fn underscores_separate(text: &[u8]) -> bool {
    let text = text.strip_prefix(b"-").or_else(|| text.strip_prefix(b"+")).unwrap_or(text);
    let (digits, mut before_is_digit, hex) = match text {
        [b'0', b'x' | b'X', rest @ ..] => (rest, true, true),
        [b'0', b'b' | b'B' | b'o' | b'O', rest @ ..] => (rest, true, false),
        _ => (text, false, false),
    };
    let mut open = false;
    for &b in digits {
        let digit = b.is_ascii_digit() || hex && b.is_ascii_hexdigit();
        if b == b'_' {
            if !before_is_digit {
                return false;
            }
            open = true;
            before_is_digit = false;
        } else {
            if open && !digit {
                return false;
            }
            open = false;
            before_is_digit = digit;
        }
    }
    !open
}
