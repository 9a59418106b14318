//! A release without a request: what the watch of records and the status of the HelmRelease tell is enough to see that it is
//! as wanted, or that it is new. Everything else is decided by the records themselves.

use super::Run;
use crate::{
    action::{Cursor, Holder},
    cluster::ObjectId,
    controller::{live::Summary, plan::Revision, policy::Place, recorded::Trace},
    crd::{DriftMode, HelmReleaseStatus, InventoryEntry, Snapshot},
    release::Status,
};
use jiff::Timestamp;
use std::collections::BTreeSet;

/// What is seen of a release.
#[derive(Debug)]
enum Glimpse {
    /// It was never released.
    New,
    /// Its newest revision is deployed, and its record is the one that the status tells of.
    AsTold {
        /// Newest first. Only the newest has its cursor.
        revisions: Vec<Summary>,
        /// Those of the newest revision, in the order in which they are applied.
        objects: Vec<ObjectId>,
    },
}

impl Run<'_> {
    /// Takes what is told for the records, if that is enough. Whether it is.
    pub(super) async fn glimpse(&mut self) -> bool {
        self.forget_other_places();
        if self.live.history.is_some() {
            return self.live.glimpsed;
        }
        // In other clusters nobody tells what there is.
        if self.live.unsure || self.release.spec.kube_config.is_some() {
            return false;
        }
        let Place { name, storage_namespace, .. } = &self.place;
        let recorded = &self.ctx.live.recorded;
        let Some(traces) = recorded.take(self.ctx.settings.driver.kind(), storage_namespace, name) else {
            return false;
        };
        match glimpse(&traces, &self.report.status, &self.place, &self.holder) {
            Some(Glimpse::AsTold { revisions, objects }) => {
                if !self.watch_for_drift(&objects).await {
                    return false;
                }
                self.live.inventory = revisions.first().map(|newest| (newest.revision.version, objects));
                self.live.history = Some(revisions);
                self.live.glimpsed = true;
            }
            Some(Glimpse::New) if !self.may_be_elsewhere() => self.live.history = Some(Vec::new()),
            _ => return false,
        }
        self.live.taken = 0;
        self.live.operation = None;
        true
    }

    /// Whether changes of these objects will be told, where somebody wants to know.
    async fn watch_for_drift(&self, objects: &[ObjectId]) -> bool {
        if self.drift_mode() == DriftMode::Disabled {
            return true;
        }
        let kinds: BTreeSet<_> = objects.iter().map(|id| (&id.api_version, &id.kind)).collect();
        for (api_version, kind) in kinds {
            match self.target().resolve(api_version, kind).await {
                Ok(resource) => self.watches().ensure(&resource),
                Err(_) => return false,
            }
        }
        true
    }
}

/// What the records' metadata, newest first, and the status tell, if they tell the same.
fn glimpse(traces: &[Trace], status: &HelmReleaseStatus, place: &Place, holder: &Holder) -> Option<Glimpse> {
    let Some(newest) = traces.first() else { return status.history.is_empty().then_some(Glimpse::New) };
    let told = status.storage_namespace.as_ref() == Some(&place.storage_namespace)
        && status.record_version.as_ref() == Some(&newest.resource_version)
        && traces.len() == status.history.len()
        && traces.iter().zip(&status.history).all(|(trace, told)| {
            i64::from(trace.revision) == told.version
                && trace.status.to_string() == told.status
                && (&told.name, &told.namespace) == (&place.name, &place.namespace)
        });
    if !told || newest.status != Status::Deployed {
        return None;
    }
    let cursor = Cursor::from_annotation(newest.cursor.as_deref()?)?;
    if cursor.holder != *holder || cursor.step.is_some() || cursor.late {
        return None;
    }
    let entries = status.inventory.iter().flat_map(|inventory| &inventory.entries);
    let objects = entries.map(object).collect::<Option<Vec<_>>>()?;
    if !cursor.shapes.is_empty() && cursor.shapes.len() != objects.len() {
        return None;
    }
    let mut revisions: Vec<Summary> =
        traces.iter().zip(&status.history).map(|(trace, told)| summary(trace, told)).collect();
    let newest = &mut revisions.first_mut()?.revision;
    newest.intact = cursor.manifest.is_empty() || cursor.manifest == status.history.first()?.digest;
    newest.modified = cursor.since;
    newest.cursor = Some(cursor);
    Some(Glimpse::AsTold { revisions, objects })
}

