//! A run being resumed: what it left, and the check that it continues with the data and settings it
//! began with.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::run::folder::RunFolder;
use crate::run::record::RunState;
use crate::training::checkpoint::Checkpoint;
use smvae_core::LabelSet;

/// A run being resumed.
pub(crate) struct Resumed {
    pub folder: RunFolder,
    pub state: RunState,
    /// `None` if it was killed before the first one.
    pub checkpoint: Option<Checkpoint>,
}

impl Resumed {
    /// The folder of the run, once the configuration is known to be the one it began with; the
    /// corpus and the file of posts without labels may have moved, which the folder then records. A
    /// run that begins anew records `state`, with the threads it has now.
    pub(crate) fn folder(&self, config: &Config, state: &RunState) -> Result<RunFolder> {
        self.check(config)?;
        let begun = self.folder.config()?;
        if (&begun.data, &begun.unlabelled) != (&config.data, &config.unlabelled) {
            self.folder.save_config(config)?;
        }
        if self.checkpoint.is_none() {
            self.folder.remove_results()?;
            self.folder.save_state(state)?;
        }
        Ok(self.folder.clone())
    }

    /// Checks that data and labels are those it began with.
    pub(crate) fn check_data(&self, state: &RunState, labels: &LabelSet) -> Result<()> {
        let names = |labels: &LabelSet| labels.names().join(" ");
        let images = |state: &RunState| state.images_sha256.clone().unwrap_or_else(|| "none".to_owned());
        let captions = |state: &RunState| state.captions_sha256.clone().unwrap_or_else(|| "none".to_owned());
        let checks = [
            ("label set", names(labels), names(&self.folder.labels()?)),
            ("sha256 of the training posts", state.train_sha256.clone(), self.state.train_sha256.clone()),
            ("sha256 of dev's posts", state.dev_sha256.clone(), self.state.dev_sha256.clone()),
            ("captions' sha256", captions(state), captions(&self.state)),
            ("image vectors' sha256", images(state), images(&self.state)),
        ];
        match checks.into_iter().find(|(_, got, want)| got != want) {
            Some((what, got, want)) => Err(Error::OtherRun { what, got, want }),
            None => Ok(()),
        }
    }

    fn check(&self, config: &Config) -> Result<()> {
        let Config { data, unlabelled, .. } = config.clone();
        let begun = Config { data, unlabelled, ..self.folder.config()? };
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
