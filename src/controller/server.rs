//! The operator's ports: health and readiness on one, metrics on the other.

use super::metrics;
use axum::{Router, http::StatusCode, routing::get};
use prometheus_client::registry::Registry;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{net::TcpListener, sync::watch};

/// Whether the operator can do its work; shared by whoever knows.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicBool>);

impl Readiness {
    /// From now on `/readyz` says ok.
    pub fn ready(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Serves `/healthz` and `/readyz` until told to stop.
///
/// # Errors
/// If the address cannot be had.
pub async fn health(address: SocketAddr, ready: Readiness, stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let router = Router::new().route("/healthz", get(|| async { "ok\n" })).route(
        "/readyz",
        get(move || {
            let ready = ready.0.load(Ordering::Relaxed);
            async move {
                if ready {
                    (StatusCode::OK, "ok\n")
                } else {
                    (StatusCode::SERVICE_UNAVAILABLE, "not connected to the API server yet\n")
                }
            }
        }),
    );
    serve(address, router, stop).await
}

/// Serves `/metrics` until told to stop.
///
/// # Errors
/// If the address cannot be had.
pub async fn metrics(address: SocketAddr, registry: Arc<Registry>, stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let router = Router::new().route(
        "/metrics",
        get(move || {
            let text = metrics::text(&registry);
            async move { ([("content-type", "application/openmetrics-text; version=1.0.0; charset=utf-8")], text) }
        }),
    );
    serve(address, router, stop).await
}

async fn serve(address: SocketAddr, router: Router, mut stop: watch::Receiver<bool>) -> std::io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            // An error means that the sender is gone: the process ends.
            let _ = stop.wait_for(|stop| *stop).await;
        })
        .await
}
