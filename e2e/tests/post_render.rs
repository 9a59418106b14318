//! What a HelmRelease changes in rendered objects reaches the cluster and the record, and what it says in CEL decides when it is
//! ready and when others may begin.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{HELMRELEASE, Scene};
use serde_json::{Value, json};

const IMAGE: &str = "ghcr.io/pintle-dev/hello";

#[test]
fn patches_images_and_labels_are_applied_and_recorded() {
    let scene = Scene::set("patched", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let spec = |tag: &str| {
        json!({
            "postRenderers": [{"kustomize": {
                "patches": [
                    {"patch": "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web-hello}\nspec: {template: {spec: {containers: [{name: hello, env: [{name: A, value: b}]}]}}}"},
                    {"patch": "- {op: add, path: /spec/ports/0/appProtocol, value: http}", "target": {"kind": "Service"}},
                ],
                "images": [{"name": IMAGE, "newTag": tag}],
            }}],
            "commonMetadata": {"labels": {"team": "shop"}, "annotations": {"example.org/owner": "me"}},
        })
    };
    at.put_release("web", "hello", "1.x", &spec("7")).unwrap();
    let release = at.until_ready("web").unwrap();
    let deployment = at.object("deployment", "web-hello").unwrap();
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["image"], format!("{IMAGE}:7"));
    assert_eq!(container["env"], json!([{"name": "A", "value": "b"}]));
    assert_eq!(container["ports"][0]["containerPort"], 8080, "the rest of the container stays");
    assert_eq!(at.object("service", "web-hello").unwrap()["spec"]["ports"][0]["appProtocol"], "http");
    for (kind, name) in [("deployment", "web-hello"), ("configmap", "web-hello"), ("job", "web-hello-prepare")] {
        let metadata = at.object(kind, name).unwrap()["metadata"].clone();
        assert_eq!(
            (&metadata["labels"]["team"], &metadata["annotations"]["example.org/owner"]),
            (&json!("shop"), &json!("me")),
            "{kind}"
        );
    }
    for digest in ["observedPostRenderersDigest", "observedCommonMetadataDigest"] {
        assert!(release["status"][digest].as_str().is_some_and(|text| text.starts_with("sha256:")), "{digest}");
    }
    // The record is of what was applied, so that helm shows it and goes back to it.
    assert!(at.helm(&["get", "manifest", "web"]).unwrap().contains(&format!("{IMAGE}:7")));

    // A change of it is an upgrade; hooks may be left out.
    let mut changed = spec("8");
    changed["postRenderStrategy"] = json!("nohooks");
    at.put_release("web", "hello", "1.x", &changed).unwrap();
    at.until_runs("web", "hello@1.0.0", 2).unwrap();
    let image = |object: &Value| object["spec"]["template"]["spec"]["containers"][0]["image"].clone();
    assert_eq!(image(&at.object("deployment", "web-hello").unwrap()), format!("{IMAGE}:8"));
    assert_ne!(image(&at.object("job", "web-hello-migrate").unwrap()), format!("{IMAGE}:8"));

    // A patch that fits nothing is told with its place, and nothing happens to the release.
    let wrong = json!({"postRenderers": [{"kustomize": {"patches": [{"patch": "apiVersion: v1\nkind: Secret\nmetadata: {name: absent}"}]}}]});
    at.put_release("web", "hello", "1.x", &wrong).unwrap();
    let message = at.until_not_ready("web", &["UpgradeFailed"]).unwrap();
    assert!(message.contains("spec.postRenderers[0].kustomize.patches[0]: there is no v1 Secret absent"), "{message}");
    at.helm_says("web", 2, "deployed", "hello-1.0.0").unwrap();
}

#[test]
fn expressions_decide() {
    let scene = Scene::set("expressions", &["hello-1.0.0"]).unwrap();
    let at = &scene.namespace;
    let annotate = |kind: &str, name: &str, annotation: &str| {
        at.kubectl().run(&["annotate", kind, name, "-n", at.name(), annotation]).unwrap();
    };
    let plain = json!({"enabled": false});
    at.put_release(
        "base",
        "hello",
        "1.x",
        &json!({
            "timeout": "4m",
            "values": {"hooks": plain},
            "healthCheckExprs": [
                {"apiVersion": "v1", "kind": "ConfigMap", "current": "metadata.?annotations.?checked.orValue('') == 'yes'"},
            ],
        }),
    )
    .unwrap();
    at.put_release(
        "web",
        "hello",
        "1.x",
        &json!({
            "values": {"hooks": plain},
            "dependsOn": [{"name": "base", "readyExpr": "dep.metadata.?annotations.?gate.orValue('') == self.metadata.name"}],
        }),
    )
    .unwrap();
    at.until("base", |release| {
        let step = release["status"]["conditions"].to_string();
        step.contains("healthCheckExprs: current is not true").then_some(())
    })
    .unwrap();
    let message = at.until_not_ready("web", &["DependencyNotReady"]).unwrap();
    assert!(message.contains("readyExpr is not true"), "{message}");
    // The condition takes the place of readiness: base is still on its way.
    annotate(HELMRELEASE, "base", "gate=web");
    at.until_ready("web").unwrap();
    assert!(!pintle_e2e::is_ready(&at.object(HELMRELEASE, "base").unwrap()));
    annotate("configmap", "base-hello", "checked=yes");
    at.until_ready("base").unwrap();

    at.put_release(
        "wrong",
        "hello",
        "1.x",
        &json!({"healthCheckExprs": [{"apiVersion": "v1", "kind": "Pod", "current": "a +"}]}),
    )
    .unwrap();
    let message = at.until_not_ready("wrong", &["InvalidCELExpression"]).unwrap();
    assert!(message.contains("spec.healthCheckExprs[0].current"), "{message}");
}
