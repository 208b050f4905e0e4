//! The command line: the commands, and what the authors' command lines mean. The options of a
//! command are in its own file.

use crate::progress::Loudness;
use crate::{commands, help, version};
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use std::borrow::Cow;
use std::ffi::OsString;
use std::path::Path;

/// Span-based multimodal named entity recognition that learns from few labels.
#[derive(Debug, Parser)]
#[command(name = "smvae", version, long_version = version::long(), about, max_term_width = 100)]
pub(crate) struct Cli {
    /// Threads to compute with; the number of cores if not given.
    #[arg(long, global = true, display_order = 900, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) threads: Option<u16>,
    /// Say nothing but results and errors.
    #[arg(short, long, global = true, display_order = 901, action = ArgAction::SetTrue, conflicts_with = "verbose")]
    quiet: bool,
    /// Also say what was chosen: files, device, threads, precision.
    #[arg(short, long, global = true, display_order = 902, action = ArgAction::SetTrue)]
    verbose: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

impl Cli {
    /// How much is said on stderr.
    pub(crate) fn loudness(&self) -> Loudness {
        match (self.quiet, self.verbose) {
            (true, _) => Loudness::Quiet,
            (_, true) => Loudness::Verbose,
            _ => Loudness::Normal,
        }
    }
}

/// The description of the command line, from which help, completions and manual pages are made.
pub(crate) fn command() -> clap::Command {
    help::arrange(Cli::command()).mut_subcommand("train", commands::train::with_defaults)
}

/// The command line; one that makes no sense ends the program.
pub(crate) fn parse(args: impl IntoIterator<Item = OsString>) -> Cli {
    let args = with_implied_command(args);
    let matches = command().try_get_matches_from(&args).unwrap_or_else(|error| shortened(error, &args).exit());
    Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
}

/// The error for a run that is resumed with settings, which names those that were given: clap names
/// every option of their groups. Any other error as it is.
fn shortened(error: clap::Error, args: &[OsString]) -> clap::Error {
    if error.kind() != ErrorKind::ArgumentConflict {
        return error;
    }
    let mut named: Vec<&str> = Vec::new();
    for kind in [ContextKind::InvalidArg, ContextKind::PriorArg] {
        match error.get(kind) {
            Some(ContextValue::String(one)) => named.push(one),
            Some(ContextValue::Strings(all)) => named.extend(all.iter().map(String::as_str)),
            _ => {}
        }
    }
    // `--resume` of `predict` has no value.
    if !named.contains(&"--resume <RUN>") {
        return error;
    }
    let command = command();
    let train = command.find_subcommand("train").expect("a command");
    // An option as it was written, and as it is called.
    let refused = |word: &OsString| {
        let name = word.to_str()?.strip_prefix("--")?.split('=').next()?;
        let is_it = |arg: &&Arg| {
            arg.get_long() == Some(name) || arg.get_all_aliases().is_some_and(|aliases| aliases.contains(&name))
        };
        let long = train.get_arguments().find(is_it)?.get_long()?;
        let is_named =
            named.iter().any(|one| one.strip_prefix("--").and_then(|one| one.split(' ').next()) == Some(long));
        (is_named && long != "resume").then(|| (format!("--{name}"), long.to_owned()))
    };
    let refused: Vec<(String, String)> = args.iter().filter_map(refused).collect();
    if refused.is_empty() {
        return error;
    }
    clap::Error::raw(ErrorKind::ArgumentConflict, not_with_resume(&refused, &resumed(args)) + "\n")
}

/// Options of a new run that are no settings: where it lies, and what it begins with.
const OF_A_NEW_RUN: [&str; 4] = ["config", "out", "overwrite", "print-config"];

/// What is said of options that `--resume` refuses, each as it was written and as it is called.
fn not_with_resume(refused: &[(String, String)], run: &str) -> String {
    let names = |is_named: fn(&str) -> bool| {
        let named = refused.iter().filter(|(_, long)| is_named(long));
        named.map(|(name, _)| name.as_str()).collect::<Vec<_>>()
    };
    let settings = names(|long| !OF_A_NEW_RUN.contains(&long));
    if settings.is_empty() {
        let all = names(|_| true);
        let them = if all.len() == 1 { "it" } else { "them" };
        return format!(
            "{}: --resume {run} names the folder, and the run has its settings: leave {them} out",
            all.join(", ")
        );
    }
    let config = Path::new(run).join("config.json");
    format!(
        "{}: a resumed run has the settings that it began with; for other settings: smvae train --config {} --data \
         DIR --out NEW, with these options",
        settings.join(", "),
        config.display()
    )
}

/// The run that is resumed, as it was written.
fn resumed(args: &[OsString]) -> String {
    let behind = || args.windows(2).find(|pair| pair[0] == "--resume").map(|pair| pair[1].to_string_lossy());
    let joined = args.iter().find_map(|word| word.to_str()?.strip_prefix("--resume="));
    joined.map_or_else(|| behind().map_or_else(|| "RUN".to_owned(), Cow::into_owned), str::to_owned)
}

/// Every flag of the authors' program.
const AUTHORS_FLAGS: [&str; 14] = [
    "--batch_size",
    "--dataset",
    "--epoch",
    "--gamma",
    "--hidden_dim",
    "--latent_dim",
    "--lr",
    "--mode",
    "--n_selected_samples",
    "--patience",
    "--save_model",
    "--seed",
    "--semi_supervised",
    "--weights",
];

/// `--dataset twitter2017 ...` means `train --dataset twitter2017 ...`, as in the authors'
/// commands.
pub(crate) fn with_implied_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let first = args.get(1).and_then(|arg| arg.to_str()).unwrap_or_default();
    if AUTHORS_FLAGS.iter().any(|flag| first.split('=').next() == Some(flag)) {
        args.insert(1, "train".into());
    }
    args
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Make a synthetic corpus, train four models on it, compare them; takes about a minute.
    Demo(commands::demo::DemoArgs),
    /// Count what a corpus holds.
    Stats(commands::stats::StatsArgs),
    /// Make image vectors of a folder of images with a frozen vision model.
    ///
    /// The id of an image is the name of its file without the extension. Files that cannot be used
    /// are left out and listed with the reason. If interrupted, run the same command again to
    /// continue.
    Features(commands::features::FeaturesArgs),
    /// Train a model and leave a run folder.
    Train(Box<commands::train::TrainArgs>),
    /// Train and compare many runs: a grid of corpora, methods, numbers of labels, draws of
    /// labelled posts, and seeds.
    ///
    /// FILE is TOML; docs/experiments.md says what is in it, and experiments/few-labels.toml is an
    /// example. If interrupted or killed, run the same command
    /// again to continue: finished runs are kept, and a run that was under way continues from its
    /// checkpoint. Results are in DIR/results.csv, results.jsonl, summary.csv and summary.json;
    /// each run has its folder in DIR/runs.
    Experiment(commands::experiment::ExperimentArgs),
    /// What `experiment` starts.
    #[command(hide = true)]
    ExperimentRun(commands::experiment::child::ExperimentRunArgs),
    /// Choose labelled posts of a corpus at random, by a seed, and write them as
    /// `train --labelled FILE` reads them.
    Draw(commands::draw::DrawArgs),
    /// Choose the posts of a pool that should be labelled next.
    ///
    /// With a model, by the entities that it expects in them (--strategy names another way); before
    /// there is one, so that they stand for the pool (--text-encoder) or look rich in names. Each
    /// comes with its rank, its score and the reason, and with what the model found, to correct.
    Suggest(Box<commands::suggest::SuggestArgs>),
    /// Read what people labelled out of Label Studio, doccano, Prodigy or spaCy, as posts of a
    /// corpus.
    ///
    /// Spans of characters become entities of words. Those that are not of whole words, that
    /// overlap or that cannot be read are listed with their post; --misfits says what becomes of
    /// them.
    Import(commands::import::ImportArgs),
    /// Write labelled posts for Label Studio, doccano and Prodigy, and for libraries such as spaCy
    /// and `datasets`.
    ///
    /// The labels are what a person has said: Label Studio gets annotations, Prodigy accepted
    /// answers. `import` reads back what is written for a tool, every other format is one of a
    /// corpus.
    Export(commands::export::ExportArgs),
    /// Share one file of labelled posts out into train, dev and test, by a seed.
    ///
    /// Posts that say the same, and posts of one image, stay on one side.
    Split(commands::split::SplitArgs),
    /// Score a trained model on a split with gold labels.
    Eval(commands::eval::EvalArgs),
    /// Find entities in posts.
    ///
    /// Reads JSON lines, JSON, text, CSV, TSV, CoNLL, Arrow or Parquet (--from); writes one JSON
    /// object per post, in the same order, or another format (--to). Text is split into words as
    /// the model's corpus was. An answer has the post's own fields, then "words" and "entities". An
    /// entity is {start, end, text, label, score, words}: start and end count characters of the
    /// text, words are word positions, ends exclusive. Blank lines are dropped. A line that is not
    /// a post has {line, id, error} in its place, where the format has one, and the exit code is 3.
    Predict(commands::predict::PredictArgs),
    /// Answer over HTTP: an API, and a page to try the model.
    ///
    /// Says where it listens as soon as it answers. SIGTERM and Ctrl-C end it when every request
    /// that was admitted is answered; SIGHUP loads the run anew. Options with [env: ...] can be set
    /// by that variable, too; docs/serve.md describes the routes and the limits.
    #[cfg(feature = "serve")]
    Serve(Box<commands::serve::ServeArgs>),
    /// Show runs: an HTML page of settings, curves, scores, calibration and posts.
    ///
    /// The page is a single file that loads nothing else; it contains the text of posts. The
    /// entities found in dev are read from the run folder, where training and
    /// `eval --save-predictions` save them.
    #[cfg(feature = "report")]
    Report(commands::report::ReportArgs),
    /// Show what a run folder holds.
    Inspect(commands::inspect::InspectArgs),
    /// Score tags or entities: of one file in columns, or of two files in any formats.
    Score(commands::score::ScoreArgs),
    /// Print a script that completes command lines in a shell.
    ///
    /// For bash: smvae completions bash > ~/.local/share/bash-completion/completions/smvae
    Completions(commands::completions::CompletionsArgs),
    /// Print the manual page, or write one for each command into a folder.
    Man(commands::man::ManArgs),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn definitions_are_sound() {
        command().debug_assert();
    }

