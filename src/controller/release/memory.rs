//! What is remembered of a release between its reconciles, and how it is kept true.

use super::{Run, Trouble};
use crate::{
    action::{Action, Cursor, Operation, begin},
    cluster::compare_versions,
    controller::{
        live::Summary,
        plan::{self, Revision},
        resolve::Wanted,
        values,
    },
    crd::DriftMode,
    release::{Status, Storage, Stored, object_name},
};
use jiff::Timestamp;
use std::cmp::Ordering;

impl Run<'_> {
    /// Takes in what watches have told.
    pub(super) fn absorb(&mut self) {
        let signals = self.cell.take();
        if signals.values {
            self.live.composed = None;
            self.live.keys = None;
            // Found again without a request to that cluster if its kubeconfig is still the same.
            if let Some((named, _)) = &mut self.live.remote {
                *named = 0;
            }
        }
        self.live.dependencies.forget(&signals.dependencies);
        self.live.provider.forget(&signals.dependencies);
        for object in signals.gone {
            self.live.drift.is_gone(object);
        }
        if let Some(operation) = &mut self.live.operation {
            operation.changed.extend(signals.changed);
        } else if let Some(late) = &mut self.live.late {
            late.changed.extend(signals.changed);
        }
        if signals.records.is_empty() {
            return;
        }
        // Old revisions go when there are too many of them; that is no news.
        if let Some(history) = &mut self.live.history {
            let newest = history.first().map_or(0, |s| s.revision.version);
            history.retain(|s| {
                let (version, status) = (s.revision.version, s.revision.status);
                let gone = signals.records.get(&object_name(&self.place.name, version)).is_some_and(|(_, gone)| *gone);
                !gone || version == newest || status == Status::Deployed
            });
        }
        let known = self.live.history.as_deref().unwrap_or_default();
        let news = signals.records.iter().any(|(name, (seen, gone))| {
            let ours = known.iter().find(|s| object_name(&self.place.name, s.revision.version) == *name);
            match ours {
                // Versions of one object are ordered; what is older was seen already.
                Some(ours) => newer(seen, &ours.resource_version),
                None => !gone,
            }
        });
        if news {
            self.live.history = None;
            self.live.operation = None;
        }
    }

    /// What is remembered is of this place, or nothing.
    pub(super) fn forget_other_places(&mut self) {
        if self.live.place.as_ref() != Some(&self.place) {
            self.live.forget_release();
            self.live.place = Some(self.place.clone());
        }
    }

    /// Reads the records, unless they are remembered.
    pub(super) async fn remember(&mut self, storage: &Storage) -> Result<(), Trouble> {
        self.forget_other_places();
        if self.live.history.is_some() && !self.live.glimpsed {
            return Ok(());
        }
        (self.live.glimpsed, self.live.unsure) = (false, false);
        let mut history = storage.history(&self.place.name).await?;
        if history.is_empty() && history.unreadable.is_empty() && self.copy_records(storage).await? {
            history = storage.history(&self.place.name).await?;
        }
        self.live.taken = history.unreadable.iter().filter_map(|unreadable| unreadable.revision).max().unwrap_or(0);
        for unreadable in &history.unreadable {
            let note = format!("record {} cannot be read and is passed over: {}", unreadable.object, unreadable.reason);
            self.announce(true, "UnreadableRecord", &note).await;
        }
        let summaries = history.stored.iter().map(summarise).collect();
        if let Some(newest) = history.stored.first().filter(|s| s.record.info.status == Status::Deployed) {
            let objects = self.objects(newest).await;
            // What has been changed while nobody looked is told by the watches when they list.
            if self.drift_mode() != DriftMode::Disabled {
                for id in &objects {
                    if let Some(resource) = self.target().known(&id.api_version, &id.kind) {
                        self.watches().ensure(&resource);
                    }
                }
            }
            self.live.inventory = Some((newest.record.version, objects));
        }
        self.live.operation = history
            .stored
            .into_iter()
            .next()
            .and_then(|stored| Cursor::of(&stored).map(|cursor| (stored, cursor)))
            .filter(|(_, cursor)| cursor.step.is_some() && cursor.holder == self.holder)
            .map(|(stored, cursor)| Operation::resume(stored, cursor));
        self.live.history = Some(summaries);
        self.tell_deployed();
        self.retell();
        Ok(())
    }

    /// Tells the operation under way which revisions it will supersede.
    pub(super) fn tell_deployed(&mut self) {
        let deployed = self
            .live
            .history
            .as_deref()
            .unwrap_or_default()
            .iter()
            .filter(|s| s.revision.status == Status::Deployed)
            .map(|s| s.revision.version)
            .collect();
        if let Some(operation) = &mut self.live.operation {
            operation.deployed = deployed;
        }
    }

    /// How many revisions are kept.
    pub(super) fn kept(&self) -> usize {
        self.live.history.as_ref().map_or(0, Vec::len)
    }

    /// The newest revision.
    pub(super) fn newest(&self) -> Option<&Summary> {
        self.live.history.as_ref().and_then(|h| h.first())
    }

    /// The newest revision's number.
    pub(super) fn newest_version(&self) -> Option<u32> {
        self.newest().map(|s| s.revision.version)
    }

    pub(super) fn revisions(&self) -> Vec<Revision> {
        self.live.history.as_deref().unwrap_or_default().iter().map(|s| s.revision.clone()).collect()
    }

    pub(super) fn unfinished(&self) -> Option<&Cursor> {
        self.live.operation.as_ref().map(|op| &op.cursor).filter(|cursor| cursor.step.is_some())
    }

    /// A crash between the record of a failure and the status loses the count; the record tells that there was one.
    pub(super) fn recover_count(&mut self, wanted: &Wanted) {
        let Some(newest) = self.newest() else { return };
        let Some(cursor) = &newest.revision.cursor else { return };
        let failures = self.report.failures();
        if newest.revision.status == Status::Failed
            && cursor.fingerprint == wanted.fingerprint
            && cursor.generation == self.generation()
            && matches!(cursor.action, Action::Install | Action::Upgrade)
            && failures == plan::Failures::default()
            && !self.live.reset
            && !newest.was_interrupted()
        {
            let first = !plan::ever_deployed(&self.revisions());
            self.report.count_failure(first);
        }
    }

    /// Puts a revision into its place in memory.
    pub(super) fn put(&mut self, summary: Summary) {
        let history = self.live.history.get_or_insert_default();
        match history.iter_mut().find(|s| s.revision.version == summary.revision.version) {
            Some(place) => *place = summary,
            None => history.insert(0, summary),
        }
    }

    /// The cursor in memory may be ahead of the one that is written; the planner needs the written one's step only.
    pub(super) fn note_cursor(&mut self, operation: &Operation) {
        let version = operation.stored.record.version;
        if let Some(summary) =
            self.live.history.as_mut().and_then(|h| h.iter_mut().find(|s| s.revision.version == version))
        {
            summary.revision.cursor = Some(operation.cursor.clone());
        }
    }
}

