//! `smvae serve`: a model over HTTP, until the process is told to end.

use crate::failure::Usage;
use crate::options::{DeviceArgs, PrecisionArgs};
use crate::output;
use crate::progress::{insist, say};
use anyhow::Context as _;
use clap::{Args, ValueEnum};
use smvae::data::words::WordConvention;
use smvae::features::VisionSource;
use smvae_serve::logs::{self, LogFormat};
use smvae_serve::{Key, Limits, ModelSource, Pictures, Service, Settings};
use std::env::VarError;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, Args)]
pub(crate) struct ServeArgs {
    /// A run folder.
    #[arg(long, visible_alias = "weights", value_name = "DIR", env = "SMVAE_SERVE_MODEL")]
    model: PathBuf,
    /// The address to listen on; 0.0.0.0 answers other machines, too.
    #[arg(
        long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = address,
        env = "SMVAE_SERVE_HOST"
    )]
    host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, value_name = "PORT", default_value_t = 8090, env = "SMVAE_SERVE_PORT")]
    port: u16,
    /// A file with the key that requests must show, as `Authorization: Bearer KEY`.
    ///
    /// The variable SMVAE_SERVE_API_KEY has the key itself; there is no option for it, since every
    /// user of a machine sees command lines.
    #[arg(long, value_name = "FILE", env = "SMVAE_SERVE_API_KEY_FILE")]
    api_key_file: Option<PathBuf>,
    /// The vision model that reads pictures, which is the one of training.
    ///
    /// By default from where it was then, if it is still there. A folder, a weights file, or a
    /// model of the Hugging Face hub.
    #[arg(long, value_name = "MODEL", env = "SMVAE_SERVE_VISION")]
    vision: Option<String>,
    /// Read posts as text alone, whatever the model was trained with.
    #[arg(long, conflicts_with = "vision")]
    no_images: bool,
    /// How text is split into words; by default as the model's corpus was.
    #[arg(long, value_name = "CONVENTION", env = "SMVAE_SERVE_WORDS")]
    words: Option<WordConvention>,
    /// How the log on stderr is written.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t = Log::Text, env = "SMVAE_SERVE_LOG")]
    log: Log,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    device: DeviceArgs,
    #[command(flatten)]
    precision: PrecisionArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Log {
    Text,
    Json,
    Off,
}

impl From<Log> for LogFormat {
    fn from(log: Log) -> Self {
        match log {
            Log::Text => Self::Text,
            Log::Json => Self::Json,
            Log::Off => Self::Off,
        }
    }
}

/// The limits of requests.
#[derive(Debug, Args)]
struct LimitArgs {
    /// Bytes of a request without pictures, and of the posts in one with pictures.
    #[arg(long, value_name = "N", default_value_t = Limits::default().body_bytes, env = "SMVAE_SERVE_BODY_BYTES")]
    body_bytes: usize,
    /// Bytes of a request with pictures.
    #[arg(long, value_name = "N", default_value_t = Limits::default().upload_bytes, env = "SMVAE_SERVE_UPLOAD_BYTES")]
    upload_bytes: usize,
    /// Bytes of all requests in memory.
    #[arg(long, value_name = "N", default_value_t = Limits::default().all_bytes, env = "SMVAE_SERVE_ALL_BYTES")]
    all_bytes: usize,
    /// Posts of a request.
    #[arg(long, value_name = "N", default_value_t = Limits::default().posts, env = "SMVAE_SERVE_MAX_POSTS")]
    max_posts: usize,
    /// Words of a post.
    #[arg(long, value_name = "N", default_value_t = Limits::default().words, env = "SMVAE_SERVE_MAX_WORDS")]
    max_words: usize,
    /// Pixels of a picture.
    #[arg(long, value_name = "N", default_value_t = Limits::default().pixels, env = "SMVAE_SERVE_MAX_PIXELS")]
    max_pixels: u64,
    /// Pictures that are decoded, waiting or computed.
    #[arg(long, value_name = "N", default_value_t = Limits::default().pictures, env = "SMVAE_SERVE_MAX_PICTURES")]
    max_pictures: usize,
    /// Posts that wait for the model; beyond them requests are refused with 429.
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue_posts, env = "SMVAE_SERVE_QUEUE_POSTS")]
    queue_posts: usize,
    /// Words of the posts that wait for the model.
    #[arg(long, value_name = "N", default_value_t = Limits::default().queue_words, env = "SMVAE_SERVE_QUEUE_WORDS")]
    queue_words: usize,
    /// Word pieces of a batch, about; by default 1024, at most 1048576.
    #[arg(long, value_name = "N", env = "SMVAE_SERVE_BATCH_PIECES")]
    batch_pieces: Option<usize>,
    /// Connections at a time.
    #[arg(long, value_name = "N", default_value_t = Limits::default().connections, env = "SMVAE_SERVE_CONNECTIONS")]
    connections: usize,
    /// Seconds until a request's header must have come; an idle connection is closed after them.
    #[arg(long, value_name = "S", default_value = "10", value_parser = seconds, env = "SMVAE_SERVE_HEADER_TIME")]
    header_time: Duration,
    /// Seconds until a request's body must have come.
    #[arg(long, value_name = "S", default_value = "20", value_parser = seconds, env = "SMVAE_SERVE_BODY_TIME")]
    body_time: Duration,
    /// Seconds until a request that was read must be answered.
    #[arg(long, value_name = "S", default_value = "30", value_parser = seconds, env = "SMVAE_SERVE_REQUEST_TIME")]
    request_time: Duration,
    /// Seconds that a service which is told to end waits for the requests it has admitted.
    #[arg(long, value_name = "S", default_value = "30", value_parser = seconds, env = "SMVAE_SERVE_DRAIN_TIME")]
    drain_time: Duration,
}

