//! Going on with a run that was stopped or killed: to the weights it would have come to, bit by bit.

use crate::checkpoint::{self, Checkpoint};
use crate::progress::{Event, Flow, RunSummary, best_of};
use crate::run_folder::{RunFolder, RunState, WEIGHTS, lock};
use crate::trainer::{TrainInput, train_from};
use crate::{Config, Error, Result};
use smvae_core::LabelSet;
use std::path::Path;

/// A run that is gone on with.
pub(crate) struct Resumed {
    pub folder: RunFolder,
    pub state: RunState,
    /// None if it was killed before the first one.
    pub checkpoint: Option<Checkpoint>,
}

/// Goes on with the run at `out` from its last checkpoint, or from the beginning if it has none yet. Its configuration and
/// its labelled tweets are those it was begun with; of `input`, `selection` and `replace_run` are not used. With as many
/// threads as the run was begun with ([`RunState`]) the weights are those of a run that was never interrupted. Of a run that
/// is finished, its summary is returned and nothing is done.
///
/// # Errors
/// [`Error::OtherRun`] for input other than the run's; [`Error::Checkpoint`] for a checkpoint that is damaged; those of
/// [`train`](crate::train).
pub fn resume(input: &TrainInput<'_>, out: &Path, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<RunSummary> {
    if let Some(summary) = finished_run(out)? {
        return Ok(summary);
    }
    let folder = RunFolder::open(out)?;
    let _lock = lock(out)?;
    let (config, state) = (folder.config()?, folder.state()?);
    let selection = folder.selection()?;
    let checkpoint = Checkpoint::load(out, &checkpoint::identity(&config, &state))?;
    // They are those of an epoch that is not trained again.
    if checkpoint.as_ref().is_some_and(|saved| best_of(&saved.position.records).is_some()) && !folder.has_weights() {
        return Err(Error::NoRun { path: out.to_owned(), missing: WEIGHTS });
    }
    let input = TrainInput { selection: Some(&selection), ..input.clone() };
    train_from(&input, &config, out, Some(Resumed { folder, state, checkpoint }), on_event)
}

/// The summary of a run that is finished; none for one that can be gone on with.
///
/// # Errors
/// [`Error::NoRun`] for a folder without a run; [`Error::Json`] for a damaged file.
pub fn finished_run(out: &Path) -> Result<Option<RunSummary>> {
    let folder = RunFolder::open(out)?;
    if !folder.state()?.finished {
        return Ok(None);
    }
    // It may have been killed just before they were removed.
    checkpoint::remove(out)?;
    Ok(Some(RunSummary::new(out, &folder.metrics()?, false)))
}

impl Resumed {
    /// The folder of the run, once the configuration is known to be the one it was begun with.
    pub(crate) fn folder(&self, config: &Config) -> Result<RunFolder> {
        self.check(config)?;
        if self.checkpoint.is_none() {
            self.folder.remove_results()?;
        }
        Ok(self.folder.clone())
    }

    /// Checks that data and labels are those it was begun with.
    pub(crate) fn check_data(&self, state: &RunState, labels: &LabelSet) -> Result<()> {
        let names = |labels: &LabelSet| labels.names().join(" ");
        let images = |state: &RunState| state.images_sha256.clone().unwrap_or_else(|| "none".to_owned());
        let checks = [
            ("label set", names(labels), names(&self.folder.labels()?)),
            ("sha256 of the training tweets", state.train_sha256.clone(), self.state.train_sha256.clone()),
            ("sha256 of dev's tweets", state.valid_sha256.clone(), self.state.valid_sha256.clone()),
            ("image vectors' sha256", images(state), images(&self.state)),
        ];
        match checks.into_iter().find(|(_, got, want)| got != want) {
            Some((what, got, want)) => Err(Error::OtherRun { what, got, want }),
            None => Ok(()),
        }
    }

    fn check(&self, config: &Config) -> Result<()> {
        let begun = self.folder.config()?;
        if config.device != begun.device {
            return Err(Error::OtherRun { what: "device", got: config.device.clone(), want: begun.device });
        }
        if *config != begun {
            let json = |config| serde_json::to_string(config).expect("our own types have no failing parts");
            return Err(Error::OtherRun { what: "configuration", got: json(config), want: json(&begun) });
        }
        Ok(())
    }
}
