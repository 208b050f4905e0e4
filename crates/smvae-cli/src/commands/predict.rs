//! `smvae predict`: JSON lines in, the same objects with their entities out, in order. Posts are
//! read, computed and written in chunks, so that memory does not grow with their number.

use crate::failure::Usage;
use crate::input::name;
use crate::model;
use crate::options::{DeviceArgs, ImageArgs, NumberType};
use crate::output::{self, EntityOutput};
use crate::progress::{Progress, say};
use anyhow::Context as _;
use clap::Args;
use serde::de::{DeserializeOwned, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use smvae::{Post, Predictor};
use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(crate) struct PredictArgs {
    /// A run folder.
    #[arg(long, visible_alias = "weights", value_name = "DIR")]
    model: PathBuf,
    /// JSON lines to read, one post per line; - for stdin.
    #[arg(long, default_value = "-", value_name = "FILE")]
    input: PathBuf,
    /// Where the JSON lines go; - for stdout.
    #[arg(long, default_value = "-", value_name = "FILE")]
    output: PathBuf,
    #[command(flatten)]
    images: ImageArgs,
    /// For a line that is not a post, write {"line", "error"} in its place and continue, instead of
    /// stopping.
    #[arg(long)]
    skip_bad: bool,
    /// How many posts are read, computed and written together.
    #[arg(long, default_value_t = 512, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    chunk: u32,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number type the text encoder computes in; f16 and bf16, on a GPU, take half the memory.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
}

pub(crate) fn run(args: &PredictArgs) -> anyhow::Result<()> {
    let real = |path: &Path| path.canonicalize().ok();
    if real(&args.input).is_some_and(|input| real(&args.output) == Some(input)) {
        return Err(Usage("--output would write over --input while it is read".to_owned()).into());
    }
    let model = model::load(&args.model, &args.images, args.device, args.dtype)?;
    let mut input = open(&args.input)?;
    let mut out = output::open(&args.output)?;
    let mut progress = Progress::new("posts");
    let (mut number, mut done, mut losses) = (0, 0, Losses::default());
    loop {
        let mut lines = read_chunk(&mut *input, args.chunk as usize, &mut number)
            .with_context(|| format!("cannot read {}", name(&args.input)))?;
        if lines.is_empty() {
            break;
        }
        let bad = lines.iter().position(|line| line.post.is_err()).filter(|_| !args.skip_bad);
        // The posts before a bad line are answered, wherever chunks end.
        let rest = bad.map_or_else(Vec::new, |at| lines.split_off(at));
        done += lines.len();
        let answers = answer(&model, lines, &mut losses)?;
        // A reader at the other end of a pipe gets each chunk as soon as it is done.
        let written = out.write_all(answers.as_bytes()).and_then(|()| out.flush());
        written.with_context(|| output::unwritable(&args.output))?;
        if let Some(Line { number, post: Err(why) }) = rest.first() {
            let hint = "--skip-bad skips such lines";
            anyhow::bail!("{}:{number}: expected a post, but {why} ({hint})", name(&args.input));
        }
        progress.update(done, 0, String::new);
    }
    drop(progress);
    if args.images.no_images {
        // The user asked for it.
        losses.images_missing = 0;
    }
    losses.tell(done);
    Ok(())
}

/// What the model was not given, counted: the entities in the output do not show it.
#[derive(Debug, Default)]
struct Losses {
    /// Lines that are not posts.
    bad: usize,
    /// Words beyond the piece limit.
    words_cut: usize,
    /// Posts that name an image without a vector.
    images_missing: usize,
}

impl Losses {
    /// Prints the counts; `lines` is the number of lines of input.
    fn tell(&self, lines: usize) {
        let all = [
            (self.bad, "lines are not posts and have an \"error\" in the output"),
            (self.images_missing, "posts name an image that has no vector; they were read without one"),
            (self.words_cut, "words were cut by the piece limit and can have no entities"),
        ];
        for (n, what) in all.into_iter().filter(|(n, _)| *n > 0) {
            say(format!("{n} {what} ({lines} lines in all)"));
        }
    }
}

/// A line of output: the input's own fields in their order, then what was made of them.
#[derive(Serialize)]
struct Answer<'a> {
    #[serde(flatten)]
    fields: &'a Fields,
    words: &'a [String],
    entities: Vec<EntityOutput<'a>>,
}

/// A line of output in place of one that is not a post.
#[derive(Serialize)]
struct Bad<'a> {
    line: usize,
    error: &'a str,
}

/// A line of input that is not blank.
struct Line {
    /// From 1.
    number: usize,
    /// The object and the post it means, or what is wrong with the line.
    post: Result<(Fields, Post), String>,
}

/// Reads up to `n` lines; an empty list at the end of the input.
fn read_chunk(input: &mut dyn BufRead, n: usize, number: &mut usize) -> std::io::Result<Vec<Line>> {
    let (mut lines, mut bytes) = (Vec::new(), Vec::new());
    while lines.len() < n {
        bytes.clear();
        // Bytes, not text: a line that is not UTF-8 is one bad line, and the rest is still read.
        if input.read_until(b'\n', &mut bytes)? == 0 {
            break;
        }
        *number += 1;
        // Some editors put a byte order mark before the first line.
        let line = if *number == 1 { bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes) } else { &bytes };
        if !line.trim_ascii().is_empty() {
            lines.push(Line { number: *number, post: parse(line) });
        }
    }
    Ok(lines)
}

