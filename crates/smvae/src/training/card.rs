//! What a run's model card is made of: counts of its posts and entities, and how it came out.

use crate::error::Result;
use crate::run::card::Card;
use crate::run::folder::RunFolder;
use crate::run::record::{EpochRecord, best_of};
use crate::training::data::TrainingData;
use crate::training::prepare::Prepared;
use std::collections::BTreeMap;

/// Writes the model card of a run that is finished, or was stopped after these epochs.
///
/// # Errors
/// Those of writing a file.
pub(crate) fn save(
    folder: &RunFolder,
    prepared: &Prepared<'_>,
    data: &TrainingData,
    records: &[EpochRecord],
    finished: bool,
) -> Result<()> {
    let convention = prepared.config.input.convention;
    let mut entities: BTreeMap<&str, (usize, usize)> =
        prepared.input.labels().types().iter().map(|label| (label.as_str(), (0, 0))).collect();
    for &post in &data.positions.labelled {
        for entity in prepared.input.train()[post].entities(convention)? {
            if let Some((labelled, _)) = entities.get_mut(entity.label.as_str()) {
                *labelled += 1;
            }
        }
    }
    for entity in data.dev_gold.iter().flatten() {
        if let Some((_, dev)) = entities.get_mut(entity.label.as_str()) {
            *dev += 1;
        }
    }
    let path = std::path::absolute(folder.folder()).unwrap_or_else(|_| folder.folder().to_owned());
    let max_width = prepared.config.input.max_width;
    let card = Card {
        name: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
        config: &prepared.config,
        state: &prepared.state,
        entities,
        posts: [data.positions.labelled.len(), data.unlabelled.len(), data.dev.len()],
        wide: data.dev_gold.iter().flatten().filter(|entity| entity.span.width() > max_width).count(),
        epochs: records.len(),
        steps: records.last().map_or(0, |record| record.step),
        best: best_of(records),
        captions: prepared.caption_identity.is_some(),
        dev_is_cut: prepared.input.dev_is_cut,
        finished,
    };
    folder.save_card(&card.text())
}
