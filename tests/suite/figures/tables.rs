//! The generated blocks of README.md, RESULTS.md, experiments/README.md and docs/gpu.md, by name.
//! Figures that were measured elsewhere, by programs or runs that are not kept, are constants here,
//! with their source.

use super::driver_calls::driver_calls;
use super::lookup::{Cell, Results, compared_with, difference, mean, mean_of};
use smvae::core::metrics::Scores;
use smvae::experiment::results::LabellingCost;
use smvae::experiment::{Difference, RunResult, Summary, SummaryRow};
use std::collections::{BTreeMap, BTreeSet};

/// Markdown of a block.
pub(super) fn block(results: &Results, name: &str) -> String {
    match name {
        "findings" => findings(results),
        "pytorch" => pytorch(results),
        "unlabelled" => unlabelled(results),
        "images" => images(results),
        "options" => options(results),
        "calibration" => calibration(),
        "settings" => settings(),
        "means" => means(results.rows("supervised"), "supervised"),
        "chosen" => chosen(results),
        "labelling" => means(rows(&results.labelling, "supervised"), "supervised"),
        "labelling by cost" => labelling_by_cost(results),
        "captions of whom" => captions_of_whom(results),
        "captions" => means(rows(&results.captions, "text"), "text"),
        "mpnet" => means(rows(&results.mpnet, "supervised"), "supervised"),
        "mpnet together" => mpnet_together(results),
        "mpnet by the authors' protocol" => mpnet_by_authors_protocol(results),
        "bf16" => means(rows(&results.bf16, "text"), "text"),
        "draws" => draws(results),
        "types" => by_label(&results.few_labels, ["supervised", "teachers"]),
        "captions by label" => by_label(&results.captions, ["text", "caption"]),
        "every option" => every_option(results),
        "driver calls" => driver_calls(),
        _ => panic!("there is no block {name:?}"),
    }
}

const YEARS: [&str; 2] = ["2017", "2015"];

/// README: what a stranger wants to know first.
fn findings(results: &Results) -> String {
    let row = |name: &str, cell: &dyn Fn(&str) -> String| [vec![name.to_owned()], YEARS.map(cell).to_vec()].concat();
    let rows = [
        row("F1 with all labels (3373 and 4000 tweets), one run", &|year| results.mean(Cell(year, "all", "full"))),
        row("F1 with all labels and MPNet, a text encoder of BERT-base's size", &|year| results.mpnet(year, "full")),
        row("F1 with 100 labelled tweets", &|year| results.mean(Cell(year, "100", "supervised"))),
        row("F1 with 100 labelled tweets and MPNet", &|year| results.mpnet(year, "supervised")),
        row("gain from the unlabelled rest, by a student of three teachers", &|year| {
            results.minus(Cell(year, "100", "teachers"), "supervised")
        }),
        row("gain from the unlabelled rest, by the paper's objective", &|year| {
            results.minus(Cell(year, "100", "paper"), "supervised")
        }),
        row("gain from posts that `suggest` chose, with such a student", &|year| {
            results.labelling_minus(year, "entities-teachers")
        }),
        row("gain from images over text alone, with 100 labels", &|year| {
            results.minus(Cell(year, "100", "supervised"), "text")
        }),
    ];
    table(&["", "Twitter2017", "Twitter2015"], rows)
}

/// RESULTS, question 1. The columns of the default settings are runs of 2026-11-23 that are not
/// kept; since then a seed draws other noise. PyTorch's: the reference of this project, one run
/// each. Published: Zhou et al., EMNLP 2022.
fn pytorch(results: &Results) -> String {
    let rows = [
        ("2017", "all", "full", "83.15 (one run)", "83.39", "86.37"),
        ("2015", "all", "full", "", "72.92", "75.07"),
        ("2017", "100", "supervised", "65.72 ± 2.40", "65.42 and 64.19 (two schedules)", ""),
        ("2017", "100", "paper", "66.61 ± 2.90", "66.81", ""),
    ];
    let rows = rows.map(|(year, labels, method, defaults, peer, published)| {
        let tuned = results.mean(Cell(year, labels, method));
        let what = if labels == "all" { "all labels".to_owned() } else { format!("{labels} labels, {method}") };
        [format!("{year}, {what}"), peer.to_owned(), defaults.to_owned(), tuned, published.to_owned()]
    });
    let with_mpnet = [
        ("2017", "all labels", "full", "86.85", "86.37"),
        ("2015", "all labels", "full", "", "75.07"),
        ("2017", "100 labels", "supervised", "", ""),
        ("2015", "100 labels", "supervised", "", ""),
    ];
    let with_mpnet = with_mpnet.map(|(year, labels, method, peer, published)| {
        let what = format!("{year}, {labels}, MPNet");
        [what, peer.to_owned(), String::new(), results.mpnet(year, method), published.to_owned()]
    });
    let rows = rows.into_iter().chain(with_mpnet);
    let header = [
        "F1 on test",
        "PyTorch, one run",
        "ours, its settings",
        "ours, settings chosen on dev",
        "published, BERT-base",
    ];
    table(&header, rows)
}

