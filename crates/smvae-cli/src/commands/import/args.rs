//! The options of `smvae import`.

use clap::{Args, ValueEnum};
use smvae::RunInfo;
use smvae::data::exchange::fit::Misfits;
use smvae::data::words::WordConvention;
use std::path::PathBuf;

/// What `smvae import` is asked for.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// Exports of Label Studio (JSON or JSON_MIN), doccano (JSON lines) or Prodigy (db-out), or
    /// spaCy's documents (Doc.to_json); the content tells which. Where a post stands in several
    /// files, its last labels count.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The file to write: .jsonl, or .conll (words and tags in columns).
    #[arg(long, value_name = "FILE")]
    pub(super) to: PathBuf,
    /// Write the posts that `suggest --for-dev` has marked to this file instead, in the same form.
    #[arg(long, value_name = "FILE")]
    pub(super) dev: Option<PathBuf>,
    /// Also write the posts that nobody has labelled, or that were skipped, as JSON lines.
    #[arg(long, value_name = "FILE")]
    pub(super) unlabelled: Option<PathBuf>,
    /// Replace files that are there already, with the labels that they hold.
    #[arg(long)]
    pub(super) overwrite: bool,
    /// What becomes of spans that are not of whole words, that overlap, or that cannot be read.
    #[arg(long, value_enum, value_name = "WAY", default_value_t = Way::Refuse)]
    misfits: Way,
    /// Label Studio: the field of a task's data that is its text. By default `text`, or the one
    /// field that may be it.
    #[arg(long, value_name = "NAME")]
    pub(super) text_field: Option<String>,
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

impl ImportArgs {
    /// How text is split into words.
    pub(super) fn words(&self) -> anyhow::Result<WordConvention> {
        Ok(match &self.model {
            Some(run) => RunInfo::read(run)?.words.unwrap_or_default(),
            None => self.words.clone().unwrap_or_default(),
        })
    }

    /// What becomes of spans that do not fit.
    pub(super) fn misfits(&self) -> Misfits {
        match self.misfits {
            Way::Refuse => Misfits::Refuse,
            Way::Move => Misfits::Move,
            Way::Drop => Misfits::Drop,
        }
    }
}
