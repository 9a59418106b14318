//! The same, line by line, for documents that are written as nearly all are: block collections, a scalar a line, block
//! scalars. Nothing is taken for ordinary that might mean anything else: then the reader of events has to look.

use super::{Field, Scope, field_of, is_no_key, is_odd, scalar};
use crate::render::{convert::yaml_limits, manifest::ManifestDoc};
use memchr::{memchr, memchr2};
use pintle_yaml::parser::Style;

/// The most collections within each other.
const MAX_DEPTH: usize = 64;
/// The longest key. YAML gives up at 1024 characters.
const MAX_KEY: usize = 512;

/// A block collection: where its lines begin, and what a mapping's keys stand for. None for a sequence.
struct Open {
    column: usize,
    scope: Option<Scope>,
}

/// A line without its indentation; empty if there is nothing but blanks.
#[derive(Clone, Copy)]
struct Line<'a> {
    column: usize,
    text: &'a [u8],
}

struct Lines<'a> {
    rest: &'a [u8],
}

impl<'a> Lines<'a> {
    /// The next line, and what comes after it.
    fn peek(&self) -> Option<(Line<'a>, &'a [u8])> {
        if self.rest.is_empty() {
            return None;
        }
        let (line, rest) = match memchr(b'\n', self.rest) {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &self.rest[self.rest.len()..]),
        };
        let text = after_blanks(line);
        Some((Line { column: line.len() - text.len(), text }, rest))
    }
}

struct Reader<'a> {
    lines: Lines<'a>,
    head: ManifestDoc,
    open: Vec<Open>,
    began: bool,
    /// What the last key or entry stands for, while its value may still come on the lines below.
    pending: Option<Field>,
    annotation: String,
    seen: Vec<Field>,
    has_tabs: bool,
}

/// The head of a document of ordinary lines; nothing if another reader has to look.
pub(super) fn read(path: &str, doc: &str) -> Option<ManifestDoc> {
    let has_tabs = has_tabs(doc)?;
    if doc.len() > yaml_limits().bytes {
        return None;
    }
    let mut reader = Reader {
        lines: Lines { rest: doc.as_bytes() },
        head: ManifestDoc { path: path.to_owned(), ..ManifestDoc::default() },
        open: Vec::with_capacity(16),
        began: false,
        pending: Some(Field::Other),
        annotation: String::new(),
        seen: Vec::new(),
        has_tabs,
    };
    while let Some((line, rest)) = reader.lines.peek() {
        reader.lines.rest = rest;
        match line.text {
            [] | [b'#', ..] => {}
            text => reader.line(line.column, text)?,
        }
    }
    reader.began.then_some(reader.head)
}

/// Whether there are tabs among the characters; nothing if there is one that YAML treats in a way of its own.
fn has_tabs(doc: &str) -> Option<bool> {
    let plain = |chunk: &[u8]| chunk.iter().fold(true, |ok, b| ok & ((0x20..0x7F).contains(b) | (*b == b'\n')));
    if doc.as_bytes().chunks(64).all(plain) {
        return Some(false);
    }
    let mut tabs = false;
    for character in doc.chars() {
        match character {
            '\t' => tabs = true,
            '\u{2028}' | '\u{2029}' | '\u{FEFF}' => return None,
            '\n' | ' '..='~' | '\u{A0}'..='\u{FFFD}' | '\u{10000}'.. => {}
            _ => return None,
        }
    }
    Some(tabs)
}

fn after_blanks(text: &[u8]) -> &[u8] {
    let blanks = text.iter().take_while(|b| **b == b' ').count();
    &text[blanks..]
}

fn without_blanks_at_end(text: &[u8]) -> &[u8] {
    let blanks = text.iter().rev().take_while(|b| **b == b' ').count();
    &text[..text.len() - blanks]
}

/// Whether nothing but blanks and a comment is left of a line, after a token.
fn is_rest(text: &[u8]) -> bool {
    match after_blanks(text) {
        [] => true,
        [b'#', ..] => text[0] == b' ',
        _ => false,
    }
}

