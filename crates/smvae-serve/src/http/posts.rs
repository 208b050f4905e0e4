//! The posts of a request in JSON: one object, or a list of them, read by the reader of
//! `smvae predict`. A field that stands twice is refused, since readers differ in which of the two
//! they take.

use crate::http::errors::Fault;
use serde_json::value::RawValue;
use smvae::data::formats::json::read_post;
use smvae::data::formats::{Body, Fields, LabelUse, PostRecord};
use smvae::{Post, Predictor};
use std::collections::BTreeSet;

/// The posts of a request.
#[derive(Debug)]
pub(crate) struct Posts {
    /// Whether they were a list, which is answered by a list.
    pub(crate) is_list: bool,
    pub(crate) records: Vec<PostRecord>,
}

/// Reads the posts of a body.
///
/// # Errors
/// 400 for what is no JSON, 413 for too many posts, 422 for what is no post.
pub(crate) fn read(bytes: &[u8], most: usize) -> Result<Posts, Fault> {
    let start = bytes.trim_ascii_start();
    let is_list = start.starts_with(b"[");
    let bad = |error: serde_json::Error| Fault::bad_json(format!("the body is not JSON: {error}"));
    let objects: Vec<&RawValue> = if is_list {
        serde_json::from_slice(bytes).map_err(bad)?
    } else {
        vec![serde_json::from_slice(bytes).map_err(bad)?]
    };
    if objects.len() > most {
        return Err(Fault::too_many_posts(objects.len(), most));
    }
    let record = |(i, object): (usize, &&RawValue)| record(object.get()).map_err(|fault| fault.of_post(i));
    Ok(Posts { is_list, records: objects.iter().enumerate().map(record).collect::<Result<_, _>>()? })
}

/// Reads one post.
///
/// # Errors
/// 400 for a field that stands twice, 422 for what is no post.
pub(crate) fn record(object: &str) -> Result<PostRecord, Fault> {
    let record = read_post(object.as_bytes(), LabelUse::Ignored).map_err(|error| match error {
        smvae::data::Error::Line { text, expected, .. } => {
            let fault = Fault::bad_post(format!("expected {expected}, got {text:?}"));
            // Of a field, the expectation begins with its name in quotes.
            match expected.strip_prefix('"').and_then(|rest| rest.split_once('"')) {
                Some((field, _)) => fault.of_field(field),
                None => fault,
            }
        }
        other => Fault::bad_post(other.to_string()),
    })?;
    if let Some(name) = twice(&record.fields) {
        return Err(Fault::bad_json("the field stands twice").of_field(name));
    }
    // Beside words, the reader passes on whatever the text is; an answer has a string there.
    if record.fields.read::<String>("text").is_err() {
        return Err(Fault::bad_post("expected \"text\" to be a string").of_field("text"));
    }
    Ok(record)
}

/// The first name that two fields have.
fn twice(fields: &Fields) -> Option<&str> {
    let mut seen = BTreeSet::new();
    fields.iter().map(|(name, _)| name).find(|name| !seen.insert(*name))
}

/// A post with nothing but a text.
pub(crate) fn of_text(text: &str) -> Result<PostRecord, Fault> {
    record(&serde_json::json!({ "text": text }).to_string())
}

/// Bytes of a text for each word that it may have.
const BYTES_OF_A_WORD: usize = 32;

/// Bytes of a caption, of which a model reads the beginning at most.
const MOST_OF_A_CAPTION: usize = 16 * 1024;

/// The field that a post is read from, and its bytes.
pub(crate) fn size(record: &PostRecord) -> (&'static str, usize) {
    match &record.body {
        Body::Text(text) => ("text", text.len()),
        Body::Words(words) => ("words", words.iter().map(String::len).sum()),
    }
}

