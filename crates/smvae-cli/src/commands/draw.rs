//! `smvae draw`: which posts are labelled, as a file that others can use.

use crate::options::{DataArgs, FormatArgs};
use crate::output;
use crate::progress::say;
use clap::Args;
use smvae::data::corpus::{LoadedSplit, load_split_with};
use smvae::data::{Split, selection};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct DrawArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    format: FormatArgs,
    /// How many posts. With the same seed, a smaller choice is part of a larger one.
    #[arg(long, value_name = "N")]
    labels: usize,
    /// Seed of the choice.
    #[arg(long, value_name = "N")]
    seed: u64,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace a file that is there already.
    #[arg(long)]
    overwrite: bool,
}

pub(crate) fn run(args: &DrawArgs) -> anyhow::Result<()> {
    output::check(&args.out)?;
    output::check_new([("--out", Some(args.out.as_path()))], args.overwrite)?;
    let LoadedSplit { samples, file, .. } = load_split_with(args.data.folder(), Split::Train, &args.format.format())?;
    selection::select(args.labels, args.seed, &samples, &file.sha256)?.save(&args.out)?;
    let (out, n, all) = (args.out.display(), args.labels, samples.len());
    say(format!("{out}: {n} of {all} posts of {}", file.path.display()));
    Ok(())
}
