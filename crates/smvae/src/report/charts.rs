//! The charts of a report, made of its numbers: F1 against labelled posts, the curves of all runs
//! by method, and reliability.
//!
//! A panel is a corpus or, for curves, a corpus and a number of labelled posts. Methods have one
//! colour and shape in all of them. Each panel is there in two sizes; the page shows one.

use crate::experiment::statistics::Difference;
use crate::report::gather::Report;
use crate::report::labels::LabelsPoint;
use crate::report::place::Place;
use crate::report::plot::{Across, Key, Line, Plot, plot, range};
use crate::report::run::RunReport;
use crate::report::scores::method_of_run;
use crate::report::split::Calibration;
use crate::report::titles::count;
use serde::Serialize;
use smvae_core::calibration::Bin;

/// A panel's size on a wide window, if it is the only one, and else.
const WIDE: (f64, f64) = (660.0, 300.0);
const NARROW: (f64, f64) = (310.0, 230.0);

/// Panels that share their lines' names.
#[derive(Debug, Default, Serialize)]
pub(super) struct Chart {
    keys: Vec<Key>,
    panels: Vec<Panel>,
}

#[derive(Debug, Serialize)]
struct Panel {
    title: String,
    /// What it shows, for who does not see it.
    description: String,
    wide: Plot,
    narrow: Plot,
}

/// Everything the page shows as a chart, but for what a reader chooses.
#[derive(Debug, Serialize)]
pub(super) struct Charts {
    labels: Chart,
    methods: Chart,
}

impl Charts {
    pub(super) fn of(report: &Report) -> Self {
        let mut names: Vec<String> = report.points.iter().map(|point| point.method.clone()).collect();
        let lines: Vec<String> = report.runs.iter().map(|run| method_of(run, report)).collect();
        names.extend(lines.iter().cloned());
        // The baseline first, then in the order of the alphabet, whatever the folder's order is.
        names.sort_by_key(|name| (Some(name) != baseline(report), name.clone()));
        names.dedup();
        Self { labels: labels(&report.points, &names), methods: methods(&report.runs, &lines, &names) }
    }
}

fn baseline(report: &Report) -> Option<&String> {
    report.summary.as_ref()?.baseline.as_ref()
}

/// The name of a run's line.
fn method_of(run: &RunReport, report: &Report) -> String {
    let cut = run.place.as_ref().and_then(|place| place.dev_labels);
    let method = if report.summary.is_some() { run.method.clone() } else { method_of_run(run, &report.runs) };
    cut.map_or(method.clone(), |n| format!("{method}, dev of {n}"))
}

fn style(name: &str, names: &[String]) -> usize {
    names.iter().position(|other| other == name).unwrap_or(0)
}

/// Keys of those methods that have a line.
fn keys<'a>(used: impl Iterator<Item = &'a str>, names: &[String]) -> Vec<Key> {
    let mut styles: Vec<usize> = used.map(|name| style(name, names)).collect();
    styles.sort_unstable();
    styles.dedup();
    styles.into_iter().map(|style| Key::new(style, &names[style])).collect()
}

fn panel(title: String, description: String, lines: &[Line], across: Across<'_>, up: (f64, f64)) -> Panel {
    Panel { title, description, wide: plot(lines, across, up, WIDE), narrow: plot(lines, across, up, NARROW) }
}

/// One panel per corpus that has more than one number of labelled posts, or repetitions.
fn labels(points: &[LabelsPoint], names: &[String]) -> Chart {
    let mut corpora: Vec<&str> = points.iter().map(|point| point.corpus.as_str()).collect();
    corpora.sort_unstable();
    corpora.dedup();
    let panels = corpora.iter().map(|corpus| {
        let here: Vec<&LabelsPoint> = points.iter().filter(|point| point.corpus == *corpus).collect();
        let mut across: Vec<usize> = here.iter().map(|point| point.labelled).collect();
        across.sort_unstable();
        across.dedup();
        let lines: Vec<Line> = names.iter().enumerate().filter_map(|(i, name)| labels_line(i, name, &here)).collect();
        // Intervals of two or three runs may be wider than all there is to see.
        let up = range(here.iter().flat_map(|point| point.values.iter().copied()));
        let room = (up.1 - up.0) * 0.15;
        let up = ((up.0 - room).max(0.0), (up.1 + room).min(100.5));
        let on = format!("on {}", here[0].split);
        let description = format!("F1 {on} of {} by number of labelled posts", count(lines.len(), "method"));
        let title = if corpus.is_empty() { on } else { format!("{corpus}, {on}") };
        panel(title, description, &lines, Across::Posts(&across), up)
    });
    Chart { panels: panels.collect(), keys: keys(points.iter().map(|point| point.method.as_str()), names) }
}

fn labels_line(style: usize, method: &str, points: &[&LabelsPoint]) -> Option<Line> {
    let mut here: Vec<&&LabelsPoint> = points.iter().filter(|point| point.method == method).collect();
    here.sort_by_key(|point| point.labelled);
    let at = |point: &LabelsPoint| point.labelled as f64;
    let line = Line {
        style,
        points: here.iter().map(|point| (at(point), point.mean)).collect(),
        intervals: here.iter().filter_map(|point| Some((at(point), point.low?, point.high?))).collect(),
        values: here
            .iter()
            .filter(|point| point.n > 1)
            .flat_map(|point| point.values.iter().map(|value| (at(point), *value)))
            .collect(),
        ..Line::default()
    };
    (!line.points.is_empty()).then_some(line)
}

