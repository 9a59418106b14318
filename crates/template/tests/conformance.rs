//! The recorded answers of the real engine, as far as builtins and a handful of functions go. Skipped where the cases
//! are not at hand.

#![allow(clippy::unwrap_used)]

use pintle_template::{
    Call, Cause, Error, Func, FuncError, FunctionTable, MissingKey, Options, Run, Set, Template, TextError, Type,
};
use pintle_value::{List, ListKind, Map, MapKind, Value, fmt};
use std::{collections::BTreeSet, io::Read, path::Path, sync::Arc};

fn functions() -> FunctionTable {
    fn text(value: &Value) -> String {
        let mut out = Vec::new();
        fmt::print_value(value, &mut out).unwrap();
        String::from_utf8_lossy(&out).into_owned()
    }
    fn function(
        name: &'static str,
        params: &'static [Type],
        variadic: Option<Type>,
        call: fn(&mut Call<'_>, &[Value]) -> Result<Value, FuncError>,
    ) -> Func {
        Func { name, params, variadic, call }
    }
    [
        function("list", &[], Some(Type::Any), |_, args| Ok(List::new(args.to_vec()).into())),
        function("dict", &[], Some(Type::Any), |_, args| {
            Ok(args
                .chunks(2)
                .map(|p| (text(&p[0]), p.get(1).cloned().unwrap_or_else(|| "".into())))
                .collect::<Map>()
                .into())
        }),
        function("default", &[Type::Any], Some(Type::Any), |_, args| {
            Ok(args[1..].iter().find(|v| v.truth()).unwrap_or(&args[0]).clone())
        }),
        function("coalesce", &[], Some(Type::Any), |_, args| {
            Ok(args.iter().find(|v| v.truth()).cloned().unwrap_or_default())
        }),
        function("typeOf", &[Type::Any], None, |_, args| Ok(args[0].type_name().into())),
        function("upper", &[Type::String], None, |_, args| Ok(text(&args[0]).to_uppercase().into())),
        function("lower", &[Type::String], None, |_, args| Ok(text(&args[0]).to_lowercase().into())),
        function("until", &[Type::Int], None, |_, args| match args[0] {
            Value::Int(n) => Ok(List::of(ListKind::Int, (0..n).map(Value::Int).collect()).into()),
            _ => Err("not an int".into()),
        }),
        function("trunc", &[Type::Int, Type::String], None, |_, args| Ok(args[1].clone())),
        function("int", &[Type::Any], None, |_, args| match args[0] {
            Value::Int(n) | Value::Int64(n) => Ok(Value::Int(n)),
            Value::Float64(f) => Ok(Value::Int(f as i64)),
            _ => Ok(Value::Int(0)),
        }),
        function("int64", &[Type::Any], None, |_, args| match args[0] {
            Value::Int(n) | Value::Int64(n) => Ok(Value::Int64(n)),
            Value::Float64(f) => Ok(Value::Int64(f as i64)),
            _ => Ok(Value::Int64(0)),
        }),
        function("toString", &[Type::Any], None, |_, args| Ok(text(&args[0]).into())),
        function("first", &[Type::Any], None, |_, args| match &args[0] {
            Value::List(list) => Ok(list.get(0).unwrap_or_default()),
            Value::Nil => Err("runtime error: invalid memory address or nil pointer dereference".into()),
            other => Err(format!("Cannot find first on type {}", other.type_name()).into()),
        }),
        function("get", &[Type::Map, Type::String], None, |_, args| {
            let key = text(&args[1]);
            Ok(args[0].as_map().unwrap().get(key.as_bytes()).unwrap_or_else(|| "".into()))
        }),
        function("set", &[Type::Map, Type::String, Type::Any], None, |_, args| {
            args[0].as_map().unwrap().insert(text(&args[1]), args[2].clone());
            Ok(args[0].clone())
        }),
        function("hasKey", &[Type::Map, Type::String], None, |_, args| {
            Ok(args[0].as_map().unwrap().contains(text(&args[1]).as_bytes()).into())
        }),
        function("keys", &[], Some(Type::Map), |_, args| {
            let keys =
                args.iter().flat_map(|m| m.as_map().unwrap().snapshot()).map(|(k, _)| Value::String(k)).collect();
            Ok(List::of(ListKind::String, keys).into())
        }),
        function("ternary", &[Type::Any, Type::Any, Type::Bool], None, |_, args| {
            Ok(args[usize::from(!args[2].truth())].clone())
        }),
        function("include", &[Type::String, Type::Any], None, |call, args| {
            Ok(Value::str(call.execute(args[0].as_bytes().unwrap(), args[1].clone())?))
        }),
        function("tpl", &[Type::String, Type::Any], None, |call, args| {
            let source = args[0].as_bytes().unwrap();
            let shown = pintle_golib::strconv::quote(source);
            match call.execute_text("gotpl", source, args[1].clone()) {
                Ok(out) => Ok(String::from_utf8_lossy(&out).replace("<no value>", "").into()),
                Err(TextError::Parse(e)) => Err(format!("cannot parse template {shown}: {e}").into()),
                Err(TextError::Execute(e)) => {
                    Err(format!("error during tpl function execution for {shown}: {e}").into())
                }
            }
        }),
    ]
    .into_iter()
    .collect()
}

fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::Nil,
        serde_json::Value::Bool(b) => (*b).into(),
        serde_json::Value::Number(n) => n.as_f64().unwrap().into(),
        serde_json::Value::String(s) => s.as_str().into(),
        serde_json::Value::Array(items) => items.iter().map(value).collect::<List>().into(),
        serde_json::Value::Object(map) => map.iter().map(|(k, v)| (k.as_str(), value(v))).collect::<Map>().into(),
    }
}

