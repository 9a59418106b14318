//! gobwas' globs with the separator `/`, as `.Files.Glob` takes them: `*` stays within a name, `**` does not.
//!
//! gobwas 0.2.3 errs here and there, and this errs with it where a chart may show it (`{*.json,README}` next to a plain text).
//! Where it does not, the pattern means what it says: `***`, empty or unclosed braces, several braces of varying width in a row,
//! alternatives with a common end (`{a*b,b}`), and letters outside of ASCII next to `?` or a set in patterns with `*` or braces.

use crate::unicode;
use std::fmt;

/// Braces may be nested this deep.
const MAX_DEPTH: usize = 64;
/// Most steps of a compiled pattern.
const MAX_STEPS: usize = 256 * 1024;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 64 * 1024;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Glob {
    steps: Vec<Step>,
    /// What gobwas sees in a pattern without `*` and braces that has more than one part.
    row: Option<Row>,
}

/// Parts of fixed width side by side. gobwas counts their characters, but cuts each part off one byte after its last
/// character begins: with letters outside of ASCII the cuts go wrong.
#[derive(Debug, Clone)]
struct Row {
    parts: Vec<Part>,
    width: usize,
}

#[derive(Debug, Clone)]
enum Part {
    Text(String),
    One(Step),
}

impl Row {
    fn of(nodes: &[Node]) -> Option<Self> {
        let mut parts: Vec<Part> = Vec::new();
        for node in nodes {
            match (node, parts.last_mut()) {
                (Node::Step(Step::Char(c)), Some(Part::Text(text))) => text.push(*c),
                (Node::Step(Step::Char(c)), _) => parts.push(Part::Text(c.to_string())),
                (Node::Step(step @ (Step::Any | Step::Set { .. })), _) => parts.push(Part::One(step.clone())),
                _ => return None,
            }
        }
        // One part is no row, and of parts that all exclude the same it makes something else.
        let excluded = |part: &Part| match part {
            Part::One(Step::Any) => Some(vec![('/', '/')]),
            Part::One(Step::Set { negated: true, members }) => Some(members.clone()),
            _ => None,
        };
        let first = excluded(parts.first()?);
        let alike = first.is_some() && parts.iter().all(|part| excluded(part) == first);
        (parts.len() > 1 && !alike).then_some(Self { parts, width: nodes.len() })
    }

    fn is_match(&self, text: &str) -> bool {
        if text.chars().count() != self.width {
            return false;
        }
        let mut rest = text.as_bytes();
        for part in &self.parts {
            let width = if let Part::Text(text) = part { text.chars().count() } else { 1 };
            let Some((last, _, _)) = unicode::runes(rest).nth(width - 1) else { return false };
            let (piece, after) = rest.split_at(last + 1);
            let fits = match part {
                Part::Text(text) => piece == text.as_bytes(),
                Part::One(step) => step.takes(unicode::decode(piece).0),
            };
            if !fits {
                return false;
            }
            rest = after;
        }
        true
    }
}

/// Why a pattern does not compile; prints gobwas' words but for the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum GlobError {
    /// A set without its end.
    UnexpectedEnd,
    /// An empty set.
    EmptySet,
    /// More than one range in a set.
    UnclosedRange,
    /// A range from high to low.
    ReversedRange(char, char),
    /// Longer or nested deeper than this crate allows.
    TooBig,
}

impl fmt::Display for GlobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnexpectedEnd => f.write_str("unexpected end of input"),
            Self::EmptySet => f.write_str("could not parse range"),
            Self::UnclosedRange => f.write_str("expected close range character"),
            Self::ReversedRange(low, high) => {
                write!(f, "hi character '{high}' should be greater than lo '{low}'")
            }
            Self::TooBig => f.write_str("glob is too long or nested too deeply"),
        }
    }
}

impl std::error::Error for GlobError {}

/// A step of a nondeterministic machine: each number is the index of a step.
#[derive(Debug, Clone)]
enum Step {
    Char(char),
    /// Any but the separator.
    Any,
    /// Any of these, or none of these.
    Set {
        negated: bool,
        members: Vec<(char, char)>,
    },
    /// Any number of any character, or of any but the separator; then the next step.
    Run {
        across: bool,
    },
    Fork(Vec<usize>),
    Jump(usize),
    /// Matches nothing.
    Never,
    Match,
}

impl Step {
    /// Whether it reads this character.
    fn takes(&self, c: char) -> bool {
        match self {
            Self::Char(wanted) => *wanted == c,
            Self::Any => c != '/',
            Self::Set { negated, members } => members.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated,
            _ => false,
        }
    }
}

