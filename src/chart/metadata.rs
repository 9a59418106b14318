//! Chart.yaml and Chart.lock: typed, with the coercions of Helm's way through YAML and JSON, and Helm's validation.

use super::Frozen;
use pintle_value::{Value, json};
use serde::Serialize;
use std::collections::BTreeMap;

/// What Chart.yaml says.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Metadata {
    /// The chart's name; in a tree of charts, its alias.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// The project's home page.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub home: String,
    /// Where the sources are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<String>,
    /// The chart's version, a semantic version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// One sentence.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Words to search by.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub keywords: Vec<String>,
    /// Who to ask.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub maintainers: Vec<Maintainer>,
    /// Address of a picture.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub icon: String,
    /// `v1`, `v2` or `v3`; absent is `v1`.
    #[serde(rename = "apiVersion", skip_serializing_if = "String::is_empty")]
    pub api_version: String,
    /// Conditions that enable the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags of the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub tags: String,
    /// The version of what the chart deploys.
    #[serde(rename = "appVersion", skip_serializing_if = "String::is_empty")]
    pub app_version: String,
    /// Whether the chart is not to be used any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub deprecated: bool,
    /// Free notes, read by others.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// The Kubernetes versions that the chart works with, a constraint.
    #[serde(rename = "kubeVersion", skip_serializing_if = "String::is_empty")]
    pub kube_version: String,
    /// The charts that this one needs.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<Dependency>,
    /// `application`, `library` or empty.
    #[serde(rename = "type", skip_serializing_if = "String::is_empty")]
    pub kind: String,
    /// The template engine of old charts: empty, `gotpl` or `tera`. Not part of Helm's own data.
    #[serde(skip)]
    pub engine: String,
}

/// A person or group.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[allow(missing_docs)]
pub struct Maintainer {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub email: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
}

/// A chart that another one needs.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Dependency {
    /// The needed chart's name; after processing, the alias if there is one.
    pub name: String,
    /// A version constraint.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Where it comes from.
    pub repository: String,
    /// Comma-separated paths in the values, the first of which that is a bool enables or disables the chart.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub condition: String,
    /// Tags that enable or disable the chart.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tags: Vec<String>,
    /// Whether tags and conditions left it enabled; set by processing.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub enabled: bool,
    /// What to import into the parent's values: texts or `{child, parent}` tables.
    #[serde(rename = "import-values", serialize_with = "as_json", skip_serializing_if = "Vec::is_empty")]
    pub import_values: Vec<Frozen>,
    /// Another name for the chart in this place.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub alias: String,
}

/// Chart.lock: the dependencies as resolved.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lock {
    /// When, RFC 3339.
    pub generated: String,
    /// Digest of what was asked for.
    pub digest: String,
    /// What was found.
    pub dependencies: Vec<Dependency>,
}

impl Metadata {
    /// Reads a decoded Chart.yaml.
    ///
    /// # Errors
    /// The text of Go's JSON decoder, where a field has the wrong type.
    pub fn read(value: &Value) -> Result<Self, String> {
        let mut md = Self::default();
        read_fields(value, "Metadata", "chart.Metadata", |field, at, v| {
            match field {
                "name" => md.name = text(v, at)?,
                "home" => md.home = text(v, at)?,
                "sources" => md.sources = texts(v, at)?,
                "version" => md.version = text(v, at)?,
                "description" => md.description = text(v, at)?,
                "keywords" => md.keywords = texts(v, at)?,
                "maintainers" => md.maintainers = each(v, at, "[]*chart.Maintainer", |v| maintainer(v, at))?,
                "icon" => md.icon = text(v, at)?,
                "apiversion" => md.api_version = text(v, at)?,
                "condition" => md.condition = text(v, at)?,
                "tags" => md.tags = text(v, at)?,
                "appversion" => md.app_version = text(v, at)?,
                "deprecated" => md.deprecated = boolean(v, at)?,
                "annotations" => md.annotations = text_map(v, at)?,
                "kubeversion" => md.kube_version = text(v, at)?,
                "dependencies" => {
                    md.dependencies = each(v, at, "[]*chart.Dependency", |v| Dependency::read(v, at))?;
                }
                "type" => md.kind = text(v, at)?,
                // Helm does not know the field any more, so a wrong type is no error.
                "engine" => md.engine = text(v, at).unwrap_or_default(),
                _ => {}
            }
            Ok(())
        })?;
        Ok(md)
    }

