//! How operations begin: the record is written, with its first step, before anything else happens.

use super::{
    Error, Workplace,
    advance::{self, Operation},
    cursor::{ANNOTATION, Action, Cursor, HookEvent, Step},
    hooks, objects,
};
use crate::{
    cluster::Target,
    release::{self, Annotations, ApplyMethod, HookRecord, Info, RawChart, Record, Status, Stored},
};
use aws_lc_rs::digest::{SHA256, digest};
use pintle_golib::hex;
use std::sync::Arc;

/// What a render made, ready to become a revision.
#[derive(Debug, Clone)]
pub struct Draft {
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The chart, as Helm stores it.
    pub chart: RawChart,
    /// The user's values.
    pub config: serde_json::Map<String, serde_json::Value>,
    /// All objects that are not hooks.
    pub manifest: String,
    /// The hooks.
    pub hooks: Vec<HookRecord>,
    /// NOTES.txt.
    pub notes: String,
}

/// For which state of the HelmRelease an operation works.
#[derive(Debug, Clone)]
pub struct Errand {
    /// Its generation.
    pub generation: i64,
    /// Digest of what it wants.
    pub fingerprint: String,
    /// Digest of the chart's manifest in its registry, if it comes from one.
    pub oci_digest: Option<String>,
}

/// Digest of a text: of a manifest, to notice that a record was altered; of what a release wants, to notice that it changed.
pub fn text_digest(text: &str) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, text.as_bytes()).as_ref()))
}

fn cursor(action: Action, errand: &Errand, record: &Record, base: Option<u32>, at: &Workplace) -> Cursor {
    Cursor {
        action,
        holder: at.holder.clone(),
        generation: errand.generation,
        fingerprint: errand.fingerprint.clone(),
        base,
        target: None,
        step: advance::first(action, record, at),
        since: at.now,
        adopted: Vec::new(),
        manifest: text_digest(&record.manifest),
        tested: None,
        shapes: Vec::new(),
        late: false,
        oci_digest: errand.oci_digest.clone(),
        created: Vec::new(),
        failure: None,
    }
}

fn annotations(cursor: &Cursor) -> Annotations {
    [(ANNOTATION.to_owned(), cursor.to_annotation())].into()
}

/// How a revision's objects are written, if the spec leaves it to `before`. What Helm 3 wrote, which says nothing about it, is
/// taken over by the API server.
fn method(before: Option<ApplyMethod>, at: &Workplace) -> Option<ApplyMethod> {
    Some(at.options.method.or(before).unwrap_or(ApplyMethod::ServerSide))
}

fn record(draft: Draft, version: u32, status: Status, description: &str, at: &Workplace) -> Record {
    Record {
        name: draft.name,
        namespace: draft.namespace,
        version,
        info: Info {
            first_deployed: Some(at.now),
            last_deployed: Some(at.now),
            deleted: None,
            description: description.to_owned(),
            status,
            notes: draft.notes,
            rollback_revision: None,
        },
        chart: draft.chart,
        config: draft.config,
        manifest: draft.manifest,
        hooks: draft.hooks,
        apply_method: method(None, at),
        labels: Default::default(),
    }
}

/// The revision that a draft would become, for those who want to look at it before.
pub fn preview(draft: Draft, version: u32, at: &Workplace) -> Record {
    record(draft, version, Status::Unknown, "", at)
}

impl From<Record> for Draft {
    fn from(record: Record) -> Self {
        Self {
            name: record.name,
            namespace: record.namespace,
            chart: record.chart,
            config: record.config,
            manifest: record.manifest,
            hooks: record.hooks,
            notes: record.info.notes,
        }
    }
}