pub(super) fn summarise(stored: &Stored) -> Summary {
    let record = &stored.record;
    let metadata = record.chart.metadata().unwrap_or_default();
    let cursor = Cursor::of(stored);
    let manifest = begin::text_digest(&record.manifest);
    let config_digest = values::config_digest(&serde_json::Value::Object(record.config.clone()));
    Summary {
        revision: Revision {
            version: record.version,
            status: record.info.status,
            intact: cursor.as_ref().is_none_or(|c| c.manifest.is_empty() || c.manifest == manifest),
            modified: cursor.as_ref().map(|c| c.since).or(record.info.last_deployed).unwrap_or(Timestamp::UNIX_EPOCH),
            cursor,
        },
        chart_name: metadata.name,
        chart_version: metadata.version,
        app_version: metadata.app_version,
        first_deployed: record.info.first_deployed,
        last_deployed: record.info.last_deployed,
        deleted: record.info.deleted,
        description: record.info.description.clone(),
        digest: manifest,
        config_digest,
        tests: record
            .hooks
            .iter()
            .filter(|h| h.events.iter().any(|e| e == "test" || e == "test-success") && h.last_run.started_at.is_some())
            .map(|h| {
                (h.name.clone(), h.last_run.started_at, h.last_run.completed_at, h.last_run.phase.as_str().to_owned())
            })
            .collect(),
        resource_version: stored.resource_version.clone(),
    }
}

/// Whether a resourceVersion comes after another; one that cannot be compared is news unless it is the same.
fn newer(seen: &str, known: &str) -> bool {
    compare_versions(seen, known).map_or(seen != known, Ordering::is_gt)
}
