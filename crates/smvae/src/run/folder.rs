//! A run folder: everything a trained model needs, and how it came to be.
//!
//! ```text
//! config.json          everything the run depended on, resolved, with the format's version
//! labels.json          labels in order, O first
//! selection.json       which posts were labelled; absent for converted weights
//! origin.json          where converted weights come from; absent for a model that was trained here
//! images.json          which image vectors, and their standardisation; absent for text alone
//! captions.json        which captions; absent for a run without
//! encoder.json         the text encoder's sizes          tokenizer.json   its vocabulary
//! words.json           how the corpus was split into words; absent in runs of earlier versions
//! weights.safetensors  all parameters, decoders too (converted weights have none), of the best epoch on dev
//! metrics.jsonl        one line per epoch
//! decision.json        the bias between O and the rest, where it is not 0
//! calibration.json     the temperature of the scores, fitted on dev; absent where nothing was found there
//! soft-labels.safetensors   what teachers say of the unlabelled posts' spans, where there are teachers
//! teachers.json        how these teachers came out, one value per teacher
//! run.json             what else the run depends on, whether it is finished, and sizes and digests of its files
//!                      if it is (`digests.rs`); absent for converted weights
//! checkpoint/          where to resume a run that is not finished
//! predictions-valid.jsonl   what the best epoch finds in dev, one line per post; -test if evaluation saved it
//! predictions-valid-text.jsonl  what it finds from the text alone, without images and captions, if evaluation saved it
//! events.out.tfevents.smvae   the same epochs for TensorBoard, if they were asked for
//! README.md            the model card, which is anybody's to change and which nothing reads
//! ```
//! Every file but that of the events is written to a temporary name and renamed. What this file
//! does not do: remove them (`remove.rs`).

use crate::config::Config;
use crate::error::{Error, Result};
use crate::files::folder::{file_in, folder_in};
use crate::files::{
    read_json, read_json_if_there, read_json_lines, remove_file, write_json, write_json_lines, write_tensors,
};
use crate::input::captions::CaptionIdentity;
use crate::input::images::ImageIdentity;
use crate::run::calibration::Calibration;
use crate::run::card::MARK;
use crate::run::predictions::{self, PostPrediction};
use crate::run::record::{EpochRecord, Origin, RunState, Teacher};
use crate::run::tensorboard::EventFile;
use crate::run::{teachers, weights};
use crate::scoring::decision::Decision;
use smvae_core::LabelSet;
use smvae_core::candle_core::{DType, Device};
use smvae_core::nn::Parameters;
use smvae_data::words::WordConvention;
use smvae_data::{Selection, Split};
use smvae_encoders::text::{TransformerConfig, WordTokenizer};
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};

pub(crate) const CONFIG: &str = "config.json";
pub(crate) const LABELS: &str = "labels.json";
pub(crate) const SELECTION: &str = "selection.json";
pub(crate) const ORIGIN: &str = "origin.json";
pub(crate) const IMAGES: &str = "images.json";
pub(crate) const CAPTIONS: &str = "captions.json";
pub(crate) const ENCODER: &str = "encoder.json";
pub(crate) const WORDS: &str = "words.json";
pub(crate) const TOKENIZER: &str = "tokenizer.json";
pub(crate) const WEIGHTS: &str = "weights.safetensors";
pub(crate) const METRICS: &str = "metrics.jsonl";
pub(crate) const DECISION: &str = "decision.json";
pub(crate) const CALIBRATION: &str = "calibration.json";
pub(crate) const SOFT_LABELS: &str = "soft-labels.safetensors";
pub(crate) const TEACHERS: &str = "teachers.json";
pub(crate) const STATE: &str = "run.json";
pub(crate) const EVENTS: &str = "events.out.tfevents.smvae";
/// No file of [`FILES`]: folders of all kinds have one.
pub(super) const CARD: &str = "README.md";
/// The folder of the checkpoint, and the file that makes it one.
pub(super) const CHECKPOINT: &str = "checkpoint";
pub(crate) const CHECKPOINT_STATE: &str = "state.json";

