//! Checkpoints: the state of a run between two steps, in its folder, so that a run that was killed
//! resumes where it was and comes to the same weights, bit by bit.
//!
//! ```text
//! checkpoint/state.json               where the run is, and name and sha256 of the file with its tensors
//! checkpoint/tensors-<0|1>.safetensors  weights/<parameter>, adam/<parameter>.m and .v, average/<parameter>
//! ```
//! The tensors are written first, to the name that `state.json` does not mention, and synced; then
//! `state.json` is renamed into place; then the older tensors are removed. So a kill at any moment
//! leaves one whole checkpoint. One that is damaged or belongs to another run is always an error:
//! to resume from an older one in silence would hide a failing disk.

use crate::error::{Error, Result};
use crate::files::folder::file_in;
use crate::files::{create_folder, read_json, read_tensors, write_json, write_tensors};
use crate::run::folder::CHECKPOINT_STATE;
use crate::run::record::EpochRecord;
use crate::training::epoch::Epoch;
use crate::training::sampler::UnlabelledStream;
use serde::{Deserialize, Serialize};
use smvae_core::Rng;
use smvae_core::candle_core::Tensor;
use smvae_core::rng::RngState;
use smvae_data::files::sha256_file;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const VERSION: u32 = 1;

/// The names of the tensors' files: whatever else a state names is not read and not removed.
const TENSORS: [&str; 2] = ["tensors-0.safetensors", "tensors-1.safetensors"];

/// Checkpoints by time are at least this far apart, and take at most this share of the time.
const APART: Duration = Duration::from_secs(60);
const SHARE: f64 = 0.02;

/// A run between two steps.
pub(crate) struct Checkpoint {
    pub position: Position,
    pub tensors: TensorGroups,
}

/// Tensors by name, in groups: [`WEIGHTS`], [`ADAM`] and [`AVERAGE`].
pub(crate) type TensorGroups = BTreeMap<String, BTreeMap<String, Tensor>>;

/// All parameters, frozen ones too.
pub(crate) const WEIGHTS: &str = "weights";
/// The average of the weights, where there is one.
pub(crate) const AVERAGE: &str = "average";
/// The optimizer's moments.
pub(crate) const ADAM: &str = "adam";

/// Where a run is, tensors aside.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Position {
    /// Steps of the optimizer.
    pub steps: u64,
    /// The epoch in progress.
    pub epoch: Epoch,
    /// The run's generator.
    pub rng: RngState,
    /// Order of the unlabelled posts, and the place in it.
    pub stream: UnlabelledStream,
    /// Epochs that are complete.
    pub records: Vec<EpochRecord>,
}

