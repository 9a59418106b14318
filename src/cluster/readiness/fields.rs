//! Fields of a live object by path, with the meaning that an absent one has.

use serde_json::Value;

/// A status condition; absent texts are empty.
#[derive(Clone, Copy)]
pub(super) struct Condition<'a> {
    pub(super) status: &'a str,
    pub(super) reason: &'a str,
    pub(super) message: &'a str,
}

impl Condition<'_> {
    /// `Reason: message`, or whichever there is.
    pub(super) fn says(&self) -> String {
        match (self.reason, self.message) {
            ("", message) => message.to_owned(),
            (reason, "") => reason.to_owned(),
            (reason, message) => format!("{reason}: {message}"),
        }
    }
}

pub(super) fn text<'a>(object: &'a Value, path: &str) -> &'a str {
    object.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

pub(super) fn number(object: &Value, path: &str) -> Option<i64> {
    object.pointer(path).and_then(Value::as_i64)
}

pub(super) fn count(object: &Value, path: &str) -> i64 {
    number(object, path).unwrap_or(0)
}

pub(super) fn list<'a>(object: &'a Value, path: &str) -> &'a [Value] {
    object.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

pub(super) fn is_true(object: &Value, path: &str) -> bool {
    object.pointer(path).and_then(Value::as_bool).unwrap_or(false)
}

pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<Condition<'a>> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind).map(|condition| {
        Condition {
            status: text(condition, "/status"),
            reason: text(condition, "/reason"),
            message: text(condition, "/message"),
        }
    })
}

pub(super) fn holds(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition.status == "True")
}

/// Group and kind: the version never matters here.
pub(super) fn group_kind(object: &Value) -> (&str, &str) {
    let group = text(object, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    (group, text(object, "/kind"))
}

/// An absolute number or a percentage of `total`, rounded up or down.
pub(super) fn scaled(value: Option<&Value>, total: i64, up: bool) -> i64 {
    match value {
        Some(Value::Number(number)) => number.as_i64().unwrap_or(0),
        Some(Value::String(percent)) => {
            let Some(percent) = percent.strip_suffix('%').and_then(|percent| percent.parse::<i64>().ok()) else {
                return 0;
            };
            let parts = total.saturating_mul(percent);
            let rounding = if up { 99 } else { 0 };
            parts.saturating_add(rounding).div_euclid(100)
        }
        _ => 0,
    }
}

/// Why a Pod's containers are not up: `container app: ImagePullBackOff: …`; init containers first.
pub(in crate::cluster) fn container_troubles(pod: &Value) -> Vec<String> {
    let statuses = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let mut troubles = Vec::new();
    for status in statuses.iter().flat_map(|path| list(pod, path)) {
        let name = text(status, "/name");
        let say = |reason: &str, message: &str| match message {
            "" => format!("container {name}: {reason}"),
            message => format!("container {name}: {reason}: {message}"),
        };
        let waiting = text(status, "/state/waiting/reason");
        let exit = number(status, "/state/terminated/exitCode").filter(|code| *code != 0);
        // A container that waits to be started again tells the reason of its end by its last state.
        let last = number(status, "/lastState/terminated/exitCode").filter(|code| *code != 0);
        if let Some(code) = exit {
            let reason = format!("exit code {code} ({})", text(status, "/state/terminated/reason"));
            troubles.push(say(&reason, text(status, "/state/terminated/message")));
        } else if !matches!(waiting, "" | "PodInitializing" | "ContainerCreating") {
            let mut trouble = say(waiting, text(status, "/state/waiting/message"));
            if let Some(code) = last {
                let reason = text(status, "/lastState/terminated/reason");
                trouble.push_str(&format!("; it last ended with exit code {code} ({reason})"));
            }
            troubles.push(trouble);
        }
    }
    troubles
}

/// The container whose log tells why a Pod is not up, and whether it is its previous run that tells.
pub(in crate::cluster) fn failing_container(pod: &Value) -> Option<(&str, bool)> {
    let statuses =
        || ["/status/initContainerStatuses", "/status/containerStatuses"].into_iter().flat_map(|path| list(pod, path));
    let ended_badly = |status: &Value, state: &str| {
        number(status, &format!("/{state}/terminated/exitCode")).is_some_and(|code| code != 0)
    };
    let by_state = statuses().find(|status| ended_badly(status, "state")).map(|status| (status, false));
    // While a container waits to be started again, its log is still that of the run that ended.
    let by_last = || {
        let status = statuses().find(|status| ended_badly(status, "lastState"))?;
        Some((status, status.pointer("/state/running").is_some()))
    };
    let unready = || {
        let mut running = statuses().filter(|status| status.pointer("/state/running").is_some());
        running.find(|status| !is_true(status, "/ready")).map(|status| (status, false))
    };
    let (status, previous) = by_state.or_else(by_last).or_else(unready)?;
    Some((text(status, "/name"), previous))
}
