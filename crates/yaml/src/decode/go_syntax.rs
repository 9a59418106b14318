//! Values as Go's `%#v` shows them, for error texts.

use pintle_golib::strconv::{format_float, quote};
use pintle_value::Value;

/// A value as go-yaml holds it, in Go's syntax.
pub(super) fn go_syntax(value: &Value) -> String {
    let mut out = String::new();
    match value {
        Value::Nil => out.push_str("<nil>"),
        _ => write(value, &mut out),
    }
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Nil => out.push_str("interface {}(nil)"),
        Value::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Value::Float64(n) if n.fract() == 0.0 && n.abs() < 1e21 => out.push_str(&format!("{n}")),
        Value::Float64(n) => out.push_str(&format_float(*n, b'g', None)),
        Value::Int64(n) => out.push_str(&n.to_string()),
        Value::Uint64(n) => out.push_str(&format!("{n:#x}")),
        Value::String(text) => out.push_str(&quote(text)),
        Value::List(list) => {
            out.push_str("[]interface {}{");
            for (i, item) in list.items().iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                write(item, out);
            }
            out.push('}');
        }
        Value::Map(map) => {
            out.push_str("map[interface {}]interface {}{");
            for (i, (key, item)) in map.entries().iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                out.push_str(&quote(key));
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        other => out.push_str(other.type_name()),
    }
}