impl Position {
    /// Before the first step.
    pub(crate) fn beginning(stream: UnlabelledStream, rng: &Rng) -> Self {
        Self { steps: 0, epoch: Epoch::new(1, rng), rng: RngState::of(rng), stream, records: Vec::new() }
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct StateFile {
    format_version: u32,
    /// [`RunState::identity`](crate::run::record::RunState::identity).
    run: String,
    tensors: String,
    tensors_sha256: String,
    position: Position,
}

impl Checkpoint {
    /// Reads the checkpoint in this folder of a run. `None` if there is no checkpoint yet.
    ///
    /// # Errors
    /// [`Error::Checkpoint`] for one that is damaged or belongs to another run.
    pub(crate) fn load(folder: &Path, identity: &str) -> Result<Option<Self>> {
        let path = file_in(folder, CHECKPOINT_STATE)?;
        if !path.exists() {
            return Ok(None);
        }
        let refuse = |path: &Path, why: String| Error::Checkpoint { path: path.to_owned(), why };
        let state: StateFile = read_json(&path, "checkpoint").map_err(|error| refuse(&path, error.to_string()))?;
        if state.format_version != VERSION {
            let found = state.format_version;
            return Err(refuse(&path, format!("its format version is {found}, this version of smvae reads {VERSION}")));
        }
        if state.run != identity {
            let why = "it belongs to a run with other settings or data, or of another version of smvae";
            return Err(refuse(&path, why.to_owned()));
        }
        if !TENSORS.contains(&state.tensors.as_str()) {
            return Err(refuse(&path, format!("it names {:?} as the file of its tensors", state.tensors)));
        }
        let file = file_in(folder, &state.tensors)?;
        let found = sha256_file(&file).map_err(|error| refuse(&file, error.to_string()))?;
        if found != state.tensors_sha256 {
            let want = &state.tensors_sha256;
            return Err(refuse(&file, format!("it is damaged, its sha256 is {found}, {CHECKPOINT_STATE} says {want}")));
        }
        let mut tensors = TensorGroups::new();
        for (name, tensor) in read_tensors(&file)? {
            let (group, name) = name.split_once('/').unwrap_or((WEIGHTS, &name));
            tensors.entry(group.to_owned()).or_default().insert(name.to_owned(), tensor);
        }
        Ok(Some(Self { position: state.position, tensors }))
    }

    /// Takes a group out of the tensors; empty if it has none.
    pub(crate) fn take(&mut self, group: &str) -> BTreeMap<String, Tensor> {
        self.tensors.remove(group).unwrap_or_default()
    }
}

/// Writes the checkpoints of a run.
pub(crate) struct Checkpoints {
    folder: PathBuf,
    identity: String,
    every: Option<usize>,
    /// Of the last one: the file of its tensors, the steps before it, when it was complete, and how
    /// long it took.
    file: String,
    steps: u64,
    at: Instant,
    cost: Duration,
}

impl Checkpoints {
    /// Checkpoints in this folder of a run that has taken `steps` steps; `every` is
    /// [`TrainingConfig::checkpoint_every`](crate::config::TrainingConfig).
    pub(crate) fn new(folder: &Path, identity: String, every: Option<usize>, steps: u64) -> Self {
        let folder = folder.to_owned();
        let state = file_in(&folder, CHECKPOINT_STATE).and_then(|path| read_json::<StateFile>(&path, "checkpoint"));
        let file = state.map(|state| state.tensors).ok().filter(|file| TENSORS.contains(&file.as_str()));
        let file = file.unwrap_or_default();
        Self { folder, identity, every, file, steps, at: Instant::now(), cost: Duration::ZERO }
    }

    /// Whether it is time for one after this many steps.
    pub(crate) fn due(&self, steps: u64) -> bool {
        match self.every {
            Some(every) => steps - self.steps >= every as u64,
            None => self.at.elapsed() >= APART.max(self.cost.div_f64(SHARE)),
        }
    }

    /// Writes one, in the place of the last.
    pub(crate) fn save(&mut self, position: Position, groups: TensorGroups) -> Result<()> {
        let start = Instant::now();
        create_folder(&self.folder)?;
        let name = TENSORS[usize::from(self.file == TENSORS[0])];
        let file = file_in(&self.folder, name)?;
        let of_group = |(group, tensors): (String, BTreeMap<String, Tensor>)| {
            tensors.into_iter().map(move |(name, tensor)| (format!("{group}/{name}"), tensor))
        };
        write_tensors(&file, &groups.into_iter().flat_map(of_group).collect())?;
        let steps = position.steps;
        let state = StateFile {
            format_version: VERSION,
            run: self.identity.clone(),
            tensors: name.to_owned(),
            tensors_sha256: sha256_file(&file)?,
            position,
        };
        write_json(&file_in(&self.folder, CHECKPOINT_STATE)?, &state)?;
        if !self.file.is_empty() {
            // It may be gone already; if it stays, the checkpoint after the next writes over it.
            let _ = std::fs::remove_file(self.folder.join(&self.file));
        }
        (self.file, self.steps, self.at, self.cost) = (name.to_owned(), steps, Instant::now(), start.elapsed());
        Ok(())
    }
}
