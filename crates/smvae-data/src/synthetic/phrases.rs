//! The phrases and word lists that synthetic posts are made of.
//!
//! A phrase is words parted by blanks: `@e` is the entity, `@when`, `@feel` and `@thing` are drawn
//! from their lists. The phrases of a type tell that type; the neutral ones go with any, and they
//! say nothing that one type is likelier to do.

/// Entity types, in the order of [`CUES`] and of the image prototypes.
pub(crate) const TYPES: [&str; 4] = ["LOC", "MISC", "ORG", "PER"];

/// Phrases of each type.
pub(crate) const CUES: [[&str; 8]; 4] = [
    [
        "flying to @e @when",
        "heavy rain over @e @when",
        "the streets of @e are @feel",
        "we live near @e",
        "traffic on the road to @e",
        "a @feel sunset in @e",
        "cheap hotel in downtown @e",
        "map of northern @e",
    ],
    [
        "season two of @e starts @when",
        "watching @e on the couch",
        "the new @e album is @feel",
        "the @e trailer is out",
        "reading @e chapter by chapter",
        "tickets for the @e festival",
        "playing @e on my console",
        "the @e soundtrack makes me @feel",
    ],
    [
        "@e hires new staff @when",
        "shares of @e fall @when",
        "@e announces record profit",
        "the ceo of @e resigns",
        "@e opens a @feel factory",
        "customers sue @e over a @thing",
        "board members at @e vote @when",
        "jobs at @e , apply @when",
    ],
    [
        "@e was born @when",
        "a @feel interview with @e",
        "happy birthday to @e",
        "@e says she is @feel",
        "my sister met @e @when",
        "@e and his wife look @feel",
        "coach @e shouts at the players",
        "autograph from @e , so @feel",
    ],
];

/// Phrases that go with an entity of any type.
pub(crate) const NEUTRAL: [&str; 8] = [
    "thinking about @e @when",
    "@e is trending @when",
    "so @feel about @e",
    "everyone talks about @e",
    "look at this : @e",
    "why is @e so @feel ?",
    "i really love @e",
    "another photo of @e",
];

/// Phrases without an entity.
pub(crate) const PLAIN: [&str; 8] = [
    "good morning everyone",
    "so @feel @when",
    "need a new @thing @when",
    "my @thing is @feel",
    "can not sleep again",
    "who took my @thing ?",
    "feeling @feel about the @thing",
    "lost my @thing @when",
];

/// Words that may end a phrase.
pub(crate) const ENDINGS: [&str; 8] = ["!", "...", "lol", "omg", ".", "#now", "#photo", "haha"];

/// Words that may stand between two phrases.
pub(crate) const JOINTS: [&str; 4] = ["and", "but", ";", "while"];

/// The list of a slot; `None` for a plain word.
pub(crate) fn slot(word: &str) -> Option<&'static [&'static str]> {
    match word {
        "@when" => Some(&[
            "today",
            "tonight",
            "tomorrow",
            "yesterday",
            "again",
            "later",
            "finally",
            "already",
            "daily",
            "weekly",
            "soon",
            "now",
        ]),
        "@feel" => Some(&[
            "happy", "sad", "great", "awful", "boring", "lovely", "strange", "tired", "proud", "amazing", "cold",
            "bright", "quiet", "perfect", "weird", "sweet",
        ]),
        "@thing" => Some(&[
            "phone", "ticket", "coffee", "jacket", "laptop", "key", "bag", "camera", "bike", "umbrella", "sandwich",
            "charger", "book", "watch", "wallet", "dog",
        ]),
        _ => None,
    }
}
