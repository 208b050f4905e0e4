//! The rules of the splitter, case by case.

use super::{Number, Treatment, WordConvention, rejoin, split};

/// The words of a text under the presets that split, each joined by single spaces.
#[track_caller]
fn check(text: &str, conll: &str, twitter2015: &str, twitter2017: &str) {
    let presets = [WordConvention::CONLL, WordConvention::TWITTER2015, WordConvention::TWITTER2017];
    for (convention, want) in presets.iter().zip([conll, twitter2015, twitter2017]) {
        let words: Vec<_> = split(text, convention).iter().map(|word| word.text).collect();
        assert_eq!(words.join(" "), want, "{text:?} as {convention}");
    }
    let words: Vec<_> = split(text, &WordConvention::WHITESPACE).iter().map(|word| word.text).collect();
    assert_eq!(words, text.split_whitespace().collect::<Vec<_>>(), "{text:?}");
}

/// The same words under every preset that splits.
#[track_caller]
fn same(text: &str, want: &str) {
    check(text, want, want, want);
}

#[test]
fn punctuation_brackets_and_quotes_are_words() {
    same("Oslo, (Lady Gaga)!", "Oslo , ( Lady Gaga ) !");
    same("\"Yes\" and ‘no’ or “so”; why?", "\" Yes \" and ‘ no ’ or “ so ” ; why ?");
    same("[live] {a} <b> a|b", "[ live ] { a } < b > a | b");
    same("-Ana, Bergen- and -", "- Ana , Bergen - and -");
    same("Oslo.The end", "Oslo . The end");
    same("'quoted'", "' quoted '");
    same("", "");
    same(" \r\n\t\u{a0} ", "");
}

#[test]
fn mentions_and_hashtags_follow_the_convention() {
    check("@ana_b", "@ana_b", "@ana _ b", "@ ana_b");
    check("(@ana)", "( @ana )", "( @ana )", "( @ ana )");
    check("RT @ana_: hi", "RT @ana_ : hi", "RT @ana _ : hi", "RT @ ana_ : hi");
    check(".@ana's #Oslo!", ". @ana 's #Oslo !", ". @ana ' s #Oslo !", ". @ ana ' s # Oslo !");
    check("#a#b", "#a #b", "#a #b", "# a # b");
    check("#2 #東京", "#2 #東京", "#2 #東京", "# 2 # 東 京");
    same("at @ Oslo # _", "at @ Oslo # _");
    same("@@ ##", "@ @ # #");
}

#[test]
fn compounds_and_apostrophes_follow_the_convention() {
    check("re-open w/o 2016-17", "re-open w/o 2016-17", "re-open w/o 2016-17", "re - open w / o 2016 - 17");
    check("sea--land", "sea -- land", "sea -- land", "sea - - land");
    check("don't can’t", "do n't ca n’t", "don ' t can ’ t", "don ' t can ’ t");
    check("It's Ana's", "It 's Ana 's", "It ' s Ana ' s", "It ' s Ana ' s");
    check("I'd've o'clock", "I 'd 've o'clock", "I ' d ' ve o ' clock", "I ' d ' ve o ' clock");
    check("n't 's", "n't 's", "n ' t ' s", "n ' t ' s");
    check("1\u{ad}n't", "1\u{ad}n't", "1\u{ad}n ' t", "1 \u{ad} n ' t");
    same("rappin' players'", "rappin ' players '");
    let keep: WordConvention = "conll,apostrophe=keep".parse().unwrap();
    let words: Vec<_> = split("don't, Ana's players'", &keep).iter().map(|word| word.text).collect();
    assert_eq!(words, ["don't", ",", "Ana's", "players", "'"]);
}

#[test]
fn numbers_follow_the_convention() {
    check("3.5 1,000 10:30", "3.5 1,000 10:30", "3 . 5 1 , 000 10 : 30", "3.5 1,000 10 : 30");
    check("1,234,567.8", "1,234,567.8", "1 , 234 , 567 . 8", "1,234,567.8");
    check("5th 7pm 76ers", "5th 7pm 76ers", "5th 7pm 76ers", "5 th 7 pm 76 ers");
    same("$5 50% 20°C 1,23 B2B", "$ 5 50 % 20 ° C 1 , 23 B2B");
    same("$AAPL Ke$ha", "$AAPL Ke $ ha");
    same("in 2016, 2017.", "in 2016 , 2017 .");
}

