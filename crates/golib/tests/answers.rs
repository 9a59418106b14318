//! The answers of the Go originals, see `answers/README.md`.
#![allow(clippy::unwrap_used)]

use pintle_golib::{strconv, time};

/// Runs each case of a table and reports all that differ.
fn check(table: &str, answer: impl Fn(&[&[u8]]) -> Vec<u8>) {
    let mut wrong = String::new();
    let mut count = 0;
    for line in table.lines() {
        let fields: Vec<_> = line.split('\t').map(|f| strconv::unquote(f.as_bytes()).unwrap()).collect();
        let fields: Vec<&[u8]> = fields.iter().map(|f| f.as_ref()).collect();
        let (want, question) = fields.split_last().unwrap();
        let got = answer(question);
        if got != *want {
            wrong += &format!("{line}\n    got {}\n", strconv::quote_to_ascii(&got));
        }
        count += 1;
    }
    assert!(count > 0 && wrong.is_empty(), "of {count}:\n{wrong}");
}

fn or_error(result: Result<impl Into<Vec<u8>>, impl std::fmt::Display>) -> Vec<u8> {
    match result {
        Ok(value) => value.into(),
        Err(error) => format!("E{error}").into_bytes(),
    }
}

#[test]
fn time_parse() {
    check(include_str!("answers/time_parse.tsv"), |q| {
        or_error(time::parse(q[0], q[1], &time::Utc).map(|t| format!("{} {} {} {}", t.unix, t.nanos, t.offset, t.zone)))
    });
}
