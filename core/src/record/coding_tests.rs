use super::*;
use crate::ids::Oid;
use crate::record::{Reference, class, references};
use proptest::prelude::*;

fn bytes(text: &[u8]) -> Bytes {
    Bytes::copy_from_slice(text)
}

/// What zc.zlibstorage makes of a hundred letters.
const PACKED: &[u8] = b".zx\x9cKLJ\xa49\x04\x00\x84\x0b&\x17";

#[test]
fn what_python_compressed_is_read() {
    assert_eq!(Coding::Zlib.decode(&bytes(PACKED)).unwrap(), "ab".repeat(50));
}

#[test]
fn only_what_gets_shorter_is_compressed() {
    let zlib = |data: &[u8]| Coding::Zlib.encode(&bytes(data));
    assert_eq!(zlib(&[b'a'; 20]), &[b'a'; 20][..], "short");
    assert!(zlib(&[b'a'; 21]).starts_with(b".z"));
    let noise: Vec<u8> = (0..200u8).map(|at| at.wrapping_mul(167) ^ at.rotate_left(3)).collect();
    assert_eq!(zlib(&noise), noise, "noise");
    let once = zlib(&[b'a'; 100]);
    assert_eq!(zlib(&once), once, "compressed already");
}

#[test]
fn hex_is_written_whatever_it_is_of() {
    assert_eq!(Coding::Hex.encode(&bytes(b"\x00\xaf.")), &b".h00af2e"[..]);
    assert_eq!(Coding::Hex.encode(&Bytes::new()), &b".h"[..]);
    assert_eq!(Coding::Hex.decode(&bytes(b".h00AF2e")).unwrap(), &b"\x00\xaf."[..], "as Python reads it");
}

#[test]
fn what_was_not_written_so_is_refused() {
    for bad in [&b""[..], b"00", b".z00", b".h0", b".h0g", b".h\xff\xff", b".h+1", b".h 1"] {
        assert_eq!(Coding::Hex.decode(&bytes(bad)), Err(BadCoding::Hex), "{bad:?}");
    }
    for bad in [&b".z"[..], b".zx", b".z\0\0\0", &PACKED[..PACKED.len() - 1]] {
        assert_eq!(Coding::Zlib.decode(&bytes(bad)), Err(BadCoding::Zlib), "{bad:?}");
        assert_eq!(uncoded(bad), Err(BadCoding::Zlib), "{bad:?}");
    }
    let mut sum_is_wrong = PACKED.to_vec();
    *sum_is_wrong.last_mut().unwrap() ^= 1;
    assert_eq!(Coding::Zlib.decode(&sum_is_wrong.into()), Err(BadCoding::Zlib));
}

#[test]
fn a_small_record_does_not_unfold_into_all_of_memory() {
    let mut encoder = ZlibEncoder::new(ZLIB.to_vec(), Compression::best());
    let zeros = vec![0; 1 << 20];
    for _ in 0..1 << 10 {
        encoder.write_all(&zeros).unwrap();
    }
    encoder.write_all(b"!").unwrap();
    let bomb = encoder.finish().unwrap();
    assert!(bomb.len() < 2 << 20);
    assert_eq!(uncoded(&bomb), Err(BadCoding::TooLarge));
    assert!(beginning(&bomb).unwrap().len() <= limits::CLASS + 1);
    assert!(beginning(&Coding::Hex.encode(&bomb.into())).unwrap().len() <= limits::CLASS + 1);
}

/// A root of ZODB's with one object in it.
const ROOT: &[u8] = b"\x80\x03cpersistent.mapping\nPersistentMapping\nq\0.\x80\x03}q\x01X\x04\0\0\0dataq\x02}q\x03X\x01\0\0\0aq\x04\
                      C\x08\0\0\0\0\0\0\0\x01q\x05h\0\x86q\x06Qss.";

#[test]
fn a_class_is_told_of_a_record_that_is_damaged_behind_it() {
    let noise = (0..9000u32).flat_map(|at| at.wrapping_mul(2_654_435_761).to_be_bytes());
    let long: Bytes = ROOT.iter().copied().chain(noise).collect();
    let mut packed = ZlibEncoder::new(ZLIB.to_vec(), Compression::fast());
    packed.write_all(&long).unwrap();
    let packed = packed.finish().unwrap();
    let cut = &packed[..packed.len() - 20];
    assert_eq!(class(cut).unwrap().to_string(), "persistent.mapping.PersistentMapping");
    assert_eq!(references(cut), Err(BadCoding::Zlib.into()));
}

#[test]
fn class_and_references_are_seen_through_every_coding() {
    let record = Bytes::from_static(ROOT);
    let hex = Coding::Hex.encode(&record);
    for wrapped in
        [record, hex.clone(), Coding::Zlib.encode(&hex), Coding::Hex.encode(&Coding::Zlib.encode(&hex))]
    {
        assert_eq!(class(&wrapped).unwrap().to_string(), "persistent.mapping.PersistentMapping");
        assert_eq!(references(&wrapped).unwrap(), [Reference::Object(Oid(1))]);
    }
}

proptest! {
    #[test]
    fn what_is_written_is_read(data in prop::collection::vec(any::<u8>(), 0..300), same in 1usize..40) {
        let data: Bytes = data.into_iter().flat_map(|byte| std::iter::repeat_n(byte, same)).collect();
        // What looks like a coded record is none: pickles do not begin with a dot.
        prop_assume!(!data.starts_with(b"."));
        for coding in [Coding::Zlib, Coding::Hex] {
            let written = coding.encode(&data);
            prop_assert_eq!(coding.decode(&written).unwrap(), &data);
            prop_assert_eq!(&*uncoded(&written).unwrap(), &data[..]);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(data in prop::collection::vec(any::<u8>(), 0..60), prefix in 0usize..3) {
        let data: Bytes = [[b".z".as_slice(), b".h", b""][prefix], &data[..]].concat().into();
        let _ = uncoded(&data);
        let _ = (Coding::Zlib.decode(&data), Coding::Hex.decode(&data));
    }
}
