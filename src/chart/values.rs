//! How values come together: files over files, the user's over the chart's, a parent's over its children's.
//! The rules (nulls that delete, globals that travel down) are Helm's, warnings included.

pub use super::document::YamlError;

use super::{Chart, Error, dependencies::Instance};
use pintle_value::{List, Map, MapKind, Value};
use std::sync::Arc;

/// Reads a values file: its documents are merged, later ones win; nothing is an empty table.
///
/// # Errors
/// Helm's text, and the place.
pub fn from_yaml(text: &[u8]) -> Result<Map, YamlError> {
    super::document::decode_tables(text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text))
}

/// Lays `over` on `under`, as one `-f` file on the one before it: tables merge, all else replaces.
pub fn merge_tables(under: &Map, over: &Map) {
    for (key, value) in over.snapshot() {
        match (under.get(&key), &value) {
            (Some(Value::Map(below)), Value::Map(above)) => merge_tables(&below, above),
            _ => {
                under.insert(key, value);
            }
        }
    }
}

/// A copy that shares nothing with the original that could change.
pub fn deep_copy(value: &Value) -> Value {
    match value {
        Value::Map(map) => Value::Map(deep_copy_map(map)),
        Value::List(list) => Value::List(List::of(list.kind(), list.items().iter().map(deep_copy).collect())),
        other => other.clone(),
    }
}

/// [`deep_copy`] of a map.
pub fn deep_copy_map(map: &Map) -> Map {
    map.map_values(|value| Some(deep_copy(value)))
}

/// The computed values: the user's over the defaults of the chart and of all charts in it.
///
/// # Errors
/// When a subchart's values are no table.
pub fn coalesce(chart: &Instance, user: &Map, warnings: &mut Vec<String>) -> Result<Map, Error> {
    let dest = deep_copy_map(user);
    Pass { nulls: Nulls::Delete, warnings }.chart(chart, &dest, "")?;
    Ok(dest)
}

/// As [`coalesce`], but nulls stay, so that a later [`coalesce`] can still delete by them.
///
/// # Errors
/// As [`coalesce`].
pub fn merge(chart: &Instance, user: &Map, warnings: &mut Vec<String>) -> Result<Map, Error> {
    let dest = deep_copy_map(user);
    Pass { nulls: Nulls::Stay, warnings }.chart(chart, &dest, "")?;
    Ok(dest)
}

/// Fills what `dest` lacks from `defaults`, nulls kept.
pub(super) fn merge_defaults(dest: &Map, defaults: &Map, warnings: &mut Vec<String>) {
    Pass { nulls: Nulls::Stay, warnings }.tables(dest, defaults, "", Nulls::Stay);
}

/// What an upgrade that reuses values (`helm upgrade --reuse-values`) takes for the chart's defaults and for the user's
/// values, given those of the release that runs: its whole values in place of the new chart's defaults, and the user's old
/// values under the new ones.
///
/// # Errors
/// As [`coalesce`].
pub fn reuse(defaults: Map, old: &Map, new: &Map, warnings: &mut Vec<String>) -> Result<(Map, Map), Error> {
    // A record has the values of all its charts in one table, and none of the charts within.
    let chart = Instance { values: defaults, ..Instance::of(&Arc::new(Chart::default())) };
    let whole = coalesce(&chart, old, warnings)?;
    let user = deep_copy_map(new);
    Pass { nulls: Nulls::DeleteAndRise, warnings }.tables(&user, &deep_copy_map(old), "", Nulls::DeleteAndRise);
    Ok((whole, user))
}

/// What nulls do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Nulls {
    /// A null above deletes the default below; nulls among the defaults go.
    Delete,
    /// A null above deletes the default below; nulls below are carried up.
    DeleteAndRise,
    /// They are values like others.
    Stay,
}

struct Pass<'a> {
    nulls: Nulls,
    warnings: &'a mut Vec<String>,
}

fn join(prefix: &str, key: &str) -> String {
    if prefix.is_empty() { key.to_owned() } else { format!("{prefix}.{key}") }
}

