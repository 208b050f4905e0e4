//! `smvae score`: scores of predicted tags or entities, for the output of any program: as the
//! script `conlleval` computes them, or strictly.
//!
//! `tagged` reads gold and predicted tags from the columns of one file, `files` reads them from two
//! files of any formats, `count` adds a post to the scores.

mod count;
mod files;
mod tagged;

use crate::failure::Usage;
use crate::options::{FileArgs, TagArgs};
use crate::output;
use clap::Args;
use smvae::data::Convention;
use std::path::PathBuf;
use std::str::FromStr;

#[derive(Debug, Args)]
pub(crate) struct ScoreArgs {
    /// Tagged text in columns, one word per line, with the gold and the predicted tag in the last
    /// two; - for stdin. With PREDICTED: a corpus with the gold labels, in any format.
    #[arg(default_value = "-", value_name = "FILE")]
    file: PathBuf,
    /// The same posts with predicted labels, in any format, such as the output of `smvae predict`;
    /// - for stdin, which is JSON lines unless --from says otherwise.
    #[arg(value_name = "PREDICTED")]
    predicted: Option<PathBuf>,
    #[command(flatten)]
    form: FileArgs,
    /// Words in columns, counted from 1: of one file the word, the gold and the predicted tag, such
    /// as 1,4,5; of two files the word and the tag, such as 1,4.
    #[arg(long, value_name = "WORD,GOLD,PREDICTED|WORD,TAG")]
    columns: Option<ScoreColumns>,
    #[command(flatten)]
    tags: TagArgs,
    /// How malformed tag sequences are read: conlleval, strict (what the scheme does not write is
    /// no entity, as seqeval's strict mode), or authors (BIO alone).
    #[arg(long, value_name = "NAME", default_value_t = Convention::Conlleval)]
    convention: Convention,
    /// Print the scores as JSON; `eval --json` has the same schema.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ScoreArgs) -> anyhow::Result<()> {
    let mut format = args.tags.format(&args.form);
    let numbers = args.columns.as_ref().map(|columns| columns.0.as_slice());
    let eval = match (&args.predicted, numbers) {
        (Some(_), Some([_, _, _])) => return Err(usage("--columns of two files has two numbers: word and tag")),
        (Some(predicted), columns) => {
            format.columns = columns.map(|columns| columns_of(columns[0], columns[1]));
            files::score(&args.file, predicted, &format, args.convention)?
        }
        (None, Some([_, _])) => {
            return Err(usage("--columns of one file has three numbers: word, gold tag and predicted tag"));
        }
        (None, _) if format.format.is_some() || format.separator.is_some() || format.label_names.is_some() => {
            return Err(usage("--from, --separator and --label-names are for two files: gold and predicted"));
        }
        (None, columns) => tagged::score(&args.file, columns, format.scheme, args.convention)?,
    };
    if args.json { output::print_json(&eval.scores) } else { output::print(&eval.report()) }
}

fn usage(text: &str) -> anyhow::Error {
    Usage(text.to_owned()).into()
}

fn columns_of(word: usize, tag: usize) -> smvae::data::formats::conll::Columns {
    smvae::data::formats::conll::Columns { word, tag: Some(tag) }
}

/// Two or three different columns, counted from 0.
#[derive(Clone, Debug)]
struct ScoreColumns(Vec<usize>);

impl FromStr for ScoreColumns {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let index = |number: &str| number.trim().parse::<usize>().ok()?.checked_sub(1);
        let numbers: Option<Vec<usize>> = text.split(',').map(index).collect();
        let is_distinct = |numbers: &Vec<usize>| numbers.iter().enumerate().all(|(i, n)| !numbers[..i].contains(n));
        numbers
            .filter(|numbers| [2, 3].contains(&numbers.len()) && is_distinct(numbers))
            .map(Self)
            .ok_or("two or three different numbers from 1 are expected, such as 1,4,5")
    }
}
