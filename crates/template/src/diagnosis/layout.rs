//! A diagnosis in lines.

use super::{Diagnosis, Excerpt, Link, cut};
use std::fmt;

/// A diagnosis with colours.
struct Coloured<'a>(&'a Diagnosis);

#[derive(Clone, Copy)]
struct Ink {
    frame: &'static str,
    mark: &'static str,
    end: &'static str,
}

const PLAIN: Ink = Ink { frame: "", mark: "", end: "" };
const COLOURS: Ink = Ink { frame: "\x1b[1;34m", mark: "\x1b[1;31m", end: "\x1b[0m" };

impl fmt::Display for Diagnosis {
    /// Lines, the last one without a line break.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self, PLAIN, f)
    }
}

impl fmt::Display for Coloured<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, COLOURS, f)
    }
}

impl Diagnosis {
    /// The same lines with the colours of a terminal (ANSI).
    pub fn coloured(&self) -> impl fmt::Display + '_ {
        Coloured(self)
    }
}

fn write(diagnosis: &Diagnosis, ink: Ink, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let Ink { frame, end, .. } = ink;
    let mut width = 0;
    let mut lines = Lines { f, first: true };
    if let Some(link) = diagnosis.links.last() {
        let after = link.excerpt.as_ref().map_or(0, |excerpt| excerpt.after.len());
        width = (link.line as usize).saturating_add(after).to_string().len();
        lines.line(format_args!("{:width$}{frame}-->{end} {}", "", Place(link)))?;
        if let Some(excerpt) = &link.excerpt {
            show(&mut lines, link.line, excerpt, width, ink)?;
        }
    }
    for hint in &diagnosis.hints {
        lines.line(format_args!("{:width$} {frame}={end} {}", "", cut_lines(&hint.to_string())))?;
    }
    let outer = diagnosis.links.len().saturating_sub(1);
    for (at, link) in diagnosis.links[..outer].iter().enumerate().rev() {
        if diagnosis.omitted > 0 && at + 1 == super::KEPT {
            lines.line(format_args!("{:width$} {frame}={end} … {} more", "", diagnosis.omitted))?;
        }
        lines.line(format_args!("{:width$} {frame}={end} called by {}: {}", "", Place(link), link.expression))?;
    }
    Ok(())
}

/// A hint may hold a path of any length, each part of which was cut; all of them together are cut here.
fn cut_lines(text: &str) -> String {
    match text.char_indices().nth(4 * super::SHOWN) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn show(lines: &mut Lines<'_, '_>, line: u32, excerpt: &Excerpt, width: usize, ink: Ink) -> fmt::Result {
    let Ink { frame, mark, end } = ink;
    lines.line(format_args!("{:width$} {frame}|{end}", ""))?;
    let first = (line as usize).saturating_sub(excerpt.before.len());
    let row = |lines: &mut Lines<'_, '_>, number: usize, text: &str| {
        let text = text.trim_end();
        let gap = if text.is_empty() { "" } else { " " };
        lines.line(format_args!("{frame}{number:width$} |{end}{gap}{text}"))
    };
    for (number, text) in (first..).zip(&excerpt.before) {
        row(lines, number, text)?;
    }
    row(lines, line as usize, &excerpt.line)?;
    let carets = "^".repeat(excerpt.length);
    lines.line(format_args!("{:width$} {frame}|{end} {:start$}{mark}{carets}{end}", "", "", start = excerpt.start))?;
    for (number, text) in (line as usize + 1..).zip(&excerpt.after) {
        row(lines, number, text)?;
    }
    Ok(())
}

/// Line breaks between lines only.
struct Lines<'a, 'f> {
    f: &'a mut fmt::Formatter<'f>,
    first: bool,
}

impl Lines<'_, '_> {
    fn line(&mut self, line: fmt::Arguments<'_>) -> fmt::Result {
        if !std::mem::take(&mut self.first) {
            self.f.write_str("\n")?;
        }
        self.f.write_fmt(line)
    }
}

struct Place<'a>(&'a Link);

impl fmt::Display for Place<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let link = self.0;
        let file = cut(&link.file);
        if link.is_text {
            write!(f, "a text run as \"{file}\", {}:{}", link.line, link.column)?;
        } else {
            write!(f, "{file}:{}:{}", link.line, link.column)?;
        }
        match &link.template {
            Some(template) => write!(f, " in \"{template}\""),
            None => Ok(()),
        }
    }
}
