//! Attention by kernels: a block for each tile of queries, or of keys, of each head.
//!
//! | launches | forward | backward |
//! |---|---|---|
//! | alone | 1 | 2 |
//! | with a bias | 1 | 2, and the sums over tiles |
//! | with positions | 2 | 4 |
//!
//! A table of tiles is copied to the device once for all layers that have the layout, one of
//! positions for each call. Nothing is kept for the backward pass but these and the inputs.

use super::super::dropout::Mask;
use super::super::gradients::accumulate_tensor;
use super::super::kernels::{Arg, Backward, Grid, Kernel, Output, launch, node2, node3};
use super::super::sums::column_sums;
use super::heads::Attention;
use candle_core::{DType, Device, Result, Tensor, bail};
use std::sync::{Arc, Mutex, PoisonError};

const FORWARD: Kernel = Kernel::new("attention", "attention_forward");
const BACKWARD_QUERIES: Kernel = Kernel::new("attention", "attention_backward_queries");
const BACKWARD_KEYS: Kernel = Kernel::new("attention", "attention_backward_keys");
const COMPARE_POSITIONS: Kernel = Kernel::new("attention", "attention_compare_positions");
const BACKWARD_POSITIONS: Kernel = Kernel::new("attention", "attention_backward_positions");

/// Rows of a tile.
const TILE: usize = 32;
/// Four warps, each of which computes a quarter of a tile.
const THREADS: u32 = 128;
/// Numbers that describe a tile to kernels.
const OF_TILE: usize = 5;

/// `q`, `k`, `v` and the bias are contiguous.
pub(super) fn attention(of: Attention, [q, k, v]: [&Tensor; 3], bias: Option<&Tensor>) -> Result<Tensor> {
    let call = Call::new(of, [q, v], bias)?;
    let device = v.device();
    let (mut out, mut scores) = (Output::like(v)?, call.scores(device)?);
    let compared = call.compare_positions(q, k)?;
    let mut args = vec![Arg::Out(&mut out), Arg::Out(&mut scores)];
    args.extend(call.inputs([q, k, v], &compared));
    args.extend(call.dropout());
    launch(FORWARD, call.grid(), &mut args, device)?;
    match (bias, &call.dbias) {
        (Some(bias), Some(dbias)) => node3(out, [q, k, &with_bias(v, bias, dbias)?], call),
        _ => node3(out, [q, k, v], call),
    }
}

/// What both passes launch kernels with.
struct Call {
    of: Attention,
    /// Rows of `v`, and numbers of a row of one head.
    rows: usize,
    width: usize,
    /// Pairs of a query and a key of one text, in one head.
    pairs: usize,
    /// What the struct `Tile` of the kernels has, one tile after another.
    tiles: Tensor,
    n_tiles: usize,
    /// How many positions have queries and keys.
    n_positions: usize,
    positions: Option<Positions>,
    v: Tensor,
    bias: Option<Tensor>,
    /// Where the backward pass leaves the gradient of a bias that needs one.
    dbias: Option<Slot>,
}

/// Which position a distance has, and which distances a position.
struct Positions {
    /// `[distances]`.
    of_distances: Tensor,
    /// Distances, in the order of their positions, `[distances]`.
    distances: Tensor,
    /// Where those of each position begin and the last ones end, `[n_positions + 1]`.
    starts: Tensor,
}

impl Positions {
    fn new(of_distances: &[u32], n_positions: usize, device: &Device) -> Result<Self> {
        let n = of_distances.len();
        let mut distances: Vec<u32> = (0..n as u32).collect();
        distances.sort_by_key(|distance| of_distances[*distance as usize]);
        let start = |position| distances.partition_point(|distance| of_distances[*distance as usize] < position);
        let starts: Vec<u32> = (0..=n_positions as u32).map(|position| start(position) as u32).collect();
        // One copy to the device.
        let all = Tensor::new([of_distances, &distances, &starts].concat(), device)?;
        Ok(Self {
            of_distances: all.narrow(0, 0, n)?,
            distances: all.narrow(0, n, n)?,
            starts: all.narrow(0, 2 * n, n_positions + 1)?,
        })
    }
}

