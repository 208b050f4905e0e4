//! Captions of a corpus, for training, and those of a trained model. No command itself.

use crate::options::CaptionArgs;
use crate::progress::say;
use anyhow::Context as _;
use smvae::data::Captions;
use smvae::data::corpus::LoadedSplit;
use smvae::{Config, Predictor};
use std::path::Path;

/// The captions that a new run is trained with, besides those that posts have as their own: of a
/// file that is named, or else the corpus's own. The authors' program has none.
pub(crate) fn of_training(file: Option<&Path>, corpus: &Path, config: &Config) -> anyhow::Result<Option<Captions>> {
    if let Some(file) = file {
        return Ok(Some(Captions::load(file)?));
    }
    if config.model.quirks.pad_to.is_some() {
        return Ok(None);
    }
    Ok(Captions::of_corpus(corpus)?)
}

/// Splits without their posts' own captions, if no captions are to be read.
pub(crate) fn without_captions_if<const N: usize>(splits: [LoadedSplit; N], no_captions: bool) -> [LoadedSplit; N] {
    splits.map(|split| if no_captions { split.without_captions() } else { split })
}

/// The model with captions for posts that have none of their own: those of a file that is named, or
/// else those of its training. If `needs_them`, a file of training that is gone is an error;
/// otherwise it is said.
pub(crate) fn with_captions(model: Predictor, args: &CaptionArgs, needs_them: bool) -> anyhow::Result<Predictor> {
    Ok(with_captions_told(model, args, needs_them)?.0)
}

/// The same, with the digest of the file of captions that the model has then, if any.
pub(crate) fn with_captions_told(
    model: Predictor,
    args: &CaptionArgs,
    needs_them: bool,
) -> anyhow::Result<(Predictor, Option<String>)> {
    const HINT: &str =
        "the model was trained with captions: name a copy of their file with --captions, or pass --no-captions";
    let Some(identity) = model.caption_identity() else {
        return if args.captions.is_some() { Err(smvae::Error::NoCaptions.into()) } else { Ok((model, None)) };
    };
    let given = |model: Predictor, captions: Captions| -> anyhow::Result<(Predictor, Option<String>)> {
        let digest = captions.sha256().to_owned();
        Ok((model.with_captions(captions, args.trust())?, Some(digest)))
    };
    if args.no_captions {
        return Ok((model.without_captions(), None));
    }
    if let Some(file) = &args.captions {
        return given(model, Captions::load(file)?);
    }
    if identity.sha256.is_none() {
        // The posts had their own, and so have these, if any.
        return Ok((model, None));
    }
    let recorded = identity.recorded_captions().context(HINT).and_then(|captions| captions.context(HINT));
    match recorded {
        Ok(captions) => given(model, captions),
        Err(error) if needs_them => Err(error),
        Err(error) => {
            say(format!("{error:#}; until then posts without a \"caption\" of their own are read as text alone"));
            Ok((model, None))
        }
    }
}
