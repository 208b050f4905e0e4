//! Real tweets in a fixed order: what both sides of the comparison train on. `tweets.py` follows
//! the same rules.
//!
//! Tweets without words are left out; let `n` be left. The shuffled order is
//! `order[i] = i * stride mod n`, `stride` being the first number from `floor(0.618 n)` on that has
//! no divisor in common with `n`: lengths come mixed, and no generator has to agree. Step `s` has
//! the tweets `16 s .. 16 s + 16` of the order; a semi-supervised one has `32 s .. 32 s + 16` as
//! labelled and `32 s + 16 .. 32 s + 32` as unlabelled tweets. Sorted by length means that the
//! labelled tweets of all steps, and the unlabelled ones, are sorted by pieces (stable) and cut
//! into batches again: the same tweets in total.

use smvae::core::candle_core::{Device, Tensor};
use smvae::core::model::{BatchSpan, SpanBatch};
use smvae::core::spans::candidate_spans;
use smvae::core::step::{LabelledBatch, UnlabelledBatch};
use smvae::core::{PackedPieces, Span};
use smvae::data::{ImageVectors, Sample, is_url};
use smvae::encoders::text::WordTokenizer;
use smvae::{Result, RunInfo};
use std::ops::Range;

/// Tweets of a batch.
pub(crate) const BATCH: usize = 16;

/// A tweet as the networks see it.
pub(crate) struct Tweet {
    ids: Vec<u32>,
    /// Pieces of each word.
    words: Vec<Range<u32>>,
    image: Option<Vec<f32>>,
    /// Candidate spans in words, each with its class.
    spans: Vec<(Span, u32)>,
}

/// One step's tweets.
pub(crate) struct Step {
    pub(crate) labelled: LabelledBatch,
    pub(crate) unlabelled: Option<UnlabelledBatch>,
}

/// Tokenises the samples with the settings of a run, and leaves out those without words.
pub(crate) fn tweets(
    run: &RunInfo,
    tokenizer: &WordTokenizer,
    images: &ImageVectors,
    samples: &[Sample],
) -> Result<Vec<Tweet>> {
    let standardisation = run.images.as_ref().and_then(|images| images.standardisation.as_ref());
    let prepare = |raw: &[f32]| match standardisation {
        Some(s) => raw.iter().zip(&s.mean).zip(&s.std).map(|((x, mean), std)| (x - mean) / std).collect(),
        None => raw.to_vec(),
    };
    let input = &run.config.input;
    let tweet = |sample: &Sample| -> Result<Tweet> {
        // Positions of the words that are left.
        let kept: Vec<usize> = (0..sample.words.len()).filter(|i| !is_url(&sample.words[*i])).collect();
        let words: Vec<&str> = kept.iter().map(|i| sample.words[*i].as_str()).collect();
        let encoded = tokenizer.encode(&words, input.max_pieces)?;
        let entities = sample.entities(input.convention)?;
        let class = |span: Span| {
            let original = Span::new(kept[span.start], kept[span.end - 1] + 1);
            let entity = entities.iter().find(|entity| entity.span == original);
            entity.and_then(|entity| run.labels.index(&entity.label)).unwrap_or(0) as u32
        };
        let spans = candidate_spans(encoded.words.len(), input.max_width).map(|span| (span, class(span))).collect();
        let image = images.get(&sample.image_id).map(prepare);
        Ok(Tweet { ids: encoded.ids, words: encoded.words, image, spans })
    };
    let all = samples.iter().map(tweet).collect::<Result<Vec<_>>>()?;
    Ok(all.into_iter().filter(|tweet| !tweet.words.is_empty()).collect())
}

/// Which steps, and where their tensors lie.
pub(crate) struct Options<'a> {
    pub(crate) steps: usize,
    /// Each has unlabelled tweets too.
    pub(crate) semi: bool,
    /// Batches are sorted by length.
    pub(crate) sorted: bool,
    pub(crate) device: &'a Device,
}

/// The first steps.
pub(crate) fn steps(tweets: &[Tweet], width: usize, options: &Options<'_>) -> Result<Vec<Step>> {
    let Options { steps: n_steps, semi, sorted, device } = *options;
    let order = order(tweets.len());
    let per_step = if semi { 2 * BATCH } else { BATCH };
    let chosen = |from: usize| -> Vec<&Tweet> {
        let at = |s: usize| (s * per_step + from..s * per_step + from + BATCH).map(|i| order[i % order.len()]);
        let mut chosen: Vec<&Tweet> = (0..n_steps).flat_map(at).map(|i| &tweets[i]).collect();
        if sorted {
            chosen.sort_by_key(|tweet| tweet.ids.len());
        }
        chosen
    };
    let (labelled, unlabelled) = (chosen(0), if semi { chosen(BATCH) } else { Vec::new() });
    let mut unlabelled = unlabelled.chunks(BATCH);
    let step = |tweets: &[&Tweet]| -> Result<Step> {
        let targets = tweets.iter().flat_map(|tweet| tweet.spans.iter().map(|(_, class)| *class)).collect();
        Ok(Step {
            labelled: LabelledBatch { batch: batch(tweets, width, device)?, targets },
            unlabelled: unlabelled
                .next()
                .map(|tweets| batch(tweets, width, device).map(UnlabelledBatch::from))
                .transpose()?,
        })
    };
    labelled.chunks(BATCH).map(step).collect()
}

/// The shuffled order of `n` tweets.
fn order(n: usize) -> Vec<usize> {
    let mut stride = (n * 618 / 1000).max(1);
    while divisor(stride, n) != 1 {
        stride += 1;
    }
    (0..n).map(|i| i * stride % n).collect()
}

/// The greatest common divisor.
fn divisor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { divisor(b, a % b) }
}

/// Packs tweets with all their candidate spans.
fn batch(tweets: &[&Tweet], width: usize, device: &Device) -> Result<SpanBatch> {
    let pieces = PackedPieces::new(tweets.iter().map(|tweet| tweet.ids.as_slice()));
    let (mut words, mut spans) = (Vec::new(), Vec::new());
    for (text, tweet) in tweets.iter().enumerate() {
        let (row, word) = (pieces.layout().rows(text).start, words.len());
        words.extend(tweet.words.iter().map(|r| r.start as usize + row..r.end as usize + row));
        spans.extend(tweet.spans.iter().map(|(span, _)| {
            let words = Span::new(span.start + word, span.end + word);
            BatchSpan { text, words }
        }));
    }
    let missing = vec![0f32; width];
    let images = tweets.iter().flat_map(|tweet| tweet.image.as_ref().unwrap_or(&missing)).copied().collect();
    Ok(SpanBatch {
        shapes: vec![],
        images: Some(Tensor::from_vec(images, (tweets.len(), width), device)?),
        has_image: tweets.iter().map(|tweet| tweet.image.is_some()).collect(),
        pieces,
        words,
        spans,
    })
}
