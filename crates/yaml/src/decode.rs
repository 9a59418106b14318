//! Events to Values, the way of `sigs.k8s.io/yaml`: YAML to JSON to Go.
//!
//! go-yaml first reads the whole document, then decodes it, then its keys become texts, then comes JSON. All that
//! happens at once here, but an error of an earlier step still wins.

mod go_syntax;

use crate::{
    Error, Limits,
    parser::{EventKind, Events, Mark, Properties, Style},
    reader, resolve,
    resolve::Scalar,
};
use base64::{
    Engine, alphabet,
    engine::{GeneralPurpose, GeneralPurposeConfig},
};
use go_syntax::{Rank, go_syntax, not_a_text, typed_key, unsupported};
use pintle_golib::strconv::{append_float32, quote};
use pintle_value::{List, Map, MapKind, Str, Value, json};
use std::{
    borrow::Cow,
    collections::{HashMap, HashSet},
    rc::Rc,
};

/// Reads the first document, as `sigs.k8s.io/yaml.Unmarshal` into an empty interface: every number is a `float64`,
/// keys are texts, timestamps stay texts. An empty text is nil.
///
/// # Errors
/// What is wrong with the text, in go-yaml's words.
pub fn decode(text: &[u8], limits: &Limits) -> Result<Value, Error> {
    first(text, limits, Mode { numbers: Numbers::Float, strict: false, words: true, keys: KeyForm::Text })
}

/// Like [`decode`], but integers are [`Value::Int64`] or [`Value::Uint64`]: for [`text_of`], which needs the difference.
///
/// # Errors
/// As [`decode`].
pub fn decode_exact(text: &[u8], limits: &Limits) -> Result<Value, Error> {
    first(text, limits, Mode { numbers: Numbers::Exact, strict: false, words: true, keys: KeyForm::Text })
}

/// Like [`decode_exact`], but `yes`, `on`, `y` and their opposites are texts, as go-yaml v3 reads them into an interface.
///
/// # Errors
/// As [`decode`].
pub fn decode_exact_v3(text: &[u8], limits: &Limits) -> Result<Value, Error> {
    first(text, limits, Mode { numbers: Numbers::Exact, strict: false, words: false, keys: KeyForm::Text })
}

/// Like [`decode`], but a key that comes twice in a mapping is an error, as for `sigs.k8s.io/yaml.UnmarshalStrict`.
///
/// # Errors
/// As [`decode`], and `key "a" already set in map`.
pub fn decode_strict(text: &[u8], limits: &Limits) -> Result<Value, Error> {
    first(text, limits, Mode { numbers: Numbers::Float, strict: true, words: true, keys: KeyForm::Text })
}

/// Reads the first document into a `map[string]interface {}`; an empty one or `null` gives an empty map.
///
/// # Errors
/// As [`decode`], and if the document is something else.
pub fn decode_map(text: &[u8], limits: &Limits) -> Result<Map, Error> {
    match decode(text, limits)? {
        Value::Nil => Ok(Map::new()),
        Value::Map(map) => Ok(map),
        other => Err(mismatch(&other, "map[string]interface {}")),
    }
}

/// Reads the first document into a `[]interface {}`; an empty one or `null` gives an empty list.
///
/// # Errors
/// As [`decode`], and if the document is something else.
pub fn decode_list(text: &[u8], limits: &Limits) -> Result<List, Error> {
    match decode(text, limits)? {
        Value::Nil => Ok(List::new(Vec::new())),
        Value::List(list) => Ok(list),
        other => Err(mismatch(&other, "[]interface {}")),
    }
}

/// Reads all documents of a stream.
///
/// # Errors
/// As [`decode`].
pub fn decode_all(text: &[u8], limits: &Limits) -> Result<Vec<Value>, Error> {
    let text = reader::utf8(text, limits)?;
    let mode = Mode { numbers: Numbers::Float, strict: false, words: true, keys: KeyForm::Text };
    by_types_of_keys(mode, |mode| {
        let mut events = Events::new(&text, limits);
        let mut documents = Vec::new();
        while let Some(document) = document(&mut events, limits, mode)? {
            documents.push(document);
        }
        Ok(documents)
    })
}

