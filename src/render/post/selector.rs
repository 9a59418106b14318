//! Which objects a change is for: Kustomize's target selectors, with Kubernetes' label selectors in them.

use pintle_golib::regexp::Regex;
use std::collections::BTreeMap;

/// Longest label or annotation selector, in bytes.
const LONGEST: usize = 16 << 10;

/// A selector as somebody wrote it. What is empty matches everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Target {
    /// The API group, as an anchored regular expression.
    pub group: String,
    /// The API version, likewise.
    pub version: String,
    /// The kind, likewise.
    pub kind: String,
    /// The namespace, likewise.
    pub namespace: String,
    /// The name, likewise.
    pub name: String,
    /// A label selector.
    pub label_selector: String,
    /// A label selector that is applied to annotations.
    pub annotation_selector: String,
}

/// What a selector looks at.
#[derive(Debug, Clone, Copy)]
pub struct Traits<'a> {
    /// The API group; empty for the core group.
    pub group: &'a str,
    /// The API version, without the group.
    pub version: &'a str,
    /// The kind.
    pub kind: &'a str,
    /// The namespace; empty for an object that is in none.
    pub namespace: &'a str,
    /// The name.
    pub name: &'a str,
    /// The labels.
    pub labels: &'a BTreeMap<String, String>,
    /// The annotations.
    pub annotations: &'a BTreeMap<String, String>,
}

/// A selector that cannot be understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {text:?}: {message}")]
pub struct Error {
    /// The field, by Flux's name.
    pub field: &'static str,
    /// What it says.
    pub text: String,
    /// What is wrong with it.
    pub message: String,
}

/// A selector that is ready for use.
#[derive(Debug, Clone, Default)]
pub struct Selector {
    group: Option<Regex>,
    version: Option<Regex>,
    kind: Option<Regex>,
    namespace: Option<Regex>,
    name: Option<Regex>,
    labels: Vec<Requirement>,
    annotations: Vec<Requirement>,
}

impl Selector {
    /// Makes a selector ready.
    ///
    /// # Errors
    /// The first field that is no regular expression or no label selector.
    pub fn compile(target: &Target) -> Result<Self, Error> {
        Ok(Self {
            group: anchored("group", &target.group)?,
            version: anchored("version", &target.version)?,
            kind: anchored("kind", &target.kind)?,
            namespace: anchored("namespace", &target.namespace)?,
            name: anchored("name", &target.name)?,
            labels: requirements("labelSelector", &target.label_selector)?,
            annotations: requirements("annotationSelector", &target.annotation_selector)?,
        })
    }

    /// Whether an object is meant.
    #[must_use]
    pub fn matches(&self, object: Traits<'_>) -> bool {
        self.matches_but_namespace(object) && self.matches_namespace(object.namespace)
    }

    /// Whether an object in this namespace could be meant.
    pub(super) fn matches_namespace(&self, namespace: &str) -> bool {
        fits(self.namespace.as_ref(), namespace)
    }

    /// Whether an object is meant if its namespace is left out of account.
    pub(super) fn matches_but_namespace(&self, object: Traits<'_>) -> bool {
        fits(self.group.as_ref(), object.group)
            && fits(self.version.as_ref(), object.version)
            && fits(self.kind.as_ref(), object.kind)
            && fits(self.name.as_ref(), object.name)
            && self.labels.iter().all(|requirement| requirement.holds(object.labels))
            && self.annotations.iter().all(|requirement| requirement.holds(object.annotations))
    }
}

fn fits(pattern: Option<&Regex>, text: &str) -> bool {
    pattern.is_none_or(|pattern| pattern.is_match(text.as_bytes()))
}

fn anchored(field: &'static str, pattern: &str) -> Result<Option<Regex>, Error> {
    if pattern.is_empty() {
        return Ok(None);
    }
    let compiled = Regex::compile(format!("^(?:{pattern})$").as_bytes());
    compiled.map(Some).map_err(|error| Error { field, text: pattern.to_owned(), message: error.to_string() })
}

/// One condition of a label selector.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    Absent,
    /// The label is there and has one of the values.
    In(Vec<String>),
    /// The label has none of the values; it may be absent.
    NotIn(Vec<String>),
    Above(i64),
    Below(i64),
}

impl Requirement {
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        let number = || value.and_then(|value| value.parse::<i64>().ok());
        match &self.test {
            Test::Exists => value.is_some(),
            Test::Absent => value.is_none(),
            Test::In(wanted) => value.is_some_and(|value| wanted.contains(value)),
            Test::NotIn(unwanted) => value.is_none_or(|value| !unwanted.contains(value)),
            Test::Above(bound) => number().is_some_and(|n| n > *bound),
            Test::Below(bound) => number().is_some_and(|n| n < *bound),
        }
    }
}

