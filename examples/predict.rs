//! Entities of posts, one post per line of stdin, with a model from its run folder.
//!
//! ```text
//! cargo run --example predict -- runs/mine < posts.txt
//! ```
//!
//! Without a run folder it trains a tiny model on the synthetic corpus first and reads three posts
//! of its own, which takes some seconds. Prints each post as `smvae predict` does: one JSON line.

use smvae::data::formats::Fields;
use smvae::data::synthetic::{SyntheticConfig, generate};
use smvae::{Config, EncoderSource, Post, Predictor, Result, TrainInput, json, train};
use std::io::BufRead as _;
use std::path::{Path, PathBuf};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let asked = std::env::args_os().nth(1).map(PathBuf::from);
    let folder =
        asked.clone().unwrap_or_else(|| std::env::temp_dir().join(format!("smvae-predict-{}", std::process::id())));
    let texts: Vec<String> = if asked.is_some() {
        std::io::stdin().lock().lines().collect::<std::io::Result<_>>()?
    } else {
        train_tiny(&folder)?;
        ["flying to samun, finally!", "nothing to see here", "so lovely about tenedul."].map(str::to_owned).to_vec()
    };

    let predictor = Predictor::load(&folder)?;
    println!("labels: {}", predictor.labels().types().join(" "));
    // The words of a text are those that the model's own corpus would have.
    let posts: Vec<Post> = texts.iter().map(|text| predictor.post(text.as_str())).collect();
    for (post, found) in posts.iter().zip(predictor.predict(&posts)?) {
        for entity in &found.entities {
            let chars = post.text().chars().skip(entity.start).take(entity.end - entity.start);
            assert_eq!(chars.collect::<String>(), entity.text, "positions count characters of the text");
        }
        println!("{}", json::answer(&Fields::default(), post, found));
    }
    if asked.is_none() {
        // The folder was only made for this example.
        let _ = std::fs::remove_dir_all(&folder);
    }
    Ok(())
}

fn train_tiny(folder: &Path) -> Result<()> {
    let corpus = generate(&SyntheticConfig::default())?;
    let mut config = Config::default();
    (config.model.hidden_dim, config.model.latent_dim) = (16, 4);
    (config.training.epochs, config.training.eval_every) = (Some(20), 20);
    (config.training.encoder_lr, config.training.head_lr) = (1e-3, 2e-3);
    train(&TrainInput::from_samples(&corpus.train, &corpus.dev, EncoderSource::Tiny)?, &config, folder)?;
    Ok(())
}
