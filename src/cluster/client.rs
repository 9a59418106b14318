//! A client of one API server under one identity.
//!
//! Every request has a deadline, is retried by one policy (a few times, jittered, only what may be repeated), passes the
//! server's gate and fails with an [`Error`] that names action and object.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderValue, Method, Request, header};
use jiff::Timestamp;
use kube::client::{Body, ClientBuilder};
use kube::core::{DynamicObject, PartialObjectMeta, Status};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::apply::{Applied, Apply, Outcome, outcome};
use super::discovery::{Capabilities, Discovery, Resource};
use super::error::{Action, Class, Error, Failure, Result};
use super::gate::{Fence, Gate, GateLayer, Sample};
use super::object::{ObjectId, Target};
use super::token::Token;

/// Answer with metadata only.
pub(crate) const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";

/// Most service accounts whose clients are kept.
const IDENTITIES: usize = 1024;

/// Most tries of one request.
const TRIES: u32 = 4;

/// How to talk to an API server.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Most requests under way at once, all identities together. Watches count until they begin.
    pub concurrency: usize,
    /// How long a request may take, retries included.
    pub deadline: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self { concurrency: 32, deadline: Duration::from_secs(30) }
    }
}

/// What happens to what an object owns when it is deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Propagation {
    /// It is deleted afterwards.
    Background,
    /// It is deleted before.
    Foreground,
    /// It stays.
    Orphan,
}

/// What a delete request did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Deleted {
    /// There was nothing to delete.
    Absent,
    /// Another object of the same name is there: not the one that was meant, left alone.
    Replaced,
    /// It is going: finalizers, dependents or a grace period hold it for now.
    Terminating,
    /// It is gone.
    Gone,
}

/// What all identities of one API server share.
struct Server {
    base: kube::Client,
    gate: Arc<Gate>,
    discovery: Discovery,
    identities: Mutex<HashMap<String, kube::Client>>,
    /// Diagnoses that may be made now, and when that was reckoned.
    spare: Mutex<(f64, Instant)>,
    options: Options,
}

/// One identity's requests: sends, retries, reads errors.
#[derive(Clone)]
pub(crate) struct Caller {
    client: kube::Client,
    deadline: Duration,
}

/// An answer with a good status.
pub(crate) struct Answer {
    pub(crate) code: u16,
    /// The server's clock.
    pub(crate) date: Option<Timestamp>,
    /// How long the successful try took.
    pub(crate) took: Duration,
    pub(crate) body: Vec<u8>,
}

/// One identity at one API server.
pub struct Cluster {
    /// For what this type has no method for. Passes the same gate, but has no retries.
    pub client: kube::Client,
    caller: Caller,
    server: Arc<Server>,
    identity: Option<String>,
}

impl std::fmt::Debug for Cluster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cluster").field("identity", &self.identity).finish_non_exhaustive()
    }
}

impl Cluster {
    /// Sets a client up. Nothing is sent yet.
    ///
    /// # Errors
    /// When the configuration (certificates, proxy, credentials) is of no use.
    #[expect(clippy::unused_async, reason = "setting up credentials may come to need it; callers are async anyway")]
    pub async fn new(config: kube::Config) -> Result<Arc<Self>> {
        Self::with_options(config, Options::default())
    }

    /// Like [`Cluster::new`] with other limits.
    ///
    /// # Errors
    /// When the configuration (certificates, proxy, credentials) is of no use.
    pub fn with_options(config: kube::Config, options: Options) -> Result<Arc<Self>> {
        Self::begin(config, options, None)
    }

    /// Like [`Cluster::new`] for whoever has a token, which takes the place of what the configuration says of that.
    ///
    /// # Errors
    /// When the configuration (certificates, proxy) is of no use.
    pub fn with_token(config: kube::Config, token: Token) -> Result<Arc<Self>> {
        Self::begin(config, Options::default(), Some(token))
    }

