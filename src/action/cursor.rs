//! The write-ahead note of an operation: who works on a revision, towards what, and which step comes next.
//!
//! It lives in an annotation of the release record, where Helm does not look. It is written before a step is taken, so
//! whoever finds it after a crash knows what may already have happened.

use crate::release::Stored;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The annotation of the record that holds the [`Cursor`] as JSON.
pub const ANNOTATION: &str = "pintle.dev/operation";

/// The object that a release belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Holder {
    /// Namespace of the HelmRelease.
    pub namespace: String,
    /// Name of the HelmRelease.
    pub name: String,
    /// Its UID: a HelmRelease that was deleted and made again is another holder.
    pub uid: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

/// What an operation does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// A first revision.
    Install,
    /// A further revision.
    Upgrade,
    /// A further revision that repeats an earlier one: the remediation of an upgrade.
    Rollback,
    /// The end of the release because its HelmRelease is deleted.
    Uninstall,
    /// The end of a failed install, so that it can be tried again.
    UninstallRemediation,
    /// The test hooks of a deployed revision.
    Test,
}

impl Action {
    /// The word for conditions' reasons and messages: `Install`.
    pub fn title(self) -> &'static str {
        match self {
            Self::Install => "Install",
            Self::Upgrade => "Upgrade",
            Self::Rollback => "Rollback",
            Self::Uninstall | Self::UninstallRemediation => "Uninstall",
            Self::Test => "Test",
        }
    }

    /// The word as status and records have it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Upgrade => "upgrade",
            Self::Rollback => "rollback",
            Self::Uninstall => "uninstall",
            Self::UninstallRemediation => "uninstall-remediation",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// When a hook runs. The texts are those of the annotation `helm.sh/hook`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[allow(missing_docs)]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    PreDelete,
    PostDelete,
    Test,
}

impl HookEvent {
    /// The annotation's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::Test => "test",
        }
    }
}

impl fmt::Display for HookEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// Where a hook stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HookStage {
    /// What an earlier run left behind is being deleted.
    Clear,
    /// It is being created; after a crash it may or may not exist, the run mark on it tells.
    Create,
    /// It was created and runs.
    Await,
}

/// The next step of an operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum Step {
    /// The hook at `index` of this event's hooks, in the order in which they run.
    Hook {
        /// The event.
        event: HookEvent,
        /// Which of its hooks.
        index: usize,
        /// Where that hook stands.
        stage: HookStage,
    },
    /// Objects are applied, what is no longer rendered is deleted. May be repeated at will.
    Apply,
    /// Objects were applied and become ready.
    Wait,
    /// Objects of the release are deleted.
    Delete,
}

impl Step {
    /// A short text for people: `pre-install hook 1`.
    pub fn describe(&self) -> String {
        match self {
            Self::Hook { event, index, .. } => format!("{event} hook {}", index + 1),
            Self::Apply => "apply".into(),
            Self::Wait => "wait".into(),
            Self::Delete => "delete".into(),
        }
    }
}

/// The note itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Cursor {
    /// What is being done.
    pub action: Action,
    /// For whom.
    pub holder: Holder,
    /// The generation of the HelmRelease that asked for it.
    pub generation: i64,
    /// Digest of all that the result depends on (chart, values, …): equal means that nothing needs to be done.
    pub fingerprint: String,
    /// The revision whose objects this one replaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<u32>,
    /// The revision that a rollback repeats.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    /// What comes next; nothing once the operation has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Step>,
    /// When the step began.
    pub since: Timestamp,
    /// Objects that were there before the release was: remediation never deletes them. `version/kind/namespace/name`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub adopted: Vec<String>,
    /// Digest of the manifest that was applied last, so that an altered record is noticed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub manifest: String,
    /// How the tests of this revision ended, once they ran.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tested: Option<bool>,
    /// Which fields of the applied objects were ours afterwards, in the manifest's order ([`crate::cluster::drift::shape`]):
    /// by it a change is noticed, also one that was made while no operator ran. Empty if not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shapes: Vec<String>,
    /// Its objects were applied and not ready in time: they may become so by themselves.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub late: bool,
    /// Digest of the chart's manifest in the registry that it came from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oci_digest: Option<String>,
    /// Objects that the operation found missing, and deletes again if it fails. As [`Cursor::adopted`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub created: Vec<String>,
    /// Why the operation failed, while what it leaves behind is being deleted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
}

impl Cursor {
    /// Whether the release is being uninstalled as wanted, not for another try.
    pub fn is_uninstalling(&self) -> bool {
        self.step.is_some() && self.doing() == Action::Uninstall
    }

    /// What is being done right now: the tests of a revision run under the cursor of the action that made it.
    pub fn doing(&self) -> Action {
        match self.step {
            Some(Step::Hook { event: HookEvent::Test, .. }) => Action::Test,
            _ => self.action,
        }
    }

    /// The annotation's text.
    pub fn to_annotation(&self) -> String {
        // A struct of strings and numbers always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// The note on a record, if there is one.
    pub fn of(stored: &Stored) -> Option<Self> {
        stored.annotations.get(ANNOTATION).and_then(|text| Self::from_annotation(text))
    }

    /// Reads the annotation; what cannot be read is as good as absent (somebody else's).
    pub fn from_annotation(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_its_annotation() {
        let cursor = Cursor {
            action: Action::Upgrade,
            holder: Holder { namespace: "shop".into(), name: "web".into(), uid: "u".into() },
            generation: 3,
            fingerprint: "sha256:1".into(),
            base: Some(2),
            target: None,
            step: Some(Step::Hook { event: HookEvent::PreUpgrade, index: 1, stage: HookStage::Await }),
            since: "2026-01-02T03:04:05Z".parse().unwrap(),
            adopted: vec![],
            manifest: String::new(),
            tested: None,
            shapes: vec![],
            late: true,
            oci_digest: Some("sha256:2".into()),
            created: vec!["v1/ConfigMap/shop/x".into()],
            failure: Some("why".into()),
        };
        let text = cursor.to_annotation();
        assert_eq!(Cursor::from_annotation(&text), Some(cursor));
        assert!(text.contains(r#""step":{"phase":"hook","event":"pre-upgrade","index":1,"stage":"await"}"#), "{text}");
        assert_eq!(Cursor::from_annotation("{}"), None);
    }
}
