//! A trained model, loaded from a run folder, with the image vectors and captions that it is given.
//! How it finds entities is in `reading.rs`.

use crate::config::Config;
use crate::error::{Error, Result};
use crate::inference::load_options::LoadOptions;
use crate::inference::settings::PredictionSettings;
use crate::input::captions::{CaptionIdentity, CaptionSource, CaptionTrust};
use crate::input::collate::Collator;
use crate::input::images::{ImageIdentity, ImageTrust};
use crate::input::post::Post;
use crate::run::digests;
use crate::run::folder::RunFolder;
use crate::scoring::decision::Decision;
use crate::scoring::networks::Networks;
use crate::scoring::scorer::Scorer;
use smvae_core::LabelSet;
use smvae_core::candle_core::{DType, Device};
use smvae_core::nn::Form;
use smvae_core::objective::Objective;
use smvae_data::formats::PostRecord;
use smvae_data::words::WordConvention;
use smvae_data::{Captions, ImageVectors, Sample};
use smvae_encoders::preprocessing::VisionIdentity;
use smvae_encoders::text::{TransformerConfig, WordTokenizer};
use std::path::Path;
use std::sync::Arc;

/// A trained model, loaded from a run folder. Share it between threads as it is. A clone shares its
/// networks, its tokenizer and its image vectors.
#[derive(Clone, Debug)]
pub struct Predictor {
    networks: Arc<Networks>,
    tokenizer: Arc<WordTokenizer>,
    /// `None` for a run of an earlier version, which does not say.
    words: Option<WordConvention>,
    labels: LabelSet,
    config: Config,
    pub(super) identity: Option<ImageIdentity>,
    images: Option<Arc<ImageVectors>>,
    pub(super) caption_identity: Option<CaptionIdentity>,
    captions: Option<Arc<Captions>>,
    pub(super) decision: Decision,
    /// Of the scores that are told. `None` tells them as they are.
    pub(super) temperature: Option<f64>,
    pub(super) settings: PredictionSettings,
    device: Device,
    form: Form,
    /// The other models of an ensemble (`together.rs`).
    pub(super) others: Vec<Self>,
}

impl Predictor {
    /// Loads a run folder, on the CPU.
    ///
    /// # Errors
    /// [`Error::NoRun`] for a folder that is not a run, [`Error::NoWeights`] for one that has none
    /// yet, [`Error::Version`] for one of a later version, [`Error::Damaged`] for a file that is
    /// not what training left, and whatever else is wrong with a file in it.
    pub fn load(folder: impl AsRef<Path>) -> Result<Self> {
        Self::load_with(folder, &LoadOptions::default())
    }

    /// Loads a run folder, on a device and in a number type.
    ///
    /// # Errors
    /// As [`Predictor::load`]; [`Error::Core`] with `Setting` for a number type or a precision that
    /// the device does not compute in, or for a setting out of range; [`Error::NoTemperature`] for
    /// calibrated scores of a run that does not know them.
    pub fn load_with(folder: impl AsRef<Path>, options: &LoadOptions) -> Result<Self> {
        let LoadOptions { device, dtype, .. } = options;
        let half = matches!(dtype, DType::F16 | DType::BF16);
        if !(*dtype == DType::F32 || half && !device.is_cpu()) {
            return Err(Error::setting("dtype", "f32, or f16 or bf16 on a GPU", dtype.as_str()));
        }
        options.precision.form(device, options.unit)?;
        options.prediction.validate()?;
        let run = RunFolder::open(folder.as_ref())?;
        let Some(digests) = digests::of_model(&run)? else { return Self::load_from(&run, options) };
        digests::check_sizes(&run, &digests)?;
        if !options.verify {
            return Self::load_from(&run, options);
        }
        std::thread::scope(|scope| {
            let checked = scope.spawn(|| digests::check_digests(&run, &digests));
            let loaded = Self::load_from(&run, options);
            // Of a damaged file that cannot be read either, this says more.
            checked.join().expect("comparing digests does not panic")?;
            loaded
        })
    }

