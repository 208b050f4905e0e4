//! A corpus of your own: two files in formats that annotation tools write, read, counted, learned.
//!
//! Training posts stand in columns with IOBES tags, without images; dev is JSON lines with entities
//! in characters of a text. Both read into the same samples. Needs nothing; prints how the files
//! were read, the label set and what was found:
//!
//! ```text
//! cargo run --example own_corpus
//! ```

use smvae::data::corpus::load_file;
use smvae::{Config, EncoderSource, Predictor, TrainInput, train};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::temp_dir().join(format!("smvae-own-corpus-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let (names, places) = (["Ada", "Ben", "Cleo", "Dora"], ["Oslo", "Bergen", "Tromso", "Moss"]);
    let (mut columns, mut lines) = (String::new(), String::new());
    for i in 0..96 {
        let (name, place) = (names[i % 4], places[i / 4 % 4]);
        let (verb, word) = ([("lands", "in"), ("leaves", "for")][i % 2], "New");
        columns += &format!("{name} S-PER\n{} O\n{} O\n{word} B-LOC\n{place} E-LOC\n\n", verb.0, verb.1);
        if i % 8 == 0 {
            let text = format!("{name} {} {} {word} {place}", verb.0, verb.1);
            let start = text.len() - place.len() - 4;
            let entities = format!(
                r#"[{{"start":0,"end":{},"label":"PER"}},{{"start":{start},"end":{},"label":"LOC"}}]"#,
                name.len(),
                text.len()
            );
            let words = text.split(' ').map(|word| format!("{word:?}")).collect::<Vec<_>>().join(",");
            lines += &format!(r#"{{"text":"{text}","words":[{words}],"entities":{entities}}}"#);
            lines.push('\n');
        }
    }
    std::fs::write(folder.join("train.conll"), columns)?;
    std::fs::write(folder.join("dev.jsonl"), lines)?;

    // A split is the file in the folder whose name begins so; `Corpus::load` reads all three.
    let train_split = load_file(folder.join("train.conll"))?;
    let dev = load_file(folder.join("dev.jsonl"))?;
    println!("train: {} posts, {}", train_split.samples.len(), train_split.read_as);
    println!("dev: {} posts, {}", dev.samples.len(), dev.read_as);

    let input = TrainInput::from_splits(&train_split, &dev.samples, EncoderSource::Tiny)?;
    println!("labels: {}", input.labels().names().join(" "));
    let mut config = Config::default();
    (config.model.hidden_dim, config.model.latent_dim) = (16, 4);
    config.training.epochs = Some(30);
    (config.training.encoder_lr, config.training.head_lr) = (1e-3, 2e-3);
    let summary = train(&input, &config, folder.join("run"))?;
    let f1 = summary.best.ok_or("dev was evaluated")?.overall.f1();
    assert!(f1 > 95.0, "dev F1 {f1}");

    let predictor = Predictor::load(folder.join("run"))?;
    for entity in predictor.predict_text("Cleo lands in New Oslo")?.entities {
        println!("{} {} ({}..{})", entity.label, entity.text, entity.start, entity.end);
    }
    // The folder was only made for this example.
    std::fs::remove_dir_all(&folder)?;
    Ok(())
}
