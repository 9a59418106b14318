//! `pintle template` beside `helm template`, with flags that need a server: the same output, the same exit, the same error.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use pintle_e2e::{Scene, pintle, root};
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

fn run(program: &Path, scene: &Scene, args: &[&str]) -> Output {
    let kubeconfig = scene.namespace.kubectl().kubeconfig();
    let mut command = Command::new(program);
    command.arg("template").args(args).env("KUBECONFIG", kubeconfig).env("PINTLE_ERRORS", "helm");
    command.env("HOME", kubeconfig.parent().unwrap()).output().unwrap()
}

#[test]
fn what_servers_say_is_rendered_alike() {
    let scene = Scene::set("template", &["hello-1.0.0", "hello-1.1.0"]).unwrap();
    let (helm, pintle) = (Scene::helm_program().unwrap(), pintle().unwrap());
    scene.namespace.kubectl().run(&["create", "configmap", "seen", "-n", "template", "--from-literal=a=b"]).unwrap();

    let folder = scene.control_plane.folder().join("look");
    fs::create_dir_all(folder.join("templates")).unwrap();
    fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: look\nversion: 0.1.0\n").unwrap();
    let template = r#"apiVersion: v1
kind: ConfigMap
metadata:
  name: look
data:
  seen: {{ (lookup "v1" "ConfigMap" "template" "seen").data | toYaml | quote }}
  absent: {{ lookup "v1" "ConfigMap" "template" "absent" | toYaml | quote }}
  version: {{ .Capabilities.KubeVersion.Version }}
  has: {{ .Capabilities.APIVersions.Has "apps/v1/Deployment" }} {{ .Capabilities.APIVersions.Has "apps/v7" }}
  count: {{ len .Capabilities.APIVersions | quote }}
  values: {{ .Values | toYaml | sha256sum | quote }}
"#;
    fs::write(folder.join("templates/x.yaml"), template).unwrap();
    let look = folder.display().to_string();
    let hello = root().join("e2e/charts/hello-1.1.0").display().to_string();
    let url = scene.repository.url();
    // Any YAML map will do as values.
    let index = format!("{}/index.yaml", url.trim_end_matches('/'));
    let tuned = "replicas=3";

    // Schemas that refer to an address: of what is no JSON, and of nothing.
    let refers = |name: &str, to: &str| {
        let folder = scene.control_plane.folder().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("Chart.yaml"), "apiVersion: v2\nname: refers\nversion: 0.1.0\n").unwrap();
        fs::write(folder.join("values.schema.json"), format!("{{\"$ref\": \"{to}\"}}")).unwrap();
        folder.display().to_string()
    };
    let (refers, refers_to_nothing) = (refers("refers", &index), refers("refers-to-nothing", &format!("{index}.none")));

    for args in [
        &["r", look.as_str()] as &[&str],
        &["r", &refers],
        &["r", &refers_to_nothing],
        &["r", &refers, "--dry-run=server"],
        &["r", &refers, "--skip-schema-validation"],
        &["r", &look, "--dry-run=server"],
        &["r", &look, "--dry-run=server", "--namespace", "kube-system"],
        &["r", &look, "--dry-run=client"],
        &["r", &look, "--dry-run=perhaps"],
        &["r", &look, "--kube-version", "1.30", "-a", "apps/v7"],
        &["r", &look, "-f", &index],
        &["r", &look, "-f", &format!("{index}.none")],
        &["r", &look, "--set-file", &format!("x={index}")],
        &["r", "hello", "--repo", &url, "--set", tuned],
        &["r", "hello", "--repo", &url, "--version", "~1.0.0"],
        &["r", "hello", "--repo", &url, "--version", "7"],
        &["r", "nobody", "--repo", &url],
        &["r", &hello, "--post-renderer", "no-such-plugin"],
        &["--name-template", "a-{{ \"B\" | lower }}", &hello],
        &["R", &hello],
    ] {
        let (theirs, ours) = (run(&helm, &scene, args), run(&pintle, &scene, args));
        // Helm prints the reason that the server gives, which is not looked at here, and logs some errors besides.
        let text = |bytes: &[u8]| -> String {
            let text = String::from_utf8_lossy(bytes).replace(" 404 -", " 404 Not Found");
            text.split_inclusive('\n').filter(|line| !line.starts_with("level=")).collect()
        };
        assert_eq!(text(&ours.stdout), text(&theirs.stdout), "{args:?}: {}", text(&ours.stderr));
        assert_eq!(text(&ours.stderr), text(&theirs.stderr), "{args:?}");
        assert_eq!(ours.status.code(), theirs.status.code(), "{args:?}");
    }
}
