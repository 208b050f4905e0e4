//! `smvae split`: one file of labelled posts to the train, dev and test of a corpus.

use crate::failure::{BadLines, Usage};
use crate::input::name;
use crate::inputs::Inputs;
use crate::labels::LabelCounts;
use crate::lines;
use crate::options::{ColumnArgs, FileArgs, TagArgs};
use crate::output;
use crate::pool;
use crate::progress::say;
use crate::suggested::Suggested;
use anyhow::Context as _;
use clap::Args;
use serde_json::json;
use smvae::data::corpus::{label_set, load_file_with, split_path};
use smvae::data::duplicates::key;
use smvae::data::files::write_together;
use smvae::data::formats::{self, Body, Format, LabelUse, Labels, PostRecord, Settings};
use smvae::data::images::bare_id;
use smvae::data::shares::{ShareSettings, shares};
use smvae::data::words::WordConvention;
use smvae::data::{Convention, Error, Split};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct SplitArgs {
    /// The posts, in any format of a corpus.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    form: FileArgs,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    tags: TagArgs,
    /// The folder to write train.jsonl, valid.jsonl and test.jsonl to.
    #[arg(long, value_name = "DIR")]
    to: PathBuf,
    /// Share of the posts that models are selected on.
    #[arg(long, value_name = "SHARE", default_value_t = ShareSettings::default().dev)]
    dev: f64,
    /// Share of the posts that are read once, at the end.
    #[arg(long, value_name = "SHARE", default_value_t = ShareSettings::default().test)]
    test: f64,
    /// A pool of posts. Those that say what none of the posts does, and have the image of none, go
    /// to unlabelled.jsonl in the folder, for `train --unlabelled`.
    ///
    /// --from, --separator and --columns are the pool's, too, unless its name tells another format.
    #[arg(long, value_name = "FILE")]
    rest_of: Option<PathBuf>,
    /// Seed of the draw.
    #[arg(long, value_name = "N", default_value_t = ShareSettings::default().seed)]
    seed: u64,
    /// Replace the files of an earlier split.
    #[arg(long)]
    overwrite: bool,
}

pub(crate) fn run(args: &SplitArgs) -> anyhow::Result<()> {
    let paths = Split::ALL.map(|split| args.to.join(format!("{}.jsonl", split.stems()[0])));
    let unlabelled = args.to.join("unlabelled.jsonl");
    check_files(args, &paths, &unlabelled)?;
    let posts = read(args)?;
    let labels = check_as_training_does(args, &posts)?;
    let words: Vec<_> = posts.iter().map(|post| post.words(&WordConvention::default())).collect();
    let shown: Vec<(&[String], Option<&str>)> =
        words.iter().zip(&posts).map(|(words, post)| (&**words, post.image.as_deref())).collect();
    let mut shares_of = ShareSettings::default();
    (shares_of.dev, shares_of.test, shares_of.seed) = (args.dev, args.test, args.seed);
    let splits = shares(&shown, &shares_of)?;
    // Read before anything is written.
    let rest = args.rest_of.as_ref().map(|pool| rest_of(pool, args, &shown)).transpose()?;
    let unlabelled_lines = rest.as_ref().map(|rest| (unlabelled.as_path(), rest.lines.as_bytes()));
    let [train, dev, test] = write_splits(args, &paths, posts.iter().zip(splits), unlabelled_lines)?;
    say(format!("{}: {train} posts to train on, {dev} for dev, {test} for test", args.to.display()));
    labels.tell();
    for (image, n) in shared_images(&shown) {
        let left_out = rest.as_ref().and_then(|rest| rest.left_for.get(bare_id(image))).copied().unwrap_or(0);
        say(tell_shared(image, n, left_out));
    }
    let mut passed_over = 0;
    if let Some(rest) = rest {
        say(format!("{}: {} posts that are in none of the splits", unlabelled.display(), rest.posts));
        say(rest.parts);
        rest.repeated_ids.iter().for_each(say);
        passed_over = rest.passed_over;
    }
    if train == 0 || dev == 0 || test == 0 {
        say("a split without posts is no use to `train` and `eval`: label more, or ask for larger shares");
    }
    if passed_over > 0 { Err(BadLines { passed_over, ..BadLines::default() }.into()) } else { Ok(()) }
}

