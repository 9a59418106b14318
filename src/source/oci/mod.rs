//! Charts in OCI registries: which version a range means there, remembered as long as the asker wants, and the chart itself.

mod challenge;
mod docker_config;
mod manifest;
mod reference;
mod registry;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use pintle_golib::semver::{Constraint, Version};

pub use docker_config::DockerConfig;
pub use reference::Reference;
pub(super) use registry::Passes;
pub use signature::Keys;

use super::digest::Sha256;
use super::error::Error;
use super::flight::Flights;
use super::index::{Entry, some_of};
use super::repository::Repository;
use super::{Shared, Sources, lock};
use manifest::Blob;
use reference::{is_tag, name_of, tag_of, version_of};
use registry::Place;

/// How many answers of registries are remembered.
const ANSWERS: usize = 4096;
/// The first and the longest pause after a failure.
const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(300));

/// A version of a chart in a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tagged {
    /// The chart; its digest is that of its packaged form, its address has the tag.
    pub entry: Entry,
    /// The digest of the manifest under the tag.
    pub manifest: Sha256,
}

/// How old an answer of a registry may be.
#[derive(Clone, Copy, Debug)]
pub struct Age {
    /// At most this old.
    pub most: Duration,
    /// Or as old as this moment, when somebody asked for a look.
    pub since: Option<Instant>,
}

/// What a registry said, and when it is worth asking again.
#[derive(Clone, Debug)]
pub struct Told {
    /// The chart. When the registry could not be asked this time, what it said before.
    pub chart: Result<Arc<Tagged>, Error>,
    /// Why it could not be asked this time, although there is a chart.
    pub outage: Option<Error>,
    /// When the answer will be too old.
    pub until: Instant,
}

/// Everything that is known of registries.
#[derive(Default)]
pub(super) struct Registries {
    pub(super) passes: Passes,
    verified: signature::Verified,
    answers: Mutex<HashMap<Sha256, Known>>,
    flights: Flights<Sha256, Known>,
}

#[derive(Clone)]
struct Known {
    /// When the registry was asked last.
    asked: Instant,
    /// When it had answered, or was given up.
    answered: Instant,
    /// What it said.
    answer: Result<Arc<Tagged>, Failed>,
}

#[derive(Clone)]
struct Failed {
    error: Error,
    /// How often in a row.
    times: u32,
    /// What the registry said when it could still be asked.
    before: Option<Arc<Tagged>>,
}

impl Known {
    fn life(&self, most: Duration) -> Duration {
        match &self.answer {
            Ok(_) => most,
            Err(Failed { times, .. }) => {
                RETRY.0.saturating_mul(1 << times.saturating_sub(1).min(16)).min(RETRY.1).min(most)
            }
        }
    }

    fn is_fresh(&self, age: Age) -> bool {
        age.since.is_none_or(|since| self.asked >= since) && self.answered.elapsed() < self.life(age.most)
    }

    fn chart(&self) -> Option<&Arc<Tagged>> {
        self.answer.as_ref().map_or_else(|failed| failed.before.as_ref(), Some)
    }

    fn told(self, age: Age) -> Told {
        // What never gets too old is looked at after a day, which costs nothing.
        let life = self.life(age.most).min(Duration::from_secs(86_400));
        let until = self.answered + life;
        let (chart, outage) = match self.answer {
            Ok(chart) => (Ok(chart), None),
            // What was there a moment ago is likely to be there still: releases go on with it.
            Err(Failed { error, before: Some(chart), .. }) if error.is_outage() => (Ok(chart), Some(error)),
            Err(Failed { error, .. }) => (Err(error), None),
        };
        Told { chart, outage, until }
    }
}

