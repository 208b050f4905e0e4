//! `smvae score`: scores as the script `conlleval` computes them, for the output of any program.

use crate::input::{self, name};
use crate::output;
use anyhow::Context as _;
use clap::Args;
use smvae::core::columns::read_columns;
use smvae::core::metrics::Conlleval;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Tagged text, one word per line; - for stdin.
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// Print the scores as JSON; `eval --json` has the same schema.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let bytes = input::read(&args.file)?;
    let text = str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", name(&args.file)))?;
    let sentences = read_columns(text).with_context(|| format!("{} is not tagged text", name(&args.file)))?;
    let mut eval = Conlleval::default();
    for sentence in &sentences {
        eval.add(&sentence.gold, &sentence.predicted)?;
    }
    if args.json { output::print_json(&eval.scores) } else { output::print(&eval.report()) }
}
