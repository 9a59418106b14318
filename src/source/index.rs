//! A repository's index: which charts there are in which versions, and where. Keeps the few fields that choosing and fetching
//! need; the rest of a 30 MB index is never built.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use pintle_golib::semver::{Constraint, Version};

use super::digest::Sha256;
use super::error::Error;
use super::index_reader::{self, Draft, Drafts};

/// How many of the entries that had to be left out are named.
const NAMED: usize = 10;

/// The charts of a repository.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Index {
    url: String,
    revision: Sha256,
    charts: BTreeMap<Box<str>, Vec<Entry>>,
    versions: usize,
    dropped: usize,
    warnings: Vec<String>,
}

/// One version of a chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The chart's name.
    pub name: Box<str>,
    /// Its version.
    pub version: Box<str>,
    /// The version of the application in it.
    pub app_version: Option<Box<str>>,
    /// Where it is; relative to the repository or absolute. The first of the addresses in the index.
    pub url: Option<Box<str>>,
    /// The digest of the packaged chart as the index gives it: hexadecimal SHA-256, `sha256:` before it or not.
    pub digest: Option<Box<str>>,
    /// The size of the packaged chart in bytes, which registries tell and indexes do not.
    pub size: Option<u64>,
    /// When it was made.
    pub created: Option<Box<str>>,
    /// Whether its makers advise against it.
    pub deprecated: bool,
}

impl Index {
    /// Reads an index, YAML or JSON. `url` is for messages.
    ///
    /// Unknown fields are no error (Helm refuses the index). Entries that cannot be used (no name, no semantic version, an
    /// unknown type) are left out, as Helm does, and named in [`Index::warnings`].
    pub fn read(bytes: &[u8], url: &str) -> Result<Index, Error> {
        let invalid = |why: String| Error::Index { url: url.to_owned(), why };
        let document = index_reader::read(bytes).map_err(invalid)?;
        if document.api_version.is_none_or(|version| version.is_empty()) {
            return Err(invalid("no API version specified: this is no index of a Helm repository".to_owned()));
        }
        let mut index = Index {
            url: url.to_owned(),
            revision: Sha256::of(bytes),
            charts: BTreeMap::new(),
            versions: 0,
            dropped: 0,
            warnings: Vec::new(),
        };
        for (name, drafts) in document.entries {
            let versions = index.versions_of(&name, drafts);
            index.versions += versions.len();
            index.charts.entry(name.into()).or_default().extend(versions);
        }
        Ok(index)
    }

    fn versions_of(&mut self, chart: &str, drafts: Drafts) -> Vec<Entry> {
        let mut versions = Vec::with_capacity(drafts.len());
        for (position, draft) in drafts.into_iter().enumerate() {
            match draft.ok_or_else(|| "it is empty".to_owned()).and_then(usable) {
                Ok(version) => versions.push(version),
                Err(why) => {
                    self.dropped += 1;
                    if self.warnings.len() < NAMED {
                        self.warnings.push(format!("entry {position} of chart {chart:?} is left out: {why}"));
                    }
                }
            }
        }
        versions.sort_by(|(a, x), (b, y)| newest_first((a, x), (b, y)));
        versions.into_iter().map(|(_, entry)| entry).collect()
    }

    /// The digest of the index's bytes.
    pub fn revision(&self) -> Sha256 {
        self.revision
    }

    /// How many charts there are.
    pub fn charts(&self) -> usize {
        self.charts.len()
    }

    /// How many versions of charts there are.
    pub fn versions(&self) -> usize {
        self.versions
    }

    /// How many entries were left out.
    pub fn dropped(&self) -> usize {
        self.dropped
    }

    /// Why the first of them were.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// All charts by name, each with its versions, newest first.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[Entry])> {
        self.charts.iter().map(|(name, versions)| (&**name, versions.as_slice()))
    }

    /// The version of a chart that `range` asks for, by Helm's rules: the very text if there is such a version, else the newest
    /// version in the range; no range is the newest that is no pre-release.
    pub fn resolve(&self, chart: &str, range: &str) -> Result<&Entry, Error> {
        let Some(entries) = self.charts.get(chart).filter(|entries| !entries.is_empty()) else {
            return Err(Error::NoChart { chart: chart.to_owned(), url: self.url.clone() });
        };
        if let Some(entry) = entries.iter().find(|entry| !range.is_empty() && &*entry.version == range) {
            return Ok(entry);
        }
        let constraint = Constraint::parse(if range.is_empty() { "*" } else { range }).map_err(|error| {
            Error::Range { chart: chart.to_owned(), range: range.to_owned(), why: error.to_string() }
        })?;
        let fits = |entry: &&Entry| Version::parse(&entry.version).is_ok_and(|version| constraint.check(&version));
        entries.iter().find(fits).ok_or_else(|| Error::NoVersion {
            chart: chart.to_owned(),
            range: range.to_owned(),
            url: self.url.clone(),
            has: some_of(entries.iter().map(|entry| &*entry.version)),
        })
    }
}