    /// Whether the chart is a library, which renders nothing of its own.
    pub fn is_library(&self) -> bool {
        self.kind.eq_ignore_ascii_case("library")
    }

    /// Cleans the texts and checks the rules, in Helm's order and words.
    ///
    /// # Errors
    /// `validation: …`
    pub fn validate(&mut self) -> Result<(), String> {
        self.clean();
        self.rules().map_err(|why| format!("validation: {why}"))
    }

    fn clean(&mut self) {
        for text in [
            &mut self.name,
            &mut self.description,
            &mut self.home,
            &mut self.icon,
            &mut self.condition,
            &mut self.tags,
            &mut self.app_version,
            &mut self.kube_version,
        ] {
            clean_text(text);
        }
        self.sources.iter_mut().for_each(clean_text);
        self.keywords.iter_mut().for_each(clean_text);
        for m in &mut self.maintainers {
            [&mut m.name, &mut m.email, &mut m.url].into_iter().for_each(clean_text);
        }
        for d in &mut self.dependencies {
            [&mut d.name, &mut d.version, &mut d.repository, &mut d.condition].into_iter().for_each(clean_text);
            d.tags.iter_mut().for_each(clean_text);
        }
    }

    fn rules(&self) -> Result<(), String> {
        if self.api_version.is_empty() {
            return Err("chart.metadata.apiVersion is required".into());
        }
        if self.name.is_empty() {
            return Err("chart.metadata.name is required".into());
        }
        if self.name == "." || self.name == ".." {
            return Err(format!("chart.metadata.name {:?} is not allowed", self.name));
        }
        if self.name.contains('/') {
            return Err(format!("chart.metadata.name {:?} is invalid", self.name));
        }
        if self.version.is_empty() {
            return Err("chart.metadata.version is required".into());
        }
        if pintle_golib::semver::Version::parse(&self.version).is_err() {
            return Err(format!("chart.metadata.version {:?} is invalid", self.version));
        }
        if !matches!(self.kind.as_str(), "" | "application" | "library") {
            return Err("chart.metadata.type must be application or library".into());
        }
        let mut seen = Vec::new();
        for d in &self.dependencies {
            let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
            if !d.alias.chars().all(word) {
                return Err(format!("dependency {:?} has disallowed characters in the alias", d.name));
            }
            let key = if d.alias.is_empty() { &d.name } else { &d.alias };
            if seen.contains(&key) {
                return Err(format!("more than one dependency with name or alias {key:?}"));
            }
            seen.push(key);
        }
        Ok(())
    }
}

