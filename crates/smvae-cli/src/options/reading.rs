//! How posts are read and what is told of them.

use clap::Args;
use smvae::PredictionSettings;

/// How long posts are read.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct WindowArgs {
    /// Cut posts at the piece limit. By default a longer post is read in windows that overlap, so
    /// that no word goes unread.
    #[arg(long)]
    no_windows: bool,
}

/// How posts are read and what is told of them.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct ReadingArgs {
    /// Also tell every span with a label of at least this probability, in "candidates".
    ///
    /// A probability is 0 to 1. Candidates may overlap.
    #[arg(long, value_name = "P", value_parser = probability)]
    all_above: Option<f32>,
    /// Tell scores at the temperature that was fitted on dev. The entities stay the same.
    #[arg(long)]
    calibrated: bool,
    #[command(flatten)]
    windows: WindowArgs,
}

impl WindowArgs {
    /// As the library takes them.
    pub(crate) fn settings(self) -> PredictionSettings {
        let settings = PredictionSettings::default();
        if self.no_windows { settings.without_windows() } else { settings }
    }
}

impl ReadingArgs {
    /// As the library takes them.
    pub(crate) fn settings(self) -> PredictionSettings {
        let mut settings = self.windows.settings();
        settings.calibrated = self.calibrated;
        settings.all_above = self.all_above;
        settings
    }
}

fn probability(text: &str) -> Result<f32, String> {
    let number = text.parse().ok().filter(|p: &f32| (0.0..=1.0).contains(p));
    number.ok_or_else(|| "it is not a probability, 0 to 1".to_owned())
}
