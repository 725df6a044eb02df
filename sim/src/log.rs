//! An independent reading of a Data.fs: what a checker believes, whatever the server says.

use crate::ledger::Attempt;
use zeolith_core::ids::{Oid, Tid};

/// A transaction as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub tid: Tid,
    /// Why it was made.
    pub description: Vec<u8>,
    /// Its objects with their data, which may stand at an earlier place of the log; none where an object was deleted or its
    /// creation undone.
    pub records: Vec<(Oid, Vec<u8>)>,
    /// Those of its objects that nothing earlier is found of from here.
    pub begins: Vec<Oid>,
    /// Those of its objects whose state stands at an earlier place.
    pub back: Vec<Oid>,
}

impl Logged {
    /// The attempt it was, as its description says; `None` when it is nobody's.
    pub fn attempt(&self) -> Option<Attempt> {
        Attempt::of(&self.description)
    }
}

/// The whole transactions of a log image from `from` on, and where they end. Reading stops at the first that is not
/// whole or still carries the status `c`.
pub fn read(image: &[u8], from: usize) -> (Vec<Logged>, usize) {
    let mut at = from.max(4);
    let mut transactions = Vec::new();
    while let Some((transaction, len)) = transaction(image, at) {
        transactions.push(transaction);
        at += len;
    }
    (transactions, at)
}

fn number(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_be_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_be_bytes(bytes.get(at..at + 2)?.try_into().ok()?).into())
}

/// The transaction at a place, with its length.
fn transaction(image: &[u8], start: usize) -> Option<(Logged, usize)> {
    let bytes = image.get(start..)?;
    let tid = Tid(number(bytes, 0)?);
    let len = usize::try_from(number(bytes, 8)?).ok()?;
    let whole = bytes.get(..len.checked_add(8)?)?;
    if len < 23 || whole[16] == b'c' || number(whole, len)? != len as u64 {
        return None;
    }
    let (user, why) = (short(whole, 17)?, short(whole, 19)?);
    let description = whole.get(23 + user..23 + user + why)?.to_vec();
    let mut at = 23 + user + why + short(whole, 21)?;
    let (mut records, mut begins, mut back) = (Vec::new(), Vec::new(), Vec::new());
    while at < len {
        let (oid, serial, size) = (number(whole, at)?, number(whole, at + 8)?, number(whole, at + 34)?);
        if serial != tid.0 {
            return None;
        }
        records.push((Oid(oid), state(image, start + at)?.to_vec()));
        if number(whole, at + 16)? == 0 {
            begins.push(Oid(oid));
        }
        if size == 0 && number(whole, at + 42)? != 0 {
            back.push(Oid(oid));
        }
        at += 42 + if size == 0 { 8 } else { usize::try_from(size).ok()? };
    }
    (at == len).then_some((Logged { tid, description, records, begins, back }, len + 8))
}

/// The state in a record, or in the one that it points back to; empty where it has none.
fn state(image: &[u8], mut at: usize) -> Option<&[u8]> {
    loop {
        let size = usize::try_from(number(image, at + 34)?).ok()?;
        if size > 0 {
            return image.get(at + 42..at.checked_add(42)?.checked_add(size)?);
        }
        match usize::try_from(number(image, at + 42)?).ok()? {
            0 => return Some(&[]),
            back if back < at => at = back,
            _ => return None,
        }
    }
}
