//! Charts from archives and folders. Both are in strangers' hands: every size and count has a limit, no path leads
//! out of the chart, and nothing is written to disk.

use super::{Chart, Dependency, File, Frozen, Lock, Metadata, document, ignore::Rules};
use flate2::read::MultiGzDecoder;
use pintle_value::Value;
use std::{
    io::{self, Read},
    path::{Component, Path, PathBuf},
    sync::Arc,
};

/// How much a chart may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of the compressed archive.
    pub archive_bytes: usize,
    /// Unpacked bytes of everything, archives in the archive included.
    pub total_bytes: u64,
    /// Bytes of one file.
    pub file_bytes: u64,
    /// Files, archives in the archive included.
    pub files: usize,
    /// How deeply charts may lie in charts.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        // Sizes of one file and in total are Helm's.
        Self { archive_bytes: 50 << 20, total_bytes: 100 << 20, file_bytes: 5 << 20, files: 20_000, depth: 16 }
    }
}

/// Why a chart cannot be loaded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The source is larger than allowed.
    #[error("{what} is larger than the maximum size {limit}")]
    TooLarge {
        /// What is too large.
        what: String,
        /// Bytes allowed.
        limit: u64,
    },
    /// More files or deeper nesting than allowed.
    #[error("chart has {what}: more than {limit} are not allowed")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// Not an archive.
    #[error("file does not appear to be a gzipped archive; got {0:?}")]
    NotGzip(&'static str),
    /// A broken archive or unreadable file.
    #[error("{path}: {source}")]
    Read {
        /// The file, or `archive`.
        path: String,
        /// What went wrong.
        source: io::Error,
    },
    /// A link to nothing; the text is Helm's.
    #[error("error evaluating symlink {path}: lstat {at}: no such file or directory")]
    Link {
        /// The link.
        path: String,
        /// The first of the places that it leads through that is not there.
        at: String,
    },
    /// A path that leads out of the chart.
    #[error("{0}")]
    Path(&'static str),
    /// An archive without files.
    #[error("no files in chart archive")]
    Empty,
    /// No Chart.yaml.
    #[error("Chart.yaml file is missing")]
    NoMetadata,
    /// A file of the chart is not what it must be.
    #[error("cannot load {file}: {why}")]
    Content {
        /// Which file.
        file: &'static str,
        /// Why.
        why: String,
    },
    /// Chart.yaml breaks a rule; the text is Helm's.
    #[error("{0}")]
    Invalid(String),
    /// A subchart cannot be loaded.
    #[error("error unpacking {what} in {parent}: {source}")]
    Subchart {
        /// The folder or archive.
        what: String,
        /// The chart that holds it.
        parent: String,
        /// What went wrong with it.
        source: Box<Error>,
    },
}

/// Loads a gzipped tar archive.
///
/// # Errors
/// See [`Error`].
pub fn archive(bytes: &[u8], limits: &Limits) -> Result<Chart, Error> {
    let mut budget = Budget { bytes: limits.total_bytes, files: limits.files, limits: *limits };
    load_archive(bytes, &mut budget, 0)
}

/// Loads a chart folder.
///
/// # Errors
/// See [`Error`].
pub fn directory(path: &Path, limits: &Limits) -> Result<Chart, Error> {
    let mut budget = Budget { bytes: limits.total_bytes, files: limits.files, limits: *limits };
    let read = |p: &Path| std::fs::read(p).map_err(|source| Error::Read { path: p.display().to_string(), source });
    let ignore_file = path.join(".helmignore");
    let rules = if ignore_file.is_file() { read(&ignore_file)? } else { Vec::new() };
    let rules = Rules::parse(&rules).map_err(|why| Error::Content { file: ".helmignore", why })?;
    let mut files = Vec::new();
    walk(path, "", &rules, &mut budget, 0, &mut files)?;
    let mut digest = aws_lc_rs::digest::Context::new(&aws_lc_rs::digest::SHA256);
    for file in &files {
        digest.update(&(file.name.len() as u64).to_be_bytes());
        digest.update(file.name.as_bytes());
        digest.update(&(file.data.len() as u64).to_be_bytes());
        digest.update(&file.data);
    }
    let mut chart = assemble(files, &mut budget, 0)?;
    chart.digest = digest_bytes(digest.finish().as_ref());
    Ok(chart)
}

/// Loads a folder or an archive, whichever the path is.
///
/// # Errors
/// See [`Error`].
pub fn path(path: &Path, limits: &Limits) -> Result<Chart, Error> {
    if path.is_dir() {
        return directory(path, limits);
    }
    let named = |source| Error::Read { path: path.display().to_string(), source };
    let size = std::fs::metadata(path).map_err(named)?.len();
    if size > limits.archive_bytes as u64 {
        return Err(Error::TooLarge { what: "chart archive".into(), limit: limits.archive_bytes as u64 });
    }
    archive(&std::fs::read(path).map_err(named)?, limits)
}

/// Builds a chart from files that are in memory already.
///
/// # Errors
/// See [`Error`].
pub fn files(files: Vec<File>, limits: &Limits) -> Result<Chart, Error> {
    let mut budget = Budget { bytes: limits.total_bytes, files: limits.files, limits: *limits };
    assemble(files, &mut budget, 0)
}

/// What is left of the limits; one for a chart and all charts inside it.
struct Budget {
    bytes: u64,
    files: usize,
    limits: Limits,
}

impl Budget {
    fn file(&mut self, name: &str, size: u64) -> Result<(), Error> {
        if size > self.limits.file_bytes {
            return Err(Error::TooLarge {
                what: format!("decompressed chart file {name:?}"),
                limit: self.limits.file_bytes,
            });
        }
        self.files =
            self.files.checked_sub(1).ok_or(Error::TooMany { what: "too many files", limit: self.limits.files })?;
        self.bytes = self.bytes.checked_sub(size).ok_or_else(|| self.too_large())?;
        Ok(())
    }

    fn too_large(&self) -> Error {
        Error::TooLarge { what: "decompressed chart".into(), limit: self.limits.total_bytes }
    }
}

fn digest_bytes(digest: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(&digest[..32]);
    bytes
}

fn load_archive(bytes: &[u8], budget: &mut Budget, depth: usize) -> Result<Chart, Error> {
    if bytes.len() > budget.limits.archive_bytes {
        return Err(Error::TooLarge { what: "chart archive".into(), limit: budget.limits.archive_bytes as u64 });
    }
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return Err(Error::NotGzip(sniff(bytes)));
    }
    let files = unpack(bytes, budget)?;
    let mut chart = assemble(files, budget, depth)?;
    chart.digest = digest_bytes(aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes).as_ref());
    Ok(chart)
}

