//! Splits of a corpus as several commands read them: by the options, and saying once what had to be
//! told from the files. No command itself.

use crate::progress::{detail, say};
use smvae::Config;
use smvae::data::Split;
use smvae::data::corpus::{CorpusFormat, LoadedSplit, ReadAs, load_split_with};
use std::path::Path;

/// Reads splits of a folder, in this order.
pub(crate) fn load_splits<const N: usize>(
    folder: &Path,
    splits: [Split; N],
    format: &CorpusFormat,
) -> anyhow::Result<[LoadedSplit; N]> {
    let mut loaded = Vec::with_capacity(N);
    for split in splits {
        let read = load_split_with(folder, split, format)?;
        let LoadedSplit { samples, file, .. } = &read;
        detail(|| format!("{}: {} posts, sha256 {:.12}", file.path.display(), samples.len(), file.sha256));
        loaded.push(read);
    }
    tell(loaded.iter().map(|split| (split.file.path.as_path(), &split.read_as)));
    Ok(loaded.try_into().expect("one for each split"))
}

/// Says how files are read, unless that goes without saying; those that are read alike at once.
pub(crate) fn tell<'a>(files: impl IntoIterator<Item = (&'a Path, &'a ReadAs)>) {
    let mut told: Vec<(String, Vec<String>)> = Vec::new();
    for (path, read_as) in files.into_iter().filter(|(_, read_as)| !read_as.is_plain()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let how = read_as.to_string();
        match told.iter_mut().find(|(other, _)| *other == how) {
            Some((_, names)) => names.push(name),
            None => told.push((how, vec![name])),
        }
    }
    for (how, names) in told {
        say(format!("{} read as {how}", names.join(", ")));
    }
}

/// How a corpus is read for a trained model: as the run's own, if it is that one, with what the
/// options say in the place of what the run says.
pub(crate) fn format_for_run(config: &Config, folder: &Path, asked: &CorpusFormat) -> CorpusFormat {
    let real = |path: &Path| path.canonicalize().ok();
    let is_own = config.data.as_deref().and_then(real).is_some_and(|own| real(folder) == Some(own));
    if is_own { config.corpus_format.clone().with(asked) } else { asked.clone() }
}
