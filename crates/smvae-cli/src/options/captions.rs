//! Where captions come from.

use clap::Args;
use smvae::CaptionTrust;
use std::path::PathBuf;

/// Where a trained model gets the captions of posts from.
#[derive(Debug, Args)]
pub(crate) struct CaptionArgs {
    /// A file of captions for posts that have none of their own, as JSON lines with "image_id" and
    /// "caption"; by default the one the model was trained with.
    #[arg(long, value_name = "FILE", conflicts_with = "no_captions")]
    pub(crate) captions: Option<PathBuf>,
    /// Accept a file other than the one the model was trained with.
    #[arg(long, requires = "captions")]
    pub(crate) trust_captions: bool,
    /// Read no captions, those that posts have as their own included.
    #[arg(long)]
    pub(crate) no_captions: bool,
}

impl CaptionArgs {
    /// Which captions the model accepts.
    pub(crate) fn trust(&self) -> CaptionTrust {
        if self.trust_captions { CaptionTrust::Any } else { CaptionTrust::Recorded }
    }
}
