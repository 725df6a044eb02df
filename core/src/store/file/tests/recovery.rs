//! Openings of logs, sidecars, indexes and lock files in every state they may be in.

use crate::ids::{Oid, Tid};
use crate::rng::Seed;
use crate::store::Transaction;
use crate::store::disk::{DiskDone, DiskError, DiskOp, FileId};
use crate::store::file::open::{Found, IndexUse, OpenError, OpenOptions, Opening, SumsUse, Tail};
use crate::store::file::testing::{Disk, Session, options, store_one, transaction};

/// The transactions of [`three`].
fn transactions() -> [Transaction; 4] {
    [
        store_one(10, 1, 100),
        store_one(20, 2, 900),
        store_one(30, 1, 700),
        transaction(40, &[(2, None), (3, Some(b"x"))]),
    ]
}

/// A disk with a batch of two transactions and two batches of one, as a crash leaves it: no index.
fn three() -> Disk {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    let [one, two, three, four] = transactions();
    session.append(vec![one, two]);
    session.append(vec![three]);
    session.append(vec![four]);
    disk
}

/// Where the transactions of [`three`] end.
fn ends() -> [u64; 4] {
    let mut end = 4;
    transactions().map(|transaction| {
        let records = transaction.records.iter().map(|record| record.data.as_ref().map(|data| data.len()));
        end += crate::store::file::format::footprint(17, records);
        end
    })
}

fn without_nonce(disk: &mut Disk) {
    disk.put(FileId::Lock, b" 77\n".to_vec());
}

fn change(disk: &mut Disk, file: FileId, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = disk.bytes(file).to_vec();
    change(&mut bytes);
    disk.put(file, bytes);
}

#[test]
fn a_crash_without_loss_loses_nothing_and_the_nonce_stays() {
    let mut disk = three();
    let nonce = disk.bytes(FileId::Lock)[3..].to_vec();
    let opened = disk.open();
    assert_eq!(opened.store.last_tid(), Tid(40));
    assert_eq!((opened.report.sums, opened.report.index), (SumsUse::Used, IndexUse::Missing));
    assert_eq!((opened.report.scanned, opened.report.objects, opened.report.cut), (4, 3, None));
    assert_eq!(opened.recent.iter().map(|(tid, _)| tid.0).collect::<Vec<_>>(), [20, 30, 40]);
    assert_eq!((opened.base, opened.recent[2].1.clone()), (Tid(10), vec![Oid(2), Oid(3)]));
    assert_eq!(disk.bytes(FileId::Lock)[3..], nonce);
    assert_eq!(disk.open().report.index, IndexUse::Used, "the rebuilt index was saved");
}

#[test]
fn a_log_is_created_once_and_is_empty_until_something_is_stored() {
    let mut disk = Disk::default();
    let opened = disk.open();
    assert_eq!((opened.store.size(), opened.store.last_tid(), opened.recent.len()), (4, Tid::ZERO, 0));
    assert_eq!(disk.bytes(FileId::Log), b"FS30");
    assert!(disk.bytes(FileId::Lock).starts_with(b" 1\n"));
    let again = disk.open();
    assert_eq!((again.store.size(), again.report.sums), (4, SumsUse::Used));
    for unfinished in [&b"F"[..], b"FS3", b"\0\0\0\0"] {
        disk.put(FileId::Log, unfinished.to_vec());
        disk.open();
        assert_eq!(disk.bytes(FileId::Log), b"FS30");
    }
}

#[test]
fn no_log_is_created_where_it_is_not_wanted() {
    let error = |disk: &mut Disk, options| disk.try_open(options).unwrap().map(|_| ()).unwrap_err();
    let missing = OpenError::Missing { path: "Data.fs".into() };
    assert_eq!(error(&mut Disk::default(), OpenOptions { create: false, ..options() }), missing);
    assert_eq!(error(&mut Disk::default(), OpenOptions { read_only: true, ..options() }), missing);
    let found = Found { leftovers: vec!["Data.fs.old".into()], ..Found::default() };
    let mut opening = Opening::<u32>::new(found, options(), Seed(1));
    assert!(opening.poll().is_none());
    let Some(Err(error)) = opening.finished() else { panic!("an error") };
    assert_eq!(error, OpenError::Leftover { path: "Data.fs".into(), beside: "Data.fs.old".into() });
    assert!(error.to_string().contains("rename Data.fs.old to bring it back"));
}

