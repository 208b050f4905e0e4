//! `smvae predict`: posts in and answers out, both in any of the formats, in order.
//! Reading, computing and writing overlap, and memory does not grow with the number of posts:
//! `smvae::PredictionStream` does that; here are the files.
//!
//! `args` has the options, `writer` what answers are written as, `output` where they go, `origin`
//! what an unfinished output belongs to, `losses` what is counted for the end.

mod args;
mod leftover;
mod losses;
mod origin;
mod output;
mod writer;

pub(crate) use args::PredictArgs;

use crate::captions::with_captions_told;
use crate::counted::count;
use crate::failure::{BadLines, Usage};
use crate::input::name;
use crate::inputs::Inputs;
use crate::interrupt;
use crate::lines::{self, Fault, Line};
use crate::model;
use crate::output::holds_something;
use crate::progress::{Progress, detail, insist, say};
use leftover::{Continued, Leftover};
use losses::Losses;
use origin::{Beside, Origin, options_of};
use output::{Output, are_answered};
use serde_json::value::RawValue;
use smvae::answers::{AnswerFormat, PostOrigin};
use smvae::data::files::sha256_file;
use smvae::data::formats::write::FailedPost;
use smvae::{PredictionStream, Predictor, RunInfo, StreamSettings};
use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use writer::{Writer, can_be_continued, has_candidates, is_columnar};

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<()> {
    check_output(args)?;
    let format = args.output_format()?;
    check(args, format)?;
    let posts = lines::open(&args.input, &args.form, &args.columns)?;
    let models = model::load_each(&args.model, args.device, &args.options())?;
    args.precision.tell(&models[0]);
    detail(|| format!("from {}, to {} as {}", name(&args.input), args.output.display(), format.name()));
    let pictures = model::pictures(&models, &args.images, args.device)?;
    let with_images = |model| {
        if pictures.is_some() { Ok(model) } else { model::with_images(model, &args.images, args.device, false) }
    };
    let captions = RefCell::new(Vec::<String>::new());
    let with_captions = |model| -> anyhow::Result<Predictor> {
        let (model, digest) = with_captions_told(model, &args.captions, false)?;
        captions.borrow_mut().extend(digest);
        Ok(model)
    };
    let models = model::complete(models, &args.model, with_images, with_captions)?;
    let beside = Beside::of(args, &models, pictures.as_ref(), captions.into_inner())?;
    let sees_images = !args.images.no_images && models.iter().any(|model| model.image_identity().is_some());
    let model = Predictor::together(models)?;
    if !model.words_are_known() {
        say(format!(
            "{} does not say how its corpus was split into words: text is split as by {}, --words names another way",
            args.model[0].display(),
            model.words()
        ));
    }
    let model = Arc::new(model);
    let mut writer = Writer::new(format, &args.write_settings(format)?)?;
    let (mut output, continued) = open_output(args, format, &model, &beside)?;
    // What an earlier run has answered does not tell which of its posts named an image.
    let is_whole = continued.posts == 0;
    let replaces = holds_something(&args.output);
    let lines = lines::lines(posts, continued.posts, lines::post_of(model.clone(), pictures));
    let mut stream = model.stream_with(lines, &StreamSettings::default().with_window(args.chunk as usize));
    interrupt::catch_and(stream.stopper())?;
    let written = write(&mut stream, args, &mut writer, &mut output, continued).and_then(|told| {
        if let Some(signal) = interrupt::signal() {
            return Err(signal.into());
        }
        let (done, losses) = &told;
        if replaces && *done > 0 && losses.bad == *done {
            output.discard()?;
            return Err(without_answers(args, losses));
        }
        output.put(&writer.finish()?)?;
        output.finish()?;
        Ok(told)
    });
    let (done, losses) = match written {
        Ok(told) => told,
        // What was answered stays, whatever has ended the rest.
        Err(error) => {
            let way = if error.is::<Refused>() { " without --strict" } else { "" };
            match output.leave(is_columnar(format), way, || writer.finish()) {
                Some(kept) => insist(kept),
                None if interrupt::signal().is_some() => say(are_answered(output.posts())),
                None => {}
            }
            return Err(error);
        }
    };
    losses.tell(done);
    if sees_images && is_whole && done > 0 && losses.images_named == 0 {
        say("no post names an image: all were read as text alone, by a model that was trained with images");
    }
    if args.output != Path::new("-") {
        let (posts, entities) =
            (count(done - losses.bad, "post", "posts"), count(losses.entities, "entity", "entities"));
        let replaced = if replaces { ", in the place of what was there" } else { "" };
        say(format!("{}: {posts} with {entities}{replaced}", args.output.display()));
    }
    let (lines, left_out) = (losses.bad, writer.left_out());
    if lines == 0 && left_out == 0 {
        return Ok(());
    }
    // What is left out has been named.
    let first = losses.first.filter(|_| left_out == 0);
    Err(BadLines { lines, left_out, first, ..BadLines::default() }.into())
}

