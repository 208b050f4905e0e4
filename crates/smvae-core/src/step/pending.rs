//! Reports that may still be on their device. On the CPU the numbers of a step are read when it is
//! taken. Elsewhere a read waits for the device, so that they stay there until somebody wants
//! them; those of several steps are read in one copy.

use super::loss::StepLoss;
use super::report::{EXPLODED, StepReport};
use crate::nn::dispatch::has_kernels;
use crate::objective::{Counted, Scored, entity_mask, means};
use crate::optim::{Norm, expect_finite};
use crate::vae::ElboTerms;
use crate::{Error, Result};
use candle_core::{DType, Tensor};

/// The report of a step, which [`PendingReport::read`] and [`read_reports`] read.
#[derive(Clone, Debug)]
#[must_use = "it may say that the step was not taken"]
pub struct PendingReport {
    step: u64,
    numbers: Numbers,
}

#[derive(Clone, Debug)]
enum Numbers {
    Read(StepReport),
    Unread(Unread),
}

impl PendingReport {
    pub(super) fn of_read(report: StepReport, step: u64) -> Self {
        Self { step, numbers: Numbers::Read(report) }
    }

    pub(super) fn of_unread(mut unread: Unread, norm: Norm, step: u64) -> Result<Self> {
        let norm = match norm {
            Norm::Unread(norm) => norm,
            Norm::Read(norm) => Tensor::full(norm, (), unread.values.device())?,
        };
        unread.values = Tensor::cat(&[&unread.values, &norm.reshape(1)?], 0)?;
        unread.places.push(GRAD_NORM);
        Ok(Self { step, numbers: Numbers::Unread(unread) })
    }

    /// Which step of the optimizer this was, from 1.
    pub fn step(&self) -> u64 {
        self.step
    }

    /// Whether it has been read, as on the CPU, so that [`PendingReport::read`] waits for nothing.
    pub fn is_read(&self) -> bool {
        matches!(self.numbers, Numbers::Read(_))
    }

    /// The report.
    ///
    /// # Errors
    /// [`Error::NotFinite`] if a term [diverged](StepReport::diverged) or the norm of the gradients
    /// is not finite: then the step has changed neither parameters nor moments. Those of the copy.
    pub fn read(self) -> Result<StepReport> {
        let mut reports = read_reports(&[self])?;
        Ok(reports.pop().expect("as many as were given"))
    }
}

/// The reports of these steps, which are all on one device, in one copy.
///
/// # Errors
/// As [`PendingReport::read`], for the first step of which it is true. Later ones may have been
/// taken.
pub fn read_reports<'a>(pending: impl IntoIterator<Item = &'a PendingReport>) -> Result<Vec<StepReport>> {
    let pending: Vec<&PendingReport> = pending.into_iter().collect();
    let values = pending.iter().filter_map(|pending| match &pending.numbers {
        Numbers::Read(_) => None,
        Numbers::Unread(unread) => Some(&unread.values),
    });
    let values: Vec<&Tensor> = values.collect();
    let values = if values.is_empty() { Vec::new() } else { Tensor::cat(&values, 0)?.to_vec1::<f64>()? };
    let mut values = values.into_iter();
    let read = |pending: &PendingReport| {
        let report = match &pending.numbers {
            Numbers::Read(report) => *report,
            Numbers::Unread(unread) => report_of(&unread.places, values.by_ref()),
        };
        expect_converging(&report, pending.step)?;
        expect_finite(report.grad_norm, pending.step)?;
        Ok(report)
    };
    pending.into_iter().map(read).collect()
}

/// Checks that no term has [diverged](StepReport::diverged).
pub(super) fn expect_converging(report: &StepReport, step: u64) -> Result<()> {
    match report.diverged() {
        Some((what, got)) => Err(Error::NotFinite { what, got, step }),
        None => Ok(()),
    }
}

/// Numbers of a report on a device, and their places in [`StepReport::numbers_mut`].
#[derive(Clone, Debug)]
pub(super) struct Unread {
    places: Vec<usize>,
    /// `[places]`, f64.
    values: Tensor,
}