/// Every file of a run, in the order in which they are removed: first the file that makes the
/// folder a run, last the one that shows that the rest is ours.
pub(crate) const FILES: [&str; 23] = [
    CONFIG,
    LABELS,
    SELECTION,
    ORIGIN,
    IMAGES,
    CAPTIONS,
    TOKENIZER,
    WORDS,
    WEIGHTS,
    METRICS,
    DECISION,
    CALIBRATION,
    SOFT_LABELS,
    TEACHERS,
    STATE,
    EVENTS,
    predictions::file_name(Split::Train),
    predictions::file_name(Split::Dev),
    predictions::file_name(Split::Test),
    predictions::text_file_name(Split::Train),
    predictions::text_file_name(Split::Dev),
    predictions::text_file_name(Split::Test),
    ENCODER,
];

/// The files without which a folder is not a run.
const MAKE_A_RUN: [&str; 2] = [CONFIG, ENCODER];

/// Whether a path names a file that belongs to a run: whoever wrote over it would break the run.
pub(crate) fn is_file_of_a_run(path: &Path) -> bool {
    let folder = path.parent().map(|folder| if folder.as_os_str().is_empty() { Path::new(".") } else { folder });
    let name = path.file_name().and_then(|name| name.to_str());
    folder.is_some_and(is_run) && name.is_some_and(|name| FILES.contains(&name) || name == CARD) && path.exists()
}

/// Whether a folder holds a run, of any version. Models of other programs have a `config.json`
/// too.
pub(crate) fn is_run(folder: &Path) -> bool {
    MAKE_A_RUN.iter().all(|file| folder.join(file).is_file())
}

/// Whether a folder holds a run that may be replaced or removed. Others may have files of these
/// names: what training writes reads as the sizes of a text encoder.
pub(crate) fn is_our_run(folder: &Path) -> bool {
    is_run(folder) && RunFolder { folder: folder.to_owned() }.encoder_config().is_ok()
}

/// Whether a file is a model card that nobody has taken over; these have a few kilobytes.
pub(super) fn is_our_card(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() < 1 << 20)
        && std::fs::read_to_string(path).is_ok_and(|text| text.contains(MARK))
}

/// Locks an existing folder for the process that trains in it. The lock lasts until the file is
/// dropped or the process ends, however it ends. `None` on systems that lock no folders.
pub(crate) fn lock(folder: &Path) -> Result<Option<File>> {
    if !cfg!(unix) {
        return Ok(None);
    }
    let file = File::open(folder).map_err(|source| Error::Read { path: folder.to_owned(), source })?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(Error::Busy { path: folder.to_owned() }),
        Err(TryLockError::Error(_)) => Ok(None),
    }
}

/// The files of a run, by what they hold.
#[derive(Clone, Debug)]
pub(crate) struct RunFolder {
    folder: PathBuf,
}

/// What is known before the first step.
pub(crate) struct Start<'a> {
    pub config: &'a Config,
    pub labels: &'a LabelSet,
    pub selection: &'a Selection,
    pub images: Option<&'a ImageIdentity>,
    pub captions: Option<&'a CaptionIdentity>,
    pub state: &'a RunState,
    pub encoder: &'a TransformerConfig,
    pub tokenizer: &'a WordTokenizer,
    pub words: &'a WordConvention,
}

