//! What always holds, and is checked against the medium.

use super::layout::{HEAD, HEADER, Header, Piece};
use super::ring::{Entry, Kind, Ring, Which};
use super::shelves::Shelves;
use std::collections::BTreeMap;

/// Panics where anything is not as it should be.
pub(super) fn check(shelves: &Shelves) {
    let medium = &*shelves.medium;
    assert_eq!(medium.len(), Ok(shelves.header.size), "the size");
    let mut header = [0; HEADER as usize];
    medium.read_at(0, &mut header).expect("a readable medium");
    assert_eq!(Header::read(&header).as_ref(), Ok(&shelves.header), "the header");
    let mut bytes = 0;
    let mut counts = (0, 0);
    for which in [Which::Small, Which::Main] {
        let ring = &shelves.rings[which];
        check_pieces(shelves, ring);
        for (slot, entry) in ring.entries() {
            let (of, ended) = (
                shelves.index.current(&shelves.rings, entry.oid),
                shelves.index.ended_at(entry.oid, entry.start),
            );
            match entry.kind() {
                Kind::Current => {
                    assert_eq!(of, Some(slot), "the index of {entry:?}");
                    counts.0 += 1;
                }
                Kind::Ended => {
                    let ended = ended.unwrap_or_else(|| panic!("{entry:?} is not in the index"));
                    assert_eq!(ended.slot, slot, "the index of {entry:?}");
                    counts.1 += 1;
                }
                Kind::Dead => continue,
            }
            bytes += entry.footprint();
        }
    }
    assert_eq!(shelves.index.counts(), counts, "records in the index and in the rings");
    assert_eq!(shelves.stats.bytes, bytes, "bytes of all records");
    check_times(shelves);
}

/// The ring in the medium is a row of pieces, exactly the records that are not dead, with one mark.
fn check_pieces(shelves: &Shelves, ring: &Ring) {
    let records: BTreeMap<u64, &Entry> = ring
        .entries()
        .filter(|(_, entry)| entry.kind() != Kind::Dead)
        .map(|(_, entry)| (entry.at(), entry))
        .collect();
    let (mut at, mut records, mut marks) = (ring.start, records.into_iter(), Vec::new());
    while at < ring.end {
        let mut bytes = vec![0; HEAD.min((ring.end - at) as usize)];
        shelves.medium.read_at(at, &mut bytes).expect("a readable medium");
        let piece =
            Piece::read(&bytes, shelves.header.nonce, at).unwrap_or_else(|| panic!("no piece at {at}"));
        match piece {
            Piece::Record(_) => {
                let (place, entry) = records.next().expect("no more records in the medium than in the ring");
                assert_eq!(place, at, "the next record");
                assert!(shelves.recognise(entry, &bytes).is_some(), "{entry:?} is not what stands at {at}");
            }
            Piece::Gap { here, .. } => marks.extend(here.then_some(at)),
        }
        at += piece.len();
    }
    assert_eq!(at, ring.end, "the end of the last piece");
    assert_eq!(records.next().map(|(at, _)| at), None, "a record that is not in the medium");
    assert_eq!(marks, [ring.write], "the mark of where writing goes on");
    // From the oldest to the newest: once round the ring.
    let row: Vec<u64> = ring.entries().map(|(_, entry)| entry.at()).collect();
    let turn = |at: u64| if at < ring.write { at + (ring.end - ring.start) } else { at };
    assert!(row.is_sorted_by_key(|&at| turn(at)), "records out of order: {row:?}, writing at {}", ring.write);
}

/// No two revisions of an object overlap in time.
fn check_times(shelves: &Shelves) {
    let mut times = BTreeMap::new();
    for which in [Which::Small, Which::Main] {
        for (_, entry) in shelves.rings[which].entries().filter(|(_, entry)| entry.kind() != Kind::Dead) {
            let until = shelves.index.ended_at(entry.oid, entry.start).map(|ended| ended.until);
            let before = times.insert((entry.oid, entry.start), until);
            assert_eq!(before, None, "two records of {entry:?}");
        }
    }
    for (one, next) in times.iter().zip(times.iter().skip(1)) {
        let ((oid, start), until) = one;
        assert!(until.is_none_or(|until| until > *start), "{oid} from {start} ends at {until:?}");
        if oid == &next.0.0 {
            assert!(until.is_some_and(|until| until <= next.0.1), "{oid} from {start} overlaps {next:?}");
        }
    }
}
