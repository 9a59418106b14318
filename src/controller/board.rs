//! What is known of the Leases by which replicas share the work, and what follows from it: which shards to claim, how many to
//! give away. Pure: Leases and the time are handed in.
//!
//! Of a Lease that somebody holds only this counts: how long ago it was last *seen* to change, by our own clock. Clocks of
//! other machines play no part.

use k8s_openapi::api::coordination::v1::Lease;
use std::{
    collections::{BTreeMap, BTreeSet, btree_map::Entry},
    time::{Duration, Instant},
};

/// What a Lease of ours is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The work of one shard of so many.
    Shard(u16, u16),
    /// Saying that a replica is alive.
    Member,
}

/// The names of the Leases of one installation.
#[derive(Debug, Clone)]
pub struct Names {
    base: String,
}

impl Names {
    /// Of this name and what begins with it.
    pub fn new(base: &str) -> Self {
        Self { base: base.to_owned() }
    }

    /// A shard's. Without sharding it is the name as it was given.
    pub fn shard(&self, shard: u16, shards: u16) -> String {
        if shards <= 1 { self.base.clone() } else { format!("{}-{shard}-of-{shards}", self.base) }
    }

    /// A replica's, by the digest of its name.
    pub fn member(&self, digest: &str) -> String {
        format!("{}-member-{digest}", self.base)
    }

    /// What a Lease is for; nothing if it is none of ours.
    pub fn purpose(&self, name: &str) -> Option<Purpose> {
        let rest = name.strip_prefix(&self.base)?;
        if rest.is_empty() {
            return Some(Purpose::Shard(0, 1));
        }
        let rest = rest.strip_prefix('-')?;
        if rest.starts_with("member-") {
            return Some(Purpose::Member);
        }
        let (shard, shards) = rest.split_once("-of-")?;
        let (shard, shards) = (shard.parse().ok()?, shards.parse().ok()?);
        (shard < shards && shards > 1).then_some(Purpose::Shard(shard, shards))
    }
}

/// A Lease as it was last seen.
#[derive(Debug, Clone)]
struct Seen {
    purpose: Purpose,
    lease: Lease,
    since: Instant,
    /// It was deleted while somebody held it, who may not know yet.
    deleted: bool,
}

impl Seen {
    fn holder(&self) -> Option<&str> {
        self.lease.spec.as_ref()?.holder_identity.as_deref().filter(|holder| !holder.is_empty())
    }

    fn duration(&self) -> Duration {
        let seconds = self.lease.spec.as_ref().and_then(|spec| spec.lease_duration_seconds).unwrap_or_default();
        // Whatever is written there: nobody is waited for forever.
        Duration::from_secs(u64::try_from(seconds).unwrap_or_default()).min(Duration::from_secs(3600))
    }

    /// Whether somebody may count on it.
    fn is_in_force(&self, now: Instant) -> bool {
        self.holder().is_some() && now.saturating_duration_since(self.since) <= self.duration()
    }
}

/// A shard that may be had.
#[derive(Debug, Clone)]
pub struct Vacancy {
    /// Which one.
    pub shard: u16,
    /// Its Lease as it was last seen; nothing if there is none.
    pub lease: Option<Lease>,
}

/// All that is known.
#[derive(Debug)]
pub struct Board {
    names: Names,
    shards: u16,
    me: String,
    seen: BTreeMap<String, Seen>,
}

impl Board {
    /// Nothing is known yet.
    pub fn new(names: Names, shards: u16, me: &str) -> Self {
        Self { names, shards: shards.max(1), me: me.to_owned(), seen: BTreeMap::new() }
    }

    /// A Lease is as it is here. What is seen twice is no sign of life.
    pub fn see(&mut self, lease: &Lease, now: Instant) {
        let Some(name) = lease.metadata.name.clone() else { return };
        let Some(purpose) = self.names.purpose(&name) else { return };
        let new = Seen { purpose, lease: lease.clone(), since: now, deleted: false };
        match self.seen.entry(name) {
            Entry::Occupied(old) if old.get().lease.metadata.resource_version == lease.metadata.resource_version => {}
            Entry::Occupied(mut old) => {
                old.insert(new);
            }
            Entry::Vacant(place) => {
                place.insert(new);
            }
        }
    }

