//! The processes of an experiment: starts a given number at a time, listens to them, and stops them
//! cleanly by closing their stdin.

use super::child::Told;
use super::display::Display;
use super::folder::save;
use crate::interrupt;
use crate::options::DeviceArgs;
use anyhow::Context as _;
use smvae::experiment::results::{file_of, run_folder};
use smvae::experiment::{Failure, Plan, RunResult, RunSpec};
use std::fs::OpenOptions;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

pub(super) struct Settings {
    /// Runs at a time.
    pub jobs: usize,
    /// Threads of each.
    pub threads: usize,
    pub device: DeviceArgs,
}

/// From a thread that listens to a process.
enum Message {
    Told(Told),
    /// Its stdout is closed: it has ended, or is about to.
    Closed,
}

struct Job<'p> {
    spec: &'p RunSpec,
    child: Child,
    /// Bytes of the log that are of earlier processes of the run.
    said_before: u64,
}

/// Name of the file in a run's folder that takes its messages.
const LOG: &str = "log.txt";

/// Runs what is waiting, in that order; returns what failed. No process is left behind.
pub(super) fn run(
    plan: &Plan,
    dir: &Path,
    waiting: Vec<&RunSpec>,
    settings: &Settings,
) -> anyhow::Result<Vec<Failure>> {
    let mut running = Vec::new();
    let failed = run_all(plan, dir, waiting, settings, &mut running);
    // There are some if it ended with an error, which is the one to report.
    stop(&mut running);
    for mut job in running {
        let _ = job.child.wait();
    }
    failed
}

fn run_all<'p>(
    plan: &Plan,
    dir: &Path,
    mut waiting: Vec<&'p RunSpec>,
    settings: &Settings,
    running: &mut Vec<Job<'p>>,
) -> anyhow::Result<Vec<Failure>> {
    let (sender, receiver) = channel();
    let mut display = Display::new(settings.jobs, save(plan, dir)?);
    let mut failed = Vec::new();
    loop {
        while running.len() < settings.jobs && !interrupt::requested() {
            let Some(ready) = waiting.iter().position(|spec| is_ready(spec, &waiting, running)) else { break };
            let spec = waiting.remove(ready);
            running.push(start(dir, spec, settings, sender.clone())?);
            display.begin(spec);
        }
        if running.is_empty() {
            return Ok(failed);
        }
        if interrupt::requested() {
            stop(running);
        }
        display.show(running.iter().map(|job| job.spec), &waiting);
        let Some((id, message)) = next(&receiver) else { continue };
        match message {
            Message::Told(told) => display.tell(&id, told),
            Message::Closed => {
                let at = running.iter().position(|job| job.spec.run.id == id).expect("every process is one of ours");
                let mut job = running.swap_remove(at);
                let status = job.child.wait().with_context(|| format!("cannot wait for {id}"))?;
                match ended(dir, &job, status)? {
                    Ended::Done => display.results(save(plan, dir)?),
                    Ended::Stopped => {}
                    Ended::Failed(failure) => failed.push(failure),
                }
                display.end(job.spec, failed.last());
            }
        }
    }
}

/// Asks processes to end: each sees the end of its stdin, saves a checkpoint and ends.
fn stop(running: &mut [Job<'_>]) {
    running.iter_mut().for_each(|job| drop(job.child.stdin.take()));
}

/// Whether the run has ended whose model or posts this one begins with.
fn is_ready(spec: &RunSpec, waiting: &[&RunSpec], running: &[Job<'_>]) -> bool {
    let Some(before) = spec.run.choice.as_ref().and_then(|choice| choice.after.as_ref()) else { return true };
    let mut others = waiting.iter().copied().chain(running.iter().map(|job| job.spec));
    !others.any(|other| other.run.id == *before)
}

enum Ended {
    Done,
    Stopped,
    Failed(Failure),
}

/// How a run ended; a failure is recorded in its folder.
fn ended(dir: &Path, &Job { spec, said_before, .. }: &Job<'_>, status: ExitStatus) -> anyhow::Result<Ended> {
    let folder = run_folder(dir, &spec.run.id);
    if RunResult::read(&folder)?.is_some_and(|result| result.answers(spec)) {
        return Ok(Ended::Done);
    }
    if status.success() && interrupt::requested() {
        return Ok(Ended::Stopped);
    }
    let log = std::fs::read(folder.join(LOG)).unwrap_or_default();
    let log = String::from_utf8_lossy(log.get(said_before as usize..).unwrap_or_default());
    let said = log.rfind("error: ").map(|at| log[at..].trim().trim_start_matches("error: ").to_owned());
    let error = said.filter(|_| status.code() == Some(1) || status.code() == Some(2));
    let error = error.unwrap_or_else(|| format!("it ended with {status}"));
    let failure = Failure::new(spec.run.id.as_str(), error);
    failure.write(&folder)?;
    Ok(Ended::Failed(failure))
}

fn start<'p>(
    dir: &Path,
    spec: &'p RunSpec,
    settings: &Settings,
    sender: Sender<(String, Message)>,
) -> anyhow::Result<Job<'p>> {
    let folder = run_folder(dir, &spec.run.id);
    let path = file_of(&folder, LOG)?;
    let log = OpenOptions::new().create(true).append(true).open(&path);
    let log = log.with_context(|| format!("cannot write {}", path.display()))?;
    let said_before = log.metadata().map_or(0, |log| log.len());
    let program = std::env::current_exe().context("cannot find this program")?;
    let mut child = Command::new(program)
        .args(["--threads", &settings.threads.to_string(), "experiment-run"])
        .arg(&folder)
        .args(settings.device.to_args())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .with_context(|| format!("cannot start {}", spec.run.id))?;
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    let id = spec.run.id.clone();
    std::thread::spawn(move || {
        // Sending fails only if this process is ending: then there is nobody to tell.
        for line in stdout.lines().map_while(Result::ok) {
            if let Ok(told) = serde_json::from_str(&line) {
                let _ = sender.send((id.clone(), Message::Told(told)));
            }
        }
        let _ = sender.send((id, Message::Closed));
    });
    Ok(Job { spec, child, said_before })
}

/// The next message; `None` after a fifth of a second, so that the caller can look at the clock and
/// at Ctrl-C.
fn next(receiver: &Receiver<(String, Message)>) -> Option<(String, Message)> {
    match receiver.recv_timeout(Duration::from_millis(200)) {
        Ok(message) => Some(message),
        Err(RecvTimeoutError::Timeout) => None,
        Err(RecvTimeoutError::Disconnected) => unreachable!("we hold a sender"),
    }
}
