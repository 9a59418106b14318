//! Dropping nested values without recursion: a chart can nest maps a million deep in a loop, and dropping the outermost
//! must not overflow the stack.

use crate::Value;
use std::cell::{Cell, RefCell};

thread_local! {
    static DEPTH: Cell<u32> = const { Cell::new(0) };
    static LATER: RefCell<Vec<Value>> = const { RefCell::new(Vec::new()) };
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

#[cfg(test)]
mod tests {
    use crate::{List, Map, Value};

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
