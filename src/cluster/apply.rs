//! Writing an object: server-side apply, and whether it changed anything.

use jiff::Timestamp;
use kube::core::DynamicObject;

/// How to apply.
#[derive(Clone, Copy, Debug)]
pub struct Apply<'a> {
    /// The field manager that will own the fields.
    pub manager: &'a str,
    /// Take fields over that other managers hold.
    pub force: bool,
    /// Let the server compute the result and write nothing.
    pub dry_run: bool,
    /// Refuse fields that the kind does not have (`fieldValidation=Strict`).
    pub strict: bool,
}

/// What became of an applied object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// It was not there.
    Created,
    /// It was there and changed.
    Configured,
    /// It was there and is as it was.
    Unchanged,
}

/// An applied object.
#[derive(Clone, Debug)]
pub struct Applied {
    /// Whether it changed.
    pub outcome: Outcome,
    /// The object as the server holds it now.
    pub object: DynamicObject,
}

/// Tells a change from a no-op without having read the object before: the server renews the time of a manager's entry in
/// `managedFields` exactly when its apply changed something.
///
/// `answered` is the server's clock when it answered (`Date`), `took` how long the request may have been on its way.
/// Times are whole seconds, so that an object applied twice within about two seconds may count as configured.
pub(crate) fn outcome(
    code: u16,
    object: &DynamicObject,
    manager: &str,
    answered: Option<Timestamp>,
    took: std::time::Duration,
) -> Outcome {
    if code == 201 {
        return Outcome::Created;
    }
    let entry = object.metadata.managed_fields.iter().flatten().find(|entry| {
        entry.manager.as_deref() == Some(manager)
            && entry.operation.as_deref() == Some("Apply")
            && entry.subresource.as_deref().unwrap_or_default().is_empty()
    });
    let (Some(changed), Some(answered)) = (entry.and_then(|entry| entry.time.as_ref()), answered) else {
        return Outcome::Configured;
    };
    let sent = answered.as_second() - i64::try_from(took.as_secs()).unwrap_or(i64::MAX / 2) - 1;
    if changed.0.as_second() < sent { Outcome::Unchanged } else { Outcome::Configured }
}
