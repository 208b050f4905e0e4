//! Tests of all formats together: the same posts from each, three wrong inputs for each, arbitrary
//! bytes.

use super::lines::UTF_8;
use super::*;
use crate::Sample;
use crate::corpus::{Split, load_split};
use proptest::prelude::*;

/// Invented posts: words, and BIO tags.
const POSTS: [(&str, &str); 10] = [
    ("Lady Gaga lands in Oslo", "B-PER I-PER O O B-LOC"),
    ("nothing here", "O O"),
    ("\" Quoted , \" said Ann", "O O O O O B-PER"),
    ("# mufc wins 2 - 1", "O B-ORG O O O O"),
    ("#mufc @ann http://t.co/1", "B-ORG O O"),
    ("😀 👩\u{200d}👩\u{200d}👧 Bø", "O O B-LOC"),
    ("Rio\u{a0}de Janeiro", "B-LOC I-LOC"),
    ("a \u{a0} b", "O O O"),
    ("Ann Bob", "B-PER B-PER"),
    ("It 's AT&T ; <b>", "O O B-ORG O O"),
];

fn samples() -> Vec<Sample> {
    let own = |text: &str| text.split(' ').map(str::to_owned).collect();
    POSTS
        .iter()
        .enumerate()
        .map(|(i, (words, tags))| Sample {
            image_id: format!("{i}.jpg"),
            words: own(words),
            tags: own(tags),
            caption: None,
        })
        .collect()
}

fn table(delimiter: u8) -> String {
    let mut writer = csv::WriterBuilder::new().delimiter(delimiter).from_writer(Vec::new());
    writer.write_record(["image", "text", "mine", "tags"]).expect("in memory");
    for sample in samples() {
        let (words, tags) = (sample.words.join(" "), sample.tags.join(" "));
        writer.write_record([&sample.image_id, &words, "two\nlines", &tags]).expect("in memory");
    }
    String::from_utf8(writer.into_inner().expect("in memory")).expect("text")
}

/// The posts as a file of each format that holds labels.
fn files() -> [(&'static str, String); 5] {
    let lines: Vec<String> = samples().iter().map(json::write::to_line).collect();
    [
        ("train.txt", conll::write::to_text(&samples()).expect("writable")),
        ("train.jsonl", lines.join("\n")),
        ("train.json", format!("[\n{}\n]", lines.join(",\n"))),
        ("train.csv", table(b',')),
        ("train.tsv", table(b'\t')),
    ]
}

#[test]
fn the_same_posts_from_every_format() {
    for (name, text) in files() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        std::fs::write(dir.path().join(name), text).expect("writes");
        let posts: Vec<PostRecord> = open(dir.path().join(name), &Settings::default())
            .expect("opens")
            .collect::<Result<_>>()
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        for (post, sample) in posts.iter().zip(&samples()) {
            assert_eq!(post.body, Body::Words(sample.words.clone()), "{name}");
            assert_eq!(post.labels, Some(Labels::Tags(sample.tags.clone())), "{name}");
            assert_eq!(post.image.as_ref(), Some(&sample.image_id), "{name}");
        }
        assert_eq!(load_split(dir.path(), Split::Train).expect(name).samples, samples(), "{name}");
    }
    let text: String = POSTS.iter().map(|(words, _)| format!("{words}\r\n")).collect();
    let posts: Vec<PostRecord> = read_as(Format::Text, text.as_bytes()).collect::<Result<_>>().expect("text");
    assert!(posts.iter().map(|post| &post.body).eq(&POSTS.map(|(words, _)| Body::Text(words.to_owned()))));
    assert_eq!(posts.iter().map(|post| post.line).max(), Some(10));
}

