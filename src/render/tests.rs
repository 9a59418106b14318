//! Whole renders of small charts.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::chart::{File, load};

/// A chart of these files; a Chart.yaml is added if there is none.
fn request(files: &[(&str, &str)], values: &serde_json::Value) -> RenderRequest {
    let mut files: Vec<File> =
        files.iter().map(|(name, text)| File { name: (*name).into(), data: text.as_bytes().into() }).collect();
    if !files.iter().any(|f| &*f.name == "Chart.yaml") {
        files.push(File { name: "Chart.yaml".into(), data: b"apiVersion: v2\nname: c\nversion: 1.0.0\n"[..].into() });
    }
    let chart = load::files(files, &load::Limits::default()).unwrap();
    RenderRequest {
        chart: Arc::new(CompiledChart::new(Arc::new(chart))),
        values: Frozen::try_from(values).unwrap(),
        release: Release { name: "rel".into(), namespace: "ns".into(), revision: 1, is_upgrade: false },
        capabilities: Arc::default(),
        options: Options::default(),
        host: Arc::new(Machine),
    }
}

#[track_caller]
fn manifest(files: &[(&str, &str)], want: &str) {
    let got = render(&request(files, &serde_json::json!({}))).map(|r| r.manifest).map_err(|e| e.to_string());
    assert_eq!(got.unwrap_or_else(|e| format!("Error: {e}")), want);
}

const CHILD: (&str, &str) = ("charts/d/Chart.yaml", "apiVersion: v2\nname: d\nversion: 1.0.0\n");

#[test]
fn deep_files_run_first_and_what_they_set_others_see() {
    manifest(
        &[
            CHILD,
            ("charts/d/templates/x.yaml", "d: {{ .Values.num }}{{ $_ := set .Values \"num\" 2 }}"),
            ("charts/d/values.yaml", "num: 1"),
            ("templates/b.yaml", "b: {{ .Values.d.num }}{{ $_ := set .Values.d \"num\" 3 }}"),
            ("templates/a.yaml", "a: {{ .Values.d.num }} {{ .Subcharts.d.Values.num }} {{ .Subcharts.d.Chart.Name }}"),
        ],
        "---\n# Source: c/charts/d/templates/x.yaml\nd: 1\n---\n# Source: c/templates/a.yaml\na: 3 3 d\n---\n# Source: \
         c/templates/b.yaml\nb: 2\n",
    );
}

#[test]
fn shallow_definitions_win_and_partials_print_nothing() {
    manifest(
        &[
            CHILD,
            ("charts/d/templates/_h.tpl", "{{ define \"n\" }}child{{ end }}"),
            ("templates/_h.tpl", "{{ define \"n\" }}parent{{ end }}noise: ["),
            ("charts/d/templates/x.yaml", "x: {{ include \"n\" . }} {{ .Template.BasePath }}"),
        ],
        "---\n# Source: c/charts/d/templates/x.yaml\nx: parent c/charts/d/templates\n",
    );
}

#[test]
fn a_library_renders_partials_only() {
    manifest(
        &[
            ("charts/d/Chart.yaml", "apiVersion: v2\nname: d\nversion: 1.0.0\ntype: library\n"),
            ("charts/d/templates/x.yaml", "x: 1"),
            ("charts/d/templates/_y.tpl", "{{ define \"y\" }}y{{ end }}"),
            ("templates/a.yaml", "a: {{ template \"y\" }}{{ .Values.none }}"),
        ],
        "---\n# Source: c/templates/a.yaml\na: y\n",
    );
}

