//! What the operator does arrives at a collector as spans with the right parents.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use pintle_e2e::{DEADLINE, Operator, OperatorOptions, Scene, wait_until};
use serde_json::json;

/// A span, as far as it matters here.
#[derive(Clone, Debug, Default)]
struct Span {
    trace: Vec<u8>,
    id: Vec<u8>,
    parent: Vec<u8>,
    name: String,
    attributes: BTreeMap<String, String>,
}

/// A collector of spans over HTTP on loopback.
struct Collector {
    address: String,
    spans: Arc<Mutex<Vec<Span>>>,
}

impl Collector {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let spans = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&spans);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let kept = Arc::clone(&kept);
                std::thread::spawn(move || serve(stream, &kept));
            }
        });
        Self { address, spans }
    }

    fn spans(&self) -> Vec<Span> {
        self.spans.lock().unwrap().clone()
    }
}

/// Requests on one connection, until it ends.
fn serve(stream: TcpStream, kept: &Mutex<Vec<Span>>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut length, mut first) = (0, String::new());
        if reader.read_line(&mut first).unwrap_or(0) == 0 {
            return;
        }
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if line.trim().is_empty() {
                break;
            }
            if let Some(found) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = found.trim().parse().unwrap();
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let found = first.starts_with("POST /v1/traces ");
        if found {
            kept.lock().unwrap().extend(spans(&body));
        }
        let status = if found { "200 OK" } else { "404 Not Found" };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n");
        if reader.get_mut().write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

/// The fields of a message of protocol buffers that have a length: number and content.
fn fields(mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    fn varint(bytes: &mut &[u8]) -> u64 {
        let mut value = 0;
        for at in 0.. {
            let (first, rest) = bytes.split_first().unwrap();
            *bytes = rest;
            value |= u64::from(first & 0x7f) << (7 * at);
            if first & 0x80 == 0 {
                break;
            }
        }
        value
    }
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let skipped = match key & 7 {
            0 => {
                varint(&mut bytes);
                0
            }
            1 => 8,
            5 => 4,
            _ => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                found.push((key >> 3, &bytes[..length]));
                length
            }
        };
        bytes = &bytes[skipped..];
    }
    found
}

/// `ExportTraceServiceRequest` → `ResourceSpans` → `ScopeSpans` → `Span`.
fn spans(body: &[u8]) -> Vec<Span> {
    let of = |bytes, number| fields(bytes).into_iter().filter(move |(n, _)| *n == number).map(|(_, content)| content);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut found = Vec::new();
    for span in of(body, 1).flat_map(|resource| of(resource, 2)).flat_map(|scope| of(scope, 2)) {
        let mut read = Span::default();
        for (number, content) in fields(span) {
            match number {
                1 => read.trace = content.to_vec(),
                2 => read.id = content.to_vec(),
                4 => read.parent = content.to_vec(),
                5 => read.name = text(content),
                9 => {
                    let key = of(content, 1).next().map(text).unwrap_or_default();
                    let value =
                        of(content, 2).next().and_then(|value| of(value, 1).next()).map(text).unwrap_or_default();
                    read.attributes.insert(key, value);
                }
                _ => {}
            }
        }
        found.push(read);
    }
    found
}

#[test]
fn an_install_is_traced() {
    let mut scene = Scene::set("traces", &["hello-1.0.0"]).unwrap();
    scene.operator.stop().unwrap();
    let collector = Collector::start();
    let options = OperatorOptions {
        namespace: Some(scene.namespace.name().to_owned()),
        args: vec![format!("--traces=http://{}", collector.address)],
        ..OperatorOptions::default()
    };
    let mut operator = Operator::start(scene.control_plane, "traces-on", options).unwrap();
    let at = &scene.namespace;
    at.put_release("hello", "hello", "1.0.0", &json!({})).unwrap();
    at.until_runs("hello", "hello@1.0.0", 1).unwrap();
    // The last ones are sent at the end.
    operator.stop().unwrap();
    let spans = wait_until("the spans of an install", DEADLINE, || {
        let spans = collector.spans();
        let all = ["reconcile", "resolve", "begin", "load", "render", "step"];
        let missing: Vec<_> = all.iter().filter(|name| !spans.iter().any(|span| span.name == **name)).collect();
        Ok(if missing.is_empty() { Ok(spans) } else { Err(format!("no {missing:?} among {}", spans.len())) })
    })
    .unwrap();

    let parent = |span: &Span| spans.iter().find(|other| other.id == span.parent && other.trace == span.trace);
    for span in &spans {
        let expected = match span.name.as_str() {
            "reconcile" => None,
            "load" | "render" => Some("begin"),
            _ => Some("reconcile"),
        };
        assert_eq!(parent(span).map(|parent| parent.name.as_str()), expected, "{span:?}");
        assert_eq!(span.parent.is_empty(), expected.is_none(), "{span:?}");
    }
    let attribute = |name: &str, key: &str| {
        let named = spans.iter().filter(|span| span.name == name);
        named.filter_map(|span| span.attributes.get(key).cloned()).collect::<Vec<_>>()
    };
    assert!(attribute("reconcile", "name").iter().all(|name| name == "hello"));
    assert!(attribute("reconcile", "namespace").iter().all(|namespace| namespace == "traces"));
    assert_eq!(attribute("render", "chart"), ["hello"]);
    assert_eq!(attribute("begin", "action"), ["install"]);
    let steps = attribute("step", "step");
    assert!(steps.len() >= 4 && steps.iter().any(|step| step.contains("hook")), "{steps:?}");
    // Nothing of it is in the log.
    let log = std::fs::read_to_string(operator.process().log()).unwrap();
    assert!(!log.contains("pintle::spans"), "{log}");
}
