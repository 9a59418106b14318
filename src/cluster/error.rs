//! What can go wrong between us and an API server: which action on which object, what the server said, and what kind of failure it is.

use std::fmt;
use std::time::Duration;

use kube::core::Status;

/// Result of the cluster module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// A failure of something that was to be done in the cluster.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The API server refused, failed or was not reached.
    #[error(transparent)]
    Request(#[from] Box<Failure>),
    /// The API server does not know such objects.
    #[error(
        "no matches for kind \"{kind}\" in version \"{api_version}\": the API server does not serve it; \
         install its CustomResourceDefinition first or correct apiVersion"
    )]
    UnknownKind {
        /// As written in the manifest.
        api_version: String,
        /// As written in the manifest.
        kind: String,
    },
    /// A rendered manifest is not made of Kubernetes objects.
    #[error("{}: {message}", origin.as_deref().unwrap_or("manifest"))]
    Manifest {
        /// The template (`# Source:` line) that the object came from.
        origin: Option<String>,
        /// What is wrong.
        message: String,
    },
    /// The object exists and belongs to somebody else. Text: Helm's.
    #[error(
        "{kind} \"{name}\" in namespace \"{namespace}\" exists and cannot be imported into the current release: \
         invalid ownership metadata; {reasons}"
    )]
    Ownership {
        /// Kind of the object.
        kind: String,
        /// Name of the object.
        name: String,
        /// Its namespace; empty for objects of the cluster.
        namespace: String,
        /// Which marks are missing or different, joined by `; `.
        reasons: String,
    },
    /// The client could not be set up.
    #[error("the API server cannot be reached with this configuration: {0}")]
    Config(String),
    /// A name that Kubernetes would not accept.
    #[error("\"{value}\" is not a valid {what}")]
    Name {
        /// What the name is of.
        what: &'static str,
        /// The name.
        value: String,
    },
}

/// What was being done when a request failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Read one object.
    Get,
    /// Read many.
    List,
    /// Create, refusing to touch an existing one.
    Create,
    /// Server-side apply.
    Apply,
    /// Any other patch.
    Patch,
    /// Replace as a whole.
    Replace,
    /// Delete.
    Delete,
    /// Follow changes.
    Watch,
    /// Ask which kinds the server knows.
    Discover,
}

impl Action {
    /// Whether doing it twice is the same as doing it once, so that a request with an unknown fate may be sent again.
    #[must_use]
    pub fn is_idempotent(self) -> bool {
        !matches!(self, Self::Create | Self::Patch | Self::Replace)
    }

    /// The word used in messages and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "get",
            Self::List => "list",
            Self::Create => "create",
            Self::Apply => "apply",
            Self::Patch => "patch",
            Self::Replace => "replace",
            Self::Delete => "delete",
            Self::Watch => "watch",
            Self::Discover => "discover",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The kind of a failure: what a caller may do about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Overloaded, restarting, unreachable, too slow: the same may work later.
    Transient,
    /// The identity may not do this.
    Forbidden,
    /// The identity is not known (token expired, wrong kubeconfig).
    Unauthorized,
    /// There is no such object.
    NotFound,
    /// The object exists already.
    AlreadyExists,
    /// Other field managers hold fields that we want to set.
    FieldConflict,
    /// The object changed since it was read (resourceVersion or uid precondition).
    Stale,
    /// The object is not valid: a wrong or immutable field, an unknown field, a refusing admission webhook.
    Invalid,
    /// The API server does not know the kind.
    UnknownKind,
    /// Anything else.
    Other,
}

/// A field that another manager holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldConflict {
    /// The other manager, as the server names it.
    pub manager: String,
    /// Path of the field.
    pub field: String,
}

