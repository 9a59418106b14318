//! Charts whose templates are Tera's.

#![allow(clippy::unwrap_used)]

use pintle::{
    chart::{Chart, File, Frozen, load},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderError, RenderRequest, Rendered, render},
};
use serde_json::{Value, json};
use std::{path::Path, sync::Arc};

fn rendered(chart: Chart, values: &Value, options: Options) -> Result<Rendered, RenderError> {
    render(&RenderRequest {
        chart: Arc::new(CompiledChart::new(Arc::new(chart))),
        values: Frozen::try_from(values).unwrap(),
        release: Release { name: "rel".into(), namespace: "ns".into(), revision: 1, is_upgrade: false },
        capabilities: Arc::new(Capabilities::default()),
        options,
        host: Arc::new(Machine),
    })
}

const CHART: (&str, &str) =
    ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\nannotations: {pintle.dev/engine: tera}\n");

fn chart(files: &[(&str, &str)]) -> Chart {
    let mut files: Vec<File> =
        files.iter().map(|(name, text)| File { name: (*name).into(), data: text.as_bytes().into() }).collect();
    if !files.iter().any(|f| &*f.name == CHART.0) {
        files.push(File { name: CHART.0.into(), data: CHART.1.as_bytes().into() });
    }
    load::files(files, &load::Limits::default()).unwrap()
}

/// What the template `a` prints, or the error.
fn text(files: &[(&str, &str)], values: &Value) -> String {
    match rendered(chart(files), values, Options::default()) {
        Ok(rendered) => {
            let object = rendered.objects.iter().find(|object| object.path == "c/templates/a").unwrap();
            rendered.manifest[object.text.clone()].to_owned()
        }
        Err(error) => error.to_string(),
    }
}

#[track_caller]
fn check(template: &str, values: &Value, expect: &str) {
    assert_eq!(
        text(&[("templates/a", template), ("f/x.txt", "1\n2\n"), ("f/y.txt", "ü")], values),
        expect,
        "{template}"
    );
}

#[test]
fn a_chart_of_its_own() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("e2e/charts/greeting");
    if !path.exists() {
        eprintln!("skipped: the sample chart is not part of the package");
        return;
    }
    let chart = load::path(&path, &load::Limits::default()).unwrap();
    let rendered = rendered(chart, &json!({"names": ["Ada"]}), Options::default()).unwrap();
    let expect = "---
# Source: greeting/templates/configmap.yaml
apiVersion: v1
kind: ConfigMap
metadata:
  name: rel-greeting
  labels:
    app.kubernetes.io/name: \"greeting\"
    app.kubernetes.io/instance: \"rel\"
data:
  ada: \"Ahoy, Ada!\"
  motto.txt: \"Nothing is escaped & nobody is left out\\n\"

";
    assert_eq!(rendered.manifest, expect);
    assert_eq!(rendered.notes, "1 name greeted by rel.\n");
    assert_eq!(rendered.hooks.len(), 1);
    assert_eq!(rendered.hooks[0].name, "rel-test");
    assert!(rendered.hooks[0].manifest.contains("command: [cat, /greeting/ada]"));
}

#[test]
fn the_same_objects_are_in_scope() {
    for (template, expect) in [
        (
            "x: {{ Release.Name }} {{ Release.Namespace }} {{ Release.Revision }} {{ Release.IsInstall }}",
            "x: rel ns 1 true",
        ),
        ("x: {{ Chart.Name }} {{ Chart.Version }} {{ Chart.IsRoot }}", "x: c 1.0.0 true"),
        ("x: {{ Template.Name }} {{ Template.BasePath }}", "x: c/templates/a c/templates"),
        ("x: {{ Values.n + 1 }} {{ Values.f }} {{ Values.s }} {{ Values.l | join(sep=\"-\") }}", "x: 3 1.5 <&> a-b"),
        ("x: {{ Capabilities.KubeVersion.Major }}{% if has_api(version=\"apps/v1\") %} apps{% endif %}", "x: 1 apps"),
        ("x: {{ \"apps/v1\" in Capabilities.APIVersions }}", "x: true"),
        ("x: {{ Files[\"f/y.txt\"] }} {{ files_get(path=\"f/y.txt\") }}{{ files_get(path=\"none\") }}", "x: ü ü"),
        (
            "x: {{ files_lines(path=\"f/x.txt\") | length }} {{ files_glob(pattern=\"f/*.txt\") | keys | join(sep=\",\") }}",
            "x: 2 f/x.txt,f/y.txt",
        ),
        ("x:{{ files_as_config(pattern=\"f/x*\") | nindent(width=2) }}", "x:\n  x.txt: |\n    1\n    2"),
        ("x:{{ files_as_secrets(pattern=\"f/x*\") | nindent(width=2) }}", "x:\n  x.txt: MQoyCg=="),
    ] {
        check(template, &json!({"n": 2, "f": 1.5, "s": "<&>", "l": ["a", "b"]}), expect);
    }
}

