//! Functions that templates call: their Go signature, for the argument checks whose error texts charts' users know,
//! and a Rust body.

use crate::{Call, Diagnosis, Error};
use foldhash::HashMap;
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

impl Type {
    /// The type that `%T` prints so.
    pub fn of_name(name: &'static str) -> Self {
        match name {
            "interface {}" => Self::Any,
            "reflect.Value" => Self::Reflect,
            "bool" => Self::Bool,
            "int" => Self::Int,
            "int64" => Self::Int64,
            "float64" => Self::Float64,
            "string" => Self::String,
            "[]interface {}" => Self::List,
            "[]string" => Self::Strings,
            "map[string]interface {}" => Self::Map,
            "time.Time" => Self::Time,
            _ => Self::Named(name),
        }
    }

    /// What `%T` prints.
    pub fn name(self) -> &'static str {
        match self {
            Self::Any => "interface {}",
            Self::Reflect => "reflect.Value",
            Self::Bool => "bool",
            Self::Int => "int",
            Self::Int64 => "int64",
            Self::Float64 => "float64",
            Self::String => "string",
            Self::List => "[]interface {}",
            Self::Strings => "[]string",
            Self::Map => "map[string]interface {}",
            Self::Time => "time.Time",
            Self::Named(name) => name,
        }
    }
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
#[non_exhaustive]
pub enum FuncError {
    /// A Go error that the function returns: becomes `error calling NAME: TEXT`.
    Text(String),
    /// The error of a template that the function executed (`include`, `tpl`): becomes `error calling NAME: …`, and the
    /// chain stays known.
    Template(Box<Error>),
    /// As `Text`, with what is known about the template that the function executed: `tpl` tells its errors in words of
    /// its own, so the chain of errors ends there, but not the way to the failure.
    Explained(String, Box<Diagnosis>),
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

/// The functions that templates may call, by name, besides Go's builtins. An entry shadows the builtin of its name.
#[derive(Clone, Default)]
pub struct FunctionTable {
    functions: HashMap<&'static str, Func>,
}

impl FunctionTable {
    /// Adds a function, in place of an earlier one of its name.
    pub fn insert(&mut self, function: Func) {
        self.functions.insert(function.name, function);
    }

    /// The function of this name.
    pub fn get(&self, name: &str) -> Option<&Func> {
        self.functions.get(name)
    }

    pub(crate) fn resolve(&self, name: &[u8]) -> Option<Callee> {
        let name = std::str::from_utf8(name).ok()?;
        match self.functions.get(name) {
            Some(function) => Some(Callee::Function(*function)),
            None => Builtin::of_name(name).map(Callee::Builtin),
        }
    }

    /// The names that may be called, from a to z.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        let mut names: Vec<&'static str> = self.functions.keys().copied().collect();
        names.extend(Builtin::ALL.map(Builtin::name));
        names.sort_unstable();
        names.into_iter()
    }

    pub(crate) fn knows(&self, name: &[u8]) -> bool {
        self.resolve(name).is_some()
    }
}

impl FromIterator<Func> for FunctionTable {
    fn from_iter<I: IntoIterator<Item = Func>>(functions: I) -> Self {
        Self { functions: functions.into_iter().map(|f| (f.name, f)).collect() }
    }
}

impl Extend<Func> for FunctionTable {
    fn extend<I: IntoIterator<Item = Func>>(&mut self, functions: I) {
        self.functions.extend(functions.into_iter().map(|f| (f.name, f)));
    }
}

/// What a name in a template stands for.
#[derive(Clone, Copy)]
pub(crate) enum Callee {
    Builtin(Builtin),
    Function(Func),
}

impl Callee {
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Builtin(b) => b.name(),
            Self::Function(f) => f.name,
        }
    }

    pub(crate) fn signature(&self) -> (&'static [Type], Option<Type>) {
        match self {
            Self::Builtin(b) => b.signature(),
            Self::Function(f) => (f.params, f.variadic),
        }
    }
}

/// Go's own functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Builtin {
    And,
    Call,
    Eq,
    Ge,
    Gt,
    Html,
    Index,
    Js,
    Le,
    Len,
    Lt,
    Ne,
    Not,
    Or,
    Print,
    Printf,
    Println,
    Slice,
    UrlQuery,
}

impl Builtin {
    const ALL: [Self; 19] = [
        Self::And,
        Self::Call,
        Self::Eq,
        Self::Ge,
        Self::Gt,
        Self::Html,
        Self::Index,
        Self::Js,
        Self::Le,
        Self::Len,
        Self::Lt,
        Self::Ne,
        Self::Not,
        Self::Or,
        Self::Print,
        Self::Printf,
        Self::Println,
        Self::Slice,
        Self::UrlQuery,
    ];

    fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.name() == name)
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::And => "and",
            Self::Call => "call",
            Self::Eq => "eq",
            Self::Ge => "ge",
            Self::Gt => "gt",
            Self::Html => "html",
            Self::Index => "index",
            Self::Js => "js",
            Self::Le => "le",
            Self::Len => "len",
            Self::Lt => "lt",
            Self::Ne => "ne",
            Self::Not => "not",
            Self::Or => "or",
            Self::Print => "print",
            Self::Printf => "printf",
            Self::Println => "println",
            Self::Slice => "slice",
            Self::UrlQuery => "urlquery",
        }
    }

    fn signature(self) -> (&'static [Type], Option<Type>) {
        const ONE: &[Type] = &[Type::Reflect];
        match self {
            Self::And | Self::Or | Self::Call | Self::Eq | Self::Index | Self::Slice => (ONE, Some(Type::Reflect)),
            Self::Ge | Self::Gt | Self::Le | Self::Lt | Self::Ne => (&[Type::Reflect, Type::Reflect], None),
            Self::Len | Self::Not => (ONE, None),
            Self::Html | Self::Js | Self::UrlQuery | Self::Print | Self::Println => (&[], Some(Type::Any)),
            Self::Printf => (&[Type::String], Some(Type::Any)),
        }
    }
}
