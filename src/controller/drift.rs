//! What is remembered of changes by others to a release's objects: which are to be looked at, which were found to be in
//! order, and which are changed again and again. Pure: the watches' knowledge and the time are handed in.

use crate::cluster::{ObjectId, Sight, compare_versions};
use jiff::{SignedDuration, Timestamp};
use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// A correction within this time of the last one counts as one of a fight.
const FIGHT_WITHIN: SignedDuration = SignedDuration::from_mins(1);
/// Corrections in a row that are made at once.
const AT_ONCE: u32 = 5;
/// First and longest pause between corrections of a field that another controller keeps changing.
const PAUSE: (SignedDuration, SignedDuration) = (SignedDuration::from_secs(10), SignedDuration::from_mins(10));
/// How long to wait for a watch that has not listed yet.
const LISTING: SignedDuration = SignedDuration::from_secs(1);

/// The memory of one release.
#[derive(Debug, Default)]
pub struct Watchfulness {
    /// The revision that it is about.
    version: u32,
    /// Versions of objects as they were last applied: what a watch knows may be older.
    applied: BTreeMap<ObjectId, String>,
    /// Objects that a watch said are gone.
    gone: BTreeSet<ObjectId>,
    /// Objects that were found to be in order, and the shape that they had.
    accepted: HashMap<ObjectId, Option<String>>,
    /// Corrections in a row, and when the last one was.
    corrections: HashMap<ObjectId, (u32, Timestamp)>,
    /// Objects that are not looked at before that.
    paused: BTreeMap<ObjectId, Timestamp>,
    /// Whether all objects were looked for since the operator began.
    looked: bool,
    /// When a look is worth it even if nothing happens until then.
    again: Option<Timestamp>,
}

impl Watchfulness {
    /// A watch said that an object is gone.
    pub fn is_gone(&mut self, object: ObjectId) {
        self.gone.insert(object);
    }

    /// A revision was applied; these are its objects' versions.
    pub fn applied(&mut self, version: u32, versions: BTreeMap<ObjectId, String>) {
        let corrections = std::mem::take(&mut self.corrections);
        *self = Self { version, applied: versions, corrections, looked: true, ..Self::default() };
    }

    /// The objects that somebody may have changed. `shapes` are those of `objects` as they were applied, or none at all.
    pub fn suspects(
        &mut self,
        version: u32,
        objects: &[ObjectId],
        shapes: &[String],
        sight: impl Fn(&ObjectId) -> Sight,
        now: Timestamp,
    ) -> BTreeSet<ObjectId> {
        if self.version != version {
            let corrections = std::mem::take(&mut self.corrections);
            *self = Self { version, corrections, ..Self::default() };
        }
        self.paused.retain(|_, until| *until > now);
        self.again = self.paused.values().min().copied();
        let mut suspects = BTreeSet::new();
        let mut listed = true;
        for (at, object) in objects.iter().enumerate() {
            if self.paused.contains_key(object) {
                continue;
            }
            let suspect = match sight(object) {
                Sight::Unknown => {
                    listed = false;
                    self.gone.contains(object)
                }
                // Missed at the first look: that is remembered, since a second question must have the same answer.
                Sight::Absent if !self.looked && !self.accepted.contains_key(object) => {
                    self.gone.insert(object.clone());
                    true
                }
                Sight::Absent => self.gone.contains(object),
                Sight::There { resource_version, .. } if self.is_older(object, &resource_version) => false,
                Sight::There { shape, .. } => {
                    // It may have been made again after it went away.
                    self.gone.remove(object);
                    let known = match self.accepted.get(object) {
                        Some(accepted) => Some(accepted.clone()),
                        None => shapes.get(at).map(|shape| (!shape.is_empty()).then(|| shape.clone())),
                    };
                    known != Some(shape)
                }
            };
            if suspect {
                suspects.insert(object.clone());
            }
        }
        self.gone.retain(|object| suspects.contains(object) || self.paused.contains_key(object));
        if listed {
            self.looked = true;
        } else if !self.looked {
            let soon = now + LISTING;
            self.again = Some(self.again.map_or(soon, |again| again.min(soon)));
        }
        suspects
    }

    /// Whether what a watch knows of an object is from before it was applied.
    fn is_older(&self, object: &ObjectId, seen: &str) -> bool {
        // What cannot be compared is taken as it is.
        self.applied.get(object).is_some_and(|applied| compare_versions(seen, applied).is_some_and(Ordering::is_lt))
    }

    /// When a look is worth it even if nothing happens until then.
    pub fn again(&self) -> Option<Timestamp> {
        self.again
    }

    /// An object was looked at and left as it is.
    pub fn accept(&mut self, object: &ObjectId, shape: Option<String>) {
        self.gone.remove(object);
        self.accepted.insert(object.clone(), shape);
    }

