//! From a corpus to a run folder to entities: train, evaluate, load, predict.
//!
//! Makes a small synthetic corpus with image vectors, trains a tiny encoder on 150 labelled posts
//! and the rest without labels, and runs the model from its folder. Needs nothing; prints dev
//! scores, test scores and one post with what was found in it. About ten seconds, longer in a debug
//! build on a busy machine:
//!
//! ```text
//! cargo run --example train_and_predict
//! ```

use smvae::data::synthetic::{SyntheticConfig, generate};
use smvae::{Config, EncoderSource, Event, Flow, ImageTrust, Post, Predictor, ScoredEntity, TrainInput};
use smvae::{evaluate, train_with};

fn main() -> smvae::Result<()> {
    let corpus = generate(&SyntheticConfig { n_train: 300, n_dev: 40, n_test: 100, ..SyntheticConfig::default() })?;

    let mut config = Config::default();
    (config.labelled, config.seed) = (Some(150), 1);
    (config.model.hidden_dim, config.model.latent_dim) = (32, 8);
    config.training.epochs = Some(30);
    config.training.eval_every = 5;
    config.training.batch_size = 8;
    config.training.semi = true;
    (config.training.encoder_lr, config.training.head_lr) = (1e-3, 2e-3);

    let input = TrainInput::from_samples(&corpus.train, &corpus.dev, EncoderSource::Tiny)?.with_images(&corpus.images);
    let out = std::env::temp_dir().join(format!("smvae-example-{}", std::process::id()));
    let summary = train_with(&input, &config, &out, &mut |event| {
        if let Event::Epoch(record) = event
            && let Some(dev) = &record.dev
        {
            println!("epoch {:2}: loss {:.3}, dev F1 {:.2}", record.epoch, record.train.loss, dev.overall.f1());
        }
        Flow::Continue
    })?;

    // The folder is all a predictor needs; image vectors are checked against those of the training.
    let predictor = Predictor::load(&summary.folder)?.with_images(corpus.images.clone(), ImageTrust::Recorded)?;
    let evaluation = evaluate(&predictor, &corpus.test)?;
    println!("\n{}", evaluation.scores);

    let i = evaluation.predictions.iter().position(|found| found.len() > 1).unwrap_or(0);
    let post = Post::from(&corpus.test[i]);
    let found = predictor.predict_one(&post)?.entities;
    println!("{}", post.text());
    for entity in &found {
        println!("  {} {} ({:.2})", entity.label, entity.text, entity.score);
    }

    // Probabilities differ in their last digits, since another batch is added up in another order.
    let what = |found: &[ScoredEntity]| found.iter().map(|e| (e.words.clone(), e.label.clone())).collect::<Vec<_>>();
    assert_eq!(what(&found), what(&evaluation.predictions[i]), "a post is what its sample is");
    assert_eq!(summary.epochs, 30);
    // The folder was only made for this example.
    let _ = std::fs::remove_dir_all(&out);
    Ok(())
}
