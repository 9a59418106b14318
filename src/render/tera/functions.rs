//! What Tera's templates can call: Helm's functions under one name, and the usual ones under their own.

use super::{meter::Meter, to_json};
use crate::{
    chart::File,
    render::{Host, RenderRequest, convert, functions::functions, host::Environment},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use pintle_golib::{glob::Glob, strconv};
use pintle_template::{Limits, Options, Run, Set, Template};
use pintle_value::{List, Map, Value};
use std::sync::Arc;
use tera::{Error, Kwargs, State, Tera, TeraResult};

/// What one of Helm's functions may use up. (Those that execute templates run on the thread's stack.)
const LIMITS: Limits = Limits { steps: 10_000_000, bytes: 64 << 20, depth: 1000, nesting: 100 };

/// Helm's functions that take one value and are often used, as filters of their own: Tera's name, Helm's name.
const FILTERS: [(&str, &str); 12] = [
    ("to_yaml", "toYaml"),
    ("to_json", "toJson"),
    ("to_toml", "toToml"),
    ("from_yaml", "fromYaml"),
    ("from_json", "fromJson"),
    ("b64encode", "b64enc"),
    ("b64decode", "b64dec"),
    ("sha256sum", "sha256sum"),
    ("quote", "quote"),
    ("squote", "squote"),
    ("kebabcase", "kebabcase"),
    ("to_string", "toString"),
];

/// Makes all of them known.
pub(super) fn register(tera: &mut Tera, request: &RenderRequest, files: &[File], meter: &Arc<Meter>) {
    let helm = Arc::new(Helm { host: Arc::clone(&request.host), lint: request.options.lint, meter: Arc::clone(meter) });
    for (name, function) in FILTERS {
        let helm = Arc::clone(&helm);
        tera.register_filter(name, move |value: tera::Value, _: Kwargs, _: &State<'_>| helm.call(function, &[value]));
    }
    let this = Arc::clone(&helm);
    tera.register_filter("helm", move |value: tera::Value, kwargs: Kwargs, _: &State<'_>| {
        let (name, mut args) = helms(&kwargs)?;
        args.push(value);
        this.call(&name, &args)
    });
    let this = Arc::clone(&helm);
    tera.register_function("helm", move |kwargs: Kwargs, _: &State<'_>| {
        let (name, args) = helms(&kwargs)?;
        this.call(&name, &args)
    });
    tera.register_filter("nindent", |text: String, kwargs: Kwargs, _: &State<'_>| -> TeraResult<String> {
        let width = kwargs.must_get::<usize>("width")?.min(1000);
        let room = text.len().saturating_add(text.matches('\n').count().saturating_mul(width));
        if room as u64 > LIMITS.bytes {
            return Err(Error::message("the indented text would be too long"));
        }
        let pad = " ".repeat(width);
        Ok(format!("\n{pad}{}", text.replace('\n', &format!("\n{pad}"))))
    });
    let lint = request.options.lint;
    tera.register_filter("required", move |value: tera::Value, args: Kwargs, _: &State<'_>| {
        let message: String = args.get("message")?.unwrap_or_else(|| "a required value is missing".into());
        let missing = value.is_none() || value.is_undefined() || value.as_str() == Some("");
        if missing && !lint { Err(Error::message(message)) } else { Ok(value) }
    });
    tera.register_function("fail", move |args: Kwargs, _: &State<'_>| -> TeraResult<String> {
        let message = args.must_get::<String>("message")?;
        if lint { Ok(String::new()) } else { Err(Error::message(message)) }
    });
    let host = Arc::clone(&request.host);
    tera.register_function("lookup", move |args: Kwargs, _: &State<'_>| -> TeraResult<tera::Value> {
        let text = |key: &'static str| args.get::<String>(key).map(Option::unwrap_or_default);
        let found = host
            .lookup(&text("api_version")?, &text("kind")?, &text("namespace")?, &text("name")?)
            .map_err(Error::message)?;
        from_value(&found)
    });
    let versions = Arc::clone(&request.capabilities);
    tera.register_function("has_api", move |args: Kwargs, _: &State<'_>| -> TeraResult<bool> {
        let wanted = args.must_get::<String>("version")?;
        Ok(versions.api_versions.contains(&wanted))
    });
    of_files(tera, files);
}

