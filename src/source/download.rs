//! GET with everything a hostile or broken server calls for: limits while streaming, one deadline for all, redirects that never
//! carry credentials to another host. Knows nothing of indexes and charts.

use std::collections::HashMap;
use std::io::Write;
use std::sync::{Mutex, PoisonError};

use flate2::write::MultiGzDecoder;
use reqwest::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_ENCODING, ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE,
    IF_NONE_MATCH, LAST_MODIFIED, LOCATION,
};
use reqwest::{Certificate, Client, Identity, Method, Response, StatusCode, Url, redirect};

use super::digest::Sha256;
use super::error::Error;
use super::reach::Reach;
use super::repository::{Credentials, Repository, Tls, redact, take_credentials};

/// How many redirects are followed.
const REDIRECTS: usize = 10;
/// How many HTTP clients (one a TLS identity) are kept.
const CLIENTS: usize = 64;
/// What charts and indexes come as.
const FILES: &str = "application/gzip,application/octet-stream,*/*";

/// What a server said to tell one state of a file from the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Validators {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// What is wanted.
pub(super) struct Request<'a> {
    pub(super) url: Url,
    /// Whether the server may compress. Only what is text is asked for compressed: a chart is what its digest says, byte for byte.
    pub(super) compressed: bool,
    /// What is known of the file from the last time.
    pub(super) known: Option<&'a Validators>,
    /// How many bytes the file may have, after decompression.
    pub(super) limit: u64,
    /// GET, or HEAD if the headers are enough.
    pub(super) method: Method,
    /// The types that are wanted.
    pub(super) accept: &'static str,
    /// Who asks.
    pub(super) authorization: Authorization,
}

/// How a request says who asks.
#[derive(Clone)]
pub(super) enum Authorization {
    /// By the repository's credentials, wherever they may go.
    OfRepository,
    /// By nothing.
    Nobody,
    /// By this header, sent to this scheme, host and port and to no other.
    At(reqwest::Url, HeaderValue),
}

impl<'a> Request<'a> {
    /// A GET of a file of at most `limit` bytes, by the repository's credentials.
    pub(super) fn get(url: Url, limit: u64) -> Request<'a> {
        let authorization = Authorization::OfRepository;
        Request { url, compressed: false, known: None, limit, method: Method::GET, accept: FILES, authorization }
    }
}

/// What came.
pub(super) enum Answer {
    /// The file is as it was the last time.
    Unchanged,
    /// The file.
    File { bytes: Vec<u8>, validators: Validators },
}

/// The HTTP clients, one for each way of doing TLS, so that connections are used again.
pub(super) struct Downloads {
    user_agent: HeaderValue,
    reach: Reach,
    clients: Mutex<HashMap<Sha256, Client>>,
}

impl Downloads {
    pub(super) fn new(user_agent: &str, reach: Reach) -> Downloads {
        Downloads {
            reach,
            user_agent: HeaderValue::from_str(user_agent).unwrap_or(HeaderValue::from_static("pintle")),
            clients: Mutex::default(),
        }
    }