/// F1 on dev by epoch: one panel per corpus and number of labelled posts, those with most runs
/// first. Runs are thin lines, and a method's mean is drawn where all of its runs have been
/// evaluated.
fn methods(runs: &[RunReport], lines: &[String], names: &[String]) -> Chart {
    let mut places: Vec<(Place, Vec<usize>)> = Vec::new();
    for (i, run) in runs.iter().enumerate() {
        let Some(place) = run.place.clone().filter(|_| curve(run).len() > 1) else { continue };
        let place = Place { dev_labels: None, ..place };
        match places.iter_mut().find(|(other, _)| *other == place) {
            Some((_, here)) => here.push(i),
            None => places.push((place, vec![i])),
        }
    }
    // The curve of a single run is among its own.
    if runs.len() < 2 || places.is_empty() {
        return Chart::default();
    }
    places.sort_by_key(|(_, runs)| std::cmp::Reverse(runs.len()));
    let used = places.iter().flat_map(|(_, here)| here.iter().map(|i| lines[*i].as_str()));
    let keys = keys(used, names);
    let panels = places.iter().map(|(place, here)| {
        let of = |(style, name): (usize, &String)| {
            let curves: Vec<Vec<(f64, f64)>> =
                here.iter().filter(|i| &lines[**i] == name).map(|i| curve(&runs[*i])).collect();
            (!curves.is_empty()).then(|| method_line(style, curves))
        };
        let drawn: Vec<Line> = names.iter().enumerate().filter_map(of).collect();
        let all = || here.iter().flat_map(|i| curve(&runs[*i]));
        let last = all().fold(0.0, |last: f64, (epoch, _)| last.max(epoch));
        let up = range(all().map(|(_, f1)| f1).collect::<Vec<_>>().into_iter());
        let what = (count(drawn.len(), "method"), count(here.len(), "run"));
        let description = format!("F1 on dev by epoch, of {} in {}", what.0, what.1);
        panel(place.words(), description, &drawn, Across::Epochs(last as usize), up)
    });
    Chart { panels: panels.collect(), keys }
}

/// F1 on dev by epoch.
fn curve(run: &RunReport) -> Vec<(f64, f64)> {
    let f1 = run.curves.iter().find(|curve| curve.name == "dev.f1");
    let values = f1.map_or(&[][..], |curve| curve.values.as_slice());
    run.x.iter().zip(values).filter_map(|(epoch, value)| Some((*epoch as f64, (*value)?))).collect()
}

fn method_line(style: usize, mut curves: Vec<Vec<(f64, f64)>>) -> Line {
    if let [_] = curves.as_slice() {
        return Line { style, points: curves.swap_remove(0), ..Line::default() };
    }
    let mean = |&(epoch, _): &(f64, f64)| {
        let at = |curve: &Vec<(f64, f64)>| curve.iter().find(|point| point.0 == epoch).map(|point| point.1);
        let values: Option<Vec<f64>> = curves.iter().map(at).collect();
        values.map(|values| (epoch, values.iter().sum::<f64>() / values.len() as f64))
    };
    let points = curves[0].iter().filter_map(mean).collect();
    Line { style, points, faint: curves, ..Line::default() }
}

/// An interval as shares of the width of a picture that has 0 in its middle, in percent.
#[derive(Debug, Serialize)]
pub(super) struct Strip {
    mean: f64,
    from: f64,
    width: f64,
    /// Whether it goes on to the left or to the right.
    cut: [bool; 2],
}

impl Strip {
    /// `limit` is the difference at either side.
    pub(super) fn new(mean: f64, low: f64, high: f64, limit: f64) -> Self {
        let at = |x: f64| (50.0 + 50.0 * x / limit).clamp(0.0, 100.0);
        Self { mean: at(mean), from: at(low), width: at(high) - at(low), cut: [low < -limit, high > limit] }
    }
}

/// A limit for strips: the largest end of an interval, unless it is far beyond all means.
pub(super) fn limit<'a>(differences: impl Iterator<Item = &'a Difference> + Clone) -> f64 {
    let mean = differences.clone().map(|d| d.mean.abs()).fold(0.0, f64::max);
    let ends = differences.filter_map(|d| Some(d.low?.abs().max(d.high?.abs())));
    ends.fold(mean, f64::max).min(3.0 * mean).max(0.5) * 1.05
}

/// Precision against score, before and after scaling.
pub(super) fn reliability(calibration: &Calibration) -> Chart {
    let points = |bins: &[Bin]| bins.iter().filter(|b| b.n > 0).map(|b| (b.mean_score, b.precision)).collect();
    let ideal = vec![vec![(0.0, 0.0), (1.0, 1.0)]];
    let before = Line { style: 0, points: points(&calibration.before), faint: ideal, ..Line::default() };
    let after = Line { style: 1, points: points(&calibration.after), ..Line::default() };
    let lines = [before, after];
    let description = "Precision against score, before and after temperature scaling".to_owned();
    Chart {
        keys: vec![Key::new(0, "scores as they are"), Key::new(1, "scaled by temperature")],
        panels: vec![panel(String::new(), description, &lines, Across::Probability, (0.0, 1.02))],
    }
}
