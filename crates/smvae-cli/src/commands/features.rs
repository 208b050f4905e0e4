//! `smvae features`: vectors of a folder of images.

use crate::inputs::Inputs;
use crate::interrupt;
use crate::options::{DeviceArgs, NumberType, by_name, set_reading};
use crate::output::{self, print_json};
use crate::progress::say;
use crate::vectors::{open, tell, with_progress};
use clap::Args;
use smvae::data::VectorPrecision;
use smvae::encoders::vision::{self, DecodeLimits, Preprocessing, Transparency};
use smvae::features::{FeatureSettings, Ids, VisionSource, extract, extract_table};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct FeaturesArgs {
    /// The folder of images; folders inside it are skipped, unless --recursive or --by-path takes
    /// them in.
    #[arg(long, value_name = "DIR")]
    images: PathBuf,
    /// Take the images that this table names, and their ids from it: CSV with the columns id and
    /// path, or JSON lines (.jsonl) with these fields; paths begin in the folder.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["by_path", "recursive"])]
    table: Option<PathBuf>,
    /// A frozen vision model: a folder with a ResNet, ViT or CLIP of transformers or timm, a model
    /// of the Hugging Face hub such as microsoft/resnet-50, or a weights file of torchvision.
    #[arg(long, value_name = "MODEL")]
    vision: String,
    /// The file to write: safetensors, one tensor per image id.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Replace the file if it is there already. What it has of images that did not change, by the
    /// same model and settings, is not computed again.
    #[arg(long)]
    overwrite: bool,
    /// Preprocess images as this preset says, instead of as the model's files say.
    #[arg(long, value_name = "NAME", value_parser = vision::PRESETS)]
    preprocessing: Option<String>,
    /// Number type of the file.
    #[arg(long, value_name = "f32|f16", default_value = "f32", value_parser = by_name::<VectorPrecision>)]
    precision: VectorPrecision,
    /// Images that go through the network at once.
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u32).range(1..=1024))]
    batch: u32,
    /// The most pixels an image may have; larger ones are left out before they are decoded.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().pixels)]
    max_pixels: u64,
    /// The most bytes a file may have.
    #[arg(long, value_name = "N", default_value_t = DecodeLimits::default().bytes)]
    max_bytes: u64,
    /// Also read files whose extension does not match their content.
    #[arg(long)]
    any_extension: bool,
    /// Take images of folders inside the folder too; the id of an image is its name without the
    /// extension.
    #[arg(long)]
    recursive: bool,
    /// Take images of folders inside the folder too; the id of an image is then its path in the
    /// folder, with its extension, as posts may name it.
    #[arg(long, conflicts_with = "recursive")]
    by_path: bool,
    /// Read files that end too early as far as they go, instead of leaving them out.
    #[arg(long)]
    allow_truncated: bool,
    /// What becomes of transparent pixels: dropped keeps the colour below, white puts white behind;
    /// by default as the model's library does, white for CLIP.
    #[arg(long, value_name = "dropped|white", value_parser = by_name::<Transparency>)]
    transparency: Option<Transparency>,
    /// Print the counts and the files that were left out as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgs,
    /// Number type the network computes in; f16 and bf16, on a GPU, are faster.
    #[arg(long, value_enum, value_name = "TYPE", default_value_t = NumberType::F32)]
    dtype: NumberType,
}

pub(crate) fn run(args: &FeaturesArgs) -> anyhow::Result<()> {
    let preprocessing = args.preprocessing.as_deref().map(Preprocessing::preset).transpose()?;
    output::guard(&args.out)?;
    let inputs = Inputs::default()
        .pictures(Some(&args.images))
        .file("--table", args.table.as_deref())
        .model("--vision", Some(&args.vision));
    output::apart([("--out", Some(args.out.as_path()))], &inputs)?;
    interrupt::catch()?;
    let mut source = VisionSource::named(args.vision.as_str());
    source.preprocessing = preprocessing;
    let mut model = open(&source, args.device, args.dtype)?;
    set_reading(&mut model, args.allow_truncated, args.transparency);
    let mut settings = FeatureSettings::default();
    (settings.batch, settings.precision) = (args.batch as usize, args.precision);
    (settings.limits.bytes, settings.limits.pixels) = (args.max_bytes, args.max_pixels);
    (settings.any_extension, settings.overwrite) = (args.any_extension, args.overwrite);
    settings.ids = match (args.by_path, args.recursive) {
        (true, _) => Ids::Paths,
        (_, true) => Ids::NamesBelow,
        _ => Ids::Names,
    };
    let summary = with_progress(|on_progress| match &args.table {
        Some(table) => extract_table(table, &args.images, &model, &args.out, &settings, on_progress),
        None => extract(&args.images, &model, &args.out, &settings, on_progress),
    })?;
    if args.json {
        print_json(&summary)?;
    }
    tell(&summary, args.json);
    if summary.stopped {
        say("stopped: run the same command again to continue");
    } else {
        say(format!("next: smvae train --image-features {} ...", args.out.display()));
    }
    interrupt::end(summary.stopped)
}
