//! Every figure of README.md and RESULTS.md has a source, and says what its source says.
//!
//! A *figure* is a number with a decimal point, a sign or a percent sign. Not figures are numbers
//! in code (fenced or between backticks), in the target of a link, in a date, in a comment, and
//! after a name in [`VERSIONED`]. Each figure must be
//! - in a generated block, between `<!-- generated: NAME -->` and `<!-- end -->`, which is one of
//!   [`tables`]; or
//! - in a fragment of [`sentences`], which has the figure from the results or names where else it
//!   was measured.
//!
//! `UPDATE_FIGURES=1 cargo test --test suite figures` writes the generated blocks anew. What this
//! does not do: measure.

mod driver_calls;
mod lookup;
mod sentences;
mod tables;

use lookup::Results;
use smvae::data::known::KNOWN_FILES;
use std::path::PathBuf;

/// Pages in which every figure must have a source.
const CHECKED: [&str; 2] = ["README.md", "RESULTS.md"];
/// Pages with generated blocks.
const GENERATED: [&str; 4] = ["README.md", "RESULTS.md", "experiments/README.md", "docs/gpu.md"];
/// What is followed by a version.
const VERSIONED: [&str; 3] = ["Rust", "PyTorch", "Apache"];

#[test]
fn generated_blocks_are_what_the_results_say() {
    let results = Results::read();
    let update = std::env::var_os("UPDATE_FIGURES").is_some();
    for page in GENERATED {
        let text = read(page);
        let (renewed, names) = renew(page, &text, |name| tables::block(&results, name));
        assert!(!names.is_empty(), "{page} has no generated block");
        if update && renewed != text {
            // The other test reads the page meanwhile.
            let new = path(page).with_extension("new");
            let written = std::fs::write(&new, &renewed).and_then(|()| std::fs::rename(&new, path(page)));
            written.unwrap_or_else(|e| panic!("{page}: {e}"));
        } else if let Some((old, new)) = text.lines().zip(renewed.lines()).find(|(old, new)| old != new) {
            panic!("{page} says\n  {old}\nand the results say\n  {new}\n(UPDATE_FIGURES=1 writes the block anew)");
        } else {
            assert!(update || renewed == text, "{page} has more or fewer rows than the results");
        }
    }
}

#[test]
fn every_figure_has_a_source() {
    let results = Results::read();
    for page in CHECKED {
        if let Err(problems) = check_sources(page, &read(page), &sentences::of(&results, page)) {
            panic!("{problems}");
        }
    }
}

#[test]
fn a_wrong_digit_is_found() {
    let sourced = ["better by +1.78 (+0.87 to +2.69)".to_owned()];
    let check = |text: &str, want: &[&str]| {
        let got = check_sources("PAGE", text, &sourced).err().unwrap_or_default();
        assert!(want.iter().all(|want| got.contains(want)), "{text}: {got:?}");
        assert_eq!(got.is_empty(), want.is_empty(), "{text}: {got}");
    };
    check("It is better\nby +1.78 (+0.87 to +2.69), on 5 of 5 draws since 2026-11-24 with Rust 1.95, `--x 0.1`.", &[]);
    check("It is better by +1.78 (+0.87 to +2.68).", &["does not say", "+2.68 has no source"]);
    check("It is better by +1.78 (+0.87 to +2.69) or 40 %.", &["40 % has no source"]);
    check("```text\n0.5\n```\nIt is better by +1.78 (+0.87 to +2.69), [see](x-1.5.md), or -3", &["-3 has no source"]);
    check("<!-- generated: x -->\n| 0.5 |\n<!-- end -->\nbetter by +1.78 (+0.87 to +2.69)", &[]);
}

#[test]
fn the_digests_of_the_corpora_are_those_that_the_program_knows() {
    let page = read("docs/corpora.md");
    let rows = page.lines().filter(|line| line.starts_with("| Twitter"));
    let got: Vec<Vec<&str>> = rows.map(|row| row.split(['|', '`']).map(str::trim).collect()).collect();
    let got: Vec<(String, &str)> = got.iter().map(|cells| (format!("{} (UMT)", cells[1]), cells[3])).collect();
    let want: Vec<(String, &str)> = KNOWN_FILES.iter().map(|(digest, name)| ((*name).to_owned(), *digest)).collect();
    assert_eq!(got, want);
}

