//! Reads a schema's file into rules, in one pass; what references mean is found afterwards.

use super::{ARRAY, At, Bound, EXACT, LARGEST_PROGRAM, OBJECT, Rule, Rules, STRING, TYPES};
use pintle_golib::{regexp::Regex, url};
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::{borrow::Cow, collections::HashMap, fmt, sync::Arc};

/// Schemas in one file, those that references mean counted again.
const MAX_NODES: usize = 1 << 20;
/// Schemas with identifiers in one file.
const MAX_BASES: usize = 100;

impl Rules {
    /// The rules of a schema; nothing if it is no JSON, or too much.
    pub(in super::super) fn read(text: &[u8]) -> Option<Self> {
        let mut reader = Reader { rules: Self { certain: true, ..Self::default() }, ..Reader::default() };
        let mut json = serde_json::Deserializer::from_slice(text);
        let root = Schemas { reader: &mut reader, shape: Shape::Root }.deserialize(&mut json).ok()?;
        json.end().ok()?;
        reader.rules.certain &= matches!(root, Part::One(_));
        reader.follow(text)
    }
}

/// What is known while a schema is read.
#[derive(Default)]
struct Reader {
    rules: Rules,
    /// Up to draft 7 nothing counts that stands beside a reference.
    alone: bool,
    patterns: HashMap<Box<str>, Option<Arc<Regex>>>,
    /// Where in the file the reader is, as a JSON pointer.
    path: String,
    /// Schemas with an identifier of their own, from which references may start, and where they are.
    bases: Vec<(At, String)>,
    /// Schemas that have an anchor.
    anchors: Vec<At>,
}

/// What may stand where a schema is expected.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    /// The file itself.
    Root,
    /// A schema.
    One,
    /// A list of at least one schema.
    List,
    /// A table of schemas.
    Table,
}

/// What stood there.
enum Part {
    One(At),
    List(Vec<At>),
    Table(Vec<(Box<str>, At)>),
    /// A text.
    Text,
    /// Something else.
    Odd,
}

impl Part {
    fn all(self) -> Vec<At> {
        match self {
            Self::One(at) => vec![at],
            Self::List(all) => all,
            Self::Table(all) => all.into_iter().map(|(_, at)| at).collect(),
            Self::Text | Self::Odd => Vec::new(),
        }
    }
}

/// Reads schemas wherever a schema may have them.
struct Schemas<'r> {
    reader: &'r mut Reader,
    shape: Shape,
}

