//! gobwas' globs with the separator `/`, as `.Files.Glob` takes them: `*` stays within a name, `**` does not.
//!
//! Known differences: where gobwas 0.2.3 errs on `***`, on empty or unclosed braces, on `{a*,b}` before or after something
//! else, and on letters outside of ASCII next to `?` or a set (it misses names or panics), this matches what the pattern says.

use std::fmt;

/// Braces may be nested this deep.
const MAX_DEPTH: usize = 64;
/// Longest pattern, in bytes.
const MAX_PATTERN: usize = 64 * 1024;

/// A compiled pattern.
#[derive(Debug, Clone)]
pub struct Glob {
    steps: Vec<Step>,
}

/// Why a pattern does not compile; prints gobwas' words but for the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
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

fn emit(nodes: Vec<Node>, steps: &mut Vec<Step>) {
    for node in nodes {
        match node {
            Node::Step(step) => steps.push(step),
            Node::Alternatives(all) => {
                let fork = steps.len();
                steps.push(Step::Never);
                let mut starts = Vec::new();
                let mut jumps = Vec::new();
                for alternative in all {
                    starts.push(steps.len());
                    emit(alternative, steps);
                    jumps.push(steps.len());
                    steps.push(Step::Never);
                }
                let end = steps.len();
                for jump in jumps {
                    steps[jump] = Step::Jump(end);
                }
                steps[fork] = Step::Fork(starts);
            }
        }
    }
}

impl Glob {
    /// `glob.Compile(pattern, '/')`.
    pub fn compile(pattern: &str) -> Result<Self, GlobError> {
        if pattern.len() > MAX_PATTERN {
            return Err(GlobError::TooBig);
        }
        let (nodes, _) = Parser { chars: pattern.chars().peekable() }.sequence(0)?;
        let mut steps = Vec::new();
        emit(nodes, &mut steps);
        steps.push(Step::Match);
        Ok(Self { steps })
    }

    /// Whether the whole text matches.
    pub fn is_match(&self, text: &str) -> bool {
        let mut active = StepSet::new(self.steps.len());
        let mut next = StepSet::new(self.steps.len());
        self.activate(&mut active, 0);
        for c in text.chars() {
            for index in 0..active.list.len() {
                let at = active.list[index];
                match &self.steps[at] {
                    Step::Char(wanted) if *wanted == c => self.activate(&mut next, at + 1),
                    Step::Any if c != '/' => self.activate(&mut next, at + 1),
                    Step::Set { negated, members }
                        if members.iter().any(|&(low, high)| (low..=high).contains(&c)) != *negated =>
                    {
                        self.activate(&mut next, at + 1);
                    }
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
