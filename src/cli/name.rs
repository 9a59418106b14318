//! The name of a release on the command line: given, from a template, or made up.

use crate::render::{Machine, functions, host::Environment};
use pintle_template::{Call, Func, FuncError, Options, Run, Set, Template, Type};
use pintle_value::Value;
use std::{env, net::ToSocketAddrs as _, sync::Arc};

/// Helm's rule for names.
///
/// # Errors
/// Helm's text.
pub(super) fn check(name: &str) -> Result<(), String> {
    let part = |part: &str| {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().copied().is_some_and(word)
            && bytes.last().copied().is_some_and(word)
            && bytes.iter().all(|b| word(*b) || *b == b'-')
    };
    if name.len() <= 53 && name.split('.').all(part) {
        return Ok(());
    }
    Err(format!(
        "release name check failed: release name {name:?}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    ))
}

/// What `--name-template` makes: no chart's template, so sprig's functions are there, and Helm's own are not.
///
/// # Errors
/// Helm's text when the template fails.
pub(super) fn from_template(text: &str) -> Result<String, String> {
    const NAME: &str = "name-template";
    let mut functions = functions::sprig();
    functions.extend(PROCESS);
    let template = Template::parse(NAME, text.as_bytes(), &functions).map_err(|error| error.to_string())?;
    let mut set = Set::new(NAME);
    set.add(Arc::new(template));
    let (environment, options) = (Environment::new(Arc::new(Machine), false), Options::default());
    let mut name = Vec::new();
    let mut run = Run::new(&set, &functions, &environment, &options);
    run.execute(NAME, Value::Nil, &mut name).map_err(|error| error.to_string())?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

/// Sprig's functions that look into the process and the network, which charts do not have, and `fail` without Helm's marks.
const PROCESS: [Func; 4] = [
    of_a_text("fail", |_, args| Err(given(args).into())),
    of_a_text("env", |_, args| Ok(Value::str(variable(&given(args))))),
    of_a_text("expandenv", |_, args| Ok(Value::str(expanded(&given(args), variable)))),
    of_a_text("getHostByName", |_, args| Ok(Value::str(address_of(&given(args))))),
];

const fn of_a_text(name: &'static str, call: fn(&mut Call<'_>, &[Value]) -> Result<Value, FuncError>) -> Func {
    Func { name, params: &[Type::String], variadic: None, call }
}

fn given(args: &[Value]) -> String {
    match args.first() {
        Some(Value::String(text)) => text.to_str_lossy().into_owned(),
        _ => String::new(),
    }
}

/// An address of the host of this name, or an empty text.
pub(super) fn address_of(host: &str) -> String {
    let found = (host, 0).to_socket_addrs().ok().and_then(|mut found| found.next());
    found.map(|address| address.ip().to_string()).unwrap_or_default()
}

fn variable(name: &str) -> String {
    // Names that a process cannot have are no variables.
    let odd = name.is_empty() || name.contains(['=', '\0']);
    if odd { String::new() } else { env::var_os(name).unwrap_or_default().to_string_lossy().into_owned() }
}

/// `os.Expand`: `$name` and `${name}`; `$` before anything else stays.
fn expanded(text: &str, variable: impl Fn(&str) -> String) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let word = after.bytes().take_while(|b| b.is_ascii_alphanumeric() || *b == b'_').count();
        rest = match after.strip_prefix('{').map(|inner| inner.split_once('}')) {
            Some(Some((name, rest))) => {
                out.push_str(&variable(name));
                rest
            }
            // Never closed: the brace is gone, as in Go.
            Some(None) => &after[1..],
            None if word == 0 => {
                out.push('$');
                after
            }
            None => {
                // A digit is a name by itself, as for a shell.
                let end = if after.starts_with(|c: char| c.is_ascii_digit()) { 1 } else { word };
                out.push_str(&variable(&after[..end]));
                &after[end..]
            }
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(54);
        for (name, good) in [
            ("a", true),
            ("a-b.c1", true),
            ("", false),
            ("-a", false),
            ("a.", false),
            ("A", false),
            (long.as_str(), false),
        ] {
            assert_eq!(check(name).is_ok(), good, "{name}");
        }
    }

    #[test]
    fn names_from_templates() {
        let word = r#"executing "name-template" at "#;
        for (text, expected) in [
            (r#"x-{{ lower "AB" }}{{ toJson "1" }}"#, Ok("x-ab\"1\"")),
            ("{{ .a.b }}{{ . }}", Ok("<no value><no value>")),
            (r#"{{ env "NO SUCH=" }}{{ expandenv "$1a${=}-$" }}"#, Ok("a-$")),
            ("{{ toYaml 1 }}", Err(r#"template: name-template:1: function "toYaml" not defined"#)),
            ("{{ .x", Err("template: name-template:1: unclosed action")),
            (r#"{{ fail "x" }}"#, Err(r#"template: name-template:1:3: AT<fail "x">: error calling fail: x"#)),
            (
                r#"{{ template "x" }}"#,
                Err(r#"template: name-template:1:12: AT<{{template "x"}}>: template "x" not defined"#),
            ),
        ] {
            let expected = expected.map(str::to_owned).map_err(|text| text.replace("AT", word));
            assert_eq!(from_template(text), expected, "{text}");
        }
        let variable = |name: &str| format!("<{name}>");
        assert_eq!(expanded("$a-${b c}$1x$_d.${e", variable), "<a>-<b c><1>x<_d>.e");
    }
}
