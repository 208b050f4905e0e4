//! Settings and the options that set them. A setting has one name, its place in `config.json` such
//! as `training.encoder_lr`; the option is its last part (`--encoder-lr`), or all of it where that
//! part alone would say too little (`--average-decay`). `--set NAME=VALUE` sets any of them.

use crate::failure::Usage;
use clap::Command;
use serde_json::{Map, Value};
use smvae::Config;
use std::str::FromStr;

/// Settings with an option of their own.
pub(super) const WITH_OPTION: [&str; 64] = [
    "text_encoder",
    "allow_missing_weights",
    "labelled",
    "selection_seed",
    "seed",
    "training.semi",
    "training.epochs",
    "training.patience",
    "training.eval_every",
    "training.max_steps",
    "training.checkpoint_every",
    "training.batch_size",
    "training.unlabelled_batch_size",
    "training.unlabelled_spans",
    "training.balance_unlabelled",
    "training.negatives",
    "training.encoder_lr",
    "training.head_lr",
    "training.freeze",
    "training.layer_decay",
    "training.warmup",
    "training.schedule",
    "training.dropout",
    "training.caption_dropout",
    "training.image_dropout",
    "training.tune_decision",
    "average.decay",
    "average.teach_from",
    "optimizer.weight_decay",
    "optimizer.clip_norm",
    "objective.gamma",
    "objective.lambda",
    "objective.vae",
    "objective.kl_weight",
    "objective.kl_warmup",
    "objective.free_bits",
    "objective.reconstruction_weight",
    "objective.image_reconstruction",
    "objective.unlabelled_class",
    "objective.soft_label_weight",
    "objective.r_drop",
    "objective.boundary_smoothing",
    "distillation.teachers",
    "distillation.generations",
    "model.hidden_dim",
    "model.latent_dim",
    "model.word_shapes",
    "model.span_widths",
    "model.biaffine_dim",
    "model.fusion",
    "model.latent_in_classifier",
    "model.image_in_classifier",
    "model.image_gate",
    "model.image_source",
    "input.image",
    "input.caption",
    "input.max_caption_pieces",
    "input.max_width",
    "input.max_pieces",
    "input.convention",
    "input.drop_urls",
    "input.standardise_images",
    "preset",
    "unlabelled",
];

/// What a setting that has no value by default comes to.
const WITHOUT_VALUE: [(&str, &str); 11] = [
    ("labelled", "all"),
    ("selection_seed", "that of --seed"),
    ("training.epochs", "what makes about 1,700 steps, 8 to 30"),
    ("training.max_steps", "no limit"),
    ("training.checkpoint_every", "a minute apart or more, in at most 2 % of the time"),
    ("training.negatives", "all"),
    ("training.dropout", "what its own configuration says"),
    ("average.decay", "no average"),
    ("average.teach_from", "never"),
    ("distillation.teachers", "0"),
    ("distillation.generations", "1"),
];

/// What the program sets itself or by another option, and why `--set` does not.
const NOT_SETTABLE: [(&str, &str); 7] = [
    ("corpus_format", "--from, --separator, --columns, --scheme and --label-names say it"),
    ("data", "--data says it"),
    ("device", "--device says it"),
    ("format_version", "it is that of this version of smvae"),
    ("model.image_dim", "it is the width of the image vectors"),
    ("preset", "--preset says it"),
    ("unlabelled", "--unlabelled says it"),
];

/// The id of a setting's option.
pub(super) fn option_of(name: &str) -> String {
    let last = name.rsplit('.').next().unwrap_or(name);
    if name.starts_with("average.") { name.replace('.', "_") } else { last.to_owned() }
}

/// The description of `train` whose options say their defaults: those of the preset `default`.
pub(crate) fn with_defaults(command: Command) -> Command {
    let defaults = Config::default().to_named_json().expect("no path is in it");
    WITH_OPTION.into_iter().fold(command, |command, name| {
        let Some(default) = default_of(&defaults, name) else { return command };
        command.mut_arg(option_of(name), |arg| {
            let tell = |text: String| format!("{text} [default: {default}]");
            let (short, long) = (arg.get_help().map(ToString::to_string), arg.get_long_help().map(ToString::to_string));
            let arg = if let Some(short) = short { arg.help(tell(short)) } else { arg };
            if let Some(long) = long { arg.long_help(tell(long)) } else { arg }
        })
    })
}

/// The default of a setting as its option has it. `None` where there is none.
pub(super) fn default_of(defaults: &Value, name: &str) -> Option<String> {
    if let Some((_, told)) = WITHOUT_VALUE.iter().find(|(other, _)| *other == name) {
        return Some((*told).to_owned());
    }
    match defaults.pointer(&format!("/{}", name.replace('.', "/")))? {
        Value::Null => None,
        Value::Bool(on) => Some(u8::from(*on).to_string()),
        Value::String(word) => Some(word.clone()),
        number => Some(number.to_string()),
    }
}

/// `NAME=VALUE` of `--set`.
#[derive(Clone, Debug)]
pub(super) struct Assignment {
    name: String,
    value: Value,
}

impl FromStr for Assignment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE, such as training.patience=3")?;
        if name.split('.').any(str::is_empty) {
            return Err("expected the name of a setting before the =, such as training.patience".to_owned());
        }
        if let Some((_, why)) =
            NOT_SETTABLE.iter().find(|(other, _)| name.split('.').next() == Some(other) || name == *other)
        {
            return Err(format!("{name} is not set so: {why}"));
        }
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::String(value.to_owned()));
        Ok(Self { name: name.to_owned(), value })
    }
}

impl Assignment {
    /// The configuration with this setting.
    ///
    /// # Errors
    /// If there is no such setting, or it is of another type.
    pub(super) fn apply(&self, config: &Config) -> Result<Config, Usage> {
        let mut value = self.value.clone();
        for part in self.name.rsplit('.') {
            value = Value::Object(Map::from_iter([(part.to_owned(), value)]));
        }
        config.with(value).map_err(|error| Usage(format!("--set {}={}: {error}", self.name, self.value)))
    }
}

#[cfg(test)]
mod tests;
