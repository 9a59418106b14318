//! From rendered YAML to objects that can be applied: documents are read, lists flattened, namespaces filled in.

use std::collections::BTreeMap;

use pintle_value::Value as Yaml;
use pintle_yaml::{Limits, decode_exact, documents};
use serde_json::{Map, Number, Value};

use super::client::Cluster;
use super::error::{Error, Result};
use super::object::{ObjectId, Target};

/// Most objects of one manifest; the API server would be busy for minutes.
const OBJECTS: usize = 20_000;

/// Lists within lists.
const NESTING: usize = 8;

/// Deepest nesting of one object: the API server refuses what is deeper.
const DEPTH: usize = 100;

/// Reads a manifest: YAML documents, each perhaps with a `# Source: PATH` line that errors name.
///
/// `namespaced` says whether objects of a kind (`apiVersion`, kind) live in namespaces; `None` when nobody knows (yet), which
/// is taken for yes. Kinds that the manifest itself defines by CustomResourceDefinition are known.
///
/// # Errors
/// [`Error::Manifest`] for YAML that is none and documents that are no objects.
pub fn targets(
    manifest: &str,
    default_namespace: &str,
    namespaced: impl Fn(&str, &str) -> Option<bool>,
) -> Result<Vec<Target>> {
    let objects = objects(manifest)?;
    let defined = defined_kinds(&objects);
    objects
        .into_iter()
        .map(|found| {
            let scope = namespaced(&found.api_version, &found.kind).or_else(|| {
                let group = found.api_version.split_once('/').map_or("", |(group, _)| group);
                defined.get(&(group.to_owned(), found.kind.clone())).copied()
            });
            found.into_target(default_namespace, scope.unwrap_or(true))
        })
        .collect()
}

impl Cluster {
    /// Like [`targets`], with the API server's word on which kinds live in namespaces.
    ///
    /// # Errors
    /// As [`targets`]; failures of discovery. A kind that the server does not know is no error here: it may come with the
    /// release itself.
    pub async fn targets(&self, manifest: &str, default_namespace: &str) -> Result<Vec<Target>> {
        let objects = objects(manifest)?;
        let defined = defined_kinds(&objects);
        let mut scopes = BTreeMap::<(String, String), bool>::new();
        for found in &objects {
            let kind = (found.api_version.clone(), found.kind.clone());
            if scopes.contains_key(&kind) {
                continue;
            }
            let group = found.api_version.split_once('/').map_or("", |(group, _)| group);
            let own = defined.get(&(group.to_owned(), found.kind.clone())).copied();
            let scope = match own {
                Some(own) => self.known(&kind.0, &kind.1).map_or(own, |resource| resource.namespaced),
                None => match self.resolve(&kind.0, &kind.1).await {
                    Ok(resource) => resource.namespaced,
                    Err(Error::UnknownKind { .. }) => true,
                    Err(error) => return Err(error),
                },
            };
            scopes.insert(kind, scope);
        }
        objects
            .into_iter()
            .map(|found| {
                let kind = (found.api_version.clone(), found.kind.clone());
                let namespaced = scopes.get(&kind).copied().unwrap_or(true);
                found.into_target(default_namespace, namespaced)
            })
            .collect()
    }
}

/// An object of a manifest whose place in the cluster is not settled.
struct Found {
    origin: Option<String>,
    api_version: String,
    kind: String,
    body: Map<String, Value>,
}

fn objects(manifest: &str) -> Result<Vec<Found>> {
    let mut found = Vec::new();
    for document in documents::split(manifest.as_bytes()) {
        let fault =
            |origin: Option<&str>, message: String| Error::Manifest { origin: origin.map(str::to_owned), message };
        let document = document.map_err(|error| fault(None, error.to_string()))?;
        let origin = origin(&document);
        let yaml = decode_exact(&document, &Limits::default()).map_err(|error| fault(origin, error.to_string()))?;
        let body = match to_json(&yaml, DEPTH) {
            Some(Value::Null) => continue,
            Some(Value::Object(body)) => body,
            Some(_) => {
                return Err(fault(origin, "a document is not an object but a list or a single value".to_owned()));
            }
            None => return Err(fault(origin, "a value cannot be written as JSON or is nested too deeply".to_owned())),
        };
        flatten(body, origin, NESTING, &mut found)?;
    }
    Ok(found)
}

/// The path in the document's `# Source: PATH` line, which comes before anything else.
fn origin(document: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(document).ok()?;
    let mut head = text.lines().take_while(|line| line.is_empty() || line.starts_with('#') || line.starts_with("---"));
    head.find_map(|line| line.strip_prefix("# Source: ")).map(str::trim)
}

