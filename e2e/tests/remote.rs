//! Releases that go to another cluster by `spec.kubeConfig`: their whole life there, and what a kubeconfig cannot ask for.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::prelude::{BASE64_STANDARD, Engine as _};
use pintle_e2e::{
    ControlPlane, DEADLINE, HELMRELEASE, Namespace, Operator, OperatorOptions, Scene, build_controlplane, condition,
    root, wait_until,
};
use serde_json::{Value, json};

/// The administrator's kubeconfig of a control plane with everything in it.
fn kubeconfig(of: &ControlPlane) -> Value {
    let admin = of.admin();
    let text = admin.run(&["config", "view", "--raw", "--flatten", "-o", "json"]).unwrap();
    serde_json::from_str(&text).unwrap()
}

fn put_secret(at: &Namespace, name: &str, kubeconfig: &Value) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "namespace": at.name()},
        "stringData": {"value": kubeconfig.to_string()}});
    at.kubectl().apply(&secret.to_string()).unwrap();
}

fn greeting(at: &Namespace) -> Option<String> {
    let found = at.find("configmap", "far-hello").unwrap()?;
    found["data"]["greeting"].as_str().map(str::to_owned)
}

#[test]
fn a_life_in_another_cluster() {
    let scene = Scene::set("near", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    let tools = build_controlplane(&mut |line| eprintln!("{line}")).unwrap();
    let folder = root().join("target/e2e").join(format!("far-{}", std::process::id()));
    let far_away = ControlPlane::start(&tools, &folder).unwrap();
    let far = Namespace::create("near", far_away.admin(), &Scene::helm_program().unwrap()).unwrap();

    let more = json!({"interval": "1h", "kubeConfig": {"secretRef": {"name": "far"}}, "values": {"replicas": 0},
        "driftDetection": {"mode": "enabled"}, "test": {"enable": true}});
    at.put_release("far", "hello", "1.0.0", &more).unwrap();
    let message = at.until_not_ready("far", &["RESTClientError"]).unwrap();
    assert!(message.contains("Secret near/far does not exist"), "{message}");

    // It comes, and that is noticed.
    put_secret(at, "far", &kubeconfig(&far_away));
    at.until_ready("far").unwrap();
    assert_eq!(greeting(&far).as_deref(), Some("Hello"));
    assert_eq!(greeting(at), None, "objects are in the operator's own cluster");
    far.helm_says("far", 1, "deployed", "hello-1.0.0").unwrap();
    assert!(at.helm_json(&["history", "far"]).is_err(), "records are in the operator's own cluster");

    // Watched there too.
    let patch = json!({"data": {"greeting": "Moin"}}).to_string();
    far.kubectl().run(&["-n", "near", "patch", "configmap", "far-hello", "-p", &patch]).unwrap();
    wait_until("drift in the other cluster is corrected", DEADLINE, || {
        Ok(if greeting(&far).as_deref() == Some("Hello") { Ok(()) } else { Err(String::new()) })
    })
    .unwrap();

    // A credential that is of no use is told; the release stays as it is; a good one goes on.
    let mut wrong = kubeconfig(&far_away);
    wrong["users"][0]["user"] = json!({"token": "no-such-token"});
    put_secret(at, "far", &wrong);
    at.patch_release("far", &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}})).unwrap();
    wait_until("the refused credential is told", DEADLINE, || {
        let found = at.object(HELMRELEASE, "far")?;
        let said = found["status"]["conditions"].to_string();
        Ok(if said.contains("Unauthorized") { Ok(()) } else { Err(said) })
    })
    .unwrap();
    far.helm_says("far", 1, "deployed", "hello-1.0.0").unwrap();
    put_secret(at, "far", &kubeconfig(&far_away));
    at.until_runs("far", "hello@1.1.0", 2).unwrap();

    // Somebody uses helm there.
    far.helm(&["rollback", "far", "1"]).unwrap();
    at.until_runs("far", "hello@1.1.0", 4).unwrap();

    // Planned here, of what is there.
    let spec = json!({"mode": "Plan", "values": {"replicas": 0, "greeting": "Ahoi"}});
    at.patch_release("far", &json!({"spec": spec})).unwrap();
    let plan = at
        .until("far", |release| {
            let planned = condition(release, "Planned")?;
            let current = planned["observedGeneration"] == release["metadata"]["generation"];
            (current && planned["reason"] == "AwaitingApproval").then(|| release["status"]["plan"].clone())
        })
        .unwrap();
    assert_eq!((&plan["base"], &plan["create"], &plan["delete"]), (&json!(4), &json!(0), &json!(0)), "{plan}");
    let shown = at.object("configmap", "far-plan").unwrap()["data"]["plan.diff"].to_string();
    assert!(shown.contains("-  greeting: Hello") && shown.contains("+  greeting: Ahoi"), "{shown}");
    assert!(far.find("configmap", "far-plan").unwrap().is_none());
    assert_eq!(greeting(&far).as_deref(), Some("Hello"));
    let approval = format!("pintle.dev/approve={}", plan["digest"].as_str().unwrap());
    at.kubectl().run(&["annotate", HELMRELEASE, "far", "-n", at.name(), &approval]).unwrap();
    at.until_runs("far", "hello@1.1.0", 5).unwrap();
    assert_eq!(greeting(&far).as_deref(), Some("Ahoi"));

    at.delete_release("far").unwrap();
    wait_until("the release is gone in the other cluster", DEADLINE, || {
        Ok(if at.find(HELMRELEASE, "far")?.is_none() { Ok(()) } else { Err("HelmRelease is there".into()) })
    })
    .unwrap();
    assert_eq!(greeting(&far), None);
    drop(far_away);
    // A folder that stays is in nobody's way.
    let _ = std::fs::remove_dir_all(folder);
}

