//! Tests of tag schemes: the same entities in each, ill-formed tags, what is told from tags.

use super::*;
use crate::bio::{Convention, read_entities};
use proptest::prelude::*;

fn split(tags: &str) -> Vec<&str> {
    tags.split_whitespace().collect()
}

/// Entities as `start..end label` read from tags of a scheme.
#[track_caller]
fn check(scheme: Scheme, tags: &str, want: &[(usize, usize, &str)]) {
    let want: Vec<Entity> = want.iter().map(|&(a, b, label)| Entity::new(a, b, label)).collect();
    assert_eq!(scheme.entities(&split(tags)).expect("tags of the scheme"), want, "{scheme}: {tags}");
}

#[test]
fn the_same_entities_in_every_scheme() {
    let entities = [(0, 1, "X"), (1, 4, "X"), (4, 6, "Y"), (7, 8, "X")];
    let written = [
        (Scheme::Iob1, "I-X B-X I-X I-X I-Y I-Y O I-X"),
        (Scheme::Iob2, "B-X B-X I-X I-X B-Y I-Y O B-X"),
        (Scheme::Ioe1, "E-X I-X I-X I-X I-Y I-Y O I-X"),
        (Scheme::Ioe2, "E-X I-X I-X E-X I-Y E-Y O E-X"),
        (Scheme::Iobes, "S-X B-X I-X E-X B-Y E-Y O S-X"),
        (Scheme::Bilou, "U-X B-X I-X L-X B-Y L-Y O U-X"),
    ];
    for (scheme, tags) in written {
        check(scheme, tags, &entities);
        let own: Vec<Entity> = entities.iter().map(|&(a, b, label)| Entity::new(a, b, label)).collect();
        assert_eq!(scheme.tags(&own, 8).expect("disjoint"), split(tags), "{scheme}");
        assert_eq!(Scheme::of_posts([&split(tags)[..]]).expect("tags").fitting, [scheme]);
    }
}

#[test]
fn strictly_read_is_only_what_the_scheme_writes() {
    let strict = |scheme: Scheme, tags: &str, want: &[(usize, usize, &str)]| {
        let want: Vec<Entity> = want.iter().map(|&(a, b, label)| Entity::new(a, b, label)).collect();
        let got = scheme.read(&split(tags), Convention::Strict).expect("tags of the scheme");
        assert_eq!(got, want, "{scheme}: {tags}");
    };
    strict(Scheme::Iob2, "O I-X B-X I-Y I-X", &[(2, 3, "X")]);
    strict(Scheme::Iob1, "B-X O I-X B-Y I-X B-X", &[(2, 3, "X"), (4, 5, "X"), (5, 6, "X")]);
    strict(Scheme::Ioe2, "I-X O I-X E-X E-Y I-Y", &[(2, 4, "X"), (4, 5, "Y")]);
    strict(Scheme::Ioe1, "E-X O E-X I-X I-Y E-X", &[(2, 3, "X"), (3, 4, "X"), (4, 5, "Y")]);
    strict(Scheme::Iobes, "B-X I-X O B-X E-X E-X S-X B-Y S-Y I-X E-X", &[(3, 5, "X"), (6, 7, "X"), (8, 9, "Y")]);
    strict(Scheme::Bilou, "B-X B-X L-X U-X L-X", &[(1, 3, "X"), (3, 4, "X")]);
    let error = Scheme::Iobes.read(&["B-X"], Convention::Authors).expect_err("BIO alone").to_string();
    assert_eq!(error, "the setting `convention` must be conlleval or strict for tags that are not BIO, got authors");
    assert!(Scheme::Iob2.read(&["S-X"], Convention::Strict).is_err());
}

#[test]
fn ill_formed_tags_are_cut_where_a_tag_or_a_label_says_so() {
    check(
        Scheme::Iobes,
        "B-X O E-X S-X I-X E-X B-X B-X",
        &[(0, 1, "X"), (2, 3, "X"), (3, 4, "X"), (4, 6, "X"), (6, 7, "X"), (7, 8, "X")],
    );
    check(Scheme::Bilou, "B-X L-Y U-Y I-Y", &[(0, 1, "X"), (1, 2, "Y"), (2, 3, "Y"), (3, 4, "Y")]);
    check(Scheme::Ioe2, "I-X I-X O I-Y", &[(0, 2, "X"), (3, 4, "Y")]);
}

