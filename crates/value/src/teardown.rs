//! Dropping nested values without recursion: a chart can nest maps a million deep in a loop, and dropping the outermost
//! must not overflow the stack. And freeing maps that contain themselves, which counting references does not.

use crate::{Map, Value, map::WeakMap};
use std::{
    cell::{Cell, RefCell},
    marker::PhantomData,
    rc::Rc,
};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LATER: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
    static NESTING: RefCell<Option<Vec<WeakMap>>> = const { RefCell::new(None) };
}

/// How deep drops may recurse; what lies deeper waits its turn.
const MAX_DEPTH: u32 = 64;

/// Whether dropping this may drop other values.
pub(crate) fn is_nested(value: &Value) -> bool {
    matches!(value, Value::Map(_) | Value::List(_) | Value::Object(_))
}

/// Drops what a map or list held.
pub(crate) fn values(values: impl Iterator<Item = Value>) {
    let depth = DEPTH.try_with(Cell::get).unwrap_or(0);
    if depth >= MAX_DEPTH {
        let kept =
            LATER.try_with(|later| later.try_borrow_mut().map(|mut l| l.extend(values.filter(is_nested))).is_ok());
        // Neither fails: nothing is dropped while the list is borrowed, and it lives as long as the thread's values.
        debug_assert!(kept.unwrap_or(true));
        return;
    }
    let set_depth = |depth| DEPTH.try_with(|d| d.set(depth)).unwrap_or(());
    set_depth(depth + 1);
    values.for_each(drop);
    if depth == 0 {
        while let Ok(Some(value)) = LATER.try_with(|later| later.try_borrow_mut().ok().and_then(|mut l| l.pop())) {
            drop(value);
        }
    }
    set_depth(depth);
}

/// While it lives, maps of this thread are remembered that other maps and lists are put into: nothing else can make a
/// cycle. When it is dropped, those of them that live still are emptied. So it must outlive every value of its time
/// that anybody still wants: make it first, where values begin, and keep none.
pub struct CycleGuard {
    outermost: bool,
    // Bound to its thread.
    _thread: PhantomData<Rc<()>>,
}

impl CycleGuard {
    /// Begins to remember. A guard within another does nothing.
    pub fn new() -> Self {
        let outermost = NESTING
            .try_with(|maps| {
                maps.try_borrow_mut().is_ok_and(|mut maps| maps.is_none() && maps.insert(Vec::new()).is_empty())
            })
            .unwrap_or(false);
        Self { outermost, _thread: PhantomData }
    }
}

impl Default for CycleGuard {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for CycleGuard {
    fn drop(&mut self) {
        if self.outermost {
            let maps = NESTING.try_with(|maps| maps.try_borrow_mut().ok().and_then(|mut maps| maps.take()));
            for map in maps.ok().flatten().unwrap_or_default() {
                map.clear();
            }
        }
    }
}

/// Remembers a map that a nested value is put into.
pub(crate) fn remember(map: &Map) {
    // Without a guard, or when the thread ends, nobody is interested.
    let _ = NESTING.try_with(|maps| {
        if let Ok(mut maps) = maps.try_borrow_mut()
            && let Some(maps) = maps.as_mut()
        {
            // Those that are gone leave before the list grows.
            if maps.len() == maps.capacity() {
                maps.retain(WeakMap::lives);
                maps.reserve(maps.len().max(1024));
            }
            maps.push(map.downgrade());
        }
    });
}

#[cfg(test)]
mod tests {
    use super::CycleGuard;
    use crate::{List, Map, Str, Value};
    use std::rc::Rc;

    struct Probe(Rc<()>);

    impl crate::Object for Probe {
        fn type_name(&self) -> &'static str {
            "probe"
        }
        fn field(&self, _: &str) -> Option<Value> {
            None
        }
        fn fields(&self) -> Vec<(&'static str, Value)> {
            Vec::new()
        }
        fn json(&self) -> Value {
            Value::Nil
        }
        fn as_any(&self) -> &dyn std::any::Any {
            &self.0
        }
    }

    #[test]
    fn cycles_are_freed() {
        let alive = Rc::new(());
        {
            let _guard = CycleGuard::new();
            let map = Map::new();
            map.insert("probe", Value::Object(Rc::new(Probe(Rc::clone(&alive)))));
            map.insert(Str::from("self"), Value::List(List::new(vec![Value::Map(map.clone())])));
        }
        assert_eq!(Rc::strong_count(&alive), 1);
    }

    #[test]
    fn deep_values_are_dropped() {
        let mut value = Value::Nil;
        for round in 0..300_000 {
            value = if round % 2 == 0 {
                Value::List(List::new(vec![value]))
            } else {
                Value::Map([("a", value), ("b", Value::from(1.0))].into_iter().collect::<Map>())
            };
        }
        drop(value);
    }
}