impl Dependency {
    fn read(value: &Value, at: &str) -> Result<Self, String> {
        if matches!(value, Value::Nil) {
            return Err("validation: dependencies must not contain empty or null nodes".into());
        }
        let mut d = Self::default();
        read_fields(value, at, "chart.Dependency", |field, at, v| {
            match field {
                "name" => d.name = text(v, at)?,
                "version" => d.version = text(v, at)?,
                "repository" => d.repository = text(v, at)?,
                "condition" => d.condition = text(v, at)?,
                "tags" => d.tags = texts(v, at)?,
                "enabled" => d.enabled = boolean(v, at)?,
                "import-values" => {
                    d.import_values = each(v, at, "[]interface {}", |v| Frozen::of(v).map_err(|e| e.to_string()))?;
                }
                "alias" => d.alias = text(v, at)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok(d)
    }
}

impl Lock {
    /// Reads a decoded Chart.lock or requirements.lock.
    ///
    /// # Errors
    /// As [`Metadata::read`].
    pub fn read(value: &Value) -> Result<Self, String> {
        let mut lock = Self::default();
        read_fields(value, "Lock", "chart.Lock", |field, at, v| {
            match field {
                "generated" => lock.generated = text(v, at)?,
                "digest" => lock.digest = text(v, at)?,
                "dependencies" => {
                    lock.dependencies = each(v, at, "[]*chart.Dependency", |v| Dependency::read(v, at))?;
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(lock)
    }
}

fn maintainer(value: &Value, at: &str) -> Result<Maintainer, String> {
    if matches!(value, Value::Nil) {
        return Err("validation: maintainers must not contain empty or null nodes".into());
    }
    let mut m = Maintainer::default();
    read_fields(value, at, "chart.Maintainer", |field, at, v| {
        match field {
            "name" => m.name = text(v, at)?,
            "email" => m.email = text(v, at)?,
            "url" => m.url = text(v, at)?,
            _ => {}
        }
        Ok(())
    })?;
    Ok(m)
}

/// Calls `set` with each field's name in lower case (Go's JSON matches names without regard to case), the field's
/// place for error texts, and its value; nulls leave the field as it is.
fn read_fields(
    value: &Value,
    at: &str,
    go_type: &str,
    mut set: impl FnMut(&str, &str, &Value) -> Result<(), String>,
) -> Result<(), String> {
    let map = match value {
        Value::Nil => return Ok(()),
        Value::Map(map) => map,
        other => return Err(cannot(other, at, go_type)),
    };
    for (key, value) in map.entries().iter() {
        if matches!(value, Value::Nil) {
            continue;
        }
        let key = key.to_str_lossy();
        set(&key.to_ascii_lowercase(), &format!("{at}.{key}"), value)?;
    }
    Ok(())
}

fn cannot(value: &Value, at: &str, go_type: &str) -> String {
    let place = if at.contains('.') { format!("Go struct field {at}") } else { "Go value".to_owned() };
    json::mismatch(value, &format!("{place} of type {go_type}"))
}

fn text(value: &Value, at: &str) -> Result<String, String> {
    match value {
        Value::Nil => Ok(String::new()),
        other => pintle_yaml::text_of(other).map(|t| t.to_string()).ok_or_else(|| cannot(other, at, "string")),
    }
}

fn boolean(value: &Value, at: &str) -> Result<bool, String> {
    match value {
        Value::Bool(b) => Ok(*b),
        other => Err(cannot(other, at, "bool")),
    }
}

fn texts(value: &Value, at: &str) -> Result<Vec<String>, String> {
    each(value, at, "[]string", |v| text(v, at))
}

fn each<T>(
    value: &Value,
    at: &str,
    go_type: &str,
    read: impl FnMut(&Value) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    match value {
        Value::List(list) => list.items().iter().map(read).collect(),
        other => Err(cannot(other, at, go_type)),
    }
}

fn text_map(value: &Value, at: &str) -> Result<BTreeMap<String, String>, String> {
    match value {
        Value::Map(map) => {
            map.entries().iter().map(|(k, v)| Ok((k.to_str_lossy().into_owned(), text(v, at)?))).collect()
        }
        other => Err(cannot(other, at, "map[string]string")),
    }
}

/// Every space becomes a plain one and what cannot be printed goes.
fn clean_text(text: &mut String) {
    if text.bytes().all(|b| (b' '..=b'~').contains(&b)) {
        return;
    }
    *text = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c })
        .filter(|c| *c == ' ' || pintle_golib::unicode::is_print(*c))
        .collect();
}

fn as_json<S: serde::Serializer>(values: &[Frozen], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(values.iter().map(serde_json::Value::from))
}
