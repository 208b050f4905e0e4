//! Spans, BIO tags, decoding and scoring; with the feature `tensor` (default) also the networks,
//! the variational mathematics and one training step of SMVAE on candle.
//!
//! # Modules
//!
//! On words, tags and spans, without candle (`default-features = false`):
//!
//! - [`spans`] takes a number of words and a width limit; gives every candidate span.
//! - [`bio`] takes the BIO tags of a text; gives its entities, and tags of entities.
//! - [`schemes`] takes the tags of a text in any of six schemes; gives its entities, and tags of
//!   entities.
//! - [`labels`] takes entity types; gives class numbers, of which 0 is `O`.
//! - [`columns`] takes tagged text in columns; gives gold and predicted tags.
//! - [`decode`](mod@decode) takes scored spans; gives entities that do not overlap.
//! - [`metrics`] takes gold and predicted entities, or tags; gives precision, recall and F1 as
//!   `conlleval` does.
//! - [`confusion`] takes gold and predicted entities; gives the kind of each mistake.
//! - [`calibration`] takes scores and whether they were right; gives reliability and a temperature.
//! - [`shapes`] takes a word; gives the number of its shape.
//!
//! On tensors, with the feature `tensor`:
//!
//! - `vae` takes means and log-variances, `[rows, latent]`; gives products of experts, KL terms and
//!   reconstructions of each row, for any network.
//! - `nn` has layers that take `[rows, d]`, each with a backward pass that is fast on a CPU, and
//!   `Parameters`, which takes a seed and names trainable tensors.
//! - `pieces` takes the piece ids of several texts; packs them without padding for a `TextEncoder`.
//! - `model` takes hidden states of pieces and image vectors; gives Gaussians and logits of spans.
//! - `objective` takes these and the classes of spans; gives the loss.
//! - `optim` takes a loss, or gradients; updates parameters. `schedule` takes a step; gives the
//!   factor of its learning rate.
//! - `step` takes networks, batches, an optimizer and a generator; makes one training step.
//! - `rng` takes a seed and a purpose; gives a generator, and noise drawn from it.
//!
//! What this crate does not do: no files, no tokenizer, no hub, no pixels, no clock, no global
//! random state. Noise, seeds and masks are arguments.
//!
//! # Enumerate spans and decode scored ones
//!
//! ```
//! use smvae_core::decode::{Candidate, decode};
//! use smvae_core::{LabelSet, spans::candidate_spans};
//! let words = ["Lady", "Gaga", "lands", "in", "Oslo"];
//! let labels = LabelSet::new(["LOC", "PER"])?;
//! // Your classifier; this one finds two spans, and one more that overlaps the better of them.
//! let classify = |start, end| match (start, end) {
//!     (0, 2) => (2, 0.9),
//!     (1, 2) => (2, 0.6),
//!     (4, 5) => (1, 0.8),
//!     _ => (0, 1.0),
//! };
//! let candidates: Vec<Candidate> = candidate_spans(words.len(), 3)
//!     .map(|span| {
//!         let (class, score) = classify(span.start, span.end);
//!         Candidate { span, class, score }
//!     })
//!     .collect();
//! let found: Vec<_> = decode(&candidates)
//!     .into_iter()
//!     .map(|c| (words[c.span.start..c.span.end].join(" "), labels.name(c.class)))
//!     .collect();
//! assert_eq!(found, [("Lady Gaga".into(), Some("PER")), ("Oslo".into(), Some("LOC"))]);
//! # Ok::<(), smvae_core::Error>(())
//! ```
//!
//! # The terms of an ELBO for a network of your own
//!
//! A mean squared error beside a KL term is a bound only up to their weights: see
//! `vae::ElboTerms`.
//!
#![cfg_attr(feature = "tensor", doc = "```")]
#![cfg_attr(not(feature = "tensor"), doc = "```ignore")]
//! use smvae_core::candle_core::{Device, Tensor};
//! use smvae_core::vae::{Gaussian, kl_standard_normal, mean_squared_error, product_of_experts};
//! // The output of two encoders for two rows, with a latent variable of width 3. Noise is the
//! // caller's.
//! let tensor = |x: f32| Tensor::full(x, (2, 3), &Device::Cpu);
//! let text = Gaussian::new(tensor(0.5)?, &tensor(-1.0)?)?;
//! let image = Gaussian::new(tensor(-0.5)?, &tensor(-1.0)?)?;
//! let fused = product_of_experts(&[(&text).into(), (&image).into()])?;
//! let z = fused.sample(&tensor(0.1)?)?;
//! // Your decoder makes something of z; here z itself is compared with zeros.
//! let negative_elbo = (mean_squared_error(&z, &z.zeros_like()?)? + kl_standard_normal(&fused)?)?;
//! assert_eq!(negative_elbo.dims(), [2]); // one number per row: the mean is yours to take
//! # Ok::<(), smvae_core::Error>(())
#![doc = "```"]
//!
//! # One training step with a text encoder of your own
//!
#![cfg_attr(feature = "tensor", doc = "```")]
#![cfg_attr(not(feature = "tensor"), doc = "```ignore")]
//! use smvae_core::candle_core::{DType, Device, Tensor};
//! use smvae_core::model::{BatchSpan, ModelConfig, SpanBatch, SpanModel};
//! use smvae_core::nn::Parameters;
//! use smvae_core::optim::{Adam, AdamConfig};
//! use smvae_core::step::{LabelledBatch, Networks, UnlabelledBatch, step};
//! use smvae_core::{Mode, PackedPieces, Span, TextEncoder, objective::Objective, rng};
//!
//! /// A table of vectors.
//! struct Table(Tensor);
//!
//! impl TextEncoder for Table {
//!     fn dim(&self) -> usize {
//!         8
//!     }
//!     fn forward(&self, pieces: &PackedPieces, _: Mode<'_>) -> smvae_core::Result<Tensor> {
//!         Ok(self.0.index_select(&Tensor::new(pieces.ids(), self.0.device())?, 0)?)
//!     }
//! }
//!
//! let parameters = Parameters::new(0, &Device::Cpu);
//! let vb = parameters.builder(DType::F32);
//! let init = smvae_core::candle_nn::init::DEFAULT_KAIMING_NORMAL;
//! let encoder = Table(vb.get_with_hints((100, 8), "table", init)?);
//! let mut config = ModelConfig::default();
//! (config.hidden_dim, config.latent_dim) = (4, 2);
//! let model = SpanModel::load(&config, encoder.dim(), 3, &vb.pp("model"))?;
//! let mut optimizer = Adam::new(parameters.all(), |_| 0, AdamConfig::default())?;
//!
//! // Two texts between `[CLS]` (1) and `[SEP]` (2), of two words and of one word, each word one
//! // piece. The rows of words and the words of spans are counted over the whole batch: the word of
//! // the second text is row 5 and word 2.
//! let batch = SpanBatch {
//!     pieces: PackedPieces::new([&[1, 7, 8, 2][..], &[1, 9, 2][..]]),
//!     words: vec![1..2, 2..3, 5..6],
//!     shapes: vec![],
//!     spans: [(0, 0, 2), (0, 1, 2), (1, 2, 3)]
//!         .map(|(text, start, end)| BatchSpan { text, words: Span::new(start, end) })
//!         .to_vec(),
//!     images: None,
//!     has_image: vec![false; 2],
//! };
//! // Nobody knows the classes of the other batch; here it is the same one.
//! let unlabelled = UnlabelledBatch::from(batch.clone());
//! let labelled = LabelledBatch { batch, targets: vec![2, 0, 1] };
//! let networks = Networks { encoder: &encoder, model: &model };
//! let mut rng = rng::named(0, "training");
//! let mut losses = Vec::new();
//! for _ in 0..50 {
//!     let (objective, rates) = (Objective::default(), [0.01]);
//!     let unlabelled = Some(&unlabelled);
//!     let report =
//!         step(networks, &objective, &mut optimizer, &rates, &labelled, unlabelled, &mut rng)?;
//!     losses.push(report.read()?.ce);
//! }
//! assert!(losses[49] < 0.5 * losses[0]);
//! # Ok::<(), smvae_core::Error>(())
#![doc = "```"]
#![cfg_attr(docsrs, feature(doc_cfg))]

pub mod bio;
pub mod calibration;
pub mod columns;
pub mod confusion;
pub mod decode;
mod error;
pub mod labels;
pub mod metrics;
// For the crates of this workspace that read files of strangers.
#[doc(hidden)]
pub mod quiet;
pub mod schemes;
pub mod shapes;
pub mod spans;

#[cfg(feature = "cuda")]
#[cfg_attr(docsrs, doc(cfg(feature = "cuda")))]
pub mod cuda;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod model;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod nn;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod objective;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod optim;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod pieces;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod rng;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod schedule;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod step;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub mod vae;

pub use bio::Convention;
pub use error::{Error, Result};
pub use labels::LabelSet;
pub use spans::{Entity, Span};

#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub use candle_core;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub use candle_nn;
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub use pieces::{Mode, PackedLayout, PackedPieces, TextEncoder};
#[cfg(feature = "tensor")]
#[cfg_attr(docsrs, doc(cfg(feature = "tensor")))]
pub use rng::Rng;
