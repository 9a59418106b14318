//! What a tenant, somebody who may write HelmReleases and HelmRepositories in one namespace, cannot get by it. Each line of
//! docs/security.md has its test here or is named there.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{ChartRepository, DEADLINE, Fault, HELMREPOSITORY, Namespace, Scene, condition, root, wait_until};
use serde_json::{Value, json};

/// A chart of one template.
fn publish(scene: &Scene, name: &str, template: &str) {
    scene.publish(name, "1.0.0", &[("templates/a.yaml", template)]).unwrap();
}

/// A namespace with a service account that may do as it likes there, and nothing elsewhere.
fn tenant(at: &Namespace, rights: &[&str]) {
    let name = at.name();
    at.kubectl().run(&["create", "serviceaccount", "tenant", "-n", name]).unwrap();
    for role in rights {
        let account = format!("--serviceaccount={name}:tenant");
        let role_flag = format!("--clusterrole={role}");
        at.kubectl().run(&["create", "rolebinding", role, "-n", name, &role_flag, &account]).unwrap();
    }
}

fn secret(at: &Namespace) {
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "treasure", "namespace": at.name()},
        "stringData": {"values.yaml": "found: treasure"}});
    at.kubectl().apply(&secret.to_string()).unwrap();
}

fn until_repository(at: &Namespace, name: &str, reason: &str) -> String {
    wait_until(&format!("HelmRepository {name} says {reason}"), DEADLINE, || {
        let found = at.object(HELMREPOSITORY, name)?;
        let ready = condition(&found, "Ready").cloned().unwrap_or(Value::Null);
        Ok(if ready["reason"] == reason { Ok(ready["message"].to_string()) } else { Err(ready.to_string()) })
    })
    .unwrap()
}

#[test]
fn a_template_sees_what_its_account_may_see() {
    let scene = Scene::set("lookup", &[]).unwrap();
    let at = &scene.namespace;
    let victim = scene.elsewhere("lookup-victim").unwrap();
    secret(&victim);
    tenant(at, &["edit"]);
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: loot}\ndata:\n  all: {{ lookup \"v1\" \"Secret\" \
                    \"lookup-victim\" \"treasure\" | toJson | quote }}\n";
    publish(&scene, "thief", template);
    at.put_release("thief", "thief", "1.x", &json!({"serviceAccountName": "tenant"})).unwrap();
    let message = at.until_not_ready("thief", &["InstallFailed", "AccessDenied"]).unwrap();
    assert!(message.contains("forbidden") && message.contains("system:serviceaccount:lookup:tenant"), "{message}");
    assert!(at.find("configmap", "loot").unwrap().is_none());
}

#[test]
fn values_come_from_what_the_account_may_read() {
    let scene = Scene::set("values-of-others", &[]).unwrap();
    let at = &scene.namespace;
    secret(at);
    tenant(at, &["view"]);
    publish(&scene, "plain", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n");
    let more = json!({"serviceAccountName": "tenant", "valuesFrom": [{"kind": "Secret", "name": "treasure"}]});
    at.put_release("reader", "plain", "1.x", &more).unwrap();
    let message = at.until_not_ready("reader", &["AccessDenied"]).unwrap();
    assert!(
        message.contains("forbidden") && message.contains("system:serviceaccount:values-of-others:tenant"),
        "{message}"
    );
    assert!(!message.contains("found"), "{message}");
}

#[test]
fn a_kubeconfig_is_read_as_the_account() {
    let scene = Scene::set("kubeconfig-of-others", &[]).unwrap();
    let at = &scene.namespace;
    secret(at);
    tenant(at, &["view"]);
    publish(&scene, "plain", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n");
    let kubeconfig = json!({"secretRef": {"name": "treasure", "key": "values.yaml"}});
    at.put_release("far", "plain", "1.x", &json!({"serviceAccountName": "tenant", "kubeConfig": kubeconfig})).unwrap();
    let message = at.until_not_ready("far", &["AccessDenied", "RESTClientError"]).unwrap();
    assert!(
        message.contains("forbidden") && message.contains("system:serviceaccount:kubeconfig-of-others:tenant"),
        "{message}"
    );
}

#[test]
fn a_plan_shows_what_its_account_may_see() {
    let scene = Scene::set("plan-of-others", &[]).unwrap();
    let at = &scene.namespace;
    let victim = scene.elsewhere("plan-victim").unwrap();
    tenant(at, &["edit"]);
    let treasure = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"found": "treasure"},
        "metadata": {"name": "treasure", "namespace": victim.name()}});
    at.kubectl().apply(&treasure.to_string()).unwrap();
    publish(&scene, "look", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: treasure, namespace: plan-victim}\n");
    at.put_release("look", "look", "1.x", &json!({"serviceAccountName": "tenant", "mode": "Plan"})).unwrap();
    let message = at.until_not_ready("look", &["AccessDenied"]).unwrap();
    assert!(
        message.contains("forbidden") && message.contains("system:serviceaccount:plan-of-others:tenant"),
        "{message}"
    );
    assert!(at.find("configmap", "look-plan").unwrap().is_none());
}

