//! Where charts come from: repositories with an index over HTTP(S), and registries, asked no more often than needed.
//!
//! [`Sources`] is shared by all: it keeps one index a repository, what registries said and the charts that were fetched, asks
//! conditionally, lets those who want the same wait for one download, and checks every chart against the digest that was stated.
//! It knows neither clusters nor releases.

mod archive;
mod digest;
mod download;
mod error;
mod flight;
mod index;
mod index_lines;
mod index_reader;
mod oci;
mod reach;
mod repository;
mod spec;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub use archive::Archive;
pub use digest::Sha256;
pub use error::Error;
pub use index::{Entry, Index};
pub use oci::{Age, DockerConfig, Keys, Reference, Tagged, Told};
pub use repository::{Credentials, DEFAULT_TIMEOUT, Repository, Tls, redact};

use archive::Archives;
use download::{Answer, Downloads, Request, Validators};
use flight::Flights;
use oci::Registries;
pub use reach::Reach;

/// How many indexes are kept.
const INDEXES: usize = 1024;
/// How many charts without a digest in the index are known by their address.
const ADDRESSES: usize = 4096;

/// What downloads may cost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where charts are kept; without it only a few are, in memory.
    pub directory: Option<PathBuf>,
    /// Bytes of an index, after decompression.
    pub index_limit: u64,
    /// Bytes of a packaged chart.
    pub chart_limit: u64,
    /// Bytes of all charts in `directory`.
    pub disk_limit: u64,
    /// Bytes of all charts in memory.
    pub memory_limit: u64,
    /// How the program calls itself to servers.
    pub user_agent: String,
    /// Whether servers on this host may be asked. Link-local and metadata addresses never are.
    pub loopback: bool,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            directory: None,
            index_limit: 100 << 20,
            chart_limit: 20 << 20,
            disk_limit: 1 << 30,
            memory_limit: 32 << 20,
            user_agent: concat!("pintle/", env!("CARGO_PKG_VERSION")).to_owned(),
            loopback: true,
        }
    }
}

/// All repositories, as far as they are known. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Sources {
    shared: Arc<Shared>,
}

struct Shared {
    settings: Settings,
    downloads: Downloads,
    archives: Archives,
    indexes: Mutex<HashMap<Sha256, Held>>,
    addresses: Mutex<HashMap<Sha256, Sha256>>,
    index_flights: Flights<Sha256, Result<Arc<Index>, Error>>,
    chart_flights: Flights<Sha256, Result<Archive, Error>>,
    registries: Registries,
}

#[derive(Clone)]
struct Held {
    index: Arc<Index>,
    validators: Validators,
    used: std::time::Instant,
}

impl Sources {
    /// Sources that know of nothing yet, except of the charts in the directory.
    pub fn new(settings: Settings) -> Sources {
        let archives = Archives::open(settings.directory.clone(), settings.disk_limit, settings.memory_limit);
        Sources {
            shared: Arc::new(Shared {
                downloads: Downloads::new(&settings.user_agent, Reach { loopback: settings.loopback }),
                archives,
                indexes: Mutex::default(),
                addresses: Mutex::default(),
                index_flights: Flights::default(),
                chart_flights: Flights::default(),
                registries: Registries::default(),
                settings,
            }),
        }
    }

    /// The repository's index as it was when it was last asked for; asks for it only when it is not known.
    pub async fn index(&self, repository: &Repository) -> Result<Arc<Index>, Error> {
        match self.shared.held(repository.identity()) {
            Some(held) => Ok(held.index),
            None => self.refresh(repository).await,
        }
    }

    /// The repository's index as it is now. The same `Arc` as before when nothing has changed. After an error, [`Sources::index`]
    /// still has what was known.
    pub async fn refresh(&self, repository: &Repository) -> Result<Arc<Index>, Error> {
        let (shared, asked) = (Arc::clone(&self.shared), repository.clone());
        let fetch = || async move { shared.fetch_index(&asked).await };
        let answer = self.shared.index_flights.run(repository.identity(), fetch).await;
        answer.unwrap_or_else(|| Err(Error::Abandoned { url: redact(&repository.index_url()) }))
    }

