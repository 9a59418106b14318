//! RE2's syntax, as Go's `regexp/syntax` reads it with Perl's flags.

use super::class;
use super::error::{Error, ErrorKind};
use regex_syntax::hir::{Capture, Class, ClassUnicode, Dot, Hir, Look, Repetition};

/// Groups may be nested this deep. Go takes 1000.
const MAX_DEPTH: usize = 250;
/// Most repetitions that counts may ask for, nested ones multiplied.
const MAX_REPEAT: u32 = 1000;

/// Most ranges of all sets together: `\\pL` alone has 600.
const MAX_RANGES: usize = 500_000;

pub(super) struct Parsed {
    pub(super) hir: Hir,
    pub(super) names: Vec<String>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Flags {
    fold: bool,
    multi_line: bool,
    dot_newline: bool,
    swap_greed: bool,
}

/// A part with the number of repetitions its counts multiply to.
struct Item {
    hir: Hir,
    repeats: u32,
}

/// An open group, or the whole pattern.
struct Frame {
    /// Number of the group if it captures.
    capture: Option<u32>,
    /// The flags to go back to at its end.
    outer: Flags,
    alternatives: Vec<Item>,
    sequence: Vec<Item>,
}

impl Frame {
    fn new(capture: Option<u32>, outer: Flags) -> Self {
        Self { capture, outer, alternatives: Vec::new(), sequence: Vec::new() }
    }

    fn end_alternative(&mut self) {
        let parts = std::mem::take(&mut self.sequence);
        let repeats = parts.iter().map(|p| p.repeats).max().unwrap_or(1);
        let hir = Hir::concat(parts.into_iter().map(|p| p.hir).collect());
        self.alternatives.push(Item { hir, repeats });
    }

    fn close(mut self) -> Item {
        self.end_alternative();
        let repeats = self.alternatives.iter().map(|a| a.repeats).max().unwrap_or(1);
        let hir = Hir::alternation(self.alternatives.into_iter().map(|a| a.hir).collect());
        let hir = match self.capture {
            // Two groups may have one name here, so the engine is not told of names.
            Some(index) => Hir::capture(Capture { index, name: None, sub: Box::new(hir) }),
            None => hir,
        };
        Item { hir, repeats }
    }
}

struct Parser<'p> {
    whole: &'p str,
    rest: &'p str,
    flags: Flags,
    /// The innermost one last; never empty.
    frames: Vec<Frame>,
    names: Vec<String>,
    /// Ranges of all sets so far.
    ranges: usize,
}

fn fail<T>(kind: ErrorKind, expression: &str) -> Result<T, Error> {
    Err(Error::new(kind, expression.as_bytes()))
}

/// The pattern as text; where it is none Go shows it from the first invalid byte on.
pub(super) fn utf8(pattern: &[u8]) -> Result<&str, Error> {
    std::str::from_utf8(pattern).map_err(|e| Error::new(ErrorKind::Utf8, &pattern[e.valid_up_to()..]))
}

pub(super) fn parse(pattern: &str) -> Result<Parsed, Error> {
    let frames = vec![Frame::new(None, Flags::default())];
    let mut parser =
        Parser { whole: pattern, rest: pattern, flags: Flags::default(), frames, names: Vec::new(), ranges: 0 };
    // Where the operator of repetition began that was just read.
    let mut after_repeat: Option<&str> = None;
    while let Some(c) = parser.rest.chars().next() {
        let start = parser.rest;
        let repeated = after_repeat.take();
        match c {
            '(' => parser.open()?,
            ')' => parser.close()?,
            '|' => {
                parser.skip(1);
                parser.frame().end_alternative();
            }
            '^' if parser.flags.multi_line => parser.look(1, Look::StartLF),
            '^' => parser.look(1, Look::Start),
            '$' if parser.flags.multi_line => parser.look(1, Look::EndLF),
            '$' => parser.look(1, Look::End),
            '.' => {
                let dot = if parser.flags.dot_newline { Dot::AnyChar } else { Dot::AnyCharExceptLF };
                parser.skip(1);
                parser.push(Hir::dot(dot));
            }
            '[' => parser.set()?,
            '*' | '+' | '?' => {
                let min = u32::from(c == '+');
                let max = if c == '?' { Some(1) } else { None };
                parser.skip(1);
                parser.repeat(start, repeated, min, max)?;
                after_repeat = Some(repeated.unwrap_or(start));
            }
            '{' => match counts(start) {
                Some(Counts { min, max, width }) => {
                    parser.skip(width);
                    if min.max(max.unwrap_or(0)) > MAX_REPEAT || max.is_some_and(|max| max < min) {
                        return fail(ErrorKind::RepeatSize, &start[..width]);
                    }
                    parser.repeat(start, repeated, min, max)?;
                    after_repeat = Some(repeated.unwrap_or(start));
                }
                None => parser.literal(c),
            },
            '\\' => parser.backslash()?,
            _ => parser.literal(c),
        }
        if parser.ranges > MAX_RANGES {
            return fail(ErrorKind::Large, pattern);
        }
    }
    if parser.frames.len() > 1 {
        return fail(ErrorKind::MissingParen, pattern);
    }
    let names = parser.names;
    match parser.frames.pop() {
        Some(frame) => Ok(Parsed { hir: frame.close().hir, names }),
        None => fail(ErrorKind::UnexpectedParen, pattern),
    }
}