impl Sources {
    /// The version of a chart in a registry that `range` asks for, by Helm's rules: an exact version is the tag of that name,
    /// else the newest version in the range. What is known and not too old costs no request; what is too old costs one when
    /// nothing has changed.
    pub async fn tagged(&self, repository: &Repository, chart: &str, range: &str, age: Age) -> Told {
        let key = Sha256::of_parts(&[repository.identity().as_bytes(), chart.as_bytes(), range.as_bytes()]);
        if let Some(known) =
            lock(&self.shared.registries.answers).get(&key).filter(|known| known.is_fresh(age)).cloned()
        {
            return known.told(age);
        }
        let ask = async || {
            let (shared, asked) = (Arc::clone(&self.shared), repository.clone());
            let (chart, range) = (chart.to_owned(), range.to_owned());
            self.shared
                .registries
                .flights
                .run(key, || async move { shared.ask(key, &asked, &chart, &range).await })
                .await
        };
        let mut known = ask().await;
        if known.as_ref().is_some_and(|known| age.since.is_some_and(|since| known.asked < since)) {
            // The answer that was waited for was to a question of before that moment.
            known = ask().await;
        }
        match known {
            Some(known) => known.told(age),
            None => {
                let error = Error::Abandoned { url: repository.address() };
                Told { chart: Err(error), outage: None, until: Instant::now() + RETRY.0 }
            }
        }
    }

    /// The chart that a reference means: its tag or digest, or the newest version in `range`. As on helm's command line `1.2` is
    /// a tag and no range.
    ///
    /// # Errors
    /// If there is none, or it cannot be asked for.
    pub async fn referred(&self, repository: &Repository, reference: &Reference, range: &str) -> Result<Tagged, Error> {
        let (_, chart) = reference.split();
        let name = name_of(repository, chart)?;
        let range = reference.tag.as_deref().unwrap_or(range);
        let look = async {
            let Some(digest) = reference.digest.filter(|_| range.is_empty()) else {
                return self.shared.look(repository, chart, range, Version::parse(range).is_ok(), None).await;
            };
            let at = format!("sha256:{digest}");
            match self.shared.place(repository, &name).chart(&at).await? {
                Some((manifest, blob)) => Ok(tagged(repository, &name, "", manifest, blob)),
                None => Err(Error::NoChart { chart: format!("{chart}@{at}"), url: repository.address() }),
            }
        };
        match tokio::time::timeout(repository.timeout, look).await {
            Ok(found) => found,
            Err(_) => Err(Error::Timeout { url: repository.address(), after: repository.timeout }),
        }
    }
}

