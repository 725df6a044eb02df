//! Damage in the middle of a log, at every byte of it: found, and nothing acknowledged is ever cut off for it.

use crate::ids::{Oid, Tid};
use crate::store::disk::FileId;
use crate::store::file::format::{Broken, footprint};
use crate::store::file::open::{IndexUse, OpenError, OpenOptions, Opened, SumsUse, Tail};
use crate::store::file::testing::{Disk, Session, options, store_one, transaction};
use crate::store::{StoreError, Transaction};

const FILES: [FileId; 4] = [FileId::Log, FileId::Sidecar, FileId::Index, FileId::Lock];

/// Six transactions in four batches.
fn batches() -> [Vec<Transaction>; 4] {
    [
        vec![store_one(0x10, 1, 60), store_one(0x20, 2, 90)],
        vec![store_one(0x30, 1, 70)],
        vec![transaction(0x40, &[(2, None), (3, Some(b"x"))]), transaction(0x50, &[])],
        vec![transaction(0x60, &[(1, Some(b"last")), (4, Some(b"new"))])],
    ]
}

/// Where they start, and where the last one ends.
fn bounds() -> Vec<usize> {
    let mut bounds = vec![4];
    for transaction in batches().iter().flatten() {
        let records = transaction.records.iter().map(|record| record.data.as_ref().map(|data| data.len()));
        bounds.push(bounds[bounds.len() - 1] + footprint(17, records) as usize);
    }
    bounds
}

/// The log with an index of all of it and with its checksums, as the opening after a crash leaves it.
fn whole() -> Disk {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    for batch in batches() {
        session.append(batch);
    }
    disk.open();
    disk
}

fn without_nonce(mut disk: Disk) -> Disk {
    disk.put(FileId::Lock, b" 77\n".to_vec());
    disk
}

fn without_index(mut disk: Disk) -> Disk {
    disk.remove(FileId::Index);
    disk
}

fn closed() -> Disk {
    let mut disk = whole();
    let store = disk.open().store;
    Session { store, disk: &mut disk }.close();
    disk
}

fn put(disk: &mut Disk, at: usize, bytes: &[u8]) {
    let mut log = disk.bytes(FileId::Log).to_vec();
    log[at..at + bytes.len()].copy_from_slice(bytes);
    disk.put(FileId::Log, log);
}

fn files(disk: &Disk) -> [Vec<u8>; 4] {
    FILES.map(|file| disk.bytes(file).to_vec())
}

/// Opens; a refusal leaves every file as it was.
fn attempt(disk: &mut Disk, options: OpenOptions) -> Result<Opened<u32>, OpenError> {
    let before = files(disk);
    let result = disk.try_open(options).expect("a disk that lives");
    if result.is_err() {
        assert_eq!(files(disk), before, "a refused opening touches nothing");
        assert!(disk.kept.is_empty());
    }
    result
}

/// Opens what is damaged, which does not open.
fn refused(disk: &mut Disk) -> OpenError {
    match attempt(disk, options()) {
        Err(error) => error,
        Ok(opened) => panic!("{:?}", opened.report),
    }
}

/// Every byte of the log's transactions, with bits turned over: one, all, and those that make a blank a `c`.
fn flips() -> impl Iterator<Item = (usize, u8, u8)> {
    let log = whole().bytes(FileId::Log).to_vec();
    (4..log.len()).flat_map(move |at| [0x01, 0x80, 0x43, 0xff].map(|bits| (at, bits, log[at] ^ bits)))
}

#[test]
fn with_checksums_and_an_index_every_flipped_bit_is_found() {
    for disk in [whole(), closed()] {
        for (at, bits, byte) in flips() {
            let mut disk = disk.clone();
            put(&mut disk, at, &[byte]);
            let error = refused(&mut disk);
            assert!(!matches!(error, OpenError::Disk { .. }), "{at} ^ {bits:#x}: {error}");
            assert!(error.to_string().starts_with("Data.fs is damaged"));
        }
    }
}

