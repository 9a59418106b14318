//! What it costs at least: a plain client that applies the objects of N small releases and writes one record twice for
//! each. `floor KUBECONFIG NAMESPACE N`; prints the seconds. Run by `cargo xtask scale` beside the operator.
#![allow(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement, run by hand")]

use kube::config::{KubeConfigOptions, Kubeconfig};
use pintle::cluster::{Apply, Cluster, ObjectId, Target};
use serde_json::{Value, json};
use std::{sync::Arc, time::Instant};
use tokio::task::JoinSet;

/// As many at once as the operator allows itself.
const AT_ONCE: usize = 32;

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let (kubeconfig, namespace) = (args.next().unwrap(), args.next().unwrap());
    let releases: usize = args.next().unwrap().parse().unwrap();
    let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
    let config = kube::Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
    let cluster = Cluster::new(config).await.unwrap();
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..releases {
        while tasks.len() >= AT_ONCE {
            tasks.join_next().await.unwrap().unwrap();
        }
        tasks.spawn(one(cluster.clone(), namespace.clone(), number));
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    println!("{:.3}", began.elapsed().as_secs_f64());
}

async fn one(cluster: Arc<Cluster>, namespace: String, number: usize) {
    let name = format!("floor-{number}");
    let how = Apply { manager: "floor", force: true, dry_run: false, strict: true };
    let labels = json!({"app": name});
    let record = |text: &str| json!({"type": "example.org/record", "stringData": {"release": text.repeat(3000)}});
    let pods =
        json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "example.org/a:1"}]}});
    let objects: [(&str, &str, Value); 5] = [
        ("v1", "Secret", record("a")),
        ("v1", "ConfigMap", json!({"data": {"greeting": "Hello"}})),
        ("v1", "Service", json!({"spec": {"selector": labels, "ports": [{"port": 80}]}})),
        (
            "apps/v1",
            "Deployment",
            json!({"spec": {"replicas": 0, "selector": {"matchLabels": labels}, "template": pods}}),
        ),
        ("v1", "Secret", record("b")),
    ];
    for (api_version, kind, mut body) in objects {
        body["apiVersion"] = json!(api_version);
        body["kind"] = json!(kind);
        body["metadata"] = json!({"name": name, "namespace": namespace});
        let (api_version, kind, namespace) = (api_version.to_owned(), kind.to_owned(), Some(namespace.clone()));
        let id = ObjectId { api_version, kind, namespace, name: name.clone() };
        cluster.apply(&Target { id, body }, &how).await.unwrap();
    }
}