/// Reads a label selector: conditions with commas between them.
fn requirements(field: &'static str, text: &str) -> Result<Vec<Requirement>, Error> {
    let fail = |message: String| Error { field, text: text.to_owned(), message };
    if text.len() > LONGEST {
        let start = text[..text.floor_char_boundary(40)].to_owned();
        return Err(Error { field, text: start, message: format!("longer than {LONGEST} bytes") });
    }
    let tokens = tokens(text).map_err(fail)?;
    let mut parser = Parser { tokens: &tokens };
    let mut found = Vec::new();
    if tokens.is_empty() {
        return Ok(found);
    }
    loop {
        found.push(parser.requirement().map_err(fail)?);
        match parser.take() {
            None => return Ok(found),
            Some(Token::Comma) => {}
            Some(other) => return Err(fail(format!("found {:?}, expected a comma or the end", other.text()))),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token<'a> {
    Word(&'a str),
    Comma,
    Open,
    Close,
    Not,
    Equal,
    Unequal,
    Above,
    Below,
}

impl<'a> Token<'a> {
    fn text(self) -> &'a str {
        match self {
            Self::Word(word) => word,
            Self::Comma => ",",
            Self::Open => "(",
            Self::Close => ")",
            Self::Not => "!",
            Self::Equal => "=",
            Self::Unequal => "!=",
            Self::Above => ">",
            Self::Below => "<",
        }
    }
}

fn tokens(text: &str) -> Result<Vec<Token<'_>>, String> {
    const SPACE: [char; 4] = [' ', '\t', '\r', '\n'];
    const SIGNS: [char; 7] = ['=', '!', '(', ')', ',', '>', '<'];
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(SPACE);
    while let Some(first) = rest.chars().next() {
        let (token, length) = match first {
            ',' => (Token::Comma, 1),
            '(' => (Token::Open, 1),
            ')' => (Token::Close, 1),
            '>' => (Token::Above, 1),
            '<' => (Token::Below, 1),
            '!' if rest.starts_with("!=") => (Token::Unequal, 2),
            '!' => (Token::Not, 1),
            '=' if rest.starts_with("==") => (Token::Equal, 2),
            '=' => (Token::Equal, 1),
            '\0' => return Err("a NUL character".to_owned()),
            _ => {
                let length = rest.find(|c| SPACE.contains(&c) || SIGNS.contains(&c)).unwrap_or(rest.len());
                (Token::Word(&rest[..length]), length)
            }
        };
        found.push(token);
        rest = rest[length..].trim_start_matches(SPACE);
    }
    Ok(found)
}

struct Parser<'a, 'b> {
    tokens: &'b [Token<'a>],
}

impl<'a> Parser<'a, '_> {
    fn next(&self) -> Option<Token<'a>> {
        self.tokens.first().copied()
    }

    fn take(&mut self) -> Option<Token<'a>> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(*first)
    }

    fn requirement(&mut self) -> Result<Requirement, String> {
        let absent = self.next() == Some(Token::Not);
        if absent {
            self.take();
        }
        let key = match self.take() {
            Some(Token::Word(word)) => word,
            other => return Err(unexpected(other, "a label's key")),
        };
        check_key(key)?;
        let test = if absent { Test::Absent } else { self.test()? };
        let values: &[String] = match &test {
            Test::In(values) | Test::NotIn(values) => values,
            _ => &[],
        };
        for value in values {
            check_value(value)?;
        }
        Ok(Requirement { key: key.to_owned(), test })
    }

    fn test(&mut self) -> Result<Test, String> {
        if matches!(self.next(), None | Some(Token::Comma)) {
            return Ok(Test::Exists);
        }
        Ok(match self.take() {
            Some(Token::Equal) => Test::In(vec![self.value()?]),
            Some(Token::Unequal) => Test::NotIn(vec![self.value()?]),
            Some(Token::Above) => Test::Above(self.number()?),
            Some(Token::Below) => Test::Below(self.number()?),
            Some(Token::Word("in")) => Test::In(self.values()?),
            Some(Token::Word("notin")) => Test::NotIn(self.values()?),
            other => return Err(unexpected(other, "in, notin, =, ==, !=, > or <")),
        })
    }

    /// One value; nothing at all is the empty one.
    fn value(&mut self) -> Result<String, String> {
        match self.next() {
            None | Some(Token::Comma) => Ok(String::new()),
            Some(Token::Word(word)) => {
                self.take();
                Ok(word.to_owned())
            }
            other => Err(unexpected(other, "a value")),
        }
    }

    fn number(&mut self) -> Result<i64, String> {
        let value = self.value()?;
        check_value(&value)?;
        value.parse().map_err(|_| format!("{value:?} is no integer, which > and < want"))
    }

    /// Values in parentheses; what stands between two commas may be empty.
    fn values(&mut self) -> Result<Vec<String>, String> {
        match self.take() {
            Some(Token::Open) => {}
            other => return Err(unexpected(other, "(")),
        }
        let mut values = Vec::new();
        loop {
            let value = match self.next() {
                Some(Token::Word(word)) => {
                    self.take();
                    word
                }
                _ => "",
            };
            values.push(value.to_owned());
            match self.take() {
                Some(Token::Comma) => {}
                Some(Token::Close) => return Ok(values),
                other => return Err(unexpected(other, "a comma or )")),
            }
        }
    }
}

