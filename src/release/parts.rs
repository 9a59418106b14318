//! Records that are larger than one object may be: what of the chart nobody needs in order to list, show, roll back or
//! uninstall a release goes into objects of its own beside the record, which stays one that Helm reads.
//!
//! Parts are written before the record that names them, under names that are never used twice, and belong to it, so that
//! they go with it: an interrupted write leaves parts that nobody names, which the next large record takes away.

use std::collections::BTreeMap;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use kube::core::{ObjectMeta, PartialObjectMeta};
use pintle_golib::hex;
use serde::{Deserialize, Serialize};
use serde_json::json;
use serde_json::value::RawValue;

use super::codec::{Limits, encode, gzip, unpack};
use super::error::{Error, Result};
use super::record::{RawChart, Record};
use super::storage::{Annotations, Driver, Entry, Holder, OBJECT_BYTES, Storage, Stored, object_name};
use crate::cluster::Action;

/// On a record: which parts belong to it, as JSON. On its parts too: Helm drops annotations when it writes to a record.
pub const ANNOTATION: &str = "pintle.dev/record-parts";

/// On a part: the release that it belongs to.
pub const RELEASE_LABEL: &str = "pintle.dev/record-part-of";

/// On a part: the revision that it belongs to.
pub const REVISION_LABEL: &str = "pintle.dev/record-part-revision";

/// `type` of the Secrets that parts are kept in.
const SECRET_TYPE: &str = "pintle.dev/release-part.v1";

/// What of a chart is put aside, in this order, until the rest fits.
const BULK: [&str; 3] = ["templates", "files", "schema"];

/// Left free in a record whose chart was put aside: it grows a little as hooks run.
const ROOM: usize = 32 * 1024;

/// Most bytes of one part.
const PART_BYTES: usize = 1_000_000;

/// Most parts of one record: etcd is no place for more.
const PARTS: usize = 16;

/// Which parts belong to a record.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
pub(super) struct Index {
    /// Within the names of the parts; chosen at random.
    id: String,
    count: usize,
    /// Of all parts together, one after the other.
    digest: String,
    /// What of the chart is in them.
    holds: Vec<String>,
}

impl Index {
    fn of(annotations: &Annotations) -> Option<Self> {
        let index: Self = serde_json::from_str(annotations.get(ANNOTATION)?).ok()?;
        let sound =
            index.count <= PARTS && !index.id.is_empty() && index.id.bytes().all(|byte| byte.is_ascii_hexdigit());
        sound.then_some(index)
    }

    /// The parts' names, in order.
    fn names(&self, release: &str, revision: u32) -> Vec<String> {
        (0..self.count).map(|number| format!("{}.{}.{number}", object_name(release, revision), self.id)).collect()
    }
}

/// A record in the form in which it is written.
pub(super) struct Fitted {
    pub(super) encoded: Vec<u8>,
    /// The record without what was put aside, and that.
    pub(super) aside: Option<Aside>,
}

/// What was put aside.
pub(super) struct Aside {
    pub(super) record: Record,
    packed: Vec<u8>,
    index: Index,
}

impl Aside {
    /// The annotation that names the parts.
    pub(super) fn annotation(&self) -> Result<(String, String)> {
        let text = serde_json::to_string(&self.index).map_err(|error| Error::Encode(error.to_string()))?;
        Ok((ANNOTATION.to_owned(), text))
    }
}

/// Encodes a record so that it fits into one object, with as little as possible put aside.
pub(super) fn fit(record: &Record) -> Result<Fitted> {
    fit_within(record, PARTS)
}

fn fit_within(record: &Record, parts: usize) -> Result<Fitted> {
    let encoded = encode(record)?;
    if encoded.len() <= OBJECT_BYTES {
        return Ok(Fitted { encoded, aside: None });
    }
    let oversized = |what, size, limit| Error::Oversized {
        release: record.name.clone(),
        revision: record.version,
        what,
        size,
        limit,
    };
    let mut smallest = encoded;
    let mut slim = record.clone();
    if let Ok(mut chart) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(record.chart.json()) {
        let mut aside: BTreeMap<&str, Box<RawValue>> = BTreeMap::new();
        for field in BULK {
            let Some(value) = chart.get_mut(field).filter(|value| !matches!(value.get(), "null" | "[]")) else {
                continue;
            };
            aside.insert(field, std::mem::replace(value, RawValue::NULL.to_owned()));
            slim.chart = RawChart::from_json(&chart).map_err(|error| Error::Encode(error.to_string()))?;
            smallest = encode(&slim)?;
            if smallest.len() <= OBJECT_BYTES - ROOM {
                break;
            }
        }
        if smallest.len() <= OBJECT_BYTES {
            let packed = gzip(&serde_json::to_vec(&aside).map_err(|error| Error::Encode(error.to_string()))?)?;
            if packed.len() > parts * PART_BYTES {
                return Err(oversized("the chart's templates and files", packed.len(), parts * PART_BYTES));
            }
            let index = Index {
                id: fresh_id()?,
                count: packed.len().div_ceil(PART_BYTES),
                digest: sha256(&packed),
                holds: aside.keys().map(|field| (*field).to_owned()).collect(),
            };
            return Ok(Fitted { encoded: smallest, aside: Some(Aside { record: slim, packed, index }) });
        }
    }
    Err(oversized("the record without the chart's templates and files", smallest.len(), OBJECT_BYTES))
}

