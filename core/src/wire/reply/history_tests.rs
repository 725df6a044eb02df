use super::*;
use crate::wire::testing::{CODECS, values};
use bytes::BytesMut;
use proptest::prelude::*;

fn pickled(value: &Owned) -> BytesMut {
    let mut out = BytesMut::new();
    Writer::message(Codec::Pickle, &mut out, |w| w.value(value));
    out
}

fn text(text: &str) -> Owned {
    Owned::Str(text.into())
}

/// The names that are left of a dictionary, and whether some are missing.
fn names(codec: Codec, pickle: &[u8]) -> (Vec<String>, bool) {
    let (pairs, missing) = Extensions::new(codec).read(pickle);
    let name = |(key, _): (Owned, Owned)| match key {
        Owned::Str(name) => name,
        other => other.to_string(),
    };
    (pairs.into_iter().map(name).collect(), missing.is_some())
}

#[test]
fn plain_data_comes_out_as_it_was() {
    let value = Owned::List(vec![Owned::Int(1), Owned::Float(0.5), Owned::None, Owned::Bool(true)]);
    let pairs = vec![(text("a"), value), (Owned::Bytes(b"b".into()), text("c"))];
    for codec in CODECS {
        let mut extensions = Extensions::new(codec);
        for _ in 0..3 {
            assert_eq!(extensions.read(&pickled(&Owned::Dict(pairs.clone()))), (pairs.clone(), None));
        }
        assert_eq!(extensions.read(b""), (vec![], None));
    }
}

#[test]
fn what_is_no_plain_data_is_left_out_and_the_rest_stays() {
    for codec in CODECS {
        // {'a': datetime.date(), 'b': 1}, and {'a': itself, 'b': 1}
        let class = b"\x80\x03}(X\x01\0\0\0acdatetime\ndate\n)RX\x01\0\0\0bK\x01u.";
        assert_eq!(names(codec, class), (vec!["b".into()], true));
        let cycle = b"\x80\x03}q\0(X\x01\0\0\0ah\0X\x01\0\0\0bK\x01u.";
        assert_eq!(names(codec, cycle), (vec!["b".into()], true));
        for pickle in [&b"garbage"[..], b"\x80\x03K\x01.", b"\x80\x03}", b"\x80\x03}.."] {
            assert_eq!(names(codec, pickle), (vec![], true), "{pickle:?}");
        }
    }
}

#[test]
fn what_python_could_not_read_back_is_left_out() {
    let pairs = vec![
        (text("set"), Owned::Set(vec![Owned::Int(1)])),
        (text("large"), Owned::BigInt(vec![0x7f; 20])),
        (text("surrogates"), Owned::Surrogates(vec![0xed, 0xb2, 0x80])),
        (text("numbered"), Owned::Dict(vec![(Owned::Int(1), Owned::None)])),
        (Owned::Int(1), Owned::None),
        (text("listed"), Owned::Tuple(vec![Owned::Dict(vec![(Owned::List(vec![]), Owned::None)])])),
        (text("set of lists"), Owned::Set(vec![Owned::List(vec![])])),
        (Owned::Tuple(vec![Owned::List(vec![])]), Owned::None),
        (text("plain"), Owned::None),
    ];
    let pickle = pickled(&Owned::Dict(pairs));
    let carried: Vec<String> =
        ["set", "large", "surrogates", "numbered", "1", "plain"].map(Into::into).into();
    assert_eq!(names(Codec::Pickle, &pickle), (carried, true));
    assert_eq!(names(Codec::Msgpack, &pickle), (vec!["plain".into()], true));
}

#[test]
fn all_extension_data_of_a_reply_is_bounded() {
    // One text, many times.
    let text = [&b"\x80\x03}(X\0\0\0\0X\0\x80\0\0"[..], &[b'x'; 0x8000], b"q\0"].concat();
    let many: Vec<u8> = (0..100_u8).flat_map(|n| [b"K", &[n][..], b"h\0"].concat()).collect();
    let pickle = [&text[..], &many, b"u."].concat();
    let mut extensions = Extensions::new(Codec::Pickle);
    let read: Vec<_> = (0..10).map(|_| extensions.read(&pickle)).collect();
    let total: usize = read.iter().map(|(pairs, _)| pairs.len() * 0x8000).sum();
    assert!((limits::HISTORY / 2..=limits::HISTORY).contains(&total), "{total}");
    assert_eq!(read[9], (vec![], Some(Malformed::Limit("bytes"))));
}

#[test]
fn values_that_are_told_again_and_again_are_bounded_for_each_transaction() {
    // A pair of two times the same pair, thirty deep.
    let deep = [&b"\x80\x03}X\x01\0\0\0aN"[..], &b"2\x86".repeat(30), b"s."].concat();
    let mut extensions = Extensions::new(Codec::Pickle);
    for _ in 0..10 {
        assert_eq!(extensions.read(&deep), (vec![], Some(Malformed::Limit("values"))));
    }
    let plain = pickled(&Owned::Dict(vec![(text("a"), Owned::None)]));
    assert_eq!(extensions.read(&plain).1, None);
}

proptest! {
    #[test]
    fn any_extension_makes_a_reply(value in values(), noise in prop::collection::vec(any::<u8>(), 0..60)) {
        for codec in CODECS {
            let mut extensions = Extensions::new(codec);
            let dict = Owned::Dict(vec![(text("a"), value.clone()), (value.clone(), Owned::None)]);
            let (extension, _) = extensions.read(&pickled(&dict));
            prop_assert!(extension.len() <= 2);
            extensions.read(&noise);
            let strings = Bytes::from_static(b"x");
            let (user, description) = (strings.clone(), strings);
            let past = PastRevision { tid: Tid(5), size: 1, user, description, extension };
            let mut out = BytesMut::new();
            Writer::message(codec, &mut out, |w| past.write(w));
            let mut tree = Tree::new();
            let written = codec.read(&out, &mut tree).unwrap();
            prop_assert_eq!(written.field("size").and_then(|size| size.as_count()), Some(1));
        }
    }
}