/// What the bytes look like instead of an archive, roughly as Go's `http.DetectContentType` says.
fn sniff(bytes: &[u8]) -> &'static str {
    let head = &bytes[..bytes.len().min(512)];
    if head.trim_ascii_start().to_ascii_lowercase().starts_with(b"<!doctype html") {
        "text/html; charset=utf-8"
    } else if head.iter().any(|b| matches!(b, 0..=8 | 0x0b | 0x0e..=0x1a | 0x1c..=0x1f)) {
        "application/octet-stream"
    } else {
        "text/plain; charset=utf-8"
    }
}

fn unpack(bytes: &[u8], budget: &mut Budget) -> Result<Vec<File>, Error> {
    let broken = |source| Error::Read { path: "archive".into(), source };
    // Headers and padding count too, so that an archive of nothing but headers ends.
    let ceiling = budget.bytes.saturating_add(budget.files as u64 * 2048).saturating_add(1 << 20);
    let mut tar = tar::Archive::new(MultiGzDecoder::new(bytes).take(ceiling));
    let mut files = Vec::new();
    for entry in tar.entries().map_err(broken)? {
        let entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if kind.is_dir() || kind.is_pax_global_extensions() || kind.is_pax_local_extensions() {
            continue;
        }
        let raw = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        // A folder without the type of one.
        if raw.ends_with('/') && entry.size() == 0 {
            continue;
        }
        let name = entry_name(&raw)?;
        budget.file(&name, entry.size())?;
        let size = entry.size();
        let (data, read) = read_data(entry, size).map_err(broken)?;
        if (read as u64) < size && !kind.is_symlink() && !kind.is_hard_link() {
            return Err(broken(io::ErrorKind::UnexpectedEof.into()));
        }
        let data = if read < data.len() { data[..read].into() } else { data };
        files.push(File { name: name.into(), data: without_bom(data) });
    }
    if files.is_empty() { Err(Error::Empty) } else { Ok(files) }
}

