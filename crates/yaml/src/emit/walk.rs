//! Through a Value, collection by collection, on a stack of its own.

use super::{Dialect, Emitter, Place, sort_keys};
use crate::EncodeError;
use pintle_value::{List, Map, Str, Value};

/// How deep collections may be within each other, as in Go.
pub(crate) const DEPTH: usize = 10_000;
/// How much may be written: values that share parts can be far larger than they look.
pub(crate) const BYTES: usize = 256 << 20;
/// Every so many levels it is worth a look whether a collection is within itself.
const CYCLE_CHECK: usize = 100;

/// What is left to do for a value.
pub(crate) enum Rest {
    /// It is written.
    Nothing,
    /// A list with items.
    List(List),
    /// Entries, and the map they come from if it can be within itself.
    Entries(Vec<(Str, Value)>, Option<Map>),
}

/// What a form of YAML makes of Values.
pub(crate) trait Form {
    const DIALECT: Dialect;

    /// Writes a key.
    fn key(emitter: &mut Emitter, key: &[u8]) -> Result<(), EncodeError>;

    /// Writes a scalar or an empty collection, or says what the value consists of.
    fn node(emitter: &mut Emitter, value: Value) -> Result<Rest, EncodeError>;
}

/// A collection that is being written.
struct Open {
    items: Items,
    /// The indentation to go back to.
    indent: Option<usize>,
}

enum Items {
    List(List, usize),
    Map(std::vec::IntoIter<(Str, Value)>, Option<Map>),
}

/// Writes a value as a document.
pub(crate) fn write<F: Form>(value: &Value) -> Result<Vec<u8>, EncodeError> {
    let mut emitter = Emitter::new(F::DIALECT);
    let mut stack: Vec<Open> = Vec::new();
    let mut next = Some((value.clone(), Place::Root));
    loop {
        if let Some((value, place)) = next.take() {
            let items = match F::node(&mut emitter, value)? {
                Rest::Nothing => None,
                Rest::List(list) => Some((emitter.enter_sequence(place), Items::List(list, 0))),
                Rest::Entries(mut entries, map) => {
                    // A struct's fields stay as declared where there is no JSON on the way.
                    if map.is_some() || F::DIALECT == Dialect::V2 {
                        sort_keys(&mut entries, F::DIALECT);
                    }
                    Some((emitter.enter_mapping(), Items::Map(entries.into_iter(), map)))
                }
            };
            if let Some((indent, items)) = items {
                check_depth(&stack, &items)?;
                stack.push(Open { items, indent });
            }
        }
        if emitter.len() > BYTES {
            return Err(EncodeError::TooLong);
        }
        let Some(open) = stack.last_mut() else { return Ok(emitter.finish()) };
        match &mut open.items {
            Items::List(list, index) => {
                if let Some(item) = list.get(*index) {
                    *index += 1;
                    emitter.entry();
                    next = Some((item, Place::Entry));
                }
            }
            Items::Map(entries, _) => {
                if let Some((key, item)) = entries.next() {
                    F::key(&mut emitter, &key)?;
                    next = Some((item, Place::Value));
                }
            }
        }
        if next.is_none() {
            emitter.leave(open.indent);
            stack.pop();
        }
    }
}

fn check_depth(stack: &[Open], items: &Items) -> Result<(), EncodeError> {
    let depth = stack.len();
    let in_itself = || stack.iter().any(|open| same(&open.items, items));
    if depth >= DEPTH || (depth > 0 && depth.is_multiple_of(CYCLE_CHECK) && in_itself()) {
        return Err(EncodeError::TooDeep);
    }
    Ok(())
}

fn same(a: &Items, b: &Items) -> bool {
    match (a, b) {
        (Items::List(a, _), Items::List(b, _)) => a.same(b),
        (Items::Map(_, Some(a)), Items::Map(_, Some(b))) => a.same(b),
        _ => false,
    }
}