#[test]
fn another_kind_of_file_is_left_alone() {
    for contents in [&b"FS31 and more"[..], b"abcd", b"SQLite format 3"] {
        let mut disk = Disk::with(&[(FileId::Log, contents)]);
        let error = disk.try_open(options()).unwrap().map(|_| ()).unwrap_err();
        assert_eq!(error, OpenError::Foreign { path: "Data.fs".into() });
        assert_eq!((disk.bytes(FileId::Log), disk.bytes(FileId::Lock)), (contents, &b""[..]));
    }
    let mut disk = Disk::with(&[(FileId::Log, b"FS21")]);
    let error = disk.try_open(options()).unwrap().map(|_| ()).unwrap_err();
    assert_eq!(error, OpenError::Python2 { path: "Data.fs".into() });
}

#[test]
fn truncated_anywhere_in_its_last_two_batches_a_log_recovers_all_before() {
    let ends = ends();
    for nonce in [true, false] {
        for len in ends[1]..ends[3] {
            let mut disk = three();
            if !nonce {
                without_nonce(&mut disk);
            }
            change(&mut disk, FileId::Log, |log| log.truncate(len as usize));
            let opened = disk.open();
            let (end, last) = if len < ends[2] { (ends[1], Tid(20)) } else { (ends[2], Tid(30)) };
            assert_eq!(opened.store.last_tid(), last, "cut to {len}");
            assert_eq!(disk.bytes(FileId::Log).len() as u64, end);
            assert_eq!(opened.report.cut.map_or(0, |cut| cut.bytes), len - end);
            let again = disk.open();
            assert_eq!((again.store.last_tid(), again.report.cut), (last, None));
        }
    }
}

#[test]
fn what_was_cut_is_kept_and_the_sidecar_forgets_it() {
    let mut disk = three();
    let [_, _, third, fourth] = ends();
    let tail = disk.bytes(FileId::Log)[third as usize..fourth as usize - 1].to_vec();
    change(&mut disk, FileId::Log, |log| log.truncate(fourth as usize - 1));
    let opened = disk.open();
    let cut = opened.report.cut.unwrap();
    assert_eq!((cut.at, cut.bytes, cut.why), (third, fourth - third - 1, Tail::Unacknowledged));
    assert_eq!(cut.kept.as_deref(), Some("Data.fs.tr0"));
    assert_eq!(disk.kept, [tail]);
    assert_eq!(disk.bytes(FileId::Sidecar).len(), 4 * 48);
    let mut session = Session { store: opened.store, disk: &mut disk };
    session.append(vec![store_one(50, 9, 10)]);
    assert_eq!(disk.open().store.last_tid(), Tid(50));
}

#[test]
fn a_transaction_marked_incomplete_is_cut() {
    let mut disk = three();
    without_nonce(&mut disk);
    let third = ends()[2];
    change(&mut disk, FileId::Log, |log| log[third as usize + 16] = b'c');
    let opened = disk.open();
    let cut = opened.report.cut.unwrap();
    assert_eq!((opened.store.last_tid(), cut.at, cut.why), (Tid(30), third, Tail::Incomplete));
}

#[test]
fn a_tail_of_zeros_is_cut_wherever_it_begins() {
    let [_, _, third, fourth] = ends();
    for (from, last, why) in [
        (fourth, 40, Tail::Zeros),
        (third, 30, Tail::Zeros),
        // In the header of a record, and before the repeated length.
        (third + 23 + 17 + 20, 30, Tail::Zeros),
        (fourth - 8, 30, Tail::Zeros),
    ] {
        let mut disk = three();
        without_nonce(&mut disk);
        change(&mut disk, FileId::Log, |log| {
            log.truncate(from as usize);
            log.resize(fourth as usize + 1000, 0);
        });
        let opened = disk.open();
        let cut = opened.report.cut.unwrap();
        assert_eq!((opened.store.last_tid(), cut.why), (Tid(last), why), "zeros from {from}");
    }
}

