//! How a failure is told: helm's text first and unchanged, below it the lines that help to find the mistake.

use clap::ValueEnum;
use pintle_template::Diagnosis;
use std::{env, io::IsTerminal as _};

/// `helm`: failures are told in helm's words and no more; `full`: with what helps to find the mistake. Without it people at a
/// terminal get the latter, and programs, which compare and search for helm's words, the former.
const STYLE: &str = "PINTLE_ERRORS";

/// Why a command failed.
#[derive(Debug)]
pub(super) struct Failure {
    /// Helm's text where helm has one.
    pub(super) text: String,
    /// What helm does not say.
    pub(super) diagnosis: Option<Box<Diagnosis>>,
    /// When colours are used.
    pub(super) colour: Colour,
}

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(super) enum Colour {
    /// Not at all.
    Never,
    /// On a terminal that wants them.
    #[default]
    Auto,
    /// In any case.
    Always,
}

impl<T: Into<String>> From<T> for Failure {
    fn from(text: T) -> Self {
        Self { text: text.into(), diagnosis: None, colour: Colour::Auto }
    }
}

impl Failure {
    /// Prints it to standard error.
    pub(super) fn tell(&self) {
        let stderr = std::io::stderr();
        let set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
        let colours = match self.colour {
            Colour::Never => false,
            Colour::Always => true,
            Colour::Auto => {
                stderr.is_terminal() && !set("NO_COLOR") && env::var_os("TERM").is_none_or(|term| term != "dumb")
            }
        };
        let explained = match env::var(STYLE).as_deref() {
            Ok("helm") => false,
            Ok("full") => true,
            _ => stderr.is_terminal(),
        };
        eprintln!("{}", self.lines(colours, explained));
    }

    fn lines(&self, colours: bool, explained: bool) -> String {
        match &self.diagnosis {
            Some(diagnosis) if explained && colours => format!("Error: {}\n\n{}", self.text, diagnosis.coloured()),
            Some(diagnosis) if explained => format!("Error: {}\n\n{diagnosis}", self.text),
            _ => format!("Error: {}", self.text),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helms_text_comes_first_and_whole() {
        let diagnosis = Diagnosis::of_text("values.yaml", b"a: 1\n b: 2\n", 2, 3);
        let failure = Failure { diagnosis: Some(Box::new(diagnosis)), ..Failure::from("bad values") };
        assert_eq!(failure.lines(false, false), "Error: bad values");
        let told = failure.lines(false, true);
        assert_eq!(told, "Error: bad values\n\n --> values.yaml:2:3\n  |\n1 | a: 1\n2 |  b: 2\n  |   ^");
        let coloured = failure.lines(true, true);
        assert!(coloured.contains("\x1b[1;31m^\x1b[0m"), "{coloured:?}");
        assert!(coloured.starts_with("Error: bad values\n"));
    }
}
