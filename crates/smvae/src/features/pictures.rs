//! Vectors of the images that posts name, made when they are asked for: a folder of a million
//! images costs no more than those that are named.
//!
//! ```text
//! name -> file below the folder -> digest of its content -> [store | decode -> network -> store] -> vector
//! ```
//! A name is a path below the folder, with `/` between its parts, with or without an image's
//! extension. It never leads out of the folder: no absolute path, no `..`, no symbolic link to
//! somewhere else. What [`cached_features`](super::cached_features) makes of a whole folder, this
//! makes one image at a time; vectors are kept by the content of the image, so that a file that
//! changes gets another one.

use crate::error::{Error, Result};
use crate::features::key::model_key;
use crate::features::picture::Picture;
use crate::features::read::{bytes_of, pixels_of};
use crate::features::settings::FeatureSettings;
use rayon::prelude::*;
use smvae_data::files::{sha256_hex, write_atomically};
use smvae_data::images::{IMAGE_EXTENSIONS, has_image_extension};
use smvae_encoders::vision::{VisionIdentity, VisionModel};
use std::collections::{BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// A folder of images, and the model that makes their vectors.
#[derive(Debug)]
pub struct PictureFolder {
    root: PathBuf,
    model: VisionModel,
    store: PathBuf,
    settings: FeatureSettings,
    /// Why a vector could not be kept, the first time.
    unkept: OnceLock<Error>,
}

/// Hexadecimal digits of the digest at the end of a file of the store.
const DIGEST: usize = 64;

impl PictureFolder {
    /// A folder of images. Vectors are kept in a folder of `cache` that belongs to the model.
    ///
    /// # Errors
    /// [`Error::Read`] for a folder that is not there; [`Error::Core`] with `Setting` for a batch
    /// of none.
    pub fn open(
        folder: impl AsRef<Path>,
        model: VisionModel,
        cache: impl AsRef<Path>,
        settings: &FeatureSettings,
    ) -> Result<Self> {
        let folder = folder.as_ref();
        let read = |source| Error::Read { path: folder.to_owned(), source };
        let root = folder.canonicalize().map_err(read)?;
        std::fs::read_dir(&root).map_err(read)?;
        if settings.batch == 0 {
            return Err(Error::setting("batch", "at least 1", 0));
        }
        let store = cache.as_ref().join(format!("images-{}", &model_key(&model)[..32]));
        Ok(Self { root, model, store, settings: *settings, unkept: OnceLock::new() })
    }

    /// What the vectors depend on.
    pub fn identity(&self) -> &VisionIdentity {
        &self.model.identity
    }

    /// Width of a vector.
    pub fn width(&self) -> usize {
        self.model.encoder.width()
    }

    /// Why the vector of an image could not be kept, which will be made again when it is asked for:
    /// the first such error, if there was one.
    pub fn unkept(&self) -> Option<&Error> {
        self.unkept.get()
    }

    /// What becomes of the images of these names.
    ///
    /// # Errors
    /// Those of the network. A bad image is not an error, nor is a vector that cannot be kept
    /// ([`PictureFolder::unkept`]).
    pub fn vectors_for<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<HashMap<String, Picture>> {
        let names: Vec<&str> = names.into_iter().collect::<BTreeSet<_>>().into_iter().collect();
        let mut batches = names.chunks(self.settings.batch);
        let prepare = |names: Option<&[&str]>| -> Vec<(String, Prepared)> {
            names.unwrap_or_default().par_iter().map(|&name| (name.to_owned(), self.prepare(name))).collect()
        };
        let (mut made, mut ready) = (HashMap::with_capacity(names.len()), prepare(batches.next()));
        while !ready.is_empty() {
            let pixels: Vec<Vec<f32>> = ready.iter_mut().filter_map(|(_, prepared)| prepared.take_pixels()).collect();
            let encode = || if pixels.is_empty() { Ok(Vec::new()) } else { self.model.encode(&pixels) };
            // The next images are decoded while these are computed.
            let (vectors, next) = rayon::join(encode, || prepare(batches.next()));
            let mut vectors = vectors?.into_iter();
            for (name, prepared) in std::mem::replace(&mut ready, next) {
                made.insert(name, self.picture(prepared, &mut vectors));
            }
        }
        Ok(made)
    }

    /// Reads an image, and makes it ready for the network unless the store has its vector. Of
    /// several files of one name, the first that can be used is the image.
    fn prepare(&self, name: &str) -> Prepared {
        let paths = match candidates(&self.root, name) {
            Ok(paths) => paths,
            Err(reason) => return Prepared::Done(Picture::Bad(reason)),
        };
        let mut first = None;
        for path in paths {
            match self.prepare_file(&path) {
                Prepared::Done(Picture::Bad(reason)) => first = first.or(Some(reason)),
                prepared => return prepared,
            }
        }
        Prepared::Done(first.map_or(Picture::Missing, Picture::Bad))
    }

    fn prepare_file(&self, path: &Path) -> Prepared {
        let bytes = match bytes_of(path, &self.settings.limits) {
            Ok(bytes) => bytes,
            Err(reason) => return Prepared::Done(Picture::Bad(reason)),
        };
        let sha256 = sha256_hex(&bytes);
        if let Some(vector) = self.stored(&sha256) {
            return Prepared::Done(Picture::Vector(vector));
        }
        match pixels_of(path, &bytes, &self.model, &self.settings) {
            Ok(pixels) => Prepared::Pixels { sha256, pixels },
            Err(reason) => Prepared::Done(Picture::Bad(reason)),
        }
    }

    /// What becomes of a prepared image; the next of the vectors is its own if it went through the
    /// network.
    fn picture(&self, prepared: Prepared, vectors: &mut impl Iterator<Item = Vec<f32>>) -> Picture {
        let sha256 = match prepared {
            Prepared::Done(picture) => return picture,
            Prepared::Pixels { sha256, .. } => sha256,
        };
        let vector = vectors.next().expect("a vector for each image that was prepared");
        if vector.iter().any(|x| !x.is_finite()) {
            return Picture::Bad("its vector is not finite: the network overflows on it".to_owned());
        }
        if let Err(error) = self.keep(&sha256, &vector) {
            // The first one is told.
            let _ = self.unkept.set(error);
        }
        Picture::Vector(vector.into())
    }

    /// Writes the vector of an image with this content to the store.
    fn keep(&self, sha256: &str, vector: &[f32]) -> Result<()> {
        let mut bytes: Vec<u8> = vector.iter().flat_map(|x| x.to_le_bytes()).collect();
        bytes.extend(sha256_hex(&bytes).into_bytes());
        let path = self.place(sha256);
        crate::files::create_folder(path.parent().expect("a folder of the store"))?;
        Ok(write_atomically(&path, &bytes)?)
    }

    /// Where the store has the vector of an image with this content.
    fn place(&self, sha256: &str) -> PathBuf {
        self.store.join(&sha256[..2]).join(&sha256[2..])
    }

    /// The vector of an image in the store. `None` for one that is not there, or damaged.
    fn stored(&self, sha256: &str) -> Option<Arc<[f32]>> {
        let bytes = std::fs::read(self.place(sha256)).ok()?;
        let (numbers, digest) = bytes.split_at_checked(4 * self.width())?;
        if digest.len() != DIGEST || sha256_hex(numbers).as_bytes() != digest {
            return None;
        }
        Some(numbers.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect())
    }
}

/// An image on its way to a vector.
enum Prepared {
    Done(Picture),
    Pixels { sha256: String, pixels: Vec<f32> },
}

impl Prepared {
    fn take_pixels(&mut self) -> Option<Vec<f32>> {
        match self {
            Self::Pixels { pixels, .. } => Some(std::mem::take(pixels)),
            Self::Done(_) => None,
        }
    }
}

/// The file of a name below `root`, which is a real path. `None` if there is none.
pub(crate) fn resolve(root: &Path, name: &str) -> Result<Option<PathBuf>, String> {
    Ok(candidates(root, name)?.into_iter().next())
}

/// The files that a name below `root` may mean, the likeliest first.
fn candidates(root: &Path, name: &str) -> Result<Vec<PathBuf>, String> {
    let name = name.strip_prefix("./").unwrap_or(name);
    if !Path::new(name).components().all(|part| matches!(part, Component::Normal(_))) || name.contains('\\') {
        return Err("it is not a path below the folder of images".to_owned());
    }
    if name.is_empty() {
        return Ok(Vec::new());
    }
    // Without an extension: those that have one by name, as in a whole folder.
    let with_extensions =
        IMAGE_EXTENSIONS.map(str::to_uppercase).into_iter().chain(IMAGE_EXTENSIONS.map(str::to_owned));
    let added: Vec<String> = if has_image_extension(name) {
        Vec::new()
    } else {
        with_extensions.map(|extension| format!("{name}.{extension}")).collect()
    };
    let mut found = Vec::new();
    for name in added.iter().map(String::as_str).chain([name]) {
        let Ok(real) = root.join(name).canonicalize() else { continue };
        let fault = match real.metadata() {
            _ if !real.starts_with(root) => "it is a symbolic link out of the folder".to_owned(),
            Ok(metadata) if metadata.is_dir() => continue,
            Ok(metadata) if metadata.is_file() => {
                found.push(root.join(name));
                continue;
            }
            // Reading a pipe could wait forever.
            Ok(_) => "it is not a file".to_owned(),
            Err(error) => format!("it cannot be read: {error}"),
        };
        // What comes after a good file is looked at only if that is damaged.
        if found.is_empty() {
            return Err(fault);
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(root: &Path, name: &str, want: Result<Option<&str>, &str>) {
        let got = resolve(root, name);
        let want = want.map(|want| want.map(|want| root.join(want))).map_err(str::to_owned);
        assert_eq!(got, want, "{name:?}");
    }

    #[test]
    fn names_are_paths_below_the_folder() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let root = dir.path().canonicalize().expect("it is there").join("images");
        std::fs::create_dir_all(root.join("photos/7.jpg.d")).expect("writable");
        for file in ["1.jpg", "1.png", "2.PNG", "photos/1.jpg", "photos/a.b.webp", "notes", "../out.jpg"] {
            std::fs::write(root.join(file), "x").expect("writable");
        }
        check(&root, "1", Ok(Some("1.jpg")));
        check(&root, "1.png", Ok(Some("1.png")));
        check(&root, "1.gif", Ok(None));
        check(&root, "2", Ok(Some("2.PNG")));
        check(&root, "photos/1.jpg", Ok(Some("photos/1.jpg")));
        check(&root, "./photos/1", Ok(Some("photos/1.jpg")));
        check(&root, "photos/a.b", Ok(Some("photos/a.b.webp")));
        check(&root, "notes", Ok(Some("notes")));
        for name in ["", "photos", "photos/7.jpg", "photos/7.jpg.d", "no/such", "a\0b"] {
            check(&root, name, Ok(None));
        }
        for name in ["../out.jpg", "photos/../1.jpg", "/etc/passwd", "photos\\1.jpg"] {
            check(&root, name, Err("it is not a path below the folder of images"));
        }
        #[cfg(unix)]
        {
            let link = |to: &str, name: &str| std::os::unix::fs::symlink(to, root.join(name)).expect("a link");
            link("../out.jpg", "out.jpg");
            link("..", "up");
            link("1.jpg", "inside.jpg");
            check(&root, "out.jpg", Err("it is a symbolic link out of the folder"));
            check(&root, "up/out.jpg", Err("it is a symbolic link out of the folder"));
            check(&root, "inside", Ok(Some("inside.jpg")));
        }
    }
}
