//! Registries on the loopback interface, with what real ones do and what hostile ones could.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures::FutureExt;

use super::super::tests::{Seen, Server};
use super::super::{Credentials, Settings};
use super::*;

const BASIC: &str = "Basic dTpw"; // u:p
const NOW: Age = Age { most: Duration::ZERO, since: None };
const LONG: Age = Age { most: Duration::from_secs(600), since: None };

/// What a registry has: versions of the chart `x/web`, each with its packaged form.
#[derive(Clone)]
struct Content {
    /// By path, the type and the bytes.
    files: BTreeMap<String, (&'static str, Vec<u8>)>,
}

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CHART: &str = "application/vnd.cncf.helm.chart.content.v1.tar+gzip";

impl Content {
    fn of(versions: &[&str]) -> Content {
        let mut content = Content { files: BTreeMap::new() };
        let tags: Vec<String> = versions.iter().map(|version| tag_of(version)).collect();
        let list = serde_json::json!({ "name": "x/web", "tags": tags }).to_string();
        content.put("tags/list?n=1000", "application/json", list.into_bytes());
        for version in versions {
            let packaged = format!("chart {version}").into_bytes();
            let manifest = content.chart(&packaged, CHART, packaged.len());
            content.put(&format!("manifests/sha256:{}", Sha256::of(&manifest)), MANIFEST, manifest.clone());
            content.put(&format!("manifests/{}", tag_of(version)), MANIFEST, manifest);
        }
        content
    }

    /// Adds a packaged chart; answers its manifest.
    fn chart(&mut self, packaged: &[u8], kind: &str, size: usize) -> Vec<u8> {
        let digest = format!("sha256:{}", Sha256::of(packaged));
        self.put(&format!("blobs/{digest}"), "application/octet-stream", packaged.to_vec());
        let config = serde_json::json!({ "mediaType": "application/vnd.cncf.helm.config.v1+json" });
        let layers = serde_json::json!([{ "mediaType": kind, "digest": digest, "size": size }]);
        serde_json::json!({ "config": config, "layers": layers }).to_string().into_bytes()
    }

    fn put(&mut self, path: &str, kind: &'static str, bytes: Vec<u8>) {
        self.files.insert(format!("/v2/x/web/{path}"), (kind, bytes));
    }

