use super::*;
use proptest::prelude::*;

/// Heap bytes of an index. A node of a B-tree has eleven slots, of which at least five are used (six, when keys come
/// in order), and a word of bookkeeping for each child or so.
fn heap(index: &Index) -> usize {
    let slot = size_of::<(u64, Page)>();
    let nodes = index.pages.len().div_ceil(5);
    nodes * (11 * slot + 16)
        + nodes.div_ceil(5) * 12 * 8
        + index.pages.values().map(|p| p.packed.capacity()).sum::<usize>()
}

#[test]
fn a_million_dense_objects_take_at_most_ten_bytes_each() {
    let mut index = Index::new();
    for oid in 0..1_000_000 {
        index.set(Oid(oid), 4 + oid * 300, SizeClass::of(300));
    }
    assert_eq!(index.len(), 1_000_000);
    let each = heap(&index) as f64 / 1e6;
    assert!(each <= 10.0, "{each} bytes an object");
}

#[test]
fn a_size_class_holds_its_record_and_wastes_at_most_an_eighth() {
    for len in (43..5000).chain([65_536, 65_537, 1 << 20, (1 << 30) + 42, 15 << 30]) {
        let bytes = SizeClass::of(len).bytes().unwrap() as u64;
        assert!(bytes >= len && bytes <= len + len / 8, "{len} was rounded to {bytes}");
    }
    assert_eq!(SizeClass::of(1 << 40), SizeClass::UNKNOWN);
}

#[test]
#[should_panic(expected = "256 terabytes")]
fn a_position_past_48_bits_is_a_bug() {
    Index::new().set(Oid(1), 1 << 48, SizeClass::UNKNOWN);
}

proptest! {
    #[test]
    fn an_index_is_a_sorted_map(steps in prop::collection::vec((0u64..2000, 0u64..1 << 48, 43u64..1 << 20), 0..800)) {
        let mut index = Index::new();
        let mut model = BTreeMap::new();
        for (oid, at, len) in steps {
            // Some oids lie far apart.
            let oid = if oid % 5 == 0 { oid << 40 } else { oid };
            index.set(Oid(oid), at, SizeClass::of(len));
            model.insert(Oid(oid), Entry { at, size: SizeClass::of(len) });
        }
        prop_assert_eq!(index.len(), model.len() as u64);
        prop_assert_eq!(index.max_oid(), model.keys().next_back().copied());
        for oid in (0..2000).map(Oid) {
            prop_assert_eq!(index.get(oid), model.get(&oid).copied());
        }
        prop_assert!(index.iter().eq(model.into_iter()));
    }
}
