use super::*;
use crate::ids::{Oid, Tid};
use crate::store::file::testing::{Disk, transaction};
use crate::store::testing::{Asked, Disks, Rig, compare, transactions};
use proptest::prelude::*;

const FORMS: [Transformation; 4] = [
    Transformation { write: Some(Coding::Hex), read: Some(Coding::Hex) },
    Transformation { write: Some(Coding::Zlib), read: Some(Coding::Zlib) },
    Transformation { write: None, read: Some(Coding::Zlib) },
    Transformation { write: None, read: None },
];

const ZLIB: Transformation = FORMS[1];
const HEX: Transformation = FORMS[0];

/// What the store that is wrapped has for an object.
fn written(rig: Rig, oid: u64) -> Vec<u8> {
    let Store::Coded(coded) = rig.store else { panic!("a coded store") };
    let mut plain = Rig { store: coded.store, ..rig };
    plain.before(oid, Tid::MAX).unwrap().unwrap().0
}

fn undone(rig: &mut Rig, oid: u64, so_far: Option<SoFar>, tid: u64) -> Undone {
    let targets = match rig.ask(StoreOp::Targets { context: Asked::Test, tid: Tid(tid) }) {
        StoreDone::Targets { result, .. } => result.unwrap().unwrap(),
        other => panic!("{other:?}"),
    };
    let target = *targets.iter().find(|target| target.oid == Oid(oid)).unwrap();
    match rig.ask(StoreOp::Undo { context: Asked::Test, target, so_far }) {
        StoreDone::Undone { result, .. } => result.unwrap().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_log_has_what_python_would_have_written() {
    for file in [false, true] {
        let mut hex = Rig::either(file).coded(HEX);
        hex.append(vec![transaction(1, &[(1, Some(b"ab."))])]);
        assert_eq!(written(hex, 1), b".h61622e");
        let mut zlib = Rig::either(file).coded(ZLIB);
        zlib.append(vec![transaction(1, &[(1, Some(&[b'a'; 100])), (2, Some(b"short"))])]);
        assert_eq!(written(zlib, 1)[..2], *b".z");
        let mut reading = Rig::either(file).coded(FORMS[2]);
        reading.append(vec![transaction(1, &[(1, Some(&[b'a'; 100]))])]);
        assert_eq!(written(reading, 1), [b'a'; 100]);
    }
}

#[test]
fn a_record_in_another_form_is_an_error_of_its_own_and_hides_no_other() {
    let mut plain = Rig::memory();
    plain.append(vec![transaction(1, &[(1, Some(b"plain")), (2, Some(b".h6161"))])]);
    let mut rig = plain.coded(HEX);
    assert_eq!(rig.before(1, Tid::MAX), Err(StoreError::Coding(BadCoding::Hex)));
    assert_eq!(rig.before(2, Tid::MAX), Ok(Some((b"aa".to_vec(), 1, None))));
    let data = rig.ask(StoreOp::LoadSerial { context: Asked::Test, oid: Oid(1), serial: Tid(1) });
    let result = Err(StoreError::Coding(BadCoding::Hex));
    assert_eq!(data, StoreDone::Data { context: Asked::Test, oid: Oid(1), result });
}

#[test]
fn an_undo_compares_and_tells_states_as_clients_know_them() {
    for form in [HEX, ZLIB] {
        let [first, second, third] = [b'1', b'2', b'3'].map(|byte| vec![byte; 60]);
        let mut rig = Rig::file().coded(form);
        for (tid, state) in [(1, &first), (2, &second), (3, &third)] {
            rig.append(vec![transaction(tid, &[(1, Some(state))])]);
        }
        let merge = Undone::Merge { current: Tid(3), earlier: first.into() };
        assert_eq!(undone(&mut rig, 1, None, 2), merge);
        let back = undone(&mut rig, 1, Some(SoFar::Stored(second.into())), 2);
        assert!(matches!(back, Undone::Back(_)), "{back:?}");
    }
}

#[test]
fn a_state_that_was_copied_is_found_by_what_it_is() {
    for form in [HEX, ZLIB] {
        let mut rig = Rig::file().coded(form);
        rig.append(vec![transaction(1, &[(1, Some(&[5; 50]))])]);
        let mut find = |data: &[u8]| {
            let data = Some(Bytes::copy_from_slice(data));
            match rig.ask(StoreOp::Find { context: Asked::Test, oid: Oid(1), serial: Tid(1), data }) {
                StoreDone::Found { result, .. } => result.unwrap(),
                other => panic!("{other:?}"),
            }
        };
        assert!(find(&[5; 50]).is_some());
        assert_eq!(find(&[6; 50]), None);
    }
}

#[test]
fn room_that_is_reserved_and_not_needed_is_given_back() {
    let mut disk = Disk::default();
    disk.room = Some(1 << 20);
    let mut rig = Rig::file_on(disk).coded(ZLIB);
    for tid in 1..500 {
        let one = transaction(tid, &[(1, Some(&[9; 10_000]))]);
        let bytes = footprint(&one);
        let reserved = rig.ask(StoreOp::Reserve { context: Asked::Test, bytes });
        assert_eq!(reserved, StoreDone::Reserved { context: Asked::Test, result: Ok(()) }, "{tid}");
        if tid % 3 == 0 {
            rig.store.release(bytes);
        } else {
            rig.append(vec![one]);
        }
    }
}

#[test]
fn hexadecimal_digits_never_need_more_room_than_was_reserved() {
    let mut rig = Rig::file().coded(HEX);
    for (tid, len) in (1..).zip([1usize, 2, 50, 5000]) {
        let data = vec![0xff; len];
        let one = transaction(tid, &[(1, Some(&data)), (2, Some(b"x"))]);
        let reserved = HEX.bound(footprint(&one));
        let before = rig.store.size();
        rig.append(vec![one]);
        assert!(rig.store.size() - before <= reserved, "{len}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_coded_store_answers_as_a_plain_one_in_every_form(batch in transactions(), file in any::<bool>()) {
        let mut model = Rig::memory();
        model.append(batch.clone());
        for form in FORMS {
            let mut rig = Rig::either(file).coded(form);
            for transaction in &batch {
                rig.append(vec![transaction.clone()]);
            }
            compare(&mut rig, &mut model);
            let twice = Rig::either(file).coded(form);
            let mut twice = twice.coded(HEX);
            for transaction in &batch {
                twice.append(vec![transaction.clone()]);
            }
            compare(&mut twice, &mut model);
            assert!(matches!(twice.disks, Disks::One(_)) == file);
        }
    }
}