/// The posts of FILE, all of which have words and labels.
fn read(args: &SplitArgs) -> anyhow::Result<Vec<PostRecord>> {
    let settings = Settings {
        format: args.form.from,
        separator: args.form.separator,
        columns: args.columns.columns,
        labels: LabelUse::IfAny,
    };
    let mut posts: Vec<PostRecord> = Vec::new();
    for post in formats::open(&args.file, &settings)? {
        let post = post.map_err(|error| {
            let export = posts.is_empty().then(|| lines::export_of_tool(&args.file)).flatten();
            let error = anyhow::Error::new(error);
            match export {
                Some(export) => error.context(export),
                None => error,
            }
        })?;
        posts.push(post);
    }
    if let Some(post) = posts.iter().find(|post| !is_labelled(post)) {
        let (file, line) = (args.file.display(), post.line);
        let remedy = if args.is_table() {
            "a table of labels needs the columns `words` and `tags`"
        } else {
            "`smvae import` makes them of a tool's export"
        };
        anyhow::bail!("{file}:{line}: expected words with labels: {remedy}");
    }
    anyhow::ensure!(!posts.is_empty(), "{} holds no posts", args.file.display());
    let mut suggested = Suggested::default();
    posts.iter().for_each(|post| suggested.add(post));
    suggested.check(&args.file)?;
    Ok(posts)
}

/// Writes the files of the splits, and the rest beside them if there is one. How many posts each
/// split has.
fn write_splits<'a>(
    args: &SplitArgs,
    paths: &[PathBuf; 3],
    posts: impl Iterator<Item = (&'a PostRecord, Split)>,
    rest: Option<(&Path, &[u8])>,
) -> anyhow::Result<[usize; 3]> {
    let mut texts = [const { String::new() }; 3];
    let mut counts = [0; 3];
    // Of a table every field is a string.
    let has_json = !args.is_table();
    for (post, split) in posts {
        let i = Split::ALL.iter().position(|other| *other == split).expect("one of all");
        texts[i] += &line_of(post, has_json);
        texts[i].push('\n');
        counts[i] += 1;
    }
    std::fs::create_dir_all(&args.to).with_context(|| format!("cannot write {}", args.to.display()))?;
    // The training split is the first of them: a folder without it is no corpus.
    let mut files: Vec<(&Path, &[u8])> =
        paths.iter().zip(&texts).map(|(path, text)| (path.as_path(), text.as_bytes())).collect();
    files.extend(rest);
    write_together(&files)?;
    Ok(counts)
}

impl SplitArgs {
    /// Whether FILE is a table.
    fn is_table(&self) -> bool {
        matches!(self.form.from.or_else(|| Format::of_path(&self.file)), Some(Format::Csv | Format::Tsv))
    }
}

