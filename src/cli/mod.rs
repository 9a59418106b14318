//! The command line: one file per verb. Flags and texts are `helm`'s where helm has the verb.

mod chart;
mod failure;
mod flags;
mod kube;
mod limits;
mod name;
mod operator;
mod post_renderer;
mod registry;
mod template;
mod traces;
mod values;

use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, error::ErrorKind};
use failure::Failure;
use std::{ffi::OsString, io::Write, process::ExitCode};

/// Helm releases as Kubernetes objects.
#[derive(Debug, Parser)]
#[command(name = "pintle", version, about, disable_help_subcommand = true)]
struct Cli {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Render a chart and print the result, without a cluster.
    Template(Box<template::Template>),
    /// Run the operator.
    Operator(Box<operator::Operator>),
    /// Print the custom resource definitions.
    Crds,
    /// Print the version.
    Version,
}

/// Runs a command line. What is asked for goes to standard output, all else to standard error; a failure is told in a
/// text that begins with `Error:` and is helm's, what helm does not say follows below it, and the exit is 1.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let parsed = flags::like_go(Cli::command()).try_get_matches_from(&arguments);
    let outcome = match parsed.and_then(|matches| Cli::from_arg_matches(&matches)) {
        Ok(cli) => perform(cli.verb),
        Err(error) if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) => {
            // Flags are shown as they are mostly used, without a value.
            let shown = Cli::command().try_get_matches_from(&arguments).err().unwrap_or(error);
            print(shown.render().to_string().as_bytes())
        }
        Err(error) => Err(flags::told(&error).into()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.tell();
            ExitCode::FAILURE
        }
    }
}

fn perform(verb: Verb) -> Result<(), Failure> {
    match verb {
        Verb::Template(verb) => verb.run(),
        Verb::Operator(verb) => verb.run().map_err(|error| format!("{error:#}").into()),
        Verb::Crds => {
            let texts: Vec<String> = crate::crd::manifests()?.into_iter().map(|(_, text)| text).collect();
            print(texts.join("---\n").as_bytes())
        }
        Verb::Version => print(format!("pintle {}\n", env!("CARGO_PKG_VERSION")).as_bytes()),
    }
}

/// Writes to standard output. A reader that went away is no failure.
fn print(text: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.to_string().into()),
        _ => Ok(()),
    }
}
