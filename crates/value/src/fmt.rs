//! Go's `fmt`: `%v`, `Sprintf`, `Sprint`, `Sprintln` over [`Value`]s, wrong verbs and missing arguments included.
//!
//! Nothing here fails in Go; here a text that grows or nests without end is an [`Endless`] error.

mod number;
mod printer;

use crate::Value;
pub(crate) use number::append_int;
use pintle_golib::{strconv, unicode};
use printer::{Flags, Printer};
use std::fmt;

/// A text became longer, or a value nests deeper, than anybody could want: a map that contains itself, say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Endless;

impl fmt::Display for Endless {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the printed text is longer than {} MiB, or the value nests deeper than {MAX_DEPTH}", MAX_TEXT >> 20)
    }
}

impl std::error::Error for Endless {}

/// The longest text that one call writes, in bytes.
pub const MAX_TEXT: usize = 64 << 20;

/// How deep the values may nest that are printed or encoded.
pub const MAX_DEPTH: usize = 1000;

/// The largest width or precision, as in Go.
const MAX_NUMBER: i64 = 1_000_000;

/// Writes what `%v` prints; a nil is `<nil>`.
///
/// # Errors
/// [`Endless`], if the text would be too long or the value is too deep.
pub fn print_value(value: &Value, out: &mut Vec<u8>) -> Result<(), Endless> {
    match value {
        Value::String(s) => out.extend_from_slice(s),
        Value::Bool(b) => out.extend_from_slice(if *b { b"true" } else { b"false" }),
        Value::Int(n) | Value::Int64(n) => append_int(*n, out),
        Value::Float64(n) => strconv::append_float(out, *n, b'g', None),
        Value::Nil => out.extend_from_slice(b"<nil>"),
        _ => {
            let mut printer = Printer::new(out);
            printer.argument(value, 'v');
            return printer.finish();
        }
    }
    Ok(())
}

/// Writes the arguments as `fmt.Sprint` does: a space between two of which neither is a string.
///
/// # Errors
/// As [`print_value`].
pub fn sprint(args: &[Value], out: &mut Vec<u8>) -> Result<(), Endless> {
    let mut after_string = true;
    for (at, arg) in args.iter().enumerate() {
        let is_string = matches!(arg, Value::String(_));
        if at > 0 && !is_string && !after_string {
            out.push(b' ');
        }
        print_value(arg, out)?;
        after_string = is_string;
    }
    Ok(())
}

/// Writes the arguments as `fmt.Sprintln` does: always a space between them, and a newline at the end.
///
/// # Errors
/// As [`print_value`].
pub fn sprintln(args: &[Value], out: &mut Vec<u8>) -> Result<(), Endless> {
    for (at, arg) in args.iter().enumerate() {
        if at > 0 {
            out.push(b' ');
        }
        print_value(arg, out)?;
    }
    out.push(b'\n');
    Ok(())
}

/// Writes the arguments as `fmt.Sprintf` does under this format.
///
/// # Errors
/// As [`print_value`].
pub fn sprintf(format: &[u8], args: &[Value], out: &mut Vec<u8>) -> Result<(), Endless> {
    let mut printer = Printer::new(out);
    let mut reader = Format { text: format, at: 0, args, next: 0, reordered: false, index_ok: true };
    while reader.at < format.len() && !printer.is_full() {
        let rest = &format[reader.at..];
        let Some(plain) = rest.iter().position(|b| *b == b'%') else {
            printer.write(rest);
            break;
        };
        printer.write(&rest[..plain]);
        reader.at += plain + 1;
        reader.directive(&mut printer);
    }
    if !reader.reordered && reader.next < args.len() {
        printer.flags = Flags::default();
        printer.write(b"%!(EXTRA ");
        for (at, arg) in args[reader.next..].iter().enumerate() {
            if at > 0 {
                printer.write(b", ");
            }
            if matches!(arg, Value::Nil) {
                printer.write(b"<nil>");
            } else {
                printer.write(arg.type_name().as_bytes());
                printer.write(b"=");
                printer.argument(arg, 'v');
            }
        }
        printer.write(b")");
    }
    printer.finish()
}

/// A format string on its way, with the arguments it consumes.
struct Format<'a> {
    text: &'a [u8],
    at: usize,
    args: &'a [Value],
    next: usize,
    /// Whether any directive named its argument: then none are extra.
    reordered: bool,
    /// Whether the argument indexes of this directive were all good.
    index_ok: bool,
}

