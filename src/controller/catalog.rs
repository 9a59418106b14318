//! The repositories that can be asked for charts right now: what their own reconcile has learnt. Releases look here and
//! nowhere else, so resolving a chart of an index costs no request; registries have none, and are asked for each chart.

use super::live::Key;
use crate::source::{Index, Repository};
use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

/// A repository as it was when it was last looked at.
#[derive(Clone)]
pub struct Listed {
    /// Generation of the HelmRepository whose spec this is.
    pub generation: i64,
    /// Address and credentials.
    pub repository: Arc<Repository>,
    /// What it has.
    pub stock: Stock,
}

/// What a repository has, as far as that is known.
#[derive(Clone)]
pub enum Stock {
    /// What its index says.
    Index(Arc<Index>),
    /// A registry, which is asked for each chart.
    Registry {
        /// What it said before that is no longer good enough.
        since: Instant,
        /// Whether it is not to be asked for what is known.
        suspended: bool,
    },
}

impl Stock {
    /// Whether nobody who looks would see a difference.
    pub fn is_same(&self, other: &Stock) -> bool {
        match (self, other) {
            (Stock::Index(one), Stock::Index(other)) => Arc::ptr_eq(one, other),
            _ => false,
        }
    }
}

/// All of them.
#[derive(Default)]
pub struct Catalog {
    listed: Mutex<HashMap<Key, Listed>>,
    wanted: Mutex<HashSet<Key>>,
}

impl Catalog {
    /// The repository of this name.
    pub fn get(&self, key: &Key) -> Option<Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// A release of this replica looks for charts in a repository: whether that is news.
    pub fn want(&self, key: &Key) -> bool {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(key.clone())
    }

    /// Whether a release of this replica has looked for charts in a repository.
    pub fn is_wanted(&self, key: &Key) -> bool {
        self.wanted.lock().unwrap_or_else(PoisonError::into_inner).contains(key)
    }

    /// Lists a repository anew.
    pub fn list(&self, key: Key, listed: Listed) {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).insert(key, listed);
    }

    /// Takes a repository off the list.
    pub fn forget(&self, key: &Key) {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }
}
