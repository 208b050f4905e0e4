//! What a run folder holds, read at once for a person to look at. Whoever trains or predicts uses
//! `folder.rs`.

use crate::config::Config;
use crate::error::Result;
use crate::input::captions::CaptionIdentity;
use crate::input::images::ImageIdentity;
use crate::run::digests::{self, FileCheck};
use crate::run::folder::{RunFolder, WEIGHTS, is_file_of_a_run, is_run};
use crate::run::predictions::PostPrediction;
use crate::run::record::{EpochRecord, FileDigest, Origin, RunState, Teacher};
use crate::run::weights::count;
use smvae_core::LabelSet;
use smvae_data::words::WordConvention;
use smvae_data::{Selection, Split};
use smvae_encoders::text::TransformerConfig;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a run folder holds, for a person to look at.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RunInfo {
    /// The folder.
    pub folder: PathBuf,
    /// Everything the run depended on.
    pub config: Config,
    /// Labels, `O` first.
    pub labels: LabelSet,
    /// Which posts were labelled. `None` for converted weights, whose posts are not known.
    pub selection: Option<Selection>,
    /// Where converted weights come from. `None` for a model that this library trained.
    pub origin: Option<Origin>,
    /// Which image vectors the model was trained with. `None` for text alone.
    pub images: Option<ImageIdentity>,
    /// Which captions the model was trained with. `None` for a model without.
    pub captions: Option<CaptionIdentity>,
    /// How its corpus was split into words, and so how it splits text.
    pub words: Option<WordConvention>,
    /// Sizes of the text encoder.
    pub encoder: TransformerConfig,
    /// Number of parameters. `None` if no weights were saved yet.
    pub parameters: Option<usize>,
    /// What training left in the folder, by the names of the files. `None` for a run without
    /// digests: of an earlier version, not finished, or converted.
    pub files: Option<BTreeMap<String, FileDigest>>,
    /// One record per epoch.
    pub epochs: Vec<EpochRecord>,
    /// Its teachers, once they have taught.
    pub teachers: Vec<Teacher>,
}

