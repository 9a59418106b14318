//! The rules beside the library: they may leave a question to it, but never answer otherwise.

#![allow(clippy::unwrap_used)]

use super::Rules;
use crate::chance::Chance;
use crate::chart::{Frozen, schema};
use serde_json::{Value, json};
use std::sync::Arc;

/// Whether the library takes the values.
fn library(schema: &Value, values: &Value) -> Result<bool, String> {
    let mut compiler = boon::Compiler::new();
    compiler.add_resource("file:///s.json", schema.clone()).map_err(|e| e.to_string())?;
    let mut schemas = boon::Schemas::new();
    let index = compiler.compile("file:///s.json", &mut schemas).map_err(|e| e.to_string())?;
    Ok(schemas.validate(values, index).is_ok())
}

fn nowhere() -> Arc<schema::Fetch> {
    Arc::new(|_| Err("nothing is here".into()))
}

fn rules(schema: &Value) -> Rules {
    Rules::read(schema.to_string().as_bytes()).unwrap()
}

/// Values and schemas.
impl Chance {
    fn value(&mut self, depth: u64) -> Value {
        let simple = [
            json!(null),
            json!(true),
            json!(0),
            json!(1),
            json!(-3),
            json!(2.0),
            json!(2.5),
            json!(1e300),
            json!(""),
            json!("a"),
            json!("bä"),
            json!("long enough"),
            json!([]),
            json!({}),
        ];
        match self.below(if depth == 0 { 1 } else { 3 }) {
            0 => self.of(&simple),
            1 => (0..self.below(4)).map(|_| self.value(depth - 1)).collect(),
            _ => Value::Object(
                (0..self.below(4)).map(|_| (self.of(&["a", "b", "c", "d"]).into(), self.value(depth - 1))).collect(),
            ),
        }
    }

    fn table(&mut self, depth: u64) -> Value {
        Value::Object((0..self.below(4)).map(|_| (self.of(&["a", "b", "c"]).into(), self.schema(depth))).collect())
    }

    fn schema(&mut self, depth: u64) -> Value {
        if self.below(12) == 0 {
            return json!(self.below(4) > 0);
        }
        let mut schema = serde_json::Map::new();
        for _ in 0..=self.below(3) {
            let types = ["null", "boolean", "integer", "number", "string", "array", "object"];
            let below = depth.saturating_sub(1);
            let most = if depth == 0 { 15 } else { 28 };
            let (keyword, value) = match self.below(most) {
                0..=3 => ("type", json!(self.of(&types))),
                4 => ("type", json!([self.of(&types), self.of(&types)])),
                5 => ("required", json!([self.of(&["a", "b"]), self.of(&["b", "c"])])),
                6 => ("enum", (0..self.below(4)).map(|_| self.value(1)).collect()),
                7 => ("minimum", json!(self.of(&[-1.0, 1.0, 2.0, 2.5]))),
                8 => ("exclusiveMaximum", json!(self.of(&[0, 2, 3]))),
                9 => (self.of(&["minLength", "maxLength"]), json!(self.of(&[0, 1, 2, 5]))),
                10 => (self.of(&["minItems", "maxProperties"]), json!(self.of(&[0, 1, 2]))),
                11 => (
                    "$ref",
                    json!(self.of(&["#", "#/$defs/a", "#/definitions/b", "#/properties/a", "#/none/x", "#name"])),
                ),
                12 => (self.of(&["description", "default", "form", "const", "title"]), self.value(1)),
                13 => ("minimum", self.value(0)),
                14 => ("pattern", json!(self.of(&["^a", "b|ä$", "^.{2,}", "(?=a)"]))),
                15..=18 => ("properties", self.table(below)),
                19 => ("additionalProperties", self.schema(below)),
                20 => ("items", if self.below(5) == 0 { json!([self.schema(below)]) } else { self.schema(below) }),
                21 => (self.of(&["allOf", "anyOf", "oneOf"]), (0..self.below(4)).map(|_| self.schema(below)).collect()),
                22 => ("not", self.schema(below)),
                23 => (self.of(&["if", "then", "else"]), self.schema(below)),
                24 => (self.of(&["$defs", "definitions"]), self.table(below)),
                25 => ("patternProperties", json!({"^[ab]": self.schema(below), "c": self.schema(0)})),
                26 => (self.of(&["contains", "propertyNames", "unevaluatedProperties"]), self.schema(below)),
                _ => ("dependentSchemas", self.table(below)),
            };
            schema.insert(keyword.into(), value);
        }
        Value::Object(schema)
    }
}

#[test]
fn what_they_say_the_library_says() {
    let mut chance = Chance(7);
    let (mut accepted, mut refused, mut compiled) = (0, 0, 0);
    for round in 0..6_000 {
        let mut schema = chance.schema(3);
        let drafts = [
            "http://json-schema.org/draft-07/schema#",
            "http://json-schema.org/schema#",
            "https://json-schema.org/draft/2019-09/schema",
            "http://json-schema.org/draft-04/schema",
        ];
        if let (Value::Object(schema), true) = (&mut schema, round % 2 == 0) {
            schema.insert("$schema".into(), json!(chance.of(&drafts)));
        }
        let rules = rules(&schema);
        if !rules.are_certain() {
            continue;
        }
        compiled += 1;
        for _ in 0..8 {
            let values = chance.value(3);
            let frozen = Frozen::try_from(&values).unwrap();
            let mut left = super::MAX_COST;
            match rules.fits(0, &frozen, 0, &mut left) {
                Ok(true) => {
                    accepted += 1;
                    assert_eq!(library(&schema, &values), Ok(true), "{schema} {values}");
                    assert!(rules.are_cheap_for(&frozen));
                }
                Ok(false) => {
                    refused += 1;
                    assert_eq!(library(&schema, &values), Ok(false), "{schema} {values}");
                }
                Err(_) => {}
            }
        }
    }
    // The test means something only as long as there are many of each.
    assert!(compiled > 600 && accepted > 1_500 && refused > 1_500, "{compiled} {accepted} {refused}");
}

