//! The command line: one file per subcommand.

mod admin;
mod arguments;
mod demo;
mod files;
mod healthcheck;
mod in_force;
mod migrate;
mod offline;
mod serve;
mod token;
mod upgrade;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::logging;
use crate::settings::LogSettings;

/// A managed API gateway: data plane, admin console and developer portal in one program.
///
/// Every option is also a variable of the environment, as its help says, and a member of the file that --config names.
#[derive(Debug, Parser)]
#[command(name = "gatehouse", version, max_term_width = 120)]
struct Cli {
    /// A TOML file with settings: `admin_listen = "127.0.0.1:8001"` for `GATEHOUSE_ADMIN_LISTEN`. Options and variables win
    /// over it.
    #[arg(long, env = "GATEHOUSE_CONFIG", value_name = "FILE", global = true)]
    config: Option<std::path::PathBuf>,
    #[command(flatten)]
    log: LogSettings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything: console, API, portal and one gateway.
    Serve(Box<serve::Serve>),
    /// Run console, API and portal; gateways run elsewhere.
    Control(serve::ControlOnly),
    /// Run one gateway.
    Gateway(serve::GatewayOnly),
    /// Bring the database to this program's schema, then end.
    Migrate(migrate::Migrate),
    /// Manage administrators.
    #[command(subcommand)]
    Admin(admin::Admin),
    /// Manage API tokens.
    #[command(subcommand)]
    Token(token::Token),
    /// Run the demo shop alone.
    Demo(demo::Demo),
    /// Put the program that is on disk now in the place of the running one: no connection is refused, no request lost.
    Upgrade(upgrade::Upgrade),
    /// Ask a running gateway whether it is ready; ends with 0 when it is.
    Healthcheck(healthcheck::Healthcheck),
}

/// Reads the command line and does what it says.
pub(crate) fn run() -> Result<()> {
    let (cli, settings): (Cli, _) = arguments::read()?;
    logging::start(&cli.log)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start threads")?;
    runtime.block_on(async {
        match cli.command {
            Command::Serve(command) => command.run(settings).await,
            Command::Control(command) => command.run(settings).await,
            Command::Gateway(command) => command.run(settings).await,
            Command::Migrate(command) => command.run().await,
            Command::Admin(command) => command.run().await,
            Command::Token(command) => command.run().await,
            Command::Demo(command) => command.run().await,
            Command::Upgrade(command) => command.run().await,
            Command::Healthcheck(command) => command.run().await,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory as _;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_manual_lists_every_setting_with_its_default() {
        let manual = include_str!("../../docs/configuration.md");
        let commands = Cli::command();
        let arguments = commands
            .get_subcommands()
            .flat_map(clap::Command::get_arguments)
            .chain(commands.get_arguments());
        for argument in arguments {
            let Some(variable) = argument.get_env().map(|name| name.to_string_lossy().into_owned()) else {
                continue;
            };
            let row = manual
                .lines()
                .find(|line| line.starts_with(&format!("| `{variable}` |")));
            let row = row.unwrap_or_else(|| panic!("{variable} is not in docs/configuration.md"));
            let values: Vec<String> = argument
                .get_default_values()
                .iter()
                .map(|value| value.to_string_lossy().into_owned())
                .collect();
            let default = values.join(",");
            assert!(
                default.is_empty() || row.contains(&format!("| `{default}` |")),
                "{variable}: the default is {default}"
            );
        }
    }
}