/// `.Files`, whose methods are functions here.
fn of_files(tera: &mut Tera, files: &[File]) {
    let files: Arc<[File]> = files.into();
    let matching = |files: &Arc<[File]>, args: &Kwargs| -> TeraResult<Vec<File>> {
        let pattern = args.must_get::<String>("pattern")?;
        let glob = Glob::compile(&pattern).map_err(|_| Error::message(format!("{pattern:?} is no pattern")))?;
        Ok(files.iter().filter(|file| glob.is_match(&file.name)).cloned().collect())
    };
    let this = Arc::clone(&files);
    tera.register_function("files_get", move |args: Kwargs, _: &State<'_>| -> TeraResult<String> {
        let path = args.must_get::<String>("path")?;
        Ok(this.iter().find(|file| *file.name == *path).map(text_of).unwrap_or_default())
    });
    let this = Arc::clone(&files);
    tera.register_function("files_lines", move |args: Kwargs, _: &State<'_>| -> TeraResult<Vec<String>> {
        let path = args.must_get::<String>("path")?;
        let text = this.iter().find(|file| *file.name == *path).map(text_of).unwrap_or_default();
        Ok(text.lines().map(str::to_owned).collect())
    });
    let this = Arc::clone(&files);
    tera.register_function("files_glob", move |args: Kwargs, _: &State<'_>| -> TeraResult<tera::Value> {
        let found = matching(&this, &args)?;
        from_value(&Value::Map(found.iter().map(|file| (&*file.name, Value::str(text_of(file)))).collect::<Map>()))
    });
    let as_yaml = |files: &[File], content: fn(&File) -> String| -> TeraResult<String> {
        let base = |file: &File| file.name.rsplit('/').next().unwrap_or_default().to_owned();
        let map: Map = files.iter().map(|file| (base(file), Value::str(content(file)))).collect();
        let text = pintle_yaml::encode_trimmed(&Value::Map(map)).map_err(|e| Error::message(e.to_string()))?;
        Ok(String::from_utf8_lossy(&text).into_owned())
    };
    let this = Arc::clone(&files);
    tera.register_function("files_as_config", move |args: Kwargs, _: &State<'_>| {
        as_yaml(&matching(&this, &args)?, text_of)
    });
    tera.register_function("files_as_secrets", move |args: Kwargs, _: &State<'_>| {
        as_yaml(&matching(&files, &args)?, |file| STANDARD.encode(&file.data))
    });
}

fn text_of(file: &File) -> String {
    String::from_utf8_lossy(&file.data).into_owned()
}

/// The function and the arguments that `helm` is given.
fn helms(kwargs: &Kwargs) -> TeraResult<(String, Vec<tera::Value>)> {
    Ok((kwargs.must_get::<String>("f")?, kwargs.get::<Vec<tera::Value>>("args")?.unwrap_or_default()))
}

/// Helm's functions, called from outside of a Go template.
struct Helm {
    host: Arc<dyn Host>,
    lint: bool,
    meter: Arc<Meter>,
}

impl Helm {
    /// Calls a function by way of a template that keeps its result.
    fn call(&self, name: &str, args: &[tera::Value]) -> TeraResult<tera::Value> {
        let words = name.bytes().all(|b| b.is_ascii_alphanumeric());
        if !words || functions().get(name).is_none() || name == "include" {
            return Err(Error::message(format!("Helm has no function {}", strconv::quote(name.as_bytes()))));
        }
        for arg in args {
            self.meter.size(arg).map_err(Error::message)?;
        }
        let data = Map::new();
        let args = args.iter().map(to_value).collect::<TeraResult<List>>()?;
        let given: String = (0..args.len()).map(|at| format!(" (index .args {at})")).collect();
        data.insert("args", Value::List(args));
        let text = format!("{{{{ $_ := set . \"result\" ({name}{given}) }}}}");
        let template =
            Template::parse("helm", text.into_bytes(), functions()).map_err(|e| Error::message(e.message))?;
        let mut set = Set::new("helm");
        set.add(Arc::new(template));
        let options = Options { limits: LIMITS, ..Options::default() };
        let environment = Environment::new(Arc::clone(&self.host), self.lint);
        Run::new(&set, functions(), &environment, &options)
            .execute("helm", Value::Map(data.clone()), &mut Vec::new())
            .map_err(|error| Error::message(told(&error)))?;
        from_value(&data.get(b"result").unwrap_or_default())
    }
}

/// What a function says, without the template around it that nobody wrote.
fn told(error: &pintle_template::Error) -> String {
    use crate::render::functions::{MESSAGE_END, MESSAGE_START};
    match &error.cause {
        pintle_template::Cause::Function(text) => {
            format!("{}: {}", error.message, text.replace(MESSAGE_START, "").replace(MESSAGE_END, ""))
        }
        _ => error.root().message.clone(),
    }
}

fn from_value(value: &Value) -> TeraResult<tera::Value> {
    tera::Value::try_from_serializable(&to_json(value, 0))
}

/// Whole numbers are Go's `int`, as literals in templates are.
fn to_value(value: &tera::Value) -> TeraResult<Value> {
    if value.is_undefined() || value.is_none() {
        return Ok(Value::Nil);
    }
    if let Some(whole) = value.as_i64().filter(|_| !value.is_f64()) {
        return Ok(Value::Int(whole));
    }
    let json = serde_json::to_value(value).map_err(Error::message)?;
    convert::json_to_value(&json).map_err(Error::message)
}
