//! The cluster module against a real API server: what it promises about applying, deleting, errors, identities, watches.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::needless_pass_by_value, reason = "json! makes values, and nobody else wants them")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use pintle::cluster::managers::EARLIER;
use pintle::cluster::{
    Apply, Class, Cluster, Deleted, Error, ObjectId, Origin, Outcome, Owner, Propagation, Selection, Target,
    WatchState, Watches,
};
use pintle_e2e::{ControlPlane, Kubectl, build_controlplane, build_helm, root};
use serde_json::{Value, json};

const DEADLINE: Duration = Duration::from_secs(60);
const HOW: Apply<'_> = Apply { manager: "helm", force: false, dry_run: false, strict: true };

struct Stage {
    kubectl: Kubectl,
    helm: PathBuf,
    cluster: Arc<Cluster>,
}

impl Stage {
    /// Standard output, or standard error if it failed.
    fn helm(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new(&self.helm);
        command.args(args).env("KUBECONFIG", self.kubectl.kubeconfig());
        command.env("HOME", self.kubectl.kubeconfig().parent().unwrap());
        let out = command.output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        if out.status.success() { Ok(text(out.stdout)) } else { Err(text(out.stderr)) }
    }

    /// A chart with these templates.
    fn chart(&self, name: &str, templates: &[(&str, &str)]) -> PathBuf {
        let folder = self.kubectl.kubeconfig().parent().unwrap().join("charts").join(name);
        std::fs::create_dir_all(folder.join("templates")).unwrap();
        std::fs::write(folder.join("Chart.yaml"), format!("apiVersion: v2\nname: {name}\nversion: 0.1.0\n")).unwrap();
        for (file, text) in templates {
            std::fs::write(folder.join("templates").join(file), text).unwrap();
        }
        folder
    }

    async fn target(&self, body: Value) -> Target {
        let manifest = serde_json::to_string(&body).unwrap();
        self.cluster.targets(&manifest, "shop").await.unwrap().remove(0)
    }
}

async fn client(kubeconfig: &Path) -> Arc<Cluster> {
    let kubeconfig = kube::config::Kubeconfig::read_from(kubeconfig).unwrap();
    let config =
        kube::Config::from_custom_kubeconfig(kubeconfig, &kube::config::KubeConfigOptions::default()).await.unwrap();
    Cluster::new(config).await.unwrap()
}

fn config_map(name: &str, data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data})
}

fn id(api_version: &str, kind: &str, namespace: Option<&str>, name: &str) -> ObjectId {
    ObjectId {
        api_version: api_version.into(),
        kind: kind.into(),
        namespace: namespace.map(str::to_owned),
        name: name.into(),
    }
}

