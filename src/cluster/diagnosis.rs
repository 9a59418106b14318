//! Why an object does not get ready, asked once when a wait is given up: the Pod behind it that is worst off, the last
//! warning about either, and the tail of the log.
//!
//! Whatever cannot be read (rights, time) is left out: a diagnosis never fails.

use std::fmt;
use std::fmt::Write as _;
use std::sync::PoisonError;
use std::time::{Duration, Instant};

use http::Method;
use serde_json::Value;

use super::client::{Cluster, escape};
use super::error::Action;
use super::object::ObjectId;
use super::readiness::{container_troubles, failing_container};

/// How long asking may take in all.
const PATIENCE: Duration = Duration::from_secs(5);

/// Diagnoses of slow waits: in the long run and at once.
const A_SECOND: f64 = 2.0;
const AT_ONCE: f64 = 20.0;

/// Most Pods that are looked at.
const PODS: u32 = 50;

/// Most containers of a Pod whose logs are read.
const CONTAINERS: usize = 4;

/// Lines and bytes of a log.
const LOG_LINES: u32 = 5;
const LOG_BYTES: usize = 1024;

/// What was found. `Display` gives one line, or several with a log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diagnosis {
    /// The Pod that is worst off, and what its containers say: `Pod shop/web-1: container app: CrashLoopBackOff`.
    pub pod: Option<String>,
    /// The last warning: `FailedScheduling: 0/3 nodes are available`.
    pub event: Option<String>,
    /// The last lines of the failing container's log.
    pub log: Option<String>,
}

impl Diagnosis {
    /// Whether nothing was found.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl fmt::Display for Diagnosis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let event = self.event.as_ref().map(|event| format!("last event: {event}"));
        let log = self.log.as_ref().map(|log| match log.contains('\n') {
            true => format!("log:\n{log}"),
            false => format!("log: {log}"),
        });
        let parts: Vec<_> = [self.pod.clone(), event, log].into_iter().flatten().collect();
        f.write_str(&parts.join("; "))
    }
}

impl Cluster {
    /// What is behind an object that is not ready, as it is now: one line, or several with a log. Nothing if it is gone or
    /// nothing can be learned.
    pub async fn cause(&self, id: &ObjectId) -> Option<String> {
        let live = serde_json::to_value(self.get(id).await.ok()??).unwrap_or_default();
        let found = self.diagnose(id, &live).await;
        (!found.is_empty()).then(|| found.to_string())
    }

    /// Looks for the reason why an object is not ready. `live` is the object as it was last read.
    pub async fn diagnose(&self, id: &ObjectId, live: &Value) -> Diagnosis {
        let mut found = Diagnosis::default();
        // What was found before the time is up is better than nothing.
        let _ = tokio::time::timeout(PATIENCE, self.investigate(id, live, &mut found)).await;
        found
    }

    /// Whether there is time for a diagnosis that nobody asked for: some a second, however many releases wait, so that what is
    /// merely of interest does not take the API server's time.
    pub fn is_idle_enough(&self) -> bool {
        let mut spare = self.spare_diagnoses().lock().unwrap_or_else(PoisonError::into_inner);
        let (left, since) = &mut *spare;
        let now = Instant::now();
        *left = (*left + now.duration_since(*since).as_secs_f64() * A_SECOND).min(AT_ONCE);
        *since = now;
        let idle = *left >= 1.0;
        if idle {
            *left -= 1.0;
        }
        idle
    }

    /// The end of what the containers of a Pod, or of a Job's newest Pod, wrote. Nothing for other kinds, or if nothing can be
    /// learned.
    pub async fn output(&self, id: &ObjectId) -> Option<String> {
        let read = async {
            let namespace = id.namespace.as_deref()?;
            let live = serde_json::to_value(self.get(id).await.ok()??).unwrap_or_default();
            let pod = match (id.group(), id.kind.as_str()) {
                ("", "Pod") => live,
                ("batch", "Job") => newest(self.pods(namespace, &selector(&live)?).await)?,
                _ => return None,
            };
            let name = pod.pointer("/metadata/name")?.as_str()?;
            let mut said = Vec::new();
            for container in pod.pointer("/spec/containers")?.as_array()?.iter().take(CONTAINERS) {
                let container = container["name"].as_str()?;
                let log = self.log_tail(namespace, name, container, false).await;
                said.extend(log.map(|log| format!("container {container}:\n{log}")));
            }
            (!said.is_empty()).then(|| said.join("\n"))
        };
        tokio::time::timeout(PATIENCE, read).await.ok().flatten()
    }

