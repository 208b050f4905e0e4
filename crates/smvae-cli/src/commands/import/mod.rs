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
use anyhow::Context as _;
use earlier::Earlier;
use imported::Imported;
use posts::read_all;
use smvae::data::duplicates::key;
use smvae::data::files::write_together;
use smvae::data::formats::Format;
use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let (to, dev, unlabelled) = (Some(args.to.as_path()), args.dev.as_deref(), args.unlabelled.as_deref());
    let outputs = [("--to", to), ("--dev", dev), ("--unlabelled", unlabelled)];
    let inputs = args.files.iter().fold(Inputs::default(), |inputs, file| inputs.file("an export", Some(file)));
    for (option, path) in outputs {
        path.map_or(Ok(()), |path| output::outside_of_runs(option, output::folder_of(path)))?;
    }
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
    write(args, &all)?;
    all.tell(args, posts.several);
    let written: HashSet<u64> =
        all.train.samples.iter().chain(&all.dev.samples).map(|sample| key(&sample.words)).collect();
    // The dev posts of an earlier import stay where there are no others.
    let stays =
        |earlier: &Earlier<'_>| all.dev.samples.is_empty() && args.dev.as_deref().is_some_and(|dev| earlier.is_of(dev));
    for earlier in &earlier {
        if stays(earlier) {
            earlier.tell_shared(&args.to, &all.train.samples);
        } else {
            earlier.tell(&written);
        }
    }
    Ok(())
}

/// Writes all files before one takes the place of an old one: posts of an old file may be in
/// another one of the new ones.
fn write(args: &ImportArgs, all: &Imported) -> anyhow::Result<()> {
    // A split without posts is no use, and may be the second file of one that has some.
    let dev = args.dev.as_deref().filter(|_| !all.dev.samples.is_empty());
    let mut texts = vec![(args.to.as_path(), all.train.text(&args.to)?)];
    if let Some(path) = dev {
        texts.push((path, all.dev.text(path)?));
    }
    texts.extend(args.unlabelled.as_deref().map(|path| (path, Cow::Borrowed(all.unlabelled.as_str()))));
    for (path, _) in &texts {
        let made = std::fs::create_dir_all(output::folder_of(path));
        made.with_context(|| format!("cannot write {}", path.display()))?;
    }
    let files: Vec<(&Path, &[u8])> = texts.iter().map(|(path, text)| (*path, text.as_bytes())).collect();
    Ok(write_together(&files)?)
}
