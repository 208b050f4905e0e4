//! A report of runs: gathers what a run folder, a folder of runs or an experiment shows, and writes
//! it as one HTML file.
//!
//! ```text
//! run folders ──run──> RunReport (settings, curves) ──split──> SplitReport (types, confusion, calibration, posts)
//! results.jsonl, or the runs themselves ──scores──┬─compare, sentence──> Answer
//!                                                 └─labels──> F1 against the number of labelled posts
//! what `suggest` wrote ──suggested──> posts with the reasons
//! Report ──charts, plot──> pictures ──page (and images)──> HTML
//! ```
//! What it does not do: compute with a model, or open a corpus. What the model finds in dev is in
//! the run's `predictions-valid.jsonl`, which training writes.

pub(crate) mod answer;
pub(crate) mod charts;
pub(crate) mod compare;
pub(crate) mod date;
pub(crate) mod gather;
pub(crate) mod images;
pub(crate) mod labels;
pub(crate) mod page;
pub(crate) mod place;
pub(crate) mod plot;
pub(crate) mod run;
pub(crate) mod scores;
pub(crate) mod sentence;
pub(crate) mod split;
pub(crate) mod suggested;
pub(crate) mod titles;

pub use answer::{Answer, Comparison, Part, Verdict, text};
pub use date::utc;
pub use gather::{Report, gather, page_in};
pub use images::{ImageBudget, Thumbnails};
pub use labels::LabelsPoint;
pub use page::{html, image_ids};
pub use run::{Curve, RunReport, Setting, shell_word};
pub use split::{Calibration, OutcomeRow, SplitReport, TypeRow};
pub use suggested::{SuggestedPost, TextPart, suggestions};