/// Reads so many bytes, which are known to be few enough, into the place where they stay; says how many there were.
fn read_data(mut from: impl Read, size: u64) -> io::Result<(Arc<[u8]>, usize)> {
    let size = usize::try_from(size).map_err(io::Error::other)?;
    let mut data: Arc<[u8]> = std::iter::repeat_n(0, size).collect();
    let mut read = 0;
    if let Some(place) = Arc::get_mut(&mut data) {
        while read < size {
            match from.read(&mut place[read..]) {
                Ok(0) => break,
                Ok(count) => read += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok((data, read))
}

/// The path inside the chart: the first component goes, whatever it is called, and nothing leads outside.
fn entry_name(raw: &str) -> Result<String, Error> {
    let separator = if raw.contains('\\') { '\\' } else { '/' };
    let (first, rest) = raw.split_once(separator).unwrap_or((raw, ""));
    let rest = rest.replace(separator, "/");
    if rest.starts_with('/') {
        return Err(Error::Path("chart illegally contains absolute paths"));
    }
    let mut clean: Vec<&str> = Vec::new();
    for part in rest.split('/') {
        match part {
            "" | "." => {}
            ".." if clean.last().is_some_and(|last| *last != "..") => {
                clean.pop();
            }
            part => clean.push(part),
        }
    }
    let name = clean.join("/");
    if name.is_empty() && first != "Chart.yaml" {
        return Err(Error::Path("chart illegally contains content outside the base directory"));
    }
    if name.starts_with("..") {
        return Err(Error::Path("chart illegally references parent directory"));
    }
    if matches!(name.as_bytes(), [drive, b':', b'/', ..] if drive.is_ascii_alphabetic()) {
        return Err(Error::Path("chart contains illegally named files"));
    }
    if first == "Chart.yaml" {
        return Err(Error::Path("chart yaml not in base directory"));
    }
    Ok(name)
}

fn without_bom(data: Arc<[u8]>) -> Arc<[u8]> {
    match data.strip_prefix(b"\xef\xbb\xbf") {
        Some(rest) => rest.into(),
        None => data,
    }
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}

/// Where a link's way ends before its goal.
fn broken_link(link: &Path) -> Option<String> {
    let to = std::fs::read_link(link).ok()?;
    let mut at = PathBuf::new();
    for part in std::path::absolute(link.parent()?.join(to)).ok()?.components() {
        match part {
            Component::ParentDir => {
                at.pop();
            }
            part => at.push(part),
        }
        if std::fs::symlink_metadata(&at).is_err() {
            return Some(at.display().to_string());
        }
    }
    // A link to a link.
    (at != link).then(|| broken_link(&at)).flatten()
}

fn walk(
    root: &Path,
    inside: &str,
    rules: &Rules,
    budget: &mut Budget,
    depth: usize,
    files: &mut Vec<File>,
) -> Result<(), Error> {
    // Links are followed, so a loop of them ends here.
    if depth > 64 {
        return Err(Error::TooMany { what: "too many folders in folders", limit: 64 });
    }
    let folder = root.join(inside);
    let named = |path: &Path| {
        let path = path.display().to_string();
        move |source| Error::Read { path, source }
    };
    let mut entries: Vec<PathBuf> = std::fs::read_dir(&folder)
        .map_err(named(&folder))?
        .map(|entry| entry.map(|e| e.path()))
        .collect::<Result<_, _>>()
        .map_err(named(&folder))?;
    entries.sort();
    for path in entries {
        let base = path.file_name().unwrap_or_default().to_string_lossy();
        let name = if inside.is_empty() { base.into_owned() } else { format!("{inside}/{base}") };
        let about = std::fs::metadata(&path).map_err(|source| match broken_link(&path) {
            Some(at) if source.kind() == io::ErrorKind::NotFound => Error::Link { path: absolute(&path), at },
            _ => named(&path)(source),
        })?;
        if rules.ignores(&name, about.is_dir()) {
            continue;
        }
        if about.is_dir() {
            walk(root, &name, rules, budget, depth + 1, files)?;
            continue;
        }
        if !about.is_file() {
            let source = io::Error::other("cannot load irregular file as it has file mode type bits set");
            return Err(Error::Read { path: path.display().to_string(), source });
        }
        budget.file(&name, about.len())?;
        let mut data = Vec::new();
        std::fs::File::open(&path)
            .and_then(|file| file.take(about.len()).read_to_end(&mut data))
            .map_err(named(&path))?;
        files.push(File { name: name.into(), data: without_bom(data.into()) });
    }
    Ok(())
}

fn content(file: &'static str) -> impl Fn(String) -> Error {
    move |why| Error::Content { file, why }
}

fn typed<T>(file: &'static str, data: &[u8], read: impl Fn(&Value) -> Result<T, String>) -> Result<T, Error> {
    let value = document::decode(data).map_err(content(file))?;
    read(&value).map_err(|why| {
        if why.starts_with("validation: ") {
            return Error::Invalid(why);
        }
        Error::Content { file, why: format!("error unmarshaling JSON: while decoding JSON: {why}") }
    })
}

fn assemble(files: Vec<File>, budget: &mut Budget, depth: usize) -> Result<Chart, Error> {
    if depth > budget.limits.depth {
        return Err(Error::TooMany { what: "too many charts in charts", limit: budget.limits.depth });
    }
    let mut chart = Chart { values: Frozen::table(), ..Chart::default() };
    let metadata = files.iter().find(|f| &*f.name == "Chart.yaml").ok_or(Error::NoMetadata)?;
    chart.metadata = typed("Chart.yaml", &metadata.data, Metadata::read)?;
    match chart.metadata.api_version.as_str() {
        "" => chart.metadata.api_version = "v1".into(),
        "v1" | "v2" | "v3" => {}
        _ => return Err(Error::Invalid("unsupported chart version".into())),
    }
    let keeps_requirements = chart.metadata.api_version == "v1";

    let mut subcharts: Vec<(String, Vec<File>)> = Vec::new();
    for file in files {
        match &*file.name {
            "Chart.yaml" => {}
            "Chart.lock" => chart.lock = Some(typed("Chart.lock", &file.data, Lock::read)?),
            "values.yaml" => {
                let table = document::decode_tables(&file.data).map_err(|e| content("values.yaml")(e.message))?;
                chart.values = Frozen::of(&Value::Map(table)).map_err(|e| content("values.yaml")(e.to_string()))?;
                chart.raw_values = Some(file.data);
            }
            "values.schema.json" => chart.schema = Some(file.data),
            "requirements.yaml" if chart.metadata.api_version != "v3" => {
                let extra = typed("requirements.yaml", &file.data, Metadata::read)?;
                let found: Vec<Dependency> = extra.dependencies;
                if !found.is_empty() {
                    chart.metadata.dependencies = found;
                }
                if keeps_requirements {
                    chart.files.push(file);
                }
            }
            "requirements.lock" if chart.metadata.api_version != "v3" => {
                chart.lock = Some(typed("requirements.lock", &file.data, Lock::read)?);
                if keeps_requirements {
                    chart.files.push(file);
                }
            }
            name if name.starts_with("templates/") => chart.templates.push(file),
            name if name.starts_with("charts/") => {
                if name.ends_with(".prov") {
                    chart.files.push(file);
                    continue;
                }
                let inner = &name["charts/".len()..];
                let owner = inner.split('/').next().unwrap_or(inner).to_owned();
                let file = File { name: inner.into(), data: file.data };
                match subcharts.iter_mut().find(|(name, _)| *name == owner) {
                    Some((_, files)) => files.push(file),
                    None => subcharts.push((owner, vec![file])),
                }
            }
            _ => chart.files.push(file),
        }
    }
    chart.metadata.validate().map_err(Error::Invalid)?;

    subcharts.sort_by(|(a, _), (b, _)| a.cmp(b));
    for (name, files) in subcharts {
        if let Some(child) = subchart(&name, files, &chart.metadata.name, budget, depth + 1)? {
            chart.dependencies.push(Arc::new(child));
        }
    }
    Ok(chart)
}

fn subchart(
    name: &str,
    files: Vec<File>,
    parent: &str,
    budget: &mut Budget,
    depth: usize,
) -> Result<Option<Chart>, Error> {
    if name.starts_with(['_', '.']) {
        return Ok(None);
    }
    let (what, loaded) = if name.ends_with(".tgz") {
        let loaded = match &files[..] {
            [file, ..] if &*file.name == name => load_archive(&file.data, budget, depth),
            [file, ..] => Err(Error::Invalid(format!("expected {name}, got {}", file.name))),
            [] => return Ok(None),
        };
        (format!("subchart tar {name}"), loaded)
    } else {
        let files = files
            .into_iter()
            .filter_map(|f| f.name.split_once('/').map(|(_, rest)| File { name: rest.into(), data: f.data.clone() }))
            .collect();
        (format!("subchart {name}"), assemble(files, budget, depth))
    };
    loaded.map(Some).map_err(|source| Error::Subchart { what, parent: parent.to_owned(), source: Box::new(source) })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    type Entries<'a> = &'a [(&'a str, &'a [u8])];

    const METADATA: (&str, &[u8]) = ("c/Chart.yaml", b"apiVersion: v2\nname: c\nversion: 1.0.0\n");

    /// A gzipped tar of these entries, paths as they are.
    fn packed(entries: Entries<'_>) -> Vec<u8> {
        let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
        for (path, data) in entries {
            let mut header = tar::Header::new_gnu();
            // Written by hand, since the library refuses the paths that are tried here.
            header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
            header.set_size(data.len() as u64);
            header.set_mode(0o644);
            header.set_cksum();
            tar.append(&header, *data).unwrap();
        }
        tar.into_inner().unwrap().finish().unwrap()
    }

    fn load(entries: Entries<'_>, limits: &Limits) -> Result<Chart, String> {
        archive(&packed(entries), limits).map_err(|e| e.to_string())
    }

    #[test]
    fn files_go_where_helm_puts_them() {
        let inner = packed(&[("s/Chart.yaml", b"name: s\nversion: 1.1.0\n"), ("s/values.yaml", b"x: 1\n")]);
        let chart = load(
            &[
                METADATA,
                ("c/values.yaml", b"\xef\xbb\xbfa: 1\n---\nb: 2\n"),
                ("c/values.schema.json", b"{}"),
                ("c/templates/a.yaml", b"t"),
                ("c/templates/sub/NOTES.txt", b"n"),
                ("c/crds/x.yaml", b"crd"),
                ("c/README.md", b"r"),
                ("c/charts/s-1.1.0.tgz", &inner),
                ("c/charts/t/Chart.yaml", b"apiVersion: v1\nname: t\nversion: 1.0.0\n"),
                ("c/charts/t/requirements.yaml", b"dependencies: [{name: u, version: 1.x}]"),
                ("c/charts/_off/Chart.yaml", b"name: off\nversion: 1.0.0\n"),
                ("c/charts/s-1.1.0.tgz.prov", b"p"),
            ],
            &Limits::default(),
        )
        .unwrap();
        let names = |files: &[File]| files.iter().map(|f| f.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(&chart.templates), ["templates/a.yaml", "templates/sub/NOTES.txt"]);
        assert_eq!(names(&chart.files), ["crds/x.yaml", "README.md", "charts/s-1.1.0.tgz.prov"]);
        assert_eq!(serde_json::Value::from(&chart.values), serde_json::json!({"a": 1, "b": 2}));
        assert!(chart.schema.is_some());
        let [s, t] = &chart.dependencies[..] else { panic!("two dependencies") };
        assert_eq!((s.name(), s.metadata.api_version.as_str()), ("s", "v1"));
        assert_eq!((t.name(), t.metadata.dependencies[0].name.as_str(), t.files.len()), ("t", "u", 1));
    }

    #[test]
    fn hostile_paths_are_refused() {
        for (path, want) in [
            ("c/../../x", "chart illegally references parent directory"),
            ("c//etc/passwd", "chart illegally contains absolute paths"),
            ("c/", "chart illegally contains content outside the base directory"),
            ("c/C:/x", "chart contains illegally named files"),
            ("c\\..\\..\\x", "chart illegally references parent directory"),
            ("Chart.yaml", "chart yaml not in base directory"),
        ] {
            assert_eq!(load(&[METADATA, (path, b"x")], &Limits::default()).unwrap_err(), want, "{path}");
        }
    }

    #[test]
    fn limits_hold() {
        let small = Limits { total_bytes: 1000, file_bytes: 500, files: 4, depth: 1, ..Limits::default() };
        let big = [b'x'; 501];
        let folder = [
            METADATA,
            ("c/charts/d/Chart.yaml", b"name: d\nversion: 1"),
            ("c/charts/d/charts/e/Chart.yaml", b"name: e"),
        ];
        let four: Vec<_> = ["c/1", "c/2", "c/3", "c/4"].map(|path| (path, &b"x"[..])).into();
        let cases: [(Entries<'_>, &str); 4] = [
            (&[METADATA, ("c/x", &big)], "decompressed chart file \"x\" is larger than the maximum size 500"),
            (
                &[METADATA, ("c/x", &big[1..]), ("c/y", &big[1..])],
                "decompressed chart is larger than the maximum size 1000",
            ),
            (&[&[METADATA], &four[..]].concat(), "chart has too many files: more than 4 are not allowed"),
            (&folder[..], "too many charts in charts"),
        ];
        for (entries, want) in cases {
            let got = load(entries, &small).unwrap_err();
            assert!(got.contains(want), "{got}");
        }
    }

    #[test]
    fn a_bomb_of_zeros_ends_early() {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
        gzip.write_all(&vec![0; 3 << 20]).unwrap();
        let limits = Limits { total_bytes: 1000, files: 10, ..Limits::default() };
        assert_eq!(archive(&gzip.finish().unwrap(), &limits).unwrap_err().to_string(), "no files in chart archive");
    }

    #[test]
    fn what_is_no_chart() {
        let cases: [(Entries<'_>, &str); 8] = [
            (&[("c/x", b"")], "Chart.yaml file is missing"),
            (
                &[("c/Chart.yaml", b"name: [")],
                "cannot load Chart.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content",
            ),
            (
                &[("c/Chart.yaml", b"name: {}")],
                "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal object into Go struct field Metadata.name of type string",
            ),
            (&[("c/Chart.yaml", b"version: 1")], "validation: chart.metadata.name is required"),
            (&[("c/Chart.yaml", b"name: c")], "validation: chart.metadata.version is required"),
            (&[("c/Chart.yaml", b"name: c\nversion: x")], "validation: chart.metadata.version \"x\" is invalid"),
            (
                &[("c/Chart.yaml", b"name: c\nversion: 1\ntype: odd")],
                "validation: chart.metadata.type must be application or library",
            ),
            (
                &[METADATA, ("c/charts/README.md", b"x")],
                "error unpacking subchart README.md in c: Chart.yaml file is missing",
            ),
        ];
        for (entries, want) in cases {
            assert_eq!(load(entries, &Limits::default()).unwrap_err(), want);
        }
        assert!(matches!(archive(b"PK", &Limits::default()), Err(Error::NotGzip(_))));
    }

    #[test]
    fn numbers_become_texts_as_in_helm() {
        let chart = load(
            &[(
                "c/Chart.yaml",
                b"name: c\nversion: 1.10\nappVersion: 1.0\nkeywords: [1, true]\nannotations: {a: 20240102.1}\n",
            )],
            &Limits::default(),
        )
        .unwrap();
        let md = chart.metadata;
        assert_eq!((md.version.as_str(), md.app_version.as_str()), ("1.1", "1"));
        assert_eq!((md.keywords, md.annotations["a"].as_str()), (vec!["1".into(), "true".into()], "2.0240102e+07"));
    }

    #[cfg(unix)]
    #[test]
    fn links_to_nothing_are_named_as_helm_does() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("c");
        std::fs::create_dir_all(root.join("templates")).unwrap();
        std::fs::write(root.join("Chart.yaml"), "name: c\nversion: 1.0.0\n").unwrap();
        std::os::unix::fs::symlink("../Chart.yaml", root.join("templates/a")).unwrap();
        assert!(directory(&root, &Limits::default()).is_ok());
        std::os::unix::fs::symlink("../../none/LICENSE", root.join("templates/b")).unwrap();
        let error = directory(&root, &Limits::default()).unwrap_err().to_string();
        let (link, missing) = (root.join("templates/b"), folder.path().join("none"));
        let (link, missing) = (link.display(), missing.display());
        assert_eq!(error, format!("error evaluating symlink {link}: lstat {missing}: no such file or directory"));
    }

    #[test]
    fn folders_heed_helmignore() {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("Chart.yaml", "name: c\nversion: 1.0.0\n");
        write(".helmignore", "*.bak\n/ci/\n");
        write("templates/a.yaml", "a");
        write("templates/.hidden", "a");
        write("x.bak", "a");
        write("ci/values.yaml", "a");
        let chart = directory(folder.path(), &Limits::default()).unwrap();
        assert_eq!(chart.templates.len(), 1);
        assert_eq!(chart.files.iter().map(|f| &*f.name).collect::<Vec<_>>(), [".helmignore"]);
    }
}
