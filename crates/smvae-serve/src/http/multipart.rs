//! The parts of a request with pictures: `posts` in the JSON of a plain request, or one `text`;
//! every other part is a picture. A post's picture is the part that its field `image` names; where
//! there is one post that names none and one picture, they belong together.

use crate::http::errors::Fault;
use crate::http::posts::{self, Posts};
use axum::body::Bytes;
use smvae::data::formats::PostRecord;
use std::collections::BTreeMap;
use std::convert::Infallible;

/// The posts of a request and its pictures by the name of their part.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) posts: Posts,
    pub(crate) pictures: BTreeMap<String, Bytes>,
}

/// The parts of a body, of which only the names were read.
#[derive(Debug)]
pub(crate) struct Form {
    content: Content,
    pictures: BTreeMap<String, Bytes>,
}

/// What is in the part that is no picture.
#[derive(Debug)]
enum Content {
    Posts(Bytes),
    Text(Bytes),
}

/// Takes a body apart: at most so many posts, in at most so many bytes.
///
/// # Errors
/// 400 for what is no multipart or has a part twice, 413 for posts or a text of more bytes, 422
/// where there is neither or both.
pub(crate) async fn read(bytes: Vec<u8>, boundary: &str, most_posts: usize, most_bytes: usize) -> Result<Form, Fault> {
    let bad = |error: multer::Error| Fault::bad_multipart(format!("the body is not multipart: {error}"));
    let stream = futures_util::stream::once(async { Ok::<_, Infallible>(bytes) });
    let mut multipart = multer::Multipart::new(stream, boundary);
    let mut parts = BTreeMap::new();
    while let Some(part) = multipart.next_field().await.map_err(bad)? {
        let name = part.name().filter(|name| !name.is_empty()).map(str::to_owned);
        let name = name.ok_or_else(|| Fault::bad_multipart("a part has no name"))?;
        // A part of the body's own memory: nothing is copied.
        let content = part.bytes().await.map_err(bad)?;
        if parts.insert(name.clone(), content).is_some() {
            return Err(Fault::bad_multipart("the part stands twice").of_field(name));
        }
        // Each picture belongs to a post, so that there are no more of them.
        if parts.len() > most_posts + 1 {
            return Err(Fault::bad_multipart("there are more parts than a request may have posts"));
        }
    }
    let content = match (parts.remove("posts"), parts.remove("text")) {
        (Some(posts), None) => Content::Posts(posts),
        (None, Some(text)) => Content::Text(text),
        (None, None) => return Err(Fault::bad_post("there is neither a part posts nor a part text")),
        (Some(_), Some(_)) => return Err(Fault::bad_post("there are both a part posts and a part text")),
    };
    let form = Form { content, pictures: parts };
    // A body is as large as it is for its pictures.
    if form.bytes_of_posts() > most_bytes {
        let name = if matches!(form.content, Content::Posts(_)) { "posts" } else { "text" };
        return Err(Fault::large_part(most_bytes).of_field(name));
    }
    Ok(form)
}

impl Form {
    /// How much there is to read.
    pub(crate) fn bytes_of_posts(&self) -> usize {
        let (Content::Posts(bytes) | Content::Text(bytes)) = &self.content;
        bytes.len()
    }

    /// Reads the posts.
    ///
    /// # Errors
    /// Those of the posts; 422 for a picture that belongs to none.
    pub(crate) fn parts(self, most_posts: usize) -> Result<Parts, Fault> {
        let posts = match &self.content {
            Content::Posts(posts) => posts::read(posts, most_posts).map_err(in_posts)?,
            Content::Text(text) => one_post(text)?,
        };
        let parts = Parts { posts, pictures: self.pictures };
        match parts.unused() {
            Some(name) => Err(Fault::unused_picture().of_field(name)),
            None => Ok(parts),
        }
    }
}

