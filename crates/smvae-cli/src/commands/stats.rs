//! `smvae stats`: counts of what a corpus holds.

use crate::corpus;
use crate::options::{DataArgs, FormatArgs};
use crate::output::{print, print_json, table};
use crate::progress::say;
use clap::Args;
use smvae::data::corpus::{LoadedSplit, load_split_with};
use smvae::data::stats::{CandidateCounts, CorpusStats, SplitStats};
use smvae::data::{Convention, Error, Split};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

#[derive(Debug, Args)]
pub(crate) struct StatsArgs {
    #[command(flatten)]
    data: DataArgs,
    #[command(flatten)]
    format: FormatArgs,
    /// Count entities under this reading of malformed tag sequences alone: conlleval, strict or
    /// authors. By default under each.
    #[arg(long, value_name = "NAME")]
    convention: Option<Convention>,
    /// Print the counts as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &StatsArgs) -> anyhow::Result<()> {
    let loaded = load(&args.data.folder(), &args.format)?;
    corpus::tell(loaded.values().map(|split| (split.file.path.as_path(), &split.read_as)));
    let splits = loaded.iter().map(|(&split, loaded)| (split, (loaded.samples.as_slice(), &loaded.file))).collect();
    let mut stats = CorpusStats::of_splits(&splits)?;
    if let Some(convention) = args.convention {
        let entities = stats.splits.values_mut().map(|split| &mut split.entities);
        entities.for_each(|entities| entities.retain(|name, _| *name == convention.name()));
    }
    if args.json { print_json(&stats) } else { print(&report(&stats)) }
}

/// The splits that a corpus has: while people label, dev and test may be yet to come.
fn load(folder: &Path, format: &FormatArgs) -> anyhow::Result<BTreeMap<Split, LoadedSplit>> {
    let mut loaded = BTreeMap::new();
    for split in Split::ALL {
        match load_split_with(folder, split, &format.format()) {
            Ok(read) => {
                loaded.insert(split, read);
            }
            Err(error @ Error::NoSplit { .. }) if split != Split::Train => {
                say(format!("no {split} is counted: {error}"))
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(loaded)
}

/// The counts as tables, one column per split, and below them the files.
fn report(stats: &CorpusStats) -> String {
    let header: Vec<&str> = [""].into_iter().chain(Split::ALL.map(Split::name)).collect();
    let mut text = table(&header, sizes(stats));
    text += &format!("\nlabels: {}\n", stats.labels.join(" "));
    text += "\nentities by convention and type\n";
    text += &table(&header, entities(stats));
    text += "\ncandidate spans by width limit (of them: entities within reach, in the reading of conlleval)\n";
    text += &table(&header, candidates(stats));
    for (split, types) in &stats.unknown_types {
        text += &format!("{split} has types that train lacks and that no model can find: {}\n", types.join(" "));
    }
    text += "\n";
    for shared in &stats.shared {
        let (a, b) = shared.splits;
        text += &format!("in both {a} and {b}: {} image ids, {} texts\n", shared.image_ids, shared.texts);
    }
    text + "\n" + &files(stats)
}

/// Path, digest and, for a file of a public corpus, its name.
fn files(stats: &CorpusStats) -> String {
    let mut text = String::new();
    for file in stats.splits.values().filter_map(|split| split.file.as_ref()) {
        let known = file.known_as.map_or_else(String::new, |name| format!(": {name}"));
        text += &format!("{}{known}\n  sha256 {}\n", file.file.path.display(), file.file.sha256);
    }
    text
}

fn sizes(stats: &CorpusStats) -> Vec<Vec<String>> {
    let repeats = |s: &SplitStats| format!("{} ({})", s.repeated_ids.values, s.repeated_ids.posts);
    let texts = |s: &SplitStats| format!("{} ({})", s.repeated_texts.values, s.repeated_texts.posts);
    vec![
        row(stats, "posts", |s| s.posts.to_string()),
        row(stats, "words", |s| s.words.to_string()),
        row(stats, "distinct words", |s| s.distinct_words.to_string()),
        row(stats, "URL words", |s| s.url_words.to_string()),
        row(stats, "longest post, words", |s| s.longest_post.to_string()),
        row(stats, "longest entity, words", |s| s.longest_entity.to_string()),
        row(stats, "repeated image ids (posts with one)", repeats),
        row(stats, "repeated texts (posts with one)", texts),
        row(stats, "I- after O or at the start", |s| s.anomalies.inside_after_outside.to_string()),
        row(stats, "I- after another type", |s| s.anomalies.inside_after_other_type.to_string()),
    ]
}

fn entities(stats: &CorpusStats) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let is_counted =
        |convention: &Convention| stats.splits.values().any(|s| s.entities.contains_key(convention.name()));
    for convention in Convention::ALL.into_iter().filter(is_counted) {
        // Borrowed: a corpus may have as many types as entities.
        let total = |s: &SplitStats| s.entities.get(convention.name()).map_or(0, |counts| counts.total).to_string();
        rows.push(row(stats, convention.name(), total));
        let counts = stats.splits.values().filter_map(|s| s.entities.get(convention.name()));
        let types: BTreeSet<&String> = counts.flat_map(|counts| counts.by_type.keys()).collect();
        for name in types {
            let counts = |s: &SplitStats| s.entities.get(convention.name())?.by_type.get(name).copied();
            let of_type = |s: &SplitStats| counts(s).unwrap_or(0).to_string();
            rows.push(row(stats, &format!("  {name}"), of_type));
        }
    }
    rows
}

fn candidates(stats: &CorpusStats) -> Vec<Vec<String>> {
    let limits: BTreeSet<(bool, Option<usize>)> =
        stats.splits.values().flat_map(|s| &s.candidates).map(|c| (c.max_width.is_none(), c.max_width)).collect();
    let one = |limit: Option<usize>| {
        let title = limit.map_or("any width".to_owned(), |width| format!("up to {width} words"));
        let cell = |c: &CandidateCounts| format!("{} ({})", c.spans, c.entities);
        row(stats, &title, |s| s.candidates.iter().find(|c| c.max_width == limit).map(cell).unwrap_or_default())
    };
    limits.into_iter().map(|(_, limit)| one(limit)).collect()
}

fn row(stats: &CorpusStats, title: &str, cell: impl Fn(&SplitStats) -> String) -> Vec<String> {
    let cells = Split::ALL.into_iter().map(|split| stats.splits.get(&split).map(&cell).unwrap_or_default());
    std::iter::once(title.to_owned()).chain(cells).collect()
}
