//! The posts of all exports, each once.

use super::args::ImportArgs;
use crate::counted::count;
use crate::failure::Usage;
use crate::progress::say;
use smvae::data::exchange::{Annotated, ReadSettings, State, Tool, read_with};
use smvae::data::formats::Format;
use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// A post with the file that it is from.
pub(super) struct Post<'a> {
    pub(super) file: &'a Path,
    /// What columns call the file, which no other one of this import is called.
    pub(super) name: Rc<str>,
    pub(super) post: Annotated,
}

/// The posts of all files, each once.
pub(super) struct Posts<'a> {
    pub(super) kept: Vec<Post<'a>>,
    /// Posts that were labelled more than once.
    pub(super) several: usize,
}

/// Reads all exports.
pub(super) fn read_all(args: &ImportArgs) -> anyhow::Result<Posts<'_>> {
    let settings = ReadSettings { text_field: args.text_field.clone() };
    let (mut kept, mut several) = (Vec::<Post<'_>>::new(), 0);
    let mut places: HashMap<(Option<String>, Option<String>, String), usize> = HashMap::new();
    let mut for_dev = HashSet::new();
    for (file, name) in args.files.iter().zip(names(&args.files)) {
        if matches!(Format::of_path(file), Some(Format::Csv | Format::Tsv)) {
            anyhow::bail!(
                "{} is a table: import reads exports of Label Studio, doccano, Prodigy and spaCy; a table of labels needs \
                 the columns `words` and `tags`, and split and train read it as it is",
                file.display()
            );
        }
        let export = read_with(file, &settings)?;
        let (n, tool) = (export.posts.len(), export.tool.name());
        if args.text_field.is_some() && export.tool != Tool::LabelStudio {
            let message =
                format!("--text-field is for exports of Label Studio, and {} is one of {tool}", file.display());
            return Err(Usage(message).into());
        }
        let field = export.text_field.map_or_else(String::new, |field| format!(", whose text is the field {field:?}"));
        say(format!("{}: {} of {tool}{field}", file.display(), count(n, "post", "posts")));
        if has_no_entity(&export.posts) {
            say(format!(
                "warning: no post of {} has an entity: is this the file of tasks, and not the export?",
                file.display()
            ));
        }
        several += export.several.len();
        for post in export.posts {
            if post.for_dev {
                for_dev.insert(said(&post));
            }
            let key = (post.id.clone(), post.image.clone(), post.text.clone());
            let place = *places.entry(key).or_insert(kept.len());
            let Some(before) = kept.get_mut(place) else {
                kept.push(Post { file, name: Rc::clone(&name), post });
                continue;
            };
            let is_labelled = |post: &Annotated| matches!(post.state, State::Labelled(_));
            several += usize::from(is_labelled(&before.post) && is_labelled(&post));
            // A later export in which nobody labelled it takes no labels away.
            if is_labelled(&post) || !is_labelled(&before.post) {
                *before = Post { file, name: Rc::clone(&name), post };
            }
        }
    }
    if !kept.iter().any(|kept| matches!(kept.post.state, State::Labelled(_))) {
        let posts =
            if kept.len() == 1 { "the one post".to_owned() } else { format!("any of the {} posts", kept.len()) };
        anyhow::bail!(
            "nobody has labelled {posts} (is this the file of tasks, and not the export?): nothing is written"
        );
    }
    // Another tool, or a later week, may have lost the mark: what was for dev is not trained on.
    for Post { post, .. } in &mut kept {
        post.for_dev |= for_dev.contains(&said(post));
    }
    Ok(Posts { kept, several })
}

/// Whether posts are labelled, and none of them has an entity. Of some tools nothing else tells
/// that nobody has labelled a file yet.
fn has_no_entity(posts: &[Annotated]) -> bool {
    let mut labelled = posts.iter().filter(|post| matches!(post.state, State::Labelled(_))).peekable();
    let is_empty = |post: &Annotated| {
        post.odd.is_empty() && matches!(&post.state, State::Labelled(entities) if entities.is_empty())
    };
    labelled.peek().is_some() && labelled.all(is_empty)
}

/// What a post says, and of which image, whatever its id is in which tool.
fn said(post: &Annotated) -> (Option<String>, String) {
    (post.image.clone(), post.text.clone())
}

/// What columns call each file: its name without the ending, and its place among the files where
/// several are called so.
fn names(files: &[PathBuf]) -> Vec<Rc<str>> {
    let stem = |file: &PathBuf| file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let stems: Vec<String> = files.iter().map(stem).collect();
    let name = |(i, stem): (usize, &String)| -> Rc<str> {
        let is_alone = stems.iter().filter(|other| *other == stem).count() == 1;
        if is_alone { Rc::from(stem.as_str()) } else { Rc::from(format!("{stem}.{}", i + 1)) }
    };
    stems.iter().enumerate().map(name).collect()
}

impl Post<'_> {
    /// File, line and id, for messages.
    pub(super) fn place(&self) -> String {
        let id = self.post.id.as_ref().map_or_else(String::new, |id| format!(" (id {id})"));
        format!("{}:{}{id}", self.file.display(), self.post.line)
    }

    /// What columns call a post without an image: its own id alone might be that of an image, with
    /// which it would be trained.
    pub(super) fn column_id(&self) -> String {
        let place = format!("{}-{}", self.name, self.post.line);
        // White space at an end would not be read back.
        let id = self.post.id.as_ref().filter(|id| !id.is_empty() && !id.contains(char::is_whitespace));
        id.map_or_else(|| place.clone(), |id| format!("{place}-{id}"))
    }
}
