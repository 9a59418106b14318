//! Random cases that look like what people write, and some that do not.

pub mod calls;
// Lists of choices stay on few lines there.
#[rustfmt::skip]
pub mod documents;
#[rustfmt::skip]
pub mod manifests;
#[rustfmt::skip]
pub mod settings;
#[rustfmt::skip]
pub mod template;
#[rustfmt::skip]
pub mod texts;
#[rustfmt::skip]
pub mod tree;

use crate::{case::Case, rng::Rng};
use serde_json::{Map, Value};

/// The case of this place in the run of this seed. `seeds` are templates to be changed a little.
pub fn case(seed: u64, id: u64, seeds: &[Case]) -> Case {
    let rng = &mut Rng::new(seed, id);
    let mut case = match rng.below(100) {
        0..40 => template::case(rng),
        40..50 => mutated(rng, seeds),
        50..63 => document(rng),
        63..71 => written(rng),
        71..79 => formatted(rng),
        79..86 => settings::set_case(rng),
        86..93 => settings::coalesce_case(rng),
        _ => manifests::case(rng),
    };
    case.id = id;
    case
}

/// A template with a few bytes changed: mostly for the lexer and the parser.
fn mutated(rng: &mut Rng, seeds: &[Case]) -> Case {
    let mut case =
        if !seeds.is_empty() && rng.chance(60) { seeds[rng.below(seeds.len())].clone() } else { template::case(rng) };
    let times = 1 + rng.below(3);
    let other = if seeds.is_empty() { String::new() } else { seeds[rng.below(seeds.len())].template.clone() };
    for _ in 0..times {
        case.template = texts::mutate(rng, &case.template, &other);
    }
    case
}

/// Reads a YAML, JSON or TOML document and writes it again.
fn document(rng: &mut Rng) -> Case {
    let mut case = Case::default();
    let (text, reader) = match rng.below(10) {
        0 => (documents::json(rng), rng.pick(&["fromJson", "fromJsonArray", "mustFromJson", "fromYaml"])),
        1 => (documents::toml(rng), "fromToml"),
        2 => (documents::yaml(rng), "fromYamlArray"),
        _ => (documents::yaml(rng), "fromYaml"),
    };
    if reader == "fromYaml" && rng.chance(25) {
        case.document = Some(text);
        case.template = format!("{{{{ .Values.AsMap | {} }}}}", rng.pick(WRITERS));
        return case;
    }
    case.values.insert("y".into(), text.into());
    let writer = if rng.chance(60) { "toJson" } else { rng.pick(WRITERS) };
    case.template = format!("{{{{ {reader} .Values.y | {writer} }}}}");
    case
}

/// All that shows a whole value.
const WRITERS: &[&str] = &[
    "toYaml",
    "toYaml",
    "toYaml",
    "toYamlPretty",
    "toJson",
    "toPrettyJson",
    "toRawJson",
    "toToml",
    "toString",
    "quote",
    "printf \"%#v\"",
    "printf \"%q\"",
    "toYaml | fromYaml | toJson",
    "toYamlPretty | fromYaml | toYaml",
    "toToml | fromToml | toYaml",
];

/// Writes a random value in every form.
fn written(rng: &mut Rng) -> Case {
    let value = tree::value(rng, 3);
    let template = format!("{{{{ .Values.v | {} }}}}", rng.pick(WRITERS));
    let values = Map::from_iter([("v".to_owned(), value)]);
    Case { template, values, ..Case::default() }
}

/// `printf` and its relatives, with values of every type.
fn formatted(rng: &mut Rng) -> Case {
    let mut writer = template::Writer::new(rng);
    let count = 1 + writer.rng.below(3);
    let mut template = String::new();
    for _ in 0..count {
        let function = writer.rng.pick(&[
            "printf",
            "printf",
            "printf",
            "printf",
            "print",
            "println",
            "html",
            "js",
            "urlquery",
            "cat",
            "quote",
            "toString | printf \"%s %v\" 1",
        ]);
        let mut call = function.to_owned();
        if function == "printf" {
            call = format!("printf {}", texts::quoted(&texts::format(writer.rng)));
        }
        if !call.contains('|') {
            for _ in 0..writer.rng.below(4) {
                call += &format!(" {}", writer.argument('A', 2));
            }
        } else {
            call = format!("{} | {call}", writer.argument('A', 2));
        }
        template += &format!("{{{{ {call} }}}}\n");
    }
    let values = writer.values;
    Case { template, values, ..Case::default() }
}

/// A table of a few keys.
pub(crate) fn table(rng: &mut Rng, depth: usize) -> Map<String, Value> {
    match tree::table(rng, depth) {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
