//! The folder of an experiment: who works on it, which of its runs are finished, and their results.

use anyhow::{Context as _, bail};
use smvae::experiment::results::{file_of, run_folder, write_results};
use smvae::experiment::run::{check, prepare, take_in};
use smvae::experiment::{KnownDigests, Plan, RunResult, RunSpec, Summary};
use std::fs::{File, TryLockError};
use std::path::Path;

/// Takes over runs that are finished elsewhere; returns their number. One whose model is needed by
/// a run that is not finished is run here again: a result has no model.
pub(super) fn take(plan: &Plan, dir: &Path, elsewhere: &[RunResult]) -> anyhow::Result<usize> {
    let is_done = |spec: &RunSpec| {
        let here = RunResult::read(run_folder(dir, &spec.run.id));
        let here = here.is_ok_and(|result| result.is_some_and(|result| result.answers(spec)));
        here || elsewhere.iter().any(|result| result.run.id == spec.run.id)
    };
    let needed = plan.needed(is_done);
    let mut taken = 0;
    for spec in plan.runs.iter().filter(|spec| !needed.contains(spec.run.id.as_str())) {
        if let Some(result) = elsewhere.iter().find(|result| result.run.id == spec.run.id) {
            taken += usize::from(take_in(run_folder(dir, &spec.run.id), spec, result)?);
        }
    }
    Ok(taken)
}

/// Prepares the folders of the runs that are not done, and returns these runs. Every folder is
/// checked before any is changed.
pub(super) fn waiting<'p>(plan: &'p Plan, dir: &Path, known: &mut KnownDigests) -> anyhow::Result<Vec<&'p RunSpec>> {
    for spec in &plan.runs {
        check(run_folder(dir, &spec.run.id), spec, known)?;
    }
    let mut waiting = Vec::new();
    for spec in &plan.runs {
        if prepare(run_folder(dir, &spec.run.id), spec)? {
            waiting.push(spec);
        }
    }
    Ok(waiting)
}

/// Writes the results of the finished runs, and returns them.
pub(super) fn save(plan: &Plan, dir: &Path) -> anyhow::Result<Vec<RunResult>> {
    let mut results = Vec::new();
    for spec in &plan.runs {
        results.extend(RunResult::read(run_folder(dir, &spec.run.id))?);
    }
    write_results(dir, &results)?;
    Summary::of(&results, plan.baseline.as_deref(), plan.runs.len()).write(dir)?;
    Ok(results)
}

/// Locks the folder; the lock is held as long as the returned file lives.
pub(super) fn lock(dir: &Path) -> anyhow::Result<File> {
    let path = file_of(dir, "lock")?;
    let file = File::options().write(true).create(true).truncate(false).open(&path);
    let file = file.with_context(|| format!("cannot write {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!("another process works on {}: wait for it, or end it", dir.display()),
        Err(TryLockError::Error(error)) => Err(error).with_context(|| format!("cannot lock {}", path.display())),
    }
}
