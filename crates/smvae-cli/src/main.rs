//! The program `smvae`: parse, call the library, print.
//!
//! Results go to stdout and nothing else does; progress, warnings and errors go to stderr. Exit
//! codes: 0 for success, 1 for a failure, 2 for a command line or a setting that makes no sense, 3
//! where some lines of the input are not posts, 130 and 143 for what Ctrl-C and SIGTERM have ended
//! early. What the program does not do: mathematics. Everything it can do, the library can.

mod answers;
mod captions;
mod cli;
mod commands;
mod corpus;
mod counted;
mod failure;
mod help;
mod input;
mod inputs;
mod interrupt;
mod labels;
mod lines;
mod memory;
mod model;
mod options;
mod output;
mod pool;
mod progress;
mod suggested;
mod summary_table;
mod threads;
mod vectors;
mod version;
mod watcher;

use anyhow::Context as _;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = cli::parse(std::env::args_os());
    progress::set_loudness(cli.loudness());
    memory::keep_what_is_freed();
    // SAFETY: no other thread exists yet.
    unsafe { threads::configure(number_of_threads(&cli)) };
    let started = threads::start().context("cannot start the threads: ask for fewer with --threads");
    progress::detail(|| {
        let commit = version::commit().map_or_else(String::new, |commit| format!(", commit {commit}"));
        format!("smvae {}{commit}, {} threads", env!("CARGO_PKG_VERSION"), rayon::current_num_threads())
    });
    match started.and_then(|()| run(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failure::report(&error),
    }
}

fn run(cli: &Cli) -> anyhow::Result<()> {
    match &cli.command {
        Command::Demo(args) => commands::demo::run(args),
        Command::Stats(args) => commands::stats::run(args),
        Command::Features(args) => commands::features::run(args),
        Command::Train(args) => commands::train::run(args),
        Command::Experiment(args) => commands::experiment::run(args, cli.threads),
        Command::ExperimentRun(args) => commands::experiment::child::run(args),
        Command::Draw(args) => commands::draw::run(args),
        Command::Suggest(args) => commands::suggest::run(args),
        Command::Import(args) => commands::import::run(args),
        Command::Export(args) => commands::export::run(args),
        Command::Split(args) => commands::split::run(args),
        Command::Eval(args) => commands::eval::run(args),
        Command::Predict(args) => commands::predict::run(args),
        #[cfg(feature = "report")]
        Command::Report(args) => commands::report::run(args),
        #[cfg(feature = "serve")]
        Command::Serve(args) => commands::serve::run(args),
        Command::Inspect(args) => commands::inspect::run(args),
        Command::Score(args) => commands::score::run(args),
        Command::Completions(args) => commands::completions::run(args, cli::command()),
        Command::Man(args) => commands::man::run(args, cli::command()),
    }
}

/// The number of threads asked for, or that of the run being resumed.
fn number_of_threads(cli: &Cli) -> Option<usize> {
    let of_run = || match &cli.command {
        Command::Train(args) => args.resume.as_deref().and_then(commands::train::resume::threads),
        _ => None,
    };
    cli.threads.map(usize::from).or_else(of_run)
}
