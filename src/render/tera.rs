//! Tera as a second engine, for charts that ask for it (`engine: tera` in a v1 Chart.yaml, else the annotation
//! `pintle.dev/engine: tera`). Templates see the same objects under the same names and may call Helm's functions; nothing
//! is escaped. docs/tera.md is its manual.

mod filters;
mod functions;
mod meter;
mod metered;

use super::{RenderError, RenderRequest, convert, scope::ChartScope};
use crate::chart::{File, MAX_DEPTH, Metadata};
use meter::Meter;
use metered::Metered;
use pintle_template::{Diagnosis, Hint};
use pintle_value::Value;
use std::{
    collections::{HashMap, HashSet},
    io::{self, Write},
    sync::Arc,
};
use tera::{Context, ErrorKind, Tera};

/// Whether a chart's templates are Tera's.
pub(super) fn is_engine_of(metadata: &Metadata) -> bool {
    let wanted = if metadata.api_version == "v1" && !metadata.engine.is_empty() {
        &metadata.engine
    } else {
        match metadata.annotations.get("pintle.dev/engine") {
            Some(wanted) => wanted,
            None => return false,
        }
    };
    wanted.eq_ignore_ascii_case("tera")
}

/// A template: its full name, its text, and the place of its scope.
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) file: &'a File,
    pub(super) scope: usize,
}

