//! Cells of Arrow's columns as JSON: strings, integers, floating-point numbers, booleans, and lists
//! and structs of them. What JSON cannot say exactly (dates, decimals, binary data) is not read.

use arrow_array::cast::AsArray;
use arrow_array::types::*;
use arrow_array::{Array, downcast_dictionary_array};
use arrow_schema::{DataType, Field};
use std::fmt::Write as _;

/// Whether a column is text, however it is laid out.
pub(super) fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => true,
        DataType::Dictionary(_, values) => matches!(**values, DataType::Utf8 | DataType::LargeUtf8),
        _ => false,
    }
}

/// Whether a column is a list of something.
pub(super) fn is_list(kind: &DataType, of: impl Fn(&DataType) -> bool) -> bool {
    matches!(element(kind), Some(element) if of(element.data_type()))
}

/// What a column that is a list holds.
pub(super) fn element(kind: &DataType) -> Option<&Field> {
    match kind {
        DataType::List(element) | DataType::LargeList(element) | DataType::FixedSizeList(element, _) => Some(element),
        _ => None,
    }
}

/// Whether [`write_json`] has a form for the cells of a column. A struct has one if any of its
/// fields has.
pub(super) fn is_readable(kind: &DataType) -> bool {
    match kind {
        DataType::Null | DataType::Boolean | DataType::Float32 | DataType::Float64 => true,
        DataType::Struct(fields) => fields.iter().any(|field| is_readable(field.data_type())),
        kind => kind.is_integer() || is_text(kind) || is_list(kind, is_readable),
    }
}

/// Writes a cell as JSON. Not-a-number and infinity, which JSON does not have, are `null`, as in
/// pandas; fields of a struct that have no form are left out.
pub(super) fn write_json(column: &dyn Array, row: usize, out: &mut String) {
    if column.is_null(row) {
        return out.push_str("null");
    }
    match column.data_type() {
        DataType::Utf8 => write_text(column.as_string::<i32>().value(row), out),
        DataType::LargeUtf8 => write_text(column.as_string::<i64>().value(row), out),
        DataType::Utf8View => write_text(column.as_string_view().value(row), out),
        DataType::Boolean => write_plain(column.as_boolean().value(row), out),
        DataType::Int8 => write_plain(column.as_primitive::<Int8Type>().value(row), out),
        DataType::Int16 => write_plain(column.as_primitive::<Int16Type>().value(row), out),
        DataType::Int32 => write_plain(column.as_primitive::<Int32Type>().value(row), out),
        DataType::Int64 => write_plain(column.as_primitive::<Int64Type>().value(row), out),
        DataType::UInt8 => write_plain(column.as_primitive::<UInt8Type>().value(row), out),
        DataType::UInt16 => write_plain(column.as_primitive::<UInt16Type>().value(row), out),
        DataType::UInt32 => write_plain(column.as_primitive::<UInt32Type>().value(row), out),
        DataType::UInt64 => write_plain(column.as_primitive::<UInt64Type>().value(row), out),
        DataType::Float32 => write_number(&column.as_primitive::<Float32Type>().value(row), out),
        DataType::Float64 => write_number(&column.as_primitive::<Float64Type>().value(row), out),
        DataType::List(_) => write_list(&column.as_list::<i32>().value(row), out),
        DataType::LargeList(_) => write_list(&column.as_list::<i64>().value(row), out),
        DataType::FixedSizeList(..) => write_list(&column.as_fixed_size_list().value(row), out),
        DataType::Dictionary(..) => downcast_dictionary_array!(
            column => match column.key(row) {
                Some(key) => write_json(column.values(), key, out),
                None => out.push_str("null"),
            },
            _ => out.push_str("null"),
        ),
        DataType::Struct(fields) => {
            let column = column.as_struct();
            let readable = fields.iter().zip(column.columns()).filter(|(field, _)| is_readable(field.data_type()));
            out.push('{');
            for (i, (field, values)) in readable.enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_text(field.name(), out);
                out.push(':');
                write_json(values, row, out);
            }
            out.push('}');
        }
        _ => out.push_str("null"),
    }
}

/// Whether a column is of floating-point numbers that are read.
pub(super) fn is_float(kind: &DataType) -> bool {
    matches!(kind, DataType::Float32 | DataType::Float64)
}

/// Writes a cell of a column of ids as JSON: as [`write_json`] does, but floating-point numbers
/// that are whole as integers. Programs make them of integers with nulls between them.
///
/// # Errors
/// For a whole number that may have been another one before it was rounded: the number of bits up
/// to which its type has all integers. It is then written as [`write_json`] does.
pub(super) fn write_id(column: &dyn Array, row: usize, out: &mut String) -> Result<(), u32> {
    let (number, bits) = match column.data_type() {
        DataType::Float32 if column.is_valid(row) => {
            (f64::from(column.as_primitive::<Float32Type>().value(row)), f32::MANTISSA_DIGITS)
        }
        DataType::Float64 if column.is_valid(row) => {
            (column.as_primitive::<Float64Type>().value(row), f64::MANTISSA_DIGITS)
        }
        _ => (f64::NAN, 0),
    };
    let is_whole = number.fract() == 0.0;
    // The limit itself is also what the number after it is rounded to.
    if is_whole && number.abs() < (1_u64 << bits) as f64 {
        write_plain(number as i64, out);
        return Ok(());
    }
    write_json(column, row, out);
    if is_whole { Err(bits) } else { Ok(()) }
}

fn write_list(values: &dyn Array, out: &mut String) {
    out.push('[');
    for i in 0..values.len() {
        if i > 0 {
            out.push(',');
        }
        write_json(values, i, out);
    }
    out.push(']');
}

fn write_plain(value: impl std::fmt::Display, out: &mut String) {
    write!(out, "{value}").expect("writing to a String cannot fail");
}

fn write_number(value: &impl serde::Serialize, out: &mut String) {
    out.push_str(&serde_json::to_string(value).expect("a number has a JSON form"));
}

/// Writes a text as a JSON string.
pub(super) fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::to_string(text).expect("a string has a JSON form"));
}
