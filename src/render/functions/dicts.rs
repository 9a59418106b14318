//! Dictionaries.

use super::{
    Answer,
    argument::{any, list_answer, map, strings_answer, text, text_of},
    charge_items, fixed,
    merge::{Fill, merge_into},
    variadic,
};
use pintle_template::{
    Call, Func, FuncError,
    Type::{Any, Map as Dict, String},
};
use pintle_value::{List, Map, MapKind, Str, Value, fmt::MAX_DEPTH};

pub(super) static FUNCTIONS: &[Func] = &[
    variadic("dict", &[], Any, dict),
    fixed("get", &[Dict, String], |_, args| Ok(map(args, 0).get(text(args, 1)).unwrap_or_else(|| Value::str("")))),
    fixed("set", &[Dict, String, Any], set),
    fixed("unset", &[Dict, String], unset),
    fixed("hasKey", &[Dict, String], |_, args| Ok(Value::Bool(map(args, 0).contains(text(args, 1))))),
    variadic("pluck", &[String], Dict, pluck),
    variadic("keys", &[], Dict, keys),
    fixed("values", &[Dict], |_, args| list_answer(map(args, 0).entries().iter().map(|(_, v)| v.clone()).collect())),
    variadic("pick", &[Dict], String, pick),
    variadic("omit", &[Dict], String, omit),
    variadic("dig", &[], Any, dig),
    variadic("merge", &[Dict], Dict, |call, args| merge(call, args, Fill::Empty)),
    variadic("mustMerge", &[Dict], Dict, |call, args| merge(call, args, Fill::Empty)),
    variadic("mergeOverwrite", &[Dict], Dict, |call, args| merge(call, args, Fill::All)),
    variadic("mustMergeOverwrite", &[Dict], Dict, |call, args| merge(call, args, Fill::All)),
    fixed("deepCopy", &[Any], deep_copy),
    fixed("mustDeepCopy", &[Any], deep_copy),
];

fn dict(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let map = Map::new();
    for pair in args.chunks(2) {
        let value = pair.get(1).cloned().unwrap_or_else(|| Value::str(""));
        map.insert(text_of(any(pair, 0))?, value);
    }
    Ok(Value::Map(map))
}

fn set(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let map = map(args, 0);
    if map.is_nil() {
        return Err("assignment to entry in nil map".into());
    }
    map.insert(text(args, 1), any(args, 2).clone());
    Ok(Value::Map(map))
}

fn unset(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let map = map(args, 0);
    map.remove(text(args, 1));
    Ok(Value::Map(map))
}

fn pluck(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let key = text(args, 0);
    list_answer((1..args.len()).filter_map(|at| map(args, at).get(key)).collect())
}

/// Go gives the keys in any order; here they are sorted.
fn keys(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut keys: Vec<Str> = Vec::new();
    for at in 0..args.len() {
        keys.extend(map(args, at).entries().iter().map(|(k, _)| k.clone()));
    }
    strings_answer(keys)
}

fn pick(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let from = map(args, 0);
    let picked = Map::new();
    for at in 1..args.len() {
        let key = text(args, at);
        if let Some(value) = from.get(key) {
            picked.insert(key, value);
        }
    }
    Ok(Value::Map(picked))
}

fn omit(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let from = map(args, 0);
    call.spend((from.len() as u64).saturating_mul(args.len() as u64))?;
    let unwanted = |key: &Str| (1..args.len()).any(|at| text(args, at) == key.as_bytes());
    Ok(Value::Map(from.entries().iter().filter(|(key, _)| !unwanted(key)).cloned().collect()))
}

/// `dig KEY… DEFAULT DICT`.
fn dig(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let [keys @ .., default, dict] = args else { return Err("dig needs at least three arguments".into()) };
    if keys.is_empty() {
        return Err("dig needs at least three arguments".into());
    }
    let mut dict = plain_map(dict)?;
    for key in keys {
        if !matches!(key, Value::String(_)) {
            return Err(conversion(key, "string"));
        }
    }
    for (at, key) in keys.iter().enumerate() {
        let Some(value) = dict.get(key.as_bytes().unwrap_or_default()) else { return Ok(default.clone()) };
        if at + 1 == keys.len() {
            return Ok(value);
        }
        dict = plain_map(&value)?;
    }
    Ok(default.clone())
}

/// Go's type assertion to the plain map type: named map types do not pass.
fn plain_map(value: &Value) -> Result<Map, FuncError> {
    match value {
        Value::Map(map) if matches!(map.kind(), MapKind::Any) => Ok(map.clone()),
        _ => Err(conversion(value, "map[string]interface {}")),
    }
}

fn conversion(value: &Value, wanted: &str) -> FuncError {
    let found = if matches!(value, Value::Nil) { "nil" } else { value.type_name() };
    format!("interface conversion: interface {{}} is {found}, not {wanted}").into()
}

fn merge(call: &mut Call<'_>, args: &[Value], fill: Fill) -> Answer {
    let mut target = map(args, 0);
    if target.is_nil() {
        target = Map::new();
    }
    for at in 1..args.len() {
        merge_into(call, &target, &map(args, at), fill, 0)?;
    }
    Ok(Value::Map(target))
}

fn deep_copy(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let value = any(args, 0);
    if matches!(value, Value::Nil) {
        return Err("reflect: call of reflect.Value.Type on zero Value".into());
    }
    copy(call, value, 0)
}

fn copy(call: &mut Call<'_>, value: &Value, depth: usize) -> Answer {
    if depth > MAX_DEPTH {
        return Err(format!("deepCopy: the value nests deeper than {MAX_DEPTH}").into());
    }
    Ok(match value {
        Value::List(list) if !list.is_nil() => {
            // A copy of what shares its parts can be far larger than it looks.
            charge_items(call, list.len())?;
            let items = list.to_vec();
            let copies: Result<Vec<_>, _> = items.iter().map(|item| copy(call, item, depth + 1)).collect();
            Value::List(List::of(list.kind(), copies?))
        }
        Value::Map(map) if !map.is_nil() => {
            charge_items(call, map.len())?;
            let mut entries = map.snapshot();
            for (_, item) in &mut entries {
                *item = copy(call, item, depth + 1)?;
            }
            Value::Map(Map::of(map.kind(), entries))
        }
        Value::Object(object) => object.deep_copy().unwrap_or_else(|| value.clone()),
        other => other.clone(),
    })
}
