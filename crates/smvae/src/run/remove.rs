//! Removes runs, and what training made of them: nothing that is not ours, and nothing that a link
//! leads to. Files go in an order in which a process that is killed leaves either a run or what is
//! known to be ours.

use crate::error::{Error, Result};
use crate::files::remove_file;
use crate::run::folder::{
    CALIBRATION, CARD, CHECKPOINT, CHECKPOINT_STATE, DECISION, FILES, METRICS, RunFolder, SOFT_LABELS, WEIGHTS,
    is_our_card, is_run,
};
use crate::run::{predictions, teachers};
use smvae_data::Split;
use std::path::Path;

/// Removes the files of a run, and the folder if nothing else is in it. It leaves a folder that is
/// not a run alone.
///
/// # Errors
/// [`Error::NoRun`] for a folder without a run; [`Error::Encoders`] for one whose `encoder.json` is
/// none of ours; [`Error::Write`] if a file cannot be removed.
pub fn remove_run(folder: impl AsRef<Path>) -> Result<()> {
    let folder = folder.as_ref();
    remove_files(folder)?;
    // Fails if something else lies there, which is then kept.
    let _ = std::fs::remove_dir(folder);
    Ok(())
}

/// Removes the files of a run and keeps the folder.
pub(crate) fn remove_files(folder: &Path) -> Result<()> {
    // Read, since somebody else may have files of the same names.
    RunFolder::open_any(folder)?.encoder_config()?;
    // Before the folder stops being a run: a teacher without its student would be taken for one of
    // the next run.
    remove_teachers(folder)?;
    // The configuration comes first: without it the rest is not a run any more.
    FILES.into_iter().try_for_each(|file| remove_file(&folder.join(file)))?;
    if is_our_card(&folder.join(CARD)) {
        remove_file(&folder.join(CARD))?;
    }
    remove_checkpoint(folder)
}

/// Removes the teachers of a run, whichever of them are there.
pub(crate) fn remove_teachers(folder: &Path) -> Result<()> {
    for teacher in teachers::list(folder)? {
        if teacher.is_symlink() {
            // What it leads to is not ours.
            remove_file(&teacher)?;
        } else if is_run(&teacher) {
            remove_run(&teacher)?;
        } else {
            // A student that had not begun: its soft labels are written before it is a run.
            let _ = std::fs::remove_file(teacher.join(SOFT_LABELS));
            let _ = std::fs::remove_dir(&teacher);
        }
    }
    Ok(())
}

/// Removes whatever checkpoint a run has.
pub(crate) fn remove_checkpoint(run: &Path) -> Result<()> {
    let path = run.join(CHECKPOINT);
    if path.is_symlink() {
        // What it leads to is not ours.
        return remove_file(&path);
    }
    // The state goes first: without it the rest is not a checkpoint.
    match std::fs::remove_file(path.join(CHECKPOINT_STATE)).and_then(|()| std::fs::remove_dir_all(&path)) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => match std::fs::remove_dir_all(&path) {
            Err(source) if source.kind() != std::io::ErrorKind::NotFound => Err(Error::Write { path, source }),
            _ => Ok(()),
        },
        Err(source) => Err(Error::Write { path, source }),
        Ok(()) => Ok(()),
    }
}

impl RunFolder {
    /// Removes what training made, so that it can start over.
    pub(crate) fn remove_results(&self) -> Result<()> {
        remove_checkpoint(self.folder())?;
        [WEIGHTS, METRICS].into_iter().try_for_each(|file| remove_file(&self.folder().join(file)))?;
        self.remove_judgement()
    }

    /// Removes decision, temperature and predictions, for new weights that nobody has evaluated.
    pub(crate) fn remove_judgement(&self) -> Result<()> {
        let files = [DECISION, CALIBRATION, predictions::file_name(Split::Dev)];
        files.into_iter().try_for_each(|file| remove_file(&self.folder().join(file)))?;
        self.forget_evaluations()
    }

    /// Removes what evaluation has saved of weights that training replaces.
    pub(crate) fn forget_evaluations(&self) -> Result<()> {
        let of_text = [Split::Train, Split::Dev, Split::Test].map(predictions::text_file_name);
        let mut files = [Split::Train, Split::Test].map(predictions::file_name).into_iter().chain(of_text);
        files.try_for_each(|file| remove_file(&self.folder().join(file)))
    }
}
