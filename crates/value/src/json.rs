//! Go's `encoding/json` over [`Value`]s: both ways, with its texts for numbers, escapes and errors.

mod decode;
mod encode;

use crate::Value;

pub use decode::{DecodeError, decode, decode_prefix};
pub use encode::{EncodeError, Style, append_string, encode};

/// Writes a float as Go's JSON does: plain digits from 1e-6 up to 1e21, else with an exponent without padding.
pub fn append_float(out: &mut Vec<u8>, number: f64) {
    let size = number.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let start = out.len();
        pintle_golib::strconv::append_float(out, number, b'e', None);
        // e-09 becomes e-9.
        let end = out.len();
        if end - start >= 4 && &out[end - 4..end - 1] == b"e-0" {
            out.remove(end - 2);
        }
    } else {
        pintle_golib::strconv::append_float(out, number, b'f', None);
    }
}

/// What Go's JSON says of a value that does not fit: `json: cannot unmarshal array into Go value of type string`. `target` is
/// what follows `into`.
#[must_use]
pub fn mismatch(value: &Value, target: &str) -> String {
    let kind = match value {
        Value::Bool(_) => "bool",
        Value::String(_) => "string",
        Value::List(_) => "array",
        Value::Map(_) => "object",
        _ => "number",
    };
    format!("json: cannot unmarshal {kind} into {target}")
}

#[cfg(test)]
mod tests;
