//! The index as `helm repo index` writes it, read line by line: ten times the speed of a YAML parser. Whatever does not look exactly
//! like that is left to the parser, so this is never asked whether something is valid.
//!
//! ```yaml
//! apiVersion: v1
//! entries:
//!   chart:
//!   - key: value      # the keys of an entry are at column 4
//!     urls:
//!     - first
//!     other:          # what is deeper than that belongs to a key that is not kept
//!       - whatever
//! ```

use super::index_reader::{Document, Draft, plain_text};

/// Where in the index a line is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first key, which sets how far the top is indented.
    Start,
    /// At the top, or within a top-level key that is not kept.
    Top,
    /// After `apiVersion`: nothing deeper may follow.
    Version,
    /// Within `entries`.
    Entries,
    /// Within a key of an entry: what is deeper is stepped over.
    Skipped,
    /// After a key of an entry whose value was on its line: nothing deeper may follow.
    Closed,
    /// After `urls:`.
    Urls,
}

/// Reads an index, or leaves it to somebody else.
pub(super) fn read(bytes: &[u8]) -> Option<Document> {
    let text = std::str::from_utf8(bytes).ok()?;
    let mut document = Document::default();
    let mut place = Place::Start;
    // A text of several lines that is under way.
    let mut open = None;
    for line in text.split('\n') {
        let line_bytes = line.as_bytes();
        let indent = line_bytes.iter().take_while(|byte| **byte == b' ').count();
        let Some(&first) = line_bytes.get(indent) else { continue };
        if line_bytes.last() == Some(&b'\r') {
            return None;
        }
        match open {
            Some(Open::Block(column)) if indent > column => continue,
            Some(Open::Quoted(quote)) => {
                if line.starts_with("---") || line.starts_with("...") {
                    return None;
                }
                open = within(line, quote)?;
                continue;
            }
            _ => {}
        }
        if matches!(first, b'\t' | b'#') {
            return None;
        }
        open = opens(&line[indent..], indent)?;
        place = match (indent, first) {
            (0, _) => top(line, place, &mut document)?,
            // Whatever is below another key of the top.
            _ if place == Place::Top => place,
            _ if matches!(place, Place::Start | Place::Version) => return None,
            (2, b'-') => {
                let (_, drafts) = document.entries.last_mut()?;
                drafts.push(Some(Draft::default()));
                field(line.get(4..).filter(|_| line.starts_with("  - "))?, &mut document)?
            }
            (2, _) => {
                let name = line.strip_suffix(':').filter(|line| is_name(&line[2..]))?;
                document.entries.push((name[2..].to_owned(), Vec::new()));
                Place::Entries
            }
            (4, b'-') if place == Place::Urls => {
                let draft = document.entries.last_mut()?.1.last_mut()?.as_mut()?;
                if draft.url.is_none() {
                    draft.url = Some(text_of(line.strip_prefix("    - ")?.trim_matches(' '))??);
                }
                place
            }
            (4, b'-') if place == Place::Skipped => place,
            (4, _) if first != b'-' => field(&line[4..], &mut document)?,
            (5.., _) if place == Place::Skipped => place,
            _ => return None,
        };
    }
    // One that nothing ends is an error, which the parser tells.
    (!matches!(open, Some(Open::Quoted(_)))).then_some(document)
}

/// A text that goes on in the next lines.
#[derive(Clone, Copy)]
enum Open {
    /// `|` or `>` of a key or an item at this column: all that is deeper.
    Block(usize),
    /// All up to this quote.
    Quoted(u8),
}

