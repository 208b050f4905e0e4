//! The page docs/settings.md has every setting with its default and its option, and names are the
//! same in file, option and error. `UPDATE_SETTINGS=1 cargo test settings` writes the page anew.

use super::*;
use clap::{Arg, Command};
use serde_json::json;
use smvae::Distillation;
use smvae::config::AverageConfig;
use std::path::Path;

/// Sections of a configuration, and where their fields are described.
const SECTIONS: [(&str, &str, &str, &str); 9] = [
    ("", "The run", "smvae/src/config/mod.rs", "Config"),
    ("input", "Input", "smvae/src/config/input.rs", "InputConfig"),
    ("training", "Training", "smvae/src/config/training.rs", "TrainingConfig"),
    ("objective", "Objective", "smvae-core/src/objective.rs", "Objective"),
    ("distillation", "Teachers", "smvae/src/config/distillation.rs", "Distillation"),
    ("average", "Average of the weights", "smvae/src/config/average.rs", "AverageConfig"),
    ("model", "Model", "smvae-core/src/model/config.rs", "ModelConfig"),
    ("model.quirks", "What the authors' program does differently", "smvae-core/src/model/config.rs", "Quirks"),
    ("optimizer", "Optimizer", "smvae-core/src/optim/config.rs", "AdamConfig"),
];

/// What is said before the tables of sections that are not there by default.
const NOTES: [(&str, &str); 2] = [
    ("distillation", "There are no teachers by default. Fields that the section lacks are these."),
    ("average", "There is no average by default. Fields that the section lacks have these defaults: a decay of 0.99."),
];

const INTRODUCTION: &str = "# Settings

Every setting of a run, with its default and the option of `smvae train` that sets it. The name of a
setting is its place in the run's `config.json`, which is also what `--config FILE` reads, what
`[settings]` of an [experiment](experiments.md) has, what errors say, and what `--set NAME=VALUE`
takes: `--set training.patience=3`, `{\"training\": {\"patience\": 3}}` and `--patience 3` are the
same. Where there is no option of its own, `--set` is the way.

```sh
smvae train --preset twitter2017 --epochs 10 --set training.batch_unit=posts --print-config
```

prints all of them with the values that they would have, in a form that `--config` reads. Options
win over `--set`, and that over `--config` or `--preset`; fields that a file lacks are those of the
preset it names, or the defaults. The defaults here are those of the preset `default`.

This page is made from the source (`UPDATE_SETTINGS=1 cargo test settings`).
";

#[test]
fn the_page_lists_every_setting() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it lies in a folder").to_owned();
    let path = crates.with_file_name("docs").join("settings.md");
    if !crates.join("smvae-core").is_dir() {
        // A package that is built alone has no documents.
        return;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut page = INTRODUCTION.to_owned();
    let train = train();
    for (section, title, file, name) in SECTIONS {
        let note =
            NOTES.iter().find(|(of, _)| *of == section).map_or_else(String::new, |(_, note)| format!("{note}\n\n"));
        page += &format!("\n## {title}\n\n{note}| setting | option | default | |\n|---|---|---|---|\n");
        let source = std::fs::read_to_string(crates.join(file)).expect("the source lies beside");
        for (field, meaning) in fields(&source, name) {
            let name = if section.is_empty() { field } else { format!("{section}.{field}") };
            page += &row(&train, &name, &meaning);
        }
    }
    if std::env::var_os("UPDATE_SETTINGS").is_some() {
        std::fs::write(&path, &page).expect("writable");
    } else if let Some((i, (got, want))) = written.lines().zip(page.lines()).enumerate().find(|(_, (a, b))| a != b) {
        panic!("docs/settings.md:{}: {got:?} should be {want:?}; UPDATE_SETTINGS=1 writes it anew", i + 1);
    } else {
        assert_eq!(written.len(), page.len(), "docs/settings.md: UPDATE_SETTINGS=1 writes it anew");
    }
    for name in names("", &complete()) {
        assert!(page.contains(&format!("\n| `{name}` |")), "{name} has no row");
    }
}

