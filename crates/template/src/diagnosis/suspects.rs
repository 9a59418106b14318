//! Which values a failed step looked at, and what is the matter with them. The paths are walked once more, with the
//! values as they are at that moment.

use super::{Hint, cut, nearest};
use crate::field::{FieldError, Slot, field};
use crate::program::{Body, INHERIT, Names, Op, Template};
use crate::run::MissingKey;
use pintle_value::Value;
use std::{borrow::Cow, cell::Cell};

/// How many hints there are at most about the paths of one step.
const MOST: usize = 3;

/// A step that failed, and the values around it.
pub(crate) struct Scene<'a> {
    pub(crate) template: &'a Template,
    pub(crate) body: &'a Body,
    /// The step.
    pub(crate) step: usize,
    /// The step that last said where errors are.
    pub(crate) at: usize,
    pub(crate) dot: &'a Slot,
    /// The body's variables.
    pub(crate) variables: &'a [Slot],
    /// A function failed, and if so whether it is one of Go's own.
    pub(crate) function: Option<bool>,
}

/// What is wrong with the paths of a step that failed.
pub(crate) fn hints(scene: &Scene<'_>) -> Vec<Hint> {
    let mut found = Vec::new();
    match scene.body.code.get(scene.step) {
        Some(Op::DotPath(_) | Op::VariablePath { .. }) => scene.path(scene.step, false, &mut found),
        Some(Op::Call { .. }) if scene.function.is_some() => {
            let from = scene.body.code[..scene.step].iter().rposition(is_boundary).map_or(0, |at| at + 1);
            for step in from..scene.step {
                scene.path(step, scene.function == Some(true), &mut found);
                if found.len() >= MOST {
                    break;
                }
            }
        }
        Some(Op::Check { .. } | Op::Range { .. } | Op::MethodArgument(_)) => scene.path(scene.at, true, &mut found),
        _ => {}
    }
    found
}

/// Whether a step belongs to another statement than what follows.
fn is_boundary(op: &Op) -> bool {
    matches!(
        op,
        Op::Text(_)
            | Op::Print { .. }
            | Op::Store { .. }
            | Op::JumpUnless(_)
            | Op::With(_)
            | Op::EndWith
            | Op::Range { .. }
            | Op::Next { .. }
            | Op::Break(_)
            | Op::Find(_)
            | Op::Template(_)
            | Op::Return
    )
}

