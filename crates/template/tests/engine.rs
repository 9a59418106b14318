//! What the language does that shows only with functions, several files or limits.

#![allow(clippy::unwrap_used)]

use pintle_template::{
    Cause, Error, Func, FunctionTable, Limit, Limits, MissingKey, Options, Run, Set, Template, TextError, Type,
};
use pintle_value::{CallError, List, ListKind, Map, MapKind, Method, Named, Value};
use std::sync::{Arc, atomic::AtomicBool};

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
                Err(TextError::Parse(error)) => Err(error.to_string().into()),
                Err(TextError::Execute(error)) => Err(error.into()),
            },
        },
        Func { name: "fail", params: &[Type::String], variadic: None, call: |_, _| Err("failed".into()) },
        Func {
            name: "host",
            params: &[],
            variadic: None,
            call: |call, _| Ok((*call.host_as::<&str>().unwrap()).into()),
        },
        Func { name: "top", params: &[], variadic: None, call: |call, _| Ok(call.top().into()) },
        Func {
            name: "strings",
            params: &[Type::Strings],
            variadic: None,
            call: |_, args| Ok(args[0].type_name().into()),
        },
        Func { name: "keys", params: &[Type::Map], variadic: None, call: |_, args| Ok(args[0].type_name().into()) },
        Func { name: "until", params: &[Type::Int], variadic: None, call: |_, args| Ok(args[0].clone()) },
    ]
    .into_iter()
    .collect()
}

static NAMED: Named = Named {
    go_name: "common.Values",
    element: "interface {}",
    methods: &[Method { name: "Get", params: &["string"], call: get }],
};

static SET: Named = Named { go_name: "common.VersionSet", element: "string", methods: &[] };

fn get(receiver: &Value, args: &[Value]) -> Result<Value, CallError> {
    let key = args[0].as_bytes().unwrap();
    receiver.as_map().unwrap().get(key).ok_or_else(|| CallError(format!("no {}", String::from_utf8_lossy(key))))
}

fn data() -> Value {
    let inner = Map::of(MapKind::Named(&NAMED), vec![("Get".into(), "hidden".into()), ("a".into(), "x".into())]);
    [
        ("named", Value::Map(inner)),
        ("strings", Map::of(MapKind::String, vec![("a".into(), "b".into())]).into()),
        ("set", List::of(ListKind::Named(&SET), vec!["v1".into()]).into()),
        ("list", List::new(vec![Value::Nil, Value::Int(1)]).into()),
        ("pair", [("a", Value::Int(1)), ("b", Value::Nil)].into_iter().collect::<Map>().into()),
        ("text", "abc".into()),
    ]
    .into_iter()
    .collect::<Map>()
    .into()
}

fn set_of(files: &[(&str, &str)]) -> Set {
    let mut set = Set::new("all");
    for (name, source) in files {
        set.add(Arc::new(Template::parse(name, source.as_bytes(), &functions()).unwrap()));
    }
    set
}

fn render_with(files: &[(&str, &str)], options: &Options) -> Result<String, Box<Error>> {
    let (set, functions) = (set_of(files), functions());
    let mut run = Run::new(&set, &functions, &"the host", options);
    let mut out = Vec::new();
    run.execute(files[0].0, data(), &mut out)?;
    Ok(String::from_utf8(out).unwrap())
}

/// Renders one file; an error is its text.
fn check(cases: &[(&str, &str)]) {
    for (source, want) in cases {
        let got = render_with(&[("f", source)], &Options::default()).unwrap_or_else(|e| e.to_string());
        assert_eq!(got, *want, "{source}");
    }
}

#[test]
fn typed_maps_and_methods() {
    check(&[
        ("{{ .strings.a }}[{{ .strings.zz }}]", "b[]"),
        (
            "{{ .strings.zz.y }}",
            "template: f:1:11: executing \"f\" at <.strings.zz.y>: can't evaluate field y in type string",
        ),
        ("{{ .named.Get \"a\" }}{{ .named.a }}", "xx"),
        ("{{ \"a\" | .named.Get }}", "x"),
        (
            "{{ .named.Get }}",
            "template: f:1:9: executing \"f\" at <.named.Get>: wrong number of args for Get: want 1 got 0",
        ),
        ("{{ .named.Get \"q\" }}", "template: f:1:9: executing \"f\" at <.named.Get>: error calling Get: no q"),
        ("{{ .named.Get 1 }}", "template: f:1:14: executing \"f\" at <1>: expected string; found 1"),
        ("{{ .named.Get nil }}", "template: f:1:14: executing \"f\" at <nil>: cannot assign nil to string"),
        (
            "{{ .named.Get .zz }}",
            "template: f:1:14: executing \"f\" at <.zz>: wrong type for value; expected string; got interface {}",
        ),
        ("{{ (.zz).Get .pair.q.r }}", "<no value>"),
        (
            "{{ keys .named }} {{ keys .pair }} {{ keys (.zz) }}",
            "common.Values map[string]interface {} map[string]interface {}",
        ),
        ("{{ strings .set }} {{ strings nil }}", "common.VersionSet []string"),
        (
            "{{ keys .strings }}",
            "template: f:1:8: executing \"f\" at <.strings>: wrong type for value; expected map[string]interface {}; got map[string]string",
        ),
        (
            "{{ until 2.0 }} {{ until (2.0) }}",
            "template: f:1:26: executing \"f\" at <2.0>: wrong type for value; expected int; got float64",
        ),
    ]);
}

