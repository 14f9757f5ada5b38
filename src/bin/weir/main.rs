//! The `weir` command: reads the command line, runs one command, turns its end into an exit code.

mod args;
mod capture;
mod completions;
mod exit;
mod export;
mod histograms;
mod info;
mod interrupt;
mod latency;
mod list;
mod open;
mod progress;
mod question;
mod show;
mod terminal;
mod verify;
mod why;

use std::process::ExitCode;

use clap::Parser as _;

use crate::args::{Cli, Command};
use crate::exit::Exit;

#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Done }.into();
        }
    };
    terminal::choose(cli.color);
    let result = match cli.command {
        Command::Capture(args) => capture::run(&args),
        Command::Latency(args) => latency::run(&args),
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
    };
    exit::report(result)
}
