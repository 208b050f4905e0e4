//! A text encoder at work by itself, before there is a model.

use crate::config::Config;
use crate::config::input::InputConfig;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::inference::vectors::PostVectors;
use crate::input::captions::CaptionSource;
use crate::input::collate::{Collator, Item};
use crate::input::post::Post;
use crate::scoring::networks::ENCODER;
use crate::scoring::vectors::mean_vectors;
use crate::training::encoder::{Encoder, EncoderSource};
use crate::training::event::Event;
use rayon::prelude::*;
use smvae_core::candle_core::{DType, Device};
use smvae_core::model::Quirks;
use smvae_encoders::text::{Transformer, WordTokenizer};

/// A frozen text encoder, which gives posts vectors where there is no model yet. A sentence encoder
/// such as all-MiniLM-L6-v2 does best.
#[derive(Debug)]
pub struct PostEncoder {
    encoder: Transformer,
    tokenizer: WordTokenizer,
    input: InputConfig,
    quirks: Quirks,
    device: Device,
}

impl PostEncoder {
    /// Opens a text encoder, and fetches it where it is one of the hub.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting` for the tiny one, which has learnt nothing; whatever is wrong
    /// with its files.
    pub fn open(source: &EncoderSource, device: &Device, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<Self> {
        if matches!(source, EncoderSource::Tiny) {
            return Err(Error::setting("text encoder", "one that has learnt something", "tiny"));
        }
        let opened = Encoder::open(source, &mut std::iter::empty(), on_event)?;
        let (parameters, _) = opened.parameters(&Config::default(), device)?;
        let builder = parameters.frozen_builder(DType::F32);
        let encoder = Transformer::load(&opened.config, builder.pp(ENCODER))?;
        Ok(Self {
            encoder,
            tokenizer: opened.tokenizer,
            input: InputConfig::default(),
            quirks: Quirks::default(),
            device: device.clone(),
        })
    }
}

impl PostVectors for PostEncoder {
    fn vectors(&self, posts: &[&Post]) -> Result<Vec<Vec<f32>>> {
        let collator = Collator {
            tokenizer: &self.tokenizer,
            input: &self.input,
            quirks: &self.quirks,
            encoder: self.encoder.config(),
            images: None,
            // Which posts are alike, their own words say.
            captions: CaptionSource::Unread,
        };
        let items: Vec<Item> = posts.par_iter().map(|post| collator.item(post)).collect::<Result<_>>()?;
        mean_vectors(&self.encoder, &collator, &items, &self.device)
    }
}
