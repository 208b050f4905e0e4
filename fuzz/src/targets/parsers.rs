//! Targets that read bytes: corpora, posts in all formats, tags, words, pictures, requests.

use super::choice;
use smvae::core::schemes::Scheme;
use smvae::core::{Convention, bio};
use smvae::data::exchange::fit::{Misfits, fit};
use smvae::data::exchange::read_bytes;
use smvae::data::formats::conll::{Columns, Separator};
use smvae::data::formats::json::read_post;
use smvae::data::formats::labelled::samples;
use smvae::data::formats::write::{FoundPost, Output, WriteSettings, Writer};
use smvae::data::formats::{Body, Format, LabelUse, Labels, PostRecord, Settings, read};
use smvae::data::words::{WordConvention, locate, rejoin, split};
use smvae::data::{Error, Reader, Sample, writer};
use smvae::encoders::vision::{DecodeLimits, Reading, Transparency, check_extension, decode};
use std::path::Path;

/// A corpus file of the Twitter form: its samples are written and read back.
pub(crate) fn corpus(input: &[u8]) {
    let read: Vec<_> = Reader::new(input, "corpus.txt").collect();
    let good: Vec<Sample> = read.into_iter().filter_map(Result::ok).collect();
    for sample in &good {
        for convention in Convention::ALL {
            // A type may still be no label.
            let _ = sample.entities(convention);
        }
    }
    // A file without a post is an error.
    if !good.is_empty()
        && let Ok(written) = writer::to_text(&good)
    {
        let again: Result<Vec<Sample>, _> = Reader::new(written.as_bytes(), "again.txt").collect();
        let again = again.expect("written by us");
        assert_eq!(again, good);
    }
}

/// Posts in columns, told from the file and asked for.
pub(crate) fn columns(input: &[u8]) {
    let (how, rest) = choice(input);
    let separator = [None, Some(Separator::Tab), Some(Separator::Spaces)][how % 3];
    let columns = [None, Some(Columns { word: 0, tag: Some(2) }), Some(Columns { word: 1, tag: None })][how / 3 % 3];
    posts(rest, Settings { format: Some(Format::Conll), separator, columns, labels: labels(how / 9) });
}

/// Posts in JSON: one per line or an array, with labels as Label Studio, doccano, Prodigy, spaCy
/// and Hugging Face write them.
pub(crate) fn json(input: &[u8]) {
    let (how, rest) = choice(input);
    let format = [Format::JsonLines, Format::Json][how % 2];
    posts(rest, Settings { format: Some(format), labels: labels(how / 2), ..Settings::default() });
}

/// Posts in a table, or one per line.
pub(crate) fn table(input: &[u8]) {
    let (how, rest) = choice(input);
    let format = [Format::Csv, Format::Tsv, Format::Text][how % 3];
    posts(rest, Settings { format: Some(format), labels: labels(how / 3), ..Settings::default() });
}

/// Posts in an Arrow stream or file.
pub(crate) fn arrow(input: &[u8]) {
    posts(input, Settings { format: Some(Format::Arrow), labels: LabelUse::IfAny, ..Settings::default() });
}

/// Posts in a Parquet file.
pub(crate) fn parquet(input: &[u8]) {
    posts(input, Settings { format: Some(Format::Parquet), labels: LabelUse::IfAny, ..Settings::default() });
}

fn labels(how: usize) -> LabelUse {
    [LabelUse::Ignored, LabelUse::IfAny, LabelUse::Required][how % 3]
}

/// Reads posts, makes samples of them, and writes them in every format.
fn posts(input: &[u8], settings: Settings) {
    let Ok(posts) = read(input, "posts", &settings) else { return };
    let mut found = Vec::new();
    for post in posts {
        match post {
            Ok(post) => found.push(post),
            Err(Error::Line { line, .. }) => assert!(line > 0),
            Err(_) => break,
        }
    }
    for format in Output::ALL.into_iter().filter(|format| !matches!(format, Output::Arrow | Output::Parquet)) {
        let mut writer = Writer::new(format, Vec::new(), &WriteSettings::default()).expect("it is built in");
        for post in &found {
            written(&mut writer, post);
        }
        writer.finish().expect("memory takes everything");
    }
    let _ = samples(found, Path::new("posts"), None);
}

