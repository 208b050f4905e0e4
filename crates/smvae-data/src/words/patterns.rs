//! What begins here and is one word although it has marks inside: URLs, addresses, character
//! references, emoticons.
//!
//! Every function takes what is left of a text and gives the length in bytes of the pattern at its
//! beginning, or `None`. Whatever matches also matches alone: this is what makes splitting stable.
//! What depends on a convention is in `scan.rs`.

/// What ends a sentence or a quotation rather than a URL.
const AFTER_URL: [char; 12] = ['.', ',', '!', '?', ';', ':', '\'', '*', '_', '~', '[', ']'];
/// The longest part of an e-mail address before `@` (RFC 5321, 4.5.3.1.1); also keeps the search
/// for it short.
const LONGEST_LOCAL: usize = 64;
/// The names of character references that posts have; a longer list would not matter.
const REFERENCES: [&str; 6] = ["amp", "lt", "gt", "quot", "apos", "nbsp"];
/// What follows an apostrophe in the words that the Penn Treebank splits off.
const CLITICS: [&str; 6] = ["s", "m", "d", "re", "ve", "ll"];
/// Written with a full stop that belongs to the word, in lower case.
const ABBREVIATIONS: [&str; 32] = [
    "adm", "ave", "bros", "capt", "co", "col", "corp", "dr", "etc", "feat", "ft", "gen", "gov", "hon", "inc", "jr",
    "lt", "ltd", "maj", "mr", "mrs", "ms", "prof", "rep", "rev", "sen", "sgt", "sr", "st", "vol", "vs", "messrs",
];

/// `http://`, `https://`, `ftp://` or `www.` and what follows, without punctuation at the end. A
/// closing bracket belongs to it where an opening one does.
pub(super) fn url(rest: &str) -> Option<usize> {
    let starts = |scheme: &str| rest.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    let scheme = ["http://", "https://", "ftp://", "www."].into_iter().find(|scheme| starts(scheme))?.len();
    let belongs = |c: char| c.is_alphanumeric() || "-._~:/?#[]@!$&'()*+,;=%".contains(c);
    let end = rest.find(|c| !belongs(c)).unwrap_or(rest.len());
    let opens = rest[..end].contains('(');
    let trimmed = rest[scheme..end].trim_end_matches(|c| AFTER_URL.contains(&c) || (c == ')' && !opens));
    // `www.` alone is a word and a full stop; `http://` is what a cut post ends in.
    (!trimmed.is_empty() || scheme != "www.".len()).then_some(scheme + trimmed.len())
}

/// `name@host.tld`, in ASCII.
pub(super) fn email(rest: &str) -> Option<usize> {
    let local = |b: &u8| b.is_ascii_alphanumeric() || b"._%+-".contains(b);
    if !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return None;
    }
    let name = rest.bytes().take(LONGEST_LOCAL + 1).take_while(local).count();
    if rest.as_bytes().get(name) != Some(&b'@') {
        return None;
    }
    let host = &rest[name + 1..];
    let host = &host[..host.find(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '.').unwrap_or(host.len())];
    let host = host.trim_end_matches(['.', '-']);
    let (domain, top) = host.rsplit_once('.')?;
    let named = domain.starts_with(|c: char| c.is_ascii_alphanumeric());
    (named && top.len() >= 2 && top.bytes().all(|b| b.is_ascii_alphabetic())).then_some(name + 1 + host.len())
}

/// `&amp;`, `&#39;`, `&#x27;`.
pub(super) fn reference(rest: &str) -> Option<usize> {
    let name = rest.strip_prefix('&')?;
    let digits = name.strip_prefix('#').unwrap_or(name);
    let length = digits.bytes().take(9).take_while(u8::is_ascii_alphanumeric).count();
    let whole = (1..=8).contains(&length) && digits[length..].starts_with(';');
    whole.then_some(rest.len() - digits.len() + length + 1)
}

/// `&amp` and other references of known names, without the semicolon.
pub(super) fn reference_name(core: &str) -> bool {
    REFERENCES.contains(&core)
}

/// `:)`, `;-(`, `:'(`, `=D`, `<3`, `</3`. `after_word` says whether a letter or digit stands before
/// it: `Oslo:P` has none.
pub(super) fn emoticon(rest: &str, after_word: bool) -> Option<usize> {
    let next_is_word = |end: usize| rest[end..].starts_with(char::is_alphanumeric);
    if let Some(heart) = ["<3", "</3"].into_iter().find(|heart| rest.starts_with(heart)) {
        return (!next_is_word(heart.len())).then_some(heart.len());
    }
    let face = rest.strip_prefix([':', ';', '='])?;
    let face = face.strip_prefix(['-', '\'']).unwrap_or(face);
    let mouth = face.chars().next()?;
    let end = rest.len() - face.len() + mouth.len_utf8();
    let whole = match mouth {
        ')' => true,
        '(' | '[' | ']' | '|' | '*' => !next_is_word(end),
        'D' | 'P' | 'p' | 'O' | 'o' => !after_word && !next_is_word(end),
        '/' | '\\' => !after_word && !next_is_word(end) && !rest[end..].starts_with(['/', '\\']),
        _ => false,
    };
    whole.then_some(end)
}

/// `$` and up to six ASCII letters, as in the names of shares.
pub(super) fn cashtag(rest: &str, after_word: bool) -> Option<usize> {
    let name = rest.strip_prefix('$').filter(|_| !after_word)?;
    let length = name.bytes().take(7).take_while(u8::is_ascii_alphabetic).count();
    let whole = (1..=6).contains(&length) && !name[length..].starts_with(char::is_alphanumeric);
    whole.then_some(1 + length)
}

/// Whether letters after an apostrophe are a word of their own in the Penn Treebank: the `s` of
/// `Ana's`.
pub(super) fn clitic(letters: &str) -> bool {
    CLITICS.iter().any(|clitic| clitic.eq_ignore_ascii_case(letters))
}

/// Whether a full stop after `word` belongs to it: `U.S`, `p.m`, `W`, `St`.
pub(super) fn abbreviation(word: &str) -> bool {
    let initials = word.split('.').all(|part| part.len() == 1 && part.as_bytes()[0].is_ascii_alphabetic());
    let single = word.len() == 1;
    // `I.` and `a.` end sentences.
    (initials && (!single || (word != "I" && word.as_bytes()[0].is_ascii_uppercase())))
        || ABBREVIATIONS.iter().any(|known| known.eq_ignore_ascii_case(word))
}

/// The straight and the curly apostrophe.
pub(super) fn is_apostrophe(c: char) -> bool {
    c == '\'' || c == '’'
}
