//! Which HelmReleases and HelmRepositories are this process's to work on, where several share the work.
//!
//! An object belongs to the shard that the hash of its namespace and name gives. [`super::leases`] says which shards are held;
//! here is who is at work in them, so that a shard is given away only when nobody is.

use super::live::Key;
use crate::source::Sha256;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
};
use tokio::sync::{Notify, watch};

/// The shard of an object: the first eight bytes, big end first, of the SHA-256 of `namespace/name`, modulo the number of
/// shards. All replicas must agree on it, those of other versions included: it does not change.
#[must_use]
pub fn shard_of(key: &Key, shards: u16) -> u16 {
    let digest = Sha256::of(format!("{}/{}", key.namespace, key.name).as_bytes());
    let number = digest.as_bytes().iter().take(8).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    u16::try_from(number % u64::from(shards.max(1))).unwrap_or_default()
}

/// What happens to a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// From now on its objects are ours.
    Gained(u16),
    /// They are no longer, and nobody works on them.
    Left(u16),
}

/// Told of changes.
type Attendant = Box<dyn Fn(Change) + Send + Sync>;

/// The shards that this process holds.
pub struct Territory {
    /// How many there are; nothing if all the work is ours without a lease.
    shards: Option<u16>,
    held: Mutex<BTreeMap<u16, Holding>>,
    /// Told when a shard that is being left has fallen quiet.
    quiet: Notify,
    attendant: OnceLock<Attendant>,
    /// Whether there ever was a shard.
    begun: watch::Sender<bool>,
}

#[derive(Default)]
struct Holding {
    leaving: bool,
    busy: usize,
}

impl Territory {
    /// Everything is ours, always.
    pub fn whole() -> Arc<Self> {
        Self::new(None)
    }

    /// Of so many shards none is ours yet.
    pub fn shared(shards: u16) -> Arc<Self> {
        Self::new(Some(shards.max(1)))
    }

    fn new(shards: Option<u16>) -> Arc<Self> {
        Arc::new(Self {
            shards,
            held: Mutex::default(),
            quiet: Notify::new(),
            attendant: OnceLock::new(),
            begun: watch::Sender::new(shards.is_none()),
        })
    }

    fn held(&self) -> MutexGuard<'_, BTreeMap<u16, Holding>> {
        // A panic elsewhere leaves numbers that are still numbers.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has changes told from now on. The first attendant stays.
    pub fn attend(&self, attendant: impl Fn(Change) + Send + Sync + 'static) {
        let _ = self.attendant.set(Box::new(attendant));
    }

    fn tell(&self, change: Change) {
        if let Some(attendant) = self.attendant.get() {
            attendant(change);
        }
    }

    /// Waits for the first shard.
    pub async fn begun(&self) {
        // The sender is ours.
        let _ = self.begun.subscribe().wait_for(|begun| *begun).await;
    }

    /// Whether others may be at work beside us.
    pub fn is_shared(&self) -> bool {
        self.shards.is_some_and(|shards| shards > 1)
    }

    /// Whether an object is ours, and is to stay so.
    pub fn owns(&self, key: &Key) -> bool {
        match self.shards {
            None => true,
            Some(shards) => self.held().get(&shard_of(key, shards)).is_some_and(|holding| !holding.leaving),
        }
    }

    /// Whether an object is in this shard.
    pub fn is_in(&self, key: &Key, shard: u16) -> bool {
        self.shards.is_some_and(|shards| shard_of(key, shards) == shard)
    }

    /// Begins work on an object; nothing if it is not ours. Its shard is not given away before what is returned is dropped.
    pub fn enter(self: &Arc<Self>, key: &Key) -> Option<Working> {
        let Some(shards) = self.shards else { return Some(Working { at: None }) };
        let shard = shard_of(key, shards);
        let mut held = self.held();
        let holding = held.get_mut(&shard).filter(|holding| !holding.leaving)?;
        holding.busy += 1;
        Some(Working { at: Some((Arc::clone(self), shard)) })
    }

