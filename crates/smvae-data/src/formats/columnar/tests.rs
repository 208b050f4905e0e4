//! Tests of posts in columns: types, roles, metadata, what is wrong with a row, a schema or a file.

use super::super::{Body, Format, Labels, PostRecord, Posts, Settings, read};
use super::*;
use crate::formats::LabelUse;
use arrow_array::builder::{Int32Builder, ListBuilder, StringBuilder, StringDictionaryBuilder};
use arrow_array::types::Int8Type;
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Float32Array, Float64Array, Int64Array, LargeStringArray, StringArray,
    StringViewArray, StructArray, UInt8Array,
};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::Field;
use proptest::prelude::*;
use std::sync::Arc;

/// A batch of some columns, all of which may be null.
fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .expect("columns of one length")
}

fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).expect("in memory");
    batches.iter().for_each(|batch| writer.write(batch).expect("in memory"));
    writer.finish().expect("in memory");
    writer.into_inner().expect("in memory")
}

fn file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).expect("in memory");
    writer.write(batch).expect("in memory");
    writer.finish().expect("in memory");
    writer.into_inner().expect("in memory")
}

fn open(format: Format, bytes: &[u8], labels: LabelUse) -> Result<Posts<&[u8]>> {
    read(bytes, "f", &Settings { format: Some(format), labels, ..Settings::default() })
}

fn read_all(bytes: &[u8]) -> Vec<Result<PostRecord>> {
    open(Format::Arrow, bytes, LabelUse::IfAny).expect("posts").collect()
}

