//! `smvae train --resume RUN`: everything a resumed run needs is in its folder, but for what has
//! moved since.

use super::args::TrainArgs;
use super::ending::tell_end;
use crate::captions::without_captions_if;
use crate::failure::Usage;
use crate::interrupt;
use crate::progress::{detail, say};
use crate::watcher::Watcher;
use anyhow::Context as _;
use smvae::data::corpus::load_split_with;
use smvae::data::{Captions, ImageVectors, Split};
use smvae::encoders::device;
use smvae::{EncoderSource, RunInfo, RunState, TrainInput};
use std::path::Path;

pub(crate) fn run(folder: &Path, args: &TrainArgs) -> anyhow::Result<()> {
    if let Some(summary) = smvae::finished_run(folder)? {
        say(format!("{} is finished: there is nothing to do", folder.display()));
        tell_end(&summary, RunInfo::read(folder)?.config.data.as_deref());
        return Ok(());
    }
    let run = RunInfo::read(folder)?;
    let missing = |what: &str| Usage(format!("{} does not say where its {what} is: start a new run", folder.display()));
    let moved = args.data.given();
    let data = match (&moved, &run.config.data) {
        (Some(moved), _) => moved,
        (None, Some(data)) if data.is_dir() => data,
        (None, Some(data)) => {
            let gone = format!("{} is not there any more: --data DIR says where the corpus is now", data.display());
            return Err(Usage(gone).into());
        }
        (None, None) => {
            return Err(Usage("the run does not say where its corpus is: --data DIR does".to_owned()).into());
        }
    };
    detail(|| format!("the corpus is {}", data.display()));
    let encoder = run.config.text_encoder.as_ref().ok_or_else(|| missing("text encoder"))?;
    let load = |split| load_split_with(data, split, &run.config.corpus_format);
    let (mut train, dev) = (load(Split::Train)?, load(Split::Dev)?);
    if let Some(file) = args.unlabelled.as_ref().or(run.config.unlabelled.as_ref()) {
        // Which posts are labelled, the run folder says.
        let hint = "--unlabelled FILE says where the posts without labels are now";
        train = train.with_unlabelled(file, &dev.samples, None, 0).context(hint)?.0;
    }
    // A run that began without captions is resumed without.
    let [train, dev] = without_captions_if([train, dev], run.captions.is_none());
    let captions = captions(&run, args, data, || missing("file of captions"))?;
    let images = vectors(&run, args, || missing("file of image vectors"))?;
    interrupt::catch()?;
    let device = device::described(&run.config.device);
    device::allow_tf32(device.tf32);
    device::allow_bf16(device.bf16);
    detail(|| format!("computing on {}", run.config.device));
    let unlabelled = args.unlabelled.as_ref().map(|file| std::path::absolute(file).unwrap_or_else(|_| file.clone()));
    let input = TrainInput::from_splits(&train, &dev.samples, EncoderSource::named(encoder)?)?
        .with_images(images.as_ref())
        .with_captions(captions.as_ref())
        .on(device::open(device.name.parse()?)?)
        .in_folder(moved.clone())
        .with_unlabelled_file(unlabelled)
        .with_tensorboard(args.tensorboard);
    let mut watcher = Watcher::new(String::new());
    let summary = smvae::resume_with(&input, folder, &mut |event| watcher.watch(event))?;
    drop(watcher);
    tell_end(&summary, Some(data));
    interrupt::end(summary.stopped)
}

/// The captions of the run, but for those that posts have as their own: from where the options say,
/// from the corpus that has moved, or from where they were.
fn captions(
    run: &RunInfo,
    args: &TrainArgs,
    data: &Path,
    missing: impl Fn() -> Usage,
) -> anyhow::Result<Option<Captions>> {
    if let Some(file) = &args.captions {
        return Ok(Some(Captions::load(file)?));
    }
    let Some(captions) = run.captions.as_ref().filter(|captions| captions.sha256.is_some()) else { return Ok(None) };
    if args.data.is_given()
        && let Some(own) = Captions::of_corpus(data)?
    {
        return Ok(Some(own));
    }
    let hint = "--captions FILE says where the captions are now";
    Ok(Some(captions.recorded_captions().context(hint)?.ok_or_else(missing)?))
}

/// The image vectors of the run: from where the options say, or from where they were.
fn vectors(run: &RunInfo, args: &TrainArgs, missing: impl Fn() -> Usage) -> anyhow::Result<Option<ImageVectors>> {
    if let Some(file) = &args.image_features {
        return Ok(Some(ImageVectors::load(file)?));
    }
    let Some(images) = &run.images else { return Ok(None) };
    let hint = "--image-features FILE says where the image vectors are now";
    Ok(Some(images.recorded_vectors().context(hint)?.ok_or_else(missing)?))
}

/// The number of threads a run was begun with; `None` if the folder does not say, which `run` then
/// reports.
pub(crate) fn threads(folder: &Path) -> Option<usize> {
    Some(RunState::read(folder).ok()?.threads)
}