/// The text that `sigs.k8s.io/yaml` gives to a string field for a value of [`decode_exact`]: numbers and booleans turn
/// into text, floats by way of 32 bits. Nothing for nil, maps and lists.
pub fn text_of(value: &Value) -> Option<Str> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(b) => Some(Str::from(if *b { "true" } else { "false" })),
        Value::Int(n) | Value::Int64(n) => Some(n.to_string().into()),
        Value::Uint64(n) => Some(n.to_string().into()),
        Value::Float64(n) => Some(general_32(*n).into()),
        _ => None,
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Float,
    Exact,
}

#[derive(Clone, Copy)]
struct Mode {
    numbers: Numbers,
    strict: bool,
    /// `yes` and its like are booleans.
    words: bool,
    keys: KeyForm,
}

/// What becomes of a map's keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum KeyForm {
    /// Texts; what cannot be one is an error, which does not show values.
    Text,
    /// What [`typed_key`] makes of them; what can be no text is an error only if no later key takes its map's place, and the
    /// error shows values as Go has them.
    Typed,
    /// Texts; what cannot be one is in maps whose place a later key takes.
    Overwritten,
}

fn first(text: &[u8], limits: &Limits, mode: Mode) -> Result<Value, Error> {
    let text = reader::utf8(text, limits)?;
    by_types_of_keys(mode, |mode| Ok(document(&mut Events::new(&text, limits), limits, mode)?.unwrap_or_default()))
}

/// Reads, and once more if a key is no text: with the types of keys and of whole numbers, which are not kept otherwise.
fn by_types_of_keys<T>(mode: Mode, read: impl Fn(Mode) -> Result<T, Error>) -> Result<T, Error> {
    match read(mode) {
        Err(error) if error.message.contains(" map key") => {
            read(Mode { numbers: Numbers::Exact, keys: KeyForm::Typed, ..mode })?;
            read(Mode { keys: KeyForm::Overwritten, ..mode })
        }
        done => done,
    }
}

fn document<'a>(events: &mut Events<'a>, limits: &Limits, mode: Mode) -> Result<Option<Value>, Error> {
    let mut decoder = Decoder::new(limits, mode);
    while let Some(event) = events.next_event()? {
        match event.kind {
            EventKind::DocumentStart => {}
            EventKind::DocumentEnd => return decoder.finish().map(Some),
            EventKind::Alias(name) => decoder.alias(name, event.start)?,
            EventKind::Scalar { properties, text, style } => {
                decoder.scalar(properties.as_deref(), &text, style, event.start);
            }
            EventKind::SequenceStart(properties) => {
                decoder.open(properties.as_deref(), Items::List(Vec::new()), event.start);
            }
            EventKind::MappingStart(properties) => {
                decoder.open(properties.as_deref(), Items::Map(Box::default()), event.start);
            }
            EventKind::SequenceEnd | EventKind::MappingEnd => decoder.close(),
        }
    }
    Ok(None)
}

fn mismatch(value: &Value, target: &str) -> Error {
    Error::json(json::mismatch(value, &format!("Go value of type {target}")))
}

const NO_MAP: &str = "yaml: map merge requires map or sequence of maps as the value";

/// A value with what go-yaml knows about it.
struct Node {
    value: Value,
    /// For keys: a scalar's type. None for collections.
    scalar: Option<Scalar>,
    is_alias: bool,
    /// How many nodes go-yaml decodes for it, aliases followed.
    decodes: u64,
    /// Collections within each other, itself included.
    height: usize,
    mark: Mark,
    /// In strict mode, the keys of the map or of each of the list's maps: `<<` may need them.
    keys: Vec<Keys>,
}

/// A map's keys as Go shows them, each with its value's line.
type Keys = Rc<[(String, u32)]>;

/// A finished anchored node.
struct Anchored {
    value: Value,
    scalar: Option<Scalar>,
    decodes: u64,
    height: usize,
    keys: Vec<Keys>,
    /// What strict mode found wrong within: it finds it again at each alias.
    duplicates: Vec<String>,
}

#[derive(Default)]
struct MapItems {
    entries: Vec<(Str, Value)>,
    key: Option<Key>,
    strict: Option<Box<StrictKeys>>,
}

