//! The CustomResourceDefinitions, made from the types.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use super::{HelmRelease, HelmRepository};

/// The definitions of all kinds, as they are installed.
pub fn definitions() -> Vec<CustomResourceDefinition> {
    [HelmRelease::crd(), HelmRepository::crd()].into_iter().map(finish).collect()
}

/// What the types cannot say: a status from the first moment on, and that `null` means "not set" everywhere.
fn finish(mut definition: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut definition.spec.versions {
        let Some(schema) = version.schema.as_mut().and_then(|s| s.open_api_v3_schema.as_mut()) else { continue };
        adjust(schema, &|schema| {
            // In a field that is not nullable the API server prunes a null on create and update, as in Flux's objects.
            schema.nullable = None;
            schema.title = None;
            schema.default.take_if(|default| default.0.is_null());
            schema.description =
                schema.description.take().map(|text| text.replace('\n', " ")).filter(|text| !text.is_empty());
        });
        if let Some(status) = schema.properties.as_mut().and_then(|p| p.get_mut("status")) {
            adjust(status, &|schema| schema.default = None);
            status.default = Some(JSON(serde_json::json!({ "observedGeneration": -1 })));
        }
    }
    definition
}

/// Calls `change` on the schema and on all that it is made of.
fn adjust(schema: &mut JSONSchemaProps, change: &impl Fn(&mut JSONSchemaProps)) {
    change(schema);
    for property in schema.properties.iter_mut().flat_map(|p| p.values_mut()) {
        adjust(property, change);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        adjust(items, change);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        adjust(values, change);
    }
}

/// The definitions as YAML: file name and text, as they are kept in `config/crd`.
///
/// # Errors
/// A definition that is no JSON or YAML; none of ours is that.
pub fn manifests() -> Result<Vec<(String, String)>, String> {
    definitions()
        .iter()
        .map(|definition| {
            let name = format!("{}_{}.yaml", definition.spec.group, definition.spec.names.plural);
            let json = serde_json::to_vec(definition).map_err(|error| error.to_string())?;
            let value =
                pintle_yaml::decode(&json, &pintle_yaml::Limits::default()).map_err(|error| error.to_string())?;
            let text = pintle_yaml::encode(&value).map_err(|error| error.to_string())?;
            Ok((name, String::from_utf8_lossy(&text).into_owned()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_is_kept_is_current() {
        let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        for folder in ["config/crd", "charts/pintle/crds"] {
            for (name, text) in manifests().unwrap() {
                let kept = std::fs::read_to_string(root.join(folder).join(&name)).unwrap_or_default();
                assert!(kept == text, "{folder}/{name} is not what the types say; run `cargo xtask crds`");
            }
        }
    }

    #[test]
    fn the_schema_says_what_the_types_cannot() {
        for definition in definitions() {
            let json = serde_json::to_value(&definition).unwrap();
            let schema = &json["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
            assert_eq!(schema["properties"]["status"]["default"], serde_json::json!({ "observedGeneration": -1 }));
            let text = schema.to_string();
            assert!(!text.contains("nullable") && !text.contains("\"default\":null"), "{text}");
            // The only defaults are those that Flux's definitions have too.
            assert!(text.matches("\"default\":").count() <= 4, "{text}");
        }
    }
}
