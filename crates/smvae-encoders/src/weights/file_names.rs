//! Names of the files that weights are in; reads no file.

/// The files a folder's weights may be in; the first that is there is read.
pub const WEIGHT_FILES: [&str; 4] =
    ["model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json"];

/// The files of a model's weights among the names of all its files: the first of [`WEIGHT_FILES`],
/// with its shards.
pub fn weight_files(names: &[&str]) -> Vec<String> {
    let Some(first) = WEIGHT_FILES.iter().find(|file| names.contains(file)) else { return Vec::new() };
    // `model.safetensors.index.json` has shards `model-00001-of-00002.safetensors`.
    let shard = first.strip_suffix(".index.json").and_then(|file| file.split_once('.'));
    let is_shard = |name: &str| {
        shard.is_some_and(|(stem, extension)| {
            name.strip_prefix(stem).is_some_and(|rest| rest.starts_with('-') && rest.ends_with(extension))
        })
    };
    names.iter().filter(|name| *name == first || is_shard(name)).map(|name| (*name).to_owned()).collect()
}
