//! What to label next: the posts of a pool that teach most, chosen in one pass over it.
//!
//! ```text
//! pool ──offer──> Shortlist: posts seen before left out, the best by their value and some at random
//!        ──choose──> Suggestion: one after another, each by its value and how unlike the chosen it is
//! ```
//! A [`Shortlist`] is offered one post at a time, with what models found in it where a strategy
//! asks for that ([`Strategy::models`]). It keeps at most [`SuggestSettings::shortlist`] posts of
//! the pool, twice [`SuggestSettings::for_dev`] more for the draw of dev, and as many labelled
//! posts as the shortlist has at most; of every post that it has seen, a number in a set: about 16
//! bytes. The same posts, settings and seed give the same choice, in whatever order the posts come,
//! but for those of equal value.
//!
//! ```
//! use smvae::suggest::{Shortlist, Strategy, SuggestSettings};
//! use smvae::{Post, data::words::WordConvention};
//! let post = |text: &str| Post::split(text, &WordConvention::default());
//! let settings = SuggestSettings::new(1).with_strategy(Strategy::Names);
//! let mut shortlist = Shortlist::new(&settings)?;
//! for text in ["what a day", "Lady Gaga lands in Oslo", "RT @fan: Lady Gaga lands in Oslo"] {
//!     shortlist.offer(post(text), Vec::new())?;
//! }
//! assert_eq!(shortlist.n_duplicates(), 1);
//! let chosen = shortlist.choose(None)?;
//! assert_eq!(chosen[0].post.text(), "Lady Gaga lands in Oslo");
//! assert_eq!(chosen[0].reason, "3 words look like names");
//! # Ok::<(), smvae::Error>(())
//! ```

mod bags;
mod choose;
mod encoder;
mod images;
mod shortlist;
mod strategy;
mod value;

pub use bags::WordBags;
pub use encoder::PostEncoder;
pub use images::WithImages;
pub use shortlist::{Shortlist, Suggestion};
pub use strategy::{LEAST_CANDIDATE, Strategy, SuggestSettings};
