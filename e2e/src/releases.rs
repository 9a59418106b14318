//! The HelmReleases of a namespace as one watch tells of them: for tests that look at a release all the time while they
//! attend to something else, and would keep the machine busy with a kubectl for each look.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::kubectl::Watch;
use crate::namespace::{HELMRELEASE, Namespace};

/// How long to wait for a change before `attend` is asked again.
const PAUSE: Duration = Duration::from_millis(50);

/// The HelmReleases of a namespace, as they were told of last.
pub struct Releases {
    watch: Watch,
    /// `None`: it has been deleted.
    told: BTreeMap<String, Option<Value>>,
}

impl Releases {
    /// Begins to watch a namespace.
    pub fn watch(at: &Namespace) -> Result<Self> {
        let watch = at.kubectl().watch(&[HELMRELEASE, "-n", at.name()])?;
        Ok(Self { watch, told: BTreeMap::new() })
    }

    /// Waits until a release is as `over` wants it (`None`: it has been deleted). Before it has been told of, nothing is
    /// asked. Meanwhile `attend` is called often; its error ends the wait.
    pub fn until(
        &mut self,
        name: &str,
        deadline: Duration,
        over: impl Fn(Option<&Value>) -> bool,
        mut attend: impl FnMut() -> Result<()>,
    ) -> Result<()> {
        let end = Instant::now() + deadline;
        loop {
            let found = self.told.get(name);
            if found.is_some_and(|release| over(release.as_ref())) {
                return Ok(());
            }
            if Instant::now() >= end {
                bail!("HelmRelease {name}: not within {deadline:?}; last seen: {}", state(found));
            }
            attend()?;
            if let Some(event) = self.watch.next(PAUSE)? {
                let name =
                    event.object["metadata"]["name"].as_str().context("a HelmRelease without a name")?.to_owned();
                self.told.insert(name, (!event.deleted).then_some(event.object));
            }
        }
    }
}

fn state(found: Option<&Option<Value>>) -> String {
    match found {
        None => "nothing".into(),
        Some(None) => "its deletion".into(),
        Some(Some(release)) => format!("{:#}", release["status"]),
    }
}
