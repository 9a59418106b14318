//! Tokens to events: documents, collections and scalars as they nest.
//!
//! [`Events`] is a pull parser. Texts of scalars are borrowed where the source has them as they are, so that a reader
//! of a long list can pick what it needs without a tree.

use crate::{
    Error, Limits,
    scanner::{Kind, Scanner, TagName, Token},
};
use std::borrow::Cow;

pub use crate::scanner::Mark;

/// How a scalar is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// Without any sign.
    Plain,
    /// `'…'`
    SingleQuoted,
    /// `"…"`
    DoubleQuoted,
    /// `|`
    Literal,
    /// `>`
    Folded,
}

/// A node's anchor and tag.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Properties<'a> {
    /// `&name`
    pub anchor: Option<&'a [u8]>,
    /// The tag in full: `tag:yaml.org,2002:int` for `!!int`.
    pub tag: Option<Vec<u8>>,
}

/// Most nodes have neither anchor nor tag.
pub type MaybeProperties<'a> = Option<Box<Properties<'a>>>;

/// What happens in a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventKind<'a> {
    /// A document begins; said or implied by what follows.
    DocumentStart,
    /// A document ends.
    DocumentEnd,
    /// `*name`
    Alias(&'a [u8]),
    /// A scalar.
    Scalar {
        /// Anchor and tag.
        properties: MaybeProperties<'a>,
        /// Its text, unescaped and unfolded: valid UTF-8.
        text: Cow<'a, [u8]>,
        /// How it is written.
        style: Style,
    },
    /// A sequence begins.
    SequenceStart(MaybeProperties<'a>),
    /// The innermost sequence ends.
    SequenceEnd,
    /// A mapping begins: keys and values follow in turn.
    MappingStart(MaybeProperties<'a>),
    /// The innermost mapping ends.
    MappingEnd,
}

/// An event and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Event<'a> {
    /// What happens.
    pub kind: EventKind<'a>,
    /// Where it begins.
    pub start: Mark,
    /// Where it ends.
    pub end: Mark,
}

/// What the grammar expects next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    FirstDocument,
    Document,
    /// The node of a document that `---` began.
    DocumentContent,
    /// The node of a document that has no `---`.
    DocumentNode,
    DocumentEnd,
    End,
    BlockSequence,
    IndentlessSequence,
    BlockMappingKey,
    BlockMappingValue,
    FlowSequence {
        first: bool,
    },
    /// `[a: b]`: a mapping of one pair.
    FlowPairKey,
    FlowPairValue,
    FlowPairEnd,
    FlowMappingKey {
        first: bool,
    },
    FlowMappingValue {
        empty: bool,
    },
}

/// The events of a text, in order.
///
/// ```
/// use pintle_yaml::{Limits, parser::{EventKind, Events}};
/// let mut events = Events::new(b"a: [1, 2]", &Limits::default());
/// let mut scalars = 0;
/// while let Some(event) = events.next_event()? {
///     scalars += usize::from(matches!(event.kind, EventKind::Scalar { .. }));
/// }
/// assert_eq!(scalars, 3);
/// # Ok::<(), pintle_yaml::Error>(())
/// ```
pub struct Events<'a> {
    scanner: Scanner<'a>,
    state: State,
    states: Vec<State>,
    tags: Vec<(&'a [u8], Vec<u8>)>,
    depth: usize,
    /// Where the last token ended.
    passed: Mark,
}

impl<'a> Events<'a> {
    /// The events of a UTF-8 text without byte order mark ([`crate::utf8`] makes one).
    pub fn new(text: &'a [u8], limits: &Limits) -> Self {
        Self {
            scanner: Scanner::new(text, limits),
            state: State::FirstDocument,
            states: Vec::new(),
            tags: Vec::new(),
            depth: limits.depth,
            passed: Mark::default(),
        }
    }