/// Said of an input without a single post, whose errors would take the place of earlier answers.
fn without_answers(args: &PredictArgs, losses: &Losses) -> anyhow::Error {
    let (why, output) = (lines::without_posts(&args.input), args.output.display());
    let first = losses.first.clone().unwrap_or_default();
    anyhow::Error::msg(first).context(format!("{why}; {output} is left as it was"))
}

/// Refuses an output that cannot be written, or that is an input.
fn check_output(args: &PredictArgs) -> anyhow::Result<()> {
    let inputs = Inputs::default().file("--input", Some(&args.input)).runs(&args.model);
    let inputs = inputs.images_and_captions(&args.images, &args.captions);
    crate::output::check_apart([("--output", Some(args.output.as_path()))], &inputs)
}

/// Refuses what makes no sense, before the model is loaded.
fn check(args: &PredictArgs, format: AnswerFormat) -> anyhow::Result<()> {
    if args.model.len() > 1 && args.reading.settings().calibrated {
        return Err(Usage("--calibrated is for one --model, and not for several together".to_owned()).into());
    }
    if args.reading.settings().all_above.is_some() && !has_candidates(format) {
        say(format!("candidates are left out: {} has no place for them", format.name()));
    }
    if args.resume && !can_be_continued(format) {
        return Err(Usage(format!("--resume continues JSON lines alone, and not {}", format.name())).into());
    }
    if args.resume && !is_resumable(args, format) {
        let what = "--resume needs an --input and an --output that are files: it reads both again";
        return Err(Usage(what.to_owned()).into());
    }
    if args.resume || args.overwrite {
        return Ok(());
    }
    Output::check_leftover(&args.output, is_resumable(args, format))
}

/// Whether what is left of this prediction, should it be killed, can be continued.
fn is_resumable(args: &PredictArgs, format: AnswerFormat) -> bool {
    can_be_continued(format) && args.input.is_file() && Output::is_renamed(&args.output)
}

fn open_output(
    args: &PredictArgs,
    format: AnswerFormat,
    model: &Predictor,
    beside: &Beside,
) -> anyhow::Result<(Output, Continued)> {
    if !Output::is_renamed(&args.output) {
        return Ok((Output::direct(&args.output)?, Continued::default()));
    }
    let origin = if is_resumable(args, format) { Some(origin(args, model, beside)?) } else { None };
    let leftover = match (args.resume, args.overwrite) {
        (true, _) => Leftover::Continue,
        (false, true) => Leftover::Drop,
        (false, false) => Leftover::Refuse,
    };
    let (output, continued) = Output::file(&args.output, origin.as_ref(), leftover)?;
    if continued.posts > 0 {
        say(format!("{} already: the rest follows", are_answered(continued.posts)));
    }
    Ok((output, continued))
}

