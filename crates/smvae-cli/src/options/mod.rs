//! Options that several commands share.

mod data;
mod device;
mod images;

pub(crate) use data::DataArgs;
pub(crate) use device::{DeviceArgs, NumberType};
pub(crate) use images::{ImageArgs, VisionArgs};
