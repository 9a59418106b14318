//! The text of an index to drafts of its entries: one pass over the parser's events, no tree. Whatever is not asked for is stepped
//! over, however deep it is.

use std::collections::BTreeMap;
use std::fmt;

use super::index_lines;
use pintle_value::Value;
use pintle_yaml::Limits;
use pintle_yaml::parser::{EventKind, Events, Style};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// What of an index is kept.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Document {
    pub(super) api_version: Option<String>,
    /// By chart.
    pub(super) entries: Vec<(String, Drafts)>,
}

/// The versions of a chart; what is no mapping is `None`.
pub(super) type Drafts = Vec<Option<Draft>>;

/// What of an entry is kept, as it is written.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    pub(super) version: Option<String>,
    pub(super) app_version: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) url: Option<String>,
    pub(super) digest: Option<String>,
    pub(super) created: Option<String>,
    pub(super) deprecated: Option<String>,
}

impl Draft {
    /// The place for a field, if it is one that is kept. `urls` is a list and not among them.
    pub(super) fn field(&mut self, name: &str) -> Option<&mut Option<String>> {
        Some(match name {
            "name" => &mut self.name,
            "version" => &mut self.version,
            "appVersion" => &mut self.app_version,
            "type" => &mut self.kind,
            "digest" => &mut self.digest,
            "created" => &mut self.created,
            "deprecated" => &mut self.deprecated,
            _ => return None,
        })
    }
}

/// Reads an index.
pub(super) fn read(bytes: &[u8]) -> Result<Document, String> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    match first {
        None => Err("empty index.yaml file".to_owned()),
        // What begins like JSON and is none may still be YAML.
        Some(b'{') => match serde_json::from_slice(bytes) {
            Ok(document) => Ok(document),
            Err(error) => yaml(bytes).map_err(|_| error.to_string()),
        },
        Some(_) => match index_lines::read(bytes) {
            Some(document) => Ok(document),
            None => yaml(bytes),
        },
    }
}

/// What the parser alone makes of it.
#[cfg(test)]
pub(super) fn parsed(bytes: &[u8]) -> Result<Document, String> {
    yaml(bytes)
}

fn yaml(bytes: &[u8]) -> Result<Document, String> {
    let bytes = &*pintle_yaml::utf8(bytes, &Limits::default()).map_err(|error| error.to_string())?;
    match Reader::new(bytes).document() {
        Ok(document) => Ok(document),
        Err(Stop::Invalid(why)) => Err(why),
        // Aliases and merge keys where it matters: nobody's tool writes that, so it need not be fast.
        Err(Stop::Aliased) => resolved(bytes),
    }
}

enum Stop {
    Invalid(String),
    Aliased,
}

impl From<pintle_yaml::Error> for Stop {
    fn from(error: pintle_yaml::Error) -> Self {
        Stop::Invalid(error.to_string())
    }
}

struct Reader<'a> {
    events: Events<'a>,
}

impl<'a> Reader<'a> {
    fn new(bytes: &'a [u8]) -> Reader<'a> {
        Reader { events: Events::new(bytes, &Limits::default()) }
    }

    fn next(&mut self) -> Result<EventKind<'a>, Stop> {
        match self.events.next_event()? {
            Some(event) => Ok(event.kind),
            None => Err(Stop::Invalid("the text ends too early".to_owned())),
        }
    }

    fn document(&mut self) -> Result<Document, Stop> {
        let mut document = Document::default();
        let root = loop {
            match self.next()? {
                EventKind::DocumentStart => {}
                event => break event,
            }
        };
        if !matches!(root, EventKind::MappingStart(_)) {
            return Err(Stop::Invalid("it is no mapping: this is no index of a Helm repository".to_owned()));
        }
        while let Some(key) = self.key()? {
            match key.as_str() {
                "apiVersion" => document.api_version = self.text()?,
                "entries" => document.entries = self.entries()?,
                _ => self.skip()?,
            }
        }
        Ok(document)
    }

    fn entries(&mut self) -> Result<Vec<(String, Drafts)>, Stop> {
        let mut entries = Vec::new();
        match self.next()? {
            EventKind::MappingStart(_) => {}
            EventKind::Scalar { .. } => return Ok(entries),
            EventKind::Alias(_) => return Err(Stop::Aliased),
            _ => return Err(Stop::Invalid("entries is no mapping of charts".to_owned())),
        }
        while let Some(chart) = self.key()? {
            let versions = self.versions(&chart)?;
            entries.push((chart, versions));
        }
        Ok(entries)
    }

