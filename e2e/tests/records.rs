//! Release records go back and forth: what helm wrote we read and write equal, what we wrote helm reads.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pintle::cluster::Cluster;
use pintle::release::{Annotations, ApplyMethod, Driver, Error, Info, Record, Status, Storage, encode};
use pintle_e2e::{ControlPlane, build_controlplane, build_helm, root};
use serde_json::Value;

struct Helm {
    program: PathBuf,
    kubeconfig: PathBuf,
}

impl Helm {
    fn run(&self, args: &[&str]) -> String {
        self.run_with("secret", args)
    }

    fn run_with(&self, driver: &str, args: &[&str]) -> String {
        let home = self.kubeconfig.parent().unwrap();
        let out = Command::new(&self.program)
            .args(args)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("HOME", home)
            .env("HELM_DRIVER", driver)
            .output()
            .unwrap();
        assert!(out.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }
}

async fn client(kubeconfig: &Path) -> Arc<Cluster> {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap();
    Cluster::new(config).await.unwrap()
}

/// The JSON within a stored record.
fn json(value: &[u8]) -> Value {
    let packed = STANDARD.decode(value).unwrap();
    let mut json = Vec::new();
    flate2::read::MultiGzDecoder::new(packed.as_slice()).read_to_end(&mut json).unwrap();
    serde_json::from_slice(&json).unwrap()
}

#[tokio::test]
async fn helm_and_pintle_read_each_others_records() {
    let tools = build_controlplane(&mut |line| eprintln!("{line}")).unwrap();
    let program = build_helm(&mut |line| eprintln!("{line}")).unwrap();
    let plane = ControlPlane::start(&tools, &root().join("target/e2e/records")).unwrap();
    let helm = Helm { program, kubeconfig: plane.admin().kubeconfig().to_owned() };
    let cluster = client(&helm.kubeconfig).await;

    helms_records_come_back_equal(&plane, &helm, &cluster).await;
    ours_are_helms(&helm, &cluster).await;
    writers_exclude_each_other(&cluster).await;
    configmaps_work_too(&helm, &cluster).await;
    history_is_pruned(&cluster).await;
    for driver in [Driver::Secret, Driver::ConfigMap] {
        large_charts_are_put_aside(&plane, &cluster, driver).await;
    }
}

async fn helms_records_come_back_equal(plane: &ControlPlane, helm: &Helm, cluster: &Arc<Cluster>) {
    let chart = root().join("e2e/charts/hello-1.0.0");
    let chart = chart.to_str().unwrap();
    helm.run(&[
        "install",
        "web",
        chart,
        "-n",
        "shop",
        "--create-namespace",
        "--set",
        "greeting=Hi <&> there",
        "--labels",
        "team=a",
    ]);
    helm.run(&["upgrade", "web", chart, "-n", "shop", "--set", "replicas=0,greeting=null"]);
    helm.run(&["rollback", "web", "1", "-n", "shop"]);
    helm.run(&["install", "old", chart, "-n", "shop", "--server-side=false", "--no-hooks", "--description", "by hand"]);
    helm.run(&["uninstall", "old", "-n", "shop", "--keep-history"]);

    let storage = Storage::new(Arc::clone(cluster), "shop", Driver::Secret);
    let all = storage.all().await.unwrap();
    assert!(all.unreadable.is_empty(), "{:?}", all.unreadable);
    let brief: Vec<_> = all
        .iter()
        .map(|s| (s.record.name.as_str(), s.record.version, s.record.info.status, s.record.apply_method))
        .collect();
    let ssa = Some(ApplyMethod::ServerSide);
    let expect = [
        ("old", 1, Status::Uninstalled, Some(ApplyMethod::ClientSide)),
        ("web", 3, Status::Deployed, ssa),
        ("web", 2, Status::Superseded, ssa),
        ("web", 1, Status::Superseded, ssa),
    ];
    assert_eq!(brief, expect);
    for stored in all.iter() {
        let record = &stored.record;
        let name = pintle::release::storage::object_name(&record.name, record.version);
        let secret = plane.admin().get(&["secret", &name, "-n", "shop"]).unwrap();
        let theirs = json(&STANDARD.decode(secret["data"]["release"].as_str().unwrap()).unwrap());
        assert_eq!(json(&encode(record).unwrap()), theirs, "{name}");
        assert_eq!(record.chart.metadata().unwrap().name, "hello");
    }
    assert_eq!(all[1].record.labels, [("team".to_owned(), "a".to_owned())].into());

    let entries = storage.entries("web").await.unwrap();
    let brief: Vec<_> = entries.iter().map(|entry| (entry.revision, entry.status)).collect();
    assert_eq!(brief, [(3, Status::Deployed), (2, Status::Superseded), (1, Status::Superseded)]);
    assert_eq!(storage.newest("web").await.unwrap().unwrap().record.version, 3);
    assert!(storage.newest("none").await.unwrap().is_none());
}

async fn ours_are_helms(helm: &Helm, cluster: &Arc<Cluster>) {
    let storage = Storage::new(Arc::clone(cluster), "shop", Driver::Secret);
    let history = storage.history("web").await.unwrap();
    let base = &history[0];
    let mut old = Record::clone(&base.record);
    old.info.status = Status::Superseded;
    storage.update(base, &old, &Annotations::new()).await.unwrap();
    let new = Record {
        version: 4,
        info: Info {
            status: Status::Deployed,
            description: "Made by hand".to_owned(),
            notes: "note <&>".to_owned(),
            ..old.info.clone()
        },
        config: serde_json::from_str(r#"{"greeting": "Hey", "n": 1.5}"#).unwrap(),
        ..old.clone()
    };
    storage.create(&new, &Annotations::from([("pintle.dev/step".to_owned(), "done".to_owned())])).await.unwrap();

    let history: Value = serde_json::from_str(&helm.run(&["history", "web", "-n", "shop", "-o", "json"])).unwrap();
    let brief: Vec<_> =
        history.as_array().unwrap().iter().map(|r| (r["revision"].as_u64(), r["status"].as_str())).collect();
    assert_eq!(brief[2..], [(Some(3), Some("superseded")), (Some(4), Some("deployed"))]);
    assert_eq!(history[3]["description"], "Made by hand");
    assert_eq!(history[3]["chart"], "hello-1.0.0");
    assert_eq!(helm.run(&["get", "manifest", "web", "-n", "shop"]).trim(), new.manifest.trim());
    let values: Value = serde_json::from_str(&helm.run(&["get", "values", "web", "-n", "shop", "-o", "json"])).unwrap();
    assert_eq!(values, serde_json::json!({"greeting": "Hey", "n": 1.5}));
    let hooks = helm.run(&["get", "hooks", "web", "-n", "shop"]);
    assert!(new.hooks.iter().all(|hook| hooks.contains(hook.manifest.trim())), "{hooks}");
    let status = helm.run(&["status", "web", "-n", "shop"]);
    assert!(status.contains("REVISION: 4") && status.contains("note <&>"), "{status}");
    let list = helm.run(&["list", "-n", "shop", "-l", "team=a"]);
    assert!(list.contains("web") && list.contains("hello-1.0.0"), "{list}");

    // And helm goes on from there.
    helm.run(&["rollback", "web", "1", "-n", "shop"]);
    let history = storage.history("web").await.unwrap();
    let brief: Vec<_> = history.iter().map(|s| (s.record.version, s.record.info.status)).collect();
    assert_eq!(brief[..2], [(5, Status::Deployed), (4, Status::Superseded)]);
    helm.run(&["uninstall", "web", "-n", "shop"]);
    assert!(storage.history("web").await.unwrap().is_empty());
}

async fn writers_exclude_each_other(cluster: &Arc<Cluster>) {
    let storage = Storage::new(Arc::clone(cluster), "shop", Driver::Secret);
    let record = Record { name: "race".to_owned(), namespace: "shop".to_owned(), version: 1, ..Record::default() };
    let notes =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect::<Annotations>();
    let first = storage.create(&record, &notes(&[("a", "1"), ("b", "2")])).await.unwrap();
    assert!(matches!(storage.create(&record, &Annotations::new()).await, Err(Error::AlreadyExists { .. })));

    let second = storage.annotate(&first, &notes(&[("a", "3"), ("b", "")])).await.unwrap();
    assert!(matches!(storage.annotate(&first, &notes(&[("a", "4")])).await, Err(Error::Conflict { .. })));
    assert!(matches!(storage.update(&first, &record, &Annotations::new()).await, Err(Error::Conflict { .. })));
    let third = storage.update(&second, &record, &notes(&[("c", "5")])).await.unwrap();
    let read = storage.get("race", 1).await.unwrap();
    assert_eq!(read.annotations, notes(&[("a", "3"), ("c", "5")]));
    assert_eq!(
        (&read.annotations, &read.resource_version, &read.uid),
        (&third.annotations, &third.resource_version, &third.uid)
    );

    storage.delete("race", 1).await.unwrap();
    storage.delete("race", 1).await.unwrap();
    assert!(matches!(storage.update(&third, &record, &Annotations::new()).await, Err(Error::Conflict { .. })));
    assert!(matches!(storage.annotate(&third, &notes(&[("a", "6")])).await, Err(Error::Conflict { .. })));
    assert!(matches!(storage.get("race", 1).await, Err(Error::NotFound { .. })));

    let mut noise = String::new();
    for number in 0_u64..400_000 {
        noise.push_str(&format!("{:x}", number.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
    }
    let huge = Record { manifest: noise, ..record };
    assert!(matches!(storage.create(&huge, &Annotations::new()).await, Err(Error::Oversized { .. })));
}

async fn configmaps_work_too(helm: &Helm, cluster: &Arc<Cluster>) {
    let chart = root().join("e2e/charts/hello-1.0.0");
    helm.run_with("configmap", &["install", "map", chart.to_str().unwrap(), "-n", "shop"]);
    let storage = Storage::new(Arc::clone(cluster), "shop", Driver::ConfigMap);
    let history = storage.history("map").await.unwrap();
    let mut record = Record::clone(&history[0].record);
    record.info.description = "Written to a ConfigMap".to_owned();
    storage.update(&history[0], &record, &Annotations::new()).await.unwrap();
    let history = helm.run_with("configmap", &["history", "map", "-n", "shop"]);
    assert!(history.contains("Written to a ConfigMap"), "{history}");
}

async fn history_is_pruned(cluster: &Arc<Cluster>) {
    let storage = Storage::new(Arc::clone(cluster), "shop", Driver::Secret);
    for version in 1..=5 {
        let mut record = Record { name: "long".to_owned(), namespace: "shop".to_owned(), version, ..Record::default() };
        record.info.status = if version == 1 { Status::Deployed } else { Status::Failed };
        storage.create(&record, &Annotations::new()).await.unwrap();
    }
    assert_eq!(storage.prune("long", 3).await.unwrap(), [2, 3]);
    let left: Vec<_> = storage.entries("long").await.unwrap().iter().map(|entry| entry.revision).collect();
    assert_eq!(left, [5, 4, 1]);
}

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

async fn large_charts_are_put_aside(plane: &ControlPlane, cluster: &Arc<Cluster>, driver: Driver) {
    let storage = Storage::new(Arc::clone(cluster), "shop", driver);
    let kind = if driver == Driver::Secret { "secret" } else { "configmap" };
    let chart = serde_json::json!({
        "metadata": {"name": "big", "version": "1.0.0"}, "values": {"a": 1}, "schema": null,
        "templates": [{"name": "templates/a.yaml", "data": "YQ=="}],
        "files": [{"name": "a.bin", "data": noise(3_000_000)}],
    });
    let record = Record {
        name: "big".to_owned(),
        namespace: "shop".to_owned(),
        version: 1,
        chart: pintle::release::RawChart::from_json(&chart).unwrap(),
        manifest: "---\n".to_owned(),
        ..Record::default()
    };
    let parts = || -> Vec<String> {
        let list = plane.admin().get(&[kind, "-n", "shop", "-l", "pintle.dev/record-part-of=big"]).unwrap();
        let name = |object: &Value| object["metadata"]["name"].as_str().unwrap().to_owned();
        list["items"].as_array().unwrap().iter().map(name).collect()
    };
    // What a write left that was interrupted before the record; and what another writer is about to name.
    for (name, revision) in [("stray", 1), ("coming", 2)] {
        let object = serde_json::json!({
            "apiVersion": "v1", "kind": if driver == Driver::Secret { "Secret" } else { "ConfigMap" },
            "metadata": {"name": format!("sh.helm.release.v1.big.v{revision}.{name}.0"), "namespace": "shop", "labels": {
                "pintle.dev/record-part-of": "big", "pintle.dev/record-part-revision": revision.to_string()}},
        });
        plane.admin().apply(&object.to_string()).unwrap();
    }
    let first = storage.create(&record, &Annotations::new()).await.unwrap();
    let found = parts();
    assert!(!found.iter().any(|name| name.contains("stray")) && found.iter().any(|name| name.contains("coming")));
    let parsed = |chart: &pintle::release::RawChart| serde_json::from_str::<Value>(chart.json()).unwrap();
    assert_eq!(parsed(&first.record.chart)["files"], Value::Null);
    assert_eq!(parsed(&storage.whole(&first).await.unwrap().chart), chart);

    // Written again it keeps its parts, whatever else changes.
    let mut again = Record::clone(&first.record);
    again.info.status = Status::Deployed;
    storage.update(&first, &again, &Annotations::new()).await.unwrap();
    let read = storage.get("big", 1).await.unwrap();
    assert_eq!(parsed(&storage.whole(&read).await.unwrap().chart), chart);
    assert_eq!(parts(), found);

    // A write that comes too late leaves no parts.
    assert!(matches!(storage.create(&record, &Annotations::new()).await, Err(Error::AlreadyExists { .. })));
    let second = Record { version: 2, ..record.clone() };
    let second = storage.create(&second, &Annotations::new()).await.unwrap();
    let (of_first, of_second): (Vec<_>, Vec<_>) = parts().into_iter().partition(|name| name.contains(".big.v1."));
    assert!(found.iter().filter(|name| name.contains(".big.v1.")).eq(&of_first), "{of_first:?}");
    assert!(!of_second.iter().any(|name| name.contains("coming")));

    // Parts that were tampered with are noticed.
    let noise =
        if driver == Driver::Secret { r#"{"data":{"part":"bm8="}}"# } else { r#"{"binaryData":{"part":"bm8="}}"# };
    plane.admin().run(&["-n", "shop", "patch", kind, &of_second[0], "-p", noise]).unwrap();
    assert!(matches!(storage.whole(&second).await, Err(Error::Decode(_))));
    plane.admin().run(&["-n", "shop", "delete", kind, &of_second[0]]).unwrap();
    assert!(matches!(storage.whole(&second).await, Err(Error::NotFound { .. })));

    let entries = storage.entries("big").await.unwrap();
    assert_eq!(entries.iter().map(|entry| entry.revision).collect::<Vec<_>>(), [2, 1]);
    for entry in &entries {
        storage.remove(entry).await.unwrap();
    }
    assert_eq!(parts(), Vec::<String>::new());
}
