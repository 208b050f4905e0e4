//! Turns posts into batches: words into pieces, entities into candidate spans and classes, image
//! ids into rows.

use crate::config::input::{CaptionUse, ImageUse, InputConfig};
use crate::error::Result;
use crate::input::captions::CaptionSource;
use crate::input::images::ImageIdentity;
use crate::input::post::Words;
use crate::input::windows::windows;
use smvae_core::candle_core::{Device, Tensor};
use smvae_core::model::{BatchSpan, Quirks, SpanBatch};
use smvae_core::shapes::word_shape;
use smvae_core::spans::candidate_spans;
use smvae_core::{Entity, LabelSet, PackedPieces, Span};
use smvae_data::{ImageVectors, is_url};
use smvae_encoders::text::tokenizer::Encoded;
use smvae_encoders::text::{TransformerConfig, WordTokenizer};
use std::ops::Range;
use std::sync::Arc;

/// A post, or a window of one, as the networks see it. Its words are those that are left: no URLs,
/// nothing beyond the piece limit.
#[derive(Clone, Debug, Default)]
pub(crate) struct Item {
    /// Pieces, `[CLS]` and `[SEP]` included.
    pub ids: Vec<u32>,
    /// Pieces of its caption, from the separator on; empty without a caption.
    pub caption: Vec<u32>,
    /// Pieces of each word.
    pub words: Vec<Range<usize>>,
    /// Index of each word in the original post.
    pub positions: Vec<usize>,
    /// The shape of each word.
    pub shapes: Vec<u32>,
    /// Words that the piece limit cut.
    pub n_cut: usize,
    /// Its image; `None` is a missing modality.
    pub image: Option<ItemImage>,
    /// Of a window: for each of its words, the ends of the candidate spans that begin there and are
    /// scored here. `None` for a whole post, whose candidates are all spans of its words.
    pub ends: Option<Vec<Range<usize>>>,
}

/// Where the vector of an item's image is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ItemImage {
    /// The row among the image vectors, which are not copied here.
    Row(usize),
    /// It came with the post.
    Own(Arc<[f32]>),
}

/// What is read with an item in a batch, where it has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Beside {
    pub caption: bool,
    pub image: bool,
}

impl Beside {
    pub(crate) const ALL: Self = Self { caption: true, image: true };
}

/// A candidate span of an item and its class.
pub(crate) type LabelledSpan = (Span, u32);

/// What turns posts into items: tokenizer, settings and image vectors, borrowed from a run.
#[derive(Clone, Copy)]
pub(crate) struct Collator<'a> {
    pub tokenizer: &'a WordTokenizer,
    pub input: &'a InputConfig,
    pub quirks: &'a Quirks,
    pub encoder: &'a TransformerConfig,
    /// Whose vectors the model takes, and those it was given.
    pub images: Option<(&'a ImageIdentity, Option<&'a ImageVectors>)>,
    pub captions: CaptionSource<'a>,
}

