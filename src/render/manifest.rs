//! From rendered files to a manifest: documents, hooks, order, text.

use super::{convert::yaml_limits, sort};
use pintle_template::Diagnosis;
use pintle_value::{Map, Value, json};
use std::{collections::BTreeMap, ops::Range};

/// An object of a manifest, as far as its head says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ManifestDoc {
    /// The template that it comes from: `chart/templates/x.yaml`.
    pub path: String,
    /// Where its text is in [`super::Rendered::manifest`], without the separator and the `# Source` line.
    pub text: Range<usize>,
    /// `apiVersion`
    pub api_version: String,
    /// `kind`; empty for a document of nothing but comments.
    pub kind: String,
    /// `metadata.name`
    pub name: String,
    /// `metadata.namespace`; empty if the document names none.
    pub namespace: String,
    /// `metadata.annotations`
    pub annotations: BTreeMap<String, String>,
}

/// When a hook runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum HookEvent {
    PreInstall,
    PostInstall,
    PreDelete,
    PostDelete,
    PreUpgrade,
    PostUpgrade,
    PreRollback,
    PostRollback,
    Test,
    /// Helm 2's: definitions that come before everything else.
    CrdInstall,
}

impl HookEvent {
    /// Helm's word, as records have it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PreInstall => "pre-install",
            Self::PostInstall => "post-install",
            Self::PreDelete => "pre-delete",
            Self::PostDelete => "post-delete",
            Self::PreUpgrade => "pre-upgrade",
            Self::PostUpgrade => "post-upgrade",
            Self::PreRollback => "pre-rollback",
            Self::PostRollback => "post-rollback",
            Self::Test => "test",
            Self::CrdInstall => "crd-install",
        }
    }

    fn of(word: &str, crd_install: bool) -> Option<Self> {
        Some(match word {
            "pre-install" => Self::PreInstall,
            "post-install" => Self::PostInstall,
            "pre-delete" => Self::PreDelete,
            "post-delete" => Self::PostDelete,
            "pre-upgrade" => Self::PreUpgrade,
            "post-upgrade" => Self::PostUpgrade,
            "pre-rollback" => Self::PreRollback,
            "post-rollback" => Self::PostRollback,
            "test" | "test-success" => Self::Test,
            "crd-install" if crd_install => Self::CrdInstall,
            _ => return None,
        })
    }
}

/// An object that is no part of the release but runs at certain events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hook {
    /// `metadata.name`
    pub name: String,
    /// `kind`
    pub kind: String,
    /// The template that it comes from.
    pub path: String,
    /// The document.
    pub manifest: String,
    /// When it runs.
    pub events: Vec<HookEvent>,
    /// Hooks of an event run from low to high.
    pub weight: i64,
    /// `helm.sh/hook-delete-policy`, as written; empty if not given.
    pub delete_policies: Vec<String>,
    /// `helm.sh/hook-output-log-policy`, as written.
    pub output_log_policies: Vec<String>,
    /// The document's head. Its text range means nothing.
    pub head: ManifestDoc,
}

/// A rendered file whose text is no YAML for Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("YAML parse error on {path}: {message}")]
#[non_exhaustive]
pub struct YamlError {
    /// The template.
    pub path: String,
    /// Helm's text.
    pub message: String,
    /// The line and the column in the rendered file, from 1, the column in characters; none if it is the whole document.
    pub place: Option<(u32, u32)>,
}

