//! The options of `smvae suggest`.

use crate::answers::format_of;
use crate::failure::Usage;
use crate::inputs::Inputs;
use crate::options::{
    CaptionArgs, ColumnArgs, DeviceArgs, FileArgs, ImageArgs, LabelStudioArgs, PrecisionArgs, VerifyArgs,
};
use clap::Args;
use smvae::LoadOptions;
use smvae::answers::AnswerFormat;
use smvae::data::words::WordConvention;
use smvae::suggest::{Strategy, SuggestSettings};
use std::path::PathBuf;
use std::str::FromStr;

/// What is said where images are to tell which posts are alike, and nobody named some.
pub(super) const NEEDS_IMAGES: &str = "--image-share needs --image-features FILE, or --images DIR with --vision MODEL";

/// What `smvae suggest` is asked for.
#[derive(Debug, Args)]
pub(crate) struct SuggestArgs {
    /// The posts to choose from; - for stdin.
    ///
    /// stdin is JSON lines unless --from says otherwise.
    #[arg(long, value_name = "FILE")]
    pub(crate) pool: PathBuf,
    #[command(flatten)]
    pub(crate) form: FileArgs,
    #[command(flatten)]
    pub(crate) columns: ColumnArgs,
    /// How many posts, those for dev included.
    #[arg(long, default_value_t = 50, value_name = "N")]
    n: usize,
    /// Draw N of them at random and mark them, for a dev set.
    ///
    /// A dev set of chosen posts would flatter every model; one drawn at random stands for the
    /// pool.
    #[arg(long, default_value_t = 0, value_name = "N")]
    for_dev: usize,
    /// A run folder; several of one corpus, whose values are averaged, or compared by
    /// `disagreement`. Entities and likeness are those of the first.
    #[arg(long, visible_alias = "weights", value_name = "DIR")]
    pub(crate) model: Vec<PathBuf>,
    /// Without a model: a text encoder that tells which posts are alike.
    ///
    /// A folder, or a model of the Hugging Face hub such as sentence-transformers/all-MiniLM-L6-v2.
    #[arg(long, value_name = "DIR|OWNER/NAME", conflicts_with = "model")]
    pub(crate) text_encoder: Option<String>,
    /// random, names, typical, entities, entropy, surprise or disagreement.
    ///
    /// By default entities with a model, typical with a text encoder, and names with neither.
    #[arg(long, value_name = "NAME")]
    strategy: Option<Strategy>,
    /// How much images count in telling which posts are alike, 0 to 1; texts have the rest.
    ///
    /// Of the vectors that the model was trained with, or of --image-features.
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "SHARE",
        conflicts_with = "no_images",
        allow_negative_numbers = true
    )]
    pub(crate) image_share: f32,
    /// Files of posts that are labelled already.
    ///
    /// Neither they nor what is like them is chosen. In any format, which the name tells.
    #[arg(long, value_name = "FILE", num_args = 1..)]
    pub(crate) exclude: Vec<PathBuf>,
    /// A manifest of posts of the pool that are labelled already.
    ///
    /// --manifest writes such files and `train --labelled` reads them.
    #[arg(long, value_name = "FILE")]
    pub(crate) labelled: Option<PathBuf>,
    /// Seed of what is random.
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// Posts that are compared with each other, at most. By default 20 for each that is chosen, at
    /// least 2000 and at most 8000.
    #[arg(long, value_name = "N")]
    shortlist: Option<usize>,
    /// Where the suggestions go; - for stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// Their format: jsonl, csv, label-studio, doccano, prodigy, manifest, or another of `predict`.
    ///
    /// By default the ending of the output's name tells it, and it is JSON lines for a name without
    /// one and for a pipe. manifest is what --manifest writes.
    #[arg(long, value_name = "FORMAT")]
    to: Option<To>,
    #[command(flatten)]
    pub(crate) label_studio: LabelStudioArgs,
    /// Also write a manifest of the chosen posts, those of --labelled included and those for dev
    /// left out, which `train --labelled` reads: for a pool that is the train.* of a corpus.
    #[arg(long, value_name = "FILE")]
    pub(crate) manifest: Option<PathBuf>,
    /// Replace an --output and a --manifest that are there already.
    #[arg(long)]
    pub(crate) overwrite: bool,
    /// How text is split into words: twitter2015, twitter2017, conll or whitespace, with changes
    /// such as twitter2017,hashtag=keep. By default as the model's corpus was.
    #[arg(long, value_name = "CONVENTION")]
    pub(crate) words: Option<WordConvention>,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) captions: CaptionArgs,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
    #[command(flatten)]
    verify: VerifyArgs,
}

