//! The records of this world's objects: pickles as ZODB writes them, around a text that tells who wrote what.
//!
//! A record is the pickle of a class and that of a list: the text `client.number.oid.value.` with padding, and references to
//! other objects.

use crate::ledger::Attempt;
use bytes::Bytes;
use zeolith_core::ids::Oid;

const THING: &[u8] = b"\x80\x03cworld\nThing\nq\x00.";
const BLOB: &[u8] = b"\x80\x03cZODB.blob\nBlob\nq\x00.";
/// A list begins, and in it a text, whose length follows.
const LIST: &[u8] = b"\x80\x03](X";

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Nothing else than its record.
    Thing,
    /// It has a blob.
    Blob,
}

/// The record that an attempt gives an object: its value, `padding` bytes of nothing, and references to others.
pub fn record(class: Class, (attempt, oid): (Attempt, Oid), value: u64, padding: usize, to: &[Oid]) -> Bytes {
    let mut text = format!("{attempt}.{}.{value}.", oid.0).into_bytes();
    text.resize(text.len() + padding, b'x');
    let class = match class {
        Class::Thing => THING,
        Class::Blob => BLOB,
    };
    let mut record = [class, LIST, &(text.len() as u32).to_le_bytes(), &text].concat();
    for oid in to {
        record.extend_from_slice(b"C\x08");
        record.extend_from_slice(&oid.0.to_be_bytes());
        record.push(b'Q');
    }
    record.extend_from_slice(b"e.");
    record.into()
}

/// The text in a record; `None` for what is no record of this world.
pub fn text(record: &[u8]) -> Option<&[u8]> {
    parts(record).map(|(text, _)| text)
}

/// The text, and what stands behind it.
fn parts(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let list = record.strip_prefix(THING).or_else(|| record.strip_prefix(BLOB))?;
    let (len, text) = list.strip_prefix(LIST)?.split_first_chunk()?;
    text.split_at_checked(u32::from_le_bytes(*len) as usize)
}

/// The value in a record; 0 in what is none.
pub fn value(record: &[u8]) -> u64 {
    let part = text(record).unwrap_or_default().split(|&byte| byte == b'.').nth(3);
    part.and_then(|part| std::str::from_utf8(part).ok()?.parse().ok()).unwrap_or_default()
}

/// The objects that a record refers to; none if it is no record of this world.
pub fn references(record: &[u8]) -> Vec<Oid> {
    let Some((_, references)) = parts(record) else { return Vec::new() };
    let oid = |bytes: &[u8; 11]| Oid(bytes[2..10].iter().fold(0, |oid, &byte| oid << 8 | u64::from(byte)));
    references.as_chunks().0.iter().map(oid).collect()
}

/// The bytes of the blob that an attempt gives an object: every part of them tells whose it is.
pub fn blob(attempt: Attempt, oid: Oid, len: usize) -> Bytes {
    format!("{attempt}.{}.", oid.0).into_bytes().into_iter().cycle().take(len).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ClientId;
    use zeolith_core::record::references as read;
    use zeolith_core::store::blob::is_blob;

    const ATTEMPT: Attempt = Attempt { client: ClientId(2), number: 7 };

    #[test]
    fn a_record_tells_its_value_who_wrote_it_and_what_it_refers_to() {
        let others = [Oid(1), Oid(u64::MAX), Oid(9)];
        for (class, padding, to) in [(Class::Thing, 0, &others[..]), (Class::Blob, 300, &others[..0])] {
            let record = record(class, (ATTEMPT, Oid(3)), 41, padding, to);
            assert_eq!((value(&record), Attempt::of(&record)), (41, Some(ATTEMPT)));
            assert_eq!(references(&record), to);
            assert_eq!(is_blob(&record), Some(class == Class::Blob));
            let read: Vec<Oid> = read(&record).expect("a record").iter().map(|it| it.oid()).collect();
            assert_eq!(read, to);
        }
        assert_eq!(value(b"something else"), 0);
    }
}
