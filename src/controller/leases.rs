//! Leases by which replicas share the work: each holds some shards, keeps them by renewing, gives away what is more than its
//! share, and takes over what nobody renews. [`Board`] knows what to claim; here it is done.
//!
//! A claim, a renewal and a farewell are each one write that fails if anybody else has written in between. A Lease counts for
//! its holder from before the renewal was *sent*, for three quarters of its duration; for others it lasts the whole of it from
//! when they *saw* the renewal. So both never count on it at once, whatever the clocks of the machines say. When the holder's
//! time is up nothing is written any more ([`Fence`]) and the process ends.

use super::{
    board::{Board, Names, Vacancy},
    territory::Territory,
};
use crate::{cluster::Fence, source::Sha256};
use futures::{StreamExt, future::join_all};
use jiff::Timestamp;
use k8s_openapi::{
    api::coordination::v1::{Lease, LeaseSpec},
    apimachinery::pkg::apis::meta::v1::MicroTime,
};
use kube::{
    Api, Client, ResourceExt,
    api::{DeleteParams, ListParams, ObjectMeta, PostParams},
    runtime::{
        WatchStreamExt,
        watcher::{self, watcher},
    },
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tokio::sync::watch;

/// How the work is shared.
#[derive(Debug, Clone)]
pub struct Election {
    /// Namespace of the Leases.
    pub namespace: String,
    /// What their names begin with; the name of the one Lease if there is one shard.
    pub name: String,
    /// This process's name in them.
    pub identity: String,
    /// Into how many shards the work is divided. All replicas must say the same; those that do not wait for each other.
    pub shards: u16,
    /// How long a Lease lasts that is not renewed.
    pub duration: Duration,
}

impl Election {
    /// After which part of the duration a Lease is renewed.
    fn renewal(&self) -> Duration {
        self.duration / 4
    }

    /// For how long a Lease counts for its holder.
    fn validity(&self) -> Duration {
        self.duration * 3 / 4
    }

    /// How long one request may take.
    fn patience(&self) -> Duration {
        self.duration / 8
    }
}

/// Why a process may not go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It was not renewed in time, or taken.
    #[error("lost lease {name}; another operator may be at work: ending at once")]
    Lost {
        /// The Lease.
        name: String,
    },
}

/// A Lease that is ours.
struct Held {
    lease: Box<Lease>,
    /// When its last renewal was sent.
    renewed: Instant,
}

/// What came of a write.
enum Written {
    Done(Box<Lease>),
    /// Somebody else wrote, or it is gone.
    Conflict,
    /// Nobody knows.
    Failed(String),
}

struct Keeper<'a> {
    api: Api<Lease>,
    election: &'a Election,
    names: Names,
    board: Board,
    territory: &'a Territory,
    fence: &'a Fence,
    held: BTreeMap<u16, Held>,
    member: Option<Held>,
    /// What was last complained of, so that it is not said with each try.
    said: String,
}

/// Holds a fair share of the shards until told to stop; then gives each away as soon as nobody works in it.
///
/// # Errors
/// If a Lease is lost: another may be at work already.
pub async fn keep(
    client: Client,
    election: &Election,
    territory: &Territory,
    fence: &Fence,
    stop: watch::Receiver<bool>,
) -> Result<(), Error> {
    let mut stop = std::pin::pin!(super::stopped(stop));
    let names = Names::new(&election.name);
    let api = Api::namespaced(client, &election.namespace);
    let mut events = std::pin::pin!(watcher(api.clone(), watcher::Config::default().any_semantic()).default_backoff());
    let mut keeper = Keeper {
        api,
        election,
        board: Board::new(names.clone(), election.shards, &election.identity),
        names,
        territory,
        fence,
        held: BTreeMap::new(),
        member: None,
        said: String::new(),
    };
    fence.close();
    let mut tick =
        tokio::time::interval((election.duration / 32).clamp(Duration::from_millis(50), Duration::from_secs(1)));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut listing: Option<BTreeSet<String>> = None;
    let (mut listed, mut stopping) = (false, false);
    tracing::info!(
        lease = election.name,
        namespace = election.namespace,
        identity = election.identity,
        shards = election.shards,
        "waiting for a lease"
    );
    loop {
        tokio::select! {
            event = events.next() => match event {
                Some(Ok(watcher::Event::Init)) => listing = Some(BTreeSet::new()),
                Some(Ok(watcher::Event::InitApply(lease))) => {
                    keeper.board.see(&lease, Instant::now());
                    listing.get_or_insert_default().insert(lease.name_any());
                }
                Some(Ok(watcher::Event::InitDone)) => {
                    keeper.board.only(&listing.take().unwrap_or_default());
                    listed = true;
                }
                Some(Ok(watcher::Event::Apply(lease))) => keeper.board.see(&lease, Instant::now()),
                Some(Ok(watcher::Event::Delete(lease))) => keeper.board.gone(&lease.name_any()),
                Some(Err(error)) => keeper.complain(&format!("watch of leases failed, tried again: {error}")),
                None => listed = false,
            },
            _ = tick.tick() => {}
            () = territory.quiet() => {}
            () = &mut stop, if !stopping => stopping = true,
        }
        // In the middle of a list half of what there is seems to be missing.
        let known = listed && listing.is_none();
        keeper.round(known && !stopping, stopping).await?;
        if stopping && keeper.held.is_empty() {
            keeper.farewell().await;
            return Ok(());
        }
    }
}

