//! Which files make a text encoder: among those of a model of the hub, and below a folder.

use serde::Deserialize;
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};

/// The names of a text encoder's files among those of all files of a model.
pub fn wanted_files(names: &[&str]) -> Vec<String> {
    let mut wanted = vec![
        "config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "added_tokens.json",
        // What BERTweet's tokenizer is read from.
        "bpe.codes",
    ];
    if !names.contains(&"tokenizer.json") || names.contains(&"bpe.codes") {
        wanted.extend(["vocab.txt", "vocab.json", "merges.txt"]);
        // Not read: whoever has them is told what helps.
        wanted.extend(["sentencepiece.bpe.model", "spm.model"]);
    }
    let named = wanted.into_iter().filter(|name| names.contains(name)).map(str::to_owned);
    named.chain(crate::weights::weight_files(names)).collect()
}

/// The folder with a text encoder's files: this one or, in the old layout of sentence-transformers,
/// the one of its first module, such as `0_Transformer`.
pub fn model_folder(folder: impl AsRef<Path>) -> PathBuf {
    let folder = folder.as_ref();
    if is_encoder(folder) {
        return folder.to_owned();
    }
    let modules: Vec<Module> = read(&folder.join("modules.json")).unwrap_or_default();
    let first = modules.into_iter().find(|module| module.idx == 0 && !module.path.is_empty());
    // The path must be a single name, so that nothing outside of the folder is read.
    let inner = first.filter(|module| Path::new(&module.path).file_name() == Some(module.path.as_ref()));
    let inner = inner.map(|module| folder.join(module.path)).filter(|inner| is_encoder(inner));
    inner.unwrap_or_else(|| folder.to_owned())
}

/// An entry of `modules.json`.
#[derive(Deserialize)]
struct Module {
    idx: usize,
    path: String,
}

/// Whether the `config.json` of a folder is that of a network. In the old layout, the outer folder
/// has a file of that name that describes something else.
fn is_encoder(folder: &Path) -> bool {
    let config: Option<Map<String, Value>> = read(&folder.join("config.json"));
    config.is_some_and(|config| config.contains_key("vocab_size"))
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Option<T> {
    path.exists().then(|| crate::files::read_json(path, "JSON file").ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_encoder_lies_in_its_folder_or_in_that_of_the_first_module() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let put = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("it lies in one")).expect("writable");
            std::fs::write(path, text).expect("writable");
        };
        let check = |want: &str| assert_eq!(model_folder(folder.path()), folder.path().join(want));
        check("");
        put("0_BERT/config.json", r#"{"vocab_size": 5}"#);
        check("");
        put(
            "modules.json",
            r#"[{"idx": 1, "path": "1_Pooling"}, {"idx": 0, "name": "0", "path": "0_BERT", "type": "x"}]"#,
        );
        put("config.json", r#"{"__version__": "0.2.5"}"#);
        check("0_BERT");
        for path in ["../x", "/", "", "..", "0_BERT/.."] {
            put("modules.json", &format!(r#"[{{"idx": 0, "path": "{path}"}}]"#));
            check("");
        }
        put("modules.json", r#"[{"idx": 0, "path": "0_BERT"}]"#);
        put("config.json", r#"{"vocab_size": 5}"#);
        check("");
    }

    #[test]
    fn files_are_chosen_by_name() {
        let check = |names: &[&str], want: &[&str]| assert_eq!(wanted_files(names), want, "{names:?}");
        check(&["README.md", "vocab.txt", "tokenizer.json", "config.json"], &["config.json", "tokenizer.json"]);
        check(&["vocab.txt", "added_tokens.json"], &["added_tokens.json", "vocab.txt"]);
        check(&["spm.model", "tokenizer_config.json"], &["tokenizer_config.json", "spm.model"]);
        check(&["vocab.txt", "bpe.codes", "tokenizer.json"], &["tokenizer.json", "bpe.codes", "vocab.txt"]);
    }
}
