//! Text to tokens: where collections begin and end by indentation, and which scalars turn out to be keys.
//!
//! The grammar is YAML 1.1 as libyaml and go-yaml v2 read it, their error texts included. A token that may be a key
//! is held back until the `:` comes or cannot come any more, so that the key's token can be put before it.

mod cursor;
mod name;
mod scalar;

use crate::{Error, Limits, parser::Style, reader};
use cursor::Cursor;
pub use cursor::Mark;
use std::{borrow::Cow, collections::VecDeque};

/// How far after its start a key's `:` may be, in characters.
const KEY_REACH: u32 = 1024;

/// What the next token cannot get past, whichever it is.
const LONGEST_LOOK: usize = 4;

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind<'a> {
    StreamEnd,
    VersionDirective { major: u8, minor: u8 },
    TagDirective(Box<TagName<'a>>),
    DocumentStart,
    DocumentEnd,
    BlockSequenceStart,
    BlockMappingStart,
    BlockEnd,
    FlowSequenceStart,
    FlowSequenceEnd,
    FlowMappingStart,
    FlowMappingEnd,
    BlockEntry,
    FlowEntry,
    Key,
    Value,
    Alias(&'a [u8]),
    Anchor(&'a [u8]),
    Tag(Box<TagName<'a>>),
    Scalar { text: Cow<'a, [u8]>, style: Style },
}

/// A tag as it is written, or what a directive says about its handle.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TagName<'a> {
    pub(crate) handle: &'a [u8],
    /// What follows the handle; in a directive, what the handle stands for.
    pub(crate) rest: Vec<u8>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: Kind<'a>,
    pub(crate) start: Mark,
    pub(crate) end: Mark,
}

/// A token in the queue; `key_level` says that it may turn out to be the simple key of that flow level.
struct Queued<'a> {
    token: Token<'a>,
    key_level: Option<usize>,
}

/// A flow level; the first is block context.
struct Level {
    key: Option<KeyStart>,
    /// Number of the token that opened the level, until something within may have been a key.
    opener: Option<usize>,
}

/// The place where a simple key of a flow level may have begun.
#[derive(Clone, Copy)]
struct KeyStart {
    /// Number of the token, counted from the start of the text.
    number: usize,
    mark: Mark,
    /// In block context, what stands at the indentation of a mapping must be a key.
    required: bool,
}

pub(crate) struct Scanner<'a> {
    at: Cursor<'a>,
    flaw: Option<reader::Flaw>,
    queue: VecDeque<Queued<'a>>,
    /// How many tokens have left the queue.
    taken: usize,
    ended: bool,
    /// The column of the block collection we are in; -1 outside of all.
    indent: i32,
    indents: Vec<i32>,
    levels: Vec<Level>,
    key_allowed: bool,
    depth: usize,
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(text: &'a [u8], limits: &Limits) -> Self {
        let flaw = reader::flaw(text);
        let text = flaw.map_or(text, |flaw| &text[..flaw.portion]);
        Self {
            at: Cursor::new(text),
            flaw,
            queue: VecDeque::with_capacity(16),
            taken: 0,
            ended: false,
            indent: -1,
            indents: Vec::new(),
            levels: vec![Level { key: None, opener: None }],
            key_allowed: true,
            depth: limits.depth,
        }
    }

    /// The next token, left in place. After the stream's end it is the end again.
    pub(crate) fn peek(&mut self) -> Result<&Token<'a>, Error> {
        self.fill()?;
        self.queue.front().map(|q| &q.token).ok_or_else(|| self.error(self.at.mark(), "did not find expected token"))
    }

    /// The next token. The stream's end stays in place.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Error> {
        self.fill()?;
        if let Some(Queued { token, .. }) = self.queue.front()
            && matches!(token.kind, Kind::StreamEnd)
        {
            return Ok(token.clone());
        }
        self.taken += 1;
        self.queue.pop_front().map(|q| q.token).ok_or_else(|| Error::yaml("yaml: did not find expected token", 0, 0))
    }

    /// Scans until it is certain what the first token in the queue is.
    #[inline]
    fn fill(&mut self) -> Result<(), Error> {
        match self.queue.front() {
            Some(first) if first.key_level.is_none() => Ok(()),
            _ => self.fill_slowly(),
        }
    }

    fn fill_slowly(&mut self) -> Result<(), Error> {
        loop {
            if let Some(first) = self.queue.front() {
                match first.key_level {
                    None => return Ok(()),
                    Some(level) => {
                        if self.live_key(level)?.is_none() {
                            return Ok(());
                        }
                    }
                }
            }
            if self.ended {
                return Ok(());
            }
            let result = self.fetch();
            // What lies behind a bad character was not looked at, so nothing that came near it counts.
            if let Some(flaw) = self.flaw
                && self.at.pos() + LONGEST_LOOK > flaw.portion
            {
                let mark = self.at.mark();
                return Err(Error::yaml(format!("yaml: {}", flaw.problem), mark.line, mark.column));
            }
            result?;
        }
    }

    /// An error in go-yaml's words: it leaves out the line where that is the first.
    fn error(&self, mark: Mark, problem: &str) -> Error {
        let message = if mark.line == 0 {
            format!("yaml: {problem}")
        } else {
            format!("yaml: line {}: {problem}", mark.line + 1)
        };
        Error::yaml(message, mark.line, mark.column)
    }

    fn fail<T>(&self, problem: &str) -> Result<T, Error> {
        Err(self.error(self.at.mark(), problem))
    }

    /// The key start of a flow level if its `:` could still come here.
    fn live_key(&mut self, level: usize) -> Result<Option<KeyStart>, Error> {
        let Some(key) = self.levels[level].key else { return Ok(None) };
        let here = self.at.mark();
        if key.mark.line == here.line && here.column <= key.mark.column.saturating_add(KEY_REACH) {
            return Ok(Some(key));
        }
        if key.required {
            return self.fail("could not find expected ':'");
        }
        self.forget_key(level);
        Ok(None)
    }

    fn forget_key(&mut self, level: usize) {
        if let Some(key) = self.levels[level].key.take() {
            self.release(key.number);
        }
    }

    /// A token need not be held back any longer.
    fn release(&mut self, number: usize) {
        if let Some(queued) = number.checked_sub(self.taken).and_then(|i| self.queue.get_mut(i)) {
            queued.key_level = None;
        }
    }

    /// The next token may be a key.
    fn save_key(&mut self) -> Result<(), Error> {
        if self.key_allowed {
            self.drop_key()?;
            let mark = self.at.mark();
            let required = self.in_block() && i32::try_from(mark.column) == Ok(self.indent);
            let number = self.taken + self.queue.len();
            if let Some(last) = self.levels.last_mut() {
                *last = Level { key: Some(KeyStart { number, mark, required }), opener: None };
            }
        }
        Ok(())
    }

    /// What might have been a key at this level is none.
    fn drop_key(&mut self) -> Result<(), Error> {
        let level = self.levels.len() - 1;
        if self.levels[level].key.is_some_and(|key| key.required) {
            return self.fail("could not find expected ':'");
        }
        self.forget_key(level);
        Ok(())
    }

    fn in_block(&self) -> bool {
        self.levels.len() == 1
    }

    fn push(&mut self, kind: Kind<'a>, start: Mark) {
        let end = self.at.mark();
        self.push_to(kind, start, end);
    }

    fn push_to(&mut self, kind: Kind<'a>, start: Mark, end: Mark) {
        let number = self.taken + self.queue.len();
        let level = self.levels.len() - 1;
        // A flow collection's own start belongs to the level outside of it, which is saved before it is entered.
        let key_level = self.levels[level].key.filter(|key| key.number == number).map(|_| level);
        self.queue.push_back(Queued { token: Token { kind, start, end }, key_level });
    }

    /// Begins a block collection at a column, if that is deeper than the one we are in.
    fn roll(&mut self, column: u32, number: Option<usize>, kind: Kind<'a>, mark: Mark) -> Result<(), Error> {
        let column = i32::try_from(column).unwrap_or(i32::MAX);
        if !self.in_block() || self.indent >= column {
            return Ok(());
        }
        self.indents.push(self.indent);
        self.indent = column;
        if self.indents.len() > self.depth {
            return self.fail(&format!("exceeded max depth of {}", self.depth));
        }
        let queued = Queued { token: Token { kind, start: mark, end: mark }, key_level: None };
        match number {
            Some(number) => self.insert(number, queued),
            None => self.queue.push_back(queued),
        }
        Ok(())
    }

    /// Puts a token before the one of this number, or at the end if that is gone.
    fn insert(&mut self, number: usize, queued: Queued<'a>) {
        match number.checked_sub(self.taken) {
            Some(index) if index < self.queue.len() => self.queue.insert(index, queued),
            _ => self.queue.push_back(queued),
        }
    }

    /// Ends the block collections that are deeper than this column.
    fn unroll(&mut self, column: i32) {
        if !self.in_block() {
            return;
        }
        while self.indent > column {
            self.push(Kind::BlockEnd, self.at.mark());
            self.indent = self.indents.pop().unwrap_or(-1);
        }
    }

    /// Scans one more token (or a few).
    fn fetch(&mut self) -> Result<(), Error> {
        self.skip_to_token();
        self.unroll(i32::try_from(self.at.mark().column).unwrap_or(i32::MAX));
        if self.at.is_end() {
            return self.stream_end();
        }
        let blank_follows = self.at.is_blank_or_end(1);
        let column = self.at.mark().column;
        match self.at.peek(0) {
            b'%' if column == 0 => self.directive(),
            b'-' | b'.' if column == 0 && self.at.document_indicator() => self.document_indicator(),
            b'[' => self.flow_start(Kind::FlowSequenceStart),
            b'{' => self.flow_start(Kind::FlowMappingStart),
            b']' => self.flow_end(Kind::FlowSequenceEnd),
            b'}' => self.flow_end(Kind::FlowMappingEnd),
            b',' => {
                self.drop_key()?;
                self.key_allowed = true;
                self.indicator(Kind::FlowEntry);
                Ok(())
            }
            b'-' if blank_follows => self.block_entry(),
            b'?' if blank_follows || !self.in_block() => self.explicit_key(),
            b':' if blank_follows || !self.in_block() => self.value(),
            b'*' => self.name_token(Kind::Alias),
            b'&' => self.name_token(Kind::Anchor),
            b'!' => {
                self.save_key()?;
                self.key_allowed = false;
                self.tag()
            }
            b'|' if self.in_block() => self.block_scalar(Style::Literal),
            b'>' if self.in_block() => self.block_scalar(Style::Folded),
            b'\'' => self.quoted(Style::SingleQuoted),
            b'"' => self.quoted(Style::DoubleQuoted),
            b' ' | b'\t' | b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                self.fail("found character that cannot start any token")
            }
            _ => {
                self.save_key()?;
                self.key_allowed = false;
                self.plain()
            }
        }
    }

    /// Skips blanks, comments and line breaks.
    fn skip_to_token(&mut self) {
        loop {
            // After an indicator that may be followed by a block collection, a tab would make a false indentation.
            let tabs = !self.in_block() || !self.key_allowed;
            while self.at.peek(0) == b' ' || (tabs && self.at.peek(0) == b'\t') {
                self.at.advance(1);
            }
            if self.at.peek(0) == b'#' {
                self.at.skip_line();
            }
            if self.at.take_break().is_none() {
                return;
            }
            if self.in_block() {
                self.key_allowed = true;
            }
        }
    }

    /// Pushes the token of an indicator of one character.
    fn indicator(&mut self, kind: Kind<'a>) {
        let start = self.at.mark();
        self.at.advance(1);
        self.push(kind, start);
    }

    fn stream_end(&mut self) -> Result<(), Error> {
        self.at.end_line();
        self.unroll(-1);
        self.drop_key()?;
        self.key_allowed = false;
        self.push(Kind::StreamEnd, self.at.mark());
        self.ended = true;
        Ok(())
    }

    fn leave_block(&mut self) -> Result<(), Error> {
        self.unroll(-1);
        self.drop_key()?;
        self.key_allowed = false;
        Ok(())
    }

    fn document_indicator(&mut self) -> Result<(), Error> {
        self.leave_block()?;
        let start = self.at.mark();
        let kind = if self.at.peek(0) == b'-' { Kind::DocumentStart } else { Kind::DocumentEnd };
        self.at.advance(3);
        self.push(kind, start);
        Ok(())
    }

    fn flow_start(&mut self, kind: Kind<'a>) -> Result<(), Error> {
        self.save_key()?;
        self.indicator(kind);
        let opener = self.taken + self.queue.len() - 1;
        self.levels.push(Level { key: None, opener: Some(opener) });
        if self.levels.len() > self.depth {
            return self.fail(&format!("exceeded max depth of {}", self.depth));
        }
        self.key_allowed = true;
        Ok(())
    }

    fn flow_end(&mut self, kind: Kind<'a>) -> Result<(), Error> {
        self.drop_key()?;
        // go-yaml takes the start of an empty collection for settled at its end, so that it cannot be a key any more.
        if self.levels.len() > 1
            && let Some(Level { opener: Some(opener), .. }) = self.levels.pop()
        {
            self.release(opener);
        }
        self.key_allowed = false;
        self.indicator(kind);
        Ok(())
    }

    fn block_entry(&mut self) -> Result<(), Error> {
        if self.in_block() {
            if !self.key_allowed {
                return self.fail("block sequence entries are not allowed in this context");
            }
            let mark = self.at.mark();
            self.roll(mark.column, None, Kind::BlockSequenceStart, mark)?;
        }
        self.drop_key()?;
        self.key_allowed = true;
        self.indicator(Kind::BlockEntry);
        Ok(())
    }

    fn explicit_key(&mut self) -> Result<(), Error> {
        if self.in_block() {
            if !self.key_allowed {
                return self.fail("mapping keys are not allowed in this context");
            }
            let mark = self.at.mark();
            self.roll(mark.column, None, Kind::BlockMappingStart, mark)?;
        }
        self.drop_key()?;
        self.key_allowed = self.in_block();
        self.indicator(Kind::Key);
        Ok(())
    }

    fn value(&mut self) -> Result<(), Error> {
        let level = self.levels.len() - 1;
        if let Some(key) = self.live_key(level)? {
            self.forget_key(level);
            let token = Token { kind: Kind::Key, start: key.mark, end: key.mark };
            self.insert(key.number, Queued { token, key_level: None });
            self.roll(key.mark.column, Some(key.number), Kind::BlockMappingStart, key.mark)?;
            self.key_allowed = false;
        } else {
            if self.in_block() {
                if !self.key_allowed {
                    return self.fail("mapping values are not allowed in this context");
                }
                let mark = self.at.mark();
                self.roll(mark.column, None, Kind::BlockMappingStart, mark)?;
            }
            self.key_allowed = self.in_block();
        }
        self.indicator(Kind::Value);
        Ok(())
    }
}
