//! Which files of a folder may be images, and what their ids are.
//!
//! Ids are made of names that the folder has, and are never made into paths, so that none can lead
//! out of it. Folders in it are ignored, unless ids are paths; then links to folders are.

use crate::error::{Error, Result};
use crate::features::settings::BadImage;
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
}

/// The files of a folder, by name.
#[derive(Debug, Default)]
pub(crate) struct Listing {
    pub files: Vec<ImageFile>,
    pub bad: Vec<BadImage>,
}

/// Lists a folder; if ids are paths, with the folders in it.
pub(crate) fn list(folder: &Path, by_path: bool) -> Result<Listing> {
    if by_path { list_paths(folder) } else { list_names(folder) }
}

fn list_paths(folder: &Path) -> Result<Listing> {
    let fault = |path: &Path| {
        let path = path.to_owned();
        move |source| Error::Read { path, source }
    };
    let root = folder.canonicalize().map_err(fault(folder))?;
    let (mut listing, mut folders) = (Listing::default(), vec![(folder.to_owned(), String::new())]);
    while let Some((inner, prefix)) = folders.pop() {
        for entry in std::fs::read_dir(&inner).map_err(fault(&inner))? {
            let entry = entry.map_err(fault(&inner))?;
            let shown = format!("{prefix}{}", entry.file_name().to_string_lossy());
            let path = entry.path();
            // What `is_dir` says of a link is false.
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                folders.push((path, format!("{shown}/")));
                continue;
            }
            match file_id(&path, &root) {
                Ok(None) => {}
                Ok(Some(_)) => listing.files.push(ImageFile { id: shown.clone(), name: shown, path }),
                Err(reason) => listing.bad.push(BadImage { file: shown, reason }),
            }
        }
    }
    listing.files.sort_by(|a, b| a.name.cmp(&b.name));
    listing.bad.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(listing)
}

fn list_names(folder: &Path) -> Result<Listing> {
    let read = |source| Error::Read { path: folder.to_owned(), source };
    let root = folder.canonicalize().map_err(read)?;
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(read)? {
        let entry = entry.map_err(read)?;
        let path = entry.path();
        names.push((!looks_like_an_image(&path), entry.file_name(), path));
    }
    // Of several files with one id, the first that looks like an image has it.
    names.sort();
    let mut listing = Listing::default();
    let mut ids: BTreeMap<String, String> = BTreeMap::new();
    for (_, name, path) in names {
        let shown = name.to_string_lossy().into_owned();
        match file_id(&path, &root) {
            Ok(None) => {}
            Ok(Some(id)) => match ids.get(&id) {
                Some(other) => listing.bad.push(BadImage { file: shown, reason: format!("{other} has the same id") }),
                None => {
                    ids.insert(id.clone(), shown.clone());
                    listing.files.push(ImageFile { id, name: shown, path });
                }
            },
            Err(reason) => listing.bad.push(BadImage { file: shown, reason }),
        }
    }
    listing.files.sort_by(|a, b| a.name.cmp(&b.name));
    listing.bad.sort_by(|a, b| a.file.cmp(&b.file));
    Ok(listing)
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