#[test]
fn tags_of_no_scheme_or_of_another_are_errors() {
    for tag in ["", "B", "B-", "X-PER", "b-PER", "O-PER", "BI-PER", "S- PER", "-PER"] {
        assert!(!is_tag(tag), "{tag:?}");
        assert!(matches!(Scheme::Iobes.entities(&[tag]), Err(Error::SchemeTag { scheme: None, .. })), "{tag:?}");
    }
    let error = Scheme::Iob2.entities(&["S-PER"]).expect_err("of another scheme").to_string();
    assert_eq!(error, "expected a tag of the scheme iob2, got \"S-PER\"");
    let error = Scheme::of_posts([&["L-PER", "S-PER"][..]]).expect_err("of none").to_string();
    assert_eq!(error, "no tag scheme has all of the tags L and S");
}

/// What is told of posts that a bar separates.
#[track_caller]
fn check_told(posts: &str, want: &str) {
    let posts: Vec<Vec<&str>> = posts.split('|').map(split).collect();
    let told = Scheme::of_posts(posts.iter().map(Vec::as_slice)).expect("tags");
    assert_eq!(told.to_string(), want, "{posts:?}");
}

#[test]
fn a_scheme_is_told_where_the_tags_tell_it() {
    check_told("B-X I-X O|B-X", "iob2");
    check_told("I-X I-X O|I-X B-X", "iob1");
    check_told("I-X I-X O|I-X", "iob1 (or ioe1: the tags do not tell)");
    check_told("O O|O", "iob2 (or iobes or bilou or ioe2 or iob1 or ioe1: the tags do not tell)");
    check_told("B-X I-X|O I-X", "iob2, ill-formed in places");
    check_told("B-X E-X|S-X", "iobes");
    check_told("B-X L-X|U-X", "bilou");
    check_told("I-X E-X|E-X", "ioe2");
    check_told("I-X E-X I-X|I-X", "ioe1");
    check_told("B-X O E-X", "iobes, ill-formed in places");
}

#[test]
fn names_are_read_in_any_case() {
    for scheme in Scheme::ALL {
        assert_eq!(scheme.to_string().to_uppercase().parse::<Scheme>().expect("its own name"), scheme);
    }
    assert_eq!("BIO".parse::<Scheme>().expect("an alias"), Scheme::Iob2);
    assert!(matches!("io".parse::<Scheme>(), Err(Error::Setting { .. })));
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(
        widths in prop::collection::vec((0usize..3, 1usize..4, 0usize..3), 0..6), scheme in 0usize..6,
    ) {
        let (mut entities, mut at) = (Vec::new(), 0);
        for (gap, width, label) in widths {
            entities.push(Entity::new(at + gap, at + gap + width, ["PER", "LOC", "X-Y"][label]));
            at += gap + width;
        }
        let scheme = Scheme::ALL[scheme];
        let tags = scheme.tags(&entities, at).expect("disjoint by construction");
        for convention in [Convention::Conlleval, Convention::Strict] {
            prop_assert_eq!(&scheme.read(&tags, convention).expect("written by us"), &entities);
        }
        prop_assert!(scheme.fits(&tags));
        prop_assert!(Scheme::of_posts([tags.as_slice()]).expect("written by us").fitting.contains(&scheme));
    }

    /// Any BIO tags, ill-formed ones included, mean what they mean to `conlleval`.
    #[test]
    fn bio_tags_are_read_as_conlleval_reads_them(picks in prop::collection::vec(0usize..5, 0..12)) {
        let tags: Vec<&str> = picks.iter().map(|&i| ["O", "B-X", "I-X", "B-Y", "I-Y"][i]).collect();
        let want = read_entities(&tags, Convention::Conlleval).expect("tags");
        prop_assert_eq!(&Scheme::Iob2.entities(&tags).expect("tags"), &want);
        prop_assert_eq!(&Scheme::Iob1.entities(&tags).expect("tags"), &want);
        let want = read_entities(&tags, Convention::Strict).expect("tags");
        prop_assert_eq!(&Scheme::Iob2.read(&tags, Convention::Strict).expect("tags"), &want);
    }
}
