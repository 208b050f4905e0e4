//! `smvae suggest`: which posts of a pool to label next, for the tools people label with.
//!
//! Posts are read, computed and forgotten, but for those of the shortlist; `smvae::suggest`
//! chooses.

mod args;
mod learned;

pub(crate) use args::SuggestArgs;
use args::{NEEDS_IMAGES, To};

use crate::captions::with_captions;
use crate::failure::{BadLines, Usage};
use crate::input::name;
use crate::interrupt;
use crate::lines::{self, Fault, Line};
use crate::model;
use crate::options::FileArgs;
use crate::output;
use crate::pool;
use crate::progress::{MAX_TOLD, Progress, insist, say};
use crate::vectors::vectors_of;
use crate::watcher::Watcher;
use smvae::answers::{AnswerFormat, AnswerWriter, PostOrigin, Priority};
use smvae::data::ImageVectors;
use smvae::data::duplicates::key;
use smvae::data::files::{sha256_file, write_atomically};
use smvae::data::formats::write::{Output, Written};
use smvae::data::formats::{Fields, PostRecord};
use smvae::data::selection::{Selected, Selection};
use smvae::data::words::WordConvention;
use smvae::suggest::{PostEncoder, Shortlist, Strategy, SuggestSettings, Suggestion, WithImages, WordBags};
use smvae::{EncoderSource, Post, PostVectors, Prediction, Predictor};
use std::borrow::Borrow;
use std::path::Path;
use std::sync::Arc;

pub(crate) fn run(args: &SuggestArgs) -> anyhow::Result<()> {
    let settings = args.settings()?;
    let outputs = [("--output", Some(args.output.as_path())), ("--manifest", args.manifest.as_deref())];
    output::check_apart(outputs, &args.inputs())?;
    output::check_new(outputs, args.overwrite)?;
    let to = args.to()?;
    let labelled = args.labelled.as_ref().map(Selection::load).transpose()?;
    let digest = manifest_digest(args, labelled.as_ref())?;
    let posts = lines::open(&args.pool, &args.form, &args.columns)?;
    let models = models(args)?;
    let images = images_alike(args, &models)?;
    let mut shortlist = Shortlist::new(&settings)?;
    let words = models.first().map(|model| model.words()).or(args.words.clone()).unwrap_or_default();
    let passed_over = exclude(args, &words, labelled.as_ref(), &mut shortlist)?;
    interrupt::catch()?;
    let read = offer_all(offers(posts, &models, words), args, labelled.as_ref(), images.as_deref(), &mut shortlist)?;
    if let Some(signal) = interrupt::signal() {
        return Err(signal.into());
    }
    let offered = shortlist.n_offered();
    let parts = parts(&args.pool, &read, &shortlist);
    tell_of_images(read.without_image, offered);
    let chosen = choose(shortlist, args, &models, images.as_deref())?;
    if chosen.is_empty() {
        let is_no_pool = offered == 0 && read.labelled == 0 && read.bad > 0;
        let why = if is_no_pool { lines::without_posts(&args.pool) } else { parts };
        return Err(anyhow::Error::msg(why).context("no post is left to suggest: nothing is written"));
    }
    say(parts);
    read.ids.repeated(&name(&args.pool)).iter().for_each(say);
    let manifest = digest.map(|digest| manifest(&settings, &chosen, labelled, digest));
    match to {
        To::Posts(format) => write(args, format, &chosen)?,
        To::Manifest => output::write(&args.output, &manifest.as_ref().map(Selection::to_text).unwrap_or_default())?,
    }
    if let Some((path, manifest)) = args.manifest.as_ref().zip(manifest) {
        manifest.save(path)?;
    }
    tell(&chosen, offered, &settings);
    let says: Vec<u64> = chosen.iter().map(|suggestion| key(suggestion.post.post.words())).collect();
    learned::tell(&args.model, &args.pool, &says);
    let bad = read.bad;
    if bad == 0 && passed_over == 0 {
        return Ok(());
    }
    Err(BadLines { lines: bad, left_out: bad, passed_over, ..BadLines::default() }.into())
}

/// A post of the pool with what models found in it.
struct Offer {
    /// Its place in the pool, in posts from 0.
    position: usize,
    line: Line,
    found: Vec<Prediction>,
    /// Why a model could not read it.
    fault: Option<String>,
}

