//! `smvae import`: what people labelled, out of the tools they label with, as posts of a corpus.

use crate::failure::Usage;
use crate::inputs::Inputs;
use crate::output;
use crate::progress::{insist, say};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use serde_json::json;
use smvae::RunInfo;
use smvae::core::schemes::Scheme;
use smvae::data::exchange::fit::{Fitted, Misfits, fit};
use smvae::data::exchange::{Annotated, ReadSettings, State, Tool, read_with};
use smvae::data::files::write_atomically;
use smvae::data::formats::Format;
use smvae::data::words::WordConvention;
use smvae::data::{Sample, writer};
use std::collections::HashMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Exports of Label Studio (JSON or JSON_MIN), doccano (JSON lines) or Prodigy (db-out), or
    /// spaCy's documents (Doc.to_json); the content tells which. Where a post stands in several
    /// files, its last labels count.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The file to write: .jsonl, or .conll (words and tags in columns).
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Write the posts that `suggest --for-dev` has marked to this file instead, in the same form.
    #[arg(long, value_name = "FILE")]
    dev: Option<PathBuf>,
    /// Also write the posts that nobody has labelled, or that were skipped, as JSON lines.
    #[arg(long, value_name = "FILE")]
    unlabelled: Option<PathBuf>,
    /// Replace files that are there already, with the labels that they hold.
    #[arg(long)]
    overwrite: bool,
    /// What becomes of spans that are not of whole words, that overlap, or that cannot be read.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Way::Refuse)]
    misfits: Way,
    /// Label Studio: the field of a task's data that is its text. By default `text`, or the one
    /// field that may be it.
    #[arg(long, value_name = "NAME")]
    text_field: Option<String>,
    /// How text is split into words: twitter2015, twitter2017, conll or whitespace, with changes
    /// such as twitter2017,hashtag=keep.
    #[arg(long, value_name = "CONVENTION", conflicts_with = "model")]
    words: Option<WordConvention>,
    /// Split text into words as this run does: that of the model whose entities were corrected.
    #[arg(long, value_name = "DIR")]
    model: Option<PathBuf>,
}

/// What becomes of spans that do not fit.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// Nothing is written, and they are listed.
    Refuse,
    /// They become the whole words that they touch; of those that overlap the longest is kept; one
    /// whose text stands elsewhere in its post, and once, is moved there.
    Move,
    /// They are left out.
    Drop,
}

/// Spans that are listed one by one.
const LISTED: usize = 20;

pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let (to, dev, unlabelled) = (Some(args.to.as_path()), args.dev.as_deref(), args.unlabelled.as_deref());
    let outputs = [("--to", to), ("--dev", dev), ("--unlabelled", unlabelled)];
    let inputs = args.files.iter().fold(Inputs::default(), |inputs, file| inputs.file("an export", Some(file)));
    output::check_labelled(outputs, &inputs)?;
    output::check_new(outputs, args.overwrite)?;
    for path in [Some(&args.to), args.dev.as_ref()].into_iter().flatten() {
        if !matches!(Format::of_path(path), Some(Format::JsonLines | Format::Conll)) {
            return Err(Usage(format!("{}: name a .jsonl or a .conll file", path.display())).into());
        }
    }
    let words = match &args.model {
        Some(run) => RunInfo::read(run)?.words.unwrap_or_default(),
        None => args.words.clone().unwrap_or_default(),
    };
    let misfits = match args.misfits {
        Way::Refuse => Misfits::Refuse,
        Way::Move => Misfits::Move,
        Way::Drop => Misfits::Drop,
    };
    let posts = read_all(args)?;
    let mut all = Imported::default();
    for post in &posts.kept {
        all.add(post, &words, misfits, args.dev.is_some())?;
    }
    // What an error is about is said in any case.
    let list: fn(String) = if misfits == Misfits::Refuse { insist } else { say };
    let more = (all.misfits > all.listed.len()).then(|| format!("and {} more", all.misfits - all.listed.len()));
    all.listed.iter().cloned().chain(more).for_each(list);
    if all.misfits > 0 && misfits == Misfits::Refuse {
        let (n, are) = (all.misfits, if all.misfits == 1 { "span does" } else { "spans do" });
        anyhow::bail!(
            "{n} {are} not fit the words, and nothing is written: --words or --model names the convention that the text \
             was labelled by; else mend them, or pass --misfits move or --misfits drop"
        );
    }
    all.train.write(&args.to)?;
    // A split without posts is no use, and may be the second file of one that has some.
    if let Some(path) = args.dev.as_deref().filter(|_| !all.dev.samples.is_empty()) {
        all.dev.write(path)?;
    }
    if let Some(path) = &args.unlabelled {
        write_atomically(path, all.unlabelled.as_bytes())?;
    }
    all.tell(args, posts.several);
    Ok(())
}

/// A post with the file that it is from.
struct Post<'a> {
    file: &'a Path,
    post: Annotated,
}

/// The posts of all files, each once.
struct Posts<'a> {
    kept: Vec<Post<'a>>,
    /// Posts that were labelled more than once.
    several: usize,
}