#[test]
fn with_checksums_alone_every_flipped_bit_before_the_last_batch_is_found_and_the_last_batch_may_be_a_crash() {
    let bounds = bounds();
    for (at, bits, byte) in flips() {
        let mut disk = without_index(whole());
        put(&mut disk, at, &[byte]);
        if at < bounds[5] {
            refused(&mut disk);
        } else {
            let opened = attempt(&mut disk, options()).unwrap();
            let cut = opened.report.cut.unwrap();
            assert_eq!((cut.at, cut.why), (bounds[5] as u64, Tail::Unacknowledged), "{at} ^ {bits:#x}");
        }
        // A clean end says that the last batch was durable too.
        let mut disk = without_index(closed());
        put(&mut disk, at, &[byte]);
        refused(&mut disk);
    }
}

#[test]
fn with_an_index_alone_only_what_is_marked_incomplete_is_cut() {
    for (at, bits, byte) in flips() {
        let mut disk = without_nonce(whole());
        put(&mut disk, at, &[byte]);
        let Ok(opened) = attempt(&mut disk, options()) else { continue };
        if let Some(cut) = opened.report.cut {
            // The index may be another log's, and this what a dying Python leaves.
            assert_eq!((cut.why, cut.at), (Tail::Incomplete, bounds()[5] as u64), "{at} ^ {bits:#x}");
            assert_eq!((field(at), byte), (Field::Status, b'c'));
        } else {
            assert_eq!(opened.store.size() as usize, disk.bytes(FileId::Log).len());
            assert_ne!(field(at), Field::Structure, "{at} ^ {bits:#x}");
        }
    }
}

#[test]
fn with_neither_only_what_is_marked_incomplete_is_cut() {
    for (at, bits, byte) in flips() {
        let mut disk = without_index(without_nonce(whole()));
        put(&mut disk, at, &[byte]);
        let Ok(opened) = attempt(&mut disk, options()) else { continue };
        match opened.report.cut {
            Some(cut) => {
                assert_eq!((cut.why, field(at), byte), (Tail::Incomplete, Field::Status, b'c'));
                assert_eq!(disk.kept.len(), 1);
            }
            None => assert_ne!(field(at), Field::Structure, "{at} ^ {bits:#x}"),
        }
    }
}

#[test]
fn without_its_first_bytes_no_log_is_one() {
    let makers: [fn() -> Disk; 4] =
        [whole, closed, || without_nonce(whole()), || without_index(without_nonce(whole()))];
    for make in makers {
        for at in 0..4 {
            let mut disk = make();
            put(&mut disk, at, &[0x7f]);
            assert_eq!(refused(&mut disk), OpenError::Foreign { path: "Data.fs".into() });
        }
    }
}

#[test]
fn no_damage_to_the_checksums_costs_what_an_index_or_a_clean_end_vouches_for() {
    let sums = whole().bytes(FileId::Sidecar).len();
    for make in [whole as fn() -> Disk, closed, || without_index(closed())] {
        for at in 0..sums {
            let mut flipped = make();
            let mut bytes = flipped.bytes(FileId::Sidecar).to_vec();
            let mut cut = flipped.clone();
            cut.put(FileId::Sidecar, bytes[..at].to_vec());
            bytes[at] ^= 0x10;
            flipped.put(FileId::Sidecar, bytes);
            for mut disk in [flipped, cut] {
                for _ in 0..2 {
                    let opened =
                        attempt(&mut disk, options()).unwrap_or_else(|error| panic!("{at}: {error}"));
                    assert_eq!((opened.store.last_tid(), opened.report.cut), (Tid(0x60), None), "{at}");
                }
            }
        }
    }
}

/// What a byte of the log is to whoever goes by structure.
#[derive(Debug, PartialEq, Eq)]
enum Field {
    /// A length, or a pointer from a record to its transaction.
    Structure,
    Status,
    /// Nobody can tell that it changed: ids, strings, data.
    Other,
}

fn field(at: usize) -> Field {
    let bounds = bounds();
    let number = bounds.iter().rposition(|&start| start <= at).unwrap();
    let (start, end) = (bounds[number], bounds[number + 1]);
    let transaction = batches().into_iter().flatten().nth(number).unwrap();
    match at - start {
        16 => return Field::Status,
        // Where there are no records, a longer string would be an error, and a shorter one leaves a record.
        8..16 | 17..23 => return Field::Structure,
        _ if at >= end - 8 => return Field::Structure,
        _ => {}
    }
    let mut record = start + 23 + 17;
    for stored in &transaction.records {
        let len = stored.data.as_ref().map_or(8, |data| data.len());
        if (record..record + 42).contains(&at) {
            return if at - record >= 24 { Field::Structure } else { Field::Other };
        }
        record += 42 + len;
    }
    Field::Other
}