    /// A Lease is gone. Whoever held it may still count on it for as long as it would have lasted.
    pub fn gone(&mut self, name: &str) {
        match self.seen.get_mut(name) {
            Some(seen) if seen.purpose != Purpose::Member && seen.holder().is_some() => seen.deleted = true,
            Some(_) => {
                self.seen.remove(name);
            }
            None => {}
        }
    }

    /// These are all the Leases that there are.
    pub fn only(&mut self, names: &BTreeSet<String>) {
        let gone: Vec<String> = self.seen.keys().filter(|name| !names.contains(*name)).cloned().collect();
        for name in gone {
            self.gone(&name);
        }
    }

    /// Replicas that are alive, this one included.
    pub fn alive(&self, now: Instant) -> usize {
        let members = self.seen.values().filter(|seen| seen.purpose == Purpose::Member && seen.is_in_force(now));
        1 + members.filter(|seen| seen.holder() != Some(&self.me)).count()
    }

    /// The most shards that a replica takes. The sum over all replicas is no less than the number of shards, so that none is
    /// left over while all are alive.
    pub fn share(&self, now: Instant) -> usize {
        usize::from(self.shards).div_ceil(self.alive(now))
    }

    /// Shards that nobody can count on; what this replica holds itself is handed in. Each begins to look at another place, so
    /// that they do not all go for the same.
    pub fn vacant(&self, held: &BTreeSet<u16>, now: Instant) -> Vec<Vacancy> {
        let begin = self.me.bytes().fold(0_u16, |sum, byte| sum.wrapping_mul(31).wrapping_add(u16::from(byte)));
        let order =
            (0..self.shards).map(|at| u16::try_from((u32::from(begin) + u32::from(at)) % u32::from(self.shards)));
        let mut vacant = Vec::new();
        for shard in order.flatten().filter(|shard| !held.contains(shard)) {
            match self.seen.get(&self.names.shard(shard, self.shards)) {
                None => vacant.push(Vacancy { shard, lease: None }),
                // Of this name: an earlier life of this process.
                Some(seen) if seen.is_in_force(now) && (seen.deleted || seen.holder() != Some(&self.me)) => {}
                Some(seen) if seen.deleted => vacant.push(Vacancy { shard, lease: None }),
                Some(seen) => vacant.push(Vacancy { shard, lease: Some(seen.lease.clone()) }),
            }
        }
        vacant
    }

    /// A Lease of another number of shards that somebody counts on: with it objects belong to others.
    pub fn otherwise_divided(&self, now: Instant) -> Option<&str> {
        let other = |seen: &Seen| matches!(seen.purpose, Purpose::Shard(_, shards) if shards != self.shards);
        self.seen.iter().find(|(_, seen)| other(seen) && seen.is_in_force(now)).map(|(name, _)| name.as_str())
    }

