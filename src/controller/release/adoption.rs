//! Records of before: in the other kind of object, by `helm` with another `HELM_DRIVER` or an operator with another
//! `--storage-driver`; and those of Tiller, Helm 2's server. They are copied, so that the release goes on where it was.

use super::{Run, Trouble};
use crate::{
    action::objects,
    cluster::Class,
    release::{Annotations, Error, Record, Status, Storage, parts},
};

/// On the newest record that was copied: the kind of object that the copy is. It is not copied again.
const COPIED: &str = "pintle.dev/copied-to";
/// The same while the copies are being made: an interrupted copy is taken up again.
const COPYING: &str = "copying";
/// Where Tiller kept its records, unless it was told otherwise.
const TILLERS: &str = "kube-system";

impl Run<'_> {
    /// Copies the records of a release that has none where it should. Says whether there were any.
    pub(super) async fn copy_records(&mut self, storage: &Storage) -> Result<bool, Trouble> {
        if self.release.metadata.deletion_timestamp.is_some() {
            return Ok(false);
        }
        let namespace = self.place.storage_namespace.clone();
        if self.may_be_in(&namespace)
            && (self.copy_others(storage).await? || self.copy_tillers(&namespace, storage).await?)
        {
            return Ok(true);
        }
        Ok(namespace != TILLERS && self.may_be_in(TILLERS) && self.copy_tillers(TILLERS, storage).await?)
    }

    /// Whether there may be records of before anywhere.
    pub(super) fn may_be_elsewhere(&self) -> bool {
        self.may_be_in(&self.place.storage_namespace) || self.may_be_in(TILLERS)
    }

    /// Whether records of before may be in a namespace.
    fn may_be_in(&self, namespace: &str) -> bool {
        // In other clusters nobody watches them.
        if self.release.spec.kube_config.is_some() {
            return true;
        }
        self.ctx.live.recorded.is_elsewhere(namespace, &self.place.name).unwrap_or(true)
    }

    /// From the other kind of object, all revisions.
    async fn copy_others(&mut self, storage: &Storage) -> Result<bool, Trouble> {
        let (namespace, name) = (self.place.storage_namespace.clone(), self.place.name.clone());
        let from = storage.with_driver(storage.driver().other());
        let history = match from.history(&name).await {
            Err(Error::Cluster(error)) if error.class() == Class::Forbidden => return Ok(false),
            history => history?,
        };
        let Some(newest) = history.first() else { return Ok(false) };
        let copied = newest.annotations.get(COPIED).is_some_and(|to| to != COPYING);
        if copied || newest.record.info.status == Status::Uninstalled {
            return Ok(false);
        }
        let mark = |how: &str| Annotations::from([(COPIED.to_owned(), how.to_owned())]);
        let marked = from.annotate(newest, &mark(COPYING)).await?;
        // The newest goes first: with it the release is what it was, whatever comes between.
        for stored in history.iter() {
            let record = match from.whole(stored).await {
                Err(Error::Cluster(error)) => return Err(Error::from(error).into()),
                Err(_) => Record::clone(&stored.record),
                Ok(record) => record,
            };
            let mut annotations = stored.annotations.clone();
            annotations.retain(|key, _| key != COPIED && key != parts::ANNOTATION);
            match storage.create(&record, &annotations).await {
                Ok(_) | Err(Error::AlreadyExists { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (there, here) = (from.driver().kind(), storage.driver().kind());
        from.annotate(&marked, &mark(here)).await?;
        let note = format!(
            "{} records of release {namespace}/{name} were found in {there}s and copied to {here}s; those in {there}s are not used any more",
            history.len()
        );
        self.announce(false, "RecordsCopied", &note).await;
        Ok(true)
    }

    /// From Tiller's, the revision that is on the cluster.
    async fn copy_tillers(&mut self, namespace: &str, storage: &Storage) -> Result<bool, Trouble> {
        let from = storage.in_namespace(namespace);
        let found = match from.tiller(&self.place.name).await {
            Err(Error::Cluster(error)) if error.class() == Class::Forbidden => return Ok(false),
            found => found?,
        };
        // Tiller's names are those of the whole cluster.
        let ours = |record: &Record| record.namespace == self.place.namespace;
        let Some(found) = found.filter(|f| ours(&f.record) && !f.annotations.contains_key(COPIED)) else {
            return Ok(false);
        };
        objects::claim(&found.record, storage.cluster(), &self.ctx.settings.manager).await?;
        match storage.create(&found.record, &Annotations::new()).await {
            Ok(_) | Err(Error::AlreadyExists { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        let here = storage.driver().kind();
        from.annotate_tillers(&found, &Annotations::from([(COPIED.to_owned(), here.to_owned())])).await?;
        let record = &found.record;
        let note = format!(
            "revision {} of release {} of Helm 2 was found in {namespace} and copied to a {here}",
            record.version, record.name
        );
        self.announce(false, "RecordsCopied", &note).await;
        Ok(true)
    }
}