fn train() -> Command {
    crate::cli::command().find_subcommand("train").expect("there is one").clone()
}

/// The defaults, with those of the sections that are not there by default.
fn complete() -> Value {
    let mut config = Config::default();
    config.distillation = Some(Distillation::default());
    config.average = Some(AverageConfig::default());
    config.to_named_json().expect("no path is in it")
}

/// Names of all settings, but for the parts of a teacher's training, which are those of a run's.
fn names(section: &str, json: &Value) -> Vec<String> {
    let fields = json.as_object().expect("a section");
    let name = |field: &str| if section.is_empty() { field.to_owned() } else { format!("{section}.{field}") };
    let names = fields.iter().flat_map(|(field, value)| match value {
        Value::Object(_) if name(field) != "distillation.training" => names(&name(field), value),
        _ => vec![name(field)],
    });
    names.collect()
}

fn row(train: &Command, name: &str, meaning: &str) -> String {
    let section = complete().pointer(&format!("/{}", name.replace('.', "/"))).is_some_and(Value::is_object);
    if section && name != "distillation.training" {
        return String::new();
    }
    let option = train.get_arguments().find(|arg| WITH_OPTION.contains(&name) && *arg.get_id() == option_of(name));
    let default = match name {
        "distillation.training" => "those of a run".to_owned(),
        _ if name.starts_with("distillation.") => code(&default_in(name)),
        _ => WITHOUT_VALUE
            .iter()
            .find(|(other, _)| *other == name)
            .map_or_else(|| code(&default_in(name)), |(_, told)| (*told).to_owned()),
    };
    format!("| `{name}` | {} | {default} | {meaning} |\n", option.map_or_else(String::new, spelled))
}

fn default_in(name: &str) -> Value {
    complete().pointer(&format!("/{}", name.replace('.', "/"))).cloned().unwrap_or(Value::Null)
}

fn code(value: &Value) -> String {
    if value.is_null() { "none".to_owned() } else { format!("`{value}`") }
}

/// An option, its other spellings, and the words that it takes.
fn spelled(arg: &Arg) -> String {
    let words = arg.get_value_names().unwrap_or_default().first().filter(|words| words.contains('|'));
    let words = words.map_or_else(String::new, |words| format!(" {}", words.replace('|', "\\|")));
    let names = arg.get_long().into_iter().chain(arg.get_visible_aliases().unwrap_or_default());
    let names: Vec<String> = names.map(|name| format!("`--{name}`")).collect();
    format!("{}{words}", names.join(", "))
}

/// Fields of a struct and the first paragraphs of what is said of them, without their defaults.
fn fields(source: &str, name: &str) -> Vec<(String, String)> {
    let body = source.split(&format!("pub struct {name} {{\n")).nth(1).expect("the struct");
    let (mut fields, mut text, mut is_over) = (Vec::new(), String::new(), false);
    for line in body.lines().map(str::trim).take_while(|line| *line != "}") {
        if let Some(said) = line.strip_prefix("///") {
            is_over |= said.is_empty();
            if !is_over {
                text += said;
            }
        } else if let Some((field, _)) = line.strip_prefix("pub ").and_then(|line| line.split_once(':')) {
            let field = match field {
                "unlabelled" if name == "Objective" => "unlabelled_class",
                field => field,
            };
            fields.push((field.to_owned(), told(&std::mem::take(&mut text))));
            is_over = false;
        }
    }
    fields
}

