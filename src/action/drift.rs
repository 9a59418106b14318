//! Objects of a deployed revision that somebody changed or deleted: looked at, and put back as they were applied.

use super::{Error, Workplace, objects};
use crate::{
    cluster::{
        Apply, ObjectId, Target,
        drift::{Drift, differences, last_writer, let_be, shape},
    },
    release::Record,
    render::post::selector::{Selector, Traits},
};
use futures::{StreamExt, stream};
use std::collections::BTreeSet;

/// Objects that are looked at or put back at a time.
const AT_ONCE: usize = 8;
/// Fields of an object that are named.
const FIELDS: usize = 10;

/// Which changes are nobody's business.
#[derive(Debug, Clone)]
pub struct Ignore {
    /// JSON pointers to the fields; the empty one is the whole object.
    pub paths: Vec<String>,
    /// Only if one of these field managers wrote the object last; empty for all.
    pub managers: Vec<String>,
    /// Which objects; nothing for all.
    pub target: Option<Selector>,
}

/// What was found out about an object.
pub struct Finding {
    /// The object as it should be, marks and ignored fields seen to.
    target: Target,
    /// What is wrong with it, if anything.
    pub drift: Option<Drift>,
    /// Which of its fields are ours now; what is found to be in order is known by it from then on.
    pub shape: Option<String>,
}

impl Finding {
    /// The object.
    pub fn object(&self) -> &ObjectId {
        &self.target.id
    }
}

/// Compares objects of a revision with what applying them would make of them. Writes nothing.
///
/// # Errors
/// If an object cannot be read, or the API server would not take it back.
pub async fn inspect(
    record: &Record,
    suspects: &BTreeSet<ObjectId>,
    ignore: &[Ignore],
    at: &Workplace,
) -> Result<Vec<Finding>, Error> {
    let mut targets = objects::targets(record, &at.cluster).await?;
    targets.retain(|target| suspects.contains(&target.id));
    let looks = targets.into_iter().map(|mut target| {
        objects::mark(&mut target, record, at);
        look(target, record, ignore, at)
    });
    let looks: Vec<_> = looks.collect();
    stream::iter(looks).buffered(AT_ONCE).collect::<Vec<_>>().await.into_iter().collect()
}

async fn look(mut target: Target, record: &Record, ignore: &[Ignore], at: &Workplace) -> Result<Finding, Error> {
    let id = target.id.clone();
    let Some(live) = at.cluster.get(&id).await? else {
        let drift = Drift { object: id, missing: true, fields: Vec::new(), writer: None };
        return Ok(Finding { target, drift: Some(drift), shape: None });
    };
    let now = shape(&live.metadata, &at.manager);
    // One that is on its way out is looked at again when it is gone; one that another release took is not ours to touch.
    if live.metadata.deletion_timestamp.is_some() || objects::is_anothers(&live.metadata, record, &id) {
        return Ok(Finding { target, drift: None, shape: now });
    }
    let writer = last_writer(&live.metadata, &at.manager);
    let labels = live.metadata.labels.clone().unwrap_or_default();
    let annotations = live.metadata.annotations.clone().unwrap_or_default();
    let live = serde_json::to_value(live).unwrap_or_default();
    for rule in ignore {
        let matches = rule.target.as_ref().is_none_or(|target| {
            target.matches(Traits {
                group: id.group(),
                version: id.version(),
                kind: &id.kind,
                namespace: id.namespace.as_deref().unwrap_or_default(),
                name: &id.name,
                labels: &labels,
                annotations: &annotations,
            })
        });
        let written = rule.managers.is_empty() || writer.as_ref().is_some_and(|writer| rule.managers.contains(writer));
        if matches && written {
            if rule.paths.iter().any(String::is_empty) {
                return Ok(Finding { target, drift: None, shape: now });
            }
            for path in &rule.paths {
                let_be(&mut target.body, &live, path);
            }
        }
    }
    let how = Apply { manager: &at.manager, force: true, dry_run: true, strict: false };
    let wanted = serde_json::to_value(at.cluster.apply(&target, &how).await?.object).unwrap_or_default();
    let fields = differences(&live, &wanted, FIELDS);
    let drift = (!fields.is_empty()).then_some(Drift { object: id, missing: false, fields, writer });
    Ok(Finding { target, drift, shape: now })
}

/// Puts an object back; gives which of its fields are ours afterwards.
///
/// # Errors
/// If the API server refuses.
pub async fn restore(finding: &Finding, record: &Record, at: &Workplace) -> Result<Restored, Error> {
    let live = objects::restore(&finding.target, record, at).await?;
    Ok(Restored {
        shape: shape(&live.metadata, &at.manager),
        resource_version: live.metadata.resource_version.unwrap_or_default(),
    })
}

/// An object that was put back.
pub struct Restored {
    /// Which of its fields are ours.
    pub shape: Option<String>,
    /// Its version.
    pub resource_version: String,
}
