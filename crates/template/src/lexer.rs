//! Text to tokens, by Go's rules for delimiters, trimming, comments and literals.
//! Tokens are ranges of the source; only an error carries a text of its own.

use pintle_golib::unicode;

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Error,
    Eof,
    Text,
    LeftDelim,
    RightDelim,
    Space,
    Assign,
    Declare,
    Pipe,
    LeftParen,
    RightParen,
    /// Any other printable ASCII character.
    Char,
    Bool,
    CharConstant,
    Complex,
    Number,
    String,
    RawString,
    Identifier,
    Field,
    Variable,
    Dot,
    Nil,
    Block,
    Break,
    Continue,
    Define,
    Else,
    End,
    If,
    Range,
    Template,
    With,
}

impl Kind {
    /// The word that a token of this kind is always written as, `.` included.
    pub(crate) fn is_keyword(self) -> bool {
        matches!(
            self,
            Self::Dot
                | Self::Nil
                | Self::Block
                | Self::Break
                | Self::Continue
                | Self::Define
                | Self::Else
                | Self::End
                | Self::If
                | Self::Range
                | Self::Template
                | Self::With
        )
    }

    fn of_word(word: &[u8]) -> Self {
        match word {
            b"true" | b"false" => Self::Bool,
            b"nil" => Self::Nil,
            b"block" => Self::Block,
            b"break" => Self::Break,
            b"continue" => Self::Continue,
            b"define" => Self::Define,
            b"else" => Self::Else,
            b"end" => Self::End,
            b"if" => Self::If,
            b"range" => Self::Range,
            b"template" => Self::Template,
            b"with" => Self::With,
            _ => Self::Identifier,
        }
    }
}

/// A token: its kind, its range in the source and the line it starts on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Token {
    pub(crate) kind: Kind,
    pub(crate) start: u32,
    pub(crate) end: u32,
    pub(crate) line: u32,
}

/// What stands for the token before the first.
const START: Token = Token { kind: Kind::Eof, start: 0, end: 0, line: 1 };

const LEFT: &[u8] = b"{{";
const RIGHT: &[u8] = b"}}";

pub(crate) fn is_space(b: u8) -> bool {
    matches!(b, b' ' | b'\t' | b'\r' | b'\n')
}

/// The tokens of a source, one by one. After an error or the end there is nothing but that.
pub(crate) struct Lexer<'s> {
    source: &'s [u8],
    at: usize,
    line: u32,
    /// Inside an action: how many parentheses are open.
    parens: Option<u32>,
    message: String,
    failed: bool,
    last: Token,
}

impl<'s> Lexer<'s> {
    pub(crate) fn new(source: &'s [u8]) -> Self {
        Self { source, at: 0, line: 1, parens: None, message: String::new(), failed: false, last: START }
    }

    /// A lexer that starts within an action, for printing a node again.
    pub(crate) fn of_action(source: &'s [u8]) -> Self {
        Self { parens: Some(0), ..Self::new(source) }
    }

    /// The text of the error, once one was met.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The line of the token given out last.
    pub(crate) fn last_line(&self) -> u32 {
        self.last.line
    }

    /// The token given out last.
    pub(crate) fn last(&self) -> Token {
        self.last
    }

    pub(crate) fn next(&mut self) -> Token {
        let token = match self.parens {
            _ if self.failed => self.token(Kind::Error, self.at, self.line),
            None => self.text(),
            Some(depth) => self.action(depth),
        };
        self.last = token;
        token
    }

    /// Ends a token at the current place and moves the line on.
    fn token(&mut self, kind: Kind, start: usize, line: u32) -> Token {
        #[allow(clippy::cast_possible_truncation)] // the parser refuses sources of 4 GiB
        Token { kind, start: start as u32, end: self.at as u32, line }
    }

    fn skip_to(&mut self, to: usize) {
        self.line += newlines(&self.source[self.at..to]);
        self.at = to;
    }

    fn emit(&mut self, kind: Kind, start: usize) -> Token {
        let line = self.line;
        // No other token goes on over the end of a line.
        if matches!(kind, Kind::Text | Kind::Space | Kind::RawString) {
            self.line += newlines(&self.source[start..self.at]);
        }
        self.token(kind, start, line)
    }

