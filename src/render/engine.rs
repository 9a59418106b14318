//! Go templates: all files of all charts in one set, parsed once per chart and executed in Helm's order.

use super::{
    RenderError, RenderRequest, failure,
    functions::functions,
    host::{Environment, Host},
    scope::{self, ChartScope, VALUES},
    tera,
};
use crate::chart::{
    Chart, File,
    dependencies::Instance,
    schema::{self, Schema},
};
use pintle_template::{MissingKey, ParseError, Run, Set, Template};
use pintle_value::{MapKind, Value};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

type Parsed = Result<Arc<Template>, ParseError>;

/// Bytes of templates for which it is worth having another thread parse: some milliseconds, where starting one takes
/// hundredths.
const SHARE: usize = 64 << 10;

/// What such a thread may put on its stack.
const STACK: usize = 8 << 20;

/// How many threads there may be besides the one that renders: one for each other core, a few at most.
fn others() -> usize {
    static CORES: OnceLock<usize> = OnceLock::new();
    const MOST: usize = 4;
    CORES.get_or_init(|| std::thread::available_parallelism().map_or(1, usize::from).min(MOST)) - 1
}

/// A chart with its templates and schemas as they were compiled so far. Shared by all renders of the chart; what one
/// of them compiles all others use.
pub struct CompiledChart {
    chart: Arc<Chart>,
    // By the template's full name, since errors show it, and by the place of the text: two charts of one name may be
    // in the tree.
    templates: Mutex<HashMap<(String, usize), Parsed>>,
    schemas: Mutex<HashMap<usize, Arc<Result<Schema, String>>>>,
}

impl CompiledChart {
    /// Nothing is compiled before it is needed.
    pub fn new(chart: Arc<Chart>) -> Self {
        Self { chart, templates: Mutex::default(), schemas: Mutex::default() }
    }

    /// The chart.
    pub fn chart(&self) -> &Arc<Chart> {
        &self.chart
    }

    /// The templates of these files, in their order. What has to be parsed is shared out among the cores if it is much.
    fn templates(&self, sources: &[Source<'_>]) -> Vec<Parsed> {
        let lock = || self.templates.lock().unwrap_or_else(PoisonError::into_inner);
        let mut found: Vec<Option<Parsed>> = {
            let templates = lock();
            sources.iter().map(|source| templates.get(&source.key()).cloned()).collect()
        };
        let missing: Vec<usize> = (0..sources.len()).filter(|at| found[*at].is_none()).collect();
        if missing.is_empty() {
            return found.into_iter().flatten().collect();
        }
        let bytes: usize = missing.iter().map(|at| sources[*at].file.data.len()).sum();
        let next = AtomicUsize::new(0);
        let parse = || {
            let mut parsed = Vec::new();
            while let Some(at) = missing.get(next.fetch_add(1, Ordering::Relaxed)) {
                let source = &sources[*at];
                let template = Template::parse(&source.name, Arc::clone(&source.file.data), functions());
                parsed.push((*at, template.map(Arc::new)));
            }
            parsed
        };
        let parsed = std::thread::scope(|scope| {
            // One that cannot be had leaves its share to the others.
            let others: Vec<_> = (0..(bytes / SHARE).min(others()))
                .filter_map(|_| std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, parse).ok())
                .collect();
            let mut parsed = parse();
            for other in others {
                match other.join() {
                    Ok(more) => parsed.extend(more),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            parsed
        });
        let mut templates = lock();
        for (at, template) in parsed {
            // Another render may have been faster: all use the same.
            found[at] = Some(templates.entry(sources[at].key()).or_insert(template).clone());
        }
        // None is missing any more.
        found.into_iter().flatten().collect()
    }

    /// The schema of a chart in the tree. Addresses that it refers to are read by the host of the render that compiles it.
    pub(super) fn schema(&self, chart: &Instance, host: &Arc<dyn Host>) -> Option<Arc<Result<Schema, String>>> {
        let text = chart.chart.schema.as_ref()?;
        let mut schemas = self.schemas.lock().unwrap_or_else(PoisonError::into_inner);
        let key = text.as_ptr() as usize;
        let compile = || {
            let host = Arc::clone(host);
            let fetch: Arc<schema::Fetch> = Arc::new(move |address| host.schema(address));
            Arc::new(schema::compile(text, &fetch))
        };
        Some(Arc::clone(schemas.entry(key).or_insert_with(compile)))
    }
}

/// A file that is a template.
struct Source<'a> {
    name: String,
    /// How many slashes the name has.
    depth: usize,
    file: &'a File,
    scope: usize,
}

impl Source<'_> {
    fn key(&self) -> (String, usize) {
        (self.name.clone(), self.file.data.as_ptr() as usize)
    }
}

