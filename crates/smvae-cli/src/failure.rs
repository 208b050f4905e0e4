//! How a failure is printed and what exit code it has.

use std::fmt;
use std::io::{ErrorKind, Write as _};
use std::process::ExitCode;

/// A command line that parses but makes no sense; exit code 2.
#[derive(Debug)]
pub(crate) struct Usage(pub(crate) String);

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

/// Lines that are not posts: everything else is done; exit code 3.
#[derive(Debug, Default)]
pub(crate) struct BadLines {
    /// How many of the input.
    pub(crate) lines: usize,
    /// How many of them are not in the output, since its format has no place for them.
    pub(crate) left_out: usize,
    /// The first of them and what is wrong with it, where none was named before.
    pub(crate) first: Option<String>,
    /// How many of another file were passed over.
    pub(crate) passed_over: usize,
}

impl fmt::Display for BadLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { lines, left_out, ref first, passed_over } = *self;
        match (lines, left_out) {
            (0, 0) => {}
            (_, 1) => f.write_str("1 line is not in the output")?,
            (_, 2..) => write!(f, "{left_out} lines are not in the output")?,
            (1, _) => f.write_str("1 line is not a post and has an \"error\" in the output")?,
            _ => write!(f, "{lines} lines are not posts and have an \"error\" in the output")?,
        }
        match first {
            Some(first) if lines == 1 => write!(f, ": {first}")?,
            Some(first) => write!(f, ", the first of them {first}")?,
            None => {}
        }
        let and = if lines > 0 || left_out > 0 { "; " } else { "" };
        match passed_over {
            0 => Ok(()),
            1 => write!(f, "{and}1 line of another file is not a post and was passed over"),
            n => write!(f, "{and}{n} lines of other files are not posts and were passed over"),
        }
    }
}

impl std::error::Error for BadLines {}

/// A signal has ended the work before its end; exit code 128 and its number.
#[derive(Debug)]
pub(crate) struct Signalled(pub(crate) i32);

impl fmt::Display for Signalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signal {} has ended the program before the end of its input", self.0)
    }
}

impl std::error::Error for Signalled {}

/// The exit code of a program that a signal has ended.
pub(crate) fn exit_code(signal: i32) -> i32 {
    128 + signal
}

/// Prints `error: ...` and the causes, one line each, and returns the exit code.
pub(crate) fn report(error: &anyhow::Error) -> ExitCode {
    if error.chain().any(is_broken_pipe) {
        // Whoever read our output has seen enough: `smvae predict | head` is no failure.
        return ExitCode::SUCCESS;
    }
    if let Some(Signalled(number)) = error.chain().find_map(|cause| cause.downcast_ref()) {
        // Whoever sent the signal knows of it, and the command has said what there is.
        return ExitCode::from(u8::try_from(exit_code(*number)).unwrap_or(1));
    }
    // A closed stderr is no reason to panic.
    let _ = write!(std::io::stderr(), "{}", message(error));
    if error.chain().any(|cause| cause.is::<BadLines>()) {
        return ExitCode::from(3);
    }
    ExitCode::from(if error.chain().any(is_usage) { 2 } else { 1 })
}

/// The error, below it every cause that the line above does not already tell, and which options
/// help.
fn message(error: &anyhow::Error) -> String {
    let mut text = format!("error: {error}\n");
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text += &format!("  because: {cause}\n");
        }
    }
    if let Some(hint) = error.chain().find_map(hint) {
        text += &format!("  hint: {hint}\n");
    }
    text
}

