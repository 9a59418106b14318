//! Versions: `semver`, `semverCompare`, and what a version answers.

use super::{
    Answer,
    argument::{environment, text},
    fixed,
};
use pintle_golib::{
    semver::{Constraint, Version},
    strconv::quote,
};
use pintle_template::{Call, Func, FuncError, Type::String};
use pintle_value::{CallError, Object, Value};
use std::{any::Any, cmp::Ordering, rc::Rc};

pub(super) static FUNCTIONS: &[Func] =
    &[fixed("semver", &[String], semver), fixed("semverCompare", &[String, String], compare)];

fn version(text: &[u8]) -> Result<Version, FuncError> {
    Version::parse(&std::string::String::from_utf8_lossy(text)).map_err(|e| e.to_string().into())
}

/// A constraint; its alternatives are read one after the other, and broken UTF-8 is in none of them.
fn constraint(text: &[u8]) -> Result<Constraint, FuncError> {
    if let Ok(text) = std::str::from_utf8(text) {
        return Constraint::parse(text).map_err(|e| e.to_string().into());
    }
    let mut rest = text;
    loop {
        let end = rest.windows(2).position(|pair| pair == b"||");
        let alternative = &rest[..end.unwrap_or(rest.len())];
        let Ok(whole) = std::str::from_utf8(alternative) else {
            return Err(format!("improper constraint: {}", quote(alternative)).into());
        };
        let constraint = Constraint::parse(whole).map_err(|e| FuncError::from(e.to_string()))?;
        let Some(end) = end else { return Ok(constraint) };
        rest = &rest[end + 2..];
    }
}

fn semver(_: &mut Call<'_>, args: &[Value]) -> Answer {
    Ok(Value::Object(Rc::new(VersionObject { version: version(text(args, 0))?, pointer: true })))
}

/// How many answers a render keeps.
const KEPT_ANSWERS: usize = 256;

fn compare(call: &mut Call<'_>, args: &[Value]) -> Answer {
    let key = [text(args, 0), b"\0", text(args, 1)].concat();
    let known = &environment(call)?.versions;
    if let Some(fits) = known.borrow().get(&*key) {
        return Ok(Value::Bool(*fits));
    }
    let constraint = constraint(text(args, 0))?;
    let fits = constraint.check(&version(text(args, 1))?);
    let mut known = known.borrow_mut();
    if known.len() >= KEPT_ANSWERS {
        known.clear();
    }
    known.insert(key.into(), fits);
    Ok(Value::Bool(fits))
}

/// A `*semver.Version`, or a `semver.Version` where a method returned one.
struct VersionObject {
    version: Version,
    pointer: bool,
}

const NONE: &[&str] = &[];
const TEXT: &[&str] = &["string"];
const OTHER: &[&str] = &["*semver.Version"];

impl Object for VersionObject {
    fn type_name(&self) -> &'static str {
        if self.pointer { "*semver.Version" } else { "semver.Version" }
    }

    fn is_pointer(&self) -> bool {
        self.pointer
    }

    fn field(&self, _: &str) -> Option<Value> {
        None
    }

    fn hides(&self, name: &str) -> bool {
        matches!(name, "major" | "minor" | "patch" | "pre" | "metadata" | "original")
    }

    fn fields(&self) -> Vec<(&'static str, Value)> {
        let v = &self.version;
        vec![
            ("major", Value::Uint64(v.major())),
            ("minor", Value::Uint64(v.minor())),
            ("patch", Value::Uint64(v.patch())),
            ("pre", Value::str(v.prerelease())),
            ("metadata", Value::str(v.metadata())),
            ("original", Value::str(v.original())),
        ]
    }

    fn method(&self, name: &str) -> Option<&'static [&'static str]> {
        match name {
            "Major" | "Minor" | "Patch" | "Prerelease" | "Metadata" | "String" | "IncMajor" | "IncMinor"
            | "IncPatch" => Some(NONE),
            "SetPrerelease" | "SetMetadata" => Some(TEXT),
            "Original" | "MarshalText" | "MarshalJSON" if self.pointer => Some(NONE),
            "Compare" | "Equal" | "LessThan" | "LessThanEqual" | "GreaterThan" | "GreaterThanEqual" if self.pointer => {
                Some(OTHER)
            }
            _ => None,
        }
    }

    fn call(&self, name: &str, args: &[Value]) -> Result<Value, CallError> {
        let v = &self.version;
        let changed = |version: Version| Value::Object(Rc::new(Self { version, pointer: false }));
        let given = || std::string::String::from_utf8_lossy(text(args, 0)).into_owned();
        let order = || match args.first() {
            Some(Value::Object(other)) => other.as_any().downcast_ref::<Self>().map(|o| v.compare(&o.version)),
            _ => None,
        };
        let compared = |holds: fn(Ordering) -> bool| match order() {
            Some(order) => Ok(Value::Bool(holds(order))),
            None => Err(CallError::from(super::argument::NIL_POINTER)),
        };
        match name {
            "Major" => Ok(Value::Uint64(v.major())),
            "Minor" => Ok(Value::Uint64(v.minor())),
            "Patch" => Ok(Value::Uint64(v.patch())),
            "Prerelease" => Ok(Value::str(v.prerelease())),
            "Metadata" => Ok(Value::str(v.metadata())),
            "Original" => Ok(Value::str(v.original())),
            "String" => Ok(Value::str(v.to_string())),
            "MarshalText" => Ok(Value::Bytes(v.to_string().into_bytes().into())),
            "MarshalJSON" => Ok(Value::Bytes(format!("\"{v}\"").into_bytes().into())),
            "IncMajor" => v.inc_major().map(changed).map_err(|e| e.to_string().into()),
            "IncMinor" => v.inc_minor().map(changed).map_err(|e| e.to_string().into()),
            "IncPatch" => v.inc_patch().map(changed).map_err(|e| e.to_string().into()),
            "SetPrerelease" => v.with_prerelease(&given()).map(changed).map_err(|e| e.to_string().into()),
            "SetMetadata" => v.with_metadata(&given()).map(changed).map_err(|e| e.to_string().into()),
            "Compare" => match order() {
                Some(order) => Ok(Value::Int(order as i64)),
                None => Err(super::argument::NIL_POINTER.into()),
            },
            "Equal" => compared(Ordering::is_eq),
            "LessThan" => compared(Ordering::is_lt),
            "LessThanEqual" => compared(Ordering::is_le),
            "GreaterThan" => compared(Ordering::is_gt),
            "GreaterThanEqual" => compared(Ordering::is_ge),
            _ => Err(format!("no method {name}").into()),
        }
    }

    fn text(&self) -> Option<std::string::String> {
        Some(self.version.to_string())
    }

    fn json(&self) -> Value {
        Value::str(self.version.to_string())
    }

    fn deep_copy(&self) -> Option<Value> {
        Some(Value::Object(Rc::new(Self { version: Version::default(), pointer: self.pointer })))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