#[test]
fn a_part_of_the_log_lost_in_the_middle_ends_the_opening() {
    let bounds = bounds();
    let log = whole().bytes(FileId::Log).to_vec();
    let makers: [fn() -> Disk; 4] = [
        whole,
        || without_index(whole()),
        || without_nonce(whole()),
        || without_index(without_nonce(whole())),
    ];
    for (number, make) in makers.into_iter().enumerate() {
        for from in 4..bounds[4] {
            for byte in [0x00, b' ', 0x55, 0xff] {
                let mut disk = make();
                let upto = (from + 30).min(bounds[4]);
                put(&mut disk, from, &vec![byte; upto - from]);
                match attempt(&mut disk, options()) {
                    Err(_) => {}
                    // Data of a transaction without a checksum.
                    Ok(opened) => {
                        assert!(number >= 2 && opened.report.cut.is_none(), "{from} {byte} {number}");
                        assert_eq!(opened.store.size() as usize, log.len());
                    }
                }
            }
        }
    }
}

#[test]
fn the_length_of_a_transaction_in_the_middle_may_be_anything_and_the_rest_is_not_cut() {
    let starts = bounds();
    for start in &starts[..6] {
        // Shorter than its header, shorter than its strings, too short, too long, past the end.
        for length in [0, 1, 22, 23, 39, 41, 1000, 1 << 32, i64::MAX as u64, u64::MAX - 8, u64::MAX] {
            let mut disk = without_index(without_nonce(whole()));
            put(&mut disk, start + 8, &u64::to_be_bytes(length));
            assert!(matches!(refused(&mut disk), OpenError::Damaged { .. }), "{length} at {start}");
        }
    }
}

#[test]
fn a_reader_of_an_error_learns_where_and_what_to_do() {
    let bounds = bounds();
    let mut disk = whole();
    put(&mut disk, bounds[1] + 100, &[0]);
    put(&mut disk, bounds[2] + 100, &[0]);
    let error = refused(&mut disk);
    let told = error.to_string();
    let place =
        format!("bytes {} to {} are not those that were written, nor those of 1 more", bounds[1], bounds[2]);
    assert!(told.contains(&place), "{told}");
    assert!(told.contains("zeolith serve --serve-damaged") && told.contains("Restore a backup"), "{told}");
    assert!(!told.contains('\n'));
}

#[test]
fn the_rest_of_a_damaged_log_is_served_when_that_is_wanted() {
    let bounds = bounds();
    for at in [bounds[2] + 3, bounds[2] + 12, bounds[2] + 18, bounds[2] + 90, bounds[3] - 1] {
        let mut disk = whole();
        put(&mut disk, at, &[0x7f]);
        for round in 0..3 {
            let opened = attempt(&mut disk, OpenOptions { serve_damaged: true, ..options() }).unwrap();
            let damaged = bounds[2] as u64..bounds[3] as u64;
            assert_eq!((opened.report.damaged, opened.report.cut), (vec![damaged], None), "{at}");
            assert_eq!((opened.report.index, opened.report.sums), (IndexUse::Used, SumsUse::Used));
            let mut session = Session { store: opened.store, disk: &mut disk };
            let error = session.before(Oid(1), Tid(0x35)).unwrap_err();
            assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
            assert_eq!(session.before(Oid(1), Tid::MAX).unwrap().unwrap().data, &b"last"[..]);
            session.append(vec![store_one(0x70 + round, 9, 10)]);
            session.close();
        }
        refused(&mut disk);
    }
}

#[test]
fn what_was_committed_before_damage_is_not_told_to_clients_that_were_away() {
    let bounds = bounds();
    // The queue reaches back to the fourth of six; the fifth is damaged.
    let mut disk = whole();
    put(&mut disk, bounds[4] + 30, &[0x7f]);
    let opened = attempt(&mut disk, OpenOptions { serve_damaged: true, ..options() }).unwrap();
    assert_eq!((opened.recent, opened.base), (vec![], Tid(0x60)));
}

