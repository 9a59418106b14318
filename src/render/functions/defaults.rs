//! What stands in for what is empty: `default`, `coalesce`, `ternary` and their kin.

use super::{Answer, argument::is_empty, fixed, variadic};
use pintle_template::{
    Call, Func,
    Type::{Any, Bool},
};
use pintle_value::Value;

pub(super) static FUNCTIONS: &[Func] = &[
    variadic("default", &[Any], Any, default),
    fixed("empty", &[Any], |_, args| Ok(Value::Bool(args.first().is_none_or(is_empty)))),
    variadic("coalesce", &[], Any, coalesce),
    variadic("all", &[], Any, |_, args| Ok(Value::Bool(!args.iter().any(is_empty)))),
    variadic("any", &[], Any, |_, args| Ok(Value::Bool(args.iter().any(|a| !is_empty(a))))),
    fixed("ternary", &[Any, Any, Bool], ternary),
];

/// The first argument stands in for the second; further ones are not looked at.
fn default(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(match args {
        [_, given, ..] if !is_empty(given) => given.clone(),
        [default, ..] => default.clone(),
        [] => Value::Nil,
    })
}

fn coalesce(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(args.iter().find(|a| !is_empty(a)).cloned().unwrap_or_default())
}

fn ternary(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let yes = matches!(args.get(2), Some(Value::Bool(true)));
    Ok(args.get(usize::from(!yes)).cloned().unwrap_or_default())
}
