//! From a folder of images to a file of vectors: what is left out and why, resuming after an
//! interruption, the cache.

use crate::vision_golden::small_model;
use smvae::data::{ImageVectors, VectorPrecision};
use smvae::encoders::vision::{Compute, Pixels, VisionModel};
use smvae::features::{
    FeatureDescription, FeatureProgress, FeatureSettings, FeatureSummary, Ids, Picture, PictureFolder, cached_features,
    extract, extract_table,
};
use smvae::{Error, Flow, Post};
use std::path::{Path, PathBuf};

/// A folder with `images`, `model` and room for files.
struct Place {
    dir: tempfile::TempDir,
    model: VisionModel,
}

impl Place {
    fn new(images: usize) -> Self {
        let dir = tempfile::tempdir().expect("a temporary folder");
        small_model(&dir.path().join("model"));
        let model = VisionModel::open(dir.path().join("model"), None, Compute::default()).expect("a small model");
        let place = Self { dir, model };
        std::fs::create_dir(place.at("images")).expect("a writable folder");
        (0..images).for_each(|i| place.write(&format!("{i}.bmp"), &bmp(&picture(i))));
        place
    }

    fn at(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Writes a file into the folder of images.
    fn write(&self, name: &str, bytes: &[u8]) {
        std::fs::write(self.at("images").join(name), bytes).expect("a writable folder");
    }

    fn features(&self, settings: &FeatureSettings) -> smvae::Result<FeatureSummary> {
        extract(self.at("images"), &self.model, self.at("v.safetensors"), settings, &mut |_| Flow::Continue)
    }

    fn vectors(&self) -> ImageVectors {
        ImageVectors::load(self.at("v.safetensors")).expect("a file of vectors")
    }
}

/// The default settings with some changed.
fn with(change: impl FnOnce(&mut FeatureSettings)) -> FeatureSettings {
    let mut settings = FeatureSettings::default();
    change(&mut settings);
    settings
}

/// A picture that differs from the others.
fn picture(i: usize) -> Pixels {
    let (width, height) = (9 + i, 7);
    Pixels { width, height, rgb: (0..width * height * 3).map(|k| (k * (i + 3) * 7 % 256) as u8).collect() }
}

/// A BMP file of 24 bits: rows from below, blue first, filled up to four bytes.
fn bmp(image: &Pixels) -> Vec<u8> {
    let row = (image.width * 3).next_multiple_of(4);
    let mut bytes = b"BM".to_vec();
    let words = [54 + row * image.height, 0, 54, 40, image.width, image.height, 1 | 24 << 16, 0, 0, 0, 0, 0, 0];
    bytes.extend(words.iter().flat_map(|word| (*word as u32).to_le_bytes()));
    for line in image.rgb.chunks_exact(image.width * 3).rev() {
        bytes.extend(line.chunks_exact(3).flat_map(|pixel| [pixel[2], pixel[1], pixel[0]]));
        bytes.resize(bytes.len() + row - image.width * 3, 0);
    }
    bytes
}

#[test]
fn every_image_has_its_vector_and_the_file_says_how_it_was_made() {
    let place = Place::new(5);
    let settings = with(|s| s.batch = 2);
    let summary = place.features(&settings).expect("images");
    assert_eq!((summary.vectors, summary.width, summary.resumed, summary.stopped), (5, 48, 0, false));
    let vectors = place.vectors();
    let want = place.model.vectors(&[picture(3)]).expect("a vector");
    let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
    assert!(vectors.get("3").expect("an id without the extension").iter().zip(&want[0]).all(close));
    let description = FeatureDescription::of(&vectors).expect("ours");
    assert_eq!(description.vision, place.model.identity);
    assert!(matches!(place.features(&settings), Err(Error::FeaturesExist { .. })));
    let half = with(|s| (s.batch, s.precision, s.overwrite) = (2, VectorPrecision::F16, true));
    place.features(&half).expect("images");
    let got = place.vectors();
    let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-3 * (1.0 + b.abs());
    assert!(got.get("3").expect("there").iter().zip(vectors.get("3").expect("there")).all(close));
    assert!(!place.at("v.safetensors.journal").exists());
}

#[test]
fn bad_files_are_left_out_with_the_reason() {
    let place = Place::new(2);
    let good = bmp(&picture(1));
    place.write("empty.jpg", b"");
    place.write("truncated.bmp", &good[..good.len() / 2]);
    place.write("wrong.jpg", &good);
    place.write("none", &good);
    place.write("text.png", b"this is no image");
    place.write(
        "huge.gif",
        &[b"GIF89a".as_slice(), &30_000u16.to_le_bytes(), &30_000u16.to_le_bytes(), &[0; 9]].concat(),
    );
    place.write("long.bmp", &[&good[..18], &70_000u32.to_le_bytes(), &1u32.to_le_bytes(), &good[26..]].concat());
    place.write("big.bmp", &vec![0; 5000]);
    place.write("1.png", &good);
    place.write("0.aaa", b"notes");
    place.write("1.bak", b"notes");
    std::fs::create_dir(place.at("images/inner")).expect("a writable folder");
    std::fs::write(place.at("outside.bmp"), &good).expect("a writable folder");
    #[cfg(unix)]
    {
        let link =
            |to: &str, name: &str| std::os::unix::fs::symlink(to, place.at("images").join(name)).expect("a link");
        link("../outside.bmp", "link.bmp");
        link("nowhere.bmp", "broken.bmp");
        link("0.bmp", "inside.bmp");
    }
    let summary = place.features(&with(|s| s.limits.bytes = 4000)).expect("two good images");
    let check = |file: &str, reason: &str| {
        let found = summary.bad.iter().find(|bad| bad.file == file).unwrap_or_else(|| panic!("{file} is not bad"));
        assert!(found.reason.contains(reason), "{file}: {}", found.reason);
    };
    check("empty.jpg", "empty");
    check("truncated.bmp", "damaged");
    check("wrong.jpg", "its extension is \"jpg\", its content BMP");
    check("none", "its extension is \"\"");
    check("text.png", "not a JPEG, PNG, GIF, WebP or BMP");
    check("huge.gif", "30000 x 30000 pixels");
    // BMP has a limit of its own; PNG has none but ours.
    check("long.bmp", "too large");
    check("big.bmp", "5000 bytes, the limit is 4000");
    // In the order of names, 1.bmp comes first.
    check("1.png", "1.bmp has the same id");
    // A file that does not look like an image never takes an image's id.
    check("0.aaa", "0.bmp has the same id");
    check("1.bak", "1.bmp has the same id");
    let mut n = 11;
    if cfg!(unix) {
        check("link.bmp", "a symbolic link out of the folder");
        check("broken.bmp", "cannot be read");
        n += 2;
    }
    assert_eq!(summary.bad.len(), n, "{:?}", summary.bad);
    let ids: Vec<String> = place.vectors().ids().map(str::to_owned).collect();
    assert_eq!(ids, if cfg!(unix) { vec!["0", "1", "inside"] } else { vec!["0", "1"] });
    let any = with(|s| (s.any_extension, s.overwrite) = (true, true));
    assert!(!place.features(&any).expect("images").bad.iter().any(|bad| bad.file == "wrong.jpg"));
}

#[test]
fn a_folder_without_a_good_image_is_an_error_with_the_first_reason() {
    let place = Place::new(0);
    place.write("a.jpg", b"");
    let error = place.features(&FeatureSettings::default()).expect_err("no image").to_string();
    assert!(error.contains("no usable image among 1 files, of which the first is a.jpg: the file is empty"), "{error}");
    let absent =
        extract(Path::new("absent"), &place.model, place.at("x"), &FeatureSettings::default(), &mut |_| Flow::Continue);
    assert!(matches!(absent, Err(Error::Read { .. })));
    assert!(!place.at("x.journal").exists());
}

#[test]
fn a_call_continues_where_another_ended() {
    let place = Place::new(6);
    let settings = with(|s| s.batch = 2);
    let whole = Place::new(6);
    whole.features(&settings).expect("images");
    let mut seen = Vec::new();
    let mut stop = |progress: FeatureProgress| {
        seen.push((progress.done, progress.total));
        if progress.done == 4 { Flow::Stop } else { Flow::Continue }
    };
    let out = place.at("v.safetensors");
    let summary = extract(place.at("images"), &place.model, &out, &settings, &mut stop).expect("images");
    assert!(summary.stopped && !out.exists());
    assert_eq!(seen, [(2, 6), (4, 6)]);
    // An image that changed meanwhile is computed again.
    place.write("1.bmp", &bmp(&picture(9)));
    let summary = place.features(&settings).expect("images");
    assert_eq!((summary.vectors, summary.resumed, summary.stopped), (6, 3, false));
    let (got, want) = (place.vectors(), whole.vectors());
    assert_eq!((got.get("0"), got.get("5")), (want.get("0"), want.get("5")));
    assert_ne!(got.get("1"), want.get("1"));
}

#[test]
fn the_cache_is_used_again_and_never_stale() {
    let place = Place::new(3);
    let cache = place.at("cache");
    let call = |place: &Place, settings: &FeatureSettings| {
        cached_features(place.at("images"), &place.model, &cache, settings, &mut |_| Flow::Continue).expect("images")
    };
    let settings = FeatureSettings::default();
    let (first, made) = call(&place, &settings);
    let (second, again) = call(&place, &settings);
    assert!(made.is_some() && again.is_none(), "made once");
    let sha256 = |vectors: &Option<ImageVectors>| vectors.as_ref().expect("vectors").sha256().to_owned();
    assert_eq!(sha256(&first), sha256(&second));
    // Other content of the same size, a new file, another limit: each gives another file of the
    // cache.
    let mut changed = picture(1);
    changed.rgb[5] ^= 128;
    place.write("1.bmp", &bmp(&changed));
    let (third, made) = call(&place, &settings);
    assert!(made.is_some() && sha256(&third) != sha256(&first));
    place.write("new.bmp", &bmp(&picture(7)));
    assert!(call(&place, &settings).1.is_some());
    assert!(call(&place, &with(|s| s.limits.pixels = 70)).1.is_some_and(|summary| summary.vectors == 2));
    let mut stop = |_| Flow::Stop;
    let one = with(|s| (s.batch, s.precision) = (1, VectorPrecision::F16));
    let (none, summary) = cached_features(place.at("images"), &place.model, &cache, &one, &mut stop).expect("images");
    assert!(none.is_none() && summary.is_some_and(|summary| summary.stopped));
}

#[test]
fn ids_are_paths_where_folders_are_taken_in() {
    let place = Place::new(2);
    std::fs::create_dir_all(place.at("images/a/b")).expect("a writable folder");
    place.write("a/0.bmp", &bmp(&picture(2)));
    place.write("a/b/0.bmp", &bmp(&picture(3)));
    place.write("a/notes", b"no image");
    #[cfg(unix)]
    std::os::unix::fs::symlink("..", place.at("images/up")).expect("a link");
    let summary = place.features(&with(|s| s.ids = Ids::Paths)).expect("images");
    let bad: Vec<&str> = summary.bad.iter().map(|bad| bad.file.as_str()).collect();
    assert_eq!((summary.vectors, bad), (4, vec!["a/notes"]), "a link to a folder is not followed");
    let by_path = place.vectors();
    assert_eq!(by_path.ids().collect::<Vec<_>>(), ["0.bmp", "1.bmp", "a/0.bmp", "a/b/0.bmp"]);
    place.features(&with(|s| s.overwrite = true)).expect("images");
    assert_eq!(place.vectors().ids().collect::<Vec<_>>(), ["0", "1"], "as ever, unless it is asked for");
    assert_eq!(place.vectors().get("1"), by_path.get("1"), "an extension is added where it must be");
}

/// A GIF of one white pixel.
const GIF: &[u8] = b"GIF89a\x01\0\x01\0\x80\0\0\xff\xff\xff\0\0\0,\0\0\0\0\x01\0\x01\0\0\x02\x02D\x01\0;";

#[test]
fn a_damaged_file_does_not_take_a_good_one_of_its_id() {
    let place = Place::new(1);
    place.write("a.bmp", &bmp(&picture(2))[..70]);
    place.write("a.gif", GIF);
    place.write("a.png", GIF);
    place.write("b.bmp", &bmp(&picture(3))[..80]);
    let summary = place.features(&FeatureSettings::default()).expect("images");
    assert_eq!(place.vectors().ids().collect::<Vec<_>>(), ["0", "a"]);
    let bad: Vec<String> = summary.bad.iter().map(|bad| format!("{}: {}", bad.file, bad.reason)).collect();
    assert_eq!(bad.len(), 3, "{bad:?}");
    assert!(bad[0].starts_with("a.bmp: the BMP image is damaged: the file ends"), "{bad:?}");
    assert_eq!(bad[1], "a.png: a.gif has the same id");
    let model = VisionModel::open(place.at("model"), None, Compute::default()).expect("a small model");
    let folder = PictureFolder::open(place.at("images"), model, place.at("cache"), &FeatureSettings::default());
    let found = folder.expect("a folder").vectors_for(["a", "b", "a.bmp"]).expect("a network");
    assert!(matches!(&found["a"], Picture::Vector(vector) if place.vectors().get("a") == Some(vector)));
    assert!(matches!(&found["b"], Picture::Bad(reason) if reason.contains("damaged")));
    assert!(matches!(&found["a.bmp"], Picture::Bad(_)), "a name with its extension means that file");
}

#[test]
fn a_file_made_anew_takes_over_what_did_not_change() {
    for precision in [VectorPrecision::F32, VectorPrecision::F16] {
        let settings = with(|s| (s.batch, s.overwrite, s.precision) = (2, true, precision));
        let place = Place::new(5);
        place.features(&settings).expect("images");
        let file = || std::fs::read(place.at("v.safetensors")).expect("it is there");
        let check = |resumed: usize, of: usize| {
            let summary = place.features(&settings).expect("images");
            assert_eq!((summary.resumed, summary.vectors), (resumed, of));
            let made = file();
            std::fs::remove_file(place.at("v.safetensors.images.json")).expect("it is there");
            assert_eq!(place.features(&settings).expect("images").resumed, 0, "without notes all is computed");
            assert!(file() == made, "the same bytes");
        };
        place.write("new.bmp", &bmp(&picture(8)));
        check(5, 6);
        place.write("3.bmp", &bmp(&picture(9)));
        check(5, 6);
        std::fs::remove_file(place.at("images/0.bmp")).expect("it is there");
        check(5, 5);
        // Notes of another file, and other settings, are not for this one.
        let whole = file();
        std::fs::write(place.at("v.safetensors"), &whole[..whole.len() - 1]).expect("writable");
        assert_eq!(place.features(&settings).expect("images").resumed, 0);
        let others = with(|s| (s.overwrite, s.limits.pixels) = (true, 1000));
        assert_eq!(place.features(&others).expect("images").resumed, 0);
    }
    let place = Place::new(3);
    let settings = FeatureSettings::default();
    let call = || {
        let (images, cache) = (place.at("images"), place.at("cache"));
        cached_features(images, &place.model, cache, &settings, &mut |_| Flow::Continue).expect("images").1
    };
    assert_eq!(call().expect("made now").resumed, 0);
    place.write("new.bmp", &bmp(&picture(8)));
    let summary = call().expect("another folder");
    assert_eq!((summary.resumed, summary.vectors), (3, 4));
}

#[test]
fn ids_are_names_wherever_below_or_those_of_a_table() {
    let place = Place::new(2);
    std::fs::create_dir_all(place.at("images/a/b")).expect("a writable folder");
    place.write("a/2.bmp", &bmp(&picture(2)));
    place.write("a/b/0.bmp", &bmp(&picture(3)));
    let summary = place.features(&with(|s| s.ids = Ids::NamesBelow)).expect("images");
    let bad: Vec<String> = summary.bad.iter().map(|bad| format!("{}: {}", bad.file, bad.reason)).collect();
    assert_eq!(bad, ["a/b/0.bmp: 0.bmp has the same id"]);
    let below = place.vectors();
    assert_eq!(below.ids().collect::<Vec<_>>(), ["0", "1", "2"]);
    std::fs::write(place.at("t.csv"), "id,path\nx,a/2.bmp\ny,0.bmp\nz,none.bmp\n").expect("writable");
    let (table, out) = (place.at("t.csv"), place.at("v.safetensors"));
    let again = with(|s| s.overwrite = true);
    let made = extract_table(table, place.at("images"), &place.model, out, &again, &mut |_| Flow::Continue);
    assert_eq!(made.expect("images").bad.len(), 1);
    let named = place.vectors();
    assert_eq!(named.ids().collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!((named.get("x"), named.get("y")), (below.get("2"), below.get("0")));
}

#[test]
fn only_pictures_that_are_named_are_read_and_each_once() {
    let place = Place::new(5);
    place.write("broken.bmp", &bmp(&picture(1))[..60]);
    place.features(&FeatureSettings::default()).expect("images");
    let want = place.vectors();
    let open = || {
        let model = VisionModel::open(place.at("model"), None, Compute::default()).expect("a small model");
        let settings = with(|s| s.batch = 2);
        PictureFolder::open(place.at("images"), model, place.at("cache"), &settings).expect("a folder")
    };
    let check = |found: &Picture, id: &str| {
        let Picture::Vector(vector) = found else { panic!("{id}: {found:?}") };
        let close = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-5;
        assert!(vector.iter().zip(want.get(id).expect("there")).all(close), "{id}");
    };
    let folder = open();
    let found = folder.vectors_for(["3", "1.bmp", "4", "none", "broken", "3"]).expect("a network");
    assert_eq!(found.len(), 5);
    ["3", "1.bmp", "4"].iter().for_each(|id| check(&found[*id], id));
    assert_eq!(found["none"], Picture::Missing);
    assert!(matches!(&found["broken"], Picture::Bad(reason) if reason.contains("damaged")), "{:?}", found["broken"]);
    let stored = || {
        let mut files = Vec::new();
        let mut folders = vec![place.at("cache")];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("readable").map(|entry| entry.expect("readable").path()) {
                if entry.is_dir() { folders.push(entry) } else { files.push(entry) }
            }
        }
        files
    };
    assert_eq!(stored().len(), 3, "what nobody named is not made");
    // What the store has is taken from it, unless it is damaged; what changes is made again.
    let marked = vec![7f32; folder.width()];
    let bytes: Vec<u8> = marked.iter().flat_map(|x| x.to_le_bytes()).collect();
    let sha256 = smvae::data::files::sha256_hex(&bytes);
    for file in stored() {
        std::fs::write(file, [bytes.as_slice(), sha256.as_bytes()].concat()).expect("writable");
    }
    let again = open().vectors_for(["3"]).expect("a network");
    assert_eq!(again["3"], Picture::Vector(marked.into()));
    for file in stored() {
        std::fs::write(file, &bytes).expect("writable");
    }
    check(&open().vectors_for(["3"]).expect("a network")["3"], "3");
    place.write("3.bmp", &bmp(&picture(4)));
    check(&open().vectors_for(["3"]).expect("a network")["3"], "4");
    // Posts get them, and keep their words.
    let mut posts = ["4", "broken", "none"].map(|id| Post::from_words(vec!["a".to_owned()]).with_image(id));
    open().attach(&mut posts).expect("a network");
    assert_eq!(posts.each_ref().map(|post| post.image_error().is_some()), [false, true, false]);
    assert!(posts.iter().all(|post| post.words() == ["a"] && post.image_id.is_some()));
    let model = VisionModel::open(place.at("model"), None, Compute::default()).expect("a small model");
    let absent = PictureFolder::open("absent", model, place.at("cache"), &FeatureSettings::default());
    assert!(matches!(absent, Err(Error::Read { .. })));
}