impl Call {
    fn new(of: Attention, [q, v]: [&Tensor; 2], bias: Option<&Tensor>) -> Result<Self> {
        let (rows, d) = v.dims2()?;
        let n_positions = q.dim(0)? - rows;
        let tiles = of.layout.tiles_on(v.device(), || of.tiles())?;
        let positions = of.of_distances.as_ref().map(|of| Positions::new(of, n_positions, v.device()));
        Ok(Self {
            rows,
            width: d / of.n_heads,
            pairs: of.pairs(),
            n_tiles: tiles.elem_count() / OF_TILE,
            tiles,
            n_positions,
            positions: positions.transpose()?,
            v: v.detach(),
            bias: bias.map(Tensor::detach),
            dbias: bias.filter(|bias| bias.track_op()).map(|_| Slot::default()),
            of,
        })
    }

    /// A block for each head of each tile.
    fn grid(&self) -> Grid {
        Grid::new([self.n_tiles * self.of.n_heads, 1, 1], THREADS)
    }

    /// Room for a number for each head and each pair of a query and a key.
    fn scores(&self, device: &Device) -> Result<Output> {
        Output::new(self.of.n_heads * self.pairs, device)
    }

    /// Room for a number for each row, head and position.
    fn of_positions(&self, device: &Device) -> Result<Output> {
        Output::new((self.rows, self.of.n_heads, self.n_positions), device)
    }

    /// Products of queries with the keys of positions, and of keys with their queries.
    fn compare_positions(&self, q: &Tensor, k: &Tensor) -> Result<Option<[Tensor; 2]>> {
        if self.positions.is_none() {
            return Ok(None);
        }
        let [mut of_queries, mut of_keys] = [self.of_positions(q.device())?, self.of_positions(q.device())?];
        let args = &mut [
            Arg::Out(&mut of_queries),
            Arg::Out(&mut of_keys),
            Arg::In(q),
            Arg::In(k),
            self.rows.into(),
            self.of.n_heads.into(),
            self.width.into(),
            self.n_positions.into(),
        ];
        let blocks = 2 * self.rows.div_ceil(TILE) * self.of.n_heads;
        launch(COMPARE_POSITIONS, Grid::new([blocks, 1, 1], THREADS), args, q.device())?;
        Ok(Some([of_queries.into_tensor(), of_keys.into_tensor()]))
    }

    /// What the kernels that compute probabilities are given.
    fn inputs<'a>(&'a self, [q, k, v]: [&'a Tensor; 3], compared: &'a Option<[Tensor; 2]>) -> Vec<Arg<'a>> {
        let [of_queries, of_keys] = [0, 1].map(|i| Arg::in_or_null(compared.as_ref().map(|compared| &compared[i])));
        let of_distances = self.positions.as_ref().map(|positions| &positions.of_distances);
        let of_distances = Arg::of_or_null(of_distances, DType::U32);
        let bias = Arg::in_or_null(self.bias.as_ref());
        let mut args = vec![Arg::In(q), Arg::In(k), Arg::In(v), bias, of_queries, of_keys, of_distances];
        args.extend(self.sizes());
        args
    }

    fn sizes(&self) -> [Arg<'_>; 7] {
        [
            Arg::Of(&self.tiles, DType::U32),
            self.n_tiles.into(),
            self.of.n_heads.into(),
            self.width.into(),
            self.of.longest.into(),
            self.n_positions.into(),
            Arg::F32(self.of.scale_of(self.width) as f32),
        ]
    }

    fn dropout(&self) -> [Arg<'static>; 3] {
        // This one keeps everything as it is.
        self.of.mask.unwrap_or(Mask::new(0.0, 0)).arguments()
    }
}

/// As [`Arg::in_or_null`], for memory that is written.
fn out_or_null(x: Option<&mut Output>) -> Arg<'_> {
    x.map_or(Arg::U64(0), Arg::Out)
}

impl Backward<3> for Call {
    const NAME: &'static str = "attention";

