//! Template errors as Helm tells them.

use super::RenderError;
use super::functions::{MESSAGE_END as END, MESSAGE_START as START};
use pintle_template::{Cause, Error, ParseError};

/// A file that is no template.
pub(super) fn of_parsing(error: &ParseError) -> RenderError {
    RenderError::Template { text: parse_text(error), diagnosis: Box::new(error.diagnosis().clone()) }
}

/// A template that failed.
pub(super) fn of_execution(error: &Error) -> RenderError {
    RenderError::Template { text: execution_text(error), diagnosis: Box::new(error.diagnosis()) }
}

/// Helm keeps of a parse error the place and what follows the last colon.
fn parse_text(error: &ParseError) -> String {
    let text = error.to_string();
    let last = text.rsplit(": ").next().unwrap_or(&text);
    format!("parse error at ({}:{}): {last}", error.name, error.line)
}

/// Helm's text for a failed execution: the message of `fail` and `required` alone, a list of the places for the
/// engine's own failures, and the raw text where a function failed.
fn execution_text(error: &Error) -> String {
    let raw = error.to_string();
    if let Some(text) = marked(error, &raw) {
        return text;
    }
    links(error).unwrap_or(raw)
}

/// The message between the marks that `fail` and `required` leave.
fn marked(error: &Error, raw: &str) -> Option<String> {
    let place = error.place.as_ref()?;
    let rest = raw.splitn(3, ": ").nth(2)?;
    let start = rest.find(START)?;
    let end = rest.rfind(END)?;
    let message = rest.get(start + START.len()..end)?;
    Some(format!("execution error at ({}:{}:{}): {message}", place.file, place.line, place.column))
}

fn links(error: &Error) -> Option<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut next = Some(error);
    while let Some(error) = next {
        next = error.inner();
        // What a function says is no link that Helm can read.
        if matches!(error.cause, Cause::Function(_)) {
            return None;
        }
        // Helm cuts the text of a link before that of the next one.
        let whole = if next.is_some() { format!("{}: template:", error.message) } else { error.message.clone() };
        let message = whole.find(" template:").map_or(whole.as_str(), |at| &whole[..at]);
        let line = match &error.place {
            Some(place) => format!(
                "{}:{}:{}\n  executing {} at <{}>:\n    {message}\n",
                place.file,
                place.line,
                place.column,
                pintle_golib::strconv::quote(place.template.as_bytes()),
                place.expression
            ),
            None => format!("template: {message}\n"),
        };
        if lines.last() != Some(&line) {
            lines.push(line);
        }
    }
    Some(lines.concat().trim().to_owned())
}