    fn answer(&self, seen: &Seen) -> Response {
        match self.files.get(&seen.path) {
            None => StatusCode::NOT_FOUND.into_response(),
            Some((kind, bytes)) => {
                let digest = format!("sha256:{}", Sha256::of(bytes));
                ([("content-type", *kind), ("docker-content-digest", &digest)], bytes.clone()).into_response()
            }
        }
    }
}

fn at(server: &Server) -> Repository {
    Repository::registry(&format!("{}/x", server.url.replace("http://", "oci://")), true).unwrap()
}

fn with_credentials(server: &Server) -> Repository {
    let mut repository = at(server);
    repository.credentials = Some(Credentials { username: "u".to_owned(), password: "p".to_owned() });
    repository
}

fn sources() -> Sources {
    Sources::new(Settings { chart_limit: 100, ..Settings::default() })
}

/// What was asked for since the last time, with the chart's digest left out.
fn asked(server: &Server) -> Vec<String> {
    let mut seen = server.seen.lock().unwrap();
    let shown = |seen: &Seen| {
        let path = seen.path.trim_start_matches("/v2/x/web/");
        format!("{} {}", seen.method, path.split_once("sha256").map_or(path, |(before, _)| before))
    };
    let shown = seen.iter().map(shown).collect();
    seen.clear();
    shown
}

async fn version(sources: &Sources, repository: &Repository, range: &str) -> Result<String, String> {
    let told = sources.tagged(repository, "web", range, NOW).await;
    told.chart.map(|tagged| tagged.entry.version.to_string()).map_err(|error| error.to_string())
}

#[tokio::test]
async fn ranges_by_helms_rules() {
    let content = Content::of(&["1.0.0", "1.1.0", "2.0.0-rc.1", "1.2.0+build.7", "latest", "v3.0.0"]);
    let server = Server::start(move |seen| content.answer(&seen)).await;
    let (sources, repository) = (sources(), at(&server));
    let host = server.url.trim_start_matches("http://");
    let none = |range: &str, has: &str| {
        Err(format!(
            "chart \"web\" has no version that fits {range:?} in the registry at oci://{host}/x (it has {has})"
        ))
    };
    for (range, expected) in [
        ("", Ok("1.2.0+build.7")),
        ("*", Ok("1.2.0+build.7")),
        ("1.0.0", Ok("1.0.0")),
        ("1.0", Ok("1.0.0")),
        ("1.2.0+build.7", Ok("1.2.0+build.7")),
        ("<1.2", Ok("1.1.0")),
        (">=2.0.0-0", Ok("2.0.0-rc.1")),
        ("3.x", Err(none("3.x", "2.0.0-rc.1, 1.2.0+build.7, 1.1.0 and 1 older"))),
        ("1.0.1", Err(none("1.0.1", "2.0.0-rc.1, 1.2.0+build.7, 1.1.0 and 1 older"))),
    ] {
        let expected =
            expected.map(ToOwned::to_owned).map_err(|expected: Result<String, String>| expected.unwrap_err());
        assert_eq!(version(&sources, &repository, range).await, expected, "{range}");
    }
    let error = sources.tagged(&repository, "nobody", "*", NOW).await.chart.unwrap_err();
    assert_eq!(error.to_string(), format!("chart \"nobody\" is not in the registry at oci://{host}/x"));
    assert_eq!(error.chart_reason(), "InvalidChartReference");
    let error = sources.tagged(&repository, "../admin", "*", NOW).await.chart.unwrap_err();
    assert!(matches!(error, Error::Address { .. }), "{error}");
    assert!(asked(&server).iter().all(|path| !path.contains("admin")));
}

#[tokio::test]
async fn what_is_known_is_not_fetched_again() {
    let content = Arc::new(Mutex::new(Content::of(&["1.0.0", "1.1.0"])));
    let served = Arc::clone(&content);
    let server = Server::start(move |seen| served.lock().unwrap().answer(&seen)).await;
    let (sources, repository) = (sources(), at(&server));

    let told = sources.tagged(&repository, "web", "1.x", LONG).await;
    let first = told.chart.unwrap();
    assert!(told.until > Instant::now() + Duration::from_secs(500));
    assert_eq!(asked(&server), ["GET tags/list?n=1000", "GET manifests/1.1.0"]);
    let archive = sources.chart(&repository, &first.entry).await.unwrap();
    assert_eq!((&*archive.bytes, archive.digest), (&b"chart 1.1.0"[..], Sha256::of(b"chart 1.1.0")));
    assert_eq!(asked(&server), ["GET blobs/"]);

    let second = sources.tagged(&repository, "web", "1.x", LONG).await.chart.unwrap();
    assert!(Arc::ptr_eq(&first, &second) && asked(&server).is_empty());
    // Old enough, or asked for: the tag is looked at, no more.
    for most in [Duration::ZERO, LONG.most] {
        let age = Age { most, since: Some(Instant::now()) };
        let third = sources.tagged(&repository, "web", "1.x", age).await.chart.unwrap();
        sources.chart(&repository, &third.entry).await.unwrap();
        assert!(Arc::ptr_eq(&first, &third));
        assert_eq!(asked(&server), ["GET tags/list?n=1000", "HEAD manifests/1.1.0"]);
    }
    // Another chart under the same tag is another chart.
    {
        let mut content = content.lock().unwrap();
        let manifest = content.chart(b"moved", CHART, 5);
        content.put("manifests/1.1.0", MANIFEST, manifest);
    }
    let moved = sources.tagged(&repository, "web", "1.1.0", NOW).await.chart.unwrap();
    assert_ne!(first.manifest, moved.manifest);
    assert_eq!(&*sources.chart(&repository, &moved.entry).await.unwrap().bytes, b"moved");
    assert_eq!(asked(&server), ["GET manifests/1.1.0", "GET blobs/"]);
}

#[tokio::test]
async fn one_question_for_all_who_want_the_same() {
    let content = Content::of(&["1.0.0"]);
    let server = Server::start(move |seen| content.answer(&seen)).await;
    let (sources, repository) = (sources(), at(&server));
    let told = futures::future::join_all((0..20).map(|_| sources.tagged(&repository, "web", "1.0.0", LONG))).await;
    let first = told[0].chart.clone().unwrap();
    assert!(told.iter().all(|told| Arc::ptr_eq(told.chart.as_ref().unwrap(), &first)));
    assert_eq!(asked(&server), ["GET manifests/1.0.0"]);
}

#[tokio::test]
async fn who_asks_later_gets_no_earlier_answer() {
    let content = Content::of(&["1.0.0"]);
    let (open, gate) = tokio::sync::watch::channel(false);
    let (arrived, mut arrivals) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::slow(move |seen| {
        let (answer, mut gate, arrived) = (content.answer(&seen), gate.clone(), arrived.clone());
        async move {
            arrived.send(()).unwrap();
            gate.wait_for(|open| *open).await.unwrap();
            answer
        }
        .boxed()
    })
    .await;
    let (sources, repository) = (sources(), at(&server));
    let later = async {
        arrivals.recv().await.unwrap();
        let asked = sources.tagged(&repository, "web", "1.0.0", Age { since: Some(Instant::now()), ..LONG });
        let open = async {
            tokio::task::yield_now().await;
            open.send(true).unwrap();
        };
        tokio::join!(asked, open).0
    };
    let (first, later) = tokio::join!(sources.tagged(&repository, "web", "1.0.0", LONG), later);
    assert!(Arc::ptr_eq(&first.chart.unwrap(), &later.chart.unwrap()));
    assert_eq!(asked(&server), ["GET manifests/1.0.0", "HEAD manifests/1.0.0"]);
}

#[tokio::test]
async fn tags_come_in_pages_but_not_without_end() {
    let pages = |ends: bool| {
        move |seen: Seen| {
            let last = seen.path.split_once("last=").map_or(0, |(_, last)| last.parse::<usize>().unwrap());
            let body = format!("{{\"tags\":[\"1.{last}.0\"]}}");
            if ends && last == 3 {
                return body.into_response();
            }
            let next = format!("<http://elsewhere/v2/x/web/tags/list?last={}>; rel=\"next\"", last + 1);
            ([("link", next)], body).into_response()
        }
    };
    let endless = Server::start(pages(false)).await;
    let error = version(&sources(), &at(&endless), "1.x").await.unwrap_err();
    assert!(error.ends_with("more than 100 pages: name an exact version"), "{error}");
    assert_eq!(asked(&endless).len(), 100);

    let server = Server::start(pages(true)).await;
    let error = version(&sources(), &at(&server), "2.x").await.unwrap_err();
    assert!(error.contains("it has 1.3.0, 1.2.0, 1.1.0 and 1 older"), "{error}");
}

#[tokio::test]
async fn names_and_passwords() {
    let content = Content::of(&["1.0.0"]);
    let server = Server::start(move |seen| match seen.header("authorization") {
        Some(BASIC) => content.answer(&seen),
        _ => (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"r\"")]).into_response(),
    })
    .await;
    let sources = sources();
    assert_eq!(version(&sources, &with_credentials(&server), "1.x").await.unwrap(), "1.0.0");
    // Known by then to be wanted.
    let paths = ["GET tags/list?n=1000", "GET tags/list?n=1000", "GET manifests/1.0.0"];
    assert_eq!(asked(&server), paths);
    let wrong = Credentials { username: "u".to_owned(), password: "secret".to_owned() };
    for (credentials, expected) in [
        (
            None,
            "the registry answered 401: it wants credentials and none were sent: set the repository's secretRef. Many",
        ),
        (Some(wrong), "the registry answered 401: it does not accept the credentials of the repository's secretRef"),
    ] {
        let mut repository = at(&server);
        repository.credentials = credentials;
        let told = sources.tagged(&repository, "web", "1.0.0", NOW).await;
        let error = told.chart.unwrap_err();
        assert!(error.to_string().contains(expected) && !error.to_string().contains("secret\""), "{error}");
        assert_eq!((error.chart_reason(), error.is_terminal()), ("AuthenticationFailed", false));
    }
}

