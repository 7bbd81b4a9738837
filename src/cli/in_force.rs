//! Which settings are in force, for the first line of the log: those that are not the defaults, secrets masked.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use url::Url;

use super::files::Values;

/// The settings that somebody made, as `GATEHOUSE_ADMIN_LISTEN=… (environment)`.
pub(super) fn settings(command: &Command, matches: &ArgMatches, files: &Values) -> Vec<String> {
    let mut all: Vec<String> = command
        .get_arguments()
        .filter_map(|arg| setting(arg, matches, files))
        .collect();
    if let Some((name, inner)) = matches.subcommand()
        && let Some(command) = command.find_subcommand(name)
    {
        // Global options are in both.
        for line in settings(command, inner, files) {
            if !all.contains(&line) {
                all.push(line);
            }
        }
    }
    all
}

fn setting(arg: &Arg, matches: &ArgMatches, files: &Values) -> Option<String> {
    let variable = arg.get_env()?.to_str()?;
    let origin = match matches.value_source(arg.get_id().as_str())? {
        ValueSource::CommandLine => "command line",
        ValueSource::EnvVariable => "environment",
        _ if files.contains_key(variable) => "file",
        _ => return None,
    };
    let values = matches.get_raw(arg.get_id().as_str())?;
    let text: Vec<String> = values.map(|value| value.to_string_lossy().into_owned()).collect();
    let text = text.join(",");
    let shown = if arg.is_hide_env_values_set() {
        masked(&text)
    } else {
        text
    };
    Some(format!("{variable}={shown} ({origin})"))
}

/// A secret without what is secret: of a URL, the place stays readable.
fn masked(text: &str) -> String {
    match Url::parse(text) {
        Ok(mut url) if url.has_host() => {
            if url.password().is_some() {
                // Only URLs that cannot have a password refuse one.
                let _ = url.set_password(Some("***"));
            }
            url.set_query(None);
            url.into()
        }
        _ => "***".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_masked_and_places_are_not() {
        assert_eq!(
            masked("postgres://gate:secret@db:5432/gate?x=secret"),
            "postgres://gate:***@db:5432/gate"
        );
        assert_eq!(masked("0123456789abcdef"), "***");
        assert_eq!(masked("not a url: secret"), "***");
    }
}