/// What the documentation of a field says, for a reader of the page.
fn told(text: &str) -> String {
    let mut text = text.trim().to_owned();
    if let Some(at) = text.find("Default: ") {
        let end = text[at..].find(". ").map_or(text.len(), |end| at + end + 2);
        let default = text[at..end].trim_start_matches("Default: ").to_owned();
        let kept = default.strip_prefix("`None`, ").map_or_else(String::new, |rest| format!("By default {rest}"));
        text.replace_range(at..end, &kept);
    }
    // Links to items become their names, and those in parentheses nothing.
    while let Some(at) = text.find("[`") {
        let end = at + text[at..].find("`]").expect("the end of a link") + 2;
        let tail = text[end..].starts_with('(').then(|| end + text[end..].find(')').expect("the end") + 1);
        let end = tail.unwrap_or(end);
        let shown = text[at + 1..].split_inclusive('`').take(2).collect::<String>();
        if text[..at].ends_with(" (") && text[end..].starts_with(')') {
            text.replace_range(at - 2..=end, "");
        } else {
            text.replace_range(at..end, &shown);
        }
    }
    text.replace("`None`", "`null`").replace('|', "\\|").trim().to_owned()
}

#[test]
fn a_setting_has_one_name() {
    let (train, complete) = (train(), complete());
    for name in WITH_OPTION {
        let option = option_of(name);
        let arg = train.get_arguments().find(|arg| *arg.get_id() == option).unwrap_or_else(|| panic!("no {option}"));
        assert_eq!(arg.get_long().map(str::to_owned), Some(option.replace('_', "-")), "{name}");
        let is_stored = complete.pointer(&format!("/{}", name.replace('.', "/"))).is_some() || name == "unlabelled";
        assert!(is_stored, "{name} is no setting");
    }
    let args = |group: &str| {
        let group = train.get_groups().find(|found| *found.get_id() == group).expect("a group");
        group.get_args().map(ToString::to_string).collect::<Vec<_>>()
    };
    for id in ["TrainingArgs", "ObjectiveArgs", "ModelArgs"].into_iter().flat_map(args) {
        assert!(WITH_OPTION.iter().any(|name| option_of(name) == id), "{id}: put its setting into WITH_OPTION");
    }
}

#[test]
fn help_shows_defaults() {
    let help = train().render_long_help().to_string();
    for want in [
        "[default: 0.00005]",
        "[default: linear]",
        "[default: what makes about 1,700 steps, 8 to 30]",
        "[default: all]",
    ] {
        assert!(help.contains(want), "{want}\n{help}");
    }
}

#[test]
fn assignments_name_any_setting() {
    let check = |text: &str, want: Value| {
        let got = text
            .parse::<Assignment>()
            .expect(text)
            .apply(&Config::default())
            .expect(text)
            .to_named_json()
            .expect("no path is in it");
        let mut expected = Config::default().to_named_json().expect("no path is in it");
        smvae_json_merge(&mut expected, &want);
        assert_eq!(got, expected, "{text}");
    };
    check("training.patience=3", json!({"training": {"patience": 3}}));
    check("training.batch_unit=spans", json!({"training": {"batch_unit": "spans"}}));
    check("objective.soft_label_weight=2", json!({"objective": {"soft_label_weight": 2.0}}));
    check("objective.distillation=2", json!({"objective": {"soft_label_weight": 2.0}}));
    check("model.quirks.pad_to=null", json!({}));
    check("average.decay=0.9", json!({"average": {"decay": 0.9, "teach_from": null}}));
    let refused = |text: &str, want: &str| {
        let error = match text.parse::<Assignment>() {
            Ok(assignment) => assignment.apply(&Config::default()).expect_err(text).to_string(),
            Err(error) => error,
        };
        assert!(error.contains(want), "{text}: {error}");
    };
    refused("training.patience", "expected NAME=VALUE");
    refused("=3", "expected the name of a setting");
    refused("training.patienc=3", "unknown field `patienc`, expected one of `epochs`, `patience`");
    refused("training.patience=soon", "invalid type: string \"soon\"");
    refused("device=cuda", "--device says it");
    refused("corpus_format.scheme=bio", "--scheme");
}

fn smvae_json_merge(base: &mut Value, given: &Value) {
    match given {
        Value::Object(given) => given.iter().for_each(|(key, value)| smvae_json_merge(&mut base[key], value)),
        given => *base = given.clone(),
    }
}
