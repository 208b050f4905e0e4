//! The table of docs/gpu.md: how often a GPU's driver is called, as `scripts/cuda_count.sh`
//! counted.

use super::path;
use super::tables::table;
use serde_json::{Map, Value};

/// What the table shows of each piece of work, and the names of these in the file.
const SHOWN: [(&str, &[&str]); 5] = [
    ("launches", &["launches"]),
    ("allocations", &["allocations"]),
    ("copies to and from the GPU", &["copies to the device", "copies to host"]),
    ("copies and memsets on it", &["copies on device", "memsets"]),
    ("events", &["events"]),
];

/// Each piece of work as it was counted first, and last.
pub(super) fn driver_calls() -> String {
    let file = path("benches/cuda-counts.json");
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let columns: Map<String, Value> = serde_json::from_str(&text).expect("columns by name");
    let rows = ["before", "after"].into_iter().filter_map(|name| Some((name, columns.get(name)?.as_array()?)));
    let mut rows: Vec<(usize, Vec<String>)> =
        rows.flat_map(|(name, works)| works.iter().enumerate().map(move |(i, work)| (i, row(name, work)))).collect();
    // Stable: `before` stays above `after`.
    rows.sort_by_key(|(work, _)| *work);
    let header = [&["work", "our kernels"], SHOWN.map(|(title, _)| title).as_slice()].concat();
    table(&header, rows.into_iter().map(|(_, row)| row))
}

fn row(column: &str, work: &Value) -> Vec<String> {
    let word = |key: &str| work[key].as_str().expect("a word");
    let count = |keys: &[&str]| {
        let sum: f64 = keys.iter().map(|key| work[*key].as_f64().expect("a number")).sum();
        format!("{sum:.0}")
    };
    let with = if column == "before" { "without" } else { "with" };
    let mut row = vec![format!("{}, {}", word("size"), word("work")), with.to_owned()];
    row.extend(SHOWN.map(|(_, keys)| count(keys)));
    row
}