impl YamlError {
    /// Counts the lines from the start of the file rather than of the document, which is a piece of it.
    fn within(mut self, text: &str, doc: &str) -> Self {
        let start = (doc.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
        if let Some((line, _)) = &mut self.place {
            let before = text.bytes().take(start).filter(|b| *b == b'\n').count();
            *line = line.saturating_add(u32::try_from(before).unwrap_or(u32::MAX));
        }
        self
    }

    /// The rendered lines around the mistake: Helm counts lines within a document and often names the line before.
    pub fn diagnosis(&self, files: &[(String, String)]) -> Option<Diagnosis> {
        let (line, column) = self.place?;
        let (path, text) = files.iter().find(|(path, _)| *path == self.path)?;
        Some(Diagnosis::of_text(format!("{path} (rendered)"), text.as_bytes(), line, column))
    }
}

/// The documents of rendered files: hooks and the rest, each in the order of installation.
pub(super) struct Sorted {
    pub(super) hooks: Vec<Hook>,
    pub(super) manifest: String,
    pub(super) objects: Vec<ManifestDoc>,
}

/// Sorts the documents of files (path, text).
pub(super) fn sort_documents(files: &mut [(String, String)], crd_install: bool) -> Result<Sorted, YamlError> {
    files.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut documents = Vec::new();
    for (path, text) in files.iter() {
        let base = path.rsplit('/').next().unwrap_or(path);
        if base.starts_with('_') || text.trim().is_empty() {
            continue;
        }
        for doc in split(text) {
            documents.push((head(path, doc).map_err(|error| error.within(text, doc))?, doc));
        }
    }
    Ok(sort_heads(documents.into_iter(), crd_install))
}

/// Sorts documents whose heads are known; what is of the same kind keeps its order.
pub(super) fn sort_heads<'a>(documents: impl Iterator<Item = (ManifestDoc, &'a str)>, crd_install: bool) -> Sorted {
    let mut hooks = Vec::new();
    let mut plain: Vec<(ManifestDoc, &str)> = Vec::new();
    for (head, doc) in documents {
        let Some(wanted) = head.annotations.get("helm.sh/hook") else {
            plain.push((head, doc));
            continue;
        };
        let events: Option<Vec<_>> =
            wanted.split(',').map(|w| HookEvent::of(&w.trim().to_lowercase(), crd_install)).collect();
        // Helm drops a document with an unknown event altogether.
        let Some(events) = events else { continue };
        let list = |key: &str| -> Vec<String> {
            let given = head.annotations.get(key).map(String::as_str);
            given.map(|g| g.split(',').map(|w| w.trim().to_lowercase()).collect()).unwrap_or_default()
        };
        hooks.push(Hook {
            name: head.name.clone(),
            kind: head.kind.clone(),
            path: head.path.clone(),
            manifest: doc.to_owned(),
            events,
            weight: head.annotations.get("helm.sh/hook-weight").and_then(|w| weight(w)).unwrap_or_default(),
            delete_policies: list("helm.sh/hook-delete-policy"),
            output_log_policies: list("helm.sh/hook-output-log-policy"),
            head,
        });
    }
    sort::by_install_order(&mut hooks, |hook| &hook.kind);
    sort::by_install_order(&mut plain, |(head, _)| &head.kind);
    let mut manifest = String::with_capacity(plain.iter().map(|(h, d)| h.path.len() + d.len() + 16).sum());
    let objects = plain
        .into_iter()
        .map(|(mut head, doc)| {
            head.text = append(&mut manifest, &head.path, doc);
            head
        })
        .collect();
    Sorted { hooks, manifest, objects }
}

/// Adds a document with its separator and origin; says where its own text is.
pub fn append(manifest: &mut String, path: &str, doc: &str) -> Range<usize> {
    manifest.push_str("---\n# Source: ");
    manifest.push_str(path);
    manifest.push('\n');
    let start = manifest.len();
    manifest.push_str(doc);
    let end = manifest.len();
    manifest.push('\n');
    start..end
}

/// Go's `strconv.Atoi`.
fn weight(text: &str) -> Option<i64> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// The documents of a text: what lies between lines that begin with `---`. What follows the dashes on their line
/// belongs to the next document; blank documents go, leading space too, trailing space stays.
pub fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = Some(text.trim_start_matches(is_space));
    // What follows a separator on its line begins no line: `------` is one separator and a text.
    let mut begins_line = true;
    std::iter::from_fn(move || {
        let current = rest?;
        let (doc, next) = match separator(current, std::mem::take(&mut begins_line)) {
            Some(at) => (&current[..at], Some(current[at + 3..].trim_start_matches([' ', '\t']))),
            None => (current, None),
        };
        rest = next;
        Some(doc)
    })
    .map(|doc| doc.trim_start_matches(is_space))
    .filter(|doc| !doc.is_empty())
}

/// Go's `unicode.IsSpace`.
fn is_space(c: char) -> bool {
    c.is_whitespace()
}

fn separator(text: &str, begins_line: bool) -> Option<usize> {
    if begins_line && text.starts_with("---") {
        return Some(0);
    }
    memchr::memmem::find(text.as_bytes(), b"\n---").map(|at| at + 1)
}

/// Reads what a document says about itself.
pub(super) fn head(path: &str, doc: &str) -> Result<ManifestDoc, YamlError> {
    match super::head::read(path, doc) {
        Some(head) => Ok(head),
        None => full_head(path, doc),
    }
}

