//! `smvae train --resume RUN`: everything a resumed run needs is in its folder.

use super::ending::tell_end;
use crate::captions::kept;
use crate::failure::Usage;
use crate::interrupt;
use crate::progress::say;
use crate::watcher::Watcher;
use smvae::data::Split;
use smvae::data::corpus::load_split_with;
use smvae::encoders::device;
use smvae::{EncoderSource, RunInfo, RunState, TrainInput};
use std::path::Path;

pub(crate) fn run(folder: &Path) -> anyhow::Result<()> {
    if let Some(summary) = smvae::finished_run(folder)? {
        say(format!("{} is finished: there is nothing to do", folder.display()));
        tell_end(&summary, RunInfo::read(folder)?.config.data.as_deref());
        return Ok(());
    }
    let run = RunInfo::read(folder)?;
    let missing = |what: &str| Usage(format!("{} does not say where its {what} is: start a new run", folder.display()));
    let data = run.config.data.as_ref().ok_or_else(|| missing("corpus"))?;
    let encoder = run.config.text_encoder.as_ref().ok_or_else(|| missing("text encoder"))?;
    let load = |split| load_split_with(data, split, &run.config.corpus_format);
    let (mut train, dev) = (load(Split::Train)?, load(Split::Dev)?);
    if let Some(file) = &run.config.unlabelled {
        // Which posts are labelled, the run folder says.
        train = train.with_unlabelled(file, &dev.samples, None, 0)?.0;
    }
    // A run that began without captions is resumed without.
    let [train, dev] = kept([train, dev], run.captions.is_none());
    let captions = match &run.captions {
        Some(captions) if captions.sha256.is_some() => {
            Some(captions.recorded_captions()?.ok_or_else(|| missing("file of captions"))?)
        }
        _ => None,
    };
    let images = match &run.images {
        Some(images) => Some(images.recorded_vectors()?.ok_or_else(|| missing("file of image vectors"))?),
        None => None,
    };
    interrupt::catch()?;
    let (device, tf32) = device::described(&run.config.device);
    device::allow_tf32(tf32);
    let input = TrainInput::from_splits(&train, &dev.samples, EncoderSource::named(encoder)?)?
        .with_images(images.as_ref())
        .with_captions(captions.as_ref())
        .on(device::open(device.parse()?)?);
    let mut watcher = Watcher::new(String::new());
    let summary = smvae::resume_with(&input, folder, &mut |event| watcher.watch(event))?;
    drop(watcher);
    tell_end(&summary, Some(data));
    interrupt::end(summary.stopped)
}

/// The number of threads a run was begun with; `None` if the folder does not say, which `run` then
/// reports.
pub(crate) fn threads(folder: &Path) -> Option<usize> {
    Some(RunState::read(folder).ok()?.threads)
}