    fn begin(mut config: kube::Config, options: Options, token: Option<Token>) -> Result<Arc<Self>> {
        // kube's own policy retries for minutes.
        config.default_retry = false;
        let gate = Gate::new(options.concurrency, options.deadline);
        let base = ClientBuilder::try_from(config)
            .map_err(|error| Error::Config(error.to_string()))?
            .with_layer(&GateLayer(Arc::clone(&gate)))
            .build();
        let base = match token {
            Some(token) => token.given_to(base),
            None => base,
        };
        let server = Arc::new(Server {
            base: base.clone(),
            gate,
            discovery: Discovery::default(),
            identities: Mutex::default(),
            spare: Mutex::new((0.0, Instant::now())),
            options,
        });
        Ok(Self::assemble(base, server, None))
    }

    fn assemble(client: kube::Client, server: Arc<Server>, identity: Option<String>) -> Arc<Self> {
        let caller = Caller { client: client.clone(), deadline: server.options.deadline };
        Arc::new(Self { client, caller, server, identity })
    }

    /// The same server as a service account (`system:serviceaccount:NAMESPACE:NAME`), by impersonation. Connections, discovery
    /// and limits are shared.
    ///
    /// # Errors
    /// When namespace or name cannot be names.
    pub fn as_service_account(&self, namespace: &str, name: &str) -> Result<Arc<Self>> {
        for (what, value) in [("namespace", namespace), ("service account name", name)] {
            if !is_dns_name(value) {
                return Err(Error::Name { what, value: value.to_owned() });
            }
        }
        let user = format!("system:serviceaccount:{namespace}:{name}");
        let mut identities = self.server.identities.lock().unwrap_or_else(PoisonError::into_inner);
        let client = match identities.get(&user) {
            Some(client) => client.clone(),
            None => {
                let header =
                    HeaderValue::from_str(&user).map_err(|_| Error::Name { what: "user", value: user.clone() })?;
                let base = self.server.base.clone();
                let service = tower::service_fn(move |mut request: Request<Body>| {
                    let (base, header) = (base.clone(), header.clone());
                    request.headers_mut().insert("Impersonate-User", header);
                    async move { base.send(request).await }
                });
                let client = kube::Client::new(service, namespace);
                // Clients cost little to make again; this only keeps the map from growing with whatever names come by.
                if identities.len() >= IDENTITIES {
                    identities.clear();
                }
                identities.insert(user.clone(), client.clone());
                client
            }
        };
        drop(identities);
        Ok(Self::assemble(client, Arc::clone(&self.server), Some(user)))
    }

    /// The user that is impersonated, if any.
    #[must_use]
    pub fn identity(&self) -> Option<&str> {
        self.identity.as_deref()
    }

    /// Requests sent to the server so far, all identities together.
    #[must_use]
    pub fn requests(&self) -> u64 {
        self.server.gate.requests()
    }

