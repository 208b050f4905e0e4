//! `smvae report`: runs as an HTML page, or as tables in the terminal.

use crate::failure::Usage;
use crate::inputs::{Inputs, is_page};
use crate::output;
use crate::progress::say;
use crate::summary_table;
use clap::Args;
use smvae::report::{
    Answer, ImageBudget, LabelsPoint, Report, RunReport, SplitReport, SuggestedPost, Thumbnails, gather, html,
    image_ids, page_in, shell_word, suggestions, text as sentence, utc,
};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

#[derive(Debug, Args)]
pub(crate) struct ReportArgs {
    /// A run folder, a folder of run folders, or the folder of an experiment.
    #[arg(value_name = "DIR")]
    folder: PathBuf,
    /// The page to write, a .html file; by default report.html in the folder.
    #[arg(long, value_name = "FILE", conflicts_with = "text")]
    out: Option<PathBuf>,
    /// A folder of images, which the page shows beside their posts; the id of an image is the name
    /// of its file without the extension.
    #[arg(long, value_name = "DIR", conflicts_with = "text")]
    images: Option<PathBuf>,
    /// Posts that `suggest` wrote as JSON lines, which the page lists with the reasons.
    #[arg(long, value_name = "FILE")]
    suggestions: Option<PathBuf>,
    /// Print the tables instead of writing a page.
    #[arg(long)]
    text: bool,
}

pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<()> {
    // Before the runs, which take time to read.
    let inputs = Inputs::default()
        .file("--suggestions", args.suggestions.as_deref())
        .pictures(args.images.as_deref())
        .results(&args.folder);
    output::check_apart([("--out", args.out.as_deref())], &inputs)?;
    // What is in the folder under another name is taken for an input the next time.
    let is_new_or_file = |path: &&Path| *path != Path::new("-") && (path.is_file() || !path.exists());
    if let Some(out) = args.out.as_deref().filter(is_new_or_file).filter(|out| !is_page(out)) {
        return Err(Usage(format!("--out {}: name a .html file", out.display())).into());
    }
    let suggested = args.suggestions.as_deref().map(suggestions).transpose()?;
    if let (Some([]), Some(file)) = (suggested.as_deref(), &args.suggestions) {
        say(format!("warning: {} holds no posts", file.display()));
    }
    let mut report = gather(&args.folder)?;
    report.suggested = suggested.unwrap_or_default();
    for (run, why) in &report.unreadable {
        say(format!("warning: {run} is left out: {why}"));
    }
    if args.text {
        return output::print(&text(&report));
    }
    let images = match &args.images {
        Some(folder) => Thumbnails::make(folder, image_ids(&report), ImageBudget::default())?,
        None => Thumbnails::default(),
    };
    report.command = Some(command());
    report.date = Some(utc(SystemTime::now()));
    let out = match &args.out {
        Some(out) => out.clone(),
        None => page_in(&args.folder)?,
    };
    let page = html(&report, &images);
    output::write(&out, &page)?;
    let mib = page.len() as f64 / f64::from(1 << 20);
    let (runs, shown) = (report.runs.len(), images.urls.len());
    let texts = if runs + report.suggested.len() > 0 { "; the page contains the text of posts" } else { "" };
    say(format!("runs: {runs}, images: {shown}, {mib:.1} MiB{texts}"));
    output::print(&format!("{}\n", out.display()))
}

/// The command as it was given, but for the place of the program.
fn command() -> String {
    let words = std::env::args_os().skip(1).map(|word| shell_word(&word.to_string_lossy()));
    std::iter::once("smvae".to_owned()).chain(words).collect::<Vec<_>>().join(" ")
}

/// The answer of a report, what it rests on, and what has to be known to judge it.
fn answer(answer: &Answer) -> String {
    let mut lines = vec![sentence(&answer.headline) + ".\n"];
    for comparison in &answer.comparisons {
        let (place, says) = (&comparison.place, sentence(&comparison.headline));
        lines.push(format!("\n{place}\n    {says}.\n    {}\n", comparison.explanation));
    }
    lines.extend(answer.notes.iter().map(|note| format!("\n{note}\n")));
    lines.concat()
}

/// The answer and every table of a report.
fn text(report: &Report) -> String {
    let mut parts = Vec::new();
    if !report.answer.headline.is_empty() {
        parts.push(answer(&report.answer));
    }
    if !report.runs.is_empty() {
        parts.push(runs(&report.runs));
    }
    if let Some(summary) = &report.summary {
        parts.push(summary_table::summary(summary));
    } else if !report.points.is_empty() {
        parts.push(format!("F1 by number of labels\n\n{}", points(&report.points)));
    }
    for run in &report.runs {
        for split in &run.splits {
            let name = split.split.name();
            let title = format!("{}, {name}", run.name);
            parts.push(format!(
                "{title}\n\n{}\n{}\n{}{}",
                types(split),
                outcomes(split),
                confusion(split),
                calibration(split)
            ));
        }
    }
    if !report.suggested.is_empty() {
        parts.push(format!("What to label next\n\n{}", suggested(&report.suggested)));
    }
    parts.join("\n")
}

