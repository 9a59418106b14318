//! Helm's layer over a template engine: what templates see, in which order they run, and what becomes of their text.

pub mod capabilities;
pub mod convert;
mod engine;
mod failure;
mod files;
pub mod functions;
mod head;
pub mod host;
pub mod manifest;
pub mod post;
mod scope;
pub mod sort;
mod tera;

pub use capabilities::Capabilities;
pub use engine::CompiledChart;
pub use host::{Host, Machine};
pub use manifest::{Hook, HookEvent, ManifestDoc, YamlError};

use crate::chart::{self, Crd, Frozen, Metadata, dependencies::Instance, schema};
use pintle_golib::semver;
use pintle_template::Diagnosis;
use std::sync::{Arc, atomic::AtomicBool};

/// What `.Release` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// The release's name.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// The revision that is being made, from 1.
    pub revision: i64,
    /// Whether this is an upgrade rather than an install.
    pub is_upgrade: bool,
}

/// How a render goes.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Missing keys are errors.
    pub strict: bool,
    /// `fail` and `required` let everything pass.
    pub lint: bool,
    /// The values are not checked against schemas.
    pub skip_schema_validation: bool,
    /// The notes of subcharts count too.
    pub subchart_notes: bool,
    /// Helm 2's `crd-install` is a hook event; Helm 4 drops such documents.
    pub crd_install_hooks: bool,
    /// What the templates may use up.
    pub limits: pintle_template::Limits,
    /// Set from another thread, it ends the render.
    pub cancel: Option<Arc<AtomicBool>>,
}

/// Everything that a render needs. It may be sent to the thread that renders, which should have a stack of 8 MB or more.
pub struct RenderRequest {
    /// The chart.
    pub chart: Arc<CompiledChart>,
    /// The user's values, a table.
    pub values: Frozen,
    /// What `.Release` says.
    pub release: Release,
    /// What `.Capabilities` says.
    pub capabilities: Arc<Capabilities>,
    /// How.
    pub options: Options,
    /// The world outside.
    pub host: Arc<dyn Host>,
}

/// What a render makes.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct Rendered {
    /// The objects of the release as one YAML stream, as records store it.
    pub manifest: String,
    /// The objects in it, in the order of installation.
    pub objects: Vec<ManifestDoc>,
    /// Hooks, sorted by kind.
    pub hooks: Vec<Hook>,
    /// NOTES.txt.
    pub notes: String,
    /// The files of CRDs of the charts that take part.
    pub crds: Vec<Crd>,
    /// The root chart's metadata after processing: only enabled dependencies, under their aliases.
    pub metadata: Metadata,
    /// The root chart's default values after processing, as records store them.
    pub chart_values: Frozen,
    /// The computed values.
    pub values: Frozen,
    /// What Helm would have warned of.
    pub warnings: Vec<String>,
}

