//! `smvae predict`: posts in, in any of the formats, and one JSON line per post out, in order.
//! Posts are read, computed and written in chunks, so that memory does not grow with their number.
//!
//! `args` has the options, `chunk` the posts and their answers, `losses` what is counted for the
//! end.

mod args;
mod chunk;
mod losses;

pub(crate) use args::PredictArgs;

use crate::failure::{BadLines, Usage};
use crate::input::name;
use crate::model;
use crate::output;
use crate::progress::{Progress, say};
use anyhow::Context as _;
use chunk::{answer, read_chunk};
use losses::Losses;
use smvae::data::formats::{self, Format, LabelUse, Posts, Settings};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    let is_stdin = args.input == Path::new("-");
    if !is_stdin && real(&args.input).is_some_and(|input| real(&args.output) == Some(input)) {
        return Err(Usage("--output would write over --input while it is read".to_owned()).into());
    }
    let model = model::load(&args.model, args.device, args.options())?;
    let mut pictures = model::pictures(&model, &args.images, args.device)?;
    let model = if pictures.is_some() { model } else { model::with_images(model, &args.images, args.device, false)? };
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
        let chunk = read_chunk(&mut posts, args.chunk as usize, &model, pictures.as_mut())?;
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
    let format = args.form.from.or(is_stdin.then_some(Format::JsonLines));
    let (separator, columns) = (args.form.separator, args.columns.columns);
    let settings = Settings { format, separator, columns, labels: LabelUse::Ignored };
    let input: Box<dyn BufRead> = if is_stdin {
        Box::new(std::io::stdin().lock())
    } else {
        let file = File::open(&args.input).with_context(|| format!("cannot read {}", args.input.display()))?;
        Box::new(BufReader::new(file))
    };
    formats::read(input, name(&args.input), &settings).context("--from names the format of a file whose name does not")
}
