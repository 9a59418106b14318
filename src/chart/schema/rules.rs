//! A schema as rules that are checked on values as they are: in a fraction of what the library takes, which first compiles
//! the schemas of schemas. What they accept, the library accepts. For all else, what they refuse or are not certain of,
//! the library is asked, which has the words for it; and for that they count what it would cost.

mod read;
#[cfg(test)]
mod tests;

use crate::chart::Frozen;
use pintle_golib::regexp::Regex;
use serde_json::Value;
use std::sync::Arc;

/// Places of schemas in [`Rules::nodes`].
type At = usize;

/// What a check may cost: [`VISIT`] each time a schema meets a value, one for each name that is looked at then. It is
/// some seconds of the library's time; the largest schemas of real charts cost less than a thousandth.
pub(super) const MAX_COST: u32 = 20_000_000;
const VISIT: usize = 10;
/// Bytes that the programs of a schema's regular expressions may take, all of them and each.
pub(super) const MAX_PROGRAMS: usize = 64 << 20;
const LARGEST_PROGRAM: usize = 10 << 20;
/// How deeply schemas and values may be nested for the rules; beyond it the library is asked.
const MAX_DEPTH: u32 = 100;
/// The same for counting, which runs where the library does; and schemas in a row that lead to each other for one value.
const MAX_COUNTED_DEPTH: u32 = 50_000;
const MAX_TRAIL: usize = 1_000;
/// From here on not every integer is a float.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// The schemas of one file, the outermost first.
#[derive(Debug, Default)]
pub(super) struct Rules {
    nodes: Vec<Box<[Rule]>>,
    /// Bytes that the programs of the regular expressions take, each counted where it stands.
    programs: usize,
    /// Every keyword is understood, and used as the schemas of schemas allow.
    certain: bool,
}

/// What one keyword asks.
#[derive(Debug)]
enum Rule {
    /// `false`
    Never,
    /// Bits of [`TYPES`].
    Type(u8),
    Required(Box<[Box<str>]>),
    /// `properties`, sorted, `patternProperties` and `additionalProperties`.
    Members {
        named: Box<[(Box<str>, At)]>,
        patterns: Box<[(Arc<Regex>, At)]>,
        others: Option<At>,
    },
    Items(At),
    AllOf(Box<[At]>),
    AnyOf(Box<[At]>),
    OneOf(Box<[At]>),
    Not(At),
    If {
        test: At,
        then: Option<At>,
        otherwise: Option<At>,
    },
    Enum(Box<[Value]>),
    Number(Bound, f64),
    Pattern(Arc<Regex>),
    /// Characters of texts, items of lists, members of tables: the type's bit says which.
    Size(u8, Bound, u64),
    /// Not followed yet.
    Reference(Box<str>),
    /// Not understood: schemas for the same value, and for those in it. Only counted.
    Opaque {
        here: Box<[At]>,
        within: Box<[At]>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Least,
    Most,
    Above,
    Below,
}

/// JSON's types; an integer is a number too.
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
const NULL: u8 = 1;
const BOOLEAN: u8 = 1 << 1;
const INTEGER: u8 = 1 << 2;
const NUMBER: u8 = 1 << 3;
const STRING: u8 = 1 << 4;
const ARRAY: u8 = 1 << 5;
const OBJECT: u8 = 1 << 6;

/// It cannot be said here whether a value fits.
#[derive(Debug)]
struct Uncertain;

impl Rules {
    /// Whether these rules say all that the schema says, and the schema is one.
    pub(super) fn are_certain(&self) -> bool {
        self.certain
    }

    /// Whether the values fit for certain.
    pub(super) fn accept(&self, values: &Frozen) -> bool {
        let mut left = MAX_COST;
        self.certain && matches!(self.fits(0, values, 0, &mut left), Ok(true))
    }

    /// Whether a check that looks at everything ends within the limit.
    pub(super) fn are_cheap_for(&self, values: &Frozen) -> bool {
        let mut left = MAX_COST;
        self.count(0, values, 0, &mut Vec::new(), &mut left).is_some()
    }

    /// Whether the programs of all regular expressions together stay within [`MAX_PROGRAMS`].
    pub(super) fn patterns_are_small(&self) -> bool {
        self.programs <= MAX_PROGRAMS
    }

