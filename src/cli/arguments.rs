//! Reads the command line and the environment, and says in one line what is wrong with them.

use std::env;
use std::error::Error as _;
use std::ffi::{OsStr, OsString};

use anyhow::{Result, bail};
use clap::builder::Resettable;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error, Parser};
use model::validation::nearest;

use super::files::CONFIG;
use super::{files, in_force};
use crate::handover;

/// The beginning of every variable that is ours.
const PREFIX: &str = "GATEHOUSE_";
/// Variables of ours that are no options: where the programs of Postgres are, the port of scripts/dev-database, and what
/// a program is told that replaces another.
const OTHERS: [&str; 3] = ["GATEHOUSE_POSTGRES_BIN", "GATEHOUSE_DEV_PORT", handover::VARIABLE];

/// What the command line, the environment and files say, with the settings that are not the defaults; help and version
/// end the program here.
pub(super) fn read<C: Parser>() -> Result<(C, Vec<String>)> {
    let command = C::command();
    let variables = variables(&command);
    if let Some(problem) = unknown(&variables, env::vars_os().map(|(name, _)| name)) {
        bail!(problem);
    }
    let of_files: Vec<&str> = variables
        .iter()
        .copied()
        .filter(|name| *name != CONFIG && !OTHERS.contains(name))
        .collect();
    let values = files::read(&of_files)?;
    let mut command = files::fill(without_empty(command), &values);
    command.build();
    match command.clone().try_get_matches() {
        Ok(matches) => {
            let settings = in_force::settings(&command, &matches, &values);
            let read = C::from_arg_matches(&matches).map_err(|error| anyhow::anyhow!(line(&error, &command)))?;
            Ok((read, settings))
        }
        Err(error) if shows_help(&error) => error.exit(),
        Err(error) => bail!(line(&error, &command)),
    }
}

/// A variable that is set to nothing counts as not set, as orchestrators need it.
fn without_empty(command: Command) -> Command {
    let empty = |arg: &Arg| {
        arg.get_env()
            .and_then(env::var_os)
            .is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|arg| if empty(&arg) { arg.env(Resettable::Reset) } else { arg })
        .mut_subcommands(without_empty)
}

fn arguments(command: &Command) -> Vec<&Arg> {
    let mut all: Vec<&Arg> = command.get_arguments().collect();
    all.extend(command.get_subcommands().flat_map(arguments));
    all
}

fn variables(command: &Command) -> Vec<&str> {
    let names = arguments(command).into_iter().filter_map(Arg::get_env);
    names.filter_map(OsStr::to_str).chain(OTHERS).collect()
}

/// What is wrong with the names of variables: a setting that does nothing would be found out much later.
fn unknown(known: &[&str], set: impl Iterator<Item = OsString>) -> Option<String> {
    let mut names: Vec<String> = set.filter_map(|name| name.into_string().ok()).collect();
    names.sort();
    let name = names.into_iter().find(|name| is_unknown(name, known))?;
    Some(match nearest(&name, known) {
        Some(near) => format!("{name} is no setting, did you mean {near}?"),
        None => format!("{name} is no setting: docs/configuration.md and --help list them"),
    })
}

fn is_unknown(name: &str, known: &[&str]) -> bool {
    name.starts_with(PREFIX) && !known.contains(&name) && !files::is_of_file(name, known) && !is_of_kubernetes(name)
}

/// Kubernetes tells every container of a service `gatehouse` by variables that begin as ours do.
fn is_of_kubernetes(name: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).unwrap_or_default();
    let marks = ["SERVICE_HOST", "SERVICE_PORT", "PORT_"];
    rest == "PORT"
        || marks
            .iter()
            .any(|mark| rest.starts_with(mark) || rest.contains(&format!("_{mark}")))
}

fn shows_help(error: &Error) -> bool {
    let kinds = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayVersion,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
    ];
    kinds.contains(&error.kind())
}

/// The error in one line, with the name of the setting as it was given.
fn line(error: &Error, command: &Command) -> String {
    let (arg, value) = (
        text(error, ContextKind::InvalidArg),
        text(error, ContextKind::InvalidValue),
    );
    let reason = match error.kind() {
        ErrorKind::ValueValidation => error.source().map(ToString::to_string),
        ErrorKind::InvalidValue => text(error, ContextKind::ValidValue).map(|known| format!("must be one of {known}")),
        _ => None,
    };
    match (arg, value, reason) {
        (Some(arg), Some(value), Some(reason)) => {
            let setting = setting(command, &arg, &value);
            format!("{setting} is wrong: `{value}` {reason}")
        }
        _ => shortened(&error.to_string()),
    }
}

fn text(error: &Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => Some(texts.join(", ")),
        _ => None,
    }
}

/// The variable when the value came from there, else the option.
fn setting(command: &Command, arg: &str, value: &str) -> String {
    let found = arguments(command).into_iter().find(|known| known.to_string() == arg);
    let variable = found.and_then(Arg::get_env).and_then(OsStr::to_str).filter(|name| {
        let set = env::var(name).unwrap_or_default();
        set.split(',').any(|part| part == value) || set == value
    });
    variable.map_or_else(|| arg.split(' ').next().unwrap_or(arg).to_owned(), str::to_owned)
}

/// What clap says, without its headings and the manual.
fn shortened(message: &str) -> String {
    let lines = message.lines().map(str::trim);
    let kept = lines.take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"));
    let parts: Vec<&str> = kept
        .map(|line| line.trim_start_matches("error: ").trim_start_matches("tip: "))
        .filter(|line| !line.is_empty())
        .collect();
    parts.join("; ").replace(":;", ":")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(name: &str) -> Option<String> {
        let known = ["GATEHOUSE_ADMIN_LISTEN", "GATEHOUSE_SECRET"];
        unknown(&known, [OsString::from(name), OsString::from("PATH")].into_iter())
    }

    #[test]
    fn a_variable_that_is_no_setting_is_named_with_the_one_that_was_meant() {
        let told = problem("GATEHOUSE_ADMIN_LISTN").expect("a problem");
        assert!(told.contains("did you mean GATEHOUSE_ADMIN_LISTEN"), "{told}");
        assert!(problem("GATEHOUSE_COLOUR_OF_DOORS").is_some());
        assert_eq!(problem("GATEHOUSE_SECRET"), None);
    }

    #[test]
    fn what_kubernetes_says_of_a_service_is_no_setting() {
        for name in [
            "GATEHOUSE_SERVICE_HOST",
            "GATEHOUSE_SERVICE_PORT_PROXY",
            "GATEHOUSE_PORT",
            "GATEHOUSE_PORT_8000_TCP_ADDR",
            "GATEHOUSE_GATEWAY_SERVICE_PORT",
            "GATEHOUSE_GATEWAY_PORT_8000_TCP",
        ] {
            assert_eq!(problem(name), None, "{name}");
        }
    }

    #[test]
    fn what_clap_says_becomes_one_line() {
        let told = "error: unexpected argument '--nam' found\n\n  tip: a similar argument exists: '--name'\n\nUsage: x";
        assert_eq!(
            shortened(told),
            "unexpected argument '--nam' found; a similar argument exists: '--name'"
        );
    }
}