    /// A lease was had: work may begin.
    pub fn gain(&self, shard: u16) {
        self.held().insert(shard, Holding::default());
        self.begun.send_replace(true);
        self.tell(Change::Gained(shard));
    }

    /// Nobody begins work in a shard any more.
    pub fn leave(&self, shard: u16) {
        if let Some(holding) = self.held().get_mut(&shard) {
            holding.leaving = true;
        }
    }

    /// The shards that are being left and in which nobody is at work any more.
    pub fn empty(&self) -> Vec<u16> {
        let held = self.held();
        held.iter().filter(|(_, holding)| holding.leaving && holding.busy == 0).map(|(shard, _)| *shard).collect()
    }

    /// The shards that are ours and are to stay so.
    pub fn kept(&self) -> Vec<u16> {
        self.held().iter().filter(|(_, holding)| !holding.leaving).map(|(shard, _)| *shard).collect()
    }

    /// An empty shard is about to be given away.
    pub fn lose(&self, shard: u16) {
        self.tell(Change::Left(shard));
        self.held().remove(&shard);
    }

    /// Waits until a shard that is being left falls quiet.
    pub async fn quiet(&self) {
        self.quiet.notified().await;
    }
}

/// Work on an object of a shard.
pub struct Working {
    at: Option<(Arc<Territory>, u16)>,
}

impl Drop for Working {
    fn drop(&mut self) {
        let Some((territory, shard)) = &self.at else { return };
        let mut held = territory.held();
        let Some(holding) = held.get_mut(shard) else { return };
        holding.busy = holding.busy.saturating_sub(1);
        if holding.leaving && holding.busy == 0 {
            territory.quiet.notify_one();
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(namespace: &str, name: &str) -> Key {
        Key { namespace: namespace.into(), name: name.into() }
    }

    #[test]
    fn the_shard_of_an_object_never_changes() {
        // What `printf shop/web | sha256sum` begins with, modulo the number.
        for (namespace, name, shards, expect) in [
            ("shop", "web", 1, 0),
            ("shop", "web", 6, SHOP_WEB % 6),
            ("shop", "web", 1000, SHOP_WEB % 1000),
            ("default", "a", 7, DEFAULT_A % 7),
            ("default", "a", 0, 0),
        ] {
            assert_eq!(u64::from(shard_of(&key(namespace, name), shards)), expect, "{namespace}/{name} of {shards}");
        }
    }

    const SHOP_WEB: u64 = 0x97375646b1deb3d2;
    const DEFAULT_A: u64 = 0x9efb36117d50566e;

    #[test]
    fn objects_spread_evenly() {
        let mut counts = [0_u32; 6];
        for at in 0..6000 {
            counts[usize::from(shard_of(&key("n", &format!("release-{at}")), 6))] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_shard_is_empty_only_when_nobody_is_at_work_in_it() {
        let territory = Territory::shared(1);
        let web = key("shop", "web");
        assert!(territory.enter(&web).is_none());
        territory.gain(0);
        let (one, other) = (territory.enter(&web).unwrap(), territory.enter(&web).unwrap());
        territory.leave(0);
        assert!(territory.enter(&web).is_none() && !territory.owns(&web));
        drop(one);
        assert!(territory.empty().is_empty());
        drop(other);
        assert_eq!(territory.empty(), [0]);
        territory.lose(0);
        assert!(territory.empty().is_empty());
        territory.gain(0);
        assert!(territory.owns(&web) && territory.kept() == [0]);
    }

    #[test]
    fn without_leases_everything_is_ours() {
        let territory = Territory::whole();
        assert!(territory.enter(&key("a", "b")).is_some() && territory.owns(&key("a", "b")));
        assert!(!territory.is_shared() && territory.kept().is_empty());
    }
}
