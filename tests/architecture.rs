//! The direction of the arrows between the rooms of the house, and what the pure rooms may use.

#![allow(clippy::unwrap_used)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Each room with the rooms below it that it may use. Whatever is not listed is forbidden.
const ARROWS: &[(&str, &[&str])] = &[
    ("kinds", &["kinds"]),
    ("chart", &["chart"]),
    ("render", &["render", "chart", "kinds"]),
    ("crd", &["crd"]),
    ("source", &["source", "crd", "chart"]),
    ("cluster", &["cluster", "kinds"]),
    ("release", &["release", "cluster", "chart"]),
    ("action", &["action", "cluster", "release", "render", "chart"]),
    ("controller", &["controller", "action", "cluster", "release", "source", "crd", "render", "chart"]),
    ("cli", &["cli", "controller", "action", "cluster", "release", "source", "crd", "render", "chart"]),
];

/// Rooms that talk to nobody: the same input gives the same output, on any thread, without a network.
const PURE: &[&str] = &["kinds", "chart", "render"];
const IMPURE_CRATES: &[&str] = &["kube", "k8s_openapi", "tokio", "reqwest", "futures", "tracing"];

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            found.push((path, text));
        }
    }
    found
}

/// The rooms that a text names after `crate::`, in paths and in grouped imports.
fn rooms_used(text: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    for rest in text.split("crate::").skip(1) {
        if let Some(group) = rest.strip_prefix('{') {
            // The names at the first level of the braces.
            let mut depth = 0;
            let mut name = String::new();
            for c in group.chars() {
                match c {
                    '{' => depth += 1,
                    '}' if depth == 0 => break,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        rooms.extend(first_name(&name));
                        name.clear();
                        continue;
                    }
                    _ => {}
                }
                name.push(c);
            }
            rooms.extend(first_name(&name));
        } else {
            rooms.extend(first_name(rest));
        }
    }
    rooms
}

fn first_name(path: &str) -> Option<String> {
    let name: String = path.trim_start().chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    (!name.is_empty()).then_some(name)
}

/// Code without comments, and without tests: tests may reach across rooms.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]").next().unwrap_or_default();
    text.lines().map(|line| line.split("//").next().unwrap_or_default()).collect::<Vec<_>>().join("\n")
}

#[test]
fn grouped_imports_are_understood() {
    let used =
        rooms_used("use crate::{\n  action::{a, b},\n  cluster::Cluster, release,\n};\nlet x = crate::chart::load();");
    assert_eq!(used.into_iter().collect::<Vec<_>>(), ["action", "chart", "cluster", "release"]);
}

#[test]
fn arrows_point_down() {
    let rooms: BTreeSet<&str> = ARROWS.iter().map(|(room, _)| *room).collect();
    let mut wrong = Vec::new();
    for (room, below) in ARROWS {
        let files = sources(&root().join("src").join(room));
        assert!(!files.is_empty(), "src/{room} has no code");
        for (path, text) in files {
            for used in rooms_used(&code(&text)) {
                if rooms.contains(used.as_str()) && !below.contains(&used.as_str()) {
                    wrong.push(format!("{} uses {used}: {room} may use {below:?}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_room_is_on_the_map() {
    for entry in fs::read_dir(root().join("src")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            assert!(ARROWS.iter().any(|(room, _)| *room == name), "src/{name} is not on the map in this test");
        }
    }
}

#[test]
fn pure_rooms_talk_to_nobody() {
    let mut folders: Vec<PathBuf> = PURE.iter().map(|room| root().join("src").join(room)).collect();
    folders.extend(fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().path().join("src")));
    for folder in folders {
        for (path, text) in sources(&folder) {
            let code = code(&text);
            for name in IMPURE_CRATES {
                assert!(!code.contains(&format!("{name}::")), "{} uses {name}", path.display());
            }
        }
    }
}

#[test]
fn leaf_crates_depend_on_leaves() {
    for entry in fs::read_dir(root().join("crates")).unwrap() {
        let manifest = entry.unwrap().path().join("Cargo.toml");
        let text = fs::read_to_string(&manifest).unwrap();
        for name in ["kube", "k8s-openapi", "tokio", "reqwest"] {
            assert!(!text.lines().any(|line| line.starts_with(name)), "{} depends on {name}", manifest.display());
        }
        assert!(
            !text.lines().any(|line| line.starts_with("pintle ")),
            "{} depends on the root package",
            manifest.display()
        );
    }
}
