//! Charts that are made to cost more than anybody has. Each ends with a message that names the limit it met.
//! `cargo test --test bombs -- --nocapture` tells what each takes until then.

#![allow(clippy::unwrap_used)]

use flate2::{Compression, write::GzEncoder};
use pintle::{
    chart::{File, Frozen, load, values},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderRequest, render},
};
use std::{
    io::Write,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

fn file(name: &str, text: &str) -> File {
    File { name: Arc::from(name), data: Arc::from(text.as_bytes()) }
}

/// What a chart of one template comes to, on a thread whose stack holds the deepest nesting.
fn rendered(template: &str, options: Options) -> Result<String, String> {
    let files = vec![
        file("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0"),
        file("values.yaml", "self: '{{ tpl .Values.self . }}'"),
        file("templates/t.yaml", template),
    ];
    rendered_files(files, options)
}

fn rendered_files(files: Vec<File>, options: Options) -> Result<String, String> {
    let chart = load::files(files, &load::Limits::default()).map_err(|e| e.to_string())?;
    let request = RenderRequest {
        chart: Arc::new(CompiledChart::new(Arc::new(chart))),
        values: Frozen::table(),
        release: Release { name: "r".into(), namespace: "n".into(), revision: 1, is_upgrade: false },
        capabilities: Arc::new(Capabilities::default()),
        options,
        host: Arc::new(Machine),
    };
    let thread = std::thread::Builder::new().stack_size(512 << 20);
    let run = move || render(&request).map(|rendered| rendered.manifest).map_err(|e| e.to_string());
    thread.spawn(run).unwrap().join().unwrap()
}

/// Fails with a text that has these words; tells how long that takes.
fn check(name: &str, words: &str, run: impl FnOnce() -> Result<String, String>) {
    let start = Instant::now();
    let error = match run() {
        Err(error) => error,
        Ok(text) => panic!("{name}: made {} bytes and no error", text.len()),
    };
    let took = start.elapsed().as_millis();
    let shown = &error[error.len().saturating_sub(150)..];
    eprintln!("{name}: {took} ms: …{shown}");
    assert!(error.contains(words), "{name}: {error}");
}

fn steps(steps: u64) -> Options {
    let mut options = Options::default();
    options.limits.steps = steps;
    options
}

/// Named templates of which each includes the one before ten times.
fn tree_of_includes() -> String {
    let mut text = String::from("{{ define \"t0\" }}{{ end }}");
    for level in 1..12 {
        let inner = format!("{{{{ include \"t{}\" . }}}}", level - 1).repeat(10);
        text += &format!("{{{{ define \"t{level}\" }}}}{inner}{{{{ end }}}}");
    }
    text + "{{ include \"t11\" . }}"
}

#[test]
fn includes_and_loops_end_at_the_limit_of_steps() {
    check("includes", "the render takes more than 200000 steps", || rendered(&tree_of_includes(), steps(200_000)));
    let loops = "{{ range until 10000 }}{{ range until 10000 }}{{ end }}{{ end }}";
    check("loops", "the render takes more than 2000000 steps", || rendered(loops, steps(2_000_000)));
    check("long decimals", "the render takes more than 100000 steps", || {
        rendered("{{ range 10000 }}{{ divf 0.1 -12228.859375 -1.05e-289 }}{{ end }}", steps(100_000))
    });
    check("a loop over a number", "the render takes more than 2000000 steps", || {
        rendered("{{ range 9223372036854775807 }}{{ end }}", steps(2_000_000))
    });
}

#[test]
fn text_ends_at_the_limit_of_bytes() {
    let options = || {
        let mut options = Options::default();
        options.limits.bytes = 32 << 20;
        options
    };
    let printed = "{{ range until 1000 }}{{ repeat 100000 \"x\" }}{{ end }}";
    check("100 MB of output", "the render makes more than 33554432 bytes of text", || rendered(printed, options()));
    let doubled = "{{ $x := \"x\" }}{{ range until 60 }}{{ $x = printf \"%s%s\" $x $x }}{{ end }}";
    check("doubled text", "the render makes more than 33554432 bytes of text", || rendered(doubled, options()));
    check("one call", "repeat: the result would be 1000000000000 bytes long, more than the limit of 33554432", || {
        rendered("{{ repeat 1000000000000 \"x\" }}", Options::default())
    });
    check("one list", "until: the result would have 1000000000000 items, more than the limit of 4194304", || {
        rendered("{{ until 1000000000000 }}", Options::default())
    });
}

#[test]
fn recursion_ends_at_its_limits() {
    let named = "{{ define \"a\" }}{{ include \"a\" . }}{{ end }}{{ include \"a\" . }}";
    check("include within itself", "rendering template has a nested reference name: a", || {
        rendered(named, Options::default())
    });
    let action = "{{ define \"a\" }}{{ template \"a\" . }}{{ end }}{{ template \"a\" . }}";
    check("template within itself", "exceeded maximum template depth (100000)", || {
        rendered(action, Options::default())
    });
    check("tpl within itself", "more than 1100 levels within each other", || {
        rendered("{{ tpl .Values.self . }}", Options::default())
    });
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(100_000), ")".repeat(100_000));
    check("parentheses", "max expression depth exceeded", || rendered(&deep, Options::default()));
    let deep = "{{ if 1 }}".repeat(100_000) + &"{{ end }}".repeat(100_000);
    check("blocks", "max expression depth exceeded", || rendered(&deep, Options::default()));
    let cycle = "{{ $d := dict }}{{ $_ := set $d \"d\" $d }}{{ toYaml $d }}{{ fail (toString $d | len | toString) }}";
    check("a value within itself", "nests deeper than 1000", || rendered(cycle, Options::default()));
}

