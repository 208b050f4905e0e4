//! Posts are read and answered in chunks.

use super::args::PredictArgs;
use super::losses::Losses;
use smvae::data::formats::{PostRecord, Posts};
use smvae::features::PictureFolder;
use smvae::{Post, Predictor, json};
use std::io::BufRead;

/// A part of the input: the posts in one piece, as the model takes them.
#[derive(Default)]
pub(super) struct Chunk {
    /// One per post of the input, with its record or what is wrong with it.
    pub(super) lines: Vec<(usize, Result<PostRecord, String>)>,
    /// The posts of the lines that have a record.
    posts: Vec<Post>,
}

/// Up to `n` posts; none at the end.
pub(super) fn read_chunk<R: BufRead>(
    posts: &mut Posts<R>,
    n: usize,
    model: &Predictor,
    pictures: Option<&mut PictureFolder>,
) -> anyhow::Result<Chunk> {
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
    if let Some(pictures) = pictures {
        pictures.attach(&mut chunk.posts)?;
    }
    Ok(chunk)
}

/// A line for every post of a chunk; counts what was not read. With `--strict` the lines end before
/// the first that is not a post, which is then returned.
pub(super) fn answer(
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