    fn error(&mut self, start: usize, message: String) -> Token {
        self.message = message;
        self.failed = true;
        let line = self.line;
        self.token(Kind::Error, start, line)
    }

    fn rest(&self) -> &'s [u8] {
        &self.source[self.at..]
    }

    fn text(&mut self) -> Token {
        loop {
            let start = self.at;
            let Some(offset) = find(self.rest(), LEFT) else {
                self.at = self.source.len();
                return self.emit(if start < self.at { Kind::Text } else { Kind::Eof }, start);
            };
            let delim = start + offset;
            let inside = delim + LEFT.len();
            let trims = matches!(self.source[inside..], [b'-', space, ..] if is_space(space));
            let content = if trims { inside + 2 } else { inside };
            if delim > start {
                let text = &self.source[start..delim];
                let kept = if trims { text.trim_ascii_end_go() } else { text };
                let end = start + kept.len();
                if end > start {
                    self.at = end;
                    let token = self.emit(Kind::Text, start);
                    self.skip_to(delim);
                    return token;
                }
                self.skip_to(delim);
            }
            if self.source[content..].starts_with(b"/*") {
                match self.comment(content) {
                    Ok(()) => continue,
                    Err(token) => return token,
                }
            }
            self.at = inside;
            let token = self.emit(Kind::LeftDelim, delim);
            self.skip_to(content);
            self.parens = Some(0);
            return token;
        }
    }

    fn comment(&mut self, start: usize) -> Result<(), Token> {
        self.skip_to(start);
        let Some(length) = find(&self.source[start + 2..], b"*/") else {
            return Err(self.error(start, "unclosed comment".into()));
        };
        self.at = start + 2 + length + 2;
        let Some(trims) = self.at_right_delim() else {
            return Err(self.error(start, "comment ends before closing delimiter".into()));
        };
        let end = self.at;
        self.at = start;
        self.skip_to(end);
        self.close(trims);
        Ok(())
    }

    /// Moves over a right delimiter and the space it trims.
    fn close(&mut self, trims: bool) {
        let mut end = self.at + if trims { 2 } else { 0 } + RIGHT.len();
        if trims {
            end += self.source[end..].iter().take_while(|&&b| is_space(b)).count();
        }
        self.skip_to(end);
    }

    /// Whether a right delimiter is next, and if so whether it trims.
    fn at_right_delim(&self) -> Option<bool> {
        match self.rest() {
            [space, b'-', b'}', b'}', ..] if is_space(*space) => Some(true),
            [b'}', b'}', ..] => Some(false),
            _ => None,
        }
    }

    fn action(&mut self, depth: u32) -> Token {
        let start = self.at;
        if let Some(trims) = self.at_right_delim() {
            if depth > 0 {
                return self.error(start, "unclosed left paren".into());
            }
            return self.right_delim(trims);
        }
        let Some(&first) = self.rest().first() else {
            return self.error(start, "unclosed action".into());
        };
        match first {
            b if is_space(b) => self.space(),
            b'=' => self.single(Kind::Assign),
            b':' => {
                if self.source.get(start + 1) != Some(&b'=') {
                    return self.error(start, "expected :=".into());
                }
                self.at += 2;
                self.emit(Kind::Declare, start)
            }
            b'|' => self.single(Kind::Pipe),
            b'"' => self.quoted(start),
            b'`' => match self.source[start + 1..].iter().position(|&b| b == b'`') {
                Some(length) => {
                    self.at = start + length + 2;
                    self.emit(Kind::RawString, start)
                }
                None => self.error(start, "unterminated raw quoted string".into()),
            },
            b'\'' => self.char_constant(start),
            b'$' => {
                self.at += 1;
                if self.at_terminator() { self.emit(Kind::Variable, start) } else { self.name(Kind::Variable, start) }
            }
            b'.' => match self.source.get(start + 1) {
                Some(b'0'..=b'9') | None => self.number(start),
                Some(_) => {
                    self.at += 1;
                    if self.at_terminator() { self.emit(Kind::Dot, start) } else { self.name(Kind::Field, start) }
                }
            },
            b'+' | b'-' | b'0'..=b'9' => self.number(start),
            b'(' => {
                self.parens = Some(depth + 1);
                self.single(Kind::LeftParen)
            }
            b')' => {
                if depth == 0 {
                    return self.error(start, "unexpected right paren".into());
                }
                self.parens = Some(depth - 1);
                self.single(Kind::RightParen)
            }
            _ => {
                let (rune, width) = unicode::decode(self.rest());
                if is_alphanumeric(rune) {
                    return self.word(start);
                }
                self.at += width;
                if rune.is_ascii() && !rune.is_ascii_control() {
                    self.emit(Kind::Char, start)
                } else {
                    self.error(start, format!("unrecognized character in action: {}", code_point(rune)))
                }
            }
        }
    }

    fn single(&mut self, kind: Kind) -> Token {
        let start = self.at;
        self.at += 1;
        self.emit(kind, start)
    }

    fn right_delim(&mut self, trims: bool) -> Token {
        let start = self.at + if trims { 2 } else { 0 };
        // A newline that belongs to the delimiter comes before it.
        self.skip_to(start);
        self.at = start + RIGHT.len();
        let token = self.token(Kind::RightDelim, start, self.line);
        self.at = start;
        self.close(false);
        if trims {
            let space = self.rest().iter().take_while(|&&b| is_space(b)).count();
            self.skip_to(self.at + space);
        }
        self.parens = None;
        token
    }

    fn space(&mut self) -> Token {
        let start = self.at;
        let count = self.rest().iter().take_while(|&&b| is_space(b)).count();
        self.at += count;
        // The last space may belong to a delimiter that trims.
        if self.rest().starts_with(b"-}}") {
            self.at -= 1;
            if count == 1 {
                if self.parens != Some(0) {
                    return self.error(start, "unclosed left paren".into());
                }
                return self.right_delim(true);
            }
        }
        self.emit(Kind::Space, start)
    }

    fn quoted(&mut self, start: usize) -> Token {
        self.at += 1;
        loop {
            match self.rest() {
                [b'\\', b, ..] if *b != b'\n' => self.at += 2,
                [b'"', ..] => {
                    self.at += 1;
                    return self.emit(Kind::String, start);
                }
                [] | [b'\n' | b'\\', ..] => return self.error(start, "unterminated quoted string".into()),
                _ => self.at += 1,
            }
        }
    }

    fn char_constant(&mut self, start: usize) -> Token {
        self.at += 1;
        loop {
            match self.rest() {
                [b'\\', b, ..] if *b != b'\n' => self.at += 2,
                [b'\'', ..] => {
                    self.at += 1;
                    return self.emit(Kind::CharConstant, start);
                }
                [] | [b'\n' | b'\\', ..] => return self.error(start, "unterminated character constant".into()),
                _ => self.at += 1,
            }
        }
    }

    fn skip_alphanumeric(&mut self) {
        loop {
            self.at += self.rest().iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
            if self.rest().first().is_none_or(u8::is_ascii) {
                return;
            }
            let (rune, width) = unicode::decode(self.rest());
            if !is_alphanumeric(rune) {
                return;
            }
            self.at += width;
        }
    }

    fn word(&mut self, start: usize) -> Token {
        self.skip_alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(Kind::of_word(&self.source[start..self.at]), start)
    }

    /// A field or variable behind its first character.
    fn name(&mut self, kind: Kind, start: usize) -> Token {
        self.skip_alphanumeric();
        if !self.at_terminator() {
            return self.bad_character();
        }
        self.emit(kind, start)
    }

    fn bad_character(&mut self) -> Token {
        let (rune, _) = unicode::decode(self.rest());
        self.error(self.at, format!("bad character {}", code_point(rune)))
    }

    /// Whether a word may end here.
    fn at_terminator(&self) -> bool {
        match self.rest() {
            [] => true,
            [b, ..] if is_space(*b) => true,
            [b'.' | b',' | b'|' | b':' | b')' | b'(', ..] => true,
            rest => rest.starts_with(RIGHT),
        }
    }

    fn number(&mut self, start: usize) -> Token {
        let mut complex = false;
        let mut fine = self.scan_number();
        if fine && matches!(self.rest().first(), Some(b'+' | b'-')) {
            complex = true;
            fine = self.scan_number() && self.source[self.at - 1] == b'i';
        }
        if !fine {
            let text = pintle_golib::strconv::quote(&self.source[start..self.at]);
            return self.error(start, format!("bad number syntax: {text}"));
        }
        self.emit(if complex { Kind::Complex } else { Kind::Number }, start)
    }

    fn accept(&mut self, set: &[u8]) -> bool {
        let found = self.rest().first().is_some_and(|b| set.contains(b));
        self.at += usize::from(found);
        found
    }

    fn accept_run(&mut self, accepts: fn(u8) -> bool) {
        self.at += self.rest().iter().take_while(|&&b| accepts(b)).count();
    }

    fn scan_number(&mut self) -> bool {
        let decimal: fn(u8) -> bool = |b| b.is_ascii_digit() || b == b'_';
        let mut digits = decimal;
        let mut exponent: &[u8] = b"eE";
        self.accept(b"+-");
        if self.accept(b"0") {
            if self.accept(b"xX") {
                digits = |b| b.is_ascii_hexdigit() || b == b'_';
                exponent = b"pP";
            } else if self.accept(b"oO") {
                digits = |b| matches!(b, b'0'..=b'7' | b'_');
                exponent = b"";
            } else if self.accept(b"bB") {
                digits = |b| matches!(b, b'0' | b'1' | b'_');
                exponent = b"";
            }
        }
        self.accept_run(digits);
        if self.accept(b".") {
            self.accept_run(digits);
        }
        if self.accept(exponent) {
            self.accept(b"+-");
            self.accept_run(decimal);
        }
        self.accept(b"i");
        let (rune, width) = unicode::decode(self.rest());
        if width > 0 && is_alphanumeric(rune) {
            self.at += width;
            return false;
        }
        true
    }
}

