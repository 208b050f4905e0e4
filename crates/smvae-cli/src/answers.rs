//! The format of a file of answers, as its name tells it, where nobody has named one.

use crate::failure::Usage;
use smvae::answers::AnswerFormat;
use std::path::Path;

/// The format that the name of an output tells: JSON lines for a name without an ending, and for
/// what is there and is no file, such as a pipe. `what` is what is written, for the message.
pub(crate) fn format_of(output: &Path, what: &str) -> Result<AnswerFormat, Usage> {
    let Some(ending) = ending(output) else { return Ok(AnswerFormat::default()) };
    if let Some(format) = AnswerFormat::of_path(output) {
        return Ok(format);
    }
    let path = output.display();
    let message = match ending.as_str() {
        "json" => {
            format!("{path}: {what} are JSON in several formats: --to names one, such as jsonl or label-studio")
        }
        _ => format!("{path}: {what} are not written as {ending}: --to names another format, such as jsonl"),
    };
    Err(Usage(message))
}

/// Refuses a name that tells another format for what is written as JSON lines alone.
pub(crate) fn only_json_lines(option: &str, output: &Path) -> Result<(), Usage> {
    match ending(output) {
        Some(ending) if !["json", "jsonl", "ndjson"].contains(&ending.as_str()) => {
            let path = output.display();
            let message = format!(
                "{option} {path}: it is written as JSON lines, and not as {ending}: name a file that ends in .jsonl"
            );
            Err(Usage(message))
        }
        _ => Ok(()),
    }
}

/// What the name of a file ends in, in small letters.
fn ending(output: &Path) -> Option<String> {
    // The name of a pipe or a device says nothing of what its reader takes.
    let is_special = output.metadata().is_ok_and(|found| !found.is_file());
    let ending = output.extension().filter(|_| !is_special)?;
    Some(ending.to_string_lossy().to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae::data::formats::write::Output;

    #[track_caller]
    fn check(output: &Path, want: Result<AnswerFormat, &str>) {
        let got = format_of(output, "answers").map_err(|error| error.to_string());
        match (got, want) {
            (Ok(got), Ok(want)) => assert_eq!(got, want),
            (Err(got), Err(want)) => assert!(got.contains(want), "{got}"),
            (got, want) => panic!("{got:?}, not {want:?}"),
        }
    }

    #[test]
    fn a_name_tells_its_format_or_is_refused() {
        for name in ["-", "found", "found.jsonl", "found.NDJSON", ".hidden"] {
            check(Path::new(name), Ok(AnswerFormat::JsonLines));
        }
        check(Path::new("found.csv"), Ok(AnswerFormat::Of(Output::Csv)));
        check(Path::new("found.tsv"), Err("found.tsv: answers are not written as tsv: --to names another format"));
        check(Path::new("found.TXT"), Err("answers are not written as txt"));
        check(Path::new("a.json"), Err("a.json: answers are JSON in several formats: --to names one, such as jsonl"));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_is_not_asked_for_its_ending() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let pipe = dir.path().join("pipe.out");
        check(&pipe, Err("answers are not written as out"));
        only_json_lines("--predictions", &pipe).expect_err("it is a file to be");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
        check(&pipe, Ok(AnswerFormat::JsonLines));
        only_json_lines("--predictions", &pipe).expect("a pipe");
        check(Path::new("/dev/null"), Ok(AnswerFormat::JsonLines));
    }

    #[test]
    fn what_is_json_lines_alone_has_such_a_name() {
        for name in ["found", "found.jsonl", "found.json"] {
            only_json_lines("--predictions", Path::new(name)).expect(name);
        }
        let error = only_json_lines("--predictions", Path::new("found.csv")).expect_err("a table").to_string();
        assert!(error.starts_with("--predictions found.csv: it is written as JSON lines, and not as csv: "), "{error}");
    }
}
