//! Which files of a folder may be images, and what their ids are.
//!
//! Ids are made of names that the folder has, and are never made into paths, so that none can lead
//! out of it. Folders in it are ignored, unless they are asked for; then links to folders are.

use crate::error::{Error, Result};
use crate::features::settings::{BadImage, Ids};
use smvae_encoders::vision::has_image_extension;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A file that may be an image.
#[derive(Clone, Debug)]
pub(crate) struct ImageFile {
    /// Its name without the extension, or its path in the folder.
    pub id: String,
    /// Its name, or its path in the folder.
    pub name: String,
    pub path: PathBuf,
    /// Files of the same id, which are taken if those before them cannot be used.
    pub others: Vec<NamedFile>,
}

/// A file by the name that people know it by.
#[derive(Clone, Debug)]
pub(crate) struct NamedFile {
    pub name: String,
    pub path: PathBuf,
}

impl ImageFile {
    fn new(id: String, name: String, path: PathBuf) -> Self {
        Self { id, name, path, others: Vec::new() }
    }

    /// The files that may be the image of this id, in the order in which they are tried.
    pub(crate) fn candidates(&self) -> impl Iterator<Item = (&str, &Path)> {
        let others = self.others.iter().map(|other| (other.name.as_str(), other.path.as_path()));
        std::iter::once((self.name.as_str(), self.path.as_path())).chain(others)
    }
}

/// The files of a folder, by name.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub files: Vec<ImageFile>,
    pub bad: Vec<BadImage>,
}

impl Listing {
    /// How many files there are.
    pub(crate) fn count(&self) -> usize {
        self.bad.len() + self.files.iter().map(|file| 1 + file.others.len()).sum::<usize>()
    }

    fn sorted(mut self) -> Self {
        self.files.sort_by(|a, b| a.name.cmp(&b.name));
        self.bad.sort_by(|a, b| a.file.cmp(&b.file));
        self
    }
}

/// Lists a folder, with the folders in it where ids are paths or names of all of them.
pub(crate) fn list(folder: &Path, ids: Ids) -> Result<Listing> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let root = folder.canonicalize().map_err(fault(folder))?;
    let (mut listing, mut folders) = (Listing::default(), vec![(folder.to_owned(), String::new())]);
    let mut found = Vec::new();
    while let Some((inner, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&inner).map_err(fault(&inner))? {
            let entry = entry.map_err(fault(&inner))?;
            let shown = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let path = entry.path();
            // What `is_dir` says of a link is false.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                if ids != Ids::Names {
                    folders.push((path, format!("{shown}/")));
                }
                continue;
            }
            match file_id(&path, &root) {
                Ok(None) => {}
                Ok(Some(_)) if ids == Ids::Paths => {
                    listing.files.push(ImageFile::new(shown.clone(), shown, path));
                }
                Ok(Some(id)) => found.push((!looks_like_an_image(&path), shown, id, path)),
                Err(reason) => listing.bad.push(BadImage { file: shown, reason }),
            }
        }
    }
    // Of several files with one id, the first that looks like an image is tried first.
    found.sort();
    by_id(found.into_iter().map(|(_, shown, id, path)| (id, shown, path)), &mut listing);
    Ok(listing.sorted())
}

/// Adds files to a listing, those of one id together.
pub(super) fn by_id(files: impl Iterator<Item = (String, String, PathBuf)>, listing: &mut Listing) {
    let mut places: BTreeMap<String, usize> = BTreeMap::new();
    for (id, name, path) in files {
        match places.get(&id) {
            Some(place) => listing.files[*place].others.push(NamedFile { name, path }),
            None => {
                places.insert(id.clone(), listing.files.len());
                listing.files.push(ImageFile::new(id, name, path));
            }
        }
    }
}

/// Whether a file has an image's extension and is not empty.
fn looks_like_an_image(path: &Path) -> bool {
    has_image_extension(path) && path.metadata().is_ok_and(|metadata| metadata.len() > 0)
}

/// The id of a file. `None` for a folder. Links are followed, but not out of `root`.
fn file_id(path: &Path, root: &Path) -> Result<Option<String>, String> {
    let real = path.canonicalize().map_err(|e| format!("it cannot be read: {e}"))?;
    let metadata = real.metadata().map_err(|e| format!("it cannot be read: {e}"))?;
    if metadata.is_dir() {
        return Ok(None);
    }
    if !real.starts_with(root) {
        return Err(format!("it is a symbolic link out of the folder, to {}", real.display()));
    }
    if !metadata.is_file() {
        // Reading a pipe could wait forever.
        return Err("it is not a file".to_owned());
    }
    let name = path.file_name().and_then(|name| name.to_str()).ok_or("its name is not UTF-8")?;
    let id = Path::new(name).file_stem().and_then(|stem| stem.to_str()).unwrap_or(name);
    if id == "__metadata__" {
        return Err("its id is one that safetensors reserves".to_owned());
    }
    Ok(Some(id.to_owned()))
}
