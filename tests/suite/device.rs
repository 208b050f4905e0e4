//! The device the suite runs on: `SMVAE_DEVICE`, with the names of `--device`; the CPU where it is
//! not set.

use smvae_core::candle_core::Device;
use smvae_encoders::device;
use std::sync::OnceLock;

/// The device of this run of the suite, opened once: candle takes a GPU that was opened twice for
/// two.
pub(crate) fn device() -> Device {
    static DEVICE: OnceLock<Device> = OnceLock::new();
    let open = || {
        let choice = std::env::var("SMVAE_DEVICE").unwrap_or_else(|_| "cpu".to_owned());
        device::open(choice.parse().expect("SMVAE_DEVICE names a device")).expect("the device SMVAE_DEVICE names")
    };
    DEVICE.get_or_init(open).clone()
}
