//! Invented names: one or two words made of syllables, in pools that the types own or share.

use super::phrases::TYPES;
use crate::draw::Draw;
use std::collections::BTreeSet;

/// A name: its words, in lower case.
pub(crate) type Name = Vec<String>;

/// The names of a corpus. All pools are disjoint and alike in their make-up: a name's shape does
/// not tell its type.
#[derive(Debug)]
pub(crate) struct Names {
    /// Names of one type each, in the order of [`TYPES`].
    pub(crate) owned: Vec<Pool>,
    /// Names that an entity of any type may have.
    pub(crate) shared: Pool,
}

/// Names, some of which the training split must not use.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) seen: Vec<Name>,
    pub(crate) unseen: Vec<Name>,
}

impl Names {
    /// Draws the pools; a third of each is kept from the training split.
    pub(crate) fn new(draw: &mut Draw, per_pool: usize) -> Self {
        let mut taken = BTreeSet::new();
        let mut invent = |draw: &mut Draw, n: usize| -> Vec<String> {
            let mut words = Vec::with_capacity(n);
            while words.len() < n {
                let word = invented_word(draw);
                if taken.insert(word.clone()) {
                    words.push(word);
                }
            }
            words
        };
        // Few second words, of no type: they help to find where a name ends and no more.
        let seconds = invent(draw, SECOND_WORDS);
        let mut pool = |draw: &mut Draw| {
            let firsts = invent(draw, per_pool);
            let mut names: Vec<Name> = firsts.into_iter().map(|first| vec![first]).collect();
            for name in &mut names {
                if draw.chance(TWO_WORDS) {
                    name.push(draw.pick(&seconds).clone());
                }
            }
            let unseen = names.split_off(per_pool - per_pool / 3);
            Pool { seen: names, unseen }
        };
        let owned = TYPES.map(|_| pool(draw)).into();
        Self { owned, shared: pool(draw) }
    }
}

const SECOND_WORDS: usize = 12;
/// Share of the names that have a second word.
const TWO_WORDS: f64 = 0.35;

/// Two or three syllables, each a consonant and a vowel, and perhaps a last consonant: 1.2 million
/// words.
fn invented_word(draw: &mut Draw) -> String {
    const CONSONANTS: [char; 14] = ['b', 'd', 'f', 'g', 'k', 'l', 'm', 'n', 'p', 'r', 's', 't', 'v', 'z'];
    const VOWELS: [char; 5] = ['a', 'e', 'i', 'o', 'u'];
    let mut word = String::new();
    for _ in 0..2 + draw.below(2) {
        word.push(*draw.pick(&CONSONANTS));
        word.push(*draw.pick(&VOWELS));
    }
    if draw.chance(0.5) {
        word.push(*draw.pick(&['l', 'n', 'r', 's']));
    }
    word
}