impl Pass<'_> {
    fn chart(&mut self, chart: &Instance, dest: &Map, prefix: &str) -> Result<(), Error> {
        self.defaults(chart, dest, prefix);
        let inner = join(prefix, &chart.metadata.name);
        for child in &chart.dependencies {
            let name = child.metadata.name.as_bytes();
            let table = match dest.get(name) {
                None => {
                    let table = Map::new();
                    dest.insert(name, Value::Map(table.clone()));
                    table
                }
                Some(Value::Map(table)) => table,
                Some(other) => {
                    return Err(Error::SubchartValues {
                        chart: child.metadata.name.clone(),
                        value: wrong_bool(&other),
                    });
                }
            };
            self.globals(&table, dest, &inner);
            self.chart(child, &table, &inner)?;
        }
        Ok(())
    }

    /// The chart's own defaults under the values given to it.
    fn defaults(&mut self, chart: &Instance, dest: &Map, prefix: &str) {
        let prefix = join(prefix, &chart.metadata.name);
        for (key, default) in chart.values.snapshot() {
            let key_text = key.to_str_lossy();
            // A null for a child's default lives until the child's own turn, but (in Helm) only where somebody above
            // has a table for the child at all.
            let is_child = chart.dependencies.iter().any(|d| d.metadata.name == *key_text);
            let nulls = if is_child { Nulls::Stay } else { self.nulls };
            match dest.get(&key) {
                None => self.copy(dest, &key, &default, self.nulls),
                Some(Value::Nil) if self.nulls != Nulls::Stay => {
                    dest.remove(&key);
                }
                Some(Value::Map(given)) => match &default {
                    Value::Map(default) => self.tables(&given, default, &join(&prefix, &key_text), nulls),
                    Value::Nil => {}
                    _ => self.warnings.push(format!("skipped value for {prefix}.{key_text}: Not a table.")),
                },
                Some(_) => {}
            }
        }
    }

    fn copy(&mut self, dest: &Map, key: &pintle_value::Str, default: &Value, nulls: Nulls) {
        if nulls != Nulls::Delete {
            dest.insert(key.clone(), deep_copy(default));
        } else if !matches!(default, Value::Nil) {
            dest.insert(key.clone(), copy_without_nulls(default));
        }
    }

    fn tables(&mut self, dest: &Map, defaults: &Map, prefix: &str, nulls: Nulls) {
        for (key, default) in defaults.snapshot() {
            match (dest.get(&key), &default) {
                (None, _) => self.copy(dest, &key, &default, nulls),
                (Some(Value::Nil), Value::Nil) => {}
                (Some(Value::Nil), _) if nulls != Nulls::Stay => {
                    dest.remove(&key);
                }
                (Some(Value::Map(given)), Value::Map(default)) => {
                    let full = join(prefix, &key.to_str_lossy());
                    self.tables(&given, default, &full, nulls);
                }
                (Some(Value::Map(_)), Value::Nil) => {}
                (Some(Value::Map(_)), _) => {
                    let full = join(prefix, &key.to_str_lossy());
                    self.warnings.push(format!("cannot overwrite table with non table for {full}"));
                }
                (Some(_), Value::Map(_)) => {
                    let full = join(prefix, &key.to_str_lossy());
                    self.warnings.push(format!("destination for {full} is a table. Ignoring non-table value"));
                }
                _ => {}
            }
        }
    }

    /// The parent's globals over the child's.
    fn globals(&mut self, child: &Map, parent: &Map, prefix: &str) {
        let of = |map: &Map| match map.get(b"global") {
            None => Ok(Map::new()),
            Some(Value::Map(table)) => Ok(table),
            Some(_) => Err(()),
        };
        let Ok(own) = of(child) else {
            self.warnings.push("skipping globals because destination global is not a table.".into());
            return;
        };
        let Ok(given) = of(parent) else {
            self.warnings.push("skipping globals because source global is not a table.".into());
            return;
        };
        let rise = if self.nulls == Nulls::Delete { Nulls::DeleteAndRise } else { self.nulls };
        for (key, value) in given.snapshot() {
            match (&value, own.get(&key)) {
                (Value::Map(table), None) => {
                    own.insert(key, Value::Map(deep_copy_map(table)));
                }
                (Value::Map(table), Some(Value::Map(below))) => {
                    let merged = deep_copy_map(table);
                    let full = join(prefix, &key.to_str_lossy());
                    self.tables(&merged, &below, &full, rise);
                    own.insert(key, Value::Map(merged));
                }
                (Value::Map(_), Some(_)) => {
                    self.warnings.push(format!("key {} is a table. Skipping", key.to_str_lossy()));
                }
                (_, Some(Value::Map(_))) => {
                    self.warnings.push(format!("key={} is table. Skipping", key.to_str_lossy()));
                }
                _ => {
                    own.insert(key, value);
                }
            }
        }
        child.insert("global", Value::Map(own));
    }
}

