//! Sources against real servers on the loopback interface.

#![allow(clippy::unwrap_used)]

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::*;

const BASIC: &str = "Basic dTpw"; // u:p

/// A request as the server saw it.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) method: String,
    pub(super) path: String,
    headers: HeaderMap,
}

impl Seen {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }
}

/// A server that answers with a function and remembers what it was asked.
pub(super) struct Server {
    pub(super) url: String,
    pub(super) seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    pub(super) async fn start(answer: impl Fn(Seen) -> Response + Clone + Send + Sync + 'static) -> Server {
        Server::slow(move |seen| std::future::ready(answer(seen)).boxed()).await
    }

    pub(super) async fn slow(
        answer: impl Fn(Seen) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (seen, router) = router(answer);
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { url, seen, task }
    }

    async fn tls(
        config: rustls::ServerConfig,
        answer: impl Fn(Seen) -> Response + Clone + Send + Sync + 'static,
    ) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (seen, router) = router(move |seen| std::future::ready(answer(seen)).boxed());
        let listener = TlsListener { listener, acceptor: TlsAcceptor::from(Arc::new(config)) };
        let task = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Server { url, seen, task }
    }

    fn repository(&self) -> Repository {
        Repository::new(&format!("{}/charts", self.url)).unwrap()
    }

    fn with_credentials(&self) -> Repository {
        let mut repository = self.repository();
        repository.credentials = Some(Credentials { username: "u".to_owned(), password: "p".to_owned() });
        repository
    }

    fn paths(&self) -> Vec<String> {
        self.seen.lock().unwrap().iter().map(|seen| seen.path.clone()).collect()
    }

    fn last(&self) -> Seen {
        self.seen.lock().unwrap().last().unwrap().clone()
    }
}

fn router(
    answer: impl Fn(Seen) -> BoxFuture<'static, Response> + Clone + Send + Sync + 'static,
) -> (Arc<Mutex<Vec<Seen>>>, axum::Router) {
    let seen: Arc<Mutex<Vec<Seen>>> = Arc::default();
    let log = Arc::clone(&seen);
    let handler = move |request: Request| {
        let method = request.method().to_string();
        let one = Seen { method, path: request.uri().to_string(), headers: request.headers().clone() };
        log.lock().unwrap().push(one.clone());
        answer(one)
    };
    (seen, axum::Router::new().fallback(handler))
}

struct TlsListener {
    listener: TcpListener,
    acceptor: TlsAcceptor,
}