#[test]
fn what_a_kubeconfig_cannot_ask_for() {
    let mut scene = Scene::set("guarded", &["hello-1.0.0"]).unwrap();
    let at = scene.namespace.clone();
    let good = kubeconfig(scene.control_plane);
    let user = |user: Value| {
        let mut changed = good.clone();
        changed["users"][0]["user"] = user;
        changed
    };
    let cluster = |field: &str, value: Value| {
        let mut changed = good.clone();
        changed["clusters"][0]["cluster"][field] = value;
        changed
    };
    let mark = root().join("target/e2e").join(format!("ran-{}", std::process::id()));
    let exec = json!({"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": "touch",
        "args": [mark.display().to_string()], "interactiveMode": "Never"}});
    for (name, kubeconfig, refusal) in [
        ("exec", user(exec), "exec or auth-provider"),
        ("file", user(json!({"tokenFile": "/var/run/secrets/kubernetes.io/serviceaccount/token"})), "tokenFile"),
        ("insecure", cluster("insecure-skip-tls-verify", json!(true)), "insecure-skip-tls-verify"),
        ("metadata", cluster("server", json!("https://169.254.169.254")), "cloud metadata"),
        ("text", json!("no kubeconfig"), "no kubeconfig"),
    ] {
        put_secret(&at, name, &kubeconfig);
        let more = json!({"kubeConfig": {"secretRef": {"name": name}}});
        at.put_release(name, "hello", "1.0.0", &more).unwrap();
        let message = at.until_not_ready(name, &["RESTClientError"]).unwrap();
        assert!(message.contains(refusal), "{name}: {message}");
    }
    assert!(!mark.exists(), "a program of a kubeconfig ran");

    scene.operator.kill();
    let options = OperatorOptions {
        namespace: Some(at.name().to_owned()),
        args: vec!["--no-loopback-sources".into()],
        ..OperatorOptions::default()
    };
    let _guarded = Operator::start(scene.control_plane, at.name(), options).unwrap();
    put_secret(&at, "loopback", &good);
    at.put_release("loopback", "hello", "1.0.0", &json!({"kubeConfig": {"secretRef": {"name": "loopback"}}})).unwrap();
    // The chart's repository is on loopback as well, but where the release goes is looked at first.
    let message = at.until_not_ready("loopback", &["RESTClientError"]).unwrap();
    assert!(message.contains("the operator's own host"), "{message}");
}