/// Places in [`StepReport::numbers_mut`].
const LOSS: usize = 0;
const CE: usize = 1;
const MASK: usize = 2;
const SOFT_CE: usize = 3;
const DISAGREEMENT: usize = 4;
const GRAD_NORM: usize = 5;
const LABELLED: usize = 6;
const UNLABELLED: usize = 11;

fn report_of(places: &[usize], values: impl Iterator<Item = f64>) -> StepReport {
    let mut report = StepReport::default();
    let mut numbers = report.numbers_mut();
    places.iter().zip(values).for_each(|(place, value)| *numbers[*place] = value);
    report
}

impl Unread {
    /// Of the loss and its terms.
    pub(super) fn new(of: &StepLoss) -> Result<Self> {
        let mut means = Means { places: vec![LOSS], values: vec![of.loss.detach().to_dtype(DType::F64)?.reshape(1)?] };
        let mut labelled = vec![(CE, &of.ce)];
        labelled.extend(of.disagreement.iter().map(|rows| (DISAGREEMENT, rows)));
        means.add_scored(labelled, &of.labelled, LABELLED)?;
        if let Some(scored) = &of.unlabelled {
            let mask = entity_mask(&scored.scores.logits)?;
            let mut unlabelled = vec![(MASK, &mask)];
            unlabelled.extend(of.soft_ce.iter().map(|rows| (SOFT_CE, rows)));
            means.add_scored(unlabelled, scored, UNLABELLED)?;
        }
        Ok(Self { places: means.places, values: Tensor::cat(&means.values, 0)? })
    }

    /// 1 if nothing has [diverged](StepReport::diverged), else 0: a scalar of u8.
    pub(super) fn is_converging(&self) -> Result<Tensor> {
        let bound = Tensor::full(EXPLODED, self.values.shape(), self.values.device())?;
        Ok(self.values.abs()?.le(&bound)?.min(0)?)
    }

    /// The report.
    pub(super) fn read(&self) -> Result<StepReport> {
        Ok(report_of(&self.places, self.values.to_vec1()?.into_iter()))
    }
}

/// Means over rows, on their device, and their places in the report.
struct Means {
    places: Vec<usize>,
    values: Vec<Tensor>,
}

impl Means {
    /// Adds the means of `rows` and of the terms of scored rows, whose places begin at `first`.
    fn add_scored<'a>(&mut self, mut rows: Vec<(usize, &'a Tensor)>, scored: &'a Scored, first: usize) -> Result<()> {
        let terms = scored.elbo.iter().flat_map(ElboTerms::named);
        let terms = (first..).zip(terms).map(|(place, (_, term))| (place, term));
        match &scored.counted {
            Counted::All => rows.extend(terms),
            Counted::Rows(_) => self.add(&terms.collect::<Vec<_>>(), None)?,
            Counted::Mask(mask) => self.add(&terms.collect::<Vec<_>>(), Some(mask))?,
        }
        self.add(&rows, None)
    }

    /// Adds the mean of each of these, which are equally long, over the rows for which `mask` is 1;
    /// 0 if it lets no row through.
    fn add(&mut self, rows: &[(usize, &Tensor)], mask: Option<&Tensor>) -> Result<()> {
        if rows.is_empty() {
            return Ok(());
        }
        let (places, rows): (Vec<usize>, Vec<Tensor>) = rows.iter().map(|(place, row)| (*place, row.detach())).unzip();
        self.places.extend(places);
        if has_kernels(&rows[0]) {
            self.values.push(means(&rows, mask)?.to_dtype(DType::F64)?);
            return Ok(());
        }
        let rows = Tensor::stack(&rows, 0)?.to_dtype(DType::F64)?;
        self.values.push(match mask {
            None => rows.mean(1)?,
            Some(mask) => {
                let mask = mask.detach().to_dtype(DType::F64)?.unsqueeze(1)?;
                // Matters where the mask lets no row through; a count of rows it leaves as it is.
                let count = (mask.sum(0)? + f64::MIN_POSITIVE)?;
                rows.matmul(&mask)?.squeeze(1)?.broadcast_div(&count)?
            }
        });
        Ok(())
    }
}
