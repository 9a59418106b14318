//! docs/fields.md names every field of a HelmRelease, docs/security.md what stands in the way of a tenant, and both only tests
//! that exist.
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

/// A test's file and its name: files without a path are in e2e/tests.
fn exists(test: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (file, name) = test.split_once(": ").unwrap_or_else(|| panic!("{test}: no file"));
    let path = if file.contains('/') { root.join(file) } else { root.join(format!("e2e/tests/{file}.rs")) };
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{test}: {error}"));
    assert!(text.contains(&format!("fn {name}(")), "{test}: no such test");
}

#[test]
fn every_attempt_of_a_tenant_has_its_test() {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/security.md")).unwrap();
    let (_, table) = text.split_once("| --- | --- | --- |").unwrap();
    let rows: Vec<&str> = table.lines().skip(1).take_while(|line| line.starts_with('|')).collect();
    assert!(rows.len() > 20, "{rows:?}");
    for row in rows {
        let (_, named) = row.rsplit_once(" | ").unwrap();
        assert!(quoted(named).next().is_some(), "{row}: no test");
        quoted(named).for_each(exists);
    }
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
            exists(test);
            (any, tests) = (true, tests + 1);
        }
        assert!(any != named.contains("no test yet"), "{line}: a test, or that there is none");
    }
    assert!(missing.is_empty(), "fields without a line: {missing:?}");
    assert!(tests > 50, "{tests} tests are named");
}
