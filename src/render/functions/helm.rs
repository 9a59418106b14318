//! Helm's own functions: YAML, JSON and TOML both ways, `include`, `tpl`, `required`, `fail`, `lookup`.

use super::{
    Answer,
    argument::{any, environment, string_answer, text},
    check_bytes, fixed,
};
use pintle_golib::strconv;
use pintle_template::{
    Call, Diagnosis, Func, FuncError, TextError,
    Type::{Any, String},
};
use pintle_value::{
    List, ListKind, Map, MapKind, Value,
    json::{self, Style},
    toml,
};

/// What sprig has as well.
pub(super) static JSON: &[Func] = &[
    fixed("toJson", &[Any], |_, args| string_answer(to_json(args, COMPACT).unwrap_or_default())),
    fixed("mustToJson", &[Any], |_, args| string_answer(to_json(args, COMPACT)?)),
    fixed("toPrettyJson", &[Any], |_, args| string_answer(to_json(args, PRETTY).unwrap_or_default())),
    fixed("mustToPrettyJson", &[Any], |_, args| string_answer(to_json(args, PRETTY)?)),
    fixed("toRawJson", &[Any], |_, args| string_answer(to_json(args, RAW)?)),
    fixed("mustToRawJson", &[Any], |_, args| string_answer(to_json(args, RAW)?)),
    fixed("fromJson", &[String], from_json),
    fixed("mustFromJson", &[String], |_, args| json::decode(text(args, 0)).map_err(|e| e.to_string().into())),
];

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("toYaml", &[Any], |_, args| string_answer(pintle_yaml::encode_trimmed(any(args, 0)).unwrap_or_default())),
    fixed("mustToYaml", &[Any], must_to_yaml),
    fixed("toYamlPretty", &[Any], to_yaml_pretty),
    fixed("fromYaml", &[String], from_yaml),
    fixed("fromYamlArray", &[String], from_yaml_array),
    fixed("fromJsonArray", &[String], from_json_array),
    fixed("toToml", &[Any], |_, args| string_answer(to_toml(args)?.unwrap_or_else(std::string::String::into_bytes))),
    fixed("mustToToml", &[Any], |_, args| string_answer(to_toml(args)??)),
    fixed("fromToml", &[String], from_toml),
    fixed("include", &[String, Any], include),
    fixed("tpl", &[String, Any], tpl),
    fixed("required", &[String, Any], required),
    fixed("fail", &[String], fail),
    fixed("lookup", &[String, String, String, String], lookup),
    fixed("getHostByName", &[String], get_host_by_name),
];

/// What stands before and after the message of `fail` and `required`, so that it can be cut out of the chain of
/// errors around it.
pub(in crate::render) const MESSAGE_START: &str = "HELM_ERR_START";
pub(in crate::render) const MESSAGE_END: &str = "HELM_ERR_END";

/// How often a named template may be included within itself.
const MAX_INCLUDES: usize = 1000;

const COMPACT: Style = Style { pretty: false, escape_html: true };
const PRETTY: Style = Style { pretty: true, escape_html: true };
const RAW: Style = Style { pretty: false, escape_html: false };

fn must_to_yaml(_: &mut Call<'_>, args: &[Value]) -> Answer {
    match pintle_yaml::encode_trimmed(any(args, 0)) {
        Ok(text) => string_answer(text),
        // Go goes through JSON, and says so where that is what fails.
        Err(error) => Err(match to_json(args, COMPACT) {
            Err(json) => format!("error marshaling into JSON: {json}"),
            // The reader of that JSON knows the line.
            Ok(json) => match pintle_yaml::decode(&json, &pintle_yaml::Limits::default()) {
                Err(read) => read.to_string().replacen("error converting YAML to JSON: ", "", 1),
                Ok(_) => error.to_string(),
            },
        }
        .into()),
    }
}

fn to_yaml_pretty(_: &mut Call<'_>, args: &[Value]) -> Answer {
    if let Value::Complex128(_) = any(args, 0) {
        return Err("cannot marshal type: complex128".into());
    }
    string_answer(pintle_yaml::encode_v3_trimmed(any(args, 0)).unwrap_or_default())
}

/// Errors of the functions that read are handed back as this map.
fn error_map(partial: Map, error: std::string::String) -> Value {
    partial.insert("Error", Value::str(error));
    Value::Map(partial)
}

fn error_list(error: std::string::String) -> Value {
    Value::List(List::new(vec![Value::str(error)]))
}

fn from_yaml(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(match pintle_yaml::decode_map(text(args, 0), &pintle_yaml::Limits::default()) {
        Ok(map) => Value::Map(map),
        Err(error) => error_map(Map::new(), error.to_string()),
    })
}

fn from_yaml_array(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(match pintle_yaml::decode_list(text(args, 0), &pintle_yaml::Limits::default()) {
        Ok(list) => Value::List(list),
        Err(error) => error_list(error.to_string()),
    })
}

fn to_json(args: &[Value], style: Style) -> Result<Vec<u8>, std::string::String> {
    let mut out = Vec::new();
    json::encode(any(args, 0), style, &mut out).map_err(|e| e.to_string())?;
    Ok(out)
}

fn mismatch(value: &Value, target: &str) -> std::string::String {
    json::mismatch(value, &format!("Go value of type {target}"))
}