#[test]
fn abbreviations_and_references_follow_the_convention() {
    check("U.S. in D.C.", "U.S. in D.C.", "U . S . in D . C .", "U . S . in D . C .");
    check("4 p.m. St. Olav", "4 p.m. St. Olav", "4 p . m . St . Olav", "4 p . m . St . Olav");
    check("J. K. and I.", "J. K. and I .", "J . K . and I .", "J . K . and I .");
    check("t.co example.com", "t.co example.com", "t . co example . com", "t . co example . com");
    check("AT&T H&M", "AT&T H&M", "AT&T H&M", "AT & T H & M");
    check("a &amp; b", "a &amp; b", "a &amp ; b", "a & amp ; b");
    check("H&amp;M x&gt;y", "H&amp;M x &gt; y", "H&amp ; M x&gt ; y", "H & amp ; M x & gt ; y");
    check("&#39; & b", "&#39; & b", "& #39 ; & b", "& # 39 ; & b");
}

#[test]
fn marks_in_a_row_and_emoticons_follow_the_convention() {
    check("so... no!!!", "so ... no !!!", "so . . . no ! ! !", "so . . . no ! ! !");
    check("Ameri… …", "Ameri … …", "Ameri… …", "Ameri … …");
    check("ok :) :-D <3", "ok :) :-D <3", "ok : ) : - D < 3", "ok :) :-D <3");
    check("ok:)", "ok :)", "ok : )", "ok :)");
    same("Oslo:Pa 10:(a", "Oslo : Pa 10 : ( a");
}

#[test]
fn urls_and_addresses_are_whole_without_the_punctuation_after_them() {
    same("see http://t.co/aB1, (https://a.no/b?c=d&e#f).", "see http://t.co/aB1 , ( https://a.no/b?c=d&e#f ) .");
    same("http://a.no/b_(c) www.a.no!", "http://a.no/b_(c) www.a.no !");
    same("\"http://a.no\" HTTP://A.NO", "\" http://a.no \" HTTP://A.NO");
    same("ana.b@a.no, x", "ana.b@a.no , x");
    check("http://t.co/a… http…", "http://t.co/a … http …", "http://t.co/a… http…", "http://t.co/a … http …");
}

#[test]
fn no_border_lies_inside_a_grapheme_cluster() {
    same("👩‍👩‍👧 👍🏽 ⚽️", "👩‍👩‍👧 👍🏽 ⚽️");
    same("Oslo🇳🇴🇸🇪🏀🏀!", "Oslo 🇳🇴 🇸🇪 🏀 🏀 !");
    same("1️⃣ #️⃣ cafe\u{301}, \u{301}a", "1️⃣ #️⃣ cafe\u{301} , \u{301} a");
    same("東京に hello世界", "東 京 に hello 世 界");
    same("שלום, مرحبا!", "שלום , مرحبا !");
    same("a\u{200b}b c\u{ad}d", "a \u{200b} b c\u{ad}d");
}

#[test]
fn words_know_their_places() {
    let text = "é\u{a0}🇳🇴\r\n(Oslo)";
    let words: Vec<_> =
        split(text, &WordConvention::default()).into_iter().map(|w| (w.text, w.bytes, w.chars)).collect();
    let want =
        [("é", 0..2, 0..1), ("🇳🇴", 4..12, 2..4), ("(", 14..15, 6..7), ("Oslo", 15..19, 7..11), (")", 19..20, 11..12)];
    assert_eq!(words, want);
}

#[test]
fn a_convention_is_told_from_words() {
    #[track_caller]
    fn check(posts: &[&str], want: &str) {
        let posts: Vec<Vec<&str>> = posts.iter().map(|post| post.split(' ').collect()).collect();
        assert_eq!(WordConvention::of_corpus(&posts).to_string(), want, "{posts:?}");
    }
    check(&[], "conll");
    check(&[""], "conll");
    check(&["Ana is in Oslo"], "conll");
    check(&["Ana, is in Oslo.", "so (what)?"], "whitespace");
    check(&["Ana , is in Oslo .", "don't go ."], "conll,apostrophe=keep");
    check(&["RT @ana _ b : it ' s 10 : 30 ."], "twitter2015");
    check(&["@ ana # oslo @eva", "5 th", "a - b"], "twitter2017");
    check(&["@ ana #oslo", "5 th", "a - b don't"], "twitter2017,apostrophe=keep,hashtag=keep");
    check(&["I do n't , it 's", "@ana @eva @ ana"], "conll");
}

