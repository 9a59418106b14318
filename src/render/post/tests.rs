#![allow(clippy::unwrap_used)]
use super::*;
use std::collections::BTreeSet;

/// A kustomization as a HelmRelease has it.
fn kustomize(text: &str) -> Kustomize {
    let spec = document::decode(text.as_bytes(), &yaml_limits()).unwrap();
    let text = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |field: &str| spec.get(field).and_then(Value::as_array).cloned().unwrap_or_default();
    let maybe = |value: &Value, field: &str| value.get(field).and_then(Value::as_str).map(str::to_owned);
    let target = |target: &Value| Target {
        group: text(target, "group"),
        version: text(target, "version"),
        kind: text(target, "kind"),
        namespace: text(target, "namespace"),
        name: text(target, "name"),
        label_selector: text(target, "labelSelector"),
        annotation_selector: text(target, "annotationSelector"),
    };
    Kustomize {
        patches: list("patches")
            .iter()
            .map(|patch| Patch { text: text(patch, "patch"), target: patch.get("target").map(target) })
            .collect(),
        images: list("images")
            .iter()
            .map(|image| Image {
                name: text(image, "name"),
                new_name: maybe(image, "newName"),
                new_tag: maybe(image, "newTag"),
                digest: maybe(image, "digest"),
            })
            .collect(),
    }
}

fn rendered(files: &[(&str, &str)]) -> Rendered {
    let mut files: Vec<_> = files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    let sorted = manifest::sort_documents(&mut files, false).unwrap();
    Rendered { manifest: sorted.manifest, objects: sorted.objects, hooks: sorted.hooks, ..Rendered::default() }
}

fn texts(rendered: &Rendered) -> BTreeSet<String> {
    rendered.objects.iter().map(|head| rendered.manifest[head.text.clone()].trim_end().to_owned()).collect()
}

fn post(kustomize: Kustomize) -> PostRender {
    PostRender { kustomize: vec![kustomize], hooks: true, ..PostRender::default() }
}

/// The text after a patch of one document; the error's if it fails.
fn patched(object: &str, patch: &str, target: Option<Target>) -> String {
    let mut rendered = rendered(&[("t.yaml", object)]);
    let patches = vec![Patch { text: patch.to_owned(), target }];
    match post(Kustomize { patches, images: Vec::new() }).apply(&mut rendered, false) {
        Ok(()) => texts(&rendered).into_iter().collect::<Vec<_>>().join("\n---\n"),
        Err(error) => error.to_string(),
    }
}

/// Sections of `=== name`, objects, `--> kustomize`, spec, `--> objects` or `--> error`, Kustomize's answer.
#[test]
fn as_kustomize_does_it() {
    let mut wrong = Vec::new();
    let mut count = 0;
    for case in format!("\n{}", include_str!("cases/kustomize.txt").trim_end()).split("\n=== ").skip(1) {
        count += 1;
        let mut parts = case.splitn(3, "\n--> ");
        let (name, objects) = parts.next().unwrap().split_once('\n').unwrap();
        let spec = parts.next().unwrap().strip_prefix("kustomize").unwrap();
        let answer = parts.next().unwrap();
        let (verdict, answer) = answer.split_once('\n').unwrap_or((answer, ""));
        let mut rendered = rendered(&[("t.yaml", objects)]);
        let before = texts(&rendered);
        let result = post(kustomize(spec)).apply(&mut rendered, false);
        if verdict == "error" {
            if result.is_ok() {
                wrong.push(format!("{name}: no error, but Kustomize says {answer}"));
            }
            continue;
        }
        if let Err(error) = result {
            wrong.push(format!("{name}: {error}"));
            continue;
        }
        // What did not change keeps its bytes; Kustomize writes it anew.
        let normal = |text: &String| match before.contains(text) {
            true => document::encode(&document::decode(text.as_bytes(), &yaml_limits()).unwrap())
                .unwrap()
                .trim_end()
                .to_owned(),
            false => text.clone(),
        };
        let found: BTreeSet<String> = texts(&rendered).iter().map(normal).collect();
        let want: BTreeSet<String> =
            answer.split("\n---\n").filter(|text| !text.is_empty()).map(|text| text.trim_end().to_owned()).collect();
        for text in found.symmetric_difference(&want) {
            let whose = if found.contains(text) { "found" } else { "wanted" };
            wrong.push(format!("{name}: {whose}\n{text}"));
        }
    }
    assert!(wrong.is_empty() && count > 100, "{} of {count}\n{}", wrong.len(), wrong.join("\n"));
}