    /// Has every request to the server reported, all identities together. The first observer stays.
    pub fn observe(&self, observer: Arc<dyn Fn(&Sample<'_>) + Send + Sync>) {
        self.server.gate.observe(observer);
    }

    /// Lets writes through only as long as the fence is open, all identities together. The first fence stays.
    pub fn guard(&self, fence: Arc<Fence>) {
        self.server.gate.guard(fence);
    }

    /// What the server calls the objects of a kind, and whether they live in namespaces.
    ///
    /// # Errors
    /// [`Error::UnknownKind`] when the server does not know it even after asking anew; failures of discovery.
    pub async fn resolve(&self, api_version: &str, kind: &str) -> Result<Resource> {
        self.server.discovery.resolve(&self.caller, api_version, kind).await
    }

    /// Like [`Cluster::resolve`] from what is known already, without a request.
    #[must_use]
    pub fn known(&self, api_version: &str, kind: &str) -> Option<Resource> {
        self.server.discovery.known(api_version, kind)
    }

    /// Has the next question about kinds ask the server anew: after applying a CustomResourceDefinition.
    pub fn forget_discovery(&self) {
        self.server.discovery.forget();
    }

    /// The server's version and kinds, for `.Capabilities`.
    ///
    /// # Errors
    /// Failures of discovery.
    pub async fn capabilities(&self) -> Result<Capabilities> {
        self.server.discovery.capabilities(&self.caller).await
    }

    /// Reads an object; `None` when it is not there.
    ///
    /// # Errors
    /// Any failure but "not found".
    pub async fn get(&self, id: &ObjectId) -> Result<Option<DynamicObject>> {
        let path = self.path(id).await?;
        absent(self.caller.read(Action::Get, &id.to_string(), &path, None).await)
    }

    /// Lists objects of a kind as the API server gives them (a `List` object with `items`), in one namespace or, with an empty
    /// one, in all.
    ///
    /// # Errors
    /// Any failure.
    pub async fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Result<Option<Value>> {
        let resource = self.resolve(api_version, kind).await?;
        let path = collection_path(&resource, (!namespace.is_empty()).then_some(namespace));
        absent(self.caller.read(Action::List, kind, &path, None).await)
    }

    /// Reads an object's metadata only; `None` when it is not there.
    ///
    /// # Errors
    /// Any failure but "not found".
    pub async fn get_metadata(&self, id: &ObjectId) -> Result<Option<PartialObjectMeta>> {
        let path = self.path(id).await?;
        absent(self.caller.read(Action::Get, &id.to_string(), &path, Some(METADATA)).await)
    }

    /// Applies an object server-side.
    ///
    /// # Errors
    /// See [`Class`]: a field conflict names managers and fields.
    pub async fn apply(&self, target: &Target, apply: &Apply<'_>) -> Result<Applied> {
        // The server makes the name, so there is nothing to apply to: each time is a new object, as with Helm.
        if target.id.name.is_empty() {
            let object = self.create(target, apply).await?;
            return Ok(Applied { outcome: Outcome::Created, object });
        }
        let path = self.path(&target.id).await?;
        let uri = format!(
            "{path}?fieldManager={}&force={}&fieldValidation={}{}",
            escape(apply.manager),
            apply.force,
            if apply.strict { "Strict" } else { "Ignore" },
            if apply.dry_run { "&dryRun=All" } else { "" },
        );
        let object = target.id.to_string();
        let body = bytes(Action::Apply, &object, &target.body)?;
        let answer = self
            .caller
            .call(Action::Apply, &object, Method::PATCH, &uri, Some("application/apply-patch+yaml"), None, body)
            .await?;
        let live: DynamicObject = parse(Action::Apply, &object, &answer.body)?;
        let outcome = outcome(answer.code, &live, apply.manager, answer.date, answer.took);
        Ok(Applied { outcome, object: live })
    }

    /// A token of a service account for these audiences, and for how long it holds. The server may give it another life than is
    /// asked for.
    ///
    /// # Errors
    /// When namespace or name cannot be names; any failure.
    pub async fn token(
        &self,
        namespace: &str,
        account: &str,
        audiences: &[String],
        life: Duration,
    ) -> Result<(String, Duration)> {
        #[derive(serde::Deserialize)]
        struct Made {
            status: Given,
        }
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Given {
            token: String,
            expiration_timestamp: Timestamp,
        }
        for (what, value) in [("namespace", namespace), ("service account name", account)] {
            if !is_dns_name(value) {
                return Err(Error::Name { what, value: value.to_owned() });
            }
        }
        let object = format!("token of ServiceAccount {namespace}/{account}");
        let path = format!("/api/v1/namespaces/{namespace}/serviceaccounts/{account}/token");
        let asked = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
            "spec": {"audiences": audiences, "expirationSeconds": life.as_secs()}});
        let body = bytes(Action::Create, &object, &asked)?;
        let answer = self
            .caller
            .call(Action::Create, &object, Method::POST, &path, Some("application/json"), None, body)
            .await?;
        let Made { status: given } = parse(Action::Create, &object, &answer.body)?;
        let left = given.expiration_timestamp.duration_since(Timestamp::now());
        Ok((given.token, Duration::try_from(left).unwrap_or_default()))
    }

    /// Creates an object; an existing one is an error of class [`Class::AlreadyExists`].
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn create(&self, target: &Target, apply: &Apply<'_>) -> Result<DynamicObject> {
        let resource = self.resolve(&target.id.api_version, &target.id.kind).await?;
        let path = collection_path(&resource, target.id.namespace.as_deref());
        let uri = format!("{path}?{}", write_query(apply));
        self.write(Action::Create, &target.id, Method::POST, &uri, "application/json", &target.body).await
    }

    /// Replaces an object as a whole (`helm upgrade --force-replace`). A `resourceVersion` in the body is a precondition.
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn replace(&self, target: &Target, apply: &Apply<'_>) -> Result<DynamicObject> {
        let uri = format!("{}?{}", self.path(&target.id).await?, write_query(apply));
        self.write(Action::Replace, &target.id, Method::PUT, &uri, "application/json", &target.body).await
    }

    /// Sends a patch: `application/json-patch+json`, `application/merge-patch+json` or `application/strategic-merge-patch+json`.
    ///
    /// # Errors
    /// See [`Class`].
    pub async fn patch(
        &self,
        id: &ObjectId,
        media_type: &'static str,
        patch: &Value,
        apply: &Apply<'_>,
    ) -> Result<DynamicObject> {
        let uri = format!("{}?{}", self.path(id).await?, write_query(apply));
        self.write(Action::Patch, id, Method::PATCH, &uri, media_type, patch).await
    }

    async fn write(
        &self,
        action: Action,
        id: &ObjectId,
        method: Method,
        uri: &str,
        media_type: &'static str,
        body: &Value,
    ) -> Result<DynamicObject> {
        let object = id.to_string();
        let body = bytes(action, &object, body)?;
        let answer = self.caller.call(action, &object, method, uri, Some(media_type), None, body).await?;
        parse(action, &object, &answer.body)
    }

    /// Deletes an object; with `uid`, only the one with that uid.
    ///
    /// # Errors
    /// Any failure but "not found" and a different uid, which are outcomes.
    pub async fn delete(&self, id: &ObjectId, propagation: Propagation, uid: Option<&str>) -> Result<Deleted> {
        let path = match self.path(id).await {
            // Without the kind there are no objects of it.
            Err(Error::UnknownKind { .. }) => return Ok(Deleted::Absent),
            path => path?,
        };
        let object = id.to_string();
        let policy = match propagation {
            Propagation::Background => "Background",
            Propagation::Foreground => "Foreground",
            Propagation::Orphan => "Orphan",
        };
        let mut options = json!({"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": policy});
        if let Some(uid) = uid {
            options["preconditions"] = json!({"uid": uid});
        }
        let body = bytes(Action::Delete, &object, &options)?;
        let sent = self.caller.call(
            Action::Delete,
            &object,
            Method::DELETE,
            &path,
            Some("application/json"),
            Some(METADATA),
            body,
        );
        match sent.await {
            // A Status answers for what is gone, the object itself for what is going.
            Ok(answer) => {
                let answer: Value = parse(Action::Delete, &object, &answer.body)?;
                let going = answer.pointer("/metadata/deletionTimestamp").is_some();
                Ok(if going { Deleted::Terminating } else { Deleted::Gone })
            }
            Err(error) if error.is_not_found() => Ok(Deleted::Absent),
            Err(error) if uid.is_some() && error.class() == Class::Stale => Ok(Deleted::Replaced),
            Err(error) => Err(error),
        }
    }

    /// Path of an object.
    async fn path(&self, id: &ObjectId) -> Result<String> {
        let resource = self.resolve(&id.api_version, &id.kind).await?;
        let mut path = collection_path(&resource, id.namespace.as_deref());
        path.push('/');
        path.push_str(&escape(&id.name));
        Ok(path)
    }

    pub(crate) fn spare_diagnoses(&self) -> &Mutex<(f64, Instant)> {
        &self.server.spare
    }

    pub(crate) fn caller(&self) -> &Caller {
        &self.caller
    }
}

