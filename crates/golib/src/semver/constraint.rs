//! Constraints on versions.

use super::version::{Version, compare_prerelease};
use super::{MAX_CONSTRAINT, MAX_GROUPS, split_suffixes};
use crate::strconv::quote;
use std::cmp::Ordering;
use std::fmt;

/// A constraint: alternatives, each a group of comparators that must all hold.
#[derive(Debug, Clone)]
pub struct Constraint(Vec<Group>);

#[derive(Debug, Clone)]
struct Group {
    comparators: Vec<Comparator>,
    /// A version with a prerelease is refused by a group in which no comparator has one.
    prereleases: bool,
}

#[derive(Debug, Clone)]
struct Comparator {
    operator: Operator,
    /// As written, without spaces.
    text: String,
    version: Version,
    open: Open,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Greater,
    Less,
    GreaterEqual,
    LessEqual,
    Tilde,
    Caret,
}

/// Which number of the version is missing or `x`, and so may be any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Open {
    None,
    Patch,
    Minor,
    /// All of them. Masterminds treats it as 0.0.0 in most comparisons.
    Major,
}

/// Why a text is no constraint; prints Masterminds' words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConstraintError {
    /// Longer than 512 bytes.
    TooLong,
    /// More than 32 alternatives.
    TooManyGroups,
    /// Not of the form of a constraint: this alternative, hyphen ranges already spelled out.
    Improper(String),
    /// Of the form of a constraint, but its version is none.
    Version,
}

impl fmt::Display for ConstraintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => write!(f, "constraint string is too long (max {MAX_CONSTRAINT} bytes)"),
            Self::TooManyGroups => write!(f, "too many constraint groups (max {MAX_GROUPS})"),
            Self::Improper(text) => write!(f, "improper constraint: {}", quote(text.as_bytes())),
            Self::Version => f.write_str("constraint parser error"),
        }
    }
}

impl std::error::Error for ConstraintError {}

impl Constraint {
    /// `semver.NewConstraint`.
    pub fn parse(text: &str) -> Result<Self, ConstraintError> {
        if text.len() > MAX_CONSTRAINT {
            return Err(ConstraintError::TooLong);
        }
        let spelled = spell_out_ranges(text);
        let groups: Vec<&str> = spelled.split("||").collect();
        if groups.len() > MAX_GROUPS {
            return Err(ConstraintError::TooManyGroups);
        }
        groups.into_iter().map(Group::parse).collect::<Result<_, _>>().map(Self)
    }

    /// Whether the version satisfies it.
    pub fn check(&self, version: &Version) -> bool {
        self.0.iter().any(|group| {
            (version.prerelease().is_empty() || group.prereleases) && group.comparators.iter().all(|c| c.holds(version))
        })
    }
}

/// `String()`: alternatives joined by ` || `, comparators by a space.
impl fmt::Display for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (g, group) in self.0.iter().enumerate() {
            if g > 0 {
                f.write_str(" || ")?;
            }
            for (c, comparator) in group.comparators.iter().enumerate() {
                let space = if c > 0 { " " } else { "" };
                write!(f, "{space}{}", comparator.text)?;
            }
        }
        Ok(())
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\x0c' | '\r')
}

/// A number of a version in a constraint. The bar is one of Masterminds' slips: it never makes a number.
fn number_len(text: &str) -> usize {
    text.bytes().take_while(|b| b.is_ascii_digit() || matches!(b, b'x' | b'X' | b'*' | b'|')).count()
}

struct Pattern<'a> {
    /// With its `v`.
    text: &'a str,
    numbers: [&'a str; 3],
    prerelease: &'a str,
    rest: &'a str,
}

/// Reads `v1.2.x-beta+build`, as much as there is of it.
fn version_pattern(text: &str) -> Option<Pattern<'_>> {
    let mut rest = text.strip_prefix('v').unwrap_or(text);
    let mut numbers = [""; 3];
    let len = number_len(rest);
    if len == 0 {
        return None;
    }
    (numbers[0], rest) = rest.split_at(len);
    for slot in &mut numbers[1..] {
        let Some(tail) = rest.strip_prefix('.') else { break };
        let len = number_len(tail);
        if len == 0 {
            break;
        }
        (*slot, rest) = tail.split_at(len);
    }
    let (prerelease, _, rest) = split_suffixes(rest);
    Some(Pattern { text: &text[..text.len() - rest.len()], numbers, prerelease, rest })
}

/// `1.2 - 3` is `>= 1.2, <= 3`.
fn spell_out_ranges(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while !rest.is_empty() {
        if let Some((low, high, tail)) = hyphen_range(rest) {
            out += &format!(">= {low}, <= {high} ");
            rest = tail;
        } else {
            let mut chars = rest.chars();
            out.extend(chars.next());
            rest = chars.as_str();
        }
    }
    out
}

fn hyphen_range(text: &str) -> Option<(&str, &str, &str)> {
    let spaces = |text: &str| {
        let trimmed_len = text.trim_start_matches(is_space).len();
        (trimmed_len < text.len()).then_some(text.len() - trimmed_len)
    };
    let low = version_pattern(text.trim_start_matches(is_space))?;
    let rest = low.rest.get(spaces(low.rest)?..)?.strip_prefix('-')?;
    let high = version_pattern(rest.get(spaces(rest)?..)?)?;
    Some((low.text, high.text, high.rest.trim_start_matches(is_space)))
}

