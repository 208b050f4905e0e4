//! What the fuzz targets call: each function takes the bytes of a file or a request from anybody,
//! and must neither panic, nor hang, nor ask for the machine's memory. An error is as good as a
//! value. Where a value can be checked cheaply (what is written is read back), it is.
//!
//! `fuzz_targets/` has one file per function, for cargo-fuzz; `tests/suite/fuzzed.rs` calls the
//! same functions on the inputs that are kept in `corpus/` and on mutations of them, in every
//! `cargo test`.

mod folders;
mod parsers;

/// What a target is called, and what it does with an input.
pub(crate) type Target = (&'static str, fn(&[u8]));

/// All targets.
pub(crate) const TARGETS: [Target; 19] = [
    ("arrow", parsers::arrow),
    ("captions", folders::captions),
    ("checkpoint", folders::checkpoint),
    ("columns", parsers::columns),
    ("corpus", parsers::corpus),
    ("encoder_folder", folders::encoder_folder),
    ("experiment", folders::experiment),
    ("exports", parsers::exports),
    ("image_vectors", folders::image_vectors),
    ("images", parsers::images),
    ("json", parsers::json),
    ("parquet", parsers::parquet),
    ("pickle", folders::pickle),
    ("request", parsers::request),
    ("run_folder", folders::run_folder),
    ("table", parsers::table),
    ("tags", parsers::tags),
    ("vision_folder", folders::vision_folder),
    ("words", parsers::words),
];

/// The first byte of an input, which chooses among a few ways, and the rest.
fn choice(input: &[u8]) -> (usize, &[u8]) {
    input.split_first().map_or((0, input), |(first, rest)| (usize::from(*first), rest))
}
