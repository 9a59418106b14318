//! Who may work: so many releases at once, and those that have to wait take turns by namespace, so that the many releases of
//! one do not keep the few of another waiting.
//!
//! Whoever waits holds nothing, not even a task: it is on a list, and is woken when its turn has come.

use super::live::Key;
use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Wakes whose turn has come.
type Wake = Box<dyn Fn(&Key) + Send + Sync>;

/// The turns.
pub struct Turns {
    most: usize,
    queue: Mutex<Queue>,
    wake: Wake,
}

#[derive(Default)]
struct Queue {
    /// Turns that are taken, those that were given and not begun yet included.
    taken: usize,
    /// Whose turn has come and who has not begun yet.
    given: HashSet<Key>,
    /// Names that wait, by namespace. None of these is empty.
    waiting: HashMap<String, VecDeque<String>>,
    /// The namespaces of them, whose turn is next first.
    order: VecDeque<String>,
    /// All that wait.
    known: HashSet<Key>,
}

impl Queue {
    fn push(&mut self, key: &Key) {
        if !self.known.insert(key.clone()) {
            return;
        }
        let names = self.waiting.entry(key.namespace.clone()).or_default();
        if names.is_empty() {
            self.order.push_back(key.namespace.clone());
        }
        names.push_back(key.name.clone());
    }

    fn pop(&mut self) -> Option<Key> {
        let namespace = self.order.pop_front()?;
        let names = self.waiting.get_mut(&namespace)?;
        let name = names.pop_front()?;
        if names.is_empty() {
            self.waiting.remove(&namespace);
        } else {
            self.order.push_back(namespace.clone());
        }
        let key = Key { namespace, name };
        self.known.remove(&key);
        Some(key)
    }
}

impl Turns {
    /// At most so many at once.
    pub fn new(most: u16, wake: impl Fn(&Key) + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self { most: usize::from(most.max(1)), queue: Mutex::default(), wake: Box::new(wake) })
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Nothing panics between two changes that belong together.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a turn. Whoever gets none is woken when it should ask again.
    pub fn ask(self: &Arc<Self>, key: &Key) -> Option<Turn> {
        let mut queue = self.queue();
        if !queue.given.remove(key) {
            // Turns that are free go to whoever waits, so that nobody does while one is.
            if queue.taken >= self.most {
                queue.push(key);
                return None;
            }
            queue.taken += 1;
        }
        Some(Turn(Arc::clone(self)))
    }

    /// This one does not want a turn any more.
    pub fn withdraw(&self, key: &Key) {
        if self.queue().given.remove(key) {
            self.next();
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.queue().known.len()
    }

    fn next(&self) {
        let key = {
            let mut queue = self.queue();
            match queue.pop() {
                Some(key) => {
                    queue.given.insert(key.clone());
                    key
                }
                None => {
                    queue.taken = queue.taken.saturating_sub(1);
                    return;
                }
            }
        };
        (self.wake)(&key);
    }
}

/// A turn; it ends when it is dropped.
pub struct Turn(Arc<Turns>);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.next();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn key(text: &str) -> Key {
        let (namespace, name) = text.split_once('/').unwrap();
        Key { namespace: namespace.into(), name: name.into() }
    }

    /// Turns, and who was woken, in order.
    fn turns(most: u16) -> (Arc<Turns>, Arc<Mutex<Vec<String>>>) {
        let woken = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&woken);
        let turns = Turns::new(most, move |key| told.lock().unwrap().push(format!("{}/{}", key.namespace, key.name)));
        (turns, woken)
    }

    #[test]
    fn namespaces_take_turns() {
        let (turns, woken) = turns(1);
        let mut turn = turns.ask(&key("a/0"));
        assert!(turn.is_some());
        for at in 1..=2000 {
            assert!(turns.ask(&key(&format!("a/{at}"))).is_none());
        }
        for late in ["b/1", "c/1", "b/2"] {
            assert!(turns.ask(&key(late)).is_none());
        }
        // Asking again changes nothing.
        assert!(turns.ask(&key("b/1")).is_none());
        assert_eq!(turns.waiting(), 2003);
        for expect in ["a/1", "b/1", "c/1", "a/2", "b/2", "a/3", "a/4"] {
            drop(turn.take());
            assert_eq!(woken.lock().unwrap().pop().unwrap(), expect);
            turn = turns.ask(&key(expect));
            assert!(turn.is_some(), "{expect}");
        }
    }

    #[test]
    fn no_more_at_once_than_there_are_turns_and_none_is_lost() {
        let (turns, woken) = turns(3);
        let mut held: Vec<Turn> = ["a/1", "a/2", "b/1"].iter().map(|at| turns.ask(&key(at)).unwrap()).collect();
        for waits in ["a/3", "a/4", "b/2"] {
            assert!(turns.ask(&key(waits)).is_none());
        }
        held.clear();
        assert_eq!(*woken.lock().unwrap(), ["a/3", "b/2", "a/4"]);
        // Whoever was deleted meanwhile leaves its turn to others.
        assert!(turns.ask(&key("c/1")).is_none());
        turns.withdraw(&key("b/2"));
        assert_eq!(woken.lock().unwrap().last().unwrap(), "c/1");
        held.extend(["a/3", "a/4", "c/1"].iter().map(|at| turns.ask(&key(at)).unwrap()));
        assert!(turns.ask(&key("b/2")).is_none());
        held.clear();
        drop(turns.ask(&key("b/2")).unwrap());
        assert_eq!(turns.waiting(), 0);
        assert_eq!(turns.queue().taken, 0);
        // To withdraw without a turn gives nobody one.
        turns.withdraw(&key("x/1"));
        assert_eq!(turns.queue().taken, 0);
    }
}
