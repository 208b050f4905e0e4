//! Chooses the labelled posts of a run, as its [`Choice`](crate::experiment::Choice) says, with the
//! model of the run before.

use crate::error::{Error, Result};
use crate::experiment::material::Material;
use crate::experiment::spec::RunSpec;
use crate::files::folder::{file_in, named_file};
use crate::flow::Flow;
use crate::inference::load_options::LoadOptions;
use crate::inference::predictor::Predictor;
use crate::inference::vectors::PostVectors;
use crate::input::post::Post;
use crate::run::folder::{RunFolder, WEIGHTS, is_run};
use crate::suggest::{PostEncoder, Shortlist, Strategy, SuggestSettings, Suggestion, WithImages, WordBags};
use crate::training::encoder::EncoderSource;
use crate::training::event::Event;
use smvae_core::candle_core::Device;
use smvae_data::corpus::LoadedSplit;
use smvae_data::selection::Selected;
use smvae_data::{ImageVectors, Selection};
use std::borrow::Borrow;
use std::path::{Path, PathBuf};

/// The chosen posts in a run's folder: a run that begins again has them already.
pub(super) const CHOSEN: &str = "chosen.json";

/// Which posts of a run are labelled.
pub(super) enum Labelled {
    /// Those of the configuration's draw.
    Drawn,
    /// These.
    Chosen(Selection),
    /// The callback ended the choice.
    Stopped,
}

/// The labelled posts of the run in `folder`.
///
/// # Errors
/// [`Error::RunBefore`] if the run before has no model; those of its files and of prediction.
pub(super) fn choose(
    folder: &Path,
    spec: &RunSpec,
    material: &Material,
    device: &Device,
    on_event: &mut dyn FnMut(&Event) -> Flow,
) -> Result<Labelled> {
    let Some(choice) = &spec.run.choice else {
        let Some(manifest) = &spec.sources.selection else { return Ok(Labelled::Drawn) };
        return Ok(Labelled::Chosen(Selection::load(named_file(manifest)?)?));
    };
    let path = file_in(folder, CHOSEN)?;
    if path.exists() {
        return Ok(Labelled::Chosen(Selection::load(path)?));
    }
    let asks_model = choice.strategy.is_some_and(|strategy| strategy != Strategy::Random);
    let before = choice.after.as_ref().map(|id| run_before(folder, spec, id, asks_model)).transpose()?;
    let selection = before.as_ref().map(|run| RunFolder::open(run)?.selection()).transpose()?;
    let chosen = match choice.strategy {
        None => selection.ok_or_else(|| Error::setting("choice", "a strategy or a run before", "neither"))?,
        Some(strategy) => {
            let options = LoadOptions::on(device.clone()).with_prediction(strategy.prediction());
            let asked = before.filter(|_| asks_model);
            let model = asked.map(|run| material.model(&run, &options)).transpose()?;
            let images = material.images.as_ref().filter(|_| choice.image_share > 0.0);
            let look = Look { model: model.as_ref(), images, image_share: choice.image_share };
            match Pool::new(&material.train, selection)?.add(strategy, spec, &look, on_event)? {
                Some(chosen) => chosen,
                None => return Ok(Labelled::Stopped),
            }
        }
    };
    chosen.save(&path)?;
    Ok(Labelled::Chosen(chosen))
}

/// The folder of a run of the same experiment that must have ended, with its weights if they are
/// needed.
fn run_before(folder: &Path, spec: &RunSpec, id: &str, needs_weights: bool) -> Result<PathBuf> {
    let run = folder.with_file_name(id);
    let is_finished = is_run(&run) && RunFolder::open(&run)?.state()?.finished;
    if is_finished && (!needs_weights || file_in(&run, WEIGHTS)?.is_file()) {
        return Ok(run);
    }
    Err(Error::RunBefore { id: spec.run.id.clone(), before: id.to_owned() })
}

/// What tells which posts are worth most and which are alike.
struct Look<'a> {
    model: Option<&'a Predictor>,
    images: Option<&'a ImageVectors>,
    image_share: f32,
}

impl Look<'_> {
    fn choose(&self, shortlist: Shortlist<Placed>, texts: Option<&dyn PostVectors>) -> Result<Vec<Suggestion<Placed>>> {
        match self.images {
            Some(images) => {
                let texts = texts.unwrap_or(&WordBags);
                shortlist.choose(Some(&WithImages::new(texts, images, self.image_share)?))
            }
            None => shortlist.choose(texts),
        }
    }
}

/// A training split, some of whose posts are labelled.
struct Pool<'a> {
    train: &'a LoadedSplit,
    /// Positions of the labelled posts.
    labelled: Vec<usize>,
    /// Those of all others.
    rest: Vec<usize>,
}

/// A post and its place in the split.
#[derive(Clone)]
struct Placed {
    position: usize,
    post: Post,
}

impl Borrow<Post> for Placed {
    fn borrow(&self) -> &Post {
        &self.post
    }
}

