//! Values as Go's `%#v` shows them, for error texts.

use pintle_golib::strconv::{format_float, quote};
use pintle_value::{Str, Value};
use std::cmp::Ordering;

/// The types of a map's keys, in the order in which Go shows them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Rank {
    Nil,
    Text,
    Uint,
    Int,
    Float,
    Bool,
}

/// A key that tells its type: a text as it is, anything else as Go shows it.
pub(super) fn typed_key(rank: Rank, text: &[u8]) -> Str {
    Str::from([&[rank as u8], text].concat())
}

/// A value as go-yaml holds it, in Go's syntax. Its maps have typed keys.
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
            let entries = map.entries();
            let mut entries: Vec<(&[u8], &Value)> = entries.iter().map(|(key, item)| (&**key, item)).collect();
            entries.sort_by(|(a, _), (b, _)| order(a, b));
            for (i, (key, item)) in entries.iter().enumerate() {
                out.push_str(if i == 0 { "" } else { ", " });
                match key.split_first() {
                    Some((&NIL, _)) => out.push_str("interface {}(nil)"),
                    Some((&TEXT, text)) => out.push_str(&quote(text)),
                    Some((_, shown)) => out.push_str(&String::from_utf8_lossy(shown)),
                    None => {}
                }
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        other => out.push_str(other.type_name()),
    }
}

/// The first key that can be no text, from the outside inwards, and its value.
pub(super) fn not_a_text(value: &Value) -> Option<(Str, Value)> {
    match value {
        Value::List(list) => list.items().iter().find_map(not_a_text),
        Value::Map(map) => {
            let entries = map.entries();
            let here = entries.iter().find(|(key, _)| matches!(key.first(), Some(&(NIL | UINT))));
            here.cloned().or_else(|| entries.iter().find_map(|(_, item)| not_a_text(item)))
        }
        _ => None,
    }
}

/// What is wrong with such a key.
pub(super) fn unsupported(key: &[u8], value: &Value) -> String {
    let (kind, shown) = match key.split_first() {
        Some((&UINT, shown)) => ("uint64", String::from_utf8_lossy(shown)),
        _ => ("%!s(<nil>)", "<nil>".into()),
    };
    format!("unsupported map key of type: {kind}, key: {shown}, value: {}", go_syntax(value))
}

const NIL: u8 = Rank::Nil as u8;
const TEXT: u8 = Rank::Text as u8;
const UINT: u8 = Rank::Uint as u8;
const INT: u8 = Rank::Int as u8;
const FLOAT: u8 = Rank::Float as u8;

/// By type, then by value; what is not a number comes before all numbers.
fn order(a: &[u8], b: &[u8]) -> Ordering {
    let (Some((rank, a)), Some((other, b))) = (a.split_first(), b.split_first()) else { return a.cmp(b) };
    rank.cmp(other).then_with(|| match *rank {
        INT => number::<i64>(a).cmp(&number(b)),
        FLOAT => {
            let (a, b) = (number(a).unwrap_or(f64::NAN), number(b).unwrap_or(f64::NAN));
            b.is_nan().cmp(&a.is_nan()).then(a.partial_cmp(&b).unwrap_or(Ordering::Equal))
        }
        // Whole numbers without a sign are those beyond the ones with a sign, and have 16 digits.
        _ => a.cmp(b),
    })
}

fn number<N: std::str::FromStr>(shown: &[u8]) -> Option<N> {
    std::str::from_utf8(shown).ok()?.parse().ok()
}
