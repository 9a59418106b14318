//! The objects of a revision: from the stored manifest, marked as the release's own, applied in order, pruned.

use super::{Error, Workplace};
use crate::{
    cluster::{
        self, Apply, Class, Cluster, ObjectId, Outcome, Target,
        managers::EARLIER,
        ownership::{self, Origin, Owner},
    },
    release::{ApplyMethod, Record},
};
use futures::{StreamExt, stream};
use kube::core::{ObjectMeta, PartialObjectMeta};
use std::collections::BTreeMap;

/// Objects of one kind that are applied at a time. Each is a connection (the client speaks HTTP/1.1).
const AT_ONCE: usize = 8;

/// How often an object is looked at anew because a controller wrote to it in between.
const LOOKS: u32 = 5;

/// The objects of a revision, in the order in which they are applied.
///
/// # Errors
/// If the manifest is not what a render leaves behind, or the API server cannot be asked about kinds.
pub async fn targets(record: &Record, cluster: &Cluster) -> Result<Vec<Target>, Error> {
    cluster.targets(&record.manifest, &record.namespace).await.map_err(|error| manifest(record.version, error))
}

/// An error of reading stored text, told with the revision that it belongs to.
pub fn manifest(revision: u32, error: cluster::Error) -> Error {
    match error {
        cluster::Error::Manifest { .. } => Error::Manifest { revision, message: error.to_string() },
        other => other.into(),
    }
}

/// The release as the owner of objects.
fn owner(record: &Record) -> Owner {
    Owner { release: record.name.clone(), namespace: record.namespace.clone() }
}

/// Puts the release's marks on an object: Helm's ownership, and where it came from.
pub fn mark(target: &mut Target, record: &Record, at: &Workplace) {
    owner(record).mark(&mut target.body);
    origin(target, at);
}

/// Only where it came from, for hooks, which Helm does not own.
pub fn origin(target: &mut Target, at: &Workplace) {
    Origin::new(&at.holder.namespace, &at.holder.name).mark(&mut target.body);
}