/// A revision as the status tells it.
fn summary(trace: &Trace, told: &Snapshot) -> Summary {
    let tests = told.test_hooks.iter().flatten().map(|(name, test)| {
        let (started, completed) = (test.last_started.as_ref(), test.last_completed.as_ref());
        (name.clone(), started.map(|time| time.0), completed.map(|time| time.0), test.phase.clone().unwrap_or_default())
    });
    let last_deployed = told.last_deployed.as_ref().map(|time| time.0);
    Summary {
        revision: Revision {
            version: trace.revision,
            status: trace.status,
            intact: true,
            modified: last_deployed.unwrap_or(Timestamp::UNIX_EPOCH),
            cursor: None,
        },
        chart_name: told.chart_name.clone(),
        chart_version: told.chart_version.clone(),
        app_version: told.app_version.clone().unwrap_or_default(),
        first_deployed: told.first_deployed.as_ref().map(|time| time.0),
        last_deployed,
        deleted: told.deleted.as_ref().map(|time| time.0),
        description: String::new(),
        digest: told.digest.clone(),
        config_digest: told.config_digest.clone(),
        tests: tests.collect(),
        resource_version: trace.resource_version.clone(),
    }
}

/// The object of an entry `NAMESPACE_NAME_GROUP_KIND`. Only names may have underscores in them.
fn object(entry: &InventoryEntry) -> Option<ObjectId> {
    let (namespace, rest) = entry.id.split_once('_')?;
    let (rest, kind) = rest.rsplit_once('_')?;
    let (name, group) = rest.rsplit_once('_')?;
    let api_version = if group.is_empty() { entry.v.clone() } else { format!("{group}/{}", entry.v) };
    let namespace = (!namespace.is_empty()).then(|| namespace.to_owned());
    Some(ObjectId { api_version, kind: kind.to_owned(), namespace, name: name.to_owned() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn status() -> Value {
        let revision = |version: i64, status: &str| {
            json!({"digest": "sha256:m", "name": "web", "namespace": "shop", "version": version, "status": status,
                "chartName": "hello", "chartVersion": "1.0.0", "configDigest": "sha256:c"})
        };
        json!({
            "storageNamespace": "shop", "recordVersion": "12",
            "history": [revision(2, "deployed"), revision(1, "superseded")],
            "inventory": {"entries": [
                {"id": "shop_web_apps_Deployment", "v": "v1"}, {"id": "_system:web_a_rbac.authorization.k8s.io_ClusterRole", "v": "v1"},
                {"id": "shop_a__Secret", "v": "v1"}]},
        })
    }

    fn cursor() -> Value {
        json!({"action": "upgrade", "holder": {"namespace": "shop", "name": "web", "uid": "u"}, "generation": 3,
            "fingerprint": "f", "since": "2026-11-21T10:00:00Z", "manifest": "sha256:m", "shapes": ["1", "2", "3"]})
    }

    fn seen(traces: &[(u32, Status, &str)], cursor: &Value, status: Value) -> Option<Glimpse> {
        let place = Place { name: "web".into(), namespace: "shop".into(), storage_namespace: "shop".into() };
        let holder = Holder { namespace: "shop".into(), name: "web".into(), uid: "u".into() };
        let traces: Vec<Trace> = traces
            .iter()
            .map(|(revision, status, version)| Trace {
                revision: *revision,
                status: *status,
                resource_version: (*version).to_owned(),
                cursor: (!cursor.is_null()).then(|| cursor.to_string().into()),
            })
            .collect();
        glimpse(&traces, &serde_json::from_value(status).unwrap(), &place, &holder)
    }

    const TOLD: [(u32, Status, &str); 2] = [(2, Status::Deployed, "12"), (1, Status::Superseded, "11")];

    #[test]
    fn an_unchanged_release_is_known_from_its_status() {
        let Some(Glimpse::AsTold { revisions, objects }) = seen(&TOLD, &cursor(), status()) else { panic!("nothing") };
        let newest = &revisions[0].revision;
        assert_eq!((newest.version, newest.status, newest.intact), (2, Status::Deployed, true));
        assert_eq!(newest.cursor.as_ref().unwrap().fingerprint, "f");
        assert_eq!((revisions.len(), revisions[0].resource_version.as_str()), (2, "12"));
        let names: Vec<_> = objects.iter().map(|id| format!("{} {id}", id.api_version)).collect();
        assert_eq!(
            names,
            [
                "apps/v1 Deployment shop/web",
                "rbac.authorization.k8s.io/v1 ClusterRole system:web_a",
                "v1 Secret shop/a"
            ]
        );
    }

    #[test]
    fn whatever_differs_is_read() {
        let with = |pointer: &str, value: Value| {
            let mut changed = status();
            *changed.pointer_mut(pointer).unwrap() = value;
            changed
        };
        let holds = |pointer: &str, value: Value| {
            let mut changed = cursor();
            match changed.pointer_mut(pointer) {
                Some(place) => *place = value,
                None => changed[&pointer[1..]] = value,
            }
            changed
        };
        use Status::{Deployed, Failed, Superseded};
        for (why, traces, cursor, status) in [
            ("written since", vec![(2, Deployed, "13"), (1, Superseded, "11")], cursor(), status()),
            ("one more", vec![(3, Deployed, "12"), (2, Superseded, "12"), (1, Superseded, "11")], cursor(), status()),
            ("one less", vec![(2, Deployed, "12")], cursor(), status()),
            ("another status", vec![(2, Deployed, "12"), (1, Failed, "11")], cursor(), status()),
            ("all gone", vec![], cursor(), status()),
            ("not ours", TOLD.to_vec(), Value::Null, status()),
            ("another's", TOLD.to_vec(), holds("/holder/uid", json!("v")), status()),
            ("unfinished", TOLD.to_vec(), holds("/step", json!("apply")), status()),
            ("late", TOLD.to_vec(), holds("/late", json!(true)), status()),
            ("objects that were not applied", TOLD.to_vec(), holds("/shapes", json!(["1"])), status()),
            ("elsewhere", TOLD.to_vec(), cursor(), with("/storageNamespace", json!("other"))),
            ("moved", TOLD.to_vec(), cursor(), with("/history/0/namespace", json!("other"))),
            (
                "failed",
                vec![(2, Failed, "12"), (1, Superseded, "11")],
                cursor(),
                with("/history/0/status", json!("failed")),
            ),
            ("an object without a name", TOLD.to_vec(), cursor(), with("/inventory/entries/0/id", json!("a"))),
        ] {
            assert!(seen(&traces, &cursor, status).is_none(), "{why}");
        }
    }

    #[test]
    fn a_record_that_was_altered_shows() {
        let mut altered = cursor();
        altered["manifest"] = json!("sha256:other");
        let Some(Glimpse::AsTold { revisions, .. }) = seen(&TOLD, &altered, status()) else { panic!("nothing") };
        assert!(!revisions[0].revision.intact);
    }

    #[test]
    fn a_new_release_has_no_records() {
        assert!(matches!(seen(&[], &Value::Null, json!({})), Some(Glimpse::New)));
        assert!(seen(&[(1, Status::Deployed, "5")], &Value::Null, json!({})).is_none());
    }
}
