//! Gatehouse: gateway, console, portal and API in one program.

mod cli;
mod control_plane;
mod data_plane;
mod demo;
mod handover;
mod logging;
mod program;
mod secret;
mod servers;
mod settings;
mod signals;
mod storage;
mod tasks;
mod terminal;

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::failure(&error);
            ExitCode::FAILURE
        }
    }
}
