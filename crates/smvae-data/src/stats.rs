//! What a corpus holds, counted: sizes, entities by convention and type, candidates by width,
//! repeats, tag anomalies.
//!
//! All counts are of the file's own words, URL words included, unless a field says otherwise;
//! everything can be serialised.

use crate::corpus::{Corpus, Split, SplitFile, label_set, unknown_types};
use crate::known::known_file;
use crate::{Convention, Result, Sample, is_url};
use serde::Serialize;
use smvae_core::bio::Tag;
use smvae_core::spans::count_candidate_spans;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::hash::Hash;

/// Width limits that candidates are counted for; they are also counted without a limit.
pub const WIDTH_LIMITS: [usize; 8] = [1, 2, 3, 4, 5, 6, 8, 10];

/// Counts of a corpus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CorpusStats {
    /// `O` and the types of the training split, in class order.
    pub labels: Vec<String>,
    /// Counts of each split that there is.
    pub splits: BTreeMap<Split, SplitStats>,
    /// Types of a split that the training split lacks; splits without such types are left out.
    pub unknown_types: BTreeMap<Split, Vec<String>>,
    /// What each two of these splits share.
    pub shared: Vec<Shared>,
}

impl CorpusStats {
    /// Counts a corpus.
    ///
    /// # Errors
    /// [`Error::Tags`](crate::Error::Tags) for a malformed tag.
    pub fn of(corpus: &Corpus) -> Result<Self> {
        let splits = Split::ALL.map(|split| (split, (corpus.split(split), corpus.files.split(split))));
        Self::of_splits(&splits.into())
    }

    /// Counts the splits that there are, with their files. Labels are those of the training split.
    ///
    /// # Errors
    /// [`Error::Tags`](crate::Error::Tags) for a malformed tag,
    /// [`Error::Labels`](crate::Error::Labels) for a type named `O`.
    pub fn of_splits(splits: &BTreeMap<Split, (&[Sample], &SplitFile)>) -> Result<Self> {
        let labels = label_set(splits.get(&Split::Train).map_or(&[][..], |(samples, _)| *samples))?;
        let (mut counted, mut unknown) = (BTreeMap::new(), BTreeMap::new());
        for (&split, &(samples, file)) in splits {
            counted.insert(split, SplitStats::of(samples, Some(file))?);
            let types = unknown_types(&labels, samples)?;
            if !types.is_empty() {
                unknown.insert(split, types);
            }
        }
        let pairs = [(Split::Train, Split::Dev), (Split::Train, Split::Test), (Split::Dev, Split::Test)];
        let shared = |(a, b): (Split, Split)| {
            let (of_a, of_b) = (splits.get(&a)?.0, splits.get(&b)?.0);
            let image_ids = common(of_a, of_b, Sample::image);
            Some(Shared { splits: (a, b), image_ids, texts: common(of_a, of_b, |s| Some(&s.words)) })
        };
        let shared = pairs.into_iter().filter_map(shared).collect();
        Ok(Self { labels: labels.names().to_vec(), splits: counted, unknown_types: unknown, shared })
    }
}

/// Counts of one split.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SplitStats {
    /// The file, if the samples came from one.
    pub file: Option<FileStats>,
    /// Posts.
    #[serde(rename = "tweets")]
    pub posts: usize,
    /// Words.
    pub words: usize,
    /// Distinct words, case-sensitive.
    pub distinct_words: usize,
    /// Words that [`is_url`] finds.
    pub url_words: usize,
    /// Words of the longest post.
    #[serde(rename = "longest_tweet")]
    pub longest_post: usize,
    /// Words of the longest entity, by [`Convention::Conlleval`].
    pub longest_entity: usize,
    /// Entities, by the name of the convention.
    pub entities: BTreeMap<&'static str, EntityCounts>,
    /// Candidate spans for each of [`WIDTH_LIMITS`] and without a limit.
    pub candidates: Vec<CandidateCounts>,
    /// Image ids that several posts have.
    pub repeated_ids: Repeats,
    /// Texts (sequences of words) that several posts have.
    pub repeated_texts: Repeats,
    /// `I-` tags that continue nothing.
    pub anomalies: TagAnomalies,
}

/// A corpus file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FileStats {
    /// Path and digest.
    #[serde(flatten)]
    pub file: SplitFile,
    /// Its name, if it is one of [`KNOWN_FILES`](crate::known::KNOWN_FILES).
    pub known_as: Option<&'static str>,
}

