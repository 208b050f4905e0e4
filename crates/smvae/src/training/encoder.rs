//! The text encoder before training: from a folder, from the hub, or tiny and untrained.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::flow::Flow;
use crate::run::folder::RunFolder;
use crate::scoring::networks::ENCODER;
use crate::training::event::Event;
use smvae_core::candle_core::Device;
use smvae_core::nn::Parameters;
#[cfg(feature = "hub")]
use smvae_encoders::hub::{Hub, ModelId};
#[cfg(feature = "hub")]
use smvae_encoders::text::wanted_files;
use smvae_encoders::text::{TransformerConfig, WordTokenizer, load_weights, model_folder, tiny, tiny_vocabulary};
use smvae_encoders::weights::{LoadReport, Missing, Weights};
use std::path::{Path, PathBuf};

/// Where the text encoder comes from.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum EncoderSource {
    /// A model folder as Hugging Face has it: `config.json`, weights, and a tokenizer.
    Folder(PathBuf),
    /// A model of the hub, fetched unless the cache has it.
    #[cfg(feature = "hub")]
    #[cfg_attr(docsrs, doc(cfg(feature = "hub")))]
    Hub(Hub, ModelId),
    /// A tiny encoder, untrained, with a vocabulary of the training split's words.
    Tiny,
}

impl EncoderSource {
    /// What a name means: `tiny`, a folder that exists, or `owner/name[@revision]` of the hub that
    /// the environment names ([`Hub::from_env`]). Any other name is taken for a folder;
    /// training fails if there is none.
    ///
    /// # Errors
    /// [`smvae_encoders::hub::HubError::NoHome`] for a model of the hub where there is no folder to
    /// keep it in.
    #[cfg(feature = "hub")]
    pub fn named(name: &str) -> Result<Self> {
        match name.parse() {
            Ok(model) if !Path::new(name).is_dir() => {
                Ok(Self::Hub(Hub::from_env().map_err(smvae_encoders::Error::from)?, model))
            }
            _ => Ok(Self::local(name)),
        }
    }

    /// What a name means: `tiny`, or a folder. Names on the hub need the feature `hub`.
    ///
    /// # Errors
    /// None, without the feature `hub`.
    #[cfg(not(feature = "hub"))]
    pub fn named(name: &str) -> Result<Self> {
        Ok(Self::local(name))
    }

    fn local(name: &str) -> Self {
        if name == "tiny" { Self::Tiny } else { Self::Folder(name.into()) }
    }
}

/// The tiny encoder does not know words that occur less often than this in the training split.
const TINY_MIN_COUNT: usize = 10;

/// The text encoder before training.
pub(crate) struct Encoder {
    pub config: TransformerConfig,
    pub tokenizer: WordTokenizer,
    /// What [`EncoderSource::named`] would open it by.
    pub name: String,
    folder: Option<PathBuf>,
}

impl Encoder {
    /// Opens a text encoder; `words`, those of the training split, are read for the tiny one alone.
    pub(crate) fn open<'w>(
        source: &EncoderSource,
        words: &mut dyn Iterator<Item = &'w str>,
        on_event: &mut dyn FnMut(&Event) -> Flow,
    ) -> Result<Self> {
        match source {
            EncoderSource::Folder(folder) => {
                let absolute = std::path::absolute(folder).unwrap_or_else(|_| folder.clone());
                Self::from_folder(folder, absolute.display().to_string(), on_event)
            }
            #[cfg(feature = "hub")]
            EncoderSource::Hub(hub, model) => {
                let fetched = hub.fetch(model, wanted_files, &mut |progress| on_event(&Event::from(progress)).into());
                let fetched = fetched.map_err(smvae_encoders::Error::from)?;
                Self::from_folder(&fetched.folder, format!("{}@{}", model.name(), fetched.revision), on_event)
            }
            EncoderSource::Tiny => {
                let vocabulary = tiny_vocabulary(words, TINY_MIN_COUNT);
                let config = tiny(vocabulary.len());
                let tokenizer = WordTokenizer::from_vocab(vocabulary)?;
                Ok(Self { config, tokenizer, name: "tiny".to_owned(), folder: None })
            }
        }
    }

    /// The text encoder of a run, whose weights come from a checkpoint.
    pub(crate) fn of_run(run: &RunFolder) -> Result<Self> {
        let name = run.config()?.text_encoder.unwrap_or_default();
        Ok(Self { config: run.encoder_config()?, tokenizer: run.tokenizer()?, name, folder: None })
    }

    fn from_folder(folder: &Path, name: String, on_event: &mut dyn FnMut(&Event) -> Flow) -> Result<Self> {
        if !folder.is_dir() {
            return Err(Error::NoEncoder { path: folder.to_owned() });
        }
        let folder = model_folder(folder);
        let config = TransformerConfig::from_file(folder.join("config.json"))?;
        let tokenizer = WordTokenizer::from_folder(&folder)?;
        tokenizer.check_rows(config.vocab_size)?;
        if !tokenizer.notes().is_empty() {
            // Whoever wants to stop is asked again when the weights have been read.
            let _ = on_event(&Event::Tokenizer(tokenizer.notes().to_vec()));
        }
        Ok(Self { config, tokenizer, name, folder: Some(folder) })
    }

    /// The encoder's parameters, loaded; the rest of a run's parameters is drawn into the same set
    /// later.
    pub(crate) fn parameters(&self, config: &Config, device: &Device) -> Result<(Parameters, LoadReport)> {
        let parameters = Parameters::new(config.seed, device);
        let Some(folder) = &self.folder else { return Ok((parameters, LoadReport::default())) };
        let missing = if config.allow_missing_weights { Missing::Draw } else { Missing::Refuse };
        let report = load_weights(&self.config, Weights::from_folder(folder)?, missing, &parameters, ENCODER)?;
        Ok((parameters, report))
    }
}