#[test]
fn a_cluster_by_tokens_of_an_account() {
    // The tests' own cluster plays the other one too, for it takes the tokens that it makes.
    let scene = Scene::set("minted", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let at = &scene.namespace;
    let server = kubeconfig(scene.control_plane)["clusters"][0]["cluster"].clone();
    let ca = BASE64_STANDARD.decode(server["certificate-authority-data"].as_str().unwrap()).unwrap();
    let ca = String::from_utf8(ca).unwrap();
    let put_map = |more: Value| {
        let mut data = json!({"provider": "generic", "address": server["server"], "ca.crt": ca,
            "audiences": "https://kubernetes.default.svc\n", "serviceAccountName": "deployer"});
        data.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "there", "namespace": at.name()},
            "data": data});
        at.kubectl().apply(&map.to_string()).unwrap();
    };
    let more = |more: Value| {
        let mut spec = json!({"interval": "1h", "kubeConfig": {"configMapRef": {"name": "there"}},
            "values": {"replicas": 0, "hooks": {"enabled": false}}});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    let says = |reason: &str, part: &str| {
        at.until("web", |release| {
            let ready = condition(release, "Ready")?;
            let said = ready["message"].as_str().is_some_and(|message| message.contains(part));
            (ready["status"] == "False" && ready["reason"] == reason && said).then_some(())
        })
        .unwrap();
    };

    at.put_release("web", "hello", "1.0.0", &more(json!({}))).unwrap();
    says("RESTClientError", "ConfigMap minted/there does not exist");
    put_map(json!({"provider": "aws"}));
    says("UnsupportedField", "provider \"aws\" is not supported");
    put_map(json!({"address": "https://169.254.169.254"}));
    says("RESTClientError", "cloud metadata");
    put_map(json!({}));
    says("RESTClientError", "ServiceAccount minted/deployer");
    at.kubectl().run(&["create", "serviceaccount", "deployer", "-n", at.name()]).unwrap();
    at.request(HELMRELEASE, "web").unwrap();
    // It is the account that asks there, and it may not yet.
    says("AccessDenied", "system:serviceaccount:minted:deployer");
    let account = "--serviceaccount=minted:deployer";
    at.kubectl().run(&["create", "clusterrolebinding", "minted", "--clusterrole=cluster-admin", account]).unwrap();
    at.request(HELMRELEASE, "web").unwrap();
    at.until_runs("web", "hello@1.0.0", 1).unwrap();
    at.helm_says("web", 1, "deployed", "hello-1.0.0").unwrap();

    // Tokens that the server does not take are told.
    put_map(json!({"audiences": "https://somebody.else"}));
    at.patch_release("web", &json!({"spec": {"chart": {"spec": {"version": "1.1.0"}}}})).unwrap();
    wait_until("the refused token is told", DEADLINE, || {
        let said = at.object(HELMRELEASE, "web")?["status"]["conditions"].to_string();
        Ok(if said.contains("Unauthorized") { Ok(()) } else { Err(said) })
    })
    .unwrap();
    put_map(json!({}));
    at.until_runs("web", "hello@1.1.0", 2).unwrap();

    // A tenant gets no token of another account without the right to it, and those of its own account.
    at.kubectl().run(&["create", "serviceaccount", "tenant", "-n", at.name()]).unwrap();
    let account = "--serviceaccount=minted:tenant";
    at.kubectl().run(&["create", "rolebinding", "tenant", "-n", at.name(), "--clusterrole=view", account]).unwrap();
    at.put_release("thief", "hello", "1.0.0", &more(json!({"serviceAccountName": "tenant"}))).unwrap();
    let message = at.until_not_ready("thief", &["AccessDenied"]).unwrap();
    assert!(message.contains("serviceaccounts/token") || message.contains("\"serviceaccounts\""), "{message}");
    assert!(message.contains("system:serviceaccount:minted:tenant"), "{message}");
}
