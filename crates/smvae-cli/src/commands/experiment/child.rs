//! One run of an experiment, in a process of its own. It reports on stdout, one line of JSON at a
//! time, to the process that started it, and stops cleanly when that process is gone.

use crate::interrupt;
use crate::options::DeviceArgs;
use clap::Args;
use serde::{Deserialize, Serialize};
use smvae::Event;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How far a run has come.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Told {
    /// 0 before the first one, while posts are chosen.
    pub epoch: usize,
    pub step: usize,
    pub steps: usize,
    /// The best F1 on dev so far.
    pub dev: Option<f64>,
}

/// How often.
const EVERY: Duration = Duration::from_millis(500);

#[derive(Debug, Args)]
pub(crate) struct ExperimentRunArgs {
    /// The folder of the run.
    folder: PathBuf,
    #[command(flatten)]
    device: DeviceArgs,
}

pub(crate) fn run(args: &ExperimentRunArgs) -> anyhow::Result<()> {
    interrupt::catch()?;
    interrupt::end_with_parent();
    let device = args.device.open()?;
    let (mut told, mut last) = (Told::default(), None::<Instant>);
    smvae::experiment::run::run(&args.folder, &device, &mut |event| {
        match event {
            Event::Step { epoch, step, steps, .. } => {
                (told.epoch, told.step, told.steps) = (*epoch, *step, *steps);
            }
            Event::Choosing { done, total } => (told.step, told.steps) = (*done, *total),
            Event::Epoch(record) => {
                let f1 = record.dev.as_ref().map(|dev| dev.overall.f1());
                told.dev = told.dev.into_iter().chain(f1).reduce(f64::max);
            }
            _ => {}
        }
        if last.is_none_or(|last| last.elapsed() >= EVERY) {
            last = Some(Instant::now());
            let line = serde_json::to_string(&told).expect("numbers only");
            // If nobody listens any more, stdin has been closed as well, which stops this process.
            let _ = writeln!(std::io::stdout(), "{line}");
        }
        interrupt::flow()
    })?;
    Ok(())
}
