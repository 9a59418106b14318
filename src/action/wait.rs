//! Waiting for objects to become ready, without waiting: what is not ready is remembered, and looked at again when the
//! watch says that it changed.

use super::{Error, Workplace};
use crate::cluster::{
    ObjectId, compare_versions,
    readiness::{Readiness, Rules, readiness},
};
use jiff::{SignedDuration, Timestamp};
use kube::core::DynamicObject;
use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

/// How long a watch may be silent about an object before it is looked at all the same.
const SAFETY_NET: SignedDuration = SignedDuration::from_secs(30);

/// When a wait is first asked for its cause; each further pause is twice as long, up to the longest. Most waits are over by
/// then, and one that is stuck for an hour need not be asked often.
const INQUIRY: SignedDuration = SignedDuration::from_secs(10);
const LONGEST_INQUIRY: SignedDuration = SignedDuration::from_mins(10);

/// Objects that a message names.
const NAMED: usize = 3;

/// Objects that changed, each as it is now if the watch told that too.
pub type Changes = BTreeMap<ObjectId, Option<Arc<DynamicObject>>>;

/// An object's version.
fn version(live: &serde_json::Value) -> Option<&str> {
    live["metadata"]["resourceVersion"].as_str()
}

/// What an operation waits for.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Objects that are not ready, and why.
    unready: BTreeMap<ObjectId, String>,
    failed: BTreeMap<ObjectId, String>,
    /// The versions in which objects were last seen: a watch may bring what is older.
    versions: BTreeMap<ObjectId, String>,
    /// What was found behind those that are not ready: Pods, events, logs.
    causes: BTreeMap<ObjectId, String>,
    total: usize,
    looked: Option<Timestamp>,
    /// When the causes are looked for next, and the pause after that.
    inquiry: Option<(Timestamp, SignedDuration)>,
}

/// How the wait stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Standing {
    /// All are ready.
    Ready,
    /// Some are not; the text says which and why.
    Unready(String),
    /// Some will not become ready by themselves; the text says which and why.
    Failed(String),
}

impl Waiting {
    /// A wait for these objects, none of which has been looked at.
    pub fn for_objects(ids: impl IntoIterator<Item = ObjectId>) -> Self {
        let unready: BTreeMap<_, _> = ids.into_iter().map(|id| (id, "not yet seen".to_owned())).collect();
        Self { total: unready.len(), unready, ..Self::default() }
    }

    /// Takes an object's state as the API server gave it (the answer to an apply counts too).
    pub fn saw(&mut self, id: &ObjectId, live: Option<&serde_json::Value>, rules: &Rules) {
        let state = match live {
            Some(live) => readiness(live, rules),
            None => Readiness::Missing,
        };
        self.failed.remove(id);
        if let Some(version) = live.and_then(version) {
            self.versions.insert(id.clone(), version.to_owned());
        }
        match state {
            Readiness::Ready => {
                self.unready.remove(id);
            }
            Readiness::InProgress(why) => {
                self.unready.insert(id.clone(), why);
            }
            Readiness::Failed(why) => {
                self.unready.remove(id);
                self.failed.insert(id.clone(), why);
            }
            Readiness::Terminating => {
                self.unready.insert(id.clone(), "is being deleted".into());
            }
            // A Job that its TTL controller took away has done its work.
            Readiness::Missing if id.kind == "Job" => {
                self.unready.remove(id);
            }
            Readiness::Missing => {
                self.unready.insert(id.clone(), "does not exist".into());
            }
        }
    }

    /// Looks again at what changed (at everything that is not ready, if nothing has been looked at for long).
    ///
    /// # Errors
    /// If an object cannot be read.
    pub async fn look(&mut self, changed: &Changes, rules: &Rules, at: &Workplace) -> Result<Standing, Error> {
        let all = self.looked.is_none_or(|last| at.now.duration_since(last) >= SAFETY_NET);
        let ids: Vec<ObjectId> = self
            .unready
            .keys()
            .chain(self.failed.keys())
            .filter(|id| all || changed.contains_key(*id))
            .cloned()
            .collect();
        for id in ids {
            if !all && self.was_told(&id, changed, rules) {
                continue;
            }
            let live = at.cluster.get(&id).await?;
            let live = live.map(|object| serde_json::to_value(object).unwrap_or_default());
            self.saw(&id, live.as_ref(), rules);
        }
        if all {
            self.looked = Some(at.now);
        }
        let (due, pause) = *self.inquiry.get_or_insert((at.now + INQUIRY, INQUIRY * 2));
        if at.now >= due && self.standing() != Standing::Ready && at.cluster.is_idle_enough() {
            self.investigate(at).await;
            self.inquiry = Some((at.now + pause, (pause * 2).min(LONGEST_INQUIRY)));
        }
        Ok(self.standing())
    }

    /// Takes what the watch told of an object that changed. Whether that was enough.
    fn was_told(&mut self, id: &ObjectId, changed: &Changes, rules: &Rules) -> bool {
        let Some(Some(live)) = changed.get(id) else { return false };
        let (known, told) = (self.versions.get(id), live.metadata.resource_version.as_deref());
        match known.zip(told).and_then(|(known, told)| compare_versions(told, known)) {
            // What was read, or answered to an apply, is newer.
            Some(Ordering::Less | Ordering::Equal) => true,
            Some(Ordering::Greater) => {
                let live = serde_json::to_value(&**live).unwrap_or_default();
                self.saw(id, Some(&live), rules);
                true
            }
            None => false,
        }
    }

    /// Asks what is behind the first few that are not ready. What cannot be learned is left out.
    pub async fn investigate(&mut self, at: &Workplace) {
        let ids: Vec<ObjectId> = self.failed.keys().chain(self.unready.keys()).take(NAMED).cloned().collect();
        self.causes.clear();
        for id in ids {
            if let Some(cause) = at.cluster.cause(&id).await {
                self.causes.insert(id, cause);
            }
        }
    }

    /// How the wait stands by what has been seen.
    pub fn standing(&self) -> Standing {
        if self.unready.is_empty() && self.failed.is_empty() {
            return Standing::Ready;
        }
        if !self.failed.is_empty() {
            return Standing::Failed(self.list(&self.failed));
        }
        Standing::Unready(format!(
            "{} of {} ready: waits for {}",
            self.total - self.unready.len(),
            self.total,
            self.list(&self.unready)
        ))
    }

    /// The first few, each with its reason and what is behind it.
    fn list(&self, objects: &BTreeMap<ObjectId, String>) -> String {
        let name = |(id, why): (&ObjectId, &String)| match self.causes.get(id) {
            Some(cause) => format!("{id}: {why} ({cause})"),
            None => format!("{id}: {why}"),
        };
        let mut text = objects.iter().take(NAMED).map(name).collect::<Vec<_>>().join("; ");
        if objects.len() > NAMED {
            text.push_str(&format!("; and {} more", objects.len() - NAMED));
        }
        text
    }

    /// How long until it has to be looked at by itself, as of `now`.
    pub fn pause(&self, now: Timestamp) -> SignedDuration {
        match self.inquiry {
            Some((due, _)) => due.duration_since(now).clamp(SignedDuration::from_millis(100), SAFETY_NET),
            None => INQUIRY,
        }
    }

    /// Marks what was seen by other means than [`Waiting::look`] as just looked at.
    pub fn begin(&mut self, now: Timestamp) {
        self.looked = Some(now);
    }
}