impl LimitArgs {
    fn limits(&self) -> Limits {
        let mut limits = Limits::default();
        limits.body_bytes = self.body_bytes;
        limits.upload_bytes = self.upload_bytes;
        limits.all_bytes = self.all_bytes;
        limits.posts = self.max_posts;
        limits.words = self.max_words;
        limits.pixels = self.max_pixels;
        limits.pictures = self.max_pictures;
        limits.queue_posts = self.queue_posts;
        limits.queue_words = self.queue_words;
        limits.batch_pieces = self.batch_pieces;
        limits.connections = self.connections;
        limits.header_time = self.header_time;
        limits.body_time = self.body_time;
        limits.request_time = self.request_time;
        limits.drain_time = self.drain_time;
        limits
    }
}

fn address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "expected an IP address, such as 127.0.0.1 or ::1")
}

/// Parses seconds, with a fraction or without.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse::<f64>().map_err(|_| "expected seconds, such as 10 or 0.5".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())
}

pub(crate) fn run(args: &ServeArgs) -> anyhow::Result<()> {
    let mut settings = Settings::default();
    settings.address = SocketAddr::new(args.host, args.port);
    settings.key = key(args.api_key_file.as_deref())?;
    settings.limits = args.limits.limits();
    if settings.key.is_none() && !args.host.is_loopback() {
        say("other machines can reach this service and it asks for no key: see --api-key-file");
    }
    let mut options = args.precision.options();
    options.device = args.device.open()?;
    if let Some(words) = &args.words {
        options = options.with_words(words.clone());
    }
    let mut source = ModelSource::of(&args.model).with_options(options);
    if args.no_images {
        source = source.with_pictures(Pictures::Refused);
    } else if let Some(name) = &args.vision {
        source = source.with_pictures(Pictures::By(VisionSource::named(name.as_str())));
    }
    logs::start(args.log.into());
    let service = Service::start(source, settings)?;
    // Results go to stdout, and where it listens is one: a program that starts this one reads it.
    service.run_with(|address| {
        if output::print(&format!("http://{address}\n")).is_err() {
            insist(format!("listening on http://{address}"));
        }
    })?;
    Ok(())
}

/// The key of a file or of the environment.
fn key(file: Option<&Path>) -> anyhow::Result<Option<Key>> {
    let of_environment = match std::env::var("SMVAE_SERVE_API_KEY") {
        Err(VarError::NotPresent) => None,
        // One that is not text must not start a service without a key.
        other => Some(other.context("SMVAE_SERVE_API_KEY")?),
    };
    let (text, place) = match (file, of_environment) {
        (Some(_), Some(_)) => return Err(Usage("--api-key-file and SMVAE_SERVE_API_KEY: give one".to_owned()).into()),
        (Some(path), None) => {
            let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            (text, path.display().to_string())
        }
        (None, Some(text)) => (text, "SMVAE_SERVE_API_KEY".to_owned()),
        (None, None) => return Ok(None),
    };
    Key::new(&text).map(Some).with_context(|| format!("{place} holds no key"))
}
