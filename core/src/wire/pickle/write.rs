//! Protocol 3 as `zodbpickle`'s pickler with `fast` set writes it: the shortest opcode for every value, no memo.

use super::opcode as op;
use bytes::{BufMut, BytesMut};

/// Items that one `APPENDS` or `SETITEMS` takes.
pub(in crate::wire) const BATCH: usize = 1000;

pub(in crate::wire) fn start(out: &mut BytesMut) {
    out.put_slice(&[op::PROTO, 3]);
}

pub(in crate::wire) fn finish(out: &mut BytesMut) {
    out.put_u8(op::STOP);
}

pub(in crate::wire) fn none(out: &mut BytesMut) {
    out.put_u8(op::NONE);
}

pub(in crate::wire) fn bool(out: &mut BytesMut, value: bool) {
    out.put_u8(if value { op::NEWTRUE } else { op::NEWFALSE });
}

pub(in crate::wire) fn int(out: &mut BytesMut, value: i64) {
    if let Ok(byte) = u8::try_from(value) {
        out.put_slice(&[op::BININT1, byte]);
    } else if let Ok(short) = u16::try_from(value) {
        out.put_u8(op::BININT2);
        out.put_u16_le(short);
    } else if let Ok(int) = i32::try_from(value) {
        out.put_u8(op::BININT);
        out.put_i32_le(int);
    } else {
        let bytes = value.to_le_bytes();
        big_int(out, &bytes[..super::text::trimmed(&bytes)]);
    }
}

/// Two's complement in little-endian order, without needless bytes.
pub(in crate::wire) fn big_int(out: &mut BytesMut, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(len) => out.put_slice(&[op::LONG1, len]),
        Err(_) => {
            out.put_u8(op::LONG4);
            out.put_u32_le(bytes.len() as u32);
        }
    }
    out.put_slice(bytes);
}

pub(in crate::wire) fn float(out: &mut BytesMut, value: f64) {
    out.put_u8(op::BINFLOAT);
    out.put_f64(value);
}

/// The head of a bytes value whose bytes follow.
pub(in crate::wire) fn bytes_head(out: &mut BytesMut, len: u32) {
    match u8::try_from(len) {
        Ok(len) => out.put_slice(&[op::SHORT_BINBYTES, len]),
        Err(_) => {
            out.put_u8(op::BINBYTES);
            out.put_u32_le(len);
        }
    }
}

/// The head of text whose UTF-8 follows.
pub(in crate::wire) fn str_head(out: &mut BytesMut, len: u32) {
    out.put_u8(op::BINUNICODE);
    out.put_u32_le(len);
}

/// What precedes a tuple's items.
pub(in crate::wire) fn tuple_open(out: &mut BytesMut, len: usize) {
    if len > 3 {
        out.put_u8(op::MARK);
    }
}

/// What follows a tuple's items.
pub(in crate::wire) fn tuple_close(out: &mut BytesMut, len: usize) {
    out.put_u8(match len {
        0 => op::EMPTY_TUPLE,
        1 => op::TUPLE1,
        2 => op::TUPLE2,
        3 => op::TUPLE3,
        _ => op::TUPLE,
    });
}

pub(in crate::wire) fn list_open(out: &mut BytesMut) {
    out.put_u8(op::EMPTY_LIST);
}

/// What precedes item `at` of a list of `len`.
pub(in crate::wire) fn list_before(out: &mut BytesMut, len: usize, at: usize) {
    if len > 1 && at.is_multiple_of(BATCH) {
        out.put_u8(op::MARK);
    }
}

/// What follows item `at` of a list of `len`.
pub(in crate::wire) fn list_after(out: &mut BytesMut, len: usize, at: usize) {
    if len == 1 {
        out.put_u8(op::APPEND);
    } else if at + 1 == len || (at + 1).is_multiple_of(BATCH) {
        out.put_u8(op::APPENDS);
    }
}

pub(in crate::wire) fn dict_open(out: &mut BytesMut) {
    out.put_u8(op::EMPTY_DICT);
}

/// What precedes pair `at` of a dictionary of `len`.
pub(in crate::wire) fn dict_before(out: &mut BytesMut, len: usize, at: usize) {
    if len > 1 && at.is_multiple_of(BATCH) {
        out.put_u8(op::MARK);
    }
}

/// What follows pair `at` of a dictionary of `len`.
pub(in crate::wire) fn dict_after(out: &mut BytesMut, len: usize, at: usize) {
    let last = at + 1 == len;
    let full = (at + 1).is_multiple_of(BATCH);
    if len == 1 {
        out.put_u8(op::SETITEM);
    } else if last || full {
        out.put_u8(op::SETITEMS);
        if last && full {
            // Python's dictionary loop ends with the first batch that is not full, be it empty.
            out.put_slice(&[op::MARK, op::SETITEMS]);
        }
    }
}

/// What precedes the list that a set is made of.
pub(in crate::wire) fn set_open(out: &mut BytesMut) {
    out.put_u8(op::GLOBAL);
    out.put_slice(b"builtins\nset\n");
}

/// What follows the list that a set is made of.
pub(in crate::wire) fn set_close(out: &mut BytesMut) {
    out.put_slice(&[op::TUPLE1, op::REDUCE]);
}

/// What precedes the state of an object that is made without arguments.
pub(in crate::wire) fn object_open(out: &mut BytesMut, module: &str, class: &str) {
    out.put_u8(op::GLOBAL);
    for name in [module, class] {
        out.put_slice(name.as_bytes());
        out.put_u8(b'\n');
    }
    out.put_slice(&[op::EMPTY_TUPLE, op::NEWOBJ]);
}

/// What follows the state of such an object.
pub(in crate::wire) fn object_close(out: &mut BytesMut) {
    out.put_u8(op::BUILD);
}
