//! What a command reads, so that no output is written over it ([`crate::output::check_apart`]).

use crate::options::{CaptionArgs, ImageArgs};
use smvae::RunInfo;
use smvae::data::images::has_image_extension;
use std::path::{Path, PathBuf};

/// What a command reads.
#[derive(Debug, Default)]
pub(crate) struct Inputs {
    /// Files, each with the option that names it.
    files: Vec<(String, PathBuf)>,
    /// Folders of pictures.
    pictures: Vec<PathBuf>,
}

impl Inputs {
    /// With a file that an option names; - is stdin.
    pub(crate) fn file(mut self, option: &str, path: Option<&Path>) -> Self {
        self.files.extend(path.filter(|path| *path != Path::new("-")).map(|path| (option.to_owned(), path.to_owned())));
        self
    }

    /// With what an option names: a file, or a folder whose files are read. A model of the hub is
    /// neither.
    pub(crate) fn model(mut self, option: &str, name: Option<&str>) -> Self {
        let Some(path) = name.map(PathBuf::from) else { return self };
        for entry in std::fs::read_dir(&path).into_iter().flatten().flatten() {
            self.files.push((option.to_owned(), entry.path()));
        }
        self.files.push((option.to_owned(), path));
        self
    }

    /// With the files of a folder of runs or of an experiment, but for pages that stand there.
    #[cfg(feature = "report")]
    pub(crate) fn results(mut self, folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
        self.files.extend(entries.filter(|path| !is_page(path)).map(|path| ("a file of the folder".to_owned(), path)));
        self
    }

    /// With a folder of pictures.
    pub(crate) fn pictures(mut self, folder: Option<&Path>) -> Self {
        self.pictures.extend(folder.map(Path::to_owned));
        self
    }

    /// With the files of image vectors and captions that runs were trained with, where they are
    /// read again. [`crate::output::guard`] knows the files of the runs themselves.
    pub(crate) fn runs(mut self, runs: &[PathBuf]) -> Self {
        // A run that cannot be read is told of when it is loaded.
        for run in runs.iter().filter_map(|run| RunInfo::read(run).ok()) {
            let name = run.folder.display();
            let images = run.images.and_then(|images| images.source);
            let captions = run.captions.and_then(|captions| captions.source);
            self.files.extend(images.map(|file| (format!("the image vectors of {name}"), file)));
            self.files.extend(captions.map(|file| (format!("the captions of {name}"), file)));
        }
        self
    }

    /// With what a trained model is given besides posts.
    pub(crate) fn images_and_captions(self, images: &ImageArgs, captions: &CaptionArgs) -> Self {
        self.file("--image-features", images.image_features.as_deref())
            .pictures(images.images.as_deref())
            .model("--vision", images.vision.vision.as_deref())
            .file("--captions", captions.captions.as_deref())
    }

    /// What would be written over by an output at this path, if anything.
    pub(crate) fn below(&self, output: &Path) -> Option<&str> {
        let place = real(output)?;
        let is_there = |file: &Path| real(file).is_some_and(|file| file == place);
        if let Some((option, _)) = self.files.iter().find(|(_, file)| is_there(file)) {
            return Some(option);
        }
        let has_name_of_one = place.file_name().and_then(|name| name.to_str()).is_some_and(has_image_extension);
        let holds_it = |folder: &PathBuf| folder.canonicalize().is_ok_and(|folder| place.starts_with(folder));
        (has_name_of_one && place.is_file() && self.pictures.iter().any(holds_it)).then_some("a picture of --images")
    }
}

/// Whether a file is a page by its name.
#[cfg(feature = "report")]
pub(crate) fn is_page(path: &Path) -> bool {
    let is = |ending: &str| path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case(ending));
    is("html") || is("htm")
}

/// Where a path really is. A file that is not there yet has a folder that is.
pub(crate) fn real(path: &Path) -> Option<PathBuf> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    path.canonicalize().ok().or_else(|| Some(folder.canonicalize().ok()?.join(path.file_name()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_input_is_below_an_output() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let at = |name: &str| dir.path().join(name);
        for folder in ["images/sub", "model"] {
            std::fs::create_dir_all(at(folder)).expect("writable");
        }
        for file in ["posts.jsonl", "images/1.jpg", "images/sub/2.PNG", "images/found.jsonl", "model/config.json"] {
            std::fs::write(at(file), "x").expect("writable");
        }
        let inputs = Inputs::default()
            .file("--input", Some(&at("posts.jsonl")))
            .file("--captions", Some(Path::new("-")))
            .file("--image-features", None)
            .pictures(Some(&at("images")))
            .model("--vision", at("model").to_str())
            .model("--text-encoder", Some("owner/name"));
        for (output, want) in [
            ("posts.jsonl", Some("--input")),
            ("images/../posts.jsonl", Some("--input")),
            ("images/1.jpg", Some("a picture of --images")),
            ("images/sub/2.PNG", Some("a picture of --images")),
            ("model/config.json", Some("--vision")),
            ("model/other.json", None),
            ("images/3.jpg", None),
            ("images/found.jsonl", None),
            ("found.jsonl", None),
            ("absent/found.jsonl", None),
        ] {
            assert_eq!(inputs.below(&at(output)), want, "{output}");
        }
    }
}