/// In strict mode, the keys as Go shows them.
#[derive(Default)]
struct StrictKeys {
    seen: HashSet<String>,
    in_order: Vec<(String, u32)>,
}

impl StrictKeys {
    /// Adds a key, and complains if it was there.
    fn add(&mut self, shown: &str, line: u32, complaints: &mut Vec<String>) {
        if self.seen.insert(shown.to_owned()) {
            self.in_order.push((shown.to_owned(), line));
        } else {
            complaints.push(format!("line {line}: key {shown} already set in map"));
        }
    }
}

enum Items {
    List(Vec<Value>),
    Map(Box<MapItems>),
}

/// A key that waits for its value.
enum Key {
    Merge,
    /// Its text and how Go shows it (strict mode only).
    Text(Str, String),
    /// A type that cannot be a key in JSON, and how Go shows the key.
    Unsupported(Rank, String),
    /// An error was noted already.
    Bad,
}

struct Frame {
    items: Items,
    anchor: Option<Vec<u8>>,
    decodes: u64,
    height: usize,
    mark: Mark,
    keys: Vec<Keys>,
    /// How many duplicate keys were known when it began.
    duplicates: usize,
    /// Whether decoding had failed before it began, with an error that stays.
    failed: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    Scalar,
    List,
    Map,
}

enum Merged {
    Whole,
    Item,
}

/// The steps whose errors come one after another, whatever stands first in the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Decode,
    Strict,
    Keys,
}

struct Decoder<'l> {
    limits: &'l Limits,
    mode: Mode,
    frames: Vec<Frame>,
    root: Value,
    /// None while the node is still open.
    anchors: HashMap<Vec<u8>, Option<Anchored>>,
    decodes: u64,
    alias_decodes: u64,
    expanded: usize,
    not_finite: bool,
    duplicates: Vec<String>,
    /// The values of keys that can be no text, and where they stand; some may be overwritten yet.
    unsupported: Vec<(Value, Mark)>,
    error: Option<(Step, Error)>,
    /// Whether the error is that of an item of a merged list: one of a later item wins.
    yields: bool,
}

impl<'l> Decoder<'l> {
    fn new(limits: &'l Limits, mode: Mode) -> Self {
        Self {
            limits,
            mode,
            frames: Vec::new(),
            root: Value::Nil,
            anchors: HashMap::new(),
            decodes: 1,
            alias_decodes: 0,
            expanded: 0,
            not_finite: false,
            duplicates: Vec::new(),
            unsupported: Vec::new(),
            error: None,
            yields: false,
        }
    }

    fn note(&mut self, step: Step, message: &str, mark: Mark) {
        let yields = self.yields && step == Step::Decode;
        if yields || self.error.as_ref().is_none_or(|(known, _)| step < *known) {
            self.yields = false;
            self.error = Some((step, Error::yaml(message, mark.line, mark.column)));
        }
    }

    fn finish(mut self) -> Result<Value, Error> {
        if !self.duplicates.is_empty() {
            let message = format!("yaml: unmarshal errors:\n  {}", self.duplicates.join("\n  "));
            self.note(Step::Strict, &message, Mark::default());
        }
        if self.mode.keys == KeyForm::Typed
            && let Some((key, value)) = not_a_text(&self.root)
        {
            let noted = self.unsupported.iter().find(|(known, _)| same(known, &value)).or(self.unsupported.first());
            let mark = noted.map_or_else(Mark::default, |(_, mark)| *mark);
            self.note(Step::Keys, &unsupported(&key, &value), mark);
        }
        if let Some((_, error)) = self.error {
            return Err(error);
        }
        if self.not_finite
            && let Some(float) = find_not_finite(&self.root)
        {
            let shown = if float.is_nan() {
                "NaN"
            } else if float > 0.0 {
                "+Inf"
            } else {
                "-Inf"
            };
            return Err(Error::yaml(format!("json: unsupported value: {shown}"), 0, 0));
        }
        Ok(self.root)
    }

    fn has_failed(&self) -> bool {
        matches!(self.error, Some((Step::Decode, _)))
    }