#[test]
fn fewer_bytes_than_a_header_at_the_end_are_cut() {
    let mut disk = three();
    without_nonce(&mut disk);
    change(&mut disk, FileId::Log, |log| log.extend([1; 22]));
    let opened = disk.open();
    assert_eq!((opened.store.last_tid(), opened.report.cut.unwrap().why), (Tid(40), Tail::Truncated));
}

#[test]
fn a_lost_sidecar_entry_of_an_acknowledged_batch_costs_nothing() {
    let mut disk = three();
    change(&mut disk, FileId::Sidecar, |sums| sums[48 + 20] ^= 1);
    let opened = disk.open();
    assert_eq!(
        (opened.store.last_tid(), opened.report.sums, opened.report.cut),
        (Tid(40), SumsUse::Used, None)
    );
}

#[test]
fn a_sidecar_that_is_missing_or_foreign_is_replaced_and_the_tail_judged_by_structure() {
    let other = {
        let mut disk = Disk::default();
        let store = disk.open().store;
        let mut session = Session { store, disk: &mut disk };
        session.append(vec![store_one(10, 1, 111)]);
        session.append(vec![store_one(11, 1, 111)]);
        disk
    };
    type Case = (&'static str, fn(&mut Disk, &Disk));
    let cases: [Case; 5] = [
        ("missing", |disk, _| disk.remove(FileId::Sidecar)),
        ("garbage", |disk, _| disk.put(FileId::Sidecar, vec![7; 500])),
        ("of another start", |disk, _| change(disk, FileId::Lock, |lock| lock[3] ^= 1)),
        ("of another log", |disk, other| {
            disk.put(FileId::Sidecar, other.bytes(FileId::Sidecar).to_vec());
            disk.put(FileId::Lock, other.bytes(FileId::Lock).to_vec());
        }),
        ("of an erased nonce", |disk, _| without_nonce(disk)),
    ];
    for (name, break_it) in cases {
        let mut disk = three();
        break_it(&mut disk, &other);
        let opened = disk.open();
        assert_ne!(opened.report.sums, SumsUse::Used, "{name}");
        assert_eq!((opened.store.last_tid(), opened.report.cut), (Tid(40), None), "{name}");
        let mut session = Session { store: opened.store, disk: &mut disk };
        session.append(vec![store_one(50, 9, 10)]);
        let again = disk.open();
        assert_eq!((again.store.last_tid(), again.report.sums), (Tid(50), SumsUse::Used), "{name}");
    }
}

#[test]
fn checksums_that_cannot_be_read_end_the_start_and_stay() {
    let mut disk = three();
    let sums = disk.bytes(FileId::Sidecar).to_vec();
    let mut opening: Opening<u32> = Opening::new(disk.found(), options(), Seed(7));
    let error = loop {
        match opening.poll().expect("a start goes on until it ends") {
            DiskOp::Read { file: FileId::Sidecar, pending, .. } => {
                let result = Err(DiskError::Io("a bad sector".into()));
                opening.handle(DiskDone::Read { pending, result });
            }
            op => opening.handle(disk.carry_out(op).expect("a read")),
        }
        if let Some(result) = opening.finished() {
            break result.expect_err("nothing is served unchecked");
        }
    };
    assert!(matches!(error, OpenError::Disk { file: FileId::Sidecar, .. }), "{error}");
    assert_eq!(disk.bytes(FileId::Sidecar), sums);
    assert_eq!(disk.open().report.sums, SumsUse::Used, "what can be read again is used again");
}

#[test]
fn an_older_copy_of_the_log_put_back_opens_as_it_is() {
    let mut disk = three();
    let [first, ..] = ends();
    change(&mut disk, FileId::Log, |log| log.truncate(first as usize));
    let opened = disk.open();
    assert!(matches!(opened.report.sums, SumsUse::Ignored(_)));
    assert_eq!((opened.store.last_tid(), opened.report.cut), (Tid(10), None));
}

#[test]
fn an_index_that_does_not_belong_to_the_log_is_ignored_and_rebuilt() {
    let saved = {
        let mut disk = three();
        disk.open();
        disk.bytes(FileId::Index).to_vec()
    };
    let stale = {
        let mut disk = Disk::default();
        let store = disk.open().store;
        let mut session = Session { store, disk: &mut disk };
        session.append(vec![store_one(10, 5, 900)]);
        session.close();
        disk.bytes(FileId::Index).to_vec()
    };
    let half = saved[..saved.len() - 6].to_vec();
    let [.., fourth] = ends();
    for index in [
        stale,
        half,
        vec![0; 40],
        crate::store::file::index_file::encode(&Default::default(), fourth).concat(),
    ] {
        let mut disk = three();
        disk.put(FileId::Index, index);
        let opened = disk.open();
        assert!(matches!(opened.report.index, IndexUse::Ignored(_)), "{:?}", opened.report.index);
        assert_eq!((opened.store.last_tid(), opened.report.objects), (Tid(40), 3));
        assert_eq!(disk.bytes(FileId::Index), saved);
    }
}

#[test]
fn what_follows_an_older_index_is_scanned_and_compared() {
    let mut disk = three();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(50, 1, 300)]);
    session.append(vec![store_one(60, 7, 300)]);
    let log = disk.bytes(FileId::Log).len();
    let clean = disk.clone().open().report;
    assert_eq!((clean.index, clean.sums, clean.scanned), (IndexUse::Used, SumsUse::Used, 2));
    change(&mut disk, FileId::Log, |log| {
        let at = log.len() - 100;
        log[at] ^= 1;
    });
    let opened = disk.open();
    let cut = opened.report.cut.unwrap();
    assert_eq!((opened.store.last_tid(), cut.why), (Tid(50), Tail::Unacknowledged));
    assert_eq!(cut.at + cut.bytes, log as u64);
}

