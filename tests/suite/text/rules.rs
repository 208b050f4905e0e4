//! Turns the split words of a post back into text as its author had most probably typed it.
//!
//! | Words                           | Text                     | Rule                                              |
//! |---------------------------------|--------------------------|---------------------------------------------------|
//! | `hi , ( a ) . . .`, `$ 5 , 5 %` | `hi, (a)...`, `$5, 5%` | marks by their kind, apart from a whole URL       |
//! | `" a "`, `' b '`, `“ c ”`       | `"a"`, `'b'`, `“c”`      | straight quotes alternate, clear neighbours first |
//! | `don ' t`, `' 16`, `fans ' joy` | `don't`, `'16`, `fans' joy` | contractions both sides, years right, owners left |
//! | `@ a`, `# b`, `@a _ b`, `. @a`  | `@a`, `#b`, `@a_b`       | names to 15 characters; `@ 7 : 30`; first `.@a`   |
//! | `: )`, `&lt ; 3`, `🔥 🔥`       | `:)`, `&lt;3`, `🔥🔥`    | emoticons and emoji join each other, not words    |
//! | `https : //t . co/x`, `M&amp ; M` | `https://t.co/x`, `M&amp;M` | addresses, entities and arrows in one piece  |
//! | `4 : 30`, `U . S .`, `5 th`, `K - pop` | `4:30`, `U.S.`, `5th`, `K-pop` | cut numbers, initials, compounds   |
//!
//! One corpus leaves `@a`, `a-b` and URLs whole, the other cuts them. A post that shows a whole one
//! is of the first kind: a lone `-`, `/`, `@` or `…` had spaces around it. Line breaks and doubled
//! spaces are not restored.

/// Whether a word joins the word on its left, and the one on its right.
type Sides = (bool, bool);
const NONE: Sides = (false, false);
const LEFT: Sides = (true, false);
const RIGHT: Sides = (false, true);
const BOTH: Sides = (true, true);
const TAILS: &str = "s t m re ve ll d S T M RE VE LL D";
const UNITS: &str = "st nd rd th ths s am pm AM PM k K m M bn B D p ers ST ND RD TH";
const STARTERS: &str = "the a this these that it i we you he she they if so but let keep hope what more read cause follow despite \
    is are my your our see check via who when how why now yes no anytime thanks please with in for live";
const PREFIXES: &str = "all anti pro ex non pre post co re mid multi self semi sub ultra super mini mega half high low \
    hard off flip spider yo de late award man long jay wal mary jong karl hip sci wi e x full part first line kick";
const SUFFIXES: &str = "up off born based winning themed earned suited wielding influenced made free year month day \
    plus point pack disc star old time man men founders quality income ready night like style friendly only hop fi";