type Offers = Box<dyn Iterator<Item = Offer> + Send>;

impl Offer {
    fn new((position, line): (usize, Line)) -> Self {
        Self { position, line, found: Vec::new(), fault: None }
    }
}

impl Borrow<Post> for Offer {
    fn borrow(&self) -> &Post {
        &self.line.post
    }
}

/// A post of the pool that may be chosen.
#[derive(Clone, Debug)]
struct Candidate {
    position: usize,
    number: usize,
    id: Option<String>,
    post: Post,
    fields: Fields,
}

impl Borrow<Post> for Candidate {
    fn borrow(&self) -> &Post {
        &self.post
    }
}

fn models(args: &SuggestArgs) -> anyhow::Result<Vec<Arc<Predictor>>> {
    let with_images = |model: Predictor| {
        // To a model of text alone the images say which posts are alike, and no more.
        let is_blind = model.image_identity().is_none() && args.image_share > 0.0;
        if is_blind { Ok(model) } else { model::with_images(model, &args.images, args.device, true) }
    };
    let models = model::load_each(&args.model, args.device, &args.options())?;
    let models =
        model::complete(models, &args.model, with_images, |model| with_captions(model, &args.captions, false))?;
    let models: Vec<Arc<Predictor>> = models.into_iter().map(Arc::new).collect();
    Ok(models)
}

/// The image vectors that tell which posts are alike, if some are to: the model's, or those that
/// the options name.
fn images_alike(args: &SuggestArgs, models: &[Arc<Predictor>]) -> anyhow::Result<Option<Arc<ImageVectors>>> {
    if args.image_share == 0.0 {
        return Ok(None);
    }
    if let Some(vectors) = models.iter().find_map(|model| model.image_vectors()) {
        return Ok(Some(vectors));
    }
    let images = &args.images;
    let vectors = match (&images.image_features, &images.images) {
        (Some(file), _) => ImageVectors::load(file)?,
        (None, Some(folder)) => vectors_of(folder, &images.vision, None, args.device, true)?,
        (None, None) => {
            return Err(Usage(NEEDS_IMAGES.to_owned()).into());
        }
    };
    Ok(Some(Arc::new(vectors)))
}

/// The text encoder that tells which posts are alike, where no model does.
fn encoder(args: &SuggestArgs) -> anyhow::Result<Option<PostEncoder>> {
    let Some(name) = &args.text_encoder else { return Ok(None) };
    let mut watcher = Watcher::new(String::new());
    let device = args.device.open()?;
    Ok(Some(PostEncoder::open(&EncoderSource::named(name)?, &device, &mut |event| watcher.watch(event))?))
}

/// Tells the shortlist of posts that are labelled already, all of them before the first of the pool
/// is offered, which may say what one of them says. How many lines of --exclude are no posts.
fn exclude(
    args: &SuggestArgs,
    words: &WordConvention,
    labelled: Option<&Selection>,
    shortlist: &mut Shortlist<Candidate>,
) -> anyhow::Result<usize> {
    if let Some(labelled) = labelled {
        let positions = labelled_positions(labelled);
        let pool = lines::open(&args.pool, &args.form, &args.columns)?.enumerate();
        // The rest of the pool is read once, when it is offered.
        let pool = pool.take(positions.last().map_or(0, |last| last + 1));
        for (_, record) in pool.filter(|(position, _)| positions.binary_search(position).is_ok()) {
            shortlist.exclude(&Post::of_record(&record?, words)?);
        }
    }
    let mut exclude = |record: &PostRecord| {
        Post::of_record(record, words).map(|post| shortlist.exclude(&post)).map_err(|error| error.to_string())
    };
    let passed_over =
        args.exclude.iter().map(|file| lines::each_post(file, &FileArgs::default(), &args.columns, &mut exclude));
    passed_over.sum()
}

/// Ascending, since a manifest is in order.
fn labelled_positions(labelled: &Selection) -> Vec<usize> {
    labelled.labelled.iter().map(|post| post.position).collect()
}

