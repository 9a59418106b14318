//! The one door to an API server: how many requests at once, how long to wait for an answer, and a count of each.
//!
//! It is a layer of the client, so that watches and controllers that use the client directly pass through it too.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use http::{Method, Request, Response};
use kube::client::Body;
use tokio::sync::Semaphore;
use tower::{BoxError, Layer, Service};

/// One request that was answered (or not), for metrics.
#[derive(Debug)]
pub struct Sample<'a> {
    /// `get`, `list`, `watch`, `create`, `patch`, `replace`, `delete` by HTTP method and query.
    pub verb: &'static str,
    /// Path without query.
    pub path: &'a str,
    /// HTTP status; 0 when no answer came.
    pub code: u16,
    /// From the moment that it was let through until the headers came.
    pub took: Duration,
}

/// Told about every request.
pub(crate) type Observer = Arc<dyn Fn(&Sample<'_>) + Send + Sync>;

/// Until when this process may write. Looked at right before each write is sent, after it has waited for its turn: a process
/// that was held up for longer than its lease lasts writes nothing when it comes to again.
#[derive(Debug)]
pub struct Fence {
    origin: Instant,
    /// Microseconds after the origin.
    until: AtomicU64,
}

impl Default for Fence {
    /// Open for good.
    fn default() -> Self {
        Self { origin: Instant::now(), until: AtomicU64::new(u64::MAX) }
    }
}

impl Fence {
    /// Nothing may be written.
    pub fn close(&self) {
        self.until.store(0, Ordering::SeqCst);
    }

    /// Writes are let through until then.
    pub fn open_until(&self, until: Instant) {
        let micros = until.saturating_duration_since(self.origin).as_micros();
        self.until.store(u64::try_from(micros).unwrap_or(u64::MAX), Ordering::SeqCst);
    }

    fn permits(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.origin).as_micros() < u128::from(self.until.load(Ordering::SeqCst))
    }
}

/// Shared between all identities of one API server.
pub(crate) struct Gate {
    slots: Semaphore,
    deadline: Duration,
    requests: AtomicU64,
    observer: OnceLock<Observer>,
    fence: OnceLock<Arc<Fence>>,
}

impl Gate {
    pub(crate) fn new(concurrency: usize, deadline: Duration) -> Arc<Self> {
        Arc::new(Self {
            slots: Semaphore::new(concurrency.max(1)),
            deadline,
            requests: AtomicU64::new(0),
            observer: OnceLock::new(),
            fence: OnceLock::new(),
        })
    }

    pub(crate) fn requests(&self) -> u64 {
        self.requests.load(Ordering::Relaxed)
    }

    /// The first observer stays.
    pub(crate) fn observe(&self, observer: Observer) {
        let _ = self.observer.set(observer);
    }

    /// The first fence stays.
    pub(crate) fn guard(&self, fence: Arc<Fence>) {
        let _ = self.fence.set(fence);
    }

    fn permits(&self, verb: &str) -> bool {
        matches!(verb, "get" | "list" | "watch") || self.fence.get().is_none_or(|fence| fence.permits(Instant::now()))
    }
}

#[derive(Clone)]
pub(crate) struct GateLayer(pub(crate) Arc<Gate>);

impl<S> Layer<S> for GateLayer {
    type Service = GateService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        GateService { inner, gate: Arc::clone(&self.0) }
    }
}

#[derive(Clone)]
pub(crate) struct GateService<S> {
    inner: S,
    gate: Arc<Gate>,
}

impl<S, B> Service<Request<Body>> for GateService<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, BoxError>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let verb = verb(&request);
        let path = request.uri().path().to_owned();
        // The future does nothing until it is polled, which happens only with a slot in hand.
        let answer = self.inner.call(request);
        let gate = Arc::clone(&self.gate);
        Box::pin(async move {
            let _slot = gate.slots.acquire().await;
            if !gate.permits(verb) {
                let why = "the lease of this operator has run out: it may not write";
                return Err(Box::from(std::io::Error::new(std::io::ErrorKind::PermissionDenied, why)));
            }
            let start = Instant::now();
            let answer = match tokio::time::timeout(gate.deadline, answer).await {
                Ok(answer) => answer.map_err(Into::into),
                Err(_) => Err(Box::from(std::io::Error::new(
                    std::io::ErrorKind::TimedOut,
                    format!("no answer from the API server within {} s", gate.deadline.as_secs_f32()),
                ))),
            };
            gate.requests.fetch_add(1, Ordering::Relaxed);
            if let Some(observer) = gate.observer.get() {
                let code = answer.as_ref().map_or(0, |response| response.status().as_u16());
                observer(&Sample { verb, path: &path, code, took: start.elapsed() });
            }
            answer
        })
    }
}

fn verb(request: &Request<Body>) -> &'static str {
    match *request.method() {
        Method::GET => match request.uri().query() {
            Some(query) if query.contains("watch=true") => "watch",
            Some(query) if query.contains("labelSelector=") || query.contains("limit=") => "list",
            _ => "get",
        },
        Method::POST => "create",
        Method::PUT => "replace",
        Method::PATCH => "patch",
        Method::DELETE => "delete",
        _ => "other",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_end_with_the_lease_and_reads_go_on() {
        let gate = Gate::new(1, Duration::from_secs(1));
        assert!(gate.permits("patch"));
        let fence = Arc::new(Fence::default());
        gate.guard(Arc::clone(&fence));
        assert!(gate.permits("create"));
        fence.close();
        for (verb, expect) in [("get", true), ("list", true), ("watch", true), ("create", false), ("patch", false)] {
            assert_eq!(gate.permits(verb), expect, "{verb}");
        }
        let now = Instant::now();
        fence.open_until(now + Duration::from_secs(60));
        assert!(gate.permits("delete"));
        assert!(!fence.permits(now + Duration::from_secs(60)) && fence.permits(now + Duration::from_secs(59)));
        // In the past already.
        fence.open_until(now);
        assert!(!gate.permits("replace"));
    }
}