    fn versions(&mut self, chart: &str) -> Result<Drafts, Stop> {
        let mut versions = Vec::new();
        match self.next()? {
            EventKind::SequenceStart(_) => {}
            EventKind::Scalar { .. } => return Ok(versions),
            EventKind::Alias(_) => return Err(Stop::Aliased),
            _ => return Err(Stop::Invalid(format!("entries of chart {chart:?} are no list"))),
        }
        loop {
            match self.next()? {
                EventKind::SequenceEnd => return Ok(versions),
                EventKind::MappingStart(_) => versions.push(Some(self.draft()?)),
                EventKind::Alias(_) => return Err(Stop::Aliased),
                event => {
                    self.rest_of(&event)?;
                    versions.push(None);
                }
            }
        }
    }

    fn draft(&mut self) -> Result<Draft, Stop> {
        let mut draft = Draft::default();
        while let Some(key) = self.key()? {
            if key == "urls" {
                draft.url = self.first_of_list()?;
            } else if let Some(field) = draft.field(&key) {
                *field = self.text()?;
            } else {
                self.skip()?;
            }
        }
        Ok(draft)
    }

    /// The next key of the mapping, `None` at its end.
    fn key(&mut self) -> Result<Option<String>, Stop> {
        match self.next()? {
            EventKind::MappingEnd => Ok(None),
            EventKind::Scalar { text, .. } if &*text == b"<<" => Err(Stop::Aliased),
            EventKind::Scalar { text, .. } => Ok(Some(string(&text))),
            EventKind::Alias(_) => Err(Stop::Aliased),
            event => {
                self.rest_of(&event)?;
                Ok(Some(String::new()))
            }
        }
    }

    /// The text of a scalar, `None` for null and for what is no scalar.
    fn text(&mut self) -> Result<Option<String>, Stop> {
        match self.next()? {
            EventKind::Alias(_) => Err(Stop::Aliased),
            EventKind::Scalar { properties, text, style } => {
                let plain = style == Style::Plain && properties.is_none_or(|p| p.tag.is_none());
                Ok(if plain { plain_text(&text) } else { Some(string(&text)) })
            }
            event => self.rest_of(&event).map(|()| None),
        }
    }

    fn first_of_list(&mut self) -> Result<Option<String>, Stop> {
        match self.next()? {
            EventKind::SequenceStart(_) => {}
            EventKind::Alias(_) => return Err(Stop::Aliased),
            event => return self.rest_of(&event).map(|()| None),
        }
        let mut first = None;
        let mut position = 0;
        loop {
            match self.next()? {
                EventKind::SequenceEnd => return Ok(first),
                EventKind::Scalar { text, .. } if position == 0 => first = Some(string(&text)),
                EventKind::Alias(_) if position == 0 => return Err(Stop::Aliased),
                event => self.rest_of(&event)?,
            }
            position += 1;
        }
    }

    fn skip(&mut self) -> Result<(), Stop> {
        let event = self.next()?;
        self.rest_of(&event)
    }

    /// Steps over what `event` began.
    fn rest_of(&mut self, event: &EventKind<'_>) -> Result<(), Stop> {
        let mut depth = usize::from(matches!(event, EventKind::SequenceStart(_) | EventKind::MappingStart(_)));
        while depth > 0 {
            match self.next()? {
                EventKind::SequenceStart(_) | EventKind::MappingStart(_) => depth += 1,
                EventKind::SequenceEnd | EventKind::MappingEnd => depth -= 1,
                _ => {}
            }
        }
        Ok(())
    }
}

fn string(text: &[u8]) -> String {
    String::from_utf8_lossy(text).into_owned()
}

/// What a scalar without quotes is as a text: `1.10` is the number 1.1, `null` is nothing.
pub(super) fn plain_text(text: &[u8]) -> Option<String> {
    if is_surely_text(text) {
        return Some(string(text));
    }
    match pintle_yaml::decode_exact(text, &Limits::default()) {
        Ok(Value::Nil) => None,
        Ok(value) => pintle_yaml::text_of(&value).map(|text| text.to_str_lossy().into_owned()),
        Err(_) => Some(string(text)),
    }
}