/// Asks until it holds.
async fn until<T>(what: &str, mut probe: impl AsyncFnMut() -> Option<T>) -> T {
    let asking = async {
        loop {
            if let Some(found) = probe().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(DEADLINE, asking).await.unwrap_or_else(|_| panic!("{what}: not in time"))
}

#[tokio::test]
async fn a_real_api_server_behaves_as_we_say() {
    let tools = build_controlplane(&mut |line| eprintln!("{line}")).unwrap();
    let helm = build_helm(&mut |line| eprintln!("{line}")).unwrap();
    let plane = ControlPlane::start(&tools, &root().join("target/e2e/cluster")).unwrap();
    let cluster = client(plane.admin().kubeconfig()).await;
    let stage = Stage { kubectl: plane.admin(), helm, cluster };
    stage.kubectl.run(&["create", "namespace", "shop"]).unwrap();

    capabilities_are_helms(&stage).await;
    applying_tells_what_it_did(&stage).await;
    refusals_are_classified(&stage).await;
    identities_have_their_own_rights(&stage).await;
    new_kinds_are_found_and_lost(&stage).await;
    fields_are_taken_over(&stage).await;
    foreign_objects_are_refused_as_helm_does(&stage).await;
    changes_are_seen(&stage).await;
    reasons_are_found(&stage).await;
    merging_ends_where_helms_does(&stage).await;
}

/// The same chart, the same meddling by others, the same upgrade: helm's object and ours end equal.
async fn merging_ends_where_helms_does(stage: &Stage) {
    let object = |name: &str, second: bool| {
        let (image, env, volume, strategy, label) = if second {
            (
                "nowhere/main:2",
                json!([{"name": "A", "value": "2"}]),
                json!({"secret": {"secretName": "s"}}),
                json!({"type": "Recreate"}),
                json!({}),
            )
        } else {
            (
                "nowhere/main:1",
                json!([{"name": "A", "value": "1"}, {"name": "B", "value": "b"}]),
                json!({"emptyDir": {}}),
                json!({"type": "RollingUpdate"}),
                json!({"old": "x"}),
            )
        };
        let volume = [volume.as_object().unwrap().clone(), json!({"name": "v"}).as_object().unwrap().clone()];
        let volume: Value = volume.into_iter().flatten().collect::<serde_json::Map<_, _>>().into();
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name, "annotations": label},
            "spec": {"replicas": 0, "strategy": strategy, "selector": {"matchLabels": {"app": "x"}}, "template": {
                "metadata": {"labels": {"app": "x"}},
                "spec": {"volumes": [volume], "containers": [
                    {"name": "main", "image": image, "env": env, "ports": [{"containerPort": 80, "name": "web"}]}]}}}})
    };
    let meddling = r#"{"metadata":{"labels":{"theirs":"x"}},"spec":{"replicas":2,"template":{"spec":{"containers":[
        {"name":"main","image":"their/own:1","env":[{"name":"T","value":"t"}]},{"name":"injected","image":"i"}]}}}}"#;
    let chart = |second: bool| {
        let text = serde_json::to_string(&object("by-helm", second)).unwrap();
        stage.chart("merged", &[("d.yaml", &text)]).to_str().unwrap().to_owned()
    };
    stage.helm(&["install", "merged", &chart(false), "-n", "shop", "--server-side=false"]).unwrap();
    let first = stage.target(object("by-us", false)).await;
    assert_eq!(stage.cluster.merge(&first, None, &HOW).await.unwrap().outcome, Outcome::Created);
    for name in ["by-helm", "by-us"] {
        stage.kubectl.run(&["patch", "deployment", name, "-n", "shop", "-p", meddling]).unwrap();
    }
    stage.helm(&["upgrade", "merged", &chart(true), "-n", "shop"]).unwrap();
    let second = stage.target(object("by-us", true)).await;
    assert_eq!(stage.cluster.merge(&second, Some(&first.body), &HOW).await.unwrap().outcome, Outcome::Configured);
    assert_eq!(stage.cluster.merge(&second, Some(&second.body), &HOW).await.unwrap().outcome, Outcome::Unchanged);
    let [theirs, ours] = ["by-helm", "by-us"]
        .map(|name| stage.kubectl.get(&["deployment", name, "-n", "shop", "--show-managed-fields"]).unwrap());
    assert_eq!(ours["spec"], theirs["spec"]);
    assert_eq!(ours["metadata"]["labels"]["theirs"], "x");
    assert_eq!(ours["metadata"]["annotations"]["old"], Value::Null);
    let managers = ours["metadata"]["managedFields"].as_array().unwrap();
    assert!(managers.iter().all(|entry| entry["operation"] == "Update"), "nothing was applied server-side");
}