/// A fault of the part with the posts; one of a field of a post names that.
fn in_posts(fault: Fault) -> Fault {
    if fault.problem.field.is_some() { fault } else { fault.of_field("posts") }
}

fn one_post(text: &[u8]) -> Result<Posts, Fault> {
    let text = std::str::from_utf8(text).map_err(|_| Fault::bad_post("the text is not UTF-8").of_field("text"))?;
    Ok(Posts { is_list: false, records: vec![posts::of_text(text)?] })
}

impl Parts {
    /// The picture of a post, by the name of its part.
    pub(crate) fn picture_of(&self, record: &PostRecord) -> Option<&str> {
        let named = match &record.image {
            Some(name) => self.pictures.get_key_value(name),
            None if self.posts.records.len() == 1 && self.pictures.len() == 1 => self.pictures.first_key_value(),
            None => None,
        };
        named.map(|(name, _)| name.as_str())
    }

    /// The first picture that belongs to no post.
    fn unused(&self) -> Option<String> {
        let used: Vec<&str> = self.posts.records.iter().filter_map(|record| self.picture_of(record)).collect();
        self.pictures.keys().find(|name| !used.contains(&name.as_str())).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What becomes of a body.
    fn outcome(bytes: &[u8]) -> String {
        let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let form = runtime.block_on(read(bytes.to_vec(), "XX", 3, 100));
        match form.and_then(|form| form.parts(3)) {
            Ok(parts) => format!("{} posts, {:?}", parts.posts.records.len(), parts.pictures.keys()),
            Err(fault) => format!("{} {:?}", fault.problem.code, fault.problem.field),
        }
    }

    fn part(name: &str, content: &str) -> String {
        format!("--XX\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{content}\r\n")
    }

    #[track_caller]
    fn check(parts: &[(&str, &str)], want: &str) {
        let body: String = parts.iter().map(|(name, content)| part(name, content)).collect();
        assert_eq!(outcome(format!("{body}--XX--\r\n").as_bytes()), want);
    }

    #[test]
    fn pictures_are_the_parts_that_posts_name() {
        check(&[("text", "a")], "1 posts, []");
        check(&[("text", "a"), ("x", "..")], r#"1 posts, ["x"]"#);
        check(&[("posts", r#"[{"text":"a","image":"x"},{"text":"b"}]"#), ("x", "..")], r#"2 posts, ["x"]"#);
        check(&[("posts", r#"[{"text":"a"},{"text":"b"}]"#), ("x", "..")], r#"unused_picture Some("x")"#);
        check(&[("text", "a"), ("x", ".."), ("y", "..")], r#"unused_picture Some("x")"#);
        check(&[("text", "a"), ("posts", "[]")], "bad_post None");
        check(&[("posts", "[")], r#"bad_json Some("posts")"#);
        check(&[("posts", r#"[{"text":1}]"#)], r#"bad_post Some("text")"#);
        check(&[("x", "..")], "bad_post None");
        check(&[("", "..")], "bad_multipart None");
        check(&[("1", ""), ("2", ""), ("3", ""), ("4", ""), ("5", "")], "bad_multipart None");
    }

    #[test]
    fn pictures_alone_may_be_large() {
        let blanks = " ".repeat(101);
        let (most, more) = (&blanks[1..], &blanks[..]);
        check(&[("text", most), ("x", more)], r#"1 posts, ["x"]"#);
        check(&[("text", more)], r#"too_large Some("text")"#);
        check(&[("posts", most)], r#"bad_json Some("posts")"#);
        check(&[("posts", more)], r#"too_large Some("posts")"#);
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(bytes: Vec<u8>, at in 0usize..120, byte: u8) {
            outcome(&bytes);
            let mut body = (part("text", "a") + &part("x", "..") + "--XX--\r\n").into_bytes();
            let at = at % body.len();
            body[at] = byte;
            outcome(&body);
            outcome(&body[..at]);
        }
    }
}