/// Begins the first revision of a release (or the first after it was uninstalled and its history kept).
///
/// # Errors
/// If an object belongs to somebody else, or the record cannot be written. Nothing has changed then.
pub async fn install(
    draft: Draft,
    errand: &Errand,
    newest: Option<&Stored>,
    at: &Workplace,
) -> Result<Operation, Error> {
    let version = at.next_revision(newest.map(|stored| stored.record.version));
    let record = record(draft, version, Status::PendingInstall, "Initial install underway", at);
    let adopted = admit(&record, &[], "install", at).await?;
    let mut cursor = cursor(Action::Install, errand, &record, None, at);
    cursor.adopted = adopted;
    let stored = at.storage.create(&record, &annotations(&cursor)).await?;
    Ok(Operation::resume(stored, cursor))
}

/// Begins a further revision, the newest one, on top of `base`; `kept` revisions are there.
///
/// # Errors
/// As [`install`].
pub async fn upgrade(
    draft: Draft,
    errand: &Errand,
    (newest, base): (Stored, Stored),
    kept: usize,
    at: &Workplace,
) -> Result<Operation, Error> {
    let mut record =
        record(draft, at.next_revision(Some(newest.record.version)), Status::PendingUpgrade, "Preparing upgrade", at);
    record.info.first_deployed = newest.record.info.first_deployed.or(Some(at.now));
    record.labels = newest.record.labels.clone();
    record.apply_method = method(base.record.apply_method, at);
    let old = objects::targets(&base.record, &at.cluster).await?;
    let mut adopted = admit(&record, &old, "update", at).await?;
    if let Some(earlier) = Cursor::of(&newest) {
        adopted.extend(earlier.adopted);
        adopted.sort();
        adopted.dedup();
    }
    let mut cursor = cursor(Action::Upgrade, errand, &record, Some(base.record.version), at);
    cursor.adopted = adopted;
    make_room(&record.name, kept, at).await?;
    let stored = at.storage.create(&record, &annotations(&cursor)).await?;
    Ok(Operation::resume(stored, cursor).with(vec![newest, base]))
}

/// Begins a revision that repeats `target`, on top of `newest`; `kept` revisions are there.
///
/// # Errors
/// If the record cannot be written.
pub async fn rollback(
    errand: &Errand,
    newest: &Stored,
    target: &Stored,
    kept: usize,
    at: &Workplace,
) -> Result<Operation, Error> {
    let mut record = match at.storage.whole(target).await {
        Ok(record) => record,
        Err(release::Error::Cluster(error)) => return Err(error.into()),
        // Templates and files of a large chart that are gone: nothing that a release does needs them.
        Err(_) => Record::clone(&target.record),
    };
    record.version = at.next_revision(Some(newest.record.version));
    record.info.status = Status::PendingRollback;
    record.info.description = format!("Rollback to {}", target.record.version);
    record.info.last_deployed = Some(at.now);
    record.info.first_deployed = newest.record.info.first_deployed;
    record.info.rollback_revision = Some(target.record.version);
    record.apply_method = method(target.record.apply_method, at);
    record.info.deleted = None;
    for hook in &mut record.hooks {
        hook.last_run = Default::default();
    }
    let mut cursor = cursor(Action::Rollback, errand, &record, Some(newest.record.version), at);
    cursor.target = Some(target.record.version);
    if let Some(then) = Cursor::of(target) {
        // What is deployed afterwards is what was wanted then: if that is wanted again, nothing needs to be done.
        cursor.fingerprint = then.fingerprint;
        cursor.adopted = then.adopted;
        cursor.tested = then.tested;
        cursor.oci_digest = then.oci_digest;
    } else {
        cursor.fingerprint = String::new();
    }
    make_room(&record.name, kept, at).await?;
    let stored = at.storage.create(&record, &annotations(&cursor)).await?;
    Ok(Operation::resume(stored, cursor))
}