/// Renders all templates that are no partials.
pub(super) fn render(
    request: &RenderRequest,
    scopes: &[ChartScope<'_>],
    sources: &[Source<'_>],
) -> Result<Vec<(String, String)>, RenderError> {
    let longest = sources.iter().map(|source| source.file.data.len()).max().unwrap_or_default();
    let metered = |source: &Source<'_>| Metered::of(&String::from_utf8_lossy(&source.file.data), longest);
    let texts: HashMap<&str, Metered> = sources.iter().map(|source| (source.name, metered(source))).collect();
    let meter = Arc::new(Meter::new(&request.options));
    let mut engines: HashMap<usize, (Tera, Context)> = HashMap::new();
    let mut files = Vec::new();
    for source in sources {
        if source.name.rsplit('/').next().is_some_and(|base| base.starts_with('_')) {
            continue;
        }
        let scope = &scopes[source.scope];
        let (tera, context) = match engines.entry(source.scope) {
            std::collections::hash_map::Entry::Occupied(there) => there.into_mut(),
            std::collections::hash_map::Entry::Vacant(place) => {
                let tera = engine(request, scopes, sources, source.scope, &texts, &meter)?;
                let context = Context::from_serialize(&to_json(&Value::Map(scope.dot.clone()), 0))
                    .map_err(|error| failed(source.name, &error, &texts))?;
                place.insert((tera, context))
            }
        };
        let template = to_json(&super::scope::template(source.name, &scope.path), 0);
        let template =
            tera::Value::try_from_serializable(&template).map_err(|error| failed(source.name, &error, &texts))?;
        context.insert_value("Template", template);
        let mut out = Bounded { text: Vec::new(), meter: &meter };
        tera.render_to(source.name, context, &mut out).map_err(|error| failed(source.name, &error, &texts))?;
        files.push((source.name.to_owned(), String::from_utf8_lossy(&out.text).into_owned()));
    }
    Ok(files)
}

/// The engine of a chart: it knows the templates of the chart, of the charts above and of those below it, and finds them
/// by their full names or by those within their own `templates` folder, the chart's own first.
fn engine(
    request: &RenderRequest,
    scopes: &[ChartScope<'_>],
    sources: &[Source<'_>],
    own: usize,
    texts: &HashMap<&str, Metered>,
    meter: &Arc<Meter>,
) -> Result<Tera, RenderError> {
    let path = &scopes[own].path;
    let within = |inner: &str, outer: &str| inner.strip_prefix(outer).is_some_and(|rest| rest.starts_with('/'));
    let related = |other: &str| other == path || within(path, other) || within(other, path);
    let known: Vec<&Source<'_>> = sources.iter().filter(|s| related(&scopes[s.scope].path)).collect();
    let mut seen = HashSet::new();
    let mut charts: Vec<&str> =
        known.iter().map(|s| scopes[s.scope].path.as_str()).filter(|path| seen.insert(*path)).collect();
    // The chart's own, then those above it, the nearest first, then those below.
    charts.sort_by_key(|other| (*other != path, within(other, path), std::cmp::Reverse(other.len()), *other));
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    let fail = |error: &tera::Error| failed(&format!("{path}/templates"), error, texts);
    tera.set_fallback_prefixes(charts.iter().map(|chart| format!("{chart}/templates/"))).map_err(|e| fail(&e))?;
    meter::register(&mut tera, meter);
    filters::register(&mut tera, meter);
    functions::register(&mut tera, request, &scopes[own].chart.chart.files, meter);
    let texts: Vec<(&str, &str)> =
        known.iter().filter_map(|s| texts.get(s.name).map(|text| (s.name, text.text.as_str()))).collect();
    tera.add_raw_templates(texts).map_err(|e| fail(&e))?;
    Ok(tera)
}

/// An error with the file and the line, as far as Tera knows them.
fn failed(name: &str, error: &tera::Error, texts: &HashMap<&str, Metered>) -> RenderError {
    let mut text = String::new();
    let mut diagnosis = Diagnosis::default();
    let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = next {
        let (kind, message, place) = match error.downcast_ref::<tera::Error>().map(tera::Error::kind) {
            Some(ErrorKind::SyntaxError(report)) => (
                "parse",
                report.message().to_owned(),
                Some((report.filename().to_owned(), report.span().range.clone())),
            ),
            Some(ErrorKind::RenderingError(report)) => (
                "execution",
                report.message().to_owned(),
                Some((report.filename().to_owned(), report.span().range.clone())),
            ),
            Some(kind) => match reported(&kind.to_string(), texts) {
                Some((message, file, at)) => ("parse", message, Some((file, at..at))),
                None => ("", kind.to_string(), None),
            },
            None => ("", error.to_string(), None),
        };
        // A message may be followed by a picture of the source.
        let mut told = message.lines().next().unwrap_or_default().to_owned();
        if let Some((file, range)) = place {
            let file = if file.is_empty() { name.to_owned() } else { file };
            if let Some(metered) = texts.get(file.as_str()) {
                let (start, end) = (metered.original(range.start), metered.original(range.end));
                let here = Diagnosis::of_range(file.as_str(), metered.source.as_bytes(), start, end);
                if let Some(link) = here.place() {
                    told = format!("{kind} error at ({file}:{}:{}): {told}", link.line, link.column);
                }
                if diagnosis.is_empty() {
                    diagnosis = here;
                }
            }
        }
        if !text.contains(&told) {
            let gap = if text.is_empty() { "" } else { ": " };
            text = format!("{text}{gap}{told}");
        }
        next = error.source();
    }
    if diagnosis.is_empty() {
        text = format!("{name}: {text}");
    } else if let Some(hint) = hint(&text) {
        diagnosis = diagnosis.with(hint);
    }
    RenderError::Template { text, diagnosis: Box::new(diagnosis) }
}

/// What Tera finds when it links templates it tells as a text only: `error: MESSAGE`, and below it ` --> FILE:LINE:COLUMN`.
/// The message, the file and the place in its metered text.
fn reported(text: &str, texts: &HashMap<&str, Metered>) -> Option<(String, String, usize)> {
    let mut lines = text.lines();
    let message = lines.next()?.strip_prefix("error: ")?;
    let mut place = lines.next()?.trim_start().strip_prefix("--> ")?.rsplitn(3, ':');
    let (column, line) = (place.next()?.parse::<usize>().ok()?, place.next()?.parse::<usize>().ok()?);
    let file = place.next()?;
    let source = &texts.get(file)?.text;
    let start: usize = source.split_inclusive('\n').take(line.checked_sub(1)?).map(str::len).sum();
    let row = source.get(start..)?;
    let within: usize = row.chars().take(column.saturating_sub(1)).map(char::len_utf8).sum();
    Some((message.to_owned(), file.to_owned(), start + within))
}

/// What the objects are called, where somebody writes Go's dot or a small letter.
fn hint(text: &str) -> Option<Hint> {
    let names = ["Values", "Release", "Chart", "Files", "Capabilities", "Template", "Subcharts"];
    let lower = text.to_lowercase();
    let found = names.iter().find(|name| lower.contains(&format!("`{}`", name.to_lowercase())))?;
    (!text.contains(&format!("`{found}`"))).then(|| Hint::Text(format!("the object is called `{found}`")))
}

/// What templates see, as data. Too deep a nesting ends in null.
fn to_json(value: &Value, depth: usize) -> serde_json::Value {
    if depth > MAX_DEPTH {
        return serde_json::Value::Null;
    }
    match value {
        Value::Map(map) => map
            .entries()
            .iter()
            .map(|(key, value)| (key.to_str_lossy().into_owned(), to_json(value, depth + 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::List(list) => list.items().iter().map(|item| to_json(item, depth + 1)).collect(),
        Value::Object(object) => object
            .fields()
            .into_iter()
            .map(|(name, value)| (name.to_owned(), to_json(&value, depth + 1)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Value::Bytes(bytes) => String::from_utf8_lossy(bytes).into_owned().into(),
        other => convert::value_to_json(other).unwrap_or_default(),
    }
}

/// Output that counts against the render's limit.
struct Bounded<'a> {
    text: Vec<u8>,
    meter: &'a Meter,
}

impl Write for Bounded<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.meter.write(bytes.len()).map_err(io::Error::other)?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