#[test]
fn errors_read_like_helm_s() {
    let chart = |text: &'static str| {
        vec![("templates/_h.tpl", "{{ define \"n\" }}{{ .a.b }}{{ end }}"), ("templates/a.yaml", text)]
    };
    for (text, want) in [
        ("x\n {{ fail \"no: way\" }}", "Error: execution error at (c/templates/a.yaml:2:4): no: way"),
        (
            "{{ include \"n\" dict }}",
            "Error: c/templates/a.yaml:1:3\n  executing \"c/templates/a.yaml\" at <include \"n\" dict>:\n    error calling include:\nc/templates/_h.tpl:1:21\n  executing \"n\" at <.a.b>:\n    nil pointer evaluating interface {}.b",
        ),
        (
            "{{ index (list) 1 }}",
            "Error: template: c/templates/a.yaml:1:3: executing \"c/templates/a.yaml\" at <index (list) 1>: error calling index: index out of range: 1",
        ),
        ("{{ foo }}", "Error: parse error at (c/templates/a.yaml:1): function \"foo\" not defined"),
        (
            "a: [",
            "Error: YAML parse error on c/templates/a.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content",
        ),
    ] {
        manifest(&chart(text), want);
    }
}

#[test]
fn notes_are_apart() {
    let files = [CHILD, ("charts/d/templates/NOTES.txt", "child"), ("templates/NOTES.txt", "for {{ .Release.Name }}")];
    let mut request = request(&files, &serde_json::json!({}));
    assert_eq!(render(&request).unwrap().notes, "for rel");
    request.options.subchart_notes = true;
    assert_eq!(render(&request).unwrap().notes, "child\nfor rel");
}

#[test]
fn schemas_of_all_charts_are_asked() {
    let schema = r#"{"properties": {"n": {"type": "integer"}}}"#;
    let files = [CHILD, ("charts/d/values.schema.json", schema), ("values.schema.json", schema)];
    let mut request = request(&files, &serde_json::json!({"n": "x", "d": {"n": 1.5}}));
    assert_eq!(
        render(&request).unwrap_err().to_string(),
        "values don't meet the specifications of the schema(s) in the following chart(s):\nc:\n- at '/n': got string, \
         want integer\nd:\n- at '/n': got number, want integer\n"
    );
    request.options.skip_schema_validation = true;
    render(&request).unwrap();
}

#[test]
fn the_cluster_must_fit() {
    let metadata = ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\nkubeVersion: <1.20\n");
    manifest(&[metadata], "Error: chart requires kubeVersion: <1.20 which is incompatible with Kubernetes v1.37.0");
}

#[test]
fn renders_end() {
    let mut endless = request(
        &[("templates/a", "{{ define \"x\" }}{{ template \"x\" }}{{ end }}{{ template \"x\" }}")],
        &serde_json::json!({}),
    );
    endless.options.limits.steps = 100_000;
    assert!(render(&endless).is_err());
    let mut wide = request(&[("templates/a", "{{ range until 1000 }}0123456789{{ end }}")], &serde_json::json!({}));
    wide.options.limits.bytes = 1000;
    assert!(render(&wide).unwrap_err().to_string().contains("more than 1000 bytes"));
    wide.options.limits.bytes = 1 << 20;
    wide.options.cancel = Some(Arc::new(AtomicBool::new(true)));
    assert!(render(&wide).unwrap_err().to_string().contains("cancelled"));
}

#[test]
fn tera_is_another_engine() {
    let files = [
        ("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0\nannotations: {pintle.dev/engine: tera}\n"),
        ("templates/_name.tpl", "{{ Release.Name }}-{{ Chart.Name }}"),
        (
            "templates/a.yaml",
            "kind: X\nname: {% include \"c/templates/_name.tpl\" %}\nlist:\n{% for x in Values.list %}- {{ x | quote }}\n{% endfor %}{{ Values.t | to_yaml }}\n",
        ),
    ];
    let rendered = render(&request(&files, &serde_json::json!({"list": ["<a>", "b"], "t": {"k": 1}}))).unwrap();
    assert_eq!(
        rendered.manifest,
        "---\n# Source: c/templates/a.yaml\nkind: X\nname: rel-c\nlist:\n- \"<a>\"\n- \"b\"\nk: 1\n\n"
    );
    let broken = [files[0], ("templates/a.yaml", "a: 1\nb: {{ Values.x.y }}\n")];
    let text = render(&request(&broken, &serde_json::json!({}))).unwrap_err().to_string();
    assert!(text.contains("c/templates/a.yaml") && text.contains('2'), "{text}");
}
