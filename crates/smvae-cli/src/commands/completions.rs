//! `smvae completions`: a script that completes command lines in a shell.

use crate::output;
use clap::{Args, Command};
use clap_complete::Shell;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// The shell.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

/// Prints the script; `program` is the whole command line.
pub(crate) fn run(args: &CompletionsArgs, mut program: Command) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut program, "smvae", &mut script);
    output::print_bytes(&script)
}
