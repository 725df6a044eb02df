//! An independent reading of a Data.fs: what a checker believes, whatever the server says.

use crate::ledger::Attempt;
use zeolith_core::ids::{Oid, Tid};

/// A transaction as it stands in a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// Its id.
    pub tid: Tid,
    /// Its objects with their data.
    pub records: Vec<(Oid, Vec<u8>)>,
}

impl Logged {
    /// The attempt it was, as its records say; `None` when it has none, or they are of nobody.
    pub fn attempt(&self) -> Option<Attempt> {
        Attempt::of(&self.records.first()?.1)
    }
}

/// The whole transactions of a log image from `from` on, and where they end. Reading stops at the first that is not
/// whole or still carries the status `c`.
pub fn read(image: &[u8], from: usize) -> (Vec<Logged>, usize) {
    let mut at = from.max(4);
    let mut transactions = Vec::new();
    while let Some((transaction, len)) = image.get(at..).and_then(transaction) {
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

/// The transaction at the start of `bytes`, with its length.
fn transaction(bytes: &[u8]) -> Option<(Logged, usize)> {
    let tid = Tid(number(bytes, 0)?);
    let len = usize::try_from(number(bytes, 8)?).ok()?;
    let whole = bytes.get(..len.checked_add(8)?)?;
    if len < 23 || whole[16] == b'c' || number(whole, len)? != len as u64 {
        return None;
    }
    let mut at = 23 + short(whole, 17)? + short(whole, 19)? + short(whole, 21)?;
    let mut records = Vec::new();
    while at < len {
        let (oid, serial, size) = (number(whole, at)?, number(whole, at + 8)?, number(whole, at + 34)?);
        let size = usize::try_from(size).ok()?;
        let data = whole.get(at + 42..at + 42 + size)?;
        if serial != tid.0 {
            return None;
        }
        records.push((Oid(oid), data.to_vec()));
        at += 42 + if size == 0 { 8 } else { size };
    }
    (at == len).then_some((Logged { tid, records }, len + 8))
}
