//! Helm's layer over a template engine: what templates see, in which order they run, and what becomes of their text.

pub mod capabilities;
pub mod convert;
mod files;
pub mod functions;
pub mod host;
pub mod manifest;
mod scope;
pub mod sort;

pub use capabilities::Capabilities;
pub use manifest::{Hook, HookEvent, ManifestDoc, YamlError};

use crate::chart::{self, Crd, Frozen, Metadata};

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

/// What a render makes.
#[derive(Debug, Clone, Default)]
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

/// Why a render failed. Prints what Helm prints.
#[derive(Debug, thiserror::Error)]
pub enum RenderError {
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