impl Keeper<'_> {
    /// Renews what is due, gives away what is to be, claims what is to be had.
    async fn round(&mut self, claims: bool, stopping: bool) -> Result<(), Error> {
        self.check()?;
        self.renew().await?;
        let now = Instant::now();
        let share = if stopping { 0 } else { self.board.share(now) };
        let kept = self.territory.kept();
        for shard in kept.iter().skip(share) {
            self.territory.leave(*shard);
        }
        self.give_away().await?;
        if claims {
            self.appear().await;
            // Shards that are being left count until they are gone.
            let room = share.saturating_sub(self.held.len());
            self.claim(room).await?;
        }
        self.check()
    }

    /// Whether the time of any Lease is up.
    fn check(&self) -> Result<(), Error> {
        match self.held.iter().find(|(_, held)| held.renewed.elapsed() >= self.election.validity()) {
            None => Ok(()),
            Some((shard, _)) => Err(self.lost(*shard)),
        }
    }

    fn lost(&self, shard: u16) -> Error {
        self.fence.close();
        Error::Lost { name: self.names.shard(shard, self.election.shards) }
    }

    /// Writes are let through until the first Lease runs out.
    fn set_fence(&self) {
        match self.held.values().map(|held| held.renewed).min() {
            Some(oldest) => self.fence.open_until(oldest + self.election.validity()),
            None => self.fence.close(),
        }
    }

    async fn renew(&mut self) -> Result<(), Error> {
        let (due, this) = (self.election.renewal(), &*self);
        let renewals =
            this.held.iter().filter(|(_, held)| held.renewed.elapsed() >= due).map(|(shard, held)| async move {
                let sent = Instant::now();
                (*shard, sent, this.write(&this.renewed(&held.lease)).await)
            });
        let (outcomes, member) = futures::join!(join_all(renewals), async {
            let held = this.member.as_ref().filter(|held| held.renewed.elapsed() >= due)?;
            let sent = Instant::now();
            Some((sent, this.write(&this.renewed(&held.lease)).await))
        });
        for (shard, sent, written) in outcomes {
            match written {
                Written::Done(lease) => {
                    self.held.insert(shard, Held { lease, renewed: sent });
                }
                Written::Conflict => self.reconsider(shard).await?,
                Written::Failed(why) => self.complain(&why),
            }
        }
        match member {
            Some((sent, Written::Done(lease))) => self.member = Some(Held { lease, renewed: sent }),
            // Made or read anew.
            Some((_, Written::Conflict)) => self.member = None,
            Some((_, Written::Failed(why))) => self.complain(&why),
            None => {}
        }
        self.set_fence();
        Ok(())
    }

    /// Somebody wrote a Lease of ours: it is lost if that was a claim.
    async fn reconsider(&mut self, shard: u16) -> Result<(), Error> {
        let name = self.names.shard(shard, self.election.shards);
        match tokio::time::timeout(self.election.patience(), self.api.get_opt(&name)).await {
            Ok(Ok(Some(lease))) => {
                let held = self.held.get_mut(&shard);
                let same = |one: &Lease, other: &Lease| {
                    let claim = |lease: &Lease| {
                        lease.spec.as_ref().map(|spec| (spec.holder_identity.clone(), spec.lease_transitions))
                    };
                    claim(one) == claim(other)
                };
                match held {
                    // A label, or our own renewal of which no answer came.
                    Some(held) if same(&held.lease, &lease) => *held.lease = lease,
                    _ => return Err(self.lost(shard)),
                }
            }
            Ok(Ok(None)) => return Err(self.lost(shard)),
            Ok(Err(error)) => self.complain(&format!("lease {name} cannot be read: {error}")),
            Err(_) => self.complain(&format!("lease {name} cannot be read in time")),
        }
        Ok(())
    }

    /// Gives away the shards in which nobody works any more.
    async fn give_away(&mut self) -> Result<(), Error> {
        for shard in self.territory.empty() {
            let Some(held) = self.held.get(&shard) else { continue };
            match self.write(&given_away(&held.lease)).await {
                Written::Done(lease) => {
                    self.board.see(&lease, Instant::now());
                    self.held.remove(&shard);
                    self.territory.lose(shard);
                    self.set_fence();
                    tracing::info!(shard, lease = lease.name_any(), "given away");
                }
                Written::Conflict => self.reconsider(shard).await?,
                Written::Failed(why) => self.complain(&why),
            }
        }
        Ok(())
    }

    /// Says that this replica is there. With one shard nobody needs to know.
    async fn appear(&mut self) {
        if self.election.shards <= 1 || self.member.is_some() {
            return;
        }
        let name = self.member_name();
        let sent = Instant::now();
        let found = match tokio::time::timeout(self.election.patience(), self.api.get_opt(&name)).await {
            Ok(Ok(found)) => found,
            Ok(Err(error)) => return self.complain(&format!("lease {name} cannot be read: {error}")),
            Err(_) => return self.complain(&format!("lease {name} cannot be read in time")),
        };
        match self.write(&self.claimed(&name, found.as_ref())).await {
            Written::Done(lease) => self.member = Some(Held { lease, renewed: sent }),
            Written::Conflict => {}
            Written::Failed(why) => self.complain(&why),
        }
        for name in self.board.forgotten(Instant::now()) {
            // Another may be faster; who is forgotten and alive comes back by itself.
            if self.api.delete(&name, &DeleteParams::default()).await.is_ok() {
                tracing::info!(lease = name, "deleted: its replica is gone");
            }
        }
    }

    fn member_name(&self) -> String {
        let digest = Sha256::of(self.election.identity.as_bytes()).to_string();
        self.names.member(digest.get(..16).unwrap_or(&digest))
    }

    /// Claims so many shards, if nobody has divided the work otherwise.
    async fn claim(&mut self, room: usize) -> Result<(), Error> {
        let now = Instant::now();
        if room == 0 || (self.election.shards > 1 && self.member.is_none()) {
            return Ok(());
        }
        let mine = self.held.keys().copied().collect();
        let vacant = self.board.vacant(&mine, now);
        if vacant.is_empty() {
            return Ok(());
        }
        if let Some(other) = self.board.otherwise_divided(now).map(str::to_owned) {
            self.wait_for(&other);
            return Ok(());
        }
        let this = &*self;
        let claims = vacant.iter().take(room).map(|Vacancy { shard, lease }| async move {
            let name = this.names.shard(*shard, this.election.shards);
            let sent = Instant::now();
            (*shard, sent, this.write(&this.claimed(&name, lease.as_ref())).await)
        });
        let mut claimed = BTreeMap::new();
        for (shard, sent, written) in join_all(claims).await {
            match written {
                Written::Done(lease) => {
                    claimed.insert(shard, Held { lease, renewed: sent });
                }
                Written::Conflict => {}
                Written::Failed(why) => self.complain(&why),
            }
        }
        self.look(&mut claimed).await;
        for (shard, held) in claimed {
            tracing::info!(shard, lease = held.lease.name_any(), identity = self.election.identity, "holding");
            self.said.clear();
            self.held.insert(shard, held);
            self.set_fence();
            self.territory.gain(shard);
        }
        Ok(())
    }

    /// Looks at all Leases as they are after a claim. Of two replicas that divide the work otherwise and claim at once at least
    /// one sees the other's claim here, and gives its own up before it has done anything.
    async fn look(&mut self, claimed: &mut BTreeMap<u16, Held>) {
        let listed = tokio::time::timeout(self.election.patience(), self.api.list(&ListParams::default())).await;
        let why = match listed {
            Ok(Ok(listed)) => {
                let now = Instant::now();
                for lease in &listed.items {
                    self.board.see(lease, now);
                }
                self.board.only(&listed.items.iter().map(ResourceExt::name_any).collect());
                match self.board.otherwise_divided(now).map(str::to_owned) {
                    None => return,
                    Some(other) => {
                        self.wait_for(&other);
                        None
                    }
                }
            }
            Ok(Err(error)) => Some(format!("leases cannot be listed: {error}")),
            Err(_) => Some("leases cannot be listed in time".to_owned()),
        };
        if let Some(why) = why {
            self.complain(&why);
        }
        for (_, held) in std::mem::take(claimed) {
            // If that fails it runs out by itself.
            if let Written::Done(lease) = self.write(&given_away(&held.lease)).await {
                self.board.see(&lease, Instant::now());
            }
        }
    }

    fn wait_for(&mut self, other: &str) {
        let shards = self.election.shards;
        self.complain(&format!(
            "lease {other} is held by an operator that divides the work otherwise: it is waited for, and all must come to have the same --shards ({shards} here)"
        ));
    }

    fn complain(&mut self, why: &str) {
        if self.said != why {
            tracing::warn!(why, "leases");
            why.clone_into(&mut self.said);
        }
    }

    /// A Lease with a new renewal time.
    fn renewed(&self, lease: &Lease) -> Lease {
        let mut lease = lease.clone();
        let spec = lease.spec.get_or_insert_default();
        spec.renew_time = Some(MicroTime(Timestamp::now()));
        spec.lease_duration_seconds = self.seconds();
        lease
    }

    /// A Lease that becomes ours, over what was there.
    fn claimed(&self, name: &str, found: Option<&Lease>) -> Lease {
        let now = Some(MicroTime(Timestamp::now()));
        let transitions = found.and_then(|lease| lease.spec.as_ref()?.lease_transitions).unwrap_or_default();
        let metadata = found.map_or_else(
            || ObjectMeta { name: Some(name.to_owned()), ..ObjectMeta::default() },
            |lease| ObjectMeta { managed_fields: None, ..lease.metadata.clone() },
        );
        let spec = LeaseSpec {
            holder_identity: Some(self.election.identity.clone()),
            acquire_time: now.clone(),
            renew_time: now,
            lease_duration_seconds: self.seconds(),
            lease_transitions: Some(transitions.wrapping_add(1).max(1)),
            ..LeaseSpec::default()
        };
        Lease { metadata, spec: Some(spec) }
    }

    fn seconds(&self) -> Option<i32> {
        i32::try_from(self.election.duration.as_secs()).ok()
    }

    /// Creates a Lease that has no version, replaces one that has, if it still is of that version.
    async fn write(&self, lease: &Lease) -> Written {
        let name = lease.name_any();
        let params = PostParams { field_manager: Some("pintle".to_owned()), ..PostParams::default() };
        let write = async {
            match lease.metadata.resource_version {
                None => self.api.create(&params, lease).await,
                Some(_) => self.api.replace(&name, &params, lease).await,
            }
        };
        match tokio::time::timeout(self.election.patience(), write).await {
            Ok(Ok(lease)) => Written::Done(Box::new(lease)),
            Ok(Err(kube::Error::Api(status))) if status.code == 409 => Written::Conflict,
            // Deleted; what is to be created lacks its namespace.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 && lease.metadata.resource_version.is_some() => {
                Written::Conflict
            }
            Ok(Err(error)) => Written::Failed(format!("lease {name} cannot be written: {error}")),
            Err(_) => Written::Failed(format!("lease {name} cannot be written in time")),
        }
    }

    /// The others need not wait until this replica is forgotten.
    async fn farewell(&mut self) {
        if self.member.take().is_some() {
            let name = self.member_name();
            let params = DeleteParams::default();
            let gone = self.api.delete(&name, &params);
            if !matches!(tokio::time::timeout(self.election.patience(), gone).await, Ok(Ok(_))) {
                tracing::debug!(lease = name, "could not be deleted: it runs out by itself");
            }
        }
    }
}

/// A Lease that nobody holds.
fn given_away(lease: &Lease) -> Lease {
    let mut lease = lease.clone();
    if let Some(spec) = &mut lease.spec {
        (spec.holder_identity, spec.renew_time, spec.acquire_time) = (None, None, None);
    }
    lease
}