#[test]
fn helms_functions_can_be_called() {
    for (template, expect) in [
        ("x: {{ Values.name | helm(f=\"trunc\", args=[3]) }}", "x: abc"),
        ("x: {{ helm(f=\"semverCompare\", args=[\">=1.2\", \"1.10.0\"]) }}", "x: true"),
        ("x: {{ \"a {{ .Values.b }}\" | helm(f=\"upper\") | quote }}", "x: \"A {{ .VALUES.B }}\""),
        ("x: {{ helm(f=\"tpl\", args=[\"{{ .k | repeat 2 }}\", {\"k\": \"v\"}]) }}", "x: vv"),
        ("{% set d = helm(f=\"dict\", args=[\"a\", 1]) %}x: {{ d.a + 1 }}", "x: 2"),
        ("x: {{ Values.map | to_yaml | nindent(width=2) }}", "x: \n  a: 1\n  b:\n  - c"),
        (
            "x: '{{ Values.map | to_json }} {{ \"a: [1]\" | from_yaml | to_json }}'",
            "x: '{\"a\":1,\"b\":[\"c\"]} {\"a\":[1]}'",
        ),
        ("x: {{ Values.name | b64encode | b64decode | sha256sum | truncate(length=6, end=\"\") }}", "x: bef57e"),
        ("x: {% for k, v in Values.many %}{{ k }}{% endfor %}", "x: abcdefgh"),
        ("x: {{ lookup(api_version=\"v1\", kind=\"Pod\") | length }}", "x: 0"),
    ] {
        check(
            template,
            &json!({"name": "abcdef", "many": {"h": 1, "g": 1, "f": 1, "e": 1, "d": 1, "c": 1, "b": 1, "a": 1}, "map": {"a": 1, "b": ["c"]}}),
            expect,
        );
    }
    let errors = [
        ("{{ helm(f=\"nope\") }}", "Helm has no function \"nope\""),
        ("{{ helm(f=\"x) }}{{ fail\") }}", "Helm has no function"),
        ("{{ helm(f=\"include\", args=[\"a\", 1]) }}", "Helm has no function \"include\""),
        ("{{ helm(f=\"trunc\", args=[1]) }}", "wrong number of args for trunc: want 2 got 1"),
        ("{{ helm(f=\"fail\", args=[\"stop\"]) }}", "error calling fail: stop"),
        ("{{ fail(message=\"no way\") }}", "execution error at (c/templates/a:1:4): no way"),
        ("{{ Values.none | default(value=\"\") | required(message=\"none is missing\") }}", "none is missing"),
    ];
    for (template, expect) in errors {
        let told = text(&[("templates/a", template)], &json!({}));
        assert!(told.contains(expect), "{template}: {told}");
    }
}

#[test]
fn templates_find_each_other() {
    let child =
        ("charts/d/Chart.yaml", "apiVersion: v2\nname: d\nversion: 1.0.0\nannotations: {pintle.dev/engine: Tera}\n");
    let files = [
        ("templates/a", "a: {% include \"_p\" %} {% include \"c/charts/d/templates/_p\" %} {% include \"_q\" %}"),
        ("templates/_p", "parent"),
        ("templates/_r", "root {{ Chart.Name }}"),
        ("templates/base", "b: {% block b %}none{% endblock %}"),
        ("templates/e", "{% extends \"base\" %}{% block b %}{{ Values.d.v }}{% endblock %}"),
        child,
        ("charts/d/templates/_p", "child"),
        ("charts/d/templates/_q", "of child"),
        ("charts/d/templates/x", "x: {% include \"_p\" %} {% include \"_r\" %} {{ Values.v }}"),
    ];
    let rendered = rendered(chart(&files), &json!({"d": {"v": 7}}), Options::default()).unwrap();
    let expect = "---\n# Source: c/charts/d/templates/x\nx: child root d 7\n---\n# Source: c/templates/a\na: parent child of \
                  child\n---\n# Source: c/templates/base\nb: none\n---\n# Source: c/templates/e\nb: 7\n";
    assert_eq!(rendered.manifest, expect);
}

