//! `--post-renderer`: rendered documents go through a program of the user's before they are sorted. It is a plugin of type
//! `postrenderer/v1` as helm 4 has it, or any program as helm 3 had it. Every document carries the name of its template in an
//! annotation on its way.

use super::values::go_words;
use crate::{
    chart::{Frozen, values::from_yaml},
    render::manifest,
};
use pintle_value::{Map, Value};
use pintle_yaml::{
    Limits,
    parser::{EventKind, Events},
};
use std::{
    env,
    io::{Read, Write as _},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// Helm's annotation.
const FILE: &str = "postrenderer.helm.sh/postrender-filename";

/// What the program may print, in bytes.
const MAX_OUTPUT: u64 = 256 << 20;

/// Rendered files: the template's path and its text.
type Files = Vec<(String, String)>;

/// A program and what it is called with.
#[derive(Debug)]
pub(super) struct PostRenderer {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    /// The plugin's folder, if it is one.
    folder: Option<PathBuf>,
}

impl PostRenderer {
    /// The plugin of this name, else the program of this name or path.
    ///
    /// # Errors
    /// Helm's text if there is neither.
    pub(super) fn find(name: &str, arguments: &[String]) -> Result<Self, String> {
        if let Some(found) = plugin(name, arguments)? {
            return Ok(found);
        }
        let candidates: Vec<PathBuf> = if name.contains('/') {
            vec![name.into()]
        } else {
            env::split_paths(&env::var_os("PATH").unwrap_or_default()).map(|folder| folder.join(name)).collect()
        };
        match candidates.into_iter().find(|path| path.is_file()) {
            Some(program) => Ok(Self { name: name.to_owned(), program, arguments: arguments.to_vec(), folder: None }),
            None => Err(format!(
                "invalid argument {name:?} for \"--post-renderer\" flag: plugin: {{Name:{name} Type:postrenderer/v1}} \
                 not found"
            )),
        }
    }

    /// Sends all documents through the program, and gives them back under the templates that they came from.
    ///
    /// # Errors
    /// Helm's text where helm has one.
    pub(super) fn run(&self, files: Files) -> Result<Files, String> {
        let (mut kept, sent): (Files, Files) = files.into_iter().partition(|(path, text)| {
            let base = path.rsplit('/').next().unwrap_or(path);
            base.starts_with('_') || base.ends_with("NOTES.txt") || text.trim().is_empty()
        });
        let mut sent = sent;
        sent.sort();
        let mut stream = String::new();
        for (path, text) in &sent {
            for doc in manifest::split(text) {
                let Some(doc) = annotated(doc, path)? else { continue };
                if !stream.is_empty() {
                    stream.push_str("---\n");
                }
                stream.push_str(&doc);
            }
        }
        let output = self.call(stream.into_bytes())?;
        let output =
            String::from_utf8(output).map_err(|_| format!("post-renderer {:?} printed no UTF-8", self.name))?;
        if output.trim().is_empty() {
            return Err(format!(
                "error while running post render on files: post-renderer {:?} produced empty output",
                self.name
            ));
        }
        let mut strays = 0;
        for doc in manifest::split(&output) {
            let Some((path, doc)) = unannotated(doc)? else { continue };
            let path = path.unwrap_or_else(|| {
                strays += 1;
                format!("generated-by-postrender-{}.yaml", strays - 1)
            });
            match kept.iter_mut().find(|(known, _)| *known == path) {
                Some((_, text)) => {
                    text.push_str("\n---\n");
                    text.push_str(&doc);
                }
                None => kept.push((path, doc)),
            }
        }
        Ok(kept)
    }

    fn call(&self, input: Vec<u8>) -> Result<Vec<u8>, String> {
        let failed = |why: &str| {
            let name = &self.name;
            format!("error while running post render on files: failed to invoke post-renderer plugin {name:?}: {why}")
        };
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).stdin(Stdio::piped()).stdout(Stdio::piped());
        if let Some(folder) = &self.folder {
            command.env("HELM_PLUGIN_NAME", &self.name).env("HELM_PLUGIN_DIR", folder);
        }
        let mut child =
            command.spawn().map_err(|e| failed(&format!("{}: {}", self.program.display(), go_words(&e))))?;
        let stdin = child.stdin.take();
        // Written beside the reading: either pipe may be full.
        let writer = std::thread::spawn(move || {
            // A program that does not read all of it is no failure.
            stdin.map(|mut stdin| stdin.write_all(&input))
        });
        let mut output = Vec::new();
        let read = child.stdout.take().map_or(Ok(0), |out| out.take(MAX_OUTPUT + 1).read_to_end(&mut output));
        if output.len() as u64 > MAX_OUTPUT {
            let _ = child.kill();
        }
        let status = child.wait().map_err(|e| failed(&e.to_string()))?;
        let _ = writer.join();
        read.map_err(|e| failed(&e.to_string()))?;
        if output.len() as u64 > MAX_OUTPUT {
            return Err(failed(&format!("it prints more than {MAX_OUTPUT} bytes")));
        }
        if !status.success() {
            return Err(failed(&format!("plugin {:?} exited with error", self.name)));
        }
        Ok(output)
    }
}

