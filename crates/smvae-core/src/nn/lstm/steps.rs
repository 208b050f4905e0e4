//! The order in which the rows of packed texts are computed: texts by falling length, and for each
//! step the rows of all texts that still run.

use std::ops::Range;

/// The order rows are computed in.
pub(super) struct Steps {
    /// Row of each position in step order, for the forward and the reverse direction.
    pub(super) rows: [Vec<usize>; 2],
    /// First position of each step, and the number of positions at the end.
    pub(super) starts: Vec<usize>,
}

impl Steps {
    pub(super) fn new(ranges: &[Range<usize>]) -> Self {
        let mut sorted: Vec<&Range<usize>> = ranges.iter().filter(|r| !r.is_empty()).collect();
        sorted.sort_by_key(|r| std::cmp::Reverse(r.len()));
        let longest = sorted.first().map_or(0, |r| r.len());
        let (mut rows, mut starts) = ([Vec::new(), Vec::new()], vec![0]);
        for step in 0..longest {
            for range in sorted.iter().take_while(|r| r.len() > step) {
                rows[0].push(range.start + step);
                rows[1].push(range.end - 1 - step);
            }
            starts.push(rows[0].len());
        }
        Self { rows, starts }
    }

    /// The position of each of `n` rows in both directions, if it is in a text.
    pub(super) fn positions(&self, n: usize) -> Vec<[Option<usize>; 2]> {
        let mut positions = vec![[None; 2]; n];
        for (direction, rows) in self.rows.iter().enumerate() {
            rows.iter().enumerate().for_each(|(at, row)| positions[*row][direction] = Some(at));
        }
        positions
    }

    pub(super) fn n_steps(&self) -> usize {
        self.starts.len() - 1
    }

    pub(super) fn n_positions(&self) -> usize {
        self.starts[self.n_steps()]
    }

    /// Positions of a step.
    pub(super) fn step(&self, step: usize) -> Range<usize> {
        self.starts[step]..self.starts[step + 1]
    }

    /// Positions of the step before, cut to the texts that still run.
    pub(super) fn previous(&self, step: usize) -> Range<usize> {
        let before = self.starts[step - 1];
        before..before + self.step(step).len()
    }
}