/// A failed request.
#[derive(Debug)]
pub struct Failure {
    /// What was being done.
    pub action: Action,
    /// To what: `Deployment shop/web`, or a plain word for lists and discovery.
    pub object: String,
    /// What kind of failure it is.
    pub class: Class,
    /// HTTP status; 0 when there was no answer.
    pub code: u16,
    /// The server's words, or the connection's.
    pub message: String,
    /// Fields held by others, for [`Class::FieldConflict`].
    pub conflicts: Vec<FieldConflict>,
    /// How long the server asked us to wait.
    pub retry_after: Option<Duration>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.action, self.object, self.message)?;
        if self.class == Class::FieldConflict {
            f.write_str("; force the conflicts to take these fields over, or leave them out of the chart's values")?;
        }
        Ok(())
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// From the server's answer.
    #[must_use]
    pub(crate) fn from_status(action: Action, object: &str, status: &Status) -> Self {
        let details = status.details.as_ref();
        let conflicts: Vec<_> = details
            .iter()
            .flat_map(|details| &details.causes)
            .filter(|cause| cause.reason == "FieldManagerConflict")
            .map(|cause| FieldConflict { manager: quoted(&cause.message).to_owned(), field: cause.field.clone() })
            .collect();
        Self {
            action,
            object: object.to_owned(),
            class: classify(action, status, !conflicts.is_empty()),
            code: status.code,
            message: if status.message.is_empty() { format!("HTTP {}", status.code) } else { status.message.clone() },
            conflicts,
            retry_after: details
                .map(|details| details.retry_after_seconds)
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(u64::from(seconds))),
        }
    }

    /// From a connection that failed or an answer that was none.
    #[must_use]
    pub(crate) fn from_transport(action: Action, object: &str, error: &kube::Error) -> Self {
        let class = match error {
            kube::Error::HyperError(_) | kube::Error::Service(_) | kube::Error::ReadEvents(_) => Class::Transient,
            kube::Error::Auth(_) => Class::Unauthorized,
            _ => Class::Other,
        };
        Self {
            action,
            object: object.to_owned(),
            class,
            code: 0,
            message: chain(error),
            conflicts: Vec::new(),
            retry_after: None,
        }
    }

    /// Nothing came back in time.
    #[must_use]
    pub(crate) fn timed_out(action: Action, object: &str, deadline: Duration) -> Self {
        Self {
            action,
            object: object.to_owned(),
            class: Class::Transient,
            code: 0,
            message: format!("no answer from the API server within {} s", deadline.as_secs_f32()),
            conflicts: Vec::new(),
            retry_after: None,
        }
    }

    /// An answer that does not parse.
    #[must_use]
    pub(crate) fn unreadable(action: Action, object: &str, error: impl fmt::Display) -> Self {
        Self {
            action,
            object: object.to_owned(),
            class: Class::Other,
            code: 0,
            message: format!("the API server's answer cannot be read: {error}"),
            conflicts: Vec::new(),
            retry_after: None,
        }
    }
}

impl Error {
    /// What kind of failure it is.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Self::Request(failure) => failure.class,
            Self::UnknownKind { .. } => Class::UnknownKind,
            Self::Manifest { .. } | Self::Name { .. } => Class::Invalid,
            Self::Ownership { .. } => Class::AlreadyExists,
            Self::Config(_) => Class::Other,
        }
    }

    /// Whether the same may work later without anybody changing anything.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.class() == Class::Transient
    }

    /// Whether there is no such object.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.class() == Class::NotFound
    }

    /// Fields that other managers hold; empty unless the class is [`Class::FieldConflict`].
    #[must_use]
    pub fn conflicts(&self) -> &[FieldConflict] {
        match self {
            Self::Request(failure) => &failure.conflicts,
            _ => &[],
        }
    }
}

fn classify(action: Action, status: &Status, has_field_conflicts: bool) -> Class {
    match (status.reason.as_str(), status.code) {
        ("AlreadyExists", _) => Class::AlreadyExists,
        ("Conflict", _) | (_, 409) if has_field_conflicts => Class::FieldConflict,
        // A quota that is being counted by several at once; the server asks to try again.
        ("Conflict", _) | (_, 409) if status.message.contains("resourcequotas") => Class::Transient,
        ("Conflict", _) | (_, 409) if action == Action::Apply => Class::Transient,
        // A namespace that is going away answers 403 with this cause; nothing can be created in it until it is gone.
        (_, 403) if names_cause(status, "NamespaceTerminating") => Class::Transient,
        ("Conflict", _) | (_, 409 | 412) => Class::Stale,
        ("NotFound", _) | (_, 404) => Class::NotFound,
        // A field that the kind does not have, or one of the wrong type: server-side apply calls it an internal error.
        (_, 500) if status.message.starts_with("failed to create typed patch object") => Class::Invalid,
        // It is not the identity's rights that are missing.
        (_, 403) if status.message.contains("denied the request") => Class::Invalid,
        ("Forbidden", _) | (_, 403) => Class::Forbidden,
        ("Unauthorized", _) | (_, 401) => Class::Unauthorized,
        ("Invalid" | "BadRequest" | "RequestEntityTooLarge", _) | (_, 400 | 413 | 415 | 422) => Class::Invalid,
        (_, 408 | 410 | 429) => Class::Transient,
        // Admission webhooks that cannot be reached fail requests with 500; they may come up.
        (_, code) if code >= 500 && code != 501 => Class::Transient,
        _ => Class::Other,
    }
}

