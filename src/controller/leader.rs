//! One operator at work at a time: a Lease says who.

use kube::Client;
use kube_lease_manager::LeaseManagerBuilder;
use tokio::sync::watch;

/// Why leadership could not be sought.
#[derive(Debug, thiserror::Error)]
#[error("lease {namespace}/{name} cannot be used for leader election: {source}")]
pub struct Error {
    namespace: String,
    name: String,
    source: kube_lease_manager::LeaseManagerError,
}

/// Waits until this process leads, then hands out a channel that turns false when the lease is lost. Whoever lost it must
/// stop: another may be at work already.
///
/// # Errors
/// If the Lease cannot be read or written at all.
pub async fn lead(client: Client, namespace: &str, name: &str, identity: &str) -> Result<watch::Receiver<bool>, Error> {
    let failed = |source| Error { namespace: namespace.into(), name: name.into(), source };
    let manager = LeaseManagerBuilder::new(client, name)
        .with_namespace(namespace)
        .with_identity(identity)
        .with_duration(35)
        .with_grace(10)
        .build()
        .await
        .map_err(failed)?;
    let (mut leads, _task) = manager.watch().await;
    tracing::info!(lease = name, namespace, identity, "waiting for leadership");
    // The sender lives as long as the task, which ends only with the process.
    let _ = leads.wait_for(|leads| *leads).await;
    tracing::info!(lease = name, namespace, identity, "leading");
    Ok(leads)
}