/// The same by way of all that the document holds.
fn full_head(path: &str, doc: &str) -> Result<ManifestDoc, YamlError> {
    let fail = |message: String, place| YamlError { path: path.to_owned(), message, place };
    let value =
        pintle_yaml::decode_exact(doc.as_bytes(), &yaml_limits()).map_err(|e| fail(e.to_string(), e.place()))?;
    read_head(path, &value)
        .map_err(|message| fail(format!("error unmarshaling JSON: while decoding JSON: {message}"), None))
}

fn read_head(path: &str, value: &Value) -> Result<ManifestDoc, String> {
    let mut head = ManifestDoc { path: path.to_owned(), ..ManifestDoc::default() };
    let Some(top) = table(value, "Go value of type util.SimpleHead")? else { return Ok(head) };
    head.api_version = text(&top, "apiVersion", "SimpleHead.apiVersion")?;
    head.kind = text(&top, "kind", "SimpleHead.kind")?;
    let metadata = get(&top, "metadata").unwrap_or_default();
    let Some(metadata) = table(
        &metadata,
        "Go struct field SimpleHead.metadata of type struct { Name string \"json:\\\"name\\\"\"; Annotations map[string]string \"json:\\\"annotations\\\"\" }",
    )?
    else {
        return Ok(head);
    };
    head.name = text(&metadata, "name", ".metadata.name")?;
    // Helm does not look at the namespace here, so that a wrong one is no error yet.
    head.namespace = text(&metadata, "namespace", "").unwrap_or_default();
    let annotations = get(&metadata, "annotations").unwrap_or_default();
    let place = "Go struct field .metadata.annotations of type map[string]string";
    if let Some(annotations) = table(&annotations, place)? {
        for (key, value) in annotations.entries().iter() {
            let text = match value {
                Value::Nil => String::new(),
                other => pintle_yaml::text_of(other)
                    .map(|t| t.to_string())
                    .ok_or_else(|| json::mismatch(other, "Go struct field .metadata.annotations of type string"))?,
            };
            head.annotations.insert(key.to_str_lossy().into_owned(), text);
        }
    }
    Ok(head)
}

/// A key's value, by Go's rule of exact name first and any case after that.
fn get(map: &Map, key: &str) -> Option<Value> {
    map.get(key.as_bytes())
        .or_else(|| map.entries().iter().find(|(k, _)| k.eq_ignore_ascii_case(key.as_bytes())).map(|(_, v)| v.clone()))
}

fn table(value: &Value, place: &str) -> Result<Option<Map>, String> {
    match value {
        Value::Nil => Ok(None),
        Value::Map(map) => Ok(Some(map.clone())),
        other => Err(json::mismatch(other, place)),
    }
}