impl Scene<'_> {
    /// Walks the path of a step, and says where it ends. `kinds`: also if it leads somewhere.
    fn path(&self, step: usize, kinds: bool, found: &mut Vec<Hint>) {
        let (root, names) = match self.body.code.get(step) {
            Some(Op::DotPath(names)) => (self.dot.clone(), self.names(*names)),
            Some(Op::VariablePath { slot, names }) => match self.variables.get(*slot as usize) {
                Some(value) => (value.clone(), self.names(*names)),
                None => return,
            },
            Some(Op::Variable(slot)) => match self.variables.get(*slot as usize) {
                Some(value) => (value.clone(), &[][..]),
                None => return,
            },
            Some(Op::Dot) => (self.dot.clone(), &[][..]),
            _ => return,
        };
        let of_dot = matches!(self.body.code.get(step), Some(Op::DotPath(_) | Op::Dot));
        let base = if of_dot { String::new() } else { self.variable_name(step) };
        let shown = |count: usize| {
            let mut path = base.clone();
            for name in &names[..count] {
                path.push('.');
                path.push_str(name);
            }
            if path.is_empty() { ".".to_owned() } else { cut(&path) }
        };
        let mut value = root;
        let mut at = 0;
        let hint = loop {
            let Some(name) = names.get(at) else {
                break match value.value {
                    Value::Nil => Some(Hint::Null { path: shown(at) }),
                    _ if kinds => Some(Hint::Is { path: shown(at), kind: kind_of(&value.value) }),
                    _ => None,
                };
            };
            if let Value::Nil = value.value {
                break Some(Hint::Null { path: shown(at) });
            }
            match field(&value, name, MissingKey::Zero, &Cell::default()) {
                Ok(next) => {
                    let absent = match &value.value {
                        Value::Map(map) => !map.contains(name.as_bytes()),
                        _ => false,
                    };
                    if absent && matches!(next.value, Value::Nil) {
                        let nearest = nearest(name, keys(&value.value));
                        break Some(Hint::NoKey { path: shown(at + 1), parent: shown(at), nearest });
                    }
                    value = next;
                    at += 1;
                }
                Err(FieldError::Message(_)) => {
                    break Some(Hint::NoField {
                        path: shown(at),
                        kind: kind_of(&value.value),
                        field: cut(name),
                        nearest: nearest(name, keys(&value.value)),
                    });
                }
                Err(FieldError::Call(..)) => break None,
            }
        };
        let Some(hint) = hint else { return };
        if found.contains(&hint) {
            return;
        }
        let at_dot = of_dot && at == 0;
        found.push(hint);
        if at_dot {
            self.dot_moved(names, found);
        }
    }

    /// What the dot is, and whether `$` would have done.
    fn dot_moved(&self, names: &[Box<str>], found: &mut Vec<Hint>) {
        let code = &self.body.code[..self.step.min(self.body.code.len())];
        let opened = code.iter().enumerate().rev().find_map(|(at, op)| match op {
            Op::With(to) if *to as usize > self.step => Some((at, false)),
            Op::Range { otherwise, .. } if *otherwise as usize > self.step => Some((at, true)),
            _ => None,
        });
        let Some((at, item)) = opened else { return };
        let source = (0..at).rev().find(|step| self.body.sites.get(*step).is_some_and(|site| *site != INHERIT));
        if let Some(step) = source
            && let Some(site) = self.template.site_table.get(self.body.sites[step] as usize)
        {
            let of = match code[step] {
                Op::DotPath(_) | Op::VariablePath { .. } | Op::Variable(_) => cut(&self.template.print_site(site)),
                _ => String::new(),
            };
            let before = &self.template.source[..site.at as usize];
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            found.push(Hint::Dot { of, item, line: u32::try_from(line).unwrap_or(u32::MAX) });
        }
        if let (Some(Value::Map(root)), Some(name)) = (self.variables.first().map(|slot| &slot.value), names.first())
            && root.contains(name.as_bytes())
        {
            found.push(Hint::Root { path: cut(&format!("$.{}", names.join("."))) });
        }
    }

    fn names(&self, names: Names) -> &[Box<str>] {
        let first = names.first as usize;
        self.template.names.get(first..first + names.count as usize).unwrap_or_default()
    }

    /// The variable at the start of what a step shows.
    fn variable_name(&self, step: usize) -> String {
        let site = self.body.sites.get(step).and_then(|site| self.template.site_table.get(*site as usize));
        let text = site.map(|site| self.template.print_site(site)).unwrap_or_default();
        text.split('.').next().unwrap_or_default().to_owned()
    }
}

/// What can stand behind a value's dot.
fn keys(value: &Value) -> impl Iterator<Item = Cow<'static, str>> {
    let names: Vec<Cow<'static, str>> = match value {
        Value::Map(map) => map.entries().iter().map(|(key, _)| key.to_str_lossy().into_owned().into()).collect(),
        Value::Object(object) => object.fields().into_iter().map(|(name, _)| name.into()).collect(),
        _ => Vec::new(),
    };
    names.into_iter()
}

/// What a value is, in a word.
fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Nil => "nil",
        Value::Bool(_) => "a boolean",
        Value::Int(_) | Value::Int64(_) | Value::Uint8(_) | Value::Uint64(_) | Value::Float64(_) => "a number",
        Value::String(_) => "a string",
        Value::List(_) => "a list",
        Value::Map(_) => "a map",
        _ => value.type_name(),
    }
}