fn is_entry(text: &[u8]) -> bool {
    matches!(text, [b'-'] | [b'-', b' ', ..])
}

/// A key without quotes is made of these.
fn is_key_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b'/')
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'/')
}

/// A key and what follows its colon.
fn key(text: &[u8]) -> Option<(&[u8], Style, &[u8])> {
    let (key, style, rest) = match text {
        [quote @ (b'"' | b'\''), inner @ ..] => {
            let (text, rest) = plainly_quoted(inner, *quote)?;
            (text, style_of(*quote), rest)
        }
        [first, ..] if begins_word(*first) => {
            let length = text.iter().take_while(|b| is_key_byte(**b)).count();
            (&text[..length], Style::Plain, &text[length..])
        }
        _ => return None,
    };
    match rest {
        [b':'] | [b':', b' ', ..] if key.len() <= MAX_KEY => Some((key, style, &rest[1..])),
        _ => None,
    }
}

fn style_of(quote: u8) -> Style {
    if quote == b'"' { Style::DoubleQuoted } else { Style::SingleQuoted }
}

/// What stands before the closing quote, and what after, if nothing in it is escaped.
fn plainly_quoted(inner: &[u8], quote: u8) -> Option<(&[u8], &[u8])> {
    let end = memchr2(quote, b'\\', inner)?;
    let rest = &inner[end + 1..];
    let escaped = match quote {
        b'\'' => inner[end] == b'\\' || rest.first() == Some(&b'\''),
        _ => inner[end] == b'\\',
    };
    (!escaped).then_some((&inner[..end], rest))
}

/// How a line of a quoted scalar goes on.
enum Quoted<'a> {
    /// The quote closes, and this is behind it.
    Closed(&'a [u8]),
    Open,
}

/// Reads a line of a quoted scalar, of which only the simplest escapes are known here.
fn quoted_line(line: &[u8], quote: u8) -> Option<Quoted<'_>> {
    let mut rest = line;
    loop {
        let found = if quote == b'\'' { memchr(quote, rest) } else { memchr2(quote, b'\\', rest) };
        let Some(at) = found else { return Some(Quoted::Open) };
        rest = match (quote, &rest[at..]) {
            (b'\'', [_, b'\'', after @ ..]) => after,
            (b'"', [b'\\', b'"' | b'\\' | b'n' | b't' | b' ', after @ ..]) => after,
            (b'"', [b'\\']) => return Some(Quoted::Open),
            (b'"', [b'\\', ..]) => return None,
            (_, closed) => return Some(Quoted::Closed(&closed[1..])),
        };
    }
}

/// What follows a list of words and quoted texts in brackets.
fn after_flow_list(inner: &[u8]) -> Option<&[u8]> {
    let mut rest = after_blanks(inner);
    if let [b']', after @ ..] = rest {
        return Some(after);
    }
    loop {
        rest = match rest {
            [quote @ (b'"' | b'\''), inner @ ..] => plainly_quoted(inner, *quote)?.1,
            [first, ..] if begins_word(*first) => &rest[rest.iter().take_while(|b| is_key_byte(**b)).count()..],
            _ => return None,
        };
        match after_blanks(rest) {
            [b']', after @ ..] => return Some(after),
            [b',', after @ ..] => rest = after_blanks(after),
            _ => return None,
        }
    }
}

