// Floats are written as Go prints them, whatever the shortest text would be.
#![allow(clippy::unwrap_used, clippy::excessive_precision)]

use super::*;
use crate::{decode, encode_v3};
use pintle_value::Map;

/// Checks what both dialects make of a value that is given as YAML; `v3` only where it differs.
fn check(yaml: &str, v2: &str, v3: &str) {
    check_value(&decode(yaml.as_bytes(), &Limits::default()).unwrap(), v2, v3);
}

fn check_value(value: &Value, v2: &str, v3: &str) {
    assert_eq!(String::from_utf8(encode(value).unwrap()).unwrap(), v2, "{value:?}");
    assert_eq!(String::from_utf8(encode_v3(value).unwrap()).unwrap(), v3, "{value:?}");
}

fn check_text(text: &str, expect: &str) {
    check_value(&Value::str(text), &format!("{expect}\n"), &format!("{expect}\n"));
}

#[test]
fn collections() {
    check(
        "{a: [1, {b: c, d: [e]}, [f, [g]]]}",
        "a:\n- 1\n- b: c\n  d:\n  - e\n- - f\n  - - g\n",
        "a:\n  - 1\n  - b: c\n    d:\n      - e\n  - - f\n    - - g\n",
    );
    check("{a: {b: {}, c: []}, d: null}", "a:\n  b: {}\n  c: []\nd: null\n", "a:\n  b: {}\n  c: []\nd: null\n");
    check("[]", "[]\n", "[]\n");
    check("x", "x\n", "x\n");
}

#[test]
fn order_of_keys() {
    let keys = "{'': 0, _c: 0, '1': 0, '2': 0, '10': 0, B: 0, Z: 0, a b: 0, a-b: 0, a.b: 0, a/b: 0, a_b: 0, a1: 0, a01: 0, a2: 0, a10: 0, ab: 0, b: 0, é: 0}";
    let text = "\"\": 0\n_c: 0\n\"1\": 0\n\"2\": 0\n\"10\": 0\nB: 0\nZ: 0\na b: 0\na-b: 0\na.b: 0\na/b: 0\na_b: 0\na1: 0\na01: 0\na2: 0\na10: 0\nab: 0\nb: 0\né: 0\n";
    check(keys, text, text);
    // Right after a digit, v3 puts letters first.
    check("{a1b: 0, a1-: 0}", "a1-: 0\na1b: 0\n", "a1b: 0\na1-: 0\n");
    // No order at all, but no panic either.
    let many: Map = (0..200).map(|i| (format!("v{}beta{}", i % 17, i % 5), Value::Nil)).collect();
    assert!(encode(&Value::Map(many)).is_ok());
}

#[test]
fn numbers() {
    for (float, v2, v3) in [
        (1.0, "1\n", "1\n"),
        (1e6, "1000000\n", "1e+06\n"),
        (1_234_567.5, "1.2345675e+06\n", "1.2345675e+06\n"),
        (1e19, "10000000000000000000\n", "1e+19\n"),
        (1e20, "1e+20\n", "1e+20\n"),
        (1e-7, "1e-07\n", "1e-07\n"),
        (74_703_550_236_262.125, "7.470355023626212e+13\n", "7.470355023626212e+13\n"),
        (17_179_869_184.007_812_5, "1.7179869184007812e+10\n", "1.7179869184007812e+10\n"),
        (-0.0, "0\n", "-0\n"),
        (-9_223_372_036_854_775_808.0, "-9.223372036854776e+18\n", "-9.223372036854776e+18\n"),
    ] {
        check_value(&Value::Float64(float), v2, v3);
    }
    check_value(&Value::Uint64(u64::MAX), "18446744073709551615\n", "18446744073709551615\n");
    assert_eq!(encode(&Value::Float64(f64::NAN)), Err(EncodeError::NotFinite));
    assert_eq!(encode_v3(&Value::Float64(f64::NEG_INFINITY)).unwrap(), b"-.inf\n");
}

