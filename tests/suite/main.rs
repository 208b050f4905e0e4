//! The one test binary of the workspace's facade: what crosses crates, and what needs the golden files.

mod converted;
mod device;
mod eval_golden;
mod experiments;
mod families_golden;
mod features;
mod few_labels;
mod figures;
mod fixture;
mod golden;
mod gradients;
mod keras;
mod minilm_golden;
mod parity_golden;
mod report;
mod resume;
mod runs;
mod tidy;
mod tokenizer_golden;
mod vision_golden;
