//! Where release records live: one Secret or ConfigMap a revision, named and labelled as Helm's drivers do it.
//!
//! Concurrency is the API server's: creating a revision that exists and writing one that changed fail as such. What Helm's
//! format has no place for is in annotations, which Helm neither reads nor needs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::ops::Deref;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use jiff::Timestamp;
use kube::core::{ObjectMeta, PartialObjectMeta};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::budget::{Budget, Share};
use super::codec::{Limits, decode};
use super::error::{Error, Result};
use super::parts::{Fitted, fit};
use super::record::{Record, Status};
use super::tiller;
use crate::cluster::{Action, Class, Cluster};

/// Annotations of a stored record, by key. When written, a key with an empty value is removed.
pub type Annotations = BTreeMap<String, String>;

/// `type` of the Secrets, and what Helm's reader expects it to be.
const SECRET_TYPE: &str = "helm.sh/release.v1";

/// Labels that belong to Helm; all others are the user's.
pub const RESERVED_LABELS: [&str; 6] = ["name", "owner", "status", "version", "createdAt", "modifiedAt"];

/// Most bytes of data in a Secret or ConfigMap.
pub(super) const OBJECT_BYTES: usize = 1024 * 1024;

/// Records fetched with one request: each may be more than a megabyte.
const PAGE: u32 = 20;

/// Most pages of one list.
const PAGES: usize = 10_000;

/// What kind of object holds a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Driver {
    /// Secrets (Helm's default).
    #[default]
    Secret,
    /// ConfigMaps.
    ConfigMap,
}

impl Driver {
    /// The kind of the objects.
    #[must_use]
    pub fn kind(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }

    /// The other kind: records of before may be there.
    #[must_use]
    pub fn other(self) -> Self {
        match self {
            Self::Secret => Self::ConfigMap,
            Self::ConfigMap => Self::Secret,
        }
    }

    fn plural(self) -> &'static str {
        match self {
            Self::Secret => "secrets",
            Self::ConfigMap => "configmaps",
        }
    }
}

/// How many bytes it takes to unpack one: twice base64, then gzip of JSON, and the record beside it.
const UNPACKED: u64 = 8;

/// The records of a namespace, as one identity sees them.
#[derive(Clone, Debug)]
pub struct Storage {
    cluster: Arc<Cluster>,
    namespace: Option<String>,
    driver: Driver,
    limits: Limits,
    budget: Option<Arc<Budget>>,
}

/// A record and the object that holds it.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The record, the user's labels included.
    pub record: Arc<Record>,
    /// Annotations of the object.
    pub annotations: Annotations,
    /// Version of the object: the precondition of the next write.
    pub resource_version: String,
    /// Identity of the object.
    pub uid: String,
    /// Helm's `createdAt` label, kept over updates as Helm keeps it.
    created_at: Option<String>,
}

impl Stored {
    /// A record that is in no object.
    #[cfg(test)]
    pub(super) fn of(record: Record) -> Self {
        stored(Arc::new(record), ObjectMeta::default(), Annotations::new(), None)
    }
}

/// A revision without its record: what the object's metadata tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Name of the release.
    pub release: String,
    /// Namespace that the record is stored in.
    pub namespace: String,
    /// The revision.
    pub revision: u32,
    /// Status by label.
    pub status: Status,
    /// Annotations of the object.
    pub annotations: Annotations,
    /// Version of the object.
    pub resource_version: String,
    /// Identity of the object.
    pub uid: String,
}

/// An object that is labelled as a record and is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Name of the object.
    pub object: String,
    /// Its revision by label, if that can be read.
    pub revision: Option<u32>,
    /// Why it cannot be read.
    pub reason: String,
}

/// Records, newest first, and what could not be read. Dereferences to the records.
#[derive(Clone, Debug, Default)]
pub struct History {
    /// The records, by release name and then newest first.
    pub stored: Vec<Stored>,
    /// Objects that are labelled as records and are none. Helm passes over them in silence.
    pub unreadable: Vec<Unreadable>,
}

impl Deref for History {
    type Target = [Stored];