impl<'a> Pool<'a> {
    fn new(train: &'a LoadedSplit, selection: Option<Selection>) -> Result<Self> {
        let all = || Ok((Vec::new(), (0..train.samples.len()).collect()));
        let split = |selection: Selection| selection.split(&train.samples, &train.file.sha256);
        let (labelled, rest) = selection.map_or_else(all, split)?;
        Ok(Self { train, labelled, rest })
    }

    /// The labelled posts and those that are chosen beside them, up to the number of the run.
    /// `None` if the callback ended it.
    fn add(
        self,
        strategy: Strategy,
        spec: &RunSpec,
        look: &Look<'_>,
        on_event: &mut dyn FnMut(&Event) -> Flow,
    ) -> Result<Option<Selection>> {
        let samples = &self.train.samples;
        let want = spec.run.config.labelled.unwrap_or(samples.len());
        let known = self.labelled.len();
        let n = want.saturating_sub(known);
        if n == 0 {
            let want = format!("more than the {known} posts that the run before has");
            return Err(smvae_data::Error::Setting { name: "labelled", want, got: spec.run.labels.to_string() }.into());
        }
        let settings = SuggestSettings::new(n).with_strategy(strategy).with_seed(spec.run.draw);
        let mut shortlist = Shortlist::new(&settings)?;
        self.labelled.iter().for_each(|position| shortlist.exclude(&Post::from(&samples[*position])));
        let placed = |position| Placed { position, post: Post::from(&samples[position]) };
        let rest: Vec<Placed> = self.rest.into_iter().map(placed).collect();
        if let Some(model) = look.model.filter(|_| strategy.models() > 0) {
            let posts: Vec<&Post> = rest.iter().map(|placed| &placed.post).collect();
            let found = model.predict_of(&posts, &mut |done, total| on_event(&Event::Choosing { done, total }))?;
            let Some(found) = found else { return Ok(None) };
            rest.into_iter().zip(found).try_for_each(|(placed, found)| shortlist.offer(placed, vec![found]))?;
        } else {
            rest.into_iter().try_for_each(|placed| shortlist.offer(placed, Vec::new()))?;
        }
        let chosen = match look.model {
            Some(model) => look.choose(shortlist, Some(model))?,
            // Which posts are alike does not matter to chance.
            None if strategy == Strategy::Random => shortlist.choose(None)?,
            None => {
                let encoder = EncoderSource::named(&spec.sources.text_encoder)?;
                let encoder = match encoder {
                    // It has learnt nothing: posts are as alike as they share words.
                    EncoderSource::Tiny => None,
                    _ => Some(PostEncoder::open(&encoder, &Device::Cpu, on_event)?),
                };
                look.choose(shortlist, encoder.as_ref().map(|encoder| encoder as &dyn PostVectors))?
            }
        };
        if chosen.len() < n {
            let want = format!("at most {}: so many posts of the split differ", self.labelled.len() + chosen.len());
            return Err(smvae_data::Error::Setting { name: "labelled", want, got: spec.run.labels.to_string() }.into());
        }
        let positions = self.labelled.into_iter().chain(chosen.iter().map(|suggestion| suggestion.post.position));
        let labelled = positions.map(|position| Selected::of(samples, position));
        Ok(Some(Selection::of(spec.run.draw, &self.train.file.sha256, labelled)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::plan::Plan;
    use smvae_data::Split;
    use smvae_data::corpus::load_split;

    const FILE: &str = r#"
text_encoder = "tiny"
corpora.c = { data = "." }
methods.more.choose = { strategy = "random", first = 1 }
[[grids]]
corpora = ["c"]
methods = ["more"]
labels = [2]
draws = [0]
"#;

    #[test]
    fn a_run_before_that_has_all_the_posts_is_said() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).expect("writable");
        let post = |i: usize, word: &str| format!("IMGID:{i}\n{word}\tB-LOC\n\n");
        write("train.txt", &[post(1, "Oslo"), post(2, "Paris"), post(3, "Rome")].concat());
        write("experiment.toml", FILE);
        let plan = Plan::read(dir.path().join("experiment.toml")).expect("a plan");
        let spec = plan.runs.last().expect("a run");
        let train = load_split(dir.path(), Split::Train).expect("a split");
        let add = |labelled: &[usize]| {
            let look = Look { model: None, images: None, image_share: 0.0 };
            let pool = Pool { train: &train, labelled: labelled.to_vec(), rest: (labelled.len()..3).collect() };
            pool.add(Strategy::Random, spec, &look, &mut |_: &Event| Flow::Continue)
        };
        assert_eq!(add(&[0]).expect("one is chosen").map(|chosen| chosen.labelled.len()), Some(2));
        for labelled in [&[0, 1][..], &[0, 1, 2]] {
            let error = add(labelled).expect_err("there is nothing to choose").to_string();
            let want =
                format!("`labelled` must be more than the {} posts that the run before has, got 2", labelled.len());
            assert!(error.contains(&want), "{error}");
        }
    }
}
