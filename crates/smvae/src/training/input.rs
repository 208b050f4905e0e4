//! What a run is trained on: a training split with its labels and digest, dev, and what may come
//! with them.

use crate::error::Result;
use crate::training::encoder::EncoderSource;
use smvae_core::LabelSet;
use smvae_core::candle_core::Device;
use smvae_data::corpus::{LoadedSplit, label_set};
use smvae_data::files::sha256_json;
use smvae_data::words::WordConvention;
use smvae_data::{Captions, Corpus, ImageVectors, Sample, Selection};
use std::path::PathBuf;

/// What a run is trained on. The training split, its label set and the digest that a selection is
/// checked against belong together, so they are set by the constructors alone.
///
/// ```no_run
/// use smvae::{EncoderSource, TrainInput, data::{Corpus, ImageVectors}};
/// let corpus = Corpus::load("my-corpus")?;
/// let images = ImageVectors::load("features.safetensors")?;
/// let input = TrainInput::new(&corpus, EncoderSource::Tiny).with_images(&images);
/// assert_eq!(input.labels(), &corpus.labels);
/// # Ok::<(), smvae::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct TrainInput<'a> {
    train: &'a [Sample],
    dev: &'a [Sample],
    labels: LabelSet,
    train_sha256: String,
    /// Which posts are labelled. `None` draws as many as the configuration's `labelled` says.
    pub selection: Option<&'a Selection>,
    /// Image vectors. `None` trains on text alone.
    pub images: Option<&'a ImageVectors>,
    /// Captions by image id, for posts that have none of their own. `None`, where no post of the
    /// training split has one of its own either, trains without captions.
    pub captions: Option<&'a Captions>,
    /// How the corpus was split into words, so that the model later splits text alike. `None` tells
    /// it from the words of the training split.
    pub words: Option<WordConvention>,
    /// Where the text encoder comes from.
    pub encoder: EncoderSource,
    /// Where tensors lie.
    pub device: Device,
    /// Where the corpus lies now, for a run that is resumed and whose corpus has moved; the run
    /// then records it. `None` leaves what it recorded before.
    pub corpus_folder: Option<PathBuf>,
    /// Where the file of posts without labels lies now, for a run that is resumed and began with
    /// one that has moved; the run then records it. `None` leaves what it recorded before.
    pub unlabelled_file: Option<PathBuf>,
    /// Whether the epochs are also written as events for TensorBoard, to the run folder. A run that
    /// has such a file when it is resumed continues it in any case.
    pub tensorboard: bool,
    /// Steps between two readings of their losses, which changes no result. `None` reads them at
    /// every step on the CPU and every 16 steps on a GPU, which has to be waited for. They are also
    /// read at the end of an epoch and before a checkpoint.
    pub reports_every: Option<usize>,
    /// Whether dev is a part of the corpus's dev alone, as an experiment may cut it.
    pub(crate) dev_is_cut: bool,
    /// Whether to replace a run that the folder already holds, once everything else is known to be
    /// right.
    pub replace_run: bool,
}

impl<'a> TrainInput<'a> {
    /// The training split and dev of a corpus, without image vectors, on the CPU. Its test split is
    /// not used.
    pub fn new(corpus: &'a Corpus, encoder: EncoderSource) -> Self {
        let sha256 = corpus.files.train.sha256.clone();
        Self::from_parts(&corpus.train, &corpus.dev, corpus.labels.clone(), sha256, encoder)
    }

    /// Two splits that were read by themselves, for programs that leave the test split closed.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) for the training split: with `Tags` for malformed tags,
    /// with `Labels` for a type named `O`.
    pub fn from_splits(train: &'a LoadedSplit, dev: &'a [Sample], encoder: EncoderSource) -> Result<Self> {
        let labels = label_set(&train.samples)?;
        Ok(Self::from_parts(&train.samples, dev, labels, train.file.sha256.clone(), encoder))
    }

