//! What is left of an operation: for comparing a disturbed run with an undisturbed one.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::kubectl::Watch;
use crate::namespace::{DEADLINE, HELMRELEASE, Namespace};
use crate::wait::wait_until;

/// What a release has come to, without names and times: conditions, history, Helm's account of it, its objects.
pub fn outcome(at: &Namespace, release: &str) -> Result<Value> {
    let found = at.find(HELMRELEASE, release)?.unwrap_or_default();
    let status = &found["status"];
    let conditions: Vec<Value> = status["conditions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|c| json!([c["type"], c["status"], c["reason"], c["message"]]))
        .collect();
    let history: Vec<Value> = status["history"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|s| {
            let tests: Vec<_> =
                s["testHooks"].as_object().into_iter().flatten().map(|(_, t)| t["phase"].clone()).collect();
            json!([s["version"], s["status"], s["action"], s["chartVersion"], tests])
        })
        .collect();
    let failures = json!([status["failures"], status["installFailures"], status["upgradeFailures"]]);
    // A release without records is an error to Helm.
    let helm = at.helm_json(&["history", release]).unwrap_or_default();
    let helm: Vec<Value> = helm
        .as_array()
        .into_iter()
        .flatten()
        .map(|row| json!([row["revision"], row["status"], row["chart"], row["description"]]))
        .collect();
    // One kubectl for all: this is asked again and again.
    let (mut objects, mut pods) = (Vec::new(), Vec::new());
    for object in at.list("configmaps,services,deployments.apps,poddisruptionbudgets.policy,secrets,pods")? {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        if object["kind"] == "Pod" {
            pods.push(name.to_owned());
        } else if name.contains(&format!("{release}-")) || name.contains(&format!("{release}.")) {
            objects.push(json!([object["kind"], name, object["data"]["greeting"], object["spec"]["template"]]));
        }
    }
    let inventory = status["inventory"]["entries"].as_array().map(Vec::len);
    let all = json!({"conditions": conditions, "history": history, "failures": failures, "helm": helm, "objects": objects,
        "inventory": inventory, "step": status["step"], "kept": found["metadata"]["finalizers"]});
    let mut text = all.to_string().replace(release, "RELEASE");
    // The names of Pods are drawn by lot, also of those that are gone by now.
    let before = format!("Pod {}/", at.name());
    let mut named: BTreeSet<String> =
        text.split(&before).skip(1).filter_map(|rest| rest.split_once(':').map(|(name, _)| name.to_owned())).collect();
    named.extend(pods.iter().map(|pod| pod.replace(release, "RELEASE")));
    for name in named.iter().filter(|name| !name.is_empty()) {
        text = text.replace(name, "POD");
    }
    // Descriptions in records are of one line.
    Ok(serde_json::from_str(&text.replace("\\n", " / "))?)
}

/// The same, once it does not change any more: what comes last, such as the end of a hook's Job, may follow the status.
pub fn settled(at: &Namespace, release: &str) -> Result<Value> {
    let mut last = outcome(at, release)?;
    wait_until(&format!("{release} settles"), DEADLINE, || {
        let now = outcome(at, release)?;
        Ok(if now == last { Ok(now) } else { Err(std::mem::replace(&mut last, now).to_string()) })
    })
}

/// The Jobs that hooks have run as, from now on.
pub struct HookRuns {
    jobs: Watch,
}

impl HookRuns {
    /// Begins to watch a namespace.
    pub fn watch(at: &Namespace) -> Result<Self> {
        Ok(Self { jobs: at.kubectl().watch(&["jobs", "-n", at.name()])? })
    }

    /// How many hooks have run; fails if one ran twice for the same operation.
    pub fn each_once(&mut self, at: &Namespace) -> Result<usize> {
        // The mark is the last thing that the watch sees.
        at.kubectl().apply(
            &json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "mark", "namespace": at.name()},
                "spec": {"suspend": true, "template": {"spec": {"restartPolicy": "Never",
                    "containers": [{"name": "a", "image": "b"}]}}}})
            .to_string(),
        )?;
        let mut ran: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        self.jobs.until(DEADLINE, |event| {
            let metadata = &event.object["metadata"];
            if metadata["name"] == "mark" {
                return Some(());
            }
            let operation = metadata["annotations"]["pintle.dev/run"].as_str().unwrap_or_default();
            let uid = metadata["uid"].to_string();
            ran.entry(format!("{} for {operation}", metadata["name"])).or_default().insert(uid);
            None
        })?;
        let twice: Vec<_> = ran.iter().filter(|(_, runs)| runs.len() > 1).collect();
        ensure!(twice.is_empty(), "hooks that ran twice: {twice:?}");
        Ok(ran.len())
    }
}
