//! Go's maps with string keys, by reference, iterated in the bytewise order of their keys.

use crate::{Named, Str, Value, teardown};
use std::{
    cell::{Cell, Ref, RefCell},
    rc::{Rc, Weak},
};

/// The Go type of a map.
#[derive(Clone, Copy)]
pub enum MapKind {
    /// `map[string]interface {}`: a missing key gives a nil interface.
    Any,
    /// `map[string]string`: a missing key gives `""`.
    String,
    /// A named map type with methods: `common.Values`, `engine.files`.
    Named(&'static Named),
}

impl MapKind {
    fn same(self, other: Self) -> bool {
        match (self, other) {
            (Self::Any, Self::Any) | (Self::String, Self::String) => true,
            (Self::Named(a), Self::Named(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }
}

struct MapData {
    kind: MapKind,
    nil: bool,
    // Sorted by key. Small maps are by far the most common; a binary search over a flat array beats a tree or hash.
    entries: RefCell<Vec<(Str, Value)>>,
    // Another map whose entries these are, under its own type.
    of: Option<Map>,
    // Known to those who free cycles.
    remembered: Cell<bool>,
}

impl Drop for MapData {
    fn drop(&mut self) {
        let entries = std::mem::take(self.entries.get_mut());
        if entries.iter().any(|(_, value)| teardown::is_nested(value)) {
            teardown::values(entries.into_iter().map(|(_, value)| value));
        }
    }
}

/// A reference to a map. Clones share the entries.
#[derive(Clone)]
pub struct Map(Rc<MapData>);

impl Map {
    /// An empty `map[string]interface {}`.
    pub fn new() -> Self {
        Self::of(MapKind::Any, Vec::new())
    }

    /// A nil map of this kind: empty, prints `map[]`, is `null` in JSON.
    pub fn nil(kind: MapKind) -> Self {
        Self(Rc::new(MapData { kind, nil: true, entries: RefCell::default(), of: None, remembered: Cell::new(false) }))
    }

    /// A map of these entries; of equal keys the last stays.
    pub fn of(kind: MapKind, mut entries: Vec<(Str, Value)>) -> Self {
        if !entries.is_sorted_by(|(a, _), (b, _)| a < b) {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            entries.dedup_by(|later, kept| {
                let same = later.0 == kept.0;
                if same {
                    std::mem::swap(later, kept);
                }
                same
            });
        }
        Self::sorted(kind, entries)
    }

    /// A map of the same type with the same keys, of which each has what is made of its value; nothing drops it.
    pub fn map_values(&self, mut make: impl FnMut(&Value) -> Option<Value>) -> Self {
        let mut kept = Vec::with_capacity(self.len());
        kept.extend(self.entries().iter().filter_map(|(k, v)| Some((k.clone(), make(v)?))));
        Self::sorted(self.0.kind, kept)
    }

    /// A map of entries that are sorted by key, each there once.
    fn sorted(kind: MapKind, entries: Vec<(Str, Value)>) -> Self {
        Self(Rc::new(MapData {
            kind,
            nil: false,
            entries: RefCell::new(entries),
            of: None,
            remembered: Cell::new(false),
        }))
    }

    /// The map's Go type.
    pub fn kind(&self) -> MapKind {
        self.0.kind
    }

    /// The same map under another type, as Go's conversion between map types gives it: what is put into one is seen in
    /// the other.
    pub fn view(&self, kind: MapKind) -> Self {
        let base = self.0.of.as_ref().unwrap_or(self);
        if base.0.kind.same(kind) {
            return base.clone();
        }
        Self(Rc::new(MapData {
            kind,
            nil: base.0.nil,
            entries: RefCell::default(),
            of: Some(base.clone()),
            remembered: Cell::new(false),
        }))
    }

    /// A copy of the entries, one level deep, under another type.
    pub fn with_kind(&self, kind: MapKind) -> Self {
        Self::of(kind, self.snapshot())
    }

    fn data(&self) -> &RefCell<Vec<(Str, Value)>> {
        match &self.0.of {
            None => &self.0.entries,
            Some(base) => &base.0.entries,
        }
    }

    /// Whether this is a nil map.
    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.data().borrow().len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The value of a key, if there.
    pub fn get(&self, key: &[u8]) -> Option<Value> {
        let entries = self.data().borrow();
        entries.binary_search_by(|(k, _)| k.as_bytes().cmp(key)).ok().map(|at| entries[at].1.clone())
    }

    /// The value of a key, if there. It is looked for first where the hint says, and the hint then says where it was.
    pub fn get_near(&self, key: &[u8], hint: &Cell<u32>) -> Option<Value> {
        let entries = self.data().borrow();
        if let Some((found, value)) = entries.get(hint.get() as usize)
            && found.as_bytes() == key
        {
            return Some(value.clone());
        }
        let at = entries.binary_search_by(|(k, _)| k.as_bytes().cmp(key)).ok()?;
        hint.set(u32::try_from(at).unwrap_or_default());
        Some(entries[at].1.clone())
    }

    /// Whether the key is there.
    pub fn contains(&self, key: &[u8]) -> bool {
        self.data().borrow().binary_search_by(|(k, _)| k.as_bytes().cmp(key)).is_ok()
    }

    /// Puts a value under a key, and gives back what was there. On a nil map nothing happens (callers check
    /// [`Map::is_nil`] where Go would panic).
    pub fn insert(&self, key: impl Into<Str>, value: Value) -> Option<Value> {
        if self.0.nil {
            return None;
        }
        let key = key.into();
        if teardown::is_nested(&value) && !self.0.remembered.replace(true) {
            teardown::remember(self);
        }
        let mut entries = self.data().borrow_mut();
        // Appending in order is the usual way to build a map.
        if entries.last().is_none_or(|(last, _)| *last < key) {
            entries.push((key, value));
            return None;
        }
        match entries.binary_search_by(|(k, _)| k.cmp(&key)) {
            Ok(at) => Some(std::mem::replace(&mut entries[at].1, value)),
            Err(at) => {
                entries.insert(at, (key, value));
                None
            }
        }
    }

    /// Takes a key out.
    pub fn remove(&self, key: &[u8]) -> Option<Value> {
        let mut entries = self.data().borrow_mut();
        let at = entries.binary_search_by(|(k, _)| k.as_bytes().cmp(key)).ok()?;
        Some(entries.remove(at).1)
    }

    /// The entries, sorted. The map must not be changed while the borrow lives: clone what you need before you call
    /// out.
    pub fn entries(&self) -> Ref<'_, [(Str, Value)]> {
        Ref::map(self.data().borrow(), Vec::as_slice)
    }

    /// A copy of the entries, for loops whose body may change the map.
    pub fn snapshot(&self) -> Vec<(Str, Value)> {
        self.data().borrow().clone()
    }

    pub(crate) fn downgrade(&self) -> WeakMap {
        WeakMap(Rc::downgrade(self.0.of.as_ref().map_or(&self.0, |base| &base.0)))
    }

    /// Whether both are the same map, not merely equal ones.
    pub fn same(&self, other: &Map) -> bool {
        std::ptr::eq(self.data(), other.data())
    }
}

/// A map, if anybody else keeps it.
pub(crate) struct WeakMap(Weak<MapData>);

impl WeakMap {
    /// Whether the map lives.
    pub(crate) fn lives(&self) -> bool {
        self.0.strong_count() > 0
    }

    /// Takes all entries out, if the map lives.
    pub(crate) fn clear(&self) {
        let Some(data) = self.0.upgrade() else { return };
        let entries = data.entries.try_borrow_mut().map(|mut entries| std::mem::take(&mut *entries));
        teardown::values(entries.unwrap_or_default().into_iter().map(|(_, value)| value));
    }
}

impl Default for Map {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: Into<Str>> FromIterator<(K, Value)> for Map {
    fn from_iter<I: IntoIterator<Item = (K, Value)>>(entries: I) -> Self {
        Self::of(MapKind::Any, entries.into_iter().map(|(k, v)| (k.into(), v)).collect())
    }
}
