//! The name of a release on the command line: given, from a template, or made up.

use crate::{
    chart::{Chart, File, Frozen, Metadata},
    render::{Capabilities, CompiledChart, Machine, Options, Release, RenderRequest},
};
use std::sync::Arc;

/// Helm's rule for names.
///
/// # Errors
/// Helm's text.
pub(super) fn check(name: &str) -> Result<(), String> {
    let part = |part: &str| {
        let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        let bytes = part.as_bytes();
        bytes.first().copied().is_some_and(word)
            && bytes.last().copied().is_some_and(word)
            && bytes.iter().all(|b| word(*b) || *b == b'-')
    };
    if name.len() <= 53 && name.split('.').all(part) {
        return Ok(());
    }
    Err(format!(
        "release name check failed: release name {name:?}: invalid release name, must match regex \
         ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$ and the length must not be longer than 53"
    ))
}

/// What `--name-template` makes.
///
/// # Errors
/// When the template fails.
pub(super) fn from_template(text: &str) -> Result<String, String> {
    let chart = Chart {
        metadata: Metadata { name: "name".into(), ..Metadata::default() },
        templates: vec![File { name: "templates/name".into(), data: text.as_bytes().into() }],
        values: Frozen::table(),
        ..Chart::default()
    };
    let request = RenderRequest {
        chart: Arc::new(CompiledChart::new(Arc::new(chart))),
        values: Frozen::table(),
        release: Release { name: String::new(), namespace: String::new(), revision: 0, is_upgrade: false },
        capabilities: Arc::new(Capabilities::default()),
        options: Options::default(),
        host: Arc::new(Machine),
    };
    let (mut files, _) = crate::render::render_files(&request).map_err(|e| e.to_string())?;
    Ok(files.pop().map(|(_, text)| text).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn names() {
        let long = "a".repeat(54);
        for (name, good) in [
            ("a", true),
            ("a-b.c1", true),
            ("", false),
            ("-a", false),
            ("a.", false),
            ("A", false),
            (long.as_str(), false),
        ] {
            assert_eq!(check(name).is_ok(), good, "{name}");
        }
        assert_eq!(from_template("x-{{ lower \"AB\" }}").unwrap(), "x-ab");
    }
}