/// The base name of a path.
fn base(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or(name)
}

/// The templates of all charts, in the order in which they are parsed and executed: deep ones first, and from z to a.
fn sources<'a>(scopes: &'a [ChartScope<'a>]) -> Vec<Source<'a>> {
    let mut sources = Vec::new();
    for (at, scope) in scopes.iter().enumerate() {
        let library = scope.chart.metadata.is_library();
        for file in &scope.chart.chart.templates {
            if library && !base(&file.name).starts_with('_') {
                continue;
            }
            let name = format!("{}/{}", scope.path, file.name);
            sources.push(Source { depth: name.bytes().filter(|b| *b == b'/').count(), name, file, scope: at });
        }
    }
    sources.sort_by(|a, b| b.depth.cmp(&a.depth).then_with(|| b.name.cmp(&a.name)));
    // Two files of one name: one of them wins, as in Helm's map.
    sources.dedup_by(|later, earlier| later.name == earlier.name);
    sources
}

/// Renders every file that is no partial, each with the engine of its chart.
pub(super) fn render(request: &RenderRequest, scopes: &[ChartScope<'_>]) -> Result<Vec<(String, String)>, RenderError> {
    let (others, sources): (Vec<_>, Vec<_>) =
        sources(scopes).into_iter().partition(|s| tera::is_engine_of(&scopes[s.scope].chart.metadata));
    let mut files = go_templates(request, scopes, &sources)?;
    if !others.is_empty() {
        let others: Vec<_> =
            others.iter().map(|s| tera::Source { name: &s.name, file: s.file, scope: s.scope }).collect();
        files.extend(tera::render(request, scopes, &others)?);
    }
    Ok(files)
}

fn go_templates(
    request: &RenderRequest,
    scopes: &[ChartScope<'_>],
    sources: &[Source<'_>],
) -> Result<Vec<(String, String)>, RenderError> {
    let mut set = Set::new("gotpl");
    for template in request.chart.templates(sources) {
        set.add(template.map_err(|e| failure::of_parsing(&e))?);
    }
    let options = pintle_template::Options {
        missing_key: if request.options.strict { MissingKey::Error } else { MissingKey::Zero },
        limits: request.options.limits,
        cancel: request.options.cancel.clone(),
    };
    let environment = Environment::new(Arc::clone(&request.host), request.options.lint);
    let mut run = Run::new(&set, functions(), &environment, &options);
    let dots: Vec<Value> = scopes.iter().map(|s| Value::Map(s.dot.view(MapKind::Named(&VALUES)))).collect();
    let mut files = Vec::new();
    for source in sources {
        if base(&source.name).starts_with('_') {
            continue;
        }
        let scope = &scopes[source.scope];
        scope.dot.insert("Template", scope::template(&source.name, &scope.path));
        let mut out = Vec::with_capacity(source.file.data.len());
        run.execute(&source.name, dots[source.scope].clone(), &mut out).map_err(|e| failure::of_execution(&e))?;
        files.push((source.name.clone(), without_no_value(out)));
    }
    Ok(files)
}

/// What is missing prints as `<no value>`, which Helm takes out of every file.
fn without_no_value(out: Vec<u8>) -> String {
    let text = String::from_utf8(out).unwrap_or_else(|e| String::from_utf8_lossy(e.as_bytes()).into_owned());
    if memchr::memmem::find(text.as_bytes(), b"<no value>").is_some() { text.replace("<no value>", "") } else { text }
}