/// Each in two lines, since texts are long, without what a terminal would take for a command.
fn suggested(posts: &[SuggestedPost]) -> String {
    let lines = |post: &SuggestedPost| {
        let plain = |text: &str| text.replace(char::is_control, " ").split_whitespace().collect::<Vec<_>>().join(" ");
        let words = plain(&post.parts.iter().map(|part| part.text.as_str()).collect::<String>());
        let priority = &post.priority;
        let for_dev = if priority.for_dev { ", for dev" } else { "" };
        let (rank, reason, score) = (priority.rank, plain(&priority.reason), two(priority.score.into()));
        format!("{rank:>5}  {words}\n       {reason}, score {score}{for_dev}\n")
    };
    posts.iter().map(lines).collect()
}

fn runs(runs: &[RunReport]) -> String {
    let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let row = |run: &RunReport| {
        let dev = |of: fn(smvae::core::metrics::Counts) -> f64| or_dash(run.dev.as_ref().map(|s| two(of(s.overall))));
        let stopped = run.stopped_before.map_or_else(String::new, |n| format!(", stopped before {n} epochs"));
        [
            run.name.clone(),
            run.method.clone(),
            or_dash(run.labelled.map(|n| n.to_string())),
            run.seed.to_string(),
            format!("{} of {}{stopped}", or_dash(run.best_epoch.map(|n| n.to_string())), run.epochs),
            dev(|c| c.precision()),
            dev(|c| c.recall()),
            dev(|c| c.f1()),
            or_dash(run.test_f1.map(two)),
        ]
    };
    let header = ["run", "method", "labelled", "seed", "best epoch", "dev P", "dev R", "dev F1", "test F1"];
    output::table(&header, runs.iter().map(row))
}

fn points(points: &[LabelsPoint]) -> String {
    let row = |p: &LabelsPoint| {
        let interval = p.low.zip(p.high).map(|(low, high)| format!("{} to {}", two(low), two(high)));
        let [deviation, interval] = [p.deviation.map(two), interval].map(Option::unwrap_or_default);
        let (labelled, n) = (p.labelled.to_string(), p.n.to_string());
        [p.method.clone(), p.corpus.clone(), labelled, p.split.to_owned(), two(p.mean), deviation, interval, n]
    };
    let header = ["method", "corpus", "labelled", "split", "F1", "deviation", "95 % interval", "runs"];
    output::table(&header, points.iter().map(row))
}

fn types(split: &SplitReport) -> String {
    let rows = split.types.iter().map(|row| {
        let counts = [row.gold, row.predicted, row.correct].map(|n| n.to_string());
        [row.name.clone(), two(row.precision), two(row.recall), two(row.f1)].into_iter().chain(counts)
    });
    output::table(&["type", "P", "R", "F1", "gold", "predicted", "correct"], rows)
}

fn outcomes(split: &SplitReport) -> String {
    use smvae::core::confusion::Outcome;
    let name = |outcome| match outcome {
        Outcome::Correct => "found",
        Outcome::Missed => "missed",
        Outcome::Spurious => "spurious",
        Outcome::WrongType => "wrong type",
        Outcome::WrongBoundary => "wrong boundary",
    };
    let rows = split
        .outcomes
        .iter()
        .map(|row| [name(row.outcome).to_owned(), row.gold.to_string(), row.predicted.to_string()]);
    output::table(&["entities", "gold", "predicted"], rows)
}

fn confusion(split: &SplitReport) -> String {
    let header: Vec<&str> =
        std::iter::once("gold \\ predicted").chain(split.labels.iter().map(String::as_str)).collect();
    let rows = split.labels.iter().zip(&split.confusion);
    let row = |(label, row): (&String, &Vec<usize>)| {
        std::iter::once(label.clone()).chain(row.iter().map(ToString::to_string)).collect::<Vec<_>>()
    };
    output::table(&header, rows.map(row))
}

fn calibration(split: &SplitReport) -> String {
    let Some(c) = &split.calibration else { return String::new() };
    let on = c.fitted_on.name();
    let (before, after) = (100.0 * c.error_before, 100.0 * c.error_after);
    let [shown_before, shown_after] = [before, after].map(|error| format!("{error:.1}"));
    let worse = if after > before && shown_after != shown_before { ", which made it worse" } else { "" };
    format!(
        "\nexpected calibration error {shown_before} %, {shown_after} % at temperature {:.2} fitted on {on}{worse}\n",
        c.temperature
    )
}

/// With two decimals.
fn two(x: f64) -> String {
    format!("{x:.2}")
}
