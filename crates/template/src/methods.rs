//! The methods of `time.Time` and `time.Duration` that templates can call.

use pintle_value::{CallError, Value};

/// A method of a type of the standard library.
pub(crate) struct BuiltMethod {
    pub(crate) name: &'static str,
    pub(crate) params: &'static [&'static str],
    pub(crate) call: fn(&Value, &[Value]) -> Result<Value, CallError>,
}

pub(crate) static TIME_METHODS: &[BuiltMethod] = &[];

pub(crate) static DURATION_METHODS: &[BuiltMethod] = &[];
