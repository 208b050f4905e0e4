//! What help shows: `-h` fits on a screen and has what people need, `--help` has everything, under
//! headings. The texts stand at the options.

use clap::{Arg, Command};

/// Of commands with many options, those that `-h` shows, by their ids; they come first in `--help`,
/// too.
const NEEDED: [(&str, &[&str]); 6] = [
    (
        "train",
        &[
            "data",
            "text_encoder",
            "out",
            "labelled",
            "semi",
            "image_features",
            "epochs",
            "encoder_lr",
            "config",
            "resume",
            "device",
        ],
    ),
    (
        "predict",
        &["model", "input", "output", "from", "to", "image_features", "images", "all_above", "precision", "device"],
    ),
    (
        "eval",
        &[
            "model",
            "data",
            "split",
            "image_features",
            "images",
            "json",
            "predictions",
            "save_predictions",
            "precision",
            "device",
        ],
    ),
    ("serve", &["model", "host", "port", "api_key_file", "vision", "no_images", "log", "precision", "device"]),
    ("suggest", &["pool", "n", "model", "text_encoder", "strategy", "exclude", "labelled", "output", "to", "for_dev"]),
    ("features", &["images", "vision", "out", "overwrite", "precision", "by_path", "json", "device"]),
];

/// The program's description with all of that.
pub(crate) fn arrange(program: Command) -> Command {
    NEEDED.iter().fold(program, |program, (name, needed)| {
        program.mut_subcommand(name, |command| command.mut_args(|arg| place(arg, needed)))
    })
}

fn place(arg: Arg, needed: &[&str]) -> Arg {
    if let Some(position) = needed.iter().position(|id| arg.get_id() == id) {
        return arg.help_heading(None::<&'static str>).display_order(position);
    }
    let arg = if arg.get_help_heading().is_none() { arg.help_heading("More options") } else { arg };
    arg.hide_short_help(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_help_is_one_screen_and_long_help_has_every_option() {
        let mut program = crate::cli::command();
        program.build();
        for command in program.get_subcommands_mut() {
            let name = command.get_name().to_owned();
            let short = command.render_help().to_string();
            let lines = short.lines().count();
            assert!(lines <= 40, "smvae {name} -h has {lines} lines:\n{short}");
            let long = command.render_long_help().to_string();
            for arg in command.get_arguments().filter(|arg| !arg.is_hide_set()) {
                let option = arg.get_long().unwrap_or_default();
                assert!(long.contains(option), "smvae {name} --help lacks --{option}");
            }
        }
    }

    #[test]
    fn what_is_needed_exists() {
        let program = crate::cli::command();
        for (name, needed) in NEEDED.iter().filter(|(name, _)| program.find_subcommand(name).is_some()) {
            let command = program.find_subcommand(name).expect("just found");
            for id in *needed {
                assert!(command.get_arguments().any(|arg| arg.get_id() == id), "smvae {name} has no {id}");
            }
        }
    }
}
