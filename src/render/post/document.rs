//! A document of a manifest as the objects in it, and under which names they are found.

use super::{Budget, Operation, operations, selector::Selector, selector::Traits, strategic};
use crate::{chart::MAX_DEPTH, kinds, render::convert::yaml_limits};
use pintle_value::{List, Map, Str};
use serde_json::Value;
use std::collections::BTreeMap;

/// A document. A list of objects (`kind: List`) is taken apart.
pub(super) struct Document {
    pub(super) objects: Vec<Object>,
    original: Vec<Value>,
}

impl Document {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let value = decode(text.as_bytes(), &yaml_limits())?;
        let is_list = value.get("kind").and_then(Value::as_str).is_some_and(|kind| kind.ends_with("List"));
        let original = match value {
            Value::Object(mut fields) => match fields.remove("items") {
                Some(Value::Array(items)) if is_list && items.iter().all(Value::is_object) => items,
                Some(items) => {
                    fields.insert("items".to_owned(), items);
                    vec![Value::Object(fields)]
                }
                None => vec![Value::Object(fields)],
            },
            // Comments, or what others complain of.
            _ => Vec::new(),
        };
        let objects = original.iter().filter(|value| value.is_object()).map(Object::new).collect();
        Ok(Self { objects, original })
    }

    /// The objects' texts, if any of them has changed.
    pub(super) fn written(&self) -> Result<Option<Vec<String>>, String> {
        let now = self.objects.iter().map(|object| object.value.as_ref());
        if now.eq(self.original.iter().map(Some)) {
            return Ok(None);
        }
        self.objects.iter().filter_map(|object| object.value.as_ref()).map(encode).collect::<Result<_, _>>().map(Some)
    }
}

/// What an object is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Id {
    pub(super) group: String,
    pub(super) version: String,
    pub(super) kind: String,
    /// `default` if it names none.
    pub(super) namespace: String,
    pub(super) name: String,
}

/// The namespace of what is in none: no name that a namespace can have.
const NOWHERE: &str = "_non_namespaceable_";

impl Id {
    pub(super) fn of(object: &Value) -> Self {
        let text = |place: &str| object.pointer(place).and_then(Value::as_str).unwrap_or_default();
        let (group, version) = kinds::group_version(text("/apiVersion"));
        let (kind, namespace) = (text("/kind"), text("/metadata/namespace"));
        let namespace = match namespace {
            _ if kinds::is_cluster_scoped(group, kind) => NOWHERE,
            "" => "default",
            given => given,
        };
        Self {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: kind.to_owned(),
            namespace: namespace.to_owned(),
            name: text("/metadata/name").to_owned(),
        }
    }

    pub(super) fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.clone() } else { format!("{}/{}", self.group, self.version) }
    }
}

/// An object on its way.
pub(super) struct Object {
    /// Nothing if a patch has deleted it.
    pub(super) value: Option<Value>,
    /// What it was called before, the first name first; it still answers to these.
    names: Vec<Id>,
}

impl Object {
    fn new(value: &Value) -> Self {
        Self { value: Some(value.clone()), names: Vec::new() }
    }

    pub(super) fn id(&self) -> Option<Id> {
        self.value.as_ref().map(Id::of)
    }

    pub(super) fn forget_names(&mut self) {
        self.names.clear();
    }

    /// Whether an object, or one that became it, is called so.
    pub(super) fn answers_to(&self, id: &Id) -> bool {
        self.names.contains(id) || self.id().is_some_and(|own| own == *id)
    }

    pub(super) fn selected(&self, selector: &Selector) -> bool {
        let Some(value) = &self.value else { return false };
        let now = Id::of(value);
        let first = self.names.first().unwrap_or(&now);
        let [labels, annotations] =
            ["/metadata/labels", "/metadata/annotations"].map(|place| texts(value.pointer(place)));
        let traits = Traits {
            group: &now.group,
            version: &now.version,
            kind: &now.kind,
            namespace: &now.namespace,
            name: &now.name,
            labels: &labels,
            annotations: &annotations,
        };
        (selector.matches_namespace(&first.namespace) || selector.matches_namespace(&now.namespace))
            && (selector.matches_but_namespace(traits)
                || selector.matches_but_namespace(Traits { name: &first.name, ..traits }))
    }