    fn deref(&self) -> &[Stored] {
        &self.stored
    }
}

impl IntoIterator for History {
    type Item = Stored;
    type IntoIter = std::vec::IntoIter<Stored>;

    fn into_iter(self) -> Self::IntoIter {
        self.stored.into_iter()
    }
}

/// The holder object, as far as it matters here.
#[derive(Deserialize)]
struct Object {
    #[serde(default)]
    metadata: ObjectMeta,
    #[serde(default)]
    data: Option<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Page<T> {
    #[serde(default)]
    metadata: PageMeta,
    /// `null` when there are none.
    items: Option<Vec<T>>,
}

#[derive(Default, Deserialize)]
struct PageMeta {
    #[serde(rename = "continue", default)]
    token: Option<String>,
}

/// What is sent: borrowed, because records are large.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Holder<'a> {
    pub(super) api_version: &'static str,
    pub(super) kind: &'static str,
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub(super) secret_type: Option<&'static str>,
    pub(super) metadata: ObjectMeta,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) data: BTreeMap<&'static str, &'a str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) binary_data: BTreeMap<&'static str, &'a str>,
}

/// The object's name for a revision: `sh.helm.release.v1.NAME.vREVISION`.
#[must_use]
pub fn object_name(release: &str, revision: u32) -> String {
    format!("sh.helm.release.v1.{release}.v{revision}")
}

impl Storage {
    /// The records in a namespace.
    #[must_use]
    pub fn new(cluster: Arc<Cluster>, namespace: impl Into<String>, driver: Driver) -> Self {
        Self { cluster, namespace: Some(namespace.into()), driver, limits: Limits::default(), budget: None }
    }

    /// The records in all namespaces: for lists, nothing can be written through it.
    #[must_use]
    pub fn everywhere(cluster: Arc<Cluster>, driver: Driver) -> Self {
        Self { cluster, namespace: None, driver, limits: Limits::default(), budget: None }
    }

    /// With other bounds for what is read.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With memory that is taken while records are unpacked.
    #[must_use]
    pub fn with_budget(mut self, budget: Arc<Budget>) -> Self {
        self.budget = Some(budget);
        self
    }

    /// The same namespace with another kind of object.
    #[must_use]
    pub fn with_driver(&self, driver: Driver) -> Self {
        Self { driver, ..self.clone() }
    }

    /// Another namespace.
    #[must_use]
    pub fn in_namespace(&self, namespace: &str) -> Self {
        Self { namespace: Some(namespace.to_owned()), ..self.clone() }
    }

    /// The namespace that records are kept in; `None` for all.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// The API server, as the identity that reads and writes the records.
    #[must_use]
    pub fn cluster(&self) -> &Arc<Cluster> {
        &self.cluster
    }

    /// What kind of object holds the records.
    #[must_use]
    pub fn driver(&self) -> Driver {
        self.driver
    }

    pub(super) fn limits(&self) -> Limits {
        self.limits
    }

    /// All revisions of a release, newest first.
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn history(&self, release: &str) -> Result<History> {
        self.list(&selector(Some(release), None)?).await
    }

    /// All revisions of all releases, by name and newest first.
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn all(&self) -> Result<History> {
        self.list(&selector(None, None)?).await
    }

    /// All revisions of a release, newest first, without their records: a fraction of the bytes of [`Storage::history`].
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn entries(&self, release: &str) -> Result<Vec<Entry>> {
        let mut entries = Vec::new();
        let collect = |object: PartialObjectMeta| entries.extend(entry(object.metadata));
        self.pages(&selector(Some(release), None)?, true, collect).await?;
        entries.sort_by(|a, b| (&a.release, b.revision).cmp(&(&b.release, a.revision)));
        Ok(entries)
    }