/// A registry that wants tokens of `realm`, and sends who asks for a file to `storage`.
async fn with_tokens(realm: String, storage: String) -> Server {
    let content = Content::of(&["1.0.0"]);
    Server::start(move |seen| {
        let challenge = format!("Bearer realm=\"{realm}\",service=\"registry\",scope=\"repository:x/web:pull\"");
        match seen.header("authorization") {
            Some("Bearer t") if seen.path.contains("/blobs/") => {
                (StatusCode::TEMPORARY_REDIRECT, [("location", format!("{storage}/file"))]).into_response()
            }
            Some("Bearer t") => content.answer(&seen),
            _ => (StatusCode::UNAUTHORIZED, [("www-authenticate", challenge)]).into_response(),
        }
    })
    .await
}

#[tokio::test]
async fn tokens_for_the_registry_and_for_nobody_else() {
    let storage = Server::start(|_| "chart 1.0.0".into_response()).await;
    let issuer = Server::start(|_| r#"{"token":"t","expires_in":300}"#.into_response()).await;
    let server = with_tokens(format!("{}/token?a=b", issuer.url), storage.url.clone()).await;
    let sources = sources();
    for repository in [at(&server), with_credentials(&server)] {
        let tagged = sources.tagged(&repository, "web", "1.0.0", NOW).await.chart.unwrap();
        let elsewhere = Sources::new(Settings::default());
        elsewhere.chart(&repository, &tagged.entry).await.unwrap();
        let own = repository.credentials.is_some().then_some(BASIC);
        assert!(server.seen.lock().unwrap().iter().all(|seen| seen.header("authorization") != Some(BASIC)));
        assert!(storage.seen.lock().unwrap().iter().all(|seen| seen.header("authorization").is_none()));
        let mut asked = issuer.seen.lock().unwrap();
        for seen in asked.drain(..) {
            assert_eq!(seen.path, "/token?a=b&service=registry&scope=repository%3Ax%2Fweb%3Apull");
            assert_eq!(seen.header("authorization"), own);
        }
    }
    assert_eq!(storage.seen.lock().unwrap().len(), 2);
    // A token is used as long as it lives.
    assert_eq!(version(&sources, &at(&server), "1.x").await.unwrap(), "1.0.0");
    assert!(issuer.seen.lock().unwrap().is_empty());
}

#[tokio::test]
async fn token_servers_that_are_none() {
    let storage = String::new();
    let refusing = Server::start(|_| StatusCode::UNAUTHORIZED.into_response()).await;
    let empty = Server::start(|_| "{}".into_response()).await;
    let unsendable = Server::start(|_| r#"{"token":"a\nb"}"#.into_response()).await;
    for (realm, expected) in [
        (refusing.url.clone(), "it does not accept the credentials"),
        (empty.url.clone(), "no token came"),
        (unsendable.url.clone(), "the token cannot be sent"),
        ("file:///etc/passwd".to_owned(), "from something that is no HTTPS address"),
        ("http://169.254.169.254/".to_owned(), "link-local"),
    ] {
        let server = with_tokens(realm, storage.clone()).await;
        let error = version(&sources(), &with_credentials(&server), "1.0.0").await.unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
    // With TLS to the registry, but without to the one who would get the password.
    let secure = Repository::registry("oci://127.0.0.1/x", false).unwrap();
    let shared = sources().shared;
    let place = shared.place(&secure, "x/web");
    let error = place.token(secure.url(), &refusing.url, None, None, None).await.err().unwrap();
    assert!(error.to_string().contains("no HTTPS address"), "{error}");
}

#[tokio::test]
async fn what_a_registry_sends_is_checked() {
    let content = |change: fn(&mut Content)| {
        let mut content = Content::of(&["1.0.0"]);
        change(&mut content);
        content
    };
    let other = content(|content| {
        for (_, bytes) in content.files.values_mut().filter(|(kind, _)| *kind == "application/octet-stream") {
            *bytes = b"tampered...".to_vec();
        }
    });
    let longer = content(|content| {
        let manifest = content.chart(b"chart", CHART, 3);
        content.put("manifests/1.0.0", MANIFEST, manifest);
    });
    let huge = content(|content| {
        let manifest = content.chart(b"chart", CHART, 101);
        content.put("manifests/1.0.0", MANIFEST, manifest);
    });
    let image = content(|content| {
        let manifest = content.chart(b"chart", "application/vnd.oci.image.layer.v1.tar+gzip", 5);
        content.put("manifests/1.0.0", MANIFEST, manifest);
    });
    let gone = content(|content| content.files.retain(|path, _| !path.contains("/blobs/")));
    for (content, expected) in [
        (content(|_| {}), "chart 1.0.0"),
        (other, "but the registry says sha256:"),
        (longer, "larger than the limit of 3 bytes"),
        (huge, "larger than the limit of 100 bytes"),
        (image, "is no Helm chart: it has no layer of type"),
        (gone, "the server answered 404"),
    ] {
        let server = Server::start(move |seen| content.answer(&seen)).await;
        let (sources, repository) = (sources(), at(&server));
        let got = match sources.tagged(&repository, "web", "1.0.0", NOW).await.chart {
            Ok(tagged) => sources.chart(&repository, &tagged.entry).await,
            Err(error) => Err(error),
        };
        let got = got.map(|archive| String::from_utf8(archive.bytes.to_vec()).unwrap());
        let got = got.unwrap_or_else(|error| error.to_string());
        assert!(got.contains(expected), "{got}");
    }
}

#[tokio::test]
async fn a_manifest_is_what_its_digest_says() {
    let content = Content::of(&["1.0.0"]);
    let server = Server::start(move |seen| {
        let mut answer = content.answer(&seen);
        let wrong = format!("sha256:{}", Sha256::of(b"another"));
        answer.headers_mut().insert("docker-content-digest", wrong.parse().unwrap());
        answer
    })
    .await;
    let error = sources().tagged(&at(&server), "web", "1.0.0", NOW).await.chart.unwrap_err();
    assert!(matches!(error, Error::Digest { .. }), "{error}");
    assert_eq!(error.chart_reason(), "DigestMismatch");
}

#[tokio::test]
async fn a_chart_among_several_manifests() {
    let mut content = Content { files: BTreeMap::new() };
    let manifest = content.chart(b"chart", CHART, 5);
    let image = b"{}".to_vec();
    let (chart, other) = (Sha256::of(&manifest), Sha256::of(&image));
    content.put(&format!("manifests/sha256:{chart}"), MANIFEST, manifest);
    content.put(&format!("manifests/sha256:{other}"), MANIFEST, image);
    let list = |digests: &[Sha256]| {
        let manifests: Vec<_> = digests.iter().map(|d| serde_json::json!({"digest": format!("sha256:{d}")})).collect();
        serde_json::json!({ "manifests": manifests }).to_string().into_bytes()
    };
    let index = "application/vnd.oci.image.index.v1+json";
    content.put("manifests/1.0.0", index, list(&[other, Sha256::of(b"missing"), chart]));
    content.put("manifests/2.0.0", index, list(&[other]));
    let server = Server::start(move |seen| content.answer(&seen)).await;
    assert_eq!(version(&sources(), &at(&server), "1.0.0").await.unwrap(), "1.0.0");
    assert!(version(&sources(), &at(&server), "2.0.0").await.unwrap_err().contains("is no Helm chart"));
}

#[tokio::test]
async fn in_an_outage_what_was_said_holds_on() {
    let (content, failing) = (Content::of(&["1.0.0"]), Arc::new(AtomicBool::new(false)));
    let fail = Arc::clone(&failing);
    let server = Server::start(move |seen| match fail.load(Ordering::SeqCst) {
        true => StatusCode::BAD_GATEWAY.into_response(),
        false => content.answer(&seen),
    })
    .await;
    let (sources, repository) = (sources(), at(&server));
    let first = sources.tagged(&repository, "web", "1.x", LONG).await.chart.unwrap();
    failing.store(true, Ordering::SeqCst);
    let again = Age { since: Some(Instant::now()), ..LONG };
    let told = sources.tagged(&repository, "web", "1.x", again).await;
    assert!(Arc::ptr_eq(&told.chart.unwrap(), &first));
    assert!(matches!(told.outage, Some(Error::Status { status: 502, .. })), "{:?}", told.outage);
    assert!(told.until < Instant::now() + Duration::from_secs(2), "and is asked again soon");
    assert_eq!(asked(&server).last().unwrap(), "GET tags/list?n=1000");
    sources.tagged(&repository, "web", "1.x", again).await.chart.unwrap();
    assert!(asked(&server).is_empty(), "but not at once");
    let error = sources.tagged(&repository, "web", "2.x", LONG).await.chart.unwrap_err();
    assert!(matches!(error, Error::Status { status: 502, .. }), "{error}");
    assert_eq!(error.chart_reason(), "ChartPullError");
}

#[tokio::test]
async fn references_as_on_a_command_line() {
    let content = Content::of(&["1.0.0", "1.1.0"]);
    let server = Server::start(move |seen| content.answer(&seen)).await;
    let (sources, repository) = (sources(), at(&server));
    let known = sources.tagged(&repository, "web", "1.0.0", NOW).await.chart.unwrap();
    let digest = format!("@sha256:{}", known.manifest);
    for (tail, range, expected) in [
        ("", "", Ok("1.1.0")),
        ("", "~1.0", Ok("1.0.0")),
        (":1.0.0", "", Ok("1.0.0")),
        (&*digest, "", Ok("")),
        ("", "1.0", Err("has no version that fits \"1.0\"")),
        (":2.0.0", "", Err("has no version that fits \"2.0.0\"")),
        (&format!("@sha256:{}", Sha256::of(b"")), "", Err("is not in the registry")),
    ] {
        let address = format!("{}/x/web{tail}", server.url.replace("http://", "oci://"));
        let got = sources.referred(&repository, &Reference::parse(&address).unwrap(), range).await;
        match (got, expected) {
            (Ok(tagged), Ok(version)) => assert_eq!(&*tagged.entry.version, version, "{tail} {range}"),
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{error}"),
            (got, _) => panic!("{tail} {range}: {got:?}"),
        }
    }
}

#[tokio::test]
async fn an_index_may_name_a_chart_in_a_registry() {
    // Without TLS there is no such address; that the registry is asked at all shows in what the network says.
    let index = Repository::new("http://127.0.0.1:1/charts").unwrap();
    let entry = |url: &str| {
        let tagged = tagged(&index, "x/web", "1.0.0", Sha256::of(b""), Blob { digest: Sha256::of(b"a"), size: 1 });
        Entry { url: Some(url.into()), ..tagged.entry }
    };
    for (url, expected) in [
        ("oci://127.0.0.1:1/x/web:1.0.0", "GET https://127.0.0.1:1/v2/x/web/manifests/1.0.0: "),
        ("oci://127.0.0.1:1/x/web", "oci://127.0.0.1:1/x/web: not a usable address: there is neither a tag"),
        (
            "oci://169.254.169.254/x/web:1.0.0",
            "GET https://169.254.169.254/v2/x/web/manifests/1.0.0: 169.254.169.254 is",
        ),
        ("oci://127.0.0.1:1/../web:1", "oci://127.0.0.1:1/web:1: not a usable address: the name"),
    ] {
        let error = sources().chart(&index, &entry(url)).await.unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
