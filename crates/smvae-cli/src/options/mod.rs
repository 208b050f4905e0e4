//! Options that several commands share.

mod captions;
mod data;
mod device;
mod format;
mod images;
mod label_studio;
mod precision;
mod reading;
mod verify;

pub(crate) use captions::CaptionArgs;
pub(crate) use data::DataArgs;
pub(crate) use device::{DeviceArgs, NumberType};
pub(crate) use format::{ColumnArgs, FileArgs, FormatArgs, TagArgs};
pub(crate) use images::{ImageArgs, VisionArgs, set_reading};
pub(crate) use label_studio::LabelStudioArgs;
pub(crate) use precision::PrecisionArgs;
pub(crate) use reading::{ReadingArgs, WindowArgs};
pub(crate) use verify::VerifyArgs;

use serde::de::value::Error;
use serde::de::{DeserializeOwned, IntoDeserializer as _};

/// Parses the name of a choice, which is the one that config.json has; the error lists all names.
pub(crate) fn by_name<T: DeserializeOwned>(name: &str) -> Result<T, Error> {
    T::deserialize(name.into_deserializer())
}
