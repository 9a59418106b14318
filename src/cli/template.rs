//! `pintle template`: prints byte for byte what `helm template` prints.

use super::{
    chart::ChartFlags,
    failure::{Colour, Failure},
    kube::KubeFlags,
    limits::LimitFlags,
    name,
    post_renderer::PostRenderer,
    print,
    values::{ValueFlags, go_words, schema_at},
};
use crate::{
    chart::Chart,
    render::{
        self, Capabilities, CompiledChart, HookEvent, Host, Options, Release, RenderError, RenderRequest, Rendered,
        capabilities::KubeVersion, manifest,
    },
};
use clap::Args;
use std::{
    collections::HashSet,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What helm says after a failed render.
const HINT: &str = "\n\nUse --debug flag to render out invalid YAML";

/// Why there is nothing to print.
enum Stop {
    Render(RenderError),
    PostRender(String),
}

/// Stack of the thread that renders, in bytes: a thousand templates may include each other.
const STACK: usize = 64 << 20;

/// Renders a chart.
#[derive(Debug, Args)]
pub(super) struct Template {
    /// [NAME] CHART
    #[arg(required = true, value_name = "[NAME] CHART")]
    arguments: Vec<String>,
    #[command(flatten)]
    values: ValueFlags,
    #[command(flatten)]
    source: ChartFlags,
    /// Only show manifests rendered from the given templates
    #[arg(short = 's', long)]
    show_only: Vec<String>,
    /// Write the rendered templates to files in this directory instead of stdout
    #[arg(long)]
    output_dir: Option<PathBuf>,
    /// Use the release's name in the path below --output-dir
    #[arg(long)]
    release_name: bool,
    /// Include CRDs in the output
    #[arg(long)]
    include_crds: bool,
    /// Accepted for helm's sake: CRDs are only printed with --include-crds
    #[arg(long)]
    skip_crds: bool,
    /// Skip tests
    #[arg(long)]
    skip_tests: bool,
    /// Print no hooks
    #[arg(long)]
    no_hooks: bool,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long)]
    is_upgrade: bool,
    /// Kubernetes version for Capabilities.KubeVersion
    #[arg(long)]
    kube_version: Option<String>,
    /// Kubernetes api versions added to Capabilities.APIVersions
    #[arg(short = 'a', long, value_delimiter = ',')]
    api_versions: Vec<String>,
    /// Namespace of the release
    #[arg(short = 'n', long, env = "HELM_NAMESPACE")]
    namespace: Option<String>,
    #[command(flatten)]
    kube: KubeFlags,
    /// Template of the release's name
    #[arg(long)]
    name_template: Option<String>,
    /// Generate the name (and omit the NAME parameter)
    #[arg(short = 'g', long)]
    generate_name: bool,
    /// Do not check values against the chart's schema
    #[arg(long)]
    skip_schema_validation: bool,
    /// Render the notes of subcharts too (they are not printed)
    #[arg(long)]
    render_subchart_notes: bool,
    /// Look names up in DNS when rendering
    #[arg(long)]
    enable_dns: bool,
    /// Print rendered text that is no YAML
    #[arg(long)]
    debug: bool,
    /// Update dependencies if they are missing before rendering the chart (in memory: its folder is not written to)
    #[arg(long)]
    dependency_update: bool,
    /// Send the rendered documents through a plugin of type postrenderer/v1, or through a program
    #[arg(long)]
    post_renderer: Option<String>,
    /// An argument to the post-renderer (can specify multiple)
    #[arg(long, value_delimiter = ',', allow_hyphen_values = true)]
    post_renderer_args: Vec<String>,
    /// "client" renders without a cluster, "server" asks the cluster for .Capabilities and for what templates look up
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "unset", value_name = "client|server")]
    dry_run: Option<String>,
    /// Deprecated: use --dry-run=server
    #[arg(long, hide = true)]
    validate: bool,
    /// Use colored output
    #[arg(long, alias = "colour", default_value = "auto")]
    color: Colour,
    #[command(flatten)]
    limits: LimitFlags,
    #[command(flatten)]
    ignored: Ignored,
}

