//! Values as Go's `%#v` shows them, for error texts.

use super::float_text;
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
        Value::Float64(n) => out.push_str(&float_text(*n)),
        Value::Int64(n) => out.push_str(&n.to_string()),
        Value::Uint64(n) => out.push_str(&format!("{n:#x}")),
        Value::String(text) => out.push_str(&go_quoted(text)),
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
                out.push_str(&go_quoted(key));
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        other => out.push_str(other.type_name()),
    }
}

/// `strconv.Quote`, as far as error texts need it.
pub(super) fn go_quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    for character in String::from_utf8_lossy(text).chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_ascii_control() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if c.is_control() || (c.is_whitespace() && c != ' ') => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
