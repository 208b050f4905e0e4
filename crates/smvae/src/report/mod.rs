//! A report of runs: what a run folder, a folder of runs or an experiment shows, gathered, and written as one HTML file.
//!
//! ```text
//! run folders ──run──> RunReport (settings, curves) ──split──> SplitReport (types, confusion, calibration, tweets)
//! results.jsonl, or the runs themselves ──labels──> F1 against the number of labels
//! Report ──page (and images)──> HTML
//! ```
//! What it does not do: it computes nothing with a model, and never opens a corpus. What was found in dev is in
//! `predictions-valid.jsonl` of the run, which training writes.

pub(crate) mod gather;
pub(crate) mod images;
pub(crate) mod labels;
pub(crate) mod page;
pub(crate) mod run;
pub(crate) mod split;

pub use gather::{Report, gather};
pub use images::{ImageBudget, Thumbnails};
pub use labels::LabelsPoint;
pub use page::{html, image_ids};
pub use run::{Curve, RunReport, Setting};
pub use split::{Calibration, OutcomeRow, SplitReport, TypeRow};