/// RESULTS, question 2.
fn unlabelled(results: &Results) -> String {
    let places = YEARS.iter().flat_map(|year| ["50", "100", "200"].map(|labels| (*year, labels)));
    let rows = places.map(|(year, labels)| {
        let draws = if labels == "100" { "5" } else { "3" };
        let [supervised, teachers] = ["supervised", "teachers"].map(|method| Cell(year, labels, method));
        [
            format!("{year}, {labels} labels"),
            draws.to_owned(),
            results.mean(supervised),
            results.mean(teachers),
            results.minus(teachers, "supervised"),
        ]
    });
    table(&["F1 on test", "draws", "supervised", "teachers", "difference"], rows)
}

/// RESULTS, question 3.
fn images(results: &Results) -> String {
    let places = ["100", "all"].iter().flat_map(|labels| YEARS.map(|year| (year, *labels)));
    let rows = places.map(|(year, labels)| {
        let methods =
            if labels == "all" { ["full-text", "full", "full-shuffled"] } else { ["text", "supervised", "shuffled"] };
        let [text, own, other] = methods.map(|method| Cell(year, labels, method));
        [
            format!("{year}, {labels} labels"),
            results.mean(text),
            results.mean(own),
            results.mean(other),
            results.minus(own, text.2),
            results.minus(own, other.2),
        ]
    });
    let header =
        ["F1 on test", "text alone", "own image", "another tweet's", "own minus text alone", "own minus another's"];
    table(&header, rows)
}

/// RESULTS, question 4: those that a user may want to know of.
fn options(results: &Results) -> String {
    let rows = [
        ("`--tune-decision 1`", "supervised", "plain-decision"),
        ("`--word-shapes 1`", "supervised", "no-shapes"),
        ("`--negatives 10`", "negatives-10", "supervised"),
        ("z in the classifier (the default)", "supervised", "no-z"),
        ("`--freeze all`", "frozen", "supervised"),
        ("`--unlabelled-class marginal`", "marginal", "paper"),
    ];
    let rows = rows.map(|(name, with, without)| {
        let [with, without] = [with, without].map(|method| results.option(method));
        [name.to_owned(), format!("{with:.2}"), format!("{without:.2}"), format!("{:+.2}", with - without)]
    });
    table(&["F1 on dev, one run each", "with", "without", "difference"], rows)
}

/// RESULTS, question 5: `smvae report` of the runs of few-labels.toml, whose predictions are not
/// kept; means over five draws (all labels: one run). 2026-11-26.
fn calibration() -> String {
    let rows = [
        ["supervised, 100 labels", "16.5 % → 3.1 % (2.0 to 2.8)", "23.3 % → 2.7 % (2.1 to 4.1)"],
        ["teachers, 100 labels", "11.6 % → 2.4 % (1.6 to 1.9)", "19.2 % → 3.2 % (1.7 to 2.2)"],
        ["all labels", "8.9 % → 2.7 % (2.0)", "20.2 % → 3.5 % (3.2)"],
    ];
    let header = ["calibration error, before → after (temperatures)", "Twitter2017", "Twitter2015"];
    table(&header, rows.map(|row| row.map(str::to_owned)))
}

