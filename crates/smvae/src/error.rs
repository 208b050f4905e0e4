//! What can go wrong in this crate: data in the variants; one sentence in the message that says
//! what is wrong, where, and the remedy; the cause as `source`.

use std::path::PathBuf;

/// Result of this crate's functions.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Errors of `smvae`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file or folder cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A JSON file is not what it should be.
    #[error("{} is not a valid {what}: {source}", path.display())]
    Json {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Why it is not, with line and column.
        source: serde_json::Error,
    },
    /// A line of a file of JSON lines is not what it should be.
    #[error("{}, line {line}, is not a valid {what}: {why}", path.display())]
    JsonLine {
        /// The file.
        path: PathBuf,
        /// The line's number, from 1.
        line: usize,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        why: String,
    },
    /// A run folder of a later version of this library.
    #[error(
        "{} has format version {found}, this version of smvae reads versions up to {known}: use a newer smvae",
        path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u64,
        /// The newest version that this library reads.
        known: u32,
    },
    /// A folder that is not a run, or an incomplete one.
    #[error("{} is not a run folder: {missing} is missing", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
        /// The file that should be there.
        missing: &'static str,
    },
    /// A run that has begun and was not evaluated yet, so that no weights are saved.
    #[error(
        "{} has no weights yet: its training has not come to an evaluation; resume it, or wait for it",
        path.display()
    )]
    NoWeights {
        /// The run folder.
        path: PathBuf,
    },
    /// A folder that is not a run and holds no runs.
    #[error(
        "{} is not a run folder and holds none: name a run, a folder of runs, or an experiment, whose runs are in \
         its folder runs",
        path.display()
    )]
    NoRuns {
        /// The folder.
        path: PathBuf,
    },
    /// Training would write over an earlier run, which
    /// [`TrainInput::replace_run`](crate::TrainInput::replace_run) allows.
    #[error("{} holds a run already: choose another folder, or ask for the run to be replaced", path.display())]
    RunExists {
        /// The folder.
        path: PathBuf,
    },
    /// Training would write over files that do not belong to a run.
    #[error(
        "{} is not a run folder, and training would write over its {file}: choose another folder",
        path.display()
    )]
    ForeignFolder {
        /// The folder.
        path: PathBuf,
        /// The file.
        file: &'static str,
    },
    /// Two processes on one run.
    #[error("another process is training in {}: wait until it ends, or end it", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
    },
    /// A name that the files of a run cannot hold.
    #[error(
        "the name of {} is not UTF-8, which the files of a run need: rename it, or make a link to it",
        path.display()
    )]
    NotUtf8 {
        /// The file or folder.
        path: PathBuf,
    },
    /// A folder cannot be made because something lies there.
    #[error("{} exists already: choose a folder that does not exist, or remove it first", path.display())]
    Exists {
        /// Where the folder was to be made.
        path: PathBuf,
    },
    /// A checkpoint that a run cannot be resumed from.
    #[error(
        "{} cannot be used to resume the run: {why}; remove the checkpoint's folder to train it from its beginning",
        path.display()
    )]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A run that would be resumed with other data or settings than it began with.
    #[error("the run began with another {what}: {want}, not {got}; resume it with that, or train a new run")]
    OtherRun {
        /// What differs.
        what: &'static str,
        /// What was given now.
        got: String,
        /// What the run began with.
        want: String,
    },
    /// A file that should describe an experiment and does not.
    #[error("{}:{line}: {why}", path.display())]
    Experiment {
        /// The file.
        path: PathBuf,
        /// Its line, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A file that lists labelled posts and does not fit the run of an experiment that reads it.
    #[error("{}: {why}", path.display())]
    Manifest {
        /// The file.
        path: PathBuf,
        /// What does not fit.
        why: String,
    },
    /// A run of an experiment whose labelled posts another run's model should choose, which has
    /// none.
    #[error(
        "{id} needs the model of {before}, which has none here: it is not finished, or its result was taken from \
         elsewhere; remove its folder and run the experiment again to train it here"
    )]
    RunBefore {
        /// Name of the run.
        id: String,
        /// Name of the other.
        before: String,
    },
    /// A finished run of an experiment that had other settings or files than the experiment has
    /// now.
    #[error(
        "the run {id} was finished with other settings or files than the experiment has now: {difference}; restore \
         them, give the method another name, or discard the result in {}", place.display()
    )]
    OtherSettings {
        /// Name of the run.
        id: String,
        /// What differs, each as `name then -> now`.
        difference: String,
        /// The run's folder, or the file that holds its result.
        place: PathBuf,
    },
    /// A text encoder that cannot be found.
    #[error(
        "{} is not a folder{}", path.display(),
        if cfg!(feature = "hub") { ", nor the name of a model of the hub: those are owner/name[@revision], such as \
                                    google-bert/bert-base-uncased" } else { " with a text encoder" }
    )]
    NoEncoder {
        /// What was given.
        path: PathBuf,
    },
    /// The authors' protocol on a model that was trained with URLs.
    #[error(
        "the authors' protocol leaves URLs out, and this model was trained with them: use a model trained with \
         `drop_urls`"
    )]
    Protocol,
    /// The parts of a run folder contradict each other.
    #[error("{} does not fit the rest of its run folder: {why}", path.display())]
    Inconsistent {
        /// The file.
        path: PathBuf,
        /// How.
        why: String,
    },
    /// A file of a run that is not what training left.
    #[error(
        "{} is damaged or was changed after training: {why}; copy the run folder again, or, if the change is \
         wanted, take the file out of the list `files` in run.json",
        path.display()
    )]
    Damaged {
        /// The file.
        path: PathBuf,
        /// How it differs.
        why: String,
    },
    /// A path that leads out of the folder (a link, a name with `..`), or to what is no file to
    /// read whole (a device, a folder, one that is too large); it is refused.
    #[error("{} is not opened: {why}; put a file in its place if the folder is yours", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// Why.
        why: String,
    },
    /// Image vectors other than those a model was trained with.
    #[error("the image vectors do not fit the model: {what} is {got}, the model was trained with {want}")]
    OtherImages {
        /// What differs.
        what: &'static str,
        /// What was given.
        got: String,
        /// What the model was trained with.
        want: String,
    },
    /// Models of an [ensemble](crate::Predictor::together), or that are to be compared, whose
    /// labels differ.
    #[error("the labels of one model are {want}, those of another {got}: take models of one corpus")]
    OtherLabels {
        /// Those of the first.
        want: String,
        /// Those of the one that differs.
        got: String,
    },
    /// Captions for a model that was trained without.
    #[error("the model was trained without captions and cannot use them: leave them out")]
    NoCaptions,
    /// Captions other than those a model was trained with.
    #[error(
        "the captions do not fit the model: the file's sha256 is {got}, the model was trained with {want}; take that \
         file, or trust another one"
    )]
    OtherCaptions {
        /// What was given.
        got: String,
        /// What the model was trained with.
        want: String,
    },
    /// Image vectors for a model of text alone.
    #[error("the model was trained without images and cannot use image vectors: leave them out")]
    NoImages,
    /// A file of image vectors that exists already, which the settings' `overwrite` replaces.
    #[error("{} exists already: choose another file, or ask for it to be replaced", path.display())]
    FeaturesExist {
        /// The file.
        path: PathBuf,
    },
    /// A file that has the name of the journal of a file of image vectors, and is no journal.
    #[error(
        "{} has the name of a journal of image vectors and is none: rename it, or choose another file for the vectors",
        path.display()
    )]
    NotJournal {
        /// The file.
        path: PathBuf,
    },
    /// A folder without a usable image.
    #[error("{} has no usable image{}", folder.display(), left_out(*bad, first))]
    NoImageFiles {
        /// The folder.
        folder: PathBuf,
        /// Number of files that were left out.
        bad: usize,
        /// The first of them, and why; empty if there is none.
        first: String,
    },
    /// A folder of images that changed while their vectors were made.
    #[error("the images in {} changed while their vectors were made: try again", folder.display())]
    ImagesChanged {
        /// The folder.
        folder: PathBuf,
    },
    /// A forward pass that overflows, or weights or image vectors that are damaged.
    #[error("{what} are not finite numbers: the weights or the image vectors are damaged, or of another model")]
    NotFinite {
        /// Where the first of them are.
        what: &'static str,
    },
    /// Calibrated scores of a run that has no temperature.
    #[error(
        "{} keeps no temperature, and nothing that was found in dev to fit one on: score the run on dev and save what it \
         finds in its folder, or take its scores as they are",
        path.display()
    )]
    NoTemperature {
        /// The run folder.
        path: PathBuf,
    },
    /// A training whose loss, or one of its terms, is no number or has exploded. No parameter was
    /// changed by the step.
    #[error(
        "{source}; the posts of the step are {}; {} keeps the best weights and the last checkpoint, if it has some",
        posts(labelled, unlabelled), folder.display()
    )]
    Diverged {
        /// The run folder.
        folder: PathBuf,
        /// The labelled posts of the step: position in the training split, from 0, and image id.
        labelled: Vec<(usize, String)>,
        /// The unlabelled posts of the step.
        unlabelled: Vec<(usize, String)>,
        /// The step, the term and its value; boxed, since it would make every error larger.
        source: Box<smvae_core::Error>,
    },
    /// Words that are not those of their text.
    #[error("the text does not hold the words in their order: {word:?} is missing")]
    WordNotInText {
        /// The first word that does not follow the words before it.
        word: String,
    },
    /// A text with more than its words.
    #[error("the text goes on after the last of its words")]
    TextAfterWords,
    /// Nothing to train on.
    #[error("there is nothing to train on: {why}")]
    NothingToTrain {
        /// In words.
        why: &'static str,
    },
    /// Semi-supervised training in which every post has its labels.
    #[error(
        "semi-supervised training has no posts without labels: all {posts} posts of train are labelled; label fewer of \
         them, add posts without labels, or leave `training.semi` off"
    )]
    NoUnlabelled {
        /// Posts of the training split.
        posts: usize,
    },
    /// Spans, networks, training.
    #[error(transparent)]
    Core(#[from] smvae_core::Error),
    /// Corpora and image vectors; boxed, since it is the largest by far.
    #[error(transparent)]
    Data(Box<smvae_data::Error>),
    /// Encoders and tokenisation.
    #[error(transparent)]
    Encoders(#[from] smvae_encoders::Error),
}

/// Posts of a step, some of them by name.
fn posts(labelled: &[(usize, String)], unlabelled: &[(usize, String)]) -> String {
    let name = |(position, id): &(usize, String)| match id.as_str() {
        "" => format!("{position}"),
        id => format!("{position} (image {id})"),
    };
    let some = |kind: &str, posts: &[(usize, String)]| {
        let more = posts.len().saturating_sub(8);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{kind} {}{more}", posts.iter().take(8).map(name).collect::<Vec<_>>().join(", "))
    };
    let kinds = [("the labelled", labelled), ("the unlabelled", unlabelled)];
    let kinds = kinds.into_iter().filter(|(_, posts)| !posts.is_empty()).map(|(kind, posts)| some(kind, posts));
    kinds.collect::<Vec<_>>().join(" and ")
}

/// What became of the files of a folder without a usable image.
fn left_out(bad: usize, first: &str) -> String {
    if bad == 0 {
        ": it holds no file".to_owned()
    } else {
        format!(" among {bad} files, of which the first is {first}")
    }
}

impl From<smvae_data::Error> for Error {
    fn from(error: smvae_data::Error) -> Self {
        Self::Data(Box::new(error))
    }
}

impl From<smvae_core::candle_core::Error> for Error {
    fn from(error: smvae_core::candle_core::Error) -> Self {
        Self::Core(error.into())
    }
}

impl Error {
    /// A setting that is out of its range.
    pub(crate) fn setting(name: &'static str, want: &'static str, got: impl ToString) -> Self {
        Self::Core(smvae_core::Error::setting(name, want, got))
    }
}