impl Collator<'_> {
    /// Tokenises a post and looks its image up. What lies beyond the piece limit is cut.
    pub(crate) fn item(&self, post: &impl Words) -> Result<Item> {
        let words = post.words();
        let mut positions = self.kept(words);
        let encoded = self.encode(words, &positions, self.limit())?;
        positions.truncate(encoded.words.len());
        let caption = self.caption(post, encoded.ids.len())?;
        Ok(Item { caption, ..whole(encoded, positions, words, self.image(post)) })
    }

    /// The same without a cut: a post over the piece limit is several items, its windows, each with
    /// the post's image and its caption, for which the windows leave room. Only a word of more
    /// pieces than the limit is cut, which the first item counts; no span goes across it. There is
    /// at least one item.
    pub(crate) fn in_windows(&self, post: &impl Words) -> Result<Vec<Item>> {
        let words = post.words();
        let (limit, image) = (self.limit(), self.image(post));
        let positions = self.kept(words);
        // A limit that is no limit is an error either way.
        let encoded = self.encode(words, &positions, if limit < 2 { limit } else { usize::MAX })?;
        if encoded.ids.len() <= limit {
            let caption = self.caption(post, encoded.ids.len())?;
            return Ok(vec![Item { caption, ..whole(encoded, positions, words, image) }]);
        }
        let caption = self.caption(post, 0)?;
        let room = self.window_room(&encoded, caption.len());
        let has_room = |word: &Range<u32>| word.len() <= room;
        let (mut items, mut first) = (Vec::new(), 0);
        for run in encoded.words.split(|word| !has_room(word)) {
            for window in windows(run, room, self.input.max_width) {
                let at = window.words.start;
                let ends = window.ends.into_iter().map(|ends| ends.start - at..ends.end - at).collect();
                let item = part(&encoded, first + at..first + window.words.end, &positions, words);
                // Rare: a window without room for all of it.
                let is_cut = item.ids.len() + caption.len() > self.encoder.position_limit();
                let caption = if is_cut { self.caption(post, item.ids.len())? } else { caption.clone() };
                items.push(Item { image: image.clone(), caption, ends: Some(ends), ..item });
            }
            first += run.len() + 1;
        }
        if items.is_empty() {
            items.push(Item { image, ..part(&encoded, 0..0, &positions, words) });
        }
        items[0].n_cut = encoded.words.iter().filter(|word| !has_room(word)).count();
        Ok(items)
    }

    /// The most pieces of a window's words: as many as the limit allows and the caption leaves, but
    /// for a span of words that only the whole limit has room for.
    fn window_room(&self, encoded: &Encoded, caption: usize) -> usize {
        let whole = self.limit() - 2;
        let beside = whole.min((self.encoder.position_limit() - 2).saturating_sub(caption));
        let widest = |first: usize| {
            let spans = encoded.words[first..].iter().take(self.input.max_width);
            let lengths = spans.map(|last| (last.end - encoded.words[first].start) as usize);
            lengths.take_while(|length| *length <= whole).last().unwrap_or(0)
        };
        if (0..encoded.words.len()).any(|first| widest(first) > beside) { whole } else { beside }
    }

    /// The pieces of a post's caption, as many as the limit of captions and the encoder's positions
    /// allow behind `taken` pieces of the post.
    fn caption(&self, post: &impl Words, taken: usize) -> Result<Vec<u32>> {
        let Some(caption) = self.caption_text(post) else {
            return Ok(Vec::new());
        };
        let positions = self.encoder.position_limit();
        // Windows of a long post need at least as much.
        let room = self.input.max_caption_pieces.min(positions / 2).min(positions.saturating_sub(taken));
        let words: Vec<&str> = caption.split_whitespace().collect();
        Ok(self.tokenizer.encode_second(&words, self.encoder.pair_separators(), room)?)
    }

    /// The caption that is read with a post, before any cut.
    pub(crate) fn caption_text<'c>(&'c self, post: &'c impl Words) -> Option<&'c str> {
        let captions = match self.captions {
            // The authors' program has no captions, and pads what it reads.
            _ if self.quirks.pad_to.is_some() => return None,
            CaptionSource::Unread => return None,
            CaptionSource::Posts => None,
            CaptionSource::Images(captions) => Some(captions),
        };
        match self.input.caption {
            CaptionUse::Own => post.caption().or_else(|| captions?.get(post.image_id()?)),
            // Another one is known by the image's id alone.
            CaptionUse::Shuffled => captions?.get_other(post.image_id()?),
        }
    }

    /// The words that are left of a post, before any cut.
    fn kept(&self, words: &[String]) -> Vec<usize> {
        (0..words.len()).filter(|i| !(self.input.drop_urls && is_url(&words[*i]))).collect()
    }

    fn encode(&self, words: &[String], positions: &[usize], limit: usize) -> Result<Encoded> {
        let texts: Vec<&str> = positions.iter().map(|i| words[*i].as_str()).collect();
        Ok(self.tokenizer.encode(&texts, limit)?)
    }

    /// The most pieces that are read at once, `[CLS]` and `[SEP]` included.
    fn limit(&self) -> usize {
        self.input.max_pieces.min(self.encoder.position_limit()).min(self.quirks.pad_to.unwrap_or(usize::MAX))
    }

    fn image(&self, post: &impl Words) -> Option<ItemImage> {
        let (identity, vectors) = self.images?;
        // One of another width belongs to another model.
        if let Some(vector) = post.image_vector().filter(|vector| vector.len() == identity.width) {
            return Some(ItemImage::Own(vector.clone()));
        }
        let (vectors, id) = (vectors?, post.image_id()?);
        let row = match self.input.image {
            ImageUse::Own | ImageUse::Zero => vectors.row_of(id),
            ImageUse::Shuffled => vectors.row_of_other(id),
        };
        row.map(ItemImage::Row)
    }

    /// The candidate spans of an item that are scored in it.
    pub(crate) fn candidates(&self, item: &Item) -> Vec<Span> {
        let Some(ends) = &item.ends else {
            return candidate_spans(item.words.len(), self.input.max_width).collect();
        };
        let of_word = |(start, ends): (usize, &Range<usize>)| ends.clone().map(move |end| Span::new(start, end));
        ends.iter().enumerate().flat_map(of_word).collect()
    }

    /// Candidate spans of an item with their classes. Entities that are too wide or were cut are
    /// not among them.
    pub(crate) fn labelled_candidates(&self, item: &Item, entities: &[Entity], labels: &LabelSet) -> Vec<LabelledSpan> {
        let gold: Vec<LabelledSpan> = entities
            .iter()
            .filter_map(|entity| Some((item.span_of(entity.span)?, labels.index(&entity.label)? as u32)))
            .collect();
        let class = |span: Span| gold.iter().find(|(g, _)| *g == span).map_or(0, |(_, class)| *class);
        self.candidates(item).into_iter().map(|span| (span, class(span))).collect()
    }

    /// Packs items with the spans chosen of each into one batch.
    pub(crate) fn batch(&self, items: &[(&Item, Vec<Span>)], device: &Device) -> Result<SpanBatch> {
        self.batch_of(items, &vec![Beside::ALL; items.len()], device)
    }

    /// The same; `beside` says of each item what is read with it.
    pub(crate) fn batch_of(
        &self,
        items: &[(&Item, Vec<Span>)],
        beside: &[Beside],
        device: &Device,
    ) -> Result<SpanBatch> {
        let caption = |item: &'_ Item, beside: &Beside| if beside.caption { item.caption.len() } else { 0 };
        let texts = items.iter().zip(beside);
        let mut pieces = PackedPieces::with_contexts(
            texts.map(|((item, _), beside)| (item.ids.as_slice(), &item.caption[..caption(item, beside)])),
        );
        if let Some(n) = self.quirks.pad_to {
            pieces = pieces.padded_to(n, self.encoder.pad_id())?;
        }
        let (mut words, mut spans) = (Vec::new(), Vec::new());
        for (text, (item, chosen)) in items.iter().enumerate() {
            let (first_row, first_word) = (pieces.own_layout().rows(text).start, words.len());
            words.extend(item.words.iter().map(|r| r.start + first_row..r.end + first_row));
            spans.extend(
                chosen
                    .iter()
                    .map(|span| BatchSpan { text, words: Span::new(span.start + first_word, span.end + first_word) }),
            );
        }
        let seen: Vec<Option<&ItemImage>> =
            items.iter().zip(beside).map(|((item, _), beside)| item.image.as_ref().filter(|_| beside.image)).collect();
        let has_own = items.iter().any(|(item, _)| matches!(item.image, Some(ItemImage::Own(_))));
        let images = self.images.filter(|(_, vectors)| vectors.is_some() || has_own).map(|(identity, vectors)| {
            let zeros = self.input.image == ImageUse::Zero;
            let mut rows = vec![0f32; items.len() * identity.width];
            for (row, image) in rows.chunks_mut(identity.width).zip(&seen) {
                match (image, vectors) {
                    (Some(ItemImage::Row(image)), Some(vectors)) if !zeros => {
                        identity.prepare(vectors.row(*image), row)
                    }
                    (Some(ItemImage::Own(vector)), _) if !zeros => identity.prepare(vector, row),
                    _ => {}
                }
            }
            Tensor::from_vec(rows, (items.len(), identity.width), device)
        });
        Ok(SpanBatch {
            has_image: seen.iter().map(Option::is_some).collect(),
            shapes: items.iter().flat_map(|(item, _)| item.shapes.iter().copied()).collect(),
            images: images.transpose()?,
            pieces,
            words,
            spans,
        })
    }
}

