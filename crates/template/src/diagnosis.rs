//! What Go's error texts leave out: the line with a mark under what failed, who led there, and what is amiss.
//! Built where an error is made and nowhere else; it owns its few texts, each of them short.

mod layout;
mod nearest;
mod suspects;

pub(crate) use nearest::nearest;
pub(crate) use suspects::{Scene, hints};

use std::fmt;

/// How many links of a chain are kept at its start and at its end.
pub(crate) const KEPT: usize = 8;

/// How much of a line is shown, in characters.
const WIDTH: usize = 140;

/// How much of a name, a path or an expression is shown, in characters.
const SHOWN: usize = 120;

/// What a person needs to find a mistake. [`Display`](fmt::Display) lays it out in lines; [`Diagnosis::coloured`] does so
/// for a terminal.
///
/// No value of the data is shown but for the names of keys, since values may be secrets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Diagnosis {
    /// The way to the failure: first the file that was executed, last the place that failed. Of a long way the middle is
    /// left out.
    pub links: Vec<Link>,
    /// How many links were left out.
    pub omitted: usize,
    /// What is probably amiss, the nearest cause first.
    pub hints: Vec<Hint>,
}

/// A place on the way to a failure.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Link {
    /// The name of the file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, in characters from 1.
    pub column: u32,
    /// The template, where it is not the file's own: the name of a `define`.
    pub template: Option<String>,
    /// What stands there: `.Values.a.b`, `include "labels" .`; empty for a parse error.
    pub expression: String,
    /// It is no file but a text made while rendering, which a function executed.
    pub is_text: bool,
    /// The line itself.
    pub excerpt: Option<Excerpt>,
}

/// A line of a source, and the part of it that is meant. Control characters are blanked.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Excerpt {
    /// Lines before it, where they help.
    pub before: Vec<String>,
    /// The line, or a piece of it if it is long.
    pub line: String,
    /// Where the marked part begins, in characters.
    pub start: usize,
    /// How many characters are marked, at least one.
    pub length: usize,
    /// Lines after it, where they help.
    pub after: Vec<String>,
}

/// What is probably amiss.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Hint {
    /// A path ends at a key that is not there.
    NoKey {
        /// The path up to the key: `.Values.imge`.
        path: String,
        /// The path before it: `.Values`.
        parent: String,
        /// A key that is there and reads alike.
        nearest: Option<String>,
    },
    /// A path leads to a null.
    Null {
        /// The path.
        path: String,
    },
    /// A path leads to something that has no such field.
    NoField {
        /// The path.
        path: String,
        /// What is there: `a string`.
        kind: &'static str,
        /// The field that is asked for.
        field: String,
        /// A field that is there and reads alike.
        nearest: Option<String>,
    },
    /// A path leads to something of this kind.
    Is {
        /// The path.
        path: String,
        /// `a string`
        kind: &'static str,
    },
    /// The dot is not what it was at the start of the template.
    Dot {
        /// `.Values.list`; empty if it cannot be said in a word.
        of: String,
        /// Whether the dot is an item of that, and not that itself.
        item: bool,
        /// The line of the `range` or `with`.
        line: u32,
    },
    /// The data of the template have the key that the dot lacks.
    Root {
        /// `$.Values.a`
        path: String,
    },
    /// There is no function of this name.
    Function {
        /// One that reads alike.
        nearest: Option<String>,
    },
    /// There is no template of this name.
    Template {
        /// One that reads alike.
        nearest: Option<String>,
    },
    /// There is no variable of this name here.
    Variable {
        /// One that reads alike.
        nearest: Option<String>,
    },
    /// A block has no end.
    Unclosed {
        /// `if`, `range`, `define`.
        word: &'static str,
        /// The line where it begins.
        line: u32,
    },
    /// Anything else.
    Text(String),
}

