//! Emoji spelled out, `:face_with_tears_of_joy:`, as the Python package `emoji` names them: a
//! normalizer of the crate `tokenizers`, so that a saved tokenizer has it, too.
//!
//! One rule per emoji would be 1,400 searches in each word. What SentencePiece's models carry is
//! one table of them, in the form of its trie, which is built here.

use std::collections::BTreeMap;
use tokenizers::NormalizerWrapper;
use tokenizers::normalizers::precompiled::Precompiled;

/// A normalizer that puts the name of each emoji in its place, as a word of its own. An emoji of
/// several characters is spelled character by character, and variation selectors go away: that is
/// what is left of them after BERTweet's splitter of tweets.
pub(super) fn normalizer() -> NormalizerWrapper {
    let names = emojis::iter().filter_map(|emoji| Some((only_char(emoji.as_str())?, emoji.name())));
    let mut replacements: BTreeMap<char, String> =
        names.chain(COMPONENTS).map(|(char, name)| (char, format!(" {} ", spelled(name)))).collect();
    replacements.extend(VARIATION_SELECTORS.map(|selector| (selector, String::new())));
    let table = table(&replacements);
    let normalizer = Precompiled::from(&table).expect("the form that it reads");
    NormalizerWrapper::Precompiled(normalizer)
}

/// What is a part of emoji, and no emoji by itself, with its name in Unicode.
const COMPONENTS: [(char, &str); 9] = [
    ('\u{1f3fb}', "light skin tone"),
    ('\u{1f3fc}', "medium-light skin tone"),
    ('\u{1f3fd}', "medium skin tone"),
    ('\u{1f3fe}', "medium-dark skin tone"),
    ('\u{1f3ff}', "dark skin tone"),
    ('\u{1f9b0}', "red hair"),
    ('\u{1f9b1}', "curly hair"),
    ('\u{1f9b2}', "bald"),
    ('\u{1f9b3}', "white hair"),
];

/// Text or picture: says how the character before it is shown.
const VARIATION_SELECTORS: [char; 2] = ['\u{fe0e}', '\u{fe0f}'];

/// The one character of an emoji, which a variation selector may follow.
fn only_char(emoji: &str) -> Option<char> {
    let mut chars = emoji.chars().filter(|char| !VARIATION_SELECTORS.contains(char));
    chars.next().filter(|_| chars.next().is_none())
}

/// The name of Unicode as the Python package writes it.
fn spelled(name: &str) -> String {
    let name: String = name.chars().filter(|char| !['\u{201c}', '\u{201d}', ':'].contains(char)).collect();
    format!(":{}:", name.replace(' ', "_"))
}

/// The table: the length of the trie in bytes, its units, and the texts that its values lead to.
fn table(replacements: &BTreeMap<char, String>) -> Vec<u8> {
    let (mut root, mut texts) = (Node::default(), Vec::new());
    for (char, replacement) in replacements {
        let mut node = &mut root;
        for byte in char.encode_utf8(&mut [0; 4]).bytes() {
            node = node.children.entry(byte).or_default();
        }
        node.value = Some(texts.len() as u32);
        texts.extend_from_slice(replacement.as_bytes());
        texts.push(0);
    }
    let units = Trie::of(&root).units;
    let mut table = (units.len() as u32 * 4).to_le_bytes().to_vec();
    units.iter().for_each(|unit| table.extend_from_slice(&unit.to_le_bytes()));
    table.extend(texts);
    table
}

#[derive(Default)]
struct Node {
    children: BTreeMap<u8, Node>,
    value: Option<u32>,
}

/// A double array in the form of Darts-clone (Yata), whose reader goes from a unit at `at` to its
/// child `byte` at `at ^ offset ^ byte`, and to its value at `at ^ offset`.
struct Trie {
    units: Vec<u32>,
    used: Vec<bool>,
}

const HAS_VALUE: u32 = 1 << 8;
const IS_VALUE: u32 = 1 << 31;

impl Trie {
    fn of(root: &Node) -> Self {
        let mut trie = Self { units: Vec::new(), used: Vec::new() };
        trie.grow();
        trie.used[0] = true;
        trie.place(root, 0);
        trie
    }

    /// Places what follows the unit at `at`.
    fn place(&mut self, node: &Node, at: usize) {
        let base = self.free_base(node);
        let offset = (at ^ base) as u32;
        assert!(offset < 1 << 21, "1,400 emoji take some thousand units");
        self.units[at] |= offset << 10;
        if let Some(value) = node.value {
            self.units[at] |= HAS_VALUE;
            (self.units[base], self.used[base]) = (IS_VALUE | value, true);
        }
        for byte in node.children.keys() {
            let child = base ^ usize::from(*byte);
            (self.units[child], self.used[child]) = (u32::from(*byte), true);
        }
        for (byte, child) in &node.children {
            self.place(child, base ^ usize::from(*byte));
        }
    }

    /// The first place from which all of a node's units are free.
    fn free_base(&mut self, node: &Node) -> usize {
        let needed = node.children.keys().map(|byte| usize::from(*byte)).chain(node.value.map(|_| 0));
        let needed: Vec<usize> = needed.collect();
        let mut base = 0;
        loop {
            if base == self.units.len() {
                self.grow();
            }
            if needed.iter().all(|byte| !self.used[base ^ byte]) {
                return base;
            }
            base += 1;
        }
    }

    /// A byte may lead anywhere in a block of 256 units, so that there are whole blocks alone.
    fn grow(&mut self) {
        let n = self.units.len() + 256;
        self.units.resize(n, 0);
        self.used.resize(n, false);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokenizers::{NormalizedString, Normalizer};

    #[track_caller]
    fn check(text: &str, want: &str) {
        let mut normalized = NormalizedString::from(text);
        normalizer().normalize(&mut normalized).expect("a text");
        assert_eq!(normalized.get(), want, "{text:?}");
    }

    #[test]
    fn emoji_are_spelled_out() {
        check("", "");
        check("Rome é 東 @a #b 1", "Rome é 東 @a #b 1");
        check("\u{1f602}", " :face_with_tears_of_joy: ");
        check("so\u{1f602}\u{1f602}", "so :face_with_tears_of_joy:  :face_with_tears_of_joy: ");
        check("\u{2764}\u{fe0f}", " :red_heart: ");
        check("\u{1f44d}\u{1f3fd}", " :thumbs_up:  :medium_skin_tone: ");
        check("\u{1f471}", " :person_blond_hair: ");
        check("\u{1f202}", " :Japanese_service_charge_button: ");
        // A letter of a flag has no name.
        check("\u{1f1fa}\u{1f1f8}", "\u{1f1fa}\u{1f1f8}");
    }
}