async fn reasons_are_found(stage: &Stage) {
    let workload = |name: &str, sim: &str| {
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": name}}, "template": {
                "metadata": {"labels": {"app": name}, "annotations": {"pintle.dev/sim": sim}},
                "spec": {"containers": [{"name": "main", "image": "nowhere/main:1"}]}}}})
    };
    for (name, sim, reason, log) in [
        ("broken", "crash", "CrashLoopBackOff", Some("cannot connect to database: connection refused")),
        ("imageless", "bad-image", "ImagePullBackOff", None),
    ] {
        let target = stage.target(workload(name, sim)).await;
        stage.cluster.apply(&target, &HOW).await.unwrap();
        let diagnosis = until("a diagnosis", async || {
            let live = stage.cluster.get(&target.id).await.unwrap().unwrap();
            let live = serde_json::to_value(live).unwrap();
            let found = stage.cluster.diagnose(&target.id, &live).await;
            found.pod.as_ref().is_some_and(|pod| pod.contains(reason)).then_some(found)
        })
        .await;
        let pod = diagnosis.pod.as_ref().unwrap();
        assert!(pod.starts_with(&format!("Pod shop/{name}-")) && pod.contains("container main"), "{diagnosis}");
        if let Some(log) = log {
            assert!(diagnosis.log.as_ref().is_some_and(|found| found.ends_with(log)), "{diagnosis}");
        }
    }
}

