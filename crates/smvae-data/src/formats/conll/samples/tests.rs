//! Tests of the reader: well-formed files, each kind of malformed line with its number, arbitrary
//! bytes.

use super::*;
use proptest::prelude::*;

fn read(text: &[u8]) -> Result<Vec<Sample>> {
    Reader::new(text, "f.txt").collect()
}

/// Each tweet as `id|word/tag ...`.
#[track_caller]
fn check(text: &str, want: &[&str]) {
    let samples = read(text.as_bytes()).expect("well-formed");
    let shown: Vec<String> = samples
        .iter()
        .map(|s| {
            let words: Vec<String> = s.words.iter().zip(&s.tags).map(|(w, t)| format!("{w}/{t}")).collect();
            format!("{}|{}", s.image_id, words.join(" "))
        })
        .collect();
    assert_eq!(shown, want, "{text:?}");
}

#[test]
fn well_formed_files() {
    check("IMGID:1\na\tO\n\nIMGID:2\nb\tB-X\nc\tI-X\n\n", &["1|a/O", "2|b/B-X c/I-X"]);
    check("IMGID:1\na\tO\n", &["1|a/O"]);
    check("IMGID:1\na\tO", &["1|a/O"]);
    check("IMGID:1\na\tO\n \nIMGID:2\nb\tO\n\t\n \t\t\nIMGID:3\n \tO\n", &["1|a/O", "2|b/O", "3| /O"]);
    check("\n\nIMGID:1\na\tO\n\n\n\n", &["1|a/O"]);
    check("IMGID:1\na\tO\nIMGID:2\nb\tO\n", &["1|a/O", "2|b/O"]);
    check("\u{feff}IMGID:1\r\na\tO\r\n\r\n", &["1|a/O"]);
    check("IMGID:1\n\u{a0}\tO\n \tO\na b\tO\n\u{2028}\tO\n", &["1|\u{a0}/O  /O a b/O \u{2028}/O"]);
    check("IMGID:1\na\tI-X\nb\tB-X\nc\tI-Y\n", &["1|a/I-X b/B-X c/I-Y"]);
    check("IMGID: 1 \nhttp://t.co\tO\n", &[" 1 |http://t.co/O"]);
}

/// The first error of a text as `line: got; expected`, and what the lenient reader makes of the
/// text.
#[track_caller]
fn check_malformed(text: &[u8], line: usize, got: &str, expected: &str, lenient: (usize, usize, usize)) {
    match read(text) {
        Err(Error::Line { path, line: l, text: t, expected: e, .. }) => {
            assert_eq!((path.to_str(), l, t.as_str()), (Some("f.txt"), line, got));
            assert!(e.contains(expected), "{e:?} does not name {expected:?}");
        }
        other => panic!("expected a malformed line, got {other:?}"),
    }
    let read = read_lenient(Reader::new(text, "f.txt"));
    assert_eq!((read.samples.len(), read.n_dropped, read.n_errors), lenient, "{read}");
    assert_eq!(read.errors.len(), read.n_errors);
}

#[test]
fn malformed_lines_are_named() {
    check_malformed(b"IMGID:1\nword O\n\nIMGID:2\na\tO\n", 2, "word O", "word<TAB>tag", (1, 1, 1));
    check_malformed(b"IMGID:1\na\tO\nword\tx\tO\n", 3, "word\tx\tO", "one tab", (0, 1, 1));
    check_malformed(b"IMGID:1\n\tO\n", 2, "\tO", "a word before", (0, 1, 1));
    check_malformed(b"IMGID:1\n \n", 1, "IMGID:1", "at least one word", (0, 1, 1));
    check_malformed(b"IMGID:1\na\tPER\nb\tX-PER\nc\tO\n\n", 2, "a\tPER", "`B-type`", (0, 1, 2));
    check_malformed(b"IMGID:1\na\tB-\n", 2, "a\tB-", "`B-type`", (0, 1, 1));
    check_malformed(b"\na\tO\nb\tO\n\nIMGID:2\na\tO\n", 2, "a\tO", "IMGID", (1, 1, 1));
    check_malformed(b"IMGID:1\na\tO\n\nb\tO\n\nIMGID:2\na\tO\n", 4, "b\tO", "IMGID", (2, 1, 1));
    check_malformed(b"IMGID:1\na\xff\tO\n\nIMGID:2\na\tO\n", 2, "a\u{fffd}\tO", "UTF-8", (1, 1, 1));
    check_malformed(b"IMGID:1\na\tO\nIMGID:\nb\tO\n", 3, "IMGID:", "with an id", (1, 1, 1));
    check_malformed(b"IMGID:1\tO\nb\tO\n", 1, "IMGID:1\tO", "without a tab", (0, 1, 1));
    check_malformed(b"IMGID:1\n\nIMGID:2\nb\tO\n", 1, "IMGID:1", "at least one word", (1, 1, 1));
    check_malformed(b"IMGID:1\nIMGID:\nb\tO\n", 1, "IMGID:1", "at least one word", (0, 2, 2));
    let long = format!("IMGID:1\n{}\n", "é".repeat(500));
    check_malformed(long.as_bytes(), 2, &format!("{}…", "é".repeat(80)), "word<TAB>tag", (0, 1, 1));
}

#[test]
fn a_file_without_a_tweet_is_an_error() {
    for text in ["", "\n", "\n\r\n", "\u{feff}"] {
        assert!(matches!(read(text.as_bytes()), Err(Error::Empty { .. })), "{text:?}");
        assert_eq!(read_lenient(Reader::new(text.as_bytes(), "f.txt")).n_errors, 1);
    }
    assert!(matches!(read_file("no/such/file"), Err(Error::Read { .. })));
    let error = read(b"IMGID:1\nword O\n").expect_err("no tab").to_string();
    assert_eq!(error, "f.txt:2: expected `word<TAB>tag` with one tab and a word before it, got \"word O\"");
}

#[test]
fn a_failing_input_ends_the_stream() {
    struct Broken;
    impl std::io::Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("unplugged"))
        }
    }
    let mut reader = Reader::new(BufReader::new(Broken), "pipe");
    assert!(matches!(reader.next(), Some(Err(Error::Read { .. }))));
    assert!(reader.next().is_none());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_never_vanish(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let read = read_lenient(Reader::new(bytes.as_slice(), "f.txt"));
        prop_assert!(!read.samples.is_empty() || read.n_errors > 0);
    }

    /// Pieces of the format in any order reach deeper than bytes do: every word is in a sample or
    /// beside an error.
    #[test]
    fn arbitrary_lines_are_read_or_reported(picks in prop::collection::vec(0usize..10, 0..40)) {
        const LINES: [&[u8]; 10] = [
            b"IMGID:7", b"IMGID:", b"", b"", b"a\tO", b"b\tB-PER", b"c\tI-LOC", b"d\tX", b"no tab", b"\xc3\tO",
        ];
        let bytes: Vec<u8> = picks.iter().flat_map(|&i| [LINES[i], b"\n"].concat()).collect();
        let strict = read(&bytes);
        let lenient = read_lenient(Reader::new(bytes.as_slice(), "f.txt"));
        prop_assert_eq!(strict.is_ok(), lenient.n_errors == 0);
        prop_assert!(lenient.samples.iter().all(|s| !s.words.is_empty() && s.words.len() == s.tags.len()));
        let headers = picks.iter().filter(|&&i| i < 2).count();
        prop_assert!(lenient.samples.len() + lenient.n_dropped >= headers);
    }
}