impl fmt::Display for Hint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alike = |f: &mut fmt::Formatter<'_>, nearest: &Option<String>| match nearest {
            Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
            None => Ok(()),
        };
        match self {
            Self::NoKey { path, parent, nearest } => {
                let key = path.rsplit('.').next().unwrap_or(path);
                write!(f, "`{path}` is nil: `{parent}` has no key `{key}`")?;
                alike(f, nearest)
            }
            Self::Null { path } => write!(f, "`{path}` is null"),
            Self::NoField { path, kind, field, nearest } => {
                write!(f, "`{path}` is {kind} and has no `{field}`")?;
                alike(f, nearest)
            }
            Self::Is { path, kind } => write!(f, "`{path}` is {kind}"),
            Self::Dot { of, item, line } => {
                let word = if *item { "range" } else { "with" };
                match (of.as_str(), item) {
                    ("", _) => write!(f, "the dot was set by `{word}` in line {line}"),
                    (of, true) => write!(f, "the dot is an item of `{of}`, by `range` in line {line}"),
                    (of, false) => write!(f, "the dot is `{of}`, by `with` in line {line}"),
                }
            }
            Self::Root { path } => write!(f, "the data of the template have it: `{path}`"),
            Self::Function { nearest } => match nearest {
                Some(nearest) => write!(f, "there is a function `{nearest}`"),
                None => f.write_str("no function has a name like it"),
            },
            Self::Template { nearest } => match nearest {
                Some(nearest) => write!(f, "there is a template `{nearest}`"),
                None => f.write_str("no template has a name like it"),
            },
            Self::Variable { nearest } => match nearest {
                Some(nearest) => write!(f, "there is a variable `{nearest}` here"),
                None => f.write_str("a variable lives from its `:=` to the end of the block around it"),
            },
            Self::Unclosed { word, line } => write!(f, "`{word}` in line {line} has no `end`"),
            Self::Text(text) => f.write_str(text),
        }
    }
}

impl Diagnosis {
    /// About a line of any text, such as a file of values: `line` and `column` from 1, the column in characters. Some
    /// lines around it are shown too.
    pub fn of_text(file: impl Into<String>, text: &[u8], line: u32, column: u32) -> Self {
        let mut link = Link { line: line.max(1), column: column.max(1), ..Link::new(file) };
        let before = link.line.min(3) as usize - 1;
        let around = before + 3;
        let first = link.line as usize - 1 - before;
        let mut rows: Vec<&[u8]> = text.split(|b| *b == b'\n').skip(first).take(around + 1).collect();
        // The end of a text is no line of its own, unless it is what is meant.
        if rows.len() <= around && rows.len() > before + 1 && rows.last().is_some_and(|row| row.is_empty()) {
            rows.pop();
        }
        rows.truncate(around);
        if let Some(row) = rows.get(before) {
            let column = link.column as usize - 1;
            let at = String::from_utf8_lossy(row).chars().take(column).map(char::len_utf8).sum::<usize>();
            let at = at.min(row.len());
            let mut excerpt = Excerpt::of(row, at, at);
            let plain = |rows: &[&[u8]]| rows.iter().map(|row| Excerpt::of(row, 0, 0).line).collect();
            excerpt.before = plain(&rows[..before]);
            excerpt.after = plain(&rows[before + 1..]);
            link.excerpt = Some(excerpt);
        }
        Self { links: vec![link], ..Self::default() }
    }

    /// About a range of bytes of a template in another language.
    pub fn of_range(file: impl Into<String>, text: &[u8], start: usize, end: usize) -> Self {
        Self { links: vec![Link::of(&file.into(), text, start, end)], ..Self::default() }
    }

    /// The place that failed.
    pub fn place(&self) -> Option<&Link> {
        self.links.last()
    }

    /// Adds a hint.
    #[must_use]
    pub fn with(mut self, hint: Hint) -> Self {
        self.hints.push(hint);
        self
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.links.is_empty() && self.hints.is_empty()
    }