/// RESULTS: single runs that were made while the options were being written, by the program as it
/// stood then; not kept.
fn settings() -> String {
    let masked = "e. d, the encoder first trained for ten epochs on the split's words, masked (PyTorch, not kept)";
    let rows = [
        ["a. defaults: rates 5e-5 (encoder) and 1e-3, divergences at weight 1", "68.41", "64.57"],
        ["b. a, divergences at 0.01", "66.75", "64.08"],
        ["c. a, without VAE terms", "67.19", "63.14"],
        ["d. b, encoder's rate 1e-4", "69.39", ""],
        [masked, "68.86", ""],
        ["f. d, bias of `O` tuned", "70.01", "68.88"],
        ["g. f, encoder's rate 2e-4", "69.94", ""],
        ["h. f, with word shapes", "70.48", ""],
        ["i. f, as three teachers and a student", "71.92", ""],
    ];
    table(&["F1 on dev", "seed 1", "seed 2"], rows.map(|row| row.map(str::to_owned)))
}

/// A row for every method of an experiment.
fn rows(results: &[RunResult], baseline: &str) -> Vec<SummaryRow> {
    Summary::of(results, Some(baseline), results.len()).rows
}

/// experiments/README: every method, and what it is over the baseline.
fn means(rows: Vec<SummaryRow>, baseline: &str) -> String {
    let rows = rows.into_iter().filter(|row| row.test.is_some()).map(|row| {
        let dev = row.dev_labels.map_or_else(String::new, |n| format!(", dev of {n}"));
        let test = row.test.as_ref().expect("test was scored");
        let against = test.difference.as_ref().map_or_else(String::new, difference);
        let runs = test.n.to_string();
        // A run that another begins with may have left the test split closed.
        let more = if row.dev.n == test.n { String::new() } else { format!(" ({} runs)", row.dev.n) };
        [
            year(&row.corpus),
            format!("{}{dev}", row.labels),
            row.method.clone(),
            runs,
            mean(&row.dev) + &more,
            mean(test),
            against,
        ]
    });
    table(
        &["corpus", "labels", "method", "runs", "F1 on dev", "F1 on test", &format!("test, minus {baseline}")],
        by_corpus(rows),
    )
}

/// RESULTS, question 6: a hundred posts, at random or chosen, alone or with teachers.
fn chosen(results: &Results) -> String {
    let rows = YEARS.map(|year| {
        let methods = ["supervised", "entities", "teachers-negatives", "entities-teachers"];
        let means = methods.map(|method| mean(&results.labelling(year, method)));
        [vec![year.to_owned()], means.to_vec(), vec![results.labelling_minus(year, methods[3])]].concat()
    });
    let header = [
        "F1 on test, 100 labels",
        "random",
        "chosen",
        "random, teachers",
        "chosen, teachers",
        "chosen with teachers, minus random",
    ];
    table(&header, rows)
}

/// experiments/README: a post's own caption, and that of another post in its place.
fn captions_of_whom(results: &Results) -> String {
    let ways = [("behind the text", "caption"), ("behind the text and for the image expert", "caption-as-image")];
    let places = YEARS.iter().flat_map(|year| ways.map(|(place, method)| (*year, place, method)));
    let rows = places.map(|(year, place, method)| {
        let other = format!("other-{method}");
        let rows = rows(&results.captions, &other);
        let test = |method: &str| {
            let row = rows.iter().find(|row| row.corpus.ends_with(year) && row.method == method);
            row.and_then(|row| row.test.clone()).expect("test was scored")
        };
        let (own, others) = (test(method), test(&other));
        let against = difference(own.difference.as_ref().expect("pairs of runs"));
        [year.to_owned(), place.to_owned(), mean(&own), mean(&others), against]
    });
    table(&["corpus", "caption", "own", "another post's", "own minus another's"], rows)
}

/// experiments/README: three models, and the mean of their probabilities, as `smvae eval --json`
/// with each of them as `--model` has it (mpnet-together.json).
fn mpnet_together(results: &Results) -> String {
    let together = super::read("experiments/results/mpnet-together.json");
    let together: BTreeMap<String, serde_json::Value> = serde_json::from_str(&together).expect("JSON");
    let rows = YEARS.into_iter().flat_map(|year| {
        let (row, together) = (results.mpnet_row(year, "full"), &together[year]);
        [("dev", Some(row.dev)), ("test", row.test)].map(|(split, single)| {
            let single = single.expect("it was scored");
            let f1 = together[split]["f1"].as_f64().expect("a number");
            let difference = format!("{:+.2}", f1 - single.mean);
            [year.to_owned(), split.to_owned(), mean(&single), format!("{f1:.2}"), difference]
        })
    });
    table(&["corpus", "F1 on", "one model, three runs", "the three together", "difference"], rows)
}

