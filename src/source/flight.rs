//! Single flight: who asks for what is already being fetched waits for that, and all get the same answer.

use std::collections::HashMap;
use std::future::Future;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared};

/// By key, what all who wait for it get.
type Flying<K, V> = Arc<Mutex<HashMap<K, Shared<BoxFuture<'static, Option<V>>>>>>;

/// What is being fetched just now.
pub(super) struct Flights<K, V> {
    flying: Flying<K, V>,
}

impl<K, V> Default for Flights<K, V> {
    fn default() -> Self {
        Flights { flying: Arc::default() }
    }
}

impl<K: Clone + Eq + Hash + Send + 'static, V: Clone + Send + Sync + 'static> Flights<K, V> {
    /// The answer of `fetch`, or of a call for the same key that is already on its way. `None` when the fetch panicked.
    ///
    /// The fetch runs as a task of its own: a caller that goes away takes nobody else's answer with it.
    pub(super) async fn run<F>(&self, key: K, fetch: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = V> + Send + 'static,
    {
        let flight = {
            let mut flying = lock(&self.flying);
            if let Some(flight) = flying.get(&key) {
                flight.clone()
            } else {
                let landing = Landing { flying: Arc::clone(&self.flying), key: key.clone() };
                let fetch = fetch();
                let task = tokio::spawn(async move {
                    // The entry goes when the task ends, however it does.
                    let _landing = landing;
                    fetch.await
                });
                let flight = task.map(Result::ok).boxed().shared();
                flying.insert(key, flight.clone());
                flight
            }
        };
        flight.await
    }
}

struct Landing<K: Eq + Hash, V> {
    flying: Flying<K, V>,
    key: K,
}

impl<K: Eq + Hash, V> Drop for Landing<K, V> {
    fn drop(&mut self) {
        lock(&self.flying).remove(&self.key);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic while the lock was held leaves a map that is still a map.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[tokio::test]
    async fn one_fetch_for_all_who_ask_meanwhile() {
        let flights = Flights::<u8, u32>::default();
        let fetches = Arc::new(AtomicU32::new(0));
        let (open, gate) = tokio::sync::watch::channel(false);
        let ask = |key| {
            let (fetches, mut gate) = (Arc::clone(&fetches), gate.clone());
            flights.run(key, move || async move {
                let number = fetches.fetch_add(1, Ordering::SeqCst) + 1;
                gate.wait_for(|open| *open).await.unwrap();
                number
            })
        };
        let asked = futures::future::join_all((0..50).map(|_| ask(1)));
        let (answers, ()) = tokio::join!(asked, async {
            tokio::task::yield_now().await;
            open.send(true).unwrap();
        });
        assert!(answers.iter().all(|answer| *answer == Some(1)), "{answers:?}");
        assert_eq!(ask(1).await, Some(2), "what has landed is fetched anew");
    }

    #[tokio::test]
    async fn a_panic_or_a_caller_that_goes_away_blocks_nobody() {
        let flights = Flights::<u8, u32>::default();
        assert_eq!(flights.run(1, || async { panic!("as intended") }).await, None);
        assert_eq!(flights.run(1, || async { 7 }).await, Some(7));

        let (open, gate) = tokio::sync::oneshot::channel::<u32>();
        {
            let mut first = Box::pin(flights.run(2, || async { gate.await.unwrap() }));
            assert!(first.as_mut().now_or_never().is_none());
        }
        let second = flights.run(2, || async { panic!("the first is still on its way") });
        open.send(9).unwrap();
        assert_eq!(second.await, Some(9));
    }
}