impl RunFolder {
    pub(crate) fn create(folder: &Path, start: &Start<'_>) -> Result<Self> {
        if is_our_run(folder) {
            return Err(Error::RunExists { path: folder.to_owned() });
        }
        let run = Self { folder: folder.to_owned() };
        let is_there = |file: &&str| run.folder.join(file).symlink_metadata().is_ok();
        // A teacher finds its soft labels there.
        let foreign = FILES.into_iter().filter(|file| *file != SOFT_LABELS).find(is_there);
        match foreign {
            // Written first: if a process was killed then, this file shows that the rest is ours.
            Some(file) if run.encoder_config().is_err() => {
                return Err(Error::ForeignFolder { path: folder.to_owned(), file });
            }
            // Somebody's run, which would be taken for a teacher of this one.
            _ if !teachers::list(folder)?.is_empty() => {
                return Err(Error::ForeignFolder { path: folder.to_owned(), file: "teacher-N" });
            }
            _ => write_json(&run.file(ENCODER)?, start.encoder)?,
        }
        write_json(&run.file(LABELS)?, start.labels)?;
        start.selection.save(run.file(SELECTION)?)?;
        start.tokenizer.save(run.file(TOKENIZER)?)?;
        write_json(&run.file(WORDS)?, start.words)?;
        if let Some(images) = start.images {
            write_json(&run.file(IMAGES)?, images)?;
        }
        if let Some(captions) = start.captions {
            write_json(&run.file(CAPTIONS)?, captions)?;
        }
        run.save_state(start.state)?;
        // Written last, since it makes the folder a run.
        write_json(&run.file(CONFIG)?, start.config)?;
        Ok(run)
    }

    /// Opens a folder with a run of any version.
    pub(crate) fn open_any(folder: &Path) -> Result<Self> {
        match MAKE_A_RUN.into_iter().find(|file| !folder.join(file).is_file()) {
            Some(missing) => Err(Error::NoRun { path: folder.to_owned(), missing }),
            None => Ok(Self { folder: folder.to_owned() }),
        }
    }

    pub(crate) fn open(folder: &Path) -> Result<Self> {
        let run = Self::open_any(folder)?;
        // Read first for its version: what a later version wrote is refused here.
        run.config()?;
        Ok(run)
    }

    pub(crate) fn config(&self) -> Result<Config> {
        let config = Config::from_file(self.file(CONFIG)?)?;
        config.validate()?;
        Ok(config)
    }

    pub(crate) fn labels(&self) -> Result<LabelSet> {
        read_json(&self.file(LABELS)?, "label set")
    }

    pub(crate) fn selection(&self) -> Result<Selection> {
        Ok(Selection::load(self.file(SELECTION)?)?)
    }

    pub(crate) fn state(&self) -> Result<RunState> {
        let path = self.file(STATE)?;
        if !path.is_file() {
            return Err(Error::NoRun { path: self.folder.clone(), missing: STATE });
        }
        read_json(&path, "state of a run")
    }

    /// The same. `None` for converted weights and runs of early versions, which have none.
    pub(crate) fn state_if_there(&self) -> Result<Option<RunState>> {
        read_json_if_there(&self.file(STATE)?, "state of a run")
    }

    /// Whether the run came to its end. Converted weights and runs of early versions, which do not
    /// say, did.
    pub(crate) fn is_finished(&self) -> Result<bool> {
        Ok(self.state_if_there()?.is_none_or(|state| state.finished))
    }

    pub(crate) fn save_state(&self, state: &RunState) -> Result<()> {
        write_json(&self.file(STATE)?, state)
    }

    /// Puts this configuration in the place of the run's.
    pub(crate) fn save_config(&self, config: &Config) -> Result<()> {
        write_json(&self.file(CONFIG)?, config)
    }

    /// Saves the model card, unless somebody else's `README.md` lies there, or one that somebody
    /// has taken over.
    pub(crate) fn save_card(&self, text: &str) -> Result<()> {
        let path = self.folder.join(CARD);
        if path.symlink_metadata().is_ok() && !is_our_card(&path) {
            return Ok(());
        }
        Ok(smvae_data::files::write_atomically(&self.file(CARD)?, text.as_bytes())?)
    }

    /// The events of these epochs for TensorBoard, to which others are added, if they are `wanted`
    /// or the run has some already.
    pub(crate) fn events(&self, wanted: bool, records: &[EpochRecord]) -> Result<Option<EventFile>> {
        let path = self.file(EVENTS)?;
        if wanted || path.exists() { EventFile::open(&path, records).map(Some) } else { Ok(None) }
    }

    pub(crate) fn origin(&self) -> Result<Option<Origin>> {
        read_json_if_there(&self.file(ORIGIN)?, "origin")
    }