enum Node {
    Step(Step),
    Alternatives(Vec<Vec<Node>>),
}

struct Parser<'a> {
    chars: std::iter::Peekable<std::str::Chars<'a>>,
}

impl Parser<'_> {
    /// Up to the end, or in braces up to a comma or the closing one, which is returned.
    fn sequence(&mut self, depth: usize) -> Result<(Vec<Node>, Option<char>), GlobError> {
        let mut nodes = Vec::new();
        while let Some(c) = self.chars.next() {
            nodes.push(match c {
                '*' => {
                    let across = self.chars.next_if_eq(&'*').is_some();
                    Node::Step(Step::Run { across })
                }
                '?' => Node::Step(Step::Any),
                '[' => Node::Step(self.set()?),
                '{' => self.alternatives(depth + 1)?,
                '}' | ',' if depth > 0 => return Ok((nodes, Some(c))),
                '\\' => match self.chars.next() {
                    Some(c) => Node::Step(Step::Char(c)),
                    None => break,
                },
                _ => Node::Step(Step::Char(c)),
            });
        }
        Ok((nodes, None))
    }

    fn alternatives(&mut self, depth: usize) -> Result<Node, GlobError> {
        if depth > MAX_DEPTH {
            return Err(GlobError::TooBig);
        }
        let mut all = Vec::new();
        loop {
            let (nodes, end) = self.sequence(depth)?;
            all.push(nodes);
            // A missing brace counts as given.
            if end != Some(',') {
                return Ok(Node::Alternatives(all));
            }
        }
    }

    fn set(&mut self) -> Result<Step, GlobError> {
        let negated = self.chars.next_if_eq(&'!').is_some();
        let first = *self.chars.peek().ok_or(GlobError::UnexpectedEnd)?;
        let mut ahead = self.chars.clone();
        ahead.next();
        if first != '\\' && ahead.next() == Some('-') {
            self.chars.nth(1);
            let last = self.chars.next().ok_or(GlobError::UnexpectedEnd)?;
            let close = self.chars.next().ok_or(GlobError::UnexpectedEnd)?;
            if last < first {
                return Err(GlobError::ReversedRange(first, last));
            }
            if close != ']' {
                return Err(GlobError::UnclosedRange);
            }
            return Ok(Step::Set { negated, members: vec![(first, last)] });
        }
        let mut members = Vec::new();
        loop {
            match self.chars.next().ok_or(GlobError::UnexpectedEnd)? {
                ']' if members.is_empty() => return Err(GlobError::EmptySet),
                ']' => return Ok(Step::Set { negated, members }),
                '\\' => {
                    let c = self.chars.next().ok_or(GlobError::UnexpectedEnd)?;
                    members.push((c, c));
                }
                c => members.push((c, c)),
            }
        }
    }
}

impl Node {
    /// How many characters gobwas takes this for, if it thinks that it knows.
    fn width(&self) -> Option<usize> {
        match self {
            Self::Step(Step::Run { .. }) => None,
            Self::Step(_) => Some(1),
            Self::Alternatives(all) => {
                // Its slip: alternatives of unknown width count only after the first of known width.
                let mut known = all.iter().map(|nodes| width_of(nodes)).skip_while(Option::is_none);
                let first = known.next().flatten()?;
                known.all(|width| width == Some(first)).then_some(first)
            }
        }
    }
}

fn width_of(nodes: &[Node]) -> Option<usize> {
    nodes.iter().map(Node::width).sum()
}

fn emit(nodes: Vec<Node>, steps: &mut Vec<Step>) -> Result<(), GlobError> {
    let widths: Vec<Option<usize>> = nodes.iter().map(Node::width).collect();
    for (index, node) in nodes.into_iter().enumerate() {
        match node {
            Node::Step(step) => steps.push(step),
            Node::Alternatives(all) => {
                let beside_known =
                    index > 0 && widths[index - 1].is_some() || widths.get(index + 1).is_some_and(Option::is_some);
                let varies = all.iter().any(|nodes| width_of(nodes).is_none());
                match widths[index] {
                    // Next to a neighbour of known width gobwas cuts out just as many characters as it believes in.
                    Some(width) if beside_known && varies => emit_of_width(all, width, steps)?,
                    _ => emit_alternatives(all, steps)?,
                }
            }
        }
    }
    Ok(())
}