async fn capabilities_are_helms(stage: &Stage) {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: caps}\ndata:\n  version: {{ .Capabilities.KubeVersion.Version }}\n  \
        kinds: {{ .Capabilities.APIVersions | join \" \" | quote }}\n";
    let chart = stage.chart("caps", &[("caps.yaml", template)]);
    let out = stage.helm(&["install", "caps", chart.to_str().unwrap(), "--dry-run=server", "-n", "shop"]).unwrap();
    let line = |key: &str| {
        let line = out.lines().find_map(|line| line.trim().strip_prefix(key)).unwrap();
        line.trim_matches([' ', ':', '"']).to_owned()
    };
    let ours = stage.cluster.capabilities().await.unwrap();
    assert_eq!(ours.kube_version, line("version"));
    let theirs: BTreeSet<_> = line("kinds").split(' ').map(str::to_owned).collect();
    let ours: BTreeSet<_> = ours.api_versions.into_iter().collect();
    assert_eq!(ours.difference(&theirs).collect::<Vec<_>>(), Vec::<&String>::new(), "only we have them");
    assert_eq!(theirs.difference(&ours).collect::<Vec<_>>(), Vec::<&String>::new(), "only helm has them");
}

async fn applying_tells_what_it_did(stage: &Stage) {
    let cluster = &stage.cluster;
    let before = cluster.requests();
    let target = stage.target(config_map("a", json!({"k": "1"}))).await;
    let dry = cluster.apply(&target, &Apply { dry_run: true, ..HOW }).await.unwrap();
    assert_eq!(dry.outcome, Outcome::Created);
    assert!(cluster.get(&target.id).await.unwrap().is_none());

    assert_eq!(cluster.apply(&target, &HOW).await.unwrap().outcome, Outcome::Created);
    assert_eq!(cluster.requests() - before, 3, "one request a call, discovery is known already");
    // Within the clock's grain the answer may be "configured"; then it is settled.
    until("applied again", async || {
        (cluster.apply(&target, &HOW).await.unwrap().outcome == Outcome::Unchanged).then_some(())
    })
    .await;
    let changed = stage.target(config_map("a", json!({"k": "2"}))).await;
    let dry = cluster.apply(&changed, &Apply { dry_run: true, ..HOW }).await.unwrap();
    assert_eq!((dry.outcome, dry.object.data["data"]["k"].as_str()), (Outcome::Configured, Some("2")));
    assert_eq!(cluster.apply(&changed, &HOW).await.unwrap().outcome, Outcome::Configured);

    let live = cluster.get_metadata(&target.id).await.unwrap().unwrap();
    let uid = live.metadata.uid.unwrap();
    let delete = async |uid: Option<&str>| cluster.delete(&target.id, Propagation::Background, uid).await.unwrap();
    assert_eq!(delete(Some("another")).await, Deleted::Replaced);
    assert_eq!(delete(Some(&uid)).await, Deleted::Gone);
    assert_eq!(delete(Some(&uid)).await, Deleted::Absent);

    let mut held = config_map("held", json!({}));
    held["metadata"]["finalizers"] = json!(["example.org/hold"]);
    let held = stage.target(held).await;
    cluster.apply(&held, &HOW).await.unwrap();
    assert_eq!(cluster.delete(&held.id, Propagation::Foreground, None).await.unwrap(), Deleted::Terminating);

    let mut unnamed = config_map("", json!({}));
    unnamed["metadata"] = json!({"generateName": "made-"});
    let made = cluster.apply(&stage.target(unnamed).await, &HOW).await.unwrap();
    assert!(made.object.metadata.name.unwrap().starts_with("made-"));
}

async fn refusals_are_classified(stage: &Stage) {
    let cluster = &stage.cluster;
    let refused = async |body: Value| cluster.apply(&stage.target(body).await, &HOW).await.unwrap_err();

    stage
        .kubectl
        .run(&["create", "configmap", "b", "-n", "shop", "--from-literal", "k=theirs", "--field-manager", "them"])
        .unwrap();
    let error = refused(config_map("b", json!({"k": "ours"}))).await;
    assert_eq!(error.class(), Class::FieldConflict, "{error}");
    let conflicts: Vec<_> = error.conflicts().iter().map(|c| (c.manager.as_str(), c.field.as_str())).collect();
    assert_eq!(conflicts, [("them", ".data.k")]);
    let target = stage.target(config_map("b", json!({"k": "ours"}))).await;
    assert_eq!(cluster.apply(&target, &Apply { force: true, ..HOW }).await.unwrap().outcome, Outcome::Configured);

    let mut odd = config_map("c", json!({}));
    odd["dta"] = json!({});
    let error = refused(odd.clone()).await;
    assert_eq!(error.class(), Class::Invalid, "{error}");
    assert!(error.to_string().contains("dta"), "{error}");
    // Server-side apply takes no unknown field at all; a plain create can be told not to mind.
    let odd = stage.target(odd).await;
    assert!(cluster.apply(&odd, &Apply { strict: false, ..HOW }).await.is_err());
    assert_eq!(cluster.create(&odd, &HOW).await.unwrap_err().class(), Class::Invalid);
    assert!(cluster.create(&odd, &Apply { strict: false, ..HOW }).await.is_ok());

    let job = |image: &str| {
        json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"suspend": true, "template": {"spec": {
            "restartPolicy": "Never", "containers": [{"name": "a", "image": image}]}}}})
    };
    cluster.apply(&stage.target(job("a:1")).await, &HOW).await.unwrap();
    let error = refused(job("a:2")).await;
    assert_eq!(error.class(), Class::Invalid);
    assert!(error.to_string().contains("Job shop/j") && error.to_string().contains("immutable"), "{error}");

    let error = refused(json!({"apiVersion": "v9", "kind": "Thing", "metadata": {"name": "x"}})).await;
    assert!(matches!(&error, Error::UnknownKind { kind, .. } if kind == "Thing"), "{error}");
    let nowhere = stage
        .target(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "nowhere"}}))
        .await;
    let error = cluster.apply(&nowhere, &HOW).await.unwrap_err();
    assert!(error.is_not_found() && error.to_string().contains("nowhere"), "{error}");
    let error = cluster.create(&target, &HOW).await.unwrap_err();
    assert_eq!(error.class(), Class::AlreadyExists);
    let mut stale = target.clone();
    stale.body["metadata"]["resourceVersion"] = json!("1");
    assert_eq!(cluster.replace(&stale, &HOW).await.unwrap_err().class(), Class::Stale);

    let unreachable = kube::Config::new("https://127.0.0.1:1".parse().unwrap());
    let error = Cluster::new(unreachable).await.unwrap().get(&target.id).await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("refused"), "{error}");
}

