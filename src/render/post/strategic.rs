//! Strategic merge patches as Kustomize applies them: maps are merged, lists of Kubernetes' own kinds are joined by their keys
//! and new items come first, other lists are replaced, null takes away.
//!
//! Where Kustomize loses a patch (a port without protocol, `$patch: replace` on an item, an item without its key) or leaves
//! a directive lying in the object, this does what was meant, or refuses.

use crate::kinds;
use serde_json::{Map, Value};

/// Longest list that is joined by keys: each item is looked for among all others.
const ITEMS: usize = 1000;

/// Kubernetes' directives besides `$patch`. Kustomize does not know them and writes them into the object.
const UNKNOWN: [&str; 3] = ["$retainKeys", "$setElementOrder/", "$deleteFromPrimitiveList/"];

/// What does not go together, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    /// From the inside out.
    path: Vec<String>,
    message: String,
}

impl Mistake {
    fn new(message: impl Into<String>) -> Self {
        Self { path: Vec::new(), message: message.into() }
    }

    fn under(mut self, field: &str) -> Self {
        self.path.push(field.to_owned());
        self
    }
}

impl std::fmt::Display for Mistake {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut separator = "";
        for field in self.path.iter().rev() {
            write!(f, "{separator}{field}")?;
            separator = ".";
        }
        write!(f, "{}{}", if self.path.is_empty() { "" } else { ": " }, self.message)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Directive {
    Merge,
    Replace,
    Delete,
}

/// Merges a patch into an object; nothing is left of it if the patch deletes it. What the object is (its version, kind, name
/// and namespace) stays.
pub(super) fn merge(object: Value, patch: &Value) -> Result<Option<Value>, Mistake> {
    let text = |field: &str| object.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let identity = ["apiVersion", "kind"].map(|field| (field, object.get(field).cloned()));
    let place = ["name", "namespace"].map(|field| (field, object.get("metadata").and_then(|m| m.get(field)).cloned()));
    let mut patch = patch.clone();
    if let Some(fields) = patch.as_object_mut() {
        match directive(fields)? {
            Directive::Merge => {}
            Directive::Delete => return Ok(None),
            Directive::Replace => {
                return Err(Mistake::new("$patch: replace is for parts of an object, not for all of it"));
            }
        }
        identity.iter().for_each(|(field, _)| drop(fields.remove(*field)));
        if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
            place.iter().for_each(|(field, _)| drop(metadata.remove(*field)));
        }
    }
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let rules = Rules { own: kinds::has_list_keys(kinds::group_version(&api_version).0, &kind) };
    let Some(Value::Object(mut merged)) = rules.joined("", "", Some(object), &patch)? else { return Ok(None) };
    if place.iter().any(|(_, value)| value.is_some()) {
        let metadata = merged.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.extend(place.into_iter().filter_map(|(field, value)| Some((field.to_owned(), value?))));
        }
    }
    Ok(Some(Value::Object(merged)))
}

/// How the lists of an object are to be understood.
#[derive(Clone, Copy)]
struct Rules {
    /// It is one of Kubernetes' own kinds.
    own: bool,
}

impl Rules {
    /// What a patch makes of a value; nothing if it takes it away. `field` is the name of the field that holds the value,
    /// `parent` that of the one that holds `field`; an item goes by the name of its list.
    fn joined(self, parent: &str, field: &str, value: Option<Value>, patch: &Value) -> Result<Option<Value>, Mistake> {
        let value = value.filter(|value| !value.is_null());
        match patch {
            Value::Null => Ok(None),
            Value::Object(patch) => {
                let mut out = match (directive(patch)?, value) {
                    (Directive::Delete, _) => return Ok(None),
                    (Directive::Replace, _) | (Directive::Merge, None) => Map::new(),
                    (Directive::Merge, Some(Value::Object(value))) => value,
                    (Directive::Merge, Some(other)) => return Err(mismatch(&other, "a map")),
                };
                for (key, wanted) in patch.iter().filter(|(key, _)| *key != "$patch") {
                    if self.own && UNKNOWN.iter().any(|name| key.starts_with(name)) {
                        return Err(Mistake::new(format!("Kustomize has no directive {key}")));
                    }
                    let old = out.remove(key);
                    if let Some(new) = self.joined(field, key, old, wanted).map_err(|error| error.under(key))? {
                        out.insert(key.clone(), new);
                    }
                }
                Ok(Some(Value::Object(out)))
            }
            Value::Array(patch) => {
                let value = match value {
                    None => Vec::new(),
                    Some(Value::Array(value)) => value,
                    Some(other) => return Err(mismatch(&other, "a list")),
                };
                let keys = kinds::list_keys(parent, field).filter(|_| self.own);
                if keys.is_none() && !(self.own && kinds::is_set(field)) {
                    return Ok(Some(Value::Array(patch.clone())));
                }
                let (directive, patch) = list_directive(patch)?;
                let value = match directive {
                    Directive::Delete => return Ok(None),
                    Directive::Replace => Vec::new(),
                    Directive::Merge => value,
                };
                if patch.len() > ITEMS || value.len() > ITEMS {
                    return Err(Mistake::new(format!("more than {ITEMS} items")));
                }
                let joined = match keys {
                    Some([key]) => self.joined_by_key(key, field, value, &patch)?,
                    Some(keys) => self.joined_by_keys(keys, field, value, &patch)?,
                    None => {
                        let rest = value.into_iter().filter(|item| !patch.contains(&item));
                        let rest: Vec<Value> = rest.collect();
                        patch.into_iter().cloned().chain(rest).collect()
                    }
                };
                Ok(Some(Value::Array(joined)))
            }
            scalar => match value {
                Some(other @ (Value::Object(_) | Value::Array(_))) => Err(mismatch(&other, "a plain value")),
                _ => Ok(Some(scalar.clone())),
            },
        }
    }