    fn open(&mut self, properties: Option<&Properties<'_>>, items: Items, mark: Mark) {
        self.decodes += 1;
        self.begin(if matches!(items, Items::Map(_)) { Shape::Map } else { Shape::List }, mark);
        let anchor = properties.and_then(|p| p.anchor).map(<[u8]>::to_vec);
        if let Some(name) = &anchor {
            self.anchors.insert(name.clone(), None);
        }
        let duplicates = self.duplicates.len();
        let failed = self.has_failed() && !self.yields;
        self.frames.push(Frame { items, anchor, decodes: 1, height: 1, mark, keys: Vec::new(), duplicates, failed });
    }

    fn close(&mut self) {
        if let Some(Merged::Item) = self.merges() {
            self.yields = false;
        }
        let Some(frame) = self.frames.pop() else { return };
        let mut keys = frame.keys;
        let value = match frame.items {
            Items::List(items) => Value::List(List::new(items)),
            Items::Map(map) => {
                if self.mode.strict {
                    keys = vec![map.strict.map(|strict| strict.in_order).unwrap_or_default().into()];
                }
                Value::Map(Map::of(MapKind::Any, map.entries))
            }
        };
        if let Some(name) = frame.anchor {
            let anchored = Anchored {
                value: value.clone(),
                scalar: None,
                decodes: frame.decodes,
                height: frame.height,
                keys: keys.clone(),
                duplicates: self.duplicates[frame.duplicates..].to_vec(),
            };
            self.anchors.insert(name, Some(anchored));
        }
        self.put(Node {
            value,
            scalar: None,
            is_alias: false,
            decodes: frame.decodes,
            height: frame.height,
            mark: frame.mark,
            keys,
        });
    }

    fn alias(&mut self, name: &[u8], mark: Mark) -> Result<(), Error> {
        let shown = String::from_utf8_lossy(name);
        let Some(anchored) = self.anchors.get(name) else {
            return Err(Error::yaml(format!("yaml: unknown anchor '{shown}' referenced"), mark.line, mark.column));
        };
        let mut node =
            Node { value: Value::Nil, scalar: None, is_alias: true, decodes: 1, height: 0, mark, keys: Vec::new() };
        let Some(anchored) = anchored else {
            self.note(Step::Decode, &format!("yaml: anchor '{shown}' value contains itself"), mark);
            self.put(node);
            return Ok(());
        };
        let is_map = matches!(anchored.value, Value::Map(_));
        let in_list = matches!(self.frames.last(), Some(Frame { items: Items::List(_), .. }));
        if in_list && self.merges().is_some() {
            self.begin(if is_map { Shape::Map } else { Shape::Scalar }, mark);
        }
        let failed = self.has_failed();
        let Some(Some(anchored)) = self.anchors.get(name) else { return Ok(()) };
        self.decodes = self.decodes.saturating_add(1 + anchored.decodes);
        self.alias_decodes = self.alias_decodes.saturating_add(anchored.decodes);
        self.expanded = self.expanded.saturating_add(usize::try_from(anchored.decodes).unwrap_or(usize::MAX));
        node.decodes = anchored.decodes.saturating_add(1);
        node.height = anchored.height;
        node.scalar = anchored.scalar;
        if is_excessive(self.alias_decodes, self.decodes) || self.expanded > self.limits.aliases {
            self.note(Step::Decode, "yaml: document contains excessive aliasing", mark);
        } else if self.frames.len() + anchored.height > self.limits.depth {
            let message = format!("yaml: exceeded max depth of {}", self.limits.depth);
            self.note(Step::Decode, &message, mark);
        } else if !failed {
            node.value = copy(&anchored.value);
            node.keys.clone_from(&anchored.keys);
            self.duplicates.extend_from_slice(&anchored.duplicates);
        }
        self.put(node);
        Ok(())
    }