    /// One line: the place and the first hint, of at most this many bytes.
    pub fn line(&self, limit: usize) -> Option<String> {
        let hint = self.hints.first()?;
        let mut line = match self.place() {
            Some(link) => format!("{}:{}: {hint}", link.file, link.line),
            None => hint.to_string(),
        };
        line = blanked(&line);
        if line.len() > limit {
            let end = (0..=limit.saturating_sub(3)).rev().find(|at| line.is_char_boundary(*at)).unwrap_or(0);
            line.truncate(end);
            line.push('…');
        }
        Some(line)
    }

    /// Goes on with what happened further inside.
    pub(crate) fn append(&mut self, inner: Self) {
        self.omitted += inner.omitted;
        self.links.extend(inner.links);
        if !inner.hints.is_empty() {
            self.hints = inner.hints;
        }
        self.bound();
    }

    /// Keeps both ends of the way.
    fn bound(&mut self) {
        if self.links.len() > 2 * KEPT {
            let surplus = self.links.len() - 2 * KEPT;
            self.links.drain(KEPT..KEPT + surplus);
            self.omitted += surplus;
        }
    }
}

impl Link {
    pub(crate) fn new(file: impl Into<String>) -> Self {
        Self {
            file: file.into(),
            line: 1,
            column: 1,
            template: None,
            expression: String::new(),
            is_text: false,
            excerpt: None,
        }
    }

    /// A link to a range of a source.
    pub(crate) fn of(file: &str, source: &[u8], start: usize, end: usize) -> Self {
        let start = start.min(source.len());
        let end = end.clamp(start, source.len());
        let before = &source[..start];
        let begin = before.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        let stop = source[start..].iter().position(|b| *b == b'\n').map_or(source.len(), |at| start + at);
        let row = source[begin..stop].strip_suffix(b"\r").unwrap_or(&source[begin..stop]);
        let lines = before.iter().filter(|b| **b == b'\n').count();
        Self {
            line: u32::try_from(lines + 1).unwrap_or(u32::MAX),
            column: u32::try_from(String::from_utf8_lossy(&source[begin..start]).chars().count() + 1)
                .unwrap_or(u32::MAX),
            excerpt: Some(Excerpt::of(row, start - begin, end.min(begin + row.len()) - begin)),
            ..Self::new(file)
        }
    }
}

impl Excerpt {
    /// A row with a marked range of bytes. Of a long row the piece around the start of the range.
    fn of(row: &[u8], start: usize, end: usize) -> Self {
        let start = start.min(row.len());
        let end = end.clamp(start, row.len());
        // Four bytes a character are enough to find the piece without going through a row of megabytes.
        let from = start.saturating_sub(4 * WIDTH);
        let to = row.len().min(start + 4 * WIDTH);
        let lead: Vec<char> = blanked(&String::from_utf8_lossy(&row[from..start])).chars().collect();
        let tail: Vec<char> = blanked(&String::from_utf8_lossy(&row[start..to])).chars().collect();
        let marked = String::from_utf8_lossy(&row[start..end.min(to)]).chars().count();
        let skipped = (lead.len() + tail.len().min(WIDTH / 2)).saturating_sub(WIDTH).min(lead.len());
        let mut line = String::new();
        let mut at = lead.len() - skipped;
        if skipped > 0 || from > 0 {
            line.push('…');
            at += 1;
        }
        line.extend(&lead[skipped..]);
        let room = WIDTH.saturating_sub(at);
        line.extend(tail.iter().take(room));
        if tail.len() > room || to < row.len() {
            line.push('…');
        }
        Self { line, start: at, length: marked.min(room).max(1), ..Self::default() }
    }
}

/// A text without control characters, which might tell a terminal what to do, or break a line.
fn blanked(text: &str) -> String {
    text.chars().map(|c| if is_control(c) { ' ' } else { c }).collect()
}

fn is_control(c: char) -> bool {
    // Directions of writing count too: they can show a line as something else.
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// As much of a name as is shown.
pub(crate) fn cut(text: &str) -> String {
    let text = blanked(text);
    match text.char_indices().nth(SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text,
    }
}

#[cfg(test)]
mod tests;
