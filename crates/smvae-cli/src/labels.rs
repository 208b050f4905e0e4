//! The labels of posts with their counts, in one line for people to read over: a label that was
//! written in two ways is two labels to a model.

use crate::progress::say;
use smvae::data::Entity;
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Labels that are named; of the rest the number is told.
const NAMED: usize = 20;

/// How many entities have each label.
#[derive(Debug, Default)]
pub(crate) struct LabelCounts(BTreeMap<String, usize>);

impl LabelCounts {
    /// Counts the entities of a post.
    pub(crate) fn add(&mut self, entities: &[Entity]) {
        for entity in entities {
            *self.0.entry(entity.label.clone()).or_default() += 1;
        }
    }

    /// Says them, and warns of those that differ in capitals alone.
    pub(crate) fn tell(&self) {
        self.tell_as("labels");
    }

    /// The same, where there is more to say of which labels they are than `labels`.
    pub(crate) fn tell_as(&self, what: &str) {
        self.line(what).iter().for_each(say);
        self.warnings().iter().for_each(say);
    }

    /// All of them, the most frequent first.
    fn line(&self, what: &str) -> Option<String> {
        let mut counts: Vec<(&String, &usize)> = self.0.iter().collect();
        counts.sort_by_key(|(_, n)| Reverse(**n));
        let named: Vec<String> = counts.iter().take(NAMED).map(|(label, n)| format!("{label} {n}")).collect();
        let more = counts.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        (!named.is_empty()).then(|| format!("{what}: {}{more}", named.join(", ")))
    }

    fn warnings(&self) -> Vec<String> {
        let mut alike: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for label in self.0.keys() {
            alike.entry(label.to_lowercase()).or_default().push(label);
        }
        let warning = |labels: Vec<&str>| {
            let labels: Vec<String> = labels.iter().map(|label| format!("{label:?}")).collect();
            format!("warning: the labels {} differ in capitals alone, and are different labels", labels.join(" and "))
        };
        alike.into_values().filter(|labels| labels.len() > 1).map(warning).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smvae::data::Span;

    fn counts(labels: &[&str]) -> LabelCounts {
        let mut counts = LabelCounts::default();
        let entity = |label: &&str| Entity { span: Span::new(0, 1), label: (*label).to_owned() };
        counts.add(&labels.iter().map(entity).collect::<Vec<_>>());
        counts
    }

    #[test]
    fn labels_are_told_with_their_counts() {
        assert_eq!(counts(&[]).line("labels"), None);
        let some = counts(&["PER", "LOC", "ORG", "PER"]);
        assert_eq!(some.line("labels").as_deref(), Some("labels: PER 2, LOC 1, ORG 1"));
        assert!(some.warnings().is_empty());
        let names: Vec<String> = (0..NAMED + 3).map(|i| format!("L{i}")).collect();
        let many = counts(&names.iter().map(String::as_str).collect::<Vec<_>>());
        assert!(many.line("labels").is_some_and(|line| line.ends_with(" and 3 more")));
    }

    #[test]
    fn labels_that_differ_in_capitals_alone_are_told() {
        let want = "warning: the labels \"PER\" and \"Per\" differ in capitals alone, and are different labels";
        assert_eq!(counts(&["Per", "PER", "LOC"]).warnings(), [want]);
    }
}