    fn scalar(&mut self, properties: Option<&Properties<'_>>, text: &[u8], style: Style, mark: Mark) {
        self.decodes += 1;
        let tag = properties.and_then(|p| p.tag.as_deref());
        let is_merge = text == b"<<"
            && tag.map_or(style == Style::Plain, |tag| tag == b"tag:yaml.org,2002:merge")
            && self.awaits_key();
        self.begin(Shape::Scalar, mark);
        let (scalar, text) = match tag {
            None if style == Style::Plain && self.mode.words => (resolve::v2(text, true), Cow::Borrowed(text)),
            None if style == Style::Plain => (resolve::v3(text), Cow::Borrowed(text)),
            None => (Scalar::Str, Cow::Borrowed(text)),
            Some(tag) => self.tagged(tag, text, mark),
        };
        let value = match scalar {
            Scalar::Null => Value::Nil,
            Scalar::Bool(b) => Value::Bool(b),
            Scalar::Int(n) if self.mode.numbers == Numbers::Exact => Value::Int64(n),
            Scalar::Uint(n) if self.mode.numbers == Numbers::Exact => Value::Uint64(n),
            #[allow(clippy::cast_precision_loss)] // that is what JSON in Go does
            Scalar::Int(n) => Value::Float64(n as f64),
            #[allow(clippy::cast_precision_loss)]
            Scalar::Uint(n) => Value::Float64(n as f64),
            Scalar::Float(n) => {
                self.not_finite |= !n.is_finite();
                Value::Float64(n)
            }
            Scalar::Timestamp | Scalar::Str => Value::String(Str::from(&*text)),
        };
        if let Some(name) = properties.and_then(|p| p.anchor) {
            let anchored = Anchored {
                value: value.clone(),
                scalar: Some(scalar),
                decodes: 1,
                height: 0,
                keys: Vec::new(),
                duplicates: Vec::new(),
            };
            self.anchors.insert(name.to_vec(), Some(anchored));
        }
        if is_merge {
            self.decodes -= 1;
            if let Some(Frame { items: Items::Map(map), .. }) = self.frames.last_mut() {
                map.key = Some(Key::Merge);
            }
            return;
        }
        self.put(Node { value, scalar: Some(scalar), is_alias: false, decodes: 1, height: 0, mark, keys: Vec::new() });
    }

    /// Whether what comes next is merged as it is, or as an item of a list.
    fn merges(&self) -> Option<Merged> {
        let merges = |frame: &Frame| matches!(&frame.items, Items::Map(map) if matches!(map.key, Some(Key::Merge)));
        match &self.frames[..] {
            [.., outer, Frame { items: Items::List(_), .. }] => merges(outer).then_some(Merged::Item),
            [.., frame] => merges(frame).then_some(Merged::Whole),
            [] => None,
        }
    }

    /// A node begins. What is merged must be a map or a list of maps, whatever else is wrong with it; and of a list
    /// go-yaml takes the last item first, so that its fault is the one that is told.
    fn begin(&mut self, shape: Shape, mark: Mark) {
        let fits = match self.merges() {
            None => return,
            Some(Merged::Whole) => shape != Shape::Scalar,
            Some(Merged::Item) => {
                self.yields = self.has_failed() && self.frames.last().is_some_and(|list| !list.failed);
                shape == Shape::Map
            }
        };
        if !fits {
            self.note(Step::Decode, NO_MAP, mark);
        }
    }

    fn awaits_key(&self) -> bool {
        matches!(self.frames.last(), Some(Frame { items: Items::Map(map), .. }) if map.key.is_none())
    }

