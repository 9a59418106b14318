//! Why a text could not be read.

use std::fmt;

/// A YAML text that cannot be read, told in go-yaml's words.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Error {
    stage: Stage,
    /// go-yaml's text: `yaml: line 2: did not find expected key`; or encoding/json's.
    pub message: String,
    /// The line, from 1. go-yaml's message may name another one, or none: it counts in its own way.
    pub line: u32,
    /// The column, in characters from 1.
    pub column: u32,
}

/// Which of the steps of `sigs.k8s.io/yaml` failed: each puts its own words before the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Yaml,
    Json,
}

impl Error {
    /// An error of the YAML text at a place (line and column from 0).
    pub(crate) fn yaml(message: impl Into<String>, line: u32, column: u32) -> Self {
        Self {
            stage: Stage::Yaml,
            message: message.into(),
            line: line.saturating_add(1),
            column: column.saturating_add(1),
        }
    }

    /// The line and the column, from 1, the column in characters; none where the text as a whole is not what is wanted.
    pub fn place(&self) -> Option<(u32, u32)> {
        match self.stage {
            Stage::Yaml => Some((self.line, self.column)),
            Stage::Json => None,
        }
    }

    /// The text is good, but not what the reader wants.
    pub(crate) fn json(message: impl Into<String>) -> Self {
        Self { stage: Stage::Json, message: message.into(), line: 1, column: 1 }
    }
}

impl fmt::Display for Error {
    /// The whole text as `sigs.k8s.io/yaml` gives it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.stage {
            Stage::Yaml => "error converting YAML to JSON: ",
            Stage::Json => "error unmarshaling JSON: while decoding JSON: ",
        })?;
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {}
