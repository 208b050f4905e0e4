//! Options of `train` about what is minimised: the terms of the loss, and how unlabelled posts are
//! used.

use super::set::set;
use crate::failure::Usage;
use crate::options::by_name;
use clap::Args;
use clap::builder::BoolishValueParser;
use smvae::Distillation;
use smvae::config::{AverageConfig, Config, TrainingConfig};
use smvae::core::objective::{ImageReconstruction, UnlabelledClass};

/// The terms of the loss.
#[derive(Debug, Args)]
pub(crate) struct ObjectiveArgs {
    /// Weight of the cross entropy in semi-supervised training is exp(1 - gamma).
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    gamma: Option<f64>,
    /// Weight of the VAE terms of unlabelled posts.
    #[arg(long, value_name = "X")]
    lambda: Option<f64>,
    /// Whether the VAE terms are part of the loss.
    #[arg(long, value_name = "0|1", value_parser = BoolishValueParser::new(), hide_possible_values = true)]
    vae: Option<bool>,
    /// Weight of the KL terms; the reconstructions have their own.
    #[arg(long, value_name = "X")]
    kl_weight: Option<f64>,
    /// Share of the steps over which the weight of the KL terms rises from 0.
    #[arg(long, value_name = "X")]
    kl_warmup: Option<f64>,
    /// Nats below which a KL term is not reduced further (free bits).
    #[arg(long, value_name = "X")]
    free_bits: Option<f64>,
    /// Weight of the reconstructions.
    #[arg(long, value_name = "X")]
    reconstruction_weight: Option<f64>,
    /// What brings the image decoder's output near the image.
    ///
    /// mse: the squared error, mean over the dimensions of the vector (the paper). gaussian: the
    /// negative log-likelihood in nats, summed over the dimensions, with one learned variance.
    /// contrastive: telling the post's image from the others of its batch.
    #[arg(long, value_name = "mse|gaussian|contrastive", value_parser = by_name::<ImageReconstruction>)]
    image_reconstruction: Option<ImageReconstruction>,
    /// What stands for the unknown class of an unlabelled span in the VAE terms.
    ///
    /// mask: the model's probabilities, where the most probable class is not O (the paper).
    /// marginal: every class, weighted by its probability, on all spans. marginal-frequencies: the
    /// same, with the frequencies of the classes among labelled spans as the prior instead of a
    /// uniform one.
    #[arg(
        long,
        value_name = "mask|marginal|marginal-frequencies",
        value_parser = by_name::<UnlabelledClass>
    )]
    unlabelled_class: Option<UnlabelledClass>,
    /// Train this many teachers on the labelled posts first, and learn from the soft labels they
    /// give to the unlabelled posts (with --semi).
    ///
    /// A teacher has this run's learning rates, and the batches, epochs and evaluations of --config
    /// or of the preset. Teachers that --config describes keep their settings.
    #[arg(long, value_name = "N")]
    teachers: Option<usize>,
    /// Generations of students, with --teachers: the student of one generation joins the teachers
    /// of the next.
    #[arg(long, value_name = "N")]
    generations: Option<usize>,
    /// After this share of the steps, learn from the soft labels that the average of the weights
    /// gives to unlabelled posts (with --semi).
    #[arg(long, visible_alias = "mean-teacher", value_name = "X")]
    average_teach_from: Option<f64>,
    /// Weight of the cross entropy against the soft labels that teachers give.
    #[arg(long, alias = "distillation", value_name = "X")]
    soft_label_weight: Option<f64>,
    /// Weight of the disagreement between two passes over the labelled posts with different dropout
    /// (R-Drop).
    #[arg(long, value_name = "X")]
    r_drop: Option<f64>,
    /// Probability that the label of an entity shares with the spans whose border is off by a word.
    #[arg(long, value_name = "X")]
    boundary_smoothing: Option<f64>,
}

impl ObjectiveArgs {
    /// Sets what was asked for; `base` has the settings of training before options changed them,
    /// from which teachers take batches, epochs and evaluations.
    ///
    /// # Errors
    /// If generations are asked for without teachers.
    pub(crate) fn apply(&self, config: &mut Config, base: &TrainingConfig) -> Result<(), Usage> {
        let objective = &mut config.objective;
        set(&mut objective.gamma, self.gamma);
        set(&mut objective.lambda, self.lambda);
        set(&mut objective.vae, self.vae);
        set(&mut objective.kl_weight, self.kl_weight);
        set(&mut objective.kl_warmup, self.kl_warmup);
        set(&mut objective.free_bits, self.free_bits);
        set(&mut objective.reconstruction_weight, self.reconstruction_weight);
        set(&mut objective.image_reconstruction, self.image_reconstruction);
        set(&mut objective.unlabelled, self.unlabelled_class);
        set(&mut objective.soft_label_weight, self.soft_label_weight);
        set(&mut objective.r_drop, self.r_drop);
        set(&mut objective.boundary_smoothing, self.boundary_smoothing);
        if let Some(share) = self.average_teach_from {
            config.average.get_or_insert_with(AverageConfig::default).teach_from = Some(share);
        }
        match (self.teachers, &mut config.distillation) {
            (Some(0), distillation) => *distillation = None,
            (Some(n), Some(distillation)) => distillation.teachers = n,
            (Some(n), distillation) => {
                let mut training = config.training.clone();
                (training.semi, training.batch_size) = (false, base.batch_size);
                (training.epochs, training.max_steps) = (base.epochs, base.max_steps);
                training.eval_every = base.eval_every;
                let mut new = Distillation::default();
                (new.teachers, new.training) = (n, training);
                *distillation = Some(new);
            }
            (None, _) => {}
        }
        match (self.generations, &mut config.distillation) {
            (Some(_), None) => return Err(Usage("--generations needs --teachers N".to_owned())),
            (Some(n), Some(distillation)) => distillation.generations = n,
            (None, _) => {}
        }
        Ok(())
    }
}
