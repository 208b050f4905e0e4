//! ResNet without its classifier (He et al., 2016), frozen: basic or bottleneck blocks, of any
//! depth and width.
//!
//! ```text
//! x = max_pool(relu(conv7x7/2(pixels)))              [n, 64, h/4, w/4]
//! x = relu(conv(..relu(conv(x))) + shortcut(x))      in each block
//! ```
//! The first blocks of stages 2 to 4 halve the map.
//!
//! A batch norm follows every convolution and is folded into it. The architecture is read from the
//! names and shapes of its tensors, named as torchvision and timm do; the three things they do not
//! tell are in [`ResNetVariant`]. Pooled: the mean over the last maps. No groups (ResNeXt), no deep
//! stem (ResNet-D), no squeeze and excitation.

use super::checkpoint::Checkpoint;
use super::conv::{BatchNorm, Conv, Geometry, Then};
use super::encoder::{Compute, VisionEncoder, images_of};
use super::maps::{Buffers, Maps};
use crate::Result;
use smvae_core::candle_core::{self, Tensor};

/// What tensors do not tell of a ResNet.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct ResNetVariant {
    /// Which convolution of a bottleneck block halves the map: the first, 1 x 1, of the original
    /// and of Keras, or the second, 3 x 3, of torchvision, timm and transformers ("v1.5").
    /// Default: false, the second.
    pub stride_on_first: bool,
    /// What is added to the variance in a batch norm. Default: 1e-5.
    pub eps: f64,
}

impl Default for ResNetVariant {
    fn default() -> Self {
        Self { stride_on_first: false, eps: 1e-5 }
    }
}

/// A ResNet without its classifier.
#[derive(Debug)]
pub struct ResNet {
    stem: Conv,
    blocks: Vec<Block>,
    compute: Compute,
}

/// Convolutions one after the other, beside a shortcut.
#[derive(Debug)]
struct Block {
    convs: Vec<Conv>,
    /// `None` where input and output have the same shape.
    shortcut: Option<Conv>,
}

impl ResNet {
    /// A network from its tensors.
    ///
    /// # Errors
    /// [`crate::Error::Weights`] naming the tensor that is missing, of another shape, or left over.
    pub(super) fn new(mut tensors: Checkpoint, variant: ResNetVariant, compute: Compute) -> Result<Self> {
        let mut loader = Loader { tensors: &mut tensors, variant, compute: &compute };
        let stem = loader.conv("conv1", "bn1", 3, 2)?;
        let (mut blocks, mut c): (Vec<Block>, _) = (Vec::new(), stem.c_out());
        for (stage, block) in positions(loader.tensors) {
            let stride = if stage > 1 && block == 0 { 2 } else { 1 };
            let next = loader.block(&format!("layer{stage}.{block}"), c, stride)?;
            c = next.convs.last().map_or(c, Conv::c_out);
            blocks.push(next);
        }
        tensors.finish()?;
        Ok(Self { stem, blocks, compute })
    }

    /// The last maps of a batch of images.
    fn maps(&self, pixels: &Tensor) -> candle_core::Result<Maps> {
        images_of(pixels)?;
        let mut buffers = Buffers::default();
        let pixels = Maps::of(&self.compute.input(pixels)?, &mut buffers)?;
        let x = self.stem.forward(&pixels, None, Then::Relu, &mut buffers)?;
        buffers.give(pixels);
        let mut x = x.max_pool(&mut buffers)?;
        for block in &self.blocks {
            x = block.forward(x, &mut buffers)?;
        }
        Ok(x)
    }
}

impl VisionEncoder for ResNet {
    fn width(&self) -> usize {
        self.blocks.last().and_then(|block| block.convs.last()).map_or(self.stem.c_out(), Conv::c_out)
    }

    fn forward(&self, pixels: &Tensor) -> Result<Tensor> {
        Ok(self.compute.output(&self.maps(pixels)?.mean()?)?)
    }

    fn grid(&self, pixels: &Tensor) -> Result<Tensor> {
        Ok(self.compute.output(&self.maps(pixels)?.to_tensor()?)?)
    }
}

