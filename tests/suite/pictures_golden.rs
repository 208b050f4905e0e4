//! Kinds of picture files, whole and damaged, against Pillow: `golden/scripts/pictures.py`, whose
//! header says what its files hold. `docs/pictures.md` has the same in words.

use crate::golden;
use safetensors::tensor::{SafeTensors, TensorView};
use serde::Deserialize;
use smvae::encoders::vision::{DecodeLimits, ImageFault, Pixels, Reading, Transparency, decode};
use std::collections::BTreeMap;

/// A file with bytes missing, and what Pillow makes of it.
#[derive(Deserialize)]
struct Damage {
    file: String,
    kept: Vec<(usize, usize)>,
    strict: Verdict,
    lenient: Verdict,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Verdict {
    /// The means of 4 x 4 parts, red, green, blue.
    Read(Vec<u8>),
    Refused(String),
}

fn files() -> Vec<u8> {
    std::fs::read(golden::folder().join("pictures.safetensors")).expect("a golden file")
}

/// Means of the parts that numpy's `array_split` makes.
fn means(image: &Pixels) -> Vec<u8> {
    let cut = |length: usize, part: usize| {
        let (size, longer) = (length / 4, length % 4);
        part * size + part.min(longer)..(part + 1) * size + (part + 1).min(longer)
    };
    let mut means = Vec::new();
    for (down, across) in (0..4).flat_map(|down| (0..4).map(move |across| (down, across))) {
        let (rows, columns) = (cut(image.height, down), cut(image.width, across));
        let count = (rows.len() * columns.len()) as f64;
        for channel in 0..3 {
            let value = |y: usize, x: usize| f64::from(image.rgb[3 * (y * image.width + x) + channel]);
            let sum: f64 =
                rows.clone().flat_map(|y| columns.clone().map(move |x| (y, x))).map(|(y, x)| value(y, x)).sum();
            means.push((sum / count).round() as u8);
        }
    }
    means
}

fn worst(got: &[u8], want: &[u8]) -> u8 {
    assert_eq!(got.len(), want.len());
    got.iter().zip(want).map(|(a, b)| a.abs_diff(*b)).max().unwrap_or(0)
}

fn read(bytes: &[u8], reading: Reading) -> Result<Pixels, ImageFault> {
    decode(bytes, &DecodeLimits::default(), &reading)
}

#[track_caller]
fn check_whole(name: &str, file: &[u8], transparency: Transparency, want: &TensorView<'_>) {
    let got = read(file, Reading { transparency, ..Reading::default() }).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!([got.height, got.width, 3], want.shape(), "{name}");
    let worst = worst(&got.rgb, want.data());
    // Rounding and the widening of colours are the decoder's in JPEG, five bits to eight in BMP.
    let tolerance = match name {
        "bmp_555" | "bmp_565" => 1,
        name if name.starts_with("jpeg") => 5,
        _ => 0,
    };
    assert!(worst <= tolerance, "{name}: a difference of {worst}, more than {tolerance}");
}

#[test]
fn golden_pictures_of_every_kind_are_those_of_pillow() {
    let bytes = files();
    let arrays = SafeTensors::deserialize(&bytes).expect("a golden file");
    // What Pillow reads and we do not, and why.
    let unsupported =
        BTreeMap::from([("jpeg_arithmetic", "arithmetic coding"), ("jpeg_narrow", "colours sampled at every second")]);
    let mut checked = 0;
    for (name, file) in arrays.iter() {
        let Some(name) = name.strip_prefix("file.") else { continue };
        checked += 1;
        if let Some(why) = unsupported.get(name) {
            let fault = read(file.data(), Reading::default()).expect_err(name);
            assert!(matches!(&fault, ImageFault::Unsupported { what, .. } if what.contains(why)), "{name}: {fault}");
            continue;
        }
        match arrays.tensor(&format!("pixels.{name}")) {
            Ok(want) => check_whole(name, file.data(), Transparency::Dropped, &want),
            // One that Pillow refuses.
            Err(_) => assert!(read(file.data(), Reading::default()).is_err(), "{name}"),
        }
        if let Ok(want) = arrays.tensor(&format!("white.{name}")) {
            check_whole(name, file.data(), Transparency::White, &want);
        }
    }
    assert!(checked >= 58, "{checked} kinds");
}

#[test]
fn golden_damage_is_judged_as_pillow_does() {
    let bytes = files();
    let arrays = SafeTensors::deserialize(&bytes).expect("a golden file");
    let cases: Vec<Damage> = golden::json("pictures.json");
    let (mut refused, mut whole, mut alike) = (0, 0, 0);
    for Damage { file, kept, strict, lenient } in cases {
        let complete = arrays.tensor(&format!("file.{file}")).expect("the whole file");
        let bytes: Vec<u8> = kept.iter().flat_map(|(from, to)| &complete.data()[*from..*to]).copied().collect();
        for (allow_truncated, want) in [(false, strict), (true, lenient)] {
            let case = format!("{file}, {kept:?}, truncated files allowed: {allow_truncated}");
            let got = read(&bytes, Reading { allow_truncated, ..Reading::default() });
            let in_table = kept.len() == 2 && file == "jpeg_progressive" && kept[0].1 == 513;
            match (got, want) {
                // A table of codes between two scans that is torn: Pillow goes on with what it
                // makes of it, zune-jpeg does not.
                (got, _) if in_table => assert!(got.is_err(), "{case}"),
                (Err(_), Verdict::Refused(why)) => {
                    assert!(!why.is_empty(), "{case}");
                    refused += 1;
                }
                (Ok(got), Verdict::Read(want)) => {
                    whole += 1;
                    // What is missing of a JPEG is grey in Pillow, and in zune-jpeg of the last
                    // colour. Where the rows of other files are torn, the decoders give up at
                    // places of their own.
                    alike += usize::from(worst(&means(&got), &want) <= 3);
                    assert!(!file.starts_with("webp") || worst(&means(&got), &want) <= 1, "{case}");
                }
                (got, want) => panic!("{case}: {:?}, Pillow says {want:?}", got.map(|_| ())),
            }
        }
    }
    eprintln!("{refused} refused by both, {whole} read by both, {alike} of them alike");
    assert!(refused > 280 && whole > 150 && alike > 130, "{refused} refused, {whole} read, {alike} alike");
}