#[test]
fn quoting() {
    for plain in [
        "a", "-a", "?a", ":a", "a:b", "a#b", "a,b", "=", "<<", "~x", "1.2.3", "1Gi", "nULL", "0x", "1e", "_1", "1:60",
        "a b", "é",
    ] {
        check_text(plain, plain);
    }
    for double in
        ["", "y", "No", "null", "~", "1", "0777", "1_0", "1e3", ".5", ".inf", "10:30", "2020-1-1", "2020-01-01 1:2:3"]
    {
        check_text(double, &format!("\"{double}\""));
    }
    for single in ["#a", "@a", "{{ x }}", "- a", "-", "a: b", "a:", "a #b", " a", "a ", "---", "'a'", "%a"] {
        check_text(single, &format!("'{}'", single.replace('\'', "''")));
    }
    check_text("a\tb", "\"a\\tb\"");
    check_text("😀", "\"\\U0001F600\"");
    check_text("\u{FEFF}ab", "\"\\uFEFF\\x61\\x62\"");
    check_text("\x1B\"\\", "\"\\e\\\"\\\\\"");
    check_text("a\rb", "\"a\\rb\"");
}

#[test]
fn literals() {
    check_value(&Value::str("a\nb"), "|-\n  a\n  b\n", "|-\n  a\n  b\n");
    check_value(&Value::str("a\n\nb\n"), "|\n  a\n\n  b\n", "|\n  a\n\n  b\n");
    check(
        "{a: \"b\\n\\n\", c: [\" x\\ny\"]}",
        "a: |+\n  b\n\nc:\n- |2-\n   x\n  y\n",
        "a: |+\n  b\n\nc:\n  - |2-\n     x\n    y\n",
    );
    check_text("a \nb", "\"a \\nb\"");
    check_value(&Value::str("a\tb\n"), "\"a\\tb\\n\"\n", "|\n  a\tb\n");
    check("\"a\\nb\": c", "? |-\n  a\n  b\n: c\n", "? |-\n  a\n  b\n: c\n");
}

#[test]
fn long_texts() {
    let words = "word ".repeat(20);
    let text = words.trim_end();
    let folded = format!("{}\n  {}\n", &text[..84], &text[85..]);
    check_value(&Value::str(text), &folded, &format!("{text}\n"));
    let key = "k".repeat(129);
    check(&format!("{key}: [1]"), &format!("? {key}\n: - 1\n"), &format!("? {key}\n: - 1\n"));
    let value = |key: String| Value::Map([(key, Value::Nil)].into_iter().collect());
    assert!(encode(&value("k".repeat(1022))).is_ok());
    assert_eq!(encode(&value("k".repeat(1023))), Err(EncodeError::LongKey));
    assert_eq!(encode(&value("<".repeat(171))), Err(EncodeError::LongKey));
}

#[test]
fn what_json_does_to_texts() {
    let check = |text: &str, expect: Result<&str, EncodeError>| {
        let found = encode_trimmed(&Value::str(text)).map(|t| String::from_utf8(t).unwrap());
        assert_eq!(found, expect.map(str::to_owned), "{text:?}");
    };
    check("a\u{85}b", Ok("a b"));
    check("a \u{85}\u{85} b\"", Ok("|-\n  a\n  b\""));
    check("\u{7F}", Err(EncodeError::ControlCharacter));
    check("\u{80}", Err(EncodeError::ControlCharacter));
    check("\u{FFFE}", Err(EncodeError::ControlCharacter));
    check("\0", Ok("\"\\0\""));
    assert_eq!(encode_trimmed(&Value::str(&b"a\xFF\xFE"[..])).unwrap(), "a\u{FFFD}\u{FFFD}".as_bytes());
    assert_eq!(encode_v3(&Value::str(&b"a\xFF"[..])).unwrap(), b"!!binary Yf8=\n");
    assert_eq!(encode_trimmed(&Value::Bytes((*b"hi").into())).unwrap(), b"aGk=");
}

#[test]
fn cycles_end() {
    let map = Map::new();
    map.insert("a", Value::Map(map.clone()));
    assert_eq!(encode(&Value::Map(map.clone())), Err(EncodeError::TooDeep));
    assert_eq!(encode_v3(&Value::Map(map.clone())), Err(EncodeError::TooDeep));
    map.remove(b"a");
}
