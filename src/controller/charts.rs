//! Charts that were loaded and compiled, by digest, kept as long as they are used.

use crate::{chart, render};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

/// No chart is larger unpacked.
const LARGEST: u64 = 100 << 20;
/// Charts that are kept at most.
const KEPT: usize = 32;
/// How long an unused chart is kept. Releases of one chart tend to come together; an idle operator holds none.
const IDLE: Duration = Duration::from_secs(60);

/// A chart with its compiled templates.
pub struct Loaded {
    /// The chart.
    pub chart: Arc<chart::Chart>,
    /// Its templates.
    pub compiled: Arc<render::CompiledChart>,
    /// Bytes of its files, about.
    pub size: u64,
}

/// Bytes of a chart's files, by what its archive says of itself: a guess, since an archive may say anything.
pub fn size_of(archive: &[u8]) -> u64 {
    let packed = archive.len() as u64;
    // The last four bytes of gzip.
    let said = archive.last_chunk().map_or(0, |said| u64::from(u32::from_le_bytes(*said)));
    said.clamp(packed, LARGEST.max(packed))
}

/// Memory that it takes to load a chart of this size.
pub fn loading(size: u64) -> u64 {
    size.saturating_mul(3).saturating_add(1 << 20)
}

/// Memory that it takes to render a chart of this size, with the record that comes of it.
pub fn rendering(size: u64) -> u64 {
    size.saturating_mul(4).saturating_add(1 << 20)
}

/// The cache.
#[derive(Default)]
pub struct Charts {
    loaded: Mutex<HashMap<String, (Arc<Loaded>, Instant)>>,
}

impl Charts {
    /// The chart of this digest, if it is kept.
    pub fn get(&self, digest: &str) -> Option<Arc<Loaded>> {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let (chart, used) = loaded.get_mut(digest)?;
        *used = Instant::now();
        Some(chart.clone())
    }

    /// Keeps a chart. Beyond the limit the one that was not used for the longest goes.
    pub fn keep(&self, digest: &str, chart: Arc<Loaded>) {
        let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.len() >= KEPT
            && let Some(oldest) = loaded.iter().min_by_key(|(_, (_, used))| *used).map(|(digest, _)| digest.clone())
        {
            loaded.remove(&oldest);
        }
        loaded.insert(digest.to_owned(), (chart, Instant::now()));
    }

    /// Lets go of what has not been used for a while.
    pub fn sweep(&self) {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner).retain(|_, (_, used)| used.elapsed() < IDLE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_is_what_the_archive_says_within_reason() {
        let archive = |said: u32| [vec![0; 96], said.to_le_bytes().to_vec()].concat();
        for (archive, expect) in
            [(archive(5000), 5000), (archive(1), 100), (archive(u32::MAX), LARGEST), (Vec::new(), 0), (vec![255; 3], 3)]
        {
            assert_eq!(size_of(&archive), expect);
        }
    }
}
