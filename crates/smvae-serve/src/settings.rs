//! What a service is told: where it listens, who may ask, and the limits of what is asked.

use crate::access::Key;
use crate::error::{Error, Result};
use smvae::Post;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

/// What a service is told.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// Where it listens; port 0 lets the system choose one. Default: 127.0.0.1:8090.
    pub address: SocketAddr,
    /// What a request must show to get an answer. `None` answers everybody.
    pub key: Option<Key>,
    /// The limits.
    pub limits: Limits,
    /// Batches that are computed side by side, each on one thread; a batch alone has all threads.
    /// `None` takes as many as there are threads on a CPU, and one on a GPU.
    pub workers: Option<usize>,
    /// For tests: called with every post right before the model is, in the model's thread.
    #[doc(hidden)]
    pub fault: Option<fn(&Post)>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 8090)),
            key: None,
            limits: Limits::default(),
            workers: None,
            fault: None,
        }
    }
}

/// The limits of what is asked. Together they bound the memory of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of a body of JSON, and of the posts in one with pictures. Default: 2 MiB.
    pub body_bytes: usize,
    /// Bytes of a body with pictures. Default: 16 MiB.
    pub upload_bytes: usize,
    /// Bytes of all bodies in memory. Default: 128 MiB.
    pub all_bytes: usize,
    /// Posts of a request. Default: 256.
    pub posts: usize,
    /// Words of a post. Default: 4096.
    pub words: usize,
    /// Pixels of a picture. Default: 16 million.
    pub pixels: u64,
    /// Pictures that are decoded, waiting or computed. Default: 64.
    pub pictures: usize,
    /// Posts that wait for the model. Default: 1024.
    pub queue_posts: usize,
    /// Words of the posts that wait for the model. Default: 131,072.
    pub queue_words: usize,
    /// Word pieces of a batch, as they are estimated before text is cut into them; at most
    /// 1,048,576. `None` takes 1024: more do not make the matrix products faster.
    pub batch_pieces: Option<usize>,
    /// Connections at a time. Default: 1024.
    pub connections: usize,
    /// Until the header of a request must have come; an idle connection is closed after it.
    /// Default: 10 seconds.
    pub header_time: Duration,
    /// Until the body of a request must have come, and until a client must have taken some of its
    /// answer. Default: 20 seconds.
    pub body_time: Duration,
    /// Until a request that was read must have been answered. Default: 30 seconds.
    pub request_time: Duration,
    /// How long a service that is told to end waits for requests that it has admitted. Default: 30
    /// seconds.
    pub drain_time: Duration,
}

/// The most word pieces of a batch. A model is measured with a share of a batch at the start, which
/// must fit into memory.
const MOST_BATCH_PIECES: usize = 1 << 20;

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 2 << 20,
            upload_bytes: 16 << 20,
            all_bytes: 128 << 20,
            posts: 256,
            words: 4096,
            pixels: 16_000_000,
            pictures: 64,
            queue_posts: 1024,
            queue_words: 1 << 17,
            batch_pieces: None,
            connections: 1024,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(20),
            request_time: Duration::from_secs(30),
            drain_time: Duration::from_secs(30),
        }
    }
}

impl Limits {
    /// Checks that every limit lets something through, that what one request may ask fits into what
    /// all may, and that a batch fits into memory.
    ///
    /// # Errors
    /// [`Error::Setting`] for the first that does not.
    pub fn validate(&self) -> Result<()> {
        let counts = [
            ("body_bytes", self.body_bytes),
            ("upload_bytes", self.upload_bytes),
            ("posts", self.posts),
            ("words", self.words),
            ("pixels", usize::try_from(self.pixels).unwrap_or(usize::MAX)),
            ("pictures", self.pictures),
            ("batch_pieces", self.batch_pieces.unwrap_or(1)),
            ("connections", self.connections),
        ];
        for (name, got) in counts {
            at_least(name, got, 1, "1")?;
        }
        if let Some(got) = self.batch_pieces.filter(|got| *got > MOST_BATCH_PIECES) {
            let want = format!("at most {MOST_BATCH_PIECES}");
            return Err(Error::Setting { name: "batch_pieces", want, got: got.to_string() });
        }
        at_least("queue_posts", self.queue_posts, self.posts, "the posts of a request")?;
        at_least("queue_words", self.queue_words, self.words, "the words of a post")?;
        at_least("all_bytes", self.all_bytes, self.body_bytes.max(self.upload_bytes), "the bytes of a body")?;
        let times =
            [("header_time", self.header_time), ("body_time", self.body_time), ("request_time", self.request_time)];
        for (name, time) in times {
            if time.is_zero() {
                return Err(Error::Setting { name, want: "more than 0".to_owned(), got: "0".to_owned() });
            }
        }
        Ok(())
    }
}

fn at_least(name: &'static str, got: usize, least: usize, what: &str) -> Result<()> {
    if got >= least {
        return Ok(());
    }
    let least = if what == "1" { String::new() } else { format!(" ({least})") };
    Err(Error::Setting { name, want: format!("at least {what}{least}"), got: got.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(change: impl FnOnce(&mut Limits), want: &str) {
        let mut limits = Limits::default();
        change(&mut limits);
        assert_eq!(limits.validate().map_or_else(|error| error.to_string(), |()| "fine".to_owned()), want);
    }

    #[test]
    fn limits_let_something_through() {
        check(|_| {}, "fine");
        check(|limits| limits.posts = 0, "the setting `posts` must be at least 1, got 0");
        check(
            |limits| limits.queue_posts = 10,
            "the setting `queue_posts` must be at least the posts of a request (256), got 10",
        );
        check(
            |limits| limits.all_bytes = 1 << 20,
            "the setting `all_bytes` must be at least the bytes of a body (16777216), got 1048576",
        );
        check(|limits| limits.batch_pieces = Some(1 << 20), "fine");
        check(
            |limits| limits.batch_pieces = Some(1_000_000_000_000),
            "the setting `batch_pieces` must be at most 1048576, got 1000000000000",
        );
        check(|limits| limits.header_time = Duration::ZERO, "the setting `header_time` must be more than 0, got 0");
    }
}
