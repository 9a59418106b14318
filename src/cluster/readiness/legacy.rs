//! Helm 3's rules, from the object alone.
//!
//! Helm 3 looks up the newest ReplicaSet of a Deployment and the Pods of a ReplicaSet. The counts in the status tell the same,
//! a moment later at worst.

use serde_json::Value;

use super::Readiness::{self, Failed, InProgress, Ready};
use super::fields::{condition, count, group_kind, holds, is_true, list, number, scaled, text};

pub(super) fn readiness(object: &Value, wait_for_jobs: bool) -> Readiness {
    match group_kind(object) {
        ("", "Pod") => pod(object),
        ("batch", "Job") if wait_for_jobs => job(object),
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("", "PersistentVolumeClaim") => match text(object, "/status/phase") {
            "Bound" => Ready,
            phase => InProgress(format!("it is {}, not Bound", if phase.is_empty() { "new" } else { phase })),
        },
        ("", "Service") => service(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "ReplicaSet") | ("", "ReplicationController") => replica_set(object),
        _ => Ready,
    }
}

fn behind(object: &Value) -> Option<Readiness> {
    let (generation, observed) = (count(object, "/metadata/generation"), count(object, "/status/observedGeneration"));
    (observed < generation)
        .then(|| InProgress(format!("generation {generation} has not been observed (at {observed})")))
}

fn at_least(what: &str, have: i64, want: i64) -> Option<Readiness> {
    (have < want).then(|| InProgress(format!("{have} of {want} {what}")))
}

fn pod(object: &Value) -> Readiness {
    if holds(object, "Ready") {
        return Ready;
    }
    let said = super::fields::container_troubles(object).join("; ");
    InProgress(if said.is_empty() { "the Pod is not ready".to_owned() } else { said })
}

fn job(object: &Value) -> Readiness {
    let failed = count(object, "/status/failed");
    if failed > number(object, "/spec/backoffLimit").unwrap_or(6) {
        let said = condition(object, "Failed").map(|failed| failed.says()).unwrap_or_default();
        return Failed(format!("{failed} Pods of the Job failed; {said}").trim_end_matches("; ").to_owned());
    }
    let completions = number(object, "/spec/completions").unwrap_or(0);
    at_least("Pods completed", count(object, "/status/succeeded"), completions).unwrap_or(Ready)
}

fn deployment(object: &Value) -> Readiness {
    if is_true(object, "/spec/paused") {
        return Ready;
    }
    if let Some(behind) = behind(object) {
        return behind;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let [have, updated, ready] =
        ["replicas", "updatedReplicas", "readyReplicas"].map(|field| count(object, &format!("/status/{field}")));
    // Every Pod that is not of the newest revision may be one of the ready ones.
    let ready_new = (ready - (have - updated).max(0)).min(updated);
    let unavailable = if text(object, "/spec/strategy/type") == "Recreate" {
        0
    } else {
        max_unavailable(object.pointer("/spec/strategy/rollingUpdate"), want)
    };
    at_least("replicas of the newest revision are ready", ready_new, want - unavailable).unwrap_or(Ready)
}

/// Kubernetes rounds the surge up and the shortfall down, and allows one when both are none.
fn max_unavailable(rolling: Option<&Value>, want: i64) -> i64 {
    let Some(rolling) = rolling else { return 0 };
    let surge = scaled(rolling.get("maxSurge"), want, true);
    let unavailable = scaled(rolling.get("maxUnavailable"), want, false);
    let unavailable = if surge == 0 && unavailable == 0 { 1 } else { unavailable };
    unavailable.clamp(0, want.max(0))
}

fn service(object: &Value) -> Readiness {
    if text(object, "/spec/type") == "ExternalName" {
        return Ready;
    }
    if text(object, "/spec/clusterIP").is_empty() {
        return InProgress("it has no cluster IP yet".to_owned());
    }
    let waits = text(object, "/spec/type") == "LoadBalancer"
        && list(object, "/spec/externalIPs").is_empty()
        && list(object, "/status/loadBalancer/ingress").is_empty();
    if waits { InProgress("the load balancer has no address yet".to_owned()) } else { Ready }
}

fn daemon_set(object: &Value) -> Readiness {
    if let Some(behind) = behind(object) {
        return behind;
    }
    // Pods of a set that is updated by hand are not replaced, so there is nothing to wait for.
    if text(object, "/spec/updateStrategy/type") != "RollingUpdate" {
        return Ready;
    }
    let want = count(object, "/status/desiredNumberScheduled");
    let unavailable = scaled(object.pointer("/spec/updateStrategy/rollingUpdate/maxUnavailable"), want, true);
    at_least("Pods are of the newest revision", count(object, "/status/updatedNumberScheduled"), want)
        .or_else(|| at_least("Pods are ready", count(object, "/status/numberReady"), want - unavailable))
        .unwrap_or(Ready)
}

fn definition(object: &Value) -> Readiness {
    let clashes = condition(object, "NamesAccepted").is_some_and(|names| names.status == "False");
    // Helm 3 takes clashing names for ready: what uses the kind then fails with the better message.
    if holds(object, "Established") || clashes {
        Ready
    } else {
        InProgress("the API server does not serve it yet".to_owned())
    }
}

fn stateful_set(object: &Value) -> Readiness {
    if let Some(behind) = behind(object) {
        return behind;
    }
    if text(object, "/spec/updateStrategy/type") != "RollingUpdate" {
        return Ready;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let partition = count(object, "/spec/updateStrategy/rollingUpdate/partition");
    let counts =
        at_least("Pods are of the newest revision", count(object, "/status/updatedReplicas"), want - partition)
            .or_else(|| at_least("Pods are ready", count(object, "/status/readyReplicas"), want));
    if let Some(waiting) = counts {
        return waiting;
    }
    let (at, to) = (text(object, "/status/currentRevision"), text(object, "/status/updateRevision"));
    if partition == 0 && at != to {
        return InProgress(format!("it is still on its way from revision {at} to {to}"));
    }
    Ready
}

fn replica_set(object: &Value) -> Readiness {
    if let Some(behind) = behind(object) {
        return behind;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    at_least("replicas are ready", count(object, "/status/readyReplicas"), want).unwrap_or(Ready)
}