fn read_all(args: &ImportArgs) -> anyhow::Result<Posts<'_>> {
    let settings = ReadSettings { text_field: args.text_field.clone() };
    let (mut kept, mut several) = (Vec::<Post<'_>>::new(), 0);
    let mut places: HashMap<(Option<String>, Option<String>, String), usize> = HashMap::new();
    for file in &args.files {
        let export = read_with(file, &settings)?;
        let (n, tool) = (export.posts.len(), export.tool.name());
        if args.text_field.is_some() && export.tool != Tool::LabelStudio {
            let message =
                format!("--text-field is for exports of Label Studio, and {} is one of {tool}", file.display());
            return Err(Usage(message).into());
        }
        let field = export.text_field.map_or_else(String::new, |field| format!(", whose text is the field {field:?}"));
        say(format!("{}: {n} posts of {tool}{field}", file.display()));
        several += export.several.len();
        for post in export.posts {
            let key = (post.id.clone(), post.image.clone(), post.text.clone());
            let place = *places.entry(key).or_insert(kept.len());
            let Some(before) = kept.get_mut(place) else {
                kept.push(Post { file, post });
                continue;
            };
            let is_labelled = |post: &Annotated| matches!(post.state, State::Labelled(_));
            several += usize::from(is_labelled(&before.post) && is_labelled(&post));
            // A later export in which nobody labelled it takes no labels away.
            if is_labelled(&post) || !is_labelled(&before.post) {
                *before = Post { file, post };
            }
        }
    }
    Ok(Posts { kept, several })
}

/// Posts of one output.
#[derive(Default)]
struct Labelled {
    lines: String,
    samples: Vec<Sample>,
}

impl Labelled {
    fn write(&self, path: &Path) -> anyhow::Result<()> {
        let text = match Format::of_path(path) {
            Some(Format::Conll) => writer::to_text(&self.samples)?,
            _ => self.lines.clone(),
        };
        Ok(write_atomically(path, text.as_bytes())?)
    }
}

/// What was read of all files.
#[derive(Default)]
struct Imported {
    train: Labelled,
    dev: Labelled,
    unlabelled: String,
    listed: Vec<String>,
    misfits: usize,
    entities: usize,
    empty: usize,
    open: usize,
    skipped: usize,
    wordless: usize,
    /// Posts for dev that go where all others do.
    mixed: usize,
}

impl Imported {
    fn add(&mut self, post: &Post<'_>, words: &WordConvention, misfits: Misfits, has_dev: bool) -> anyhow::Result<()> {
        match post.post.state {
            State::Labelled(_) => return self.labelled(post, fit(&post.post, words, misfits), has_dev),
            State::Unlabelled => self.open += 1,
            State::Skipped => self.skipped += 1,
        }
        let Annotated { id, image, caption, text, .. } = &post.post;
        let mut line = json!({ "text": text });
        for (name, value) in [("id", id), ("image_id", image), ("caption", caption)] {
            if let Some(value) = value {
                line[name] = value.as_str().into();
            }
        }
        self.unlabelled += &(line.to_string() + "\n");
        Ok(())
    }

    fn labelled(&mut self, Post { file, post }: &Post<'_>, fitted: Fitted, has_dev: bool) -> anyhow::Result<()> {
        let id = post.id.as_ref().map_or_else(String::new, |id| format!(" (id {id})"));
        let place = format!("{}:{}{id}", file.display(), post.line);
        let misfits = fitted.misfits.iter().map(ToString::to_string);
        for told in fitted.odd.iter().map(ToString::to_string).chain(misfits) {
            self.misfits += 1;
            if self.listed.len() < LISTED {
                self.listed.push(format!("{place}: {told}"));
            }
        }
        if fitted.words.is_empty() {
            // It teaches nothing, and no corpus can hold it.
            self.wordless += 1;
            return Ok(());
        }
        let tags = Scheme::Iob2.tags(&fitted.entities, fitted.words.len()).with_context(|| place.clone())?;
        self.entities += fitted.entities.len();
        self.empty += usize::from(fitted.entities.is_empty());
        self.mixed += usize::from(post.for_dev && !has_dev);
        let to = if post.for_dev && has_dev { &mut self.dev } else { &mut self.train };
        to.lines += &(fitted.to_line(post) + "\n");
        // In columns a post is known by its image, or else by a name that no other one has.
        let image_id = post
            .image
            .clone()
            .or(post.id.clone())
            .unwrap_or_else(|| format!("{}-{}", file.file_stem().unwrap_or_default().to_string_lossy(), post.line));
        to.samples.push(Sample { image_id, words: fitted.words, tags, caption: post.caption.clone() });
        Ok(())
    }

    /// Says what was written, and what was not.
    fn tell(&self, args: &ImportArgs, several: usize) {
        let n = self.train.samples.len() + self.dev.samples.len();
        let mut line =
            format!("{}: {n} posts with {} entities ({} without any)", args.to.display(), self.entities, self.empty);
        match (&args.dev, self.dev.samples.len()) {
            (None, _) => {}
            (Some(dev), 0) => line += &format!(", none of them for dev: {} is not written", dev.display()),
            (Some(dev), n) => line += &format!(", {n} of them in {}", dev.display()),
        }
        let counts = [
            (self.open, "nobody has labelled"),
            (self.skipped, "skipped"),
            (self.wordless, "without a word"),
            (several, "labelled several times, of which the newest counts"),
        ];
        for (n, what) in counts.iter().filter(|(n, _)| *n > 0) {
            line += &format!("; {n} {what}");
        }
        say(line);
        for (posts, path) in [(&self.train, Some(&args.to)), (&self.dev, args.dev.as_ref())] {
            let n = posts.samples.iter().filter(|sample| sample.caption.is_some()).count();
            if let Some(path) = path.filter(|path| n > 0 && Format::of_path(path) == Some(Format::Conll)) {
                say(format!("{}: words in columns have no place for the captions of {n} posts", path.display()));
            }
        }
        if self.mixed > 0 {
            say(format!("{} of them were drawn for dev: --dev FILE keeps them apart", self.mixed));
        }
    }
}