impl Caller {
    /// GET and parse.
    pub(crate) async fn read<T: DeserializeOwned>(
        &self,
        action: Action,
        object: &str,
        uri: &str,
        accept: Option<&'static str>,
    ) -> Result<T> {
        let answer = self.call(action, object, Method::GET, uri, None, accept, Vec::new()).await?;
        parse(action, object, &answer.body)
    }

    /// Sends a request until it is answered for good, the tries are used up or the deadline has come.
    #[expect(clippy::too_many_arguments, reason = "a request has these parts; every caller names each once")]
    pub(crate) async fn call(
        &self,
        action: Action,
        object: &str,
        method: Method,
        uri: &str,
        media_type: Option<&'static str>,
        accept: Option<&'static str>,
        body: Vec<u8>,
    ) -> Result<Answer> {
        let tries = async {
            for tried in 1.. {
                let error = match self.once(action, object, &method, uri, media_type, accept, body.clone()).await {
                    Ok(answer) => return Ok(answer),
                    Err(error) => error,
                };
                match pause(action, &error, tried) {
                    Some(pause) => tokio::time::sleep(pause).await,
                    None => return Err(error),
                }
            }
            unreachable!("the loop ends by returning")
        };
        match tokio::time::timeout(self.deadline, tries).await {
            Ok(result) => result.map_err(|failure| Error::Request(Box::new(failure))),
            Err(_) => Err(Error::Request(Box::new(Failure::timed_out(action, object, self.deadline)))),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "see `call`")]
    async fn once(
        &self,
        action: Action,
        object: &str,
        method: &Method,
        uri: &str,
        media_type: Option<&'static str>,
        accept: Option<&'static str>,
        body: Vec<u8>,
    ) -> Result<Answer, Failure> {
        let mut request =
            Request::builder().method(method).uri(uri).header(header::ACCEPT, accept.unwrap_or("application/json"));
        if let Some(media_type) = media_type {
            request = request.header(header::CONTENT_TYPE, media_type);
        }
        let request = request.body(Body::from(body)).map_err(|error| Failure {
            class: Class::Invalid,
            ..Failure::unreadable(action, object, format!("no request can be made of it: {error}"))
        })?;
        let start = Instant::now();
        let transport = |error: kube::Error| Failure::from_transport(action, object, &error);
        let response = self.client.send(request).await.map_err(transport)?;
        let code = response.status();
        let date = response.headers().get(header::DATE).and_then(|date| date.to_str().ok()).and_then(http_date);
        let body = response.into_body().collect_bytes().await.map_err(transport)?;
        let took = start.elapsed();
        if code.is_success() {
            return Ok(Answer { code: code.as_u16(), date, took, body: body.into() });
        }
        // Proxies answer with pages of their own.
        let mut status = serde_json::from_slice::<Status>(&body)
            .unwrap_or_else(|_| Status::failure(String::from_utf8_lossy(&body[..body.len().min(512)]).trim(), ""));
        status.code = code.as_u16();
        Err(Failure::from_status(action, object, &status))
    }
}