impl<'a> Reader<'a> {
    /// Reads a line that has something at this column, and the lines of a block scalar that it begins.
    fn line(&mut self, mut column: usize, mut text: &'a [u8]) -> Option<()> {
        if self.is_no_text(Line { column, text }) {
            return None;
        }
        while self.open.last().is_some_and(|open| open.column > column) {
            self.open.pop();
            self.pending = None;
        }
        while is_entry(text) {
            match self.open.last()? {
                Open { column: at, scope: None } if *at == column => {}
                // A sequence need not be indented within a mapping.
                open if open.column < column || open.scope.is_some() => self.begin(column, None)?,
                _ => return None,
            }
            self.pending = Some(Field::Other);
            let inner = after_blanks(&text[1..]);
            column += text.len() - inner.len();
            text = inner;
            if is_rest(text) || text[0] == b'#' {
                return Some(());
            }
        }
        let Some((key, style, rest)) = key(text) else {
            // A value on a line of its own.
            let parent = self.open.last()?.column;
            let field = self.pending.filter(|_| parent < column)?;
            return self.value(field, text, parent);
        };
        if matches!(self.open.last(), Some(Open { column: at, scope: None }) if *at == column) {
            // The end of a sequence that is not indented.
            self.open.pop();
            self.pending = None;
        }
        match self.open.last() {
            Some(open) if open.column == column => open.scope?,
            _ => self.begin_mapping(column)?,
        };
        let field = self.field(key, style)?;
        self.value(field, rest, column)
    }

    /// Begins a collection as the value that is pending.
    fn begin(&mut self, column: usize, scope: Option<Scope>) -> Option<()> {
        let field = self.pending.take()?;
        if (scope.is_none() && field != Field::Other) || self.open.len() >= MAX_DEPTH {
            return None;
        }
        self.open.push(Open { column, scope });
        Some(())
    }

    fn begin_mapping(&mut self, column: usize) -> Option<Scope> {
        let scope = match (self.open.is_empty(), self.pending?) {
            (true, _) if self.began => return None,
            (true, _) => Scope::Top,
            (false, Field::Metadata) => Scope::Metadata,
            (false, Field::Annotations) => Scope::Annotations,
            (false, Field::Other) => Scope::Other,
            _ => return None,
        };
        self.began = true;
        self.begin(column, Some(scope))?;
        Some(scope)
    }

    fn field(&mut self, key: &[u8], style: Style) -> Option<Field> {
        if style == Style::Plain && is_no_key(key) {
            return None;
        }
        let scope = self.open.last()?.scope?;
        if scope == Scope::Other {
            return Some(Field::Other);
        }
        let field = field_of(scope, key)?;
        if field == Field::Annotation {
            self.annotation = scalar(key, style)?;
            if self.head.annotations.contains_key(&self.annotation) {
                return None;
            }
        } else if field != Field::Other {
            if self.seen.contains(&field) {
                return None;
            }
            self.seen.push(field);
        }
        Some(field)
    }

    /// Reads a value on the line of its key or dash; `parent` is the column of the collection that it is in.
    fn value(&mut self, field: Field, text: &'a [u8], parent: usize) -> Option<()> {
        let value = after_blanks(text);
        self.pending = None;
        match value {
            [] | [b'#', ..] => {
                if field == Field::Annotation {
                    self.put(field, b"", Style::Plain)?;
                }
                self.pending = Some(field);
                Some(())
            }
            [b'|' | b'>', header @ ..] => {
                let rest = match header {
                    [b'+' | b'-', rest @ ..] => rest,
                    rest => rest,
                };
                if field != Field::Other || !is_rest(rest) {
                    return None;
                }
                self.skip_block_scalar(parent)
            }
            [quote @ (b'"' | b'\''), inner @ ..] => {
                if field == Field::Other {
                    return self.skip_quoted(inner, *quote);
                }
                let (text, rest) = plainly_quoted(inner, *quote)?;
                is_rest(rest).then_some(())?;
                self.put(field, text, style_of(*quote))
            }
            [b'[', inner @ ..] => (field == Field::Other && is_rest(after_flow_list(inner)?)).then_some(()),
            [b'{', b'}', rest @ ..] => {
                let fits = matches!(field, Field::Other | Field::Metadata | Field::Annotations);
                (fits && is_rest(rest)).then_some(())
            }
            _ => {
                let Plain { text, ends } = plain(value)?;
                if field == Field::Other && !ends {
                    return self.skip_plain(parent);
                }
                self.put(field, text, Style::Plain)
            }
        }
    }

