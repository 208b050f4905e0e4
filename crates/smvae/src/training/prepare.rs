//! What happens before the first step: loading files, resolving settings, building networks and
//! optimizer.

use crate::config::Config;
use crate::config::input::CaptionUse;
use crate::error::{Error, Result};
use crate::files::create_folder;
use crate::flow::Flow;
use crate::input::captions::{CaptionIdentity, CaptionSource};
use crate::input::collate::Collator;
use crate::input::images::ImageIdentity;
use crate::run::folder::{RunFolder, Start, is_our_run, lock};
use crate::run::record::RunState;
use crate::run::remove::remove_files;
use crate::scoring::networks::{Networks, Shape};
use crate::training::averaging::Averaging;
use crate::training::checkpoint::{self, Checkpoint, Position};
use crate::training::data::TrainingData;
use crate::training::encoder::Encoder;
use crate::training::event::Event;
use crate::training::groups::Groups;
use crate::training::input::TrainInput;
use crate::training::resumed::Resumed;
use crate::training::sampler::{UnlabelledStream, steps_per_epoch};
use smvae_core::model::{ImageSource, ModelConfig};
use smvae_core::nn::Parameters;
use smvae_core::objective::ImageReconstruction;
use smvae_core::optim::Adam;
use smvae_core::rng;
use smvae_data::captions::coverage;
use smvae_data::files::sha256_json;
use smvae_data::images::Coverage;
use smvae_data::words::WordConvention;
use smvae_data::{Captions, ImageVectors, Sample, Selection, selection};
use smvae_encoders::device;
use std::fs::File;
use std::path::Path;

/// What a run is made from: its input, and every setting with its value for this input.
pub(crate) struct Prepared<'a> {
    pub input: &'a TrainInput<'a>,
    /// The configuration, resolved: what the run folder gets.
    pub config: Config,
    pub encoder: Encoder,
    pub groups: Groups,
    pub identity: Option<ImageIdentity>,
    /// Which captions the posts are read with. `None` for a run without.
    pub caption_identity: Option<CaptionIdentity>,
    pub selection: Selection,
    pub state: RunState,
    /// Training posts with and without an image vector. `None` for text alone.
    pub coverage: Option<Coverage>,
    /// Training posts with and without a caption. `None` for a run without captions.
    pub caption_coverage: Option<Coverage>,
    /// Passes over the labelled posts, at most.
    pub epochs: usize,
    /// Steps, at most.
    pub steps: usize,
}

impl<'a> Prepared<'a> {
    /// Loads the text encoder, resolves the configuration, chooses the labelled posts and tokenises
    /// the splits.
    pub(crate) fn new(
        input: &'a TrainInput<'a>,
        asked: &Config,
        out: &Path,
        resumed: Option<&Resumed>,
        on_event: &mut dyn FnMut(&Event) -> Flow,
    ) -> Result<(Self, TrainingData)> {
        asked.validate()?;
        check_input(input, asked, out)?;
        let mut state = run_state(input);
        if let Some(resumed) = resumed {
            resumed.check_data(&state, input.labels())?;
            if resumed.checkpoint.is_some() {
                state.threads = resumed.state.threads;
            }
        }
        let caption_identity = caption_identity(input, asked)?;
        check_images(asked, input.images.is_some(), caption_identity.is_some())?;
        let mut encoder = match resumed {
            Some(Resumed { folder, checkpoint: Some(_), .. }) => Encoder::of_run(folder)?,
            _ => Encoder::open(&input.encoder, &mut words(input, caption_identity.is_some()), on_event)?,
        };
        let config = resolve(asked, input, &mut encoder);
        if let Some(n) = config.model.quirks.pad_to.filter(|n| *n > encoder.config.position_limit()) {
            return Err(Error::setting("model.quirks.pad_to", "at most the pieces that the text encoder takes", n));
        }
        let caption_coverage =
            caption_identity.as_ref().map(|_| coverage(input.captions, input.train())).transpose()?;
        let standardise = config.input.standardise_images;
        let mut prepared = Self {
            groups: Groups::new(encoder.config.num_hidden_layers, &config.training)?,
            coverage: input.images.map(|images| images.coverage(input.train())).transpose()?,
            identity: input.images.map(|images| ImageIdentity::new(images, input.train(), standardise)),
            caption_identity,
            caption_coverage,
            selection: select(input, &config)?,
            input,
            config,
            encoder,
            state,
            epochs: 0,
            steps: 0,
        };
        let data = TrainingData::collate(input, &prepared.config, &prepared.collator(), &prepared.selection)?;
        // A run that an earlier version began this way goes on as it began.
        let all_are_labelled = data.positions.labelled.len() == input.train().len();
        if prepared.config.training.semi && all_are_labelled && resumed.is_none() {
            return Err(Error::NoUnlabelled { posts: input.train().len() });
        }
        prepared.set_length(steps_per_epoch(&data.labelled, &prepared.config.training))?;
        Ok((prepared, data))
    }