/// The chart with what was put aside, as it was.
fn rejoin(chart: &RawChart, packed: &[u8], index: &Index, limits: &Limits) -> Result<RawChart> {
    if sha256(packed) != index.digest {
        return Err(Error::Decode("the parts of the record are not those that it was written with".to_owned()));
    }
    let unreadable = |error: serde_json::Error| Error::Decode(error.to_string());
    let json = unpack(packed, limits)?;
    let aside: BTreeMap<String, Box<RawValue>> = serde_json::from_slice(&json).map_err(unreadable)?;
    let mut whole: BTreeMap<String, Box<RawValue>> = serde_json::from_str(chart.json()).map_err(unreadable)?;
    whole.extend(aside.into_iter().filter(|(field, _)| BULK.contains(&field.as_str())));
    RawChart::from_json(&whole).map_err(unreadable)
}

/// Whether a chart may be one that something was put aside of.
fn lacks_templates(chart: &RawChart) -> bool {
    #[derive(Deserialize)]
    struct Head<'a> {
        #[serde(borrow, default)]
        templates: Option<&'a RawValue>,
    }
    serde_json::from_str::<Head<'_>>(chart.json()).is_ok_and(|head| head.templates.is_none())
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(digest(&SHA256, bytes).as_ref()))
}

fn fresh_id() -> Result<String> {
    let mut bytes = [0; 5];
    aws_lc_rs::rand::fill(&mut bytes).map_err(|_| Error::Encode("the system has no random numbers".to_owned()))?;
    Ok(hex::encode(&bytes))
}

/// A part as it is read.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Part {
    #[serde(default)]
    data: BTreeMap<String, String>,
    #[serde(default)]
    binary_data: BTreeMap<String, String>,
}

impl Storage {
    /// The record of a revision with all of its chart: what was too large for one object is read from where it was put.
    ///
    /// # Errors
    /// [`Error::NotFound`] and [`Error::Decode`] when it is no longer all there, failures of the API server.
    pub async fn whole(&self, stored: &Stored) -> Result<Record> {
        let mut record = Record::clone(&stored.record);
        let index = match Index::of(&stored.annotations) {
            Some(index) => index,
            None if lacks_templates(&record.chart) => match self.owned_parts(stored).await? {
                Some(index) => index,
                None => return Ok(record),
            },
            None => return Ok(record),
        };
        let mut packed = Vec::new();
        for name in index.names(&record.name, record.version) {
            let object = self.label(&name);
            let part: Part = match self.cluster().caller().read(Action::Get, &object, &self.uri(&name), None).await {
                Ok(part) => part,
                Err(error) if error.is_not_found() => {
                    return Err(Error::NotFound { release: record.name, revision: record.version });
                }
                Err(error) => return Err(error.into()),
            };
            let value = part.data.get("part").or_else(|| part.binary_data.get("part"));
            let value = value.ok_or_else(|| Error::Decode(format!("{name}: it has no data under the key \"part\"")))?;
            packed
                .extend(STANDARD.decode(value).map_err(|error| Error::Decode(format!("{name}: not base64: {error}")))?);
        }
        record.chart = rejoin(&record.chart, &packed, &index, &self.limits())?;
        Ok(record)
    }

    /// What the parts say that belong to a record which no longer names them.
    async fn owned_parts(&self, stored: &Stored) -> Result<Option<Index>> {
        let mut found = None;
        let (release, revision) = (&stored.record.name, stored.record.version);
        let selector = format!("{RELEASE_LABEL}={release},{REVISION_LABEL}={revision}");
        let look = |part: PartialObjectMeta| {
            let owners = part.metadata.owner_references.as_deref().unwrap_or_default();
            if owners.iter().any(|owner| owner.uid == stored.uid) {
                found = found.take().or_else(|| Index::of(part.metadata.annotations.as_ref()?));
            }
        };
        self.pages(&selector, true, look).await?;
        Ok(found)
    }