    /// Loads a run folder whose files are taken as they are.
    fn load_from(run: &RunFolder, options: &LoadOptions) -> Result<Self> {
        let LoadOptions { device, dtype, .. } = options;
        let calibration = if options.prediction.calibrated {
            let nothing = || Error::NoTemperature { path: run.folder().to_owned() };
            Some(run.calibration()?.ok_or_else(nothing)?)
        } else {
            None
        };
        let config = run.config()?;
        let labels = run.labels()?;
        let encoder = run.encoder_config()?;
        let parameters = run.parameters(device, *dtype)?;
        let mut networks = Networks::for_evaluation(&parameters, &encoder, &config.model, &labels)
            .map_err(|error| run.weights_do_not_fit(&error))?;
        if options.prediction.surprise {
            check_surprise(&config.objective)?;
            networks = networks.with_decoders(&parameters, &labels).map_err(|error| run.weights_do_not_fit(&error))?;
        }
        let form = options.precision.form(device, options.unit)?;
        drop(parameters);
        networks.prepare(form)?;
        Ok(Self {
            form,
            networks: Arc::new(networks),
            tokenizer: Arc::new(run.tokenizer()?),
            words: if options.words.is_some() { options.words.clone() } else { run.words()? },
            labels,
            identity: run.image_identity()?,
            images: None,
            caption_identity: run.caption_identity()?,
            captions: None,
            decision: run.decision()?,
            temperature: calibration.map(|calibration| calibration.temperature),
            settings: options.prediction,
            device: device.clone(),
            config,
            others: Vec::new(),
        })
    }

    /// Gives the model image vectors. Without them every image is missing.
    ///
    /// # Errors
    /// [`Error::NoImages`] for a model of text alone; [`Error::OtherImages`] for vectors that it
    /// does not accept.
    pub fn with_images(mut self, images: ImageVectors, trust: ImageTrust) -> Result<Self> {
        self.image_identity().ok_or(Error::NoImages)?;
        let images = Arc::new(images);
        self.for_each(|model| {
            let Some(identity) = &model.identity else { return Ok(()) };
            identity.check(&images, trust)?;
            model.images = Some(Arc::clone(&images));
            Ok(())
        })?;
        Ok(self)
    }

    /// Applies a change to every model of the ensemble.
    fn for_each(&mut self, mut change: impl FnMut(&mut Self) -> Result<()>) -> Result<()> {
        change(self)?;
        self.others.iter_mut().try_for_each(change)
    }

    /// Gives the model captions by image id. Without them posts have those that they come with
    /// ([`caption`](field@Post::caption)).
    ///
    /// # Errors
    /// [`Error::NoCaptions`] for a model that was trained without; [`Error::OtherCaptions`] for
    /// captions that it does not accept.
    pub fn with_captions(mut self, captions: Captions, trust: CaptionTrust) -> Result<Self> {
        self.caption_identity().ok_or(Error::NoCaptions)?;
        let captions = Arc::new(captions);
        self.for_each(|model| {
            let Some(identity) = &model.caption_identity else { return Ok(()) };
            identity.check(&captions, trust)?;
            model.captions = Some(Arc::clone(&captions));
            Ok(())
        })?;
        Ok(self)
    }

    /// The same model, to which every image is missing.
    pub fn without_images(self) -> Self {
        let others = self.others.into_iter().map(Self::without_images).collect();
        Self { images: None, others, ..self }
    }

    /// The same model, which reads no captions, whatever posts come with.
    pub fn without_captions(self) -> Self {
        let others = self.others.into_iter().map(Self::without_captions).collect();
        Self { caption_identity: None, captions: None, others, ..self }
    }

    /// Which captions the model was trained with. `None` for a model that reads none.
    pub fn caption_identity(&self) -> Option<&CaptionIdentity> {
        self.models().find_map(|model| model.caption_identity.as_ref())
    }

    /// The caption that the model reads with a post of a corpus: the post's own, or that of its
    /// image among those that the model was given. `None` if it reads none.
    pub fn caption_of(&self, sample: &Sample) -> Option<String> {
        self.models().find_map(|model| model.collator().caption_text(sample).map(str::to_owned))
    }

    /// Whether posts may come with vectors of their own ([`Post::with_picture`]) that a vision
    /// model makes.
    ///
    /// # Errors
    /// [`Error::NoImages`] for a model of text alone; [`Error::OtherImages`] for vectors that it
    /// does not accept.
    pub fn check_vision(&self, vision: &VisionIdentity, width: usize) -> Result<()> {
        self.image_identity().ok_or(Error::NoImages)?;
        self.models().filter_map(|model| model.identity.as_ref()).try_for_each(|own| own.check_vision(vision, width))
    }

