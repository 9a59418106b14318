//! A release whose name or namespaces the spec has changed: what is at the former place goes before the new one is installed,
//! and nothing that holds data goes with it unless somebody consents.

use super::{Identity, Run, Trouble, Turn};
use crate::{
    action::{Cursor, objects},
    cluster::ownership::is_kept,
    controller::policy::Place,
    crd::conditions,
    release::Status,
};

/// The annotation by which somebody consents: its value names what may go, as the message asks for it.
const CONSENT: &str = "pintle.dev/consent-to-uninstall";

/// Kinds whose deletion takes data along.
const WITH_DATA: [&str; 4] = ["PersistentVolumeClaim", "PersistentVolume", "CustomResourceDefinition", "Namespace"];

/// Objects that the message names.
const NAMED: usize = 3;

impl Run<'_> {
    /// Where the status says that the release is, if that is not where the spec wants it.
    pub(super) fn former_place(&self) -> Option<Place> {
        let status = &self.report.status;
        let newest = status.history.first()?;
        let former = Place {
            name: newest.name.clone(),
            namespace: newest.namespace.clone(),
            storage_namespace: status.storage_namespace.clone()?,
        };
        (former != self.place).then_some(former)
    }

    /// Uninstalls the release where it was; a turn if that has to wait.
    pub(super) async fn leave_former_place(&mut self, who: &Identity) -> Result<Option<Turn>, Trouble> {
        let Some(former) = self.former_place() else { return Ok(None) };
        let title = format!("{}/{}", former.namespace, former.name);
        let wanted = std::mem::replace(&mut self.place, former);
        let (own, cluster, plans) = (who.own.clone(), who.cluster.clone(), self.plans());
        let there = Identity { storage: self.storage(&cluster), own, cluster };
        if let Some(data) = self.with_data(&there).await? {
            let consent = self.release.metadata.annotations.as_ref().and_then(|a| a.get(CONSENT));
            let under_way = self.newest().and_then(|newest| newest.revision.cursor.as_ref());
            let under_way = under_way.is_some_and(Cursor::is_uninstalling);
            // Where every change is to be approved, this is what approves of the removal.
            if (!data.is_empty() || plans && !under_way) && consent != Some(&title) {
                let more = match data.len() {
                    0 => "its objects".to_owned(),
                    many if many > NAMED => format!(" and {} more", many - NAMED),
                    _ => String::new(),
                };
                let message = format!(
                    "the release is to move from {title} to {}/{}, and uninstalling it there deletes {}{more}: annotate the \
                     HelmRelease with {CONSENT}={title} to let that happen, or set the names back",
                    wanted.namespace,
                    wanted.name,
                    data[..data.len().min(NAMED)].join(", ")
                );
                self.report.observed();
                self.report.conditions().stalled("ConsentRequired", &message);
                self.announce(true, "ConsentRequired", &message).await;
                self.place = wanted;
                return Ok(Some(Turn::AwaitChange));
            }
            self.report.conditions().reconciling("Progressing", &format!("uninstalls {title}, which it moves from"));
            if let Some(turn) = self.remove(&there).await? {
                return Ok(Some(turn));
            }
        }
        // Nothing is left there: from here on it is a new release.
        self.place = wanted;
        let status = &mut self.report.status;
        status.history.clear();
        status.record_version = None;
        status.storage_namespace = None;
        self.report.reset_failures();
        self.report.conditions().remove(conditions::RELEASED);
        self.report.conditions().remove(conditions::REMEDIATED);
        self.report.conditions().remove(conditions::TEST_SUCCESS);
        Ok(None)
    }

    /// Objects with data that go with the release at its place; nothing if there is nothing of ours there.
    async fn with_data(&mut self, there: &Identity) -> Result<Option<Vec<String>>, Trouble> {
        self.remember(&there.storage).await?;
        let Some(newest) = self.newest() else { return Ok(None) };
        let Some(cursor) = newest.revision.cursor.as_ref().filter(|cursor| cursor.holder == self.holder) else {
            return Ok(None);
        };
        if cursor.is_uninstalling() || newest.revision.status == Status::Uninstalled {
            return Ok(Some(Vec::new()));
        }
        let version = newest.revision.version;
        let stored = self.stored(&there.storage, version).await?;
        let targets = objects::targets(&stored.record, &there.cluster).await?;
        let with_data = targets.iter().filter(|target| {
            let kept = || serde_json::from_value(target.body["metadata"].clone()).is_ok_and(|meta| is_kept(&meta));
            WITH_DATA.contains(&target.id.kind.as_str()) && !kept()
        });
        Ok(Some(with_data.map(|target| target.id.to_string()).collect()))
    }
}
