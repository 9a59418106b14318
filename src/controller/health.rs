//! What a HelmRelease says in CEL: when objects of its release are ready, and when a dependency is.

use super::resolve::Blocked;
use crate::{
    cluster::{
        expression::{Error, Expression},
        readiness::HealthCheck,
    },
    crd::{HelmRelease, HelmReleaseSpec},
};
use serde::Serialize;
use std::sync::Arc;

/// The reason for an expression that cannot be compiled; Flux's word.
const INVALID: &str = "InvalidCELExpression";

/// The checks of the spec, in its order.
///
/// # Errors
/// If an expression cannot be compiled.
pub fn checks(spec: &HelmReleaseSpec) -> Result<Arc<[HealthCheck]>, Blocked> {
    let given = spec.health_check_exprs.iter().enumerate();
    given
        .map(|(at, check)| {
            let compile = |field: &str, text: &str| {
                let place = format!("spec.healthCheckExprs[{at}].{field}");
                Expression::compile(text).map_err(|error| invalid(&place, &error))
            };
            // An empty text is none, as in Flux.
            let maybe = |field: &str, text: &Option<String>| {
                let text = text.as_deref().filter(|text| !text.is_empty());
                text.map(|text| compile(field, text)).transpose()
            };
            Ok(HealthCheck {
                // The version does not matter.
                group: check.api_version.split_once('/').map_or("", |(group, _)| group).to_owned(),
                kind: check.kind.clone(),
                current: compile("current", &check.current)?,
                in_progress: maybe("inProgress", &check.in_progress)?,
                failed: maybe("failed", &check.failed)?,
            })
        })
        .collect()
}

/// Compiles the conditions for dependencies, so that a wrong one is told before anything waits for another.
///
/// # Errors
/// If one cannot be compiled, or is about something else than the two HelmReleases.
pub fn check_dependencies(spec: &HelmReleaseSpec) -> Result<(), Blocked> {
    for at in 0..spec.depends_on.len() {
        condition(spec, at)?;
    }
    Ok(())
}

/// Whether a dependency is ready by the spec's own condition; nothing if it has none for this dependency.
///
/// # Errors
/// If the condition cannot be compiled, or has no answer yet.
pub fn dependency_is_ready(
    release: &HelmRelease,
    at: usize,
    dependency: &impl Serialize,
) -> Result<Option<bool>, Blocked> {
    let Some(condition) = condition(&release.spec, at)? else { return Ok(None) };
    // What came as JSON goes as JSON.
    let own = serde_json::to_value(release).unwrap_or_default();
    let other = serde_json::to_value(dependency).unwrap_or_default();
    let answer = condition.holds([("self", &own), ("dep", &other)]);
    answer.map(Some).map_err(|error| Blocked::until_change("DependencyNotReady", format!("{}: {error}", place(at))))
}

fn condition(spec: &HelmReleaseSpec, at: usize) -> Result<Option<Arc<Expression>>, Blocked> {
    let text = spec.depends_on.get(at).and_then(|dependency| dependency.ready_expr.as_deref());
    let Some(text) = text.filter(|text| !text.is_empty()) else { return Ok(None) };
    Expression::compile(text).map(Some).map_err(|error| invalid(&place(at), &error))
}

fn place(at: usize) -> String {
    format!("spec.dependsOn[{at}].readyExpr")
}

fn invalid(place: &str, error: &Error) -> Blocked {
    Blocked::for_good(INVALID, format!("{place}: {error}"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::resolve::Help;
    use super::*;
    use serde_json::{Value, json};

    fn release(name: &str, more: &Value) -> HelmRelease {
        let mut all = json!({
            "apiVersion": "pintle.dev/v1",
            "kind": "HelmRelease",
            "metadata": {"name": name, "namespace": "shop", "annotations": {"version": "2"}},
            "spec": {"interval": "1m", "chart": {"spec": {"chart": "c", "sourceRef": {"kind": "HelmRepository", "name": "r"}}}},
        });
        for (key, value) in more.as_object().unwrap() {
            all["spec"][key] = value.clone();
        }
        serde_json::from_value(all).unwrap()
    }

    #[test]
    fn checks_name_what_is_wrong() {
        let of = |check: Value| checks(&release("a", &json!({"healthCheckExprs": [check]})).spec);
        let found =
            of(json!({"apiVersion": "example.org/v1", "kind": "Thing", "current": "true", "failed": ""})).unwrap();
        assert_eq!(
            (found[0].group.as_str(), found[0].kind.as_str(), found[0].failed.is_none()),
            ("example.org", "Thing", true)
        );
        assert_eq!(of(json!({"apiVersion": "v1", "kind": "Pod", "current": "true"})).unwrap()[0].group, "");
        let wrong = of(json!({"apiVersion": "v1", "kind": "Pod", "current": "true", "inProgress": "a +"})).unwrap_err();
        assert_eq!(wrong.help, Help::Owner);
        assert_eq!(wrong.reason, "InvalidCELExpression");
        assert!(wrong.message.starts_with("spec.healthCheckExprs[0].inProgress: \"a +\": "), "{}", wrong.message);
    }

    #[test]
    fn a_dependency_is_ready_when_its_condition_says_so() {
        let dependency = release("b", &json!({}));
        let of = |condition: Value| {
            let mut depends = json!({"name": "b"});
            depends["readyExpr"] = condition;
            let release = release("a", &json!({"dependsOn": [depends]}));
            check_dependencies(&release.spec).and_then(|()| dependency_is_ready(&release, 0, &dependency))
        };
        assert_eq!(of(Value::Null).unwrap(), None);
        assert_eq!(
            of(json!("dep.metadata.annotations['version'] == self.metadata.annotations['version']")).unwrap(),
            Some(true)
        );
        assert_eq!(of(json!("dep.metadata.name == self.metadata.name")).unwrap(), Some(false));
        assert_eq!(of(json!("dep.kind == 'HelmRelease' && dep.spec.interval == '1m'")).unwrap(), Some(true));
        let unknown = of(json!("dep.status.history[0].status == 'deployed'")).unwrap_err();
        assert_eq!((unknown.reason, unknown.help), ("DependencyNotReady", Help::Change));
        let wrong = of(json!("dep.")).unwrap_err();
        assert_eq!((wrong.reason, wrong.help), ("InvalidCELExpression", Help::Owner));
    }
}
