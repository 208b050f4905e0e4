//! Images of a report: small JPEGs as data URLs, within a budget.
//!
//! The id of an image is the name of its file without the extension, as for `smvae features`. What
//! it does not do: link to a file. So the page can be moved, and opens nothing.

use crate::error::{Error, Result};
use crate::features::listing::list;
use crate::features::pictures::resolve;
use crate::features::settings::Ids;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};
use rayon::prelude::*;
use smvae_encoders::vision::{DecodeLimits, Reading, check_bytes, decode};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// How much of the images a page may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImageBudget {
    /// The longer side, in pixels. Default: 240.
    pub side: u32,
    /// Bytes of all data URLs together. Default: 24 MiB.
    pub bytes: usize,
}

impl Default for ImageBudget {
    /// 240 pixels, and 24 MiB: about two thousand photos.
    fn default() -> Self {
        Self { side: 240, bytes: 24 << 20 }
    }
}

/// Small images by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Thumbnails {
    /// Data URLs.
    pub urls: BTreeMap<String, String>,
    /// Ids whose file is not a readable image, as far as files were read.
    pub unreadable: usize,
    /// Ids without an image because the budget was spent.
    pub left_out: usize,
}

/// Images that are made at once: their data URLs are in memory before the budget is looked at.
const AT_ONCE: usize = 64;

impl Thumbnails {
    /// Makes small images of those ids that the folder has, in the order of the ids.
    ///
    /// # Errors
    /// [`Error::Read`] if the folder cannot be listed.
    pub fn make<'a>(
        folder: impl AsRef<Path>,
        ids: impl IntoIterator<Item = &'a str>,
        budget: ImageBudget,
    ) -> Result<Self> {
        let folder = folder.as_ref();
        if !folder.is_dir() {
            let source = std::io::Error::from(std::io::ErrorKind::NotADirectory);
            return Err(Error::Read { path: folder.to_owned(), source });
        }
        let root = folder.canonicalize().map_err(|source| Error::Read { path: folder.to_owned(), source })?;
        let paths: BTreeMap<_, _> =
            list(folder, Ids::Names)?.files.into_iter().map(|file| (file.id, file.path)).collect();
        // An id may be the path of a file, too.
        let path_of = |id: &str| paths.get(id).cloned().or_else(|| resolve(&root, id).ok().flatten());
        let mut seen = BTreeSet::new();
        let wanted: Vec<_> =
            ids.into_iter().filter(|id| seen.insert(*id)).filter_map(|id| Some((id, path_of(id)?))).collect();
        let (mut made, mut used) = (Self::default(), 0);
        for (i, some) in wanted.chunks(AT_ONCE).enumerate() {
            if made.left_out > 0 {
                // The budget is spent: the rest need not be read.
                made.left_out += wanted.len() - i * AT_ONCE;
                break;
            }
            let urls: Vec<_> = some.par_iter().map(|(id, path)| (*id, data_url(path, budget.side))).collect();
            for (id, url) in urls {
                match url {
                    None => made.unreadable += 1,
                    Some(url) if used + url.len() > budget.bytes => made.left_out += 1,
                    Some(url) => {
                        used += url.len();
                        made.urls.insert(id.to_owned(), url);
                    }
                }
            }
        }
        Ok(made)
    }
}

/// A small JPEG of a file. `None` if the file is not a readable image.
fn data_url(path: &Path, side: u32) -> Option<String> {
    let limits = DecodeLimits::default();
    let reading = Reading { upright: true, ..Reading::default() };
    check_bytes(path.metadata().ok()?.len(), &limits).ok()?;
    let pixels = decode(&std::fs::read(path).ok()?, &limits, &reading).ok()?;
    let (width, height) = (u32::try_from(pixels.width).ok()?, u32::try_from(pixels.height).ok()?);
    let image = RgbImage::from_raw(width, height, pixels.rgb)?;
    let scale = (f64::from(side) / f64::from(width.max(height))).min(1.0);
    let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
    let small = imageops::thumbnail(&image, scaled(width), scaled(height));
    let mut jpeg = Vec::new();
    small.write_with_encoder(JpegEncoder::new_with_quality(&mut jpeg, 75)).ok()?;
    Some(format!("data:image/jpeg;base64,{}", STANDARD.encode(jpeg)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_are_small_and_within_the_budget() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let photo = RgbImage::from_fn(600, 300, |x, y| image::Rgb([x as u8, y as u8, 0]));
        for name in ["a.png", "b.png"] {
            photo.save(folder.path().join(name)).expect("writable");
        }
        std::fs::write(folder.path().join("c.jpg"), "no image").expect("writable");
        let make =
            |budget| Thumbnails::make(folder.path(), ["a", "a", "b", "c", "../a", "none"], budget).expect("a folder");
        let all = make(ImageBudget::default());
        assert_eq!((all.urls.len(), all.unreadable, all.left_out), (2, 1, 0));
        let url = all.urls["a"].strip_prefix("data:image/jpeg;base64,").expect("a data URL");
        let jpeg = decode(&STANDARD.decode(url).expect("base64"), &DecodeLimits::default(), &Reading::default())
            .expect("a JPEG");
        assert_eq!((jpeg.width, jpeg.height), (240, 120));
        let one = make(ImageBudget { bytes: all.urls["a"].len(), ..ImageBudget::default() });
        assert_eq!((one.urls.len(), one.left_out), (1, 1));
        assert!(Thumbnails::make(folder.path().join("none"), ["a"], ImageBudget::default()).is_err());
    }

    #[test]
    fn images_are_read_until_the_budget_is_spent() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        RgbImage::new(2, 2).save(folder.path().join("a.png")).expect("writable");
        let names: Vec<String> = (0..100).map(|i| format!("no-image-{i}")).collect();
        for name in &names {
            std::fs::write(folder.path().join(format!("{name}.jpg")), "no image").expect("writable");
        }
        let make = |bytes: usize| {
            let ids = std::iter::once("a").chain(names.iter().map(String::as_str));
            let made = Thumbnails::make(folder.path(), ids, ImageBudget { bytes, ..ImageBudget::default() });
            let made = made.expect("a folder");
            (made.urls.len(), made.unreadable, made.left_out)
        };
        assert_eq!(make(1 << 20), (1, 100, 0));
        assert_eq!(make(0), (0, AT_ONCE - 1, 101 - AT_ONCE + 1));
    }
}
