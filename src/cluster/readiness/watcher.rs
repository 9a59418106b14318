//! kstatus' rules: what Helm 4 and Flux wait for.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::Readiness::{self, Failed, InProgress, Ready, Terminating};
use super::fields::{condition, container_troubles, count, group_kind, holds, is_true, list, number, text};

/// How long a Pod may be unschedulable before that counts as a failure.
const SCHEDULE_WINDOW: SignedDuration = SignedDuration::from_secs(15);

pub(super) fn readiness(object: &Value, wait_for_jobs: bool, now: Timestamp) -> Readiness {
    let (group, kind) = group_kind(object);
    // Helm passes over Deployments that are paused before it looks at them.
    if (group, kind) == ("apps", "Deployment") && is_true(object, "/spec/paused") {
        return Ready;
    }
    if let Some(found) = generic(object, kind) {
        return found;
    }
    match (group, kind) {
        ("apps" | "extensions", "Deployment") => deployment(object),
        ("apps", "StatefulSet") => stateful_set(object),
        ("apps" | "extensions", "DaemonSet") => daemon_set(object),
        ("apps" | "extensions", "ReplicaSet") => replica_set(object),
        ("", "Pod") => pod(object, now),
        ("batch", "Job") => job(object, wait_for_jobs),
        ("", "Service") => service(object),
        ("", "PersistentVolumeClaim") => claim(object),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(object),
        ("policy", "PodDisruptionBudget") | ("batch", "CronJob") | ("", "ConfigMap" | "Secret") => Ready,
        _ => by_ready_condition(object),
    }
}

/// What holds for all kinds: deletion, and a controller that has not seen the newest spec.
pub(super) fn ahead_of_its_controller(object: &Value, kind: &str) -> Option<Readiness> {
    if !text(object, "/metadata/deletionTimestamp").is_empty() {
        return Some(Terminating);
    }
    if let Some(observed) = number(object, "/status/observedGeneration") {
        let generation = count(object, "/metadata/generation");
        if observed != generation {
            return Some(InProgress(format!(
                "the controller of this {kind} has not seen its newest spec (generation {generation}, observed {observed})"
            )));
        }
    }
    None
}

/// What holds for all kinds that have the two standard conditions, too.
fn generic(object: &Value, kind: &str) -> Option<Readiness> {
    if let Some(on_its_way) = ahead_of_its_controller(object, kind) {
        return Some(on_its_way);
    }
    let standing = |kind| condition(object, kind).filter(|condition| condition.status == "True");
    if let Some(condition) = standing("Reconciling") {
        return Some(InProgress(condition.says()));
    }
    standing("Stalled").map(|condition| Failed(condition.says()))
}

fn by_ready_condition(object: &Value) -> Readiness {
    match condition(object, "Ready") {
        Some(ready) if ready.status != "True" => InProgress(match ready.says() {
            said if said.is_empty() => "its Ready condition is not true".to_owned(),
            said => said,
        }),
        _ => Ready,
    }
}

/// The first shortfall, or nothing. `(what, have, want)`
fn short(counts: &[(&str, i64, i64)]) -> Option<String> {
    counts
        .iter()
        .find(|(_, have, want)| have < want)
        .map(|(what, have, want)| format!("{have} of {want} replicas {what}"))
}

/// Adds what the cluster says about why Pods are not made.
fn because(mut message: String, object: &Value) -> Readiness {
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|condition| condition.status == "True") {
        message.push_str("; ");
        message.push_str(&failure.says());
    }
    InProgress(message)
}

fn deployment(object: &Value) -> Readiness {
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let [have, updated, available, ready] = ["replicas", "updatedReplicas", "availableReplicas", "readyReplicas"]
        .map(|field| count(object, &format!("/status/{field}")));
    let progressing = condition(object, "Progressing");
    if let Some(progressing) = progressing.filter(|condition| condition.reason == "ProgressDeadlineExceeded") {
        return Failed(progressing.says());
    }
    if let Some(message) = short(&[("exist", have, want), ("are of the newest revision", updated, want)]) {
        return because(message, object);
    }
    if have > want {
        return InProgress(format!("{} replicas of an older revision are still there", have - want));
    }
    if let Some(message) = short(&[("are available", available, updated.max(want)), ("are ready", ready, want)]) {
        return because(message, object);
    }
    let rolled_out =
        progressing.is_some_and(|condition| condition.status == "True" && condition.reason == "NewReplicaSetAvailable");
    if !rolled_out
        && number(object, "/spec/progressDeadlineSeconds").is_some_and(|deadline| deadline != i64::from(i32::MAX))
    {
        return InProgress("the newest ReplicaSet is not available yet".to_owned());
    }
    if !holds(object, "Available") {
        let said = condition(object, "Available").map(|condition| condition.says()).filter(|said| !said.is_empty());
        return InProgress(said.unwrap_or_else(|| "it is not available yet".to_owned()));
    }
    Ready
}

