use super::*;
use crate::wire::tree::Tree;
use bytes::BytesMut;

fn prefix(path: &str) -> Wanted {
    Wanted::Prefix(path.split('/').map(str::to_owned).collect())
}

fn read_pickle(pickle: &[u8]) -> Option<Specification> {
    read(Codec::Pickle.read(pickle, &mut Tree::new()).unwrap())
}

/// `{"user_name": Prefix("/a/b")}` as Python's client writes it, with `length` and `path` as given.
fn pickled(module: &str, length: u8, path: &[u8]) -> Vec<u8> {
    let mut pickle = b"\x80\x03}X\x09\0\0\0user_namec".to_vec();
    pickle.extend_from_slice(module.as_bytes());
    pickle.extend_from_slice(b"\nPrefix\n)\x81}(X\x06\0\0\0lengthK");
    pickle.push(length);
    pickle.extend_from_slice(b"X\x04\0\0\0path");
    pickle.extend_from_slice(path);
    pickle.extend_from_slice(b"ubs.");
    pickle
}

const STEPS: &[u8] = b"](X\0\0\0\0X\x01\0\0\0aX\x01\0\0\0be";

#[test]
fn a_pickled_prefix_is_read_and_written_as_python_does() {
    let pickle = pickled("ZopeUndo.Prefix", 3, STEPS);
    let specification = vec![(Owned::Str("user_name".into()), prefix("/a/b"))];
    assert_eq!(read_pickle(&pickle), Some(specification.clone()));
    let mut out = BytesMut::new();
    Writer::message(Codec::Pickle, &mut out, |w| write(w, &specification));
    assert_eq!(out, pickle);
}

#[test]
fn other_objects_are_no_prefixes() {
    assert_eq!(read_pickle(&pickled("os", 3, STEPS)), None, "another class");
    assert_eq!(read_pickle(&pickled("ZopeUndo.Prefix", 2, STEPS)), None, "another length");
    assert_eq!(read_pickle(&pickled("ZopeUndo.Prefix", 1, b"]K\x01a")), None, "a step that is no text");
    assert_eq!(read_pickle(&pickled("ZopeUndo.Prefix", 0, b"K\x00")), None, "no path");
    assert_eq!(read_pickle(b"\x80\x03}K\x01cos\nsystem\nX\x02\0\0\0ls\x85Rs."), None, "a call");
    assert_eq!(read_pickle(b"\x80\x03]."), None, "no dictionary");
}

#[test]
fn a_list_in_itself_is_no_path() {
    assert_eq!(read_pickle(&pickled("ZopeUndo.Prefix", 1, b"]q\x01h\x01a")), None);
}

#[test]
fn a_prefix_is_compared_step_by_step() {
    let is = |wanted: &str, path: &str| prefix(wanted).is(&Owned::Str(path.into()));
    assert!(is("/a/b", "/a/b") && is("/a/b", "/a/b/c") && is("/a", "/a/b") && is("", "/a"));
    assert!(!is("/a/b", "/a/bc") && !is("/a/b", "/a") && !is("/a/b", "a/b") && !is("/a/", "/a/b"));
    assert!(is("/a/b", "/a/b bob") && is("/a", "/a bob") && is("", " bob") && is("", ""));
    assert!(!is("/a b", "/a b") && is("/a b", "/a b/c"), "what is behind a last blank is a name");
}

#[test]
fn a_prefix_is_compared_with_text_and_bytes_only() {
    let wanted = prefix("/\u{e4}");
    assert!(wanted.is(&Owned::Bytes("/\u{e4}/x".into())) && wanted.is(&Owned::Str("/\u{e4}/x".into())));
    assert!(!wanted.is(&Owned::Bytes(b"/\xe4/x".to_vec())));
    for other in [Owned::None, Owned::Int(1), Owned::Float(1.5), Owned::List(vec![Owned::Str("/a".into())])] {
        assert!(!prefix("").is(&other), "{other}");
    }
}