fn emit_alternatives(all: Vec<Vec<Node>>, steps: &mut Vec<Step>) -> Result<(), GlobError> {
    let fork = steps.len();
    steps.push(Step::Never);
    let mut starts = Vec::new();
    let mut jumps = Vec::new();
    for alternative in all {
        starts.push(steps.len());
        emit(alternative, steps)?;
        jumps.push(steps.len());
        steps.push(Step::Never);
    }
    let end = steps.len();
    for jump in jumps {
        steps[jump] = Step::Jump(end);
    }
    steps[fork] = Step::Fork(starts);
    Ok(())
}

/// Alternatives that must take exactly so many characters: one copy of their steps for each number of characters taken.
fn emit_of_width(all: Vec<Vec<Node>>, width: usize, steps: &mut Vec<Step>) -> Result<(), GlobError> {
    let mut single = Vec::new();
    emit_alternatives(all, &mut single)?;
    let (base, count) = (steps.len(), single.len());
    let end = base + (width + 1) * 3 * (count + 1);
    if end > MAX_STEPS {
        return Err(GlobError::TooBig);
    }
    let place = |taken: usize, step: usize| base + (taken * (count + 1) + step) * 3;
    for taken in 0..=width {
        for (index, step) in single.iter().enumerate() {
            let next = |step| if taken < width { Step::Jump(place(taken + 1, step)) } else { Step::Never };
            steps.extend(match step {
                Step::Fork(to) => {
                    [Step::Fork(to.iter().map(|&to| place(taken, to)).collect()), Step::Never, Step::Never]
                }
                Step::Jump(to) => [Step::Jump(place(taken, *to)), Step::Never, Step::Never],
                Step::Run { across } => {
                    let here = place(taken, index);
                    let read = if *across { Step::Set { negated: true, members: Vec::new() } } else { Step::Any };
                    [Step::Fork(vec![here + 1, place(taken, index + 1)]), read, next(index)]
                }
                read => [read.clone(), next(index + 1), Step::Never],
            });
        }
        let done = if taken == width { Step::Jump(end) } else { Step::Never };
        steps.extend([done, Step::Never, Step::Never]);
    }
    Ok(())
}

impl Glob {
    /// `glob.Compile(pattern, '/')`.
    pub fn compile(pattern: &str) -> Result<Self, GlobError> {
        if pattern.len() > MAX_PATTERN {
            return Err(GlobError::TooBig);
        }
        let (nodes, _) = Parser { chars: pattern.chars().peekable() }.sequence(0)?;
        let row = Row::of(&nodes);
        let mut steps = Vec::new();
        emit(nodes, &mut steps)?;
        if steps.len() > MAX_STEPS {
            return Err(GlobError::TooBig);
        }
        steps.push(Step::Match);
        Ok(Self { steps, row })
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        if let Some(row) = &self.row {
            return row.is_match(text);
        }
        let mut active = StepSet::new(self.steps.len());
        let mut next = StepSet::new(self.steps.len());
        self.activate(&mut active, 0);
        for c in text.chars() {
            for index in 0..active.list.len() {
                let at = active.list[index];
                match &self.steps[at] {
                    step if step.takes(c) => self.activate(&mut next, at + 1),
                    Step::Run { across } if *across || c != '/' => self.activate(&mut next, at),
                    _ => {}
                }
            }
            std::mem::swap(&mut active, &mut next);
            next.clear();
            if active.list.is_empty() {
                return false;
            }
        }
        active.list.iter().any(|&at| matches!(self.steps[at], Step::Match))
    }

    /// Adds a step and all that it leads to without reading.
    fn activate(&self, set: &mut StepSet, start: usize) {
        let mut todo = vec![start];
        while let Some(at) = todo.pop() {
            if !set.insert(at) {
                continue;
            }
            match &self.steps[at] {
                Step::Run { .. } => todo.push(at + 1),
                Step::Fork(to) => todo.extend(to),
                Step::Jump(to) => todo.push(*to),
                _ => {}
            }
        }
    }
}

struct StepSet {
    list: Vec<usize>,
    present: Vec<bool>,
}

impl StepSet {
    fn new(size: usize) -> Self {
        Self { list: Vec::new(), present: vec![false; size] }
    }

    fn insert(&mut self, step: usize) -> bool {
        let fresh = !std::mem::replace(&mut self.present[step], true);
        if fresh {
            self.list.push(step);
        }
        fresh
    }

    fn clear(&mut self) {
        for at in self.list.drain(..) {
            self.present[at] = false;
        }
    }
}
