//! Readiness by expressions that the release's owner gives for kinds that say it in a way of their own.

use super::Readiness::{self, Failed, InProgress, Ready};
use super::fields::group_kind;
use super::watcher::ahead_of_its_controller;
use crate::cluster::expression::Expression;
use serde_json::Value;
use std::sync::Arc;

/// How objects of one kind are judged.
#[derive(Debug, Clone)]
pub struct HealthCheck {
    /// Their API group.
    pub group: String,
    /// Their kind.
    pub kind: String,
    /// True when the object is ready.
    pub current: Arc<Expression>,
    /// True while it is on its way.
    pub in_progress: Option<Arc<Expression>>,
    /// True when it has failed.
    pub failed: Option<Arc<Expression>>,
}

/// What the checks say of an object; nothing if none is for its kind. The first that is decides.
pub(super) fn readiness(object: &Value, checks: &[HealthCheck]) -> Option<Readiness> {
    let (group, kind) = group_kind(object);
    let check = checks.iter().find(|check| check.group == group && check.kind == kind)?;
    if let Some(on_its_way) = ahead_of_its_controller(object, kind) {
        return Some(on_its_way);
    }
    let holds = |expression: &Arc<Expression>| {
        expression.holds(object.as_object().into_iter().flatten().map(|(field, value)| (field.as_str(), value)))
    };
    // Flux's order.
    let questions = [
        ("inProgress", check.in_progress.as_ref()),
        ("failed", check.failed.as_ref()),
        ("current", Some(&check.current)),
    ];
    for (name, expression) in questions {
        let Some(expression) = expression else { continue };
        match holds(expression) {
            Ok(false) => {}
            Ok(true) => {
                return Some(match name {
                    "current" => Ready,
                    "failed" => Failed(format!("healthCheckExprs: failed is true: {}", expression.text())),
                    _ => InProgress(format!("healthCheckExprs: inProgress is true: {}", expression.text())),
                });
            }
            // A field that is not there yet, most likely.
            Err(error) => return Some(InProgress(format!("healthCheckExprs: {name}: {error}"))),
        }
    }
    Some(InProgress(format!("healthCheckExprs: current is not true: {}", check.current.text())))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn in_progress_then_failed_then_current() {
        let compile = |text: &str| Expression::compile(text).unwrap();
        let check = |in_progress: Option<&str>, failed: Option<&str>| HealthCheck {
            group: "example.org".into(),
            kind: "Thing".into(),
            current: compile("status.phase == 'Up'"),
            in_progress: in_progress.map(compile),
            failed: failed.map(compile),
        };
        let thing = |status: Value| json!({"apiVersion": "example.org/v2", "kind": "Thing", "metadata": {"generation": 2}, "status": status});
        let all = check(Some("has(status.moving)"), Some("has(status.broken)"));
        let plain = check(None, None);
        for (check, object, want) in [
            (&plain, thing(json!({"phase": "Up"})), Some("ready")),
            (
                &plain,
                thing(json!({"phase": "Down"})),
                Some("healthCheckExprs: current is not true: status.phase == 'Up'"),
            ),
            (&plain, thing(json!({})), Some("healthCheckExprs: current: \"status.phase == 'Up'\": No such key: phase")),
            (
                &all,
                thing(json!({"phase": "Up", "moving": 1, "broken": 1})),
                Some("healthCheckExprs: inProgress is true: has(status.moving)"),
            ),
            (
                &all,
                thing(json!({"phase": "Up", "broken": 1})),
                Some("healthCheckExprs: failed is true: has(status.broken)"),
            ),
            (&all, thing(json!({"phase": "Up"})), Some("ready")),
            (
                &all,
                thing(json!({"phase": "Up", "observedGeneration": 1})),
                Some("the controller of this Thing has not seen its newest spec (generation 2, observed 1)"),
            ),
            (&plain, json!({"apiVersion": "example.org/v1", "kind": "Other"}), None),
            (&plain, json!({"apiVersion": "v1", "kind": "Thing"}), None),
            (
                &plain,
                json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"deletionTimestamp": "now"}, "status": {"phase": "Up"}}),
                Some("it is being deleted"),
            ),
        ] {
            let got = readiness(&object, std::slice::from_ref(check));
            assert_eq!(got.as_ref().map(ToString::to_string).as_deref(), want, "{object}");
            if want.is_some_and(|want| want.contains("failed is true")) {
                assert!(matches!(got, Some(Failed(_))));
            }
        }
    }
}
