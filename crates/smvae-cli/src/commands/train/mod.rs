//! `smvae train`: reads the corpus, trains, and shows progress. With `--mode test` it scores a run
//! on dev and test, as the same flag of the authors' program does.

mod args;
mod checks;
mod ending;
mod model_args;
mod objective_args;
pub(crate) mod resume;
mod set;
mod settings;
mod training_args;

pub(crate) use args::TrainArgs;
pub(crate) use settings::with_defaults;

use crate::captions;
use crate::corpus::{format_for_run, load_splits};
use crate::interrupt;
use crate::model;
use crate::options::{CaptionArgs, ImageArgs};
use crate::progress::say;
use crate::vectors::vectors_of;
use crate::watcher::Watcher;
use args::Mode;
use ending::tell_end;
use smvae::core::nn::{Form, Unit};
use smvae::data::corpus::unknown_types;
use smvae::data::{ImageVectors, Split};
use smvae::encoders::device;
use smvae::{LoadOptions, TrainInput};

pub(crate) fn run(args: &TrainArgs) -> anyhow::Result<()> {
    if args.mode == Mode::Test {
        return test(args);
    }
    if args.print_config {
        return crate::output::print_json(&args.effective()?.to_named_json()?);
    }
    if let Some(run) = &args.resume {
        return resume::run(run, args);
    }
    let folder = args.data.folder();
    checks::refuse_corpus(args.out())?;
    checks::refuse_runs(args.out())?;
    if let Some(file) = &args.unlabelled {
        checks::refuse_split(file, &folder)?;
    }
    let mut config = args.resolve()?;
    let encoder = args.text_encoder(&config)?;
    let device = args.device.open()?;
    if args.bf16 && device.is_cpu() && !Form::Bf16(Unit::best().for_bf16()).is_fast() {
        say("training in bf16, which is slower than f32 on this CPU (docs/precision.md)");
    }
    // A run that --config names may have had another corpus.
    config.corpus_format = format_for_run(&config, &folder, &args.format.format());
    config.data = Some(args.data.whole());
    // The test split is not opened.
    let [train, dev] = load_splits(&folder, [Split::Train, Split::Dev], &config.corpus_format)?;
    let captions =
        if args.no_captions { None } else { captions::of_training(args.captions.as_deref(), &folder, &config)? };
    let selection = args.manifest(&config, &train)?;
    let n_posts = train.samples.len();
    let (train, selection) = args.with_unlabelled(&mut config, train, &dev.samples, selection)?;
    let [train, dev] = captions::without_captions_if([train, dev], args.no_captions);
    let mut input = TrainInput::from_splits(&train, &dev.samples, encoder)?;
    if input.labels().n_classes() == 1 {
        say("warning: no post of the training split has an entity: the model can find nothing");
    }
    let unknown = unknown_types(input.labels(), &dev.samples)?;
    if !unknown.is_empty() {
        say(format!("warning: dev has types that train lacks and that no model can find: {}", unknown.join(" ")));
    }
    let n_labelled = selection.as_ref().map(|chosen| chosen.labelled.len()).or(config.labelled).unwrap_or(n_posts);
    checks::labels(&train.samples, &config.input)?.tell_as(&checks::labels_of(n_labelled, n_posts));
    checks::wide(&[("train", &train.samples), ("dev", &dev.samples)], &config.input)?.into_iter().for_each(say);
    checks::repeated(&train.samples, &dev.samples).into_iter().for_each(say);
    interrupt::catch()?;
    let images = match (&args.images, &args.image_features) {
        (Some(folder), _) => {
            let by_path = model::name_files(train.samples.iter().chain(&dev.samples));
            Some(vectors_of(folder, &args.vision, None, args.device, by_path)?)
        }
        (None, file) => file.as_ref().map(ImageVectors::load).transpose()?,
    };
    for note in images.iter().flat_map(|images| images.notes(&train.samples)) {
        say(format!("note: {note}"));
    }
    input = input.with_selection(selection.as_ref()).with_images(images.as_ref()).on(device);
    input = input.with_captions(captions.as_ref());
    input = input.with_words(args.words.clone()).replacing_run(args.overwrite).with_tensorboard(args.tensorboard);
    // Only now: images and their features have been computed in what they are always computed in.
    device::allow_bf16(args.bf16);
    let mut watcher = Watcher::new(String::new());
    let summary = smvae::train_with(&input, &config, args.out(), &mut |event| watcher.watch(event))?;
    drop(watcher);
    tell_end(&summary, Some(&folder));
    interrupt::end(summary.stopped)
}

/// Dev and test of a run folder, with the images it was trained with.
fn test(args: &TrainArgs) -> anyhow::Result<()> {
    let images = ImageArgs {
        image_features: args.image_features.clone(),
        images: args.images.clone(),
        vision: args.vision.clone(),
        trust_images: false,
        // Vectors that are no longer there are an error, not a lower score.
        no_images: false,
    };
    let captions =
        CaptionArgs { captions: args.captions.clone(), trust_captions: false, no_captions: args.no_captions };
    let predictor = model::load(args.out(), args.device, LoadOptions::default())?;
    let format = format_for_run(predictor.config(), &args.data.folder(), &args.format.format());
    let splits = [Split::Dev, Split::Test];
    let loaded = load_splits(&args.data.folder(), splits, &format)?;
    let by_path = model::name_files(loaded.iter().flat_map(|split| &split.samples));
    let predictor = model::with_images(predictor, &images, args.device, by_path)?;
    let predictor = captions::with_captions(predictor, &captions, true)?;
    for (split, loaded) in splits.into_iter().zip(loaded) {
        let evaluation = model::score(&predictor, &loaded.samples, predictor.config().input.convention)?;
        crate::output::print(&format!("{split}\n{}\n", evaluation.scores))?;
    }
    Ok(())
}
