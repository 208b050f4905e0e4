//! The table of an experiment's runs, before and while they are made.

use crate::output;
use smvae::experiment::results::{FAILED, run_folder};
use smvae::experiment::{Plan, RunResult};
use std::path::Path;

/// Every run and whether it is finished, here or elsewhere.
pub(super) fn plan(plan: &Plan, dir: &Path, elsewhere: &[RunResult]) -> anyhow::Result<String> {
    let mut rows = Vec::new();
    for spec in &plan.runs {
        let here = RunResult::read(run_folder(dir, &spec.run.id))?.filter(|result| result.answers(spec));
        let there = || elsewhere.iter().any(|result| result.run.id == spec.run.id);
        let state = if here.is_some() || there() { "done" } else { unfinished(&run_folder(dir, &spec.run.id)) };
        let splits = if spec.run.dev_only { "dev" } else { "dev, test" };
        rows.push([spec.run.id.clone(), splits.to_owned(), state.to_owned()]);
    }
    let done = rows.iter().filter(|row| row[2] == "done").count();
    let n = rows.len();
    Ok(format!("{}\n{n} runs, {done} done\n", output::table(&["run", "scored on", "state"], rows)))
}

/// How far a run is that is not done.
fn unfinished(folder: &Path) -> &'static str {
    if folder.join(FAILED).exists() {
        "failed"
    } else if smvae::RunInfo::exists(folder) {
        "begun"
    } else {
        "waiting"
    }
}
