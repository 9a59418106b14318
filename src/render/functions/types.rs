//! Questions about types, and conversions between them.

use super::{
    Answer,
    argument::{any, kind_name, string_answer, strings_answer, text, text_of, texts_of},
    fixed,
};
use pintle_template::{
    Call, Func,
    Type::{Any, String},
};
use pintle_value::Value;

pub(super) static FUNCTIONS: &[Func] = &[
    fixed("typeOf", &[Any], |_, args| string_answer(any(args, 0).type_name())),
    fixed("typeIs", &[String, Any], |_, args| Ok(Value::Bool(type_is(args)))),
    fixed("typeIsLike", &[String, Any], type_is_like),
    fixed("kindOf", &[Any], |_, args| string_answer(kind_name(any(args, 0)))),
    fixed("kindIs", &[String, Any], |_, args| Ok(Value::Bool(text(args, 0) == kind_name(any(args, 1)).as_bytes()))),
    fixed("deepEqual", &[Any, Any], |_, args| Ok(Value::Bool(any(args, 0).deep_equal(any(args, 1))))),
    fixed("toString", &[Any], |_, args| string_answer(text_of(any(args, 0))?)),
    fixed("toStrings", &[Any], |_, args| strings_answer(texts_of(any(args, 0))?)),
];

fn type_is(args: &[Value]) -> bool {
    text(args, 0) == any(args, 1).type_name().as_bytes()
}

/// As `typeIs`, but a pointer to the type will do.
fn type_is_like(_: &mut Call<'_>, args: &[Value]) -> Answer {
    let pointer = any(args, 1).type_name().strip_prefix('*');
    Ok(Value::Bool(type_is(args) || pointer.is_some_and(|name| name.as_bytes() == text(args, 0))))
}
