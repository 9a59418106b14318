#![allow(clippy::unwrap_used)]

use super::*;

#[test]
fn long_rows_are_cut_around_the_mark() {
    let row = format!("{}{{{{ .x }}}}{}", "a".repeat(1000), "b".repeat(1000));
    let excerpt = Excerpt::of(row.as_bytes(), 1003, 1005);
    let marked: String = excerpt.line.chars().skip(excerpt.start).take(excerpt.length).collect();
    assert_eq!(marked, ".x");
    assert!(excerpt.line.starts_with('…') && excerpt.line.ends_with('…'));
    assert!(excerpt.line.chars().count() <= WIDTH + 2, "{}", excerpt.line.chars().count());
}

#[test]
fn marks_stand_under_characters() {
    for (row, start, end, expect) in [
        ("abc", 1, 2, (1, 1)),
        ("äöü x", 6, 8, (3, 2)),
        ("\t\t{{ x }}", 5, 6, (5, 1)),
        ("abc", 3, 3, (3, 1)),
        ("", 9, 12, (0, 1)),
    ] {
        let excerpt = Excerpt::of(row.as_bytes(), start, end);
        assert_eq!((excerpt.start, excerpt.length), expect, "{row:?}");
        assert!(!excerpt.line.contains(char::is_control));
    }
    // What is no text at all.
    let odd = Excerpt::of(b"\xff\xfe\x1b[31m", 3, 5);
    assert_eq!(odd.line, "\u{fffd}\u{fffd} [31m");
}

#[test]
fn the_middle_of_a_long_way_is_left_out() {
    let mut diagnosis = Diagnosis::default();
    for at in 0..1000 {
        let mut inner = Diagnosis::default();
        inner.links.push(Link { line: at + 1, ..Link::new("f") });
        diagnosis.append(inner);
    }
    assert_eq!(diagnosis.links.len(), 2 * KEPT);
    assert_eq!(diagnosis.omitted, 1000 - 2 * KEPT);
    assert_eq!(diagnosis.links[KEPT - 1].line as usize, KEPT);
    assert_eq!(diagnosis.links[2 * KEPT - 1].line, 1000);
    assert!(diagnosis.to_string().contains(" = … 984 more\n"), "{diagnosis}");
}

#[test]
fn one_line_has_a_limit() {
    let diagnosis = Diagnosis::of_text("f\n", b"x", 1, 1).with(Hint::Text("ä".repeat(500)));
    let line = diagnosis.line(100).unwrap();
    assert!(line.len() <= 100 && line.ends_with('…') && !line.contains('\n'), "{line}");
    assert_eq!(Diagnosis::of_text("f", b"x", 1, 1).line(100), None);
}

#[test]
fn places_beyond_a_text_show_no_line() {
    assert_eq!(Diagnosis::of_text("f", b"", 7, 9).to_string(), " --> f:7:9");
    let lines = |text: &str, line| Diagnosis::of_text("f", text.as_bytes(), line, 1).to_string();
    assert_eq!(lines("a\nb\n", 3), " --> f:3:1\n  |\n1 | a\n2 | b\n3 |\n  | ^");
    assert_eq!(lines("a\nb\n", 1), " --> f:1:1\n  |\n1 | a\n  | ^\n2 | b");
    assert_eq!(lines("a\nb\nc\n", 1), " --> f:1:1\n  |\n1 | a\n  | ^\n2 | b\n3 | c");
    assert_eq!(lines("a\nb\n\nd", 1), " --> f:1:1\n  |\n1 | a\n  | ^\n2 | b\n3 |");
    assert_eq!(Diagnosis::of_text("f", b"a\nb", 2, 90).to_string(), " --> f:2:90\n  |\n1 | a\n2 | b\n  |  ^");
}
