//! Settings from files: one TOML file for all of them, and `…_FILE` variables for secrets that are mounted as files.
//!
//! The command line wins over the environment, the environment over `…_FILE`, and all of them over the TOML file.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Arg, Command};
use model::validation::unknown_word;
use toml::{Table, Value};

/// The variable that names the TOML file.
pub(super) const CONFIG: &str = "GATEHOUSE_CONFIG";
/// The option that does.
const OPTION: &str = "--config";
/// What a variable's name ends with when a file has its value.
const SUFFIX: &str = "_FILE";

/// Values by the name of their variable.
pub(super) type Values = BTreeMap<String, String>;

/// What files say of these variables.
pub(super) fn read(variables: &[&str]) -> Result<Values> {
    let mut values = match config_path(env::args_os().skip(1)) {
        Some(path) => read_config(&path, variables)?,
        None => Values::new(),
    };
    for variable in variables {
        let Some(path) = env::var_os(format!("{variable}{SUFFIX}")).filter(|path| !path.is_empty()) else {
            continue;
        };
        if env::var_os(variable).is_some_and(|value| !value.is_empty()) {
            bail!("{variable} and {variable}{SUFFIX} are both set: keep one of them");
        }
        let path = Path::new(&path);
        let text = fs::read_to_string(path)
            .with_context(|| format!("{variable}{SUFFIX} names {}, which cannot be read", path.display()))?;
        values.insert((*variable).to_owned(), text.trim_end_matches(['\r', '\n']).to_owned());
    }
    Ok(values)
}

/// Whether this is the name of a variable that names the file of another one.
pub(super) fn is_of_file(name: &str, variables: &[&str]) -> bool {
    name.strip_suffix(SUFFIX)
        .is_some_and(|variable| variables.contains(&variable))
}

/// The arguments with these values where nothing else is given; help does not show them.
pub(super) fn fill(command: Command, values: &Values) -> Command {
    let fill_one = |arg: Arg| {
        let variable = arg.get_env().and_then(|name| name.to_str());
        match variable.and_then(|name| values.get(name)) {
            // A flag that is left out and a value that is not required are the same to clap: no value, no default.
            Some(value) => arg
                .default_value(value.clone())
                .hide_default_value(true)
                .required(false),
            None => arg,
        }
    };
    command.mut_args(fill_one).mut_subcommands(|inner| fill(inner, values))
}

/// Found before the command line is read, because the file completes it.
fn config_path(arguments: impl Iterator<Item = OsString>) -> Option<PathBuf> {
    let mut arguments = arguments.take_while(|argument| argument != "--");
    while let Some(argument) = arguments.next() {
        if argument == OPTION {
            return arguments.next().map(PathBuf::from);
        }
        if let Some(path) = argument
            .to_str()
            .and_then(|argument| argument.strip_prefix(OPTION))
            .and_then(|rest| rest.strip_prefix('='))
        {
            return Some(path.into());
        }
    }
    env::var_os(CONFIG).filter(|path| !path.is_empty()).map(PathBuf::from)
}

fn read_config(path: &Path, variables: &[&str]) -> Result<Values> {
    let shown = path.display();
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the settings in {shown}"))?;
    let table: Table = text.parse().with_context(|| format!("{shown} is not TOML"))?;
    let names: BTreeMap<String, &str> = variables.iter().map(|variable| (member(variable), *variable)).collect();
    let known: Vec<&str> = names.keys().map(String::as_str).collect();
    let mut values = Values::new();
    for (name, value) in &table {
        let Some(variable) = names.get(name) else {
            bail!("{shown}: {}", unknown_word("setting", name, &known));
        };
        let text = text_of(value)
            .with_context(|| format!("{shown}: `{name}` must be a text, a number, true, false or a list of texts"))?;
        values.insert((*variable).to_owned(), text);
    }
    Ok(values)
}

/// What a setting is called in the file: `admin_listen` for `GATEHOUSE_ADMIN_LISTEN`.
fn member(variable: &str) -> String {
    variable.strip_prefix("GATEHOUSE_").unwrap_or(variable).to_lowercase()
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        Value::Boolean(flag) => Some(flag.to_string()),
        Value::Array(items) => items
            .iter()
            .map(text_of)
            .collect::<Option<Vec<_>>>()
            .map(|items| items.join(",")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KNOWN: [&str; 3] = ["DATABASE_URL", "GATEHOUSE_ADMIN_LISTEN", "GATEHOUSE_PROXY_LISTEN"];

    fn config(text: &str) -> Result<Values> {
        let path = env::temp_dir().join(format!("gatehouse-{}.toml", uuid::Uuid::now_v7()));
        fs::write(&path, text)?;
        let values = read_config(&path, &KNOWN);
        fs::remove_file(&path)?;
        values
    }

    #[test]
    fn a_file_has_settings_without_the_prefix() {
        let values = config("database_url = 'postgres://x'\nproxy_listen = ['0.0.0.0:80', '[::]:80']").expect("valid");
        assert_eq!(values["DATABASE_URL"], "postgres://x");
        assert_eq!(values["GATEHOUSE_PROXY_LISTEN"], "0.0.0.0:80,[::]:80");
    }

    #[test]
    fn shares_are_numbers() {
        let path = env::temp_dir().join(format!("gatehouse-{}.toml", uuid::Uuid::now_v7()));
        fs::write(&path, "trace_sampling = 0.25").expect("written");
        let values = read_config(&path, &["GATEHOUSE_TRACE_SAMPLING"]).expect("valid");
        fs::remove_file(&path).expect("removed");
        assert_eq!(values["GATEHOUSE_TRACE_SAMPLING"], "0.25");
    }

    #[test]
    fn an_unknown_setting_is_told_with_the_nearest() {
        let error = config("admin_listn = 'x'").expect_err("unknown").to_string();
        assert!(error.contains("did you mean `admin_listen`?"), "{error}");
        assert!(config("admin_listen = {a = 1}").is_err());
        assert!(config("admin_listen = ").is_err());
    }

    #[test]
    fn the_option_names_the_file_in_both_forms() {
        let path = |words: &[&str]| config_path(words.iter().map(OsString::from));
        assert_eq!(path(&["serve", "--config", "a.toml"]), Some("a.toml".into()));
        assert_eq!(path(&["--config=b.toml", "serve"]), Some("b.toml".into()));
    }
}