/// The plugin of a name among those that helm knows on this machine.
fn plugin(name: &str, arguments: &[String]) -> Result<Option<PostRenderer>, String> {
    let home = |variable: &str, rest: &str| env::var_os(variable).map(|home| Path::new(&home).join(rest));
    let folders = match env::var_os("HELM_PLUGINS") {
        Some(folders) => env::split_paths(&folders).collect(),
        None => home("HELM_DATA_HOME", "plugins")
            .or_else(|| home("XDG_DATA_HOME", "helm/plugins"))
            .or_else(|| home("HOME", ".local/share/helm/plugins"))
            .into_iter()
            .collect::<Vec<_>>(),
    };
    for entry in folders.iter().filter_map(|folder| std::fs::read_dir(folder).ok()).flatten().flatten() {
        let folder = entry.path();
        let Ok(text) = std::fs::read(folder.join("plugin.yaml")) else { continue };
        let Ok(table) = from_yaml(&text) else { continue };
        let Ok(plugin) = Frozen::of(&Value::Map(table)) else { continue };
        let is = |key: &str, value: &str| plugin.get(key).and_then(Frozen::as_str) == Some(value);
        if !(is("name", name) && is("type", "postrenderer/v1")) {
            continue;
        }
        if !is("runtime", "subprocess") {
            return Err(format!("plugin {name:?}: only plugins of the runtime \"subprocess\" can be called"));
        }
        let config = serde_json::Value::from(&plugin);
        let command = command(&config["runtimeConfig"]["platformCommand"])
            .ok_or_else(|| format!("plugin {name:?} has no command for this system"))?;
        let place = folder.display().to_string();
        let mut words = command
            .into_iter()
            .map(|word| word.replace("${HELM_PLUGIN_DIR}", &place).replace("$HELM_PLUGIN_DIR", &place));
        let Some(program) = words.next() else { continue };
        let arguments = words.chain(arguments.iter().cloned()).collect();
        return Ok(Some(PostRenderer {
            name: name.to_owned(),
            program: program.into(),
            arguments,
            folder: Some(folder),
        }));
    }
    Ok(None)
}

/// The command of a plugin that fits this system best: by system and processor, by system, for all.
fn command(commands: &serde_json::Value) -> Option<Vec<String>> {
    let arch = match env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let fits = |value: &serde_json::Value, wanted: &str| match value.as_str() {
        None | Some("") => Some(0),
        Some(text) => text.eq_ignore_ascii_case(wanted).then_some(1),
    };
    let best = commands
        .as_array()?
        .iter()
        .filter_map(|one| Some((2 * fits(&one["os"], env::consts::OS)? + fits(&one["arch"], arch)?, one)))
        .max_by_key(|(fit, _)| *fit)?
        .1;
    let arguments = best["args"].as_array().into_iter().flatten().filter_map(|word| word.as_str());
    Some(std::iter::once(best["command"].as_str()?).chain(arguments).map(str::to_owned).collect())
}

fn broken(why: &str) -> String {
    format!("error while parsing post rendered output: error parsing YAML: {why}")
}

/// The document as a table; none if there is nothing but comments.
fn table(doc: &str) -> Result<Option<Map>, String> {
    match pintle_yaml::decode(doc.as_bytes(), &Limits::default()).map_err(|e| broken(&e.message))? {
        Value::Nil => Ok(None),
        Value::Map(map) => Ok(Some(map)),
        _ => Err(broken("a document is no map")),
    }
}

