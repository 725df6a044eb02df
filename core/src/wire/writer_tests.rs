use super::*;
use crate::wire::testing::{CODECS, VALUES, as_msgpack, lines, values};
use crate::wire::tree::Tree;
use proptest::prelude::*;

fn written(codec: Codec, value: &Owned) -> BytesMut {
    let mut out = BytesMut::new();
    Writer::message(codec, &mut out, |writer| writer.value(value));
    out
}

fn read(codec: Codec, message: &[u8]) -> Result<Owned, Malformed> {
    codec.read(message, &mut Tree::new()).and_then(Value::to_owned)
}

#[test]
fn values_are_written_byte_for_byte_as_python_writes_them() {
    for (name, encoding, bytes) in lines(VALUES).filter(|(_, encoding, _)| *encoding == "written") {
        let value = read(Codec::Pickle, &bytes).expect(name);
        assert_eq!(written(Codec::Pickle, &value), bytes, "{name} as {encoding}");
        let packed = lines(VALUES).find(|(n, encoding, _)| *n == name && *encoding == "msgpack");
        if let Some((_, _, packed)) = packed {
            assert_eq!(written(Codec::Msgpack, &value), packed, "{name} as msgpack");
            assert_eq!(read(Codec::Msgpack, &packed), Ok(as_msgpack(&value)), "{name} from msgpack");
        }
    }
}

proptest! {
    #[test]
    fn values_read_back_as_they_were_written(value in values()) {
        prop_assert_eq!(read(Codec::Pickle, &written(Codec::Pickle, &value)), Ok(value.clone()));
        prop_assert_eq!(read(Codec::Msgpack, &written(Codec::Msgpack, &value)), Ok(as_msgpack(&value)));
    }

    #[test]
    fn a_cut_message_is_an_error_wherever_it_is_cut(value in values()) {
        for codec in CODECS {
            let message = written(codec, &value);
            for len in 0..message.len() {
                prop_assert!(read(codec, &message[..len]).is_err());
            }
        }
    }

    #[test]
    fn bytes_after_a_message_are_an_error(value in values(), more in 1..4_usize) {
        for codec in CODECS {
            let mut message = written(codec, &value);
            message.put_bytes(0, more);
            prop_assert_eq!(read(codec, &message), Err(Malformed::Trailing(more)));
        }
    }
}

fn extension(codec: Codec, value: &Owned) -> Result<Vec<u8>, Malformed> {
    extension_pickle(codec.read(&written(codec, value), &mut Tree::new())?)
}

#[test]
fn an_extension_is_kept_as_the_pickle_of_its_dictionary() {
    let dict = Owned::Dict(vec![(Owned::Str("a".into()), Owned::Int(1))]);
    for codec in CODECS {
        assert_eq!(extension(codec, &dict).unwrap(), b"\x80\x03}q\0X\x01\0\0\0aq\x01K\x01s.");
        assert_eq!(extension(codec, &Owned::Dict(vec![])), Ok(vec![]));
        assert_eq!(extension(codec, &Owned::None), Ok(vec![]));
        assert_eq!(extension(codec, &Owned::Bytes(b"as it is".into())).unwrap(), b"as it is");
        assert!(matches!(extension(codec, &Owned::Int(1)), Err(Malformed::Shape(_))));
    }
}

#[test]
fn an_extension_is_pickled_as_python_does_it_with_a_memo() {
    let text = |text: &str| Owned::Str(text.into());
    let bytes = |bytes: &[u8]| Owned::Bytes(bytes.into());
    let row = Owned::List(vec![Owned::Int(1), Owned::Float(2.5), Owned::Tuple(vec![])]);
    let inner = vec![
        (text("a"), text("a")),
        (text(""), bytes(b"")),
        (text("\u{e9}"), row),
        (text("ab"), Owned::Tuple(vec![text("cd"), Owned::Int(1)])),
        (text("x"), Owned::Set(vec![Owned::Int(1)])),
    ];
    let dict = Owned::Dict(vec![
        (text("a"), Owned::Dict(inner)),
        (bytes(b""), bytes(b"q")),
        (text("zz"), text("zz")),
    ]);
    let expected = b"\x80\x03}q\x00(X\x01\x00\x00\x00aq\x01}q\x02(h\x01h\x01X\x00\x00\x00\x00q\x03C\x00q\x04\
        X\x02\x00\x00\x00\xc3\xa9q\x05]q\x06(K\x01G@\x04\x00\x00\x00\x00\x00\x00)e\
        X\x02\x00\x00\x00abq\x07X\x02\x00\x00\x00cdq\x08K\x01\x86q\x09X\x01\x00\x00\x00xq\x0a\
        cbuiltins\nset\nq\x0b]q\x0cK\x01a\x85q\x0dRq\x0euh\x04C\x01qq\x0f\
        X\x02\x00\x00\x00zzq\x10X\x02\x00\x00\x00zzq\x11u.";
    assert_eq!(extension(Codec::Pickle, &dict).unwrap(), expected);
    let many = (0..129).map(|at| (text(&format!("{at:03}")), Owned::None)).collect();
    let many = extension(Codec::Pickle, &Owned::Dict(many)).unwrap();
    assert!(many.ends_with(b"X\x03\0\0\x00128q\x81Nu."));
    let many = (0..256).map(|at| (text(&format!("{at:03}")), Owned::None)).collect();
    let many = extension(Codec::Pickle, &Owned::Dict(many)).unwrap();
    assert!(many.ends_with(b"X\x03\0\0\x00255r\0\x01\0\0Nu."));
}

#[test]
fn an_extension_that_names_a_class_is_refused() {
    let message = b"\x80\x03}X\x01\0\0\0acdatetime\ndate\nC\x04\x07\xd0\x01\x01\x85Rs.";
    let mut tree = Tree::new();
    let value = Codec::Pickle.read(message, &mut tree).unwrap();
    assert_eq!(extension_pickle(value), Err(Malformed::Global("datetime.date".into())));
}

#[test]
fn an_extension_that_dict_makes_is_the_dictionary() {
    let read = |pickle: &[u8]| extension_pickle(Codec::Pickle.read(pickle, &mut Tree::new()).unwrap());
    let plain = read(b"\x80\x03}X\x01\0\0\0aK\x01s.").unwrap();
    // What `dict` is called with is a tuple, or a list, of tuples of two.
    assert_eq!(read(b"\x80\x03cbuiltins\ndict\nX\x01\0\0\0aK\x01\x86\x85\x85R."), Ok(plain.clone()));
    assert_eq!(read(b"\x80\x03c__builtin__\ndict\n]X\x01\0\0\0aK\x01\x86a\x85R."), Ok(plain));
    assert_eq!(read(b"\x80\x03cbuiltins\ndict\n)\x85R."), Ok(Vec::new()));
    let others: [&[u8]; 3] = [
        b"\x80\x03cbuiltins\ndict\nK\x01\x85R.",
        b"\x80\x03cbuiltins\ndict\nK\x01\x85\x85R.",
        b"\x80\x03cbuiltins\neval\n)\x85R.",
    ];
    for other in others {
        assert!(read(other).is_err(), "{other:?}");
    }
}

#[test]
fn a_head_announces_bytes_that_follow() {
    for codec in CODECS {
        for len in [0, 1, 255, 256, 65_535, 65_536] {
            let body = vec![1; len];
            let (mut whole, mut parts) = (BytesMut::new(), BytesMut::new());
            Writer::new(codec, &mut whole).bytes(&body);
            Writer::new(codec, &mut parts).bytes_head(len);
            parts.put_slice(&body);
            assert_eq!(whole, parts);
        }
    }
}
