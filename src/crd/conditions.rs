//! Conditions as kstatus reads them: Ready says how it is, Reconciling that something goes on, Stalled that nothing will
//! until somebody acts. Reconciling and Stalled are there only when true.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};

/// Whether the object is as its spec says.
pub const READY: &str = "Ready";
/// Whether something is being done. Absent when not.
pub const RECONCILING: &str = "Reconciling";
/// Whether nothing will be done until somebody acts. Absent when not.
pub const STALLED: &str = "Stalled";
/// Whether there is a plan: to be approved, or being carried out. Absent when not.
pub const PLANNED: &str = "Planned";
/// Whether the last install, upgrade, rollback or uninstall went well.
pub const RELEASED: &str = "Released";
/// Whether a failed release has been undone.
pub const REMEDIATED: &str = "Remediated";
/// Whether the chart's tests passed.
pub const TEST_SUCCESS: &str = "TestSuccess";

/// The order in which conditions are listed: how it is, what goes on or would, how that came about.
const ORDER: [&str; 7] = [READY, RECONCILING, STALLED, PLANNED, RELEASED, TEST_SUCCESS, REMEDIATED];

/// Longest message of a condition in bytes; the API allows 32768.
const LONGEST_MESSAGE: usize = 20_000;

/// A condition's status.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It holds.
    True,
    /// It does not hold.
    False,
    /// It is not known.
    Unknown,
}

impl Status {
    /// The word that stands in the object.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::True => "True",
            Status::False => "False",
            Status::Unknown => "Unknown",
        }
    }
}

impl From<bool> for Status {
    fn from(holds: bool) -> Self {
        if holds { Status::True } else { Status::False }
    }
}

/// The condition of that type.
pub fn find<'a>(conditions: &'a [Condition], kind: &str) -> Option<&'a Condition> {
    conditions.iter().find(|c| c.type_ == kind)
}

/// Whether the condition is there and true.
pub fn is_true(conditions: &[Condition], kind: &str) -> bool {
    find(conditions, kind).is_some_and(|c| c.status == Status::True.as_str())
}

/// An object's conditions on their way to the next status: the generation and the clock are the same for all of them.
pub struct Conditions<'a> {
    /// The conditions, in the order of [`ORDER`], whatever came first.
    pub list: &'a mut Vec<Condition>,
    /// The generation of the spec that they speak of.
    pub generation: Option<i64>,
    /// The time of a transition.
    pub now: &'a Time,
}

impl Conditions<'_> {
    /// Sets a condition. Its transition time is kept when its status is the same as before.
    pub fn set(&mut self, kind: &str, status: Status, reason: &str, message: &str) {
        let condition = Condition {
            type_: kind.to_owned(),
            status: status.as_str().to_owned(),
            reason: if reason.is_empty() { "Unknown".to_owned() } else { reason.to_owned() },
            message: shorten(message),
            observed_generation: self.generation,
            last_transition_time: self.now.clone(),
        };
        match self.list.iter_mut().find(|c| c.type_ == kind) {
            Some(old) if old.status == condition.status => {
                *old = Condition { last_transition_time: old.last_transition_time.clone(), ..condition };
            }
            Some(old) => *old = condition,
            None => {
                self.list.push(condition);
                self.list.sort_by_key(|c| ORDER.iter().position(|kind| *kind == c.type_).unwrap_or(ORDER.len()));
            }
        }
    }

    /// Removes a condition.
    pub fn remove(&mut self, kind: &str) {
        self.list.retain(|c| c.type_ != kind);
    }

    /// All is as the spec says.
    pub fn ready(&mut self, reason: &str, message: &str) {
        self.set(READY, Status::True, reason, message);
        self.remove(RECONCILING);
        self.remove(STALLED);
    }

    /// Something is being done; Ready is Unknown until it is known how it ends.
    pub fn reconciling(&mut self, reason: &str, message: &str) {
        self.set(READY, Status::Unknown, reason, message);
        self.set(RECONCILING, Status::True, reason, message);
        self.remove(STALLED);
    }

    /// Something failed and will be tried again.
    pub fn retrying(&mut self, reason: &str, message: &str) {
        self.set(READY, Status::False, reason, message);
        self.set(RECONCILING, Status::True, "ProgressingWithRetry", message);
        self.remove(STALLED);
    }

    /// Something failed and will not be tried again until somebody acts.
    pub fn stalled(&mut self, reason: &str, message: &str) {
        self.set(READY, Status::False, reason, message);
        self.set(STALLED, Status::True, reason, message);
        self.remove(RECONCILING);
    }
}

fn shorten(message: &str) -> String {
    if message.len() <= LONGEST_MESSAGE {
        return message.to_owned();
    }
    format!("{}…", &message[..message.floor_char_boundary(LONGEST_MESSAGE)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn at(second: i64) -> Time {
        Time(k8s_openapi::jiff::Timestamp::from_second(second).unwrap())
    }

    fn text(conditions: &[Condition]) -> String {
        let one = |c: &Condition| {
            let generation = c.observed_generation.unwrap_or(-1);
            format!("{}={} {} g{generation} t{}", c.type_, c.status, c.reason, c.last_transition_time.0.as_second())
        };
        conditions.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_life() {
        let mut list = Vec::new();
        let mut check = |second: i64, generation: i64, act: fn(&mut Conditions<'_>), expected: &str| {
            act(&mut Conditions { list: &mut list, generation: Some(generation), now: &at(second) });
            assert_eq!(text(&list), expected, "at {second}");
        };
        check(
            1,
            1,
            |c| c.reconciling("Progressing", "m"),
            "Ready=Unknown Progressing g1 t1; Reconciling=True Progressing g1 t1",
        );
        check(
            2,
            1,
            |c| c.retrying("InstallFailed", "m"),
            "Ready=False InstallFailed g1 t2; Reconciling=True ProgressingWithRetry g1 t1",
        );
        check(
            3,
            1,
            |c| c.stalled("RetriesExceeded", "m"),
            "Ready=False RetriesExceeded g1 t2; Stalled=True RetriesExceeded g1 t3",
        );
        check(4, 2, |c| c.ready("InstallSucceeded", "m"), "Ready=True InstallSucceeded g2 t4");
        check(5, 3, |c| c.ready("UpgradeSucceeded", "n"), "Ready=True UpgradeSucceeded g3 t4");
        check(
            6,
            3,
            |c| c.set(RELEASED, Status::True, "", "n"),
            "Ready=True UpgradeSucceeded g3 t4; Released=True Unknown g3 t6",
        );
        assert!(is_true(&list, READY) && !is_true(&list, STALLED));
    }

    #[test]
    fn long_messages_are_cut_at_a_character() {
        let cut = shorten(&"ü".repeat(LONGEST_MESSAGE));
        assert!(cut.len() < LONGEST_MESSAGE + 5 && cut.ends_with("ü…"));
    }
}
