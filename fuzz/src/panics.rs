//! Bytes thrown at everything that reads what strangers wrote. Nothing may panic, overflow the stack or hang.

use crate::{
    case::{Answer, Case},
    generate::{self, documents, settings, texts},
    rng::Rng,
};
use anyhow::{Result, bail};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use flate2::{Compression, write::GzEncoder};
use pintle::chart::{self, Frozen, load, strvals};
use pintle_value::Map;
use std::{
    io::Write as _,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

/// How long one input may keep a processor busy: a machine that has no time for us is no hang.
const PATIENCE: Duration = Duration::from_secs(60);

/// A reader, with a maker of what it reads.
struct Target {
    name: &'static str,
    make: fn(&mut Rng, &[Case]) -> Vec<u8>,
    read: fn(&[u8]),
}

const TARGETS: &[Target] = &[
    Target { name: "template", make: make_template, read: read_template },
    Target { name: "yaml", make: make_yaml, read: read_yaml },
    Target { name: "values", make: make_values, read: read_values },
    Target { name: "schema", make: make_schema, read: read_schema },
    Target { name: "archive", make: make_archive, read: read_archive },
    #[cfg(feature = "index")]
    Target { name: "index", make: make_index, read: read_index },
    #[cfg(feature = "index")]
    Target { name: "registry", make: make_registry, read: read_registry },
];

/// What is being read just now: where, how busy the reader was before, and what it is.
type Watched = Arc<Mutex<Option<(String, Duration, Vec<u8>)>>>;

/// The clock of a thread: the time that it was on a processor, as Linux tells it, and the time that has passed elsewhere.
#[derive(Clone)]
struct Clock {
    account: Option<PathBuf>,
    began: Instant,
}

impl Clock {
    /// This thread's.
    fn mine() -> Self {
        let thread = std::fs::read_link("/proc/thread-self").ok();
        Self { account: thread.map(|own| Path::new("/proc").join(own).join("schedstat")), began: Instant::now() }
    }

    fn now(&self) -> Duration {
        let Some(account) = &self.account else { return self.began.elapsed() };
        let told = std::fs::read_to_string(account).ok();
        let busy = told.as_ref().and_then(|text| text.split(' ').next()?.parse().ok());
        // A thread that has no account any more has ended.
        busy.map_or(Duration::ZERO, Duration::from_nanos)
    }
}

/// Takes the targets in turns until the time is over.
///
/// # Errors
/// If there is no such target.
pub fn run(
    seed: u64,
    time: Duration,
    only: Option<&str>,
    seeds: &[Case],
    report: &mut dyn FnMut(&str),
) -> Result<ExitCode> {
    let targets: Vec<&Target> = TARGETS.iter().filter(|target| only.is_none_or(|name| target.name == name)).collect();
    if targets.is_empty() {
        bail!("there is no such target; there are: {}", TARGETS.iter().map(|t| t.name).collect::<Vec<_>>().join(", "));
    }
    let watched = Watched::default();
    let clock = Clock::mine();
    watch(Arc::clone(&watched), clock.clone());
    let (start, mut told, mut at, mut crashes) = (Instant::now(), Instant::now(), 0u64, 0u64);
    let mut slowest = vec![(Duration::ZERO, 0u64); targets.len()];
    while start.elapsed() < time {
        let which = (at % targets.len() as u64) as usize;
        let target = targets[which];
        let mut rng = Rng::new(seed, at);
        let bytes = (target.make)(&mut rng, seeds);
        if let Ok(mut now) = watched.lock() {
            *now = Some((format!("{} {at} of seed {seed}", target.name), clock.now(), bytes.clone()));
        }
        let begun = Instant::now();
        let done = catch_unwind(AssertUnwindSafe(|| (target.read)(&bytes)));
        slowest[which] = slowest[which].max((begun.elapsed(), at));
        if let Err(cause) = done {
            crashes += 1;
            let message = cause.downcast_ref::<String>().cloned().unwrap_or_else(|| "panic".to_owned());
            report(&format!("{} {at} of seed {seed}: {message}\n    {}", target.name, shown(&bytes)));
        }
        at += 1;
        if told.elapsed() > Duration::from_secs(60) {
            told = Instant::now();
            report(&format!("{} s, {at} inputs, {crashes} crashes", start.elapsed().as_secs()));
        }
    }
    if let Ok(mut now) = watched.lock() {
        *now = None;
    }
    let slowest: Vec<String> = targets
        .iter()
        .zip(&slowest)
        .map(|(t, (took, at))| format!("{} {} ms ({at})", t.name, took.as_millis()))
        .collect();
    report(&format!(
        "seed {seed}: {at} inputs in {} s, {crashes} crashes; slowest: {}",
        start.elapsed().as_secs(),
        slowest.join(", ")
    ));
    Ok(if crashes == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn shown(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() < 2000 => format!("{text:?}"),
        _ => format!("base64 {}", STANDARD.encode(&bytes[..bytes.len().min(4000)])),
    }
}

/// Ends the process, naming the input, when one takes too long.
fn watch(watched: Watched, clock: Clock) {
    std::thread::spawn(move || {
        loop {
            std::thread::sleep(Duration::from_millis(500));
            let hung = watched.lock().ok().and_then(|now| now.clone());
            let hung = hung.filter(|(_, since, _)| clock.now().saturating_sub(*since) > PATIENCE);
            if let Some((name, _, bytes)) = hung {
                eprintln!("{name} hangs: {}", shown(&bytes));
                std::process::exit(3);
            }
        }
    });
}

/// Damages bytes a little.
fn damage(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.below(4) {
        if bytes.is_empty() {
            return;
        }
        let at = rng.below(bytes.len());
        match rng.below(5) {
            0 => bytes[at] ^= 1 << rng.below(8),
            1 => bytes[at] = rng.pick(&[0, 0xff, 0x7f, 0x80, b'\n', b' ', b'{', b'"', 0xc3, 0xed]),
            2 => {
                let end = (at + 1 + rng.below(16)).min(bytes.len());
                bytes.drain(at..end);
            }
            3 => {
                let end = (at + 1 + rng.below(64)).min(bytes.len());
                let piece = bytes[at..end].to_vec();
                let most = if rng.chance(5) { 2000 } else { 3 };
                let times = 1 + rng.below(most);
                for _ in 0..times {
                    bytes.splice(at..at, piece.iter().copied());
                }
            }
            _ => bytes.truncate(at),
        }
    }
}

fn make_template(rng: &mut Rng, seeds: &[Case]) -> Vec<u8> {
    let case = generate::case(rng.next_u64(), 0, seeds);
    serde_json::to_vec(&case).unwrap_or_default()
}

fn read_template(bytes: &[u8]) {
    let Ok(mut case) = serde_json::from_slice::<Case>(bytes) else { return };
    // Cases catch panics, since they are answers there.
    match case.answer() {
        Answer::Panic(message) => std::panic::resume_unwind(Box::new(message)),
        Answer::Output(_) | Answer::Error(_) | Answer::Limit(_) => {}
    }
    case.manifest = true;
    if let Answer::Panic(message) = case.answer() {
        std::panic::resume_unwind(Box::new(message));
    }
}

fn make_yaml(rng: &mut Rng, _: &[Case]) -> Vec<u8> {
    let mut bytes = match rng.below(8) {
        0 => documents::json(rng).into_bytes(),
        1 => documents::toml(rng).into_bytes(),
        _ => documents::yaml(rng).into_bytes(),
    };
    damage(rng, &mut bytes);
    bytes
}

fn read_yaml(bytes: &[u8]) {
    let _cycles = pintle_value::CycleGuard::new();
    let limits = pintle_yaml::Limits { depth: 500, ..pintle_yaml::Limits::default() };
    for value in [
        pintle_yaml::decode(bytes, &limits),
        pintle_yaml::decode_exact(bytes, &limits),
        pintle_yaml::decode_strict(bytes, &limits),
    ]
    .into_iter()
    .flatten()
    {
        let _ = pintle_yaml::encode(&value);
        let _ = pintle_yaml::encode_v3(&value);
    }
    let _ = pintle_yaml::decode_all(bytes, &limits);
    let _ = pintle_yaml::documents::split(bytes).count();
    let _ = pintle::chart::values::from_yaml(bytes);
    let text = String::from_utf8_lossy(bytes);
    let _ = pintle_golib::regexp::Regex::compile(bytes);
    let _ = pintle_golib::glob::Glob::compile(&text);
    let _ = pintle_golib::url::Url::parse(bytes);
}

fn make_values(rng: &mut Rng, _: &[Case]) -> Vec<u8> {
    let how = rng.pick(&["set", "set-string", "set-json", "set-literal"]);
    let mut bytes = settings::setting(rng, how).into_bytes();
    damage(rng, &mut bytes);
    bytes
}

fn read_values(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for read in [strvals::set, strvals::set_string, strvals::set_json, strvals::set_literal] {
        let map = Map::new();
        let _ = read(&text, &map);
        let _ = read("a.b[1].c=1", &map);
    }
}

/// A schema, of all keywords, with values that may be none.
fn schema(rng: &mut Rng, depth: usize) -> String {
    if depth == 0 || rng.chance(10) {
        return (rng.pick(&["{}", "true", "false", "1", "\"x\"", "null", "[]", "[{}, true]", "{\"$ref\": \"#\"}"]))
            .to_owned();
    }
    let keywords: Vec<String> = (0..rng.below(5))
        .map(|_| {
            let keyword = rng.pick(&[
                "type",
                "properties",
                "$ref",
                "$ref",
                "$defs",
                "definitions",
                "items",
                "allOf",
                "anyOf",
                "oneOf",
                "not",
                "if",
                "then",
                "additionalProperties",
                "patternProperties",
                "required",
                "enum",
                "const",
                "minimum",
                "maxLength",
                "pattern",
                "format",
                "$id",
                "$anchor",
                "$schema",
                "$dynamicRef",
                "contains",
                "prefixItems",
                "unevaluatedProperties",
                "dependentSchemas",
                "dependencies",
                "propertyNames",
                "uniqueItems",
                "description",
            ]);
            let value = match rng.below(4) {
                0 => format!("{{\"a\": {}, \"b/~\": {}}}", schema(rng, depth - 1), schema(rng, depth - 1)),
                1 => format!("[{}, {}]", schema(rng, depth - 1), schema(rng, depth - 1)),
                2 => schema(rng, depth - 1),
                _ => (rng.pick(&[
                    "\"object\"",
                    "\"#/$defs/a\"",
                    "\"#/properties/b~1~0\"",
                    "\"#/definitions/a/allOf/0\"",
                    "\"a\"",
                    "\"#a\"",
                    "\"urn:a#/$defs/a\"",
                    "\"http://json-schema.org/draft-07/schema#\"",
                    "\"http://json-schema.org/draft-04/schema#\"",
                    "5",
                    "-1",
                    "2.5",
                    "\"^a|(b+)+$\"",
                    "\"ipv4\"",
                    "[\"a\", \"b\"]",
                    "[\"string\", \"null\"]",
                ]))
                .to_owned(),
            };
            format!("\"{keyword}\": {value}")
        })
        .collect();
    format!("{{{}}}", keywords.join(", "))
}

fn make_schema(rng: &mut Rng, _: &[Case]) -> Vec<u8> {
    let mut bytes = schema(rng, 5).into_bytes();
    if rng.chance(25) {
        damage(rng, &mut bytes);
    }
    bytes
}

fn read_schema(bytes: &[u8]) {
    let nothing: Arc<chart::schema::Fetch> = Arc::new(|_| Err("nothing is here".into()));
    let values = serde_json::json!({"a": {"a": [1, {"a": "b"}, null], "b/~": {"a": {"a": 2.5}}}, "b": "a"});
    if let (Ok(schema), Ok(values)) = (chart::schema::compile(&bytes.into(), &nothing), Frozen::try_from(&values)) {
        let _ = schema.check(&values);
    }
}

fn make_archive(rng: &mut Rng, _: &[Case]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for _ in 0..1 + rng.below(5) {
        let name = match rng.below(4) {
            0 => format!("c/{}", texts::path(rng)),
            1 => (rng.pick(&[
                "Chart.yaml",
                "c",
                "../x",
                "/etc/passwd",
                "c/../../x",
                "c/C:/x",
                "c\\templates\\x",
                "c/charts/s.tgz",
                "c/charts/_x/y",
            ]))
            .to_owned(),
            _ => format!(
                "c/{}",
                rng.pick(&[
                    "Chart.yaml",
                    "values.yaml",
                    "templates/t.yaml",
                    "charts/s/Chart.yaml",
                    "charts/s/values.yaml",
                    "requirements.yaml",
                    "requirements.lock",
                    "Chart.lock",
                    "values.schema.json",
                    ".helmignore",
                    "crds/a.yaml",
                    "charts/s-1.tgz"
                ])
            ),
        };
        let mut data = match rng.below(6) {
            0 => documents::json(rng).into_bytes(),
            1 if rng.chance(30) => make_archive(rng, &[]),
            2 => documents::yaml(rng).into_bytes(),
            3 => b"apiVersion: v1\nname: c\nversion: 1.0.0\n".to_vec(),
            _ => b"apiVersion: v2\nname: c\nversion: 1.0.0\ndependencies:\n- name: s\n  version: 1\n  import-values: [data]\n".to_vec(),
        };
        damage(rng, &mut data);
        let mut header = tar::Header::new_gnu();
        header.set_size(data.len() as u64);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::new(rng.pick(b"000000000125gxLK")));
        // Names that no builder writes are written by hand.
        let field = &mut header.as_old_mut().name;
        let length = name.len().min(field.len());
        field[..length].copy_from_slice(&name.as_bytes()[..length]);
        header.set_cksum();
        let _ = tar.append(&header, data.as_slice());
    }
    let mut bytes = tar.into_inner().unwrap_or_default();
    if rng.chance(40) {
        damage(rng, &mut bytes);
    }
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    let _ = gzip.write_all(&bytes);
    let mut bytes = gzip.finish().unwrap_or_default();
    if rng.chance(25) {
        damage(rng, &mut bytes);
    }
    bytes
}

fn read_archive(bytes: &[u8]) {
    let Ok(chart) = load::archive(bytes, &load::Limits::default()) else { return };
    let chart = Arc::new(chart);
    let mut warnings = Vec::new();
    let user = Map::new();
    if let Ok(root) = pintle::chart::dependencies::Instance::process(&chart, &user, &mut warnings) {
        let _ = pintle::chart::values::coalesce(&root, &user, &mut warnings);
    }
}

#[cfg(feature = "index")]
fn make_index(rng: &mut Rng, _: &[Case]) -> Vec<u8> {
    let mut text = String::from("apiVersion: v1\nentries:\n");
    for _ in 0..rng.below(4) {
        text += &format!("  {}:\n", rng.pick(&["a", "b", "\"c\"", "'d'", "? e\n", "1", "~"]));
        for _ in 0..rng.below(4) {
            text += &format!(
                "  - {}\n    {}\n    {}\n",
                rng.pick(&["apiVersion: v2", "created: \"2020-01-01T00:00:00Z\"", "name: a"]),
                rng.pick(&[
                    "name: a",
                    "version: 1.0.0",
                    "urls: [a.tgz]",
                    "urls:\n    - a.tgz",
                    "digest: x",
                    "dependencies:\n    - name: b\n      version: 1"
                ]),
                rng.pick(&[
                    "version: 1.2.3",
                    "description: |\n      x\n\n      y",
                    "description: >-\n      a\n     b",
                    "maintainers: [{name: x}]",
                    "annotations: {a: b}",
                    "keywords: &k [a]",
                    "<<: *k",
                    "type: application"
                ]),
            );
        }
    }
    text += rng.pick(&["", "generated: 2020-01-01T00:00:00Z\n", "---\nx\n", "entries: {}\n"]);
    if rng.chance(15) {
        text = documents::yaml(rng);
    }
    let mut bytes = text.into_bytes();
    damage(rng, &mut bytes);
    bytes
}

/// A name of a chart in a registry, or a file of credentials.
#[cfg(feature = "index")]
fn make_registry(rng: &mut Rng, _: &[Case]) -> Vec<u8> {
    let host = rng.pick(&["h", "h:5000", "docker.io", "u:p@h", "[::1]", "", "https://h/v1/", "é"]);
    let text = if rng.chance(50) {
        let path = rng.pick(&["a", "a/b", "a_b/c--d", "a..b", "../a", "", "A", "a%2f"]);
        let tail = rng.pick(&["", ":1.0.0", ":1_2", "@sha256:00", "@", ":", ":1@sha256:"]);
        format!("oci://{host}/{path}{tail}")
    } else {
        let entry = rng.pick(&[r#""auth":"dTpw""#, r#""auth":"?""#, r#""username":"u","password":"p""#, r#""auth":1"#]);
        format!(r#"{{"auths":{{"{host}":{{{entry}}}}},"credsStore":"s","credHelpers":{{"{host}":"t"}}}}"#)
    };
    let mut bytes = text.into_bytes();
    damage(rng, &mut bytes);
    bytes
}

#[cfg(feature = "index")]
fn read_index(bytes: &[u8]) {
    if let Ok(index) = pintle::source::Index::read(bytes, "http://example.test") {
        for (name, _) in index.iter() {
            let _ = index.resolve(name, ">=0.0.0-0");
        }
    }
}

#[cfg(feature = "index")]
fn read_registry(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(reference) = pintle::source::Reference::parse(&text) {
        // What is a name is an address too.
        let _ = pintle::source::Repository::registry(reference.split().0, true).map(|registry| registry.address());
    }
    let known = pintle::source::Repository::registry("oci://h:5000/x", true);
    if let (Ok(config), Ok(registry)) = (pintle::source::DockerConfig::parse(bytes), known) {
        let _ = config.credentials(&registry).map(|found| found.is_some());
        let _ = config.helper(&registry);
    }
}
