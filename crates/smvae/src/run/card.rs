//! The model card of a run: `README.md`, as the Hugging Face hub reads it, a front matter in YAML
//! and a text for people. Training writes it; whoever likes edits it, and nothing reads it.
//!
//! It has counts, digests, settings and scores, and no text of any post. What it is made of may
//! come from files of others: names and labels are escaped in both languages.

use crate::config::Config;
use crate::run::record::RunState;
use crate::run::train_command::TrainCommand;
use smvae_core::metrics::{Counts, Scores};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// What a card that nobody has taken over has in its text: training, and the removal of a run,
/// touch no other `README.md`.
pub(crate) const MARK: &str = "<!-- written by smvae; remove this line to keep what you change -->";

/// What a card tells.
pub(crate) struct Card<'a> {
    /// The name of the run's folder.
    pub name: String,
    pub config: &'a Config,
    pub state: &'a RunState,
    /// Entities of the labelled posts, and of dev, by label; every label of the model has a place.
    pub entities: BTreeMap<&'a str, (usize, usize)>,
    /// Labelled posts, posts without labels that were learned from, and posts of dev.
    pub posts: [usize; 3],
    /// Entities of dev that are wider than any candidate span.
    pub wide: usize,
    pub epochs: usize,
    pub steps: usize,
    /// The epoch whose weights the run has, and its scores on dev. `None` if dev was not evaluated.
    pub best: Option<(usize, &'a Scores)>,
    /// Whether it was trained with captions.
    pub captions: bool,
    /// Whether dev is a part of the corpus's dev alone, which the program's `train` does not take.
    pub dev_is_cut: bool,
    /// Whether training came to its end.
    pub finished: bool,
}

