//! What is seen of an experiment while it runs. On a terminal: one line for the whole experiment
//! and one for each run in progress. In a pipe: one line when a run begins and one when it ends.

use super::child::Told;
use crate::progress::{is_drawn, say};
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use smvae::experiment::{Failure, RunResult, RunSpec};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

pub(super) struct Display {
    /// `None` where nothing is drawn.
    terminal: Option<Terminal>,
    jobs: usize,
    results: Vec<RunResult>,
    failed: usize,
    running: BTreeMap<String, (Instant, Told)>,
}

struct Terminal {
    lines: MultiProgress,
    all: ProgressBar,
    bars: BTreeMap<String, ProgressBar>,
}

impl Display {
    pub(super) fn new(jobs: usize, results: Vec<RunResult>) -> Self {
        let terminal = is_drawn().then(|| {
            let lines = MultiProgress::new();
            let all = lines.add(ProgressBar::new_spinner().with_style(plain("{msg}")));
            Terminal { lines, all, bars: BTreeMap::new() }
        });
        Self { terminal, jobs, results, failed: 0, running: BTreeMap::new() }
    }

    /// A run has begun.
    pub(super) fn begin(&mut self, spec: &RunSpec) {
        self.running.insert(spec.run.id.clone(), (Instant::now(), Told::default()));
        match &mut self.terminal {
            None => say(format!("{} begins", spec.run.id)),
            Some(terminal) => {
                let bar = ProgressBar::new(0).with_style(plain("  {bar:20} {pos}/{len} {prefix} {msg}"));
                let bar = terminal.lines.add(bar.with_prefix(spec.run.id.clone()));
                terminal.bars.insert(spec.run.id.clone(), bar);
            }
        }
    }

    /// A run has come further.
    pub(super) fn tell(&mut self, id: &str, told: Told) {
        if let Some((_, last)) = self.running.get_mut(id) {
            *last = told;
        }
        if let Some(bar) = self.terminal.as_ref().and_then(|terminal| terminal.bars.get(id)) {
            let dev = told.dev.map_or_else(String::new, |f1| format!(", dev F1 {f1:.2}"));
            bar.set_length(told.steps as u64);
            bar.set_position(told.step as u64);
            let doing = if told.epoch == 0 && told.steps > 0 {
                "choosing posts".to_owned()
            } else {
                format!("epoch {}", told.epoch)
            };
            bar.set_message(format!("{doing}{dev}"));
        }
    }

    /// What is finished now.
    pub(super) fn results(&mut self, results: Vec<RunResult>) {
        self.results = results;
    }

    /// A run has ended; `failure` is the last one there was.
    pub(super) fn end(&mut self, spec: &RunSpec, failure: Option<&Failure>) {
        self.running.remove(&spec.run.id);
        let failure = failure.filter(|failure| failure.id == spec.run.id);
        self.failed += usize::from(failure.is_some());
        let result = self.results.iter().find(|result| result.run.id == spec.run.id);
        let how = match (failure, result) {
            (Some(failure), _) => format!("failed: {}", failure.error),
            (None, Some(result)) => {
                let f1 = |scores: &smvae::core::metrics::Scores| format!("{:.2}", scores.overall.f1());
                let test = result.test.as_ref().map_or_else(String::new, |test| format!(", test {}", f1(test)));
                format!("done in {}: F1 on dev {}{test}", seconds(total(result)), f1(&result.dev))
            }
            (None, None) => "stopped".to_owned(),
        };
        let line = format!("{} {how}", spec.run.id);
        match &mut self.terminal {
            None => say(line),
            Some(terminal) => {
                if let Some(bar) = terminal.bars.remove(&spec.run.id) {
                    bar.finish_and_clear();
                    terminal.lines.remove(&bar);
                }
                terminal.lines.suspend(|| say(line));
            }
        }
    }

    /// Shows how far the experiment has come.
    pub(super) fn show<'s>(&self, running: impl Iterator<Item = &'s RunSpec>, waiting: &[&RunSpec]) {
        let Some(terminal) = &self.terminal else { return };
        let left =
            self.left(running, waiting).map_or_else(String::new, |left| format!(", about {} left", seconds(left)));
        let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
        let (done, running, waiting) = (self.results.len(), self.running.len(), waiting.len());
        terminal.all.set_message(format!("{done} done{failed}, {running} running, {waiting} waiting{left}"));
    }

    /// Seconds until everything is finished, estimated from the finished runs; `None` before the
    /// first.
    fn left<'s>(&self, running: impl Iterator<Item = &'s RunSpec>, waiting: &[&RunSpec]) -> Option<f64> {
        let mut left = 0.0;
        for spec in waiting {
            left += self.expected(spec)?;
        }
        for spec in running {
            let (begun, told) = self.running.get(&spec.run.id)?;
            let by_steps = (told.steps - told.step) as f64 / told.steps.max(1) as f64;
            left += (self.expected(spec)? * by_steps).max(self.expected(spec)? - begun.elapsed().as_secs_f64());
        }
        Some(left / self.jobs as f64)
    }

    /// Mean duration of the finished runs that are most like it.
    fn expected(&self, spec: &RunSpec) -> Option<f64> {
        let like: [&dyn Fn(&RunResult) -> bool; 3] = [
            &|r| (&r.run.corpus, &r.run.method, r.run.labels) == (&spec.run.corpus, &spec.run.method, spec.run.labels),
            &|r| r.run.method == spec.run.method,
            &|_| true,
        ];
        like.into_iter().find_map(|like| {
            let seconds: Vec<f64> = self.results.iter().filter(|r| like(r)).map(total).collect();
            (!seconds.is_empty()).then(|| seconds.iter().sum::<f64>() / seconds.len() as f64)
        })
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.all.finish_and_clear();
    }
}

fn plain(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("a valid template")
}

/// Seconds of a run and its teachers.
fn total(result: &RunResult) -> f64 {
    result.seconds + result.teacher_seconds.unwrap_or_default()
}

fn seconds(seconds: f64) -> String {
    indicatif::HumanDuration(Duration::from_secs_f64(seconds.max(0.0))).to_string()
}