    pub(super) fn merge(&mut self, patch: &Value) -> Result<(), String> {
        let Some(value) = self.value.take() else { return Ok(()) };
        let title = title(&value);
        self.value = strategic::merge(value, patch).map_err(|error| format!("{title}: {error}"))?;
        Ok(())
    }

    pub(super) fn operate(&mut self, operations: &[Operation], budget: &mut Budget) -> Result<(), String> {
        let Some(value) = &mut self.value else { return Ok(()) };
        let (title, before) = (title(value), Id::of(value));
        operations::apply(value, operations, budget).map_err(|error| format!("{title}: {error}"))?;
        for field in ["/kind", "/metadata/name"] {
            if value.pointer(field).and_then(Value::as_str).is_none_or(str::is_empty) {
                return Err(format!("{title}: the patch leaves nothing in {field}"));
            }
        }
        if Id::of(value) != before && !self.names.contains(&before) {
            self.names.push(before);
        }
        Ok(())
    }
}

fn title(object: &Value) -> String {
    let text = |place: &str| object.pointer(place).and_then(Value::as_str).unwrap_or_default();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

/// Labels or annotations, as far as they are texts.
fn texts(map: Option<&Value>) -> BTreeMap<String, String> {
    let fields = map.and_then(Value::as_object).into_iter().flatten();
    fields.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned()))).collect()
}

/// Reads YAML without loss of digits.
pub(super) fn decode(text: &[u8], limits: &pintle_yaml::Limits) -> Result<Value, String> {
    let value = pintle_yaml::decode_exact(text, limits).map_err(|error| error.to_string())?;
    Ok(to_json(&value))
}

/// Reads a patch: `yes` is a text in a strategic merge patch, which Kustomize reads by go-yaml v3, and true in a JSON patch,
/// which it reads as everything else is read.
pub(super) fn decode_patch(text: &[u8], limits: &pintle_yaml::Limits) -> Result<Value, String> {
    let value = pintle_yaml::decode_exact_v3(text, limits).map_err(|error| error.to_string())?;
    if matches!(value, pintle_value::Value::List(_)) {
        return decode(text, limits);
    }
    Ok(to_json(&value))
}

fn to_json(value: &pintle_value::Value) -> Value {
    use pintle_value::Value as V;
    match value {
        V::Bool(b) => Value::Bool(*b),
        V::Int(n) | V::Int64(n) => Value::from(*n),
        V::Uint64(n) => Value::from(*n),
        V::Float64(n) => Value::from(*n),
        V::String(text) => Value::String(text.to_str_lossy().into_owned()),
        V::List(items) => Value::Array(items.items().iter().map(to_json).collect()),
        V::Map(map) => Value::Object(
            map.entries().iter().map(|(key, value)| (key.to_str_lossy().into_owned(), to_json(value))).collect(),
        ),
        _ => Value::Null,
    }
}

pub(super) fn encode(value: &Value) -> Result<String, String> {
    let value = from_json(value, 0)?;
    let text = pintle_yaml::encode(&value).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

fn from_json(value: &Value, depth: usize) -> Result<pintle_value::Value, String> {
    use pintle_value::Value as V;
    if depth > MAX_DEPTH {
        return Err(format!("the object is nested more than {MAX_DEPTH} levels deep"));
    }
    Ok(match value {
        Value::Null => V::Nil,
        Value::Bool(b) => V::Bool(*b),
        Value::Number(n) => match (n.as_i64(), n.as_u64()) {
            (Some(n), _) => V::Int64(n),
            (None, Some(n)) => V::Uint64(n),
            (None, None) => V::Float64(n.as_f64().unwrap_or_default()),
        },
        Value::String(text) => V::str(text.as_str()),
        Value::Array(items) => V::List(
            items
                .iter()
                .map(|item| from_json(item, depth + 1))
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .collect::<List>(),
        ),
        Value::Object(fields) => {
            let map = Map::new();
            for (key, value) in fields {
                map.insert(Str::from(key.as_str()), from_json(value, depth + 1)?);
            }
            V::Map(map)
        }
    })
}
