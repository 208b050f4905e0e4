//! The splits of a training run as items: tokenised, with candidate spans, and the soft labels of
//! unlabelled posts.
//!
//! Of unlabelled posts it reads words and image alone, never tags.

use crate::config::Config;
use crate::config::distillation::Distillation;
use crate::error::Result;
use crate::input::collate::{Collator, Item};
use crate::scoring::scorer::ScoredSpans;
use crate::training::input::TrainInput;
use crate::training::sampler::{LabelledItem, UnlabelledItem};
use rayon::prelude::*;
use smvae_core::Entity;
use smvae_data::{Sample, Selection, gold_entities};

/// The splits as items.
pub(crate) struct TrainingData {
    pub labelled: Vec<LabelledItem>,
    pub unlabelled: Vec<UnlabelledItem>,
    /// Where these posts are in the training split.
    pub positions: Positions,
    pub dev: Vec<Item>,
    pub dev_gold: Vec<Vec<Entity>>,
    pub words_cut: usize,
}

/// Positions of posts in the training split, in the order of the items.
pub(crate) struct Positions {
    pub labelled: Vec<usize>,
    pub unlabelled: Vec<usize>,
}

impl TrainingData {
    pub(crate) fn collate(
        input: &TrainInput<'_>,
        config: &Config,
        collator: &Collator<'_>,
        selection: &Selection,
    ) -> Result<Self> {
        let (labelled, rest) = selection.split(input.train(), input.train_sha256())?;
        let item = |sample: &Sample| collator.item(sample);
        let labelled_items = labelled.par_iter().map(|&i| {
            let sample = &input.train()[i];
            let item = item(sample)?;
            let entities = sample.entities(config.input.convention)?;
            let candidates = collator.labelled_candidates(&item, &entities, input.labels());
            Ok(LabelledItem { item, candidates })
        });
        let labelled_items: Vec<LabelledItem> = labelled_items.collect::<Result<_>>()?;
        let rest = if config.training.semi { rest.as_slice() } else { &[] };
        let unlabelled = rest.par_iter().map(|&i| {
            let item = item(&input.train()[i])?;
            let candidates = collator.candidates(&item);
            Ok((i, UnlabelledItem { item, candidates, targets: None }))
        });
        let unlabelled: Vec<_> = unlabelled.filter(keep_nonempty).collect::<Result<_>>()?;
        let (positions, unlabelled): (_, Vec<_>) = unlabelled.into_iter().unzip();
        let cut = labelled_items.iter().map(|l| &l.item).chain(unlabelled.iter().map(|u| &u.item));
        Ok(Self {
            words_cut: cut.map(|item| item.n_cut).sum(),
            dev: input.dev().par_iter().map(item).collect::<Result<_>>()?,
            dev_gold: gold_entities(input.dev(), config.input.convention)?,
            labelled: labelled_items,
            unlabelled,
            positions: Positions { labelled, unlabelled: positions },
        })
    }

    /// Gives the unlabelled posts a teacher's soft labels, in their order.
    pub(crate) fn give_targets(&mut self, labels: &[ScoredSpans], distillation: &Distillation) {
        for (item, labels) in self.unlabelled.iter_mut().zip(labels) {
            item.targets = Some(labels.rows().map(|(_, row)| distillation.target(row)).collect());
        }
    }
}

/// Keeps errors, and posts with a candidate.
fn keep_nonempty(item: &Result<(usize, UnlabelledItem)>) -> bool {
    item.as_ref().map_or(true, |(_, item)| !item.candidates.is_empty())
}
