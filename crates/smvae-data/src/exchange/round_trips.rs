//! What is exported is imported as it was, through every format.

use super::fit::{Misfits, fit};
use super::labelled::{LabelledPost, posts_of_bytes};
use super::{Annotated, State, read_bytes};
use crate::corpus::CorpusFormat;
use crate::formats::write::{Author, Output, WriteSettings, Writer, Written};
use crate::words::WordConvention;
use proptest::prelude::*;
use smvae_core::Entity;
use smvae_core::schemes::Scheme;

/// Posts of a corpus: words without white space and entities that do not overlap, some with an id
/// and an image.
fn posts() -> impl Strategy<Value = Vec<LabelledPost>> {
    let word = "[a-cé😀@#='\"\\\\,{:.|-]{1,4}";
    let post = (prop::collection::vec((word, 0usize..5), 1..6), any::<bool>(), any::<bool>());
    prop::collection::vec(post, 1..4).prop_map(|posts| {
        type Drawn = (Vec<(String, usize)>, bool, bool);
        let line = |(i, (words, has_id, has_image)): (usize, Drawn)| {
            let (words, marks): (Vec<String>, Vec<usize>) = words.into_iter().unzip();
            let mut entities: Vec<Entity> = Vec::new();
            for (at, mark) in marks.into_iter().enumerate() {
                match (mark, entities.last_mut()) {
                    (0 | 1, _) => entities.push(Entity::new(at, at + 1, ["PER", "a-b"][mark])),
                    (2, Some(last)) if last.span.end == at => last.span.end += 1,
                    _ => {}
                }
            }
            let entity = |e: Entity| serde_json::json!({"words": [e.span.start, e.span.end], "label": e.label});
            let mut line = serde_json::json!({
                "words": words, "entities": entities.into_iter().map(entity).collect::<Vec<_>>(),
            });
            if has_id {
                line["id"] = format!("post {i}").into();
            }
            if has_image {
                line["image_id"] = format!("{i}.jpg").into();
                line["caption"] = "=a dog".into();
            }
            line.to_string() + "\n"
        };
        let file: String = posts.into_iter().enumerate().map(line).collect();
        posts_of_bytes(file.as_bytes(), "posts.jsonl", &CorpusFormat::default()).expect("our own lines").posts
    })
}

/// What is written of posts, which all have a place in the format.
fn exported(posts: &[LabelledPost], output: Output, scheme: Scheme) -> Vec<u8> {
    let settings = WriteSettings { author: Author::Person, scheme, ..WriteSettings::default() };
    let mut writer = Writer::new(output, Vec::new(), &settings).expect("in memory");
    for post in posts {
        assert_eq!(writer.post(&post.as_found()).expect("in memory"), Written::Whole);
    }
    writer.finish().expect("in memory")
}

/// Id, image and caption, words, and entities of each post.
type Told = Vec<([Option<String>; 3], Vec<String>, Vec<Entity>)>;

fn told(posts: &[LabelledPost]) -> Told {
    let tell =
        |p: &LabelledPost| ([p.id.clone(), p.image.clone(), p.caption.clone()], p.words.clone(), p.entities.clone());
    posts.iter().map(tell).collect()
}

proptest! {
    #[test]
    fn what_is_exported_to_a_tool_is_imported_as_it_was(posts in posts()) {
        for output in [Output::LabelStudio, Output::Doccano, Output::Prodigy, Output::Spacy] {
            let bytes = exported(&posts, output, Scheme::Iob2);
            let export = read_bytes(&bytes, "export").expect("an export");
            let fitted = |post: &Annotated| {
                let fitted = fit(post, &WordConvention::WHITESPACE, Misfits::Refuse);
                assert!(fitted.misfits.is_empty() && fitted.odd.is_empty() && matches!(post.state, State::Labelled(_)));
                ([post.id.clone(), post.image.clone(), post.caption.clone()], fitted.words, fitted.entities)
            };
            prop_assert_eq!(export.posts.iter().map(fitted).collect::<Told>(), told(&posts), "{:?}", output);
        }
    }

    #[test]
    fn what_is_exported_as_a_corpus_is_one(posts in posts()) {
        for scheme in Scheme::ALL {
            let format = CorpusFormat { scheme: Some(scheme), ..CorpusFormat::default() };
            for (output, name) in [(Output::Csv, "a.csv"), (Output::HuggingFace, "a.jsonl"), (Output::Conll, "a.conll")] {
                let bytes = exported(&posts, output, scheme);
                let read = posts_of_bytes(&bytes, name, &format).expect("a corpus").posts;
                let mut want = told(&posts);
                if output == Output::Conll {
                    // A post is known by one name there, or by none.
                    let has_ids = posts[0].image.is_some() || posts[0].id.is_some();
                    for (at, post) in want.iter_mut().enumerate() {
                        let [id, image, _] = std::mem::take(&mut post.0);
                        let name = image.or(id).unwrap_or_else(|| format!("line-{}", at + 1));
                        post.0[1] = has_ids.then_some(name);
                    }
                }
                prop_assert_eq!(told(&read), want, "{:?} {}", output, scheme);
            }
        }
        let lines: String = posts.iter().map(|post| post.to_line() + "\n").collect();
        let read = posts_of_bytes(lines.as_bytes(), "a.jsonl", &CorpusFormat::default()).expect("a corpus").posts;
        prop_assert_eq!(told(&read), told(&posts));
    }
}