/// Why a render failed. Prints what Helm prints; [`RenderError::diagnosis`] says more.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RenderError {
    /// The charts that take part cannot be found out.
    #[error("chart dependencies processing failed: {0}")]
    Dependencies(#[source] chart::Error),
    /// The values cannot be put together.
    #[error(transparent)]
    Values(#[from] chart::Error),
    /// The values are nested too deeply.
    #[error(transparent)]
    TooDeep(#[from] chart::TooDeep),
    /// The values break the chart's schema.
    #[error("{0}")]
    Schema(String),
    /// The chart does not go with the cluster.
    #[error("chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {found}")]
    KubeVersion {
        /// The chart's constraint.
        wanted: String,
        /// The cluster's version.
        found: String,
    },
    /// A template failed; the text is Helm's.
    #[error("{text}")]
    Template {
        /// What went wrong and where, as Helm says it.
        text: String,
        /// What Helm does not say.
        diagnosis: Box<Diagnosis>,
    },
    /// What came out is no YAML.
    #[error("{source}")]
    Yaml {
        /// Which file and why.
        source: YamlError,
        /// All rendered files, for whoever looks for the mistake.
        files: Vec<(String, String)>,
    },
}

impl RenderError {
    /// What helps a person to find the mistake, if there is more to say than Helm says: the line, who led there, what is
    /// probably amiss.
    pub fn diagnosis(&self) -> Option<Diagnosis> {
        match self {
            Self::Template { diagnosis, .. } if !diagnosis.is_empty() => Some((**diagnosis).clone()),
            Self::Yaml { source, files } => source.diagnosis(files),
            _ => None,
        }
    }
}

/// Renders a chart up to the manifest.
///
/// # Errors
/// See [`RenderError`]; the texts are Helm's.
pub fn render(request: &RenderRequest) -> Result<Rendered, RenderError> {
    let (files, rendered) = render_files(request)?;
    arrange(files, rendered, &request.options)
}

/// Takes the notes out of rendered files and sorts the documents of the others into objects and hooks: the second half
/// of [`render`], for those who look at the files of the first.
///
/// # Errors
/// If a file is no YAML.
pub fn arrange(
    mut files: Vec<(String, String)>,
    mut rendered: Rendered,
    options: &Options,
) -> Result<Rendered, RenderError> {
    let own = format!("{}/templates/NOTES.txt", rendered.metadata.name);
    files.sort();
    let mut notes: Vec<String> = Vec::new();
    files.retain_mut(|(name, text)| {
        let is_notes = name.ends_with("NOTES.txt");
        if is_notes && (options.subchart_notes || *name == own) {
            notes.push(std::mem::take(text));
        }
        !is_notes
    });
    rendered.notes = notes.join("\n");
    match manifest::sort_documents(&mut files, options.crd_install_hooks) {
        Ok(sorted) => {
            rendered.manifest = sorted.manifest;
            rendered.objects = sorted.objects;
            rendered.hooks = sorted.hooks;
            Ok(rendered)
        }
        Err(source) => Err(RenderError::Yaml { source, files }),
    }
}

/// Renders a chart's files, without a look at what they are: names and texts in the order of execution, and all of
/// [`Rendered`] that is known by then.
///
/// # Errors
/// See [`RenderError`].
pub fn render_files(request: &RenderRequest) -> Result<(Vec<(String, String)>, Rendered), RenderError> {
    // A chart may put a map into itself; what is made here ends here.
    let _cycles = pintle_value::CycleGuard::new();
    let user = request.values.thaw_table();
    let mut warnings = Vec::new();
    let root = Instance::process(request.chart.chart(), &user, &mut warnings).map_err(RenderError::Dependencies)?;
    render_tree(request, &root, &user, warnings)
}

/// Renders the files of a tree of charts of which it is known which take part: all do.
///
/// # Errors
/// See [`RenderError`].
pub fn render_tree(
    request: &RenderRequest,
    root: &Instance,
    user: &pintle_value::Map,
    mut warnings: Vec<String>,
) -> Result<(Vec<(String, String)>, Rendered), RenderError> {
    let values = chart::values::coalesce(root, user, &mut warnings)?;
    let mut rendered = Rendered {
        metadata: root.metadata.clone(),
        crds: root.crds(),
        chart_values: Frozen::of(&root.values.clone().into())?,
        values: Frozen::of(&values.clone().into())?,
        warnings,
        ..Rendered::default()
    };
    if !request.options.skip_schema_validation && has_schema(root) {
        schema::validate(root, &rendered.values, &mut |chart| request.chart.schema(chart, &request.host))
            .map_err(RenderError::Schema)?;
    }
    check_kube_version(&root.metadata, &request.capabilities)?;
    let shared =
        scope::Shared { release: scope::release(&request.release), capabilities: request.capabilities.value() };
    let scopes = scope::scopes(root, &values, &shared);
    let files = engine::render(request, &scopes)?;
    rendered.warnings.dedup();
    Ok((files, rendered))
}

fn has_schema(chart: &Instance) -> bool {
    chart.chart.schema.is_some() || chart.dependencies.iter().any(has_schema)
}

fn check_kube_version(metadata: &Metadata, capabilities: &Capabilities) -> Result<(), RenderError> {
    let wanted = &metadata.kube_version;
    if wanted.is_empty() {
        return Ok(());
    }
    let found = capabilities.kube_version.text();
    let fits = match (semver::Constraint::parse(wanted), semver::Version::parse(found)) {
        (Ok(constraint), Ok(version)) => constraint.check(&version),
        _ => false,
    };
    if fits {
        return Ok(());
    }
    Err(RenderError::KubeVersion { wanted: wanted.clone(), found: found.to_owned() })
}

#[cfg(test)]
mod tests;
