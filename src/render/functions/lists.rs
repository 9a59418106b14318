//! Lists: taking them apart, putting them together, asking what is in them.

use super::{
    Answer,
    argument::{
        NIL_POINTER, any, int, is_empty, items, kind_name, list_answer, strings_answer, text_of, texts_of, to_int64,
    },
    charge_items, check_items, fixed, variadic,
};
use pintle_template::{
    Call, Func, FuncError,
    Type::{Any, Int, String},
};
use pintle_value::{List, ListKind, Str, Value};

pub(super) static FUNCTIONS: &[Func] = &[
    variadic("list", &[], Any, list),
    variadic("tuple", &[], Any, list),
    fixed("append", &[Any, Any], append),
    fixed("push", &[Any, Any], append),
    fixed("mustAppend", &[Any, Any], append),
    fixed("mustPush", &[Any, Any], append),
    fixed("prepend", &[Any, Any], prepend),
    fixed("mustPrepend", &[Any, Any], prepend),
    variadic("concat", &[], Any, concat),
    fixed("first", &[Any], first),
    fixed("mustFirst", &[Any], first),
    fixed("last", &[Any], last),
    fixed("mustLast", &[Any], last),
    fixed("rest", &[Any], rest),
    fixed("mustRest", &[Any], rest),
    fixed("initial", &[Any], initial),
    fixed("mustInitial", &[Any], initial),
    fixed("reverse", &[Any], reverse),
    fixed("mustReverse", &[Any], reverse),
    fixed("compact", &[Any], compact),
    fixed("mustCompact", &[Any], compact),
    fixed("uniq", &[Any], uniq),
    fixed("mustUniq", &[Any], uniq),
    variadic("without", &[Any], Any, without),
    variadic("mustWithout", &[Any], Any, without),
    fixed("has", &[Any, Any], has),
    fixed("mustHas", &[Any, Any], has),
    variadic("slice", &[Any], Any, slice),
    variadic("mustSlice", &[Any], Any, slice),
    fixed("chunk", &[Int, Any], chunk),
    fixed("mustChunk", &[Int, Any], chunk),
    fixed("sortAlpha", &[Any], sort_alpha),
    fixed("join", &[String, Any], join),
];

/// The items of a list, or the error that sprig's function has for anything else.
fn list_of(value: &Value, complaint: &str) -> Result<Vec<Value>, FuncError> {
    match items(value) {
        Some(items) => Ok(items),
        None if matches!(value, Value::Nil) => Err(NIL_POINTER.into()),
        None => Err(format!("{complaint} {}", kind_name(value)).into()),
    }
}

fn list(_: &mut Call<'_>, args: &[Value]) -> Answer {
    list_answer(args.to_vec())
}

fn append(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut items = list_of(any(args, 0), "Cannot push on type")?;
    charge_items(call, items.len())?;
    items.push(any(args, 1).clone());
    list_answer(items)
}

fn prepend(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut items = list_of(any(args, 0), "Cannot prepend on type")?;
    charge_items(call, items.len())?;
    items.insert(0, any(args, 1).clone());
    list_answer(items)
}

fn concat(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut all = Vec::new();
    for arg in args {
        let Some(items) = items(arg) else {
            if matches!(arg, Value::Nil) {
                return Err(NIL_POINTER.into());
            }
            return Err(format!("Cannot concat type {} as list", kind_name(arg)).into());
        };
        check_items("concat", all.len() + items.len())?;
        charge_items(call, items.len())?;
        all.extend(items);
    }
    Ok(nil_if_empty(all))
}

/// Where Go starts from a nil slice, a list without items stays one.
fn nil_if_empty(items: Vec<Value>) -> Value {
    Value::List(if items.is_empty() { List::nil(ListKind::Any) } else { List::new(items) })
}

fn first(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(list_of(any(args, 0), "Cannot find first on type")?.into_iter().next().unwrap_or_default())
}

fn last(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(list_of(any(args, 0), "Cannot find last on type")?.pop().unwrap_or_default())
}

fn rest(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut items = list_of(any(args, 0), "Cannot find rest on type")?;
    if items.is_empty() {
        return Ok(nil_if_empty(items));
    }
    items.remove(0);
    list_answer(items)
}

fn initial(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut items = list_of(any(args, 0), "Cannot find initial on type")?;
    match items.pop() {
        Some(_) => list_answer(items),
        None => Ok(nil_if_empty(items)),
    }
}