const FILE: &str = "c/templates/t.txt";

/// An error as Helm words it.
fn reworded(error: &Error) -> String {
    if matches!(error.root().cause, Cause::Function(_)) {
        return error.to_string();
    }
    let mut out = String::new();
    let mut link = Some(error);
    while let Some(error) = link {
        link = error.inner();
        match &error.place {
            Some(p) => {
                out += &format!(
                    "{}:{}:{}\n  executing {:?} at <{}>:\n    {}{}\n",
                    p.file,
                    p.line,
                    p.column,
                    p.template,
                    p.expression,
                    error.message,
                    if link.is_some() { ":" } else { "" }
                );
            }
            None => out += &error.to_string(),
        }
    }
    out.trim().to_owned()
}

fn render(functions: &FunctionTable, case: &serde_json::Value) -> Result<String, String> {
    let mut set = Set::new("gotpl");
    let source = case["template"].as_str().unwrap();
    let template = Template::parse(FILE, source.as_bytes(), functions).map_err(|e| {
        let message = e.to_string();
        let token = message.rsplit(": ").next().unwrap();
        format!("parse error at ({}:{}): {token}", e.name, e.line)
    })?;
    set.add(Arc::new(template));
    let missing_key = if case["strict"].as_bool() == Some(true) { MissingKey::Error } else { MissingKey::Zero };
    let options = Options { missing_key, ..Options::default() };
    let release = [
        ("Name", Value::from("rel")),
        ("Namespace", "ns".into()),
        ("IsUpgrade", false.into()),
        ("IsInstall", true.into()),
        ("Revision", Value::Int(1)),
    ];
    let data: Map = [
        ("Values", if case["values"].is_null() { Map::new().into() } else { value(&case["values"]) }),
        ("Release", Value::Map(release.into_iter().collect())),
        (
            "Chart",
            Value::Map(
                [("Name", "c".into()), ("Annotations", Map::of(MapKind::String, Vec::new()).into())]
                    .into_iter()
                    .collect(),
            ),
        ),
    ]
    .into_iter()
    .collect();
    let mut run = Run::new(&set, functions, &(), &options);
    let mut out = Vec::new();
    run.execute(FILE, data.into(), &mut out).map_err(|e| reworded(&e))?;
    Ok(String::from_utf8_lossy(&out).replace("<no value>", ""))
}

/// Whether a case needs what is not here.
fn is_out_of_reach(case: &serde_json::Value, functions: &FunctionTable) -> bool {
    let source = case["template"].as_str().unwrap();
    let foreign = [
        ".Files",
        ".Capabilities",
        ".Subcharts",
        ".Template",
        "Values.PathValue",
        "Values.Table",
        "Encode",
        "YAML",
        "AsMap",
    ];
    let asks = ["values_yaml", "files", "partials", "chart", "subcharts", "lint"];
    if foreign.iter().any(|name| source.contains(name)) || asks.iter().any(|key| !case[key].is_null()) {
        return true;
    }
    let known: BTreeSet<&str> = "and or not index len call html js urlquery print printf println eq ne lt le gt ge \
        if else end range with define block template break continue nil true false"
        .split_whitespace()
        .collect();
    // Words that are functions of the real engine, told by the answer: what it does not know is fine to keep.
    let answer = case["error"].as_str().unwrap_or_default();
    if answer.contains("not defined") {
        return false;
    }
    let mut code = String::new();
    for action in source.split("{{").skip(1) {
        let action = action.split("}}").next().unwrap();
        let mut quoted = false;
        for c in action.chars() {
            quoted ^= c == '"';
            if !quoted {
                code.push(c);
            }
        }
        code.push(' ');
    }
    let mut before = ' ';
    for word in code.split_inclusive(|c: char| !c.is_alphanumeric() && c != '_') {
        let name = word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '_');
        let starts = name.starts_with(|c: char| c.is_ascii_alphabetic());
        if starts && !matches!(before, '.' | '$') && !known.contains(name) && functions.get(name).is_none() {
            return true;
        }
        before = word.chars().last().unwrap_or(' ');
    }
    false
}

#[test]
fn answers_of_the_real_engine() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/conformance");
    if !folder.is_dir() {
        eprintln!("skipped: no conformance cases at hand");
        return;
    }
    let functions = functions();
    let (mut passed, mut wrong) = (0, Vec::new());
    for area in ["lexer_parser", "eval", "errors"] {
        let packed = std::fs::read(folder.join(format!("{area}.jsonl.gz"))).unwrap();
        let mut text = String::new();
        flate2::read::GzDecoder::new(&*packed).read_to_string(&mut text).unwrap();
        for line in text.lines() {
            let case: serde_json::Value = serde_json::from_str(line).unwrap();
            if is_out_of_reach(&case, &functions) {
                continue;
            }
            let want = match case["error"].as_str() {
                Some(error) => Err(error.to_owned()),
                None => Ok(case["output"].as_str().unwrap().to_owned()),
            };
            let got = render(&functions, &case);
            if got == want {
                passed += 1;
            } else {
                wrong.push(format!("{}\n  {}\n  want {want:?}\n  got  {got:?}", case["id"], case["template"]));
            }
        }
    }
    assert!(wrong.is_empty(), "{passed} passed, {} did not:\n{}", wrong.len(), wrong.join("\n"));
    eprintln!("{passed} passed");
}