fn names_cause(status: &Status, reason: &str) -> bool {
    status.details.as_ref().is_some_and(|details| details.causes.iter().any(|cause| cause.reason == reason))
}

/// `conflict with "kubectl" using apps/v1` → `kubectl`
fn quoted(message: &str) -> &str {
    message.split('"').nth(1).unwrap_or(message)
}

/// An error and what caused it, on one line, without repeating what the outer one already says.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    for _ in 0..8 {
        let Some(inner) = cause else { break };
        let said = inner.to_string();
        if !text.contains(&said) {
            text.push_str(": ");
            text.push_str(&said);
        }
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn failure(action: Action, status: serde_json::Value) -> Failure {
        let status: Status = serde_json::from_value(status).unwrap_or_default();
        Failure::from_status(action, "Deployment shop/web", &status)
    }

    #[test]
    fn answers_are_classified() {
        let cases = [
            (Action::Get, json!({"code": 404, "reason": "NotFound"}), Class::NotFound),
            (Action::Create, json!({"code": 409, "reason": "AlreadyExists"}), Class::AlreadyExists),
            (
                Action::Replace,
                json!({"code": 409, "reason": "Conflict", "message": "the object has been modified"}),
                Class::Stale,
            ),
            (
                Action::Create,
                json!({"code": 409, "reason": "Conflict", "message": "Operation cannot be fulfilled on resourcequotas \"q\""}),
                Class::Transient,
            ),
            (
                Action::Apply,
                json!({"code": 409, "reason": "Conflict", "details": {"causes": [{"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using apps/v1", "field": ".spec.replicas"}]}}),
                Class::FieldConflict,
            ),
            (Action::Apply, json!({"code": 403, "reason": "Forbidden"}), Class::Forbidden),
            (
                Action::Apply,
                json!({"code": 403, "reason": "Forbidden", "details": {"causes": [{"reason": "NamespaceTerminating", "message": "", "field": "metadata.namespace"}]}}),
                Class::Transient,
            ),
            (
                Action::Apply,
                json!({"code": 422, "reason": "Invalid", "message": "spec.selector: field is immutable"}),
                Class::Invalid,
            ),
            (
                Action::Apply,
                json!({"code": 400, "reason": "BadRequest", "message": "strict decoding error"}),
                Class::Invalid,
            ),
            (
                Action::Apply,
                json!({"code": 500, "message": "failed to create typed patch object (shop/c; /v1, Kind=ConfigMap): .dta: field not declared in schema"}),
                Class::Invalid,
            ),
            (Action::Apply, json!({"code": 500, "message": "failed calling webhook \"x\""}), Class::Transient),
            (
                Action::Apply,
                json!({"code": 403, "message": "admission webhook \"x\" denied the request: no"}),
                Class::Invalid,
            ),
            (Action::List, json!({"code": 429}), Class::Transient),
            (Action::List, json!({"code": 503, "reason": "ServiceUnavailable"}), Class::Transient),
            (Action::List, json!({"code": 501}), Class::Other),
        ];
        for (action, status, class) in cases {
            assert_eq!(failure(action, status.clone()).class, class, "{status}");
        }
    }

    #[test]
    fn conflicts_name_managers_and_fields() {
        let failure = failure(
            Action::Apply,
            json!({"code": 409, "reason": "Conflict", "message": "Apply failed with 1 conflict", "details": {"causes": [
                {"reason": "FieldManagerConflict", "message": "conflict with \"kubectl\" using apps/v1", "field": ".spec.replicas"}]}}),
        );
        assert_eq!(failure.conflicts, [FieldConflict { manager: "kubectl".into(), field: ".spec.replicas".into() }]);
        assert!(failure.to_string().starts_with("apply Deployment shop/web: Apply failed with 1 conflict"));
    }
}
