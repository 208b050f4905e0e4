//! From the file that describes an experiment to the list of its runs, each with everything it
//! depends on. `plan/file.rs` has the file as it is written, `plan/methods.rs` the settings of its
//! methods, `plan/manifests.rs` whether the files that list labelled posts fit.
//!
//! ```toml
//! text_encoder = "models/all-MiniLM-L6-v2"   # paths are relative to this file
//! baseline = "supervised"                    # every method is compared with this one, on the same draws
//! [corpora.mine]
//! data = "data/mine"
//! image_features = "features/mine.safetensors"   # optional
//! captions = "captions/mine.jsonl"               # optional; experiments read no others
//! draws = "draws/mine-{labels}-{draw}.json"      # optional selection manifests; else seed N draws draw N
//! [settings]                                 # of every method, as in config.json; fields not given are the defaults
//! [methods.supervised]                       # over these
//! [methods.text]
//! images = false                             # without image vectors
//! captions = false                           # without captions
//! bf16 = true                                # layers train in bf16, as with train --bf16
//! [methods.long-text]
//! like = "text"                              # over the settings of that method
//! training = { epochs = 60 }
//! [methods.chosen]                           # posts chosen by models instead of drawn: see `choice`
//! choose = { strategy = "entities", first = 50, with = "supervised" }
//! [[grids]]                                  # any number; a run that two of them ask for is run once
//! corpora = ["mine"]
//! methods = ["supervised", "text"]
//! labels = [50, "all"]                       # "all" has draw 0 alone
//! draws = [0, 1, 2]
//! seeds = [0]
//! dev_only = false                           # true: the test split is not opened
//! text_alone = false                         # true: runs with images or captions are also scored without
//! dev_labels = 100                           # optional: dev is cut to this many posts, drawn by the draw's number
//! ```

mod file;
mod manifests;
mod methods;

use crate::config::Config;
use crate::error::{Error, Result};
use crate::experiment::choice::{Round, Rule};
use crate::experiment::plan::file::{Corpus, File, Grid, Reader};
use crate::experiment::plan::methods::Method;
use crate::experiment::spec::{Choice, LabelCount, Run, RunSpec, Sources};
use crate::inference::predictor::check_surprise;
use crate::suggest::Strategy;
use crate::training::prepare::check_images;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use toml::Spanned;

/// The runs of an experiment, in the order of its grids.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Plan {
    /// The method that the others are compared with.
    pub baseline: Option<String>,
    /// Every run once.
    pub runs: Vec<RunSpec>,
}

/// What a corpus and a method are run with.
#[derive(Clone, Copy)]
struct Cell {
    labels: LabelCount,
    draw: u64,
    seed: u64,
}

impl Grid {
    fn cells(&self) -> Vec<Cell> {
        let mut cells = Vec::new();
        for &labels in &self.labels {
            // If all posts are labelled and dev is whole, nothing is drawn.
            let drawn = labels != LabelCount::All || self.dev_labels.is_some();
            let draws = if drawn { &self.draws[..] } else { &[0] };
            for &draw in draws {
                cells.extend(self.seeds.iter().map(|&seed| Cell { labels, draw, seed }));
            }
        }
        cells
    }

    /// Name of a run of this grid, and what is at the end of it where dev is cut.
    fn id(&self, corpus: &str, method: &str, Cell { labels, draw, seed }: Cell) -> String {
        let dev = self.dev_labels.as_ref().map_or_else(String::new, |n| format!("-dev{}", n.as_ref()));
        format!("{corpus}-{method}-{labels}-d{draw}-s{seed}{dev}")
    }

    fn run(&self, corpus: &str, name: &str, method: &Method, cell: Cell, sources: &Sources) -> Run {
        let Cell { labels, draw, seed } = cell;
        let labelled = match labels {
            LabelCount::All => None,
            LabelCount::Count(n) => Some(n),
        };
        Run {
            id: self.id(corpus, name, cell),
            corpus: corpus.to_owned(),
            method: name.to_owned(),
            labels,
            draw,
            seed,
            dev_labels: self.dev_labels.as_ref().map(|n| *n.as_ref()),
            dev_only: self.dev_only,
            text_alone: self.text_alone,
            images: sources.images.is_some(),
            captions: sources.captions.is_some(),
            bf16: method.bf16,
            manifest: sources.selection.is_some(),
            choice: None,
            config: Config { seed, labelled, selection_seed: Some(draw), ..method.config.clone() },
        }
    }
}

/// A grid's runs on one corpus, and where their methods and files stand.
struct Wanted<'p> {
    file: &'p File,
    methods: &'p BTreeMap<&'p str, Method>,
    grid: &'p Grid,
    corpus: &'p str,
    files: &'p Corpus,
}

