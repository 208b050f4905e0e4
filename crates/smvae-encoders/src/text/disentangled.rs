//! DeBERTa's relative positions: a vector for each range of distances, of which every layer makes a
//! query and a key (He et al. 2021, DeBERTa and DeBERTaV3).
//!
//! ```text
//! p = LayerNorm(table)             table: [2 buckets, d], the same in all layers
//! r(i, j) = bucket(i - j)          the row of p for the query i and the key j
//! ```
//! Each distance up to half of the buckets has a row of its own, in both directions. Beyond that a
//! row stands for a range of distances, and the ranges widen as the logarithm does. `smvae_core`'s
//! attention says what scores are made of them.
//!
//! What is read is what the models of DeBERTaV3 have. Every other way that transformers knows
//! (keys of positions by layers of their own, absolute positions beside, a convolution) is refused
//! by the name of its setting.

use crate::{Error, Result};
use candle_nn::{Init, VarBuilder};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use smvae_core::Mode;
use smvae_core::candle_core::{self, Tensor};
use smvae_core::nn::LayerNorm;

/// DeBERTa's relative positions, as `config.json` has them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disentangled {
    relative_attention: bool,
    position_biased_input: bool,
    share_att_key: bool,
    norm_rel_ebd: String,
    /// What scores are made of beside products of pieces.
    pos_att_type: Vec<String>,
    position_buckets: i64,
    max_relative_positions: i64,
}

/// Fills in what a DeBERTa's configuration leaves out with transformers' values, and refuses parts
/// that are not read.
///
/// # Errors
/// [`Error::Config`].
pub(super) fn complete(fields: &mut Map<String, Value>) -> Result<()> {
    let absent: [(&str, Value); 9] = [
        ("relative_attention", false.into()),
        ("position_biased_input", true.into()),
        ("share_att_key", false.into()),
        ("norm_rel_ebd", "none".into()),
        ("pos_att_type", "none".into()),
        ("position_buckets", (-1).into()),
        ("max_relative_positions", (-1).into()),
        ("type_vocab_size", 0.into()),
        ("layer_norm_eps", 1e-7.into()),
    ];
    for (field, value) in absent {
        if fields.get(field).is_none_or(Value::is_null) {
            fields.insert(field.to_owned(), value);
        }
    }
    if let Some(Value::String(terms)) = fields.get("pos_att_type") {
        let terms: Vec<String> = terms.split('|').map(|term| term.trim().to_lowercase()).collect();
        fields.insert("pos_att_type".to_owned(), terms.into());
    }
    let number = |field| fields.get(field).and_then(Value::as_u64);
    let (d, heads) = (number("hidden_size"), number("num_attention_heads"));
    let only = [
        ("conv_kernel_size", Some(0), "0 (a convolution, as DeBERTa-v2-xlarge has one, is not read)"),
        ("embedding_size", d, "that of hidden_size"),
        ("attention_head_size", d.zip(heads).and_then(|(d, n)| d.checked_div(n)), "hidden_size by num_attention_heads"),
    ];
    for (field, value, want) in only {
        // A size that is missing is told when all fields are read.
        if value.is_none() {
            continue;
        }
        if let Some(got) = fields.get(field).filter(|got| !got.is_null() && got.as_u64() != value) {
            return Err(Error::Config { field, want: want.to_owned(), got: got.to_string() });
        }
    }
    Ok(())
}

