//! Vision transformers, frozen: ViT (Dosovitskiy et al., 2021) and CLIP's image tower (Radford et
//! al., 2021).
//!
//! ```text
//! x = [class; patches of the image, projected] + position    [tokens, d],   CLIP: x = norm_pre(x)
//! x = x + W_o attention(W_q n, W_k n, W_v n), n = norm1(x)   in each layer,
//! x = x + W_2 act(W_1 norm2(x))                              then
//! pooled = norm(x)[class]
//! ```
//! Pooled is the class token after the last norm, without ViT's pooler and CLIP's projection.
//! Tensors are named as in timm, with query, key and value apart; `vit_names` brings those of
//! others into that form. Images have one size, that of the position embedding.

use super::checkpoint::Checkpoint;
use super::conv::{Conv, Geometry, Then};
use super::encoder::{Compute, VisionEncoder, images_of};
use super::maps::{Buffers, Maps};
use crate::{Error, Result};
use smvae_core::PackedLayout;
use smvae_core::candle_core::{self, Tensor};
use smvae_core::nn::{LayerNorm, Linear, attention, gelu_erf};

/// What tensors do not tell of a vision transformer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VitConfig {
    /// Heads of the attention; `None` means those that timm and torchvision use for this width.
    pub heads: Option<usize>,
    /// What is added to the variance in a norm.
    pub eps: f64,
    /// Between the two layers of a feed-forward part.
    pub activation: VitActivation,
    /// Whether the tokens of the grid go through the last norm as well: ViT, not CLIP.
    pub norm_grid: bool,
}

/// The function between the two layers of a feed-forward part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VitActivation {
    /// `x Phi(x)`.
    Gelu,
    /// `x sigmoid(1.702 x)`, CLIP's.
    QuickGelu,
}

/// A vision transformer without its classifier.
#[derive(Debug)]
pub struct Vit {
    patches: Conv,
    /// `[1, 1, d]`.
    class: Tensor,
    /// `[1, tokens, d]`.
    position: Tensor,
    norm_pre: Option<LayerNorm>,
    layers: Vec<Layer>,
    norm: LayerNorm,
    config: VitConfig,
    heads: usize,
    /// Rows and columns of the grid of patches.
    side: usize,
    /// Pixels of a patch's side.
    patch: usize,
    compute: Compute,
}

/// Heads of a network of this width in timm and torchvision, whose files do not say. They are 64
/// wide, up to ViT-L; SO400M, ViT-H (torchvision's too), ViT-g and ViT-G have 16.
fn timm_heads(width: usize) -> usize {
    if [1152, 1280, 1408, 1664].contains(&width) { 16 } else { width / 64 }
}

impl Vit {
    /// A network from its tensors.
    ///
    /// # Errors
    /// [`Error::Weights`] naming the tensor that is missing, of another shape, or left over.
    pub(super) fn new(mut tensors: Checkpoint, config: VitConfig, compute: Compute) -> Result<Self> {
        let weight = tensors.take_rank("patch_embed.proj.weight", 4)?;
        let (d, _, patch, _) = weight.dims4()?;
        if weight.dims() != [d, 3, patch, patch] || d == 0 || patch == 0 {
            let got = weight.dims();
            return Err(
                tensors.error(format!("patch_embed.proj.weight has the shape {got:?}, not [d, 3, p, p] above 0"))
            );
        }
        let bias = if tensors.has("patch_embed.proj.bias") {
            tensors.take("patch_embed.proj.bias", &[d])?
        } else {
            Tensor::zeros(d, weight.dtype(), weight.device())?
        };
        let position = tensors.take_rows("pos_embed", d)?;
        let n = position.dim(0)?;
        let side = (n.saturating_sub(1) as f64).sqrt() as usize;
        if n != side * side + 1 || side == 0 {
            return Err(
                tensors.error(format!("pos_embed has {n} positions, not those of a square grid and a class token"))
            );
        }
        let heads = config.heads.unwrap_or_else(|| timm_heads(d));
        if heads == 0 || d % heads != 0 {
            return Err(tensors.error(format!("a width of {d} cannot be shared by {heads} heads")));
        }
        let mut loader = Loader { tensors: &mut tensors, compute: &compute, d, eps: config.eps };
        let norm_pre = loader.tensors.has("norm_pre.weight").then(|| loader.norm("norm_pre")).transpose()?;
        let mut layers = Vec::new();
        while loader.tensors.has(&format!("blocks.{}.norm1.weight", layers.len())) {
            layers.push(loader.layer(&format!("blocks.{}", layers.len()))?);
        }
        let norm = loader.norm("norm")?;
        let class = compute.input(&tensors.take_rows("cls_token", d)?.reshape((1, 1, d))?)?;
        tensors.finish()?;
        let geometry = Geometry { stride: patch, padding: 0 };
        let patches = Conv::new(&weight, &bias, geometry, &compute)?;
        let position = compute.input(&position.unsqueeze(0)?)?;
        Ok(Self { patches, class, position, norm_pre, layers, norm, config, heads, side, patch, compute })
    }