impl RunInfo {
    /// Reads a run folder; of its weights, what their header says. No file is compared with its
    /// digest: [`RunInfo::verify`] does that.
    ///
    /// # Errors
    /// [`Error::NoRun`](crate::Error::NoRun) for a folder that is not a run;
    /// [`Error::Version`](crate::Error::Version) for one of a later version;
    /// [`Error::Inconsistent`](crate::Error::Inconsistent) for files that contradict each other,
    /// and for weights whose header cannot be read; [`Error::Unsafe`](crate::Error::Unsafe); and
    /// whatever else is wrong with a file: `Read`, `Json`, `JsonLine`, `Core`, `Data` or
    /// `Encoders`.
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let run = RunFolder::open(folder)?;
        let origin = run.origin()?;
        let weights = run.file(WEIGHTS)?;
        let parameters = if weights.exists() { Some(count(&weights)?) } else { None };
        Ok(Self {
            folder: folder.to_owned(),
            config: run.config()?,
            labels: run.labels()?,
            selection: if origin.is_some() { None } else { Some(run.selection()?) },
            origin,
            images: run.image_identity()?,
            captions: run.caption_identity()?,
            words: run.words()?,
            encoder: run.encoder_config()?,
            parameters,
            files: digests::recorded(&run)?,
            epochs: run.metrics()?,
            teachers: run.teachers()?,
        })
    }

    /// Whether a folder holds a run, of any version. Models of other programs have a `config.json`
    /// too.
    pub fn exists(folder: impl AsRef<Path>) -> bool {
        is_run(folder.as_ref())
    }

    /// Whether the run in a folder came to its end, so that there is nothing to
    /// [`resume`](crate::resume()). Converted weights and runs of early versions, which do not say,
    /// did.
    ///
    /// # Errors
    /// [`Error::NoRun`](crate::Error::NoRun) for a folder that is not a run,
    /// [`Error::Json`](crate::Error::Json) for a malformed `run.json`.
    pub fn is_finished(folder: impl AsRef<Path>) -> Result<bool> {
        RunFolder::open_any(folder.as_ref())?.is_finished()
    }

    /// Whether a path names a file that belongs to a run: whoever wrote over it would break the
    /// run.
    pub fn owns(path: impl AsRef<Path>) -> bool {
        is_file_of_a_run(path.as_ref())
    }

    /// Compares every file that `run.json` lists with what training left: not the predictions, the
    /// model card nor the events for TensorBoard. `None` for a run without digests.
    ///
    /// # Errors
    /// [`Error::Json`](crate::Error::Json) for a malformed `run.json`,
    /// [`Error::Inconsistent`](crate::Error::Inconsistent) for one that lists what is no file of a
    /// run; [`Error::Read`](crate::Error::Read), [`Error::Data`](crate::Error::Data) and
    /// [`Error::Unsafe`](crate::Error::Unsafe) for a file that cannot be read.
    pub fn verify(&self) -> Result<Option<Vec<FileCheck>>> {
        Self::verify_folder(&self.folder)
    }

    /// The same for a folder of which some file may be so damaged that [`RunInfo::read`] fails.
    ///
    /// # Errors
    /// As [`RunInfo::verify`]; [`Error::NoRun`](crate::Error::NoRun) for a folder that is not a
    /// run.
    pub fn verify_folder(folder: impl AsRef<Path>) -> Result<Option<Vec<FileCheck>>> {
        digests::check_all(&RunFolder::open_any(folder.as_ref())?)
    }

    /// SHA-256 of all that a model's answers depend on: its weights, and the files that say how
    /// they are used. Two folders of equal digests give equal answers. A file that the run lists
    /// counts with its listed digest, which loading compares unless it was told not to.
    ///
    /// # Errors
    /// [`Error::NoRun`](crate::Error::NoRun) for a folder that is not a run,
    /// [`Error::Data`](crate::Error::Data) for a file that cannot be read.
    pub fn digest(folder: impl AsRef<Path>) -> Result<String> {
        digests::one_of_model(&RunFolder::open(folder.as_ref())?)
    }

    /// SHA-256 of the weights, as [`RunInfo::digest`] finds it.
    ///
    /// # Errors
    /// As [`RunInfo::digest`].
    pub fn digest_of_weights(folder: impl AsRef<Path>) -> Result<String> {
        digests::of_weights(&RunFolder::open(folder.as_ref())?)
    }

    /// What the model found in a split. `None` if nobody saved it: training saves that of dev.
    ///
    /// # Errors
    /// [`Error::JsonLine`](crate::Error::JsonLine) naming a line that is not a prediction of this
    /// run.
    pub fn predictions(&self, split: Split) -> Result<Option<Vec<PostPrediction>>> {
        RunFolder::open(&self.folder)?.predictions(split)
    }

    /// What it found in a split from the text alone, without the images and captions that it was
    /// trained with. `None` if nobody saved it.
    ///
    /// # Errors
    /// As [`RunInfo::predictions`].
    pub fn text_predictions(&self, split: Split) -> Result<Option<Vec<PostPrediction>>> {
        RunFolder::open(&self.folder)?.text_predictions(split)
    }

    /// Saves what the model found in a split beside its weights, whole or not at all: reports read
    /// it. What it found from the text alone is removed if it is of other posts.
    ///
    /// # Errors
    /// [`Error::Data`](crate::Error::Data) if it cannot be written.
    pub fn save_predictions(&self, split: Split, predictions: &[PostPrediction]) -> Result<()> {
        RunFolder::open(&self.folder)?.save_predictions(split, predictions)
    }

    /// The same of what it found from the text alone ([`RunInfo::text_predictions`]).
    ///
    /// # Errors
    /// As [`RunInfo::save_predictions`]; [`Inconsistent`](crate::Error::Inconsistent) if what it
    /// found otherwise is of other posts.
    pub fn save_text_predictions(&self, split: Split, predictions: &[PostPrediction]) -> Result<()> {
        RunFolder::open(&self.folder)?.save_text_predictions(split, predictions)
    }

    /// The epoch whose weights are saved: the best on dev.
    pub fn best(&self) -> Option<&EpochRecord> {
        self.epochs.iter().rfind(|record| record.best)
    }
}

impl RunState {
    /// Reads the state of the run in a folder.
    ///
    /// # Errors
    /// [`NoRun`](crate::Error::NoRun) for a folder without one, converted weights and runs of
    /// earlier versions included; [`Json`](crate::Error::Json).
    pub fn read(folder: impl AsRef<Path>) -> Result<Self> {
        RunFolder::open_any(folder.as_ref())?.state()
    }
}