/// Whether a failed try is worth another, and after what pause.
fn pause(action: Action, failure: &Failure, tried: u32) -> Option<Duration> {
    if tried >= TRIES || failure.class != Class::Transient {
        return None;
    }
    let refused = matches!(failure.code, 429 | 503) || failure.message.contains("onnection refused");
    // What may have been done must not be done twice, unless that makes no difference.
    if !refused && !action.is_idempotent() {
        return None;
    }
    // A namespace that goes away or a webhook that is down takes longer than a request may.
    if matches!(failure.code, 403 | 409 | 500) && tried >= 2 {
        return None;
    }
    let base = Duration::from_millis(100 << tried.min(6));
    let asked = failure.retry_after.unwrap_or_default().min(Duration::from_secs(5));
    Some(jitter(base).max(asked))
}

/// Between half and all of a duration.
pub(crate) fn jitter(duration: Duration) -> Duration {
    // The standard library's hasher is seeded at random: enough to keep clients from marching in step.
    let random = std::hash::RandomState::new().build_hasher().finish() % 1000;
    duration.mul_f64(0.5 + f64::from(u32::try_from(random).unwrap_or(0)) / 2000.0)
}

/// Path of all objects of a kind, in a namespace if the kind has them.
pub(crate) fn collection_path(resource: &Resource, namespace: Option<&str>) -> String {
    let api = &resource.api;
    let root = if api.group.is_empty() { "/api/" } else { "/apis/" };
    match namespace.filter(|namespace| resource.namespaced && !namespace.is_empty()) {
        Some(namespace) => format!("{root}{}/namespaces/{}/{}", api.api_version, escape(namespace), api.plural),
        None => format!("{root}{}/{}", api.api_version, api.plural),
    }
}