/// The fields of a line that are passed on, and the post it means.
fn parse(line: &[u8]) -> Result<(Fields, Post), String> {
    let mut fields: Fields = serde_json::from_slice(line).map_err(|error| {
        // serde_json counts lines within this one line: its number says nothing.
        let why = error.to_string().replace(" at line 1 column", " at column");
        format!("it is not a JSON object: {why}")
    })?;
    let words: Option<Vec<String>> = fields.read("words", "a list of strings")?;
    let text: Option<String> = if words.is_none() { fields.read("text", "a string")? } else { None };
    let of_text = |text: String| text.split_whitespace().map(str::to_owned).collect();
    let words = words.or_else(|| text.map(of_text)).ok_or("it has neither \"words\" nor \"text\"")?;
    let image_id: Option<String> = fields.read::<Option<String>>("image_id", "a string")?.flatten();
    // An answer has its own words and entities, also where the input is the output of another
    // model.
    fields.0.retain(|(name, _)| name != "words" && name != "entities");
    Ok((fields, Post { words, image_id }))
}

/// The answers to the lines of a chunk, one line each; adds what was not read to `losses`.
fn answer(model: &Predictor, lines: Vec<Line>, losses: &mut Losses) -> anyhow::Result<String> {
    let posts: Vec<Post> = lines.iter().filter_map(|line| Some(line.post.as_ref().ok()?.1.clone())).collect();
    let found = model.predict(&posts)?;
    let mut answers = posts.iter().zip(&found);
    let mut text = String::new();
    for line in lines {
        text += &match &line.post {
            Ok((fields, _)) => {
                let (post, found) = answers.next().expect("an answer to every post");
                losses.words_cut += found.words_cut;
                losses.images_missing += usize::from(found.image_missing);
                let entities = found.entities.iter().map(EntityOutput::from).collect();
                serde_json::to_string(&Answer { fields, words: &post.words, entities })?
            }
            Err(error) => {
                losses.bad += 1;
                serde_json::to_string(&Bad { line: line.number, error })?
            }
        };
        text.push('\n');
    }
    Ok(text)
}

/// The fields of a JSON object in their order, each with its value as it was written, so that
/// fields which are passed on stay the same to the last digit. (The map of serde_json would sort
/// them.)
#[derive(Debug, Default)]
struct Fields(Vec<(String, Box<RawValue>)>);

impl Fields {
    /// The value of a field, which should be `what`. If a name comes twice, the last one counts, as
    /// in most readers of JSON.
    fn read<T: DeserializeOwned>(&self, name: &str, what: &str) -> Result<Option<T>, String> {
        let value = self.0.iter().rfind(|(n, _)| n == name).map(|(_, value)| value);
        let read = value.map(|value| serde_json::from_str(value.get())).transpose();
        read.map_err(|_| format!("{name:?} must be {what}"))
    }
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value)))
    }
}

impl<'de> Deserialize<'de> for Fields {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct FieldsVisitor;

        impl<'de> Visitor<'de> for FieldsVisitor {
            type Value = Fields;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Fields, A::Error> {
                let mut fields = Vec::new();
                while let Some(field) = map.next_entry()? {
                    fields.push(field);
                }
                Ok(Fields(fields))
            }
        }

        deserializer.deserialize_map(FieldsVisitor)
    }
}

fn open(path: &Path) -> anyhow::Result<Box<dyn BufRead>> {
    if path == Path::new("-") {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    Ok(Box::new(BufReader::new(file)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(line: &str, want: Result<(&str, Option<&str>), &str>) {
        match (parse(line.as_bytes()), want) {
            (Ok((fields, post)), Ok((words, image_id))) => {
                assert_eq!(post.words.join("|"), words, "{line}");
                assert_eq!(post.image_id.as_deref(), image_id, "{line}");
                assert!(fields.0.iter().all(|(name, _)| name != "words"), "{line}");
            }
            (Err(why), Err(want)) => assert!(why.contains(want), "{line}: {why}"),
            (got, want) => panic!("{line}: {got:?}, expected {want:?}"),
        }
    }

    #[test]
    fn a_post_is_words_or_text() {
        check(r#"{"words": ["a", "b c"]}"#, Ok(("a|b c", None)));
        check(r#"{"text": " a  b\u00a0c "}"#, Ok(("a|b|c", None)));
        check(r#"{"text": "a b", "words": ["a b"], "image_id": "7"}"#, Ok(("a b", Some("7"))));
        check(r#"{"text": "", "image_id": null, "id": 3}"#, Ok(("", None)));
        check(r#"{"id": 3}"#, Err("neither"));
        check(r#"{"words": [1]}"#, Err("list of strings"));
        check(r#"{"words": "a"}"#, Err("list of strings"));
        check(r#"{"text": 1}"#, Err("string"));
        check(r#"{"text": "a", "image_id": 7}"#, Err("image_id"));
        check(r#"["a"]"#, Err("not a JSON object"));
        check(r#"{"text": "a""#, Err("not a JSON object"));
    }

    #[test]
    fn what_is_passed_on_stays_as_it_was_written() {
        let line =
            r#"{"id":12345678901234567890123,"x":[-0,1E5,1e309],"z":{"z":1,"a":2,"a":3},"text":"a","entities":[]}"#;
        let (fields, _) = parse(line.as_bytes()).expect("a post");
        let passed_on = serde_json::to_string(&fields).expect("serialises");
        assert_eq!(passed_on, line.replace(r#","entities":[]"#, ""));
    }

    #[test]
    fn chunks_count_lines_and_pass_blank_ones() {
        let mut input = "\u{feff}{\"text\":\"a\"}\n\nx\n{\"text\":\"b\"}".as_bytes();
        let mut number = 0;
        let mut numbers = || -> Vec<(usize, bool)> {
            let lines = read_chunk(&mut input, 2, &mut number).expect("reads");
            lines.iter().map(|line| (line.number, line.post.is_ok())).collect()
        };
        assert_eq!((numbers(), numbers(), numbers()), (vec![(1, true), (3, false)], vec![(4, true)], vec![]));
    }
}
