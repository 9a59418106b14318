use pintle_template::*;
use pintle_value::*;
use std::sync::Arc;
fn functions() -> FunctionTable {
    [
        Func {
            name: "include",
            params: &[Type::String, Type::Any],
            variadic: None,
            call: |c, a| Ok(Value::str(c.execute(a[0].as_bytes().unwrap(), a[1].clone())?)),
        },
        Func { name: "list", params: &[], variadic: Some(Type::Any), call: |_, a| Ok(List::new(a.to_vec()).into()) },
        Func {
            name: "default",
            params: &[Type::Any],
            variadic: Some(Type::Any),
            call: |_, a| Ok(a[1..].iter().find(|v| v.truth()).unwrap_or(&a[0]).clone()),
        },
        Func {
            name: "quote",
            params: &[],
            variadic: Some(Type::Any),
            call: |_, a| {
                let mut o = Vec::new();
                let mut t = Vec::new();
                fmt::print_value(&a[0], &mut t).unwrap();
                pintle_golib::strconv::append_quote(&mut o, &t);
                Ok(Value::str(o))
            },
        },
        Func {
            name: "sub",
            params: &[Type::Any, Type::Any],
            variadic: None,
            call: |_, a| match (&a[0], &a[1]) {
                (Value::Int(x), Value::Int(y)) => Ok(Value::Int(x - y)),
                _ => Err("no".into()),
            },
        },
    ]
    .into_iter()
    .collect()
}
fn main() {
    let f = functions();
    let arg = std::env::args().nth(1).unwrap_or_default();
    if arg == "stack" {
        let size: usize = std::env::args().nth(2).unwrap().parse().unwrap();
        let n: i64 = std::env::args().nth(3).unwrap().parse().unwrap();
        std::thread::Builder::new().stack_size(size << 10).spawn(move || {
            let f = functions();
            let mut set = Set::new("gotpl");
            set.add(Arc::new(Template::parse("t", &br#"{{ define "r" }}{{ if gt . 0 }}{{ include "r" (sub . 1) }}{{ else }}x{{ end }}{{ end }}{{ include "r" .n }}"#[..], &f).unwrap()));
            let o = Options { limits: Limits { nesting: 1_000_000, ..Limits::default() }, ..Options::default() };
            let mut run = Run::new(&set, &f, &(), &o);
            let mut out = vec![];
            let m: Map = [("n", Value::Int(n))].into_iter().collect();
            let r = run.execute("t", m.into(), &mut out);
            println!("{:?} {}", r.is_ok(), out.len());
        }).unwrap().join().unwrap();
        return;
    }
    let src = r#"{{- define "labels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- if .Values.extra }}
{{- range $k, $v := .Values.extra }}
{{ $k }}: {{ $v | quote }}
{{- end }}
{{- end }}
{{- end -}}
{{- range $i := .Values.items }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $.Release.Name }}-{{ $i.name }}
  labels: {{ include "labels" $ }}
data:
  {{- if and $i.enabled (eq $i.kind "a") (not $i.off) }}
  value: {{ $i.value | default "none" | quote }}
  {{- else if or $i.off (ne $i.kind "b") }}
  other: {{ printf "%s-%v" $i.name $i.value }}
  {{- end }}
  {{- with $i.deep }}
  deep: {{ .a.b.c }}
  {{- end }}
---
{{- end }}
"#;
    let t0 = std::time::Instant::now();
    let n = 2000;
    for _ in 0..n {
        Template::parse("t", src.as_bytes(), &f).unwrap();
    }
    println!("parse {:?}", t0.elapsed() / n);
    let mut set = Set::new("gotpl");
    set.add(Arc::new(Template::parse("t", src.as_bytes(), &f).unwrap()));
    let items: List = (0..100)
        .map(|i| {
            Value::Map(
                [
                    ("name", Value::from(format!("item{i}"))),
                    ("enabled", (i % 2 == 0).into()),
                    ("kind", if i % 3 == 0 { "a" } else { "b" }.into()),
                    ("value", (i as f64).into()),
                    (
                        "deep",
                        Value::Map(
                            [(
                                "a",
                                Value::Map(
                                    [("b", Value::Map([("c", "x".into())].into_iter().collect()))]
                                        .into_iter()
                                        .collect(),
                                ),
                            )]
                            .into_iter()
                            .collect(),
                        ),
                    ),
                ]
                .into_iter()
                .collect(),
            )
        })
        .collect();
    let data: Map = [
        ("Release", Value::Map([("Name", Value::from("rel"))].into_iter().collect())),
        ("Chart", Value::Map([("Name", Value::from("c"))].into_iter().collect())),
        (
            "Values",
            Value::Map(
                [
                    ("items", items.into()),
                    (
                        "extra",
                        Value::Map(
                            [("x", Value::from("1")), ("y", "2".into()), ("z", "3".into())].into_iter().collect(),
                        ),
                    ),
                ]
                .into_iter()
                .collect(),
            ),
        ),
    ]
    .into_iter()
    .collect();
    let o = Options::default();
    let t0 = std::time::Instant::now();
    let n = 2000;
    let mut len = 0;
    let mut steps = 0;
    for _ in 0..n {
        let mut run = Run::new(&set, &f, &(), &o);
        let mut out = vec![];
        run.execute("t", data.clone().into(), &mut out).unwrap();
        len = out.len();
        steps = run.steps();
    }
    println!("run {:?} {len} bytes {steps} steps", t0.elapsed() / n);
}