    fn backward(&self, [q, k, of_v]: [&Tensor; 3], dout: &Tensor) -> Result<[Option<Tensor>; 3]> {
        let (device, v, heads) = (dout.device(), &self.v, self.of.n_heads);
        let [mut dq, mut dk, mut dv] = [Output::like(q)?, Output::like(k)?, Output::like(v)?];
        let [mut p, mut ds] = [self.scores(device)?, self.scores(device)?];
        let compared = self.compare_positions(q, k)?;
        let of_positions = || self.positions.is_some().then(|| self.of_positions(device)).transpose();
        let [mut dof_queries, mut dof_keys] = [of_positions()?, of_positions()?];
        let partial = |_| Output::new((self.n_tiles, heads * self.of.distances()), device);
        let mut dbias = self.dbias.as_ref().map(partial).transpose()?;

        let mut args = vec![Arg::Out(&mut dq), Arg::Out(&mut p), Arg::Out(&mut ds), out_or_null(dbias.as_mut())];
        args.extend([out_or_null(dof_queries.as_mut()), Arg::In(dout)]);
        args.extend(self.distances());
        args.extend(self.inputs([q, k, v], &compared));
        args.extend(self.dropout());
        launch(BACKWARD_QUERIES, self.grid(), &mut args, device)?;

        let [p, ds] = [p.into_tensor(), ds.into_tensor()];
        let mut args = vec![Arg::Out(&mut dk), Arg::Out(&mut dv), out_or_null(dof_keys.as_mut())];
        args.extend([Arg::In(&p), Arg::In(&ds), Arg::In(dout)]);
        args.extend(self.distances());
        args.push(Arg::In(q));
        args.extend(self.sizes());
        launch(BACKWARD_KEYS, self.grid(), &mut args, device)?;

        if let (Some(dof_queries), Some(dof_keys)) = (dof_queries, dof_keys) {
            let [dof_queries, dof_keys] = [dof_queries.into_tensor(), dof_keys.into_tensor()];
            let args = &mut [
                Arg::Out(&mut dq),
                Arg::Out(&mut dk),
                Arg::In(&dof_queries),
                Arg::In(&dof_keys),
                Arg::In(q),
                Arg::In(k),
                self.rows.into(),
                heads.into(),
                self.width.into(),
                self.n_positions.into(),
                Arg::F32(self.of.scale_of(self.width) as f32),
            ];
            let blocks = 2 * self.n_positions.div_ceil(TILE) * heads;
            launch(BACKWARD_POSITIONS, Grid::new([blocks, 1, 1], THREADS), args, device)?;
        }
        if let (Some(partial), Some(slot)) = (dbias, &self.dbias) {
            let dbias = column_sums(&partial.into_tensor())?.reshape((heads, ()))?;
            *slot.lock().unwrap_or_else(PoisonError::into_inner) = Some(dbias);
        }
        Ok([
            accumulate_tensor(q, dq.into_tensor())?,
            accumulate_tensor(k, dk.into_tensor())?,
            accumulate_tensor(of_v, dv.into_tensor())?,
        ])
    }
}

impl Call {
    /// What a kernel sums the gradients of positions by.
    fn distances(&self) -> [Arg<'_>; 3] {
        let of = |choose: fn(&Positions) -> &Tensor| Arg::of_or_null(self.positions.as_ref().map(choose), DType::U32);
        [of(|positions| &positions.distances), of(|positions| &positions.starts), self.rows.into()]
    }
}

impl Attention {
    fn pairs(&self) -> usize {
        let lengths = self.layout.lengths().iter().enumerate();
        lengths.map(|(text, m)| self.layout.rows(text).len() * m).sum()
    }

    /// The rows of all texts, cut into tiles.
    fn tiles(&self) -> Result<Vec<u32>> {
        let pairs = self.pairs();
        if pairs.max(self.layout.n_rows()) > u32::MAX as usize {
            bail!("attention: {pairs} pairs of a query and a key are more than kernels count");
        }
        let (mut tiles, mut before) = (Vec::new(), 0);
        for (text, &m) in self.layout.lengths().iter().enumerate() {
            let rows = self.layout.rows(text);
            for first in (0..rows.len()).step_by(TILE) {
                tiles.extend([rows.start, rows.len(), m, first, before].map(|x| x as u32));
            }
            before += rows.len() * m;
        }
        Ok(tiles)
    }
}

/// `v` with the bias as an input, since candle's operations take three: the gradient of the bias is
/// what attention leaves in `dbias`. Nothing reads the numbers of this tensor.
fn with_bias(v: &Tensor, bias: &Tensor, dbias: &Slot) -> Result<Tensor> {
    node2(Output::like(v)?, [v, bias], WithBias(Arc::clone(dbias)))
}

/// A gradient, between the backward passes of two operations.
type Slot = Arc<Mutex<Option<Tensor>>>;

struct WithBias(Slot);

impl Backward<2> for WithBias {
    const NAME: &'static str = "attention-bias";

    fn backward(&self, [v, bias]: [&Tensor; 2], dv: &Tensor) -> Result<[Option<Tensor>; 2]> {
        let dbias = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        let dbias = dbias.map(|dbias| accumulate_tensor(bias, dbias)).transpose()?;
        Ok([v.track_op().then(|| dv.clone()), dbias.flatten()])
    }
}
