//! What was read of all exports: the posts of each output, and what there is to tell of them.

use super::args::ImportArgs;
use super::conflicts::Conflicts;
use super::misfits::MisfitList;
use super::posts::Post;
use crate::counted::count;
use crate::labels::LabelCounts;
use crate::progress::say;
use anyhow::Context as _;
use serde_json::json;
use smvae::core::schemes::Scheme;
use smvae::data::exchange::fit::{Fitted, Misfits, fit};
use smvae::data::exchange::{Annotated, State};
use smvae::data::formats::Format;
use smvae::data::words::WordConvention;
use smvae::data::{Sample, writer};
use std::borrow::Cow;
use std::path::Path;

/// Posts of one output.
#[derive(Default)]
pub(super) struct Labelled {
    lines: String,
    pub(super) samples: Vec<Sample>,
}

impl Labelled {
    /// The text of a file of this name.
    pub(super) fn text(&self, path: &Path) -> anyhow::Result<Cow<'_, str>> {
        Ok(match Format::of_path(path) {
            Some(Format::Conll) => Cow::Owned(writer::to_text(&self.samples)?),
            _ => Cow::Borrowed(self.lines.as_str()),
        })
    }
}

/// What was read of all files.
#[derive(Default)]
pub(super) struct Imported {
    pub(super) train: Labelled,
    pub(super) dev: Labelled,
    /// As JSON lines.
    pub(super) unlabelled: String,
    pub(super) misfits: MisfitList,
    labels: LabelCounts,
    conflicts: Conflicts,
    entities: usize,
    empty: usize,
    open: usize,
    skipped: usize,
    wordless: usize,
    /// Posts for dev that go where all others do.
    mixed: usize,
    /// Posts for dev that nobody has labelled.
    open_for_dev: usize,
    /// Those that somebody has.
    labelled_for_dev: usize,
}

impl Imported {
    /// Takes a post, whose spans are fitted to the words of a convention.
    pub(super) fn add(
        &mut self,
        post: &Post<'_>,
        words: &WordConvention,
        misfits: Misfits,
        has_dev: bool,
    ) -> anyhow::Result<()> {
        match post.post.state {
            State::Labelled(_) => {
                let fitted = fit(&post.post, words, misfits);
                self.misfits.add(&post.place(), &fitted, misfits);
                return self.labelled(post, fitted, has_dev);
            }
            State::Unlabelled => self.open += 1,
            State::Skipped => self.skipped += 1,
        }
        self.open_for_dev += usize::from(post.post.for_dev);
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

    fn labelled(&mut self, of_file: &Post<'_>, fitted: Fitted, has_dev: bool) -> anyhow::Result<()> {
        let post = &of_file.post;
        self.labelled_for_dev += usize::from(post.for_dev);
        if fitted.words.is_empty() {
            // It teaches nothing, and no corpus can hold it.
            self.wordless += 1;
            return Ok(());
        }
        let tags = Scheme::Iob2.tags(&fitted.entities, fitted.words.len()).with_context(|| of_file.place())?;
        self.labels.add(&fitted.entities);
        self.conflicts.add(of_file, &fitted);
        self.entities += fitted.entities.len();
        self.empty += usize::from(fitted.entities.is_empty());
        self.mixed += usize::from(post.for_dev && !has_dev);
        let to = if post.for_dev && has_dev { &mut self.dev } else { &mut self.train };
        to.lines += &(fitted.to_line(post) + "\n");
        let image_id = post.image.clone().unwrap_or_else(|| of_file.column_id());
        to.samples.push(Sample { image_id, words: fitted.words, tags, caption: post.caption.clone() });
        Ok(())
    }

    /// Says what was written, and what was not.
    pub(super) fn tell(&self, args: &ImportArgs, several: usize) {
        let n = self.train.samples.len() + self.dev.samples.len();
        let (posts, entities) = (count(n, "post", "posts"), count(self.entities, "entity", "entities"));
        let mut line = format!("{}: {posts} with {entities} ({} without any)", args.to.display(), self.empty);
        match (&args.dev, self.dev.samples.len()) {
            (None, _) => {}
            (Some(dev), 0) => {
                let stays = if dev.exists() { ", and what stands there stays" } else { "" };
                line += &format!(", none of them for dev: {} is not written{stays}", dev.display());
            }
            (Some(dev), n) => line += &format!(", {n} of them in {}", dev.display()),
        }
        let spans = |n: usize, [one, several]: [&'static str; 2]| if n == 1 { one } else { several };
        let counts = [
            (self.open, "nobody has labelled"),
            (self.skipped, "skipped"),
            (self.wordless, "without a word"),
            (several, "labelled several times, of which the newest counts"),
            (self.misfits.moved, spans(self.misfits.moved, ["span moved", "spans moved"])),
            (self.misfits.left_out, spans(self.misfits.left_out, ["span left out", "spans left out"])),
        ];
        for (n, what) in counts.iter().filter(|(n, _)| *n > 0) {
            line += &format!("; {n} {what}");
        }
        say(line);
        self.labels.tell();
        self.conflicts.tell();
        for (posts, path) in [(&self.train, Some(&args.to)), (&self.dev, args.dev.as_ref())] {
            let n = posts.samples.iter().filter(|sample| sample.caption.is_some()).count();
            if let Some(path) = path.filter(|path| n > 0 && Format::of_path(path) == Some(Format::Conll)) {
                say(format!("{}: words in columns have no place for the captions of {n} posts", path.display()));
            }
        }
        if self.mixed > 0 {
            say(format!("{} of them were drawn for dev: --dev FILE keeps them apart", self.mixed));
        }
        if args.dev.is_some() && self.labelled_for_dev == 0 && self.open_for_dev > 0 {
            let n = self.open_for_dev;
            say(format!("nobody has labelled any of the posts that were drawn for dev ({n}): label them next"));
        }
    }
}