    #[test]
    fn settings_of_a_resumed_run_are_named_alone() {
        let check = |line: &str, want: &str| {
            let args: Vec<OsString> = line.split(' ').map(OsString::from).collect();
            let error = command().try_get_matches_from(&args).expect_err("it makes no sense");
            let said = shortened(error, &args).to_string();
            assert!(said.contains(want) && said.lines().count() < 7, "{said}");
        };
        check("smvae train --resume run --epochs 3", "error: --epochs: a resumed run has the settings");
        check("smvae train --resume run --lr 1 --epoch=3", "error: --lr, --epoch: a resumed run has the settings");
        check("smvae train --seed 3 --resume run", "error: --seed: a resumed run has the settings");
        check("smvae train --seed 3 --resume=run", "smvae train --config run/config.json --data DIR --out NEW");
        check("smvae train --resume run --out new --seed 3", "error: --seed: a resumed run has the settings");
        let leave = |options: &str, said: &str| {
            let want = format!("error: {said}: --resume run names the folder, and the run has its settings: leave ");
            check(&format!("smvae train --resume run {options}"), &want);
        };
        leave("--out run", "--out");
        leave("--weights=run --overwrite", "--weights, --overwrite");
        leave("--config run/config.json", "--config");
        leave("--print-config", "--print-config");
        check("smvae predict --model run --resume --overwrite", "cannot be used with");
    }

    #[test]
    fn an_authors_flag_in_first_place_means_train() {
        let check = |line: &str, want: &str| {
            let got = with_implied_command(line.split(' ').map(OsString::from));
            assert_eq!(got.join(std::ffi::OsStr::new(" ")), want);
        };
        check("smvae --dataset a --mode test", "smvae train --dataset a --mode test");
        check("smvae --lr=1e-5", "smvae train --lr=1e-5");
        check("smvae --threads 2 demo", "smvae --threads 2 demo");
        check("smvae --help", "smvae --help");
        check("smvae eval --dataset a", "smvae eval --dataset a");
    }
}