#[test]
fn of_a_log_past_the_bound_what_the_index_covers_is_not_checked_and_told() {
    let bounds = bounds();
    let len = whole().bytes(FileId::Log).len() as u64;
    for (check_upto, found) in [(len, true), (len - 1, false)] {
        let mut disk = whole();
        put(&mut disk, bounds[1] + 100, &[0]);
        let result = attempt(&mut disk, OpenOptions { check_upto, ..options() });
        assert_eq!(result.is_err(), found);
        if let Ok(opened) = result {
            assert_eq!((opened.report.unchecked, opened.report.compared), (len - 4, 0));
            assert_eq!(opened.store.last_tid(), Tid(0x60));
        }
    }
    let report = whole().open().report;
    assert_eq!((report.unchecked, report.compared, report.structure), (0, len - 4, 0));
    assert_eq!((report.transactions, report.scanned), (6, 0));
}

#[test]
fn what_begins_as_a_data_fs_and_goes_on_as_something_else_is_refused() {
    let noise: Vec<u8> = (0u32..5000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let text =
        b" is how a line of text may begin, up to or past the end; 'c', 'p' and 'u' are letters. ".repeat(9);
    for rest in
        [&noise[..], &noise[1..23], &text, &text[3..], &b"cccccccccccccccccccccccccccccccccccc"[..], b"a"]
    {
        for length in [rest.len(), rest.len().min(40), rest.len().min(20)] {
            let contents = [b"FS30", &rest[..length]].concat();
            let mut disk = Disk::with(&[(FileId::Log, &contents)]);
            assert_eq!(refused(&mut disk), OpenError::NoTransactions { path: "Data.fs".into() }, "{length}");
        }
    }
}

#[test]
fn whatever_a_crash_leaves_of_the_first_transaction_is_cut() {
    let first = {
        let mut disk = Disk::default();
        let store = disk.open().store;
        Session { store, disk: &mut disk }.append(vec![store_one(0x03fe_0000_0000_0000, 1, 1500)]);
        disk.bytes(FileId::Log).to_vec()
    };
    for len in 4..first.len() {
        for mark in [b' ', b'c'] {
            let mut torn = first[..len].to_vec();
            if len > 20 {
                torn[20] = mark;
            }
            let mut disk = Disk::with(&[(FileId::Log, &torn)]);
            let opened = attempt(&mut disk, options()).unwrap_or_else(|error| panic!("{len}: {error}"));
            assert_eq!((opened.store.size(), disk.bytes(FileId::Log)), (4, &b"FS30"[..]));
        }
    }
    // Its first sector is lost, with more or fewer of those that follow.
    for upto in [512, 1024, first.len()] {
        let mut torn = first.clone();
        torn[4..upto].fill(0);
        let mut disk = Disk::with(&[(FileId::Log, &torn)]);
        assert_eq!(attempt(&mut disk, options()).unwrap().store.size(), 4);
    }
}

#[test]
fn a_torn_tail_that_holds_the_copy_of_a_log_is_still_a_tail() {
    // An object whose data is a Data.fs, with transactions that are later than all others.
    let copy = {
        let mut disk = Disk::default();
        let store = disk.open().store;
        let mut session = Session { store, disk: &mut disk };
        (100..140).for_each(|tid| drop(session.append(vec![store_one(tid, 1, 50)])));
        disk.bytes(FileId::Log).to_vec()
    };
    let mut disk = without_nonce(whole());
    let store = disk.open().store;
    Session { store, disk: &mut disk }.append(vec![transaction(0x63, &[(9, Some(&copy))])]);
    let end = *bounds().last().unwrap();
    for len in [end + 200, end + copy.len()] {
        let mut torn = without_nonce(disk.clone());
        torn.put(FileId::Log, disk.bytes(FileId::Log)[..len].to_vec());
        assert_eq!(attempt(&mut torn, options()).unwrap().store.last_tid(), Tid(0x60), "cut to {len}");
    }
}

#[test]
fn a_transaction_behind_a_long_break_is_found_over_the_pieces_it_is_read_in() {
    let chunk = crate::limits::CHECK_CHUNK;
    for shift in [0, 1, 7, 8, 15, 16, 22, 23, 30, 31, 60, 100] {
        let mut disk = without_nonce(whole());
        let mut log = disk.bytes(FileId::Log).to_vec();
        let end = log.len();
        // Seemingly lengths and blanks, all over.
        let rubbish = b"\x7f\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x40 ";
        log.extend(rubbish.iter().cycle().take(2 * chunk - shift));
        let at = log.len();
        let other = {
            let mut disk = Disk::default();
            let store = disk.open().store;
            Session { store, disk: &mut disk }.append(vec![store_one(0x70, 8, 40)]);
            disk.bytes(FileId::Log)[4..].to_vec()
        };
        log.extend(&other);
        log[at + 40 + 24..at + 40 + 32].copy_from_slice(&(at as u64).to_be_bytes());
        disk.put(FileId::Log, log.clone());
        let error = refused(&mut disk);
        let damaged = crate::store::file::format::Damaged { at: end as u64, what: Broken::Followed };
        assert_eq!(error, OpenError::Damaged { path: "Data.fs".into(), damaged });
        // And without it, it is a tail.
        log.truncate(at);
        disk.put(FileId::Log, log);
        let cut = attempt(&mut disk, options()).unwrap().report.cut.unwrap();
        assert_eq!((cut.at, cut.bytes), (end as u64, (at - end) as u64));
    }
}

/// Bytes of the log put in, and bytes of it taken out: what a copy through the wrong tool leaves.
#[test]
fn bytes_too_many_or_too_few_in_the_middle_end_the_opening() {
    let bounds = bounds();
    let log = whole().bytes(FileId::Log).to_vec();
    let makers: [fn() -> Disk; 6] = [
        whole,
        closed,
        || without_index(whole()),
        || without_index(closed()),
        || without_nonce(whole()),
        || without_index(without_nonce(whole())),
    ];
    for (number, make) in makers.into_iter().enumerate() {
        for at in 4..bounds[4] {
            for count in [1, 2, 16, 23] {
                let mut more = log.clone();
                more.splice(at..at, std::iter::repeat_n(b'\r', count));
                let mut fewer = log.clone();
                fewer.drain(at..at + count);
                for shifted in [more, fewer] {
                    let mut disk = make();
                    disk.put(FileId::Log, shifted);
                    let error = match attempt(&mut disk, options()) {
                        Err(error) => error.to_string(),
                        Ok(opened) => panic!("maker {number}: {count} bytes at {at}: {:?}", opened.report),
                    };
                    assert!(error.contains("damaged"), "maker {number}: {count} bytes at {at}: {error}");
                }
            }
        }
    }
}

#[test]
fn all_that_follows_being_destroyed_is_damage_where_checksums_prove_it_durable() {
    let bounds = bounds();
    for start in &bounds[..4] {
        for offset in [0, 3, 7, 8, 12, 30] {
            for byte in [0x00, 0x55] {
                let mut disk = without_index(whole());
                let at = start + offset;
                let len = disk.bytes(FileId::Log).len();
                put(&mut disk, at, &vec![byte; len - at]);
                refused(&mut disk);
            }
        }
    }
}

#[test]
fn an_index_of_another_log_makes_no_damage_of_what_a_crash_left() {
    // The index of a longer log, as it stays behind when a backup is restored.
    let longer = whole().bytes(FileId::Index).to_vec();
    let bounds = bounds();
    let log = whole().bytes(FileId::Log).to_vec();
    let mut marked = log[..bounds[3]].to_vec();
    marked.extend(&log[bounds[3]..bounds[4]]);
    marked[bounds[3] + 16] = b'c';
    marked.resize(log.len() + 500, b'x');
    let mut zeros = log[..bounds[3]].to_vec();
    zeros.resize(log.len() + 500, 0);
    for (tail, why) in [(marked, Tail::Incomplete), (zeros, Tail::Zeros)] {
        let mut disk = without_nonce(whole());
        disk.put(FileId::Log, tail);
        disk.put(FileId::Index, longer.clone());
        let opened = attempt(&mut disk, options()).unwrap();
        assert!(matches!(opened.report.index, IndexUse::Ignored(_)), "{:?}", opened.report.index);
        let cut = opened.report.cut.unwrap();
        assert_eq!((cut.at, cut.why), (bounds[3] as u64, why));
    }
}
