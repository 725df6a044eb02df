use super::*;
use crate::cache::simulate::stream::Streamer;
use proptest::prelude::*;
use zeolith_core::cache::trace::{Code, Traced};
use zeolith_core::ids::{Oid, Tid};

/// The stream of loads of these objects, each of `size` bytes of data.
fn loads(oids: &[u64], size: u32) -> Stream {
    let mut streamer = Streamer::default();
    for &oid in oids {
        let traced = |code, size| Traced { code, size, oid: Oid(oid), start: Tid(1), end: Tid::ZERO };
        streamer.add(&traced(Code::LoadMiss, 0));
        streamer.add(&traced(Code::Store, size));
    }
    streamer.finish()
}

fn hits_of(name: &str, limit: u64, stream: &Stream) -> u64 {
    let curve = CURVES.iter().find(|curve| curve.name == name).unwrap();
    hits(&mut *(curve.make)(limit), stream)
}

#[test]
fn each_policy_keeps_what_it_is_named_for() {
    // Three objects of 100 bytes each fit.
    let (size, limit) = (57, 12 + 301);
    // Used again and again, 1 stays with LRU; a ring lets it go when its turn comes, unless it is written anew.
    let stream = loads(&[1, 2, 1, 3, 1, 4, 1], size);
    assert_eq!(hits_of("LRU", limit, &stream), 3);
    assert_eq!(hits_of("ZEO's ring", limit, &stream), 3);
    assert_eq!(hits(&mut Fifo::new(limit, 1.0), &stream), 2);
    // Four objects in turn: LRU always drops the next one, foresight keeps three of four.
    let turns = loads(&[1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4], size);
    assert_eq!(hits_of("LRU", limit, &turns), 0);
    assert_eq!(hits_of("look-ahead", limit, &turns), 6);
}

#[test]
fn a_cache_with_room_for_all_answers_every_load_but_the_first() {
    let stream = loads(&[1, 2, 3, 1, 2, 3, 3], 1000);
    for curve in CURVES {
        assert_eq!(hits(&mut *(curve.make)(100_000), &stream), 4, "{}", curve.name);
    }
}

proptest! {
    #[test]
    fn foresight_is_never_worse_when_all_are_of_one_size(
        oids in prop::collection::vec(0u64..30, 1..300), room in 2u64..30,
    ) {
        let stream = loads(&oids, 57);
        let limit = 12 + 100 * room + 1;
        let best = hits_of("look-ahead", limit, &stream);
        for curve in CURVES {
            prop_assert!(hits(&mut *(curve.make)(limit), &stream) <= best, "{}", curve.name);
        }
    }
}