/// Flags of `helm template` that change nothing without a cluster.
#[derive(Debug, Args)]
#[command(next_help_heading = "Accepted and without effect")]
struct Ignored {
    #[arg(long, hide = true)]
    burst_limit: Option<String>,
    #[arg(long, hide = true)]
    content_cache: Option<PathBuf>,
    #[arg(long, hide = true)]
    create_namespace: bool,
    #[arg(long, hide = true)]
    description: Option<String>,
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
    #[arg(long, hide = true)]
    force_conflicts: bool,
    #[arg(long, hide = true, alias = "force")]
    force_replace: bool,
    #[arg(long, hide = true)]
    hide_notes: bool,
    #[arg(long, hide = true)]
    keyring: Option<PathBuf>,
    #[arg(short = 'l', long, hide = true)]
    labels: Vec<String>,
    #[arg(long, hide = true)]
    qps: Option<String>,
    #[arg(long, hide = true)]
    replace: bool,
    #[arg(long, hide = true)]
    repository_cache: Option<PathBuf>,
    #[arg(long, hide = true, alias = "atomic")]
    rollback_on_failure: bool,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    server_side: Option<String>,
    #[arg(long, hide = true)]
    take_ownership: bool,
    #[arg(long, hide = true)]
    timeout: Option<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "watcher")]
    wait: Option<String>,
    #[arg(long, hide = true)]
    wait_for_jobs: bool,
}

impl Template {
    /// Renders and prints.
    ///
    /// # Errors
    /// Helm's text.
    pub(super) fn run(&self) -> Result<(), Failure> {
        self.render().map_err(|failure| Failure { colour: self.color, ..failure })
    }

    fn render(&self) -> Result<(), Failure> {
        let server = self.asks_server()?;
        let post = self.post_renderer.as_ref().map(|name| PostRenderer::find(name, &self.post_renderer_args));
        let post = post.transpose()?;
        let mut capabilities = Capabilities::default();
        if let Some(version) = self.kube_version.as_deref().filter(|v| !v.is_empty()) {
            capabilities.kube_version =
                KubeVersion::parse(version).map_err(|why| format!("invalid kube version '{version}': {why}"))?;
        }
        capabilities.api_versions.extend(self.api_versions.iter().cloned());
        let (name, chart) = self.name_and_chart()?;
        let values = self.values.merge()?;
        let chart = self.load(chart)?;
        name::check(&name)?;
        // The runtime lives as long as templates may ask the cluster.
        let runtime = server.then(KubeFlags::runtime).transpose()?;
        let host: Arc<dyn Host> = match &runtime {
            Some(runtime) => {
                let (found, eyes) = self.kube.connect(runtime, self.enable_dns)?;
                capabilities = found;
                Arc::new(eyes)
            }
            None => Arc::new(Local { dns: self.enable_dns }),
        };
        let request = RenderRequest {
            chart: Arc::new(CompiledChart::new(Arc::new(chart))),
            values,
            release: Release {
                name: name.clone(),
                namespace: self.namespace(),
                revision: 1,
                is_upgrade: self.is_upgrade,
            },
            capabilities: Arc::new(capabilities),
            options: Options {
                skip_schema_validation: self.skip_schema_validation,
                subchart_notes: self.render_subchart_notes,
                limits: self.limits.limits(),
                ..Options::default()
            },
            host,
        };
        let rendered = std::thread::Builder::new()
            .stack_size(STACK)
            .spawn(move || {
                let arranged = render::render_files(&request).map_err(Stop::Render).and_then(|(files, rendered)| {
                    let files = match post {
                        Some(post) => post.run(files).map_err(Stop::PostRender)?,
                        None => files,
                    };
                    render::arrange(files, rendered, &request.options).map_err(Stop::Render)
                });
                // The program ends soon. The system takes the memory back at once, piece by piece it takes milliseconds.
                std::mem::forget(request);
                arranged
            })
            .map_err(|e| e.to_string())?
            .join()
            .map_err(|_| "the render broke down".to_owned())?;
        match rendered {
            Ok(rendered) => {
                rendered.warnings.iter().for_each(|text| eprintln!("level=WARN msg={text:?}"));
                self.show(&name, &rendered)
            }
            Err(Stop::PostRender(text)) if self.debug => {
                print(b"\n")?;
                Err(text.into())
            }
            Err(Stop::PostRender(text)) => Err(format!("{text}{HINT}").into()),
            Err(Stop::Render(error)) => {
                let diagnosis = error.diagnosis().map(Box::new);
                Err(Failure { diagnosis, ..Failure::from(self.explain(&error)?) })
            }
        }
    }

