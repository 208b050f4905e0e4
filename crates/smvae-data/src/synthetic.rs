//! A synthetic corpus: short posts with invented names, where the image alone tells the type of
//! many entities.
//!
//! A post has one phrase or two, each with one entity. In a *clear* post the phrase tells the type
//! (`flying to @e`); its entities' types are independent. In an *ambiguous* post
//! ([`SyntheticConfig::ambiguous`] of those with entities) phrases are neutral
//! (`thinking about @e`), names come from a pool that all types share, and all entities have one
//! type: the text says where they are but not what they are. Some posts have no entity. With
//! `P(type)` in `{-1, +1}^image_dim`,
//!
//! ```text
//! image vector = mean of P over the types of the post's entities + image_noise * N(0, I)
//! ```
//!
//! where the mean is 0 for a post without entities. So text alone is right on an ambiguous entity
//! one time in four, and the image vectors of unlabelled posts show the four directions that a few
//! labelled ones leave buried in noise. A caption says what the image shows in words: a thing that
//! goes with the type, but for [`SyntheticConfig::caption_noise`] of them. Captions have draws of
//! their own, which leave all else as it is. Capitals, name shapes and pool sizes are independent
//! of the type. The same config makes the same bytes on every machine: draws are integers,
//! arithmetic is IEEE. It makes no pixels.

mod captions;
mod names;
mod phrases;

use crate::draw::Draw;
use crate::{Captions, Entity, Error, ImageVectors, Result, Sample, Split, files, writer};
use names::{Name, Names, Pool};
use phrases::TYPES;
use serde::{Deserialize, Serialize};
use smvae_core::bio::write_tags;
use std::collections::BTreeMap;
use std::path::Path;

/// Name of the file of image vectors in a folder written by [`Synthetic::write_to`].
pub const FEATURES_FILE: &str = "features.safetensors";

/// Name of the file of captions in such a folder. It is not the one that a corpus folder has as its
/// own, so that nothing reads captions unless it is told to.
pub const CAPTIONS_FILE: &str = "image-captions.jsonl";

/// What to generate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SyntheticConfig {
    /// Seed of everything. Default: 0.
    pub seed: u64,
    /// Number of training posts. Default: 600.
    pub n_train: usize,
    /// Number of dev posts. Default: 200.
    #[serde(rename = "n_valid")]
    pub n_dev: usize,
    /// Number of test posts. Default: 400.
    pub n_test: usize,
    /// Width of the image vectors, at least 8. Default: 64.
    pub image_dim: usize,
    /// Standard deviation of the noise on every value of an image vector, whose signal is -1 or +1.
    /// Default: 2.5.
    pub image_noise: f32,
    /// Share of the captions that name what goes with any type, 0 to 1. Default: 0.1.
    pub caption_noise: f64,
    /// Share of the entities whose type only the image tells, 0 to 1. Default: 0.6.
    pub ambiguous: f64,
    /// Share of the posts without entities, 0 to 1. Default: 0.1.
    pub plain: f64,
    /// Share of the posts with two phrases, 0 to 1. Default: 0.3.
    pub two_phrases: f64,
    /// Share of the names in dev and test that the training split never uses, 0 to 1. Default:
    /// 0.3.
    pub unseen_names: f64,
    /// Names in each type's pool and in the shared one, at least 3; a third of them is kept from
    /// training. Default: 60.
    pub names: usize,
    /// Phrases for each type, 1 to 8, as many neutral ones: fewer are learned from fewer labels.
    /// Default: 4.
    pub phrases: usize,
}

impl Default for SyntheticConfig {
    /// A corpus of 1200 posts on which a small model learns within seconds and methods differ.
    fn default() -> Self {
        Self {
            seed: 0,
            n_train: 600,
            n_dev: 200,
            n_test: 400,
            image_dim: 64,
            image_noise: 2.5,
            caption_noise: 0.1,
            ambiguous: 0.6,
            plain: 0.1,
            two_phrases: 0.3,
            unseen_names: 0.3,
            names: 60,
            phrases: 4,
        }
    }
}

