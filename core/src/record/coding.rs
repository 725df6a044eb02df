//! What storages wrap records in before they are written: the compression of zc.zlibstorage, and the digits of the hex
//! storage that ZODB's tests use.
//!
//! Neither can begin a record: a pickle never begins with its end, the dot. So whoever wants to know what is in a record
//! looks [through](uncoded) whatever it is wrapped in, and needs no configuration for it.

use crate::limits;
use bytes::Bytes;
use flate2::Compression;
use flate2::read::ZlibDecoder;
use flate2::write::ZlibEncoder;
use std::borrow::Cow;
use std::io::{Read, Write};
use thiserror::Error;

/// A way to write a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// `.z` and a zlib stream, where that is shorter than the record.
    Zlib,
    /// `.h` and two lower case digits for each byte, always.
    Hex,
}

/// Why a record cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum BadCoding {
    /// What follows `.z` is no zlib stream, or ends too early.
    #[error("it is marked as compressed, and is not or not whole")]
    Zlib,
    /// It is longer than a record may be.
    #[error("it unfolds into more than a record may have")]
    TooLarge,
    /// There is no `.h`, or what follows is not pairs of digits.
    #[error("it is not written as hexadecimal digits")]
    Hex,
}

const ZLIB: &[u8] = b".z";
const HEX: &[u8] = b".h";

/// Bytes up to which a record is not worth compressing, as zc.zlibstorage has it.
const SHORT: usize = 20;

/// Codings inside one another that are looked through.
const NESTED: usize = 4;

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl Coding {
    /// What is written for a record. One that is compressed already stays as it is.
    pub fn encode(self, data: &Bytes) -> Bytes {
        match self {
            Coding::Zlib => compress(data).unwrap_or_else(|| data.clone()),
            Coding::Hex => {
                let digits = data.iter().flat_map(|byte| [byte >> 4, byte & 15]);
                HEX.iter().copied().chain(digits.map(|digit| DIGITS[usize::from(digit)])).collect()
            }
        }
    }

    /// The record that was written as `data`. One that is not compressed is as it stands.
    ///
    /// # Errors
    /// [`BadCoding`]; no more than [`limits::FRAME`] bytes are unfolded.
    pub fn decode(self, data: &Bytes) -> Result<Bytes, BadCoding> {
        match self {
            Coding::Zlib => match data.strip_prefix(ZLIB) {
                Some(packed) => inflate(packed, Wanted::Whole).map(Bytes::from),
                None => Ok(data.clone()),
            },
            Coding::Hex => {
                unhex(data.strip_prefix(HEX).ok_or(BadCoding::Hex)?, Wanted::Whole).map(Bytes::from)
            }
        }
    }

    /// Bytes that a transaction takes at most when its records are written so, for `bytes` that it takes plainly.
    pub fn bound(self, bytes: u64) -> u64 {
        match self {
            Coding::Zlib => bytes,
            // Every record has a header, which is longer than the prefix and does not grow.
            Coding::Hex => bytes.saturating_mul(2),
        }
    }
}

/// A record without whatever it is wrapped in.
///
/// # Errors
/// [`BadCoding`]; no more than [`limits::FRAME`] bytes are unfolded.
pub fn uncoded(record: &[u8]) -> Result<Cow<'_, [u8]>, BadCoding> {
    unwrap(record, Wanted::Whole)
}

/// The beginning of such a record: [`limits::CLASS`] bytes of one that is longer and wrapped in something. It costs no more
/// than that, and a fault behind it does not matter.
///
/// # Errors
/// [`BadCoding`] for a fault at the very start.
pub fn beginning(record: &[u8]) -> Result<Cow<'_, [u8]>, BadCoding> {
    unwrap(record, Wanted::Beginning)
}

/// How much of a record is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Whole,
    Beginning,
}

impl Wanted {
    fn bytes(self) -> usize {
        match self {
            Wanted::Whole => limits::FRAME,
            Wanted::Beginning => limits::CLASS,
        }
    }
}

fn unwrap(record: &[u8], wanted: Wanted) -> Result<Cow<'_, [u8]>, BadCoding> {
    let mut data = Cow::Borrowed(record);
    for _ in 0..NESTED {
        if let Some(packed) = data.strip_prefix(ZLIB) {
            data = Cow::Owned(inflate(packed, wanted)?);
        } else if let Some(digits) = data.strip_prefix(HEX) {
            data = Cow::Owned(unhex(digits, wanted)?);
        } else {
            break;
        }
    }
    Ok(data)
}

/// `None` when that makes it no shorter.
fn compress(data: &Bytes) -> Option<Bytes> {
    if data.len() <= SHORT || data.starts_with(ZLIB) {
        return None;
    }
    let mut encoder = ZlibEncoder::new(ZLIB.to_vec(), Compression::default());
    encoder.write_all(data).expect("a vector takes everything");
    let packed = encoder.finish().expect("a vector takes everything");
    (packed.len() < data.len()).then(|| packed.into())
}

fn inflate(packed: &[u8], wanted: Wanted) -> Result<Vec<u8>, BadCoding> {
    let mut data = Vec::new();
    // One byte more than is wanted: a small record must not unfold into all of memory.
    let mut reader = ZlibDecoder::new(packed).take(wanted.bytes() as u64 + 1);
    let read = reader.read_to_end(&mut data);
    match (read, wanted) {
        (Ok(_), Wanted::Whole) if data.len() > wanted.bytes() => Err(BadCoding::TooLarge),
        (Ok(_), _) => Ok(data),
        (Err(_), Wanted::Beginning) if !data.is_empty() => Ok(data),
        (Err(_), _) => Err(BadCoding::Zlib),
    }
}

fn unhex(digits: &[u8], wanted: Wanted) -> Result<Vec<u8>, BadCoding> {
    let digits = match wanted {
        Wanted::Whole => digits,
        Wanted::Beginning => &digits[..digits.len().min(2 * wanted.bytes())],
    };
    let (pairs, []) = digits.as_chunks::<2>() else { return Err(BadCoding::Hex) };
    let digit = |of: u8| char::from(of).to_digit(16).map(|digit| digit as u8).ok_or(BadCoding::Hex);
    pairs.iter().map(|&[high, low]| Ok(digit(high)? << 4 | digit(low)?)).collect()
}

#[cfg(test)]
#[path = "coding_tests.rs"]
mod tests;