async fn identities_have_their_own_rights(stage: &Stage) {
    let kubectl = &stage.kubectl;
    kubectl.run(&["create", "serviceaccount", "deployer", "-n", "shop"]).unwrap();
    let deployer = stage.cluster.as_service_account("shop", "deployer").unwrap();
    let target = stage.target(config_map("d", json!({}))).await;
    let error = deployer.apply(&target, &HOW).await.unwrap_err();
    assert_eq!(error.class(), Class::Forbidden);
    assert!(error.to_string().contains("system:serviceaccount:shop:deployer"), "{error}");
    kubectl
        .run(&[
            "create",
            "rolebinding",
            "deployer",
            "-n",
            "shop",
            "--clusterrole=edit",
            "--serviceaccount=shop:deployer",
        ])
        .unwrap();
    until("rights given", async || deployer.apply(&target, &HOW).await.ok()).await;
    let elsewhere = stage
        .target(json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "x", "namespace": "default"}}))
        .await;
    assert_eq!(deployer.apply(&elsewhere, &HOW).await.unwrap_err().class(), Class::Forbidden);
    assert!(stage.cluster.as_service_account("shop", "a\r\nb").is_err());
    assert!(stage.cluster.apply(&elsewhere, &HOW).await.is_ok());
}

fn definition(group: &str) -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": format!("things.{group}")},
        "spec": {"group": group, "scope": "Cluster", "names": {"kind": "Thing", "plural": "things", "singular": "thing", "listKind": "ThingList"},
        "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}]}})
}

async fn new_kinds_are_found_and_lost(stage: &Stage) {
    let cluster = &stage.cluster;
    let thing = id("example.org/v1", "Thing", None, "x");
    assert!(matches!(cluster.get(&thing).await, Err(Error::UnknownKind { .. })));
    assert_eq!(cluster.delete(&thing, Propagation::Background, None).await.unwrap(), Deleted::Absent);
    cluster.apply(&stage.target(definition("example.org")).await, &HOW).await.unwrap();
    let body =
        json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "x", "namespace": "ignored"}});
    until("kind served", async || {
        cluster.forget_discovery();
        cluster.resolve("example.org/v1", "Thing").await.ok()
    })
    .await;
    let target = stage.target(body).await;
    assert_eq!(target.id, thing);
    until("kind writable", async || cluster.apply(&target, &HOW).await.ok()).await;
}

async fn fields_are_taken_over(stage: &Stage) {
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: moved}\ndata: {old: \"1\", kept: \"2\"}\n";
    let chart = stage.chart("moved", &[("m.yaml", template)]);
    stage.helm(&["install", "moved", chart.to_str().unwrap(), "-n", "shop", "--server-side=false"]).unwrap();
    let target = stage.target(config_map("moved", json!({"kept": "3"}))).await;
    let live = stage.cluster.get_metadata(&target.id).await.unwrap().unwrap().metadata;
    assert!(stage.cluster.take_over_fields(&target.id, &live, "helm", &EARLIER).await.unwrap());
    let error = stage.cluster.take_over_fields(&target.id, &live, "helm", &EARLIER).await.unwrap_err();
    assert_eq!(error.class(), Class::Stale, "{error}");
    let applied = stage.cluster.apply(&target, &HOW).await.unwrap().object;
    assert_eq!(applied.data["data"], json!({"kept": "3"}), "what the chart no longer has is gone");
    let live = stage.cluster.get_metadata(&target.id).await.unwrap().unwrap().metadata;
    assert!(!stage.cluster.take_over_fields(&target.id, &live, "helm", &EARLIER).await.unwrap());
}

async fn foreign_objects_are_refused_as_helm_does(stage: &Stage) {
    let kubectl = &stage.kubectl;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\n";
    let chart = stage.chart("theirs", &[("t.yaml", template)]);
    let owner = Owner { release: "ours".into(), namespace: "shop".into() };
    let target = id("v1", "ConfigMap", Some("shop"), "theirs");
    kubectl.run(&["create", "configmap", "theirs", "-n", "shop"]).unwrap();
    for change in [
        None,
        Some(["label", "app.kubernetes.io/managed-by=me"]),
        Some(["annotate", "meta.helm.sh/release-name=another"]),
    ] {
        if let Some([verb, mark]) = change {
            kubectl.run(&[verb, "configmap", "theirs", "-n", "shop", mark]).unwrap();
        }
        let live = stage.cluster.get_metadata(&target).await.unwrap().unwrap();
        let ours = owner.check(&target, &live.metadata).unwrap_err().to_string();
        let theirs = stage.helm(&["install", "ours", chart.to_str().unwrap(), "-n", "shop"]).unwrap_err();
        assert!(theirs.contains(&ours), "helm: {theirs}\nours: {ours}");
    }
}

