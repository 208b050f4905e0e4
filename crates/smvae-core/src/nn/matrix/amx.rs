//! Products by AMX, the matrix unit of Intel's Xeons since 2023: eight tile registers of 16 rows by
//! 64 bytes, and instructions that multiply two and add to a third.
//!
//! A step takes 64 bytes of each row, which are 64 terms of int8 or 32 of bf16, for 32 rows by 32
//! columns: two tiles of rows, two of columns, four of sums. Four loads for four products keep the
//! unit busy as long as loads come from the first two caches.
//!
//! Rust has no stable intrinsics for it, so the instructions stand in `asm!`. The tile registers
//! are configured, used and released within one call; a whole sum is one `asm!` block, since the
//! compiler knows nothing of what they hold. Linux gives a process tiles when it asks for them.

use super::{COLS, STEP};
use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// Rows, and bytes of a row, of a tile.
const ROWS: usize = 16;
const BYTES: usize = 64;
const _: () = assert!(STEP == BYTES / 4 && COLS == 2 * ROWS, "a step and a panel are of whole tiles");

/// What is multiplied.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Number {
    /// Unsigned numbers of rows by signed ones of columns, four of each a group; sums are i32.
    Int8,
    /// Two of each a group; sums are f32.
    Bf16,
}

/// Whether this CPU has AMX for int8 and bf16, and the system lets this process use it.
pub(super) fn is_there() -> bool {
    static IS_THERE: OnceLock<bool> = OnceLock::new();
    *IS_THERE.get_or_init(|| has_tiles() && is_permitted())
}

fn has_tiles() -> bool {
    const BF16: u32 = 1 << 22;
    const TILE: u32 = 1 << 24;
    const INT8: u32 = 1 << 25;
    let needed = BF16 | TILE | INT8;
    // Leaf 7 is there if leaf 0 says so.
    __cpuid_count(0, 0).eax >= 7 && __cpuid_count(7, 0).edx & needed == needed
}

/// Asks Linux for the tile registers, of this process and all its threads.
#[cfg(target_os = "linux")]
fn is_permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const ARCH_REQ_XCOMP_PERM: u64 = 0x1023;
    const XFEATURE_XTILEDATA: u64 = 18;
    let result: i64;
    // SAFETY: a system call that takes two numbers and no memory; it overwrites rcx and r11. A
    // kernel that does not know it returns an error.
    unsafe {
        asm!(
            "syscall",
            inlateout("rax") ARCH_PRCTL => result,
            in("rdi") ARCH_REQ_XCOMP_PERM,
            in("rsi") XFEATURE_XTILEDATA,
            lateout("rcx") _,
            lateout("r11") _,
            options(nostack),
        );
    }
    result == 0
}

/// Other systems are not asked.
#[cfg(not(target_os = "linux"))]
fn is_permitted() -> bool {
    false
}

/// The sums of 32 rows and 32 columns, as bits.
#[repr(C, align(64))]
struct Sums([[u32; COLS]; 2 * ROWS]);

/// What rows are made of.
///
/// # Safety
/// A type without padding, so that every byte of it may be read.
pub(super) unsafe trait Plain: Copy {}
// SAFETY: integers have no padding.
unsafe impl Plain for u8 {}
// SAFETY: as above.
unsafe impl Plain for u32 {}

/// The rows of a product, in a form that tiles are loaded from.
pub(super) struct Tiles<'a> {
    number: Number,
    rows: &'a [u8],
    /// Bytes of a row.
    width: usize,
}

impl<'a> Tiles<'a> {
    /// Rows of `groups` groups of four bytes each, a multiple of [`STEP`].
    pub(super) fn new<T: Plain>(number: Number, rows: &'a [T], groups: usize) -> Self {
        let width = groups * 4;
        let bytes = size_of_val(rows);
        assert!(groups.is_multiple_of(STEP), "rows that are not whole steps");
        assert!(if width == 0 { bytes == 0 } else { bytes.is_multiple_of(width) }, "rows of different widths");
        // SAFETY: the memory of a slice of numbers without padding, as long as it is, read as
        // bytes.
        let rows = unsafe { std::slice::from_raw_parts(rows.as_ptr().cast::<u8>(), bytes) };
        Self { number, rows, width }
    }

