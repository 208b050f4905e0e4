//! The options of `smvae predict`.

use crate::answers::format_of;
use crate::failure::Usage;
use crate::options::{
    CaptionArgs, ColumnArgs, DeviceArgs, FileArgs, ImageArgs, LabelStudioArgs, PrecisionArgs, ReadingArgs, VerifyArgs,
};
use clap::Args;
use smvae::LoadOptions;
use smvae::answers::AnswerFormat;
use smvae::core::schemes::Scheme;
use smvae::data::formats::write::{Output, WriteSettings};
use smvae::data::words::WordConvention;
use std::path::PathBuf;

/// What `smvae predict` is asked for.
#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A run folder. Given several times, for models of one corpus, their probabilities are
    /// averaged.
    #[arg(long, visible_alias = "weights", required = true, value_name = "DIR")]
    pub(crate) model: Vec<PathBuf>,
    /// Posts to read; - for stdin.
    ///
    /// stdin is JSON lines unless --from says otherwise.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) input: PathBuf,
    #[command(flatten)]
    pub(crate) form: FileArgs,
    #[command(flatten)]
    pub(crate) columns: ColumnArgs,
    /// Where the answers go; - for stdout.
    ///
    /// A file has its name when it is complete; until then it is .NAME.tmp beside it. Whatever ends
    /// the program early, what is answered stays there, in whole lines or as a file that can be
    /// read.
    #[arg(long, default_value = "-", value_name = "FILE")]
    pub(crate) output: PathBuf,
    /// The answers' format: jsonl, conll, csv, huggingface, spacy, label-studio, doccano, prodigy,
    /// arrow or parquet.
    ///
    /// By default the ending of the output's name tells it, and it is JSON lines for a name without
    /// one and for a pipe. huggingface is tokens and ner_tags.
    #[arg(long, value_name = "FORMAT")]
    to: Option<AnswerFormat>,
    /// The scheme of tags in the output: iob2, iob1, ioe1, ioe2, iobes or bilou.
    #[arg(long, default_value = "iob2", value_name = "SCHEME")]
    scheme: Scheme,
    #[command(flatten)]
    label_studio: LabelStudioArgs,
    /// How text is split into words: twitter2015, twitter2017, conll or whitespace, with changes
    /// such as twitter2017,hashtag=keep. By default as the model's corpus was.
    #[arg(long, value_name = "CONVENTION")]
    words: Option<WordConvention>,
    #[command(flatten)]
    pub(crate) reading: ReadingArgs,
    #[command(flatten)]
    pub(crate) images: ImageArgs,
    #[command(flatten)]
    pub(crate) captions: CaptionArgs,
    /// Stop at the first line that is not a post. By default such a line has {"line", "id",
    /// "error"} in its place, and the exit code is 3 at the end.
    #[arg(long)]
    pub(crate) strict: bool,
    /// What is now the default.
    #[arg(long, hide = true, conflicts_with = "strict")]
    skip_bad: bool,
    /// Continue an --output whose run was stopped or killed, after its last whole line: of JSON
    /// lines alone, and of an --input that is a file. Input, model and settings must be the same.
    #[arg(long)]
    pub(crate) resume: bool,
    /// Begin anew where an earlier run was not finished, and drop what it has answered. A
    /// complete --output is replaced in any case, which is said.
    #[arg(long, conflicts_with = "resume")]
    pub(crate) overwrite: bool,
    /// Posts that are in memory at most: read, and not yet written. Those of about one length are
    /// computed together. An input that pauses is answered without waiting for more.
    #[arg(long, default_value_t = 4096, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) chunk: u32,
    #[command(flatten)]
    pub(crate) device: DeviceArgs,
    #[command(flatten)]
    pub(crate) precision: PrecisionArgs,
    #[command(flatten)]
    verify: VerifyArgs,
}

impl PredictArgs {
    /// How the model is loaded.
    pub(crate) fn options(&self) -> LoadOptions {
        let mut options =
            self.precision.options().with_prediction(self.reading.settings()).verifying(self.verify.verify());
        options.words.clone_from(&self.words);
        options
    }

    /// The format of the answers: as it was asked for, else as the output's name tells.
    pub(crate) fn output_format(&self) -> Result<AnswerFormat, Usage> {
        self.to.map_or_else(|| format_of(&self.output, "answers"), Ok)
    }

    /// How answers are written, in the formats that ask.
    pub(crate) fn write_settings(&self, format: AnswerFormat) -> anyhow::Result<WriteSettings> {
        let has_candidates = self.reading.settings().all_above.is_some();
        let mut settings = WriteSettings { scheme: self.scheme, has_candidates, ..self.label_studio.settings() };
        if format == AnswerFormat::Of(Output::LabelStudio) {
            settings.model = crate::model::versions(&self.model)?;
        }
        Ok(settings)
    }
}