    /// Fetches a file on behalf of a repository, within the repository's timeout.
    pub(super) async fn get(&self, repository: &Repository, request: Request<'_>) -> Result<Answer, Error> {
        let url = redact(&request.url);
        let fetch = async { read(self.follow(repository, &request).await?, &request).await };
        match tokio::time::timeout(repository.timeout, fetch).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { url, after: repository.timeout }),
        }
    }

    /// The first answer that is no redirect, its body still to be read. The time that it takes is the caller's to limit.
    pub(super) async fn follow(&self, repository: &Repository, request: &Request<'_>) -> Result<Hop, Error> {
        let mut url = request.url.clone();
        for _ in 0..=REDIRECTS {
            let (response, authenticated) = self.send(repository, &mut url, request).await?;
            let Some(location) = redirect_of(&response) else {
                return Ok(Hop { response, url, authenticated });
            };
            let target = location.to_str().ok().and_then(|location| url.join(location).ok());
            url = match target {
                Some(target) if matches!(target.scheme(), "http" | "https") && target.has_host() => target,
                _ => {
                    let why = "it redirects to something that is no HTTP address".to_owned();
                    return Err(Error::Transport { url: redact(&url), why });
                }
            };
        }
        Err(Error::Redirects { url: redact(&request.url), limit: REDIRECTS })
    }

    /// One answer, and whether credentials were sent for it.
    async fn send(
        &self,
        repository: &Repository,
        url: &mut Url,
        request: &Request<'_>,
    ) -> Result<(Response, bool), Error> {
        if let Some((address, why)) = self.reach.refusal_of(url) {
            return Err(Error::OutOfReach { url: redact(url), address, why });
        }
        // Credentials in an address are meant for that address.
        let own = take_credentials(url);
        let trusted = repository.is_own(url) || repository.pass_credentials;
        let authorization = match (own, &request.authorization) {
            (Some(own), _) => own.header(),
            (None, Authorization::OfRepository) => {
                repository.credentials.as_ref().filter(|_| trusted).and_then(Credentials::header)
            }
            (None, Authorization::At(place, header)) => (place.origin() == url.origin()).then(|| header.clone()),
            (None, Authorization::Nobody) => None,
        };
        let client = self.client(&repository.tls, trusted)?;

        let mut headers = headers(request);
        let authenticated = authorization.is_some();
        headers.extend(authorization.map(|header| (AUTHORIZATION, header)));
        match client.request(request.method.clone(), url.clone()).headers(headers).send().await {
            Ok(response) => Ok((response, authenticated)),
            Err(error) => Err(transport(url, &error)),
        }
    }

    /// The client for these certificates; hosts that are not trusted do not get to see who we are.
    fn client(&self, tls: &Tls, trusted: bool) -> Result<Client, Error> {
        let tls = if trusted { tls.clone() } else { Tls { identity: None, ..tls.clone() } };
        let key = tls.identity();
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(client) = clients.get(&key) {
            return Ok(client.clone());
        }
        let client = build(&tls, &self.user_agent, self.reach)?;
        if clients.len() >= CLIENTS {
            clients.clear();
        }
        clients.insert(key, client.clone());
        Ok(client)
    }
}

/// An answer whose body is still to be read.
pub(super) struct Hop {
    /// What was answered.
    pub(super) response: Response,
    /// Who answered, after redirects.
    pub(super) url: Url,
    /// Whether credentials were sent.
    authenticated: bool,
}

fn headers(request: &Request<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(request.accept));
    if request.compressed {
        headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
    }
    if let Some(known) = request.known {
        if let Some(etag) = &known.etag {
            headers.insert(IF_NONE_MATCH, etag.clone());
        }
        if let Some(date) = &known.last_modified {
            headers.insert(IF_MODIFIED_SINCE, date.clone());
        }
    }
    headers
}

fn redirect_of(response: &Response) -> Option<HeaderValue> {
    matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308)
        .then(|| response.headers().get(LOCATION).cloned())
        .flatten()
}

/// The file, within its limit; an error if the answer is none.
pub(super) async fn read(hop: Hop, request: &Request<'_>) -> Result<Answer, Error> {
    let Hop { mut response, url, authenticated } = hop;
    let url = &url;
    let status = response.status();
    if status == StatusCode::NOT_MODIFIED && request.known.is_some() {
        return Ok(Answer::Unchanged);
    }
    if status != StatusCode::OK {
        return Err(Error::Status { url: redact(url), status: status.as_u16(), authenticated });
    }
    let too_large = || Error::TooLarge { url: redact(url), limit: request.limit };
    let header = |name| response.headers().get(name).cloned();
    let validators = Validators { etag: header(ETAG), last_modified: header(LAST_MODIFIED) };
    let gzip = request.compressed && header(CONTENT_ENCODING).is_some_and(|encoding| encoding.as_bytes() == b"gzip");

    let length = response.content_length().filter(|_| !gzip).unwrap_or(0);
    if length > request.limit {
        return Err(too_large());
    }
    let mut body = Body::new(gzip, Limited { bytes: Vec::new(), limit: request.limit, exceeded: false });
    body.reserve(length);
    while let Some(chunk) = response.chunk().await.map_err(|error| transport(url, &error))? {
        if let Err(error) = body.write(&chunk) {
            return Err(if body.exceeded() { too_large() } else { broken(url, &error) });
        }
    }
    match body.finish() {
        Ok(Limited { exceeded: true, .. }) => Err(too_large()),
        Ok(Limited { bytes, .. }) => Ok(Answer::File { bytes, validators }),
        Err(error) => Err(broken(url, &error)),
    }
}

