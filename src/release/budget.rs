//! Memory that is needed for a moment, where many want it at a time: who needs much waits for its turn and does not add to the
//! others' peak.

use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// What one permit stands for.
const UNIT: u64 = 64 << 10;

/// So many bytes may be in use at once. What is taken is an estimate: nobody measures.
///
/// Whoever has taken some must not ask for more before giving it back: two who did that would wait for each other.
#[derive(Debug)]
pub struct Budget {
    units: u32,
    free: Arc<Semaphore>,
}

/// Memory that was taken; it is given back when this is dropped.
#[derive(Debug)]
pub struct Share(#[allow(dead_code, reason = "it matters when it is dropped")] Option<OwnedSemaphorePermit>);

impl Budget {
    /// Of so many bytes.
    #[must_use]
    pub fn new(bytes: u64) -> Arc<Self> {
        let most = u64::from(u32::MAX).min(Semaphore::MAX_PERMITS as u64);
        let units = u32::try_from((bytes / UNIT).clamp(1, most)).unwrap_or(u32::MAX);
        Arc::new(Self { units, free: Arc::new(Semaphore::new(units as usize)) })
    }

    /// Waits until so many bytes are free and takes them. Who comes first is served first, so that small ones do not keep a large
    /// one waiting for good; what is more than all there is runs alone.
    pub async fn take(&self, bytes: u64) -> Share {
        let units = u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX).clamp(1, self.units);
        // It is never closed.
        Share(Arc::clone(&self.free).acquire_many_owned(units).await.ok())
    }

    /// Bytes that are free right now.
    #[must_use]
    pub fn free(&self) -> u64 {
        self.free.available_permits() as u64 * UNIT
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn what_is_too_much_waits_and_what_is_more_than_all_runs_alone() {
        let budget = Budget::new(10 * UNIT);
        let six = budget.take(6 * UNIT).now_or_never().unwrap();
        let mut more_than_all = std::pin::pin!(budget.take(u64::MAX));
        assert!(more_than_all.as_mut().now_or_never().is_none());
        // It is not overtaken.
        let mut small = std::pin::pin!(budget.take(1));
        assert!(small.as_mut().now_or_never().is_none());
        drop(six);
        let all = more_than_all.now_or_never().unwrap();
        assert_eq!(budget.free(), 0);
        assert!(small.as_mut().now_or_never().is_none());
        drop(all);
        assert!(small.now_or_never().is_some());
        assert_eq!(budget.free(), 10 * UNIT);
    }

    #[test]
    fn whoever_gives_up_waiting_leaves_nothing_behind() {
        let budget = Budget::new(2 * UNIT);
        let all = budget.take(2 * UNIT).now_or_never().unwrap();
        assert!(budget.take(UNIT).now_or_never().is_none());
        drop(all);
        assert_eq!(budget.free(), 2 * UNIT);
        assert!(Budget::new(0).take(0).now_or_never().is_some());
    }
}
