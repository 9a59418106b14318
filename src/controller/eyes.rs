//! What templates see of the world outside: a cluster under one identity, and names if that is allowed.

use crate::{
    cluster::{self, Cluster, ObjectId},
    render::{Capabilities, Machine, capabilities::KubeVersion, convert, host::Host},
};
use pintle_value::{Map, Value};
use std::{sync::Arc, time::Duration};
use tokio::runtime::Handle;

/// How long a render may wait for the cluster each time that a template looks something up.
const LOOKUP: Duration = Duration::from_secs(30);

/// `.Capabilities` of a live cluster.
pub(crate) fn capabilities(found: cluster::Capabilities) -> Capabilities {
    Capabilities {
        kube_version: KubeVersion {
            version: found.kube_version,
            // A live cluster's version is not normalised, so that `>=1.28` does not take `v1.33.4-gke.1`; as in Helm.
            normalized: String::new(),
            major: found.major,
            minor: found.minor,
        },
        api_versions: found.api_versions,
        ..Capabilities::default()
    }
}

/// Reads the schema at an address.
pub(crate) type ReadSchema = fn(&str) -> Result<Vec<u8>, String>;

/// What templates see of the world: the cluster, as the release's identity.
pub(crate) struct Eyes {
    pub(crate) cluster: Arc<Cluster>,
    pub(crate) runtime: Handle,
    /// Whether names are looked up in DNS.
    pub(crate) dns: bool,
    /// Reads schemas at addresses; nobody does for charts in a cluster, who could reach more by it than their authors can.
    pub(crate) schema_at: Option<ReadSchema>,
}

impl Host for Eyes {
    fn schema(&self, address: &str) -> Result<Vec<u8>, String> {
        self.schema_at.map_or_else(|| Machine.schema(address), |read| read(address))
    }

    fn lookup(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Value, String> {
        let look = async {
            if name.is_empty() {
                return self.cluster.list(api_version, kind, namespace).await;
            }
            let id = ObjectId {
                api_version: api_version.to_owned(),
                kind: kind.to_owned(),
                namespace: (!namespace.is_empty()).then(|| namespace.to_owned()),
                name: name.to_owned(),
            };
            let object = self.cluster.get(&id).await?;
            Ok(object.and_then(|object| serde_json::to_value(object).ok()))
        };
        // This thread is for blocking work, so it may wait for what runs on the others.
        match self.runtime.block_on(async { tokio::time::timeout(LOOKUP, look).await }) {
            Ok(Ok(Some(found))) => convert::json_to_value(&found).map_err(|error| error.to_string()),
            Ok(Ok(None)) => Ok(Value::Map(Map::new())),
            Ok(Err(error)) if error.is_not_found() => Ok(Value::Map(Map::new())),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("lookup of {kind} {namespace}/{name}: no answer within {LOOKUP:?}")),
        }
    }

    fn resolve_host(&self, name: &str) -> String {
        if !self.dns {
            return String::new();
        }
        let found =
            self.runtime.block_on(async { tokio::time::timeout(LOOKUP, tokio::net::lookup_host((name, 0))).await });
        match found {
            Ok(Ok(mut addresses)) => addresses.next().map(|a| a.ip().to_string()).unwrap_or_default(),
            _ => String::new(),
        }
    }
}