fn flatten(mut body: Map<String, Value>, origin: Option<&str>, nesting: usize, found: &mut Vec<Found>) -> Result<()> {
    let fault = |message: String| Error::Manifest { origin: origin.map(str::to_owned), message };
    let text = |key: &str| body.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    for (key, value) in [("kind", &kind), ("apiVersion", &api_version)] {
        if value.is_empty() {
            let name = body.get("metadata").and_then(|metadata| metadata.get("name")).and_then(Value::as_str);
            let of = name.map_or_else(String::new, |name| format!(" in \"{name}\""));
            return Err(fault(format!("a document is not a Kubernetes object: {key} is missing{of}")));
        }
    }
    if kind.ends_with("List")
        && let Some(Value::Array(items)) = body.remove("items")
    {
        if nesting == 0 {
            return Err(fault("lists are nested too deeply".to_owned()));
        }
        for item in items {
            let Value::Object(mut item) = item else {
                return Err(fault(format!("an item of a {kind} is not an object")));
            };
            // Items of a typed list may leave out what the list says for all.
            let of = kind.strip_suffix("List").filter(|of| !of.is_empty());
            if let Some(of) = of.filter(|_| !item.contains_key("kind")) {
                item.insert("kind".to_owned(), Value::String(of.to_owned()));
                item.entry("apiVersion").or_insert_with(|| Value::String(api_version.clone()));
            }
            flatten(item, origin, nesting - 1, found)?;
        }
        return Ok(());
    }
    if found.len() >= OBJECTS {
        return Err(fault(format!("the manifest has more than {OBJECTS} objects")));
    }
    found.push(Found { origin: origin.map(str::to_owned), api_version, kind, body });
    Ok(())
}

impl Found {
    fn into_target(mut self, default_namespace: &str, namespaced: bool) -> Result<Target> {
        let fault = |message: String| Error::Manifest {
            origin: self.origin.clone(),
            message: format!("{}: {message}", self.kind),
        };
        let Some(Value::Object(metadata)) = self.body.get_mut("metadata") else {
            return Err(fault("metadata is missing".to_owned()));
        };
        let text = |key: &str| match metadata.get(key) {
            None | Some(Value::Null) => Ok(String::new()),
            Some(Value::String(text)) => Ok(text.clone()),
            Some(other) => Err(fault(format!("metadata.{key} must be a text, not {other}: quote it"))),
        };
        let (name, generated, namespace) = (text("name")?, text("generateName")?, text("namespace")?);
        match (name.is_empty(), generated.is_empty()) {
            (true, true) => return Err(fault("metadata.name is missing".to_owned())),
            (false, false) => {
                return Err(fault("metadata.name and metadata.generateName cannot both be set".to_owned()));
            }
            _ => {}
        }
        let namespace = match (namespaced, namespace.is_empty()) {
            (false, _) => None,
            (true, true) => Some(default_namespace.to_owned()),
            (true, false) => Some(namespace),
        };
        match &namespace {
            Some(namespace) => metadata.insert("namespace".to_owned(), Value::String(namespace.clone())),
            None => metadata.remove("namespace"),
        };
        let id = ObjectId { api_version: self.api_version, kind: self.kind, namespace, name };
        Ok(Target { id, body: Value::Object(self.body) })
    }
}

/// Kinds that the manifest defines itself: (group, kind) → whether they live in namespaces.
fn defined_kinds(objects: &[Found]) -> BTreeMap<(String, String), bool> {
    let definitions = objects.iter().filter(|found| found.kind == "CustomResourceDefinition");
    definitions
        .filter_map(|found| {
            let spec = found.body.get("spec")?;
            let group = spec.get("group")?.as_str()?.to_owned();
            let kind = spec.get("names")?.get("kind")?.as_str()?.to_owned();
            Some(((group, kind), spec.get("scope")?.as_str()? == "Namespaced"))
        })
        .collect()
}

/// YAML as JSON, numbers as Go writes them: `1.0` becomes `1`. `None` for what JSON has no place for.
fn to_json(value: &Yaml, depth: usize) -> Option<Value> {
    let depth = depth.checked_sub(1)?;
    Some(match value {
        Yaml::Nil => Value::Null,
        Yaml::Bool(bool) => Value::Bool(*bool),
        Yaml::Int(number) | Yaml::Int64(number) => Value::Number((*number).into()),
        Yaml::Uint64(number) => Value::Number((*number).into()),
        Yaml::Float64(number) => Value::Number(json_number(*number)?),
        Yaml::String(text) => Value::String(text.to_str_lossy().into_owned()),
        Yaml::List(list) => {
            Value::Array(list.items().iter().map(|item| to_json(item, depth)).collect::<Option<Vec<_>>>()?)
        }
        Yaml::Map(map) => {
            let entries = map.entries();
            let fields =
                entries.iter().map(|(key, value)| Some((key.to_str_lossy().into_owned(), to_json(value, depth)?)));
            Value::Object(fields.collect::<Option<Map<_, _>>>()?)
        }
        _ => return None,
    })
}

