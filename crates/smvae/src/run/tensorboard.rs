//! The epochs of a run as an event file that TensorBoard reads, beside `metrics.jsonl` and with the
//! same numbers.
//!
//! A file of events is a sequence of TFRecords, each a length, a message and their checksums; a
//! message is an `Event` of TensorFlow in protocol buffers, of which this writes five fields by
//! hand:
//!
//! ```text
//! record = u64 length, u32 masked(crc32c(length)), message, u32 masked(crc32c(message))    little-endian
//! Event  { 1: double wall_time, 2: int64 step, 3: string file_version, 5: Summary { 1: Value { 1: tag, 2: float } } }
//! ```
//! TensorBoard follows a file while it grows, so records are appended. When a run is resumed, those
//! of epochs that are trained again are cut off first, so that no step is there twice.

use crate::error::{Error, Result};
use crate::run::record::EpochRecord;
use smvae_core::step::TermMeans;
use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What stands in the first record of every file of events.
const VERSION: &str = "brain.Event:2";

/// A file of events, open at its end.
pub(crate) struct EventFile {
    file: File,
    path: PathBuf,
}

impl EventFile {
    /// The file at `path` with the events of these records and no others, made if it is not there.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Write`].
    pub(crate) fn open(path: &Path, records: &[EpochRecord]) -> Result<Self> {
        let fault = |source| Error::Write { path: path.to_owned(), source };
        let there = if path.exists() { std::fs::read(path) } else { Ok(Vec::new()) };
        let there = there.map_err(|source| Error::Read { path: path.to_owned(), source })?;
        let end = records.last().map_or(0, |record| record.step as u64);
        let (kept, last) = keep(&there, end);
        let mut file = OpenOptions::new().write(true).create(true).truncate(false).open(path).map_err(fault)?;
        file.set_len(kept as u64).and_then(|()| file.seek(SeekFrom::End(0)).map(|_| ())).map_err(fault)?;
        let mut events = Self { file, path: path.to_owned() };
        if kept == 0 {
            let mut event = Vec::new();
            double(&mut event, 1, now());
            bytes(&mut event, 3, VERSION.as_bytes());
            events.write(&event)?;
        }
        // Those of a run that was begun without a file of events.
        records.iter().filter(|record| record.step as u64 > last).try_for_each(|record| events.add(record))?;
        Ok(events)
    }

    /// Appends an epoch.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub(crate) fn add(&mut self, record: &EpochRecord) -> Result<()> {
        let mut summary = Vec::new();
        for (tag, number) in numbers(record) {
            let mut value = Vec::new();
            bytes(&mut value, 1, tag.as_bytes());
            value.push(2 << 3 | 5);
            value.extend((number as f32).to_le_bytes());
            bytes(&mut summary, 1, &value);
        }
        let mut event = Vec::new();
        double(&mut event, 1, now());
        event.push(2 << 3);
        varint(&mut event, record.step as u64);
        bytes(&mut event, 5, &summary);
        self.write(&event)
    }

    fn write(&mut self, message: &[u8]) -> Result<()> {
        let write = self.file.write_all(&frame(message));
        write.map_err(|source| Error::Write { path: self.path.clone(), source })
    }
}

/// What is told of an epoch, by its place on TensorBoard's page. Scores are percentages.
fn numbers(record: &EpochRecord) -> Vec<(String, f64)> {
    let (train, timing) = (&record.train, &record.timing);
    let mut numbers = vec![
        ("train/loss".to_owned(), train.loss),
        ("train/ce".to_owned(), train.ce),
        ("train/soft_ce".to_owned(), train.soft_ce),
        ("train/disagreement".to_owned(), train.disagreement),
        ("train/mask".to_owned(), train.mask),
        ("train/grad_norm".to_owned(), train.grad_norm),
        ("rate/encoder".to_owned(), record.encoder_lr),
        ("rate/head".to_owned(), record.head_lr),
        ("speed/posts_per_second".to_owned(), timing.posts_per_second),
    ];
    numbers.extend(timing.peak_memory_mib.map(|mib| ("speed/peak_memory_mib".to_owned(), mib)));
    for (posts, terms) in [("labelled", &train.labelled), ("unlabelled", &train.unlabelled)] {
        let TermMeans { mse_text, mse_image, kl_text, kl_image, kl_fused, .. } = *terms;
        let terms = [
            ("mse_text", mse_text),
            ("mse_image", mse_image),
            ("kl_text", kl_text),
            ("kl_image", kl_image),
            ("kl_fused", kl_fused),
        ];
        numbers.extend(terms.map(|(term, number)| (format!("{posts}/{term}"), number)));
    }
    if let Some(dev) = &record.dev {
        let all = dev.overall;
        let scores = [("precision", all.precision()), ("recall", all.recall()), ("f1", all.f1())];
        numbers.extend(scores.map(|(score, number)| (format!("dev/{score}"), number)));
        numbers.extend(dev.types.iter().map(|(label, counts)| (format!("dev_f1/{label}"), counts.f1())));
        numbers.push(("dev/outside_bias".to_owned(), f64::from(record.outside_bias)));
    }
    numbers
}

/// How many bytes of a file are whole records of steps up to `end`, and the last of these steps.
fn keep(file: &[u8], end: u64) -> (usize, u64) {
    let (mut kept, mut last) = (0, 0);
    while let Some(message) = message_at(&file[kept..]) {
        let step = step_of(message);
        if step > end {
            break;
        }
        (kept, last) = (kept + frame_length(message), step);
    }
    (kept, last)
}