fn lists(rows: &[&str]) -> ArrayRef {
    let mut lists = ListBuilder::new(StringBuilder::new());
    for row in rows {
        row.split_whitespace().for_each(|word| lists.values().append_value(word));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

fn texts(rows: &[&str]) -> ArrayRef {
    Arc::new(StringArray::from(rows.to_vec()))
}

/// What a post is: line, id, image, text or words, its fields as JSON.
#[track_caller]
fn check(post: &Result<PostRecord>, want: (usize, Option<&str>, Option<&str>, Body), fields: &str) {
    let post = post.as_ref().expect("a post");
    assert_eq!((post.line, post.id.as_deref(), post.image.as_deref(), post.body.clone()), want);
    assert_eq!(serde_json::to_string(&post.fields).expect("serialises"), fields);
}

#[test]
fn strings_of_any_layout_are_text() {
    let mut dictionary = StringDictionaryBuilder::<Int8Type>::new();
    dictionary.append_value("a");
    let layouts: [ArrayRef; 4] = [
        Arc::new(StringArray::from(vec!["a"])),
        Arc::new(LargeStringArray::from(vec!["a"])),
        Arc::new(StringViewArray::from(vec!["a"])),
        Arc::new(dictionary.finish()),
    ];
    for text in layouts {
        let posts = read_all(&stream(&[batch(vec![("text", text)])]));
        check(&posts[0], (1, None, None, Body::Text("a".to_owned())), r#"{"text":"a"}"#);
    }
}

#[test]
fn rows_are_posts_with_their_other_columns() {
    let first = batch(vec![
        ("id", Arc::new(Int64Array::from(vec![Some(7), None]))),
        ("image_id", Arc::new(UInt8Array::from(vec![1, 2]))),
        ("text", texts(&["a \"b\"", "é"])),
        ("f", Arc::new(Float32Array::from(vec![0.1, f32::NAN]))),
        ("g", Arc::new(Float64Array::from(vec![0.1, 1e300]))),
        ("h", Arc::new(BooleanArray::from(vec![true, false]))),
        ("raw", Arc::new(BinaryArray::from(vec![&b"\xff"[..], b""]))),
    ]);
    let posts = read_all(&stream(&[first.clone(), first.clone()]));
    assert_eq!(posts.len(), 4);
    let fields = r#"{"id":7,"image_id":"1","text":"a \"b\"","f":0.1,"g":0.1,"h":true}"#;
    check(&posts[0], (1, Some("7"), Some("1"), Body::Text("a \"b\"".to_owned())), fields);
    let fields = r#"{"id":null,"image_id":"2","text":"é","f":null,"g":1e+300,"h":false}"#;
    check(&posts[3], (4, None, Some("2"), Body::Text("é".to_owned())), fields);
    let from_file: Vec<_> = read_all(&file(&first));
    assert_eq!(from_file.len(), 2);
}

/// Columns of one cell as ids and as images: the id, the image and their fields.
#[track_caller]
fn check_ids(cells: ArrayRef, want: (Option<&str>, Option<&str>), fields: &str) {
    let posts = read_all(&stream(&[batch(vec![("id", cells.clone()), ("image", cells), ("text", texts(&["a"]))])]));
    let (id, image) = want;
    check(&posts[0], (1, id, image, Body::Text("a".to_owned())), &format!(r#"{{{fields},"text":"a"}}"#));
}

#[test]
fn ids_are_numbers_and_strings_of_any_type() {
    let same = |id: &'static str| (Some(id), Some(id));
    let float = |number: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![number])) };
    check_ids(texts(&["x"]), same("x"), r#""id":"x","image":"x""#);
    check_ids(texts(&[""]), (Some(""), None), r#""id":"","image":"""#);
    check_ids(Arc::new(UInt8Array::from(vec![7])), same("7"), r#""id":7,"image":"7""#);
    check_ids(Arc::new(Float32Array::from(vec![7.0_f32])), same("7"), r#""id":7,"image":"7""#);
    check_ids(float(Some(1e15)), same("1000000000000000"), r#""id":1000000000000000,"image":"1000000000000000""#);
    check_ids(float(Some(-0.5)), same("-0.5"), r#""id":-0.5,"image":"-0.5""#);
    check_ids(float(Some(f64::NAN)), (None, None), r#""id":null,"image":null"#);
    check_ids(float(None), (None, None), r#""id":null,"image":null"#);
    check_ids(Arc::new(BooleanArray::from(vec![true])), (Some("true"), None), r#""id":true"#);
}

#[test]
fn numbers_that_have_been_rounded_are_errors_of_their_rows() {
    let limit = 2_f64.powi(53);
    let doubles: ArrayRef = Arc::new(Float64Array::from(vec![limit - 1.0, limit, -1.9e18]));
    let singles: ArrayRef = Arc::new(Float32Array::from(vec![16_777_215.0_f32, 16_777_216.0, -1.9e18]));
    for (cells, bits, exact) in [(doubles, 53, "9007199254740991"), (singles, 24, "16777215")] {
        for name in ["id", "image"] {
            let rows = batch(vec![(name, cells.clone()), ("text", texts(&["a", "b", "c"]))]);
            let posts = read_all(&stream(&[rows]));
            let post = posts[0].as_ref().expect("a post");
            assert_eq!(post.id.as_deref().or(post.image.as_deref()), Some(exact));
            assert_eq!(posts.len(), 3);
            for (i, post) in posts.iter().enumerate().skip(1) {
                let error = post.as_ref().expect_err("rounded").to_string();
                let why = "(floating point has rounded it: convert the column to strings or int64)";
                let want = format!("f:{}: expected {name:?} to be a number below 2^{bits} {why}, got ", i + 1);
                assert!(error.starts_with(&want), "{error}");
            }
        }
    }
    let image: ArrayRef = Arc::new(Float64Array::from(vec![limit]));
    let rows = batch(vec![("image", image), ("id", texts(&["x"])), ("text", texts(&["a"]))]);
    let posts = read_all(&stream(&[rows]));
    assert!(matches!(&posts[0], Err(Error::Line { id: Some(id), .. }) if id.get() == "\"x\""), "{posts:?}");
}

#[test]
fn words_and_labels_are_lists() {
    let batch = batch(vec![("tokens", lists(&["Lady Gaga", ""])), ("ner_tags", lists(&["B-PER I-PER", ""]))]);
    let posts = read_all(&stream(&[batch]));
    let post = posts[0].as_ref().expect("a post");
    assert_eq!(post.body, Body::Words(vec!["Lady".to_owned(), "Gaga".to_owned()]));
    assert_eq!(post.labels, Some(Labels::Tags(vec!["B-PER".to_owned(), "I-PER".to_owned()])));
    assert_eq!(posts[1].as_ref().expect("a post").body, Body::Words(Vec::new()));
}

fn numbers(rows: &[&[i32]]) -> ArrayRef {
    let mut lists = ListBuilder::new(Int32Builder::new());
    for row in rows {
        row.iter().for_each(|&n| lists.values().append_value(n));
        lists.append(true);
    }
    Arc::new(lists.finish())
}

#[test]
fn numbers_are_tags_where_the_metadata_names_them() {
    let plain = batch(vec![("tokens", lists(&["a b", "c"])), ("ner_tags", numbers(&[&[1, 0], &[9]]))]);
    let labels = |posts: &[Result<PostRecord>], i: usize| posts[i].as_ref().expect("a post").labels.clone();
    let unnamed = read_all(&stream(std::slice::from_ref(&plain)));
    assert_eq!(labels(&unnamed, 0), Some(Labels::TagNumbers(vec![1, 0])));
    for feature in [
        r#"{"feature": {"names": ["O", "B-X"], "_type": "ClassLabel"}, "_type": "Sequence"}"#,
        r#"[{"names": ["O", "B-X"], "_type": "ClassLabel"}]"#,
    ] {
        let metadata = format!(r#"{{"info": {{"features": {{"ner_tags": {feature}}}}}}}"#);
        let schema = plain.schema().as_ref().clone();
        let schema = schema.with_metadata(
            [("huggingface".to_owned(), metadata)].into_iter().collect::<std::collections::HashMap<_, _>>(),
        );
        let named = RecordBatch::try_new(Arc::new(schema), plain.columns().to_vec()).expect("the same columns");
        let posts = read_all(&stream(&[named]));
        assert_eq!(labels(&posts, 0), Some(Labels::Tags(vec!["B-X".to_owned(), "O".to_owned()])));
        // There is no tenth name.
        assert_eq!(labels(&posts, 1), Some(Labels::TagNumbers(vec![9])));
    }
}

#[test]
fn an_image_may_be_a_struct_with_a_path() {
    let fields: arrow_schema::Fields =
        vec![Field::new("bytes", DataType::Binary, true), Field::new("path", DataType::Utf8, true)].into();
    let columns: Vec<ArrayRef> = vec![Arc::new(BinaryArray::from(vec![&b"\x89"[..]])), texts(&["p/1.jpg"])];
    let image: ArrayRef = Arc::new(StructArray::new(fields, columns, None));
    let whole = batch(vec![("image", image), ("text", texts(&["a"]))]);
    let want = (1, None, Some("p/1.jpg"), Body::Text("a".to_owned()));
    check(&read_all(&stream(std::slice::from_ref(&whole)))[0], want.clone(), r#"{"image":"p/1.jpg","text":"a"}"#);
    #[cfg(feature = "parquet")]
    {
        let posts: Vec<_> = open(Format::Parquet, &parquet_file(&whole), LabelUse::IfAny).expect("posts").collect();
        check(&posts[0], want, r#"{"image":"p/1.jpg","text":"a"}"#);
    }
}

#[test]
fn a_null_text_is_the_fault_of_its_row() {
    let text: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("b")]));
    let posts = read_all(&stream(&[batch(vec![("text", text)])]));
    let error = posts[1].as_ref().expect_err("no text").to_string();
    assert_eq!(error, r#"f:2: expected an object with "words", "tokens" or "text", got "{\"text\":null}""#);
    check(&posts[2], (3, None, None, Body::Text("b".to_owned())), r#"{"text":"b"}"#);
}

/// The error of a schema or of a file.
#[track_caller]
fn check_error(format: Format, bytes: &[u8], want: &str) {
    let error = match open(format, bytes, LabelUse::IfAny) {
        Ok(posts) => posts.filter_map(Result::err).next().expect("an error"),
        Err(error) => error,
    };
    let cause = std::error::Error::source(&error).map(|cause| format!(": {cause}")).unwrap_or_default();
    assert_eq!(format!("{error}{cause}"), want);
}

#[test]
fn wrong_schemas_and_files_are_errors() {
    let wrong = |name: &str, column: ArrayRef| stream(&[batch(vec![(name, column)])]);
    let ints: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    check_error(
        Format::Arrow,
        &wrong("txt", texts(&["a"])),
        "f: expected a column `text`, `words` or `tokens`, got txt: Utf8",
    );
    check_error(
        Format::Arrow,
        &wrong("text", ints.clone()),
        "f: expected the column `text` to hold strings, got Int64",
    );
    check_error(
        Format::Arrow,
        &wrong("words", texts(&["a"])),
        "f: expected the column `words` to hold lists of strings, got Utf8",
    );
    let bytes: ArrayRef = Arc::new(BinaryArray::from(vec![&b"7"[..]]));
    check_error(
        Format::Arrow,
        &wrong("id", bytes),
        "f: expected the column `id` to hold strings, numbers or booleans (convert it, or give it another name), \
         got Binary",
    );
    let no_arrow = "cannot read f: it is neither an Arrow IPC stream nor an Arrow IPC file";
    check_error(Format::Arrow, b"{\"text\": \"a\"}\n", no_arrow);
    check_error(Format::Arrow, b"PAR1\x15\x04\x15\x04", no_arrow);
    let whole = stream(&[batch(vec![("text", texts(&["a"]))])]);
    check_error(Format::Arrow, &whole[..whole.len() - 40], "cannot read f: failed to fill whole buffer");
    // Only the mark at the end tells that nothing is missing.
    check_error(
        Format::Arrow,
        &whole[..whole.len() - 8],
        "cannot read f: the Arrow IPC stream ends without its end mark: something is missing",
    );
    check_error(Format::Arrow, b"", "cannot read f: it is empty, and not an Arrow IPC stream");
}

#[test]
fn a_string_that_is_not_utf_8_is_named_as_far_as_it_is_known() {
    let batches = ["a b", "needle"].map(|text| batch(vec![("text", texts(&[text])), ("x", texts(&["y"]))]));
    let mut bytes = stream(&batches);
    let at = bytes.windows(6).position(|part| part == b"needle").expect("its own text");
    bytes[at] = 0xff;
    let posts = read_all(&bytes);
    assert!(matches!(posts.as_slice(), [Ok(_), Err(_)]), "{posts:?}");
    let cause = std::error::Error::source(posts[1].as_ref().expect_err("not UTF-8")).expect("it has one").to_string();
    let want = "the rows after row 1 cannot be read in one of the columns text, x: ";
    assert!(cause.starts_with(want), "{cause}");
}

#[cfg(feature = "parquet")]
fn parquet_file(batch: &RecordBatch) -> Vec<u8> {
    let mut writer = ::parquet::arrow::ArrowWriter::try_new(Vec::new(), batch.schema(), None).expect("in memory");
    writer.write(batch).expect("in memory");
    writer.into_inner().expect("in memory")
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_read_from_memory_and_from_a_file() {
    let batch = batch(vec![
        ("a.b", texts(&["x"])),
        ("tokens", lists(&["Lady Gaga"])),
        ("raw", Arc::new(BinaryArray::from(vec![&b"\xff"[..]]))),
        ("id", Arc::new(Int64Array::from(vec![7]))),
    ]);
    let bytes = parquet_file(&batch);
    let want = (1, Some("7"), None, Body::Words(vec!["Lady".to_owned(), "Gaga".to_owned()]));
    let fields = r#"{"a.b":"x","tokens":["Lady","Gaga"],"id":7}"#;
    let posts: Vec<_> = open(Format::Parquet, &bytes, LabelUse::IfAny).expect("posts").collect();
    check(&posts[0], want.clone(), fields);
    let dir = tempfile::tempdir().expect("a temporary folder");
    std::fs::write(dir.path().join("a.parquet"), &bytes).expect("writes");
    let opened = crate::formats::open(dir.path().join("a.parquet"), &Settings::default());
    check(&opened.expect("posts").next().expect("a row"), want, fields);
    check_error(
        Format::Parquet,
        b"{\"text\": \"a\"}\n",
        "cannot read f: Parquet argument error: Parquet error: Invalid Parquet file. Corrupt footer",
    );
    check_error(
        Format::Parquet,
        b"",
        "cannot read f: Parquet argument error: EOF: Parquet file too small. Size is 0 but need 8",
    );
}

/// Damaged bytes are posts, errors of rows, or one last error.
fn check_damaged(format: Format, bytes: &[u8]) -> std::result::Result<(), TestCaseError> {
    let Ok(posts) = open(format, bytes, LabelUse::IfAny) else { return Ok(()) };
    let mut is_over = false;
    for post in posts {
        prop_assert!(!is_over, "nothing comes after the last error");
        is_over = !matches!(post, Ok(_) | Err(Error::Line { .. }));
    }
    Ok(())
}

proptest! {
    #[test]
    fn damaged_streams_are_errors(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<prop::sample::Index>(),
    ) {
        let batch = batch(vec![("text", texts(&["abc", "de"])), ("tokens", lists(&["a b", "c"]))]);
        let mut bytes = stream(&[batch.clone(), batch]);
        check_damaged(Format::Arrow, &bytes[..cut.index(bytes.len())])?;
        places.iter().for_each(|(place, byte)| *place.get_mut(&mut bytes) = *byte);
        check_damaged(Format::Arrow, &bytes)?;
    }

    #[test]
    #[cfg(feature = "parquet")]
    fn damaged_files_are_errors(
        places in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4), cut in any::<prop::sample::Index>(),
    ) {
        let batch = batch(vec![("text", texts(&["abc", "de"])), ("tokens", lists(&["a b", "c"]))]);
        let mut bytes = parquet_file(&batch);
        check_damaged(Format::Parquet, &bytes[..cut.index(bytes.len())])?;
        places.iter().for_each(|(place, byte)| *place.get_mut(&mut bytes) = *byte);
        check_damaged(Format::Parquet, &bytes)?;
    }

    #[test]
    fn arbitrary_bytes_are_errors(bytes in prop::collection::vec(any::<u8>(), 0..300), is_marked in any::<bool>()) {
        let mark: &[u8] = if is_marked { &[0xff; 4] } else { b"" };
        check_damaged(Format::Arrow, &[mark, &bytes].concat())?;
        #[cfg(feature = "parquet")]
        check_damaged(Format::Parquet, &[b"PAR1", bytes.as_slice(), b"PAR1"].concat())?;
    }
}