/// Entities by type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct EntityCounts {
    /// All entities.
    pub total: usize,
    /// Entities of each type.
    pub by_type: BTreeMap<String, usize>,
}

/// Candidate spans under a width limit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CandidateCounts {
    /// The limit in words; `None` for no limit.
    pub max_width: Option<usize>,
    /// Candidates over all words.
    pub spans: usize,
    /// Candidates when URL words are left out.
    pub spans_without_urls: usize,
    /// Entities (by [`Convention::Conlleval`]) the limit can reach.
    pub entities: usize,
}

/// Values that more than one post has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Repeats {
    /// Distinct values that repeat.
    pub values: usize,
    /// Posts that have one of them.
    #[serde(rename = "tweets")]
    pub posts: usize,
}

/// `I-` tags that continue no entity of their type: what conventions differ on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct TagAnomalies {
    /// `I-X` after `O` or at the start of a post.
    pub inside_after_outside: usize,
    /// `I-X` after `B-Y` or `I-Y`.
    pub inside_after_other_type: usize,
}

/// Distinct values that two splits have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// The two splits.
    pub splits: (Split, Split),
    /// Image ids in both.
    pub image_ids: usize,
    /// Texts in both.
    pub texts: usize,
}

impl SplitStats {
    /// Counts some posts; `file` is where they came from.
    ///
    /// # Errors
    /// [`Error::Tags`](crate::Error::Tags) for a malformed tag.
    pub fn of(samples: &[Sample], file: Option<&SplitFile>) -> Result<Self> {
        let mut entities = BTreeMap::new();
        let mut widths = Vec::new();
        for convention in Convention::ALL {
            let mut counts = EntityCounts::default();
            for entity in samples.iter().map(|s| s.entities(convention)).collect::<Result<Vec<_>>>()?.concat() {
                if convention == Convention::Conlleval {
                    widths.push(entity.span.width());
                }
                counts.total += 1;
                *counts.by_type.entry(entity.label).or_default() += 1;
            }
            entities.insert(convention.name(), counts);
        }
        let words = || samples.iter().flat_map(|sample| &sample.words);
        Ok(Self {
            file: file.map(|file| FileStats { file: file.clone(), known_as: known_file(&file.sha256) }),
            posts: samples.len(),
            words: words().count(),
            distinct_words: words().collect::<HashSet<_>>().len(),
            url_words: words().filter(|word| is_url(word)).count(),
            longest_post: samples.iter().map(|sample| sample.words.len()).max().unwrap_or(0),
            longest_entity: widths.iter().copied().max().unwrap_or(0),
            entities,
            candidates: candidate_counts(samples, &widths),
            repeated_ids: repeats(samples, Sample::image),
            repeated_texts: repeats(samples, |sample| Some(&sample.words)),
            anomalies: samples.iter().fold(TagAnomalies::default(), |sum, sample| {
                let (after_outside, after_other_type) = anomalies(&sample.tags);
                TagAnomalies {
                    inside_after_outside: sum.inside_after_outside + after_outside,
                    inside_after_other_type: sum.inside_after_other_type + after_other_type,
                }
            }),
        })
    }
}

fn candidate_counts(samples: &[Sample], entity_widths: &[usize]) -> Vec<CandidateCounts> {
    let lengths = samples.iter().map(|sample| {
        let urls = sample.words.iter().filter(|word| is_url(word)).count();
        (sample.words.len(), sample.words.len() - urls)
    });
    let lengths: Vec<(usize, usize)> = lengths.collect();
    let limits = WIDTH_LIMITS.map(Some).into_iter().chain([None]);
    let count = |max_width: Option<usize>| {
        let limit = max_width.unwrap_or(usize::MAX);
        CandidateCounts {
            max_width,
            spans: lengths.iter().map(|&(all, _)| count_candidate_spans(all, limit)).sum(),
            spans_without_urls: lengths.iter().map(|&(_, kept)| count_candidate_spans(kept, limit)).sum(),
            entities: entity_widths.iter().filter(|&&width| width <= limit).count(),
        }
    };
    limits.map(count).collect()
}

