//! Which records there are, as the watches of Secrets and ConfigMaps tell. Whether a new release has any need not be asked
//! then, and after a restart an unchanged release need not be read.

use crate::release::Status;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::Instant};

/// How long after its start the operator waits to be told what there is. Without a watch, the API server is asked.
const PATIENCE: Duration = Duration::from_secs(10);

/// Kinds that hold records: each is told of by a watch of its own.
const KINDS: usize = 2;

/// The record of a revision, as far as its metadata tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The revision.
    pub revision: u32,
    /// Its status by label.
    pub status: Status,
    /// Version of the object.
    pub resource_version: String,
    /// The annotation with which an operator marked it, of those that were there when the watch began: once somebody has asked
    /// for it, or it was written again, nobody needs it any more.
    pub cursor: Option<Box<str>>,
}

/// A record where the operator keeps none: in the other kind of object, or Tiller's.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Elsewhere {
    /// Its namespace.
    pub namespace: String,
    /// Name of the release.
    pub release: String,
    /// Name of the object.
    pub object: String,
}

/// What the watches have told.
pub struct Recorded {
    known: Mutex<Known>,
    /// How many kinds have been told of to the end.
    listed: watch::Sender<usize>,
    began: Instant,
}

#[derive(Default)]
struct Known {
    /// Storage namespace and name of a release → its records, where the operator keeps them.
    own: HashMap<(String, String), Vec<Trace>>,
    elsewhere: BTreeSet<Elsewhere>,
    /// The kinds of which all has been told that there is.
    listed: BTreeSet<&'static str>,
}

impl Default for Recorded {
    fn default() -> Self {
        Self { known: Mutex::default(), listed: watch::Sender::new(0), began: Instant::now() }
    }
}

impl Recorded {
    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns once everything has been told of that there is, or when the operator has been up for so long that there seems
    /// to be no watch.
    pub async fn settled(&self) {
        let all = async {
            // The sender is here.
            let _ = self.listed.subscribe().wait_for(|kinds| *kinds >= KINDS).await;
        };
        let _ = tokio::time::timeout_at(self.began + PATIENCE, all).await;
    }

    /// The watch of a kind begins anew: what it told before may be gone. `own` says whether the operator keeps its records there.
    pub fn begins(&self, kind: &'static str, own: bool) {
        let mut known = self.known();
        known.listed.remove(kind);
        if own {
            known.own.clear();
        }
        self.listed.send_replace(known.listed.len());
    }

    /// All records of a kind have been told of.
    pub fn listed(&self, kind: &'static str) {
        let mut known = self.known();
        known.listed.insert(kind);
        self.listed.send_replace(known.listed.len());
    }

    /// A record was seen.
    pub fn is_there(&self, namespace: &str, release: &str, trace: Trace) {
        let mut known = self.known();
        let traces = known.own.entry((namespace.to_owned(), release.to_owned())).or_default();
        match traces.iter_mut().find(|known| known.revision == trace.revision) {
            Some(known) => *known = trace,
            None => traces.push(trace),
        }
    }

    /// A record is gone.
    pub fn is_gone(&self, namespace: &str, release: &str, revision: u32) {
        let mut known = self.known();
        let name = (namespace.to_owned(), release.to_owned());
        if let Some(traces) = known.own.get_mut(&name) {
            traces.retain(|trace| trace.revision != revision);
            if traces.is_empty() {
                known.own.remove(&name);
            }
        }
    }

    /// The records of a release where the operator of a storage `kind` keeps them, newest first; nothing if that is not known.
    /// Their cursors are given away.
    pub fn take(&self, kind: &str, namespace: &str, release: &str) -> Option<Vec<Trace>> {
        let mut known = self.known();
        if !known.listed.contains(kind) {
            return None;
        }
        let Some(traces) = known.own.get_mut(&(namespace.to_owned(), release.to_owned())) else {
            return Some(Vec::new());
        };
        traces.sort_unstable_by_key(|trace| std::cmp::Reverse(trace.revision));
        let given = traces.clone();
        for trace in traces {
            trace.cursor = None;
        }
        Some(given)
    }

