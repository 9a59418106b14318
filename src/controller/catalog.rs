//! The repositories that can be asked for charts right now: what their own reconcile has learnt. Releases look here and
//! nowhere else, so resolving a chart costs no request.

use super::live::Key;
use crate::source::{Index, Repository};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A repository as it was when its index was last fetched.
#[derive(Clone)]
pub struct Listed {
    /// Generation of the HelmRepository whose spec this is.
    pub generation: i64,
    /// Address and credentials.
    pub repository: Arc<Repository>,
    /// Its index.
    pub index: Arc<Index>,
}

/// All of them.
#[derive(Default)]
pub struct Catalog {
    listed: Mutex<HashMap<Key, Listed>>,
}

impl Catalog {
    /// The repository of this name.
    pub fn get(&self, key: &Key) -> Option<Listed> {
        self.listed.lock().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
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