#[test]
fn the_demo_has_the_same_figures_everywhere() {
    let readme = read("README.md");
    let rows = readme.lines().filter(|line| line.starts_with("text ") && line.ends_with(char::is_numeric));
    let f1: Vec<&str> = rows.filter_map(|row| row.split_whitespace().rev().nth(1)).collect();
    let [text, caption, image, semi] = f1[..] else { panic!("four rows, not {f1:?}") };
    let rounded = |x: &str| x.parse::<f64>().expect("F1").round();
    let rounded = [text, caption, image, semi].map(rounded);
    let sentence = format!("An F1 of {}, {}, {} and {}", rounded[0], rounded[1], rounded[2], rounded[3]);
    assert!(prose(&readme).contains(&sentence), "README.md does not say: {sentence}");
    let row = format!("| 0 | {text} | {image} | {semi} |");
    assert!(read("experiments/README.md").contains(&row), "experiments/README.md does not say: {row}");
}

/// The page with its generated blocks as `block` has them, and their names.
fn renew(page: &str, text: &str, block: impl Fn(&str) -> String) -> (String, Vec<String>) {
    const BEGIN: &str = "<!-- generated: ";
    const END: &str = "<!-- end -->";
    let (mut renewed, mut names, mut rest) = (String::new(), Vec::new(), text);
    while let Some(at) = rest.find(BEGIN) {
        let after = &rest[at + BEGIN.len()..];
        let name = after.split(" -->").next().expect("split gives one part at least");
        let end = after.find(END).unwrap_or_else(|| panic!("{page}: the block {name} has no end"));
        renewed += &format!("{}{BEGIN}{name} -->\n{}", &rest[..at], block(name));
        names.push(name.to_owned());
        rest = &after[end..];
    }
    (renewed + rest, names)
}

/// Whether the page says every sourced fragment, and has no figure outside of these and of
/// generated blocks.
fn check_sources(page: &str, text: &str, sourced: &[String]) -> Result<(), String> {
    let (text, _) = renew(page, text, |_| String::new());
    let text = prose(&text);
    let (mut problems, mut covered) = (String::new(), Vec::new());
    for fragment in sourced {
        let found = text.match_indices(fragment.as_str()).map(|(at, _)| at..at + fragment.len());
        let before = covered.len();
        covered.extend(found);
        if covered.len() == before {
            problems += &format!("{page} does not say: {fragment}\n");
        }
    }
    for (at, figure) in figures(&text) {
        if !covered.iter().any(|range| range.contains(&at)) {
            let start = text[..at].char_indices().rev().nth(60).map_or(0, |(i, _)| i);
            problems += &format!("{page}: {figure} has no source, after: {}\n", &text[start..at]);
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

/// A page without code, comments and targets of links, in one line.
fn prose(text: &str) -> String {
    let mut lines = Vec::new();
    let mut is_code = false;
    for line in text.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            lines.push(line);
        }
    }
    let text = lines.join(" ");
    let text = without(&without(&without(&text, "<!--", "-->"), "`", "`"), "](", ")");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A text without what stands from `open` to `close`.
fn without(text: &str, open: &str, close: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, after)) = rest.split_once(open) {
        kept += before;
        rest = after.split_once(close).unwrap_or_else(|| panic!("{open} without {close}: {after}")).1;
    }
    kept + rest
}

/// Figures of a text and where they begin.
fn figures(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut previous = "";
    for word in text.split([' ', '/']) {
        let at = word.as_ptr() as usize - text.as_ptr() as usize;
        let unit = if text[at + word.len()..].starts_with(" %") { " %" } else { "" };
        let figure = word.trim_matches(|c: char| !c.is_alphanumeric() && !"+-±%".contains(c));
        let is_figure = is_figure(&format!("{figure}{}", unit.trim())) && !VERSIONED.contains(&previous);
        if is_figure {
            found.push((at + word.find(figure).unwrap_or(0), format!("{figure}{unit}")));
        }
        previous = word;
    }
    found
}

fn is_figure(word: &str) -> bool {
    let is_digit = |c: Option<&u8>| c.is_some_and(u8::is_ascii_digit);
    let bytes = word.as_bytes();
    let has_point =
        (0..bytes.len()).any(|i| bytes[i] == b'.' && is_digit(bytes[..i].last()) && is_digit(bytes.get(i + 1)));
    let number = word.trim_start_matches(['+', '-', '±']).trim_end_matches('%');
    has_point || number.len() < word.len() && number.bytes().all(|c| c.is_ascii_digit()) && !number.is_empty()
}

fn read(page: &str) -> String {
    std::fs::read_to_string(path(page)).unwrap_or_else(|e| panic!("{page}: {e}"))
}

fn path(page: &str) -> PathBuf {
    crate::golden::root().join(page)
}
