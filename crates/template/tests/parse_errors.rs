//! What is no template, in Go's words.

use pintle_template::{FunctionTable, Limits, Options, Run, Set, Template};
use pintle_value::{Map, Value};
use std::sync::Arc;

/// Each source with the line and the text of its error.
const CASES: &[(&str, u32, &str)] = &[
    // Delimiters, spaces and comments.
    ("a {{ 1", 1, "unclosed action"),
    ("a\n{{ 1\n\n", 4, "unclosed action started at f:2"),
    ("a {{ 1 } b", 1, "unexpected \"}\" in operand"),
    ("{{ (1 }}", 1, "unclosed left paren"),
    ("{{ (1)) }}", 1, "unexpected right paren"),
    ("a {{/* c */ }} b", 1, "comment ends before closing delimiter"),
    ("a {{/* c }} b", 1, "unclosed comment"),
    ("a {{ /* c */}} b", 1, "unexpected \"/\" in command"),
    ("a {{3-}} b", 1, "bad number syntax: \"3-\""),
    ("a {{-  -}} b", 1, "missing value for command"),
    ("{{ print 1\u{a0}2 }}", 1, "unrecognized character in action: U+00A0"),
    ("{{ 😀 }}", 1, "unrecognized character in action: U+1F600 '😀'"),
    ("{{ $a-b }}", 1, "bad character U+002D '-'"),
    ("{{ print .x\"a\" }}", 1, "bad character U+0022 '\"'"),
    ("{{ : }}", 1, "expected :="),
    // Literals.
    ("{{ \"a }}", 1, "unterminated quoted string"),
    ("{{ \"a\nb\" }}", 1, "unterminated quoted string"),
    ("{{ `a", 1, "unterminated raw quoted string"),
    ("{{ 'a }}", 1, "unterminated character constant"),
    ("{{ '\\q' }}", 1, "invalid syntax"),
    ("{{ \"\\400\" }}", 1, "invalid syntax"),
    ("{{ 12abc }}", 1, "bad number syntax: \"12a\""),
    ("{{ 0x }}", 1, "illegal number syntax: \"0x\""),
    ("{{ 18446744073709551616 }}", 1, "integer overflow: \"18446744073709551616\""),
    ("{{ print 1+1 }}", 1, "bad number syntax: \"1+1\""),
    // Pipelines, operands, variables.
    ("{{ nope }}", 1, "function \"nope\" not defined"),
    ("a\n{{ print\n 1 nope }}", 3, "function \"nope\" not defined"),
    ("{{ 1 | 2 }}", 1, "non executable command in pipeline stage 2"),
    ("{{ print \"a\"\"b\" }}", 1, "unexpected \"\\\"b\\\"\" in operand"),
    ("{{ .a..b }}", 1, "unexpected <.> in operand"),
    ("{{ nil.x }}", 1, "unexpected . after term \"nil\""),
    ("{{ print if }}", 1, "unexpected <if> in operand"),
    ("{{ $x }}", 1, "undefined variable \"$x\""),
    ("{{ if 1 }}{{ $x := 1 }}{{ end }}{{ $x }}", 1, "undefined variable \"$x\""),
    ("{{ $x, $y := 1 }}", 1, "too many declarations in command"),
    ("{{ range $x, $y, $z := . }}{{ end }}", 1, "too many declarations in range"),
    ("{{ range $x, 1 := . }}{{ end }}", 1, "range can only initialize variables"),
    // Control structures and definitions.
    ("{{ if }}{{ end }}", 1, "missing value for if"),
    ("{{ if 1 }}\na\n\n", 4, "unexpected EOF"),
    ("{{ end }}", 1, "unexpected {{end}}"),
    ("{{ else }}", 1, "unexpected {{else}}"),
    ("{{ if 1 }}{{ else }}{{ else }}{{ end }}", 1, "expected end; found {{else}}"),
    ("{{ with 1 }}{{ else if 1 }}{{ end }}", 1, "unexpected <if> in input"),
    ("{{ if 1 }}{{ end 1 }}", 1, "unexpected \"1\" in end"),
    ("{{ break }}", 1, "{{break}} outside {{range}}"),
    ("{{ range . }}{{ else }}{{ continue }}{{ end }}", 1, "{{continue}} outside {{range}}"),
    ("{{ range . }}{{ break 1 }}{{ end }}", 1, "unexpected \"1\" in {{break}}"),
    ("{{ define a }}{{ end }}", 1, "unexpected \"a\" in define clause"),
    ("{{ define \"a\" }}{{ else }}{{ end }}", 1, "unexpected {{else}} in define clause"),
    ("{{ if 1 }}{{ define \"a\" }}{{ end }}{{ end }}", 1, "unexpected <define> in command"),
    ("{{ template a }}", 1, "unexpected \"a\" in template clause"),
    ("{{ template longer_than_ten }}", 1, "unexpected \"longer_tha\"... in template clause"),
    ("{{ block \"a\" }}{{ end }}", 1, "missing value for block clause"),
];

