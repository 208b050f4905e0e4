//! A report as one HTML file that opens from disk without a network: styles, charts, data and
//! images are inside.
//!
//! Answer, tables and most charts are in the page itself, escaped by the template engine.
//! `assets/page.js` sorts tables, and draws the curves of a run and posts from JSON, which `tojson`
//! writes without `<`, `>`, `&` and `'`, so that no post can end its `<script>`. A policy in the
//! page (`Content-Security-Policy`) forbids every connection.

use crate::report::charts::{Chart, Charts, Strip, limit, reliability};
use crate::report::gather::Report;
use crate::report::images::Thumbnails;
use crate::report::run::{RunReport, defaults};
use crate::report::split::SplitReport;
use crate::report::titles;
use crate::scoring::entity::ScoredEntity;
use minijinja::{AutoEscape, Environment, Value, context};
use serde::Serialize;
use smvae_core::Entity;
use smvae_core::confusion::Outcome;
use smvae_data::Split;
use std::collections::{BTreeMap, HashMap};

/// The most runs whose posts a page holds: a thousand posts of a run take about 200 kB.
const RUNS_WITH_POSTS: usize = 12;
/// Suggested posts that are shown before somebody asks for more, and the most that a page holds.
const SUGGESTED_AT_FIRST: usize = 50;
const SUGGESTED: usize = 500;

/// The templates, by the names that they call each other.
const TEMPLATES: [(&str, &str); 7] = [
    ("page.html", include_str!("assets/page.html")),
    ("answer.html", include_str!("assets/answer.html")),
    ("tables.html", include_str!("assets/tables.html")),
    ("run.html", include_str!("assets/run.html")),
    ("posts.html", include_str!("assets/posts.html")),
    ("suggested.html", include_str!("assets/suggested.html")),
    ("plot.html", include_str!("assets/plot.html")),
];

/// Writes a report as HTML, with these images beside its posts.
pub fn html(report: &Report, images: &Thumbnails) -> String {
    let environment = environment();
    let template = environment.get_template("page.html").expect("it is among our own");
    let data = Data::new(report, images);
    let order = best_first(report);
    // The best whose posts are shown, so that something is to be seen of it.
    let chosen = order.iter().find(|i| !data.runs[**i].posts.is_empty()).or(order.first());
    let with_posts = data.runs.iter().filter(|run| !run.posts.is_empty()).count();
    let rows = report.summary.iter().flat_map(|summary| &summary.rows);
    let of_rows = rows.filter_map(|row| row.test.as_ref().unwrap_or(&row.dev).difference.as_ref());
    let compared = report.answer.comparisons.iter().filter_map(|comparison| comparison.difference.as_ref());
    let context = context! {
        report,
        charts => Charts::of(report),
        reliability => report.runs.iter().map(reliability_of).collect::<Vec<_>>(),
        limits => context! { answer => limit(compared), rows => limit(of_rows) },
        defaults => defaults(),
        suggested => context! { first => SUGGESTED_AT_FIRST, most => SUGGESTED, marked => marked(report) },
        images => context! { n => images.urls.len(), unreadable => images.unreadable, left_out => images.left_out },
        with_posts,
        order => order,
        chosen,
        data,
        version => env!("CARGO_PKG_VERSION"),
        css => include_str!("assets/page.css"),
        js => include_str!("assets/page.js"),
        chart_css => include_str!("vendor/uPlot.min.css"),
        chart_js => include_str!("vendor/uPlot.iife.min.js"),
    };
    template.render(context).expect("the template asks for what is given")
}

fn environment() -> Environment<'static> {
    let mut environment = Environment::new();
    environment.set_auto_escape_callback(|_| AutoEscape::Html);
    environment.add_filter("fixed", |x: f64, digits: usize| format!("{x:.digits$}"));
    environment.add_filter("signed", |x: f64, digits: usize| format!("{x:+.digits$}"));
    environment.add_filter("in_words", |json: String| titles::of_value(&json));
    environment.add_filter("list_words", |names: Vec<String>| titles::list(&names));
    environment.add_filter("count", |n: usize, noun: String| titles::count(n, &noun));
    environment.add_function("strip", |mean: f64, low: f64, high: f64, limit: f64| {
        Value::from_serialize(Strip::new(mean, low, high, limit))
    });
    for (name, source) in TEMPLATES {
        environment.add_template(name, source).expect("our own template, which the tests render");
    }
    environment
}

/// The charts of a run's splits, in their order.
fn reliability_of(run: &RunReport) -> Vec<Option<Chart>> {
    run.splits.iter().map(|split| split.calibration.as_ref().map(reliability)).collect()
}

/// Whether a model found something in suggested posts.
fn marked(report: &Report) -> bool {
    report.suggested.iter().flat_map(|post| &post.parts).any(|part| part.label.is_some())
}

/// Ids of the images that a page could show: of suggested posts, then of dev's posts in the runs
/// whose posts it shows, in their order.
pub fn image_ids(report: &Report) -> impl Iterator<Item = &str> {
    let shown = runs_with_posts(report);
    let runs = report.runs.iter().enumerate().filter(move |(i, _)| shown.contains(i));
    let splits = runs.filter_map(|(_, run)| run.split(Split::Dev));
    let of_dev = splits.flat_map(|split| split.posts.iter().map(|post| post.image_id.as_str()));
    report.suggested.iter().take(SUGGESTED).filter_map(|post| post.image_id.as_deref()).chain(of_dev)
}

