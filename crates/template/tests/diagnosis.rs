//! What is told of a failure besides Go's text: the whole text of each.

#![allow(clippy::unwrap_used)]

use pintle_template::{
    Diagnosis, Func, FuncError, FunctionTable, Limits, Options, Run, Set, Template, TextError, Type,
};
use pintle_value::{List, Map, Value};
use std::sync::Arc;

fn functions() -> FunctionTable {
    [
        Func {
            name: "include",
            params: &[Type::String, Type::Any],
            variadic: None,
            call: |call, args| Ok(Value::str(call.execute(args[0].as_bytes().unwrap(), args[1].clone())?)),
        },
        Func {
            name: "tpl",
            params: &[Type::String, Type::Any],
            variadic: None,
            call: |call, args| match call.execute_text("text", args[0].as_bytes().unwrap(), args[1].clone()) {
                Ok(out) => Ok(Value::str(out)),
                Err(TextError::Parse(error)) => {
                    Err(FuncError::Explained(error.to_string(), Box::new(error.diagnosis().clone())))
                }
                Err(TextError::Execute(error)) => {
                    Err(FuncError::Explained(error.to_string(), Box::new(error.diagnosis())))
                }
            },
        },
        Func {
            name: "required",
            params: &[Type::String, Type::Any],
            variadic: None,
            call: |_, args| match &args[1] {
                Value::Nil => Err(String::from_utf8_lossy(args[0].as_bytes().unwrap()).into_owned().into()),
                other => Ok(other.clone()),
            },
        },
        Func { name: "toYaml", params: &[Type::Any], variadic: None, call: |_, _| Ok("".into()) },
        Func { name: "upper", params: &[Type::String], variadic: None, call: |_, args| Ok(args[0].clone()) },
    ]
    .into_iter()
    .collect()
}

fn data() -> Value {
    let table = |entries: Vec<(&str, Value)>| Value::Map(entries.into_iter().collect::<Map>());
    let values = table(vec![
        ("image", table(vec![("repository", "nginx".into()), ("tag", Value::Nil)])),
        ("port", Value::Int(80)),
        ("hosts", Value::List(List::new(vec!["a".into(), "b".into()]))),
        ("name", "secret-name".into()),
        ("text", "a {{ .Values.imge.tag }}".into()),
        ("broken", "a {{ toYml }}".into()),
    ]);
    table(vec![("Values", values), ("Release", table(vec![("Name", "r".into())]))])
}

/// Executes `main`; the diagnosis of what fails.
fn diagnosis(main: &str, others: &[(&str, &str)]) -> Diagnosis {
    let functions = functions();
    let mut set = Set::new("all");
    for (name, source) in others.iter().copied().chain([("main", main)]) {
        match Template::parse(name, source.as_bytes(), &functions) {
            Ok(template) => set.add(Arc::new(template)),
            Err(error) => return error.diagnosis().clone(),
        }
    }
    let options = Options { limits: Limits { nesting: 100, ..Limits::default() }, ..Options::default() };
    let error = Run::new(&set, &functions, &(), &options).execute("main", data(), &mut Vec::new()).unwrap_err();
    error.diagnosis()
}

fn check(main: &str, others: &[(&str, &str)], expect: &str) {
    let told = diagnosis(main, others).to_string();
    assert_eq!(told, expect.strip_prefix('\n').unwrap_or(expect), "for {main:?}, which tells\n{told}");
    assert!(!told.contains("secret-name") && !told.contains("nginx"), "values may be secrets: {told}");
}