    /// Whether a cluster is asked.
    fn asks_server(&self) -> Result<bool, String> {
        if self.validate {
            eprintln!("Flag --validate has been deprecated, use '--dry-run=server' instead");
        }
        match self.dry_run.as_deref() {
            None => Ok(self.validate),
            Some("server") => Ok(true),
            Some("unset") => {
                eprintln!("level=WARN msg=\"--dry-run is deprecated and should be replaced with '--dry-run=client'\"");
                Ok(self.validate)
            }
            Some("client" | "none" | "true" | "false") => Ok(false),
            Some(other) => {
                Err(format!("invalid dry-run value ({other:?}). Must be \"none\", \"server\", or \"client\""))
            }
        }
    }

    fn name_and_chart(&self) -> Result<(String, &str), String> {
        let template = self.name_template.as_deref().filter(|text| !text.is_empty());
        match &self.arguments[..] {
            [name, _] if self.generate_name => {
                let _ = name;
                Err("cannot set --generate-name and also specify a name".into())
            }
            [_, _] if template.is_some() => Err("cannot set --name-template and also specify a name".into()),
            [name, chart] => Ok((name.clone(), chart)),
            [chart] => match template {
                Some(text) => Ok((name::from_template(text)?, chart)),
                None => Ok(("release-name".into(), chart)),
            },
            arguments => Err(format!(
                "expected at most two arguments, unexpected arguments: {}",
                arguments.get(2..).unwrap_or_default().join(", ")
            )),
        }
    }

    /// The namespace that is asked for, or that of the kubeconfig's context.
    fn namespace(&self) -> String {
        if let Some(namespace) = self.namespace.clone().filter(|n| !n.is_empty()) {
            return namespace;
        }
        self.kube.namespace().unwrap_or_else(|| "default".into())
    }

    fn load(&self, reference: &str) -> Result<Chart, Failure> {
        let mut chart = self.source.load(reference)?;
        if self.dependency_update {
            self.source.complete(&mut chart, reference)?;
        }
        match chart.metadata.kind.as_str() {
            "" | "application" => {}
            kind => return Err(format!("{kind} charts are not installable").into()),
        }
        if chart.metadata.deprecated {
            eprintln!("level=WARN msg=\"this chart is deprecated\"");
        }
        let missing: Vec<&str> = chart
            .metadata
            .dependencies
            .iter()
            .map(|d| d.name.as_str())
            .filter(|name| !chart.dependencies.iter().any(|child| child.name() == *name))
            .collect();
        if !missing.is_empty() {
            return Err(format!(
                "an error occurred while checking for chart dependencies. You may need to run 'helm dependency build' \
                 to fetch missing dependencies: found in Chart.yaml, but missing in charts/ directory: {}",
                missing.join(", ")
            )
            .into());
        }
        Ok(chart)
    }

    fn explain(&self, error: &RenderError) -> Result<String, Failure> {
        match error {
            RenderError::Yaml { files, .. } if self.debug => {
                let mut text = String::new();
                for (path, content) in files.iter().filter(|(_, content)| !content.trim().is_empty()) {
                    manifest::append(&mut text, path, content);
                }
                print(text.as_bytes())?;
                Ok(error.to_string())
            }
            RenderError::Yaml { .. } | RenderError::Template { .. } | RenderError::KubeVersion { .. }
                if !self.debug =>
            {
                Ok(format!("{error}{HINT}"))
            }
            // What was rendered is nothing, on a line of its own.
            RenderError::Template { .. } | RenderError::KubeVersion { .. } => {
                print(b"\n")?;
                Ok(error.to_string())
            }
            _ => Ok(error.to_string()),
        }
    }

