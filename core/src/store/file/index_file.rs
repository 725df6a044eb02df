//! Data.fs.index: Python's snapshot of the index, as `fsIndex.save` writes and `fsIndex.load` reads it.
//!
//! A row of pickles (protocol 3, no memo): the position of the log it was saved at; then for every 65,536 oids a pair
//! of the six upper bytes of the oid and a bucket, which is the two lower bytes of every oid in order, followed by the
//! six-byte positions in the same order; then `None`.

use crate::ids::Oid;
use crate::limits;
use crate::store::disk::Span;
use crate::store::file::format::{Broken, FIRST};
use crate::store::file::index::{Index, SizeClass};
use crate::store::file::view::{Need, View, Walk, damaged};
use bytes::{BufMut, Bytes, BytesMut};

const PROTO: u8 = 0x80;
const STOP: u8 = b'.';
const NONE: u8 = b'N';
const TUPLE2: u8 = 0x86;
const BININT1: u8 = b'K';
const BININT2: u8 = b'M';
const BININT: u8 = b'J';
const LONG1: u8 = 0x8a;
const SHORT_BINBYTES: u8 = b'C';
const BINBYTES: u8 = b'B';
/// What Python 2 wrote for bytes.
const SHORT_BINSTRING: u8 = b'U';
const BINSTRING: u8 = b'T';
/// Notes of a pickler that was not told to be fast; nothing in these pickles refers to them.
const BINPUT: u8 = b'q';
const LONG_BINPUT: u8 = b'r';

/// Bytes of an object in a bucket: two of the oid, six of the position.
const OF_OBJECT: usize = 8;

/// The contents of an index file for a log whose last transaction ends at `end`, in chunks.
pub fn encode(index: &Index, end: u64) -> Vec<Bytes> {
    let mut chunks = vec![head(end)];
    let mut from = index.first_from(Oid::ZERO);
    while let Some(oid) = from {
        let chunk;
        (chunk, from) = bucket(index, oid);
        chunks.push(chunk);
    }
    chunks.push(tail());
    chunks
}

/// The first chunk of these contents.
pub fn head(end: u64) -> Bytes {
    encode_position(end)
}

/// The chunk that tells of the objects from `from` on, and with which object the next one begins; `None`: there are no
/// more objects.
pub fn bucket(index: &Index, from: Oid) -> (Bytes, Option<Oid>) {
    let mut objects = index.iter_from(from).peekable();
    let prefix = from.0 >> 16;
    let (mut keys, mut values) = (Vec::new(), Vec::new());
    while let Some((oid, entry)) = objects.next_if(|(oid, _)| oid.0 >> 16 == prefix) {
        keys.extend_from_slice(&oid.bytes()[6..]);
        values.extend_from_slice(&entry.at.to_be_bytes()[2..]);
    }
    (encode_bucket(prefix, &keys, &values), objects.peek().map(|(oid, _)| *oid))
}

/// The last chunk.
pub fn tail() -> Bytes {
    Bytes::from_static(&[PROTO, 3, NONE, STOP])
}

fn encode_position(end: u64) -> Bytes {
    let mut out = BytesMut::with_capacity(16);
    out.put_slice(&[PROTO, 3]);
    if let Ok(small) = u8::try_from(end) {
        out.put_slice(&[BININT1, small]);
    } else if let Ok(small) = u16::try_from(end) {
        out.put_u8(BININT2);
        out.put_u16_le(small);
    } else if let Ok(small) = i32::try_from(end) {
        out.put_u8(BININT);
        out.put_i32_le(small);
    } else {
        // As few bytes as hold the number and its sign.
        let len = (64 - end.leading_zeros() as usize) / 8 + 1;
        out.put_slice(&[LONG1, len as u8]);
        out.put_slice(&u128::from(end).to_le_bytes()[..len]);
    }
    out.put_u8(STOP);
    out.freeze()
}

fn encode_bucket(prefix: u64, keys: &[u8], values: &[u8]) -> Bytes {
    let len = keys.len() + values.len();
    let mut out = BytesMut::with_capacity(len + 20);
    out.put_slice(&[PROTO, 3, SHORT_BINBYTES, 6]);
    out.put_slice(&prefix.to_be_bytes()[2..]);
    match u8::try_from(len) {
        Ok(short) => out.put_slice(&[SHORT_BINBYTES, short]),
        Err(_) => {
            out.put_u8(BINBYTES);
            out.put_u32_le(len as u32);
        }
    }
    out.put_slice(keys);
    out.put_slice(values);
    out.put_slice(&[TUPLE2, STOP]);
    out.freeze()
}

/// The walk that reads an index file, one pickle a step. Strict: whatever Python would not have written makes the
/// whole index worthless, for half an index is none.
#[derive(Debug, Default)]
pub struct IndexWalk {
    /// Where the next pickle starts.
    at: u64,
    /// The position the index was saved at, once read.
    end: Option<u64>,
    index: Index,
}

/// One pickle of an index file and its length.
#[derive(Debug)]
pub struct Pickle {
    len: usize,
    item: Item,
}

#[derive(Debug)]
enum Item {
    Position(u64),
    Bucket(Index),
    End,
}

impl Walk for IndexWalk {
    type Found = Pickle;
    /// The index, and the position it was saved at.
    type Answer = (Index, u64);

    fn look(&self, file: &View<'_>) -> Result<Pickle, Need> {
        let rest = file.some(self.at, limits::SCAN_CHUNK)?;
        let mut reader = Reader { bytes: rest, used: 0 };
        match reader.pickle() {
            Ok(value) => match self.interpret(value) {
                Ok(item) => Ok(Pickle { len: reader.used, item }),
                Err(what) => damaged(self.at, what),
            },
            Err(Stuck::Malformed) => damaged(self.at, Broken::Pickle),
            Err(Stuck::Ends) => {
                // No pickle is longer than a chunk: with as much at hand, it is cut off or none.
                let most = (file.end() - self.at).min(limits::SCAN_CHUNK as u64) as usize;
                if rest.len() == most {
                    return damaged(self.at, Broken::Pickle);
                }
                Err(Need::Bytes(Span { at: self.at, len: most }))
            }
        }
    }

