//! The fuzz targets without a fuzzer: what `fuzz/corpus` keeps, and a fixed number of mutations of
//! it from a seed, go through the same functions. It finds little that is new and shows that what
//! was found once stays mended.

#[path = "../../fuzz/src/targets/mod.rs"]
mod targets;

use crate::golden::root;
use std::time::Instant;
use targets::{TARGETS, Target};

/// Mutations of the kept inputs of a target that reads bytes, and of one that reads folders.
/// `SMVAE_MUTATIONS` is another number for both: a poor man's fuzzer, without coverage.
const MUTATIONS: [usize; 2] = [600, 60];

/// Numbers from a seed (Knuth's generator).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % n.max(1)
    }
}

/// The inputs that are kept, by their names.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let folder = root().join("fuzz/corpus").join(name);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("readable").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).expect("readable")).collect()
}

/// An input with a few bytes changed, left out, doubled, or taken from another one.
fn mutated(input: &[u8], other: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    const HARD: [&[u8]; 12] = [
        b"\0",
        b"\xff",
        b"\n",
        b"\r\n",
        b"\"",
        b"{",
        b"]",
        b"-1",
        b"1e999",
        b"18446744073709551616",
        b"\xed\xa0\x80",
        "\u{feff}".as_bytes(),
    ];
    let mut bytes = input.to_vec();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(bytes.len() + 1);
        let end = (at + numbers.below(12)).min(bytes.len());
        match numbers.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << numbers.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at),
            3 => {
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let from = numbers.below(other.len());
                bytes.splice(at..end, other[from..(from + 16).min(other.len())].iter().copied());
            }
            _ => drop(bytes.splice(at..at, HARD[numbers.below(HARD.len())].iter().copied())),
        }
    }
    bytes
}

#[track_caller]
fn check((name, target): Target) {
    let kept = kept(name);
    assert!(!kept.is_empty(), "{name} keeps nothing");
    kept.iter().for_each(|input| target(input));
    let mut numbers = Numbers(17);
    let usual = MUTATIONS[usize::from(name.ends_with("folder") || name == "checkpoint")];
    let asked = std::env::var("SMVAE_MUTATIONS").ok().and_then(|n| n.parse().ok());
    for _ in 0..asked.unwrap_or(usual) {
        let [input, other] = [0; 2].map(|_| &kept[numbers.below(kept.len())]);
        target(&mutated(input, other, &mut numbers));
    }
}

#[test]
fn what_is_kept_and_its_mutations_are_read_or_refused() {
    // Those whose panics behind a door of ours are caught would print them.
    let outside = ["arrow", "parquet", "pickle"];
    for target in TARGETS {
        let start = Instant::now();
        if outside.contains(&target.0) {
            target_without_mutations(target);
        } else {
            check(target);
        }
        println!("{}: {:.1} s", target.0, start.elapsed().as_secs_f64());
    }
}

/// What reads with crates of others all the way is mutated by the fuzzer alone.
#[track_caller]
fn target_without_mutations((name, target): Target) {
    kept(name).iter().for_each(|input| target(input));
}

#[test]
fn every_target_has_its_file() {
    let folder = root().join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(folder).expect("readable");
    let mut files: Vec<String> =
        entries.map(|entry| entry.expect("readable").file_name().into_string().expect("ASCII")).collect();
    files.sort();
    assert_eq!(files, TARGETS.map(|(name, _)| format!("{name}.rs")));
}
