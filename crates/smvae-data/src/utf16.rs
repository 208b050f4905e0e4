//! Places in a text as JavaScript counts them, and with it the pages of Label Studio: in UTF-16
//! code units, of which an emoji has two.

/// The places of a text's characters (Unicode scalar values) in UTF-16 code units.
///
/// ```
/// use smvae_data::utf16::Utf16;
/// let units = Utf16::of("🎉 Oslo");
/// assert_eq!((units.of_char(2), units.char_at(3), units.char_at(1)), (3, Some(2), None));
/// ```
#[derive(Clone, Debug)]
pub struct Utf16 {
    /// The characters that take two units, in order.
    wide: Vec<usize>,
    /// Characters of the text.
    chars: usize,
}

impl Utf16 {
    /// Those of a text.
    pub fn of(text: &str) -> Self {
        let (mut wide, mut chars) = (Vec::new(), 0);
        for c in text.chars() {
            if c.len_utf16() == 2 {
                wide.push(chars);
            }
            chars += 1;
        }
        Self { wide, chars }
    }

    /// The first unit of a character, given by how many stand before it.
    pub fn of_char(&self, char: usize) -> usize {
        char + self.wide.partition_point(|&wide| wide < char)
    }

    /// The character that begins at a unit, or the number of characters for the end of the text.
    /// `None` for a unit within a character, or beyond the end.
    pub fn char_at(&self, unit: usize) -> Option<usize> {
        // As many wide characters as lie before the unit take one unit more each.
        let before = self.wide.iter().enumerate().take_while(|(n, wide)| **wide + n < unit).count();
        let char = unit.checked_sub(before)?;
        (char <= self.chars && self.of_char(char) == unit).then_some(char)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn places_are_those_of_the_units(text in "[a🎉é\u{ffff}𝒜 ]{0,12}") {
            let units = Utf16::of(&text);
            let mut starts = vec![0];
            starts.extend(text.chars().scan(0, |at, c| { *at += c.len_utf16(); Some(*at) }));
            for (char, start) in starts.iter().enumerate() {
                assert_eq!(units.of_char(char), *start);
            }
            for unit in 0..30 {
                assert_eq!(units.char_at(unit), starts.iter().position(|start| *start == unit), "{unit}");
            }
        }
    }
}