/// What the answers depend on. Whatever option changes an answer belongs here.
fn origin(args: &PredictArgs, model: &Predictor, beside: &Beside) -> anyhow::Result<Origin> {
    let digests = args.model.iter().map(RunInfo::digest).collect::<smvae::Result<Vec<_>>>()?;
    let (form, reading) = (&args.form, args.reading.settings());
    let read = [
        ("--from", form.from.map(|format| format.to_string())),
        ("--separator", form.separator.map(|separator| separator.to_string())),
        ("--columns", args.columns.columns.map(|columns| columns.to_string())),
    ];
    let told = [
        ("--all-above", reading.all_above.map(|p| p.to_string())),
        ("--calibrated", reading.calibrated.then(String::new)),
        ("--no-windows", (!reading.windows).then(String::new)),
    ];
    let settings = [
        ("the program", env!("CARGO_PKG_VERSION").to_owned()),
        ("the input", format!("sha256 {}", sha256_file(&args.input)?)),
        ("the model", format!("sha256 {}", digests.join(" "))),
        ("how the input is read", options_of(read)),
        ("--words", model.words().to_string()),
        ("the source of image vectors", beside.images.clone()),
        ("the file of captions", beside.captions.clone()),
        ("where it is computed", args.device.to_args().join(" ")),
        ("what it is computed in", args.precision.origin(model)),
        ("how posts are read and what is told of them", options_of(told)),
    ];
    Ok(Origin(settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()))
}

/// Writes every answer, until the end, a signal or a failure; the number of posts that are
/// answered, and what was not read of them.
fn write(
    stream: &mut PredictionStream<Line>,
    args: &PredictArgs,
    writer: &mut Writer,
    output: &mut Output,
    continued: Continued,
) -> anyhow::Result<(usize, Losses)> {
    let Continued { posts: mut done, mut losses } = continued;
    let mut progress = Progress::new("posts");
    while let Some((line, found)) = stream.next() {
        let id = line.id.as_deref();
        let failed = FailedPost { line: line.number, id, ..FailedPost::default() };
        let bytes = match (line.fields, found) {
            (Ok(fields), Ok(mut found)) => {
                // Nothing is missing where images were declined.
                found.image_missing &= !args.images.no_images;
                losses.count(&found, line.post.image_id.as_deref());
                writer.answer(&PostOrigin { line: line.number, id, fields: &fields }, &line.post, found)?
            }
            (Err(Fault::Input(error)), _) => return Err(error),
            (Err(Fault::Line(why)), _) => {
                let id = line.written_id.as_deref();
                failure(&FailedPost { error: &why, ..failed }, id, args, writer, &mut losses)?
            }
            (Ok(fields), Err(error)) => {
                let (error, post) = (error.to_string(), &line.post);
                let failed =
                    FailedPost { error: &error, image: post.image_id.as_deref(), words: post.words(), ..failed };
                failure(&failed, fields.get("id"), args, writer, &mut losses)?
            }
        };
        done += 1;
        output.put_post(&bytes)?;
        if !stream.is_ready() {
            // A reader at the other end of a pipe gets what there is before it has to wait.
            if !Output::is_renamed(&args.output) {
                output.put(&writer.pending()?)?;
            }
            output.flush()?;
        }
        progress.update(done, 0, String::new);
    }
    Ok((done, losses))
}

/// A line that `--strict` refuses.
#[derive(Debug)]
struct Refused(String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

fn failure(
    failed: &FailedPost<'_>,
    written_id: Option<&RawValue>,
    args: &PredictArgs,
    writer: &mut Writer,
    losses: &mut Losses,
) -> anyhow::Result<Vec<u8>> {
    if args.strict {
        let (line, why) = (failed.line, failed.error);
        let place = format!("{}:{line}", name(&args.input));
        let message = format!("{place}: {why} (without --strict such a line has an error in its place)");
        return Err(Refused(message).into());
    }
    losses.fail(failed.line, failed.error);
    Ok(writer.failure(failed, written_id)?)
}