/// The post of a record, split into words if it was text.
///
/// # Errors
/// 413 for a text or a caption that is too long, 422 for a text that does not hold its words.
pub(crate) fn post(predictor: &Predictor, record: &PostRecord, most_words: usize) -> Result<Post, Fault> {
    let (field, bytes) = size(record);
    let most_bytes = most_words.saturating_mul(BYTES_OF_A_WORD);
    if bytes > most_bytes {
        return Err(Fault::too_many_bytes(bytes, most_bytes).of_field(field));
    }
    let caption = record.caption.as_ref().map_or(0, String::len);
    if caption > MOST_OF_A_CAPTION {
        return Err(Fault::too_many_bytes(caption, MOST_OF_A_CAPTION).of_field("caption"));
    }
    let post = predictor.post_of(record).map_err(|error| Fault::bad_post(error.to_string()).of_field("words"))?;
    match post.words().len() {
        words if words > most_words => Err(Fault::too_many_words(words, most_words).of_field(field)),
        _ => Ok(post),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(body: &str, want: &str) {
        let got = match read(body.as_bytes(), 2) {
            Ok(Posts { is_list, records }) => format!("{} of {is_list}", records.len()),
            Err(Fault { status, problem, .. }) => {
                format!("{} {} {:?} {:?}", status.as_u16(), problem.code, problem.post, problem.field)
            }
        };
        assert_eq!(got, want, "{body}");
    }

    #[test]
    fn a_body_is_one_post_or_a_list() {
        check(r#" {"text": "a"}"#, "1 of false");
        check("\n[{\"text\": \"a\"},\n {\"words\": [\"a\"], \"id\": 1e3, \"more\": {\"a\": [1, 1]}}]", "2 of true");
        check("[]", "0 of true");
        check(r#"[{"text":""},{"text":""},{"text":""}]"#, "413 too_many_posts None None");
    }

    #[test]
    fn what_is_no_json_is_400() {
        for body in ["", "{", "NaN", r#"{"text": NaN}"#, r#"{"text": "a"} x"#, "[1,", r#"{"text": "a", "x": Infinity}"#]
        {
            check(body, "400 bad_json None None");
        }
        check(r#"{"text": "a", "text": "b"}"#, "400 bad_json Some(0) Some(\"text\")");
        check(r#"[{"text": "a"}, {"text": "a", "x": 1, "x": 1}]"#, "400 bad_json Some(1) Some(\"x\")");
        assert_eq!(read(b"{\"text\": \"\xff\"}", 1).expect_err("not UTF-8").problem.code, "bad_json");
        check(&"[".repeat(100_000), "400 bad_json None None");
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, text in r#"[\[\]{},:" 0-9ate\\nu\PC]{0,60}"#) {
            let _ = (read(&bytes, 4), read(text.as_bytes(), 4), record(&text));
            let field = serde_json::json!({"text": text, "words": ["a", format!("w{text}")], "image": text}).to_string();
            assert_eq!(record(&field).expect("a post").image.unwrap_or_default(), text);
        }
    }

    #[test]
    fn what_is_no_post_is_422() {
        check("1", "422 bad_post Some(0) None");
        check("[[]]", "422 bad_post Some(0) None");
        check("{}", "422 bad_post Some(0) None");
        check(r#"{"text": 1}"#, "422 bad_post Some(0) Some(\"text\")");
        check(r#"{"words": "a b"}"#, "422 bad_post Some(0) Some(\"words\")");
        check(r#"{"words": ["a", null]}"#, "422 bad_post Some(0) Some(\"words\")");
        check(r#"{"text": "a", "image": {"url": "x"}}"#, "422 bad_post Some(0) Some(\"image\")");
        check(r#"{"text": "a", "caption": 7}"#, "422 bad_post Some(0) Some(\"caption\")");
        check(r#"{"text": "a", "id": []}"#, "422 bad_post Some(0) Some(\"id\")");
        check(r#"{"text": {}, "words": []}"#, "422 bad_post Some(0) Some(\"text\")");
        check(r#"{"text": "\ud800"}"#, "422 bad_post Some(0) Some(\"text\")");
    }
}