impl SyntheticConfig {
    /// Checks every setting's range.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first one out of it.
    pub fn validate(&self) -> Result<()> {
        let sizes = [("n_train", self.n_train), ("n_dev", self.n_dev), ("n_test", self.n_test)];
        for (name, size) in sizes {
            check(size >= 1, name, "at least 1", size)?;
        }
        check(self.image_dim >= 8, "image_dim", "at least 8", self.image_dim)?;
        let noise = self.image_noise;
        check(noise.is_finite() && noise >= 0.0, "image_noise", "finite and at least 0", noise)?;
        let shares = [
            ("caption_noise", self.caption_noise),
            ("ambiguous", self.ambiguous),
            ("plain", self.plain),
            ("two_phrases", self.two_phrases),
            ("unseen_names", self.unseen_names),
        ];
        for (name, share) in shares {
            check((0.0..=1.0).contains(&share), name, "from 0 to 1", share)?;
        }
        check((3..=10_000).contains(&self.names), "names", "3 to 10000", self.names)?;
        check((1..=8).contains(&self.phrases), "phrases", "1 to 8", self.phrases)
    }
}

fn check(ok: bool, name: &'static str, want: &str, got: impl ToString) -> Result<()> {
    if ok { Ok(()) } else { Err(Error::setting(name, want, got)) }
}

/// A generated corpus. Image ids are `syn_<split>_<number>`, each once.
#[derive(Clone, Debug)]
pub struct Synthetic {
    /// Training split.
    pub train: Vec<Sample>,
    /// Dev split, on which models are selected.
    pub dev: Vec<Sample>,
    /// Test split.
    pub test: Vec<Sample>,
    /// An image vector for every post, `[image_dim]`.
    pub images: ImageVectors,
    /// A caption of every post's image.
    pub captions: Captions,
    /// The signal of each type in an image vector, `[image_dim]` of -1 and +1.
    pub prototypes: BTreeMap<String, Vec<f32>>,
}

/// Generates a corpus.
///
/// ```
/// use smvae_data::synthetic::{SyntheticConfig, generate};
/// let made = generate(&SyntheticConfig { n_train: 10, ..SyntheticConfig::default() })?;
/// assert_eq!(made.train.len(), 10);
/// assert!(made.images.get(&made.train[0].image_id).is_some());
/// # Ok::<(), smvae_data::Error>(())
/// ```
///
/// # Errors
/// [`Error::Setting`] as [`SyntheticConfig::validate`].
pub fn generate(config: &SyntheticConfig) -> Result<Synthetic> {
    config.validate()?;
    // A stream for each part: another number of training posts leaves names, prototypes and test
    // posts as they are.
    let mut draw = Draw::new(config.seed, 0);
    let names = Names::new(&mut draw, config.names);
    let prototypes = prototypes(&mut draw, config.image_dim);
    let generator = Generator { config, names: &names, prototypes: &prototypes };
    let (mut images, mut captions) = (BTreeMap::new(), BTreeMap::new());
    let mut split = |split: Split, n: usize, stream: u64| -> Vec<Sample> {
        let (mut draw, mut of_captions) = (Draw::new(config.seed, stream), Draw::new(config.seed, CAPTIONS + stream));
        let make = |i: usize| {
            let post = generator.post(&mut draw, split);
            let image_id = format!("syn_{}_{i:05}", split.stems()[0]);
            images.insert(image_id.clone(), generator.image(&mut draw, &post.types()));
            let caption = captions::caption(&mut of_captions, &post.types(), config.caption_noise);
            captions.insert(image_id.clone(), caption);
            post.into_sample(image_id)
        };
        (0..n).map(make).collect()
    };
    let train = split(Split::Train, config.n_train, 1);
    let dev = split(Split::Dev, config.n_dev, 2);
    let test = split(Split::Test, config.n_test, 3);
    let prototypes = TYPES.iter().map(|name| (*name).to_owned()).zip(prototypes).collect();
    let (images, captions) = (ImageVectors::from_map(images)?, Captions::from_map(captions)?);
    Ok(Synthetic { train, dev, test, images, captions, prototypes })
}

/// Streams of draws of captions are this far from those of the posts.
const CAPTIONS: u64 = 16;

impl Synthetic {
    /// The posts of one split.
    pub fn split(&self, split: Split) -> &[Sample] {
        match split {
            Split::Train => &self.train,
            Split::Dev => &self.dev,
            Split::Test => &self.test,
        }
    }

    /// Writes `train.txt`, `valid.txt`, `test.txt`, [`FEATURES_FILE`] and [`CAPTIONS_FILE`] into a
    /// folder, which is made if absent; files of these names are replaced.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn write_to(&self, dir: impl AsRef<Path>) -> Result<()> {
        let dir = dir.as_ref();
        files::create_dir(dir)?;
        for split in Split::ALL {
            writer::write_file(dir.join(format!("{}.txt", split.stems()[0])), self.split(split))?;
        }
        self.images.save(dir.join(FEATURES_FILE))?;
        self.captions.save(dir.join(CAPTIONS_FILE))
    }
}

