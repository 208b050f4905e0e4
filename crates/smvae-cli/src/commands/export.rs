//! `smvae export`: labelled posts, as other programs have them.

use crate::corpus::tell;
use crate::counted::count;
use crate::failure::{BadLines, Usage};
use crate::inputs::Inputs;
use crate::options::{FormatArgs, LabelStudioArgs};
use crate::output;
use crate::progress::{MAX_TOLD, insist, say};
use crate::suggested::Suggested;
use clap::Args;
use smvae::answers::AnswerFormat;
use smvae::core::schemes::Scheme;
use smvae::data::Split;
use smvae::data::corpus::split_path;
use smvae::data::exchange::labelled::{LabelledPost, posts_of};
use smvae::data::files::write_atomically;
use smvae::data::formats::write::{Author, Output, WriteSettings, Writer, Written};
use smvae::data::formats::{self, Format, Settings};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The posts: a corpus, of which one split is written, or a file in any format of a corpus.
    #[arg(value_name = "CORPUS|FILE")]
    posts: PathBuf,
    /// Of a corpus, the split: train, dev or test. By default train.
    #[arg(long, value_name = "NAME")]
    split: Option<Split>,
    #[command(flatten)]
    format: FormatArgs,
    /// label-studio, doccano, prodigy, spacy, huggingface, conll, csv, jsonl, arrow or parquet.
    ///
    /// By default the name of the output tells it. spacy is Doc.to_json, huggingface is tokens and
    /// ner_tags; both are JSON lines.
    #[arg(long, value_name = "FORMAT")]
    to: Option<AnswerFormat>,
    /// Where the posts go; - for stdout.
    #[arg(long, value_name = "FILE")]
    output: PathBuf,
    /// Replace a file that is there already.
    #[arg(long)]
    overwrite: bool,
    /// The scheme of the tags that are written: iob2, iob1, ioe1, ioe2, iobes or bilou.
    ///
    /// --scheme is that of the tags that are read.
    #[arg(long, default_value = "iob2", value_name = "SCHEME")]
    to_scheme: Scheme,
    #[command(flatten)]
    label_studio: LabelStudioArgs,
}

pub(crate) fn run(args: &ExportArgs) -> anyhow::Result<()> {
    let Some(format) = args.to.or_else(|| AnswerFormat::of_path(&args.output)) else {
        let message = format!("--to names the format of {}: its name does not", args.output.display());
        return Err(Usage(message).into());
    };
    let file = match args.split {
        split if args.posts.is_dir() => split_path(&args.posts, split.unwrap_or(Split::Train))?,
        Some(split) => {
            let message = format!("--split {split} is for a corpus, and {} is not a folder", args.posts.display());
            return Err(Usage(message).into());
        }
        None => args.posts.clone(),
    };
    let inputs = Inputs::default().file("the posts", Some(&file));
    let outputs = [("--output", Some(args.output.as_path()))];
    output::check_apart(outputs, &inputs)?;
    output::check_new(outputs, args.overwrite)?;
    let read = posts_of(&file, &args.format.format())?;
    check_suggested(&file, args)?;
    tell([(file.as_path(), &read.read_as)]);
    let (bytes, left_out) = match format {
        AnswerFormat::JsonLines => {
            (read.posts.iter().map(|post| post.to_line() + "\n").collect::<String>().into_bytes(), 0)
        }
        AnswerFormat::Of(output) => written(args, output, &file, &read.posts)?,
    };
    let name = if args.output == Path::new("-") {
        output::print_bytes(&bytes)?;
        "stdout".to_owned()
    } else {
        write_atomically(&args.output, &bytes)?;
        args.output.display().to_string()
    };
    let n = read.posts.len() - left_out;
    say(format!("{name}: {} of {} as {}", count(n, "post", "posts"), file.display(), format.name()));
    if left_out > 0 { Err(BadLines { lines: left_out, left_out, ..BadLines::default() }.into()) } else { Ok(()) }
}

/// Refuses suggestions in the place of labelled posts. What can be read once alone is taken as it
/// is.
fn check_suggested(file: &Path, args: &ExportArgs) -> anyhow::Result<()> {
    let from = args.format.format().format.or_else(|| Format::of_path(file));
    if !matches!(from, Some(Format::JsonLines | Format::Json)) || !file.is_file() {
        return Ok(());
    }
    let mut suggested = Suggested::default();
    for post in formats::open(file, &Settings { format: from, ..Settings::default() })? {
        suggested.add(&post?);
    }
    suggested.check(file)
}

/// The posts in a format of another program, and how many it has no place for.
fn written(args: &ExportArgs, output: Output, file: &Path, posts: &[LabelledPost]) -> anyhow::Result<(Vec<u8>, usize)> {
    let settings = WriteSettings { author: Author::Person, scheme: args.to_scheme, ..args.label_studio.settings() };
    let mut writer = Writer::new(output, Vec::new(), &settings)?;
    let mut left_out = 0;
    for post in posts {
        if let Written::LeftOut(why) = writer.post(&post.as_found())? {
            left_out += 1;
            if left_out <= MAX_TOLD {
                insist(format!("{}:{}: left out: {why}", file.display(), post.line));
            }
        }
    }
    Ok((writer.finish()?, left_out))
}
