//! Go's structs and named types, as far as templates can reach them: fields and methods.

use crate::Value;
use std::{any::Any, fmt};

/// Why a method failed: the text of the Go error it would return.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError(pub String);

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for CallError {}

impl<T: Into<String>> From<T> for CallError {
    fn from(text: T) -> Self {
        Self(text.into())
    }
}

/// A named map or slice type: its name and the methods that templates may call on it. Methods are looked up before
/// keys, so a key of a method's name is out of reach of dot syntax, as in Go.
pub struct Named {
    /// What `%T` prints: `common.Values`.
    pub go_name: &'static str,
    /// What a missing key gives, and what the elements are: `interface {}`, `[]uint8`, `string`.
    pub element: &'static str,
    /// The methods, by name.
    pub methods: &'static [Method],
}

/// A method of a named type.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// The Go types of its parameters, as `%T` prints them (for argument checks).
    pub params: &'static [&'static str],
    /// Its body; `params` were checked before.
    pub call: fn(receiver: &Value, args: &[Value]) -> Result<Value, CallError>,
}

impl Named {
    /// The method of this name.
    pub fn method(&self, name: &str) -> Option<&'static Method> {
        self.methods.iter().find(|m| m.name == name)
    }
}

/// A struct or pointer to one: `Capabilities`, `KubeVersion`, a certificate, a semver version.
pub trait Object: Any {
    /// What `%T` prints: `*semver.Version`, `common.KubeVersion`.
    fn type_name(&self) -> &'static str;

    /// Whether `kindOf` says `ptr` rather than `struct`.
    fn is_pointer(&self) -> bool {
        false
    }

    /// The exported field of this name.
    fn field(&self, name: &str) -> Option<Value>;

    /// The exported fields in order of declaration, for printing and for equality.
    fn fields(&self) -> Vec<(&'static str, Value)>;

    /// The fields as fmt prints them: the hidden ones too.
    fn printed(&self) -> Vec<(&'static str, Value)> {
        self.fields()
    }

    /// The Go types of the parameters of the method of this name, if there is one.
    fn method(&self, name: &str) -> Option<&'static [&'static str]> {
        let _ = name;
        None
    }

    /// Calls a method that [`Object::method`] knows.
    ///
    /// # Errors
    /// The text of the Go error that the method returns.
    fn call(&self, name: &str, args: &[Value]) -> Result<Value, CallError> {
        let _ = args;
        Err(CallError(format!("no method {name}")))
    }

    /// What `%v` prints, where the type has a `String` or `Error` method or prints in its own way.
    fn text(&self) -> Option<String> {
        None
    }

    /// What encoding/json sees: a map for a struct (keys in declared order), a string where the type marshals itself.
    fn json(&self) -> Value;

    /// The number, where the type is no struct but a named int: `time.Month`.
    fn int(&self) -> Option<i64> {
        None
    }

    /// Whether there is an unexported field of this name.
    fn hides(&self, name: &str) -> bool {
        let _ = name;
        false
    }

    /// What an action prints that names the value itself, where that differs from what functions print: the `String`
    /// method of the pointer type is found only as long as the value was not passed on.
    fn direct_text(&self) -> Option<String> {
        None
    }

    /// What a deep copy makes of it, where that is no copy: Go's leaves fields out that are not exported.
    fn deep_copy(&self) -> Option<Value> {
        None
    }

    /// For looking behind the trait.
    fn as_any(&self) -> &dyn Any;
}