impl axum::serve::Listener for TlsListener {
    type Io = TlsStream<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            let (stream, address) = self.listener.accept().await.unwrap();
            // A client that does not like our certificate is not the end of the server.
            if let Ok(stream) = self.acceptor.accept(stream).await {
                return (stream, address);
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

fn sources(directory: Option<&std::path::Path>) -> Sources {
    Sources::new(Settings {
        directory: directory.map(ToOwned::to_owned),
        index_limit: 100_000,
        chart_limit: 100_000,
        ..Settings::default()
    })
}

fn index(versions: &[(&str, &str, Option<String>)]) -> String {
    let mut text = "apiVersion: v1\nentries:\n  web:\n".to_owned();
    for (version, url, digest) in versions {
        let digest = digest.as_deref().unwrap_or_default();
        text.push_str(&format!("  - {{name: web, version: {version}, urls: [{url:?}], digest: {digest:?}}}\n"));
    }
    text
}

fn digest_of(bytes: &[u8]) -> Option<String> {
    Some(Sha256::of(bytes).to_string())
}

fn not_found() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

#[tokio::test]
async fn an_index_is_fetched_once_and_then_asked_for_conditionally() {
    for (name, condition, value) in
        [("etag", "if-none-match", "\"1\""), ("last-modified", "if-modified-since", "Mon, 01 Jan 2024 00:00:00 GMT")]
    {
        let server = Server::start(move |seen| match seen.header(condition) {
            Some(known) if known == value => StatusCode::NOT_MODIFIED.into_response(),
            _ => ([(name, value)], index(&[("1.0.0", "a.tgz", None)])).into_response(),
        })
        .await;
        let sources = sources(None);
        let repository = server.repository();
        let first = sources.index(&repository).await.unwrap();
        let second = sources.index(&repository).await.unwrap();
        assert_eq!(server.paths(), ["/charts/index.yaml"], "what is known is not asked for");
        let third = sources.refresh(&repository).await.unwrap();
        assert_eq!(server.last().header(condition), Some(value));
        assert!(Arc::ptr_eq(&first, &second) && Arc::ptr_eq(&first, &third));
    }
}

#[tokio::test]
async fn the_same_bytes_are_the_same_index_even_without_validators() {
    let server = Server::start(|_| index(&[("1.0.0", "a.tgz", None)]).into_response()).await;
    let sources = sources(None);
    let first = sources.refresh(&server.repository()).await.unwrap();
    let second = sources.refresh(&server.repository()).await.unwrap();
    assert!(Arc::ptr_eq(&first, &second));
    assert_eq!(server.paths().len(), 2);
}

#[tokio::test]
async fn what_was_known_outlives_an_error() {
    let fail = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let failing = Arc::clone(&fail);
    let server = Server::start(move |_| match failing.load(std::sync::atomic::Ordering::SeqCst) {
        true => StatusCode::BAD_GATEWAY.into_response(),
        false => index(&[("1.0.0", "a.tgz", None)]).into_response(),
    })
    .await;
    let sources = sources(None);
    sources.refresh(&server.repository()).await.unwrap();
    fail.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(sources.refresh(&server.repository()).await, Err(Error::Status { status: 502, .. })));
    assert_eq!(sources.index(&server.repository()).await.unwrap().charts(), 1);
}

#[tokio::test]
async fn an_index_may_come_compressed() {
    use std::io::Write;
    let gzip = |text: &[u8]| {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    };
    let small = gzip(index(&[("1.0.0", "a.tgz", None)]).as_bytes());
    let bomb = gzip(&vec![b'#'; 5_000_000]);
    let mut cut = small.clone();
    cut.truncate(20);
    for (body, expected) in [
        (small, "charts: 1"),
        (bomb, "GET URL: larger than the limit of 100000 bytes"),
        (cut, "GET URL: the compressed answer is broken"),
        (b"no gzip".to_vec(), "GET URL: the compressed answer is broken"),
    ] {
        let server = Server::start(move |seen| {
            assert_eq!(seen.header("accept-encoding"), Some("gzip"));
            ([("content-encoding", "gzip")], body.clone()).into_response()
        })
        .await;
        let answer = sources(None).index(&server.repository()).await;
        let shown = answer.map_or_else(|error| error.to_string(), |index| format!("charts: {}", index.charts()));
        let shown = shown.replace(&format!("{}/charts/index.yaml", server.url), "URL");
        assert!(shown.starts_with(expected), "{shown}");
    }
}

#[tokio::test]
async fn answers_that_are_no_index() {
    let unauthorized = |seen: &Seen| match seen.header("authorization") {
        Some(BASIC) => StatusCode::FORBIDDEN.into_response(),
        _ => StatusCode::UNAUTHORIZED.into_response(),
    };
    for (path, expected, reason) in [
        (
            "/401",
            "the server answered 401: it wants credentials and none were sent; set the repository's secretRef",
            "AuthenticationFailed",
        ),
        (
            "/403",
            "the server answered 403: it does not accept the credentials of the repository's secretRef",
            "AuthenticationFailed",
        ),
        ("/404", "the server answered 404: there is no such file; check the repository's url", "FetchFailed"),
        ("/500", "the server answered 500: the fault is on its side", "FetchFailed"),
        ("/204", "the server answered 204", "FetchFailed"),
        ("/304", "the server answered 304", "FetchFailed"),
        ("/cut", "", "FetchFailed"),
        ("/short", "", "FetchFailed"),
        ("/endless", "larger than the limit of 100000 bytes", "IndexationFailed"),
        ("/announced", "larger than the limit of 100000 bytes", "IndexationFailed"),
        ("/slow", "not finished after 300ms: the server is slow or the repository's timeout too short", "FetchFailed"),
        (
            "/silent",
            "not finished after 300ms: the server is slow or the repository's timeout too short",
            "FetchFailed",
        ),
        ("/loop", "more than 10 redirects", "FetchFailed"),
        ("/away", "it redirects to something that is no HTTP address", "FetchFailed"),
        ("/html", "it is no mapping: this is no index of a Helm repository", "IndexationFailed"),
    ] {
        let server = Server::slow(move |seen| {
            let chunks = |n: usize| stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'#'; 1000])).take(n);
            let response = match path {
                "/401" | "/403" => unauthorized(&seen),
                "/404" => not_found(),
                "/500" => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
                "/204" => StatusCode::NO_CONTENT.into_response(),
                "/304" => StatusCode::NOT_MODIFIED.into_response(),
                "/cut" => Body::from_stream(chunks(3).chain(stream::once(async { Err(std::io::Error::other("cut")) })))
                    .into_response(),
                "/short" => {
                    let body = chunks(1).chain(stream::once(async { Err(std::io::Error::other("cut")) }));
                    ([("content-length", "5000")], Body::from_stream(body)).into_response()
                }
                "/endless" => Body::from_stream(chunks(usize::MAX)).into_response(),
                "/announced" => ([("content-length", "5000000")], Body::from_stream(chunks(5000))).into_response(),
                "/slow" => Body::from_stream(chunks(1).chain(stream::pending())).into_response(),
                "/silent" => return std::future::pending().boxed(),
                "/loop" => (StatusCode::FOUND, [("location", seen.path)]).into_response(),
                "/away" => (StatusCode::FOUND, [("location", "file:///etc/passwd")]).into_response(),
                _ => "<html>".into_response(),
            };
            std::future::ready(response).boxed()
        })
        .await;
        let mut repository = if path == "/403" { server.with_credentials() } else { server.repository() };
        if matches!(path, "/slow" | "/silent") {
            repository.timeout = Duration::from_millis(300);
        }
        let error = sources(None).index(&repository).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{path}: {error}");
        assert!(error.to_string().contains(&server.url), "{path}: {error}");
        assert_eq!((error.index_reason(), error.is_terminal()), (reason, false), "{path}: {error}");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let repository = Repository::new(&format!("http://{address}")).unwrap();
    let error = sources(None).index(&repository).await.unwrap_err();
    assert!(matches!(error, Error::Transport { .. }) && error.to_string().contains("refused"), "{error}");
}

