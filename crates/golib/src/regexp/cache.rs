//! Compiled patterns kept for the next call.

use super::{Error, Regex};
use std::collections::HashMap;
use std::sync::Arc;

/// Patterns by their text, good and bad ones, because a template compiles its pattern in each call.
///
/// It holds a fixed number of them and starts afresh when it is full: a chart has few, and one that makes up its patterns
/// as it goes gains nothing from any order of eviction.
#[derive(Debug, Default)]
pub struct Cache {
    kept: HashMap<Vec<u8>, Result<Arc<Regex>, Error>>,
    capacity: usize,
}

impl Cache {
    /// A cache for this many patterns.
    pub fn new(capacity: usize) -> Self {
        Self { kept: HashMap::new(), capacity }
    }

    /// The pattern, compiled now or before.
    pub fn compile(&mut self, pattern: &[u8]) -> Result<Arc<Regex>, Error> {
        if let Some(known) = self.kept.get(pattern) {
            return known.clone();
        }
        let compiled = Regex::compile(pattern).map(Arc::new);
        if self.kept.len() >= self.capacity {
            self.kept.clear();
        }
        self.kept.insert(pattern.to_vec(), compiled.clone());
        compiled
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn keeps_no_more_than_it_may() {
        let mut cache = Cache::new(2);
        let first = cache.compile(b"a").unwrap();
        assert!(Arc::ptr_eq(&first, &cache.compile(b"a").unwrap()));
        assert!(cache.compile(b"(").is_err() && cache.compile(b"(").is_err());
        assert!(cache.compile(b"c").is_ok());
        assert_eq!(cache.kept.len(), 1);
        assert!(!Arc::ptr_eq(&first, &cache.compile(b"a").unwrap()));
    }
}