/// What Helm demands of an entry before it lets it into the index.
fn usable(draft: Draft) -> Result<(Version, Entry), String> {
    let name = draft.name.filter(|name| !name.is_empty()).ok_or("it has no name")?;
    if name.contains(['/', '\\']) || name == "." || name == ".." {
        return Err(format!("its name {name:?} is a path"));
    }
    let version = draft.version.filter(|version| !version.is_empty()).ok_or("it has no version")?;
    let parsed = Version::parse(&version).map_err(|error| format!("its version {version:?}: {error}"))?;
    if let Some(kind) = draft.kind.filter(|kind| !matches!(&**kind, "" | "application" | "library")) {
        return Err(format!("its type {kind:?} is neither application nor library"));
    }
    let text = |text: Option<String>| text.filter(|text| !text.is_empty()).map(String::into_boxed_str);
    let entry = Entry {
        name: name.into(),
        version: version.into(),
        app_version: text(draft.app_version),
        url: text(draft.url),
        digest: text(draft.digest),
        size: None,
        created: text(draft.created),
        deprecated: draft.deprecated.as_deref() == Some("true"),
    };
    Ok((parsed, entry))
}

/// By version; of equal versions (they differ in build metadata) the one made last.
fn newest_first((a, x): (&Version, &Entry), (b, y): (&Version, &Entry)) -> Ordering {
    let made = |entry: &Entry| entry.created.as_deref().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    b.compare(a).then_with(|| made(y).cmp(&made(x)))
}