#[test]
fn whole_texts() {
    check(
        "a: 1\nimage: {{ .Values.imge.tag }}\n",
        &[],
        r#"
 --> main:2:11
  |
2 | image: {{ .Values.imge.tag }}
  |           ^^^^^^^^^^^^^^^^
  = `.Values.imge` is nil: `.Values` has no key `imge`; did you mean `image`?"#,
    );
    check(
        "{{ .Values.image.tag.x }}",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ .Values.image.tag.x }}
  |    ^^^^^^^^^^^^^^^^^^^
  = `.Values.image.tag` is null"#,
    );
    check(
        "{{ .Values.image.tga.x }}",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ .Values.image.tga.x }}
  |    ^^^^^^^^^^^^^^^^^^^
  = `.Values.image.tga` is nil: `.Values.image` has no key `tga`; did you mean `tag`?"#,
    );
    check(
        "{{ .Values.port.number }}",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ .Values.port.number }}
  |    ^^^^^^^^^^^^^^^^^^^
  = `.Values.port` is a number and has no `number`"#,
    );
    check(
        "{{ $v := .Values }}\n{{ $v.imge.tag }}",
        &[],
        r#"
 --> main:2:4
  |
2 | {{ $v.imge.tag }}
  |    ^^^^^^^^^^^
  = `$v.imge` is nil: `$v` has no key `imge`; did you mean `image`?"#,
    );
    check(
        "{{ $.Values.imge.tag }}",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ $.Values.imge.tag }}
  |    ^^^^^^^^^^^^^^^^^
  = `$.Values.imge` is nil: `$.Values` has no key `imge`; did you mean `image`?"#,
    );
    check(
        "{{ range .Values.hosts }}\n{{ .Values.port }}\n{{ end }}",
        &[],
        r#"
 --> main:2:4
  |
2 | {{ .Values.port }}
  |    ^^^^^^^^^^^^
  = `.` is a string and has no `Values`
  = the dot is an item of `.Values.hosts`, by `range` in line 1
  = the data of the template have it: `$.Values.port`"#,
    );
    check(
        "{{ with .Values.image }}\n{{ .Values.port }}{{ .Values.port.x }}\n{{ end }}",
        &[],
        r#"
 --> main:2:4
  |
2 | {{ .Values.port }}{{ .Values.port.x }}
  |    ^^^^^^^^^^^^
  = `.Values` is nil: `.` has no key `Values`
  = the dot is `.Values.image`, by `with` in line 1
  = the data of the template have it: `$.Values.port`"#,
    );
    check(
        "{{ range $k, $h := .Values.hosts }}{{ $h.name }}{{ end }}",
        &[],
        r#"
 --> main:1:39
  |
1 | {{ range $k, $h := .Values.hosts }}{{ $h.name }}{{ end }}
  |                                       ^^^^^^^
  = `$h` is a string and has no `name`"#,
    );
    check(
        "{{ required \"no pool\" .Values.nme }}",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ required "no pool" .Values.nme }}
  |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = `.Values.nme` is nil: `.Values` has no key `nme`; did you mean `name`?"#,
    );
    check(
        "{{ .Values.image.tag | required \"no tag\" | upper }}",
        &[],
        r#"
 --> main:1:24
  |
1 | {{ .Values.image.tag | required "no tag" | upper }}
  |                        ^^^^^^^^^^^^^^^^^
  = `.Values.image.tag` is null"#,
    );
    check(
        "{{ upper .Values.port }}",
        &[],
        r#"
 --> main:1:10
  |
1 | {{ upper .Values.port }}
  |          ^^^^^^^^^^^^
  = `.Values.port` is a number"#,
    );
    check(
        "{{ range .Values.name }}{{ end }}",
        &[],
        r#"
 --> main:1:10
  |
1 | {{ range .Values.name }}{{ end }}
  |          ^^^^^^^^^^^^
  = `.Values.name` is a string"#,
    );
    check(
        "{{ if eq .Values.port .Values.name }}{{ end }}",
        &[],
        r#"
 --> main:1:7
  |
1 | {{ if eq .Values.port .Values.name }}{{ end }}
  |       ^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = `.Values.port` is a number
  = `.Values.name` is a string"#,
    );
    check(
        "{{ index .Values.hosts .Values.name }}",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ index .Values.hosts .Values.name }}
  |    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
  = `.Values.hosts` is a list
  = `.Values.name` is a string"#,
    );
    check(
        "{{ include \"lables\" . }}",
        &[("_h", "{{ define \"labels\" }}{{ end }}")],
        r#"
 --> main:1:4
  |
1 | {{ include "lables" . }}
  |    ^^^^^^^^^^^^^^^^^^
  = there is a template `labels`"#,
    );
    check(
        "{{ template \"lables\" . }}",
        &[("_h", "{{ define \"labels\" }}{{ end }}")],
        r#"
 --> main:1:13
  |
1 | {{ template "lables" . }}
  |             ^^^^^^^^^^
  = there is a template `labels`"#,
    );
    check(
        "x:\n  {{ include \"all\" . }}",
        &[(
            "_h",
            "{{ define \"all\" }}\n{{ template \"one\" .Values }}{{ end }}\n{{ define \"one\" -}}\n  {{ .imge.tag }}\n{{ end }}",
        )],
        r#"
 --> _h:4:6 in "one"
  |
4 |   {{ .imge.tag }}
  |      ^^^^^^^^^
  = `.imge` is nil: `.` has no key `imge`; did you mean `image`?
  = called by _h:2:13 in "all": {{template "one" .Values}}
  = called by main:2:6: include "all" ."#,
    );
    check(
        "{{ tpl .Values.text . }}",
        &[],
        r#"
 --> a text run as "text", 1:6
  |
1 | a {{ .Values.imge.tag }}
  |      ^^^^^^^^^^^^^^^^
  = `.Values.imge` is nil: `.Values` has no key `imge`; did you mean `image`?
  = called by main:1:4: tpl .Values.text ."#,
    );
    check(
        "{{ tpl .Values.broken . }}",
        &[],
        r#"
 --> text:1:6
  |
1 | a {{ toYml }}
  |      ^^^^^
  = there is a function `toYaml`
  = called by main:1:4: tpl .Values.broken ."#,
    );
    check(
        "{{ toYml .Values }}",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ toYml .Values }}
  |    ^^^^^
  = there is a function `toYaml`"#,
    );
    check(
        "{{ $port := 1 }}{{ $prt }}",
        &[],
        r#"
 --> main:1:20
  |
1 | {{ $port := 1 }}{{ $prt }}
  |                    ^^^^
  = there is a variable `$port` here"#,
    );
    check(
        "{{ if .Values.port }}\n{{ range .Values.hosts }}\nx\n{{ end }}\n",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ if .Values.port }}
  |    ^^
  = `if` in line 1 has no `end`"#,
    );
    check(
        "{{ define \"a\" }}\n",
        &[],
        r#"
 --> main:1:4
  |
1 | {{ define "a" }}
  |    ^^^^^^
  = `define` in line 1 has no `end`"#,
    );
    check(
        "a: {{ .Values.port }",
        &[],
        r#"
 --> main:1:20
  |
1 | a: {{ .Values.port }
  |                    ^"#,
    );
    check(
        "a: {{ (.Values.port }}",
        &[],
        r#"
 --> main:1:21
  |
1 | a: {{ (.Values.port }}
  |                     ^"#,
    );
    check(
        "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}",
        &[],
        r#"
 --> main:1:29 in "a"
  |
1 | {{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}
  |                             ^^^^^
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = … 99985 more
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:29 in "a": {{template "a" .}}
  = called by main:1:58: {{template "a" .}}"#,
    );
    check(
        "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}",
        &[],
        r#"
 --> main:1:20 in "a"
  |
1 | {{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}
  |                    ^^^^^^^^^^^^^
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = … 84 more
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:20 in "a": include "a" .
  = called by main:1:48: include "a" ."#,
    );
}