    async fn investigate(&self, id: &ObjectId, live: &Value, found: &mut Diagnosis) {
        let Some(namespace) = id.namespace.as_deref() else {
            found.event = self.last_warning("default", live).await;
            return;
        };
        let listed;
        let pod = if (id.group(), id.kind.as_str()) == ("", "Pod") {
            Some(live)
        } else if let Some(selector) = selector(live) {
            listed = self.pods(namespace, &selector).await;
            worst(&listed)
        } else {
            None
        };
        if let Some(pod) = pod {
            let name = pod.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default();
            let said = container_troubles(pod).join("; ");
            let said = if said.is_empty() { pod_phase(pod) } else { said };
            found.pod = Some(if id.kind == "Pod" { said } else { format!("Pod {namespace}/{name}: {said}") });
            found.event = self.last_warning(namespace, pod).await;
            if let Some((container, previous)) = failing_container(pod) {
                found.log = self.log_tail(namespace, name, container, previous).await;
            }
        }
        if found.event.is_none() {
            found.event = self.last_warning(namespace, live).await;
        }
    }

    async fn pods(&self, namespace: &str, selector: &str) -> Vec<Value> {
        let uri =
            format!("/api/v1/namespaces/{}/pods?labelSelector={}&limit={PODS}", escape(namespace), escape(selector));
        let list: Value = self.caller().read(Action::List, "Pods", &uri, None).await.unwrap_or_default();
        match list {
            Value::Object(mut list) => match list.remove("items") {
                Some(Value::Array(pods)) => pods,
                _ => Vec::new(),
            },
            _ => Vec::new(),
        }
    }

    async fn last_warning(&self, namespace: &str, object: &Value) -> Option<String> {
        let uid = object.pointer("/metadata/uid")?.as_str()?;
        let fields = format!("involvedObject.uid={uid},type=Warning");
        let uri =
            format!("/api/v1/namespaces/{}/events?fieldSelector={}&limit=100", escape(namespace), escape(&fields));
        let list: Value = self.caller().read(Action::List, "events", &uri, None).await.ok()?;
        last_event(list.get("items")?.as_array()?)
    }

    async fn log_tail(&self, namespace: &str, pod: &str, container: &str, previous: bool) -> Option<String> {
        let mut uri = format!(
            "/api/v1/namespaces/{}/pods/{}/log?container={}&tailLines={LOG_LINES}&limitBytes=65536",
            escape(namespace),
            escape(pod),
            escape(container)
        );
        if previous {
            let _ = write!(uri, "&previous=true");
        }
        let read = self.caller().call(Action::Get, "log", Method::GET, &uri, None, None, Vec::new());
        tail(&String::from_utf8_lossy(&read.await.ok()?.body))
    }
}

/// The Pods that a workload stands for, as a label selector.
fn selector(object: &Value) -> Option<String> {
    let selector = object.pointer("/spec/selector")?.as_object()?;
    let mut terms = Vec::new();
    // A Service's and a ReplicationController's selector is the map itself.
    let labels = match selector.get("matchLabels") {
        Some(labels) => labels.as_object(),
        None if selector.contains_key("matchExpressions") => None,
        None => Some(selector),
    };
    for (key, value) in labels.into_iter().flatten() {
        terms.push(format!("{key}={}", value.as_str()?));
    }
    for expression in selector.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression.get("key")?.as_str()?;
        let values: Vec<_> = expression
            .get("values")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let values = values.join(",");
        terms.push(match expression.get("operator")?.as_str()? {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return None,
        });
    }
    (!terms.is_empty()).then(|| terms.join(","))
}