/// experiments/README: the runs of MPNet with all labels, as `smvae eval --authors-protocol 0
/// --json` scores them (mpnet-authors-protocol.json).
fn mpnet_by_authors_protocol(results: &Results) -> String {
    let rows = YEARS.map(|year| {
        let test = results.mpnet_row(year, "full").test.expect("it was scored");
        let scored = results.mpnet_by_authors_protocol(year);
        assert_eq!(scored.len(), test.n, "every run of {year} is scored");
        let theirs = scored.iter().sum::<f64>() / scored.len() as f64;
        [year.to_owned(), mean(&test), mean_of(&scored), format!("{:+.2}", theirs - test.mean)]
    });
    table(&["corpus", "`eval`", "`eval --authors-protocol 0`", "difference"], rows)
}

/// Words and entities of the random posts of experiments/draws, means over five draws of 50, ten of
/// 100 and three of 200: labels, then words and entities of Twitter2017 and of Twitter2015. Counted
/// in the corpora.
const COSTS: [(&str, [[f64; 2]; 2]); 3] = [
    ("50", [[790.0, 89.0], [788.0, 78.0]]),
    ("100", [[1582.0, 179.0], [1603.0, 155.0]]),
    ("200", [[3209.0, 359.0], [3222.0, 322.0]]),
];

/// experiments/README: what chosen posts cost to label, and what random posts of that cost would
/// reach, between the numbers of labels that were tried on a logarithmic scale.
fn labelling_by_cost(results: &Results) -> String {
    let mut lines = Vec::new();
    for (i, year) in YEARS.into_iter().enumerate() {
        let f1 = |labels: &str| results.random_f1(year, labels);
        let random = |cost: usize, at: f64| {
            let known = COSTS.map(|(labels, costs)| (costs[i][cost].ln(), f1(labels)));
            let [from, to] = if at.ln() < known[1].0 { [known[0], known[1]] } else { [known[1], known[2]] };
            from.1 + (to.1 - from.1) * (at.ln() - from.0) / (to.0 - from.0)
        };
        for (labels, costs) in COSTS {
            let [words, entities] = costs[i].map(|cost| format!("{cost:.0}"));
            let f1 = format!("{:.2}", f1(labels));
            lines.push([year, labels, "random", &words, &entities, &f1, "", ""].map(str::to_owned));
        }
        for row in rows(&results.labelling, "supervised") {
            let of_method = |r: &&RunResult| {
                r.run.corpus.ends_with(year) && r.run.corpus == row.corpus && r.run.method == row.method
            };
            let costs: Vec<_> = results.labelling.iter().filter(of_method).filter_map(|r| r.cost).collect();
            // Random posts are those of supervised training.
            if row.method == "supervised" || row.method.contains("teachers") || costs.is_empty() {
                continue;
            }
            let mean =
                |of: fn(&LabellingCost) -> usize| costs.iter().map(of).sum::<usize>() as f64 / costs.len() as f64;
            let (words, entities) = (mean(|cost| cost.words), mean(|cost| cost.entities));
            let f1 = row.test.as_ref().expect("test was scored").mean;
            let against = |cost, at| format!("{:.2} ({:+.2})", random(cost, at), f1 - random(cost, at));
            lines.push([
                year.to_owned(),
                row.labels.to_string(),
                row.method.clone(),
                format!("{words:.0}"),
                format!("{entities:.0}"),
                format!("{f1:.2}"),
                against(0, words),
                against(1, entities),
            ]);
        }
    }
    let header =
        ["corpus", "posts", "chosen", "words", "entities", "F1", "random, as many words", "random, as many entities"];
    table(&header, lines)
}

