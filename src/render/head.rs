//! What a document says about itself, read without building the rest of it. Most of a manifest is text that nobody here
//! asks for; only what is out of the ordinary (anchors, tags, odd keys, mistakes) is left to the full reader.

mod lines;

use super::{convert::yaml_limits, manifest::ManifestDoc};
use pintle_yaml::parser::{EventKind, Events, Style};

/// Fields that are looked for, and where.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Field {
    ApiVersion,
    Kind,
    Metadata,
    Name,
    Namespace,
    Annotations,
    Annotation,
    Other,
}

/// A mapping whose keys matter, or any other collection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Top,
    Metadata,
    Annotations,
    Other,
    Sequence,
}

const KEYS: [(Scope, &[u8], Field); 6] = [
    (Scope::Top, b"apiVersion", Field::ApiVersion),
    (Scope::Top, b"kind", Field::Kind),
    (Scope::Top, b"metadata", Field::Metadata),
    (Scope::Metadata, b"name", Field::Name),
    (Scope::Metadata, b"namespace", Field::Namespace),
    (Scope::Metadata, b"annotations", Field::Annotations),
];

/// The head of a document of the ordinary kind; nothing if the full reader has to look.
pub(super) fn read(path: &str, doc: &str) -> Option<ManifestDoc> {
    lines::read(path, doc).or_else(|| read_events(path, doc))
}

fn read_events(path: &str, doc: &str) -> Option<ManifestDoc> {
    let limits = yaml_limits();
    let text = pintle_yaml::utf8(doc.as_bytes(), &limits).ok()?;
    let mut events = Events::new(&text, &limits);
    let mut head = ManifestDoc { path: path.to_owned(), ..ManifestDoc::default() };
    // The open collections, and whether a key comes next.
    let mut open: Vec<(Scope, bool)> = Vec::new();
    let mut field = Field::Other;
    let mut annotation = String::new();
    let mut seen: Vec<Field> = Vec::new();
    loop {
        match events.next_event().ok()??.kind {
            EventKind::DocumentStart => {}
            EventKind::DocumentEnd => return Some(head),
            EventKind::Alias(_) => return None,
            EventKind::Scalar { properties: Some(_), .. }
            | EventKind::SequenceStart(Some(_))
            | EventKind::MappingStart(Some(_)) => return None,
            EventKind::Scalar { text, style, .. } => {
                if style == Style::Plain && is_odd(&text) {
                    return None;
                }
                match open.last_mut() {
                    // A document that is no mapping.
                    None => return None,
                    Some((scope, key_next @ true)) => {
                        *key_next = false;
                        if style == Style::Plain && is_no_key(&text) {
                            return None;
                        }
                        field = field_of(*scope, &text)?;
                        if field == Field::Annotation {
                            // Two of one name, or a key that is no text.
                            annotation = scalar(&text, style)?;
                            if head.annotations.contains_key(&annotation) {
                                return None;
                            }
                        } else if field != Field::Other {
                            if seen.contains(&field) {
                                return None;
                            }
                            seen.push(field);
                        }
                    }
                    Some((scope, key_next)) => {
                        *key_next = *scope != Scope::Sequence;
                        if *scope == Scope::Sequence {
                            continue;
                        }
                        match field {
                            Field::Other => {}
                            Field::ApiVersion => head.api_version = scalar(&text, style)?,
                            Field::Kind => head.kind = scalar(&text, style)?,
                            Field::Name => head.name = scalar(&text, style)?,
                            Field::Namespace => head.namespace = scalar(&text, style)?,
                            Field::Annotation => {
                                head.annotations.insert(std::mem::take(&mut annotation), scalar(&text, style)?);
                            }
                            Field::Metadata | Field::Annotations => {
                                if style != Style::Plain || !text.is_empty() {
                                    return None;
                                }
                            }
                        }
                    }
                }
            }
            EventKind::MappingStart(None) => {
                let scope = match (open.last(), field) {
                    (None, _) => Scope::Top,
                    // A mapping as a key.
                    (Some((_, true)), _) => return None,
                    (Some((Scope::Top, _)), Field::Metadata) => Scope::Metadata,
                    (Some((Scope::Metadata, _)), Field::Annotations) => Scope::Annotations,
                    (Some((Scope::Sequence | Scope::Other, _)), _) | (_, Field::Other) => Scope::Other,
                    _ => return None,
                };
                open.push((scope, true));
            }
            EventKind::SequenceStart(None) => {
                match (open.last(), field) {
                    (None | Some((_, true)), _) => return None,
                    (Some((Scope::Sequence | Scope::Other, _)), _) | (_, Field::Other) => {}
                    _ => return None,
                }
                open.push((Scope::Sequence, false));
            }
            EventKind::MappingEnd | EventKind::SequenceEnd => {
                open.pop();
                field = Field::Other;
                if let Some((scope, key_next)) = open.last_mut() {
                    *key_next = *scope != Scope::Sequence;
                }
            }
        }
    }
}

/// What a key stands for; nothing if Go would take it for a field whose name differs in case.
fn field_of(scope: Scope, key: &[u8]) -> Option<Field> {
    if scope == Scope::Annotations {
        return Some(Field::Annotation);
    }
    for (wanted, name, field) in KEYS {
        if wanted == scope && name.eq_ignore_ascii_case(key) {
            return (name == key).then_some(field);
        }
    }
    Some(Field::Other)
}

/// Numbers that JSON has not: `.inf`, `.nan`, and whatever else begins like them.
fn is_odd(text: &[u8]) -> bool {
    matches!(text, [b'.', b'i' | b'I' | b'n' | b'N', ..] | [b'+' | b'-', b'.', ..])
}

/// Plain keys that are null, or merge.
fn is_no_key(text: &[u8]) -> bool {
    matches!(text, b"" | b"~" | b"null" | b"Null" | b"NULL" | b"<<")
}

/// The text of a scalar that is text, or absent.
fn scalar(text: &[u8], style: Style) -> Option<String> {
    if style == Style::Plain && !text.is_empty() && !pintle_yaml::reads_as_text(text) {
        return None;
    }
    std::str::from_utf8(text).ok().map(str::to_owned)
}