    /// A record was seen elsewhere, or is gone from there.
    pub fn note_elsewhere(&self, record: Elsewhere, gone: bool) {
        let elsewhere = &mut self.known().elsewhere;
        if gone {
            elsewhere.remove(&record);
        } else {
            elsewhere.insert(record);
        }
    }

    /// Whether there are records of a release elsewhere in its namespace; nothing if that is not known.
    pub fn is_elsewhere(&self, namespace: &str, release: &str) -> Option<bool> {
        let known = self.known();
        let first = Elsewhere { namespace: namespace.to_owned(), release: release.to_owned(), object: String::new() };
        let found =
            known.elsewhere.range(first..).next().is_some_and(|r| r.namespace == namespace && r.release == release);
        (found || known.listed.len() == KINDS).then_some(found)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn trace(revision: u32, version: &str, cursor: &str) -> Trace {
        Trace {
            revision,
            status: Status::Deployed,
            resource_version: version.into(),
            cursor: (!cursor.is_empty()).then(|| cursor.into()),
        }
    }

    #[test]
    fn records_are_known_between_the_lists() {
        let recorded = Recorded::default();
        assert_eq!(recorded.take("Secret", "n", "a"), None);
        recorded.is_there("n", "a", trace(1, "5", "one"));
        recorded.is_there("n", "a", trace(2, "6", "two"));
        assert_eq!(recorded.take("Secret", "n", "a"), None, "not all has been told");
        recorded.listed("Secret");
        assert_eq!(recorded.take("Secret", "n", "b"), Some(vec![]));
        assert_eq!(recorded.take("ConfigMap", "n", "a"), None);
        assert_eq!(recorded.take("Secret", "n", "a"), Some(vec![trace(2, "6", "two"), trace(1, "5", "one")]));
        assert_eq!(recorded.take("Secret", "n", "a"), Some(vec![trace(2, "6", ""), trace(1, "5", "")]));
        recorded.is_there("n", "a", trace(2, "7", ""));
        recorded.is_gone("n", "a", 1);
        assert_eq!(recorded.take("Secret", "n", "a"), Some(vec![trace(2, "7", "")]));
        recorded.begins("Secret", true);
        assert_eq!(recorded.take("Secret", "n", "a"), None);
        recorded.listed("Secret");
        assert_eq!(recorded.take("Secret", "n", "a"), Some(vec![]), "it went while nobody looked");
    }

    #[test]
    fn records_elsewhere_are_found_by_release() {
        let recorded = Recorded::default();
        let record = |release: &str, object: &str| Elsewhere {
            namespace: "n".into(),
            release: release.into(),
            object: object.into(),
        };
        recorded.note_elsewhere(record("b", "b.v1"), false);
        recorded.note_elsewhere(record("b", "b.v2"), false);
        assert_eq!((recorded.is_elsewhere("n", "a"), recorded.is_elsewhere("n", "b")), (None, Some(true)));
        recorded.listed("Secret");
        recorded.listed("ConfigMap");
        assert_eq!((recorded.is_elsewhere("n", "a"), recorded.is_elsewhere("m", "b")), (Some(false), Some(false)));
        recorded.note_elsewhere(record("b", "b.v1"), true);
        assert_eq!(recorded.is_elsewhere("n", "b"), Some(true));
        recorded.note_elsewhere(record("b", "b.v2"), true);
        assert_eq!(recorded.is_elsewhere("n", "b"), Some(false));
    }

    #[tokio::test]
    async fn nobody_waits_for_ever() {
        let told = Recorded::default();
        told.listed("Secret");
        told.listed("ConfigMap");
        told.settled().await;
        let mut never = Recorded::default();
        never.began -= PATIENCE;
        never.settled().await;
    }
}
