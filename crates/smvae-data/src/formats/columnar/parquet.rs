//! Parquet files. A file ends with its directory, so that what is not a file is read as a whole
//! first.

use super::{BatchReader, Form, columns, guarded};
use crate::formats::post::LabelUse;
use crate::{Error, Result};
use ::parquet::arrow::ProjectionMask;
use ::parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};
use ::parquet::file::reader::ChunkReader;
use std::path::PathBuf;

/// Rows that are read at once.
const BATCH_ROWS: usize = 1024;

/// Streams the posts of a Parquet file.
pub(crate) type ParquetPosts = BatchReader<ParquetRecordBatchReader>;

/// Reads a file, or the bytes of one. Columns that are not read stay unread on the disk.
///
/// # Errors
/// [`Error::Read`] if it is not a Parquet file, [`Error::Columns`] if it has no posts.
pub(crate) fn posts<F: ChunkReader + 'static>(file: F, path: PathBuf, labels: LabelUse) -> Result<ParquetPosts> {
    let builder = guarded(&path, || Ok(ParquetRecordBatchReaderBuilder::try_new(file)?))?;
    let wanted = columns(builder.schema(), labels).map_err(|(expected, got)| Error::Columns {
        path: path.clone(),
        expected,
        got,
    })?;
    // A projection loses it.
    let metadata = builder.schema().metadata().clone();
    let batches = guarded(&path, || {
        let parquet = builder.parquet_schema();
        let is_wanted = |leaf: &usize| {
            let root = parquet.get_column_root_idx(*leaf);
            let leaf = parquet.column(*leaf);
            let field = leaf.path().parts().get(1).map(String::as_str);
            wanted.iter().any(|column| match column.form {
                // Without the bytes of the image beside it.
                Form::Path(_) => column.index == root && field == Some("path"),
                _ => column.index == root,
            })
        };
        let leaves: Vec<usize> = (0..parquet.num_columns()).filter(is_wanted).collect();
        let mask = ProjectionMask::leaves(parquet, leaves);
        Ok(builder.with_projection(mask).with_batch_size(BATCH_ROWS).build()?)
    })?;
    let schema = ::arrow_array::RecordBatchReader::schema(&batches).as_ref().clone().with_metadata(metadata);
    BatchReader::new(batches, &schema, path, labels)
}