const OPERATORS: [(&str, Operator); 12] = [
    ("!=", Operator::NotEqual),
    (">=", Operator::GreaterEqual),
    ("=>", Operator::GreaterEqual),
    ("<=", Operator::LessEqual),
    ("=<", Operator::LessEqual),
    ("~>", Operator::Tilde),
    ("=", Operator::Equal),
    (">", Operator::Greater),
    ("<", Operator::Less),
    ("~", Operator::Tilde),
    ("^", Operator::Caret),
    ("", Operator::Equal),
];

impl Group {
    fn parse(text: &str) -> Result<Self, ConstraintError> {
        let improper = || ConstraintError::Improper(text.to_owned());
        let mut patterns = Vec::new();
        let mut rest = text.trim_start_matches(is_space);
        loop {
            let (sign, operator) = OPERATORS.iter().find(|(sign, _)| rest.starts_with(sign)).ok_or_else(improper)?;
            let pattern = version_pattern(rest[sign.len()..].trim_start_matches(is_space)).ok_or_else(improper)?;
            let after = pattern.rest;
            patterns.push((sign, *operator, pattern));
            rest = after.trim_start_matches(is_space);
            if rest.is_empty() {
                break;
            }
            match rest.strip_prefix(',') {
                Some(next) => rest = next.trim_start_matches(is_space),
                None if rest.len() < after.len() => {}
                None => return Err(improper()),
            }
        }
        let comparators = patterns
            .into_iter()
            .map(|(sign, operator, pattern)| Comparator::new(sign, operator, &pattern))
            .collect::<Result<Vec<_>, _>>()?;
        let prereleases = comparators.iter().any(|c| !c.version.prerelease().is_empty());
        Ok(Self { comparators, prereleases })
    }
}

impl Comparator {
    fn new(sign: &str, operator: Operator, pattern: &Pattern<'_>) -> Result<Self, ConstraintError> {
        let [major, minor, patch] = pattern.numbers;
        let any = |number: &str| matches!(number, "" | "x" | "X" | "*");
        let suffix = pattern.prerelease;
        let (open, version) = if any(major) {
            (Open::Major, format!("0.0.0{suffix}"))
        } else if any(minor) {
            (Open::Minor, format!("{major}.0.0{suffix}"))
        } else if any(patch) {
            (Open::Patch, format!("{major}.{minor}.0{suffix}"))
        } else {
            (Open::None, pattern.text.to_owned())
        };
        let version = Version::parse(&version).map_err(|_| ConstraintError::Version)?;
        Ok(Self { operator, text: format!("{sign}{}", pattern.text), version, open })
    }

    fn holds(&self, v: &Version) -> bool {
        let c = &self.version;
        let order = v.compare(c);
        match self.operator {
            Operator::Equal if self.open == Open::None => order == Ordering::Equal,
            Operator::Equal | Operator::Tilde => self.tilde(v),
            Operator::NotEqual => self.not_equal(v),
            Operator::Less => order == Ordering::Less,
            Operator::GreaterEqual => order != Ordering::Less,
            Operator::Greater => match (self.open, v.major().cmp(&c.major())) {
                (Open::None, _) => order == Ordering::Greater,
                (_, Ordering::Greater) => true,
                (_, Ordering::Less) | (Open::Minor, _) => false,
                (Open::Patch, _) => v.minor() > c.minor(),
                (Open::Major, _) => order == Ordering::Greater,
            },
            Operator::LessEqual if self.open == Open::None => order != Ordering::Greater,
            Operator::LessEqual => match v.major().cmp(&c.major()) {
                Ordering::Greater => false,
                Ordering::Equal => self.open == Open::Minor || v.minor() <= c.minor(),
                Ordering::Less => true,
            },
            Operator::Caret => self.caret(v),
        }
    }

    fn not_equal(&self, v: &Version) -> bool {
        let c = &self.version;
        let numbers_differ = match self.open {
            Open::None | Open::Major => return v.compare(c) != Ordering::Equal,
            Open::Minor => return v.major() != c.major(),
            Open::Patch => (v.major(), v.minor()) != (c.major(), c.minor()),
        };
        numbers_differ || compare_prerelease(v.prerelease(), c.prerelease()) != Ordering::Equal
    }

    fn tilde(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.compare(c) == Ordering::Less {
            return false;
        }
        // ~0.0.0 and ~* accept all that is not lower.
        let zero = (c.major(), c.minor(), c.patch()) == (0, 0, 0);
        zero && matches!(self.open, Open::None | Open::Major)
            || v.major() == c.major() && (self.open == Open::Minor || v.minor() == c.minor())
    }

    fn caret(&self, v: &Version) -> bool {
        let c = &self.version;
        if v.compare(c) == Ordering::Less || v.major() != c.major() {
            return false;
        }
        if c.major() > 0 || self.open == Open::Minor {
            return true;
        }
        // Below 1.0.0 the leftmost number that is not zero must stay.
        if v.minor() != c.minor() {
            return false;
        }
        c.minor() > 0 || self.open == Open::Patch || v.patch() == c.patch()
    }
}