    /// A packaged chart, from the cache or from its server. Its bytes have the digest that the index or registry gives, if one is
    /// given.
    pub async fn chart(&self, repository: &Repository, entry: &Entry) -> Result<Archive, Error> {
        let wanted = Wanted::new(repository, entry)?;
        if let Some(archive) = self.shared.in_memory(&wanted) {
            return Ok(archive);
        }
        let url = wanted.from.shown();
        let (shared, asked, key) = (Arc::clone(&self.shared), repository.clone(), wanted.key);
        // The disk is looked at within the flight: who comes late finds what the flight before has left there.
        let fetch = || async move {
            match shared.on_disk(&wanted).await {
                Some(archive) => Ok(archive),
                None => shared.fetch_chart(&asked, wanted).await,
            }
        };
        let answer = self.shared.chart_flights.run(key, fetch).await;
        answer.unwrap_or(Err(Error::Abandoned { url }))
    }
}

/// A chart to fetch.
#[derive(Clone)]
struct Wanted {
    from: Place,
    digest: Option<Sha256>,
    size: Option<u64>,
    /// What the chart is known by: who asks whom for what.
    key: Sha256,
}

/// Where a chart is.
#[derive(Clone)]
enum Place {
    /// At an address over HTTP(S).
    Address(reqwest::Url),
    /// In a registry.
    Registry(Box<Repository>, Reference),
}

impl Place {
    fn shown(&self) -> String {
        match self {
            Place::Address(url) => redact(url),
            Place::Registry(_, reference) => reference.address.clone(),
        }
    }
}

impl Wanted {
    fn new(repository: &Repository, entry: &Entry) -> Result<Wanted, Error> {
        let own_url = || redact(&repository.index_url());
        let chart = || format!("{}-{}", entry.name, entry.version);
        let Some(address) = entry.url.as_deref() else {
            return Err(Error::NoAddress { chart: chart(), url: own_url() });
        };
        let digest = match entry.digest.as_deref() {
            None => None,
            Some(text) => Some(Sha256::parse(text).ok_or_else(|| Error::Index {
                url: own_url(),
                why: format!("the digest of chart {}, {text:?}, is no SHA-256", chart()),
            })?),
        };
        let (from, place) = if address.starts_with("oci://") {
            let reference = Reference::parse(address)?;
            (Place::Registry(Box::new(repository.registry_of(&reference)?), reference), address.to_owned())
        } else {
            let url = repository.chart_url(address)?;
            let place = url.as_str().to_owned();
            (Place::Address(url), place)
        };
        let key = Sha256::of_parts(&[
            repository.identity().as_bytes(),
            place.as_bytes(),
            entry.digest.as_deref().unwrap_or_default().as_bytes(),
            entry.created.as_deref().unwrap_or_default().as_bytes(),
        ]);
        Ok(Wanted { from, digest, size: entry.size, key })
    }
}

impl Sources {
    /// Whether the host of a repository may be asked, as far as its address tells.
    ///
    /// # Errors
    /// Why not.
    pub fn admits(&self, repository: &Repository) -> Result<(), Error> {
        match (Reach { loopback: self.shared.settings.loopback }).refusal_of(repository.url()) {
            None => Ok(()),
            Some((address, why)) => Err(Error::OutOfReach { url: repository.address(), address, why }),
        }
    }

    /// A file at the address of a repository itself, such as one of values; not kept.
    pub async fn file(&self, repository: &Repository, limit: u64) -> Result<Vec<u8>, Error> {
        let url = repository.url().clone();
        let shown = redact(&url);
        let request = Request { compressed: true, ..Request::get(url, limit) };
        match self.shared.downloads.get(repository, request).await? {
            Answer::File { bytes, .. } => Ok(bytes),
            Answer::Unchanged => Err(Error::Abandoned { url: shown }),
        }
    }
}

impl Shared {
    fn held(&self, identity: Sha256) -> Option<Held> {
        let mut indexes = lock(&self.indexes);
        let held = indexes.get_mut(&identity)?;
        held.used = std::time::Instant::now();
        Some(held.clone())
    }