/// `{n}`, `{n,}` or `{n,m}`, and how long it is.
struct Counts {
    min: u32,
    /// None for no limit.
    max: Option<u32>,
    width: usize,
}

/// The counts at the beginning; what only looks like some is plain text. A number too long for 32 bits is the highest one.
fn counts(text: &str) -> Option<Counts> {
    fn number(text: &str) -> Option<(u32, &str)> {
        let (digits, rest) = text.split_at(text.bytes().take_while(u8::is_ascii_digit).count());
        let padded = digits.len() > 1 && digits.starts_with('0');
        let value = digits.parse().unwrap_or(u32::MAX);
        (!digits.is_empty() && !padded).then_some((value, rest))
    }
    let (min, rest) = number(text.strip_prefix('{')?)?;
    let (max, rest) = match rest.strip_prefix(',') {
        None => (Some(min), rest),
        Some(rest) if rest.starts_with('}') => (None, rest),
        Some(rest) => number(rest).map(|(max, rest)| (Some(max), rest))?,
    };
    let rest = rest.strip_prefix('}')?;
    Some(Counts { min, max, width: text.len() - rest.len() })
}

impl<'p> Parser<'p> {
    fn skip(&mut self, bytes: usize) {
        self.rest = &self.rest[bytes..];
    }

    fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::new(None, self.flags));
        }
        let last = self.frames.len() - 1;
        &mut self.frames[last]
    }

    fn push(&mut self, hir: Hir) {
        self.frame().sequence.push(Item { hir, repeats: 1 });
    }

    fn push_class(&mut self, set: ClassUnicode) {
        self.ranges += set.ranges().len();
        self.push(Hir::class(Class::Unicode(set)));
    }

    fn look(&mut self, width: usize, look: Look) {
        self.skip(width);
        self.push(Hir::look(look));
    }

    fn literal(&mut self, c: char) {
        self.skip(c.len_utf8());
        self.push_literal(c);
    }

    fn push_literal(&mut self, c: char) {
        if self.flags.fold {
            self.push_class(class::single(c, true));
        } else {
            let mut buffer = [0; 4];
            let bytes = c.encode_utf8(&mut buffer).as_bytes();
            self.push(Hir::literal(bytes));
        }
    }

    /// What has been read since this was the rest.
    fn since(&self, start: &'p str) -> &'p str {
        &start[..start.len() - self.rest.len()]
    }

    fn repeat(&mut self, start: &'p str, nested: Option<&'p str>, min: u32, max: Option<u32>) -> Result<(), Error> {
        let lazy = self.rest.starts_with('?');
        if lazy {
            self.skip(1);
        }
        if let Some(first) = nested {
            return fail(ErrorKind::RepeatOp, self.since(first));
        }
        let greedy = lazy == self.flags.swap_greed;
        let Some(item) = self.frame().sequence.pop() else {
            return fail(ErrorKind::MissingRepeatArgument, self.since(start));
        };
        // Only counts multiply; `*`, `+` and `?` do not.
        let counted = start.starts_with('{');
        let factor = if counted { max.unwrap_or(min).max(1) } else { 1 };
        let repeats = item.repeats.saturating_mul(factor);
        if counted && repeats > MAX_REPEAT && max != Some(0) {
            return fail(ErrorKind::RepeatSize, self.since(start));
        }
        let hir = Hir::repetition(Repetition { min, max, greedy, sub: Box::new(item.hir) });
        self.frame().sequence.push(Item { hir, repeats });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Error> {
        self.skip(1);
        if self.frames.len() < 2 {
            return fail(ErrorKind::UnexpectedParen, self.whole);
        }
        if let Some(frame) = self.frames.pop() {
            self.flags = frame.outer;
            let item = frame.close();
            self.frame().sequence.push(item);
        }
        Ok(())
    }

    fn enter(&mut self, capture: Option<u32>, outer: Flags) -> Result<(), Error> {
        if self.frames.len() > MAX_DEPTH {
            return fail(ErrorKind::NestingDepth, self.whole);
        }
        self.frames.push(Frame::new(capture, outer));
        Ok(())
    }

    fn enter_capture(&mut self, name: &str) -> Result<(), Error> {
        self.names.push(name.to_owned());
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.enter(Some(number), self.flags)
    }

    fn open(&mut self) -> Result<(), Error> {
        let start = self.rest;
        let Some(perl) = start.strip_prefix("(?") else {
            self.skip(1);
            return self.enter_capture("");
        };
        let named = perl.strip_prefix("P<").or_else(|| perl.strip_prefix('<'));
        if let Some(named) = named {
            let Some((name, rest)) = named.split_once('>') else {
                return fail(ErrorKind::NamedCapture, start);
            };
            self.rest = rest;
            if name.is_empty() || !name.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()) {
                return fail(ErrorKind::NamedCapture, self.since(start));
            }
            return self.enter_capture(name);
        }
        self.skip(2);
        self.flag_group(start)
    }

    /// `(?i-s)` and `(?i-s:`, from the flags on.
    fn flag_group(&mut self, start: &'p str) -> Result<(), Error> {
        let mut flags = self.flags;
        let (mut on, mut any) = (true, false);
        while let Some(c) = self.rest.chars().next() {
            self.skip(c.len_utf8());
            match c {
                'i' => flags.fold = on,
                'm' => flags.multi_line = on,
                's' => flags.dot_newline = on,
                'U' => flags.swap_greed = on,
                '-' if on => {
                    on = false;
                    any = false;
                    continue;
                }
                ':' | ')' if on || any => {
                    let outer = std::mem::replace(&mut self.flags, flags);
                    return if c == ':' { self.enter(None, outer) } else { Ok(()) };
                }
                _ => break,
            }
            any = true;
        }
        fail(ErrorKind::PerlOp, self.since(start))
    }

    fn backslash(&mut self) -> Result<(), Error> {
        let start = self.rest;
        let Some(letter) = start.chars().nth(1) else { return fail(ErrorKind::TrailingBackslash, "") };
        match letter {
            'A' => self.look(2, Look::Start),
            'z' => self.look(2, Look::End),
            'b' => self.look(2, Look::WordAscii),
            'B' => self.look(2, Look::WordAsciiNegate),
            'Q' => {
                let quoted = &start[2..];
                let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
                self.rest = rest;
                for c in text.chars() {
                    self.push_literal(c);
                }
            }
            _ => match self.named_class()? {
                Some(set) => self.push_class(set),
                None => {
                    let code = self.escape()?;
                    match char::from_u32(code) {
                        Some(c) => self.push_literal(c),
                        // Half of a pair of UTF-16 is nothing that a text could have.
                        None => self.push(Hir::fail()),
                    }
                }
            },
        }
        Ok(())
    }

    /// `\d`, `\pL`, `\p{Greek}` at the beginning of the rest.
    fn named_class(&mut self) -> Result<Option<ClassUnicode>, Error> {
        let start = self.rest;
        let mut chars = start.chars();
        let (Some('\\'), Some(letter)) = (chars.next(), chars.next()) else { return Ok(None) };
        if let Some(set) = class::perl(letter, self.flags.fold) {
            self.skip(2);
            return Ok(Some(set));
        }
        if !matches!(letter, 'p' | 'P') {
            return Ok(None);
        }
        let name = match chars.next() {
            Some('{') => match start[3..].split_once('}') {
                Some((name, rest)) => {
                    self.rest = rest;
                    name
                }
                None => return fail(ErrorKind::CharRange, start),
            },
            Some(c) => {
                self.skip(2 + c.len_utf8());
                &start[2..2 + c.len_utf8()]
            }
            None => return fail(ErrorKind::CharRange, start),
        };
        match class::unicode(name, self.flags.fold, letter == 'P') {
            Some(set) => Ok(Some(set)),
            None => fail(ErrorKind::CharRange, self.since(start)),
        }
    }

    /// An escape that stands for one character: its number, which may be one that no text has.
    fn escape(&mut self) -> Result<u32, Error> {
        let start = self.rest;
        self.skip(1);
        let next = |parser: &mut Self| {
            let c = parser.rest.chars().next()?;
            parser.skip(c.len_utf8());
            Some(c)
        };
        let Some(letter) = next(self) else { return fail(ErrorKind::TrailingBackslash, "") };
        let bad = |parser: &Self| fail(ErrorKind::Escape, parser.since(start));
        let simple = match letter {
            'a' => '\x07',
            'f' => '\x0c',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\x0b',
            '0'..='7' => {
                // One digit alone but 0 would be a reference back.
                let octal = |text: &str| text.starts_with(|c: char| ('0'..='7').contains(&c));
                if letter != '0' && !octal(self.rest) {
                    return bad(self);
                }
                let mut code = letter.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    if octal(self.rest) {
                        code = code * 8 + next(self).and_then(|c| c.to_digit(8)).unwrap_or(0);
                    }
                }
                return Ok(code);
            }
            'x' => return self.hexadecimal(start),
            c if c.is_ascii() && !c.is_ascii_alphanumeric() => c,
            _ => return bad(self),
        };
        Ok(u32::from(simple))
    }

    /// `41` or `{41}` after `\x`.
    fn hexadecimal(&mut self, start: &'p str) -> Result<u32, Error> {
        let braces = self.rest.starts_with('{');
        self.skip(usize::from(braces));
        let (mut code, mut digits) = (0, 0);
        while braces || digits < 2 {
            let Some(c) = self.rest.chars().next() else { return fail(ErrorKind::Escape, self.since(start)) };
            self.skip(c.len_utf8());
            match c.to_digit(16) {
                Some(digit) if code <= 0x10_ffff => code = code * 16 + digit,
                None if braces && c == '}' && digits > 0 => break,
                _ => return fail(ErrorKind::Escape, self.since(start)),
            }
            if code > 0x10_ffff {
                return fail(ErrorKind::Escape, self.since(start));
            }
            digits += 1;
        }
        Ok(code)
    }

    fn set(&mut self) -> Result<(), Error> {
        let start = self.rest;
        self.skip(1);
        let negated = self.rest.starts_with('^');
        self.skip(usize::from(negated));
        let mut set = ClassUnicode::empty();
        let mut first = true;
        while first || !self.rest.starts_with(']') {
            first = false;
            if self.rest.is_empty() {
                return fail(ErrorKind::MissingBracket, start);
            }
            if let Some(named) = self.posix_class()? {
                set.union(&named);
            } else if let Some(named) = self.named_class()? {
                set.union(&named);
            } else {
                let element = self.rest;
                let low = self.set_char(start)?;
                let mut high = low;
                if self.rest.len() >= 2 && self.rest.starts_with('-') && !self.rest.starts_with("-]") {
                    self.skip(1);
                    high = self.set_char(start)?;
                    if high < low {
                        return fail(ErrorKind::CharRange, self.since(element));
                    }
                }
                // What lies between the halves of pairs of UTF-16 is in no text.
                let low = char::from_u32(low).unwrap_or('\u{e000}');
                let high = char::from_u32(high).unwrap_or('\u{d7ff}');
                if low <= high {
                    set.union(&class::range(low, high, self.flags.fold));
                }
            }
        }
        self.skip(1);
        if negated {
            set.negate();
        }
        self.push_class(set);
        Ok(())
    }

    fn set_char(&mut self, set: &'p str) -> Result<u32, Error> {
        match self.rest.chars().next() {
            None => fail(ErrorKind::MissingBracket, set),
            Some('\\') => self.escape(),
            Some(c) => {
                self.skip(c.len_utf8());
                Ok(u32::from(c))
            }
        }
    }

    /// `[:alpha:]` at the beginning of the rest; without its end it is plain characters.
    fn posix_class(&mut self) -> Result<Option<ClassUnicode>, Error> {
        let start = self.rest;
        let Some((name, rest)) = start.strip_prefix("[:").and_then(|text| text.split_once(":]")) else {
            return Ok(None);
        };
        self.rest = rest;
        match class::posix(name, self.flags.fold) {
            Some(set) => Ok(Some(set)),
            None => fail(ErrorKind::CharRange, self.since(start)),
        }
    }
}