/// Begins the end of a release.
///
/// # Errors
/// If the record cannot be written.
pub async fn uninstall(
    action: Action,
    errand: &Errand,
    newest: Stored,
    deployed: Option<u32>,
    at: &Workplace,
) -> Result<Operation, Error> {
    let mut record: Record = (*newest.record).clone();
    record.info.status = Status::Uninstalling;
    record.info.deleted = Some(at.now);
    record.info.description = "Deletion in progress (or silently failed)".into();
    let earlier = Cursor::of(&newest);
    let base = deployed.filter(|version| *version != record.version);
    let mut cursor = cursor(action, errand, &record, base, at);
    (cursor.adopted, cursor.oci_digest) = earlier.map(|c| (c.adopted, c.oci_digest)).unwrap_or_default();
    let stored = at.storage.update(&newest, &record, &annotations(&cursor)).await?;
    Ok(Operation::resume(stored, cursor))
}

/// Begins the tests of a deployed revision.
///
/// # Errors
/// If the record cannot be written.
pub async fn test(newest: Stored, mut cursor: Cursor, at: &Workplace) -> Result<Operation, Error> {
    let none = hooks::of_event(&newest.record, HookEvent::Test, &at.options.tests).is_empty();
    if none {
        cursor.tested = Some(true);
    } else {
        cursor.step = advance::first(Action::Test, &newest.record, at);
        cursor.since = at.now;
    }
    let stored = at.storage.annotate(&newest, &annotations(&cursor)).await?;
    Ok(Operation::resume(stored, cursor))
}

/// Takes an operation up again whose objects were not ready in time and are now: it goes on from its wait.
///
/// # Errors
/// If the record cannot be written.
pub async fn recover(newest: Stored, mut cursor: Cursor, at: &Workplace) -> Result<Operation, Error> {
    cursor.late = false;
    cursor.step = Some(Step::Wait);
    cursor.since = at.now;
    let mut record = newest.record.clone();
    let info = &mut Arc::make_mut(&mut record).info;
    (info.status, info.description) = match (cursor.action, cursor.target) {
        (Action::Install, _) => (Status::PendingInstall, "Initial install underway".to_owned()),
        (Action::Rollback, Some(target)) => (Status::PendingRollback, format!("Rollback to {target}")),
        _ => (Status::PendingUpgrade, "Preparing upgrade".to_owned()),
    };
    let stored = at.storage.update(&newest, &record, &annotations(&cursor)).await?;
    Ok(Operation::resume(stored, cursor))
}

/// Ends an operation that is no longer wanted, or that somebody left behind.
///
/// # Errors
/// If the record cannot be written.
pub async fn abandon(newest: Stored, why: &str, at: &Workplace) -> Result<Stored, Error> {
    let mut record = newest.record.clone();
    let cursor = Cursor::of(&newest);
    let mut annotations = Annotations::new();
    if let Some(mut cursor) = cursor {
        cursor.failure = None;
        if cursor.doing() == Action::Test {
            cursor.step = None;
            cursor.since = at.now;
            annotations.insert(ANNOTATION.to_owned(), cursor.to_annotation());
            return Ok(at.storage.annotate(&newest, &annotations).await?);
        }
        cursor.step = None;
        cursor.since = at.now;
        annotations.insert(ANNOTATION.to_owned(), cursor.to_annotation());
    }
    let info = &mut Arc::make_mut(&mut record).info;
    info.description = format!("Release \"{}\" failed: {why}", newest.record.name);
    info.status = Status::Failed;
    Ok(at.storage.update(&newest, &record, &annotations).await?)
}

/// Checks that every object's kind is known, that the API server would take it and that none belongs to somebody else; gives
/// back those that are adopted.
async fn admit(record: &Record, old: &[Target], verb: &str, at: &Workplace) -> Result<Vec<String>, Error> {
    let targets = objects::targets(record, &at.cluster).await?;
    objects::admit(&targets, old, record, verb, at).await
}

/// Helm makes room when a revision is created: at most `max_history - 1` older ones stay.
async fn make_room(name: &str, kept: usize, at: &Workplace) -> Result<(), Error> {
    if at.options.max_history > 0 && kept >= at.options.max_history as usize {
        at.storage.prune(name, at.options.max_history as usize - 1).await?;
    }
    Ok(())
}