/// Where Kustomize loses what was asked for, or writes its directives into the object.
#[test]
fn where_kustomize_fails_the_patch_is_applied_or_refused() {
    let deployment = |containers: &str| {
        format!(
            "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      \
             containers:\n{containers}"
        )
    };
    let service =
        |ports: &str| format!("apiVersion: v1\nkind: Service\nmetadata:\n  name: s\nspec:\n  ports:\n{ports}");
    let udp = "  - name: udp\n    port: 53\n    protocol: UDP\n";
    for (object, patch, want) in [
        // A patch without protocol is for the only port of that number, or for that of TCP.
        (service(udp), service("  - {port: 53, nodePort: 5}\n"), service("  - name: udp\n    nodePort: 5\n    port: 53\n    protocol: UDP")),
        (
            service("  - port: 53\n    protocol: UDP\n  - port: 53\n    protocol: TCP\n"),
            service("  - {port: 53, $patch: delete}\n"),
            service("  - port: 53\n    protocol: UDP"),
        ),
        (service("  - port: 80\n"), service("  - {port: 80, protocol: TCP, nodePort: 5}\n"), service("  - nodePort: 5\n    port: 80\n    protocol: TCP")),
        (
            service("  - port: 80\n"),
            service("  - {port: 80, protocol: UDP, name: u}\n"),
            service("  - name: u\n    port: 80\n    protocol: UDP\n  - port: 80"),
        ),
        (
            deployment("      - name: a\n        image: b\n        args: [c]\n"),
            deployment("      - {name: a, $patch: replace, image: d}\n"),
            deployment("      - image: d\n        name: a"),
        ),
        (
            deployment("      - name: a\n        env: [{name: A, value: x}, {name: B, value: x}, {name: A, value: z}]\n"),
            deployment("      - {name: a, env: [{name: A, value: new}]}\n"),
            deployment("      - env:\n        - name: A\n          value: new\n        - name: B\n          value: x\n        name: a"),
        ),
        (
            deployment("      - name: a\n"),
            deployment("      - image: b\n"),
            "spec.postRenderers[0].kustomize.patches[0]: Deployment web: spec.template.spec.containers: an item has no name, by which it is found".into(),
        ),
        (
            deployment("      - name: a\n"),
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {$retainKeys: [a]}\n".into(),
            "spec.postRenderers[0].kustomize.patches[0]: Deployment web: spec: Kustomize has no directive $retainKeys".into(),
        ),
        (
            deployment("      - name: a\n"),
            "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\n$patch: replace\n".into(),
            "spec.postRenderers[0].kustomize.patches[0]: Deployment web: $patch: replace is for parts of an object, not for all of it".into(),
        ),
    ] {
        assert_eq!(patched(&object, &patch, None), want, "{object}\n---\n{patch}");
    }
}

#[test]
fn errors_name_the_place() {
    let object = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web, namespace: shop}\nspec: {replicas: 1}\n";
    let target = Target { kind: "Deployment".into(), name: "w.*".into(), ..Target::default() };
    let place = "spec.postRenderers[0].kustomize.patches[0]";
    let aimed = format!("{place} (target {{kind: Deployment, name: w.*}})");
    let shell = |body: &str| format!("apiVersion: apps/v1\nkind: Deployment\nmetadata: {{name: web}}\n{body}");
    for (patch, target, want) in [
        (
            "- {op: remove, path: /spec/none}",
            Some(target.clone()),
            format!("{aimed}: Deployment web: operation 0 (remove /spec/none): there is no such place"),
        ),
        (
            "- {op: test, path: /spec/replicas, value: 2}",
            Some(target.clone()),
            format!("{aimed}: Deployment web: operation 0 (test /spec/replicas): the value is 1"),
        ),
        (
            "- {op: add, path: spec/x, value: 2}",
            Some(target.clone()),
            format!("{aimed}: operation 0: \"spec/x\" does not begin with a slash"),
        ),
        (
            "- {op: remove, path: /kind}",
            Some(target.clone()),
            format!("{aimed}: Deployment web: the patch leaves nothing in /kind"),
        ),
        (
            "[]\n---\n[]",
            Some(target.clone()),
            format!(
                "{aimed}: the patch is neither an object (strategic merge) nor one list of operations (JSON patch)"
            ),
        ),
        (
            "spec: {replicas: {}}",
            Some(target),
            format!("{aimed}: Deployment web: spec.replicas: the object has a plain value there, the patch a map"),
        ),
        (
            "spec: {}",
            Some(Target { name: "(".into(), ..Target::default() }),
            format!("{place} (target {{name: (}}): name \"(\": error parsing regexp: missing closing ): `^(?:()$`"),
        ),
        (
            &shell(""),
            None,
            format!(
                "{place}: there is no apps/v1 Deployment web; there is one in namespace shop: give metadata.namespace, or a target"
            ),
        ),
        (" \n", None, format!("{place}: the patch is empty")),
        ("spec: {}", None, format!("{place}: a patch without target needs apiVersion, kind and metadata.name")),
    ] {
        assert_eq!(patched(object, patch, target), want, "{patch}");
    }
}