/// What `page.js` reads.
#[derive(Serialize)]
struct Data<'a> {
    runs: Vec<RunData<'a>>,
    texts: Vec<Text<'a>>,
    images: &'a BTreeMap<String, String>,
}

#[derive(Serialize)]
struct RunData<'a> {
    x: &'a [usize],
    curves: &'a [super::Curve],
    posts: Vec<PostData<'a>>,
}

/// A post's words, once for all runs.
#[derive(Serialize)]
struct Text<'a> {
    id: &'a str,
    words: &'a [String],
}

/// What a run finds in a text: entities as first word, word after the last, label, outcome and, of
/// those found, score.
#[derive(Serialize)]
struct PostData<'a> {
    text: usize,
    /// What the run read with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    caption: Option<&'a str>,
    gold: Vec<(usize, usize, &'a str, Outcome)>,
    found: Vec<Found<'a>>,
    /// What the same model finds from the text alone, where that is something else.
    #[serde(skip_serializing_if = "Option::is_none")]
    text_alone: Option<Vec<Found<'a>>>,
    /// Mistakes fewer than from the text alone.
    #[serde(skip_serializing_if = "is_zero")]
    gain: i64,
}

type Found<'a> = (usize, usize, &'a str, Outcome, f32);

fn found<'a>(entities: &'a [ScoredEntity], outcomes: &[Outcome]) -> Vec<Found<'a>> {
    let found = entities.iter().zip(outcomes);
    found.map(|(e, o)| (e.words.start, e.words.end, e.label.as_str(), *o, e.score)).collect()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "what serde asks for")]
fn is_zero(gain: &i64) -> bool {
    *gain == 0
}

impl<'a> Data<'a> {
    fn new(report: &'a Report, images: &'a Thumbnails) -> Self {
        let shown = runs_with_posts(report);
        let mut texts = Texts::default();
        let run = |(i, run): (usize, &'a RunReport)| RunData {
            x: &run.x,
            curves: &run.curves,
            posts: match run.split(Split::Dev) {
                Some(dev) if shown.contains(&i) => texts.posts(dev),
                _ => Vec::new(),
            },
        };
        let runs = report.runs.iter().enumerate().map(run).collect();
        Self { runs, texts: texts.all, images: &images.urls }
    }
}

/// The runs by their F1 on dev, the best first.
fn best_first(report: &Report) -> Vec<usize> {
    let f1 = |i: &usize| report.runs[*i].dev.as_ref().map_or(-1.0, |dev| dev.overall.f1());
    let mut order: Vec<usize> = (0..report.runs.len()).collect();
    order.sort_by(|a, b| f1(b).total_cmp(&f1(a)));
    order
}

/// The runs whose posts are shown: the best on dev of each method, then the second best, and so on.
fn runs_with_posts(report: &Report) -> Vec<usize> {
    let f1 = |i: &usize| report.runs[*i].split(Split::Dev).map_or(0.0, |dev| dev.overall().f1);
    let mut order: Vec<usize> =
        (0..report.runs.len()).filter(|i| report.runs[*i].split(Split::Dev).is_some()).collect();
    order.sort_by(|a, b| f1(b).total_cmp(&f1(a)));
    let mut rank: HashMap<(Option<&str>, &str), usize> = HashMap::new();
    let mut ranked: Vec<(usize, usize)> = Vec::new();
    for i in order {
        let rank = rank.entry((report.runs[i].corpus.as_deref(), &report.runs[i].method)).or_default();
        ranked.push((*rank, i));
        *rank += 1;
    }
    ranked.sort_by_key(|(rank, _)| *rank);
    ranked.into_iter().take(RUNS_WITH_POSTS).map(|(_, i)| i).collect()
}

/// Texts by their content.
#[derive(Default)]
struct Texts<'a> {
    all: Vec<Text<'a>>,
    index: HashMap<(&'a str, &'a [String]), usize>,
}

impl<'a> Texts<'a> {
    fn posts(&mut self, split: &'a SplitReport) -> Vec<PostData<'a>> {
        let mut posts = Vec::with_capacity(split.posts.len());
        let mut alone = split.text_alone.iter().flat_map(|text_alone| &text_alone.posts);
        for (post, judged) in split.posts.iter().zip(&split.judged) {
            let (id, words) = (post.image_id.as_str(), post.words.as_slice());
            let text = *self.index.entry((id, words)).or_insert_with(|| {
                self.all.push(Text { id, words });
                self.all.len() - 1
            });
            let gold =
                post.gold.iter().zip(&judged.gold).map(|(e, o)| (e.words.start, e.words.end, e.label.as_str(), *o));
            let (gold, found_here) = (gold.collect(), found(&post.entities, &judged.predicted));
            let (alone, gain) = alone.next().map_or((None, 0), |alone| {
                let is_other = post.found_entities() != alone.entities.iter().map(Entity::from).collect::<Vec<_>>();
                (is_other.then(|| found(&alone.entities, &alone.outcomes)), alone.gain)
            });
            let caption = post.caption.as_deref();
            posts.push(PostData { text, caption, gold, found: found_here, text_alone: alone, gain });
        }
        posts
    }
}