    /// One revision.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Decode`], failures of the API server.
    pub async fn get(&self, release: &str, revision: u32) -> Result<Stored> {
        let name = object_name(release, revision);
        let (uri, object) = (self.uri(&name), self.label(&name));
        match self.cluster.caller().call(Action::Get, &object, Method::GET, &uri, None, None, Vec::new()).await {
            Ok(answer) => {
                let _share = self.unpacking(answer.body.len()).await;
                let object: Object = crate::cluster::parse(Action::Get, &object, &answer.body)?;
                self.open(object).map_err(|unreadable| Error::Decode(format!("{name}: {}", unreadable.reason)))
            }
            Err(error) if error.is_not_found() => Err(Error::NotFound { release: release.to_owned(), revision }),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest revision, or `None` if there is no readable one.
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn newest(&self, release: &str) -> Result<Option<Stored>> {
        for entry in self.entries(release).await? {
            match self.get(release, entry.revision).await {
                Ok(stored) => return Ok(Some(stored)),
                // Gone since it was listed, or not a record: the next older one is the newest.
                Err(Error::NotFound { .. } | Error::Decode(_) | Error::TooLarge { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Stores a new revision. What of a large chart does not fit into one object is put aside first, and is not in the record
    /// that is answered; [`Storage::whole`] gives it back.
    ///
    /// # Errors
    /// [`Error::AlreadyExists`] when the revision is there, [`Error::Oversized`], failures of the API server.
    pub async fn create(&self, record: &Record, annotations: &Annotations) -> Result<Stored> {
        let created_at = Timestamp::now().as_second().to_string();
        let labels = labels(record, [("createdAt", created_at.clone())]);
        let mut kept = annotations.clone();
        kept.retain(|_, value| !value.is_empty());
        let fitted = self.laid_out(record, &mut kept).await?;
        let metadata = self.metadata(record, labels, kept.clone(), None);
        let sent = self.send(Action::Create, Method::POST, &self.collection(), record, &fitted, metadata).await;
        match sent {
            Ok(meta) => Ok(stored(self.settled(record, fitted).await, meta, kept, Some(created_at))),
            Err(Error::Cluster(error)) if error.class() == Class::AlreadyExists => {
                Err(Error::AlreadyExists { release: record.name.clone(), revision: record.version })
            }
            Err(error) => Err(error),
        }
    }

    /// Writes a revision anew, if nobody changed it since it was read. Annotations are merged with those that are there.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was changed or deleted, [`Error::Oversized`], failures of the API server.
    pub async fn update(&self, old: &Stored, record: &Record, annotations: &Annotations) -> Result<Stored> {
        let mut times = vec![("modifiedAt", Timestamp::now().as_second().to_string())];
        times.extend(old.created_at.clone().map(|created| ("createdAt", created)));
        let mut kept = merged(&old.annotations, annotations);
        let fitted = self.laid_out(record, &mut kept).await?;
        let metadata = self.metadata(record, labels(record, times), kept.clone(), Some(old));
        let uri = self.uri(&object_name(&record.name, record.version));
        let sent = self.send(Action::Replace, Method::PUT, &uri, record, &fitted, metadata).await;
        let meta = sent.map_err(|error| stale(error, record))?;
        Ok(stored(self.settled(record, fitted).await, meta, kept, old.created_at.clone()))
    }

    /// Changes annotations only, if nobody changed the revision since it was read: a request of some hundred bytes.
    ///
    /// # Errors
    /// [`Error::Conflict`] when it was changed or deleted, failures of the API server.
    pub async fn annotate(&self, old: &Stored, annotations: &Annotations) -> Result<Stored> {
        let name = object_name(&old.record.name, old.record.version);
        let meta = self.annotate_object(&name, old, annotations).await?;
        Ok(stored(Arc::clone(&old.record), meta, merged(&old.annotations, annotations), old.created_at.clone()))
    }

    /// The same for a record whose object has a name of another kind.
    pub(super) async fn annotate_object(
        &self,
        name: &str,
        old: &Stored,
        annotations: &Annotations,
    ) -> Result<ObjectMeta> {
        let changes: BTreeMap<&str, Option<&str>> = annotations
            .iter()
            .map(|(key, value)| (key.as_str(), Some(value.as_str()).filter(|value| !value.is_empty())))
            .collect();
        let patch =
            json!({"metadata": {"uid": old.uid, "resourceVersion": old.resource_version, "annotations": changes}});
        let uri = format!("{}?fieldManager=pintle", self.uri(name));
        let body = serde_json::to_vec(&patch).map_err(|error| Error::Encode(error.to_string()))?;
        self.request(Action::Patch, Method::PATCH, &uri, "application/merge-patch+json", &self.label(name), body)
            .await
            .map_err(|error| stale(error, &old.record))
    }

    /// Deletes a revision; one that is not there is fine. Its parts follow by themselves; [`Storage::remove`] takes them along.
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn delete(&self, release: &str, revision: u32) -> Result<()> {
        self.delete_object(&object_name(release, revision)).await
    }

    pub(super) async fn delete_object(&self, name: &str) -> Result<()> {
        let (uri, object) = (self.uri(name), self.label(name));
        match self.request(Action::Delete, Method::DELETE, &uri, "application/json", &object, Vec::new()).await {
            Err(Error::Cluster(error)) if error.is_not_found() => Ok(()),
            result => result.map(|_| ()),
        }
    }

    /// Deletes the oldest revisions so that `keep` are left; the newest deployed one always stays. Returns what was deleted.
    /// Helm calls this before it creates a revision, with its maximum less one.
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn prune(&self, release: &str, keep: usize) -> Result<Vec<u32>> {
        let entries = self.entries(release).await?;
        let doomed = prunable(&entries, keep);
        for entry in entries.iter().filter(|entry| doomed.contains(&entry.revision)) {
            self.remove(entry).await?;
        }
        Ok(doomed)
    }

    async fn list(&self, selector: &str) -> Result<History> {
        let mut history = History::default();
        let collect = |object: Object| match self.open(object) {
            Ok(stored) => history.stored.push(stored),
            Err(unreadable) => history.unreadable.push(unreadable),
        };
        self.pages(selector, false, collect).await?;
        history.stored.sort_by(|a, b| {
            let key = |stored: &Stored| (stored.record.namespace.clone(), stored.record.name.clone());
            key(a).cmp(&key(b)).then(b.record.version.cmp(&a.record.version))
        });
        Ok(history)
    }

    /// Hands over what is found, a page at a time: packed records are large and are not kept longer than it takes to open them.
    /// The record by which Tiller last knew a release, if its objects are here and it was not deleted. Unreadable ones are passed
    /// over.
    ///
    /// # Errors
    /// Failures of the API server.
    pub async fn tiller(&self, release: &str) -> Result<Option<Stored>> {
        let mut found = Vec::new();
        let collect = |object: Object| {
            let content = object.data.as_ref().and_then(|data| data.get("release"));
            let record = content.and_then(|content| tiller::decode(content.as_bytes(), &self.limits).ok());
            if let Some(record) = record.filter(|record| record.name == release) {
                let annotations = object.metadata.annotations.clone().unwrap_or_default();
                found.push(stored(Arc::new(record), object.metadata, annotations, None));
            }
        };
        // A name that is no label value is refused here too.
        selector(Some(release), None)?;
        let here = self.with_driver(Driver::ConfigMap);
        here.pages(&format!("OWNER=TILLER,NAME={release}"), false, collect).await?;
        Ok(tiller::current(found))
    }

    /// Changes annotations of what [`Storage::tiller`] found.
    ///
    /// # Errors
    /// As [`Storage::annotate`].
    pub async fn annotate_tillers(&self, found: &Stored, annotations: &Annotations) -> Result<()> {
        let name = format!("{}.v{}", found.record.name, found.record.version);
        self.with_driver(Driver::ConfigMap).annotate_object(&name, found, annotations).await.map(drop)
    }

    pub(super) async fn pages<T: for<'de> Deserialize<'de>>(
        &self,
        selector: &str,
        metadata: bool,
        mut found: impl FnMut(T),
    ) -> Result<()> {
        let accept =
            metadata.then_some("application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json");
        let limit = if metadata { 500 } else { PAGE };
        let object = match &self.namespace {
            Some(namespace) => format!("release {}s in {namespace}", self.driver.kind()),
            None => format!("release {}s", self.driver.kind()),
        };
        let mut token: Option<String> = None;
        for _ in 0..PAGES {
            let mut uri =
                format!("{}?labelSelector={}&limit={limit}", self.collection(), crate::cluster::escape(selector));
            if let Some(token) = &token {
                let _ = write!(uri, "&continue={}", crate::cluster::escape(token));
            }
            let caller = self.cluster.caller();
            let answer = caller.call(Action::List, &object, Method::GET, &uri, None, accept, Vec::new()).await?;
            let _share = if metadata { None } else { self.unpacking(answer.body.len()).await };
            let page: Page<T> = crate::cluster::parse(Action::List, &object, &answer.body)?;
            page.items.into_iter().flatten().for_each(&mut found);
            token = page.metadata.token.filter(|token| !token.is_empty());
            if token.is_none() {
                break;
            }
        }
        Ok(())
    }

    /// Takes the memory that it takes to unpack so many bytes.
    async fn unpacking(&self, bytes: usize) -> Option<Share> {
        match &self.budget {
            Some(budget) => Some(budget.take((bytes as u64).saturating_mul(UNPACKED)).await),
            None => None,
        }
    }

    async fn send(
        &self,
        action: Action,
        method: Method,
        uri: &str,
        record: &Record,
        fitted: &Fitted,
        metadata: ObjectMeta,
    ) -> Result<ObjectMeta> {
        let value = match self.driver {
            Driver::Secret => STANDARD.encode(&fitted.encoded),
            Driver::ConfigMap => {
                String::from_utf8(fitted.encoded.clone()).map_err(|error| Error::Encode(error.to_string()))?
            }
        };
        let holder = Holder {
            api_version: "v1",
            kind: self.driver.kind(),
            secret_type: (self.driver == Driver::Secret).then_some(SECRET_TYPE),
            metadata,
            data: BTreeMap::from([("release", value.as_str())]),
            binary_data: BTreeMap::new(),
        };
        let body = serde_json::to_vec(&holder).map_err(|error| Error::Encode(error.to_string()))?;
        let uri = format!("{uri}?fieldManager=pintle");
        let object = self.label(&object_name(&record.name, record.version));
        let sent = self.request(action, method, &uri, "application/json", &object, body).await;
        // What may have been written after all, an answer that was lost, keeps its parts.
        if let (Err(Error::Cluster(error)), Some(aside)) = (&sent, &fitted.aside)
            && !error.is_transient()
            && !matches!(error.class(), Class::AlreadyExists | Class::Stale)
        {
            self.take_back(aside).await;
        }
        sent
    }

    /// Encodes a record; what does not fit into one object is written beside it, and an annotation says so.
    async fn laid_out(&self, record: &Record, annotations: &mut Annotations) -> Result<Fitted> {
        let fitted = fit(record)?;
        if let Some(aside) = &fitted.aside {
            self.put_aside(aside).await?;
            annotations.extend([aside.annotation()?]);
        }
        Ok(fitted)
    }

    /// The record as it was written, once its parts are in order.
    async fn settled(&self, record: &Record, fitted: Fitted) -> Arc<Record> {
        let Some(aside) = fitted.aside else { return Arc::new(record.clone()) };
        self.settle(&record.name, record.version).await;
        Arc::new(aside.record)
    }

    /// Sends a write and asks for metadata only: the server need not send a megabyte back.
    pub(super) async fn request(
        &self,
        action: Action,
        method: Method,
        uri: &str,
        media_type: &'static str,
        object: &str,
        body: Vec<u8>,
    ) -> Result<ObjectMeta> {
        let answer = self
            .cluster
            .caller()
            .call(action, object, method, uri, Some(media_type), Some(crate::cluster::METADATA), body)
            .await?;
        // A delete is answered by a Status, whose metadata are a list's; nobody looks at them.
        if action == Action::Delete {
            return Ok(ObjectMeta::default());
        }
        let answer: PartialObjectMeta = crate::cluster::parse(action, object, &answer.body)?;
        Ok(answer.metadata)
    }

    fn metadata(
        &self,
        record: &Record,
        labels: BTreeMap<String, String>,
        annotations: Annotations,
        old: Option<&Stored>,
    ) -> ObjectMeta {
        ObjectMeta {
            name: Some(object_name(&record.name, record.version)),
            namespace: self.namespace.clone(),
            labels: Some(labels),
            annotations: Some(annotations).filter(|annotations| !annotations.is_empty()),
            resource_version: old.map(|old| old.resource_version.clone()),
            uid: old.map(|old| old.uid.clone()),
            ..ObjectMeta::default()
        }
    }

    fn open(&self, object: Object) -> Result<Stored, Unreadable> {
        let Object { metadata, data } = object;
        let labels = metadata.labels.clone().unwrap_or_default();
        let unreadable = |reason: String| Unreadable {
            object: metadata.name.clone().unwrap_or_default(),
            revision: labels.get("version").and_then(|version| version.parse().ok()),
            reason,
        };
        let Some(value) = data.as_ref().and_then(|data| data.get("release")) else {
            return Err(unreadable("it has no data under the key \"release\"".to_owned()));
        };
        let decoded = match self.driver {
            Driver::Secret => match STANDARD.decode(value) {
                Ok(bytes) => decode(&bytes, &self.limits),
                Err(error) => return Err(unreadable(format!("not base64: {error}"))),
            },
            Driver::ConfigMap => decode(value.as_bytes(), &self.limits),
        };
        let mut record = decoded.map_err(|error| unreadable(error.to_string()))?;
        // Whatever is written later goes by what the record says: it would hit another object.
        let proper = object_name(&record.name, record.version);
        if metadata.name.as_deref().is_some_and(|name| name != proper) {
            return Err(unreadable(format!("its content is that of {proper}")));
        }
        let created_at = labels.get("createdAt").cloned();
        record.labels = labels;
        record.labels.retain(|key, _| !RESERVED_LABELS.contains(&key.as_str()));
        let annotations = metadata.annotations.clone().unwrap_or_default();
        Ok(stored(Arc::new(record), metadata, annotations, created_at))
    }

    pub(super) fn collection(&self) -> String {
        match &self.namespace {
            Some(namespace) => {
                format!("/api/v1/namespaces/{}/{}", crate::cluster::escape(namespace), self.driver.plural())
            }
            None => format!("/api/v1/{}", self.driver.plural()),
        }
    }

    /// Where an object is.
    pub(super) fn uri(&self, name: &str) -> String {
        format!("{}/{}", self.collection(), crate::cluster::escape(name))
    }

    pub(super) fn label(&self, name: &str) -> String {
        format!("{} {}/{name}", self.driver.kind(), self.namespace.as_deref().unwrap_or_default())
    }
}

fn stored(record: Arc<Record>, meta: ObjectMeta, annotations: Annotations, created_at: Option<String>) -> Stored {
    Stored {
        record,
        annotations,
        resource_version: meta.resource_version.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
        created_at,
    }
}

/// A write that came too late is a conflict, whether the record changed or is gone.
fn stale(error: Error, record: &Record) -> Error {
    match error {
        Error::Cluster(error) if matches!(error.class(), Class::Stale | Class::NotFound) => {
            Error::Conflict { release: record.name.clone(), revision: record.version }
        }
        error => error,
    }
}

/// The user's labels below Helm's own.
fn labels(record: &Record, times: impl IntoIterator<Item = (&'static str, String)>) -> BTreeMap<String, String> {
    let mut labels = record.labels.clone();
    labels.retain(|key, _| !RESERVED_LABELS.contains(&key.as_str()));
    let own = [
        ("name", record.name.clone()),
        ("owner", "helm".to_owned()),
        ("status", record.info.status.to_string()),
        ("version", record.version.to_string()),
    ];
    labels.extend(own.into_iter().chain(times).map(|(key, value)| (key.to_owned(), value)));
    labels
}

fn merged(old: &Annotations, new: &Annotations) -> Annotations {
    let mut all = old.clone();
    all.extend(new.clone());
    all.retain(|_, value| !value.is_empty());
    all
}

/// Helm's label selector. A name that is no label value cannot be a release's.
fn selector(release: Option<&str>, status: Option<Status>) -> Result<String> {
    let mut selector = "owner=helm".to_owned();
    if let Some(release) = release {
        let fits =
            release.len() <= 63 && release.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte));
        if !fits || release.is_empty() {
            return Err(crate::cluster::Error::Name { what: "release name", value: release.to_owned() }.into());
        }
        let _ = write!(selector, ",name={release}");
    }
    if let Some(status) = status {
        let _ = write!(selector, ",status={status}");
    }
    Ok(selector)
}

fn entry(meta: ObjectMeta) -> Option<Entry> {
    let labels = meta.labels.unwrap_or_default();
    Some(Entry {
        release: labels.get("name")?.clone(),
        namespace: meta.namespace.unwrap_or_default(),
        revision: labels.get("version")?.parse().ok()?,
        status: Status::from_word(labels.get("status").map_or("", String::as_str)),
        annotations: meta.annotations.unwrap_or_default(),
        resource_version: meta.resource_version.unwrap_or_default(),
        uid: meta.uid.unwrap_or_default(),
    })
}

/// Which revisions to delete so that `keep` are left: the oldest, but never the newest deployed one.
fn prunable(entries: &[Entry], keep: usize) -> Vec<u32> {
    let surplus = entries.len().saturating_sub(keep);
    let deployed = entries.iter().filter(|entry| entry.status == Status::Deployed).map(|entry| entry.revision).max();
    let mut revisions: Vec<_> = entries.iter().map(|entry| entry.revision).collect();
    revisions.sort_unstable();
    revisions.into_iter().filter(|revision| Some(*revision) != deployed).take(surplus).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn check_prune(entries: &[(u32, Status)], keep: usize, expect: &[u32]) {
        let entries: Vec<_> = entries
            .iter()
            .map(|(revision, status)| Entry {
                release: "web".into(),
                namespace: "shop".into(),
                revision: *revision,
                status: *status,
                annotations: Annotations::new(),
                resource_version: String::new(),
                uid: String::new(),
            })
            .collect();
        assert_eq!(prunable(&entries, keep), expect);
    }

    #[test]
    fn pruning_keeps_the_newest_and_the_deployed() {
        use Status::{Deployed, Failed, Superseded};
        check_prune(&[(3, Deployed), (2, Superseded), (1, Superseded)], 3, &[]);
        check_prune(&[(3, Deployed), (2, Superseded), (1, Superseded)], 2, &[1]);
        check_prune(&[(3, Failed), (2, Failed), (1, Deployed)], 1, &[2, 3]);
        check_prune(&[(3, Failed), (2, Failed), (1, Deployed)], 2, &[2]);
        check_prune(&[(4, Deployed), (3, Deployed), (1, Deployed)], 1, &[1, 3]);
        check_prune(&[(2, Failed), (1, Failed)], 0, &[1, 2]);
        check_prune(&[], 0, &[]);
    }

    #[test]
    fn labels_are_helms_over_the_users() {
        let mut record = Record { name: "web".into(), version: 7, ..Record::default() };
        record.info.status = Status::PendingUpgrade;
        record.labels =
            [("team", "a"), ("owner", "me"), ("modifiedAt", "x")].map(|(k, v)| (k.to_owned(), v.to_owned())).into();
        let labels = labels(&record, [("createdAt", "5".to_owned())]);
        let expect = [
            ("createdAt", "5"),
            ("name", "web"),
            ("owner", "helm"),
            ("status", "pending-upgrade"),
            ("team", "a"),
            ("version", "7"),
        ];
        assert_eq!(labels, expect.map(|(k, v)| (k.to_owned(), v.to_owned())).into());
    }

    #[test]
    fn names_do_not_reach_into_selectors() {
        assert_eq!(selector(Some("web"), None).unwrap(), "owner=helm,name=web");
        assert_eq!(selector(None, Some(Status::Deployed)).unwrap(), "owner=helm,status=deployed");
        for name in ["", "a,b", "a=b", "a b", "a!", &"x".repeat(64)] {
            assert!(selector(Some(name), None).is_err(), "{name}");
        }
    }
}
