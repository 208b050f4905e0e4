//! `smvae score`: what the script `conlleval` does, for any program's output.

use super::{name, read_input};
use crate::args::ScoreArgs;
use crate::output;
use anyhow::Context as _;
use smvae::core::columns::read_columns;
use smvae::core::metrics::Conlleval;

pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let bytes = read_input(&args.file)?;
    let text = str::from_utf8(&bytes).with_context(|| format!("{} is not UTF-8", name(&args.file)))?;
    let sentences = read_columns(text).with_context(|| format!("{} is not tagged text", name(&args.file)))?;
    let mut eval = Conlleval::default();
    for sentence in &sentences {
        eval.add(&sentence.gold, &sentence.predicted)?;
    }
    if args.json { output::print_json(&eval.scores) } else { output::print(&eval.report()) }
}
