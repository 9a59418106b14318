//! Functions that templates call: their Go signature, for the argument checks whose error texts charts' users know,
//! and a Rust body.

use crate::Error;
use pintle_value::Value;

/// The Go type of a parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// `interface {}`: takes everything; an invalid or missing value arrives as nil.
    Any,
    /// `reflect.Value`: as `Any`, but an untyped nil is refused where Go refuses it.
    Reflect,
    /// `bool`
    Bool,
    /// `int`: a constant `2.0` is taken, a float64 value is not.
    Int,
    /// `int64`
    Int64,
    /// `float64`
    Float64,
    /// `string`
    String,
    /// `[]interface {}`
    List,
    /// `[]string`
    Strings,
    /// `map[string]interface {}` (the named type `common.Values` too)
    Map,
    /// `time.Time`
    Time,
    /// Any other Go type, by the name that `%T` prints: `sprig.certificate`.
    Named(&'static str),
}

/// A function of the function map.
#[derive(Clone, Copy)]
pub struct Func {
    /// The name that templates use.
    pub name: &'static str,
    /// The types of the fixed parameters.
    pub params: &'static [Type],
    /// The type of each further argument, if the function takes any number.
    pub variadic: Option<Type>,
    /// The body. The arguments were counted, checked and converted to the types before.
    pub call: fn(&mut Call<'_>, &[Value]) -> Result<Value, FuncError>,
}

/// Why a function failed.
#[derive(Debug)]
pub enum FuncError {
    /// A Go error that the function returns: becomes `error calling NAME: TEXT`.
    Text(String),
    /// The error of a template that the function executed (`include`, `tpl`): becomes `error calling NAME: …`, and the
    /// chain stays known.
    Template(Box<Error>),
}

impl<T: Into<String>> From<T> for FuncError {
    fn from(text: T) -> Self {
        Self::Text(text.into())
    }
}

impl From<Box<Error>> for FuncError {
    fn from(error: Box<Error>) -> Self {
        Self::Template(error)
    }
}