/// The first of some versions, newest first, and how many more there are.
pub(super) fn some_of<'a>(mut versions: impl Iterator<Item = &'a str>) -> String {
    let shown: Vec<&str> = versions.by_ref().take(3).collect();
    let more = versions.count();
    if more == 0 { shown.join(", ") } else { format!("{} and {more} older", shown.join(", ")) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    const YAML: &str = r#"
apiVersion: v1
generated: "2024-01-01T00:00:00Z"
serverInfo: {contextPath: /v1}
entries:
  web:
  - apiVersion: v2
    name: web
    version: 1.2.0
    appVersion: 1.10
    description: A web server
    created: "2024-01-02T00:00:00Z"
    digest: sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855
    urls: [charts/web-1.2.0.tgz, https://mirror/web-1.2.0.tgz]
    dependencies:
    - {name: db, version: 1, repository: "https://x", tags: [a, [b]]}
    unknownField: {deep: [1, {a: b}]}
  - {name: web, version: 2.0.0-rc.1, urls: [web-2.0.0-rc.1.tgz], type: application}
  - {name: web, version: 1.10.0, urls: ["https://h/web-1.10.0.tgz"], deprecated: true}
  - {name: web, version: 1.2.0+b, created: "2024-01-03T00:00:00Z", urls: [b.tgz]}
  - {name: web, version: 1.2.0+a, created: "2024-01-04T00:00:00Z", urls: [a.tgz]}
  - null
  - 17
  - [a, {b: c}]
  - {name: web, version: one, urls: [x]}
  - {name: web, urls: [x]}
  - {version: 1.0.0, urls: [x]}
  - {name: ../web, version: 1.0.0}
  - {name: web, version: 1.0.0, type: module}
  db:
  - name: db
    version: 3
    urls: []
  none: []
  nil:
"#;

    fn shown(index: &Index) -> Vec<String> {
        let one = |entry: &Entry| format!("{} {}", entry.version, entry.url.as_deref().unwrap_or("-"));
        index
            .iter()
            .map(|(name, entries)| format!("{name}: {}", entries.iter().map(one).collect::<Vec<_>>().join(", ")))
            .collect()
    }

    const SHOWN: [&str; 4] = [
        "db: 3 -",
        "nil: ",
        "none: ",
        "web: 2.0.0-rc.1 web-2.0.0-rc.1.tgz, 1.10.0 https://h/web-1.10.0.tgz, 1.2.0+a a.tgz, 1.2.0+b b.tgz, \
         1.2.0 charts/web-1.2.0.tgz",
    ];

    #[test]
    fn reads_what_is_usable_and_names_the_rest() {
        let index = Index::read(YAML.as_bytes(), "u").unwrap();
        assert_eq!(shown(&index), SHOWN);
        assert_eq!((index.charts(), index.versions(), index.dropped()), (4, 6, 8));
        assert_eq!(
            index.warnings(),
            [
                "entry 5 of chart \"web\" is left out: it is empty",
                "entry 6 of chart \"web\" is left out: it is empty",
                "entry 7 of chart \"web\" is left out: it is empty",
                "entry 8 of chart \"web\" is left out: its version \"one\": invalid semantic version",
                "entry 9 of chart \"web\" is left out: it has no version",
                "entry 10 of chart \"web\" is left out: it has no name",
                "entry 11 of chart \"web\" is left out: its name \"../web\" is a path",
                "entry 12 of chart \"web\" is left out: its type \"module\" is neither application nor library",
            ]
        );
        let web = index.resolve("web", "1.2.0").unwrap();
        assert_eq!(web.app_version.as_deref(), Some("1.1"), "a number, as Go's YAML has it");
        assert!(web.digest.as_deref().is_some_and(|digest| digest.starts_with("sha256:e3b0")));
        assert!(index.resolve("web", "1.10.0").unwrap().deprecated);
        assert_eq!(index.revision(), Sha256::of(YAML.as_bytes()));
    }

    #[test]
    fn json_and_aliases_read_the_same() {
        let json = r#" {"apiVersion":"v1","generated":"x","entries":{"web":[
            {"name":"web","version":"1.0.0","urls":["a.tgz",{"b":1}],"maintainers":[{"name":"x"}],"digest":null},
            null, 3, "x", [1], {"name":"web","version":2,"urls":null}]}} "#;
        let yaml = r#"
apiVersion: &v v1
x-base: &base {name: web, urls: [a.tgz]}
entries:
  web:
  - {<<: *base, version: 1.0.0}
  - null
  - 3
  - x
  - [1]
  - {name: web, version: 2}
"#;
        for text in [json, yaml] {
            let index = Index::read(text.as_bytes(), "u").unwrap();
            assert_eq!(shown(&index), ["web: 2 -, 1.0.0 a.tgz"], "{text}");
            assert_eq!(index.dropped(), 4);
        }
    }

    #[test]
    fn what_is_no_index_says_so() {
        for (text, expected) in [
            ("", "u: empty index.yaml file"),
            (" \n", "u: empty index.yaml file"),
            ("<html>", "u: it is no mapping: this is no index of a Helm repository"),
            ("entries: {}", "u: no API version specified: this is no index of a Helm repository"),
            ("{}", "u: no API version specified: this is no index of a Helm repository"),
            ("apiVersion: v1\nentries: [a]", "u: entries is no mapping of charts"),
            ("apiVersion: v1\nentries: {a: {b: c}}", "u: entries of chart \"a\" are no list"),
        ] {
            assert_eq!(Index::read(text.as_bytes(), "u").unwrap_err().to_string(), expected, "{text}");
        }
        for text in ["a: b: c", "{\"a\"", "a: [", "apiVersion: v1\nentries: {a: [{name: \"", "- *x", "apiVersion: *x"] {
            assert!(matches!(Index::read(text.as_bytes(), "u"), Err(Error::Index { .. })), "{text}");
        }
        let deep = format!("apiVersion: v1\nx: {}", "[".repeat(100_000));
        assert!(Index::read(deep.as_bytes(), "u").is_err());
        assert_eq!(Index::read(b"apiVersion: v1\nentries:\n", "u").unwrap().charts(), 0);
    }

    #[test]
    fn chooses_as_helm_does() {
        let index = Index::read(YAML.as_bytes(), "https://h/index.yaml").unwrap();
        for (range, expected) in [
            ("", "1.10.0"),
            ("*", "1.10.0"),
            ("1.2.0", "1.2.0"),
            ("1.2.0+b", "1.2.0+b"),
            ("1.2.x", "1.2.0+a"),
            (">=1.0 <1.5", "1.2.0+a"),
            (">0.0.0-0", "2.0.0-rc.1"),
            ("2.0.0-rc.1", "2.0.0-rc.1"),
            ("v1.10.0", "1.10.0"),
            ("^1", "1.10.0"),
            ("~1.2 || 3", "1.2.0+a"),
            (
                "3.x",
                "chart \"web\" has no version that fits \"3.x\" in the index of https://h/index.yaml \
                 (it has 2.0.0-rc.1, 1.10.0, 1.2.0+a and 2 older)",
            ),
            ("newest", "chart \"web\": version \"newest\": improper constraint: \"newest\""),
        ] {
            let answer = index.resolve("web", range);
            let shown = answer.map_or_else(|error| error.to_string(), |entry| entry.version.to_string());
            assert_eq!(shown, expected, "{range}");
        }
        for chart in ["cache", "none"] {
            let expected = format!("chart {chart:?} is not in the index of https://h/index.yaml");
            assert_eq!(index.resolve(chart, "").unwrap_err().to_string(), expected);
        }
    }
}
