//! Promise 17: blobs.

use super::{Checker, ConnName, Look, Seen, Sent};
use crate::folder::{Folder, Name};
use crate::ledger::{Attempt, Books, Ledger};
use crate::log::Logged;
use std::collections::{BTreeMap, BTreeSet};
use zeolith_core::client::{Answer, Call};
use zeolith_core::ids::{Oid, Tid};
use zeolith_core::wire::call::Request;

/// What a request for a blob that is not there is answered with.
const KEY_ERROR: &str = "ZODB.POSException.POSKeyError";

/// A blob's bytes are durable before its transaction, and they are those that were sent on its connection; in the end, no
/// others are there.
#[derive(Debug, Default)]
pub struct Blobs {
    open: BTreeMap<ConnName, Uploads>,
    /// The blobs of transactions that were to be finished.
    finished: BTreeMap<Attempt, BTreeMap<Oid, Vec<u8>>>,
    /// The blobs of revisions.
    blobs: BTreeMap<(Oid, Tid), Vec<u8>>,
}

/// What was sent for a transaction of a connection.
#[derive(Debug, Default)]
struct Uploads {
    attempt: Option<Attempt>,
    coming: Vec<u8>,
    whole: BTreeMap<Oid, Vec<u8>>,
}

impl Blobs {
    fn on_asked(&mut self, conn: ConnName, request: &Request<'_>) {
        let open = self.open.entry(conn).or_default();
        match *request {
            Request::TpcBegin(ref begin) => {
                *open = Uploads { attempt: Attempt::of(begin.description), ..Uploads::default() };
            }
            Request::StoreBlobStart => open.coming.clear(),
            Request::StoreBlobChunk(chunk) => open.coming.extend_from_slice(chunk),
            Request::StoreBlobEnd { oid, .. } => {
                open.whole.insert(oid, std::mem::take(&mut open.coming));
            }
            Request::TpcFinish(_) => {
                let whole = std::mem::take(&mut open.whole);
                self.finished.extend(open.attempt.map(|attempt| (attempt, whole)));
            }
            _ => {}
        }
    }

    /// Notes which blobs a transaction has: its own, and those of earlier revisions that it goes back to.
    fn on_logged(&mut self, transaction: &Logged, ledger: &Ledger) {
        let tid = transaction.tid;
        // Another one of this name may have been lost in a crash.
        self.blobs.retain(|(_, other), _| *other != tid);
        let own = transaction.attempt().and_then(|attempt| self.finished.get(&attempt));
        let blob = |(oid, data): &(Oid, Vec<u8>)| {
            let own = own.and_then(|own| own.get(oid));
            let copied = || {
                let earlier = self.blobs.range((*oid, Tid::ZERO)..(*oid, tid)).rev();
                let same = |serial| ledger.state(*oid, serial) == Some(data);
                earlier.filter(|((_, serial), _)| same(*serial)).map(|(_, blob)| blob).next()
            };
            Some(((*oid, tid), own.or_else(copied)?.clone()))
        };
        let new: Vec<_> = transaction.records.iter().filter_map(blob).collect();
        self.blobs.extend(new);
    }

    /// The blobs of transactions in a log.
    fn of<'a>(&'a self, ledger: &'a Ledger) -> impl Iterator<Item = (Oid, Tid, &'a [u8])> + 'a {
        let is_in = |oid: Oid, tid: Tid| ledger.changes.contains_key(&tid) && !ledger.is_gone(oid, tid);
        let all = self.blobs.iter().filter(move |((oid, tid), _)| is_in(*oid, *tid));
        all.map(|(&(oid, tid), blob)| (oid, tid, &blob[..]))
    }

    fn look(&self, folder: &Folder, look: Look, ledger: &Ledger) -> Result<(), String> {
        let mut expected = self.of(ledger).filter(|(_, tid, _)| match look {
            Look::Logged(logged) => *tid == logged,
            Look::Reopened | Look::Quiet => true,
        });
        if let Some((oid, tid, _)) = expected.find(|&(oid, tid, blob)| folder.durable(oid, tid) != Some(blob))
        {
            let what = if folder.durable(oid, tid).is_some() { "has another blob" } else { "has no blob" };
            return Err(format!("{tid} is in the log, and its object {oid} {what} on the disk"));
        }
        if look != Look::Quiet {
            return Ok(());
        }
        let expected: BTreeSet<Name> = self.of(ledger).map(|(oid, tid, _)| Name::Blob(oid, tid)).collect();
        // A pack took the record out, and could not remove the blob.
        let is_left = |name: Name| {
            matches!(name, Name::Blob(oid, tid) if ledger.was_gone(oid, tid)) && folder.may_be_left(name)
        };
        match folder.names().find(|&name| !expected.contains(&name) && !is_left(name)) {
            Some(left) => Err(format!("nobody needs {left:?}, and it is there")),
            None => Ok(()),
        }
    }

    fn on_sent(&self, blob: (Oid, Tid), bytes: &[u8], to: &str) -> Result<(), String> {
        let (oid, serial) = blob;
        match self.blobs.get(&blob) {
            Some(sent) if sent == bytes => Ok(()),
            Some(_) => Err(format!("{to} is given another blob of {oid} than {serial} stored")),
            None => Err(format!("{to} is given a blob of {oid} that {serial} did not store")),
        }
    }
}

