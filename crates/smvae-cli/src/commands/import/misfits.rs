//! Spans that do not fit the words of their posts: what is listed of them, and what to do about
//! them.

use super::posts::Post;
use crate::progress::{insist, is_verbose, say};
use smvae::data::exchange::fit::{Fitted, Misfit, Misfits, Why, fit};
use smvae::data::words::WordConvention;

/// Spans that are listed one by one, unless all are asked for.
const LISTED: usize = 20;

/// The spans of all posts that do not fit.
#[derive(Debug, Default)]
pub(super) struct MisfitList {
    listed: Vec<String>,
    /// How many became other words, or stand elsewhere.
    pub(super) moved: usize,
    /// How many there is no entity of.
    pub(super) left_out: usize,
    /// How many begin or end within a word.
    crossing: usize,
}

impl MisfitList {
    /// Takes those of a post, which begins at `place`.
    pub(super) fn add(&mut self, place: &str, fitted: &Fitted, misfits: Misfits) {
        let odd = fitted.odd.iter().map(|odd| (odd.to_string(), odd.kept));
        let told = fitted.misfits.iter().map(|misfit| (misfit.to_string(), misfit.kept));
        for (told, is_kept) in odd.chain(told) {
            *(if is_kept { &mut self.moved } else { &mut self.left_out }) += 1;
            if self.listed.len() < LISTED || is_verbose() {
                let fate = if is_kept || misfits == Misfits::Refuse { "" } else { "; it is left out" };
                self.listed.push(format!("{place}: {told}{fate}"));
            }
        }
        self.crossing += fitted.misfits.iter().filter(|misfit| crosses(misfit)).count();
    }

    /// Lists them; is an error where nothing is to become of them.
    pub(super) fn check(&self, posts: &[Post<'_>], misfits: Misfits) -> anyhow::Result<()> {
        let n = self.moved + self.left_out;
        // What an error is about is said in any case.
        let list: fn(String) = if misfits == Misfits::Refuse { insist } else { say };
        let more = n - self.listed.len();
        let more = (more > 0).then(|| format!("and {more} more, which -v lists"));
        self.listed.iter().cloned().chain(more).for_each(list);
        if n == 0 || misfits != Misfits::Refuse {
            return Ok(());
        }
        let are = if n == 1 { "span does" } else { "spans do" };
        // Every preset is tried on every post: only where words are what is wrong.
        let preset = (self.crossing > 0).then(|| preset_that_fits(posts));
        let words = match preset {
            None => String::new(),
            Some(Some(name)) => format!("with --words {name} every span is of whole words; else "),
            Some(None) => "--words or --model names the convention that the text was labelled by; else ".to_owned(),
        };
        anyhow::bail!(
            "{n} {are} not fit the words, and nothing is written: {words}mend them, or pass --misfits move or --misfits \
             drop"
        )
    }
}

/// The preset of which every span is of whole words, if there is one.
fn preset_that_fits(posts: &[Post<'_>]) -> Option<&'static str> {
    let fits = |words: &WordConvention| {
        posts.iter().all(|post| !fit(&post.post, words, Misfits::Refuse).misfits.iter().any(crosses))
    };
    WordConvention::PRESETS.into_iter().find(|(_, words)| fits(words)).map(|(name, _)| name)
}

/// Whether a span begins or ends within a word.
fn crosses(misfit: &Misfit) -> bool {
    matches!(misfit.why, Why::Crosses(_))
}
