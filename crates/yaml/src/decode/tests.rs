#![allow(clippy::unwrap_used)]

use super::*;

/// What a text decodes to, in a notation close to JSON; or the error.
fn shown(text: &str, decode: fn(&[u8], &Limits) -> Result<Value, Error>) -> String {
    match decode(text.as_bytes(), &Limits::default()) {
        Ok(value) => format!("{value:?}"),
        Err(error) => error.to_string(),
    }
}

fn check(text: &str, expect: &str) {
    assert_eq!(shown(text, decode), expect, "{text:?}");
}

fn check_error(text: &str, expect: &str) {
    check(text, &format!("error converting YAML to JSON: {expect}"));
}

#[test]
fn scalars() {
    check("a: [y, On, no, OFF, True, tRue]", r#"{"a": [true, true, false, false, true, "tRue"]}"#);
    check("a: [~, null, Null, '', nULL, ]", r#"{"a": [nil, nil, nil, "", "nULL"]}"#);
    check("a: [0777, 0o17, 0x1F, -0b11, 1_000, 08, 1__0]", r#"{"a": [511.0, 15.0, 31.0, -3.0, 1000.0, 8.0, 10.0]}"#);
    check(
        "a: [1e3, .5, 1., +.5, 1_0.5, .1_0, ._5, 1e400]",
        r#"{"a": [1000.0, 0.5, 1.0, 0.5, 10.5, 0.1, "._5", "1e400"]}"#,
    );
    check("a: [1:30, 2020-01-01, 1.2.3, 0x, 1e, _1]", r#"{"a": ["1:30", "2020-01-01", "1.2.3", "0x", "1e", "_1"]}"#);
    check("a: 12345678901234567890", r#"{"a": 1.2345678901234567e19}"#);
    check("a: !!binary aGk=\nb: !x 1\nc: ! 12\nd: !!float 1", r#"{"a": "hi", "b": "1", "c": "12", "d": 1.0}"#);
    check_error("a: .inf", "json: unsupported value: +Inf");
    check("a: .inf\na: 1", r#"{"a": 1.0}"#);
    check_error("a: !!int x", "yaml: cannot decode !!str `x` as a !!int");
    check_error("a: !!binary x", "yaml: !!binary value contains invalid base64 data");
}

#[test]
fn styles() {
    check("a: b\n  c\n\n  d", r#"{"a": "b c\nd"}"#);
    check("a: 'it''s\n  x'", r#"{"a": "it's x"}"#);
    check("a: \"x \\\n  y\\u00e9\\\n\n  z\"", "{\"a\": \"x yé\\nz\"}");
    check("a: |\n  x\n   y\n\nb: 1", r#"{"a": "x\n y\n", "b": 1.0}"#);
    check("a: >-\n  x\n  y\n\n  z\n   w\n", r#"{"a": "x y\nz\n w"}"#);
    check("a: |+2\n   x\n\n", r#"{"a": " x\n\n"}"#);
    check("a: x\u{2028}b: 1", r#"{"a": "x", "b": 1.0}"#);
    check("a: 1\r\nb: |\r\n  x\r\n", r#"{"a": 1.0, "b": "x\n"}"#);
}

#[test]
fn collections() {
    check("", "nil");
    check("# c\n---\n# d", "nil");
    check("a:\n- b\n- - c\n  - d: e\n    f: g", r#"{"a": ["b", ["c", {"d": "e", "f": "g"}]]}"#);
    check("{a:1, b: {c: d}, e, 'f':g}", r#"{"a:1": nil, "b": {"c": "d"}, "e": nil, "f": "g"}"#);
    check("[a: 1, b, [c]]", r#"[{"a": 1.0}, "b", ["c"]]"#);
    check("? a\n:\n  - b\n? c", r#"{"a": ["b"], "c": nil}"#);
    check("a: 1\n---\nb: 2", r#"{"a": 1.0}"#);
}

#[test]
fn keys() {
    check("1: a\n1.5: b\nyes: c\n010: d\n1e6: e", r#"{"1": "a", "1.5": "b", "1e+06": "e", "8": "d", "true": "c"}"#);
    check("a: 1\na: 2", r#"{"a": 2.0}"#);
    check_error("~: 1", "unsupported map key of type: %!s(<nil>), key: <nil>, value: 1");
    check_error("18446744073709551615: 1", "unsupported map key of type: uint64, key: 0xffffffffffffffff, value: 1");
    check_error(
        "~: {9: a, b: c, true: d, 1.5: e, ~: f, 10: g, '9': h, 9: i, -3: j, 18446744073709551615: k, .nan: l, 1e400: m}",
        "unsupported map key of type: %!s(<nil>), key: <nil>, value: map[interface {}]interface {}{\
         interface {}(nil):\"f\", \"1e400\":\"m\", \"9\":\"h\", \"b\":\"c\", 0xffffffffffffffff:\"k\", -3:\"j\", \
         9:\"i\", 10:\"g\", NaN:\"l\", 1.5:\"e\", true:\"d\"}",
    );
    // A later key takes the place of what is wrong; of what stays, the outermost is told.
    check("a:\n  null:\n  18446744073709551615: 1\nb: 1\na: 2", r#"{"a": 2.0, "b": 1.0}"#);
    check_error(
        "~: {~: 1}",
        "unsupported map key of type: %!s(<nil>), key: <nil>, value: map[interface {}]interface {}{interface {}(nil):1}",
    );
    check_error("[1, 99999999999, 1.0]: 1", "yaml: invalid map key: []interface {}{1, 99999999999, 1}");
    check_error("[a]: 1", "yaml: invalid map key: []interface {}{\"a\"}");
    check_error("a: {{x}}", "yaml: invalid map key: map[interface {}]interface {}{\"x\":interface {}(nil)}");
}

#[test]
fn aliases_and_merges() {
    check("a: &x [1]\nb: *x", r#"{"a": [1.0], "b": [1.0]}"#);
    check("a: &x {b: 1}\nc:\n  b: 2\n  <<: *x\n  d: 3", r#"{"a": {"b": 1.0}, "c": {"b": 1.0, "d": 3.0}}"#);
    check("<<: [{a: 1}, {a: 2, b: 3}]", r#"{"a": 1.0, "b": 3.0}"#);
    check("'<<': {a: 1}", r#"{"<<": {"a": 1.0}}"#);
    check_error("a: *x", "yaml: unknown anchor 'x' referenced");
    check_error("a: &x [*x]", "yaml: anchor 'x' value contains itself");
    check_error("<<: 1", "yaml: map merge requires map or sequence of maps as the value");
    check_error("x: &x [{}]\n<<: *x", "yaml: map merge requires map or sequence of maps as the value");
    let value = decode(b"a: &x {b: 1}\nc: *x", &Limits::default()).unwrap();
    let map = value.as_map().unwrap();
    assert!(!map.get(b"a").unwrap().as_map().unwrap().same(map.get(b"c").unwrap().as_map().unwrap()));
}

#[test]
fn errors_name_lines_as_go_does() {
    check_error("a: [", "yaml: line 1: did not find expected node content");
    check_error("a: 1\n b: 2", "yaml: line 2: mapping values are not allowed in this context");
    check_error("a:\n  - 1\n - 2", "yaml: line 2: did not find expected key");
    check_error("a: 1\nb", "yaml: line 3: could not find expected ':'");
    check_error("a: `x`", "yaml: found character that cannot start any token");
    check_error("a:\n\tb: 1", "yaml: line 2: found character that cannot start any token");
    check_error("a: 'x\n", "yaml: line 2: found unexpected end of stream");
    check_error("a: \"\\q\"", "yaml: found unknown escape character");
    check_error("a: \u{7f}", "yaml: control characters are not allowed");
    check_error("%YAML 1.2\n---\n", "yaml: found incompatible YAML document");
    check_error("[? : x]", "yaml: did not find expected ',' or ']'");
    // A syntax error wins over what decoding would complain about before it.
    check_error("a: *x\nb: [", "yaml: unknown anchor 'x' referenced");
    check_error("a: &x [*x]\nb: [", "yaml: line 2: did not find expected node content");
    let error = decode(b"a:\n  b: [", &Limits::default()).unwrap_err();
    assert_eq!((error.line, error.column), (3, 1));
}

#[test]
fn oddities_of_go_yaml() {
    // The start of an empty flow collection is not held back, so it cannot become a key where nothing else waits.
    check("[]: 1", "[]");
    check_error("a: 1\n[]: 2", "yaml: line 1: did not find expected key");
    check_error("{[]: 1}", "yaml: invalid map key: []interface {}{}");
    // What stands at a mapping's indentation must be a key, even if the text ends before it.
    check_error("- item\n[1", "yaml: line 3: could not find expected ':'");
    // The token after a tag is scanned before the tag's handle is looked up.
    check_error("a: !e!x @", "yaml: found character that cannot start any token");
    check_error("a: !e!x 1", "yaml: found undefined tag handle");
    check_error("<<: !!int x", "yaml: map merge requires map or sequence of maps as the value");
    check("\"a\":1", "\"a\"");
    check("x: &b:c 1", r#"{"x": ":c 1"}"#);
    check("a: |\n  x\n # c\nb: 1", r#"{"a": "x\n", "b": 1.0}"#);
    // A bad character is not seen before its portion of 512 bytes is read.
    let far = format!("a: 1\n---\n{}\u{7f}", "x".repeat(1000));
    check(&far, r#"{"a": 1.0}"#);
    check_error("a: 1\n---\n\u{7f}", "yaml: control characters are not allowed");
}

#[test]
fn strict() {
    let check = |text: &str, expect: &str| {
        let expect = format!("error converting YAML to JSON: yaml: unmarshal errors:\n  {expect}");
        assert_eq!(shown(text, decode_strict), expect, "{text:?}");
    };
    check("a: 1\na: 2", "line 2: key \"a\" already set in map");
    check("x: {b: 1, b: 2}\nx:\n  - 3", "line 1: key \"b\" already set in map\n  line 3: key \"x\" already set in map");
    check("yes: 1\ntrue: 2", "line 2: key true already set in map");
    check("<<: {a: 1}\na: 2", "line 2: key \"a\" already set in map");
    check(
        "a: 1\nb: 2\n<<:\n  a: 1\n  b: 2",
        "line 4: key \"a\" already set in map\n  line 5: key \"b\" already set in map",
    );
    let twice = "line 1: key \"k\" already set in map";
    check("a: &x {k: 1, k: 2}\nb: *x", &format!("{twice}\n  {twice}"));
    assert_eq!(shown("1: a\n'2': b", decode_strict), r#"{"1": "a", "2": "b"}"#);
}

#[test]
fn what_is_merged_is_judged_from_its_end() {
    let no_map = "yaml: map merge requires map or sequence of maps as the value";
    for (text, expect) in [
        ("<<: [[!!float x]]", no_map),
        ("<<: [{a: !!float x}, [b]]", no_map),
        ("<<: [[b], {a: !!float x}]", "yaml: cannot decode !!str `x` as a !!float"),
        ("<<: [{a: !!int 1x}, {b: !!int 2x}, {c: 3}]", "yaml: cannot decode !!str `2x` as a !!int"),
        ("<<: [{a: !!int 1x}, {<<: [{b: !!int 2x}, {c: !!int 3x}]}]", "yaml: cannot decode !!str `3x` as a !!int"),
        ("a: !!int 0x\n<<: [{a: !!int 1x}]", "yaml: cannot decode !!str `0x` as a !!int"),
        ("<<: [{a: !!int 1x}]\na: !!int 2x", "yaml: cannot decode !!str `1x` as a !!int"),
        ("x: &x [1]\n<<: [*x, {a: !!int 1x}]", "yaml: cannot decode !!str `1x` as a !!int"),
        ("x: &x [1]\n<<: [{a: !!int 1x}, *x]", no_map),
    ] {
        check_error(text, expect);
    }
}

#[test]
fn targets() {
    let limits = Limits::default();
    assert!(decode_map(b"", &limits).unwrap().is_empty());
    assert!(decode_list(b"null", &limits).unwrap().is_empty());
    let error = |text: &str| decode_map(text.as_bytes(), &limits).err().unwrap().to_string();
    let expect = |kind| {
        format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {kind} into Go value of type \
             map[string]interface {{}}"
        )
    };
    assert_eq!(error("a"), expect("string"));
    assert_eq!(error("[]"), expect("array"));
    assert_eq!(error("1"), expect("number"));
    assert_eq!(decode_all(b"a\n---\n---\nb", &limits).unwrap().len(), 3);
}

#[test]
fn string_fields() {
    let check = |text: &str, expect: &str| {
        let value = decode_exact(text.as_bytes(), &Limits::default()).unwrap();
        assert_eq!(text_of(&value).unwrap().to_string(), expect, "{text}");
    };
    check("1.10", "1.1");
    check("1.0", "1");
    check("20240102", "20240102");
    check("20240102.1", "2.0240102e+07");
    check("yes", "true");
    check("x", "x");
}

#[test]
fn words_are_texts_for_version_3() {
    let text = "on: [yes, n, Off, true, 1, ~, 'yes']";
    assert_eq!(shown(text, decode_exact_v3), r#"{"on": ["yes", "n", "Off", true, int64(1), nil, "yes"]}"#);
    assert_eq!(shown(text, decode_exact), r#"{"true": [true, false, false, true, int64(1), nil, "yes"]}"#);
}

#[test]
fn limits() {
    check(
        &format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)),
        &format!("{}{}", "[".repeat(1_000), "]".repeat(1_000)),
    );
    check_error(&"[".repeat(100_000), "yaml: exceeded max depth of 1200");
    check_error(&"- ".repeat(100_000), "yaml: exceeded max depth of 1200");
    let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
    for level in 1..9 {
        let items = vec![format!("*a{}", level - 1); 9].join(",");
        bomb += &format!("a{level}: &a{level} [{items}]\n");
    }
    check_error(&bomb, "yaml: document contains excessive aliasing");
    // Each level is shallow, but they stand within each other.
    let mut tower = format!("- &a0 {}{}\n", "[".repeat(1_000), "]".repeat(1_000));
    tower += &format!("- &a1 {}*a0{}\n", "[".repeat(1_000), "]".repeat(1_000));
    check_error(&tower, "yaml: exceeded max depth of 1200");
    let small = Limits { bytes: 3, ..Limits::default() };
    assert!(decode(b"abcd", &small).is_err());
}