/// What a line leaves open; the outer `None`: it might be something that is not read here.
#[allow(clippy::option_option, reason = "not read here, or nothing open")]
fn opens(text: &str, indent: usize) -> Option<Option<Open>> {
    let (mut text, mut column, mut item) = (text, indent, None);
    while let Some(rest) = text.strip_prefix("- ") {
        item = Some(column);
        let rest = rest.trim_start_matches(' ');
        column += text.len() - rest.len();
        text = rest;
    }
    // Without a key and a dash it is more of a plain text, which may begin with anything.
    let (value, owner) = match text.split_once(": ") {
        Some((key, _)) if key.starts_with(['"', '\'']) => return None,
        Some((_, value)) => (value.trim_matches(' '), Some(column)),
        None => (text.trim_end_matches(' '), item),
    };
    match *value.as_bytes() {
        [b'|' | b'>', ..] => owner.map(|column| Some(Open::Block(column))),
        [quote @ (b'"' | b'\''), ..] => owner.and_then(|_| within(&value[1..], quote)),
        [b'[' | b'{', ..] => matches!(value, "[]" | "{}").then_some(None),
        [b'&' | b'*' | b'!' | b'?' | b'%' | b'@' | b'`', ..] => None,
        _ => Some(None),
    }
}

/// Whether a quoted text goes on after this part of it; the outer `None`: something follows it.
#[allow(clippy::option_option, reason = "not read here, or nothing open")]
fn within(text: &str, quote: u8) -> Option<Option<Open>> {
    let mut bytes = text.bytes().enumerate();
    while let Some((at, byte)) = bytes.next() {
        let escapes = if quote == b'"' { byte == b'\\' } else { text.as_bytes()[at..].starts_with(b"''") };
        if escapes {
            bytes.next();
        } else if byte == quote {
            return text[at + 1..].trim_matches(' ').is_empty().then_some(None);
        }
    }
    Some(Some(Open::Quoted(quote)))
}

fn top(line: &str, place: Place, document: &mut Document) -> Option<Place> {
    if line == "---" && place == Place::Start {
        return Some(Place::Start);
    }
    let (key, value) = pair(line)?;
    match key {
        "entries" => (value.is_empty() && document.entries.is_empty()).then_some(Place::Entries),
        "apiVersion" => {
            document.api_version = text_of(value)?;
            Some(Place::Version)
        }
        _ => Some(Place::Top),
    }
}

/// A key of the newest entry and what stands beside it.
fn field(text: &str, document: &mut Document) -> Option<Place> {
    let draft = document.entries.last_mut()?.1.last_mut()?.as_mut()?;
    let (key, value) = pair(text)?;
    if key == "urls" {
        return value.is_empty().then_some(Place::Urls);
    }
    match draft.field(key) {
        Some(_) if value.is_empty() => None,
        Some(field) => {
            *field = text_of(value)?;
            Some(Place::Closed)
        }
        None => Some(Place::Skipped),
    }
}

fn pair(text: &str) -> Option<(&str, &str)> {
    let end = text.bytes().position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')))?;
    let (key, rest) = text.split_at(end);
    let first = key.bytes().next()?;
    let value = rest.strip_prefix(':').filter(|rest| rest.is_empty() || rest.starts_with(' '))?;
    first.is_ascii_alphabetic().then(|| (key, value.trim_matches(' ')))
}

/// A chart's name that is a text for every YAML reader.
fn is_name(text: &str) -> bool {
    let plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
    plain && plain_text(text.as_bytes()).as_deref() == Some(text)
}