fn text(map: &Map, key: &str, place: &str) -> Result<String, String> {
    match get(map, key) {
        None | Some(Value::Nil) => Ok(String::new()),
        Some(value) => pintle_yaml::text_of(&value)
            .map(|t| t.to_string())
            .ok_or_else(|| json::mismatch(&value, &format!("Go struct field {place} of type string"))),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn documents() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            ("\n \n---\n", &[]),
            ("a: 1\n\n---\nb: 2\n\n", &["a: 1\n\n", "b: 2\n\n"]),
            ("---apiVersion: v1\n--- # c\n  x\n", &["apiVersion: v1\n", "# c\n  x\n"]),
            ("a: |\n  ---\n  b\n", &["a: |\n  ---\n  b\n"]),
            ("a\n----\nb", &["a\n", "-\nb"]),
        ];
        for (text, want) in cases {
            assert_eq!(split(text).collect::<Vec<_>>(), *want, "{text:?}");
        }
    }

    fn sorted(files: &[(&str, &str)]) -> Sorted {
        let mut files: Vec<_> = files.iter().map(|(p, t)| ((*p).to_owned(), (*t).to_owned())).collect();
        sort_documents(&mut files, false).unwrap()
    }

    #[test]
    fn manifest_text_and_places() {
        let got = sorted(&[
            ("c/templates/b.yaml", "kind: Service\nmetadata: {name: s}\n"),
            ("c/templates/a.yaml", "kind: Job\nmetadata: {name: 5, namespace: n}"),
            ("c/templates/_x.tpl", "kind: Pod"),
        ]);
        assert_eq!(
            got.manifest,
            "---\n# Source: c/templates/b.yaml\nkind: Service\nmetadata: {name: s}\n\n---\n# Source: \
             c/templates/a.yaml\nkind: Job\nmetadata: {name: 5, namespace: n}\n"
        );
        assert_eq!(got.objects[1].name, "5");
        assert_eq!(&got.manifest[got.objects[0].text.clone()], "kind: Service\nmetadata: {name: s}\n");
    }

    #[test]
    fn hooks() {
        let hook = |events: &str, more: &str| {
            format!("kind: Job\nmetadata:\n  name: j\n  annotations:\n    helm.sh/hook: {events}\n{more}")
        };
        let got = sorted(&[
            ("a", &hook("Pre-Install, test-success", "    helm.sh/hook-weight: \"-5\"\n")),
            (
                "b",
                &hook(
                    "post-upgrade",
                    "    helm.sh/hook-weight: x\n    helm.sh/hook-delete-policy: hook-failed , odd\n",
                ),
            ),
            ("c", &hook("pre-install,nonsense", "")),
        ]);
        assert_eq!(got.manifest, "");
        assert_eq!(got.hooks.len(), 2);
        assert_eq!(got.hooks[0].events, [HookEvent::PreInstall, HookEvent::Test]);
        assert_eq!(got.hooks[0].weight, -5);
        assert_eq!(
            (got.hooks[1].weight, &got.hooks[1].delete_policies[..]),
            (0, &["hook-failed".into(), "odd".into()][..])
        );
    }

    #[test]
    fn both_readers_see_the_same() {
        let mut quick = 0;
        for doc in [
            "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  namespace: \"5\"\n  annotations:\n    a/b: c\n    d: 'e'\nspec: [a, {b: c}]\n",
            "kind: A\nmetadata:\n  annotations:\n  labels: {name: x, annotations: {q: r}}\n  name: nn\nitems:\n- kind: B\n  metadata: {name: b}\n",
            "kind: yes\nmetadata: {name: 1.10}",
            "kind: a\nkind: b",
            "Kind: a",
            "metadata:\n  name: a\n  name: b\n",
            "metadata: {annotations: {a: 1, b: true, c: ~, d: |\n  x}}",
            "metadata:\n  annotations:\n    a: 1\n    b: |\n      x\n    c: >-\n      y\n",
            "<<: {kind: A}",
            "x: &a {kind: B}\ny: *a\nkind: C",
            "? [a]\n: b",
            "a: .inf",
            "~: a",
            "- a",
            "# nothing\n",
            "a: b: c",
            "kind: {}",
            "metadata: []",
            "kind: A\n...\nkind: B",
            "a: [1, 2\n",
        ] {
            let full = full_head("p", doc);
            if let Some(read) = super::super::head::read("p", doc) {
                quick += 1;
                assert_eq!(Ok(read), full, "{doc}");
            }
        }
        assert_eq!(quick, 3);
    }

    #[test]
    fn spoilt_documents_are_read_alike_or_left_alone() {
        let doc = "apiVersion: apps/v1 # x\nkind: Job\nmetadata:\n  name: \"a\"\n  annotations:\n    a/b: 1.2.3\n  labels: {}\n\
                   spec:\n  list:\n  - a: [x, \"y\"]\n    b: |-\n      text: - {\n\n       more\n  - -x.y\n  - words that\n    go on\n\
                   \x20 text: 'quoted\n    lines' # z\n  own:\n    {}\n  empty:\n";
        let bits = [
            "\n",
            " ",
            "\t",
            ":",
            ": ",
            "#",
            " #",
            "- ",
            "'",
            "\"",
            "|",
            "[",
            "]",
            "{",
            ",",
            "&a ",
            "*a",
            "!",
            "?",
            "%",
            "\\",
            "~",
            "é",
            "\u{85}",
            "kind: x\n",
            "---",
            "\n...\n",
        ];
        let mut read = 0;
        for bit in bits {
            for at in 0..=doc.len() {
                let spoilt = [&doc[..at], bit, &doc[at..]].concat();
                if let Some(head) = super::super::head::read("p", &spoilt) {
                    read += 1;
                    assert_eq!(Ok(head), full_head("p", &spoilt), "{spoilt}");
                }
            }
        }
        assert!(read > 1000, "{read}");
    }

    #[test]
    fn what_is_no_object_is_refused() {
        for (text, want) in [
            (
                "- a",
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type util.SimpleHead",
            ),
            (
                "kind: [a]",
                "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct field SimpleHead.kind of type string",
            ),
        ] {
            let mut files = [("p".to_owned(), text.to_owned())];
            assert_eq!(sort_documents(&mut files, false).err().unwrap().message, want);
        }
    }
}
