//! A post and what was found in it as a line of JSON: the one form of `smvae predict` and of
//! anything else that serves a model.
//!
//! ```text
//! {"id": 7, "text": "Lady Gaga lands"}
//! {"id": 7, "text": "Lady Gaga lands", "words": ["Lady", "Gaga", "lands"],
//!  "entities": [{"start": 0, "end": 9, "text": "Lady Gaga", "label": "PER", "score": 0.98, "words": [0, 2]}]}
//! ```
//! An answer has the post's own fields first, as they were written, then ours:
//!
//! | field | stands there |
//! |---|---|
//! | `image_id` | where the post has an image and no field `image_id` or `image` that says so |
//! | `text` | where the post had words alone |
//! | `words`, `entities` | always |
//! | `candidates` | where spans above a probability were asked for |
//! | `words_cut` | where the piece limit cut words off |
//! | `"image_missing": true` | where the model looks at images and has none for the post |
//! | `"caption_missing": true` | where it reads captions and has none for the post |
//! | `image_error` | where the image is there and cannot be used |
//!
//! Fields that the post had under the names from `words` on are left out of its own, and `tokens`
//! too, since `words` says the same.

use crate::inference::prediction::Prediction;
use crate::input::post::Post;
use crate::scoring::entity::ScoredEntity;
use serde::Serialize;
use smvae_data::formats::Fields;

/// Fields of an answer that replace those of the post; its text stays.
const OURS: [&str; 8] =
    ["words", "tokens", "entities", "candidates", "words_cut", "image_missing", "caption_missing", "image_error"];

/// The line of a post with what was found in it, without the line's end. `fields` are what the post
/// came with, if that was JSON or a table.
pub fn answer(fields: &Fields, post: &Post, found: Prediction) -> String {
    answer_with(fields, post, found, None::<()>)
}

/// The same with what `suggested` says, if anything. That field of a post is replaced, then.
pub(crate) fn answer_with(
    fields: &Fields,
    post: &Post,
    mut found: Prediction,
    suggested: Option<impl Serialize>,
) -> String {
    // The probability of an entity's own label is its score; those of the others are not read here.
    let told = found.entities.iter_mut().chain(found.candidates.iter_mut().flatten());
    told.for_each(|entity| entity.probabilities.clear());
    let mut fields = fields.clone();
    let has_text = fields.get("text").is_some_and(|text| text.get() != "null");
    let is_ours = |name: &str| OURS.contains(&name) || (suggested.is_some() && name == "suggested");
    fields.retain(|name| !is_ours(name) && (has_text || name != "text"));
    let has = |name| fields.get(name).is_some();
    let answer = Answer {
        image_id: post.image_id.as_deref().filter(|_| !has("image_id") && !has("image")),
        text: (!has("text")).then(|| post.text()),
        fields: &fields,
        words: post.words(),
        entities: &found.entities,
        candidates: found.candidates.as_deref(),
        words_cut: found.words_cut,
        image_missing: found.image_missing,
        caption_missing: found.caption_missing,
        image_error: post.image_error(),
        suggested,
    };
    serde_json::to_string(&answer).expect("strings and numbers have a JSON form")
}

/// The line of a post that no model has looked at: its own fields, then what `suggested` says.
pub(crate) fn suggestion(fields: &Fields, post: &Post, suggested: impl Serialize) -> String {
    #[derive(Serialize)]
    struct Suggestion<'a, S> {
        #[serde(flatten)]
        fields: &'a Fields,
        #[serde(skip_serializing_if = "Option::is_none")]
        image_id: Option<&'a str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        words: Option<&'a [String]>,
        suggested: S,
    }
    let mut fields = fields.clone();
    fields.retain(|name| name != "suggested");
    let has = |name| fields.get(name).is_some();
    // A format without fields has words alone.
    let line = Suggestion {
        image_id: post.image_id.as_deref().filter(|_| !has("image_id") && !has("image")),
        words: (!has("text") && !has("words") && !has("tokens")).then(|| post.words()),
        fields: &fields,
        suggested,
    };
    serde_json::to_string(&line).expect("strings and numbers have a JSON form")
}