/// Whether a plain scalar is a text without having to look closer, as nearly all are: it has a letter or a second dot where a
/// number has none, or begins with a letter that no boolean or null begins with.
fn is_surely_text(text: &[u8]) -> bool {
    match text {
        [first, ..] if first.is_ascii_alphabetic() => !b"yYnNtTfFoO".contains(first),
        [b'0', b'x' | b'X' | b'b' | b'B' | b'o' | b'O', ..] => false,
        [b'0'..=b'9', rest @ ..] => {
            let letter = rest.iter().any(|byte| byte.is_ascii_alphabetic() && !matches!(byte, b'e' | b'E'));
            letter || rest.iter().filter(|byte| **byte == b'.').count() > 1
        }
        _ => false,
    }
}

/// The same by way of a whole tree.
fn resolved(bytes: &[u8]) -> Result<Document, String> {
    let value = pintle_yaml::decode_exact(bytes, &Limits::default()).map_err(|error| error.to_string())?;
    let text = |value: Option<Value>| pintle_yaml::text_of(&value?).map(|text| text.to_str_lossy().into_owned());
    let member = |value: &Value, key: &str| value.as_map().and_then(|map| map.get(key.as_bytes()));
    let draft = |value: &Value| {
        let entry = value.as_map()?;
        let mut draft = Draft::default();
        for (key, value) in entry.snapshot() {
            if let Some(field) = draft.field(&key.to_str_lossy()) {
                *field = text(Some(value));
            }
        }
        draft.url = text(member(value, "urls").and_then(|urls| urls.as_list()?.get(0)));
        Some(draft)
    };
    let charts =
        member(&value, "entries").and_then(|entries| entries.as_map().map(|map| map.snapshot())).unwrap_or_default();
    let entries = charts.into_iter().map(|(chart, versions)| {
        let drafts = versions.as_list().map(|list| list.items().iter().map(draft).collect()).unwrap_or_default();
        (chart.to_str_lossy().into_owned(), drafts)
    });
    Ok(Document { api_version: text(member(&value, "apiVersion")), entries: entries.collect() })
}

impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Raw {
            #[serde(default)]
            api_version: Text,
            #[serde(default)]
            entries: Option<BTreeMap<String, Option<Vec<Entry>>>>,
        }
        let raw = Raw::deserialize(deserializer)?;
        let entries = raw.entries.unwrap_or_default().into_iter();
        Ok(Document {
            api_version: raw.api_version.0,
            entries: entries
                .map(|(chart, versions)| {
                    (chart, versions.unwrap_or_default().into_iter().map(|entry| entry.0).collect())
                })
                .collect(),
        })
    }
}

/// An entry in JSON; what is no object is none.
struct Entry(Option<Draft>);

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor)
    }
}

struct EntryVisitor;

impl<'de> Visitor<'de> for EntryVisitor {
    type Value = Entry;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an entry of an index")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry, A::Error> {
        let mut draft = Draft::default();
        while let Some(key) = map.next_key::<String>()? {
            if key == "urls" {
                draft.url = map.next_value::<First>()?.0;
            } else if let Some(field) = draft.field(&key) {
                *field = map.next_value::<Text>()?.0;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Entry(Some(draft)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Entry, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Entry(None))
    }

    fn visit_unit<E>(self) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Entry, E> {
        Ok(Entry(None))
    }

    fn visit_str<E>(self, _: &str) -> Result<Entry, E> {
        Ok(Entry(None))
    }
}

/// A text in JSON; numbers and booleans are texts too, what has parts is none.
#[derive(Default)]
struct Text(Option<String>);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextVisitor)
    }
}

struct TextVisitor;

impl<'de> Visitor<'de> for TextVisitor {
    type Value = Text;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, text: &str) -> Result<Text, E> {
        Ok(Text(Some(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Text, E> {
        Ok(Text(Some(text)))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Text, E> {
        Ok(Text(Some(value.to_string())))
    }

    fn visit_unit<E>(self) -> Result<Text, E> {
        Ok(Text(None))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Text, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Text, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Text(None))
    }
}

/// The first text of a list.
struct First(Option<String>);

impl<'de> Deserialize<'de> for First {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Option::<Vec<Text>>::deserialize(deserializer)?;
        Ok(First(list.unwrap_or_default().into_iter().next().and_then(|text| text.0)))
    }
}