#[expect(clippy::cast_possible_truncation, reason = "only whole numbers well within range are cast")]
fn json_number(number: f64) -> Option<Number> {
    if number.fract() == 0.0 && number.abs() < 9e15 {
        return Some((number as i64).into());
    }
    Number::from_f64(number)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn read(manifest: &str) -> Result<Vec<Target>> {
        targets(manifest, "shop", |_, kind| match kind {
            "Namespace" | "ClusterRole" | "CustomResourceDefinition" => Some(false),
            "ConfigMap" | "Secret" => Some(true),
            _ => None,
        })
    }

    #[test]
    fn documents_become_objects() {
        let manifest = "---\n# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {n: \"1\"}\n\
            ---\n# Source: web/templates/empty.yaml\n# nothing\n\
            ---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b, namespace: x}\n\
            ---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c, namespace: other}\n\
            ---\napiVersion: example.org/v1\nkind: Thing\nmetadata: {name: d}\nspec: {i: 3, f: 1.0, g: 1.5, big: 18446744073709551615, t: yes}\n\
            ---\napiVersion: v1\nkind: Secret\nmetadata: {generateName: e-}\n";
        let targets = read(manifest).unwrap();
        let names: Vec<_> = targets.iter().map(|target| target.id.to_string()).collect();
        assert_eq!(names, ["ConfigMap shop/a", "Namespace b", "ConfigMap other/c", "Thing shop/d", "Secret shop/"]);
        assert_eq!(targets[0].body["metadata"], json!({"name": "a", "namespace": "shop"}));
        assert_eq!(targets[1].body["metadata"], json!({"name": "b"}));
        assert_eq!(
            targets[3].body["spec"],
            json!({"i": 3, "f": 1, "g": 1.5, "big": 18_446_744_073_709_551_615_u64, "t": true})
        );
    }

    #[test]
    fn lists_are_flattened_and_own_kinds_known() {
        let manifest = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n\
            - apiVersion: v1\n  kind: SecretList\n  items:\n  - metadata: {name: b}\n\
            ---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: things.example.org}\n\
            spec: {group: example.org, scope: Cluster, names: {kind: Thing}}\n\
            ---\napiVersion: example.org/v1beta1\nkind: Thing\nmetadata: {name: c}\n";
        let names: Vec<_> = read(manifest).unwrap().iter().map(|target| target.id.to_string()).collect();
        let expect = ["ConfigMap shop/a", "Secret shop/b", "CustomResourceDefinition things.example.org", "Thing c"];
        assert_eq!(names, expect);
    }

    #[test]
    fn errors_name_the_template() {
        let deep_list = format!("{}a: 1", "{apiVersion: v1, kind: List, items: [".repeat(10));
        for (manifest, message) in [
            (
                "---\n# Source: web/templates/a.yaml\na: [\n",
                "web/templates/a.yaml: error converting YAML to JSON: yaml: ",
            ),
            ("---\n# Source: web/templates/a.yaml\n- a\n", "web/templates/a.yaml: a document is not an object"),
            (
                "# Source: web/a.yaml\nkind: ConfigMap\nmetadata: {name: x}\n",
                "web/a.yaml: a document is not a Kubernetes object: apiVersion is missing in \"x\"",
            ),
            ("metadata: {name: x}\n", "manifest: a document is not a Kubernetes object: kind is missing in \"x\""),
            ("apiVersion: v1\nkind: Secret\n", "manifest: Secret: metadata is missing"),
            (
                "apiVersion: v1\nkind: Secret\nmetadata: {name: 5}\n",
                "manifest: Secret: metadata.name must be a text, not 5: quote it",
            ),
            (
                "apiVersion: v1\nkind: Secret\nmetadata: {name: a, generateName: b}\n",
                "manifest: Secret: metadata.name and metadata.generateName",
            ),
            ("apiVersion: v1\nkind: SecretList\nitems: [5]\n", "manifest: an item of a SecretList is not an object"),
            (&deep_list, "manifest: "),
        ] {
            let error = read(manifest).unwrap_err().to_string();
            assert!(error.starts_with(message), "{error}");
        }
    }
}