/// The message of the record at the beginning of these bytes. `None` if there is no whole one.
fn message_at(bytes: &[u8]) -> Option<&[u8]> {
    let length = bytes.get(..8)?;
    let n = usize::try_from(u64::from_le_bytes(length.try_into().ok()?)).ok()?;
    let message = bytes.get(12..)?.get(..n)?;
    let is_whole = bytes.get(..n.checked_add(16)?)? == frame(message);
    is_whole.then_some(message)
}

/// The step of an event that this file wrote, 0 for the first record.
fn step_of(message: &[u8]) -> u64 {
    let Some((tag, rest)) = message.get(9..).and_then(<[u8]>::split_first) else { return 0 };
    if *tag != 2 << 3 {
        return 0;
    }
    let digits = rest.iter().take(10).scan(true, |more, byte| {
        let this = *more;
        *more = byte & 0x80 != 0;
        this.then_some(u64::from(byte & 0x7f))
    });
    digits.enumerate().fold(0, |step, (i, digit)| step | digit << (7 * i))
}

fn frame_length(message: &[u8]) -> usize {
    message.len() + 16
}

/// A message as a record.
fn frame(message: &[u8]) -> Vec<u8> {
    let length = (message.len() as u64).to_le_bytes();
    let mut record = Vec::with_capacity(frame_length(message));
    record.extend(length);
    record.extend(masked(crc32c(&length)).to_le_bytes());
    record.extend(message);
    record.extend(masked(crc32c(message)).to_le_bytes());
    record
}

/// The checksum of a record: rotated and shifted, since a checksum of what holds checksums is weak.
fn masked(crc: u32) -> u32 {
    crc.rotate_right(15).wrapping_add(0xa282_ead8)
}

/// CRC-32C (Castagnoli), bit by bit: a record has a kilobyte, once per epoch.
fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| (crc >> 1) ^ (0x82f6_3b78 & (crc & 1).wrapping_neg()))
    })
}

fn now() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64())
}

/// Appends a field of protocol buffers that is a double.
fn double(message: &mut Vec<u8>, field: u8, number: f64) {
    message.push(field << 3 | 1);
    message.extend(number.to_le_bytes());
}

/// Appends a field of protocol buffers that is text or a message.
fn bytes(message: &mut Vec<u8>, field: u8, content: &[u8]) {
    message.push(field << 3 | 2);
    varint(message, content.len() as u64);
    message.extend(content);
}

fn varint(message: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        message.push(number as u8 | 0x80);
        number >>= 7;
    }
    message.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::record::Timing;
    use smvae_core::step::StepReport;

    fn record(epoch: usize) -> EpochRecord {
        EpochRecord {
            epoch,
            step: epoch * 200,
            train: StepReport::default(),
            encoder_lr: 5e-5,
            head_lr: 1e-3,
            dev: None,
            best: false,
            outside_bias: 0.0,
            timing: Timing::default(),
        }
    }

    #[test]
    fn checksums_are_those_of_the_standards() {
        // RFC 3720, B.4, and the check value of the catalogue of CRCs.
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
        // How the files of TensorFlow begin: a first record of 24 bytes.
        let begin = [0x18, 0, 0, 0, 0, 0, 0, 0, 0xa3, 0x7f, 0x4b, 0x22];
        assert_eq!(frame(&[0; 24])[..12], begin);
    }

    #[test]
    fn the_first_record_says_the_version() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("events");
        EventFile::open(&path, &[]).expect("writable");
        let file = std::fs::read(&path).expect("written");
        let message = message_at(&file).expect("a record");
        assert_eq!((file.len(), message.len()), (40, 24));
        assert_eq!(message[9..], *b"\x1a\x0dbrain.Event:2");
    }

    #[test]
    fn no_step_is_there_twice() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("events");
        let records: Vec<_> = (1..=4).map(record).collect();
        let steps = || {
            let file = std::fs::read(&path).expect("written");
            let (mut at, mut steps) = (0, Vec::new());
            while let Some(message) = message_at(&file[at..]) {
                steps.push(step_of(message));
                at += frame_length(message);
            }
            assert_eq!(at, file.len(), "nothing else is in the file");
            steps
        };
        // A run that was begun without events has them all.
        let mut events = EventFile::open(&path, &records[..2]).expect("writable");
        events.add(&records[2]).expect("writable");
        assert_eq!(steps(), [0, 200, 400, 600]);
        // It is resumed at its first epoch, after a kill that left half a record.
        std::fs::write(&path, [std::fs::read(&path).expect("written"), vec![9; 7]].concat()).expect("writable");
        let before = std::fs::read(&path).expect("written");
        let mut events = EventFile::open(&path, &records[..1]).expect("writable");
        records[1..].iter().for_each(|record| events.add(record).expect("writable"));
        assert_eq!(steps(), [0, 200, 400, 600, 800]);
        let kept = before.len() / 4;
        assert_eq!(std::fs::read(&path).expect("written")[..kept], before[..kept], "times stay as they were");
        // What is no file of events is begun anew.
        std::fs::write(&path, "text").expect("writable");
        EventFile::open(&path, &records[..1]).expect("writable");
        assert_eq!(steps(), [0, 200]);
    }
}
