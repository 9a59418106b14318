//! `spec.mode: Plan`: what would be done is found out, written down for people, and done when they approve of it.
//!
//! What an approval lets go on is what was written down: the rendered objects are kept with the plan, since a chart with
//! generated passwords renders others each time.

use super::{Identity, Run, Trouble, Turn, telling::jittered};
use crate::{
    action::{
        Action, CrdPolicy,
        begin::{self, Draft},
        proposal::{Comparison, Proposed, compare},
    },
    cluster::{Apply, ObjectId, Propagation, Target, ownership::label_value},
    controller::{
        plan::Failures,
        policy,
        proposal::{self, APPROVE, Decision, Inputs, KEY, LABEL},
        render_release::{self, Rendered},
        resolve::{self, Wanted},
    },
    crd::{Plan, conditions},
    release::{self, RawChart, Record, Status},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::ResourceExt;
use serde_json::{Value, json};

/// The type of the Secret that holds what would be applied.
const SECRET_TYPE: &str = "pintle.dev/plan";
/// The manager of the operator's own objects.
const MANAGER: &str = "pintle";

/// What the planner would have begun.
#[derive(Clone, Copy)]
pub(super) struct Intent {
    /// What would be done.
    pub(super) action: Action,
    /// The revision that it would make.
    pub(super) revision: u32,
    /// The revision that it would replace.
    pub(super) base: Option<u32>,
}

/// Of what the new revision would be made.
pub(super) enum Subject<'a> {
    /// A chart and values.
    Chart(&'a Wanted),
    /// An earlier revision.
    Revision(u32),
}

/// What is to be done about an intent.
pub(super) enum Verdict {
    /// It is approved: exactly this.
    Approved(Box<Rendered>),
    /// It awaits its approval.
    Awaits(Turn),
}

/// What would be recorded and applied.
struct Kept {
    record: Record,
    definitions: Vec<(String, String)>,
}

impl From<Kept> for Verdict {
    fn from(kept: Kept) -> Self {
        Self::Approved(Box::new(Rendered {
            draft: Draft::from(kept.record),
            definitions: kept.definitions,
            warnings: Vec::new(),
        }))
    }
}

impl Run<'_> {
    /// Whether changes are planned first.
    pub(super) fn plans(&self) -> bool {
        proposal::is_planned(self.release)
    }

    fn approval(&self) -> Option<String> {
        self.release.annotations().get(APPROVE).cloned()
    }

    /// Whether what is intended may be done; if not, it is planned and said so. Costs no request as long as nothing changes.
    pub(super) async fn propose(
        &mut self,
        intent: Intent,
        subject: &Subject<'_>,
        who: &Identity,
    ) -> Result<Verdict, Trouble> {
        let inputs = self.inputs(intent, &self.fingerprint(subject));
        let approval = self.approval();
        let known = self.report.status.plan.clone();
        let decision = proposal::decide(known.as_ref(), &inputs, approval.as_deref());
        if let (Some(plan), Decision::Await | Decision::Approved) = (known, decision) {
            if decision == Decision::Await && self.suspects.is_empty() {
                return Ok(Verdict::Awaits(self.await_approval(&plan).await));
            }
            if let Some(kept) = self.kept_plan(&plan, intent, subject, who).await? {
                if decision == Decision::Approved {
                    return Ok(kept.into());
                }
                // Somebody changed objects: the plan is the same, what it would change is not.
                self.inspect(who).await?;
                return self.show(&plan.digest, &inputs, intent, subject, &kept, who).await;
            }
        }
        // What was planned before is not what is wanted now, whatever comes of this.
        self.report.status.plan = None;
        self.report.conditions().remove(conditions::PLANNED);
        let kept = self.draw_up(intent, subject, who).await?;
        let digest = proposal::digest(&inputs, &kept.record, &kept.definitions);
        if approval.as_deref() == Some(&digest) {
            return Ok(kept.into());
        }
        let verdict = self.show(&digest, &inputs, intent, subject, &kept, who).await?;
        if let Some(plan) = self.report.status.plan.clone() {
            self.announce(false, "Planned", &awaiting(&plan)).await;
        }
        Ok(verdict)
    }

    /// What the subject stands for.
    fn fingerprint(&self, subject: &Subject<'_>) -> String {
        match subject {
            Subject::Chart(wanted) => wanted.fingerprint.clone(),
            Subject::Revision(version) => {
                let mut history = self.live.history.as_deref().unwrap_or_default().iter();
                let digest = history.find(|s| s.revision.version == *version).map(|s| s.digest.as_str());
                format!("revision {version} {}", digest.unwrap_or_default())
            }
        }
    }

    fn inputs(&self, intent: Intent, fingerprint: &str) -> String {
        let options = policy::options(&self.release.spec, intent.action);
        let account = self.release.spec.service_account_name.as_ref();
        let how = json!([
            options.hooks,
            options.take_ownership,
            options.strict,
            options.cleanup_on_fail,
            format!("{:?}", policy::crds(&self.release.spec, intent.action)),
            self.release.spec.kube_config,
            account.or(self.ctx.settings.default_service_account.as_ref()),
        ]);
        let history = self.live.history.as_deref().unwrap_or_default();
        let newest = history.first().map(|s| s.revision.version);
        let live: Vec<(u32, &str, &str)> = history
            .iter()
            .filter(|s| Some(s.revision.version) == newest || Some(s.revision.version) == intent.base)
            .map(|s| (s.revision.version, s.revision.status.as_str(), s.digest.as_str()))
            .collect();
        let (holder, action, revision) = (&self.holder.uid, intent.action.word(), intent.revision);
        Inputs { holder, action, revision, fingerprint, how: &how, live: &live }.digest()
    }

    /// What the intent would record and apply. Nothing is written.
    async fn draw_up(&mut self, intent: Intent, subject: &Subject<'_>, who: &Identity) -> Result<Kept, Trouble> {
        let at = self.workplace(intent.action, who);
        match subject {
            Subject::Chart(wanted) => {
                let chart = resolve::chart(wanted, self.ctx).await.map_err(Trouble::Blocked)?;
                let (action, revision) = (intent.action, intent.revision);
                let rendered = self.render(&chart, wanted, (action, revision), &who.cluster).await?;
                let record = begin::preview(rendered.draft, intent.revision, &at);
                Ok(Kept { record, definitions: rendered.definitions })
            }
            Subject::Revision(version) => {
                let stored = self.stored(&who.storage, *version).await?;
                let record = begin::preview((*stored.record).clone().into(), intent.revision, &at);
                Ok(Kept { record, definitions: Vec::new() })
            }
        }
    }

    /// Compares, and writes what came of it where people look for it.
    async fn show(
        &mut self,
        digest: &str,
        inputs: &str,
        intent: Intent,
        subject: &Subject<'_>,
        kept: &Kept,
        who: &Identity,
    ) -> Result<Verdict, Trouble> {
        let at = self.workplace(intent.action, who);
        let mut definitions = vec![(kept.definitions.clone(), CrdPolicy::Create)];
        if let Subject::Chart(wanted) = subject {
            let chart = resolve::chart(wanted, self.ctx).await.map_err(Trouble::Blocked)?;
            let own = render_release::crds(&chart.chart, &wanted.values).map_err(Trouble::Blocked)?;
            definitions.insert(0, (own, policy::crds(&self.release.spec, intent.action)));
        }
        let proposed =
            Proposed { action: intent.action, record: &kept.record, definitions: &definitions, base: intent.base };
        let comparison = compare(&proposed, &at).await?;
        let metadata = kept.record.chart.metadata().unwrap_or_default();
        let plan = Plan {
            digest: digest.to_owned(),
            inputs_digest: inputs.to_owned(),
            action: intent.action.word().to_owned(),
            revision: i64::from(intent.revision),
            base: intent.base.map(i64::from),
            chart: format!("{}@{}", metadata.name, metadata.version),
            create: i64::from(comparison.create),
            change: i64::from(comparison.change),
            delete: i64::from(comparison.delete),
            hooks: i64::from(comparison.hooks),
            summary: proposal::summary(&comparison),
            config_map: proposal::object_name(&self.key.name),
            truncated: comparison.truncated,
            compared_at: Time(Timestamp::now()),
        };
        self.hold_plan(kept, &plan, &comparison, who).await?;
        self.report.status.plan = Some(plan.clone());
        Ok(Verdict::Awaits(self.await_approval(&plan).await))
    }

    /// Says that a plan awaits its approval. Ready stays what the running revision is.
    async fn await_approval(&mut self, plan: &Plan) -> Turn {
        self.live.operation = None;
        self.report.observed();
        self.report.at_rest();
        self.mirror();
        let newest = self.newest().cloned();
        let runs = newest.filter(|newest| {
            newest.revision.status == Status::Deployed
                && newest.revision.cursor.as_ref().is_some_and(|cursor| cursor.holder == self.holder)
                && self.report.failures() == Failures::default()
        });
        let mut message = awaiting(plan);
        match runs {
            Some(newest) => {
                let (reason, message) = self.success(&newest);
                self.report.conditions().ready(reason, &message);
            }
            None => {
                let released = conditions::find(&self.report.status.conditions, conditions::RELEASED);
                let failed = released.filter(|c| c.status == "False").map(|c| (c.reason.clone(), c.message.clone()));
                let (reason, why) = failed.unwrap_or_else(|| ("AwaitingApproval".to_owned(), message.clone()));
                let mut conditions = self.report.conditions();
                conditions.set(conditions::READY, conditions::Status::False, &reason, &why);
                conditions.remove(conditions::RECONCILING);
                conditions.remove(conditions::STALLED);
            }
        }
        let approval = self.approval();
        let handled = self.report.status.last_handled_approval.as_deref();
        if proposal::is_stale(plan, approval.as_deref(), handled) {
            let approved = approval.unwrap_or_default();
            let note =
                format!("plan {approved} is approved, but does not hold any more: the plan is {} now", plan.digest);
            message = format!("{message}; {note}");
            self.announce(true, "PlanStale", &note).await;
        }
        self.report.conditions().set(conditions::PLANNED, conditions::Status::True, "AwaitingApproval", &message);
        Turn::After(jittered(policy::duration(Some(&self.release.spec.interval))))
    }

    /// An approved plan was begun.
    pub(super) async fn carries_out(&mut self) {
        let status = &mut self.report.status;
        status.last_handled_approval = self.release.annotations().get(APPROVE).cloned();
        // A request to act although nothing changed stays open until it is acted upon.
        if self.live.forced {
            status.last_handled_force_at = super::requested(self.release, super::FORCE_AT);
            self.live.forced = false;
        }
        let digest = self.approval().unwrap_or_default();
        let note = match &self.report.status.plan {
            Some(plan) => format!("plan {digest} is approved: {} to revision {}", plan.action, plan.revision),
            None => format!("plan {digest} is approved"),
        };
        self.report.conditions().set(conditions::PLANNED, conditions::Status::True, "Approved", &note);
        self.announce(false, "PlanApproved", &note).await;
    }

    /// Nothing is to be done: whatever was planned is done, or not wanted any more.
    pub(super) async fn forget_plan(&mut self, who: &Identity) {
        self.report.conditions().remove(conditions::PLANNED);
        if self.report.status.plan.take().is_none() {
            return;
        }
        for kind in ["ConfigMap", "Secret"] {
            // What stays is taken over by the next plan, or goes with the HelmRelease.
            if let Err(error) = self.remove_held(kind, who).await {
                tracing::warn!(namespace = %self.key.namespace, name = %self.key.name, %error, "plan could not be deleted");
            }
        }
    }

    async fn remove_held(&self, kind: &str, who: &Identity) -> Result<(), crate::cluster::Error> {
        let id = self.held(kind);
        let Some(live) = who.own.get_metadata(&id).await? else { return Ok(()) };
        if self.is_plans(live.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL))) {
            who.own.delete(&id, Propagation::Background, live.metadata.uid.as_deref()).await?;
        }
        Ok(())
    }

    fn held(&self, kind: &str) -> ObjectId {
        ObjectId {
            api_version: "v1".into(),
            kind: kind.to_owned(),
            namespace: Some(self.key.namespace.clone()),
            name: proposal::object_name(&self.key.name),
        }
    }

    fn is_plans(&self, label: Option<&String>) -> bool {
        label.is_some_and(|label| *label == label_value(&self.key.name))
    }

    /// Writes the objects that hold a plan, as the release's identity. They go with the HelmRelease.
    async fn hold_plan(
        &self,
        kept: &Kept,
        plan: &Plan,
        comparison: &Comparison,
        who: &Identity,
    ) -> Result<(), Trouble> {
        // Without the chart, which is most of it and does not change.
        let packed = release::encode(&Record { chart: RawChart::default(), ..kept.record.clone() })?;
        let encoded = |bytes: &[u8]| Value::String(BASE64_STANDARD.encode(bytes));
        let definitions = serde_json::to_vec(&kept.definitions).unwrap_or_default();
        let secret = json!({"release": encoded(&packed), "definitions": encoded(&definitions)});
        for (kind, data) in [("Secret", secret), ("ConfigMap", json!({ KEY: comparison.text }))] {
            let id = self.held(kind);
            if let Some(live) = who.own.get_metadata(&id).await?
                && !self.is_plans(live.metadata.labels.as_ref().and_then(|labels| labels.get(LABEL)))
            {
                return Err(Trouble::Retry {
                    reason: "PlanNotWritten",
                    message: format!("{id} exists and is not the plan of this release: rename or delete it"),
                });
            }
            let mut body = json!({
                "apiVersion": "v1",
                "kind": kind,
                "metadata": {
                    "name": id.name,
                    "namespace": id.namespace,
                    "labels": {LABEL: label_value(&self.key.name)},
                    "annotations": {"pintle.dev/digest": plan.digest},
                    "ownerReferences": [{
                        "apiVersion": "pintle.dev/v1", "kind": "HelmRelease", "name": self.key.name, "uid": self.holder.uid,
                    }],
                },
                "data": data,
            });
            if kind == "Secret" {
                body["type"] = SECRET_TYPE.into();
            }
            let how = Apply { manager: MANAGER, force: true, dry_run: false, strict: false };
            who.own.apply(&Target { id, body }, &how).await?;
        }
        Ok(())
    }

    /// What a plan would record and apply, if it is still there as it was planned.
    async fn kept_plan(
        &mut self,
        plan: &Plan,
        intent: Intent,
        subject: &Subject<'_>,
        who: &Identity,
    ) -> Result<Option<Kept>, Trouble> {
        let Some(secret) = who.own.get(&self.held("Secret")).await? else { return Ok(None) };
        let entry = |key: &str| {
            let text = secret.data.pointer(&format!("/data/{key}")).and_then(Value::as_str)?;
            BASE64_STANDARD.decode(text).ok()
        };
        let kept = || {
            let record = release::decode(&entry("release")?, &release::Limits::default()).ok()?;
            let definitions = serde_json::from_slice(&entry("definitions")?).ok()?;
            Some(Kept { record, definitions })
        };
        let Some(mut kept) = kept() else { return Ok(None) };
        // The chart is what it was, or the plan is not this one.
        kept.record.chart = self.draw_up(intent, subject, who).await?.record.chart;
        // Whoever may write Secrets here could have changed the rest: only what is approved counts.
        let digest = proposal::digest(&plan.inputs_digest, &kept.record, &kept.definitions);
        Ok((digest == plan.digest).then_some(kept))
    }
}

fn awaiting(plan: &Plan) -> String {
    format!(
        "{} to revision {} with chart {}: {}; see ConfigMap {}; to go on, annotate with {APPROVE}={}",
        plan.action, plan.revision, plan.chart, plan.summary, plan.config_map, plan.digest
    )
}