#[test]
fn a_preset_is_told_from_words_that_it_made() {
    let post = "RT @ana_b: don't re-open #Oslo w/o 5th U.S. 3.5 10:30 AT&T &amp; :) no... why!! Ameri… Ana's \"yes\"";
    for (name, convention) in WordConvention::PRESETS {
        let words: Vec<_> = split(post, &convention).iter().map(|word| word.text).collect();
        assert_eq!(WordConvention::of_corpus([&words]), convention, "{name}");
    }
}

#[test]
fn a_convention_is_written_as_a_preset_and_what_differs() {
    #[track_caller]
    fn check(text: &str, written: &str) {
        let convention: WordConvention = text.parse().unwrap();
        assert_eq!(convention.to_string(), written);
        assert_eq!(written.parse::<WordConvention>().unwrap(), convention);
        let json = serde_json::to_string(&convention).unwrap();
        assert_eq!(serde_json::from_str::<WordConvention>(&json).unwrap(), convention);
    }
    for (name, _) in WordConvention::PRESETS {
        check(name, name);
    }
    check("twitter2017, hashtag = keep", "twitter2017,hashtag=keep");
    check("conll,punctuation=keep", "whitespace");
    check("conll,number=decimal,apostrophe=keep", "conll,apostrophe=keep,number=decimal");
    let json = r#"{"number": "decimal", "emoticon": "split"}"#;
    let convention: WordConvention = serde_json::from_str(json).unwrap();
    assert_eq!((convention.number, convention.emoticon), (Number::Decimal, Treatment::Split));
}

#[test]
fn a_wrong_convention_is_an_error_that_names_the_part() {
    #[track_caller]
    fn check(wrong: &str, want: &str, got: &str) {
        let error = wrong.parse::<WordConvention>().unwrap_err().to_string();
        assert!(error.starts_with(&format!("the setting `word convention` must be {want}")), "{error}");
        assert!(error.ends_with(&format!(", got {got}")), "{error}");
    }
    check("", "one of conll, twitter2015", r#""""#);
    check("twitter", "one of conll, twitter2015", r#""twitter""#);
    check("twitter,hashtag=keep", "one of conll", r#""twitter" in "twitter,hashtag=keep""#);
    check("conll,hashtag", "the name of a preset, then `,setting=value`", r#""hashtag" in "conll,hashtag""#);
    check("conll,run=keep,", "the name of a preset, then `,setting=value`", r#""" in "conll,run=keep,""#);
    check("conll,tag=keep", "a preset with other values of ", r#""tag=keep" in "conll,tag=keep""#);
    check(
        "conll,unit=decimal,run=keep",
        "a preset with `unit` keep or split",
        r#""unit=decimal" in "conll,unit=decimal,run=keep""#,
    );
    check(
        "conll,number=clitic",
        "a preset with `number` keep, decimal or split",
        r#""number=clitic" in "conll,number=clitic""#,
    );
}

#[test]
fn words_are_rejoined_as_a_person_writes_them() {
    #[track_caller]
    fn check(convention: &WordConvention, words: &str, want: &str) {
        let words: Vec<_> = words.split(' ').collect();
        let post = rejoin(&words, convention);
        assert_eq!(post.text, want);
        let chars: Vec<_> = post.text.chars().collect();
        let cut = post.chars.iter().map(|range| chars[range.clone()].iter().collect::<String>());
        assert_eq!(cut.collect::<Vec<_>>(), words);
    }
    let conll = WordConvention::CONLL;
    check(&conll, "\" So \" , he said ( in Oslo ) : it 's @ana !", "\"So\", he said (in Oslo): it's @ana!");
    check(&conll, "do n't ' go ' now", "don't 'go' now");
    let twitter2015 = WordConvention::TWITTER2015;
    check(&twitter2015, "RT @ana _ b : it ' s $ 2 . 99 : )", "RT @ana_b: it's $2.99 :)");
    check(&twitter2015, "U . S . at 7 : 30pm &amp ; H&amp ; M . . .", "U.S. at 7:30pm &amp; H&amp;M...");
    check(&twitter2015, "at @ Oslo https : //t . co/x", "at @ Oslo https://t.co/x");
    let twitter2017 = WordConvention::TWITTER2017;
    check(&twitter2017, "# Oslo @ ana ' s 5 th - best 🏀 🏀 👍 🏽 ! !", "#Oslo @ana's 5th-best 🏀🏀👍🏽!!");
    check(&twitter2017, "the players ' cup ’ s O ' Brien & gt ; 2 , 3", "the players' cup’s O'Brien &gt; 2, 3");
    check(&WordConvention::WHITESPACE, "Oslo , ( a", "Oslo , ( a");
    assert_eq!(rejoin::<&str>(&[], &conll).text, "");
}
