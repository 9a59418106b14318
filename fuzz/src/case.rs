//! A case: a chart with one template and what it is rendered with; and what our engine makes of it.

use pintle::{
    chart::{Chart, File, Frozen, load, strvals, values},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderRequest, render, render_files},
};
use pintle_value::{Map, Value};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, OnceLock},
};

/// A chart named `c`, version 1.2.3, and the values for it. `e2e/oracle` reads the same fields.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Case {
    /// Which one: its place in a run.
    pub id: u64,
    /// `templates/t.yaml`
    pub template: String,
    /// More files under `templates/`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub partials: BTreeMap<String, String>,
    /// Files outside of `templates/`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub files: BTreeMap<String, String>,
    /// The chart's values.yaml.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub defaults: serde_json::Map<String, serde_json::Value>,
    /// Subcharts, with their values.yaml.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub subcharts: BTreeMap<String, serde_json::Map<String, serde_json::Value>>,
    /// `dependencies` of Chart.yaml.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dependencies: Vec<serde_json::Value>,
    /// The user's values.
    #[serde(skip_serializing_if = "serde_json::Map::is_empty")]
    pub values: serde_json::Map<String, serde_json::Value>,
    /// Instead of them: a values file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// Settings laid over the values: `set`, `set-string`, `set-json` or `set-literal`, and its text.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sets: Vec<(String, String)>,
    /// Whether the manifest is asked for instead of the template's text.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub manifest: bool,
}

/// What an engine made of a case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The text.
    Output(String),
    /// Why there is none.
    Error(String),
    /// It broke.
    Panic(String),
    /// A limit that Helm does not have was met: nothing can be compared.
    Limit(String),
}

/// Steps of a case: far fewer than the default, so that no case takes long.
const STEPS: u64 = 3_000_000;

fn file(name: String, data: Vec<u8>) -> File {
    File { name: Arc::from(name), data: Arc::from(data) }
}

fn capabilities() -> Arc<Capabilities> {
    static CAPABILITIES: OnceLock<Arc<Capabilities>> = OnceLock::new();
    Arc::clone(CAPABILITIES.get_or_init(Arc::default))
}

impl Case {
    /// What our engine makes of it. Needs a stack as [`with_stack`] gives it.
    pub fn answer(&self) -> Answer {
        let answered = catch_unwind(AssertUnwindSafe(|| self.render()));
        match answered {
            Ok(Ok(text)) => Answer::Output(text),
            Ok(Err(text)) if is_limit(&text) => Answer::Limit(text),
            Ok(Err(text)) => Answer::Error(text),
            Err(cause) => {
                let text = cause.downcast_ref::<String>().map(String::as_str);
                let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
                Answer::Panic(text.unwrap_or("no message").to_owned())
            }
        }
    }

    fn files(&self) -> Vec<File> {
        let about = |name: &str| serde_json::json!({ "apiVersion": "v2", "name": name, "version": "1.2.3", "appVersion": "4.5.6" });
        let mut metadata = about("c");
        if !self.dependencies.is_empty() {
            metadata["dependencies"] = self.dependencies.clone().into();
        }
        let mut files = vec![
            file("Chart.yaml".into(), metadata.to_string().into()),
            file("templates/t.yaml".into(), self.template.clone().into()),
        ];
        let partials = self.partials.iter().map(|(name, text)| (format!("templates/{name}"), text));
        let others = self.files.iter().map(|(name, text)| (name.clone(), text));
        files.extend(partials.chain(others).map(|(name, text)| file(name, text.clone().into())));
        for name in self.subcharts.keys() {
            files.push(file(format!("charts/{name}/Chart.yaml"), about(name).to_string().into()));
        }
        files
    }

    /// The chart, its default values put in as they are: as text they would be read by one more reader.
    fn chart(&self) -> Result<Chart, String> {
        let values = |map: &serde_json::Map<String, serde_json::Value>| {
            Frozen::try_from(&serde_json::Value::Object(map.clone())).map_err(|e| e.to_string())
        };
        let mut chart = load::files(self.files(), &load::Limits::default()).map_err(|e| e.to_string())?;
        chart.values = values(&self.defaults)?;
        for child in &mut chart.dependencies {
            if let Some(defaults) = self.subcharts.get(&child.metadata.name) {
                Arc::make_mut(child).values = values(defaults)?;
            }
        }
        Ok(chart)
    }

    fn user_values(&self) -> Result<Frozen, String> {
        let map: Map = match &self.document {
            Some(text) => values::from_yaml(text.as_bytes()).map_err(|e| e.to_string())?,
            None => {
                let json = serde_json::Value::Object(self.values.clone());
                Frozen::try_from(&json).map_err(|e| e.to_string())?.thaw_table()
            }
        };
        for (how, text) in &self.sets {
            match how.as_str() {
                "set" => strvals::set(text, &map),
                "set-string" => strvals::set_string(text, &map),
                "set-json" => strvals::set_json(text, &map),
                "set-literal" => strvals::set_literal(text, &map),
                _ => Err(format!("no such way to set: {how}")),
            }?;
        }
        Frozen::of(&Value::Map(map)).map_err(|e| e.to_string())
    }

    fn render(&self) -> Result<String, String> {
        let values = self.user_values()?;
        let chart = self.chart()?;
        let mut options = Options::default();
        options.limits.steps = STEPS;
        let request = RenderRequest {
            chart: Arc::new(CompiledChart::new(Arc::new(chart))),
            values,
            release: Release { name: "rel".into(), namespace: "ns".into(), revision: 1, is_upgrade: false },
            capabilities: capabilities(),
            options,
            host: Arc::new(Machine),
        };
        if self.manifest {
            return manifest(&request);
        }
        let (files, _) = render_files(&request).map_err(|e| e.to_string())?;
        let text = files.into_iter().find(|(name, _)| name == "c/templates/t.yaml").map(|(_, text)| text);
        Ok(text.unwrap_or_default())
    }
}

/// The manifest and, after it, what became of each hook.
fn manifest(request: &RenderRequest) -> Result<String, String> {
    let rendered = render(request).map_err(|e| e.to_string())?;
    let mut text = rendered.manifest;
    for hook in rendered.hooks {
        let events: Vec<&str> = hook.events.iter().map(|event| event.as_str()).collect();
        text += &format!(
            "---\n# Hook: {} {} {} {} [{}] [{}]\n{}\n",
            hook.path,
            hook.kind,
            hook.name,
            hook.weight,
            events.join(" "),
            hook.delete_policies.join(" "),
            hook.manifest
        );
    }
    Ok(text)
}

/// Whether an error is one of ours alone.
fn is_limit(text: &str) -> bool {
    const WORDS: [&str; 6] = [
        "more than the limit of",
        "the render takes more than",
        "the render makes more than",
        "levels within each other",
        "values are nested more than",
        "exceeded max depth of",
    ];
    WORDS.iter().any(|words| text.contains(words))
}

/// Runs on a thread whose stack holds the deepest nesting of templates.
///
/// # Panics
/// If there is no such thread to be had, or if `run` panics.
pub fn with_stack<T: Send + 'static>(run: impl FnOnce() -> T + Send + 'static) -> T {
    let thread =
        std::thread::Builder::new().stack_size(512 << 20).spawn(run).expect("a thread with half a GiB of stack");
    match thread.join() {
        Ok(done) => done,
        Err(cause) => std::panic::resume_unwind(cause),
    }
}
