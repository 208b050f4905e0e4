//! What a captioner would say of a synthetic post's image: a thing that goes with a type.

use super::phrases::TYPES;
use crate::draw::Draw;

/// What images of each type show, in the order of [`TYPES`].
const SHOWN: [[&str; 2]; TYPES.len()] =
    [["street", "mountain"], ["poster", "stage"], ["office", "logo"], ["woman", "man"]];
/// What images without a type show.
const PLAIN: [&str; 2] = ["table", "wall"];

/// A caption of an image of these types, positions in [`TYPES`]. With probability `noise` it names
/// what goes with any type, as captioners err.
pub(super) fn caption(draw: &mut Draw, types: &[usize], noise: f64) -> String {
    let errs = draw.chance(noise);
    let any = draw.below(TYPES.len());
    let shown = match types {
        [] => &PLAIN,
        _ if errs => &SHOWN[any],
        _ => &SHOWN[*draw.pick(types)],
    };
    format!("a photo of a {}", draw.pick(shown))
}