    /// Posts that were never in a file; a selection of them is checked against the digest of their
    /// JSON form.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) for the training split: with `Tags` for malformed tags,
    /// with `Labels` for a type named `O`.
    pub fn from_samples(train: &'a [Sample], dev: &'a [Sample], encoder: EncoderSource) -> Result<Self> {
        let sha256 = sha256_json(train).expect("words and tags have a JSON form");
        Ok(Self::from_parts(train, dev, label_set(train)?, sha256, encoder))
    }

    fn from_parts(
        train: &'a [Sample],
        dev: &'a [Sample],
        labels: LabelSet,
        train_sha256: String,
        encoder: EncoderSource,
    ) -> Self {
        let device = Device::Cpu;
        Self {
            train,
            dev,
            labels,
            train_sha256,
            selection: None,
            images: None,
            captions: None,
            words: None,
            encoder,
            device,
            corpus_folder: None,
            unlabelled_file: None,
            tensorboard: false,
            reports_every: None,
            dev_is_cut: false,
            replace_run: false,
        }
    }

    /// The same with image vectors, or `None` for text alone.
    pub fn with_images(self, images: impl Into<Option<&'a ImageVectors>>) -> Self {
        Self { images: images.into(), ..self }
    }

    /// The same with captions by image id, or `None` for those that posts have as their own.
    pub fn with_captions(self, captions: impl Into<Option<&'a Captions>>) -> Self {
        Self { captions: captions.into(), ..self }
    }

    /// The same with these posts labelled, or `None` for a draw.
    pub fn with_selection(self, selection: impl Into<Option<&'a Selection>>) -> Self {
        Self { selection: selection.into(), ..self }
    }

    /// The same with models selected on these posts.
    pub fn with_dev(self, dev: &'a [Sample]) -> Self {
        Self { dev, ..self }
    }

    /// The same, told whether dev is a part of the corpus's dev alone.
    #[cfg(feature = "experiment")]
    pub(crate) fn cutting_dev(self, dev_is_cut: bool) -> Self {
        Self { dev_is_cut, ..self }
    }

    /// The same with text split by a convention when the model is used, or `None` to tell it from
    /// the training split.
    pub fn with_words(self, words: impl Into<Option<WordConvention>>) -> Self {
        Self { words: words.into(), ..self }
    }

    /// The same for a run whose corpus lies in this folder now, or `None` where it was.
    pub fn in_folder(self, folder: impl Into<Option<PathBuf>>) -> Self {
        Self { corpus_folder: folder.into(), ..self }
    }

    /// The same for a run whose posts without labels lie in this file now, or `None` where they
    /// were.
    pub fn with_unlabelled_file(self, file: impl Into<Option<PathBuf>>) -> Self {
        Self { unlabelled_file: file.into(), ..self }
    }

    /// The same, also writing events for TensorBoard if `wanted`.
    pub fn with_tensorboard(self, wanted: bool) -> Self {
        Self { tensorboard: wanted, ..self }
    }

    /// The same, reading the losses of so many steps at once, or, with `None`, as it suits the
    /// device.
    pub fn with_reports_every(self, steps: impl Into<Option<usize>>) -> Self {
        Self { reports_every: steps.into(), ..self }
    }

    /// The same in the place of whatever run the folder holds, if `replace`.
    pub fn replacing_run(self, replace: bool) -> Self {
        Self { replace_run: replace, ..self }
    }

    /// The same on another device.
    pub fn on(self, device: Device) -> Self {
        Self { device, ..self }
    }

    /// The training split.
    pub fn train(&self) -> &'a [Sample] {
        self.train
    }

    /// The split models are selected on.
    pub fn dev(&self) -> &'a [Sample] {
        self.dev
    }

    /// Labels of the training split, `O` first, whichever of its posts are labelled.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// SHA-256 of the training split, which a selection belongs to.
    pub fn train_sha256(&self) -> &str {
        &self.train_sha256
    }
}