    pub(crate) fn encoder_config(&self) -> Result<TransformerConfig> {
        Ok(TransformerConfig::from_file(self.file(ENCODER)?)?)
    }

    pub(crate) fn tokenizer(&self) -> Result<WordTokenizer> {
        Ok(WordTokenizer::from_file(self.file(TOKENIZER)?)?)
    }

    /// How the corpus was split into words. `None` for a run of an earlier version, which does not
    /// say.
    pub(crate) fn words(&self) -> Result<Option<WordConvention>> {
        read_json_if_there(&self.file(WORDS)?, "word convention")
    }

    pub(crate) fn image_identity(&self) -> Result<Option<ImageIdentity>> {
        let path = self.file(IMAGES)?;
        let wanted = self.config()?.model.image_dim;
        let found: Option<ImageIdentity> = read_json_if_there(&path, "image identity")?;
        if found.as_ref().map(|identity| identity.width) != wanted {
            let why = format!("config.json has image_dim {wanted:?}");
            return Err(Error::Inconsistent { path, why });
        }
        if found.as_ref().is_some_and(|identity| !identity.is_consistent()) {
            let why = "mean and std are not as many finite numbers as the width".to_owned();
            return Err(Error::Inconsistent { path, why });
        }
        Ok(found)
    }

    /// Which captions the run was trained with. `None` for a run without.
    pub(crate) fn caption_identity(&self) -> Result<Option<CaptionIdentity>> {
        read_json_if_there(&self.file(CAPTIONS)?, "caption identity")
    }

    pub(crate) fn has_weights(&self) -> bool {
        self.folder.join(WEIGHTS).is_file()
    }

    pub(crate) fn save_weights(&self, parameters: &Parameters) -> Result<()> {
        let tensors = parameters.all().into_iter().map(|(name, var)| (name, var.as_detached_tensor())).collect();
        write_tensors(&self.file(WEIGHTS)?, &tensors)
    }

    /// Saves the decision of the saved weights. The default decision has no file.
    pub(crate) fn save_decision(&self, decision: Decision) -> Result<()> {
        let path = self.file(DECISION)?;
        if decision == Decision::default() { remove_file(&path) } else { write_json(&path, &decision) }
    }

    pub(crate) fn decision(&self) -> Result<Decision> {
        let path = self.file(DECISION)?;
        let decision: Decision = read_json_if_there(&path, "decision")?.unwrap_or_default();
        match decision.problem() {
            Some(why) => Err(Error::Inconsistent { path, why }),
            None => Ok(decision),
        }
    }

    /// Saves how the scores of the saved weights are calibrated. `None` removes what was saved for
    /// others.
    pub(crate) fn save_calibration(&self, calibration: Option<Calibration>) -> Result<()> {
        let path = self.file(CALIBRATION)?;
        calibration.map_or_else(|| remove_file(&path), |calibration| write_json(&path, &calibration))
    }

    /// How the scores are calibrated: as training saved it or, in a run of an earlier version, as
    /// what was found in dev says. `None` where neither is there.
    pub(crate) fn calibration(&self) -> Result<Option<Calibration>> {
        let path = self.file(CALIBRATION)?;
        if let Some(saved) = read_json_if_there::<Calibration>(&path, "calibration")? {
            let why = format!("the temperature {} is not above 0", saved.temperature);
            return if saved.is_usable() { Ok(Some(saved)) } else { Err(Error::Inconsistent { path, why }) };
        }
        let Some(dev) = self.predictions(Split::Dev)? else { return Ok(None) };
        Ok(Calibration::fit(&dev, &self.labels()?))
    }

    /// The folder of the checkpoint, which exists while there is something to resume.
    ///
    /// # Errors
    /// [`Error::Unsafe`] for one that leads elsewhere.
    pub(crate) fn checkpoint(&self) -> Result<PathBuf> {
        folder_in(&self.folder, CHECKPOINT)
    }

    /// The folder of a teacher, which exists while the run needs it.
    ///
    /// # Errors
    /// [`Error::Unsafe`] for one that leads elsewhere.
    pub(crate) fn teacher(&self, number: usize) -> Result<PathBuf> {
        folder_in(&self.folder, &teachers::name(number))
    }