impl Disentangled {
    /// The rows of the table in a model of this longest text.
    ///
    /// # Errors
    /// [`Error::Config`] for settings that are not those of a DeBERTaV3.
    pub(super) fn rows(&self, max_position_embeddings: usize) -> Result<TableRows> {
        let fail = |field, want: &str, got: String| Err(Error::Config { field, want: want.to_owned(), got });
        let flags = [
            ("relative_attention", self.relative_attention, true),
            ("position_biased_input", self.position_biased_input, false),
            ("share_att_key", self.share_att_key, true),
        ];
        if let Some((field, got, want)) = flags.into_iter().find(|(_, got, want)| got != want) {
            return fail(field, &format!("{want}, as in DeBERTaV3"), got.to_string());
        }
        if self.norm_rel_ebd != "layer_norm" {
            return fail("norm_rel_ebd", "layer_norm", self.norm_rel_ebd.clone());
        }
        let mut terms = self.pos_att_type.clone();
        terms.sort();
        if terms != ["c2p", "p2c"] {
            return fail("pos_att_type", "p2c|c2p", self.pos_att_type.join("|"));
        }
        if !(2..=1 << 16).contains(&self.position_buckets) {
            return fail("position_buckets", "from 2 to 65536", self.position_buckets.to_string());
        }
        // As transformers has it where there is no such number.
        let longest = Some(self.max_relative_positions).filter(|n| *n >= 1).unwrap_or(max_position_embeddings as i64);
        let rows = TableRows { buckets: self.position_buckets, longest };
        if !(rows.exact() + 2..=1 << 24).contains(&longest) {
            let want = format!("from {} to 16777216", rows.exact() + 2);
            return fail("max_relative_positions", &want, longest.to_string());
        }
        Ok(rows)
    }
}

/// Which row of the table a distance has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableRows {
    /// Half of the number of rows.
    buckets: i64,
    /// The distance `longest - 1` is the first that has the last row.
    longest: i64,
}

impl TableRows {
    /// The last distance that has a row of its own.
    fn exact(self) -> i64 {
        self.buckets / 2
    }

    /// The row for the distance from a key to a query. In f32, as transformers computes it: this
    /// decides on which side of a border a distance falls.
    fn of(self, distance: i64) -> usize {
        let (n, exact) = (distance.abs(), self.exact());
        let bucket = if n <= exact {
            n
        } else {
            let longest = ((self.longest - 1) as f64 / exact as f64) as f32;
            let logarithm = (n as f32 / exact as f32).ln() / longest.ln();
            (logarithm * (exact - 1) as f32).ceil() as i64 + exact
        };
        (bucket * distance.signum() + self.buckets).clamp(0, 2 * self.buckets - 1) as usize
    }
}

/// The vectors of the distances of a model.
#[derive(Clone, Debug)]
pub(super) struct RelativeEmbeddings {
    table: Tensor,
    norm: LayerNorm,
    rows: TableRows,
}

/// The positions that the texts of a batch need.
pub(super) struct Positions {
    /// Their vectors, `[positions, d]`.
    vectors: Tensor,
    /// The position of each distance from a query to a key, as attention wants it.
    pub of_distances: Vec<u32>,
}

impl RelativeEmbeddings {
    /// The table and its norm, below `encoder`.
    pub(super) fn load(rows: TableRows, d: usize, eps: f64, vb: &VarBuilder<'_>) -> candle_core::Result<Self> {
        let init = Init::Randn { mean: 0.0, stdev: 0.02 };
        let table = vb.pp("rel_embeddings").get_with_hints((2 * rows.buckets as usize, d), "weight", init)?;
        Ok(Self { table, norm: LayerNorm::load(d, eps, vb.pp("LayerNorm"))?, rows })
    }

    /// The positions of texts of up to `longest` pieces.
    pub(super) fn of_texts(&self, longest: usize) -> candle_core::Result<Positions> {
        let last = longest as i64 - 1;
        let (first, end) = (self.rows.of(-last.max(0)), self.rows.of(last.max(0)) + 1);
        let vectors = self.norm.forward(&self.table.narrow(0, first, end - first)?)?;
        // A key after the query has a negative distance.
        let of_distances = (-last..=last).map(|x| (self.rows.of(-x) - first) as u32).collect();
        Ok(Positions { vectors, of_distances })
    }
}