#[test]
fn rows_keep_their_lines_and_their_other_cells() {
    let (_, text) = files().into_iter().find(|(name, _)| *name == "train.csv").expect("one of them");
    let posts: Vec<PostRecord> = read_as(Format::Csv, text.as_bytes()).collect::<Result<_>>().expect("a table");
    assert_eq!(posts.iter().map(|post| post.line).collect::<Vec<_>>(), (0..10).map(|i| 2 + 2 * i).collect::<Vec<_>>());
    assert_eq!(posts[0].fields.read::<String>("mine").expect("text").as_deref(), Some("two\nlines"));
    let text = "\u{feff}id,text\r\n\r\n\r\n7,a\r\n,\"b\r\nc\"\r\n\r\n8,d";
    let posts: Vec<PostRecord> = read_as(Format::Csv, text.as_bytes()).collect::<Result<_>>().expect("a table");
    let shown: Vec<_> = posts.iter().map(|post| (post.line, post.id.as_deref())).collect();
    assert_eq!(shown, [(4, Some("7")), (5, None), (8, Some("8"))]);
    assert_eq!(posts[1].body, Body::Text("b\r\nc".to_owned()));
}

/// What a table is read as: `line text` of a post, `line !` of an error.
#[track_caller]
fn check_rows(format: Format, table: &str, want: &[&str]) {
    let shown: Vec<String> = read_as(format, table.as_bytes())
        .map(|post| match post {
            Ok(PostRecord { line, body: Body::Text(text), .. }) => format!("{line} {text}"),
            Err(Error::Line { line, .. }) => format!("{line} !"),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(shown, want, "{table:?}");
}

#[test]
fn stray_quotation_marks_take_no_posts_with_them() {
    let lines = ["id\ttext", "1\ta", "2\t\"@fan: to be", "3\tor not", "4\tto be", "5\tb", "6\t\"Hamlet said", "7\tc"];
    check_rows(Format::Tsv, &lines.join("\n"), &["2 a", "3 !", "4 or not", "5 to be", "6 b", "7 !", "8 c"]);
    // Marks within a cell are text, however many the file has.
    check_rows(Format::Csv, "id,text\n1,it is 5\" long\n2,\"a \"\"b\"\"\"\n", &["2 it is 5\" long", "3 a \"b\""]);
    // A mark that another stray one closes.
    let rows = "id,text\n1,\"a\n2,b\n3,c\",d\n4,e\n";
    check_rows(Format::Csv, rows, &["2 !", "3 b", "4 !", "5 e"]);
    // An error comes where its row stands, and not after all the others.
    let rows = format!("2,{}\n", "b".repeat(1000)).repeat(2000);
    let table = format!("id,text\n1,\"a\n{rows}");
    let mut posts = read_as(Format::Csv, table.as_bytes());
    assert!(matches!(posts.next(), Some(Err(Error::Line { line: 2, .. }))));
    assert_eq!(posts.filter(Result::is_ok).count(), 2000);
}

#[test]
fn a_header_must_be_whole() {
    let mut posts = read_as(Format::Csv, b"id,\"text\n1,a\n");
    let error = posts.next().expect("an error").expect_err("no header").to_string();
    assert!(error.starts_with("f: expected a header with quotation marks in pairs"), "{error}");
    assert!(posts.next().is_none());
}

#[test]
fn a_row_has_words_or_a_text() {
    let rows = "words,text,tags\na  \u{a0},c,\n,a b,\n,a b,O O\n,,\n";
    let posts: Vec<PostRecord> = read_as(Format::Csv, rows.as_bytes()).collect::<Result<_>>().expect("a table");
    let words = |words: &[&str]| Body::Words(words.iter().map(|&word| word.to_owned()).collect());
    let text = |text: &str| Body::Text(text.to_owned());
    let want = [words(&["a", "\u{a0}"]), text("a b"), words(&["a", "b"]), text("")];
    assert!(posts.iter().map(|post| &post.body).eq(&want), "{posts:?}");
}

/// What a text is read as: the line of a post, or its error.
#[track_caller]
fn check_words(format: Format, labels: LabelUse, text: &str, want: &[&str]) {
    let settings = Settings { format: Some(format), labels, ..Settings::default() };
    let posts = read(text.as_bytes(), "f", &settings).expect("bytes can be read");
    let shown: Vec<String> =
        posts.map(|post| post.map_or_else(|error| error.to_string(), |post| post.line.to_string())).collect();
    assert_eq!(shown, want, "{format} {text:?}");
}

#[test]
fn words_in_which_nothing_can_be_found_are_errors() {
    use Format::{Conll, Csv, JsonLines};
    let empty = r#"expected "tokens" to be words of which none is empty, as number 2 is, got "[\"a\",\"\"]""#;
    for labels in [LabelUse::Ignored, LabelUse::IfAny, LabelUse::Required] {
        let lines = "{\"tokens\":[\"a\",\"\"]}\n{\"text\":\"\"}\n{\"words\":[]}\n";
        check_words(JsonLines, labels, lines, &[&format!("f:1: {empty}"), "2", "3"]);
    }
    let white = "words that are more than white space, got";
    let columns = "a\tO\n\n\u{a0}\tO\n\nb\tO\n\u{a0}\tO\n";
    let table = "words\na\n\u{a0}\nb \u{a0}\n";
    let lines = "{\"words\":[\"a\"]}\n{\"words\":[\" \"]}\n{\"words\":[\"b\",\" \"]}\n";
    let ignored = LabelUse::Ignored;
    check_words(Conll, ignored, columns, &["1", &format!("f:3: expected {white} {:?}", "\u{a0}"), "5"]);
    check_words(Csv, ignored, table, &["2", &format!("f:3: expected {white} {:?}", "\u{a0}"), "4"]);
    let want = format!(r#"f:2: expected "words" to be {white} "[\" \"]""#);
    check_words(JsonLines, ignored, lines, &["1", &want, "3"]);
    // A corpus may have such words.
    check_words(Conll, LabelUse::Required, columns, &["1", "3", "5"]);
    check_words(Csv, LabelUse::IfAny, table, &["2", "3", "4"]);
    check_words(JsonLines, LabelUse::IfAny, lines, &["1", "2", "3"]);
}

#[test]
fn a_blank_line_of_text_is_a_post_without_text() {
    let posts: Vec<PostRecord> = read_as(Format::Text, b"\xef\xbb\xbfa\n\n b ").collect::<Result<_>>().expect("text");
    assert!(posts.iter().map(|post| &post.body).eq(&["a", "", " b "].map(|text| Body::Text(text.to_owned()))));
}

fn read_as(format: Format, bytes: &[u8]) -> Posts<&[u8]> {
    read(bytes, "f", &Settings { format: Some(format), ..Settings::default() }).expect("bytes can be read")
}

/// The one error among the posts of a text, of which so many are read.
#[track_caller]
fn check_error(format: Format, text: &[u8], posts: usize, want: &str) {
    let (read, mut errors): (Vec<_>, Vec<_>) = read_as(format, text).partition(Result::is_ok);
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert_eq!(errors.pop().expect("one").expect_err("parted").to_string(), want);
    assert_eq!(read.len(), posts);
}

#[test]
fn wrong_inputs_are_named_and_the_rest_is_read() {
    use Format::{Conll, Csv, Json, JsonLines, Text, Tsv};
    let header = "a header with a column `text`, `words` or `tokens`";
    let marks = "quotation marks in pairs in this row: the one that begins its cell";
    let doubled = "(a mark that is text stands twice, in a cell with marks around it)";
    check_error(
        Conll,
        b"a O\nb X-Y\n\nc O",
        1,
        "f:2: expected a tag such as `O` or `B-type` in column 2, got \"b X-Y\"",
    );
    check_error(
        Conll,
        b"a\tO\n\nIMGID:1\nb\tO\n",
        1,
        "f:3: expected no `IMGID:` line, since the first post has none, got \"IMGID:1\"",
    );
    check_error(Conll, b"a O\n\n\xff O\n", 1, &format!("f:3: expected {UTF_8}, got \"\u{fffd} O\""));
    check_error(
        JsonLines,
        b"{\"text\": \"a\"}\n[1]\n",
        1,
        "f:2: expected a JSON object (invalid type: sequence, expected an object at column 0), got \"[1]\"",
    );
    check_error(
        Csv,
        b"text\na\n\"b\nc\n",
        2,
        &format!("f:3: expected {marks} 1 is closed nowhere {doubled}, got \"\\\"b\""),
    );
    check_error(
        Tsv,
        b"id\ttext\n2\t\"@fan: to be\n3\tor not\n",
        1,
        &format!("f:2: expected {marks} 2 is closed nowhere {doubled}, got \"2\\t\\\"@fan: to be\""),
    );
    check_error(
        Csv,
        b"text,id,text\na,1,b\n",
        0,
        "f: expected columns of different names, and not `text` twice, got \"text,id,text\"",
    );
    check_error(
        JsonLines,
        b"{\"text\": 1}\n\n{\"text\": \"a\"}",
        1,
        "f:1: expected \"text\" to be a string, got \"1\"",
    );
    check_error(
        JsonLines,
        b"\xef\xbb\xbf{\"x\": 1}\n",
        0,
        "f:1: expected an object with \"words\", \"tokens\" or \"text\", got \"{\\\"x\\\":1}\"",
    );
    check_error(
        Json,
        b"[{\"text\": \"a\"},\n{\"text\": \"b\"}\n",
        2,
        "f:3: expected `]` at the end of the array, got \"\"",
    );
    check_error(
        Json,
        b"[{\"text\": \"a\"},\n{\"text\": \"b\",}]",
        1,
        "f:2: expected a JSON object (trailing comma at column 14), got \"{\\\"text\\\": \\\"b\\\",}\"",
    );
    check_error(Json, b"[{\"text\": \"a\"}]\n[]", 1, "f:2: expected nothing after the array's `]`, got \"[\"");
    for (format, text) in [(JsonLines, &b"{\"text\": \"\xff\"}\n"[..]), (Json, &b"[{\"text\": \"\xff\"}]"[..])] {
        check_error(format, text, 0, &format!("f:1: expected {UTF_8}, got {:?}", "{\"text\": \"\u{fffd}\"}"));
    }
    check_error(Text, b"a\n\xff\nb\n", 2, &format!("f:2: expected {UTF_8}, got \"\u{fffd}\""));
    let renamed = format!("{header} (rename the column that holds the text to `text`)");
    check_error(Csv, b"id,txt\n1,a\n", 0, &format!("f: expected {renamed}, got \"id,txt\""));
    check_error(
        Csv,
        b"id,text\n1,\"a\nb\",c\n3,b",
        2,
        "f:2: expected 2 cells, as the header has, and not 3, in the row of lines 2 to 3, got \"1,\\\"a\"",
    );
    check_error(Csv, b"id,text\n1,a\n2\n3,b", 2, "f:3: expected 2 cells, as the header has, and not 1, got \"2\"");
    check_error(
        Csv,
        b"text,tags\na b,O\nc,O\n",
        1,
        "f:2: expected as many tags as words with spaces between them, 2, got \"O\"",
    );
    check_error(Tsv, b"", 0, &format!("f: expected {header}, got \"\""));
    check_error(Tsv, b"text\ttags\na\tPER\n", 0, "f:2: expected tags such as `O` or `B-type`, got \"PER\"");
    check_error(Tsv, b"text\tid\n\n\xff\t1\n", 0, &format!("f:3: expected {UTF_8}, got \"\u{fffd},1\""));
}

#[test]
fn a_name_tells_the_format_and_a_text_may_be_columns() {
    let told = |name: &str, text: &str| {
        let mut posts = read(text.as_bytes(), name, &Settings::default())?;
        posts.by_ref().for_each(drop);
        Ok::<_, Error>(posts.decided().to_string())
    };
    #[track_caller]
    fn check(got: Result<String>, want: &str) {
        assert_eq!(got.expect("a known name"), want);
    }
    check(told("a/b.JSONL", ""), "jsonl");
    check(told("b.txt", "a\tO"), "text");
    let columns = "2 columns separated by tabs, words in column 1, tags in column 2";
    check(told("b.txt", "\u{feff}\nIMGID:1\na\tO"), &format!("conll: {columns}, with `IMGID:` lines"));
    check(told("b.txt", "-DOCSTART-\na\tO"), &format!("conll: {columns}, without `IMGID:` lines"));
    for table in ["id\ttext\n1\ta\n", "\u{feff}ID\t\"Text\"\r\n"] {
        let error = told("b.txt", table).expect_err("a table").to_string();
        assert!(error.starts_with("b.txt is named as a text and begins as tsv does"), "{error}");
    }
    for table in ["id,text\n1,a\n", "\u{feff}ID;Text;mine\n1;\"a;b\";c", "text,id\n1,\n2,"] {
        let error = told("b.txt", table).expect_err("a table").to_string();
        assert!(error.starts_with("b.txt is named as a text and begins as csv does"), "{error}");
    }
    let texts =
        ["Text, she said, is dead\nId, ego, and more\n", "text,id\n", "text,id\nso tired\n", "text,mine\n1,a\n"];
    for text in texts.into_iter().chain(["the text\tid\n", "text\n", "a\ntext\tid\n"]) {
        check(told("b.txt", text), "text");
    }
    check(told("b.json", " {\"text\": \"a\"}\n{}"), "json");
    let error = told("b.doc", "").expect_err("unknown").to_string();
    assert!(error.starts_with("b.doc: expected a file ending in .txt, .conll, .jsonl"), "{error}");
    for format in Format::ALL {
        assert_eq!(format.name().parse::<Format>().expect("its own name"), format);
    }
    for name in ["b.xlsx", "b.XLS", "b.ods"] {
        let error = told(name, "").expect_err("a workbook");
        assert!(std::error::Error::source(&error).is_some_and(|cause| cause.to_string().contains("save it as CSV")));
    }
    assert!(matches!("xml".parse::<Format>(), Err(Error::Setting { .. })));
    assert!(matches!(open("no/such.csv", &Settings::default()), Err(Error::Read { .. })));
}

/// Pieces of all formats, so that the readers are reached beyond their first line.
const PIECES: [&[u8]; 24] = [
    b"\n",
    b"\r\n",
    b"\r",
    b" ",
    b"\t",
    b",",
    b"\"",
    b"\\",
    b"[",
    b"]",
    b"{",
    b"}",
    b"{\"text\": \"a\"}",
    b"IMGID:1\n",
    b"-DOCSTART-",
    b"a O\n",
    b"b\tB-X\n",
    b"# c\n",
    b"text,tags\n",
    b"text\tid\n",
    b"a,O\n",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{\"words\": [\"a\"], \"tags\": [\"O\"]},\n",
];

fn check_bytes(bytes: &[u8]) -> std::result::Result<(), TestCaseError> {
    if checked::foreign(bytes).is_some() {
        return Ok(());
    }
    let lines = bytes.iter().filter(|&&byte| byte == b'\n' || byte == b'\r').count() + 1;
    // Columns of Arrow have tests of their own.
    let of_lines = |format: &Format| !matches!(format, Format::Arrow | Format::Parquet);
    for format in Format::ALL.into_iter().filter(of_lines) {
        for labels in [LabelUse::IfAny, LabelUse::Required, LabelUse::Ignored] {
            let posts = read(bytes, "f", &Settings { format: Some(format), labels, ..Settings::default() });
            let mut last = 0;
            for post in posts.expect("bytes can be read") {
                let line = match post {
                    Ok(post) => {
                        prop_assert!(post.line >= last, "{format}: posts are in order");
                        last = post.line;
                        post.line
                    }
                    Err(Error::Line { line, .. }) => line,
                    // The header of a table.
                    Err(Error::Columns { .. }) if matches!(format, Format::Csv | Format::Tsv) => 1,
                    Err(error) => return Err(TestCaseError::fail(error.to_string())),
                };
                prop_assert!((1..=lines).contains(&line), "{format}: line {line} of {lines}");
            }
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_read_or_are_errors_with_a_line(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        check_bytes(&bytes)?;
    }

    #[test]
    fn arbitrary_pieces_are_read_or_are_errors_with_a_line(picks in prop::collection::vec(0usize..24, 0..40)) {
        check_bytes(&picks.iter().flat_map(|&i| PIECES[i]).copied().collect::<Vec<u8>>())?;
    }

    /// Rows of any cells are what they were, on the lines on which they were written.
    #[test]
    fn rows_are_read_back(
        rows in prop::collection::vec((".{0,3}", "[a\" ,\t\n\r;]{0,6}"), 1..8), tab in any::<bool>(),
    ) {
        let mut text = Vec::new();
        let mut starts = Vec::new();
        for row in std::iter::once(("id".to_owned(), "text".to_owned())).chain(rows.clone()) {
            let ends = String::from_utf8_lossy(&text).replace("\r\n", "\n").replace('\r', "\n").matches('\n').count();
            starts.push(ends + 1);
            let delimiter = if tab { b'\t' } else { b',' };
            let style = csv::QuoteStyle::Always;
            let mut writer = csv::WriterBuilder::new().delimiter(delimiter).quote_style(style).from_writer(&mut text);
            writer.write_record([row.0, row.1]).expect("in memory");
        }
        let format = if tab { Format::Tsv } else { Format::Csv };
        let posts: Vec<PostRecord> = read_as(format, &text).collect::<Result<_>>().expect("written by us");
        let got: Vec<_> = posts.into_iter().map(|post| (post.line, post.id.unwrap_or_default(), post.body)).collect();
        let want = rows.into_iter().zip(&starts[1..]).map(|((id, text), &line)| (line, id, Body::Text(text)));
        let want: Vec<_> = want.collect();
        prop_assert_eq!(got, want);
    }
}

#[test]
fn a_cell_is_quoted_where_it_must_be() {
    use super::table::cell;
    let cells = ["PER", "PER,SON", "a \"b\"", "c\nd"].map(cell);
    assert_eq!(cells, ["PER", "\"PER,SON\"", "\"a \"\"b\"\"\"", "\"c\nd\""]);
    let formulas = ["=1+1", "+1", "-method", "@SUM(\"A\")", "a=1"].map(cell);
    assert_eq!(formulas, ["\"'=1+1\"", "\"'+1\"", "\"'-method\"", "\"'@SUM(\"\"A\"\")\"", "a=1"]);
}

#[test]
fn guards_are_taken_from_the_tables_that_have_them() {
    let texts = ["@ana sings", "'@ana sings", "'tis", "=1", "a"];
    let rows: String = texts.map(|text| format!("{},\n", super::table::cell(text))).concat();
    let read_as = |header: &str| -> Vec<Body> {
        let table = format!("{header}\n{rows}");
        let settings = Settings { format: Some(Format::Csv), ..Settings::default() };
        read(table.as_bytes(), "t", &settings).expect("CSV").map(|post| post.expect("a post").body).collect()
    };
    assert_eq!(read_as("text,entities"), texts.map(|text| Body::Text(text.to_owned())));
    let kept = ["'@ana sings", "''@ana sings", "'tis", "'=1", "a"];
    assert_eq!(read_as("text,note"), kept.map(|text| Body::Text(text.to_owned())));
}