#[tokio::test]
async fn a_chart_is_fetched_once_and_checked() {
    let chart = b"chart".to_vec();
    let body = chart.clone();
    let server = Server::start(move |seen| match seen.path.as_str() {
        "/charts/index.yaml" => {
            let digest = digest_of(b"chart");
            index(&[
                ("1.0.0", "web-1.tgz", digest.map(|digest| format!("sha256:{digest}"))),
                ("2.0.0", "web-2.tgz", digest_of(b"another")),
                ("3.0.0", "web-3.tgz", None),
                ("4.0.0", "web-4.tgz", Some("md5:1".to_owned())),
                ("5.0.0", "web-5.tgz", digest_of(b"missing")),
            ])
            .into_response()
        }
        "/charts/web-5.tgz" => not_found(),
        _ => {
            assert_eq!(seen.header("accept-encoding"), None, "a chart is what its digest says, byte for byte");
            body.clone().into_response()
        }
    })
    .await;
    let directory = tempfile::tempdir().unwrap();
    let sources_of = || sources(Some(directory.path()));
    let sources = sources_of();
    let repository = server.repository();
    let index = sources.index(&repository).await.unwrap();
    let fetch = async |sources: &Sources, version: &str| {
        sources.chart(&repository, index.resolve("web", version).unwrap()).await
    };

    for _ in 0..2 {
        for version in ["1.0.0", "3.0.0"] {
            assert_eq!(&*fetch(&sources, version).await.unwrap().bytes, chart.as_slice());
        }
    }
    assert_eq!(server.paths(), ["/charts/index.yaml", "/charts/web-1.tgz", "/charts/web-3.tgz"]);

    let error = fetch(&sources, "2.0.0").await.unwrap_err();
    assert_eq!(error.chart_reason(), "DigestMismatch");
    assert!(
        error.to_string().contains("web-2.tgz") && error.to_string().contains(&digest_of(b"another").unwrap()),
        "{error}"
    );
    assert!(fetch(&sources, "2.0.0").await.is_err(), "what was refused is not kept");
    let error = fetch(&sources, "4.0.0").await.unwrap_err();
    assert!(error.to_string().ends_with("the digest of chart web-4.0.0, \"md5:1\", is no SHA-256"), "{error}");
    let error = fetch(&sources, "5.0.0").await.unwrap_err();
    assert_eq!(error.chart_reason(), "ChartPullError");

    let before = server.paths().len();
    fetch(&sources_of(), "1.0.0").await.unwrap();
    assert_eq!(server.paths().len(), before, "the next process finds it on disk");
    for folder in std::fs::read_dir(directory.path()).unwrap() {
        for file in std::fs::read_dir(folder.unwrap().path()).unwrap() {
            std::fs::write(file.unwrap().path(), b"damaged").unwrap();
        }
    }
    assert_eq!(&*fetch(&sources_of(), "1.0.0").await.unwrap().bytes, chart.as_slice());
    assert_eq!(server.paths().len(), before + 1, "what is damaged is fetched anew");
}