    /// What turns posts into items, as this run does it.
    pub(crate) fn collator(&self) -> Collator<'_> {
        Collator {
            tokenizer: &self.encoder.tokenizer,
            input: &self.config.input,
            quirks: &self.config.model.quirks,
            encoder: &self.encoder.config,
            images: self.identity.as_ref().map(|identity| (identity, self.input.images)),
            captions: CaptionSource::of(self.caption_identity.as_ref(), self.input.captions),
        }
    }

    /// What the shapes of its networks follow from.
    fn shape(&self) -> Shape<'_> {
        Shape { encoder: &self.encoder.config, model: &self.config.model, labels: self.input.labels() }
    }

    /// Makes a new folder at `out`, in the place of an earlier run if the input asks for that, and
    /// locks it.
    pub(crate) fn new_folder(&self, out: &Path) -> Result<(RunFolder, Option<File>)> {
        create_folder(out)?;
        let lock = lock(out)?;
        if self.input.replace_run && is_our_run(out) {
            remove_files(out)?;
        }
        let told = || WordConvention::of_corpus(self.input.train().iter().map(|sample| &sample.words));
        let words = self.input.words.clone().unwrap_or_else(told);
        let start = Start {
            words: &words,
            config: &self.config,
            labels: self.input.labels(),
            selection: &self.selection,
            images: self.identity.as_ref(),
            captions: self.caption_identity.as_ref(),
            state: &self.state,
            encoder: &self.encoder.config,
            tokenizer: &self.encoder.tokenizer,
        };
        Ok((RunFolder::create(out, &start)?, lock))
    }

    /// Sets the number of epochs, if it was left open, and with it the number of steps.
    fn set_length(&mut self, steps_per_epoch: usize) -> Result<()> {
        if steps_per_epoch == 0 {
            return Err(Error::NothingToTrain { why: "the labelled posts have no candidate spans" });
        }
        let training = &mut self.config.training;
        self.epochs = *training.epochs.get_or_insert((1700 / steps_per_epoch).clamp(8, 30));
        self.steps = self.epochs.saturating_mul(steps_per_epoch).min(training.max_steps.unwrap_or(usize::MAX));
        Ok(())
    }
}

/// The networks of a run, on parameters that training changes.
pub(crate) struct Built {
    pub parameters: Parameters,
    /// Tracked by a graph, but for what is frozen.
    pub networks: Networks,
    /// The same memory without a graph.
    pub frozen: Networks,
    pub optimizer: Adam,
    /// Numbers that are trained.
    pub n_trained: usize,
}