    /// Replicas that have said nothing for ten times as long as they may.
    pub fn forgotten(&self, now: Instant) -> Vec<String> {
        let long = |seen: &Seen| now.saturating_duration_since(seen.since) > seen.duration().saturating_mul(10);
        let members = self.seen.iter().filter(|(_, seen)| seen.purpose == Purpose::Member && long(seen));
        members.map(|(name, _)| name.clone()).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::chance::Chance;
    use k8s_openapi::api::coordination::v1::LeaseSpec;
    use kube::api::ObjectMeta;

    const DURATION: Duration = Duration::from_secs(10);

    fn lease(name: &str, holder: &str, version: u64) -> Lease {
        let spec = LeaseSpec {
            holder_identity: (!holder.is_empty()).then(|| holder.to_owned()),
            lease_duration_seconds: Some(10),
            ..LeaseSpec::default()
        };
        let metadata = ObjectMeta {
            name: Some(name.to_owned()),
            resource_version: Some(version.to_string()),
            ..ObjectMeta::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    fn board(shards: u16, me: &str) -> Board {
        Board::new(Names::new("pintle"), shards, me)
    }

    fn vacant(board: &Board, now: Instant) -> BTreeSet<u16> {
        board.vacant(&BTreeSet::new(), now).iter().map(|vacancy| vacancy.shard).collect()
    }

    #[test]
    fn names_say_what_leases_are_for() {
        let names = Names::new("pintle");
        for (name, expect) in [
            ("pintle", Some(Purpose::Shard(0, 1))),
            ("pintle-0-of-6", Some(Purpose::Shard(0, 6))),
            ("pintle-5-of-6", Some(Purpose::Shard(5, 6))),
            ("pintle-6-of-6", None),
            ("pintle-0-of-1", None),
            ("pintle-member-ab", Some(Purpose::Member)),
            ("pintle2", None),
            ("pintle-two-of-six", None),
            ("other", None),
        ] {
            assert_eq!(names.purpose(name), expect, "{name}");
        }
        assert_eq!(names.purpose(&names.shard(0, 1)), Some(Purpose::Shard(0, 1)));
        assert_eq!(names.purpose(&names.shard(4, 7)), Some(Purpose::Shard(4, 7)));
    }

    #[test]
    fn a_lease_lasts_from_when_its_last_change_was_seen() {
        let start = Instant::now();
        let mut board = board(2, "me");
        assert_eq!(vacant(&board, start), [0, 1].into());
        board.see(&lease("pintle-0-of-2", "other", 1), start);
        board.see(&lease("pintle-1-of-2", "", 1), start);
        assert_eq!(vacant(&board, start + DURATION), [1].into());
        // The same again is no sign of life.
        board.see(&lease("pintle-0-of-2", "other", 1), start + DURATION);
        assert_eq!(vacant(&board, start + DURATION + Duration::from_millis(1)), [0, 1].into());
        board.see(&lease("pintle-0-of-2", "other", 2), start + DURATION);
        assert_eq!(vacant(&board, start + DURATION * 2), [1].into());
        // What was held by an earlier life of this process is its own.
        board.see(&lease("pintle-0-of-2", "me", 3), start + DURATION);
        assert_eq!(vacant(&board, start + DURATION), [0, 1].into());
    }

    #[test]
    fn whoever_holds_a_deleted_lease_is_waited_for() {
        let start = Instant::now();
        let mut board = board(1, "me");
        board.see(&lease("pintle", "other", 1), start);
        board.only(&BTreeSet::new());
        assert!(vacant(&board, start + DURATION).is_empty());
        let vacancies = board.vacant(&BTreeSet::new(), start + DURATION * 2);
        assert!(vacancies[0].lease.is_none());
    }

    #[test]
    fn replicas_share_fairly() {
        let start = Instant::now();
        let mut board = board(6, "me");
        assert_eq!(board.share(start), 6);
        board.see(&lease("pintle-member-me", "me", 1), start);
        assert_eq!(board.share(start), 6);
        board.see(&lease("pintle-member-a", "a", 1), start);
        board.see(&lease("pintle-member-b", "b", 1), start);
        board.see(&lease("pintle-member-c", "", 1), start);
        assert_eq!((board.alive(start), board.share(start)), (3, 2));
        board.gone("pintle-member-b");
        assert_eq!((board.alive(start), board.share(start)), (2, 3));
        assert_eq!(board.share(start + DURATION * 2), 6);
        assert!(board.forgotten(start + DURATION * 9).is_empty());
        assert_eq!(board.forgotten(start + DURATION * 11), ["pintle-member-a", "pintle-member-c", "pintle-member-me"]);
    }

    #[test]
    fn another_division_of_the_work_is_seen() {
        let start = Instant::now();
        let mut board = board(6, "me");
        for (name, holder) in [("pintle-0-of-6", "a"), ("pintle-1-of-8", ""), ("pintle-member-a", "a"), ("x", "a")] {
            board.see(&lease(name, holder, 1), start);
        }
        assert_eq!(board.otherwise_divided(start), None);
        board.see(&lease("pintle", "old", 1), start);
        assert_eq!(board.otherwise_divided(start), Some("pintle"));
        assert_eq!(board.otherwise_divided(start + DURATION * 2), None);
    }

    /// The server's Leases: written only by whoever knows the present version.
    #[derive(Default)]
    struct Server {
        leases: BTreeMap<String, Lease>,
        version: u64,
    }

    impl Server {
        fn write(&mut self, name: &str, holder: &str, known: Option<&Lease>) -> bool {
            let there = self.leases.get(name).map(|lease| lease.metadata.resource_version.clone());
            if there != known.map(|lease| lease.metadata.resource_version.clone()) {
                return false;
            }
            self.version += 1;
            self.leases.insert(name.to_owned(), lease(name, holder, self.version));
            true
        }
    }

    /// Replicas that come, die and look at different times, seldom at once: whenever nobody dies for a while, every shard
    /// is held by one, and none by more than one at any time.
    #[test]
    fn every_shard_is_soon_held_and_never_twice() {
        for (shards, seed) in [(1, 1), (2, 2), (5, 3), (6, 4), (6, 5), (7, 6), (16, 7)] {
            let mut chance = Chance(seed);
            let start = Instant::now();
            let mut server = Server::default();
            let mut boards: Vec<(Board, BTreeSet<u16>, bool)> =
                (0..4).map(|at| (board(shards, &format!("r{at}")), BTreeSet::new(), at == 0)).collect();
            for second in 0..400_u32 {
                let now = start + Duration::from_secs(u64::from(second));
                if second % 60 == 0 {
                    // Whoever dies forgets; its Leases run out by themselves.
                    let at = chance.below(4);
                    let (board_, held, alive) = &mut boards[at];
                    *alive = !*alive;
                    held.clear();
                    *board_ = board(shards, &format!("r{at}-{second}"));
                    let (_, _, first) = &mut boards[0];
                    *first = true;
                }
                for (board, held, alive) in &mut boards {
                    if !*alive {
                        continue;
                    }
                    // A watch may lag, but not for as long as the holder renews.
                    if chance.below(3) > 0 || second % 3 == 0 {
                        for lease in server.leases.values() {
                            board.see(lease, now);
                        }
                    }
                    let member = board.names.member(&board.me);
                    let known = server.leases.get(&member).cloned();
                    assert!(server.write(&member, &board.me, known.as_ref()));
                    for shard in held.iter() {
                        let name = board.names.shard(*shard, shards);
                        let known = server.leases.get(&name).cloned();
                        assert_eq!(
                            known.as_ref().unwrap().spec.as_ref().unwrap().holder_identity.as_ref(),
                            Some(&board.me)
                        );
                        assert!(server.write(&name, &board.me, known.as_ref()));
                    }
                    let share = board.share(now);
                    while held.len() > share {
                        let shard = held.pop_last().unwrap();
                        let name = board.names.shard(shard, shards);
                        let known = server.leases.get(&name).cloned();
                        assert!(server.write(&name, "", known.as_ref()));
                        board.see(&server.leases[&name], now);
                    }
                    for vacancy in board.vacant(held, now).into_iter().take(share - held.len()) {
                        let name = board.names.shard(vacancy.shard, shards);
                        if server.write(&name, &board.me, vacancy.lease.as_ref()) {
                            held.insert(vacancy.shard);
                        }
                        if let Some(lease) = server.leases.get(&name) {
                            board.see(lease, now);
                        }
                    }
                }
                let held: Vec<u16> = boards.iter().flat_map(|(_, held, _)| held.iter().copied()).collect();
                let distinct: BTreeSet<u16> = held.iter().copied().collect();
                assert_eq!(held.len(), distinct.len(), "{shards} shards, seed {seed}, second {second}: {boards:?}");
                if second % 60 > 40 {
                    assert_eq!(distinct.len(), usize::from(shards), "{shards} shards, seed {seed}, second {second}");
                    let alive = boards.iter().filter(|(_, _, alive)| *alive).count();
                    let most = usize::from(shards).div_ceil(alive);
                    assert!(boards.iter().all(|(_, held, _)| held.len() <= most), "{shards} shards, seed {seed}");
                }
            }
        }
    }
}
