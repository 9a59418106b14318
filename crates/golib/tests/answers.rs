//! The answers of the Go originals, see `answers/README.md`.
#![allow(clippy::unwrap_used)]

use pintle_golib::glob::Glob;
use pintle_golib::regexp::Regex;
use pintle_golib::semver::{Constraint, Version};
use pintle_golib::url::{self, Url};
use pintle_golib::{cases, filepath, strconv, time};
use std::fmt::Display;
use std::str::from_utf8;

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

fn or_error(result: Result<impl Into<Vec<u8>>, impl Display>) -> Vec<u8> {
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

#[test]
fn semver_parse() {
    fn shown(version: Result<Version, impl Display>) -> String {
        version.map_or_else(|e| e.to_string(), |v| format!("{v}({})", v.original()))
    }
    check(include_str!("answers/semver_parse.tsv"), |q| {
        let text = from_utf8(q[1]).unwrap();
        let version = if q[0] == b"strict" { Version::parse_strict(text) } else { Version::parse(text) };
        or_error(version.map(|v| {
            let same = format!("{v}({}) {} {} {}", v.original(), v.major(), v.minor(), v.patch());
            let (prerelease, metadata) = (v.prerelease(), v.metadata());
            let next = [shown(v.inc_major()), shown(v.inc_minor()), shown(v.inc_patch())];
            format!("{same} {prerelease:?} {metadata:?} {}", next.join(" "))
        }))
    });
}

#[test]
fn semver_compare() {
    check(include_str!("answers/semver_compare.tsv"), |q| {
        let [a, b] = [0, 1].map(|i| Version::parse(from_utf8(q[i]).unwrap()).unwrap());
        (a.compare(&b) as i8).to_string().into_bytes()
    });
}

#[test]
fn semver_check() {
    let versions = [
        "0.0.0",
        "0.0.3",
        "0.0.4",
        "0.1.0",
        "0.2.3",
        "0.2.9",
        "0.3.0",
        "1.0.0",
        "1.2.0",
        "1.2.3",
        "1.2.9",
        "1.3.0",
        "1.4.5",
        "1.9.9",
        "2.0.0",
        "2.0.5",
        "2.3.4",
        "3.0.0",
        "0.0.0-a",
        "0.0.3-a",
        "1.0.0-a",
        "1.2.0-beta",
        "1.2.3-alpha",
        "1.2.3-beta",
        "1.2.3-beta.2",
        "1.2.3-rc",
        "1.2.4-beta",
        "1.3.0-rc.1",
        "1.19.16-gke.5",
        "1.19.0-0",
        "1.28.3-gke.1",
        "1.30.0",
        "2.0.0-0",
        "2.0.0-beta",
        "3.0.0-x",
        "1.2.3+build",
        "18446744073709551615.1.0",
    ];
    check(include_str!("answers/semver_check.tsv"), |q| {
        or_error(Constraint::parse(from_utf8(q[0]).unwrap()).map(|constraint| {
            let satisfies = |v: &&str| constraint.check(&Version::parse(v).unwrap());
            let good: Vec<&str> = versions.into_iter().filter(satisfies).collect();
            format!("{constraint}: {}", good.join(" "))
        }))
    });
}

/// Names to try patterns on.
const NAMES: [&str; 35] = [
    "a", "b", "ab", "ba", "abc", "a/b", "/", "//", "a/", "/a", "a//b", "a/b/c", "aa", "a.b", "!", "^", "-", "]", "[",
    "*", "?", "{", "}", ",", "\\", "a,b", "{a", "a}", "x/y/a", "a b", "ab/ab", "abab", "c", "bc", "a-b",
];

#[test]
fn glob() {
    check(include_str!("answers/glob.tsv"), |q| {
        or_error(Glob::compile(from_utf8(q[0]).unwrap()).map(|glob| {
            let good = NAMES.into_iter().filter(|name| glob.is_match(name));
            good.collect::<Vec<_>>().join("|")
        }))
    });
}

#[test]
fn filepath_match() {
    check(include_str!("answers/filepath_match.tsv"), |q| {
        let good = NAMES.into_iter().filter_map(|name| match filepath::matches(q[0], name.as_bytes()) {
            Ok(true) => Some(name.to_owned()),
            Ok(false) => None,
            Err(_) => Some(format!("E{name}")),
        });
        good.collect::<Vec<_>>().join("|").into_bytes()
    });
}

#[test]
fn path() {
    check(include_str!("answers/path.tsv"), |q| {
        let once = [
            filepath::base(q[0]).to_vec(),
            filepath::dir(q[0]),
            filepath::clean(q[0]),
            filepath::ext(q[0]).to_vec(),
            filepath::is_abs(q[0]).to_string().into_bytes(),
        ];
        let joined = [filepath::join(&[b"x", q[0]]), filepath::join(&[q[0], b"../y"])];
        [&once[..], &once[..], &joined[..]].concat().join(&b'|')
    });
}

#[test]
fn regexp_match() {
    fn shown(group: &Option<(usize, usize)>) -> String {
        group.map_or("-1 -1".to_owned(), |(start, end)| format!("{start} {end}"))
    }
    check(include_str!("answers/regexp_match.tsv"), |q| match Regex::compile(q[0]) {
        Err(error) => [b"E", &error.message()[..]].concat(),
        Ok(regex) => {
            let found = regex.find_all_groups(q[1], -1);
            let one = |groups: &Vec<_>| format!("[{}]", groups.iter().map(shown).collect::<Vec<_>>().join(" "));
            format!("[{}]", found.iter().map(one).collect::<Vec<_>>().join(" ")).into_bytes()
        }
    });
}

#[test]
fn regexp_replace() {
    let list = |parts: Vec<&[u8]>| parts.into_iter().map(strconv::quote_to_ascii).collect::<Vec<_>>().join(" ");
    check(include_str!("answers/regexp_replace.tsv"), |q| {
        let (regex, text) = (Regex::compile(q[1]).unwrap(), q[2]);
        let number = || strconv::atoi(q[3]).unwrap();
        match q[0] {
            b"replace" => regex.replace_all(text, q[3]),
            b"literal" => regex.replace_all_literal(text, q[3]),
            b"split" => list(regex.split(text, number())).into_bytes(),
            _ => {
                let found = regex.find_all(text, number());
                list(found.into_iter().map(|(start, end)| &text[start..end]).collect()).into_bytes()
            }
        }
    });
}

#[test]
fn cases_of_words() {
    check(include_str!("answers/cases.tsv"), |q| {
        [&cases::snake(q[0])[..], &cases::kebab(q[0]), cases::pascal(q[0]).as_bytes()].join(&b'|')
    });
}

#[test]
fn urls() {
    fn parts(u: &Url) -> Vec<u8> {
        let user = u.user.as_ref().map_or("-".to_owned(), ToString::to_string).into_bytes();
        let text = |b: &[u8]| b.to_vec();
        let location = [u.scheme.clone().into_bytes(), text(&u.host), text(u.hostname()), text(u.port())];
        let rest = [text(&u.path), text(&u.raw_query), text(&u.opaque), text(&u.fragment), user];
        let shown = [u.to_bytes(), u.escaped_path(), u.is_abs().to_string().into_bytes()];
        [&location[..], &rest[..], &shown[..]].concat().join(&b'\n')
    }
    check(include_str!("answers/url.tsv"), |q| match q[0] {
        b"parse" => or_error(Url::parse(q[1]).map(|u| parts(&u))),
        b"escape" => url::query_escape(q[1]),
        b"pathescape" => url::path_escape(q[1]),
        b"unescape" => or_error(url::query_unescape(q[1])),
        b"pathunescape" => or_error(url::path_unescape(q[1])),
        b"resolve" => Url::parse(q[1]).unwrap().resolve(&Url::parse(q[2]).unwrap()).to_bytes(),
        _ => or_error(url::join_path(q[1], &[q[2]])),
    });
}