/// A body that is collected as it comes, decompressed if need be, and never more of it than is allowed.
enum Body {
    Plain(Limited),
    Gzip(Box<MultiGzDecoder<Limited>>),
}

struct Limited {
    bytes: Vec<u8>,
    limit: u64,
    exceeded: bool,
}

impl Body {
    fn new(gzip: bool, sink: Limited) -> Body {
        if gzip { Body::Gzip(Box::new(MultiGzDecoder::new(sink))) } else { Body::Plain(sink) }
    }

    fn reserve(&mut self, length: u64) {
        if let Body::Plain(sink) = self {
            // A wrong length costs a reallocation, not memory: no more than a MiB is believed in advance.
            sink.bytes.reserve(usize::try_from(length.min(1 << 20)).unwrap_or(0));
        }
    }

    fn write(&mut self, chunk: &[u8]) -> std::io::Result<()> {
        match self {
            Body::Plain(sink) => sink.write_all(chunk),
            Body::Gzip(decoder) => decoder.write_all(chunk),
        }
    }

    fn exceeded(&self) -> bool {
        match self {
            Body::Plain(sink) => sink.exceeded,
            Body::Gzip(decoder) => decoder.get_ref().exceeded,
        }
    }

    fn finish(self) -> std::io::Result<Limited> {
        match self {
            Body::Plain(sink) => Ok(sink),
            Body::Gzip(decoder) => decoder.finish(),
        }
    }
}

impl Write for Limited {
    fn write(&mut self, chunk: &[u8]) -> std::io::Result<usize> {
        let total = self.bytes.len() as u64 + chunk.len() as u64;
        if total > self.limit {
            self.exceeded = true;
            return Err(std::io::Error::other("larger than the limit"));
        }
        self.bytes.extend_from_slice(chunk);
        Ok(chunk.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

fn build(tls: &Tls, user_agent: &HeaderValue, reach: Reach) -> Result<Client, Error> {
    let ca = match &tls.ca {
        None => Vec::new(),
        Some(pem) => match Certificate::from_pem_bundle(pem) {
            Ok(certificates) if !certificates.is_empty() => certificates,
            Ok(_) => return Err(unusable("CA certificate", "it has no PEM certificate")),
            Err(error) => return Err(unusable("CA certificate", &chain(&error))),
        },
    };
    let identity = match &tls.identity {
        None => None,
        Some((certificate, key)) => {
            let pem = [certificate.as_slice(), b"\n", key.as_slice()].concat();
            Some(Identity::from_pem(&pem).map_err(|error| unusable("client certificate and key", &chain(&error)))?)
        }
    };
    let client = |system: bool| {
        let builder = Client::builder()
            .user_agent(user_agent.clone())
            .redirect(redirect::Policy::none())
            .no_gzip()
            .dns_resolver(reach.resolver())
            .connect_timeout(std::time::Duration::from_secs(30))
            .danger_accept_invalid_certs(tls.insecure_skip_verify);
        let builder = if system { builder.tls_certs_merge(ca.clone()) } else { builder.tls_certs_only(ca.clone()) };
        match &identity {
            Some(identity) => builder.identity(identity.clone()).build(),
            None => builder.build(),
        }
    };
    // A system without certificates of its own is no error before one is needed.
    client(true).or_else(|_| client(false)).map_err(|error| unusable("TLS settings", &chain(&error)))
}

fn unusable(what: &str, why: &str) -> Error {
    Error::Credentials { what: what.to_owned(), why: why.to_owned() }
}

fn transport(url: &Url, error: &reqwest::Error) -> Error {
    Error::Transport { url: redact(url), why: chain(error) }
}

fn broken(url: &Url, error: &std::io::Error) -> Error {
    Error::Transport { url: redact(url), why: format!("the compressed answer is broken: {error}") }
}

/// The innermost causes are what helps: "connection refused", "invalid peer certificate: UnknownIssuer".
fn chain(error: &reqwest::Error) -> String {
    let mut source = std::error::Error::source(error);
    let mut causes: Vec<String> = Vec::new();
    while let Some(cause) = source {
        let text = cause.to_string();
        if causes.last() != Some(&text) {
            causes.push(text);
        }
        source = cause.source();
    }
    let skip = causes.len().saturating_sub(2);
    if causes.is_empty() { "the request failed".to_owned() } else { causes.split_off(skip).join(": ") }
}
