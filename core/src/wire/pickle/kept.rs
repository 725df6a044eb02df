//! Protocol 3 as Python's pickler writes what is kept: every value that could come again gets a number in the memo.
//!
//! Values that came in a message are all different objects to Python, equal ones too, but for the shortest texts and bytes:
//! of those there is one object each, and only its number is written from the second time on.

use super::{opcode as op, write};
use crate::wire::tree::Owned;
use bytes::{BufMut, BytesMut};
use std::collections::BTreeMap;

/// The pickle of a value, as a storage keeps it.
pub(in crate::wire) fn kept(value: &Owned) -> Vec<u8> {
    let mut pen = Pen { out: BytesMut::new(), memo: 0, shared: BTreeMap::new() };
    write::start(&mut pen.out);
    pen.value(value);
    write::finish(&mut pen.out);
    pen.out.into()
}

struct Pen {
    out: BytesMut,
    /// The next number.
    memo: u32,
    /// The numbers of texts and bytes of which there is only one object.
    shared: BTreeMap<(bool, Vec<u8>), u32>,
}

impl Pen {
    fn value(&mut self, value: &Owned) {
        match value {
            Owned::None => write::none(&mut self.out),
            Owned::Bool(value) => write::bool(&mut self.out, *value),
            Owned::Int(value) => write::int(&mut self.out, *value),
            Owned::BigInt(bytes) => write::big_int(&mut self.out, bytes),
            Owned::Float(value) => write::float(&mut self.out, *value),
            Owned::Bytes(bytes) => self.string(false, bytes, bytes.len() <= 1),
            Owned::Str(text) => {
                let mut chars = text.chars();
                let one_object = chars.next().is_none_or(|c| u32::from(c) < 256) && chars.next().is_none();
                self.string(true, text.as_bytes(), one_object);
            }
            Owned::Surrogates(text) => self.string(true, text, false),
            Owned::Tuple(items) => {
                write::tuple_open(&mut self.out, items.len());
                items.iter().for_each(|item| self.value(item));
                write::tuple_close(&mut self.out, items.len());
                if !items.is_empty() {
                    self.memoize();
                }
            }
            Owned::List(items) => self.list(items),
            Owned::Dict(pairs) => {
                write::dict_open(&mut self.out);
                self.memoize();
                for (at, (key, value)) in pairs.iter().enumerate() {
                    write::dict_before(&mut self.out, pairs.len(), at);
                    self.value(key);
                    self.value(value);
                    write::dict_after(&mut self.out, pairs.len(), at);
                }
            }
            Owned::Set(items) => {
                write::set_open(&mut self.out);
                self.memoize();
                self.list(items);
                self.out.put_u8(op::TUPLE1);
                self.memoize();
                self.out.put_u8(op::REDUCE);
                self.memoize();
            }
        }
    }

    fn list(&mut self, items: &[Owned]) {
        write::list_open(&mut self.out);
        self.memoize();
        for (at, item) in items.iter().enumerate() {
            write::list_before(&mut self.out, items.len(), at);
            self.value(item);
            write::list_after(&mut self.out, items.len(), at);
        }
    }

    fn string(&mut self, is_text: bool, bytes: &[u8], one_object: bool) {
        let key = (is_text, bytes.to_vec());
        if let Some(&number) = self.shared.get(&key).filter(|_| one_object) {
            return self.numbered(op::BINGET, op::LONG_BINGET, number);
        }
        let len = u32::try_from(bytes.len()).expect("a part of a message");
        if is_text {
            write::str_head(&mut self.out, len);
        } else {
            write::bytes_head(&mut self.out, len);
        }
        self.out.put_slice(bytes);
        if one_object {
            self.shared.insert(key, self.memo);
        }
        self.memoize();
    }

    fn memoize(&mut self) {
        self.numbered(op::BINPUT, op::LONG_BINPUT, self.memo);
        self.memo += 1;
    }

    fn numbered(&mut self, short: u8, long: u8, number: u32) {
        match u8::try_from(number) {
            Ok(number) => self.out.put_slice(&[short, number]),
            Err(_) => {
                self.out.put_u8(long);
                self.out.put_u32_le(number);
            }
        }
    }
}
