//! Who may not write.

use super::super::ConnId;
use super::super::config::Config;
use super::super::fault::{Fault, PeerFault};
use super::super::testing::{CODECS, Medium, Rig, row};
use super::tx::{commit, error};
use crate::ids::{Oid, Tid};
use crate::wire::tree::Owned;

fn writes() -> [(&'static str, Owned); 12] {
    [
        ("new_oids", row![]),
        ("tpc_begin", row![7, "", "", Owned::None]),
        ("storea", row![Oid(1), Tid::ZERO, &b"x"[..], 7]),
        ("checkCurrentSerialInTransaction", row![Oid(1), Tid::ZERO, 7]),
        ("vote", row![7]),
        ("tpc_finish", row![7]),
        ("tpc_abort", row![7]),
        ("deleteObject", row![Oid(1), Tid::ZERO, 7]),
        ("restorea", row![Oid(1), Tid::ZERO, Owned::None, Owned::None, 7]),
        ("undoa", row![&b"A/8RIjNEVWY="[..], 7]),
        ("storeBlobEnd", row![Oid(1), Tid::ZERO, &b"x"[..], 7]),
        ("storeBlobShared", row![Oid(1), Tid::ZERO, &b"x"[..], "name.tmp", 7]),
    ]
}

/// A client registered for reading only.
fn reader(rig: &mut Rig, storage: &str) -> ConnId {
    let conn = rig.negotiate();
    rig.call(conn, "register", row![storage, true]).unwrap();
    conn
}

fn cannot_write(rig: &mut Rig, storage: &str) {
    let a = reader(rig, storage);
    for (method, args) in writes() {
        assert_eq!(error(rig.call(a, method, args.clone())), "ReadOnlyError: the storage is read-only");
        let b = reader(rig, storage);
        rig.one_way(b, method, args);
        assert!(matches!(rig.fault(b), Some(Fault::Peer(PeerFault::OneWay(_)))), "{method}");
    }
    assert_eq!(rig.call(a, "ping", row![]), Ok(Owned::None));
}

#[test]
fn a_client_that_registered_for_reading_cannot_write() {
    Rig::everywhere(Config::default(), |mut rig| cannot_write(&mut rig, "1"));
}

#[test]
fn nobody_writes_to_a_read_only_storage() {
    Rig::everywhere(Config::default(), |mut rig| cannot_write(&mut rig, "frozen"));
}

#[test]
fn nobody_writes_to_a_read_only_server() {
    Rig::everywhere(Config { read_only: true, ..Config::default() }, |mut rig| {
        let a = rig.negotiate();
        assert!(error(rig.call(a, "register", row!["1", false])).starts_with("ReadOnlyError"));
        cannot_write(&mut rig, "1");
    });
}

#[test]
fn a_reader_is_told_what_is_not_served_and_only_a_read_only_storage_is_not_packed() {
    Rig::everywhere(Config::default(), |mut rig| {
        let unsupported = [
            ("storeBlobStart", row![]),
            ("storeBlobChunk", row![&b"x"[..]]),
            ("sendBlob", row![Oid(1), Tid(1)]),
            ("new_oid", row![]),
        ];
        for storage in ["1", "frozen"] {
            let a = reader(&mut rig, storage);
            for (method, args) in unsupported.clone() {
                let expected = format!("Unsupported: this server does not support {method}");
                assert_eq!(error(rig.call(a, method, args)), expected);
            }
            let packed = rig.call(a, "pack", row![Owned::Float(1.0), 1]);
            match storage {
                "frozen" => assert_eq!(error(packed), "ReadOnlyError: the storage is read-only"),
                _ => assert!(packed.is_ok() || error(packed).starts_with("Unsupported: ")),
            }
        }
    });
}

#[test]
fn a_reader_reads_and_is_told_of_commits() {
    for codec in CODECS {
        let mut rig = Rig::new(Medium::File, Config { codec, ..Config::default() });
        let (a, b) = (rig.client(), reader(&mut rig, "1"));
        let serial = commit(&mut rig, a, &[(1, Tid::ZERO, "x")]);
        assert_eq!(rig.inbox(b).last().unwrap(), "invalidateTransaction(T1, [1])");
        let loaded = rig.call(b, "loadBefore", row![Oid(1), Tid::MAX]);
        assert_eq!(loaded, Ok(row![&b"x"[..], serial, Owned::None]));
        assert_eq!(rig.call(b, "getTid", row![Oid(1)]), Ok(serial.into()));
        assert_eq!(rig.call(b, "loadSerial", row![Oid(1), serial]), Ok((&b"x"[..]).into()));
        assert_eq!(rig.call(b, "getInvalidations", row![serial]), Ok(row![serial, row![]]));
    }
}