#[test]
fn what_only_the_library_knows_is_left_to_it() {
    for schema in [
        json!({"pattern": "(?=a)"}),
        json!({"patternProperties": {"(?=a)": {}}}),
        json!({"format": "ipv4"}),
        json!({"description": 5}),
        json!({"properties": {"a": {"$id": "x"}}}),
        json!({"$schema": "http://json-schema.org/draft-04/schema#"}),
        json!({"properties": {"a": {"$schema": "http://json-schema.org/draft-07/schema#"}}}),
        json!({"$ref": "other.json"}),
        json!({"$ref": "#/$defs/a"}),
        json!({"required": ["a", "a"]}),
        json!({"enum": [1, 1.0]}),
        json!({"enum": []}),
        json!({"minLength": -1}),
        json!({"items": [{}]}),
        json!({"anyOf": []}),
        json!({"properties": 1}),
        json!({"$defs": {"a": {"type": "text"}}}),
        json!(5),
    ] {
        assert!(!rules(&schema).are_certain(), "{schema}");
    }
    assert!(!Rules::read(br#"{"type": "object", "type": "string"}"#).unwrap().are_certain());
    assert!(Rules::read(b"{").is_none());
}

#[test]
fn beside_a_reference_nothing_counts_up_to_draft_7() {
    let schema =
        |draft: &str| json!({"$schema": draft, "$ref": "#/definitions/a", "type": "string", "definitions": {"a": {}}});
    for (draft, fits) in [("http://json-schema.org/draft-07/schema#", true), ("http://json-schema.org/schema#", false)]
    {
        let rules = rules(&schema(draft));
        assert!(rules.are_certain());
        assert_eq!(rules.accept(&Frozen::Int(1)), fits, "{draft}");
    }
}

#[test]
fn patterns_that_need_more_memory_than_anybody_has() {
    let schema = |n: usize| {
        let rules: Vec<Value> = (0..n).map(|i| json!({"pattern": format!("(\\pL{{10}}|{i}){{2}}")})).collect();
        json!({"properties": {"a": {"anyOf": rules}}, "patternProperties": {"\\pL{200}": {}}})
    };
    let compiled = |n| schema::compile(&Arc::from(schema(n).to_string().as_bytes()), &nowhere());
    assert!(compiled(2).is_ok());
    assert_eq!(compiled(1000).err().unwrap(), "patterns of the schema take more than 67108864 bytes");
}

/// Schemas of which each leads to the next twice: the values are one, the checks 2 to the power of 40.
#[test]
fn schemas_that_cost_more_than_anybody_has() {
    let defs = |reference: &str, at: usize| -> Value {
        (0..=40)
            .map(|level| {
                let next = json!({"$ref": reference.replace("NEXT", &format!("d{}", level + 1))});
                let last = json!({"type": "integer", "format": "ipv4"});
                (format!("d{level}"), if level == 40 { last } else { json!({"allOf": [next.clone(), next]}) })
            })
            .skip(at)
            .collect::<serde_json::Map<_, _>>()
            .into()
    };
    let within = json!({"$id": "urn:b", "$ref": "#/$defs/d0", "$defs": defs("#/$defs/NEXT", 0)});
    for schema in [
        json!({"$ref": "#/$defs/d0", "$defs": defs("#/$defs/NEXT", 0)}),
        json!({"$ref": "#/%24defs/d0", "$defs": defs("#/%24defs/NEXT", 0)}),
        json!({"$ref": "#/x~1y/d0", "x/y": defs("#/x~1y/NEXT", 0)}),
        json!({"$ref": "urn:b", "$defs": {"b": within}}),
        json!({"$id": "urn:a", "$ref": "urn:a#/$defs/d0", "$defs": defs("urn:a#/$defs/NEXT", 0)}),
        // One schema in it is of draft 7, the others are not.
        json!({
            "$ref": "#/$defs/old",
            "properties": {"a": {"$ref": "#"}},
            "allOf": [{"properties": {"a": {"$ref": "#"}}}],
            "$defs": {"old": {"$id": "urn:old", "$schema": "http://json-schema.org/draft-07/schema#"}}
        }),
        json!({"properties": {"a": {"allOf": [{"$ref": "#"}, {"$ref": "#"}]}}}),
        json!({"patternProperties": {"a": {"$ref": "#"}}, "propertyNames": {}, "dependentSchemas": {"a": {"$ref": "#"}}, "additionalProperties": {"$ref": "#"}, "allOf": [{"patternProperties": {"": {"$ref": "#"}}}]}),
    ] {
        let mut values = json!({"a": 1});
        for _ in 0..60 {
            values = json!({"a": values});
        }
        let compiled = schema::compile(&Arc::from(schema.to_string().as_bytes()), &nowhere()).unwrap();
        let error = compiled.check(&Frozen::try_from(&values).unwrap()).unwrap_err();
        assert_eq!(error, "the schema takes more than 20000000 steps to check the values\n", "{schema}");
    }
}