#[test]
fn errors_name_file_and_line() {
    for (template, expect, line) in [
        ("a: 1\nb: {{ Values.x.y }}\n", "execution error at (c/templates/a:2:14): ", "2 | b: {{ Values.x.y }}"),
        ("a: 1\n{% if %}\n", "parse error at (c/templates/a:2:", "2 | {% if %}"),
        // Columns are the chart's, not those of what is put in for counting.
        (
            "{% for x in [1] %}{{ Values.y.z }}{% endfor %}",
            "execution error at (c/templates/a:1:29): ",
            "1 | {% for x in [1] %}{{ Values.y.z }}{% endfor %}",
        ),
    ] {
        let error = rendered(chart(&[("templates/a", template)]), &json!({}), Options::default()).unwrap_err();
        let told = error.to_string();
        assert!(told.starts_with(expect) && !told.contains('\n'), "{told}");
        let diagnosis = error.diagnosis().unwrap().to_string();
        assert!(diagnosis.contains(line), "{diagnosis}");
    }
    let missing = text(&[("templates/a", "{% include \"none\" %}")], &json!({}));
    assert_eq!(missing, "parse error at (c/templates/a:1:12): Unknown template `none`");
    let values = rendered(chart(&[("templates/a", "{{ values.x }}")]), &json!({}), Options::default()).unwrap_err();
    assert!(values.diagnosis().unwrap().to_string().ends_with("= the object is called `Values`"), "{values}");
}

#[test]
fn nothing_goes_on_without_end() {
    let deep = "{% component a() %}{{ <a /> }}{% endcomponent a %}{{ <a /> }}";
    let told = text(&[("templates/a", deep)], &json!({}));
    assert!(told.contains("Maximum render recursion depth for components exceeded"), "{told}");
    let mutual = "{% component a() %}{{ <b /> }}{% endcomponent a %}{% component b() %}{{ <a /> }}{% endcomponent b %}{{ <b /> }}";
    assert!(text(&[("templates/a", mutual)], &json!({})).contains("recursion depth"));
    let cycle = text(&[("templates/a", "{% include \"_b\" %}"), ("templates/_b", "{% include \"_b\" %}")], &json!({}));
    assert!(cycle.contains("ircular"), "{cycle}");
    let brackets = text(
        &[("templates/a", &"(".repeat(100_000)), ("templates/b", &format!("{{{{ {} }}}}", "(".repeat(100_000)))],
        &json!({}),
    );
    assert!(brackets.contains("error at (c/templates/b:1:"), "{brackets}");
    let mut options = Options::default();
    options.limits.steps = 1000;
    let long =
        chart(&[("templates/a", "{% for x in range(end=100) %}{% for y in range(end=100) %}{% endfor %}{% endfor %}")]);
    let told = rendered(long.clone(), &json!({}), options.clone()).unwrap_err().to_string();
    assert!(told.contains("more steps than allowed"), "{told}");
    options = Options::default();
    options.limits.bytes = 1000;
    let wide = chart(&[("templates/a", "{% for x in range(end=1000) %}0123456789{% endfor %}")]);
    let told = rendered(wide, &json!({}), options).unwrap_err().to_string();
    assert!(told.contains("more in memory than allowed"), "{told}");
    assert!(rendered(long, &json!({}), Options::default()).is_ok());
}

