//! `smvae draw`: which tweets are labelled, as a file that others can use.

use crate::args::DrawArgs;
use smvae::data::corpus::load_split;
use smvae::data::{Split, selection};

pub(crate) fn run(args: &DrawArgs) -> anyhow::Result<()> {
    let train = load_split(args.data.folder(), Split::Train)?;
    Ok(selection::select(args.labels, args.seed, &train.samples, &train.file.sha256)?.save(&args.out)?)
}
