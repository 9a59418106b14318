//! Flags as Go's programs take them: `--flag`, `--flag=true` and `--flag=false` are all said of a flag without a value, the
//! last of several wins, and errors have the words that tools look for.

use clap::{
    ArgAction, Command,
    error::{ContextKind, ContextValue, ErrorKind},
};
use std::error::Error as _;

/// The command with flags that are taken as Go's are.
pub(super) fn like_go(command: Command) -> Command {
    let command = command.args_override_self(true).mut_args(|arg| match arg.get_action() {
        ArgAction::SetTrue => arg
            .action(ArgAction::Set)
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("true")
            .default_value("false")
            .value_parser(truth),
        _ => arg,
    });
    command.mut_subcommands(like_go)
}

/// `strconv.ParseBool`.
fn truth(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => {
            Err(format!("strconv.ParseBool: parsing {}: invalid syntax", pintle_golib::strconv::quote(text.as_bytes())))
        }
    }
}

/// What is wrong with a command line: in helm's words where helm has some, and below them what else there is to say.
pub(super) fn told(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let text = text.strip_prefix("error: ").unwrap_or(&text).trim_end();
    match in_helms_words(error) {
        Some(words) => match text.split_once('\n') {
            Some((_, more)) => format!("{words}\n{more}"),
            None => words,
        },
        None => text.to_owned(),
    }
}

fn in_helms_words(error: &clap::Error) -> Option<String> {
    let context = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        _ => None,
    };
    let flag = context(ContextKind::InvalidArg)?;
    match error.kind() {
        ErrorKind::UnknownArgument => match flag.strip_prefix('-') {
            Some(name) if name.starts_with('-') => Some(format!("unknown flag: {flag}")),
            Some(name) => Some(format!("unknown shorthand flag: '{}' in {flag}", name.chars().next()?)),
            None => None,
        },
        ErrorKind::ValueValidation => {
            let flag = flag.split(['[', ' ', '=']).next().unwrap_or(flag);
            let value = pintle_golib::strconv::quote(context(ContextKind::InvalidValue)?.as_bytes());
            Some(format!("invalid argument {value} for \"{flag}\" flag: {}", error.source()?))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Arg;

    fn parse(arguments: &str) -> Result<(bool, Option<String>), String> {
        let command = Command::new("x")
            .arg(Arg::new("quiet").long("quiet").short('q').action(ArgAction::SetTrue))
            .arg(Arg::new("name").long("name"));
        let matches = like_go(command).try_get_matches_from(arguments.split(' ')).map_err(|error| told(&error))?;
        Ok((matches.get_flag("quiet"), matches.get_one::<String>("name").cloned()))
    }

    #[test]
    fn flags_without_a_value_may_have_one() {
        for (arguments, quiet) in [
            ("x", false),
            ("x --quiet", true),
            ("x -q", true),
            ("x --quiet=true", true),
            ("x --quiet=T", true),
            ("x --quiet=false", false),
            ("x --quiet --quiet=0", false),
            ("x --quiet=f --quiet", true),
        ] {
            assert_eq!(parse(arguments), Ok((quiet, None)), "{arguments}");
        }
        assert_eq!(parse("x --name a --name b"), Ok((false, Some("b".into()))));
    }

    #[test]
    fn errors_begin_with_helms_words() {
        for (arguments, words) in [
            ("x --quite", "unknown flag: --quite"),
            ("x -z", "unknown shorthand flag: 'z' in -z"),
            (
                "x --quiet=maybe",
                "invalid argument \"maybe\" for \"--quiet\" flag: strconv.ParseBool: parsing \"maybe\": invalid syntax",
            ),
        ] {
            let text = parse(arguments).unwrap_err();
            assert_eq!(text.lines().next(), Some(words), "{text}");
        }
    }
}
