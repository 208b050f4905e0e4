//! Posts of a file or of stdin, in any format, as a stream takes them: one for every post of the
//! file, those that are no posts too, so that their errors keep their place.

use crate::input::name;
use crate::options::{ColumnArgs, FileArgs};
use crate::progress::{MAX_TOLD, say};
use serde_json::value::RawValue;
use smvae::data::exchange;
use smvae::data::formats::{self, Fields, Format, LabelUse, PostRecord, Settings};
use smvae::features::PictureFolder;
use smvae::{Post, Predictor, data};
use std::borrow::Borrow;
use std::error::Error as _;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;

/// The posts of an input, whatever it is.
pub(crate) type Records = Box<dyn Iterator<Item = data::Result<PostRecord>> + Send>;

/// Opens an input; - is stdin, which is JSON lines unless it is said otherwise.
pub(crate) fn open(path: &Path, form: &FileArgs, columns: &ColumnArgs) -> anyhow::Result<Records> {
    let is_stdin = path == Path::new("-");
    let format = form.from.or(is_stdin.then_some(Format::JsonLines));
    let settings = Settings { format, separator: form.separator, columns: columns.columns, labels: LabelUse::Ignored };
    let posts = if is_stdin {
        let stdin = BufReader::new(std::io::stdin());
        formats::read(stdin, name(path), &settings).map(|posts| Box::new(posts) as Records)
    } else {
        formats::open(path, &settings).map(|posts| Box::new(posts) as Records)
    };
    Ok(posts?)
}

/// Hands the posts of a file to `take`, which says what is wrong with those that it cannot use.
/// They and lines that are not posts are passed over: the first are told, and all are counted. A
/// file that holds lines, of which none is a post, is another file than was meant.
pub(crate) fn each_post(
    path: &Path,
    form: &FileArgs,
    columns: &ColumnArgs,
    mut take: impl FnMut(&PostRecord) -> Result<(), String>,
) -> anyhow::Result<usize> {
    let (mut posts, mut passed_over, mut told) = (0, 0, Vec::new());
    for record in open(path, form, columns)? {
        let taken = match record {
            Ok(record) => take(&record).map_err(|why| format!("{}:{}: {why}", name(path), record.line)),
            Err(error @ data::Error::Line { .. }) => Err(error.to_string()),
            Err(error) => {
                // What is wrong with the lines before may be why.
                told.iter().for_each(say);
                return Err(error.into());
            }
        };
        match taken {
            Ok(()) => posts += 1,
            Err(why) => {
                passed_over += 1;
                if told.len() < MAX_TOLD {
                    told.push(why);
                }
            }
        }
    }
    if posts == 0 && passed_over > 0 {
        return Err(anyhow::Error::msg(told.swap_remove(0)).context(without_posts(path)));
    }
    told.iter().for_each(say);
    Ok(passed_over)
}

/// What is said of a file without a single post, and what to do where it is a tool's.
pub(crate) fn without_posts(path: &Path) -> String {
    export_of_tool(path).unwrap_or_else(|| format!("no line of {} is a post", name(path)))
}

/// What to do with a file that is a tool's.
pub(crate) fn export_of_tool(path: &Path) -> Option<String> {
    // What a pipe held is gone.
    let export = path.is_file().then(|| exchange::read(path).ok()).flatten()?;
    Some(format!("{} is an export of {}: `smvae import` makes posts of it", name(path), export.tool.name()))
}

/// A post of the input, or what is wrong with it.
pub(crate) struct Line {
    /// The line it begins at, from 1.
    pub(crate) number: usize,
    /// The id that the input gives it, as far as it is known.
    pub(crate) id: Option<String>,
    /// The same as JSON, where there is an error and the input has such values.
    pub(crate) written_id: Option<Box<RawValue>>,
    /// The post; an empty one, which costs nothing, where there is an error.
    pub(crate) post: Post,
    /// What it came with, or what is wrong with it.
    pub(crate) fields: Result<Fields, Fault>,
}

/// Why a line has no answer.
pub(crate) enum Fault {
    /// This line is not a post.
    Line(String),
    /// The input, or its pictures, cannot be read any further.
    Input(anyhow::Error),
}

impl Borrow<Post> for Line {
    fn borrow(&self) -> &Post {
        &self.post
    }
}

/// The lines of an input but for the first `skipped`, which are read and forgotten.
pub(crate) fn lines(
    posts: impl Iterator<Item = data::Result<PostRecord>>,
    mut skipped: usize,
    mut post_of: impl FnMut(&PostRecord) -> Result<Post, Fault>,
) -> impl Iterator<Item = Line> {
    let line = move |record: data::Result<PostRecord>| {
        let fault = |number, id, written_id, fault| {
            let post = Post::default();
            Line { number, id, written_id, post, fields: Err(fault) }
        };
        let is_skipped = skipped > 0;
        match record {
            Ok(_) | Err(data::Error::Line { .. }) if is_skipped => {
                skipped -= 1;
                None
            }
            Ok(record) => Some(match post_of(&record) {
                Ok(post) => {
                    let PostRecord { line, id, fields, .. } = record;
                    Line { number: line, id, written_id: None, post, fields: Ok(fields) }
                }
                Err(why) => {
                    let written_id = record.fields.get("id").map(RawValue::to_owned);
                    fault(record.line, record.id, written_id, why)
                }
            }),
            Err(data::Error::Line { line, expected, text, id, .. }) => {
                let text_of = |id: &RawValue| serde_json::from_str(id.get()).unwrap_or_else(|_| id.get().to_owned());
                let why = Fault::Line(format!("expected {expected}, got {text:?}"));
                Some(fault(line, id.as_deref().map(text_of), id, why))
            }
            Err(error) => Some(fault(0, None, None, Fault::Input(error.into()))),
        }
    };
    posts.filter_map(line)
}

/// How a model makes posts of records, with the vectors of the pictures they name where there are
/// some, on the reader's thread.
pub(crate) fn post_of(
    model: Arc<Predictor>,
    pictures: Option<PictureFolder>,
) -> impl FnMut(&PostRecord) -> Result<Post, Fault> {
    let mut is_told = false;
    move |record| {
        let mut post = model.post_of(record).map_err(|error| Fault::Line(error.to_string()))?;
        if let Some(pictures) = &pictures {
            // A bad picture is no error: what fails here is the vision model.
            pictures.attach(std::slice::from_mut(&mut post)).map_err(|error| Fault::Input(error.into()))?;
            if let Some(error) = pictures.unkept().filter(|_| !std::mem::replace(&mut is_told, true)) {
                let cause = error.source().map_or_else(String::new, |cause| format!(" ({cause})"));
                say(format!(
                    "warning: vectors of images are not kept for later: {error}{cause}: --feature-cache names another folder"
                ));
            }
        }
        Ok(post)
    }
}