/// Refuses a FILE that can be read once, and files that would be written over.
fn check_files(args: &SplitArgs, paths: &[PathBuf], unlabelled: &Path) -> anyhow::Result<()> {
    // The posts of a pipe are gone when they have been read.
    if args.file.metadata().is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        let file = args.file.display();
        let message = format!("split reads FILE twice, and {file} can be read once: save it as a file first");
        return Err(Usage(message).into());
    }
    output::outside_of_runs("--to", &args.to)?;
    for (split, path) in Split::ALL.into_iter().zip(paths) {
        match split_path(&args.to, split) {
            Err(Error::NoSplit { .. } | Error::NoFolder { .. }) => {}
            Ok(there) if there == *path && args.overwrite => {}
            Ok(there) if there == *path => {
                return Err(Usage(format!("{} is there already: --overwrite replaces it", there.display())).into());
            }
            Ok(there) => {
                let message = format!("{} is there already, and a corpus has one file of each split", there.display());
                return Err(Usage(message).into());
            }
            Err(error) => return Err(error.into()),
        }
    }
    if unlabelled.exists() && args.rest_of.is_none() {
        let there = unlabelled.display();
        let message = format!("{there} is the rest of an earlier split: give its pool with --rest-of, or remove it");
        return Err(Usage(message).into());
    }
    if unlabelled.exists() && !args.overwrite {
        return Err(Usage(format!("{} is there already: --overwrite replaces it", unlabelled.display())).into());
    }
    let outputs = paths.iter().map(|path| ("a split", Some(path.as_path())));
    let rest = args.rest_of.as_ref().map(|_| ("the rest", Some(unlabelled)));
    let inputs = Inputs::default().file("FILE", Some(&args.file)).file("--rest-of", args.rest_of.as_deref());
    output::apart(outputs.chain(rest), &inputs)
}

/// Refuses what training would refuse: here the lines are those of the file that was labelled. The
/// labels as training will read them.
fn check_as_training_does(args: &SplitArgs, posts: &[PostRecord]) -> anyhow::Result<LabelCounts> {
    let mut format = args.tags.format(&args.form);
    format.columns = args.columns.columns;
    let read = load_file_with(&args.file, &format)?;
    let mut labels = LabelCounts::default();
    for (post, sample) in posts.iter().zip(&read.samples) {
        // The types of one post, so that its line can be named.
        label_set(std::slice::from_ref(sample)).with_context(|| {
            let (file, line) = (args.file.display(), post.line);
            format!("{file}:{line}: expected labels that a corpus can have")
        })?;
        labels.add(&sample.entities(Convention::Conlleval)?);
    }
    if format.scheme.is_some() || format.label_names.is_some() {
        say(format!("{}: read it with the same --scheme and --label-names", args.to.display()));
    }
    Ok(labels)
}

/// Images that more than a tenth of the posts have, and at least so many: hardly one photo.
const LEAST_SHARED: usize = 5;

/// Those images as the first post of each names it, and how many posts have each.
fn shared_images<'a>(posts: &[(&[String], Option<&'a str>)]) -> Vec<(&'a str, usize)> {
    let mut counts: BTreeMap<&str, (&str, usize)> = BTreeMap::new();
    for image in posts.iter().filter_map(|(_, image)| image.filter(|image| !bare_id(image).is_empty())) {
        counts.entry(bare_id(image)).or_insert((image, 0)).1 += 1;
    }
    counts.into_values().filter(|(_, n)| *n >= LEAST_SHARED && *n * 10 > posts.len()).collect()
}

/// What it means that so many posts share an image.
fn tell_shared(image: &str, n: usize, left_out: usize) -> String {
    let and = match left_out {
        0 => String::new(),
        1 => ", and 1 post of the pool is left out for it".to_owned(),
        n => format!(", and {n} posts of the pool are left out for it"),
    };
    format!("{n} posts share the image {image:?} and stay together{and}: where there is no photo, name no image")
}

/// Posts of a pool that are in no split.
#[derive(Default)]
struct Rest {
    /// JSON lines without labels.
    lines: String,
    posts: usize,
    /// Lines of the pool that are no posts.
    passed_over: usize,
    /// What became of all posts of the pool, in a sentence.
    parts: String,
    /// What there is to tell of ids that stand twice.
    repeated_ids: Option<String>,
    /// How many posts were left out for an image that labelled posts have, by its bare id.
    left_for: HashMap<String, usize>,
}