    /// Calls `each` with the sums of some rows and the columns of a panel, as bits, and the number
    /// of the first of these rows, until it had all. A panel has two lines of 64 bytes for each
    /// group, 16 columns a line.
    pub(super) fn multiply<L>(&self, panel: &[L], mut each: impl FnMut(usize, &[[u32; COLS]])) {
        const { assert!(size_of::<L>() == BYTES && align_of::<L>() == BYTES) }
        assert!(size_of_val(panel) == self.width / 4 * 2 * BYTES, "a panel of another length than the rows");
        let n = self.rows.len().checked_div(self.width).unwrap_or(0);
        if n == 0 {
            return;
        }
        assert!(is_there(), "a CPU without AMX");
        let (mut sums, mut shape) = (Sums([[0; COLS]; 2 * ROWS]), None);
        for first in (0..n).step_by(2 * ROWS) {
            let rows = (n - first).min(2 * ROWS);
            let upper = rows.min(ROWS);
            if shape.replace(rows) != Some(rows) {
                // SAFETY: this CPU has tiles and the process may use them (asserted).
                unsafe { configure(upper, rows - upper) };
            }
            let at = &self.rows[first * self.width..][..rows * self.width];
            // SAFETY: this CPU has tiles and the process may use them (asserted). They are
            // configured for `upper` and `rows - upper` rows; `at` has as many, `width` bytes
            // apart, and a panel two lines for each of `width / 4` groups, both as long as `steps`
            // steps read (asserted when they came). `sums` has room for 32 rows of 32 numbers.
            unsafe {
                let place = Place {
                    rows: at.as_ptr(),
                    width: self.width,
                    panel: panel.as_ptr().cast(),
                    steps: self.width / BYTES,
                    sums: &raw mut sums.0,
                };
                match (self.number, rows > ROWS) {
                    (Number::Int8, true) => int8_of_two(place),
                    (Number::Int8, false) => int8_of_one(place),
                    (Number::Bf16, true) => bf16_of_two(place),
                    (Number::Bf16, false) => bf16_of_one(place),
                }
            }
            each(first, &sums.0[..rows]);
        }
        // SAFETY: it takes nothing and gives the tile registers back.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}

/// Gives the tiles their shapes: 0 to 3 sums, 4 and 5 rows, 6 and 7 columns. The second tile of
/// rows has none if there are none; then nothing uses it.
///
/// # Safety
/// For a CPU with tiles that the process may use ([`is_there`]), and at most 16 rows each.
unsafe fn configure(upper: usize, lower: usize) {
    #[repr(C, align(64))]
    struct Config {
        palette: u8,
        start_row: u8,
        reserved: [u8; 14],
        row_bytes: [u16; 16],
        rows: [u8; 16],
    }
    let mut config = Config { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    let shapes = [upper, upper, lower, lower, upper, lower, ROWS, ROWS];
    for (i, rows) in shapes.into_iter().enumerate().filter(|(_, rows)| *rows > 0) {
        (config.rows[i], config.row_bytes[i]) = (rows as u8, BYTES as u16);
    }
    // SAFETY: 64 bytes in the layout that the instruction reads, with shapes within its limits;
    // there are tiles, as the caller promises.
    unsafe {
        asm!("ldtilecfg [{}]", in(reg) &raw const config, options(nostack, readonly, preserves_flags));
    }
}

/// What a sum reads and writes.
struct Place {
    rows: *const u8,
    width: usize,
    panel: *const u8,
    /// 64 bytes of every row each, at least one.
    steps: usize,
    sums: *mut [[u32; COLS]; 2 * ROWS],
}

/// A function for 17 to 32 rows, and one for up to 16, of an instruction that multiplies. A line of
/// each half of a panel comes every 128 bytes, and so does a row of sums.
///
/// # Safety
/// Of both functions: the process may use tiles, and they are [configured](configure) for as many
/// rows as `rows` has, `width` bytes apart and each of `64 * steps` bytes; `panel` has
/// `2048 * steps` bytes; there is a step at least; `sums` may be written.
macro_rules! products {
    ($two:ident, $one:ident, $instruction:literal) => {
        unsafe fn $two(Place { rows, width, panel, steps, sums }: Place) {
            // SAFETY: what the caller promises (`products`).
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "tilezero tmm2",
                    "tilezero tmm3",
                    "2:",
                    "tileloadd tmm6, [{panel} + {apart}*1]",
                    "tileloadd tmm4, [{upper} + {width}*1]",
                    "tileloadd tmm7, [{panel} + {apart}*1 + 64]",
                    concat!($instruction, " tmm0, tmm4, tmm6"),
                    "tileloadd tmm5, [{lower} + {width}*1]",
                    concat!($instruction, " tmm1, tmm4, tmm7"),
                    concat!($instruction, " tmm2, tmm5, tmm6"),
                    concat!($instruction, " tmm3, tmm5, tmm7"),
                    "add {upper}, 64",
                    "add {lower}, 64",
                    "add {panel}, 2048",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {apart}*1], tmm0",
                    "tilestored [{sums} + {apart}*1 + 64], tmm1",
                    "tilestored [{sums} + {apart}*1 + 2048], tmm2",
                    "tilestored [{sums} + {apart}*1 + 2112], tmm3",
                    upper = inout(reg) rows => _,
                    lower = inout(reg) rows.add(ROWS * width) => _,
                    panel = inout(reg) panel => _,
                    steps = inout(reg) steps => _,
                    width = in(reg) width,
                    apart = in(reg) 2 * BYTES,
                    sums = in(reg) sums,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                    out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }

        unsafe fn $one(Place { rows, width, panel, steps, sums }: Place) {
            // SAFETY: what the caller promises (`products`).
            unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "2:",
                    "tileloadd tmm6, [{panel} + {apart}*1]",
                    "tileloadd tmm4, [{upper} + {width}*1]",
                    "tileloadd tmm7, [{panel} + {apart}*1 + 64]",
                    concat!($instruction, " tmm0, tmm4, tmm6"),
                    concat!($instruction, " tmm1, tmm4, tmm7"),
                    "add {upper}, 64",
                    "add {panel}, 2048",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{sums} + {apart}*1], tmm0",
                    "tilestored [{sums} + {apart}*1 + 64], tmm1",
                    upper = inout(reg) rows => _,
                    panel = inout(reg) panel => _,
                    steps = inout(reg) steps => _,
                    width = in(reg) width,
                    apart = in(reg) 2 * BYTES,
                    sums = in(reg) sums,
                    out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                    options(nostack),
                );
            }
        }
    };
}

products!(int8_of_two, int8_of_one, "tdpbusd");
products!(bf16_of_two, bf16_of_one, "tdpbf16ps");
