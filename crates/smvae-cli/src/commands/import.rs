//! `smvae import`: what people labelled, out of the tools they label with, as posts of a corpus.

use crate::failure::Usage;
use crate::output;
use crate::progress::say;
use clap::{Args, ValueEnum};
use smvae::core::schemes::Scheme;
use smvae::data::exchange::fit::{Fitted, Misfits, fit};
use smvae::data::exchange::{Annotated, Export, State, read};
use smvae::data::files::write_atomically;
use smvae::data::formats::Format;
use smvae::data::words::WordConvention;
use smvae::data::{Sample, writer};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Exports of Label Studio (JSON or JSON_MIN), doccano (JSON lines) or Prodigy (db-out); which
    /// it is, the content tells.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The file to write: .jsonl, or .conll (words and tags in columns).
    #[arg(long, value_name = "FILE")]
    to: PathBuf,
    /// Also write the posts that nobody has labelled, or that were skipped, as JSON lines.
    #[arg(long, value_name = "FILE")]
    unlabelled: Option<PathBuf>,
    /// What becomes of spans that are not of whole words, or that overlap.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Way::Refuse)]
    misfits: Way,
    /// How text is split into words: twitter2015, twitter2017, conll or whitespace, with changes
    /// such as twitter2017,hashtag=keep.
    #[arg(long, value_name = "CONVENTION", default_value_t)]
    words: WordConvention,
}

/// What becomes of spans that do not fit.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Way {
    /// Nothing is written, and they are listed.
    Refuse,
    /// They become the whole words that they touch; of those that overlap the longest is kept.
    Move,
    /// They are left out.
    Drop,
}

/// Spans that are listed one by one.
const LISTED: usize = 20;

pub(crate) fn run(args: &ImportArgs) -> anyhow::Result<()> {
    let format = match Format::of_path(&args.to) {
        Some(format @ (Format::JsonLines | Format::Conll)) => format,
        _ => return Err(Usage(format!("--to {}: name a .jsonl or a .conll file", args.to.display())).into()),
    };
    output::check(&args.to)?;
    args.unlabelled.as_deref().map_or(Ok(()), output::check)?;
    let misfits = match args.misfits {
        Way::Refuse => Misfits::Refuse,
        Way::Move => Misfits::Move,
        Way::Drop => Misfits::Drop,
    };
    let mut all = Imported::default();
    for file in &args.files {
        let export = read(file)?;
        all.add(file, &export, &args.words, misfits)?;
    }
    all.list_misfits();
    if all.misfits > 0 && misfits == Misfits::Refuse {
        let (n, are) = (all.misfits, if all.misfits == 1 { "span does" } else { "spans do" });
        anyhow::bail!("{n} {are} not fit, and nothing is written: mend them, or pass --misfits move or --misfits drop");
    }
    let text = match format {
        Format::Conll => writer::to_text(&all.samples)?,
        _ => all.lines,
    };
    write_atomically(&args.to, text.as_bytes())?;
    if let Some(path) = &args.unlabelled {
        write_atomically(path, all.unlabelled.as_bytes())?;
    }
    say(format!(
        "{}: {} posts with {} entities ({} without any); {} nobody has labelled, {} skipped, {} labelled several times",
        args.to.display(),
        all.samples.len(),
        all.entities,
        all.empty,
        all.open,
        all.skipped,
        all.several,
    ));
    Ok(())
}

/// What was read of all files.
#[derive(Default)]
struct Imported {
    lines: String,
    samples: Vec<Sample>,
    unlabelled: String,
    listed: Vec<String>,
    misfits: usize,
    entities: usize,
    empty: usize,
    open: usize,
    skipped: usize,
    several: usize,
}

impl Imported {
    fn add(&mut self, file: &Path, export: &Export, words: &WordConvention, misfits: Misfits) -> anyhow::Result<()> {
        say(format!("{}: {} posts of {}", file.display(), export.posts.len(), export.tool.name()));
        self.several += export.several.len();
        for post in &export.posts {
            match post.state {
                State::Labelled(_) => self.labelled(file, post, fit(post, words, misfits))?,
                State::Unlabelled => self.open += 1,
                State::Skipped => self.skipped += 1,
            }
            if !matches!(post.state, State::Labelled(_)) {
                let mut line = serde_json::Map::new();
                for (name, value) in [("id", post.id.as_ref()), ("image_id", post.image.as_ref())] {
                    line.extend(value.map(|value| (name.to_owned(), value.as_str().into())));
                }
                line.insert("text".to_owned(), post.text.as_str().into());
                writeln!(self.unlabelled, "{}", serde_json::Value::Object(line)).expect("a String takes everything");
            }
        }
        Ok(())
    }

    fn labelled(&mut self, file: &Path, post: &Annotated, fitted: Fitted) -> anyhow::Result<()> {
        let id = post.id.as_ref().map_or_else(String::new, |id| format!(" (id {id})"));
        for misfit in &fitted.misfits {
            self.misfits += 1;
            if self.listed.len() < LISTED {
                self.listed.push(format!("{}:{}{id}: {misfit}", file.display(), post.line));
            }
        }
        if fitted.words.is_empty() {
            // A post without words teaches nothing, and no corpus can hold it.
            self.open += 1;
            return Ok(());
        }
        self.lines += &fitted.to_line(post);
        self.lines.push('\n');
        self.entities += fitted.entities.len();
        self.empty += usize::from(fitted.entities.is_empty());
        let tags = Scheme::Iob2.tags(&fitted.entities, fitted.words.len())?;
        // In columns a post is known by its image, or by its id where it has none.
        let image_id = post.image.clone().or(post.id.clone()).unwrap_or_else(|| post.line.to_string());
        self.samples.push(Sample { image_id, words: fitted.words, tags });
        Ok(())
    }

    fn list_misfits(&self) {
        self.listed.iter().for_each(say);
        if self.misfits > self.listed.len() {
            say(format!("and {} more", self.misfits - self.listed.len()));
        }
    }
}
