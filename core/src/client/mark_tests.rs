use super::*;
use crate::rng::Seed;

fn mark() -> Mark {
    Mark::new(&mut Rng::new(Seed(1)))
}

fn field<'a>(pickled: &'a [u8], tree: &'a mut Tree, name: &str) -> Option<Value<'a>> {
    pickle::read(pickled, tree).unwrap().field(name)
}

#[test]
fn a_transaction_without_extension_data_carries_the_mark_alone() {
    let (pickled, mark) = marked(&Bytes::new(), Some(mark()));
    let mut tree = Tree::default();
    let value = pickle::read(&pickled, &mut tree).unwrap();
    assert!(mark.unwrap().is_on(value));
    assert_eq!(value.pairs().unwrap().len(), 1);
}

#[test]
fn a_mark_alone_is_pickled_as_python_pickles_it_again_in_a_copy() {
    let (pickled, _) = marked(&Bytes::new(), Some(Mark(*b"0123456789abcdef")));
    let python = b"\x80\x03}q\x00X\x0c\x00\x00\x00zeolith.markq\x01C\x100123456789abcdefq\x02s.";
    assert_eq!(pickled, python);
}

#[test]
fn what_the_caller_says_is_kept() {
    let own = Bytes::from_static(b"\x80\x03}X\x01\x00\x00\x00aK\x07s.");
    let (pickled, mark) = marked(&own, Some(mark()));
    let mut tree = Tree::default();
    assert_eq!(field(&pickled, &mut tree, "a").unwrap().as_int(), Some(7));
    assert!(mark.unwrap().is_on(pickle::read(&pickled, &mut tree).unwrap()));
}

#[test]
fn a_mark_of_an_earlier_life_gives_way() {
    let (copied, _) = marked(&Bytes::new(), Some(Mark([7; 16])));
    let (pickled, mark) = marked(&copied.into(), Some(mark()));
    let mut tree = Tree::default();
    let value = pickle::read(&pickled, &mut tree).unwrap();
    assert!(mark.unwrap().is_on(value) && !Mark([7; 16]).is_on(value));
}

#[test]
fn what_is_no_dictionary_is_passed_on_as_it_is() {
    for odd in [&b"\x80\x03]."[..], b"\x80\x03K\x05.", b"garbage", b".", b"\x80\x03}"] {
        let odd = Bytes::from_static(odd);
        assert_eq!(marked(&odd, Some(mark())), (odd.to_vec(), None));
    }
}

#[test]
fn a_dictionary_that_would_be_too_large_is_passed_on_as_it_is() {
    // A mark takes 36 bytes.
    let of = |text: usize| {
        let mut own = b"\x80\x03}X\x01\x00\x00\x00aX".to_vec();
        own.extend_from_slice(&(text as u32).to_le_bytes());
        own.resize(own.len() + text, b'x');
        own.extend_from_slice(b"s.");
        Bytes::from(own)
    };
    let room = limits::METADATA - 36 - of(0).len();
    let (pickled, with) = marked(&of(room), Some(mark()));
    assert_eq!((pickled.len(), with.is_some()), (limits::METADATA, true));
    assert_eq!(marked(&of(room + 1), Some(mark())).1, None);
}

#[test]
fn no_mark_is_put_in_where_none_is_wanted() {
    assert_eq!(marked(&Bytes::new(), None), (Vec::new(), None));
}