/// The line of a post that cannot be read or computed, without the line's end: where it stands, its
/// id if that is known, and what is wrong.
pub fn failure(line: usize, id: Option<impl Serialize>, why: &str) -> String {
    #[derive(Serialize)]
    struct Failure<'a, I> {
        line: usize,
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<I>,
        error: &'a str,
    }
    serde_json::to_string(&Failure { line, id, error: why }).expect("strings and numbers have a JSON form")
}

#[derive(Serialize)]
struct Answer<'a, S: Serialize> {
    #[serde(flatten)]
    fields: &'a Fields,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    text: Option<&'a str>,
    words: &'a [String],
    entities: &'a [ScoredEntity],
    #[serde(skip_serializing_if = "Option::is_none")]
    candidates: Option<&'a [ScoredEntity]>,
    #[serde(skip_serializing_if = "is_zero")]
    words_cut: usize,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    image_missing: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    caption_missing: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    image_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggested: Option<S>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(n: &usize) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae_core::Span;
    use smvae_data::formats::{Format, LabelUse, Settings, read};
    use smvae_data::words::WordConvention;

    #[track_caller]
    fn check(line: &str, want: Result<&str, &str>) {
        let settings = Settings { format: Some(Format::JsonLines), labels: LabelUse::Ignored, ..Settings::default() };
        let mut posts = read(line.as_bytes(), "posts", &settings).expect("a format");
        let record = posts.next().expect("a line").expect("a post");
        let answered = Post::of_record(&record, &WordConvention::default()).map(|post| {
            let entities = match post.words().len() {
                0 => Vec::new(),
                n => vec![ScoredEntity::new(&post, Span::new(n - 1, n), "X".to_owned(), 0.5, vec![0.5, 0.5])],
            };
            answer(&record.fields, &post, Prediction { entities, words_cut: 1, ..Prediction::default() })
        });
        assert_eq!(answered.map_err(|error| error.to_string()), want.map(str::to_owned).map_err(str::to_owned));
    }

    #[test]
    fn answers_have_the_fields_of_the_post_then_ours() {
        check(
            r#"{"id":1e3,"text":"in Oslo.","entities":[1],"z":{"b":1,"a":2}}"#,
            Ok(
                r#"{"id":1e3,"text":"in Oslo.","z":{"b":1,"a":2},"words":["in","Oslo","."],"entities":[{"start":7,"end":8,"text":".","label":"X","score":0.5,"words":[2,3]}],"words_cut":1}"#,
            ),
        );
        check(
            r#"{"words":["in","Oslo"]}"#,
            Ok(
                r#"{"text":"in Oslo","words":["in","Oslo"],"entities":[{"start":3,"end":7,"text":"Oslo","label":"X","score":0.5,"words":[1,2]}],"words_cut":1}"#,
            ),
        );
        check(
            r#"{"text":"(Oslo)","words":["(","Oslo",")"]}"#,
            Ok(
                r#"{"text":"(Oslo)","words":["(","Oslo",")"],"entities":[{"start":5,"end":6,"text":")","label":"X","score":0.5,"words":[2,3]}],"words_cut":1}"#,
            ),
        );
        check(r#"{"text":""}"#, Ok(r#"{"text":"","words":[],"entities":[],"words_cut":1}"#));
        check(
            r#"{"text":"Oslo","words":["Bergen"]}"#,
            Err(r#"the text does not hold the words in their order: "Bergen" is missing"#),
        );
    }

    #[test]
    fn a_failure_names_its_line() {
        assert_eq!(failure(3, None::<&str>, "no \"text\""), r#"{"line":3,"error":"no \"text\""}"#);
        assert_eq!(failure(3, Some("12"), "no text"), r#"{"line":3,"id":"12","error":"no text"}"#);
        let id = serde_json::value::RawValue::from_string("1e3".to_owned()).expect("JSON");
        assert_eq!(failure(3, Some(&*id), "no text"), r#"{"line":3,"id":1e3,"error":"no text"}"#);
    }
}