async fn changes_are_seen(stage: &Stage) {
    let cluster = &stage.cluster;
    let origin = Origin::new("apps", "web");
    let labelled = |mut body: Value| {
        origin.mark(&mut body);
        body
    };
    let there = stage.target(labelled(config_map("there", json!({})))).await;
    cluster.apply(&there, &HOW).await.unwrap();
    let thing = stage
        .target(labelled(json!({"apiVersion": "example.org/v1", "kind": "Thing", "metadata": {"name": "seen"}})))
        .await;
    cluster.apply(&thing, &HOW).await.unwrap();

    let (watches, mut changes) = Watches::new(Arc::clone(cluster), Selection::default(), "helm");
    let mut next = async || tokio::time::timeout(DEADLINE, changes.recv()).await.unwrap().unwrap();
    let maps = cluster.resolve("v1", "ConfigMap").await.unwrap();
    watches.ensure(&maps);
    watches.ensure(&maps);
    let change = next().await;
    assert!(change.initial && !change.deleted && change.object == there.id && change.release.as_ref() == Some(&origin));
    until("live", async || (watches.state("v1", "ConfigMap") == Some(WatchState::Live)).then_some(())).await;

    let later = stage.target(labelled(config_map("later", json!({})))).await;
    let made = cluster.apply(&later, &HOW).await.unwrap().object.metadata;
    let change = next().await;
    assert_eq!(
        (change.object, Some(change.resource_version), change.initial),
        (later.id.clone(), made.resource_version, false)
    );
    stage.kubectl.run(&["create", "configmap", "unlabelled", "-n", "shop"]).unwrap();
    stage.kubectl.run(&["patch", "configmap", "later", "-n", "shop", "-p", r#"{"data":{"by":"hand"}}"#]).unwrap();
    let change = next().await;
    assert_eq!((&change.object, change.deleted), (&later.id, false));
    let hand =
        change.meta.managed_fields.iter().flatten().any(|entry| entry.manager.as_deref() == Some("kubectl-patch"));
    assert!(hand, "the metadata say who it was");
    cluster.delete(&later.id, Propagation::Background, None).await.unwrap();
    let change = next().await;
    assert!(change.deleted && change.object == later.id && change.release.as_ref() == Some(&origin));

    // The kind goes: its objects go, and so does its watch.
    watches.ensure(&cluster.resolve("example.org/v1", "Thing").await.unwrap());
    assert_eq!(next().await.object, thing.id);
    cluster
        .delete(
            &id("apiextensions.k8s.io/v1", "CustomResourceDefinition", None, "things.example.org"),
            Propagation::Background,
            None,
        )
        .await
        .unwrap();
    loop {
        let change = next().await;
        assert_eq!(change.object, thing.id);
        if change.deleted {
            break;
        }
    }

    // Without the right to watch it says so, and begins when the right is given.
    stage.kubectl.run(&["create", "serviceaccount", "watcher", "-n", "shop"]).unwrap();
    let watcher = cluster.as_service_account("shop", "watcher").unwrap();
    let (watches, mut changes) = Watches::new(
        Arc::clone(&watcher),
        Selection { namespace: Some("shop".into()), ..Selection::default() },
        "helm",
    );
    watches.ensure(&maps);
    until("denied", async || matches!(watches.state("v1", "ConfigMap"), Some(WatchState::Denied(_))).then_some(()))
        .await;
    stage
        .kubectl
        .run(&["create", "rolebinding", "watcher", "-n", "shop", "--clusterrole=view", "--serviceaccount=shop:watcher"])
        .unwrap();
    let change = tokio::time::timeout(DEADLINE, changes.recv()).await.unwrap().unwrap();
    assert_eq!(change.object, there.id);
}