/// The query of writes that are not server-side applies.
fn write_query(apply: &Apply<'_>) -> String {
    format!(
        "fieldManager={}&fieldValidation={}{}",
        escape(apply.manager),
        if apply.strict { "Strict" } else { "Ignore" },
        if apply.dry_run { "&dryRun=All" } else { "" },
    )
}

/// Percent-encodes all but unreserved characters: names come from manifests and must not become paths or queries.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'~' => out.push(char::from(byte)),
            b'.' if text != "." && text != ".." => out.push('.'),
            _ => {
                out.push('%');
                for digit in [byte >> 4, byte & 15] {
                    out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase());
                }
            }
        }
    }
    out
}

fn is_dns_name(name: &str) -> bool {
    !name.is_empty()
        && name.len() <= 253
        && name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.'))
        && name.starts_with(|first: char| first.is_ascii_alphanumeric())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
}

fn absent<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error),
    }
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()
}

fn bytes(action: Action, object: &str, body: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(body).map_err(|error| Error::Request(Box::new(Failure::unreadable(action, object, error))))
}

pub(crate) fn parse<T: DeserializeOwned>(action: Action, object: &str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|error| Error::Request(Box::new(Failure::unreadable(action, object, error))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_become_paths() {
        for (name, escaped) in [
            ("web", "web"),
            ("web.example.org", "web.example.org"),
            ("system:node", "system%3Anode"),
            ("../secrets/x", "..%2Fsecrets%2Fx"),
            ("..", "%2E%2E"),
            ("a?b=c#d%", "a%3Fb%3Dc%23d%25"),
            ("é", "%C3%A9"),
        ] {
            assert_eq!(escape(name), escaped);
        }
    }

    #[test]
    fn the_servers_clock_is_read() {
        let date = http_date("Sat, 21 Nov 2026 11:14:06 GMT");
        assert_eq!(date.map(|date| date.to_string()).as_deref(), Some("2026-11-21T11:14:06Z"));
        assert_eq!(http_date("yesterday"), None);
    }

    #[test]
    fn only_what_may_be_repeated_is_repeated() {
        let failure = |action, code: u16, message: &str| {
            Failure::from_status(action, "x", &Status::failure(message, "").with_code(code))
        };
        let lost =
            |action| Failure { code: 0, class: Class::Transient, ..failure(action, 0, "connection reset by peer") };
        for (action, failure, tried, again) in [
            (Action::Get, failure(Action::Get, 503, ""), 1, true),
            (Action::Create, failure(Action::Create, 429, ""), 1, true),
            (Action::Create, failure(Action::Create, 504, ""), 1, false),
            (Action::Apply, failure(Action::Apply, 504, ""), 1, true),
            (Action::Create, lost(Action::Create), 1, false),
            (Action::Delete, lost(Action::Delete), 1, true),
            (Action::Get, failure(Action::Get, 404, ""), 1, false),
            (Action::Get, failure(Action::Get, 503, ""), TRIES, false),
        ] {
            assert_eq!(pause(action, &failure, tried).is_some(), again, "{action} {failure:?} {tried}");
        }
    }
}