#[test]
fn patterns_end_at_the_limit_of_their_program() {
    let template = |pattern: &str| format!("{{{{ regexFind `{pattern}` \"a\" }}}}");
    check("repeated repeats", "invalid repeat count", || {
        rendered(&template("((a{1000}){1000}){1000}"), Options::default())
    });
    check("many classes", "expression too large", || rendered(&template(&"\\pL".repeat(3000)), Options::default()));
    check("many letters", "expression too large", || rendered(&template(&"a".repeat(100_000)), Options::default()));
    check("groups", "expression nests too deeply", || {
        rendered(&template(&("(".repeat(5000) + &")".repeat(5000))), Options::default())
    });
    // What makes other engines try for ever is no bomb here.
    let template = "v: {{ regexMatch \"(a+)+$\" (printf \"%s!\" (repeat 100000 \"a\")) }}";
    assert_eq!(rendered(template, Options::default()).unwrap(), "---\n# Source: c/templates/t.yaml\nv: false\n");
}

/// Ten lists of which each holds the one before ten times.
fn laughs() -> String {
    let mut text = String::from("l0: &l0 [ha]\n");
    for level in 1..10 {
        let inner = format!("*l{}, ", level - 1).repeat(10);
        text += &format!("l{level}: &l{level} [{inner}]\n");
    }
    text
}

#[test]
fn documents_end_at_their_limits() {
    let read = |text: &str| values::from_yaml(text.as_bytes()).map(|_| String::new()).map_err(|e| e.to_string());
    check("aliases", "document contains excessive aliasing", || read(&laughs()));
    check("lists", "exceeded max depth of 500", || read(&("a: ".to_owned() + &"[".repeat(100_000))));
    check("tables", "exceeded max depth of 500", || read(&"a: {".repeat(100_000)));
    let rows: String = (0..2000).map(|depth| " ".repeat(depth) + "a:\n").collect();
    check("rows", "exceeded max depth of 500", || read(&rows));
    // A function hands the error back as a value.
    let files = vec![
        file("Chart.yaml", "apiVersion: v2\nname: c\nversion: 1.0.0"),
        file("laughs", &laughs()),
        file("templates/t.yaml", "{{ fail (fromYaml (.Files.Get \"laughs\")).Error }}"),
    ];
    check("aliases in fromYaml", "document contains excessive aliasing", || rendered_files(files, Options::default()));
}

#[test]
fn schemas_end_at_their_limits() {
    let chart = |schema: &str| {
        let chart = "apiVersion: v2\nname: c\nversion: 1.0.0";
        rendered_files(vec![file("Chart.yaml", chart), file("values.schema.json", schema)], Options::default())
    };
    let levels: String = (0..40)
        .map(|level| {
            let next = format!("{{\"$ref\": \"#/$defs/d{}\"}}", level + 1);
            format!("\"d{level}\": {{\"allOf\": [{next}, {next}]}}, ")
        })
        .collect();
    check("schemas that lead to each other", "the schema takes more than 20000000 steps", || {
        chart(&format!("{{\"$ref\": \"#/$defs/d0\", \"$defs\": {{{levels}\"d40\": {{}}}}}}"))
    });
    let patterns: Vec<String> = (0..1000).map(|i| format!("{{\"pattern\": \"(\\\\pL{{10}}|{i}){{2}}\"}}")).collect();
    check("patterns", "patterns of the schema take more than 67108864 bytes", || {
        chart(&format!("{{\"anyOf\": [{}]}}", patterns.join(",")))
    });
}

fn archive(entries: &[(&str, usize)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, size) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_size(*size as u64);
        header.set_cksum();
        tar.append_data(&mut header, format!("c/{name}"), std::io::Read::take(std::io::repeat(b' '), *size as u64))
            .unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

#[test]
fn archives_end_at_their_limits() {
    let read =
        |bytes: &[u8]| load::archive(bytes, &load::Limits::default()).map(|_| String::new()).map_err(|e| e.to_string());
    check("a large file", "is larger than the maximum size 5242880", || read(&archive(&[("a", 6 << 20)])));
    let limits = load::Limits { total_bytes: 10 << 20, ..load::Limits::default() };
    let many = archive(&[("a", 5 << 20), ("b", 4 << 20), ("c", 3 << 20)]);
    check("many bytes", "is larger than the maximum size 10485760", || {
        load::archive(&many, &limits).map(|_| String::new()).map_err(|e| e.to_string())
    });
    let many: Vec<(String, usize)> = (0..20_001).map(|i| (format!("f{i}"), 0)).collect();
    let many: Vec<(&str, usize)> = many.iter().map(|(name, size)| (name.as_str(), *size)).collect();
    check("many files", "more than 20000 are not allowed", || read(&archive(&many)));
    // Says that it is small, and unpacks to what is not.
    let mut zeros = GzEncoder::new(Vec::new(), Compression::fast());
    for _ in 0..256 {
        zeros.write_all(&[0; 1 << 20]).unwrap();
    }
    check("nothing but zeros", "no files in chart archive", || read(&zeros.finish().unwrap()));
}

#[test]
fn a_render_can_be_cancelled() {
    let flag = Arc::new(AtomicBool::new(false));
    let options = Options { cancel: Some(Arc::clone(&flag)), ..Options::default() };
    let render = std::thread::spawn(move || rendered("{{ range 9223372036854775807 }}{{ end }}", options));
    std::thread::sleep(Duration::from_millis(20));
    flag.store(true, Ordering::Relaxed);
    check("cancelled", "the render was cancelled", || render.join().unwrap());
}
