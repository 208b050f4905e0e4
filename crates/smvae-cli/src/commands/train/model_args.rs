//! Options of `train` about the networks and their input.

use super::set::{set, set_some};
use crate::options::by_name;
use clap::Args;
use clap::builder::BoolishValueParser;
use smvae::config::{CaptionUse, Config, ImageUse};
use smvae::core::Convention;
use smvae::core::model::{Fusion, ImageSource};

/// The networks and their input.
#[derive(Debug, Args)]
pub(crate) struct ModelArgs {
    /// Width of each LSTM direction and of the hidden layers.
    #[arg(long, visible_alias = "hidden_dim", value_name = "N")]
    hidden_dim: Option<usize>,
    /// Width of the latent variable.
    #[arg(long, visible_alias = "latent_dim", value_name = "N")]
    latent_dim: Option<usize>,
    /// Let the classifier see the shapes of words: their capitals, digits and signs.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    word_shapes: Option<bool>,
    /// Tell the classifier how many words a span has.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    span_widths: Option<bool>,
    /// Add biaffine scores of a span's first and last word to the logits, from vectors of this
    /// width.
    #[arg(long, value_name = "N")]
    biaffine_dim: Option<usize>,
    /// How the text expert and the image expert are combined.
    #[arg(long, value_name = "product|product-with-prior|mean", value_parser = by_name::<Fusion>)]
    fusion: Option<Fusion>,
    /// Let the classifier see z.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    latent_in_classifier: Option<bool>,
    /// Let the classifier see the post's image vector, beside z.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    image_in_classifier: Option<bool>,
    /// Let each span decide how much the post's image says of it.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    image_gate: Option<bool>,
    /// What the image expert sees: the post's image vector, or what the text encoder makes of its
    /// caption.
    #[arg(long, value_name = "vectors|caption", value_parser = by_name::<ImageSource>)]
    image_source: Option<ImageSource>,
    /// Which image vector a post gets: its own, that of another post, or zeros.
    #[arg(long, value_name = "own|shuffled|zero", value_parser = by_name::<ImageUse>)]
    image: Option<ImageUse>,
    /// Which caption a post gets: its own, or that of another post's image.
    #[arg(long, value_name = "own|shuffled", value_parser = by_name::<CaptionUse>)]
    caption: Option<CaptionUse>,
    /// The most word pieces of a caption, its separators included; later words are cut.
    #[arg(long, value_name = "N")]
    max_caption_pieces: Option<usize>,
    /// Dropout of the text encoder.
    #[arg(long, value_name = "X")]
    dropout: Option<f64>,
    /// The widest candidate span, in words.
    #[arg(long, value_name = "N")]
    max_width: Option<usize>,
    /// The most word pieces of a post; later words are cut.
    #[arg(long, value_name = "N")]
    max_pieces: Option<usize>,
    /// How malformed tag sequences are read.
    #[arg(long, value_name = "conlleval|strict|authors")]
    convention: Option<Convention>,
    /// Leave words that are URLs out of the encoder's input.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    drop_urls: Option<bool>,
    /// Standardise image vectors with the means and deviations of the training split.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    standardise_images: Option<bool>,
}

impl ModelArgs {
    pub(crate) fn apply(&self, config: &mut Config) {
        set(&mut config.model.hidden_dim, self.hidden_dim);
        set(&mut config.model.latent_dim, self.latent_dim);
        set(&mut config.model.word_shapes, self.word_shapes);
        set(&mut config.model.span_widths, self.span_widths);
        set_some(&mut config.model.biaffine_dim, self.biaffine_dim);
        set(&mut config.model.fusion, self.fusion);
        set(&mut config.model.latent_in_classifier, self.latent_in_classifier);
        set(&mut config.model.image_in_classifier, self.image_in_classifier);
        set(&mut config.model.image_gate, self.image_gate);
        set(&mut config.model.image_source, self.image_source);
        set(&mut config.input.image, self.image);
        set(&mut config.input.caption, self.caption);
        set(&mut config.input.max_caption_pieces, self.max_caption_pieces);
        set_some(&mut config.training.dropout, self.dropout);
        set(&mut config.input.max_width, self.max_width);
        set(&mut config.input.max_pieces, self.max_pieces);
        set(&mut config.input.convention, self.convention);
        set(&mut config.input.drop_urls, self.drop_urls);
        set(&mut config.input.standardise_images, self.standardise_images);
    }
}