/// The Pod that tells most: one whose containers fail, else one that is not ready; the newest of them.
fn worst(pods: &[Value]) -> Option<&Value> {
    let ready = |pod: &Value| {
        let conditions = pod.pointer("/status/conditions").and_then(Value::as_array);
        conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    let badness = |pod: &Value| match pod.pointer("/status/phase").and_then(Value::as_str) {
        Some("Succeeded") => 0,
        _ if ready(pod) => 0,
        Some("Failed") => 3,
        _ if !container_troubles(pod).is_empty() => 2,
        _ => 1,
    };
    let made =
        |pod: &Value| pod.pointer("/metadata/creationTimestamp").and_then(Value::as_str).unwrap_or_default().to_owned();
    let bad = pods.iter().filter(|pod| badness(pod) > 0);
    bad.max_by_key(|pod| (badness(pod), made(pod)))
}

fn newest(pods: Vec<Value>) -> Option<Value> {
    let made =
        |pod: &Value| pod.pointer("/metadata/creationTimestamp").and_then(Value::as_str).unwrap_or_default().to_owned();
    pods.into_iter().max_by_key(made)
}

fn pod_phase(pod: &Value) -> String {
    let text = |path: &str| pod.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut said = vec![text("/status/reason"), text("/status/message")];
    said.retain(|said| !said.is_empty());
    if said.is_empty() { format!("it is {}", text("/status/phase")) } else { said.join(": ") }
}

/// `Reason: message` of the newest.
fn last_event(events: &[Value]) -> Option<String> {
    let time = |event: &Value| {
        let times = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/metadata/creationTimestamp"];
        times.iter().find_map(|path| event.pointer(path).and_then(Value::as_str)).unwrap_or_default().to_owned()
    };
    let event = events.iter().max_by_key(|event| time(event))?;
    let text = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    Some(shortened(&format!("{}: {}", text("reason"), text("message")), LOG_BYTES))
}

/// The last lines of a log: printable, within bounds; nothing if there is nothing to read.
fn tail(log: &str) -> Option<String> {
    let clean: String = log.chars().filter(|c| *c == '\n' || *c == '\t' || !c.is_control()).collect();
    let lines: Vec<_> = clean.trim_end().lines().collect();
    let from = lines.len().saturating_sub(LOG_LINES as usize);
    let kept = lines[from..].join("\n");
    if kept.trim().is_empty() {
        return None;
    }
    // The end of a log says more than its beginning.
    let cut = kept.len().saturating_sub(LOG_BYTES);
    let cut = (cut..=kept.len()).find(|at| kept.is_char_boundary(*at)).unwrap_or(kept.len());
    Some(if cut == 0 { kept } else { format!("…{}", &kept[cut..]) })
}

fn shortened(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let cut = (0..=bytes).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
    format!("{}…", &text[..cut])
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn selectors_are_built_from_workloads() {
        for (spec, expect) in [
            (json!({"selector": {"matchLabels": {"a": "b", "c": "d"}}}), Some("a=b,c=d")),
            (
                json!({"selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]},
                    {"key": "d", "operator": "DoesNotExist"}, {"key": "e", "operator": "Exists"}]}}),
                Some("a in (b,c),!d,e"),
            ),
            (json!({"selector": {"app": "x"}}), Some("app=x")),
            // Everything in the namespace is not what a workload stands for.
            (json!({"selector": {}}), None),
            (json!({"selector": {"matchLabels": {"a": 1}}}), None),
            (json!({}), None),
        ] {
            assert_eq!(selector(&json!({"spec": spec})).as_deref(), expect);
        }
    }

    #[test]
    fn the_worst_and_newest_pod_is_found() {
        let pod = |name: &str, phase: &str, ready: &str, waiting: Value, made: &str| {
            json!({"metadata": {"name": name, "creationTimestamp": made}, "status": {"phase": phase,
                "conditions": [{"type": "Ready", "status": ready}],
                "containerStatuses": [{"name": "app", "state": {"waiting": {"reason": waiting}}}]}})
        };
        let well = pod("well", "Running", "True", Value::Null, "2026-01-09T00:00:00Z");
        let slow = pod("slow", "Running", "False", Value::Null, "2026-01-08T00:00:00Z");
        let old = pod("old", "Running", "False", json!("CrashLoopBackOff"), "2026-01-01T00:00:00Z");
        let new = pod("new", "Running", "False", json!("CrashLoopBackOff"), "2026-01-02T00:00:00Z");
        let name = |pods: &[Value]| worst(pods).map(|pod| pod["metadata"]["name"].clone());
        assert_eq!(name(&[well.clone(), slow.clone(), old, new]), Some(json!("new")));
        assert_eq!(name(&[well.clone(), slow]), Some(json!("slow")));
        assert_eq!(name(&[well]), None);
    }

    #[test]
    fn logs_are_cut_from_the_front() {
        assert_eq!(tail("a\nb\nc\nd\ne\nf\n\n").as_deref(), Some("b\nc\nd\ne\nf"));
        assert_eq!(tail("\u{1b}[31mred\u{7}\r\n").as_deref(), Some("[31mred"));
        assert_eq!(tail(" \n"), None);
        let long = tail(&"é".repeat(2000)).unwrap_or_default();
        assert!(long.starts_with('…') && long.len() <= LOG_BYTES + 4, "{}", long.len());
    }

    #[test]
    fn the_last_event_counts() {
        let events = [
            json!({"reason": "Old", "message": "x", "lastTimestamp": "2026-01-01T00:00:00Z", "eventTime": null}),
            json!({"reason": "New", "message": "y", "lastTimestamp": null, "eventTime": "2026-01-02T00:00:00.000000Z"}),
        ];
        assert_eq!(last_event(&events).as_deref(), Some("New: y"));
        assert_eq!(last_event(&[]), None);
    }
}
