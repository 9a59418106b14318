//! What goes wrong, in Go's words and in parts.

use crate::diagnosis::{Diagnosis, Hint};
use pintle_golib::strconv;
use std::fmt;

/// A source that is no template. Prints Go's text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ParseError {
    /// The name of the file.
    pub name: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong.
    pub message: String,
    diagnosis: Box<Diagnosis>,
}

impl ParseError {
    pub(crate) fn new(name: &str, line: u32, message: String, diagnosis: Diagnosis) -> Box<Self> {
        Box::new(Self { name: name.to_owned(), line, message, diagnosis: Box::new(diagnosis) })
    }

    /// The line with a mark under what is wrong, and what was probably meant.
    pub fn diagnosis(&self) -> &Diagnosis {
        &self.diagnosis
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "template: {}:{}: {}", self.name, self.line, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Where an execution failed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The file that holds the template.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The byte within the line, from 0, as Go counts.
    pub column: u32,
    /// The template that was executed: the file's name, or that of a `define`.
    pub template: String,
    /// The expression, as Go prints it.
    pub expression: String,
}

/// What a run may not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Limit {
    /// Work done.
    Steps,
    /// Text made, output and intermediate.
    Bytes,
    /// Nesting of templates.
    Depth,
    /// The run was cancelled.
    Cancelled,
}

/// What lies behind an error.
#[derive(Debug)]
#[non_exhaustive]
pub enum Cause {
    /// Nothing: the message says all.
    None,
    /// The error that a function returned.
    Function(String),
    /// The error of a template that a function executed.
    Template(Box<Error>),
    /// A limit was reached.
    Limit(Limit),
    /// There is no template of the name.
    NoTemplate,
}

/// Why a template failed. Prints Go's text.
#[derive(Debug)]
#[non_exhaustive]
pub struct Error {
    /// Where, if the failure has a place.
    pub place: Option<Place>,
    /// What happened: `nil pointer evaluating interface {}.y`, `error calling include`.
    pub message: String,
    /// Why.
    pub cause: Cause,
    /// The way from the execution's start to this place, and what is amiss there.
    pub(crate) diagnosis: Diagnosis,
}

impl Error {
    pub(crate) fn new(message: impl Into<String>, cause: Cause) -> Box<Self> {
        Box::new(Self { place: None, message: message.into(), cause, diagnosis: Diagnosis::default() })
    }

    pub(crate) fn hinted(message: impl Into<String>, cause: Cause, hint: Hint) -> Box<Self> {
        let mut error = Self::new(message, cause);
        error.diagnosis.hints.push(hint);
        error
    }

    /// Who led to the failure, the line with a mark under what failed, and what is probably amiss.
    pub fn diagnosis(&self) -> Diagnosis {
        let mut whole = self.diagnosis.clone();
        let mut error = self;
        while let Some(inner) = error.inner() {
            whole.append(inner.diagnosis.clone());
            error = inner;
        }
        whole
    }

    /// The error of the template that a failed function executed.
    pub fn inner(&self) -> Option<&Error> {
        match &self.cause {
            Cause::Template(error) => Some(error),
            _ => None,
        }
    }

    /// The innermost error of the chain.
    pub fn root(&self) -> &Error {
        let mut error = self;
        while let Some(inner) = error.inner() {
            error = inner;
        }
        error
    }

    /// The limit that was reached, if that is why.
    pub fn limit(&self) -> Option<Limit> {
        match self.root().cause {
            Cause::Limit(limit) => Some(limit),
            _ => None,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A loop and not recursion: the chain may be a thousand links long.
        let mut error = self;
        loop {
            f.write_str("template: ")?;
            if let Some(place) = &error.place {
                write!(
                    f,
                    "{}:{}:{}: executing {} at <{}>: ",
                    place.file,
                    place.line,
                    place.column,
                    strconv::quote(place.template.as_bytes()),
                    place.expression
                )?;
            }
            f.write_str(&error.message)?;
            match &error.cause {
                Cause::Function(text) => return write!(f, ": {text}"),
                Cause::Template(inner) => {
                    f.write_str(": ")?;
                    error = inner;
                }
                Cause::None | Cause::Limit(_) | Cause::NoTemplate => return Ok(()),
            }
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.inner().map(|e| e as &(dyn std::error::Error + 'static))
    }
}

impl Drop for Error {
    fn drop(&mut self) {
        // Unlinks a long chain without recursion.
        let mut cause = std::mem::replace(&mut self.cause, Cause::None);
        while let Cause::Template(mut inner) = cause {
            cause = std::mem::replace(&mut inner.cause, Cause::None);
        }
    }
}
