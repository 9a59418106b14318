//! docs/fields.md names every field of a HelmRelease, and only tests that exist.
#![cfg(feature = "operator")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use pintle::crd::HelmRelease;
use serde_json::Value;

/// The paths of all fields that hold no further fields.
fn leaves(path: &str, schema: &Value, found: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, schema) in properties {
            let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
            leaves(&path, schema, found);
        }
    } else if schema["items"]["properties"].is_object() {
        leaves(&format!("{path}[]"), &schema["items"], found);
    } else {
        found.insert(path.to_owned());
    }
}

/// What stands between backquotes.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn every_field_has_its_line_and_every_test_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let definition = serde_json::to_value(<HelmRelease as kube::CustomResourceExt>::crd()).unwrap();
    let spec = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"];
    let mut missing = BTreeSet::new();
    leaves("", spec, &mut missing);
    let all = missing.clone();
    assert!(all.len() > 100, "{all:?}");

    let table = fs::read_to_string(root.join("docs/fields.md")).unwrap();
    let mut tests = 0;
    for line in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split(" | ").collect();
        let [fields, _, named] = cells[..] else { panic!("{line}") };
        for field in quoted(fields) {
            let before = missing.len();
            match field.strip_suffix('*') {
                Some(prefix) => missing.retain(|known| !known.starts_with(prefix)),
                None => {
                    missing.remove(field);
                }
            }
            assert!(missing.len() < before, "{field} is no field, or is there twice");
        }
        let mut any = false;
        for test in quoted(named) {
            let (file, name) = test.split_once(": ").unwrap_or_else(|| panic!("{test}: no file"));
            let path = if file.contains('/') { root.join(file) } else { root.join(format!("e2e/tests/{file}.rs")) };
            // A package of the library comes without the tests of the operator.
            let Ok(text) = fs::read_to_string(&path) else { panic!("{test}: no such file") };
            assert!(text.contains(&format!("fn {name}(")), "{test}: no such test");
            (any, tests) = (true, tests + 1);
        }
        assert!(any != named.contains("no test yet"), "{line}: a test, or that there is none");
    }
    assert!(missing.is_empty(), "fields without a line: {missing:?}");
    assert!(tests > 50, "{tests} tests are named");
}
