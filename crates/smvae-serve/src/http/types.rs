//! The types of requests and answers as `/openapi.json` describes them. Posts and what is found in
//! them are read and written by `smvae` itself; what stands here says how they look, and a test
//! compares the two.

use crate::model::Model;
use crate::state::State;
use serde::Serialize;
use utoipa::ToSchema;

/// A post: `text`, or `words`. Fields of other names are passed on as they were written.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what smvae reads")]
pub(crate) struct Post {
    /// Its text. Where there are words, it must hold them in their order, and nothing else.
    #[schema(example = "Lady Gaga lands in Oslo.", nullable)]
    text: Option<String>,
    /// Its words, where somebody has split the text already.
    #[schema(nullable)]
    words: Option<Vec<String>>,
    /// Passed on: a string or a number.
    #[schema(nullable)]
    id: Option<Id>,
    /// The name of the part with its picture, in a request with pictures. Elsewhere no image is
    /// looked for, and the answer says that it is missing.
    #[schema(nullable)]
    image: Option<String>,
    /// What its image shows, in words: read by a model that was trained with captions.
    #[schema(example = "a woman sings on a stage", nullable)]
    caption: Option<String>,
}

/// A string or a number.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what smvae reads")]
pub(crate) enum Id {
    /// A string.
    Text(String),
    /// A number.
    Number(f64),
}

/// A post, which is answered by an object, or a list of posts, which is answered by a list in the
/// same order.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what smvae reads")]
pub(crate) enum PostOrPosts {
    /// One.
    One(Post),
    /// Several.
    List(Vec<Post>),
}

/// Posts with pictures. A post's picture is the part that its field `image` names; where there is
/// one post that names none and one picture, they belong together.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what the service reads")]
pub(crate) struct Upload {
    /// The posts, as in a request without pictures.
    posts: Option<PostOrPosts>,
    /// Instead of them, the text of one post.
    text: Option<String>,
    /// A picture: JPEG, PNG, GIF, WebP or BMP. There may be others, of any names.
    #[schema(format = Binary)]
    image: Option<String>,
}

/// An entity, or a candidate for one.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what smvae writes")]
pub(crate) struct Entity {
    /// First character of the text (Unicode scalar values).
    start: usize,
    /// One past the last character.
    end: usize,
    /// The characters from `start` to `end`.
    #[schema(example = "Lady Gaga")]
    text: String,
    /// Its label.
    #[schema(example = "PER")]
    label: String,
    /// Probability of the label.
    #[schema(minimum = 0, maximum = 1)]
    score: f32,
    /// Its words, from the first to one past the last.
    #[schema(min_items = 2, max_items = 2)]
    words: Vec<usize>,
}

/// What was found in a post: its own fields, then these.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes what smvae writes")]
pub(crate) struct Predicted {
    /// Its text.
    text: String,
    /// Its words, as the model reads them.
    words: Vec<String>,
    /// What was found, by the first word.
    entities: Vec<Entity>,
    /// How many words at its end the model did not read; not there where it read all.
    #[schema(minimum = 1)]
    words_cut: Option<usize>,
    /// Whether the model looks at images, and the post names one that was not sent; not there
    /// where nothing is missing.
    image_missing: Option<bool>,
    /// Whether the model was trained with captions, and the post has none; not there where nothing
    /// is missing.
    caption_missing: Option<bool>,
    /// As many of the most probable spans as were asked for.
    candidates: Option<Vec<Entity>>,
}

/// What was found in a post, or in each post of a list.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what smvae writes")]
pub(crate) enum PredictedPosts {
    /// In one.
    One(Predicted),
    /// In each.
    List(Vec<Predicted>),
}

/// The model and the limits of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ModelCard {
    /// Always `smvae`.
    name: &'static str,
    /// Of the service.
    version: &'static str,
    /// Name of the run folder.
    run: String,
    /// SHA-256 of the weights.
    weights_sha256: String,
    /// What it finds; the first one, `O`, is for what is nothing.
    labels: Vec<String>,
    encoder: EncoderCard,
    /// How text is split into words.
    words: String,
    /// Words of the longest entity.
    max_width: usize,
    /// Whether the model was trained with images.
    looks_at_images: bool,
    /// Whether it was trained with captions.
    reads_captions: bool,
    /// Whether pictures can be sent.
    reads_pictures: bool,
    limits: LimitsCard,
}

/// The text encoder.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EncoderCard {
    /// Family, such as `bert`.
    family: String,
    layers: usize,
    hidden_size: usize,
    vocabulary: usize,
    /// The most pieces of words that it reads at once.
    max_pieces: usize,
    /// What it multiplies in, such as `f32` or `int8 (AVX-512 VNNI)`.
    precision: String,
}

/// What a request may have.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct LimitsCard {
    body_bytes: usize,
    upload_bytes: usize,
    posts: usize,
    words: usize,
    pixels: u64,
    queue_posts: usize,
    /// Until a request that was read is answered.
    request_seconds: f64,
}

impl ModelCard {
    pub(crate) fn of(model: &Model, state: &State) -> Self {
        let (predictor, limits) = (&model.predictor, &state.settings.limits);
        let (config, encoder) = (predictor.config(), predictor.encoder());
        Self {
            name: "smvae",
            version: env!("CARGO_PKG_VERSION"),
            run: model.run.clone(),
            weights_sha256: model.weights_sha256.clone(),
            labels: predictor.labels().names().to_vec(),
            encoder: EncoderCard {
                family: encoder.model_type.to_string(),
                layers: encoder.num_hidden_layers,
                hidden_size: encoder.hidden_size,
                vocabulary: encoder.vocab_size,
                max_pieces: config.input.max_pieces.min(encoder.position_limit()),
                precision: predictor.form().to_string(),
            },
            words: predictor.words().to_string(),
            max_width: config.input.max_width,
            looks_at_images: predictor.image_identity().is_some(),
            reads_captions: predictor.caption_identity().is_some(),
            reads_pictures: model.vision.is_some(),
            limits: LimitsCard {
                body_bytes: limits.body_bytes,
                upload_bytes: limits.upload_bytes,
                posts: limits.posts,
                words: limits.words,
                pixels: limits.pixels,
                queue_posts: limits.queue_posts,
                request_seconds: limits.request_time.as_secs_f64(),
            },
        }
    }
}

/// Whether the service is there, or ready.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// One word.
    #[schema(example = "ready")]
    pub(crate) status: &'static str,
}

/// What loading the run anew came to.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Reloaded {
    /// Seconds that it took.
    pub(crate) seconds: f64,
    /// SHA-256 of the weights that new requests are answered with.
    pub(crate) weights_sha256: String,
}
