//! The name of a transaction in an undo log: its tid in base64.

use crate::ids::Tid;

const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Digits of six bits that eight bytes take; one `=` follows them.
const LEN: usize = 11;

/// The name of a transaction.
pub(crate) fn of(tid: Tid) -> [u8; LEN + 1] {
    let bits = u128::from(tid.0) << 2;
    let mut name = [b'='; LEN + 1];
    for (at, digit) in name[..LEN].iter_mut().enumerate() {
        *digit = DIGITS[(bits >> (6 * (LEN - 1 - at))) as usize & 63];
    }
    name
}

/// The transaction with this name; a line break may follow it. `None` when it is no such name.
pub(crate) fn read(name: &[u8]) -> Option<Tid> {
    let digits = name.strip_suffix(b"\n").unwrap_or(name).strip_suffix(b"=")?;
    if digits.len() != LEN {
        return None;
    }
    let mut bits = 0_u128;
    for digit in digits {
        bits = bits << 6 | DIGITS.iter().position(|candidate| candidate == digit)? as u128;
    }
    // Two bits are left over. Python takes no notice of what they are.
    Some(Tid((bits >> 2) as u64))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn names_are_those_of_python() {
        assert_eq!(&of(Tid(0x03ff112233445566)), b"A/8RIjNEVWY=");
        assert_eq!(&of(Tid(u64::MAX)), b"//////////8=");
        assert_eq!(read(b"A/8RIjNEVWY=\n"), Some(Tid(0x03ff112233445566)));
    }

    #[test]
    fn anything_else_is_no_name() {
        for name in
            ["", "=", "A/8RIjNEVWY", "A/8RIjNEVW=", "A/8RIjNEVWYA=", "A/8RIjNEVW-=", "A/8RIjNEVWY=\n\n"]
        {
            assert_eq!(read(name.as_bytes()), None, "{name}");
        }
    }

    proptest! {
        #[test]
        fn a_name_leads_back_to_its_transaction(tid in any::<u64>()) {
            prop_assert_eq!(read(&of(Tid(tid))), Some(Tid(tid)));
        }
    }
}
