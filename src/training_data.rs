//! The splits of a training run as items: tokenised, with candidate spans, and the soft labels of unlabelled tweets.
//!
//! Of unlabelled tweets only words and image are read, never tags.

use crate::collate::{Collator, Item};
use crate::config::Config;
use crate::distillation::Distillation;
use crate::evaluate::gold;
use crate::sampler::{LabelledItem, UnlabelledItem};
use crate::scorer::ScoredSpans;
use crate::trainer::TrainInput;
use crate::{Error, Result};
use rayon::prelude::*;
use smvae_core::Entity;
use smvae_data::{Sample, Selection};

/// The splits as items.
pub(crate) struct TrainingData {
    pub labelled: Vec<LabelledItem>,
    pub unlabelled: Vec<UnlabelledItem>,
    pub dev: Vec<Item>,
    pub dev_gold: Vec<Vec<Entity>>,
    pub words_cut: usize,
}

impl TrainingData {
    pub(crate) fn collate(
        input: &TrainInput<'_>,
        config: &Config,
        collator: &Collator<'_>,
        selection: &Selection,
    ) -> Result<Self> {
        let (labelled, rest) = selection.split(input.train, input.train_sha256)?;
        let item = |sample: &Sample| collator.item(&sample.words, Some(&sample.image_id));
        let labelled = labelled.par_iter().map(|&i| {
            let sample = &input.train[i];
            let item = item(sample)?;
            let entities = sample.entities(config.input.convention)?;
            if let Some(unknown) = entities.iter().find(|entity| input.labels.index(&entity.label).is_none()) {
                let (image_id, label) = (sample.image_id.clone(), unknown.label.clone());
                return Err(Error::UnknownType { image_id, label });
            }
            let candidates = collator.labelled_candidates(&item, &entities, input.labels);
            Ok(LabelledItem { item, candidates })
        });
        let labelled: Vec<LabelledItem> = labelled.collect::<Result<_>>()?;
        let rest = if config.training.semi { rest.as_slice() } else { &[] };
        let unlabelled = rest.par_iter().map(|&i| {
            let item = item(&input.train[i])?;
            let candidates = collator.candidates(&item).collect::<Vec<_>>();
            Ok(UnlabelledItem { item, candidates, targets: None })
        });
        let unlabelled: Vec<_> = unlabelled.filter(keep_nonempty).collect::<Result<_>>()?;
        let cut = labelled.iter().map(|l| &l.item).chain(unlabelled.iter().map(|u| &u.item));
        Ok(Self {
            words_cut: cut.map(|item| item.n_cut).sum(),
            dev: input.valid.par_iter().map(item).collect::<Result<_>>()?,
            dev_gold: gold(input.valid, config.input.convention)?,
            labelled,
            unlabelled,
        })
    }

    /// Gives the unlabelled tweets a teacher's soft labels, in their order.
    pub(crate) fn give_targets(&mut self, labels: &[ScoredSpans], distillation: &Distillation) {
        for (item, labels) in self.unlabelled.iter_mut().zip(labels) {
            item.targets = Some(labels.rows().map(|(_, row)| distillation.target(row)).collect());
        }
    }
}

/// Keeps errors, and tweets with a candidate.
fn keep_nonempty(item: &Result<UnlabelledItem>) -> bool {
    item.as_ref().map_or(true, |item| !item.candidates.is_empty())
}