fn unexpected(found: Option<Token<'_>>, expected: &str) -> String {
    match found {
        Some(token) => format!("found {:?}, expected {expected}", token.text()),
        None => format!("it ends where {expected} is expected"),
    }
}

/// Kubernetes' rule for the keys of labels: a name with an optional domain before it.
fn check_key(key: &str) -> Result<(), String> {
    let (prefix, name) = key.split_once('/').map_or((None, key), |(prefix, name)| (Some(prefix), name));
    let good_prefix = prefix.is_none_or(|prefix| {
        (1..=253).contains(&prefix.len())
            && prefix.split('.').all(|label| {
                let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                label.bytes().all(inner) && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
            })
    });
    if good_prefix && !name.is_empty() && is_name(name) {
        return Ok(());
    }
    Err(format!("{key:?} is no key of a label"))
}

/// Kubernetes' rule for the values of labels, which may be empty.
fn check_value(value: &str) -> Result<(), String> {
    if is_name(value) { Ok(()) } else { Err(format!("{value:?} is no value of a label")) }
}

fn is_name(text: &str) -> bool {
    let ends = |c: Option<char>| c.is_none_or(|c| c.is_ascii_alphanumeric());
    text.len() <= 63
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && ends(text.chars().next())
        && ends(text.chars().next_back())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Selectors, each with what Kubernetes makes of it: an error, or which of five sets of labels it matches.
    #[test]
    fn label_selectors_as_kubernetes_reads_them() {
        let objects: [&[(&str, &str)]; 5] =
            [&[], &[("a", "x")], &[("a", "y"), ("e.f/b", "5")], &[("a", ""), ("in", "notin")], &[("e.f/b", "z")]];
        let mut wrong = Vec::new();
        for line in include_str!("selectors.txt").lines() {
            let (selector, want) = line.rsplit_once('|').unwrap();
            let got = match requirements("labelSelector", selector) {
                Err(_) => "error".to_owned(),
                Ok(requirements) => objects
                    .iter()
                    .map(|labels| {
                        let labels = labels.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
                        if requirements.iter().all(|r| r.holds(&labels)) { '1' } else { '0' }
                    })
                    .collect(),
            };
            if got != want {
                wrong.push(format!("{selector:?}: {got}, Kubernetes says {want}"));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn every_field_must_match_from_end_to_end() {
        let labels: BTreeMap<_, _> = [("app".to_owned(), "web".to_owned())].into();
        let annotations: BTreeMap<_, _> = [("tier".to_owned(), "front".to_owned())].into();
        let object = Traits {
            group: "apps",
            version: "v1",
            kind: "Deployment",
            namespace: "shop",
            name: "web",
            labels: &labels,
            annotations: &annotations,
        };
        let none = Target::default();
        for (target, want) in [
            (none.clone(), true),
            (Target { name: "we".into(), ..none.clone() }, false),
            (Target { name: "we.*".into(), ..none.clone() }, true),
            (Target { name: "api|web".into(), ..none.clone() }, true),
            (Target { group: "app".into(), ..none.clone() }, false),
            (Target { group: "apps".into(), version: "v1".into(), kind: "Deployment".into(), ..none.clone() }, true),
            (Target { version: "v1beta1".into(), ..none.clone() }, false),
            (Target { kind: "(Stateful|Daemon)Set".into(), ..none.clone() }, false),
            (Target { namespace: "sho".into(), ..none.clone() }, false),
            (Target { namespace: "sh.p".into(), ..none.clone() }, true),
            (Target { label_selector: "app in (web, api)".into(), ..none.clone() }, true),
            (Target { label_selector: "tier".into(), ..none.clone() }, false),
            (Target { annotation_selector: "tier=front,!app".into(), ..none }, true),
        ] {
            assert_eq!(Selector::compile(&target).unwrap().matches(object), want, "{target:?}");
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        let none = Target::default();
        for (target, want) in [
            (Target { name: "a(".into(), ..none.clone() }, "name \"a(\": "),
            (Target { kind: "*".into(), ..none.clone() }, "kind \"*\": "),
            (
                Target { label_selector: "a b".into(), ..none.clone() },
                "labelSelector \"a b\": found \"b\", expected in, notin",
            ),
            (
                Target { annotation_selector: "a in (b".into(), ..none.clone() },
                "annotationSelector \"a in (b\": it ends where a comma or ) is expected",
            ),
            (Target { label_selector: "a>b".into(), ..none.clone() }, "labelSelector \"a>b\": \"b\" is no integer"),
            (Target { label_selector: "a,".repeat(9000), ..none }, "labelSelector \"a,a,"),
        ] {
            let error = Selector::compile(&target).unwrap_err().to_string();
            assert!(error.starts_with(want), "{error}");
        }
    }
}
