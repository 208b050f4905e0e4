//! `smvae predict`: posts in, in any of the formats, and one JSON line per post out, in order.
//! Posts are read, computed and written in chunks, so that memory does not grow with their number.

use crate::failure::{BadLines, Usage};
use crate::input::name;
use crate::model;
use crate::options::{DeviceArgs, ImageArgs, NumberType};
use crate::output;
use crate::progress::{Progress, say};
use anyhow::Context as _;
use clap::Args;
use smvae::data::formats::{self, Format, LabelUse, PostRecord, Posts, Settings};
use smvae::data::words::WordConvention;
use smvae::{Post, Predictor, json};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A run folder.
    #[arg(long, visible_alias = "weights", value_name = "DIR")]
    model: PathBuf,
    /// Posts to read; - for stdin, which is JSON lines unless --from says otherwise.
    #[arg(long, default_value = "-", value_name = "FILE")]
    input: PathBuf,
    /// The format of the input: jsonl, json, text, csv, tsv or conll. By default its name tells it.
    #[arg(long, value_name = "FORMAT")]
    from: Option<Format>,
    /// Where the JSON lines go; - for stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    output: PathBuf,
    /// How text is split into words: twitter2015, twitter2017, conll or whitespace, with changes
    /// such as twitter2017,hashtag=keep. By default as the model's corpus was.
    #[arg(long, value_name = "CONVENTION")]
    words: Option<WordConvention>,
    #[command(flatten)]
    images: ImageArgs,
    /// Stop at the first line that is not a post. By default such a line has {"line", "error"} in
    /// its place, and the exit code is 3 at the end.
    #[arg(long)]
    strict: bool,
    /// What is now the default.
    #[arg(long, hide = true, conflicts_with = "strict")]
    skip_bad: bool,
    /// Posts that are read, computed and written at once.
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    chunk: u32,
    #[command(flatten)]
    device: DeviceArgs,
    /// What the text encoder computes in; f16 and bf16, on a GPU, take half the memory.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
}

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let is_stdin = args.input == Path::new("-");
    if !is_stdin && real(&args.input).is_some_and(|input| real(&args.output) == Some(input)) {
        return Err(Usage("--output would write over --input while it is read".to_owned()).into());
    }
    let model = model::load(&args.model, &args.images, args.device, args.dtype, args.words.as_ref())?;
    if !model.words_are_known() {
        say(format!(
            "{} does not say how its corpus was split into words: text is split as by {}, --words names another way",
            args.model.display(),
            model.words()
        ));
    }
    let mut posts = open(args)?;
    let mut out = output::open(&args.output)?;
    let mut progress = Progress::new("posts");
    let (mut done, mut losses) = (0, Losses::default());
    loop {
        let chunk = read_chunk(&mut posts, args.chunk as usize, &model)?;
        if chunk.lines.is_empty() {
            break;
        }
        done += chunk.lines.len();
        let (answers, bad) = answer(&model, &chunk, args, &mut losses);
        // A reader at the other end of a pipe gets every chunk at once.
        let written = out.write_all(answers.as_bytes()).and_then(|()| out.flush());
        written.with_context(|| output::unwritable(&args.output))?;
        if let Some((line, why)) = bad {
            anyhow::bail!(
                "{}:{line}: {why} (without --strict such a line has an error in its place)",
                name(&args.input)
            );
        }
        progress.update(done, 0, String::new);
    }
    drop(progress);
    losses.tell(done);
    if losses.bad > 0 { Err(BadLines(losses.bad).into()) } else { Ok(()) }
}

fn open(args: &PredictArgs) -> anyhow::Result<Posts<Box<dyn BufRead>>> {
    let is_stdin = args.input == Path::new("-");
    let format = args.from.or(is_stdin.then_some(Format::JsonLines));
    let settings = Settings { format, labels: LabelUse::Ignored, ..Settings::default() };
    let input: Box<dyn BufRead> = if is_stdin {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(&args.input).with_context(|| format!("cannot read {}", args.input.display()))?;
        Box::new(BufReader::new(file))
    };
    formats::read(input, name(&args.input), &settings).context("--from names the format of a file whose name does not")
}

/// What the entities do not tell: what was not read.
#[derive(Debug, Default)]
struct Losses {
    /// Lines that are not posts, or could not be computed.
    bad: usize,
    /// Words beyond the piece limit.
    words_cut: usize,
    /// Posts that name an image without a vector.
    images_missing: usize,
}

impl Losses {
    /// Says them, of so many posts.
    fn tell(&self, posts: usize) {
        let all = [
            (self.images_missing, "posts name an image that has no vector, and were read without it"),
            (self.words_cut, "words were cut by the piece limit, and have no entities"),
        ];
        for (n, what) in all.into_iter().filter(|(n, _)| *n > 0) {
            say(format!("{n} {what} ({posts} posts in all)"));
        }
    }
}

/// A part of the input: the posts in one piece, as the model takes them.
#[derive(Default)]
struct Chunk {
    /// One per post of the input, with its record or what is wrong with it.
    lines: Vec<(usize, Result<PostRecord, String>)>,
    /// The posts of the lines that have a record.
    posts: Vec<Post>,
}

/// Up to `n` posts; none at the end.
fn read_chunk<R: BufRead>(posts: &mut Posts<R>, n: usize, model: &Predictor) -> anyhow::Result<Chunk> {
    let mut chunk = Chunk::default();
    for record in posts.take(n) {
        match record {
            Ok(record) => {
                let number = record.line;
                let post = model.post_of(&record).map(|post| chunk.posts.push(post));
                chunk.lines.push((number, post.map(|()| record).map_err(|error| error.to_string())));
            }
            // A bad line is one line; whatever else goes wrong ends the input.
            Err(smvae::data::Error::Line { line, expected, text, .. }) => {
                chunk.lines.push((line, Err(format!("expected {expected}, got {text:?}"))));
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(chunk)
}

/// A line for every post of a chunk; counts what was not read. With `--strict` the lines end before
/// the first that is not a post, which is then returned.
fn answer(
    model: &Predictor,
    chunk: &Chunk,
    args: &PredictArgs,
    losses: &mut Losses,
) -> (String, Option<(usize, String)>) {
    let mut answers = chunk.posts.iter().zip(model.predict_each(&chunk.posts));
    let mut text = String::new();
    for (number, record) in &chunk.lines {
        let answer = record.as_ref().map_err(Clone::clone).and_then(|record| {
            let (post, found) = answers.next().expect("an answer to every post");
            found.map(|found| (record, post, found)).map_err(|error| error.to_string())
        });
        match answer {
            Ok((record, post, mut found)) => {
                // Nothing is missing where images were declined.
                found.image_missing &= !args.images.no_images;
                losses.words_cut += found.words_cut;
                losses.images_missing += usize::from(found.image_missing);
                text += &json::answer(&record.fields, post, found);
            }
            Err(why) if args.strict => return (text, Some((*number, why))),
            Err(why) => {
                losses.bad += 1;
                text += &json::failure(*number, &why);
            }
        }
        text.push('\n');
    }
    (text, None)
}
