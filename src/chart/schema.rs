//! values.schema.json: compiled once per chart, checked on every render, failures in Helm's words.
//!
//! Most schemas and values need nothing but rules of our own; the library compiles a schema when it has more in it, or when values
//! do not fit and words have to be found for that.
//!
//! A schema never reaches for files; addresses that it refers to are read by whoever renders, if at all.

mod rules;

use super::{dependencies::Instance, frozen::Frozen};
use boon::{CompileError, Compiler, ErrorKind, SchemaIndex, Schemas, UrlLoader, ValidationError};
use pintle_golib::strconv;
use rules::Rules;
use serde_json::Value;
use std::{
    error::Error,
    fmt::{Display, Write as _},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

const URL: &str = "file:///values.schema.json";
/// References in a schema; each may cost a frame of the stack.
const MAX_REFERENCES: usize = 20_000;
/// Addresses that a schema refers to.
const MAX_FETCHED: usize = 100;

/// A compiled schema.
pub struct Schema {
    text: Arc<[u8]>,
    rules: Rules,
    library: OnceLock<Result<Library, String>>,
}

/// A schema as the library compiles it.
struct Library {
    schemas: Schemas,
    index: SchemaIndex,
}

/// Reads a schema from an address.
pub type Fetch = dyn Fn(&str) -> Result<Vec<u8>, String> + Send + Sync;

/// How a chart's schema is had, compiled; nothing if the chart has none.
pub type Compiled<'a> = dyn FnMut(&Instance) -> Option<Arc<Result<Schema, String>>> + 'a;

/// Compiles a schema. What it refers to at addresses is read by `fetch`.
///
/// # Errors
/// Why it is none, in Helm's words where Helm has some.
pub fn compile(text: &Arc<[u8]>, fetch: &Arc<Fetch>) -> Result<Schema, String> {
    if text.windows(5).filter(|w| w == b"$ref\"").count() > MAX_REFERENCES {
        return Err(format!("schema has more than {MAX_REFERENCES} references"));
    }
    let Some(rules) = Rules::read(text) else {
        let json: Result<Value, _> = serde_json::from_slice(text);
        return Err(json.err().map_or_else(|| "schema has too many schemas in it".into(), |e| not_json(&e, text)));
    };
    if !rules.patterns_are_small() {
        return Err(format!("patterns of the schema take more than {} bytes", rules::MAX_PROGRAMS));
    }
    let schema = Schema { text: Arc::clone(text), rules, library: OnceLock::new() };
    if !schema.rules.are_certain() {
        schema.library(fetch)?;
    }
    Ok(schema)
}

impl Schema {
    /// Checks values.
    ///
    /// # Errors
    /// One line per failure, nested ones indented, as Helm prints them; or that the check takes more than there is time for.
    pub fn check(&self, values: &Frozen) -> Result<(), String> {
        if self.rules.accept(values) {
            return Ok(());
        }
        // What is certain refers to nothing outside.
        let nothing: Arc<Fetch> = Arc::new(|_| Err("not expected here".into()));
        let library = self.library(&nothing)?;
        with_stack(|| {
            if !self.rules.are_cheap_for(values) {
                return Err(format!("the schema takes more than {} steps to check the values\n", rules::MAX_COST));
            }
            library.schemas.validate(&values.into(), library.index).map_err(|error| {
                let mut text = String::new();
                for cause in &error.causes {
                    tree(cause, 0, &mut text);
                }
                text
            })
        })
    }

    fn library(&self, fetch: &Arc<Fetch>) -> Result<&Library, String> {
        let compiled = self.library.get_or_init(|| {
            let json: Value = serde_json::from_slice(&self.text).map_err(|e| not_json(&e, &self.text))?;
            with_stack(|| {
                let mut compiler = Compiler::new();
                compiler.use_loader(Box::new(Outside { fetch: Arc::clone(fetch), fetched: AtomicUsize::new(0) }));
                let mut schemas = Schemas::new();
                compiler.add_resource(URL, json).map_err(|e| explain(&e))?;
                let index = compiler.compile(URL, &mut schemas).map_err(|e| explain(&e))?;
                Ok(Library { schemas, index })
            })
        });
        compiled.as_ref().map_err(Clone::clone)
    }
}

/// Checks the computed values of a chart and of all charts in it. `compiled` gives a chart's schema, if it has one.
///
/// # Errors
/// All failures together, in Helm's words.
pub fn validate(chart: &Instance, values: &Frozen, compiled: &mut Compiled<'_>) -> Result<(), String> {
    let mut text = String::new();
    gather(chart, values, compiled, &mut text);
    if text.is_empty() {
        return Ok(());
    }
    Err(format!("values don't meet the specifications of the schema(s) in the following chart(s):\n{text}"))
}

fn gather(chart: &Instance, values: &Frozen, compiled: &mut Compiled<'_>, text: &mut String) {
    let outcome = match compiled(chart).as_deref() {
        None => Ok(()),
        Some(Ok(schema)) => schema.check(values),
        Some(Err(why)) => Err(why.clone()),
    };
    if let Err(why) = outcome {
        text.push_str(&format!("{}:\n{why}", chart.metadata.name));
    }
    for child in &chart.dependencies {
        let name = &child.metadata.name;
        match values.get(name) {
            None | Some(Frozen::Null) => {}
            Some(table @ Frozen::Table(_)) => gather(child, table, compiled, text),
            Some(other) => {
                let got = match other {
                    Frozen::Bool(_) => "bool",
                    Frozen::Float(_) | Frozen::Int(_) => "float64",
                    Frozen::Text(_) => "string",
                    _ => "[]interface {}",
                };
                text.push_str(&format!("{name}:\ninvalid type for values: expected object (map), got {got}\n"));
            }
        }
    }
}

/// Runs with a stack that recursive schemas cannot exhaust; a panic in the library becomes an error.
fn with_stack<T: Send>(work: impl FnOnce() -> Result<T, String> + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .stack_size(128 << 20)
            .spawn_scoped(scope, work)
            .map_err(|e| format!("no thread for the schema: {e}"))?
            .join()
            .unwrap_or_else(|_| Err("the schema cannot be handled".into()))
    })
}

