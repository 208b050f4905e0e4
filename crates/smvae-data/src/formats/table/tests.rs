//! What headers of tables mean, and what spreadsheets write.

use crate::Result;
use crate::formats::{Body, Format, PostRecord, Posts, Settings, read};

fn read_as(format: Format, bytes: &[u8]) -> Posts<&[u8]> {
    read(bytes, "f", &Settings { format: Some(format), ..Settings::default() }).expect("bytes can be read")
}

#[test]
fn exact_names_of_columns_count_before_those_with_capitals() {
    let first =
        |table: &str| -> PostRecord { read_as(Format::Csv, table.as_bytes()).next().expect("one").expect("a post") };
    let text = Body::Text("a b".to_owned());
    assert_eq!(first("text,Words\na b,7\n").body, text);
    let post = first("ID,id,text\n1,2,a b\n");
    assert_eq!((post.id.as_deref(), &post.body), (Some("2"), &text));
    let post = first("ID,id,Text\n1,2,a b\n");
    assert_eq!((post.id.as_deref(), &post.body), (Some("2"), &text));
    // What a person has called so is no list of tags.
    let post = first("Text,Tags\na b,mine\n");
    assert_eq!((post.labels, &post.body), (None, &text));
    assert!(post.fields.get("Tags").is_some() && post.fields.get("text").is_some());
    let refused = read_as(Format::Csv, b"ID,Words\n1,a\n").next().expect("one").expect_err("no words").to_string();
    assert!(refused.contains("rename the column") && refused.contains("ID,Words"), "{refused}");
}

#[test]
fn tables_of_spreadsheets_are_read_as_they_write_them() {
    let rows = |table: &str| -> Vec<Option<String>> {
        let posts = read_as(Format::Csv, table.as_bytes());
        posts.map(|post| post.expect("a post").image).collect()
    };
    let want = [Some("b.jpg".to_owned()), None];
    assert_eq!(rows("id,text,image,,\n1,a,b.jpg,,\n2,\"c\nd\",,,\n"), want);
    assert_eq!(rows("id,text,image\n1,a,b.jpg,,\n2,c,\n"), want);
    // A column without a name may hold anything.
    assert_eq!(rows("id,text,image,\n1,a,b.jpg,x\n2,c,,\n"), want);
    for separator in [';', ',', '|', '\t'] {
        let table = "id;text;image\n1;a;b.jpg\n2;c;\n".replace(';', &separator.to_string());
        assert_eq!(rows(&format!("\u{feff}sep={separator}\r\n{table}")), want);
    }
    let mut posts = read_as(Format::Csv, b"id,text\n1,a,,b\n2,c\n");
    let error = posts.next().expect("one").expect_err("a cell too many").to_string();
    assert_eq!(error, "f:2: expected 2 cells, as the header has, and not 4, got \"1,a,,b\"");
    assert!(posts.next().is_some_and(|post| post.is_ok()));
}

#[test]
fn a_header_that_is_separated_otherwise_is_told() {
    let told = |format, header: &str| {
        let mut posts = read_as(format, header.as_bytes());
        posts.next().expect("one").expect_err("no header").to_string()
    };
    for (format, header, want) in [
        (Format::Csv, "id\ttext\n", "(columns are separated by tabs: --from tsv)"),
        (Format::Tsv, "id,text\n", "(columns are separated by commas: --from csv)"),
        (Format::Csv, "id;text;a,b\n", "(columns are separated by `;`: write `sep=;` in a line before them)"),
        (Format::Csv, "id|text\n", "(columns are separated by `|`: write `sep=|` in a line before them)"),
        (Format::Csv, "id|title\n", "(rename the column that holds the text to `text`)"),
    ] {
        let told = told(format, header);
        assert!(told.contains(want), "{told}");
    }
}

#[test]
fn names_of_columns_may_have_capitals_and_semicolons_between_them() {
    let rows = |format, table: &str| -> Vec<PostRecord> {
        read_as(format, table.as_bytes()).collect::<Result<_>>().expect("a table")
    };
    for (format, table) in [
        (Format::Csv, "ID,Text,Image,Mine\n7,a,b.jpg,c\n"),
        (Format::Tsv, "Id\tTEXT\tIMAGE\tMine\n7\ta\tb.jpg\tc\n"),
        (Format::Csv, "\u{feff}\nID;Text;Image;Mine\n7;a;b.jpg;c\n"),
        (Format::Csv, "\"id\";\"text\";\"image\";\"Mine\"\n7;\"a\";b.jpg;c\n"),
    ] {
        let posts = rows(format, table);
        let [post] = posts.as_slice() else { panic!("{posts:?}") };
        assert_eq!((post.id.as_deref(), post.image.as_deref()), (Some("7"), Some("b.jpg")), "{table}");
        assert_eq!(post.body, Body::Text("a".to_owned()), "{table}");
        assert!(post.fields.iter().map(|(name, _)| name).eq(["id", "text", "image", "Mine"]), "{table}");
    }
    // Where commas separate, semicolons are text.
    assert_eq!(rows(Format::Csv, "text,a;text\nb;c,d\n")[0].body, Body::Text("b;c".to_owned()));
    assert_eq!(rows(Format::Csv, "text\nb;c\n")[0].body, Body::Text("b;c".to_owned()));
}
