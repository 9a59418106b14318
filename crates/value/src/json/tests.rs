#![allow(clippy::unwrap_used)]

use super::*;
use crate::{List, Map, Value};

const PLAIN: Style = Style { pretty: false, escape_html: true };

fn text(value: &Value, style: Style) -> String {
    let mut out = Vec::new();
    match encode(value, style, &mut out) {
        Ok(()) => String::from_utf8(out).unwrap(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn values_to_text() {
    for (value, expected) in [
        (Value::Nil, "null"),
        (Value::Float64(1.0), "1"),
        (Value::Float64(-0.0), "-0"),
        (Value::Float64(1e20), "100000000000000000000"),
        (Value::Float64(1e21), "1e+21"),
        (Value::Float64(1e-6), "0.000001"),
        (Value::Float64(1e-7), "1e-7"),
        (Value::Float64(1e-10), "1e-10"),
        (Value::Float64(f64::NAN), "error: json: unsupported value: NaN"),
        (Value::Float64(f64::NEG_INFINITY), "error: json: unsupported value: -Inf"),
        (Value::str("<a>&\"\\\n\u{8}\u{1}é\u{2028}"), r#""\u003ca\u003e\u0026\"\\\n\b\u0001é\u2028""#),
        (Value::str(b"a\xffb".as_slice()), r#""a\ufffdb""#),
        (Value::Bytes(b"hi".as_slice().into()), "\"aGk=\""),
        (Value::Bytes(b"".as_slice().into()), "\"\""),
        (Value::Complex128((0.0, 1.0).into()), "error: json: unsupported type: complex128"),
        (Value::List(List::nil(crate::ListKind::Any)), "null"),
        (Value::List(List::default_of(&[Value::Int(1), Value::Nil])), "[1,null]"),
    ] {
        assert_eq!(text(&value, PLAIN), expected);
    }
}

impl List {
    fn default_of(items: &[Value]) -> List {
        List::new(items.to_vec())
    }
}

#[test]
fn layout() {
    let inner: Map = [("x", Value::List(List::new(vec![]))), ("<", Value::Map(Map::new()))].into_iter().collect();
    let value = Value::List(List::new(vec![Value::Map(inner), Value::Int(1)]));
    assert_eq!(text(&value, PLAIN), r#"[{"\u003c":{},"x":[]},1]"#);
    let pretty = Style { pretty: true, escape_html: false };
    assert_eq!(text(&value, pretty), "[\n  {\n    \"<\": {},\n    \"x\": []\n  },\n  1\n]");
}

#[test]
fn what_contains_itself() {
    let cycle = Map::new();
    cycle.insert("a", Value::Map(cycle.clone()));
    assert_eq!(
        text(&Value::Map(cycle.clone()), PLAIN),
        "error: json: unsupported value: encountered a cycle via map[string]interface {}"
    );
    cycle.remove(b"a");
    // Of a circle of two, the one that comes again below Go's thousandth level is named: an encoder counts one more.
    let map = Map::new();
    let list = Value::List(List::new(vec![Value::Map(map.clone())]));
    map.insert("a", list.clone());
    let raw = Style { pretty: false, escape_html: false };
    for (value, style, named) in [
        (&list, PLAIN, "[]interface {}"),
        (&list, raw, "map[string]interface {}"),
        (&Value::Map(map.clone()), PLAIN, "map[string]interface {}"),
        (&Value::Map(map.clone()), raw, "[]interface {}"),
    ] {
        assert_eq!(text(value, style), format!("error: json: unsupported value: encountered a cycle via {named}"));
    }
    map.remove(b"a");
    // What is merely deep is none.
    let deep = |levels: usize| (0..levels).fold(Value::Nil, |inner, _| Value::List(List::new(vec![inner])));
    assert!(text(&deep(1050), PLAIN).ends_with("]]]]"));
    assert!(text(&deep(2000), PLAIN).starts_with("error"));
}

#[test]
fn text_to_values() {
    for (input, expected) in [
        (r#" {"b":[1,-2.5e3,true,null],"a":{"":"x"}} "#, r#"{"a":{"":"x"},"b":[1,-2500,true,null]}"#),
        (r#""\u00e9\n\/\ud83d\ude00\ud800x""#, "\"é\\n/😀\u{fffd}x\""),
        (r#"{"a":1,"a":2}"#, r#"{"a":2}"#),
        ("\"a\u{7f}\"", "\"a\u{7f}\""),
        ("", "error: unexpected end of JSON input"),
        ("[1", "error: unexpected end of JSON input"),
        ("[1,]", "error: invalid character ']' looking for beginning of value"),
        ("{\"a\":1,}", "error: invalid character '}' looking for beginning of object key string"),
        ("{a:1}", "error: invalid character 'a' looking for beginning of object key string"),
        ("{\"a\"}", "error: invalid character '}' after object key"),
        ("{\"a\":1 \"b\":2}", "error: invalid character '\"' after object key:value pair"),
        ("[1 2]", "error: invalid character '2' after array element"),
        ("1 2", "error: invalid character '2' after top-level value"),
        ("01", "error: invalid character '1' after top-level value"),
        ("-", "error: invalid character ' ' in numeric literal"),
        ("1.x", "error: invalid character 'x' after decimal point in numeric literal"),
        ("1e}", "error: invalid character '}' in exponent of numeric literal"),
        ("tru", "error: invalid character ' ' in literal true (expecting 'e')"),
        ("nul}", "error: invalid character '}' in literal null (expecting 'l')"),
        ("\"\\q\"", "error: invalid character 'q' in string escape code"),
        ("\"\\u12\"", "error: invalid character '\"' in \\u hexadecimal character escape"),
        ("\"a\nb\"", "error: invalid character '\\n' in string literal"),
        ("\u{e9}", "error: invalid character 'Ã' looking for beginning of value"),
        ("'", "error: invalid character '\\'' looking for beginning of value"),
        ("[1e400]", "error: json: cannot unmarshal number 1e400 into Go value of type float64"),
    ] {
        let actual = match decode(input.as_bytes()) {
            Ok(value) => text(&value, Style { pretty: false, escape_html: false }),
            Err(error) => format!("error: {error}"),
        };
        assert_eq!(actual, expected, "{input}");
    }
    let deep = "[".repeat(100_000);
    assert_eq!(decode(deep.as_bytes()).unwrap_err().to_string(), "exceeded max depth");
    let partial = decode(br#"{"a":1e400,"b":2}"#).unwrap_err().partial.unwrap();
    assert_eq!(text(&partial, PLAIN), r#"{"a":null,"b":2}"#);
}