/// What a schema refers to outside of itself. Names without a place mean nothing and allow everything, as in Helm; files
/// are out of reach.
struct Outside {
    fetch: Arc<Fetch>,
    fetched: AtomicUsize,
}

impl UrlLoader for Outside {
    fn load(&self, url: &str) -> Result<Value, Box<dyn Error>> {
        match url.split_once(':').map_or("", |(scheme, _)| scheme) {
            "urn" => Ok(Value::Bool(true)),
            "file" => Err("references to files are not allowed in a chart's schema".into()),
            "http" | "https" => {
                if self.fetched.fetch_add(1, Ordering::Relaxed) >= MAX_FETCHED {
                    return Err(format!("a schema may refer to {MAX_FETCHED} addresses").into());
                }
                let text = (self.fetch)(url)?;
                serde_json::from_slice(&text).map_err(|e| not_json(&e, &text).into())
            }
            _ => Err(format!("no URLLoader registered for {url:?}").into()),
        }
    }
}

fn not_json(error: &serde_json::Error, text: &[u8]) -> String {
    if error.is_eof() {
        return "unexpected end of JSON input".into();
    }
    let line = text.split(|b| *b == b'\n').nth(error.line().saturating_sub(1)).unwrap_or_default();
    match String::from_utf8_lossy(line).chars().nth(error.column().saturating_sub(1)) {
        Some(c) => format!("invalid character '{c}' looking for beginning of value"),
        None => error.to_string(),
    }
}

fn explain(error: &CompileError) -> String {
    match error {
        CompileError::ValidationError { url, src } => {
            let mut text = format!("\"{url}\" is not valid against metaschema: ");
            if let ErrorKind::Schema { url } = &src.kind {
                let hash = if url.contains('#') { "" } else { "#" };
                let _ = writeln!(text, "jsonschema validation failed with '{url}{hash}'");
            }
            for cause in &src.causes {
                tree(cause, 0, &mut text);
            }
            text.truncate(text.trim_end().len());
            text
        }
        CompileError::JsonPointerNotFound(place) => format!("json-pointer in \"{place}\" not found"),
        CompileError::LoadUrlError { url, src } => format!("failing loading \"{url}\": {src}"),
        other => other.to_string(),
    }
}

fn tree(error: &ValidationError<'_, '_>, depth: usize, text: &mut String) {
    if error.causes.len() == 1 && matches!(error.kind, ErrorKind::Reference { .. }) {
        return error.causes.iter().for_each(|cause| tree(cause, depth, text));
    }
    let _ = writeln!(
        text,
        "{:indent$}- at {}: {}",
        "",
        quote(&error.instance_location.to_string()),
        Words(&error.kind),
        indent = depth * 2
    );
    error.causes.iter().for_each(|cause| tree(cause, depth + 1, text));
}