impl SuggestArgs {
    /// How posts are chosen.
    pub(crate) fn settings(&self) -> anyhow::Result<SuggestSettings> {
        let strategy = self.strategy.unwrap_or(match (self.model.is_empty(), &self.text_encoder) {
            (false, _) => Strategy::Entities,
            (true, Some(_)) => Strategy::Typical,
            (true, None) => Strategy::Names,
        });
        if self.model.len() < strategy.models() {
            let more = if strategy.models() == 1 { "--model RUN" } else { "--model RUN twice at least" };
            return Err(Usage(format!("--strategy {strategy} needs {more}")).into());
        }
        if strategy.needs_vectors() && self.model.is_empty() && self.text_encoder.is_none() {
            return Err(Usage(format!("--strategy {strategy} needs --text-encoder, or --model RUN")).into());
        }
        let share = self.image_share;
        if !(0.0..=1.0).contains(&share) {
            return Err(Usage(format!("--image-share must be 0 to 1, got {share}")).into());
        }
        if strategy == Strategy::Random && share > 0.0 {
            return Err(Usage("--strategy random looks at no post, and so at no --image-share".to_owned()).into());
        }
        let has_images = self.images.image_features.is_some() || self.images.images.is_some();
        if !has_images && self.model.is_empty() && share > 0.0 {
            return Err(Usage(NEEDS_IMAGES.to_owned()).into());
        }
        if has_images && self.model.is_empty() && share == 0.0 {
            let message =
                "without a --model, images tell which posts are alike: --image-share says how much they count";
            return Err(Usage(message.to_owned()).into());
        }
        let settings = SuggestSettings::new(self.n).with_strategy(strategy).with_for_dev(self.for_dev);
        let settings = settings.with_seed(self.seed);
        Ok(self.shortlist.map_or(settings, |shortlist| settings.with_shortlist(shortlist)))
    }

    /// What is read, so that nothing is written over it.
    pub(crate) fn inputs(&self) -> Inputs {
        let inputs = Inputs::default()
            .file("--pool", Some(&self.pool))
            .file("--labelled", self.labelled.as_deref())
            .runs(&self.model)
            .model("--text-encoder", self.text_encoder.as_deref())
            .images_and_captions(&self.images, &self.captions);
        self.exclude.iter().fold(inputs, |inputs, file| inputs.file("--exclude", Some(file)))
    }

    /// How models are loaded.
    pub(crate) fn options(&self) -> LoadOptions {
        let prediction = self.strategy.unwrap_or(Strategy::Entities).prediction();
        let mut options = self.precision.options().with_prediction(prediction).verifying(self.verify.verify());
        options.words.clone_from(&self.words);
        options
    }

    /// The format of the suggestions: as it was asked for, else as the output's name tells.
    pub(crate) fn to(&self) -> Result<To, Usage> {
        self.to.map_or_else(|| format_of(&self.output, "suggestions").map(To::Posts), Ok)
    }

    /// Whether the places of posts are written, to the output or to a file of their own.
    pub(crate) fn has_manifest(&self) -> bool {
        self.manifest.is_some() || self.to == Some(To::Manifest)
    }
}

/// What the output holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum To {
    /// The posts.
    Posts(AnswerFormat),
    /// Which they are.
    Manifest,
}

impl FromStr for To {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let named = || text.parse().map(Self::Posts).map_err(|error: smvae::Error| format!("{error}, or manifest"));
        if text == "manifest" { Ok(Self::Manifest) } else { named() }
    }
}