    /// What a scalar with a tag means. Tags of unknown types say nothing but "text".
    fn tagged<'t>(&mut self, tag: &[u8], text: &'t [u8], mark: Mark) -> (Scalar, Cow<'t, [u8]>) {
        let found = |timestamps| resolve::v2(text, timestamps);
        let wanted = match tag.strip_prefix(b"tag:yaml.org,2002:") {
            Some(b"binary") => {
                let Ok(bytes) = base64_decode(text) else {
                    self.note(Step::Decode, "yaml: !!binary value contains invalid base64 data", mark);
                    return (Scalar::Str, Cow::Borrowed(b""));
                };
                return (Scalar::Str, Cow::Owned(go_utf8(&bytes).into_owned()));
            }
            Some(b"bool") => "!!bool",
            Some(b"int") => "!!int",
            Some(b"float") => "!!float",
            Some(b"null") => "!!null",
            Some(b"timestamp") => "!!timestamp",
            _ => return (Scalar::Str, Cow::Borrowed(text)),
        };
        let scalar = found(wanted == "!!timestamp");
        let scalar = match scalar {
            #[allow(clippy::cast_precision_loss)]
            Scalar::Int(n) if wanted == "!!float" => Scalar::Float(n as f64),
            #[allow(clippy::cast_precision_loss)]
            Scalar::Uint(n) if wanted == "!!float" => Scalar::Float(n as f64),
            other => other,
        };
        if scalar.tag() != wanted {
            let shown = String::from_utf8_lossy(text);
            let message = format!("yaml: cannot decode {} `{shown}` as a {wanted}", scalar.tag());
            self.note(Step::Decode, &message, mark);
        }
        (scalar, Cow::Borrowed(text))
    }

    /// Puts a finished node where it belongs.
    fn put(&mut self, node: Node) {
        let Some(frame) = self.frames.last_mut() else {
            self.root = node.value;
            return;
        };
        frame.decodes = frame.decodes.saturating_add(node.decodes);
        frame.height = frame.height.max(node.height + 1);
        match &mut frame.items {
            Items::List(items) => {
                items.push(node.value);
                frame.keys.extend(node.keys.into_iter().next());
            }
            Items::Map(map) => match map.key.take() {
                None => {
                    let key = self.key(&node);
                    if let Some(Frame { items: Items::Map(map), .. }) = self.frames.last_mut() {
                        map.key = Some(key);
                    }
                }
                Some(Key::Text(key, shown)) => {
                    if self.mode.strict {
                        map.strict.get_or_insert_default().add(&shown, node.mark.line + 1, &mut self.duplicates);
                    }
                    map.entries.push((key, node.value));
                }
                Some(Key::Unsupported(rank, shown)) => {
                    if self.mode.strict {
                        map.strict.get_or_insert_default().add(&shown, node.mark.line + 1, &mut self.duplicates);
                    }
                    match self.mode.keys {
                        KeyForm::Text => self.note(Step::Keys, "unsupported map key", node.mark),
                        KeyForm::Typed => {
                            let key = typed_key(rank, shown.as_bytes());
                            self.unsupported.push((node.value.clone(), node.mark));
                            map.entries.push((key, node.value));
                        }
                        KeyForm::Overwritten => {}
                    }
                }
                Some(Key::Merge) => self.merge(&node),
                Some(Key::Bad) => {}
            },
        }
    }

    fn key(&mut self, node: &Node) -> Key {
        let text: Str = match (node.scalar, &node.value) {
            (_, Value::Map(_) | Value::List(_)) => {
                let message = format!("yaml: invalid map key: {}", shown_value(&node.value, self.mode));
                self.note(Step::Decode, &message, node.mark);
                return Key::Bad;
            }
            (_, Value::String(text)) => {
                let shown = if self.mode.strict { quote(text) } else { String::new() };
                let key = if self.mode.keys == KeyForm::Typed { typed_key(Rank::Text, text) } else { text.clone() };
                return Key::Text(key, shown);
            }
            (Some(Scalar::Bool(b)), _) => if b { "true" } else { "false" }.into(),
            (Some(Scalar::Int(n)), _) => n.to_string().into(),
            (Some(Scalar::Uint(n)), _) => return Key::Unsupported(Rank::Uint, format!("{n:#x}")),
            (Some(Scalar::Float(n)), _) => match general_32(n).as_str() {
                "+Inf" => ".inf".into(),
                "-Inf" => "-.inf".into(),
                "NaN" => ".nan".into(),
                text => text.into(),
            },
            _ if node.is_alias && node.scalar.is_none() => return Key::Bad,
            _ => return Key::Unsupported(Rank::Nil, "<nil>".to_owned()),
        };
        let shown = if self.mode.strict { text.to_string() } else { String::new() };
        let rank = match node.scalar {
            _ if self.mode.keys != KeyForm::Typed => return Key::Text(text, shown),
            Some(Scalar::Bool(_)) => Rank::Bool,
            Some(Scalar::Int(_)) => Rank::Int,
            _ => Rank::Float,
        };
        Key::Text(typed_key(rank, go_syntax(&node.value).as_bytes()), shown)
    }

    /// `<<`: what is merged overwrites what stands before it, and is overwritten by what comes after.
    fn merge(&mut self, node: &Node) {
        let maps: Vec<Map> = match &node.value {
            Value::Map(map) => vec![map.clone()],
            Value::List(list) if !node.is_alias && list.items().iter().all(|item| item.as_map().is_some()) => {
                // Only the list's items are decoded, and the first of them has the last word.
                self.decodes -= 1;
                list.items().iter().rev().filter_map(Value::as_map).cloned().collect()
            }
            _ => {
                self.note(Step::Decode, NO_MAP, node.mark);
                return;
            }
        };
        let Some(Frame { items: Items::Map(items), .. }) = self.frames.last_mut() else { return };
        for map in maps {
            items.entries.extend(map.snapshot());
        }
        for (shown, line) in node.keys.iter().rev().flat_map(|keys| keys.iter()) {
            items.strict.get_or_insert_default().add(shown, *line, &mut self.duplicates);
        }
    }
}