fn stateful_set(object: &Value) -> Readiness {
    if text(object, "/spec/updateStrategy/type") == "OnDelete" {
        return Ready;
    }
    let want = number(object, "/spec/replicas").unwrap_or(1);
    let [have, ready, current, updated] = ["replicas", "readyReplicas", "currentReplicas", "updatedReplicas"]
        .map(|field| count(object, &format!("/status/{field}")));
    if let Some(message) = short(&[("exist", have, want), ("are ready", ready, want)]) {
        return InProgress(message);
    }
    if have > want {
        return InProgress(format!("{} replicas too many are still there", have - want));
    }
    if let Some(partition) = number(object, "/spec/updateStrategy/rollingUpdate/partition") {
        return match short(&[("are of the newest revision", updated, want - partition)]) {
            Some(message) => InProgress(format!("{message} (partition {partition})")),
            None => Ready,
        };
    }
    if let Some(message) = short(&[("are current", current, want)]) {
        return InProgress(message);
    }
    let (at, to) = (text(object, "/status/currentRevision"), text(object, "/status/updateRevision"));
    if at != to {
        return InProgress(format!("it is still on its way from revision {at} to {to}"));
    }
    Ready
}

fn daemon_set(object: &Value) -> Readiness {
    if number(object, "/metadata/generation").is_none() || number(object, "/status/observedGeneration").is_none() {
        return InProgress("its controller has not seen it yet".to_owned());
    }
    let Some(want) = number(object, "/status/desiredNumberScheduled") else {
        return InProgress("it is not known yet on how many nodes it is to run".to_owned());
    };
    let counts = [
        ("are scheduled", "currentNumberScheduled"),
        ("are of the newest revision", "updatedNumberScheduled"),
        ("are available", "numberAvailable"),
        ("are ready", "numberReady"),
    ];
    let counts = counts.map(|(what, field)| (what, count(object, &format!("/status/{field}")), want));
    short(&counts).map_or(Ready, InProgress)
}

fn replica_set(object: &Value) -> Readiness {
    let want = number(object, "/spec/replicas").unwrap_or(1);
    if let Some(failure) = condition(object, "ReplicaFailure").filter(|condition| condition.status == "True") {
        return InProgress(failure.says());
    }
    let counts = [
        ("are labelled", "fullyLabeledReplicas"),
        ("are available", "availableReplicas"),
        ("are ready", "readyReplicas"),
    ];
    let counts = counts.map(|(what, field)| (what, count(object, &format!("/status/{field}")), want));
    if let Some(message) = short(&counts) {
        return InProgress(message);
    }
    match count(object, "/status/replicas") {
        have if have > want => InProgress(format!("{} replicas too many are still there", have - want)),
        _ => Ready,
    }
}

fn pod(object: &Value, now: Timestamp) -> Readiness {
    let troubles = || {
        let troubles = container_troubles(object);
        if troubles.is_empty() {
            condition(object, "Ready").map_or_else(String::new, |ready| ready.says())
        } else {
            troubles.join("; ")
        }
    };
    let phase = text(object, "/status/phase");
    let waiting = |message: String| match message.as_str() {
        "" => {
            InProgress(format!("the Pod is {}", if phase.is_empty() { "not seen by the cluster yet" } else { phase }))
        }
        _ => InProgress(message),
    };
    match phase {
        "Succeeded" | "Failed" => Ready,
        "Running" if holds(object, "Ready") => Ready,
        "Running" if crash_looping(object) => Failed(troubles()),
        "Pending" => match condition(object, "PodScheduled") {
            Some(scheduled) if scheduled.status == "False" && scheduled.reason == "Unschedulable" => {
                let since: Option<Timestamp> = text(object, "/metadata/creationTimestamp").parse().ok();
                if since.is_none_or(|since| now.duration_since(since) < SCHEDULE_WINDOW) {
                    InProgress(scheduled.says())
                } else {
                    Failed(scheduled.says())
                }
            }
            _ => waiting(container_troubles(object).join("; ")),
        },
        _ => waiting(troubles()),
    }
}

fn crash_looping(pod: &Value) -> bool {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    statuses
        .iter()
        .flat_map(|path| list(pod, path))
        .any(|status| text(status, "/state/waiting/reason") == "CrashLoopBackOff")
}

fn job(object: &Value, to_the_end: bool) -> Readiness {
    if holds(object, "Complete") {
        return Ready;
    }
    if let Some(failed) = condition(object, "Failed").filter(|condition| condition.status == "True") {
        return Failed(failed.says());
    }
    if text(object, "/status/startTime").is_empty() {
        return InProgress("the Job has not started".to_owned());
    }
    if !to_the_end {
        return Ready;
    }
    let completions = number(object, "/spec/completions").or_else(|| number(object, "/spec/parallelism")).unwrap_or(1);
    let [succeeded, active, failed] =
        ["succeeded", "active", "failed"].map(|field| count(object, &format!("/status/{field}")));
    InProgress(format!("{succeeded} of {completions} Pods completed, {active} running, {failed} failed"))
}

fn service(object: &Value) -> Readiness {
    if text(object, "/spec/type") == "LoadBalancer" && text(object, "/spec/clusterIP").is_empty() {
        return InProgress("it has no cluster IP yet".to_owned());
    }
    Ready
}

fn claim(object: &Value) -> Readiness {
    match text(object, "/status/phase") {
        "Bound" => Ready,
        "" => InProgress("it is not bound to a volume yet".to_owned()),
        phase => InProgress(format!("it is {phase}, not Bound")),
    }
}

fn definition(object: &Value) -> Readiness {
    if let Some(names) = condition(object, "NamesAccepted").filter(|condition| condition.status == "False") {
        return Failed(names.says());
    }
    match condition(object, "Established") {
        Some(established) if established.status == "True" => Ready,
        Some(established) if established.status == "False" && established.reason != "Installing" => {
            Failed(established.says())
        }
        _ => InProgress("the API server does not serve it yet".to_owned()),
    }
}
