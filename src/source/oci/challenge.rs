//! What a registry asks of whoever it does not know: the challenge of a `WWW-Authenticate` header, and the answer of the server
//! that issues tokens.

use std::time::Duration;

use serde::Deserialize;

use super::manifest::place_of;

/// How long a token lives when its server does not say, and at least.
const LIFE: Duration = Duration::from_secs(60);

/// How long a token may be, in bytes.
const TOKEN: usize = 64 << 10;

/// What a registry wants to see.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Challenge {
    /// A name and a password.
    Basic,
    /// A token of this server.
    Bearer {
        /// The server's address.
        realm: String,
        /// What the token is for.
        service: Option<String>,
        /// What it is to allow.
        scope: Option<String>,
    },
}

/// The challenge among the headers that is answered: a token if one is wanted, else a name and password.
pub(super) fn choose<'a>(headers: impl Iterator<Item = &'a str>) -> Option<Challenge> {
    let schemes: Vec<Scheme> = headers.flat_map(schemes).collect();
    let bearer = schemes.iter().find(|s| s.name.eq_ignore_ascii_case("bearer"));
    let token = bearer.and_then(|scheme| {
        let realm = scheme.parameter("realm")?;
        Some(Challenge::Bearer { realm, service: scheme.parameter("service"), scope: scheme.parameter("scope") })
    });
    token.or_else(|| schemes.iter().any(|s| s.name.eq_ignore_ascii_case("basic")).then_some(Challenge::Basic))
}

struct Scheme {
    name: String,
    parameters: Vec<(String, String)>,
}

impl Scheme {
    fn parameter(&self, name: &str) -> Option<String> {
        let found = self.parameters.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    }
}

/// The schemes of one header, each with its parameters. What cannot be read ends the list.
fn schemes(header: &str) -> Vec<Scheme> {
    let mut schemes: Vec<Scheme> = Vec::new();
    let mut rest = header;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',']);
        let end = rest.find([' ', '\t', ',', '=', '"']).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            return schemes;
        }
        let Some(value) = after.trim_start().strip_prefix('=') else {
            schemes.push(Scheme { name: word.to_owned(), parameters: Vec::new() });
            rest = after;
            continue;
        };
        let (value, left) = value_of(value.trim_start());
        if let Some(scheme) = schemes.last_mut() {
            scheme.parameters.push((word.to_owned(), value));
        }
        rest = left;
    }
}

/// A parameter's value, quoted or not, and what follows it.
fn value_of(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([' ', '\t', ',']).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            other => value.push(other),
        }
    }
    (value, "")
}

#[derive(Deserialize)]
struct Answer {
    #[serde(default)]
    token: Option<String>,
    #[serde(default)]
    access_token: Option<String>,
    #[serde(default)]
    expires_in: Option<f64>,
}

/// The token in a server's answer, and how long it lives.
///
/// # Errors
/// What the answer lacks.
pub(super) fn token(answer: &[u8]) -> Result<(String, Duration), String> {
    let answer: Answer =
        serde_json::from_slice(answer).map_err(|error| format!("no token came: {}", place_of(&error)))?;
    let token = answer.token.filter(|t| !t.is_empty()).or(answer.access_token).filter(|t| !t.is_empty());
    if token.as_ref().is_some_and(|token| token.len() > TOKEN) {
        return Err(format!("its token is longer than {TOKEN} bytes"));
    }
    let life = answer.expires_in.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok()).unwrap_or(LIFE);
    Ok((token.ok_or("no token came")?, life.clamp(LIFE, 60 * LIFE)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn challenges() {
        let bearer = |realm: &str, service: Option<&str>, scope: Option<&str>| {
            let own = |text: &str| text.to_owned();
            Some(Challenge::Bearer { realm: own(realm), service: service.map(own), scope: scope.map(own) })
        };
        for (headers, expected) in [
            (&[r#"Basic realm="r""#][..], Some(Challenge::Basic)),
            (&["basic"], Some(Challenge::Basic)),
            (
                &[r#"Bearer realm="https://a/t",service="s",scope="repository:x/y:pull,push""#],
                bearer("https://a/t", Some("s"), Some("repository:x/y:pull,push")),
            ),
            (&[r#"Basic realm="r", BEARER Realm = "a\"b" , service=s"#], bearer("a\"b", Some("s"), None)),
            (&["Negotiate abc==", r#"Bearer realm="x""#], bearer("x", None, None)),
            (&[r#"Bearer service="s""#, "Basic"], Some(Challenge::Basic)),
            (&[r#"Bearer realm="open"#], bearer("open", None, None)),
            (&["Negotiate"], None),
            (&["", "=", "\"", ",,,", "a=b"], None),
            (&[], None),
        ] {
            assert_eq!(choose(headers.iter().copied()), expected, "{headers:?}");
        }
    }

    #[test]
    fn tokens() {
        for (answer, expected) in [
            (r#"{"token":"t","expires_in":300}"#, Ok(("t".to_owned(), 300))),
            (r#"{"access_token":"a"}"#, Ok(("a".to_owned(), 60))),
            (r#"{"token":"","access_token":"a","expires_in":1}"#, Ok(("a".to_owned(), 60))),
            (r#"{"token":"t","expires_in":1e300}"#, Ok(("t".to_owned(), 60))),
            (r#"{"token":"t","expires_in":9000000}"#, Ok(("t".to_owned(), 3600))),
            (r#"{"expires_in":-1}"#, Err("no token came".to_owned())),
        ] {
            let got = token(answer.as_bytes()).map(|(token, life)| (token, life.as_secs()));
            assert_eq!(got, expected, "{answer}");
        }
        assert_eq!(token(b"<html>").unwrap_err(), "no token came: line 1, column 1");
        assert_eq!(token(br#"{"token":["secret"]}"#).unwrap_err(), "no token came: line 1, column 9");
        let long = format!(r#"{{"token":"{}"}}"#, "t".repeat(TOKEN + 1));
        assert_eq!(token(long.as_bytes()).unwrap_err(), "its token is longer than 65536 bytes");
    }

    #[test]
    fn any_header_can_be_read() {
        let symbols = ["Bearer", "realm", "=", "\"", "\\", ",", " ", "é"];
        let length = 6;
        for number in 0..symbols.len().pow(length) {
            let header: String =
                (0..length).map(|at| symbols[number / symbols.len().pow(at) % symbols.len()]).collect();
            if let Some(Challenge::Bearer { realm, .. }) = choose([header.as_str()].into_iter()) {
                assert!(header.contains(&realm) || header.contains('\\'), "{header}");
            }
        }
    }
}