    /// Pixels of a side of the images it takes.
    pub fn image_size(&self) -> usize {
        self.side * self.patch
    }

    /// Tokens of an image: its patches and the class.
    fn n_tokens(&self) -> usize {
        self.side * self.side + 1
    }

    /// All tokens before the last norm, `[batch * tokens, d]`.
    fn tokens(&self, pixels: &Tensor) -> Result<Tensor> {
        let [batch, h, w] = images_of(pixels)?;
        let size = self.image_size();
        if (h, w) != (size, size) {
            let want = format!("{size} x {size}, as the position embedding is");
            return Err(Error::Config { field: "image size", want, got: format!("{w} x {h}") });
        }
        if batch == 0 {
            return Ok(self.class.reshape(((), self.width()))?.narrow(0, 0, 0)?);
        }
        let mut buffers = Buffers::default();
        let pixels = Maps::of(&self.compute.input(pixels)?, &mut buffers)?;
        let patches = self.patches.forward(&pixels, None, Then::Nothing, &mut buffers)?.into_rows()?;
        let d = self.width();
        let patches = patches.reshape((batch, self.side * self.side, d))?;
        let class = self.class.broadcast_as((batch, 1, d))?;
        let x = Tensor::cat(&[&class, &patches], 1)?.broadcast_add(&self.position)?;
        let tokens = self.n_tokens();
        let mut x = x.reshape((batch * tokens, d))?;
        if let Some(norm) = &self.norm_pre {
            x = norm.forward(&x)?;
        }
        let layout = PackedLayout::new(vec![tokens; batch]);
        for layer in &self.layers {
            x = layer.forward(&x, self.heads, self.config.activation, &layout)?;
        }
        Ok(x)
    }
}

impl VisionEncoder for Vit {
    fn width(&self) -> usize {
        self.patches.c_out()
    }

    fn forward(&self, pixels: &Tensor) -> Result<Tensor> {
        let (batch, d) = (pixels.dims4()?.0, self.width());
        let tokens = self.tokens(pixels)?.reshape((batch, self.n_tokens(), d))?;
        let class = tokens.narrow(1, 0, 1)?.squeeze(1)?.contiguous()?;
        Ok(self.compute.output(&self.norm.forward(&class)?)?)
    }

    fn grid(&self, pixels: &Tensor) -> Result<Tensor> {
        let (batch, d) = (pixels.dims4()?.0, self.width());
        let mut x = self.tokens(pixels)?;
        if self.config.norm_grid {
            x = self.norm.forward(&x)?;
        }
        let patches = x.reshape((batch, self.n_tokens(), d))?.narrow(1, 1, self.side * self.side)?;
        let grid = patches.transpose(1, 2)?.reshape((batch, d, self.side, self.side))?;
        Ok(self.compute.output(&grid)?)
    }
}

#[derive(Debug)]
struct Layer {
    norm1: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    norm2: LayerNorm,
    wide: Linear,
    narrow: Linear,
}

