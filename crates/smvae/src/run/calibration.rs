//! How the scores of a run are calibrated: `calibration.json` of its folder.
//!
//! The temperature is that of `smvae_core::calibration`, fitted on the entities that the best epoch
//! found in dev. Decisions do not depend on it.

use crate::run::predictions::PostPrediction;
use crate::scoring::entity::ScoredEntity;
use serde::{Deserialize, Serialize};
use smvae_core::LabelSet;
use smvae_core::calibration::fit_temperature;

/// The temperature of a run's scores.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Calibration {
    /// Above 1 where the scores are too high, as they mostly are.
    pub temperature: f64,
    /// Entities on which it was fitted.
    pub entities: usize,
}

impl Calibration {
    /// The temperature that fits what was found in dev. `None` if that is nothing.
    pub(crate) fn fit(dev: &[PostPrediction], labels: &LabelSet) -> Option<Self> {
        let rows: Vec<(&[f32], usize)> = dev.iter().flat_map(|post| rows(post, labels)).collect();
        fit_temperature(&rows).map(|temperature| Self { temperature, entities: rows.len() })
    }

    /// Whether scores can be divided by it.
    pub(crate) fn is_usable(self) -> bool {
        self.temperature.is_finite() && self.temperature > 0.0
    }
}

/// The probabilities of each found entity of a post, with the gold class of its words. An entity
/// whose gold label the run does not know is left out.
fn rows<'a>(post: &'a PostPrediction, labels: &LabelSet) -> Vec<(&'a [f32], usize)> {
    let row = |entity: &'a ScoredEntity| {
        let gold = post.gold.iter().find(|gold| gold.words == entity.words);
        let class = gold.map_or(Some(0), |gold| labels.index(&gold.label))?;
        Some((entity.probabilities.as_slice(), class))
    };
    post.entities.iter().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn post(line: &str) -> PostPrediction {
        serde_json::from_str(line).expect("a post with predictions")
    }

    #[test]
    fn scores_that_are_too_high_have_a_temperature_above_one() {
        let labels = LabelSet::new(["X"]).expect("one label");
        let right = r#"{"image_id":"","words":["a"],"gold":[{"start":0,"end":1,"label":"X","words":[0,1]}],"entities":[{"start":0,"end":1,"label":"X","score":0.9,"words":[0,1],"probabilities":[0.1,0.9]}]}"#;
        let wrong = r#"{"image_id":"","words":["a"],"gold":[],"entities":[{"start":0,"end":1,"label":"X","score":0.9,"words":[0,1],"probabilities":[0.1,0.9]}]}"#;
        let unknown = right.replacen("\"X\"", "\"Y\"", 1);
        let dev = [post(right), post(right), post(right), post(wrong), post(wrong), post(&unknown)];
        let fitted = Calibration::fit(&dev, &labels).expect("there are entities");
        assert!(fitted.temperature > 1.0 && fitted.is_usable() && fitted.entities == 5, "{fitted:?}");
        // Three of five are right, and that is what the scores say then.
        let told = smvae_core::calibration::tempered(&[0.1, 0.9], fitted.temperature)[1];
        assert!((told - 0.6).abs() < 1e-3, "{told}");
        assert_eq!(Calibration::fit(&[], &labels), None);
    }
}