#[test]
fn a_clean_close_leaves_nothing_to_scan() {
    let mut disk = three();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    session.append(vec![store_one(50, 1, 300)]);
    session.close();
    let opened = disk.open();
    assert_eq!(
        (opened.report.index, opened.report.sums, opened.report.scanned),
        (IndexUse::Used, SumsUse::Used, 0)
    );
    assert_eq!(opened.store.last_tid(), Tid(50));
}

#[test]
fn a_read_only_opening_writes_nothing_and_ends_before_a_bad_tail() {
    for nonce in [true, false] {
        let mut disk = three();
        if !nonce {
            without_nonce(&mut disk);
        }
        change(&mut disk, FileId::Log, |log| log.extend([0; 100]));
        let files = [FileId::Log, FileId::Sidecar, FileId::Index, FileId::Lock];
        let before = files.map(|file| disk.bytes(file).to_vec());
        let opened = disk.try_open(OpenOptions { read_only: true, ..options() }).unwrap().unwrap();
        assert_eq!((opened.store.last_tid(), opened.store.size()), (Tid(40), ends()[3]));
        assert_eq!(opened.report.cut.unwrap().kept, None);
        assert_eq!(files.map(|file| disk.bytes(file).to_vec()), before);
    }
}

#[test]
fn a_log_of_many_transactions_and_large_data_is_compared_piece_by_piece() {
    let mut disk = Disk::default();
    let store = disk.open().store;
    let mut session = Session { store, disk: &mut disk };
    for batch in 0..30 {
        let batch = (1..=100).map(|n| store_one(batch * 100 + n, n, 20)).collect();
        session.append(batch);
    }
    session.append(vec![store_one(3001, 500, 3 << 20), store_one(3002, 501, 3)]);
    session.append(vec![store_one(3003, 500, 1 << 20)]);
    let mut torn = disk.clone();
    let clean = disk.open();
    assert_eq!((clean.report.scanned, clean.report.sums), (3003, SumsUse::Used));
    assert_eq!((clean.report.damaged.len(), clean.report.cut), (0, None));
    change(&mut torn, FileId::Log, |log| {
        let at = log.len() - 70_000;
        log[at] ^= 1;
    });
    assert_eq!(torn.open().store.last_tid(), Tid(3002));
}

