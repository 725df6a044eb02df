//! Promise 19: what was acknowledged can be told from what a crash leaves.

use super::{Checker, Seen};
use crate::ledger::Books;

/// Whatever is acknowledged, and whatever a pack leaves, has its checksum on the disk: after the next power loss, where that ends
/// begins what may be torn.
#[derive(Debug)]
pub struct Vouched;

impl Checker for Vouched {
    fn promise(&self) -> u32 {
        19
    }

    fn see(&mut self, seen: &Seen<'_>, _: &Books) -> Result<(), String> {
        match *seen {
            Seen::Safe { server, tid, vouched: false } => {
                Err(format!("{tid} has no checksum on the disk of server {} that counts", server.0))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{SERVER, books, history};
    use super::*;
    use zeolith_core::ids::Tid;

    #[test]
    fn what_is_acknowledged_without_its_checksum_is_caught() {
        let safe =
            |vouched| history(&mut Vouched, &books(), &[Seen::Safe { server: SERVER, tid: Tid(5), vouched }]);
        assert_eq!(safe(true), Ok(()));
        assert!(safe(false).is_err());
    }
}
