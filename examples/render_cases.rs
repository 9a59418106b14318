//! Renders one-template cases, JSON objects a line from stdin, and answers each with a line: the text of
//! `templates/t.txt` or the error. For comparing with Helm's own engine.
#![allow(clippy::print_stdout)]

use base64::{Engine, engine::general_purpose::STANDARD};
use pintle::{
    chart::{File, Frozen, dependencies::Instance, load, values},
    render::{
        Capabilities, CompiledChart, Machine, Options, Release, RenderRequest, capabilities::KubeVersion, render_tree,
    },
};
use pintle_value::Value;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    io::{BufRead, Write},
    sync::Arc,
};

type Texts = BTreeMap<String, String>;

#[derive(Deserialize)]
struct Case {
    id: String,
    template: String,
    #[serde(default)]
    values: Option<serde_json::Value>,
    #[serde(default)]
    values_yaml: Option<String>,
    #[serde(default)]
    files: Texts,
    #[serde(default)]
    files_base64: Texts,
    #[serde(default)]
    partials: Texts,
    #[serde(default)]
    chart: serde_json::Map<String, serde_json::Value>,
    #[serde(default)]
    subcharts: BTreeMap<String, Subchart>,
    #[serde(default)]
    kube_version: Option<String>,
    #[serde(default)]
    api_versions: Vec<String>,
    #[serde(default)]
    strict: bool,
    #[serde(default)]
    lint: bool,
}

#[derive(Deserialize, Default)]
struct Subchart {
    #[serde(default)]
    values: Option<serde_json::Value>,
    #[serde(default)]
    partials: Texts,
    #[serde(default)]
    files: Texts,
}

const API_VERSIONS: &str = "v1 admissionregistration.k8s.io/v1 admissionregistration.k8s.io/v1alpha1 \
    admissionregistration.k8s.io/v1beta1 internal.apiserver.k8s.io/v1alpha1 apps/v1 apps/v1beta1 apps/v1beta2 \
    authentication.k8s.io/v1 authentication.k8s.io/v1alpha1 authentication.k8s.io/v1beta1 authorization.k8s.io/v1 \
    authorization.k8s.io/v1beta1 autoscaling/v1 autoscaling/v2 batch/v1 batch/v1beta1 certificates.k8s.io/v1 \
    certificates.k8s.io/v1beta1 certificates.k8s.io/v1alpha1 coordination.k8s.io/v1alpha2 coordination.k8s.io/v1beta1 \
    coordination.k8s.io/v1 discovery.k8s.io/v1 discovery.k8s.io/v1beta1 events.k8s.io/v1 events.k8s.io/v1beta1 \
    extensions/v1beta1 flowcontrol.apiserver.k8s.io/v1 flowcontrol.apiserver.k8s.io/v1beta1 \
    flowcontrol.apiserver.k8s.io/v1beta2 flowcontrol.apiserver.k8s.io/v1beta3 networking.k8s.io/v1 \
    networking.k8s.io/v1beta1 node.k8s.io/v1 node.k8s.io/v1alpha1 node.k8s.io/v1beta1 policy/v1 policy/v1beta1 \
    rbac.authorization.k8s.io/v1 rbac.authorization.k8s.io/v1beta1 rbac.authorization.k8s.io/v1alpha1 \
    resource.k8s.io/v1 resource.k8s.io/v1beta2 resource.k8s.io/v1beta1 resource.k8s.io/v1alpha3 \
    scheduling.k8s.io/v1alpha2 scheduling.k8s.io/v1beta1 scheduling.k8s.io/v1 storage.k8s.io/v1beta1 \
    storage.k8s.io/v1 storage.k8s.io/v1alpha1 storagemigration.k8s.io/v1beta1 apiextensions.k8s.io/v1beta1 \
    apiextensions.k8s.io/v1";

fn file(name: impl Into<String>, data: impl Into<Vec<u8>>) -> File {
    File { name: Arc::from(name.into()), data: Arc::from(data.into()) }
}