/// Makes sure that the namespace is there (`install.createNamespace`), with the label that Helm gives it.
///
/// # Errors
/// If it cannot be created.
pub async fn ensure_namespace(namespace: &str, at: &Workplace) -> Result<(), Error> {
    let id =
        ObjectId { api_version: "v1".into(), kind: "Namespace".into(), namespace: None, name: namespace.to_owned() };
    if at.cluster.get_metadata(&id).await?.is_some() {
        return Ok(());
    }
    let body = serde_json::json!({
        "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace, "labels": { "name": namespace } }
    });
    let how = Apply { manager: &at.manager, force: false, dry_run: false, strict: false };
    match at.cluster.create(&Target { id, body }, &how).await {
        Ok(_) => Ok(()),
        Err(error) if error.class() == cluster::Class::AlreadyExists => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Asks the API server whether it would take the objects of a new revision, before anything is written: those that are new
/// or not as in the old revision. Gives back the objects that exist already though no release put them there.
///
/// Whose an object is that is there already is read: the answer to a dry run tells what would become of its marks, which were
/// written under the same field manager.
///
/// # Errors
/// If one belongs to another release, or to nobody and may not be taken over; if the API server refuses one.
pub async fn admit(
    new: &[Target],
    old: &[Target],
    record: &Record,
    verb: &str,
    at: &Workplace,
) -> Result<Vec<String>, Error> {
    let how = Apply { manager: &at.manager, force: true, dry_run: true, strict: at.options.strict };
    let fresh: Vec<(&Target, bool)> = new
        .iter()
        .filter_map(|target| match old.iter().find(|o| o.id.same_object(&target.id)) {
            Some(before) if before.body == target.body => None,
            before => Some((target, before.is_some())),
        })
        .collect();
    let requests: Vec<_> = fresh.iter().map(|(target, _)| at.cluster.apply(target, &how)).collect();
    let answers: Vec<_> = stream::iter(requests).buffered(AT_ONCE).collect().await;
    let mut adopted = Vec::new();
    let mut refused = Vec::new();
    for ((target, known), answer) in fresh.into_iter().zip(answers) {
        let applied = match answer {
            Ok(applied) => applied,
            Err(error) if is_undecided(&error) => continue,
            Err(error) => {
                refused.push(error);
                continue;
            }
        };
        if known || applied.outcome == Outcome::Created {
            continue;
        }
        let Some(live) = metadata(&target.id, at).await? else { continue };
        if may_take(&target.id, &live.metadata, record, verb, at)? {
            adopted.push(target.id.to_string());
        }
    }
    if refused.is_empty() { Ok(adopted) } else { Err(Error::Objects(refused)) }
}

/// Whether an object that is there and not known to be the release's would be adopted; it is not if an earlier life of the
/// release left it behind.
///
/// # Errors
/// If it belongs to another release, or to nobody and may not be taken over.
pub(super) fn may_take(
    id: &ObjectId,
    live: &ObjectMeta,
    record: &Record,
    verb: &str,
    at: &Workplace,
) -> Result<bool, Error> {
    match owner(record).check(id, live) {
        Ok(()) => Ok(false),
        // What nobody's release owns may be adopted; what another release owns is its own.
        Err(_) if at.options.take_ownership && !is_owned(live) => Ok(true),
        Err(foreign) => Err(Error::Foreign(format!("unable to continue with {verb}: {foreign}"))),
    }
}

/// Whether a live object says that it is the release's.
pub(super) fn is_ours(id: &ObjectId, live: &ObjectMeta, record: &Record) -> bool {
    owner(record).check(id, live).is_ok()
}

/// A dry run cannot tell everything: the object's namespace may be one of the new objects, its kind may come with them, and
/// a webhook may have side effects that forbid it.
pub(super) fn is_undecided(error: &cluster::Error) -> bool {
    error.is_not_found() || error.to_string().contains("does not support dry run")
}

/// Whether some release says that the object is its own.
fn is_owned(live: &ObjectMeta) -> bool {
    live.annotations.as_ref().is_some_and(|a| a.contains_key(ownership::RELEASE_NAME))
}

/// Whether a live object belongs to another release by now.
pub(crate) fn is_anothers(live: &ObjectMeta, record: &Record, id: &ObjectId) -> bool {
    is_owned(live) && owner(record).check(id, live).is_err()
}

/// An object as the API server answered.
pub type Applied = (ObjectId, kube::api::DynamicObject);

/// Applies all objects, kind by kind, some of one kind at once. Stops after the first kind of which one failed.
///
/// # Errors
/// Every object that failed, by name.
pub async fn apply(targets: &[Target], old: &[Target], record: &Record, at: &Workplace) -> Result<Vec<Applied>, Error> {
    let mut done = Vec::with_capacity(targets.len());
    for kind in targets.chunk_by(|a, b| a.id.kind == b.id.kind && a.id.api_version == b.id.api_version) {
        let requests: Vec<_> = kind.iter().map(|target| write(target, old, record, at)).collect();
        let results: Vec<_> = stream::iter(requests).buffered(AT_ONCE).collect().await;
        let mut errors = Vec::new();
        for (target, result) in kind.iter().zip(results) {
            match result {
                Ok(applied) => done.push((target.id.clone(), applied.object)),
                Err(error) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(Error::Objects(errors));
        }
    }
    Ok(done)
}

/// Writes one object in the record's way.
async fn write(
    target: &Target,
    old: &[Target],
    record: &Record,
    at: &Workplace,
) -> Result<cluster::Applied, cluster::Error> {
    let how = Apply { manager: &at.manager, force: true, dry_run: false, strict: at.options.strict };
    if record.apply_method == Some(ApplyMethod::ClientSide)
        && at.options.replace
        && let Some(live) = at.cluster.get_metadata(&target.id).await?
    {
        let mut whole = target.clone();
        whole.body["metadata"]["resourceVersion"] = serde_json::json!(live.metadata.resource_version);
        let object = at.cluster.replace(&whole, &how).await?;
        return Ok(cluster::Applied { outcome: Outcome::Configured, object });
    }
    let before = old.iter().find(|before| before.id.same_object(&target.id));
    merge_or_apply(target, before, &how, record, at).await
}

async fn merge_or_apply(
    target: &Target,
    before: Option<&Target>,
    how: &Apply<'_>,
    record: &Record,
    at: &Workplace,
) -> Result<cluster::Applied, cluster::Error> {
    match record.apply_method {
        Some(ApplyMethod::ClientSide) => at.cluster.merge(target, before.map(|before| &before.body), how).await,
        _ => at.cluster.apply(target, how).await,
    }
}

/// Puts an object back in the record's way.
///
/// # Errors
/// If the API server refuses.
pub async fn restore(
    target: &Target,
    record: &Record,
    at: &Workplace,
) -> Result<kube::api::DynamicObject, cluster::Error> {
    let how = Apply { manager: &at.manager, force: true, dry_run: false, strict: false };
    Ok(merge_or_apply(target, Some(target), &how, record, at).await?.object)
}

/// Deletes the objects of the old revision that the new one no longer has, unless they are to be kept.
///
/// # Errors
/// If one cannot be read or deleted.
pub async fn prune(old: &[Target], new: &[Target], record: &Record, at: &Workplace) -> Result<Vec<ObjectId>, Error> {
    let mut gone = Vec::new();
    // Helm compares by group, kind, namespace and name: the version does not count.
    for target in old.iter().filter(|t| !new.iter().any(|n| n.id.same_object(&t.id))) {
        if remove(&target.id, record, at).await? == Removed::Asked {
            gone.push(target.id.clone());
        }
    }
    Ok(gone)
}

/// What became of an object that was to be deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Its deletion was asked for.
    Asked,
    /// It was not there.
    Absent,
    /// It says `helm.sh/resource-policy: keep`.
    Kept,
    /// It belongs to somebody else by now.
    Foreign,
}

/// An object's metadata, if it is there. A kind that is gone took its objects along.
///
/// # Errors
/// If it cannot be read.
pub async fn metadata(id: &ObjectId, at: &Workplace) -> Result<Option<PartialObjectMeta>, Error> {
    match at.cluster.get_metadata(id).await {
        Err(cluster::Error::UnknownKind { .. }) => Ok(None),
        answer => Ok(answer?),
    }
}

/// Makes what earlier managers of the release hold of an object ours, if it exists. Controllers write to it too: who was
/// faster is read again.
///
/// # Errors
/// If it cannot be read or written, or is written to without end.
pub async fn take_over(id: &ObjectId, at: &Workplace) -> Result<(), Error> {
    let mut looks = 1;
    loop {
        let Some(live) = metadata(id, at).await? else { return Ok(()) };
        match at.cluster.take_over_fields(id, &live.metadata, &at.manager, &EARLIER).await {
            Err(error) if error.is_not_found() => return Ok(()),
            Err(error) if error.class() == Class::Stale && looks < LOOKS => looks += 1,
            result => return result.map(drop).map_err(Error::from),
        }
    }
}

/// Puts the release's marks on live objects that no release has marked: Helm 2 marked none.
///
/// # Errors
/// If the manifest cannot be read, or an object cannot be read or written.
pub async fn claim(record: &Record, cluster: &Cluster, manager: &str) -> Result<(), Error> {
    let how = Apply { manager, force: false, dry_run: false, strict: false };
    for target in targets(record, cluster).await? {
        let live = match cluster.get_metadata(&target.id).await {
            Err(cluster::Error::UnknownKind { .. }) | Ok(None) => continue,
            Err(error) => return Err(error.into()),
            Ok(Some(live)) => live,
        };
        if is_owned(&live.metadata) {
            continue;
        }
        let mut marks = serde_json::json!({});
        owner(record).mark(&mut marks);
        match cluster.patch(&target.id, "application/merge-patch+json", &marks, &how).await {
            Err(error) if !error.is_not_found() => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// Deletes one object of the release, if it still is the release's and is not to be kept.
///
/// # Errors
/// If it cannot be read or deleted.
pub async fn remove(id: &ObjectId, record: &Record, at: &Workplace) -> Result<Removed, Error> {
    let Some(live) = metadata(id, at).await? else { return Ok(Removed::Absent) };
    if ownership::is_kept(&live.metadata) {
        return Ok(Removed::Kept);
    }
    if owner(record).check(id, &live.metadata).is_err() {
        return Ok(Removed::Foreign);
    }
    if live.metadata.deletion_timestamp.is_none() {
        at.cluster.delete(id, at.options.propagation, live.metadata.uid.as_deref()).await?;
    }
    Ok(Removed::Asked)
}

/// Which of these objects do not exist.
///
/// # Errors
/// If one cannot be read.
pub async fn missing(ids: impl Iterator<Item = ObjectId>, at: &Workplace) -> Result<Vec<ObjectId>, Error> {
    let looks: Vec<_> = ids.map(|id| async { metadata(&id, at).await.map(|live| (id, live.is_none())) }).collect();
    let looks: Vec<_> = stream::iter(looks).buffered(AT_ONCE).collect().await;
    let mut missing = Vec::new();
    for look in looks {
        let (id, is_missing) = look?;
        if is_missing {
            missing.push(id);
        }
    }
    Ok(missing)
}

/// The order in which Helm deletes kinds; unknown kinds come last.
pub fn uninstall_order(targets: &[Target]) -> Vec<ObjectId> {
    let rank: BTreeMap<&str, usize> =
        crate::render::sort::UNINSTALL_ORDER.iter().enumerate().map(|(at, kind)| (*kind, at)).collect();
    let mut ids: Vec<ObjectId> = targets.iter().map(|t| t.id.clone()).collect();
    ids.sort_by_key(|id| rank.get(id.kind.as_str()).copied().unwrap_or(usize::MAX));
    ids
}
