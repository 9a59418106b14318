#![allow(clippy::unwrap_used)]

use super::*;
use crate::{List, Map, Value, json};

fn encoded(json_text: &str) -> String {
    let mut out = Vec::new();
    match encode(&json::decode(json_text.as_bytes()).unwrap(), &mut out) {
        Ok(()) => String::from_utf8(out).unwrap(),
        Err(error) => format!("error: {error}"),
    }
}

#[test]
fn values_to_text() {
    for (value, expected) in [
        ("{}", ""),
        ("[1,2]", "[1.0, 2.0]"),
        ("\"s\"", "\"s\""),
        ("[{}]", "error: toml: top-level values must be Go maps or structs"),
        (r#"{"a":1.5,"b":8080,"c":1e6,"d":1e-7}"#, "a = 1.5\nb = 8080.0\nc = 1e+06\nd = 1e-07\n"),
        (r#"{"a":{"b":{"c":{"d":1}}}}"#, "[a]\n  [a.b]\n    [a.b.c]\n      d = 1.0\n"),
        (r#"{"a":{"b":null}}"#, "[a]\n"),
        (r#"{"a":[1,null]}"#, "error: toml: cannot encode array with nil element"),
        (
            r#"{"n":1,"t":{"l":[{"a":1},{"a":2}],"s":"x"}}"#,
            "n = 1.0\n\n[t]\n  s = \"x\"\n\n  [[t.l]]\n    a = 1.0\n\n  [[t.l]]\n    a = 2.0\n",
        ),
        (r#"{"l":[{"a":[1,{"b":2,"c":{"d":[{"e":1}]}}]}]}"#, "[[l]]\n  a = [1.0, {b = 2.0, c = {d = [{e = 1.0}]}}]\n"),
        (r#"{"a b":{"c.d":{"":1}}}"#, "[\"a b\"]\n  [\"a b\".\"c.d\"]\n    \"\" = 1.0\n"),
        (r#"{"a":"\u0000\n\"\\\u007fé"}"#, "a = \"\\u0000\\n\\\"\\\\\\u007fé\"\n"),
    ] {
        assert_eq!(encoded(value), expected, "{value}");
    }
}

#[test]
fn what_contains_itself() {
    let cycle = Map::new();
    cycle.insert("a", Value::Map(cycle.clone()));
    cycle.insert("b", Value::List(List::new(vec![Value::Map(cycle.clone()), Value::Int(1)])));
    assert!(encode(&Value::Map(cycle.clone()), &mut Vec::new()).is_err());
    cycle.remove(b"a");
    assert!(encode(&Value::Map(cycle.clone()), &mut Vec::new()).is_err());
    cycle.remove(b"b");
}

fn decoded(text: &str) -> String {
    match decode(text.as_bytes()) {
        Ok(map) => {
            let mut out = Vec::new();
            json::encode(&Value::Map(map), json::Style { pretty: false, escape_html: false }, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        }
        Err(error) => error.to_string(),
    }
}

#[test]
fn text_to_values() {
    for (text, expected) in [
        ("a = 1\r\nb = 1.5 # c\n'c d'.e = 0x1F\n", r#"{"a":1,"b":1.5,"c d":{"e":31}}"#),
        ("[[a]]\nb = 1\n[[a]]\n[a.x]\ny=[1,\n'z',]", r#"{"a":[{"b":1},{"x":{"y":[1,"z"]}}]}"#),
        ("[a.b.c]\nd=1\n[a]\ne=1\n[a.b]\nf=2", r#"{"a":{"b":{"c":{"d":1},"f":2},"e":1}}"#),
        ("a={b.c=1,b.d=2,}", r#"{"a":{"b":{"c":1,"d":2}}}"#),
        ("a=[{b=1,c=[{d=1}]},{b=2}]", r#"{"a":[{"b":1,"c":[{"d":1}]},{"b":2}]}"#),
        ("a.b=1\na=2", r#"{"a":{"b":1}}"#),
        (
            "a=1979-05-27 07:32:00\nb=1979-05-27t07:32z\nc=07:32",
            r#"{"a":"1979-05-27T07:32:00Z","b":"1979-05-27T07:32:00Z","c":"0000-01-01T07:32:00Z"}"#,
        ),
        (
            "a=\"\"\"\\\n   x\\\n  y\"\"\"\"\nb='''a''''\nc=\"\"\"\r\nz\r\ny\"\"\"",
            r#"{"a":"xy\"","b":"a'","c":"z\r\ny"}"#,
        ),
        ("a=\"\\u00e9\\x41\\e\"", "{\"a\":\"éA\\u001b\"}"),
        ("a = ", "toml: line 1 (last key \"a\"): unexpected EOF; expected value"),
        ("a = [1,\n\n", "toml: line 2 (last key \"a\"): unexpected EOF; expected value"),
        ("a = [\n# b", "toml: line 2 (last key \"a\"): unexpected EOF; expected value"),
        ("a = \"\"\"\n", "toml: line 1 (last key \"a\"): unexpected EOF; expected '\"\"\"'"),
        ("a", "toml: line 1: unexpected EOF; expected key separator '='"),
        ("= 1", "toml: line 1: unexpected '=': key name appears blank"),
        ("a = 1\na = 2", "toml: line 2 (last key \"a\"): Key 'a' has already been defined."),
        ("[a]\n[a]", "toml: line 2: Key 'a' has already been defined."),
        ("[a]\nb = 1\n[a.b]\nc = 1", "toml: line 3 (last key \"a\"): Key 'a.b' has already been defined."),
        ("a=1\n[a.b]", "toml: line 2: Key 'a' was already created as a hash."),
        ("a=1\na.b=2", "toml: line 2 (last key \"a.b\"): Key 'a' has already been defined."),
        ("a=1\na.b={", "toml: line 2 (last key \"a.b\"): Key 'a' was already created as a hash."),
        ("a=1\na={b=2", "toml: line 2 (last key \"a.b\"): Key 'a' has already been defined."),
        ("a=1\na={", "toml: line 2 (last key \"a\"): unexpected '=': key name appears blank"),
        (
            "[t]\na=1\na=[{",
            "toml: line 3 (last key \"t\"): Key 't.a' was already created and cannot be used as an array.",
        ),
        ("a=[1]\n[[a]]", "toml: line 2: Key 'a' was already created and cannot be used as an array."),
        (
            "a = 1 b",
            "toml: line 1: expected a top-level item to end with a newline, comment, or EOF, but got 'b' instead",
        ),
        (
            "a = {b=1",
            "toml: line 1 (last key \"a.b\"): expected a comma or an inline table terminator '}', but got end of file instead",
        ),
        ("a={b=1,b=2}", "toml: line 1 (last key \"a.b\"): Key 'a.b' has already been defined."),
        (
            "a = [1",
            "toml: line 1 (last key \"a\"): expected a comma (',') or array terminator (']'), but got end of file",
        ),
        ("[a\nb]", "toml: line 2: expected '.' or ']' to end table name, but got '\\n' instead"),
        ("a = 1\rb = 2", "toml: line 1 (last key \"a\"): TOML files cannot contain control characters: '0x0d'"),
        ("a=01", "toml: line 1 (last key \"a\"): Invalid integer \"01\": cannot have leading zeroes"),
        ("a=1.", "toml: line 1 (last key \"a\"): Invalid float \"1.\": '.' must be followed by one or more digits"),
        ("a=in", "toml: line 1 (last key \"a\"): expected value but found \"n\" instead"),
        (
            "a=\"\\u12\"",
            "toml: line 1 (last key \"a\"): expected four hexadecimal digits after '\\u', but got \"\\\\u12\\\"\" instead",
        ),
        ("a=\"\\ud800\"", "toml: line 1 (last key \"a\"): Escaped character '\\ud800' is not valid UTF-8."),
        ("a=1e5-", "toml: line 1 (last key \"a\"): Invalid float \"1e5-\": underscores must be surrounded by digits"),
        ("a=1979-05-27 1:2 3z", "toml: line 1 (last key \"a\"): invalid datetime: \"1979-05-27T1:2T3Z\""),
        ("a=2020-13-01", "toml: line 1 (last key \"a\"): invalid datetime: \"2020-13-01\""),
        ("a = 1\0", "toml: line 1: files cannot contain NULL bytes; probably using UTF-16; TOML files must be UTF-8"),
    ] {
        assert_eq!(decoded(text), expected, "{text}");
    }
    assert!(
        decode("a=".to_owned().into_bytes().into_iter().chain(vec![b'['; 100_000]).collect::<Vec<_>>().as_slice())
            .is_err()
    );
    assert!(decode(format!("{}=1", vec!["a"; 5000].join(".")).as_bytes()).is_err());
}
