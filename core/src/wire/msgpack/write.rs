//! Writing: the shortest form of every value.

use super::marker;
use bytes::{BufMut, BytesMut};

pub(in crate::wire) fn none(out: &mut BytesMut) {
    out.put_u8(marker::NIL);
}

pub(in crate::wire) fn bool(out: &mut BytesMut, value: bool) {
    out.put_u8(if value { marker::TRUE } else { marker::FALSE });
}

pub(in crate::wire) fn int(out: &mut BytesMut, value: i64) {
    if value >= 0 {
        return unsigned(out, value as u64);
    }
    if value >= -32 {
        out.put_i8(value as i8);
    } else if let Ok(value) = i8::try_from(value) {
        out.put_u8(marker::INT8);
        out.put_i8(value);
    } else if let Ok(value) = i16::try_from(value) {
        out.put_u8(marker::INT16);
        out.put_i16(value);
    } else if let Ok(value) = i32::try_from(value) {
        out.put_u8(marker::INT32);
        out.put_i32(value);
    } else {
        out.put_u8(marker::INT64);
        out.put_i64(value);
    }
}

fn unsigned(out: &mut BytesMut, value: u64) {
    if value < 128 {
        out.put_u8(value as u8);
    } else if let Ok(value) = u8::try_from(value) {
        out.put_slice(&[marker::UINT8, value]);
    } else if let Ok(value) = u16::try_from(value) {
        out.put_u8(marker::UINT16);
        out.put_u16(value);
    } else if let Ok(value) = u32::try_from(value) {
        out.put_u8(marker::UINT32);
        out.put_u32(value);
    } else {
        out.put_u8(marker::UINT64);
        out.put_u64(value);
    }
}

/// Two's complement in little-endian order. msgpack has integers up to 64 bits without sign; no message holds a larger
/// one, and what is larger all the same is written as its bytes.
pub(in crate::wire) fn big_int(out: &mut BytesMut, bytes: &[u8]) {
    match bytes {
        [low @ .., 0] if low.len() == 8 => {
            let mut value = [0; 8];
            value.copy_from_slice(low);
            unsigned(out, u64::from_le_bytes(value));
        }
        _ => {
            bytes_head(out, bytes.len() as u32);
            out.put_slice(bytes);
        }
    }
}

pub(in crate::wire) fn float(out: &mut BytesMut, value: f64) {
    out.put_u8(marker::FLOAT64);
    out.put_f64(value);
}

/// The head of a bytes value whose bytes follow.
pub(in crate::wire) fn bytes_head(out: &mut BytesMut, len: u32) {
    if let Ok(len) = u8::try_from(len) {
        out.put_slice(&[marker::BIN8, len]);
    } else if let Ok(len) = u16::try_from(len) {
        out.put_u8(marker::BIN16);
        out.put_u16(len);
    } else {
        out.put_u8(marker::BIN32);
        out.put_u32(len);
    }
}

/// The head of text whose UTF-8 follows.
pub(in crate::wire) fn str_head(out: &mut BytesMut, len: u32) {
    if len < 32 {
        out.put_u8(marker::FIXSTR | len as u8);
    } else if let Ok(len) = u8::try_from(len) {
        out.put_slice(&[marker::STR8, len]);
    } else if let Ok(len) = u16::try_from(len) {
        out.put_u8(marker::STR16);
        out.put_u16(len);
    } else {
        out.put_u8(marker::STR32);
        out.put_u32(len);
    }
}

/// The head of an array whose items follow.
pub(in crate::wire) fn array_head(out: &mut BytesMut, len: usize) {
    container_head(out, len, marker::FIXARRAY, marker::ARRAY16, marker::ARRAY32);
}

/// The head of a map whose keys and values follow.
pub(in crate::wire) fn map_head(out: &mut BytesMut, len: usize) {
    container_head(out, len, marker::FIXMAP, marker::MAP16, marker::MAP32);
}

fn container_head(out: &mut BytesMut, len: usize, fixed: u8, two: u8, four: u8) {
    if len < 16 {
        out.put_u8(fixed | len as u8);
    } else if let Ok(len) = u16::try_from(len) {
        out.put_u8(two);
        out.put_u16(len);
    } else {
        out.put_u8(four);
        out.put_u32(u32::try_from(len).expect("containers of less than 4 Gi items"));
    }
}