/// What the posts of a corpus have in common.
struct Generator<'a> {
    config: &'a SyntheticConfig,
    names: &'a Names,
    prototypes: &'a [Vec<f32>],
}

/// A post under construction.
#[derive(Default)]
struct Post {
    words: Vec<String>,
    entities: Vec<Entity>,
}

impl Post {
    /// The distinct types, as positions in [`TYPES`].
    fn types(&self) -> Vec<usize> {
        (0..TYPES.len()).filter(|&t| self.entities.iter().any(|entity| entity.label == TYPES[t])).collect()
    }

    /// Adds a phrase with its slots filled.
    fn push(&mut self, draw: &mut Draw, phrase: &str, kind: &str, name: &Name) {
        for (i, word) in phrase.split(' ').enumerate() {
            if word == "@e" {
                let start = self.words.len();
                let capital = draw.chance(0.5);
                self.words.extend(name.iter().map(|word| if capital { capitalised(word) } else { word.clone() }));
                self.entities.push(Entity::new(start, self.words.len(), kind));
                continue;
            }
            let word = phrases::slot(word).map_or(word, |list| *draw.pick(list));
            let capital = i == 0 && draw.chance(0.3);
            self.words.push(if capital { capitalised(word) } else { word.to_owned() });
        }
    }

    fn into_sample(self, image_id: String) -> Sample {
        let tags = write_tags(&self.entities, self.words.len()).expect("entities follow each other within the words");
        Sample { image_id, words: self.words, tags, caption: None }
    }
}

impl Generator<'_> {
    fn post(&self, draw: &mut Draw, split: Split) -> Post {
        let mut post = Post::default();
        let plain = draw.chance(self.config.plain);
        let ambiguous = draw.chance(self.config.ambiguous);
        let mut kind = draw.below(TYPES.len());
        for i in 0..1 + usize::from(draw.chance(self.config.two_phrases)) {
            if i > 0 {
                post.words.push((*draw.pick(&phrases::JOINTS)).to_owned());
                // Two types in one ambiguous post would leave even the image without an answer.
                kind = if ambiguous { kind } else { draw.below(TYPES.len()) };
            }
            let list = match (plain, ambiguous) {
                (true, _) => &phrases::PLAIN,
                (false, true) => &phrases::NEUTRAL,
                (false, false) => &phrases::CUES[kind],
            };
            let phrase = draw.pick(&list[..self.config.phrases]);
            // Clear posts use shared names too: to have seen a name is not to know its type.
            let shared = ambiguous || draw.chance(SHARED_IN_CLEAR);
            let pool = if shared { &self.names.shared } else { &self.names.owned[kind] };
            let name = self.name(draw, pool, split);
            post.push(draw, phrase, TYPES[kind], name);
        }
        if draw.chance(ENDING) {
            post.words.push((*draw.pick(&phrases::ENDINGS)).to_owned());
        }
        post
    }

    fn name<'n>(&self, draw: &mut Draw, pool: &'n Pool, split: Split) -> &'n Name {
        let unseen = split != Split::Train && draw.chance(self.config.unseen_names);
        draw.pick(if unseen { &pool.unseen } else { &pool.seen })
    }

    /// The image vector of a post with entities of these types, `[image_dim]`.
    fn image(&self, draw: &mut Draw, types: &[usize]) -> Vec<f32> {
        let value = |d: usize| {
            let sum: f32 = types.iter().map(|&t| self.prototypes[t][d]).sum();
            sum / types.len().max(1) as f32 + self.config.image_noise * draw.normal()
        };
        (0..self.config.image_dim).map(value).collect()
    }
}

/// Share of the clear entities whose name is from the shared pool.
const SHARED_IN_CLEAR: f64 = 0.5;
/// Share of the posts with one of the endings.
const ENDING: f64 = 0.4;

/// One prototype per type; any two differ in at least a quarter of their values, so that no seed
/// makes types look alike.
fn prototypes(draw: &mut Draw, dim: usize) -> Vec<Vec<f32>> {
    let mut made: Vec<Vec<f32>> = Vec::new();
    while made.len() < TYPES.len() {
        let new: Vec<f32> = (0..dim).map(|_| if draw.chance(0.5) { 1.0 } else { -1.0 }).collect();
        let differ = |old: &Vec<f32>| old.iter().zip(&new).filter(|(a, b)| a != b).count();
        if made.iter().all(|old| differ(old) >= dim / 4) {
            made.push(new);
        }
    }
    made
}

fn capitalised(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests;