/// The text of a value that is on one line; the inner `None` is null.
#[allow(clippy::option_option, reason = "not read here, or read as null")]
fn text_of(value: &str) -> Option<Option<String>> {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    match value.bytes().next()? {
        b'"' => inner('"').filter(|text| !text.contains(['"', '\\'])).map(|text| Some(text.to_owned())),
        b'\'' => inner('\'').filter(|text| !text.contains('\'')).map(|text| Some(text.to_owned())),
        b'~' if value == "~" => Some(None),
        first if first.is_ascii_alphanumeric() => {
            let plain = !value.contains(": ") && !value.contains(" #") && !value.ends_with(':');
            plain.then(|| plain_text(value.as_bytes()))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::index_reader::parsed;
    use super::*;
    use crate::chance::Chance;

    const INDEX: &str = r#"apiVersion: v1
entries:
  web:
  - annotations:
      category: Database
      images: |
        - name: web

          digest: sha256:no "
        urls:
      notes: "of two lines, \"quoted\", and a
  \
    version: 9.9.9"
      more:
      - - 'it''s

  - name: no'
        - |
         "
    apiVersion: v2
    appVersion: 1.10
    created: "2023-05-01T12:42:55.33Z"
    dependencies:
    - name: common
      version: 2.x.x
    description: A description that is long enough to be folded, that is, written
      over two lines
    digest: 0a1b
    keywords: []
    maintainers:
    - name: Acme, Inc.
    name: web
    sources:
    - https://github.com/acme/charts
    urls:
    - https://charts.acme.example/acme/web-1.2.3.tgz
    - https://mirror
    version: 1.2.3
  - name: 'web'
    version: "1.0"
    home: "x
    version: 2.0.0"

  db-2:
  - version: 1e3
    urls:
    - db.tgz
    digest: 123e4
    type: ~
generated: "2023-05-01T12:42:55.33Z"
"#;

    #[test]
    fn reads_what_the_parser_reads() {
        let document = read(INDEX.as_bytes()).unwrap();
        assert_eq!(document, parsed(INDEX.as_bytes()).unwrap());
        assert_eq!(document.entries.len(), 2);
        let first = document.entries[0].1[0].as_ref().unwrap();
        let field = |field: &Option<String>| field.clone().unwrap();
        assert_eq!([field(&first.version), field(&first.app_version), field(&first.digest)], ["1.2.3", "1.1", "0a1b"]);
        assert_eq!(first.url.as_deref(), Some("https://charts.acme.example/acme/web-1.2.3.tgz"));
    }

    #[test]
    fn leaves_what_is_written_otherwise_to_the_parser() {
        for (from, to) in [
            ("version: 1.2.3", "version: &v 1.2.3"),
            ("version: 1.2.3", "version: *v"),
            ("version: 1.2.3", "version:\n      1.2.3"),
            ("version: 1.2.3", "version: \"1.\\x32.3\""),
            ("version: 1.2.3", "version: 1.2.3 # newest"),
            ("version: 1.2.3", "version: 1.2.3\n      and more"),
            ("version: 1.2.3", "{version: 1.2.3}"),
            ("apiVersion: v1", "apiVersion: v1\n  and more"),
            ("version: 1.2.3", "<<: *x"),
            ("    urls:\n    - db.tgz", "    urls: [db.tgz]"),
            ("    urls:\n    - db.tgz", "    urls:\n      - db.tgz"),
            ("    urls:\n    - db.tgz", "    urls:\n    -\n      db.tgz"),
            ("type: ~", "home: [x,\n    version]"),
            ("  db-2:", "  db-2: &a"),
            ("  db-2:", "  1.50:"),
            ("  db-2:", "  yes:"),
            ("  db-2:", "  # db-2\n  db-2:"),
            ("\n  - version: 1e3", "\n    - version: 1e3"),
            ("generated: \"2023-05-01T12:42:55.33Z\"", "entries: {}"),
            ("generated: \"2023-05-01T12:42:55.33Z\"", "generated: \"2023-05-01\n  more"),
            ("type: ~", "home: \"x\" y"),
            ("category: Database", "\"category\": Database"),
            ("category: Database", "category: [Database]"),
            ("\n", "\r\n"),
        ] {
            let text = INDEX.replace(from, to);
            assert_ne!(text, INDEX, "{from}");
            assert_eq!(read(text.as_bytes()), None, "{to}");
        }
    }

    /// However the text is damaged: what both can read, both read the same.
    #[test]
    fn never_reads_something_else_than_the_parser() {
        let (mut both, mut chance) = (0, Chance(1));
        for round in 0..20_000 {
            let mut text = INDEX.as_bytes().to_vec();
            for _ in 0..=round % 3 {
                let position = chance.below(text.len());
                let byte = chance.of(b" \n-:\"'\\#[]{}&*!|>?%1e,~a");
                match chance.below(4) {
                    0 => drop(text.remove(position)),
                    1 => text[position] = byte,
                    _ => text.insert(position, byte),
                }
            }
            if let (Some(fast), Ok(slow)) = (read(&text), parsed(&text)) {
                assert_eq!(fast, slow, "{}", String::from_utf8_lossy(&text));
                both += 1;
            }
        }
        assert!(both > 500, "{both}");
    }
}