    pub(crate) fn save_teachers(&self, teachers: &[Teacher]) -> Result<()> {
        write_json(&self.file(TEACHERS)?, &teachers)
    }

    pub(crate) fn teachers(&self) -> Result<Vec<Teacher>> {
        Ok(read_json_if_there(&self.file(TEACHERS)?, "list of teachers")?.unwrap_or_default())
    }

    /// All parameters, those of the text encoder in this number type.
    pub(crate) fn parameters(&self, device: &Device, encoder: DType) -> Result<Parameters> {
        let path = self.file(WEIGHTS)?;
        if !path.is_file() {
            let path = self.folder.clone();
            let is_finished = self.is_finished()?;
            return Err(if is_finished { Error::NoRun { path, missing: WEIGHTS } } else { Error::NoWeights { path } });
        }
        weights::read(&path, device, encoder)
    }

    /// The error for weights that the configuration's networks cannot take.
    pub(crate) fn weights_do_not_fit(&self, error: &Error) -> Error {
        Error::Inconsistent { path: self.folder.join(WEIGHTS), why: error.to_string() }
    }

    pub(crate) fn save_metrics(&self, records: &[EpochRecord]) -> Result<()> {
        write_json_lines(&self.file(METRICS)?, records)
    }

    pub(crate) fn metrics(&self) -> Result<Vec<EpochRecord>> {
        let path = self.file(METRICS)?;
        if path.exists() { read_json_lines(&path, "line of metrics") } else { Ok(Vec::new()) }
    }

    /// Saves what the model found. What it found from the text alone is removed if it is of other
    /// posts.
    pub(crate) fn save_predictions(&self, split: Split, predictions: &[PostPrediction]) -> Result<()> {
        let path = self.file(predictions::text_file_name(split))?;
        if path.exists()
            && !self
                .text_predictions(split)
                .is_ok_and(|text| text.is_some_and(|text| predictions::are_of_same_posts(&text, predictions)))
        {
            remove_file(&path)?;
        }
        predictions::write(&self.file(predictions::file_name(split))?, predictions)
    }

    /// Saves what the model found from the text alone. An error if what it found otherwise is of
    /// other posts.
    pub(crate) fn save_text_predictions(&self, split: Split, predictions: &[PostPrediction]) -> Result<()> {
        if self.predictions(split)?.is_some_and(|whole| !predictions::are_of_same_posts(&whole, predictions)) {
            return Err(self.other_posts(split));
        }
        predictions::write(&self.file(predictions::text_file_name(split))?, predictions)
    }

    /// What the model found in a split. `None` if nobody saved it.
    pub(crate) fn predictions(&self, split: Split) -> Result<Option<Vec<PostPrediction>>> {
        self.saved_predictions(predictions::file_name(split))
    }

    /// What it found in a split from the text alone. `None` if nobody saved it.
    pub(crate) fn text_predictions(&self, split: Split) -> Result<Option<Vec<PostPrediction>>> {
        self.saved_predictions(predictions::text_file_name(split))
    }

    /// That the two files of a split are of different posts.
    pub(crate) fn other_posts(&self, split: Split) -> Error {
        let [path, other] = [predictions::text_file_name(split), predictions::file_name(split)];
        let path = self.folder.join(path);
        Error::Inconsistent {
            path,
            why: format!("its posts are not those of {other}: save that of these posts first, or remove it"),
        }
    }

    fn saved_predictions(&self, file: &str) -> Result<Option<Vec<PostPrediction>>> {
        let path = self.file(file)?;
        if !path.exists() {
            return Ok(None);
        }
        predictions::read(&path, self.labels()?.n_classes()).map(Some)
    }

    /// The folder, for messages.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Where a file of the run lies, whether it exists or not: the one way to what is read and
    /// written.
    ///
    /// # Errors
    /// [`Error::Unsafe`] for what is not opened.
    pub(crate) fn file(&self, name: &str) -> Result<PathBuf> {
        file_in(&self.folder, name)
    }
}