#[tokio::test]
async fn a_chart_that_is_too_large_is_not_read_to_its_end() {
    let server = Server::start(|seen| match seen.path.as_str() {
        "/charts/index.yaml" => index(&[("1.0.0", "web.tgz", None)]).into_response(),
        _ => Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0; 1000]))).into_response(),
    })
    .await;
    let sources = sources(None);
    let index = sources.index(&server.repository()).await.unwrap();
    let error = sources.chart(&server.repository(), index.resolve("web", "").unwrap()).await.unwrap_err();
    assert!(matches!(error, Error::TooLarge { limit: 100_000, .. }), "{error}");
}

#[tokio::test]
async fn those_who_ask_at_once_share_one_download() {
    let (open, gate) = tokio::sync::watch::channel(false);
    let server = Server::slow(move |seen| {
        let mut gate = gate.clone();
        async move {
            gate.wait_for(|open| *open).await.unwrap();
            match seen.path.as_str() {
                "/charts/index.yaml" => index(&[("1.0.0", "web.tgz", digest_of(b"chart"))]).into_response(),
                _ => "chart".into_response(),
            }
        }
        .boxed()
    })
    .await;
    let sources = sources(None);
    let one = async |repository: Repository| {
        let index = sources.index(&repository).await.unwrap();
        sources.chart(&repository, index.resolve("web", "").unwrap()).await.unwrap().digest
    };
    let same = futures::future::join_all((0..100).map(|_| one(server.repository())));
    let (digests, ()) = tokio::join!(same, async { open.send(true).unwrap() });
    assert!(digests.iter().all(|digest| *digest == Sha256::of(b"chart")));
    assert_eq!(server.paths(), ["/charts/index.yaml", "/charts/web.tgz"]);
    one(server.with_credentials()).await;
    assert_eq!(server.paths().len(), 3, "who may see something else gets an index of his own");
}

#[tokio::test]
async fn credentials_stay_with_their_host() {
    let elsewhere = Server::start(|_| "chart".into_response()).await;
    let away = elsewhere.url.clone();
    let server = Server::start(move |seen| match (seen.header("authorization"), seen.path.as_str()) {
        (None, _) => StatusCode::UNAUTHORIZED.into_response(),
        (_, "/charts/index.yaml") => index(&[
            ("1.0.0", "web.tgz", None),
            ("2.0.0", &format!("{away}/web.tgz"), None),
            ("3.0.0", "moved.tgz", None),
            ("4.0.0", "near.tgz", None),
            ("5.0.0", &format!("{}/web.tgz", away.replace("http://", "http://x:y@")), None),
        ])
        .into_response(),
        (_, "/charts/moved.tgz") => (StatusCode::FOUND, [("location", format!("{away}/moved.tgz"))]).into_response(),
        (_, "/charts/near.tgz") => (StatusCode::MOVED_PERMANENTLY, [("location", "/other/web.tgz")]).into_response(),
        _ => "chart".into_response(),
    })
    .await;
    for pass in [false, true] {
        let sources = sources(None);
        let mut repository = server.with_credentials();
        repository.pass_credentials = pass;
        let index = sources.index(&repository).await.unwrap();
        for (version, own) in [("1.0.0", true), ("2.0.0", false), ("3.0.0", false), ("4.0.0", true), ("5.0.0", false)] {
            sources.chart(&repository, index.resolve("web", version).unwrap()).await.unwrap();
            let seen = if own { server.last() } else { elsewhere.last() };
            let expected = match version {
                "5.0.0" => Some("Basic eDp5"),
                _ => (own || pass).then_some(BASIC),
            };
            assert_eq!(seen.header("authorization"), expected, "{version} {pass}");
        }
    }
}