    /// An object was put back. If that happens again and again, gives until when it is left alone.
    pub fn corrected(
        &mut self,
        object: &ObjectId,
        shape: Option<String>,
        resource_version: String,
        now: Timestamp,
    ) -> Option<Timestamp> {
        self.accept(object, shape);
        self.applied.insert(object.clone(), resource_version);
        let (count, last) = self.corrections.get(object).copied().unwrap_or((0, now));
        let within = FIGHT_WITHIN.max(pause(count) + FIGHT_WITHIN);
        let count = if now.duration_since(last) <= within { count + 1 } else { 1 };
        self.corrections.insert(object.clone(), (count, now));
        if count <= AT_ONCE {
            return None;
        }
        let until = now + pause(count);
        self.paused.insert(object.clone(), until);
        self.again = Some(self.again.map_or(until, |again| again.min(until)));
        Some(until)
    }
}

/// The pause after this many corrections in a row.
fn pause(count: u32) -> SignedDuration {
    if count <= AT_ONCE {
        return SignedDuration::ZERO;
    }
    (PAUSE.0 * (1 << (count - AT_ONCE - 1).min(10))).min(PAUSE.1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn object(name: &str) -> ObjectId {
        ObjectId { api_version: "v1".into(), kind: "ConfigMap".into(), namespace: Some("n".into()), name: name.into() }
    }

    fn there(version: &str, shape: &str) -> Sight {
        Sight::There { resource_version: version.into(), shape: (!shape.is_empty()).then(|| shape.into()) }
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_767_225_600 + second).unwrap()
    }

    fn names(suspects: &BTreeSet<ObjectId>) -> Vec<&str> {
        suspects.iter().map(|object| object.name.as_str()).collect()
    }

    /// What is suspected of objects `a` and `b`, applied with the shapes `1` and `2` at version 10.
    fn check(watch: &mut Watchfulness, a: &Sight, b: &Sight, expect: &[&str]) {
        let objects = [object("a"), object("b")];
        let sight = |id: &ObjectId| if id.name == "a" { a.clone() } else { b.clone() };
        let suspects = watch.suspects(3, &objects, &["1".into(), "2".into()], sight, at(0));
        assert_eq!(names(&suspects), expect, "{a:?} {b:?}");
    }

    fn applied() -> Watchfulness {
        let mut watch = Watchfulness::default();
        watch.applied(3, [(object("a"), "10".into()), (object("b"), "10".into())].into());
        watch
    }

    #[test]
    fn shapes_tell_who_is_suspect() {
        for (a, b, expect) in [
            (there("10", "1"), there("10", "2"), vec![]),
            (there("11", "1"), there("12", "9"), vec!["b"]),
            (there("11", ""), there("12", "2"), vec!["a"]),
            // What the watch knows is from before the apply.
            (there("9", "old"), there("9", ""), vec![]),
            // The watch has not seen it yet.
            (Sight::Absent, Sight::Unknown, vec![]),
        ] {
            check(&mut applied(), &a, &b, &expect);
        }
    }

    #[test]
    fn what_is_gone_is_suspect_until_it_is_there_again() {
        let mut watch = applied();
        watch.is_gone(object("a"));
        watch.is_gone(object("not of this release"));
        check(&mut watch, &Sight::Absent, &there("10", "2"), &["a"]);
        check(&mut watch, &Sight::Absent, &there("10", "2"), &["a"]);
        watch.corrected(&object("a"), Some("1".into()), "20".into(), at(0));
        check(&mut watch, &Sight::Absent, &there("10", "2"), &[]);
        check(&mut watch, &there("20", "1"), &there("10", "2"), &[]);
    }

    #[test]
    fn after_a_restart_everything_is_looked_for_once_the_watches_have_listed() {
        let mut watch = Watchfulness::default();
        check(&mut watch, &Sight::Unknown, &there("5", "2"), &[]);
        assert_eq!(watch.again(), Some(at(1)));
        check(&mut watch, &Sight::Absent, &there("5", "2"), &["a"]);
        // Asked twice, it says the same: the planner asks first, and then who looks.
        check(&mut watch, &Sight::Absent, &there("5", "2"), &["a"]);
        watch.accept(&object("a"), None);
        check(&mut watch, &Sight::Absent, &there("5", "2"), &[]);
        assert_eq!(watch.again(), None);
    }

    #[test]
    fn what_was_accepted_is_suspect_when_it_changes_again() {
        let mut watch = applied();
        check(&mut watch, &there("11", "7"), &there("10", "2"), &["a"]);
        watch.accept(&object("a"), Some("7".into()));
        check(&mut watch, &there("11", "7"), &there("10", "2"), &[]);
        check(&mut watch, &there("12", "8"), &there("10", "2"), &["a"]);
    }

    #[test]
    fn a_fight_is_left_with_growing_pauses() {
        let mut watch = applied();
        let a = object("a");
        let mut fix = |second: i64| {
            watch.corrected(&a, None, "1".into(), at(second)).map(|until| until.duration_since(at(second)).as_secs())
        };
        let pauses: Vec<_> = [0, 1, 2, 3, 4, 5, 16, 40, 90].into_iter().map(&mut fix).collect();
        assert_eq!(pauses, [None, None, None, None, None, Some(10), Some(20), Some(40), Some(80)]);
        // Peace for long enough.
        assert_eq!(fix(1000), None);
        check(&mut watch, &there("11", "7"), &there("10", "2"), &[]);
    }
}