    fn take(&mut self, found: Pickle) -> Option<(Index, u64)> {
        self.at += found.len as u64;
        match found.item {
            Item::Position(end) => self.end = Some(end),
            Item::Bucket(bucket) => self.index.extend(bucket),
            Item::End => {
                let end = self.end.expect("a position is read first");
                return Some((std::mem::take(&mut self.index), end));
            }
        }
        None
    }
}

impl IndexWalk {
    fn interpret(&self, value: Value<'_>) -> Result<Item, Broken> {
        let Some(end) = self.end else {
            return match value {
                Value::Int(end) => Ok(Item::Position(end)),
                Value::None | Value::Pair(..) | Value::Bytes(_) => Err(Broken::Pickle),
            };
        };
        match value {
            Value::None => Ok(Item::End),
            Value::Pair(prefix, bucket) => self.bucket(prefix, bucket, end).map(Item::Bucket),
            Value::Int(_) | Value::Bytes(_) => Err(Broken::Pickle),
        }
    }

    fn bucket(&self, prefix: &[u8], bucket: &[u8], end: u64) -> Result<Index, Broken> {
        let prefix: [u8; 6] = prefix.try_into().map_err(|_| Broken::Pickle)?;
        let count = bucket.len() / OF_OBJECT;
        if !bucket.len().is_multiple_of(OF_OBJECT) || count == 0 || count > 1 << 16 {
            return Err(Broken::Pickle);
        }
        let (keys, values) = bucket.split_at(count * 2);
        let mut last = self.index.max_oid();
        let mut objects = Index::new();
        for (key, value) in keys.chunks_exact(2).zip(values.chunks_exact(6)) {
            let mut oid = [0; 8];
            oid[..6].copy_from_slice(&prefix);
            oid[6..].copy_from_slice(key);
            let oid = Oid(u64::from_be_bytes(oid));
            let mut at = [0; 8];
            at[2..].copy_from_slice(value);
            let at = u64::from_be_bytes(at);
            if last.is_some_and(|last| last >= oid) {
                return Err(Broken::Pickle);
            }
            if at < FIRST || at >= end {
                return Err(Broken::Position);
            }
            objects.set(oid, at, SizeClass::UNKNOWN);
            last = Some(oid);
        }
        Ok(objects)
    }
}

/// What a pickle of an index file unpickles to.
#[derive(Clone, Copy)]
enum Value<'a> {
    None,
    Int(u64),
    Bytes(&'a [u8]),
    Pair(&'a [u8], &'a [u8]),
}

enum Stuck {
    /// The bytes end inside the pickle.
    Ends,
    Malformed,
}

/// Reads the few opcodes there can be.
struct Reader<'a> {
    bytes: &'a [u8],
    used: usize,
}

impl<'a> Reader<'a> {
    /// One pickle. At most two values are ever on its stack.
    fn pickle(&mut self) -> Result<Value<'a>, Stuck> {
        let mut top = None;
        let mut below = None;
        loop {
            let pushed = match self.byte()? {
                PROTO if self.byte()? <= 3 => continue,
                STOP => {
                    return match (below, top) {
                        (None, Some(value)) => Ok(value),
                        _ => Err(Stuck::Malformed),
                    };
                }
                TUPLE2 => match (below.take(), top.take()) {
                    (Some(Value::Bytes(first)), Some(Value::Bytes(second))) => Value::Pair(first, second),
                    _ => return Err(Stuck::Malformed),
                },
                BINPUT => {
                    self.take(1)?;
                    continue;
                }
                LONG_BINPUT => {
                    self.take(4)?;
                    continue;
                }
                NONE => Value::None,
                BININT1 => Value::Int(self.little_endian(1)?),
                BININT2 => Value::Int(self.little_endian(2)?),
                BININT => Value::Int(self.little_endian(4)?),
                LONG1 => {
                    let len = self.byte()?;
                    Value::Int(self.little_endian(usize::from(len))?)
                }
                SHORT_BINBYTES | SHORT_BINSTRING => {
                    let len = self.byte()?;
                    Value::Bytes(self.take(usize::from(len))?)
                }
                BINBYTES | BINSTRING => {
                    let len = self.little_endian(4)?;
                    if len > limits::SCAN_CHUNK as u64 {
                        return Err(Stuck::Malformed);
                    }
                    Value::Bytes(self.take(len as usize)?)
                }
                _ => return Err(Stuck::Malformed),
            };
            if below.is_some() {
                return Err(Stuck::Malformed);
            }
            below = top.replace(pushed);
        }
    }

    /// A signed number of so many bytes that is not negative.
    fn little_endian(&mut self, len: usize) -> Result<u64, Stuck> {
        let bytes = self.take(len)?;
        let signed = len > 2;
        if len > 8 || signed && bytes[len - 1] >= 0x80 {
            return Err(Stuck::Malformed);
        }
        let mut number = [0; 8];
        number[..len].copy_from_slice(bytes);
        Ok(u64::from_le_bytes(number))
    }

    fn byte(&mut self) -> Result<u8, Stuck> {
        Ok(self.take(1)?[0])
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Stuck> {
        let taken = self.bytes.get(self.used..self.used + len).ok_or(Stuck::Ends)?;
        self.used += len;
        Ok(taken)
    }
}

#[cfg(test)]
#[path = "index_file_tests.rs"]
mod tests;
