//! How an experiment chooses the labelled posts of a run where they are not drawn at random: the
//! rule that a method states, and what it comes to for one run.
//!
//! ```toml
//! [methods.entities]
//! choose = { strategy = "entities", first = 50, step = 25, with = "supervised" }
//! [methods.entities-taught]
//! choose = { same_as = "entities" }
//! [methods.entities-of-before]
//! choose = { manifest = "chosen/{corpus}-entities-{labels}-{draw}.json" }
//! ```
//! The first 50 posts are the draw's. A run with 100 labels has the posts of the run with 75 and 25
//! more, which that run's model chose among the rest; a run with 75 has the draw's 50 and 25 that
//! the model of `supervised` chose, and so on. Without `step` all posts beyond the first are chosen
//! at once; `first` is 0 where there is no model yet, and `with` is the method itself unless it is
//! stated. With `image_share` images have this share in telling which posts are alike. The
//! strategies are those of [`suggest`](crate::suggest), the seed is the draw's number. `same_as`
//! has the posts that another method chose in the same experiment, and `manifest` those of a choice
//! that was made before, one file per run, which needs no run before it.

use crate::experiment::spec::LabelCount;
use crate::suggest::Strategy;
use serde::Deserialize;

/// What a method says of the choice of its labelled posts.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    strategy: Option<Strategy>,
    image_share: Option<f32>,
    first: Option<usize>,
    step: Option<usize>,
    with: Option<String>,
    same_as: Option<String>,
    manifest: Option<String>,
}

/// What a rule comes to for a number of labels.
#[derive(Debug, PartialEq)]
pub(super) struct Round<'r> {
    pub strategy: Option<Strategy>,
    pub image_share: f32,
    /// Method and number of labels of the run before. `None` for the method itself.
    pub before: Option<(Option<&'r str>, LabelCount)>,
}

impl Rule {
    /// Whether it can be followed.
    pub(super) fn validate(&self) -> Result<(), String> {
        let Self { strategy, image_share, first, step, with, same_as, manifest } = self;
        let rule = [strategy.is_some(), first.is_some(), step.is_some(), with.is_some(), image_share.is_some()];
        let has_rule = rule.contains(&true);
        match (same_as, manifest) {
            (Some(_), _) if has_rule || manifest.is_some() => {
                return Err("choose: same_as takes the posts of another method and stands alone".to_owned());
            }
            (_, Some(_)) if has_rule => {
                return Err("choose: manifest takes the posts that a file lists and stands alone".to_owned());
            }
            (_, Some(name)) => return places_are_known(name),
            (Some(_), None) => return Ok(()),
            (None, None) => {}
        }
        let Some(strategy) = strategy else {
            let others = "or take another method's posts by same_as, those of a file by manifest";
            return Err(format!("choose: strategy is missing; {others}"));
        };
        if image_share.is_some_and(|share| !(0.0..=1.0).contains(&share)) {
            return Err("choose: image_share must be a share, 0 to 1".to_owned());
        }
        if *strategy == Strategy::Random && image_share.is_some_and(|share| share > 0.0) {
            return Err("choose: random looks at no post, and so at no image_share".to_owned());
        }
        if *step == Some(0) {
            return Err("choose: step must be at least 1".to_owned());
        }
        match strategy.models() {
            0 => Ok(()),
            1 if first.unwrap_or(0) > 0 => Ok(()),
            1 => Err(format!("choose: {strategy} needs a model: state first, how many posts are drawn for one")),
            n => Err(format!("choose: {strategy} needs {n} models, and a run has one")),
        }
    }

    /// The file of the posts that were chosen before, with places for what changes from run to run.
    pub(super) fn manifest(&self) -> Option<&str> {
        self.manifest.as_deref()
    }

    /// What it comes to. `None` where the draw or a manifest gives all posts.
    pub(super) fn round(&self, labels: LabelCount) -> Option<Round<'_>> {
        let LabelCount::Count(n) = labels else { return None };
        if self.manifest.is_some() {
            return None;
        }
        if let Some(other) = &self.same_as {
            return Some(Round { strategy: None, image_share: 0.0, before: Some((Some(other), labels)) });
        }
        let first = self.first.unwrap_or(0);
        if n <= first {
            return None;
        }
        let before = self.step.map_or(first, |step| n.saturating_sub(step).max(first));
        let method = if before == first { self.with.as_deref() } else { None };
        let before = (before > 0).then_some((method, LabelCount::Count(before)));
        Some(Round { strategy: self.strategy, image_share: self.image_share.unwrap_or(0.0), before })
    }
}

/// Places in a manifest's name for what changes from run to run.
const PLACES: [&str; 3] = ["{corpus}", "{labels}", "{draw}"];

fn places_are_known(name: &str) -> Result<(), String> {
    let rest = PLACES.iter().fold(name.to_owned(), |name, place| name.replace(place, ""));
    if rest.contains(['{', '}']) {
        return Err(format!("choose: {name:?} has a place that is not filled in; {} are", PLACES.join(", ")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Rule {
        toml::from_str(text).expect("a rule")
    }

    #[track_caller]
    fn check(text: &str, labels: usize, want: Option<Option<(Option<&str>, usize)>>) {
        let rule = rule(text);
        rule.validate().expect("can be followed");
        let count = LabelCount::Count(labels);
        let before = rule.round(count).map(|round| round.before);
        let want = want.map(|before| before.map(|(method, n)| (method, LabelCount::Count(n))));
        assert_eq!(before, want, "{text} with {labels}");
    }

    #[test]
    fn rounds_lead_back_to_the_draw() {
        let rounds = "strategy = 'entities'\nfirst = 50\nstep = 25\nwith = 'base'";
        check(rounds, 50, None);
        check(rounds, 75, Some(Some((Some("base"), 50))));
        check(rounds, 100, Some(Some((None, 75))));
        check(rounds, 60, Some(Some((Some("base"), 50))));
        check("strategy = 'entropy'\nfirst = 50", 200, Some(Some((None, 50))));
        check("strategy = 'names'", 25, Some(None));
        check("strategy = 'typical'\nstep = 25", 50, Some(Some((None, 25))));
        check("same_as = 'entities'", 100, Some(Some((Some("entities"), 100))));
        check("manifest = 'chosen/{corpus}-{labels}-{draw}.json'", 100, None);
        assert_eq!(rule(rounds).round(LabelCount::All), None);
    }

    #[test]
    fn a_rule_that_cannot_be_followed_says_why() {
        for (text, why) in [
            ("first = 5", "strategy is missing"),
            ("strategy = 'entities'", "needs a model"),
            ("strategy = 'disagreement'\nfirst = 5", "2 models"),
            ("strategy = 'names'\nstep = 0", "at least 1"),
            ("strategy = 'names'\nimage_share = 1.5", "0 to 1"),
            ("strategy = 'random'\nimage_share = 0.5", "looks at no post"),
            ("same_as = 'a'\nfirst = 5", "same_as takes the posts of another method and stands alone"),
            ("same_as = 'a'\nmanifest = 'b'", "same_as takes the posts of another method and stands alone"),
            ("manifest = 'a-{drw}.json'", "has a place that is not filled in; {corpus}, {labels}, {draw} are"),
            ("manifest = 'a'\nstrategy = 'names'", "manifest takes the posts that a file lists and stands alone"),
        ] {
            let error = rule(text).validate().expect_err(text);
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