impl Block {
    fn forward(&self, x: Maps, buffers: &mut Buffers) -> candle_core::Result<Maps> {
        let (last, first) = self.convs.split_last().expect("a block has two or three convolutions");
        let mut y: Option<Maps> = None;
        for conv in first {
            let next = conv.forward(y.as_ref().unwrap_or(&x), None, Then::Relu, buffers)?;
            if let Some(used) = y.replace(next) {
                buffers.give(used);
            }
        }
        let shortcut = match &self.shortcut {
            Some(conv) => {
                let shortcut = conv.forward(&x, None, Then::Nothing, buffers)?;
                buffers.give(x);
                shortcut
            }
            None => x,
        };
        let y = y.expect("a block has two or three convolutions");
        let sum = last.forward(&y, Some(shortcut), Then::Relu, buffers)?;
        buffers.give(y);
        Ok(sum)
    }
}

/// Stage, from 1, and position of every block, from 0.
fn positions(tensors: &Checkpoint) -> Vec<(usize, usize)> {
    let has = |stage: usize, block: usize| tensors.has(&format!("layer{stage}.{block}.conv1.weight"));
    let stages = (1..).take_while(|stage| has(*stage, 0));
    stages
        .flat_map(|stage| (0..).take_while(move |block| has(stage, *block)).map(move |block| (stage, block)))
        .collect()
}

/// Takes layers out of a checkpoint.
struct Loader<'a> {
    tensors: &'a mut Checkpoint,
    variant: ResNetVariant,
    compute: &'a Compute,
}

impl Loader<'_> {
    /// A block on `c` maps.
    fn block(&mut self, name: &str, c: usize, stride: usize) -> Result<Block> {
        // The convolution that halves the map: the first of two, the second of three or, in the
        // older form, the first.
        let bottleneck = self.tensors.has(&format!("{name}.conv3.weight"));
        let (n, halving) = if bottleneck { (3, if self.variant.stride_on_first { 1 } else { 2 }) } else { (2, 1) };
        let (mut convs, mut c_in): (Vec<Conv>, _) = (Vec::new(), c);
        for i in 1..=n {
            let stride = if i == halving { stride } else { 1 };
            let conv = self.conv(&format!("{name}.conv{i}"), &format!("{name}.bn{i}"), c_in, stride)?;
            c_in = conv.c_out();
            convs.push(conv);
        }
        let shortcut = format!("{name}.downsample");
        let shortcut = if self.tensors.has(&format!("{shortcut}.0.weight")) {
            Some(self.conv(&format!("{shortcut}.0"), &format!("{shortcut}.1"), c, stride)?)
        } else {
            None
        };
        let out = shortcut.as_ref().map_or(c, Conv::c_out);
        if out != c_in || (shortcut.is_none() && stride != 1) {
            return Err(self.tensors.error(format!("{name} makes {c_in} maps, its shortcut {out}")));
        }
        Ok(Block { convs, shortcut })
    }

    /// A convolution on `c_in` maps and the batch norm that follows it.
    fn conv(&mut self, conv: &str, norm: &str, c_in: usize, stride: usize) -> Result<Conv> {
        let name = format!("{conv}.weight");
        let weight = self.tensors.take_rank(&name, 4)?;
        let (c_out, kernel) = (weight.dims()[0], weight.dims()[2]);
        if weight.dims() != [c_out, c_in, kernel, kernel] || kernel % 2 == 0 || c_out == 0 {
            let got = weight.dims();
            let why = format!("{name} has the shape {got:?}, not [n, {c_in}, k, k] with an n above 0 and an odd k");
            return Err(self.tensors.error(why));
        }
        let mut bias = None;
        if self.tensors.has(&format!("{conv}.bias")) {
            bias = Some(self.tensors.take(&format!("{conv}.bias"), &[c_out])?);
        }
        let mut statistic = |name: &str| self.tensors.take(&format!("{norm}.{name}"), &[c_out]);
        let norm = BatchNorm {
            weight: statistic("weight")?,
            bias: statistic("bias")?,
            mean: statistic("running_mean")?,
            var: statistic("running_var")?,
            eps: self.variant.eps,
        };
        let (weight, bias) = norm.fold(&weight, bias.as_ref())?;
        let geometry = Geometry { stride, padding: kernel / 2 };
        Ok(Conv::new(&weight, &bias, geometry, self.compute)?)
    }
}

