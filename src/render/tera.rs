//! Tera as a second engine, for charts that ask for it (`engine: tera` in a v1 Chart.yaml, else the annotation
//! `pintle.dev/engine: tera`). Templates see the same objects under the same names; `include` and inheritance work among
//! all Tera templates of the tree by full name. Nothing is escaped.
//!
//! Tera counts no steps, so a render is bounded by its output, by Tera's own limit on `range`, and by cancellation at the
//! next thing written.

use super::{Host, RenderError, RenderRequest, scope::ChartScope};
use crate::{
    chart::{File, MAX_DEPTH, Metadata},
    render::convert,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pintle_value::Value;
use std::{
    error::Error as _,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tera::{Context, Kwargs, State, Tera};

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
    let mut tera = Tera::new();
    tera.autoescape_on(Vec::<&str>::new());
    extend(&mut tera, &request.host);
    let texts: Vec<(&str, String)> =
        sources.iter().map(|s| (s.name, String::from_utf8_lossy(&s.file.data).into_owned())).collect();
    tera.add_raw_templates(texts.iter().map(|(name, text)| (*name, text.as_str()))).map_err(|e| failed(None, &e))?;
    let mut files = Vec::new();
    let mut left = usize::try_from(request.options.limits.bytes).unwrap_or(usize::MAX);
    for source in sources {
        if source.name.rsplit('/').next().is_some_and(|base| base.starts_with('_')) {
            continue;
        }
        let scope = &scopes[source.scope];
        scope.dot.insert("Template", super::scope::template(source.name, &scope.path));
        let context = Context::from_serialize(&to_json(&Value::Map(scope.dot.clone()), 0))
            .map_err(|e| failed(Some(source.name), &e))?;
        let mut out = Bounded { text: Vec::new(), left, cancel: request.options.cancel.clone() };
        tera.render_to(source.name, &context, &mut out).map_err(|e| failed(Some(source.name), &e))?;
        left = out.left;
        files.push((source.name.to_owned(), String::from_utf8_lossy(&out.text).into_owned()));
    }
    Ok(files)
}

fn failed(name: Option<&str>, error: &tera::Error) -> RenderError {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        text = format!("{text}: {source}");
        next = source.source();
    }
    RenderError::Template {
        text: match name {
            Some(name) if !text.contains(name) => format!("{name}: {text}"),
            _ => text,
        },
        diagnosis: Box::default(),
    }
}

/// What sprig has and YAML needs.
fn extend(tera: &mut Tera, host: &Arc<dyn Host>) {
    tera.register_filter("to_yaml", |value: tera::Value, _: Kwargs, _: &State<'_>| -> tera::TeraResult<String> {
        let json = serde_json::to_value(&value).map_err(tera::Error::message)?;
        let value = convert::json_to_value(&json).map_err(tera::Error::message)?;
        let text = pintle_yaml::encode_trimmed(&value).map_err(|e| tera::Error::message(e.to_string()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    });
    tera.register_filter("to_json", |value: tera::Value, _: Kwargs, _: &State<'_>| -> tera::TeraResult<String> {
        serde_json::to_string(&value).map_err(tera::Error::message)
    });
    tera.register_filter("b64encode", |value: String, _: Kwargs, _: &State<'_>| STANDARD.encode(value));
    tera.register_filter("quote", |value: tera::Value, _: Kwargs, _: &State<'_>| {
        pintle_golib::strconv::quote(value.to_string().as_bytes())
    });
    tera.register_filter("required", |value: tera::Value, args: Kwargs, _: &State<'_>| {
        let message: String = args.get("message")?.unwrap_or_else(|| "a required value is missing".into());
        if value.is_none() || value.as_str() == Some("") {
            return Err(tera::Error::message(message));
        }
        Ok(value)
    });
    tera.register_function("fail", |args: Kwargs, _: &State<'_>| -> tera::TeraResult<String> {
        Err(tera::Error::message(args.must_get::<String>("message")?))
    });
    let host = Arc::clone(host);
    tera.register_function("lookup", move |args: Kwargs, _: &State<'_>| -> tera::TeraResult<tera::Value> {
        let text = |key: &'static str| args.get::<String>(key).map(Option::unwrap_or_default);
        let found = host
            .lookup(&text("api_version")?, &text("kind")?, &text("namespace")?, &text("name")?)
            .map_err(tera::Error::message)?;
        Ok(tera::Value::from_serializable(&to_json(&found, 0)))
    });
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

/// Output that ends at a limit or when the render is cancelled.
struct Bounded {
    text: Vec<u8>,
    left: usize,
    cancel: Option<Arc<AtomicBool>>,
}

impl Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.cancel.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(io::Error::other("the render was cancelled"));
        }
        self.left = self
            .left
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("the render makes more text than allowed"))?;
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
