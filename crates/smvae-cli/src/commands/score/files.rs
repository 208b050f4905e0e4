//! Gold and predicted labels in two files, each in its own format: the same posts, with the same
//! words, in the same order.

use super::count::count;
use crate::failure::Usage;
use crate::input::name;
use crate::progress::say;
use anyhow::{Context as _, bail, ensure};
use smvae::core::metrics::Conlleval;
use smvae::core::schemes::Scheme;
use smvae::data::corpus::CorpusFormat;
use smvae::data::formats::{self, Body, Format, LabelUse, Labels, PostRecord, labelled};
use smvae::data::{Convention, Entity};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;

/// Scores the second file by the first.
pub(super) fn score(
    gold: &Path,
    predicted: &Path,
    format: &CorpusFormat,
    convention: Convention,
) -> anyhow::Result<Conlleval> {
    let is_stdin = |path: &Path| path == Path::new("-");
    if is_stdin(gold) && is_stdin(predicted) {
        return Err(Usage("only one of the two files can be stdin".to_owned()).into());
    }
    let (left, right) = (Side::read(gold, format)?, Side::read(predicted, format)?);
    let (n, m) = (left.posts.len(), right.posts.len());
    ensure!(n == m, "{} has {n} posts and {} has {m}: they must be the same posts", name(gold), name(predicted));
    let mut eval = Conlleval::default();
    for (i, (ours, theirs)) in left.posts.iter().zip(&right.posts).enumerate() {
        let (words, others) = (words(ours), words(theirs));
        if words != others {
            let at = words.iter().zip(others).position(|(a, b)| a != b).unwrap_or(words.len().min(others.len()));
            let place = |side: &Side, post: &PostRecord| format!("{}:{}", side.name, post.line);
            bail!(
                "post {} has other words in {} than in {}: the word {} is {:?}, and {:?} there",
                i + 1,
                place(&left, ours),
                place(&right, theirs),
                at + 1,
                words.get(at).map_or("missing", String::as_str),
                others.get(at).map_or("missing", String::as_str)
            );
        }
        let (gold, found) = (left.entities(ours, convention)?, right.entities(theirs, convention)?);
        count(&mut eval, words.len(), &gold, &found)
            .with_context(|| format!("the labels of post {} do not fit its words", i + 1))?;
    }
    Ok(eval)
}

/// One file.
struct Side {
    name: String,
    posts: Vec<PostRecord>,
    scheme: Option<Scheme>,
}

impl Side {
    fn read(path: &Path, format: &CorpusFormat) -> anyhow::Result<Self> {
        let is_stdin = path == Path::new("-");
        let by_name = Format::of_path(path).filter(|format| *format != Format::Text);
        let by_place = if is_stdin { Format::JsonLines } else { Format::Conll };
        let mut settings = format.settings(LabelUse::Required);
        settings.format = settings.format.or(by_name).or(Some(by_place));
        let input: Box<dyn BufRead> = if is_stdin {
            Box::new(std::io::stdin().lock())
        } else {
            let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
            Box::new(BufReader::new(file))
        };
        let mut read = formats::read(input, name(path), &settings)?;
        let mut posts = read.by_ref().collect::<Result<Vec<_>, _>>()?;
        if let Some(names) = &format.label_names {
            labelled::name_tags(&mut posts, path, names)?;
        }
        let told =
            labelled::scheme_of(posts.iter().filter_map(PostRecord::tags), format.scheme, Path::new(&name(path)))?;
        let decided = read.decided();
        if let Some(told) = told.as_ref().filter(|told| told.scheme != Scheme::Iob2 || decided.columns.is_some()) {
            say(format!("{} read as {decided}, scheme {told}", name(path)));
        }
        Ok(Self { name: name(path), posts, scheme: told.map(|told| told.scheme) })
    }

    fn entities(&self, post: &PostRecord, convention: Convention) -> anyhow::Result<Vec<Entity>> {
        let place = || format!("{}:{}: the labels cannot be read", self.name, post.line);
        match (&post.labels, self.scheme) {
            (Some(Labels::Tags(tags)), Some(scheme)) => scheme.read(tags, convention).with_context(place),
            (Some(Labels::Entities(entities)), _) => Ok(entities.clone()),
            (Some(Labels::TagNumbers(_)), _) => {
                Err(smvae::data::Error::TagNumbers { path: self.name.clone().into(), line: post.line }.into())
            }
            _ => bail!("{}:{}: expected words with labels", self.name, post.line),
        }
    }
}

fn words(post: &PostRecord) -> &[String] {
    match &post.body {
        Body::Words(words) => words,
        Body::Text(_) => &[],
    }
}
