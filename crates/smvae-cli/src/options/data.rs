//! Where the corpus is.

use clap::Args;
use std::path::PathBuf;

/// Where the corpus is.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct DataArgs {
    /// Folder with train.txt, valid.txt (or dev.txt) and test.txt.
    ///
    /// Each may have another extension: conll, jsonl, json, csv, tsv or parquet.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The same as --data dataset/NAME.
    #[arg(long, value_name = "NAME")]
    dataset: Option<String>,
}

impl DataArgs {
    /// Whether it is named: commands that know a corpus take these options all the same.
    pub(crate) fn is_given(&self) -> bool {
        self.data.is_some() || self.dataset.is_some()
    }

    /// The folder if one is named, with its whole path.
    pub(crate) fn given(&self) -> Option<PathBuf> {
        self.is_given().then(|| self.whole())
    }

    /// The folder with its whole path.
    pub(crate) fn whole(&self) -> PathBuf {
        let folder = self.folder();
        std::path::absolute(&folder).unwrap_or(folder)
    }

    /// The folder.
    pub(crate) fn folder(&self) -> PathBuf {
        let named = || PathBuf::from("dataset").join(self.dataset.as_deref().unwrap_or_default());
        self.data.clone().unwrap_or_else(named)
    }
}