impl Layer {
    /// `x: [rows, d]` to the same shape.
    fn forward(
        &self,
        x: &Tensor,
        heads: usize,
        activation: VitActivation,
        layout: &PackedLayout,
    ) -> candle_core::Result<Tensor> {
        let n = self.norm1.forward(x)?;
        let (q, k, v) = (self.query.forward(&n)?, self.key.forward(&n)?, self.value.forward(&n)?);
        let x = (x + self.output.forward(&attention(&q, &k, &v, heads, layout, None)?)?)?;
        let wide = self.wide.forward(&self.norm2.forward(&x)?)?;
        let wide = match activation {
            VitActivation::Gelu => gelu_erf(&wide)?,
            VitActivation::QuickGelu => (&wide * candle_nn::ops::sigmoid(&(&wide * 1.702)?)?)?,
        };
        x + self.narrow.forward(&wide)?
    }
}

/// Takes layers of width `d` out of a checkpoint.
struct Loader<'a> {
    tensors: &'a mut Checkpoint,
    compute: &'a Compute,
    d: usize,
    eps: f64,
}

impl Loader<'_> {
    fn layer(&mut self, name: &str) -> Result<Layer> {
        let (d, of) = (self.d, |part: &str| format!("{name}.{part}"));
        self.split(&of("attn.qkv"), [&of("attn.q"), &of("attn.k"), &of("attn.v")])?;
        let wide = self.tensors.shape(&of("mlp.fc1.weight")).first().copied().unwrap_or_default();
        Ok(Layer {
            norm1: self.norm(&of("norm1"))?,
            query: self.linear(&of("attn.q"), d, d)?,
            key: self.linear(&of("attn.k"), d, d)?,
            value: self.linear(&of("attn.v"), d, d)?,
            output: self.linear(&of("attn.proj"), d, d)?,
            norm2: self.norm(&of("norm2"))?,
            wide: self.linear(&of("mlp.fc1"), d, wide)?,
            narrow: self.linear(&of("mlp.fc2"), wide, d)?,
        })
    }

    /// Splits a layer that makes query, key and value in one, where there is such.
    fn split(&mut self, whole: &str, parts: [&str; 3]) -> Result<()> {
        for (kind, shape) in [("weight", &[3 * self.d, self.d][..]), ("bias", &[3 * self.d])] {
            let name = format!("{whole}.{kind}");
            if self.tensors.has(&name) {
                let tensor = self.tensors.take(&name, shape)?;
                for (i, part) in parts.iter().enumerate() {
                    self.tensors.put(format!("{part}.{kind}"), tensor.narrow(0, i * self.d, self.d)?.contiguous()?)?;
                }
            }
        }
        Ok(())
    }

    fn linear(&mut self, name: &str, d_in: usize, d_out: usize) -> Result<Linear> {
        let weight = self.tensors.take(&format!("{name}.weight"), &[d_out, d_in])?;
        let bias = self.tensors.take(&format!("{name}.bias"), &[d_out])?;
        Ok(Linear::new(self.compute.input(&weight)?, self.compute.input(&bias)?))
    }

    fn norm(&mut self, name: &str) -> Result<LayerNorm> {
        let mut take = |kind: &str| {
            let tensor = self.tensors.take(&format!("{name}.{kind}"), &[self.d])?;
            Ok::<_, Error>(self.compute.input(&tensor)?)
        };
        Ok(LayerNorm::new(take("weight")?, take("bias")?, self.eps))
    }
}

#[cfg(test)]
mod tests {
    use super::timm_heads;

    #[test]
    fn heads_are_those_of_the_published_sizes() {
        // Tiny, small, base, large; SO400M, huge (torchvision's vit_h_14 too), giant, gigantic.
        let widths = [192, 384, 768, 1024, 1152, 1280, 1408, 1664];
        assert_eq!(widths.map(timm_heads), [3, 6, 12, 16, 16, 16, 16, 16]);
    }
}