fn reverse(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut items = list_of(any(args, 0), "Cannot find reverse on type")?;
    items.reverse();
    list_answer(items)
}

fn compact(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut items = list_of(any(args, 0), "Cannot compact on type")?;
    items.retain(|item| !is_empty(item));
    list_answer(items)
}

fn uniq(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = list_of(any(args, 0), "Cannot find uniq on type")?;
    let mut kept: Vec<Value> = Vec::new();
    for item in items {
        call.spend(kept.len() as u64)?;
        if !kept.iter().any(|k| k.deep_equal(&item)) {
            kept.push(item);
        }
    }
    list_answer(kept)
}

fn without(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let mut items = list_of(any(args, 0), "Cannot find without on type")?;
    let unwanted = args.get(1..).unwrap_or_default();
    call.spend((items.len() as u64).saturating_mul(unwanted.len() as u64))?;
    items.retain(|item| !unwanted.iter().any(|u| u.deep_equal(item)));
    list_answer(items)
}

fn has(call: &mut Call<'_>, args: &[Value]) -> Answer {
    if matches!(any(args, 1), Value::Nil) {
        return Ok(Value::Bool(false));
    }
    let items = list_of(any(args, 1), "Cannot find has on type")?;
    call.spend(items.len() as u64)?;
    Ok(Value::Bool(items.iter().any(|item| any(args, 0).deep_equal(item))))
}

fn slice(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let items = list_of(any(args, 0), "list should be type of slice or array but")?;
    if items.is_empty() {
        return Ok(Value::Nil);
    }
    let start = args.get(1).map_or(0, to_int64);
    let end = args.get(2).map_or(items.len() as i64, to_int64);
    let bounds = || Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?));
    let part = bounds().and_then(|(start, end)| items.get(start..end));
    let Some(part) = part else { return Err("reflect.Value.Slice: slice index out of bounds".into()) };
    Ok(match any(args, 0) {
        Value::List(list) => Value::List(List::of(list.kind(), part.to_vec())),
        // Bytes stay bytes.
        Value::Bytes(bytes) => {
            bounds().and_then(|(start, end)| bytes.get(start..end)).map_or(Value::Nil, |b| Value::Bytes(b.into()))
        }
        _ => Value::Nil,
    })
}

fn chunk(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let size = int(args, 0);
    let items = list_of(any(args, 1), "Cannot chunk type")?;
    let Some(size) = usize::try_from(size).ok().filter(|size| *size > 0) else {
        // Go computes the number of chunks in floating point: below minus half the list there are none, and of a single
        // item there is one all the same.
        if size < -1 && items.len() == 1 {
            return Ok(Value::List(List::of(ListKind::Lists, vec![Value::List(List::new(items))])));
        }
        if size < 0 && ((items.len() as f64 - 1.0) / size as f64).floor() == -1.0 {
            return Ok(Value::List(List::of(ListKind::Lists, Vec::new())));
        }
        return Err("runtime error: makeslice: len out of range".into());
    };
    let chunks = items.chunks(size).map(|chunk| Value::List(List::new(chunk.to_vec()))).collect();
    Ok(Value::List(List::of(ListKind::Lists, chunks)))
}

fn sort_alpha(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let list = any(args, 0);
    if items(list).is_none() {
        return strings_answer([text_of(list)?]);
    }
    // A []string is sorted where it is; of anything else the texts are new.
    if let Value::List(strings) = list
        && matches!(strings.kind(), ListKind::String)
    {
        call.spend(strings.len() as u64)?;
        strings.rearrange(|items| items.sort_by(|a, b| a.as_bytes().cmp(&b.as_bytes())));
        return Ok(list.clone());
    }
    let mut texts = texts_of(list)?;
    call.spend(texts.len() as u64)?;
    texts.sort();
    strings_answer(texts)
}

fn join(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let separator = super::argument::text(args, 0);
    let texts = texts_of(any(args, 1))?;
    let length = texts.iter().fold(0_usize, |n, text| n.saturating_add(text.len()).saturating_add(separator.len()));
    super::check_bytes("join", length)?;
    let mut out = Vec::with_capacity(length);
    for (at, text) in texts.iter().enumerate() {
        if at > 0 {
            out.extend_from_slice(separator);
        }
        out.extend_from_slice(text);
    }
    Ok(Value::String(Str::from(out)))
}