    /// Writes what was put aside; nobody names it yet.
    pub(super) async fn put_aside(&self, aside: &Aside) -> Result<()> {
        let record = &aside.record;
        let names = aside.index.names(&record.name, record.version);
        let annotations = Annotations::from([aside.annotation()?]);
        for (name, chunk) in names.iter().zip(aside.packed.chunks(PART_BYTES)) {
            let value = STANDARD.encode(chunk);
            let part = BTreeMap::from([("part", value.as_str())]);
            let labels = [(RELEASE_LABEL, record.name.clone()), (REVISION_LABEL, record.version.to_string())];
            let secret = self.driver() == Driver::Secret;
            let (data, binary_data) = if secret { (part, BTreeMap::new()) } else { (BTreeMap::new(), part) };
            let holder = Holder {
                api_version: "v1",
                kind: self.driver().kind(),
                secret_type: secret.then_some(SECRET_TYPE),
                metadata: ObjectMeta {
                    name: Some(name.clone()),
                    namespace: self.namespace().map(str::to_owned),
                    annotations: Some(annotations.clone()),
                    labels: Some(labels.map(|(key, value)| (key.to_owned(), value)).into()),
                    ..ObjectMeta::default()
                },
                data,
                binary_data,
            };
            let body = serde_json::to_vec(&holder).map_err(|error| Error::Encode(error.to_string()))?;
            let uri = format!("{}?fieldManager=pintle", self.collection());
            let sent =
                self.request(Action::Create, Method::POST, &uri, "application/json", &self.label(name), body).await;
            if let Err(error) = sent {
                self.drop_parts(&record.name, record.version, &aside.index).await;
                return Err(error);
            }
        }
        Ok(())
    }

    /// The record that would have named them was not written.
    pub(super) async fn take_back(&self, aside: &Aside) {
        self.drop_parts(&aside.record.name, aside.record.version, &aside.index).await;
    }

    /// Deletes a revision and its parts.
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn remove(&self, entry: &Entry) -> Result<()> {
        self.delete(&entry.release, entry.revision).await?;
        if let Some(index) = Index::of(&entry.annotations) {
            self.drop_parts(&entry.release, entry.revision, &index).await;
        }
        Ok(())
    }

    /// What fails here is no harm: nobody names these parts, and what belongs to a record that is gone goes by itself.
    async fn drop_parts(&self, release: &str, revision: u32, index: &Index) {
        for name in index.names(release, revision) {
            if let Err(error) = self.delete_object(&name).await {
                tracing::warn!(object = name, %error, "a part of a record could not be deleted");
            }
        }
    }

    /// After a record with parts was written: they become its own, so that they go with it whoever deletes it; parts of
    /// revisions up to this one that belong to no record are what interrupted writes left, and go.
    pub(super) async fn settle(&self, release: &str, revision: u32) {
        if let Err(error) = self.try_settle(release, revision).await {
            // The record is written and right; the next one does this again.
            tracing::warn!(release, revision, %error, "parts of records could not be put in order");
        }
    }

    async fn try_settle(&self, release: &str, revision: u32) -> Result<()> {
        let mut parts = Vec::new();
        let selector = format!("{RELEASE_LABEL}={release}");
        self.pages(&selector, true, |object: PartialObjectMeta| parts.push(object.metadata)).await?;
        let entries = self.entries(release).await?;
        for part in parts {
            let (Some(name), labels) = (part.name, part.labels.unwrap_or_default()) else { continue };
            let of: Option<u32> = labels.get(REVISION_LABEL).and_then(|revision| revision.parse().ok());
            let Some(of) = of.filter(|of| *of <= revision) else { continue };
            let record = entries.iter().find(|entry| entry.revision == of);
            let owned = record.is_some_and(|record| {
                part.owner_references.iter().flatten().any(|reference| reference.uid == record.uid)
            });
            let named = record.filter(|record| {
                Index::of(&record.annotations).is_some_and(|index| index.names(release, of).contains(&name))
            });
            match named {
                Some(record) if !owned => self.belongs(&name, record).await?,
                None if !owned => self.delete_object(&name).await?,
                _ => {}
            }
        }
        Ok(())
    }

