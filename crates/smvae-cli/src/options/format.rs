//! How files of posts and corpora are read, where neither their names nor their content tell it.
//! The commands that read them have these options, in the same words.

use clap::Args;
use smvae::core::schemes::Scheme;
use smvae::data::corpus::{CorpusFormat, LabelNames};
use smvae::data::formats::Format;
use smvae::data::formats::conll::{Columns, Separator};
use std::str::FromStr;

/// The form of a file.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FileArgs {
    /// The format: conll, jsonl, json, csv, tsv, text, arrow or parquet.
    ///
    /// By default the file's name tells it.
    #[arg(long, value_name = "FORMAT")]
    pub(crate) from: Option<Format>,
    /// Words in columns: what stands between columns, tab or spaces (any number of spaces and
    /// tabs). By default the first word's line tells it.
    #[arg(long, value_name = "tab|spaces")]
    pub(crate) separator: Option<Separator>,
}

/// Which columns of a file in columns are read.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ColumnArgs {
    /// Words in columns: the columns of the words and of the tags, counted from 1, such as 1,4. By
    /// default words stand in the first and tags in the last.
    #[arg(long, value_name = "WORD,TAG")]
    pub(crate) columns: Option<Columns>,
}

/// How tags are read.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct TagArgs {
    /// The scheme of the tags: iob1, iob2 (bio), ioe1, ioe2, iobes, bilou, or auto, which tells it
    /// from the tags.
    #[arg(long, value_name = "NAME", default_value = "auto", hide_default_value = true)]
    scheme: SchemeChoice,
    /// For tags that are numbers, as in data sets of Hugging Face: their names, in the order of the
    /// numbers.
    #[arg(long, value_name = "O,B-PER,...")]
    label_names: Option<LabelNames>,
}

/// How the files of a corpus are read.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct FormatArgs {
    #[command(flatten)]
    file: FileArgs,
    #[command(flatten)]
    columns: ColumnArgs,
    #[command(flatten)]
    tags: TagArgs,
}

impl FormatArgs {
    /// What was said; the rest is told from the files.
    pub(crate) fn format(&self) -> CorpusFormat {
        let mut format = self.tags.format(&self.file);
        format.columns = self.columns.columns;
        format
    }
}

impl TagArgs {
    /// The same for files whose columns are another matter.
    pub(crate) fn format(&self, file: &FileArgs) -> CorpusFormat {
        let mut format = CorpusFormat::default();
        (format.format, format.separator) = (file.from, file.separator);
        (format.scheme, format.label_names) = (self.scheme.0, self.label_names.clone());
        format
    }
}

/// A scheme, or `None` for one that the tags tell.
#[derive(Clone, Copy, Debug, Default)]
struct SchemeChoice(Option<Scheme>);

impl FromStr for SchemeChoice {
    type Err = smvae::core::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "auto" => Ok(Self(None)),
            name => Ok(Self(Some(name.parse()?))),
        }
    }
}