impl Shared {
    fn place<'a>(&'a self, repository: &'a Repository, name: &'a str) -> Place<'a> {
        let (downloads, passes) = (&self.downloads, &self.registries.passes);
        Place { downloads, passes, settings: &self.settings, repository, name }
    }

    fn remember(&self, key: Sha256, known: Known) {
        let mut answers = lock(&self.registries.answers);
        if answers.len() >= ANSWERS && !answers.contains_key(&key) {
            let oldest = answers.iter().min_by_key(|(_, known)| known.asked).map(|(&key, _)| key);
            oldest.map(|key| answers.remove(&key));
        }
        answers.insert(key, known);
    }

    /// Asks, and remembers what came of it.
    async fn ask(self: Arc<Self>, key: Sha256, repository: &Repository, chart: &str, range: &str) -> Known {
        let before = lock(&self.registries.answers).get(&key).cloned();
        let known = before.as_ref().and_then(Known::chart).cloned();
        let times = before.map_or(0, |before| before.answer.err().map_or(0, |failed| failed.times));
        let asked = Instant::now();
        let exact = Version::parse_strict(range).is_ok();
        let look = self.look(repository, chart, range, exact, known.as_deref());
        let answer = match tokio::time::timeout(repository.timeout, look).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::Timeout { url: repository.address(), after: repository.timeout }),
        };
        let answer = match (answer, known) {
            (Ok(found), Some(known)) if *known == found => Ok(known),
            (Ok(found), _) => Ok(Arc::new(found)),
            (Err(error), before) => Err(Failed { error, times: times.saturating_add(1), before }),
        };
        let known = Known { asked, answered: Instant::now(), answer };
        self.remember(key, known.clone());
        known
    }

    /// Asks which version a range means, or for the very tag if it is to be `exact`; and for its manifest unless that is known.
    async fn look(
        &self,
        repository: &Repository,
        chart: &str,
        range: &str,
        exact: bool,
        known: Option<&Tagged>,
    ) -> Result<Tagged, Error> {
        let name = name_of(repository, chart)?;
        let place = self.place(repository, &name);
        if exact {
            let tag = tag_of(range);
            if !is_tag(&tag) {
                let why = format!("no registry has a tag {tag:?}");
                return Err(Error::Range { chart: chart.to_owned(), range: range.to_owned(), why });
            }
            return match self.under(&place, &tag, range, known).await? {
                Some(found) => Ok(found),
                // What there is helps to find the right one; whether it can be listed is another matter.
                None => {
                    let tags = place.tags().await.unwrap_or_default();
                    Err(no_version(repository, chart, range, &versions_of(&tags)))
                }
            };
        }
        let constraint = Constraint::parse(if range.is_empty() { "*" } else { range }).map_err(|error| {
            Error::Range { chart: chart.to_owned(), range: range.to_owned(), why: error.to_string() }
        })?;
        let tags = place.tags().await?;
        let versions = versions_of(&tags);
        let fits = versions.iter().find(|(version, _)| constraint.check(version));
        let Some((_, text)) = fits else { return Err(no_version(repository, chart, range, &versions)) };
        match self.under(&place, &tag_of(text), text, known).await? {
            Some(found) => Ok(found),
            None => Err(no_version(repository, chart, range, &versions)),
        }
    }

    /// What is under a tag: what is known of it if its digest is still the same.
    async fn under(
        &self,
        place: &Place<'_>,
        tag: &str,
        version: &str,
        known: Option<&Tagged>,
    ) -> Result<Option<Tagged>, Error> {
        if let Some(known) = known.filter(|known| &*known.entry.version == version)
            && place.digest(tag).await? == Some(known.manifest)
        {
            return Ok(Some(known.clone()));
        }
        let found = place.chart(tag).await?;
        Ok(found.map(|(manifest, blob)| tagged(place.repository, place.name, version, manifest, blob)))
    }

    /// The packaged chart that a reference means: the file of that digest, else the one that the manifest names.
    pub(super) async fn pull(
        &self,
        repository: &Repository,
        reference: &Reference,
        digest: Option<Sha256>,
        size: Option<u64>,
    ) -> Result<Vec<u8>, Error> {
        let name = reference.name();
        let place = self.place(repository, name);
        let pull = async {
            if let Some(digest) = digest {
                return place.blob(digest, size).await;
            }
            let at = match (&reference.digest, &reference.tag) {
                (Some(digest), _) => format!("sha256:{digest}"),
                (None, Some(tag)) => tag.clone(),
                (None, None) => {
                    let why = "there is neither a tag nor a digest behind the chart's name".to_owned();
                    return Err(Error::Address { url: reference.address.clone(), why });
                }
            };
            let found = place.chart(&at).await?;
            let no_chart = || Error::NoChart { chart: format!("{name}:{at}"), url: repository.address() };
            let (_, blob) = found.ok_or_else(no_chart)?;
            place.blob(blob.digest, Some(blob.size)).await
        };
        match tokio::time::timeout(repository.timeout, pull).await {
            Ok(pulled) => pulled,
            Err(_) => Err(Error::Timeout { url: reference.address.clone(), after: repository.timeout }),
        }
    }
}

/// The versions among some tags, newest first, each as it is written with a plus.
fn versions_of(tags: &[String]) -> Vec<(Version, String)> {
    let texts = tags.iter().map(|tag| version_of(tag));
    let mut versions: Vec<_> = texts.filter_map(|text| Some((Version::parse_strict(&text).ok()?, text))).collect();
    versions.sort_by(|(a, x), (b, y)| b.compare(a).then_with(|| y.cmp(x)));
    versions
}

fn no_version(repository: &Repository, chart: &str, range: &str, versions: &[(Version, String)]) -> Error {
    let (chart, url) = (chart.to_owned(), repository.address());
    if versions.is_empty() {
        return Error::NoChart { chart, url };
    }
    let has = some_of(versions.iter().map(|(_, text)| text.as_str()));
    Error::NoVersion { chart, range: range.to_owned(), url, has }
}

fn tagged(repository: &Repository, name: &str, version: &str, manifest: Sha256, blob: Blob) -> Tagged {
    let host = repository.url().authority();
    let tag = tag_of(version);
    let joint = if tag.is_empty() { "" } else { ":" };
    let entry = Entry {
        name: name.rsplit('/').next().unwrap_or(name).into(),
        version: version.into(),
        app_version: None,
        url: Some(format!("oci://{host}/{name}{joint}{tag}@sha256:{manifest}").into()),
        digest: Some(format!("sha256:{}", blob.digest).into()),
        size: Some(blob.size),
        created: None,
        deprecated: false,
    };
    Tagged { entry, manifest }
}