/// The posts of a pool that say what none of the labelled posts says and have the image of none.
fn rest_of(pool: &Path, args: &SplitArgs, labelled: &[(&[String], Option<&str>)]) -> anyhow::Result<Rest> {
    let mut seen: HashSet<u64> = labelled.iter().map(|(words, _)| key(words)).collect();
    let images = labelled.iter().filter_map(|(_, image)| image.map(bare_id));
    let images: HashSet<&str> = images.filter(|image| !image.is_empty()).collect();
    let own = |path: &Path| Format::of_path(path);
    let is_alike = own(pool).is_none_or(|format| args.form.from.or_else(|| own(&args.file)) == Some(format));
    let (form, columns) = if is_alike { (args.form.clone(), args.columns.clone()) } else { Default::default() };
    let labelled = seen.clone();
    let mut rest = Rest::default();
    let (mut wordless, mut known, mut of_an_image, mut copies) = (0, 0, 0, 0);
    let mut ids = pool::Ids::default();
    rest.passed_over = lines::each_post(pool, &form, &columns, |post| {
        let words = post.words(&WordConvention::default());
        ids.add(post.id.as_deref(), post.line);
        let key = key(&words);
        if words.is_empty() {
            wordless += 1;
        } else if labelled.contains(&key) {
            known += 1;
        } else if let Some(image) = post.image.as_deref().map(bare_id).filter(|image| images.contains(*image)) {
            of_an_image += 1;
            *rest.left_for.entry(image.to_owned()).or_default() += 1;
        } else if seen.insert(key) {
            rest.lines += &line_of(post, false);
            rest.lines.push('\n');
            rest.posts += 1;
        } else {
            copies += 1;
        }
        Ok(())
    })?;
    let parts = [
        (rest.passed_over, "that cannot be read"),
        (wordless, "without a word"),
        (known, "labelled already"),
        (of_an_image, "with the image of a labelled one"),
        (copies, "that say what others say"),
        (rest.posts, "left"),
    ];
    rest.parts = pool::parts(&name(pool), &parts);
    rest.repeated_ids = ids.repeated(&name(pool));
    Ok(rest)
}

/// Whether a corpus can have it.
fn is_labelled(post: &PostRecord) -> bool {
    let has_labels = matches!(post.labels, Some(Labels::Tags(_) | Labels::TagNumbers(_) | Labels::Entities(_)));
    has_labels && matches!(post.body, Body::Words(_))
}

/// A post as a line of JSON: its own fields where they are JSON, or words and tags.
fn line_of(post: &PostRecord, has_json: bool) -> String {
    if has_json && post.fields.iter().next().is_some() {
        return serde_json::to_string(&post.fields).expect("fields have a JSON form");
    }
    let mut line = match &post.body {
        Body::Words(words) => json!({ "words": words }),
        Body::Text(text) => json!({ "text": text }),
    };
    for (name, value) in [("id", &post.id), ("image_id", &post.image), ("caption", &post.caption)] {
        if let Some(value) = value {
            line[name] = value.as_str().into();
        }
    }
    match &post.labels {
        Some(Labels::Tags(tags)) => line["tags"] = tags.as_slice().into(),
        Some(Labels::TagNumbers(numbers)) => line["tags"] = numbers.as_slice().into(),
        _ => {}
    }
    line.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_of_many_posts_is_told() {
        let words = ["a".to_owned()];
        let posts = |n: usize, of: usize| -> Vec<(&[String], Option<&str>)> {
            (0..of).map(|i| (words.as_slice(), (i < n).then_some("none.jpg"))).collect()
        };
        for (n, of, is_told) in [(4, 4, false), (5, 10, true), (5, 50, false), (6, 50, true)] {
            let want: Vec<(&str, usize)> = is_told.then_some(("none.jpg", n)).into_iter().collect();
            assert_eq!(shared_images(&posts(n, of)), want, "{n} of {of}");
        }
        let mut named = posts(5, 10);
        named[1].1 = Some("./none");
        assert_eq!(shared_images(&named), [("none.jpg", 5)]);
        let want = "22 posts share the image \"none.jpg\" and stay together, and 645 posts of the pool are left out for \
                    it: where there is no photo, name no image";
        assert_eq!(tell_shared("none.jpg", 22, 645), want);
    }
}
