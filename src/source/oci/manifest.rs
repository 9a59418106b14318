//! Manifests: what a registry has under a tag, as far as charts need it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::digest::Sha256;

/// What may be under a tag.
pub(super) const ACCEPT: &str = "application/vnd.oci.image.manifest.v1+json, application/vnd.oci.image.index.v1+json";
/// What a chart's manifest says that it is.
const CONFIG: &str = "application/vnd.cncf.helm.config.v1+json";
/// What the packaged chart is called in it, now and in earlier days.
const LAYERS: [&str; 2] = ["application/vnd.cncf.helm.chart.content.v1.tar+gzip", "application/tar+gzip"];
/// How many manifests of an index are looked at.
pub(super) const MANIFESTS: usize = 16;

/// What a registry has under a tag.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Manifest {
    /// A chart: its packaged form.
    Chart(Blob),
    /// Several manifests, of which one may be a chart; those that say so come first.
    Several(Vec<Sha256>),
}

/// A file in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Blob {
    /// Its digest.
    pub(super) digest: Sha256,
    /// Its size in bytes.
    pub(super) size: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    config: Option<Descriptor>,
    #[serde(default)]
    layers: Option<Vec<Descriptor>>,
    #[serde(default)]
    manifests: Option<Vec<Descriptor>>,
}

/// What a manifest says of a blob or of another manifest.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    #[serde(default)]
    pub(super) artifact_type: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    size: i64,
    annotations: Option<BTreeMap<String, String>>,
}

impl Descriptor {
    /// One of its annotations.
    pub(super) fn annotation(&self, name: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(name).map(String::as_str)
    }

    /// Its digest and its size, if it has both and is no larger than `most`.
    pub(super) fn within(&self, most: u64) -> Option<(Sha256, u64)> {
        let size = self.size().filter(|size| *size <= most)?;
        Some((sha256(&self.digest)?, size))
    }

    /// Its size in bytes; none if it says a negative one.
    fn size(&self) -> Option<u64> {
        u64::try_from(self.size).ok()
    }
}

/// Reads a manifest.
///
/// # Errors
/// Why it is no chart.
pub(super) fn read(bytes: &[u8]) -> Result<Manifest, String> {
    let document: Document =
        serde_json::from_slice(bytes).map_err(|error| format!("its manifest cannot be read: {}", place_of(&error)))?;
    if let Some(manifests) = document.manifests {
        let (mut charts, others): (Vec<_>, Vec<_>) = manifests.iter().partition(|m| m.artifact_type == CONFIG);
        charts.extend(others);
        let digests = charts.into_iter().filter_map(|m| sha256(&m.digest)).take(MANIFESTS).collect();
        return Ok(Manifest::Several(digests));
    }
    let kind = document.config.map(|config| config.media_type).unwrap_or_default();
    if kind != CONFIG {
        return Err(format!("its config is {:?}, not {CONFIG:?}", shortened(&kind)));
    }
    let layers = document.layers.unwrap_or_default();
    let Some(layer) = LAYERS.iter().find_map(|kind| layers.iter().find(|layer| layer.media_type == *kind)) else {
        return Err(format!("it has no layer of type {:?}", LAYERS[0]));
    };
    let digest =
        sha256(&layer.digest).ok_or_else(|| format!("the digest {:?} is no SHA-256", shortened(&layer.digest)))?;
    let size = layer.size().ok_or("its size is negative")?;
    Ok(Manifest::Chart(Blob { digest, size }))
}

/// Where JSON is not as it should be. What is there instead is the server's, of any length, and may be a secret.
pub(super) fn place_of(error: &serde_json::Error) -> String {
    format!("line {}, column {}", error.line(), error.column())
}

/// As much of a server's text as a message can take.
fn shortened(text: &str) -> String {
    text.chars().take(100).collect()
}

/// A digest as registries write it.
pub(super) fn sha256(text: &str) -> Option<Sha256> {
    text.strip_prefix("sha256:").and_then(Sha256::parse)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn charts_and_what_is_none() {
        let digest = Sha256::of(b"");
        let layer = |kind: &str| format!(r#"{{"mediaType":"{kind}","digest":"sha256:{digest}","size":7}}"#);
        let manifest =
            |config: &str, layers: &str| format!(r#"{{"config":{{"mediaType":"{config}"}},"layers":[{layers}]}}"#);
        let chart = Ok(Manifest::Chart(Blob { digest, size: 7 }));
        let no = |why: &str| Err(why.to_owned());
        let provenance = layer("application/vnd.cncf.helm.chart.provenance.v1.prov");
        for (text, expected) in [
            (manifest(CONFIG, &format!("{provenance},{}", layer(LAYERS[0]))), chart),
            (manifest(CONFIG, &layer(LAYERS[1])), Ok(Manifest::Chart(Blob { digest, size: 7 }))),
            (
                manifest(CONFIG, &provenance),
                no("it has no layer of type \"application/vnd.cncf.helm.chart.content.v1.tar+gzip\""),
            ),
            (
                manifest("application/vnd.oci.image.config.v1+json", &layer(LAYERS[0])),
                no("its config is \"application/vnd.oci.image.config.v1+json\", not \
                    \"application/vnd.cncf.helm.config.v1+json\""),
            ),
            (
                manifest(CONFIG, &layer(LAYERS[0]).replace("sha256:", "sha512:")),
                no(&format!("the digest \"sha512:{digest}\" is no SHA-256")),
            ),
            (manifest(CONFIG, &layer(LAYERS[0]).replace(":7}", ":-7}")), no("its size is negative")),
            ("{}".to_owned(), no("its config is \"\", not \"application/vnd.cncf.helm.config.v1+json\"")),
            ("[]".to_owned(), no("its manifest cannot be read: line 1, column 2")),
        ] {
            assert_eq!(read(text.as_bytes()), expected, "{text}");
        }
    }

    #[test]
    fn charts_among_several_come_first() {
        let (a, b) = (Sha256::of(b"a"), Sha256::of(b"b"));
        let text = format!(
            r#"{{"manifests":[{{"digest":"sha256:{a}"}},{{"digest":"x"}},{{"digest":"sha256:{b}","artifactType":"{CONFIG}"}}]}}"#
        );
        assert_eq!(read(text.as_bytes()), Ok(Manifest::Several(vec![b, a])));
        let many = vec![format!(r#"{{"digest":"sha256:{a}"}}"#); 1000].join(",");
        let Ok(Manifest::Several(digests)) = read(format!(r#"{{"manifests":[{many}]}}"#).as_bytes()) else { panic!() };
        assert_eq!(digests.len(), MANIFESTS);
    }
}
