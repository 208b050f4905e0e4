//! From an image to the numbers a network is given, as the settings of `preprocessing` say.
//!
//! ```text
//! x = (pixel * scale - mean) / std,   [3, height, width]
//! ```

use super::decode::Pixels;
use super::resize::{Part, resize};
use crate::preprocessing::{Channels, Crop, Odd, Preprocessing, Resize};

impl Preprocessing {
    /// What the network is given of an image, `[3, height, width]`.
    ///
    /// # Panics
    /// For settings that [`Preprocessing::validate`] refuses, and for [`Pixels`] without a pixel or
    /// with too few numbers.
    pub fn apply(&self, image: &Pixels) -> Vec<f32> {
        let image = self.pixels(image);
        let area = image.width * image.height;
        let mut numbers = vec![0f32; 3 * area];
        for (i, plane) in numbers.chunks_exact_mut(area.max(1)).enumerate() {
            let channel = if self.channels == Channels::Rgb { i } else { 2 - i };
            let (mean, std) = (self.mean[i], self.std[i]);
            for (x, pixel) in plane.iter_mut().zip(image.rgb.chunks_exact(3)) {
                *x = (f32::from(pixel[channel]) * self.scale - mean) / std;
            }
        }
        numbers
    }

    /// The image resized and cropped, in 8 bits.
    ///
    /// # Panics
    /// As [`Preprocessing::apply`].
    pub fn pixels(&self, image: &Pixels) -> Pixels {
        let (width, height) = match self.resize {
            Resize::Exact { height, width } => (width, height),
            Resize::ShortestEdge(edge) => {
                let (short, long) = (image.width.min(image.height), image.width.max(image.height));
                let long = (edge as f64 * long as f64 / short as f64) as usize;
                if image.width <= image.height { (edge, long) } else { (long, edge) }
            }
        };
        let part = match self.crop {
            Some(crop) => crop.of(width, height),
            None => Part { columns: 0..width, rows: 0..height },
        };
        resize(image, (width, height), &part, self.filter)
    }
}

impl Crop {
    /// The part of an image of this size that is cut out.
    fn of(self, width: usize, height: usize) -> Part {
        let cut = |whole: usize, part: usize| {
            let start = match (self.odd, (whole - part) / 2, (whole - part) % 2) {
                (Odd::Even, half, 1) => half + half % 2,
                (_, half, _) => half,
            };
            start..start + part
        };
        Part { columns: cut(width, self.width), rows: cut(height, self.height) }
    }
}
