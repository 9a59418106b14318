//! Charts: what an archive or a folder holds, and how their values come together. Knows nothing of templates,
//! clusters or networks.

mod document;
mod frozen;
mod ignore;
mod metadata;

pub mod dependencies;
pub mod load;
pub mod record;
pub mod schema;
pub mod strvals;
pub mod values;

pub use frozen::{Frozen, MAX_DEPTH, TooDeep};
pub use metadata::{Dependency, Lock, Maintainer, Metadata};

use std::sync::Arc;

/// A chart as loaded: immutable, shared by all who render it.
#[derive(Debug, Clone, Default)]
pub struct Chart {
    /// Chart.yaml, with requirements.yaml merged in.
    pub metadata: Metadata,
    /// Chart.lock.
    pub lock: Option<Lock>,
    /// Everything under `templates/`, in the order of the source.
    pub templates: Vec<File>,
    /// The default values, a table.
    pub values: Frozen,
    /// values.yaml as written.
    pub raw_values: Option<Arc<[u8]>>,
    /// values.schema.json.
    pub schema: Option<Arc<[u8]>>,
    /// Every other file, `crds/` included, in the order of the source.
    pub files: Vec<File>,
    /// The charts under `charts/`, sorted by the name of their folder or archive.
    pub dependencies: Vec<Arc<Chart>>,
    /// SHA-256 of the archive, or of the names and contents of a folder's files.
    pub digest: [u8; 32],
}

/// Why a chart's values cannot be put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The parent's values have something else where the subchart's table should be.
    #[error("type mismatch on {chart}: {value}")]
    SubchartValues {
        /// The subchart.
        chart: String,
        /// What is there, in Go's odd words.
        value: String,
    },
    /// Aliases make too many charts of few.
    #[error(
        "too many charts take part: aliases multiply them beyond 1000 charts, 32 MiB of values or 256 MiB of files"
    )]
    TooManyCharts,
    /// The path of an imported value has too many steps.
    #[error("dependency {chart}: a path in import-values is too long")]
    ImportPath {
        /// The dependency.
        chart: String,
    },
}

/// A file of a chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The path inside the chart, with `/`.
    pub name: Arc<str>,
    /// The content.
    pub data: Arc<[u8]>,
}

impl Chart {
    /// The chart's name.
    pub fn name(&self) -> &str {
        &self.metadata.name
    }

    /// The content of a file outside `templates/`, by path.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        self.files.iter().find(|f| &*f.name == name).map(|f| &*f.data)
    }
}

/// A file of custom resource definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Crd {
    /// The path from the root chart's name on: `chart/charts/sub/crds/x.yaml`.
    pub path: String,
    /// The file, under its path inside its own chart.
    pub file: File,
}

/// Whether a path inside a chart is one of a file of CRDs.
pub(crate) fn is_crd(path: &str) -> bool {
    path.starts_with("crds/")
        && path
            .rsplit_once('.')
            .is_some_and(|(_, ext)| ["yaml", "yml", "json"].iter().any(|known| ext.eq_ignore_ascii_case(known)))
}