impl Card<'_> {
    /// The whole file.
    pub(crate) fn text(&self) -> String {
        let mut text = self.front_matter();
        text += &format!("\n# {}\n\n{MARK}\n\n", markdown(&self.name));
        text += &self.introduction();
        text += &self.data();
        text += &self.training();
        text += &self.scores();
        text += &self.limits();
        text + USE
    }

    fn front_matter(&self) -> String {
        let mut text = "---\nlibrary_name: smvae\npipeline_tag: token-classification\ntags:\n".to_owned();
        let is_semi = self.config.training.semi;
        let tags = [
            ("token-classification", true),
            ("named-entity-recognition", true),
            ("multimodal", self.state.images_sha256.is_some() || self.captions),
            ("semi-supervised", is_semi),
        ];
        for (tag, _) in tags.into_iter().filter(|(_, has)| *has) {
            text += &format!("- {tag}\n");
        }
        if let Some(base) = self.base() {
            text += &format!("base_model: {}\nbase_model_relation: finetune\n", yaml(base));
        }
        text += "metrics:\n- precision\n- recall\n- f1\n";
        if let Some((_, scores)) = self.best {
            let corpus = yaml(&self.corpus());
            text += &format!("model-index:\n- name: {}\n  results:\n", yaml(&self.name));
            text += "  - task:\n      type: token-classification\n      name: Named entity recognition\n";
            text += &format!("    dataset:\n      type: {corpus}\n      name: {corpus}\n      split: validation\n");
            text += "    metrics:\n";
            let all = scores.overall;
            for (metric, value) in [("precision", all.precision()), ("recall", all.recall()), ("f1", all.f1())] {
                text += &format!("    - type: {metric}\n      value: {:.4}\n", value / 100.0);
                text += &format!("      name: {metric} on dev, on which the model was selected\n");
            }
        }
        text + "---\n"
    }

    /// The text encoder, where it is a model of the hub: `owner/name`, without its commit.
    fn base(&self) -> Option<&str> {
        let (name, commit) = self.config.text_encoder.as_deref()?.split_once('@')?;
        let is_commit = commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit());
        (is_commit && name.matches('/').count() == 1).then_some(name)
    }

    /// The name of the corpus's folder: where it lies is nobody's business.
    fn corpus(&self) -> String {
        let name = self.config.data.as_deref().and_then(std::path::Path::file_name);
        name.map_or_else(|| "unnamed".to_owned(), |name| name.to_string_lossy().into_owned())
    }

    fn introduction(&self) -> String {
        let labels: Vec<String> = self.entities.keys().map(|label| markdown(label)).collect();
        let reads = match (self.state.images_sha256.is_some(), self.captions) {
            (true, true) => "text and, where there are, its image and a caption of that",
            (true, false) => "text and, where there is one, its image",
            (false, true) => "text and, where there is one, a caption of its image",
            (false, false) => "text",
        };
        let mut text = format!(
            "Finds entities in posts, spans of words with one of {} labels: {}. It reads a post's {reads}. A span-based \
             model on a text encoder{}, trained with smvae {}.\n",
            labels.len(),
            labels.join(", "),
            self.base().map_or_else(String::new, |base| format!(" ({})", markdown(base))),
            env!("CARGO_PKG_VERSION"),
        );
        if !self.finished {
            text += "\n**Its training was stopped and is not finished.**\n";
        }
        text
    }

    fn data(&self) -> String {
        let [labelled, unlabelled, dev] = self.posts;
        let mut text = format!(
            "\n## Data\n\nThe corpus `{}`: {labelled} labelled posts to learn from, {unlabelled} without labels, {dev} of \
             dev, on which the model was selected. The test split was not opened in training.\n\n\
             | entities of | labelled posts | dev |\n|---|---|---|\n",
            code(&self.corpus()),
        );
        for (label, (labelled, dev)) in &self.entities {
            let _ = writeln!(text, "| {} | {labelled} | {dev} |", markdown(label));
        }
        let RunState { train_sha256, dev_sha256, images_sha256, .. } = self.state;
        text +=
            &format!("\nSHA-256 of the training split's posts, as JSON: `{train_sha256}`; of dev's: `{dev_sha256}`");
        if let Some(images) = images_sha256 {
            text += &format!("; of the file of image vectors: `{images}`");
        }
        text + ".\n"
    }

    fn training(&self) -> String {
        let Config { seed, device, .. } = self.config;
        let command = TrainCommand {
            run: self.config,
            config: "config.json",
            data: "CORPUS",
            selection: Some("selection.json"),
            images: self.state.images_sha256.is_some(),
            captions: self.state.captions_sha256.is_some(),
            out: "RUN",
        };
        let mut command = command.line();
        command += &format!(" --seed {seed} --threads {}", self.state.threads);
        let promise = if self.dev_is_cut {
            "This trains on the same posts, but selects the epoch on all of the corpus's dev, of which this run had a \
             part"
        } else {
            "On the same machine this gives the same weights"
        };
        format!(
            "\n## Training\n\n{} epochs, {} steps on `{}`; seed {seed}. `config.json` has every setting, \
             `selection.json` which posts were labelled, `metrics.jsonl` each epoch. {promise}:\n\n\
             ```sh\n{command}\n```\n",
            self.epochs,
            self.steps,
            code(device),
        )
    }

    fn scores(&self) -> String {
        let Some((epoch, scores)) = self.best else {
            return "\n## Scores\n\nNone: dev was not evaluated before training was stopped.\n".to_owned();
        };
        let mut text = format!(
            "\n## Scores\n\nOn dev, of the weights of epoch {epoch}, which are those with the best F1 there: on other \
             posts expect less. In percent, of whole entities with the right label.\n\n\
             | | precision | recall | F1 | entities |\n|---|---|---|---|---|\n"
        );
        let mut row = |name: String, counts: Counts| {
            let (precision, recall, f1) = (counts.precision(), counts.recall(), counts.f1());
            let _ = writeln!(text, "| {name} | {precision:.2} | {recall:.2} | {f1:.2} | {} |", counts.gold);
        };
        row("all".to_owned(), scores.overall);
        scores.types.iter().for_each(|(label, counts)| row(markdown(label), *counts));
        text + "\nIt was not scored on a test split by its training; `smvae eval` does that.\n"
    }

    fn limits(&self) -> String {
        let input = &self.config.input;
        let mut text = format!(
            "\n## Limits\n\n- It knows the labels above and no others, and posts like those of its corpus.\n\
             - Entities of more than {} words are out of its reach, of which dev has {}; entities do not overlap.\n\
             - Training cut posts at {} word pieces; prediction reads longer ones in windows.\n\
             - Scores of entities are mostly too high; `--calibrated` corrects them, as far as dev tells.\n\
             - What the text encoder and the corpus have of errors and of one-sidedness, it has learnt. Their \
             licences hold for it, too.\n",
            input.max_width, self.wide, input.max_pieces,
        );
        if self.state.images_sha256.is_some() {
            text += "- An image counts as far as the vision model that made its vector sees something in it.\n";
        }
        text
    }
}

/// How a model is used, which is the same for all.
const USE: &str = "
## Use

```sh
echo '{\"text\": \"Lady Gaga lands in Oslo\"}' | smvae predict --model RUN
smvae eval --model RUN --data CORPUS
smvae serve --model RUN
```

`RUN` is this folder. `smvae inspect RUN --verify` says whether it is whole; this file may be changed.
It is no model of transformers.
";

/// A text as a string of YAML in double quotes, whatever is in it.
fn yaml(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if is_plain(c) => quoted.push(c),
            c => {
                let _ = write!(quoted, "\\U{:08X}", u32::from(c));
            }
        }
    }
    quoted + "\""
}

/// A text in Markdown, also in a cell of a table, none of whose signs means anything.
fn markdown(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        match c {
            '<' => escaped += "&lt;",
            '&' => escaped += "&amp;",
            c if c.is_ascii_punctuation() && !",.:;/'-".contains(c) => escaped.extend(['\\', c]),
            c if is_plain(c) => escaped.push(c),
            _ => escaped.push(' '),
        }
    }
    escaped
}

/// A text between backticks.
fn code(text: &str) -> String {
    text.chars().map(|c| if c == '`' || !is_plain(c) { '?' } else { c }).collect()
}

/// Whether a character is shown as itself and changes nothing around it: no control character, no
/// end of a line, no direction of writing.
fn is_plain(c: char) -> bool {
    !c.is_control()
        && !matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

#[cfg(test)]
mod tests;
