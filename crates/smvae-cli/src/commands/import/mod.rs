//! `smvae import`: what people labelled, out of the tools they label with, as posts of a corpus.

mod args;
mod conflicts;
mod earlier;
mod imported;
mod misfits;
mod posts;

pub(crate) use args::ImportArgs;

use crate::failure::Usage;
use crate::inputs::Inputs;
use crate::output;
use earlier::Earlier;
use imported::Imported;
use posts::read_all;
use smvae::data::duplicates::key;
use smvae::data::files::write_atomically;
use smvae::data::formats::Format;
use std::collections::HashSet;

pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let (to, dev, unlabelled) = (Some(args.to.as_path()), args.dev.as_deref(), args.unlabelled.as_deref());
    let outputs = [("--to", to), ("--dev", dev), ("--unlabelled", unlabelled)];
    let inputs = args.files.iter().fold(Inputs::default(), |inputs, file| inputs.file("an export", Some(file)));
    output::check_labelled(outputs, &inputs)?;
    let earlier = Earlier::of(args)?;
    output::check_new(outputs, args.overwrite)?;
    for path in [Some(&args.to), args.dev.as_ref()].into_iter().flatten() {
        if !matches!(Format::of_path(path), Some(Format::JsonLines | Format::Conll)) {
            return Err(Usage(format!("{}: name a .jsonl or a .conll file", path.display())).into());
        }
    }
    let (words, misfits) = (args.words()?, args.misfits());
    let posts = read_all(args)?;
    let mut all = Imported::default();
    for post in &posts.kept {
        all.add(post, &words, misfits, args.dev.is_some())?;
    }
    all.misfits.check(&posts.kept, misfits)?;
    all.train.write(&args.to)?;
    // A split without posts is no use, and may be the second file of one that has some.
    if let Some(path) = args.dev.as_deref().filter(|_| !all.dev.samples.is_empty()) {
        all.dev.write(path)?;
    }
    if let Some(path) = &args.unlabelled {
        write_atomically(path, all.unlabelled.as_bytes())?;
    }
    all.tell(args, posts.several);
    let written: HashSet<u64> =
        all.train.samples.iter().chain(&all.dev.samples).map(|sample| key(&sample.words)).collect();
    // The dev posts of an earlier import stay where there are no others.
    let stays = |earlier: &&Earlier<'_>| {
        all.dev.samples.is_empty() && args.dev.as_deref().is_some_and(|dev| earlier.is_of(dev))
    };
    earlier.iter().filter(|earlier| !stays(earlier)).for_each(|earlier| earlier.tell(&written));
    Ok(())
}