impl Positions {
    /// `x: [rows, d]` followed by the vectors of the positions, after dropout on the latter.
    pub(super) fn below(&self, x: &Tensor, mode: &mut Mode<'_>, dropout: f64) -> candle_core::Result<Tensor> {
        Tensor::cat(&[x, &mode.dropout(&self.vectors, dropout)?], 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What DeBERTaV3's configurations have.
    fn v3() -> Map<String, Value> {
        let fields = json!({
            "hidden_size": 4, "num_attention_heads": 2, "max_position_embeddings": 512, "relative_attention": true,
            "position_biased_input": false, "share_att_key": true, "norm_rel_ebd": "layer_norm",
            "pos_att_type": "p2c|c2p", "position_buckets": 256, "max_relative_positions": -1,
        });
        fields.as_object().expect("an object").clone()
    }

    fn rows(mut fields: Map<String, Value>) -> Result<TableRows> {
        complete(&mut fields)?;
        let settings: Disentangled = serde_json::from_value(Value::Object(fields)).expect("all of it is there");
        settings.rows(512)
    }

    #[test]
    fn near_distances_have_a_row_each_and_far_ones_share() {
        let rows = rows(v3()).expect("as DeBERTaV3 has it");
        assert_eq!(rows, TableRows { buckets: 256, longest: 512 });
        (-128..=128).for_each(|x| assert_eq!(rows.of(x), (x + 256) as usize, "{x}"));
        // The first distance of each of the rows that follow: tests/golden/scripts/hf_families.py
        // prints them.
        let begin = [
            129, 130, 131, 133, 134, 136, 137, 139, 140, 142, 143, 145, 146, 148, 150, 151, 153, 155, 156, 158, 160,
            161, 163, 165, 167, 169, 170, 172, 174, 176, 178, 180, 182, 184, 186, 188, 190, 192, 194, 196, 198, 201,
            203, 205, 207, 210, 212, 214, 216, 219, 221, 224, 226, 229, 231, 234, 236, 239, 241, 244, 247, 249, 252,
            255, 258, 260, 263, 266, 269, 272, 275, 278, 281, 284, 287, 290, 294, 297, 300, 303, 307, 310, 313, 317,
            320, 324, 327, 331, 335, 338, 342, 346, 349, 353, 357, 361, 365, 369, 373, 377, 381, 385, 390, 394, 398,
            403, 407, 411, 416, 420, 425, 430, 434, 439, 444, 449, 454, 459, 464, 469, 474, 479, 484, 490, 495, 500,
            506, 512, 600,
        ];
        for (i, from_to) in begin.windows(2).enumerate() {
            for distance in from_to[0]..from_to[1] {
                let (before, after) = (rows.of(-distance), rows.of(distance));
                assert_eq!((after, before), ((256 + 129 + i).min(511), 256 - (129 + i).min(256)), "{distance}");
            }
        }
        assert_eq!((rows.of(1 << 40), rows.of(-(1 << 40))), (511, 0));
    }

    #[test]
    fn what_is_not_read_is_named() {
        let check = |field: &str, value: Value, want: &str| {
            let mut fields = v3();
            if value.is_null() {
                fields.remove(field)
            } else {
                fields.insert(field.to_owned(), value)
            };
            let message = rows(fields).expect_err(field).to_string();
            assert!(message.contains(&format!("the configuration's {field} must be {want}")), "{message}");
        };
        check("relative_attention", Value::Null, "true, as in DeBERTaV3, got false");
        check("share_att_key", Value::Null, "true, as in DeBERTaV3, got false");
        check("position_biased_input", Value::Null, "false, as in DeBERTaV3, got true");
        check("norm_rel_ebd", Value::Null, "layer_norm, got none");
        check("pos_att_type", Value::Null, "p2c|c2p, got none");
        check("pos_att_type", json!("p2c"), "p2c|c2p, got p2c");
        check("pos_att_type", json!(["c2p", "p2p"]), "p2c|c2p, got c2p|p2p");
        check("conv_kernel_size", json!(3), "0 (a convolution, as DeBERTa-v2-xlarge has one, is not read), got 3");
        check("embedding_size", json!(3), "that of hidden_size, got 3");
        check("attention_head_size", json!(4), "hidden_size by num_attention_heads, got 4");
        check("position_buckets", Value::Null, "from 2 to 65536, got -1");
        check("max_relative_positions", json!(129), "from 130 to 16777216, got 129");
    }
}