/// Opens while one file cannot be read.
fn open_unreadable(mut disk: Disk, unreadable: FileId) -> Result<Tid, OpenError> {
    let mut opening = Opening::<u32>::new(disk.found(), options(), Seed(3));
    loop {
        if let Some(result) = opening.finished() {
            return result.map(|opened| opened.store.last_tid());
        }
        let done = match opening.poll().unwrap() {
            DiskOp::Read { file, pending, .. } if file == unreadable => {
                let result = Err(DiskError::Io("a bad sector".into()));
                Some(DiskDone::Read { pending, result })
            }
            op => disk.carry_out(op),
        };
        if let Some(done) = done {
            opening.handle(done);
        }
    }
}

#[test]
fn a_tail_is_not_judged_without_checksums_that_only_cannot_be_read() {
    let mut disk = three();
    let at = ends()[3] as usize - 9;
    change(&mut disk, FileId::Log, |log| log[at] ^= 1);
    for unreadable in [FileId::Log, FileId::Sidecar] {
        let error = open_unreadable(disk.clone(), unreadable).unwrap_err();
        assert!(matches!(error, OpenError::Disk { file, .. } if file == unreadable), "{error}");
    }
    assert_eq!(open_unreadable(disk, FileId::Index).unwrap(), Tid(30));
}

#[cfg(feature = "planted-bugs")]
#[test]
fn a_planted_torn_tail_is_kept() {
    let mut disk = three();
    let at = ends()[3] as usize - 9;
    change(&mut disk, FileId::Log, |log| log[at] ^= 1);
    let mut opening = Opening::<u32>::new(disk.found(), options(), Seed(3));
    opening.plant(crate::planted::Bug::TornTailKept);
    let opened = loop {
        if let Some(result) = opening.finished() {
            break result.unwrap();
        }
        let op = opening.poll().unwrap();
        if let Some(done) = disk.carry_out(op) {
            opening.handle(done);
        }
    };
    assert_eq!(opened.store.last_tid(), Tid(40));
}

#[test]
fn a_log_that_was_replaced_after_a_clean_end_is_taken_as_it_is() {
    for index_stays in [true, false] {
        let mut disk = Disk::default();
        let store = disk.open().store;
        let mut session = Session { store, disk: &mut disk };
        let [one, two, three, four] = transactions();
        session.append(vec![one, two]);
        session.close();
        // Somebody else went on with a copy of the log, and puts it back beside our lock file and checksums.
        let mut copy = Disk::with(&[(FileId::Log, disk.bytes(FileId::Log))]);
        let store = copy.open().store;
        let mut session = Session { store, disk: &mut copy };
        session.append(vec![three]);
        session.append(vec![four]);
        disk.put(FileId::Log, copy.bytes(FileId::Log).to_vec());
        if !index_stays {
            disk.remove(FileId::Index);
        }
        let opened = disk.open();
        assert_eq!((opened.store.last_tid(), opened.report.cut), (Tid(40), None), "nothing of it is cut");
        assert!(matches!(opened.report.sums, SumsUse::Ignored(_)));
    }
}

#[test]
fn after_a_clean_end_an_opening_takes_the_mark_of_it_away() {
    let mut disk = three();
    let store = disk.open().store;
    Session { store, disk: &mut disk }.close();
    assert!(disk.bytes(FileId::Lock).windows(7).any(|bytes| bytes == b"closed "));
    let opened = disk.open();
    assert_eq!((opened.report.index, opened.report.sums), (IndexUse::Used, SumsUse::Used));
    assert!(
        !disk.bytes(FileId::Lock).windows(7).any(|bytes| bytes == b"closed "),
        "from now on it may be a crash"
    );
}
