//! How `merge` and `mergeOverwrite` put one dictionary into another: mergo's rules, bugs included.

use super::argument::is_empty;
use pintle_template::{Call, FuncError};
use pintle_value::{Map, MapKind, Value, fmt::MAX_DEPTH};

/// Which entries of the target give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fill {
    /// Those that are missing or empty: `false`, `0` and `""` too.
    Empty,
    /// All: even a nil or an empty list overwrites. Dictionaries are merged in any case.
    All,
}

/// Merges the source into the target. Dictionaries inside the target are changed in place, those of the source may be
/// shared afterwards.
pub(super) fn merge_into(
    call: &mut Call<'_>,
    target: &Map,
    source: &Map,
    fill: Fill,
    depth: usize,
) -> Result<(), FuncError> {
    if depth > MAX_DEPTH {
        return Err(format!("merge: the dictionaries nest deeper than {MAX_DEPTH}").into());
    }
    if target.same(source) {
        return Ok(());
    }
    call.spend(source.len() as u64)?;
    for (key, value) in source.snapshot() {
        let present = target.get(&key);
        if let (Some(Value::Map(inner)), Value::Map(other)) = (&present, &value)
            && !inner.is_nil()
        {
            merge_into(call, inner, other, fill, depth + 1)?;
            continue;
        }
        let gives_way = present.as_ref().is_none_or(is_empty);
        match fill {
            Fill::All => {}
            Fill::Empty if matches!(value, Value::Nil) || !gives_way => continue,
            Fill::Empty => {}
        }
        if matches!(target.kind(), MapKind::String) && !matches!(value, Value::String(_))
            || matches!((target.kind(), source.kind()), (MapKind::String, MapKind::Any))
        {
            return Err("reflect.Value.SetMapIndex: value of type interface {} is not assignable to type string".into());
        }
        target.insert(key, value);
    }
    Ok(())
}