fn copy_without_nulls(value: &Value) -> Value {
    match value {
        Value::Map(map) => {
            Value::Map(map.map_values(|value| (!matches!(value, Value::Nil)).then(|| copy_without_nulls(value))))
        }
        other => deep_copy(other),
    }
}

/// Go's `%t` of what is no bool, which is how Helm words it.
fn wrong_bool(value: &Value) -> String {
    let mut out = Vec::new();
    if pintle_value::fmt::sprintf(b"%t", std::slice::from_ref(value), &mut out).is_err() {
        return value.type_name().to_owned();
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The table at a dotted path.
pub fn table(values: &Map, path: &str) -> Option<Map> {
    path.split('.').try_fold(values.clone(), |at, key| match at.get(key.as_bytes()) {
        Some(Value::Map(next)) => Some(next),
        _ => None,
    })
}

/// What is at a dotted path, unless it is a table.
pub fn path_value(values: &Map, path: &str) -> Option<Value> {
    let (parent, key) = match path.rsplit_once('.') {
        Some((parent, key)) => (table(values, parent)?, key),
        None => (values.clone(), path),
    };
    // Maps of other types than a table's count as values.
    let is_table = |value: &Value| matches!(value, Value::Map(map) if matches!(map.kind(), MapKind::Any));
    parent.get(key.as_bytes()).filter(|value| !is_table(value))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::chart::{Chart, Frozen, Metadata};
    use serde_json::{Value as Json, json};
    use std::sync::Arc;

    fn chart(name: &str, values: &Json, dependencies: Vec<Arc<Chart>>) -> Arc<Chart> {
        Arc::new(Chart {
            metadata: Metadata { name: name.into(), version: "1.0.0".into(), ..Metadata::default() },
            values: Frozen::try_from(values).unwrap(),
            dependencies,
            ..Chart::default()
        })
    }

    #[track_caller]
    fn check(parent: &Json, child: &Json, user: &Json, want: Result<Json, &str>) {
        let chart = chart("p", parent, vec![chart("sub", child, Vec::new())]);
        let user = Frozen::try_from(user).unwrap().thaw_table();
        let got = coalesce(&Instance::of(&chart), &user, &mut Vec::new());
        let got = got.map(|map| Json::from(&Frozen::of(&Value::Map(map)).unwrap())).map_err(|e| e.to_string());
        assert_eq!(got, want.map_err(str::to_owned));
    }

    #[test]
    fn helm_s_table_of_cases() {
        let none = json!({});
        for (default, user, want) in [
            (json!({"a": 1}), json!({}), json!({"a": 1})),
            (json!({"a": null}), json!({}), json!({})),
            (json!({"a": {"b": null, "c": 1}}), json!({}), json!({"a": {"c": 1}})),
            (json!({"a": 1}), json!({"a": null}), json!({})),
            (json!({"a": {"b": 1, "c": 2}}), json!({"a": {"b": null}}), json!({"a": {"c": 2}})),
            (json!({"a": {"b": null}}), json!({"a": {"b": null}}), json!({"a": {"b": null}})),
            (json!({}), json!({"a": null}), json!({"a": null})),
            (json!({"a": [1, 2]}), json!({"a": [3]}), json!({"a": [3]})),
            (json!({"a": 1}), json!({"a": {"b": 2}}), json!({"a": {"b": 2}})),
            (json!({"a": {"b": 1}}), json!({"a": 2}), json!({"a": 2})),
        ] {
            let mut want = want;
            want["sub"] = json!({"global": {}});
            check(&default, &none, &user, Ok(want));
        }
    }

    #[test]
    fn children() {
        // The parent's defaults win over the child's; a null deletes only where a table was given for the child.
        check(
            &json!({"sub": {"a": 1, "b": null}}),
            &json!({"a": 2, "b": 3, "c": 4}),
            &json!({"sub": {}}),
            Ok(json!({"sub": {"a": 1, "c": 4, "global": {}}})),
        );
        check(&json!({"sub": {"b": null}}), &json!({"b": 3}), &json!({}), Ok(json!({"sub": {"b": 3, "global": {}}})));
        // Globals travel down, the parent's first.
        check(
            &json!({"global": {"x": 1, "t": {"a": 1}}}),
            &json!({"global": {"x": 2, "y": 3, "t": {"b": 2}}}),
            &json!({}),
            Ok(json!({
                "global": {"x": 1, "t": {"a": 1}},
                "sub": {"global": {"x": 1, "y": 3, "t": {"a": 1, "b": 2}}},
            })),
        );
        check(&json!({}), &json!({}), &json!({"sub": 5}), Err("type mismatch on sub: %!t(float64=5)"));
    }

    #[test]
    fn reused_values_lie_under_the_new_ones() {
        for (defaults, old, new, whole, user) in [
            (json!({"a": 1, "b": 2}), json!({"b": 3}), json!({}), json!({"a": 1, "b": 3}), json!({"b": 3})),
            (
                json!({"a": 1}),
                json!({"a": 2, "t": {"x": 1, "y": 2}}),
                json!({"t": {"x": 3}}),
                json!({"a": 2, "t": {"x": 1, "y": 2}}),
                json!({"a": 2, "t": {"x": 3, "y": 2}}),
            ),
            // A null takes an old value away.
            (json!({"a": 1}), json!({"b": 2}), json!({"b": null}), json!({"a": 1, "b": 2}), json!({})),
            (json!({"a": 1}), json!({"a": null}), json!({}), json!({}), json!({"a": null})),
        ] {
            let table = |values: &Json| Frozen::try_from(values).unwrap().thaw_table();
            let json = |map: Map| Json::from(&Frozen::of(&Value::Map(map)).unwrap());
            let got = reuse(table(&defaults), &table(&old), &table(&new), &mut Vec::new()).unwrap();
            assert_eq!((json(got.0), json(got.1)), (whole, user), "{defaults} {old} {new}");
        }
    }

    #[test]
    fn what_does_not_fit_is_warned_of() {
        let chart = chart("p", &json!({"a": 1, "b": {"c": {"d": 1}}}), Vec::new());
        let user = Frozen::try_from(&json!({"a": {}, "b": {"c": 2}})).unwrap().thaw_table();
        let mut warnings = Vec::new();
        coalesce(&Instance::of(&chart), &user, &mut warnings).unwrap();
        assert_eq!(
            warnings,
            ["skipped value for p.a: Not a table.", "destination for p.b.c is a table. Ignoring non-table value",]
        );
    }

    #[test]
    fn paths() {
        let values = Frozen::try_from(&json!({"a": {"b": {"c": 1}}, "d": 2})).unwrap().thaw_table();
        assert!(path_value(&values, "a.b.c").is_some() && path_value(&values, "d").is_some());
        assert!(path_value(&values, "a.b").is_none() && path_value(&values, "d.x").is_none());
        assert!(table(&values, "a.b").is_some() && table(&values, "d").is_none());
    }
}
