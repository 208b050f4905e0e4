//! The one test binary of the workspace: tests of the whole library, which cross crates, and tests
//! that need the golden files. Try not to add a module where one of these fits.

// Captions as context of posts.
mod captions;
// Weights of the authors' program as a run folder.
mod converted;
// Run folders that are not what training left.
mod damage;
// The device that `SMVAE_DEVICE` names.
mod device;
// Decoding and scores against the authors' program and conlleval.
mod eval_golden;
// Posts through other programs, and back.
mod exchange;
// Committed results and the files that describe experiments.
mod experiments;
// Each family of text encoders against transformers.
mod families_golden;
// Folders of images to files of vectors.
mod features;
// Teachers, averages, options for few labels, the protocol of the authors.
mod few_labels;
// Figures of the documents against the results.
mod figures;
// No tests: the small corpus and runs that tests share.
mod fixture;
// What the fuzz targets keep, through the same functions.
mod fuzzed;
// No tests: where golden files are, and how a test says that it is skipped.
mod golden;
// Every variable has the gradient of finite differences, and nothing else has one.
mod gradients;
// ResNet-152 as Keras has it.
mod keras;
// Posts over the piece limit, and what is told of spans.
mod long_posts;
// Options that may keep the image expert from collapsing.
mod image_options;
// A pretrained encoder against transformers.
mod minilm_golden;
// Losses, gradients and optimizer steps of the authors' program.
mod parity_golden;
// Kinds of picture files, whole and damaged, against Pillow.
mod pictures_golden;
// A trained model at work: what it answers, what it accepts, and that no post harms another.
mod predict;
// What a report says, and that no text in it becomes markup.
mod report;
// Runs that were killed come to the same bits.
mod resume;
// Run folders: what training leaves, and what is refused.
mod runs;
// A stream of posts: order, bounds, bits, and how it ends.
mod stream;
// Text against the corpus's words, with a trained run.
mod text;
// Run folders that somebody else made.
mod strangers;
// Rules of the house that no compiler checks.
mod tidy;
// Several models as one.
mod together;
// Word pieces against transformers.
mod tokenizer_golden;
// Pixels and vision models against Pillow, torchvision, timm and transformers.
mod vision_golden;
