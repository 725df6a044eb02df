//! Object and transaction ids as operators write and read them.

use thiserror::Error;
use zeolith_core::ids::{Oid, Tid};

/// Text that is no id.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BadId {
    /// No object id.
    #[error(
        "expected 0x2a, as ZODB prints object ids, 16 hexadecimal digits, as logs do, or a decimal number"
    )]
    Oid,
    /// No transaction id.
    #[error("expected 16 hexadecimal digits")]
    Tid,
}

/// Reads an object id: `0x2a`, as ZODB prints them; exactly 16 hexadecimal digits, as logs do; or a decimal number. `2a` is
/// none, because nobody could tell what `20` is then.
///
/// # Errors
/// [`BadId::Oid`].
pub fn oid(text: &str) -> Result<Oid, BadId> {
    let number = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) if digits.len() <= 16 => hexadecimal(digits),
        Some(_) => None,
        None if text.len() == 16 => hexadecimal(text),
        None => text.bytes().all(|digit| digit.is_ascii_digit()).then(|| text.parse().ok()).flatten(),
    };
    number.map(Oid).ok_or(BadId::Oid)
}

/// Reads a transaction id: 16 hexadecimal digits, with or without `0x`.
///
/// # Errors
/// [`BadId::Tid`].
pub fn tid(text: &str) -> Result<Tid, BadId> {
    let digits = text.strip_prefix("0x").unwrap_or(text);
    let number = if digits.len() == 16 { hexadecimal(digits) } else { None };
    number.map(Tid).ok_or(BadId::Tid)
}

/// An object id as ZODB prints it.
pub fn shown(oid: Oid) -> String {
    format!("{:#x}", oid.0)
}

fn hexadecimal(digits: &str) -> Option<u64> {
    // The parser takes a sign, which ids do not have.
    let plain = digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u64::from_str_radix(digits, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_as_zodb_prints_it_or_logs_do_or_by_its_number() {
        for text in ["0x2a", "0X2A", "42", "000000000000002a", "0x000000000000002a"] {
            assert_eq!(oid(text), Ok(Oid(42)), "{text}");
        }
        assert_eq!(oid("18446744073709551615"), Ok(Oid(u64::MAX)));
        assert_eq!(shown(Oid(42)), "0x2a");
    }

    #[test]
    fn what_is_no_object_id_is_refused() {
        for text in
            ["", "2a", "0x", "+1", "0x+1", "-1", "0x2g", "0x00000000000000001", "18446744073709551616", " 1"]
        {
            assert_eq!(oid(text), Err(BadId::Oid), "{text:?}");
        }
    }

    #[test]
    fn a_transaction_is_named_by_16_digits() {
        assert_eq!(tid("040d2c8182222222"), Ok(Tid(0x40d2c8182222222)));
        assert_eq!(tid("0x040D2C8182222222"), Ok(Tid(0x40d2c8182222222)));
        for text in ["", "42", "40d2c8182222222", "+40d2c8182222222", "040d2c818222222g", "0x0x0d2c81822222"]
        {
            assert_eq!(tid(text), Err(BadId::Tid), "{text:?}");
        }
    }
}
