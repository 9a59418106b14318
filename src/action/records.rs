//! Records of a release taken together: which is deployed, which are gone.

use crate::release::{Error, Result, Status, Storage, Stored};
use std::sync::Arc;

/// The record of a revision, if it is there. One that is none is passed over, as in lists of them.
///
/// # Errors
/// Failures of the API server.
pub async fn revision(storage: &Storage, release: &str, version: u32) -> Result<Option<Stored>> {
    match storage.get(release, version).await {
        Ok(stored) => Ok(Some(stored)),
        Err(Error::NotFound { .. } | Error::Decode(_) | Error::TooLarge { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Marks the revisions that were deployed until now as superseded; gives their records as written. Those at hand need not be
/// read again, unless somebody wrote them in between.
///
/// # Errors
/// If one cannot be written.
pub async fn supersede(
    storage: &Storage,
    release: &str,
    deployed: &[u32],
    by: u32,
    at_hand: &[Stored],
) -> Result<Vec<Stored>> {
    let mark = async |stored: &Stored| {
        let mut record = stored.record.clone();
        Arc::make_mut(&mut record).info.status = Status::Superseded;
        storage.update(stored, &record, &stored.annotations).await
    };
    let mut written = Vec::new();
    for version in deployed.iter().filter(|version| **version != by) {
        if let Some(known) = at_hand.iter().find(|stored| stored.record.version == *version) {
            match mark(known).await {
                Err(Error::Conflict { .. } | Error::NotFound { .. }) => {}
                result => {
                    written.push(result?);
                    continue;
                }
            }
        }
        if let Some(stored) = revision(storage, release, *version).await? {
            written.push(mark(&stored).await?);
        }
    }
    Ok(written)
}

/// Deletes all records. The newest goes last: as long as it is there, an interrupted removal is taken up again.
///
/// # Errors
/// If one cannot be deleted.
pub async fn purge(storage: &Storage, release: &str) -> Result<()> {
    let mut entries = storage.entries(release).await?;
    entries.sort_unstable_by_key(|entry| entry.revision);
    for entry in &entries {
        storage.remove(entry).await?;
    }
    Ok(())
}