/// Every post of the pool with what each of the models finds in it, as they are read.
fn offers(posts: lines::Records, models: &[Arc<Predictor>], words: WordConvention) -> Offers {
    let make =
        move |record: &PostRecord| Post::of_record(record, &words).map_err(|error| Fault::Line(error.to_string()));
    let mut offers: Offers = Box::new(lines::lines(posts, 0, make).enumerate().map(Offer::new));
    for model in models {
        let found = |(mut offer, found): (Offer, smvae::Result<Prediction>)| {
            match found {
                Ok(found) => offer.found.push(found),
                Err(error) => offer.fault = Some(error.to_string()),
            }
            offer
        };
        offers = Box::new(model.stream(offers).map(found));
    }
    offers
}

/// What was read of the pool, besides what the shortlist knows.
#[derive(Default)]
struct Read {
    /// Lines that are no posts.
    bad: usize,
    /// Posts that a manifest has as labelled.
    labelled: usize,
    /// Posts that have no vector among those of images.
    without_image: usize,
    ids: pool::Ids,
}

/// Offers every post of the pool.
fn offer_all(
    offers: Offers,
    args: &SuggestArgs,
    labelled: Option<&Selection>,
    images: Option<&ImageVectors>,
    shortlist: &mut Shortlist<Candidate>,
) -> anyhow::Result<Read> {
    let labelled = labelled.map(labelled_positions).unwrap_or_default();
    let mut progress = Progress::new("posts");
    let mut read = Read::default();
    let is_without =
        |post: &Post, images: &ImageVectors| post.image_id.as_ref().and_then(|id| images.get(id)).is_none();
    for Offer { position, line, found, fault } in offers {
        if interrupt::requested() {
            break;
        }
        let fields = match (line.fields, fault) {
            (Ok(fields), None) => Ok(fields),
            (Err(Fault::Input(error)), _) => return Err(error),
            (Err(Fault::Line(why)), _) | (Ok(_), Some(why)) => Err(why),
        };
        match fields {
            Err(why) => {
                anyhow::ensure!(!has_manifest(args), "{}:{}: {why}", name(&args.pool), line.number);
                read.bad += 1;
                if read.bad <= MAX_TOLD {
                    progress.line(format!("{}:{}: {why}", name(&args.pool), line.number));
                }
            }
            // `exclude` has told the shortlist of it.
            Ok(_) if labelled.binary_search(&position).is_ok() => read.labelled += 1,
            Ok(fields) => {
                let post = line.post;
                read.ids.add(line.id.as_deref(), line.number);
                read.without_image += usize::from(images.is_some_and(|images| is_without(&post, images)));
                shortlist.offer(Candidate { position, number: line.number, id: line.id, post, fields }, found)?;
            }
        }
        progress.update(position + 1, 0, String::new);
    }
    Ok(read)
}

/// Chooses among the posts of the shortlist, whose likeness the first model tells, or else a text
/// encoder or the words alone, and their images if these are to count.
fn choose(
    shortlist: Shortlist<Candidate>,
    args: &SuggestArgs,
    models: &[Arc<Predictor>],
    images: Option<&ImageVectors>,
) -> anyhow::Result<Vec<Suggestion<Candidate>>> {
    let encoder = encoder(args)?;
    let texts = models.first().map(|model| &**model as &dyn PostVectors);
    let texts = texts.or(encoder.as_ref().map(|encoder| encoder as &dyn PostVectors)).unwrap_or(&WordBags);
    let mut progress = Progress::new("posts compared");
    let mut on_progress = |done, total| {
        progress.update(done, total, String::new);
        interrupt::flow()
    };
    let chosen = match images {
        Some(images) => {
            let vectors = WithImages::new(texts, images, args.image_share)?;
            shortlist.choose_with(Some(&vectors), &mut on_progress)?
        }
        None => shortlist.choose_with(Some(texts), &mut on_progress)?,
    };
    chosen.ok_or_else(|| interrupt::signal().expect("it was asked to stop").into())
}

/// What became of the posts of the pool.
fn parts(pool: &Path, read: &Read, shortlist: &Shortlist<Candidate>) -> String {
    let (labelled, duplicates, wordless) = (shortlist.n_labelled(), shortlist.n_duplicates(), shortlist.n_wordless());
    let parts = [
        (read.bad, "that cannot be read"),
        (wordless, "without a word"),
        (read.labelled + labelled, "labelled already"),
        (duplicates, "that say what others say"),
        (shortlist.n_offered() - labelled - duplicates - wordless, "to choose from"),
    ];
    pool::parts(&name(pool), &parts)
}

