//! Files of several documents, cut as Kubernetes' tools do it: by lines, without reading YAML.

use crate::Error;
use std::borrow::Cow;

/// The documents of a text, cut at lines that begin with `---`, as apimachinery's `YAMLReader` does it (values files,
/// `kubectl apply -f`). Such a line may only go on with a comment. Each document ends in a line break.
///
/// # Errors
/// At a line like `---x`: `invalid Yaml document separator: x`. The documents before it come first.
pub fn split(text: &[u8]) -> impl Iterator<Item = Result<Cow<'_, [u8]>, Error>> {
    let mut rest = text;
    let mut line_number = 0_u32;
    std::iter::from_fn(move || {
        let document = rest;
        let mut length = 0;
        while !rest.is_empty() {
            let end = rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |at| at + 1);
            let line = &rest[..end];
            rest = &rest[end..];
            line_number = line_number.saturating_add(1);
            if let Some(after) = line.strip_prefix(b"---") {
                let after = after.trim_ascii();
                if !after.is_empty() && !after.starts_with(b"#") {
                    rest = &[];
                    let shown = String::from_utf8_lossy(after);
                    let message = format!("invalid Yaml document separator: {shown}");
                    return Some(Err(Error::yaml(message, line_number - 1, 0)));
                }
                if length > 0 {
                    return Some(Ok(ended(&document[..length])));
                }
            }
            length += end;
        }
        (length > 0).then(|| Ok(ended(&document[..length])))
    })
}

fn ended(document: &[u8]) -> Cow<'_, [u8]> {
    if document.ends_with(b"\n") { Cow::Borrowed(document) } else { Cow::Owned([document, b"\n"].concat()) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn documents() {
        let check = |text: &str, expect: &[&str]| {
            let found: Vec<_> =
                split(text.as_bytes()).map(|d| String::from_utf8(d.unwrap().into_owned()).unwrap()).collect();
            assert_eq!(found, expect, "{text:?}");
        };
        check("", &[]);
        check("a", &["a\n"]);
        check("a\n---\nb", &["a\n", "b\n"]);
        check("---\na\n--- # c\nb\n", &["---\na\n", "b\n"]);
        check("---\n---\na", &["---\n", "a\n"]);
        check("a\n---", &["a\n"]);
        check("a\r\n---\r\nb", &["a\r\n", "b\n"]);
        check("a: |\n  ---\n", &["a: |\n  ---\n"]);
        let error = split(b"a\n---x\nb").last().unwrap().unwrap_err();
        assert_eq!(error.message, "invalid Yaml document separator: x");
    }
}