/// `I-` tags after `O` or at the start, and after another type. The tags have been parsed before.
fn anomalies(tags: &[String]) -> (usize, usize) {
    let tags = tags.iter().map(|tag| Tag::parse(tag).unwrap_or(Tag::O));
    let mut counts = (0, 0);
    let mut before = None;
    for tag in tags {
        let (label, inside) = match tag {
            Tag::O => (None, false),
            Tag::B(label) => (Some(label), false),
            Tag::I(label) => (Some(label), true),
        };
        match before {
            None if inside => counts.0 += 1,
            Some(_) if inside && before != label => counts.1 += 1,
            _ => {}
        }
        before = label;
    }
    counts
}

fn repeats<'a, T: Eq + Hash>(samples: &'a [Sample], value: impl Fn(&'a Sample) -> Option<T>) -> Repeats {
    let mut counts: HashMap<T, usize> = HashMap::new();
    for value in samples.iter().filter_map(value) {
        *counts.entry(value).or_default() += 1;
    }
    let repeated = || counts.values().filter(|&&count| count > 1);
    Repeats { values: repeated().count(), posts: repeated().sum() }
}

fn common<'a, T: Ord>(a: &'a [Sample], b: &'a [Sample], value: impl Fn(&'a Sample) -> Option<T>) -> usize {
    let set = |samples: &'a [Sample]| samples.iter().filter_map(&value).collect::<BTreeSet<_>>();
    set(a).intersection(&set(b)).count()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Reader;

    #[test]
    fn the_splits_that_there_are_are_counted() {
        let samples = |text: &str| -> Vec<Sample> {
            Reader::new(text.as_bytes(), "t").collect::<Result<_>>().expect("well-formed")
        };
        let (train, test) = (samples("IMGID:1\na\tB-X\n"), samples("IMGID:1\na\tB-Y\n"));
        let file = SplitFile { path: "t".into(), sha256: String::new() };
        let of = |splits: &[(Split, &[Sample])]| {
            let splits = splits.iter().map(|&(split, samples)| (split, (samples, &file))).collect();
            CorpusStats::of_splits(&splits).expect("well-formed tags")
        };
        let alone = of(&[(Split::Train, &train[..])]);
        assert_eq!((alone.labels.join(" "), alone.splits.len(), alone.shared.len()), ("O X".to_owned(), 1, 0));
        let both = of(&[(Split::Train, &train[..]), (Split::Test, &test[..])]);
        assert_eq!(both.shared, [Shared { splits: (Split::Train, Split::Test), image_ids: 1, texts: 1 }]);
        assert_eq!(both.unknown_types, [(Split::Test, vec!["Y".to_owned()])].into());
    }

    #[test]
    fn a_small_split_is_counted() {
        let text = "IMGID:1\na\tB-X\nb\tI-X\nhttp://t\tO\nc\tI-Y\n\nIMGID:1\na\tB-X\nb\tI-Y\nc\tI-Y\n\n\
                    IMGID:2\na\tO\nb\tO\nc\tI-X\n\n";
        let samples: Vec<Sample> = Reader::new(text.as_bytes(), "t").collect::<Result<_>>().expect("well-formed");
        let got = SplitStats::of(&samples, None).expect("well-formed tags");
        assert_eq!((got.posts, got.words, got.distinct_words, got.url_words), (3, 10, 4, 1));
        assert_eq!((got.longest_post, got.longest_entity), (4, 2));
        assert_eq!(got.anomalies, TagAnomalies { inside_after_outside: 2, inside_after_other_type: 1 });
        assert_eq!(got.repeated_ids, Repeats { values: 1, posts: 2 });
        assert_eq!(got.repeated_texts, Repeats { values: 1, posts: 2 });
        // Posts without images have no id in common.
        let without: Vec<Sample> = samples.iter().map(|s| Sample { image_id: String::new(), ..s.clone() }).collect();
        let got = SplitStats::of(&without, None).expect("well-formed tags");
        assert_eq!(got.repeated_ids, Repeats { values: 0, posts: 0 });
        let total = |name: &str| got.entities[name].total;
        assert_eq!((total("conlleval"), total("strict"), total("authors")), (5, 2, 4));
        assert_eq!(got.entities["conlleval"].by_type, [("X".into(), 3), ("Y".into(), 2)].into());
        let spans =
            |i: usize| (got.candidates[i].spans, got.candidates[i].spans_without_urls, got.candidates[i].entities);
        assert_eq!((spans(0), spans(1), spans(8)), ((10, 9, 3), (17, 15, 5), (22, 18, 5)));
        assert_eq!(got.candidates[8].max_width, None);
    }
}