    /// The patch's items in its order, then the others.
    fn joined_by_key(self, key: &str, field: &str, value: Vec<Value>, patch: &[&Value]) -> Result<Vec<Value>, Mistake> {
        let mut others = value;
        let mut out: Vec<Value> = Vec::with_capacity(patch.len() + others.len());
        for item in patch {
            let wanted = key_of(item, key)?;
            let named = |other: &Value| other.get(key) == Some(wanted);
            let again = out.iter().position(named);
            let mut old = again.map(|at| out.remove(at));
            // Of items that have the same key twice only the first is kept: nothing can tell them apart.
            others.retain_mut(|other| {
                let found = named(other);
                if found && old.is_none() {
                    old = Some(other.take());
                }
                !found
            });
            let new = self.joined(field, field, old, item).map_err(|error| error.under(&title(wanted)))?;
            if let Some(new) = new {
                out.insert(again.unwrap_or(out.len()), new);
            }
        }
        out.extend(others);
        Ok(out)
    }

    /// New items in the patch's order, then what was there in its own.
    fn joined_by_keys(
        self,
        keys: &[&str],
        field: &str,
        value: Vec<Value>,
        patch: &[&Value],
    ) -> Result<Vec<Value>, Mistake> {
        let mut known: Vec<Option<Value>> = value.into_iter().map(Some).collect();
        let mut new: Vec<Value> = Vec::new();
        for item in patch {
            let wanted = key_of(item, keys.first().copied().unwrap_or_default())?;
            let under = |error: Mistake| error.under(&title(wanted));
            let place = best(keys, item, &known);
            if let Some(at) = place {
                let old = known[at].take();
                known[at] = self.joined(field, field, old, item).map_err(under)?;
            } else {
                new.extend(self.joined(field, field, None, item).map_err(under)?);
            }
        }
        new.extend(known.into_iter().flatten());
        Ok(new)
    }
}

/// Which item a patch's item is for. A key that the patch leaves out fits any; TCP is what no protocol means.
fn best(keys: &[&str], wanted: &Value, known: &[Option<Value>]) -> Option<usize> {
    let default = |key: &str| if key == "protocol" { Some("TCP") } else { None };
    let fits = |item: &Value| {
        keys.iter().enumerate().all(|(rank, key)| {
            let (wanted, found) = (wanted.get(key), item.get(key));
            match (wanted, found) {
                (None, _) => rank > 0,
                (Some(wanted), None) => rank > 0 && default(key).is_some_and(|default| wanted == default),
                (Some(wanted), Some(found)) => wanted == found,
            }
        })
    };
    let ordinary = |item: &Value| {
        keys.iter().all(|key| {
            let found = item.get(key).and_then(Value::as_str);
            wanted.get(key).is_some() || found.is_none() || found == default(key)
        })
    };
    let mut fitting = known.iter().enumerate().filter(|(_, item)| item.as_ref().is_some_and(fits));
    let first = fitting.next()?;
    let all = std::iter::once(first).chain(fitting);
    Some(all.clone().find(|(_, item)| item.as_ref().is_some_and(ordinary)).map_or(first.0, |(at, _)| at))
}

fn key_of<'a>(item: &'a Value, key: &str) -> Result<&'a Value, Mistake> {
    item.get(key)
        .filter(|value| !value.is_null())
        .ok_or_else(|| Mistake::new(format!("an item has no {key}, by which it is found")))
}

fn title(key: &Value) -> String {
    key.as_str().map_or_else(|| key.to_string(), str::to_owned)
}

fn directive(patch: &Map<String, Value>) -> Result<Directive, Mistake> {
    match patch.get("$patch").map(|word| word.as_str().unwrap_or_default()) {
        None | Some("merge") => Ok(Directive::Merge),
        Some("replace") => Ok(Directive::Replace),
        Some("delete") => Ok(Directive::Delete),
        Some(other) => Err(Mistake::new(format!("$patch: {other} is none of merge, replace and delete"))),
    }
}

/// An item of nothing but a directive is for the whole list.
fn list_directive(patch: &[Value]) -> Result<(Directive, Vec<&Value>), Mistake> {
    let mut whole = Directive::Merge;
    let mut items = Vec::with_capacity(patch.len());
    for item in patch {
        match item.as_object() {
            Some(fields) if fields.len() == 1 && fields.contains_key("$patch") => whole = directive(fields)?,
            _ => items.push(item),
        }
    }
    Ok((whole, items))
}

fn mismatch(found: &Value, wanted: &str) -> Mistake {
    let what = match found {
        Value::Object(_) => "a map",
        Value::Array(_) => "a list",
        _ => "a plain value",
    };
    Mistake::new(format!("the object has {what} there, the patch {wanted}"))
}