fn shown_value(value: &Value, mode: Mode) -> String {
    if mode.keys == KeyForm::Typed { go_syntax(value) } else { String::new() }
}

/// go-yaml's guard against documents that consist of aliases to aliases.
fn is_excessive(alias_decodes: u64, decodes: u64) -> bool {
    const LOW: f64 = 400_000.0;
    const HIGH: f64 = 4_000_000.0;
    #[allow(clippy::cast_precision_loss)]
    let (aliased, all) = (alias_decodes as f64, decodes as f64);
    let allowed = match all {
        _ if all <= LOW => 0.99,
        _ if all >= HIGH => 0.10,
        _ => 0.99 - 0.89 * (all - LOW) / (HIGH - LOW),
    };
    alias_decodes > 100 && decodes > 1000 && aliased / all > allowed
}

/// A copy that shares no map and no list with the original: an alias is a value of its own.
fn copy(value: &Value) -> Value {
    match value {
        Value::List(list) => {
            let mut items = Vec::with_capacity(list.len());
            for item in list.items().iter() {
                items.push(copy(item));
            }
            Value::List(List::new(items))
        }
        Value::Map(map) => {
            let mut entries = Vec::with_capacity(map.len());
            for (key, item) in map.entries().iter() {
                entries.push((key.clone(), copy(item)));
            }
            Value::Map(Map::of(MapKind::Any, entries))
        }
        other => other.clone(),
    }
}

/// Whether both are the same in memory, or the same to look at.
fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Map(a), Value::Map(b)) => a.same(b),
        (Value::List(a), Value::List(b)) => a.same(b),
        (Value::String(a), Value::String(b)) => a == b,
        (Value::Map(_) | Value::List(_) | Value::String(_), _)
        | (_, Value::Map(_) | Value::List(_) | Value::String(_)) => false,
        _ => go_syntax(a) == go_syntax(b),
    }
}

fn find_not_finite(value: &Value) -> Option<f64> {
    match value {
        Value::Float64(float) => (!float.is_finite()).then_some(*float),
        Value::List(list) => list.items().iter().find_map(find_not_finite),
        Value::Map(map) => map.entries().iter().find_map(|(_, item)| find_not_finite(item)),
        _ => None,
    }
}

fn base64_decode(text: &[u8]) -> Result<Vec<u8>, base64::DecodeError> {
    const GO: GeneralPurpose =
        GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true));
    let text: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect();
    GO.decode(text)
}

/// Bytes as encoding/json writes them: each byte that is no UTF-8 becomes U+FFFD.
pub(crate) fn go_utf8(bytes: &[u8]) -> Cow<'_, [u8]> {
    if std::str::from_utf8(bytes).is_ok() {
        return Cow::Borrowed(bytes);
    }
    let mut out = Vec::with_capacity(bytes.len() + 8);
    for chunk in bytes.utf8_chunks() {
        out.extend_from_slice(chunk.valid().as_bytes());
        out.extend("\u{FFFD}".bytes().cycle().take(3 * chunk.invalid().len()));
    }
    Cow::Owned(out)
}

/// Format `g` of the nearest 32-bit float.
#[allow(clippy::cast_possible_truncation)]
fn general_32(float: f64) -> String {
    let mut text = Vec::with_capacity(16);
    append_float32(&mut text, float as f32, b'g', None);
    String::from_utf8(text).unwrap_or_default()
}

#[cfg(test)]
mod tests;