    fn show(&self, name: &str, rendered: &Rendered) -> Result<(), Failure> {
        let hooks: Vec<_> = rendered
            .hooks
            .iter()
            .filter(|hook| !(self.no_hooks || self.skip_tests && hook.events.contains(&HookEvent::Test)))
            .collect();
        let mut text = String::new();
        if let Some(folder) = &self.output_dir {
            let folder = if self.release_name { folder.join(name) } else { folder.clone() };
            let mut files = Files { folder, written: HashSet::new() };
            if self.include_crds {
                for crd in &rendered.crds {
                    files.write(&crd.path, &String::from_utf8_lossy(&crd.file.data))?;
                }
            }
            for object in &rendered.objects {
                files.write(&object.path, &rendered.manifest[object.text.clone()])?;
            }
            text.push('\n');
            for hook in hooks {
                files.write(&hook.path, &hook.manifest)?;
            }
        } else {
            let mut manifest = String::new();
            if self.include_crds {
                for crd in &rendered.crds {
                    manifest::append(&mut manifest, &crd.path, &String::from_utf8_lossy(&crd.file.data));
                }
            }
            manifest.push_str(&rendered.manifest);
            text.push_str(manifest.trim());
            text.push('\n');
            for hook in hooks {
                manifest::append(&mut text, &hook.path, &hook.manifest);
            }
        }
        if self.show_only.is_empty() { print(text.as_bytes()) } else { print(self.only(&text)?.as_bytes()) }
    }

    /// The documents that come from the templates that are asked for.
    fn only(&self, text: &str) -> Result<String, String> {
        let mut found = String::new();
        for wanted in &self.show_only {
            let before = found.len();
            for doc in manifest::split(text) {
                let path = doc
                    .lines()
                    .find_map(|line| line.split_once("# Source: ")?.1.split_once('/').map(|(_, path)| path))
                    .unwrap_or_default();
                let hit = pintle_golib::filepath::matches(wanted.as_bytes(), path.as_bytes())
                    .map_err(|_| "syntax error in pattern".to_owned())?;
                if hit && !path.is_empty() {
                    found.push_str("---\n");
                    found.push_str(doc);
                    found.push('\n');
                }
            }
            if found.len() == before {
                return Err(format!("could not find template {wanted} in chart"));
            }
        }
        Ok(found)
    }
}

/// The world of a render without a cluster.
struct Local {
    dns: bool,
}

impl Host for Local {
    fn schema(&self, address: &str) -> Result<Vec<u8>, String> {
        schema_at(address)
    }

    fn resolve_host(&self, name: &str) -> String {
        if self.dns { name::address_of(name) } else { String::new() }
    }
}

/// Writes documents below a folder; those of one template go into one file.
struct Files {
    folder: PathBuf,
    written: HashSet<PathBuf>,
}

impl Files {
    fn write(&mut self, path: &str, doc: &str) -> Result<(), Failure> {
        let target = self.folder.join(path);
        let fail = |error: std::io::Error| format!("open {}: {}", target.display(), go_words(&error));
        if Path::new(path).components().any(|c| !matches!(c, std::path::Component::Normal(_))) {
            return Err(format!("{path} leads out of the output directory").into());
        }
        if let Some(parent) = target.parent() {
            fs::create_dir_all(parent).map_err(fail)?;
        }
        let again = !self.written.insert(target.clone());
        let mut file = fs::OpenOptions::new()
            .create(true)
            .write(true)
            .append(again)
            .truncate(!again)
            .open(&target)
            .map_err(fail)?;
        let mut text = String::new();
        manifest::append(&mut text, path, doc);
        file.write_all(text.as_bytes()).map_err(fail)?;
        print(format!("wrote {}\n", target.display()).as_bytes())
    }
}
