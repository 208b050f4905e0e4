//! Tests of the options of `train`: what they make of a configuration, and what makes no sense.

use super::*;
use crate::cli::{Cli, Command, with_implied_command};
use clap::Parser as _;
use smvae::Distillation;
use smvae::config::{AverageConfig, Freeze, ImageUse, TrainingConfig};
use smvae::core::model::Fusion;
use smvae::core::objective::UnlabelledClass;
use smvae::core::schedule::Schedule;

fn resolve(line: &str) -> anyhow::Result<Config> {
    let cli = Cli::try_parse_from(with_implied_command(line.split_whitespace().map(Into::into)))?;
    let Command::Train(args) = cli.command else { panic!("not train: {line}") };
    args.resolve()
}

#[track_caller]
fn check(options: &str, change: impl FnOnce(&mut Config)) {
    let mut want = Config::default();
    change(&mut want);
    let got = resolve(&format!("smvae train --data d --text-encoder e --out o {options}"));
    assert_eq!(got.expect(options), want, "{options}");
}

#[test]
fn numbers_that_make_no_sense_are_said() {
    let check = |options: &str, want: &str| {
        let error = resolve(&format!("smvae train --data d --text-encoder e --out o {options}")).expect_err(options);
        assert!(error.to_string().contains(want), "{error}");
    };
    check("--labelled -5", "not a whole number of posts");
    check("--labelled 1e2", "not a whole number of posts");
    check("--lr -1", "`training.encoder_lr` must be a finite number");
}

fn two_teachers(training: &TrainingConfig) -> Distillation {
    let mut distillation = Distillation::default();
    (distillation.teachers, distillation.training) = (2, training.clone());
    distillation
}

#[test]
fn options_win_over_defaults() {
    check("", |_| {});
    check("--seed 3 --epochs 7", |c| (c.seed, c.training.epochs) = (3, Some(7)));
    check("--negatives 2", |c| c.training.negatives = Some(2.0));
    check("--negatives all", |_| {});
    check("--lr 1e-4 --head-lr 2e-4", |c| (c.training.encoder_lr, c.training.head_lr) = (1e-4, 2e-4));
    check("--labelled 100 --semi", |c| (c.labelled, c.training.semi) = (Some(100), true));
    check("--semi 0 --vae 0", |c| c.objective.vae = false);
    check("--labelled runs/a/selection.json", |_| {});
    check("--schedule constant", |c| c.training.schedule = Schedule::Constant);
    check("--freeze 2 --layer-decay 0.9", |c| {
        (c.training.freeze, c.training.layer_decay) = (Freeze::Lowest(2), 0.9);
    });
    check("--tune-decision 1 --average 0.9", |c| {
        c.training.tune_decision = true;
        c.average.get_or_insert_with(AverageConfig::default).decay = 0.9;
    });
    check("--span-widths 1 --r-drop 2", |c| (c.model.span_widths, c.objective.r_drop) = (true, 2.0));
    check("--biaffine-dim 150 --boundary-smoothing 0.1", |c| {
        (c.model.biaffine_dim, c.objective.boundary_smoothing) = (Some(150), 0.1);
    });
    check("--word-shapes 1 --fusion product-with-prior --image shuffled", |c| {
        (c.model.word_shapes, c.model.fusion) = (true, Fusion::ProductWithPrior);
        c.input.image = ImageUse::Shuffled;
    });
    check("--semi --teachers 2 --lr 1e-4 --batch 4 --epochs 3", |c| {
        c.training.encoder_lr = 1e-4;
        c.distillation = Some(two_teachers(&c.training));
        (c.training.semi, c.training.batch_size, c.training.epochs) = (true, 4, Some(3));
    });
    check("--semi --teachers 2 --dropout 0.2", |c| {
        c.training.dropout = Some(0.2);
        c.distillation = Some(two_teachers(&c.training));
        c.training.semi = true;
    });
    check("--semi --teachers 2 --generations 3", |c| {
        let mut distillation = two_teachers(&c.training);
        distillation.generations = 3;
        c.distillation = Some(distillation);
        c.training.semi = true;
    });
    check("--free-bits 0.5 --unlabelled-class marginal", |c| {
        c.objective.free_bits = 0.5;
        c.objective.unlabelled = UnlabelledClass::Marginal;
    });
    check("--unlabelled-class marginal-frequencies", |c| {
        c.objective.unlabelled = UnlabelledClass::MarginalFrequencies;
    });
    check("--checkpoint-every 5", |c| c.training.checkpoint_every = Some(5));
    check("--freeze all --allow-missing-weights", |c| {
        (c.training.freeze, c.allow_missing_weights) = (Freeze::All, true);
    });
}

