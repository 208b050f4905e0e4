//! Image ids: how the id of a post is looked up among those of a file, which may be written in
//! another way.

use std::collections::BTreeMap;

/// Extensions of files that can be read as images, sorted.
pub const IMAGE_EXTENSIONS: [&str; 6] = ["bmp", "gif", "jpeg", "jpg", "png", "webp"];

/// Whether a name ends in the extension of an image, in any case.
pub fn has_image_extension(name: &str) -> bool {
    split_extension(name).is_some()
}

/// Whether an image id names a file: it has a folder, or the extension of an image.
pub fn is_file_name(id: &str) -> bool {
    id.contains('/') || has_image_extension(id)
}

/// The row of an id. If none has this very id, it is one with an image's extension added to it; or,
/// if it has one, the one without.
pub(crate) fn row_of(rows: &BTreeMap<String, usize>, id: &str) -> Option<usize> {
    rows.get(id).copied().or_else(|| row_of_path(rows, id))
}

/// The row of another image than that of an id: half of all rows further on, cyclically. Rows are
/// numbered in the order of their ids. A single image gets its own.
pub(crate) fn row_of_other(rows: &BTreeMap<String, usize>, id: &str) -> Option<usize> {
    Some((row_of(rows, id)? + rows.len().div_ceil(2)) % rows.len())
}

/// The row of an id that names a file in other words than the ids of the rows.
fn row_of_path(rows: &BTreeMap<String, usize>, id: &str) -> Option<usize> {
    let path = id.strip_prefix("./").unwrap_or(id);
    if let Some(row) = rows.get(path) {
        return Some(*row);
    }
    if let Some(stem) = split_extension(path) {
        return rows.get(stem).copied();
    }
    let with = |extension: String| rows.get(&format!("{path}.{extension}")).copied();
    let upper = IMAGE_EXTENSIONS.into_iter().map(str::to_uppercase);
    upper.chain(IMAGE_EXTENSIONS.into_iter().map(str::to_owned)).find_map(with)
}

/// A name without the extension of an image, if it has one.
fn split_extension(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    IMAGE_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)).then_some(stem)
}