    /// The next event; none at the end of the text.
    ///
    /// # Errors
    /// In go-yaml's words, what is wrong with the text. Don't go on after an error.
    pub fn next_event(&mut self) -> Result<Option<Event<'a>>, Error> {
        match self.state {
            State::FirstDocument => self.document(true),
            State::Document => self.document(false),
            State::DocumentContent => self.document_content().map(Some),
            State::DocumentNode => self.node(Context::Block).map(Some),
            State::DocumentEnd => self.document_end().map(Some),
            State::End => Ok(None),
            State::BlockSequence => self.block_sequence().map(Some),
            State::IndentlessSequence => self.indentless_sequence().map(Some),
            State::BlockMappingKey => self.block_mapping_key().map(Some),
            State::BlockMappingValue => self.block_mapping_value().map(Some),
            State::FlowSequence { first } => self.flow_sequence(first).map(Some),
            State::FlowPairKey => self.flow_pair_key().map(Some),
            State::FlowPairValue => self.flow_pair_value().map(Some),
            State::FlowPairEnd => {
                self.state = State::FlowSequence { first: false };
                let start = self.scanner.peek()?.start;
                Ok(Some(Event { kind: EventKind::MappingEnd, start, end: start }))
            }
            State::FlowMappingKey { first } => self.flow_mapping_key(first).map(Some),
            State::FlowMappingValue { empty } => self.flow_mapping_value(empty).map(Some),
        }
    }

    fn peek(&mut self) -> Result<&Kind<'a>, Error> {
        self.scanner.peek().map(|token| &token.kind)
    }

    fn take(&mut self) -> Result<Token<'a>, Error> {
        let token = self.scanner.next()?;
        self.passed = token.end;
        Ok(token)
    }

    /// The parser's errors name the line before, as go-yaml's do.
    fn fail<T>(mark: Mark, problem: &str) -> Result<T, Error> {
        let message =
            if mark.line == 0 { format!("yaml: {problem}") } else { format!("yaml: line {}: {problem}", mark.line) };
        Err(Error::yaml(message, mark.line, mark.column))
    }

    fn fail_here<T>(&mut self, problem: &str) -> Result<T, Error> {
        let mark = self.scanner.peek()?.start;
        Self::fail(mark, problem)
    }

    fn pop(&mut self) {
        self.state = self.states.pop().unwrap_or(State::End);
    }

    fn document(&mut self, first: bool) -> Result<Option<Event<'a>>, Error> {
        if !first {
            while matches!(self.peek()?, Kind::DocumentEnd) {
                self.take()?;
            }
        }
        let token = self.scanner.peek()?;
        let (start, mut end) = (token.start, token.start);
        match token.kind {
            Kind::StreamEnd => {
                self.state = State::End;
                return Ok(None);
            }
            Kind::VersionDirective { .. } | Kind::TagDirective(_) | Kind::DocumentStart => {
                self.directives()?;
                let token = self.scanner.peek()?;
                end = token.end;
                if !matches!(token.kind, Kind::DocumentStart) {
                    return self.fail_here("did not find expected <document start>");
                }
                self.take()?;
                self.state = State::DocumentContent;
            }
            _ if first => self.state = State::DocumentNode,
            _ => return self.fail_here("did not find expected <document start>"),
        }
        self.states.push(State::DocumentEnd);
        Ok(Some(Event { kind: EventKind::DocumentStart, start, end }))
    }

    fn directives(&mut self) -> Result<(), Error> {
        self.tags.clear();
        let mut version_seen = false;
        while matches!(self.peek()?, Kind::VersionDirective { .. } | Kind::TagDirective(_)) {
            let token = self.take()?;
            match token.kind {
                Kind::VersionDirective { .. } if version_seen => {
                    return Self::fail(token.start, "found duplicate %YAML directive");
                }
                Kind::VersionDirective { major: 1, minor: 1 } => version_seen = true,
                Kind::TagDirective(name) => {
                    let TagName { handle, rest } = *name;
                    if self.tags.iter().any(|(known, _)| *known == handle) {
                        return Self::fail(token.start, "found duplicate %TAG directive");
                    }
                    self.tags.push((handle, rest));
                }
                _ => return Self::fail(token.start, "found incompatible YAML document"),
            }
        }
        Ok(())
    }

    fn document_content(&mut self) -> Result<Event<'a>, Error> {
        if matches!(
            self.peek()?,
            Kind::VersionDirective { .. }
                | Kind::TagDirective(_)
                | Kind::DocumentStart
                | Kind::DocumentEnd
                | Kind::StreamEnd
        ) {
            self.pop();
            return self.empty();
        }
        self.node(Context::Block)
    }

    fn document_end(&mut self) -> Result<Event<'a>, Error> {
        let token = self.scanner.peek()?;
        let (start, mut end) = (token.start, token.start);
        if matches!(token.kind, Kind::DocumentEnd) {
            end = self.take()?.end;
        }
        self.tags.clear();
        self.state = State::Document;
        Ok(Event { kind: EventKind::DocumentEnd, start, end })
    }

    /// A scalar of which nothing is written.
    fn empty(&mut self) -> Result<Event<'a>, Error> {
        let start = self.scanner.peek()?.start;
        Ok(Event { kind: empty_scalar(None), start, end: start })
    }

    /// The same, after the indicator that it follows.
    fn empty_after(&self) -> Event<'a> {
        Event { kind: empty_scalar(None), start: self.passed, end: self.passed }
    }

    /// The node that comes next, to be followed by `then`.
    fn node_then(&mut self, context: Context, then: State) -> Result<Event<'a>, Error> {
        self.states.push(then);
        self.node(context)
    }

    fn node(&mut self, context: Context) -> Result<Event<'a>, Error> {
        let start = self.scanner.peek()?.start;
        if let Kind::Alias(name) = *self.peek()? {
            let token = self.take()?;
            self.pop();
            return Ok(Event { kind: EventKind::Alias(name), start, end: token.end });
        }
        let properties = self.properties()?;
        let block = context != Context::Flow;
        let token = self.scanner.peek()?;
        let end = token.end;
        let (kind, state) = match token.kind {
            Kind::BlockEntry if context == Context::BlockValue => {
                // The entries stay for the sequence itself.
                (EventKind::SequenceStart(properties), State::IndentlessSequence)
            }
            Kind::Scalar { .. } => {
                let Token { kind: Kind::Scalar { text, style }, end, .. } = self.take()? else {
                    return self.fail_here("did not find expected node content");
                };
                self.pop();
                return Ok(Event { kind: EventKind::Scalar { properties, text, style }, start, end });
            }
            Kind::FlowSequenceStart => (EventKind::SequenceStart(properties), State::FlowSequence { first: true }),
            Kind::FlowMappingStart => (EventKind::MappingStart(properties), State::FlowMappingKey { first: true }),
            Kind::BlockSequenceStart if block => (EventKind::SequenceStart(properties), State::BlockSequence),
            Kind::BlockMappingStart if block => (EventKind::MappingStart(properties), State::BlockMappingKey),
            _ if properties.is_some() => {
                self.pop();
                return Ok(Event { kind: empty_scalar(properties), start, end: start });
            }
            _ => return self.fail_here("did not find expected node content"),
        };
        if state != State::IndentlessSequence {
            self.take()?;
        }
        if self.states.len() > self.depth * 2 {
            return Self::fail(start, &format!("exceeded max depth of {}", self.depth));
        }
        self.state = state;
        Ok(Event { kind, start, end })
    }

    /// Anchor and tag, in either order.
    fn properties(&mut self) -> Result<MaybeProperties<'a>, Error> {
        if !matches!(self.peek()?, Kind::Anchor(_) | Kind::Tag(_)) {
            return Ok(None);
        }
        let mut properties = Properties::default();
        let mut tag = None;
        loop {
            match self.peek()? {
                Kind::Anchor(name) if properties.anchor.is_none() => {
                    properties.anchor = Some(name);
                    self.take()?;
                }
                Kind::Tag(_) if tag.is_none() => tag = Some(self.take()?),
                _ => break,
            }
        }
        if let Some(Token { kind: Kind::Tag(name), start, .. }) = tag {
            properties.tag = Some(self.full_tag(name.handle, name.rest, start)?);
        }
        let some = properties.anchor.is_some() || properties.tag.is_some();
        Ok(some.then(|| Box::new(properties)))
    }

    fn full_tag(&self, handle: &[u8], suffix: Vec<u8>, mark: Mark) -> Result<Vec<u8>, Error> {
        if handle.is_empty() {
            return Ok(suffix);
        }
        let declared = self.tags.iter().find(|(known, _)| *known == handle).map(|(_, prefix)| prefix.as_slice());
        let prefix = match (declared, handle) {
            (Some(prefix), _) => prefix,
            (None, b"!") => b"!",
            (None, b"!!") => b"tag:yaml.org,2002:",
            _ => return Self::fail(mark, "found undefined tag handle"),
        };
        Ok([prefix, &suffix].concat())
    }

    fn block_sequence(&mut self) -> Result<Event<'a>, Error> {
        let token = self.scanner.peek()?;
        match token.kind {
            Kind::BlockEntry => {
                self.take()?;
                self.state = State::BlockSequence;
                if matches!(self.peek()?, Kind::BlockEntry | Kind::BlockEnd) {
                    return Ok(self.empty_after());
                }
                self.node_then(Context::Block, State::BlockSequence)
            }
            Kind::BlockEnd => self.end_of(EventKind::SequenceEnd),
            _ => self.fail_here("did not find expected '-' indicator"),
        }
    }

    fn end_of(&mut self, kind: EventKind<'a>) -> Result<Event<'a>, Error> {
        let token = self.take()?;
        self.pop();
        Ok(Event { kind, start: token.start, end: token.end })
    }

    fn indentless_sequence(&mut self) -> Result<Event<'a>, Error> {
        let token = self.scanner.peek()?;
        let start = token.start;
        if !matches!(token.kind, Kind::BlockEntry) {
            self.pop();
            return Ok(Event { kind: EventKind::SequenceEnd, start, end: start });
        }
        self.take()?;
        if matches!(self.peek()?, Kind::BlockEntry | Kind::Key | Kind::Value | Kind::BlockEnd) {
            return Ok(self.empty_after());
        }
        self.node_then(Context::Block, State::IndentlessSequence)
    }

    fn block_mapping_key(&mut self) -> Result<Event<'a>, Error> {
        match self.peek()? {
            Kind::Key => {
                self.take()?;
                if matches!(self.peek()?, Kind::Key | Kind::Value | Kind::BlockEnd) {
                    self.state = State::BlockMappingValue;
                    return Ok(self.empty_after());
                }
                self.node_then(Context::BlockValue, State::BlockMappingValue)
            }
            Kind::BlockEnd => self.end_of(EventKind::MappingEnd),
            _ => self.fail_here("did not find expected key"),
        }
    }

    fn block_mapping_value(&mut self) -> Result<Event<'a>, Error> {
        self.state = State::BlockMappingKey;
        if !matches!(self.peek()?, Kind::Value) {
            return self.empty();
        }
        self.take()?;
        if matches!(self.peek()?, Kind::Key | Kind::Value | Kind::BlockEnd) {
            return Ok(self.empty_after());
        }
        self.node_then(Context::BlockValue, State::BlockMappingKey)
    }

    fn flow_sequence(&mut self, first: bool) -> Result<Event<'a>, Error> {
        if !first && !matches!(self.peek()?, Kind::FlowSequenceEnd) {
            if !matches!(self.peek()?, Kind::FlowEntry) {
                return self.fail_here("did not find expected ',' or ']'");
            }
            self.take()?;
        }
        match self.peek()? {
            Kind::FlowSequenceEnd => self.end_of(EventKind::SequenceEnd),
            Kind::Key => {
                let token = self.take()?;
                self.state = State::FlowPairKey;
                let kind = EventKind::MappingStart(None);
                Ok(Event { kind, start: token.start, end: token.end })
            }
            _ => self.node_then(Context::Flow, State::FlowSequence { first: false }),
        }
    }

    fn flow_pair_key(&mut self) -> Result<Event<'a>, Error> {
        if matches!(self.peek()?, Kind::Value | Kind::FlowEntry | Kind::FlowSequenceEnd) {
            // libyaml drops the token that ends the empty key, and go-yaml with it.
            self.take()?;
            self.state = State::FlowPairValue;
            return self.empty();
        }
        self.node_then(Context::Flow, State::FlowPairValue)
    }

    fn flow_pair_value(&mut self) -> Result<Event<'a>, Error> {
        self.state = State::FlowPairEnd;
        if matches!(self.peek()?, Kind::Value) {
            self.take()?;
            if !matches!(self.peek()?, Kind::FlowEntry | Kind::FlowSequenceEnd) {
                return self.node_then(Context::Flow, State::FlowPairEnd);
            }
        }
        self.empty()
    }

    fn flow_mapping_key(&mut self, first: bool) -> Result<Event<'a>, Error> {
        if !first && !matches!(self.peek()?, Kind::FlowMappingEnd) {
            if !matches!(self.peek()?, Kind::FlowEntry) {
                return self.fail_here("did not find expected ',' or '}'");
            }
            self.take()?;
        }
        match self.peek()? {
            Kind::FlowMappingEnd => self.end_of(EventKind::MappingEnd),
            Kind::Key => {
                self.take()?;
                if matches!(self.peek()?, Kind::Value | Kind::FlowEntry | Kind::FlowMappingEnd) {
                    self.state = State::FlowMappingValue { empty: false };
                    return self.empty();
                }
                self.node_then(Context::Flow, State::FlowMappingValue { empty: false })
            }
            _ => self.node_then(Context::Flow, State::FlowMappingValue { empty: true }),
        }
    }

    fn flow_mapping_value(&mut self, empty: bool) -> Result<Event<'a>, Error> {
        self.state = State::FlowMappingKey { first: false };
        if !empty && matches!(self.peek()?, Kind::Value) {
            self.take()?;
            if !matches!(self.peek()?, Kind::FlowEntry | Kind::FlowMappingEnd) {
                return self.node_then(Context::Flow, State::FlowMappingKey { first: false });
            }
        }
        self.empty()
    }
}