fn text_of(map: &Map) -> Result<String, String> {
    let text = pintle_yaml::encode(&Value::Map(map.clone())).map_err(|e| broken(&e.to_string()))?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// The map below a key; one is put there if there is none.
fn child(map: &Map, key: &str) -> Map {
    match map.get(key.as_bytes()) {
        Some(Value::Map(child)) => child,
        _ => {
            let child = Map::new();
            map.insert(key, Value::Map(child.clone()));
            child
        }
    }
}

/// The document with the annotation: in its text as it is, comments and all, if its metadata are a block.
fn annotated(doc: &str, path: &str) -> Result<Option<String>, String> {
    let Some(map) = table(doc)? else { return Ok(None) };
    let wanted = map;
    child(&child(&wanted, "metadata"), "annotations").insert(FILE, Value::str(path));
    let line = format!("{FILE}: '{}'\n", path.replace('\'', "''"));
    if let Some((at, indent, has_annotations)) = metadata(doc) {
        let pad = " ".repeat(indent);
        let lines = if has_annotations { format!("{pad}{line}") } else { format!("{pad}annotations:\n{pad}  {line}") };
        let mut text = format!("{}{lines}{}", &doc[..at], &doc[at..]);
        if !text.ends_with('\n') {
            text.push('\n');
        }
        if table(&text).ok().flatten().is_some_and(|found| same(&found, &wanted)) {
            return Ok(Some(text));
        }
    }
    text_of(&wanted).map(Some)
}

fn same(a: &Map, b: &Map) -> bool {
    Value::Map(a.clone()).deep_equal(&Value::Map(b.clone()))
}

/// Where a line can be put into a document's annotations, or into its metadata if it has none: the place, the indentation,
/// and which of both.
fn metadata(doc: &str) -> Option<(usize, usize, bool)> {
    let mut events = Events::new(doc.as_bytes(), &Limits::default());
    // For each open collection whether it is a mapping, and whether a key comes next.
    let mut open: Vec<(bool, bool)> = Vec::new();
    let mut below: Vec<String> = Vec::new();
    let mut first = None;
    while let Some(event) = events.next_event().ok()? {
        let depth = open.len();
        let at_key = open.last().is_some_and(|(mapping, key)| *mapping && *key);
        match event.kind {
            EventKind::Scalar { text, .. } => {
                if at_key {
                    let key = String::from_utf8_lossy(&text).into_owned();
                    let path: Vec<&str> = below.iter().take(depth - 1).map(String::as_str).collect();
                    let line = doc[..event.start.offset].rfind('\n').map_or(0, |at| at + 1);
                    let block = doc[line..event.start.offset].bytes().all(|b| b == b' ');
                    match (&path[..], block) {
                        (["metadata", "annotations"], true) if depth == 3 => {
                            return Some((line, event.start.offset - line, true));
                        }
                        (["metadata"], true) if depth == 2 => {
                            first = first.or(Some((line, event.start.offset - line, false)));
                        }
                        (["metadata", ..], false) => return None,
                        _ => {}
                    }
                    below.truncate(depth - 1);
                    below.push(key);
                }
                turn(&mut open);
            }
            EventKind::Alias(_) => turn(&mut open),
            EventKind::MappingStart(_) | EventKind::SequenceStart(_) => {
                if at_key {
                    return None;
                }
                turn(&mut open);
                open.push((matches!(event.kind, EventKind::MappingStart(_)), true));
            }
            EventKind::MappingEnd | EventKind::SequenceEnd => {
                open.pop();
                below.truncate(open.len());
            }
            EventKind::DocumentStart | EventKind::DocumentEnd => {}
        }
    }
    first
}

/// After a key comes its value, and after that the next key.
fn turn(open: &mut [(bool, bool)]) {
    if let Some((true, key)) = open.last_mut() {
        *key = !*key;
    }
}

/// The path that a document names, and the document without the annotation; none if there is nothing but comments.
fn unannotated(doc: &str) -> Result<Option<(Option<String>, String)>, String> {
    let Some(map) = table(doc)? else { return Ok(None) };
    let annotations = match map.get(b"metadata") {
        Some(Value::Map(metadata)) => metadata.get(b"annotations").map(|annotations| (metadata, annotations)),
        _ => None,
    };
    let Some((metadata, Value::Map(annotations))) = annotations else { return Ok(Some((None, doc.to_owned()))) };
    let Some(path) = annotations.remove(FILE.as_bytes()) else { return Ok(Some((None, doc.to_owned()))) };
    let path = path.as_bytes().map(|path| String::from_utf8_lossy(path).into_owned());
    let emptied = annotations.is_empty();
    if emptied {
        metadata.remove(b"annotations");
    }
    let is_mark = |line: &str| line.trim_start().trim_start_matches(['"', '\'']).starts_with(FILE);
    let mut lines: Vec<&str> = doc.split_inclusive('\n').collect();
    if let Some(at) = lines.iter().position(|line| is_mark(line)) {
        lines.remove(at);
        if emptied && at > 0 && lines[at - 1].trim() == "annotations:" {
            lines.remove(at - 1);
        }
        let text = lines.concat();
        if table(&text).ok().flatten().is_some_and(|found| same(&found, &map)) {
            return Ok(Some((path, text)));
        }
    }
    Ok(Some((path, text_of(&map)?)))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn marks_come_and_go() {
        for (doc, marked) in [
            (
                "kind: A\nmetadata:\n  name: b # c\n",
                "kind: A\nmetadata:\n  annotations:\n    @: 'c/t.yaml'\n  name: b # c\n",
            ),
            (
                "metadata:\n    annotations:\n        x: y\n    name: b\nspec: {annotations: {a: b}}\n",
                "metadata:\n    annotations:\n        @: 'c/t.yaml'\n        x: y\n    name: b\nspec: {annotations: {a: b}}\n",
            ),
            (
                "spec:\n  metadata:\n    name: x\nmetadata:\n  name: y\n",
                "spec:\n  metadata:\n    name: x\nmetadata:\n  annotations:\n    @: 'c/t.yaml'\n  name: y\n",
            ),
        ] {
            let text = annotated(doc, "c/t.yaml").unwrap().unwrap();
            assert_eq!(text.replace(FILE, "@"), marked);
            assert_eq!(unannotated(&text).unwrap().unwrap(), (Some("c/t.yaml".into()), doc.to_owned()));
        }
        for doc in [
            "{kind: A, metadata: {name: b}}",
            "metadata: {annotations: {a: b}}\n",
            "metadata:\n  annotations:\n  name: x\n",
            "metadata:\n  annotations: {}\n",
            "kind: A\n",
            "metadata: &m\n  name: x\nother: *m\n",
            "? metadata\n: name: x\n",
        ] {
            let text = annotated(doc, "it's").unwrap().unwrap();
            let (path, rest) = unannotated(&text).unwrap().unwrap();
            assert_eq!(path.as_deref(), Some("it's"), "{doc}: {text}");
            let clean = |text: &str| {
                let map = table(text).unwrap().unwrap();
                if let Some(Value::Map(metadata)) = map.get(b"metadata") {
                    let empty = match metadata.get(b"annotations") {
                        Some(Value::Map(annotations)) => annotations.is_empty(),
                        _ => true,
                    };
                    if empty {
                        metadata.remove(b"annotations");
                    }
                    if metadata.is_empty() {
                        map.remove(b"metadata");
                    }
                }
                text_of(&map).unwrap()
            };
            assert_eq!(clean(&rest), clean(doc), "{doc}");
        }
        assert_eq!(annotated("# nothing\n", "p").unwrap(), None);
        assert!(annotated("- a\n", "p").is_err());
    }

    #[test]
    fn documents_return_to_their_files() {
        let through = |program: &str| {
            let renderer = PostRenderer {
                name: "sh".into(),
                program: "/bin/sh".into(),
                arguments: vec!["-c".into(), program.into()],
                folder: None,
            };
            renderer.run(vec![
                ("c/templates/NOTES.txt".into(), "notes".into()),
                ("c/templates/b.yaml".into(), "kind: B\nmetadata:\n  name: b\n---\nkind: C\n".into()),
                ("c/templates/a.yaml".into(), "kind: A\nmetadata:\n  name: a\n".into()),
            ])
        };
        let file = |path: &str, text: &str| (path.to_owned(), text.to_owned());
        assert_eq!(
            through("sed s/name:.a/name:\\ z/; printf -- '---\\nkind: N\\n'").unwrap(),
            [
                file("c/templates/NOTES.txt", "notes"),
                file("c/templates/a.yaml", "kind: A\nmetadata:\n  name: z\n"),
                file("c/templates/b.yaml", "kind: B\nmetadata:\n  name: b\n\n---\nkind: C\nmetadata: {}\n"),
                file("generated-by-postrender-0.yaml", "kind: N\n"),
            ]
        );
        assert!(through("cat > /dev/null").unwrap_err().ends_with("post-renderer \"sh\" produced empty output"));
        assert!(through("exit 3").unwrap_err().ends_with("plugin \"sh\" exited with error"));
        assert!(through("echo '- a'").unwrap_err().starts_with("error while parsing post rendered output"));
    }

    #[test]
    fn the_best_command_is_taken() {
        let commands = serde_json::json!([
            {"command": "any"},
            {"os": env::consts::OS, "command": "system", "args": ["a", "b"]},
            {"os": "plan9", "arch": "amd64", "command": "other"},
        ]);
        assert_eq!(command(&commands).unwrap(), ["system", "a", "b"]);
        assert_eq!(command(&serde_json::json!([{"os": "plan9", "command": "x"}])), None);
    }
}