impl Plan {
    /// Names of the runs whose models are needed by runs that are not done, and so on back;
    /// `is_done` tells of a run whether it is done, with its model or without.
    pub fn needed(&self, is_done: impl Fn(&RunSpec) -> bool) -> BTreeSet<&str> {
        let mut needed = BTreeSet::new();
        // A run stands after those that it begins with.
        for spec in self.runs.iter().rev() {
            if needed.contains(spec.run.id.as_str()) || !is_done(spec) {
                needed.extend(spec.run.choice.iter().filter_map(|choice| choice.after.as_deref()));
            }
        }
        needed
    }

    /// Reads the file.
    ///
    /// # Errors
    /// [`Error::Read`]; [`Error::Experiment`] with the line for unknown fields, names and settings,
    /// and settings out of their range.
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = std::fs::read_to_string(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        Reader { path, text: &text }.plan()
    }
}

/// Whether the number of a run's draw changes its labelled posts, more than between posts of one
/// value. If not, runs of several draws are no repetitions.
fn depends_on_draw(runs: &[RunSpec], run: &Run) -> bool {
    let Some(Choice { strategy, after, .. }) = &run.choice else { return true };
    let before = after.as_ref().and_then(|id| runs.iter().find(|spec| spec.run.id == *id));
    strategy.is_some_and(Strategy::samples_pool) || before.is_some_and(|spec| depends_on_draw(runs, &spec.run))
}