#[test]
fn the_authors_command_is_their_preset() {
    let line = "smvae --dataset twitter2017 --preset twitter2017 --seed 6 --lr 1e-5 --epoch 100 --gamma 0.03 \
                --patience 20 --save_model 1 --latent_dim 100 --semi_supervised 1 --n_selected_samples 100 \
                --batch_size 8 --hidden_dim 768 --weights w --mode train";
    assert_eq!(resolve(line).expect("their command"), Config::preset("twitter2017").expect("a preset"));
    let all = resolve("smvae train --data d --out o --preset twitter2017 --n_selected_samples -1");
    assert_eq!(all.expect("minus one is no flag").labelled, None);
}

#[test]
fn what_makes_no_sense_is_refused() {
    let check = |options: &str| {
        assert!(resolve(&format!("smvae train --data d --out o {options}")).is_err(), "{options}");
    };
    check("--batch 0");
    check("--lr x");
    check("--preset twitter2016");
    check("--preset default --config c.json");
    check("--dataset twitter2017");
    check("--save_model 0");
    check("--semi maybe");
    check("--freeze most");
    check("--layer-decay 2");
    check("--resume run");
    check("--checkpoint-every 0");
    for alone in ["--resume run --seed 1", "--resume run --lr 1", "--resume run --mode test", "--epochs 3"] {
        assert!(resolve(&format!("smvae train {alone}")).is_err(), "{alone}");
    }
    assert!(resolve("smvae train --resume run").is_ok());
}

/// Options that may stand beside `--resume`, or are refused there in another way.
const WITH_RESUME: [&str; 7] = ["captions", "data", "dataset", "image_features", "resume", "tensorboard", "unlabelled"];

#[test]
fn every_option_is_either_refused_with_resume_or_known_to_be_harmless() {
    let command = <TrainArgs as clap::Args>::augment_args(clap::Command::new("train"));
    let of_group = |id: &clap::Id| {
        let groups = command.get_groups().filter(|group| group.get_args().any(|arg| arg == id));
        groups.map(|group| group.get_id().as_str()).collect::<Vec<_>>()
    };
    for id in command.get_arguments().map(clap::Arg::get_id) {
        let refused = NOT_WITH_RESUME.contains(&id.as_str())
            || of_group(id).iter().any(|group| *group != "TrainArgs" && NOT_WITH_RESUME.contains(group));
        assert!(refused != WITH_RESUME.contains(&id.as_str()), "{id}: put it into NOT_WITH_RESUME, or here");
    }
}

#[test]
fn names_are_those_of_config_json() {
    check("--soft-label-weight 2", |c| c.objective.soft_label_weight = 2.0);
    // Its name before.
    check("--distillation 2", |c| c.objective.soft_label_weight = 2.0);
    check("--fusion mean --image zero", |c| (c.model.fusion, c.input.image) = (Fusion::Mean, ImageUse::Zero));
    let error = resolve("smvae train --data d --text-encoder e --out o --schedule cosine").expect_err("no such name");
    assert!(error.to_string().contains("`linear` or `constant`"), "{error}");
}
