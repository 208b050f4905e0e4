//! A small synthetic corpus, runs on it, and the parts of a run folder that tests compare.

use crate::device::device;
use smvae::data::synthetic::{FEATURES_FILE, SyntheticConfig, generate};
use smvae::data::{Corpus, ImageVectors};
use smvae::{Config, EncoderSource, LoadOptions, Predictor, TrainInput, train};
use std::path::{Path, PathBuf};

/// A corpus in a temporary folder, which is removed with it.
pub(crate) struct Fixture {
    folder: tempfile::TempDir,
    pub(crate) corpus: Corpus,
    pub(crate) images: ImageVectors,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let data = folder.path().join("data");
        let config = SyntheticConfig { n_train: 60, n_dev: 20, n_test: 20, ..SyntheticConfig::default() };
        generate(&config).and_then(|corpus| corpus.write_to(&data)).expect("a writable folder");
        let corpus = Corpus::load(&data).expect("our own files");
        let images = ImageVectors::load(data.join(FEATURES_FILE)).expect("our own file");
        Self { folder, corpus, images }
    }

    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn input<'a>(&'a self, images: Option<&'a ImageVectors>) -> TrainInput<'a> {
        TrainInput::new(&self.corpus, EncoderSource::Tiny).with_images(images).on(device())
    }

    pub(crate) fn train(
        &self,
        name: &str,
        config: &Config,
        images: Option<&ImageVectors>,
    ) -> smvae::Result<smvae::RunSummary> {
        train(&self.input(images), config, self.out(name))
    }
}

/// The model of a run, on the device of the suite.
pub(crate) fn load(folder: impl AsRef<Path>) -> smvae::Result<Predictor> {
    Predictor::load_with(folder, &LoadOptions::on(device()))
}

/// A semi-supervised run of four steps.
pub(crate) fn small() -> Config {
    let mut config = Config::default();
    config.labelled = Some(8);
    (config.model.hidden_dim, config.model.latent_dim) = (8, 4);
    config.training.semi = true;
    config.training.epochs = Some(2);
    config.training.batch_size = 4;
    config.training.unlabelled_batch_size = 3;
    config
}

/// The same with other settings.
pub(crate) fn small_with(change: impl FnOnce(&mut Config)) -> Config {
    let mut config = small();
    change(&mut config);
    config
}

/// Takes the digests out of a run, as runs of earlier versions have none.
pub(crate) fn forget_digests(folder: &Path) {
    let mut state: serde_json::Value = serde_json::from_slice(&bytes(folder, "run.json")).expect("JSON");
    state.as_object_mut().expect("an object").remove("files");
    std::fs::write(folder.join("run.json"), state.to_string()).expect("writable");
}

pub(crate) fn bytes(folder: &Path, file: &str) -> Vec<u8> {
    std::fs::read(folder.join(file)).expect("a file of the run")
}

/// The lines of metrics.jsonl without their timings.
pub(crate) fn metrics(folder: &Path) -> Vec<serde_json::Value> {
    let text = String::from_utf8(bytes(folder, "metrics.jsonl")).expect("UTF-8");
    let parse = |line: &str| {
        let mut line: serde_json::Value = serde_json::from_str(line).expect("JSON");
        line.as_object_mut().expect("an object").remove("timing").expect("timings");
        line
    };
    text.lines().map(parse).collect()
}