/// Returns the text of `words` and the range of each word in it, in Unicode scalar values.
pub(crate) fn rejoin(words: &[String]) -> (String, Vec<std::ops::Range<usize>>) {
    let inner = |w: &str| w.contains('-') && wordy(w) && w.len() > 2 && !w.ends_with('-');
    let named = |w: &str| w.starts_with(['@', '#']) && w.chars().nth(1).is_some_and(char::is_alphanumeric);
    let whole = words.iter().any(|w| named(w) || is_url(w) || inner(w) || w == "&amp");
    let mut post = Post { words, whole, set: vec![None; words.len()] };
    (0..words.len()).for_each(|i| post.chains(i));
    post.quotes();
    let sides: Vec<Sides> = (0..words.len()).map(|i| post.set[i].unwrap_or_else(|| post.sides(i))).collect();
    let (mut text, mut ranges, mut end) = (String::new(), Vec::with_capacity(words.len()), 0);
    for (i, word) in words.iter().enumerate() {
        if i > 0 && !sides[i - 1].1 && !sides[i].0 {
            text.push(' ');
            end += 1;
        }
        ranges.push(end..end + word.chars().count());
        end += word.chars().count();
        text.push_str(word);
    }
    (text, ranges)
}
fn one_of(list: &str, w: &str) -> bool {
    list.split(' ').any(|x| x == w)
}
fn is_url(w: &str) -> bool {
    w.contains("://") || (w.starts_with("http") && w.len() > 5)
}
fn ends_digit(w: &str) -> bool {
    w.ends_with(|c: char| c.is_ascii_digit())
}
fn digits(w: &str) -> usize {
    w.chars().take_while(char::is_ascii_digit).count()
}
fn number(w: &str) -> bool {
    digits(w) > 0 && ends_digit(w) && !w.contains(char::is_alphabetic)
}
fn wordy(w: &str) -> bool {
    w.starts_with(char::is_alphanumeric)
}
fn letter(w: &str) -> bool {
    w.chars().count() == 1 && w.starts_with(char::is_alphabetic)
}
fn lower(w: &str) -> bool {
    w.starts_with(char::is_lowercase)
}
fn emoji(w: &str) -> bool {
    let is =
        |c: char| matches!(c as u32, 0x203c | 0x2049 | 0x231a..=0x23ff | 0x2600..=0x2bff | 0xfe0f | 0xfffd | 0x1f000..);
    w.starts_with(is) && !w.contains(char::is_alphanumeric)
}
struct Post<'a> {
    words: &'a [String],
    /// The splitter left mentions, hashtags, URLs and hyphenated words whole.
    whole: bool,
    set: Vec<Option<Sides>>,
}
impl<'a> Post<'a> {
    /// The word `by` places from word `i`, or an empty one beyond the ends.
    fn at(&self, i: usize, by: isize) -> &'a str {
        i.checked_add_signed(by).and_then(|j| self.words.get(j)).map_or("", |w| w)
    }
    /// Makes the words `from..=to` one piece.
    fn piece(&mut self, from: usize, to: usize) {
        for j in from..=to.min(self.words.len() - 1) {
            self.set[j] = Some((self.set[j].is_some_and(|s| s.0), j < to));
        }
    }
    /// Emoticons, addresses, entities and names with `_`, beginning at word `i`.
    fn chains(&mut self, i: usize) {
        let (w, next, third) = (self.at(i, 0), self.at(i, 1), self.at(i, 2));
        if one_of(": ; = :( :) :-( :-)", w) && self.set[i].is_none() {
            let nose = usize::from(one_of("- '", next) && one_of(") (", third));
            let (mouth, after) = if nose == 1 { (third, self.at(i, 3)) } else { (next, third) };
            let sad = mouth == "(" && !self.words[i..].iter().any(|x| x == ")");
            if mouth == ")" || sad || w != "=" && one_of("D P p", mouth) && (is_url(after) || !wordy(after)) {
                let more = self.words[i + nose + 1..].iter().take_while(|x| *x == mouth).count();
                self.piece(i, i + nose + more);
            }
        } else if one_of("http https", w) && third.starts_with("//") && self.at(i, 3) == "." {
            self.piece(i, i + 4);
        } else if w == "&" && one_of("gt lt amp", next) && third == ";" {
            self.piece(i, i + 2);
            self.set[i] = Some((one_of("- =", self.at(i, -1)), true));
        } else if w.len() > 4 && w.ends_with("&amp") && next == ";" && wordy(third) || w == "^" && third == "^" {
            self.piece(i, i + 2);
        } else if (one_of("gt lt &", w) || ["&gt", "&lt", "&amp"].iter().any(|x| w.ends_with(x))) && next == ";" {
            let heart = w.ends_with("lt") && one_of("3 /3", third);
            let same = w != "&amp" && (third == w || third == "&" && self.at(i, 3) == w);
            self.piece(i, i + 1);
            self.set[i + 1] = Some((true, heart || same));
        } else if w.len() > 1 && w.starts_with(['@', '#']) || w == "@" && next == "_" {
            let (mut to, mut size) = (i, w.len() - 1);
            while self.at(to, 1) == "_" {
                let part = self.at(to, 2);
                let name = part.chars().all(char::is_alphanumeric) && !one_of(" and is has are was with for", part);
                let fits = name && !is_url(part) && (w.starts_with('#') || size + 1 + part.len() <= 15);
                size += if fits { 1 + part.len() } else { 1 };
                to += if fits { 2 } else { 1 };
            }
            self.piece(i, to);
        }
    }
    /// Decides on every quotation mark and apostrophe.
    fn quotes(&mut self) {
        let (mut double, mut single) = (false, false);
        for i in (0..self.words.len()).filter(|&i| self.set[i].is_none()).collect::<Vec<_>>() {
            self.set[i] = match self.at(i, 0) {
                "\"" | "“" | "”" => Some(self.double(i, &mut double)),
                "'" | "’" | "`" | "‘" => Some(self.single(i, &mut single)),
                _ => None,
            };
        }
    }
    fn double(&self, i: usize, open: &mut bool) -> Sides {
        let (prev, next, mark) = (self.at(i, -1), self.at(i, 1), self.at(i, 0));
        let last = !self.words[i + 1..].iter().any(|w| w == "\"" || w == "”");
        let opens = mark == "“" || mark != "”" && one_of(" : ( [ RT — –", prev);
        let stop =
            number(prev) && one_of("' ’", self.at(i, -2)) || one_of(" . , ! ? ; : ) ] … - – — ~", next) || is_url(next);
        let ends = mark == "”" || mark != "“" && (stop || one_of(". ! ? …", prev) && (*open || last));
        *open = if opens != ends { opens } else { !*open };
        if *open { RIGHT } else { (!(self.whole && is_url(prev)), false) }
    }
    fn single(&self, i: usize, open: &mut bool) -> Sides {
        let (prev, next, mark) = (self.at(i, -1), self.at(i, 1), self.at(i, 0));
        let word = |w: &str| wordy(w.trim_start_matches(['@', '#']));
        let tail = |j| word(self.at(j, -1)) && one_of(TAILS, self.at(j, 1));
        let cut = |j| digits(self.at(j, 1)) == 2 || one_of("til em cause bout", self.at(j, 1));
        let clip = |j| self.at(j, -1).len() > 4 && self.at(j, -1).ends_with("in") || one_of("N n", self.at(j, -1));
        let short = prev.chars().count() == 2 && !lower(prev) && prev.ends_with(char::is_lowercase);
        let prefix = wordy(next) && (one_of("O o D d L l y Y c C", prev) || short);
        if mark != "‘" && (tail(i) || number(prev) && number(next) || prefix && !*open) {
            return BOTH;
        } else if !*open && mark != "‘" && cut(i) {
            return RIGHT;
        }
        let more = (i + 1..self.words.len()).filter(|&j| self.at(j, 0) == mark && !tail(j) && !cut(j) && !clip(j));
        let even = more.count() % 2 == 0;
        let owner = prev.ends_with(['s', 'S', 'z']) || clip(i);
        let stop = is_url(next) || !wordy(next) && !one_of("@ # ' \" (", next);
        let ends = *open || mark == "’" || wordy(prev) && (owner && even || stop);
        *open = mark == "‘" || !ends;
        if *open { RIGHT } else { LEFT }
    }
    /// Which sides word `i` joins, when no chain or quote claims it.
    fn sides(&self, i: usize) -> Sides {
        let (w, prev, next) = (self.at(i, 0), self.at(i, -1), self.at(i, 1));
        let (run, left) = (prev == w, !(self.whole && is_url(prev)));
        match w {
            "(" | "[" | "{" => RIGHT,
            "$" if lower(next) && prev.len() == 2 => BOTH,
            "$" | "£" | "€" => (run || one_of("S A C US", prev) && digits(next) > 0, wordy(next) || next == "…"),
            "." if one_of(" : \"", prev) && next.starts_with('@') => RIGHT,
            "." => (left, self.dot(i)),
            ":" => (left, self.clock(i)),
            "," => (left, prev.len() < 4 && ends_digit(prev) && digits(next) == 3),
            "!" | "?" | ";" | "%" | ")" | "]" | "}" | "\u{200b}" | "\u{20e3}" => (left, false),
            "…" | "..." => (!self.whole && !one_of(". ! ? - :", prev), false),
            "@" => (false, self.at_sign(i)),
            "#" => (false, !self.whole && !one_of(" # @ .", next)),
            "-" if !self.whole && wordy(prev) && wordy(next) => self.hyphen(i),
            "-" => (run, next == "&"),
            "–" | "—" if number(prev) && number(next) => BOTH,
            "/" if one_of("w W", prev) && !self.whole => (true, one_of("o O", next)),
            "/" if self.whole || !wordy(prev) || !wordy(next) => (run, false),
            "/" | "\u{200d}" => BOTH,
            "*" if run || letter(prev) => (true, next == w || letter(next) || !run && lower(next)),
            "+" if ends_digit(prev) || one_of("K M k m", prev) => (wordy(next) && digits(next) == 0, false),
            "~" | "=" | "_" | "+" | "*" => (run, false),
            _ if emoji(w) => (emoji(prev) || prev == "\u{200d}", false),
            _ if self.whole || !number(prev) || one_of("p", w) && next == "." => NONE,
            _ if self.at(i, -2) == "@" && self.at_sign(i - 2) => LEFT,
            _ if self.at(i, -2) == "#"
                && w.contains(char::is_lowercase)
                && w.chars().skip(1).any(char::is_uppercase) =>
            {
                LEFT
            }
            _ => (one_of(UNITS, w) || w == "y" && next == "/", false),
        }
    }
    fn dot(&self, i: usize) -> bool {
        let (prev, next, after) = (self.at(i, -1), self.at(i, 1), self.at(i, 2));
        let chain = self.at(i, -2) == "." && letter(self.at(i, -3)) || prev == "L";
        let alike = letter(prev) && letter(next) && after != "-" && lower(prev) == lower(next);
        alike && (after == "." || !one_of("I i", next) && (chain || !one_of("A a", next)))
            || ends_digit(prev) && digits(next) > 0 && (digits(prev) != 4 || number(next))
            || wordy(prev) && (one_of("com net org edu gov tv", next) || next == "co" && after == ".")
    }
    fn clock(&self, i: usize) -> bool {
        let (prev, next, after) = (self.at(i, -1), self.at(i, 1), self.at(i, 2));
        let verse = digits(next) == 1 && number(next) && !one_of(UNITS, after) && !lower(after);
        ends_digit(prev) && digits(prev) < 4 && !prev.starts_with('@') && (digits(next) == 2 || verse)
    }
    fn at_sign(&self, i: usize) -> bool {
        let (next, after) = (self.at(i, 1), self.at(i, 2));
        let time = one_of("am pm AM PM a p ET EST", after) || !wordy(after) && !after.starts_with('_');
        let name = wordy(next) && !(number(next) && time) || next.starts_with('_') && next.len() > 1;
        name && (!self.whole || self.at(i, -1) == "via")
    }
    fn hyphen(&self, i: usize) -> Sides {
        let (prev, next) = (self.at(i, -1), self.at(i, 1));
        let (p, n) = (prev.to_lowercase(), next.to_lowercase());
        let more = |by| wordy(self.at(i, by * 3 / 2)) && self.at(i, by) == "-";
        let link = |x: &str, by| one_of("and is of in to a the by too on up n t", x) && more(by);
        let count = one_of(UNITS, prev) && number(self.at(i, -2));
        let glue = if digits(next) > 0 {
            ends_digit(prev) || count || letter(prev) || one_of("top pac pre post mid under over", &p)
        } else if number(prev) || count {
            digits(prev) != 4 && lower(next) && !one_of(STARTERS, next) || one_of(SUFFIXES, &n)
        } else {
            letter(prev) && prev != "I"
                || letter(next) && !one_of("i a", &n)
                || link(&p, -2)
                || link(&n, 2)
                || one_of(PREFIXES, &p)
                || one_of(SUFFIXES, &n)
                || p == "go" && n == "to"
                || p == "to" && n == "do"
                || lower(next) && !one_of(STARTERS, next) && !one_of("it me you him us them", prev)
        };
        (glue, glue)
    }
}
#[cfg(test)]
mod tests {
    #[track_caller]
    fn check(words: &str, text: &str) {
        let words: Vec<String> = words.split_whitespace().map(str::to_string).collect();
        let (found, ranges) = super::rejoin(&words);
        assert_eq!(found, text);
        let cut = |r: std::ops::Range<usize>| found.chars().skip(r.start).take(r.len()).collect::<String>();
        assert_eq!(ranges.into_iter().map(cut).collect::<Vec<_>>(), words);
    }
    #[test]
    fn marks_quotes_and_apostrophes_find_their_side() {
        check("", "");
        check("[ NEW ] So , ( ok ) . . . $ 5 or 5 % ! !", "[NEW] So, (ok)... $5 or 5%!!");
        check("Old : \" We won . \" - Ann , \" yes \"", "Old: \"We won.\" - Ann, \"yes\"");
        check("y ' all see O ' Neil ' s ' Big Day ' in ' 16", "y'all see O'Neil's 'Big Day' in '16");
        check("Ann ’ s “ one ” , the fans ' joy , livin ' it", "Ann’s “one”, the fans' joy, livin' it");
    }
    #[test]
    fn names_numbers_hyphens_and_emoji_are_whole() {
        check(". @ ann and # fun @ 7 : 30", ".@ann and #fun @ 7:30");
        check("RT @a _ b : https : //t . co/Xy http://t.co/a", "RT @a_b: https://t.co/Xy http://t.co/a");
        check("H&amp ; M &amp ; me @ Bar 🔥 🏽 ! : ) &lt ; 3", "H&amp;M &amp; me @ Bar 🔥🏽! :) &lt;3");
        check("7 : 30 p . m . , $ 2 . 50 , 9 , 000 , the 5 th", "7:30 p.m., $2.50, 9,000, the 5th");
        check("U . S . and J . Cole , 5 / 29 & gt ; & gt ;", "U.S. and J. Cole, 5/29 &gt;&gt;");
        check("3 - 1 , 9 - year - old K - pop - the Sky - Ann", "3-1, 9-year-old K-pop - the Sky - Ann");
    }
}
