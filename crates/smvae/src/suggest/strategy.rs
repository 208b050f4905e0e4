//! By what posts are chosen, and how many.

use crate::error::{Error, Result};
use crate::inference::settings::PredictionSettings;
use serde::{Deserialize, Serialize};

/// Spans whose label is less probable count for nothing: models that posts are offered with must
/// tell candidates down to it, by
/// [`telling_all_above`](crate::Predictor::telling_all_above).
pub const LEAST_CANDIDATE: f32 = 0.02;

/// By what posts are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Strategy {
    /// Nothing: each post is as likely as any other.
    Random,
    /// Without a model: how many words look like names (capitals, `@`, `#`), times how unlike the
    /// chosen posts it is.
    Names,
    /// Without a model: together they stand for the pool. Each post is the one that brings the rest
    /// of a sample of the pool nearest to what is chosen (facility location; MaxHerding of Bae et
    /// al., 2024, with the cosine as its kernel).
    Typical,
    /// How many entities a model expects, times how unlike the chosen posts it is.
    Entities,
    /// How uncertain a model is of the spans that may be entities (mean entropy), times how unlike
    /// the chosen posts it is.
    Entropy,
    /// How little a model expected its text (the mean over its spans of the text VAE's loss), times
    /// how unlike the chosen posts it is. For models with VAEs.
    Surprise,
    /// How much several models disagree about the spans that may be entities: the information that
    /// the labels have about the models (BALD; Houlsby et al., 2011), times how unlike the chosen
    /// posts it is.
    Disagreement,
}

impl Strategy {
    /// All strategies.
    pub const ALL: [Self; 7] =
        [Self::Random, Self::Names, Self::Typical, Self::Entities, Self::Entropy, Self::Surprise, Self::Disagreement];

    /// The name used on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Random => "random",
            Self::Names => "names",
            Self::Typical => "typical",
            Self::Entities => "entities",
            Self::Entropy => "entropy",
            Self::Surprise => "surprise",
            Self::Disagreement => "disagreement",
        }
    }

    /// With how many models' findings posts must be offered, at least.
    pub fn models(self) -> usize {
        match self {
            Self::Random | Self::Names | Self::Typical => 0,
            Self::Entities | Self::Entropy | Self::Surprise => 1,
            Self::Disagreement => 2,
        }
    }

    /// What models must tell of a post: settings to load them with.
    pub fn prediction(self) -> PredictionSettings {
        let settings = PredictionSettings::default().with_all_above(LEAST_CANDIDATE);
        if self == Self::Surprise { settings.with_surprise() } else { settings }
    }

    /// Whether posts are chosen from a sample of the pool, and so by the seed. To the others, the
    /// seed decides between posts of one value alone.
    pub fn samples_pool(self) -> bool {
        matches!(self, Self::Random | Self::Typical)
    }

    /// Whether posts cannot be chosen without vectors.
    pub fn needs_vectors(self) -> bool {
        self == Self::Typical
    }
}

impl std::str::FromStr for Strategy {
    type Err = Error;

    /// Reads a [`Strategy::name`].
    fn from_str(text: &str) -> Result<Self> {
        let want = "random, names, typical, entities, entropy, surprise or disagreement";
        let named = Self::ALL.into_iter().find(|strategy| strategy.name() == text);
        named.ok_or_else(|| Error::setting("strategy", want, format!("{text:?}")))
    }
}

impl std::fmt::Display for Strategy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

/// How posts are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SuggestSettings {
    /// How many posts are chosen in all; fewer where the pool has no more.
    pub n: usize,
    /// How many of them are drawn at random, each post as likely as any other, for a dev set that
    /// says the truth. Default: 0.
    pub for_dev: usize,
    /// By what the others are chosen. Default: [`Strategy::Entities`].
    pub strategy: Strategy,
    /// Seed of what is random. Default: 1.
    pub seed: u64,
    /// Posts that are compared with each other, at most: the most valuable of the pool, or a sample
    /// of it for [`Strategy::Typical`], which compares every two of them. At least
    /// [`n`](Self::n). Default: 20 for each post that is chosen, at least 2,000 and at most 8,000;
    /// `n` where that is more.
    pub shortlist: usize,
}

impl SuggestSettings {
    /// To choose `n` posts by the expected number of entities.
    pub fn new(n: usize) -> Self {
        let shortlist = n.saturating_mul(20).clamp(2000, 8000).max(n);
        Self { n, for_dev: 0, strategy: Strategy::Entities, seed: 1, shortlist }
    }

    /// The same by another strategy.
    pub fn with_strategy(self, strategy: Strategy) -> Self {
        Self { strategy, ..self }
    }

    /// The same with so many of them at random, for dev.
    pub fn with_for_dev(self, for_dev: usize) -> Self {
        Self { for_dev, ..self }
    }

    /// The same with another seed.
    pub fn with_seed(self, seed: u64) -> Self {
        Self { seed, ..self }
    }

    /// The same with another number of posts that are compared.
    pub fn with_shortlist(self, shortlist: usize) -> Self {
        Self { shortlist, ..self }
    }

    pub(super) fn validate(&self) -> Result<()> {
        if self.n == 0 {
            return Err(Error::setting("n", "at least 1", 0));
        }
        if self.for_dev > self.n {
            return Err(Error::setting("for_dev", "at most n", self.for_dev));
        }
        if self.shortlist < self.n {
            return Err(Error::setting("shortlist", "at least n", self.shortlist));
        }
        Ok(())
    }
}
