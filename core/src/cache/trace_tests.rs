use super::*;
use proptest::prelude::*;

/// What Python's `struct` makes of `(1795311242, (300 << 8) + 0x52, 8, p64(5), p64(0))` and the oid 7.
const STORED: &[u8] =
    b"\x6b\x02\x4e\x8a\x00\x01\x2c\x52\x00\x08\0\0\0\0\0\0\0\x05\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x07";

fn stored() -> Traced {
    Traced { code: Code::Store, size: 300, oid: Oid(7), start: Tid(5), end: Tid::ZERO }
}

#[test]
fn a_record_is_read_and_written_as_python_does() {
    assert_eq!(Traced::read(STORED), Ok(Some((0x6b02_4e8a, stored(), 34))));
    let mut out = Vec::new();
    stored().put(0x6b02_4e8a, &mut out);
    assert_eq!(out, STORED);
}

#[test]
fn the_opening_of_a_cache_has_no_oid() {
    let mut out = Vec::new();
    Traced::OPENED.put(1, &mut out);
    assert_eq!(out.len(), 26);
    assert_eq!(Traced::read(&out), Ok(Some((1, Traced::OPENED, 26))));
}

#[test]
fn a_record_that_is_not_complete_is_none() {
    for len in 0..STORED.len() {
        assert_eq!(Traced::read(&STORED[..len]), Ok(None), "{len} bytes");
    }
}

#[test]
fn foreign_bytes_are_refused_by_what_is_wrong_with_them() {
    let with = |at: usize, byte: u8| {
        let mut bytes = STORED.to_vec();
        bytes[at] = byte;
        Traced::read(&bytes).unwrap_err()
    };
    assert_eq!(with(7, 0x53), BadTrace::Code(0x53));
    assert_eq!(with(7, 0xd2), BadTrace::Code(0xd2));
    assert_eq!(with(4, 0x80), BadTrace::Size);
    assert_eq!(with(9, 0), BadTrace::Oid(0));
    assert_eq!(with(8, 1), BadTrace::Oid(264));
}

#[test]
fn a_size_that_does_not_fit_is_written_as_the_largest() {
    for (size, written) in [(SIZE_MAX, SIZE_MAX), (SIZE_MAX + 1, SIZE_MAX), (u32::MAX, SIZE_MAX)] {
        let mut out = Vec::new();
        Traced { size, ..stored() }.put(1, &mut out);
        let (_, read, _) = Traced::read(&out).unwrap().unwrap();
        assert_eq!(read, Traced { size: written, ..stored() });
    }
}

#[test]
fn codes_tell_loads_from_stores_and_invalidations() {
    for &code in Code::ALL {
        assert_eq!(Code::from_number(code.number()), Some(code));
        let kinds = [code.is_load(), code.is_store(), code.is_invalidation(), code == Code::Opened];
        assert_eq!(kinds.iter().filter(|kind| **kind).count(), 1, "{code:?}");
    }
    assert!(Code::LoadHit.is_hit() && Code::LoadBeforeHit.is_hit() && !Code::LoadMiss.is_hit());
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        seconds: u32, which in 0..Code::ALL.len(), size in 0..=SIZE_MAX, oid: u64, start: u64, end: u64,
    ) {
        let code = Code::ALL[which];
        let oid = if code == Code::Opened { Oid::ZERO } else { Oid(oid) };
        let traced = Traced { code, size, oid, start: Tid(start), end: Tid(end) };
        let mut out = Vec::new();
        traced.put(seconds, &mut out);
        prop_assert_eq!(Traced::read(&out), Ok(Some((seconds, traced, out.len()))));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        if let Ok(Some((_, _, len))) = Traced::read(&bytes) {
            prop_assert!(len <= bytes.len());
        }
    }
}