/// Charts that would take more memory than there is. Each is refused for what it does; the limit on text is 64 MiB here.
#[test]
fn what_is_built_in_memory_is_bounded() {
    let large =
        "{% set m %}{% for i in range(end=1000) %}0123456789012345678901234567890123456789{% endfor %}{% endset %}";
    let partial = "x".repeat(100_000);
    let mut wrong = Vec::new();
    for (template, expect) in [
        // One doubled again and again, in loops and without.
        ("{% set x = m %}{% for i in range(end=60) %}{% set_global x = x ~ x %}{% endfor %}", "more in memory"),
        (&"{% set m = m ~ m %}".repeat(60), "more in memory"),
        (
            "{{ [m, m, m, m] | join(sep=m) | replace(from=\"0\", to=m) }}",
            "replace: the text would be longer than 64 MiB",
        ),
        ("{{ m | replace(from=\"\", to=m) }}", "replace: the text would be longer than 64 MiB"),
        ("{{ [m, m, m] | str | replace(from=\"1\", to=m) }}", "replace: the text would be longer"),
        // Lists that share their parts are small, but not when somebody writes them.
        ("{% set x = [m] %}{% for i in range(end=60) %}{% set_global x = [x, x] %}{% endfor %}", "larger than 64 MiB"),
        (
            "{% set x = [1] %}{% for i in range(end=60) %}{% set_global x = {\"a\": x, \"b\": x} %}{% endfor %}{{ x }}",
            "larger than 64 MiB",
        ),
        (
            "{% set x = [1] %}{% for i in range(end=60) %}{% set_global x = [...x, ...x] %}{% endfor %}",
            "more in memory",
        ),
        (
            "{% for a in [[m, m, m, m]] %}{% for b in [[a, a, a, a]] %}{% for c in [[b, b, b, b]] %}{% for d in [[c, c, c, c]] %}\
          {% for e in [[d, d, d, d, d, d, d]] %}{{ e }}{% endfor %}{% endfor %}{% endfor %}{% endfor %}{% endfor %}",
            "larger than 64 MiB",
        ),
        (
            "{{ [[m, m, m, m, m, m, m, m], [m, m, m, m, m, m, m, m]] ~ [[m, m, m, m, m, m, m], [m]] ~ [m] ~ \"\" | to_yaml }}\
          {% set x = [m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m, m] %}\
          {{ [x, x] | to_yaml }}{{ [x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x, x] | to_json }}",
            "than",
        ),
        // So deep that dropping it would take the stack.
        (
            "{% set x = 1 %}{% for i in range(end=100000) %}{% set_global x = [x] %}{% endfor %}",
            "nests deeper than 200",
        ),
        // Texts that are kept as they are written.
        ("{% set y %}{% for i in range(end=100000) %}{{ m }}{% endfor %}{% endset %}", "more in memory"),
        (
            "{% set y %}{% for i in range(end=100000) %}{% for j in range(end=1000) %}0123456789{% endfor %}{% endfor %}{% endset %}",
            "than allowed",
        ),
        ("{% set y %}{% for i in range(end=100000) %}{% include \"_p\" %}{% endfor %}{% endset %}", "more in memory"),
        (
            "{% set y %}{% for i in range(end=100000) %}{% filter replace(from=\"a\", to=m) %}aaaa{% endfilter %}{% endfor %}{% endset %}",
            "more in memory",
        ),
        (
            "{% filter upper %}{% for i in range(end=100000) %}{{ m | lower }}{% endfor %}{% endfilter %}",
            "more in memory",
        ),
        // Many things made and kept.
        (
            "{% set l = [] %}{% for i in range(end=10000) %}{% set_global l = [...l, m | upper] %}{% endfor %}",
            "more in memory",
        ),
        (
            "{% set l = [] %}{% for i in range(end=10000) %}{% set_global l = [...l, m[1:]] %}{% endfor %}",
            "more in memory",
        ),
        ("{% set l = [m | lower for i in range(end=10000)] %}", "more in memory"),
        ("{% set l = [files_get(path=\"f/x.txt\") ~ m for i in range(end=10000)] %}", "more in memory"),
        ("{% set l = [range(end=100000) for i in range(end=1000)] %}", "more in memory"),
        // Rounds that no tag begins.
        (
            "{% set r = range(end=1000) %}{% for d in r %}{% set l = [[a for a in r if false] for b in r] %}{% endfor %}",
            "than allowed",
        ),
        // Components within each other.
        ("{{ <grow x={m} /> }}", "more in memory"),
    ] {
        let grow = "{% component grow(x) %}{{ <grow x={x ~ x} /> }}{% endcomponent grow %}";
        let text = format!("{large}{template}{grow}");
        let files = [("templates/a", text.as_str()), ("templates/_p", partial.as_str()), ("f/x.txt", "x")];
        let mut options = Options::default();
        options.limits.bytes = 64 << 20;
        let shown = &template[..template.len().min(200)];
        match rendered(chart(&files), &json!({}), options) {
            Ok(rendered) => wrong.push(format!("{shown}: made {} bytes", rendered.manifest.len())),
            Err(error) if error.to_string().contains(expect) => {}
            Err(error) => wrong.push(format!("{shown}: {error}")),
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// What counts is put into the templates: they mean what they meant.
#[test]
fn expressions_mean_what_they_meant() {
    let mut wrong = Vec::new();
    for (template, expect) in [
        ("x: {{ 1 + 2 ~ \"a\" ~ 3 * 2 }}", ""),
        ("x: {{ (\"a\" ~ 1 ~ [1, 2] ~ {\"k\": \"v\"}) | quote }}", "x: \"a1[1, 2]{\\\"k\\\": \\\"v\\\"}\""),
        ("x: {{ \"a\" ~ \"b\" | upper ~ Values.s[1:] | upper ~ Values[\"s\"] }}", "x: aBEXTtext"),
        ("x: {{ \"y\" if Values.n == 2 and \"a\" ~ \"b\" is containing(pat=\"ab\") else \"n\" | upper }}", "x: y"),
        ("x: {{ [i * 2 for i in Values.l if i is odd] | join(sep=\"-\") }}", "x: 2-6"),
        ("x: {{ [k ~ v for k, v in Values.m] | join(sep=\",\") }}", "x: a1,b2"),
        ("x: {{ [...Values.l, ...[4] | reverse, 5 if true else 6] | join }}", "x: 12345"),
        ("x: {{ {\"a\": 1, ...Values.m, \"c\": \"d\" ~ 1} | keys | sort | join }}", "x: abc"),
        ("{% set a | upper %}b{{ 1 }}{% endset %}x: {{ a }}", "x: B1"),
        ("{% set a = Values.none?.b | default(value=\"d\") %}x: {{ a }}", "x: d"),
        ("{% filter upper | replace(from=\"B\", to=\"c\") %}x: ab{% endfilter %}", "X: Ac"),
        ("x: {% if not Values.l or Values.n in Values.l | sort %}y{% elif -1 < Values.n %}z{% endif %}", "x: y"),
        ("x: {% for k, v in Values.m | default(value={}) -%}\n {{ k }} {{- v }};\n{%- endfor %}", "x: a1;b2;"),
        (
            "x: {{ <c a={Values.n + 1} b=\"q\" {...{\"e\": 1} } /> }}{% component c(a: number, b: string = \"z\", ...r) %}{{ a }}{{ b }}{{ r | length }}{% endcomponent c %}",
            "x: 3q1",
        ),
        ("{% component d() %}<{{ body }}>{% endcomponent d %}x: {% <d> %}b{{ Values.n }}{% </d> %}", "x: <b2>"),
        (
            "x: {{ \"abc\" | replace(from=\"\", to=\"-\") }} {{ [1, \"a\"] | join(sep=\"/\") }} {{ [1] | str }}",
            "x: -a-b-c- 1/a [1]",
        ),
        ("x: |\n{{ \"a\\n\\nb\\n\" | indent(first=true, width=2) }}", "x: |\n  a\n\n  b\n"),
        ("x: {{ \"a\\n\\nb\" | indent(blank=true, width=2, indentation=\"·\") | quote }}", "x: \"a\\n··\\n··b\""),
        ("x: {{ Values.l[0] }}{{ Values.l[-1] }}{{ Values.l[1:] | last }}{{ Values.l | first }}", "x: 1331"),
    ] {
        let values = json!({"n": 2, "s": "text", "l": [1, 2, 3], "m": {"a": 1, "b": 2}});
        let got = text(&[("templates/a", template)], &values);
        // What fails, fails in the template.
        let as_told = got.contains("execution error at (c/templates/a:1:");
        let holds = if expect.is_empty() { as_told } else { got.trim_end() == expect.trim_end() };
        if !holds {
            wrong.push(format!("{template}: {got:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