/// The options that get around an error; the library does not know them.
fn hint(cause: &(dyn std::error::Error + 'static)) -> Option<&'static str> {
    match cause.downcast_ref() {
        Some(smvae::data::Error::TagNumbers { .. }) => return Some("--label-names O,B-PER,I-PER,... names them"),
        Some(smvae::data::Error::Scheme { .. }) => return Some("--scheme names it"),
        Some(smvae::data::Error::Labelled { .. }) => return Some("smvae split and smvae train read it as it is"),
        Some(smvae::data::Error::TextField { .. }) => return Some("--text-field names it"),
        Some(smvae::data::Error::Format { .. }) => {
            return Some("--from names the format of a file whose name does not");
        }
        Some(smvae::data::Error::Disguised { format: "tsv", .. }) => {
            return Some("--from tsv reads it so, --from text as it is named");
        }
        Some(smvae::data::Error::Disguised { format: "csv", .. }) => {
            return Some("--from csv reads it so, --from text as it is named");
        }
        Some(smvae::data::Error::Disguised { .. }) => {
            return Some("--from jsonl reads it so, --from text as it is named");
        }
        _ => {}
    }
    match cause.downcast_ref()? {
        smvae::Error::RunExists { .. } => Some("--overwrite replaces the run, train --resume DIR continues it"),
        smvae::Error::NoWeights { .. } => Some("smvae train --resume RUN continues it"),
        smvae::Error::NoTemperature { .. } => {
            Some("eval --split dev --save-predictions scores it on dev and saves that")
        }
        smvae::Error::NoUnlabelled { .. } => {
            Some("--unlabelled FILE names posts without labels, --labelled N labels fewer, --semi 0 needs none")
        }
        smvae::Error::OtherCaptions { .. } => Some("--trust-captions accepts a file of the same kind"),
        smvae::Error::FeaturesExist { .. } => Some("--overwrite replaces the file"),
        smvae::Error::Damaged { .. } => {
            Some("smvae inspect RUN --verify compares every file, --no-verify compares sizes alone")
        }
        _ => None,
    }
}

fn is_broken_pipe(cause: &(dyn std::error::Error + 'static)) -> bool {
    cause.downcast_ref::<std::io::Error>().is_some_and(|e| e.kind() == ErrorKind::BrokenPipe)
}

fn is_usage(cause: &(dyn std::error::Error + 'static)) -> bool {
    use smvae::{Error, core, data};
    let of_data = |error: &data::Error| matches!(error, data::Error::Setting { .. });
    let of_core = |error: &core::Error| matches!(error, core::Error::Setting { .. });
    let of_root = |error: &Error| match error {
        Error::Core(error) => of_core(error),
        Error::Data(error) => of_data(error),
        Error::Experiment { .. } | Error::NoUnlabelled { .. } => true,
        _ => false,
    };
    #[cfg(feature = "serve")]
    if matches!(cause.downcast_ref(), Some(smvae_serve::Error::Setting { .. })) {
        return true;
    }
    cause.is::<Usage>()
        || cause.downcast_ref().is_some_and(of_data)
        || cause.downcast_ref().is_some_and(of_core)
        || cause.downcast_ref().is_some_and(of_root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::{Context as _, anyhow};

    #[test]
    fn causes_follow_and_are_not_repeated() {
        let error = anyhow!("no such file").context("cannot read x");
        assert_eq!(message(&error), "error: cannot read x\n  because: no such file\n");
        let error = anyhow!("line 3").context("x is not valid: line 3");
        assert_eq!(message(&error), "error: x is not valid: line 3\n");
    }

    #[test]
    fn what_options_can_help_with_has_a_hint() {
        let error = anyhow::Error::new(smvae::Error::RunExists { path: "runs/mine".into() });
        let want = "error: runs/mine holds a run already: choose another folder, or ask for the run to be replaced\n  \
                    hint: --overwrite replaces the run, train --resume DIR continues it\n";
        assert_eq!(message(&error), want);
        assert_eq!(message(&anyhow::Error::new(smvae::Error::NoImages).context("x")).matches("hint").count(), 0);
    }

    #[test]
    fn bad_lines_are_counted_and_the_first_is_named() {
        let first = Some("line 2: expected a text".to_owned());
        let bad = |lines, left_out, first, passed_over| BadLines { lines, left_out, first, passed_over }.to_string();
        assert_eq!(
            bad(1, 0, first.clone(), 0),
            "1 line is not a post and has an \"error\" in the output: line 2: expected a text"
        );
        assert_eq!(
            bad(3, 0, first, 0),
            "3 lines are not posts and have an \"error\" in the output, the first of them line 2: expected a text"
        );
        assert_eq!(
            bad(2, 2, None, 1),
            "2 lines are not in the output; 1 line of another file is not a post and was passed over"
        );
        assert_eq!(bad(0, 0, None, 2), "2 lines of other files are not posts and were passed over");
    }

    #[test]
    fn usage_is_found_below_context() {
        let error = smvae::Config::preset("none").context("while reading the options").expect_err("no such preset");
        assert!(error.chain().any(is_usage));
        assert!(anyhow::Error::new(Usage("x".to_owned())).chain().any(is_usage));
        assert!(!anyhow!("x").chain().any(is_usage));
    }
}