/// The item of a post that is read at once.
fn whole(encoded: Encoded, positions: Vec<usize>, words: &[String], image: Option<ItemImage>) -> Item {
    Item {
        ids: encoded.ids,
        caption: Vec::new(),
        words: encoded.words.iter().map(|r| r.start as usize..r.end as usize).collect(),
        shapes: positions.iter().map(|i| word_shape(&words[*i])).collect(),
        positions,
        n_cut: encoded.n_cut,
        image,
        ends: None,
    }
}

/// The item of these of a post's encoded words; `[CLS]` and `[SEP]` are around it again.
fn part(encoded: &Encoded, run: Range<usize>, positions: &[usize], words: &[String]) -> Item {
    let (pieces, positions) = (&encoded.words[run.clone()], positions[run].to_vec());
    let all = pieces.first().map_or(1..1, |first| first.start as usize..pieces[pieces.len() - 1].end as usize);
    let shift = all.start - 1;
    let (cls, sep) = (encoded.ids[0], encoded.ids[encoded.ids.len() - 1]);
    Item {
        words: pieces.iter().map(|r| r.start as usize - shift..r.end as usize - shift).collect(),
        ids: std::iter::once(cls).chain(encoded.ids[all].iter().copied()).chain([sep]).collect(),
        shapes: positions.iter().map(|i| word_shape(&words[*i])).collect(),
        positions,
        ..Item::default()
    }
}

impl Item {
    /// Pieces that the text encoder reads.
    pub(crate) fn n_pieces(&self) -> usize {
        self.ids.len() + self.caption.len()
    }

    /// Turns a span of original words into one of the words that are left. `None` if one of its
    /// ends is not left.
    fn span_of(&self, original: Span) -> Option<Span> {
        let at = |position: usize| self.positions.binary_search(&position).ok();
        Some(Span::new(at(original.start)?, at(original.end.checked_sub(1)?)? + 1))
    }

    /// Turns a span of the words that are left into one of original words.
    pub(crate) fn original_span(&self, span: Span) -> Span {
        Span::new(self.positions[span.start], self.positions[span.end - 1] + 1)
    }
}

#[cfg(test)]
mod tests;