#[test]
fn a_target_needs_no_name_in_the_patch() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";
    assert_eq!(
        patched(object, "data: {b: c}", Some(Target::default())),
        "apiVersion: v1\ndata:\n  b: c\nkind: ConfigMap\nmetadata:\n  name: a"
    );
}

#[test]
fn patches_cannot_fill_the_memory() {
    let object = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: b}\n";
    let mut patch = String::new();
    for n in 0..60 {
        patch.push_str(&format!("- {{op: copy, from: /data, path: /data/c{n}}}\n"));
    }
    assert!(patched(object, &patch, Some(Target::default())).contains("more than 64 MiB in all"));
    // Deeper and deeper.
    let deep = |path: usize| {
        format!("- {{op: add, path: {}, value: {}1{}}}\n", "/x".repeat(path), "{x: ".repeat(400), "}".repeat(400))
    };
    let patch = format!("- {{op: add, path: /x, value: {{}}}}\n{}{}", deep(2), deep(400));
    let target = Some(Target::default());
    assert!(patched(object, &patch, target).ends_with("nested more than 500 levels deep"));
}

const FILES: [(&str, &str); 2] = [
    (
        "c/templates/a.yaml",
        "# kept\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n---\napiVersion: batch/v1\nkind: Job\nmetadata:\n  \
         name: h\n  annotations: {helm.sh/hook: pre-install}\n",
    ),
    ("c/templates/b.yaml", "apiVersion: v1\nkind: Service\nmetadata: {name: s}\n"),
];

#[test]
fn what_nothing_changes_keeps_its_bytes() {
    let mut now = rendered(&FILES);
    let before = now.clone();
    let patch = Patch {
        text: "spec: {type: NodePort}".into(),
        target: Some(Target { kind: "Service".into(), ..Target::default() }),
    };
    post(Kustomize { patches: vec![patch], images: Vec::new() }).apply(&mut now, false).unwrap();
    assert_eq!(
        now.manifest,
        "---\n# Source: c/templates/a.yaml\n# kept\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n\n---\n# Source: \
         c/templates/b.yaml\napiVersion: v1\nkind: Service\nmetadata:\n  name: s\nspec:\n  type: NodePort\n\n"
    );
    assert_eq!(now.hooks, before.hooks);
    assert_eq!(now.objects[1].name, "s");
}

#[test]
fn metadata_is_for_all_and_comes_last() {
    let labels: BTreeMap<_, _> = [("team".to_owned(), "x".to_owned())].into();
    let patch = Patch {
        text: "metadata: {labels: {team: other, own: z}}".into(),
        target: Some(Target { kind: "Service".into(), ..Target::default() }),
    };
    for hooks in [true, false] {
        let mut now = rendered(&FILES);
        let before = now.clone();
        let post = PostRender {
            kustomize: vec![Kustomize { patches: vec![patch.clone()], images: Vec::new() }],
            labels: labels.clone(),
            annotations: [("a".to_owned(), "1".to_owned())].into(),
            hooks,
        };
        post.apply(&mut now, false).unwrap();
        assert_eq!(
            texts(&now).into_iter().collect::<Vec<_>>(),
            [
                "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  annotations:\n    a: \"1\"\n  labels:\n    team: x\n  name: a",
                "apiVersion: v1\nkind: Service\nmetadata:\n  annotations:\n    a: \"1\"\n  labels:\n    own: z\n    team: x\n  name: s",
            ]
        );
        assert_eq!(now.hooks[0].manifest.contains("team: x"), hooks);
        assert_eq!(now.hooks == before.hooks, !hooks);
        assert_eq!(now.hooks[0].events, before.hooks[0].events);
    }
}

#[test]
fn a_patch_may_make_a_hook_of_an_object_and_the_other_way_round() {
    let mut now = rendered(&FILES);
    let patch = |kind: &str, text: &str| Patch {
        text: text.to_owned(),
        target: Some(Target { kind: kind.to_owned(), ..Target::default() }),
    };
    let patches = vec![
        patch("Job", "metadata: {annotations: {helm.sh/hook: null}}"),
        patch("ConfigMap", "metadata: {annotations: {helm.sh/hook: post-install}}"),
    ];
    post(Kustomize { patches, images: Vec::new() }).apply(&mut now, false).unwrap();
    assert_eq!(now.objects.iter().map(|head| head.kind.as_str()).collect::<Vec<_>>(), ["Service", "Job"]);
    assert_eq!(now.hooks.iter().map(|hook| hook.kind.as_str()).collect::<Vec<_>>(), ["ConfigMap"]);
}
