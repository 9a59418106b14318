//! `--set` and its relatives; and how the values of charts, subcharts and users come together.

use super::{table, texts, tree};
use crate::{case::Case, rng::Rng};
use serde_json::{Value, json};

const TYPES: &str =
    "{{ toJson .Values }}\n{{ range $k, $v := .Values }}{{ $k }}={{ typeOf $v }} {{ printf \"%#v\" $v }}\n{{ end }}";

/// A few settings over a few values.
pub fn set_case(rng: &mut Rng) -> Case {
    let values = if rng.chance(40) { table(rng, 2) } else { serde_json::Map::new() };
    let sets = (0..=rng.below(2))
        .map(|_| {
            let how = rng.pick(&["set", "set", "set", "set-string", "set-json", "set-literal"]);
            (how.to_owned(), setting(rng, how))
        })
        .collect();
    Case { template: TYPES.to_owned(), values, sets, ..Case::default() }
}

/// What stands after `--set`.
pub fn setting(rng: &mut Rng, how: &str) -> String {
    let mut text = String::new();
    if how == "set-json" && rng.chance(15) {
        return super::documents::json(rng);
    }
    for at in 0..=rng.below(3) {
        if at > 0 {
            text.push(if rng.chance(92) { ',' } else { rng.pick(&[';', ' ', '=', '.']) });
        }
        text += &key(rng);
        if rng.chance(95) {
            text.push('=');
        }
        text += &match how {
            "set-json" => super::documents::json(rng),
            _ => setting_value(rng),
        };
    }
    text
}

fn key(rng: &mut Rng) -> String {
    let mut key = String::new();
    for at in 0..=rng.below(3) {
        if at > 0 && rng.chance(95) {
            key.push('.');
        }
        key += rng.pick(&[
            "a", "b", "c", "list", "name", "x-y", "a b", "1", "é", "", "a\\.b", "a\\,b", "\\\\", "a\"b", "'a'",
            "a\\=b", "null", "global", "a\\",
        ]);
        while rng.chance(18) {
            key += rng.pick(&[
                "[0]", "[1]", "[2]", "[3]", "[-1]", "[a]", "[]", "[65537]", "[0", "[ 1]", "[1x]", "[01]", "[+1]",
            ]);
        }
    }
    key
}

fn setting_value(rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => {
            let mut list = String::from("{");
            for at in 0..rng.below(4) {
                if at > 0 {
                    list.push(',');
                }
                list += &setting_value(rng);
            }
            if rng.chance(93) {
                list.push('}');
            }
            list
        }
        1..5 => (rng.pick(&[
            "1", "0", "-1", "+1", "007", "1.5", "1e3", "0x10", "true", "TRUE", "false", "False", "null", "NULL",
            "nil", "", "x", "a b", "a=b", "a\\,b", "a.b", "9223372036854775807", "9223372036854775808", "1_000",
            "\"q\"", "'q'", "{}", "{", "}", "[1]", "a\\", "\\n", "é", " ", " x ", "00", "-0", "0.0", "yes", "~",
            "{a}", "{a,b}", "{a,{b}}", "a{b}", "{1,2},x", "{a\\,b,c}",
        ]))
        .to_owned(),
        _ => texts::text(rng),
    }
}

/// A chart with subcharts, defaults at all levels, conditions, tags, aliases and imports.
pub fn coalesce_case(rng: &mut Rng) -> Case {
    let mut case = Case {
        template: "{{ toJson .Values }}\n{{ range $n, $s := .Subcharts }}{{ $n }}: {{ toJson $s.Values }}\n{{ end }}"
            .to_owned(),
        ..Case::default()
    };
    let names: &[&str] = if rng.chance(60) { &["sub"] } else { &["sub", "a"] };
    for name in names {
        case.subcharts.insert((*name).to_owned(), part(rng, names));
        let mut dependency = json!({ "name": name, "version": rng.pick(&["1.2.3", ">=0", "", "1.x", "2"]) });
        if rng.chance(25) {
            dependency["condition"] =
                (rng.pick(&["enabled", "sub.enabled", "a.enabled,b", "zz.q", "a", "global.a", " sub.enabled , a"]))
                    .into();
        }
        if rng.chance(15) {
            dependency["tags"] = json!([rng.pick(&["t1", "t2"])]);
        }
        if rng.chance(15) {
            dependency["alias"] = (rng.pick(&["other", "b", "c"])).into();
        }
        if rng.chance(25) {
            dependency["import-values"] = match rng.below(4) {
                0 => json!(["data"]),
                1 => {
                    json!([{ "child": rng.pick(&["a", "b", "a.b", "zz", "exports"]), "parent": rng.pick(&["c", "a", ".", "a.b", "name"]) }])
                }
                2 => json!([{ "child": "a", "parent": "d" }, { "child": "b", "parent": "d" }]),
                _ => json!(["data", { "child": "global", "parent": "global" }]),
            };
        }
        case.dependencies.push(dependency);
    }
    case.defaults = part(rng, names);
    case.values = part(rng, names);
    case
}

/// Values in which charts, globals and nulls meet.
fn part(rng: &mut Rng, names: &[&str]) -> serde_json::Map<String, Value> {
    let mut values = table(rng, 2);
    for name in names {
        if rng.chance(50) {
            let mut inner = table(rng, 2);
            if rng.chance(40) {
                inner.insert("enabled".into(), tree::scalar(rng));
            }
            values.insert((*name).to_owned(), if rng.chance(92) { inner.into() } else { tree::scalar(rng) });
        }
    }
    if rng.chance(40) {
        values.insert("global".into(), if rng.chance(92) { tree::table(rng, 2) } else { tree::scalar(rng) });
    }
    if rng.chance(15) {
        values.insert("tags".into(), json!({ rng.pick(&["t1", "t2"]): tree::scalar(rng) }));
    }
    if rng.chance(25) {
        values.insert("exports".into(), json!({ "data": tree::table(rng, 1) }));
    }
    values
}