/// Where a node stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Context {
    Block,
    /// A key or value of a block mapping: a sequence there need not be indented.
    BlockValue,
    Flow,
}

fn empty_scalar(properties: MaybeProperties<'_>) -> EventKind<'_> {
    EventKind::Scalar { properties, text: Cow::Borrowed(b""), style: Style::Plain }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// The events of a text in short: `+MAP`, `=VAL`, …, with a sign for the style.
    fn check(text: &str, expect: &str) {
        let mut events = Events::new(text.as_bytes(), &Limits::default());
        let mut found = Vec::new();
        while let Some(event) = events.next_event().unwrap() {
            found.push(match event.kind {
                EventKind::DocumentStart => "+DOC".to_owned(),
                EventKind::DocumentEnd => "-DOC".to_owned(),
                EventKind::SequenceStart(p) => format!("+SEQ{}", shown(p)),
                EventKind::SequenceEnd => "-SEQ".to_owned(),
                EventKind::MappingStart(p) => format!("+MAP{}", shown(p)),
                EventKind::MappingEnd => "-MAP".to_owned(),
                EventKind::Alias(name) => format!("*{}", String::from_utf8_lossy(name)),
                EventKind::Scalar { properties, text, style } => {
                    let sign = match style {
                        Style::Plain => ':',
                        Style::SingleQuoted => '\'',
                        Style::DoubleQuoted => '"',
                        Style::Literal => '|',
                        Style::Folded => '>',
                    };
                    format!("{sign}{}{}", String::from_utf8_lossy(&text), shown(properties))
                }
            });
        }
        assert_eq!(found.join(" "), expect, "{text:?}");
    }

    fn shown(properties: MaybeProperties<'_>) -> String {
        let properties = properties.map(|p| *p).unwrap_or_default();
        let anchor = properties.anchor.map(|a| format!(" &{}", String::from_utf8_lossy(a)));
        let tag = properties.tag.map(|t| format!(" <{}>", String::from_utf8_lossy(&t)));
        anchor.unwrap_or_default() + &tag.unwrap_or_default()
    }

    #[test]
    fn events() {
        check("", "");
        check("a", "+DOC :a -DOC");
        check("---\n---\nb\n...\n", "+DOC : -DOC +DOC :b -DOC");
        check("a:\n- 'b'\n- \"c\"\n", "+DOC +MAP :a +SEQ 'b \"c -SEQ -MAP -DOC");
        check("- |\n  x\n- >\n  y\n- -", "+DOC +SEQ |x\n >y\n +SEQ : -SEQ -SEQ -DOC");
        check("[a: b, {c}]", "+DOC +SEQ +MAP :a :b -MAP +MAP :c : -MAP -SEQ -DOC");
        check("&x !!map {a: *x}", "+DOC +MAP &x <tag:yaml.org,2002:map> :a *x -MAP -DOC");
        check("%TAG !e! tag:e,\n---\n!e!f%21 a", "+DOC :a <tag:e,f!> -DOC");
        check("- !f\n- !<g> h\n- ! i", "+DOC +SEQ : <!f> :h <g> :i <!> -SEQ -DOC");
        check("? a\n? - b\n: c", "+DOC +MAP :a : +SEQ :b -SEQ :c -MAP -DOC");
    }

    #[test]
    fn texts_are_borrowed_and_placed() {
        let text = "é: plain text  # comment\n'q': \"double quoted\"\n";
        let mut events = Events::new(text.as_bytes(), &Limits::default());
        let mut places = Vec::new();
        while let Some(event) = events.next_event().unwrap() {
            if let EventKind::Scalar { text: scalar, .. } = event.kind {
                assert!(matches!(scalar, Cow::Borrowed(_)), "{scalar:?}");
                places.push((event.start.line, event.start.column, &text[event.start.offset..event.end.offset]));
            }
        }
        assert_eq!(places, [(0, 0, "é"), (0, 3, "plain text"), (1, 0, "'q'"), (1, 5, "\"double quoted\"")]);
    }
}