    async fn belongs(&self, part: &str, record: &Entry) -> Result<()> {
        let owner = json!({
            "apiVersion": "v1", "kind": self.driver().kind(),
            "name": object_name(&record.release, record.revision), "uid": record.uid,
        });
        let patch = json!({"metadata": {"ownerReferences": [owner]}}).to_string().into_bytes();
        let uri = format!("{}?fieldManager=pintle", self.uri(part));
        let object = self.label(part);
        self.request(Action::Patch, Method::PATCH, &uri, "application/merge-patch+json", &object, patch).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::release::decode;
    use serde_json::{Value, json};

    /// Text that does not pack.
    fn noise(length: usize) -> String {
        let mut state = 0x2545_f491_4f6c_dd1d_u64;
        let letter = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            char::from(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"[(state >> 20) as usize % 64])
        };
        std::iter::repeat_with(letter).take(length).collect()
    }

    fn record(templates: usize, files: usize, schema: usize, manifest: usize) -> Record {
        let chart = json!({
            "metadata": {"name": "web", "version": "1.0.0"}, "lock": null,
            "templates": [{"name": "templates/a.yaml", "data": noise(templates)}],
            "values": {"a": 1.50, "b": null}, "schema": if schema == 0 { Value::Null } else { noise(schema).into() },
            "schemamodtime": "0001-01-01T00:00:00Z",
            "files": if files == 0 { json!([]) } else { json!([{"name": "README.md", "data": noise(files)}]) },
        });
        Record {
            name: "web".to_owned(),
            version: 7,
            chart: RawChart::from_json(&chart).unwrap(),
            manifest: noise(manifest),
            ..Record::default()
        }
    }

    const MB: usize = 1 << 20;

    /// What is put aside, how many parts that makes, and that everything comes back.
    fn check(record: &Record, holds: &[&str], count: usize) {
        let fitted = fit(record).unwrap();
        assert!(fitted.encoded.len() <= OBJECT_BYTES);
        let Some(aside) = fitted.aside else {
            assert_eq!((fitted.encoded, holds.len(), count), (encode(record).unwrap(), 0, 0));
            return;
        };
        assert_eq!(aside.index.holds, holds);
        assert_eq!(aside.index.count, count);
        let limits = Limits::default();
        let slim = decode(&fitted.encoded, &limits).unwrap();
        assert_eq!(slim.chart.metadata().unwrap(), record.chart.metadata().unwrap());
        assert_eq!(slim.chart.values().unwrap(), record.chart.values().unwrap());
        assert_eq!(slim.manifest, record.manifest);
        let whole = rejoin(&slim.chart, &aside.packed, &aside.index, &limits).unwrap();
        let parsed = |chart: &RawChart| serde_json::from_str::<Value>(chart.json()).unwrap();
        assert_eq!(parsed(&whole), parsed(&record.chart));
        let annotations = Annotations::from([aside.annotation().unwrap()]);
        assert_eq!(Index::of(&annotations), Some(aside.index.clone()));

        let mut other = aside.packed.clone();
        other[100] ^= 1;
        assert!(matches!(rejoin(&slim.chart, &other, &aside.index, &limits), Err(Error::Decode(_))));
        let tight = Limits { json_bytes: 1000 };
        assert!(matches!(rejoin(&slim.chart, &aside.packed, &aside.index, &tight), Err(Error::TooLarge { .. })));
    }

    #[test]
    fn as_little_as_possible_is_put_aside() {
        check(&record(1000, 1000, 1000, 1000), &[], 0);
        check(&record(MB, 1000, 0, MB / 2), &["templates"], 1);
        check(&record(1000, MB, 0, MB / 2), &["files", "templates"], 1);
        check(&record(2 * MB, 2 * MB, 0, MB / 2), &["files", "templates"], 4);
        check(&record(1000, 0, 2 * MB, MB / 2), &["schema", "templates"], 2);
    }

    #[test]
    fn what_does_not_fit_is_refused_with_the_cause() {
        for (record, part) in [
            (record(1000, 1000, 0, 2 * MB), "without the chart's templates and files is "),
            (record(MB, 0, 0, 2 * MB), "without the chart's templates and files is "),
            (record(MB, 2 * MB, 0, 10), "the chart's templates and files is "),
        ] {
            let error = fit_within(&record, 1).err().unwrap();
            assert!(matches!(error, Error::Oversized { .. }) && error.to_string().contains(part), "{error}");
        }
        let none = Record { manifest: noise(2 * MB), ..Record::default() };
        assert!(matches!(fit(&none), Err(Error::Oversized { .. })));
    }

    #[test]
    fn annotations_of_others_are_not_believed() {
        let index = |text: &str| Index::of(&Annotations::from([(ANNOTATION.to_owned(), text.to_owned())]));
        let good = r#"{"id":"0a","count":2,"digest":"sha256:","holds":[]}"#;
        assert_eq!(
            index(good).unwrap().names("web", 3),
            ["sh.helm.release.v1.web.v3.0a.0", "sh.helm.release.v1.web.v3.0a.1"]
        );
        for text in ["", "{}", &good.replace(":2", ":1000000"), &good.replace("0a", "../a"), &good.replace("0a", "")] {
            assert_eq!(index(text), None, "{text}");
        }
    }
}