impl<'de> DeserializeSeed<'de> for Schemas<'_> {
    type Value = Part;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Part, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Schemas<'_> {
    type Value = Part;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a schema")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Part, E> {
        let rules = if value { Vec::new() } else { vec![Rule::Never] };
        Ok(Part::One(self.reader.node(rules)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Part, A::Error> {
        if self.shape != Shape::Table {
            return self.reader.schema(map, self.shape == Shape::Root);
        }
        let mut found: Vec<(Box<str>, At)> = Vec::new();
        while let Some(Name(name)) = map.next_key()? {
            self.reader.plain_text(&name);
            let reader = &mut *self.reader;
            match reader.below(&name, |reader| map.next_value_seed(Schemas { reader, shape: Shape::One }))? {
                Part::One(at) => found.push((name.as_ref().into(), at)),
                // A list of names in `dependencies`, or of schemas where they do not belong.
                odd => {
                    self.reader.rules.certain = false;
                    found.extend(odd.all().into_iter().map(|at| (name.as_ref().into(), at)));
                }
            }
        }
        found.sort_by(|a, b| a.0.cmp(&b.0));
        if found.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            self.reader.rules.certain = false;
        }
        Ok(Part::Table(found))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Part, A::Error> {
        let mut found = Vec::new();
        for at in 0.. {
            let reader = &mut *self.reader;
            let next =
                reader.below(&at.to_string(), |reader| seq.next_element_seed(Schemas { reader, shape: Shape::One }))?;
            let Some(part) = next else { break };
            if !matches!(part, Part::One(_)) {
                self.reader.rules.certain = false;
            }
            found.extend(part.all());
        }
        Ok(Part::List(found))
    }

    fn visit_str<E>(self, _: &str) -> Result<Part, E> {
        Ok(Part::Text)
    }

    fn visit_unit<E>(self) -> Result<Part, E> {
        Ok(Part::Odd)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Part, E> {
        Ok(Part::Odd)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Part, E> {
        Ok(Part::Odd)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Part, E> {
        Ok(Part::Odd)
    }
}

/// A name, borrowed from the file where it is written without escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl Reader {
    fn node(&mut self, rules: Vec<Rule>) -> At {
        self.rules.nodes.push(rules.into());
        self.rules.nodes.len() - 1
    }

    /// Reads what is under a name.
    fn below<T>(&mut self, name: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = self.path.len();
        self.path.push('/');
        if name.contains(['~', '/']) {
            self.path.push_str(&name.replace('~', "~0").replace('/', "~1"));
        } else {
            self.path.push_str(name);
        }
        let read = read(self);
        self.path.truncate(before);
        read
    }

    /// A regular expression's program, as Go has it. What is none is left to the library, and counts as much as the largest
    /// that the library makes.
    fn pattern(&mut self, text: &str) -> Option<Arc<Regex>> {
        if !self.rules.patterns_are_small() {
            return None;
        }
        let known = self.patterns.entry(text.into());
        let program = known.or_insert_with(|| Regex::compile(text.as_bytes()).ok().map(Arc::new)).clone();
        let memory = program.as_ref().map_or(LARGEST_PROGRAM, |program| program.memory());
        self.rules.programs = self.rules.programs.saturating_add(memory);
        self.rules.certain &= program.is_some();
        program
    }

    /// The library takes values as text, in which what is no UTF-8 becomes this character.
    fn plain_text(&mut self, text: &str) {
        if text.contains(char::REPLACEMENT_CHARACTER) {
            self.rules.certain = false;
        }
    }

    fn schema<'de, A: MapAccess<'de>>(&mut self, map: A, root: bool) -> Result<Part, A::Error> {
        // The place is taken before those of its subschemas, so that the outermost is the first.
        let at = self.node(Vec::new());
        let mut keywords = Keywords::default();
        keywords.read(self, map, root)?;
        if keywords.base {
            self.bases.push((at, self.path.clone()));
        }
        if keywords.anchor {
            self.anchors.push(at);
        }
        self.rules.nodes[at] = keywords.rules().into();
        Ok(Part::One(at))
    }

    /// Finds what references mean: places in the file, wherever they are. Nothing if there are too many.
    fn follow(mut self, text: &[u8]) -> Option<Rules> {
        let mut bases: Vec<(At, String)> = vec![(0, String::new())];
        bases.append(&mut self.bases);
        if bases.len() > MAX_BASES {
            return None;
        }
        let mut known = HashMap::new();
        let mut json: Option<Value> = None;
        let mut at = 0;
        while at < self.rules.nodes.len() {
            let is_reference = |rule: &Rule| matches!(rule, Rule::Reference(_));
            if self.alone && self.rules.nodes[at].iter().any(is_reference) {
                let rules = std::mem::take(&mut self.rules.nodes[at]);
                self.rules.nodes[at] = rules.into_iter().filter(is_reference).collect();
            }
            for rule in 0..self.rules.nodes[at].len() {
                let Rule::Reference(to) = &self.rules.nodes[at][rule] else { continue };
                let to = to.clone();
                let (_, fragment) = to.split_once('#').unwrap_or((&to, ""));
                let mut places = Vec::new();
                if fragment.is_empty() {
                    places.extend(bases.iter().map(|(at, _)| *at));
                } else if fragment.starts_with('/') {
                    let json = json.get_or_insert_with(|| serde_json::from_slice(text).unwrap_or_default());
                    let fragment = url::path_unescape(fragment.as_bytes()).unwrap_or_default();
                    let fragment = String::from_utf8_lossy(&fragment);
                    for (_, base) in &bases {
                        let pointer = format!("{base}{fragment}");
                        if let Some(at) = self.place(pointer, json, &mut known) {
                            places.push(at);
                        }
                    }
                } else {
                    places.clone_from(&self.anchors);
                }
                if self.rules.nodes.len() > MAX_NODES || places.len() > MAX_NODES {
                    return None;
                }
                // Of several it may be any; without one it comes to nothing, or to an error of the library.
                let sure = bases.len() == 1 && places.len() == 1 && to.starts_with('#');
                self.rules.certain &= sure;
                let places = places.into();
                self.rules.nodes[at][rule] =
                    if sure { Rule::AllOf(places) } else { Rule::Opaque { here: places, within: [].into() } };
            }
            at += 1;
        }
        Some(self.rules)
    }

    /// The schema at a place in the file, which is read (once more) if no reference led there before.
    fn place(&mut self, pointer: String, json: &Value, known: &mut HashMap<String, Option<At>>) -> Option<At> {
        if let Some(at) = known.get(&pointer) {
            return *at;
        }
        let shape = Shape::One;
        self.path.clone_from(&pointer);
        let at = match json.pointer(&pointer).map(|json| Schemas { reader: self, shape }.deserialize(json)) {
            Some(Ok(Part::One(at))) => Some(at),
            _ => None,
        };
        known.insert(pointer, at);
        at
    }
}

/// The keywords of one schema.
#[derive(Default)]
struct Keywords {
    rules: Vec<Rule>,
    seen: Vec<Box<str>>,
    /// It has an identifier, or an anchor, that references may name.
    base: bool,
    anchor: bool,
    named: Option<Vec<(Box<str>, At)>>,
    patterns: Vec<(Arc<Regex>, At)>,
    others: Option<At>,
    test: Option<At>,
    then: Option<At>,
    otherwise: Option<At>,
}

impl Keywords {
    fn read<'de, A: MapAccess<'de>>(&mut self, reader: &mut Reader, mut map: A, root: bool) -> Result<(), A::Error> {
        while let Some(Name(keyword)) = map.next_key()? {
            let known = reader.below(&keyword, |reader| self.one(&keyword, reader, &mut map, root))?;
            if known {
                if self.seen.iter().any(|seen| **seen == *keyword) {
                    reader.rules.certain = false;
                }
                self.seen.push(keyword.into());
            }
        }
        Ok(())
    }

    /// Reads a keyword's value; whether it is one that some draft knows.
    fn one<'de, A: MapAccess<'de>>(
        &mut self,
        keyword: &str,
        reader: &mut Reader,
        map: &mut A,
        root: bool,
    ) -> Result<bool, A::Error> {
        let understood = match keyword {
            "properties" | "$defs" | "definitions" => {
                match map.next_value_seed(Schemas { reader, shape: Shape::Table })? {
                    Part::Table(named) => {
                        if keyword == "properties" {
                            self.named = Some(named);
                        }
                        true
                    }
                    _ => false,
                }
            }
            "additionalProperties" | "items" | "not" | "if" | "then" | "else" => {
                match map.next_value_seed(Schemas { reader, shape: Shape::One })? {
                    Part::One(at) => {
                        match keyword {
                            "additionalProperties" => self.others = Some(at),
                            "items" => self.rules.push(Rule::Items(at)),
                            "not" => self.rules.push(Rule::Not(at)),
                            "if" => self.test = Some(at),
                            "then" => self.then = Some(at),
                            _ => self.otherwise = Some(at),
                        }
                        true
                    }
                    odd => {
                        self.rules.push(Rule::Opaque { here: [].into(), within: odd.all().into() });
                        false
                    }
                }
            }
            "allOf" | "anyOf" | "oneOf" => match map.next_value_seed(Schemas { reader, shape: Shape::List })? {
                Part::List(all) if !all.is_empty() => {
                    self.rules.push(match keyword {
                        "allOf" => Rule::AllOf(all.into()),
                        "anyOf" => Rule::AnyOf(all.into()),
                        _ => Rule::OneOf(all.into()),
                    });
                    true
                }
                _ => false,
            },
            "dependentSchemas" | "dependencies" => {
                let here = map.next_value_seed(Schemas { reader, shape: Shape::Table })?.all().into();
                self.rules.push(Rule::Opaque { here, within: [].into() });
                false
            }
            "patternProperties" => match map.next_value_seed(Schemas { reader: &mut *reader, shape: Shape::Table })? {
                Part::Table(named) => {
                    for (pattern, at) in named {
                        match reader.pattern(&pattern) {
                            Some(pattern) => self.patterns.push((pattern, at)),
                            None => self.rules.push(Rule::Opaque { here: [].into(), within: [at].into() }),
                        }
                    }
                    true
                }
                _ => false,
            },
            "additionalItems"
            | "prefixItems"
            | "unevaluatedItems"
            | "unevaluatedProperties"
            | "contains"
            | "propertyNames"
            | "contentSchema" => {
                let within = map.next_value_seed(Schemas { reader, shape: Shape::List })?.all().into();
                self.rules.push(Rule::Opaque { here: [].into(), within });
                false
            }
            "title" | "description" | "$comment" => {
                matches!(map.next_value_seed(Schemas { reader, shape: Shape::One })?, Part::Text)
            }
            "default" => {
                map.next_value::<IgnoredAny>()?;
                true
            }
            "$schema" | "$ref" | "$dynamicRef" | "$recursiveRef" | "type" | "enum" | "required" | "minimum"
            | "maximum" | "exclusiveMinimum" | "exclusiveMaximum" | "minLength" | "maxLength" | "minItems"
            | "maxItems" | "minProperties" | "maxProperties" | "examples" | "readOnly" | "writeOnly" | "deprecated" => {
                self.value(keyword, &map.next_value()?, reader, root)
            }
            "$id" | "id" | "$anchor" | "$dynamicAnchor" | "$recursiveAnchor" => {
                map.next_value::<IgnoredAny>()?;
                // Up to draft 7 an anchor is an identifier that begins with `#`.
                self.anchor = true;
                self.base |= keyword.ends_with("id");
                false
            }
            "pattern" => match map.next_value()? {
                Value::String(pattern) => {
                    self.rules.extend(reader.pattern(&pattern).map(Rule::Pattern));
                    true
                }
                _ => false,
            },
            "const" | "format" | "multipleOf" | "uniqueItems" | "minContains" | "maxContains" | "dependentRequired"
            | "contentEncoding" | "contentMediaType" | "$vocabulary" => {
                map.next_value::<IgnoredAny>()?;
                false
            }
            // What no draft knows means nothing.
            _ => {
                map.next_value::<IgnoredAny>()?;
                reader.rules.certain &= !keyword.starts_with('$');
                return Ok(false);
            }
        };
        reader.rules.certain &= understood;
        Ok(true)
    }

    /// A keyword whose value is no schema; whether it is as it should be.
    fn value(&mut self, keyword: &str, value: &Value, reader: &mut Reader, root: bool) -> bool {
        let rule = match (keyword, value) {
            ("$schema", Value::String(name)) => {
                let name = name.strip_suffix('#').unwrap_or(name);
                let name = name.strip_prefix("https://").or_else(|| name.strip_prefix("http://"));
                reader.alone |= root && name == Some("json-schema.org/draft-07/schema");
                let known = [
                    "json-schema.org/schema",
                    "json-schema.org/draft-07/schema",
                    "json-schema.org/draft/2019-09/schema",
                    "json-schema.org/draft/2020-12/schema",
                ];
                return root && name.is_some_and(|name| known.contains(&name));
            }
            ("$ref" | "$dynamicRef" | "$recursiveRef", Value::String(to)) => {
                self.rules.push(Rule::Reference(to.as_str().into()));
                return keyword == "$ref" && to.bytes().all(|b| b.is_ascii_alphanumeric() || b"#/$._-".contains(&b));
            }
            ("type", Value::String(name)) => match bit(name) {
                Some(bit) => Rule::Type(bit),
                None => return false,
            },
            ("type", Value::Array(names)) => {
                let mut all = 0;
                for name in names {
                    match name.as_str().and_then(bit) {
                        Some(bit) if all & bit == 0 => all |= bit,
                        _ => return false,
                    }
                }
                if all == 0 {
                    return false;
                }
                Rule::Type(all)
            }
            ("enum", Value::Array(wanted)) => {
                let simple = |value: &Value| match value {
                    Value::Number(n) => n.as_f64().is_some_and(|n| n.fract() == 0.0 && n.abs() < EXACT),
                    Value::String(text) => !text.contains(char::REPLACEMENT_CHARACTER),
                    Value::Array(_) | Value::Object(_) => false,
                    _ => true,
                };
                // One number can be written in two ways.
                let same = |a: &Value, b: &Value| a == b || a.as_f64().is_some_and(|n| Some(n) == b.as_f64());
                let twice = (1..wanted.len()).any(|at| wanted[..at].iter().any(|other| same(other, &wanted[at])));
                let understood = !wanted.is_empty() && wanted.len() < 1000 && !twice && wanted.iter().all(simple);
                self.rules.push(Rule::Enum(wanted.clone().into()));
                return understood;
            }
            ("required", Value::Array(names)) => {
                let mut texts: Vec<Box<str>> = names.iter().filter_map(|n| n.as_str().map(Box::from)).collect();
                texts.iter().for_each(|text| reader.plain_text(text));
                texts.sort();
                texts.dedup();
                if texts.len() < names.len() {
                    return false;
                }
                Rule::Required(texts.into())
            }
            ("minimum" | "maximum" | "exclusiveMinimum" | "exclusiveMaximum", Value::Number(n)) => {
                let bound = match keyword {
                    "minimum" => Bound::Least,
                    "maximum" => Bound::Most,
                    "exclusiveMinimum" => Bound::Above,
                    _ => Bound::Below,
                };
                match n.as_f64().filter(|n| n.abs() < EXACT) {
                    Some(limit) => Rule::Number(bound, limit),
                    None => return false,
                }
            }
            (
                "minLength" | "maxLength" | "minItems" | "maxItems" | "minProperties" | "maxProperties",
                Value::Number(n),
            ) => {
                let bound = if keyword.starts_with("min") { Bound::Least } else { Bound::Most };
                let of = match &keyword[3..] {
                    "Length" => STRING,
                    "Items" => ARRAY,
                    _ => OBJECT,
                };
                match n.as_u64() {
                    Some(limit) => Rule::Size(of, bound, limit),
                    None => return false,
                }
            }
            ("examples", Value::Array(_)) | ("readOnly" | "writeOnly" | "deprecated", Value::Bool(_)) => return true,
            _ => return false,
        };
        self.rules.push(rule);
        true
    }

    fn rules(mut self) -> Vec<Rule> {
        if self.named.is_some() || self.others.is_some() || !self.patterns.is_empty() {
            let named = self.named.take().unwrap_or_default().into();
            self.rules.push(Rule::Members { named, patterns: self.patterns.into(), others: self.others });
        }
        if let Some(test) = self.test {
            self.rules.push(Rule::If { test, then: self.then, otherwise: self.otherwise });
        }
        self.rules
    }
}

fn bit(name: &str) -> Option<u8> {
    TYPES.iter().position(|known| *known == name).map(|at| 1 << at)
}