impl Checker for Blobs {
    fn promise(&self) -> u32 {
        17
    }

    fn see(&mut self, seen: &Seen<'_>, books: &Books) -> Result<(), String> {
        match *seen {
            Seen::Asked { conn, request } => self.on_asked(conn, request),
            Seen::Gone(conn) => drop(self.open.remove(&conn)),
            Seen::Logged(server, transaction) => self.on_logged(transaction, books.of(server)),
            Seen::Folder { server, folder, look } => self.look(folder, look, books.of(server))?,
            Seen::Blob { conn, oid, serial, result } => {
                let ledger = books.of(conn.server);
                match result {
                    Ok(_) if !ledger.durable.contains(&serial) => {
                        return Err(format!("{conn} is given a blob of {oid} before {serial} is durable"));
                    }
                    Ok(Sent(bytes)) => self.on_sent((oid, serial), bytes, &conn.to_string())?,
                    Err(KEY_ERROR)
                        if ledger.shown.contains(&serial)
                            && ledger.knows(serial)
                            && !ledger.is_gone(oid, serial)
                            && self.blobs.contains_key(&(oid, serial)) =>
                    {
                        return Err(format!("{conn} is not given the blob that {serial} stored for {oid}"));
                    }
                    // It is not there, or the disk failed.
                    Err(_) => {}
                }
            }
            Seen::Answered { client, call, result: Ok(Answer::Done) } => {
                if let Call::LoadBlob { oid, serial } = call.call {
                    self.on_sent((oid, serial), &call.blob, &format!("a caller of client {}", client.0))?;
                }
            }
            _ => {}
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::forged::{CLIENT, CONN, SERVER, asked, attempt, books, conn, history, ledger, logged};
    use super::super::txns::forged::{asks, begin, finish};
    use super::*;
    use zeolith_core::store::blob::{BlobId, BlobOp};
    use zeolith_core::store::disk::DiskError;
    use zeolith_core::wire::call::{Begin, TxnId};

    const OID: Oid = Oid(5);
    const BLOB: (Oid, Tid) = (OID, Tid(5));

    fn end() -> Request<'static> {
        Request::StoreBlobEnd { oid: OID, serial: Tid::ZERO, data: b"", txn: TxnId(1) }
    }

    /// A checker that saw transaction 5 come in, with the blob `abc` in two chunks between which another connection sends
    /// one.
    fn checker() -> Blobs {
        let description = attempt(5).to_string();
        let Request::TpcBegin(usual) = begin() else { unreachable!("it begins") };
        let begin = Request::TpcBegin(Begin { description: description.as_bytes(), ..usual });
        let chunk = Request::StoreBlobChunk;
        let first = [begin, Request::StoreBlobStart, chunk(b"ab")];
        let other = [Request::StoreBlobStart, chunk(b"other")];
        let rest = [chunk(b"c"), end(), finish()];
        let seen = [asks(CONN, &first), asks(conn(1, 2), &other), asks(CONN, &rest)].concat();
        let mut checker = Blobs::default();
        assert_eq!(history(&mut checker, &books(), &seen), Ok(()));
        assert_eq!(history(&mut checker, &books(), &[Seen::Logged(SERVER, &logged(5))]), Ok(()));
        checker
    }

    fn folder(blobs: &[((Oid, Tid), &[u8])]) -> Folder {
        Folder::of(blobs.iter().map(|(blob, bytes)| (*blob, bytes.to_vec())))
    }

    fn judged(look: Look, folder: &Folder) -> Result<(), String> {
        history(&mut checker(), &books(), &[Seen::Folder { server: SERVER, folder, look }])
    }

    #[test]
    fn the_blobs_of_what_is_in_the_log_and_no_others_are_good() {
        let good = folder(&[(BLOB, b"abc")]);
        for look in [Look::Logged(Tid(5)), Look::Reopened, Look::Quiet] {
            assert_eq!(judged(look, &good), Ok(()), "{look:?}");
        }
        assert_eq!(judged(Look::Logged(Tid(4)), &folder(&[])), Ok(()));
    }

    #[test]
    fn a_blob_that_is_missing_or_has_other_bytes_is_caught() {
        for bad in [folder(&[]), folder(&[(BLOB, b"abotherc")]), folder(&[((OID, Tid(4)), b"abc")])] {
            for look in [Look::Logged(Tid(5)), Look::Reopened, Look::Quiet] {
                assert!(judged(look, &bad).is_err(), "{look:?}");
            }
        }
    }

    #[test]
    fn what_nobody_needs_is_caught_when_all_is_over() {
        let more = folder(&[(BLOB, b"abc"), ((Oid(0), Tid(5)), b"abc")]);
        assert_eq!(judged(Look::Reopened, &more), Ok(()));
        assert!(judged(Look::Quiet, &more).is_err());
    }

    #[test]
    fn the_blob_of_a_record_that_a_pack_took_out_is_to_go_with_it() {
        let gone = BlobId { oid: OID, tid: Tid(5) };
        let (mut checker, mut ledger) = (checker(), ledger());
        ledger.forge_gone(gone.oid, gone.tid);
        let books = Books::forged(ledger);
        let mut look = |folder: &Folder| {
            history(&mut checker, &books, &[Seen::Folder { server: SERVER, folder, look: Look::Quiet }])
        };
        let mut left = folder(&[(BLOB, b"abc")]);
        assert_eq!(look(&folder(&[])), Ok(()));
        assert!(look(&left).is_err());
        left.end(BlobOp::Condemn { gone: vec![gone], keep_old: false });
        assert!(look(&left).is_err(), "the disk did not fail");
        assert!(left.fail(BlobOp::Sweep, true, DiskError::Full).is_ok());
        assert_eq!(look(&left), Ok(()));
    }

    #[test]
    fn an_undo_brings_the_blob_back_with_the_state() {
        let (mut checker, mut ledger) = (checker(), ledger());
        let mut undo = logged(6);
        undo.records = vec![logged(5).records[1].clone()];
        ledger.enter(undo.clone());
        let books = Books::forged(ledger);
        assert_eq!(history(&mut checker, &books, &[Seen::Logged(SERVER, &undo)]), Ok(()));
        let mut look = |folder: &Folder| {
            history(&mut checker, &books, &[Seen::Folder { server: SERVER, folder, look: Look::Quiet }])
        };
        assert_eq!(look(&folder(&[(BLOB, b"abc"), ((OID, Tid(6)), b"abc")])), Ok(()));
        assert!(look(&folder(&[(BLOB, b"abc")])).is_err());
    }

    #[test]
    fn another_blob_than_was_stored_or_none_is_caught_where_it_is_sent() {
        let sent = |serial: u64, result: Result<&[u8], &str>| {
            let seen = Seen::Blob { conn: CONN, oid: OID, serial: Tid(serial), result: result.map(Sent) };
            history(&mut checker(), &books(), &[seen])
        };
        assert_eq!(
            (sent(5, Ok(b"abc")), sent(4, Err(KEY_ERROR)), sent(5, Err("others"))),
            (Ok(()), Ok(()), Ok(()))
        );
        assert!(sent(5, Ok(b"ab")).is_err());
        assert!(sent(4, Ok(b"abc")).is_err(), "it has no blob");
        assert!(sent(6, Ok(b"abc")).is_err(), "it is not durable");
        assert!(sent(5, Err(KEY_ERROR)).is_err());
    }

    #[test]
    fn a_caller_gets_all_of_a_blob() {
        let got = |bytes: &[u8]| {
            let mut call = asked(Call::LoadBlob { oid: OID, serial: Tid(5) });
            call.blob = bytes.to_vec();
            let result = Ok(Answer::Done);
            let seen = [Seen::Answered { client: CLIENT, call: &call, result: &result }];
            history(&mut checker(), &books(), &seen)
        };
        assert_eq!(got(b"abc"), Ok(()));
        assert!(got(b"ab").is_err() && got(b"").is_err());
    }
}