impl Format<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    /// Reads what follows a `%`, and prints its argument.
    fn directive(&mut self, printer: &mut Printer<'_>) {
        let mut flags = Flags::default();
        self.index_ok = true;
        let mut after_index;
        loop {
            match self.peek() {
                Some(b'#') => flags.sharp = true,
                Some(b'0') => flags.zero = true,
                Some(b'+') => flags.plus = true,
                Some(b'-') => flags.minus = true,
                Some(b' ') => flags.space = true,
                _ => break,
            }
            self.at += 1;
        }

        after_index = self.index();
        if self.peek() == Some(b'*') {
            self.at += 1;
            match self.star() {
                Some(width) => {
                    flags.minus |= width < 0;
                    flags.width = Some(usize::try_from(width.unsigned_abs()).unwrap_or(0));
                }
                None => printer.write(b"%!(BADWIDTH)"),
            }
            after_index = false;
        } else {
            flags.width = self.number();
            if after_index && flags.width.is_some() {
                self.index_ok = false;
            }
        }

        // A dot at the very end is taken for a verb.
        if self.peek() == Some(b'.') && self.at + 1 < self.text.len() {
            self.at += 1;
            if after_index {
                self.index_ok = false;
            }
            after_index = self.index();
            if self.peek() == Some(b'*') {
                self.at += 1;
                flags.precision = self.star().and_then(|precision| usize::try_from(precision).ok());
                if flags.precision.is_none() {
                    printer.write(b"%!(BADPREC)");
                }
                after_index = false;
            } else {
                flags.precision = Some(self.number().unwrap_or(0));
            }
        }
        if !after_index {
            self.index();
        }

        if self.at >= self.text.len() {
            printer.write(b"%!(NOVERB)");
            return;
        }
        let (verb, width) = unicode::decode(&self.text[self.at..]);
        let spelled = &self.text[self.at..self.at + width];
        self.at += width;
        if verb == '%' {
            printer.write(b"%");
        } else if !self.index_ok {
            printer.complain(spelled, b"(BADINDEX)");
        } else if let Some(arg) = self.args.get(self.next) {
            self.next += 1;
            if matches!(verb, 'v' | 'w') {
                flags.sharp_v = std::mem::take(&mut flags.sharp);
                flags.plus_v = std::mem::take(&mut flags.plus);
            }
            printer.flags = flags;
            printer.argument(arg, verb);
        } else {
            printer.complain(spelled, b"(MISSING)");
        }
    }

    /// Reads an argument index, `[3]`, if one is here; says whether a good one was.
    fn index(&mut self) -> bool {
        if self.peek() != Some(b'[') {
            return false;
        }
        self.reordered = true;
        let Some(close) = self.text[self.at..].iter().position(|b| *b == b']') else {
            self.index_ok = false;
            self.at += 1;
            return false;
        };
        let inside = &self.text[self.at + 1..self.at + close];
        self.at += close + 1;
        let number = std::str::from_utf8(inside)
            .ok()
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))
            .and_then(|digits| digits.parse::<usize>().ok())
            .filter(|n| (1..=self.args.len()).contains(n));
        match number {
            Some(n) => {
                self.next = n - 1;
                true
            }
            None => {
                self.index_ok = false;
                false
            }
        }
    }

    /// Takes an argument for a `*`, if it is an integer of sane size.
    fn star(&mut self) -> Option<i64> {
        let arg = self.args.get(self.next)?;
        self.next += 1;
        let number = match arg {
            Value::Int(n) | Value::Int64(n) => *n,
            Value::Duration(d) => d.nanos(),
            Value::Uint8(n) => i64::from(*n),
            Value::Uint64(n) => i64::try_from(*n).ok()?,
            _ => return None,
        };
        (-MAX_NUMBER..=MAX_NUMBER).contains(&number).then_some(number)
    }

    /// Reads a decimal number, if one is here. One that is too large counts as none, and its digits are passed over
    /// up to where it became so.
    fn number(&mut self) -> Option<usize> {
        let mut number: Option<i64> = None;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let so_far = number.unwrap_or(0);
            if so_far > MAX_NUMBER {
                self.at = self.text.len();
                return None;
            }
            number = Some(so_far * 10 + i64::from(digit - b'0'));
            self.at += 1;
        }
        number.and_then(|n| usize::try_from(n).ok())
    }
}

#[cfg(test)]
mod tests;
