//! Chart folders as archives: what `helm package` makes, always the same bytes for the same files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::GzEncoder;

/// A chart as an archive, with what an index says of it.
#[derive(Clone, Debug)]
pub struct Packaged {
    /// Chart.yaml's name.
    pub name: String,
    /// Chart.yaml's version.
    pub version: String,
    /// Chart.yaml's appVersion, or nothing.
    pub app_version: String,
    /// The gzipped tar.
    pub bytes: Vec<u8>,
}

/// Packages the chart in `folder`.
pub fn package(folder: &Path) -> Result<Packaged> {
    package_with(folder, Vec::new())
}

/// Packages the chart in `folder` with more files, by their paths in the chart.
pub fn package_with(folder: &Path, more: Vec<(String, Vec<u8>)>) -> Result<Packaged> {
    let metadata = folder.join("Chart.yaml");
    let metadata = fs::read_to_string(&metadata).with_context(|| format!("cannot read {}", metadata.display()))?;
    let field = |key: &str| {
        top_level(&metadata, key).with_context(|| format!("no {key} in the Chart.yaml of {}", folder.display()))
    };
    let (name, version) = (field("name")?, field("version")?);
    let mut files = Vec::new();
    collect(folder, Path::new(""), &mut files)?;
    let entries = files.iter().map(|path| Ok((format!("{name}/{}", path.display()), fs::read(folder.join(path))?)));
    let mut entries = entries.collect::<Result<Vec<_>>>()?;
    entries.extend(more.into_iter().map(|(path, content)| (format!("{name}/{path}"), content)));
    let bytes = archive(entries)?;
    Ok(Packaged { name, version, app_version: field("appVersion").unwrap_or_default(), bytes })
}

/// A gzipped tar of these entries, names as given: an attacker's too.
pub fn archive(entries: Vec<(String, Vec<u8>)>) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::default()));
    for (name, content) in entries {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        // Set as bytes: the safe setter refuses `..`, which a test wants to send.
        let field = &mut header.as_old_mut().name;
        let length = name.len().min(field.len());
        field[..length].copy_from_slice(&name.as_bytes()[..length]);
        header.set_cksum();
        tar.append(&header, content.as_slice())?;
    }
    let mut gzip = tar.into_inner()?;
    gzip.flush()?;
    Ok(gzip.finish()?)
}

/// A scalar at the top level of a YAML file that this project wrote: enough for our own charts.
fn top_level(yaml: &str, key: &str) -> Option<String> {
    let value = yaml.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
    Some(value.trim().trim_matches(['"', '\'']).to_owned())
}

fn collect(base: &Path, below: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries = fs::read_dir(base.join(below))?.collect::<Result<Vec<_>, _>>()?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let path = below.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            collect(base, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::Read as _;

    #[test]
    fn a_chart_becomes_an_archive_of_its_name() {
        let folder = crate::root().join("e2e/charts/hello-1.0.0");
        let packaged = package(&folder).unwrap();
        assert_eq!(
            (packaged.name.as_str(), packaged.version.as_str(), packaged.app_version.as_str()),
            ("hello", "1.0.0", "1.0")
        );
        assert_eq!(packaged.bytes, package(&folder).unwrap().bytes, "the same files make the same bytes");
        let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(packaged.bytes.as_slice()));
        let names: Vec<String> =
            tar.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
        assert!(
            names.contains(&"hello/Chart.yaml".to_owned())
                && names.contains(&"hello/templates/tests/answers.yaml".to_owned()),
            "{names:?}"
        );
    }

    #[test]
    fn hostile_names_stay_as_they_are() {
        let bytes = archive(vec![("web/../../etc/passwd".into(), b"x".to_vec())]).unwrap();
        let mut text = Vec::new();
        flate2::read::GzDecoder::new(bytes.as_slice()).read_to_end(&mut text).unwrap();
        assert!(text.starts_with(b"web/../../etc/passwd"));
    }
}