    fn put(&mut self, field: Field, text: &[u8], style: Style) -> Option<()> {
        match field {
            Field::Other => {}
            Field::ApiVersion => self.head.api_version = scalar(text, style)?,
            Field::Kind => self.head.kind = scalar(text, style)?,
            Field::Name => self.head.name = scalar(text, style)?,
            Field::Namespace => self.head.namespace = scalar(text, style)?,
            Field::Annotation => {
                self.head.annotations.insert(std::mem::take(&mut self.annotation), scalar(text, style)?);
            }
            Field::Metadata | Field::Annotations => return None,
        }
        Some(())
    }

    /// Passes what is left of a quoted scalar, on this line and the next ones.
    fn skip_quoted(&mut self, mut line: &'a [u8], quote: u8) -> Option<()> {
        loop {
            if let Quoted::Closed(rest) = quoted_line(line, quote)? {
                return is_rest(rest).then_some(());
            }
            let (next, rest) = self.lines.peek()?;
            if self.is_no_text(next) {
                return None;
            }
            (line, self.lines.rest) = (next.text, rest);
        }
    }

    /// Passes the lines on which a plain scalar goes on.
    fn skip_plain(&mut self, parent: usize) -> Option<()> {
        while let Some((line, rest)) = self.lines.peek() {
            if !line.text.is_empty() {
                if line.column <= parent || line.text[0] == b'#' {
                    break;
                }
                if self.is_no_text(line) || word_end(line.text) != Some(line.text.len()) {
                    return None;
                }
            }
            self.lines.rest = rest;
        }
        Some(())
    }

    /// Whether a line cannot belong to a scalar, or not without a closer look.
    fn is_no_text(&self, line: Line<'_>) -> bool {
        (line.column == 0 && is_document_mark(line.text)) || (self.has_tabs && memchr(b'\t', line.text).is_some())
    }

    /// Passes the lines of a block scalar whose header was just read.
    fn skip_block_scalar(&mut self, parent: usize) -> Option<()> {
        let mut indent = None;
        let mut deepest = 0;
        while let Some((line, rest)) = self.lines.peek() {
            match line.text {
                [] if indent.is_none() => deepest = deepest.max(line.column),
                [] => {}
                [b'\t', ..] if indent.is_none_or(|indent| line.column < indent) => return None,
                _ if line.column < indent.unwrap_or(parent + 1) => return Some(()),
                // The first line says how far the text is indented; empty lines before it must not say otherwise.
                _ if indent.is_none() && deepest > line.column => return None,
                _ => indent = indent.or(Some(line.column)),
            }
            self.lines.rest = rest;
        }
        Some(())
    }
}

fn is_document_mark(text: &[u8]) -> bool {
    text.starts_with(b"---") || text.starts_with(b"...")
}

/// The first line of a plain scalar; `ends` if a comment says that there are no more.
struct Plain<'a> {
    text: &'a [u8],
    ends: bool,
}

fn plain(text: &[u8]) -> Option<Plain<'_>> {
    match text {
        [b'-', b' ', ..] | [b'-'] => return None,
        [
            b'?' | b':' | b',' | b'[' | b']' | b'{' | b'}' | b'#' | b'&' | b'*' | b'!' | b'|' | b'>' | b'\'' | b'"'
            | b'%' | b'@' | b'`',
            ..,
        ] => return None,
        _ if is_odd(text) => return None,
        _ => {}
    }
    let end = word_end(text)?;
    Some(Plain { text: without_blanks_at_end(&text[..end]), ends: end < text.len() })
}

/// Where the words of a plain scalar end on a line: at a comment or with the line; nothing if there is a key among them.
fn word_end(text: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = memchr2(b':', b'#', &text[from..]).map(|at| from + at) {
        if text[at] == b':' && matches!(text.get(at + 1), None | Some(b' ')) {
            return None;
        }
        if text[at] == b'#' && at > 0 && text[at - 1] == b' ' {
            return Some(at);
        }
        from = at + 1;
    }
    Some(text.len())
}