impl Reader<'_> {
    fn plan(&self) -> Result<Plan> {
        let file = self.read()?;
        let methods = self.methods(&file)?;
        if let Some(name) = file.baseline.as_ref().filter(|name| !methods.contains_key(name.as_ref().as_str())) {
            return Err(self.unknown(name, "method", methods.keys().copied()));
        }
        let mut runs: Vec<RunSpec> = Vec::new();
        for grid in &file.grids {
            for spec in self.runs(&file, &methods, grid)? {
                match runs.iter_mut().find(|run| run.run.id == spec.run.id) {
                    Some(run) if run.run.corpus != spec.run.corpus || run.run.method != spec.run.method => {
                        let why = format!("{} would be the name of two runs: rename a corpus or a method", spec.run.id);
                        return Err(self.error(grid.methods[0].span().start, why));
                    }
                    // Two grids may ask for a run, and only one of them for its test split.
                    Some(run) => {
                        run.run.dev_only &= spec.run.dev_only;
                        run.run.text_alone |= spec.run.text_alone;
                    }
                    None => runs.push(spec),
                }
            }
        }
        if runs.is_empty() {
            return Err(self.error(0, "no grid asks for a run"));
        }
        Ok(Plan { baseline: file.baseline.map(Spanned::into_inner), runs })
    }

    /// The runs of a grid: every corpus with every method, number of labels, draw and seed.
    fn runs(&self, file: &File, methods: &BTreeMap<&str, Method>, grid: &Grid) -> Result<Vec<RunSpec>> {
        if let Some(none) = grid.dev_labels.as_ref().filter(|n| *n.as_ref() == 0) {
            return Err(self.error(none.span().start, "dev_labels must be at least 1"));
        }
        let mut runs = Vec::new();
        for corpus in &grid.corpora {
            let names = || file.corpora.keys().map(|name| name.as_ref().as_str());
            let files = file.corpora.get(corpus).ok_or_else(|| self.unknown(corpus, "corpus", names()))?;
            let wanted = Wanted { file, methods, grid, corpus: corpus.as_ref(), files };
            for name in &grid.methods {
                let known = runs.len();
                for cell in grid.cells() {
                    self.add(&wanted, name, cell, &mut Vec::new(), &mut runs)?;
                }
                let is_one_run = |spec: &RunSpec| spec.run.dev_labels.is_none() && !depends_on_draw(&runs, &spec.run);
                if grid.draws.len() > 1 && runs[known..].iter().any(is_one_run) {
                    let why = format!(
                        "method {} begins with no draw, so that every draw would be one run again: give it a grid of \
                         one draw, and seeds",
                        name.as_ref()
                    );
                    return Err(self.error(name.span().start, why));
                }
            }
        }
        Ok(runs)
    }

    /// Adds a run after those that it begins with. `path` has the runs that led to it.
    fn add(
        &self,
        wanted: &Wanted<'_>,
        name: &Spanned<String>,
        cell: Cell,
        path: &mut Vec<String>,
        runs: &mut Vec<RunSpec>,
    ) -> Result<()> {
        let Wanted { methods, grid, corpus, .. } = wanted;
        let method = methods.get(name.as_ref().as_str());
        let method = method.ok_or_else(|| self.unknown(name, "method", methods.keys().copied()))?;
        let mut sources = self.sources(wanted, method, cell);
        // Posts may have captions of their own, which only the run sees.
        check_images(&method.config, sources.images.is_some(), method.captions)
            .map_err(|e| self.error(name.span().start, format!("method {} on {corpus}: {e}", name.as_ref())))?;
        let id = grid.id(corpus, name.as_ref(), cell);
        if path.contains(&id) {
            let why = format!("the labelled posts of {id} are those of itself: {}", path.join(", then "));
            return Err(self.error(name.span().start, why));
        }
        if method.choose.is_some() && cell.labels == LabelCount::All {
            let why = format!("method {} chooses its labelled posts: labels = \"all\" leaves no choice", name.as_ref());
            return Err(self.error(name.span().start, why));
        }
        path.push(id);
        let choice = self.choice(wanted, name, cell, &mut sources, path, runs)?;
        path.pop();
        let mut run = grid.run(corpus, name.as_ref(), method, cell, &sources);
        run.choice = choice;
        // What nobody asked for but another run needs leaves its test split closed.
        run.dev_only |= !path.is_empty();
        run.text_alone &= path.is_empty();
        runs.push(RunSpec { run, sources });
        Ok(())
    }

    /// How a run chooses its labelled posts, after the runs that it begins with were added: then
    /// its `sources` list none, and have the files of the run before. `None` where the posts are
    /// drawn or listed. `path` ends with the run.
    fn choice(
        &self,
        wanted: &Wanted<'_>,
        name: &Spanned<String>,
        cell: Cell,
        sources: &mut Sources,
        path: &mut Vec<String>,
        runs: &mut Vec<RunSpec>,
    ) -> Result<Option<Choice>> {
        let rule = wanted.methods.get(name.as_ref().as_str()).and_then(|method| method.choose.as_ref());
        let Some(round) = rule.and_then(|rule| rule.round(cell.labels)) else { return Ok(None) };
        let Round { strategy, image_share, before } = round;
        let error = |why: String| self.error(name.span().start, format!("method {}{why}", name.as_ref()));
        if image_share > 0.0 && sources.images.is_none() {
            let why = "choose: image_share needs image_features of the corpus, which the method uses";
            return Err(error(format!(" on {}: {why}", wanted.corpus)));
        }
        sources.selection = None;
        let Some((other, labels)) = before else {
            return Ok(Some(Choice { strategy, image_share, after: None, after_sha256: None }));
        };
        let other = other.map_or_else(|| name.clone(), |other| Spanned::new(name.span(), other.to_owned()));
        self.add(wanted, &other, Cell { labels, ..cell }, path, runs)?;
        // A run is added after those that it begins with.
        let RunSpec { run: before, sources: files } = runs.last().expect("it was just added");
        sources.before = Some(Box::new(files.clone()));
        if strategy == Some(Strategy::Surprise) {
            check_surprise(&before.config.objective).map_err(|e| error(format!(", {}: {e}", before.id)))?;
        }
        let (after, after_sha256) = (Some(before.id.clone()), Some(before.settings_sha256()));
        Ok(Some(Choice { strategy, image_share, after, after_sha256 }))
    }

    fn sources(&self, wanted: &Wanted<'_>, method: &Method, cell: Cell) -> Sources {
        let Wanted { file, corpus: corpus_name, files: corpus, .. } = wanted;
        let folder = self.path.parent().unwrap_or(Path::new(""));
        let place = |path: &Path| std::path::absolute(folder.join(path)).unwrap_or_else(|_| folder.join(path));
        let encoder = place(Path::new(&file.text_encoder));
        let manifest = |name: &str| {
            let name = name.replace("{labels}", &cell.labels.to_string()).replace("{draw}", &cell.draw.to_string());
            place(Path::new(&name.replace("{corpus}", corpus_name)))
        };
        let manifests = method.choose.as_ref().and_then(Rule::manifest).or(corpus.draws.as_deref());
        Sources {
            data: place(&corpus.data),
            // A name that is not a folder is `tiny`, or a model of the hub.
            text_encoder: if encoder.is_dir() { encoder.display().to_string() } else { file.text_encoder.clone() },
            images: corpus.image_features.as_deref().filter(|_| method.images).map(place),
            captions: corpus.captions.as_deref().filter(|_| method.captions).map(place),
            selection: manifests.filter(|_| cell.labels != LabelCount::All).map(manifest),
            before: None,
        }
    }
}

#[cfg(test)]
mod tests;
