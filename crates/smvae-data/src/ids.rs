//! Image ids: the id of a post is looked up among those of a file, also where one of the two is
//! written with a leading `./` or the extension of an image, and the other without.

use std::collections::BTreeMap;

/// Extensions of files that can be read as images, sorted.
pub const IMAGE_EXTENSIONS: [&str; 6] = ["bmp", "gif", "jpeg", "jpg", "png", "webp"];

/// Whether a name ends in the extension of an image, in small letters or capitals.
pub fn has_image_extension(name: &str) -> bool {
    split_extension(name).is_some()
}

/// Whether an image id names a file: it has a folder, or the extension of an image.
pub fn is_file_name(id: &str) -> bool {
    id.contains('/') || has_image_extension(id)
}

/// An id without a leading `./` and the extension of an image: ids that name one image have the
/// same.
pub fn bare_id(id: &str) -> &str {
    let path = without_dot(id);
    split_extension(path).unwrap_or(path)
}

/// The row of an id. If no row has exactly this id, it is the row of the id with the extension of
/// an image added or, if the id has such an extension, of the id without it.
pub(crate) fn row_of(rows: &BTreeMap<String, usize>, id: &str) -> Option<usize> {
    rows.get(id).copied().or_else(|| row_of_path(rows, id))
}

/// The row of another image than the id's: half of all rows further on, from the last one back to
/// the first. Rows are numbered in the order of their ids. A single image gets its own row.
pub(crate) fn row_of_other(rows: &BTreeMap<String, usize>, id: &str) -> Option<usize> {
    Some((row_of(rows, id)? + rows.len().div_ceil(2)) % rows.len())
}

/// The row of an id that names a file otherwise than the ids of the rows do.
fn row_of_path(rows: &BTreeMap<String, usize>, id: &str) -> Option<usize> {
    let path = without_dot(id);
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

fn without_dot(id: &str) -> &str {
    id.strip_prefix("./").unwrap_or(id)
}

/// A name without the extension of an image, if it has one.
fn split_extension(name: &str) -> Option<&str> {
    let (stem, extension) = name.rsplit_once('.')?;
    IMAGE_EXTENSIONS.iter().any(|known| known.eq_ignore_ascii_case(extension)).then_some(stem)
}
