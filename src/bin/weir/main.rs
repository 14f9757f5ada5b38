//! The `weir` command: reads the command line, runs one command, turns its end into an exit code.

mod args;
mod budget;
mod capture;
mod compare;
mod completions;
mod devices;
mod doctor;
mod exit;
mod export;
mod histograms;
mod info;
mod interrupt;
mod latency;
mod follow;
mod list;
mod live;
mod live_args;
mod metrics;
mod open;
mod otlp;
mod packets;
mod parquet;
mod printer;
mod progress;
mod question;
mod show;
mod status;
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
    let chosen = open::choose_log_format(cli.log_format.as_deref());
    let result = chosen.and_then(|()| match cli.command {
        Command::Capture(args) => capture::run(&args),
        Command::Latency(args) => latency::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::List(args) => list::run(&args),
        Command::Show(args) => show::run(&args),
        Command::Why(args) => why::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Devices(args) => devices::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
    });
    exit::report(result)
}