    fn hold(&self, identity: Sha256, index: &Arc<Index>, validators: Validators) {
        let mut indexes = lock(&self.indexes);
        if indexes.len() >= INDEXES && !indexes.contains_key(&identity) {
            let oldest = indexes.iter().min_by_key(|(_, held)| held.used).map(|(&identity, _)| identity);
            oldest.map(|identity| indexes.remove(&identity));
        }
        indexes.insert(identity, Held { index: Arc::clone(index), validators, used: std::time::Instant::now() });
    }

    async fn fetch_index(&self, repository: &Repository) -> Result<Arc<Index>, Error> {
        let identity = repository.identity();
        let held = self.held(identity);
        let request = Request {
            compressed: true,
            known: held.as_ref().map(|held| &held.validators),
            ..Request::get(repository.index_url(), self.settings.index_limit)
        };
        let url = redact(&request.url);
        let (bytes, validators) = match (self.downloads.get(repository, request).await?, &held) {
            (Answer::File { bytes, validators }, _) => (bytes, validators),
            (Answer::Unchanged, Some(held)) => return Ok(Arc::clone(&held.index)),
            // The download does not say "unchanged" when nothing is known.
            (Answer::Unchanged, None) => return Err(Error::Abandoned { url }),
        };
        // Reading a large index takes a second of one core: not on a thread that others wait for.
        let known = held.map(|held| held.index);
        let abandoned = Error::Abandoned { url: url.clone() };
        let read = tokio::task::spawn_blocking(move || match known {
            Some(known) if known.revision() == Sha256::of(&bytes) => Ok(known),
            _ => Index::read(&bytes, &url).map(Arc::new),
        });
        let index = read.await.unwrap_or(Err(abandoned))?;
        self.hold(identity, &index, validators);
        Ok(index)
    }

    fn digest_of(&self, wanted: &Wanted) -> Option<Sha256> {
        wanted.digest.or_else(|| lock(&self.addresses).get(&wanted.key).copied())
    }

    fn in_memory(&self, wanted: &Wanted) -> Option<Archive> {
        self.archives.in_memory(self.digest_of(wanted)?)
    }

    async fn on_disk(self: &Arc<Self>, wanted: &Wanted) -> Option<Archive> {
        let digest = self.digest_of(wanted)?;
        let shared = Arc::clone(self);
        tokio::task::spawn_blocking(move || shared.archives.get(digest)).await.ok().flatten()
    }

    async fn fetch_chart(self: Arc<Self>, repository: &Repository, wanted: Wanted) -> Result<Archive, Error> {
        let url = wanted.from.shown();
        let (bytes, witness) = match &wanted.from {
            Place::Address(at) => {
                let request = Request::get(at.clone(), self.settings.chart_limit);
                let Answer::File { bytes, .. } = self.downloads.get(repository, request).await? else {
                    return Err(Error::Abandoned { url });
                };
                (bytes, if repository.is_artifact() { "its source" } else { "the index" })
            }
            Place::Registry(registry, reference) => {
                // An index may name a chart in a registry by a digest of its own; a registry names the file itself.
                let file = wanted.digest.filter(|_| repository.is_registry());
                (self.pull(registry, reference, file, wanted.size).await?, "the registry")
            }
        };
        let abandoned = Error::Abandoned { url: url.clone() };
        let keep = tokio::task::spawn_blocking(move || {
            let actual = Sha256::of(&bytes);
            if let Some(expected) = wanted.digest.filter(|expected| *expected != actual) {
                let expected = format!("sha256:{expected}");
                return Err(Error::Digest { url, witness, expected, actual: actual.to_string() });
            }
            let archive = Archive { bytes: bytes.into(), digest: actual };
            self.archives.put(&archive);
            if wanted.digest.is_none() {
                let mut addresses = lock(&self.addresses);
                if addresses.len() >= ADDRESSES {
                    addresses.clear();
                }
                addresses.insert(wanted.key, actual);
            }
            Ok(archive)
        });
        keep.await.unwrap_or(Err(abandoned))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held leaves maps that are still maps.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
