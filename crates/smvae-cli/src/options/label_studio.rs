//! How Label Studio's tags are named.

use clap::Args;
use smvae::data::formats::write::WriteSettings;

/// How Label Studio's tags are named in what is written for it.
#[derive(Debug, Args)]
pub(crate) struct LabelStudioArgs {
    /// The names in the labelling configuration of Label Studio, of its Labels and of its Text.
    #[arg(long, default_value = "label,text", value_name = "FROM_NAME,TO_NAME", value_parser = two_names)]
    label_studio_names: (String, String),
}

impl LabelStudioArgs {
    /// How posts are written with these names; all else is the default.
    pub(crate) fn settings(&self) -> WriteSettings {
        let (from_name, to_name) = self.label_studio_names.clone();
        WriteSettings { from_name, to_name, ..WriteSettings::default() }
    }
}

/// Parses two names with a comma between them.
fn two_names(text: &str) -> Result<(String, String), String> {
    match text.split_once(',') {
        Some((from, to)) if !from.is_empty() && !to.is_empty() => Ok((from.to_owned(), to.to_owned())),
        _ => Err("expected two names with a comma between them, such as label,text".to_owned()),
    }
}
