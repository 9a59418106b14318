//! JSON patches (RFC 6902) as Kustomize applies them: negative indices count from the end, a `replace` may add a field.

use super::budget::Budget;
use crate::chart::MAX_DEPTH;
use serde_json::Value;

/// One step of a patch.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Operation {
    act: Act,
    path: Pointer,
}

#[derive(Debug, Clone, PartialEq)]
enum Act {
    Add(Value),
    Remove,
    Replace(Value),
    Test(Value),
    Move(Pointer),
    Copy(Pointer),
}

/// Where something is: the names and indices on the way.
#[derive(Debug, Clone, PartialEq)]
struct Pointer {
    text: String,
    steps: Vec<String>,
}

impl Pointer {
    fn read(text: &str) -> Result<Self, String> {
        let Some(rest) = text.strip_prefix('/') else {
            let none = Self { text: String::new(), steps: Vec::new() };
            return if text.is_empty() { Ok(none) } else { Err(format!("{text:?} does not begin with a slash")) };
        };
        let steps: Vec<String> = rest.split('/').map(|step| step.replace("~1", "/").replace("~0", "~")).collect();
        if steps.len() > MAX_DEPTH {
            return Err(format!("more than {MAX_DEPTH} steps"));
        }
        Ok(Self { text: text.to_owned(), steps })
    }
}

/// Reads the operations of a patch.
pub(super) fn read(patch: &[Value]) -> Result<Vec<Operation>, String> {
    let read = |(at, given): (usize, &Value)| operation(given).map_err(|message| format!("operation {at}: {message}"));
    patch.iter().enumerate().map(read).collect()
}

fn operation(given: &Value) -> Result<Operation, String> {
    let text = |field: &str| {
        let value = given.get(field).and_then(Value::as_str);
        value.ok_or_else(|| format!("no {field}, or one that is no text"))
    };
    let op = text("op")?;
    let path = Pointer::read(text("path")?)?;
    let value = || given.get("value").cloned().unwrap_or_default();
    let from = || text("from").and_then(Pointer::read);
    let act = match op {
        "add" => Act::Add(value()),
        "remove" => Act::Remove,
        "replace" => Act::Replace(value()),
        "test" => Act::Test(value()),
        "move" => Act::Move(from()?),
        "copy" => Act::Copy(from()?),
        other => return Err(format!("op {other:?} is none of add, remove, replace, move, copy and test")),
    };
    Ok(Operation { act, path })
}

/// Applies operations, one after another.
pub(super) fn apply(object: &mut Value, operations: &[Operation], budget: &mut Budget) -> Result<(), String> {
    for (at, operation) in operations.iter().enumerate() {
        let (name, path) = (operation.act.name(), &operation.path.text);
        operation.apply(object, budget).map_err(|message| format!("operation {at} ({name} {path}): {message}"))?;
    }
    Ok(())
}

impl Act {
    fn name(&self) -> &'static str {
        match self {
            Self::Add(_) => "add",
            Self::Remove => "remove",
            Self::Replace(_) => "replace",
            Self::Test(_) => "test",
            Self::Move(_) => "move",
            Self::Copy(_) => "copy",
        }
    }
}

impl Operation {
    fn apply(&self, object: &mut Value, budget: &mut Budget) -> Result<(), String> {
        match &self.act {
            Act::Add(value) => add(object, &self.path, value.clone()),
            Act::Remove => remove(object, &self.path).map(drop),
            Act::Replace(value) => replace(object, &self.path, value.clone()),
            Act::Test(value) => {
                let found = get(object, &self.path);
                if equal(found.unwrap_or(&Value::Null), value) {
                    return Ok(());
                }
                Err(match found {
                    Some(found) if found.is_object() || found.is_array() => "the value is another".to_owned(),
                    Some(found) => format!("the value is {found}"),
                    None => "there is nothing".to_owned(),
                })
            }
            Act::Move(from) => {
                if self.path.steps.len() > from.steps.len() && self.path.steps.starts_with(&from.steps) {
                    return Err("nothing can be moved into itself".to_owned());
                }
                let value = remove(object, from)?;
                add(object, &self.path, value)
            }
            Act::Copy(from) => {
                let value = get(object, from).cloned().unwrap_or_default();
                // A copy of what was copied before doubles it each time.
                budget.spend_value(&value)?;
                add(object, &self.path, value)
            }
        }
    }
}

const NOTHING: &str = "there is no such place";

/// The index that a step stands for among so many; `end` may be meant too if something is added.
fn index(step: &str, length: usize, adding: bool) -> Result<usize, String> {
    if adding && step == "-" {
        return Ok(length);
    }
    let wanted: i64 = step.parse().map_err(|_| format!("{step:?} is no index of a list"))?;
    let places = i64::try_from(length).unwrap_or(i64::MAX).saturating_add(i64::from(adding));
    let at = if wanted < 0 { wanted.saturating_add(places) } else { wanted };
    if at < 0 || at >= places {
        return Err(format!("the list has {length} items"));
    }
    usize::try_from(at).map_err(|_| NOTHING.to_owned())
}

fn step<'a>(value: &'a Value, step: &str) -> Option<&'a Value> {
    match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(index(step, items.len(), false).ok()?),
        _ => None,
    }
}

fn get<'a>(object: &'a Value, path: &Pointer) -> Option<&'a Value> {
    path.steps.iter().try_fold(object, |value, name| step(value, name))
}

/// What holds the last step, and that step.
fn holder<'a, 'b>(object: &'a mut Value, path: &'b Pointer) -> Result<(&'a mut Value, &'b str), String> {
    let (last, way) = path.steps.split_last().ok_or("the whole object can only be replaced")?;
    let mut value = object;
    for name in way {
        value = match value {
            Value::Object(fields) => fields.get_mut(name),
            Value::Array(items) => index(name, items.len(), false).ok().and_then(|at| items.get_mut(at)),
            _ => None,
        }
        .ok_or(NOTHING)?;
    }
    Ok((value, last))
}

fn add(object: &mut Value, path: &Pointer, value: Value) -> Result<(), String> {
    let (holder, last) = holder(object, path)?;
    match holder {
        Value::Object(fields) => drop(fields.insert(last.to_owned(), value)),
        Value::Array(items) => items.insert(index(last, items.len(), true)?, value),
        _ => return Err(NOTHING.to_owned()),
    }
    Ok(())
}

fn remove(object: &mut Value, path: &Pointer) -> Result<Value, String> {
    let (holder, last) = holder(object, path)?;
    match holder {
        Value::Object(fields) => fields.remove(last).ok_or_else(|| NOTHING.to_owned()),
        Value::Array(items) => Ok(items.remove(index(last, items.len(), false)?)),
        _ => Err(NOTHING.to_owned()),
    }
}

fn replace(object: &mut Value, path: &Pointer, value: Value) -> Result<(), String> {
    if path.steps.is_empty() {
        *object = value;
        return Ok(());
    }
    let (holder, last) = holder(object, path)?;
    match holder {
        Value::Object(fields) => drop(fields.insert(last.to_owned(), value)),
        Value::Array(items) => {
            let at = index(last, items.len(), false)?;
            items[at] = value;
        }
        _ => return Err(NOTHING.to_owned()),
    }
    Ok(())
}

/// Equality by value: 1 is 1.0.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || x.as_f64() == y.as_f64(),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| equal(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| equal(x, y)))
        }
        _ => a == b,
    }
}