#[test]
fn two_nils() {
    check(&[
        ("{{ .zz.y }}", "template: f:1:6: executing \"f\" at <.zz.y>: nil pointer evaluating interface {}.y"),
        ("{{ (.zz).y.x }}", "<no value>"),
        ("{{ $v := .zz }}{{ $v.y }}", "<no value>"),
        (
            "{{ range .list }}{{ .y }}{{ end }}",
            "template: f:1:20: executing \"f\" at <.y>: nil pointer evaluating interface {}.y",
        ),
        ("{{ range $k, $v := .pair }}{{ $k }}={{ $v }};{{ end }}", "a=1;b=<no value>;"),
        ("{{ len .zz }}", "template: f:1:3: executing \"f\" at <len .zz>: error calling len: len of nil pointer"),
        (
            "{{ len (.zz) }}",
            "template: f:1:3: executing \"f\" at <len (.zz)>: error calling len: reflect: call of reflect.Value.Type on zero Value",
        ),
        ("{{ print .zz }}|{{ html .zz }}", "<nil>|&lt;no value&gt;"),
    ]);
    let strict = Options { missing_key: MissingKey::Error, ..Options::default() };
    let error = render_with(&[("f", "{{ .zz }}")], &strict).unwrap_err();
    assert_eq!(error.to_string(), "template: f:1:3: executing \"f\" at <.zz>: map has no entry for key \"zz\"");
}

#[test]
fn leaving_loops_and_scopes() {
    check(&[
        ("{{ range 4 }}{{ with . }}{{ if eq . 2 }}{{ break }}{{ end }}{{ . }}{{ end }}{{ end }}{{ .text }}", "1abc"),
        ("{{ range 3 }}{{ with \"x\" }}{{ continue }}{{ end }}{{ end }}{{ .text }}", "abc"),
        ("{{ range 2 }}{{ range $.zz }}{{ else }}{{ break }}{{ end }}{{ . }}{{ end }}", "01"),
        ("{{ range 2 }}{{ range $.zz }}{{ else }}{{ continue }}{{ end }}{{ . }}{{ end }}", ""),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x = 3 }}{{ end }}{{ $x }}", "1"),
        ("{{ $x := 1 }}{{ range 3 }}{{ $x = . }}{{ end }}{{ $x }}", "2"),
        ("{{ with .zz }}{{ else with .text }}{{ . }}{{ end }}", "abc"),
        ("{{ or .zz 0 \"a\" }}{{ and 1 .zz 2 }}{{ .text | and 1 0 }}{{ .text | or 0 }}", "a<no value>0abc"),
        ("{{ define \"t\" }}{{ $ }}{{ end }}{{ $x := 1 }}{{ with 5 }}{{ template \"t\" . }}{{ end }}", "5"),
    ]);
}

#[test]
fn texts_see_the_set_and_hide_their_own() {
    check(&[
        (
            "{{ define \"a\" }}A{{ end }}{{ tpl \"{{ define \\\"a\\\" }}B{{ end }}{{ include \\\"a\\\" . }}\" . }}{{ include \"a\" . }}",
            "BA",
        ),
        ("{{ define \"a\" }}A{{ end }}{{ tpl \"{{ define \\\"a\\\" }} {{ end }}{{ include \\\"a\\\" . }}\" . }}", "A"),
        (
            "{{ define \"u\" }}{{ include \"v\" . }}{{ end }}{{ tpl \"{{ define \\\"v\\\" }}V{{ end }}{{ include \\\"u\\\" . }}\" . }}",
            "V",
        ),
        ("{{ tpl \"{{ top }} {{ host }}\" . }}", "f the host"),
        (
            "{{ tpl \"{{ if }}\" . }}",
            "template: f:1:3: executing \"f\" at <tpl \"{{ if }}\" .>: error calling tpl: template: text:1: missing value for if",
        ),
        (
            "{{ include \"zz\" . }}",
            "template: f:1:3: executing \"f\" at <include \"zz\" .>: error calling include: template: no template \"zz\" associated with template \"all\"",
        ),
    ]);
}