impl Built {
    /// Loads or draws the parameters; those of a checkpoint are taken out of it. Also answers
    /// whether the callback ended the run.
    pub(crate) fn new(
        prepared: &Prepared<'_>,
        checkpoint: Option<&mut Checkpoint>,
        on_event: &mut dyn FnMut(&Event) -> Flow,
    ) -> Result<(Self, bool)> {
        let Prepared { input, config, encoder, groups, .. } = prepared;
        let (parameters, report) = encoder.parameters(config, &input.device)?;
        let stopped = on_event(&Event::Loaded(report)) == Flow::Stop;
        for (name, tensor) in checkpoint.into_iter().flat_map(|checkpoint| checkpoint.take(checkpoint::WEIGHTS)) {
            parameters.insert(name, &tensor)?;
        }
        let (shape, groups) = (prepared.shape(), *groups);
        let is_frozen = move |name: &str| groups.is_frozen(name);
        let networks = Networks::for_training(&parameters, shape, &config.objective, is_frozen)?;
        let trained: Vec<_> = parameters.all().into_iter().filter(|(name, _)| !groups.is_frozen(name)).collect();
        let n_trained = trained.iter().map(|(_, var)| var.elem_count()).sum();
        let optimizer = Adam::new(trained, |name| groups.of(name), config.optimizer.clone())?;
        let frozen = Networks::for_evaluation(&parameters, shape.encoder, shape.model, shape.labels)?;
        Ok((Self { parameters, networks, frozen, optimizer, n_trained }, stopped))
    }

    /// The average of the weights, if the configuration asks for one.
    pub(crate) fn averaging(&self, prepared: &Prepared<'_>) -> Result<Option<Averaging>> {
        let Some(average) = &prepared.config.average else { return Ok(None) };
        Averaging::new(&self.parameters, prepared.groups, prepared.shape(), average).map(Some)
    }

    /// Where the run begins: before its first step, or at a checkpoint, whose moments and average
    /// go to the optimizer and `averaging`.
    pub(crate) fn position(
        &mut self,
        prepared: &Prepared<'_>,
        checkpoint: Option<Checkpoint>,
        averaging: Option<&Averaging>,
        n_unlabelled: usize,
    ) -> Result<Position> {
        let Some(mut saved) = checkpoint else {
            let rng = rng::named(prepared.config.seed, "training");
            return Ok(Position::beginning(UnlabelledStream::new(n_unlabelled), &rng));
        };
        if !saved.position.stream.is_of(n_unlabelled) {
            let (got, want) = (format!("{n_unlabelled} posts"), "those of its checkpoint".to_owned());
            return Err(Error::OtherRun { what: "set of unlabelled posts", got, want });
        }
        if let Some(averaging) = averaging {
            averaging.parameters().assign(&saved.take(checkpoint::AVERAGE))?;
        }
        self.optimizer.load_state(saved.position.steps, &saved.take(checkpoint::ADAM))?;
        Ok(saved.position)
    }
}

/// The words of the training split, those of captions too, if they are read.
fn words<'a>(input: &TrainInput<'a>, has_captions: bool) -> impl Iterator<Item = &'a str> {
    let (train, captions) = (input.train(), input.captions);
    let caption = move |sample: &'a Sample| sample.caption().or_else(|| captions?.get(sample.image()?));
    let of_captions = train.iter().filter(move |_| has_captions).filter_map(caption).flat_map(str::split_whitespace);
    train.iter().flat_map(|sample| sample.words.iter().map(String::as_str)).chain(of_captions)
}

fn check_input(input: &TrainInput<'_>, config: &Config, out: &Path) -> Result<()> {
    if input.train().is_empty() || input.dev().is_empty() {
        return Err(Error::NothingToTrain { why: "the training split or dev has no posts" });
    }
    let (images, captions) = (input.images.and_then(ImageVectors::path), input.captions.and_then(Captions::path));
    let names = [config.data.as_deref(), config.unlabelled.as_deref(), images, captions, Some(out)];
    match names.into_iter().flatten().find(|path| path.to_str().is_none()) {
        Some(path) => Err(Error::NotUtf8 { path: path.to_owned() }),
        None => Ok(()),
    }
}