#[test]
fn errors_and_their_lines() {
    let functions = FunctionTable::default();
    for (source, line, message) in CASES {
        match Template::parse("f", source.as_bytes(), &functions) {
            Ok(_) => panic!("{source:?} was taken"),
            Err(error) => assert_eq!((error.line, &*error.message), (*line, *message), "{source:?}"),
        }
    }
}

#[test]
fn no_source_makes_a_panic() {
    const PIECES: &[&str] = &[
        "{{",
        "}}",
        "{{- ",
        " -}}",
        "{{/*",
        "*/}}",
        " ",
        "\n",
        "(",
        ")",
        "|",
        ":=",
        "=",
        ",",
        ".",
        "..",
        ".a",
        "$",
        "$x",
        "\"",
        "\"a\"",
        "`",
        "'",
        "'a'",
        "\\",
        "-",
        "+",
        "1",
        "1.5",
        "0x",
        "1i",
        "9e99",
        "nil",
        "true",
        "if",
        "else",
        "else if",
        "end",
        "range",
        "with",
        "define",
        "block",
        "template",
        "break",
        "continue",
        "print",
        "printf",
        "\"%v\"",
        "index",
        "and",
        "or",
        "len",
        "slice",
        "eq",
        "lt",
        "call",
        "é",
        "\u{0}",
        "😀",
        "{{ range 3 }}",
        "{{ end }}",
        "{{ $x := . }}",
        "{{ .a.b }}",
        "{{ if .a }}",
        "{{ else }}",
        "{{ template \"f\" . }}",
        "{{ define \"f\" }}",
    ];
    let functions = FunctionTable::default();
    let limits = Limits { steps: 1000, bytes: 10_000, depth: 50, nesting: 10 };
    let options = Options { limits, ..Options::default() };
    let (mut state, mut executed) = (0x2545_f491_4f6c_dd1d_u64, 0);
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).unwrap_or(0) % below
    };
    for _ in 0..30_000 {
        let mut source = String::new();
        for _ in 0..=random(12) {
            source.push_str(PIECES[random(PIECES.len())]);
            if random(3) == 0 {
                source.push(' ');
            }
        }
        if random(2) == 0 {
            source = format!("{{{{ {source} }}}}");
        }
        let Ok(template) = Template::parse("f", source.into_bytes(), &functions) else { continue };
        let mut set = Set::new("all");
        set.add(Arc::new(template));
        let mut out = Vec::new();
        let mut run = Run::new(&set, &functions, &(), &options);
        // Whether it fails is not the question, but the error must be printable.
        if let Err(error) = run.execute("f", Map::from_iter([("a", Value::from("b"))]).into(), &mut out) {
            assert!(!error.to_string().is_empty());
        }
        executed += 1;
    }
    assert!(executed > 1000, "only {executed} sources were templates");
}