    fn fits(&self, at: At, value: &Frozen, depth: u32, left: &mut u32) -> Result<bool, Uncertain> {
        spend(left, VISIT).ok_or(Uncertain)?;
        if depth > MAX_DEPTH {
            return Err(Uncertain);
        }
        for rule in self.nodes.get(at).ok_or(Uncertain)? {
            if !self.holds(rule, value, depth + 1, left)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn holds(&self, rule: &Rule, value: &Frozen, depth: u32, left: &mut u32) -> Result<bool, Uncertain> {
        spend(left, rule.names(value)).ok_or(Uncertain)?;
        let mut fits = |at: &At, value: &Frozen| self.fits(*at, value, depth, left);
        Ok(match (rule, value) {
            (Rule::Never, _) => false,
            (Rule::Type(wanted), _) => wanted & types(value)? != 0,
            (Rule::Required(names), Frozen::Table(_)) => names.iter().all(|name| value.get(name).is_some()),
            (Rule::Members { patterns, .. }, Frozen::Table(entries)) => {
                for (name, member) in entries {
                    if !patterns.is_empty() && std::str::from_utf8(name).is_err() {
                        return Err(Uncertain);
                    }
                    for schema in of_member(rule, name) {
                        if !fits(&schema, member)? {
                            return Ok(false);
                        }
                    }
                }
                true
            }
            (Rule::Pattern(pattern), Frozen::Text(text)) => {
                std::str::from_utf8(text).map_err(|_| Uncertain)?;
                pattern.is_match(text)
            }
            (Rule::Items(schema), Frozen::List(items)) => {
                for item in items {
                    if !fits(schema, item)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Rule::AllOf(schemas), _) => {
                for schema in schemas {
                    if !fits(schema, value)? {
                        return Ok(false);
                    }
                }
                true
            }
            (Rule::AnyOf(schemas), _) => {
                for schema in schemas {
                    if fits(schema, value)? {
                        return Ok(true);
                    }
                }
                false
            }
            (Rule::OneOf(schemas), _) => {
                let mut hits = 0;
                for schema in schemas {
                    hits += u32::from(fits(schema, value)?);
                }
                hits == 1
            }
            (Rule::Not(schema), _) => !fits(schema, value)?,
            (Rule::If { test, then, otherwise }, _) => match if fits(test, value)? { then } else { otherwise } {
                Some(schema) => fits(schema, value)?,
                None => true,
            },
            (Rule::Enum(wanted), _) => {
                for wanted in wanted {
                    if equal(wanted, value)? {
                        return Ok(true);
                    }
                }
                false
            }
            (Rule::Number(bound, limit), Frozen::Int(_) | Frozen::Float(_)) => {
                let n = number(value)?;
                // Two texts may stand for one float.
                if n == *limit && n.fract() != 0.0 {
                    return Err(Uncertain);
                }
                bound.holds(&n, limit)
            }
            (Rule::Size(STRING, bound, limit), Frozen::Text(text)) => {
                let text = std::str::from_utf8(text).map_err(|_| Uncertain)?;
                bound.holds(&(text.chars().count() as u64), limit)
            }
            (Rule::Size(ARRAY, bound, limit), Frozen::List(items)) => bound.holds(&(items.len() as u64), limit),
            (Rule::Size(OBJECT, bound, limit), Frozen::Table(entries)) => bound.holds(&(entries.len() as u64), limit),
            (Rule::Reference(_) | Rule::Opaque { .. }, _) => return Err(Uncertain),
            // Asked of another type than this.
            _ => true,
        })
    }

    /// Takes away what a check costs that stops nowhere. `trail`: the schemas that led here without leaving the value.
    fn count(&self, at: At, value: &Frozen, depth: u32, trail: &mut Vec<At>, left: &mut u32) -> Option<()> {
        if trail.contains(&at) {
            return Some(());
        }
        spend(left, VISIT)?;
        if depth > MAX_COUNTED_DEPTH || trail.len() > MAX_TRAIL {
            return None;
        }
        trail.push(at);
        for rule in self.nodes.get(at).into_iter().flatten() {
            spend(left, rule.names(value))?;
            for schema in rule.here() {
                self.count(schema, value, depth + 1, trail, left)?;
            }
            for (schema, member) in rule.within(value) {
                self.count(schema, member, depth + 1, &mut Vec::new(), left)?;
            }
        }
        trail.pop();
        Some(())
    }
}

/// Takes away from what is left; nothing if that is not enough.
fn spend(left: &mut u32, cost: usize) -> Option<()> {
    *left = left.checked_sub(u32::try_from(cost).ok()?)?;
    Some(())
}

impl Rule {
    /// How many names and values the check of this rule goes through itself.
    fn names(&self, value: &Frozen) -> usize {
        match (self, value) {
            (Self::Required(names), Frozen::Table(_)) => names.len(),
            (Self::Members { named, patterns, .. }, Frozen::Table(entries)) => {
                named.len() + entries.len() * (1 + patterns.len())
            }
            (Self::Pattern(_), Frozen::Text(text)) => text.len() / VISIT,
            (Self::Enum(wanted), _) => wanted.len(),
            _ => 0,
        }
    }

    /// The schemas that it asks of the value itself.
    fn here(&self) -> Vec<At> {
        match self {
            Self::AllOf(all) | Self::AnyOf(all) | Self::OneOf(all) | Self::Opaque { here: all, .. } => all.to_vec(),
            Self::Not(schema) => vec![*schema],
            Self::If { test, then, otherwise } => [Some(*test), *then, *otherwise].into_iter().flatten().collect(),
            _ => Vec::new(),
        }
    }

    /// The schemas that it asks of what is in the value.
    fn within<'v>(&self, value: &'v Frozen) -> Vec<(At, &'v Frozen)> {
        match (self, value) {
            (Self::Items(schema), Frozen::List(items)) => items.iter().map(|item| (*schema, item)).collect(),
            (Self::Members { .. }, Frozen::Table(entries)) => entries
                .iter()
                .flat_map(|(name, member)| of_member(self, name).map(move |schema| (schema, member)))
                .collect(),
            (Self::Opaque { within, .. }, _) => {
                within.iter().flat_map(|schema| members(value).map(|member| (*schema, member))).collect()
            }
            _ => Vec::new(),
        }
    }
}

/// The schemas for a member of a table.
fn of_member(rule: &Rule, name: &[u8]) -> impl Iterator<Item = At> {
    let (named, patterns, others) = match rule {
        Rule::Members { named, patterns, others } => (&**named, &**patterns, *others),
        _ => (&[][..], &[][..], None),
    };
    let known = named.binary_search_by(|(known, _)| known.as_bytes().cmp(name)).ok().map(|at| named[at].1);
    let hits = patterns.iter().filter(|(pattern, _)| pattern.is_match(name)).map(|(_, at)| *at);
    // Without patterns, which few schemas have, nothing is allocated.
    let hits: Vec<At> = hits.collect();
    let others = others.filter(|_| known.is_none() && hits.is_empty());
    known.into_iter().chain(hits).chain(others)
}

impl Bound {
    fn holds<T: PartialOrd>(self, value: &T, limit: &T) -> bool {
        match self {
            Self::Least => value >= limit,
            Self::Most => value <= limit,
            Self::Above => value > limit,
            Self::Below => value < limit,
        }
    }
}

fn members(value: &Frozen) -> impl Iterator<Item = &Frozen> {
    let (items, entries): (&[Frozen], &[_]) = match value {
        Frozen::List(items) => (items, &[]),
        Frozen::Table(entries) => (&[], entries),
        _ => (&[], &[]),
    };
    items.iter().chain(entries.iter().map(|(_, member): &(Box<[u8]>, Frozen)| member))
}

/// All types that a value has.
fn types(value: &Frozen) -> Result<u8, Uncertain> {
    Ok(match value {
        Frozen::Null => NULL,
        Frozen::Bool(_) => BOOLEAN,
        Frozen::Int(_) => NUMBER | INTEGER,
        Frozen::Float(_) if number(value)?.fract() == 0.0 => NUMBER | INTEGER,
        Frozen::Float(_) => NUMBER,
        Frozen::Text(_) => STRING,
        Frozen::List(_) => ARRAY,
        Frozen::Table(_) => OBJECT,
    })
}

/// A number that is exact as a float.
fn number(value: &Frozen) -> Result<f64, Uncertain> {
    let n = match value {
        Frozen::Int(n) => *n as f64,
        Frozen::Float(n) => *n,
        _ => return Err(Uncertain),
    };
    if n.abs() < EXACT { Ok(n) } else { Err(Uncertain) }
}

/// Whether a value is this one, which is no list, no table and no fraction.
fn equal(wanted: &Value, value: &Frozen) -> Result<bool, Uncertain> {
    Ok(match (wanted, value) {
        (Value::Null, Frozen::Null) => true,
        (Value::Bool(a), Frozen::Bool(b)) => a == b,
        (Value::String(a), Frozen::Text(b)) => a.as_bytes() == &**b,
        (Value::Number(a), Frozen::Int(_) | Frozen::Float(_)) => a.as_f64() == Some(number(value)?),
        _ => false,
    })
}