/// Says how many posts are compared by their texts alone, where images were to count.
fn tell_of_images(without: usize, offered: usize) {
    if without == 0 {
        return;
    }
    let all = if without == offered { ": the vectors have other ids" } else { "" };
    say(format!("{without} of {offered} posts have no image vector, and are compared by their texts alone{all}"));
}

/// Whether the places of posts are written, which a line that is no post would shift.
fn has_manifest(args: &SuggestArgs) -> bool {
    args.has_manifest()
}

fn write(args: &SuggestArgs, format: AnswerFormat, chosen: &[Suggestion<Candidate>]) -> anyhow::Result<()> {
    let mut settings = args.label_studio.settings();
    if let (AnswerFormat::Of(Output::LabelStudio), Some(run)) = (format, args.model.first()) {
        settings.model = model::version(run)?;
    }
    let mut writer = AnswerWriter::new(format, Vec::new(), &settings)?;
    for suggestion in chosen {
        let Candidate { number, id, post, fields, .. } = &suggestion.post;
        let origin = PostOrigin { line: *number, id: id.as_deref(), fields };
        let found = suggestion.found.clone();
        let Suggestion { rank, score, ref reason, for_dev, .. } = *suggestion;
        let priority = Priority { rank, score, reason: reason.into(), for_dev };
        if let Written::LeftOut(why) = writer.suggestion(&origin, post, found, &priority)? {
            insist(format!("{}:{number}: {why}", name(&args.pool)));
        }
    }
    let bytes = writer.finish()?;
    if args.output == Path::new("-") {
        return output::print_bytes(&bytes);
    }
    Ok(write_atomically(&args.output, &bytes)?)
}

/// The digest of the pool, where a manifest is read or written. It must be the file that the
/// positions of the manifest count in.
fn manifest_digest(args: &SuggestArgs, labelled: Option<&Selection>) -> anyhow::Result<Option<String>> {
    if !has_manifest(args) && labelled.is_none() {
        return Ok(None);
    }
    if args.pool == Path::new("-") {
        return Err(Usage("a manifest and --labelled need a --pool that is a file".to_owned()).into());
    }
    let digest = sha256_file(&args.pool)?;
    if let Some(labelled) = labelled.filter(|labelled| labelled.train_sha256 != digest) {
        let (want, got) = (labelled.train_sha256.clone(), digest);
        return Err(smvae::data::Error::SelectionDigest { want, got }.into());
    }
    Ok(Some(digest))
}

fn manifest(
    settings: &SuggestSettings,
    chosen: &[Suggestion<Candidate>],
    before: Option<Selection>,
    train_sha256: String,
) -> Selection {
    let mut labelled = before.map(|before| before.labelled).unwrap_or_default();
    // Those for dev are not to be trained on.
    labelled.extend(chosen.iter().filter(|suggestion| !suggestion.for_dev).map(|suggestion| Selected {
        position: suggestion.post.position,
        image_id: suggestion.post.post.image_id.clone().unwrap_or_default(),
    }));
    Selection::of(settings.seed, train_sha256, labelled)
}

/// Says what was chosen, and what it costs to read.
fn tell(chosen: &[Suggestion<Candidate>], offered: usize, settings: &SuggestSettings) {
    let words: usize = chosen.iter().map(|suggestion| suggestion.post.post.words().len()).sum();
    let found: usize = chosen.iter().filter_map(|s| s.found.as_ref()).map(|found| found.entities.len()).sum();
    let dev = chosen.iter().filter(|suggestion| suggestion.for_dev).count();
    let mut line = format!("{} of {offered} posts by {}", chosen.len(), settings.strategy);
    if dev > 0 {
        line += &format!(", {dev} of them at random for dev");
    }
    line += &format!(": {words} words to read");
    if found > 0 {
        line += &format!(", {found} entities found already");
    }
    if chosen.len() < settings.n {
        line += &format!("; {} were asked for, and no more are left", settings.n);
    }
    say(line);
    if settings.strategy == Strategy::Entities
        && !chosen.is_empty()
        && chosen.iter().all(|suggestion| suggestion.score == 0.0)
    {
        say(
            "the model expects no entity in any of them, so that the choice is as good as none: train it further first",
        );
    }
}
