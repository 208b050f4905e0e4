//! `smvae train --resume RUN`: everything a resumed run needs is in its folder.

use super::ending::tell_end;
use crate::failure::Usage;
use crate::interrupt;
use crate::progress::say;
use crate::watcher::Watcher;
use smvae::data::corpus::{label_set, load_split};
use smvae::data::{ImageVectors, Split};
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
    let (train, dev) = (load_split(data, Split::Train)?, load_split(data, Split::Valid)?);
    let source =
        run.images.as_ref().map(|images| images.source.as_ref().ok_or_else(|| missing("file of image vectors")));
    let images = source.transpose()?.map(ImageVectors::load).transpose()?;
    interrupt::catch()?;
    let (device, tf32) = device::described(&run.config.device);
    device::allow_tf32(tf32);
    let input = TrainInput {
        train: &train.samples,
        valid: &dev.samples,
        labels: &label_set(&train.samples)?,
        selection: run.selection.as_ref(),
        train_sha256: &train.file.sha256,
        images: images.as_ref(),
        encoder: EncoderSource::named(encoder)?,
        device: device::open(device.parse()?)?,
        replace_run: false,
    };
    let mut watcher = Watcher::new(String::new());
    let summary = smvae::resume(&input, folder, &mut |event| watcher.watch(event))?;
    drop(watcher);
    tell_end(&summary, Some(data));
    Ok(())
}

/// The number of threads a run was begun with; `None` if the folder does not say, which `run` then
/// reports.
pub(crate) fn threads(folder: &Path) -> Option<usize> {
    Some(RunState::read(folder).ok()?.threads)
}