fn written(writer: &mut Writer<Vec<u8>>, post: &PostRecord) {
    let split_text = |text: &str| split(text, &WordConvention::CONLL).iter().map(|w| w.text.to_owned()).collect();
    let (words, text): (Vec<String>, String) = match &post.body {
        Body::Words(words) => (words.clone(), words.join(" ")),
        Body::Text(text) => (split_text(text), text.clone()),
    };
    let Ok(places) = locate(&words, &text) else { return };
    let places: Vec<_> = places.into_iter().map(|word| word.bytes).collect();
    let found = FoundPost {
        line: post.line,
        id: post.id.as_deref(),
        image: post.image.as_deref(),
        text: &text,
        words: &words,
        places: &places,
        ..FoundPost::default()
    };
    // A format may have no place for a post.
    let _ = writer.post(&found).expect("memory takes everything");
}

/// Exports of labelling tools: what fits is written, and read back as the same entities.
pub(crate) fn exports(input: &[u8]) {
    let Ok(export) = read_bytes(input, "export") else { return };
    for post in &export.posts {
        for misfits in [Misfits::Refuse, Misfits::Move, Misfits::Drop] {
            let fitted = fit(post, &WordConvention::default(), misfits);
            let read = read_post(fitted.to_line(post).as_bytes(), LabelUse::IfAny).expect("written by us");
            assert_eq!(read.labels, Some(Labels::Entities(fitted.entities)));
        }
    }
}

/// Tags, one per line, in every scheme: what is read is written, and read as the same.
pub(crate) fn tags(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let tags: Vec<&str> = text.lines().collect();
    for scheme in Scheme::ALL {
        let Ok(entities) = scheme.entities(&tags) else { continue };
        // A type may be one that no label set takes.
        let Ok(written) = scheme.tags(&entities, tags.len()) else { continue };
        assert_eq!(scheme.entities(&written).expect("written by us"), entities, "{scheme}: {written:?}");
        assert!(scheme.fits(&written), "{scheme}: {written:?}");
    }
    for convention in Convention::ALL {
        let Ok(entities) = bio::read_entities(&tags, convention) else { continue };
        let words: usize = entities.iter().map(|entity| entity.span.width()).sum();
        assert!(words <= tags.len() && entities.is_sorted_by(|a, b| a.span.end <= b.span.start));
        if let Ok(written) = bio::write_tags(&entities, tags.len()) {
            assert_eq!(bio::read_entities(&written, convention).expect("written by us"), entities);
        }
    }
    let _ = Scheme::of_posts([tags.as_slice()]);
}

/// Text to words: in order, where they are said to be, and nothing but white space between them.
pub(crate) fn words(input: &[u8]) {
    let (how, rest) = choice(input);
    let text = String::from_utf8_lossy(rest);
    let (_, convention) = WordConvention::PRESETS[how % WordConvention::PRESETS.len()].clone();
    let (mut bytes, mut chars) = (0, 0);
    for word in split(&text, &convention) {
        let gap = &text[bytes..word.bytes.start];
        assert!(gap.chars().all(char::is_whitespace), "{gap:?} is lost");
        assert_eq!(&text[word.bytes.clone()], word.text);
        chars += text[bytes..word.bytes.end].chars().count();
        assert_eq!(word.chars.end, chars);
        bytes = word.bytes.end;
    }
    let pieces: Vec<&str> = text.split(' ').filter(|piece| !piece.is_empty()).collect();
    let _ = (locate(&pieces, &text), rejoin(&pieces, &convention));
    let _ = text.parse::<WordConvention>();
}

/// A picture, within limits of a few kilobytes and pixels.
pub(crate) fn images(input: &[u8]) {
    let (how, rest) = choice(input);
    let mut limits = DecodeLimits::default();
    (limits.bytes, limits.pixels) = (1 << 16, 1 << 14);
    let transparency = if how & 2 == 0 { Transparency::Dropped } else { Transparency::White };
    let reading = Reading { upright: how & 1 == 1, transparency, allow_truncated: how & 4 != 0 };
    if let Ok(pixels) = decode(rest, &limits, &reading) {
        assert!((1..=limits.pixels as usize).contains(&(pixels.width * pixels.height)));
        assert_eq!(pixels.rgb.len(), 3 * pixels.width * pixels.height);
    }
    let _ = check_extension(Path::new("a.png"), rest);
}

/// The body of a request: JSON, or parts below a line that says so.
pub(crate) fn request(input: &[u8]) {
    let (kind, body) = match input.iter().position(|byte| *byte == b'\n') {
        Some(end) if input.starts_with(b"multipart/") => (String::from_utf8_lossy(&input[..end]), &input[end + 1..]),
        _ => ("application/json".into(), input),
    };
    let _ = smvae_serve::requests::are_read(&kind, body);
}