fn from_json(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(match json::decode(text(args, 0)) {
        Ok(Value::Map(map)) => Value::Map(map),
        Ok(Value::Nil) => Value::Map(Map::nil(MapKind::Any)),
        Ok(other) => error_map(Map::new(), mismatch(&other, "map[string]interface {}")),
        Err(error) => {
            let message = error.to_string();
            match error.partial {
                Some(Value::Map(map)) => error_map(map, message),
                // Nothing but a number, and one that is out of range.
                Some(Value::Nil) => error_map(Map::new(), mismatch(&Value::Float64(0.0), "map[string]interface {}")),
                None => error_map(Map::new(), message),
                Some(other) => error_map(Map::new(), mismatch(&other, "map[string]interface {}")),
            }
        }
    })
}

fn from_json_array(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(match json::decode(text(args, 0)) {
        Ok(Value::List(list)) => Value::List(list),
        Ok(Value::Nil) => Value::List(List::nil(ListKind::Any)),
        Ok(other) => error_list(mismatch(&other, "[]interface {}")),
        Err(error) => {
            let message = error.to_string();
            match error.partial {
                Some(Value::List(_)) | None => error_list(message),
                Some(Value::Nil) => error_list(mismatch(&Value::Float64(0.0), "[]interface {}")),
                Some(other) => error_list(mismatch(&other, "[]interface {}")),
            }
        }
    })
}

/// The outer error is that of a nil, on which Go's encoder panics.
fn to_toml(args: &[Value]) -> Result<Result<Vec<u8>, std::string::String>, FuncError> {
    if matches!(any(args, 0), Value::Nil) {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    let mut out = Vec::new();
    Ok(toml::encode(any(args, 0), &mut out).map(|()| out).map_err(|e| e.to_string()))
}

fn from_toml(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(match toml::decode(text(args, 0)) {
        Ok(map) => Value::Map(map),
        Err(error) => error_map(Map::new(), error.to_string()),
    })
}

fn include(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let name = text(args, 0);
    {
        let mut including = environment(call)?.including.borrow_mut();
        match including.get_mut(name) {
            None => drop(including.insert(name.into(), 1)),
            Some(count) if *count > MAX_INCLUDES => {
                let name = std::string::String::from_utf8_lossy(name);
                return Err(format!(
                    "rendering template has a nested reference name: {name}: unable to execute template"
                )
                .into());
            }
            Some(count) => *count += 1,
        }
    }
    let result = call.execute(name, any(args, 1).clone());
    if let Some(count) = environment(call)?.including.borrow_mut().get_mut(name) {
        *count -= 1;
    }
    Ok(Value::String(result?))
}

fn tpl(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let source = text(args, 0);
    let name = call.set_name();
    match call.execute_text(name, source, any(args, 1).clone()) {
        Ok(output) => string_answer(without_no_value(output)),
        Err(TextError::Parse(error)) => {
            let text = format!("cannot parse template {}: {error}", strconv::quote(source));
            Err(explained(text, error.diagnosis().clone()))
        }
        // A limit stays known as one.
        Err(TextError::Execute(error)) if error.limit().is_some() => Err(error.into()),
        Err(TextError::Execute(error)) => {
            let message = format!("error during tpl function execution for {}: {error}", strconv::quote(source));
            check_bytes("tpl", message.len())?;
            Err(explained(message, error.diagnosis()))
        }
    }
}

/// The text that Helm has for an error within a text, and where in that it was.
fn explained(text: std::string::String, mut diagnosis: Diagnosis) -> FuncError {
    diagnosis.links.iter_mut().take(1).for_each(|link| link.is_text = true);
    FuncError::Explained(text, Box::new(diagnosis))
}

/// Helm deletes what Go prints for a missing value, wherever it comes from.
fn without_no_value(output: Vec<u8>) -> Vec<u8> {
    const NO_VALUE: &[u8] = b"<no value>";
    let find = |text: &[u8]| {
        let mut from = 0;
        while let Some(at) = text[from..].iter().position(|b| *b == b'<') {
            if text[from + at..].starts_with(NO_VALUE) {
                return Some(from + at);
            }
            from += at + 1;
        }
        None
    };
    let Some(mut at) = find(&output) else { return output };
    let mut kept = Vec::with_capacity(output.len());
    let mut rest = &output[..];
    loop {
        kept.extend_from_slice(&rest[..at]);
        rest = &rest[at + NO_VALUE.len()..];
        match find(rest) {
            Some(next) => at = next,
            None => break,
        }
    }
    kept.extend_from_slice(rest);
    kept
}

fn marked(message: &[u8]) -> FuncError {
    format!("{MESSAGE_START}{}{MESSAGE_END}", std::string::String::from_utf8_lossy(message)).into()
}

fn required(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let value = any(args, 1);
    let missing = matches!(value, Value::Nil) || matches!(value, Value::String(s) if s.is_empty());
    if !missing {
        return Ok(value.clone());
    }
    if environment(call)?.lint {
        return string_answer("");
    }
    Err(marked(text(args, 0)))
}

fn fail(call: &mut Call<'_>, args: &[Value]) -> Answer {
    if environment(call)?.lint {
        return string_answer("");
    }
    Err(marked(text(args, 0)))
}

fn lookup(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let part = |at| std::string::String::from_utf8_lossy(text(args, at));
    let host = &environment(call)?.host;
    host.lookup(&part(0), &part(1), &part(2), &part(3)).map_err(Into::into)
}

fn get_host_by_name(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let name = std::string::String::from_utf8_lossy(text(args, 0));
    string_answer(environment(call)?.host.resolve_host(&name))
}