#[tokio::test]
async fn tls_with_a_certificate_authority_of_ones_own() {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
    let authority = |name: &str| {
        let mut parameters = CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        (certificate, Issuer::new(parameters, key))
    };
    let (ca, issuer) = authority("own");
    let (stranger, _) = authority("stranger");
    let signed = |names: &[&str]| {
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let key = KeyPair::generate().unwrap();
        (CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap(), key)
    };
    let (certificate, key) = signed(&["127.0.0.1"]);
    let (client, client_key) = signed(&["client"]);

    let config = |wants_client: bool| {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut roots = rustls::RootCertStore::empty();
        roots.add(ca.der().clone()).unwrap();
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        let builder =
            rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let builder = match wants_client {
            true => builder.with_client_cert_verifier(verifier.build().unwrap()),
            false => builder.with_no_client_auth(),
        };
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        builder.with_single_cert(vec![certificate.der().clone()], key).unwrap()
    };
    let answer = |_| index(&[("1.0.0", "web.tgz", None)]).into_response();
    let open = Server::tls(config(false), answer).await;
    let closed = Server::tls(config(true), answer).await;

    let identity = Some((client.pem().into_bytes(), client_key.serialize_pem().into_bytes()));
    let pem = |text: String| Some(text.into_bytes());
    for (name, server, tls, expected) in [
        ("own authority", &open, Tls { ca: pem(ca.pem()), ..Tls::default() }, Ok(())),
        ("client certificate", &closed, Tls { ca: pem(ca.pem()), identity, ..Tls::default() }, Ok(())),
        ("no client certificate", &closed, Tls { ca: pem(ca.pem()), ..Tls::default() }, Err("CertificateRequired")),
        ("unchecked", &open, Tls { insecure_skip_verify: true, ..Tls::default() }, Ok(())),
        ("system only", &open, Tls::default(), Err("invalid peer certificate")),
        ("wrong authority", &open, Tls { ca: pem(stranger.pem()), ..Tls::default() }, Err("invalid peer certificate")),
        (
            "no certificate",
            &open,
            Tls { ca: pem("nonsense".to_owned()), ..Tls::default() },
            Err("CA certificate: it has no PEM"),
        ),
        (
            "broken identity",
            &open,
            Tls { identity: Some((b"x".to_vec(), b"y".to_vec())), ..Tls::default() },
            Err("client certificate and key: "),
        ),
    ] {
        let mut repository = server.repository();
        repository.tls = tls.clone();
        let answer = sources(None).index(&repository).await;
        let mut registry = Repository::registry(&server.url.replace("https://", "oci://"), false).unwrap();
        registry.tls = tls;
        let age = Age { most: Duration::ZERO, since: None };
        let refusal = sources(None).tagged(&registry, "web", "1.x", age).await.chart.unwrap_err().to_string();
        // No registry sends an index: to get that far is what counts.
        let expected_of_registry = expected.err().unwrap_or("its list of tags cannot be read");
        assert!(refusal.contains(expected_of_registry), "{name}: {refusal}");
        match (answer, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(expected)) => assert!(error.to_string().contains(expected), "{name}: {error}"),
            (answer, expected) => panic!("{name}: {answer:?}, expected {expected:?}"),
        }
    }
}
