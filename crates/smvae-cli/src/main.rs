//! The program `smvae`: parse, call the library, print.
//!
//! Results go to stdout and nothing else does; progress, warnings and errors go to stderr. Exit codes: 0 for success (a
//! run that Ctrl-C ended early has succeeded: its folder is complete), 1 for a failure, 2 for a command line or a
//! setting that makes no sense. What the program does not do: mathematics. Everything it can do, the library can.

mod args;
mod commands;
mod failure;
mod interrupt;
mod model_args;
mod objective_args;
mod output;
mod progress;
mod train_args;

use args::{Cli, Command};
use clap::Parser as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = Cli::parse_from(args::with_implied_command(std::env::args_os()));
    // SAFETY: no other thread exists yet.
    unsafe { smvae::threads::configure(threads(&cli)) };
    let result = match &cli.command {
        Command::Demo(args) => commands::demo::run(args),
        Command::Stats(args) => commands::stats::run(args),
        Command::Features(args) => commands::features::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Experiment(args) => commands::experiment::run(args, cli.threads),
        Command::ExperimentRun(args) => commands::experiment::child::run(args),
        Command::Draw(args) => commands::draw::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Predict(args) => commands::predict::run(args),
        #[cfg(feature = "report")]
        Command::Report(args) => commands::report::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Score(args) => commands::score::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

/// The threads that are asked for, or those of the run that is gone on with.
fn threads(cli: &Cli) -> Option<usize> {
    let of_run = || match &cli.command {
        Command::Train(args) => args.resume.as_deref().and_then(commands::resume::threads),
        _ => None,
    };
    cli.threads.map(usize::from).or_else(of_run)
}
