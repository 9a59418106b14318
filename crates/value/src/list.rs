//! Go's slices, by reference.

use crate::{Named, Value, teardown};
use std::{
    cell::{Ref, RefCell},
    rc::Rc,
};

/// The Go type of a slice's elements. (`[]byte` is [`Value::Bytes`].)
#[derive(Clone, Copy)]
pub enum ListKind {
    /// `[]interface {}`
    Any,
    /// `[]string`
    String,
    /// `[]int`
    Int,
    /// `[][]interface {}` (from `chunk`)
    Lists,
    /// `[]map[string]interface {}` (from TOML)
    Maps,
    /// A named slice type with methods: `common.VersionSet`.
    Named(&'static Named),
}

struct ListData {
    kind: ListKind,
    nil: bool,
    items: RefCell<Vec<Value>>,
}

impl Drop for ListData {
    fn drop(&mut self) {
        let items = std::mem::take(self.items.get_mut());
        if items.iter().any(teardown::is_nested) {
            teardown::values(items.into_iter());
        }
    }
}

/// A reference to a slice. Clones share the items.
#[derive(Clone)]
pub struct List(Rc<ListData>);

impl List {
    /// A `[]interface {}` of these items.
    pub fn new(items: Vec<Value>) -> Self {
        Self::of(ListKind::Any, items)
    }

    /// A slice of this kind; the items must be of the kind's element type.
    pub fn of(kind: ListKind, items: Vec<Value>) -> Self {
        Self(Rc::new(ListData { kind, nil: false, items: RefCell::new(items) }))
    }

    /// A nil slice: empty, prints `[]`, is `null` in JSON.
    pub fn nil(kind: ListKind) -> Self {
        Self(Rc::new(ListData { kind, nil: true, items: RefCell::default() }))
    }

    /// The slice's Go type.
    pub fn kind(&self) -> ListKind {
        self.0.kind
    }

    /// Whether this is a nil slice.
    pub fn is_nil(&self) -> bool {
        self.0.nil
    }

    /// How many items there are.
    pub fn len(&self) -> usize {
        self.0.items.borrow().len()
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The item at a place.
    pub fn get(&self, index: usize) -> Option<Value> {
        self.0.items.borrow().get(index).cloned()
    }

    /// The items. The list must not be changed while the borrow lives.
    pub fn items(&self) -> Ref<'_, [Value]> {
        Ref::map(self.0.items.borrow(), Vec::as_slice)
    }

    /// A copy of the items.
    pub fn to_vec(&self) -> Vec<Value> {
        self.0.items.borrow().clone()
    }

    /// Sorts or otherwise rearranges in place (Go's `sort.Strings` on a shared slice); the length must stay.
    pub fn rearrange(&self, change: impl FnOnce(&mut [Value])) {
        change(&mut self.0.items.borrow_mut());
    }

    /// Whether both are the same slice.
    pub fn same(&self, other: &List) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl FromIterator<Value> for List {
    fn from_iter<I: IntoIterator<Item = Value>>(items: I) -> Self {
        Self::new(items.into_iter().collect())
    }
}
