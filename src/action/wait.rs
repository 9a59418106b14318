//! Waiting for objects to become ready, without waiting: what is not ready is remembered, and looked at again when the
//! watch says that it changed.

use super::{Error, Workplace};
use crate::cluster::{
    ObjectId,
    readiness::{Readiness, Rules, readiness},
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// How long a watch may be silent about an object before it is looked at all the same.
const SAFETY_NET: SignedDuration = SignedDuration::from_secs(30);

/// What an operation waits for.
#[derive(Debug, Default)]
pub struct Waiting {
    /// Objects that are not ready, and why.
    unready: BTreeMap<ObjectId, String>,
    failed: BTreeMap<ObjectId, String>,
    total: usize,
    looked: Option<Timestamp>,
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
        Self { total: unready.len(), unready, failed: BTreeMap::new(), looked: None }
    }

    /// Takes an object's state as the API server gave it (the answer to an apply counts too).
    pub fn saw(&mut self, id: &ObjectId, live: Option<&serde_json::Value>, rules: &Rules) {
        let state = match live {
            Some(live) => readiness(live, rules),
            None => Readiness::Missing,
        };
        self.failed.remove(id);
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
    pub async fn look(
        &mut self,
        changed: &BTreeSet<ObjectId>,
        rules: &Rules,
        at: &Workplace<'_>,
    ) -> Result<Standing, Error> {
        let all = self.looked.is_none_or(|last| at.now.duration_since(last) >= SAFETY_NET);
        let ids: Vec<ObjectId> =
            self.unready.keys().chain(self.failed.keys()).filter(|id| all || changed.contains(*id)).cloned().collect();
        for id in ids {
            let live = at.cluster.get(&id).await?;
            let live = live.map(|object| serde_json::to_value(object).unwrap_or_default());
            self.saw(&id, live.as_ref(), rules);
        }
        if all {
            self.looked = Some(at.now);
        }
        Ok(self.standing())
    }

    /// How the wait stands by what has been seen.
    pub fn standing(&self) -> Standing {
        if self.unready.is_empty() && self.failed.is_empty() {
            return Standing::Ready;
        }
        if !self.failed.is_empty() {
            return Standing::Failed(list(&self.failed));
        }
        Standing::Unready(format!(
            "{} of {} ready: waits for {}",
            self.total - self.unready.len(),
            self.total,
            list(&self.unready)
        ))
    }

    /// The moment at which it looks at everything by itself.
    pub fn safety_net(&self) -> SignedDuration {
        SAFETY_NET
    }

    /// Marks what was seen by other means than [`Waiting::look`] as just looked at.
    pub fn begin(&mut self, now: Timestamp) {
        self.looked = Some(now);
    }
}

/// The first few, each with its reason.
fn list(objects: &BTreeMap<ObjectId, String>) -> String {
    const NAMED: usize = 3;
    let mut text = objects.iter().take(NAMED).map(|(id, why)| format!("{id}: {why}")).collect::<Vec<_>>().join("; ");
    if objects.len() > NAMED {
        text.push_str(&format!("; and {} more", objects.len() - NAMED));
    }
    text
}
