//! What a run that was not finished has left under the temporary name of its output: whether there
//! are answers in it, and how it is continued.

use super::losses::Losses;
use super::origin::Origin;
use super::writer::written;
use crate::failure::Usage;
use crate::output::unwritable;
use anyhow::Context as _;
use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// What becomes of the answers of a run that was not finished.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leftover {
    /// They are kept, and nothing else is begun.
    Refuse,
    /// They are continued, if they are of the same origin.
    Continue,
    /// They are dropped.
    Drop,
}

/// What an earlier run has left in a file.
#[derive(Debug, Default)]
pub(super) struct Continued {
    /// Posts that are answered.
    pub(super) posts: usize,
    /// What was counted of them.
    pub(super) losses: Losses,
}

/// Refuses the file under a temporary name if it holds answers. `is_resumable` is whether
/// `--resume` can continue them.
pub(super) fn refuse_answers(file: &mut File, temporary: &Path, is_resumable: bool) -> anyhow::Result<()> {
    let name = temporary.display();
    if !holds_answers(file).with_context(|| format!("cannot read {name}"))? {
        return Ok(());
    }
    let ways = if is_resumable {
        "--resume continues it, --overwrite drops it"
    } else {
        "keep it under another name, or --overwrite drops it"
    };
    Err(Usage(format!("{name} holds the answers of a run that was not finished: {ways}")).into())
}

/// What is left of a run of this origin, which lies beside it in `recorded`; the file is cut after
/// its last whole record. `None` where nothing is left.
pub(super) fn continued(
    file: &mut File,
    temporary: &Path,
    recorded: &Path,
    origin: &Origin,
) -> anyhow::Result<Option<Continued>> {
    if file.metadata().map_or(0, |found| found.len()) == 0 {
        return Ok(None);
    }
    let name = temporary.display();
    if let Some(difference) = origin.differs_from(recorded)? {
        let message = format!("{name} cannot be continued: {difference}. --overwrite drops it and begins anew");
        return Err(Usage(message).into());
    }
    let (mut continued, mut length) = (Continued::default(), 0);
    let mut bytes = BufReader::new(&mut *file);
    while let Some(record) = written(&mut bytes, &mut continued.losses)
        .with_context(|| format!("{name} cannot be continued. --overwrite drops it and begins anew"))?
    {
        length += record;
        continued.posts += 1;
    }
    file.set_len(length).and_then(|()| file.seek(SeekFrom::Start(length))).with_context(|| unwritable(temporary))?;
    Ok(Some(continued))
}

/// Whether a file that was left holds an answer. One that ends within its first line does not, nor
/// does an Arrow stream behind its schema, nor Parquet without its end, which nothing reads.
fn holds_answers(file: &mut File) -> io::Result<bool> {
    file.rewind()?;
    let mut start = Vec::new();
    (&mut *file).take(8).read_to_end(&mut start)?;
    match start.as_slice() {
        [b'P', b'A', b'R', b'1', ..] => {
            let mut end = [0; 4];
            file.seek(SeekFrom::End(-4))?;
            file.read_exact(&mut end)?;
            Ok(end == *b"PAR1" && file.metadata()?.len() > 8)
        }
        // An Arrow stream: a mark and the length of the schema, then the schema, then the same of
        // the first rows. The length 0 is its end.
        [0xff, 0xff, 0xff, 0xff, length @ ..] => {
            let Ok(length) = <[u8; 4]>::try_from(length) else { return Ok(false) };
            file.seek(SeekFrom::Current(u32::from_le_bytes(length).into()))?;
            let mut next = Vec::new();
            (&mut *file).take(8).read_to_end(&mut next)?;
            Ok(next.len() == 8 && next[4..] != [0; 4])
        }
        _ => {
            file.rewind()?;
            let mut line = Vec::new();
            BufReader::new(&mut *file).read_until(b'\n', &mut line)?;
            Ok(line.ends_with(b"\n"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beginning_is_no_answer() {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let schema = b"\xff\xff\xff\xff\x08\0\0\0--schema".as_slice();
        for (bytes, want) in [
            (b"".to_vec(), false),
            (b"{\"id\": 1, \"te".to_vec(), false),
            (b"{\"id\": 1}\n".to_vec(), true),
            (b"\xff\xff\xff\xff\x08".to_vec(), false),
            (schema.to_vec(), false),
            ([schema, b"\xff\xff\xff\xff\0\0\0\0"].concat(), false),
            ([schema, b"\xff\xff\xff\xff\x10\0\0\0rows"].concat(), true),
            (b"PAR1rows".to_vec(), false),
            (b"PAR1rowsPAR1".to_vec(), true),
        ] {
            let path = dir.path().join("left");
            std::fs::write(&path, &bytes).expect("writable");
            let mut file = File::open(&path).expect("it was written");
            assert_eq!(holds_answers(&mut file).expect("readable"), want, "{bytes:?}");
        }
    }
}