fn is_alphanumeric(rune: char) -> bool {
    match rune {
        '_' | '0'..='9' | 'a'..='z' | 'A'..='Z' => true,
        _ if rune.is_ascii() => false,
        _ => unicode::is_letter(rune) || unicode::is_digit(rune),
    }
}

/// What `%#U` prints.
fn code_point(rune: char) -> String {
    let code = u32::from(rune);
    if unicode::is_print(rune) { format!("U+{code:04X} '{rune}'") } else { format!("U+{code:04X}") }
}

#[allow(clippy::cast_possible_truncation, clippy::naive_bytecount)]
fn newlines(text: &[u8]) -> u32 {
    memchr::memchr_iter(b'\n', text).count() as u32
}

fn find(text: &[u8], pair: &[u8]) -> Option<usize> {
    memchr::memmem::find(text, pair)
}

trait TrimEnd {
    fn trim_ascii_end_go(&self) -> &[u8];
}

impl TrimEnd for [u8] {
    /// Trims what a `{{- ` trims.
    fn trim_ascii_end_go(&self) -> &[u8] {
        let kept = self.iter().rposition(|&b| !is_space(b)).map_or(0, |last| last + 1);
        &self[..kept]
    }
}

/// A node as Go prints it: its tokens with single spaces where the source has any, and around `|` and `:=`.
pub(crate) fn print_node(source: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(source.len());
    let mut lexer = Lexer::of_action(source);
    let mut space = false;
    loop {
        let token = lexer.next();
        let text = &source[token.start as usize..token.end as usize];
        match token.kind {
            // The end of the node is the end of the text: an unclosed action.
            Kind::Error | Kind::Eof | Kind::RightDelim => return out,
            Kind::Space => {
                space = !matches!(out.last(), None | Some(b'(' | b' '));
                continue;
            }
            Kind::Pipe | Kind::Declare | Kind::Assign => {
                if out.last() != Some(&b' ') {
                    out.push(b' ');
                }
                out.extend_from_slice(text);
                out.push(b' ');
            }
            Kind::Char if text == b"," => out.extend_from_slice(b", "),
            Kind::RightParen => {
                // A pipe with nothing behind it is no part of the tree.
                if out.ends_with(b" | ") {
                    out.truncate(out.len() - 3);
                }
                out.push(b')');
            }
            _ => {
                if space {
                    out.push(b' ');
                }
                out.extend_from_slice(text);
            }
        }
        space = false;
    }
}