/// Refuses settings that ask for something of images that a run does not have.
pub(crate) fn check_images(config: &Config, has_vectors: bool, has_captions: bool) -> Result<()> {
    let is_caption = config.model.image_source == ImageSource::Caption;
    if is_caption && (has_vectors || !has_captions) {
        let want =
            if has_vectors { "vectors where there are image vectors" } else { "vectors where there are no captions" };
        return Err(Error::setting("model.image_source", want, "caption"));
    }
    if has_vectors {
        return Ok(());
    }
    let of_teachers = config.distillation.as_ref().map_or(0.0, |teachers| teachers.training.image_dropout);
    let dropouts = [
        ("training.image_dropout", config.training.image_dropout),
        ("distillation.training.image_dropout", of_teachers),
    ];
    if let Some((name, p)) = dropouts.into_iter().find(|(_, p)| *p > 0.0) {
        return Err(Error::setting(name, "0 where there are no image vectors", p));
    }
    if is_caption {
        return Ok(());
    }
    let reconstruction = config.objective.image_reconstruction;
    if reconstruction != ImageReconstruction::Mse {
        let (want, got) = ("mse where there are no image vectors", format!("{reconstruction:?}").to_lowercase());
        return Err(Error::setting("objective.image_reconstruction", want, got));
    }
    let ModelConfig { image_in_classifier, image_gate, .. } = config.model;
    let switches = [("model.image_in_classifier", image_in_classifier), ("model.image_gate", image_gate)];
    match switches.into_iter().find(|(_, on)| *on) {
        Some((name, on)) => Err(Error::setting(name, "false where there are no image vectors", on)),
        None => Ok(()),
    }
}

/// What tells this run from others, besides its configuration.
fn run_state(input: &TrainInput<'_>) -> RunState {
    let digest = |samples: &[Sample]| sha256_json(samples).expect("words and tags have a JSON form");
    RunState {
        finished: false,
        threads: rayon::current_num_threads(),
        train_sha256: digest(input.train()),
        dev_sha256: digest(input.dev()),
        images_sha256: input.images.map(|images| images.sha256().to_owned()),
        captions_sha256: input.captions.map(|captions| captions.sha256().to_owned()),
        files: None,
    }
}

/// Which captions a run reads its posts with. `None` for a run without.
fn caption_identity(input: &TrainInput<'_>, config: &Config) -> Result<Option<CaptionIdentity>> {
    if config.model.quirks.pad_to.is_some() {
        // The authors' program has no captions: posts that have some are read without.
        let none = Error::setting("captions", "left out where texts are padded, as in the authors' presets", "some");
        return if input.captions.is_some() { Err(none) } else { Ok(None) };
    }
    if config.input.caption == CaptionUse::Shuffled && input.captions.is_none() {
        let want = "own, unless there are captions by image id to choose another one from";
        return Err(Error::setting("input.caption", want, "shuffled"));
    }
    Ok(CaptionIdentity::new(input.captions, input.train()))
}

/// Settings that follow from the input.
fn resolve(asked: &Config, input: &TrainInput<'_>, encoder: &mut Encoder) -> Config {
    let mut config = asked.clone();
    config.model.image_dim = input.images.map(ImageVectors::width);
    config.device = device::describe(&input.device);
    config.text_encoder = Some(encoder.name.clone());
    if let Some(p) = config.training.dropout {
        encoder.config.hidden_dropout_prob = p;
        encoder.config.attention_probs_dropout_prob = p;
    }
    config
}

fn select(input: &TrainInput<'_>, config: &Config) -> Result<Selection> {
    if let Some(selection) = input.selection {
        return Ok(selection.clone());
    }
    let n = config.labelled.unwrap_or(input.train().len());
    Ok(selection::select(n, config.selection_seed(), input.train(), input.train_sha256())?)
}