impl Case {
    /// The files of the chart and of its subcharts.
    fn files(&self) -> Result<Vec<File>, String> {
        let mut metadata = serde_json::json!({
            "apiVersion": "v2", "name": "c", "version": "1.2.3", "appVersion": "4.5.6",
        });
        if !self.subcharts.is_empty() {
            metadata["dependencies"] = self.subcharts.keys().map(|name| serde_json::json!({ "name": name })).collect();
        }
        for (key, value) in &self.chart {
            metadata[key] = value.clone();
        }
        let mut files = vec![file("Chart.yaml", metadata.to_string()), file("templates/t.txt", self.template.as_str())];
        for (name, text) in self.partials.iter().chain(&self.files) {
            files.push(file(name, text.as_str()));
        }
        for (name, encoded) in &self.files_base64 {
            files.push(file(name, STANDARD.decode(encoded).map_err(|e| format!("file {name}: {e}"))?));
        }
        for (name, subchart) in &self.subcharts {
            let at = |path: &str| format!("charts/{name}/{path}");
            let mut below = metadata.clone();
            below["name"] = name.as_str().into();
            if let Some(metadata) = below.as_object_mut() {
                metadata.remove("dependencies");
            }
            files.push(file(at("Chart.yaml"), below.to_string()));
            if let Some(values) = &subchart.values {
                files.push(file(at("values.yaml"), values.to_string()));
            }
            for (path, text) in subchart.partials.iter().chain(&subchart.files) {
                files.push(file(at(path), text.as_str()));
            }
        }
        Ok(files)
    }

    fn request(&self) -> Result<RenderRequest, String> {
        let chart = load::files(self.files()?, &load::Limits::default()).map_err(|e| e.to_string())?;
        let values = match (&self.values_yaml, &self.values) {
            (Some(text), _) => Frozen::of(&Value::Map(values::from_yaml(text.as_bytes()).map_err(|e| e.to_string())?))
                .map_err(|e| e.to_string())?,
            (None, Some(values)) => Frozen::try_from(values).map_err(|e| e.to_string())?,
            (None, None) => Frozen::table(),
        };
        let mut capabilities = Capabilities {
            kube_version: KubeVersion::parse(self.kube_version.as_deref().unwrap_or("v1.36.3"))?,
            api_versions: API_VERSIONS.split_whitespace().map(str::to_owned).collect(),
            ..Capabilities::default()
        };
        capabilities.api_versions.extend(self.api_versions.iter().cloned());
        capabilities.helm_version.version = "v4.3.1".to_owned();
        capabilities.helm_version.go_version = "go1.26".to_owned();
        capabilities.helm_version.kube_client_version = "v1.36".to_owned();
        Ok(RenderRequest {
            chart: Arc::new(CompiledChart::new(Arc::new(chart))),
            values,
            release: Release { name: "rel".into(), namespace: "ns".into(), revision: 1, is_upgrade: false },
            capabilities: Arc::new(capabilities),
            options: Options { strict: self.strict, lint: self.lint, ..Options::default() },
            host: Arc::new(Machine),
        })
    }

    fn answer(&self) -> Result<String, String> {
        let request = self.request()?;
        let user = request.values.thaw_table();
        // Which charts take part is not asked in these cases: all do.
        let root = Instance::of(request.chart.chart());
        let (files, _) = render_tree(&request, &root, &user, Vec::new()).map_err(|e| e.to_string())?;
        let text = files.into_iter().find(|(name, _)| name == "c/templates/t.txt").map(|(_, text)| text);
        Ok(text.unwrap_or_default())
    }
}

fn answer_all() -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        if line.trim().is_empty() {
            continue;
        }
        let answer = match serde_json::from_str::<Case>(&line) {
            Ok(case) => match case.answer() {
                Ok(output) => serde_json::json!({ "id": case.id, "output": output }),
                Err(error) => serde_json::json!({ "id": case.id, "error": error }),
            },
            Err(error) => serde_json::json!({ "id": "", "error": error.to_string() }),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn main() -> std::io::Result<()> {
    // Templates that include each other nest on the native stack.
    let thread = std::thread::Builder::new().stack_size(512 << 20).spawn(answer_all)?;
    thread.join().unwrap_or_else(|_| Err(std::io::Error::other("the render panicked")))
}
