//! Values at the doors: JSON as Kubernetes objects hold it, YAML as ConfigMaps hold it.

use crate::chart::{Frozen, MAX_DEPTH};
use pintle_value::Value;

/// A JSON value for templates: every number is a float64, as after Helm's own way.
///
/// # Errors
/// When it is nested too deeply.
pub fn json_to_value(json: &serde_json::Value) -> Result<Value, crate::chart::TooDeep> {
    Ok(Frozen::try_from(json)?.thaw())
}

/// A template's value as JSON. What JSON has no word for becomes null.
///
/// # Errors
/// When it is nested too deeply.
pub fn value_to_json(value: &Value) -> Result<serde_json::Value, crate::chart::TooDeep> {
    Ok((&Frozen::of(value)?).into())
}

/// A values file as JSON: its documents merged, later ones win; null if there is nothing.
///
/// # Errors
/// Helm's text and the place in the file.
pub fn yaml_to_json(text: &[u8]) -> Result<serde_json::Value, String> {
    let table = crate::chart::values::from_yaml(text).map_err(|e| format!("{e}{}", e.suffix()))?;
    value_to_json(&Value::Map(table)).map_err(|e| e.to_string())
}

/// How deeply YAML may be nested here.
pub fn yaml_limits() -> pintle_yaml::Limits {
    pintle_yaml::Limits { depth: MAX_DEPTH, ..pintle_yaml::Limits::default() }
}
