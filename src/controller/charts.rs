//! Charts that were loaded and compiled, by digest, kept as long as they are used.

use crate::{chart, render};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

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
