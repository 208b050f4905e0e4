//! Experiments: a grid of training runs described by one TOML file, its results, and what they say.
//!
//! ```text
//! FILE.toml --plan--> runs with stable names --run (one process each)--> DIR/runs/<id>/result.json
//!                                            --results, statistics-----> DIR/results.csv, results.jsonl, summary.*
//! ```
//! What this module does not do: start processes, or draw a table; the program does that
//! (`smvae experiment`).

mod choice;
mod choose;
pub mod digests;
mod material;
pub mod plan;
pub mod results;
pub mod run;
pub mod spec;
pub mod statistics;

pub use digests::{Digests, KnownDigests};
pub use plan::Plan;
pub use results::{Failure, LabellingCost, RunResult};
pub use spec::{Choice, LabelCount, Run, RunSpec, Sources};
pub use statistics::{Difference, Statistic, Summary, SummaryRow};
