//! The one test binary of the workspace's facade: what crosses crates, and what needs the golden files.

mod eval_golden;
mod golden;
mod keras;
mod parity_golden;
mod tokenizer_golden;