    /// Which image vectors the model was trained with. `None` for a model of text alone.
    pub fn image_identity(&self) -> Option<&ImageIdentity> {
        self.models().find_map(|model| model.identity.as_ref())
    }

    /// The image vectors that it was given ([`Predictor::with_images`]).
    pub fn image_vectors(&self) -> Option<Arc<ImageVectors>> {
        self.models().find_map(|model| model.images.clone())
    }

    /// The labels it finds, `O` first.
    pub fn labels(&self) -> &LabelSet {
        &self.labels
    }

    /// What it was trained with.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// What its large products are computed in.
    pub fn form(&self) -> Form {
        self.form
    }

    /// Sizes of its text encoder.
    pub fn encoder(&self) -> &TransformerConfig {
        self.networks.encoder.config()
    }

    /// The same model, which tells every span with a label of at least this probability besides the
    /// entities, as [`PredictionSettings::all_above`] says, or none of them.
    ///
    /// # Errors
    /// [`Error::Core`] with `Setting` for a number that is no probability.
    pub fn telling_all_above(mut self, probability: impl Into<Option<f32>>) -> Result<Self> {
        self.settings.all_above = probability.into();
        self.settings.validate()?;
        Ok(self)
    }

    /// How text is split into words for this model: as the options or the run say, else by the
    /// default convention.
    pub fn words(&self) -> WordConvention {
        self.words.clone().unwrap_or_default()
    }

    /// Whether the options or the run say how text is split into words. Runs of earlier versions do
    /// not.
    pub fn words_are_known(&self) -> bool {
        self.words.is_some()
    }

    /// A post as somebody wrote it, split into words as the model's corpus was.
    pub fn post(&self, text: impl Into<String>) -> Post {
        Post::split(text, &self.words())
    }

    /// The post of a record of some file ([`smvae_data::formats`]): its words if it has some, else
    /// its text, split as the model's corpus was.
    ///
    /// # Errors
    /// [`Error::WordNotInText`] and [`Error::TextAfterWords`] for a record whose text does not hold
    /// its words, or holds more than them.
    pub fn post_of(&self, record: &PostRecord) -> Result<Post> {
        Post::of_record(record, &self.words())
    }

    /// How probabilities become entities. The models of an [ensemble](Predictor::together) have
    /// each applied their own bias before the mean is taken, so that this is the default for them.
    pub fn decision(&self) -> Decision {
        if self.others.is_empty() { self.decision } else { Decision::default() }
    }

    /// How many batches are best computed side by side: on a CPU one for each of rayon's threads,
    /// on a GPU one.
    pub fn batches_at_a_time(&self) -> usize {
        if self.is_on_cpu() { rayon::current_num_threads() } else { 1 }
    }

    pub(crate) fn is_on_cpu(&self) -> bool {
        self.device.is_cpu()
    }

    pub(crate) fn collator(&self) -> Collator<'_> {
        Collator {
            tokenizer: &self.tokenizer,
            input: &self.config.input,
            quirks: &self.config.model.quirks,
            encoder: self.networks.encoder.config(),
            images: self.identity.as_ref().map(|identity| (identity, self.images.as_deref())),
            captions: CaptionSource::of(self.caption_identity.as_ref(), self.captions.as_deref()),
        }
    }

    pub(crate) fn scorer(&self) -> Scorer<'_> {
        Scorer {
            networks: &self.networks,
            collator: self.collator(),
            sampled: self.config.model.quirks.sampled_evaluation,
            seed: self.config.seed,
            device: &self.device,
            surprise: Some(&self.config.objective).filter(|_| self.settings.surprise),
        }
    }
}

/// Whether a model that was trained so can tell how little it expected a span.
pub(crate) fn check_surprise(objective: &Objective) -> Result<()> {
    if objective.vae {
        Ok(())
    } else {
        Err(Error::setting("surprise", "false for a model that was trained without VAEs", true))
    }
}

/// A model may be shared between threads.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Predictor>();
};