#[test]
fn later_files_win_unless_blank() {
    let files = [
        ("f", "{{ template \"a\" }}{{ template \"b\" }}{{ template \"g\" }}"),
        ("g", "{{ define \"a\" }}1{{ end }}{{ define \"b\" }}1{{ end }}G"),
        ("h", "{{ define \"a\" }}2{{ end }}{{ define \"b\" }} {{/* c */}}\n{{ end }}"),
    ];
    assert_eq!(render_with(&files, &Options::default()).unwrap(), "21G");
    let twice = Template::parse("f", &b"{{ define \"a\" }}1{{ end }}\n{{ define \"a\" }}2{{ end }}"[..], &functions());
    assert_eq!(twice.err().unwrap().to_string(), "template: f:2: template: multiple definition of template \"a\"");
}

#[test]
fn errors_know_their_parts() {
    let source = "\n{{ define \"d\" }}{{ fail \"x\" }}{{ end }}{{ include \"d\" . }}";
    let error = render_with(&[("f", source)], &Options::default()).unwrap_err();
    let place = error.place.as_ref().unwrap();
    assert_eq!((place.line, place.column, &*place.expression), (2, 42, "include \"d\" ."));
    assert_eq!(error.message, "error calling include");
    let inner = error.inner().unwrap();
    assert_eq!(inner.place.as_ref().unwrap().template, "d");
    assert!(matches!(&inner.cause, Cause::Function(text) if text == "failed"));
    assert!(std::ptr::eq(error.root(), inner));
}

#[test]
fn limits_end_a_run() {
    let tight = |limits| Options { limits, ..Options::default() };
    let base = Limits::default();
    for (source, limits, want) in [
        ("{{ range 100000000000 }}{{ end }}", Limits { steps: 1000, ..base }, Limit::Steps),
        ("{{ range 1000 }}{{ $.text }}{{ end }}", Limits { bytes: 9, ..base }, Limit::Bytes),
        (
            "{{ $x := \"ab\" }}{{ range 40 }}{{ $x = print $x $x }}{{ end }}",
            Limits { bytes: 1 << 20, ..base },
            Limit::Bytes,
        ),
        (
            "{{ define \"r\" }}{{ include \"r\" . }}{{ end }}{{ include \"r\" . }}",
            Limits { nesting: 20, ..base },
            Limit::Depth,
        ),
        (
            "{{ define \"r\" }}{{ tpl \"{{ include \\\"r\\\" . }}\" . }}{{ end }}{{ include \"r\" . }}",
            Limits { nesting: 20, ..base },
            Limit::Depth,
        ),
    ] {
        let error = render_with(&[("f", source)], &tight(limits)).unwrap_err();
        assert_eq!(error.limit(), Some(want), "{source}: {error}");
    }
    let source = "{{ define \"r\" }}{{ template \"r\" . }}{{ end }}{{ template \"r\" . }}";
    let error = render_with(&[("f", source)], &Options::default()).unwrap_err();
    assert_eq!(error.message, "exceeded maximum template depth (100000)");
}

#[test]
fn a_run_can_be_cancelled() {
    let options = Options { cancel: Some(Arc::new(AtomicBool::new(true))), ..Options::default() };
    let error = render_with(&[("f", "{{ range 100000000000 }}{{ end }}")], &options).unwrap_err();
    assert_eq!(error.limit(), Some(Limit::Cancelled));
}

#[test]
fn deep_sources_are_refused() {
    for source in [
        format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000)),
        format!("{}{}", "{{ if 1 }}".repeat(10_000), "{{ end }}".repeat(10_000)),
        "{{ define \"a\" }}".repeat(10_000),
        "{{ block \"a\" . }}".repeat(10_000),
    ] {
        assert!(Template::parse("f", source.into_bytes(), &functions()).is_err());
    }
    let chain = format!("{{{{ if 0 }}}}{}{{{{ end }}}}", "{{ else if 0 }}".repeat(10_000));
    assert!(Template::parse("f", chain.into_bytes(), &functions()).is_ok());
}

#[test]
fn templates_can_be_shared_by_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Template>();
    is_shared::<Set>();
    is_shared::<FunctionTable>();
}