/// experiments/README: every run.
fn draws(results: &Results) -> String {
    let mut rows: Vec<(String, BTreeMap<u64, String>)> = Vec::new();
    for result in &results.few_labels {
        let run = &result.run;
        let dev = run.dev_labels.map_or_else(String::new, |n| format!(", dev of {n}"));
        let name = format!("{}|{}{dev}|{}", year(&run.corpus), run.labels, run.method);
        let f1 = format!("{:.2}", result.test.as_ref().expect("test was scored").overall.f1());
        match rows.iter_mut().find(|(other, _)| *other == name) {
            Some((_, draws)) => drop(draws.insert(run.draw, f1)),
            None => rows.push((name, BTreeMap::from([(run.draw, f1)]))),
        }
    }
    let rows = rows.into_iter().map(|(name, draws)| {
        let f1 = (0..5).map(|draw| draws.get(&draw).cloned().unwrap_or_default());
        name.split('|').map(str::to_owned).chain(f1).collect::<Vec<_>>()
    });
    table(&["corpus", "labels", "method", "0", "1", "2", "3", "4"], by_corpus(rows))
}

/// experiments/README: two methods at 100 labels, by label.
fn by_label(results: &[RunResult], methods: [&str; 2]) -> String {
    let runs = |year: &str, method: &str| -> BTreeMap<u64, Scores> {
        let is_it = |r: &&RunResult| {
            let labels = r.run.labels.to_string();
            (r.run.corpus.ends_with(year), labels.as_str(), r.run.dev_labels, r.run.method.as_str())
                == (true, "100", None, method)
        };
        let test = |result: &RunResult| (result.run.draw, result.test.clone().expect("test was scored"));
        results.iter().filter(is_it).map(test).collect()
    };
    let mut rows = Vec::new();
    for year in YEARS {
        let [before, after] = methods.map(|method| runs(year, method));
        assert!(before.keys().eq(after.keys()), "draws are paired");
        let labels: BTreeSet<&String> = before.values().flat_map(|scores| scores.types.keys()).collect();
        for label in labels {
            let f1 = |runs: &BTreeMap<u64, Scores>| -> Vec<f64> {
                runs.values().map(|scores| scores.types[label].f1()).collect()
            };
            let (before, after) = (f1(&before), f1(&after));
            let paired: Vec<f64> = after.iter().zip(&before).map(|(after, before)| after - before).collect();
            let mean = |values: &[f64]| format!("{:.1}", values.iter().sum::<f64>() / values.len() as f64);
            let of = difference(&Difference::of(&paired).expect("five draws"));
            rows.push([year.to_owned(), format!("`{label}`"), mean(&before), mean(&after), of]);
        }
    }
    table(&["corpus", "label", methods[0], methods[1], "difference"], rows)
}

/// experiments/README: every run of options.toml.
fn every_option(results: &Results) -> String {
    let rows = results.options.iter().map(|result| {
        let RunResult { run, dev, epochs, .. } = result;
        let all = dev.overall;
        let scores = format!("{:.2} / {:.2} / {:.2}", all.precision(), all.recall(), all.f1());
        let against = compared_with(result);
        let best = result.best_epoch.map_or_else(String::new, |best| format!("{best} of {epochs}"));
        let (against, gain) = if matches!(run.method.as_str(), "paper" | "supervised") {
            (String::new(), String::new())
        } else {
            (against.to_owned(), format!("{:+.2}", all.f1() - results.option(against)))
        };
        [run.method.clone(), scores, best, against, gain]
    });
    table(&["option", "dev P / R / F1", "best epoch", "against", "difference"], rows)
}

fn year(corpus: &str) -> String {
    corpus.trim_start_matches("twitter").to_owned()
}

/// Rows by their first cell, the corpus, the younger first; otherwise in their order.
fn by_corpus<R: AsRef<[String]>>(rows: impl IntoIterator<Item = R>) -> Vec<R> {
    let mut rows: Vec<R> = rows.into_iter().collect();
    rows.sort_by(|a, b| b.as_ref()[0].cmp(&a.as_ref()[0]));
    rows
}

pub(super) fn table<R: AsRef<[String]>>(header: &[&str], rows: impl IntoIterator<Item = R>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | ").trim_end());
    let mut text = format!("| {} |\n|{}\n", header.join(" | ").trim_start(), "---|".repeat(header.len()));
    for row in rows {
        assert_eq!(row.as_ref().len(), header.len(), "{:?}", row.as_ref());
        text += &line(row.as_ref());
    }
    text
}