/// The name a tensor has in torchvision and timm, given that name or the one in transformers;
/// `None` for the classifier and for counters.
pub(super) fn standard_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("resnet.").unwrap_or(name);
    if name.starts_with("fc.") || name.starts_with("classifier.") || name.ends_with("num_batches_tracked") {
        return None;
    }
    let layer = |i: &str, conv: &str, norm: &str| match i.split_once('.') {
        Some(("convolution", rest)) => format!("{conv}.{rest}"),
        Some(("normalization", rest)) => format!("{norm}.{rest}"),
        _ => name.to_owned(),
    };
    if let Some(rest) = name.strip_prefix("embedder.embedder.") {
        return Some(layer(rest, "conv1", "bn1"));
    }
    let Some(rest) = name.strip_prefix("encoder.stages.") else { return Some(name.to_owned()) };
    let parts: Vec<&str> = rest.splitn(5, '.').collect();
    let number = |text: &str| text.parse::<usize>().ok().map(|i| i + 1);
    Some(match parts[..] {
        [stage, "layers", block, "layer", rest] => match (number(stage), rest.split_once('.')) {
            (Some(stage), Some((i, rest))) if number(i).is_some() => {
                let (block, i) = (format!("layer{stage}.{block}"), number(i).unwrap_or_default());
                layer(rest, &format!("{block}.conv{i}"), &format!("{block}.bn{i}"))
            }
            _ => name.to_owned(),
        },
        [stage, "layers", block, "shortcut", rest] => {
            let block = format!("layer{}.{block}.downsample", number(stage).unwrap_or_default());
            layer(rest, &format!("{block}.0"), &format!("{block}.1"))
        }
        _ => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::weights::Weights;
    use smvae_core::candle_core::{DType, Device};
    use std::collections::BTreeMap;

    fn ones(shape: &[usize]) -> Tensor {
        Tensor::ones(shape, DType::F32, &Device::Cpu).expect("a small tensor")
    }

    /// A network of a stem and one block, each of whose convolutions makes this many maps.
    fn network(maps: usize) -> Result<ResNet> {
        let mut tensors = BTreeMap::new();
        let stem = ("conv1", "bn1", 3, 7);
        for (conv, norm, c_in, k) in
            [stem, ("layer1.0.conv1", "layer1.0.bn1", maps, 3), ("layer1.0.conv2", "layer1.0.bn2", maps, 3)]
        {
            tensors.insert(format!("{conv}.weight"), ones(&[maps, c_in, k, k]));
            for part in ["weight", "bias", "running_mean", "running_var"] {
                tensors.insert(format!("{norm}.{part}"), ones(&[maps]));
            }
        }
        let weights = Weights { path: "resnet.safetensors".into(), tensors };
        ResNet::new(Checkpoint::new(weights, standard_name)?, ResNetVariant::default(), Compute::default())
    }

    #[test]
    fn no_images_have_no_vectors_and_no_pixels_are_an_error() {
        let network = network(2).expect("two maps");
        assert_eq!(network.forward(&ones(&[2, 3, 5, 4])).expect("two images").dims(), [2, 2]);
        assert_eq!(network.forward(&ones(&[0, 3, 5, 4])).expect("no images").dims(), [0, 2]);
        for bad in [&[1, 3, 0, 4][..], &[1, 3, 5, 0], &[1, 4, 5, 4], &[3, 5, 4]] {
            assert!(network.forward(&ones(bad)).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_convolution_of_no_maps_is_an_error_of_the_file() {
        let message = match network(0) {
            Err(crate::Error::Weights { problems, .. }) => problems.join("; "),
            other => panic!("not the weights' error: {other:?}"),
        };
        assert!(message.contains("conv1.weight has the shape [0, 3, 7, 7]"), "{message}");
    }
}