fn quote(text: &str) -> String {
    let quoted = strconv::quote(text.as_bytes()).replace("\\\"", "\"").replace('\'', "\\'");
    format!("'{}'", &quoted[1..quoted.len() - 1])
}

fn quote_all<T: AsRef<str>>(texts: &[T]) -> String {
    texts.iter().map(|t| quote(t.as_ref())).collect::<Vec<_>>().join(", ")
}

fn show(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Null => "<nil>".into(),
        other => other.to_string(),
    }
}

fn is_primitive(value: &Value) -> bool {
    !matches!(value, Value::Array(_) | Value::Object(_))
}

fn numbers(items: &[usize]) -> String {
    items.iter().map(usize::to_string).collect::<Vec<_>>().join(" ")
}

/// The words of Helm's library for a failure.
struct Words<'a>(&'a ErrorKind<'a, 'a>);

impl Display for Words<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            ErrorKind::PropertyName { prop } => write!(f, "invalid propertyName {}", quote(prop)),
            ErrorKind::Type { got, want } => {
                let want = want.iter().map(|t| t.to_string()).collect::<Vec<_>>().join(" or ");
                write!(f, "got {got}, want {want}")
            }
            ErrorKind::Enum { want } if want.iter().all(is_primitive) => match &want[..] {
                [one] => write!(f, "value must be {}", show(one)),
                all => {
                    let all = all.iter().map(show).collect::<Vec<_>>().join(", ");
                    write!(f, "value must be one of {all}")
                }
            },
            ErrorKind::Enum { .. } => f.write_str("'enum' failed"),
            ErrorKind::Const { want } if is_primitive(want) => write!(f, "value must be {}", show(want)),
            ErrorKind::Const { .. } => f.write_str("'const' failed"),
            ErrorKind::Format { got, want, err } => {
                write!(f, "{} is not valid {want}: {err}", show(got))
            }
            ErrorKind::MinProperties { got, want } => write!(f, "minProperties: got {got}, want {want}"),
            ErrorKind::MaxProperties { got, want } => write!(f, "maxProperties: got {got}, want {want}"),
            ErrorKind::AdditionalProperties { got } => {
                write!(f, "additional properties {} not allowed", quote_all(got))
            }
            ErrorKind::Required { want } => {
                let noun = if want.len() == 1 { "property" } else { "properties" };
                write!(f, "missing {noun} {}", quote_all(want))
            }
            ErrorKind::Dependency { prop, missing } | ErrorKind::DependentRequired { prop, missing } => {
                write!(f, "properties {} required, if {} exists", quote_all(missing), quote(prop))
            }
            ErrorKind::MinItems { got, want } => write!(f, "minItems: got {got}, want {want}"),
            ErrorKind::MaxItems { got, want } => write!(f, "maxItems: got {got}, want {want}"),
            ErrorKind::MinContains { got, want } if got.is_empty() => {
                write!(f, "min {want} items required to match contains schema, but none matched")
            }
            ErrorKind::MinContains { got, want } => write!(
                f,
                "min {want} items required to match contains schema, but matched {} items at {}",
                got.len(),
                numbers(got)
            ),
            ErrorKind::MaxContains { got, want } => write!(
                f,
                "max {want} items required to match contains schema, but matched {} items at {}",
                got.len(),
                numbers(got)
            ),
            ErrorKind::AdditionalItems { got } => write!(f, "last {got} additionalItem(s) not allowed"),
            ErrorKind::MinLength { got, want } => write!(f, "minLength: got {got}, want {want}"),
            ErrorKind::MaxLength { got, want } => write!(f, "maxLength: got {got}, want {want}"),
            ErrorKind::Pattern { got, want } => {
                write!(f, "{} does not match pattern {}", quote(got), quote(want))
            }
            ErrorKind::Minimum { got, want } => write!(f, "minimum: got {got}, want {want}"),
            ErrorKind::Maximum { got, want } => write!(f, "maximum: got {got}, want {want}"),
            ErrorKind::ExclusiveMinimum { got, want } => write!(f, "exclusiveMinimum: got {got}, want {want}"),
            ErrorKind::ExclusiveMaximum { got, want } => write!(f, "exclusiveMaximum: got {got}, want {want}"),
            ErrorKind::MultipleOf { got, want } => write!(f, "multipleOf: got {got}, want {want}"),
            ErrorKind::Not => f.write_str("'not' failed"),
            ErrorKind::AllOf => f.write_str("'allOf' failed"),
            ErrorKind::AnyOf => f.write_str("'anyOf' failed"),
            ErrorKind::OneOf(None) => f.write_str("'oneOf' failed, none matched"),
            ErrorKind::OneOf(Some((a, b))) => write!(f, "'oneOf' failed, subschemas {a}, {b} matched"),
            other => write!(f, "{other}"),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    /// Knows one address.
    fn nothing() -> Arc<Fetch> {
        Arc::new(|url| match url {
            "http://known.test/s.json" => Ok(br#"{"properties": {"a": {"type": "string"}}}"#.to_vec()),
            "http://known.test/no.json" => Ok(b"{x".to_vec()),
            _ => Err("unknown".into()),
        })
    }

    #[track_caller]
    fn check(schema: &Value, values: &Value, want: &str) {
        let values = Frozen::try_from(values).unwrap();
        let got = compile(&schema.to_string().into_bytes().into(), &nothing()).and_then(|s| s.check(&values));
        assert_eq!(got.err().unwrap_or_default(), want);
    }

    #[test]
    fn words() {
        let of = |rule: Value| json!({"properties": {"a": rule}});
        for (rule, value, want) in [
            (json!({"type": ["string", "null"]}), json!(5), "- at '/a': got number, want null or string\n"),
            (json!({"type": "integer"}), json!(2.0), ""),
            (json!({"enum": ["a", 1, null]}), json!("z"), "- at '/a': value must be one of 'a', 1, <nil>\n"),
            (json!({"const": {}}), json!(1), "- at '/a': 'const' failed\n"),
            (json!({"minimum": 0}), json!(-5), "- at '/a': minimum: got -5, want 0\n"),
            (json!({"required": ["x"]}), json!({}), "- at '/a': missing property 'x'\n"),
            (json!({"pattern": "^a'+$"}), json!("b"), "- at '/a': 'b' does not match pattern '^a\\'+$'\n"),
            (
                json!({"anyOf": [{"type": "string"}, {"required": ["z"]}]}),
                json!({}),
                "- at '/a': 'anyOf' failed\n  - at '/a': got object, want string\n  - at '/a': missing property 'z'\n",
            ),
            (json!({"properties": {"x/y~": false}}), json!({"x/y~": 1}), "- at '/a/x~1y~0': false schema\n"),
        ] {
            check(&of(rule), &json!({"a": value}), want);
        }
    }

    #[test]
    fn nothing_outside_is_read() {
        check(
            &json!({"$ref": "file:///etc/passwd"}),
            &json!({}),
            "failing loading \"file:///etc/passwd\": references to files are not allowed in a chart's schema",
        );
        check(&json!({"$ref": "urn:x:y"}), &json!({}), "");
        check(
            &json!({"$ref": "ftp://x/y"}),
            &json!({}),
            "failing loading \"ftp://x/y\": no URLLoader registered for \"ftp://x/y\"",
        );
    }

    #[test]
    fn addresses_are_read_by_who_may() {
        let of = |address: &str| json!({"$ref": address});
        check(&of("http://known.test/s.json"), &json!({"a": 1}), "- at '/a': got number, want string\n");
        check(&of("http://known.test/s.json#/properties/a"), &json!({}), "- at '': got object, want string\n");
        check(&of("http://else.test/"), &json!({}), "failing loading \"http://else.test/\": unknown");
        check(
            &of("http://known.test/no.json"),
            &json!({}),
            "failing loading \"http://known.test/no.json\": invalid character 'x' looking for beginning of value",
        );
    }

    #[test]
    fn what_is_no_schema() {
        check(
            &json!({"type": 5}),
            &json!({}),
            "\"file:///values.schema.json#\" is not valid against metaschema: jsonschema validation failed with \
             'https://json-schema.org/draft/2020-12/schema#'\n- at '/type': 'anyOf' failed\n  - at '/type': value must \
             be one of 'array', 'boolean', 'integer', 'null', 'number', 'object', 'string'\n  - at '/type': got \
             number, want array",
        );
        assert_eq!(
            compile(&Arc::from(*b"x"), &nothing()).err().unwrap(),
            "invalid character 'x' looking for beginning of value"
        );
    }

    #[test]
    fn recursion_ends() {
        let mut values = json!({});
        for _ in 0..100 {
            values = json!({"a": values});
        }
        check(&json!({"properties": {"a": {"$ref": "#"}}}), &values, "");
    }
}