#[test]
fn a_template_reaches_nothing_outside() {
    let scene = Scene::set("outside", &[]).unwrap();
    let at = &scene.namespace;
    let template = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: loot}\ndata:\n  dns: {{ getHostByName \"localhost\" | quote \
                    }}\n  file: {{ .Files.Get \"/etc/passwd\" | quote }}\n  up: {{ .Files.Get \"../../../etc/passwd\" | quote }}\n";
    publish(&scene, "looks", template);
    at.put_release("looks", "looks", "1.x", &json!({})).unwrap();
    at.until_ready("looks").unwrap();
    assert_eq!(at.object("configmap", "loot").unwrap()["data"], json!({"dns": "", "file": "", "up": ""}));
    for function in ["env", "expandenv"] {
        publish(&scene, function, &format!("{{{{ {function} \"PATH\" }}}}"));
        at.put_release(function, function, "1.x", &json!({})).unwrap();
        let message = at.until_not_ready(function, &["InstallFailed"]).unwrap();
        assert!(message.contains(&format!("function \"{function}\" not defined")), "{message}");
    }
}

#[test]
fn nothing_goes_where_the_account_may_not_write() {
    let scene = Scene::set("elsewhere", &[]).unwrap();
    let at = &scene.namespace;
    let victim = scene.elsewhere("elsewhere-victim").unwrap();
    tenant(at, &["edit"]);
    publish(&scene, "plain", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain, namespace: elsewhere-victim}\n");
    let binding = "apiVersion: rbac.authorization.k8s.io/v1\nkind: ClusterRoleBinding\nmetadata: {name: gain}\nroleRef: \
                   {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}\nsubjects:\n- {kind: \
                   ServiceAccount, name: tenant, namespace: elsewhere}\n";
    publish(&scene, "gain", binding);
    for (release, more) in [
        ("plain", json!({"serviceAccountName": "tenant"})),
        ("plain-target", json!({"serviceAccountName": "tenant", "targetNamespace": "elsewhere-victim"})),
        ("plain-storage", json!({"serviceAccountName": "tenant", "storageNamespace": "elsewhere-victim"})),
        ("gain", json!({"serviceAccountName": "tenant"})),
    ] {
        let chart = if release == "gain" { "gain" } else { "plain" };
        at.put_release(release, chart, "1.x", &more).unwrap();
        let message = at.until_not_ready(release, &["AccessDenied"]).unwrap();
        assert!(message.contains("forbidden"), "{release}: {message}");
    }
    assert!(victim.find("configmap", "plain").unwrap().is_none());
    assert!(victim.list("secrets").unwrap().is_empty());
    assert!(at.find("clusterrolebinding", "gain").unwrap().is_none());
}

#[test]
fn repositories_of_others_and_hosts_out_of_reach() {
    let mut scene = Scene::set("reach", &["hello-1.0.0"]).unwrap();
    let at = scene.namespace.clone();
    let other = scene.elsewhere("reach-other").unwrap();
    other.put_repository("charts", &json!({"url": scene.repository.url(), "interval": "10m"})).unwrap();
    scene.restart_operator_with(&["--no-cross-namespace-refs", "--no-loopback-sources"]).unwrap();

    for (name, url, says) in [
        ("metadata", "http://169.254.169.254/latest/meta-data/", "link-local"),
        ("mapped", "http://[::ffff:169.254.169.254]/", "link-local"),
        ("azure", "http://168.63.129.16/", "metadata"),
        ("registry", "oci://169.254.169.254/charts", "link-local"),
    ] {
        at.put_repository(name, &json!({"url": url, "interval": "10m"})).unwrap();
        let message = until_repository(&at, name, "URLInvalid");
        assert!(message.contains(says), "{name}: {message}");
    }
    // The one that served until now is on loopback; a name for it is no way around.
    at.request(HELMREPOSITORY, "charts").unwrap();
    assert!(until_repository(&at, "charts", "URLInvalid").contains("the operator's own host"));
    let named = scene.repository.url().replace("127.0.0.1", "localhost");
    at.put_repository("named", &json!({"url": named, "interval": "10m"})).unwrap();
    assert!(until_repository(&at, "named", "FetchFailed").contains("the operator's own host"));

    let chart = json!({"spec": {"chart": "hello", "sourceRef": {"kind": "HelmRepository", "name": "charts", "namespace": "reach-other"}}});
    at.put_release("borrowed", "hello", "1.x", &json!({"chart": chart})).unwrap();
    let message = at.until_not_ready("borrowed", &["AccessDenied"]).unwrap();
    assert!(message.contains("references across namespaces are forbidden"), "{message}");
    // What the operator does not watch, it does not touch.
    other.put_release("ignored", "hello", "1.x", &json!({})).unwrap();
    at.put_release("asked-later", "hello", "1.x", &json!({"chart": chart})).unwrap();
    at.until_not_ready("asked-later", &["AccessDenied"]).unwrap();
    assert!(other.object(pintle_e2e::HELMRELEASE, "ignored").unwrap()["status"]["conditions"].is_null());
}

#[test]
fn a_release_that_names_no_account_has_the_default_ones_rights() {
    let mut scene = Scene::set("default-account", &[]).unwrap();
    let at = scene.namespace.clone();
    publish(&scene, "plain", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: plain}\n");
    scene.restart_operator_with(&["--default-service-account", "default"]).unwrap();
    at.put_release("plain", "plain", "1.x", &json!({})).unwrap();
    let message = at.until_not_ready("plain", &["AccessDenied"]).unwrap();
    assert!(message.contains("system:serviceaccount:default-account:default"), "{message}");
}

#[test]
fn credentials_do_not_follow_a_redirect() {
    let scene = Scene::set("redirect", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let elsewhere = ChartRepository::start().unwrap();
    elsewhere.add_folder(&root().join("e2e/charts/hello-1.0.0")).unwrap();
    scene.repository.require(Some(("reader", "secret")));
    scene.repository.fault("/hello-1.0.0.tgz", Fault::Redirect(format!("{}/hello-1.0.0.tgz", elsewhere.url())));
    let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "reader", "namespace": at.name()},
        "stringData": {"username": "reader", "password": "secret"}});
    at.kubectl().apply(&secret.to_string()).unwrap();
    at.put_repository(
        "charts",
        &json!({"url": scene.repository.url(), "interval": "10m", "secretRef": {"name": "reader"}}),
    )
    .unwrap();
    at.put_release("hello", "hello", "1.0.0", &json!({"values": {"replicas": 0, "hooks": {"enabled": false}}}))
        .unwrap();
    at.until_ready("hello").unwrap();
    let requests = elsewhere.requests();
    assert!(!requests.is_empty(), "the redirect was not followed");
    for request in requests {
        assert!(!request.headers.contains_key("authorization"), "credentials went elsewhere: {request:?}");
    }
}
