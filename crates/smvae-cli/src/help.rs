//! What help shows: `-h` fits on a screen and has what people need, `--help` has everything, under
//! headings. The texts stand at the options.

use clap::{Arg, ArgGroup, Command, Id};
use std::collections::HashMap;

/// Of commands with many options, those that `-h` shows, by their ids; they come first in `--help`,
/// too.
const NEEDED: [(&str, &[&str]); 7] = [
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
    ("export", &["posts", "split", "from", "to", "output", "to_scheme"]),
    ("features", &["images", "vision", "out", "overwrite", "precision", "by_path", "json", "device"]),
];

/// The headings of options that commands have in common, by the struct that has them.
const HEADINGS: [(&str, &str); 12] = [
    ("FileArgs", "How files are read"),
    ("ColumnArgs", "How files are read"),
    ("TagArgs", "How files are read"),
    ("ImageArgs", "Images"),
    ("VisionArgs", "Images"),
    ("CaptionArgs", "Captions"),
    ("DeviceArgs", "Computing"),
    ("PrecisionArgs", "Computing"),
    ("ModelArgs", "Model and input"),
    ("TrainingArgs", "Training"),
    ("ObjectiveArgs", "Objective"),
    ("LimitArgs", "Limits"),
];

/// The program's description with all of that.
pub(crate) fn arrange(program: Command) -> Command {
    // All, since a command of `NEEDED` may belong to a feature that is off.
    program.mut_subcommands(|command| {
        let command = under_headings(command);
        match NEEDED.iter().find(|(name, _)| *name == command.get_name()) {
            Some((_, needed)) => command.mut_args(|arg| place(arg, needed)),
            None => command,
        }
    })
}

/// clap keeps a struct's heading for whatever is declared after it; each option has its own here.
fn under_headings(command: Command) -> Command {
    let heading =
        |group: &ArgGroup| HEADINGS.iter().find(|(name, _)| group.get_id() == name).map(|(_, heading)| *heading);
    let of_group =
        |group: &ArgGroup| group.get_args().cloned().zip(std::iter::repeat(heading(group))).collect::<Vec<_>>();
    let headings: HashMap<Id, Option<&str>> = command.get_groups().flat_map(of_group).collect();
    command.mut_args(|arg| match headings.get(arg.get_id()).copied().flatten() {
        Some(heading) if arg.get_help_heading().is_none() => arg.help_heading(heading),
        _ => arg,
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
    fn an_option_stands_under_the_heading_of_its_struct() {
        let program = crate::cli::command();
        let heading = |command: &str, id: &str| {
            let command = program.find_subcommand(command).expect("a command");
            let arg = command.get_arguments().find(|arg| arg.get_id() == id).expect("an option");
            arg.get_help_heading().map(str::to_owned)
        };
        assert_eq!(heading("export", "separator").as_deref(), Some("How files are read"));
        assert_eq!(heading("export", "output"), None);
        assert_eq!(heading("predict", "trust_captions").as_deref(), Some("Captions"));
        assert_eq!(heading("predict", "resume").as_deref(), Some("More options"));
        assert_eq!(heading("stats", "json"), None);
        for (name, _) in HEADINGS.iter().filter(|(name, _)| cfg!(feature = "serve") || *name != "LimitArgs") {
            let has = |command: &Command| command.get_groups().any(|group| group.get_id() == name);
            assert!(program.get_subcommands().any(has), "no command has {name}");
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
